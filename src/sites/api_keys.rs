//! Keys of programs in the hands of their organization: made after showing that one is there, shown once, revoked.

use std::time::Duration;

use ring::rand::SystemRandom;

use crate::domain::{ApiKey, ApiScope, ApiToken, Permission, SiteId};
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
        let deed = Deed::from(member.by(browser));
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
        let deed = Deed::from(member.by(browser));
        Ok(self.store.api_key_revoke(member.organization(), key, deed).await?)
    }
}
