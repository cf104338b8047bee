//! Alerts: what somebody must look at, told once when it begins and once when it is over.
//!
//! An observation says how something is now; [`step`] makes of observations, one after the other, the openings and ends
//! of an alert. Between good and bad there is a band where nothing changes, and only what stayed good for a while is over.

use std::time::Duration;

use serde::Serialize;

use crate::domain::{
    AccountId, AlertLimits, Breaker, Control, Environment, PlaceFacts, RegionCode, Share,
    Timestamp, lasting, words,
};

words! {
    /// What an alert is about; the words are the names of the entries in `docs/operations.md` and of `docs/alerts.yml`.
    AlertKind {
        /// A production registry does not answer.
        BreakerOpen = "BreakerOpen",
        /// A certificate of ours ends soon.
        CertificateEnds = "CertificateEnds",
        /// Messages are counted late, and people told late.
        CountingLags = "CountingLags",
        /// Credentials of Sites end soon.
        CredentialsEnd = "CredentialsEnd",
        /// Messages wait for an operator.
        DeliveriesParked = "DeliveriesParked",
        /// An operator's pause or a drain lasts for long.
        DestinationStopped = "DestinationStopped",
        /// Letters were refused or given up.
        LettersBounce = "LettersBounce",
        /// A letter waits for long.
        LettersWait = "LettersWait",
        /// Many submissions of a region are refused.
        MessagesRefused = "MessagesRefused",
        /// Nothing comes from a region.
        NoSubmissions = "NoSubmissions",
        /// Many messages wait for a registry.
        QueueDeep = "QueueDeep",
        /// A message waits for long although nothing stops it.
        QueueOld = "QueueOld",
        /// A registry rejects many of the messages that we took.
        RegistryRejects = "RegistryRejects",
        /// A test registry does not answer.
        TestBreakerOpen = "TestBreakerOpen",
    }
}

impl AlertKind {
    /// What is the matter, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::BreakerOpen => "The production registry does not answer",
            Self::CertificateEnds => "A certificate ends",
            Self::CountingLags => "Messages are counted late",
            Self::CredentialsEnd => "Credentials of Sites end",
            Self::DeliveriesParked => "Messages wait for an operator",
            Self::DestinationStopped => "A registry is stopped for long",
            Self::LettersBounce => "Emails do not arrive",
            Self::LettersWait => "Emails wait",
            Self::MessagesRefused => "Many submissions are refused",
            Self::NoSubmissions => "Nothing is submitted",
            Self::QueueDeep => "Many messages wait",
            Self::QueueOld => "A message waits for long",
            Self::RegistryRejects => "The registry rejects many messages",
            Self::TestBreakerOpen => "The test registry does not answer",
        }
    }
}

/// How something is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Somebody must look.
    Bad,
    /// Not so bad that an alert begins, not so good that it is over; or it cannot be told.
    Between,
    /// Nobody need look.
    Good,
}

impl Reading {
    /// Of a number that is bad from a limit on, and good below four fifths of it.
    pub const fn of(number: u64, limit: u64) -> Self {
        if number >= limit {
            Self::Bad
        } else if number.saturating_mul(5) < limit.saturating_mul(4) {
            Self::Good
        } else {
            Self::Between
        }
    }
}

/// How something is now, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What it is about.
    pub kind: AlertKind,
    /// Of which one, for people, such as `Bay Area production`; with the kind it is the key of an alert.
    pub subject: String,
    /// The region whose people are told; none: those of all regions.
    pub region: Option<RegionCode>,
    /// How it is.
    pub reading: Reading,
    /// What is the matter when it is bad, as a sentence. Numbers name their time; nothing of a patient.
    pub words: String,
}

/// What an observation does to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertStep {
    /// It begins.
    Open,
    /// It goes on, and looks good now for the first time.
    Calm,
    /// It goes on, and does not look good any more.
    Restless,
    /// It is over.
    Clear,
    /// Nothing changes.
    Nothing,
}

/// What an observation does; `open` is an open alert's time since when it looks good, if it does.
pub fn step(
    open: Option<Option<Timestamp>>,
    reading: Reading,
    calm: Duration,
    now: Timestamp,
) -> AlertStep {
    match (open, reading) {
        (None, Reading::Bad) => AlertStep::Open,
        (Some(Some(_)), Reading::Bad | Reading::Between) => AlertStep::Restless,
        (Some(None), Reading::Good) if calm.is_zero() => AlertStep::Clear,
        (Some(None), Reading::Good) => AlertStep::Calm,
        (Some(Some(since)), Reading::Good) if now >= since.plus(calm) => AlertStep::Clear,
        (None, _)
        | (Some(None), Reading::Bad | Reading::Between)
        | (Some(Some(_)), Reading::Good) => AlertStep::Nothing,
    }
}

/// An alert, open or over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub kind: AlertKind,
    /// Of which one.
    pub subject: String,
    /// The region whose people are told.
    pub region: Option<RegionCode>,
    /// What is the matter, as last observed.
    pub words: String,
    /// When it began.
    pub since: Timestamp,
    /// Since when it looks good.
    pub calm_since: Option<Timestamp>,
    /// When people were last told of it.
    pub told_at: Option<Timestamp>,
    /// When it was over.
    pub cleared_at: Option<Timestamp>,
    /// When somebody took it on.
    pub acknowledged_at: Option<Timestamp>,
    /// Who did.
    pub acknowledged_by: Option<AccountId>,
    /// What they wrote.
    pub note: Option<String>,
    /// Until when nobody is told.
    pub muted_until: Option<Timestamp>,
}

impl Alert {
    /// What and where, for people.
    pub fn title(&self) -> String {
        match self.subject.as_str() {
            "" => self.kind.title().to_owned(),
            subject => format!("{} ({subject})", self.kind.title()),
        }
    }

    /// Whether nobody is to be told.
    pub fn is_muted(&self, now: Timestamp) -> bool {
        self.muted_until.is_some_and(|until| now < until)
    }

    /// Whether people are told again: open, told a day ago, and nobody has taken it on.
    pub fn needs_reminder(&self, every: Duration, now: Timestamp) -> bool {
        let is_due = self.told_at.is_some_and(|told| now >= told.plus(every));
        is_due && self.cleared_at.is_none() && self.acknowledged_at.is_none() && !self.is_muted(now)
    }
}

words! {
    /// What people and programs are told of an alert; the words are the events of webhooks.
    AlertNews {
        /// It began.
        Opened = "alert.opened",
        /// It goes on.
        StillOpen = "alert.still-open",
        /// It is over.
        Over = "alert.over",
    }
}

/// What the operators' program is told of an alert.
#[derive(Debug, Serialize)]
pub struct AlertCall<'a> {
    id: i64,
    kind: AlertKind,
    title: &'static str,
    subject: &'a str,
    region: Option<RegionCode>,
    words: &'a str,
    since: Timestamp,
    cleared_at: Option<Timestamp>,
}

impl<'a> From<&'a Alert> for AlertCall<'a> {
    fn from(one: &'a Alert) -> Self {
        Self {
            id: one.id,
            kind: one.kind,
            title: one.kind.title(),
            subject: &one.subject,
            region: one.region,
            words: &one.words,
            since: one.since,
            cleared_at: one.cleared_at,
        }
    }
}

impl PlaceFacts {
    /// `Bay Area production`.
    pub fn name(&self) -> String {
        format!("{} {}", self.region.facts().name, self.environment)
    }

    /// What there is to observe of a destination.
    pub fn observations(&self, limits: &AlertLimits, now: Timestamp) -> Vec<Observation> {
        let is_production = self.environment == Environment::Production;
        let observation = |kind, (reading, words)| Observation {
            kind,
            subject: self.name(),
            region: Some(self.region),
            reading,
            words,
        };
        let breaker =
            if is_production { AlertKind::BreakerOpen } else { AlertKind::TestBreakerOpen };
        let mut all = vec![
            observation(breaker, self.breaker_reading(limits, now)),
            observation(AlertKind::DestinationStopped, self.stopped_reading(limits, now)),
            observation(AlertKind::QueueDeep, self.deep_reading(limits)),
            observation(AlertKind::DeliveriesParked, self.parked_reading(limits)),
        ];
        if is_production {
            all.push(observation(AlertKind::QueueOld, self.old_reading(limits, now)));
        }
        all
    }

    fn breaker_reading(&self, limits: &AlertLimits, now: Timestamp) -> (Reading, String) {
        let Some(known) = &self.destination else { return (Reading::Good, String::new()) };
        let since = known.changed_at.unwrap_or(now);
        let minutes = match self.environment {
            Environment::Production => limits.breaker_minutes,
            Environment::Test => limits.test_breaker_minutes,
        };
        let is_long = now.seconds_since(since) >= minutes.saturating_mul(60);
        // It comes to and fro when it opened often.
        let flaps = known.openings >= FLAPS && self.environment == Environment::Production;
        let reading = match known.breaker {
            Breaker::Closed => Reading::Good,
            Breaker::Open if is_long || flaps => Reading::Bad,
            Breaker::HalfOpen | Breaker::Open => Reading::Between,
        };
        let error = known.last_error.as_deref().unwrap_or("no reason is known");
        let words = format!(
            "The registry has not answered since {}: {}. {} for it.",
            since.pacific_text(),
            error.trim_end_matches('.'),
            waiting(self.queued)
        );
        (reading, words)
    }

    fn stopped_reading(&self, limits: &AlertLimits, now: Timestamp) -> (Reading, String) {
        let stopped = self
            .destination
            .as_ref()
            .filter(|one| one.control != Control::Running)
            .and_then(|one| Some((one, one.changed_at?)));
        let Some((known, since)) = stopped else { return (Reading::Good, String::new()) };
        let is_long = now.seconds_since(since) >= limits.stopped_hours.saturating_mul(3_600);
        let reading =
            if is_long && limits.stopped_hours > 0 { Reading::Bad } else { Reading::Between };
        let words = match known.control {
            Control::Draining => format!(
                "An operator has drained it since {}: new messages are refused.",
                since.pacific_text()
            ),
            Control::Paused | Control::Running => format!(
                "An operator has paused it since {}. {} for it.",
                since.pacific_text(),
                waiting(self.queued)
            ),
        };
        (reading, words)
    }

    fn deep_reading(&self, limits: &AlertLimits) -> (Reading, String) {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        let percent = Share(number(limits.queue_bound), number(self.queued)).percent().unwrap_or(0);
        let words = format!(
            "{} for it: {percent} % of gateway.queue_bound, above which more are refused.",
            waiting(self.queued)
        );
        (Reading::of(number(self.queued), number(limits.deep())), words)
    }

    fn parked_reading(&self, limits: &AlertLimits) -> (Reading, String) {
        let number = u64::try_from(self.review).unwrap_or(0);
        let limit = u64::try_from(limits.review_count).unwrap_or(1);
        let noun = if number == 1 { "message waits" } else { "messages wait" };
        (Reading::of(number, limit), format!("{number} {noun} until an operator decides."))
    }

    fn old_reading(&self, limits: &AlertLimits, now: Timestamp) -> (Reading, String) {
        let age = self.oldest_age(now).unwrap_or(0);
        let words = format!(
            "The oldest message has waited for {} although nothing stops it. {} for it.",
            lasting(age),
            waiting(self.queued)
        );
        let reading = match self.stopped {
            // Another alert, or an operator's plan.
            Some(_) => Reading::Good,
            None => Reading::of(age, limits.oldest_minutes.saturating_mul(60)),
        };
        (reading, words)
    }
}

/// Openings of a breaker in a row that are told however short each was.
const FLAPS: i64 = 5;

fn waiting(number: i64) -> String {
    match number {
        0 => "No message waits".to_owned(),
        1 => "1 message waits".to_owned(),
        number => format!("{number} messages wait"),
    }
}

/// What came of the messages of a region in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentOutcomes {
    /// The region.
    pub region: RegionCode,
    /// Test or production.
    pub environment: Environment,
    /// Submissions that came in; queries not among them.
    pub received: u64,
    /// Of these, those that were refused.
    pub refused: u64,
    /// Messages that its registry took.
    pub delivered: u64,
    /// Messages that its registry rejected after we took them.
    pub rejected: u64,
}

impl RecentOutcomes {
    /// Of a region of which nothing is known to have come.
    pub const fn none(region: RegionCode, environment: Environment) -> Self {
        Self { region, environment, received: 0, refused: 0, delivered: 0, rejected: 0 }
    }

    /// What there is to observe of the outcomes of `limits.window_minutes`.
    pub fn observations(&self, limits: &AlertLimits) -> [Observation; 2] {
        let subject = format!("{} {}", self.region.facts().name, self.environment);
        let observation = |kind, (all, bad): (u64, u64), limit, what: &str| {
            let percent = Share(all, bad).percent().unwrap_or(0);
            let reading =
                if all < limits.least_count { Reading::Good } else { Reading::of(percent, limit) };
            Observation {
                kind,
                subject: subject.clone(),
                region: Some(self.region),
                reading,
                words: format!(
                    "In the last {} minutes {bad} of {all} {what} ({percent} %).",
                    limits.window_minutes
                ),
            }
        };
        [
            observation(
                AlertKind::MessagesRefused,
                (self.received, self.refused),
                limits.refused_percent,
                "submissions were refused",
            ),
            observation(
                AlertKind::RegistryRejects,
                (self.delivered + self.rejected, self.rejected),
                limits.rejected_percent,
                "messages that the registry answered were rejected after the Gateway had taken them",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_good_again_well_below_its_limit() {
        for (number, limit, reading) in [
            (0, 1, Reading::Good),
            (1, 1, Reading::Bad),
            (79, 100, Reading::Good),
            (80, 100, Reading::Between),
            (99, 100, Reading::Between),
            (100, 100, Reading::Bad),
        ] {
            assert_eq!(Reading::of(number, limit), reading, "{number} of {limit}");
        }
    }

    #[test]
    fn few_messages_say_nothing() {
        let region = "CAIRBA".parse().unwrap();
        let limits =
            AlertLimits { least_count: 20, refused_percent: 25, ..AlertLimits::for_tests() };
        let reading = |received, refused| {
            let none = RecentOutcomes::none(region, Environment::Production);
            RecentOutcomes { received, refused, ..none }.observations(&limits)[0].reading
        };
        assert_eq!(reading(19, 19), Reading::Good);
        assert_eq!(reading(20, 5), Reading::Bad);
        assert_eq!(reading(100, 22), Reading::Between);
        assert_eq!(reading(100, 19), Reading::Good);
    }

    fn readings() -> impl Strategy<Value = Vec<(Reading, u64)>> {
        let reading = prop_oneof![Just(Reading::Bad), Just(Reading::Between), Just(Reading::Good),];
        prop::collection::vec((reading, 0_u64..20), 0..200)
    }

    proptest! {
        #[test]
        fn whatever_is_observed_openings_and_ends_alternate_and_an_end_follows_a_calm_time(
            observed in readings()
        ) {
            let (calm, mut now) = (Duration::from_mins(10), Timestamp::now());
            let mut open = None;
            let (mut news, mut good_since) = (vec![], None);
            for (reading, minutes) in observed {
                now = now.plus(Duration::from_mins(minutes));
                good_since = match reading {
                    Reading::Good => good_since.or(Some(now)),
                    Reading::Bad | Reading::Between => None,
                };
                match step(open, reading, calm, now) {
                    AlertStep::Open => {
                        prop_assert_eq!(reading, Reading::Bad);
                        news.push(AlertNews::Opened);
                        open = Some(None);
                    }
                    AlertStep::Clear => {
                        prop_assert!(good_since.is_some_and(|since| now >= since.plus(calm)));
                        news.push(AlertNews::Over);
                        open = None;
                    }
                    AlertStep::Calm => open = Some(Some(now)),
                    AlertStep::Restless => open = Some(None),
                    AlertStep::Nothing => {}
                }
            }
            for (n, one) in news.iter().enumerate() {
                let expected = if n % 2 == 0 { AlertNews::Opened } else { AlertNews::Over };
                prop_assert_eq!(*one, expected);
            }
        }
    }
}
