//! Which Sending Facility may submit for which Site.

use serde::Serialize;

use crate::domain::{SiteId, Timestamp, words};

words! {
    /// State of a link between a Sending Facility and a client Site.
    LinkStatus {
        /// Asked for; the other side has not agreed yet.
        Requested = "requested",
        /// Both agree: the facility may submit for the Site.
        Active = "active",
        /// Ended by either side.
        Ended = "ended",
    }
}

impl LinkStatus {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "Asked for",
            Self::Active => "Active",
            Self::Ended => "Ended",
        }
    }
}

/// A Sending Facility and a Site it submits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteLink {
    /// The Sending Facility.
    pub facility: SiteId,
    /// The client Site.
    pub site: SiteId,
    /// Whether messages may pass.
    pub status: LinkStatus,
    /// When the status last changed.
    pub changed_at: Timestamp,
}
