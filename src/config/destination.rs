//! `[regions.CODE.test]`, `[regions.CODE.production]` and `[egress]`: which registries there are, and how they are reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::backends::{Certificates, Destination, SettingError, Settings, Surroundings};
use crate::client::{Egress, Pem};
use crate::config::{Config, ConfigError, secret};
use crate::domain::{DialectName, Environment, Password, RegionCode, RegistrySettings};

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

    /// What these say of each registry that is not the loopback registry, without secrets.
    pub fn registry_settings(&self) -> Vec<(RegionCode, Environment, RegistrySettings)> {
        let mut found = vec![];
        for region in RegionCode::managed() {
            let Some(of_region) = self.regions.get(region.as_str()) else { continue };
            for environment in Environment::ALL.iter().copied() {
                let settings = of_region.destination(environment).map(DestinationConfig::told);
                found.extend(settings.map(|settings| (region, environment, settings)));
            }
        }
        found
    }

    /// How registries are reached where their tables do not say it.
    ///
    /// # Errors
    /// When a network of `egress.allow` is none.
    pub fn surroundings(&self) -> Result<Surroundings, ConfigError> {
        let timeout = Duration::from_secs(self.gateway.send_timeout_seconds);
        Ok(Surroundings { egress: self.egress.egress()?, timeout })
    }

    fn destination(&self, to: &DestinationConfig, key: &str) -> Result<Destination, ConfigError> {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        let identity = (given(&to.certificate) && given(&to.key))
            .then(|| (Pem::File(&to.certificate), Pem::File(&to.key)));
        let ca = given(&to.ca).then(|| Pem::File(&to.ca));
        let around = self.surroundings()?;
        to.settings()
            .destination(|| to.password(key), Certificates { ca, identity }, &around)
            .map_err(|error| of_setting(key, error))
    }
}

impl DestinationConfig {
    /// What can be said without reading a file.
    pub(super) fn check(&self, key: &str, egress: &Egress) -> Result<(), ConfigError> {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        let secrets = [
            ("password_file", !self.password_file.is_empty()),
            ("password_env", !self.password_env.is_empty()),
            ("ca", given(&self.ca)),
            ("certificate", given(&self.certificate)),
            ("key", given(&self.key)),
        ];
        self.settings().check(&secrets, egress).map_err(|error| of_setting(key, error))
    }

    fn settings(&self) -> Settings<'_> {
        Settings {
            dialect: self.dialect,
            url: &self.url,
            folder: &self.folder,
            soap: &self.soap,
            username: &self.username,
            facility_id: &self.facility_id,
            pin: &self.pin,
            timeout_seconds: self.timeout_seconds,
            connect_timeout_seconds: self.connect_timeout_seconds,
            rewrite: &self.rewrite,
        }
    }

    /// The same for people: certificates as they stand in their files, without the key.
    fn told(&self) -> RegistrySettings {
        let text = |path: &PathBuf| {
            // A file that cannot be read has stopped the start of the service already.
            if path.as_os_str().is_empty() { None } else { std::fs::read_to_string(path).ok() }
        };
        let folder = self.folder.display().to_string();
        RegistrySettings {
            dialect: self.dialect,
            url: if self.url.is_empty() { folder } else { self.url.clone() },
            soap: self.soap.clone(),
            username: self.username.clone(),
            facility_id: self.facility_id.clone(),
            ca: text(&self.ca).unwrap_or_default(),
            certificate: text(&self.certificate).unwrap_or_default(),
            pin: self.pin.clone(),
            timeout_seconds: self.timeout_seconds,
            connect_timeout_seconds: self.connect_timeout_seconds,
            rewrite: self.rewrite.clone(),
        }
    }

    fn password(&self, key: &str) -> Result<Password, SettingError> {
        secret::read(key, "", &self.password_file, &self.password_env)
            .map_err(|error| SettingError::of("", error))?
            .ok_or_else(|| SettingError::of("", "give password_file or password_env"))
    }
}

/// A setting with the key of its table.
fn of_setting(table: &str, error: SettingError) -> ConfigError {
    let key =
        if error.key.is_empty() { table.to_owned() } else { format!("{table}.{}", error.key) };
    ConfigError::value(key, error.problem)
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
