//! The acknowledgement the Gateway gives: ACK by profile Z23.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, FixedOffset, Offset, Timelike};

use crate::hl7::delimiters::Delimiters;
use crate::hl7::escape::{escape_within, unescape};
use crate::hl7::header::Header;
use crate::hl7::path::Location;
use crate::hl7::slice;
use crate::hl7::tables::{AckCode, ApplicationError, ErrorCode, ProcessingId, Severity};
use crate::hl7::view::Field;

/// The longest MSA-2. Source: guide 1.5, MSH-10 and MSA-2.
const CONTROL_ID_LENGTH: usize = 199;
/// The longest ERR-7. Source: HL7 v2.5.1 chapter 2.15.5.7.
const DIAGNOSTIC_LENGTH: usize = 2048;
/// The longest MSH-3 and MSH-4 sent back. Source: guide 1.5, MSH-3 to MSH-6.
const DESIGNATOR_LENGTH: usize = 227;
/// The longest ERR-8. Source: guide 1.5, ERR-8.
const TEXT_LENGTH: usize = 250;

/// Who we are: MSH-3 and MSH-4 of what we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// MSH-3.1.
    pub application: String,
    /// MSH-4.1.
    pub facility: String,
}

/// One ERR segment.
#[derive(Clone, Copy)]
pub struct ErrorLine<'a> {
    /// ERR-2; none when the whole message could not be read.
    pub location: Option<Location>,
    /// ERR-3.
    pub code: ErrorCode,
    /// ERR-4.
    pub severity: Severity,
    /// ERR-5.
    pub application: Option<ApplicationError>,
    /// ERR-7: for developers, e.g. rule and offset; cut at 2048 characters.
    pub diagnostic: Option<&'a str>,
    /// ERR-8: for people; cut at 250 characters.
    pub text: &'a str,
}

/// Shape only: the texts may quote the message.
impl std::fmt::Debug for ErrorLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ErrorLine({} {}", self.code.code(), self.severity.code())?;
        if let Some(location) = self.location {
            write!(f, " {}", location.human())?;
        }
        f.write_str(")")
    }
}

/// An acknowledgement to be written.
///
/// Sender and receiver are those of the request, swapped; MSH-10 of the request comes back in MSA-2. Source: guide 1.5,
/// profile Z23; ERR segments stand in the order given.
#[derive(Clone, Copy, Debug)]
pub struct Ack<'a> {
    /// The header of the message answered; none when it could not be read.
    pub request: Option<&'a Header<'a>>,
    /// MSA-1.
    pub code: AckCode,
    /// The ERR segments.
    pub lines: &'a [ErrorLine<'a>],
    /// MSH-10 of the acknowledgement.
    pub control_id: &'a str,
    /// MSH-7 of the acknowledgement, written to the second with its zone.
    pub now: DateTime<FixedOffset>,
    /// MSH-3 and MSH-4 of the acknowledgement.
    pub identity: &'a Identity,
}

impl Ack<'_> {
    /// The acknowledgement as text: standard delimiters, every segment ended by CR.
    pub fn to_message(&self) -> String {
        let texts = self
            .lines
            .iter()
            .map(|line| 160 + line.text.len() + line.diagnostic.map_or(0, str::len));
        let mut out = String::with_capacity(512 + texts.sum::<usize>());
        self.write(&mut out);
        out
    }

    /// Appends the acknowledgement.
    pub fn write(&self, out: &mut String) {
        self.write_header(out, ["ACK", self.trigger(), "ACK"], "Z23");
        self.write_acknowledgement(out);
        for line in self.lines {
            line.write(out);
        }
    }

    /// MSA.
    pub(super) fn write_acknowledgement(&self, out: &mut String) {
        out.push_str("MSA|");
        out.push_str(self.code.code());
        out.push('|');
        if let Some((request, control_id)) =
            self.request.and_then(|request| Some((request, request.control_id.text()?)))
        {
            echo(out, control_id, request.delimiters);
        }
        out.push('\r');
    }

    /// MSH with this MSH-9 and MSH-21.
    pub(super) fn write_header(&self, out: &mut String, kind: [&str; 3], profile: &str) {
        out.push_str("MSH|^~\\&|");
        escape_within(out, &self.identity.application, DESIGNATOR_LENGTH);
        out.push('|');
        escape_within(out, &self.identity.facility, DESIGNATOR_LENGTH);
        out.push('|');
        if let Some(Header { origin: [application, facility], .. }) = self.request {
            designator(out, application, self.request.map(|r| r.delimiters));
            out.push('|');
            designator(out, facility, self.request.map(|r| r.delimiters));
        } else {
            out.push('|');
        }
        out.push('|');
        write_timestamp(out, &self.now);
        let [code, trigger, structure] = kind;
        for part in ["||", code, "^", trigger, "^", structure, "|"] {
            out.push_str(part);
        }
        escape_within(out, self.control_id, CONTROL_ID_LENGTH);
        out.push('|');
        let processing = self.request.and_then(Header::processing).unwrap_or(ProcessingId::P);
        out.push_str(processing.code());
        out.push_str("|2.5.1|||NE|NE|||||");
        out.push_str(profile);
        out.push_str("^CDCPHINVS\r");
    }

    /// The trigger of the request if it can be one, else V04.
    fn trigger(&self) -> &str {
        self.request
            .and_then(|request| request.trigger.text())
            .filter(|trigger| trigger.len() == 3 && trigger.iter().all(u8::is_ascii_alphanumeric))
            .and_then(|trigger| std::str::from_utf8(trigger).ok())
            .unwrap_or("V04")
    }
}

impl ErrorLine<'_> {
    pub(super) fn write(&self, out: &mut String) {
        out.push_str("ERR||");
        if let Some(location) = self.location {
            // Writing to a String does not fail.
            let _ = write!(out, "{location}");
        }
        out.push('|');
        write_coded(out, self.code.code(), self.code.text(), "HL70357");
        out.push('|');
        out.push_str(self.severity.code());
        out.push('|');
        if let Some(application) = self.application {
            write_coded(out, application.code(), application.text(), "HL70533");
        }
        out.push_str("||");
        if let Some(diagnostic) = self.diagnostic {
            escape_within(out, diagnostic, DIAGNOSTIC_LENGTH);
        }
        out.push('|');
        escape_within(out, self.text, TEXT_LENGTH);
        out.push('\r');
    }
}

fn write_coded(out: &mut String, code: &str, text: &str, system: &str) {
    for part in [code, "^", text, "^", system] {
        out.push_str(part);
    }
}

/// `YYYYMMDDHHMMSS+ZZZZ`, without the formatting machinery: this is in every answer.
fn write_timestamp(out: &mut String, now: &DateTime<FixedOffset>) {
    let local = now.naive_local();
    let year = u32::try_from(local.year()).unwrap_or(0).min(9999);
    write_digits(out, year / 100);
    write_digits(out, year % 100);
    for part in [local.month(), local.day(), local.hour(), local.minute(), local.second()] {
        write_digits(out, part);
    }
    let offset = now.offset().fix().local_minus_utc();
    out.push(if offset < 0 { '-' } else { '+' });
    let minutes = offset.unsigned_abs() / 60;
    write_digits(out, minutes / 60);
    write_digits(out, minutes % 60);
}

/// Two digits of a number below 100.
fn write_digits(out: &mut String, number: u32) {
    for digit in [number / 10 % 10, number % 10] {
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

/// Sends MSH-3 or MSH-4 back: as it stands, or rewritten when the request has other delimiters than ours.
fn designator(out: &mut String, field: &Field<'_>, delimiters: Option<Delimiters>) {
    let Some(delimiters) = delimiters.filter(|delimiters| !delimiters.is_standard()) else {
        plain(out, field.bytes(), DESIGNATOR_LENGTH);
        return;
    };
    let end = out.len() + DESIGNATOR_LENGTH;
    for (component, number) in field.repetition(1).components().zip(1..) {
        if number > 1 {
            out.push('^');
        }
        let text = unescape(component.bytes(), &delimiters);
        escape_within(out, &String::from_utf8_lossy(&text), end.saturating_sub(out.len()));
    }
}

/// Sends MSH-10 back in MSA-2.
fn echo(out: &mut String, control_id: &[u8], delimiters: Delimiters) {
    if delimiters.is_standard() {
        plain(out, control_id, CONTROL_ID_LENGTH);
    } else {
        let text = unescape(control_id, &delimiters);
        escape_within(out, &String::from_utf8_lossy(&text), CONTROL_ID_LENGTH);
    }
}

/// Appends bytes of a field with our delimiters as they stand: still escaped, at most `limit` characters, control
/// characters as blanks, bytes that are not UTF-8 as question marks. An escape sequence is not cut in two.
fn plain(out: &mut String, bytes: &[u8], limit: usize) {
    let clean = bytes.len() <= limit && bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    if let (true, Ok(text)) = (clean, std::str::from_utf8(bytes)) {
        out.push_str(text);
        return;
    }
    let mut left = limit;
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(character) = rest.chars().next() {
            let length = if character == '\\' { sequence_length(rest.as_bytes()) } else { 1 };
            if length > left {
                return;
            }
            left -= length;
            let taken = if length > 1 { length } else { character.len_utf8() };
            let (piece, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
            match character {
                _ if character.is_control() => out.push(' '),
                _ => out.push_str(piece),
            }
            rest = after;
        }
        for _ in chunk.invalid() {
            if left == 0 {
                return;
            }
            left -= 1;
            out.push('?');
        }
    }
}

/// The length of one of the five escape sequences at the start of `text`; 1 when there is none.
fn sequence_length(text: &[u8]) -> usize {
    match slice(text, 0..3) {
        [b'\\', b'F' | b'S' | b'T' | b'R' | b'E', b'\\'] => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hl7::message::Message;

    fn identity() -> Identity {
        Identity { application: "IZPORTAL".to_owned(), facility: "CDPH".to_owned() }
    }

    fn now() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-03-01T12:00:05.9-08:00").unwrap()
    }

    fn answer(request: &[u8], code: AckCode, lines: &[ErrorLine<'_>]) -> String {
        let request = Message::parse(request).unwrap();
        let header = Header::of(&request);
        let ack = Ack {
            request: Some(&header),
            code,
            lines,
            control_id: "GW1",
            now: now(),
            identity: &identity(),
        };
        ack.to_message()
    }

    #[test]
    fn a_clean_message_is_accepted_by_z23() {
        let ack = answer(
            b"MSH|^~\\&|EHR^1.2^ISO|DE-000001|X|CAIRBA|20260301||VXU^V04^VXU_V04|A\\T\\1|T|2.5.1\r",
            AckCode::AA,
            &[],
        );

        assert_eq!(
            ack,
            "MSH|^~\\&|IZPORTAL|CDPH|EHR^1.2^ISO|DE-000001|20260301120005-0800||ACK^V04^ACK|GW1|T|2.5.1|||NE|NE|||||Z23^CDCPHINVS\rMSA|AA|A\\T\\1\r"
        );
    }

    #[test]
    fn an_unreadable_message_is_answered_too() {
        let lines = [ErrorLine {
            location: None,
            code: ErrorCode::SegmentSequenceError,
            severity: Severity::E,
            application: None,
            diagnostic: None,
            text: "The message does not begin with MSH.",
        }];
        let ack = Ack {
            request: None,
            code: AckCode::AE,
            lines: &lines,
            control_id: "GW1",
            now: now(),
            identity: &identity(),
        };

        assert_eq!(
            ack.to_message(),
            "MSH|^~\\&|IZPORTAL|CDPH|||20260301120005-0800||ACK^V04^ACK|GW1|P|2.5.1|||NE|NE|||||Z23^CDCPHINVS\rMSA|AE|\rERR|||100^Segment sequence error^HL70357|E||||The message does not begin with MSH.\r"
        );
    }

    #[test]
    fn an_error_line_tells_place_codes_and_texts() {
        let lines = [ErrorLine {
            location: Some(Location::segment("PID", 1).field(3).component(5)),
            code: ErrorCode::RequiredFieldMissing,
            severity: Severity::E,
            application: Some(ApplicationError::RequiredDataMissing),
            diagnostic: Some("IZ|7"),
            text: "PID-3.5 is missing.\nSend MR.",
        }];

        assert!(answer(b"MSH|^~\\&\r", AckCode::AE, &lines).ends_with(
            "\rERR||PID^1^3^1^5|101^Required field missing^HL70357|E|7^Required data missing^HL70533||IZ\\F\\7|PID-3.5 is missing. Send MR.\r"
        ));
    }

    #[test]
    fn a_query_is_acknowledged_with_its_own_trigger() {
        let kind = |trigger: &str| {
            let ack = answer(format!("MSH|^~\\&|||||||{trigger}\r").as_bytes(), AckCode::AA, &[]);
            String::from_utf8(
                Message::parse(ack.as_bytes())
                    .unwrap()
                    .segment("MSH")
                    .unwrap()
                    .field(9)
                    .bytes()
                    .to_vec(),
            )
            .unwrap()
        };

        assert_eq!(kind("QBP^Q11^QBP_Q11"), "ACK^Q11^ACK");
        assert_eq!(kind("ADT^A08"), "ACK^A08^ACK");
        assert_eq!(kind("VXU"), "ACK^V04^ACK");
        assert_eq!(kind("VXU^\\T\\"), "ACK^V04^ACK");
    }

    #[test]
    fn other_delimiters_are_rewritten() {
        let ack = answer(b"MSH#:+/*#E|R:1.2:ISO#^F##############\r", AckCode::AA, &[]);
        let ack = Message::parse(ack.as_bytes()).unwrap();
        let header = ack.segment("MSH").unwrap();

        assert_eq!(header.field(5).bytes(), b"E\\F\\R^1.2^ISO");
        assert_eq!(header.field(6).bytes(), b"\\S\\F");
    }

    #[test]
    fn a_processing_id_that_is_none_becomes_p() {
        assert!(answer(b"MSH|^~\\&|||||||||X\r", AckCode::AA, &[]).contains("|GW1|P|2.5.1|"));
        assert!(answer(b"MSH|^~\\&|||||||||D\r", AckCode::AA, &[]).contains("|GW1|D|2.5.1|"));
    }

    #[test]
    fn a_long_control_id_is_cut_outside_of_escapes() {
        let id = format!("{}\\T\\", "x".repeat(198));
        let ack = answer(format!("MSH|^~\\&||||||||{id}\r").as_bytes(), AckCode::AA, &[]);

        assert!(ack.ends_with(&format!("|{}\r", "x".repeat(198))));
    }

    proptest! {
        #[test]
        fn an_acknowledgement_of_any_header_is_one_message_with_the_same_control_id(
            front in prop_oneof![Just("MSH|^~\\&|"), Just("MSH#:+/*#"), Just("MSH|")],
            rest in "[A-Z0-9|#:^~&/\\\\ \u{1}\u{e4}MSH]{0,80}",
            control in "[0-9A-Z][!-Z]{0,39}",
            error in "[\\PC\r\n|^~&\\\\]{0,300}",
        ) {
            let line = ErrorLine {
                location: Some(Location::segment("RXA", 2).field(5)),
                code: ErrorCode::ApplicationError,
                severity: Severity::W,
                application: None,
                diagnostic: Some(&error),
                text: &error,
            };
            let requests = [
                (format!("{front}{rest}\r"), None),
                (format!("MSH|^~\\&|{}|{control}\r", "|".repeat(6)), Some(control.as_bytes())),
            ];
            for (request, echoed) in requests {
                let ack = answer(request.as_bytes(), AckCode::AE, &[line]);
                let parsed = Message::parse(ack.as_bytes()).unwrap();
                prop_assert!(parsed.framing().notes().all(|note| note == crate::hl7::Note::TrailingSpaces));
                prop_assert_eq!(parsed.segments_named("MSH").count(), 1);
                prop_assert_eq!(parsed.segments().len(), 3);
                let text = parsed.segment("ERR").unwrap().field(8);
                prop_assert!(std::str::from_utf8(text.bytes()).unwrap().chars().count() <= 250);
                if text.value().is_valued() {
                    prop_assert!(!crate::hl7::has_foreign_escape(text.bytes(), &Delimiters::STANDARD));
                }
                if let Some(control_id) = echoed {
                    prop_assert_eq!(parsed.segment("MSA").unwrap().field(2).bytes(), control_id);
                }
            }
        }

        #[test]
        fn bytes_that_are_not_text_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [b"MSH|^~\\&|".as_slice(), &bytes].concat();
            if let Ok(request) = Message::parse(&bytes) {
                let header = Header::of(&request);
                let identity = identity();
                let ack = Ack { request: Some(&header), code: AckCode::AR, lines: &[], control_id: "1", now: now(), identity: &identity };
                prop_assert_eq!(Message::parse(ack.to_message().as_bytes()).unwrap().segments().len(), 2);
            }
        }
    }
}
