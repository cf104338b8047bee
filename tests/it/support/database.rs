//! A database of its own for each test: a SQLite file, or a PostgreSQL schema when `TEST_POSTGRES_URL` is set.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query};
use izportal::config::Config;
use tempfile::TempDir;

/// Where a test keeps its data; dropped with the test.
pub(crate) struct TestDatabase {
    postgres: Option<(String, String)>,
}

impl TestDatabase {
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch between the two databases of the suite"
    )]
    pub(crate) fn new() -> Self {
        let postgres = std::env::var("TEST_POSTGRES_URL").ok().map(|url| {
            let schema = format!("test_{}", uuid::Uuid::now_v7().simple());
            execute(&url, &format!("CREATE SCHEMA {schema}")).unwrap();
            (url, schema)
        });
        Self { postgres }
    }

    /// Puts the database into a configuration.
    pub(crate) fn configure(&self, config: &mut Config) {
        if let Some((url, schema)) = &self.postgres {
            config.database.url.clone_from(url);
            config.database.schema.clone_from(schema);
        }
    }

    /// Whether this is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }
}

/// A message and its delivery as they stand in the tables.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct Row {
    #[diesel(sql_type = Text)]
    pub(crate) control_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) lease_owner: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) attempts: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) doubtful: i64,
}

/// Columns of [`Row`]; an accepted message has a delivery.
const ROWS: &str = "SELECT control_id, delivery.state AS state, lease_owner, attempts, doubtful \
                    FROM message JOIN delivery ON message_id = message.id";

/// Number of something.
#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Integer)]
    number: i32,
}

/// Nobody else can write until it is dropped.
pub(crate) struct Blockade(#[expect(dead_code, reason = "held")] Box<dyn std::any::Any + Send>);

impl TestDatabase {
    /// Holds the tables.
    pub(crate) fn block(&self, data_dir: &Path) -> Blockade {
        #[cfg(feature = "postgres")]
        if let Some((url, schema)) = &self.postgres {
            let mut conn = diesel::PgConnection::establish(url).unwrap();
            let lock = format!("BEGIN; LOCK TABLE {schema}.message IN ACCESS EXCLUSIVE MODE");
            conn.batch_execute(&lock).unwrap();
            return Blockade(Box::new(conn));
        }
        let mut conn = sqlite(data_dir);
        conn.batch_execute("BEGIN IMMEDIATE").unwrap();
        Blockade(Box::new(conn))
    }

    /// What the tables hold, read beside the service.
    pub(crate) fn rows(&self, data_dir: &Path) -> Vec<Row> {
        #[cfg(feature = "postgres")]
        if let Some((url, schema)) = &self.postgres {
            let mut conn = diesel::PgConnection::establish(url).unwrap();
            conn.batch_execute(&format!("SET search_path = {schema}")).unwrap();
            return sql_query(ROWS).load(&mut conn).unwrap();
        }
        sql_query(ROWS).load(&mut sqlite(data_dir)).unwrap()
    }

    /// The same after the service died. Files are read from a copy, so that it is the next service that mends them.
    pub(crate) fn rows_left(&self, data_dir: &Path) -> Vec<Row> {
        if self.is_postgres() {
            return self.rows(data_dir);
        }
        let copy = TempDir::new().unwrap();
        for file in ["izportal.db", "izportal.db-wal"] {
            let _ = std::fs::copy(data_dir.join(file), copy.path().join(file)); // there may be no log
        }
        self.rows(copy.path())
    }

    /// Changes what the tables hold, beside the service.
    pub(crate) fn change(&self, data_dir: &Path, sql: &str) {
        #[cfg(feature = "postgres")]
        if let Some((url, schema)) = &self.postgres {
            execute(url, &format!("SET search_path = {schema}; {sql}")).unwrap();
            return;
        }
        sqlite(data_dir).batch_execute(sql).unwrap();
    }

    /// The same where the database may refuse; gives its words.
    pub(crate) fn try_change(&self, data_dir: &Path, sql: &str) -> Result<(), String> {
        #[cfg(feature = "postgres")]
        if let Some((url, schema)) = &self.postgres {
            let sql = format!("SET search_path = {schema}; {sql}");
            return execute(url, &sql).map_err(|error| error.to_string());
        }
        sqlite(data_dir).batch_execute(sql).map_err(|error| error.to_string())
    }

    /// How many deliveries are queued.
    pub(crate) fn queued(&self, data_dir: &Path) -> i32 {
        self.count(data_dir, "delivery WHERE state = 'queued'")
    }

    /// How many rows there are of a table, under a condition or without.
    pub(crate) fn count(&self, data_dir: &Path, of: &str) -> i32 {
        let sql = format!("SELECT CAST(count(*) AS INTEGER) AS number FROM {of}");
        #[cfg(feature = "postgres")]
        if let Some((url, schema)) = &self.postgres {
            let mut conn = diesel::PgConnection::establish(url).unwrap();
            conn.batch_execute(&format!("SET search_path = {schema}")).unwrap();
            return sql_query(sql).get_result::<Number>(&mut conn).unwrap().number;
        }
        sql_query(sql).get_result::<Number>(&mut sqlite(data_dir)).unwrap().number
    }
}

fn sqlite(data_dir: &Path) -> SqliteConnection {
    let path = data_dir.join("izportal.db");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    conn
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some((url, schema)) = &self.postgres {
            let drop = format!("DROP SCHEMA {schema} CASCADE");
            // Workers of the test's service may still be at work; a deadlock with one of them ends by trying again.
            let dropped = (0..20).any(|_| execute(url, &drop).is_ok());
            assert!(dropped || std::thread::panicking(), "the schema of the test was dropped");
        }
    }
}

#[cfg(feature = "postgres")]
fn execute(url: &str, sql: &str) -> diesel::QueryResult<()> {
    diesel::PgConnection::establish(url).unwrap().batch_execute(sql)
}

#[cfg(not(feature = "postgres"))]
fn execute(_url: &str, _sql: &str) -> diesel::QueryResult<()> {
    panic!("TEST_POSTGRES_URL needs --features postgres");
}
