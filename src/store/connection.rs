//! One connection type for both databases, and how a write transaction begins on each.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
#[cfg(feature = "postgres")]
use diesel::pg::PgConnection;
use diesel::r2d2::ManageConnection;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, ConnectionError};

use crate::store::StoreError;
use crate::store::error::Cause;

/// Where the data is: a SQLite file or a PostgreSQL server.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://...`; needs a build with the feature `postgres`.
    Postgres(String),
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("postgres://[redacted]"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))));
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err("a database is given as sqlite:PATH or postgres://...");
        }
        if cfg!(feature = "postgres") {
            Ok(Self::Postgres(text.to_owned()))
        } else {
            Err(
                "this build has no PostgreSQL; build it with `cargo build --release --features postgres`",
            )
        }
    }
}

/// No statement of the message path may take longer.
#[cfg(feature = "postgres")]
pub(super) const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '10s'";

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub(super) enum DbConnection {
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Runs the same statement on the connection of either database, typed for each: what the multi-backend cannot express.
macro_rules! on_either {
    ($conn:expr, $each:ident => $work:expr) => {
        match $conn {
            #[cfg(feature = "postgres")]
            $crate::store::connection::DbConnection::Postgres($each) => $work,
            $crate::store::connection::DbConnection::Sqlite($each) => $work,
        }
    };
}
pub(super) use on_either;

impl DbConnection {
    /// Runs `change` in one transaction that holds the write lock from its first statement.
    ///
    /// SQLite refuses to promote a read transaction once another writer has committed, so a plain BEGIN fails at random.
    pub(super) fn write_transaction<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => AnsiTransactionManager::begin_transaction(conn)?,
            Self::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?;
            }
        }
        match change(self) {
            Ok(value) => {
                if let Err(error) =
                    on_either!(self, conn => AnsiTransactionManager::commit_transaction(conn))
                {
                    self.roll_back();
                    return Err(error.into());
                }
                Ok(value)
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    fn roll_back(&mut self) {
        // A failed roll-back leaves the connection broken, which its next use reports; the first error is the one to tell.
        let _ = on_either!(self, conn => AnsiTransactionManager::rollback_transaction(conn));
    }

    /// Whether the connection lost its server or its transaction state and must be replaced.
    pub(super) fn is_broken(&mut self) -> bool {
        on_either!(self, conn => AnsiTransactionManager::is_broken_transaction_manager(conn))
            || self.batch_execute("SELECT 1").is_err()
    }
}

/// Opens connections for the pool and for the writer.
#[derive(Clone, Debug)]
pub(super) struct ConnectionManager {
    pub(super) url: DatabaseUrl,
    /// PostgreSQL schema for all tables; the server's default when empty.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has no schemas"))]
    pub(super) schema: Option<String>,
}

impl ConnectionManager {
    /// Opens one connection and prepares it.
    pub(super) fn open(&self) -> Result<DbConnection, StoreError> {
        ManageConnection::connect(self)
            .map_err(|error| StoreError::Unavailable(Cause::Connection(error.to_string())))
    }
}

impl ManageConnection for ConnectionManager {
    type Connection = DbConnection;
    type Error = ConnectionError;

    fn connect(&self) -> Result<DbConnection, ConnectionError> {
        let prepared = |error| ConnectionError::CouldntSetupConfiguration(error);
        match &self.url {
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => {
                // A plan made while a table was empty reads all of it for ever after, so plans are made for each call.
                let mut conn = PgConnection::establish(&bounded(url)).map_err(without_address)?;
                conn.batch_execute(STATEMENT_TIMEOUT).map_err(prepared)?;
                conn.batch_execute("SET plan_cache_mode = force_custom_plan; SET application_name = 'izportal'; SET TIME ZONE 'UTC'")
                    .map_err(prepared)?;
                if let Some(schema) = &self.schema {
                    conn.batch_execute(&format!(
                        "SET search_path = \"{}\"",
                        schema.replace('"', "")
                    ))
                    .map_err(prepared)?;
                }
                Ok(DbConnection::Postgres(conn))
            }
            #[cfg(not(feature = "postgres"))]
            DatabaseUrl::Postgres(_) => {
                Err(ConnectionError::InvalidConnectionUrl("no PostgreSQL in this build".to_owned()))
            }
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
                // The time-out first: switching to WAL needs the lock, too.
                conn.batch_execute(
                    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 0",
                )
                .map_err(prepared)?;
                Ok(DbConnection::Sqlite(conn))
            }
        }
    }

    fn is_valid(&self, conn: &mut DbConnection) -> Result<(), ConnectionError> {
        conn.batch_execute("SELECT 1").map_err(ConnectionError::CouldntSetupConfiguration)
    }

    fn has_broken(&self, conn: &mut DbConnection) -> bool {
        on_either!(conn, conn => AnsiTransactionManager::is_broken_transaction_manager(conn))
    }
}

/// The address with bounds for a server that cannot be reached any more, where it does not set its own.
#[cfg(feature = "postgres")]
fn bounded(url: &str) -> String {
    const BOUNDS: [(&str, &str); 5] = [
        ("connect_timeout", "5"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "15000"),
    ];
    BOUNDS.iter().filter(|(name, _)| !url.contains(name)).fold(
        url.to_owned(),
        |url, (name, value)| {
            let sign = if url.contains('?') { '&' } else { '?' };
            format!("{url}{sign}{name}={value}")
        },
    )
}

/// libpq quotes an address that it cannot read, and the password in it.
#[cfg(feature = "postgres")]
fn without_address(error: ConnectionError) -> ConnectionError {
    match &error {
        ConnectionError::BadConnection(text)
            if text.contains("URI") || text.contains("percent-encoded") =>
        {
            ConnectionError::BadConnection("database.url is not a PostgreSQL address".to_owned())
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_known_scheme_is_refused() {
        for text in ["izportal.db", "postgress://localhost/x", "mysql://localhost/x", ""] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_password_of_a_url_is_not_printed() {
        let url = DatabaseUrl::Postgres("postgres://me:hunter2@localhost/db".to_owned());
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
