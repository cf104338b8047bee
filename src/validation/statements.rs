//! The conformance statements of the guide: one small function each, in one list, under the number of its rule.
//!
//! Words, source, examples and wording of each stand in `schemas/rules/statements.toml`. Statements about the form of a
//! value (IZ-3, IZ-5, the date flavours) are shapes; tables and usage are in the profile tables.

use crate::hl7::{Segment, Value};
use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::Lookup;
use crate::validation::facts::Administration;
use crate::validation::layout::Order;

type OnSegment = fn(&mut Check<'_, '_, '_>, Segment<'_, '_>);
type OnAdministration = fn(&mut Check<'_, '_, '_>, Segment<'_, '_>, &Administration<'_>);
type OnOrder = fn(&mut Check<'_, '_, '_>, &Order);
type OnMessage = fn(&mut Check<'_, '_, '_>);

/// The statements about segments of that name.
const fn about(name: [u8; 3]) -> &'static [OnSegment] {
    match &name {
        b"MSH" => &[iz_7, iz_17, iz_41, iz_42, iz_43],
        b"PID" => &[iz_46, iz_66],
        b"IN1" => &[iz_69],
        b"ORC" => &[iz_25],
        b"RXA" => &[iz_28, iz_29, iz_30, administration],
        b"OBX" => &[iz_22, answer, iz_44, obx_2],
        b"QPD" => &[iz_67, iz_66],
        b"RCP" => &[iz_1, iz_2, iz_27],
        _ => &[],
    }
}

/// Statements about what RXA says of giving.
const ADMINISTRATIONS: &[OnAdministration] = &[iz_31, iz_32, iz_47, iz_48, iz_49, nist_02];

/// Statements about an order group.
const ORDERS: &[OnOrder] = &[iz_23, iz_45];

/// Statements about the message.
const MESSAGES: &[OnMessage] = &[iz_20, iz_70, universal_id_type];

/// Runs every statement on what it is about.
pub(super) fn check(check: &mut Check<'_, '_, '_>) {
    for index in 0..check.layout.segments.len() {
        let Some(placed) = check.layout.segments.get(index).copied() else { continue };
        let Some(slot) = placed.slot.and_then(|slot| check.profile.slots.get(slot)) else {
            continue;
        };
        for statement in about(slot.name) {
            statement(check, placed.segment);
        }
    }
    for index in 0..check.layout.orders.len() {
        let Some(order) = check.layout.orders.get(index).copied() else { continue };
        for statement in ORDERS {
            statement(check, &order);
        }
    }
    for statement in MESSAGES {
        statement(check);
    }
}

/// The value is there and is not that one.
fn other_than(segment: Segment<'_, '_>, field: usize, component: usize, wanted: &[u8]) -> bool {
    text(segment, field, component).is_some_and(|value| value != wanted)
}

fn iz_7(check: &mut Check<'_, '_, '_>, msh: Segment<'_, '_>) {
    if other_than(msh, 12, 1, b"2.5.1") {
        check.add("IZ-7", &Spot::at(msh, 12, 1));
    }
}

/// IZ-17, IZ-51, IZ-55, IZ-59: MSH-9 as the profile has it.
fn iz_17(check: &mut Check<'_, '_, '_>, msh: Segment<'_, '_>) {
    let expected = &check.profile.message;
    let [code, trigger, structure] = expected;
    let is_ack = &**code == "ACK";
    let right = |n: usize, wanted: &str| !other_than(msh, 9, n, wanted.as_bytes());
    let event = right(2, trigger) || is_ack && text(msh, 9, 2) == Some(b"Q11");
    let wrong = [right(1, code), event, right(3, structure)].iter().position(|right| !right);
    if let Some(part) = wrong {
        check.add("IZ-17", &Spot::at(msh, 9, part + 1)).expected(expected.join("^"));
    }
}

/// IZ-41, IZ-52, IZ-58: MSH-16.
fn iz_41(check: &mut Check<'_, '_, '_>, msh: Segment<'_, '_>) {
    let wanted = if is_request(check) { "AL" } else { "NE" };
    if other_than(msh, 16, 0, wanted.as_bytes()) {
        check.add("IZ-41", &Spot::at(msh, 16, 0)).expected(wanted).quote(true);
    }
}

/// IZ-42, IZ-53, IZ-57: MSH-15.
fn iz_42(check: &mut Check<'_, '_, '_>, msh: Segment<'_, '_>) {
    let wanted = if is_request(check) { "ER" } else { "NE" };
    if other_than(msh, 15, 0, wanted.as_bytes()) {
        check.add("IZ-42", &Spot::at(msh, 15, 0)).expected(wanted).quote(true);
    }
}

fn is_request(check: &Check<'_, '_, '_>) -> bool {
    matches!(&*check.profile.message[0], "VXU" | "QBP")
}

/// IZ-43, IZ-54, IZ-56, IZ-60, IZ-61, IZ-63 to IZ-65: MSH-21 names the profile.
fn iz_43(check: &mut Check<'_, '_, '_>, msh: Segment<'_, '_>) {
    let name = &check.profile.name;
    if other_than(msh, 21, 1, name.as_bytes()) {
        check.add("GW-PROFILE", &Spot::at(msh, 21, 1)).expected(name.to_string());
    } else if other_than(msh, 21, 2, b"CDCPHINVS") {
        check.add("IZ-43", &Spot::at(msh, 21, 2)).expected("CDCPHINVS");
    }
}

fn iz_46(check: &mut Check<'_, '_, '_>, pid: Segment<'_, '_>) {
    // In a list of candidates PID-1 counts on (IZ-72).
    let expected = if &*check.profile.name == "Z31" { pid.occurrence() } else { 1 };
    if counts_otherwise(pid, expected) {
        check.add("IZ-46", &Spot::at(pid, 1, 0)).expected(expected.to_string());
    }
}

/// The first field of a segment is there and is not that number.
fn counts_otherwise(segment: Segment<'_, '_>, expected: usize) -> bool {
    text(segment, 1, 0).is_some_and(|value| {
        let is_plain = matches!(value.first(), Some(b'1'..=b'9'));
        !is_plain || number(value) != Some(expected)
    })
}

fn number(value: &[u8]) -> Option<usize> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn iz_66(check: &mut Check<'_, '_, '_>, segment: Segment<'_, '_>) {
    let field = if segment.is(b"QPD") { 5 } else { 6 };
    if other_than(segment, field, 7, b"M") {
        check.add("IZ-66", &Spot::at(segment, field, 7));
    }
}

fn iz_69(check: &mut Check<'_, '_, '_>, in1: Segment<'_, '_>) {
    if other_than(in1, 1, 0, b"1") && in1.occurrence() == 1 {
        check.add("IZ-69", &Spot::at(in1, 1, 0));
    }
}

fn iz_25(check: &mut Check<'_, '_, '_>, orc: Segment<'_, '_>) {
    if other_than(orc, 1, 0, b"RE") {
        check.add("IZ-25", &Spot::at(orc, 1, 0)).quote(true);
    }
}

fn iz_28(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>) {
    if other_than(rxa, 1, 0, b"0") {
        check.add("IZ-28", &Spot::at(rxa, 1, 0)).quote(true);
    }
}

fn iz_29(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>) {
    if other_than(rxa, 2, 0, b"1") {
        check.add("IZ-29", &Spot::at(rxa, 2, 0)).quote(true);
    }
}

fn iz_30(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>) {
    if text(rxa, 4, 1).is_some_and(|end| Some(end) != text(rxa, 3, 1)) {
        check.add("IZ-30", &Spot::at(rxa, 4, 1));
    }
}

fn administration(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>) {
    let told = Administration::of(rxa);
    for statement in ADMINISTRATIONS {
        statement(check, rxa, &told);
    }
}

fn iz_31(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>, told: &Administration<'_>) {
    // An unknown code is said by the table of RXA-9, an empty field by its usage: here is an empty first repetition.
    if !told.is_given() || told.source.is_some() || !rxa.field(9).value().is_valued() {
        return;
    }
    let codes = check.codes;
    let Some(table) = codes.table("NIP001") else { return };
    if matches!(codes.look_up(table, b""), Lookup::Unknown) {
        check.add("IZ-31", &Spot::at(rxa, 9, 1));
    }
}

fn iz_32(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>, told: &Administration<'_>) {
    if told.status != Some(b"RE") && text(rxa, 18, 0).is_some() {
        check.add("IZ-32", &Spot::at(rxa, 20, 0));
    }
}

fn iz_47(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>, told: &Administration<'_>) {
    if !told.is_given() && told.source.is_some() {
        check.add("IZ-47", &Spot::at(rxa, 9, 1));
    }
}

fn iz_48(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>, told: &Administration<'_>) {
    if told.status == Some(b"RE") && told.amount.is_some_and(|amount| amount != b"999") {
        check.add("IZ-48", &Spot::at(rxa, 6, 0)).quote(true);
    }
}

fn iz_49(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>, told: &Administration<'_>) {
    if told.vaccine == Some(b"998") && told.amount.is_some_and(|amount| amount != b"999") {
        check.add("IZ-49", &Spot::at(rxa, 6, 0)).quote(true);
    }
}

fn nist_02(check: &mut Check<'_, '_, '_>, rxa: Segment<'_, '_>, told: &Administration<'_>) {
    if told.vaccine == Some(b"213") && told.source == Some(b"00") {
        check.add("NIST-02", &Spot::at(rxa, 5, 1));
    }
}

fn iz_22(check: &mut Check<'_, '_, '_>, obx: Segment<'_, '_>) {
    if other_than(obx, 11, 0, b"F") {
        check.add("IZ-22", &Spot::at(obx, 11, 0)).quote(true);
    }
}

/// IZ-35, IZ-36, IZ-37: the value of a coded observation is in the table that its question has.
fn answer(check: &mut Check<'_, '_, '_>, obx: Segment<'_, '_>) {
    let (rule, table) = match text(obx, 3, 1) {
        // The eligibility of the patient.
        Some(b"64994-7") => ("IZ-35", "HL70064"),
        // The bar code of a vaccine information statement.
        Some(b"69764-9") => ("IZ-36", "PHVS_VISBarcodes_IIS"),
        // The vaccine type that a statement is about.
        Some(b"30956-7") => ("IZ-37", "CVX"),
        _ => return,
    };
    if !matches!(text(obx, 2, 0), Some(b"CE" | b"CWE")) {
        return;
    }
    let codes = check.codes;
    let (Some(id), Some(value)) = (codes.table(table), text(obx, 5, 1)) else { return };
    if matches!(codes.look_up(id, value), Lookup::Unknown | Lookup::Alias { .. }) {
        check.add(rule, &Spot::at(obx, 5, 1)).expected(table).quote(true);
    }
}

fn iz_44(check: &mut Check<'_, '_, '_>, obx: Segment<'_, '_>) {
    let positive = |value: &[u8]| {
        value.iter().all(u8::is_ascii_digit) && value.first().is_some_and(|first| *first != b'0')
    };
    if text(obx, 4, 0).is_some_and(|value| !positive(value)) {
        check.add("IZ-44", &Spot::at(obx, 4, 0)).quote(true);
    }
}

/// OBX-2 names a type that OBX-5 can be read by.
fn obx_2(check: &mut Check<'_, '_, '_>, obx: Segment<'_, '_>) {
    let unknown = text(obx, 2, 0).is_none_or(|code| check.value_type(code).is_none());
    if unknown && text(obx, 5, 0).is_some() {
        check.add("OBX-TYPE", &Spot::at(obx, 5, 0));
    }
}

/// IZ-67, IZ-68, IZ-71: the name of the query.
fn iz_67(check: &mut Check<'_, '_, '_>, qpd: Segment<'_, '_>) {
    const HISTORY: [&str; 3] = ["Z34", "Request Immunization History", "CDCPHINVS"];
    const FORECAST: [&str; 3] = ["Z44", "Request Evaluated History and Forecast", "CDCPHINVS"];
    let is = |name: &[&str; 3]| {
        name.iter().zip(1..).all(|(part, n)| text(qpd, 1, n) == Some(part.as_bytes()))
    };
    let allowed: &[&[&str; 3]] = match &*check.profile.name {
        "Z34" | "Z32" => &[&HISTORY],
        "Z44" | "Z42" => &[&FORECAST],
        _ => &[&HISTORY, &FORECAST],
    };
    if text(qpd, 1, 0).is_some() && !allowed.iter().any(|name| is(name)) {
        let expected = allowed.first().map(|name| name.join("^")).unwrap_or_default();
        check.add("IZ-67", &Spot::at(qpd, 1, 0)).expected(expected);
    }
}

fn iz_1(check: &mut Check<'_, '_, '_>, rcp: Segment<'_, '_>) {
    let positive = |value: &[u8]| {
        std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0) > 0
    };
    if text(rcp, 2, 1).is_some_and(|value| !positive(value)) {
        check.add("IZ-1", &Spot::at(rcp, 2, 1)).quote(true);
    }
}

fn iz_2(check: &mut Check<'_, '_, '_>, rcp: Segment<'_, '_>) {
    let unit = rcp.field(2).component(2).subcomponent(1).value().text();
    if unit.is_some_and(|unit| unit != b"RD") {
        check.add("IZ-2", &Spot::at(rcp, 2, 2));
    }
}

fn iz_27(check: &mut Check<'_, '_, '_>, rcp: Segment<'_, '_>) {
    if other_than(rcp, 1, 0, b"I") {
        check.add("IZ-27", &Spot::at(rcp, 1, 0)).quote(true);
    }
}

fn iz_23(check: &mut Check<'_, '_, '_>, order: &Order) {
    let Some(rxa) = order.rxa.and_then(|index| check.segment_at(index)) else { return };
    let given = Administration::of(rxa);
    if !given.is_given() || given.source != Some(b"00") || &*check.profile.name != "Z22" {
        return;
    }
    let is_told = check
        .layout
        .segments_of(order)
        .any(|placed| placed.segment.is(b"OBX") && text(placed.segment, 3, 1) == Some(b"64994-7"));
    if !is_told {
        check.add_segment("IZ-23", rxa);
    }
}

fn iz_45(check: &mut Check<'_, '_, '_>, order: &Order) {
    let segment = |index: Option<usize>| index.and_then(|index| check.segment_at(index));
    let (Some(orc), Some(rxa)) = (segment(order.orc), segment(order.rxa)) else { return };
    if matches!(text(rxa, 20, 0), Some(b"NA" | b"RE")) && other_than(orc, 3, 1, b"9999") {
        check.add("IZ-45", &Spot::at(orc, 3, 1));
    }
}

/// IZ-20 and NIST-01: OBX-1 counts from 1, through the message or anew in each order group.
fn iz_20(check: &mut Check<'_, '_, '_>) {
    let mut through = 1_usize;
    let mut all_through = true;
    let mut first_break = None;
    for order in &check.layout.orders {
        let mut anew = 1_usize;
        for placed in check.layout.segments_of(order) {
            if !placed.segment.is(b"OBX") || placed.slot.is_none() {
                continue;
            }
            let number = text(placed.segment, 1, 0).and_then(number);
            all_through &= number == Some(through);
            // An empty one is said by its usage.
            if number.is_some_and(|number| number != anew) {
                first_break.get_or_insert(placed.segment);
            }
            through += 1;
            anew += 1;
        }
    }
    if let Some(obx) = first_break.filter(|_| !all_through) {
        check.add("IZ-20", &Spot::at(obx, 1, 0));
    }
}

/// IZ-70: NK1-1 counts from 1.
fn iz_70(check: &mut Check<'_, '_, '_>) {
    let mut expected = 1_usize;
    let mut broken = None;
    for placed in &check.layout.segments {
        if !placed.segment.is(b"NK1") || placed.slot.is_none() {
            continue;
        }
        if counts_otherwise(placed.segment, expected) {
            broken.get_or_insert(placed.segment);
        }
        expected += 1;
    }
    if let Some(nk1) = broken {
        check.add("IZ-70", &Spot::at(nk1, 1, 0));
    }
}

/// IZ-4 and IZ-6: a universal ID names ISO as its type. Judged where the guide's flavours stand.
fn universal_id_type(check: &mut Check<'_, '_, '_>) {
    for index in 0..check.layout.segments.len() {
        let Some(placed) = check.layout.segments.get(index).copied() else { continue };
        let Some(slot) = placed.slot.and_then(|slot| check.profile.slots.get(slot)) else {
            continue;
        };
        for place in universal_ids(slot.name) {
            if let Some(wrong) = other_than_iso(placed.segment, *place) {
                check.add("IZ-6", &wrong);
            }
        }
    }
}

/// Where segments of that name have universal IDs: field, component of the HD or 0 when the field is one, and the
/// position of the ID, which its type follows.
const fn universal_ids(name: [u8; 3]) -> &'static [(usize, usize, usize)] {
    match &name {
        b"MSH" => &[(3, 0, 2), (4, 0, 2), (5, 0, 2), (6, 0, 2), (21, 0, 3), (22, 6, 2)],
        b"PID" => &[(3, 4, 2)],
        b"ORC" => &[(2, 0, 3), (3, 0, 3), (10, 9, 2), (12, 9, 2)],
        b"RXA" => &[(10, 9, 2), (11, 4, 2)],
        _ => &[],
    }
}

/// The type of a universal ID, when it is not ISO.
fn other_than_iso<'m, 'a>(
    segment: Segment<'m, 'a>,
    (field, component, id): (usize, usize, usize),
) -> Option<Spot<'m, 'a>> {
    let whole = segment.field(field);
    if whole.bytes().is_empty() {
        return None;
    }
    let is_wrong = |kind: Value<'_>| kind.text().is_some_and(|kind| kind != b"ISO");
    if component == 0 {
        let part = |n| whole.component(n).value();
        let wrong = is_wrong(part(id + 1)) && part(id).is_valued();
        return wrong.then(|| Spot::at(segment, field, id + 1));
    }
    let hd = whole.component(component);
    let kind = hd.subcomponent(id + 1);
    let wrong = is_wrong(kind.value()) && hd.subcomponent(id).value().is_valued();
    wrong.then(|| Spot::at(segment, field, component).part(id + 1, kind.bytes(), true))
}
