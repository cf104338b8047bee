//! Replies, and the requests of our own client: text to bytes, without a copy more than needed.
//!
//! The union of what real readers need (contract 3.3): XML declaration first, the Body's child in the default
//! namespace, `<return>` literally so, `& < >` escaped and CR as exactly `&#xD;`, no CDATA, no white space added.

use std::borrow::Cow;

use crate::soap::NAMESPACE;
use crate::soap::envelope::{Addressing, EchoBack};
use crate::soap::version::{OperationName, SoapVersion};

/// What a connectivityTest is answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EchoReply<'a> {
    /// `return` with `xsi:nil="true"` (row 36).
    Nil,
    /// The caller's text (row 31); empty when echoBack was empty or absent (rows 35 and 37).
    Text(&'a str),
}

impl<'a> From<&'a EchoBack<'_>> for EchoReply<'a> {
    fn from(echo_back: &'a EchoBack<'_>) -> Self {
        match echo_back {
            EchoBack::Absent => Self::Text(""),
            EchoBack::Nil => Self::Nil,
            EchoBack::Text(text) => Self::Text(text),
        }
    }
}

/// Writes the reply to a connectivityTest (rows 31 to 37, 52 and 67).
pub fn connectivity_test_response(
    version: SoapVersion,
    echo: &EchoReply<'_>,
    related: Option<&Addressing>,
) -> Vec<u8> {
    match echo {
        EchoReply::Nil => response(
            version,
            OperationName::ConnectivityTest,
            |out| {
                out.extend_from_slice(
                    b"<return xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>",
                );
            },
            128,
            related,
        ),
        EchoReply::Text(text) => {
            text_response(version, OperationName::ConnectivityTest, text, related)
        }
    }
}

/// Writes the reply to a submitSingleMessage (rows 52, 64 and 67).
pub fn submit_single_message_response(
    version: SoapVersion,
    hl7: &str,
    related: Option<&Addressing>,
) -> Vec<u8> {
    text_response(version, OperationName::SubmitSingleMessage, hl7, related)
}

/// Writes a connectivityTest of our own client.
pub fn connectivity_test_request(version: SoapVersion, echo: &str) -> Vec<u8> {
    request(version, OperationName::ConnectivityTest, &[("echoBack", echo)])
}

/// Writes a submitSingleMessage of our own client, children in the order of the schema.
pub fn submit_single_message_request(
    version: SoapVersion,
    username: &str,
    password: &str,
    facility_id: &str,
    hl7: &str,
) -> Vec<u8> {
    request(
        version,
        OperationName::SubmitSingleMessage,
        &[
            ("username", username),
            ("password", password),
            ("facilityID", facility_id),
            ("hl7Message", hl7),
        ],
    )
}

/// Writes everything up to and including the start tag of Body.
///
/// `related` is the request's addressing with the action of the reply; `header` is a header block as XML.
pub(super) fn open_envelope(
    out: &mut Vec<u8>,
    version: SoapVersion,
    related: Option<(&Addressing, &str)>,
    header: &str,
) {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope xmlns:env=\"");
    out.extend_from_slice(version.namespace().as_bytes());
    out.extend_from_slice(b"\">");
    if related.is_some() || !header.is_empty() {
        out.extend_from_slice(b"<env:Header>");
        if let Some((addressing, action)) = related {
            addressing_blocks(out, addressing, action);
        }
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(b"</env:Header>");
    }
    out.extend_from_slice(b"<env:Body>");
}

/// Escapes character data: `& < >`, and CR as exactly `&#xD;`.
///
/// A character that XML 1.0 cannot carry at all becomes U+FFFD; nothing that came in through
/// [`read_envelope`](crate::soap::read_envelope) holds one.
pub(super) fn escape_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = next_special(rest) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let (written, length): (&[u8], usize) = match special {
            [b'&', ..] => (b"&amp;", 1),
            [b'<', ..] => (b"&lt;", 1),
            [b'>', ..] => (b"&gt;", 1),
            [b'\r', ..] => (b"&#xD;", 1),
            [0xEF, 0xBF, 0xBE | 0xBF, ..] => (REPLACEMENT, 3),
            [lead @ 0xEF, ..] => (std::slice::from_ref(lead), 1),
            _ => (REPLACEMENT, 1),
        };
        out.extend_from_slice(written);
        rest = special.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Escapes an attribute value that stands in double quotes.
pub(super) fn escape_attribute(value: &str) -> Cow<'_, str> {
    if !value.bytes().any(|b| is_special(b) || matches!(b, b'"' | b'\t' | b'\n')) {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len() + 16);
    escape_text(&mut out, value);
    let text = String::from_utf8(out).unwrap_or_default();
    Cow::Owned(text.replace('"', "&quot;").replace('\t', "&#x9;").replace('\n', "&#xA;"))
}

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// Blocks first, because the compiler looks at a whole block at once.
fn next_special(bytes: &[u8]) -> Option<usize> {
    let (blocks, tail) = bytes.as_chunks::<16>();
    let here = |bytes: &[u8]| bytes.iter().position(|b| is_special(*b));
    for (number, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |found, b| found | is_special(*b)) {
            return here(block).map(|at| number * 16 + at);
        }
    }
    here(tail).map(|at| blocks.len() * 16 + at)
}

/// What [`escape_text`] must look at; 0xEF begins U+FFFE and U+FFFF.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch would keep the loop from being vectorised"
)]
const fn is_special(byte: u8) -> bool {
    let control = (byte < 0x20) & (byte != b'\t') & (byte != b'\n');
    control | (byte == b'&') | (byte == b'<') | (byte == b'>') | (byte == 0xEF)
}

fn text_response(
    version: SoapVersion,
    operation: OperationName,
    text: &str,
    related: Option<&Addressing>,
) -> Vec<u8> {
    let write_return = |out: &mut Vec<u8>| element(out, "return", text);
    response(version, operation, write_return, room(text), related)
}

fn response(
    version: SoapVersion,
    operation: OperationName,
    write_return: impl FnOnce(&mut Vec<u8>),
    room: usize,
    related: Option<&Addressing>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENVELOPE_ROOM + room);
    let related = related.map(|addressing| (addressing, operation.response_action()));
    open_envelope(&mut out, version, related, "");
    body(&mut out, operation, "Response", write_return);
    out
}

fn request(version: SoapVersion, operation: OperationName, fields: &[(&str, &str)]) -> Vec<u8> {
    let room: usize = fields.iter().map(|(_, text)| room(text)).sum();
    let mut out = Vec::with_capacity(ENVELOPE_ROOM + room);
    open_envelope(&mut out, version, None, "");
    body(&mut out, operation, "", |out| {
        for (name, text) in fields {
            element(out, name, text);
        }
    });
    out
}

/// Room for everything around the text, without WS-Addressing.
const ENVELOPE_ROOM: usize = 384;

fn room(text: &str) -> usize {
    64 + text.len() + text.len() / 4
}

fn body(
    out: &mut Vec<u8>,
    operation: OperationName,
    suffix: &str,
    children: impl FnOnce(&mut Vec<u8>),
) {
    let name = operation.element().as_bytes();
    for part in [b"<", name, suffix.as_bytes(), b" xmlns=\"", NAMESPACE.as_bytes(), b"\">"] {
        out.extend_from_slice(part);
    }
    children(out);
    for part in [b"</", name, suffix.as_bytes(), b"></env:Body></env:Envelope>"] {
        out.extend_from_slice(part);
    }
}

pub(super) fn element(out: &mut Vec<u8>, name: &str, text: &str) {
    for part in ["<", name, ">"] {
        out.extend_from_slice(part.as_bytes());
    }
    escape_text(out, text);
    for part in ["</", name, ">"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn addressing_blocks(out: &mut Vec<u8>, addressing: &Addressing, action: &str) {
    let namespace = addressing.version.namespace();
    let mut block = |name: &str, text: &str| {
        for part in ["<wsa:", name, " xmlns:wsa=\"", namespace, "\">"] {
            out.extend_from_slice(part.as_bytes());
        }
        escape_text(out, text);
        for part in ["</wsa:", name, ">"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    block("Action", action);
    if let Some(message_id) = &addressing.message_id {
        block("RelatesTo", message_id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::soap::envelope::AddressingVersion;
    use crate::soap::types::{ConnectivityTestResponse, SubmitSingleMessageResponse, to_xml};

    fn text_of(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn body_of(reply: &str) -> &str {
        let (_, rest) = reply.split_once("<env:Body>").unwrap();
        rest.split_once("</env:Body>").unwrap().0
    }

    #[test]
    fn a_reply_is_exactly_what_string_searching_clients_look_for() {
        let reply = text_of(submit_single_message_response(
            SoapVersion::V12,
            "MSH|^~\\&|<a>\rMSA|AA\r",
            None,
        ));

        assert_eq!(
            reply,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\"><env:Body>\
             <submitSingleMessageResponse xmlns=\"urn:cdc:iisb:2011\"><return>MSH|^~\\&amp;|&lt;a&gt;&#xD;MSA|AA&#xD;\
             </return></submitSingleMessageResponse></env:Body></env:Envelope>"
        );
    }

    #[test]
    fn a_soap_1_1_request_is_answered_in_its_namespace() {
        let reply = text_of(submit_single_message_response(SoapVersion::V11, "MSH", None));

        assert!(
            reply
                .contains("<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\">")
        );
    }

    #[test]
    fn nil_is_echoed_as_nil_and_absence_as_an_empty_return() {
        let nil = text_of(connectivity_test_response(
            SoapVersion::V12,
            &EchoReply::from(&EchoBack::Nil),
            None,
        ));
        let absent = text_of(connectivity_test_response(
            SoapVersion::V12,
            &EchoReply::from(&EchoBack::Absent),
            None,
        ));

        assert!(nil.contains(" xsi:nil=\"true\"/>"));
        assert!(absent.contains("<return></return>"));
    }

    #[test]
    fn addressing_is_answered_only_when_it_was_asked() {
        let related = Addressing {
            version: AddressingVersion::August2005,
            message_id: Some("urn:uuid:1<&".into()),
            action: None,
        };

        let with = text_of(submit_single_message_response(SoapVersion::V12, "MSH", Some(&related)));
        let without = text_of(submit_single_message_response(SoapVersion::V12, "MSH", None));

        assert!(with.contains(
            "<env:Header><wsa:Action xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
             urn:cdc:iisb:2011:submitSingleMessageResponse</wsa:Action>\
             <wsa:RelatesTo xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">urn:uuid:1&lt;&amp;</wsa:RelatesTo>\
             </env:Header>"
        ));
        assert!(!without.contains("Header"));
    }

    #[test]
    fn what_xml_cannot_carry_becomes_the_replacement_character() {
        let mut out = Vec::new();

        escape_text(&mut out, "a\u{B}b\u{FFFE}c\u{FFFF}d\u{FFFD}ｅ\0");

        assert_eq!(text_of(out), "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}ｅ\u{FFFD}");
    }

    #[test]
    fn attribute_values_survive_quotes_and_white_space() {
        assert_eq!(escape_attribute("a\"<&\t\n>"), "a&quot;&lt;&amp;&#x9;&#xA;&gt;");
    }

    proptest! {
        #[test]
        fn the_fast_writer_gives_the_bytes_of_the_structs(
            text in "([&<>\"'\r\n\t ]|\\]\\]>|&#xD;|<!\\[CDATA\\[|[a-zA-Z|^~\\\\]|é|😀|\u{FFFD}|ｅ|\u{85}|\u{2028}){0,80}",
        ) {
            let echo = text_of(connectivity_test_response(SoapVersion::V12, &EchoReply::Text(&text), None));
            let submit = text_of(submit_single_message_response(SoapVersion::V11, &text, None));

            prop_assert_eq!(body_of(&echo), to_xml(&ConnectivityTestResponse { value: text.clone() }));
            prop_assert_eq!(body_of(&submit), to_xml(&SubmitSingleMessageResponse { value: text }));
        }
    }
}
