//! Programs of Sites are told what happened: signed, once more until they have it, at public addresses only, and nothing of
//! a patient.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use izportal::app;
use izportal::domain::{
    Environment, HookSecret, LinkStatus, OrganizationId, Role, SiteId, SiteKind, SiteStatus,
    StageEvent, Timestamp,
};
use izportal::store::NewCredential;
use serde_json::{Value, json};

use crate::api::{document, fits};
use crate::support::clinic::{Clinic, Person, shown_secret};
use crate::support::peer::{Act, Peer, http};
use crate::support::program::files_under;
use crate::support::{TestApp, everything_logged, replace_field, tester, vxu};

const DAY: Duration = Duration::from_hours(24);

/// Every event.
const ALL: &str = "message.delivered,message.given-up,message.rejected,message.replaced,message.review,\
                   site.stage,site.link,credential.expires";

/// A Sending Facility with a client, and a program that listens behind real TLS.
struct World {
    clinic: Clinic,
    peer: Peer,
    organization: OrganizationId,
    person: Person,
    /// Where the webhooks of the Sending Facility are.
    path: String,
}

impl World {
    async fn open() -> Self {
        Self::with("").await
    }

    async fn with(toml: &str) -> Self {
        let peer = Peer::https().await;
        let toml = format!("[webhooks]\nca_file = \"{}\"\n{toml}", peer.ca().display());
        let app = TestApp::with(&toml).await;
        let store = Arc::clone(app.app.gateway.store());
        let sites = app::sites(&app.config, store, app.base_key.clone(), &app.app.public_url);
        let clinic = Clinic { app, sites };
        let (kind, stage) = (SiteKind::SendingFacility, SiteStatus::Testing);
        let facility = clinic.app.site("SF-000001", kind, false, None, stage).await;
        let kind = SiteKind::ThroughFacility;
        clinic.app.site("DE-000001", kind, true, Some("Alameda"), SiteStatus::Testing).await;
        clinic.app.link("SF-000001", "DE-000001", LinkStatus::Active).await;
        let organization = clinic.owner(&facility).await;
        let person = clinic.representative(organization).await;
        let path = format!("/organization/{organization}/sites/{facility}/webhooks");
        Self { clinic, peer, organization, person, path }
    }

    /// Makes a webhook on the page: where it is, and its secret.
    async fn hook(&self, host: &str, events: &str) -> (String, String) {
        let browser = &self.person.browser;
        browser.visit(&self.path).await;
        let url = self.peer.url(host);
        let fields = [("url", url.as_str()), ("description", "HIE engine"), ("events", events)];
        let page = browser.post(&self.path, &fields).await;
        let secret = shown_secret(&page.html);
        let id = page.html.split("/webhooks/").nth(1).unwrap().split('"').next().unwrap();
        (format!("{}/{id}", self.path), secret)
    }

    /// The requests that came, when there are so many.
    async fn heard(&self, count: usize) -> Vec<Heard> {
        let all = async || self.peer.heard().len() >= count;
        self.clinic.app.until("the program is called", all).await;
        self.peer.heard().iter().map(|text| Heard::of(text)).collect()
    }

    /// What waits is due now.
    fn due(&self) {
        self.change("UPDATE webhook_call SET next_attempt_at = '2020-01-01 00:00:00' WHERE state = 'queued'");
    }

    fn change(&self, sql: &str) {
        self.clinic.app.database.change(&self.clinic.app.config.data_dir, sql);
    }

    /// Waits until the page of a webhook says this.
    async fn says(&self, hook: &str, words: &str) {
        let said = async || self.person.browser.visit(hook).await.text().contains(words);
        self.clinic.app.until(words, said).await;
    }
}

/// A call as the program gets it.
#[derive(Debug, Clone)]
struct Heard {
    head: String,
    body: String,
}

impl Heard {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self { head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {}", self.head))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Verifies it as the libraries of the convention do; the signature's case is gone with the head's.
    #[track_caller]
    fn is_signed_with(&self, secret: &str) -> &Self {
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let secret: HookSecret = secret.parse().unwrap();
        let expected = secret.sign(id, at.parse().unwrap(), &self.body).to_ascii_lowercase();
        let signatures: Vec<&str> = self.header("webhook-signature").split(' ').collect();
        assert!(signatures.contains(&expected.as_str()), "{signatures:?}");
        assert_eq!(self.json()["id"], id);
        self
    }
}

fn taken() -> Act {
    http("200 OK", &[], "thanks")
}

/// A message of the client as the Sending Facility sends it, about the canary.
fn canary(control_id: &str, behave: &str) -> String {
    let text = vxu(control_id, &[("Sampleperson^Penelope", "Zzyzxcanary^Quuxcanary")]);
    let text = replace_field(&text, "MSH", 4, "SF-000001");
    replace_field(&text, "MSH", 6, behave)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_and_a_rejected_message_are_told_signed_and_without_the_patient() {
    let world = World::open().await;
    let app = &world.clinic.app;
    let sender = app.credential("SF-000001", Environment::Test).await;
    let (hook, secret) = world.hook("127.0.0.1", "message.delivered,message.rejected").await;
    world.peer.then(taken());
    world.peer.then(taken());

    app.submit(&sender, &canary("GOOD", "CAIRBA")).await.hl7();
    app.submit(&sender, &canary("BAD", "CAIRBA^^^TC-ack-reject")).await.hl7();

    let heard = world.heard(2).await;
    let document = document(app).await;
    for (control_id, event, state) in
        [("GOOD", "message.delivered", "delivered"), ("BAD", "message.rejected", "rejected")]
    {
        let found = heard.iter().find(|one| one.json()["data"]["control_id"] == control_id);
        let call = found.unwrap_or_else(|| panic!("no call about {control_id}: {heard:?}"));
        let told = call.is_signed_with(&secret).json();
        assert_eq!((&told["type"], &told["data"]["state"]), (&json!(event), &json!(state)));
        assert_eq!(told["data"]["id"], json!(app.message(control_id).await.id.to_string()));
        let parties = (&told["data"]["sender"], &told["data"]["site"]);
        assert_eq!(parties, (&json!("SF-000001"), &json!("DE-000001")));
        let schema = &document["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]
            ["schema"];
        fits(&document, schema, &told, event);
        assert!(call.head.starts_with("post /hook http/1.1"), "{}", call.head);
        assert_eq!(call.header("content-type"), "application/json");
        for part in ["zzyzxcanary", "quuxcanary"] {
            assert!(!call.body.to_lowercase().contains(part), "{}", call.body);
        }
    }
    world.says(&hook, "A registry took a message").await;
    world.says(&hook, "HTTP 200").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.peer.heard().len(), 2, "each is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_called_again_with_the_same_event() {
    let world = World::open().await;
    let (hook, secret) = world.hook("127.0.0.1", ALL).await;
    world.peer.then(http("500 Internal Server Error", &[], "Zzyzxcanary went wrong"));
    world.peer.then(Act::HangUp);
    world.peer.then(http("302 Found", &["Location: https://127.0.0.1/elsewhere"], ""));
    world.peer.then(taken());

    world
        .person
        .browser
        .submit(&format!("{hook}/ping"), &[])
        .await
        .says(&["The call is on its way"]);
    for (count, words) in
        [(1, "HTTP 500"), (2, "The connection broke off"), (3, "HTTP 302"), (4, "Taken")]
    {
        world.heard(count).await;
        world.says(&hook, words).await;
        world.due();
    }

    let heard = world.heard(4).await;
    let ids: Vec<&str> = heard.iter().map(|one| one.header("webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    for one in &heard {
        assert_eq!(one.is_signed_with(&secret).json()["type"], "ping");
    }
    assert!(!everything_logged().contains("Zzyzxcanary went wrong"));
    world.person.browser.visit(&hook).await.says(&["Test call", "Live", "4"]);

    world.peer.then(taken());
    let page = world.person.browser.visit(&hook).await;
    let call = page.html.split("/calls/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    world.person.browser.submit(&format!("{hook}/calls/{call}/resend"), &[]).await;
    assert_eq!(world.heard(5).await[4].header("webhook-id"), ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_inside_is_called() {
    let world = World::with("[egress]\nallow = [\"10.0.0.0/8\"]\n").await;

    for host in ["127.0.0.1", "localhost"] {
        let (hook, _) = world.hook(host, ALL).await;
        world.person.browser.submit(&format!("{hook}/ping"), &[]).await;
        world.says(&hook, "Its address is not a public one, so it was not called").await;
    }
    assert_eq!(world.peer.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_given_up_after_a_day_and_a_webhook_stopped_after_five() {
    let world = World::open().await;
    let (hook, _) = world.hook("127.0.0.1", ALL).await;
    world.peer.then(http("503 Service Unavailable", &["Retry-After: 1000"], ""));
    world.peer.then(http("503 Service Unavailable", &[], ""));

    world.person.browser.submit(&format!("{hook}/ping"), &[]).await;
    world.says(&hook, "HTTP 503").await;
    world.change(
        "UPDATE webhook_call SET give_up_at = '2020-01-01 00:00:00', next_attempt_at = '2020-01-01 00:00:00'",
    );
    world.says(&hook, "Given up").await;
    world.says(&hook, "Live, but failing").await;

    let (sites, now) = (&world.clinic.sites, Timestamp::now());
    let early = sites.stop_failing_webhooks(now.plus(DAY * 4)).await.unwrap();
    let late = sites.stop_failing_webhooks(now.plus(DAY * 6)).await.unwrap();
    let twice = sites.stop_failing_webhooks(now.plus(DAY * 7)).await.unwrap();
    assert_eq!((early, late, twice), (0, 1, 0));
    let email = format!("rep{}@example.org", world.organization);
    let letters = world.clinic.letters(&email).await;
    assert_eq!(letters.iter().filter(|kind| *kind == "webhook-stopped").count(), 1, "{letters:?}");
    world.says(&hook, "This webhook was stopped").await;
    let refused = world.person.browser.submit(&format!("{hook}/ping"), &[]).await;
    assert_eq!(refused.status, 409);

    world.peer.then(taken());
    world.person.browser.visit(&hook).await;
    world.person.browser.submit(&format!("{hook}/resume"), &[]).await.says(&["Live"]);
    world.person.browser.submit(&format!("{hook}/ping"), &[]).await;
    world.says(&hook, "HTTP 200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_during_a_pause_is_told_after_it() {
    let world = World::open().await;
    let (hook, _) = world.hook("127.0.0.1", ALL).await;
    let (store, facility) = (world.clinic.app.store(), "SF-000001");
    let site: SiteId = "DE-000001".parse().unwrap();
    world.person.browser.visit(&hook).await;
    world.person.browser.submit(&format!("{hook}/pause"), &[]).await.says(&["Paused"]);

    world.clinic.app.link(facility, "DE-000001", LinkStatus::Requested).await;
    store.site_step(site.clone(), StageEvent::CriteriaMet, None, tester()).await.unwrap();
    world.says(&hook, "To be made").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.peer.connections(), 0);

    world.peer.then(taken());
    world.peer.then(taken());
    world.person.browser.submit(&format!("{hook}/resume"), &[]).await;
    let mut told: Vec<Value> = world.heard(2).await.iter().map(Heard::json).collect();
    told.sort_by_key(|one| one["type"].to_string());
    assert_eq!(
        told[0]["data"],
        json!({"sender": "SF-000001", "site": "DE-000001", "link": "requested"})
    );
    assert_eq!(told[1]["type"], "site.stage");
    let stage = (&told[1]["data"]["before"], &told[1]["data"]["stage"]);
    assert_eq!(stage, (&json!("testing"), &json!("validated")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_credential_and_of_a_link_are_told() {
    let world = World::open().await;
    let (_, secret) = world.hook("127.0.0.1", ALL).await;
    let app = &world.clinic.app;
    let now = Timestamp::now();
    let new = NewCredential {
        site: "SF-000001".parse().unwrap(),
        environment: Environment::Test,
        username: "SF-000001-T".to_owned(),
        facility_id: "SF-000001".to_owned(),
        secret: app.base_key.hash("credential", "x"),
        expires_at: Some(now.plus(DAY * 5)),
    };
    app.store().credential_issue(new, tester()).await.unwrap();
    world.peer.then(taken());
    world.peer.then(taken());

    world.clinic.sites.tell_expiries(now).await.unwrap();
    world.clinic.sites.tell_expiries(now).await.unwrap();
    app.link("SF-000001", "DE-000001", LinkStatus::Ended).await;

    let document = document(app).await;
    let heard = world.heard(2).await;
    for event in ["credential.expires", "site.link"] {
        let call = heard.iter().find(|one| one.json()["type"] == event).unwrap();
        let told = call.is_signed_with(&secret).json();
        let schema = &document["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]
            ["schema"];
        fits(&document, schema, &told, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_counts_a_day_after_it_was_replaced_and_is_kept_nowhere_in_clear() {
    let world = World::open().await;
    let (hook, first) = world.hook("127.0.0.1", ALL).await;
    let browser = &world.person.browser;
    browser.visit(&format!("{hook}/secret")).await.says(&["Make a new secret?"]);
    let page = browser.submit(&format!("{hook}/secret"), &[]).await;
    let second = shown_secret(&page.html);
    world.peer.then(taken());
    world.peer.then(taken());

    browser.visit(&hook).await.says(&["Secret before"]);
    browser.submit(&format!("{hook}/ping"), &[]).await;
    let both = world.heard(1).await;
    both[0].is_signed_with(&first).is_signed_with(&second);
    world.change("UPDATE webhook SET old_secret_until = '2020-01-01 00:00:00'");
    browser.submit(&format!("{hook}/ping"), &[]).await;
    let signatures = world.heard(2).await[1].header("webhook-signature").to_owned();
    assert_eq!(signatures.split(' ').count(), 1, "{signatures}");

    assert_ne!(first, second);
    let list = browser.visit(&world.path).await;
    for secret in [&first, &second] {
        let text = &secret["whsec_".len()..];
        let bytes = BASE64_STANDARD.decode(text).unwrap();
        assert_eq!(bytes.len(), 32);
        assert!(!list.html.contains(text) && !everything_logged().contains(text));
        for file in files_under(world.clinic.app.dir.path()) {
            let kept = std::fs::read(&file).unwrap();
            let holds = |part: &[u8]| kept.windows(part.len()).any(|window| window == part);
            assert!(!holds(text.as_bytes()) && !holds(&bytes), "{}", file.display());
        }
    }
    let id = hook.rsplit('/').next().unwrap();
    let told = world.clinic.told(&format!("webhook SF-000001 {id}")).await;
    assert_eq!(told, ["webhook.create", "webhook.rotate", "webhook.ping", "webhook.ping"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_its_organizations_and_is_made_with_all_that_it_needs() {
    let world = World::open().await;
    let (hook, _) = world.hook("127.0.0.1", ALL).await;
    let browser = &world.person.browser;
    for (fields, wrong) in [
        ([("url", "http://hie.example/"), ("description", "HIE"), ("events", ALL)], "url"),
        ([("url", "https://hie.example/"), ("description", " "), ("events", ALL)], "description"),
        ([("url", "https://hie.example/"), ("description", "HIE"), ("events", "x")], "events"),
    ] {
        browser.visit(&world.path).await;
        let page = browser.post(&world.path, &fields).await;
        assert_eq!(page.errors()[0].0, wrong);
    }
    let reader = world.clinic.person(world.organization, "v@example.org", Role::Vendor).await;
    let (other, ..) = world.clinic.direct("DE-000009").await;
    let stranger = world.clinic.representative(other).await;
    for path in ["", "/secret", "/remove"] {
        let path = format!("{hook}{path}");
        for one in [&reader, &stranger] {
            assert_eq!(one.browser.visit(&path).await.status, 404, "{path}");
        }
        let foreign = path.replace(&format!("/{}/", world.organization), &format!("/{other}/"));
        assert_eq!(stranger.browser.visit(&foreign).await.status, 404, "{foreign}");
    }
    for deed in ["ping", "pause", "resume", "secret", "remove", "calls/1/resend"] {
        let path = format!("{hook}/{deed}");
        stranger.browser.visit("/account").await;
        assert_eq!(stranger.browser.submit(&path, &[]).await.status, 404, "{path}");
    }

    world.clinic.time_passes();
    for path in [world.path.clone(), format!("{hook}/secret")] {
        browser.visit(&path).await;
        let late = browser.post(&path, &[]).await;
        assert_eq!(late.status, 303);
        let to = late.headers["location"].to_str().unwrap();
        assert_eq!(to, format!("/account/confirm?next={path}"));
    }
    browser.visit(&format!("{hook}/remove")).await;
    browser.submit(&format!("{hook}/remove"), &[]).await.says(&["This Site has no webhook"]);
    assert_eq!(browser.visit(&hook).await.status, 404);
}
