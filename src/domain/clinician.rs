//! Clinicians of an organization: who gives or orders immunizations, with or without an account.

use serde::Serialize;

use crate::domain::{ClinicianId, OrganizationId, Timestamp, words};

words! {
    /// Whether a clinician works there.
    ClinicianState {
        /// They do.
        Active = "active",
        /// Not any more; their doses stay theirs.
        Inactive = "inactive",
    }
}

impl ClinicianState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
        }
    }
}

/// A clinician as the organization told of them. Source: domain notes 1.8 and 6.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clinician {
    /// Their number.
    pub id: ClinicianId,
    /// Where they work.
    pub organization: OrganizationId,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Title, such as MD; may be empty.
    pub title: String,
    /// Kind of licence, a word of the catalogue.
    pub license_type: String,
    /// Number of the licence.
    pub license: String,
    /// National Provider Identifier.
    pub npi: Option<String>,
    /// Whether they work there.
    pub state: ClinicianState,
    /// When this was last changed.
    pub changed_at: Timestamp,
}
