//! A regional registry as operators see it: what they decided about it, and what its breaker says.

use std::time::Duration;

use serde::Serialize;

use crate::domain::{Environment, RegionCode, Timestamp, words};

words! {
    /// What operators have decided about a destination. It wins over everything else.
    Control {
        /// Messages are taken and sent.
        Running = "running",
        /// Messages are taken and wait; nothing new is sent.
        Paused = "paused",
        /// What waits is sent; no new message is taken.
        Draining = "draining",
    }
}

words! {
    /// Whether a destination answers, by the last attempts of all nodes together.
    Breaker {
        /// It answers.
        Closed = "closed",
        /// Its probe succeeded: one message at a time goes out until one is answered.
        HalfOpen = "half-open",
        /// It does not answer: nothing is sent but a probe from time to time.
        Open = "open",
    }
}

/// When a breaker opens and when it is probed.
#[derive(Debug, Clone, Copy)]
pub struct BreakerPolicy {
    /// Failures in a row that open it; a failure of class `ours` opens it at once.
    pub failures: i64,
    /// Until the first probe; doubles with each opening in a row.
    pub cool_down: Duration,
    /// Longest wait between two probes.
    pub longest: Duration,
}

impl BreakerPolicy {
    /// The wait before the next probe when the breaker has opened `openings` times in a row.
    pub fn probe_after(&self, openings: i64) -> Duration {
        let doublings = u32::try_from(openings.saturating_sub(1)).unwrap_or(0).min(16);
        self.cool_down.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// Everything that decides whether messages go to a destination now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// Its region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// What operators have decided.
    pub control: Control,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Whether it answers.
    pub breaker: Breaker,
    /// Failures in a row.
    pub failures: i64,
    /// Openings of the breaker in a row.
    pub openings: i64,
    /// When an open breaker is probed next.
    pub probe_at: Option<Timestamp>,
    /// What stopped the last failed attempt, in words of ours.
    pub last_error: Option<String>,
    /// When control or breaker last changed.
    pub changed_at: Option<Timestamp>,
}

impl Destination {
    /// A destination that nobody has touched and that has not failed.
    pub const fn untouched(region: RegionCode, environment: Environment) -> Self {
        Self {
            region,
            environment,
            control: Control::Running,
            reason: None,
            breaker: Breaker::Closed,
            failures: 0,
            openings: 0,
            probe_at: None,
            last_error: None,
            changed_at: None,
        }
    }

    /// Why nothing is sent there in general, maintenance aside; none when something may be.
    pub const fn stopped(&self) -> Option<Stopped> {
        match (self.control, self.breaker) {
            (Control::Paused, _) => Some(Stopped::Paused),
            (_, Breaker::Open) => Some(Stopped::BreakerOpen),
            _ => None,
        }
    }
}

words! {
    /// Why nothing is sent to a destination.
    Stopped {
        /// Its breaker is open.
        BreakerOpen = "breaker open",
        /// A maintenance window.
        Maintenance = "maintenance",
        /// Operators have paused it.
        Paused = "paused",
    }
}

/// A time in which nothing is sent to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaintenanceWindow {
    /// Its number.
    pub id: i64,
    /// The region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// From this moment on.
    pub begins_at: Timestamp,
    /// Until this moment.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
}

impl MaintenanceWindow {
    /// Whether a moment lies in it.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.begins_at <= now && now < self.ends_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_stop_wins_over_the_breaker() {
        let region = "CAIRBA".parse().unwrap();
        let whole = Destination::untouched(region, Environment::Test);
        let paused = Destination { control: Control::Paused, ..whole.clone() };
        let broken = Destination { breaker: Breaker::Open, ..whole.clone() };
        let both = Destination { breaker: Breaker::Open, ..paused.clone() };
        let draining = Destination { control: Control::Draining, ..whole.clone() };

        assert_eq!(whole.stopped(), None);
        assert_eq!(draining.stopped(), None, "what waits is sent");
        assert_eq!(paused.stopped(), Some(Stopped::Paused));
        assert_eq!(broken.stopped(), Some(Stopped::BreakerOpen));
        assert_eq!(both.stopped(), Some(Stopped::Paused));
    }

    #[test]
    fn probes_come_less_often_the_longer_it_lasts() {
        let policy = BreakerPolicy {
            failures: 5,
            cool_down: Duration::from_secs(15),
            longest: Duration::from_mins(5),
        };
        let waits: Vec<_> = [1, 2, 3, 9].map(|n| policy.probe_after(n).as_secs()).to_vec();
        assert_eq!(waits, [15, 30, 60, 300]);
    }
}
