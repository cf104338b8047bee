//! The key files: made on first start, readable by their owner only, never in the database.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

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

/// Makes a key file under another name, and links it to its own once it is whole: a start that breaks off leaves no half
/// key, and of two starts at one time the second finds the key of the first in place and takes that.
fn create(path: &Path) -> Result<(), KeysError> {
    let failed = |cause| KeysError::File { path: path.display().to_string(), cause };
    let mut key = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(key.as_mut()).map_err(|_unspecified| KeysError::Randomness)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = Zeroizing::new(hex(key.as_ref()));
    let beside = beside(path);
    let put = || {
        let mut file = private_file(&beside)?;
        writeln!(file, "{}", text.as_str())?;
        file.sync_all()?;
        fs::hard_link(&beside, path)
    };
    let put = put();
    let _ = fs::remove_file(&beside); // left behind it would show the key to nobody who cannot read it in its place
    match put {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => Err(failed(cause)),
        _ => Ok(()),
    }
}

/// A name in the same folder that no other start uses.
fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", uuid::Uuid::now_v7().simple()));
    PathBuf::from(beside)
}

/// A new file that only its owner can read; an error when it exists.
pub(crate) fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use tempfile::TempDir;

    use super::*;

    fn names(folder: &Path) -> Vec<PathBuf> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
        names.sort();
        names
    }

    #[test]
    fn starts_at_one_time_have_one_key_which_is_whole_from_the_first_look_on() {
        for _ in 0..50 {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("keys").join("server.key");
            let barrier = Barrier::new(4);
            let start = || {
                barrier.wait();
                load(&path).map(|keys| keys.to_vec())
            };

            let starts: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
            });

            let kept = load(&path).unwrap();
            assert!(starts.iter().all(|keys| keys == &*kept));
            assert_eq!(names(path.parent().unwrap()), [PathBuf::from("server.key")]);
        }
    }

    #[test]
    fn what_a_start_that_broke_off_left_beside_does_not_hinder_the_next() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("server.key");
        let left = beside(&path);
        fs::write(&left, "").unwrap();

        let made = load(&path).unwrap();

        assert_eq!(made.len(), 1);
        assert_eq!(*load(&path).unwrap(), *made);
        assert_eq!(fs::read(left).unwrap(), b"");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_can_be_read_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("server.key");

        load(&path).unwrap();

        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
