//! A good call and its reply; idempotency.

use izportal::domain::{Environment, MessageState};
use izportal::soap::SoapVersion;

use crate::support::{TestApp, errors, msa, vxu};

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_message_is_acknowledged_and_held_by_its_region() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let answer = app.submit(&sender, &vxu("ONE", &[])).await;

    assert_eq!(answer.status, 200);
    assert_eq!(msa(&answer.hl7()), ("AA".to_owned(), "ONE".to_owned()));
    let held = app.registry("CAIRBA").await;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].control_id.as_str(), held[0].environment), ("ONE", Environment::Test));
    let record = app.message("ONE").await;
    assert_eq!(record.state, MessageState::Delivered);
    assert_eq!(record.region.unwrap().as_str(), "CAIRBA");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soap_1_1_call_is_answered_in_1_1() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let answer = app.submit_in(SoapVersion::V11, &sender, &vxu("ONE", &[])).await;

    assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
    assert!(answer.text.contains("http://schemas.xmlsoap.org/soap/envelope/"), "{}", answer.text);
    assert_eq!(msa(&answer.hl7()).0, "AA");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_accept_the_gateway_answers_at_once_and_delivers_afterwards() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &vxu("ONE", &[])).await.hl7();

    assert_eq!(msa(&reply).0, "AA");
    let told = &errors(&reply)[0];
    assert_eq!((told[1].as_str(), told[2].as_str()), ("0", "I"));
    assert!(told[4].contains("queued for CAIRBA"), "{reply}");
    app.until("delivered", async || app.message("ONE").await.state == MessageState::Delivered)
        .await;
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_again_gets_the_stored_ack_and_is_not_delivered_twice() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let first = app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let second = app.submit(&sender, &vxu("ONE", &[])).await.hl7();

    assert_eq!(first, second);
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_message_under_the_same_control_id_is_refused_with_205() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let reply = app.submit(&sender, &vxu("ONE", &[("\rPD1|", "\rPD1|1")])).await.hl7();

    assert_eq!(msa(&reply), ("AE".to_owned(), "ONE".to_owned()));
    let found = &errors(&reply)[0];
    assert_eq!((found[0].as_str(), found[1].as_str(), found[2].as_str()), ("MSH^1^10", "205", "E"));
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}
