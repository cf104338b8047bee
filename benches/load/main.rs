//! The load tool: what the service does over TLS, as ratios to a fixed reply of the same server stack in the same run.
//!
//! `cargo bench --features postgres --bench load -- --help` tells what it measures and how it is asked.
//!
//! Client and server are processes of their own on the same machine. Every request is a VXU of 2 to 4 KB with an MSH-10 of
//! its own; every reply is checked for MSA-1 AA and that MSH-10. Server figures (CPU, memory) are read from /proc.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a tool for the developer's machine that stops at the first surprise"
)]

mod client;
mod many;
mod queue;
mod service;
mod slow;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use crate::client::{Measured, Plan};
use crate::service::Service;

/// What `--help` says, before the list of cases.
const HELP: &str = "\
What the service does over TLS, beside a fixed reply of the same server stack in the same run.

cargo bench --features postgres --bench load -- [--seconds N] [--connections N] [--only a,b,...] [--messages N] [--postgres URL]

  --seconds N      seconds for each of a to e (10)
  --connections N  connections of a to e and of filling the queue (64)
  --only a,b,...   these cases; without it all
  --messages N     messages in the queue of q and l (20000)
  --postgres URL   measure e there

The queue alone:           cargo bench --bench load -- --only q,l
The slow region alone:     cargo bench --bench load -- --only s,x
izportal send alone:       cargo bench --bench load -- --only n,o,m

Cases:
";

struct Options {
    messages: usize,
    seconds: u64,
    connections: usize,
    only: Option<Vec<String>>,
    postgres: Option<String>,
}

fn options() -> Options {
    let mut options =
        Options { messages: 20_000, seconds: 10, connections: 64, only: None, postgres: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after the option");
        match argument.as_str() {
            "--seconds" => options.seconds = value().parse().unwrap(),
            "--connections" => options.connections = value().parse().unwrap(),
            "--only" => options.only = Some(value().split(',').map(str::to_owned).collect()),
            "--messages" => options.messages = value().parse().unwrap(),
            "--help" => {
                print!("{HELP}");
                let cases = CASES.iter().map(|case| (case.name, case.what));
                cases
                    .chain(QUEUES)
                    .chain(OUTAGES)
                    .chain(SENDS)
                    .for_each(|(name, what)| println!("  {name:2}  {what}"));
                std::process::exit(0);
            }
            "--postgres" => options.postgres = Some(value()),
            // What cargo itself passes.
            _ => {}
        }
    }
    options
}

/// One thing to measure.
struct Case {
    name: &'static str,
    what: &'static str,
    /// Reply policy and delivery workers; none: the fixed reply.
    serve: Option<(&'static str, usize)>,
    path: &'static str,
    fresh: bool,
    postgres: bool,
}

/// The fixed reply first: it is what the others are measured by.
const CASES: [Case; 7] = [
    Case {
        name: "a",
        what: "fixed reply, same server stack",
        serve: None,
        path: "submit",
        fresh: false,
        postgres: false,
    },
    Case {
        name: "b",
        what: "submit, accept, SQLite FULL, delivery held back",
        serve: Some(("accept", 0)),
        path: "submit",
        fresh: false,
        postgres: false,
    },
    Case {
        name: "b2",
        what: "the same with delivery to the registries going on",
        serve: Some(("accept", 32)),
        path: "submit",
        fresh: false,
        postgres: false,
    },
    Case {
        name: "r",
        what: "submit, relay: the registry's own ACK",
        serve: Some(("relay", 32)),
        path: "submit",
        fresh: false,
        postgres: false,
    },
    Case {
        name: "c",
        what: "submit, accept, a new TLS connection each",
        serve: Some(("accept", 0)),
        path: "submit",
        fresh: true,
        postgres: false,
    },
    Case {
        name: "d",
        what: "connectivityTest",
        serve: Some(("accept", 0)),
        path: "echo",
        fresh: false,
        postgres: false,
    },
    Case {
        name: "e",
        what: "submit, accept, PostgreSQL, delivery held back",
        serve: Some(("accept", 0)),
        path: "submit",
        fresh: false,
        postgres: true,
    },
];

/// A queue is filled while its destination is paused, and drained.
const QUEUES: [(&str, &str); 2] = [
    ("q", "a queue is drained to a fixed reply in a process of its own, SQLite FULL"),
    (
        "l",
        "a queue is drained to the built-in loopback registry, which judges and keeps each message",
    ),
];

/// Submissions to one region while another one is out of order.
const OUTAGES: [(&str, &str); 2] = [
    ("s", "p99 of submissions (relay) to one region while another one takes 62 s to answer"),
    ("x", "the same while the other one answers each call with HTTP 503"),
];

/// What `izportal send` does.
const SENDS: [(&str, &str); 3] = [
    ("n", "10,000 messages by izportal send, beside the load tool with as many connections"),
    ("o", "the same, with cores of their own for the service and for who calls it"),
    ("m", "memory of izportal send for 1 GiB of messages, to a fixed reply"),
];

/// One row of the table.
struct Row {
    name: &'static str,
    what: &'static str,
    measured: Measured,
    cpu_micros: f64,
    memory: Option<(u64, u64)>,
}

fn main() {
    if let Some(folder) =
        std::env::args().skip_while(|argument| argument != "--fixed-server").nth(1)
    {
        return service::run_fixed_server(folder.as_ref());
    }
    let options = options();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wanted =
        |name: &str| options.only.as_ref().is_none_or(|only| only.iter().any(|one| one == name));
    println!("fsync of 4 KiB: {:.2} ms (median of 200)", service::fsync_millis());
    println!(
        "{} connections, {} s each, client and server share the machine\n",
        options.connections, options.seconds
    );

    for (name, what) in QUEUES.into_iter().filter(|(name, _)| wanted(name)) {
        queue::measure(&runtime, (name, what), options.messages, options.connections);
    }
    for (name, what) in OUTAGES.into_iter().filter(|(name, _)| wanted(name)) {
        slow::measure(&runtime, name, what);
    }
    for (name, what) in SENDS.into_iter().filter(|(name, _)| wanted(name)) {
        many::measure(&runtime, (name, what), options.connections);
    }
    if !CASES.iter().any(|case| wanted(case.name)) {
        return;
    }
    let mut rows = vec![];
    for case in CASES.iter().filter(|case| case.name == "a" || wanted(case.name)) {
        let postgres = options.postgres.as_deref().filter(|_| case.postgres);
        if case.postgres && postgres.is_none() {
            continue;
        }
        let service = match case.serve {
            None => Service::fixed(),
            Some((reply, workers)) => Service::serve(reply, workers, postgres, None),
        };
        let plan = Plan {
            connections: options.connections,
            time: Duration::from_secs(options.seconds),
            path: case.path,
            fresh: case.fresh,
            count: usize::MAX,
            pace: None,
        };
        let row = measure(&runtime, case, &service, &plan);
        println!(
            "{:2}  {:>7.0}/s  p50 {:>6.2} ms  p99 {:>7.2} ms  {}",
            case.name,
            row.measured.rate(),
            row.measured.p(0.5),
            row.measured.p(0.99),
            case.what
        );
        rows.push(row);
    }
    report(&rows);
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    case: &'static Case,
    service: &Service,
    plan: &Plan,
) -> Row {
    let idle = service.status("VmRSS");
    runtime.block_on(client::run(service, &Plan { time: Duration::from_secs(2), ..*plan }));
    let before = service.cpu_micros();
    let measured = runtime.block_on(client::run(service, plan));
    let cpu_micros = (service.cpu_micros() - before) / measured.count() as f64;
    let memory = Some((idle, service.status("VmHWM")));
    service.check_logged_errors();
    Row { name: case.name, what: case.what, measured, cpu_micros, memory }
}

fn report(rows: &[Row]) {
    let baseline = rows[0].measured.rate();
    println!(
        "\n| | what | ratio to (a) | rate /s | p50 ms | p99 ms | server CPU us | idle / peak MiB |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for row in rows {
        let memory = row
            .memory
            .map_or_else(String::new, |(idle, peak)| format!("{} / {}", idle / 1024, peak / 1024));
        println!(
            "| {} | {} | {:.2} | {:.0} | {:.2} | {:.2} | {:.0} | {memory} |",
            row.name,
            row.what,
            row.measured.rate() / baseline,
            row.measured.rate(),
            row.measured.p(0.5),
            row.measured.p(0.99),
            row.cpu_micros,
        );
    }
}
