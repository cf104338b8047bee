//! `izportal demo`: an installation of invented Sites with a first real submission, which then keeps serving.

mod outbox;
mod people;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::app::{App, Base, Role};
use crate::cli::demo::outbox::Outbox;
use crate::cli::demo::people::{Person, invite_people};
use crate::cli::{Failure, admin, output, serve};
use crate::client::{Account, Contract, Egress, Reach, SoapClient, client_config};
use crate::config::{Config, private_file};
use crate::domain::CREDENTIAL_PURPOSE;
use crate::domain::{
    By, County, Environment, IssuedCredential, LinkStatus, OrganizationId, Password, RegionCode,
    ReplyPolicy, SiteId, SiteKind, SiteStatus, Timestamp,
};
use crate::soap::{SoapVersion, submit_single_message_request};
use crate::store::{MessageFilter, NewSite, Part};
use crate::telemetry::Logs;

/// Start with invented Sites and seven loopback registries, submit a first message, and keep serving
///
/// Nothing leaves this machine: every registry is the built-in one, reached over HTTPS as a real one would be.
#[derive(Args)]
pub(super) struct Demo {
    /// Port of the SOAP service on 127.0.0.1; 0: any free one
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Data directory of the demonstration
    #[arg(long, default_value = "izportal-demo", value_name = "DIR")]
    data_dir: PathBuf,
    /// relay: the sender gets the registry's own ACK; accept: the Gateway's, at once
    #[arg(long, default_value = "relay")]
    reply: ReplyPolicy,
    /// Write addresses and credentials to this file as JSON, once everything serves
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// An invented Site: ID, name, kind, whether it gives immunizations, county, status.
type Invented = (&'static str, &'static str, SiteKind, bool, Option<&'static str>, SiteStatus);

/// One Site of each type and two Sending Facilities, one of which sends its own data too.
const SITES: [Invented; 5] = [
    (
        "DE-000001",
        "Harbor Street Pediatrics",
        SiteKind::Direct,
        true,
        Some("Alameda"),
        SiteStatus::Production,
    ),
    (
        "DE-000002",
        "Valley Oak Family Clinic",
        SiteKind::ThroughFacility,
        true,
        Some("Fresno"),
        SiteStatus::Production,
    ),
    (
        "DE-000003",
        "Sunset Mesa Pharmacy",
        SiteKind::ThroughFacility,
        true,
        Some("Los Angeles"),
        SiteStatus::Testing,
    ),
    (
        "SF-000001",
        "Golden Poppy Health Exchange",
        SiteKind::SendingFacility,
        false,
        None,
        SiteStatus::Production,
    ),
    (
        "SF-000002",
        "Delta Rivers Hospital Group",
        SiteKind::SendingFacility,
        true,
        Some("Sacramento"),
        SiteStatus::Production,
    ),
];

/// Which Sending Facility submits for which Site.
const LINKS: [(&str, &str); 3] =
    [("SF-000001", "DE-000002"), ("SF-000001", "DE-000003"), ("SF-000002", "DE-000003")];

/// Who has credentials, and for which Site and region the ready file says they submit.
const SENDERS: [(&str, &str, &str); 3] = [
    ("DE-000001", "DE-000001", "CAIRBA"),
    ("SF-000001", "DE-000002", "CAIRCV"),
    ("SF-000002", "SF-000002", "CAIRGS"),
];

/// What scripts need to drive the demonstration.
#[derive(Serialize)]
struct Ready {
    endpoint: String,
    wsdl: String,
    portal: String,
    metrics: Option<String>,
    ca: Option<PathBuf>,
    pid: u32,
    senders: Vec<Sender>,
    people: Vec<Person>,
}

/// One credential and what to put into a message sent with it.
#[derive(Serialize)]
struct Sender {
    name: &'static str,
    environment: Environment,
    username: String,
    password: String,
    facility_id: String,
    site_id: &'static str,
    region: &'static str,
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut config = Config::defaults()?;
        config.data_dir.clone_from(&self.data_dir);
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], self.port));
        "127.0.0.1:0".clone_into(&mut config.server.ops_listen);
        config.gateway.reply = self.reply;
        let logs = Logs::start(config.log.format, &config.log.filter).map_err(Failure::usage)?;

        let mut base = Base::open(&config, true).await?;
        // Before anything is changed: the passwords of a demonstration that runs stay good.
        base.claim(&config)?;
        let by = By::system(Timestamp::now());
        invent_sites(&base, &by).await?;
        let mut senders = vec![];
        for (sender, site_id, region) in SENDERS {
            for environment in Environment::ALL {
                senders.push(credential(&base, sender, *environment, site_id, region, &by).await?);
            }
        }

        let (clinic, facility) =
            (organization_of(&base, "DE-000001"), organization_of(&base, "SF-000001"));
        let people = invite_people(&base, &config, clinic.await?, facility.await?).await?;

        let app = serve::start(&config, base, &logs, Role::All).await?;
        let first = senders.first().ok_or_else(|| Failure::failed("there is no sender"))?;
        first_submission(&app, first).await?;
        let request = self.data_dir.join("request.xml");
        write_request(&app, &request, first)?;
        let outbox = Outbox::write(&self.data_dir.join("send"), &app, first)?;
        announce(&app, &senders, &people, (&request, &outbox));
        if let Some(path) = &self.ready_file {
            write_ready(path, &app, senders, people)?;
        }
        serve::until_told_to_stop().await?;
        output::line("Stopping.");
        app.stop().await;
        Ok(())
    }
}

/// Records the invented Sites that are not there yet.
async fn invent_sites(base: &Base, by: &By) -> Result<(), Failure> {
    let store = &base.store;
    if !store.site_list().await?.is_empty() {
        return Ok(());
    }
    for (id, name, kind, clinical, county, status) in SITES {
        let organization = store.organization_create(name.to_owned(), by.clone()).await?.id;
        let county = county.and_then(County::find);
        let site = NewSite {
            id: Some(site_id(id)?),
            organization,
            name: name.to_owned(),
            kind,
            clinical,
            county: county.map(|county| county.fips.to_owned()),
            region: county.map(|county| county.region),
            status,
        };
        store.site_create(site, by.clone()).await?;
    }
    for (facility, site) in LINKS {
        store.link_set(site_id(facility)?, site_id(site)?, LinkStatus::Active, by.clone()).await?;
    }
    Ok(())
}

async fn organization_of(base: &Base, site: &str) -> Result<OrganizationId, Failure> {
    Ok(base.store.site_by_id(site_id(site)?).await?.organization)
}

fn site_id(text: &str) -> Result<SiteId, Failure> {
    text.parse().map_err(Failure::failed)
}

/// A credential with a fresh password: issued the first time, rotated without overlap at each later start.
async fn credential(
    base: &Base,
    sender: &'static str,
    environment: Environment,
    site: &'static str,
    region: &'static str,
    by: &By,
) -> Result<Sender, Failure> {
    let id = site_id(sender)?;
    let held = base.store.credential_list().await?;
    let held = held.into_iter().find(|one| one.site == id && one.environment == environment);
    let issued = match held {
        None => admin::issue(base, id, environment, (None, None), None, by.clone()).await?,
        Some(held) => {
            let password = Password::generate(&ring::rand::SystemRandom::new())
                .map_err(|_unspecified| Failure::failed("no randomness for a password"))?;
            let hash = base.key.hash(CREDENTIAL_PURPOSE, password.reveal());
            let credential = base
                .store
                .credential_rotate(held.username, hash, Duration::ZERO, by.clone())
                .await?;
            IssuedCredential { credential, password }
        }
    };
    let name =
        SITES.iter().find(|invented| invented.0 == sender).map_or(sender, |invented| invented.1);
    Ok(Sender {
        name,
        environment,
        username: issued.credential.username,
        password: issued.password.reveal().to_owned(),
        facility_id: issued.credential.facility_id,
        site_id: site,
        region,
    })
}

/// An immunization of an invented child, as `sender` would send it.
fn message(sender: &Sender, control_id: &str) -> String {
    let now = Timestamp::now().utc();
    let processing = match sender.environment {
        Environment::Production => "P",
        Environment::Test => "T",
    };
    include_str!("demo.hl7")
        .replace("{{facility}}", &sender.facility_id)
        .replace("{{site}}", sender.site_id)
        .replace("{{region}}", sender.region)
        .replace("{{processing}}", processing)
        .replace("{{control_id}}", control_id)
        .replace("{{now}}", &now.format("%Y%m%d%H%M%S+0000").to_string())
        .replace("{{today}}", &now.format("%Y%m%d").to_string())
        .replace('\n', "\r")
}

/// Submits a real message with our own client over HTTPS and shows every station of its way.
async fn first_submission(app: &App, sender: &Sender) -> Result<(), Failure> {
    let tls = client_config(app.ca.as_deref(), None).map_err(Failure::failed)?;
    let timeout = Duration::from_secs(30);
    let reach = Reach { tls, egress: Egress::anywhere(), connect_timeout: timeout, timeout };
    let client = SoapClient::new(&app.endpoint(), Contract::Cdc2011(SoapVersion::V12), reach)
        .map_err(Failure::failed)?;
    let account = Account {
        username: sender.username.clone(),
        password: Password::from(sender.password.clone()),
        facility_id: sender.facility_id.clone(),
    };
    let control_id = format!("DEMO-{}", app.gateway.next_message_id(Timestamp::now()));
    let request = message(sender, &control_id);
    output::line(&format!("Submitting as {} ({}):", sender.username, sender.name));
    output::line(&indented(&request));
    let ack = client.submit_single_message(&account, &request).await.map_err(Failure::failed)?;
    output::line("The answer:");
    output::line(&indented(&ack));
    let stored = stored(app, &control_id).await?;
    output::line(&stored);
    if ack.contains("MSA|AA|") {
        Ok(())
    } else {
        Err(Failure::failed("the first submission was not acknowledged AA"))
    }
}

/// Where the message is now, in the Gateway and at its registry.
async fn stored(app: &App, control_id: &str) -> Result<String, Failure> {
    let store = app.gateway.store();
    let filter = MessageFilter {
        control_id: Some(control_id.to_owned()),
        limit: 1,
        ..MessageFilter::default()
    };
    let record = store.message_list(filter).await?.into_iter().next();
    let record = record.ok_or_else(|| Failure::failed("the message was not stored"))?;
    let body = store.message_payload(record.id, Part::Body).await?.map_or(0, |body| body.len());
    let region = record.region.map_or("-", RegionCode::as_str);
    let held = held_by_registry(app, record.region, control_id).await?;
    Ok(format!(
        "Gateway:  message {} is {}, {body} bytes encrypted at rest\nRegistry: {region} {} holds {held}",
        record.id, record.state, record.environment
    ))
}

/// What the loopback registry holds of the message; under `accept` the delivery may take a moment.
async fn held_by_registry(
    app: &App,
    region: Option<RegionCode>,
    control_id: &str,
) -> Result<String, Failure> {
    for _ in 0..50 {
        let held = app.gateway.store().loopback_list(region, 10).await?;
        if let Some(one) = held.iter().find(|one| one.control_id == control_id) {
            return Ok(format!("it as {}, received {}", one.id, one.received_at));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok("nothing of it yet".to_owned())
}

fn indented(hl7: &str) -> String {
    hl7.trim_end()
        .split('\r')
        .map(|segment| format!("    {segment}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The SOAP request that the printed curl line sends; readable by its owner only, because it holds a password.
fn write_request(app: &App, path: &Path, sender: &Sender) -> Result<(), Failure> {
    let hl7 = message(sender, &format!("CURL-{}", app.gateway.next_message_id(Timestamp::now())));
    let Sender { username, password, facility_id, .. } = sender;
    let envelope =
        submit_single_message_request(SoapVersion::V12, username, password, facility_id, &hl7);
    replace_private(path, &envelope)
}

fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    private_file(path)?.write_all(bytes)?;
    Ok(())
}

fn announce(app: &App, senders: &[Sender], people: &[Person], (request, outbox): (&Path, &Outbox)) {
    let endpoint = app.endpoint();
    let ca = app.ca.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    output::line("");
    output::line(&format!("SOAP service   {endpoint}"));
    output::line(&format!("WSDL           {endpoint}?wsdl"));
    output::line(&format!("IZ Portal      {}/", app.public_url));
    if let Some(ops) = app.ops {
        output::line(&format!("Health         http://{ops}/health/ready"));
        output::line(&format!("Metrics        http://{ops}/metrics"));
    }
    output::line(&format!("Trust this CA  {ca}"));
    output::line("");
    output::line("Credentials, made for this start (MSH-4 is the facilityID):");
    let rows: Vec<_> = senders
        .iter()
        .map(|one| {
            serde_json::json!({
                "username": one.username, "password": one.password, "facilityID": one.facility_id,
                "environment": one.environment, "Site (MSH-22)": one.site_id, "region (MSH-6)": one.region,
            })
        })
        .collect();
    output::show(crate::cli::Format::Text, &rows);
    output::line("");
    output::line(&format!("Sign in at {}/sign-in, as each role:", app.public_url));
    let rows: Vec<_> = people
        .iter()
        .map(|one| {
            serde_json::json!({
                "role": one.role, "e-mail": one.email, "password": one.password,
                "second factor (a recovery code)": one.recovery_codes.first(),
            })
        })
        .collect();
    output::show(crate::cli::Format::Text, &rows);
    output::line("");
    output::line("Send the next message yourself:");
    output::line(&format!(
        "  curl --cacert {ca} -H 'Content-Type: application/soap+xml' --data-binary @{} {endpoint}",
        request.display()
    ));
    output::line("Send many at once:");
    output::line(&format!(
        "  izportal send --settings {} {}",
        outbox.settings.display(),
        outbox.messages.display()
    ));
    output::line("");
    output::line("Serving; Ctrl-C stops.");
}

/// Writes the ready file at once and whole, so that a script never reads half of it.
fn write_ready(
    path: &Path,
    app: &App,
    senders: Vec<Sender>,
    people: Vec<Person>,
) -> Result<(), Failure> {
    let endpoint = app.endpoint();
    let ready = Ready {
        wsdl: format!("{endpoint}?wsdl"),
        portal: format!("{}/", app.public_url),
        metrics: app.ops.map(|ops| format!("http://{ops}/metrics")),
        ca: app.ca.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_gone| path.clone())),
        pid: std::process::id(),
        endpoint,
        senders,
        people,
    };
    let text = serde_json::to_vec_pretty(&ready).map_err(Failure::failed)?;
    let beside = path.with_extension("writing");
    replace_private(&beside, &text)?;
    std::fs::rename(&beside, path)?;
    Ok(())
}
