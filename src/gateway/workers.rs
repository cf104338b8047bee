//! What runs beside the message path: the queue's deliveries, probes of broken destinations, retention, gauges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{Breaker, Environment, MessageId, RegionCode, Stopped, Timestamp};
use crate::gateway::{Gateway, LEASE_MARGIN, destinations};
use crate::store::{Place as Destination, Removed};

/// How often the worker looks at the queue when nobody wakes it: for what other nodes queued and what is due again.
const POLL: Duration = Duration::from_secs(1);

/// How often the queue is counted, which reads an index of all that waits.
const GAUGE: Duration = Duration::from_secs(15);

/// How often what is past its retention is swept.
const SWEEP: Duration = Duration::from_hours(1);

/// Places for deliveries under way at one time, by destination.
struct Places {
    total: usize,
    held: Mutex<HashMap<Destination, usize>>,
}

/// One place, free again when it is dropped.
struct Place {
    places: Arc<Places>,
    destination: Destination,
}

impl Places {
    fn held(&self) -> MutexGuard<'_, HashMap<Destination, usize>> {
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

    fn take(self: &Arc<Self>, destination: Destination) -> Place {
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

impl Gateway {
    /// Delivers what is queued, probes what is broken, sweeps what is past its time and looks after the directory, until
    /// [`Gateway::drain`]. Each is begun anew should it ever break down.
    pub async fn run_workers(self: Arc<Self>) {
        tokio::join!(
            self.supervised("delivery", |gateway| async move { gateway.run_delivery().await }),
            self.supervised("probe", |gateway| async move { gateway.run_probes().await }),
            self.supervised("retention", |gateway| async move { gateway.run_sweeper().await }),
            self.supervised("directory", |gateway| async move { gateway.run_refresher().await }),
            self.supervised("gauges", |gateway| async move { gateway.run_gauges().await }),
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
        // What is sent now goes where staff have decided until now.
        if taken > 0
            && let Err(error) = self.store.directory_refresh().await
        {
            tracing::warn!("the directory was not refreshed: {error}");
        }
        for claim in claims {
            let Some(gateway) = self.itself() else { break };
            let place = places.take((claim.region, claim.environment));
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

    /// Asks registries whose breaker is open whether they answer again. One node asks at a time.
    async fn run_probes(&self) {
        if self.settings.workers == 0 {
            return;
        }
        while !self.stopping.is_cancelled() {
            let now = Timestamp::now();
            let again = now.plus(self.settings.send_timeout + LEASE_MARGIN);
            match self.store.destination_probes(now, again).await {
                Ok(due) => {
                    for place in due {
                        let Some(gateway) = self.itself() else { break };
                        let probe = async move { gateway.probe(place).await };
                        self.deliveries.spawn_on(probe, &self.runtime);
                    }
                }
                Err(error) => {
                    tracing::error!("the probes that are due could not be read: {error}");
                }
            }
            self.pause(POLL).await;
        }
    }

    async fn probe(&self, (region, environment): Destination) {
        let failure = self.backends().probe(region, environment).await.err();
        match &failure {
            None => tracing::info!("{region} {environment} answers again"),
            Some(failure) => {
                tracing::warn!("{region} {environment} does not answer its probe: {failure}");
            }
        }
        let (error, place) = (failure.map(|failure| failure.text), (region, environment));
        let recorded = self
            .store
            .destination_probed(place, error, self.settings.breaker, Timestamp::now())
            .await;
        if let Err(error) = recorded {
            tracing::error!("the probe of {region} {environment} was not recorded: {error}");
        }
        self.work.notify_one();
    }

    async fn run_sweeper(&self) {
        let mut told = String::new();
        while !self.stopping.is_cancelled() {
            match self.store.retention_batch(self.settings.retention, Timestamp::now()).await {
                Ok(removed) if removed == Removed::default() => {
                    self.tell_head(&mut told).await;
                    self.pause(SWEEP).await;
                }
                Ok(removed) => tracing::info!(
                    removed.bodies,
                    removed.messages,
                    removed.loopback,
                    removed.letters,
                    removed.visits,
                    removed.forms,
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

    /// Says where the audit trail ends, so that a place outside of the database knows of it.
    async fn tell_head(&self, told: &mut String) {
        match self.store.audit_head().await {
            Ok(head) if head == *told => {}
            Ok(head) => {
                tracing::info!(audit.head = %head, "the audit trail ends at {head}");
                *told = head;
            }
            Err(error) => tracing::error!("the end of the audit trail could not be read: {error}"),
        }
    }

    /// Waits, or not when the service stops.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// Keeps the directory young while no submission does, and says when a destination stops or goes on.
    async fn run_refresher(&self) {
        let mut known = HashMap::new();
        while !self.stopping.is_cancelled() {
            let refreshed = self.store.directory_refresh().await;
            metrics::gauge!("gateway_database_up").set(u8::from(refreshed.is_ok()));
            if let Err(error) = refreshed {
                tracing::warn!("the directory was not refreshed: {error}");
            }
            self.tell_changes(&mut known);
            self.pause(POLL).await;
        }
    }

    fn tell_changes(&self, known: &mut HashMap<Destination, Option<Stopped>>) {
        let (directory, now) = (self.store.directory(), Timestamp::now());
        for place in destinations() {
            let (region, environment) = place;
            let stopped = directory.stopped(place, now);
            let breaker = directory.destination(place).map_or(Breaker::Closed, |one| one.breaker);
            let labels = [("destination", region.as_str()), ("mode", environment.word())];
            let level = match breaker {
                Breaker::Closed => 0,
                Breaker::HalfOpen => 1,
                Breaker::Open => 2,
            };
            metrics::gauge!("gateway_breaker_state", &labels).set(level);
            metrics::gauge!("gateway_destination_stopped", &labels)
                .set(u8::from(stopped.is_some()));
            let before = known.insert(place, stopped).flatten();
            match (before, stopped) {
                (before, stopped) if before == stopped => {}
                (_, Some(why)) => {
                    let error = directory.destination(place).and_then(|one| one.last_error.clone());
                    let because = match (why, error) {
                        (Stopped::BreakerOpen, Some(error)) => format!(": {error}"),
                        _ => String::new(),
                    };
                    tracing::error!(
                        "nothing is sent to {region} {environment} ({}){because}",
                        why.word()
                    );
                }
                (_, None) => {
                    tracing::info!("messages are sent to {region} {environment} again");
                    self.work.notify_one();
                }
            }
        }
    }

    async fn run_gauges(&self) {
        while !self.stopping.is_cancelled() {
            self.gauge_backlog().await;
            self.pause(GAUGE).await;
        }
    }

    async fn gauge_backlog(&self) {
        let Ok(backlog) = self.store.delivery_backlog().await else { return };
        let now = Timestamp::now();
        for (region, environment) in destinations() {
            let waiting =
                backlog.iter().find(|one| (one.region, one.environment) == (region, environment));
            let depth = waiting.map_or(0, |one| one.queued);
            let oldest = waiting
                .and_then(|one| one.oldest)
                .map_or(0, |oldest| now.seconds_since(MessageId::moment(oldest)));
            self.backlog.counted((region, environment), depth);
            let labels = [("destination", region.as_str()), ("mode", environment.word())];
            metrics::gauge!("gateway_queue_depth", &labels)
                .set(u32::try_from(depth).unwrap_or(u32::MAX));
            metrics::gauge!("gateway_queue_oldest_age_seconds", &labels)
                .set(u32::try_from(oldest).unwrap_or(u32::MAX));
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
