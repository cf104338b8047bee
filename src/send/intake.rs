//! Reading what is to be sent: files of any length, standard input and zip archives, as one message after the other.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;

use crate::hl7::{Header, Message, Stream, Streamed, Value};
use crate::send::book::Fingerprint;
use crate::send::outcome::harmless;

/// Longest message that is sent, in bytes; no gateway takes one that comes near to it.
const LONGEST: usize = 4 << 20;

/// Most entries of a zip archive.
const MOST_ENTRIES: usize = 100_000;

/// Most bytes that a zip archive unpacks to: what is unpacked is not kept, so this bounds time, not memory.
const UNPACKED: u64 = 16 << 30;

/// What a zip archive begins with: with an entry, or with its end when it is empty.
const ZIP: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, perhaps a zip archive.
    File {
        /// Where it is.
        path: PathBuf,
        /// Whether a symbolic link is read.
        follow: bool,
    },
    /// Standard input.
    Standard,
}

impl Source {
    /// Its name for people and in the journal.
    fn name(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Standard => "(standard input)".to_owned(),
        }
    }
}

/// A message that was read.
pub(super) struct Taken {
    pub(super) source: Arc<str>,
    /// The how-manieth message of its source, from 1.
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) line: usize,
    pub(super) fingerprint: Fingerprint,
    /// MSH-10.
    pub(super) control_id: String,
    /// MSH-4.
    pub(super) facility: String,
    /// MSH-22, else MSH-4.
    pub(super) site: String,
    /// What messages of one patient have in common, in this process only.
    pub(super) patient: Option<u64>,
    /// As it is sent: segments end with CR. An error: why it cannot be sent.
    pub(super) text: Result<String, String>,
}

/// Something that was found in the input.
pub(super) enum Found {
    Message(Box<Taken>),
    Problem(Problem),
}

/// A stretch of a source, or all of it, that is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the source; of a file in an archive, behind that of the archive and an exclamation mark.
    pub source: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", harmless(&self.source), self.text)
    }
}

/// What is told of the messages of a source, as they come.
type Tell<'t> = &'t mut dyn FnMut(&Arc<str>, Result<(u64, Streamed), String>) -> ControlFlow<()>;

/// How many messages there are, for a run that tells how far it is. Standard input is not looked at.
pub fn count(sources: &[Source]) -> u64 {
    let mut messages = 0;
    for source in sources.iter().filter(|source| **source != Source::Standard) {
        let _ = read(source, &mut |_, found| {
            messages += u64::from(found.is_ok());
            ControlFlow::Continue(())
        }); // it goes on to the end
    }
    messages
}

/// Reads all sources in their order, until nobody wants more.
pub(super) fn take(sources: &[Source], each: &mut dyn FnMut(Found) -> ControlFlow<()>) {
    let hasher = RandomState::new();
    for source in sources {
        let ended = read(source, &mut |name, found| {
            each(match found {
                Ok((number, message)) => {
                    Found::Message(Box::new(taken(name, number, message, &hasher)))
                }
                Err(text) => Found::Problem(Problem { source: name.to_string(), text }),
            })
        });
        if ended.is_break() {
            return;
        }
    }
}

/// Reads one source.
fn read(source: &Source, tell: Tell<'_>) -> ControlFlow<()> {
    let name: Arc<str> = source.name().into();
    match source {
        Source::Standard => stream(&name, io::stdin().lock(), tell),
        Source::File { path, follow } => match open(path, *follow) {
            Ok((file, false)) => stream(&name, file, tell),
            Ok((file, true)) => archive(&name, file, tell),
            Err(error) => tell(&name, Err(format!("it cannot be read: {error}"))),
        },
    }
}

/// Opens a file; tells whether it is a zip archive.
fn open(path: &Path, follow: bool) -> io::Result<(File, bool)> {
    use std::io::Seek as _;

    let mut file = File::open(path)?;
    if !follow && !is_itself(path, &file)? {
        return Err(io::Error::other("it is a symbolic link, which is not followed here"));
    }
    let mut start = [0; 4];
    let is_zip = file.read_exact(&mut start).is_ok() && ZIP.contains(&&start);
    // What cannot be read twice is no archive: a named pipe.
    if file.rewind().is_err() {
        return Err(io::Error::other("it is no file; pipe it in and name - instead"));
    }
    Ok((file, is_zip))
}

/// Whether the open file is what stands at the path, and no link led to it.
fn is_itself(path: &Path, file: &File) -> io::Result<bool> {
    let (there, opened) = (std::fs::symlink_metadata(path)?, file.metadata()?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Ok(there.is_file() && (there.dev(), there.ino()) == (opened.dev(), opened.ino()))
    }
    #[cfg(not(unix))]
    Ok(there.is_file() && opened.is_file())
}

/// The messages of a text.
fn stream(name: &Arc<str>, reader: impl Read, tell: Tell<'_>) -> ControlFlow<()> {
    let mut number = 0;
    for found in Stream::new(reader, LONGEST) {
        tell(
            name,
            match found {
                Ok(message) => {
                    number += 1;
                    Ok((number, message))
                }
                Err(error) => Err(error.to_string()),
            },
        )?;
    }
    ControlFlow::Continue(())
}

/// The messages of the files in a zip archive. Nothing is unpacked to the disk.
fn archive(name: &Arc<str>, file: File, tell: Tell<'_>) -> ControlFlow<()> {
    let mut archive = match zip::ZipArchive::new(BufReader::new(file)) {
        Ok(archive) if archive.len() > MOST_ENTRIES => {
            return tell(name, Err(format!("it holds more than {MOST_ENTRIES} files")));
        }
        Ok(archive) => archive,
        Err(error) => return tell(name, Err(format!("it cannot be unpacked: {error}"))),
    };
    let mut left = UNPACKED;
    for at in 0..archive.len() {
        let mut entry = match archive.by_index(at) {
            Ok(entry) => entry,
            Err(error) => {
                tell(name, Err(format!("file {} cannot be unpacked: {error}", at + 1)))?;
                continue;
            }
        };
        if !entry.is_file() {
            continue;
        }
        let inner = entry.name().map_or_else(|_error| format!("file {}", at + 1), String::from);
        let inner: Arc<str> = format!("{name}!{}", harmless(&inner)).into();
        let mut start = vec![];
        if let Err(error) = entry.by_ref().take(4).read_to_end(&mut start) {
            tell(&inner, Err(format!("it cannot be unpacked: {error}")))?;
            continue;
        }
        if ZIP.iter().any(|zip| start == zip.as_slice()) {
            tell(&inner, Err("a zip archive inside of another one is not read; unpack it".into()))?;
            continue;
        }
        let mut rest = entry.take(left);
        stream(&inner, start.as_slice().chain(&mut rest), tell)?;
        left = rest.limit();
        if left == 0 {
            return tell(
                name,
                Err("it unpacks to more than 16 GiB; what lies behind is not read".into()),
            );
        }
    }
    ControlFlow::Continue(())
}

/// What a message says of itself.
fn taken(source: &Arc<str>, number: u64, message: Streamed, hasher: &RandomState) -> Taken {
    let Streamed { bytes, offset, line } = message;
    let parsed = Message::parse(&bytes);
    let mut taken = Taken {
        source: Arc::clone(source),
        number,
        offset,
        line,
        fingerprint: Fingerprint::default(),
        control_id: String::new(),
        facility: String::new(),
        site: String::new(),
        patient: None,
        text: Err(String::new()),
    };
    match &parsed {
        Ok(message) => {
            let header = Header::of(message);
            taken.control_id = word(header.control_id);
            taken.facility = word(header.sending_facility);
            taken.site = word(header.responsible_organization);
            if taken.site.is_empty() {
                taken.site.clone_from(&taken.facility);
            }
            taken.patient = patient(message).map(|patient| hasher.hash_one(patient));
            taken.text = text(message.body());
        }
        Err(error) => taken.text = Err(error.to_string()),
    }
    let known_by = taken.text.as_ref().map_or(bytes.as_slice(), |text| text.as_bytes());
    let digest = digest::digest(&digest::SHA256, known_by);
    taken.fingerprint = digest.as_ref().first_chunk().copied().unwrap_or_default();
    taken
}

/// Longest word of a header that is kept. Source: guide 1.5, MSH-10.
const LONGEST_WORD: usize = 199;

/// A value of the header, as it may be shown.
fn word(value: Value<'_>) -> String {
    let text = value.text().unwrap_or_default();
    harmless(&String::from_utf8_lossy(text)).chars().take(LONGEST_WORD).collect()
}

/// What names the patient for its sender: PID-3.1 and PID-3.4 of the first repetition; none where there is none.
fn patient(message: &Message<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let identifier = message.segment("PID")?.field(3).repetition(1);
    let id = identifier.component(1).value().text()?;
    Some((id.to_vec(), identifier.component(4).bytes().to_vec()))
}

/// The text that is sent: each segment ends with CR, whatever the file has. Source: HL7 v2.5.1, 2.3.
fn text(body: &[u8]) -> Result<String, String> {
    let unfit = |one: &u8| *one < b' ' && !matches!(one, b'\t' | b'\r' | b'\n');
    if let Some(one) = body.iter().find(|one| unfit(one)) {
        return Err(format!("it holds the control character {one:#04x}, which SOAP cannot carry"));
    }
    let mut out = Vec::with_capacity(body.len() + 1);
    for segment in body.split(|one| matches!(one, b'\r' | b'\n')).filter(|one| !one.is_empty()) {
        out.extend_from_slice(segment);
        out.push(b'\r');
    }
    String::from_utf8(out).map_err(|_other| {
        "it is not UTF-8; convert the file (iconv -f ISO-8859-1 -t UTF-8)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::TempDir;

    use super::*;

    fn sources(paths: &[&Path]) -> Vec<Source> {
        paths.iter().map(|path| Source::File { path: path.to_path_buf(), follow: true }).collect()
    }

    /// Where each message is, with its MSH-10; or the problem.
    fn all(sources: &[Source]) -> Vec<Result<(String, u64, String), String>> {
        let mut found = vec![];
        take(sources, &mut |one| {
            found.push(match one {
                Found::Message(taken) => {
                    let source = taken.source.rsplit('/').next().unwrap().to_owned();
                    Ok((source, taken.number, taken.control_id))
                }
                Found::Problem(problem) => Err(problem.to_string()),
            });
            ControlFlow::Continue(())
        });
        found
    }

    fn message(id: &str) -> String {
        format!("MSH|^~\\&||F|||1||VXU^V04|{id}|P|2.5.1\nPID|1||{id}^^^A^MR\n")
    }

    fn zipped(path: &Path, entries: &[(&str, Vec<u8>)]) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, bytes) in entries {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn files_batches_and_archives_are_read_in_order() {
        let dir = TempDir::new().unwrap();
        let (file, archive) = (dir.path().join("a.hl7"), dir.path().join("b.zip"));
        let batch = format!("FHS|^~\\&\rBHS|^~\\&\r{}{}BTS|2\rFTS|1\r", message("1"), message("2"));
        std::fs::write(&file, batch).unwrap();
        zipped(&archive, &[("x/one.hl7", message("3").into()), ("two.txt", message("4").into())]);

        let sources = sources(&[&file, &archive]);

        let ok = |source: &str, number, id: &str| Ok((source.to_owned(), number, id.to_owned()));
        let expected = [
            ok("a.hl7", 1, "1"),
            ok("a.hl7", 2, "2"),
            ok("one.hl7", 1, "3"),
            ok("b.zip!two.txt", 1, "4"),
        ];
        assert_eq!(all(&sources), expected);
        assert_eq!(count(&sources), 4);
    }

    #[test]
    fn an_archive_in_an_archive_and_a_broken_one_are_told() {
        let dir = TempDir::new().unwrap();
        let (inner, outer, broken) =
            (dir.path().join("i.zip"), dir.path().join("o.zip"), dir.path().join("b.zip"));
        zipped(&inner, &[("one.hl7", message("1").into())]);
        let bytes = std::fs::read(&inner).unwrap();
        zipped(&outer, &[("i.zip", bytes.clone()), ("two.hl7", message("2").into())]);
        std::fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();

        let found = all(&sources(&[&outer, &broken, &dir.path().join("none.hl7")]));

        let problem = |at: usize| found[at].clone().unwrap_err();
        assert!(problem(0).contains("inside of another one"), "{found:?}");
        assert_eq!(found[1].clone().unwrap().2, "2");
        assert!(problem(2).contains("cannot be unpacked"), "{found:?}");
        assert!(problem(3).contains("cannot be read"), "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_only_where_it_may_be() {
        let dir = TempDir::new().unwrap();
        let (file, link) = (dir.path().join("a.hl7"), dir.path().join("l.hl7"));
        std::fs::write(&file, message("1")).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let of = |path: &Path, follow| all(&[Source::File { path: path.to_owned(), follow }]);

        assert!(of(&link, true)[0].is_ok() && of(&file, false)[0].is_ok());
        assert!(of(&link, false)[0].clone().unwrap_err().contains("symbolic link"));
    }

    #[test]
    fn what_is_sent_has_segments_that_end_with_cr() {
        assert_eq!(text(b"MSH|a\r\n\r\nPID|1\nPV1|x"), Ok("MSH|a\rPID|1\rPV1|x\r".to_owned()));
        assert!(text(b"MSH|\xE9\r").unwrap_err().contains("not UTF-8"));
        assert!(text(b"MSH|\x01\r").unwrap_err().contains("0x01"));
    }
}
