//! The outbox: letters are queued in the transaction of what they tell of, and sent by a worker.
//!
//! The words of a letter are sealed, because they may hold a one-time link; they go when it has been sent. A worker claims
//! a letter by moving its next attempt to the end of a lease, as with deliveries.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    By, EmailAddress, Letter, LetterLimits, LetterRecord, LetterState, MessageId, MessageIds,
    Refusal, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::literal::Condition;
use crate::store::schema::letter;
use crate::store::{Part, Store, StoreError, Vault};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How long a letter is tried.
const HOLD: Duration = Duration::from_hours(48);

/// Characters of a subject.
const LONGEST_SUBJECT: usize = 200;

/// What became of a letter that was to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Queued {
    /// It will be sent.
    Letter(MessageId),
    /// Nothing was queued: its address has had too many already. The rest of the transaction stands; the visitor is told to
    /// wait.
    Capped,
}

/// Queues letters inside the transactions of others.
#[derive(Clone)]
pub(super) struct Postbox {
    vault: Arc<Vault>,
    ids: Arc<OnceLock<MessageIds>>,
    limits: LetterLimits,
}

impl Postbox {
    /// Queues a letter, due at once, unless its address has had too many.
    pub(super) fn queue(
        &self,
        conn: &mut DbConnection,
        new: &Letter,
        now: Timestamp,
    ) -> Result<Queued, StoreError> {
        if self.is_capped(conn, &new.to, now)? {
            metrics::counter!("gateway_mail_sent_total", "result" => "capped").increment(1);
            return Ok(Queued::Capped);
        }
        let id = self.ids.get_or_init(|| MessageIds::new(0)).next(now);
        let words = serde_json::to_vec(&(&new.text, &new.html))
            .map_err(|_never| StoreError::Locked("it could not be written"))?;
        let body = self.vault.seal(id, Part::Letter, &words)?;
        diesel::insert_into(letter::table)
            .values((
                letter::id.eq(id),
                letter::kind.eq(new.kind),
                letter::recipient.eq(&new.to),
                letter::subject.eq(one_line(&new.subject)),
                letter::body.eq(Some(body)),
                letter::state.eq(LetterState::Queued),
                letter::attempts.eq(0_i64),
                letter::next_attempt_at.eq(now),
                letter::give_up_at.eq(now.plus(HOLD)),
                letter::created_at.eq(now),
            ))
            .execute(conn)?;
        Ok(Queued::Letter(id))
    }

    fn is_capped(
        &self,
        conn: &mut DbConnection,
        to: &EmailAddress,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let LetterLimits { hour, day } = self.limits;
        let recent = letter::table
            .filter(letter::recipient.eq(to))
            .filter(letter::created_at.gt(now.minus(DAY)))
            .order(letter::created_at.desc())
            .limit(day.max(hour))
            .select(letter::created_at)
            .load::<Timestamp>(conn)?;
        let within = |span| recent.iter().filter(|at| **at > now.minus(span)).count();
        let reached = |count: usize, limit: i64| i64::try_from(count).is_ok_and(|n| n >= limit);
        Ok(reached(within(HOUR), hour) || reached(within(DAY), day))
    }
}

/// A subject is one line, whatever it was made of.
fn one_line(subject: &str) -> String {
    let line = subject.chars().map(|one| if one.is_control() { ' ' } else { one });
    line.take(LONGEST_SUBJECT).collect::<String>().trim().to_owned()
}

/// A letter that a worker holds, with its words.
pub struct ClaimedLetter {
    /// Its identifier.
    pub id: MessageId,
    /// To whom.
    pub to: EmailAddress,
    /// Its subject.
    pub subject: String,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// When it is not tried any more.
    pub give_up_at: Timestamp,
    /// Text and HTML; an error when they cannot be opened.
    pub words: Result<(String, String), StoreError>,
}

/// How an attempt at a letter ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterEnd {
    /// It is tried again at this moment.
    Again(Timestamp, String),
    /// The mail server will not take it.
    Bounced(String),
    /// It is given up.
    GivenUp(String),
    /// There is no mail server; it lies in the data directory.
    Held,
    /// The mail server took it.
    Sent,
}

/// Which letters are meant; every part that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// Where they stand.
    pub state: Option<LetterState>,
    /// Which letter they are.
    pub kind: Option<String>,
    /// To whom.
    pub to: Option<EmailAddress>,
    /// Only older ones: the next page.
    pub before: Option<MessageId>,
}

type Row = (
    MessageId,
    String,
    EmailAddress,
    String,
    LetterState,
    i64,
    Timestamp,
    Option<String>,
    Timestamp,
    Option<Timestamp>,
);

type Columns = (
    letter::id,
    letter::kind,
    letter::recipient,
    letter::subject,
    letter::state,
    letter::attempts,
    letter::next_attempt_at,
    letter::last_error,
    letter::created_at,
    letter::settled_at,
);

const fn columns() -> Columns {
    (
        letter::id,
        letter::kind,
        letter::recipient,
        letter::subject,
        letter::state,
        letter::attempts,
        letter::next_attempt_at,
        letter::last_error,
        letter::created_at,
        letter::settled_at,
    )
}

fn from_row(row: Row) -> LetterRecord {
    let (
        id,
        kind,
        to,
        subject,
        state,
        attempts,
        next_attempt_at,
        last_error,
        created_at,
        settled_at,
    ) = row;
    LetterRecord {
        id,
        kind,
        to,
        subject,
        state,
        attempts,
        next_attempt_at,
        last_error,
        created_at,
        settled_at,
    }
}

/// As a literal, so that both databases see that their partial index applies.
const fn is_queued() -> Condition {
    Condition("letter.state = 'queued'")
}

impl Store {
    /// Queues letters inside the transactions of others.
    pub(super) fn postbox(&self) -> Postbox {
        Postbox {
            vault: Arc::clone(&self.vault),
            ids: Arc::clone(&self.ids),
            limits: self.letter_limits,
        }
    }

    /// Queues one letter alone.
    pub async fn letter_queue(&self, letter: Letter, now: Timestamp) -> Result<Queued, StoreError> {
        let postbox = self.postbox();
        self.write(move |conn| postbox.queue(conn, &letter, now)).await
    }

    /// Takes letters that are due, oldest first, so that no other worker takes them before `lease` has passed.
    pub async fn letter_claim(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<ClaimedLetter>, StoreError> {
        let due = self.read(move |conn| due(conn, now, 1)).await?;
        if due.is_empty() {
            return Ok(vec![]);
        }
        let rows = self.write(move |conn| claim(conn, now, now.plus(lease), limit)).await?;
        let opened = |(id, to, subject, attempts, give_up_at, body): ClaimRow| {
            let words = body
                .ok_or(StoreError::Locked("it is not there"))
                .and_then(|body| self.letter_words(id, body));
            ClaimedLetter { id, to, subject, attempts, give_up_at, words }
        };
        Ok(rows.into_iter().map(opened).collect())
    }

    fn letter_words(&self, id: MessageId, body: Vec<u8>) -> Result<(String, String), StoreError> {
        let bytes = self.vault().open(id, Part::Letter, body)?;
        serde_json::from_slice(&bytes).map_err(|_other| StoreError::Locked("it is not a letter"))
    }

    /// Records how an attempt ended; false when the letter has been taken from whoever made it.
    pub async fn letter_settle(
        &self,
        id: MessageId,
        attempts: i64,
        end: LetterEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |conn| settle(conn, id, attempts, end, now)).await
    }

    /// Letters of a filter, newest first.
    pub async fn letter_list(
        &self,
        filter: LetterFilter,
        limit: i64,
    ) -> Result<Vec<LetterRecord>, StoreError> {
        self.read(move |conn| {
            let mut query = letter::table.select(columns()).into_boxed();
            if let Some(state) = filter.state {
                query = query.filter(letter::state.eq(state));
            }
            if let Some(kind) = filter.kind {
                query = query.filter(letter::kind.eq(kind));
            }
            if let Some(to) = filter.to {
                query = query.filter(letter::recipient.eq(to));
            }
            if let Some(before) = filter.before {
                query = query.filter(letter::id.lt(before));
            }
            let rows = query.order(letter::id.desc()).limit(limit).load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// What is known of one letter besides its words.
    pub async fn letter_record(&self, id: MessageId) -> Result<LetterRecord, StoreError> {
        self.read(move |conn| record_of(conn, id)).await
    }

    /// One letter; its text and HTML only while it is held, because there is no other way to read it.
    pub async fn letter_by_id(
        &self,
        id: MessageId,
    ) -> Result<(LetterRecord, Option<(String, String)>), StoreError> {
        let (record, body) = self
            .read(move |conn| {
                let row = letter::table
                    .find(id)
                    .select((columns(), letter::body))
                    .first::<(Row, Option<Vec<u8>>)>(conn)
                    .optional()?;
                row.map(|(row, body)| (from_row(row), body)).ok_or_else(|| not_found(id))
            })
            .await?;
        let body = body.filter(|_sealed| record.state == LetterState::Held);
        let words = body.map(|body| self.letter_words(id, body)).transpose()?;
        Ok((record, words))
    }

    /// Sends a letter again that came to its end without having been sent.
    ///
    /// # Errors
    /// When it waits already, was sent, or its words are past their retention.
    pub async fn letter_retry(&self, id: MessageId, by: By) -> Result<LetterRecord, StoreError> {
        let auditor = self.auditor(by.clone());
        self.write(move |conn| {
            let before = record_of(conn, id)?;
            if matches!(before.state, LetterState::Queued | LetterState::Sent) {
                return Err(Refusal(format!("letter {id} is {}", before.state)).into());
            }
            let body =
                letter::table.find(id).select(letter::body).first::<Option<Vec<u8>>>(conn)?;
            if body.is_none() {
                let text = format!("the words of letter {id} are past their retention");
                return Err(Refusal(text).into());
            }
            diesel::update(letter::table.find(id))
                .set((
                    letter::state.eq(LetterState::Queued),
                    letter::next_attempt_at.eq(by.at),
                    letter::give_up_at.eq(by.at.plus(HOLD)),
                    letter::settled_at.eq(None::<Timestamp>),
                ))
                .execute(conn)?;
            changed(conn, &auditor, "letter.retry", &before)
        })
        .await
    }

    /// Ends a letter that waits.
    ///
    /// # Errors
    /// When it has come to its end already.
    pub async fn letter_give_up(&self, id: MessageId, by: By) -> Result<LetterRecord, StoreError> {
        let auditor = self.auditor(by.clone());
        self.write(move |conn| {
            let before = record_of(conn, id)?;
            if before.state != LetterState::Queued {
                return Err(Refusal(format!("letter {id} is {}", before.state)).into());
            }
            diesel::update(letter::table.find(id))
                .set((letter::state.eq(LetterState::GivenUp), letter::settled_at.eq(Some(by.at))))
                .execute(conn)?;
            changed(conn, &auditor, "letter.give-up", &before)
        })
        .await
    }

    /// Makes every letter that waits due at once: nobody has one in hand any more.
    pub async fn letter_release_all(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(letter::table.filter(is_queued()))
                .set(letter::next_attempt_at.eq(now))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// How many letters wait, and since when the oldest does.
    pub async fn letter_depth(&self) -> Result<(i64, Option<Timestamp>), StoreError> {
        self.read(|conn| {
            Ok(letter::table
                .filter(is_queued())
                .select((diesel::dsl::count_star(), diesel::dsl::min(letter::created_at)))
                .first::<(i64, Option<Timestamp>)>(conn)?)
        })
        .await
    }

    /// How many letters were refused or given up since a moment.
    pub async fn letter_failures(&self, since: Timestamp) -> Result<i64, StoreError> {
        self.read(move |conn| {
            // As a literal, so that both databases see that their partial index applies.
            let failed = letter::table
                .filter(Condition("letter.state IN ('bounced', 'given-up')"))
                .filter(letter::settled_at.ge(Some(since)));
            Ok(failed.count().get_result::<i64>(conn)?)
        })
        .await
    }
}

fn not_found(id: MessageId) -> StoreError {
    StoreError::NotFound(format!("letter {id}"))
}

fn record_of(conn: &mut DbConnection, id: MessageId) -> Result<LetterRecord, StoreError> {
    let row = letter::table.find(id).select(columns()).first::<Row>(conn).optional()?;
    row.map(from_row).ok_or_else(|| not_found(id))
}

fn changed(
    conn: &mut DbConnection,
    auditor: &crate::store::audit::Auditor,
    action: &'static str,
    before: &LetterRecord,
) -> Result<LetterRecord, StoreError> {
    let after = record_of(conn, before.id)?;
    let object = format!("letter {}", before.id);
    auditor.record(conn, action, &object, Some(before.state.word()), Some(after.state.word()))?;
    Ok(after)
}

fn due(conn: &mut DbConnection, now: Timestamp, limit: i64) -> Result<Vec<MessageId>, StoreError> {
    let due = letter::table
        .filter(is_queued())
        .filter(letter::next_attempt_at.le(now))
        .order(letter::next_attempt_at.asc())
        .limit(limit)
        .select(letter::id);
    Ok(due.load(conn)?)
}

/// A claimed letter as its row gives it: its words are sealed still.
type ClaimRow = (MessageId, EmailAddress, String, i64, Timestamp, Option<Vec<u8>>);

fn claim(
    conn: &mut DbConnection,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<ClaimRow>, StoreError> {
    let ids = due(conn, now, limit)?;
    // The conditions again: another node may have taken a letter since it was read.
    let mut rows: Vec<ClaimRow> = on_either!(conn, conn => diesel::update(
            letter::table
                .filter(letter::id.eq_any(&ids))
                .filter(is_queued())
                .filter(letter::next_attempt_at.le(now)),
        )
        .set((letter::next_attempt_at.eq(until), letter::attempts.eq(letter::attempts + 1)))
        .returning((
            letter::id,
            letter::recipient,
            letter::subject,
            letter::attempts,
            letter::give_up_at,
            letter::body,
        ))
        .load(conn)?);
    rows.sort_by_key(|row| row.0);
    Ok(rows)
}

fn settle(
    conn: &mut DbConnection,
    id: MessageId,
    attempts: i64,
    end: LetterEnd,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, next, error) = match end {
        LetterEnd::Again(at, error) => (LetterState::Queued, at, Some(error)),
        LetterEnd::Bounced(error) => (LetterState::Bounced, now, Some(error)),
        LetterEnd::GivenUp(error) => (LetterState::GivenUp, now, Some(error)),
        LetterEnd::Held => (LetterState::Held, now, None),
        LetterEnd::Sent => (LetterState::Sent, now, None),
    };
    let settled_at = (state != LetterState::Queued).then_some(now);
    // The number of attempts says whose attempt it is: after the end of a lease another one has begun the next.
    let changed = diesel::update(letter::table.find(id))
        .filter(is_queued())
        .filter(letter::attempts.eq(attempts))
        .set((
            letter::state.eq(state),
            letter::next_attempt_at.eq(next),
            letter::last_error.eq(error),
            letter::settled_at.eq(settled_at),
        ))
        .execute(conn)?;
    if changed == 1 && state == LetterState::Sent {
        diesel::update(letter::table.find(id))
            .set(letter::body.eq(None::<Vec<u8>>))
            .execute(conn)?;
    }
    Ok(changed == 1)
}
