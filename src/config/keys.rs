//! The key files: made on first start, readable by their owner only, never in the database.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::domain::{ServerKey, from_hex, hex};
use crate::store::Vault;

/// Keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file could not be read or written.
    #[error("key file {path}: {cause}")]
    File {
        /// Its path.
        path: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// It does not hold keys.
    #[error("key file {0} does not hold 64 hexadecimal digits on each line")]
    Format(String),
    /// The operating system gives no randomness.
    #[error("no randomness for a new key")]
    Randomness,
}

/// The keys of one installation.
pub struct Keys {
    /// For credential hashes.
    pub server: ServerKey,
    /// For message bodies.
    pub vault: Vault,
}

impl Keys {
    /// Reads both files; makes the ones that are missing.
    pub fn load_or_create(server: &Path, body: &Path) -> Result<Self, KeysError> {
        let server_keys = load(server)?;
        let body_keys = load(body)?;
        let first =
            server_keys.first().ok_or_else(|| KeysError::Format(server.display().to_string()))?;
        Ok(Self { server: ServerKey::new(first), vault: Vault::new(&body_keys) })
    }
}

fn load(path: &Path) -> Result<Zeroizing<Vec<[u8; 32]>>, KeysError> {
    let failed = |cause| KeysError::File { path: path.display().to_string(), cause };
    if !path.exists() {
        create(path)?;
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    let wrong = || KeysError::Format(path.display().to_string());
    let keys: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| from_hex(line).and_then(|key| key.try_into().ok()).ok_or_else(wrong))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(wrong()) } else { Ok(Zeroizing::new(keys)) }
}

fn create(path: &Path) -> Result<(), KeysError> {
    let failed = |cause| KeysError::File { path: path.display().to_string(), cause };
    let mut key = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(key.as_mut()).map_err(|_unspecified| KeysError::Randomness)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = Zeroizing::new(hex(key.as_ref()));
    let mut file = private_file(path).map_err(failed)?;
    writeln!(file, "{}", text.as_str()).and_then(|()| file.sync_all()).map_err(failed)
}

/// A new file that only its owner can read; an error when it exists.
pub(crate) fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
