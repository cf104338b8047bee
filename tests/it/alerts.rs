//! Alerts: each told once when it begins and once when it is over, to those whom it concerns; the words of their letters
//! are kept in `snapshots/letters`.

use std::path::PathBuf;
use std::time::Duration;

use izportal::domain::{
    Alert, AlertKind, AlertNews, Environment, Observation, Reading, Scope, SiteKind, SiteStatus,
    StaffRole, Timestamp,
};
use izportal::store::{Action, AlertTimes, LetterFilter, Place, Store};

use crate::staff::{audited, staff};
use crate::status_letters::{CANARIES, bad};
use crate::support::TestApp;
use crate::support::people::{Office, PORTAL};

const MINUTE: Duration = Duration::from_mins(1);

const TIMES: AlertTimes =
    AlertTimes { calm: Duration::from_mins(10), remind: Duration::from_hours(24), calls: true };

fn observed(kind: AlertKind, reading: Reading) -> Observation {
    Observation {
        kind,
        subject: "Bay Area production".to_owned(),
        region: Some("CAIRBA".parse().unwrap()),
        reading,
        words: "In the last 15 minutes 30 of 40 submissions were refused (75 %).".to_owned(),
    }
}

/// One look at one thing: what was news.
async fn look(store: &Store, reading: Reading, now: Timestamp) -> Vec<AlertNews> {
    let all = vec![observed(AlertKind::MessagesRefused, reading)];
    let news = store.alert_look(all, TIMES, Box::new(|_| vec![]), now).await.unwrap();
    news.into_iter().map(|(_, news)| news).collect()
}

async fn open(store: &Store) -> Vec<Alert> {
    store.alert_open_list(Scope::All).await.unwrap()
}

fn here(environment: Environment) -> Place {
    ("CAIRBA".parse().unwrap(), environment)
}

/// The registry of the Bay Area does not answer since a moment; or it answers again.
fn breaker(state: &str, since: Timestamp) -> String {
    let since = since.utc().format("%Y-%m-%d %H:%M:%S");
    format!(
        "DELETE FROM destination; INSERT INTO destination (region, environment, control, breaker, failures, openings, \
         last_error, changed_at) VALUES ('CAIRBA', 'production', 'running', '{state}', 0, 1, 'connection refused', '{since}'); \
         UPDATE registry_revision SET value = value + 1"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn any_course_of_things_is_told_by_turns_as_new_and_as_over() {
    let office = Office::open().await;
    let mut seed = 20_261_123_u64;
    let (mut now, mut told) = (Timestamp::now(), vec![]);
    for _ in 0..150 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let reading = [Reading::Bad, Reading::Between, Reading::Good, Reading::Good]
            [usize::try_from(seed >> 33).unwrap() % 4];
        now = now.plus(MINUTE * u32::try_from((seed >> 40) % 25).unwrap());
        told.extend(look(&office.store, reading, now).await);
        assert!(open(&office.store).await.len() < 2);
    }
    told.retain(|one| *one != AlertNews::StillOpen);
    assert!(told.len() > 8, "{told:?}");
    for (n, one) in told.iter().enumerate() {
        let expected = if n % 2 == 0 { AlertNews::Opened } else { AlertNews::Over };
        assert_eq!(*one, expected, "{n}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_good_for_a_moment_is_not_over() {
    let office = Office::open().await;
    let (store, begin) = (&office.store, Timestamp::now());
    let at = |minutes: u32| begin.plus(MINUTE * minutes);
    assert_eq!(look(store, Reading::Good, at(0)).await, []);
    assert_eq!(look(store, Reading::Bad, at(1)).await, [AlertNews::Opened]);
    for (minute, reading) in
        [(2, Reading::Good), (11, Reading::Good), (12, Reading::Between), (13, Reading::Good)]
    {
        assert_eq!(look(store, reading, at(minute)).await, [], "{minute}");
    }
    assert_eq!(look(store, Reading::Good, at(22)).await, []);
    assert_eq!(look(store, Reading::Good, at(23)).await, [AlertNews::Over]);
    assert_eq!(look(store, Reading::Good, at(24)).await, []);
    // What is not looked at any more is over, too.
    assert_eq!(look(store, Reading::Bad, at(30)).await, [AlertNews::Opened]);
    let nothing = |now| store.alert_look(vec![], TIMES, Box::new(|_| vec![]), now);
    assert!(nothing(at(31)).await.unwrap().is_empty());
    assert_eq!(nothing(at(41)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_that_look_at_one_time_one_tells() {
    let office = Office::open().await;
    let (store, begin) = (&office.store, Timestamp::now());
    let both = async |reading, now| {
        let (one, other) = tokio::join!(look(store, reading, now), look(store, reading, now));
        [one, other].concat()
    };
    assert_eq!(both(Reading::Bad, begin).await, [AlertNews::Opened]);
    let day = begin.plus(Duration::from_hours(25));
    assert_eq!(both(Reading::Bad, day).await, [AlertNews::StillOpen], "a reminder a day");
    assert_eq!(both(Reading::Bad, day.plus(MINUTE)).await, []);
    assert_eq!(both(Reading::Good, day.plus(MINUTE * 2)).await, []);
    assert_eq!(both(Reading::Good, day.plus(MINUTE * 13)).await, [AlertNews::Over]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_or_taken_on_is_told_to_nobody() {
    let office = Office::open().await;
    let (store, begin) = (&office.store, Timestamp::now());
    let hours = |hours| begin.plus(Duration::from_hours(hours));
    look(store, Reading::Bad, begin).await;
    let id = open(store).await[0].id;
    let until = Some(hours(10));
    store.alert_mute(id, Scope::All, until, office.by().into()).await.unwrap();
    look(store, Reading::Good, hours(1)).await;
    assert_eq!(look(store, Reading::Good, hours(2)).await, [], "its end, too");
    assert!(open(store).await.is_empty());
    assert_eq!(look(store, Reading::Bad, hours(3)).await, [], "and the next one");
    assert_eq!(look(store, Reading::Bad, hours(11)).await, [AlertNews::Opened], "but then it is");
    assert_eq!(look(store, Reading::Bad, hours(36)).await, [AlertNews::StillOpen]);

    let id = open(store).await[0].id;
    let account = office.staff("ops@cdph.example", StaffRole::Administrator, None).await;
    let note = (account.id, "I call them".to_owned());
    store.alert_acknowledge(id, Scope::All, note.clone(), office.by().into()).await.unwrap();
    let again = store.alert_acknowledge(id, Scope::All, note, office.by().into()).await;
    assert!(again.is_err(), "once");
    assert_eq!(look(store, Reading::Bad, hours(72)).await, [], "somebody has it");
    look(store, Reading::Good, hours(73)).await;
    assert_eq!(look(store, Reading::Good, hours(74)).await, [AlertNews::Over]);
}

/// The letters about alerts to an address, the oldest first: kind, subject, text and HTML; none of them tells of the canary.
async fn letters(office: &Office, email: &str) -> Vec<[String; 4]> {
    let filter = LetterFilter { to: Some(email.parse().unwrap()), ..LetterFilter::default() };
    let kinds = office.store.letter_list(filter.clone(), 100).await.unwrap();
    office.letters(email).await; // so that each can be read
    let mut all = vec![];
    for record in kinds.into_iter().rev().filter(|one| one.kind.starts_with("alert")) {
        let (record, words) = office.store.letter_by_id(record.id).await.unwrap();
        let (text, html) = words.unwrap();
        for one in CANARIES {
            let silent = ![&record.subject, &text, &html].iter().any(|part| part.contains(one));
            assert!(silent, "{one} is told: {text}");
        }
        all.push([record.kind, record.subject, text, html]);
    }
    all
}

/// Compares a letter with its file.
#[track_caller]
fn assert_snapshot([kind, subject, text, html]: &[String; 4]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/letters");
    let mut new = vec![];
    for (end, body) in [("txt", text), ("html", html)] {
        let shown = format!("Subject: {subject}\n\n{body}").replace(PORTAL, "https://iz");
        let path = folder.join(format!("{kind}.{end}"));
        if let Ok(known) = std::fs::read_to_string(&path) {
            assert_eq!(shown, known, "{}", path.display());
        } else {
            std::fs::write(&path, shown).unwrap();
            new.push(path);
        }
    }
    assert!(new.is_empty(), "these were not there, look at them: {new:?}");
}

/// What the service finds so many minutes after a moment; its letters leave at once.
async fn watch(office: &Office, begin: Timestamp, minutes: u32) -> usize {
    office.now.set(begin.plus(MINUTE * minutes));
    let news = office.sites.watch(office.now.get()).await.unwrap();
    office.letters("all@cdph.example").await;
    news
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_of_the_region_get_one_letter_when_it_begins_and_one_when_it_is_over() {
    let office = Office::open().await;
    let day = chrono::NaiveDate::from_ymd_opt(2030, 3, 5).unwrap();
    office.now.set(Timestamp::from_naive(day.and_hms_opt(18, 0, 0).unwrap()));
    for (email, role, region) in [
        ("all@cdph.example", StaffRole::Administrator, None),
        ("bay@cdph.example", StaffRole::Administrator, Some("CAIRBA")),
        ("la@cdph.example", StaffRole::Administrator, Some("CAIRLO")),
        ("quiet@cdph.example", StaffRole::Administrator, None),
        ("desk@cdph.example", StaffRole::HelpDesk, None),
    ] {
        let account = office.staff(email, role, region).await;
        if email.starts_with("quiet") {
            office.store.alert_wish_set(account.id, false, office.by().into()).await.unwrap();
        }
    }
    office.letters("all@cdph.example").await; // the invitations leave
    let begin = office.now.get();
    office.change(&breaker("open", begin.minus(Duration::from_mins(30))));
    let mut told = vec![];
    for minutes in [0, 1, 60 * 25, 60 * 25 + 1] {
        told.push(watch(&office, begin, minutes).await);
    }
    assert_eq!(told, [1, 0, 1, 0]);
    office.change(&breaker("closed", office.now.get()));
    for minutes in [60 * 26, 60 * 26 + 5, 60 * 26 + 15] {
        told.push(watch(&office, begin, minutes).await);
    }
    assert_eq!(told[4..], [0, 0, 1]);

    let all = letters(&office, "all@cdph.example").await;
    let kinds: Vec<_> = all.iter().map(|one| one[0].as_str()).collect();
    assert_eq!(kinds, ["alert", "alert-reminder", "alert-over"]);
    for letter in &all {
        assert_snapshot(letter);
    }
    assert_eq!(letters(&office, "bay@cdph.example").await.len(), 3);
    for email in ["la@cdph.example", "quiet@cdph.example", "desk@cdph.example"] {
        assert!(letters(&office, email).await.is_empty(), "{email}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_things_at_one_time_are_one_letter() {
    let office = Office::open().await;
    office.staff("all@cdph.example", StaffRole::Administrator, None).await;
    office.letters("all@cdph.example").await; // the invitation leaves
    let now = office.now.get();
    office.change(&breaker("open", now.minus(Duration::from_hours(1))));
    let by = Action { by: office.by(), action: "pause", reason: "moving".to_owned() };
    let paused = izportal::domain::Control::Paused;
    office.store.destination_control(here(Environment::Test), paused, by).await.unwrap();
    assert_eq!(watch(&office, now, 60 * 5).await, 2, "five hours later both are told");
    let all = letters(&office, "all@cdph.example").await;
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(all[0][1], "Alerts: 2 new");
    for part in ["BreakerOpen in docs/operations.md", "DestinationStopped in", "Bay Area test"] {
        assert!(all[0][2].replace('\n', " ").contains(part), "{part}: {}", all[0][2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_shown_to_those_of_the_region() {
    let app = TestApp::start().await;
    let operator = staff(&app, StaffRole::Administrator, None).await;
    let page = operator.visit("/staff/alerts").await;
    page.is_at("/staff/alerts").says(&["No alert is open", "You get emails about alerts"]);
    let change = |sql: String| app.database.change(&app.config.data_dir, &sql);
    change(breaker("open", Timestamp::now().minus(Duration::from_hours(1))));
    let office = Office::of(&app);
    assert_eq!(office.sites.watch(Timestamp::now()).await.unwrap(), 1);
    let id = open(app.store()).await[0].id;
    let path = format!("/staff/alerts/{id}");

    let here = staff(&app, StaffRole::HelpDesk, Some("CAIRBA")).await;
    let elsewhere = staff(&app, StaffRole::Administrator, Some("CAIRLO")).await;
    let title = "The production registry does not answer (Bay Area production)";
    here.visit("/staff/alerts").await.says(&[title, "BreakerOpen", "connection refused"]);
    let page = here.visit(&path).await;
    page.is_at(&path);
    assert!(!page.text().contains("Take it on"), "who does not operate looks only");
    let note = [("note", "I call them")];
    assert_eq!(here.post(&format!("{path}/acknowledge"), &note).await.status, 404);
    assert!(!elsewhere.visit("/staff/alerts").await.text().contains(title));
    assert_eq!(elsewhere.visit(&path).await.status, 404);
    elsewhere.visit("/staff/alerts").await;
    for step in ["acknowledge", "mute"] {
        let fields = [("note", "mine"), ("until", "2999-01-01T00:00"), ("step", "unmute")];
        assert_eq!(elsewhere.post(&format!("{path}/{step}"), &fields).await.status, 404, "{step}");
    }

    app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_taken_on_and_muted() {
    let app = TestApp::start().await;
    let operator = staff(&app, StaffRole::Administrator, None).await;
    let change = |sql: String| app.database.change(&app.config.data_dir, &sql);
    change(breaker("open", Timestamp::now().minus(Duration::from_hours(1))));
    let office = Office::of(&app);
    assert_eq!(office.sites.watch(Timestamp::now()).await.unwrap(), 1);
    let path = format!("/staff/alerts/{}", open(app.store()).await[0].id);
    let title = "The production registry does not answer (Bay Area production)";
    let note = [("note", "I call them")];

    operator.visit("/staff/dashboard").await.says(&["1 alert is open", title]);
    operator.visit(&path).await;
    let page = operator.submit(&format!("{path}/acknowledge"), &[("note", " ")]).await;
    assert_eq!(page.errors()[0].0, "note");
    let page = operator.submit(&format!("{path}/acknowledge"), &note).await;
    page.is_at(&path).says(&[
        "You have taken the alert on",
        "Rosa Inventa",
        "I call them",
        "Taken on",
    ]);
    for wrong in ["", "soon", "2020-01-01T00:00", "2999-01-01T00:00"] {
        let page = operator.submit(&format!("{path}/mute"), &[("until", wrong)]).await;
        assert_eq!(page.errors()[0].0, "until", "{wrong}");
    }
    let until = Timestamp::now().plus(Duration::from_hours(8)).pacific();
    let until = until.format("%Y-%m-%dT%H:%M").to_string();
    let page = operator.submit(&format!("{path}/mute"), &[("until", &until)]).await;
    page.is_at(&path).says(&["Nobody is told of this alert until then", "Muted until"]);
    let page = operator.submit(&format!("{path}/mute"), &[("step", "unmute")]).await;
    page.says(&["People are told of this alert again"]);
    assert_eq!(
        (audited(&app, "alert.acknowledge").await, audited(&app, "alert.mute").await),
        (1, 2)
    );

    let page = operator.submit("/staff/alerts/letters", &[("letters", "no")]).await;
    page.is_at("/staff/alerts").says(&["You get no emails about alerts", "Taken on"]);
    change(breaker("closed", Timestamp::now()));
    let now = Timestamp::now();
    for minutes in [1, 20] {
        office.sites.watch(now.plus(MINUTE * minutes)).await.unwrap();
    }
    let page = operator.visit("/staff/alerts").await;
    page.says(&["No alert is open", "Alerts that are over", title]);
    let page = operator.submit(&format!("{path}/acknowledge"), &note).await;
    page.says(&["The alert is over"]);
    app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_observed_of_messages_names_its_time() {
    let app = TestApp::with("[alerts]\nleast_count = 3\ncredential_days = 5\n").await;
    app.site("DE-000001", SiteKind::Direct, true, Some("Alameda"), SiteStatus::Production).await;
    let sender = app.credential("DE-000001", Environment::Test).await;
    for number in 0..4 {
        app.submit(&sender, &bad(&format!("BAD-{number}"))).await.hl7();
    }
    staff(&app, StaffRole::Administrator, None).await;
    let soon = Timestamp::now().plus(Duration::from_hours(48)).utc().format("%Y-%m-%d %H:%M:%S");
    app.database
        .change(&app.config.data_dir, &format!("UPDATE credential SET expires_at = '{soon}'"));
    let office = Office::of(&app);
    office.sites.watch(Timestamp::now()).await.unwrap();
    let all = open(app.store()).await;
    let words: Vec<_> = all.iter().map(|one| (one.kind, one.words.as_str())).collect();
    let refused = "In the last 15 minutes 4 of 4 submissions were refused (100 %).";
    assert!(words.contains(&(AlertKind::MessagesRefused, refused)), "{words:?}");
    let ends = "1 credential ends within 5 days; their Sites are told, too.";
    assert!(words.contains(&(AlertKind::CredentialsEnd, ends)), "{words:?}");
    assert_eq!(words.len(), 2, "{words:?}");
    let told = letters(&office, "administrator-all@cdph.example").await;
    assert!(told.len() == 1 && told[0][2].contains("4 of 4"), "{told:?}");
    app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_the_operators_is_told_the_same() {
    let office = Office::open().await;
    let (store, begin) = (&office.store, Timestamp::now());
    look(store, Reading::Bad, begin).await;
    for minutes in [1, 12] {
        look(store, Reading::Good, begin.plus(MINUTE * minutes)).await;
    }
    let later = begin.plus(MINUTE * 20);
    let mut calls = store.call_claim(later, MINUTE, 10, vec![]).await.unwrap();
    calls.sort_by_key(|call| call.id);
    assert!(calls.iter().all(|call| call.target.is_none()), "for no webhook of a Site");
    let told: Vec<serde_json::Value> =
        calls.iter().map(|call| serde_json::from_str(&call.payload).unwrap()).collect();
    let types: Vec<_> = told.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["alert.opened", "alert.over"]);
    assert_eq!(told[0]["data"]["kind"], "MessagesRefused");
    assert_eq!(told[0]["data"]["subject"], "Bay Area production");
    assert!(told[0]["data"]["cleared_at"].is_null() && told[1]["data"]["cleared_at"].is_string());
}

#[test]
fn every_alert_has_its_entry_in_the_run_book() {
    let book = include_str!("../../docs/operations.md");
    for kind in AlertKind::ALL {
        assert!(book.lines().any(|line| line == format!("### {kind}")), "{kind}");
    }
}

#[test]
fn limits_that_cannot_be_are_refused() {
    for (toml, key) in [
        ("to = [\"nobody\"]", "alerts.to"),
        ("queue_percent = 0", "alerts.queue_percent"),
        ("refused_percent = 101", "alerts.refused_percent"),
        ("window_minutes = 1000", "alerts.window_minutes"),
        ("webhook_url = \"https://ops.example\"", "alerts.webhook_url"),
        ("webhook_url = \"http://ops.example\"\nwebhook_secret_file = \"x\"", "alerts.webhook_url"),
    ] {
        let error = izportal::config::Config::read(&format!("[alerts]\n{toml}")).unwrap_err();
        assert!(error.to_string().starts_with(key), "{error}");
    }
}
