//! What senders to one region feel of another region's outage: two services take turns, so that both meet the same noise.

use std::time::Duration;

use crate::client::{self, Measured, Plan};
use crate::service::Service;

/// Turns of each service.
const TURNS: usize = 12;

/// Length of a turn.
const TURN: Duration = Duration::from_secs(4);

/// Submissions to the region that is measured: 200 a second.
const PLAN: Plan = Plan {
    connections: 20,
    time: TURN,
    path: "submit",
    fresh: false,
    count: usize::MAX,
    pace: Some(Duration::from_millis(100)),
};

/// One submission to the other region in so much time, on both services.
const TRICKLE: Duration = Duration::from_millis(50);

/// Until the places for the other region are taken, at one submission each [`TRICKLE`].
const BEFORE: Duration = Duration::from_secs(12);

pub(crate) fn measure(runtime: &tokio::runtime::Runtime, name: &str, what: &str) {
    let behaviour = if name == "s" { "latency:62s" } else { "status:503" };
    let healthy = Service::serve("relay", 150, None, None);
    let disturbed = Service::serve("relay", 150, None, None);
    disturbed.admin(&["registry", "behave", "CAIRCV", "test", behaviour]);
    let (without, with) = runtime.block_on(async {
        let others = async {
            tokio::join!(
                client::trickle(&healthy, healthy.neighbours_request(), TRICKLE),
                client::trickle(&disturbed, disturbed.neighbours_request(), TRICKLE),
            );
        };
        tokio::select! {
            () = others => unreachable!("for ever"),
            measured = take_turns(&healthy, &disturbed) => measured,
        }
    });
    println!(
        "{name:2}  p99 {:.2} ms with it, {:.2} ms without: ratio {:.2}; p50 {:.2} and {:.2} ms; {} and {} submissions  {what}",
        with.p(0.99),
        without.p(0.99),
        with.p(0.99) / without.p(0.99),
        with.p(0.5),
        without.p(0.5),
        with.count(),
        without.count(),
    );
}

async fn take_turns(healthy: &Service, disturbed: &Service) -> (Measured, Measured) {
    tokio::time::sleep(BEFORE).await;
    let (mut without, mut with) = (vec![], vec![]);
    for _ in 0..TURNS {
        without.push(client::run(healthy, &PLAN).await);
        with.push(client::run(disturbed, &PLAN).await);
    }
    (Measured::together(without), Measured::together(with))
}
