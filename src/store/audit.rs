//! The audit trail: a chain of keyed hashes, written in the transaction of the change itself and never changed.
//!
//! The hash of an event covers the hash of the one before it and every column of its own, under a key that is not in the
//! database. So whoever can write the tables but has not the key file can neither change, insert nor remove an event
//! unnoticed. The head of the chain (number and hash, under the same key) is kept in `setting`, so that a cut tail is
//! found, too. The next event always continues from that head: a gap stays a gap.

use diesel::prelude::*;

use crate::domain::{AuditRecord, By, OrganizationId, SecretHash, ServerKey, Timestamp, from_hex};
use crate::store::connection::{DbConnection, on_either};
use crate::store::schema::{audit_event, setting};
use crate::store::{Store, StoreError};

/// Events verified or exported in one read.
const PAGE: i64 = 1_000;

/// Setting that holds the head.
const HEAD: &str = "audit_head";

/// What comes before the first event.
const BEGIN: [u8; 32] = [0; 32];

/// Writes events of one person into the trail.
#[derive(Clone)]
pub(super) struct Auditor {
    key: ServerKey,
    by: By,
}

impl Auditor {
    pub(super) const fn new(key: ServerKey, by: By) -> Self {
        Self { key, by }
    }

    /// Records an event inside the transaction of the change that it tells of; secrets are left out or masked by the caller.
    ///
    /// `object` is a noun and an identifier, such as `site DE-000001`. It is the last thing that a transaction does: on
    /// PostgreSQL it holds the end of the chain until the commit, and whoever locked other rows first must not wait for it
    /// crosswise.
    pub(super) fn record(
        &self,
        conn: &mut DbConnection,
        action: &str,
        object: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<(), StoreError> {
        hold_the_end(conn)?;
        let last = Link::last(conn, &self.key)?;
        let event = AuditRecord {
            id: last.id + 1,
            at: self.by.at,
            actor: self.by.actor.clone(),
            action: action.to_owned(),
            object: object.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            source: self.by.source.clone(),
        };
        let hash = hash(&self.key, &last.hash, &event);
        diesel::insert_into(audit_event::table)
            .values((
                audit_event::id.eq(event.id),
                audit_event::at.eq(event.at),
                audit_event::actor.eq(&event.actor),
                audit_event::action.eq(action),
                audit_event::object.eq(object),
                audit_event::before.eq(before),
                audit_event::after.eq(after),
                audit_event::source.eq(&event.source),
                audit_event::hash.eq(hash),
            ))
            .execute(conn)?;
        Link { id: event.id, hash: hash.0 }.write(conn, &self.key)
    }
}

/// One writer at a time goes on from the end of the chain; SQLite has no other in any case.
#[cfg_attr(
    not(feature = "postgres"),
    expect(clippy::unnecessary_wraps, reason = "PostgreSQL may fail")
)]
fn hold_the_end(conn: &mut DbConnection) -> Result<(), StoreError> {
    match conn {
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(conn) => {
            const LOCK: &str =
                "SELECT pg_advisory_xact_lock(1096107081, hashtext(current_schema()::text))";
            diesel::sql_query(LOCK).execute(conn)?;
            Ok(())
        }
        DbConnection::Sqlite(_) => Ok(()),
    }
}

/// An event as the next one is chained to it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Link {
    id: i64,
    hash: [u8; 32],
}

impl Link {
    /// What the next event follows. A head that somebody wrote without the key is not gone on from: the chain breaks there.
    fn last(conn: &mut DbConnection, key: &ServerKey) -> Result<Self, StoreError> {
        let newest = audit_event::table
            .select(diesel::dsl::max(audit_event::id))
            .first::<Option<i64>>(conn)?
            .unwrap_or(0);
        Ok(match Self::read(conn, key)? {
            Some(head) if head.id >= newest => head,
            _ => Self { id: newest, hash: BEGIN },
        })
    }

    /// The head as it is kept, when it is ours.
    fn read(conn: &mut DbConnection, key: &ServerKey) -> Result<Option<Self>, StoreError> {
        let kept =
            setting::table.find(HEAD).select(setting::value).first::<String>(conn).optional()?;
        Ok(kept.and_then(|text| Self::parse(&text, key)))
    }

    fn parse(text: &str, key: &ServerKey) -> Option<Self> {
        let mut parts = text.split(':');
        let id = parts.next()?.parse().ok()?;
        let hash = from_hex(parts.next()?)?.try_into().ok()?;
        let link = Self { id, hash };
        let seal = SecretHash::from_slice(&from_hex(parts.next()?)?)?;
        link.seal(key).matches(&seal).then_some(link)
    }

    fn write(self, conn: &mut DbConnection, key: &ServerKey) -> Result<(), StoreError> {
        let text =
            format!("{}:{}:{}", self.id, SecretHash(self.hash).to_hex(), self.seal(key).to_hex());
        let changed = diesel::update(setting::table.find(HEAD))
            .set(setting::value.eq(&text))
            .execute(conn)?;
        if changed == 0 {
            diesel::insert_into(setting::table)
                .values((setting::name.eq(HEAD), setting::value.eq(&text)))
                .execute(conn)?;
        }
        Ok(())
    }

    fn seal(self, key: &ServerKey) -> SecretHash {
        key.hash_all([b"head".as_slice(), &self.id.to_be_bytes(), &self.hash])
    }
}

/// Hash of an event: over the one before it and over every column, each with its length.
fn hash(key: &ServerKey, previous: &[u8; 32], event: &AuditRecord) -> SecretHash {
    let (id, at) = (event.id.to_be_bytes(), event.at.utc().timestamp_micros().to_be_bytes());
    let told = |text: &Option<String>| {
        let mut bytes = vec![u8::from(text.is_some())];
        bytes.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        bytes
    };
    let (before, after) = (told(&event.before), told(&event.after));
    key.hash_all([
        b"event".as_slice(),
        previous,
        &id,
        &at,
        event.actor.as_bytes(),
        event.action.as_bytes(),
        event.object.as_bytes(),
        &before,
        &after,
        event.source.as_bytes(),
    ])
}

/// Which events are meant; every part that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// The object: a noun and an identifier (`site DE-000001`), or all of a noun (`site`).
    pub object: Option<String>,
    /// Who, exactly.
    pub actor: Option<String>,
    /// The action (`site.status`), or all of a noun (`site`).
    pub action: Option<String>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub before: Option<Timestamp>,
    /// Only events with a smaller number: the next page.
    pub before_id: Option<i64>,
}

/// The events of a filter, as a query.
macro_rules! filtered {
    ($filter:expr) => {{
        let filter = $filter;
        let mut query = audit_event::table.select(columns()).into_boxed();
        if let Some(object) = &filter.object {
            query = if object.contains(' ') {
                query.filter(audit_event::object.eq(object.clone()))
            } else {
                query.filter(audit_event::object.like(all_of(object, ' ')).escape('!'))
            };
        }
        if let Some(actor) = &filter.actor {
            query = query.filter(audit_event::actor.eq(actor.clone()));
        }
        if let Some(action) = &filter.action {
            query = if action.contains('.') {
                query.filter(audit_event::action.eq(action.clone()))
            } else {
                query.filter(audit_event::action.like(all_of(action, '.')).escape('!'))
            };
        }
        if let Some(since) = filter.since {
            query = query.filter(audit_event::at.ge(since));
        }
        if let Some(before) = filter.before {
            query = query.filter(audit_event::at.lt(before));
        }
        if let Some(id) = filter.before_id {
            query = query.filter(audit_event::id.lt(id));
        }
        query
    }};
}

/// A pattern for what begins with `noun` and this separator.
fn all_of(noun: &str, separator: char) -> String {
    let noun = noun.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("{noun}{separator}%")
}

type Columns = (
    audit_event::id,
    audit_event::at,
    audit_event::actor,
    audit_event::action,
    audit_event::object,
    audit_event::before,
    audit_event::after,
    audit_event::source,
);

const fn columns() -> Columns {
    (
        audit_event::id,
        audit_event::at,
        audit_event::actor,
        audit_event::action,
        audit_event::object,
        audit_event::before,
        audit_event::after,
        audit_event::source,
    )
}

type Row = (i64, Timestamp, String, String, String, Option<String>, Option<String>, String);

fn from_row((id, at, actor, action, object, before, after, source): Row) -> AuditRecord {
    AuditRecord { id, at, actor, action, object, before, after, source }
}

/// What staff write for staff: the people of an organization do not see it in their history.
const AMONG_STAFF: [&str; 5] =
    ["request.note", "review.mark", "review.propose", "review.unpropose", "site.note"];

/// Events of these objects, and those about the roles of these accounts in an organization; newest first.
///
/// Notes of staff for staff are left out.
pub(super) fn of_objects(
    conn: &mut DbConnection,
    objects: Vec<String>,
    (accounts, organization): (Vec<String>, OrganizationId),
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let here = format!("organization {organization}");
    let of_role =
        audit_event::action.like("membership.%").and(audit_event::after.like(format!("{here}:%")));
    let of_account = audit_event::action.eq("account.create").and(
        audit_event::after
            .like(format!("%of {here}"))
            .or(audit_event::after.like(format!("%of {here};%"))),
    );
    let owned = audit_event::object.eq_any(objects).and(audit_event::action.ne_all(AMONG_STAFF));
    let about = audit_event::object.eq_any(accounts).and(of_role.or(of_account));
    let mut query = audit_event::table.select(columns()).filter(owned).into_boxed();
    let mut users = audit_event::table.select(columns()).filter(about).into_boxed();
    if let Some(before) = before {
        query = query.filter(audit_event::id.lt(before));
        users = users.filter(audit_event::id.lt(before));
    }
    let mut found = query.order(audit_event::id.desc()).limit(limit).load::<Row>(conn)?;
    found.extend(users.order(audit_event::id.desc()).limit(limit).load::<Row>(conn)?);
    found.sort_by_key(|row| std::cmp::Reverse(row.0));
    found.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(found.into_iter().map(from_row).collect())
}

/// What became of verifying the trail.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Events that are as they were written.
    pub events: i64,
    /// Number and hash of the last of them, to be noted elsewhere; empty without events.
    pub head: String,
    /// Number of the first event that is not as it was written, or is missing.
    pub broken: Option<i64>,
    /// What is wrong with it.
    pub problem: Option<&'static str>,
}

impl Store {
    /// Writes events of `by` into the trail.
    pub(super) fn auditor(&self, by: By) -> Auditor {
        Auditor::new(self.audit_key.clone(), by)
    }

    /// Records something that changes nothing, such as the sight of a secret or of a message's text.
    pub async fn audit_note(
        &self,
        by: By,
        action: &'static str,
        object: String,
        before: Option<String>,
        after: Option<String>,
    ) -> Result<(), StoreError> {
        let auditor = self.auditor(by);
        self.write(move |conn| {
            auditor.record(conn, action, &object, before.as_deref(), after.as_deref())
        })
        .await
    }

    /// Events of a filter, newest first.
    pub async fn audit_list(
        &self,
        filter: AuditFilter,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |conn| {
            let rows =
                filtered!(&filter).order(audit_event::id.desc()).limit(limit).load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// The next events of a filter after the one of this number, oldest first; none when there are no more.
    pub async fn audit_page(
        &self,
        filter: AuditFilter,
        after_id: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |conn| {
            let rows = filtered!(&filter)
                .filter(audit_event::id.gt(after_id))
                .order(audit_event::id.asc())
                .limit(PAGE)
                .load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// Whether a filter means more events than this.
    pub async fn audit_exceeds(&self, filter: AuditFilter, count: i64) -> Result<bool, StoreError> {
        self.read(move |conn| {
            let query = filtered!(&filter).order(audit_event::id.asc()).offset(count).limit(1);
            Ok(!query.load::<Row>(conn)?.is_empty())
        })
        .await
    }

    /// Number and hash of the last event, as [`Verdict::head`] tells them; empty without events.
    pub async fn audit_head(&self) -> Result<String, StoreError> {
        let key = self.audit_key.clone();
        let head = self.read(move |conn| Link::read(conn, &key)).await?;
        Ok(head.map(shown).unwrap_or_default())
    }

    /// Works the whole chain out anew. `noted` is a head that an earlier verification told: it must still be in the chain.
    ///
    /// # Errors
    /// When the database cannot be read, or `noted` is not a head.
    pub async fn audit_verify(
        &self,
        noted: Option<String>,
        mut progress: impl FnMut(i64) + Send,
    ) -> Result<Verdict, StoreError> {
        let noted = noted.map(|text| read_head(&text)).transpose()?;
        let key = self.audit_key.clone();
        // The head first: what is written while the events are read may only come after it.
        let (kept, any) = self
            .read(move |conn| {
                let any =
                    audit_event::table.select(audit_event::id).first::<i64>(conn).optional()?;
                Ok((Link::read(conn, &key)?, any.is_some()))
            })
            .await?;
        let mut chain = Chain { last: Link { id: 0, hash: BEGIN }, awaited: vec![] };
        chain.awaited.extend(kept.into_iter().chain(noted));
        loop {
            let (key, at) = (self.audit_key.clone(), chain);
            let (next, end) = self.read(move |conn| at.follow(conn, &key)).await?;
            chain = next;
            progress(chain.last.id);
            match end {
                Some(End::Broken(problem)) => return Ok(chain.broken(problem)),
                Some(End::Last) => break,
                None => {}
            }
        }
        if chain.awaited.iter().any(|link| link.id > 0) {
            return Ok(chain.broken("it is missing, and all after it"));
        }
        if kept.is_none() && any {
            return Ok(chain.broken("the head of the chain is missing or not ours"));
        }
        Ok(Verdict {
            events: chain.last.id,
            head: Some(chain.last).filter(|link| link.id > 0).map(shown).unwrap_or_default(),
            broken: None,
            problem: None,
        })
    }
}

fn shown(link: Link) -> String {
    format!("{}:{}", link.id, SecretHash(link.hash).to_hex())
}

fn read_head(text: &str) -> Result<Link, StoreError> {
    text.split_once(':')
        .and_then(|(id, hash)| {
            Some(Link { id: id.parse().ok()?, hash: from_hex(hash)?.try_into().ok()? })
        })
        .ok_or_else(|| crate::domain::Refusal("a head is NUMBER:HASH".to_owned()).into())
}

/// How far the chain has been followed.
struct Chain {
    last: Link,
    /// Events that must turn up.
    awaited: Vec<Link>,
}

enum End {
    Broken(&'static str),
    Last,
}

impl Chain {
    /// Follows one page.
    fn follow(
        mut self,
        conn: &mut DbConnection,
        key: &ServerKey,
    ) -> Result<(Self, Option<End>), StoreError> {
        let rows = on_either!(conn, conn => audit_event::table
            .filter(audit_event::id.gt(self.last.id))
            .order(audit_event::id.asc())
            .limit(PAGE)
            .select((columns(), audit_event::hash))
            .load::<(Row, Vec<u8>)>(conn)?);
        let end = rows.is_empty().then_some(End::Last);
        for (row, kept) in rows {
            let event = from_row(row);
            if event.id != self.last.id + 1 {
                return Ok((self, Some(End::Broken("it is missing"))));
            }
            let right = hash(key, &self.last.hash, &event);
            if !SecretHash::from_slice(&kept).is_some_and(|kept| kept.matches(&right)) {
                let problem = "it or its place in the chain was changed";
                return Ok((self, Some(End::Broken(problem))));
            }
            self.last = Link { id: event.id, hash: right.0 };
            if self.awaited.iter().any(|link| link.id == event.id && *link != self.last) {
                self.last.id -= 1;
                return Ok((self, Some(End::Broken("it is another than was noted"))));
            }
            self.awaited.retain(|link| link.id != event.id);
        }
        Ok((self, end))
    }

    /// The event after the last good one is broken.
    fn broken(&self, problem: &'static str) -> Verdict {
        Verdict {
            events: self.last.id,
            head: String::new(),
            broken: Some(self.last.id + 1),
            problem: Some(problem),
        }
    }
}
