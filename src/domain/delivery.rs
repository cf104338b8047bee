//! The way of an accepted message to its registry.

use serde::Serialize;

use crate::domain::{Environment, MessageId, RegionCode, Timestamp, words};

words! {
    /// Where a delivery stands.
    DeliveryState {
        /// To be sent, or being sent by the holder of its lease.
        Queued = "queued",
        /// The registry answered that it took the message.
        Delivered = "delivered",
        /// The registry answered that it did not take the message.
        Rejected = "rejected",
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
    /// When it came to its end.
    pub settled_at: Option<Timestamp>,
}
