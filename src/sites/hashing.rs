//! Passwords are hashed on threads of their own, a few at a time: each takes 19 MiB and most of a core.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Semaphore;

use crate::domain::{Check, Passphrase, PassphraseHash, Password, SALT};
use crate::store::StoreError;

/// Hashes computed at one time.
const AT_ONCE: usize = 2;
/// Hashes that wait or are computed; more are refused, so that a crowd at the door does not stop the service.
const ROOM: usize = 64;

/// Hashes passwords and checks them.
pub(super) struct Hasher {
    at_once: Arc<Semaphore>,
    room: Semaphore,
    /// What nobody's password is checked against; none without randomness, and then nothing is hashed at all.
    nobody: Option<PassphraseHash>,
    computed: AtomicU64,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            room: Semaphore::new(ROOM),
            nobody: salt().ok().and_then(PassphraseHash::of_nobody),
            computed: AtomicU64::new(0),
        }
    }

    /// Whether this is the password that has the hash; without a hash it is wrong, after the same work.
    pub(super) async fn check(
        &self,
        password: Password,
        kept: Option<PassphraseHash>,
    ) -> Result<Check, StoreError> {
        let known = kept.is_some();
        let Some(kept) = kept.or_else(|| self.nobody.clone()) else { return Err(NO_RANDOMNESS) };
        let check = self.run(move || kept.check(&password)).await?;
        Ok(if known { check } else { Check::Wrong })
    }

    /// The hash of a password that was chosen.
    pub(super) async fn hash(&self, passphrase: Passphrase) -> Result<PassphraseHash, StoreError> {
        let salt = salt()?;
        self.run(move || PassphraseHash::of(&passphrase, salt)).await?.ok_or(UNHASHED)
    }

    /// The hash, with the parameters of today, of a password that was right.
    pub(super) async fn renew(&self, password: Password) -> Result<PassphraseHash, StoreError> {
        let salt = salt()?;
        self.run(move || PassphraseHash::renewed(&password, salt)).await?.ok_or(UNHASHED)
    }

    /// How many hashes were computed.
    pub(super) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let _room = self.room.try_acquire().map_err(|_full| StoreError::Overloaded)?;
        let place = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_closed| UNHASHED)?;
        self.computed.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            let _place = place; // kept until the work is done, also when nobody waits for it any more
            work()
        })
        .await
        .map_err(|_panicked| UNHASHED)
    }
}

const NO_RANDOMNESS: StoreError = StoreError::Locked("no randomness");
const UNHASHED: StoreError = StoreError::Locked("a password could not be hashed");

fn salt() -> Result<[u8; SALT], StoreError> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|_unspecified| NO_RANDOMNESS)?;
    Ok(salt)
}
