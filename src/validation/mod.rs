//! What is judged of a message's content. May import `domain` and `hl7`.
//!
//! Today: the header rules that decide whether a message is processed at all, and the presence of the patient and the
//! shape of the order groups. Each rule is a small function; [`check`] is their order and nothing else.

mod header;
mod structure;

use crate::domain::{Diagnostic, Environment};
use crate::hl7::{Header, Message};

pub use header::ProcessingRules;

/// Every finding about a message, in the order of the rules; the header's first.
///
/// When the header makes the message unprocessable, the rest is not judged.
pub fn check(
    message: &Message<'_>,
    header: &Header<'_>,
    environment: Environment,
    rules: &ProcessingRules,
) -> Vec<Diagnostic> {
    let mut found = header::check(message, header, environment, rules);
    if !found.iter().any(Diagnostic::refuses) {
        found.extend(structure::check(message));
    }
    found
}
