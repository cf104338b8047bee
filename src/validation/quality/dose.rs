//! What RXA says of a dose: whether it was given, by whom, of what and how much.

use chrono::{Days, NaiveDate};

use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::{self, Cvx, CvxKind, CvxStatus};
use crate::validation::facts::{Dose, Facts, number_of};

/// Points from which a dose looks as if it was given by the sender. Source: MQE.
const LOOKS_GIVEN: u32 = 10;

/// A dose given within so many days is a recent one. Source: MQE, one month.
const RECENT: u64 = 30;

/// A dose given within so many days is judged by the codes that are active now.
const INACTIVE: u64 = 365;

/// Months by which a patient may be too young or too old before it is remarked: ages are rounded.
const AGE_GRACE: i64 = 1;

/// RXA-20 against RXA-5 and what else stands in the order.
pub(super) fn status(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let rxa = dose.rxa;
        let nothing = dose.cvx.is_some_and(|cvx| cvx.kind == CvxKind::NotAdministered);
        let status = dose.told.status;
        match status {
            Some(b"CP" | b"PA") if nothing => {
                check.add("DQ-NOTHING-GIVEN", &Spot::at(rxa, 5, 1));
            }
            None if nothing && dose.told.source.is_some() => {
                check.add("DQ-NOTHING-SOURCE", &Spot::at(rxa, 5, 1));
            }
            Some(b"NA") if !nothing && dose.told.vaccine.is_some() => {
                check.add("DQ-NA-VACCINE", &Spot::at(rxa, 20, 0));
            }
            _ => {}
        }
        if matches!(status, Some(b"RE" | b"NA")) {
            let told = given_all_the_same(dose);
            if !told.is_empty() {
                check.add("DQ-NOT-GIVEN", &Spot::at(rxa, 20, 0)).more(told);
            }
        }
        if status == Some(b"PA") {
            check.add("DQ-PARTIAL", &Spot::at(rxa, 20, 0));
        }
    }
}

/// What an order that was not given tells of its giving.
fn given_all_the_same(dose: &Dose<'_, '_, '_>) -> String {
    let told = [
        (dose.told.lot.is_some(), "a lot number (RXA-15)"),
        (dose.rxr.is_some(), "a route (RXR)"),
        (dose.asked(b"64994-7").is_some(), "an eligibility (OBX 64994-7)"),
    ];
    let told: Vec<_> = told.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    told.join(", ")
}

/// RXA-5: whether the vaccine can have been given on that day, to somebody of that age, and is named well enough.
pub(super) fn vaccine(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let Some(cvx) = dose.cvx.filter(|_| dose.is_given()) else { continue };
        let at = || Spot::at(dose.rxa, 5, 1);
        if let Some(rule) = kind_rule(cvx, dose.is_new()) {
            check.add(rule, &at()).name(&cvx.name).quote(true);
        }
        let Some(day) = dose.day else { continue };
        if let Some(rule) = day_rule(cvx, day, facts.today, dose.is_new()) {
            check.add(rule, &at()).name(&cvx.name).quote(true);
        }
        let Some(months) = facts.months_on(day).filter(|months| dose.is_new() && *months >= 0)
        else {
            continue;
        };
        let young = cvx.min_months.is_some_and(|least| months + AGE_GRACE < i64::from(least));
        let old = cvx.max_months.is_some_and(|most| months > i64::from(most) + AGE_GRACE);
        if young || old {
            let word = if young { "young" } else { "old" };
            check.add("DQ-VACCINE-AGE", &at()).name(&cvx.name).more(word).quote(true);
        }
    }
}

fn kind_rule(cvx: &Cvx, is_new: bool) -> Option<&'static str> {
    Some(match (cvx.kind, cvx.status) {
        (CvxKind::Reserved, _) | (_, CvxStatus::Pending | CvxStatus::NeverActive) => {
            "DQ-VACCINE-UNUSED"
        }
        (_, CvxStatus::NonUs) if is_new => "DQ-VACCINE-UNUSED",
        (CvxKind::Unknown, _) => "DQ-VACCINE-UNKNOWN",
        // 213 has a statement of its own: NIST-02.
        (CvxKind::Unspecified, _) if is_new && &*cvx.code != "213" => "DQ-VACCINE-UNSPECIFIED",
        (CvxKind::ImmuneGlobulin | CvxKind::SkinTest | CvxKind::Adjuvant, _) => "DQ-NOT-VACCINE",
        _ => return None,
    })
}

fn day_rule(cvx: &Cvx, day: NaiveDate, today: NaiveDate, is_new: bool) -> Option<&'static str> {
    // The table says which codes are inactive now, so that it can only be asked about doses of now.
    let is_recent = day.checked_add_days(Days::new(INACTIVE)).is_some_and(|until| until >= today);
    let day = number_of(day);
    let before = |first: Option<u32>| first.is_some_and(|first| day < first);
    let after = |last: Option<u32>| last.is_some_and(|last| day > last);
    // What did not exist here, or no longer does, may have been given elsewhere.
    if before(cvx.not_before) {
        Some(if is_new { "DQ-VACCINE-EARLY" } else { "DQ-VACCINE-ELSEWHERE" })
    } else if is_new && after(cvx.not_after) {
        Some("DQ-VACCINE-LATE")
    } else if is_new && (before(cvx.not_expected_before) || after(cvx.not_expected_after)) {
        Some("DQ-VACCINE-UNUSUAL")
    } else if is_new && is_recent && cvx.status == CvxStatus::Inactive && after(cvx.updated) {
        Some("DQ-VACCINE-INACTIVE")
    } else {
        None
    }
}

/// RXA-6 and RXA-7.
pub(super) fn amount(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let Some(amount) = thousandths(dose.rxa.field(6).bytes()) else { continue };
        let at = || Spot::at(dose.rxa, 6, 0);
        if amount == 999_000 {
            if dose.is_new() {
                check.add("DQ-AMOUNT-UNKNOWN", &at());
            }
            continue;
        }
        if amount == 0 {
            check.add("DQ-AMOUNT-ZERO", &at());
            continue;
        }
        let codes = check.codes;
        let usual = dose.cvx.and_then(|cvx| codes.injection(cvx.code.as_bytes()));
        let usual = usual.map_or(&[][..], |injection| &injection.amounts);
        let (Some(least), Some(most)) = (usual.iter().min(), usual.iter().max()) else { continue };
        match text(dose.rxa, 7, 1) {
            Some(unit) if !unit.eq_ignore_ascii_case(b"mL") => {
                check.add("DQ-UNIT", &Spot::at(dose.rxa, 7, 1)).quote(true);
            }
            // Half and double doses are in use.
            Some(_) if amount * 2 < *least || amount > *most * 2 => {
                check.add("DQ-AMOUNT", &at()).expected(in_words(usual)).quote(true);
            }
            _ => {}
        }
    }
}

/// A decimal number times a thousand, as far as it is one.
fn thousandths(value: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let usual = codes::thousandths(text);
    if usual.is_some() {
        return usual;
    }
    let number = (text.parse::<f64>().ok()? * 1000.0).round();
    // Float to integer has no checked conversion; beyond these bounds no amount makes sense.
    (0.0..=999_999_000.0).contains(&number).then(|| format!("{number:.0}").parse().ok())?
}

fn in_words(amounts: &[u32]) -> String {
    let one = |amount: &u32| {
        let text = format!("{}.{:03}", amount / 1000, amount % 1000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    amounts.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// RXA-9 against what else is told: new doses have lot, site and eligibility, historical ones rarely.
pub(super) fn source(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let looks_given = likelihood(dose, facts) >= LOOKS_GIVEN;
        let at = || Spot::at(dose.rxa, 9, 1);
        let untold = dose.told.source.is_none() && dose.told.status.is_none();
        if untold && dose.is_given() {
            // With CP or PA the profile itself asks for it.
            check.add("DQ-SOURCE-MISSING", &Spot::at(dose.rxa, 9, 0));
        } else if dose.is_new() && !looks_given {
            check.add("DQ-LOOKS-HISTORICAL", &at());
        } else if dose.is_historical() && looks_given {
            check.add("DQ-LOOKS-GIVEN", &at());
        } else if dose.is_historical() {
            let told = told_of_given(dose);
            if !told.is_empty() {
                check.add("DQ-HISTORICAL-DATA", &at()).more(told);
            }
        }
    }
}

/// How likely a dose was given by the sender. Source: MQE, with its points.
fn likelihood(dose: &Dose<'_, '_, '_>, facts: &Facts<'_, '_, '_>) -> u32 {
    let day = dose.day.and_then(|day| day.checked_add_days(Days::new(RECENT)));
    let valued = |field, component| text(dose.rxa, field, component).is_some();
    let route = |field| dose.rxr.is_some_and(|rxr| text(rxr, field, 1).is_some());
    let points = [
        (5, day.is_some_and(|day| day >= facts.sent.unwrap_or(facts.today))),
        (2, dose.told.lot.is_some()),
        (2, valued(16, 1)),
        (2, dose.told.maker.is_some()),
        (2, dose.asked(b"64994-7").is_some()),
        (1, route(1)),
        (1, route(2)),
        (3, dose.told.amount.is_some_and(|amount| amount != b"999")),
        (4, valued(11, 0)),
        (4, valued(10, 0)),
    ];
    points.iter().filter(|(_, is)| *is).map(|(points, _)| points).sum()
}

fn told_of_given(dose: &Dose<'_, '_, '_>) -> String {
    let told = [
        (dose.told.lot.is_some(), "a lot number (RXA-15)"),
        (dose.asked(b"29769-7").is_some(), "an information statement (OBX 29769-7)"),
    ];
    let told: Vec<_> = told.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    told.join(", ")
}

/// RXA-21 and ORC-28, where they ask for something out of the ordinary.
pub(super) fn action(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let does = match text(dose.rxa, 21, 0) {
            Some(b"D") => "deleted",
            Some(b"U") => "changed",
            _ => "",
        };
        if !does.is_empty() {
            check.add("DQ-ACTION", &Spot::at(dose.rxa, 21, 0)).more(does);
        }
        if let Some(orc) = dose.orc
            && matches!(text(orc, 28, 1), Some(b"R" | b"V"))
        {
            check.add("DQ-RESTRICTED", &Spot::at(orc, 28, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        assert_eq!(thousandths(b"0.5"), Some(500));
        assert_eq!(thousandths(b"999"), Some(999_000));
        assert_eq!(thousandths(b"-1"), None);
        assert_eq!(thousandths(b"MMR"), None);
        assert_eq!(thousandths(b"1e30"), None);
        assert_eq!(in_words(&[500, 1000, 250]), "0.5 or 1 or 0.25");
    }
}
