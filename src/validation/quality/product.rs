//! Whether vaccine, maker and package belong together.

use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::Ndc;
use crate::validation::facts::{Dose, Facts, number_of};

/// RXA-17 is a maker of the vaccine of RXA-5.
pub(super) fn maker(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let codes = check.codes;
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let Some(maker) = dose.told.maker else {
            // With CP or PA the profile itself asks for it.
            if dose.is_new() && dose.told.status.is_none() {
                check.add("DQ-MAKER-MISSING", &Spot::at(dose.rxa, 17, 0));
            }
            continue;
        };
        let Some(cvx) = dose.cvx else { continue };
        let code = cvx.code.as_bytes();
        // An unknown maker is said by the table.
        if codes.is_product(code, maker) || codes.mvx(maker).is_none() {
            continue;
        }
        let makers: Vec<_> = codes.makers(code).collect();
        // Vaccines without a product are no proof.
        if makers.is_empty() {
            continue;
        }
        check
            .add("DQ-MAKER", &Spot::at(dose.rxa, 17, 1))
            .expected(makers.join(", "))
            .more(format!("{} ({})", cvx.code, cvx.name))
            .quote(true);
    }
}

/// The package of RXA-5 against the CVX code beside it, the maker and the day.
pub(super) fn package(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let codes = check.codes;
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        for (component, other) in [(1, 4), (4, 1)] {
            if text(dose.rxa, 5, component + 2) != Some(b"NDC") {
                continue;
            }
            let Some(ndc) = text(dose.rxa, 5, component).and_then(|code| codes.ndc(code)) else {
                continue;
            };
            let beside = text(dose.rxa, 5, other).filter(|code| {
                text(dose.rxa, 5, other + 2) == Some(b"CVX") && codes.cvx(code).is_some()
            });
            let holds = |code: &[u8]| ndc.cvx.iter().any(|cvx| cvx.as_bytes() == code);
            if beside.is_some_and(|code| !holds(code)) {
                check
                    .add("DQ-NDC-CVX", &Spot::at(dose.rxa, 5, component))
                    .expected(ndc.cvx.join(" or "))
                    .more(ndc.product.to_string())
                    .quote(true);
            }
            maker_and_day(check, dose, ndc, component);
        }
    }
}

fn maker_and_day(
    check: &mut Check<'_, '_, '_>,
    dose: &Dose<'_, '_, '_>,
    ndc: &Ndc,
    component: usize,
) {
    let made_by = |maker: &[u8]| ndc.mvx.iter().any(|one| one.as_bytes() == maker);
    let maker = dose.told.maker.filter(|maker| check.codes.mvx(maker).is_some());
    if maker.is_some_and(|maker| !ndc.mvx.is_empty() && !made_by(maker)) {
        check
            .add("DQ-NDC-MAKER", &Spot::at(dose.rxa, 17, 1))
            .expected(ndc.mvx.join(" or "))
            .more(ndc.product.to_string())
            .quote(true);
    }
    let early = dose.day.map(number_of).zip(ndc.from).is_some_and(|(day, from)| day < from);
    if early {
        check.add("DQ-NDC-DATE", &Spot::at(dose.rxa, 5, component)).quote(true);
    }
}
