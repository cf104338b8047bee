//! The way of an accepted message to its registry.

use serde::Serialize;

use crate::domain::{
    Environment, FailureClass, MessageId, MessageState, RegionCode, Timestamp, words,
};

words! {
    /// Where a delivery stands.
    DeliveryState {
        /// To be sent, or being sent by the holder of its lease.
        Queued = "queued",
        /// The registry answered that it took the message.
        Delivered = "delivered",
        /// The registry answered that it did not take the message.
        Rejected = "rejected",
        /// Waits for an operator: nothing is sent until one decides.
        Review = "review",
        /// An operator gave it up; the registry does not have it from us, as far as is known.
        GivenUp = "given-up",
        /// An operator sent an edited version in its place.
        Replaced = "replaced",
    }
}

impl DeliveryState {
    /// Where the message stands when its delivery stands here.
    pub const fn of_message(self) -> MessageState {
        match self {
            Self::Queued => MessageState::Accepted,
            Self::Delivered => MessageState::Delivered,
            Self::Rejected => MessageState::Rejected,
            Self::Review => MessageState::Review,
            Self::GivenUp => MessageState::GivenUp,
            Self::Replaced => MessageState::Replaced,
        }
    }
}

words! {
    /// Which ACK a sender gets. Source: architecture decision 10.
    ReplyPolicy {
        /// The registry's own ACK when it comes within the deadline, else the Gateway's.
        Relay = "relay",
        /// The Gateway's ACK at once.
        Accept = "accept",
    }
}

/// One message on its way to one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The message; each accepted message has one delivery.
    pub message: MessageId,
    /// Destination region.
    pub region: RegionCode,
    /// Test or production registry of that region.
    pub environment: Environment,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts begun.
    pub attempts: i64,
    /// When it is next due, while queued.
    pub next_attempt_at: Timestamp,
    /// What stopped the last attempt, in words of ours; never text of the message or of the registry.
    pub last_error: Option<String>,
    /// Class of that failure.
    pub last_class: Option<FailureClass>,
    /// Attempts whose outcome is unknown: with one or more of them the registry may have the message more than once.
    pub doubtful: i64,
    /// How often an operator has sent it again.
    pub releases: i64,
    /// When it came to its end.
    pub settled_at: Option<Timestamp>,
}
