//! Whether the settings of a registry can be used, and the destination that they mean: of those in a configuration and of
//! those that staff write alike.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::backends::{Destination, Dialect, Rewrite};
use crate::client::{
    Account, Address, CallError, Egress, Pem, Reach, ServerKeyPin, TlsError, pinned_client_config,
};
use crate::domain::{DialectName, Password, RegistrySecrets, RegistrySettings};
use crate::soap::SoapVersion;

/// Source: contract row 100.
const CONNECT_TIMEOUT_SECONDS: u64 = 15;

/// Seconds of one attempt, at most.
const LONGEST_TIMEOUT: u64 = 3_600;

/// Seconds until there is a connection, at most.
const LONGEST_CONNECT_TIMEOUT: u64 = 300;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct SettingError {
    /// Its key; empty: it is about several.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl SettingError {
    /// About one key.
    pub fn of(key: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self { key: key.into(), problem: problem.to_string() }
    }
}

/// The settings of a registry, wherever they stand.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// How it is spoken to.
    pub dialect: DialectName,
    /// Its address.
    pub url: &'a str,
    /// Its folder.
    pub folder: &'a Path,
    /// SOAP version.
    pub soap: &'a str,
    /// Our username there.
    pub username: &'a str,
    /// Our facilityID there.
    pub facility_id: &'a str,
    /// The pin of its key.
    pub pin: &'a str,
    /// Seconds of one attempt.
    pub timeout_seconds: Option<u64>,
    /// Seconds until there is a connection.
    pub connect_timeout_seconds: Option<u64>,
    /// Fields of MSH and what it gets there.
    pub rewrite: &'a BTreeMap<String, String>,
}

/// Where its certificates are: the authority of its own, ours and the key of ours.
#[derive(Clone, Copy, Default)]
pub struct Certificates<'a> {
    /// Authority of its certificate; the system's roots without.
    pub ca: Option<Pem<'a>>,
    /// Our client certificate and its key.
    pub identity: Option<(Pem<'a>, Pem<'a>)>,
}

/// How a destination is reached where its settings do not say it.
#[derive(Clone)]
pub struct Surroundings {
    /// The addresses that may be called.
    pub egress: Egress,
    /// Longest wait for an answer.
    pub timeout: Duration,
}

impl Settings<'_> {
    /// What can be said without reading a certificate. `secrets` are keys beside these, and whether they are given.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(
        &self,
        secrets: &[(&'static str, bool)],
        egress: &Egress,
    ) -> Result<(), SettingError> {
        self.check_keys(secrets)?;
        let address = match self.dialect {
            DialectName::Directory => None,
            DialectName::Mllp => Some(Address::mllps(self.url, egress)),
            DialectName::Cdc2011 | DialectName::Cdc2014 => Some(Address::https(self.url, egress)),
        };
        if let Some(Err(error)) = address {
            return Err(SettingError::of("url", of_address(&error)));
        }
        if !matches!(self.soap, "" | "1.1" | "1.2") {
            return Err(SettingError::of("soap", "must be \"1.2\" or \"1.1\""));
        }
        let given = |name| secrets.iter().any(|(one, given)| *one == name && *given);
        if given("certificate") != given("key") {
            return Err(SettingError::of("", "give both certificate and key, or neither"));
        }
        for (name, seconds, most) in [
            ("timeout_seconds", self.timeout_seconds, LONGEST_TIMEOUT),
            ("connect_timeout_seconds", self.connect_timeout_seconds, LONGEST_CONNECT_TIMEOUT),
        ] {
            if seconds.is_some_and(|seconds| !(1..=most).contains(&seconds)) {
                return Err(SettingError::of(name, format!("must be between 1 and {most}")));
            }
        }
        self.pin()?;
        self.rewrite()?;
        Ok(())
    }

    /// A key that its dialect needs must be there; one that it does not know must not.
    fn check_keys(&self, secrets: &[(&'static str, bool)]) -> Result<(), SettingError> {
        const REQUIRED: bool = true;
        let (dialect, soap) = (self.dialect, self.dialect.is_soap());
        let network = dialect != DialectName::Directory;
        let own = [
            ("url", !self.url.is_empty(), network, REQUIRED),
            ("folder", !self.folder.as_os_str().is_empty(), !network, REQUIRED),
            ("soap", !self.soap.is_empty(), dialect == DialectName::Cdc2011, false),
            ("username", !self.username.is_empty(), soap, REQUIRED),
            ("facility_id", !self.facility_id.is_empty(), soap, REQUIRED),
            ("pin", !self.pin.is_empty(), network, false),
            ("connect_timeout_seconds", self.connect_timeout_seconds.is_some(), network, false),
        ];
        let others = secrets.iter().map(|(name, given)| match *name {
            "password" => ("password", *given, soap, REQUIRED),
            "password_file" | "password_env" => (*name, *given, soap, false),
            name => (name, *given, network, false),
        });
        let word = dialect.word();
        for (name, is_given, is_known, is_required) in own.into_iter().chain(others) {
            let problem = match (is_given, is_known) {
                (true, false) => format!("is not a key of the dialect {word}"),
                (false, true) if is_required => format!("is missing; the dialect {word} needs it"),
                _ => continue,
            };
            return Err(SettingError::of(name, problem));
        }
        Ok(())
    }

    /// The destination that they mean.
    ///
    /// # Errors
    /// When a certificate or the password cannot be used.
    pub fn destination(
        &self,
        password: impl FnOnce() -> Result<Password, SettingError>,
        certificates: Certificates<'_>,
        around: &Surroundings,
    ) -> Result<Destination, SettingError> {
        let timeout = self.timeout_seconds.map_or(around.timeout, Duration::from_secs);
        let account = || -> Result<Account, SettingError> {
            Ok(Account {
                username: self.username.to_owned(),
                password: password()?,
                facility_id: self.facility_id.to_owned(),
            })
        };
        let reach = || self.reach(certificates, around.egress.clone(), timeout);
        let endpoint = self.url.to_owned();
        let dialect = match self.dialect {
            DialectName::Cdc2011 => Dialect::Cdc2011 {
                endpoint,
                version: if self.soap == "1.1" { SoapVersion::V11 } else { SoapVersion::V12 },
                account: account()?,
                reach: reach()?,
            },
            DialectName::Cdc2014 => {
                Dialect::Cdc2014 { endpoint, account: account()?, reach: reach()? }
            }
            DialectName::Directory => {
                Dialect::Directory { folder: self.folder.to_owned(), timeout }
            }
            DialectName::Mllp => Dialect::Mllp { address: endpoint, reach: reach()? },
        };
        Ok(Destination { dialect, rewrite: self.rewrite()? })
    }

    fn reach(
        &self,
        certificates: Certificates<'_>,
        egress: Egress,
        timeout: Duration,
    ) -> Result<Reach, SettingError> {
        let tls = pinned_client_config(certificates.ca, certificates.identity, self.pin()?)
            .map_err(|error| SettingError::of(of_tls(&error), error))?;
        let connect = self.connect_timeout_seconds.unwrap_or(CONNECT_TIMEOUT_SECONDS);
        Ok(Reach { tls, egress, connect_timeout: Duration::from_secs(connect), timeout })
    }

    fn pin(&self) -> Result<Option<ServerKeyPin>, SettingError> {
        if self.pin.is_empty() {
            return Ok(None);
        }
        self.pin.parse().map(Some).map_err(|error| SettingError::of("pin", error))
    }

    fn rewrite(&self) -> Result<Rewrite, SettingError> {
        let mut rewrite = Rewrite::default();
        for (field, text) in self.rewrite {
            rewrite
                .put(field, text)
                .map_err(|error| SettingError::of(format!("rewrite.{field}"), error))?;
        }
        Ok(rewrite)
    }
}

/// The destination that settings of staff mean, checked as those of a configuration are.
///
/// # Errors
/// The first thing that is wrong. A folder is no setting of theirs; an attempt is no longer than leases last.
pub fn destination_of(
    settings: &RegistrySettings,
    secrets: &RegistrySecrets,
    around: &Surroundings,
) -> Result<Destination, SettingError> {
    if settings.dialect == DialectName::Directory {
        return Err(SettingError::of(
            "dialect",
            "files in a folder are set up in the configuration",
        ));
    }
    let longest = around.timeout.as_secs();
    if settings.timeout_seconds.is_some_and(|seconds| seconds > longest) {
        let problem =
            format!("must be between 1 and {longest}, the longest attempt of the service");
        return Err(SettingError::of("timeout_seconds", problem));
    }
    let of = Settings {
        dialect: settings.dialect,
        url: &settings.url,
        folder: Path::new(""),
        soap: &settings.soap,
        username: &settings.username,
        facility_id: &settings.facility_id,
        pin: &settings.pin,
        timeout_seconds: settings.timeout_seconds,
        connect_timeout_seconds: settings.connect_timeout_seconds,
        rewrite: &settings.rewrite,
    };
    let given = [
        ("password", secrets.password.is_some()),
        ("ca", !settings.ca.is_empty()),
        ("certificate", !settings.certificate.is_empty()),
        ("key", secrets.key.is_some()),
    ];
    of.check(&given, &around.egress)?;
    let certificate = Some(settings.certificate.as_str()).filter(|text| !text.is_empty());
    let key = secrets.key.as_ref().map(Password::reveal);
    let certificates = Certificates {
        ca: Some(settings.ca.as_str()).filter(|text| !text.is_empty()).map(Pem::Text),
        identity: certificate.zip(key).map(|(chain, key)| (Pem::Text(chain), Pem::Text(key))),
    };
    let password =
        || secrets.password.clone().ok_or_else(|| SettingError::of("password", "is missing"));
    of.destination(password, certificates, around)
}

fn of_address(error: &CallError) -> String {
    match error {
        CallError::AddressRefused => {
            "is not a public address; if it is right, name it in egress.allow".to_owned()
        }
        other => other.to_string(),
    }
}

/// The key whose file it is.
const fn of_tls(error: &TlsError) -> &'static str {
    match error {
        TlsError::File { what, .. } => match what.as_bytes() {
            b"trust anchor" => "ca",
            b"private key" => "key",
            _ => "certificate",
        },
        TlsError::Unusable(_) => "",
    }
}
