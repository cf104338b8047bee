//! Where messages go and as whom: from the command line, a settings file, and for the password never from the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::backends::{Dialect, Peer};
use crate::cli::{Failure, password};
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

/// The endpoint and the account there.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Access {
    /// Address of the SOAP service; https only
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// username of the calls
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// facilityID of the calls
    #[arg(long, value_name = "ID")]
    pub(super) facility: Option<String>,
    /// File that holds the password.
    #[arg(long, value_name = "FILE", help = password::HELP)]
    password_file: Option<PathBuf>,
    /// PEM file of the authority that the service's certificate is of; without it the system's authorities
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file of our client certificate, where the service asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// SOAP version [default: 1.2]
    #[arg(long, value_enum)]
    soap: Option<Soap>,
}

impl Access {
    /// What the command line does not say is taken from a settings file; its paths begin at its folder.
    pub(super) fn with(self, settings: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = settings else { return Ok(self) };
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("--settings {}: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        // An error of TOML quotes the line; no line of this file is a secret, as no key of it takes one.
        let file: Self = toml::from_str(&text).map_err(|error| wrong(&error))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let at = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Ok(Self {
            url: self.url.or(file.url),
            username: self.username.or(file.username),
            facility: self.facility.or(file.facility),
            password_file: self.password_file.or_else(|| at(file.password_file)),
            ca: self.ca.or_else(|| at(file.ca)),
            cert: self.cert.or_else(|| at(file.cert)),
            key: self.key.or_else(|| at(file.key)),
            soap: self.soap.or(file.soap),
        })
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
        let username = needed(self.username.as_deref(), "--username NAME")?;
        let identity = self.cert.as_deref().zip(self.key.as_deref());
        let tls = client_config(self.ca.as_deref(), identity).map_err(Failure::usage)?;
        let account = Account {
            username: username.to_owned(),
            password: password::read(self.password_file.as_deref(), username)?.into(),
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
