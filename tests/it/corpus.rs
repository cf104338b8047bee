//! Every message at hand parses or fails as declared, and writes back byte for byte.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use izportal::hl7::{Header, Identifiers, Message, ParseError, Reply};

use crate::support::program::files_under;

/// How the files of a folder were read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    parsed: usize,
    batches: usize,
    without_header: usize,
    several: usize,
    too_large: usize,
}

impl Count {
    /// Reads one file as the Gateway would, and as a reply would be.
    fn read(&mut self, path: &Path) {
        let bytes = fs::read(path).unwrap();
        let outcome = catch_unwind(|| {
            let _ = Reply::read(&bytes); // most are no replies; it must not panic
            Message::parse(&bytes).map(|message| {
                let _ = (Header::of(&message), Identifiers::of(&message).candidates().len());
                message.to_bytes()
            })
        });
        match outcome.unwrap_or_else(|_| panic!("{} panics", path.display())) {
            Ok(written) => {
                assert!(written == bytes, "{} is not written as it was read", path.display());
                self.parsed += 1;
            }
            Err(ParseError::Batch) => self.batches += 1,
            Err(ParseError::NoHeader) => self.without_header += 1,
            Err(ParseError::SeveralMessages) => self.several += 1,
            Err(ParseError::TooLarge | ParseError::TooManySegments) => self.too_large += 1,
        }
    }
}

fn read_all(files: &[PathBuf]) -> Count {
    let mut count = Count::default();
    for file in files {
        count.read(file);
    }
    count
}

#[test]
fn every_fixture_is_one_message_and_is_written_as_it_was_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hl7");
    let files = files_under(&folder);

    let count = read_all(&files);

    assert!(files.len() >= 12, "{} fixtures", files.len());
    assert_eq!(count, Count { parsed: files.len(), ..Count::default() });
}

#[test]
fn every_message_of_the_shared_corpus_is_read_as_declared() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/messages");
    if !folder.is_dir() {
        eprintln!("NOT RUN: the corpus of messages is not at {}", folder.display());
        return;
    }
    let mut files = files_under(&folder);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "hl7"));

    let count = read_all(&files);

    eprintln!("corpus: {} files, {count:?}", files.len());
    assert!(count.parsed >= 2_000, "{count:?}");
    assert_eq!(count.too_large, 0, "{count:?}");
}

#[test]
fn every_message_of_a_bulk_file_is_one_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/messages/bulk");
    if !folder.is_dir() {
        eprintln!("NOT RUN: the bulk files are not at {}", folder.display());
        return;
    }
    let mut read = 0;
    for file in files_under(&folder) {
        let bytes = fs::read(&file).unwrap();
        let starts: Vec<usize> = bytes
            .windows(4)
            .enumerate()
            .filter(|(at, window)| {
                *window == b"MSH|" && (*at == 0 || matches!(bytes[at - 1], b'\r' | b'\n'))
            })
            .map(|(at, _)| at)
            .collect();
        for (n, start) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().unwrap_or(bytes.len());
            let one = &bytes[*start..end];
            match Message::parse(one) {
                Ok(message) => assert!(message.to_bytes() == one, "{} at {start}", file.display()),
                Err(error) => panic!("{} at {start}: {error}", file.display()),
            }
            read += 1;
        }
    }

    eprintln!("bulk: {read} messages");
    assert!(read >= 4_000, "{read} messages were read");
}
