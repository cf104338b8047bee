//! Who may do what: one table for the roles in organizations, one for staff, and the person who asks.
//!
//! What is not in a table is not allowed. Source: domain notes 6.2 and 6.5.

use crate::domain::{
    Account, AccountState, Membership, MembershipState, OrganizationId, RegionCode, Role,
    StaffGrant, StaffRole, words,
};

words! {
    /// Something that needs a permission.
    Permission {
        /// Accept a new version of the agreement.
        AcceptAgreement = "accept-agreement",
        /// Change what an organization and its Sites say of themselves; its clinicians.
        EditOrganization = "edit-organization",
        /// Ask for and accept links between a Sending Facility and its client Sites.
        ManageLinks = "manage-links",
        /// Register further Sites, one by one or in bulk.
        ManageSites = "manage-sites",
        /// Add users, change their roles, deactivate and reactivate them.
        ManageUsers = "manage-users",
        /// Rotate and revoke any credential; its new secret is shown once.
        RotateCredential = "rotate-credential",
        /// Rotate a test credential; its new secret is shown once.
        RotateTestCredential = "rotate-test-credential",
        /// Use the tool that judges a message without sending it, as the Site would.
        UseTestTool = "use-test-tool",
        /// See the text of messages and replies.
        ViewBodies = "view-bodies",
        /// See which credentials there are, without secrets.
        ViewCredentials = "view-credentials",
        /// See who changed what in an organization.
        ViewHistory = "view-history",
        /// See messages without their text, their findings, dashboards.
        ViewMessages = "view-messages",
        /// See an organization, its Sites and contacts.
        ViewOrganization = "view-organization",
        /// See the users of an organization.
        ViewUsers = "view-users",

        /// Write notices that stand above pages.
        Announce = "announce",
        /// Deactivate and reactivate any account, take a lost second factor away.
        CloseAccount = "close-account",
        /// Change settings, mail templates, rules and destinations.
        Configure = "configure",
        /// Approve, decline and ask about enrolments.
        DecideEnrolment = "decide-enrolment",
        /// Look at registrations, promote and suspend Sites.
        DecideRegistration = "decide-registration",
        /// Approve, decline and ask about updates.
        DecideUpdate = "decide-update",
        /// See which letters went out, send one again, give one up; never their words.
        ManageMail = "manage-mail",
        /// Give and take staff roles.
        ManageStaff = "manage-staff",
        /// Pause, resume and drain destinations, decide what waits for review.
        Operate = "operate",
        /// Read, verify and export the audit trail.
        ReadAudit = "read-audit",
        /// Record that somebody was trained.
        RecordTraining = "record-training",
        /// Send an invitation or another mail again.
        ResendMail = "resend-mail",
        /// See what a user sees, without changing anything.
        SeeAs = "see-as",
        /// Let somebody sign in again at once.
        UnlockAccount = "unlock-account",
        /// See accounts of others.
        ViewAccounts = "view-accounts",
        /// See the text of test messages, never of those for production.
        ViewTestBodies = "view-test-bodies",
    }
}

impl Permission {
    /// Whether it only shows, and nothing of a message's text: what staff may who see as an organization's people see.
    pub const fn only_shows(self) -> bool {
        matches!(
            self,
            Self::ViewCredentials
                | Self::ViewHistory
                | Self::ViewMessages
                | Self::ViewOrganization
                | Self::ViewUsers
        )
    }
}

impl Role {
    /// Whether a member with this role may do it in its organization.
    pub const fn permits(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Representative => matches!(
                permission,
                P::AcceptAgreement
                    | P::EditOrganization
                    | P::ManageLinks
                    | P::ManageSites
                    | P::ManageUsers
                    | P::RotateCredential
                    | P::RotateTestCredential
                    | P::UseTestTool
                    | P::ViewBodies
                    | P::ViewCredentials
                    | P::ViewHistory
                    | P::ViewMessages
                    | P::ViewOrganization
                    | P::ViewUsers
            ),
            Self::DataExchange | Self::Vendor => matches!(
                permission,
                P::RotateTestCredential
                    | P::UseTestTool
                    | P::ViewBodies
                    | P::ViewCredentials
                    | P::ViewMessages
                    | P::ViewOrganization
            ),
            Self::FacilityOperator => matches!(
                permission,
                P::ManageLinks
                    | P::RotateTestCredential
                    | P::UseTestTool
                    | P::ViewBodies
                    | P::ViewCredentials
                    | P::ViewMessages
                    | P::ViewOrganization
            ),
            Self::DxQa => matches!(permission, P::ViewMessages | P::ViewOrganization),
            Self::ReadOnly | Self::Regular | Self::Power => {
                matches!(permission, P::ViewOrganization)
            }
        }
    }
}

impl StaffRole {
    /// Whether staff with this role may do it in the regions of the role.
    pub const fn permits(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Onboarding => matches!(
                permission,
                P::DecideRegistration
                    | P::ResendMail
                    | P::SeeAs
                    | P::ViewAccounts
                    | P::ViewCredentials
                    | P::ViewHistory
                    | P::ViewMessages
                    | P::ViewOrganization
                    | P::ViewTestBodies
                    | P::ViewUsers
            ),
            Self::HelpDesk => matches!(
                permission,
                P::Announce
                    | P::CloseAccount
                    | P::ManageMail
                    | P::ResendMail
                    | P::SeeAs
                    | P::UnlockAccount
                    | P::ViewAccounts
                    | P::ViewHistory
                    | P::ViewMessages
                    | P::ViewOrganization
                    | P::ViewUsers
            ),
            Self::Registrar => matches!(
                permission,
                P::DecideEnrolment
                    | P::DecideUpdate
                    | P::RecordTraining
                    | P::ResendMail
                    | P::SeeAs
                    | P::ViewAccounts
                    | P::ViewHistory
                    | P::ViewOrganization
                    | P::ViewUsers
            ),
            Self::Auditor => matches!(permission, P::ReadAudit | P::ViewHistory),
            Self::Administrator => matches!(
                permission,
                P::Announce
                    | P::CloseAccount
                    | P::Configure
                    | P::ManageMail
                    | P::ManageStaff
                    | P::Operate
                    | P::UnlockAccount
                    | P::ViewAccounts
                    | P::ViewMessages
                    | P::ViewOrganization
                    | P::ViewUsers
            ),
        }
    }
}

/// The second factor of a person in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// None is set up.
    Absent,
    /// One is set up and was not shown in this session.
    Due,
    /// It was shown in this session.
    Shown,
}

/// What a session is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The second factor must be shown first.
    SecondFactorDue,
    /// A second factor must be set up first.
    SecondFactorMissing,
    /// Signed in.
    SignedIn,
}

/// Where staff may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// In these regions.
    Regions(Vec<RegionCode>),
    /// Nowhere.
    Nowhere,
}

impl Scope {
    /// Where staff roles permit it.
    pub fn of(grants: &[StaffGrant], permission: Permission) -> Self {
        let permitting = || grants.iter().filter(|one| one.role.permits(permission));
        if permitting().next().is_none() {
            return Self::Nowhere;
        }
        let regions = permitting().map(|one| one.region).collect::<Option<_>>();
        regions.map_or(Self::All, Self::Regions)
    }

    /// Whether something that lies in this region, or in none, is inside.
    pub fn covers(&self, region: Option<RegionCode>) -> bool {
        match self {
            Self::All => true,
            Self::Regions(regions) => region.is_some_and(|region| regions.contains(&region)),
            Self::Nowhere => false,
        }
    }
}

/// The person who asks, as the store knew it at the moment of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub account: Account,
    /// Roles in organizations, whatever their state.
    pub memberships: Vec<Membership>,
    /// Staff roles.
    pub staff: Vec<StaffGrant>,
    /// How far sign-in has come.
    pub second_factor: SecondFactor,
}

impl Principal {
    /// What the session is good for.
    pub fn standing(&self) -> Standing {
        match self.second_factor {
            SecondFactor::Due => Standing::SecondFactorDue,
            SecondFactor::Absent if self.needs_second_factor() => Standing::SecondFactorMissing,
            SecondFactor::Absent | SecondFactor::Shown => Standing::SignedIn,
        }
    }

    /// Whether a second factor is not left to the person's choice.
    pub fn needs_second_factor(&self) -> bool {
        !self.staff.is_empty() || self.active().any(|one| one.role.needs_second_factor())
    }

    /// Whether the person has anything to do here: a role that holds, or one that will after training.
    pub fn has_place(&self) -> bool {
        !self.staff.is_empty()
            || self.memberships.iter().any(|one| one.state != MembershipState::Inactive)
    }

    /// Whether the person may do it in an organization, as a member. Nothing before sign-in is complete.
    pub fn may(&self, permission: Permission, organization: OrganizationId) -> bool {
        self.is_in()
            && self
                .active()
                .any(|one| one.organization == organization && one.role.permits(permission))
    }

    /// Whether the person may do it as staff with something that lies in this region, or in none.
    pub fn may_as_staff(&self, permission: Permission, region: Option<RegionCode>) -> bool {
        self.scope(permission).covers(region)
    }

    /// Where the person may do it as staff.
    pub fn scope(&self, permission: Permission) -> Scope {
        if self.is_in() { Scope::of(&self.staff, permission) } else { Scope::Nowhere }
    }

    /// The organizations where the person may do it as a member.
    pub fn organizations(&self, permission: Permission) -> Vec<OrganizationId> {
        if !self.is_in() {
            return vec![];
        }
        let mut found: Vec<_> = self
            .active()
            .filter(|one| one.role.permits(permission))
            .map(|one| one.organization)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn is_in(&self) -> bool {
        self.account.state == AccountState::Active && self.standing() == Standing::SignedIn
    }

    fn active(&self) -> impl Iterator<Item = &Membership> {
        self.memberships.iter().filter(|one| one.state == MembershipState::Active)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{AccountId, Timestamp, UserId};

    use super::*;

    const HERE: OrganizationId = OrganizationId(1);
    const ELSEWHERE: OrganizationId = OrganizationId(2);

    /// The whole matrix: each role with all it may do, in the order of the list.
    const ROLES: &[(Role, &str)] = &[
        (
            Role::Representative,
            "accept-agreement edit-organization manage-links manage-sites manage-users rotate-credential \
             rotate-test-credential use-test-tool view-bodies view-credentials view-history view-messages \
             view-organization view-users",
        ),
        (
            Role::DataExchange,
            "rotate-test-credential use-test-tool view-bodies view-credentials view-messages view-organization",
        ),
        (
            Role::Vendor,
            "rotate-test-credential use-test-tool view-bodies view-credentials view-messages view-organization",
        ),
        (
            Role::FacilityOperator,
            "manage-links rotate-test-credential use-test-tool view-bodies view-credentials view-messages \
             view-organization",
        ),
        (Role::DxQa, "view-messages view-organization"),
        (Role::ReadOnly, "view-organization"),
        (Role::Regular, "view-organization"),
        (Role::Power, "view-organization"),
    ];

    const STAFF: &[(StaffRole, &str)] = &[
        (
            StaffRole::Onboarding,
            "view-credentials view-history view-messages view-organization view-users \
             decide-registration resend-mail see-as view-accounts view-test-bodies",
        ),
        (
            StaffRole::HelpDesk,
            "view-history view-messages view-organization view-users announce close-account manage-mail resend-mail see-as \
             unlock-account view-accounts",
        ),
        (
            StaffRole::Registrar,
            "view-history view-organization view-users decide-enrolment decide-update record-training \
             resend-mail see-as view-accounts",
        ),
        (StaffRole::Auditor, "view-history read-audit"),
        (
            StaffRole::Administrator,
            "view-messages view-organization view-users announce close-account configure manage-mail manage-staff operate \
             unlock-account view-accounts",
        ),
    ];

    fn principal(roles: &[(Role, OrganizationId, MembershipState)]) -> Principal {
        let (account, now) = (AccountId(7), Timestamp::now());
        let membership = |&(role, organization, state)| Membership {
            account,
            organization,
            role,
            state,
            changed_at: now,
        };
        Principal {
            account: Account {
                id: account,
                user_id: UserId::of(account),
                email: "rosa@example.org".parse().unwrap(),
                first_name: "Rosa".to_owned(),
                last_name: "Inventa".to_owned(),
                phone: None,
                state: AccountState::Active,
                locked_until: None,
                created_at: now,
                last_sign_in_at: None,
            },
            memberships: roles.iter().map(membership).collect(),
            staff: vec![],
            second_factor: SecondFactor::Shown,
        }
    }

    fn staff(role: StaffRole, region: Option<&str>) -> Principal {
        let region = region.map(|code| code.parse().unwrap());
        Principal { staff: vec![StaffGrant { role, region }], ..principal(&[]) }
    }

    fn allowed(may: impl Fn(Permission) -> bool) -> String {
        let words = Permission::ALL.iter().filter(|one| may(**one)).map(|one| one.word());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_role_may_do_what_the_matrix_says_in_its_organization_and_nothing_elsewhere() {
        assert_eq!(ROLES.len(), Role::ALL.len());
        for (role, expected) in ROLES {
            let member = principal(&[(*role, HERE, MembershipState::Active)]);
            assert_eq!(allowed(|one| member.may(one, HERE)), *expected, "{role}");
            assert_eq!(allowed(|one| member.may(one, ELSEWHERE)), "", "{role}");
            assert_eq!(allowed(|one| member.may_as_staff(one, None)), "", "{role}");
        }
    }

    #[test]
    fn each_staff_role_may_do_what_the_matrix_says_in_its_regions_and_nothing_elsewhere() {
        let (here, elsewhere) = ("CAIRBA".parse().ok(), "CAIRLO".parse().ok());
        assert_eq!(STAFF.len(), StaffRole::ALL.len());
        for (role, expected) in STAFF {
            let (one, all) = (staff(*role, Some("CAIRBA")), staff(*role, None));
            assert_eq!(allowed(|it| one.may_as_staff(it, here)), *expected, "{role}");
            assert_eq!(allowed(|it| one.may_as_staff(it, elsewhere)), "", "{role}");
            assert_eq!(
                allowed(|it| one.may_as_staff(it, None)),
                "",
                "what lies in no region: {role}"
            );
            assert_eq!(allowed(|it| all.may_as_staff(it, elsewhere)), *expected, "{role}");
            assert_eq!(allowed(|it| all.may_as_staff(it, None)), *expected, "{role}");
            assert_eq!(allowed(|it| all.may(it, HERE)), "", "staff are no members: {role}");
        }
    }

    #[test]
    fn the_help_desk_and_administrators_see_no_secrets_and_no_bodies() {
        for role in [StaffRole::HelpDesk, StaffRole::Administrator, StaffRole::Auditor] {
            for permission in [
                Permission::ViewBodies,
                Permission::ViewCredentials,
                Permission::RotateCredential,
                Permission::RotateTestCredential,
            ] {
                assert!(!role.permits(permission), "{role} {permission}");
            }
        }
    }

    #[test]
    fn only_roles_that_hold_count() {
        for state in [MembershipState::AwaitingTraining, MembershipState::Inactive] {
            let member = principal(&[(Role::Representative, HERE, state)]);
            assert_eq!(allowed(|one| member.may(one, HERE)), "", "{state}");
            assert_eq!(member.has_place(), state == MembershipState::AwaitingTraining);
        }
    }

    #[test]
    fn nothing_is_allowed_before_the_second_factor_that_there_is_or_must_be() {
        let operator = |second_factor| Principal {
            second_factor,
            ..principal(&[(Role::FacilityOperator, HERE, MembershipState::Active)])
        };
        let member = |second_factor| Principal {
            second_factor,
            ..principal(&[(Role::Representative, HERE, MembershipState::Active)])
        };
        let administrator =
            |second_factor| Principal { second_factor, ..staff(StaffRole::Administrator, None) };

        for second_factor in [SecondFactor::Absent, SecondFactor::Due] {
            assert_eq!(allowed(|one| operator(second_factor).may(one, HERE)), "");
            assert_eq!(allowed(|one| administrator(second_factor).may_as_staff(one, None)), "");
        }
        assert_eq!(operator(SecondFactor::Absent).standing(), Standing::SecondFactorMissing);
        assert_eq!(member(SecondFactor::Due).standing(), Standing::SecondFactorDue);
        assert_eq!(allowed(|one| member(SecondFactor::Due).may(one, HERE)), "");
        assert!(
            member(SecondFactor::Absent).may(Permission::ManageUsers, HERE),
            "it is their choice"
        );
    }

    #[test]
    fn a_closed_account_may_do_nothing() {
        let mut member = principal(&[(Role::Representative, HERE, MembershipState::Active)]);
        member.account.state = AccountState::Deactivated;

        assert_eq!(allowed(|one| member.may(one, HERE)), "");
        assert_eq!(member.organizations(Permission::ViewOrganization), []);
    }

    #[test]
    fn one_person_may_be_different_things_in_two_organizations_and_two_regions() {
        let active = MembershipState::Active;
        let mut both =
            principal(&[(Role::Representative, HERE, active), (Role::DxQa, ELSEWHERE, active)]);
        both.staff = ["CAIRBA", "CAIRLO"]
            .map(|code| StaffGrant { role: StaffRole::Registrar, region: code.parse().ok() })
            .to_vec();

        assert_eq!(both.organizations(Permission::ViewMessages), [HERE, ELSEWHERE]);
        assert_eq!(both.organizations(Permission::ManageUsers), [HERE]);
        let regions = both.staff.iter().filter_map(|one| one.region).collect();
        assert_eq!(both.scope(Permission::DecideUpdate), Scope::Regions(regions));
        assert_eq!(both.scope(Permission::ReadAudit), Scope::Nowhere);
    }
}
