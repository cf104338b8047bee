//! Lot numbers and expiration dates.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Months, NaiveDate};

use crate::hl7::{Dtm, Precision};
use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::Facts;
use crate::validation::quality::{caseless, is_one_character};

/// What stands in front of lot numbers and is none. Source: MQE.
const PREFIXES: [&str; 7] = ["LOT", "(P)", "MED", "SKB", "PMC", "WSD", "WAL"];

/// Lot numbers of so many characters or fewer are short. Source: MQE.
const SHORT: usize = 4;

/// Words that are no lot number.
const PLACEHOLDERS: [&str; 10] =
    ["TEST", "TESTLOT", "UNKNOWN", "UNK", "NONE", "N/A", "NA", "12345", "123456", "ABC123"];

/// RXA-15.
pub(super) fn number(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let whole = || Spot::at(dose.rxa, 15, 0);
        let Some(lot) = dose.told.lot else {
            // With CP or PA the profile itself asks for it.
            if dose.is_new() && dose.told.status.is_none() {
                check.add("DQ-LOT-MISSING", &whole());
            }
            continue;
        };
        if let Some(rule) = fault(&caseless(lot)) {
            check.add(rule, &whole()).quote(true);
        }
    }
}

fn fault(lot: &str) -> Option<&'static str> {
    let is = |word: &&str| lot.eq_ignore_ascii_case(word);
    if PLACEHOLDERS.iter().any(is) || lot.chars().nth(1).is_some() && is_one_character(lot) {
        return Some("DQ-LOT-TEST");
    }
    let begins = |prefix: &&str| {
        lot.get(..prefix.len()).is_some_and(|front| front.eq_ignore_ascii_case(prefix))
    };
    if PREFIXES.iter().any(begins) {
        return Some("DQ-LOT-PREFIX");
    }
    if !lot.chars().all(|one| one.is_ascii_alphanumeric() || one == '-') {
        return Some("DQ-LOT-SHAPE");
    }
    (lot.len() <= SHORT).then_some("DQ-LOT-SHORT")
}

/// RXA-16 is not before RXA-3.
pub(super) fn expiration(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let last =
            text(dose.rxa, 16, 1).and_then(|value| Dtm::parse(value).ok()).and_then(last_day);
        if last.zip(dose.day).is_some_and(|(last, given)| last < given) {
            check.add("DQ-LOT-EXPIRED", &Spot::at(dose.rxa, 16, 0));
        }
    }
}

/// The last day that a date names: of a month its last.
fn last_day(moment: Dtm) -> Option<NaiveDate> {
    match moment.precision() {
        Precision::Year => None,
        Precision::Month => {
            moment.date().with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
        }
        _ => Some(moment.date()),
    }
}

/// Two different vaccines under one lot number.
pub(super) fn shared(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    if facts.doses.len() < 2 {
        return;
    }
    let mut vaccines: BTreeMap<&[u8], &str> = BTreeMap::new();
    for dose in facts.doses.iter().filter(|dose| dose.is_new()) {
        let (Some(cvx), Some(lot)) = (dose.cvx, dose.told.lot) else { continue };
        if *vaccines.entry(lot).or_insert(&cvx.code) != &*cvx.code {
            check.add("DQ-LOT-SHARED", &Spot::at(dose.rxa, 15, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lot_numbers_are_told_from_what_is_none() {
        for good in ["S4121RG", "AB12C", "U6329-BP", "12346"] {
            assert_eq!(fault(good), None, "{good}");
        }
        assert_eq!(fault("LOT123"), Some("DQ-LOT-PREFIX"));
        assert_eq!(fault("AB12"), Some("DQ-LOT-SHORT"));
        assert_eq!(fault("A1234/B5"), Some("DQ-LOT-SHAPE"));
        assert_eq!(fault("0000000"), Some("DQ-LOT-TEST"));
        assert_eq!(fault("TEST"), Some("DQ-LOT-TEST"));
    }

    #[test]
    fn a_month_expires_with_its_last_day() {
        let last = |text: &[u8]| last_day(Dtm::parse(text).unwrap());
        assert_eq!(last(b"202602"), NaiveDate::from_ymd_opt(2026, 2, 28));
        assert_eq!(last(b"20260214"), NaiveDate::from_ymd_opt(2026, 2, 14));
        assert_eq!(last(b"2026"), None);
    }
}
