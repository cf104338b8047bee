//! Rules of the HL7 answer: the ACK (Z23) or the response to a query (Z31, Z32, Z33, Z42).

use std::sync::{Arc, LazyLock};

use crate::conformance::rules::{Judged, shown, unless};
use crate::domain::{Diagnostic, Timestamp};
use crate::hl7::{Header, Message, Segment, Severity};
use crate::validation::{Codes, Policy, Strictness, Validator};

/// The text of `return`, when it holds anything.
fn text<'j>(judged: &'j Judged<'_>) -> Option<&'j str> {
    let text = judged.returned()?.text.as_str();
    (!text.trim().is_empty()).then_some(text)
}

/// The answer, when it can be read.
fn answer<'j>(judged: &'j Judged<'_>) -> Option<Message<'j>> {
    let message = Message::parse(text(judged)?.as_bytes()).ok()?;
    message.segment("MSA").is_some().then_some(message)
}

/// The message that was sent.
fn request<'j>(judged: &'j Judged<'_>) -> Option<Message<'j>> {
    Message::parse(judged.sent.hl7.as_bytes()).ok()
}

/// A field as it stands in a message; empty when it is not there.
fn field(message: &Message<'_>, segment: &str, number: usize) -> String {
    let bytes = message.segment(segment).map(|segment| segment.field(number).bytes().to_vec());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

fn component(segment: &Segment<'_, '_>, number: usize, part: usize) -> String {
    let field = segment.field(number);
    String::from_utf8_lossy(field.component(part).bytes()).into_owned()
}

fn first_component(message: &Message<'_>, segment: &str, number: usize) -> String {
    message.segment(segment).map(|found| component(&found, number, 1)).unwrap_or_default()
}

pub(super) fn readable(judged: &Judged<'_>) -> Vec<String> {
    let Some(text) = text(judged) else { return vec![] };
    match Message::parse(text.as_bytes()) {
        Ok(message) if message.segment("MSA").is_some() => vec![],
        Ok(_) => vec!["there is no MSA segment".to_owned()],
        Err(error) => vec![error.to_string()],
    }
}

pub(super) fn message_type(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let is_query = !judged.expect().qak.is_empty();
    let found = field(&answer, "MSH", 9);
    let kept = if is_query {
        found.starts_with("RSP^K11")
    } else {
        found == "ACK" || found.starts_with("ACK^")
    };
    unless(kept, || format!("MSH-9 is {}", shown(&found)))
}

pub(super) fn control_id(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let id = field(&answer, "MSH", 10);
    unless(!id.trim().is_empty() && id != judged.sent.control_id, || {
        if id.trim().is_empty() {
            "MSH-10 is empty".to_owned()
        } else {
            "MSH-10 is that of the request".to_owned()
        }
    })
}

pub(super) fn route(judged: &Judged<'_>) -> Vec<String> {
    let (Some(answer), Some(request)) = (answer(judged), request(judged)) else { return vec![] };
    let first = |text: String| text.split('^').next().unwrap_or_default().to_owned();
    let wrong = [(5, 3), (6, 4)].into_iter().find(|(to, from)| {
        first(field(&answer, "MSH", *to)) != first(field(&request, "MSH", *from))
    });
    wrong
        .iter()
        .map(|(to, from)| {
            format!(
                "MSH-{to} is {}, MSH-{from} of the request is {}",
                shown(&field(&answer, "MSH", *to)),
                shown(&field(&request, "MSH", *from))
            )
        })
        .collect()
}

pub(super) fn processing(judged: &Judged<'_>) -> Vec<String> {
    let (Some(answer), Some(request)) = (answer(judged), request(judged)) else { return vec![] };
    let (found, asked) = (field(&answer, "MSH", 11), field(&request, "MSH", 11));
    unless(found == asked, || format!("MSH-11 is {} to {}", shown(&found), shown(&asked)))
}

pub(super) fn msa_1(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let found = field(&answer, "MSA", 1);
    let expected = &judged.expect().msa;
    unless(expected.is_empty() || expected.contains(&found), || {
        format!("MSA-1 is {}{}", shown(&found), errors(&answer))
    })
}

/// The ERR segments in short: place and code of each.
fn errors(answer: &Message<'_>) -> String {
    let found: Vec<String> = answer
        .segments_named("ERR")
        .map(|error| format!("{} {}", place(&error), component(&error, 3, 1)))
        .collect();
    if found.is_empty() { String::new() } else { format!(", ERR: {}", found.join("; ")) }
}

/// What an ERR-2 names: `PID-5`, or `PID` for a whole segment.
fn place(error: &Segment<'_, '_>) -> String {
    let (segment, field) = (component(error, 2, 1), component(error, 2, 3));
    if field.is_empty() { segment } else { format!("{segment}-{field}") }
}

pub(super) fn msa_2(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let (found, sent) = (field(&answer, "MSA", 2), &judged.sent.control_id);
    unless(found == *sent, || format!("MSA-2 is {}, MSH-10 was {}", shown(&found), shown(sent)))
}

fn has_error(answer: &Message<'_>) -> bool {
    answer.segments_named("ERR").any(|error| component(&error, 4, 1) == "E")
}

pub(super) fn aa_error(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let contradicts = field(&answer, "MSA", 1) == "AA" && has_error(&answer);
    unless(!contradicts, || format!("MSA-1 is AA{}", errors(&answer)))
}

pub(super) fn ae_error(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let refused = ["AE", "AR"].contains(&field(&answer, "MSA", 1).as_str());
    let told = answer.segment("ERR").is_some();
    unless(!refused || told, || "no ERR segment".to_owned())
}

pub(super) fn err_place(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let places = &judged.expect().at;
    let named = answer.segments_named("ERR").any(|error| names(&error, places));
    unless(places.is_empty() || named, || format!("no ERR there{}", errors(&answer)))
}

fn names(error: &Segment<'_, '_>, places: &[String]) -> bool {
    let (found, segment) = (place(error), component(error, 2, 1));
    places.iter().any(|place| *place == found || (!place.contains('-') && *place == segment))
}

pub(super) fn err_code(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let (places, codes) = (&judged.expect().at, &judged.expect().codes);
    let mut there = answer
        .segments_named("ERR")
        .filter(|error| places.is_empty() || names(error, places))
        .peekable();
    if codes.is_empty() || there.peek().is_none() {
        return vec![];
    }
    let kept = there.any(|error| codes.contains(&component(&error, 3, 1)));
    unless(kept, || errors(&answer).trim_start_matches(", ").to_owned())
}

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| Validator::new(Arc::clone(Codes::built_in())));

/// What the profile of the answer finds in it, of one severity.
fn findings(judged: &Judged<'_>, severity: Severity) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let header = Header::of(&answer);
    let Ok(policy) = Policy::new(Strictness::Onboarding, [], &[]) else { return vec![] };
    let Some(profile) = VALIDATOR.profile(&answer, &header) else {
        let none = severity == Severity::E;
        return unless(!none, || "no profile of the guide fits MSH-9 and MSH-21".to_owned());
    };
    let told = |one: &Diagnostic| {
        let place = one.location.map_or_else(|| "message".to_owned(), |at| at.human().to_string());
        format!("{} {place}: {} ({})", profile.name, one.text, one.rule)
    };
    let found = VALIDATOR.check(&answer, &header, &policy, Timestamp::now());
    found.iter().filter(|one| one.severity == severity).map(told).collect()
}

pub(super) fn profile(judged: &Judged<'_>) -> Vec<String> {
    findings(judged, Severity::E)
}

pub(super) fn profile_warning(judged: &Judged<'_>) -> Vec<String> {
    findings(judged, Severity::W)
}

pub(super) fn rsp_profile(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let (found, expected) = (first_component(&answer, "MSH", 21), &judged.expect().profiles);
    unless(expected.is_empty() || expected.contains(&found), || {
        format!("MSH-21 is {}", shown(&found))
    })
}

pub(super) fn qak_tag(judged: &Judged<'_>) -> Vec<String> {
    let (Some(answer), Some(request)) = (answer(judged), request(judged)) else { return vec![] };
    let (found, asked) = (field(&answer, "QAK", 1), field(&request, "QPD", 2));
    unless(found == asked, || format!("QAK-1 is {}, QPD-2 was {}", shown(&found), shown(&asked)))
}

pub(super) fn qak_status(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let (found, expected) = (field(&answer, "QAK", 2), &judged.expect().qak);
    unless(expected.is_empty() || expected.contains(&found), || {
        format!("QAK-2 is {}{}", shown(&found), errors(&answer))
    })
}

pub(super) fn qak_agrees(judged: &Judged<'_>) -> Vec<String> {
    let Some(answer) = answer(judged) else { return vec![] };
    let (status, profile) = (field(&answer, "QAK", 2), first_component(&answer, "MSH", 21));
    let agrees = match profile.as_str() {
        "Z31" | "Z32" | "Z42" => status == "OK",
        "Z33" => ["NF", "TM", "AE", "AR"].contains(&status.as_str()),
        _ => true,
    };
    unless(agrees, || format!("QAK-2 is {} in {profile}", shown(&status)))
}

pub(super) fn qpd_echo(judged: &Judged<'_>) -> Vec<String> {
    let (Some(answer), Some(request)) = (answer(judged), request(judged)) else { return vec![] };
    let whole = |message: &Message<'_>| message.segment("QPD").map(|qpd| qpd.bytes().to_vec());
    unless(whole(&answer) == whole(&request), || match answer.segment("QPD") {
        None => "no QPD segment".to_owned(),
        Some(qpd) => {
            let differs = (1..=qpd.field_count() + 1)
                .find(|number| field(&answer, "QPD", *number) != field(&request, "QPD", *number));
            format!("QPD-{} differs", differs.unwrap_or(1))
        }
    })
}
