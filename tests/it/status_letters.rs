//! Letters about Sites: each once, to whom it concerns, as they chose, and nothing of a patient in any of them.
//!
//! Their words are kept in `snapshots/letters`, as text and as HTML; a file that is missing is written, and the test fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Datelike as _, Weekday};
use izportal::app;
use izportal::domain::{
    CREDENTIAL_PURPOSE, Environment, OrganizationId, Role, SiteEventKind, SiteId, SiteKind,
    SiteStatus, Timestamp,
};
use izportal::store::{LetterFilter, NewCredential};

use crate::support::clinic::Clinic;
use crate::support::{Sender, TestApp, msa, replace_field, tester, vxu};

/// Parts of the canary that stand nowhere else.
pub(crate) const CANARIES: [&str; 6] =
    ["Zzyzxcanary", "Quuxcanary", "999-00-1234", "Canarystreet", "4190747", "Mothercanary"];

/// A message about the canary.
fn canary(control_id: &str, changes: &[(&str, &str)]) -> String {
    let text = vxu(
        control_id,
        &[
            ("Sampleperson^Penelope", "Zzyzxcanary^Quuxcanary"),
            ("Inventa^Ada", "Mothercanary^Ada"),
            ("12 Invented Lane", "4711 Canarystreet"),
            ("5550142", "4190747"),
        ],
    );
    let mut text = replace_field(&text, "PID", 19, "999-00-1234");
    for (from, to) in changes {
        assert!(text.contains(from), "no {from}");
        text = text.replace(from, to);
    }
    text
}

/// One without a date of birth, and with values of the canary where codes belong.
pub(crate) fn bad(control_id: &str) -> String {
    canary(
        control_id,
        &[("|20250115|F|", "||F|"), ("MTH^Mother^HL70063", "Zzyzxcanary^Mother^HL70063")],
    )
}

/// A letter as its reader has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    kind: String,
    subject: String,
    text: String,
    html: String,
}

async fn clinic(toml: &str) -> Clinic {
    let app = TestApp::with(&format!(
        "{toml}\n[mail]\naddress_per_hour = 1000\naddress_per_day = 1000\n"
    ))
    .await;
    let store = Arc::clone(app.app.gateway.store());
    let sites = app::sites(&app.config, store, app.base_key.clone(), &app.app.public_url);
    Clinic { app, sites }
}

async fn site(clinic: &Clinic, status: SiteStatus) -> (OrganizationId, SiteId) {
    let id = clinic.app.site("DE-000001", SiteKind::Direct, true, Some("Alameda"), status).await;
    (clinic.owner(&id).await, id)
}

/// The letters about Sites to an address, the oldest first; none of them tells of the canary.
async fn letters(clinic: &Clinic, email: &str) -> Vec<Written> {
    // Those of a day to come are due now.
    let due = "UPDATE letter SET next_attempt_at = '2020-01-01 00:00:00' WHERE state = 'queued'";
    clinic.app.database.change(&clinic.app.config.data_dir, due);
    let filter = LetterFilter { to: Some(email.parse().unwrap()), ..LetterFilter::default() };
    let mut written = vec![];
    for record in clinic.app.store().letter_list(filter, 200).await.unwrap().into_iter().rev() {
        if ["invitation", "security-notice", "added"].contains(&record.kind.as_str()) {
            continue;
        }
        let mut words = None;
        for _ in 0..400 {
            words = clinic.app.store().letter_by_id(record.id).await.unwrap().1;
            if words.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let (text, html) = words.unwrap();
        let url = &clinic.app.app.public_url;
        let (text, html) = (text.replace(url, "https://iz"), html.replace(url, "https://iz"));
        for one in CANARIES {
            let silent = ![&record.subject, &text, &html].iter().any(|part| part.contains(one));
            assert!(silent, "{one} is told: {text}");
        }
        written.push(Written { kind: record.kind, subject: record.subject, text, html });
    }
    written
}

async fn kinds(clinic: &Clinic, email: &str) -> Vec<String> {
    letters(clinic, email).await.into_iter().map(|one| one.kind).collect()
}

/// Waits until all events are told, and so many messages are counted.
async fn told(clinic: &Clinic, id: &SiteId, tests: i64) {
    let app = &clinic.app;
    app.until("counted and told", async || {
        app.store().progress_of(id.clone()).await.unwrap().tests == tests
            && app.store().site_events_open(1).await.unwrap().is_empty()
    })
    .await;
}

async fn submit(clinic: &Clinic, sender: &Sender, hl7: &str) -> String {
    msa(&clinic.app.submit(sender, hl7).await.hl7()).0
}

/// Compares a letter with its file, what differs from run to run replaced.
#[track_caller]
fn assert_snapshot(name: &str, letter: &Written, replaced: &[(String, &str)]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/letters");
    let mut new = vec![];
    for (end, body) in [("txt", &letter.text), ("html", &letter.html)] {
        let mut shown = format!("Subject: {}\n\n{body}", letter.subject);
        for (from, to) in replaced {
            shown = shown.replace(from.as_str(), to);
        }
        let path = folder.join(format!("{name}.{end}"));
        if let Ok(known) = std::fs::read_to_string(&path) {
            assert_eq!(shown, known, "{}", path.display());
        } else {
            std::fs::write(&path, shown).unwrap();
            new.push(path);
        }
    }
    assert!(new.is_empty(), "these were not there, look at them: {new:?}");
}

/// What differs from run to run in a letter about a message.
async fn of_message(clinic: &Clinic, control_id: &str) -> Vec<(String, &'static str)> {
    let record = clinic.app.message(control_id).await;
    let received = record.received_at.pacific_text();
    vec![(record.id.to_string(), "MESSAGE"), (received, "WHEN")]
}

fn day(moment: Timestamp) -> String {
    moment.utc().format("%B %-d, %Y").to_string()
}

/// 16:00 UTC so many days later: the digest of the days before is due.
fn after(moment: Timestamp, days: u64) -> Timestamp {
    let midnight = moment.as_naive().date().and_hms_opt(16, 0, 0).unwrap();
    Timestamp::from_naive(midnight).plus(Duration::from_hours(24 * days))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_test_the_first_failure_and_good_again_are_told_at_once() {
    let clinic = clinic(
        "[onboarding]\nclean_run = 3\nscenarios = []\naccepted_percent = 10\ncomplete_percent = 0\nidentity_percent = 0\n",
    )
    .await;
    let (organization, id) = site(&clinic, SiteStatus::Registered).await;
    let sender = clinic.app.credential("DE-000001", Environment::Test).await;
    for (email, role) in [
        ("de@example.org", Role::DataExchange),
        ("qa@example.org", Role::DxQa),
        ("reader@example.org", Role::ReadOnly),
    ] {
        clinic.person(organization, email, role).await;
    }

    assert_eq!(submit(&clinic, &sender, &bad("BAD-1")).await, "AE");
    told(&clinic, &id, 1).await;
    let first = letters(&clinic, "de@example.org").await;
    assert_eq!(first.len(), 1, "the stage is told in the same email: {first:#?}");
    assert_snapshot("test-first", &first[0], &of_message(&clinic, "BAD-1").await);

    assert_eq!(submit(&clinic, &sender, &canary("GOOD-1", &[])).await, "AA");
    told(&clinic, &id, 2).await;
    submit(&clinic, &sender, &bad("BAD-2")).await;
    told(&clinic, &id, 3).await;
    // To and fro on the same day: the digest tells.
    submit(&clinic, &sender, &canary("GOOD-2", &[])).await;
    submit(&clinic, &sender, &bad("BAD-3")).await;
    told(&clinic, &id, 5).await;
    let all = letters(&clinic, "de@example.org").await;
    let said: Vec<_> = all.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(said, ["test-first", "test-good-again", "test-failed"]);
    assert_snapshot("test-good-again", &all[1], &of_message(&clinic, "GOOD-1").await);
    assert_snapshot("test-failed", &all[2], &of_message(&clinic, "BAD-2").await);
    assert!(letters(&clinic, "qa@example.org").await.is_empty(), "a digest only");
    assert!(letters(&clinic, "reader@example.org").await.is_empty());

    for number in 3..6 {
        submit(&clinic, &sender, &canary(&format!("GOOD-{number}"), &[])).await;
    }
    told(&clinic, &id, 8).await;
    let all = letters(&clinic, "de@example.org").await;
    assert_eq!(all.len(), 4, "{all:#?}");
    assert_snapshot("stage-validated", &all[3], &[]);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_routing_is_told_with_what_to_do() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Testing).await;
    let sender = clinic.app.credential("DE-000001", Environment::Test).await;
    clinic.person(organization, "de@example.org", Role::DataExchange).await;

    let hl7 = replace_field(&canary("ROUTE", &[]), "MSH", 22, "Zzyzxcanary^^^^^^^^^Mothercanary");
    submit(&clinic, &sender, &hl7).await;
    told(&clinic, &id, 1).await;
    let all = letters(&clinic, "de@example.org").await;
    assert_eq!(all.len(), 1);
    assert_snapshot("test-first-routing", &all[0], &of_message(&clinic, "ROUTE").await);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_writers_one_writes() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Testing).await;
    let sender = clinic.app.credential("DE-000001", Environment::Test).await;
    clinic.person(organization, "de@example.org", Role::DataExchange).await;
    submit(&clinic, &sender, &canary("ONE", &[])).await;
    told(&clinic, &id, 1).await;
    assert_eq!(kinds(&clinic, "de@example.org").await, ["test-first"]);

    // Once more, by the service and by two others at the same time.
    let dir = clinic.app.config.data_dir.clone();
    clinic.app.database.change(&dir, "UPDATE site_event SET told_at = NULL");
    let now = Timestamp::now();
    let (one, other) = tokio::join!(clinic.sites.tell_events(now), clinic.sites.tell_events(now));
    one.unwrap();
    other.unwrap();
    told(&clinic, &id, 1).await;
    assert_eq!(kinds(&clinic, "de@example.org").await, ["test-first", "test-first"]);

    // A step that breaks off leaves nothing behind, and what was told stays told.
    let event = clinic.app.store().site_events(id.clone(), 1).await.unwrap().remove(0);
    assert!(!clinic.app.store().site_event_tell(event.id, vec![], now).await.unwrap());
    assert_eq!(clinic.sites.tell_events(now).await.unwrap(), 0);

    // What is too old to be news is told to nobody.
    clinic
        .app
        .database
        .change(&dir, "UPDATE site_event SET told_at = NULL, at = '2020-01-01 00:00:00'");
    told(&clinic, &id, 1).await;
    assert_eq!(kinds(&clinic, "de@example.org").await.len(), 2);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_written_once_for_each_period() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Production).await;
    let test = clinic.app.credential("DE-000001", Environment::Test).await;
    let production = clinic.app.credential("DE-000001", Environment::Production).await;
    for (email, role) in [
        ("de@example.org", Role::DataExchange),
        ("rep@example.org", Role::Representative),
        ("vendor@example.org", Role::Vendor),
    ] {
        clinic.person(organization, email, role).await;
    }
    for number in 0..3 {
        submit(&clinic, &test, &canary(&format!("T-{number}"), &[])).await;
        let hl7 = canary(&format!("P-{number}"), &[]).replace("|T|2.5.1", "|P|2.5.1");
        assert_eq!(submit(&clinic, &production, &hl7).await, "AA");
    }
    submit(&clinic, &test, &bad("T-BAD")).await;
    submit(&clinic, &production, &bad("P-BAD").replace("|T|2.5.1", "|P|2.5.1")).await;
    let less = canary("P-LESS", &[("2106-3^White^CDCREC", "")]).replace("|T|2.5.1", "|P|2.5.1");
    submit(&clinic, &production, &less).await;
    told(&clinic, &id, 4).await;
    clinic
        .app
        .until("delivered and counted", async || {
            let dir = &clinic.app.config.data_dir;
            let left = "delivery WHERE state <> 'delivered'";
            clinic.app.database.count(dir, left) == 0
                && clinic.app.database.count(dir, "tally_mark WHERE settled > 0") == 1
        })
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await; // what was settled last is counted
    let now = clinic.app.message("P-LESS").await.received_at;
    let at_once = kinds(&clinic, "de@example.org").await.len();

    // Before the hour nothing is due, and what the day holds is told when it has ended.
    assert_eq!(clinic.sites.write_digests(after(now, 0)).await.unwrap(), 0);
    let (one, other) = tokio::join!(
        clinic.sites.write_digests(after(now, 1)),
        clinic.sites.write_digests(after(now, 1)),
    );
    let weekly = after(now, 1).utc().weekday() == Weekday::Mon;
    assert_eq!(one.unwrap() + other.unwrap(), 2 + usize::from(weekly));
    let all = letters(&clinic, "de@example.org").await.split_off(at_once);
    let said: Vec<_> = all.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(said, ["digest-tests", "digest-daily"]);
    let today = [(day(now), "DAY")];
    assert_snapshot("digest-tests", &all[0], &today);
    assert_snapshot("digest-daily", &all[1], &today);

    // On the days after nothing came; on Monday the week is told.
    let monday = (1..8).find(|days| after(now, *days).utc().weekday() == Weekday::Mon).unwrap();
    for days in 1..=monday {
        clinic.sites.write_digests(after(now, days)).await.unwrap();
    }
    assert_eq!(letters(&clinic, "de@example.org").await.len(), at_once + 2);
    let rep = letters(&clinic, "rep@example.org").await;
    let weekly: Vec<_> = rep.iter().filter(|one| one.kind == "digest-weekly").collect();
    let ago = |days: u64| after(now, monday).minus(Duration::from_hours(24 * days));
    let week = format!("{} to {}", ago(7).utc().format("%B %-d"), day(ago(1)));
    let [weekly] = weekly.as_slice() else { panic!("{rep:#?}") };
    assert_snapshot("digest-weekly", weekly, &[(week, "WEEK")]);
    let vendor = kinds(&clinic, "vendor@example.org").await;
    assert!(!vendor.iter().any(|kind| kind == "digest-daily" || kind == "digest-weekly"));
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rejection_of_a_day_is_told_with_codes_only() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Production).await;
    let sender = clinic.app.credential("DE-000001", Environment::Test).await;
    clinic.person(organization, "qa@example.org", Role::DxQa).await;
    for number in 0..2 {
        let hl7 = canary(&format!("REJ-{number}"), &[("|CAIRBA|", "|CAIRBA^^^TC-ack-reject|")]);
        submit(&clinic, &sender, &hl7).await;
    }
    told(&clinic, &id, 2).await;
    clinic
        .app
        .until("both rejections are told", async || {
            let events = clinic.app.store().site_events(id.clone(), 20).await.unwrap();
            let later = events.iter().filter(|one| one.kind == SiteEventKind::RejectedLater);
            later.filter(|one| one.told_at.is_some()).count() == 2
        })
        .await;

    let all = letters(&clinic, "qa@example.org").await;
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_snapshot("rejected-later", &all[0], &of_message(&clinic, "REJ-0").await);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_once_and_once_more_when_it_ends() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Production).await;
    let sender = clinic.app.credential("DE-000001", Environment::Production).await;
    clinic.person(organization, "de@example.org", Role::DataExchange).await;
    let send = async |control_id: &str| {
        let hl7 = canary(control_id, &[]).replace("|T|2.5.1", "|P|2.5.1");
        assert_eq!(submit(&clinic, &sender, &hl7).await, "AA");
        clinic
            .app
            .until("counted", async || {
                let progress = clinic.app.store().progress_of(id.clone()).await.unwrap();
                let last = clinic.app.message(control_id).await.received_at;
                progress.last_production_at == Some(last)
            })
            .await;
    };
    send("ONE").await;
    let dir = clinic.app.config.data_dir.clone();
    let now = Timestamp::now();
    let ago = |days: u64| now.minus(Duration::from_hours(24 * days + 1));
    let sql = |moment: Timestamp| moment.utc().format("%Y-%m-%d %H:%M:%S").to_string();
    let last = |moment: Timestamp| {
        let moment = sql(moment);
        let change = format!("UPDATE site_progress SET last_production_at = '{moment}'");
        clinic.app.database.change(&dir, &change);
    };
    let arrived = format!("UPDATE stage_change SET at = '{}'", sql(ago(30)));
    clinic.app.database.change(&dir, &arrived);

    last(ago(6));
    assert_eq!(clinic.sites.watch_silence(now).await.unwrap(), 0);
    last(ago(7));
    let (one, other) =
        tokio::join!(clinic.sites.watch_silence(now), clinic.sites.watch_silence(now));
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    last(ago(8));
    assert_eq!(clinic.sites.watch_silence(now).await.unwrap(), 0);
    let all = letters(&clinic, "de@example.org").await;
    assert_eq!(all.len(), 1, "{all:#?}");
    let when = ago(7).pacific_text();
    assert_snapshot("silent", &all[0], &[(when, "WHEN")]);
    let events = clinic.app.store().site_events(id.clone(), 5).await.unwrap();
    assert_eq!(events[0].kind, SiteEventKind::Silent);

    send("TWO").await;
    // The service's own round may have been faster.
    clinic.sites.watch_silence(Timestamp::now()).await.unwrap();
    assert_eq!(clinic.sites.watch_silence(Timestamp::now()).await.unwrap(), 0);
    let all = letters(&clinic, "de@example.org").await;
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_snapshot("silent-no-more", &all[1], &of_message(&clinic, "TWO").await);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_credential_is_told_three_times_before() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Production).await;
    clinic.person(organization, "de@example.org", Role::DataExchange).await;
    clinic.person(organization, "qa@example.org", Role::DxQa).await;
    let now = Timestamp::now();
    let hours = |days: u64| Duration::from_hours(24 * days);
    let new = NewCredential {
        site: id,
        environment: Environment::Production,
        username: "DE-000001-P".to_owned(),
        facility_id: "DE-000001".to_owned(),
        secret: clinic.app.base_key.hash(CREDENTIAL_PURPOSE, "never shown"),
        expires_at: Some(now.plus(hours(40))),
    };
    clinic.app.store().credential_issue(new, tester()).await.unwrap();

    let mut told = vec![];
    for days in 0..41 {
        let (one, other) = tokio::join!(
            clinic.sites.tell_expiries(now.plus(hours(days))),
            clinic.sites.tell_expiries(now.plus(hours(days))),
        );
        if one.unwrap() + other.unwrap() == 1 {
            told.push(40 - days);
        }
    }
    assert_eq!(told, [30, 14, 3]);
    let all = letters(&clinic, "de@example.org").await;
    assert_eq!(all.len(), 3, "{all:#?}");
    let ends = now.plus(hours(40)).pacific_text();
    assert_snapshot("credential-expiring", &all[1], &[(ends, "WHEN")]);
    assert!(letters(&clinic, "qa@example.org").await.is_empty(), "there is nothing they can do");
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_chooses_for_the_sites_that_are_theirs() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Production).await;
    clinic
        .app
        .site("DE-000002", SiteKind::Direct, true, Some("Alameda"), SiteStatus::Testing)
        .await;
    let sender = clinic.app.credential("DE-000001", Environment::Test).await;
    let de = clinic.person(organization, "de@example.org", Role::DataExchange).await;
    let rep = clinic.representative(organization).await;
    let reader = clinic.person(organization, "reader@example.org", Role::ReadOnly).await;

    reader.browser.visit("/account/letters").await.says(&["You have none of these roles"]);
    for path in ["/account/letters/DE-000001", "/account/letters/DE-000002"] {
        assert_eq!(reader.browser.ask(path).await.status, 404);
    }
    assert_eq!(de.browser.ask("/account/letters/DE-000002").await.status, 404);
    assert!(de.browser.visit("/account").await.html.contains("href=\"/account/letters\""));
    de.browser.visit("/account/letters").await.says(&[
        "Site DE-000001",
        "as usual for your role",
        "At once, and once a day",
    ]);
    let page = de.browser.visit("/account/letters/DE-000001").await;
    assert!(!page.html.contains("name=\"days\""), "the representative says for everybody");
    let page = de.browser.submit("/account/letters/DE-000001", &[("tests", "often")]).await;
    assert_eq!(page.errors().len(), 4, "{:?}", page.errors());
    let nothing = [
        ("tests", "none"),
        ("production", "none"),
        ("outcomes", "no"),
        ("silence", "no"),
        ("days", "0"),
    ];
    de.browser
        .submit("/account/letters/DE-000001", &nothing)
        .await
        .is_at("/account/letters")
        .says(&["as you chose", "None"]);
    assert_eq!(clinic.app.store().silence_days(id.clone()).await.unwrap(), None);
    let other = de.browser.post("/account/letters/DE-000002", &nothing).await;
    assert_eq!(other.status, 404);

    let mut some = nothing;
    some[0] = ("tests", "at-once");
    some[3] = ("silence", "yes");
    rep.browser
        .visit("/account/letters/DE-000001")
        .await
        .says(&["Usually silence is told after 7"]);
    rep.browser.submit("/account/letters/DE-000001", &some).await.is_at("/account/letters");
    assert_eq!(clinic.app.store().silence_days(id.clone()).await.unwrap(), Some(0));
    let never = Timestamp::now().plus(Duration::from_hours(24 * 400));
    assert_eq!(clinic.sites.watch_silence(never).await.unwrap(), 0);
    let mut trail = clinic.told("site DE-000001").await;
    trail.retain(|one| one == "letters.choose");
    assert_eq!(trail.len(), 2);

    submit(&clinic, &sender, &bad("BAD")).await;
    told(&clinic, &id, 1).await;
    let rep = format!("rep{organization}@example.org");
    assert_eq!(kinds(&clinic, &rep).await, ["test-first"]);
    assert!(letters(&clinic, "de@example.org").await.is_empty());
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_keys_and_webhooks_is_told() {
    let clinic = clinic("").await;
    let (organization, id) = site(&clinic, SiteStatus::Production).await;
    let person = clinic.person(organization, "rep@example.org", Role::Representative).await;
    let base = format!("/organization/{organization}/sites/{id}");
    let (keys, hooks) = (format!("{base}/keys"), format!("{base}/webhooks"));
    person.browser.visit(&keys).await;
    let fields = [("name", "Nightly report"), ("scopes", "messages-read"), ("days", "30")];
    person.browser.post(&keys, &fields).await;
    let now = Timestamp::now();
    let soon = now.plus(Duration::from_hours(24 * 17));
    assert_eq!(clinic.sites.tell_key_expiries(soon).await.unwrap(), 1);
    let key = clinic.app.store().api_key_list(organization, id.clone()).await.unwrap().remove(0);
    person.browser.visit(&keys).await;
    person.browser.submit(&format!("{keys}/{}/revoke", key.id), &[]).await;
    person.browser.visit(&hooks).await;
    let url = ("url", "https://hie.example/hook");
    let fields = [url, ("description", "HIE engine"), ("events", "site.link")];
    person.browser.post(&hooks, &fields).await;
    let failing = "UPDATE webhook SET failing_since = '2026-01-15 12:00:00'";
    clinic.app.database.change(&clinic.app.config.data_dir, failing);
    assert_eq!(clinic.sites.stop_failing_webhooks(now).await.unwrap(), 1);
    let hook = clinic.app.store().webhook_list(organization, id).await.unwrap().remove(0);

    let all = letters(&clinic, "rep@example.org").await;
    let kinds: Vec<&str> = all.iter().map(|one| one.kind.as_str()).collect();
    let expected = ["api-key-made", "api-key-ending", "api-key-revoked", "webhook-stopped"];
    assert_eq!(kinds, expected, "{all:#?}");
    let replaced = [
        (key.expires_at.pacific_text(), "WHEN"),
        (hook.id.to_string(), "WEBHOOK"),
        (format!("/organization/{organization}/"), "/organization/N/"),
    ];
    for letter in &all {
        assert_snapshot(&letter.kind, letter, &replaced);
    }
    clinic.app.app.stop().await;
}
