//! A sender's credential: one environment, up to two live secrets.

use serde::Serialize;

use crate::domain::{ClientKeyPin, CredentialId, Password, SecretHash, SiteId, Timestamp, words};

/// Purpose word of credential hashes under the server key.
pub const CREDENTIAL_PURPOSE: &str = "credential";

words! {
    /// Which side of the Gateway a credential opens, and so which registry its messages reach.
    Environment {
        /// Test registry; MSH-11 is `T`.
        Test = "test",
        /// Production registry; MSH-11 is `P`.
        Production = "production",
    }
}

impl Environment {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Test => "Test",
            Self::Production => "Production",
        }
    }
}

words! {
    /// Whether a credential opens anything.
    CredentialState {
        /// In use.
        Active = "active",
        /// Refused for good.
        Revoked = "revoked",
    }
}

impl CredentialState {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "In use",
            Self::Revoked => "Revoked",
        }
    }
}

/// What we remember of a credential; the secrets themselves are never kept.
#[derive(Debug, Clone, Serialize)]
pub struct Credential {
    /// Its number.
    pub id: CredentialId,
    /// The Site or Sending Facility that it identifies.
    pub site: SiteId,
    /// The environment that it opens.
    pub environment: Environment,
    /// `username` of the SOAP call; unique.
    pub username: String,
    /// `facilityID` of the SOAP call.
    pub facility_id: String,
    /// Whether it opens anything.
    pub state: CredentialState,
    /// Keyed hash of the current secret.
    #[serde(skip)]
    pub secret: SecretHash,
    /// Keyed hash of the secret before the last rotation.
    #[serde(skip)]
    pub old_secret: Option<SecretHash>,
    /// Until when the old secret is still taken.
    pub old_secret_until: Option<Timestamp>,
    /// When the whole credential ends; none: it does not.
    pub expires_at: Option<Timestamp>,
    /// Public key of the client certificate that must come with it; none: no certificate is asked for.
    pub client_key_pin: Option<ClientKeyPin>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it last opened something, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When a secret of it was first shown to somebody; none: nobody has seen one.
    pub shown_at: Option<Timestamp>,
}

impl Credential {
    /// Whether `hash` is one of the live secrets at `now`. Compares with both always, in constant time.
    pub fn secret_matches(&self, hash: &SecretHash, now: Timestamp) -> bool {
        // Both comparisons always, so that time tells nothing of a rotation.
        let current = self.secret.matches(hash);
        let old = self.old_secret.as_ref().unwrap_or(&self.secret).matches(hash);
        let old_lives = self.old_secret_until.is_some_and(|until| now < until);
        current || (old & old_lives)
    }

    /// Whether the credential is neither revoked nor expired at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == CredentialState::Active && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A credential with its secret, in hand only at the moment of issue or rotation.
#[derive(Debug)]
pub struct IssuedCredential {
    /// What we remember.
    pub credential: Credential,
    /// What is shown once.
    pub password: Password,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::ServerKey;

    fn credential(now: Timestamp) -> (Credential, ServerKey) {
        let key = ServerKey::new(&[1; 32]);
        let credential = Credential {
            id: CredentialId(1),
            site: "DE-000001".parse().unwrap(),
            environment: Environment::Test,
            username: "DE-000001-T".to_owned(),
            facility_id: "DE-000001".to_owned(),
            state: CredentialState::Active,
            secret: key.hash("credential", "new"),
            old_secret: Some(key.hash("credential", "old")),
            old_secret_until: Some(now.plus(Duration::from_mins(1))),
            expires_at: None,
            client_key_pin: None,
            created_at: now,
            last_used_at: None,
            shown_at: None,
        };
        (credential, key)
    }

    #[test]
    fn both_secrets_live_while_rotating_and_the_old_one_ends() {
        let now = Timestamp::now();
        let (credential, key) = credential(now);
        let later = now.plus(Duration::from_secs(61));

        assert!(credential.secret_matches(&key.hash("credential", "new"), now));
        assert!(credential.secret_matches(&key.hash("credential", "old"), now));
        assert!(credential.secret_matches(&key.hash("credential", "new"), later));
        assert!(!credential.secret_matches(&key.hash("credential", "old"), later));
        assert!(!credential.secret_matches(&key.hash("credential", "other"), now));
    }

    #[test]
    fn a_revoked_or_expired_credential_is_not_live() {
        let now = Timestamp::now();
        let (live, _) = credential(now);

        assert!(live.is_live(now));
        assert!(!Credential { state: CredentialState::Revoked, ..live.clone() }.is_live(now));
        assert!(!Credential { expires_at: Some(now), ..live }.is_live(now));
    }
}
