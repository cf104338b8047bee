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
    let plan = |path: &'static str, fresh: bool| Plan {
        connections: options.connections,
        time: Duration::from_secs(options.seconds),
        path,
        fresh,
    };
    println!("fsync of 4 KiB: {:.2} ms (median of 200)", service::fsync_millis());
    println!(
        "{} connections, {} s each, client and server share the machine\n",
        options.connections, options.seconds
    );

    let mut rows = vec![];
    let mut run = |name, what, service: Service, plan: Plan| {
        rows.push(measure(&runtime, name, what, service, &plan));
        let row = rows.last().unwrap();
        println!(
            "{name}  {:>7.0}/s  p50 {:>6.2} ms  p99 {:>7.2} ms  {what}",
            row.measured.rate(),
            row.measured.p(0.5),
            row.measured.p(0.99)
        );
    };
    run("a", "fixed reply, same server stack", Service::fixed(), plan("submit", false));
    if wanted("b") {
        run(
            "b",
            "submit, accept, SQLite FULL, delivery held back",
            Service::serve("accept", 0, None),
            plan("submit", false),
        );
    }
    if wanted("b2") {
        run(
            "b2",
            "the same with delivery to the registries going on",
            Service::serve("accept", 32, None),
            plan("submit", false),
        );
    }
    if wanted("r") {
        run(
            "r",
            "submit, relay: the registry's own ACK",
            Service::serve("relay", 32, None),
            plan("submit", false),
        );
    }
    if wanted("c") {
        run(
            "c",
            "submit, accept, a new TLS connection each",
            Service::serve("accept", 0, None),
            plan("submit", true),
        );
    }
    if wanted("d") {
        run("d", "connectivityTest", Service::serve("accept", 0, None), plan("echo", false));
    }
    if let Some(url) = options.postgres.as_deref().filter(|_| wanted("e")) {
        run(
            "e",
            "submit, accept, PostgreSQL, delivery held back",
            Service::serve("accept", 0, Some(url)),
            plan("submit", false),
        );
    }
    report(&rows);
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    name: &'static str,
    what: &'static str,
    service: Service,
    plan: &Plan,
) -> Row {
    let idle = service.memory_kib("VmRSS");
    runtime.block_on(client::run(&service, &Plan { time: Duration::from_secs(2), ..*plan }));
    let before = service.cpu_micros();
    let measured = runtime.block_on(client::run(&service, plan));
    let cpu_micros = (service.cpu_micros() - before) / measured.count() as f64;
    let memory = Some((idle, service.memory_kib("VmHWM")));
    service.check_logged_errors();
    Row { name, what, measured, cpu_micros, memory }
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
