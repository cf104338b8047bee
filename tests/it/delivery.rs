//! Relay, queue, late and broken registries, drain, crash.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use izportal::app::{App, Base, Role};
use izportal::domain::{
    Delivery, DeliveryState, Environment, MessageRecord, MessageState, SiteKind, SiteStatus,
    Timestamp,
};
use izportal::endpoint::{SummaryFormat, SummaryLog};
use izportal::soap::{Fault, FaultCode, SoapVersion, write_fault};
use izportal::store::{MessageFilter, Part, RetentionLimits};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::program::{Installation, eventually, submit};
use crate::support::registry::{Gate, Script, ScriptedRegistry, ack};
use crate::support::{Sender, TestApp, errors, msa, replace_field, tester, vxu};

/// Nothing leaves the queue: the sender is answered at once and no worker runs.
const QUEUE_ONLY: &str = "[gateway]\nreply = \"accept\"\ndelivery_workers = 0\n";

/// A gateway whose test messages of CAIRBA go to a scripted registry.
async fn before(registry: &ScriptedRegistry, gateway: &str) -> TestApp {
    TestApp::with(&format!("[gateway]\n{gateway}\n{}", registry.config("CAIRBA", "test"))).await
}

async fn delivery(app: &TestApp, control_id: &str) -> Delivery {
    let record = app.message(control_id).await;
    app.store().message_by_id(record.id).await.unwrap().2.unwrap()
}

async fn state(app: &TestApp, control_id: &str) -> MessageState {
    app.message(control_id).await.state
}

/// The reply is the Gateway's own: AA, and one I that says the message is queued.
#[track_caller]
fn assert_queued(reply: &str, control_id: &str) {
    assert_eq!(msa(reply), ("AA".to_owned(), control_id.to_owned()), "{reply}");
    let found = errors(reply);
    assert_eq!(found.len(), 1, "one ERR in {reply}");
    assert_eq!(found[0][..4], ["", "0", "I", ""], "{reply}");
    assert_eq!(
        found[0][4],
        "Message accepted by the Gateway and queued for CAIRBA. Do not send it again."
    );
}

/// Makes a delivery that waits for its next attempt due now, as the passing of time would.
async fn make_due(app: &TestApp) {
    let (owner, later) = ("clock".to_owned(), Timestamp::now().plus(Duration::from_hours(1)));
    let held = vec![("CAIRBA".parse().unwrap(), Environment::Test, 0)];
    let claims =
        app.store().delivery_claim(owner, later, Duration::ZERO, 1_000, held).await.unwrap();
    assert!(!claims.is_empty(), "something waits");
    app.store().delivery_release_all(Timestamp::now()).await.unwrap();
}

/// Every message that the Gateway knows, newest first.
async fn messages(app: &TestApp) -> Vec<MessageRecord> {
    let filter = MessageFilter { limit: 10_000, ..MessageFilter::default() };
    app.store().message_list(filter).await.unwrap()
}

/// Submits many messages, 16 at a time; each must be answered AA.
async fn burst(app: &TestApp, sender: &Sender, messages: Vec<(String, String)>) {
    let mut senders = JoinSet::new();
    let messages: Arc<[(String, String)]> = messages.into();
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..16 {
        let (messages, next) = (Arc::clone(&messages), Arc::clone(&next));
        let (http, endpoint, sender) = (app.http.clone(), app.endpoint(), sender.clone());
        senders.spawn(async move {
            while let Some((id, hl7)) = messages.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = submit(&http, &endpoint, &sender, hl7).await.unwrap();
                assert_eq!(msa(&answer.hl7()), ("AA".to_owned(), id.clone()));
            }
        });
    }
    senders.join_all().await;
}

/// As many different messages.
fn numbered(count: usize) -> Vec<(String, String)> {
    (0..count).map(|n| format!("N-{n:04}")).map(|id| (id.clone(), vxu(&id, &[]))).collect()
}

/// How often each MSH-10 is held by the registry of a region.
async fn held(app: &TestApp, region: &str) -> BTreeMap<String, usize> {
    app.registry(region).await.into_iter().fold(BTreeMap::new(), |mut held, one| {
        *held.entry(one.control_id).or_default() += 1;
        held
    })
}

/// A line to a registry that can be cut and joined again: as long as it is cut nobody listens on its port.
struct Line {
    address: SocketAddr,
    to: String,
}

impl Line {
    async fn cut(registry: &ScriptedRegistry) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let to = registry.url["https://".len()..].trim_end_matches("/IISService").to_owned();
        Self { address, to }
    }

    /// The destination with this line in place of the registry's own port.
    fn config(&self, registry: &ScriptedRegistry) -> String {
        registry.config("CAIRBA", "test").replace(&self.to, &self.address.to_string())
    }

    async fn join(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let to = self.to.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await; // either side may hang up
                });
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acknowledgement_of_the_registry_reaches_the_sender_unchanged() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    let odd = "ERR|PID^1^5|^^^||W|1^Odd \\T\\ old^L||<b>&amp;|Name : ÄÖ^ignored ~ \"so\"\rZZZ|local|segment\r";
    let cases = [
        ("ACCEPTED", ack("AA", "ACCEPTED", ""), MessageState::Delivered),
        ("REMARKED", ack("AE", "REMARKED", odd), MessageState::Delivered),
        (
            "ERRORS",
            ack("AE", "ERRORS", "ERR||PID^1^3|101^Missing^HL70357|E\r"),
            MessageState::Rejected,
        ),
        (
            "REJECTED",
            ack("AR", "REJECTED", "ERR||MSH^1^11|202^No^HL70357|E\r"),
            MessageState::Rejected,
        ),
        ("NAMELESS", ack("AE", "", ""), MessageState::Rejected),
        ("LINES", ack("AA", "LINES", "").replace('\r', "\n"), MessageState::Delivered),
    ];

    for (control_id, said, state_after) in cases {
        registry.then(Script::Ack(said.clone()));
        let reply = app.submit(&sender, &vxu(control_id, &[])).await.hl7();
        let again = app.submit(&sender, &vxu(control_id, &[])).await.hl7();
        assert_eq!(reply, said, "{control_id}");
        assert_eq!(again, said, "the repetition of {control_id}");
        assert_eq!(state(&app, control_id).await, state_after, "{control_id}");
    }
    assert_eq!(registry.received().len(), 6, "each message was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_gets_the_message_unchanged_with_the_gateways_own_account() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    let hl7 = vxu("SAME", &[("Sampleperson", "O&apos;Ñandú <b> \"x\""), ("\rNK1|", "\r\nNK1|")]);

    app.submit(&sender, &hl7).await.hl7();

    let received = registry.received().remove(0);
    assert!(!received.contains(&sender.password), "the sender's password stays here");
    assert!(received.contains("registry-credential-of-the-test"), "our own password went there");
    let envelope = izportal::soap::read_envelope(
        received.as_bytes(),
        &izportal::soap::MediaType::of(Some("application/soap+xml")).unwrap(),
        &izportal::soap::Limits::default(),
    );
    let izportal::soap::Operation::SubmitSingleMessage(submission) = envelope.unwrap().operation
    else {
        panic!("not a submission: {received}");
    };
    assert_eq!(submission.hl7_message.as_deref(), Some(hl7.as_str()));
    assert_eq!(submission.username.as_deref(), Some("GW"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_registry_is_waited_for_after_the_sender_was_answered() {
    let late = Script::After(Duration::from_millis(1_800), Box::new(Script::Accept));
    let registry = ScriptedRegistry::start(late);
    let app = before(&registry, "relay_deadline_seconds = 1").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &vxu("LATE", &[])).await.hl7();
    let meanwhile = app.submit(&sender, &vxu("LATE", &[])).await.hl7();

    assert_queued(&reply, "LATE");
    assert_queued(&meanwhile, "LATE");
    app.until("delivered", async || state(&app, "LATE").await == MessageState::Delivered).await;
    assert_eq!(registry.received().len(), 1, "sent once");
    assert_eq!(delivery(&app, "LATE").await.attempts, 1);
    let afterwards = app.submit(&sender, &vxu("LATE", &[])).await.hl7();
    assert_eq!(afterwards, ack("AA", "LATE", ""), "the repetition gets the registry's own reply");
    assert_eq!(registry.received().len(), 1, "and is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_holds_no_more_than_128_senders() {
    let gate = Gate::shut();
    let registry = ScriptedRegistry::start(Script::Behind(gate.clone(), Box::new(Script::Accept)));
    let settings = "delivery_workers = 0\nrelay_deadline_seconds = 600\nsend_timeout_seconds = 600";
    let app = before(&registry, settings).await;
    let sender = app.test_sender().await;
    let of_another_registry = app.credential("DE-000001", Environment::Production).await;

    let all = numbered(128);
    let waiting = join_all(all.iter().map(|(_, hl7)| app.submit(&sender, hl7)));
    let meanwhile = async {
        app.until("all are at the registry", async || registry.received().len() == 128).await;
        let next = vxu("NEXT", &[]);
        let next = timeout(Duration::from_secs(20), app.submit(&sender, &next)).await;
        let other = replace_field(&vxu("OTHER", &[]), "MSH", 11, "P");
        let other = app.submit(&of_another_registry, &other).await;
        let received = registry.received().len();
        gate.open();
        (next.unwrap(), other, received)
    };
    let (relayed, (next, other, received)) = tokio::join!(waiting, meanwhile);

    assert_queued(&next.hl7(), "NEXT");
    assert_eq!(received, 128, "the next one was not sent");
    assert_eq!(errors(&other.hl7()).len(), 0, "another registry has places of its own");
    for ((id, _), reply) in all.iter().zip(relayed) {
        assert_eq!(reply.hl7(), ack("AA", id, ""));
    }
    let after = app.submit(&sender, &vxu("AFTER", &[])).await.hl7();
    assert_eq!(after, ack("AA", "AFTER", ""), "a place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_while_the_registry_was_down_is_delivered_when_it_is_back() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let line = Line::cut(&registry).await;
    let app = TestApp::with(&line.config(&registry)).await;
    let sender = app.test_sender().await;

    let first = app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let second = app.submit(&sender, &vxu("TWO", &[])).await.hl7();

    assert_queued(&first, "ONE");
    assert_queued(&second, "TWO");
    let waiting = delivery(&app, "ONE").await;
    assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Queued, 1));
    let told = waiting.last_error.unwrap();
    assert!(told.starts_with("no connection: it was refused"), "{told}");
    assert!(
        waiting.next_attempt_at.seconds_since(Timestamp::now()) <= 15,
        "the first wait is 15 s"
    );
    assert!(registry.received().is_empty(), "nothing has arrived");

    line.join().await;
    make_due(&app).await;

    app.until("delivered", async || {
        state(&app, "ONE").await == MessageState::Delivered
            && state(&app, "TWO").await == MessageState::Delivered
    })
    .await;
    assert_eq!(registry.received().len(), 2, "each was received once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_an_acknowledgement_is_never_passed_on() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "breaker_failures = 1000").await;
    let sender = app.test_sender().await;
    let soap = "application/soap+xml; charset=utf-8";
    let fault = Fault::new(FaultCode::Internal, "Unheard-of trouble");
    let fault = String::from_utf8(write_fault(SoapVersion::V12, &fault, None)).unwrap();
    let two = format!("{}{}", ack("AA", "TWO", ""), ack("AA", "TWO", ""));
    let cases = [
        ("HTML", Script::Raw(200, "text/html", "<html><p>Unheard-of</html>".to_owned())),
        ("XML", Script::Raw(200, soap, "<Unheard-of".to_owned())),
        ("DOWN", Script::Raw(503, "text/plain", "Unheard-of".to_owned())),
        ("FAULT", Script::Raw(500, soap, fault)),
        ("TWO", Script::Ack(two)),
        ("WORDS", Script::Ack("Unheard-of words".to_owned())),
        ("NOTHING", Script::Ack(String::new())),
        ("NO-MSA", Script::Ack("MSH|^~\\&|Unheard-of\r".to_owned())),
        ("CODE", Script::Ack("MSH|^~\\&|Unheard-of\rMSA|OK|CODE\r".to_owned())),
    ];

    for (control_id, script) in cases {
        registry.then(script);
        let answer = app.submit(&sender, &vxu(control_id, &[])).await;
        assert_queued(&answer.hl7(), control_id);
        assert!(!answer.text.contains("Unheard-of"), "{control_id}: {}", answer.text);
        assert_eq!(state(&app, control_id).await, MessageState::Accepted, "{control_id}");
        let waiting = delivery(&app, control_id).await;
        assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Queued, 1), "{control_id}");
        let told = waiting.last_error.unwrap();
        assert!(!told.contains("Unheard-of"), "{control_id}: {told}");
    }
    make_due(&app).await;
    app.until("delivered", async || {
        messages(&app).await.iter().all(|one| one.state == MessageState::Delivered)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_registry_rejects_is_not_sent_again() {
    let rejection =
        ack("AE", "ONE", "ERR||RXA^1^5|103^Unknown^HL70357|E||5^No^HL70533||Unknown vaccine\r");
    let registry = ScriptedRegistry::start(Script::Ack(rejection.clone()));
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &vxu("ONE", &[])).await.hl7();

    assert_eq!(reply, rejection);
    let settled = delivery(&app, "ONE").await;
    assert_eq!(settled.state, DeliveryState::Rejected);
    assert!(settled.settled_at.is_some(), "it has come to its end");
    let record = app.message("ONE").await;
    assert_eq!((record.state, record.ack_code.as_str()), (MessageState::Rejected, "AE"));
    assert!(app.store().delivery_backlog().await.unwrap().is_empty(), "nothing waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_accept_a_later_rejection_is_what_a_repetition_hears() {
    let rejection = ack("AR", "ONE", "");
    let registry = ScriptedRegistry::start(Script::Ack(rejection.clone()));
    let app = before(&registry, "reply = \"accept\"").await;
    let sender = app.test_sender().await;

    let first = app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    app.until("rejected", async || state(&app, "ONE").await == MessageState::Rejected).await;
    let second = app.submit(&sender, &vxu("ONE", &[])).await.hl7();

    assert_queued(&first, "ONE");
    assert_eq!(second, rejection);
    assert_eq!(registry.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_queued_messages_are_each_held_once() {
    let app = TestApp::with(QUEUE_ONLY).await;
    let sender = app.test_sender().await;
    burst(&app, &sender, numbered(500)).await;
    let waiting = app.store().delivery_backlog().await.unwrap()[0].queued;

    let app = app.restart("[gateway]\nreply = \"accept\"").await;

    assert_eq!(waiting, 500);
    app.until("drained", async || app.store().delivery_backlog().await.unwrap().is_empty()).await;
    let held = held(&app, "CAIRBA").await;
    assert_eq!(held.len(), 500);
    assert!(held.values().all(|times| *times == 1), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_does_not_hold_up_the_others() {
    let hanging = Script::After(Duration::from_secs(4), Box::new(Script::Accept));
    let registry = ScriptedRegistry::start(hanging);
    let app = before(&registry, "reply = \"accept\"\ndelivery_workers = 4").await;
    let slow = app.test_sender().await;
    app.site("DE-000002", SiteKind::Direct, true, Some("Orange"), SiteStatus::Production).await;
    let quick = app.credential("DE-000002", Environment::Test).await;
    burst(&app, &slow, numbered(12)).await;
    app.until("the slow registry is busy", async || registry.received().len() >= 2).await;

    let sent = Timestamp::now();
    app.submit(&quick, &vxu("QUICK", &[("DE-000001", "DE-000002"), ("CAIRBA", "CAIRLO")]))
        .await
        .hl7();

    app.until("delivered", async || state(&app, "QUICK").await == MessageState::Delivered).await;
    let settled = delivery(&app, "QUICK").await.settled_at.unwrap();
    assert!(settled.seconds_since(sent) < 3, "the other region waited for the slow one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_control_id_of_another_sender_or_environment_is_another_message() {
    let app = TestApp::start().await;
    let one = app.test_sender().await;
    let production = app.credential("DE-000001", Environment::Production).await;
    app.direct_site("DE-000002").await;
    let other = app.credential("DE-000002", Environment::Test).await;

    let replies = [
        app.submit(&one, &vxu("SAME", &[])).await.hl7(),
        app.submit(&other, &vxu("SAME", &[("DE-000001", "DE-000002")])).await.hl7(),
        app.submit(&production, &vxu("SAME", &[("|SAME|T|", "|SAME|P|")])).await.hl7(),
    ];

    for reply in &replies {
        assert_eq!(msa(reply), ("AA".to_owned(), "SAME".to_owned()));
        assert!(errors(reply).is_empty(), "{reply}");
    }
    assert_eq!(app.registry("CAIRBA").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_conflict_window_a_control_id_may_come_again_with_another_body() {
    let app = TestApp::with("[gateway]\nconflict_window_hours = 0").await;
    let sender = app.test_sender().await;
    let (first, second) = (vxu("SAME", &[]), vxu("SAME", &[("INV20A", "INV20B")]));

    let replies = [
        app.submit(&sender, &first).await.hl7(),
        app.submit(&sender, &second).await.hl7(),
        app.submit(&sender, &second).await.hl7(),
    ];

    for reply in &replies {
        assert_eq!(msa(reply).0, "AA", "{reply}");
    }
    assert_eq!(replies[1], replies[2], "the repetition of the second gets its stored reply");
    assert_eq!(app.registry("CAIRBA").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_may_come_again_under_its_control_id() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let refused = app.submit(&sender, &vxu("SAME", &[("CAIRBA", "CAIRLO")])).await.hl7();
    let mended = app.submit(&sender, &vxu("SAME", &[])).await.hl7();

    assert_eq!(msa(&refused).0, "AE");
    assert_eq!(msa(&mended).0, "AA");
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_twenty_times_at_once_is_held_once() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let hl7 = vxu("SAME", &[]);

    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (http, endpoint) = (app.http.clone(), app.endpoint());
        let (sender, hl7) = (sender.clone(), hl7.clone());
        calls.spawn(async move { submit(&http, &endpoint, &sender, &hl7).await.unwrap().hl7() });
    }
    let replies = calls.join_all().await;

    assert_eq!(replies.len(), 20);
    for reply in &replies {
        assert_eq!(msa(reply), ("AA".to_owned(), "SAME".to_owned()), "{reply}");
    }
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
    assert_eq!(messages(&app).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_issued_a_moment_ago_opens_for_all_calls_that_come_at_once() {
    let app = TestApp::start().await;
    for site in ["DE-000011", "DE-000012", "DE-000013", "DE-000014", "DE-000015"] {
        app.direct_site(site).await;
        let sender = app.credential(site, Environment::Test).await;
        let mut calls = JoinSet::new();
        for n in 0..10 {
            let (http, endpoint, sender) = (app.http.clone(), app.endpoint(), sender.clone());
            let hl7 = vxu(&format!("{site}-{n}"), &[("DE-000001", site)]);
            calls.spawn(async move { submit(&http, &endpoint, &sender, &hl7).await.unwrap() });
        }
        for answer in calls.join_all().await {
            assert_eq!(msa(&answer.hl7()).0, "AA", "{site}");
        }
    }

    assert_eq!(app.registry("CAIRBA").await.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bodies_under_one_control_id_at_once_are_one_message_and_one_conflict() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let mut calls = JoinSet::new();
    for lot in ["INV20A", "INV20B"] {
        let (http, endpoint, sender) = (app.http.clone(), app.endpoint(), sender.clone());
        let hl7 = vxu("SAME", &[("INV20A", lot)]);
        calls.spawn(async move { submit(&http, &endpoint, &sender, &hl7).await.unwrap().hl7() });
    }
    let mut codes: Vec<String> = calls.join_all().await.iter().map(|reply| msa(reply).0).collect();
    codes.sort();

    assert_eq!(codes, ["AA", "AE"]);
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_under_way_is_answered_before_the_gateway_stops() {
    let slow = Script::After(Duration::from_secs(1), Box::new(Script::Accept));
    let registry = ScriptedRegistry::start(slow);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    let (http, endpoint) = (app.http.clone(), app.endpoint());
    let call = tokio::spawn(async move {
        submit(&http, &endpoint, &sender, &vxu("UNDER-WAY", &[])).await.unwrap().hl7()
    });
    app.until("the registry has it", async || registry.received().len() == 1).await;

    let app = app.restart(&registry.config("CAIRBA", "test")).await;

    assert_eq!(call.await.unwrap(), ack("AA", "UNDER-WAY", ""));
    assert_eq!(state(&app, "UNDER-WAY").await, MessageState::Delivered);
    assert_eq!(registry.received().len(), 1, "it was not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_gateway_had_queued_is_delivered_by_the_next_one() {
    let app = TestApp::with(QUEUE_ONLY).await;
    let sender = app.test_sender().await;
    let reply = app.submit(&sender, &vxu("WAITING", &[])).await.hl7();

    let app = app.restart("").await;

    assert_queued(&reply, "WAITING");
    app.until("delivered", async || state(&app, "WAITING").await == MessageState::Delivered).await;
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

/// Another gateway on the database of the first, as a second node would be.
async fn another_node(app: &TestApp, workers: usize) -> App {
    let mut config = app.config.clone();
    config.gateway.delivery_workers = workers;
    let base = Base::open(&config, false).await.unwrap();
    let log = SummaryLog::new(SummaryFormat::Json, Box::new(std::io::sink()));
    App::start(&config, base, log, app.metrics.clone(), Role::All).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_database_deliver_each_message_once() {
    let app = TestApp::with(QUEUE_ONLY).await;
    if !app.database.is_postgres() {
        return; // an embedded database has one gateway
    }
    let sender = app.test_sender().await;
    burst(&app, &sender, numbered(200)).await;

    let (one, two) = tokio::join!(another_node(&app, 8), another_node(&app, 8));

    app.until("drained", async || app.store().delivery_backlog().await.unwrap().is_empty()).await;
    let held = held(&app, "CAIRBA").await;
    assert_eq!(held.len(), 200);
    assert!(held.values().all(|times| *times == 1), "{held:?}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_one_node_holds_for_the_next_message_on_the_other() {
    let app = TestApp::start().await;
    if !app.database.is_postgres() {
        return; // an embedded database has one gateway
    }
    let sender = app.test_sender().await;
    let other = another_node(&app, 8).await;
    let before =
        submit(&app.http, &other.endpoint(), &sender, &vxu("BEFORE", &[])).await.unwrap().hl7();

    app.store().credential_revoke(sender.username.clone(), tester()).await.unwrap();

    assert_eq!(msa(&before).0, "AA");
    let after = submit(&app.http, &other.endpoint(), &sender, &vxu("AFTER", &[])).await.unwrap();
    assert_eq!(after.fault().0, "SecurityFault");
    other.stop().await;
}

/// Submits over TLS from several senders until the service dies; gives the MSH-10 that were acknowledged.
async fn submit_until_killed(
    installation: &Installation,
    sender: &Sender,
    round: usize,
    enough: usize,
) -> Vec<String> {
    let mut served = installation.serve();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for number in 0..8 {
        let (http, endpoint) = (served.http.clone(), served.endpoint.clone());
        let (sender, acknowledged) = (sender.clone(), Arc::clone(&acknowledged));
        senders.spawn(async move {
            let mut mine = vec![];
            for n in 0.. {
                let id = format!("K-{round}-{number}-{n}");
                let Ok(answer) = submit(&http, &endpoint, &sender, &vxu(&id, &[])).await else {
                    return mine;
                };
                assert_eq!(msa(&answer.hl7()).0, "AA");
                mine.push(id);
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            mine
        });
    }
    while acknowledged.load(Ordering::Relaxed) < enough {
        assert!(senders.try_join_next().is_none(), "a sender stopped before its time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.kill();
    senders.join_all().await.concat()
}

fn control_id(record: &serde_json::Value) -> String {
    record["control_id"].as_str().unwrap().to_owned()
}

/// Kills the service in mid-flight twice, restarts it, and expects every acknowledged message in the registry.
async fn nothing_acknowledged_is_lost(flight: &str) {
    let installation = Installation::new(flight);
    let sender = installation.test_sender();

    let mut acknowledged = submit_until_killed(&installation, &sender, 1, 40).await;
    acknowledged.extend(submit_until_killed(&installation, &sender, 2, 40).await);
    installation.configure("[gateway]\nreply = \"accept\"");
    let mut served = installation.serve();
    eventually("every acknowledged message is held", || {
        let held = installation.admin(&["registry", "list", "--limit", "10000"]);
        let held: HashSet<String> = held.as_array().unwrap().iter().map(control_id).collect();
        acknowledged.iter().all(|id| held.contains(id))
    })
    .await;

    assert!(acknowledged.len() >= 80, "{} were acknowledged", acknowledged.len());
    assert_eq!(served.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_while_it_queues_loses_nothing_that_it_acknowledged() {
    nothing_acknowledged_is_lost(QUEUE_ONLY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_while_it_delivers_loses_nothing_that_it_acknowledged() {
    // A lease of the killed process ends 15 s after its time-out; an embedded database releases it at once.
    nothing_acknowledged_is_lost("[gateway]\nreply = \"accept\"\nsend_timeout_seconds = 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_while_it_relays_loses_nothing_that_it_acknowledged() {
    nothing_acknowledged_is_lost("[gateway]\nreply = \"relay\"\nsend_timeout_seconds = 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_removes_what_is_delivered_and_never_what_is_not() {
    let queued = "[gateway]\ndelivery_workers = 0\n[regions.CAIRLO]\nreply = \"accept\"";
    let app = TestApp::with(queued).await;
    let sender = app.test_sender().await;
    app.site("DE-000002", SiteKind::Direct, true, Some("Orange"), SiteStatus::Production).await;
    let other = app.credential("DE-000002", Environment::Test).await;
    let waiting = vxu("WAITING", &[("DE-000001", "DE-000002"), ("CAIRBA", "CAIRLO")]);
    app.submit(&sender, &vxu("DONE", &[])).await.hl7();
    app.submit(&sender, &vxu("REFUSED", &[("CAIRBA", "CAIRLO")])).await.hl7();
    app.submit(&other, &waiting).await.hl7();
    let (done, kept) = (app.message("DONE").await.id, app.message("WAITING").await.id);
    let later = Timestamp::now().plus(Duration::from_secs(1));
    let year = Duration::from_hours(24 * 365);

    let bodies = RetentionLimits { bodies: Duration::ZERO, metadata: year, letters: year };
    let bodies = app.store().retention_sweep(bodies, later).await.unwrap();
    let body_of_done = app.store().message_payload(done, Part::Body).await.unwrap();
    let body_of_waiting = app.store().message_payload(kept, Part::Body).await.unwrap();
    let known: Vec<String> = messages(&app).await.into_iter().map(|one| one.control_id).collect();
    let all = RetentionLimits { bodies: Duration::ZERO, metadata: Duration::ZERO, letters: year };
    let all = app.store().retention_sweep(all, later).await.unwrap();
    let left: Vec<String> = messages(&app).await.into_iter().map(|one| one.control_id).collect();

    assert_eq!((bodies.bodies, bodies.messages, bodies.loopback), (2, 0, 1));
    assert_eq!(body_of_done, None);
    assert_eq!(body_of_waiting.as_deref(), Some(waiting.as_bytes()));
    assert_eq!(known, ["WAITING", "REFUSED", "DONE"]);
    assert_eq!((all.bodies, all.messages, all.loopback), (0, 2, 0));
    assert_eq!(left, ["WAITING"]);
    let app = app.restart("").await;
    app.until("delivered", async || state(&app, "WAITING").await == MessageState::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_answers_without_end_is_cut_off_and_its_reply_is_not_passed_on() {
    let endless = "x".repeat(12 << 20);
    let registry = ScriptedRegistry::start(Script::Raw(200, "application/soap+xml", endless));
    let app = TestApp::with(&registry.config("CAIRBA", "test")).await;
    let sender = app.test_sender().await;

    let answer = app.submit(&sender, &vxu("ONE", &[])).await;

    assert!(answer.text.len() < 10_000, "{} bytes were passed on", answer.text.len()); // rows 71 and 98
    assert_eq!(msa(&answer.hl7()), ("AA".to_owned(), "ONE".to_owned()));
    assert!(errors(&answer.hl7())[0][4].contains("queued for CAIRBA"), "{}", answer.hl7());
    assert!(app.is_alive().await);
}
