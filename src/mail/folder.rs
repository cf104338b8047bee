//! Letters as files, where no mail server is configured: for a demonstration, and for an operator who sets one up.

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
