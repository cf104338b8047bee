//! SQLite's write-ahead log, brought into the database file by a thread of its own.
//!
//! Left to the writer, each checkpoint makes a group of senders wait while megabytes are copied. A passive checkpoint runs
//! beside the writer. It cannot begin the log anew while the writer is always ahead, so past a size the writer is made to
//! wait after all: the log stays bounded.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;

use crate::store::StoreError;
use crate::store::connection::{ConnectionManager, DatabaseUrl, DbConnection};
use crate::store::error::Cause;

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// A log shorter than this is left alone, in bytes.
const WORTHWHILE: u64 = 16 << 20;

/// A log longer than this makes the writer wait, in bytes.
const BOUND: u64 = 256 << 20;

/// Rounds without making the writer wait, after a reader was in the way.
const REST: u32 = 30;

/// The running thread; it ends when this is dropped or closed.
pub(super) struct Checkpointer {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread for an embedded database; PostgreSQL looks after itself.
    pub(super) fn start(manager: &ConnectionManager) -> Result<Option<Self>, StoreError> {
        let DatabaseUrl::Sqlite(path) = &manager.url else { return Ok(None) };
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        let conn = manager.open()?;
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(conn, &PathBuf::from(log), &stopped))
            .map_err(|error| {
                StoreError::Unavailable(Cause::Connection(format!("no checkpoint thread: {error}")))
            })?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends the thread.
    pub(super) fn close(self) {
        drop(self.stop);
        let _ = self.thread.join(); // whatever it was doing, the database is whole without it
    }
}

fn run(mut conn: DbConnection, log: &Path, stopped: &Receiver<()>) {
    let mut rest = 0;
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let size = std::fs::metadata(log).map_or(0, |file| file.len());
        rest = if rest > 0 { rest - 1 } else { 0 };
        let done = match size {
            ..WORTHWHILE => continue,
            BOUND.. if rest == 0 => checkpoint(&mut conn, "TRUNCATE"),
            _ => checkpoint(&mut conn, "PASSIVE"),
        };
        match done {
            // A reader holds the log, a backup perhaps: let the writer be for a while.
            Ok(false) => rest = REST,
            Ok(true) => {}
            Err(error) => tracing::warn!("a checkpoint failed and will be tried again: {error}"),
        }
    }
}

/// Tells whether all of the log that was asked for could be copied.
fn checkpoint(conn: &mut DbConnection, how: &str) -> Result<bool, StoreError> {
    // Never behind a reader for long: the writer would wait as well.
    conn.batch_execute("PRAGMA busy_timeout = 100")?;
    let row: Busy = diesel::sql_query(format!("PRAGMA wal_checkpoint({how})")).get_result(conn)?;
    Ok(row.busy == 0)
}

#[derive(diesel::QueryableByName)]
struct Busy {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    busy: i32,
}
