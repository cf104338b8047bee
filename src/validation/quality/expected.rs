//! What registries like to have and the guide lets be empty. Silent unless a policy asks for it, element by element.
//!
//! Source: usage RE of guide 1.5 and the elements that MQE counts.

use crate::hl7::{Location, Segment};
use crate::validation::catalogue::Catalogue;
use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::{Dose, Facts};

/// Elements of PID, with the element that has to be there for it to be asked.
const PATIENT: &[Asked] = &[
    Asked::of(5, 3),
    Asked::of(6, 0),
    Asked::of(10, 0),
    Asked::of(11, 0),
    Asked::within(11, 1),
    Asked::within(11, 2),
    Asked::within(11, 3),
    Asked::within(11, 4),
    Asked::within(11, 5),
    Asked::within(11, 6),
    Asked::within(11, 9),
    Asked::of(13, 0),
    Asked::within(13, 3),
    Asked::of(15, 0),
    Asked::of(22, 0),
    Asked::of(23, 0),
    Asked::of(24, 0),
    Asked { field: 29, component: 0, when: (30, 0, Some(b"Y")) },
];

/// Elements of PD1.
const MORE_OF_PATIENT: &[Asked] = &[
    Asked::of(3, 0),
    Asked::of(11, 0),
    Asked::of(12, 0),
    Asked { field: 13, component: 0, when: (12, 0, None) },
    Asked::of(16, 0),
    Asked { field: 17, component: 0, when: (16, 0, None) },
    Asked { field: 18, component: 0, when: (11, 1, None) },
];

/// Elements of NK1.
const KIN: &[Asked] = &[
    Asked::of(4, 0),
    Asked::within(4, 1),
    Asked::within(4, 3),
    Asked::within(4, 4),
    Asked::within(4, 5),
    Asked::within(4, 6),
    Asked::of(5, 0),
];

/// Elements of PV1.
const VISIT: &[Asked] = &[Asked { field: 20, component: 2, when: (20, 1, None) }];

/// Elements of RXA, of every dose.
const DOSE: &[Asked] = &[Asked::of(20, 0), Asked::of(22, 0)];

/// Elements of RXA, of a dose that the sender gave.
const NEW_DOSE: &[Asked] = &[Asked::of(10, 0), Asked::of(11, 0), Asked::of(16, 0)];

/// Elements of ORC.
const ORDER: &[Asked] = &[Asked::of(2, 0), Asked::within(28, 1)];

/// Elements of OBX.
const OBSERVATION: &[Asked] = &[Asked::of(14, 0)];

/// The rule about all of them.
const EMPTY: &str = "DQ-EMPTY";

/// An element that is asked for.
struct Asked {
    field: usize,
    component: usize,
    /// Asked only when this is valued, or has this value; field 0: always.
    when: (usize, usize, Option<&'static [u8]>),
}

impl Asked {
    const fn of(field: usize, component: usize) -> Self {
        Self { field, component, when: (0, 0, None) }
    }

    /// A component, asked when the field has a value.
    const fn within(field: usize, component: usize) -> Self {
        Self { field, component, when: (field, 0, None) }
    }
}

/// Elements that are empty.
pub(super) fn elements(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let one = |check: &mut Check<'_, '_, '_>, segment: Option<Segment<'_, '_>>, asked| {
        segment.map(|segment| of_segment(check, segment, asked))
    };
    one(check, facts.pid, PATIENT);
    let (pd1, pv1) = (check.first(*b"PD1"), check.first(*b"PV1"));
    one(check, pd1, MORE_OF_PATIENT);
    one(check, pv1, VISIT);
    for kin in &facts.kin {
        of_segment(check, *kin, KIN);
    }
    for dose in &facts.doses {
        one(check, dose.orc, ORDER);
        of_segment(check, dose.rxa, DOSE);
        if dose.is_new() {
            of_segment(check, dose.rxa, NEW_DOSE);
        }
        for obx in &dose.obx {
            of_segment(check, obx.obx, OBSERVATION);
        }
    }
}

fn of_segment(check: &mut Check<'_, '_, '_>, segment: Segment<'_, '_>, asked: &[Asked]) {
    let Some(rule) = Catalogue::built_in().rule(EMPTY) else { return };
    let here = segment.location();
    if check.policy.is_silent_in(rule, here.segment) {
        return;
    }
    for Asked { field, component, when: (other, part, wanted) } in asked {
        let at = element(here, *field, *component);
        if check.policy.is_silent(rule, Some(&at)) {
            continue;
        }
        let is_asked = *other == 0
            || valued(segment, *other, *part)
                && wanted.is_none_or(|wanted| text(segment, *other, *part) == Some(wanted));
        if is_asked && !valued(segment, *field, *component) {
            check.add(EMPTY, &Spot::at(segment, *field, *component));
        }
    }
}

fn element(segment: Location, field: usize, component: usize) -> Location {
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let component = (component > 0).then(|| number(component));
    Location { component, ..segment.field(number(field)) }
}

/// Whether something stands there beside separators.
fn valued(segment: Segment<'_, '_>, field: usize, component: usize) -> bool {
    let whole = segment.field(field);
    if whole.bytes().is_empty() {
        return false;
    }
    match component {
        0 => whole.value().is_valued(),
        n => whole.component(n).value().is_valued(),
    }
}

/// Segments that are not there.
pub(super) fn segments(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid else { return };
    for name in [*b"PD1", *b"PV1"] {
        if check.first(name).is_none() {
            absent(check, name, 1, pid);
        }
    }
    for Dose { number, rxa, .. } in
        facts.doses.iter().filter(|dose| dose.is_new() && dose.obx.is_empty())
    {
        absent(check, *b"OBX", *number, *rxa);
    }
}

fn absent(check: &mut Check<'_, '_, '_>, name: [u8; 3], number: usize, after: Segment<'_, '_>) {
    let name = std::str::from_utf8(&name).unwrap_or("???");
    let sequence = u16::try_from(number).unwrap_or(u16::MAX);
    let end = after.span().end;
    let at = Location::segment(name, sequence);
    check.note("DQ-ABSENT", Some(at), Some(end..end), Some(after.index()));
}
