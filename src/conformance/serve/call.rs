//! One call with all that was found.

use crate::conformance::serve::rules::Finding;
use crate::conformance::verdict::{CaseResult, Exchange, Verdict, Weight};
use crate::domain::Timestamp;
use crate::hl7::MessageKind;
use crate::soap::OperationName;

/// A call with all that was found.
#[derive(Clone, Debug)]
pub struct Call {
    /// The how-manieth, from 1.
    pub number: usize,
    /// When it came.
    pub at: Timestamp,
    /// Where it came from: an address without port.
    pub peer: String,
    /// What was asked, if it could be told.
    pub operation: Option<OperationName>,
    /// `1.1`, `1.2` or empty.
    pub soap: String,
    /// What the message is, if it could be told.
    pub kind: Option<MessageKind>,
    /// The profile that the message was judged by.
    pub profile: Option<String>,
    /// MSH-10, if it looks like an identifier.
    pub control_id: Option<String>,
    /// What it was answered with.
    pub answered: String,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was said.
    pub exchange: Exchange,
}

impl Call {
    /// What was called, in a few words.
    pub fn title(&self) -> String {
        let mut title = self.operation.map_or("unknown", OperationName::element).to_owned();
        if let Some(kind) = self.kind {
            title.extend([" ", kind.code()]);
        }
        if let Some(profile) = &self.profile {
            title.extend([" by ", profile]);
        }
        if let Some(id) = &self.control_id {
            title.extend([", MSH-10 ", id]);
        }
        title
    }

    /// Whether something was found that is against a rule.
    pub fn has_errors(&self) -> bool {
        self.count(Weight::Error) > 0
    }

    /// How many findings have that weight.
    pub fn count(&self, weight: Weight) -> usize {
        self.findings.iter().filter(|one| one.breach.weight == weight).count()
    }

    /// As a case of the report.
    pub(super) fn result(&self) -> CaseResult {
        CaseResult {
            case: format!("CALL-{}", self.number),
            title: format!("{}; answered with {}", self.title(), self.answered),
            required: true,
            soap: self.soap.clone(),
            verdict: if self.has_errors() { Verdict::Failed } else { Verdict::Passed },
            reason: String::new(),
            breaches: self.findings.iter().map(|one| one.breach.clone()).collect(),
            exchanges: vec![self.exchange.clone()],
        }
    }
}

/// Whether MSH-10 may be shown: an identifier and not a name or a text.
pub(super) fn looks_like_an_identifier(id: &str) -> bool {
    let plain = |one: u8| one.is_ascii_alphanumeric() || b"._:/+-".contains(&one);
    id.len() <= 64 && id.bytes().all(plain) && id.bytes().any(|one| one.is_ascii_digit())
}
