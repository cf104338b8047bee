//! What an account signs in with: password, authenticator app, passkeys, recovery codes.

use diesel::prelude::*;

use crate::domain::{
    Account, AccountId, AccountState, LinkPurpose, PasskeyId, PassphraseHash, Refusal, SecretHash,
    Timestamp,
};
use crate::store::account::{self, Factors, factors, forget_failures, object, subject};
use crate::store::connection::DbConnection;
use crate::store::one_time_link::{self, LinkSecret};
use crate::store::schema::{account as accounts, passkey, recovery_code};
use crate::store::{Deed, Store, StoreError, session};

/// A passkey as the table has it.
#[derive(Debug, Clone)]
pub struct PasskeyRecord {
    /// Its number.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// Its public key and counter, as `webauthn-rs` writes them.
    pub data: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// A second factor that was just proven to work, to be set up in a session that gets another token for it.
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub factor: Factor,
    /// The present token of the session and the next one.
    pub session: (SecretHash, SecretHash),
    /// Recovery codes, taken when there are none yet.
    pub recovery_codes: Vec<SecretHash>,
}

/// A second factor.
#[derive(Debug, Clone)]
pub enum Factor {
    /// A passkey.
    Passkey {
        /// What its owner calls it.
        name: String,
        /// Its credential id.
        credential: Vec<u8>,
        /// Its public key and counter.
        data: String,
    },
    /// An authenticator app.
    Totp {
        /// The sealed secret.
        sealed: Vec<u8>,
        /// The time step of the code that was shown.
        step: i64,
    },
}

fn add(
    conn: &mut DbConnection,
    id: AccountId,
    factor: Factor,
    now: Timestamp,
) -> Result<&'static str, StoreError> {
    match factor {
        Factor::Totp { sealed, step } => {
            diesel::update(accounts::table.find(id))
                .set((accounts::totp.eq(Some(sealed)), accounts::totp_step.eq(Some(step))))
                .execute(conn)?;
            Ok("authenticator app")
        }
        Factor::Passkey { name, credential, data } => {
            diesel::insert_into(passkey::table)
                .values((
                    passkey::account_id.eq(id),
                    passkey::name.eq(name),
                    passkey::credential_id.eq(credential),
                    passkey::data.eq(data),
                    passkey::created_at.eq(now),
                ))
                .execute(conn)?;
            Ok("passkey")
        }
    }
}

fn replace_codes(
    conn: &mut DbConnection,
    id: AccountId,
    hashes: &[SecretHash],
) -> Result<(), StoreError> {
    let of_account = recovery_code::table.filter(recovery_code::account_id.eq(id));
    diesel::delete(of_account).execute(conn)?;
    for hash in hashes {
        diesel::insert_into(recovery_code::table)
            .values((recovery_code::account_id.eq(id), recovery_code::hash.eq(*hash)))
            .execute(conn)?;
    }
    Ok(())
}

fn now_factors(conn: &mut DbConnection, id: AccountId) -> Result<Factors, StoreError> {
    let account = account::by_id(conn, id)?;
    factors(conn, account)
}

/// After a factor was removed: who must have one keeps one, and recovery codes are of no use without.
fn removed(conn: &mut DbConnection, id: AccountId, needed: bool) -> Result<(), StoreError> {
    if !now_factors(conn, id)?.has_second_factor() {
        if needed {
            let text = "your role needs a second factor: set up another one first";
            return Err(Refusal(text.to_owned()).into());
        }
        replace_codes(conn, id, &[])?;
    }
    Ok(())
}

impl Store {
    /// Sets a second factor up. Tells whether the recovery codes were taken; nothing when the session has ended.
    pub async fn second_factor_add(
        &self,
        new: NewFactor,
        deed: Deed,
    ) -> Result<Option<bool>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let (id, now) = (new.account, doing.now);
            let (old, next) = new.session;
            if !session::rotate(conn, old, next, true, now)? {
                return Ok(None);
            }
            let first = now_factors(conn, id)?.recovery_codes == 0;
            let word = add(conn, id, new.factor, now)?;
            if first {
                replace_codes(conn, id, &new.recovery_codes)?;
            }
            forget_failures(conn, id)?;
            doing.end(conn, "account.second-factor-add", &object(id), None, Some(word))?;
            Ok(Some(first))
        })
        .await
    }

    /// Removes the authenticator app; not when it is the last second factor of somebody who needs one.
    pub async fn totp_remove(
        &self,
        id: AccountId,
        needed: bool,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            if now_factors(conn, id)?.totp.is_none() {
                return Err(StoreError::NotFound("authenticator app".to_owned()));
            }
            diesel::update(accounts::table.find(id))
                .set((accounts::totp.eq(None::<Vec<u8>>), accounts::totp_step.eq(None::<i64>)))
                .execute(conn)?;
            removed(conn, id, needed)?;
            let what = "account.second-factor-remove";
            doing.end(conn, what, &object(id), Some("authenticator app"), None)?;
            Ok(())
        })
        .await
    }

    /// The passkeys of an account, the oldest first.
    pub async fn passkey_list(&self, id: AccountId) -> Result<Vec<PasskeyRecord>, StoreError> {
        self.read(move |conn| {
            let rows = passkey::table
                .filter(passkey::account_id.eq(id))
                .order(passkey::id.asc())
                .select((
                    passkey::id,
                    passkey::name,
                    passkey::data,
                    passkey::created_at,
                    passkey::last_used_at,
                ))
                .load::<(PasskeyId, String, String, Timestamp, Option<Timestamp>)>(conn)?;
            let record = |(id, name, data, created_at, last_used_at)| PasskeyRecord {
                id,
                name,
                data,
                created_at,
                last_used_at,
            };
            Ok(rows.into_iter().map(record).collect())
        })
        .await
    }

    /// Removes a passkey of an account; not when it is the last second factor of somebody who needs one.
    pub async fn passkey_remove(
        &self,
        id: AccountId,
        key: PasskeyId,
        needed: bool,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let one = passkey::table.find(key).filter(passkey::account_id.eq(id));
            if diesel::delete(one).execute(conn)? == 0 {
                return Err(StoreError::NotFound("such passkey".to_owned()));
            }
            removed(conn, id, needed)?;
            let what = "account.second-factor-remove";
            doing.end(conn, what, &object(id), Some("passkey"), None)?;
            Ok(())
        })
        .await
    }

    /// Takes every second factor of an account whose owner has lost them, and ends its sessions.
    pub async fn second_factor_clear(&self, id: AccountId, deed: Deed) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            account::by_id(conn, id)?;
            diesel::update(accounts::table.find(id))
                .set((accounts::totp.eq(None::<Vec<u8>>), accounts::totp_step.eq(None::<i64>)))
                .execute(conn)?;
            diesel::delete(passkey::table.filter(passkey::account_id.eq(id))).execute(conn)?;
            replace_codes(conn, id, &[])?;
            session::end_all(conn, id, None)?;
            doing.end(conn, "account.second-factor-clear", &object(id), None, None)?;
            Ok(())
        })
        .await
    }

    /// Gives an account other recovery codes.
    pub async fn recovery_codes_replace(
        &self,
        id: AccountId,
        hashes: Vec<SecretHash>,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            if !now_factors(conn, id)?.has_second_factor() {
                let text = "recovery codes are for a second factor: set one up first";
                return Err(Refusal(text.to_owned()).into());
            }
            replace_codes(conn, id, &hashes)?;
            doing.end(conn, "account.recovery-codes", &object(id), None, None)?;
            Ok(())
        })
        .await
    }

    /// Sets a password by a mailed link, which is used up; every session ends, and wrong tries are forgotten. Nothing when
    /// the link does not hold or the account is closed.
    pub async fn password_set_by_link(
        &self,
        link: SecretHash,
        purpose: LinkPurpose,
        password: PassphraseHash,
        deed: Deed,
    ) -> Result<Option<Account>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let used = one_time_link::consume(conn, link, purpose, doing.now)?;
            let id = used.and_then(|link| link.subject.parse::<AccountId>().ok());
            let Some(id) = id else { return Ok(None) };
            let before = account::by_id(conn, id)?;
            if before.state == AccountState::Deactivated {
                return Ok(None);
            }
            diesel::update(accounts::table.find(id))
                .set((
                    accounts::password.eq(Some(password)),
                    accounts::state.eq(AccountState::Active),
                ))
                .execute(conn)?;
            forget_failures(conn, id)?;
            session::end_all(conn, id, None)?;
            for purpose in [LinkPurpose::SetPassword, LinkPurpose::RecoverPassword] {
                one_time_link::end(conn, purpose, &subject(id), doing.now)?;
            }
            doing.end(conn, "account.password-by-link", &object(id), None, Some(purpose.word()))?;
            account::by_id(conn, id).map(Some)
        })
        .await
    }

    /// Changes a password; the session gets another token and all others end. Not when the password is another by now.
    pub async fn password_change(
        &self,
        id: AccountId,
        (old, new): (PassphraseHash, PassphraseHash),
        (token, next): (SecretHash, SecretHash),
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let same = accounts::table.find(id).filter(accounts::password.eq(old));
            let changed =
                diesel::update(same).set(accounts::password.eq(Some(new))).execute(conn)?;
            if changed == 0 {
                return Ok(false);
            }
            session::end_all(conn, id, Some(token))?;
            session::rotate(conn, token, next, false, doing.now)?;
            forget_failures(conn, id)?;
            one_time_link::end(conn, LinkPurpose::RecoverPassword, &subject(id), doing.now)?;
            doing.end(conn, "account.password-change", &object(id), None, None)?;
            Ok(true)
        })
        .await
    }

    /// Issues the link for a forgotten or a first password; of nobody, for the same work, when the address is unknown or its
    /// account has nothing to do here. Tells whether the letter was posted.
    pub async fn password_link(
        &self,
        to: Option<(AccountId, LinkPurpose)>,
        secret: LinkSecret,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let mut doing = self.doing(deed);
        self.write(move |conn| {
            let (id, purpose) = to.unzip();
            let purpose = purpose.unwrap_or(LinkPurpose::RecoverPassword);
            let subject = id.map_or_else(|| NOBODY.to_owned(), subject);
            one_time_link::issue(conn, &secret.link(purpose, subject), doing.now)?;
            let object = id.map_or_else(|| format!("account {NOBODY}"), object);
            if id.is_none() {
                doing.keep_letters();
            }
            doing.end(conn, "account.password-link", &object, None, Some(purpose.word()))
        })
        .await
    }
}

/// Subject of the links that nobody gets.
const NOBODY: &str = "unknown";
