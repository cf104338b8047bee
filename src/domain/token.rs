//! Secrets that we hand out: the key of a session, of a link in a mail, of a lost second factor. Kept as keyed hashes only.

use std::fmt;
use std::str::FromStr;

use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::domain::secret::{is_letters, random_letters};
use crate::domain::{SecretHash, ServerKey, Timestamp, words};

/// A text that cannot be such a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret of the right shape")]
pub struct WrongToken;

macro_rules! token {
    ($(#[$meta:meta])* $name:ident, $letters:literal, $purpose:literal) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// A new one.
            ///
            /// # Errors
            /// When the operating system gives no randomness.
            pub fn generate(random: &dyn SecureRandom) -> Result<Self, ring::error::Unspecified> {
                random_letters(random, $letters).map(Self)
            }

            /// The secret itself.
            pub fn reveal(&self) -> &str {
                &self.0
            }

            /// What the database keeps of it.
            pub fn hash(&self, key: &ServerKey) -> SecretHash {
                key.hash($purpose, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = WrongToken;

            fn from_str(text: &str) -> Result<Self, WrongToken> {
                let text = Zeroizing::new(text.to_owned());
                if is_letters(&text, $letters) { Ok(Self(text)) } else { Err(WrongToken) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[redacted]")
            }
        }
    };
}

token! {
    /// What a browser's cookie holds: 260 random bits.
    SessionToken, 52, "session"
}
token! {
    /// What a link in a mail ends with: 160 random bits.
    OneTimeToken, 32, "one-time-link"
}
token! {
    /// What a program proves itself with: 260 random bits.
    ApiToken, 52, "api-key"
}
token! {
    /// One of ten codes for the day when the second factor is lost: 50 random bits, guessed at only behind a password.
    RecoveryCode, 10, "recovery-code"
}
token! {
    /// By which anybody finds a statement that was issued: 100 random bits.
    StatementCode, 20, "statement"
}

/// What somebody typed as such a code: in either case, with spaces and hyphens, O for 0, I and L for 1.
fn typed(text: &str) -> Zeroizing<String> {
    let meant = |one: char| match one.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    let letters = text.chars().filter(|one| !one.is_whitespace() && *one != '-').map(meant);
    Zeroizing::new(letters.collect::<String>())
}

impl StatementCode {
    /// Reads a code as people type it.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn typed(text: &str) -> Result<Self, WrongToken> {
        typed(text).parse()
    }

    /// The code in four groups, as it is printed.
    pub fn shown(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        letters.chunks(5).map(String::from_iter).collect::<Vec<_>>().join("-")
    }
}

impl RecoveryCode {
    /// Reads a code as people type it: in either case, with spaces and hyphens, O for 0, I and L for 1.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn typed(text: &str) -> Result<Self, WrongToken> {
        typed(text).parse()
    }

    /// The code in two halves, as it is shown.
    pub fn shown(&self) -> Zeroizing<String> {
        let (first, second) = self.0.split_at_checked(5).unwrap_or((&self.0, ""));
        Zeroizing::new(format!("{first}-{second}"))
    }
}

words! {
    /// What a link in a mail is for; a link of one purpose serves no other.
    LinkPurpose {
        /// Answer what staff asked about a request.
        AnswerRequest = "answer-request",
        /// Prove the address of somebody who says that a Site is theirs.
        ClaimSite = "claim-site",
        /// Take over a new e-mail address.
        ConfirmEmail = "confirm-email",
        /// Answer some pages of another's draft.
        HelpWithDraft = "help-with-draft",
        /// Set a new password for a forgotten one.
        RecoverPassword = "recover-password",
        /// Go on with a saved draft.
        ResumeDraft = "resume-draft",
        /// Set the first password.
        SetPassword = "set-password",
        /// Prove the address of a registration.
        VerifyRegistration = "verify-registration",
    }
}

/// A link that was sent, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeLink {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// What it is about, such as the number of an account.
    pub subject: String,
    /// What else it carries, such as a new e-mail address.
    pub detail: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_again_and_never_printed() {
        let (random, key) = (ring::rand::SystemRandom::new(), ServerKey::new(&[7; 32]));
        let token = SessionToken::generate(&random).unwrap();
        let read: SessionToken = token.reveal().parse().unwrap();

        assert!(read.hash(&key).matches(&token.hash(&key)));
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(OneTimeToken::generate(&random).unwrap().reveal().len() * 5, 160);
        for text in ["", "short", &token.reveal().to_uppercase(), &format!("{}0", token.reveal())] {
            assert!(text.parse::<SessionToken>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_of_one_kind_serves_no_other() {
        let key = ServerKey::new(&[7; 32]);
        let link: OneTimeToken = "0".repeat(32).parse().unwrap();
        assert!(!link.hash(&key).matches(&key.hash("session", link.reveal())));
    }

    #[test]
    fn a_recovery_code_is_taken_as_people_type_it() {
        let key = ServerKey::new(&[7; 32]);
        let code: RecoveryCode = "0a1bcdefgh".parse().unwrap();

        assert_eq!(code.shown().as_str(), "0a1bc-defgh");
        for text in ["0a1bc-defgh", " 0A1BC DEFGH ", "oalbcdefgh", "Oaibc-defgh"] {
            let typed = RecoveryCode::typed(text).unwrap();
            assert!(typed.hash(&key).matches(&code.hash(&key)), "{text}");
        }
        for text in ["", "0a1bc-defg", "0a1bc-defghh", "0a1bc-defgü"] {
            assert!(RecoveryCode::typed(text).is_err(), "{text}");
        }
    }
}
