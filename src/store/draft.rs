//! Drafts: registrations and enrolments that are being filled in.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{Draft, DraftKind, DraftState, Refusal, SecretHash, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::error::Cause;
use crate::store::schema::draft;
use crate::store::{Deed, NewLink, Store, StoreError, one_time_link};

/// How long a draft is kept after it was last touched: a link to it is good for 30 days, and what one opens for another.
const KEPT: Duration = Duration::from_hours(24 * 31);

/// Drafts that are removed in one transaction at most.
const BATCH: i64 = 500;

type Row = (i64, DraftKind, DraftState, String, Timestamp, Timestamp);

const COLUMNS: (
    draft::id,
    draft::kind,
    draft::state,
    draft::answers,
    draft::created_at,
    draft::updated_at,
) = (draft::id, draft::kind, draft::state, draft::answers, draft::created_at, draft::updated_at);

fn from_row(row: Row) -> Result<Draft, StoreError> {
    let (id, kind, state, answers, created_at, updated_at) = row;
    let answers = read_answers(&answers)?;
    Ok(Draft { id, kind, state, answers, created_at, updated_at })
}

/// Answers as a column holds them.
pub(super) fn read_answers(text: &str) -> Result<Answers, StoreError> {
    Answers::from_json(text).map_err(|error| {
        StoreError::Unavailable(Cause::Statement(format!("answers cannot be read: {error}")))
    })
}

/// The draft with this number, inside a transaction.
pub(super) fn by_id(conn: &mut DbConnection, id: i64) -> Result<Draft, StoreError> {
    let row = draft::table.find(id).select(COLUMNS).first::<Row>(conn).optional()?;
    from_row(row.ok_or_else(|| StoreError::NotFound("such draft".to_owned()))?)
}

/// Moves a draft on, inside a transaction.
///
/// # Errors
/// When it is not in the state that is left.
pub(super) fn advance(
    conn: &mut DbConnection,
    id: i64,
    from: DraftState,
    to: DraftState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = diesel::update(draft::table.find(id).filter(draft::state.eq(from)))
        .set((draft::state.eq(to), draft::updated_at.eq(now), draft::submitted_at.eq(now)))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(Refusal(format!("it is not {from} any more")).into()) }
}

/// Says that somebody means to go on with a draft, inside a transaction.
fn touch(conn: &mut DbConnection, id: i64, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(draft::table.find(id)).set(draft::updated_at.eq(now)).execute(conn)?;
    Ok(())
}

/// Removes drafts that nobody can go on with any more, and those whose answers have become a registration or a request;
/// gives how many.
pub(super) fn sweep(conn: &mut DbConnection, now: Timestamp) -> Result<usize, StoreError> {
    let ids = draft::table
        .filter(draft::updated_at.lt(now.minus(KEPT)))
        .order(draft::updated_at.asc())
        .select(draft::id)
        .limit(BATCH)
        .load::<i64>(conn)?;
    Ok(diesel::delete(draft::table.filter(draft::id.eq_any(ids))).execute(conn)?)
}

impl Store {
    /// Begins a draft; whoever has the key of `hash` may go on with it.
    pub async fn draft_create(
        &self,
        kind: DraftKind,
        hash: SecretHash,
        answers: Answers,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.write(move |conn| {
            Ok(diesel::insert_into(draft::table)
                .values((
                    draft::kind.eq(kind),
                    draft::state.eq(DraftState::Open),
                    draft::hash.eq(hash),
                    draft::answers.eq(answers.to_json()),
                    draft::created_at.eq(now),
                    draft::updated_at.eq(now),
                ))
                .returning(draft::id)
                .get_result(conn)?)
        })
        .await
    }

    /// The draft that a key opens.
    pub async fn draft_by_key(&self, hash: SecretHash) -> Result<Option<Draft>, StoreError> {
        self.read(move |conn| {
            let row = draft::table.filter(draft::hash.eq(hash)).select(COLUMNS).first::<Row>(conn);
            row.optional()?.map(from_row).transpose()
        })
        .await
    }

    /// The draft with this number.
    pub async fn draft_by_id(&self, id: i64) -> Result<Draft, StoreError> {
        self.read(move |conn| by_id(conn, id)).await
    }

    /// Puts answers of one page into an open draft, beside those of the others.
    pub async fn draft_answer(
        &self,
        id: i64,
        answers: Answers,
        now: Timestamp,
    ) -> Result<Draft, StoreError> {
        self.write(move |conn| {
            let mut held = by_id(conn, id)?;
            if held.state != DraftState::Open {
                return Err(Refusal("it has been sent off already".to_owned()).into());
            }
            for (name, value) in answers.iter() {
                held.answers.set(name, value);
            }
            diesel::update(draft::table.find(id))
                .set((draft::answers.eq(held.answers.to_json()), draft::updated_at.eq(now)))
                .execute(conn)?;
            Ok(Draft { updated_at: now, ..held })
        })
        .await
    }

    /// Gives a draft another key; the one before opens nothing any more.
    pub async fn draft_rekey(
        &self,
        id: i64,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(draft::table.find(id)).set(draft::hash.eq(hash)).execute(conn)?;
            touch(conn, id, now)
        })
        .await
    }

    /// Records a link to a draft, which is kept as long as the link is good, with the letters that carry it. Tells whether
    /// they were posted.
    pub async fn draft_link_issue(
        &self,
        id: i64,
        link: NewLink,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            touch(conn, id, doing.now)?;
            one_time_link::issue(conn, &link, doing.now)?;
            let object = format!("link {} {}", link.purpose, link.subject);
            doing.end(conn, "link.issue", &object, None, None)
        })
        .await
    }
}
