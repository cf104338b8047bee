//! The writers: threads that each take all that waits and commit it together.
//!
//! With `synchronous = FULL` a commit costs an fsync; one commit for a group of submissions costs the same one. SQLite has one
//! writer, because it lets only one write. PostgreSQL has a few: while one waits for the server another goes on. A caller is
//! answered after the commit, never before. When a group fails because two writers or two nodes wrote the same key, its
//! members are tried again one by one, so that one member never spoils the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::domain::ServerKey;
use crate::store::connection::{ConnectionManager, DbConnection};
use crate::store::delivery::{ClaimRow, Claiming, Settlement};
use crate::store::error::Cause;
use crate::store::loopback::LoopbackRecord;
use crate::store::message::{Acceptance, Accepted};
use crate::store::{Store, StoreError, delivery, loopback, message};

/// Changes committed together at most: more gains nothing and lengthens the wait of the first.
const GROUP: usize = 128;

/// How long the members of a failed group may take one by one before the rest are told to try again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the writer is asked to do.
pub(super) enum Job {
    /// A change in a transaction of its own.
    Alone(Box<dyn FnOnce(&mut DbConnection) + Send>),
    /// A change that may share a transaction with others.
    Grouped(Grouped),
}

/// A change of the message path, with the way to answer its caller.
pub(super) enum Grouped {
    Accept(Box<Acceptance>, oneshot::Sender<Result<Accepted, StoreError>>),
    Claim(Box<Claiming>, oneshot::Sender<Result<Vec<ClaimRow>, StoreError>>),
    Keep(Box<LoopbackRecord>, oneshot::Sender<Result<(), StoreError>>),
    Settle(Box<Settlement>, oneshot::Sender<Result<bool, StoreError>>),
}

/// What came of a [`Grouped`], until the commit allows to say it.
enum Done {
    Accepted(Accepted),
    Claimed(Vec<ClaimRow>),
    Kept,
    Settled(bool),
}

impl Grouped {
    /// The key that no two members of one group may share.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Accept(acceptance, _) => acceptance.submission_key.as_deref(),
            Self::Claim(..) | Self::Keep(..) | Self::Settle(..) => None,
        }
    }

    fn answer(self, done: Result<Done, StoreError>) {
        // A caller that has gone (a closed connection) changes nothing: what is committed stands.
        match (self, done) {
            (Self::Accept(_, caller), Ok(Done::Accepted(accepted))) => {
                drop(caller.send(Ok(accepted)));
            }
            (Self::Claim(_, caller), Ok(Done::Claimed(rows))) => drop(caller.send(Ok(rows))),
            (Self::Keep(_, caller), Ok(Done::Kept)) => drop(caller.send(Ok(()))),
            (Self::Settle(_, caller), Ok(Done::Settled(ours))) => drop(caller.send(Ok(ours))),
            (Self::Accept(_, caller), Err(error)) => drop(caller.send(Err(error))),
            (Self::Claim(_, caller), Err(error)) => drop(caller.send(Err(error))),
            (Self::Keep(_, caller), Err(error)) => drop(caller.send(Err(error))),
            (Self::Settle(_, caller), Err(error)) => drop(caller.send(Err(error))),
            (_, Ok(_)) => {}
        }
    }
}

impl Store {
    /// Hands a change to the writer and waits for room: of these there are never more than deliveries under way.
    pub(super) async fn hand_over(&self, change: Grouped) -> Result<(), StoreError> {
        let sender = self.writer_sender()?;
        sender.send(Job::Grouped(change)).await.map_err(|_closed| StoreError::closed())
    }

    /// Hands a change of the message path to the writer without waiting for room.
    pub(super) fn enqueue(&self, change: Grouped) -> Result<(), StoreError> {
        self.writer_sender()?.try_send(Job::Grouped(change)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
        })
    }
}

/// Starts the threads, one for each connection; they end when the last sender is dropped and the queue is empty.
pub(super) fn start(
    manager: &ConnectionManager,
    connections: Vec<DbConnection>,
    key: &ServerKey,
    jobs: mpsc::Receiver<Job>,
) -> Result<Vec<JoinHandle<()>>, StoreError> {
    let jobs = Arc::new(Mutex::new(jobs));
    let alone = Arc::new(Mutex::new(()));
    connections
        .into_iter()
        .map(|conn| {
            let (manager, key) = (manager.clone(), key.clone());
            let (jobs, alone) = (Arc::clone(&jobs), Arc::clone(&alone));
            std::thread::Builder::new()
                .name("writer".to_owned())
                .spawn(move || Writer { manager, conn, key, jobs, alone }.run())
                .map_err(|error| {
                    StoreError::Unavailable(Cause::Connection(format!("no writer thread: {error}")))
                })
        })
        .collect()
}

struct Writer {
    manager: ConnectionManager,
    conn: DbConnection,
    /// For the audit trail.
    key: ServerKey,
    /// Whoever is free takes all that waits.
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// Held for a change that has a transaction of its own, so that two of them never meet.
    alone: Arc<Mutex<()>>,
}

impl Writer {
    fn run(mut self) {
        let mut waiting = Vec::with_capacity(GROUP);
        while self.take(&mut waiting) > 0 {
            let mut group = Vec::with_capacity(waiting.len());
            for job in waiting.drain(..) {
                match job {
                    Job::Alone(work) => {
                        self.commit(std::mem::take(&mut group));
                        let alone = Arc::clone(&self.alone);
                        let _alone = alone.lock().unwrap_or_else(PoisonError::into_inner);
                        work(&mut self.conn);
                        self.mend();
                    }
                    Job::Grouped(change) => group.push(change),
                }
            }
            self.commit(group);
        }
    }

    fn take(&self, waiting: &mut Vec<Job>) -> usize {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv_many(waiting, GROUP)
    }

    /// Commits a group, in as many transactions as it has members of the same key.
    fn commit(&mut self, mut group: Vec<Grouped>) {
        while !group.is_empty() {
            let mut keys = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) = group
                .into_iter()
                .partition(|change| change.key().is_none_or(|key| keys.insert(key.to_owned())));
            self.commit_distinct(now);
            group = later;
        }
    }

    fn commit_distinct(&mut self, group: Vec<Grouped>) {
        match self.conn.write_transaction(|conn| apply(conn, &self.key, &group)) {
            Ok(done) => answer_all(group, done),
            // Another node accepted one of the keys, or one member is at fault: each by itself, so that none spoils the others.
            Err(error)
                if group.len() > 1
                    && (matches!(error, StoreError::Conflict) || !self.conn.is_broken()) =>
            {
                let begun = Instant::now();
                for change in group {
                    if begun.elapsed() < PATIENCE {
                        self.commit_distinct(vec![change]);
                    } else {
                        self.fail(vec![change], &error);
                    }
                }
            }
            Err(StoreError::Conflict) => {
                // A second look finds the key that the other node accepted and answers with its reply.
                match self.conn.write_transaction(|conn| apply(conn, &self.key, &group)) {
                    Ok(done) => answer_all(group, done),
                    Err(error) => self.fail(group, &error),
                }
            }
            Err(error) => self.fail(group, &error),
        }
    }

    fn fail(&mut self, group: Vec<Grouped>, error: &StoreError) {
        let cause = match error {
            StoreError::Unavailable(cause) => cause.clone(),
            other => Cause::Statement(other.to_string()),
        };
        tracing::error!(store.cause = %cause, group.size = group.len(), "a group of changes was not committed: {cause}");
        for change in group {
            change.answer(Err(StoreError::Unavailable(cause.clone())));
        }
        self.mend();
    }

    /// Replaces a broken connection; when that fails, the next group tries again.
    fn mend(&mut self) {
        if self.conn.is_broken()
            && let Ok(conn) = self.manager.open()
        {
            self.conn = conn;
        }
    }
}

/// Tells every member of a committed group what came of it.
fn answer_all(group: Vec<Grouped>, done: Vec<Done>) {
    metrics::histogram!("gateway_commit_group_size")
        .record(u32::try_from(group.len()).unwrap_or(u32::MAX));
    for (change, done) in group.into_iter().zip(done) {
        change.answer(Ok(done));
    }
}

/// Applies every member inside the caller's transaction: what was settled first, so that a claim finds the next of a patient.
fn apply(
    conn: &mut DbConnection,
    key: &ServerKey,
    group: &[Grouped],
) -> Result<Vec<Done>, StoreError> {
    let acceptances: Vec<_> = group
        .iter()
        .filter_map(|change| match change {
            Grouped::Accept(acceptance, _) => Some(acceptance.as_ref()),
            Grouped::Claim(..) | Grouped::Keep(..) | Grouped::Settle(..) => None,
        })
        .collect();
    let settlements: Vec<_> = group
        .iter()
        .filter_map(|change| match change {
            Grouped::Settle(settlement, _) => Some(settlement.as_ref()),
            Grouped::Accept(..) | Grouped::Claim(..) | Grouped::Keep(..) => None,
        })
        .collect();
    let mut settled = delivery::settle_all(conn, &settlements)?.into_iter();
    let mut accepted = message::accept_all(conn, key, &acceptances)?.into_iter();
    group
        .iter()
        .map(|change| match change {
            Grouped::Accept(..) => accepted
                .next()
                .map(Done::Accepted)
                .ok_or_else(|| StoreError::NotFound("answer for an acceptance".to_owned())),
            Grouped::Claim(claiming, _) => delivery::claim_all(conn, claiming).map(Done::Claimed),
            Grouped::Keep(record, _) => loopback::keep(conn, record).map(|()| Done::Kept),
            Grouped::Settle(..) => settled
                .next()
                .map(Done::Settled)
                .ok_or_else(|| StoreError::NotFound("answer for a settlement".to_owned())),
        })
        .collect()
}
