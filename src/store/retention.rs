//! How long bodies and metadata are kept. What is not delivered is never removed.

use std::time::Duration;

use diesel::prelude::*;
use serde::Serialize;

use crate::domain::{LetterState, MessageId, MessageState, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::schema::{delivery, diagnostic, letter, loopback_message, message, payload};
use crate::store::{Store, StoreError, bulk, draft, one_time_link, session, tally, webhook_call};

/// Rows removed in one transaction at most, so that submissions never wait long behind a sweep.
const BATCH: i64 = 500;

/// A message in one of these states may still be sent.
const OPEN: [MessageState; 2] = [MessageState::Accepted, MessageState::Review];

/// How long each class of data is kept.
#[derive(Debug, Clone, Copy)]
pub struct RetentionLimits {
    /// Encrypted bodies and replies, and what the loopback registry holds.
    pub bodies: Duration,
    /// Metadata, diagnostics, deliveries, and counts by day.
    pub metadata: Duration,
    /// What is known of letters and of calls of webhooks; the words of letters go with the bodies.
    pub letters: Duration,
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Bodies with their replies, and words of letters.
    pub bodies: usize,
    /// Messages with all that was known of them.
    pub messages: usize,
    /// Messages of the loopback registry.
    pub loopback: usize,
    /// Letters, and calls of webhooks.
    pub letters: usize,
    /// Sessions of people that are over, and links in mails that ended a week ago or longer.
    pub visits: usize,
    /// Drafts that nobody can go on with any more, and uploads of Sites that were not confirmed in time.
    pub forms: usize,
    /// Counts of messages, by subject and day.
    pub counts: usize,
}

impl Store {
    /// Removes what is past its time, in small transactions, until nothing is left to remove.
    pub async fn retention_sweep(
        &self,
        limits: RetentionLimits,
        now: Timestamp,
    ) -> Result<Removed, StoreError> {
        let mut total = Removed::default();
        loop {
            let removed = self.retention_batch(limits, now).await?;
            if removed == Removed::default() {
                return Ok(total);
            }
            total.bodies += removed.bodies;
            total.messages += removed.messages;
            total.loopback += removed.loopback;
            total.letters += removed.letters;
            total.visits += removed.visits;
            total.forms += removed.forms;
            total.counts += removed.counts;
        }
    }

    /// One such transaction. Identifiers grow with time, so the oldest rows are found by their key.
    pub async fn retention_batch(
        &self,
        limits: RetentionLimits,
        now: Timestamp,
    ) -> Result<Removed, StoreError> {
        let bodies_before = MessageId::first_at(now.minus(limits.bodies));
        let metadata_before = MessageId::first_at(now.minus(limits.metadata));
        let counts_before = now.minus(limits.metadata);
        let calls_before = now.minus(limits.letters);
        let letters_before = MessageId::first_at(now.minus(limits.letters));
        self.write(move |conn| {
            Ok(Removed {
                bodies: remove_bodies(conn, bodies_before)? + remove_words(conn, bodies_before)?,
                messages: remove_messages(conn, metadata_before)?,
                loopback: remove_loopback(conn, bodies_before)?,
                letters: remove_letters(conn, letters_before)?
                    + webhook_call::sweep(conn, calls_before, BATCH)?,
                visits: session::sweep(conn, now)? + one_time_link::sweep(conn, now)?,
                forms: draft::sweep(conn, now)? + bulk::sweep(conn, now)?,
                counts: tally::sweep(conn, counts_before)?,
            })
        })
        .await
    }
}

fn remove_bodies(conn: &mut DbConnection, before: MessageId) -> Result<usize, StoreError> {
    let ids = payload::table
        .inner_join(message::table.on(message::id.eq(payload::message_id)))
        .filter(payload::message_id.lt(before))
        .filter(message::state.ne_all(OPEN))
        .order(payload::message_id.asc())
        .select(payload::message_id)
        .limit(BATCH)
        .load::<MessageId>(conn)?;
    Ok(diesel::delete(payload::table.filter(payload::message_id.eq_any(ids))).execute(conn)?)
}

fn remove_messages(conn: &mut DbConnection, before: MessageId) -> Result<usize, StoreError> {
    let ids = message::table
        .filter(message::id.lt(before))
        .filter(message::state.ne_all(OPEN))
        .order(message::id.asc())
        .select(message::id)
        .limit(BATCH)
        .load::<MessageId>(conn)?;
    diesel::delete(payload::table.filter(payload::message_id.eq_any(ids.clone()))).execute(conn)?;
    diesel::delete(diagnostic::table.filter(diagnostic::message_id.eq_any(ids.clone())))
        .execute(conn)?;
    diesel::delete(delivery::table.filter(delivery::message_id.eq_any(ids.clone())))
        .execute(conn)?;
    Ok(diesel::delete(message::table.filter(message::id.eq_any(ids))).execute(conn)?)
}

fn remove_loopback(conn: &mut DbConnection, before: MessageId) -> Result<usize, StoreError> {
    let ids = loopback_message::table
        .filter(loopback_message::id.lt(before))
        .order(loopback_message::id.asc())
        .select(loopback_message::id)
        .limit(BATCH)
        .load::<MessageId>(conn)?;
    Ok(diesel::delete(loopback_message::table.filter(loopback_message::id.eq_any(ids)))
        .execute(conn)?)
}

/// The words of letters that were not sent; of those that were they are gone already.
fn remove_words(conn: &mut DbConnection, before: MessageId) -> Result<usize, StoreError> {
    let ids = letter::table
        .filter(letter::id.lt(before))
        .filter(letter::state.ne(LetterState::Queued))
        .filter(letter::body.is_not_null())
        .order(letter::id.asc())
        .select(letter::id)
        .limit(BATCH)
        .load::<MessageId>(conn)?;
    Ok(diesel::update(letter::table.filter(letter::id.eq_any(ids)))
        .set(letter::body.eq(None::<Vec<u8>>))
        .execute(conn)?)
}

fn remove_letters(conn: &mut DbConnection, before: MessageId) -> Result<usize, StoreError> {
    let ids = letter::table
        .filter(letter::id.lt(before))
        .filter(letter::state.ne(LetterState::Queued))
        .order(letter::id.asc())
        .select(letter::id)
        .limit(BATCH)
        .load::<MessageId>(conn)?;
    Ok(diesel::delete(letter::table.filter(letter::id.eq_any(ids))).execute(conn)?)
}
