//! The second factor: an authenticator app, and ten codes for the day when it is lost.

use std::time::Duration;

use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};
use webauthn_rs::prelude::{PasskeyAuthentication, PasskeyRegistration};
use zeroize::Zeroizing;

use crate::domain::{
    AccountId, MessageId, RecoveryCode, SecretHash, SessionToken, Timestamp, from_hex, hex,
};
use crate::sites::sign_in::new_token;
use crate::sites::{AccountError, Browser, SignedIn, Sites};
use crate::store::{Deed, Factor, Factors, NewFactor, Part, Shown, StoreError};

/// How authenticator apps call us.
const ISSUER: &str = "IZ Portal";
/// Bytes of the secret of an authenticator app. Source: RFC 4226, 4.
const TOTP_SECRET: usize = 20;
/// Codes that are given out at one time.
const RECOVERY_CODES: usize = 10;
/// How long something of several steps may take.
const CEREMONY: Duration = Duration::from_mins(10);

/// Something of several steps that is under way in a session.
#[derive(Serialize, Deserialize)]
pub(super) enum Ceremony {
    /// A passkey is asked to prove itself.
    Authentication(PasskeyAuthentication),
    /// A passkey is being added.
    Registration(PasskeyRegistration),
    /// An authenticator app is being set up; its secret is sealed.
    Totp(String),
}

/// A ceremony with the second when it began.
#[derive(Serialize, Deserialize)]
struct UnderWay {
    since: i64,
    ceremony: Ceremony,
}

/// What an authenticator app has to be told.
pub struct TotpSetUp {
    /// The secret in groups of four, to be typed.
    pub secret: Zeroizing<String>,
    /// The same as a picture, to be scanned: SVG.
    pub picture: Zeroizing<String>,
}

/// A second factor that works.
pub struct SetUp {
    /// For the browser's cookie: the session has another token.
    pub token: SessionToken,
    /// To be shown once; none when there were some already.
    pub recovery_codes: Vec<RecoveryCode>,
}

/// Which second factors a person has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactors {
    /// Whether an authenticator app is set up.
    pub has_app: bool,
    /// How many passkeys there are.
    pub passkeys: i64,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
}

impl SecondFactors {
    /// Whether there is none.
    pub const fn is_none(self) -> bool {
        !self.has_app && self.passkeys == 0
    }
}

impl Sites {
    /// Which second factors a person has.
    pub async fn factors(&self, who: &SignedIn) -> Result<SecondFactors, StoreError> {
        let factors = self.store.account_factors(who.id()).await?;
        let has_app = factors.totp.is_some();
        let Factors { passkeys, recovery_codes, .. } = factors;
        Ok(SecondFactors { has_app, passkeys, recovery_codes })
    }

    /// Begins to set up an authenticator app.
    pub async fn totp_begin(&self, who: &SignedIn, now: Timestamp) -> Result<(), AccountError> {
        who.may_change_factors(now)?;
        let mut secret = Zeroizing::new([0_u8; TOTP_SECRET]);
        SystemRandom::new()
            .fill(secret.as_mut())
            .map_err(|_unspecified| StoreError::Locked("no randomness"))?;
        let sealed = self.store.vault().seal(place(who.id()), Part::Totp, secret.as_ref())?;
        Ok(self.ceremony_begin(who, Ceremony::Totp(hex(&sealed)), now).await?)
    }

    /// What the app has to be told, while it is being set up.
    pub async fn totp_set_up(
        &self,
        who: &SignedIn,
        now: Timestamp,
    ) -> Result<Option<TotpSetUp>, StoreError> {
        let Some(sealed) = self.totp_under_way(who, now).await? else { return Ok(None) };
        let totp = self.totp(who, sealed)?;
        let secret = Zeroizing::new(totp.secret().to_base32());
        let url = Zeroizing::new(totp.to_url().map_err(|_wrong_name| UNUSABLE)?);
        let code = QRBuilder::new(url.as_bytes()).build().map_err(|_too_long| UNUSABLE)?;
        let groups: Vec<String> =
            secret.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into()).collect();
        Ok(Some(TotpSetUp {
            secret: Zeroizing::new(groups.join(" ")),
            picture: Zeroizing::new(SvgBuilder::default().to_str(&code)),
        }))
    }

    /// Sets the app up when its code is right; nothing when it is not.
    pub async fn totp_confirm(
        &self,
        who: &SignedIn,
        code: &str,
        browser: &Browser,
    ) -> Result<Option<SetUp>, AccountError> {
        who.may_change_factors(browser.now)?;
        let under_way = self.totp_under_way(who, browser.now).await?;
        let Some(sealed) = under_way else { return Err(AccountError::StepUp) };
        if !self.addresses.allow(browser) {
            return Ok(None);
        }
        let totp = self.totp(who, sealed.clone())?;
        let Some(step) = step(&totp, code, browser.now) else { return Ok(None) };
        let factor = Factor::Totp { sealed, step };
        self.add_factor(who, factor, "An authenticator app was set up", browser).await
    }

    /// Removes the app.
    ///
    /// # Errors
    /// When it is the last second factor of somebody who needs one.
    pub async fn totp_remove(&self, who: &SignedIn, browser: &Browser) -> Result<(), AccountError> {
        who.may_change_factors(browser.now)?;
        let deed = self.factor_notice(who, "An authenticator app was removed", browser);
        let needed = who.principal.needs_second_factor();
        Ok(self.store.totp_remove(who.id(), needed, deed).await?)
    }

    /// Other recovery codes; the ones before open nothing any more.
    pub async fn recovery_codes_renew(
        &self,
        who: &SignedIn,
        browser: &Browser,
    ) -> Result<Vec<RecoveryCode>, AccountError> {
        who.may_change_factors(browser.now)?;
        let (codes, hashes) = self.new_recovery_codes()?;
        let deed = self.factor_notice(who, "Your recovery codes were replaced", browser);
        self.store.recovery_codes_replace(who.id(), hashes, deed).await?;
        Ok(codes)
    }

    /// The app's code as something that was shown; nothing when it is wrong.
    pub(super) async fn totp_shown(
        &self,
        who: &SignedIn,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<Shown>, StoreError> {
        let Some(sealed) = self.store.account_factors(who.id()).await?.totp else {
            return Ok(None);
        };
        Ok(step(&self.totp(who, sealed)?, code, now).map(Shown::Totp))
    }

    /// A recovery code as something that was shown.
    pub(super) fn recovery_code_shown(&self, typed: &str) -> Option<Shown> {
        RecoveryCode::typed(typed).ok().map(|code| Shown::RecoveryCode(code.hash(&self.key)))
    }

    /// Sets a second factor up that has just worked.
    pub(super) async fn add_factor(
        &self,
        who: &SignedIn,
        factor: Factor,
        subject: &str,
        browser: &Browser,
    ) -> Result<Option<SetUp>, AccountError> {
        let (codes, recovery_codes) = self.new_recovery_codes()?;
        let token = new_token()?;
        let new = NewFactor {
            account: who.id(),
            factor,
            session: (who.hash(), token.hash(&self.key)),
            recovery_codes,
        };
        let deed = self.factor_notice(who, subject, browser);
        let added = self.store.second_factor_add(new, deed).await?;
        Ok(added.map(|first| SetUp { token, recovery_codes: if first { codes } else { vec![] } }))
    }

    /// A deed that tells the owner of the account of it.
    pub(super) fn factor_notice(&self, who: &SignedIn, subject: &str, browser: &Browser) -> Deed {
        let what = format!("{subject} for this account.");
        Deed::from(who.by(browser)).with(self.changed(&who.principal.account, subject, &what))
    }

    fn new_recovery_codes(&self) -> Result<(Vec<RecoveryCode>, Vec<SecretHash>), StoreError> {
        let random = SystemRandom::new();
        let codes = (0..RECOVERY_CODES)
            .map(|_| RecoveryCode::generate(&random))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_unspecified| StoreError::Locked("no randomness"))?;
        let hashes = codes.iter().map(|code| code.hash(&self.key)).collect();
        Ok((codes, hashes))
    }

    async fn totp_under_way(
        &self,
        who: &SignedIn,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.store.session_ceremony(who.hash()).await?;
        Ok(match under_way(state, now) {
            Some(Ceremony::Totp(sealed)) => from_hex(&sealed),
            _ => None,
        })
    }

    fn totp(&self, who: &SignedIn, sealed: Vec<u8>) -> Result<Totp, StoreError> {
        let secret = self.store.vault().open(place(who.id()), Part::Totp, sealed)?;
        Builder::new()
            .with_secret(Secret::from(secret))
            .with_issuer(Some(ISSUER))
            .with_account_name(who.principal.account.email.as_str())
            .build()
            .map_err(|_too_short| UNUSABLE)
    }

    /// Keeps a ceremony with the session.
    pub(super) async fn ceremony_begin(
        &self,
        who: &SignedIn,
        ceremony: Ceremony,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let under_way = UnderWay { since: seconds(now), ceremony };
        let state = serde_json::to_string(&under_way).map_err(|_unwritable| UNUSABLE)?;
        self.store.session_ceremony_begin(who.hash(), state).await
    }

    /// Takes the ceremony of the session, which is over with that.
    pub(super) async fn ceremony_take(
        &self,
        who: &SignedIn,
        now: Timestamp,
    ) -> Result<Option<Ceremony>, StoreError> {
        let state = self.store.session_ceremony_take(who.hash()).await?;
        Ok(under_way(state, now))
    }
}

const UNUSABLE: StoreError = StoreError::Locked("the secret of an authenticator app is not usable");

/// A ceremony that is not too old.
fn under_way(state: Option<String>, now: Timestamp) -> Option<Ceremony> {
    let UnderWay { since, ceremony } = serde_json::from_str(&state?).ok()?;
    let end = i64::try_from(CEREMONY.as_secs()).ok()?.checked_add(since)?;
    (seconds(now) < end).then_some(ceremony)
}

fn seconds(now: Timestamp) -> i64 {
    now.utc().timestamp()
}

/// Under which the vault seals the secret of an account.
const fn place(id: AccountId) -> MessageId {
    MessageId(id.0)
}

/// The time step of a code, when it is right.
fn step(totp: &Totp, code: &str, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|one| !one.is_whitespace()).collect();
    let time = u64::try_from(seconds(now)).ok()?;
    i64::try_from(totp.check(&code, time)?).ok()
}
