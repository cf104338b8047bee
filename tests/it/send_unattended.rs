//! `izportal send` when nobody looks: killed at random moments, and watching a folder.
//!
//! `IZPORTAL_SEND_KILLS=50` makes it as many kills; what they left is printed (`cargo test --test it send_unattended --
//! --nocapture`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::send::{Desk, states};
use crate::support::program::{eventually, files_under, terminate};
use crate::support::registry::{Script, ScriptedRegistry, ack};
use crate::support::{TestApp, number_of, vxu};

/// Messages of one run.
const MESSAGES: usize = 200;

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |about| about.len())
}

/// The run of a batch, and its file.
fn batch(desk: &Desk, number: usize) -> (String, PathBuf) {
    let text: String =
        (0..MESSAGES).map(|message| vxu(&format!("K-{number}-{message}"), &[])).collect();
    (format!("run-{number}"), desk.file(&format!("batch-{number}.hl7"), text))
}

/// Begins a run, or goes on with it, and kills it once the journal has grown by so much; false when it ended before.
fn kill_once_grown(desk: &Desk, run: &str, file: &Path, by: u64) -> bool {
    let journal = desk.dir.path().join(run).join("journal.jsonl");
    let target = length(&journal) + by;
    let mut child = desk.start(&["--out", run, "--concurrency", "4", file.to_str().unwrap()]);
    let begun = Instant::now();
    while length(&journal) < target {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{run} does not go on");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

/// How often each message of a run was begun, by its number in the journal.
fn begun(journal: &Path) -> HashMap<u64, usize> {
    let mut begun = HashMap::new();
    for line in std::fs::read_to_string(journal).unwrap().lines().skip(1) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["is"] == "sending" {
            *begun.entry(line["m"].as_u64().unwrap()).or_default() += 1;
        }
    }
    begun
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_every_message_arrives_once_or_is_listed() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"\n").await;
    let sender = app.test_sender().await;
    let account = (sender.username.as_str(), sender.password.as_str(), sender.facility.as_str());
    let desk = Desk::at(&app.endpoint(), app.app.ca.as_deref().unwrap(), account);
    let kills = number_of("IZPORTAL_SEND_KILLS", 8);
    let mut batches = vec![batch(&desk, 0)];
    let mut done = 0;
    while done < kills {
        let (run, file) = batches.last().unwrap().clone();
        let by = rand::random::<u64>() % 50_000;
        let killed = tokio::task::block_in_place(|| kill_once_grown(&desk, &run, &file, by));
        if killed {
            done += 1;
        } else {
            batches.push(batch(&desk, batches.len()));
        }
    }

    let mut listed = 0;
    for (run, file) in &batches {
        let file = file.to_str().unwrap();
        desk.send(&["--out", run, file]).await;
        let journal = desk.dir.path().join(run).join("journal.jsonl");
        assert!(begun(&journal).values().all(|times| *times == 1), "{run}: begun once");
        let left = states(&desk.dir.path().join(run));
        assert_eq!(left.len(), MESSAGES);
        let known = received(&app);
        for (id, state) in &left {
            let times = known.get(id).copied().unwrap_or(0);
            match state.as_str() {
                "accepted" => assert_eq!(times, 1, "{id}"),
                "ambiguous" => assert!(times <= 1, "{id}"),
                other => panic!("{id} is {other}"),
            }
        }
        listed += left.values().filter(|state| *state == "ambiguous").count();
        desk.send(&["--out", run, "--ambiguous", "resend", file]).await.exits(0);
    }

    let known = received(&app);
    assert_eq!(known.len(), MESSAGES * batches.len());
    assert!(known.values().all(|times| *times == 1), "our own gateway knows a repeat");
    println!(
        "{kills} kills, {} messages in {} runs, {listed} listed as ambiguous, none lost, none twice",
        known.len(),
        batches.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_run_stops_and_goes_on_once_there_is_room() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    let text: String = (0..MESSAGES).map(|message| vxu(&format!("F-{message}"), &[])).collect();
    desk.file("a.hl7", text);

    let run = ["--out", "run", "--concurrency", "4", "a.hl7"];
    let stopped = desk.send_on_full_disk(32, &run).await;
    let sent = registry.count();
    let resumed = desk.send(&["--resume", "run", "--ambiguous", "resend"]).await;
    let again = registry.count() - MESSAGES;

    stopped.exits(1);
    let says = stopped.says();
    assert!(says.contains("File too large"), "{says}");
    assert!(says.contains("izportal send --resume run goes on"), "{says}");
    assert!((1..MESSAGES).contains(&sent), "{sent}");
    resumed.exits(0);
    assert!(resumed.states("run").values().all(|state| state == "accepted"));
    assert!(again <= 4, "{again}: what was under way when the disk was full, and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_results_cannot_be_written_says_how_it_goes_on() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    desk.file("a.hl7", vxu("R-1", &[]));
    let results = desk.dir.path().join("run/results.csv");
    std::fs::create_dir_all(results.join("in-the-way")).unwrap();

    let broken = desk.send(&["--out", "run", "a.hl7"]).await;
    std::fs::remove_dir_all(&results).unwrap();
    let resumed = desk.send(&["--resume", "run"]).await;

    broken.exits(1);
    assert!(broken.says().contains("izportal send --resume run goes on"), "{}", broken.says());
    resumed.exits(0);
    assert_eq!(registry.count(), 1, "not sent again");
}

/// How often the Gateway has taken each message.
fn received(app: &TestApp) -> HashMap<String, usize> {
    let mut received = HashMap::new();
    for row in app.database.rows(&app.config.data_dir) {
        *received.entry(row.control_id).or_default() += 1;
    }
    received
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_is_emptied_into_archive_and_problem() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    let outbox = desk.dir.path().join("outbox");
    desk.file("outbox/good.hl7", vxu("G-1", &[]));
    #[cfg(unix)]
    {
        let secret = desk.file("secret.hl7", vxu("SECRET-1", &[]));
        std::os::unix::fs::symlink(secret, outbox.join("link.hl7")).unwrap();
    }
    let in_folder = |name: &str| {
        files_under(&outbox).into_iter().any(|path| path.to_string_lossy().contains(name))
    };

    let mut child = desk.start(&["--watch", "outbox", "--every", "1", "--concurrency", "1"]);
    eventually("it is archived", || in_folder("archive/") && in_folder("/good.hl7")).await;
    registry.then(Script::Ack(ack("AR", "B-1", "")));
    desk.file("outbox/bad.hl7", vxu("B-1", &[]));
    eventually("it is a problem", || in_folder("bad.hl7.reason.txt")).await;
    registry.set_down(true);
    desk.file("outbox/late.hl7", vxu("L-1", &[]));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(outbox.join("late.hl7").exists(), "nobody takes it yet");
    child.kill().unwrap();
    child.wait().unwrap();
    registry.set_down(false);
    let mut again = desk.start(&["--watch", "outbox", "--every", "1"]);
    eventually("it is sent after a restart", || registry.call("L-1").is_some()).await;
    eventually("and archived", || !outbox.join("late.hl7").exists()).await;
    let second = desk.send(&["--watch", "outbox"]).await;
    let code = tokio::task::spawn_blocking(move || terminate(&mut again)).await.unwrap();

    second.exits(2);
    assert_eq!(code, 0);
    assert_eq!(registry.count(), 3);
    assert!(!outbox.join("good.hl7").exists() && !outbox.join("bad.hl7").exists());
    #[cfg(unix)]
    assert!(outbox.join("link.hl7").is_symlink(), "a link is left where it is");
}
