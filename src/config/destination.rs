//! `[regions.CODE.test]`, `[regions.CODE.production]` and `[egress]`: which registries there are, and how they are reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::backends::{Destination, Dialect, Rewrite};
use crate::client::{
    Account, Address, CallError, Egress, Reach, ServerKeyPin, TlsError, pinned_client_config,
};
use crate::config::{Config, ConfigError, secret};
use crate::domain::{Environment, Password, RegionCode};
use crate::soap::SoapVersion;

/// `[egress]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressConfig {
    /// Networks that registries may stand in, besides public addresses.
    pub allow: Vec<String>,
}

impl EgressConfig {
    /// The addresses that may be called.
    ///
    /// # Errors
    /// When an entry is no network.
    pub fn egress(&self) -> Result<Egress, ConfigError> {
        let nets = self.allow.iter().map(|text| {
            let net: Option<IpNet> = text.parse().ok();
            net.filter(|net| *net == net.trunc()).ok_or_else(|| {
                let problem = format!(
                    "{text:?} is not a network in CIDR notation, such as \"10.1.0.0/16\" or \"10.1.2.3/32\""
                );
                ConfigError::value("egress.allow", problem)
            })
        });
        Ok(Egress::public_and(nets.collect::<Result<Vec<_>, _>>()?))
    }
}

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DialectName {
    /// SOAP, the CDC contract of 2011.
    #[default]
    Cdc2011,
    /// SOAP, the CDC contract of 2014.
    Cdc2014,
    /// Files in a folder.
    Directory,
    /// MLLP inside TLS.
    Mllp,
}

impl DialectName {
    const fn word(self) -> &'static str {
        match self {
            Self::Cdc2011 => "cdc2011",
            Self::Cdc2014 => "cdc2014",
            Self::Directory => "directory",
            Self::Mllp => "mllp",
        }
    }

    const fn is_soap(self) -> bool {
        matches!(self, Self::Cdc2011 | Self::Cdc2014)
    }
}

/// `[regions.CODE.test]` and `[regions.CODE.production]`; what is empty is not given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DestinationConfig {
    /// How it is spoken to.
    pub dialect: DialectName,
    /// Its address.
    pub url: String,
    /// Its folder.
    pub folder: PathBuf,
    /// SOAP version: `1.2` or `1.1`.
    pub soap: String,
    /// Our username there.
    pub username: String,
    /// File with our password there.
    pub password_file: String,
    /// Environment variable with our password there.
    pub password_env: String,
    /// Our facilityID there.
    pub facility_id: String,
    /// Authority of its certificate; the system's roots when empty.
    pub ca: PathBuf,
    /// Our client certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// SHA-256 of its public key, in hexadecimal.
    pub pin: String,
    /// Seconds of one attempt.
    pub timeout_seconds: Option<u64>,
    /// Seconds until there is a connection.
    pub connect_timeout_seconds: Option<u64>,
    /// Fields of MSH and what it gets there.
    pub rewrite: BTreeMap<String, String>,
}

/// Source: contract row 100.
const CONNECT_TIMEOUT_SECONDS: u64 = 15;

impl Config {
    /// Every registry that is not the loopback registry, ready to be called: passwords and certificates are read.
    ///
    /// # Errors
    /// When something of one of them cannot be used.
    pub fn destinations(&self) -> Result<Vec<(RegionCode, Environment, Destination)>, ConfigError> {
        let mut found = vec![];
        for region in RegionCode::managed() {
            let Some(of_region) = self.regions.get(region.as_str()) else { continue };
            for environment in Environment::ALL.iter().copied() {
                let Some(to) = of_region.destination(environment) else { continue };
                let key = format!("regions.{region}.{environment}");
                found.push((region, environment, self.destination(to, &key)?));
            }
        }
        Ok(found)
    }

    /// Longest time that one attempt to reach any registry takes.
    pub fn longest_attempt(&self) -> Duration {
        let own = self.regions.values().flat_map(|region| [&region.test, &region.production]);
        let own = own.flatten().filter_map(|to| to.timeout_seconds);
        Duration::from_secs(own.fold(self.gateway.send_timeout_seconds, u64::max))
    }

    fn destination(&self, to: &DestinationConfig, key: &str) -> Result<Destination, ConfigError> {
        let timeout = to.timeout_seconds.unwrap_or(self.gateway.send_timeout_seconds);
        let timeout = Duration::from_secs(timeout);
        let dialect = match to.dialect {
            DialectName::Cdc2011 => Dialect::Cdc2011 {
                endpoint: to.url.clone(),
                version: if to.soap == "1.1" { SoapVersion::V11 } else { SoapVersion::V12 },
                account: to.account(key)?,
                reach: to.reach(key, self.egress.egress()?, timeout)?,
            },
            DialectName::Cdc2014 => Dialect::Cdc2014 {
                endpoint: to.url.clone(),
                account: to.account(key)?,
                reach: to.reach(key, self.egress.egress()?, timeout)?,
            },
            DialectName::Directory => Dialect::Directory { folder: to.folder.clone(), timeout },
            DialectName::Mllp => Dialect::Mllp {
                address: to.url.clone(),
                reach: to.reach(key, self.egress.egress()?, timeout)?,
            },
        };
        Ok(Destination { dialect, rewrite: to.rewrite(key)? })
    }
}

impl DestinationConfig {
    /// What can be said without reading a file.
    pub(super) fn check(&self, key: &str, egress: &Egress) -> Result<(), ConfigError> {
        self.check_keys(key)?;
        let address = match self.dialect {
            DialectName::Directory => None,
            DialectName::Mllp => Some(Address::mllps(&self.url, egress)),
            DialectName::Cdc2011 | DialectName::Cdc2014 => Some(Address::https(&self.url, egress)),
        };
        if let Some(Err(error)) = address {
            return Err(ConfigError::value(format!("{key}.url"), of_address(&error)));
        }
        if !matches!(self.soap.as_str(), "" | "1.1" | "1.2") {
            return Err(ConfigError::value(format!("{key}.soap"), "must be \"1.2\" or \"1.1\""));
        }
        if self.certificate.as_os_str().is_empty() != self.key.as_os_str().is_empty() {
            return Err(ConfigError::value(key, "give both certificate and key, or neither"));
        }
        for (name, seconds, most) in [
            ("timeout_seconds", self.timeout_seconds, 3_600),
            ("connect_timeout_seconds", self.connect_timeout_seconds, 300),
        ] {
            if seconds.is_some_and(|seconds| !(1..=most).contains(&seconds)) {
                let problem = format!("must be between 1 and {most}");
                return Err(ConfigError::value(format!("{key}.{name}"), problem));
            }
        }
        self.pin(key)?;
        self.rewrite(key)?;
        Ok(())
    }

    /// A key that its dialect needs must be there; one that it does not know must not.
    fn check_keys(&self, key: &str) -> Result<(), ConfigError> {
        const REQUIRED: bool = true;
        let given = |path: &Path| !path.as_os_str().is_empty();
        let (dialect, soap) = (self.dialect, self.dialect.is_soap());
        let network = dialect != DialectName::Directory;
        let keys = [
            ("url", !self.url.is_empty(), network, REQUIRED),
            ("folder", given(&self.folder), !network, REQUIRED),
            ("soap", !self.soap.is_empty(), dialect == DialectName::Cdc2011, false),
            ("username", !self.username.is_empty(), soap, REQUIRED),
            ("facility_id", !self.facility_id.is_empty(), soap, REQUIRED),
            ("password_file", !self.password_file.is_empty(), soap, false),
            ("password_env", !self.password_env.is_empty(), soap, false),
            ("ca", given(&self.ca), network, false),
            ("certificate", given(&self.certificate), network, false),
            ("key", given(&self.key), network, false),
            ("pin", !self.pin.is_empty(), network, false),
            ("connect_timeout_seconds", self.connect_timeout_seconds.is_some(), network, false),
        ];
        let word = dialect.word();
        for (name, is_given, is_known, is_required) in keys {
            let problem = match (is_given, is_known) {
                (true, false) => format!("is not a key of the dialect {word}"),
                (false, true) if is_required => format!("is missing; the dialect {word} needs it"),
                _ => continue,
            };
            return Err(ConfigError::value(format!("{key}.{name}"), problem));
        }
        Ok(())
    }

    fn account(&self, key: &str) -> Result<Account, ConfigError> {
        Ok(Account {
            username: self.username.clone(),
            password: self.password(key)?,
            facility_id: self.facility_id.clone(),
        })
    }

    fn password(&self, key: &str) -> Result<Password, ConfigError> {
        secret::read(key, "", &self.password_file, &self.password_env)
            .map_err(|error| ConfigError::value(key, error))?
            .ok_or_else(|| ConfigError::value(key, "give password_file or password_env"))
    }

    fn reach(&self, key: &str, egress: Egress, timeout: Duration) -> Result<Reach, ConfigError> {
        let given = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        let (certificate, own_key) = (given(&self.certificate), given(&self.key));
        let identity = certificate.as_deref().zip(own_key.as_deref());
        let tls = pinned_client_config(given(&self.ca).as_deref(), identity, self.pin(key)?)
            .map_err(|error| ConfigError::value(of_tls(key, &error), error))?;
        let connect = self.connect_timeout_seconds.unwrap_or(CONNECT_TIMEOUT_SECONDS);
        Ok(Reach { tls, egress, connect_timeout: Duration::from_secs(connect), timeout })
    }

    fn pin(&self, key: &str) -> Result<Option<ServerKeyPin>, ConfigError> {
        if self.pin.is_empty() {
            return Ok(None);
        }
        let pin = self.pin.parse();
        pin.map(Some).map_err(|error| ConfigError::value(format!("{key}.pin"), error))
    }

    fn rewrite(&self, key: &str) -> Result<Rewrite, ConfigError> {
        let mut rewrite = Rewrite::default();
        for (field, text) in &self.rewrite {
            rewrite
                .put(field, text)
                .map_err(|error| ConfigError::value(format!("{key}.rewrite.{field}"), error))?;
        }
        Ok(rewrite)
    }
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
fn of_tls(key: &str, error: &TlsError) -> String {
    match error {
        TlsError::File { what: "trust anchor", .. } => format!("{key}.ca"),
        TlsError::File { what: "private key", .. } => format!("{key}.key"),
        TlsError::File { .. } => format!("{key}.certificate"),
        TlsError::Unusable(_) => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOAP: &str = "url = \"https://iis.example/\"\nusername = \"u\"\nfacility_id = \"f\"\npassword_env = \"X\"\n";
    const MLLP: &str = "dialect = \"mllp\"\nurl = \"mllps://iis.example:2575\"\n";
    const FILES: &str = "dialect = \"directory\"\nfolder = \"/srv/iis\"\n";

    fn read(keys: &str) -> Result<Config, ConfigError> {
        Config::read(&format!("[regions.CAIRBA.test]\n{keys}"))
    }

    #[test]
    fn each_dialect_is_taken_with_its_keys() {
        for keys in [
            SOAP.to_owned(),
            format!("{SOAP}soap = \"1.1\"\ndialect = \"cdc2011\""),
            format!("{SOAP}dialect = \"cdc2014\"\npin = \"{}\"", "0f".repeat(32)),
            format!("{MLLP}ca = \"ca.pem\"\ncertificate = \"c\"\nkey = \"k\""),
            format!("{MLLP}timeout_seconds = 5\nconnect_timeout_seconds = 1"),
            format!(
                "{FILES}timeout_seconds = 5\n[regions.CAIRBA.test.rewrite]\nMSH-6 = \"A^1^ISO\""
            ),
        ] {
            read(&keys).unwrap();
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_key() {
        let long = "0f".repeat(33);
        let cases = [
            (SOAP.replace("https:", "http:"), "url", "must begin with https://"),
            (SOAP.replace("iis.example", "me:pw@iis.example"), "url", "user name"),
            (SOAP.replace("iis.example", "192.168.1.1"), "url", "egress.allow"),
            (SOAP.replace("iis.example", "[::1]"), "url", "egress.allow"),
            (SOAP.replace("iis.example", "0x7f000001"), "url", "egress.allow"),
            ("dialect = \"cdc2014\"".to_owned(), "url", "is missing"),
            (SOAP.replace("username = \"u\"\n", ""), "username", "is missing"),
            (SOAP.replace("facility_id = \"f\"\n", ""), "facility_id", "is missing"),
            (format!("{SOAP}soap = \"1.3\""), "soap", "\"1.2\" or \"1.1\""),
            (format!("{SOAP}dialect = \"cdc2014\"\nsoap = \"1.2\""), "soap", "of the dialect"),
            (format!("{SOAP}folder = \"/srv\""), "folder", "of the dialect cdc2011"),
            (format!("{SOAP}pin = \"abc\""), "pin", "64 hexadecimal digits"),
            (format!("{SOAP}pin = \"{long}\""), "pin", "64 hexadecimal digits"),
            (format!("{SOAP}timeout_seconds = 0"), "timeout_seconds", "between 1 and 3600"),
            (
                format!("{SOAP}connect_timeout_seconds = 301"),
                "connect_timeout_seconds",
                "between 1 and 300",
            ),
            (MLLP.replace("mllps:", "mllp:"), "url", "must begin with mllps://"),
            (MLLP.replace(":2575", ""), "url", "mllps://HOST:PORT"),
            (MLLP.replace("iis.example", "10.0.0.1"), "url", "egress.allow"),
            (format!("{MLLP}username = \"u\""), "username", "of the dialect mllp"),
            (FILES.replace("folder", "url"), "url", "of the dialect directory"),
            (format!("{FILES}ca = \"ca.pem\""), "ca", "of the dialect directory"),
            ("dialect = \"directory\"".to_owned(), "folder", "is missing"),
            (
                format!("{FILES}[regions.CAIRBA.test.rewrite]\nMSH-7 = \"x\""),
                "rewrite.MSH-7",
                "only MSH-3",
            ),
            (
                format!("{FILES}[regions.CAIRBA.test.rewrite]\nMSH-6 = \"a|b\""),
                "rewrite.MSH-6",
                "must not hold",
            ),
        ];
        for (keys, key, problem) in cases {
            let error = read(&keys).unwrap_err().to_string();
            let key = format!("regions.CAIRBA.test.{key}: ");
            assert!(error.starts_with(&key) && error.contains(problem), "{keys}: {error}");
        }
        let error = read(&format!("{SOAP}key = \"k\"")).unwrap_err().to_string();
        assert_eq!(error, "regions.CAIRBA.test: give both certificate and key, or neither");
        let error = read("dialect = \"rest\"").unwrap_err().to_string();
        assert!(error.contains("cdc2014"), "{error}");
    }

    #[test]
    fn a_network_is_named_in_cidr_notation() {
        let read = |nets: &str| Config::read(&format!("[egress]\nallow = [{nets}]"));

        read("\"10.1.0.0/16\", \"127.0.0.1/32\", \"fd00::/8\"").unwrap();
        for nets in
            ["\"10.1.0.0\"", "\"10.1.2.3/16\"", "\"10.1.0.0/33\"", "\"localhost/8\"", "\"\""]
        {
            let error = read(nets).unwrap_err().to_string();
            assert!(error.starts_with("egress.allow: "), "{error}");
        }
        assert!(Config::read("[egress]\ndeny = []").unwrap_err().to_string().contains("unknown"));
    }

    #[test]
    fn files_that_cannot_be_read_are_told_with_their_key() {
        let ca = read(&format!("{MLLP}ca = \"/nowhere/ca.pem\"")).unwrap();
        let pair =
            read(&format!("{MLLP}certificate = \"/nowhere/c\"\nkey = \"/nowhere/k\"")).unwrap();
        let password = read(SOAP).unwrap();

        let told = |config: Config| config.destinations().err().unwrap().to_string();

        assert!(told(ca).starts_with("regions.CAIRBA.test.ca: trust anchor /nowhere/ca.pem"));
        assert!(told(pair).starts_with("regions.CAIRBA.test.key: private key /nowhere/k"));
        assert!(told(password).starts_with("regions.CAIRBA.test: the environment variable X"));
    }

    #[test]
    fn the_longest_attempt_is_that_of_the_slowest_registry() {
        let longest = |keys: &str| read(keys).unwrap().longest_attempt().as_secs();

        assert_eq!(longest(MLLP), 60);
        assert_eq!(longest(&format!("{MLLP}timeout_seconds = 5")), 60);
        assert_eq!(longest(&format!("{MLLP}timeout_seconds = 90")), 90);
    }
}
