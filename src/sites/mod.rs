//! What happens to Sites and people: registration, enrolment, accounts, requests and their decisions.
//!
//! Functions here decide and write; each change is one transaction with its line of the audit trail and its letters.
//! Pages are `portal`'s. May import `domain`, `mail` and `store`.

mod drafts;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{SecretHash, ServerKey};
use crate::store::Store;

pub use drafts::AnswerError;

/// What is decided for an installation.
#[derive(Clone, Debug)]
pub struct SitesSettings {
    /// Public address, which links in letters begin with.
    pub public_url: String,
    /// Whom to ask, as letters show it.
    pub help_desk: String,
}

/// The door for pages.
pub struct Sites {
    store: Arc<Store>,
    key: ServerKey,
    settings: SitesSettings,
}

/// How long a link to confirm an e-mail address is good. Source: domain notes 7.3.
pub const VERIFY_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

impl Sites {
    /// Over a store, with the server's key.
    pub const fn new(store: Arc<Store>, key: ServerKey, settings: SitesSettings) -> Self {
        Self { store, key, settings }
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What a form of a visitor must bring back: a keyed hash of the visitor's cookie.
    pub fn form_token(&self, visitor: &str) -> String {
        self.key.hash("form", visitor).to_hex()
    }

    /// Whether a form brought back what this visitor was given; compared in constant time.
    pub fn is_form_token(&self, visitor: &str, token: &str) -> bool {
        crate::domain::from_hex(token)
            .and_then(|bytes| SecretHash::from_slice(&bytes))
            .is_some_and(|token| token.matches(&self.key.hash("form", visitor)))
    }
}
