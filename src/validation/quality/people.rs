//! Names, next of kin and multiple births.

use crate::hl7::Segment;
use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::{Facts, spot};
use crate::validation::quality::{caseless, is_one_character};

/// A name of more words than this is more likely a remark.
const WORDS: usize = 4;

/// Words that stand where a newborn has no name yet.
const NEWBORN: [&str; 9] =
    ["NEWBORN", "BABY", "BABYBOY", "BABYGIRL", "BB", "BG", "INFANT", "BOY", "GIRL"];

/// Words that are no name of a person.
const PLACEHOLDERS: [&str; 10] =
    ["TEST", "TESTING", "TESTPATIENT", "PATIENT", "UNKNOWN", "UNK", "NONE", "NA", "XXX", "DUMMY"];

const SUFFIXES: [&str; 6] = ["JR", "SR", "II", "III", "IV", "ESQ"];

/// The parts of a name, as XPN has them.
const PARTS: [usize; 3] = [1, 2, 3];

/// Relationships of those who are responsible for a child. Source: HL7 table 0063; MQE.
const RESPONSIBLE: [&[u8]; 7] = [b"MTH", b"FTH", b"PAR", b"GRD", b"GRP", b"CGV", b"SEL"];

/// Relationships that a child cannot have: someone else is its child or spouse.
const YOUNGER: [&[u8]; 4] = [b"CHD", b"FCH", b"SCH", b"SPO"];

/// PID-5, PID-6 and NK1-2.
pub(super) fn names(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    if let Some(pid) = facts.pid {
        name(check, pid, 5);
        name(check, pid, 6);
        if text(pid, 5, 3).is_some_and(|middle| matches!(middle, [_] | [_, b'.'])) {
            check.add("DQ-MIDDLE-INITIAL", &Spot::at(pid, 5, 3));
        }
        if text(pid, 5, 7).is_some_and(|kind| kind != b"L") {
            check.add("DQ-NAME-TYPE", &Spot::at(pid, 5, 7));
        }
    }
    for kin in &facts.kin {
        name(check, *kin, 2);
    }
}

/// The first repetition of a name.
fn name(check: &mut Check<'_, '_, '_>, segment: Segment<'_, '_>, field: usize) {
    for part in PARTS {
        let Some(value) = text(segment, field, part) else { continue };
        let is_of_patient = field == 5;
        if let Some(rule) = fault(&caseless(value), part, is_of_patient) {
            check.add(rule, &spot(segment, field, 1, part));
        }
    }
}

/// What is wrong with a part of a name; the text is caseless.
fn fault(value: &str, part: usize, is_of_patient: bool) -> Option<&'static str> {
    if !value.chars().any(char::is_alphabetic) {
        return Some(if part == 1 && is_of_patient { "DQ-NAME-NONE" } else { "DQ-NAME-SIGNS" });
    }
    if !value
        .chars()
        .all(|one| one.is_alphabetic() || one.is_control() || " -'.,`\\’".contains(one))
    {
        return Some("DQ-NAME-SIGNS");
    }
    let words = || value.split([' ', ',', '.']).filter(|word| !word.is_empty());
    let count = words().count();
    let is_repeated = value.chars().nth(2).is_some() && is_one_character(value);
    if is_repeated || count <= 2 && words().any(|word| is_among(word, &PLACEHOLDERS)) {
        return Some("DQ-NAME-TEST");
    }
    if part == 2 && words().next().is_some_and(|word| is_among(word, &NEWBORN)) {
        return Some("DQ-NAME-NEWBORN");
    }
    let last = words().next_back().filter(|_| count > 1);
    if last.is_some_and(|last| is_among(last, &SUFFIXES)) {
        return Some("DQ-NAME-SUFFIX");
    }
    if count > WORDS {
        return Some("DQ-NAME-LONG");
    }
    let initial = last.is_some_and(|last| last.chars().count() == 1);
    (part == 2 && is_of_patient && initial).then_some("DQ-NAME-INITIAL")
}

fn is_among(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// A minor has somebody who is responsible for it.
pub(super) fn guardian(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid.filter(|_| facts.is_minor()) else { return };
    let Some(first) = facts.kin.first() else {
        let (end, index) = (pid.span().end, pid.index());
        let at = crate::hl7::Location::segment("NK1", 1);
        check.note("DQ-GUARDIAN-MISSING", Some(at), Some(end..end), Some(index));
        return;
    };
    let is_responsible = |kin: &Segment<'_, '_>| {
        text(*kin, 3, 1).is_some_and(|relation| RESPONSIBLE.contains(&relation))
    };
    if !facts.kin.iter().any(is_responsible) && text(*first, 3, 1).is_some() {
        check.add("DQ-GUARDIAN-RELATION", &Spot::at(*first, 3, 1));
    }
    for kin in &facts.kin {
        let relation = text(*kin, 3, 1);
        if relation.is_some_and(|relation| YOUNGER.contains(&relation)) {
            check.add("DQ-RELATION", &Spot::at(*kin, 3, 1));
        }
        let own = [1, 2].map(|part| text(pid, 5, part));
        let same = own == [1, 2].map(|part| text(*kin, 2, part)) && own.iter().all(Option::is_some);
        if same && relation != Some(b"SEL") {
            check.add("DQ-GUARDIAN-SELF", &Spot::at(*kin, 2, 0));
        }
    }
}

/// PID-15 is a code of ISO 639: two or three letters, perhaps with a region.
pub(super) fn language(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid else { return };
    let Some(code) = text(pid, 15, 1) else { return };
    let mut parts = code.split(|byte| *byte == b'-' || *byte == b'_');
    let language = parts.next().unwrap_or_default();
    let letters = |part: &[u8]| part.iter().all(u8::is_ascii_alphabetic);
    let region = parts.all(|part| matches!(part.len(), 2 | 4) && letters(part));
    if !(matches!(language.len(), 2 | 3) && letters(language) && region) {
        check.add("DQ-LANGUAGE", &Spot::at(pid, 15, 1));
    }
}

/// PID-24 and PID-25 say the same.
pub(super) fn birth_order(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid else { return };
    let (multiple, order) = (text(pid, 24, 0), text(pid, 25, 0));
    let order_number = order.and_then(|order| std::str::from_utf8(order).ok()?.parse::<u32>().ok());
    match (multiple, order) {
        (Some(b"Y"), None) => {
            check.add("DQ-BIRTH-ORDER", &Spot::at(pid, 25, 0));
        }
        (multiple, Some(_)) if multiple != Some(b"Y") && order_number > Some(1) => {
            check.add("DQ-MULTIPLE-BIRTH", &Spot::at(pid, 24, 0));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_is_none() {
        for good in ["O'Neill", "Santa Cruz", "Ana-Luz", "de la Cruz Vega", "Nuñez", "St. John"] {
            assert_eq!(fault(&good.to_uppercase(), 1, true), None, "{good}");
        }
        let given = |name: &str| fault(&name.to_uppercase(), 2, true);
        assert_eq!(given("Baby Girl"), Some("DQ-NAME-NEWBORN"));
        assert_eq!(given("Apt #5"), Some("DQ-NAME-SIGNS"));
        assert_eq!(given("John A"), Some("DQ-NAME-INITIAL"));
        assert_eq!(given("John Jr."), Some("DQ-NAME-SUFFIX"));
        assert_eq!(given("This is not a name"), Some("DQ-NAME-LONG"));
        assert_eq!(given("aaaa"), Some("DQ-NAME-TEST"));
        assert_eq!(fault("123", 1, true), Some("DQ-NAME-NONE"));
        assert_eq!(fault("TESTA", 1, true), None);
    }
}
