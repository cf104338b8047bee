//! Who works for CDPH: the proof that staff pages and decisions ask for.

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use crate::domain::{
    Account, AccountId, AccountState, By, Course, LetterRecord, LinkPurpose, MessageId,
    OrganizationId, Permission, RegionCode, RequestKind, RequestViews, Scope, SecondFactor,
    StaffGrant, Timestamp,
};
use crate::sites::{AccountError, Browser, Invited, NewUser, SignedIn, Sites};
use crate::store::{Deed, NewAccount, OrganizationRecord, StoreError};

/// How long the link to another password is good that the help desk sends.
const RECOVER_WITHIN: Duration = Duration::from_hours(1);

/// How long staff see as an organization's own people see, before they say so again.
const SEE_AS_WITHIN: Duration = Duration::from_mins(30);

/// Proof that a request came with the live session of somebody who works for CDPH, who has shown a second factor in it and
/// may do what they ask to do somewhere. Only [`Sites::staff`] makes one.
#[derive(Clone, Debug)]
pub struct Staff {
    who: SignedIn,
}

impl Sites {
    /// The proof, when one of these permissions is theirs in any region.
    pub fn staff(who: SignedIn, permissions: &[Permission]) -> Option<Staff> {
        let is_proven = who.principal.second_factor == SecondFactor::Shown;
        let may = |one: &Permission| who.principal.scope(*one) != Scope::Nowhere;
        (is_proven && permissions.iter().any(may)).then_some(Staff { who })
    }
}

/// The help desk, the registrar, the administrator.
impl Sites {
    /// Lets somebody try to sign in again at once.
    pub async fn staff_unlock(
        &self,
        staff: &Staff,
        id: AccountId,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        self.in_view(staff, Permission::UnlockAccount, id).await?;
        self.account_unlock(id, staff.by(browser)).await?;
        Ok(())
    }

    /// Mails the link to a first password or to another one. Nobody but the mailbox sees it.
    pub async fn staff_resend(
        &self,
        staff: &Staff,
        id: AccountId,
        browser: &Browser,
    ) -> Result<Invited, AccountError> {
        let account = self.in_view(staff, Permission::ResendMail, id).await?;
        match account.state {
            AccountState::Invited => self.invite(id, staff.by(browser)).await,
            AccountState::Active => {
                let (token, secret) = self.new_link_for(RECOVER_WITHIN)?;
                let letter = self.forgotten(&account, &token);
                let deed = Deed::from(staff.by(browser)).with(letter);
                let to = Some((id, LinkPurpose::RecoverPassword));
                let sent = self.store.password_link(to, secret, deed).await?;
                Ok(if sent { Invited::Sent } else { Invited::Capped })
            }
            AccountState::Deactivated => Err(AccountError::refused("the account is deactivated")),
        }
    }

    /// Records a training; the password link goes out to who waited for it.
    pub async fn staff_training(
        &self,
        staff: &Staff,
        id: AccountId,
        training: (Course, chrono::NaiveDate),
        browser: &Browser,
    ) -> Result<bool, AccountError> {
        self.in_view(staff, Permission::RecordTraining, id).await?;
        self.training_record(staff.who(), id, training, browser).await
    }

    /// Closes an account; its sessions end.
    ///
    /// # Errors
    /// When it is not theirs to close, or they have to show first that they are there.
    pub async fn staff_deactivate(
        &self,
        staff: &Staff,
        id: AccountId,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        self.to_be_closed(staff, id).await?;
        staff.must_be_fresh(browser)?;
        self.account_deactivate(id, staff.by(browser)).await?;
        Ok(())
    }

    /// Opens a closed account again.
    pub async fn staff_reactivate(
        &self,
        staff: &Staff,
        id: AccountId,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        self.to_be_closed(staff, id).await?;
        self.account_reactivate(id, staff.by(browser)).await?;
        Ok(())
    }

    /// Takes the second factors of somebody who has lost them.
    ///
    /// # Errors
    /// When it is not theirs to do, or they have to show first that they are there.
    pub async fn staff_clear_factors(
        &self,
        staff: &Staff,
        id: AccountId,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        self.to_be_closed(staff, id).await?;
        staff.must_be_fresh(browser)?;
        self.second_factor_clear(id, staff.by(browser)).await?;
        Ok(())
    }

    /// Makes an account for somebody who is to work for CDPH, and mails the link to its first password.
    ///
    /// # Errors
    /// When a role is not theirs to give, they have to show first that they are there, or the address has an account.
    pub async fn staff_invite(
        &self,
        staff: &Staff,
        new: NewUser,
        grants: Vec<StaffGrant>,
        browser: &Browser,
    ) -> Result<Account, AccountError> {
        if grants.iter().any(|one| !staff.may_in(Permission::ManageStaff, one.region)) {
            return Err(AccountError::Forbidden);
        }
        staff.must_be_fresh(browser)?;
        if grants.is_empty() {
            return Err(AccountError::refused("staff need a role"));
        }
        if self.store.account_by_email(new.email.clone()).await?.is_some() {
            return Err(AccountError::refused(
                "this address has an account: find it under Accounts, and give it the role there",
            ));
        }
        let (token, secret) = self.new_invitation()?;
        let letter = self.invitation((&new.email, &new.first_name), &[], &token);
        let account = NewAccount {
            email: new.email,
            first_name: new.first_name,
            last_name: new.last_name,
            phone: new.phone,
            roles: vec![],
            staff: grants,
        };
        let deed = Deed::from(staff.by(browser)).with(letter);
        Ok(self.store.account_create(account, Some(secret), deed).await?)
    }

    /// Gives a staff role.
    ///
    /// # Errors
    /// When it is not theirs to give, or they have to show first that they are there.
    pub async fn staff_role_give(
        &self,
        staff: &Staff,
        id: AccountId,
        grant: StaffGrant,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        self.to_be_granted(staff, id, grant).await?;
        staff.must_be_fresh(browser)?;
        self.store.staff_grant(id, grant, staff.by(browser).into()).await?;
        Ok(())
    }

    /// Takes a staff role.
    ///
    /// # Errors
    /// When it is not theirs to take, or they have to show first that they are there.
    pub async fn staff_role_take(
        &self,
        staff: &Staff,
        id: AccountId,
        grant: StaffGrant,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        self.to_be_granted(staff, id, grant).await?;
        staff.must_be_fresh(browser)?;
        self.store.staff_revoke(id, Some(grant), staff.by(browser).into()).await?;
        Ok(())
    }

    /// Sends a letter again that came to its end without having been sent.
    pub async fn staff_letter_retry(
        &self,
        staff: &Staff,
        id: MessageId,
        browser: &Browser,
    ) -> Result<LetterRecord, StoreError> {
        Self::must_manage_mail(staff, id)?;
        self.store.letter_retry(id, staff.by(browser)).await
    }

    /// Ends a letter that waits.
    pub async fn staff_letter_give_up(
        &self,
        staff: &Staff,
        id: MessageId,
        browser: &Browser,
    ) -> Result<LetterRecord, StoreError> {
        Self::must_manage_mail(staff, id)?;
        self.store.letter_give_up(id, staff.by(browser)).await
    }

    /// Letters lie in no region.
    fn must_manage_mail(staff: &Staff, id: MessageId) -> Result<(), StoreError> {
        if staff.may_in(Permission::ManageMail, None) {
            Ok(())
        } else {
            Err(StoreError::NotFound(format!("letter {id}")))
        }
    }

    /// Tells the trail that somebody takes a part of it away.
    pub async fn audit_exported(
        &self,
        staff: &Staff,
        what: String,
        browser: &Browser,
    ) -> Result<(), StoreError> {
        let (by, object) = (staff.by(browser), "audit trail".to_owned());
        self.store.audit_note(by, "audit.export", object, None, Some(what)).await
    }

    /// A letter with its text, while it is held; the trail tells that somebody read it.
    ///
    /// Anybody may ask: where that must not be, the page is not there.
    pub async fn letter_read(
        &self,
        id: MessageId,
        by: By,
    ) -> Result<Option<(LetterRecord, String)>, StoreError> {
        let (letter, words) = match self.store.letter_by_id(id).await {
            Ok(found) => found,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some((text, _html)) = words else { return Ok(None) };
        self.store.audit_note(by, "letter.read", format!("letter {id}"), None, None).await?;
        Ok(Some((letter, text)))
    }

    /// An account of the scope in which staff may do this.
    async fn in_view(
        &self,
        staff: &Staff,
        permission: Permission,
        id: AccountId,
    ) -> Result<Account, StoreError> {
        self.store.account_in_view(id, staff.scope(permission)).await
    }

    /// An account that staff may close: another's, and another member of staff's only for whoever manages staff.
    async fn to_be_closed(&self, staff: &Staff, id: AccountId) -> Result<(), AccountError> {
        self.in_view(staff, Permission::CloseAccount, id).await?;
        if id == staff.id() {
            return Err(AccountError::refused("nobody does this to their own account"));
        }
        let roles = self.store.staff_of_account(id).await?;
        if roles.iter().any(|one| !staff.may_in(Permission::ManageStaff, one.region)) {
            return Err(AccountError::refused("this account works for CDPH: ask an administrator"));
        }
        Ok(())
    }

    /// An account whose staff role in the region of the grant may be given and taken.
    async fn to_be_granted(
        &self,
        staff: &Staff,
        id: AccountId,
        grant: StaffGrant,
    ) -> Result<(), AccountError> {
        self.in_view(staff, Permission::ManageStaff, id).await?;
        if staff.may_in(Permission::ManageStaff, grant.region) {
            Ok(())
        } else {
            Err(AccountError::Forbidden)
        }
    }

    /// Begins to see as an organization's own people see, which the audit trail tells; gives the value of a cookie.
    pub async fn see_as(
        &self,
        staff: &Staff,
        id: OrganizationId,
        browser: &Browser,
    ) -> Result<String, StoreError> {
        let scope = staff.scope(Permission::SeeAs);
        let held = self.store.organization_in_view(id, scope).await?;
        let object = format!("organization {}", held.id);
        self.store.audit_note(staff.by(browser), "organization.see-as", object, None, None).await?;
        let until = browser.now.plus(SEE_AS_WITHIN).utc().timestamp();
        let said = format!("{id}.{}.{until}", staff.id());
        let seal = self.key.hash("see-as", &said).to_hex();
        Ok(format!("{said}.{seal}"))
    }

    /// The organization that staff see as its own people see it: while the cookie is good, and they still may.
    pub async fn seeing_as(
        &self,
        staff: &Staff,
        cookie: &str,
        now: Timestamp,
    ) -> Result<Option<OrganizationRecord>, StoreError> {
        let Some((said, seal)) = cookie.rsplit_once('.') else { return Ok(None) };
        let right = self.key.hash("see-as", said).to_hex();
        let parts: Vec<i64> = said.split('.').filter_map(|part| part.parse().ok()).collect();
        let [id, account, until] = parts[..] else { return Ok(None) };
        let is_ours: bool = right.as_bytes().ct_eq(seal.as_bytes()).into();
        if !is_ours || account != staff.id().0 || until <= now.utc().timestamp() {
            return Ok(None);
        }
        let scope = staff.scope(Permission::SeeAs);
        match self.store.organization_in_view(OrganizationId(id), scope).await {
            Ok(held) => Ok(Some(held)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Staff {
    /// The number of the account.
    pub const fn id(&self) -> AccountId {
        self.who.id()
    }

    /// The name for people.
    pub fn name(&self) -> String {
        self.who.principal.account.name()
    }

    /// The session that proves it.
    pub const fn who(&self) -> &SignedIn {
        &self.who
    }

    /// Where they may do it.
    pub fn scope(&self, permission: Permission) -> Scope {
        self.who.principal.scope(permission)
    }

    /// Whether they may do it anywhere.
    pub fn may(&self, permission: Permission) -> bool {
        self.scope(permission) != Scope::Nowhere
    }

    /// Whether they may do it in this region; none: only whoever may do it everywhere.
    pub fn may_in(&self, permission: Permission, region: Option<RegionCode>) -> bool {
        self.scope(permission).covers(region)
    }

    /// The requests that they decide.
    pub fn views(&self) -> RequestViews {
        RequestViews(
            RequestKind::ALL.iter().map(|kind| (*kind, self.scope(kind.permission()))).collect(),
        )
    }

    /// Who does something, for the audit trail.
    pub fn by(&self, browser: &Browser) -> By {
        self.who.by(browser)
    }

    /// What opens doors to somebody, or closes them, is not done by whoever finds a browser left alone.
    ///
    /// # Errors
    /// When they have to show first that they are there.
    pub(super) fn must_be_fresh(&self, browser: &Browser) -> Result<(), AccountError> {
        if self.who.is_fresh(browser.now) { Ok(()) } else { Err(AccountError::StepUp) }
    }
}
