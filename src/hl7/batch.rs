//! A file as messages: one, several back to back, or a batch in FHS, BHS, BTS and FTS.
//!
//! Source: guide 1.5, batch protocol (IZ-8 to IZ-11), which is for files only; MLLP framing, byte order marks, blank
//! lines and all three line ends are taken because real files have them.

use std::ops::Range;

use thiserror::Error;

use crate::hl7::message::{CDATA_START, FILE_SEPARATOR, begins_with, leading_blanks};
use crate::hl7::slice;

/// The segments around messages in a batch.
const ENVELOPE: [&[u8]; 4] = [b"FHS", b"BHS", b"BTS", b"FTS"];

/// One message of a file: every part can be read by [`Message::parse`](crate::hl7::Message::parse) unless it has too
/// many segments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its bytes, from MSH to the end of its last line that is not blank.
    pub bytes: &'a [u8],
    /// Where it begins in the file.
    pub offset: usize,
    /// The line it begins on, from 1.
    pub line: usize,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part(line {}, {} bytes)", self.line, self.bytes.len())
    }
}

/// Why a file, or a stretch of it, is no message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BatchError {
    /// It is something else than text.
    #[error("this is not text: no segment begins with MSH, and there are bytes that no text has")]
    Binary,
    /// There is nothing in it but white space.
    #[error("there is nothing in it")]
    Empty,
    /// A batch without a message.
    #[error("there is a batch header or trailer, but no message: no segment begins with MSH")]
    EmptyBatch,
    /// It is text without a message.
    #[error("there is no HL7 message in it: no line begins with MSH (in capitals)")]
    NoMessage,
    /// Text that belongs to no message, in front of the first or behind a batch trailer.
    #[error("line {line} belongs to no message: text that does not begin with MSH was skipped")]
    Stray {
        /// The first such line.
        line: usize,
    },
    /// It is encoded in UTF-16.
    #[error("this is UTF-16 text; save it as UTF-8")]
    Utf16,
}

/// The messages of a file in their order, and what was skipped. Time is linear in the bytes, and nothing is copied.
pub fn split(bytes: &[u8]) -> Parts<'_> {
    Parts { bytes, lines: Lines::of(bytes), open: None, state: State::Start }
}

/// The iterator of [`split`].
pub struct Parts<'a> {
    bytes: &'a [u8],
    lines: Lines<'a>,
    /// The message being read.
    open: Option<Open>,
    state: State,
}

/// A message whose end is not seen yet.
#[derive(Clone, Copy)]
struct Open {
    offset: usize,
    line: usize,
    /// Where its last line that is not blank ends.
    end: usize,
}

/// What has been seen so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but blank lines.
    Start,
    /// Text in front of the first message; the line it began on.
    Text(usize),
    /// Batch segments, and no message.
    Envelope,
    /// A message at least.
    Messages,
    /// Behind a message, text that belongs to none was told.
    Told,
    /// All was given.
    Done,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Start && is_utf16(self.bytes) {
            self.state = State::Done;
            return Some(Err(BatchError::Utf16));
        }
        while let Some(line) = self.lines.next() {
            if let Some(found) = self.line(&line) {
                return Some(found);
            }
        }
        self.end()
    }
}

impl<'a> Parts<'a> {
    /// How many line ends were passed.
    pub(super) fn line_ends(&self) -> usize {
        self.lines.ends()
    }

    /// Takes a line; gives what is complete by it.
    fn line(&mut self, line: &Line) -> Option<Result<Part<'a>, BatchError>> {
        let text = slice(self.bytes, line.text.clone());
        if begins_a_message(text) {
            let closed = self.close();
            self.open = Some(Open { offset: line.text.start, line: line.number, end: line.end });
            let before = std::mem::replace(&mut self.state, State::Messages);
            return match before {
                State::Text(line) => Some(Err(BatchError::Stray { line })),
                _ => closed,
            };
        }
        if ENVELOPE.iter().any(|name| begins_with(text, name)) {
            let closed = self.close();
            if self.state == State::Start {
                self.state = State::Envelope;
            }
            return closed;
        }
        if text.is_empty() {
            return None;
        }
        if let Some(open) = &mut self.open {
            open.end = line.end;
            return None;
        }
        match self.state {
            State::Start | State::Envelope => self.state = State::Text(line.number),
            State::Messages => {
                self.state = State::Told;
                return Some(Err(BatchError::Stray { line: line.number }));
            }
            State::Text(_) | State::Told | State::Done => {}
        }
        None
    }

    /// The message that was read.
    fn close(&mut self) -> Option<Result<Part<'a>, BatchError>> {
        let Open { offset, line, end } = self.open.take()?;
        Some(Ok(Part { bytes: slice(self.bytes, offset..end), offset, line }))
    }

    fn end(&mut self) -> Option<Result<Part<'a>, BatchError>> {
        let last = self.close();
        let nothing = match self.state {
            State::Start => Some(BatchError::Empty),
            State::Envelope => Some(BatchError::EmptyBatch),
            State::Text(_) if self.bytes.iter().any(|b| is_no_text(*b)) => Some(BatchError::Binary),
            State::Text(_) => Some(BatchError::NoMessage),
            State::Messages | State::Told | State::Done => None,
        };
        self.state = State::Done;
        last.or_else(|| nothing.map(Err))
    }
}

/// A line.
pub(super) struct Line {
    /// Without its end, and without blanks and framing characters in front.
    pub(super) text: Range<usize>,
    /// Behind its CR, LF or CR LF; in front of FS.
    pub(super) end: usize,
    number: usize,
}

/// Lines by CR, LF, CR LF, and MLLP's FS, which ends a message and does not count as a line.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines of bytes that begin with a line.
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, number: 1 }
    }

    /// How many line ends were passed.
    pub(super) const fn ends(&self) -> usize {
        self.number - 1
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let rest = slice(self.bytes, self.at..self.bytes.len());
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr3(b'\r', b'\n', FILE_SEPARATOR, rest);
        let end = self.at + length.unwrap_or(rest.len());
        let text = self.at + leading_blanks(slice(self.bytes, self.at..end));
        let (ending, ends_line) = match slice(self.bytes, end..self.bytes.len()) {
            [b'\r', b'\n', ..] => (2, true),
            [b'\r' | b'\n', ..] => (1, true),
            [] => (0, false),
            _ => (1, false),
        };
        let behind = if ends_line { end + ending } else { end };
        let line = Line { text: text..end, end: behind, number: self.number };
        self.at = end + ending;
        self.number += usize::from(ends_line);
        Some(line)
    }
}

/// Whether a line is MSH, perhaps behind a literal CDATA mark.
pub(super) fn begins_a_message(text: &[u8]) -> bool {
    let inner = text.strip_prefix(CDATA_START).unwrap_or(text);
    begins_with(slice(inner, leading_blanks(inner)..inner.len()), b"MSH")
}

fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..])
        || matches!(bytes, [b'M', 0, b'S', 0, ..] | [0, b'M', 0, b'S', ..])
}

/// A control character that no text file has.
fn is_no_text(byte: u8) -> bool {
    byte < b' '
        && !matches!(byte, b'\t' | b'\r' | b'\n' | 0x0B | 0x0C | 0x1A | 0x1B | FILE_SEPARATOR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hl7::Message;

    /// The bytes of each message as text, its line, or what is wrong.
    fn parts(text: &str) -> Vec<Result<(String, usize), BatchError>> {
        split(text.as_bytes())
            .map(|part| {
                part.map(|part| {
                    assert!(text.as_bytes()[part.offset..].starts_with(part.bytes));
                    (String::from_utf8_lossy(part.bytes).into_owned(), part.line)
                })
            })
            .collect()
    }

    fn good(text: &str, line: usize) -> (String, usize) {
        (text.to_owned(), line)
    }

    #[test]
    fn one_message_is_one_part() {
        assert_eq!(parts("MSH|A\rPID|1\r"), [Ok(good("MSH|A\rPID|1\r", 1))]);
        assert_eq!(parts("MSH"), [Ok(good("MSH", 1))]);
        assert_eq!(parts("\u{FEFF}MSH|A"), [Ok(good("MSH|A", 1))]);
    }

    #[test]
    fn messages_back_to_back_are_told_apart_with_their_lines() {
        assert_eq!(
            parts("\r\nMSH|A\r\nPID|1\r\n\r\nMSH|B\nPID|1\n\n  MSH|C\rPID"),
            [
                Ok(good("MSH|A\r\nPID|1\r\n", 2)),
                Ok(good("MSH|B\nPID|1\n", 5)),
                Ok(good("MSH|C\rPID", 8))
            ]
        );
    }

    #[test]
    fn a_batch_is_its_messages() {
        assert_eq!(
            parts("FHS|^~\\&\rBHS|^~\\&\rMSH|A\rPID\rMSH|B\rBTS|2\rBHS|\rMSH|C\rBTS|1\rFTS|2\r"),
            [Ok(good("MSH|A\rPID\r", 3)), Ok(good("MSH|B\r", 5)), Ok(good("MSH|C\r", 8))]
        );
    }

    #[test]
    fn mllp_frames_are_taken_off_with_and_without_a_line_end_between_them() {
        let with = parts("\u{B}MSH|A\rPID\r\u{1C}\r\u{B}MSH|B\r\u{1C}\r");
        let without = parts("\u{B}MSH|A\rPID\u{1C}\u{B}MSH|B\u{1C}");

        assert_eq!(with, [Ok(good("MSH|A\rPID\r", 1)), Ok(good("MSH|B\r", 4))]);
        assert_eq!(without, [Ok(good("MSH|A\rPID", 1)), Ok(good("MSH|B", 2))]);
    }

    #[test]
    fn a_literal_cdata_mark_belongs_to_its_message() {
        assert_eq!(parts("<![CDATA[MSH|A\rPID]]>"), [Ok(good("<![CDATA[MSH|A\rPID]]>", 1))]);
    }

    #[test]
    fn what_is_no_message_is_named() {
        let one = |error| vec![Err(error)];
        assert_eq!(parts(""), one(BatchError::Empty));
        assert_eq!(parts(" \r\n\t\n"), one(BatchError::Empty));
        assert_eq!(parts("MSHX|A\rPID"), one(BatchError::NoMessage));
        assert_eq!(parts("PK\u{3}\u{4}\0\0"), one(BatchError::Binary));
        assert_eq!(parts("FHS|\rBTS|0\r"), one(BatchError::EmptyBatch));
        assert_eq!(split(b"\xFF\xFEM\0").collect::<Vec<_>>(), [Err(BatchError::Utf16)]);
        assert_eq!(split(b"M\0S\0H\0|\0").collect::<Vec<_>>(), [Err(BatchError::Utf16)]);
    }

    #[test]
    fn text_outside_of_messages_is_told_and_the_messages_are_read() {
        assert_eq!(
            parts("\nHello,\nhere they are:\nMSH|A\nFTS|1\n\nBest\nwishes\nMSH|B\n"),
            [
                Err(BatchError::Stray { line: 2 }),
                Ok(good("MSH|A\n", 4)),
                Err(BatchError::Stray { line: 7 }),
                Ok(good("MSH|B\n", 9)),
            ]
        );
        assert_eq!(parts("BHS|\nHello\nMSH|A").first(), Some(&Err(BatchError::Stray { line: 2 })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_into_parts_that_each_are_one_message(
            bytes in proptest::collection::vec(
                prop_oneof![
                    any::<u8>().prop_map(|byte| vec![byte]),
                    proptest::sample::select(vec![
                        &b"MSH|"[..], b"MSH", b"PID|1", b"\r", b"\n", b"\x0B", b"\x1C", b" ", b"BTS|1", b"BHS|",
                        b"\xEF\xBB\xBF", b"<![CDATA[", b"]]>", b"x",
                    ]).prop_map(<[u8]>::to_vec),
                ],
                0..60,
            ).prop_map(|pieces| pieces.concat())
        ) {
            let mut reached = 0;
            for part in split(&bytes).flatten() {
                prop_assert!(part.offset >= reached);
                reached = part.offset + part.bytes.len();
                prop_assert_eq!(&bytes[part.offset..reached], part.bytes);
                prop_assert!(Message::parse(part.bytes).is_ok(), "{:?}", part.bytes);
            }
            prop_assert!(split(&bytes).next().is_some(), "a message, or the reason why there is none");
        }

        #[test]
        fn messages_are_found_whatever_stands_between_them(
            count in 1_usize..6,
            end in proptest::sample::select(vec!["\r", "\n", "\r\n"]),
            between in proptest::sample::select(vec!["", "\n\n", "\u{1C}\r\u{B}", "BTS|1\rBHS|^~\\&\r", " \t"]),
            front in proptest::sample::select(vec!["", "\u{FEFF}", "\u{B}", "\r\n", "FHS|^~\\&\rBHS|^~\\&\r"]),
        ) {
            let messages: Vec<String> =
                (0..count).map(|n| format!("MSH|^~\\&|{n}{end}PID|1{end}")).collect();
            let file = format!("{front}{}", messages.join(between));

            let found: Vec<Part<'_>> = split(file.as_bytes()).collect::<Result<_, _>>().unwrap();

            prop_assert_eq!(found.len(), count);
            for (part, message) in found.iter().zip(&messages) {
                let rest = part.bytes.strip_prefix(message.as_bytes());
                // A CR of the message and an LF behind it are one line end.
                prop_assert!(matches!(rest, Some(b"" | b"\n")));
            }
        }
    }
}
