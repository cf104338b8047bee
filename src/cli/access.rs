//! Where a service is and as whom it is called: from the command line, and from a file for what that does not say.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli::{Failure, password};

/// The endpoint and the account there. No key of it takes a secret.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Access {
    #[arg(
        long,
        value_name = "URL",
        help = "Address of the endpoint, such as https://iis.example.gov/IISService"
    )]
    pub(super) url: Option<String>,
    /// username of the calls
    #[arg(long, value_name = "NAME")]
    pub(super) username: Option<String>,
    #[arg(long, value_name = "FILE", help = password::HELP)]
    password_file: Option<PathBuf>,
    /// facilityID of the calls
    #[arg(long, value_name = "ID")]
    pub(super) facility: Option<String>,
    /// PEM file of the authority that the endpoint's certificate is of; without it the system's authorities
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// PEM file of a client certificate, where the endpoint asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Access {
    /// What this does not say is taken from what stands in `file`; the paths there begin at its folder.
    pub(super) fn or(self, other: Self, file: &Path) -> Self {
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let at = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Self {
            url: self.url.or(other.url),
            username: self.username.or(other.username),
            password_file: self.password_file.or_else(|| at(other.password_file)),
            facility: self.facility.or(other.facility),
            ca: self.ca.or_else(|| at(other.ca)),
            cert: self.cert.or_else(|| at(other.cert)),
            key: self.key.or_else(|| at(other.key)),
        }
    }

    /// The files of the client certificate and its key.
    pub(super) fn identity(&self) -> Option<(&Path, &Path)> {
        self.cert.as_deref().zip(self.key.as_deref())
    }

    /// The password of `username`.
    pub(super) fn password(&self, username: &str) -> Result<String, Failure> {
        password::read(self.password_file.as_deref(), username)
    }
}

/// Reads a TOML file that an option names.
pub(super) fn read<T: DeserializeOwned>(option: &str, file: &Path) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{option} {}: {error}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    // An error of TOML quotes the line; none of these files holds a secret.
    toml::from_str(&text).map_err(|error| wrong(&error))
}
