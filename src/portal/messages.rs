//! What the pages of messages have in common, those of organizations and those of staff: what is asked for, lines of a list,
//! one message with its findings beside its segments.

use std::time::Duration;

use actix_web::web;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::{
    AccountId, Environment, MessageId, MessageRecord, MessageState, RegionCode, SiteId, Timestamp,
};
use crate::portal::Visit;
use crate::portal::moment::{Moment, moment};
use crate::store::{MessagePage, MessageSearch, SavedSearch};

/// Messages on a page.
pub(super) const PAGE: i64 = 50;

/// How long a page looks for messages before it shows what it has.
pub(super) const PATIENCE: Duration = Duration::from_millis(120);

/// The fields of the search, in the order of the page.
const FIELDS: [&str; 9] =
    ["control_id", "id", "site", "state", "code", "rule", "environment", "from", "to"];

/// Codes of an acknowledgement (HL7 table 0008).
const CODES: [(&str, &str); 3] = [("AA", "AA, taken"), ("AE", "AE, errors"), ("AR", "AR, refused")];

/// What is asked for, as it was typed; the address holds it.
#[derive(Default)]
pub(super) struct Asked {
    typed: Vec<(&'static str, String)>,
}

impl Asked {
    pub(super) fn of(visit: &Visit) -> Self {
        Self::read(|name| visit.query(name))
    }

    /// From anything that has values for the names of the fields.
    pub(super) fn read(value: impl Fn(&str) -> String) -> Self {
        let field = |name| (name, value(name).trim().chars().take(200).collect::<String>());
        let typed = FIELDS.into_iter().map(field).filter(|(_, value)| !value.is_empty());
        Self { typed: typed.collect() }
    }

    /// What was typed into a field.
    pub(super) fn get(&self, field: &str) -> &str {
        self.typed.iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value)
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.typed.is_empty()
    }

    /// As parameters of an address.
    pub(super) fn query(&self) -> String {
        let parts: Vec<_> =
            self.typed.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        parts.join("&")
    }

    /// What the store looks for, and of which Site; or what is wrong with the fields.
    pub(super) fn search(&self) -> Result<(MessageSearch, Option<SiteId>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let from = self.moment("from", false, &mut errors);
        let until = self.moment("to", true, &mut errors);
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            errors.add("to", "The end must be after the beginning");
        }
        let search = MessageSearch {
            id: self.parsed(
                "id",
                "Enter our ID with its 13 letters and digits, like 0CN824C3E0200",
                &mut errors,
            ),
            control_id: Some(self.get("control_id").to_owned()).filter(|text| !text.is_empty()),
            state: self.parsed("state", "Choose a state of the list", &mut errors),
            ack_code: Some(self.get("code").to_ascii_uppercase()).filter(|text| !text.is_empty()),
            rule: Some(self.get("rule").to_owned()).filter(|text| !text.is_empty()),
            environment: self.parsed("environment", "Choose test or production", &mut errors),
            region: None,
            site: None,
            from,
            until,
        };
        let site = self.parsed("site", "Enter a Site ID such as DE-000001", &mut errors);
        if errors.is_empty() { Ok((search, site)) } else { Err(errors) }
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        field: &'static str,
        wrong: &str,
        errors: &mut FieldErrors,
    ) -> Option<T> {
        let text = self.get(field);
        let read = text.parse().ok();
        if read.is_none() && !text.is_empty() {
            errors.add(field, wrong);
        }
        read
    }

    /// A day or a minute in California; the end of a day or a minute is that of its last moment.
    fn moment(
        &self,
        field: &'static str,
        is_end: bool,
        errors: &mut FieldErrors,
    ) -> Option<Timestamp> {
        let text = self.get(field);
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(|day| (day.and_time(NaiveTime::MIN), Duration::from_hours(24)));
        let minute = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
            .map(|minute| (minute, Duration::from_mins(1)));
        match day.or(minute) {
            Ok((local, span)) => {
                let begin = in_california(local);
                Some(if is_end { begin.plus(span) } else { begin })
            }
            Err(_) if text.is_empty() => None,
            Err(_) => {
                errors.add(field, "Enter a day and a time, such as 2026-12-31T14:00");
                None
            }
        }
    }
}

/// The moment when clocks in California show this.
pub(super) fn in_california(local: NaiveDateTime) -> Timestamp {
    let midnight = Timestamp::pacific_midnight(local.date());
    let since = local.time().signed_duration_since(NaiveTime::MIN).to_std().unwrap_or_default();
    let guess = midnight.plus(since);
    // On the two days of the year that are not 24 hours long.
    let off = local - guess.pacific();
    Timestamp::from_naive(guess.as_naive().checked_add_signed(off).unwrap_or(local))
}

/// What can be chosen: value, words, whether it was asked for.
pub(super) type Offered = (String, String, bool);

/// The fields of a search as they are shown.
pub(super) struct Fields {
    pub(super) asked: Asked,
    pub(super) errors: FieldErrors,
    pub(super) states: Vec<Offered>,
    pub(super) codes: Vec<Offered>,
    pub(super) environments: Vec<Offered>,
    /// Of a member; staff type a Site ID.
    pub(super) sites: Vec<Offered>,
}

impl Fields {
    pub(super) fn new(asked: Asked, errors: FieldErrors, sites: Vec<(String, String)>) -> Self {
        let choose = |field: &str, choices: Vec<(String, String)>| {
            let chosen = asked.get(field).to_owned();
            choices
                .into_iter()
                .map(|(value, name)| {
                    let is_chosen = value == chosen;
                    (value, name, is_chosen)
                })
                .collect::<Vec<_>>()
        };
        let owned = |(value, name): (&str, &str)| (value.to_owned(), name.to_owned());
        let states = MessageState::ALL.iter().map(|one| owned((one.word(), one.told()))).collect();
        let environments = [("test", "Test"), ("production", "Production")];
        Self {
            states: choose("state", states),
            codes: choose("code", CODES.into_iter().map(owned).collect()),
            environments: choose("environment", environments.into_iter().map(owned).collect()),
            sites: choose("site", sites),
            asked,
            errors,
        }
    }

    /// What was typed into a field.
    pub(super) fn get(&self, field: &str) -> &str {
        self.asked.get(field)
    }

    /// What was typed into a field of a moment, as a browser takes it: a day alone is its first minute, or its last.
    pub(super) fn moment(&self, field: &str) -> String {
        let text = self.asked.get(field);
        match (NaiveDate::parse_from_str(text, "%Y-%m-%d"), field) {
            (Ok(_), "to") => format!("{text}T23:59"),
            (Ok(_), _) => format!("{text}T00:00"),
            (Err(_), _) => text.to_owned(),
        }
    }
}

/// The search that a form asks to keep, and its parameters as we write them; none without a name or anything asked for.
pub(super) fn saved_search(
    fields: &Answers,
    account: AccountId,
    place: String,
) -> Option<(SavedSearch, String)> {
    let name: String = fields.get("name").trim().chars().take(60).collect();
    let typed = web::Query::<Vec<(String, String)>>::from_query(fields.get("query"))
        .map(web::Query::into_inner)
        .unwrap_or_default();
    let value = |field: &str| typed.iter().find(|(one, _)| one == field).map(|(_, value)| value);
    let query = Asked::read(|field| value(field).cloned().unwrap_or_default()).query();
    let is_one = !name.is_empty() && !query.is_empty();
    let search = SavedSearch { id: 0, account, place, name, query: query.clone() };
    is_one.then_some((search, query))
}

/// A message in a list.
pub(super) struct Line {
    pub(super) id: MessageId,
    pub(super) at: Moment,
    pub(super) control_id: String,
    /// The responsible Site, or what stands for it.
    pub(super) site: String,
    /// Who sent it, when it was another.
    pub(super) sender: Option<SiteId>,
    pub(super) environment: &'static str,
    pub(super) state: &'static str,
    pub(super) tag: &'static str,
    pub(super) ack_code: String,
    pub(super) findings: i64,
}

impl Line {
    pub(super) fn of(record: MessageRecord) -> Self {
        Self {
            id: record.id,
            at: moment(record.received_at),
            control_id: if record.control_id.is_empty() {
                "none".to_owned()
            } else {
                record.control_id
            },
            site: record.site.as_ref().map_or_else(|| "Not known".to_owned(), SiteId::to_string),
            sender: Some(record.sender).filter(|sender| record.site.as_ref() != Some(sender)),
            environment: environment_name(record.environment),
            state: record.state.told(),
            tag: state_tag(record.state),
            ack_code: record.ack_code,
            findings: record.diagnostics,
        }
    }
}

/// A page of a list.
pub(super) struct List {
    pub(super) lines: Vec<Line>,
    /// Address of what comes next.
    pub(super) next: Option<String>,
    /// How far back was looked, when the page is not full and there may be more.
    pub(super) looked_to: Option<Moment>,
}

impl List {
    /// `here` is the address of the first page, with `?` and what is asked for.
    pub(super) fn of(page: MessagePage, path: &str, asked: &Asked) -> Self {
        let MessagePage { messages, before, is_cut } = page;
        let query = asked.query();
        let parts = |before: MessageId| match query.as_str() {
            "" => format!("{path}?before={before}"),
            query => format!("{path}?{query}&before={before}"),
        };
        Self {
            lines: messages.into_iter().map(Line::of).collect(),
            next: before.map(parts),
            looked_to: before.filter(|_| is_cut).map(|before| moment(before.moment())),
        }
    }
}

/// The colour of a state.
pub(super) const fn state_tag(state: MessageState) -> &'static str {
    match state {
        MessageState::Delivered | MessageState::Answered => "tag-green",
        MessageState::Accepted => "tag-blue",
        MessageState::Review | MessageState::Unanswered => "tag-amber",
        MessageState::Refused | MessageState::Rejected => "tag-red",
        MessageState::GivenUp | MessageState::Replaced => "tag-grey",
    }
}

/// An environment, for people.
pub(super) const fn environment_name(environment: Environment) -> &'static str {
    match environment {
        Environment::Test => "Test",
        Environment::Production => "Production",
    }
}

/// A region, for people.
pub(super) fn region_name(region: Option<RegionCode>) -> String {
    region.map_or_else(
        || "None: it goes nowhere".to_owned(),
        |region| format!("{} ({region})", region.facts().name),
    )
}

/// A text as a parameter of an address.
pub(super) fn encoded(text: &str) -> String {
    let letter = |one: u8| {
        if one.is_ascii_alphanumeric() || b"-_.".contains(&one) {
            char::from(one).to_string()
        } else {
            format!("%{one:02X}")
        }
    };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked::read(|name| {
            pairs.iter().find(|(one, _)| *one == name).map_or("", |(_, value)| value).to_owned()
        })
    }

    #[test]
    fn the_address_holds_what_was_asked() {
        let asked = asked(&[("control_id", " A&B 1 "), ("state", "refused")]);
        assert_eq!(asked.query(), "control_id=A%26B%201&state=refused");
        let (search, _) = asked.search().unwrap();
        assert_eq!(search.control_id.as_deref(), Some("A&B 1"));
        assert_eq!(search.state, Some(MessageState::Refused));
    }

    #[test]
    fn the_last_day_counts_whole() {
        let (search, _) = asked(&[("from", "2026-12-01"), ("to", "2026-12-01")]).search().unwrap();
        let span = search.until.unwrap().seconds_since(search.from.unwrap());
        assert_eq!(span, 86_400);
    }

    #[test]
    fn a_minute_is_that_of_california() {
        for (typed, utc) in [
            ("2026-11-22T15:04", "2026-11-22T23:04:00.000Z"),
            ("2026-07-04T19:30", "2026-07-05T02:30:00.000Z"),
            ("2026-03-08T12:00", "2026-03-08T19:00:00.000Z"),
            ("2026-11-01T12:00", "2026-11-01T20:00:00.000Z"),
        ] {
            let (search, _) = asked(&[("from", typed)]).search().unwrap();
            assert_eq!(search.from.unwrap().to_string(), utc);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_at_its_field() {
        for (field, value) in [
            ("id", "x"),
            ("state", "gone"),
            ("from", "yesterday"),
            ("site", "?"),
            ("environment", "x"),
        ] {
            let errors = asked(&[(field, value)]).search().unwrap_err();
            assert!(errors.of(field).is_some(), "{field}");
        }
        let turned = asked(&[("from", "2026-12-02"), ("to", "2026-12-01")]).search().unwrap_err();
        assert!(turned.of("to").is_some());
    }
}
