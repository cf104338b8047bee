//! IZ-24: the information statements that were handed over with a dose. Source: guide 1.5, IZ-24; CDC's map of CVX to VIS.
//!
//! The observations of one statement share OBX-4: its bar code and the day on which it was handed over, or its vaccine
//! type, the day of its edition and that day.

use std::collections::{BTreeMap, BTreeSet};

use crate::hl7::Segment;
use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::{Codes, Cvx};
use crate::validation::facts::{Dose, Facts, Observation, day_of, number_of};

const DOCUMENT: &[u8] = b"69764-9";
const VACCINE: &[u8] = b"30956-7";
const EDITION: &[u8] = b"29768-9";
const PRESENTED: &[u8] = b"29769-7";

/// The observations of one statement.
#[derive(Default)]
struct Statement<'m, 'a> {
    document: Option<Segment<'m, 'a>>,
    vaccine: Option<Segment<'m, 'a>>,
    edition: Option<Segment<'m, 'a>>,
    presented: Option<Segment<'m, 'a>>,
}

impl<'m, 'a> Statement<'m, 'a> {
    fn is_complete(&self) -> bool {
        let named = self.document.is_some() || self.vaccine.is_some() && self.edition.is_some();
        named && self.presented.is_some()
    }

    /// What it lacks, in words.
    fn lacks(&self) -> String {
        let lacks = [
            (self.document.is_none() && self.edition.is_none(), "its edition date (29768-9)"),
            (self.presented.is_none(), "the date on which it was presented (29769-7)"),
        ];
        let lacks: Vec<_> = lacks.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        lacks.join(" and ")
    }

    /// The first of its observations that says something about it.
    fn first(&self) -> Option<Segment<'m, 'a>> {
        self.document.or(self.vaccine).or(self.edition).or(self.presented)
    }
}

/// Judges the statements of every immunization of an update.
pub(super) fn check(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    for dose in &facts.doses {
        let statements = statements(dose);
        for statement in &statements {
            whole(check, statement);
            presented(check, dose, statement);
            edition(check, statement);
        }
        let must = dose.told.is_given() && dose.is_new();
        let Some(cvx) = dose.cvx.filter(|cvx| must && check.codes.needs_vis(cvx.code.as_bytes()))
        else {
            continue;
        };
        if !statements.iter().any(Statement::is_complete) {
            check.add_segment("IZ-24", dose.rxa).more(format!("{} ({})", cvx.code, cvx.name));
            continue;
        }
        if cvx.groups.len() > 1 {
            let lacking = components_without(check.codes, cvx, &statements);
            if !lacking.is_empty() {
                check.add_segment("IZ-24-COMPONENTS", dose.rxa).more(lacking.join(", "));
            }
        }
    }
}

/// The observations about statements, put together by OBX-4.
fn statements<'m, 'a>(dose: &Dose<'_, 'm, 'a>) -> Vec<Statement<'m, 'a>> {
    let mut found: Vec<Statement<'m, 'a>> = vec![];
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    for Observation { obx, question } in &dose.obx {
        let question = question.unwrap_or_default();
        if ![DOCUMENT, VACCINE, EDITION, PRESENTED].contains(&question) {
            continue;
        }
        let key = text(*obx, 4, 0).unwrap_or_default();
        let place = *places.entry(key).or_insert_with(|| {
            found.push(Statement::default());
            found.len() - 1
        });
        let Some(statement) = found.get_mut(place) else { continue };
        let slot = match question {
            DOCUMENT => &mut statement.document,
            VACCINE => &mut statement.vaccine,
            EDITION => &mut statement.edition,
            _ => &mut statement.presented,
        };
        slot.get_or_insert(*obx);
    }
    found
}

/// Every statement is told in full.
fn whole(check: &mut Check<'_, '_, '_>, statement: &Statement<'_, '_>) {
    let Some(first) = statement.first().filter(|_| !statement.is_complete()) else { return };
    let is_named = statement.document.is_some() || statement.vaccine.is_some();
    if is_named {
        check.add("IZ-24-INCOMPLETE", &Spot::at(first, 4, 0)).more(statement.lacks());
    } else {
        check.add("IZ-24-ORPHAN", &Spot::at(first, 3, 1));
    }
}

/// It was handed over on the day of the dose.
fn presented(
    check: &mut Check<'_, '_, '_>,
    dose: &Dose<'_, '_, '_>,
    statement: &Statement<'_, '_>,
) {
    let Some(obx) = statement.presented else { return };
    let (Some(day), Some(given)) = (text(obx, 5, 1).and_then(day_of), dose.day) else { return };
    if day > given {
        check.add("IZ-24-AFTER", &Spot::at(obx, 5, 1));
    } else if day < given {
        check.add("IZ-24-BEFORE", &Spot::at(obx, 5, 1));
    }
}

/// Its edition is one that CDC made.
fn edition(check: &mut Check<'_, '_, '_>, statement: &Statement<'_, '_>) {
    let (Some(vaccine), Some(edition)) = (statement.vaccine, statement.edition) else { return };
    let (Some(cvx), Some(day)) = (text(vaccine, 5, 1), text(edition, 5, 1).and_then(day_of)) else {
        return;
    };
    let codes = check.codes;
    if codes.needs_vis(cvx) && !codes.vis_edition(cvx, number_of(day)) {
        check.add("IZ-24-EDITION", &Spot::at(edition, 5, 1)).quote(true);
    }
}

/// The vaccine groups of a combination that no complete statement speaks of.
fn components_without<'p>(
    codes: &'p Codes,
    cvx: &'p Cvx,
    statements: &[Statement<'_, '_>],
) -> Vec<&'p str> {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for statement in statements.iter().filter(|one| one.is_complete()) {
        let document = statement.document.and_then(|obx| codes.vis(text(obx, 5, 1)?));
        let vaccine = statement.vaccine.and_then(|obx| codes.cvx(text(obx, 5, 1)?));
        match (document, vaccine) {
            (Some(document), _) => told.extend(groups_of(codes, &document.cvx)),
            (None, Some(vaccine)) => told.extend(vaccine.groups.iter().map(|group| &**group)),
            // A bar code that is not known is said by its table.
            (None, None) => return vec![],
        }
    }
    cvx.groups.iter().map(|group| &**group).filter(|group| !told.contains(group)).collect()
}

/// What a statement is about: the groups of its single vaccines, else those of its combinations.
fn groups_of<'p>(codes: &'p Codes, vaccines: &[Box<str>]) -> BTreeSet<&'p str> {
    let known = || vaccines.iter().filter_map(|code| codes.cvx(code.as_bytes()));
    let groups = |one: &'p Cvx| one.groups.iter().map(|group| &**group);
    let single: BTreeSet<_> =
        known().filter(|one| one.groups.len() == 1).flat_map(groups).collect();
    if single.is_empty() { known().flat_map(groups).collect() } else { single }
}
