//! Who calls: the three parts of a SOAP call to one live credential.
//!
//! Every failure does the same work and gets the same words: unknown username, wrong password, wrong facility, suspended,
//! expired, revoked, wrong client key. Source: contract rows 41 to 46, 103.

use std::sync::{Arc, LazyLock};

use subtle::ConstantTimeEq as _;

use crate::domain::{
    CREDENTIAL_PURPOSE, Credential, CredentialId, CredentialState, Environment, SecretHash, Site,
    SiteId, Timestamp,
};
use crate::gateway::submit::Call;
use crate::gateway::{Gateway, SubmitError};
use crate::store::Directory;

/// A part of the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `facilityID`.
    Facility,
    /// `password`.
    Password,
    /// `username`.
    Username,
}

/// Proof that a call came with a live credential. Only `Gateway::authenticate` makes one.
#[derive(Clone)]
pub struct AuthenticatedSender {
    credential: Arc<Credential>,
    site: Arc<Site>,
}

impl AuthenticatedSender {
    /// The credential that was used.
    pub fn credential(&self) -> CredentialId {
        self.credential.id
    }

    /// The environment that it opens.
    pub fn environment(&self) -> Environment {
        self.credential.environment
    }

    /// The Site or Sending Facility that it identifies.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// When the credential was last used, as far as the directory knows.
    pub(super) fn last_used(&self) -> Option<Timestamp> {
        self.credential.last_used_at
    }
}

/// Stands in for the credential of an unknown username, so that it costs the same work.
static NOBODY: LazyLock<Option<Credential>> = LazyLock::new(|| {
    let site: SiteId = "XX-000000".parse().ok()?;
    Some(Credential {
        id: CredentialId(0),
        site,
        environment: Environment::Test,
        username: String::new(),
        facility_id: "XX-000000".to_owned(),
        state: CredentialState::Revoked,
        secret: SecretHash::from_slice(&[0; 32])?,
        old_secret: None,
        old_secret_until: None,
        expires_at: None,
        client_key_pin: None,
        created_at: Timestamp::from_naive(chrono::NaiveDateTime::MIN),
        last_used_at: None,
        shown_at: None,
    })
});

/// The parts of a call's credentials, all present.
pub(super) struct Presented<'a> {
    pub(super) username: &'a str,
    password: &'a str,
    facility_id: &'a str,
}

impl<'a> Presented<'a> {
    /// Takes the parts out of a call. Username and facility are trimmed, the password never.
    ///
    /// # Errors
    /// Names the first part that is absent or blank.
    pub(super) fn of(call: &Call<'a>) -> Result<Self, SubmitError> {
        let part = |text: Option<&'a str>, part| match text {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(SubmitError::CredentialsMissing(part)),
        };
        Ok(Self {
            username: part(call.username, Part::Username)?.trim(),
            password: part(call.password, Part::Password)?,
            facility_id: part(call.facility_id, Part::Facility)?.trim(),
        })
    }
}

impl Gateway {
    /// The sender that these credentials prove, as the directory knows it at `now`; none for every kind of failure.
    pub(super) fn authenticate(
        &self,
        directory: &Directory,
        presented: &Presented<'_>,
        call: &Call<'_>,
        now: Timestamp,
    ) -> Option<AuthenticatedSender> {
        let found = directory.credential(presented.username);
        let hash = self.key.hash(CREDENTIAL_PURPOSE, presented.password);
        let credential = found.map(Arc::as_ref).or(NOBODY.as_ref())?;

        let secret = credential.secret_matches(&hash, now);
        let facility: bool =
            presented.facility_id.as_bytes().ct_eq(credential.facility_id.as_bytes()).into();
        let pinned = credential.client_key_pin.is_none_or(|pin| call.client_key == Some(pin));
        let live = credential.is_live(now);
        let site = directory.site(credential.site.as_str());
        let open = site.is_some_and(|site| {
            site.status.permits(Environment::Test) || site.status.permits(Environment::Production)
        });

        if secret & facility & pinned & live & open {
            Some(AuthenticatedSender { credential: Arc::clone(found?), site: Arc::clone(site?) })
        } else {
            None
        }
    }
}
