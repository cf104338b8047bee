//! How fast a queue is drained: filled over SOAP while its destination is paused, then resumed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::{self, Plan};
use crate::service::Service;

/// Deliveries at one time; one registry gets half of them.
const WORKERS: usize = 300;

pub(crate) fn measure(
    runtime: &tokio::runtime::Runtime,
    (name, what): (&str, &str),
    messages: usize,
    connections: usize,
) {
    let registry = (name == "q").then(Service::fixed);
    let service = Service::serve("accept", WORKERS, None, registry.as_ref());
    service.admin(&["delivery", "pause", "CAIRBA", "test", "--reason", "load"]);
    let time = Duration::from_hours(1);
    let plan =
        Plan { connections, time, path: "submit", fresh: false, count: messages, pace: None };
    let accepted = runtime.block_on(client::run(&service, &plan));
    assert_eq!(service.queued(), messages, "all of them wait");

    let cpu = || (service.cpu_micros(), registry.as_ref().map_or(0.0, Service::cpu_micros));
    let before = cpu();
    service.admin(&["delivery", "resume", "CAIRBA", "test"]);
    let mut began = Instant::now();
    while service.queued() == messages {
        began = Instant::now();
        sleep(Duration::from_millis(5));
    }
    let threads = service.status("Threads");
    while service.queued() > 0 {
        sleep(Duration::from_millis(25));
    }
    let rate = messages as f64 / began.elapsed().as_secs_f64();
    let after = cpu();
    service.check_logged_errors();
    println!(
        "{name:2}  {rate:>7.0}/s  {:.2} of the rate of accepting them ({:.0}/s); server CPU {:.0} us, registry CPU {:.0} us; \
         {threads} threads, peak {} MiB  {what}",
        rate / accepted.rate(),
        accepted.rate(),
        (after.0 - before.0) / messages as f64,
        (after.1 - before.1) / messages as f64,
        service.status("VmHWM") / 1024,
    );
}
