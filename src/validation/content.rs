//! What an immunization update holds, for the measures of data quality: what is there, not whether it is right.
//!
//! Source: domain notes 5.3.

use crate::domain::{Content, Element, Scenario, Timeliness};
use crate::hl7::Segment;
use crate::validation::check::text;
use crate::validation::facts::{Dose, Facts};
use crate::validation::quality::can_be_reached;

/// From this age in months on a dose is an adult's. Source: eligibility for VFC ends at 19 (guide, OBX 64994-7).
const ADULT: i64 = 19 * 12;

/// The question that OBX-3 asks for the eligibility of a dose.
const ELIGIBILITY: &[u8] = b"64994-7";

/// The content of an immunization update.
pub(super) fn of(facts: &Facts<'_, '_, '_>, sharing: Option<&[u8]>) -> Content {
    let mut content = Content::default();
    if let Some(pid) = facts.pid {
        patient(&mut content, pid);
    }
    if sharing == Some(b"Y") {
        content.add(Scenario::Protected);
    }
    if facts.doses.len() > 1 {
        content.add(Scenario::SeveralDoses);
    }
    content.set_doses(facts.doses.len());
    for one in &facts.doses {
        dose(&mut content, facts, one);
    }
    content
}

fn patient(content: &mut Content, pid: Segment<'_, '_>) {
    let has = |field, component| text(pid, field, component).is_some();
    content.note(Element::Name, has(5, 1) && has(5, 2));
    content.note(Element::BirthDate, has(7, 1));
    content.note(Element::Sex, has(8, 0));
    content.note(Element::Address, (has(11, 1) || has(11, 3)) && has(11, 5));
    content.note(Element::Contact, can_be_reached(pid, 13));
    content.note(Element::Race, has(10, 1));
    content.note(Element::Ethnicity, has(22, 1));
}

fn dose(content: &mut Content, facts: &Facts<'_, '_, '_>, dose: &Dose<'_, '_, '_>) {
    match text(dose.rxa, 21, 0) {
        Some(b"U") => content.add(Scenario::Update),
        Some(b"D") => content.add(Scenario::Delete),
        _ => {}
    }
    if dose.told.status == Some(b"RE") {
        content.add(Scenario::Refusal);
    }
    content.note(Element::Vaccine, dose.cvx.is_some());
    if dose.is_historical() {
        content.add(Scenario::Historical);
    }
    if !dose.is_new() || text(dose.rxa, 21, 0) == Some(b"D") {
        return;
    }
    if let Some(months) = dose.day.and_then(|day| facts.months_on(day)) {
        content.add(if months < ADULT { Scenario::ChildDose } else { Scenario::AdultDose });
    }
    content.note(Element::Lot, dose.told.lot.is_some());
    content.note(Element::Manufacturer, dose.told.maker.is_some());
    content.note(
        Element::Eligibility,
        dose.asked(ELIGIBILITY).is_some_and(|obx| text(obx, 5, 1).is_some()),
    );
    if let Some(day) = dose.day {
        content.came(match (facts.today - day).num_days() {
            ..=1 => Timeliness::WithinDay,
            2..=14 => Timeliness::WithinFortnight,
            _ => Timeliness::Later,
        });
    }
}
