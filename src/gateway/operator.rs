//! What operators ask of registries from pages: whether one answers now, and whether settings could be used.

use std::sync::Arc;

use crate::backends::{Backends, Destination, SettingError, destination_of};
use crate::domain::{RegistrySecrets, RegistrySettings, Timestamp};
use crate::gateway::{Gateway, Origin, destinations};
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
        if let Err(failure) = gateway.backends().probe(place.0, place.1).await {
            return Ok(Err(failure.text));
        }
        gateway.store.destination_probed(place, None, gateway.settings.breaker, now).await?;
        gateway.work.notify_one();
        Ok(Ok(()))
    }

    /// Whether no regional registry is connected.
    pub fn is_trial(&self) -> bool {
        self.0.is_trial()
    }

    /// Where the settings of a registry come from when no version of staff is in use; none: it is not configured.
    pub fn origin(&self, place: Place) -> Option<Origin> {
        self.0.registries.origin(place).cloned()
    }

    /// Whether settings could be used for a registry: checked as the configuration is, and no address of the other
    /// environment, so that no test message goes to a production registry.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(
        &self,
        place: Place,
        settings: &RegistrySettings,
        secrets: &RegistrySecrets,
    ) -> Result<(), SettingError> {
        self.usable(place, settings, secrets).map(drop)
    }

    /// The same, with the destination that the settings mean.
    fn usable(
        &self,
        place: Place,
        settings: &RegistrySettings,
        secrets: &RegistrySecrets,
    ) -> Result<Destination, SettingError> {
        let to = destination_of(settings, secrets, self.0.registries.around())?;
        let here = Where::of(&settings.url);
        let taken = destinations()
            .filter(|other| other.1 != place.1)
            .find(|other| self.address(*other).is_some_and(|url| Where::of(&url) == here));
        match taken {
            Some((region, environment)) => {
                let name = region.facts().name;
                let problem = format!("is that of the {environment} registry of {name}");
                Err(SettingError::of("url", problem))
            }
            None => Ok(to),
        }
    }

    /// Connects to the registry that settings mean; gives what is wrong otherwise.
    ///
    /// # Errors
    /// What is wrong, in words of ours.
    pub async fn try_out(
        &self,
        place: Place,
        settings: &RegistrySettings,
        secrets: &RegistrySecrets,
    ) -> Result<(), String> {
        let to = self.usable(place, settings, secrets).map_err(|error| error.to_string())?;
        Backends::try_out(to).await.map_err(|failure| failure.text)
    }

    /// The address that messages for a registry go to.
    fn address(&self, place: Place) -> Option<String> {
        let directory = self.0.store.directory();
        let version = directory.versions().iter().find(|one| one.place == place);
        match (version, self.0.registries.origin(place)) {
            (Some(version), _) => Some(version.settings.url.clone()),
            (None, Some(Origin::File(settings))) => Some(settings.url.clone()),
            (None, _) => None,
        }
    }
}

/// What an address means: two that differ in spelling alone are the same.
#[derive(PartialEq, Eq)]
struct Where(Option<(String, Option<u16>, String, Option<String>)>);

impl Where {
    fn of(url: &str) -> Self {
        let url = reqwest::Url::parse(url).ok();
        Self(url.map(|url| {
            let path = url.path().trim_end_matches('/').to_owned();
            let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
            (host, url.port_or_known_default(), path, url.query().map(str::to_owned))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_every_spelling() {
        let is_same = |one: &str, other: &str| Where::of(one) == Where::of(other);
        for other in ["https://IIS.example", "https://iis.example:443/", "https://iis.example/"] {
            assert!(is_same("https://iis.example/", other), "{other}");
        }
        for other in
            ["https://iis.example/test", "https://iis.example:8443/", "https://iis.example/?a=b"]
        {
            assert!(!is_same("https://iis.example/", other), "{other}");
        }
    }
}
