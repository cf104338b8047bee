//! Counts by address, username and credential. Guessing is slowed, for each address and for each username, without locking anyone out.
//!
//! A right secret always opens, whoever guessed before: secrets have 200 random bits, so slowing is for our sake, not for
//! theirs. Only failures count. Past the allowance a failure is answered late, and at most so many wait at one time.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;

use crate::domain::{CredentialId, Timestamp};

/// Failures of one address that are answered at once; then one every two seconds.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Failures for one username that are answered at once; then one every two seconds.
const PER_USERNAME: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// How late a failure past the allowance is answered.
const DELAY: Duration = Duration::from_secs(2);
/// Late answers that may wait at one time; more are answered at once, so that waiting costs us nothing.
const WAITING: usize = 256;
/// Keys remembered before those that have recovered are forgotten.
const REMEMBERED: usize = 10_000;

pub(super) struct Throttle {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    usernames: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
    waiting: Semaphore,
    uses: Mutex<HashMap<CredentialId, Timestamp>>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        let quota =
            |burst| Quota::per_minute(NonZeroU32::new(30).unwrap_or(burst)).allow_burst(burst);
        Self {
            addresses: RateLimiter::keyed(quota(PER_ADDRESS)),
            usernames: RateLimiter::keyed(quota(PER_USERNAME)),
            hasher: RandomState::new(),
            waiting: Semaphore::new(WAITING),
            uses: Mutex::default(),
        }
    }

    /// Counts a failure; past the allowance waits and tells so.
    pub(super) async fn failed(&self, address: IpAddr, username: &str) -> bool {
        let within = self.addresses.check_key(&address).is_ok();
        let within = self.usernames.check_key(&self.hasher.hash_one(username)).is_ok() && within;
        if self.addresses.len() + self.usernames.len() > REMEMBERED {
            self.addresses.retain_recent();
            self.usernames.retain_recent();
        }
        if within {
            return false;
        }
        if let Ok(_place) = self.waiting.try_acquire() {
            tokio::time::sleep(DELAY).await;
        }
        true
    }

    /// Whether the use of this credential is worth remembering: not within a minute of the last one.
    pub(super) fn first_use_this_minute(
        &self,
        credential: CredentialId,
        known: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let minute_ago = now.minus(Duration::from_mins(1));
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let last = uses.get(&credential).copied().max(known);
        let first = last.is_none_or(|last| last < minute_ago);
        if first {
            uses.insert(credential, now);
        }
        first
    }
}
