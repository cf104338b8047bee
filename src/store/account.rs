//! Accounts: made, found, listed, closed and opened again.

use diesel::prelude::*;

use crate::domain::{
    Account, AccountId, AccountState, EmailAddress, LinkPurpose, MembershipState, OrganizationId,
    PassphraseHash, Role, Scope, SecretHash, StaffGrant, Timestamp, UserId, wait_after,
};
use crate::store::connection::DbConnection;
use crate::store::membership::{self, NewMembership};
use crate::store::one_time_link::{self, LinkSecret, NewLink};
use crate::store::schema::{
    account, membership as member, organization_profile, passkey, recovery_code,
};
use crate::store::{Deed, Store, StoreError, session, staff};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Where its mail goes; nobody else's.
    pub email: EmailAddress,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Telephone number.
    pub phone: Option<String>,
    /// Its roles in organizations.
    pub roles: Vec<(OrganizationId, Role)>,
    /// Its staff roles.
    pub staff: Vec<StaffGrant>,
}

/// What an account signs in with.
#[derive(Debug, Clone)]
pub struct Factors {
    /// The account.
    pub account: Account,
    /// Its password, when it has one.
    pub password: Option<PassphraseHash>,
    /// The sealed secret of its authenticator app.
    pub totp: Option<Vec<u8>>,
    /// The newest time step whose code was used.
    pub totp_step: Option<i64>,
    /// How many passkeys it has.
    pub passkeys: i64,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
}

impl Factors {
    /// Whether a second factor is set up.
    pub const fn has_second_factor(&self) -> bool {
        self.totp.is_some() || self.passkeys > 0
    }
}

/// Which accounts are shown.
#[derive(Debug, Clone)]
pub struct AccountFilter {
    /// Beginning of an e-mail address, of a name in either order, or a User ID; empty means all.
    pub search: String,
    /// In this state.
    pub state: Option<AccountState>,
    /// Of organizations in these regions; accounts of none only for those who may look everywhere.
    pub scope: Scope,
    /// Those that follow this one by name; of no use with a search.
    pub after: Option<AccountId>,
    /// How many at most.
    pub limit: i64,
}

pub(super) type Columns = (
    account::id,
    account::user_id,
    account::email,
    account::first_name,
    account::last_name,
    account::phone,
    account::state,
    account::locked_until,
    account::created_at,
    account::last_sign_in_at,
);

pub(super) const COLUMNS: Columns = (
    account::id,
    account::user_id,
    account::email,
    account::first_name,
    account::last_name,
    account::phone,
    account::state,
    account::locked_until,
    account::created_at,
    account::last_sign_in_at,
);

pub(super) type Row = (
    AccountId,
    UserId,
    EmailAddress,
    String,
    String,
    Option<String>,
    AccountState,
    Option<Timestamp>,
    Timestamp,
    Option<Timestamp>,
);

pub(super) fn from_row(row: Row) -> Account {
    Account {
        id: row.0,
        user_id: row.1,
        email: row.2,
        first_name: row.3,
        last_name: row.4,
        phone: row.5,
        state: row.6,
        locked_until: row.7,
        created_at: row.8,
        last_sign_in_at: row.9,
    }
}

/// How the audit trail calls an account.
pub(super) fn object(id: AccountId) -> String {
    format!("account {id}")
}

/// The subject of links about an account.
pub(super) fn subject(id: AccountId) -> String {
    id.to_string()
}

/// The link by which an account gets its first password.
pub(super) fn invitation_link(secret: LinkSecret, id: AccountId) -> NewLink {
    secret.link(LinkPurpose::SetPassword, subject(id))
}

pub(super) fn by_id(conn: &mut DbConnection, id: AccountId) -> Result<Account, StoreError> {
    account::table
        .find(id)
        .select(COLUMNS)
        .first::<Row>(conn)
        .optional()?
        .map(from_row)
        .ok_or_else(|| StoreError::NotFound(format!("account {id}")))
}

pub(super) fn by_email(
    conn: &mut DbConnection,
    email: &EmailAddress,
) -> Result<Option<Account>, StoreError> {
    let row = account::table.filter(account::email.eq(email)).select(COLUMNS).first::<Row>(conn);
    Ok(row.optional()?.map(from_row))
}

/// Makes an account with its roles, inside the transaction of another change.
pub(super) fn create(
    conn: &mut DbConnection,
    new: &NewAccount,
    now: Timestamp,
) -> Result<Account, StoreError> {
    let (name_key, given_key) = keys(&new.first_name, &new.last_name);
    let id = diesel::insert_into(account::table)
        .values((
            // Its own as soon as its number is known; until then the address is as unique.
            account::user_id.eq(new.email.as_str()),
            account::email.eq(&new.email),
            account::first_name.eq(&new.first_name),
            account::last_name.eq(&new.last_name),
            account::name_key.eq(name_key),
            account::given_key.eq(given_key),
            account::phone.eq(&new.phone),
            account::state.eq(AccountState::Invited),
            account::failures.eq(0_i64),
            account::created_at.eq(now),
        ))
        .returning(account::id)
        .get_result::<AccountId>(conn)?;
    diesel::update(account::table.find(id))
        .set(account::user_id.eq(UserId::of(id)))
        .execute(conn)?;
    for (organization, role) in &new.roles {
        let new = NewMembership { account: id, organization: *organization, role: *role };
        membership::grant(conn, &new, now)?;
    }
    for grant in &new.staff {
        staff::grant(conn, id, *grant, now)?;
    }
    by_id(conn, id)
}

/// What names are found by: family name first, and given name first, in lower case.
fn keys(first_name: &str, last_name: &str) -> (String, String) {
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    (words(format!("{last_name} {first_name}")), words(format!("{first_name} {last_name}")))
}

/// Sets the state of an account; the sessions of a closed one end, and its links.
fn set_state(
    conn: &mut DbConnection,
    id: AccountId,
    state: AccountState,
    now: Timestamp,
) -> Result<Account, StoreError> {
    diesel::update(account::table.find(id)).set(account::state.eq(state)).execute(conn)?;
    if state == AccountState::Deactivated {
        session::end_all(conn, id, None)?;
        for purpose in
            [LinkPurpose::SetPassword, LinkPurpose::RecoverPassword, LinkPurpose::ConfirmEmail]
        {
            one_time_link::end(conn, purpose, &subject(id), now)?;
        }
    }
    by_id(conn, id)
}

/// Which accounts a scope lets be seen, as a condition; `$query` is boxed.
macro_rules! within {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        if let Some(state) = $filter.state {
            query = query.filter(account::state.eq(state));
        }
        match &$filter.scope {
            Scope::All => query,
            Scope::Nowhere => query.filter(account::id.eq(NOBODY)),
            Scope::Regions(regions) => {
                let codes: Vec<String> = regions.iter().map(ToString::to_string).collect();
                query.filter(
                    account::id.eq_any(
                        member::table
                            .inner_join(organization_profile::table.on(
                                organization_profile::organization_id.eq(member::organization_id),
                            ))
                            .filter(organization_profile::region.eq_any(codes))
                            .select(member::account_id),
                    ),
                )
            }
        }
    }};
}

impl Store {
    /// Makes an account; with a link that its owner sets the first password by, when it may be sent already.
    pub async fn account_create(
        &self,
        new: NewAccount,
        invitation: Option<LinkSecret>,
        deed: Deed,
    ) -> Result<Account, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let account = create(conn, &new, doing.now)?;
            if let Some(secret) = invitation {
                one_time_link::issue(conn, &invitation_link(secret, account.id), doing.now)?;
            }
            let after = told(&account, &new.roles, &new.staff);
            doing.end(conn, "account.create", &object(account.id), None, Some(&after))?;
            Ok(account)
        })
        .await
    }

    /// One account.
    pub async fn account_by_id(&self, id: AccountId) -> Result<Account, StoreError> {
        self.read(move |conn| by_id(conn, id)).await
    }

    /// One account, when it lies in a scope; else it is as unknown as none.
    pub async fn account_in_view(
        &self,
        id: AccountId,
        scope: Scope,
    ) -> Result<Account, StoreError> {
        self.read(move |conn| {
            let filter =
                AccountFilter { search: String::new(), state: None, scope, after: None, limit: 1 };
            let query = within!(account::table.select(COLUMNS).into_boxed(), filter);
            let row = query.filter(account::id.eq(id)).first::<Row>(conn).optional()?;
            row.map(from_row).ok_or_else(|| StoreError::NotFound(object(id)))
        })
        .await
    }

    /// The account of an address, if there is one.
    pub async fn account_by_email(
        &self,
        email: EmailAddress,
    ) -> Result<Option<Account>, StoreError> {
        self.read(move |conn| by_email(conn, &email)).await
    }

    /// The account that people know by this.
    pub async fn account_by_user_id(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.read(move |conn| {
            let row =
                account::table.filter(account::user_id.eq(id)).select(COLUMNS).first::<Row>(conn);
            Ok(row.optional()?.map(from_row))
        })
        .await
    }

    /// What the account of an address signs in with, and its roles in organizations.
    pub async fn account_factors_by_email(
        &self,
        email: EmailAddress,
    ) -> Result<Option<(Factors, bool)>, StoreError> {
        self.read(move |conn| {
            let Some(account) = by_email(conn, &email)? else { return Ok(None) };
            let has_place = has_place(conn, account.id)?;
            Ok(Some((factors(conn, account)?, has_place)))
        })
        .await
    }

    /// What an account signs in with.
    pub async fn account_factors(&self, id: AccountId) -> Result<Factors, StoreError> {
        self.read(move |conn| {
            let account = by_id(conn, id)?;
            factors(conn, account)
        })
        .await
    }

    /// Accounts by name; with a search those that begin so, at most as many as are asked for.
    pub async fn account_page(&self, filter: AccountFilter) -> Result<Vec<Account>, StoreError> {
        self.read(move |conn| {
            if filter.search.trim().is_empty() {
                page(conn, &filter)
            } else {
                search(conn, &filter)
            }
        })
        .await
    }

    /// Changes what a person says of themselves.
    pub async fn account_profile_change(
        &self,
        id: AccountId,
        (first_name, last_name, phone): (String, String, Option<String>),
        deed: Deed,
    ) -> Result<Account, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = by_id(conn, id)?;
            let (name_key, given_key) = keys(&first_name, &last_name);
            diesel::update(account::table.find(id))
                .set((
                    account::first_name.eq(first_name),
                    account::last_name.eq(last_name),
                    account::name_key.eq(name_key),
                    account::given_key.eq(given_key),
                    account::phone.eq(phone),
                ))
                .execute(conn)?;
            let after = by_id(conn, id)?;
            let (told_before, told_after) = (profile(&before), profile(&after));
            let what = "account.profile";
            doing.end(conn, what, &object(id), Some(&told_before), Some(&told_after))?;
            Ok(after)
        })
        .await
    }

    /// Takes over a new address by the link that was sent to it; the old one is told. Nothing when the link does not hold,
    /// a conflict when the address has become another's.
    pub async fn account_email_change(
        &self,
        link: SecretHash,
        deed: Deed,
    ) -> Result<Option<Account>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            let used = one_time_link::consume(conn, link, LinkPurpose::ConfirmEmail, now)?;
            let new = used.as_ref().and_then(|link| {
                Some((
                    link.subject.parse::<AccountId>().ok()?,
                    link.detail.as_ref()?.parse::<EmailAddress>().ok()?,
                ))
            });
            let Some((id, email)) = new else { return Ok(None) };
            let before = by_id(conn, id)?;
            if before.state != AccountState::Active {
                return Ok(None);
            }
            diesel::update(account::table.find(id)).set(account::email.eq(&email)).execute(conn)?;
            // A link for a forgotten password lies in the old mailbox.
            one_time_link::end(conn, LinkPurpose::RecoverPassword, &subject(id), now)?;
            let (old, new) = (before.email.as_str(), email.as_str());
            doing.end(conn, "account.email", &object(id), Some(old), Some(new))?;
            by_id(conn, id).map(Some)
        })
        .await
    }

    /// Closes an account; its sessions end in the same transaction.
    pub async fn account_deactivate(
        &self,
        id: AccountId,
        deed: Deed,
    ) -> Result<Account, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = by_id(conn, id)?.state;
            let account = set_state(conn, id, before.deactivate()?, doing.now)?;
            let (old, new) = (before.word(), account.state.word());
            doing.end(conn, "account.deactivate", &object(id), Some(old), Some(new))?;
            Ok(account)
        })
        .await
    }

    /// Opens a closed account again.
    pub async fn account_reactivate(
        &self,
        id: AccountId,
        deed: Deed,
    ) -> Result<Account, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = by_id(conn, id)?.state;
            let has_password = account::table
                .find(id)
                .select(account::password.is_not_null())
                .first::<bool>(conn)?;
            let account = set_state(conn, id, before.reactivate(has_password)?, doing.now)?;
            let (old, new) = (before.word(), account.state.word());
            doing.end(conn, "account.reactivate", &object(id), Some(old), Some(new))?;
            Ok(account)
        })
        .await
    }

    /// Forgets the wrong tries at an account.
    pub async fn account_unlock(&self, id: AccountId, deed: Deed) -> Result<Account, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            by_id(conn, id)?;
            forget_failures(conn, id)?;
            doing.end(conn, "account.unlock", &object(id), None, None)?;
            by_id(conn, id)
        })
        .await
    }

    /// Counts a try at a password or a code before it is looked at, and tells whether it may be looked at: while an account
    /// waits, not. Of nobody, for the same work, when the address is unknown. Counted first, many tries at one time are many
    /// tries.
    pub async fn account_try(
        &self,
        id: Option<AccountId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |conn| {
            let id = id.unwrap_or(NOBODY);
            let free = account::locked_until.is_null().or(account::locked_until.le(now));
            let tries = diesel::update(account::table.find(id).filter(free))
                .set(account::failures.eq(account::failures + 1))
                .returning(account::failures)
                .get_result::<i64>(conn)
                .optional()?;
            if let Some(wait) = tries.and_then(wait_after) {
                diesel::update(account::table.find(id))
                    .set(account::locked_until.eq(Some(now.plus(wait))))
                    .execute(conn)?;
            }
            Ok(tries.is_some())
        })
        .await
    }

    /// Records what was refused or seen without any change to an account, of nobody when the address is unknown.
    pub async fn account_noted(
        &self,
        id: Option<AccountId>,
        what: &'static str,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let object = id.map_or_else(|| "account unknown".to_owned(), object);
            doing.end(conn, what, &object, None, None)?;
            Ok(())
        })
        .await
    }
}

/// A number that no account has.
const NOBODY: AccountId = AccountId(0);

/// Forgets the wrong tries at an account.
pub(super) fn forget_failures(conn: &mut DbConnection, id: AccountId) -> Result<(), StoreError> {
    diesel::update(account::table.find(id))
        .set((account::failures.eq(0_i64), account::locked_until.eq(None::<Timestamp>)))
        .execute(conn)?;
    Ok(())
}

/// Whether an account has anything to do here.
pub(super) fn has_place(conn: &mut DbConnection, id: AccountId) -> Result<bool, StoreError> {
    let memberships = membership::of_account(conn, id)?;
    Ok(memberships.iter().any(|one| one.state != MembershipState::Inactive)
        || !staff::of_account(conn, id)?.is_empty())
}

/// Whether an account has anything to do here that waits for no training.
pub(super) fn has_active_place(conn: &mut DbConnection, id: AccountId) -> Result<bool, StoreError> {
    let memberships = membership::of_account(conn, id)?;
    Ok(memberships.iter().any(|one| one.state == MembershipState::Active)
        || !staff::of_account(conn, id)?.is_empty())
}

pub(super) fn factors(conn: &mut DbConnection, account: Account) -> Result<Factors, StoreError> {
    type Secrets = (Option<PassphraseHash>, Option<Vec<u8>>, Option<i64>);
    let id = account.id;
    let (password, totp, totp_step) = account::table
        .find(id)
        .select((account::password, account::totp, account::totp_step))
        .first::<Secrets>(conn)?;
    let passkeys =
        passkey::table.filter(passkey::account_id.eq(id)).count().get_result::<i64>(conn)?;
    let recovery_codes = recovery_code::table
        .filter(recovery_code::account_id.eq(id))
        .count()
        .get_result::<i64>(conn)?;
    Ok(Factors { account, password, totp, totp_step, passkeys, recovery_codes })
}

/// The accounts that follow another by name.
fn page(conn: &mut DbConnection, filter: &AccountFilter) -> Result<Vec<Account>, StoreError> {
    let mut query = within!(account::table.select(COLUMNS).into_boxed(), filter);
    if let Some(after) = filter.after {
        let key = account::table.find(after).select(account::name_key).first::<String>(conn)?;
        query = query.filter(
            account::name_key
                .gt(key.clone())
                .or(account::name_key.eq(key).and(account::id.gt(after))),
        );
    }
    let rows = query
        .order((account::name_key.asc(), account::id.asc()))
        .limit(filter.limit)
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// The accounts whose address or name begins so. Each beginning is a range of one index, so that it is quick with any number
/// of accounts.
fn search(conn: &mut DbConnection, filter: &AccountFilter) -> Result<Vec<Account>, StoreError> {
    let begin = filter.search.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let end = format!("{begin}{}", char::MAX);
    let mut found = vec![];
    macro_rules! beginning_in {
        ($column:ident) => {{
            let query = within!(account::table.select(COLUMNS).into_boxed(), filter);
            let query = query.filter(account::$column.ge(&begin)).filter(account::$column.lt(&end));
            found
                .extend(query.order(account::$column.asc()).limit(filter.limit).load::<Row>(conn)?);
        }};
    }
    beginning_in!(email);
    beginning_in!(name_key);
    beginning_in!(given_key);
    if let Ok(user_id) = begin.parse::<UserId>() {
        let query = within!(account::table.select(COLUMNS).into_boxed(), filter);
        found.extend(query.filter(account::user_id.eq(user_id)).load::<Row>(conn)?);
    }
    let mut found: Vec<Account> = found.into_iter().map(from_row).collect();
    found.sort_by_cached_key(|one| (keys(&one.first_name, &one.last_name).0, one.id));
    found.dedup_by_key(|one| one.id);
    found.truncate(usize::try_from(filter.limit).unwrap_or_default());
    Ok(found)
}

/// An account as the audit trail tells of it when it is made.
fn told(account: &Account, roles: &[(OrganizationId, Role)], staff: &[StaffGrant]) -> String {
    let mut parts = vec![format!("{}, {}", account.user_id, profile(account))];
    parts.extend(
        roles.iter().map(|(organization, role)| format!("{role} of organization {organization}")),
    );
    parts.extend(staff.iter().map(|grant| format!("staff: {}", staff::told(*grant))));
    parts.join("; ")
}

/// What a person says of themselves, as the audit trail tells it.
fn profile(account: &Account) -> String {
    let Account { first_name, last_name, email, phone, .. } = account;
    format!("{first_name} {last_name}, {email}, {}", phone.as_deref().unwrap_or("no telephone"))
}
