//! The one door to SQL. Nobody else sees a table.
//!
//! Reads run on a pool, each on a blocking thread behind a permit. Every change goes through a `writer` thread, which
//! commits the changes of concurrent submissions in groups: one transaction and one fsync for all that wait. The message
//! path authorises against a [`Directory`] in memory; its revision is checked inside the committing transaction, so that
//! a change of a credential, a Site or a link holds from the next message on, on every node. May import `domain`.

mod account;
mod action;
mod alert;
mod api_key;
mod audit;
mod board;
mod bulk;
mod change;
mod checkpoint;
mod claim;
mod clinician;
mod connection;
mod credential;
mod deed;
mod delivery;
mod destination;
mod destination_version;
mod directory;
mod draft;
mod enrolment;
mod error;
mod letter;
mod link;
mod literal;
mod loopback;
mod membership;
mod message;
mod message_search;
mod migrations;
mod one_time_link;
mod organization;
mod owned;
mod profile;
mod program;
mod progress;
mod quality;
mod registration;
mod request;
mod retention;
mod review;
mod saved_search;
mod schema;
mod second_factor;
mod session;
mod site;
mod sql_types;
mod staff;
mod stage;
mod statement;
mod status_letter;
mod system_notice;
mod tally;
mod update;
mod vault;
mod webhook;
mod webhook_call;
mod writer;

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::r2d2::Pool;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::domain::{LetterLimits, MessageId, MessageIds, Refusal, ServerKey, Timestamp};
use crate::store::checkpoint::Checkpointer;
use crate::store::connection::{ConnectionManager, DbConnection};
use crate::store::schema::process;
use crate::store::writer::Job;

pub use account::{AccountFilter, Factors, NewAccount};
pub use action::{Action, ActionRecord};
pub use alert::{AlertTimes, WriteAlerts};
pub use api_key::NewApiKey;
pub use audit::{AuditFilter, Verdict};
pub use board::{BoardFilter, BoardOrder, BoardRow, RECENT_DAYS, SiteNote};
pub use bulk::{BulkSite, BulkUpload, SiteRow};
pub use change::Change;
pub use claim::{ClaimSent, Claimed, WriteClaimed};
pub use clinician::NewClinician;
pub use connection::DatabaseUrl;
pub use credential::{EndingCredential, NewCredential};
pub use deed::Deed;
pub use delivery::{AttemptEnd, Backlog, Claim, Settlement};
pub use destination::Place;
pub use destination_version::{ActiveVersion, NewVersion};
pub use directory::Directory;
pub use enrolment::{Enrolled, NewEnrolment, WriteEnrolled};
pub use error::{Cause, StoreError};
pub use letter::{ClaimedLetter, LetterEnd, LetterFilter, Queued};
pub use loopback::{LoopbackRecord, LoopbackScript};
pub use membership::{NewMembership, NewTraining, TrainingRecord};
pub use message::{Acceptance, Accepted, MessageFilter, NewDelivery, QueryEnd};
pub use message_search::{MessageDetail, MessagePage, MessageSearch, MessagesOf};
pub use one_time_link::{LinkSecret, NewLink};
pub use owned::{Acceptance as AgreementAcceptance, NamedLink};
pub use profile::{Namesake, NewOrganization, OrganizationFilter, OrganizationRecord};
pub use quality::{FindingCount, TallyFilter, TallyRow, TallySum};
pub use registration::{NewRegistration, Person, Placed, RESUME_WITHIN, Registered, WriteLetters};
pub use request::{NewNote, NewRequest, Queue, RequestFilter};
pub use retention::{Removed, RetentionLimits};
pub use review::{DeliveryFilter, DeliveryLine, DeliverySum};
pub use saved_search::SavedSearch;
pub use second_factor::{Factor, NewFactor, PasskeyRecord};
pub use session::{NewSession, Shown};
pub use site::NewSite;
pub use stage::NewProductionCredential;
pub use status_letter::{Expiry, SiteWatch};

pub use vault::{Part, Vault};
pub use webhook::{NewWebhook, OwnedWebhook};
pub use webhook_call::{CallEnd, ClaimedCall, HookTarget};

/// Connections of the pool that read; each writer has one of its own beside them.
const READERS: u32 = 7;

/// Writers on PostgreSQL: while one waits for the server the others go on.
const POSTGRES_WRITERS: usize = 3;

/// Changes that may wait for the writer before new ones are refused.
const WRITER_QUEUE: usize = 4_096;

/// What a store needs to open.
pub struct StoreSettings {
    /// Where the data is.
    pub database: DatabaseUrl,
    /// PostgreSQL schema, when not the server's default.
    pub schema: Option<String>,
    /// Keys of message bodies.
    pub vault: Vault,
    /// The server's key, for the chain of the audit trail.
    pub key: ServerKey,
    /// How many letters an address gets at most.
    pub letter_limits: LetterLimits,
    /// Whether missing migrations are applied when opening (always on SQLite).
    pub migrate: bool,
}

/// The door to SQL. Cheap to share behind an `Arc`.
pub struct Store {
    pool: Pool<ConnectionManager>,
    readers: Arc<Semaphore>,
    writer: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    checkpointer: Mutex<Option<Checkpointer>>,
    vault: Arc<Vault>,
    audit_key: ServerKey,
    letter_limits: LetterLimits,
    directory: RwLock<Arc<Directory>>,
    /// When the last look at the revision began.
    refresh: tokio::sync::Mutex<Option<Instant>>,
    ids: Arc<OnceLock<MessageIds>>,
    url: DatabaseUrl,
}

impl Store {
    /// Opens the database, migrates it when asked (SQLite: always) and starts the writer.
    ///
    /// # Errors
    /// When the database cannot be reached or its migrations are not applied.
    pub fn open(settings: StoreSettings) -> Result<Arc<Self>, StoreError> {
        let manager = ConnectionManager { url: settings.database.clone(), schema: settings.schema };
        let mut conn = manager.open()?;
        if settings.migrate || matches!(settings.database, DatabaseUrl::Sqlite(_)) {
            migrations::apply(&mut conn)?;
        }
        let missing = migrations::pending(&mut conn)?;
        if !missing.is_empty() {
            let names = missing.join(", ");
            return Err(StoreError::Unavailable(Cause::Statement(format!(
                "migrations are not applied ({names}); run `izportal migrate up`"
            ))));
        }
        let directory = Directory::load(&mut conn)?;
        let pool = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .connection_timeout(Duration::from_secs(5))
            .test_on_check_out(matches!(settings.database, DatabaseUrl::Postgres(_)))
            .build(manager.clone())?;
        let (sender, receiver) = mpsc::channel(WRITER_QUEUE);
        let checkpointer = Checkpointer::start(&manager)?;
        let mut connections = vec![conn];
        if matches!(settings.database, DatabaseUrl::Postgres(_)) {
            while connections.len() < POSTGRES_WRITERS {
                connections.push(manager.open()?);
            }
        }
        let audit_key = settings.key.derived("audit");
        let threads = writer::start(&manager, connections, &audit_key, receiver)?;
        Ok(Arc::new(Self {
            pool,
            readers: Arc::new(Semaphore::new(usize::try_from(READERS).unwrap_or(1))),
            writer: Mutex::new(Some(sender)),
            threads: Mutex::new(threads),
            checkpointer: Mutex::new(checkpointer),
            vault: Arc::new(settings.vault),
            audit_key,
            letter_limits: settings.letter_limits,
            directory: RwLock::new(Arc::new(directory)),
            refresh: tokio::sync::Mutex::new(None),
            ids: Arc::new(OnceLock::new()),
            url: settings.database,
        }))
    }

    /// Lets the writer finish what it was given and waits for it. Later changes are refused.
    pub fn close(&self) {
        drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join(); // a panic of a writer has answered its callers with "closed" already
        }
        if let Some(checkpointer) =
            self.checkpointer.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            checkpointer.close();
        }
    }

    /// Whether a read works at this moment.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.writer_sender()?.is_closed() {
            return Err(StoreError::closed());
        }
        self.read(|conn| directory::revision(conn).map(|_revision| ())).await
    }

    /// Whether this is the embedded database, which one process owns alone.
    pub const fn is_embedded(&self) -> bool {
        matches!(self.url, DatabaseUrl::Sqlite(_))
    }

    /// Copies the embedded database to a new file, consistent while changes go on.
    ///
    /// # Errors
    /// On PostgreSQL, whose own tools do it.
    pub async fn backup(&self, file: std::path::PathBuf) -> Result<(), StoreError> {
        if !self.is_embedded() {
            return Err(
                Refusal("PostgreSQL is backed up with its own tools (pg_dump)".to_owned()).into()
            );
        }
        self.read(move |conn| {
            let path = file.display().to_string().replace('\'', "''");
            Ok(conn.batch_execute(&format!("VACUUM INTO '{path}'"))?)
        })
        .await
    }

    /// Takes a number for this process, so that it may give message ids beside others on the same database.
    pub async fn begin_process(&self, now: Timestamp) -> Result<(), StoreError> {
        let number = self
            .write(move |conn| {
                Ok(diesel::insert_into(process::table)
                    .values(process::started_at.eq(now))
                    .returning(process::id)
                    .get_result(conn)?)
            })
            .await?;
        self.ids.get_or_init(|| MessageIds::new(number));
        Ok(())
    }

    /// An identifier that no other message of this database has or will have.
    pub fn next_message_id(&self, now: Timestamp) -> MessageId {
        self.ids.get_or_init(|| MessageIds::new(0)).next(now)
    }

    /// The keys of message bodies.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What the message path needs to know, as of the last refresh.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Brings the directory up to date when it is older than the database. Callers who ask while another is looking share
    /// one later look; whether anything changed is seen by its revision.
    pub async fn directory_refresh(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut last_look = self.refresh.lock().await;
        if last_look.is_some_and(|began| began > asked) {
            return Ok(());
        }
        let began = Instant::now();
        let known = self.directory().revision;
        let fresh = self
            .read(move |conn| {
                if directory::revision(conn)? == known {
                    Ok(None)
                } else {
                    Directory::load(conn).map(Some)
                }
            })
            .await?;
        *last_look = Some(began);
        if let Some(fresh) = fresh {
            *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        }
        Ok(())
    }

    /// Runs a read on a blocking thread.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.readers)
            .acquire_owned()
            .await
            .map_err(|_closed| StoreError::closed())?;
        let pool = self.pool.clone();
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(|| work(&mut *pool.get()?))
        })
        .await
        .map_err(|_panicked| StoreError::closed())?
    }

    /// Runs a change in a transaction of its own, on the writer thread.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut DbConnection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, wait) = oneshot::channel();
        let sender = self.writer_sender()?;
        let job = Job::Alone(Box::new(move |conn| {
            let _ = answer.send(conn.write_transaction(work)); // the caller may have gone; the change stands
        }));
        sender.send(job).await.map_err(|_closed| StoreError::closed())?;
        wait.await.map_err(|_dropped| StoreError::closed())?
    }

    fn writer_sender(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(StoreError::closed)
    }
}

/// The state of the migrations, for `izportal migrate`.
pub struct Migrator(DbConnection);

impl Migrator {
    /// Connects without migrating.
    pub fn open(database: DatabaseUrl, schema: Option<String>) -> Result<Self, StoreError> {
        ConnectionManager { url: database, schema }.open().map(Self)
    }

    /// Applies what is missing; gives the names.
    pub fn up(&mut self) -> Result<Vec<String>, StoreError> {
        migrations::apply(&mut self.0)
    }

    /// Takes back the newest; gives its name.
    pub fn down(&mut self) -> Result<String, StoreError> {
        migrations::revert(&mut self.0)
    }

    /// What is applied and what is missing.
    pub fn status(&mut self) -> Result<(Vec<String>, Vec<String>), StoreError> {
        Ok((migrations::applied(&mut self.0)?, migrations::pending(&mut self.0)?))
    }
}
