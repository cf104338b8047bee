//! A finding about a message: where, what, and what was done with it.

use std::borrow::Cow;
use std::ops::Range;

use serde::Serialize;

use crate::domain::words;
use crate::hl7::{ApplicationError, ErrorCode, Location, Severity};

words! {
    /// What a finding does to the message, from nothing to all. Source: guide 1.5, Table 3-1, and the policy of the rules.
    Effect {
        /// Nothing; the message is kept as it is.
        None = "none",
        /// The element is read as empty.
        Ignore = "ignore",
        /// The segment is left out.
        DropSegment = "drop-segment",
        /// The immunization is left out: its order group.
        DropOrder = "drop-order",
        /// The content is at fault: the message is not kept for delivery (AE).
        Reject = "reject",
        /// The message is not processed, for reasons other than its content (AR).
        Refuse = "refuse",
    }
}

/// Longest ERR-8, in characters. Source: guide 1.5, ERR-8.
const TOLD_LENGTH: usize = 250;

/// One finding. Its texts are ours and never quote a patient's data.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// Stable name of the rule, such as `GW-MSH-11`.
    pub rule: &'static str,
    /// Where in the message (ERR-2); none when it is the message as a whole.
    pub location: Option<Location>,
    /// HL7 table 0357 (ERR-3).
    pub code: ErrorCode,
    /// HL7 table 0516 (ERR-4).
    pub severity: Severity,
    /// HL7 table 0533 (ERR-5).
    pub application: Option<ApplicationError>,
    /// What it does to the message.
    pub effect: Effect,
    /// The bytes of the message that it is about; where the element would stand when it is absent.
    pub span: Option<Range<usize>>,
    /// What is wrong and why, in plain words.
    pub text: Cow<'static, str>,
    /// What was done with the data; empty where the text says it.
    pub fate: Cow<'static, str>,
    /// How to mend it; empty where the text says it.
    pub fix: Cow<'static, str>,
}

impl Diagnostic {
    /// An error in content: the message is not kept.
    pub fn reject(
        rule: &'static str,
        code: ErrorCode,
        location: Location,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            rule,
            location: Some(location),
            code,
            severity: Severity::E,
            application: None,
            effect: Effect::Reject,
            span: None,
            text: text.into(),
            fate: Cow::Borrowed(""),
            fix: Cow::Borrowed(""),
        }
    }

    /// A message that is not processed at all.
    pub fn refuse(
        rule: &'static str,
        code: ErrorCode,
        location: Location,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { effect: Effect::Refuse, ..Self::reject(rule, code, location, text) }
    }

    /// Something to mend that does not stop the message.
    pub fn warn(
        rule: &'static str,
        code: ErrorCode,
        location: Location,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            severity: Severity::W,
            effect: Effect::None,
            ..Self::reject(rule, code, location, text)
        }
    }

    /// Whether the message is not processed at all because of it.
    pub fn refuses(&self) -> bool {
        self.effect == Effect::Refuse
    }

    /// Whether the message is not kept for delivery because of it.
    pub fn stops(&self) -> bool {
        matches!(self.effect, Effect::Reject | Effect::Refuse)
    }

    /// Where one finding stops the message, none of the others says that data was kept.
    pub fn settle(found: &mut [Self]) {
        if found.iter().any(Self::stops) {
            for one in found.iter_mut().filter(|one| !one.stops()) {
                one.fate = Cow::Borrowed("");
            }
        }
    }

    /// As it is stored and shown.
    pub fn record(&self) -> DiagnosticRecord {
        DiagnosticRecord {
            rule: self.rule.to_owned(),
            location: self.location.map(|location| location.to_string()).unwrap_or_default(),
            code: self.code.code().to_owned(),
            severity: self.severity.code().to_owned(),
            application: self.application.map(|one| one.code().to_owned()).unwrap_or_default(),
            effect: self.effect,
            start: self.span.as_ref().and_then(|span| i64::try_from(span.start).ok()),
            end: self.span.as_ref().and_then(|span| i64::try_from(span.end).ok()),
            text: self.told().into_owned(),
        }
    }

    /// A remark that changes nothing.
    pub fn note(
        rule: &'static str,
        location: Option<Location>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            rule,
            location,
            code: ErrorCode::MessageAccepted,
            severity: Severity::I,
            application: None,
            effect: Effect::None,
            span: None,
            text: text.into(),
            fate: Cow::Borrowed(""),
            fix: Cow::Borrowed(""),
        }
    }

    /// What a person is told (ERR-8): what is wrong, what was done and how to mend it, in at most 250 characters. What
    /// does not fit is left out from the end, a whole sentence at a time.
    pub fn told(&self) -> Cow<'_, str> {
        if self.fate.is_empty() && self.fix.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut told = self.text.clone().into_owned();
        for part in [&self.fate, &self.fix] {
            let fits = told.chars().count() + 1 + part.chars().count() <= TOLD_LENGTH;
            if fits && !part.is_empty() {
                told.push(' ');
                told.push_str(part);
            }
        }
        Cow::Owned(told)
    }

    /// The same with an application error code (ERR-5).
    #[must_use]
    pub fn because(mut self, application: ApplicationError) -> Self {
        self.application = Some(application);
        self
    }
}

/// A diagnostic as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, diesel::Queryable, utoipa::ToSchema)]
pub struct DiagnosticRecord {
    /// Stable name of the rule.
    pub rule: String,
    /// ERR-2 in HL7 form, empty for the message as a whole.
    pub location: String,
    /// ERR-3.
    pub code: String,
    /// ERR-4.
    pub severity: String,
    /// ERR-5, empty when there is none.
    pub application: String,
    /// What it did to the message.
    pub effect: Effect,
    /// First byte of the message that it is about.
    pub start: Option<i64>,
    /// The byte after the last.
    pub end: Option<i64>,
    /// ERR-8.
    pub text: String,
}
