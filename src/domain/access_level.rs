//! What an organization came for, and whether it takes part at present.

use crate::domain::words;

words! {
    /// How an organization uses the registry. Source: seed 003, the chooser of four rows.
    AccessLevel {
        /// Its EHR sends data; people may look up and enter data beside that.
        DataExchange = "data-exchange",
        /// Enters immunizations by hand and looks patients up.
        Clinical = "clinical",
        /// Enters doses that others gave, and looks patients up.
        LimitedClinical = "limited-clinical",
        /// Looks patients up.
        ReadOnly = "read-only",
    }
}

impl AccessLevel {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DataExchange => "Data Exchange",
            Self::Clinical => "Clinical",
            Self::LimitedClinical => "Limited Clinical",
            Self::ReadOnly => "Read-Only",
        }
    }
}

words! {
    /// Whether an organization takes part.
    OrganizationState {
        /// It does.
        Active = "active",
        /// Closed; it may come back.
        Inactive = "inactive",
    }
}

impl OrganizationState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Closed",
        }
    }
}
