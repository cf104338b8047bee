//! Who is written to about a Site, and what they choose to be written.

use crate::domain::{
    Account, AccountState, By, LetterWish, Membership, MembershipState, OrganizationId, Role, Site,
    SiteId,
};
use crate::mail::Composition;
use crate::sites::{AccountError, Browser, SignedIn, Sites};
use crate::store::{Deed, StoreError};

/// Somebody who may be written to about Sites of an organization.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) account: Account,
    /// Roles that hold.
    pub(super) roles: Vec<Role>,
}

impl Reader {
    /// The roles that are told of a Site.
    fn roles_of(&self, site: &Site) -> Vec<Role> {
        self.roles.iter().copied().filter(|role| role.hears_of(site.kind)).collect()
    }

    /// What is usual for them about a Site.
    pub(super) fn usual(&self, site: &Site) -> LetterWish {
        LetterWish::of_roles(&self.roles_of(site))
    }

    /// Whether they are told of what concerns the Site as such.
    pub(super) fn answers_for(&self, site: &Site) -> bool {
        self.roles_of(site).into_iter().any(Role::answers_for_site)
    }
}

/// A Site with what somebody is written about it.
#[derive(Debug, Clone)]
pub struct WishedSite {
    /// The Site.
    pub site: Site,
    /// What they are written.
    pub wish: LetterWish,
    /// Whether they chose it themselves.
    pub is_chosen: bool,
    /// Whether they may say after how many days silence is told.
    pub sets_days: bool,
}

impl Sites {
    /// Those of an organization who may be written to about its Sites: who has signed in, and its Data Exchange Contact, who
    /// may have the EHR send before. While nobody of them has signed in, all who are invited.
    pub(super) async fn readers_of(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<Reader>, StoreError> {
        let members = self.store.membership_list(organization).await?;
        let reader = |(account, roles): (Account, Vec<Membership>)| {
            let active = roles.into_iter().filter(|one| one.state == MembershipState::Active);
            Reader { account, roles: active.map(|one| one.role).collect() }
        };
        let hears = |one: &Reader| {
            one.account.state != AccountState::Deactivated
                && LetterWish::of_roles(&one.roles) != LetterWish::NOTHING
        };
        let mut readers: Vec<Reader> = members.into_iter().map(reader).filter(hears).collect();
        if readers.iter().any(|one| one.account.state == AccountState::Active) {
            let has_ehr_send = |one: &Reader| one.roles.contains(&Role::DataExchange);
            readers.retain(|one| one.account.state == AccountState::Active || has_ehr_send(one));
        }
        Ok(readers)
    }

    /// Those who may be written to about a Site, each with what they chose or what is usual.
    pub(super) async fn readers(
        &self,
        site: &Site,
    ) -> Result<Vec<(Reader, LetterWish)>, StoreError> {
        let chosen = self.store.letter_wishes(vec![site.id.clone()]).await?;
        let wish = |reader: Reader| {
            let usual = reader.usual(site);
            let key = (reader.account.id, site.id.clone());
            let wish = chosen.get(&key).copied().unwrap_or(usual);
            (usual != LetterWish::NOTHING).then_some((reader, wish))
        };
        Ok(self.readers_of(site.organization).await?.into_iter().filter_map(wish).collect())
    }

    /// Ends a letter about a Site: where to choose, and to whom it goes.
    pub(super) fn addressed(&self, letter: Composition, to: &Account) -> crate::domain::Letter {
        letter
            .link("Choose which emails you get", self.url("/account/letters"))
            .to(to.email.clone(), &self.footer())
    }

    /// The Sites that a person is written to about, in the order of their names.
    pub async fn wished_sites(&self, who: &SignedIn) -> Result<Vec<WishedSite>, StoreError> {
        let principal = &who.principal;
        let mut held: Vec<(OrganizationId, Role)> = principal
            .memberships
            .iter()
            .filter(|one| one.state == MembershipState::Active)
            .map(|one| (one.organization, one.role))
            .collect();
        held.sort_unstable();
        let chosen = self.store.letter_wishes_of(principal.account.id).await?;
        let mut all = vec![];
        for organizations in held.chunk_by(|one, other| one.0 == other.0) {
            let Some((organization, _)) = organizations.first() else { continue };
            let roles = organizations.iter().map(|(_, role)| *role).collect();
            let reader = Reader { account: principal.account.clone(), roles };
            for site in self.store.organization_sites(*organization).await? {
                let usual = reader.usual(&site);
                if usual == LetterWish::NOTHING {
                    continue;
                }
                let own = chosen.get(&site.id).copied();
                let (wish, is_chosen) = (own.unwrap_or(usual), own.is_some());
                let sets_days = reader.roles.contains(&Role::Representative);
                all.push(WishedSite { site, wish, is_chosen, sets_days });
            }
        }
        all.sort_by(|one, other| {
            (&one.site.name, &one.site.id).cmp(&(&other.site.name, &other.site.id))
        });
        Ok(all)
    }

    /// Keeps what a person chose for a Site, or for all Sites of its organization; representatives also say after how many
    /// days silence is told (0: never; none: as usual).
    ///
    /// # Errors
    /// When they are not written to about the Site.
    pub async fn wish(
        &self,
        who: &SignedIn,
        (site, for_all): (SiteId, bool),
        wish: LetterWish,
        silence_days: Option<i64>,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let mine = self.wished_sites(who).await?;
        let one = mine.iter().find(|one| one.site.id == site).ok_or(AccountError::Forbidden)?;
        let organization = one.site.organization;
        let same = mine.iter().filter(|other| for_all && other.site.organization == organization);
        let mut sites: Vec<SiteId> = same.map(|other| other.site.id.clone()).collect();
        if sites.is_empty() {
            sites.push(site);
        }
        let days = one.sets_days.then_some(silence_days);
        let by: By = who.by(browser);
        self.store.letter_wish_set(who.id(), sites, wish, days, Deed::from(by)).await?;
        Ok(())
    }

    /// Days without a message after which people are told of silence, unless they say otherwise.
    pub const fn usual_silence_days(&self) -> u32 {
        self.settings.silence_days
    }
}
