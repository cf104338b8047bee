//! What the command line names: files, patterns, folders.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::input::{self, Input};
use crate::send::Source;

/// Endings of archives that are read beside those of messages.
pub(super) const ARCHIVES: &[&str] = &["zip"];

/// Files, with the patterns that no shell has expanded; absolute, so that a later run finds them from anywhere.
pub(super) fn expanded(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = vec![];
    for path in named {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.filter(|name| name.contains(['*', '?']) && !path.exists());
        let (Some(pattern), Some(folder)) = (name, path.parent()) else {
            let standard = path.as_os_str() == input::STANDARD;
            paths.push(if standard { path.clone() } else { std::path::absolute(path)? });
            continue;
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let wrong =
            |error: std::io::Error| Failure::usage(format!("{}: {error}", folder.display()));
        let mut found = vec![];
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            if matches(pattern.as_bytes(), entry.file_name().as_encoded_bytes()) {
                found.push(std::path::absolute(entry.path())?);
            }
        }
        if found.is_empty() {
            return Err(Failure::usage(format!("{}: no file is named so", path.display())));
        }
        found.sort();
        paths.extend(found);
    }
    Ok(paths)
}

/// Whether a name is as a pattern of `*` and `?` says; a hidden one only when the pattern begins with its point.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([b'*' | b'?', ..], [b'.', ..]) => false,
        _ => fits(pattern, name),
    }
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            (0..=name.len()).any(|at| fits(rest, name.get(at..).unwrap_or_default()))
        }
        ([b'?', pattern @ ..], [_, name @ ..]) => fits(pattern, name),
        ([one, pattern @ ..], [other, name @ ..]) => one == other && fits(pattern, name),
        _ => false,
    }
}

/// What the inputs hold; a file that is not there is told before anything is sent.
pub(super) fn sources(inputs: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let (gathered, problems) = input::gather_with(inputs, ARCHIVES)?;
    let missing = gathered.iter().filter_map(|input| match input {
        Input::File(path) => {
            path.metadata().err().map(|error| format!("{}: {error}", path.display()))
        }
        Input::Standard => None,
    });
    let wrong: Vec<String> = problems.into_iter().chain(missing).collect();
    if !wrong.is_empty() {
        return Err(Failure::usage(format!("{}; nothing was sent", wrong.join("\n"))));
    }
    let source = |input| match input {
        Input::File(path) => Source::File { path, follow: true },
        Input::Standard => Source::Standard,
    };
    Ok(gathered.into_iter().map(source).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_files_as_a_shell_does() {
        let fits = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(fits("*.hl7", "a.hl7") && fits("a?c*", "abc") && fits("*", "x"));
        assert!(!fits("*.hl7", "a.txt") && !fits("*", ".hidden") && !fits("a?", "a"));
        assert!(fits(".h*", ".hidden"));
    }
}
