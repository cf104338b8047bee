//! People: an account for each, and what it is in which organization.

use std::time::Duration;

use serde::Serialize;

use crate::domain::{
    AccessLevel, AccountId, EmailAddress, OrganizationId, Refusal, RegionCode, Timestamp, UserId,
    words,
};

words! {
    /// Where an account stands.
    AccountState {
        /// Made for somebody who has not set a password yet.
        Invited = "invited",
        /// In use.
        Active = "active",
        /// Closed; it may be opened again.
        Deactivated = "deactivated",
    }
}

impl AccountState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invited => "Invited",
            Self::Active => "Active",
            Self::Deactivated => "Deactivated",
        }
    }

    /// Closed, from whatever state.
    ///
    /// # Errors
    /// When it is closed already.
    pub fn deactivate(self) -> Result<Self, Refusal> {
        if self == Self::Deactivated {
            return Err(Refusal("the account is deactivated already".to_owned()));
        }
        Ok(Self::Deactivated)
    }

    /// Open again: in use when it has a password, else waiting for its first one.
    ///
    /// # Errors
    /// When it is not closed.
    pub fn reactivate(self, has_password: bool) -> Result<Self, Refusal> {
        match (self, has_password) {
            (Self::Deactivated, true) => Ok(Self::Active),
            (Self::Deactivated, false) => Ok(Self::Invited),
            _ => Err(Refusal("the account is not deactivated".to_owned())),
        }
    }
}

/// One person's account; never shared, never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// What people know it by.
    pub user_id: UserId,
    /// Where its mail goes, and what its owner signs in with.
    pub email: EmailAddress,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Telephone number, as its owner wrote it.
    pub phone: Option<String>,
    /// Where it stands.
    pub state: AccountState,
    /// Until when sign-in is refused after wrong passwords or codes.
    pub locked_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

impl Account {
    /// Given and family name.
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// Whether sign-in is refused for now, whatever is given.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }
}

/// Tries at a password or a code, right or wrong, until one succeeds, that are answered without a wait.
const FREE_TRIES: i64 = 8;
/// The first wait; each further try doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// No wait is longer: nobody is locked out for good, whoever tries.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// How long an account waits after so many tries in a row without success.
pub fn wait_after(tries: i64) -> Option<Duration> {
    let beyond = u32::try_from(tries.checked_sub(FREE_TRIES)?).ok()?;
    Some(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(beyond)).min(LONGEST_WAIT))
}

words! {
    /// What an account is in an organization. Source: domain notes 6.4 and 6.5.
    Role {
        /// Answers for the organization and manages its users.
        Representative = "representative",
        /// The contact for data exchange.
        DataExchange = "data-exchange",
        /// The EHR vendor's contact.
        Vendor = "vendor",
        /// Works for a Sending Facility.
        FacilityOperator = "facility-operator",
        /// Watches the data exchange of its Site.
        DxQa = "dx-qa",
        /// Looks patients up.
        ReadOnly = "read-only",
        /// Enters and corrects patients and doses.
        Regular = "regular",
        /// Regular, and the inventory.
        Power = "power",
    }
}

/// What somebody must have learnt before the first password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingNeed {
    /// A webinar or a class, recorded by staff before the password link goes out.
    Course,
    /// Nothing.
    None,
    /// Videos, to which the invitation links; nobody records them.
    Videos,
}

impl Role {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Representative => "Authorized representative",
            Self::DataExchange => "Data Exchange Contact",
            Self::Vendor => "Vendor contact",
            Self::FacilityOperator => "Sending Facility operator",
            Self::DxQa => "Data exchange quality (DX QA)",
            Self::ReadOnly => "Read-Only",
            Self::Regular => "Regular",
            Self::Power => "Power",
        }
    }

    /// Whether members of an organization with this access level may have the role. Deduced: domain notes 6.4.
    pub const fn is_open_to(self, level: AccessLevel) -> bool {
        match self {
            Self::Representative | Self::ReadOnly => true,
            Self::DataExchange | Self::Vendor | Self::FacilityOperator | Self::DxQa => {
                matches!(level, AccessLevel::DataExchange)
            }
            Self::Regular => !matches!(level, AccessLevel::ReadOnly),
            Self::Power => matches!(level, AccessLevel::DataExchange | AccessLevel::Clinical),
        }
    }

    /// What has to be learnt first. Source: seed 003; domain notes 6.4.
    pub const fn training(self) -> TrainingNeed {
        match self {
            Self::Regular | Self::Power => TrainingNeed::Course,
            Self::ReadOnly => TrainingNeed::Videos,
            Self::Representative
            | Self::DataExchange
            | Self::Vendor
            | Self::FacilityOperator
            | Self::DxQa => TrainingNeed::None,
        }
    }

    /// Whether nobody may act in the role without a second factor.
    pub const fn needs_second_factor(self) -> bool {
        matches!(self, Self::FacilityOperator)
    }
}

words! {
    /// Whether a role in an organization holds.
    MembershipState {
        /// It does.
        Active = "active",
        /// It will when the training is recorded.
        AwaitingTraining = "awaiting-training",
        /// Ended; it may be given again.
        Inactive = "inactive",
    }
}

impl MembershipState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::AwaitingTraining => "Waits for training",
            Self::Inactive => "Ended",
        }
    }

    /// How a role begins, and how it goes on when an ended one is given again.
    pub fn at_first(role: Role, trained: bool) -> Self {
        if role.training() == TrainingNeed::Course && !trained {
            Self::AwaitingTraining
        } else {
            Self::Active
        }
    }
}

/// A role of an account in an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub role: Role,
    /// Whether it holds.
    pub state: MembershipState,
    /// When that last changed.
    pub changed_at: Timestamp,
}

words! {
    /// What an account may do for CDPH. Source: domain notes 6.5.
    StaffRole {
        /// Reviews, promotes, suspends and comments registrations.
        Onboarding = "onboarding",
        /// Looks up, sends mails again, unlocks; never sees secrets or bodies.
        HelpDesk = "help-desk",
        /// Approves enrolments and updates, records training.
        Registrar = "registrar",
        /// Reads the audit trail.
        Auditor = "auditor",
        /// Runs the service and manages staff; sees no bodies.
        Administrator = "administrator",
    }
}

impl StaffRole {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onboarding => "Onboarding specialist",
            Self::HelpDesk => "Help desk",
            Self::Registrar => "Registrar",
            Self::Auditor => "Auditor",
            Self::Administrator => "Administrator",
        }
    }
}

/// A staff role, for one region or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StaffGrant {
    /// Which.
    pub role: StaffRole,
    /// Where; nothing means everywhere.
    pub region: Option<RegionCode>,
}

words! {
    /// How a course was given.
    Course {
        /// In a room.
        Class = "class",
        /// Live, over the network.
        Webinar = "webinar",
    }
}

impl Course {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "Class in person",
            Self::Webinar => "Webinar",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_access_level_has_its_roles() {
        let open =
            |level| Role::ALL.iter().filter(move |role| role.is_open_to(level)).map(|r| r.word());
        let words = |level| open(level).collect::<Vec<_>>().join(" ");

        assert_eq!(
            words(AccessLevel::DataExchange),
            "representative data-exchange vendor facility-operator dx-qa read-only regular power"
        );
        assert_eq!(words(AccessLevel::Clinical), "representative read-only regular power");
        assert_eq!(words(AccessLevel::LimitedClinical), "representative read-only regular");
        assert_eq!(words(AccessLevel::ReadOnly), "representative read-only");
    }

    #[test]
    fn only_those_who_enter_data_take_a_course() {
        let course: Vec<_> =
            Role::ALL.iter().filter(|role| role.training() == TrainingNeed::Course).collect();

        assert_eq!(course, [&Role::Regular, &Role::Power]);
        assert_eq!(Role::ReadOnly.training(), TrainingNeed::Videos);
        assert_eq!(Role::DxQa.training(), TrainingNeed::None);
    }

    #[test]
    fn waits_grow_and_never_become_a_lock() {
        let seconds = |tries| wait_after(tries).map(|wait| wait.as_secs());

        assert_eq!((seconds(0), seconds(7)), (None, None));
        assert_eq!([8, 9, 10, 11, 12].map(seconds), [30, 60, 120, 240, 480].map(Some));
        assert_eq!((seconds(13), seconds(1_000_000)), (Some(900), Some(900)));
    }

    #[test]
    fn an_account_is_closed_once_and_comes_back_as_far_as_it_had_come() {
        for state in [AccountState::Invited, AccountState::Active] {
            assert_eq!(state.deactivate(), Ok(AccountState::Deactivated));
            assert!(state.reactivate(true).is_err());
        }
        assert!(AccountState::Deactivated.deactivate().is_err());
        assert_eq!(AccountState::Deactivated.reactivate(true), Ok(AccountState::Active));
        assert_eq!(AccountState::Deactivated.reactivate(false), Ok(AccountState::Invited));
    }
}
