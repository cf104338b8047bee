//! What became of a message, asked over HTTPS by its sender.

use izportal::domain::Environment;
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::registry::{Script, ScriptedRegistry, ack};
use crate::support::{Sender, TestApp, msa, tester, vxu};

async fn ask(app: &TestApp, sender: &Sender, path: &str) -> (StatusCode, Value) {
    let url = format!("{}/api/v1/messages{path}", app.app.public_url);
    let request = app.http.get(url).basic_auth(&sender.username, Some(&sender.password));
    let response = request.send().await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["cache-control"], "no-store");
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_hears_of_a_rejection_that_came_after_its_acknowledgement() {
    let rejection = ack("AE", "ONE", "ERR||RXA^1^5|103^Unknown^HL70357|E||||Unknown vaccine\r");
    let registry = ScriptedRegistry::start(Script::Ack(rejection.clone()));
    let to = registry.config("CAIRBA", "test");
    let app = TestApp::with(&format!("[gateway]\nreply = \"accept\"\n{to}")).await;
    let sender = app.test_sender().await;

    let accepted = app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let id = accepted.split('|').nth(9).unwrap().to_owned();
    app.until("rejected", async || {
        ask(&app, &sender, &format!("/{id}")).await.1["state"] == "rejected"
    })
    .await;
    let (status, outcome) = ask(&app, &sender, &format!("/{id}")).await;
    let (_, by_control_id) = ask(&app, &sender, "?control_id=ONE").await;

    assert_eq!(msa(&accepted).0, "AA");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&outcome["id"], &outcome["control_id"], &outcome["region"], &outcome["ack_code"]),
        (&Value::from(id), &Value::from("ONE"), &Value::from("CAIRBA"), &Value::from("AE"))
    );
    assert_eq!((&outcome["is_final"], &outcome["attempts"]), (&Value::from(true), &Value::from(1)));
    assert_eq!(outcome["acknowledgement"], Value::from(rejection));
    assert!(outcome["ended_at"].is_string());
    assert_eq!(by_control_id, Value::from(vec![outcome]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_of_the_messages_of_another() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.direct_site("DE-000002").await;
    let other = app.credential("DE-000002", Environment::Test).await;
    let production = app.credential("DE-000001", Environment::Production).await;
    let wrong = Sender { password: "wrong".to_owned(), ..sender.clone() };
    let unknown = Sender { username: "NOBODY".to_owned(), ..sender.clone() };
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let id = app.message("ONE").await.id;

    for stranger in [&other, &production] {
        let (status, told) = ask(&app, stranger, &format!("/{id}")).await;
        let (_, listed) = ask(&app, stranger, "?control_id=ONE").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{told}");
        assert_eq!(listed, Value::Array(vec![]));
    }
    for refused in [&wrong, &unknown] {
        let (status, told) = ask(&app, refused, &format!("/{id}")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(told["detail"].as_str().unwrap().contains("HTTP Basic"), "{told}");
    }
    app.store().credential_revoke(sender.username.clone(), tester()).await.unwrap();
    assert_eq!(ask(&app, &sender, &format!("/{id}")).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_answered_with_the_right_one() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let (no_id, told) = ask(&app, &sender, "/ONE").await;
    let (nothing, how) = ask(&app, &sender, "").await;
    let without = app.http.get(format!("{}/api/v1/messages/ONE", app.app.public_url));
    let without = without.send().await.unwrap();

    assert_eq!((no_id, nothing), (StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST));
    assert!(told["detail"].as_str().unwrap().contains("MSH-10"), "{told}");
    assert!(how["detail"].as_str().unwrap().contains("control_id"), "{how}");
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(without.headers()["www-authenticate"], "Basic realm=\"izportal\"");
}
