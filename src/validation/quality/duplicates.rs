//! The same immunization twice in one message.

use std::collections::BTreeMap;

use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::{Dose, Facts};

/// Doses of one day that are the same vaccine, or count for the same disease.
pub(super) fn doses(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    if facts.doses.len() < 2 {
        return;
    }
    let given = |dose: &&Dose<'_, '_, '_>| dose.is_given() && text(dose.rxa, 21, 0) != Some(b"D");
    let (mut vaccines, mut groups) = (BTreeMap::new(), BTreeMap::new());
    for dose in facts.doses.iter().filter(given) {
        let (Some(cvx), Some(day)) = (dose.cvx, dose.day) else { continue };
        let at = || Spot::at(dose.rxa, 5, 1);
        if let Some(earlier) = vaccines.insert((day, &*cvx.code), dose.number) {
            check.add("DQ-DUPLICATE", &at()).more(earlier.to_string()).quote(true);
            continue;
        }
        let told = cvx.groups.iter().filter_map(|group| {
            groups.insert((day, &**group), dose.number).map(|earlier| (earlier, group))
        });
        let told: Vec<(usize, _)> = told.collect();
        if let Some((earlier, group)) = told.first() {
            check
                .add("DQ-DUPLICATE-GROUP", &at())
                .more(earlier.to_string())
                .expected(group.to_string())
                .quote(true);
        }
    }
}
