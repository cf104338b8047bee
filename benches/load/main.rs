//! The load tool: what the service does over TLS, as ratios to a fixed reply of the same server stack in the same run.
//!
//! `cargo bench --features postgres --bench load -- [--seconds N] [--connections N] [--only a,b,…] [--postgres URL]`
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
mod service;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use crate::client::{Measured, Plan};
use crate::service::Service;

struct Options {
    seconds: u64,
    connections: usize,
    only: Option<Vec<String>>,
    postgres: Option<String>,
}

fn options() -> Options {
    let mut options = Options { seconds: 10, connections: 64, only: None, postgres: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after the option");
        match argument.as_str() {
            "--seconds" => options.seconds = value().parse().unwrap(),
            "--connections" => options.connections = value().parse().unwrap(),
            "--only" => options.only = Some(value().split(',').map(str::to_owned).collect()),
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

    let mut rows = vec![];
    for case in CASES.iter().filter(|case| case.name == "a" || wanted(case.name)) {
        let postgres = options.postgres.as_deref().filter(|_| case.postgres);
        if case.postgres && postgres.is_none() {
            continue;
        }
        let service = match case.serve {
            None => Service::fixed(),
            Some((reply, workers)) => Service::serve(reply, workers, postgres),
        };
        let plan = Plan {
            connections: options.connections,
            time: Duration::from_secs(options.seconds),
            path: case.path,
            fresh: case.fresh,
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
    let idle = service.memory_kib("VmRSS");
    runtime.block_on(client::run(service, &Plan { time: Duration::from_secs(2), ..*plan }));
    let before = service.cpu_micros();
    let measured = runtime.block_on(client::run(service, plan));
    let cpu_micros = (service.cpu_micros() - before) / measured.count() as f64;
    let memory = Some((idle, service.memory_kib("VmHWM")));
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
