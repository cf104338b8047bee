//! What is known of each message of a run: the journal's lines, and where they have left each message.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::{Timestamp, hex};
use crate::send::folder::{Folder, FolderError, private_file};
use crate::send::outcome::State;

/// The version of the journal's format.
const FORMAT: u32 = 1;

/// The first 16 bytes of the SHA-256 of a message as it is sent. Source: journal format 1.
pub(super) type Fingerprint = [u8; 16];

/// The first line of a journal: what must not change while a run lasts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The version of the format.
    #[serde(default)]
    izportal_send: u32,
    /// Where the messages go.
    pub url: String,
    /// facilityID of the calls.
    pub facility: String,
    /// The SOAP version.
    pub soap: String,
    /// The files and folders that the run was begun with.
    pub inputs: Vec<PathBuf>,
    /// When it was begun.
    pub begun: Timestamp,
}

impl Head {
    /// The head of the run in a folder; none when there is no run in it.
    ///
    /// # Errors
    /// When its journal cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Self>, FolderError> {
        let path = Folder::journal_in(folder);
        let mut text = vec![];
        match File::open(&path).and_then(|file| BufReader::new(file).read_until(b'\n', &mut text)) {
            Ok(_) => head(&text).map_err(|problem| FolderError::Journal {
                path: path.display().to_string(),
                problem,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(FolderError::io(&path, cause)),
        }
    }

    /// The head of a run that begins now.
    pub fn new(url: &str, facility: &str, soap: &str, inputs: Vec<PathBuf>) -> Self {
        Self {
            izportal_send: FORMAT,
            url: url.to_owned(),
            facility: facility.to_owned(),
            soap: soap.to_owned(),
            inputs,
            begun: Timestamp::now(),
        }
    }
}

/// Every other line of a journal. Nothing of a patient is in it, and no secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(super) enum Line {
    /// A message was found in the input.
    Found {
        /// Its number in the journal, from 0.
        m: u32,
        source: String,
        /// The how-manieth message of its source, from 1.
        number: u64,
        /// Where it begins in its source, in bytes.
        offset: u64,
        line: usize,
        /// MSH-10.
        id: String,
        /// MSH-4.
        facility: String,
        /// MSH-22, else MSH-4.
        site: String,
        sha256: String,
    },
    /// It is about to be sent.
    Sending { m: u32, at: Timestamp },
    /// The attempt failed, and nobody has it.
    NotSent { m: u32, why: String, at: Timestamp },
    /// It is done.
    Ended {
        m: u32,
        state: State,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        msa: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        errors: Vec<String>,
        at: Timestamp,
    },
}

impl Line {
    /// Appends the line as it stands in the journal.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Texts, numbers and words: writing them to memory does not fail.
        if serde_json::to_writer(&mut *out, self).is_ok() {
            out.push(b'\n');
        }
    }
}

/// Where the journal leaves a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Found,
    Sending,
    NotSent,
    Ended(State),
}

/// What is known of one message.
#[derive(Clone, Copy, Debug)]
struct Slot {
    step: Step,
    /// Whether this run has met it in the input.
    met: bool,
}

/// What is known of a message that was met in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was sent, and nobody knows what became of it; `told`: the journal says so already.
    Doubtful { m: u32, told: bool },
    /// Nothing is left to do about it.
    Ended(State),
    /// Nothing yet.
    New(u32),
    /// The same bytes were met before in this run.
    Repeated,
    /// Nobody has it.
    Waiting(u32),
}

/// Every message of a run, by its bytes.
pub struct Book {
    /// What the run was begun with.
    pub head: Head,
    /// Whether there was a journal.
    pub resumed: bool,
    slots: Vec<Slot>,
    known: HashMap<Fingerprint, u32>,
    file: File,
}

impl Book {
    /// Opens the journal of a folder, or begins it with a head. Half a line at its end, which a kill leaves, is cut off.
    ///
    /// # Errors
    /// When there is none and no head is given, when it is damaged, or when the head says otherwise than it.
    pub fn open(folder: &Folder, head: Option<Head>) -> Result<Self, FolderError> {
        let path = folder.journal();
        let failed = |cause| FolderError::io(&path, cause);
        let file = private_file(&path).map_err(failed)?;
        let mut slots = vec![];
        let mut known = HashMap::new();
        let read = read(&path, &mut |line| note(&mut slots, &mut known, line))?;
        file.set_len(read.length).map_err(failed)?;
        let (head, resumed) = match (read.head, head) {
            (None, None) => {
                let problem = "there is no run in this folder that could be resumed".to_owned();
                return Err(FolderError::Journal { path: path.display().to_string(), problem });
            }
            (None, Some(head)) => {
                begin(&file, &head).map_err(failed)?;
                (head, false)
            }
            (Some(old), wanted) => {
                wanted.map_or(Ok(()), |wanted| agree(folder.path(), &old, &wanted))?;
                (old, true)
            }
        };
        Ok(Self { head, resumed, slots, known, file })
    }

    /// The journal's file, to append to.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// What is known of a message that the input holds.
    pub(super) fn meet(&mut self, fingerprint: Fingerprint) -> Known {
        let next = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let m = *self.known.entry(fingerprint).or_insert(next);
        let Some(slot) = usize::try_from(m).ok().and_then(|at| self.slots.get_mut(at)) else {
            self.slots.push(Slot { step: Step::Found, met: true });
            return Known::New(m);
        };
        if std::mem::replace(&mut slot.met, true) {
            return Known::Repeated;
        }
        match slot.step {
            Step::Found | Step::NotSent | Step::Ended(State::Waiting) => Known::Waiting(m),
            Step::Sending => Known::Doubtful { m, told: false },
            Step::Ended(State::Ambiguous) => Known::Doubtful { m, told: true },
            Step::Ended(state) => Known::Ended(state),
        }
    }

    /// How many messages of the journal this run has not met in its input.
    pub(super) fn unmet(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.met).count()
    }

    /// How many messages the journal knows.
    pub fn messages(&self) -> usize {
        self.slots.len()
    }
}

/// Writes the first line, and makes sure that the file is in its folder.
fn begin(mut file: &File, head: &Head) -> io::Result<()> {
    let mut line = serde_json::to_vec(head)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_all()
}

/// A run goes to one place under one name.
fn agree(folder: &Path, old: &Head, wanted: &Head) -> Result<(), FolderError> {
    for (what, old, wanted) in
        [("--url", &old.url, &wanted.url), ("--facility", &old.facility, &wanted.facility)]
    {
        if old != wanted {
            return Err(FolderError::Other(format!(
                "the run in {} was begun with {what} {old}, not {wanted}; give that one, or another --out",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// A journal as far as it is whole.
pub(super) struct Read {
    /// None when there is no whole first line.
    pub(super) head: Option<Head>,
    /// Bytes up to the end of the last whole line.
    pub(super) length: u64,
}

/// Reads a journal, line by line.
pub(super) fn read(path: &Path, each: &mut dyn FnMut(Line)) -> Result<Read, FolderError> {
    let damaged =
        |problem: String| FolderError::Journal { path: path.display().to_string(), problem };
    let file = File::open(path).map_err(|cause| FolderError::io(path, cause))?;
    let mut file = BufReader::with_capacity(64 * 1024, file);
    let mut found = Read { head: None, length: 0 };
    let mut text = vec![];
    let mut number = 0_u64;
    let mut torn = None;
    loop {
        text.clear();
        let read =
            file.read_until(b'\n', &mut text).map_err(|cause| FolderError::io(path, cause))?;
        if read == 0 {
            return Ok(found);
        }
        number += 1;
        if let Some(line) = torn {
            return Err(damaged(format!(
                "line {line} is damaged; restore the file, or begin a new run with another --out"
            )));
        }
        let whole = if number == 1 {
            head(&text).map_err(damaged)?.map(|head| found.head = Some(head)).is_some()
        } else {
            line(&text).map(&mut *each).is_some()
        };
        if whole {
            found.length += u64::try_from(read).unwrap_or(u64::MAX);
        } else {
            torn = Some(number);
        }
    }
}

/// The first line; none when a kill cut it.
fn head(text: &[u8]) -> Result<Option<Head>, String> {
    let Some(text) = text.strip_suffix(b"\n") else { return Ok(None) };
    let head: Head = serde_json::from_slice(text)
        .map_err(|_other| "this is not a journal of izportal send".to_owned())?;
    if head.izportal_send == FORMAT {
        Ok(Some(head))
    } else {
        Err(format!(
            "it was written in format {} by another version of izportal",
            head.izportal_send
        ))
    }
}

fn line(text: &[u8]) -> Option<Line> {
    serde_json::from_slice(text.strip_suffix(b"\n")?).ok()
}

/// What a line leaves of its message; messages are found in the order of their numbers.
fn note(slots: &mut Vec<Slot>, known: &mut HashMap<Fingerprint, u32>, line: Line) {
    let (m, step) = match line {
        Line::Found { m, sha256, .. } => {
            if let Some(fingerprint) = fingerprint_of(&sha256)
                && usize::try_from(m).is_ok_and(|m| m == slots.len())
            {
                slots.push(Slot { step: Step::Found, met: false });
                known.insert(fingerprint, m);
            }
            return;
        }
        Line::Sending { m, .. } => (m, Step::Sending),
        Line::NotSent { m, .. } => (m, Step::NotSent),
        Line::Ended { m, state, .. } => (m, Step::Ended(state)),
    };
    if let Some(slot) = usize::try_from(m).ok().and_then(|at| slots.get_mut(at)) {
        slot.step = step;
    }
}

/// A fingerprint as it stands in a journal.
pub(super) fn fingerprint_text(fingerprint: &Fingerprint) -> String {
    hex(fingerprint)
}

fn fingerprint_of(text: &str) -> Option<Fingerprint> {
    Fingerprint::try_from(crate::domain::from_hex(text)?.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn found(m: u32, byte: u8) -> Line {
        Line::Found {
            m,
            source: "a.hl7".to_owned(),
            number: 1,
            offset: 0,
            line: 1,
            id: "1".to_owned(),
            facility: "F".to_owned(),
            site: "S".to_owned(),
            sha256: fingerprint_text(&[byte; 16]),
        }
    }

    fn ended(m: u32, state: State) -> Line {
        let (msa, why) = (String::new(), String::new());
        Line::Ended { m, state, msa, why, errors: vec![], at: Timestamp::now() }
    }

    fn append(folder: &Folder, lines: &[Line]) {
        let mut out = vec![];
        for line in lines {
            line.write(&mut out);
        }
        private_file(&folder.journal()).unwrap().write_all(&out).unwrap();
    }

    fn head() -> Head {
        Head::new("https://iis.example/x", "F", "1.2", vec![])
    }

    #[test]
    fn a_journal_tells_where_each_message_is() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let at = Timestamp::now();
        Book::open(&folder, Some(head())).unwrap();
        let why = String::new();
        append(&folder, &[found(0, 10), found(1, 11), found(2, 12), found(3, 13), found(4, 14)]);
        append(&folder, &[1, 2, 3, 4].map(|m| Line::Sending { m, at }));
        append(&folder, &[Line::NotSent { m: 2, why, at }, ended(3, State::Warned)]);
        append(&folder, &[ended(4, State::Ambiguous)]);

        let mut book = Book::open(&folder, None).unwrap();

        assert!(book.resumed);
        assert_eq!(book.meet([10; 16]), Known::Waiting(0));
        assert_eq!(book.meet([11; 16]), Known::Doubtful { m: 1, told: false });
        assert_eq!(book.meet([12; 16]), Known::Waiting(2));
        assert_eq!(book.meet([13; 16]), Known::Ended(State::Warned));
        assert_eq!(book.unmet(), 1);
        assert_eq!(book.meet([14; 16]), Known::Doubtful { m: 4, told: true });
        assert_eq!(book.meet([15; 16]), Known::New(5));
        assert_eq!(book.meet([15; 16]), Known::Repeated);
        assert_eq!((book.unmet(), book.messages()), (0, 6));
    }

    #[test]
    fn half_a_line_at_the_end_is_cut_wherever_it_ends() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        Book::open(&folder, Some(head())).unwrap();
        append(&folder, &[found(0, 10), ended(0, State::Accepted)]);
        let whole = std::fs::read(folder.journal()).unwrap();
        let lines: Vec<usize> =
            whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();

        for length in 0..=whole.len() {
            std::fs::write(folder.journal(), &whole[..length]).unwrap();
            let mut book = Book::open(&folder, Some(head())).unwrap();
            let expected = match lines.iter().filter(|end| **end <= length).count() {
                0 | 1 => Known::New(0),
                2 => Known::Waiting(0),
                _ => Known::Ended(State::Accepted),
            };
            assert_eq!(book.meet([10; 16]), expected, "cut at {length}");
            let left = std::fs::read(folder.journal()).unwrap();
            assert_eq!(left.last(), Some(&b'\n'), "cut at {length}");
        }
    }

    #[test]
    fn damage_in_the_midst_and_another_run_are_told() {
        let dir = TempDir::new().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let none = Book::open(&folder, None).err().unwrap().to_string();
        assert!(none.contains("no run in this folder"), "{none}");
        Book::open(&folder, Some(head())).unwrap();
        let other = Head { url: "https://other.example/".to_owned(), ..head() };
        let other = Book::open(&folder, Some(other)).err().unwrap().to_string();
        assert!(other.contains("was begun with --url https://iis.example/x"), "{other}");
        private_file(&folder.journal()).unwrap().write_all(b"{\"is\":\"x\"}\n").unwrap();
        append(&folder, &[found(0, 10)]);
        let damaged = Book::open(&folder, None).err().unwrap().to_string();
        assert!(damaged.contains("line 2 is damaged"), "{damaged}");
        std::fs::write(folder.journal(), "{\"izportal_send\":9}\n").unwrap();
        assert!(Book::open(&folder, None).is_err());
        let again = Folder::open(dir.path()).unwrap_err().to_string();
        assert!(again.contains("in use by another izportal send"), "{again}");
    }
}
