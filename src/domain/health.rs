//! How a destination is, in one word and with its reasons in words: what the dashboard and the page of the state show.

use crate::domain::{
    Breaker, Control, Destination, Environment, MaintenanceWindow, RegionCode, Stopped, Timestamp,
    words,
};

words! {
    /// How a destination is.
    Light {
        /// Messages are taken and forwarded, and nothing waits for long.
        Good = "good",
        /// Messages are forwarded, but somebody should look.
        Look = "look",
        /// Messages are not taken, or not forwarded.
        Stopped = "stopped",
    }
}

impl Light {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "Running",
            Self::Look => "Needs a look",
            Self::Stopped => "Stopped",
        }
    }
}

/// From when on somebody should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLimits {
    /// Messages that may wait for one registry; above it more are refused. Source: `gateway.queue_bound`.
    pub queue_bound: i64,
    /// Percent of the bound.
    pub queue_percent: i64,
    /// Minutes that the oldest message waits.
    pub oldest_minutes: u64,
    /// Messages that wait for an operator.
    pub review_count: i64,
    /// Minutes that a production registry does not answer.
    pub breaker_minutes: u64,
    /// Minutes that a test registry does not answer.
    pub test_breaker_minutes: u64,
    /// Hours that an operator's pause or drain lasts; 0: never.
    pub stopped_hours: u64,
    /// Minutes over which shares are taken.
    pub window_minutes: u64,
    /// Messages without which a share says nothing.
    pub least_count: u64,
    /// Percent of submissions that are refused.
    pub refused_percent: u64,
    /// Percent of messages that their registry rejects after we took them.
    pub rejected_percent: u64,
    /// Minutes that a letter waits.
    pub letter_minutes: u64,
    /// Letters that are refused or given up within an hour.
    pub letter_count: u64,
    /// Working hours without a submission from a region; 0: never.
    pub silent_hours: u32,
    /// Days before a certificate of ours ends.
    pub certificate_days: u32,
    /// Days before credentials of Sites end; 0: never.
    pub credential_days: u32,
    /// Minutes after which a message is still not counted.
    pub counting_minutes: u64,
    /// Minutes that something must look good until its alert is over.
    pub calm_minutes: u64,
}

impl AlertLimits {
    /// Messages that wait for one registry, from which on it is told.
    pub const fn deep(&self) -> i64 {
        let deep = self.queue_bound * self.queue_percent / 100;
        if deep < 1 { 1 } else { deep }
    }

    /// Limits to test with.
    #[cfg(test)]
    pub(super) const fn for_tests() -> Self {
        Self {
            queue_bound: 100,
            queue_percent: 50,
            oldest_minutes: 60,
            review_count: 1,
            breaker_minutes: 5,
            test_breaker_minutes: 60,
            stopped_hours: 4,
            window_minutes: 15,
            least_count: 20,
            refused_percent: 50,
            rejected_percent: 25,
            letter_minutes: 60,
            letter_count: 5,
            silent_hours: 0,
            certificate_days: 21,
            credential_days: 0,
            counting_minutes: 10,
            calm_minutes: 10,
        }
    }
}

/// What is known of a destination at a moment.
#[derive(Debug, Clone)]
pub struct PlaceFacts {
    /// Its region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// What operators decided and how its breaker stands; none: nobody touched it, and it has not failed.
    pub destination: Option<Destination>,
    /// Why nothing is sent there.
    pub stopped: Option<Stopped>,
    /// The maintenance window of this moment.
    pub maintenance: Option<MaintenanceWindow>,
    /// Messages that wait for it.
    pub queued: i64,
    /// When the oldest of them came.
    pub oldest: Option<Timestamp>,
    /// Messages for it that wait for an operator.
    pub review: i64,
}

/// How a destination is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub light: Light,
    /// The reasons as sentences for staff, the gravest first; there is always one.
    pub reasons: Vec<String>,
    /// Whether new messages are taken.
    pub takes: bool,
    /// Whether messages are forwarded.
    pub forwards: bool,
}

impl PlaceFacts {
    /// How long its oldest message waits, in seconds.
    pub fn oldest_age(&self, now: Timestamp) -> Option<u64> {
        self.oldest.map(|oldest| now.seconds_since(oldest))
    }

    /// Whether operators let what waits go out and take nothing new.
    fn is_draining(&self) -> bool {
        self.destination.as_ref().is_some_and(|one| one.control == Control::Draining)
    }

    fn breaker(&self) -> Breaker {
        self.destination.as_ref().map_or(Breaker::Closed, |one| one.breaker)
    }

    /// How it is.
    pub fn health(&self, limits: &AlertLimits, now: Timestamp) -> Health {
        let is_full = self.queued >= limits.queue_bound;
        let mut stops: Vec<String> =
            self.stopped.map(|why| self.told_stop(why)).into_iter().collect();
        if is_full {
            stops.push(format!(
                "The queue is full ({}): new messages are refused with fault 4030.",
                messages(self.queued)
            ));
        }
        let looks = self.looks(limits, now);
        let light = match (stops.is_empty(), looks.is_empty()) {
            (false, _) => Light::Stopped,
            (true, false) => Light::Look,
            (true, true) => Light::Good,
        };
        let mut reasons: Vec<_> = stops.into_iter().chain(looks).collect();
        if reasons.is_empty() {
            reasons.push("Messages are taken and forwarded.".to_owned());
        }
        Health {
            light,
            reasons,
            takes: !is_full && !self.is_draining(),
            forwards: self.stopped.is_none(),
        }
    }

    /// Why nothing is sent, for staff.
    fn told_stop(&self, why: Stopped) -> String {
        let known = self.destination.as_ref();
        let given = |text: Option<&String>| {
            text.map_or_else(String::new, |text| format!(": {}", text.trim_end_matches('.')))
        };
        match why {
            Stopped::BreakerOpen => {
                let error = given(known.and_then(|one| one.last_error.as_ref()));
                format!("The registry does not answer{error}. Messages wait.")
            }
            Stopped::Maintenance => match &self.maintenance {
                Some(window) => format!(
                    "Maintenance until {}: {}.",
                    window.ends_at.pacific_text(),
                    window.reason.trim_end_matches('.')
                ),
                None => "Maintenance.".to_owned(),
            },
            Stopped::Paused => {
                let reason = given(known.and_then(|one| one.reason.as_ref()));
                format!("Paused by an operator{reason}. Messages wait.")
            }
        }
    }

    /// What does not stop it, but somebody should look at.
    fn looks(&self, limits: &AlertLimits, now: Timestamp) -> Vec<String> {
        let mut looks = vec![];
        if self.is_draining() {
            looks.push(
                "Drained: what waits is sent, new messages are refused with fault 4030.".to_owned(),
            );
        }
        if self.breaker() == Breaker::HalfOpen {
            looks.push("The registry answers again; one message at a time goes out until it has taken one.".to_owned());
        }
        if self.queued >= limits.deep() && self.queued < limits.queue_bound {
            let percent = self.queued.saturating_mul(100) / limits.queue_bound.max(1);
            looks.push(format!(
                "{} wait, {percent} % of what the queue holds.",
                messages(self.queued)
            ));
        }
        let age = self.oldest_age(now).unwrap_or(0);
        if age >= limits.oldest_minutes.saturating_mul(60) && self.queued > 0 {
            looks.push(format!("The oldest message has waited for {}.", lasting(age)));
        }
        if self.review >= limits.review_count && self.review > 0 {
            let wait = if self.review == 1 { "waits" } else { "wait" };
            looks.push(format!("{} {wait} for an operator.", messages(self.review)));
        }
        looks
    }
}

fn messages(number: i64) -> String {
    let noun = if number == 1 { "message" } else { "messages" };
    format!("{number} {noun}")
}

/// A time for people, rounded down: `3 minutes`, `2 hours`, `4 days`.
pub fn lasting(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..60 => return "less than a minute".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn facts() -> PlaceFacts {
        PlaceFacts {
            region: "CAIRBA".parse().unwrap(),
            environment: Environment::Production,
            destination: None,
            stopped: None,
            maintenance: None,
            queued: 0,
            oldest: None,
            review: 0,
        }
    }

    fn limits() -> AlertLimits {
        AlertLimits::for_tests()
    }

    #[test]
    fn a_destination_that_nobody_touched_is_good() {
        let health = facts().health(&limits(), Timestamp::now());
        assert_eq!(health.light, Light::Good);
        assert_eq!(health.reasons, ["Messages are taken and forwarded."]);
        assert!(health.takes && health.forwards);
    }

    #[test]
    fn what_stops_it_comes_before_what_somebody_should_look_at() {
        let now = Timestamp::now();
        let known = Destination {
            breaker: Breaker::Open,
            last_error: Some("connection refused".to_owned()),
            ..Destination::untouched(facts().region, Environment::Production)
        };
        let broken = PlaceFacts {
            destination: Some(known),
            stopped: Some(Stopped::BreakerOpen),
            queued: 60,
            oldest: Some(now.minus(Duration::from_hours(3))),
            review: 2,
            ..facts()
        };
        let health = broken.health(&limits(), now);
        assert_eq!(health.light, Light::Stopped);
        assert_eq!(
            health.reasons,
            [
                "The registry does not answer: connection refused. Messages wait.",
                "60 messages wait, 60 % of what the queue holds.",
                "The oldest message has waited for 3 hours.",
                "2 messages wait for an operator.",
            ]
        );
        assert!(health.takes && !health.forwards);
    }

    #[test]
    fn limits_are_reached_not_passed() {
        let now = Timestamp::now();
        let light = |queued, minutes: u64, review| {
            let oldest = Some(now.minus(Duration::from_mins(minutes)));
            let one = PlaceFacts { queued, oldest, review, ..facts() };
            one.health(&limits(), now).light
        };
        assert_eq!(light(49, 59, 0), Light::Good);
        assert_eq!(light(50, 59, 0), Light::Look);
        assert_eq!(light(1, 60, 0), Light::Look);
        assert_eq!(light(0, 600, 1), Light::Look);
        assert_eq!(light(100, 0, 0), Light::Stopped, "more are refused");
        assert!(!PlaceFacts { queued: 100, ..facts() }.health(&limits(), now).takes);
    }

    #[test]
    fn a_drained_destination_takes_nothing() {
        let control = Control::Draining;
        let known =
            Destination { control, ..Destination::untouched(facts().region, Environment::Test) };
        let health =
            PlaceFacts { destination: Some(known), ..facts() }.health(&limits(), Timestamp::now());
        assert_eq!((health.light, health.takes, health.forwards), (Light::Look, false, true));
    }

    #[test]
    fn times_are_told_in_one_unit() {
        for (seconds, text) in [
            (0, "less than a minute"),
            (60, "1 minute"),
            (7_199, "1 hour"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(lasting(seconds), text);
        }
    }
}
