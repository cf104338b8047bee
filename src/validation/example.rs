//! Example messages for the rules, and the edits by which a rule is kept or broken.
//!
//! An edit is one of: `RXA-6=999` puts that text into an element (`RXA[2]-6.1=`, too), `-OBX[2]` takes a segment away,
//! `PID+ZPD|1` puts a segment behind another one. The people in the examples are invented.

use std::ops::Range;

use crate::hl7::{Location, Message};
use crate::validation::catalogue::{Example, Rule};

const VXU: &str = include_str!("../../schemas/rules/examples/vxu.hl7");
const QBP: &str = include_str!("../../schemas/rules/examples/qbp.hl7");
const RSP: &str = include_str!("../../schemas/rules/examples/rsp.hl7");
const ACK: &str = include_str!("../../schemas/rules/examples/ack.hl7");

impl Example {
    /// The message, its segments ended by CR.
    pub fn message(self) -> String {
        let text = match self {
            Self::Vxu => VXU,
            Self::Qbp => QBP,
            Self::Rsp => RSP,
            Self::Ack => ACK,
        };
        text.replace('\n', "\r")
    }
}

impl Rule {
    /// A message that keeps the rule.
    pub fn good_message(&self) -> Option<String> {
        edited(self.example.message(), &self.good)
    }

    /// A message that breaks it; none when the rule gives no such example.
    pub fn bad_message(&self) -> Option<String> {
        if self.bad.is_empty() {
            return None;
        }
        edited(self.example.message(), &self.bad)
    }

    /// The segments that its examples of a breach change, each once.
    pub fn segments(&self) -> Vec<&str> {
        let changed = self.bad.iter().filter_map(|edit| edit.trim_start_matches('-').get(..3));
        let mut found: Vec<&str> = changed.collect();
        found.dedup();
        found
    }

    /// The element that its example of a breach changes, such as `RXA-5`.
    pub fn element(&self) -> Option<&str> {
        let (place, _) = self.bad.iter().find_map(|edit| edit.split_once('='))?;
        place.parse::<Location>().is_ok().then_some(place)
    }
}

/// A message after some edits; none when one of them does not fit.
pub fn edited(message: String, edits: &[String]) -> Option<String> {
    edits.iter().try_fold(message, |message, edit| apply(&message, edit))
}

/// A segment and the bytes of it that differ.
pub type Difference<'m> = (&'m str, Range<usize>);

/// The segments in which two messages differ: those of the first, and those of the second.
pub fn differences<'m>(good: &'m str, bad: &'m str) -> (Vec<Difference<'m>>, Vec<Difference<'m>>) {
    let (good, bad): (Vec<&str>, Vec<&str>) =
        (good.split_terminator('\r').collect(), bad.split_terminator('\r').collect());
    let (front, back) = common(&good, &bad);
    let middle = |all: &[&'m str]| all.get(front..all.len() - back).unwrap_or_default().to_vec();
    let (good, bad) = (middle(&good), middle(&bad));
    if good.len() != bad.len() {
        let whole =
            |all: Vec<&'m str>| all.into_iter().map(|one| (one, 0..one.len().min(3))).collect();
        return (whole(good), whole(bad));
    }
    let pairs = good.into_iter().zip(bad).filter(|(good, bad)| good != bad);
    pairs
        .map(|(good, bad)| {
            let (front, back) = common(good.as_bytes(), bad.as_bytes());
            ((good, front..good.len() - back), (bad, front..bad.len() - back))
        })
        .unzip()
}

/// How much two lists have in common in front, and of what remains behind.
fn common<T: PartialEq>(a: &[T], b: &[T]) -> (usize, usize) {
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let left = a.len().min(b.len()) - front;
    let back = a.iter().rev().zip(b.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    (front, back)
}

fn apply(message: &str, edit: &str) -> Option<String> {
    let mut segments: Vec<String> =
        message.split('\r').filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if let Some(gone) = edit.strip_prefix('-') {
        segments.remove(index(message, &gone.parse().ok()?)?);
        return Some(joined(&segments));
    }
    let behind = edit.split_once('+').filter(|(place, _)| place.parse::<Location>().is_ok());
    if let Some((place, segment)) = behind {
        segments.insert(index(message, &place.parse().ok()?)? + 1, segment.to_owned());
        return Some(joined(&segments));
    }
    let (place, value) = edit.split_once('=')?;
    let location: Location = place.parse().ok()?;
    let segment = segments.get_mut(index(message, &location)?)?;
    *segment = with_value(segment, &location, value)?;
    Some(joined(&segments))
}

fn index(message: &str, location: &Location) -> Option<usize> {
    let message = Message::parse(message.as_bytes()).ok()?;
    let mut named = message.segments_named(location.segment.as_str());
    named.nth(usize::from(location.sequence) - 1).map(|segment| segment.index())
}

fn joined(segments: &[String]) -> String {
    segments.join("\r") + "\r"
}

/// A segment with another value at a place, filled up with empty parts as far as needed.
fn with_value(segment: &str, location: &Location, value: &str) -> Option<String> {
    let field = usize::from(location.field?);
    // MSH-1 is the separator itself, so the fields of MSH stand one part earlier.
    let position = if segment.starts_with("MSH") { field - 1 } else { field };
    let Some(component) = location.component else {
        let repetition = usize::from(location.repetition.unwrap_or(1));
        if repetition == 1 {
            return Some(put(segment, '|', position, |_| value.to_owned()));
        }
        return Some(put(segment, '|', position, |old| {
            put(old, '~', repetition - 1, |_| value.to_owned())
        }));
    };
    let repetition = usize::from(location.repetition.unwrap_or(1));
    let set = |old: &str| match location.subcomponent {
        None => value.to_owned(),
        Some(sub) => put(old, '&', usize::from(sub) - 1, |_| value.to_owned()),
    };
    Some(put(segment, '|', position, |old| {
        put(old, '~', repetition - 1, |old| put(old, '^', usize::from(component) - 1, set))
    }))
}

/// The part with that index changed.
fn put(text: &str, separator: char, index: usize, change: impl Fn(&str) -> String) -> String {
    let mut parts: Vec<String> = text.split(separator).map(str::to_owned).collect();
    parts.resize(parts.len().max(index + 1), String::new());
    if let Some(part) = parts.get_mut(index) {
        *part = change(part);
    }
    parts.join(&separator.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Diagnostic, Environment, Timestamp};
    use crate::hl7::Header;
    use crate::validation::{
        Catalogue, Codes, Policy, ProcessingRules, Strictness, Validator, check_header,
    };

    fn found(validator: &Validator, text: &str, overlays: &[&str]) -> Vec<Diagnostic> {
        let message = Message::parse(text.as_bytes()).unwrap();
        let header = Header::of(&message);
        let day = chrono::NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        let now = Timestamp::from_naive(day.and_hms_opt(12, 0, 0).unwrap());
        let rules = ProcessingRules::default();
        let mut found = check_header(&message, &header, Environment::Test, &rules);
        for strictness in [Strictness::Onboarding, Strictness::Production] {
            let policy = Policy::new(strictness, overlays.iter().copied(), &[]).unwrap();
            found.extend(validator.check(&message, &header, &policy, now));
        }
        found
    }

    #[test]
    fn the_examples_keep_every_rule() {
        let validator = Validator::new(Arc::clone(Codes::built_in()));
        for example in Example::ALL {
            let found = found(&validator, &example.message(), &["cair"]);
            let not_a_submission = |one: &Diagnostic| one.rule.starts_with("GW-MSH-9");
            let found: Vec<_> = found.iter().filter(|one| !not_a_submission(one)).collect();
            assert!(found.is_empty(), "{example}: {found:#?}");
        }
    }

    #[test]
    fn every_rule_is_kept_by_its_good_example_and_broken_by_its_bad_one() {
        let validator = Validator::new(Arc::clone(Codes::built_in()));
        let overlays: Vec<_> = Catalogue::built_in().overlay_names().collect();
        let mut wrong = vec![];
        for (chapter, rule) in Catalogue::built_in().rules() {
            let breaks = |text: &str| {
                found(&validator, text, &overlays).iter().any(|one| one.rule == rule.id)
            };
            match rule.good_message() {
                Some(good) if breaks(&good) => wrong.push(format!("{}: good breaks it", rule.id)),
                Some(_) => {}
                None => wrong.push(format!("{}: good is not an edit", rule.id)),
            }
            match rule.bad_message() {
                Some(bad) if !breaks(&bad) => wrong.push(format!("{}: bad keeps it", rule.id)),
                None if !rule.bad.is_empty() => wrong.push(format!("{}: bad is no edit", rule.id)),
                None if chapter != "header" && chapter != "structure" => {
                    wrong.push(format!("{}: no bad example", rule.id));
                }
                _ => {}
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn edits_put_values_where_they_say() {
        let message = "MSH|^~\\&|A\rPID|1||X^^^Y\r".to_owned();
        let edit = |edit: &str| edited(message.clone(), &[edit.to_owned()]).unwrap();
        assert_eq!(edit("PID-3.5=MR"), "MSH|^~\\&|A\rPID|1||X^^^Y^MR\r");
        assert_eq!(edit("PID-3[2]=Z"), "MSH|^~\\&|A\rPID|1||X^^^Y~Z\r");
        assert_eq!(edit("PID-3.4.2=9"), "MSH|^~\\&|A\rPID|1||X^^^Y&9\r");
        assert_eq!(edit("MSH-4=B"), "MSH|^~\\&|A|B\rPID|1||X^^^Y\r");
        assert_eq!(edit("-PID"), "MSH|^~\\&|A\r");
        assert_eq!(edit("PID+PD1|x=y"), "MSH|^~\\&|A\rPID|1||X^^^Y\rPD1|x=y\r");
        assert_eq!(edited(message, &["PV1-2=R".to_owned()]), None);
    }
}
