//! The embedded migrations, one folder per database with the same names.

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::store::StoreError;
#[cfg(feature = "postgres")]
use crate::store::connection::STATEMENT_TIMEOUT;
use crate::store::connection::{DbConnection, on_either};
use crate::store::error::Cause;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Unavailable(Cause::Statement(format!("migration: {error}")))
}

/// Applies what is missing; gives the names of what it applied.
pub(super) fn apply(conn: &mut DbConnection) -> Result<Vec<String>, StoreError> {
    let names = pending(conn)?;
    match conn {
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(conn) => {
            // An index of a large table takes longer than any statement of the message path may.
            conn.batch_execute("SET statement_timeout = 0")?;
            conn.run_pending_migrations(POSTGRES).map_err(failed)?;
            conn.batch_execute(STATEMENT_TIMEOUT)?;
        }
        DbConnection::Sqlite(conn) => {
            conn.run_pending_migrations(SQLITE).map_err(failed)?;
        }
    }
    Ok(names)
}

/// The names of what is not applied yet.
pub(super) fn pending(conn: &mut DbConnection) -> Result<Vec<String>, StoreError> {
    fn names<DB: diesel::backend::Backend>(
        list: &[Box<dyn diesel::migration::Migration<DB>>],
    ) -> Vec<String> {
        list.iter().map(|migration| migration.name().to_string()).collect()
    }
    match conn {
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(conn) => {
            conn.pending_migrations(POSTGRES).map(|list| names(&list)).map_err(failed)
        }
        DbConnection::Sqlite(conn) => {
            conn.pending_migrations(SQLITE).map(|list| names(&list)).map_err(failed)
        }
    }
}

/// Takes back the newest migration; gives its name.
pub(super) fn revert(conn: &mut DbConnection) -> Result<String, StoreError> {
    let version = match conn {
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(conn) => conn.revert_last_migration(POSTGRES).map_err(failed)?,
        DbConnection::Sqlite(conn) => conn.revert_last_migration(SQLITE).map_err(failed)?,
    };
    Ok(name_of(&version))
}

/// The names of what has been applied, newest first.
pub(super) fn applied(conn: &mut DbConnection) -> Result<Vec<String>, StoreError> {
    let versions = on_either!(conn, conn => conn.applied_migrations().map_err(failed)?);
    Ok(versions.iter().map(name_of).collect())
}

/// The name of a version; the version itself when a newer program made it. Both databases have the same names.
fn name_of(version: &MigrationVersion<'_>) -> String {
    let known = MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE).unwrap_or_default();
    known
        .iter()
        .find(|one| one.name().version() == *version)
        .map_or_else(|| version.to_string(), |one| one.name().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_migrations_of_the_same_names() {
        let names = |folder: &str| {
            let mut names: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let root = env!("CARGO_MANIFEST_DIR");
        assert_eq!(
            names(&format!("{root}/migrations/sqlite")),
            names(&format!("{root}/migrations/postgres"))
        );
        assert!(
            !MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE).unwrap().is_empty()
        );
    }
}
