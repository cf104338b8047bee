//! What is done for Sites without anybody asking: their messages are counted, and what follows from that happens.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::Timestamp;
use crate::sites::Sites;

/// How often new messages are looked for: a Site that watches its progress sees it move within seconds.
const POLL: Duration = Duration::from_secs(1);

/// The worker of Sites. Several nodes may have one; what one did another finds done.
pub struct Clerk {
    sites: Arc<Sites>,
    stopping: CancellationToken,
}

impl Clerk {
    /// A worker; call [`Clerk::run`] to let it work.
    pub fn new(sites: Arc<Sites>) -> Arc<Self> {
        Arc::new(Self { sites, stopping: CancellationToken::new() })
    }

    /// Begins nothing new; [`Clerk::run`] ends soon.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Works until [`Clerk::stop`]. Begun anew should it ever break down.
    pub async fn run(self: Arc<Self>) {
        loop {
            let me = Arc::clone(&self);
            let work = async move { me.run_counting().await };
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
                Ok(0) => self.pause().await,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!("messages were not counted: {error}");
                    self.pause().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}
