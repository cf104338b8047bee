//! Days that cannot be, or not in that order.

use chrono::{Datelike as _, NaiveDate};

use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::{Facts, day, day_of, spot};
use crate::validation::quality::REPETITIONS;

/// Nobody who is vaccinated today was born longer ago, in years. Source: MQE.
const OLDEST: i32 = 120;

/// MSH-7.
pub(super) fn message(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let (Some(msh), Some(sent)) = (facts.msh, facts.sent) else { return };
    if Some(sent) > facts.today.succ_opt() {
        check.add("DQ-MESSAGE-FUTURE", &Spot::at(msh, 7, 0));
    }
}

/// Birth and death.
pub(super) fn patient(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid else { return };
    if let Some(birth) = facts.birth {
        if birth > facts.last_day() {
            check.add("DQ-BIRTH-FUTURE", &Spot::at(pid, 7, 0));
        }
        if years_before(facts.today, OLDEST).is_some_and(|oldest| birth < oldest) {
            check.add("DQ-BIRTH-OLD", &Spot::at(pid, 7, 0));
        }
    }
    if let Some(death) = facts.death {
        if death > facts.last_day() {
            check.add("DQ-DEATH-FUTURE", &Spot::at(pid, 29, 0));
        }
        if facts.birth.is_some_and(|birth| death < birth) {
            check.add("DQ-DEATH-BIRTH", &Spot::at(pid, 29, 0));
        }
    }
    if text(pid, 29, 1).is_some() && text(pid, 30, 0) != Some(b"Y") {
        check.add("DQ-DEATH-INDICATOR", &Spot::at(pid, 30, 0));
    }
}

fn years_before(day: NaiveDate, years: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(day.year() - years, day.month(), 1)
}

/// Administration: not before birth, not after death, not in the future; and its entry not before it.
pub(super) fn doses(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let Some(given) = dose.day else { continue };
        let at = || Spot::at(dose.rxa, 3, 0);
        if given > facts.last_day() {
            check.add("DQ-DOSE-FUTURE", &at());
        }
        // The dose of a child that is yet to be born is that of its mother.
        if facts.birth.is_some_and(|birth| given < birth) {
            check.add("DQ-DOSE-BIRTH", &at());
        }
        if facts.death.is_some_and(|death| given > death) {
            check.add("DQ-DOSE-DEATH", &at());
        }
        if let Some(entered) = day(dose.rxa, 22) {
            let at = || Spot::at(dose.rxa, 22, 0);
            if entered > facts.last_day() {
                check.add("DQ-ENTRY-FUTURE", &at());
            }
            if entered < given {
                check.add("DQ-ENTRY-EARLY", &at());
            }
        }
    }
}

/// PV1-20: since when the patient is eligible.
pub(super) fn eligibility(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pv1) = check.first(*b"PV1") else { return };
    for (repetition, number) in pv1.field(20).repetitions().take(REPETITIONS).zip(1..) {
        let Some(since) = repetition.component(2).value().text().and_then(day_of) else { continue };
        let early = facts.birth.is_some_and(|birth| since < birth);
        if early || since > facts.last_day() {
            check.add("DQ-ELIGIBLE-SINCE", &spot(pv1, 20, number, 2));
        }
    }
}
