//! Registries at the desks of staff: what does not answer is seen, paused, planned for, and what failed is sent again.

use izportal::app::{App, Base, Role};
use izportal::domain::{Environment, MessageState, StaffRole, Timestamp};
use izportal::endpoint::{SummaryFormat, SummaryLog};
use izportal::soap::{SoapVersion, submit_single_message_request};
use izportal::store::AuditFilter;

use crate::staff::{audited, staff};
use crate::support::browser::Browser;
use crate::support::registry::{Script, ScriptedRegistry};
use crate::support::{Sender, TestApp, vxu};

const HERE: &str = "CAIRBA";
const THERE: &str = "CAIRLO";
const PAGE: &str = "/staff/delivery/CAIRBA/test";

/// Short waits; a breaker that opens at once stays open.
const GATEWAY: &str = "retry_first_seconds = 1\nretry_longest_seconds = 1\n";
const BRITTLE: &str = "breaker_failures = 1\nbreaker_cool_down_seconds = 300\n";
const PATIENT: &str = "breaker_failures = 100000\ndoubtful_attempts = 1\n";

async fn before(registry: &ScriptedRegistry, gateway: &str) -> (TestApp, Sender) {
    let to = registry.config(HERE, "test");
    let app = TestApp::with(&format!("[gateway]\n{GATEWAY}{gateway}\n{to}")).await;
    let sender = app.test_sender().await;
    (app, sender)
}

async fn is_in(app: &TestApp, control_id: &str, state: MessageState) -> bool {
    app.message(control_id).await.state == state
}

async fn operator(app: &TestApp) -> Browser {
    staff(app, StaffRole::Administrator, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_answer_is_seen_paused_asked_and_resumed() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let (app, sender) = before(&registry, BRITTLE).await;
    let browser = operator(&app).await;
    browser.visit("/staff/delivery").await.says(&["Messages are sent to every registry"]);
    registry.set_down(true);
    app.submit(&sender, &vxu("WAITS", &[])).await.hl7();

    let all = browser.visit("/staff/delivery").await;
    let one = browser.visit(PAGE).await;
    let empty = browser.submit(&format!("{PAGE}/control"), &[]).await;
    let pause = [("deed", "pause"), ("reason", "Their people were called")];
    let paused = browser.submit(&format!("{PAGE}/control"), &pause).await;
    let asked_in_vain = browser.submit(&format!("{PAGE}/probe"), &[]).await;
    let resume = [("deed", "resume"), ("reason", "They are back")];
    browser.submit(&format!("{PAGE}/control"), &resume).await.says(&["Not answering"]);
    registry.set_down(false);
    let asked = browser.submit(&format!("{PAGE}/probe"), &[]).await;
    let arrived = async || is_in(&app, "WAITS", MessageState::Delivered).await;
    app.until("delivered", arrived).await;
    let done = browser.visit(PAGE).await;

    all.says(&[
        "1 of 14 registries needs a look",
        "Bay Area, test registry : Not answering. HTTP 503. 1 waiting, the oldest for less than a minute.",
    ]);
    all.says(&["Asked again", "1 waiting for Bay Area, test registry oldest: less than a minute"]);
    one.says(&["The breaker is open", "HTTP 503.", "Asked again", "1 message", "None yet"]);
    let fields: Vec<_> = empty.errors().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["deed", "reason"]);
    paused.is_at(PAGE).says(&["Paused", "Their people were called.", "Decided by Rosa Inventa"]);
    asked_in_vain.says(&["It does not answer: HTTP 503."]);
    asked.says(&["The last test It answers."]);
    done.says(&["Open Messages are sent as they come.", "0 messages", "Resumed, Rosa Inventa"]);
    assert!(!done.text().contains("None yet"), "it took one just now: {}", done.text());
    assert_eq!(audited(&app, "delivery.paused").await, 1);
    assert_eq!(audited(&app, "delivery.probe").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_window_holds_messages_until_it_is_ended() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let (app, sender) = before(&registry, BRITTLE).await;
    let browser = operator(&app).await;
    browser.visit(PAGE).await;
    let path = format!("{PAGE}/maintenance");
    let tomorrow = Timestamp::now().plus(std::time::Duration::from_hours(24));
    let tomorrow = tomorrow.pacific().format("%Y-%m-%dT%H:%M").to_string();

    let wrong = browser.submit(&path, &[("ends", "2020-01-01T10:00"), ("begins", "soon")]).await;
    let planned = [("ends", tomorrow.as_str()), ("why", "Their upgrade")];
    let planned = browser.submit(&path, &planned).await;
    let reply = app.submit(&sender, &vxu("HELD", &[])).await.hl7();
    let overview = browser.visit("/staff/delivery").await;
    let end = planned.html.split(&format!("action=\"{path}/")).nth(1).unwrap();
    let end = format!("{path}/{}", end.split('"').next().unwrap());
    let elsewhere = end.replace("/test/", "/production/");
    let elsewhere = browser.post(&elsewhere, &[("reason", "taken back")]).await;
    let ended = browser.submit(&end, &[("reason", "ended before its time")]).await;
    let arrived = async || is_in(&app, "HELD", MessageState::Delivered).await;
    app.until("delivered", arrived).await;

    let fields: Vec<_> = wrong.errors().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["begins", "why"], "{:?}", wrong.errors());
    planned.says(&["The maintenance window is planned.", "Why Their upgrade.", "Until"]);
    assert!(reply.contains("queued for CAIRBA"), "{reply}");
    overview.says(&["Maintenance Until"]);
    assert_eq!(elsewhere.status, 404, "it is another registry's");
    ended.says(&["None is planned.", "ended before its time"]);
    assert_eq!(audited(&app, "delivery.end-maintenance").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_their_regions_and_only_operators_decide() {
    let app = TestApp::start().await;
    let neighbor = staff(&app, StaffRole::Administrator, Some(THERE)).await;
    let desk = staff(&app, StaffRole::HelpDesk, Some(HERE)).await;

    let theirs = neighbor.visit("/staff/delivery").await;
    let looked = desk.visit(PAGE).await;

    assert!(theirs.html.contains("/staff/delivery/CAIRLO/test"));
    assert!(!theirs.html.contains("CAIRBA"), "another region's registry is not theirs");
    for path in [PAGE.to_owned(), format!("{PAGE}/messages"), format!("{PAGE}/replay/review____")] {
        assert_eq!(neighbor.ask(&path).await.status, 404, "{path}");
    }
    looked.is_at(PAGE).says(&["Open", "None is planned"]);
    assert!(!looked.text().contains("Next step") && !looked.html.contains("/probe"));
    let fields = [("deed", "pause"), ("reason", "because"), ("counted", "9")];
    for path in ["control", "probe", "maintenance", "replay/review____"] {
        let path = format!("{PAGE}/{path}");
        assert_eq!(neighbor.post(&path, &fields).await.status, 404, "{path}");
        assert_eq!(desk.post(&path, &fields).await.status, 404, "{path}");
    }
    assert_eq!(audited(&app, "delivery.paused").await, 0);
    for path in ["/staff/delivery/SD/test", "/staff/delivery/CAIRBA/both"] {
        assert_eq!(desk.ask(path).await.status, 404, "{path}");
    }
}

/// Messages whose outcome nobody knows.
async fn park(app: &TestApp, registry: &ScriptedRegistry, sender: &Sender, count: usize) {
    for number in 0..count {
        registry.then(Script::Raw(200, "text/html", "<html>An error</html>".to_owned()));
        app.submit(sender, &vxu(&format!("P-{number}"), &[])).await.hl7();
    }
    let parked = async || {
        app.database.count(&app.config.data_dir, "delivery WHERE state = 'review'")
            == i32::try_from(count).unwrap()
    };
    app.until("parked", parked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_looked_at_and_sent_again_or_given_up() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let (app, sender) = before(&registry, PATIENT).await;
    let browser = operator(&app).await;
    park(&app, &registry, &sender, 3).await;

    let list = browser.visit(&format!("{PAGE}/messages")).await;
    let none = browser.visit(&format!("{PAGE}/messages?state=review&site=DE-000009")).await;
    let wrong = browser.visit(&format!("{PAGE}/messages?from=soon&site=x")).await;
    let id = app.message("P-0").await.id;
    let path = format!("/staff/messages/{id}");
    browser.visit(&path).await.says(&["Give it up"]);
    let empty = browser.submit(&format!("{path}/give-up"), &[]).await;
    let ended = browser.submit(&format!("{path}/give-up"), &[("ending", "A test")]).await;
    let again = browser.submit(&format!("{path}/give-up"), &[("ending", "A test")]).await;
    let given_up = browser.visit(&format!("{PAGE}/messages?state=given-up")).await;
    let replay = format!("{PAGE}/replay/review____");
    let preview = browser.visit(&replay).await;
    let silent = browser.submit(&replay, &[("counted", "2")]).await;
    let fewer = browser.submit(&replay, &[("counted", "1"), ("reason", "They are back")]).await;
    let sent = browser.submit(&replay, &[("counted", "2"), ("reason", "They are back")]).await;
    let arrived = async || is_in(&app, "P-2", MessageState::Delivered).await;
    app.until("delivered", arrived).await;

    list.says(&[
        "P-0",
        "P-1",
        "P-2",
        "Needs review",
        "DE-000001",
        "tries used up",
        "Send all of these",
    ]);
    none.says(&["No message fits"]);
    let fields: Vec<_> = wrong.errors().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["from", "site"]);
    assert_eq!(empty.errors()[0].0, "ending");
    ended.is_at(&path).says(&["The message is given up", "Given up"]);
    assert_eq!(again.errors()[0].1, format!("message {id} has come to its end already: given-up"));
    given_up.says(&["P-0", "Received since"]);
    preview.says(&["Messages 2", "DE-000001 2", "may get messages twice", "Send 2 messages again"]);
    assert_eq!(silent.errors()[0].0, "reason");
    assert_eq!(fewer.errors()[0].1, "Meanwhile it is 2 messages: look again");
    sent.is_at(&format!("{PAGE}/sent/2")).says(&["2 messages are in the queue again"]);
    assert!(is_in(&app, "P-0", MessageState::GivenUp).await, "it was not meant");
    browser.visit(PAGE).await.says(&["Messages sent again", "They are back (2: Needs review)"]);
    assert_eq!(audited(&app, "delivery.replay").await, 3, "each message, and the deed");
    assert_eq!(audited(&app, "delivery.give-up").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_are_sent_again_by_somebody_who_is_there() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let (app, sender) = before(&registry, PATIENT).await;
    let browser = operator(&app).await;
    park(&app, &registry, &sender, 101).await;
    let replay = format!("{PAGE}/replay/review____");

    let first = browser.visit(&format!("{PAGE}/messages")).await;
    let more = first.html.split("<nav class=\"pagination\"").nth(1).unwrap();
    let more = more.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = browser.visit(&more.replace("&#38;", "&").replace("&amp;", "&")).await;
    browser.visit(&replay).await.says(&["Messages 101"]);
    let dir = app.config.data_dir.clone();
    app.database.change(&dir, "UPDATE session SET stepped_up_at = NULL");
    let fields = [("counted", "101"), ("reason", "They are back")];
    let refused = browser.post(&replay, &fields).await;

    assert!(!first.text().contains("P-50 ") && first.text().contains("P-51 "));
    assert!(second.text().contains("P-50 ") && second.text().contains("P-1 "));
    let to = format!("/account/confirm?next={replay}");
    assert_eq!((refused.status, refused.headers["location"].to_str().unwrap()), (303, to.as_str()));
    assert_eq!(audited(&app, "delivery.replay").await, 0);
}

const PRODUCTION: &str = "/staff/delivery/CAIRBA/production/settings";
const SECRET: &str = "r3gistry-canary-55bb";

/// Another process on the same database.
async fn another_node(app: &TestApp) -> App {
    let base = Base::open(&app.config, false).await.unwrap();
    let log = SummaryLog::new(SummaryFormat::Json, Box::new(std::io::sink()));
    App::start(&app.config, base, log, app.metrics.clone(), Role::All).await.unwrap()
}

/// Submits at another node than the first.
async fn submit_at(node: &App, app: &TestApp, sender: &Sender, hl7: &str) {
    let (user, password) = (&sender.username, &sender.password);
    let body =
        submit_single_message_request(SoapVersion::V12, user, password, &sender.facility, hl7);
    let call = app.http.post(node.endpoint()).header("Content-Type", "application/soap+xml");
    assert_eq!(call.body(body).send().await.unwrap().status().as_u16(), 200);
}

fn to_production(control_id: &str) -> String {
    vxu(control_id, &[("|T|2.5.1", "|P|2.5.1")])
}

/// The fields of a draft, with the token of what was seen on the page where it is decided about.
fn draft<'a>(registry: &'a str, ca: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("dialect", "cdc2011"),
        ("url", registry),
        ("username", "GW-NEW"),
        ("facility_id", "GW"),
        ("password", password),
        ("ca", ca),
        ("rewrite", "MSH-6 = CAIRBA-NEW"),
    ]
}

fn seen(page: &crate::support::browser::Page) -> String {
    let (_, rest) = page.html.split_once("name=\"seen\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_tested_mended_and_put_into_use_by_another_without_a_restart() {
    let old = ScriptedRegistry::start(Script::Accept);
    let new = ScriptedRegistry::start(Script::Accept);
    let (old_ca, new_ca) = (old.ca(), new.ca());
    let app = TestApp::with(&old.config(HERE, "production")).await;
    app.direct_site("DE-000001").await;
    let sender = app.credential("DE-000001", Environment::Production).await;
    let drafter = operator(&app).await;
    let second = staff(&app, StaffRole::Administrator, Some(HERE)).await;
    app.submit(&sender, &to_production("FIRST")).await.hl7();
    let node = if app.database.is_postgres() { Some(another_node(&app).await) } else { None };

    let before = drafter.visit(PRODUCTION).await;
    let form = drafter.visit(&format!("{PRODUCTION}/draft")).await;
    let save = format!("{PRODUCTION}/draft");
    let plain = new.url.replace("https:", "http:");
    let plain = drafter.submit(&save, &draft(&plain, &new_ca, SECRET)).await;
    let open = drafter.submit(&save, &draft(&new.url, &new_ca, "")).await;
    let kept = drafter.submit(&save, &draft(&new.url, &old_ca, SECRET)).await;
    let failed = drafter.submit(&format!("{PRODUCTION}/test"), &[("seen", &seen(&kept))]).await;
    let activate = format!("{PRODUCTION}/activate");
    second.visit(PRODUCTION).await;
    let early = second.submit(&activate, &[("seen", &seen(&failed)), ("reason", "now")]).await;
    let mended = drafter.submit(&save, &draft(&new.url, &new_ca, "")).await;
    let stale = drafter.submit(&format!("{PRODUCTION}/test"), &[("seen", &seen(&kept))]).await;
    let passed = drafter.submit(&format!("{PRODUCTION}/test"), &[("seen", &seen(&mended))]).await;
    let last = seen(&passed);
    let fields = [("seen", last.as_str()), ("reason", "They moved")];
    let own = drafter.submit(&activate, &fields).await;
    let silent = second.submit(&activate, &[("seen", &last)]).await;
    let held = app.registry(HERE).await.len() + new.count();
    let active = second.submit(&activate, &fields).await;
    app.submit(&sender, &to_production("SECOND")).await.hl7();

    before.says(&["From the configuration file", &old.url, "There is none."]);
    assert!(form.html.contains(&old.url), "what holds is where one begins");
    assert_eq!(plain.errors()[0].0, "url", "{:?}", plain.errors());
    assert_eq!(open.errors()[0].0, "password", "{:?}", open.errors());
    kept.is_at(PRODUCTION).says(&["The draft is kept.", "Not tested", "Kept sealed, never shown"]);
    failed.says(&["Failed", "TLS: the handshake failed"]);
    assert!(early.errors()[0].1.contains("after a test"), "{:?}", early.errors());
    mended.says(&["Not tested"]);
    assert!(stale.errors()[0].1.contains("meanwhile"), "{:?}", stale.errors());
    passed.says(&["Passed", "somebody else has to put it into use"]);
    assert!(own.errors()[0].1.contains("Somebody else"), "{:?}", own.errors());
    assert_eq!(silent.errors()[0].0, "reason");
    assert_eq!(held, 0, "nothing went there before it was in use");
    active.says(&["The draft is in use", "Version 1 of these pages", "They moved"]);
    assert_eq!((old.count(), new.count()), (1, 1), "the next message goes there");
    assert!(new.received()[0].contains("CAIRBA-NEW") && new.received()[0].contains(SECRET));
    if let Some(node) = node {
        submit_at(&node, &app, &sender, &to_production("THIRD")).await;
        assert_eq!((old.count(), new.count()), (1, 2), "on another node, too");
        node.stop().await;
    }
    for page in [&kept, &failed, &passed, &active, &drafter.visit(&save).await] {
        assert!(!page.html.contains(SECRET), "a password is never shown: {}", page.path);
    }
    let told = app.store().audit_list(AuditFilter::default(), 1_000).await.unwrap();
    let words = format!("{told:?}");
    assert!(words.contains("destination.activate") && words.contains("GW-NEW"));
    assert!(!words.contains(SECRET) && !words.contains("registry-credential-of-the-test"));
    assert_eq!(audited(&app, "destination.test-draft").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_withdrawn_and_an_older_one_comes_back_as_a_draft() {
    let configured = ScriptedRegistry::start(Script::Accept);
    let other = ScriptedRegistry::start(Script::Accept);
    let ca = other.ca();
    let (app, sender) = before(&configured, "").await;
    let browser = operator(&app).await;
    let page = format!("{PAGE}/settings");
    let post = async |what: &str, fields: &[(&str, &str)]| {
        browser.submit(&format!("{page}/{what}"), fields).await
    };
    let activate = async || {
        let tested = post("test", &[("seen", &seen(&browser.visit(&page).await))]).await;
        post("activate", &[("seen", &seen(&tested)), ("reason", "It is so")]).await
    };
    browser.visit(&page).await;
    let first = draft(&other.url, &ca, SECRET);

    post("draft", &first).await;
    activate().await.says(&["Version 1 of these pages"]);
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let mut second = draft(&other.url, &ca, "another-secret-of-ours");
    second.extend([("based_on", "1"), ("timeout_seconds", "5")]);
    post("draft", &second).await;
    activate().await.says(&["Version 2 of these pages", "made from version 1", "Was in use"]);
    let compared = browser.visit(&format!("{page}/compare?one=1&other=2")).await;
    let same = browser.visit(&format!("{page}/compare?one=1&other=1")).await;
    let silent = post("withdraw", &[]).await;
    let dir = app.config.data_dir.clone();
    app.database.change(&dir, "UPDATE session SET stepped_up_at = NULL");
    let fields = [("why", "Back to what was")];
    let unproven = browser.post(&format!("{page}/withdraw"), &fields).await;
    let now = Timestamp::now().as_naive().format("%Y-%m-%d %H:%M:%S%.6f");
    app.database.change(&dir, &format!("UPDATE session SET stepped_up_at = '{now}'"));
    let withdrawn = post("withdraw", &fields).await;
    app.submit(&sender, &vxu("TWO", &[])).await.hl7();
    let form = browser.visit(&format!("{page}/draft?from=1")).await;
    let mut again = draft(&other.url, &ca, "");
    again.push(("based_on", "1"));
    let reverted = post("draft", &again).await;
    activate().await.says(&["Version 3 of these pages", "made from version 1"]);
    app.submit(&sender, &vxu("THREE", &[])).await.hl7();
    let discarded = post("discard", &[]).await;

    compared.says(&["Seconds of one attempt Not given 5", "Our password Not shown Changed"]);
    assert!(!compared.text().contains("Address"), "only what differs: {}", compared.text());
    same.says(&["Nothing differs"]);
    assert_eq!(silent.errors()[0].0, "why");
    let to = unproven.headers["location"].to_str().unwrap();
    assert_eq!(to, format!("/account/confirm?next={page}"));
    withdrawn.says(&["From the configuration file", "Back to what was"]);
    form.says(&["There is one. Leave it empty to keep it."]);
    reverted.says(&["Draft 3, made from version 1", "Kept sealed, never shown"]);
    assert_eq!((configured.count(), other.count()), (1, 2));
    assert!(other.received()[1].contains(SECRET), "with the password of version 1");
    assert!(discarded.errors()[0].1.contains("no draft"), "{:?}", discarded.errors());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_checked_as_the_configuration_is_and_never_crosses_environments() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let ca = registry.ca();
    let app = TestApp::with(&registry.config(HERE, "production")).await;
    let browser = operator(&app).await;
    let neighbor = staff(&app, StaffRole::Administrator, Some(THERE)).await;
    let page = format!("{PAGE}/settings");
    browser.visit(&page).await.says(&["The built-in loopback registry"]);

    for (field, value, at, words) in [
        ("url", registry.url.as_str(), "url", "is that of the production registry of Bay Area"),
        ("url", "https://192.168.1.1/", "url", "is not a public address"),
        ("url", "https://me:pw@iis.example/", "url", "must not hold a user name"),
        ("pin", "abc", "pin", "64 hexadecimal digits"),
        ("timeout_seconds", "3600", "timeout_seconds", "the longest attempt"),
        ("connect_timeout_seconds", "soon", "connect_timeout_seconds", "whole number"),
        ("rewrite", "MSH-7 = x", "rewrite", "only MSH-3"),
        ("certificate", "nonsense", "certificate", "give both certificate and key"),
        ("dialect", "mllp", "username", "is not a key of the dialect mllp"),
        ("dialect", "directory", "dialect", "set up in the configuration"),
        ("ca", "nonsense", "ca", "cannot be read"),
    ] {
        let mut fields = draft("https://iis.example/", &ca, SECRET);
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let errors = browser.submit(&format!("{page}/draft"), &fields).await.errors();
        assert!(errors[0].0 == at && errors[0].1.contains(words), "{field} {value}: {errors:?}");
    }
    assert_eq!(neighbor.ask(&page).await.status, 404);
    let fields = draft("https://iis.example/", &ca, SECRET);
    assert_eq!(neighbor.post(&format!("{page}/draft"), &fields).await.status, 404);
    assert_eq!(audited(&app, "destination.draft").await, 0);
}
