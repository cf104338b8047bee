//! What happened to a Site's messages that its people are told of by letters.

use serde::Serialize;

use crate::domain::{MessageId, SiteId, Timestamp, words};

words! {
    /// What happened. Source: domain notes 4.4.
    SiteEventKind {
        /// Its first test message came, good or not.
        FirstTest = "first-test",
        /// A test message had errors, and the one before had none.
        TestFailed = "test-failed",
        /// A test message was good again.
        TestGoodAgain = "test-good-again",
        /// A message that was taken was rejected by the regional registry.
        RejectedLater = "rejected-later",
        /// It stands elsewhere on its way to production.
        Stage = "stage",
        /// Nothing has come from it for longer than usual.
        Silent = "silent",
    }
}

/// One such event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteEvent {
    /// Its number.
    pub id: i64,
    /// The Site.
    pub site: SiteId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: SiteEventKind,
    /// The message that it is about.
    pub message: Option<MessageId>,
    /// When its people were told, or it was found that nobody wants to be.
    pub told_at: Option<Timestamp>,
}
