//! The queue in the eyes of operators and senders: order, failure classes, breaker, pause, drain, maintenance, review.

use std::time::Duration;

use izportal::domain::{
    Breaker, Control, Delivery, DeliveryState, Environment, FailureClass, MessageState, RegionCode,
    Timestamp,
};
use izportal::gateway::resend_edited;
use izportal::store::{Action, DeliveryFilter, Part, Place};

use crate::support::fault::fault_of;
use crate::support::registry::{Gate, Script, ScriptedRegistry, ack};
use crate::support::{TestApp, errors, msa, tester, vxu};

/// Waits of a second, so that a test sees them end.
const QUICK: &str = "retry_first_seconds = 1\nretry_longest_seconds = 1\nbreaker_cool_down_seconds = 1\nbreaker_longest_seconds = 1\n";

fn here() -> Place {
    ("CAIRBA".parse().unwrap(), Environment::Test)
}

fn by(action: &'static str) -> Action {
    Action { by: tester(), action, reason: "because".to_owned() }
}

async fn before(registry: &ScriptedRegistry, gateway: &str) -> TestApp {
    let to = registry.config("CAIRBA", "test");
    TestApp::with(&format!("[gateway]\n{QUICK}{gateway}\n{to}")).await
}

async fn delivery(app: &TestApp, control_id: &str) -> Delivery {
    let record = app.message(control_id).await;
    app.store().message_by_id(record.id).await.unwrap().2.unwrap()
}

async fn is_in(app: &TestApp, control_id: &str, state: MessageState) -> bool {
    app.message(control_id).await.state == state
}

/// The control IDs in the order in which a registry received them.
fn received(registry: &ScriptedRegistry) -> Vec<String> {
    let control_id = |text: &String| {
        let from = text.find("MSH|").unwrap();
        text[from..].split('|').nth(9).unwrap().to_owned()
    };
    registry.received().iter().map(control_id).collect()
}

fn was_queued(reply: &str) -> bool {
    errors(reply).iter().any(|line| line[4].contains("queued for CAIRBA"))
}

/// The invented child of message `FIRST` in another message.
fn same_child(control_id: &str) -> String {
    vxu("FIRST", &[]).replace("|FIRST|", &format!("|{control_id}|"))
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_patient_are_sent_in_order_and_others_pass_them() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    registry.then(Script::Raw(503, "text/plain", String::new()));

    let first = app.submit(&sender, &same_child("FIRST")).await.hl7();
    let second = app.submit(&sender, &same_child("SECOND")).await.hl7();
    let third = app.submit(&sender, &same_child("THIRD")).await.hl7();
    let other = app.submit(&sender, &vxu("OTHER", &[])).await.hl7();

    assert!(was_queued(&first), "the registry was busy: {first}");
    assert!(was_queued(&second) && was_queued(&third), "they wait behind the first");
    assert!(!was_queued(&other), "another patient's message waits for nobody: {other}");
    app.until("all delivered", async || is_in(&app, "THIRD", MessageState::Delivered).await).await;
    let order: Vec<_> = received(&registry).into_iter().filter(|id| id != "OTHER").collect();
    assert_eq!(order, ["FIRST", "FIRST", "SECOND", "THIRD"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_patient_that_come_at_once_are_sent_one_after_the_other() {
    let gate = Gate::shut();
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "relay_deadline_seconds = 1").await;
    let sender = app.test_sender().await;
    registry.then(Script::Behind(gate.clone(), Box::new(Script::Accept)));

    let hl7: Vec<_> = (0..6).map(|n| same_child(&format!("N-{n}"))).collect();
    let replies =
        futures_util::future::join_all(hl7.iter().map(|hl7| app.submit(&sender, hl7))).await;
    let at_the_registry = registry.received().len();
    gate.open();
    app.until("all delivered", async || registry.received().len() == 6).await;

    assert!(replies.iter().all(|reply| was_queued(&reply.hl7())));
    assert_eq!(at_the_registry, 1, "one at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_parked_and_blocks_nobody() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "doubtful_attempts = 2").await;
    let sender = app.test_sender().await;
    let page = || Script::Raw(200, "text/html", "<html>An error</html>".to_owned());
    registry.then(page());
    registry.then(page());

    let reply = app.submit(&sender, &same_child("FIRST")).await.hl7();
    let behind = app.submit(&sender, &same_child("SECOND")).await.hl7();
    app.until("parked", async || is_in(&app, "FIRST", MessageState::Review).await).await;
    app.until("passed", async || is_in(&app, "SECOND", MessageState::Delivered).await).await;

    assert!(was_queued(&reply) && was_queued(&behind));
    let parked = delivery(&app, "FIRST").await;
    assert_eq!(
        (parked.state, parked.last_class, parked.attempts, parked.doubtful),
        (DeliveryState::Review, Some(FailureClass::Poison), 2, 2)
    );
    assert_eq!(parked.settled_at, None, "it has not come to its end");
    assert_eq!(received(&registry), ["FIRST", "FIRST", "SECOND"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_unknown_outcomes_is_marked_when_it_is_delivered_after_all() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    registry.then(Script::Raw(500, "text/plain", String::new()));

    app.submit(&sender, &vxu("TWICE", &[])).await.hl7();
    app.until("delivered", async || is_in(&app, "TWICE", MessageState::Delivered).await).await;

    let delivered = delivery(&app, "TWICE").await;
    assert_eq!((delivered.attempts, delivered.doubtful), (2, 1), "possibly delivered twice");
    assert_eq!(received(&registry), ["TWICE", "TWICE"], "under the same MSH-10");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_after_the_time_out_is_not_taken_for_that_of_a_later_attempt() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "send_timeout_seconds = 1").await;
    let sender = app.test_sender().await;
    let late =
        Script::Ack(ack("AE", "LATE", "ERR||PID^1^5|101^Required field missing^HL70357|E\r"));
    registry.then(Script::After(Duration::from_secs(2), Box::new(late)));

    let reply = app.submit(&sender, &vxu("LATE", &[])).await.hl7();
    app.until("delivered", async || is_in(&app, "LATE", MessageState::Delivered).await).await;
    let over = async || registry.calls().iter().all(|call| call.ended.is_some());
    app.until("the late answer has come", over).await;

    assert!(was_queued(&reply), "{reply}");
    let delivered = delivery(&app, "LATE").await;
    assert_eq!(
        (delivered.state, delivered.attempts, delivered.doubtful),
        (DeliveryState::Delivered, 2, 1),
        "by the second attempt's answer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_where_its_region_is_reached_when_it_is_sent() {
    let (old, new) =
        (ScriptedRegistry::start(Script::Accept), ScriptedRegistry::start(Script::Accept));
    let app = before(&old, "").await;
    let sender = app.test_sender().await;
    app.store().destination_control(here(), Control::Paused, by("pause")).await.unwrap();
    app.submit(&sender, &vxu("WAITS", &[])).await.hl7();

    let app = app.restart(&format!("[gateway]\n{QUICK}\n{}", new.config("CAIRBA", "test"))).await;
    app.store().destination_control(here(), Control::Running, by("resume")).await.unwrap();
    app.until("delivered", async || is_in(&app, "WAITS", MessageState::Delivered).await).await;

    assert_eq!((received(&old).len(), received(&new)), (0, vec!["WAITS".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_is_probed_and_closes_by_itself() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "breaker_failures = 3").await;
    let sender = app.test_sender().await;
    let breaker = async || {
        let known = app.store().destination_list().await.unwrap();
        known.first().map_or(Breaker::Closed, |one| one.breaker)
    };
    registry.set_down(true);

    for control_id in ["ONE", "TWO", "THREE"] {
        assert!(was_queued(&app.submit(&sender, &vxu(control_id, &[])).await.hl7()));
    }
    app.until("open", async || breaker().await == Breaker::Open).await;
    let while_open = app.submit(&sender, &vxu("FOUR", &[])).await.hl7();
    let attempts_while_open = delivery(&app, "FOUR").await.attempts;
    registry.set_down(false);
    app.until("all delivered", async || registry.received().len() == 4).await;
    app.until("closed", async || breaker().await == Breaker::Closed).await;
    let after = app.submit(&sender, &vxu("FIVE", &[])).await.hl7();

    assert!(was_queued(&while_open), "{while_open}");
    assert_eq!(attempts_while_open, 0, "nothing is sent while it is open");
    assert!(!was_queued(&after), "relayed again: {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_destination_is_sent_nothing_until_it_is_resumed() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;

    app.store().destination_control(here(), Control::Paused, by("pause")).await.unwrap();
    let reply = app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let while_paused = registry.received().len();
    app.store().destination_control(here(), Control::Running, by("resume")).await.unwrap();
    app.until("delivered", async || is_in(&app, "ONE", MessageState::Delivered).await).await;

    assert!(was_queued(&reply), "{reply}");
    assert_eq!(while_paused, 0);
    let log = app.store().action_list(None, 10).await.unwrap();
    let deeds: Vec<_> = log.iter().map(|one| (one.action.as_str(), one.actor.as_str())).collect();
    assert_eq!(deeds, [("resume", "cli tester"), ("pause", "cli tester")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_destination_sends_what_waits_and_takes_no_more() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    app.store().destination_control(here(), Control::Paused, by("pause")).await.unwrap();
    let accepted = app.submit(&sender, &vxu("WAITING", &[])).await.hl7();

    app.store().destination_control(here(), Control::Draining, by("drain")).await.unwrap();
    let again = app.submit(&sender, &vxu("WAITING", &[])).await.hl7();
    let refused = app.submit(&sender, &vxu("REFUSED", &[])).await;
    app.until("sent", async || is_in(&app, "WAITING", MessageState::Delivered).await).await;

    assert_eq!(
        msa(&again),
        msa(&accepted),
        "it was accepted before, and that is what its sender hears"
    );
    assert_eq!(fault_of(&refused).outcome(), ("fault", 4030, "Receiver"));
    assert_eq!(refused.headers["retry-after"], "300");
    assert!(refused.text.contains("was not accepted"), "{}", refused.text);
    assert_eq!(received(&registry), ["WAITING"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_a_maintenance_window_and_all_after_it() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    let now = Timestamp::now();
    let times = (now.minus(Duration::from_secs(1)), now.plus(Duration::from_secs(3)));

    app.store().maintenance_add(here(), times, by("maintenance")).await.unwrap();
    let reply = app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = registry.received().len();
    app.until("delivered", async || is_in(&app, "ONE", MessageState::Delivered).await).await;

    assert!(was_queued(&reply), "{reply}");
    assert_eq!(during, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_bound_senders_hear_when_to_send_again_and_other_regions_are_not_touched() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "queue_bound = 2").await;
    let sender = app.test_sender().await;
    app.store().destination_control(here(), Control::Paused, by("pause")).await.unwrap();

    let taken = [
        app.submit(&sender, &vxu("ONE", &[])).await.hl7(),
        app.submit(&sender, &vxu("TWO", &[])).await.hl7(),
    ];
    let refused = app.submit(&sender, &vxu("THREE", &[])).await;
    app.store().destination_control(here(), Control::Running, by("resume")).await.unwrap();
    app.until("sent", async || registry.received().len() == 2).await;
    app.until("settled", async || is_in(&app, "TWO", MessageState::Delivered).await).await;
    let again = app.submit(&sender, &vxu("THREE", &[])).await.hl7();

    assert!(taken.iter().all(|reply| was_queued(reply)));
    assert_eq!(fault_of(&refused).outcome(), ("fault", 4030, "Receiver"));
    assert_eq!(msa(&again).0, "AA", "{again}");
}

/// A message that waits for review, because its registry answered with a page.
async fn parked(control_id: &str) -> (ScriptedRegistry, TestApp) {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "doubtful_attempts = 1").await;
    let sender = app.test_sender().await;
    registry.then(Script::Raw(200, "text/html", "<html>An error</html>".to_owned()));
    app.submit(&sender, &vxu(control_id, &[])).await.hl7();
    app.until("parked", async || is_in(&app, control_id, MessageState::Review).await).await;
    (registry, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sends_a_parked_message_again() {
    let (registry, app) = parked("ONE").await;
    let id = app.message("ONE").await.id;

    let queued = app.store().delivery_retry(id, by("retry")).await.unwrap();
    app.until("delivered", async || is_in(&app, "ONE", MessageState::Delivered).await).await;
    let twice = app.store().delivery_retry(id, by("retry")).await.unwrap();
    app.until("delivered again", async || registry.received().len() == 3).await;

    assert_eq!((queued.state, queued.releases), (DeliveryState::Queued, 1));
    assert_eq!(
        (twice.state, twice.releases),
        (DeliveryState::Queued, 2),
        "also what was delivered"
    );
    let deeds = app.store().action_list(Some(id), 10).await.unwrap();
    assert_eq!(deeds.len(), 2);
    assert_eq!((deeds[0].reason.as_str(), deeds[0].message), ("because", Some(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_gives_a_parked_message_up_once() {
    let (registry, app) = parked("ONE").await;
    let id = app.message("ONE").await.id;

    let ended = app.store().delivery_give_up(id, by("give up")).await.unwrap();
    let again = app.store().delivery_give_up(id, by("give up")).await;

    assert_eq!(ended.state, DeliveryState::GivenUp);
    assert!(ended.settled_at.is_some());
    assert!(is_in(&app, "ONE", MessageState::GivenUp).await);
    assert!(again.unwrap_err().to_string().contains("given-up"));
    assert_eq!(registry.received().len(), 1);
    let outcomes = app.store().delivery_outcomes(None, 10).await.unwrap();
    assert_eq!(outcomes.iter().map(|one| one.message).collect::<Vec<_>>(), [id]);
    let last = (outcomes[0].settled_at.unwrap(), id);
    assert_eq!(app.store().delivery_outcomes(Some(last), 10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_version_takes_the_place_of_a_parked_message() {
    let (registry, app) = parked("ONE").await;
    let old = app.message("ONE").await.id;
    let edited = vxu("MENDED", &[]);

    let wrong = resend_edited(app.store(), &app.base_key, old, "rubbish", by("replace")).await;
    let new = resend_edited(app.store(), &app.base_key, old, &edited, by("replace")).await.unwrap();
    app.until("delivered", async || is_in(&app, "MENDED", MessageState::Delivered).await).await;

    assert!(wrong.unwrap_err().to_string().contains("not one message"));
    assert_eq!(app.message("MENDED").await.replaces, Some(old));
    assert!(is_in(&app, "ONE", MessageState::Replaced).await);
    let kept = app.store().message_payload(old, Part::Body).await.unwrap().unwrap();
    assert_eq!(kept, vxu("ONE", &[]).as_bytes(), "the first one stays as it was received");
    assert_eq!(received(&registry), ["ONE", "MENDED"]);
    assert!(app.store().delivery_retry(old, by("retry")).await.is_err(), "it was replaced");
    assert_ne!(new, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sends_again_what_its_filter_means_and_counts_it_before() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "").await;
    let sender = app.test_sender().await;
    for n in 0..12 {
        app.submit(&sender, &vxu(&format!("N-{n}"), &[])).await.hl7();
    }
    let region: RegionCode = "CAIRBA".parse().unwrap();
    let lost = DeliveryFilter {
        states: vec![DeliveryState::Delivered],
        region: Some(region),
        ..DeliveryFilter::default()
    };
    let elsewhere = DeliveryFilter { region: Some("CAIRCV".parse().unwrap()), ..lost.clone() };

    let meant = app.store().delivery_count(lost.clone()).await.unwrap();
    let none = app.store().delivery_count(elsewhere).await.unwrap();
    let sent = app.store().delivery_replay(lost, by("replay"), |_| {}).await.unwrap();
    app.until("sent again", async || registry.received().len() == 24).await;

    assert_eq!((meant, none, sent), (12, 0, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ends_without_a_word_is_an_attempt_of_unknown_outcome() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"\ndelivery_workers = 0").await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    let claim = async |now| {
        let held = vec![(here().0, here().1, 0)];
        let lease = Duration::from_secs(1);
        app.store().delivery_claim("node".to_owned(), now, lease, 10, held).await.unwrap()
    };
    let now = Timestamp::now().plus(Duration::from_secs(1));

    let first = claim(now).await;
    let too_early = claim(now).await;
    let second = claim(now.plus(Duration::from_secs(2))).await;

    assert_eq!((first[0].attempts, first[0].doubtful), (1, 0));
    assert_eq!(too_early.len(), 0, "it is leased");
    assert_eq!((second[0].attempts, second[0].doubtful), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_kept_beside_what_was_received_where_they_differ() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let rewrite = "[regions.CAIRBA.test.rewrite]\n\"MSH-4\" = \"GATEWAY\"\n\"MSH-6\" = \"IIS\"\n";
    let app = TestApp::with(&format!("{}{rewrite}", registry.config("CAIRBA", "test"))).await;
    let sender = app.test_sender().await;
    let hl7 = vxu("ONE", &[]);

    let reply = app.submit(&sender, &hl7).await.hl7();

    let id = app.message("ONE").await.id;
    let part = async |part| app.store().message_payload(id, part).await.unwrap();
    let sent = String::from_utf8(part(Part::Sent).await.unwrap()).unwrap();
    assert_eq!(msa(&reply).0, "AA");
    assert_eq!(part(Part::Body).await.unwrap(), hl7.as_bytes());
    assert!(sent.starts_with("MSH|^~\\&|SAMPLE EHR|GATEWAY||IIS|"), "{sent}");
    assert_eq!(sent.split_once('\r').unwrap().1, hl7.split_once('\r').unwrap().1);
    assert!(registry.received()[0].contains("|GATEWAY||IIS|"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_makes_nothing_be_sent_twice_at_once_and_nothing_be_forgotten() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"\ndelivery_workers = 0").await;
    let sender = app.test_sender().await;
    for n in 0..5 {
        app.submit(&sender, &vxu(&format!("N-{n}"), &[])).await.hl7();
    }
    let hour = Duration::from_hours(1);
    let claim = async |now, free| {
        let held = vec![(here().0, here().1, 0)];
        let lease = Duration::from_mins(1);
        app.store().delivery_claim("node".to_owned(), now, lease, free, held).await.unwrap().len()
    };
    let now = Timestamp::now().plus(Duration::from_secs(1));

    let set_back = claim(now.minus(hour), 100).await;
    let right_again = claim(now, 4).await;
    let set_back_in_a_lease = claim(now.minus(hour), 100).await;
    let set_on = claim(now.plus(hour), 3).await;

    assert_eq!(set_back, 0, "what is not due yet waits until the clock is there again");
    assert_eq!(right_again, 2, "half of the free places for one destination");
    assert_eq!(set_back_in_a_lease, 0);
    assert_eq!(set_on, 2, "no more at once than there are places");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_text_cannot_be_read_waits_for_an_operator_and_blocks_nobody() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = before(&registry, "reply = \"accept\"").await;
    let sender = app.test_sender().await;
    app.store().destination_control(here(), Control::Paused, by("pause")).await.unwrap();
    app.submit(&sender, &same_child("FIRST")).await.hl7();
    app.submit(&sender, &same_child("SECOND")).await.hl7();
    let first = "SELECT min(message_id) FROM payload";
    let damage = format!("UPDATE payload SET body = reply WHERE message_id = ({first})");
    app.database.change(&app.config.data_dir, &damage);

    app.store().destination_control(here(), Control::Running, by("resume")).await.unwrap();
    app.until("passed", async || is_in(&app, "SECOND", MessageState::Delivered).await).await;

    let unreadable = delivery(&app, "FIRST").await;
    assert_eq!(
        (unreadable.state, unreadable.last_class),
        (DeliveryState::Review, Some(FailureClass::Poison))
    );
    assert_eq!(received(&registry), ["SECOND"]);
}
