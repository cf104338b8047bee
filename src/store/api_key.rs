//! Keys of programs, found only within the organization of their Site.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    AccountId, ApiKey, ApiScope, Letter, OrganizationId, Refusal, SecretHash, SiteId, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::owned::site_of;
use crate::store::schema::{api_key, api_key_notice};
use crate::store::{Deed, Store, StoreError};

const DAY: Duration = Duration::from_hours(24);

/// Live keys of a Site at one time.
const MOST: usize = 20;

/// A key to be recorded.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// For whom it asks.
    pub site: SiteId,
    /// What its people call it.
    pub name: String,
    /// Keyed hash of its secret.
    pub secret: SecretHash,
    /// What it opens.
    pub scopes: Vec<ApiScope>,
    /// Who makes it.
    pub created_by: AccountId,
    /// When it ends.
    pub expires_at: Timestamp,
}

type Row = (
    i64,
    SiteId,
    String,
    String,
    Timestamp,
    AccountId,
    Timestamp,
    Option<Timestamp>,
    Option<Timestamp>,
);

type Columns = (
    api_key::id,
    api_key::site_id,
    api_key::name,
    api_key::scopes,
    api_key::created_at,
    api_key::created_by,
    api_key::expires_at,
    api_key::last_used_at,
    api_key::revoked_at,
);

const fn columns() -> Columns {
    (
        api_key::id,
        api_key::site_id,
        api_key::name,
        api_key::scopes,
        api_key::created_at,
        api_key::created_by,
        api_key::expires_at,
        api_key::last_used_at,
        api_key::revoked_at,
    )
}

fn from_row(row: Row) -> ApiKey {
    let (id, site, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at) =
        row;
    // A word that is no scope any more opens nothing.
    let scopes = scopes.split(',').filter_map(|word| word.parse().ok()).collect();
    ApiKey { id, site, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at }
}

fn of_site(conn: &mut DbConnection, site: &SiteId) -> Result<Vec<ApiKey>, StoreError> {
    let rows = api_key::table
        .filter(api_key::site_id.eq(site))
        .order(api_key::id.desc())
        .select(columns())
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// A key, as the audit trail tells of it.
fn told(key: &ApiKey) -> String {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.word()).collect();
    format!("{}: {}, until {}", key.name, scopes.join(" "), key.expires_at)
}

impl Store {
    /// The keys of a Site of an organization, the newest first.
    pub async fn api_key_list(
        &self,
        organization: OrganizationId,
        site: SiteId,
    ) -> Result<Vec<ApiKey>, StoreError> {
        self.read(move |conn| {
            site_of(conn, organization, &site)?;
            of_site(conn, &site)
        })
        .await
    }

    /// Records a key of a Site of an organization.
    ///
    /// # Errors
    /// When the Site has too many.
    pub async fn api_key_create(
        &self,
        organization: OrganizationId,
        new: NewApiKey,
        deed: Deed,
    ) -> Result<ApiKey, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            site_of(conn, organization, &new.site)?;
            let live = of_site(conn, &new.site)?;
            if live.iter().filter(|key| key.is_live(doing.now)).count() >= MOST {
                let text = format!("a Site may have {MOST} keys at one time; revoke one first");
                return Err(Refusal(text).into());
            }
            let scopes: Vec<_> = new.scopes.iter().map(|scope| scope.word()).collect();
            let key = diesel::insert_into(api_key::table)
                .values((
                    api_key::site_id.eq(&new.site),
                    api_key::name.eq(&new.name),
                    api_key::secret.eq(new.secret),
                    api_key::scopes.eq(scopes.join(",")),
                    api_key::created_at.eq(doing.now),
                    api_key::created_by.eq(new.created_by),
                    api_key::expires_at.eq(new.expires_at),
                ))
                .returning(columns())
                .get_result::<Row>(conn)
                .map(from_row)?;
            let object = format!("api-key {} {}", key.site, key.id);
            doing.end(conn, "api-key.create", &object, None, Some(&told(&key)))?;
            Ok(key)
        })
        .await
    }

    /// Revokes a key of a Site of an organization, from the next question on.
    pub async fn api_key_revoke(
        &self,
        organization: OrganizationId,
        (site, id): (SiteId, i64),
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            site_of(conn, organization, &site)?;
            let known = of_site(conn, &site)?.into_iter().find(|key| key.id == id);
            let key = known.ok_or_else(|| StoreError::NotFound(format!("key {id}")))?;
            if key.revoked_at.is_some() {
                return Err(Refusal("the key is revoked already".to_owned()).into());
            }
            diesel::update(api_key::table.find(id))
                .set(api_key::revoked_at.eq(doing.now))
                .execute(conn)?;
            let object = format!("api-key {site} {id}");
            doing.end(conn, "api-key.revoke", &object, Some(&told(&key)), None)?;
            Ok(())
        })
        .await
    }

    /// The live keys that end in at most as many days as one of these says, each with the last notice that is due and was not
    /// given yet.
    pub async fn api_key_expiries(
        &self,
        notices: &'static [u32],
        now: Timestamp,
    ) -> Result<Vec<(ApiKey, u32)>, StoreError> {
        self.read(move |conn| {
            let farthest = notices.iter().max().copied().unwrap_or(0);
            let rows = api_key::table
                .filter(api_key::revoked_at.is_null())
                .filter(api_key::expires_at.gt(now))
                .filter(api_key::expires_at.le(now.plus(DAY * farthest)))
                .order(api_key::id.asc())
                .select(columns())
                .load::<Row>(conn)?;
            let mut found = vec![];
            for key in rows.into_iter().map(from_row) {
                let due = notices.iter().filter(|days| key.expires_at <= now.plus(DAY * **days));
                let Some(days) = due.min().copied() else { continue };
                let told = api_key_notice::table.find((key.id, i64::from(days)));
                // One that was made for a short time is no news at once.
                let is_news = key.expires_at > key.created_at.plus(DAY * days);
                if is_news && told.count().get_result::<i64>(conn)? == 0 {
                    found.push((key, days));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Queues the letters about the end of a key; false when that was done already, or it was revoked meanwhile.
    pub async fn api_key_expiry_tell(
        &self,
        id: i64,
        days: u32,
        letters: Vec<Letter>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.post_once(letters, now, move |conn| {
            let live = api_key::table.find(id).filter(api_key::revoked_at.is_null());
            if live.count().get_result::<i64>(conn)? == 0 {
                return Ok(false);
            }
            let row = (api_key_notice::api_key_id.eq(id), api_key_notice::days.eq(i64::from(days)));
            let new = on_either!(conn, conn => diesel::insert_into(api_key_notice::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(conn)?);
            Ok(new == 1)
        })
        .await
    }

    /// The key with this secret, whatever its state.
    pub async fn api_key_by_secret(
        &self,
        secret: SecretHash,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.read(move |conn| {
            let row = api_key::table
                .filter(api_key::secret.eq(secret))
                .select(columns())
                .first::<Row>(conn)
                .optional()?;
            Ok(row.map(from_row))
        })
        .await
    }

    /// Remembers that a key was used.
    pub async fn api_key_used(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(api_key::table.find(id))
                .set(api_key::last_used_at.eq(now))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
