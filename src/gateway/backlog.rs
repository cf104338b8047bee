//! How much waits for each destination, near enough to refuse more before it is too much.
//!
//! The database is counted from time to time; between two counts this process adds what it takes and takes off what it
//! settles. Other nodes' messages are seen at the next count.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::NextStep;
use crate::gateway::destinations;
use crate::store::Place;

/// What waits, by destination.
pub(super) struct Backlog(HashMap<Place, AtomicI64>);

impl Backlog {
    pub(super) fn new() -> Self {
        Self(destinations().map(|place| (place, AtomicI64::new(0))).collect())
    }

    /// How many messages wait for a destination or are under way to it.
    pub(super) fn depth(&self, place: Place) -> i64 {
        self.0.get(&place).map_or(0, |depth| depth.load(Ordering::Relaxed)).max(0)
    }

    /// The database was counted.
    pub(super) fn counted(&self, place: Place, depth: i64) {
        if let Some(known) = self.0.get(&place) {
            known.store(depth, Ordering::Relaxed);
        }
    }

    /// One more was taken.
    pub(super) fn accepted(&self, place: Place) {
        self.add(place, 1);
    }

    /// An attempt has ended; one that is made again still waits.
    pub(super) fn settled(&self, place: Place, next: Option<NextStep>) {
        if !matches!(next, Some(NextStep::Again(_))) {
            self.add(place, -1);
        }
    }

    fn add(&self, place: Place, number: i64) {
        if let Some(known) = self.0.get(&place) {
            known.fetch_add(number, Ordering::Relaxed);
        }
    }
}
