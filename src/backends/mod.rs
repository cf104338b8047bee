//! The regional registries, by meaning: a region and an environment lead to a destination; its dialect does the rest.
//!
//! An adapter belongs to a dialect, not to a region: seven regions are rows of configuration. May import `client`,
//! `domain`, `hl7` and `soap`.

mod cdc2011;

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::backends::cdc2011::Cdc2011;
use crate::client::{Account, SendError};
use crate::domain::{Environment, RegionCode};
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

    /// Sends one message and waits for the answer, at most as long as the destination's time-out.
    ///
    /// # Errors
    /// Classed by [`SendError`]; an answer that is not an acknowledgement is ambiguous.
    pub async fn send(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &str,
    ) -> Result<RegistryReply, SendError> {
        let backend = self.0.get(&(region, environment)).ok_or_else(|| {
            SendError::Permanent(format!("no {environment} registry is configured for {region}"))
        })?;
        let start = Instant::now();
        let result = backend.send(hl7).await.and_then(judged);
        let class = match &result {
            Ok(_) => "ok",
            Err(SendError::Ambiguous(_)) => "ambiguous",
            Err(SendError::Permanent(_)) => "permanent",
            Err(SendError::Transient(_)) => "transient",
        };
        let destination = [("destination", region.as_str()), ("mode", environment.word())];
        metrics::histogram!("gateway_delivery_seconds", &destination).record(start.elapsed());
        metrics::counter!("gateway_delivery_attempts_total", "destination" => region.as_str(), "mode" => environment.word(), "class" => class)
            .increment(1);
        result
    }

    /// Calls the registry's connectivityTest; gives its echo.
    pub async fn probe(
        &self,
        region: RegionCode,
        environment: Environment,
        echo: &str,
    ) -> Result<String, SendError> {
        match self.0.get(&(region, environment)) {
            Some(backend) => backend.probe(echo).await,
            None => Err(SendError::Permanent(format!(
                "no {environment} registry is configured for {region}"
            ))),
        }
    }
}

/// Reads a registry's answer as tolerantly as the field demands; what cannot be passed on is not an answer.
///
/// An answer of exactly one message is relayed; more than one, or none, would break the sender's reader.
fn judged(text: String) -> Result<RegistryReply, SendError> {
    let reply = Reply::read(text.as_bytes()).map_err(|error| {
        SendError::Ambiguous(format!("the registry's answer is not an acknowledgement: {error}"))
    })?;
    if Message::parse(text.as_bytes()).is_err() {
        return Err(SendError::Ambiguous(
            "the registry's answer is not one HL7 message".to_owned(),
        ));
    }
    let taken = !matches!(reply.verdict(), Verdict::Rejected);
    Ok(RegistryReply { ack_code: reply.code().code().to_owned(), taken, text })
}
