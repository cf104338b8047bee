//! The service is killed with SIGKILL at each point where something becomes durable, and at random under load.
//!
//! After each restart nothing that was acknowledged is missing; a message comes to its registry again only after a kill;
//! in the end every message is in one final state. `IZPORTAL_KILLS=200` makes it as many kills; their summary is printed
//! (`cargo test --test it crash -- --nocapture`).
//!
//! Exact points are reached by holding what comes next: the tables, the line to the registry, the registry's answer.
//! Between commit and ACK, and between two steps of the same transaction, only chance gets there. What a kill really hit is
//! told afterwards by what was found, and counted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::program::{Installation, Served, submit};
use crate::support::registry::{Call, Gate, Script, ScriptedRegistry};
use crate::support::{Row, Sender, TestDatabase, msa, number_of, vxu};

/// Kills in the normal run: each exact point once, three at random under each reply policy.
const KILLS: usize = 10;

/// Senders of a random life, and deliveries at one time under `relay`.
const SENDERS: usize = 8;

/// When a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    /// The sender has sent all of it; the tables are held, so nothing is inserted.
    Read,
    /// The message is durable and its delivery begun; the line to the registry is held, the sender waits.
    Inserted,
    /// The registry has the message and holds its answer; the sender waits.
    Sent,
    /// The registry has answered; the tables are held, so the outcome is not written.
    Answered,
    /// At random; senders are answered at once, and one delivery is under way at one time.
    Queueing,
    /// At random; senders wait for the registry.
    Relaying,
}

const EXACT: [Point; 4] = [Point::Read, Point::Inserted, Point::Sent, Point::Answered];

/// What a kill hit, as far as one message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Hit {
    NotInserted,
    InsertedNotAcknowledged,
    ClaimedNotSent,
    SentNotAnswered,
    AnsweredNotSettled,
    SettledNotAcknowledged,
}

/// A line to the registry that can be held: then it takes connections and passes nothing on.
struct Line {
    address: SocketAddr,
    held: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
}

impl Line {
    async fn to(registry: &ScriptedRegistry) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let far = registry.url["https://".len()..].trim_end_matches("/IISService").to_owned();
        let (held, waiting) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
        let (hold, count) = (held.subscribe(), Arc::clone(&waiting));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (far, mut hold, count) = (far.clone(), hold.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = hold.wait_for(|held| !*held).await; // an error: the test is over
                    count.fetch_sub(1, Ordering::Relaxed);
                    let mut far = TcpStream::connect(far).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await; // either side may hang up
                });
            }
        });
        Self { address, held, waiting }
    }

    fn config(&self, registry: &ScriptedRegistry) -> String {
        let port = registry.url["https://".len()..].trim_end_matches("/IISService").to_owned();
        registry.config("CAIRBA", "test").replace(&port, &self.address.to_string())
    }
}

struct Harness {
    installation: Installation,
    sender: Sender,
    registry: ScriptedRegistry,
    line: Line,
    acknowledged: HashSet<String>,
    /// Attempts that earlier kills ended, so that their leases are not counted again.
    ended: HashSet<(String, i64)>,
    kills: Vec<(Point, Instant)>,
    /// Kills that hit a class, and the messages that were in it.
    hits: BTreeMap<(Point, Hit), (usize, usize)>,
}

impl Harness {
    async fn new() -> Self {
        let installation = Installation::new("");
        let sender = installation.test_sender();
        // It takes its time, or no kill at random would ever find it at work.
        let answer = Script::After(Duration::from_millis(5), Box::new(Script::Accept));
        let registry = ScriptedRegistry::start(answer);
        let line = Line::to(&registry).await;
        Self {
            installation,
            sender,
            registry,
            line,
            acknowledged: HashSet::new(),
            ended: HashSet::new(),
            kills: vec![],
            hits: BTreeMap::new(),
        }
    }

    fn configure(&self, reply: &str, workers: usize) {
        let to = self.line.config(&self.registry);
        self.installation.configure(&format!(
            "[gateway]\nreply = \"{reply}\"\ndelivery_workers = {workers}\nsend_timeout_seconds = 2\n\
             retry_first_seconds = 1\nretry_longest_seconds = 1\nbreaker_failures = 1000000\n{to}"
        ));
    }

    fn database(&self) -> &TestDatabase {
        &self.installation.database
    }

    fn rows(&self) -> Vec<Row> {
        self.database().rows(&self.installation.data_dir())
    }

    /// One life of the service, to its end at a point.
    async fn live(&mut self, point: Point) {
        // One at a time from the queue, so that a kill finds at most one under way; the relays of exact points besides.
        match point {
            Point::Queueing => self.configure("accept", 2),
            _ => self.configure("relay", 2),
        }
        let number = self.kills.len();
        let mut life = Life::begin(self, point, number);
        self.check_nothing_is_missing();
        life.reach(self, point).await;
        life.served.kill();
        self.kills.push((point, Instant::now()));
        let (sent, acknowledged) = life.end(self).await;
        self.acknowledged.extend(acknowledged);
        self.classify(point, &sent);
    }

    /// What senders heard is in the tables.
    fn check_nothing_is_missing(&self) {
        let known: HashSet<String> = self.rows().into_iter().map(|row| row.control_id).collect();
        let missing: Vec<_> = self.acknowledged.difference(&known).collect();
        assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    }

    /// Counts what the last kill hit.
    fn classify(&mut self, point: Point, sent: &HashSet<String>) {
        let left = self.database().rows_left(&self.installation.data_dir());
        let began = self.kills.iter().rev().nth(1).map(|(_, at)| *at);
        // A call whose caller has died may go on at the registry.
        let killed = self.kills.last().unwrap().1;
        let calls: HashMap<String, Call> = self
            .registry
            .calls()
            .into_iter()
            .filter(|call| began.is_none_or(|began| call.began > began))
            .map(|call| (call.control_id.clone(), call))
            .collect();
        let mut found: Vec<Hit> = vec![];
        let mut inserted = HashSet::new();
        for row in &left {
            inserted.insert(row.control_id.as_str());
            let heard = self.acknowledged.contains(&row.control_id);
            let is_ours = sent.contains(&row.control_id);
            if is_ours && !heard {
                found.push(Hit::InsertedNotAcknowledged);
                if row.state != "queued" {
                    found.push(Hit::SettledNotAcknowledged);
                }
            }
            let leased = row.state == "queued" && row.lease_owner.is_some();
            if leased && self.ended.insert((row.control_id.clone(), row.attempts)) {
                found.push(match calls.get(&row.control_id) {
                    None => Hit::ClaimedNotSent,
                    Some(call) if call.answered && call.ended.is_some_and(|at| at < killed) => {
                        Hit::AnsweredNotSettled
                    }
                    Some(_) => Hit::SentNotAnswered,
                });
            }
        }
        let lost = sent.iter().filter(|id| !inserted.contains(id.as_str()));
        found.extend(lost.map(|_| Hit::NotInserted));
        let hit = |hit| found.contains(&hit);
        match point {
            Point::Read => assert!(hit(Hit::NotInserted), "{found:?}"),
            Point::Inserted => {
                assert!(hit(Hit::InsertedNotAcknowledged) && hit(Hit::ClaimedNotSent), "{found:?}");
            }
            Point::Sent => assert!(hit(Hit::SentNotAnswered), "{found:?}"),
            Point::Answered => assert!(hit(Hit::AnsweredNotSettled), "{found:?}"),
            Point::Queueing | Point::Relaying => {}
        }
        for one in found.iter().collect::<HashSet<_>>() {
            let messages = found.iter().filter(|other| *other == one).count();
            let (kills, all) = self.hits.entry((point, *one)).or_default();
            (*kills, *all) = (*kills + 1, *all + messages);
        }
    }

    /// Lets a last service deliver everything; gives how often the registry received each message.
    async fn finish(&self) -> HashMap<String, Vec<Call>> {
        self.configure("accept", 64);
        let mut served = self.installation.serve();
        self.check_nothing_is_missing();
        let mut waiting = i32::MAX;
        let mut moved = Instant::now();
        while waiting > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.database().queued(&self.installation.data_dir());
            if now < waiting {
                (waiting, moved) = (now, Instant::now());
            }
            // A lease of a killed node of PostgreSQL ends 17 seconds after its claim.
            assert!(moved.elapsed() < Duration::from_secs(40), "{waiting} are never delivered");
        }
        assert_eq!(served.terminate(), 0);
        let mut received: HashMap<String, Vec<Call>> = HashMap::new();
        for call in self.registry.calls() {
            received.entry(call.control_id.clone()).or_default().push(call);
        }
        received
    }
}

/// One life of the service, with its senders.
struct Life {
    served: Served,
    senders: JoinSet<(HashSet<String>, HashSet<String>)>,
    gate: Gate,
    /// The message of an exact point.
    id: String,
}

impl Life {
    fn begin(harness: &Harness, point: Point, number: usize) -> Self {
        let gate = Gate::shut();
        let holds_line = point == Point::Inserted;
        harness.line.held.send_replace(holds_line);
        let served = harness.installation.serve();
        Self { served, senders: JoinSet::new(), gate, id: format!("K-{number}-0-0") }
    }

    /// Runs until the point is reached.
    async fn reach(&mut self, harness: &Harness, point: Point) {
        let number = harness.kills.len();
        let before = harness.registry.count();
        let holds = || Script::Behind(self.gate.clone(), Box::new(Script::Accept));
        match point {
            Point::Read => {
                let blockade = harness.database().block(&harness.installation.data_dir());
                self.senders(harness, number, 1);
                tokio::time::sleep(Duration::from_millis(150)).await;
                self.served.kill();
                drop(blockade);
            }
            Point::Inserted => {
                self.senders(harness, number, 1);
                // A moment later the others that wait hold their connections, too.
                let in_line = || harness.line.waiting.load(Ordering::Relaxed) > 0;
                until("a call is in the line", in_line).await;
                let inserted = || harness.rows().iter().any(|row| row.control_id == self.id);
                until("it is inserted", inserted).await;
            }
            Point::Sent | Point::Answered => {
                let idle = || harness.database().queued(&harness.installation.data_dir()) == 0;
                if !harness.database().is_postgres() {
                    until("nothing else waits", idle).await;
                }
                // On PostgreSQL leases of earlier lives may end just now, so one is not enough.
                harness.registry.forget();
                (0..SENDERS).for_each(|_| harness.registry.then(holds()));
                self.senders(harness, number, 1);
                let call = || harness.registry.call(&self.id);
                until("the registry has it", || call().is_some()).await;
                if point == Point::Answered {
                    let blockade = harness.database().block(&harness.installation.data_dir());
                    self.gate.open();
                    until("answered", || call().is_some_and(|call| call.answered)).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    self.served.kill();
                    drop(blockade);
                }
            }
            Point::Queueing | Point::Relaying => {
                harness.registry.forget();
                self.senders(harness, number, SENDERS);
                let enough = || harness.registry.count() > before;
                until("something was delivered", enough).await;
                let wait = Duration::from_micros(rand::random_range(0..300_000));
                // Finer than the runtime's clock.
                tokio::task::spawn_blocking(move || std::thread::sleep(wait)).await.unwrap();
            }
        }
    }

    /// Starts senders that submit until the service is gone.
    fn senders(&mut self, harness: &Harness, life: usize, count: usize) {
        for number in 0..count {
            let (http, endpoint) = (self.served.http.clone(), self.served.endpoint.clone());
            let sender = harness.sender.clone();
            self.senders.spawn(async move {
                let (mut sent, mut acknowledged) = (HashSet::new(), HashSet::new());
                for n in 0.. {
                    let id = format!("K-{life}-{number}-{n}");
                    sent.insert(id.clone());
                    let Ok(answer) = submit(&http, &endpoint, &sender, &vxu(&id, &[])).await else {
                        break;
                    };
                    assert_eq!(msa(&answer.hl7()), ("AA".to_owned(), id.clone()));
                    acknowledged.insert(id);
                }
                (sent, acknowledged)
            });
        }
    }

    /// After the kill: what was sent, and what of it was acknowledged.
    async fn end(self, harness: &Harness) -> (HashSet<String>, HashSet<String>) {
        self.gate.open();
        harness.line.held.send_replace(false);
        let (mut sent, mut acknowledged) = (HashSet::new(), HashSet::new());
        for (ids, heard) in self.senders.join_all().await {
            sent.extend(ids);
            acknowledged.extend(heard);
        }
        (sent, acknowledged)
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "not in 30 seconds: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_at_any_point_loses_nothing_and_repeats_only_what_was_under_way() {
    let count = number_of("IZPORTAL_KILLS", KILLS);
    let mut harness = Harness::new().await;

    let rounds = EXACT.into_iter().chain([Point::Queueing, Point::Relaying].repeat(3));
    for point in rounds.cycle().take(count) {
        harness.live(point).await;
    }
    let received = harness.finish().await;

    let (mut duplicates, mut of_relays) = (0, 0);
    for (id, calls) in &received {
        for pair in calls.windows(2) {
            let kill = harness.kills.iter().find(|(_, at)| pair[0].began < *at);
            let between = kill.filter(|(_, at)| *at < pair[1].began);
            let (point, _) =
                between.unwrap_or_else(|| panic!("{id} came again, and no kill between"));
            duplicates += 1;
            of_relays += usize::from(*point == Point::Relaying);
        }
    }
    let relaying = harness.kills.iter().filter(|(point, _)| *point == Point::Relaying).count();
    let rows = harness.rows();
    let states: BTreeMap<&str, usize> = rows.iter().fold(BTreeMap::new(), |mut states, row| {
        *states.entry(row.state.as_str()).or_default() += 1;
        states
    });
    let missing: Vec<_> =
        harness.acknowledged.iter().filter(|id| !received.contains_key(*id)).collect();
    println!(
        "kills {}, acknowledged {}, missing {}, received {}, duplicates {duplicates} (of them {of_relays} by {relaying} kills with {SENDERS} senders in relay), final states {states:?}",
        harness.kills.len(),
        harness.acknowledged.len(),
        missing.len(),
        received.len()
    );
    for ((point, hit), (kills, messages)) in &harness.hits {
        println!("{point:?}: {hit:?} by {kills} kills, {messages} messages");
    }
    assert!(duplicates - of_relays <= count - relaying, "one under way, one repeated");
    assert!(of_relays <= relaying * (SENDERS + 1), "as many as were under way");
    assert!(missing.is_empty(), "acknowledged and never received: {missing:?}");
    assert_eq!(states.get("delivered").copied(), Some(rows.len()), "{states:?}");
    assert!(rows.iter().all(|row| received.contains_key(&row.control_id)));
}
