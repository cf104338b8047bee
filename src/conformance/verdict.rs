//! What was judged, and what came out: the same for a service that we call and for a client that calls us.

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;

/// How much a breach weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Worth knowing; changes no verdict.
    Note,
    /// Allowed, but some partner will trip over it.
    Warning,
    /// Against the rule.
    Error,
}

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// The rule's name, `ENV-BODY-ONE`.
    pub rule: String,
    /// How much it weighs.
    pub weight: Weight,
    /// What the rule asks.
    pub expected: String,
    /// What was there instead; credentials never, values of patients never.
    pub found: String,
    /// How to mend it.
    pub fix: String,
    /// Where the rule comes from.
    pub source: String,
}

/// What came out of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No breach that weighs an error.
    Passed,
    /// A breach that weighs an error.
    Failed,
    /// Not run; why is told.
    Skipped,
    /// It could not be judged, such as without an answer; why is told.
    Undecided,
}

/// One request and what was answered, as it may be shown: credentials are masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What was sent: the line of HTTP, headers and body.
    pub request: String,
    /// What came back: the status, headers and body; empty without an answer.
    pub response: String,
    /// How long it took.
    pub millis: u64,
}

/// One case with what came out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The case's name, `SOAPCON-2`.
    pub case: String,
    /// What it is about, in a line.
    pub title: String,
    /// Whether an endpoint must pass it.
    pub required: bool,
    /// `1.1` or `1.2`; empty where it is neither.
    pub soap: String,
    /// What came out.
    pub verdict: Verdict,
    /// Why it was skipped or could not be judged; empty otherwise.
    pub reason: String,
    /// What was breached.
    pub breaches: Vec<Breach>,
    /// What was said.
    pub exchanges: Vec<Exchange>,
}

/// All of a run: what `--json` writes and `compare` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this layout: 1.
    pub version: u32,
    /// Who was judged: the address of a service, or of a client.
    pub subject: String,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The version of izportal.
    pub program: String,
    /// The cases in their order.
    pub results: Vec<CaseResult>,
}
