//! What operators ask of registries from pages: whether one answers now.

use std::sync::Arc;

use crate::domain::Timestamp;
use crate::gateway::Gateway;
use crate::store::{Place, StoreError};

/// The gateway in the hands of operators.
pub struct Operator(Arc<Gateway>);

impl Operator {
    /// Over the gateway of this process.
    pub const fn new(gateway: Arc<Gateway>) -> Self {
        Self(gateway)
    }

    /// Asks a registry whether it answers; gives what is wrong otherwise. A breaker that is open is moved by a good answer
    /// as by a probe of its own, and by a bad one not at all.
    pub async fn probe(
        &self,
        place: Place,
        now: Timestamp,
    ) -> Result<Result<(), String>, StoreError> {
        let gateway = &self.0;
        if let Err(failure) = gateway.backends.probe(place.0, place.1).await {
            return Ok(Err(failure.text));
        }
        gateway.store.destination_probed(place, None, gateway.settings.breaker, now).await?;
        gateway.work.notify_one();
        Ok(Ok(()))
    }
}
