//! Looking through messages: newest first, a page at a time, never further than patience allows.
//!
//! A look walks down the indexes `message_by_sender` and `message_by_carried` (or the key, for staff) in steps: a step takes
//! the messages between a floor and where the last one ended, and the floor is where the busiest of the Sites has had a
//! fixed number of them. So a step costs the same however many messages there are, and what fits the search of each step
//! is in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::domain::{
    Delivery, DiagnosticRecord, Environment, MessageId, MessageRecord, MessageState,
    OrganizationId, RegionCode, Scope, SiteId, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::literal::{CarriedFor, Condition, IS_CARRIED};
use crate::store::message::{RecordRow, detail, from_row, record_columns};
use crate::store::schema::{diagnostic, message, site, site_link};
use crate::store::{Directory, Store, StoreError};

/// Messages of one step when only some of them fit.
const STEP: i64 = 1_000;

/// The least number of messages of one step.
const LEAST_STEP: i64 = 100;

/// Whose messages somebody may see.
#[derive(Debug, Clone)]
pub enum MessagesOf {
    /// Those that the Sites of an organization sent or are responsible for; all of its Sites, or this one.
    Organization(OrganizationId, Option<SiteId>),
    /// Those that a Site sent or is responsible for.
    Site(SiteId),
    /// Those for the regions of a role; of all Sites, or of this one.
    Staff(Scope, Option<SiteId>),
}

/// One message with its diagnostics and its delivery.
pub type MessageDetail = (MessageRecord, Vec<DiagnosticRecord>, Option<Delivery>);

/// What is looked for; every part that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageSearch {
    /// Our identifier.
    pub id: Option<MessageId>,
    /// MSH-10.
    pub control_id: Option<String>,
    /// Only those that this Site is responsible for.
    pub site: Option<SiteId>,
    /// Where it stands.
    pub state: Option<MessageState>,
    /// MSA-1 of the last reply.
    pub ack_code: Option<String>,
    /// A finding by this rule, or with this code of table 0357.
    pub rule: Option<String>,
    /// Environment of the credential.
    pub environment: Option<Environment>,
    /// Region that it goes to.
    pub region: Option<RegionCode>,
    /// Received at this moment or later.
    pub from: Option<Timestamp>,
    /// Received before this moment.
    pub until: Option<Timestamp>,
}

impl MessageSearch {
    /// Whether only some of the messages fit, so that many may have to be looked at.
    const fn is_choosy(&self) -> bool {
        self.control_id.is_some()
            || self.site.is_some()
            || self.state.is_some()
            || self.ack_code.is_some()
            || self.rule.is_some()
            || self.environment.is_some()
            || self.region.is_some()
    }
}

/// A page of messages.
#[derive(Debug, Clone, Default)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<MessageRecord>,
    /// Where the next page begins: all that come before this one. None: there are no more.
    pub before: Option<MessageId>,
    /// Patience ended before the page was full: there may be more further back.
    pub is_cut: bool,
}

/// A look that is bound to a connection.
struct Look {
    walks: Walks,
    scope: Scope,
    /// Tells where Sites lie.
    directory: Arc<Directory>,
    search: MessageSearch,
    /// All messages of a page lie above this one.
    above: MessageId,
}

/// The messages that come into question.
enum Walks {
    /// Sent by these Sites, or theirs but sent by others.
    Sites(Vec<SiteId>),
    /// All, of these regions.
    All,
}

impl Store {
    /// A page of the messages that fit, newest first; begins before `before`.
    ///
    /// Ends when the page is full, nothing is left, or `patience` is used up: then the page says so.
    pub async fn message_search(
        &self,
        of: MessagesOf,
        search: MessageSearch,
        before: Option<MessageId>,
        (page, patience): (i64, Duration),
    ) -> Result<MessagePage, StoreError> {
        let (begun, directory) = (Instant::now(), self.directory());
        self.read(move |conn| {
            let above = search.from.map_or(MessageId(0), MessageId::first_at);
            let newest = search.until.map_or(MessageId(i64::MAX), MessageId::first_at);
            let below = before.map_or(newest, |before| before.min(newest));
            let (walks, scope) = match &of {
                MessagesOf::Organization(organization, site) => {
                    (Walks::Sites(owned(conn, *organization, site.as_ref())?), Scope::All)
                }
                MessagesOf::Site(site) => (Walks::Sites(vec![site.clone()]), Scope::All),
                MessagesOf::Staff(scope, Some(site)) => {
                    (Walks::Sites(vec![site.clone()]), scope.clone())
                }
                MessagesOf::Staff(scope, None) => (Walks::All, scope.clone()),
            };
            let look = Look { walks, scope, directory, search, above };
            // Another step takes about as long as the last one.
            let (mut last, end) = (begun, begun + patience);
            look.page(conn, below, page, || {
                let now = Instant::now();
                let step = now - std::mem::replace(&mut last, now);
                now + step < end
            })
        })
        .await
    }

    /// One message that Sites of an organization sent or are responsible for, with its diagnostics and its delivery.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when it is another's.
    pub async fn organization_message(
        &self,
        organization: OrganizationId,
        id: MessageId,
    ) -> Result<MessageDetail, StoreError> {
        self.read(move |conn| {
            let found = detail(conn, id)?;
            let mut involved = vec![found.0.sender.clone()];
            involved.extend(found.0.site.clone());
            let ours = site::table
                .filter(site::organization_id.eq(organization))
                .filter(site::id.eq_any(involved))
                .count()
                .get_result::<i64>(conn)?;
            if ours > 0 { Ok(found) } else { Err(missing(id)) }
        })
        .await
    }

    /// One message that lies in a scope, with its diagnostics and its delivery, and the region that it lies in: that which
    /// it goes to; of one that goes nowhere that of its Site.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when it lies elsewhere.
    pub async fn message_in_view(
        &self,
        id: MessageId,
        scope: Scope,
    ) -> Result<(MessageDetail, Option<RegionCode>), StoreError> {
        self.read(move |conn| {
            let found = detail(conn, id)?;
            let record = &found.0;
            let region = match record.region {
                Some(region) => Some(region),
                None => site::table
                    .find(record.site.as_ref().unwrap_or(&record.sender))
                    .select(site::region)
                    .first::<Option<RegionCode>>(conn)
                    .optional()?
                    .flatten(),
            };
            if scope.covers(region) { Ok((found, region)) } else { Err(missing(id)) }
        })
        .await
    }

    /// The edited version that an operator put in the place of a message at this moment.
    pub async fn message_replacement(
        &self,
        old: MessageRecord,
        at: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        // Its identifier was given just before that moment.
        let moments = MessageId::first_at(at.minus(Duration::from_mins(1)))
            ..MessageId::first_at(at.plus(Duration::from_mins(1)));
        self.read(move |conn| {
            Ok(message::table
                .filter(message::sender_id.eq(&old.sender))
                .filter(message::id.ge(moments.start))
                .filter(message::id.lt(moments.end))
                .filter(message::replaces.eq(Some(old.id)))
                .select(message::id)
                .first::<MessageId>(conn)
                .optional()?)
        })
        .await
    }
}

fn missing(id: MessageId) -> StoreError {
    StoreError::NotFound(format!("message {id}"))
}

/// The Sites of an organization, or the one of them.
fn owned(
    conn: &mut DbConnection,
    organization: OrganizationId,
    one: Option<&SiteId>,
) -> Result<Vec<SiteId>, StoreError> {
    let mut query =
        site::table.filter(site::organization_id.eq(organization)).select(site::id).into_boxed();
    if let Some(one) = one {
        query = query.filter(site::id.eq(one.clone()));
    }
    Ok(query.load::<SiteId>(conn)?)
}

#[derive(QueryableByName)]
struct Floor {
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
}

/// Messages of each step: where the busiest sender of a list has had so many.
const FLOOR_OF_SENDERS: &str = "SELECT max(at) AS id FROM (SELECT (SELECT m.id FROM message m \
    WHERE m.sender_id = s.id AND m.id < $1 AND m.id >= $2 ORDER BY m.id DESC LIMIT 1 OFFSET $3) AS at \
    FROM site s WHERE s.id IN (SELECT value FROM each)) AS floors";

/// The same for the Sites that others send for.
const FLOOR_OF_SITES: &str = "SELECT max(at) AS id FROM (SELECT (SELECT m.id FROM message m \
    WHERE CAST(CASE WHEN m.site_id <> m.sender_id THEN m.site_id END AS TEXT) = s.id \
    AND m.site_id <> m.sender_id AND m.id < $1 AND m.id >= $2 \
    ORDER BY m.id DESC LIMIT 1 OFFSET $3) AS at \
    FROM site s WHERE s.id IN (SELECT value FROM each)) AS floors";

/// The same for all messages.
const FLOOR_OF_ALL: &str = "SELECT (SELECT id FROM message WHERE id < $1 AND id >= $2 ORDER BY id DESC LIMIT 1 OFFSET $3) AS id";

impl Look {
    fn page(
        &self,
        conn: &mut DbConnection,
        mut below: MessageId,
        page: i64,
        mut is_patient: impl FnMut() -> bool,
    ) -> Result<MessagePage, StoreError> {
        let whole = usize::try_from(page).unwrap_or(0);
        let mut messages: Vec<MessageRecord> = vec![];
        if self.is_empty() {
            return Ok(MessagePage::default());
        }
        if let Some(mut messages) = self.exact(conn, below, page)? {
            let more = messages.len() > whole;
            messages.truncate(whole);
            let before = messages.last().map(|last| last.id).filter(|_| more);
            return Ok(MessagePage { messages, before, is_cut: false });
        }
        loop {
            let floor = self.floor(conn, below, page)?;
            let left = page - i64::try_from(messages.len()).unwrap_or(page) + 1;
            messages.extend(self.between(conn, floor.unwrap_or(self.above)..below, left)?);
            if messages.len() > whole {
                messages.truncate(whole);
                let before = messages.last().map(|last| last.id);
                return Ok(MessagePage { messages, before, is_cut: false });
            }
            let Some(floor) = floor else {
                return Ok(MessagePage { messages, before: None, is_cut: false });
            };
            if !is_patient() {
                return Ok(MessagePage { messages, before: Some(floor), is_cut: true });
            }
            below = floor;
        }
    }

    const fn is_empty(&self) -> bool {
        matches!(&self.walks, Walks::Sites(sites) if sites.is_empty())
    }

    /// What an index finds at once: our identifier, or MSH-10 where it is known who may have sent it.
    fn exact(
        &self,
        conn: &mut DbConnection,
        below: MessageId,
        page: i64,
    ) -> Result<Option<Vec<MessageRecord>>, StoreError> {
        if let Some(id) = self.search.id {
            let here = self.above <= id && id < below;
            let end = MessageId(id.0.saturating_add(1));
            return if here { self.between(conn, id..end, 1).map(Some) } else { Ok(Some(vec![])) };
        }
        let (Some(control_id), Walks::Sites(sites)) = (&self.search.control_id, &self.walks) else {
            return Ok(None);
        };
        let facilities = site_link::table
            .filter(site_link::site_id.eq_any(sites.clone()))
            .select(site_link::facility_id)
            .load::<SiteId>(conn)?;
        let ids = message::table
            .filter(message::sender_id.eq_any([sites.clone(), facilities].concat()))
            .filter(message::control_id.eq(control_id))
            .select(message::id)
            .load::<MessageId>(conn)?;
        let mut found = vec![];
        for id in ids.into_iter().filter(|id| self.above <= *id && *id < below) {
            found.extend(self.between(conn, id..MessageId(id.0.saturating_add(1)), 1)?);
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.id));
        found.truncate(usize::try_from(page + 1).unwrap_or(1));
        Ok(Some(found))
    }

    /// Where a step ends; none when nothing is left below it.
    fn floor(
        &self,
        conn: &mut DbConnection,
        below: MessageId,
        page: i64,
    ) -> Result<Option<MessageId>, StoreError> {
        let chosen = self.search.is_choosy() || self.scope != Scope::All;
        let step = match (&self.walks, chosen) {
            (_, false) => page,
            (Walks::All, true) => STEP,
            (Walks::Sites(sites), true) => {
                let share = STEP / i64::try_from(sites.len()).unwrap_or(STEP).max(1);
                share.max(LEAST_STEP)
            }
        };
        let ids = match &self.walks {
            Walks::All => floor(conn, FLOOR_OF_ALL, None, (below, self.above, step))?,
            Walks::Sites(sites) => {
                let bounds = (below, self.above, step);
                let sent = floor(conn, FLOOR_OF_SENDERS, Some(sites), bounds)?;
                sent.max(floor(conn, FLOOR_OF_SITES, Some(sites), bounds)?)
            }
        };
        Ok(ids.map(MessageId))
    }

    /// Where a message lies that goes nowhere: where its Site lies, or else its sender.
    fn region_of(&self, record: &MessageRecord) -> Option<RegionCode> {
        let site = record.site.as_ref().unwrap_or(&record.sender);
        self.directory.site(site.as_str()).and_then(|site| site.region)
    }

    /// The newest messages in a range that fit.
    fn between(
        &self,
        conn: &mut DbConnection,
        range: std::ops::Range<MessageId>,
        limit: i64,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        // Of messages that go nowhere is seen only below where they lie; there are no more in a range than in a step.
        let most = if self.scope == Scope::All { limit } else { STEP + 1 };
        let fitting = || {
            let search = &self.search;
            let mut query = message::table
                .filter(message::id.ge(range.start))
                .filter(message::id.lt(range.end))
                .select(record_columns())
                .order(message::id.desc())
                .limit(most)
                .into_boxed();
            if let Some(control_id) = &search.control_id {
                query = query.filter(message::control_id.eq(control_id.clone()));
            }
            if let Some(site) = &search.site {
                query = query.filter(message::site_id.eq(site.clone()));
            }
            if let Some(state) = search.state {
                query = query.filter(message::state.eq(state));
            }
            if let Some(code) = &search.ack_code {
                query = query.filter(message::ack_code.eq(code.clone()));
            }
            if let Some(environment) = search.environment {
                query = query.filter(message::environment.eq(environment));
            }
            if let Some(region) = search.region {
                query = query.filter(message::region.eq(region));
            }
            match &self.scope {
                Scope::All => {}
                Scope::Regions(regions) => {
                    query = query.filter(
                        message::region.eq_any(regions.clone()).or(message::region.is_null()),
                    );
                }
                Scope::Nowhere => query = query.filter(Condition("1 = 0")),
            }
            if let Some(rule) = &search.rule {
                let of_rule =
                    diagnostic::table.filter(diagnostic::message_id.eq(message::id)).filter(
                        diagnostic::rule.eq(rule.clone()).or(diagnostic::code.eq(rule.clone())),
                    );
                query = query.filter(message::diagnostics.gt(0)).filter(exists(of_rule));
            }
            query
        };
        let rows = match &self.walks {
            Walks::All => fitting().load::<RecordRow>(conn)?,
            Walks::Sites(sites) => {
                let sent = fitting().filter(message::sender_id.eq_any(sites.clone()));
                let mut rows = sent.load::<RecordRow>(conn)?;
                let theirs = fitting().filter(CarriedFor.eq_any(sites.clone())).filter(IS_CARRIED);
                rows.extend(theirs.load::<RecordRow>(conn)?);
                rows
            }
        };
        Ok(self.in_order(rows, limit))
    }

    /// The messages of these rows that lie in the scope, newest first, each once.
    fn in_order(&self, rows: Vec<RecordRow>, limit: i64) -> Vec<MessageRecord> {
        let mut found: Vec<_> = rows.into_iter().map(from_row).collect();
        found.retain(|one| self.scope.covers(one.region.or_else(|| self.region_of(one))));
        found.sort_by_key(|one| std::cmp::Reverse(one.id));
        // One Site of the organization sent it for another one.
        found.dedup_by_key(|one| one.id);
        found.truncate(usize::try_from(limit).unwrap_or(0));
        found
    }
}

/// Runs one of the queries above; a list of Sites stands in for `each`.
fn floor(
    conn: &mut DbConnection,
    sql: &str,
    sites: Option<&Vec<SiteId>>,
    (below, above, step): (MessageId, MessageId, i64),
) -> Result<Option<i64>, StoreError> {
    let list = sites.map(|sites| serde_json::to_string(sites).unwrap_or_default());
    let values = match conn {
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(_) => {
            "SELECT value FROM json_array_elements_text($4::json) AS each (value)"
        }
        DbConnection::Sqlite(_) => "SELECT value FROM json_each($4)",
    };
    let query = diesel::sql_query(sql.replace("SELECT value FROM each", values))
        .bind::<BigInt, _>(below.0)
        .bind::<BigInt, _>(above.0)
        .bind::<BigInt, _>(step);
    let found: Floor = on_either!(conn, conn => match list {
        Some(list) => query.bind::<Text, _>(list).get_result(conn)?,
        None => query.get_result(conn)?,
    });
    Ok(found.id)
}
