//! Queries: relayed while the sender waits, the answer unchanged, and an honest error when there is none.

use std::time::Duration;

use izportal::domain::{Control, Environment, MessageState};
use izportal::store::Action;

use crate::support::registry::{Script, ScriptedRegistry};
use crate::support::{TestApp, errors, msa, replace_field, tester, vxu};

/// A Z34 about the invented child of message `FIRST`.
fn query(control_id: &str) -> String {
    let hl7 = include_str!("../fixtures/hl7/qbp_z34.hl7");
    replace_field(&replace_field(hl7, "MSH", 10, control_id), "QPD", 2, "TAG")
}

fn without_segment(hl7: &str, name: &str) -> String {
    hl7.split('\r').filter(|line| !line.starts_with(name)).collect::<Vec<_>>().join("\r")
}

fn unknown_child(control_id: &str) -> String {
    query(control_id).replace("INV-1001", "NOBODY").replace("Sampleperson", "Otherperson")
}

/// The first segment of a name.
fn segment<'a>(hl7: &'a str, name: &str) -> &'a str {
    hl7.split('\r').find(|line| line.starts_with(name)).unwrap_or_default()
}

async fn before(registry: &ScriptedRegistry, gateway: &str) -> TestApp {
    let to = registry.config("CAIRBA", "test");
    TestApp::with(&format!("[gateway]\n{gateway}\n{to}")).await
}

async fn is_in(app: &TestApp, control_id: &str, state: MessageState) -> bool {
    app.message(control_id).await.state == state
}

/// RSP Z33 that tells of an error, and of nothing about the patient.
#[track_caller]
fn assert_unanswered(reply: &str, control_id: &str, why: &str) {
    assert!(segment(reply, "MSH").contains("RSP^K11^RSP_K11"), "{reply}");
    assert!(segment(reply, "MSH").contains("Z33^CDCPHINVS"), "{reply}");
    assert_eq!(msa(reply), ("AE".to_owned(), control_id.to_owned()), "{reply}");
    assert!(segment(reply, "QAK").starts_with("QAK|TAG|AE|Z34^"), "{reply}");
    assert_eq!(segment(reply, "QPD"), segment(&query("x"), "QPD"));
    let found = errors(reply);
    assert_eq!((found.len(), found[0][1].as_str(), found[0][2].as_str()), (1, "207", "E"));
    assert!(found[0][4].contains(why), "{reply}");
    assert!(found[0][4].contains("says nothing about the patient"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_answered_by_the_registry_that_holds_it() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();

    let found = app.submit(&sender, &query("Q-1")).await.hl7();
    let nobody = app.submit(&sender, &unknown_child("Q-2")).await.hl7();

    assert_eq!(msa(&found), ("AA".to_owned(), "Q-1".to_owned()), "{found}");
    assert!(segment(&found, "MSH").contains("LOOPBACK|CAIRBA"), "the registry's own: {found}");
    assert!(segment(&found, "QAK").starts_with("QAK|TAG|OK|"), "{found}");
    assert_eq!(segment(&found, "RXA"), segment(&vxu("ONE", &[]), "RXA"));
    assert!(segment(&nobody, "QAK").starts_with("QAK|TAG|NF|"), "{nobody}");
    app.until("recorded", async || is_in(&app, "Q-1", MessageState::Answered).await).await;
    assert_eq!(app.registry("CAIRBA").await.len(), 1, "a query is not kept as an immunization");
    let record = app.message("Q-1").await;
    let (_, _, delivery) = app.store().message_by_id(record.id).await.unwrap();
    assert_eq!(delivery, None, "nothing of it waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_passed_on_as_it_is_and_what_is_wrong_with_it_is_told_to_operators() {
    let answer = include_str!("../fixtures/hl7/rsp_z32.hl7")
        .replace("FIX-Q34-1", "Q-1")
        .replace("|20^DTaP^CVX|", "|9999^Unheard-of^CVX|");
    let registry = ScriptedRegistry::start(Script::Ack(answer.clone()));
    let app = before(&registry, "reply = \"accept\"").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &query("Q-1")).await.hl7();
    app.until("recorded", async || is_in(&app, "Q-1", MessageState::Answered).await).await;

    assert_eq!(reply, answer);
    let (record, found, _) = app.store().message_by_id(app.message("Q-1").await.id).await.unwrap();
    let of_the_answer: Vec<_> =
        found.iter().filter(|one| one.text.starts_with("In the registry's answer: ")).collect();
    assert!(of_the_answer.iter().any(|one| one.location.contains("RXA")), "{found:#?}");
    assert_eq!(record.diagnostics, i64::try_from(found.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_an_error_and_never_no_match() {
    let registry = ScriptedRegistry::start(Script::Raw(503, "text/plain", String::new()));
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &query("Q-1")).await.hl7();
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    assert_unanswered(&reply, "Q-1", "HTTP 503");
    assert_eq!(registry.received().len(), 1, "a query is never repeated");
    assert!(is_in(&app, "Q-1", MessageState::Unanswered).await);
    let counted = async || app.store().destination_list().await.unwrap()[0].failures;
    assert_eq!(counted().await, 1, "the breaker knows of it");
    registry.then(Script::Accept);
    app.submit(&sender, &query("Q-2")).await.hl7();
    app.until("forgotten", async || counted().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_or_unreadable_answer_is_none() {
    let late = Script::After(Duration::from_secs(3), Box::new(Script::Accept));
    let registry = ScriptedRegistry::start(late);
    let app = before(&registry, "relay_deadline_seconds = 1").await;
    let sender = app.test_sender().await;
    registry.then(Script::Raw(200, "text/html", "<html>Unheard-of</html>".to_owned()));

    let page = app.submit(&sender, &query("Q-1")).await.hl7();
    let late = app.submit(&sender, &query("Q-2")).await.hl7();

    assert!(!page.contains("Unheard-of"), "{page}");
    assert_unanswered(&page, "Q-1", "");
    assert_unanswered(&late, "Q-2", "no answer in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_registry_is_not_asked() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    let place = ("CAIRBA".parse().unwrap(), Environment::Test);
    let by = Action { by: tester(), action: "pause", reason: String::new() };
    app.store().destination_control(place, Control::Paused, by).await.unwrap();

    let reply = app.submit(&sender, &query("Q-1")).await.hl7();

    assert_unanswered(&reply, "Q-1", "paused");
    assert_eq!(registry.received().len(), 0);
    app.until("recorded", async || is_in(&app, "Q-1", MessageState::Unanswered).await).await;
    assert_eq!(app.store().destination_list().await.unwrap()[0].failures, 0, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_cannot_be_asked_hears_why() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let boundless = without_segment(&query("Q-1"), "RCP");
    let elsewhere = query("Q-2").replace("||CAIRBA|", "||CAIRCV|");
    let without = without_segment(&query("Q-3"), "QPD");
    let old = replace_field(&query("Q-4"), "MSH", 12, "2.3.1");

    let boundless = app.submit(&sender, &boundless).await.hl7();
    let elsewhere = app.submit(&sender, &elsewhere).await.hl7();
    let without = app.submit(&sender, &without).await.hl7();
    let old = app.submit(&sender, &old).await.hl7();

    for (reply, place) in [(&boundless, "RCP"), (&elsewhere, "MSH^1^6")] {
        assert!(segment(reply, "QAK").starts_with("QAK|TAG|AE|"), "{reply}");
        assert!(errors(reply)[0][0].starts_with(place), "{reply}");
    }
    assert!(segment(&without, "MSH").contains("ACK^"), "there is no QPD to repeat: {without}");
    assert_eq!(msa(&without).0, "AE");
    assert_eq!((msa(&old).0.as_str(), segment(&old, "QAK")), ("AR", ""), "{old}");
    assert_eq!(app.registry("CAIRBA").await.len(), 0);
}
