//! Letters: mail to one person each.

use std::fmt;

use serde::Serialize;

use crate::domain::{EmailAddress, MessageId, Timestamp, words};

words! {
    /// Where a letter stands.
    LetterState {
        /// To be sent, or being sent.
        Queued = "queued",
        /// The mail server took it.
        Sent = "sent",
        /// The mail server will not take it.
        Bounced = "bounced",
        /// It could not be sent for too long, or an operator gave it up.
        GivenUp = "given-up",
        /// No mail server is configured: it lies in the data directory.
        Held = "held",
    }
}

impl LetterState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "Waiting",
            Self::Sent => "Sent",
            Self::Bounced => "Refused",
            Self::GivenUp => "Given up",
            Self::Held => "Kept here",
        }
    }
}

/// A letter to one person. Never patient data, never a password.
#[derive(Clone)]
pub struct Letter {
    /// Which letter it is, such as `verify-address`.
    pub kind: &'static str,
    /// To whom.
    pub to: EmailAddress,
    /// Its subject; control characters in it become spaces.
    pub subject: String,
    /// Its text for readers without HTML.
    pub text: String,
    /// The same as an HTML page.
    pub html: String,
}

/// It may hold a one-time link, so only its shape is shown.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, text, html, .. } = self;
        write!(f, "Letter({kind}, {} + {} bytes)", text.len(), html.len())
    }
}

/// What is known of a letter besides its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterRecord {
    /// Its identifier, by which it is older or newer than another.
    pub id: MessageId,
    /// Which letter it is.
    pub kind: String,
    /// To whom.
    pub to: EmailAddress,
    /// Its subject.
    pub subject: String,
    /// Where it stands.
    pub state: LetterState,
    /// Attempts begun.
    pub attempts: i64,
    /// When it is next due, while queued.
    pub next_attempt_at: Timestamp,
    /// What stopped the last attempt, in words of ours.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub settled_at: Option<Timestamp>,
}

/// How many letters one address gets at most, so that nobody floods another's mailbox by way of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterLimits {
    /// Within an hour.
    pub hour: i64,
    /// Within 24 hours.
    pub day: i64,
}
