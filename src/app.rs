//! The running service as a value: built from a configuration, stopped in order.
//!
//! Start: keys, store, certificates, loopback registry, gateway, listeners. Stop: no new connections, answer what is in
//! flight, let deliveries end, flush the writer, close the store.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;

use crate::backends::{Backends, Destination, Dialect, Rewrite};
use crate::client::{Account, Egress, HookClient, Reach, TlsError, client_config};
use crate::config::{Config, ConfigError, Keys, KeysError, private_file};
use crate::domain::{
    BreakerPolicy, Environment, RegionCode, RetryPolicy, ServerKey, Timestamp, words,
};
use crate::endpoint::{Endpoint, EndpointSettings, Health, HealthSettings, SOAP_PATH, SummaryLog};
use crate::gateway::{
    Editor, Gateway, GatewaySettings, Operator, Origin, Registries, RoutingRules,
};
use crate::hl7::{Identity, ProcessingId};
use crate::hooks::Caller;
use crate::loopback::{self, Loopback};
use crate::mail::Postman;
use crate::portal::{Portal, PortalSettings};
use crate::server::{self, LocalAuthority, ServerTls, Size, TlsFiles, TlsSetupError, host_of};
use crate::sites::{Clerk, Sites, SitesSettings, WatchedCertificate};
use crate::soap::{Limits, SoapVersion};
use crate::store::{DatabaseUrl, RetentionLimits, Store, StoreError, StoreSettings};
use crate::validation::{Codes, CodesError, ProcessingRules, Validator};

/// How often the samples of the metrics are drawn together.
const UPKEEP: Duration = Duration::from_secs(5);

/// A service that could not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A value of the configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The code tables of the data directory cannot be used.
    #[error(transparent)]
    Codes(#[from] CodesError),
    /// The key files cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The key file is not the one that the database was made with.
    #[error(
        "the {0} key is not the one that this database was made with: restore the key file, without it credentials or stored messages cannot be read"
    )]
    OtherKey(&'static str),
    /// The data directory cannot be used.
    #[error("data directory {path}: {cause}")]
    DataDir {
        /// Its path.
        path: String,
        /// Why not.
        cause: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("the store cannot be opened{}", because(cause))]
    Store {
        /// Why not.
        #[from]
        cause: StoreError,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
}

fn because(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(String::new, |cause| format!(": {cause}"))
}

/// What an installation is without listeners: what `serve` builds on and what `admin` works with.
pub struct Base {
    /// The door to SQL.
    pub store: Arc<Store>,
    /// Key of credential hashes.
    pub key: ServerKey,
    lock: Option<File>,
}

impl Base {
    /// Opens keys and store; makes what is missing in the data directory.
    pub async fn open(config: &Config, migrate: bool) -> Result<Self, AppError> {
        let wrong = |cause: std::io::Error| AppError::DataDir {
            path: config.data_dir.display().to_string(),
            cause: cause.to_string(),
        };
        private_folder(&config.data_dir).map_err(wrong)?;
        if let DatabaseUrl::Sqlite(path) = config.database_url()?
            && !path.exists()
        {
            private_file(&path).map_err(wrong)?;
        }
        let (server_key, body_key) = config.key_paths();
        let keys = Keys::load_or_create(&server_key, &body_key)?;
        let store = Store::open(StoreSettings {
            database: config.database_url()?,
            schema: config.schema(),
            vault: keys.vault,
            key: keys.server.clone(),
            letter_limits: config.mail.limits(),
            migrate,
        })?;
        let fingerprint = keys.server.hash("fingerprint", "izportal").to_hex();
        if store.setting_or_insert("server_key_fingerprint", fingerprint.clone()).await?
            != fingerprint
        {
            return Err(AppError::OtherKey("server"));
        }
        if !store.body_key_opens().await? {
            return Err(AppError::OtherKey("body"));
        }
        Ok(Self { store, key: keys.server, lock: None })
    }

    /// Makes this the one process that serves from an embedded database; [`App::start`] does it for those who have not.
    ///
    /// # Errors
    /// When another process serves from it.
    pub fn claim(&mut self, config: &Config) -> Result<(), AppError> {
        if self.lock.is_none() {
            self.lock = lock(&config.database_url()?)?;
        }
        Ok(())
    }
}

/// A folder that only its owner can look into, when it is made here.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

words! {
    /// What a process does of the service. Several may share one PostgreSQL.
    Role {
        /// Everything.
        All = "all",
        /// Takes submissions and relays them; what is queued is delivered by others.
        Endpoint = "endpoint",
        /// Delivers what is queued; serves no senders.
        Worker = "worker",
    }
}

/// The running service.
pub struct App {
    /// The door for messages.
    pub gateway: Arc<Gateway>,
    /// Public address: `https://host:port`.
    pub public_url: String,
    /// Address of health and metrics, when there is one.
    pub ops: Option<SocketAddr>,
    /// What a client must trust: the local authority, or nothing when certificates are configured.
    pub ca: Option<PathBuf>,
    health: Data<Health>,
    servers: Vec<Running>,
    worker: JoinHandle<()>,
    /// Who sends letters, when this process does.
    postman: Option<Posting>,
    /// Who counts messages and looks after Sites, when this process does.
    clerk: Option<Clerking>,
    /// Who calls webhooks, when this process does.
    caller: Option<Calling>,
    _lock: Option<File>,
}

impl App {
    /// Starts everything; resolves when the listeners accept.
    pub async fn start(
        config: &Config,
        mut base: Base,
        log: SummaryLog,
        metrics: PrometheusHandle,
        role: Role,
    ) -> Result<Self, AppError> {
        base.claim(config)?;
        base.store.begin_process(Timestamp::now()).await?;
        release_all(&base.store).await?;
        let listener = match role {
            Role::Worker => None,
            Role::All | Role::Endpoint => Some(listen(config.server.listen)?),
        };
        let public_url = public_url(config, listener.as_ref())?;
        let mut servers = vec![];

        let mut gateway_settings = gateway_settings(config)?;
        if role == Role::Endpoint {
            gateway_settings.workers = 0;
        }
        let (registries, registry) = destinations(config, &base, &gateway_settings)?;
        if let Some((listener, tls, registry)) = registry {
            servers.push(run(
                server::loopback_registry(listener, tls, registry),
                "the loopback registry",
            )?);
        }
        let key = base.key.clone();
        keep_up(metrics.clone());
        let runtime = tokio::runtime::Handle::current();
        let store = Arc::clone(&base.store);
        let gateway = Gateway::new(store, registries, key.clone(), gateway_settings, runtime);
        let worker = tokio::spawn(Arc::clone(&gateway).run_workers());
        let postman = postman(config, gateway.store(), role)?;
        let sites = Arc::new(sites(config, Arc::clone(gateway.store()), key.clone(), &public_url));
        let clerk = clerk(&sites, role);
        let caller = caller(config, gateway.store(), role)?;

        let settings = HealthSettings { metrics: Box::new(move || metrics.render()) };
        let health = Data::new(Health::new(Arc::clone(&gateway), settings));
        let mut ca = None;
        if let Some(listener) = listener {
            let (tls, authority) = certificates(config, &public_url)?;
            let settings = endpoint_settings(config, &public_url);
            let endpoint = Data::new(Endpoint::new(Arc::clone(&gateway), settings, log));
            let portal = portal(config, sites, (&gateway, key), &public_url);
            let (tls, size) = (tls.config()?, size(config));
            let public = server::public(listener, tls, size, endpoint, health.clone(), portal);
            servers.push(run(public, "the public listener")?);
            ca = authority;
        }
        let ops = operations(config, &health, &mut servers)?;
        Ok(Self {
            gateway,
            public_url,
            ops,
            ca,
            health,
            servers,
            worker,
            postman,
            clerk,
            caller,
            _lock: base.lock,
        })
    }

    /// Address of the SOAP service.
    pub fn endpoint(&self) -> String {
        format!("{}{SOAP_PATH}", self.public_url)
    }

    /// Stops in order; what was acknowledged is durable, what is not delivered stays queued.
    pub async fn stop(self) {
        self.health.drain();
        self.gateway.stop_workers();
        if let Some((postman, _)) = &self.postman {
            postman.stop();
        }
        if let Some((clerk, _)) = &self.clerk {
            clerk.stop();
        }
        if let Some((caller, _)) = &self.caller {
            caller.stop();
        }
        // The loopback registry last: deliveries under way may be for it.
        let (registry, listeners): (Vec<_>, Vec<_>) =
            self.servers.into_iter().partition(|server| server.is_registry);
        stop(listeners).await;
        self.gateway.drain().await;
        stop(registry).await;
        let _ = self.worker.await; // a worker that broke down has been logged; its leases end by themselves
        if let Some((_, work)) = self.postman {
            let _ = work.await; // as above
        }
        if let Some((_, work)) = self.clerk {
            let _ = work.await; // as above
        }
        if let Some((_, work)) = self.caller {
            let _ = work.await; // as above
        }
        let store = Arc::clone(self.gateway.store());
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }
}

/// In an embedded database no other process has anything in hand, so what an earlier run held is due at once.
async fn release_all(store: &Store) -> Result<(), StoreError> {
    if store.is_embedded() {
        store.delivery_release_all(Timestamp::now()).await?;
        store.letter_release_all(Timestamp::now()).await?;
        store.call_release_all(Timestamp::now()).await?;
    }
    Ok(())
}

/// Draws the samples of the metrics together: they are kept until somebody asks for them, and nobody may ever ask.
fn keep_up(metrics: PrometheusHandle) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            metrics.run_upkeep();
        }
    });
}

/// Who sends letters, and its work.
type Posting = (Arc<Postman>, JoinHandle<()>);

/// Lets letters leave, in a process that does what is queued.
fn postman(config: &Config, store: &Arc<Store>, role: Role) -> Result<Option<Posting>, AppError> {
    if role == Role::Endpoint {
        return Ok(None);
    }
    let mailer = config.mail.mailer(&config.data_dir)?;
    let postman = Postman::new(Arc::clone(store), mailer, days(config.retention.body_days));
    let work = tokio::spawn(Arc::clone(&postman).run());
    Ok(Some((postman, work)))
}

/// Who looks after Sites, and its work.
type Clerking = (Arc<Clerk>, JoinHandle<()>);

/// Lets messages be counted, in a process that does what is queued.
fn clerk(sites: &Arc<Sites>, role: Role) -> Option<Clerking> {
    (role != Role::Endpoint).then(|| {
        let clerk = Clerk::new(Arc::clone(sites));
        let work = tokio::spawn(Arc::clone(&clerk).run());
        (clerk, work)
    })
}

/// Who calls webhooks, and its work.
type Calling = (Arc<Caller>, JoinHandle<()>);

/// Longest wait for a program that is called, in all and for the connection: it only has to say that it has the call.
const CALL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Lets webhooks be called, in a process that does what is queued.
fn caller(config: &Config, store: &Arc<Store>, role: Role) -> Result<Option<Calling>, AppError> {
    if role == Role::Endpoint {
        return Ok(None);
    }
    let ca = Some(config.webhooks.ca_file.as_path()).filter(|path| !path.as_os_str().is_empty());
    let tls = client_config(ca, None).map_err(|error| unusable(&error))?;
    let (timeout, connect_timeout) = CALL;
    let reach = Reach { tls, egress: config.egress.egress()?, connect_timeout, timeout };
    let client = HookClient::new(reach).map_err(|error| {
        AppError::Config(ConfigError::Value {
            key: "webhooks".to_owned(),
            problem: error.to_string(),
        })
    })?;
    let caller = Caller::new(Arc::clone(store), client, config.alerts.hook()?);
    let work = tokio::spawn(Arc::clone(&caller).run());
    Ok(Some((caller, work)))
}

/// One process owns an embedded database alone: its leases and its writer are its own.
fn lock(database: &DatabaseUrl) -> Result<Option<File>, AppError> {
    let DatabaseUrl::Sqlite(path) = database else { return Ok(None) };
    let mut beside = path.clone().into_os_string();
    beside.push(".lock");
    let wrong = |cause: String| AppError::DataDir { path: path.display().to_string(), cause };
    let file = File::create(&beside).map_err(|cause| wrong(cause.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(wrong("another izportal serves from it".to_owned())),
        Err(TryLockError::Error(cause)) => Err(wrong(cause.to_string())),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address)
        .map_err(|cause| AppError::Listen { address: address.to_string(), cause })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, AppError> {
    listener
        .local_addr()
        .map_err(|cause| AppError::Listen { address: "a listener".to_owned(), cause })
}

/// A listener that serves.
struct Running {
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
    is_registry: bool,
}

fn run(
    server: std::io::Result<actix_web::dev::Server>,
    what: &'static str,
) -> Result<Running, AppError> {
    let server = server.map_err(|cause| AppError::Listen { address: what.to_owned(), cause })?;
    Ok(Running {
        handle: server.handle(),
        server: tokio::spawn(server),
        is_registry: what == REGISTRY,
    })
}

/// How the loopback registry's listener is called.
const REGISTRY: &str = "the loopback registry";

async fn stop(servers: Vec<Running>) {
    for running in servers {
        running.handle.stop(true).await;
        if let Ok(Err(error)) = running.server.await {
            tracing::warn!("a listener did not stop cleanly: {error}");
        }
    }
}

/// How many connections the public server takes, and how long it lets them end.
fn size(config: &Config) -> Size {
    Size {
        workers: config.server.workers,
        connections: config.server.max_connections,
        // A body may still be arriving, and then the sender waits for the registry.
        stop: Duration::from_secs(
            config.server.read_timeout_seconds + config.gateway.relay_deadline_seconds + 5,
        ),
    }
}

/// As configured, else by the port that is listened on; empty for a process that serves no senders.
fn public_url(config: &Config, listener: Option<&TcpListener>) -> Result<String, AppError> {
    match listener {
        Some(listener) if config.server.public_url.is_empty() => {
            Ok(format!("https://localhost:{}", local_address(listener)?.port()))
        }
        _ => Ok(config.server.public_url.trim_end_matches('/').to_owned()),
    }
}

/// The configured certificate, or one of the local authority for every name that we are called by.
fn certificates(
    config: &Config,
    public_url: &str,
) -> Result<(ServerTls, Option<PathBuf>), AppError> {
    let tls = &config.server.tls;
    let client_ca = Some(tls.client_ca.clone()).filter(|path| !path.as_os_str().is_empty());
    if !tls.certificate.as_os_str().is_empty() {
        let files = TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() };
        return Ok((ServerTls { files, client_ca }, None));
    }
    let authority = LocalAuthority::open(config.data_dir.join("tls"))?;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.extend(host_of(public_url).filter(|host| host != "localhost"));
    let files = authority.server_certificate(&names)?;
    Ok((ServerTls { files, client_ca }, Some(authority.certificate())))
}

type Registry = (TcpListener, rustls::ServerConfig, Data<Loopback>);

/// Every destination, and the loopback registry when one of them is it.
fn destinations(
    config: &Config,
    base: &Base,
    settings: &GatewaySettings,
) -> Result<(Registries, Option<Registry>), AppError> {
    let (mut backends, around) = (Backends::default(), config.surroundings()?);
    let mut origins = HashMap::new();
    for (region, environment, settings) in config.registry_settings() {
        origins.insert((region, environment), Origin::File(Box::new(settings)));
    }
    let mut inside: Vec<_> = RegionCode::managed()
        .flat_map(|region| Environment::ALL.iter().map(move |environment| (region, *environment)))
        .collect();
    for (region, environment, to) in config.destinations()? {
        inside.retain(|one| *one != (region, environment));
        add(&mut backends, region, environment, to)?;
    }
    if inside.is_empty() {
        return Ok((Registries::new(backends, origins, around), None));
    }
    // The loopback registry has a certificate of the local authority, whatever the public listener shows.
    let authority = LocalAuthority::open(config.data_dir.join("tls").join("loopback"))?;
    let files = authority.server_certificate(&["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let port = local_address(&listener)?.port();
    let trust =
        client_config(Some(&authority.certificate()), None).map_err(|error| unusable(&error))?;
    let timeout = Duration::from_secs(config.gateway.send_timeout_seconds);
    // Nobody else can name this address, so it is called whatever `egress.allow` says.
    let egress = Egress::anywhere();
    let reach = Reach { tls: trust, egress, connect_timeout: timeout, timeout };
    for (region, environment) in inside {
        let account = Account {
            username: loopback::ACCOUNT.to_owned(),
            password: loopback::password(&base.key, region, environment),
            facility_id: loopback::ACCOUNT.to_owned(),
        };
        let dialect = Dialect::Cdc2011 {
            endpoint: format!("https://127.0.0.1:{port}{}", loopback::path(region, environment)),
            version: SoapVersion::V12,
            account,
            reach: reach.clone(),
        };
        let to = Destination { dialect, rewrite: Rewrite::default() };
        add(&mut backends, region, environment, to)?;
        origins.insert((region, environment), Origin::BuiltIn);
    }
    let tls = ServerTls { files, client_ca: None }.config()?;
    let registry = Data::new(Loopback::new(
        Arc::clone(&base.store),
        base.key.clone(),
        Arc::clone(&settings.validator),
        settings.policies.clone(),
    ));
    Ok((Registries::new(backends, origins, around), Some((listener, tls, registry))))
}

fn unusable(error: &TlsError) -> AppError {
    AppError::Tls(TlsSetupError::Unusable(error.to_string()))
}

fn add(
    backends: &mut Backends,
    region: RegionCode,
    environment: Environment,
    to: Destination,
) -> Result<(), AppError> {
    backends.add(region, environment, to).map_err(|error| {
        let key = format!("regions.{region}.{environment}");
        AppError::Config(ConfigError::Value { key, problem: error.to_string() })
    })
}

fn operations(
    config: &Config,
    health: &Data<Health>,
    servers: &mut Vec<Running>,
) -> Result<Option<SocketAddr>, AppError> {
    let Ok(address) = config.server.ops_listen.parse::<SocketAddr>() else { return Ok(None) };
    let listener = listen(address)?;
    let address = local_address(&listener)?;
    servers.push(run(server::operations(listener, health.clone()), "the operations listener")?);
    Ok(Some(address))
}

/// The pages, when they are served.
fn portal(
    config: &Config,
    sites: Arc<Sites>,
    (gateway, key): (&Arc<Gateway>, ServerKey),
    public_url: &str,
) -> Option<Data<Portal>> {
    if !config.portal.enabled {
        return None;
    }
    let settings = PortalSettings {
        public_url: public_url.to_owned(),
        is_local: is_on_this_machine(public_url),
        shows_letters: config.mail.smtp.is_empty()
            && config.server.listen.ip().to_canonical().is_loopback()
            && is_on_this_machine(public_url),
        help_desk: config.portal.help_desk.clone(),
        endpoint: format!("{public_url}{SOAP_PATH}"),
        soap_1_1: config.server.soap_1_1,
        test_ids: config.gateway.test_processing_ids.join(" or "),
        production_ids: config.gateway.production_processing_ids.join(" or "),
    };
    let editor = Editor::new(Arc::clone(gateway.store()), key);
    let preview = Arc::clone(gateway.preview());
    let operator = Operator::new(Arc::clone(gateway));
    Some(Data::new(Portal::new(sites, (editor, preview, operator), settings)))
}

/// What happens to Sites and people, as an installation has decided it.
pub fn sites(config: &Config, store: Arc<Store>, key: ServerKey, public_url: &str) -> Sites {
    let settings = SitesSettings {
        public_url: public_url.to_owned(),
        help_desk: config.portal.help_desk.clone(),
        training_videos: config.portal.training_videos.clone(),
        mail_secrets: config.mail.mail_secrets,
        criteria: config.onboarding.criteria(),
        silence_days: config.onboarding.silence_days,
        digest_hour: config.mail.digest_hour,
        alerts: config.alerts.limits(config.gateway.queue_bound),
        // They were checked when the configuration was read.
        alert_addresses: config.alerts.addresses().unwrap_or_default(),
        alert_calls: !config.alerts.webhook_url.is_empty(),
        certificates: watched(config),
    };
    Sites::new(store, key, settings)
}

/// Our certificates that somebody else made: their ends are watched.
fn watched(config: &Config) -> Vec<WatchedCertificate> {
    let mut all = vec![("server".to_owned(), config.server.tls.certificate.clone())];
    for (code, region) in &config.regions {
        let name = code.parse().map_or(code.as_str(), |code: RegionCode| code.facts().name);
        for environment in Environment::ALL {
            if let Some(to) = region.destination(*environment) {
                all.push((format!("to {name} {environment}"), to.certificate.clone()));
            }
        }
    }
    all.retain(|(_, path)| !path.as_os_str().is_empty());
    all.into_iter().map(|(name, path)| WatchedCertificate { name, path }).collect()
}

/// The public address, where nothing is listened on: as configured, else by the port that a service would listen on.
pub fn address(config: &Config) -> String {
    match config.server.public_url.trim_end_matches('/') {
        "" => format!("https://localhost:{}", config.server.listen.port()),
        url => url.to_owned(),
    }
}

/// Whether an address is reached from its own machine only, where other services share its name.
fn is_on_this_machine(public_url: &str) -> bool {
    host_of(public_url).is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

fn endpoint_settings(config: &Config, public_url: &str) -> EndpointSettings {
    EndpointSettings {
        public_url: public_url.to_owned(),
        longest_request: config.server.max_request_bytes,
        body_memory_mib: config.server.max_body_memory_mib,
        longest_echo: config.server.max_echo_characters,
        read_timeout: Duration::from_secs(config.server.read_timeout_seconds),
        soap_1_1: config.server.soap_1_1,
        xml: Limits::default(),
        criteria: config.onboarding.criteria(),
    }
}

/// So many days.
const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

/// What the gateway is told by a configuration.
///
/// # Errors
/// When a rule's setting or a code table of the data directory cannot be used.
pub fn gateway_settings(config: &Config) -> Result<GatewaySettings, AppError> {
    let gateway = &config.gateway;
    let ids = |texts: &[String]| {
        texts.iter().filter_map(|text| ProcessingId::of(text.as_bytes())).collect()
    };
    let reply_policies: HashMap<_, _> = RegionCode::managed()
        .map(|region| {
            let own = config.regions.get(region.as_str()).and_then(|region| region.reply);
            (region, own.unwrap_or(gateway.reply))
        })
        .collect();
    Ok(GatewaySettings {
        identity: Identity {
            application: gateway.application.clone(),
            facility: gateway.facility.clone(),
        },
        longest_message: config.server.max_message_characters,
        conflict_window: Duration::from_secs(gateway.conflict_window_hours * 60 * 60),
        reply_policies,
        relay_deadline: Duration::from_secs(gateway.relay_deadline_seconds),
        send_timeout: config.longest_attempt(),
        retry: RetryPolicy {
            first: Duration::from_secs(gateway.retry_first_seconds),
            longest: Duration::from_secs(gateway.retry_longest_seconds),
            hold: Duration::from_secs(gateway.hold_hours * 60 * 60),
            doubtful: gateway.doubtful_attempts.into(),
        },
        breaker: BreakerPolicy {
            failures: gateway.breaker_failures.into(),
            cool_down: Duration::from_secs(gateway.breaker_cool_down_seconds),
            longest: Duration::from_secs(gateway.breaker_longest_seconds),
        },
        queue_bound: gateway.queue_bound.into(),
        workers: gateway.delivery_workers,
        processing: ProcessingRules {
            test: ids(&gateway.test_processing_ids),
            production: ids(&gateway.production_processing_ids),
        },
        validator: Arc::new(Validator::new(Codes::in_use(&config.data_dir)?)),
        policies: config.policies()?,
        routing: RoutingRules {
            test: gateway.test_region_disagreement,
            production: gateway.production_region_disagreement,
        },
        retention: RetentionLimits {
            bodies: days(config.retention.body_days),
            metadata: days(config.retention.metadata_days),
            letters: days(config.retention.letter_days),
        },
        node: uuid::Uuid::now_v7().simple().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_and_loopback_addresses_are_on_this_machine() {
        for host in
            ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(is_on_this_machine(&format!("https://{host}")), "{host}");
            assert!(is_on_this_machine(&format!("https://{host}:8443")), "{host}");
        }
        for host in ["iz.example.gov", "localhost.example.gov", "192.0.2.7", "[2001:db8::1]"] {
            assert!(!is_on_this_machine(&format!("https://{host}:8443")), "{host}");
        }
    }
}
