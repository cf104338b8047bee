//! Drafts: registrations and enrolments that are being filled in.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{Draft, DraftKind, DraftState, Refusal, SecretHash, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::error::Cause;
use crate::store::schema::draft;
use crate::store::{Store, StoreError};

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
    pub async fn draft_rekey(&self, id: i64, hash: SecretHash) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(draft::table.find(id)).set(draft::hash.eq(hash)).execute(conn)?;
            Ok(())
        })
        .await
    }
}
