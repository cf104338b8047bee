//! A registry that takes files out of a folder: each message becomes one, and there is no answer.
//!
//! The registry sees a file under its name `….hl7` whole or not at all: it is written under a hidden name in the same
//! folder, made durable, and then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::client::CallError;
use crate::domain::{Timestamp, hex};

/// The adapter of one such registry.
pub(super) struct Directory {
    folder: PathBuf,
    timeout: Duration,
}

impl Directory {
    pub(super) const fn new(folder: PathBuf, timeout: Duration) -> Self {
        Self { folder, timeout }
    }

    /// Writes one HL7 message as a file of its own.
    pub(super) async fn send(&self, hl7: &str) -> Result<(), CallError> {
        let (folder, text) = (self.folder.clone(), hl7.to_owned());
        self.within(move || put(&folder, &text, Timestamp::now())).await
    }

    /// Whether the folder is there and can be written.
    pub(super) async fn probe(&self) -> Result<(), CallError> {
        let folder = self.folder.clone();
        let attempt = move || {
            let path = hidden(&folder, &format!("{}-probe", stamp(Timestamp::now())));
            let made = new_file(&path).and_then(|file| file.sync_all()).map_err(|e| refused(&e));
            let removed = fs::remove_file(&path).map_err(|error| refused(&error));
            made.and(removed)
        };
        self.within(attempt).await
    }

    /// A folder of another machine may hang; then it is not known what became of the file.
    async fn within(
        &self,
        work: impl FnOnce() -> Result<(), CallError> + Send + 'static,
    ) -> Result<(), CallError> {
        match timeout(self.timeout, spawn_blocking(work)).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) | Err(_) => Err(CallError::TimedOut),
        }
    }
}

fn put(folder: &Path, text: &str, now: Timestamp) -> Result<(), CallError> {
    // Time orders the files, the digest tells those of one moment apart; neither says whose they are.
    let digest = digest(&SHA256, text.as_bytes());
    let short = digest.as_ref().get(..12).unwrap_or_default();
    let name = format!("{}-{}", stamp(now), hex(short));
    let (beside, path) = (hidden(folder, &name), folder.join(format!("{name}.hl7")));
    let written = new_file(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, &path));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside); // hidden; the registry does not take it
        return Err(refused(&error));
    }
    // From here on the registry may have taken it.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|_error| CallError::BrokenOff)
}

fn stamp(now: Timestamp) -> String {
    now.utc().format("%Y%m%dT%H%M%S%.6fZ").to_string()
}

fn hidden(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.part"))
}

/// A new file, for its owner and the group of the folder's reader.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

fn refused(error: &io::Error) -> CallError {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            CallError::FolderRefused("there is no such folder")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            CallError::FolderRefused("we may not write there")
        }
        ErrorKind::QuotaExceeded | ErrorKind::StorageFull => {
            CallError::FolderUnavailable("there is no room")
        }
        _ => CallError::FolderUnavailable("the system says no"),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn names(dir: &TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_named_by_its_time_and_its_digest() {
        let dir = TempDir::new().unwrap();
        let now = Timestamp::from(
            chrono::DateTime::parse_from_rfc3339("2026-03-04T05:06:07.000008Z").unwrap().to_utc(),
        );
        let text = "MSH|^~\\&|||||||VXU^V04|../../etc/Sampleperson\rPID|1||\u{D1}\r";

        put(dir.path(), text, now).unwrap();
        put(dir.path(), "MSH|2\r", now).unwrap();

        let names = names(&dir);
        assert_eq!(names.len(), 2, "of one moment: {names:?}");
        for name in &names {
            let (time, rest) = name.split_once('-').unwrap();
            assert_eq!(time, "20260304T050607.000008Z");
            let digits = rest.strip_suffix(".hl7").unwrap();
            assert!(digits.len() == 24 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        }
        let held = names.iter().map(|name| fs::read_to_string(dir.path().join(name)).unwrap());
        assert!(held.into_iter().any(|held| held == text), "the text as it is");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = TempDir::new().unwrap();

        put(dir.path(), "MSH|\r", Timestamp::now()).unwrap();

        let path = dir.path().join(&names(&dir)[0]);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let dir = TempDir::new().unwrap();
        let now = Timestamp::now();
        let missing = put(&dir.path().join("missing"), "MSH|\r", now).unwrap_err();
        assert_eq!(missing, CallError::FolderRefused("there is no such folder"));

        put(dir.path(), "MSH|\r", now).unwrap();
        let name = names(&dir).remove(0);
        fs::remove_file(dir.path().join(&name)).unwrap();
        fs::create_dir_all(dir.path().join(&name).join("in the way")).unwrap();
        let blocked = put(dir.path(), "MSH|\r", now).unwrap_err();

        assert!(matches!(blocked, CallError::FolderUnavailable(_)), "{blocked}");
        assert_eq!(names(&dir), [name], "no hidden file is left");
    }
}
