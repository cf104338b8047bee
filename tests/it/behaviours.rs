//! Every way in which a registry can misbehave, through the whole Gateway: the class, what happens to the message, what its
//! sender hears, what an operator sees.

use std::time::Duration;

use izportal::domain::{Breaker, DeliveryState, Environment, FailureClass};
use izportal::store::{Action, Place};

use crate::support::{Sender, TestApp, errors, msa, tester, vxu};

/// What the sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hears {
    /// The registry's acknowledgement, with this MSA-1.
    Registry(&'static str),
    /// That the message is accepted and queued.
    Queued,
    /// That the registry will not take it, from the Gateway.
    Rejected,
}

use DeliveryState::{Delivered, Queued, Rejected};
use FailureClass::{Ambiguous, Ours, Sender as Senders, Transient};
use Hears::Registry;

/// Behaviour; what the sender hears; where the delivery stands; class of the failure.
const CASES: &[(&str, Hears, DeliveryState, Option<FailureClass>)] = &[
    ("normal", Registry("AA"), Delivered, None),
    ("latency:500ms", Registry("AA"), Delivered, None),
    ("ack-warning", Registry("AE"), Delivered, None),
    ("ack-lower-case", Registry("aa"), Delivered, None),
    ("ack-ca", Registry("CA"), Delivered, None),
    ("ack-several-msa", Registry("AA"), Delivered, None),
    ("ack-lf", Registry("AA"), Delivered, None),
    ("ack-batch", Registry("AA"), Delivered, None),
    ("ack-empty-id", Registry("AA"), Delivered, None),
    ("ack-error", Registry("AE"), Rejected, None),
    ("ack-no-severity", Registry("AE"), Rejected, None),
    ("ack-reject", Registry("AR"), Rejected, None),
    ("ack-ce", Registry("CE"), Rejected, None),
    ("ack-cr", Registry("CR"), Rejected, None),
    ("status:413", Hears::Rejected, Rejected, Some(Senders)),
    ("fault-too-large", Hears::Rejected, Rejected, Some(Senders)),
    ("status:503:2", Hears::Queued, Queued, Some(Transient)),
    ("status:429", Hears::Queued, Queued, Some(Transient)),
    ("status:302", Hears::Queued, Queued, Some(Ours)),
    ("status:401", Hears::Queued, Queued, Some(Ours)),
    ("status:404", Hears::Queued, Queued, Some(Ours)),
    ("fault-security", Hears::Queued, Queued, Some(Ours)),
    ("fault-unsupported", Hears::Queued, Queued, Some(Ours)),
    ("ack-other-id", Hears::Queued, Queued, Some(Ambiguous)),
    ("status:408", Hears::Queued, Queued, Some(Ambiguous)),
    ("status:500", Hears::Queued, Queued, Some(Ambiguous)),
    ("status:502", Hears::Queued, Queued, Some(Ambiguous)),
    ("hang", Hears::Queued, Queued, Some(Ambiguous)),
    ("reset-before", Hears::Queued, Queued, Some(Ambiguous)),
    ("reset-after", Hears::Queued, Queued, Some(Ambiguous)),
    ("reset-midway", Hears::Queued, Queued, Some(Ambiguous)),
    ("html", Hears::Queued, Queued, Some(Ambiguous)),
    ("broken-xml", Hears::Queued, Queued, Some(Ambiguous)),
    ("empty", Hears::Queued, Queued, Some(Ambiguous)),
    ("giant", Hears::Queued, Queued, Some(Ambiguous)),
    ("control-characters", Hears::Queued, Queued, Some(Ambiguous)),
    ("fault-unknown", Hears::Queued, Queued, Some(Ambiguous)),
    ("fault-no-reason", Hears::Queued, Queued, Some(Ambiguous)),
    ("fault-unprefixed", Hears::Queued, Queued, Some(Ambiguous)),
    ("fault-soap11", Hears::Queued, Queued, Some(Ambiguous)),
    ("fault-quoting", Hears::Queued, Queued, Some(Ambiguous)),
];

fn here() -> Place {
    ("CAIRBA".parse().unwrap(), Environment::Test)
}

fn by(action: &'static str) -> Action {
    Action { by: tester(), action, reason: String::new() }
}

async fn submitted(app: &TestApp, sender: &Sender, control_id: &str, behaviour: &str) -> String {
    let asks = format!("|CAIRBA^^^TC-{behaviour}|");
    app.submit(sender, &vxu(control_id, &[("|CAIRBA|", &asks)])).await.hl7()
}

fn heard(reply: &str) -> Hears {
    let reply = &reply.replace('\n', "\r");
    let found = errors(reply);
    let says = |text| found.iter().any(|line| line[4].contains(text));
    match msa(reply).0.as_str() {
        "AA" if says("queued for CAIRBA") => Hears::Queued,
        "AE" if says("did not take the message") => Hears::Rejected,
        "AE" => Registry("AE"),
        "AR" => Registry("AR"),
        "CA" => Registry("CA"),
        "CE" => Registry("CE"),
        "CR" => Registry("CR"),
        "aa" => Registry("aa"),
        _ => Registry("AA"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_behaviour_has_its_class_its_reply_and_its_row_for_operators() {
    let app = TestApp::with(
        "[gateway]\nrelay_deadline_seconds = 2\nsend_timeout_seconds = 3\nretry_first_seconds = 3600\n\
         retry_longest_seconds = 3600\nbreaker_failures = 1000\n",
    )
    .await;
    let sender = app.test_sender().await;

    let mut wrong = vec![];
    for (number, (behaviour, hears, state, class)) in CASES.iter().enumerate() {
        let control_id = format!("B-{number}");
        let reply = submitted(&app, &sender, &control_id, behaviour).await;
        let id = app.message(&control_id).await.id;
        let delivery = async || app.store().message_by_id(id).await.unwrap().2.unwrap();
        app.until("an attempt was settled", async || {
            let known = delivery().await;
            known.settled_at.is_some() || known.last_class.is_some()
        })
        .await;
        let known = delivery().await;
        let seen = (heard(&reply), known.state, known.last_class);
        if seen != (*hears, *state, *class) {
            wrong.push(format!("{behaviour}: {seen:?} {:?}\n{reply}", known.last_error));
        }
        assert_eq!(known.doubtful, i64::from(*class == Some(Ambiguous)), "{behaviour}");
        let told = known.last_error.unwrap_or_default();
        assert_eq!(told.is_empty(), class.is_none(), "{behaviour}: operators see why: {told}");
        for private in ["Sampleperson", "Invented Lane", "20250115"] {
            assert!(!told.contains(private) && !reply.contains(private), "{behaviour}: {told}");
        }
        let breaker = app.store().destination_list().await.unwrap();
        let breaker = breaker.first().map_or(Breaker::Closed, |one| one.breaker);
        assert_eq!(breaker == Breaker::Open, *class == Some(Ours), "{behaviour}");
        if known.state == Queued {
            // A reset makes what waits due at once; this one has said what it had to.
            app.store().delivery_give_up(id, by("give up")).await.unwrap();
        }
        app.store().destination_reset(here(), by("reset")).await.unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_and_then_succeeds_is_delivered_and_every_copy_is_counted() {
    let app = TestApp::with(
        "[gateway]\nretry_first_seconds = 1\nretry_longest_seconds = 1\nbreaker_failures = 1000\n",
    )
    .await;
    let sender = app.test_sender().await;

    submitted(&app, &sender, "LOST-ACK", "fail:2:reset-after").await;
    submitted(&app, &sender, "NOT-SENT", "fail:2:status:503").await;
    app.until("both are delivered", async || {
        let mut all = vec![];
        for control_id in ["LOST-ACK", "NOT-SENT"] {
            let id = app.message(control_id).await.id;
            all.push(app.store().message_by_id(id).await.unwrap().2.unwrap());
        }
        all.iter().all(|one| one.state == Delivered && one.attempts == 3)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let held = app.registry("CAIRBA").await;
    let copies = |id: &str| held.iter().filter(|one| one.control_id == id).count();
    assert_eq!((copies("LOST-ACK"), copies("NOT-SENT")), (3, 1));
}
