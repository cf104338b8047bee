//! Usage, repetitions, length, shape and table of every field and component, by the tables of the profile.

use std::borrow::Cow;

use crate::hl7::{Location, Segment, has_foreign_escape};
use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::Lookup;
use crate::validation::layout::Order;
use crate::validation::predicate::Path;
use crate::validation::profile::{DataType, Element, Kind, SegmentType};
use crate::validation::shapes;

/// Most parts of a value that are looked at; no data type has as many.
const PARTS: usize = 32;

/// What stands in an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Null,
    Valued,
}

/// Judges every placed segment.
pub(super) fn check(check: &mut Check<'_, '_, '_>) {
    let profile = check.profile;
    for index in 0..check.layout.segments.len() {
        let Some(placed) = check.layout.segments.get(index).copied() else { continue };
        if let Some(slot) = placed.slot.and_then(|slot| profile.slots.get(slot)) {
            let order = check.layout.order_at(index).copied();
            segment(check, placed.segment, &slot.segment, order);
        }
    }
}

fn segment<'a>(
    check: &mut Check<'_, '_, 'a>,
    segment: Segment<'_, 'a>,
    kind: &SegmentType,
    order: Option<Order>,
) {
    let is_header = &kind.name == b"MSH";
    let mut fields = segment.fields();
    for (element, number) in kind.fields.iter().zip(1..) {
        // Most fields are empty and may be.
        let is_empty = fields.next().is_none_or(|field| field.bytes().is_empty());
        if is_empty && !element.usage.may_be_required() || is_header && number <= 2 {
            continue;
        }
        field(check, segment, number, element, order);
    }
}

/// The first value at a path of a condition.
fn look<'a>(
    check: &Check<'_, '_, 'a>,
    segment: Segment<'_, 'a>,
    order: Option<Order>,
    path: Path,
) -> Option<&'a [u8]> {
    let segment = match path.segment {
        None => segment,
        Some(name) if &name == b"RXA" => check.segment_at(order?.rxa?)?,
        Some(_) => return None,
    };
    text(segment, path.first, path.second)
}

fn field<'a>(
    check: &mut Check<'_, '_, 'a>,
    segment: Segment<'_, 'a>,
    number: usize,
    element: &Element,
    order: Option<Order>,
) {
    let is_required = |check: &Check<'_, '_, 'a>| {
        element.usage.is_required(|path| look(check, segment, order, path))
    };
    let field = segment.field(number);
    let spot = Spot::field(segment, number, field.bytes());
    match state(field.bytes(), check) {
        State::Empty if is_required(check) => missing(check, &spot, element),
        State::Empty => {}
        State::Null => null(check, &spot, element, is_required(check)),
        State::Valued => {
            if element.usage.is_not_supported(|path| look(check, segment, order, path)) {
                check.add("USE-X", &spot).name(&element.name);
                return;
            }
            let mut repetitions = 0;
            for (repetition, n) in field.repetitions().zip(1..) {
                repetitions = n;
                let bytes = repetition.bytes();
                let here = spot.repetition(n, bytes);
                if n > element.most {
                    continue;
                }
                match state(bytes, check) {
                    State::Empty => {}
                    State::Null => null(check, &here, element, is_required(check)),
                    State::Valued => value(check, &here, element),
                }
            }
            if repetitions > element.most {
                let surplus = field.repetition(element.most + 1);
                let here = spot.repetition(element.most + 1, surplus.bytes());
                check.add("REP", &here).name(&element.name).expected(element.most.to_string());
            }
        }
    }
}

/// A required element that is empty.
fn missing<'a>(check: &mut Check<'_, '_, 'a>, spot: &Spot<'_, 'a>, element: &Element) {
    if element.usage.is_conditional() {
        let condition = element.usage.words(&prefix(spot));
        check.add("USE-C", spot).name(&element.name).expected(condition);
    } else {
        check.add("USE-R", spot).name(&element.name);
    }
}

/// What the paths of a condition stand behind: `RXA-` for a field, `PID-13.` for its components.
fn prefix(spot: &Spot<'_, '_>) -> String {
    let at = spot.location();
    let parent = match (at.component, at.subcomponent) {
        (None, _) => return format!("{}-", at.segment),
        (Some(_), None) => Location { component: None, ..at },
        (Some(_), Some(_)) => Location { subcomponent: None, ..at },
    };
    format!("{}.", parent.human())
}

/// `""`: the guide asks not to send it; where a value is required it is none.
fn null<'a>(
    check: &mut Check<'_, '_, 'a>,
    spot: &Spot<'_, 'a>,
    element: &Element,
    is_required: bool,
) {
    let rule = if is_required { "NULL-R" } else { "NULL" };
    check.add(rule, spot).name(&element.name);
}

/// One value: a repetition of a field.
fn value<'a>(check: &mut Check<'_, '_, 'a>, spot: &Spot<'_, 'a>, element: &Element) {
    length(check, spot, element);
    let kind = match element.kind {
        Kind::Varies => {
            let code = spot.segment.field(2).value().text().unwrap_or_default();
            match check.value_type(code) {
                Some(kind) => kind,
                None => return,
            }
        }
        kind => kind,
    };
    match kind {
        Kind::Composite(index) => composite(check, spot, index, element, false),
        Kind::Primitive(shape) => {
            let delimiters = check.message.delimiters();
            let splits = |b: &u8| *b == delimiters.component || *b == delimiters.subcomponent;
            if spot.bytes.iter().any(splits) {
                check.add("SPLIT", spot).name(&element.name);
                return;
            }
            primitive(check, spot, element, shape);
        }
        Kind::Varies => {}
    }
}

/// The parts of a value, each judged as its data type says.
fn composite<'a>(
    check: &mut Check<'_, '_, 'a>,
    spot: &Spot<'_, 'a>,
    index: u16,
    element: &Element,
    nested: bool,
) {
    let profiles = check.profiles;
    let Some(kind) = profiles.types.get(usize::from(index)) else { return };
    let delimiters = check.message.delimiters();
    let separator = if nested { delimiters.subcomponent } else { delimiters.component };
    let mut parts: [&'a [u8]; PARTS] = [&[]; PARTS];
    let count = split(spot.bytes, separator, &mut parts);
    if count > kind.components.len() {
        check.add("EXTRA", spot).name(&element.name);
    }
    let looked_at = count.max(kind.last_required);
    let components = kind.components.iter().take(looked_at);
    for ((component, bytes), number) in components.zip(&parts).zip(1..) {
        if bytes.is_empty() && !component.usage.may_be_required()
            || is_plain(check, component, bytes)
        {
            continue;
        }
        let here = spot.part(number, bytes, nested);
        // The system beside a code is judged with the code.
        let judged = number == 3 && component.names_system && !element.tables.is_empty();
        part(check, &here, component, &parts, Depths { nested, judged });
    }
    if !element.tables.is_empty() {
        coded(check, spot, element, kind, &parts);
    }
}

fn part<'a>(
    check: &mut Check<'_, '_, 'a>,
    here: &Spot<'_, 'a>,
    component: &Element,
    parts: &[&'a [u8]; PARTS],
    Depths { nested, judged }: Depths,
) {
    let subcomponent = check.message.delimiters().subcomponent;
    let look = |check: &Check<'_, '_, 'a>, path: Path| {
        let bytes = parts.get(path.first.checked_sub(1)?).copied()?;
        let bytes = match path.second {
            0 => bytes,
            second => bytes.split(|b| *b == subcomponent).nth(second - 1)?,
        };
        (state(bytes, check) == State::Valued).then_some(bytes)
    };
    let is_required =
        |check: &Check<'_, '_, 'a>| component.usage.is_required(|path| look(check, path));
    match state(here.bytes, check) {
        State::Empty if is_required(check) => missing(check, here, component),
        State::Empty => {}
        State::Null => null(check, here, component, is_required(check)),
        State::Valued if component.usage.is_not_supported(|path| look(check, path)) => {
            check.add("USE-X", here).name(&component.name);
        }
        State::Valued => {
            length(check, here, component);
            match component.kind {
                Kind::Composite(index) if !nested => {
                    composite(check, here, index, component, true);
                }
                Kind::Composite(_) | Kind::Varies => {}
                Kind::Primitive(shape) => {
                    if here.bytes.contains(&subcomponent) {
                        check.add("SPLIT", here).name(&component.name);
                        return;
                    }
                    if !judged {
                        primitive(check, here, component, shape);
                    }
                }
            }
        }
    }
}

/// How a part of a value stands in it.
#[derive(Clone, Copy)]
struct Depths {
    /// It is a subcomponent.
    nested: bool,
    /// What it says is judged elsewhere.
    judged: bool,
}

fn primitive<'a>(
    check: &mut Check<'_, '_, 'a>,
    spot: &Spot<'_, 'a>,
    element: &Element,
    shape: crate::validation::profile::Shape,
) {
    let delimiters = check.message.delimiters();
    if check.has_escapes
        && spot.bytes.contains(&delimiters.escape)
        && has_foreign_escape(spot.bytes, &delimiters)
    {
        check.add("ESCAPE", spot).name(&element.name);
    }
    if let Some((rule, expected)) = shapes::fault(shape, spot.bytes) {
        check.add(rule, spot).name(&element.name).expected(expected).quote(shape_is_shown(shape));
    }
    if element.names_system {
        if !check.codes.is_system(spot.bytes) && check.codes.system_alias(spot.bytes).is_none() {
            check.add("SYSTEM-UNKNOWN", spot).name(&element.name).quote(true);
        }
    } else if !element.tables.is_empty() {
        simple_code(check, spot, element);
    }
}

/// Numbers and dates of a dose may be shown; the mask looks after those of people.
const fn shape_is_shown(_shape: crate::validation::profile::Shape) -> bool {
    true
}

/// A code without coding system: ID and IS.
fn simple_code<'a>(check: &mut Check<'_, '_, 'a>, spot: &Spot<'_, 'a>, element: &Element) {
    let codes = check.codes;
    let mut alias = None;
    for table in &element.tables {
        match codes.look_up(*table, spot.bytes) {
            Lookup::Known { .. } | Lookup::Unchecked => return,
            Lookup::Alias { means: "", .. } => alias = Some("a code of today's table"),
            Lookup::Alias { means, .. } => alias = Some(means),
            Lookup::Unknown => {}
        }
    }
    let table = element.tables.first().map_or("", |table| codes.table_name(*table));
    match alias {
        Some(means) => check.add("CODE-OLD", spot).expected(means.to_owned()),
        None => check.add("CODE", spot).expected(table.to_owned()),
    }
    .name(&element.name)
    .quote(true);
}

/// A code with its coding system: .1 and .3 of CE and CWE, or .1 alone of the types that have no system.
fn coded<'a>(
    check: &mut Check<'_, '_, 'a>,
    spot: &Spot<'_, 'a>,
    element: &Element,
    kind: &DataType,
    parts: &[&'a [u8]; PARTS],
) {
    let [code, _, system, ..] = *parts;
    if state(code, check) != State::Valued {
        return;
    }
    let here = spot.part(1, code, false);
    if !kind.name.starts_with('C') || kind.name.starts_with("CX") {
        simple_code(check, &here, element);
        return;
    }
    match judged(check, element, code, system) {
        Judged::Good => {}
        Judged::System(right) => {
            let at = spot.part(3, system, false);
            check.add("SYSTEM", &at).name(&element.name).expected(right).quote(true);
        }
        Judged::Old(means) => {
            check.add("CODE-OLD", &here).name(&element.name).expected(means).quote(true);
        }
        Judged::Newer => {
            check.add("CODE-NEW", &here).name(&element.name).quote(true);
        }
        Judged::Unknown(table) => {
            check.add("CODE", &here).name(&element.name).expected(table).quote(true);
        }
    }
}

enum Judged {
    Good,
    /// The code is right, the system should be this one.
    System(Cow<'static, str>),
    /// Recognised, though this is the code to send.
    Old(Cow<'static, str>),
    /// A CVX that is newer than our table.
    Newer,
    /// In no table; the one that was expected.
    Unknown(Cow<'static, str>),
}

fn judged(check: &Check<'_, '_, '_>, element: &Element, code: &[u8], system: &[u8]) -> Judged {
    let codes = check.codes;
    let mut right: Option<&str> = None;
    let mut old = None;
    for table in &element.tables {
        match codes.look_up(*table, code) {
            Lookup::Unchecked => return Judged::Good,
            Lookup::Known { system: expected } => {
                // An empty system is a required component that is missing: said once, by its usage.
                if system.is_empty() || system == expected.as_bytes() {
                    return Judged::Good;
                }
                right.get_or_insert(expected);
            }
            Lookup::Alias { means, system } if !means.is_empty() => {
                old = Some(format!("{means}^^{system}"));
            }
            Lookup::Alias { .. } => old = Some("a code of today's table".to_owned()),
            Lookup::Unknown => {}
        }
    }
    if let Some(right) = right {
        return Judged::System(right.to_owned().into());
    }
    if let Some(means) = old {
        return Judged::Old(means.into());
    }
    let first = element.tables.first().map_or("", |table| codes.table_name(*table));
    let number = std::str::from_utf8(code).ok().and_then(|text| text.parse::<u32>().ok());
    if first == "CVX" && number.is_some_and(|number| number > codes.newest_cvx() && number < 998) {
        return Judged::Newer;
    }
    Judged::Unknown(first.to_owned().into())
}

#[inline]
fn length<'a>(check: &mut Check<'_, '_, 'a>, spot: &Spot<'_, 'a>, element: &Element) {
    // Characters are at most as many as bytes, so a short value is never counted.
    if spot.bytes.len() > element.length {
        characters(check, spot, element);
    }
}

fn characters<'a>(check: &mut Check<'_, '_, 'a>, spot: &Spot<'_, 'a>, element: &Element) {
    if String::from_utf8_lossy(spot.bytes).chars().count() > element.length {
        check.add("LENGTH", spot).name(&element.name).expected(element.length.to_string());
    }
}

/// Splits into at most [`PARTS`] parts; how many there are, without empty ones at the end.
fn split<'a>(bytes: &'a [u8], separator: u8, parts: &mut [&'a [u8]; PARTS]) -> usize {
    let mut count = 0;
    // Values are short: looking at each byte is quicker than setting out to search.
    for (part, bytes) in parts.iter_mut().zip(bytes.split(|byte| *byte == separator)) {
        *part = bytes;
        count += 1;
    }
    while count > 1 && parts.get(count - 1).is_some_and(|part| part.is_empty()) {
        count -= 1;
    }
    count
}

/// Whether there is nothing to be found in a part, as in most: any text will do, and it is a short one without signs
/// that mean something.
fn is_plain(check: &Check<'_, '_, '_>, component: &Element, bytes: &[u8]) -> bool {
    component.takes_any_text
        && !check.has_escapes
        && bytes.len() <= component.length
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && !bytes.contains(&check.message.delimiters().subcomponent)
}

/// What stands in some bytes; nearly always decided by the first one.
fn state(bytes: &[u8], check: &Check<'_, '_, '_>) -> State {
    match bytes {
        [] => State::Empty,
        b"\"\"" => State::Null,
        [first, ..] if first.is_ascii_alphanumeric() => State::Valued,
        _ => {
            let delimiters = check.message.delimiters();
            let nothing = |b: &u8| {
                *b == b' '
                    || *b == delimiters.component
                    || *b == delimiters.repetition
                    || *b == delimiters.subcomponent
            };
            if bytes.iter().all(nothing) { State::Empty } else { State::Valued }
        }
    }
}

/// Whether a part of the profile at that location has to be there, so that losing it loses what it belongs to.
pub(super) fn is_required(
    check: &Check<'_, '_, '_>,
    segment: Option<usize>,
    at: &Location,
    depth: Depth,
) -> bool {
    let Some((_, slot)) = check.profile.slot(at.segment.bytes()) else { return false };
    let element = |number: Option<u16>, among: &'_ [Element]| -> Option<usize> {
        let index = usize::from(number?).checked_sub(1)?;
        among.get(index).map(|_| index)
    };
    let fields = &slot.segment.fields;
    let Some(field) = element(at.field, fields).and_then(|index| fields.get(index)) else {
        return false;
    };
    let required = |element: &Element| {
        let get = |path| {
            let index = segment?;
            look(check, check.segment_at(index)?, check.layout.order_at(index).copied(), path)
        };
        element.usage.is_required(get)
    };
    if depth == Depth::Field {
        return required(field);
    }
    let Kind::Composite(index) = field.kind else { return false };
    let Some(kind) = check.profiles.types.get(usize::from(index)) else { return false };
    element(at.component, &kind.components)
        .and_then(|index| kind.components.get(index))
        .is_some_and(|component| component.usage.is_required(|_| None))
}

/// How deep a question about a location goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The field of its segment.
    Field,
    /// The component of its field.
    Component,
}
