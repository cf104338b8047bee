//! Much at once: what waits after an outage or a restart, nodes that die, many calls under way.
//!
//! Longer forms by environment variable, with their figures printed (`-- --nocapture`): `IZPORTAL_QUEUE=100000`,
//! `IZPORTAL_NODES=5000`.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::backlog::fill;
use crate::support::program::{Installation, eventually};
use crate::support::registry::{Call, Gate, Script, ScriptedRegistry};
use crate::support::{TestApp, msa, number_of, replace_field, vxu};

/// The longest that the service may need in memory while it drains, in KiB.
const MEMORY: u64 = 200 * 1024;

/// When each message began and ended at the registry.
fn by_message(calls: Vec<Call>) -> HashMap<String, Vec<Call>> {
    let mut found: HashMap<String, Vec<Call>> = HashMap::new();
    for call in calls {
        found.entry(call.control_id.clone()).or_default().push(call);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_and_one_messages_of_an_outage_are_delivered_in_order_of_each_patient() {
    const PATIENTS: usize = 91;
    const EACH: usize = 11;
    let registry = ScriptedRegistry::start(Script::Accept);
    let app = TestApp::with(&format!(
        "[gateway]\nreply = \"accept\"\nretry_first_seconds = 1\nretry_longest_seconds = 1\n\
         breaker_cool_down_seconds = 1\nbreaker_longest_seconds = 1\n{}",
        registry.config("CAIRBA", "test")
    ))
    .await;
    let sender = app.test_sender().await;
    registry.set_down(true);

    let of_patient = async |patient: usize| {
        for number in 0..EACH {
            let text = vxu(&format!("P-{patient:02}-{number:02}"), &[]);
            let text = replace_field(&text, "PID", 3, &format!("P-{patient}^^^DE-000001^MR"));
            assert_eq!(msa(&app.submit(&sender, &text).await.hl7()).0, "AA");
        }
    };
    let patients: Vec<usize> = (0..PATIENTS).collect();
    for some in patients.chunks(16) {
        join_all(some.iter().map(|patient| of_patient(*patient))).await;
    }
    let during = registry.count();
    registry.set_down(false);
    let drained = async || app.store().delivery_backlog().await.unwrap().is_empty();
    app.until("all delivered", drained).await;

    assert_eq!(during, 0, "nothing came through");
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for call in registry.calls() {
        order.entry(call.control_id[..4].to_owned()).or_default().push(call.control_id);
    }
    assert_eq!(order.len(), PATIENTS);
    for (patient, received) in order {
        let expected: Vec<_> = (0..EACH).map(|number| format!("{patient}-{number:02}")).collect();
        assert_eq!(received, expected, "each once and in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_is_drained_after_a_restart_in_bounded_memory_while_submissions_are_answered()
{
    let count = number_of("IZPORTAL_QUEUE", 3_000);
    let registry = ScriptedRegistry::start(Script::Accept);
    let to = registry.config("CAIRBA", "test");
    let installation =
        Installation::new(&format!("[gateway]\nreply = \"accept\"\nqueue_bound = 1000000\n{to}"));
    let sender = installation.test_sender();
    fill(&installation, count).await;

    let started = Instant::now();
    let mut served = installation.serve();
    let (mut answered, mut longest) = (0, Duration::ZERO);
    while registry.count() < count {
        let asked = Instant::now();
        let reply = served.submit(&sender, &vxu(&format!("D-{answered}"), &[])).await;
        assert_eq!(msa(&reply.hl7()).0, "AA");
        longest = longest.max(asked.elapsed());
        answered += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let drained = started.elapsed();
    let data = installation.data_dir();
    eventually("all settled", || installation.database.queued(&data) == 0).await;
    let memory = served.status("VmHWM");
    assert_eq!(served.terminate(), 0);

    let calls = registry.calls();
    let first = calls[0].began - started;
    println!(
        "{count} queued: first delivery after {:.2} s, drained in {:.1} s ({}/s), peak {} MiB, \
         {answered} submissions answered meanwhile, the slowest in {} ms",
        first.as_secs_f64(),
        drained.as_secs_f64(),
        count * 1_000 / usize::try_from(drained.as_millis()).unwrap(),
        memory / 1024,
        longest.as_millis()
    );
    assert!(first < Duration::from_secs(10), "{first:?}");
    assert!(memory < MEMORY, "{memory} KiB");
    let received = by_message(calls);
    assert_eq!(received.len(), count + answered);
    assert!(received.values().all(|calls| calls.len() == 1), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_fifty_calls_are_under_way_without_a_thread_each() {
    let gate = Gate::shut();
    let registry = ScriptedRegistry::start(Script::Behind(gate.clone(), Box::new(Script::Accept)));
    // One registry gets half of the places.
    let to = registry.config("CAIRBA", "test");
    let installation = Installation::new(&format!("[gateway]\ndelivery_workers = 300\n{to}"));
    installation.test_sender();
    fill(&installation, 160).await;

    let mut served = installation.serve();
    eventually("they are under way", || registry.count() >= 150).await;
    let (threads, memory) = (served.status("Threads"), served.status("VmHWM"));
    gate.open();
    let data = installation.data_dir();
    eventually("all settled", || installation.database.queued(&data) == 0).await;

    println!("150 calls under way: {threads} threads, peak {} MiB", memory / 1024);
    assert!(threads < 40, "{threads} threads");
    assert_eq!(registry.count(), 160);
    assert_eq!(served.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_nodes_one_after_another_is_killed_and_no_message_is_lost_or_under_way_twice() {
    const PLACES: usize = 8;
    let count = number_of("IZPORTAL_NODES", 600);
    let kills = (count / 200).clamp(3, 20);
    let answer = Script::After(Duration::from_millis(30), Box::new(Script::Accept));
    let registry = ScriptedRegistry::start(answer);
    let to = registry.config("CAIRBA", "test");
    let installation = Installation::new(&format!(
        "[gateway]\ndelivery_workers = {PLACES}\nsend_timeout_seconds = 1\ndoubtful_attempts = 100\n{to}"
    ));
    if !installation.database.is_postgres() {
        return; // an embedded database has one gateway
    }
    installation.test_sender();
    fill(&installation, count).await;

    let mut nodes: Vec<_> = (0..3).map(|_| installation.serve()).collect();
    let mut killed = vec![];
    for kill in 1..=kills {
        let enough = count * kill / (kills + 1);
        eventually("more was delivered", || registry.count() >= enough).await;
        nodes[kill % 3].kill();
        killed.push(Instant::now());
        nodes[kill % 3] = installation.serve();
    }
    let data = installation.data_dir();
    eventually("all settled", || installation.database.queued(&data) == 0).await;

    let rows = installation.database.rows(&data);
    let received = by_message(registry.calls());
    let mut duplicates = 0;
    for (id, calls) in &received {
        duplicates += calls.len() - 1;
        for pair in calls.windows(2) {
            let ended = pair[0].ended.unwrap();
            assert!(ended < pair[1].began, "{id} was under way twice at one time");
            let lost = killed.iter().any(|kill| pair[0].began < *kill && *kill < pair[1].began);
            assert!(lost, "{id} came again and no node had died");
        }
    }
    let doubtful: i64 = rows.iter().map(|row| row.doubtful).sum();
    println!(
        "{count} messages, 3 nodes, {kills} kills: {} received, {duplicates} of them twice, \
         {doubtful} leases ended with their node",
        received.len()
    );
    assert_eq!((rows.len(), received.len()), (count, count));
    for row in &rows {
        let id = &row.control_id;
        assert_eq!(row.state, "delivered", "{id}");
        // The registry never fails: each attempt before the last one ended with its node.
        assert_eq!(row.attempts, row.doubtful + 1, "{id}");
        let calls = i64::try_from(received[id].len()).unwrap();
        assert!(calls <= row.attempts, "{id} was sent {calls} times in {} attempts", row.attempts);
    }
    let lost = usize::try_from(doubtful).unwrap();
    assert!(duplicates <= lost && lost <= kills * PLACES, "{duplicates}, {lost}");
}
