//! Eligibility for programmes and who paid for the dose.

use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::Facts;

const ELIGIBILITY: &[u8] = b"64994-7";
const FUNDING: &[u8] = b"30963-3";

/// The Vaccines for Children programme ends at 19 years.
const VFC_MONTHS: i64 = 19 * 12;

/// 64994-7 is told of new doses, and of those only.
pub(super) fn told(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let told = dose.asked(ELIGIBILITY);
        // With CP or PA statement IZ-23 asks for it.
        if dose.is_new() && told.is_none() && dose.told.status.is_none() {
            check.add_segment("DQ-ELIGIBILITY-MISSING", dose.rxa);
        }
        if let Some(obx) = told
            && dose.is_historical()
        {
            check.add("DQ-ELIGIBILITY-HISTORICAL", &Spot::at(obx, 3, 1));
        }
    }
}

/// 64994-7 against age, insurance and 30963-3.
pub(super) fn funding(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let insured_by_medicaid = check
        .layout
        .segments
        .iter()
        .any(|placed| placed.segment.is(b"IN1") && text(placed.segment, 15, 0) == Some(b"2"));
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let answer = |question| {
            let obx = dose.asked(question)?;
            Some((obx, text(obx, 5, 1)?))
        };
        let Some((obx, eligible)) = answer(ELIGIBILITY) else { continue };
        let at = || Spot::at(obx, 5, 1);
        let is_vfc = matches!(eligible, b"V02" | b"V03" | b"V04" | b"V05");
        let months = dose.day.and_then(|day| facts.months_on(day));
        if is_vfc && months.is_some_and(|months| months >= VFC_MONTHS) {
            check.add("DQ-ELIGIBILITY-AGE", &at()).quote(true);
        }
        let is_child = months.is_some_and(|months| months < VFC_MONTHS);
        if eligible == b"V01" && is_child && insured_by_medicaid {
            check.add("DQ-ELIGIBILITY-INSURANCE", &at()).quote(true);
        }
        if let Some((paid, source)) = answer(FUNDING) {
            let against = eligible == b"V01" && source == b"VXC51" || is_vfc && source == b"PHC70";
            if against {
                check.add("DQ-FUNDING", &Spot::at(paid, 5, 1)).quote(true);
            }
        }
    }
}
