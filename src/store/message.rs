//! Messages: acceptance in the group's transaction, idempotency, and what can be looked up afterwards.

#![expect(
    clippy::ref_option_ref,
    reason = "what the Insertable derive makes of an optional column"
)]

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use crate::domain::{
    BreakerPolicy, Content, Delivery, DeliveryState, DiagnosticRecord, Effect, Environment,
    Failure, MessageId, MessageRecord, MessageState, RegionCode, ServerKey, SiteId, Timestamp,
};
use crate::store::action::{self, Action};
use crate::store::connection::{DbConnection, on_either};
use crate::store::delivery::is_queued;
use crate::store::destination::{self, Place, Sign};
use crate::store::directory;
use crate::store::schema::{delivery, diagnostic, message, payload, registry_revision};
use crate::store::writer::Grouped;
use crate::store::{Part, Store, StoreError, review};

/// A submission, judged and ready to be made durable: all of it in one transaction or none.
pub struct Acceptance {
    /// Revision of the directory under which it was judged.
    pub revision: i64,
    /// Its metadata.
    pub record: MessageRecord,
    /// What was found about it.
    pub diagnostics: Vec<DiagnosticRecord>,
    /// Sender, environment and MSH-10; none for a refused message.
    pub submission_key: Option<String>,
    /// SHA-256 of the body, to tell a repetition from a conflict.
    pub body_digest: [u8; 32],
    /// The body, sealed.
    pub body: Vec<u8>,
    /// The reply that the sender gets, sealed, when it is known already.
    pub reply: Option<Vec<u8>>,
    /// Where it goes; none for a refused message.
    pub delivery: Option<NewDelivery>,
    /// Its queue takes no new message; one that was accepted before is answered all the same.
    pub closed: bool,
    /// What the message holds.
    pub content: Content,
    /// The operator who puts it in the place of the message that its metadata names.
    pub replacing: Option<Action>,
    /// An accepted message of the same key and another body, received after this moment, is a conflict.
    pub conflict_after: Timestamp,
}

/// The delivery of an accepted message.
pub struct NewDelivery {
    /// Destination region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// Who sends it now, if somebody does.
    pub lease_owner: Option<String>,
    /// When it is due for a worker: at once, or at the end of the lease.
    pub next_attempt_at: Timestamp,
    /// What it has in common with the messages that it may not overtake.
    pub order_key: Option<i64>,
}

/// What became of an [`Acceptance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It would be new, and its queue takes no more: nothing was kept.
    Closed,
    /// The same sender used the same MSH-10 for another body.
    Conflict {
        /// The message that has it.
        id: MessageId,
        /// When that one was received.
        received_at: Timestamp,
    },
    /// The same sender sent the same message before.
    Replay {
        /// The message as first received.
        id: MessageId,
        /// The sealed reply of that message, when there is one.
        reply: Option<Vec<u8>>,
    },
    /// The directory was older than the database: judge again.
    Stale,
    /// Durable.
    Stored {
        /// It waits behind an earlier message of the same patient: whoever meant to send it at once may not.
        behind: bool,
    },
}

/// How a query ended.
pub struct QueryEnd {
    /// MSA-1 of the answer that its sender got.
    pub ack_code: String,
    /// What is wrong with the registry's answer.
    pub found: Vec<DiagnosticRecord>,
    /// The registry.
    pub place: Place,
    /// Why there was no answer.
    pub failure: Option<Failure>,
    /// Whether the registry was asked at all.
    pub asked: bool,
    /// When the breaker of the registry opens.
    pub breaker: BreakerPolicy,
    /// When it ended.
    pub now: Timestamp,
}

/// Which messages to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only those of this sender.
    pub sender: Option<SiteId>,
    /// Only those for this region.
    pub region: Option<RegionCode>,
    /// Only those in this state.
    pub state: Option<MessageState>,
    /// Only those with this MSH-10.
    pub control_id: Option<String>,
    /// At most this many.
    pub limit: i64,
}

impl Store {
    /// Makes a judged submission durable; resolves after the commit.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when too many wait; [`StoreError::Unavailable`] when nothing was kept.
    pub async fn message_accept(&self, acceptance: Acceptance) -> Result<Accepted, StoreError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        self.enqueue(Grouped::Accept(Box::new(acceptance), answer))?;
        wait.await.map_err(|_dropped| StoreError::closed())?
    }

    /// Messages, newest first.
    pub async fn message_list(
        &self,
        filter: MessageFilter,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        self.read(move |conn| {
            let mut query = message::table.select(record_columns()).into_boxed();
            if let Some(sender) = filter.sender {
                query = query.filter(message::sender_id.eq(sender));
            }
            if let Some(region) = filter.region {
                query = query.filter(message::region.eq(region));
            }
            if let Some(state) = filter.state {
                query = query.filter(message::state.eq(state));
            }
            if let Some(control_id) = filter.control_id {
                query = query.filter(message::control_id.eq(control_id));
            }
            let rows =
                query.order(message::id.desc()).limit(filter.limit).load::<RecordRow>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// Records how a query ended; the breaker of its registry takes it into account like any attempt.
    pub async fn query_settled(&self, id: MessageId, end: QueryEnd) -> Result<(), StoreError> {
        let QueryEnd { ack_code, found, place, failure, asked, breaker, now } = end;
        self.write(move |conn| {
            let state = match failure {
                None => MessageState::Answered,
                Some(_) => MessageState::Unanswered,
            };
            let sign = failure
                .as_ref()
                .map_or(Sign::Answered, |failure| Sign::Failed(failure.class, &failure.text));
            if asked {
                destination::after_attempts(conn, place, &[sign], breaker, now)?;
            }
            let known = message::table.find(id).select(message::diagnostics).first::<i64>(conn)?;
            let more = i64::try_from(found.len()).unwrap_or(i64::MAX);
            diesel::update(message::table.find(id))
                .set((
                    message::state.eq(state),
                    message::ack_code.eq(ack_code),
                    message::diagnostics.eq(known + more),
                ))
                .execute(conn)?;
            let first = i32::try_from(known).unwrap_or(i32::MAX);
            for (one, position) in found.iter().zip(first..) {
                let row = diagnostic_row(id, one, position);
                on_either!(conn, conn => diesel::insert_into(diagnostic::table).values(row).execute(conn)?);
            }
            Ok(())
        })
        .await
    }

    /// One message with its diagnostics and its delivery.
    pub async fn message_by_id(
        &self,
        id: MessageId,
    ) -> Result<(MessageRecord, Vec<DiagnosticRecord>, Option<Delivery>), StoreError> {
        self.read(move |conn| detail(conn, id)).await
    }

    /// The stored body of a message, its reply or what was sent in place of the body, opened; none when it was not kept or is past its retention.
    pub async fn message_payload(
        &self,
        id: MessageId,
        part: Part,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed = self
            .read(move |conn| {
                let row = payload::table
                    .find(id)
                    .select((payload::body, payload::reply, payload::sent))
                    .first::<(Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>)>(conn)
                    .optional()?;
                Ok(row.and_then(|(body, reply, sent)| match part {
                    Part::Body => Some(body),
                    Part::Reply => reply,
                    Part::Sent => sent,
                    Part::Letter
                    | Part::Loopback
                    | Part::RegistryKey
                    | Part::RegistryPassword
                    | Part::Totp
                    | Part::Webhook => None,
                }))
            })
            .await?;
        sealed.map(|sealed| self.vault().open(id, part, sealed)).transpose()
    }
}

/// One message with its diagnostics and its delivery.
pub(super) fn detail(
    conn: &mut DbConnection,
    id: MessageId,
) -> Result<(MessageRecord, Vec<DiagnosticRecord>, Option<Delivery>), StoreError> {
    let record = message::table
        .find(id)
        .select(record_columns())
        .first::<RecordRow>(conn)
        .optional()?
        .map(from_row)
        .ok_or_else(|| StoreError::NotFound(format!("message {id}")))?;
    let diagnostics = diagnostic::table
        .filter(diagnostic::message_id.eq(id))
        .order(diagnostic::position.asc())
        .select((
            diagnostic::rule,
            diagnostic::location,
            diagnostic::code,
            diagnostic::severity,
            diagnostic::application,
            diagnostic::effect,
            diagnostic::start_byte,
            diagnostic::end_byte,
            diagnostic::text,
        ))
        .load::<DiagnosticRecord>(conn)?;
    let delivery = crate::store::delivery::by_message(conn, id)?;
    Ok((record, diagnostics, delivery))
}

pub(super) type RecordRow = (
    MessageId,
    Timestamp,
    SiteId,
    Environment,
    Option<SiteId>,
    Option<RegionCode>,
    String,
    String,
    i64,
    MessageState,
    String,
    i64,
    Option<MessageId>,
);

pub(super) type RecordColumns = (
    message::id,
    message::received_at,
    message::sender_id,
    message::environment,
    message::site_id,
    message::region,
    message::control_id,
    message::message_type,
    message::size,
    message::state,
    message::ack_code,
    message::diagnostics,
    message::replaces,
);

pub(super) const fn record_columns() -> RecordColumns {
    (
        message::id,
        message::received_at,
        message::sender_id,
        message::environment,
        message::site_id,
        message::region,
        message::control_id,
        message::message_type,
        message::size,
        message::state,
        message::ack_code,
        message::diagnostics,
        message::replaces,
    )
}

pub(super) fn from_row(row: RecordRow) -> MessageRecord {
    let (
        id,
        received_at,
        sender,
        environment,
        site,
        region,
        control_id,
        message_type,
        size,
        state,
        ack_code,
        diagnostics,
        replaces,
    ) = row;
    MessageRecord {
        id,
        received_at,
        sender,
        environment,
        site,
        region,
        control_id,
        message_type,
        size,
        state,
        ack_code,
        diagnostics,
        replaces,
    }
}

/// An accepted message that has the key of a new one.
struct Earlier {
    id: MessageId,
    received_at: Timestamp,
    body_digest: Vec<u8>,
    reply: Option<Vec<u8>>,
}

/// Accepts every member of a group; none of them share a key.
pub(super) fn accept_all(
    conn: &mut DbConnection,
    key: &ServerKey,
    group: &[&Acceptance],
) -> Result<Vec<Accepted>, StoreError> {
    if group.is_empty() {
        return Ok(vec![]);
    }
    let (revision, earlier) = look(conn, group)?;
    let mut waiting = Waiting::of(conn, group)?;
    let mut stored = Vec::with_capacity(group.len());
    let mut outcomes = Vec::with_capacity(group.len());
    for acceptance in group {
        let mut outcome = judge(acceptance, revision, &earlier);
        if let Accepted::Stored { behind } = &mut outcome {
            *behind = waiting.takes_turn(acceptance);
            if let Some(old) = acceptance.submission_key.as_ref().and_then(|key| earlier.get(key)) {
                // Past the window: the new message takes the key over.
                diesel::update(message::table.find(old.id))
                    .set(message::submission_key.eq(None::<String>))
                    .execute(conn)?;
            }
            if let (Some(by), Some(old)) = (&acceptance.replacing, acceptance.record.replaces) {
                review::end(conn, old, DeliveryState::Replaced, by.by.at)?;
            }
            stored.push((*acceptance, *behind));
        }
        outcomes.push(outcome);
    }
    // In the order of their keys, so that two writers never wait for each other crosswise.
    stored.sort_by(|(one, _), (other, _)| one.submission_key.cmp(&other.submission_key));
    insert(conn, &stored)?;
    for (one, _) in &stored {
        if let (Some(by), Some(old)) = (&one.replacing, one.record.replaces) {
            action::record(conn, key, by, Some(old), None)?;
        }
    }
    Ok(outcomes)
}

fn judge(acceptance: &Acceptance, revision: i64, earlier: &HashMap<String, Earlier>) -> Accepted {
    if acceptance.revision != revision {
        return Accepted::Stale;
    }
    let new = if acceptance.closed { Accepted::Closed } else { Accepted::Stored { behind: false } };
    let Some(old) = acceptance.submission_key.as_ref().and_then(|key| earlier.get(key)) else {
        return new;
    };
    if old.body_digest == acceptance.body_digest {
        Accepted::Replay { id: old.id, reply: old.reply.clone() }
    } else if old.received_at > acceptance.conflict_after {
        Accepted::Conflict { id: old.id, received_at: old.received_at }
    } else {
        new
    }
}

/// Which order keys have a message waiting or under way.
struct Waiting(HashSet<i64>);

impl Waiting {
    /// Asks only for the keys of messages that somebody means to send at once: the others wait for their turn in any case.
    fn of(conn: &mut DbConnection, group: &[&Acceptance]) -> Result<Self, StoreError> {
        let mut keys: Vec<i64> = group
            .iter()
            .filter_map(|one| one.delivery.as_ref().filter(|new| new.lease_owner.is_some()))
            .filter_map(|new| new.order_key)
            .collect();
        if keys.is_empty() {
            return Ok(Self(HashSet::new()));
        }
        // SQLite has one writer. On PostgreSQL another writer or node may accept a message of the same patient now; the keys
        // are locked in their order, so that nobody waits crosswise.
        keys.sort_unstable();
        #[cfg(feature = "postgres")]
        if let DbConnection::Postgres(conn) = conn {
            postgres::lock(conn, &keys)?;
        }
        let waiting = on_either!(conn, conn => delivery::table
            .filter(is_queued())
            .filter(delivery::order_key.eq_any(&keys))
            .select(delivery::order_key.assume_not_null())
            .load::<i64>(conn)?);
        Ok(Self(waiting.into_iter().collect()))
    }

    /// Whether a message must wait behind another one; the next ones of its key wait behind it.
    fn takes_turn(&mut self, one: &Acceptance) -> bool {
        let key = one.delivery.as_ref().and_then(|new| new.order_key);
        key.is_some_and(|key| !self.0.insert(key))
    }
}

type Key = (Option<String>, MessageId, Timestamp, Vec<u8>);

/// The present revision and the accepted messages that have a key of the group: one look at the database for both.
fn look(
    conn: &mut DbConnection,
    group: &[&Acceptance],
) -> Result<(i64, HashMap<String, Earlier>), StoreError> {
    let keys: Vec<&str> =
        group.iter().filter_map(|acceptance| acceptance.submission_key.as_deref()).collect();
    if keys.is_empty() {
        return Ok((directory::revision(conn)?, HashMap::new()));
    }
    let rows: Vec<(i64, Option<Key>)> = on_either!(conn, conn => registry_revision::table
        .left_join(message::table.on(message::submission_key.eq_any(keys)))
        .select((
            registry_revision::value,
            (message::submission_key, message::id, message::received_at, message::body_digest).nullable(),
        ))
        .load(conn)?);
    let revision = rows
        .first()
        .map(|(revision, _)| *revision)
        .ok_or_else(|| StoreError::NotFound("revision".to_owned()))?;
    let earlier = rows
        .into_iter()
        .filter_map(|(_, key)| key)
        .filter_map(|(key, id, received_at, body_digest)| {
            Some((key?, id, received_at, body_digest))
        })
        .map(|(key, id, received_at, body_digest)| {
            let reply = payload::table
                .find(id)
                .select(payload::reply)
                .first::<Option<Vec<u8>>>(conn)
                .optional()?;
            Ok((key, Earlier { id, received_at, body_digest, reply: reply.flatten() }))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((revision, earlier))
}

/// One statement for each row on SQLite, where a prepared statement is cheapest; one for the whole group on PostgreSQL,
/// where a round trip is dearest.
fn insert(conn: &mut DbConnection, group: &[(&Acceptance, bool)]) -> Result<(), StoreError> {
    if group.is_empty() {
        return Ok(());
    }
    match conn {
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(conn) => {
            postgres::insert(conn, group)?;
            let found: Vec<_> = group.iter().flat_map(|(one, _)| diagnostic_rows(one)).collect();
            // Eight values each: PostgreSQL takes 65,535 in one statement.
            for some in found.chunks(1_000) {
                diesel::insert_into(diagnostic::table).values(some.to_vec()).execute(conn)?;
            }
        }
        DbConnection::Sqlite(conn) => {
            for (one, behind) in group {
                diesel::insert_into(message::table).values(message_row(one)).execute(conn)?;
                diesel::insert_into(payload::table).values(payload_row(one)).execute(conn)?;
                if let Some(row) = delivery_row(one, *behind) {
                    diesel::insert_into(delivery::table).values(row).execute(conn)?;
                }
                for row in diagnostic_rows(one) {
                    diesel::insert_into(diagnostic::table).values(row).execute(conn)?;
                }
            }
        }
    }
    Ok(())
}

#[derive(Insertable)]
#[diesel(table_name = message, treat_none_as_default_value = false)]
struct MessageRow<'a> {
    id: MessageId,
    received_at: Timestamp,
    sender_id: &'a SiteId,
    environment: Environment,
    site_id: Option<&'a SiteId>,
    region: Option<RegionCode>,
    control_id: &'a str,
    message_type: &'a str,
    size: i64,
    state: MessageState,
    ack_code: &'a str,
    diagnostics: i64,
    submission_key: Option<&'a str>,
    body_digest: &'a [u8],
    replaces: Option<MessageId>,
    content: i64,
}

fn message_row(one: &Acceptance) -> MessageRow<'_> {
    let record = &one.record;
    MessageRow {
        id: record.id,
        received_at: record.received_at,
        sender_id: &record.sender,
        environment: record.environment,
        site_id: record.site.as_ref(),
        region: record.region,
        control_id: &record.control_id,
        message_type: &record.message_type,
        size: record.size,
        state: record.state,
        ack_code: &record.ack_code,
        diagnostics: record.diagnostics,
        submission_key: one.submission_key.as_deref(),
        body_digest: &one.body_digest,
        replaces: record.replaces,
        content: one.content.bits(),
    }
}

#[derive(Insertable)]
#[diesel(table_name = payload, treat_none_as_default_value = false)]
struct PayloadRow<'a> {
    message_id: MessageId,
    received_at: Timestamp,
    body: &'a [u8],
    reply: Option<&'a [u8]>,
}

fn payload_row(one: &Acceptance) -> PayloadRow<'_> {
    PayloadRow {
        message_id: one.record.id,
        received_at: one.record.received_at,
        body: &one.body,
        reply: one.reply.as_deref(),
    }
}

#[derive(Insertable)]
#[diesel(table_name = delivery, treat_none_as_default_value = false)]
struct DeliveryRow<'a> {
    message_id: MessageId,
    region: RegionCode,
    environment: Environment,
    state: DeliveryState,
    attempts: i64,
    next_attempt_at: Timestamp,
    lease_owner: Option<&'a str>,
    order_key: Option<i64>,
}

/// A delivery that has to wait its turn is nobody's yet, and due as soon as the turn comes.
fn delivery_row(one: &Acceptance, behind: bool) -> Option<DeliveryRow<'_>> {
    let owner = |new: &'_ NewDelivery| !behind && new.lease_owner.is_some();
    one.delivery.as_ref().map(|new| DeliveryRow {
        message_id: one.record.id,
        region: new.region,
        environment: new.environment,
        state: DeliveryState::Queued,
        attempts: i64::from(owner(new)),
        next_attempt_at: if behind { one.record.received_at } else { new.next_attempt_at },
        lease_owner: new.lease_owner.as_deref().filter(|_| !behind),
        order_key: new.order_key,
    })
}

#[derive(Clone, Insertable)]
#[diesel(table_name = diagnostic, treat_none_as_default_value = false)]
struct DiagnosticRow<'a> {
    message_id: MessageId,
    position: i32,
    rule: &'a str,
    location: &'a str,
    code: &'a str,
    severity: &'a str,
    application: &'a str,
    text: &'a str,
    effect: Effect,
    start_byte: Option<i64>,
    end_byte: Option<i64>,
}

fn diagnostic_rows(one: &Acceptance) -> impl Iterator<Item = DiagnosticRow<'_>> {
    let rows = one.diagnostics.iter().zip(0..);
    rows.map(|(found, position)| diagnostic_row(one.record.id, found, position))
}

fn diagnostic_row(
    message_id: MessageId,
    found: &DiagnosticRecord,
    position: i32,
) -> DiagnosticRow<'_> {
    DiagnosticRow {
        message_id,
        position,
        rule: &found.rule,
        location: &found.location,
        code: &found.code,
        severity: &found.severity,
        application: &found.application,
        text: &found.text,
        effect: found.effect,
        start_byte: found.start,
        end_byte: found.end,
    }
}

/// The group as arrays, one for each column: a single statement that does not grow with the group.
#[cfg(feature = "postgres")]
mod postgres {
    use diesel::PgConnection;
    use diesel::prelude::*;
    use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamp};

    use crate::domain::{MessageRecord, RegionCode};
    use crate::store::message::Acceptance;

    const INSERT: &str = "\
        WITH m AS (INSERT INTO message (id, received_at, sender_id, environment, site_id, region, control_id, \
        message_type, size, state, ack_code, diagnostics, submission_key, body_digest, replaces, content) \
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $24, $25)), \
        p AS (INSERT INTO payload (message_id, received_at, body, reply) SELECT * FROM unnest($1, $2, $15, $16)) \
        INSERT INTO delivery (message_id, region, environment, state, attempts, next_attempt_at, lease_owner, order_key) \
        SELECT id, region, environment, 'queued', attempts, due, owner, order_key \
        FROM unnest($17, $18, $19, $20, $21, $22, $23) AS d (id, region, environment, attempts, due, owner, order_key)";

    fn site(record: &MessageRecord) -> Option<&str> {
        record.site.as_ref().map(AsRef::<str>::as_ref)
    }

    /// Holds these keys until the transaction ends.
    pub(super) fn lock(conn: &mut PgConnection, keys: &[i64]) -> QueryResult<usize> {
        diesel::sql_query("SELECT pg_advisory_xact_lock(key) FROM unnest($1) AS keys (key)")
            .bind::<Array<BigInt>, _>(keys)
            .execute(conn)
    }

    pub(super) fn insert(
        conn: &mut PgConnection,
        group: &[(&Acceptance, bool)],
    ) -> QueryResult<usize> {
        let all = || group.iter().map(|(one, _)| *one);
        let records = || all().map(|one| &one.record);
        let deliveries = || {
            group.iter().filter_map(|(one, behind)| {
                super::delivery_row(one, *behind).map(|row| (row.message_id, row))
            })
        };
        diesel::sql_query(INSERT)
            .bind::<Array<BigInt>, _>(records().map(|one| one.id).collect::<Vec<_>>())
            .bind::<Array<Timestamp>, _>(records().map(|one| one.received_at).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(records().map(|one| one.sender.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(records().map(|one| one.environment.word()).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(records().map(site).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(
                records().map(|one| one.region.map(RegionCode::as_str)).collect::<Vec<_>>(),
            )
            .bind::<Array<Text>, _>(
                records().map(|one| one.control_id.as_str()).collect::<Vec<_>>(),
            )
            .bind::<Array<Text>, _>(
                records().map(|one| one.message_type.as_str()).collect::<Vec<_>>(),
            )
            .bind::<Array<BigInt>, _>(records().map(|one| one.size).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(records().map(|one| one.state.word()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(records().map(|one| one.ack_code.as_str()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(records().map(|one| one.diagnostics).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(
                group.iter().map(|(one, _)| one.submission_key.as_deref()).collect::<Vec<_>>(),
            )
            .bind::<Array<Binary>, _>(
                all().map(|one| one.body_digest.as_slice()).collect::<Vec<_>>(),
            )
            .bind::<Array<Binary>, _>(all().map(|one| one.body.as_slice()).collect::<Vec<_>>())
            .bind::<Array<Nullable<Binary>>, _>(
                group.iter().map(|(one, _)| one.reply.as_deref()).collect::<Vec<_>>(),
            )
            .bind::<Array<BigInt>, _>(deliveries().map(|(id, _)| id).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(
                deliveries().map(|(_, new)| new.region.as_str()).collect::<Vec<_>>(),
            )
            .bind::<Array<Text>, _>(
                deliveries().map(|(_, new)| new.environment.word()).collect::<Vec<_>>(),
            )
            .bind::<Array<BigInt>, _>(deliveries().map(|(_, new)| new.attempts).collect::<Vec<_>>())
            .bind::<Array<Timestamp>, _>(
                deliveries().map(|(_, new)| new.next_attempt_at).collect::<Vec<_>>(),
            )
            .bind::<Array<Nullable<Text>>, _>(
                deliveries().map(|(_, new)| new.lease_owner).collect::<Vec<_>>(),
            )
            .bind::<Array<Nullable<BigInt>>, _>(
                deliveries().map(|(_, new)| new.order_key).collect::<Vec<_>>(),
            )
            .bind::<Array<Nullable<BigInt>>, _>(
                records().map(|one| one.replaces).collect::<Vec<_>>(),
            )
            .bind::<Array<BigInt>, _>(
                group.iter().map(|(one, _)| one.content.bits()).collect::<Vec<_>>(),
            )
            .execute(conn)
    }
}
