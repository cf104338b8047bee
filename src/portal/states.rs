//! The colors of states. A state's name says the same in words; see `name` of each state in `domain`.

use crate::domain::{
    AccountState, ClinicianState, LetterState, LinkStatus, MembershipState, OrganizationState,
    RequestState, SiteStatus,
};

/// What is shown as a tag.
pub(super) trait Tagged {
    /// The class of its tag.
    fn tag(&self) -> &'static str;
}

impl Tagged for AccountState {
    fn tag(&self) -> &'static str {
        match self {
            Self::Invited => "tag-blue",
            Self::Active => "tag-green",
            Self::Deactivated => "tag-red",
        }
    }
}

impl Tagged for ClinicianState {
    fn tag(&self) -> &'static str {
        match self {
            Self::Active => "tag-green",
            Self::Inactive => "tag-grey",
        }
    }
}

impl Tagged for LetterState {
    fn tag(&self) -> &'static str {
        match self {
            Self::Bounced | Self::GivenUp => "tag-red",
            Self::Held => "tag-grey",
            Self::Queued => "tag-amber",
            Self::Sent => "tag-green",
        }
    }
}

impl Tagged for LinkStatus {
    fn tag(&self) -> &'static str {
        match self {
            Self::Requested => "tag-amber",
            Self::Active => "tag-green",
            Self::Ended => "tag-grey",
        }
    }
}

impl Tagged for MembershipState {
    fn tag(&self) -> &'static str {
        match self {
            Self::Active => "tag-green",
            Self::AwaitingTraining => "tag-amber",
            Self::Inactive => "tag-grey",
        }
    }
}

impl Tagged for OrganizationState {
    fn tag(&self) -> &'static str {
        match self {
            Self::Active => "tag-green",
            Self::Inactive => "tag-grey",
        }
    }
}

impl Tagged for RequestState {
    fn tag(&self) -> &'static str {
        match self {
            Self::Pending | Self::Asked => "tag-amber",
            Self::Approved => "tag-green",
            Self::Declined => "tag-red",
            Self::Withdrawn => "tag-grey",
        }
    }
}

impl Tagged for SiteStatus {
    fn tag(&self) -> &'static str {
        match self {
            Self::Registered | Self::Testing | Self::Validated => "tag-blue",
            Self::Onboarding => "tag-amber",
            Self::Production => "tag-green",
            Self::Suspended => "tag-red",
            Self::Inactive | Self::Withdrawn => "tag-grey",
        }
    }
}
