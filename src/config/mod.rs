//! The configuration: one TOML file, every key with a default, unknown keys refused, secrets by file or environment.

#[macro_use]
mod section;

mod alerts;
mod destination;
mod keys;
mod mail;
mod secret;

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;
use serde::Deserialize;

use crate::domain::{Criteria, Environment, RegionCode, ReplyPolicy, Scenario};
use crate::endpoint::SummaryFormat;
use crate::gateway::Disagreement;
use crate::store::DatabaseUrl;
use crate::validation::{Policies, Policy, PolicyError, Setting, Strictness, Treatment, Weight};

pub use alerts::AlertsConfig;
pub use destination::{DestinationConfig, EgressConfig};
pub(crate) use keys::private_file;
pub use keys::{Keys, KeysError};
pub use mail::MailConfig;
pub use secret::SecretError;

/// The file with every key and its default, as `izportal check-config --example` prints it.
pub const EXAMPLE: &str = include_str!("default.toml");

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{path} cannot be read: {cause}")]
    File {
        /// Its path.
        path: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// It is not TOML, or has a key or a value that is not known.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A value cannot be used.
    #[error("{key}: {problem}")]
    Value {
        /// The key, with its tables.
        key: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

impl ConfigError {
    fn value(key: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Value { key: key.into(), problem: format!("{problem}") }
    }
}

section! {
    /// All of it. The meaning and the default of every key stand in `default.toml`.
    Config {
        /// Folder of the embedded database, keys and certificates.
        data_dir: PathBuf,
        /// Listeners and limits.
        server: ServerConfig,
        /// Where the data is.
        database: DatabaseConfig,
        /// Key files.
        keys: KeysConfig,
        /// Logs.
        log: LogConfig,
        /// Messages.
        gateway: GatewayConfig,
        /// Pages for people.
        portal: PortalConfig,
        /// What Sites must show on their way to production.
        onboarding: OnboardingConfig,
        /// Letters.
        mail: MailConfig,
        /// Calls to programs of Sites.
        webhooks: WebhooksConfig,
        /// From when on somebody should look.
        alerts: AlertsConfig,
        /// What is judged of a message.
        validation: ValidationConfig,
        /// How long data is kept.
        retention: RetentionConfig,
        /// Where registries may stand.
        egress: EgressConfig,
        /// Registries, by region code.
        #[serde(default)]
        regions: BTreeMap<String, RegionConfig>,
    }
}

section! {
    /// `[server]`
    ServerConfig {
        /// Address of the HTTPS listener.
        listen: SocketAddr,
        /// Public address.
        public_url: String,
        /// Address of health and metrics.
        ops_listen: String,
        /// HTTP threads.
        workers: usize,
        /// Connections for each thread.
        max_connections: usize,
        /// Bytes of a request.
        max_request_bytes: usize,
        /// MiB of all request bodies together.
        max_body_memory_mib: usize,
        /// Characters of a message.
        max_message_characters: usize,
        /// Characters of an echo.
        max_echo_characters: usize,
        /// Seconds for a body.
        read_timeout_seconds: u64,
        /// Whether SOAP 1.1 is answered.
        soap_1_1: bool,
        /// Certificates.
        tls: TlsConfig,
    }
}

section! {
    /// `[server.tls]`
    TlsConfig {
        /// Certificate chain.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// Authority of client certificates.
        client_ca: PathBuf,
    }
}

/// `[database]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Address in the file.
    pub url: String,
    /// File that holds it.
    pub url_file: String,
    /// Environment variable that holds it.
    pub url_env: String,
    /// PostgreSQL schema.
    pub schema: String,
}

/// The address may hold a password, so it is not shown.
impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatabaseConfig(schema {:?})", self.schema)
    }
}

section! {
    /// `[keys]`
    KeysConfig {
        /// Key of credential hashes.
        server: PathBuf,
        /// Keys of message bodies.
        body: PathBuf,
    }
}

section! {
    /// `[log]`
    LogConfig {
        /// How lines look.
        format: SummaryFormat,
        /// Levels.
        filter: String,
    }
}

section! {
    /// `[gateway]`
    GatewayConfig {
        /// MSH-3 of our ACKs.
        application: String,
        /// MSH-4 of our ACKs.
        facility: String,
        /// Reply policy of regions that do not say.
        reply: ReplyPolicy,
        /// Seconds a sender waits for the registry.
        relay_deadline_seconds: u64,
        /// Seconds of one attempt.
        send_timeout_seconds: u64,
        /// Whether the loopback registry serves what has no table.
        loopback: bool,
        /// Deliveries at one time.
        delivery_workers: usize,
        /// Ceiling of the first wait, in seconds.
        retry_first_seconds: u64,
        /// Ceiling of every wait, in seconds.
        retry_longest_seconds: u64,
        /// Hours a message is tried.
        hold_hours: u64,
        /// Attempts without a known outcome.
        doubtful_attempts: u32,
        /// Messages that may wait for one registry.
        queue_bound: u32,
        /// Failures in a row that open a breaker.
        breaker_failures: u32,
        /// Seconds until the first probe.
        breaker_cool_down_seconds: u64,
        /// Most seconds between two probes.
        breaker_longest_seconds: u64,
        /// MSH-11 of test credentials.
        test_processing_ids: Vec<String>,
        /// MSH-11 of production credentials.
        production_processing_ids: Vec<String>,
        /// MSH-6 in test.
        test_region_disagreement: Disagreement,
        /// MSH-6 in production.
        production_region_disagreement: Disagreement,
        /// Hours in which an MSH-10 is taken.
        conflict_window_hours: u64,
    }
}

section! {
    /// `[portal]`
    PortalConfig {
        /// Whether pages are served.
        enabled: bool,
        /// Whom to ask.
        help_desk: String,
        /// Address of the videos that those who only look patients up watch.
        training_videos: String,
    }
}

section! {
    /// `[onboarding]`
    OnboardingConfig {
        /// Least share of messages that were taken, in percent.
        accepted_percent: u64,
        /// Messages in a row without a finding.
        clean_run: u32,
        /// What kinds of messages are seen.
        scenarios: Vec<Scenario>,
        /// Completeness of each element, in percent.
        complete_percent: u64,
        /// Completeness of name, date of birth and sex, in percent.
        identity_percent: u64,
        /// Days of the review.
        window_days: u64,
        /// Doses of the review.
        window_doses: u64,
        /// Share of messages within 14 days of the dose, in percent.
        timely_percent: u64,
        /// Days without a production message after which a Site's people are told.
        silence_days: u32,
    }
}

impl OnboardingConfig {
    /// What is asked of Sites.
    pub fn criteria(&self) -> Criteria {
        Criteria {
            accepted_percent: self.accepted_percent,
            clean_run: self.clean_run.into(),
            scenarios: self.scenarios.clone(),
            complete_percent: self.complete_percent,
            identity_percent: self.identity_percent,
            timely_percent: self.timely_percent,
            window_days: self.window_days,
            window_doses: self.window_doses,
        }
    }

    /// What TOML's types cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let shares = [
            ("accepted_percent", self.accepted_percent),
            ("complete_percent", self.complete_percent),
            ("identity_percent", self.identity_percent),
            ("timely_percent", self.timely_percent),
        ];
        match shares.into_iter().find(|(_, share)| *share > 100) {
            Some((key, _)) => {
                Err(ConfigError::value(format!("onboarding.{key}"), "a share is 0 to 100 percent"))
            }
            None => Ok(()),
        }
    }
}

section! {
    /// `[webhooks]`
    WebhooksConfig {
        /// Authorities of those who are called.
        ca_file: PathBuf,
    }
}

section! {
    /// `[validation]`
    ValidationConfig {
        /// Strictness with test credentials.
        test: Strictness,
        /// Strictness with production credentials.
        production: Strictness,
        /// Overlays of regions that do not say.
        overlays: Vec<String>,
        /// Settings of one's own.
        set: Vec<SettingConfig>,
    }
}

/// `[[validation.set]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingConfig {
    /// The rule.
    pub rule: String,
    /// Elements; none: wherever the rule applies.
    #[serde(default)]
    pub at: Vec<String>,
    /// The new weight.
    pub severity: Option<Weight>,
    /// The new treatment.
    pub treatment: Option<Treatment>,
    /// Regions; none: all.
    #[serde(default)]
    pub regions: Vec<String>,
}

section! {
    /// `[retention]`
    RetentionConfig {
        /// Days for bodies.
        body_days: u64,
        /// Days for metadata.
        metadata_days: u64,
        /// Days for what is known of letters.
        letter_days: u64,
    }
}

/// `[regions.CODE]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    /// Reply policy of this region.
    pub reply: Option<ReplyPolicy>,
    /// Overlays of this region.
    pub overlays: Option<Vec<String>>,
    /// Its test registry.
    pub test: Option<DestinationConfig>,
    /// Its production registry.
    pub production: Option<DestinationConfig>,
}

impl RegionConfig {
    /// The registry of one environment, when it is not the loopback registry.
    pub const fn destination(&self, environment: Environment) -> Option<&DestinationConfig> {
        match environment {
            Environment::Production => self.production.as_ref(),
            Environment::Test => self.test.as_ref(),
        }
    }
}

impl Config {
    /// The defaults.
    ///
    /// # Errors
    /// Never for the file that is compiled in; a test holds it.
    pub fn defaults() -> Result<Self, ConfigError> {
        Self::read("")
    }

    /// From the text of a file, over the defaults.
    pub fn read(text: &str) -> Result<Self, ConfigError> {
        // The file itself first, so that a mistake is shown at its line.
        let given: toml::Table = toml::from_str(text)?;
        let mut whole: toml::Table = toml::from_str(EXAMPLE)?;
        merge(&mut whole, given);
        let config: Self = toml::Value::Table(whole).try_into()?;
        config.check()?;
        Ok(config)
    }

    /// From a file, or the defaults when there is none.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Self::defaults() };
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::File { path: path.display().to_string(), cause })?;
        Self::read(&text)
    }

    /// Where the data is.
    pub fn database_url(&self) -> Result<DatabaseUrl, ConfigError> {
        let DatabaseConfig { url, url_file, url_env, .. } = &self.database;
        let text = secret::read("database.url", url, url_file, url_env)
            .map_err(|error| ConfigError::value("database", error))?;
        match text {
            Some(text) => {
                text.reveal().parse().map_err(|problem| ConfigError::value("database.url", problem))
            }
            None => Ok(DatabaseUrl::Sqlite(self.data_dir.join("izportal.db"))),
        }
    }

    /// The PostgreSQL schema, when one is named.
    pub fn schema(&self) -> Option<String> {
        Some(self.database.schema.clone()).filter(|schema| !schema.is_empty())
    }

    /// The key files, with their defaults.
    pub fn key_paths(&self) -> (PathBuf, PathBuf) {
        let path = |given: &Path, name: &str| {
            if given.as_os_str().is_empty() {
                self.data_dir.join("keys").join(name)
            } else {
                given.to_owned()
            }
        };
        (path(&self.keys.server, "server.key"), path(&self.keys.body, "body.key"))
    }

    /// What TOML's types cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let egress = self.egress.egress()?;
        for (code, region) in &self.regions {
            let key = format!("regions.{code}");
            let known = code.parse::<RegionCode>().ok().filter(|code| code.facts().managed);
            if known.is_none() {
                return Err(ConfigError::value(
                    key,
                    "not a region that the Gateway routes to; see `izportal admin region list`",
                ));
            }
            for environment in Environment::ALL {
                let Some(to) = region.destination(*environment) else { continue };
                to.check(&format!("{key}.{environment}"), &egress)?;
            }
        }
        self.check_server()?;
        self.mail.check()?;
        self.alerts.check()?;
        self.onboarding.check()?;
        self.check_loopback()?;
        self.policies()?;
        self.check_ranges()?;
        let GatewayConfig { test_processing_ids, production_processing_ids, .. } = &self.gateway;
        for (key, ids) in [
            ("gateway.test_processing_ids", test_processing_ids),
            ("gateway.production_processing_ids", production_processing_ids),
        ] {
            let known = |id: &String| crate::hl7::ProcessingId::of(id.as_bytes()).is_some();
            if ids.is_empty() || !ids.iter().all(known) {
                return Err(ConfigError::value(key, "give one or more of P, T and D"));
            }
        }
        Ok(())
    }
}

impl Config {
    /// What findings weigh for each receiver.
    ///
    /// # Errors
    /// When a setting names a rule, an element, an overlay or a region that does not exist.
    pub fn policies(&self) -> Result<Policies, ConfigError> {
        let wrong = |error: PolicyError| ConfigError::value("validation", error);
        let unknown = self.validation.set.iter().flat_map(|set| &set.regions).find(|region| {
            !region.parse::<RegionCode>().is_ok_and(|region| region.facts().managed)
        });
        if let Some(region) = unknown {
            let problem = format!("{region} is not one of the managed regions");
            return Err(ConfigError::value("validation.set.regions", problem));
        }
        let other = self.policy(Environment::Test, None).map_err(wrong)?;
        Policies::new(|environment, region| self.policy(environment, Some(region)), other)
            .map_err(wrong)
    }

    fn policy(
        &self,
        environment: Environment,
        region: Option<RegionCode>,
    ) -> Result<Policy, PolicyError> {
        let validation = &self.validation;
        let strictness = match environment {
            Environment::Test => validation.test,
            Environment::Production => validation.production,
        };
        let code = region.map(RegionCode::as_str);
        let own = code.and_then(|code| self.regions.get(code)?.overlays.as_ref());
        let overlays = own.unwrap_or(&validation.overlays).iter().map(String::as_str);
        let concerns = |set: &SettingConfig| {
            set.regions.is_empty() || set.regions.iter().any(|one| Some(one.as_str()) == code)
        };
        let settings: Vec<Setting> = validation
            .set
            .iter()
            .filter(|set| concerns(set))
            .map(|set| Setting {
                rule: set.rule.clone(),
                at: set.at.clone(),
                severity: set.severity,
                treatment: set.treatment,
                because: String::new(),
            })
            .collect();
        Policy::new(strictness, overlays, &settings)
    }

    /// Without the loopback registry nothing may be left to it.
    fn check_loopback(&self) -> Result<(), ConfigError> {
        if self.gateway.loopback {
            return Ok(());
        }
        for region in RegionCode::managed() {
            let tables = self.regions.get(region.as_str());
            let has =
                |side: &Environment| tables.is_some_and(|one| one.destination(*side).is_some());
            if let Some(environment) = Environment::ALL.iter().find(|side| !has(side)) {
                return Err(ConfigError::value(
                    format!("regions.{region}.{environment}"),
                    "is missing, and gateway.loopback is false: no registry would get its messages",
                ));
            }
        }
        Ok(())
    }

    fn check_server(&self) -> Result<(), ConfigError> {
        let ServerConfig { ops_listen, public_url, tls, .. } = &self.server;
        if !(ops_listen.is_empty() || ops_listen.parse::<SocketAddr>().is_ok()) {
            return Err(ConfigError::value("server.ops_listen", "must be ADDRESS:PORT, or empty"));
        }
        if !(public_url.is_empty() || is_origin(public_url)) {
            return Err(ConfigError::value(
                "server.public_url",
                "must be https://HOST or https://HOST:PORT and nothing more, or empty",
            ));
        }
        if tls.certificate.as_os_str().is_empty() != tls.key.as_os_str().is_empty() {
            return Err(ConfigError::value(
                "server.tls",
                "give both certificate and key, or neither",
            ));
        }
        Ok(())
    }

    /// Numbers that would stop everything, or let nothing ever end.
    fn check_ranges(&self) -> Result<(), ConfigError> {
        let (server, gateway, retention) = (&self.server, &self.gateway, &self.retention);
        let bytes = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let ranges = [
            ("server.max_connections", bytes(server.max_connections), 1, 1_000_000),
            ("server.max_request_bytes", bytes(server.max_request_bytes), 1_024, 1 << 30),
            ("server.max_body_memory_mib", bytes(server.max_body_memory_mib), 8, 1 << 20),
            ("server.max_message_characters", bytes(server.max_message_characters), 1, 1 << 30),
            ("server.max_echo_characters", bytes(server.max_echo_characters), 1, 1 << 30),
            ("server.read_timeout_seconds", server.read_timeout_seconds, 1, 3_600),
            ("gateway.relay_deadline_seconds", gateway.relay_deadline_seconds, 1, 600),
            ("gateway.send_timeout_seconds", gateway.send_timeout_seconds, 1, 3_600),
            ("gateway.delivery_workers", bytes(gateway.delivery_workers), 0, 10_000),
            ("gateway.retry_first_seconds", gateway.retry_first_seconds, 1, 86_400),
            ("gateway.retry_longest_seconds", gateway.retry_longest_seconds, 1, 86_400),
            ("gateway.hold_hours", gateway.hold_hours, 1, 24 * 366),
            ("gateway.doubtful_attempts", gateway.doubtful_attempts.into(), 1, 1_000),
            ("gateway.queue_bound", gateway.queue_bound.into(), 1, 100_000_000),
            ("gateway.breaker_failures", gateway.breaker_failures.into(), 1, 1_000_000),
            ("gateway.breaker_cool_down_seconds", gateway.breaker_cool_down_seconds, 1, 86_400),
            ("gateway.breaker_longest_seconds", gateway.breaker_longest_seconds, 1, 86_400),
            ("gateway.conflict_window_hours", gateway.conflict_window_hours, 0, 24 * 3_660),
            ("retention.body_days", retention.body_days, 1, 36_600),
            ("retention.metadata_days", retention.metadata_days, 1, 36_600),
            ("retention.letter_days", retention.letter_days, 1, 36_600),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::value(key, format!("must be between {least} and {most}")));
            }
        }
        Ok(())
    }
}

/// Whether an address is `https://host[:port]`, with or without a slash at its end. Pages and the WSDL show it as it is, and
/// paths are put after it.
fn is_origin(url: &str) -> bool {
    let Some(authority) = url.strip_prefix("https://") else { return false };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (known, rest) = if let Some(v6) = authority.strip_prefix('[') {
        let Some((host, rest)) = v6.split_once(']') else { return false };
        (host.parse::<Ipv6Addr>().is_ok(), rest)
    } else {
        let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (ServerName::try_from(host).is_ok(), rest)
    };
    let port = |port: &str| {
        port.bytes().all(|one| one.is_ascii_digit()) && port.parse::<NonZeroU16>().is_ok()
    };
    known && (rest.is_empty() || rest.strip_prefix(':').is_some_and(port))
}

/// Puts what was given over the defaults, table by table.
fn merge(into: &mut toml::Table, given: toml::Table) {
    for (key, value) in given {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(given)) => merge(known, given),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_example_is_the_default_and_names_no_registry() {
        let config = Config::defaults().unwrap();
        assert!(config.regions.is_empty());
        assert!(matches!(config.database_url().unwrap(), DatabaseUrl::Sqlite(_)));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for text in ["colour = 1", "[server]\nportt = 1", "[regions.CAIRBA]\nspeed = 1"] {
            let error = Config::read(text).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let cases = [
            ("[regions.CAIR9]", "regions.CAIR9"),
            ("[regions.SD]", "regions.SD"),
            ("[server]\nops_listen = \"here\"", "ops_listen"),
            ("[server]\npublic_url = \"http://a\"", "public_url"),
            ("[server.tls]\nkey = \"a\"", "server.tls"),
            ("[gateway]\nsend_timeout_seconds = 0", "gateway"),
            ("[gateway]\ntest_processing_ids = [\"X\"]", "gateway.test_processing_ids"),
            ("[gateway]\nproduction_processing_ids = []", "gateway.production_processing_ids"),
            (
                "[regions.CAIRBA.test]\nurl = \"http://a\"\nusername = \"u\"\nfacility_id = \"f\"",
                "CAIRBA.test.url",
            ),
        ];
        for (text, key) in cases {
            let error = Config::read(text).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn the_public_address_is_a_host_with_or_without_a_port() {
        let taken = [
            "https://iz.example.gov",
            "https://iz.example.gov/",
            "https://IZ-2.example.gov:8443",
            "https://localhost:8443/",
            "https://192.0.2.7",
            "https://[2001:db8::1]:443/",
            "",
        ];
        let refused = [
            "iz.example.gov",
            "http://iz.example.gov",
            "https://",
            "https:///",
            "https://iz.example.gov//",
            "https://iz.example.gov/iz",
            "https://iz.example.gov?wsdl",
            "https://iz.example.gov/#top",
            "https://me@iz.example.gov",
            "https://me:secret@iz.example.gov",
            "https://iz.example.gov:",
            "https://iz.example.gov:0",
            "https://iz.example.gov:+443",
            "https://iz.example.gov:65536",
            "https://iz.example.gov:443:443",
            "https://iz.example.gov ",
            " https://iz.example.gov",
            "https://iz example.gov",
            "https://<b>.example.gov",
            "https://iz&amp;.example.gov",
            "https://2001:db8::1",
            "https://[iz.example.gov]",
            "https://[2001:db8::1",
            "https://[2001:db8::1]8443",
        ];
        let read = |url: &str| Config::read(&format!("[server]\npublic_url = {url:?}"));

        for url in taken {
            assert_eq!(read(url).unwrap().server.public_url, url);
        }
        for url in refused {
            let error = read(url).unwrap_err().to_string();
            assert!(
                error.starts_with("server.public_url: must be https://HOST or"),
                "{url}: {error}"
            );
        }
    }
}
