//! A running gateway with verbs, and what it needs: a database of its own, its logs, a scripted registry.

pub(crate) mod authenticator;
pub(crate) mod backlog;
pub(crate) mod browser;
pub(crate) mod clinic;
mod database;
pub(crate) mod fault;
mod logs;
pub(crate) mod peer;
pub(crate) mod people;
pub(crate) mod post;
pub(crate) mod program;
pub(crate) mod registry;
pub(crate) mod soap;
pub(crate) mod wire;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use izportal::app::{App, Base, Role};
use izportal::config::Config;
use izportal::domain::CREDENTIAL_PURPOSE;
use izportal::domain::{
    By, ClientKeyPin, County, Environment, LinkStatus, OrganizationId, Password, RegionCode,
    SiteId, SiteKind, SiteStatus, Timestamp,
};
use izportal::endpoint::{SummaryFormat, SummaryLog};
use izportal::soap::{Limits, Response, SoapVersion, read_response, submit_single_message_request};
use izportal::store::{LoopbackRecord, MessageFilter, NewCredential, NewSite, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::Method;
use tempfile::TempDir;

pub(crate) use database::{Row, TestDatabase};
pub(crate) use logs::everything_logged;

/// A sender that the gateway knows.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) facility: String,
    pub(crate) environment: Environment,
}

/// A gateway that serves on a free port, with a client that trusts it.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) base_key: izportal::domain::ServerKey,
    pub(crate) http: reqwest::Client,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
    pub(crate) database: TestDatabase,
}

/// What came back from the SOAP path.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The HL7 reply of a submission.
    pub(crate) fn hl7(&self) -> String {
        match self.response() {
            Response::SubmitSingleMessage(text) => text,
            other => panic!("not a submission's reply: {other:?} in {}", self.text),
        }
    }

    /// The fault: name of its element, code, reason, detail.
    pub(crate) fn fault(&self) -> (String, i64, String, String) {
        match self.response() {
            Response::Fault(fault) => (
                fault.fault_name.unwrap_or_default(),
                fault.iis_code.unwrap_or_default(),
                fault.iis_reason.unwrap_or_default(),
                fault.iis_detail.unwrap_or_default(),
            ),
            other => panic!("not a fault: {other:?} in {}", self.text),
        }
    }

    pub(crate) fn response(&self) -> Response {
        read_response(self.text.as_bytes(), &Limits::default())
            .unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| izportal::telemetry::metrics().unwrap()).clone()
}

impl TestApp {
    /// A gateway with the defaults, all registries loopback, reply policy `relay`.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// A gateway with this configuration over the defaults.
    pub(crate) async fn with(toml: &str) -> Self {
        let database = TestDatabase::new();
        Self::on(database, TempDir::new().unwrap(), toml).await
    }

    /// A gateway on a database and a data directory that exist already.
    pub(crate) async fn on(database: TestDatabase, dir: TempDir, toml: &str) -> Self {
        Self::listening("127.0.0.1:0".parse().unwrap(), database, dir, toml).await
    }

    /// The same at an address of the caller's choice.
    pub(crate) async fn listening(
        listen: SocketAddr,
        database: TestDatabase,
        dir: TempDir,
        toml: &str,
    ) -> Self {
        logs::capture();
        let mut config = Config::read(&calling_this_machine(toml)).unwrap();
        config.data_dir = dir.path().join("data");
        config.server.listen = listen;
        people::VIDEOS.clone_into(&mut config.portal.training_videos);
        "127.0.0.1:0".clone_into(&mut config.server.ops_listen);
        config.server.workers = 2;
        database.configure(&mut config);
        let base = Base::open(&config, true).await.unwrap();
        let base_key = base.key.clone();
        let metrics = metrics();
        let log = SummaryLog::new(SummaryFormat::Json, logs::writer());
        let app = App::start(&config, base, log, metrics.clone(), Role::All).await.unwrap();
        let http = client(app.ca.as_deref());
        Self { app, base_key, http, metrics, dir, config, database }
    }

    pub(crate) fn store(&self) -> &Store {
        self.app.gateway.store()
    }

    pub(crate) fn endpoint(&self) -> String {
        self.app.endpoint()
    }

    /// Stops the gateway in order and starts it anew on the same data.
    pub(crate) async fn restart(self, toml: &str) -> Self {
        let Self { app, dir, database, .. } = self;
        app.stop().await;
        Self::on(database, dir, toml).await
    }

    /// Records a Site with its ID.
    pub(crate) async fn site(
        &self,
        id: &str,
        kind: SiteKind,
        clinical: bool,
        county: Option<&str>,
        status: SiteStatus,
    ) -> SiteId {
        let organization: OrganizationId =
            self.store().organization_create(id.to_owned(), tester()).await.unwrap().id;
        let county = county.map(|name| County::find(name).unwrap());
        let site = NewSite {
            id: Some(id.parse().unwrap()),
            organization,
            name: format!("Site {id}"),
            kind,
            clinical,
            county: county.map(|county| county.fips.to_owned()),
            region: county.map(|county| county.region),
            status,
        };
        self.store().site_create(site, tester()).await.unwrap().id
    }

    /// A type 1 Site in Alameda (CAIRBA), in production.
    pub(crate) async fn direct_site(&self, id: &str) -> SiteId {
        self.site(id, SiteKind::Direct, true, Some("Alameda"), SiteStatus::Production).await
    }

    pub(crate) async fn link(&self, facility: &str, site: &str, status: LinkStatus) {
        let (facility, site) = (facility.parse().unwrap(), site.parse().unwrap());
        self.store().link_set(facility, site, status, tester()).await.unwrap();
    }

    /// Issues a credential.
    pub(crate) async fn credential(&self, site: &str, environment: Environment) -> Sender {
        let password = Password::generate(&ring::rand::SystemRandom::new()).unwrap();
        let username = match environment {
            Environment::Test => format!("{site}-T"),
            Environment::Production => site.to_owned(),
        };
        let new = NewCredential {
            site: site.parse().unwrap(),
            environment,
            username: username.clone(),
            facility_id: site.to_owned(),
            secret: self.base_key.hash(CREDENTIAL_PURPOSE, password.reveal()),
            expires_at: None,
        };
        self.store().credential_issue(new, tester()).await.unwrap();
        Sender {
            username,
            password: password.reveal().to_owned(),
            facility: site.to_owned(),
            environment,
        }
    }

    pub(crate) async fn pin(&self, username: &str, pin: Option<ClientKeyPin>) {
        self.store().credential_pin(username.to_owned(), pin, tester()).await.unwrap();
    }

    /// A type 1 Site `DE-000001` in CAIRBA with a test credential.
    pub(crate) async fn test_sender(&self) -> Sender {
        self.direct_site("DE-000001").await;
        self.credential("DE-000001", Environment::Test).await
    }

    /// Posts any bytes with a content type (none when empty).
    pub(crate) async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let mut request = self.http.post(self.endpoint()).body(body);
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type);
        }
        answer(request.send().await.unwrap()).await
    }

    /// Posts a SOAP 1.2 envelope around this body.
    pub(crate) async fn post_body(&self, body: &str) -> Answer {
        self.post("application/soap+xml; charset=utf-8", envelope(body)).await
    }

    /// Submits an HL7 text with SOAP 1.2.
    pub(crate) async fn submit(&self, sender: &Sender, hl7: &str) -> Answer {
        self.submit_in(SoapVersion::V12, sender, hl7).await
    }

    pub(crate) async fn submit_in(
        &self,
        version: SoapVersion,
        sender: &Sender,
        hl7: &str,
    ) -> Answer {
        let Sender { username, password, facility, .. } = sender;
        let bytes = submit_single_message_request(version, username, password, facility, hl7);
        let content_type =
            if version == SoapVersion::V11 { "text/xml" } else { "application/soap+xml" };
        self.post(content_type, bytes).await
    }

    /// Asks for a place on the public listener.
    pub(crate) async fn fetch(&self, method: Method, path_and_query: &str) -> Answer {
        let url = format!("{}{path_and_query}", self.app.public_url);
        answer(self.http.request(method, url).send().await.unwrap()).await
    }

    /// Asks for a place on the operations listener.
    pub(crate) async fn fetch_inside(&self, method: Method, path_and_query: &str) -> Answer {
        let url = format!("http://{}{path_and_query}", self.app.ops.unwrap());
        answer(self.http.request(method, url).send().await.unwrap()).await
    }

    /// What the loopback registry of a region holds, newest first.
    pub(crate) async fn registry(&self, region: &str) -> Vec<LoopbackRecord> {
        let region: RegionCode = region.parse().unwrap();
        self.store().loopback_list(Some(region), 10_000).await.unwrap()
    }

    /// The one message with this MSH-10, as the Gateway knows it.
    pub(crate) async fn message(&self, control_id: &str) -> izportal::domain::MessageRecord {
        let filter = MessageFilter {
            control_id: Some(control_id.to_owned()),
            limit: 2,
            ..MessageFilter::default()
        };
        let mut found = self.store().message_list(filter).await.unwrap();
        assert_eq!(found.len(), 1, "messages with MSH-10 {control_id}");
        found.remove(0)
    }

    /// Waits until `done` holds, for at most 20 seconds.
    pub(crate) async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut done: impl FnMut() -> F,
    ) {
        for _ in 0..400 {
            if done().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not in 20 seconds: {what}");
    }
}

/// Who does what tests do, now.
pub(crate) fn tester() -> By {
    By::cli("tester", Timestamp::now())
}

/// A configuration whose registries may stand on this machine, unless it says itself where they may.
pub(crate) fn calling_this_machine(toml: &str) -> String {
    let allow = "[egress]\nallow = [\"127.0.0.1/32\"]\n";
    if toml.contains("[egress]") { toml.to_owned() } else { format!("{toml}\n{allow}") }
}

/// A number from the environment: how long a test runs whose normal form is short.
#[expect(clippy::disallowed_methods, reason = "the switch between the short and the long form")]
pub(crate) fn number_of(variable: &str, normal: usize) -> usize {
    std::env::var(variable).map_or(normal, |text| text.parse().unwrap())
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An HTTP client that trusts one authority.
pub(crate) fn client(ca: Option<&Path>) -> reqwest::Client {
    let tls = izportal::client::client_config(ca, None).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}

pub(crate) async fn answer(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// A SOAP 1.2 envelope around a body.
pub(crate) fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:iis=\"urn:cdc:iisb:2011\">\
         <soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

/// A valid VXU of an invented child, another one for each control ID; `changes` are applied to its text in order.
pub(crate) fn vxu(control_id: &str, changes: &[(&str, &str)]) -> String {
    let text = include_str!("../../fixtures/hl7/vxu_child_dose.hl7");
    let number = control_id.bytes().fold(7_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 99_991);
    let text = text.replace("INV-1001", &format!("INV-{number}"));
    let mut text = replace_field(&text, "MSH", 10, control_id);
    for (from, to) in changes {
        assert!(text.contains(from), "the fixture has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// The text with one field of the first segment of a name replaced (HL7 numbering).
pub(crate) fn replace_field(text: &str, segment: &str, number: usize, value: &str) -> String {
    let mut done = false;
    let lines: Vec<String> = text
        .split('\r')
        .map(|line| {
            if done || !line.starts_with(segment) {
                return line.to_owned();
            }
            done = true;
            let at = if segment == "MSH" { number - 1 } else { number };
            let mut fields: Vec<&str> = line.split('|').collect();
            while fields.len() <= at {
                fields.push("");
            }
            fields[at] = value;
            fields.join("|")
        })
        .collect();
    assert!(done, "no {segment}");
    lines.join("\r")
}

/// MSA-1 and MSA-2 of a reply.
pub(crate) fn msa(hl7: &str) -> (String, String) {
    let line = hl7
        .split('\r')
        .find(|line| line.starts_with("MSA|"))
        .unwrap_or_else(|| panic!("no MSA in {hl7}"));
    let fields: Vec<&str> = line.split('|').collect();
    (fields[1].to_owned(), fields[2].to_owned())
}

/// The ERR segments of a reply: ERR-2, ERR-3.1, ERR-4, ERR-5.1, ERR-8.
pub(crate) fn errors(hl7: &str) -> Vec<[String; 5]> {
    hl7.split('\r')
        .filter(|line| line.starts_with("ERR|"))
        .map(|line| {
            let field = |number: usize| line.split('|').nth(number).unwrap_or_default().to_owned();
            let code =
                |number: usize| field(number).split('^').next().unwrap_or_default().to_owned();
            [field(2), code(3), field(4), code(5), field(8)]
        })
        .collect()
}
