//! The report for programs: JSON. Without `values` it holds nothing of a message but what its ACK would hold too.

use serde::Serialize;

use crate::domain::{Diagnostic, Effect};
use crate::hl7::{AckCode, ApplicationError, MessageKind, Severity};
use crate::validation::report::text::{Place, Places};
use crate::validation::report::{Judgement, Sharing, Verdict};

/// One message with what was found.
#[derive(Serialize)]
pub struct Record<'j> {
    /// The name of the file.
    pub file: &'j str,
    /// The how-manieth message of the file.
    pub number: usize,
    /// The line of the file that it begins on.
    pub line: usize,
    /// The byte of the file that it begins with.
    pub offset: usize,
    /// MSH-10 if it looks like an identifier.
    pub control_id: Option<&'j str>,
    /// MSH-9.1 if it is a kind that the Gateway knows.
    pub kind: Option<&'static str>,
    /// The profile that it was judged by.
    pub profile: Option<&'j str>,
    /// What would become of it.
    pub verdict: Verdict,
    /// MSA-1 of the Gateway's answer.
    pub acknowledgment: Option<&'static str>,
    /// PD1-12.
    pub sharing: Option<SharingRecord>,
    /// All findings by severity, also those that are not listed.
    pub counts: Counts,
    /// The findings.
    pub findings: Vec<FindingRecord<'j>>,
    /// The ACK that the Gateway would give, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<String>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// What PD1-12 says.
#[derive(Serialize)]
pub struct SharingRecord {
    /// Y, N, empty or other.
    pub pd1_12: Sharing,
    /// In plain words.
    pub meaning: &'static str,
}

/// Findings by severity.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "the codes of HL7 table 0516")]
pub struct Counts {
    /// Errors.
    pub E: usize,
    /// Warnings.
    pub W: usize,
    /// Remarks.
    pub I: usize,
}

/// One finding.
#[derive(Serialize)]
pub struct FindingRecord<'j> {
    /// ERR-4.
    pub severity: &'static str,
    /// Name of the rule.
    pub rule: &'static str,
    /// The form people write, such as `RXA[2]-5.1`.
    pub place: Option<String>,
    /// ERR-2.
    pub location: Option<String>,
    /// ERR-3.
    pub code: &'static str,
    /// ERR-5.
    pub application: Option<&'static str>,
    /// What it does to the message.
    pub effect: Effect,
    /// The line of the file.
    pub line: Option<usize>,
    /// First byte of the file that it is about.
    pub start: Option<usize>,
    /// The byte after the last.
    pub end: Option<usize>,
    /// What is wrong.
    pub text: &'j str,
    /// What becomes of the data.
    pub fate: &'j str,
    /// How to mend it.
    pub fix: &'j str,
    /// The segment, when values may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// The bytes that it is about, when values may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A judgement as it is written, with the findings of that severity at least.
pub fn record<'j>(judgement: &'j Judgement<'_>, least: Severity, values: bool) -> Record<'j> {
    let message = judgement.message.as_ref();
    let places = message.ok().map(|message| Places::of(message, judgement.part.line));
    let shown = judgement.found.iter().filter(|one| one.severity >= least);
    Record {
        file: judgement.file,
        number: judgement.number,
        line: judgement.part.line,
        offset: judgement.part.offset,
        control_id: judgement.control_id(),
        kind: judgement.kind.map(MessageKind::code),
        profile: judgement.profile.as_deref(),
        verdict: judgement.verdict,
        acknowledgment: judgement.verdict.acknowledgment().map(AckCode::code),
        sharing: judgement
            .sharing
            .map(|sharing| SharingRecord { pd1_12: sharing, meaning: sharing.meaning() }),
        counts: Counts {
            E: judgement.count(Severity::E),
            W: judgement.count(Severity::W),
            I: judgement.count(Severity::I),
        },
        findings: shown
            .map(|one| finding(one, places.as_ref(), judgement.part.offset, values))
            .collect(),
        ack: None,
        unreadable: message.err().map(ToString::to_string),
    }
}

fn finding<'j>(
    one: &'j Diagnostic,
    places: Option<&Places<'_, '_>>,
    offset: usize,
    values: bool,
) -> FindingRecord<'j> {
    let span = one.span.clone();
    let place = span.as_ref().and_then(|span| Some(places?.of_span(span)));
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = place.as_ref().filter(|_| values);
    FindingRecord {
        severity: one.severity.code(),
        rule: one.rule,
        place: one.location.map(|at| at.human().to_string()),
        location: one.location.map(|at| at.to_string()),
        code: one.code.code(),
        application: one.application.map(ApplicationError::code),
        effect: one.effect,
        line: place.as_ref().map(|place| place.line),
        start: span.as_ref().map(|span| offset + span.start),
        end: span.as_ref().map(|span| offset + span.end),
        text: &one.text,
        fate: &one.fate,
        fix: &one.fix,
        segment: shown.map(|place| lossy(place.segment)),
        value: shown.map(|Place { segment, within, .. }| {
            lossy(segment.get(within.clone()).unwrap_or_default())
        }),
    }
}
