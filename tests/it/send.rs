//! Many messages sent by the real binary: every form of input, what became of each message, going on after a stop.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{error_text, eventually, exit_code, output_text, program, terminate};
use crate::support::registry::{Gate, Script, ScriptedRegistry, ack};
use crate::support::{TestApp, vxu};

/// What a test sends with, and the folder that it sends from.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    arguments: Vec<String>,
}

impl Desk {
    /// Somebody with an account at an endpoint whose authority is in a file.
    pub(crate) fn at(
        url: &str,
        ca: &Path,
        (username, password, facility): (&str, &str, &str),
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let arguments = ["--url", url, "--username", username, "--facility", facility]
            .map(str::to_owned)
            .into_iter()
            .chain(["--password-file".to_owned(), text(&file), "--ca".to_owned(), text(ca)])
            .collect();
        Self { dir, arguments }
    }

    /// Somebody with an account at a scripted registry.
    pub(crate) fn with(registry: &ScriptedRegistry) -> Self {
        let dir = TempDir::new().unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, registry.ca()).unwrap();
        let desk = Self::at(&registry.url, &ca, ("HIE", "the-password-of-the-test", "F"));
        std::fs::copy(&ca, desk.dir.path().join("ca.pem")).unwrap();
        let ca = desk.dir.path().join("ca.pem").to_str().unwrap().to_owned();
        let mut arguments = desk.arguments;
        *arguments.last_mut().unwrap() = ca;
        Self { dir: desk.dir, arguments }
    }

    /// The same account with other waits.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.env_remove("IZPORTAL_PASSWORD").current_dir(self.dir.path()).arg("send");
        command.args(&self.arguments).args(["--first-wait", "50"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `send` to its end without holding up whoever it sends to.
    pub(crate) async fn send(&self, arguments: &[&str]) -> Sent {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        self.sent(output)
    }

    /// The same where no file can grow beyond so many blocks of 512 bytes, as on a disk that is full by then.
    pub(crate) async fn send_on_full_disk(&self, blocks: u32, arguments: &[&str]) -> Sent {
        let own = self.command(arguments);
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited]).arg(own.get_program()).args(own.get_args());
        command.env_remove("IZPORTAL_PASSWORD").current_dir(self.dir.path()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        self.sent(output)
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) async fn end(&self, child: Child) -> Sent {
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await;
        self.sent(output.unwrap())
    }

    fn sent(&self, output: Output) -> Sent {
        Sent { output, dir: self.dir.path().to_owned() }
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// How a run ended.
pub(crate) struct Sent {
    output: Output,
    dir: PathBuf,
}

impl Sent {
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        let (out, error) = (output_text(&self.output), error_text(&self.output));
        assert_eq!(exit_code(&self.output), code, "{out}\n{error}");
        self
    }

    pub(crate) fn says(&self) -> String {
        output_text(&self.output) + &error_text(&self.output)
    }

    /// MSH-10 and state of each message of the run in a folder.
    pub(crate) fn states(&self, folder: &str) -> BTreeMap<String, String> {
        states(&self.dir.join(folder))
    }
}

/// MSH-10 and state of each message of a run.
pub(crate) fn states(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join("results.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter().map(|row| (word(row, "control_id"), word(row, "state"))).collect()
}

fn is(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

/// Messages of different patients in one text.
fn file_of(ids: &[&str]) -> String {
    ids.iter().map(|id| vxu(id, &[])).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_input_reaches_our_own_gateway_once() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let account = (sender.username.as_str(), sender.password.as_str(), sender.facility.as_str());
    let desk = Desk::at(&app.endpoint(), app.app.ca.as_deref().unwrap(), account);
    desk.file("in/one.hl7", vxu("S-1", &[]).replace('\r', "\n"));
    let batch = format!("FHS|^~\\&\rBHS|^~\\&\r{}BTS|2\rFTS|1\r", file_of(&["S-2", "S-3"]));
    desk.file("in/deep/batch.txt", batch);
    let mut archive =
        zip::ZipWriter::new(std::fs::File::create(desk.dir.path().join("in/z.zip")).unwrap());
    archive.start_file("inner.hl7", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(vxu("S-4", &[]).as_bytes()).unwrap();
    archive.finish().unwrap();
    desk.file("more/a1.hl7", file_of(&["S-5", "S-1"]));

    let sent = desk.send(&["--out", "run", "in", "more/*.hl7"]).await;

    sent.exits(0);
    let accepted = ["S-1", "S-2", "S-3", "S-4", "S-5"].map(|id| (id, "accepted"));
    assert_eq!(sent.states("run"), is(&accepted));
    assert!(sent.says().contains("1  byte for byte"), "{}", sent.says());
    let held = app.registry("CAIRBA").await;
    assert_eq!(held.len(), 5);
    for (id, _) in accepted {
        let acks = read(desk.dir.path().join("run/acks/0000001-0001000.hl7"));
        assert!(acks.contains(&format!("MSA|AA|{id}")), "{id} in {acks}");
    }
    let journal = read(desk.dir.path().join("run/journal.jsonl"));
    assert!(!journal.contains("Sampleperson") && !journal.contains(&sender.password), "{journal}");
    assert!(!journal.contains(&sender.username), "{journal}");
    assert!(read(desk.dir.path().join("run/sites.csv")).contains("DE-000001,DE-000001,5,5,0"));

    // A run that is over has nothing left to do.
    desk.send(&["--resume", "run"]).await.exits(0);
    assert_eq!(app.registry("CAIRBA").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_and_soap_1_1_are_taken_as_well() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let account = (sender.username.as_str(), sender.password.as_str(), sender.facility.as_str());
    let desk = Desk::at(&app.endpoint(), app.app.ca.as_deref().unwrap(), account);

    let mut command = desk.command(&["--soap", "1.1", "--out", "run", "--json", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(file_of(&["P-1", "P-2"]).as_bytes()).unwrap();
    let sent = desk.end(child).await;

    sent.exits(0);
    let said: Value = serde_json::from_slice(&sent.output.stdout).unwrap();
    assert_eq!((&said["messages"], &said["states"]["accepted"]), (&2.into(), &2.into()));
    assert_eq!(app.registry("CAIRBA").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_a_state_and_what_is_refused_lies_in_the_problem_folder() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    let file = desk.file("a.hl7", file_of(&["A-1", "A-2", "A-3", "A-4", "A-5"]));
    let hostile = "ERR||PID^1^5|101^Required^HL70357|E||||\u{9b}2J\u{202e}reversed Sampleperson\r";
    registry.then(Script::Accept);
    registry.then(Script::Ack(ack("AE", "A-2", "ERR||PID^1^8|102^x^HL70357|W\r")));
    registry.then(Script::Ack(ack("AE", "A-3", hostile)));
    registry.then(Script::Ack(ack("AR", "A-4", "")));
    registry.then(Script::Raw(413, "text/plain", String::new()));

    let sent = desk.send(&["--out", "run", "--concurrency", "1", file.to_str().unwrap()]).await;

    sent.exits(1);
    let expected = [
        ("A-1", "accepted"),
        ("A-2", "accepted-with-warnings"),
        ("A-3", "refused"),
        ("A-4", "refused"),
        ("A-5", "unsendable"),
    ];
    assert_eq!(sent.states("run"), is(&expected));
    let reason = read(desk.dir.path().join("run/problem/0000003-A-3.reason.txt"));
    assert!(
        reason.contains("message 3 of ") && reason.contains("reversed Sampleperson"),
        "{reason}"
    );
    assert!(!reason.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{reason}");
    assert!(read(desk.dir.path().join("run/problem/0000003-A-3.hl7")).contains("|A-3|"));
    assert!(sent.says().contains("1  101 E PID-5") && !sent.says().contains("reversed"));
    let journal = read(desk.dir.path().join("run/journal.jsonl"));
    assert!(journal.contains("101 E PID-5") && !journal.contains("Sampleperson"), "{journal}");
    desk.send(&["--resume", "run"]).await.exits(1);
    assert_eq!(registry.count(), 5, "an answer is final");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |name: &str| {
            std::fs::metadata(desk.dir.path().join("run").join(name)).unwrap().permissions().mode()
                & 0o777
        };
        assert_eq!((mode(""), mode("acks"), mode("journal.jsonl")), (0o700, 0o700, 0o600));
        assert_eq!((mode("acks/0000001-0001000.hl7"), mode("results.csv")), (0o600, 0o600));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_have_arrived_is_sent_again_and_what_may_have_is_held() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    let file = desk.file("a.hl7", file_of(&["R-1", "R-2", "R-3"]));
    registry.then(Script::Raw(503, "text/plain", String::new()));
    registry.then(Script::Raw(429, "text/plain", String::new()));
    registry.then(Script::Accept);
    registry.then(Script::Raw(500, "text/html", "<html>".to_owned()));

    let sent = desk.send(&["--out", "run", "--concurrency", "1", file.to_str().unwrap()]).await;

    sent.exits(1);
    let held = [("R-1", "accepted"), ("R-2", "accepted"), ("R-3", "accepted")];
    let states = sent.states("run");
    let ambiguous: Vec<_> = states.iter().filter(|(_, state)| *state == "ambiguous").collect();
    assert_eq!((states.len(), ambiguous.len()), (3, 1), "{states:?}");
    assert!(sent.says().contains("--ambiguous resend"), "{}", sent.says());
    let calls = registry.count();
    desk.send(&["--resume", "run"]).await.exits(1);
    assert_eq!(registry.count(), calls, "held");
    let again = desk.send(&["--resume", "run", "--ambiguous", "resend"]).await;
    again.exits(0);
    assert_eq!((again.states("run"), registry.count()), (is(&held), calls + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_patient_go_one_after_another_and_others_go_on() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    let gate = Gate::shut();
    let first = vxu("O-1", &[]);
    let patient = first.split("INV-").nth(1).unwrap().split('^').next().unwrap().to_owned();
    let same = |id: &str| {
        let text = vxu(id, &[]);
        let own = text.split("INV-").nth(1).unwrap().split('^').next().unwrap().to_owned();
        text.replace(&format!("INV-{own}"), &format!("INV-{patient}"))
    };
    desk.file("a.hl7", [first.clone(), same("O-2"), same("O-3"), vxu("O-4", &[])].concat());
    // Either of the two patients may arrive first.
    for _ in 0..2 {
        registry.then(Script::Behind(gate.clone(), Box::new(Script::Accept)));
    }

    let child = desk.start(&["--out", "run", "a.hl7"]);
    let both = || registry.call("O-1").is_some() && registry.call("O-4").is_some();
    eventually("one message of each patient is under way", both).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let meanwhile = registry.count();
    gate.open();
    desk.end(child).await.exits(0);

    assert_eq!(meanwhile, 2, "O-1 and O-4");
    let order: Vec<String> = registry.calls().into_iter().map(|call| call.control_id).collect();
    let of_patient: Vec<&String> = order.iter().filter(|id| *id != "O-4").collect();
    assert_eq!(of_patient, ["O-1", "O-2", "O-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_when_nobody_takes_anything_and_goes_on_later() {
    let registry = ScriptedRegistry::start(Script::Raw(503, "text/plain", String::new()));
    let desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["C-1", "C-2", "C-3", "C-4"]));

    let stopped = desk.send(&["--out", "run", "--stop-after", "3", "a.hl7"]).await;
    let again = ScriptedRegistry::start(Script::Accept);
    let other = Desk::with(&again);
    let elsewhere = other.send(&["--resume", desk.dir.path().join("run").to_str().unwrap()]).await;

    stopped.exits(3);
    assert!(stopped.says().contains("nobody took a message"), "{}", stopped.says());
    assert!(stopped.says().contains("--resume run goes on"), "{}", stopped.says());
    assert_eq!(stopped.states("run").values().filter(|state| *state == "waiting").count(), 4);
    elsewhere.exits(2);
    assert!(elsewhere.says().contains("was begun with --url"), "{}", elsewhere.says());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_stop_the_run_at_once_and_are_told_without_the_password() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let account =
        (sender.username.as_str(), "a-wrong-password-of-the-test", sender.facility.as_str());
    let desk = Desk::at(&app.endpoint(), app.app.ca.as_deref().unwrap(), account);
    let ids: Vec<String> = (0..50).map(|number| format!("W-{number}")).collect();
    desk.file("a.hl7", file_of(&ids.iter().map(String::as_str).collect::<Vec<_>>()));

    let sent = desk.send(&["--out", "run", "--concurrency", "2", "a.hl7"]).await;

    sent.exits(1);
    assert!(
        sent.says().contains("check --username, the password and --facility"),
        "{}",
        sent.says()
    );
    assert!(!sent.says().contains("a-wrong-password"));
    let states = sent.states("run");
    assert!(states.values().all(|state| state == "waiting"), "{states:?}");
    assert!(app.registry("CAIRBA").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_gateway_is_not_followed_and_fills_no_memory() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["H-1", "H-2", "H-3", "H-4"]));
    let long = format!("{}ZZZ|{}\r", ack("AA", "H-1", ""), "x".repeat(9 << 20));
    registry.then(Script::Ack(long));
    registry.then(Script::Ack(format!("{}{}", ack("AA", "H-2", ""), ack("AA", "H-2", ""))));
    registry.then(Script::Ack(ack("AA", "OTHER", "")));
    registry.then(Script::Raw(302, "text/html", String::new()));

    let sent = desk.send(&["--out", "run", "--concurrency", "1", "a.hl7"]).await;

    sent.exits(1);
    let expected =
        [("H-1", "ambiguous"), ("H-2", "ambiguous"), ("H-3", "ambiguous"), ("H-4", "waiting")];
    assert_eq!(sent.states("run"), is(&expected));
    assert!(sent.says().contains("HTTP 302; check --url"), "{}", sent.says());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_command_line_is_told_before_anything_is_sent() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["U-1"]));
    for (arguments, says) in [
        (&["nowhere.hl7"][..], "nowhere.hl7"),
        (&["x*.hl7"], "no file is named so"),
        (&["--window", "25:00-01:00", "a.hl7"], "20:00-05:00"),
        (&["--resume", "nothing"], "no run in nothing"),
        (&["--concurrency", "0", "a.hl7"], "0"),
        (&["--settings", "none.toml", "a.hl7"], "none.toml"),
    ] {
        let sent = desk.send(arguments).await;
        sent.exits(2);
        assert!(sent.says().contains(says), "{arguments:?}: {}", sent.says());
    }
    let mut command = program();
    command.env_remove("IZPORTAL_PASSWORD").current_dir(desk.dir.path()).stdin(Stdio::null());
    command.args(["send", "--url", &registry.url, "--username", "x", "--facility", "F", "a.hl7"]);
    let without = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(exit_code(&without), 2);
    assert!(error_text(&without).contains("--password-file"), "{}", error_text(&without));
    assert_eq!(registry.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_is_ends_with_3_and_leaves_no_folder() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let mut desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["N-1"]));
    desk.arguments[1] = format!("https://{}/IISService", crate::support::free_address());
    let nobody = desk.send(&["--out", "run", "a.hl7"]).await;
    desk.arguments[1].clone_from(&registry.url);
    let trust = desk.arguments.len() - 2;
    desk.arguments.truncate(trust);
    let stranger = desk.send(&["--out", "run", "a.hl7"]).await;

    nobody.exits(3);
    assert!(nobody.says().contains("it was refused. Nothing was sent"), "{}", nobody.says());
    stranger.exits(3);
    assert!(stranger.says().contains("--ca FILE"), "{}", stranger.says());
    assert!(!desk.dir.path().join("run").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_do_not_share_a_folder_and_a_stop_waits_for_what_is_under_way() {
    let gate = Gate::shut();
    let registry = ScriptedRegistry::start(Script::Behind(gate.clone(), Box::new(Script::Accept)));
    let desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["D-1", "D-2", "D-3"]));

    let mut child = desk.start(&["--out", "run", "--concurrency", "1", "a.hl7"]);
    eventually("the first is under way", || registry.count() == 1).await;
    let second = desk.send(&["--out", "run", "a.hl7"]).await;
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(child.try_wait().unwrap().is_none(), "it waits for the answer");
    gate.open();
    let stopped = desk.end(child).await;
    let resumed = desk.send(&["--resume", "run"]).await;

    second.exits(1);
    assert!(second.says().contains("in use by another izportal send"), "{}", second.says());
    stopped.exits(1);
    assert_eq!(stopped.states("run").get("D-1").map(String::as_str), Some("accepted"));
    resumed.exits(0);
    assert_eq!(registry.count(), 3, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_the_window_is_shut() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["T-1"]));
    let at = |hours: i64| {
        let now = chrono::Local::now() + chrono::TimeDelta::hours(hours);
        now.format("%H:%M").to_string()
    };
    let shut = format!("{}-{}", at(2), at(4));
    let open = format!("{}-{}", at(-1), at(1));

    let mut waiting = desk.start(&["--out", "run", "--window", &shut, "a.hl7"]);
    eventually("it has begun", || desk.dir.path().join("run/journal.jsonl").exists()).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(registry.count(), 0);
    let code = tokio::task::spawn_blocking(move || terminate(&mut waiting)).await.unwrap();
    let sent = desk.send(&["--resume", "run", "--window", &open]).await;

    assert_eq!(code, 1);
    sent.exits(0);
    assert_eq!(registry.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_with_errors_are_kept_back_when_they_are_checked_first() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    let bad = vxu("V-2", &[("20250115", "20350199")]);
    desk.file("a.hl7", vxu("V-1", &[]) + &bad);

    let warned = desk.send(&["--out", "warn", "--validate", "warn", "a.hl7"]).await;
    let refused = desk.send(&["--out", "refuse", "--validate", "refuse", "a.hl7"]).await;

    warned.exits(0);
    assert!(warned.says().contains("Found by our own check"), "{}", warned.says());
    refused.exits(1);
    assert_eq!(refused.states("refuse"), is(&[("V-1", "accepted"), ("V-2", "invalid")]));
    let reason = read(desk.dir.path().join("refuse/problem/0000002-V-2.reason.txt"));
    assert!(reason.contains("PID-7"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_input_is_told_and_only_what_is_new_is_sent() {
    let registry = ScriptedRegistry::start(Script::Accept);
    let desk = Desk::with(&registry);
    desk.file("a.hl7", file_of(&["X-1", "X-2"]));
    desk.send(&["--out", "run", "a.hl7"]).await.exits(0);
    desk.file("a.hl7", file_of(&["X-2", "X-3"]));

    let sent = desk.send(&["--resume", "run"]).await;

    sent.exits(0);
    assert!(
        sent.says().contains("1  of earlier runs not in the input any more"),
        "{}",
        sent.says()
    );
    let order: Vec<String> = registry.calls().into_iter().map(|call| call.control_id).collect();
    assert_eq!(order.iter().filter(|id| *id == "X-2").count(), 1);
    assert_eq!(order.last().map(String::as_str), Some("X-3"));
}
