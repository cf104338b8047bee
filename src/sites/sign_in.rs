//! Signing in and out: password, then the second factor; whose session a cookie is; showing again that one is there.
//!
//! Every refusal has one answer, and an unknown address costs the same work as a known one: the same reads, one hash, the
//! same writes. Tries are counted before they are looked at, for each account in the database and for each address in
//! memory; waits grow and end by themselves.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ring::rand::SystemRandom;

use crate::domain::{
    AccountId, AccountState, By, Check, EmailAddress, Password, Principal, SecondFactor,
    SecretHash, Session, SessionToken, Standing, Timestamp,
};
use crate::sites::{AccountError, Sites};
use crate::store::{Deed, Factors, NewSession, Shown, StoreError};

/// The browser that asks.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The address that the request came from.
    pub address: String,
    /// What it calls itself.
    pub agent: String,
    /// When it asked.
    pub now: Timestamp,
}

/// Tries of one address that are answered at once; then one every three seconds. A clinic shares one address.
const BURST: NonZeroU32 = NonZeroU32::new(60).unwrap();
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Addresses remembered before those that have recovered are forgotten.
const REMEMBERED: usize = 10_000;

/// Counts what an address tries.
pub(super) struct Addresses(DefaultKeyedRateLimiter<IpAddr>);

impl Addresses {
    pub(super) fn new() -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(PER_MINUTE).allow_burst(BURST)))
    }

    /// Counts a try; whether it is answered now.
    pub(super) fn allow(&self, browser: &Browser) -> bool {
        if self.0.len() > REMEMBERED {
            self.0.retain_recent();
        }
        browser.address.parse().is_ok_and(|address| self.0.check_key(&address).is_ok())
    }
}

/// Proof that a request came with a live session. Only [`Sites::signed_in`] makes one.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who, and what they may do.
    pub principal: Principal,
    session: Session,
    hash: SecretHash,
}

impl SignedIn {
    /// The number of the account.
    pub const fn id(&self) -> AccountId {
        self.principal.account.id
    }

    /// What the session is good for.
    pub fn standing(&self) -> Standing {
        self.principal.standing()
    }

    /// Whether the person has shown a password or a second factor recently enough to be shown a secret.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.session.is_fresh(now)
    }

    /// Who does something, for the audit trail.
    pub fn by(&self, browser: &Browser) -> By {
        By::account(self.id().0, &browser.address, browser.now)
    }

    /// Whether a session of a list is this one.
    pub fn is(&self, session: &SecretHash) -> bool {
        self.hash.matches(session)
    }

    pub(super) const fn hash(&self) -> SecretHash {
        self.hash
    }

    /// Whether a second factor has just been asked for, and so nothing else may be done.
    pub(super) const fn is_half_way(&self) -> bool {
        matches!(self.principal.second_factor, SecondFactor::Due)
    }

    /// Whether the person may change what they sign in with.
    ///
    /// # Errors
    /// When they have to show first that they are there.
    pub(super) fn may_change_factors(&self, now: Timestamp) -> Result<(), AccountError> {
        if self.is_half_way() || !self.is_fresh(now) { Err(AccountError::StepUp) } else { Ok(()) }
    }
}

/// What came of signing in.
#[derive(Debug)]
pub enum SignIn {
    /// The password is right; what the session is good for is asked of the next request.
    Done {
        /// For the browser's cookie.
        token: SessionToken,
        /// Whether a second factor has to be shown now.
        second_factor: bool,
    },
    /// The address or the password is wrong, or the account waits, is closed or has no password: one answer for all.
    Refused,
    /// The address has tried too often.
    TooMany,
}

/// What a person shows of themselves.
#[derive(Debug)]
pub enum Proof {
    /// The answer of a passkey, as its JSON.
    Passkey(String),
    /// The password: only to show again that one is there, never in place of a second factor.
    Password(Password),
    /// A recovery code, as it was typed.
    RecoveryCode(String),
    /// The code of an authenticator app.
    Totp(String),
}

impl Sites {
    /// Signs in with an address and a password; `before` is the token that the browser had.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Password,
        before: Option<&str>,
        browser: &Browser,
    ) -> Result<SignIn, StoreError> {
        if !self.addresses.allow(browser) {
            return Ok(SignIn::TooMany);
        }
        let found = match email.parse::<EmailAddress>() {
            Ok(email) => self.store.account_factors_by_email(email).await?,
            Err(_) => None,
        };
        let id = found.as_ref().map(|(factors, _)| factors.account.id);
        let usable = found.filter(|(factors, has_place)| {
            *has_place && factors.account.state == AccountState::Active
        });
        let usable = usable.map(|(factors, _)| factors);
        let kept = usable.as_ref().and_then(|factors| factors.password.clone());

        let allowed = self
            .store
            .account_try(usable.as_ref().map(|factors| factors.account.id), browser.now)
            .await?;
        let check = self.hasher.check(password.clone(), kept).await?;
        if let Some(factors) = usable.filter(|_| allowed && check != Check::Wrong)
            && let Some(done) = self.open(factors, password, check, before, browser).await?
        {
            return Ok(done);
        }
        let by = By::visitor(&browser.address, browser.now);
        self.store.account_noted(id, "account.sign-in-refused", by.into()).await?;
        Ok(SignIn::Refused)
    }

    async fn open(
        &self,
        factors: Factors,
        password: Password,
        check: Check,
        before: Option<&str>,
        browser: &Browser,
    ) -> Result<Option<SignIn>, StoreError> {
        let second_factor = factors.has_second_factor();
        let Some(kept) = factors.password else { return Ok(None) };
        let renewed = match check {
            Check::Outdated => Some(self.hasher.renew(password).await?),
            Check::Right | Check::Wrong => None,
        };
        let token = new_token()?;
        let account = factors.account.id;
        let session = NewSession {
            hash: token.hash(&self.key),
            account,
            address: browser.address.clone(),
            agent: browser.agent.clone(),
            half_way: second_factor,
            password: kept,
            renewed,
            replaces: before.and_then(|token| self.session_hash(token)),
        };
        let by = By::account(account.0, &browser.address, browser.now);
        let opened = self.store.session_open(session, by.into()).await?;
        Ok(opened.then_some(SignIn::Done { token, second_factor }))
    }

    /// Whose session a cookie is, as they are now; nothing when it has ended.
    pub async fn signed_in(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, StoreError> {
        let Some(hash) = self.session_hash(token) else { return Ok(None) };
        let Some((session, principal)) = self.store.session_by_hash(hash, now).await? else {
            return Ok(None);
        };
        if session.is_stale(now) {
            self.store.session_touch(hash, now).await?;
        }
        Ok(Some(SignedIn { principal, session, hash }))
    }

    /// Shows a second factor to complete signing in, or shows again that one is there. The session gets another token, or
    /// nothing when the proof does not hold: wrong, used before, or the account waits.
    pub async fn prove(
        &self,
        who: &SignedIn,
        proof: Proof,
        browser: &Browser,
    ) -> Result<Option<SessionToken>, StoreError> {
        let shown = if self.addresses.allow(browser)
            && self.store.account_try(Some(who.id()), browser.now).await?
        {
            self.shown(who, proof, browser.now).await?
        } else {
            None
        };
        if let Some(shown) = shown {
            let token = new_token()?;
            let tokens = (who.hash, token.hash(&self.key));
            let deed = self.proof_deed(who, &shown, browser).await?;
            if self.store.session_prove(tokens, who.id(), shown, deed).await? {
                return Ok(Some(token));
            }
        }
        let deed = who.by(browser).into();
        self.store.account_noted(Some(who.id()), "account.proof-refused", deed).await?;
        Ok(None)
    }

    async fn shown(
        &self,
        who: &SignedIn,
        proof: Proof,
        now: Timestamp,
    ) -> Result<Option<Shown>, StoreError> {
        match proof {
            Proof::Passkey(answer) => self.passkey_shown(who, &answer, now).await,
            Proof::Password(_) if who.is_half_way() => Ok(None),
            Proof::Password(password) => {
                let kept = self.store.account_factors(who.id()).await?.password;
                let check = self.hasher.check(password, kept.clone()).await?;
                Ok(kept.filter(|_| check != Check::Wrong).map(Shown::Password))
            }
            Proof::RecoveryCode(code) => Ok(self.recovery_code_shown(&code)),
            Proof::Totp(code) => self.totp_shown(who, &code, now).await,
        }
    }

    /// A recovery code that is used is told to the owner, who may not be the one who used it.
    async fn proof_deed(
        &self,
        who: &SignedIn,
        shown: &Shown,
        browser: &Browser,
    ) -> Result<Deed, StoreError> {
        let deed = Deed::from(who.by(browser));
        if !matches!(shown, Shown::RecoveryCode(_)) {
            return Ok(deed);
        }
        let left = self.store.account_factors(who.id()).await?.recovery_codes.saturating_sub(1);
        let what = format!("A recovery code was used to sign in to this account. {left} are left.");
        let subject = "A recovery code was used";
        Ok(deed.with(self.changed(&who.principal.account, subject, &what)))
    }

    /// Signs out.
    pub async fn sign_out(&self, who: &SignedIn, browser: &Browser) -> Result<(), StoreError> {
        self.store.session_end(who.hash, who.id(), who.by(browser).into()).await?;
        Ok(())
    }

    /// Ends one session of one's own, by the name that a list gave it.
    pub async fn session_end(
        &self,
        who: &SignedIn,
        name: &str,
        browser: &Browser,
    ) -> Result<bool, StoreError> {
        let hash = crate::domain::from_hex(name).and_then(|bytes| SecretHash::from_slice(&bytes));
        match hash {
            Some(hash) if !who.is_half_way() => {
                self.store.session_end(hash, who.id(), who.by(browser).into()).await
            }
            _ => Ok(false),
        }
    }

    /// Signs out everywhere else; gives in how many places.
    pub async fn sign_out_elsewhere(
        &self,
        who: &SignedIn,
        browser: &Browser,
    ) -> Result<usize, StoreError> {
        let deed = who.by(browser).into();
        self.store.session_end_all(who.id(), Some(who.hash), deed).await
    }

    /// The sessions of a person, the newest first, each with the name by which it is ended.
    pub async fn sessions(
        &self,
        who: &SignedIn,
        now: Timestamp,
    ) -> Result<Vec<(SecretHash, Session)>, StoreError> {
        self.store.session_list(who.id(), now).await
    }

    /// How many passwords were hashed.
    pub fn hashes_computed(&self) -> u64 {
        self.hasher.computed()
    }

    fn session_hash(&self, token: &str) -> Option<SecretHash> {
        token.parse::<SessionToken>().ok().map(|token| token.hash(&self.key))
    }
}

/// A new token for a browser's cookie.
pub(super) fn new_token() -> Result<SessionToken, StoreError> {
    SessionToken::generate(&SystemRandom::new())
        .map_err(|_unspecified| StoreError::Locked("no randomness"))
}
