//! From the queue to the registry: claim, send, settle. Two short transactions, none open over the network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::backends::RegistryReply;
use crate::domain::{
    DeliveryState, Environment, Failure, FailureClass, MessageId, RegionCode, Timestamp,
    retry_after,
};
use crate::gateway::{Gateway, LEASE_MARGIN, destinations};
use crate::hl7::Message;
use crate::store::{Claim, Part, Removed, Settlement};

/// How often the worker looks at the queue when nobody wakes it: for what other nodes queued and what is due again.
const POLL: Duration = Duration::from_secs(1);

/// How often the directory is looked after and the queue is counted, which reads all of what waits.
const GAUGE: Duration = Duration::from_secs(15);

/// How often a settlement is tried, two seconds apart.
const SETTLE_TRIES: u32 = 8;

/// How often what is past its retention is swept.
const SWEEP: Duration = Duration::from_hours(1);

/// One attempt to deliver one message.
pub(super) struct Attempt {
    pub(super) message: MessageId,
    pub(super) region: RegionCode,
    pub(super) environment: Environment,
    pub(super) attempts: i64,
    /// The HL7 text as received.
    pub(super) body: Vec<u8>,
}

/// Places for deliveries under way at one time, by destination.
struct Places {
    total: usize,
    held: Mutex<HashMap<(RegionCode, Environment), usize>>,
}

/// One place, free again when it is dropped.
struct Place {
    places: Arc<Places>,
    destination: (RegionCode, Environment),
}

impl Places {
    fn held(&self) -> MutexGuard<'_, HashMap<(RegionCode, Environment), usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are free, and how many each destination holds; always in the same order, so
    /// that two nodes never wait for each other's rows crosswise.
    fn state(&self) -> (i64, Vec<(RegionCode, Environment, i64)>) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let held = self.held();
        let free = self.total.saturating_sub(held.values().sum());
        let destinations = destinations()
            .map(|(region, side)| {
                (region, side, count(held.get(&(region, side)).copied().unwrap_or(0)))
            })
            .collect();
        (count(free), destinations)
    }

    fn take(self: &Arc<Self>, region: RegionCode, environment: Environment) -> Place {
        let destination = (region, environment);
        *self.held().entry(destination).or_default() += 1;
        Place { places: Arc::clone(self), destination }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(number) = self.places.held().get_mut(&self.destination) {
            *number = number.saturating_sub(1);
        }
    }
}

impl From<Claim> for Attempt {
    fn from(claim: Claim) -> Self {
        let Claim { message, region, environment, attempts, body } = claim;
        Self { message, region, environment, attempts, body }
    }
}

impl Gateway {
    /// Delivers at once and waits for the registry's reply, at most as long as the relay deadline. The attempt itself goes
    /// on after that and settles by itself.
    pub(super) async fn relay(
        &self,
        attempt: Attempt,
        place: OwnedSemaphorePermit,
    ) -> Option<RegistryReply> {
        let gateway = self.itself()?;
        let sending = async move {
            let reply = gateway.deliver(attempt).await;
            drop(place);
            reply
        };
        let sending = self.deliveries.spawn_on(sending, &self.runtime);
        match tokio::time::timeout(self.settings.relay_deadline, sending).await {
            Ok(Ok(reply)) => reply,
            // Late, or the attempt broke down: the message is durable and its delivery stays in the queue.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Sends one message and records what came of it; gives the reply when the registry answered.
    async fn deliver(&self, attempt: Attempt) -> Option<RegistryReply> {
        let Attempt { message, region, environment, attempts, body } = attempt;
        let sent = match Message::parse(&body).map(|parsed| std::str::from_utf8(parsed.body())) {
            Ok(Ok(text)) => self.backends.send(region, environment, text).await,
            _ => Err(Failure::new(FailureClass::Ours, "the stored message cannot be read")),
        };
        self.settle(message, attempts, sent.as_ref()).await;
        match sent {
            Ok(reply) => Some(reply),
            Err(error) => {
                tracing::warn!(
                    message.id = %message, delivery.region = %region, delivery.environment = %environment,
                    delivery.attempts = attempts, "delivery of {message} to {region} failed: {error}"
                );
                None
            }
        }
    }

    /// Records what came of an attempt; tries again while the store is out of reach, as long as the lease may last.
    async fn settle(
        &self,
        message: MessageId,
        attempts: i64,
        sent: Result<&RegistryReply, &Failure>,
    ) {
        for again in 0..SETTLE_TRIES {
            let settlement = self.settlement(message, attempts, sent, Timestamp::now());
            match self.store.delivery_settle(settlement).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(message.id = %message, "{message} had been settled, or taken over, by another");
                    return;
                }
                Err(error) if again + 1 == SETTLE_TRIES => {
                    // The registry may have the message, and the lease will end: it will be delivered once more.
                    tracing::error!(message.id = %message, "delivery of {message} was not settled: {error}");
                }
                Err(_) => tokio::time::sleep(POLL * 2).await,
            }
        }
    }

    fn settlement(
        &self,
        message: MessageId,
        attempts: i64,
        sent: Result<&RegistryReply, &Failure>,
        now: Timestamp,
    ) -> Settlement {
        let (state, next_attempt_at, last_error, reply) = match sent {
            Ok(reply) => {
                let state =
                    if reply.taken { DeliveryState::Delivered } else { DeliveryState::Rejected };
                let sealed = self.store.vault().seal(message, Part::Reply, reply.text.as_bytes());
                (state, now, None, sealed.ok().map(|sealed| (sealed, reply.ack_code.clone())))
            }
            Err(error) => (
                DeliveryState::Queued,
                now.plus(retry_after(attempts)),
                Some(error.to_string()),
                None,
            ),
        };
        Settlement {
            message,
            owner: self.settings.node.clone(),
            attempts,
            state,
            next_attempt_at,
            last_error,
            reply,
            now,
        }
    }

    /// Delivers what is queued, sweeps what is past its time and looks after the directory, until [`Gateway::drain`]. Each
    /// is begun anew should it ever break down.
    pub async fn run_workers(self: Arc<Self>) {
        tokio::join!(
            self.supervised("delivery", |gateway| async move { gateway.run_delivery().await }),
            self.supervised("retention", |gateway| async move { gateway.run_sweeper().await }),
            self.supervised("directory", |gateway| async move { gateway.run_refresher().await }),
        );
    }

    async fn supervised<F>(self: &Arc<Self>, name: &'static str, work: impl Fn(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while let Err(broken) = self.runtime.spawn(work(Arc::clone(self))).await {
            tracing::error!(
                worker = name,
                "the {name} worker broke down and is begun anew: {broken}"
            );
            self.pause(POLL).await;
        }
    }

    async fn run_delivery(&self) {
        if self.settings.workers == 0 {
            return;
        }
        let places = Arc::new(Places { total: self.settings.workers, held: Mutex::default() });
        while !self.stopping.is_cancelled() {
            if self.claim_and_send(&places).await > 0 {
                continue;
            }
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
                () = self.work.notified() => {}
            }
        }
    }

    /// Claims due deliveries for the free places and starts sending them; gives their number.
    async fn claim_and_send(&self, places: &Arc<Places>) -> usize {
        let (free, held) = places.state();
        if free == 0 {
            return 0;
        }
        let lease = self.settings.send_timeout + LEASE_MARGIN;
        let claims = match self
            .store
            .delivery_claim(self.settings.node.clone(), Timestamp::now(), lease, free, held)
            .await
        {
            Ok(claims) => claims,
            Err(error) => {
                tracing::error!("the queue of deliveries could not be read: {error}");
                return 0;
            }
        };
        let taken = claims.len();
        for claim in claims {
            let Some(gateway) = self.itself() else { break };
            let place = places.take(claim.region, claim.environment);
            self.deliveries.spawn_on(
                async move {
                    gateway.deliver(claim.into()).await;
                    drop(place);
                    gateway.work.notify_one();
                },
                &self.runtime,
            );
        }
        taken
    }

    async fn run_sweeper(&self) {
        while !self.stopping.is_cancelled() {
            match self.store.retention_batch(self.settings.retention, Timestamp::now()).await {
                Ok(removed) if removed == Removed::default() => self.pause(SWEEP).await,
                Ok(removed) => tracing::info!(
                    removed.bodies,
                    removed.messages,
                    removed.loopback,
                    "retention: {} bodies and {} messages removed",
                    removed.bodies,
                    removed.messages
                ),
                Err(error) => {
                    tracing::error!("retention was not enforced: {error}");
                    self.pause(SWEEP).await;
                }
            }
        }
    }

    /// Waits, or not when the service stops.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// Keeps the directory young while no submission does, and the gauges of the queue true.
    async fn run_refresher(&self) {
        while !self.stopping.is_cancelled() {
            if let Err(error) = self.store.directory_refresh().await {
                tracing::warn!("the directory was not refreshed: {error}");
            }
            self.gauge_backlog().await;
            self.pause(GAUGE).await;
        }
    }

    async fn gauge_backlog(&self) {
        let Ok(backlog) = self.store.delivery_backlog().await else { return };
        let now = Timestamp::now();
        for region in RegionCode::managed() {
            for environment in Environment::ALL {
                let row =
                    backlog.iter().find(|(code, side, ..)| *code == region && side == environment);
                let depth = row.map_or(0, |(_, _, depth, _)| *depth);
                let oldest = row
                    .and_then(|(.., oldest)| *oldest)
                    .map_or(0, |oldest| now.seconds_since(oldest));
                let labels = [("destination", region.as_str()), ("mode", environment.word())];
                metrics::gauge!("gateway_queue_depth", &labels)
                    .set(u32::try_from(depth).unwrap_or(u32::MAX));
                metrics::gauge!("gateway_queue_oldest_age_seconds", &labels)
                    .set(u32::try_from(oldest).unwrap_or(u32::MAX));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::TempDir;

    use super::*;
    use crate::gateway::fixture::gateway;

    #[tokio::test]
    async fn a_worker_that_breaks_down_is_begun_anew() {
        let dir = TempDir::new().unwrap();
        let gateway = gateway(&dir).await;
        let begun = Arc::new(AtomicUsize::new(0));

        let work = |_| {
            let begun = Arc::clone(&begun);
            async move {
                let before = begun.fetch_add(1, Ordering::Relaxed);
                assert!(before == 2, "broken on purpose");
            }
        };
        gateway.supervised("test", work).await;

        assert_eq!(begun.load(Ordering::Relaxed), 3, "two times broken, then done");
    }
}
