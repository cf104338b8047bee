//! Who works for CDPH: the proof that staff pages and decisions ask for.

use crate::domain::{
    AccountId, By, Permission, RegionCode, RequestKind, RequestViews, Scope, SecondFactor,
};
use crate::sites::{Browser, SignedIn, Sites};

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
}
