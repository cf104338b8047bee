//! What the CAIR registries ask beyond the guide. Silent unless the overlay `cair` is on.
//!
//! Source: domain notes 3.2 to 3.5 (the CAIR2 guide as public senders quote it, 2016 to 2026).

use crate::hl7::Segment;
use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::{Facts, spot};
use crate::validation::quality::can_be_reached;

/// Runs every check on an immunization update.
pub(super) fn check(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    responsible_site(check, facts);
    if let Some(pid) = facts.pid {
        names(check, pid);
        if !can_be_reached(pid, 13) {
            check.add("CAIR-PHONE", &Spot::at(pid, 13, 0));
        }
    }
    sharing(check);
    for dose in &facts.doses {
        packages(check, dose.rxa);
        if dose.is_new() {
            if dose.rxa.field(11).component(4).value().text().is_none() {
                check.add("CAIR-FACILITY", &Spot::at(dose.rxa, 11, 4));
            }
            degree(check, dose.rxa, 10);
            if let Some(orc) = dose.orc {
                degree(check, orc, 12);
            }
        }
    }
}

/// MSH-22: the Site that is responsible.
fn responsible_site(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    if let Some(msh) = facts.msh.filter(|msh| !msh.field(22).value().is_valued()) {
        check.add("CAIR-SITE", &Spot::at(msh, 22, 0));
    }
}

/// PID-5: letters A to Z, and a last name of more than one.
fn names(check: &mut Check<'_, '_, '_>, pid: Segment<'_, '_>) {
    for part in [1, 2, 3] {
        let Some(name) = text(pid, 5, part) else { continue };
        let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b' ';
        let is_mark = |byte: &u8| matches!(byte, b'-' | b'\'' | b'.');
        if !name.iter().all(|byte| is_letter(byte) || is_mark(byte)) {
            check.add("CAIR-NAME", &spot(pid, 5, 1, part));
        } else if name.iter().any(is_mark) {
            check.add("CAIR-NAME-MARK", &spot(pid, 5, 1, part));
        }
        if part == 1 && name.len() == 1 {
            check.add("CAIR-NAME-SHORT", &spot(pid, 5, 1, part));
        }
    }
}

/// PD1-12 is a decision about a right; CAIR reads an empty one as consent.
fn sharing(check: &mut Check<'_, '_, '_>) {
    let Some(pd1) = check.first(*b"PD1") else { return };
    let rule = match text(pd1, 12, 0) {
        None => "CAIR-SHARING",
        Some(b"Y") => "CAIR-PROTECTED",
        Some(b"N") => "CAIR-SHARED",
        Some(_) => return,
    };
    check.add(rule, &Spot::at(pd1, 12, 0));
}

/// RXA-5: a CVX code or a package, not both.
fn packages(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>) {
    let systems = [3, 6].map(|part| text(rxa, 5, part));
    if matches!(systems, [Some(b"CVX"), Some(b"NDC")] | [Some(b"NDC"), Some(b"CVX")]) {
        check.add("CAIR-NDC", &Spot::at(rxa, 5, 4));
    }
}

/// XCN.21 of a provider who is named.
fn degree(check: &mut Check<'_, '_, '_>, segment: Segment<'_, '_>, field: usize) {
    let is_named = text(segment, field, 1).is_some();
    if is_named && text(segment, field, 21).is_none() {
        check.add("CAIR-DEGREE", &Spot::at(segment, field, 21));
    }
}
