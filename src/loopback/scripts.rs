//! Which registry is told to behave how: what the database says, at most a second old, and the calls counted so far.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{Environment, RegionCode};
use crate::loopback::behaviour::{Behaviour, BehaviourError, Deed};
use crate::store::Store;

/// How old the picture of the database may be.
const FRESH: Duration = Duration::from_secs(1);

/// Messages counted before counting begins anew.
const COUNTED: usize = 100_000;

/// How one registry behaves now.
#[derive(Clone)]
pub(super) struct Script {
    /// What it does; an error when the text in the database was written by another version.
    pub(super) behaviour: Result<Behaviour, BehaviourError>,
    /// Told apart from earlier scripts of the same registry, so that each counts from none.
    pub(super) name: String,
}

impl Script {
    /// Whether every call is cut off before its body is read. Where a call must be known first, nothing is kept either.
    pub(super) fn cuts_unread(&self) -> bool {
        self.behaviour == Ok(Behaviour::Deed(Deed::ResetBefore))
    }
}

/// All scripts.
#[derive(Default)]
pub(super) struct Scripts {
    picture: tokio::sync::Mutex<Picture>,
    calls: Mutex<HashMap<String, u32>>,
}

#[derive(Default)]
struct Picture {
    looked: Option<Instant>,
    scripts: HashMap<(RegionCode, Environment), Script>,
}

impl Scripts {
    /// The script of one registry, if it has one. While the database does not answer the last one holds.
    pub(super) async fn of(
        &self,
        store: &Store,
        region: RegionCode,
        environment: Environment,
    ) -> Option<Script> {
        let mut picture = self.picture.lock().await;
        if picture.looked.is_none_or(|looked| looked.elapsed() >= FRESH) {
            let now = Instant::now();
            match store.loopback_scripts().await {
                Ok(rows) => {
                    let script =
                        |behaviour: &str, name| Script { behaviour: behaviour.parse(), name };
                    picture.scripts = rows
                        .iter()
                        .map(|row| {
                            let name = format!("{} {}", row.behaviour, row.changed_at);
                            ((row.region, row.environment), script(&row.behaviour, name))
                        })
                        .collect();
                }
                Err(error) => {
                    tracing::warn!("the scripts of the loopback registry were not read: {error}");
                }
            }
            picture.looked = Some(now);
        }
        picture.scripts.get(&(region, environment)).cloned()
    }

    /// Counts a call; gives how many of the same name came before.
    pub(super) fn count(&self, name: String) -> u32 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= COUNTED {
            calls.clear();
        }
        let count = calls.entry(name).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        before
    }
}
