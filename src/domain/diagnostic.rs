//! A finding about a message: where, what, and what was done with it.

use std::borrow::Cow;

use serde::Serialize;

use crate::domain::words;
use crate::hl7::{ApplicationError, ErrorCode, Location, Severity};

words! {
    /// What a finding does to the message.
    Effect {
        /// Nothing; the message is kept as it is.
        None = "none",
        /// The content is at fault: the message is not kept for delivery (AE).
        Reject = "reject",
        /// The message is not processed, for reasons other than its content (AR).
        Refuse = "refuse",
    }
}

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
    /// What is wrong, why, what happened and how to fix it, in plain words (ERR-8).
    pub text: Cow<'static, str>,
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
            text: text.into(),
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
        self.effect != Effect::None
    }

    /// As it is stored and shown.
    pub fn record(&self) -> DiagnosticRecord {
        DiagnosticRecord {
            rule: self.rule.to_owned(),
            location: self.location.map(|location| location.to_string()).unwrap_or_default(),
            code: self.code.code().to_owned(),
            severity: self.severity.code().to_owned(),
            application: self.application.map(|one| one.code().to_owned()).unwrap_or_default(),
            text: self.text.clone().into_owned(),
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
            text: text.into(),
        }
    }

    /// The same with an application error code (ERR-5).
    #[must_use]
    pub fn because(mut self, application: ApplicationError) -> Self {
        self.application = Some(application);
        self
    }
}

/// A diagnostic as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// ERR-8.
    pub text: String,
}
