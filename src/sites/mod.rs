//! What happens to Sites and people: registration, enrolment, accounts, requests and their decisions.
//!
//! Functions here decide and write; each change is one transaction with its line of the audit trail and its letters.
//! Pages are `portal`'s. May import `domain`, `hl7`, `mail`, `store` and `validation`.

mod accounts;
mod api_keys;
pub mod bulk;
mod changes;
mod claims;
mod clerk;
mod credentials;
mod delegate;
mod delivery;
mod digests;
mod drafts;
mod enroll;
mod hashing;
mod health;
mod links;
mod messages;
mod notices;
mod onboarding;
mod passkeys;
mod passwords;
mod readers;
mod register;
mod requests;
mod second_factor;
mod sign_in;
mod silence;
mod staff;
mod statements;
mod status;
mod system_notices;
mod watch;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use webauthn_rs::Webauthn;

use crate::domain::{
    AlertLimits, Criteria, EmailAddress, OneTimeToken, Password, SecretHash, ServerKey,
};
use crate::mail::Footer;
use crate::sites::hashing::Hasher;
use crate::sites::sign_in::Addresses;
use crate::store::{Store, StoreError};

pub use accounts::{AccountError, Invited, NewUser};
pub use api_keys::AskedKey;
pub use changes::{Changed, is_asked};
pub use clerk::Clerk;
pub use credentials::{OVERLAP, may_rotate};
pub use delegate::Delegate;
pub use delivery::{REPLAY_MOST, REPLAY_UNPROVEN};
pub use drafts::AnswerError;
pub use links::LinkStep;
pub use messages::MessageText;
pub use onboarding::{InReview, StaffSite};
pub use passwords::{PasswordChange, PasswordLink};
pub use readers::WishedSite;
pub use register::{Facilities, Submitted, Verified};
pub use requests::{Decided, NoteError};
pub use second_factor::{SecondFactors, SetUp, TotpSetUp};
pub use sign_in::{Browser, Proof, SignIn, SignedIn};
pub use staff::Staff;
pub use statements::Issued;
pub use system_notices::may_write_to;
pub use watch::WatchedCertificate;
pub use webhooks::AskedWebhook;

/// What is decided for an installation.
#[derive(Clone, Debug)]
pub struct SitesSettings {
    /// Public address, which links in letters begin with.
    pub public_url: String,
    /// Whom to ask, as letters show it.
    pub help_desk: String,
    /// Address of the videos that those who only look patients up watch.
    pub training_videos: String,
    /// Whether the letter that confirms a registration holds the password of the test credential.
    pub mail_secrets: bool,
    /// What a Site must show on its way to production.
    pub criteria: Criteria,
    /// Days without a production message after which a Site's people are told; 0: never.
    pub silence_days: u32,
    /// Hour of the day, Pacific time, at which digests are written.
    pub digest_hour: u32,
    /// From when on somebody should look.
    pub alerts: AlertLimits,
    /// Who gets letters about alerts besides the operators.
    pub alert_addresses: Vec<EmailAddress>,
    /// Whether the operators' program is told of alerts, too.
    pub alert_calls: bool,
    /// Certificates of ours whose ends are watched.
    pub certificates: Vec<WatchedCertificate>,
}

/// The door for pages.
pub struct Sites {
    store: Arc<Store>,
    key: ServerKey,
    settings: SitesSettings,
    addresses: Addresses,
    /// Counts the codes of statements that an address tries.
    verifiers: Addresses,
    hasher: Hasher,
    /// Uploads are read one at a time.
    bulk_reader: Semaphore,
    /// None where the public address is no name.
    passkeys: Option<Webauthn>,
}

/// How long a link to confirm an e-mail address is good. Source: domain notes 7.3.
pub const VERIFY_WITHIN: Duration = Duration::from_hours(24);

/// How long the link to a first password is good.
pub const INVITATION_WITHIN: Duration = Duration::from_hours(24 * 7);

impl Sites {
    /// Over a store, with the server's key.
    pub fn new(store: Arc<Store>, key: ServerKey, settings: SitesSettings) -> Self {
        let passkeys = passkeys::relying_party(&settings.public_url);
        let (addresses, hasher) = (Addresses::new(), Hasher::new());
        let verifiers = Addresses::new();
        let bulk_reader = Semaphore::new(1);
        Self { store, key, settings, addresses, verifiers, hasher, bulk_reader, passkeys }
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What a Site must show on its way to production.
    pub const fn criteria(&self) -> &Criteria {
        &self.settings.criteria
    }

    fn new_link() -> Result<OneTimeToken, StoreError> {
        OneTimeToken::generate(&SystemRandom::new())
            .map_err(|_unspecified| StoreError::Locked("no randomness"))
    }

    fn new_secret() -> Result<Password, StoreError> {
        Password::generate(&SystemRandom::new())
            .map_err(|_unspecified| StoreError::Locked("no randomness"))
    }

    /// An address of ours, for letters.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.public_url)
    }

    /// How letters end.
    fn footer(&self) -> Footer {
        Footer {
            service: "IZ Portal, CDPH Immunization Gateway".to_owned(),
            help_desk: self.settings.help_desk.clone(),
        }
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
