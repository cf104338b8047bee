//! The quality suite of MQE: 253 messages with one fault each, and what is found of it.
//!
//! The files are numbered, not named for their faults: what each is about stands in `fixtures/mqe_targets.tsv`, worked out
//! from the list of issues of the program that made them and from the messages themselves. The suite takes 8 December
//! 2017 for today (its doses are of that day, and what it means to be in the future is a year later), and is judged so.
//!
//! The figures are printed: `cargo test --test it quality_suite -- --nocapture`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use chrono::NaiveDate;
use izportal::domain::{Diagnostic, Environment, Timestamp};
use izportal::hl7::{Header, Location, Message, ProcessingId};
use izportal::validation::{Codes, Policy, ProcessingRules, Strictness, Validator, check_header};

const TARGETS: &str = include_str!("../fixtures/mqe_targets.tsv");

/// Files of which the fault has to be found, of 253.
const LEAST: usize = 245;

/// As many by the policy that every region has, where what may be empty is mostly passed over.
const LEAST_BY_DEFAULT: usize = 200;

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| Validator::new(Arc::clone(Codes::built_in())));

/// What a file of the suite is about.
struct Target {
    number: &'static str,
    detection: &'static str,
    elements: Vec<Location>,
    /// The rule that finds it; none: there is nothing to find.
    rule: Option<&'static str>,
    note: &'static str,
}

impl Target {
    fn all() -> Vec<Self> {
        let rows = TARGETS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        rows.map(|row| {
            let columns: Vec<_> = row.split('\t').collect();
            let [number, detection, elements, rule, note] = columns[..] else { panic!("{row}") };
            let elements = elements.split(' ').map(|at| at.parse().unwrap()).collect();
            Self { number, detection, elements, rule: (rule != "-").then_some(rule), note }
        })
        .collect()
    }

    /// The rules that find something at the element or a part of it.
    fn found_there(&self, found: &[Diagnostic]) -> Vec<&'static str> {
        let is_at = |one: &&Diagnostic| self.elements.iter().any(|at| is_within(one.location, at));
        found.iter().filter(is_at).map(|one| one.rule).collect()
    }

    fn is_found(&self, found: &[Diagnostic]) -> bool {
        self.rule.is_some_and(|rule| self.found_there(found).contains(&rule))
    }
}

fn is_within(at: Option<Location>, element: &Location) -> bool {
    at.is_some_and(|at| {
        at.segment == element.segment
            && (element.field.is_none() || at.field == element.field)
            && (element.component.is_none() || at.component == element.component)
    })
}

/// The files by their number.
fn suite() -> Option<BTreeMap<String, Vec<u8>>> {
    let suite =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/messages/mqe-quality");
    let Ok(files) = fs::read_dir(&suite) else {
        say(&format!("SKIPPED: {} is not there: the quality suite is not run", suite.display()));
        return None;
    };
    let read = files.map(|file| {
        let file = file.unwrap();
        let name = file.file_name().to_string_lossy().into_owned();
        (name[..3].to_owned(), fs::read(file.path()).unwrap())
    });
    Some(read.collect())
}

#[expect(clippy::print_stderr, reason = "the figures are for the reader of the test's output")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn findings(bytes: &[u8], policy: &Policy) -> Vec<Diagnostic> {
    let message = Message::parse(bytes).unwrap();
    let header = Header::of(&message);
    let today = NaiveDate::from_ymd_opt(2017, 12, 8).unwrap().and_hms_opt(18, 0, 0).unwrap();
    let rules = ProcessingRules { test: vec![ProcessingId::P], ..ProcessingRules::default() };
    let mut found = check_header(&message, &header, Environment::Test, &rules);
    found.extend(VALIDATOR.check(&message, &header, policy, Timestamp::from_naive(today)));
    found
}

/// The findings of every file, by a policy of these overlays.
fn judged<const N: usize>(
    files: &BTreeMap<String, Vec<u8>>,
    overlays: [&str; N],
) -> BTreeMap<String, Vec<Diagnostic>> {
    let policy = Policy::new(Strictness::Production, overlays, &[]).unwrap();
    files.iter().map(|(number, bytes)| (number.clone(), findings(bytes, &policy))).collect()
}

#[test]
fn quality_suite_faults_are_found_at_the_element_that_they_are_in() {
    let Some(files) = suite() else { return };
    let targets = Target::all();
    let numbers: Vec<_> = targets.iter().map(|target| target.number).collect();
    assert_eq!(files.keys().collect::<Vec<_>>(), numbers);

    let found = judged(&files, ["cair", "completeness"]);

    let (mut right, mut common, mut wrong, mut nothing) = (0, 0, vec![], vec![]);
    for target in &targets {
        let Target { number, detection, note, .. } = target;
        let there = target.found_there(&found[*number]);
        match target.rule {
            None => nothing.push(format!("  {number} {detection}: {note}")),
            Some(_) if target.is_found(&found[*number]) => {
                right += 1;
                let files = found.values().filter(|found| target.is_found(found)).count();
                common += usize::from(files * 2 > targets.len());
            }
            Some(rule) => wrong.push(format!("{number} {detection}: {rule} expected, {there:?}")),
        }
    }
    say(&format!(
        "MQE quality suite: {right} of {} found at their element by the rule that is meant ({common} of them by a rule \
         that most files of the suite break at that element); nothing to find in {}:\n{}",
        targets.len(),
        nothing.len(),
        nothing.join("\n")
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(right >= LEAST, "{right}");
}

#[test]
fn quality_suite_faults_are_mostly_found_by_the_default_policy_too() {
    let Some(files) = suite() else { return };

    let found = judged(&files, ["cair"]);

    let targets = Target::all();
    let right = targets.iter().filter(|target| target.is_found(&found[target.number])).count();
    say(&format!("MQE quality suite by the default policy: {right} of {}", targets.len()));
    assert!(right >= LEAST_BY_DEFAULT, "{right}");
}
