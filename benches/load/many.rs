//! `izportal send` beside the load tool, and the memory that it takes for a long input.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{self, Plan};
use crate::service::Service;
use crate::support::{PASSWORD, SITE, USERNAME};

/// Messages that are sent for the rate.
const MESSAGES: usize = 10_000;

/// Messages of the long input, and its length in bytes.
const LONG: (usize, usize) = (50_000, 1 << 30);

/// One run of `izportal send`.
struct Sent {
    /// From its start to its end.
    all: Duration,
    /// Sending alone, as it says itself.
    sending: f64,
    /// `VmHWM`, in KiB.
    peak: u64,
}

pub(crate) fn measure(
    runtime: &tokio::runtime::Runtime,
    (name, what): (&str, &str),
    connections: usize,
) {
    match name {
        "n" => rate(runtime, (name, what), connections, |_service| ()),
        "o" => rate(runtime, (name, what), connections, Apart::of),
        _ => memory(what, connections),
    }
}

/// The service keeps to the first half of the cores; this process, and what it starts, to the others while this lives.
struct Apart {
    cores: usize,
}

impl Apart {
    fn of(service: &Service) -> Self {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!(cores > 1, "there is one core only");
        keep(service.process(), 0, cores / 2);
        keep(std::process::id(), cores / 2, cores);
        Self { cores }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        keep(std::process::id(), 0, self.cores);
    }
}

/// A process keeps to some cores from now on, with all of its threads.
fn keep(process: u32, from: usize, to: usize) {
    let kept = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &format!("{from}-{}", to - 1)])
        .arg(process.to_string())
        .stdout(Stdio::null())
        .status()
        .expect("taskset of util-linux");
    assert!(kept.success());
}

/// The load tool, `send`, and the load tool again, with as many messages each, against the same service.
fn rate<G>(
    runtime: &tokio::runtime::Runtime,
    (name, what): (&str, &str),
    connections: usize,
    arrange: impl FnOnce(&Service) -> G,
) {
    let service = Service::serve("accept", 0, None, None);
    let _arranged = arrange(&service);
    let time = Duration::from_hours(1);
    let plan =
        Plan { connections, time, path: "submit", fresh: false, count: MESSAGES, pace: None };
    let load = || runtime.block_on(client::run(&service, &plan)).rate();
    let warm = Plan { time: Duration::from_secs(2), count: usize::MAX, ..plan };
    runtime.block_on(client::run(&service, &warm));
    let before = load();
    let folder = service.folder();
    let file = folder.join("many.hl7");
    write(&file, MESSAGES, "");
    let sent = send(&service, &file, &folder.join("rate"), connections, MESSAGES);
    let after = load();
    let base = f64::midpoint(before, after);
    let rate = MESSAGES as f64 / sent.sending;
    println!(
        "{name}   {rate:>7.0}/s  {:.2} of the load tool's {base:.0}/s ({before:.0} before, {after:.0} after); {:.1} s in all, peak {} MiB, \
         {connections} at one time  {what}",
        rate / base,
        sent.all.as_secs_f64(),
        sent.peak / 1024
    );
    service.check_logged_errors();
}

/// A long input to a fixed reply, which bounds nothing but the client.
fn memory(what: &str, connections: usize) {
    let service = Service::fixed();
    let folder = service.folder();
    let file = folder.join("long.hl7");
    let (messages, bytes) = LONG;
    let note = "Invented remark. ".repeat(bytes / messages / 17 - 160);
    write(&file, messages, &note);
    let length = fs::metadata(&file).unwrap().len();
    let sent = send(&service, &file, &folder.join("memory"), connections, messages);
    println!(
        "m   peak {} MiB for an input of {} MiB, {messages} messages in {:.0} s  {what}",
        sent.peak / 1024,
        length >> 20,
        sent.all.as_secs_f64()
    );
}

/// Writes messages, each with an MSH-10 and a patient of its own, and a note unless that is empty.
fn write(path: &Path, messages: usize, note: &str) {
    let template = include_str!("vxu.hl7").replace('\n', "\r");
    let mut out = BufWriter::new(File::create(path).unwrap());
    for number in 0..messages {
        out.write_all(template.replace("{{control_id}}", &format!("S{number:014}")).as_bytes())
            .unwrap();
        if !note.is_empty() {
            write!(out, "NTE|1||{note}\r").unwrap();
        }
    }
    out.flush().unwrap();
}

/// Sends a file; every message must be accepted.
fn send(service: &Service, file: &Path, out: &Path, connections: usize, messages: usize) -> Sent {
    let password = out.with_extension("password");
    fs::write(&password, PASSWORD).unwrap();
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_izportal"))
        .args(["send", "--json", "--username", USERNAME, "--facility", SITE])
        .args(["--url", &format!("https://localhost:{}/IISService", service.port())])
        .args(["--concurrency", &connections.to_string()])
        .arg("--password-file")
        .arg(&password)
        .arg("--ca")
        .arg(service.ca())
        .arg("--out")
        .arg(out)
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let peak = peak_of(&mut child);
    let all = begun.elapsed();
    let said = child.wait_with_output().unwrap().stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["states"]["accepted"], messages, "{said:#}");
    Sent { all, sending: said["seconds"].as_f64().unwrap(), peak }
}

/// Waits for a child; gives the most memory that it was seen with, in KiB.
fn peak_of(child: &mut Child) -> u64 {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let seen = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        peak = peak.max(seen.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(50));
    }
    peak
}
