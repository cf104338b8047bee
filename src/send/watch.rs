//! A folder that others put files into: which of them are whole, and where they go once they are sent.
//!
//! Files are taken when two looks found them alike. Those of one look are one run in `.izportal-send/current`; when it is
//! over each file is moved to `archive/DATE` or `problem/DATE`, and the run to `.izportal-send/runs`. After a crash the
//! run goes on where its journal ends, with those of its files that are still there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::domain::Timestamp;
use crate::send::folder::{Folder, FolderError, private_file, private_folder};
use crate::send::intake::Problem;
use crate::send::outcome::harmless;
use crate::send::results::Account;

/// Files of one run, at most, so that the first ones are not kept waiting by all the others.
const MOST_FILES: usize = 10_000;

/// The name of the folder in which runs are kept; hidden, so that it is never taken for files to send.
const RUNS: &str = ".izportal-send";

/// A folder that is watched by this process alone.
pub struct Watched {
    dir: PathBuf,
    state: Folder,
}

/// What a look at a folder found: files with their lengths and times of change.
#[derive(Default)]
pub struct Looks(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

/// What was done with the files of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Files moved to `archive`.
    pub archived: usize,
    /// Files moved to `problem`.
    pub problems: usize,
}

impl Watched {
    /// Begins to watch a folder.
    ///
    /// # Errors
    /// When it is none, or another process watches it.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        let failed = |cause| FolderError::io(dir, cause);
        if !dir.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let dir = dir.canonicalize().map_err(failed)?;
        let state = Folder::open(&dir.join(RUNS))?;
        Ok(Self { dir, state })
    }

    /// Where the present run is.
    pub fn current(&self) -> PathBuf {
        self.state.path().join("current")
    }

    /// Looks at the folder; gives the files that are as they were at the last look.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn whole(
        &self,
        last: &mut Looks,
        takes: &dyn Fn(&Path) -> bool,
    ) -> io::Result<Vec<PathBuf>> {
        let mut now = BTreeMap::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let hidden =
                path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            // A link is no file here, wherever it leads.
            let Ok(about) = path.symlink_metadata() else { continue };
            if about.is_file() && !hidden && takes(&path) {
                now.insert(path, (about.len(), about.modified().ok()));
            }
        }
        let alike = |(path, look): &(&PathBuf, &_)| last.0.get(*path) == Some(*look);
        let whole =
            now.iter().filter(alike).map(|(path, _)| path.clone()).take(MOST_FILES).collect();
        last.0 = now;
        Ok(whole)
    }

    /// Moves the files of a run that is over, and then the run.
    ///
    /// # Errors
    /// When something cannot be moved; what was moved stays so, and the rest is moved the next time.
    pub fn settle(
        &self,
        inputs: &[PathBuf],
        account: &Account,
        unread: &[Problem],
        now: Timestamp,
    ) -> Result<Settled, FolderError> {
        let day = now.utc().format("%Y-%m-%d").to_string();
        let run = self.runs()?.join(now.utc().format("%Y%m%dT%H%M%S%3fZ").to_string());
        let mut settled = Settled::default();
        for path in inputs {
            // Moved before a crash, or taken away by somebody.
            if !path.symlink_metadata().is_ok_and(|about| about.is_file()) {
                continue;
            }
            match reason(path, account, unread) {
                None => {
                    self.move_to("archive", &day, path)?;
                    settled.archived += 1;
                }
                Some(reason) => {
                    let there = self.move_to("problem", &day, path)?;
                    let reason = format!("{reason}\nMore is told in {}\n", run.display());
                    tell(&there, &reason).map_err(|cause| FolderError::io(&there, cause))?;
                    settled.problems += 1;
                }
            }
        }
        let current = self.current();
        fs::rename(&current, &run).map_err(|cause| FolderError::io(&current, cause))?;
        Ok(settled)
    }

    fn runs(&self) -> Result<PathBuf, FolderError> {
        let runs = self.state.path().join("runs");
        private_folder(&runs).map_err(|cause| FolderError::io(&runs, cause))?;
        Ok(runs)
    }

    /// Moves a file into a folder of the day, under a name that is free there.
    fn move_to(&self, folder: &str, day: &str, path: &Path) -> Result<PathBuf, FolderError> {
        let folder = self.dir.join(folder);
        let failed = |cause| FolderError::io(path, cause);
        private_folder(&folder.join(day)).map_err(failed)?;
        // Somebody who may write here must not send our files elsewhere.
        if !folder.symlink_metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::Error::other("archive and problem must be folders, not links")));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let free = (1_u32..).map(|number| {
            let name = if number == 1 { name.clone() } else { format!("{name}.{number}") };
            folder.join(day).join(name)
        });
        let there = free.into_iter().find(|there| there.symlink_metadata().is_err());
        let there = there.unwrap_or_else(|| folder.join(day).join(&name));
        fs::rename(path, &there).map_err(failed)?;
        Ok(there)
    }
}

/// Puts the reason beside a file.
fn tell(file: &Path, reason: &str) -> io::Result<()> {
    use std::io::Write as _;

    let mut name = file.as_os_str().to_owned();
    name.push(".reason.txt");
    private_file(Path::new(&name))?.write_all(reason.as_bytes())
}

/// What is not right with a file; none: everything in it was taken.
fn reason(path: &Path, account: &Account, unread: &[Problem]) -> Option<String> {
    let name = path.display().to_string();
    let is_of = |source: &str| {
        source.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('!'))
    };
    let states = account.sources.iter().filter(|(source, _)| is_of(source));
    let states = states.flat_map(|(source, states)| {
        states.iter().map(move |(state, count)| format!("{}: {count} {state}", harmless(source)))
    });
    let unread = unread.iter().filter(|problem| is_of(&problem.source)).map(Problem::to_string);
    let all: Vec<String> = states.chain(unread).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::send::outcome::State;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_whole_when_two_looks_are_alike_and_a_link_never_is() {
        let dir = TempDir::new().unwrap();
        let watched = Watched::open(dir.path()).unwrap();
        let file = dir.path().join("a.hl7");
        fs::write(&file, "MSH|").unwrap();
        fs::write(dir.path().join(".hidden.hl7"), "MSH|").unwrap();
        fs::write(dir.path().join("b.part"), "MSH|").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("l.hl7")).unwrap();
        let takes = |path: &Path| path.extension().is_some_and(|ending| ending != "part");
        let mut looks = Looks::default();

        let first = watched.whole(&mut looks, &takes).unwrap();
        fs::write(&file, "MSH|^~\\&|").unwrap();
        let grown = watched.whole(&mut looks, &takes).unwrap();
        let whole = watched.whole(&mut looks, &takes).unwrap();

        assert_eq!((first.len(), grown.len()), (0, 0));
        assert_eq!(names(&whole), ["a.hl7"]);
        assert!(Watched::open(dir.path()).is_err(), "one process watches it");
    }

    #[test]
    fn files_go_where_their_messages_say() {
        let dir = TempDir::new().unwrap();
        let watched = Watched::open(dir.path()).unwrap();
        let inputs = ["a.hl7", "b.hl7", "c.zip", "gone.hl7"].map(|name| watched.dir.join(name));
        inputs.iter().take(3).for_each(|path| fs::write(path, "x").unwrap());
        let mut account = Account::default();
        let refused = BTreeMap::from([(State::Refused, 2)]);
        account.sources.insert(format!("{}!x.hl7", inputs[2].display()), refused);
        let unread =
            [Problem { source: inputs[1].display().to_string(), text: "empty".to_owned() }];
        fs::create_dir(watched.current()).unwrap();

        let settled = watched.settle(&inputs, &account, &unread, Timestamp::now()).unwrap();

        assert_eq!(settled, Settled { archived: 1, problems: 2 });
        let day = Timestamp::now().utc().format("%Y-%m-%d").to_string();
        let there = |place: &str| watched.dir.join(place.replace("DAY", &day)).is_file();
        assert!(there("archive/DAY/a.hl7") && there("problem/DAY/c.zip"));
        let reason = watched.dir.join(format!("problem/{day}/c.zip.reason.txt"));
        assert!(fs::read_to_string(reason).unwrap().contains("x.hl7: 2 refused"));
        assert!(!watched.current().exists() && inputs.iter().all(|path| !path.exists()));
    }
}
