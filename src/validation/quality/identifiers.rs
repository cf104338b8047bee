//! Identifiers of patients and providers.

use crate::hl7::{Repetition, Segment};
use crate::validation::check::Check;
use crate::validation::facts::{Facts, spot};
use crate::validation::quality::REPETITIONS;

/// Kinds of identifier by which a registry knows a patient of the sender again. Source: HL7 table 0203.
const OWN: [&[u8]; 4] = [b"MR", b"PI", b"PT", b"SR"];

/// Words and numbers that are no identifier.
const PLACEHOLDERS: [&[u8]; 6] = [b"TEST", b"UNKNOWN", b"NONE", b"12345", b"123456", b"123456789"];

/// PID-3.
pub(super) fn patient(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid else { return };
    let (mut has_any, mut has_own) = (false, false);
    let all = || pid.field(3).repetitions().take(REPETITIONS);
    for (repetition, number) in all().zip(1..) {
        let (Some(id), kind) = (part(repetition, 1), part(repetition, 5)) else { continue };
        has_any = true;
        has_own |= kind.is_none_or(|kind| OWN.contains(&kind));
        if kind == Some(b"SS") {
            if !is_social_security_number(id) {
                check.add("DQ-SSN", &spot(pid, 3, number, 1));
            }
        } else if is_placeholder(id) {
            check.add("DQ-ID-TEST", &spot(pid, 3, number, 1));
        }
        let is_same = |other| {
            part(other, 1).is_some()
                && [4, 5].iter().all(|n| part(other, *n) == part(repetition, *n))
        };
        if kind.is_some() && all().take(number - 1).any(is_same) {
            check.add("DQ-ID-TWICE", &spot(pid, 3, number, 0));
        }
    }
    if has_any && !has_own {
        check.add("DQ-MRN", &spot(pid, 3, 1, 5));
    }
}

fn part(repetition: Repetition<'_>, number: usize) -> Option<&[u8]> {
    repetition.component(number).value().text()
}

fn is_placeholder(id: &[u8]) -> bool {
    let same = id.len() >= 4 && id.iter().all(|byte| Some(byte) == id.first());
    same || PLACEHOLDERS.iter().any(|word| id.eq_ignore_ascii_case(word))
}

/// Nine digits that can have been given out. Source: Social Security Administration.
fn is_social_security_number(id: &[u8]) -> bool {
    let digits: Vec<u8> = id.iter().copied().filter(u8::is_ascii_digit).collect();
    let marks = id.iter().filter(|byte| !byte.is_ascii_digit()).all(|byte| *byte == b'-');
    let same = digits.iter().all(|digit| Some(digit) == digits.first());
    let (area, rest) = digits.split_at_checked(3).unwrap_or_default();
    let (group, serial) = rest.split_at_checked(2).unwrap_or_default();
    let area_is_used = area != b"000" && area != b"666" && !area.starts_with(b"9");
    let is_used = area_is_used && group != b"00" && serial.len() == 4 && serial != b"0000";
    marks && is_used && !same && digits != b"123456789"
}

/// National provider identifiers.
pub(super) fn providers(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        if let Some(orc) = dose.orc {
            provider(check, orc, 10);
            provider(check, orc, 12);
        }
        provider(check, dose.rxa, 10);
    }
}

fn provider(check: &mut Check<'_, '_, '_>, segment: Segment<'_, '_>, field: usize) {
    for (repetition, number) in segment.field(field).repetitions().take(REPETITIONS).zip(1..) {
        let Some(id) = part(repetition, 1) else { continue };
        if part(repetition, 13) == Some(b"NPI") && !is_npi(id) {
            check.add("DQ-NPI", &spot(segment, field, number, 1));
        }
    }
}

/// Ten digits of which the last is the check digit. Source: CMS, Luhn over the digits with 80840 in front.
fn is_npi(id: &[u8]) -> bool {
    if id.len() != 10 || !id.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = b"80840"
        .iter()
        .chain(id)
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            if place % 2 == 0 { digit } else { digit / 5 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_of_a_provider_is_checked() {
        assert!(is_npi(b"1234567893"));
        assert!(!is_npi(b"1234567890"));
        assert!(!is_npi(b"123456789"));
        assert!(!is_npi(b"12345678X3"));
    }

    #[test]
    fn numbers_that_were_never_given_out_are_known() {
        assert!(is_social_security_number(b"219-09-9998"));
        for bad in ["000-12-3456", "666123456", "912-34-5678", "219-00-9999", "219-09-0000"] {
            assert!(!is_social_security_number(bad.as_bytes()), "{bad}");
        }
        assert!(!is_social_security_number(b"111111111"));
        assert!(!is_social_security_number(b"123456789"));
        assert!(!is_social_security_number(b"21909999"));
    }
}
