//! What is remembered of a message. Nothing of the patient.

use serde::Serialize;

use crate::domain::{Environment, MessageId, RegionCode, SiteId, Timestamp, words};

words! {
    /// Where a message stands, as its sender would ask.
    MessageState {
        /// Not taken: the ACK says why.
        Refused = "refused",
        /// Taken, durable, on its way to the registry.
        Accepted = "accepted",
        /// The registry took it.
        Delivered = "delivered",
        /// The registry answered that it did not take it.
        Rejected = "rejected",
        /// Taken and durable, but its delivery waits for an operator.
        Review = "review",
        /// An operator gave its delivery up.
        GivenUp = "given-up",
        /// An operator sent an edited version in its place.
        Replaced = "replaced",
        /// A query that its registry answered.
        Answered = "answered",
        /// A query that its registry did not answer; nobody repeats it but its sender.
        Unanswered = "unanswered",
    }
}

impl MessageState {
    /// Whether nothing more will happen to a message in this state.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Review)
    }

    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Accepted => "On its way to the registry",
            Self::Delivered => "Taken by the registry",
            Self::Rejected => "Rejected by the registry",
            Self::Review => "Waits for the help desk",
            Self::GivenUp => "Given up by the help desk",
            Self::Replaced => "Replaced by an edited version",
            Self::Answered => "Query answered",
            Self::Unanswered => "Query not answered",
        }
    }
}

/// The metadata of one submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageRecord {
    /// Our identifier.
    pub id: MessageId,
    /// When it came in.
    pub received_at: Timestamp,
    /// Site ID of the authenticated sender.
    pub sender: SiteId,
    /// Environment of its credential.
    pub environment: Environment,
    /// The responsible Site, when there was one.
    pub site: Option<SiteId>,
    /// The region that it goes to, when there is one.
    pub region: Option<RegionCode>,
    /// MSH-10 as received, at most 199 characters.
    pub control_id: String,
    /// MSH-9.1 and MSH-9.2, such as `VXU^V04`.
    pub message_type: String,
    /// Size of the HL7 text in bytes.
    pub size: i64,
    /// Where it stands.
    pub state: MessageState,
    /// MSA-1 of the reply that the sender got.
    pub ack_code: String,
    /// Number of diagnostics.
    pub diagnostics: i64,
    /// The message that this one is an edited version of.
    pub replaces: Option<MessageId>,
}
