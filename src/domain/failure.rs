//! Why an attempt to deliver brought no answer, by what may be done next. Source: features notes 3.2.

use std::fmt;
use std::time::Duration;

use crate::domain::words;

words! {
    /// The class of a failed attempt; it alone decides what happens next.
    FailureClass {
        /// The registry refuses this message for what it is: only its sender can mend it. It is rejected.
        Sender = "sender",
        /// Our configuration is wrong (address, certificate, credentials): the destination is stopped until somebody looks.
        Ours = "ours",
        /// Nothing reached the registry: tried again as long as the message may be held.
        Transient = "transient",
        /// The registry may have processed it: tried again a few times, and marked as possibly delivered more than once.
        Ambiguous = "ambiguous",
        /// The registry breaks down over this message alone: parked after a few attempts so that the others go on.
        Poison = "poison",
    }
}

/// A failed attempt. Its text is ours: never text of the message or of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What may be done next.
    pub class: FailureClass,
    /// What happened, for operators.
    pub text: String,
    /// How long the registry asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a wish of the registry.
    pub fn new(class: FailureClass, text: impl Into<String>) -> Self {
        Self { class, text: text.into(), retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.class.word())
    }
}
