//! Secrets: redacted when printed, wiped when dropped, compared in constant time.

use std::fmt;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Binary;
use ring::rand::SecureRandom;
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Letters of a generated secret: no I, L, O or U, which are misread or misheard.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of a generated secret: 40 of five bits each, so 200 random bits.
const SECRET_CHARACTERS: usize = 40;

/// A password as a sender gives it or as we issue it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A new secret of 200 random bits.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, ring::error::Unspecified> {
        random_letters(random, SECRET_CHARACTERS).map(Self)
    }

    /// The secret itself. Every caller is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// So many random letters of five bits each.
pub(super) fn random_letters(
    random: &dyn SecureRandom,
    count: usize,
) -> Result<Zeroizing<String>, ring::error::Unspecified> {
    let mut bytes = Zeroizing::new(vec![0_u8; count]);
    random.fill(&mut bytes)?;
    let letters = bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)).copied().map(char::from));
    Ok(Zeroizing::new(letters.collect()))
}

/// Whether a text has so many letters of ours and no others.
pub(super) fn is_letters(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// The server's key for credential hashes; lives in a file outside the database.
#[derive(Clone)]
pub struct ServerKey(hmac::Key);

impl ServerKey {
    /// From 32 bytes of key material.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Keyed hash of a secret, bound to its purpose so that a hash of one kind never serves as another.
    pub fn hash(&self, purpose: &str, secret: &str) -> SecretHash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(secret.as_bytes());
        SecretHash::of(context)
    }

    /// A key of its own for one purpose.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        Self::new(&self.hash("key", purpose).0)
    }

    /// Keyed hash of several texts, each with its length, so that no part of one can pass for a part of the next.
    pub fn hash_all<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> SecretHash {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        SecretHash::of(context)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey([redacted])")
    }
}

/// HMAC-SHA-256 of a secret under the [`ServerKey`].
#[derive(Clone, Copy, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct SecretHash(pub(crate) [u8; 32]);

impl SecretHash {
    fn of(context: hmac::Context) -> Self {
        let mut hash = [0_u8; 32];
        hash.copy_from_slice(context.sign().as_ref());
        Self(hash)
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// From the 32 bytes of a column.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The hash in hexadecimal, for a secret derived from the server key.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

impl AsRef<[u8]> for SecretHash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([redacted])")
    }
}

/// SHA-256 of the public key (`SubjectPublicKeyInfo`, DER) of a client certificate that a credential demands.
#[derive(Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct ClientKeyPin([u8; 32]);

impl ClientKeyPin {
    /// The pin of a public key given as DER.
    pub fn of(subject_public_key_info: &[u8]) -> Self {
        let mut pin = [0_u8; 32];
        pin.copy_from_slice(digest::digest(&digest::SHA256, subject_public_key_info).as_ref());
        Self(pin)
    }

    /// From the 32 bytes of a column.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl AsRef<[u8]> for ClientKeyPin {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ClientKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ClientKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for ClientKeyPin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}")); // writing to a String cannot fail
        text
    })
}

/// The bytes of a hexadecimal text.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_holds_at_least_160_bits_and_is_never_printed() {
        let random = ring::rand::SystemRandom::new();
        let secret = Password::generate(&random).unwrap();
        let again = Password::generate(&random).unwrap();

        assert!(secret.reveal().len() * 5 >= 160);
        assert_ne!(secret.reveal(), again.reveal());
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }

    #[test]
    fn a_hash_serves_one_purpose_and_one_key() {
        let key = ServerKey::new(&[7; 32]);
        let hash = key.hash("credential", "secret");

        assert!(hash.matches(&key.hash("credential", "secret")));
        assert!(!hash.matches(&key.hash("loopback", "secret")));
        assert!(!hash.matches(&ServerKey::new(&[8; 32]).hash("credential", "secret")));
    }
}
