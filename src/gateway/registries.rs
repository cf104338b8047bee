//! The registries that messages are sent to: as the configuration says, but where staff have put a version of their own
//! into use. The versions come with the directory, so a change holds on every node from the next message on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::backends::{Backends, SettingError, Surroundings, destination_of};
use crate::domain::{MessageId, RegistrySettings};
use crate::store::{ActiveVersion, Place, Store};

/// Where the settings of a registry come from when no version of staff is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The built-in loopback registry.
    BuiltIn,
    /// The configuration file, and what it says; nothing of its secrets.
    File(Box<RegistrySettings>),
}

/// What was made of the versions in use.
struct Made {
    versions: Vec<MessageId>,
    backends: Arc<Backends>,
}

/// All registries of a process.
pub struct Registries {
    configured: Backends,
    origins: HashMap<Place, Origin>,
    around: Surroundings,
    made: RwLock<Arc<Made>>,
    /// One makes them while others wait.
    making: Mutex<()>,
}

impl Registries {
    /// Over what the configuration says, and where each of that comes from.
    pub fn new(
        configured: Backends,
        origins: HashMap<Place, Origin>,
        around: Surroundings,
    ) -> Self {
        let made = Made { versions: vec![], backends: Arc::new(configured.clone()) };
        let made = RwLock::new(Arc::new(made));
        Self { configured, origins, around, made, making: Mutex::default() }
    }

    /// Where the settings of a registry come from when no version is in use; none: it is not configured.
    pub fn origin(&self, place: Place) -> Option<&Origin> {
        self.origins.get(&place)
    }

    /// Whether none is connected, neither by the configuration nor by staff: then every answer is the loopback registry's.
    pub fn is_trial(&self, store: &Store) -> bool {
        let is_inside = |one: &Origin| *one == Origin::BuiltIn;
        self.origins.values().all(is_inside) && store.directory().versions().is_empty()
    }

    /// How registries are reached where their settings do not say it.
    pub const fn around(&self) -> &Surroundings {
        &self.around
    }

    /// The registries by the directory as it is now.
    pub fn now(&self, store: &Store) -> Arc<Backends> {
        let directory = store.directory();
        let wanted = directory.versions();
        if let Some(known) = self.known(wanted) {
            return known;
        }
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.known(wanted) {
            return known;
        }
        let mut backends = self.configured.clone();
        for version in wanted {
            if let Err(error) = self.put(&mut backends, version, store) {
                let (region, environment) = version.place;
                tracing::error!(
                    "version {} of the settings of {region} {environment} cannot be used: {error}",
                    version.number
                );
                backends.remove(region, environment);
            }
        }
        let backends = Arc::new(backends);
        let versions = wanted.iter().map(|one| one.id).collect();
        let made = Arc::new(Made { versions, backends: Arc::clone(&backends) });
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = made;
        backends
    }

    fn known(&self, wanted: &[ActiveVersion]) -> Option<Arc<Backends>> {
        let made = Arc::clone(&self.made.read().unwrap_or_else(PoisonError::into_inner));
        let is_it = made.versions.iter().eq(wanted.iter().map(|one| &one.id));
        is_it.then(|| Arc::clone(&made.backends))
    }

    fn put(
        &self,
        backends: &mut Backends,
        version: &ActiveVersion,
        store: &Store,
    ) -> Result<(), SettingError> {
        let secrets =
            version.secrets(store.vault()).map_err(|error| SettingError::of("password", error))?;
        let to = destination_of(&version.settings, &secrets, &self.around)?;
        let (region, environment) = version.place;
        backends.add(region, environment, to).map_err(|error| SettingError::of("url", error))
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::Environment;
    use crate::gateway::fixture;

    #[tokio::test]
    async fn it_is_a_trial_until_a_registry_is_connected() {
        let dir = TempDir::new().unwrap();
        let gateway = fixture::gateway(&dir).await;
        let is_trial = |origin| {
            let around = gateway.registries.around().clone();
            let place = ("CAIRBA".parse().unwrap(), Environment::Test);
            let origins = HashMap::from([(place, origin)]);
            Registries::new(Backends::default(), origins, around).is_trial(gateway.store())
        };
        assert!(is_trial(Origin::BuiltIn));
        assert!(!is_trial(Origin::File(Box::default())));
    }
}
