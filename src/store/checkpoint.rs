//! SQLite's write-ahead log, brought into the database file by a thread of its own.
//!
//! Left to the writer, each checkpoint makes a group of senders wait while megabytes are copied. A passive checkpoint runs
//! beside the writer. It cannot begin the log anew while the writer is always ahead, so past a size the writer is made to
//! wait after all: the log stays bounded.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

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

fn run(mut conn: DbConnection, log: &PathBuf, stopped: &Receiver<()>) {
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let size = std::fs::metadata(log).map_or(0, |file| file.len());
        let how = match size {
            ..WORTHWHILE => continue,
            WORTHWHILE..BOUND => "PASSIVE",
            BOUND.. => "RESTART",
        };
        if let Err(error) = conn.batch_execute(&format!("PRAGMA wal_checkpoint({how})")) {
            tracing::warn!("a checkpoint failed and will be tried again: {error}");
        }
    }
}
