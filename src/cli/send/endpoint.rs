//! Where messages go and as whom: from the command line, a settings file, and for the password never from the command line.

use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::backends::{Dialect, Peer};
use crate::cli::Failure;
use crate::cli::access::{self, Access};
use crate::client::{Account, Egress, Reach, client_config};
use crate::soap::SoapVersion;

/// Longest wait for a connection. Source: contract row 100.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The versions of SOAP, on the command line and in a settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
pub(super) enum Soap {
    /// text/xml.
    #[value(name = "1.1")]
    #[serde(rename = "1.1")]
    V11,
    /// application/soap+xml.
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    V12,
}

impl Soap {
    /// As it is written.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        }
    }
}

/// The endpoint, the account there, and how it is spoken to.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Endpoint {
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) access: Access,
    /// SOAP version [default: 1.2]
    #[arg(long, value_enum)]
    soap: Option<Soap>,
}

impl Endpoint {
    /// What the command line does not say is taken from a settings file; its paths begin at its folder.
    pub(super) fn with(self, settings: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = settings else { return Ok(self) };
        let file: Self = access::read("--settings", path)?;
        Ok(Self { access: self.access.or(file.access, path), soap: self.soap.or(file.soap) })
    }

    pub(super) fn soap(&self) -> Soap {
        self.soap.unwrap_or(Soap::V12)
    }

    /// The service at `url`, spoken to as `facility`.
    pub(super) fn peer(
        &self,
        url: &str,
        facility: &str,
        timeout: Duration,
    ) -> Result<Peer, Failure> {
        let username = needed(self.access.username.as_deref(), "--username NAME")?;
        let tls = client_config(self.access.ca.as_deref(), self.access.identity())
            .map_err(Failure::usage)?;
        let account = Account {
            username: username.to_owned(),
            password: self.access.password(username)?.into(),
            facility_id: facility.to_owned(),
        };
        // Whoever runs this names the address: it may be inside of their own network.
        let egress = Egress::anywhere();
        let reach = Reach { tls, egress, connect_timeout: CONNECT_TIMEOUT, timeout };
        let version = match self.soap() {
            Soap::V11 => SoapVersion::V11,
            Soap::V12 => SoapVersion::V12,
        };
        Peer::new(Dialect::Cdc2011 { endpoint: url.to_owned(), version, account, reach })
            .map_err(|error| Failure::usage(format!("--url {url}: {error}")))
    }
}

/// A value without which nothing can be done.
pub(super) fn needed<'v>(value: Option<&'v str>, option: &str) -> Result<&'v str, Failure> {
    value.filter(|value| !value.trim().is_empty()).ok_or_else(|| {
        Failure::usage(format!("{option} is missing; name it here or in a --settings file"))
    })
}
