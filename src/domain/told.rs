//! What an acknowledgement says of some findings: MSA-1 and the ERR segments.

use std::borrow::Cow;

use crate::domain::Diagnostic;
use crate::hl7::{AckCode, ErrorLine, Severity};

/// Findings put into the words of an acknowledgement. Source: guide 1.5, Z23; AIRA acknowledgement guidance.
pub struct Told<'d> {
    found: &'d [Diagnostic],
    /// ERR-7 for developers, ERR-8 for people.
    texts: Vec<(String, Cow<'d, str>)>,
}

impl<'d> Told<'d> {
    /// The words for these findings, in their order.
    pub fn of(found: &'d [Diagnostic]) -> Self {
        let place = |one: &Diagnostic| match &one.span {
            Some(span) => format!("{} bytes {}-{}", one.rule, span.start, span.end),
            None => one.rule.to_owned(),
        };
        Self { found, texts: found.iter().map(|one| (place(one), one.told())).collect() }
    }

    /// MSA-1: AR when the message was not processed, AE with any E or W, else AA.
    pub fn code(&self) -> AckCode {
        ack_code(self.found)
    }

    /// The ERR segments.
    pub fn lines(&self) -> Vec<ErrorLine<'_>> {
        let lines = self.found.iter().zip(&self.texts);
        lines
            .map(|(one, (place, told))| ErrorLine {
                location: one.location,
                code: one.code,
                severity: one.severity,
                application: one.application,
                diagnostic: Some(place),
                text: told,
            })
            .collect()
    }
}

/// MSA-1: AR when the message was not processed, AE with any E or W, else AA.
pub fn ack_code(found: &[Diagnostic]) -> AckCode {
    if found.iter().any(Diagnostic::refuses) {
        AckCode::AR
    } else if found.iter().any(|one| matches!(one.severity, Severity::E | Severity::W)) {
        AckCode::AE
    } else {
        AckCode::AA
    }
}
