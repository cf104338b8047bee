//! Who acts for an organization: the proof that its pages and changes ask for.

use crate::domain::{AccountId, By, OrganizationId, Permission, Timestamp};
use crate::sites::{Browser, SignedIn, Sites};

/// Proof that a request came with the live session of somebody who may do something in an organization. Only
/// [`Sites::delegate`] makes one.
#[derive(Clone, Debug)]
pub struct Delegate {
    who: SignedIn,
    organization: OrganizationId,
}

impl Sites {
    /// The proof, when the permission is theirs there.
    pub fn delegate(
        who: SignedIn,
        organization: OrganizationId,
        permission: Permission,
    ) -> Option<Delegate> {
        who.principal.may(permission, organization).then_some(Delegate { who, organization })
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
        self.who.principal.may(permission, self.organization)
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
