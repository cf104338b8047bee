//! What a Site must show before it may go on: to the review, and from the review to production.
//!
//! Source: domain notes 5.3; all figures are the installation's to set (`[onboarding]`).

use serde::Serialize;

use crate::domain::{
    Element, MessageId, Scenario, Scenarios, SiteId, Tally, Timeliness, Timestamp,
};

/// How a Site's messages have gone so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteProgress {
    /// The Site; of messages without a responsible Site, their sender.
    pub site: SiteId,
    /// Its first test message: when, which one, and MSA-1 of its answer.
    pub first_test: Option<(Timestamp, MessageId, String)>,
    /// When its latest test message came.
    pub last_test_at: Option<Timestamp>,
    /// Test messages.
    pub tests: i64,
    /// Of these, those that were taken.
    pub tests_accepted: i64,
    /// Test messages in a row, up to the latest, that nothing was wrong with.
    pub clean_run: i64,
    /// Scenarios seen in test messages that were taken.
    #[serde(skip)]
    pub scenarios: Scenarios,
    /// When its first production message was taken.
    pub first_production_at: Option<Timestamp>,
    /// When its latest production message came.
    pub last_production_at: Option<Timestamp>,
}

impl SiteProgress {
    /// Of a Site that has sent nothing.
    pub fn none(site: SiteId) -> Self {
        Self {
            site,
            first_test: None,
            last_test_at: None,
            tests: 0,
            tests_accepted: 0,
            clean_run: 0,
            scenarios: Scenarios::default(),
            first_production_at: None,
            last_production_at: None,
        }
    }

    /// When its latest message of either kind came.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_test_at.max(self.last_production_at)
    }
}

/// What is asked of a Site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criteria {
    /// Least share of messages that were taken, in percent.
    pub accepted_percent: u64,
    /// Messages in a row that nothing is wrong with.
    pub clean_run: i64,
    /// What kinds of messages were seen.
    pub scenarios: Vec<Scenario>,
    /// Completeness of each element, in percent.
    pub complete_percent: u64,
    /// Completeness of what identifies a patient, in percent: name, date of birth, sex.
    pub identity_percent: u64,
    /// Share of messages with a new dose that came within 14 days, in percent.
    pub timely_percent: u64,
    /// Days of the review with real data.
    pub window_days: u64,
    /// Doses in that time; what comes later ends the window.
    pub window_doses: u64,
}

/// How many test messages, back from the latest, the shares of the criteria are taken of.
pub const RECENT_TESTS: i64 = 50;

/// One thing that is asked, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Criterion {
    /// What is asked, as a phrase.
    pub name: String,
    /// How much of it.
    pub need: String,
    /// How much there is.
    pub have: String,
    /// From 0 to 100.
    pub percent: u64,
    /// Whether it is enough.
    pub met: bool,
}

impl Criterion {
    fn at_least(name: impl Into<String>, need: u64, have: u64, unit: &str) -> Self {
        Self {
            name: name.into(),
            need: format!("{need}{unit}"),
            have: format!("{have}{unit}"),
            percent: (have * 100).checked_div(need).map_or(100, |share| share.min(100)),
            met: have >= need,
        }
    }

    /// A share: nothing to measure is not enough, when it must be shown.
    fn share(name: impl Into<String>, need: u64, have: Option<u64>) -> Self {
        match have {
            Some(have) => Self::at_least(name, need, have, " %"),
            None => Self {
                name: name.into(),
                need: format!("{need} %"),
                have: "nothing to measure yet".to_owned(),
                percent: 0,
                met: false,
            },
        }
    }
}

impl Element {
    /// As people call it.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Name => "patient's name",
            Self::BirthDate => "date of birth",
            Self::Sex => "sex",
            Self::Address => "address",
            Self::Contact => "telephone or email",
            Self::Race => "race",
            Self::Ethnicity => "ethnicity",
            Self::Vaccine => "vaccine (CVX)",
            Self::Lot => "lot number",
            Self::Manufacturer => "manufacturer (MVX)",
            Self::Eligibility => "eligibility",
        }
    }

    /// Where it stands in a message.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Name => "PID-5",
            Self::BirthDate => "PID-7",
            Self::Sex => "PID-8",
            Self::Address => "PID-11",
            Self::Contact => "PID-13",
            Self::Race => "PID-10",
            Self::Ethnicity => "PID-22",
            Self::Vaccine => "RXA-5",
            Self::Lot => "RXA-15",
            Self::Manufacturer => "RXA-17",
            Self::Eligibility => "OBX 64994-7",
        }
    }

    /// Whether it says who the patient is.
    pub const fn is_identity(self) -> bool {
        matches!(self, Self::Name | Self::BirthDate | Self::Sex)
    }
}

impl Scenario {
    /// As people call it.
    pub const fn told(self) -> &'static str {
        match self {
            Self::ChildDose => "a new dose for a child",
            Self::AdultDose => "a new dose for an adult",
            Self::Historical => "a historical dose (RXA-9 other than 00)",
            Self::Refusal => "a refusal (RXA-20 is RE)",
            Self::Update => "a correction (RXA-21 is U)",
            Self::Delete => "a deletion (RXA-21 is D)",
            Self::SeveralDoses => "several doses in one message",
            Self::Protected => "a patient who does not share (PD1-12 is Y)",
        }
    }
}

impl Criteria {
    /// What is asked of test messages, with how far the Site is; `recent` counts its latest [`RECENT_TESTS`].
    pub fn testing(&self, progress: &SiteProgress, recent: &Tally) -> Vec<Criterion> {
        let run = u64::try_from(progress.clean_run).unwrap_or(0);
        let need = u64::try_from(self.clean_run).unwrap_or(0);
        let mut all = vec![
            Criterion::at_least("Messages in a row without a finding (AA)", need, run, ""),
            Criterion::share(
                "Share of the latest test messages that were taken",
                self.accepted_percent,
                recent.accepted_percent(),
            ),
        ];
        all.extend(self.scenarios.iter().map(|scenario| {
            let seen = u64::from(progress.scenarios.has(*scenario));
            let have = if seen == 1 { "seen" } else { "not yet" };
            Criterion {
                need: "once".to_owned(),
                have: have.to_owned(),
                ..Criterion::at_least(format!("Seen: {}", scenario.told()), 1, seen, "")
            }
        }));
        all.extend(self.completeness(recent));
        all
    }

    /// What is asked of the review with real data; `window` counts what came since it began.
    pub fn review(&self, opened_at: Timestamp, now: Timestamp, window: &Tally) -> Vec<Criterion> {
        let days = now.seconds_since(opened_at) / 86_400;
        let mut all = vec![
            Criterion::at_least("Days of messages with real data", self.window_days, days, ""),
            Criterion::at_least("Doses in that time", self.window_doses, window.doses, ""),
            Criterion::share(
                "Share of messages that were taken",
                self.accepted_percent,
                window.accepted_percent(),
            ),
            Criterion::share(
                "Messages within 14 days of the dose",
                self.timely_percent,
                window.timely(Timeliness::WithinFortnight).percent(),
            ),
        ];
        all.extend(self.completeness(window));
        all
    }

    fn completeness(&self, tally: &Tally) -> impl Iterator<Item = Criterion> {
        Element::ALL.iter().map(move |element| {
            let need =
                if element.is_identity() { self.identity_percent } else { self.complete_percent };
            let name = format!("Complete: {} ({})", element.told(), element.place());
            Criterion::share(name, need, tally.element(*element).percent())
        })
    }

    /// Completeness that is asked of an element, in percent.
    pub const fn asked_of(&self, element: Element) -> u64 {
        if element.is_identity() { self.identity_percent } else { self.complete_percent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Content, MessageState};

    fn criteria() -> Criteria {
        Criteria {
            accepted_percent: 90,
            clean_run: 10,
            scenarios: vec![Scenario::Refusal],
            complete_percent: 95,
            identity_percent: 99,
            timely_percent: 90,
            window_days: 14,
            window_doses: 100,
        }
    }

    #[test]
    fn what_is_shown_by_nothing_is_not_met() {
        let site: SiteId = "DE-000001".parse().unwrap();
        let all = criteria().testing(&SiteProgress::none(site), &Tally::default());
        assert_eq!(all.len(), 3 + Element::ALL.len());
        assert!(all.iter().all(|one| !one.met), "{all:?}");
    }

    #[test]
    fn a_site_that_shows_everything_meets_all() {
        let mut content = Content::default();
        for element in Element::ALL {
            content.note(*element, true);
        }
        let mut recent = Tally::default();
        for _ in 0..10 {
            recent.count(false, MessageState::Accepted, "AA", content);
        }
        let mut progress = SiteProgress::none("DE-000001".parse().unwrap());
        progress.clean_run = 10;
        progress.scenarios = [Scenario::Refusal].into_iter().collect();
        let all = criteria().testing(&progress, &recent);
        assert!(all.iter().all(|one| one.met), "{all:?}");
        // One refused message more: 10 of 11 is 90 percent, two more are not.
        recent.count(false, MessageState::Refused, "AR", Content::default());
        assert!(criteria().testing(&progress, &recent).iter().all(|one| one.met));
        recent.count(false, MessageState::Refused, "AR", Content::default());
        assert!(!criteria().testing(&progress, &recent)[1].met);
    }

    #[test]
    fn the_window_needs_both_its_days_and_its_doses() {
        let now = Timestamp::now();
        let mut content = Content::default();
        content.set_doses(60);
        let mut window = Tally::default();
        window.count(false, MessageState::Accepted, "AA", content);
        let opened = now.minus(std::time::Duration::from_hours(24 * 15));
        let all = criteria().review(opened, now, &window);
        assert!(all[0].met && !all[1].met);
        window.count(false, MessageState::Accepted, "AA", content);
        let all = criteria().review(now, now, &window);
        assert!(!all[0].met && all[1].met);
    }
}
