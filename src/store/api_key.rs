//! Keys of programs, found only within the organization of their Site; and what such a program may read of messages.

use diesel::prelude::*;

use crate::domain::{
    AccountId, ApiKey, ApiScope, LinkStatus, MessageId, MessageRecord, MessageState,
    OrganizationId, Refusal, SecretHash, SiteId, SiteProgress, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::message::{RecordRow, from_row as message_of, record_columns};
use crate::store::owned::site_of;
use crate::store::schema::{api_key, message, site_link};
use crate::store::tally::progress;
use crate::store::{Deed, Store, StoreError};

/// Live keys of a Site at one time.
const MOST: usize = 20;

/// Client Sites of a Sending Facility that are told of.
const CLIENTS: i64 = 5_000;

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

/// Which messages a program asks for; newest first.
#[derive(Debug, Clone)]
pub struct SiteMessages {
    /// Those that this Site sent, and those that it is responsible for.
    pub of: SiteId,
    /// Of these, those that this Site is responsible for.
    pub site: Option<SiteId>,
    /// Only those in this state.
    pub state: Option<MessageState>,
    /// Only those with this MSH-10.
    pub control_id: Option<String>,
    /// Only those received at this moment or later.
    pub from: Option<Timestamp>,
    /// Only those received before this moment.
    pub to: Option<Timestamp>,
    /// Only those before this one: the next page.
    pub after: Option<MessageId>,
    /// At most this many.
    pub limit: i64,
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

    /// A Site, then those that it sends for or was asked to, by Site ID, each with how far it is.
    pub async fn facility_progress(
        &self,
        facility: SiteId,
    ) -> Result<Vec<(SiteId, Option<LinkStatus>, SiteProgress)>, StoreError> {
        self.read(move |conn| {
            let links = site_link::table
                .filter(site_link::facility_id.eq(&facility))
                .filter(site_link::status.ne(LinkStatus::Ended))
                .order(site_link::site_id.asc())
                .limit(CLIENTS)
                .select((site_link::site_id, site_link::status))
                .load::<(SiteId, LinkStatus)>(conn)?;
            let clients = links.into_iter().map(|(id, status)| (id, Some(status)));
            std::iter::once((facility, None))
                .chain(clients)
                .map(|(id, link)| Ok((id.clone(), link, progress(conn, &id)?)))
                .collect()
        })
        .await
    }

    /// The messages that a Site sent or is responsible for, newest first.
    pub async fn site_messages(
        &self,
        filter: SiteMessages,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        self.read(move |conn| {
            let mut found = messages(conn, &filter, true)?;
            found.extend(messages(conn, &filter, false)?);
            found.sort_by_key(|one| std::cmp::Reverse(one.id));
            found.truncate(usize::try_from(filter.limit).unwrap_or(0));
            Ok(found)
        })
        .await
    }
}

/// One side of it: what the Site sent, or what others sent for it. Each has an index of its own.
fn messages(
    conn: &mut DbConnection,
    filter: &SiteMessages,
    sent: bool,
) -> Result<Vec<MessageRecord>, StoreError> {
    let mut query = message::table.select(record_columns()).into_boxed();
    query = if sent {
        query.filter(message::sender_id.eq(&filter.of))
    } else {
        query
            .filter(message::site_id.eq(&filter.of))
            .filter(message::site_id.assume_not_null().ne(message::sender_id))
    };
    if let Some(site) = &filter.site {
        query = query.filter(message::site_id.eq(site));
    }
    if let Some(state) = filter.state {
        query = query.filter(message::state.eq(state));
    }
    if let Some(control_id) = &filter.control_id {
        query = query.filter(message::control_id.eq(control_id));
    }
    // Identifiers are in the order of time.
    if let Some(from) = filter.from {
        query = query.filter(message::id.ge(MessageId::first_at(from)));
    }
    if let Some(to) = filter.to {
        query = query.filter(message::id.lt(MessageId::first_at(to)));
    }
    if let Some(after) = filter.after {
        query = query.filter(message::id.lt(after));
    }
    let rows = query.order(message::id.desc()).limit(filter.limit).load::<RecordRow>(conn)?;
    Ok(rows.into_iter().map(message_of).collect())
}
