//! A Site: type, county, region, status, and what its status permits.

use serde::Serialize;

use crate::domain::{Environment, OrganizationId, RegionCode, SiteId, Timestamp, words};

words! {
    /// How a Site takes part in data exchange. Source: seed 000, options 1 to 3.
    SiteKind {
        /// Option 1: submits directly from its EHR.
        Direct = "direct",
        /// Option 2: submits through an intermediary Sending Facility.
        ThroughFacility = "through-facility",
        /// Option 3: acts as Sending Facility for other Sites.
        SendingFacility = "sending-facility",
    }
}

impl SiteKind {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "Sends directly from its EHR",
            Self::ThroughFacility => "Sends through a Sending Facility",
            Self::SendingFacility => "Sending Facility",
        }
    }
}

words! {
    /// Where a Site stands on its way to production. Source: domain notes 5.2.
    SiteStatus {
        /// Registered, e-mail verified, test credential issued.
        Registered = "registered",
        /// Sends test messages.
        Testing = "testing",
        /// Test criteria met.
        Validated = "validated",
        /// Staff review with real data.
        Onboarding = "onboarding",
        /// Sends to the production registry.
        Production = "production",
        /// Stopped by staff; may come back.
        Suspended = "suspended",
        /// Closed for now.
        Inactive = "inactive",
        /// Closed for good.
        Withdrawn = "withdrawn",
    }
}

impl SiteStatus {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "Registered",
            Self::Testing => "Testing",
            Self::Validated => "Test messages are good",
            Self::Onboarding => "Review by CDPH",
            Self::Production => "In production",
            Self::Suspended => "Suspended",
            Self::Inactive => "Inactive",
            Self::Withdrawn => "Withdrawn",
        }
    }
}

/// A change that the state of a thing does not permit, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl SiteStatus {
    /// Whether a Site in this status may send to `environment`.
    pub const fn permits(self, environment: Environment) -> bool {
        match self {
            Self::Registered | Self::Testing | Self::Validated | Self::Onboarding => {
                matches!(environment, Environment::Test)
            }
            Self::Production => true,
            Self::Suspended | Self::Inactive | Self::Withdrawn => false,
        }
    }
}

/// A place that gives immunizations, or an organization that sends for such places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Site ID (CAIR ID, Org Code).
    pub id: SiteId,
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// How it takes part.
    pub kind: SiteKind,
    /// Whether it gives immunizations. One that does not (a vendor, an HIE) is never the responsible Site of a message.
    pub clinical: bool,
    /// FIPS code of its county; a Sending Facility may be outside California and have none.
    pub county: Option<String>,
    /// Its region, derived from the county.
    pub region: Option<RegionCode>,
    /// Where it stands.
    pub status: SiteStatus,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_production_status_permits_the_production_environment() {
        for status in SiteStatus::ALL {
            assert_eq!(
                status.permits(Environment::Production),
                *status == SiteStatus::Production,
                "{status}"
            );
        }
    }

    #[test]
    fn a_stopped_site_may_send_nowhere() {
        for status in [SiteStatus::Suspended, SiteStatus::Inactive, SiteStatus::Withdrawn] {
            assert!(!status.permits(Environment::Test) && !status.permits(Environment::Production));
        }
    }
}
