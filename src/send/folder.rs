//! The folder of a run: what is in it, who may read it, and that one run at a time uses it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another run uses it.
    #[error(
        "{0} is in use by another izportal send; wait for its end, or give this run an --out of its own"
    )]
    InUse(String),
    /// Something in it cannot be made, read or written.
    #[error("{path}: {cause}")]
    Io {
        /// What.
        path: String,
        /// Why not.
        cause: io::Error,
    },
    /// The journal is none, or is damaged otherwise than at its end.
    #[error("{path}: {problem}")]
    Journal {
        /// The journal.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The run was begun otherwise.
    #[error("{0}")]
    Other(String),
}

impl FolderError {
    /// Something that cannot be done with a file.
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), cause }
    }
}

/// The folder of a run. Its owner alone may read it: acknowledgements may hold patient data.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held for as long as the folder is used.
    _lock: File,
}

impl Folder {
    /// Opens the folder, or makes it, and keeps others out.
    ///
    /// # Errors
    /// When it cannot be made or another run uses it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        private_folder(path).map_err(|cause| FolderError::io(path, cause))?;
        let file = path.join("lock");
        let lock = private_file(&file).map_err(|cause| FolderError::io(&file, cause))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.display().to_string())),
            Err(TryLockError::Error(cause)) => Err(FolderError::io(&file, cause)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    pub(super) fn journal(&self) -> PathBuf {
        Self::journal_in(&self.path)
    }

    /// The journal of the run in a folder.
    pub(super) fn journal_in(path: &Path) -> PathBuf {
        path.join("journal.jsonl")
    }

    /// The acknowledgements.
    pub(super) fn acknowledgements(&self) -> PathBuf {
        self.path.join("acks")
    }

    /// The messages that somebody must look at.
    pub(super) fn problems(&self) -> PathBuf {
        self.path.join("problem")
    }
}

/// Makes a folder that its owner alone may read, with those above it; one that is there is left as it is.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for reading and appending; a new one only its owner may read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Puts a file in place whole: what was there before is there until then.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let beside = path.with_extension("writing");
    if beside.exists() {
        fs::remove_file(&beside)?;
    }
    let mut file = io::BufWriter::new(private_file(&beside)?);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
    fs::rename(&beside, path)
}
