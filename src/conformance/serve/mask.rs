//! A request as it may be shown: what it was made of, without credentials, and without what a message says unless that is
//! wanted. Whatever is not known to be harmless is covered.

use std::ops::Range;

use actix_web::HttpRequest;

use crate::conformance::xml::{Document, Element};
use crate::soap::NAMESPACE;

/// Headers that are shown; of the others the name alone.
const HEADERS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "soapaction",
    "te",
    "transfer-encoding",
    "user-agent",
    "via",
];

/// What stands for something that is not shown.
const COVER: &str = "[masked]";

/// The longest body that is shown, in bytes.
const LONGEST: usize = 64 * 1024;

/// The first line and the headers.
pub(super) fn head(request: &HttpRequest, tls: Option<&str>) -> String {
    let mut text = format!("{} {} {:?}", request.method(), request.path(), request.version());
    if let Some(tls) = tls {
        text.extend([" (TLS ", tls, ")"]);
    }
    text.push('\n');
    for (name, value) in request.headers() {
        let shown = HEADERS.contains(&name.as_str());
        let value = if shown { value.to_str().unwrap_or(COVER) } else { COVER };
        text.extend([name.as_str(), ": ", value, "\n"]);
    }
    text
}

/// The body of a request whose XML could be read.
pub(super) fn body(document: &Document<'_>, show_messages: bool) -> String {
    let source = document.source;
    let mut covers: Vec<_> =
        document.comments.iter().map(|span| (span.clone(), Cover::All)).collect();
    collect(&document.root, false, show_messages, &mut covers);
    covers.sort_by_key(|(span, _)| span.start);
    let mut text = String::with_capacity(source.len());
    let mut at = 0;
    for (span, cover) in covers {
        if span.start < at {
            continue;
        }
        let inside = source.get(span.clone()).unwrap_or_default();
        text.push_str(source.get(at..span.start).unwrap_or_default());
        match cover {
            Cover::All if inside.trim().is_empty() => text.push_str(inside),
            Cover::All => text.push_str(COVER),
            // More than that is cut off in the end.
            Cover::Message => text.push_str(&message(&cut(inside.to_owned()))),
        }
        at = span.end;
    }
    text.push_str(source.get(at..).unwrap_or_default());
    cut(text)
}

/// A text, not longer than is shown.
pub(super) fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(LONGEST);
    if end < text.len() {
        text.truncate(end);
        text.push_str("\n(cut here)");
    }
    text
}

/// How something is covered.
#[derive(Clone, Copy)]
enum Cover {
    All,
    Message,
}

fn collect(element: &Element, ours: bool, show: bool, covers: &mut Vec<(Range<usize>, Cover)>) {
    let spans = element.attributes.iter().filter(|one| !is_harmless(&one.name));
    covers.extend(spans.map(|one| (one.span.clone(), Cover::All)));
    let ours = ours || element.namespace == NAMESPACE;
    if element.children.is_empty() {
        match element.name.as_str() {
            "facilityID" | "echoBack" if ours => {}
            "hl7Message" if ours && show => {}
            "hl7Message" if ours => covers.push((element.inner.clone(), Cover::Message)),
            "Action" | "MessageID" | "To" | "ReplyTo" | "Address"
                if element.namespace.contains("/addressing") => {}
            _ => covers.push((element.inner.clone(), Cover::All)),
        }
        return;
    }
    // Text beside elements belongs nowhere, so nobody knows what it is.
    if !element.text.trim().is_empty() {
        covers.push((element.inner.clone(), Cover::All));
        return;
    }
    for child in &element.children {
        collect(child, ours, show, covers);
    }
}

fn is_harmless(attribute: &str) -> bool {
    ["mustUnderstand", "role", "actor", "relay", "nil", "type", "encodingStyle", "lang"]
        .contains(&attribute)
}

/// Fields of MSH that are shown: what belongs to the message and not to a person.
const SHOWN: [usize; 10] = [1, 2, 7, 9, 10, 11, 12, 15, 16, 21];

/// An HL7 text as it stands in XML, with letters as X and digits as 9 but for the names of segments and some fields of MSH.
pub(super) fn message(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut state = Segment::default();
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let mark = ["<![CDATA[", "]]>"].into_iter().find(|mark| rest.starts_with(mark));
        let near = rest.get(..rest.floor_char_boundary(10)).unwrap_or_default();
        let reference = near.find(';').filter(|_| first == '&');
        let length = match (mark, reference) {
            (Some(mark), _) => mark.len(),
            (None, Some(end)) => end + 1,
            (None, None) => first.len_utf8(),
        };
        let (unit, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        match unit {
            "\r" | "\n" | "&#xD;" | "&#xd;" | "&#13;" | "&#xA;" | "&#xa;" | "&#10;" => {
                state = Segment::default();
                out.push_str(unit);
            }
            _ if mark.is_some() || reference.is_some() => out.push_str(unit),
            _ => out.push(state.shown(first)),
        }
    }
    out
}

/// An answer with the query covered that it repeats.
pub(super) fn query(answer: &str) -> String {
    let Some((before, rest)) = answer.split_once("&#xD;QPD|") else { return answer.to_owned() };
    let (asked, after) = rest.split_once("&#xD;").unwrap_or((rest, ""));
    format!("{before}&#xD;QPD|{}&#xD;{after}", message(asked))
}

/// Where in a segment we are.
#[derive(Default)]
struct Segment {
    name: String,
    /// Number of the field; of MSH, as HL7 counts them.
    field: usize,
}

impl Segment {
    fn shown(&mut self, one: char) -> char {
        if one == '|' {
            self.field += if self.field == 0 && self.name == "MSH" { 2 } else { 1 };
            return one;
        }
        if self.field == 0 && self.name.len() < 3 && one.is_ascii_alphanumeric() {
            self.name.push(one);
            return one;
        }
        match one {
            _ if self.name == "MSH" && SHOWN.contains(&self.field) => one,
            _ if one.is_numeric() => '9',
            _ if one.is_alphabetic() => 'X',
            _ => one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_covered_but_for_its_shape() {
        let raw = "MSH|^~\\&amp;|EHR|CLINIC|||20260301||VXU^V04|ID-1|T&#xD;PID|1||INV-7^^^A||O&apos;Neil^Zoë&#13;\nPV1|R";

        assert_eq!(
            message(raw),
            "MSH|^~\\&amp;|XXX|XXXXXX|||20260301||VXU^V04|ID-1|T&#xD;PID|9||XXX-9^^^X||X&apos;XXXX^XXX&#13;\nPV1|X"
        );
    }

    #[test]
    fn nothing_of_a_credential_is_shown_wherever_it_stands() {
        let source = "<!-- s3cret --><e xmlns=\"urn:cdc:iisb:2011\" key=\"s3cret\"><username>s3cret</username><passwrod>s3cret</passwrod>\
            <password>s3<b>cret</b></password><facilityID>F1</facilityID><echoBack>hello</echoBack></e>";
        let document = Document::read(source).unwrap();

        let shown = body(&document, true);

        assert!(!shown.contains("s3") && !shown.contains("cret"), "{shown}");
        assert!(shown.contains("<facilityID>F1</facilityID><echoBack>hello</echoBack>"), "{shown}");
    }
}
