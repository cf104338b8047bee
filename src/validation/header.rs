//! MSH: whether the message is one that the Gateway processes.
//!
//! A message of another type, version or processing id is refused with AR; what is wrong in content is AE.
//! Source: guide 1.5, MSH; AIRA acknowledgement guidance; domain notes 3.2.

use crate::domain::{Diagnostic, Environment};
use crate::hl7::{Header, Location, Message, MessageKind, Note, ProcessingId};
use crate::validation::found;

/// Which MSH-11 goes with which environment.
#[derive(Debug, Clone)]
pub struct ProcessingRules {
    /// Values that a test credential may send. `T` by default; add `P` for senders that cannot switch.
    pub test: Vec<ProcessingId>,
    /// Values that a production credential may send. `P` only by default.
    pub production: Vec<ProcessingId>,
}

impl Default for ProcessingRules {
    fn default() -> Self {
        Self { test: vec![ProcessingId::T], production: vec![ProcessingId::P] }
    }
}

impl ProcessingRules {
    /// What a credential of that environment may send.
    fn allowed(&self, environment: Environment) -> &[ProcessingId] {
        match environment {
            Environment::Test => &self.test,
            Environment::Production => &self.production,
        }
    }
}

/// Longest MSH-10, in bytes. Source: guide 1.5, MSH-10.
const CONTROL_ID_LENGTH: usize = 199;

/// The findings about the header, in the order of the fields; none of a message that can be processed.
pub fn check_header(
    message: &Message<'_>,
    header: &Header<'_>,
    environment: Environment,
    rules: &ProcessingRules,
) -> Vec<Diagnostic> {
    let processing_id = processing_id(header, environment, rules);
    judged(message, header, message_type(header), processing_id, rules.allowed(environment))
}

/// The same for any kind of message that has a profile: of replies only the header itself is judged, for nobody submits
/// them. A reply repeats the MSH-11 that it was asked with.
pub fn check_any_header(
    message: &Message<'_>,
    header: &Header<'_>,
    environment: Environment,
    rules: &ProcessingRules,
) -> Vec<Diagnostic> {
    let kind = header.kind();
    let is_reply = matches!(kind, Some(MessageKind::Ack | MessageKind::Rsp));
    let message_type = message_type(header).filter(|_| !is_reply);
    let processing_id = processing_id(header, environment, rules).filter(|_| !is_reply);
    judged(message, header, message_type, processing_id, rules.allowed(environment))
}

fn judged(
    message: &Message<'_>,
    header: &Header<'_>,
    message_type: Option<&'static str>,
    processing_id: Option<&'static str>,
    allowed: &[ProcessingId],
) -> Vec<Diagnostic> {
    let at = |field| Location::segment("MSH", 1).field(field);
    let found = [
        delimiters(message).map(|rule| (rule, Some(at(2)))),
        message_type.map(|rule| (rule, Some(type_location(header, rule)))),
        version(header).map(|rule| (rule, Some(at(12)))),
        processing_id.map(|rule| (rule, Some(at(11)))),
        control_id(header).map(|rule| (rule, Some(at(10)))),
        literal_cdata(message).map(|rule| (rule, None)),
    ];
    let expected = allowed.iter().map(|id| id.code()).collect::<Vec<_>>().join(" or ");
    let found = found.into_iter().flatten();
    found.filter_map(|(rule, at)| found::plain(message, rule, at, &expected)).collect()
}

/// IZ-12, IZ-13: `|` and `^~\&`. Other delimiters are read and remarked; unusable ones refuse the message.
fn delimiters(message: &Message<'_>) -> Option<&'static str> {
    if message.delimiter_fault().is_some() {
        return Some("GW-MSH-2");
    }
    (!message.delimiters().is_standard()).then_some("IZ-13")
}

/// `VXU^V04` and `QBP^Q11` are taken. Source: HL7 tables 0076 and 0003; error codes 200 and 201.
fn message_type(header: &Header<'_>) -> Option<&'static str> {
    match header.kind() {
        Some(MessageKind::QbpQ11 | MessageKind::VxuV04) => None,
        Some(MessageKind::Ack | MessageKind::Rsp) => Some("GW-MSH-9-REPLY"),
        None if header.message_code.text() == Some(b"VXU") => Some("GW-MSH-9-EVENT"),
        None => Some("GW-MSH-9"),
    }
}

/// The component of MSH-9 that is wrong; the field when it is empty.
fn type_location(header: &Header<'_>, rule: &str) -> Location {
    let field = Location::segment("MSH", 1).field(9);
    match rule {
        "GW-MSH-9-EVENT" => field.component(2),
        _ if header.message_code.is_valued() || header.trigger.is_valued() => field.component(1),
        _ => field,
    }
}

/// IZ-15: version 2.5.1.
fn version(header: &Header<'_>) -> Option<&'static str> {
    (header.version.text() != Some(b"2.5.1")).then_some("GW-MSH-12")
}

/// MSH-11 says the same as the credential. Source: domain notes 3.2.
fn processing_id(
    header: &Header<'_>,
    environment: Environment,
    rules: &ProcessingRules,
) -> Option<&'static str> {
    let rule = match environment {
        Environment::Test => "GW-MSH-11-TEST",
        Environment::Production => "GW-MSH-11-PRODUCTION",
    };
    let allowed = rules.allowed(environment);
    (!header.processing().is_some_and(|id| allowed.contains(&id))).then_some(rule)
}

/// MSH-10 is required: it is how a repetition is known and how the reply finds its message.
fn control_id(header: &Header<'_>) -> Option<&'static str> {
    match header.control_id.text().map_or(0, <[u8]>::len) {
        0 => Some("GW-MSH-10"),
        1..=CONTROL_ID_LENGTH => None,
        _ => Some("GW-MSH-10-LONG"),
    }
}

/// A PHP sender in use puts the CDATA marks into the string itself.
fn literal_cdata(message: &Message<'_>) -> Option<&'static str> {
    message.framing().has(Note::CdataLiteral).then_some("GW-FRAME-1")
}
