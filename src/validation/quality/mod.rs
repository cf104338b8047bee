//! Checks beyond the guide: data that is well formed and still cannot be right, or is probably not what was meant.
//!
//! They run on immunization updates only. Thresholds stand beside the check that uses them; what a finding weighs is
//! data (`schemas/rules/quality.toml`). Source: tier 1 of the checks that registries run, with the thresholds of the
//! immregistries Message Quality Evaluator (MQE).

mod dates;
mod dose;
mod duplicates;
mod eligibility;
mod expected;
mod identifiers;
mod injection;
mod lot;
mod people;
mod places;
mod product;

use std::borrow::Cow;

use crate::validation::check::Check;
use crate::validation::facts::Facts;

pub(super) use places::can_be_reached;

/// So many repetitions of a field are looked at; nobody has more addresses or identifiers.
const REPETITIONS: usize = 32;

type OnMessage = fn(&mut Check<'_, '_, '_>, &Facts<'_, '_, '_>);

/// Every check, in the order in which they run.
const QUALITY: &[OnMessage] = &[
    dates::message,
    dates::patient,
    dates::doses,
    dates::eligibility,
    dose::status,
    dose::vaccine,
    dose::amount,
    dose::source,
    dose::action,
    product::maker,
    product::package,
    lot::number,
    lot::expiration,
    lot::shared,
    injection::route,
    injection::site,
    eligibility::told,
    eligibility::funding,
    identifiers::patient,
    identifiers::providers,
    people::names,
    people::guardian,
    people::birth_order,
    people::language,
    places::addresses,
    places::phones,
    places::kin,
    duplicates::doses,
    expected::elements,
    expected::segments,
];

/// Runs every check on an immunization update.
pub(super) fn check(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for one in QUALITY {
        one(check, facts);
    }
}

/// A value as text to be compared without regard to case; in capitals when it has other letters than those of ASCII.
fn caseless(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(String::from_utf8_lossy(value).to_uppercase()),
    }
}

/// Whether a caseless text is one character again and again.
fn is_one_character(text: &str) -> bool {
    let first = text.chars().next();
    text.chars().all(|one| first.is_some_and(|first| one.eq_ignore_ascii_case(&first)))
}
