//! Where messages go and as whom: from the command line, a settings file, and for the password never from the command line.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::backends::{Dialect, Peer};
use crate::cli::Failure;
use crate::client::{Account, Egress, Reach, client_config};
use crate::domain::Password;
use crate::soap::SoapVersion;

/// The environment variable that may hold the password.
const PASSWORD: &str = "IZPORTAL_PASSWORD";

/// What `--help` says of the password.
const PASSWORD_HELP: &str = "File that holds the password; without it IZPORTAL_PASSWORD in the environment, or a question on the terminal";

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
    #[arg(long, value_name = "FILE", help = PASSWORD_HELP)]
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
            password: self.password(username)?,
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

    /// The password: of the file, the environment or whoever sits at the terminal.
    fn password(&self, username: &str) -> Result<Password, Failure> {
        let text = if let Some(path) = &self.password_file {
            std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("--password-file {}: {error}", path.display()))
            })?
        } else if let Some(text) = std::env::var_os(PASSWORD) {
            text.into_string()
                .map_err(|_other| Failure::usage(format!("{PASSWORD} is not UTF-8")))?
        } else {
            asked(username)?
        };
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if text.is_empty() {
            return Err(Failure::usage("the password is empty"));
        }
        Ok(Password::from(text))
    }
}

/// A value without which nothing can be done.
pub(super) fn needed<'v>(value: Option<&'v str>, option: &str) -> Result<&'v str, Failure> {
    value.filter(|value| !value.trim().is_empty()).ok_or_else(|| {
        Failure::usage(format!("{option} is missing; name it here or in a --settings file"))
    })
}

/// Asks for a password on the terminal, which does not show it.
fn asked(username: &str) -> Result<String, Failure> {
    let without = format!(
        "there is no password: name a file that holds it (--password-file FILE), or put it into {PASSWORD}"
    );
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(without));
    }
    let _hidden = Hidden::begin().ok_or_else(|| Failure::usage(&without))?;
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "Password of {username}: "); // who sees no question does not answer
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text)?;
    let _ = writeln!(terminal);
    Ok(text)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden;

impl Hidden {
    fn begin() -> Option<Self> {
        stty("-echo").then_some(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        stty("echo");
    }
}

/// Sets the terminal that is standard input; whether it could be set.
fn stty(setting: &str) -> bool {
    let mut command = Command::new("stty");
    command.arg(setting).stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
