//! Message bodies at rest: AES-256-GCM under a key kept outside the database.
//!
//! Each body has a key of its own, derived by HKDF-SHA-256 from the ring's key and the message id, so no nonce is ever
//! shared between messages however many there are. The sealed form is: format (1 byte), key id (4), nonce (12),
//! ciphertext and tag; the plaintext is compressed (LZ4, its length first), which more than halves an HL7 text. The message id and the part are authenticated, so a body cannot be moved to another message.

use lz4_flex::block::{compress_into, decompress_size_prepended, get_maximum_output_size};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::domain::MessageId;
use crate::store::StoreError;

const FORMAT: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
/// The length of the plaintext, before its compressed form.
const LENGTH_LEN: usize = 4;

/// Which bytes of a message are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The HL7 text as the sender gave it.
    Body,
    /// Text and HTML of a letter.
    Letter,
    /// What the loopback registry received.
    Loopback,
    /// The key of our client certificate at a registry; the number is that of the version of its settings.
    RegistryKey,
    /// Our password at a registry; the number is that of the version of its settings.
    RegistryPassword,
    /// The HL7 reply that the sender got, or would get again.
    Reply,
    /// What a registry was sent, where that is not the body.
    Sent,
    /// The secret of an account's authenticator app; the number is the account's.
    Totp,
    /// The secret of a webhook; the number is the webhook's.
    Webhook,
}

impl Part {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Body => b"body",
            Self::Letter => b"letter",
            Self::Loopback => b"loopback",
            Self::RegistryKey => b"registry-key",
            Self::RegistryPassword => b"registry-password",
            Self::Reply => b"reply",
            Self::Sent => b"sent",
            Self::Totp => b"totp",
            Self::Webhook => b"webhook",
        }
    }
}

struct RingKey {
    id: [u8; KEY_ID_LEN],
    prk: Prk,
}

/// The keys of stored bodies: the first seals, all open.
pub struct Vault {
    keys: Vec<RingKey>,
    random: SystemRandom,
}

impl Vault {
    /// From keys of 32 bytes, the newest first.
    pub fn new(keys: &[[u8; 32]]) -> Self {
        let salt = Salt::new(HKDF_SHA256, b"izportal body");
        let keys = keys
            .iter()
            .map(|key| {
                let mut id = [0; KEY_ID_LEN];
                id.iter_mut()
                    .zip(digest::digest(&digest::SHA256, key).as_ref())
                    .for_each(|(to, from)| *to = *from);
                RingKey { id, prk: salt.extract(key) }
            })
            .collect();
        Self { keys, random: SystemRandom::new() }
    }

    /// Seals `bytes` for one part of one message.
    pub fn seal(&self, id: MessageId, part: Part, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = self.keys.first().ok_or(StoreError::Locked("there is no key"))?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_unspecified| StoreError::Locked("no randomness"))?;

        let length = u32::try_from(bytes.len())
            .map_err(|_too_long| StoreError::Locked("it is longer than 4 GiB"))?;
        let longest = HEADER_LEN + LENGTH_LEN + get_maximum_output_size(bytes.len());
        let mut sealed = Vec::with_capacity(longest + AES_256_GCM.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&length.to_le_bytes());
        sealed.resize(longest, 0);
        let (_, room) = sealed.split_at_mut(HEADER_LEN + LENGTH_LEN);
        let compressed = compress_into(bytes, room)
            .map_err(|_no_room| StoreError::Locked("it could not be compressed"))?;
        sealed.truncate(HEADER_LEN + LENGTH_LEN + compressed);
        let cipher = cipher(&key.prk, id, part)?;
        let (_, text) = sealed.split_at_mut(HEADER_LEN);
        let tag = cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad(id, part), text)
            .map_err(|_unspecified| StoreError::Locked("sealing failed"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Which key sealed something.
    pub(super) fn key_id(sealed: &[u8]) -> Option<&[u8]> {
        sealed.get(1..=KEY_ID_LEN)
    }

    /// Opens what [`Vault::seal`] made for the same part of the same message.
    pub fn open(
        &self,
        id: MessageId,
        part: Part,
        mut sealed: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let wrong = || StoreError::Locked("it is not a sealed body");
        let (header, _) = sealed.split_at_checked(HEADER_LEN).ok_or_else(wrong)?;
        let (format, header) = header.split_first().ok_or_else(wrong)?;
        let (key_id, nonce) = header.split_at_checked(KEY_ID_LEN).ok_or_else(wrong)?;
        if *format != FORMAT {
            return Err(StoreError::Locked("its format is unknown"));
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.id == key_id)
            .ok_or(StoreError::Locked("its key is not in the key file"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| wrong())?;

        let plain = cipher(&key.prk, id, part)?
            .open_within(nonce, aad(id, part), &mut sealed, HEADER_LEN..)
            .map_err(|_unspecified| StoreError::Locked("it was changed or belongs elsewhere"))?;
        decompress_size_prepended(plain).map_err(|_not_compressed| wrong())
    }
}

fn cipher(prk: &Prk, id: MessageId, part: Part) -> Result<LessSafeKey, StoreError> {
    let bytes = id.to_bytes();
    let info: [&[u8]; 2] = [&bytes, part.word()];
    let key = prk
        .expand(&info, &AES_256_GCM)
        .map_err(|_unspecified| StoreError::Locked("key derivation failed"))?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}

fn aad(id: MessageId, part: Part) -> Aad<Vec<u8>> {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend_from_slice(&id.to_bytes());
    bytes.extend_from_slice(part.word());
    Aad::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_opens_only_as_the_part_and_message_it_was_sealed_for() {
        let vault = Vault::new(&[[3; 32]]);
        let (id, other) = (MessageId(1), MessageId(2));
        let sealed = vault.seal(id, Part::Body, b"MSH|^~\\&|").unwrap();

        assert_eq!(vault.open(id, Part::Body, sealed.clone()).unwrap(), b"MSH|^~\\&|");
        assert!(vault.open(other, Part::Body, sealed.clone()).is_err());
        assert!(vault.open(id, Part::Reply, sealed.clone()).is_err());
        assert!(!sealed.windows(3).any(|window| window == b"MSH"));
    }

    #[test]
    fn bodies_of_every_length_come_back_and_repetitive_ones_shrink() {
        let vault = Vault::new(&[[3; 32]]);
        for length in [0, 1, 100, 100_000] {
            let body = b"OBX|1|CE|64994-7^eligibility^LN|"
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect::<Vec<_>>();
            let sealed = vault.seal(MessageId(1), Part::Body, &body).unwrap();
            assert!(length < 1_000 || sealed.len() < length / 10, "{}", sealed.len());
            assert_eq!(vault.open(MessageId(1), Part::Body, sealed).unwrap(), body);
        }
    }

    #[test]
    fn an_older_key_of_the_ring_still_opens_and_a_changed_body_does_not() {
        let id = MessageId(1);
        let old = Vault::new(&[[1; 32]]).seal(id, Part::Body, b"text").unwrap();
        let ring = Vault::new(&[[2; 32], [1; 32]]);
        let mut changed = old.clone();
        *changed.last_mut().unwrap() ^= 1;

        assert_eq!(ring.open(id, Part::Body, old).unwrap(), b"text");
        assert!(ring.open(id, Part::Body, changed).is_err());
        assert!(ring.open(id, Part::Body, vec![1, 2, 3]).is_err());
    }
}
