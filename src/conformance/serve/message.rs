//! The HL7 text: how it was put into the envelope, and what it says.

use ring::digest;

use crate::conformance::serve::rules::{self, Area, Finding, Findings};
use crate::conformance::verdict::{Breach, Weight};
use crate::conformance::xml::Element;
use crate::domain::{Diagnostic, Environment, Timestamp};
use crate::hl7::{Header, Message, MessageKind, Note, ParseError, ProcessingId, Severity, Value};
use crate::validation::{Catalogue, Policy, ProcessingRules, Validator, check_any_header};

/// Findings about the content of one message that are told.
const LONGEST: usize = 100;

/// The longest message that the national hub takes, in characters.
const HUB_LIMIT: usize = 65_536;

/// The longest message that is looked into, in characters; a longer one gets the fault that is made for it.
const LONGEST_MESSAGE: usize = 1_000_000;

/// A message that could be read.
pub(super) struct Read<'t> {
    pub(super) message: Message<'t>,
    pub(super) header: Header<'t>,
    /// What the profile says of it.
    pub(super) found: Vec<Diagnostic>,
    /// The profile that it was judged by.
    pub(super) profile: Option<String>,
}

/// How messages are judged.
pub(super) struct Profiles<'v> {
    pub(super) validator: &'v Validator,
    pub(super) policy: &'v Policy,
    pub(super) now: Timestamp,
}

impl Profiles<'_> {
    /// Judges `hl7Message`.
    pub(super) fn judge<'t>(
        &self,
        element: Option<&'t Element>,
        found: &mut Findings,
    ) -> Option<Result<Read<'t>, ParseError>> {
        let Some(element) = element.filter(|one| !one.text.trim().is_empty()) else {
            let what = match element {
                None => "no hl7Message",
                Some(element) if element.is_nil() => "xsi:nil",
                Some(_) => "nothing in it",
            };
            found.add(&rules::MESSAGE_PRESENT, what);
            return None;
        };
        let text = element.text.as_str();
        found.add_if(element.has_cdata, &rules::MESSAGE_CDATA, "a CDATA section");
        let long = text.chars().count();
        found.add_if(long > HUB_LIMIT, &rules::MESSAGE_SIZE, format!("{long} characters"));
        if long > LONGEST_MESSAGE {
            return Some(Err(ParseError::TooLarge));
        }
        let twice = ["&#xD;", "&#xd;", "&#13;", "&#x0D;", "&amp;", "&#10;", "&#xA;"];
        let message = match Message::parse(text.as_bytes()) {
            Ok(message) => message,
            Err(error) => {
                unread(text, error, found);
                return Some(Err(error));
            }
        };
        if let Some(seen) = twice.iter().find(|one| text.contains(**one)) {
            found.add(&rules::MESSAGE_ESCAPED, format!("{seen} in the text"));
            // All else would be what follows from it.
            return Some(Ok(self.read(message, &mut Findings::default())));
        }
        framing(&message, element, found);
        Some(Ok(self.read(message, found)))
    }

    fn read<'t>(&self, message: Message<'t>, found: &mut Findings) -> Read<'t> {
        let header = Header::of(&message);
        judge_header(&header, found);
        let any = [ProcessingId::T, ProcessingId::P, ProcessingId::D].to_vec();
        let processing = ProcessingRules { test: any.clone(), production: any };
        let mut of_profile = check_any_header(&message, &header, Environment::Test, &processing);
        of_profile.extend(self.validator.check(&message, &header, self.policy, self.now));
        Diagnostic::settle(&mut of_profile);
        of_profile.truncate(LONGEST);
        // How segments end and what is around them is told by rules of our own, which know what stood in the XML.
        let content =
            of_profile.iter().filter(|one| !["FRAMING", "TERMINATOR"].contains(&one.rule));
        found.0.extend(content.map(finding));
        let profile = self.validator.profile(&message, &header);
        let profile = profile.map(|profile| profile.name.to_string());
        Read { message, header, found: of_profile, profile }
    }
}

impl Read<'_> {
    /// MSH-10 as text; empty when there is none.
    pub(super) fn control_id(&self) -> String {
        String::from_utf8_lossy(self.header.control_id.text().unwrap_or_default()).into_owned()
    }

    /// What it is, such as `VXU`.
    pub(super) fn kind(&self) -> Option<MessageKind> {
        self.header.kind()
    }

    /// The same for every sending of the same content: MSH-7 and MSH-10 are left out.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        for segment in self.message.segments() {
            if segment.is(b"MSH") {
                for (number, field) in (1_usize..).zip(segment.fields()) {
                    let part = if matches!(number, 7 | 10) { &[] } else { field.bytes() };
                    context.update(part);
                    context.update(b"|");
                }
            } else {
                context.update(segment.bytes());
            }
            context.update(b"\r");
        }
        let mut print = [0; 32];
        print.copy_from_slice(context.finish().as_ref());
        print
    }
}

/// A digest of what a message says.
pub(super) type Fingerprint = [u8; 32];

/// A text that is no message.
fn unread(text: &str, error: ParseError, found: &mut Findings) {
    let start = text.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']);
    let begins =
        |with: &str| start.get(..with.len()).is_some_and(|one| one.eq_ignore_ascii_case(with));
    let what = match error {
        ParseError::Batch => return found.add(&rules::MESSAGE_ONE, "a batch (FHS or BHS)"),
        ParseError::SeveralMessages => return found.add(&rules::MESSAGE_ONE, "more than one MSH"),
        _ if begins("MSH%7C") => "a text encoded for a URL",
        _ if begins("TVNI") => "a text encoded as base64",
        _ if begins("MSH") && !start.starts_with("MSH") => "MSH in small letters",
        ParseError::TooLarge | ParseError::TooManySegments => "more than can be read",
        ParseError::NoHeader => "something else",
    };
    found.add(&rules::MESSAGE_BEGINS, what);
}

fn framing(message: &Message<'_>, element: &Element, found: &mut Findings) {
    let framing = message.framing();
    let ends: Vec<_> = [Note::CrLf, Note::LineFeed, Note::MixedTerminators]
        .into_iter()
        .filter(|note| framing.has(*note))
        .map(|note| note.to_string())
        .collect();
    if !ends.is_empty() {
        let raw = if element.has_raw_returns {
            "; carriage returns stood in the XML as they are, and XML hands them on as line feeds"
        } else {
            ""
        };
        found.add(&rules::SEGMENT_ENDS, format!("{}{raw}", ends.join(", ")));
    }
    found.add_if(
        framing.has(Note::NoFinalTerminator),
        &rules::LAST_END,
        "no CR behind the last segment",
    );
    let others = framing.notes().filter(|note| {
        let told = [Note::CrLf, Note::LineFeed, Note::MixedTerminators, Note::NoFinalTerminator];
        !told.contains(note)
    });
    let others: Vec<_> = others.map(|note| note.to_string()).collect();
    found.add_if(!others.is_empty(), &rules::FRAMING, others.join(", "));
}

fn judge_header(header: &Header<'_>, found: &mut Findings) {
    let missing: Vec<_> =
        [("MSH-3", header.sending_application), ("MSH-4", header.sending_facility)]
            .into_iter()
            .filter(|(_, value)| !value.is_valued())
            .map(|(name, _)| name)
            .collect();
    found.add_if(!missing.is_empty(), &rules::SENDER, format!("empty: {}", missing.join(", ")));
    let receiver = [header.receiving_application, header.receiving_facility];
    let nobody = !receiver.iter().any(Value::is_valued);
    found.add_if(nobody, &rules::RECEIVER, "both are empty");
    if let Some(other) = header.processing().filter(|one| *one != ProcessingId::T) {
        found.add(&rules::TRIAL, other.code());
    }
}

/// What the profile says, as a breach. Its texts are ours and never quote a patient's data.
fn finding(one: &Diagnostic) -> Finding {
    let rule = Catalogue::built_in().rule(one.rule);
    let place = one.location.map_or_else(String::new, |at| at.human().to_string());
    // Most texts name the place themselves.
    let place = if one.text.contains(&place) { String::new() } else { format!("{place}: ") };
    let breach = Breach {
        rule: one.rule.to_owned(),
        weight: match one.severity {
            Severity::E => Weight::Error,
            Severity::W => Weight::Warning,
            Severity::I => Weight::Note,
        },
        expected: rule.map_or_else(String::new, |rule| rule.says.clone()),
        found: format!("{place}{}", one.text),
        fix: one.fix.to_string(),
        source: rule.map_or_else(String::new, |rule| rule.source.clone()),
    };
    Finding { area: Area::Hl7, breach }
}
