//! Accounts: who is let in and as what, what people change of themselves, and what the help desk does for them.

use std::time::Duration;

use crate::domain::{
    Account, AccountId, AccountState, By, Course, EmailAddress, LinkPurpose, Membership,
    MembershipState, OneTimeToken, OrganizationId, Permission, Refusal, Role, StaffGrant,
    TrainingNeed, Weakness,
};
use crate::sites::{Browser, SignedIn, Sites};
use crate::store::{Deed, NewAccount, NewLink, NewMembership, NewTraining, StoreError};

/// How long the link to a new address is good. Source: domain notes 7.3.
const CONFIRM_WITHIN: Duration = Duration::from_hours(24);

/// Why something about an account was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// They may not, or it is not there: the two are not told apart.
    #[error("not permitted")]
    Forbidden,
    /// They have to show first that they are there, by a password or a second factor.
    #[error("the password or the second factor has to be shown again")]
    StepUp,
    /// It could not be done.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The browser's address asks too often.
    #[error("too many tries from one address")]
    TooMany,
    /// The password is not taken.
    #[error("the password is not taken")]
    Weak(Weakness),
}

impl AccountError {
    pub(super) fn refused(text: &str) -> Self {
        Self::Store(Refusal(text.to_owned()).into())
    }
}

/// Somebody who is to have an account, or further roles in the one that they have.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Where their mail goes.
    pub email: EmailAddress,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Telephone number.
    pub phone: Option<String>,
    /// What they will be.
    pub roles: Vec<Role>,
}

/// What came of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invited {
    /// They wait for training; no link has gone out.
    AwaitingTraining,
    /// Their mailbox has had too many letters already; none went out.
    Capped,
    /// They had an account: there is nothing to set.
    Known,
    /// A link is on its way.
    Sent,
}

impl Sites {
    /// Adds a user to an organization: an account with an invitation, or further roles in the account that they have.
    pub async fn user_add(
        &self,
        who: &SignedIn,
        organization: OrganizationId,
        new: NewUser,
        browser: &Browser,
    ) -> Result<(Account, Invited), AccountError> {
        Self::must(who, Permission::ManageUsers, organization)?;
        self.user_add_as(organization, new, who.by(browser)).await
    }

    /// The same by somebody whose right was looked at already: staff, or the service itself.
    pub async fn user_add_as(
        &self,
        organization: OrganizationId,
        new: NewUser,
        by: By,
    ) -> Result<(Account, Invited), AccountError> {
        if new.roles.is_empty() {
            return Err(AccountError::refused("a user needs a role"));
        }
        if let Some(account) = self.store.account_by_email(new.email.clone()).await? {
            let known = self.user_again(account, organization, &new.roles, by.clone()).await?;
            let invited = self.invite(known.id, by).await?;
            return Ok((known, invited));
        }
        let (token, secret) = self.new_invitation()?;
        let waits = new.roles.iter().all(|role| role.training() == TrainingNeed::Course);
        let letter = if waits {
            self.awaiting_training(&new.email, &new.first_name)
        } else {
            self.invitation((&new.email, &new.first_name), &new.roles, &token)
        };
        let account = NewAccount {
            email: new.email,
            first_name: new.first_name,
            last_name: new.last_name,
            phone: new.phone,
            roles: new.roles.into_iter().map(|role| (organization, role)).collect(),
            staff: vec![],
        };
        let invitation = Some(secret).filter(|_| !waits);
        let account =
            self.store.account_create(account, invitation, Deed::from(by).with(letter)).await?;
        Ok((account, if waits { Invited::AwaitingTraining } else { Invited::Sent }))
    }

    async fn user_again(
        &self,
        account: Account,
        organization: OrganizationId,
        roles: &[Role],
        by: By,
    ) -> Result<Account, AccountError> {
        if account.state == AccountState::Deactivated {
            return Err(AccountError::refused(
                "this account was closed by the help desk: ask there",
            ));
        }
        let mut deed = Deed::from(by);
        // Who has no password yet gets another invitation, not a word about signing in.
        if account.state == AccountState::Active {
            let name = self.store.organization_name(organization).await?;
            deed = deed.with(self.added(&account, &name));
        }
        for role in roles {
            let new = NewMembership { account: account.id, organization, role: *role };
            self.store.membership_grant(new, deed.clone()).await?;
            deed.letters.clear();
        }
        Ok(account)
    }

    /// Gives a user of an organization these roles and no others.
    pub async fn user_roles(
        &self,
        who: &SignedIn,
        (organization, user): (OrganizationId, AccountId),
        roles: Vec<Role>,
        browser: &Browser,
    ) -> Result<Vec<Membership>, AccountError> {
        self.must_know(who, organization, user).await?;
        if roles.is_empty() {
            return Err(AccountError::refused("a user needs a role; deactivate who needs none"));
        }
        let deed = who.by(browser).into();
        Ok(self.store.membership_set(user, organization, roles, deed).await?)
    }

    /// Changes name and telephone number of a user whom nobody else manages.
    pub async fn user_profile(
        &self,
        who: &SignedIn,
        (organization, user): (OrganizationId, AccountId),
        profile: (String, String, Option<String>),
        browser: &Browser,
    ) -> Result<Account, AccountError> {
        self.must_know(who, organization, user).await?;
        let ours = who.principal.organizations(Permission::ManageUsers);
        let memberships = self.store.membership_of_account(user).await?;
        let elsewhere = memberships
            .iter()
            .any(|one| one.state != MembershipState::Inactive && !ours.contains(&one.organization));
        if elsewhere || !self.store.staff_of_account(user).await?.is_empty() {
            return Err(AccountError::refused(
                "this user works for others, too: they change their name themselves",
            ));
        }
        let deed = who.by(browser).into();
        Ok(self.store.account_profile_change(user, profile, deed).await?)
    }

    /// Mails another invitation to a user of an organization.
    pub async fn user_invite(
        &self,
        who: &SignedIn,
        (organization, user): (OrganizationId, AccountId),
        browser: &Browser,
    ) -> Result<Invited, AccountError> {
        self.must_know(who, organization, user).await?;
        self.invite(user, who.by(browser)).await
    }

    /// Deactivates a user in an organization. Whoever has no place left is signed out in the same transaction.
    pub async fn user_deactivate(
        &self,
        who: &SignedIn,
        (organization, user): (OrganizationId, AccountId),
        browser: &Browser,
    ) -> Result<Vec<Membership>, AccountError> {
        self.must_know(who, organization, user).await?;
        let deed = who.by(browser).into();
        Ok(self.store.membership_deactivate(user, organization, deed).await?)
    }

    /// Reactivates a user in an organization.
    pub async fn user_reactivate(
        &self,
        who: &SignedIn,
        (organization, user): (OrganizationId, AccountId),
        browser: &Browser,
    ) -> Result<Vec<Membership>, AccountError> {
        self.must_know(who, organization, user).await?;
        let deed = who.by(browser).into();
        Ok(self.store.membership_reactivate(user, organization, deed).await?)
    }

    /// Mails another invitation to somebody who has no password yet.
    pub async fn invite(&self, id: AccountId, by: By) -> Result<Invited, AccountError> {
        let account = self.store.account_by_id(id).await?;
        if account.state != AccountState::Invited {
            return Ok(Invited::Known);
        }
        if !self.may_be_invited(&account).await? {
            return Ok(Invited::AwaitingTraining);
        }
        let (token, secret) = self.new_invitation()?;
        let roles = self.roles_of(id).await?;
        let letter = self.invitation((&account.email, &account.first_name), &roles, &token);
        let to = Some((id, LinkPurpose::SetPassword));
        let sent = self.store.password_link(to, secret, Deed::from(by).with(letter)).await?;
        Ok(if sent { Invited::Sent } else { Invited::Capped })
    }

    /// Records that somebody was trained; who waited for it is invited now. Tells whether they were.
    pub async fn training_record(
        &self,
        who: &SignedIn,
        id: AccountId,
        (course, completed_on): (Course, chrono::NaiveDate),
        browser: &Browser,
    ) -> Result<bool, AccountError> {
        if completed_on > browser.now.utc().date_naive() {
            return Err(AccountError::refused("the day of the training is in the future"));
        }
        let account = self.store.account_by_id(id).await?;
        let (token, secret) = self.new_invitation()?;
        let roles = self.roles_of(id).await?;
        let letter = self.invitation((&account.email, &account.first_name), &roles, &token);
        let new = NewTraining { account: id, course, completed_on, recorded_by: who.id() };
        let deed = Deed::from(who.by(browser)).with(letter);
        Ok(self.store.training_record(new, secret, deed).await?)
    }

    /// Whether an account without a password may get the link for one: not while all its roles wait for training.
    pub(super) async fn may_be_invited(&self, account: &Account) -> Result<bool, StoreError> {
        if account.state != AccountState::Invited {
            return Ok(false);
        }
        let memberships = self.store.membership_of_account(account.id).await?;
        let active = memberships.iter().any(|one| one.state == MembershipState::Active);
        Ok(active || !self.store.staff_of_account(account.id).await?.is_empty())
    }

    async fn roles_of(&self, id: AccountId) -> Result<Vec<Role>, StoreError> {
        let memberships = self.store.membership_of_account(id).await?;
        let held = memberships.iter().filter(|one| one.state != MembershipState::Inactive);
        Ok(held.map(|one| one.role).collect())
    }

    /// Changes one's name and telephone number.
    pub async fn profile_change(
        &self,
        who: &SignedIn,
        profile: (String, String, Option<String>),
        browser: &Browser,
    ) -> Result<Account, AccountError> {
        if who.is_half_way() {
            return Err(AccountError::StepUp);
        }
        let deed = who.by(browser).into();
        Ok(self.store.account_profile_change(who.id(), profile, deed).await?)
    }

    /// Mails a link to a new address; nothing changes before it is used. The old address is told at once.
    pub async fn email_change(
        &self,
        who: &SignedIn,
        new: &EmailAddress,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        who.may_change_factors(browser.now)?;
        let account = &who.principal.account;
        let (token, secret) = self.new_link_for(CONFIRM_WITHIN)?;
        let link = NewLink {
            detail: Some(new.as_str().to_owned()),
            ..secret.link(LinkPurpose::ConfirmEmail, account.id.to_string())
        };
        let what = "A new email address was given for this account. It holds once the new address is confirmed.";
        let notice = self.changed(account, "A new email address for your account", what);
        let deed =
            Deed::from(who.by(browser)).with(self.confirm_email(account, new, &token)).with(notice);
        self.store.link_issue(link, deed).await?;
        Ok(())
    }

    /// Looks at a link to a new address without using it.
    pub async fn email_link(
        &self,
        token: &str,
        browser: &Browser,
    ) -> Result<Option<(Account, EmailAddress)>, StoreError> {
        let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(None) };
        let hash = token.hash(&self.key);
        let link = self.store.link_peek(hash, LinkPurpose::ConfirmEmail, browser.now).await?;
        let parts = link.and_then(|link| {
            Some((link.subject.parse().ok()?, link.detail?.parse::<EmailAddress>().ok()?))
        });
        let Some((id, email)) = parts else { return Ok(None) };
        Ok(Some((self.store.account_by_id(id).await?, email)))
    }

    /// Takes over a new address by the link that was sent to it; nothing when the link does not hold, or the address has
    /// become another account's.
    pub async fn email_confirm(
        &self,
        token: &str,
        browser: &Browser,
    ) -> Result<Option<Account>, StoreError> {
        let Some((before, new)) = self.email_link(token, browser).await? else { return Ok(None) };
        let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(None) };
        let what = format!("This account has another email address now: {new}.");
        let notice = self.changed(&before, "Your email address was changed", &what);
        let by = By::account(before.id.0, &browser.address, browser.now);
        let deed = Deed::from(by).with(notice);
        match self.store.account_email_change(token.hash(&self.key), deed).await {
            Err(StoreError::Conflict) => Ok(None),
            other => other,
        }
    }

    /// Closes an account; its sessions end with it.
    pub async fn account_deactivate(&self, id: AccountId, by: By) -> Result<Account, StoreError> {
        self.store.account_deactivate(id, by.into()).await
    }

    /// Opens a closed account again.
    pub async fn account_reactivate(&self, id: AccountId, by: By) -> Result<Account, StoreError> {
        self.store.account_reactivate(id, by.into()).await
    }

    /// Lets somebody try again at once.
    pub async fn account_unlock(&self, id: AccountId, by: By) -> Result<Account, StoreError> {
        self.store.account_unlock(id, by.into()).await
    }

    /// Takes the second factors of somebody who has lost them; they sign in with their password and set up another one.
    pub async fn second_factor_clear(&self, id: AccountId, by: By) -> Result<(), StoreError> {
        let account = self.store.account_by_id(id).await?;
        let what =
            "The help desk removed every second factor of this account, as somebody asked there.";
        let notice = self.changed(&account, "Your second factor was removed", what);
        self.store.second_factor_clear(id, Deed::from(by).with(notice)).await
    }

    /// The address where an account sets its first or another password, to be handed over by whoever runs the service.
    ///
    /// # Errors
    /// When the account is closed, or waits for training.
    pub async fn account_link(&self, id: AccountId, by: By) -> Result<String, AccountError> {
        let account = self.store.account_by_id(id).await?;
        let purpose = match account.state {
            AccountState::Active => LinkPurpose::RecoverPassword,
            AccountState::Invited if self.may_be_invited(&account).await? => {
                LinkPurpose::SetPassword
            }
            AccountState::Invited => {
                return Err(AccountError::refused("the account waits for training"));
            }
            AccountState::Deactivated => {
                return Err(AccountError::refused(
                    "the account is deactivated; reactivate it first",
                ));
            }
        };
        let (token, secret) = self.new_invitation()?;
        self.store.password_link(Some((id, purpose)), secret, by.into()).await?;
        Ok(self.password_url(&token))
    }

    /// Gives somebody a staff role; makes an account for who has none, with the address where the first password is set.
    pub async fn staff_add(
        &self,
        new: NewUser,
        grant: StaffGrant,
        by: By,
    ) -> Result<(Account, Option<String>), AccountError> {
        if let Some(account) = self.store.account_by_email(new.email.clone()).await? {
            self.store.staff_grant(account.id, grant, by.into()).await?;
            return Ok((account, None));
        }
        let (token, secret) = self.new_invitation()?;
        let account = NewAccount {
            email: new.email,
            first_name: new.first_name,
            last_name: new.last_name,
            phone: new.phone,
            roles: vec![],
            staff: vec![grant],
        };
        let account = self.store.account_create(account, Some(secret), by.into()).await?;
        Ok((account, Some(self.password_url(&token))))
    }

    /// Takes one staff role, or all.
    pub async fn staff_remove(
        &self,
        id: AccountId,
        one: Option<StaffGrant>,
        by: By,
    ) -> Result<Vec<StaffGrant>, StoreError> {
        self.store.staff_revoke(id, one, by.into()).await
    }

    /// The right to something in an organization.
    pub(super) fn must(
        who: &SignedIn,
        permission: Permission,
        organization: OrganizationId,
    ) -> Result<(), AccountError> {
        if who.principal.may(permission, organization) {
            Ok(())
        } else {
            Err(AccountError::Forbidden)
        }
    }

    /// The right to manage a user, who must be one of the organization's.
    async fn must_know(
        &self,
        who: &SignedIn,
        organization: OrganizationId,
        user: AccountId,
    ) -> Result<(), AccountError> {
        Self::must(who, Permission::ManageUsers, organization)?;
        let memberships = self.store.membership_of_account(user).await?;
        if memberships.iter().any(|one| one.organization == organization) {
            Ok(())
        } else {
            Err(AccountError::Forbidden)
        }
    }
}
