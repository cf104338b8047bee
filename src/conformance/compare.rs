//! Two runs held against each other: what got better, what got worse, what is new and what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::conformance::verdict::{CaseResult, Report, Verdict, Weight};

/// What changed about one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The case, with the version of SOAP.
    pub case: String,
    /// What came out in the first run; none when it was not in it.
    pub before: Option<Verdict>,
    /// What came out in the second run; none when it was not in it.
    pub after: Option<Verdict>,
    /// Rules that were kept before and are breached now.
    pub broken: Vec<String>,
    /// Rules that were breached before and are kept now.
    pub mended: Vec<String>,
}

/// What changed from one run to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Passed or breach fewer rules than before.
    pub better: Vec<Change>,
    /// No longer passed, no longer judged, or breach a rule that they kept before.
    pub worse: Vec<Change>,
    /// Were not in the first run.
    pub new: Vec<Change>,
    /// Are not in the second run, or were not run in it.
    pub gone: Vec<Change>,
    /// How many came out as before.
    pub same: usize,
}

impl Comparison {
    /// Holds the second run against the first.
    pub fn of(first: &Report, second: &Report) -> Self {
        let before: BTreeMap<String, &CaseResult> = by_key(first);
        let after: BTreeMap<String, &CaseResult> = by_key(second);
        let mut comparison = Self::default();
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            comparison.add(key, before.get(key).copied(), after.get(key).copied());
        }
        comparison
    }

    fn add(&mut self, key: &str, before: Option<&CaseResult>, after: Option<&CaseResult>) {
        let rules = |result: Option<&CaseResult>| result.map(errors).unwrap_or_default();
        let (old, new) = (rules(before), rules(after));
        let change = Change {
            case: key.to_owned(),
            before: before.map(|one| one.verdict),
            after: after.map(|one| one.verdict),
            broken: new.difference(&old).cloned().collect(),
            mended: old.difference(&new).cloned().collect(),
        };
        let was_run = change.before.is_some_and(|one| one != Verdict::Skipped);
        let is_run = change.after.is_some_and(|one| one != Verdict::Skipped);
        let passed = |verdict| verdict == Some(Verdict::Passed);
        let (had_passed, has_passed) = (passed(change.before), passed(change.after));
        match (was_run, is_run) {
            (false, true) => self.new.push(change),
            (true, false) => self.gone.push(change),
            (true, true) if had_passed && !has_passed => self.worse.push(change),
            (true, true) if !had_passed && has_passed => self.better.push(change),
            (true, true) if !change.broken.is_empty() => self.worse.push(change),
            (true, true) if !change.mended.is_empty() => self.better.push(change),
            (false, false) | (true, true) => self.same += 1,
        }
    }

    /// Whether anything got worse.
    pub fn is_worse(&self) -> bool {
        !self.worse.is_empty()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let parts = [
            ("Worse", &self.worse),
            ("Better", &self.better),
            ("New", &self.new),
            ("No longer run", &self.gone),
        ];
        for (title, changes) in parts.into_iter().filter(|(_, changes)| !changes.is_empty()) {
            let _ = writeln!(out, "{title}:"); // writing to a String does not fail
            for change in changes {
                let word = |verdict: Option<Verdict>| verdict.map_or("-", Verdict::word);
                let _ = write!(
                    out,
                    "  {}: {} -> {}",
                    change.case,
                    word(change.before),
                    word(change.after)
                ); // as above
                for (sign, rules) in [('+', &change.broken), ('-', &change.mended)] {
                    for rule in rules {
                        let _ = write!(out, " {sign}{rule}"); // as above
                    }
                }
                out.push('\n');
            }
        }
        let _ = writeln!(
            out,
            "{} worse, {} better, {} new, {} no longer run, {} as before",
            self.worse.len(),
            self.better.len(),
            self.new.len(),
            self.gone.len(),
            self.same
        ); // as above
        out
    }
}

impl Verdict {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Undecided => "undecided",
        }
    }
}

fn by_key(report: &Report) -> BTreeMap<String, &CaseResult> {
    report.results.iter().map(|result| (result.key(), result)).collect()
}

/// The rules that a case breaches with the weight of an error.
fn errors(result: &CaseResult) -> BTreeSet<String> {
    let errors = result.breaches.iter().filter(|one| one.weight == Weight::Error);
    errors.map(|one| one.rule.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::report::tests::sample;

    #[test]
    fn better_worse_new_and_gone_are_told_apart() {
        let first = sample();
        let mut second = sample();
        second.results[0].verdict = Verdict::Failed;
        second.results[1].verdict = Verdict::Passed;
        second.results[1].breaches.clear();
        second.results[2].verdict = Verdict::Passed;
        second.results.remove(3);

        let found = Comparison::of(&first, &second);

        let names =
            |changes: &[Change]| changes.iter().map(|one| one.case.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found.worse), ["SOAPCON-1 1.2"]);
        assert_eq!(names(&found.better), ["SOAPCON-3 1.2"]);
        assert_eq!(names(&found.new), ["DTD 1.2"]);
        assert_eq!(names(&found.gone), ["SOAPCON-4 1.2"]);
        assert_eq!(found.same, 1);
        assert!(found.is_worse());
        assert!(found.text().contains("SOAPCON-3 1.2: failed -> passed -FAULT-TEXT-LANG"));
    }

    #[test]
    fn a_case_that_fails_for_one_more_reason_is_worse() {
        let (first, mut second) = (sample(), sample());
        let mut another = second.results[1].breaches[0].clone();
        "FAULT-ORDER".clone_into(&mut another.rule);
        second.results[1].breaches.push(another);

        assert_eq!(Comparison::of(&first, &second).worse[0].broken, ["FAULT-ORDER"]);
        assert!(!Comparison::of(&second, &first).is_worse());
        assert!(!Comparison::of(&first, &first).is_worse());
    }
}
