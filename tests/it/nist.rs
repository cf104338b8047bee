//! The validator against NIST's engine, over the corpus of `../shared/data`.
//!
//! The figures are printed as a summary: `cargo test --test it nist -- --nocapture`. What differs from NIST's engine on
//! purpose stands in `tests/fixtures/nist_differences.tsv`, each line with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use izportal::domain::{Diagnostic, Environment, Timestamp};
use izportal::hl7::{Header, Location, Message, ParseError, ProcessingId, Severity};
use izportal::validation::{Codes, Policy, ProcessingRules, Strictness, Validator, check_header};

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| Validator::new(Arc::clone(Codes::built_in())));

const DIFFERENCES: &str = include_str!("../fixtures/nist_differences.tsv");

/// Rules of ours that go beyond NIST's engine and may find an error where it finds none. Source: HL7 notes 5.2 and 5.3.
const BEYOND: [&str; 4] = ["NULL-R", "ORDERS-LOST", "GW-MSH-", "DQ-"];

fn data() -> Option<PathBuf> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if data.exists() {
        return Some(data);
    }
    say(&format!(
        "SKIPPED: {} is not there: nothing is compared with NIST's engine",
        data.display()
    ));
    None
}

#[expect(clippy::print_stderr, reason = "the figures are for the reader of the test's output")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Findings of a message as a tester sees them: any kind of message, any MSH-11 of table 0103.
fn findings(bytes: &[u8]) -> Result<Vec<Diagnostic>, ParseError> {
    let message = Message::parse(bytes)?;
    let header = Header::of(&message);
    let policy = Policy::new(Strictness::Production, [], &[]).unwrap();
    let test = vec![ProcessingId::T, ProcessingId::P, ProcessingId::D];
    let rules = ProcessingRules { test, ..ProcessingRules::default() };
    let mut found = check_header(&message, &header, Environment::Test, &rules);
    found.retain(|one| one.rule != "GW-MSH-9-REPLY");
    found.extend(VALIDATOR.check(&message, &header, &policy, Timestamp::now()));
    Ok(found)
}

/// One error of NIST's engine: `Constraint Failure @ RXA[1]-5[1].1 : ...`.
struct NistError<'t> {
    kind: &'t str,
    path: &'t str,
}

impl<'t> NistError<'t> {
    fn all(added: &'t str) -> Vec<Self> {
        let errors = added.split(";;").map(str::trim).filter(|error| !error.is_empty());
        errors
            .map(|error| {
                let (kind, rest) = error.split_once(" @ ").unwrap_or((error, ""));
                let path = rest.split(" : ").next().unwrap_or_default().trim();
                Self { kind, path }
            })
            .collect()
    }

    /// The element without numbers of occurrence: `RXA-5.1`.
    fn element(&self) -> String {
        let parts =
            self.path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest));
        parts.collect()
    }

    /// Whether a finding is at the same segment, field and component.
    fn is_at(&self, at: Option<Location>) -> bool {
        let Some(at) = at else { return self.path.is_empty() };
        let element = Location { sequence: 1, repetition: None, subcomponent: None, ..at };
        let here = element.human().to_string();
        let sequence = self.path.split(['[', ']']).nth(1).and_then(|one| one.parse().ok());
        let same_segment = !self.path.contains('-')
            || sequence.is_none_or(|sequence: u16| sequence == at.sequence);
        let element = self.element();
        let depth = element.matches('.').count();
        let theirs: Vec<_> = element.split('.').take(2).collect();
        same_segment && here == if depth > 1 { theirs.join(".") } else { element.clone() }
    }
}

/// A difference that was looked at: mutation, kind, element, reason; `*` stands for any mutation.
fn differences() -> Vec<[&'static str; 4]> {
    let rows = DIFFERENCES.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|row| row.split('\t').collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn what_nists_engine_finds_in_the_mutants_is_found_at_the_same_place() {
    let Some(data) = data() else { return };
    let table = fs::read_to_string(data.join("nist/results/mutants.tsv")).unwrap();
    let reviewed = differences();
    let mut used = BTreeSet::new();
    let (mut broken, mut at_a_place, mut at_all_places) = (0_u32, 0_u32, 0_u32);
    let mut unexplained = BTreeMap::new();
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let [file, _, mutation, _, added, ..] = columns[..] else { continue };
        let errors = NistError::all(added);
        if errors.is_empty() {
            continue;
        }
        broken += 1;
        let Ok(found) = findings(&fs::read(data.join(file)).unwrap()) else {
            // It is not a message at all: the answer says so.
            at_a_place += 1;
            at_all_places += 1;
            continue;
        };
        let missed: Vec<_> = errors
            .iter()
            .filter(|error| !found.iter().any(|one| error.is_at(one.location)))
            .collect();
        at_a_place += u32::from(missed.len() < errors.len());
        at_all_places += u32::from(missed.is_empty());
        for error in missed {
            let element = error.element();
            let known = reviewed.iter().position(|[which, kind, at, _]| {
                (*which == "*" || *which == mutation) && *kind == error.kind && *at == element
            });
            match known {
                Some(known) => drop(used.insert(known)),
                None => {
                    *unexplained
                        .entry(format!("{mutation}\t{}\t{element}", error.kind))
                        .or_insert(0) += 1;
                }
            }
        }
    }
    say(&format!(
        "NIST mutants: {broken} have an error of NIST's engine; at {at_a_place} ({:.1} %) we find something at the same \
         segment, field and component, at {at_all_places} at all of its places; {} reviewed differences",
        100.0 * f64::from(at_a_place) / f64::from(broken),
        reviewed.len()
    ));
    assert!(unexplained.is_empty(), "not in nist_differences.tsv: {unexplained:#?}");
    let stale: Vec<_> =
        (0..reviewed.len()).filter(|n| !used.contains(n)).map(|n| reviewed[n]).collect();
    assert!(stale.is_empty(), "no longer differs: {stale:#?}");
    assert!(at_a_place * 100 >= broken * 99, "{at_a_place} of {broken}");
}

#[test]
fn what_nists_engine_finds_clean_has_an_error_only_by_a_documented_rule() {
    let Some(data) = data() else { return };
    let table = fs::read_to_string(data.join("nist/results/mutants.tsv")).unwrap();
    let (mut clean, mut with_error, mut wrong) = (0, 0, vec![]);
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let [file, _, mutation, _, added, ..] = columns[..] else { continue };
        if !added.trim().is_empty() {
            continue;
        }
        clean += 1;
        let found = findings(&fs::read(data.join(file)).unwrap()).unwrap();
        let errors: Vec<_> = found.iter().filter(|one| one.severity == Severity::E).collect();
        with_error += usize::from(!errors.is_empty());
        let documented = |one: &&&Diagnostic| BEYOND.iter().any(|rule| one.rule.starts_with(rule));
        wrong.extend(
            errors
                .iter()
                .filter(|one| !documented(one))
                .map(|one| format!("{mutation}: {}", one.rule)),
        );
    }
    say(&format!(
        "NIST-clean mutants: {clean}; {with_error} have an error of ours, all by rules beyond NIST's engine"
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_messages_of_the_onc_tests_have_no_error() {
    let Some(data) = data() else { return };
    let (mut messages, mut errors, mut others) = (0, vec![], 0);
    for file in fs::read_dir(data.join("messages/nist-onc2015")).unwrap() {
        let path = file.unwrap().path();
        messages += 1;
        for one in findings(&fs::read(&path).unwrap()).unwrap() {
            if one.severity == Severity::E {
                errors.push(format!("{}: {} {}", path.display(), one.rule, one.text));
            } else {
                others += 1;
            }
        }
    }
    say(&format!(
        "ONC messages: {messages}, {} errors, {others} warnings and remarks",
        errors.len()
    ));
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn one_swap_of_segments_gives_at_most_two_findings() {
    let message = include_str!("../fixtures/hl7/vxu_two_orders.hl7");
    let segments: Vec<&str> = message.split('\r').filter(|line| !line.is_empty()).collect();
    let structural = ["SEG-MISSING", "SEG-ORDER", "SEG-LEADER", "SEG-SURPLUS", "SEG-UNKNOWN"];
    for first in 1..segments.len() - 1 {
        let mut swapped = segments.clone();
        swapped.swap(first, first + 1);
        let found = findings(swapped.join("\r").as_bytes()).unwrap();
        let about_order = found.iter().filter(|one| structural.contains(&one.rule)).count();
        assert!(
            about_order <= 2,
            "{} and {}: {found:#?}",
            &swapped[first][..3],
            &swapped[first + 1][..3]
        );
    }
}
