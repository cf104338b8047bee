//! What is done for Sites without anybody asking: their messages are counted, what follows from that happens,
//! and their people are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::Timestamp;
use crate::sites::Sites;
use crate::store::StoreError;

/// How often new messages are looked for: a Site that watches its progress sees it move within seconds.
const POLL: Duration = Duration::from_secs(1);

/// How often it is looked whether a digest is due, a Site silent or a credential about to end.
const ROUND: Duration = Duration::from_mins(5);

/// How often it is looked for what alerts are about. The first time after that: what has just begun to run is not judged.
const WATCH: Duration = Duration::from_mins(1);

/// So many messages in one go are a backlog: digests and the watch over silence wait until it is counted.
const BACKLOG: usize = 1_000;

/// The worker of Sites. Several nodes may have one; what one did another finds done.
pub struct Clerk {
    sites: Arc<Sites>,
    stopping: CancellationToken,
    /// Whether all messages but the very latest are counted.
    caught_up: AtomicBool,
}

impl Clerk {
    /// A worker; call [`Clerk::run`] to let it work.
    pub fn new(sites: Arc<Sites>) -> Arc<Self> {
        let (stopping, caught_up) = (CancellationToken::new(), AtomicBool::new(false));
        Arc::new(Self { sites, stopping, caught_up })
    }

    /// Begins nothing new; [`Clerk::run`] ends soon.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Works until [`Clerk::stop`]. Begun anew should it ever break down.
    pub async fn run(self: Arc<Self>) {
        loop {
            let me = Arc::clone(&self);
            let work =
                async move { tokio::join!(me.run_counting(), me.run_letters(), me.run_watch()) };
            let Err(broken) = tokio::spawn(work).await else { return };
            tracing::error!(
                worker = "sites",
                "the worker of Sites broke down and is begun anew: {broken}"
            );
            self.pause().await;
        }
    }

    async fn run_counting(&self) {
        while !self.stopping.is_cancelled() {
            let criteria = self.sites.settings.criteria.clone();
            match self.sites.store.tally_next(criteria, Timestamp::now()).await {
                Ok(number) => {
                    self.caught_up.store(number < BACKLOG, Ordering::Relaxed);
                    if number == 0 {
                        self.pause().await;
                    }
                }
                Err(error) => {
                    tracing::error!("messages were not counted: {error}");
                    self.pause().await;
                }
            }
        }
    }

    /// Writes letters: at once of what happened, and now and then of days that ended and of what did not happen.
    async fn run_letters(&self) {
        let mut last_round: Option<Instant> = None;
        while !self.stopping.is_cancelled() {
            if let Err(error) = self.sites.tell_events(Timestamp::now()).await {
                tracing::error!("letters about events were not written: {error}");
            }
            let due = last_round.is_none_or(|last| last.elapsed() >= ROUND);
            if due && self.caught_up.load(Ordering::Relaxed) {
                if let Err(error) = self.round(Timestamp::now()).await {
                    tracing::error!("letters of the day were not written: {error}");
                }
                last_round = Some(Instant::now());
            }
            self.pause().await;
        }
    }

    /// Looks for what operators must be told.
    async fn run_watch(&self) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = tokio::time::sleep(WATCH) => {}
            }
            if let Err(error) = self.sites.watch(Timestamp::now()).await {
                tracing::error!("nobody could look for alerts: {error}");
            }
        }
    }

    async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.sites.write_digests(now).await?;
        self.sites.watch_silence(now).await?;
        self.sites.tell_expiries(now).await?;
        self.sites.tell_key_expiries(now).await?;
        self.sites.stop_failing_webhooks(now).await?;
        Ok(())
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}
