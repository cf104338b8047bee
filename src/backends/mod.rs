//! The regional registries, by meaning: a region and an environment lead to a destination; its dialect does the rest.
//!
//! An adapter belongs to a dialect, not to a region: seven regions are rows of configuration. May import `client`,
//! `domain`, `hl7` and `soap`.

mod cdc2011;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::backends::cdc2011::Cdc2011;
use crate::client::{Account, SendError};
use crate::domain::{Environment, Failure, FailureClass, RegionCode};
use crate::hl7::{Message, Reply, Verdict};
use crate::soap::SoapVersion;

/// How to reach one registry.
pub struct Destination {
    /// Address of its SOAP service; https only.
    pub endpoint: String,
    /// SOAP version it speaks.
    pub version: SoapVersion,
    /// Our account there.
    pub account: Account,
    /// What we trust and how we prove ourselves.
    pub tls: rustls::ClientConfig,
    /// Longest wait for its answer.
    pub timeout: Duration,
}

/// What a registry answered.
pub struct RegistryReply {
    /// Its HL7 text, unchanged.
    pub text: String,
    /// MSA-1.
    pub ack_code: String,
    /// Whether it took the message.
    pub taken: bool,
}

impl RegistryReply {
    /// Whether the registry said anything that can be passed on: one that only takes files does not.
    pub const fn has_answer(&self) -> bool {
        !self.text.is_empty()
    }
}

impl fmt::Debug for RegistryReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistryReply({}, {} bytes)", self.ack_code, self.text.len())
    }
}

/// Every destination that the configuration knows.
#[derive(Default)]
pub struct Backends(HashMap<(RegionCode, Environment), Cdc2011>);

impl Backends {
    /// Adds a destination.
    ///
    /// # Errors
    /// When its address or TLS settings cannot be used.
    pub fn add(
        &mut self,
        region: RegionCode,
        environment: Environment,
        to: Destination,
    ) -> Result<(), SendError> {
        self.0.insert((region, environment), Cdc2011::new(to)?);
        Ok(())
    }

    /// The text that the destination gets for a message: the message itself where nothing is rewritten.
    ///
    /// # Errors
    /// When no registry is configured there.
    pub fn outgoing<'a>(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &'a str,
    ) -> Result<Cow<'a, str>, Failure> {
        self.at(region, environment).map(|_backend| Cow::Borrowed(hl7))
    }

    /// Sends one message, as [`Backends::outgoing`] made it, and waits for the answer, at most as long as the
    /// destination's time-out.
    ///
    /// # Errors
    /// Classed by what may be done next; an answer that is not an acknowledgement is ambiguous.
    pub async fn send(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &str,
    ) -> Result<RegistryReply, Failure> {
        let backend = self.at(region, environment)?;
        let start = Instant::now();
        let result = backend.send(hl7).await.map_err(Failure::from).and_then(judged);
        let class = result.as_ref().map_or_else(|failure| failure.class.word(), |_reply| "ok");
        let destination = [("destination", region.as_str()), ("mode", environment.word())];
        metrics::histogram!("gateway_delivery_seconds", &destination).record(start.elapsed());
        metrics::counter!("gateway_delivery_attempts_total", "destination" => region.as_str(), "mode" => environment.word(), "class" => class)
            .increment(1);
        result
    }

    /// Sends a query and gives the answer, unjudged but for being one HL7 message. Never repeated by anybody.
    ///
    /// # Errors
    /// As [`Backends::send`].
    pub async fn query(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &str,
    ) -> Result<String, Failure> {
        let answer = self.at(region, environment)?.send(hl7).await?;
        one_message(&answer)?;
        Ok(answer)
    }

    /// Whether the registry can be reached: its connectivityTest, or what its dialect has in place of one.
    ///
    /// # Errors
    /// Classed as for [`Backends::send`].
    pub async fn probe(&self, region: RegionCode, environment: Environment) -> Result<(), Failure> {
        let echo = self.at(region, environment)?.probe("izportal").await?;
        if echo == "izportal" {
            return Ok(());
        }
        Err(Failure::new(FailureClass::Ours, "its connectivityTest does not answer as agreed"))
    }

    fn at(&self, region: RegionCode, environment: Environment) -> Result<&Cdc2011, Failure> {
        self.0.get(&(region, environment)).ok_or_else(|| {
            Failure::new(
                FailureClass::Ours,
                format!("no {environment} registry is configured for {region}"),
            )
        })
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let class = match &error {
            SendError::Ambiguous(_) => FailureClass::Ambiguous,
            SendError::Permanent(_) => FailureClass::Ours,
            SendError::Transient(_) => FailureClass::Transient,
        };
        Self::new(class, error.to_string())
    }
}

/// An answer of exactly one message is relayed; more than one, or none, would break the sender's reader.
fn one_message(text: &str) -> Result<(), Failure> {
    Message::parse(text.as_bytes()).map(|_message| ()).map_err(|_error| {
        Failure::new(FailureClass::Ambiguous, "the registry's answer is not one HL7 message")
    })
}

/// Reads a registry's answer as tolerantly as the field demands; what cannot be passed on is not an answer.
fn judged(text: String) -> Result<RegistryReply, Failure> {
    let reply = Reply::read(text.as_bytes()).map_err(|error| {
        Failure::new(
            FailureClass::Ambiguous,
            format!("the registry's answer is not an acknowledgement: {error}"),
        )
    })?;
    one_message(&text)?;
    let taken = !matches!(reply.verdict(), Verdict::Rejected);
    Ok(RegistryReply { ack_code: reply.code().code().to_owned(), taken, text })
}
