//! The files that a command reads: named ones, folders with all below them, standard input.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// The names of files in a folder that are read; a file that is named itself is read whatever its name.
const ENDINGS: [&str; 10] =
    ["hl7", "txt", "er7", "msg", "dat", "vxu", "qbp", "rsp", "ack", "hl7v2"];

/// What stands for standard input on the command line.
pub(super) const STANDARD: &str = "-";

/// Where messages come from.
pub(super) enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Standard,
}

impl Input {
    /// Its name for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Standard => "(standard input)".to_owned(),
        }
    }

    /// All of it.
    pub(super) fn read(&self) -> Result<Vec<u8>, std::io::Error> {
        match self {
            Self::File(path) => std::fs::read(path),
            Self::Standard => {
                let mut bytes = vec![];
                std::io::stdin().read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// The inputs that a command line names, in its order and by name within a folder; and what is wrong with it.
pub(super) fn gather(named: &[PathBuf]) -> Result<(Vec<Input>, Vec<String>), Failure> {
    gather_with(named, &[])
}

/// The same with files of more endings.
pub(super) fn gather_with(
    named: &[PathBuf],
    more: &[&str],
) -> Result<(Vec<Input>, Vec<String>), Failure> {
    if named.is_empty() {
        if std::io::stdin().is_terminal() {
            return Err(Failure::usage("no FILE is named and nothing is piped in; see --help"));
        }
        return Ok((vec![Input::Standard], vec![]));
    }
    let (mut inputs, mut problems) = (vec![], vec![]);
    for path in named {
        if path.as_os_str() == STANDARD {
            inputs.push(Input::Standard);
        } else if path.is_dir() {
            let before = inputs.len();
            folder(path, more, &mut inputs, &mut problems);
            if inputs.len() == before {
                let endings = [&ENDINGS, more].concat().join(" *.");
                problems.push(format!("{}: no file like *.{endings} in it", path.display()));
            }
        } else {
            inputs.push(Input::File(path.clone()));
        }
    }
    Ok((inputs, problems))
}

/// The files below a folder by name. Links to folders are not followed, so that none is read twice or for ever.
fn folder(folder: &Path, more: &[&str], inputs: &mut Vec<Input>, problems: &mut Vec<String>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(format!("{}: {error}", folder.display())),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            self::folder(&path, more, inputs, problems);
        } else if path.is_file() && has_ending(&path, more) {
            inputs.push(Input::File(path));
        }
    }
}

/// Whether a file's name ends as those of messages do, or in one of these ways.
pub(super) fn has_ending(path: &Path, more: &[&str]) -> bool {
    path.extension().is_some_and(|ending| {
        ENDINGS.iter().chain(more).any(|one| ending.eq_ignore_ascii_case(one))
    })
}
