//! Who is written to about a Site's messages: what is usual for each role, and what people choose instead.

use std::time::Duration;

use chrono::{Datelike as _, NaiveTime, TimeDelta, Timelike as _, Weekday};
use serde::Serialize;

use crate::domain::{Role, SiteKind, Timestamp, words};

words! {
    /// How somebody is told of test messages; the later, the more letters.
    TestLetters {
        /// Not at all.
        None = "none",
        /// Once a day, on days with test messages.
        Digest = "digest",
        /// Of the first one, of the first failure and when it is good again, at once; and once a day.
        AtOnce = "at-once",
    }
}

words! {
    /// How often somebody is told of production messages; the later, the more letters.
    ProductionLetters {
        /// Not at all.
        None = "none",
        /// On Mondays.
        Weekly = "weekly",
        /// Every day.
        Daily = "daily",
    }
}

/// What somebody is written about a Site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LetterWish {
    /// Test messages.
    pub tests: TestLetters,
    /// Production messages, in digests.
    pub production: ProductionLetters,
    /// Messages that were taken and that the regional registry rejected afterwards.
    pub outcomes: bool,
    /// That nothing comes any more, and that it comes again.
    pub silence: bool,
}

impl LetterWish {
    /// No letter about messages.
    pub const NOTHING: Self = Self {
        tests: TestLetters::None,
        production: ProductionLetters::None,
        outcomes: false,
        silence: false,
    };

    /// What is usual for somebody with these roles: of each kind of letter as much as the role that gets most.
    pub fn of_roles(roles: &[Role]) -> Self {
        roles.iter().fold(Self::NOTHING, |all, role| {
            let one = Self::of_role(*role);
            Self {
                tests: all.tests.max(one.tests),
                production: all.production.max(one.production),
                outcomes: all.outcomes || one.outcomes,
                silence: all.silence || one.silence,
            }
        })
    }

    /// The table of docs/portal.md.
    const fn of_role(role: Role) -> Self {
        use ProductionLetters as Production;
        let (tests, production, outcomes, silence) = match role {
            Role::Representative => (TestLetters::AtOnce, Production::Weekly, false, true),
            Role::DataExchange | Role::FacilityOperator => {
                (TestLetters::AtOnce, Production::Daily, true, true)
            }
            Role::Vendor => (TestLetters::AtOnce, Production::None, false, false),
            Role::DxQa => (TestLetters::Digest, Production::Daily, true, true),
            Role::ReadOnly | Role::Regular | Role::Power => return Self::NOTHING,
        };
        Self { tests, production, outcomes, silence }
    }

    /// For the audit trail.
    pub fn told(&self) -> String {
        let switch = |on| if on { "on" } else { "off" };
        format!(
            "tests {}, production {}, rejections {}, silence {}",
            self.tests,
            self.production,
            switch(self.outcomes),
            switch(self.silence)
        )
    }
}

impl Role {
    /// Whether somebody with this role is written to about a Site of this kind. Source: domain notes 4.4, "contacts".
    pub const fn hears_of(self, kind: SiteKind) -> bool {
        match self {
            Self::Representative | Self::DataExchange | Self::Vendor | Self::DxQa => true,
            Self::FacilityOperator => matches!(kind, SiteKind::SendingFacility),
            Self::ReadOnly | Self::Regular | Self::Power => false,
        }
    }

    /// Whether somebody with this role is told what concerns the Site as such: its stage, the end of a credential. Nobody
    /// chooses otherwise.
    pub const fn answers_for_site(self) -> bool {
        matches!(
            self,
            Self::Representative | Self::DataExchange | Self::Vendor | Self::FacilityOperator
        )
    }
}

words! {
    /// Which digest.
    DigestKind {
        /// The test messages of a day.
        Tests = "tests",
        /// The production messages of a day.
        Daily = "daily",
        /// The production messages of seven days.
        Weekly = "weekly",
    }
}

impl DigestKind {
    /// The days, UTC, that the latest digest is about: from a midnight until another one. Digests are due at `hour`, Pacific
    /// time, weekly ones on Mondays.
    pub fn period(self, hour: u32, now: Timestamp) -> (Timestamp, Timestamp) {
        let local = now.pacific();
        let mut day = local.date();
        if local.hour() < hour {
            day = day.pred_opt().unwrap_or(day);
        }
        if self == Self::Weekly {
            let since_monday = day.weekday().days_since(Weekday::Mon);
            day -= TimeDelta::days(since_monday.into());
        }
        let until = Timestamp::from_naive(day.and_time(NaiveTime::MIN));
        (until.minus(DAY * self.days()), until)
    }

    /// How many days it is about.
    pub const fn days(self) -> u32 {
        match self {
            Self::Tests | Self::Daily => 1,
            Self::Weekly => 7,
        }
    }
}

const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_naive(
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap(),
        )
    }

    #[test]
    fn a_digest_is_about_the_days_that_ended_before_it_is_due() {
        let days = |kind: DigestKind, now: &str| {
            let (from, until) = kind.period(7, at(now));
            let day = |one: Timestamp| one.utc().format("%m-%d").to_string();
            (day(from), day(until))
        };
        let pair = |from: &str, until: &str| (from.to_owned(), until.to_owned());
        // 15:00 UTC is 7 o'clock in November; the 23rd is a Monday.
        assert_eq!(days(DigestKind::Tests, "2026-11-23 14:59:59"), pair("11-21", "11-22"));
        assert_eq!(days(DigestKind::Tests, "2026-11-23 15:00:00"), pair("11-22", "11-23"));
        assert_eq!(days(DigestKind::Daily, "2026-11-24 03:00:00"), pair("11-22", "11-23"));
        assert_eq!(days(DigestKind::Daily, "2026-07-01 14:00:00"), pair("06-30", "07-01"));
        assert_eq!(days(DigestKind::Weekly, "2026-11-23 14:59:59"), pair("11-09", "11-16"));
        assert_eq!(days(DigestKind::Weekly, "2026-11-23 15:00:00"), pair("11-16", "11-23"));
        assert_eq!(days(DigestKind::Weekly, "2026-11-29 23:00:00"), pair("11-16", "11-23"));
    }

    #[test]
    fn who_has_several_roles_gets_what_the_one_gets_that_gets_most() {
        let usual = LetterWish::of_roles(&[Role::Vendor, Role::DxQa, Role::ReadOnly]);
        assert_eq!(
            (usual.tests, usual.production, usual.outcomes, usual.silence),
            (TestLetters::AtOnce, ProductionLetters::Daily, true, true)
        );
        assert_eq!(LetterWish::of_roles(&[Role::Regular]), LetterWish::NOTHING);
        assert!(!Role::FacilityOperator.hears_of(SiteKind::Direct));
    }
}
