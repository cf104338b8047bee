//! The regional registries, by meaning: a region and an environment lead to a destination; its dialect does the rest.
//!
//! An adapter belongs to a dialect, not to a region: seven regions are rows of configuration. May import `client`,
//! `domain`, `hl7` and `soap`.

mod answer;
mod cdc2011;
mod cdc2014;
mod directory;
mod failure;
mod mllp;
mod rewrite;
mod settings;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backends::cdc2011::Cdc2011;
use crate::backends::cdc2014::Cdc2014;
use crate::backends::directory::Directory;
use crate::backends::mllp::Mllp;
use crate::client::{Account, CallError, Reach};
use crate::domain::{Environment, Failure, FailureClass, RegionCode};
use crate::soap::SoapVersion;

pub use rewrite::{Rewrite, RewriteError};
pub use settings::{Certificates, SettingError, Settings, Surroundings, destination_of};

/// One registry.
pub struct Destination {
    /// How it is spoken to.
    pub dialect: Dialect,
    /// What it wants to find in the header.
    pub rewrite: Rewrite,
}

/// How a registry is spoken to, and where.
pub enum Dialect {
    /// SOAP, the CDC contract of 2011.
    Cdc2011 {
        /// Address of its service; https only.
        endpoint: String,
        /// SOAP version it speaks.
        version: SoapVersion,
        /// Our account there.
        account: Account,
        /// How it is reached.
        reach: Reach,
    },
    /// SOAP 1.2 with WS-Addressing, the CDC contract of 2014.
    Cdc2014 {
        /// Address of its service; https only.
        endpoint: String,
        /// Our account there.
        account: Account,
        /// How it is reached.
        reach: Reach,
    },
    /// Files in a folder.
    Directory {
        /// The folder.
        folder: PathBuf,
        /// Longest wait for it.
        timeout: Duration,
    },
    /// MLLP inside TLS.
    Mllp {
        /// `mllps://HOST:PORT`.
        address: String,
        /// How it is reached.
        reach: Reach,
    },
}

/// What a registry answered.
pub struct RegistryReply {
    /// Its HL7 text, unchanged; empty when its dialect has no answers (a directory drop).
    pub text: String,
    /// MSA-1 as AA, AE or AR; empty when there is no answer.
    pub ack_code: String,
    /// Whether it took the message; what a directory drop holds is taken.
    pub taken: bool,
}

impl RegistryReply {
    /// Of a registry that answers nothing.
    const fn none() -> Self {
        Self { text: String::new(), ack_code: String::new(), taken: true }
    }

    /// Whether there is a text that can be passed on to the sender.
    pub const fn has_answer(&self) -> bool {
        !self.text.is_empty()
    }
}

impl fmt::Debug for RegistryReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistryReply({}, {} bytes)", self.ack_code, self.text.len())
    }
}

/// Every destination that there is.
#[derive(Clone, Default)]
pub struct Backends(HashMap<(RegionCode, Environment), Arc<Backend>>);

struct Backend {
    adapter: Adapter,
    rewrite: Rewrite,
}

enum Adapter {
    Cdc2011(Cdc2011),
    Cdc2014(Cdc2014),
    Directory(Directory),
    Mllp(Mllp),
}

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
    ) -> Result<(), CallError> {
        let backend = Backend { adapter: Adapter::of(to.dialect)?, rewrite: to.rewrite };
        self.0.insert((region, environment), Arc::new(backend));
        Ok(())
    }

    /// Takes a destination away: what is for it waits until there is one again.
    pub fn remove(&mut self, region: RegionCode, environment: Environment) {
        self.0.remove(&(region, environment));
    }

    /// Whether a registry can be reached that is none of these, as [`Backends::probe`] asks.
    ///
    /// # Errors
    /// Classed as for [`Backends::send`].
    pub async fn try_out(to: Destination) -> Result<(), Failure> {
        Ok(Adapter::of(to.dialect)?.probe().await?)
    }

    /// The text that the destination gets for a message: the message itself where nothing is rewritten.
    ///
    /// # Errors
    /// When no registry is configured there, or the header cannot be rewritten.
    pub fn outgoing<'a>(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &'a str,
    ) -> Result<Cow<'a, str>, Failure> {
        Ok(self.at(region, environment)?.rewrite.apply(hl7)?)
    }

    /// Sends one message, as [`Backends::outgoing`] made it, and waits for the answer, at most as long as the
    /// destination's time-out.
    ///
    /// # Errors
    /// Classed by what may be done next; an answer that is not an acknowledgement of this message is ambiguous.
    pub async fn send(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &str,
    ) -> Result<RegistryReply, Failure> {
        let adapter = &self.at(region, environment)?.adapter;
        let start = Instant::now();
        let result = adapter.deliver(hl7).await.map_err(Failure::from);
        let class = result.as_ref().map_or_else(|failure| failure.class.word(), |_reply| "ok");
        let destination = [("destination", region.as_str()), ("mode", environment.word())];
        metrics::histogram!("gateway_delivery_seconds", &destination).record(start.elapsed());
        metrics::counter!("gateway_delivery_attempts_total", "destination" => region.as_str(), "mode" => environment.word(), "class" => class)
            .increment(1);
        result
    }

    /// Sends a query, as [`Backends::outgoing`] made it, and gives the answer, unjudged but for being one HL7 message and
    /// not for another query. Never repeated by anybody.
    ///
    /// # Errors
    /// As [`Backends::send`]; of the sender's class where the dialect has no answers.
    pub async fn query(
        &self,
        region: RegionCode,
        environment: Environment,
        hl7: &str,
    ) -> Result<String, Failure> {
        const NO_ANSWERS: CallError =
            CallError::Unsendable("this registry takes files and answers no queries");
        let adapter = &self.at(region, environment)?.adapter;
        if matches!(adapter, Adapter::Directory(_)) {
            return Err(NO_ANSWERS.into());
        }
        let answer = adapter.send(hl7).await?.ok_or(NO_ANSWERS)?;
        Ok(answer::response(answer, hl7)?)
    }

    /// Whether the registry can be reached: its connectivityTest, or what its dialect has in place of one.
    ///
    /// # Errors
    /// Classed as for [`Backends::send`].
    pub async fn probe(&self, region: RegionCode, environment: Environment) -> Result<(), Failure> {
        Ok(self.at(region, environment)?.adapter.probe().await?)
    }

    fn at(&self, region: RegionCode, environment: Environment) -> Result<&Backend, Failure> {
        self.0.get(&(region, environment)).map(Arc::as_ref).ok_or_else(|| {
            Failure::new(
                FailureClass::Ours,
                format!("no {environment} registry is configured for {region}"),
            )
        })
    }
}

/// A service alone, for whoever has an account there and sends to it directly: no region, no rewritten header.
pub struct Peer(Adapter);

impl Peer {
    /// The service at the other end of a dialect.
    ///
    /// # Errors
    /// When its address or TLS settings cannot be used.
    pub fn new(dialect: Dialect) -> Result<Self, CallError> {
        Adapter::of(dialect).map(Self)
    }

    /// Sends one message and waits for the answer.
    ///
    /// # Errors
    /// Classed as for [`Backends::send`].
    pub async fn send(&self, hl7: &str) -> Result<RegistryReply, Failure> {
        Ok(self.0.deliver(hl7).await?)
    }

    /// Whether a service answers there, whatever it says to a connectivityTest.
    ///
    /// # Errors
    /// Classed as for [`Backends::send`].
    pub async fn reach(&self) -> Result<(), Failure> {
        match self.0.probe().await {
            Ok(()) | Err(CallError::Fault(_) | CallError::Unreadable(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Adapter {
    fn of(dialect: Dialect) -> Result<Self, CallError> {
        Ok(match dialect {
            Dialect::Cdc2011 { endpoint, version, account, reach } => {
                Self::Cdc2011(Cdc2011::new(&endpoint, version, account, reach)?)
            }
            Dialect::Cdc2014 { endpoint, account, reach } => {
                Self::Cdc2014(Cdc2014::new(&endpoint, account, reach)?)
            }
            Dialect::Directory { folder, timeout } => {
                Self::Directory(Directory::new(folder, timeout))
            }
            Dialect::Mllp { address, reach } => Self::Mllp(Mllp::new(&address, reach)?),
        })
    }

    async fn deliver(&self, hl7: &str) -> Result<RegistryReply, CallError> {
        match self.send(hl7).await? {
            Some(answer) => answer::acknowledgement(answer, hl7),
            None => Ok(RegistryReply::none()),
        }
    }

    /// Sends a message; gives the text that came back where the dialect has answers.
    async fn send(&self, hl7: &str) -> Result<Option<String>, CallError> {
        match self {
            Self::Cdc2011(registry) => registry.send(hl7).await.map(Some),
            Self::Cdc2014(registry) => registry.send(hl7).await.map(Some),
            Self::Directory(registry) => registry.send(hl7).await.map(|()| None),
            Self::Mllp(registry) => registry.send(hl7).await.map(Some),
        }
    }

    async fn probe(&self) -> Result<(), CallError> {
        match self {
            Self::Cdc2011(registry) => registry.probe().await,
            Self::Cdc2014(registry) => registry.probe().await,
            Self::Directory(registry) => registry.probe().await,
            Self::Mllp(registry) => registry.probe().await,
        }
    }
}
