//! Route and site against the vaccine.

use std::borrow::Cow;

use crate::hl7::Location;
use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::{Injection, Lookup};
use crate::validation::facts::{Dose, Facts};

/// RXR-1: a route by which the vaccine is given.
pub(super) fn route(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let Some(rxr) = dose.rxr else {
            if dose.is_new() {
                missing(check, dose);
            }
            continue;
        };
        let (Some(injection), Some(code)) = (injection(check, dose), text(rxr, 1, 1)) else {
            continue;
        };
        let Some(route) = meant(check, code) else { continue };
        if !injection.routes.iter().any(|one| **one == *route) {
            let expected = injection.routes.join(" or ");
            check.add("DQ-ROUTE", &Spot::at(rxr, 1, 1)).expected(expected).quote(true);
        }
    }
}

fn missing(check: &mut Check<'_, '_, '_>, dose: &Dose<'_, '_, '_>) {
    let sequence = u16::try_from(dose.number).unwrap_or(u16::MAX);
    let (end, index) = (dose.rxa.span().end, dose.rxa.index());
    check.note(
        "DQ-ROUTE-MISSING",
        Some(Location::segment("RXR", sequence)),
        Some(end..end),
        Some(index),
    );
}

/// RXR-2: a site at which the vaccine is given.
pub(super) fn site(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in facts.doses.iter().filter(|dose| dose.is_given()) {
        let (Some(rxr), Some(injection)) = (dose.rxr, injection(check, dose)) else { continue };
        let (Some(sites), Some(code)) = (&injection.sites, text(rxr, 2, 1)) else { continue };
        if !sites.iter().any(|site| site.as_bytes() == code) {
            let expected = if sites.is_empty() { "no site".to_owned() } else { sites.join(" or ") };
            check.add("DQ-SITE", &Spot::at(rxr, 2, 1)).expected(expected).quote(true);
        }
    }
}

fn injection<'p>(check: &Check<'p, '_, '_>, dose: &Dose<'_, '_, '_>) -> Option<&'p Injection> {
    check.codes.injection(dose.cvx?.code.as_bytes())
}

/// The NCIT code of a route, also of one in the retired table; none when it is unknown.
fn meant<'c>(check: &Check<'c, '_, '_>, code: &'c [u8]) -> Option<Cow<'c, str>> {
    let codes = check.codes;
    match codes.look_up(codes.table("NCIT")?, code) {
        Lookup::Known { .. } => Some(String::from_utf8_lossy(code)),
        Lookup::Alias { means, .. } if !means.is_empty() => Some(Cow::Borrowed(means)),
        _ => None,
    }
}
