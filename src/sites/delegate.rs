//! Who acts for an organization: the proof that its pages and changes ask for.

use crate::domain::{AccountId, By, OrganizationId, Permission, Timestamp};
use crate::sites::{Browser, SignedIn, Sites};
use crate::store::StoreError;

/// Proof that a request came with the live session of somebody who may do something in an organization. Only
/// [`Sites::delegate`] and [`Sites::onlooker`] make one.
#[derive(Clone, Debug)]
pub struct Delegate {
    who: SignedIn,
    organization: OrganizationId,
    /// All that staff may who see as the organization's people see; none: a member of it.
    looks_at: Option<Vec<Permission>>,
}

impl Sites {
    /// The proof, when the permission is theirs there.
    pub fn delegate(
        who: SignedIn,
        organization: OrganizationId,
        permission: Permission,
    ) -> Option<Delegate> {
        who.principal.may(permission, organization).then_some(Delegate {
            who,
            organization,
            looks_at: None,
        })
    }

    /// The proof of staff who see as an organization's people see: it only shows, and no more than their own role shows.
    pub async fn onlooker(
        &self,
        who: SignedIn,
        cookie: &str,
        (organization, permission): (OrganizationId, Permission),
        now: Timestamp,
    ) -> Result<Option<Delegate>, StoreError> {
        let Some(staff) = Self::staff(who, &[Permission::SeeAs]) else { return Ok(None) };
        let held = self.seeing_as(&staff, cookie, now).await?;
        let Some(held) = held.filter(|held| held.id == organization) else { return Ok(None) };
        let shown = |one: &Permission| one.only_shows() && staff.may_in(*one, held.region);
        let looks_at: Vec<_> = Permission::ALL.iter().copied().filter(shown).collect();
        let may = looks_at.contains(&permission);
        let who = staff.who().clone();
        Ok(may.then_some(Delegate { who, organization, looks_at: Some(looks_at) }))
    }
}

impl Delegate {
    /// The number of the account.
    pub const fn id(&self) -> AccountId {
        self.who.id()
    }

    /// Where they act.
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// The session that proves it.
    pub const fn who(&self) -> &SignedIn {
        &self.who
    }

    /// Whether they may do something else there, too.
    pub fn may(&self, permission: Permission) -> bool {
        match &self.looks_at {
            Some(shown) => shown.contains(&permission),
            None => self.who.principal.may(permission, self.organization),
        }
    }

    /// Whether it is staff who see as the organization's people see.
    pub const fn only_looks(&self) -> bool {
        self.looks_at.is_some()
    }

    /// Whether they have shown recently that they are there.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.who.is_fresh(now)
    }

    /// Who does something, for the audit trail.
    pub fn by(&self, browser: &Browser) -> By {
        self.who.by(browser)
    }
}
