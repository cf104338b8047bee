//! A text of any length as messages: it is read in pieces and cut where a line begins with MSH, so that no more than a
//! piece, or the longest message, is in memory.

use std::collections::VecDeque;
use std::io::{self, Read};

use thiserror::Error;

use crate::hl7::batch::{BatchError, Lines, begins_a_message, split};
use crate::hl7::slice;

/// Bytes that are read at one time.
const PIECE: usize = 256 * 1024;

/// One message of a stream, with bytes of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Streamed {
    /// Its bytes, as those of a [`Part`](crate::hl7::Part).
    pub bytes: Vec<u8>,
    /// Where it begins in the stream, in bytes.
    pub offset: u64,
    /// The line it begins on, from 1.
    pub line: usize,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streamed(line {}, {} bytes)", self.line, self.bytes.len())
    }
}

/// Why a stream, or a stretch of it, is no message.
#[derive(Debug, Error)]
pub enum StreamError {
    /// As for a file that is read at once.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It cannot be read on.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// A message is longer than the bound.
    #[error("the message on line {line} is longer than {longest} bytes and was skipped")]
    TooLong {
        /// The line it begins on.
        line: usize,
        /// The bound, in bytes.
        longest: usize,
    },
}

/// The messages of a stream in their order, and what was skipped: what [`split`] says of all of its bytes, but for messages
/// that are longer than a bound.
pub struct Stream<R> {
    reader: R,
    longest: usize,
    buffer: Vec<u8>,
    /// Where the buffer begins in the stream.
    offset: u64,
    /// The number of the line that the buffer begins in.
    line: usize,
    skipping: Skipping,
    /// Nothing more is read.
    ended: bool,
    /// Something was told of it.
    told: bool,
    ready: VecDeque<Result<Streamed, StreamError>>,
}

/// Whether what comes next belongs to something that is too long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skipping {
    /// It does not.
    No,
    /// It does, up to the next line that begins a message.
    Lines,
    /// It does, and the buffer begins in the midst of a line.
    MidLine,
}

impl<R: Read> Stream<R> {
    /// The messages of a reader, each of at most `longest` bytes.
    pub fn new(reader: R, longest: usize) -> Self {
        Self {
            reader,
            longest,
            buffer: vec![],
            offset: 0,
            line: 1,
            skipping: Skipping::No,
            ended: false,
            told: false,
            ready: VecDeque::new(),
        }
    }

    /// Reads until something can be told, or to the end.
    fn advance(&mut self) -> io::Result<()> {
        while self.ready.is_empty() && !(self.ended && self.buffer.is_empty() && self.told) {
            self.read()?;
            if !self.skip() {
                if self.ended && self.told {
                    return Ok(());
                }
                continue;
            }
            let cut = if self.ended { Some(self.buffer.len()) } else { last_start(&self.buffer) };
            match cut {
                Some(cut) => self.tell(cut),
                None if self.buffer.len() > self.longest => self.too_long(),
                None => {}
            }
        }
        Ok(())
    }

    /// Reads once.
    fn read(&mut self) -> io::Result<()> {
        let held = self.buffer.len();
        self.buffer.resize(held + PIECE, 0);
        let read = loop {
            match self.reader.read(self.buffer.get_mut(held..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(held + read.as_ref().copied().unwrap_or(0));
        self.ended = read? == 0;
        Ok(())
    }

    /// Tells what stands in front of `cut`.
    fn tell(&mut self, cut: usize) {
        let piece = slice(&self.buffer, 0..cut);
        let (before, longest) = (self.line - 1, self.longest);
        let mut parts = split(piece);
        for part in parts.by_ref() {
            let found = match part {
                Ok(part) if part.bytes.len() > longest => {
                    Err(StreamError::TooLong { line: before + part.line, longest })
                }
                Ok(part) => Ok(Streamed {
                    bytes: part.bytes.to_vec(),
                    offset: self.offset.saturating_add(length(part.offset)),
                    line: before + part.line,
                }),
                Err(BatchError::Stray { line }) => {
                    Err(BatchError::Stray { line: before + line }.into())
                }
                // That there is no message is said of the whole stream only.
                Err(_) if self.told => continue,
                Err(error) => Err(error.into()),
            };
            self.told = true;
            self.ready.push_back(found);
        }
        let line_ends = parts.line_ends();
        self.drop_front(cut, line_ends);
    }

    /// The buffer holds no two messages and is longer than one may be.
    fn too_long(&mut self) {
        let error = if let Some((start, line_ends)) = first_start(&self.buffer) {
            let line = self.line + line_ends;
            // Behind its name the line goes on, and begins nothing.
            self.drop_front(start + b"MSH".len(), line_ends);
            self.skipping = Skipping::MidLine;
            StreamError::TooLong { line, longest: self.longest }
        } else {
            self.skipping = Skipping::Lines;
            split(&self.buffer).find_map(Result::err).unwrap_or(BatchError::NoMessage).into()
        };
        self.told = true;
        self.ready.push_back(Err(error));
    }

    /// Passes over what belongs to something that is too long; whether its end was found, or none was sought.
    fn skip(&mut self) -> bool {
        if self.skipping == Skipping::MidLine {
            let end = memchr::memchr2(b'\r', b'\n', &self.buffer);
            let Some(end) = end.filter(|end| end + 1 < self.buffer.len()) else {
                // A CR at the end stays: an LF may follow.
                let keep = usize::from(end.is_some() && !self.ended);
                self.drop_front(self.buffer.len() - keep, 0);
                return false;
            };
            let both = slice(&self.buffer, end..end + 2) == b"\r\n";
            self.drop_front(end + 1 + usize::from(both), 1);
            self.skipping = Skipping::Lines;
        }
        if self.skipping == Skipping::No {
            return true;
        }
        let start = first_start(&self.buffer);
        let whole = |(start, _): &(usize, usize)| {
            self.ended
                || memchr::memchr2(b'\r', b'\n', slice(&self.buffer, *start..self.buffer.len()))
                    .is_some()
        };
        if let Some((start, line_ends)) = start.filter(whole) {
            self.skipping = Skipping::No;
            self.drop_front(start, line_ends);
            return true;
        }
        let (last, line_ends) = last_line(&self.buffer);
        if self.ended || self.buffer.len() - last > self.longest {
            self.skipping = Skipping::MidLine;
            self.drop_front(self.buffer.len(), line_ends);
        } else {
            self.drop_front(last, line_ends);
        }
        false
    }

    fn drop_front(&mut self, bytes: usize, line_ends: usize) {
        self.buffer.drain(..bytes.min(self.buffer.len()));
        self.offset = self.offset.saturating_add(length(bytes));
        self.line += line_ends;
    }
}

impl<R: Read> Iterator for Stream<R> {
    type Item = Result<Streamed, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && let Err(error) = self.advance()
        {
            (self.ended, self.told) = (true, true);
            self.buffer.clear();
            return Some(Err(StreamError::Read(error)));
        }
        self.ready.pop_front()
    }
}

/// Where the last whole line that begins a message begins, unless it is the first one.
fn last_start(buffer: &[u8]) -> Option<usize> {
    let mut starts = Lines::of(buffer)
        .filter(|line| line.end < buffer.len())
        .filter(|line| begins_a_message(slice(buffer, line.text.clone())))
        .map(|line| line.text.start);
    starts.next()?;
    starts.last()
}

/// Where the first line that begins a message begins, and how many line ends are in front of it.
fn first_start(buffer: &[u8]) -> Option<(usize, usize)> {
    let mut lines = Lines::of(buffer);
    loop {
        let passed = lines.ends();
        let line = lines.next()?;
        if begins_a_message(slice(buffer, line.text.clone())) {
            return Some((line.text.start, passed));
        }
    }
}

/// Where the last line begins, and how many line ends are in front of it.
fn last_line(buffer: &[u8]) -> (usize, usize) {
    let mut lines = Lines::of(buffer);
    let mut last = (0, 0);
    loop {
        let passed = lines.ends();
        let Some(line) = lines.next() else { return last };
        last = (line.text.start, passed);
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives so many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// Each message as text with its offset and line, or what is wrong.
    fn told<R: Read>(stream: Stream<R>) -> Vec<Result<(String, u64, usize), String>> {
        stream
            .map(|one| {
                one.map(|one| {
                    (String::from_utf8_lossy(&one.bytes).into_owned(), one.offset, one.line)
                })
                .map_err(|error| error.to_string())
            })
            .collect()
    }

    /// The same of all bytes at once.
    fn at_once(bytes: &[u8]) -> Vec<Result<(String, u64, usize), String>> {
        split(bytes)
            .map(|part| {
                part.map(|part| {
                    let text = String::from_utf8_lossy(part.bytes).into_owned();
                    (text, length(part.offset), part.line)
                })
                .map_err(|error| error.to_string())
            })
            .collect()
    }

    fn many(count: usize) -> String {
        let one = |n| ["MSH|^~\\&|", "\r\nPID|", &"x".repeat(n % 700), "\r\n"].concat();
        (0..count).map(one).collect()
    }

    #[test]
    fn a_long_text_is_told_as_if_it_were_read_at_once() {
        let text = format!("FHS|^~\\&\r\nBHS|^~\\&\r\n{}BTS|1\r\nFTS|1\r\nbye\r\n", many(5_000));

        let found = told(Stream::new(text.as_bytes(), 4096));

        assert_eq!(found.len(), 5_001, "and the stray line");
        assert_eq!(found, at_once(text.as_bytes()));
    }

    #[test]
    fn a_message_that_is_too_long_is_told_and_the_others_are_read() {
        let long = format!("MSH|^~\\&|long\rOBX|{}\r", "MSH|".repeat(300_000));
        let text = format!("MSH|a\rPID|1\r{long}OBX|2\rMSH|b\rPID|2\r");

        let found = told(Stream::new(text.as_bytes(), 100_000));

        let skipped = "the message on line 3 is longer than 100000 bytes and was skipped";
        let last = length(text.len() - "MSH|b\rPID|2\r".len());
        assert_eq!(
            found,
            [
                Ok(("MSH|a\rPID|1\r".to_owned(), 0, 1)),
                Err(skipped.to_owned()),
                Ok(("MSH|b\rPID|2\r".to_owned(), last, 6))
            ]
        );
    }

    #[test]
    fn a_stream_without_a_message_is_told_once() {
        let endless = vec![0_u8; 3 << 20];
        let found = told(Stream::new(endless.as_slice(), 100_000));
        assert_eq!(found, [Err(BatchError::Binary.to_string())]);
        assert_eq!(told(Stream::new(&b""[..], 10)), [Err(BatchError::Empty.to_string())]);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_ends_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let found = told(Stream::new((&b"MSH|a\r"[..]).chain(Broken), 10));
        assert_eq!(found, [Err("it cannot be read: the disk is gone".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_told_as_if_they_were_read_at_once(
            bytes in proptest::collection::vec(
                proptest::sample::select(vec![
                    &b"MSH|a"[..], b"MSH", b"PID|1", b"\r", b"\n", b"\r\n", b"\x0B", b"\x1C", b" ", b"BTS|1", b"BHS|",
                    b"\xEF\xBB\xBF", b"<![CDATA[", b"]]>", b"x", b"\0",
                ]),
                0..80,
            ).prop_map(|pieces| pieces.concat()),
            drip in 1_usize..20,
        ) {
            prop_assert_eq!(told(Stream::new(Drip(&bytes, drip), 1 << 20)), at_once(&bytes));
        }

        #[test]
        fn no_bound_makes_a_stream_run_for_ever(
            bytes in proptest::collection::vec(
                proptest::sample::select(vec![&b"MSH|a"[..], b"PID|1", b"\r", b"\n", b"\r\n", b"\x1C", b"xyz"]),
                0..80,
            ).prop_map(|pieces| pieces.concat()),
            longest in 1_usize..40,
        ) {
            let found = told(Stream::new(bytes.as_slice(), longest));
            prop_assert!(!found.is_empty());
        }
    }
}
