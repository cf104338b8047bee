//! Credentials in the hands of their organization: a new secret is shown once, an old one goes on for a while or ends.

use std::time::Duration;

use crate::domain::{
    CREDENTIAL_PURPOSE, Credential, EmailAddress, Environment, IssuedCredential, Letter,
    Permission, Role, SiteId,
};
use crate::mail::compose;
use crate::sites::{AccountError, Browser, Delegate, Sites};
use crate::store::{Deed, StoreError};

/// How long the secret before is taken beside a new one, unless it is to end at once.
pub const OVERLAP: Duration = Duration::from_hours(24 * 7);

impl Sites {
    /// Gives a credential a new secret, to be shown now and never again.
    ///
    /// # Errors
    /// When it is not the organization's, or the person has to show first that they are there.
    pub async fn credential_show(
        &self,
        member: &Delegate,
        (site, username): (SiteId, String),
        ends_at_once: bool,
        browser: &Browser,
    ) -> Result<IssuedCredential, AccountError> {
        let before = self.credential_of(member, &site, &username).await?;
        if !may_rotate(member, &before) {
            return Err(AccountError::Forbidden);
        }
        if !member.is_fresh(browser.now) {
            return Err(AccountError::StepUp);
        }
        let password = Self::new_secret()?;
        let secret = self.key.hash(CREDENTIAL_PURPOSE, password.reveal());
        let overlap = if ends_at_once { Duration::ZERO } else { OVERLAP };
        let what = match (before.shown_at.is_some(), ends_at_once) {
            (false, _) => "Its password was shown for the first time.",
            (true, false) => {
                "It has a new password. The one before is taken for seven more days: change it in your EHR before then."
            }
            (true, true) => "It has a new password. The one before does not work any more.",
        };
        let letters = self.credential_letters(&before, "credential-rotated", what, member).await?;
        let deed = Deed { by: member.by(browser), letters };
        let key = (member.organization(), site, username);
        let credential = self.store.credential_show(key, secret, overlap, deed).await?;
        Ok(IssuedCredential { credential, password })
    }

    /// Revokes a credential, from the next message on.
    pub async fn credential_end(
        &self,
        member: &Delegate,
        (site, username): (SiteId, String),
        browser: &Browser,
    ) -> Result<Credential, AccountError> {
        let before = self.credential_of(member, &site, &username).await?;
        if !member.may(Permission::RotateCredential) {
            return Err(AccountError::Forbidden);
        }
        let what = "It was revoked. Messages that are sent with it are refused.";
        let letters = self.credential_letters(&before, "credential-revoked", what, member).await?;
        let deed = Deed { by: member.by(browser), letters };
        let key = (member.organization(), site, username);
        Ok(self.store.credential_end(key, deed).await?)
    }

    async fn credential_of(
        &self,
        member: &Delegate,
        site: &SiteId,
        username: &str,
    ) -> Result<Credential, StoreError> {
        let held = self.store.organization_credentials(member.organization(), site.clone()).await?;
        held.into_iter()
            .find(|one| one.username == username)
            .ok_or_else(|| StoreError::NotFound(format!("credential {username}")))
    }

    /// Tells the Site Contact and the Data Exchange Contact, without any secret.
    async fn credential_letters(
        &self,
        credential: &Credential,
        kind: &'static str,
        what: &str,
        member: &Delegate,
    ) -> Result<Vec<Letter>, StoreError> {
        let subject = match kind {
            "credential-revoked" => "A credential of your Site was revoked",
            _ => "A credential of your Site has a new password",
        };
        let account = &member.who().principal.account;
        let letter = compose(kind, format!("{subject}: {}", credential.username))
            .paragraph(what)
            .facts([
                ("Site", credential.site.as_str()),
                ("Username", credential.username.as_str()),
                ("Environment", credential.environment.word()),
                ("By", account.user_id.as_str()),
            ])
            .paragraph("You know nothing of this? Tell us at once.");
        let to = self.site_contacts(&credential.site).await?;
        Ok(to.into_iter().map(|to| letter.clone().to(to, &self.footer())).collect())
    }

    /// The addresses of the Site Contact and the Data Exchange Contact; of a Site that named none, its representatives.
    pub(super) async fn site_contacts(
        &self,
        site: &SiteId,
    ) -> Result<Vec<EmailAddress>, StoreError> {
        let answers = self.store.site_answers(site.clone()).await?;
        let mut found: Vec<EmailAddress> = ["site_contact_email", "exchange_contact_email"]
            .iter()
            .filter_map(|name| answers.get(name).parse().ok())
            .collect();
        found.dedup();
        if found.is_empty() {
            found = self.store.site_people(site.clone(), vec![Role::Representative]).await?;
        }
        Ok(found)
    }
}

/// Whether somebody may give this credential a new secret.
pub fn may_rotate(member: &Delegate, credential: &Credential) -> bool {
    let permission = match credential.environment {
        Environment::Production => Permission::RotateCredential,
        Environment::Test => Permission::RotateTestCredential,
    };
    member.may(permission)
}
