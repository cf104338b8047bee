//! Sessions on the server: a keyed hash of what the cookie holds, found anew for each request.
//!
//! Whoever shows a password or a second factor gets another cookie; the old one opens nothing any more.

use diesel::prelude::*;

use crate::domain::{
    AccountId, AccountState, PassphraseHash, Principal, SecondFactor, SecretHash, Session,
    Timestamp,
};
use crate::store::account::{self, forget_failures, from_row, object};
use crate::store::connection::DbConnection;
use crate::store::schema::{account as accounts, passkey, recovery_code, session};
use crate::store::{Deed, Store, StoreError, membership, staff};

/// A session to be opened by a right password.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Keyed hash of its token.
    pub hash: SecretHash,
    /// Whose.
    pub account: AccountId,
    /// The address that it begins from.
    pub address: String,
    /// The browser, as it calls itself.
    pub agent: String,
    /// Whether a second factor has to be shown before it is good for anything.
    pub half_way: bool,
    /// The hash that the password was checked against; when it is another by now, nothing is opened.
    pub password: PassphraseHash,
    /// The same password hashed with the parameters of today.
    pub renewed: Option<PassphraseHash>,
    /// The session that the browser had before.
    pub replaces: Option<SecretHash>,
}

/// What a person has shown in a session, with what has to be noted so that it is not shown twice.
#[derive(Debug, Clone)]
pub enum Shown {
    /// A passkey: its row, and what has changed of it.
    Passkey {
        /// Its credential id.
        credential: Vec<u8>,
        /// Its data, when that has changed.
        data: Option<String>,
    },
    /// The password that has this hash.
    Password(PassphraseHash),
    /// A recovery code.
    RecoveryCode(SecretHash),
    /// The code of a time step.
    Totp(i64),
}

impl Shown {
    const fn is_second_factor(&self) -> bool {
        !matches!(self, Self::Password(_))
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Passkey { .. } => "passkey",
            Self::Password(_) => "password",
            Self::RecoveryCode(_) => "recovery code",
            Self::Totp(_) => "authenticator app",
        }
    }
}

type SessionColumns = (
    session::account_id,
    session::created_at,
    session::seen_at,
    session::second_factor_at,
    session::stepped_up_at,
    session::address,
    session::agent,
);

const SESSION: SessionColumns = (
    session::account_id,
    session::created_at,
    session::seen_at,
    session::second_factor_at,
    session::stepped_up_at,
    session::address,
    session::agent,
);

type Row = (AccountId, Timestamp, Timestamp, Option<Timestamp>, Option<Timestamp>, String, String);

fn session_of(row: Row) -> Session {
    let (account, created_at, seen_at, second_factor_at, stepped_up_at, address, agent) = row;
    Session { account, created_at, seen_at, second_factor_at, stepped_up_at, address, agent }
}

/// Ends the sessions of an account, but perhaps one.
pub(super) fn end_all(
    conn: &mut DbConnection,
    account: AccountId,
    but: Option<SecretHash>,
) -> Result<usize, StoreError> {
    let all = session::table.filter(session::account_id.eq(account));
    Ok(match but {
        Some(kept) => diesel::delete(all.filter(session::hash.ne(kept))).execute(conn)?,
        None => diesel::delete(all).execute(conn)?,
    })
}

/// Gives a session another token; nothing when it has ended.
pub(super) fn rotate(
    conn: &mut DbConnection,
    old: SecretHash,
    new: SecretHash,
    second_factor: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = diesel::update(session::table.find(old))
        .set((
            session::hash.eq(new),
            session::stepped_up_at.eq(Some(now)),
            session::ceremony.eq(None::<String>),
            session::seen_at.eq(now),
        ))
        .execute(conn)?;
    if second_factor {
        diesel::update(session::table.find(new))
            .set(session::second_factor_at.eq(Some(now)))
            .execute(conn)?;
    }
    Ok(changed > 0)
}

/// Notes what was shown, so that it is not shown twice; whether it holds.
fn use_up(
    conn: &mut DbConnection,
    id: AccountId,
    shown: &Shown,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = match shown {
        Shown::Password(hash) => {
            let same = accounts::table.find(id).filter(accounts::password.eq(hash)).count();
            usize::from(same.get_result::<i64>(conn)? > 0)
        }
        Shown::Totp(step) => {
            let newer = accounts::totp_step.is_null().or(accounts::totp_step.lt(step));
            diesel::update(accounts::table.find(id).filter(newer))
                .set(accounts::totp_step.eq(Some(step)))
                .execute(conn)?
        }
        Shown::RecoveryCode(hash) => {
            diesel::delete(recovery_code::table.find((id, hash))).execute(conn)?
        }
        Shown::Passkey { credential, data } => {
            let key = passkey::table
                .filter(passkey::account_id.eq(id))
                .filter(passkey::credential_id.eq(credential));
            if let Some(data) = data {
                diesel::update(key).set(passkey::data.eq(data)).execute(conn)?;
            }
            diesel::update(key).set(passkey::last_used_at.eq(Some(now))).execute(conn)?
        }
    };
    Ok(done > 0)
}

fn signed_in(conn: &mut DbConnection, id: AccountId, now: Timestamp) -> Result<(), StoreError> {
    forget_failures(conn, id)?;
    diesel::update(accounts::table.find(id))
        .set(accounts::last_sign_in_at.eq(Some(now)))
        .execute(conn)?;
    Ok(())
}

impl Store {
    /// Opens a session for a right password; not when the account was closed or got another password meanwhile.
    pub async fn session_open(&self, new: NewSession, deed: Deed) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let (id, now) = (new.account, doing.now);
            let open = account::by_id(conn, id)?.state == AccountState::Active
                && use_up(conn, id, &Shown::Password(new.password), now)?;
            if !open {
                return Ok(false);
            }
            if let Some(replaced) = new.replaces {
                diesel::delete(session::table.find(replaced)).execute(conn)?;
            }
            if let Some(renewed) = new.renewed {
                diesel::update(accounts::table.find(id))
                    .set(accounts::password.eq(Some(renewed)))
                    .execute(conn)?;
            }
            diesel::insert_into(session::table)
                .values((
                    session::hash.eq(new.hash),
                    session::account_id.eq(id),
                    session::created_at.eq(now),
                    session::seen_at.eq(now),
                    session::stepped_up_at.eq(Some(now).filter(|_| !new.half_way)),
                    session::address.eq(new.address),
                    session::agent.eq(new.agent),
                ))
                .execute(conn)?;
            let what = if new.half_way { "account.password-shown" } else { "account.sign-in" };
            if !new.half_way {
                signed_in(conn, id, now)?;
            }
            doing.end(conn, what, &object(id), None, None)?;
            Ok(true)
        })
        .await
    }

    /// Takes what a person has shown in a session, and gives the session another token; not when it was shown before, or
    /// when the session has ended.
    pub async fn session_prove(
        &self,
        (old, new): (SecretHash, SecretHash),
        id: AccountId,
        shown: Shown,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        let done = self
            .write(move |conn| {
                let now = doing.now;
                let half_way = session::table
                    .find(old)
                    .filter(session::account_id.eq(id))
                    .select(session::second_factor_at.is_null())
                    .first::<bool>(conn)
                    .optional()?
                    .ok_or_else(unproven)?;
                if !use_up(conn, id, &shown, now)?
                    || !rotate(conn, old, new, shown.is_second_factor(), now)?
                {
                    return Err(unproven());
                }
                let completes = half_way && shown.is_second_factor();
                if completes {
                    signed_in(conn, id, now)?;
                } else {
                    forget_failures(conn, id)?;
                }
                let what = if completes { "account.sign-in" } else { "account.step-up" };
                doing.end(conn, what, &object(id), None, Some(shown.word()))?;
                Ok(())
            })
            .await;
        match done {
            Ok(()) => Ok(true),
            // What was written before it was noticed is taken back.
            Err(StoreError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The session of a token with the person behind it, as they are now; nothing when it has ended or the account is
    /// closed or has no place any more.
    pub async fn session_by_hash(
        &self,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<(Session, Principal)>, StoreError> {
        self.read(move |conn| {
            let found = session::table
                .inner_join(accounts::table.on(accounts::id.eq(session::account_id)))
                .filter(session::hash.eq(hash))
                .filter(accounts::state.eq(AccountState::Active))
                .select((SESSION, account::COLUMNS, accounts::totp.is_not_null()))
                .first::<(Row, account::Row, bool)>(conn)
                .optional()?;
            let Some((row, account, totp)) = found else { return Ok(None) };
            let (session, account) = (session_of(row), from_row(account));
            let keys = passkey::table.filter(passkey::account_id.eq(account.id)).count();
            let second_factor = match session.second_factor_at {
                _ if !totp && keys.get_result::<i64>(conn)? == 0 => SecondFactor::Absent,
                Some(_) => SecondFactor::Shown,
                None => SecondFactor::Due,
            };
            let memberships = membership::of_account(conn, account.id)?;
            let staff = staff::of_account(conn, account.id)?;
            let principal = Principal { account, memberships, staff, second_factor };
            let live = session.is_live(second_factor == SecondFactor::Due, now);
            Ok(Some((session, principal)).filter(|(_, person)| live && person.has_place()))
        })
        .await
    }

    /// Notes when a session was last used.
    pub async fn session_touch(&self, hash: SecretHash, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |conn| {
            let older = session::table.find(hash).filter(session::seen_at.lt(now));
            diesel::update(older).set(session::seen_at.eq(now)).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The sessions of an account, the newest first, each with the hash that names it.
    pub async fn session_list(
        &self,
        id: AccountId,
        now: Timestamp,
    ) -> Result<Vec<(SecretHash, Session)>, StoreError> {
        self.read(move |conn| {
            let rows = session::table
                .filter(session::account_id.eq(id))
                .order(session::created_at.desc())
                .select((session::hash, SESSION))
                .load::<(SecretHash, Row)>(conn)?;
            let sessions = rows.into_iter().map(|(hash, row)| (hash, session_of(row)));
            Ok(sessions.filter(|(_, session)| session.is_live(false, now)).collect())
        })
        .await
    }

    /// Ends one session of an account.
    pub async fn session_end(
        &self,
        hash: SecretHash,
        id: AccountId,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let one = session::table.find(hash).filter(session::account_id.eq(id));
            if diesel::delete(one).execute(conn)? == 0 {
                return Ok(false);
            }
            doing.end(conn, "account.sign-out", &object(id), None, None)?;
            Ok(true)
        })
        .await
    }

    /// Ends the sessions of an account, but perhaps one; gives how many.
    pub async fn session_end_all(
        &self,
        id: AccountId,
        but: Option<SecretHash>,
        deed: Deed,
    ) -> Result<usize, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let ended = end_all(conn, id, but)?;
            let after = format!("{ended} sessions");
            doing.end(conn, "account.sign-out-everywhere", &object(id), None, Some(&after))?;
            Ok(ended)
        })
        .await
    }

    /// Keeps the state of a ceremony of several steps with a session.
    pub async fn session_ceremony_begin(
        &self,
        hash: SecretHash,
        state: String,
    ) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(session::table.find(hash))
                .set(session::ceremony.eq(Some(state)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The state of the ceremony under way, which stays: a person may mistype.
    pub async fn session_ceremony(&self, hash: SecretHash) -> Result<Option<String>, StoreError> {
        self.read(move |conn| {
            let row = session::table.find(hash).select(session::ceremony).first(conn);
            Ok(row.optional()?.flatten())
        })
        .await
    }

    /// The state of the ceremony under way, which is over with that: an answer to a challenge is looked at once.
    pub async fn session_ceremony_take(
        &self,
        hash: SecretHash,
    ) -> Result<Option<String>, StoreError> {
        self.write(move |conn| {
            let row = session::table.find(hash).select(session::ceremony);
            let state = row.first::<Option<String>>(conn).optional()?.flatten();
            let under_way = session::table.find(hash).filter(session::ceremony.is_not_null());
            let taken = diesel::update(under_way)
                .set(session::ceremony.eq(None::<String>))
                .execute(conn)?;
            Ok(state.filter(|_| taken > 0))
        })
        .await
    }
}

/// Removes sessions that are over; gives how many.
pub(super) fn sweep(conn: &mut DbConnection, now: Timestamp) -> Result<usize, StoreError> {
    let (idle, old) = Session::over_at(now);
    let over = session::seen_at.le(idle).or(session::created_at.le(old));
    Ok(diesel::delete(session::table.filter(over)).execute(conn)?)
}

/// Nothing was proven; never told outside this module.
fn unproven() -> StoreError {
    StoreError::NotFound("proof".to_owned())
}
