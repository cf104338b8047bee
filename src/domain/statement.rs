//! What a Site can show of a year when it attests to meaningful use: the facts, as far as we recorded them.
//!
//! Source: domain notes 5.4. Days and years are those of California.

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::form::Answers;
use crate::domain::questions::{REGISTRATION, program_years};
use crate::domain::{Site, SiteId, SiteStatus, StageChange, StageEvent, Timestamp, words};

/// Days after the beginning of the reporting period in which a Site must have registered.
const REGISTER_WITHIN: i64 = 60;

words! {
    /// Options of active engagement, by the highest that was reached in the year.
    Engagement {
        /// None: not registered by the end of the year.
        Absent = "absent",
        /// Option 1: completed registration.
        Registered = "registered",
        /// Option 2: testing and validation.
        Testing = "testing",
        /// Option 3: production.
        Production = "production",
    }
}

words! {
    /// Whether the Site registered within 60 days of the beginning of its reporting period.
    SixtyDays {
        /// No period was declared, so nothing was checked.
        Undeclared = "undeclared",
        /// The period that was declared lies in another year, so nothing was checked.
        AnotherYear = "another-year",
        /// It did.
        Met = "met",
        /// It registered later.
        Late = "late",
    }
}

/// A test message: on which day, and MSA-1 of its answer, unless that is not kept any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestFact {
    /// The day.
    #[serde(with = "day")]
    #[schema(value_type = String, format = Date)]
    pub on: NaiveDate,
    /// `AA`, `AE` or `AR`.
    pub result: Option<String>,
}

/// A time, with its end where it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// The first day.
    #[serde(with = "day")]
    #[schema(value_type = String, format = Date)]
    pub from: NaiveDate,
    /// The last day.
    #[serde(with = "day::maybe")]
    #[schema(value_type = Option<String>, format = Date)]
    pub until: Option<NaiveDate>,
}

/// What the Site said of its meaningful use when it registered, or since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Declared {
    /// The stage, in the words of the registration.
    pub stage: String,
    /// First day of the reporting period.
    #[serde(with = "day")]
    #[schema(value_type = String, format = Date)]
    pub first: NaiveDate,
    /// Its last day.
    #[serde(with = "day")]
    #[schema(value_type = String, format = Date)]
    pub last: NaiveDate,
}

/// The facts of one Site and year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementFacts {
    /// The Site.
    pub site: String,
    /// Its name.
    pub name: String,
    /// Name of its organization.
    pub organization: String,
    /// The year.
    pub year: i32,
    /// When it registered; none: not by the end of the year.
    #[serde(with = "day::maybe")]
    #[schema(value_type = Option<String>, format = Date)]
    pub registered_on: Option<NaiveDate>,
    /// Its first test message of all, by the end of the year.
    pub first_test: Option<TestFact>,
    /// Its first test message of the year.
    pub test_of_year: Option<TestFact>,
    /// When the review with real data went on.
    pub onboarding: Option<Span>,
    /// When it was in production.
    pub production: Option<Span>,
    /// What it declared.
    pub declared: Option<Declared>,
    /// The 60-day check.
    pub sixty_days: SixtyDays,
    /// The option of active engagement.
    pub engagement: Engagement,
    /// Whether it tested in an earlier year only, and so must test again.
    pub must_test_again: bool,
}

/// A statement as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRecord {
    /// The Site.
    pub site: SiteId,
    /// What it says.
    pub facts: StatementFacts,
    /// When it was issued.
    pub issued_at: Timestamp,
}

/// What the facts are taken from.
#[derive(Debug, Clone)]
pub struct StatementSources {
    /// The Site.
    pub site: Site,
    /// Name of its organization.
    pub organization: String,
    /// Its way, oldest step first.
    pub history: Vec<StageChange>,
    /// Its first test message of all.
    pub first_test: Option<TestFact>,
    /// Its first test message of the year.
    pub test_of_year: Option<TestFact>,
    /// What it told of itself.
    pub answers: Answers,
}

/// The years that there can be a statement of: from the registration on.
pub fn statement_years(registered_at: Timestamp, now: Timestamp) -> Vec<i32> {
    (registered_at.pacific().year()..=now.pacific().year()).rev().collect()
}

impl StatementSources {
    /// The facts of a year, as far as it has come.
    pub fn facts(&self, year: i32) -> StatementFacts {
        let way = Way::of(&self.history, year);
        let declared = declared(&self.answers);
        let by_end = |test: &&TestFact| test.on.year() <= year;
        let first_test = self.first_test.as_ref().filter(by_end).cloned();
        let engagement = match (&way, &self.test_of_year) {
            (way, _) if way.produced => Engagement::Production,
            (way, Some(_)) if way.registered_on.is_some() => Engagement::Testing,
            (way, None) if way.onboarded => Engagement::Testing,
            (way, None) if way.is_open => Engagement::Registered,
            _ => Engagement::Absent,
        };
        let earlier = first_test.as_ref().is_some_and(|test| test.on.year() < year);
        StatementFacts {
            site: self.site.id.to_string(),
            name: self.site.name.clone(),
            organization: self.organization.clone(),
            year,
            must_test_again: earlier && engagement == Engagement::Registered,
            sixty_days: sixty_days(declared.as_ref(), way.registered_on, year),
            registered_on: way.registered_on,
            first_test,
            test_of_year: self.test_of_year.clone(),
            onboarding: way.onboarding,
            production: way.production,
            declared,
            engagement,
        }
    }
}

fn declared(answers: &Answers) -> Option<Declared> {
    let date = |name| NaiveDate::parse_from_str(answers.get(name), "%Y-%m-%d").ok();
    let stage = answers.get("mu_stage");
    let stage = REGISTRATION.field("mu_stage").map(|field| field.kind.show(stage))?;
    let (first, last) = date("mu_period_start").zip(date("mu_period_end"))?;
    Some(Declared { stage, first, last })
}

fn sixty_days(
    declared: Option<&Declared>,
    registered_on: Option<NaiveDate>,
    year: i32,
) -> SixtyDays {
    let Some(declared) = declared else { return SixtyDays::Undeclared };
    if !program_years(declared.first).iter().any(|(_, last)| last.year() == year) {
        return SixtyDays::AnotherYear;
    }
    let until = declared.first + TimeDelta::days(REGISTER_WITHIN);
    match registered_on {
        Some(day) if day <= until => SixtyDays::Met,
        _ => SixtyDays::Late,
    }
}

/// The way of a Site up to the end of a year.
#[derive(Debug, Default)]
struct Way {
    registered_on: Option<NaiveDate>,
    onboarding: Option<Span>,
    production: Option<Span>,
    /// Whether it was under review on a day of the year.
    onboarded: bool,
    /// Whether it was in production on a day of the year.
    produced: bool,
    /// Whether it was neither stopped nor closed on a day of the year.
    is_open: bool,
}

impl Way {
    fn of(history: &[StageChange], year: i32) -> Self {
        let mut way = Self::default();
        let steps: Vec<_> =
            history.iter().filter(|step| step.at.pacific().year() <= year).collect();
        for (number, step) in steps.iter().enumerate() {
            way.take(step);
            let is_last_of_year =
                steps.get(number + 1).is_none_or(|next| next.at.pacific().year() >= year);
            if is_last_of_year {
                way.onboarded |= step.to == SiteStatus::Onboarding;
                way.produced |= step.to == SiteStatus::Production;
                way.is_open |= step.to.is_active();
            }
        }
        way
    }

    fn take(&mut self, step: &StageChange) {
        let on = step.at.pacific().date();
        let end = |span: &mut Option<Span>| {
            if let Some(span) = span.as_mut() {
                span.until.get_or_insert(on);
            }
        };
        self.registered_on.get_or_insert(on);
        match (step.event, step.to) {
            (StageEvent::Invited, _) => self.onboarding = Some(Span { from: on, until: None }),
            (StageEvent::SentBack | StageEvent::Approved, _) => end(&mut self.onboarding),
            (StageEvent::Closed | StageEvent::Withdrawn, _) => {
                end(&mut self.onboarding);
                end(&mut self.production);
            }
            _ => {}
        }
        let begins = self.production.as_ref().is_none_or(|span| span.until.is_some());
        if step.to == SiteStatus::Production && begins {
            self.production = Some(Span { from: on, until: None });
        }
    }
}

fn told(day: NaiveDate) -> String {
    day.format("%B %-d, %Y").to_string()
}

fn test_told(test: Option<&TestFact>) -> String {
    match test {
        None => "None".to_owned(),
        Some(TestFact { on, result }) => match result.as_deref() {
            Some("AA") => format!("{}: accepted (AA)", told(*on)),
            Some("AE") => format!("{}: with errors (AE); it counts as a test", told(*on)),
            Some("AR") => format!("{}: rejected (AR); it counts as a test", told(*on)),
            _ => format!("{}; its result is not kept any more", told(*on)),
        },
    }
}

fn span_told(span: Option<&Span>) -> String {
    match span {
        None => "No".to_owned(),
        Some(Span { from, until: None }) => format!("Since {}", told(*from)),
        Some(Span { from, until: Some(until) }) => {
            format!("From {} until {}", told(*from), told(*until))
        }
    }
}

impl StatementFacts {
    /// The facts as a statement tells them: what, and how it is.
    pub fn rows(&self) -> Vec<(String, String)> {
        let declared = self.declared.as_ref().map_or_else(
            || "None".to_owned(),
            |one| format!("{}, {} to {}", one.stage, told(one.first), told(one.last)),
        );
        let registered =
            self.registered_on.map_or_else(|| format!("Not by the end of {}", self.year), told);
        let of_year = format!("First test message of {}", self.year);
        [
            ("Site", self.name.clone()),
            ("Site ID (CAIR ID)", self.site.clone()),
            ("Organization", self.organization.clone()),
            ("Year", self.year.to_string()),
            ("Registered on", registered),
            ("First test message of all", test_told(self.first_test.as_ref())),
            (of_year.as_str(), self.year_told()),
            ("Review with real data (onboarding)", span_told(self.onboarding.as_ref())),
            ("In production", span_told(self.production.as_ref())),
            ("Reporting period, as declared by the Site", declared),
            ("Registered within 60 days of its beginning", self.sixty_days.told().to_owned()),
            ("Active engagement", self.engagement.told().to_owned()),
        ]
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value))
        .collect()
    }

    fn year_told(&self) -> String {
        let again = if self.must_test_again {
            ". The Site tested in an earlier year only: it must test again"
        } else {
            ""
        };
        format!("{}{again}", test_told(self.test_of_year.as_ref()))
    }

    /// What such a statement proves.
    pub const PROVES: &'static [&'static str] = &[
        "It tells what the CDPH Immunization Gateway recorded of this Site up to the day of issue: when it registered, when it \
         tested and how that ended, and how far it came. Days are those of California.",
        "A test counts whether or not it succeeded; its result is told.",
        "It is about the Site, not about one practitioner, and holds for all who share its certified EHR in one setting.",
    ];

    /// What it does not prove.
    pub const LEAVES_OPEN: &'static [&'static str] = &[
        "It is no attestation, and no decision about one: whether a measure is met is decided by the program that asks for it.",
        "The stage and the reporting period are those that the Site declared; nobody has checked them.",
        "It does not say that the content of messages was right, nor that every immunization was sent.",
        "What happens after the day of issue is not in it. Ask for another one at the end of the year.",
    ];
}

impl SixtyDays {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Undeclared => "Not checked: no reporting period was declared",
            Self::AnotherYear => "Not checked: the period lies in another year",
            Self::Met => "Yes",
            Self::Late => "No: later than 60 days",
        }
    }
}

impl Engagement {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Absent => "None in this year",
            Self::Registered => "Option 1: completed registration",
            Self::Testing => "Option 2: testing and validation",
            Self::Production => "Option 3: production",
        }
    }
}

/// How days are written down: `2026-12-31`.
mod day {
    use chrono::NaiveDate;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(super) fn serialize<S: Serializer>(day: &NaiveDate, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NaiveDate, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }

    pub(super) mod maybe {
        use chrono::NaiveDate;
        use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

        #[expect(
            clippy::ref_option,
            clippy::trivially_copy_pass_by_ref,
            reason = "serde wants it so"
        )]
        pub(in super::super) fn serialize<S: Serializer>(
            day: &Option<NaiveDate>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            day.map(|day| day.to_string()).serialize(to)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<NaiveDate>, D::Error> {
            let text = Option::<String>::deserialize(from)?;
            text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
        }
    }
}

/// The moments that a year lies between: the first of it, and the first of the next.
pub(crate) fn year_bounds(year: i32) -> Option<(Timestamp, Timestamp)> {
    let first = |year| NaiveDate::from_ymd_opt(year, 1, 1).map(Timestamp::pacific_midnight);
    first(year).zip(first(year + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OrganizationId, SiteKind};

    /// A moment of that day, late enough to be another day by UTC.
    fn at(day: &str) -> Timestamp {
        let midnight = Timestamp::pacific_midnight(day.parse().unwrap());
        midnight.plus(std::time::Duration::from_hours(20))
    }

    fn step(day: &str, event: StageEvent, to: SiteStatus) -> StageChange {
        StageChange {
            site: "DE-000001".parse().unwrap(),
            at: at(day),
            event,
            from: None,
            to,
            actor: "system".to_owned(),
            reason: None,
        }
    }

    fn test(day: &str, result: &str) -> TestFact {
        TestFact { on: day.parse().unwrap(), result: Some(result.to_owned()) }
    }

    fn sources(history: Vec<StageChange>, period: Option<(&str, &str)>) -> StatementSources {
        let mut answers = Answers::default();
        if let Some((first, last)) = period {
            answers.set("mu_stage", "stage-2");
            answers.set("mu_period_start", first);
            answers.set("mu_period_end", last);
        }
        StatementSources {
            site: Site {
                id: "DE-000001".parse().unwrap(),
                organization: OrganizationId(1),
                name: "Harbor Street".to_owned(),
                kind: SiteKind::Direct,
                clinical: true,
                county: None,
                region: None,
                status: SiteStatus::Registered,
                created_at: at("2015-01-05"),
                updated_at: at("2015-01-05"),
            },
            organization: "Harbor".to_owned(),
            history,
            first_test: None,
            test_of_year: None,
            answers,
        }
    }

    #[test]
    fn a_failed_test_counts_and_one_of_an_earlier_year_does_not() {
        let way = vec![step("2015-01-05", StageEvent::Registered, SiteStatus::Registered)];
        let mut known = sources(way, Some(("2015-01-01", "2015-03-31")));
        assert_eq!(known.facts(2015).engagement, Engagement::Registered);
        assert_eq!(known.facts(2014).engagement, Engagement::Absent);
        known.first_test = Some(test("2015-02-01", "AE"));
        known.test_of_year = known.first_test.clone();
        let facts = known.facts(2015);
        assert_eq!((facts.engagement, facts.sixty_days), (Engagement::Testing, SixtyDays::Met));
        assert!(facts.rows().iter().any(|(_, value)| value.contains("with errors (AE)")));

        known.test_of_year = None;
        let facts = known.facts(2016);
        assert_eq!(facts.engagement, Engagement::Registered);
        assert_eq!(facts.sixty_days, SixtyDays::AnotherYear);
        assert!(facts.must_test_again);
        assert!(!known.facts(2015).must_test_again);
    }

    #[test]
    fn the_highest_option_of_the_year_counts() {
        let way = vec![
            step("2015-01-05", StageEvent::Registered, SiteStatus::Registered),
            step("2015-06-01", StageEvent::Invited, SiteStatus::Onboarding),
            step("2015-07-01", StageEvent::Approved, SiteStatus::Production),
            step("2017-03-01", StageEvent::Closed, SiteStatus::Inactive),
        ];
        let known = sources(way, None);
        let options: Vec<_> = (2014..=2018).map(|year| known.facts(year).engagement).collect();
        let (none, third) = (Engagement::Absent, Engagement::Production);
        assert_eq!(options, [none, third, third, third, none]);
        assert_eq!(known.facts(2016).production.unwrap().until, None);
        assert_eq!(known.facts(2017).production.unwrap().until, "2017-03-01".parse().ok());
    }

    #[test]
    fn sixty_days_are_counted_from_the_first_day_of_the_period() {
        for (registered, right) in [("2015-03-02", SixtyDays::Met), ("2015-03-03", SixtyDays::Late)]
        {
            let way = vec![step(registered, StageEvent::Registered, SiteStatus::Registered)];
            let known = sources(way, Some(("2015-01-01", "2015-03-31")));
            assert_eq!(known.facts(2015).sixty_days, right, "{registered}");
        }
    }

    #[test]
    fn facts_are_written_and_read_back() {
        let way = vec![step("2015-01-05", StageEvent::Registered, SiteStatus::Registered)];
        let mut known = sources(way, Some(("2015-01-01", "2015-03-31")));
        known.test_of_year = Some(test("2015-02-01", "AR"));
        let facts = known.facts(2015);
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<StatementFacts>(&text).unwrap(), facts);
    }
}
