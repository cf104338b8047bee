//! Passwords: the first one, another for a forgotten one, a changed one.

use std::time::Duration;

use crate::domain::{
    Account, AccountState, By, Check, EmailAddress, Letter, LinkPurpose, OneTimeToken, Owner,
    Passphrase, PassphraseHash, Password, SecretHash, SessionToken,
};
use crate::sites::sign_in::new_token;
use crate::sites::{AccountError, Browser, INVITATION_WITHIN, SignedIn, Sites};
use crate::store::{Deed, Factors, LinkSecret, StoreError};

/// How long the link for a forgotten password is good.
const RECOVER_WITHIN: Duration = Duration::from_hours(1);

/// The purposes of links by which a password is set.
const PURPOSES: [LinkPurpose; 2] = [LinkPurpose::SetPassword, LinkPurpose::RecoverPassword];

/// A link by which a password may be set, looked at and not used.
#[derive(Clone, Debug)]
pub struct PasswordLink {
    /// Whose password.
    pub account: Account,
    /// Whether it is the first one.
    pub is_first: bool,
    /// Characters that it must have.
    pub least: usize,
    hash: SecretHash,
    purpose: LinkPurpose,
}

/// What came of changing a password.
#[derive(Debug)]
pub enum PasswordChange {
    /// It is changed; all other sessions have ended, and this one has another token.
    Done(SessionToken),
    /// The present password is wrong, or the account waits.
    Wrong,
}

impl Sites {
    /// Mails a link for another password, or for the first one to somebody who was invited. There is one answer, whether the
    /// address is known or not, after the same work.
    ///
    /// # Errors
    /// [`AccountError::TooMany`] when the browser's address asks too often.
    pub async fn password_forgotten(
        &self,
        email: &EmailAddress,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        if !self.addresses.allow(browser) {
            return Err(AccountError::TooMany);
        }
        let found = self.store.account_factors_by_email(email.clone()).await?;
        let (token, secret) = self.new_link_for(RECOVER_WITHIN)?;
        let by = By::visitor(&browser.address, browser.now);
        let (to, secret, letter) = match found {
            Some((factors, true)) if factors.account.state == AccountState::Active => {
                let account = &factors.account;
                let letter = self.forgotten(account, &token);
                (Some((account.id, LinkPurpose::RecoverPassword)), secret, Some(letter))
            }
            Some((factors, true)) if self.may_be_invited(&factors.account).await? => {
                let account = &factors.account;
                let secret = LinkSecret { life: INVITATION_WITHIN, ..secret };
                let letter = self.invitation((email, &account.first_name), &[], &token);
                (Some((account.id, LinkPurpose::SetPassword)), secret, Some(letter))
            }
            _ => (None, secret, None),
        };
        let deed = Deed { by, letters: letter.into_iter().collect() };
        // A mailbox that has had too many letters already gets none; the answer is the same.
        self.store.password_link(to, secret, deed).await?;
        Ok(())
    }

    /// Looks at a link by which a password is set; nothing when it does not hold.
    pub async fn password_link(
        &self,
        token: &str,
        browser: &Browser,
    ) -> Result<Option<PasswordLink>, StoreError> {
        let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(None) };
        let hash = token.hash(&self.key);
        for purpose in PURPOSES {
            let link = self.store.link_peek(hash, purpose, browser.now).await?;
            let Some(id) = link.and_then(|link| link.subject.parse().ok()) else { continue };
            let factors = self.store.account_factors(id).await?;
            if factors.account.state == AccountState::Deactivated {
                return Ok(None);
            }
            return Ok(Some(PasswordLink {
                least: Passphrase::least(factors.has_second_factor()),
                is_first: factors.password.is_none(),
                account: factors.account,
                hash,
                purpose,
            }));
        }
        Ok(None)
    }

    /// Sets a password by a mailed link, which is used up. Every session of the account ends; a second factor stays.
    ///
    /// # Errors
    /// [`AccountError::Weak`] when the password is not taken; the link holds on.
    pub async fn password_set(
        &self,
        link: &PasswordLink,
        password: Password,
        browser: &Browser,
    ) -> Result<Option<Account>, AccountError> {
        let factors = self.store.account_factors(link.account.id).await?;
        let hash = self.taken(password, &factors).await?;
        let account = &link.account;
        let by = By::account(account.id.0, &browser.address, browser.now);
        let mut deed = Deed::from(by);
        if !link.is_first {
            deed = deed.with(self.password_notice(account));
        }
        Ok(self.store.password_set_by_link(link.hash, link.purpose, hash, deed).await?)
    }

    /// Changes a password by showing the present one.
    ///
    /// # Errors
    /// [`AccountError::Weak`] when the new one is not taken.
    pub async fn password_change(
        &self,
        who: &SignedIn,
        (present, new): (Password, Password),
        browser: &Browser,
    ) -> Result<PasswordChange, AccountError> {
        if who.is_half_way() {
            return Err(AccountError::StepUp);
        }
        let factors = self.store.account_factors(who.id()).await?;
        let kept = factors.password.clone();
        let allowed = self.addresses.allow(browser)
            && self.store.account_try(Some(who.id()), browser.now).await?;
        let check = self.hasher.check(present, kept.clone()).await?;
        let Some(kept) = kept.filter(|_| allowed && check != Check::Wrong) else {
            let deed = who.by(browser).into();
            self.store.account_noted(Some(who.id()), "account.proof-refused", deed).await?;
            return Ok(PasswordChange::Wrong);
        };
        let hash = self.taken(new, &factors).await?;
        let token = new_token()?;
        let tokens = (who.hash(), token.hash(&self.key));
        let deed = Deed::from(who.by(browser)).with(self.password_notice(&who.principal.account));
        let changed = self.store.password_change(who.id(), (kept, hash), tokens, deed).await?;
        Ok(if changed { PasswordChange::Done(token) } else { PasswordChange::Wrong })
    }

    /// The hash of a password that somebody chose, when it is good enough for them.
    async fn taken(
        &self,
        password: Password,
        factors: &Factors,
    ) -> Result<PassphraseHash, AccountError> {
        let account = &factors.account;
        let organizations = self.store.membership_organizations(account.id).await?;
        let mut known = vec![&*account.first_name, &*account.last_name, account.email.as_str()];
        known.extend(organizations.iter().map(|(_, name)| name.as_str()));
        let owner = Owner { known, second_factor: factors.has_second_factor() };
        let passphrase = Passphrase::choose(password, &owner).map_err(AccountError::Weak)?;
        Ok(self.hasher.hash(passphrase).await?)
    }

    fn password_notice(&self, account: &Account) -> Letter {
        let what = "The password of this account was changed, and all other sessions were ended.";
        self.changed(account, "Your password was changed", what)
    }

    /// The secret of a link for a first password, and what is kept of it.
    pub(super) fn new_invitation(&self) -> Result<(OneTimeToken, LinkSecret), StoreError> {
        self.new_link_for(INVITATION_WITHIN)
    }

    /// The secret of a link, and what is kept of it.
    pub(super) fn new_link_for(
        &self,
        life: Duration,
    ) -> Result<(OneTimeToken, LinkSecret), StoreError> {
        let token = Self::new_link()?;
        let hash = token.hash(&self.key);
        Ok((token, LinkSecret { hash, life }))
    }
}
