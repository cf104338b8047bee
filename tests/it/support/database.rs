//! A database of its own for each test: a SQLite file, or a PostgreSQL schema when `TEST_POSTGRES_URL` is set.

use izportal::config::Config;

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
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, PgConnection};

    PgConnection::establish(url).unwrap().batch_execute(sql)
}

#[cfg(not(feature = "postgres"))]
fn execute(_url: &str, _sql: &str) -> diesel::QueryResult<()> {
    panic!("TEST_POSTGRES_URL needs --features postgres");
}
