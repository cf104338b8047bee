//! How every destination is now.

use crate::domain::{AlertLimits, Environment, PlaceFacts, RegionCode, Timestamp};
use crate::sites::Sites;
use crate::store::{Backlog, Directory, Place, StoreError};

impl Sites {
    /// From when on somebody should look.
    pub const fn limits(&self) -> &AlertLimits {
        &self.settings.alerts
    }

    /// What is known of every destination, by region and environment, production first.
    pub async fn places(&self, now: Timestamp) -> Result<Vec<PlaceFacts>, StoreError> {
        let backlog = self.store.delivery_backlog().await?;
        let review = self.store.review_backlog().await?;
        let directory = self.store.directory();
        let facts = |place| facts(&directory, place, &backlog, &review, now);
        Ok(destinations().map(facts).collect())
    }
}

/// Every destination: production before test in each region.
fn destinations() -> impl Iterator<Item = Place> {
    let both = [Environment::Production, Environment::Test];
    RegionCode::managed().flat_map(move |region| both.map(|environment| (region, environment)))
}

fn facts(
    directory: &Directory,
    place: Place,
    backlog: &[Backlog],
    review: &[(Place, i64)],
    now: Timestamp,
) -> PlaceFacts {
    let (region, environment) = place;
    let waiting = backlog.iter().find(|one| (one.region, one.environment) == place);
    let window = directory
        .maintenance()
        .iter()
        .find(|one| (one.region, one.environment) == place && one.holds(now));
    PlaceFacts {
        region,
        environment,
        destination: directory.destination(place).cloned(),
        stopped: directory.stopped(place, now),
        maintenance: window.cloned(),
        queued: waiting.map_or(0, |one| one.queued),
        oldest: waiting.and_then(|one| one.oldest).map(crate::domain::MessageId::moment),
        review: review.iter().find(|(one, _)| *one == place).map_or(0, |(_, count)| *count),
    }
}
