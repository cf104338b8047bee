//! The organization that Sites belong to.

use serde::Serialize;

use crate::domain::{OrganizationId, Timestamp};

/// A clinic group, health department, HIE or vendor with one or more Sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Organization {
    /// Its number.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// When it was recorded.
    pub created_at: Timestamp,
}
