//! Keys of programs in the hands of their organization: made after showing that one is there, shown once, revoked; each time
//! those who answer for the Site are told.

use std::time::Duration;

use ring::rand::SystemRandom;

use crate::domain::{
    ApiKey, ApiScope, ApiToken, Letter, LetterWish, Permission, Site, SiteId, Timestamp,
};
use crate::mail::compose;
use crate::sites::readers::Reader;
use crate::sites::{AccountError, Browser, Delegate, Sites};
use crate::store::{Deed, NewApiKey, StoreError};

/// What somebody asks for with a new key.
#[derive(Debug, Clone)]
pub struct AskedKey {
    /// For whom it asks.
    pub site: SiteId,
    /// What its people call it.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<ApiScope>,
    /// How long it is good.
    pub life: Duration,
}

impl Sites {
    /// Makes a key, to be shown now and never again.
    ///
    /// # Errors
    /// When the Site is not the organization's, or the person has to show first that they are there.
    pub async fn api_key_create(
        &self,
        member: &Delegate,
        asked: AskedKey,
        browser: &Browser,
    ) -> Result<(ApiKey, ApiToken), AccountError> {
        if !member.may(Permission::RotateCredential) {
            return Err(AccountError::Forbidden);
        }
        if !member.is_fresh(browser.now) {
            return Err(AccountError::StepUp);
        }
        let token = ApiToken::generate(&SystemRandom::new())
            .map_err(|_unspecified| StoreError::Locked("no randomness"))?;
        let new = NewApiKey {
            site: asked.site,
            name: asked.name,
            secret: token.hash(&self.key),
            scopes: asked.scopes,
            created_by: member.id(),
            expires_at: browser.now.plus(asked.life),
        };
        let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.told()).collect();
        let facts = [
            ("Key", new.name.clone()),
            ("It may", scopes.join("; ")),
            ("Good until", new.expires_at.pacific_text()),
        ];
        let letters = self.key_letters(member, &new.site, Event::Made, &facts).await?;
        let deed = Deed { by: member.by(browser), letters };
        let key = self.store.api_key_create(member.organization(), new, deed).await?;
        Ok((key, token))
    }

    /// Revokes a key, from the next question on.
    pub async fn api_key_revoke(
        &self,
        member: &Delegate,
        key: (SiteId, i64),
        browser: &Browser,
    ) -> Result<(), AccountError> {
        if !member.may(Permission::RotateCredential) {
            return Err(AccountError::Forbidden);
        }
        let (site, id) = &key;
        let known = self.store.api_key_list(member.organization(), site.clone()).await?;
        let name = known.into_iter().find(|one| one.id == *id).map(|one| one.name);
        let facts = [("Key", name.unwrap_or_default())];
        let letters = self.key_letters(member, site, Event::Revoked, &facts).await?;
        let deed = Deed { by: member.by(browser), letters };
        Ok(self.store.api_key_revoke(member.organization(), key, deed).await?)
    }

    /// Tells those who answer for Sites that a key ends soon, at each of the notices once; gives how many.
    pub async fn tell_key_expiries(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut told = 0;
        for (key, days) in self.store.api_key_expiries(&NOTICES, now).await? {
            let site = self.store.site_by_id(key.site.clone()).await?;
            let facts = [
                ("Key", key.name.clone()),
                ("Ends", key.expires_at.pacific_text()),
                (
                    "Last used",
                    key.last_used_at.map_or_else(|| "never".to_owned(), Timestamp::pacific_text),
                ),
            ];
            let letters = self.letters_about_key(&site, Event::Ending, None, &facts).await?;
            told += usize::from(self.store.api_key_expiry_tell(key.id, days, letters, now).await?);
        }
        Ok(told)
    }

    /// The letters about what somebody did with a key.
    async fn key_letters(
        &self,
        member: &Delegate,
        site: &SiteId,
        event: Event,
        facts: &[(&'static str, String)],
    ) -> Result<Vec<Letter>, StoreError> {
        let site = self.store.organization_site(member.organization(), site.clone()).await?;
        let name = member.who().principal.account.name();
        self.letters_about_key(&site, event, Some(name), facts).await
    }

    async fn letters_about_key(
        &self,
        site: &Site,
        event: Event,
        who: Option<String>,
        facts: &[(&'static str, String)],
    ) -> Result<Vec<Letter>, StoreError> {
        let readers = self.readers(site).await?.into_iter();
        let readers = readers.filter(|(reader, _)| reader.answers_for(site));
        let (kind, verb, lead, advice) = event.words();
        let own = [("Site", format!("{} ({})", site.name, site.id))];
        let by = who.map(|name| ("By", name));
        let facts: Vec<_> = own.into_iter().chain(facts.iter().cloned()).chain(by).collect();
        let letter = |(reader, _): (Reader, LetterWish)| {
            let letter = compose(kind, format!("An API key of {} {verb}", site.name))
                .greeting(&reader.account.first_name)
                .paragraph(lead)
                .facts(facts.clone())
                .paragraph(advice)
                .link("See the keys of the Site", format!("{}/keys", self.site_url(site)));
            self.addressed(letter, &reader.account)
        };
        Ok(readers.map(letter).collect())
    }
}

/// How many days before a key ends its people are told.
const NOTICES: [u32; 2] = [14, 3];

/// What happens to a key that its people are told of.
#[derive(Clone, Copy)]
enum Event {
    Ending,
    Made,
    Revoked,
}

impl Event {
    /// Kind of the letter, what its subject says of the key, what it tells, and what to do.
    const fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Ending => (
                "api-key-ending",
                "ends soon",
                "A key with which a program asks for this Site ends soon. From then on the program is refused.",
                "Make another one, put it into the program, and revoke this one. If nothing uses it any more, there is \
                 nothing to do.",
            ),
            Self::Made => (
                "api-key-made",
                "was made",
                "Somebody of your organization made a key with which a program asks for this Site.",
                "If you do not know of it, revoke the key at once and tell CDPH.",
            ),
            Self::Revoked => (
                "api-key-revoked",
                "was revoked",
                "Somebody of your organization revoked a key. Programs that use it are refused from now on.",
                "A program that still needs it must be given another one.",
            ),
        }
    }
}
