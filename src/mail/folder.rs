//! Letters as files, where no mail server is configured: for a demonstration, and for an operator who sets one up.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::domain::MessageId;

/// Puts a letter into the folder, under its identifier and for its owner only; makes the folder when it is missing.
pub(super) fn put(folder: &Path, id: MessageId, message: &[u8]) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let beside = folder.join(format!(".{id}.part"));
    let _ = fs::remove_file(&beside); // an attempt that broke off may have left it
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(message)?;
    fs::rename(&beside, folder.join(format!("{id}.eml")))
}

/// Removes the letters of a folder that are older than an identifier, and what attempts that broke off have left; gives how
/// many. Whatever else lies there stays.
pub(super) fn sweep(folder: &Path, before: MessageId) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if id_of(&entry.file_name()).is_some_and(|id| id < before) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The identifier of the letter that a file holds.
fn id_of(name: &OsStr) -> Option<MessageId> {
    let name = name.to_str()?;
    let part = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part"));
    part.or_else(|| name.strip_suffix(".eml"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::domain::Timestamp;

    use super::*;

    #[test]
    fn only_letters_that_are_old_are_swept() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = dir.path().join("mail");
        let now = Timestamp::now();
        let id = |days: u64| MessageId::first_at(now.minus(Duration::from_hours(24 * days)));
        assert_eq!(sweep(&folder, id(0)).unwrap(), 0, "there is no folder yet");
        put(&folder, id(91), b"old").unwrap();
        put(&folder, id(89), b"new").unwrap();
        fs::write(folder.join(format!(".{}.part", id(91))), b"broken off").unwrap();
        fs::write(folder.join("README"), b"not ours").unwrap();

        assert_eq!(sweep(&folder, id(90)).unwrap(), 2);

        let mut left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|one| one.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [format!("{}.eml", id(89)).as_str(), "README"]);
    }
}
