//! Webhooks in the hands of their organization: made after showing that one is there, the secret shown once. Who takes no
//! call for days is not called any more, and its people are told.

use std::time::Duration;

use ring::rand::SystemRandom;

use crate::domain::{
    By, HookEvent, HookSecret, HookUrl, Letter, LetterWish, MessageId, Permission, SiteId,
    Timestamp, Webhook,
};
use crate::mail::compose;
use crate::sites::readers::Reader;
use crate::sites::{AccountError, Browser, Delegate, Sites};
use crate::store::{Deed, NewWebhook, OwnedWebhook, StoreError};

/// After so long without a call that was taken a webhook is stopped.
const PATIENCE: Duration = Duration::from_hours(24 * 5);

/// What somebody asks for with a new webhook.
#[derive(Debug, Clone)]
pub struct AskedWebhook {
    /// The Site that it is of.
    pub site: SiteId,
    /// What is called.
    pub url: HookUrl,
    /// What its people call it.
    pub description: String,
    /// What it is told of.
    pub events: Vec<HookEvent>,
}

/// A webhook of a Site.
type Which = (SiteId, MessageId);

/// The proof that somebody may change webhooks, and of which organization.
fn owned(member: &Delegate, (site, id): Which) -> Result<OwnedWebhook, AccountError> {
    if !member.may(Permission::RotateCredential) {
        return Err(AccountError::Forbidden);
    }
    Ok((member.organization(), site, id))
}

fn new_secret() -> Result<HookSecret, StoreError> {
    HookSecret::generate(&SystemRandom::new())
        .map_err(|_unspecified| StoreError::Locked("no randomness"))
}

impl Sites {
    /// Makes a webhook; its secret is to be shown now and never again.
    ///
    /// # Errors
    /// When the Site is not the organization's, or the person has to show first that they are there.
    pub async fn webhook_create(
        &self,
        member: &Delegate,
        asked: AskedWebhook,
        browser: &Browser,
    ) -> Result<(Webhook, HookSecret), AccountError> {
        if !member.may(Permission::RotateCredential) {
            return Err(AccountError::Forbidden);
        }
        if !member.is_fresh(browser.now) {
            return Err(AccountError::StepUp);
        }
        let secret = new_secret()?;
        let AskedWebhook { site, url, description, events } = asked;
        let created_by = member.id();
        let new = NewWebhook { site, url, description, events, secret: secret.clone(), created_by };
        let deed = Deed::from(member.by(browser));
        let hook = self.store.webhook_create(member.organization(), new, deed).await?;
        Ok((hook, secret))
    }

    /// Gives a webhook another secret, to be shown now; the one before counts for another day.
    ///
    /// # Errors
    /// As [`Sites::webhook_create`].
    pub async fn webhook_rotate(
        &self,
        member: &Delegate,
        which: Which,
        browser: &Browser,
    ) -> Result<(Webhook, HookSecret), AccountError> {
        let which = owned(member, which)?;
        if !member.is_fresh(browser.now) {
            return Err(AccountError::StepUp);
        }
        let secret = new_secret()?;
        let deed = Deed::from(member.by(browser));
        let hook = self.store.webhook_rotate(which, secret.clone(), deed).await?;
        Ok((hook, secret))
    }

    /// Pauses a webhook, or lets it be called again.
    pub async fn webhook_switch(
        &self,
        member: &Delegate,
        which: Which,
        live: bool,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let which = owned(member, which)?;
        Ok(self.store.webhook_switch(which, live, Deed::from(member.by(browser))).await?)
    }

    /// Removes a webhook.
    pub async fn webhook_remove(
        &self,
        member: &Delegate,
        which: Which,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let which = owned(member, which)?;
        Ok(self.store.webhook_remove(which, Deed::from(member.by(browser))).await?)
    }

    /// Calls a webhook to try it.
    pub async fn webhook_ping(
        &self,
        member: &Delegate,
        which: Which,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let which = owned(member, which)?;
        Ok(self.store.webhook_ping(which, Deed::from(member.by(browser))).await?)
    }

    /// Makes a call of a webhook again.
    pub async fn webhook_resend(
        &self,
        member: &Delegate,
        (which, call): (Which, i64),
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let which = owned(member, which)?;
        Ok(self.store.webhook_resend(which, call, Deed::from(member.by(browser))).await?)
    }

    /// Stops the webhooks that have taken no call for days and tells their people, once; gives how many.
    pub async fn stop_failing_webhooks(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut stopped = 0;
        for hook in self.store.webhooks_failing(now.minus(PATIENCE)).await? {
            let letters = self.stop_letters(&hook).await?;
            let deed = Deed { by: By::system(now), letters };
            stopped += usize::from(self.store.webhook_stop(hook, deed).await?);
        }
        Ok(stopped)
    }

    /// To whoever made it, and to those who answer for the Site.
    async fn stop_letters(&self, hook: &Webhook) -> Result<Vec<Letter>, StoreError> {
        let site = self.store.site_by_id(hook.site.clone()).await?;
        let readers = self.readers(&site).await?.into_iter();
        let hears = |(reader, _): &(Reader, LetterWish)| {
            reader.answers_for(&site) || reader.account.id == hook.created_by
        };
        let since = hook.failing_since.map_or_else(String::new, Timestamp::pacific_text);
        let letter = |(reader, _): (Reader, LetterWish)| {
            let letter = compose("webhook-stopped", format!("A webhook of {} was stopped", site.name))
                .greeting(&reader.account.first_name)
                .paragraph(
                    "For five days the address of this webhook has taken none of our calls. It is not called any more, \
                     and what was to be told was given up.",
                )
                .facts([
                    ("Site", format!("{} ({})", site.name, site.id)),
                    ("Webhook", hook.description.clone()),
                    ("Failing since", since.clone()),
                ])
                .paragraph(
                    "Look at its latest calls to see what stopped them. When that is mended, resume the webhook and \
                     send a test call. What became of messages meanwhile is on the pages of the Site and in the API.",
                )
                .link(
                    "See the webhook",
                    format!("{}/webhooks/{}", self.site_url(&site), hook.id),
                );
            self.addressed(letter, &reader.account)
        };
        Ok(readers.filter(hears).map(letter).collect())
    }
}
