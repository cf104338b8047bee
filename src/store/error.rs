//! What can go wrong at the door to SQL.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::domain::Refusal;

/// Each variant asks something else of the caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has the same key: choose another.
    #[error("another row has the same key")]
    Conflict,
    /// A stored body cannot be opened with the keys at hand.
    #[error("a stored body cannot be opened: {0}")]
    Locked(&'static str),
    /// Nothing has this key.
    #[error("no {0}")]
    NotFound(String),
    /// The queue of the writer is full: try again shortly.
    #[error("the writer's queue is full")]
    Overloaded,
    /// The state of the thing does not permit the change.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database did not do its work: try again, and look at the operator's log.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
}

/// Why a database did not do its work. Never holds values of columns.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// No connection could be had.
    #[error("no connection: {0}")]
    Connection(String),
    /// A statement failed.
    #[error("a statement failed: {0}")]
    Statement(String),
    /// The service is stopping.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The store is closed or closing.
    pub(super) const fn closed() -> Self {
        Self::Unavailable(Cause::Closed)
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            DieselError::NotFound => Self::NotFound("such row".to_owned()),
            // PostgreSQL's message may quote a value in its details, never in its first line.
            DieselError::DatabaseError(kind, about) => {
                Self::Unavailable(Cause::Statement(format!("{kind:?}: {}", about.message())))
            }
            other => Self::Unavailable(Cause::Statement(other.to_string())),
        }
    }
}

impl From<diesel::r2d2::PoolError> for StoreError {
    fn from(error: diesel::r2d2::PoolError) -> Self {
        Self::Unavailable(Cause::Connection(error.to_string()))
    }
}
