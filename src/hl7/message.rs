//! One message as byte spans: read in one pass, split further only where it is looked at.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use memchr::memchr3_iter;
use thiserror::Error;

use crate::hl7::delimiters::{DelimiterFault, Delimiters};
use crate::hl7::framing::{Framing, Note};
use crate::hl7::path::{Location, SegmentName};
use crate::hl7::view::{Segment, Value, shown};
use crate::hl7::{index, slice};

/// The most segments one message may have.
pub const MAXIMUM_SEGMENTS: usize = 10_000;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const CDATA_END: &[u8] = b"]]>";
pub(super) const CDATA_START: &[u8] = b"<![CDATA[";
pub(super) const FILE_SEPARATOR: u8 = 0x1C;
const VERTICAL_TAB: u8 = 0x0B;

/// One HL7 v2 message over the bytes it came in.
///
/// Segments and fields are known after [`Message::parse`]; repetitions, components and subcomponents are split when
/// asked for. Offsets count from the first byte of the input. Numbers of fields and their parts begin with 1.
#[derive(Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    body: Range<usize>,
    delimiters: Delimiters,
    delimiter_fault: Option<DelimiterFault>,
    framing: Framing,
    segments: Vec<SegmentSpan>,
    /// Offsets of all field separators, in order.
    marks: Vec<u32>,
}

/// Where one segment lies, without its terminator and the blanks around it.
#[derive(Clone, Copy)]
pub(super) struct SegmentSpan {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Its field separators: a range of `Message::marks`.
    pub(super) marks: (u32, u32),
    /// Three zero bytes when the name has another length than three.
    pub(super) name: [u8; 3],
    pub(super) occurrence: u32,
}

/// Why bytes are not one message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// It begins with FHS or BHS.
    #[error("a batch is not one message")]
    Batch,
    /// It does not begin with MSH.
    #[error("the message does not begin with MSH")]
    NoHeader,
    /// A second MSH begins a segment.
    #[error("there is more than one message")]
    SeveralMessages,
    /// It is longer than offsets can tell (4 GiB).
    #[error("the message is too large")]
    TooLarge,
    /// It has more than [`MAXIMUM_SEGMENTS`].
    #[error("the message has more than {MAXIMUM_SEGMENTS} segments")]
    TooManySegments,
}

impl<'a> Message<'a> {
    /// Reads one message, in one pass, without copying.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(ParseError::TooLarge);
        }
        let wrapped = Unwrapped::of(bytes);
        let content = slice(bytes, wrapped.content.clone());
        if !begins_with(content, b"MSH") {
            let batch = begins_with(content, b"FHS") || begins_with(content, b"BHS");
            return Err(if batch { ParseError::Batch } else { ParseError::NoHeader });
        }
        let (delimiters, delimiter_fault) = Delimiters::read(content);
        let message = Self {
            bytes,
            body: wrapped.content.start..wrapped.body_end,
            delimiters,
            delimiter_fault,
            framing: wrapped.framing,
            segments: Vec::with_capacity(content.len() / 64 + 4),
            marks: Vec::with_capacity(content.len() / 6 + 8),
        };
        message.scan(&wrapped)
    }

    /// The input, unchanged.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The message proper: from MSH to the terminator of the last segment, without byte order mark, MLLP characters
    /// or CDATA wrapper.
    pub fn body(&self) -> &'a [u8] {
        slice(self.bytes, self.body.clone())
    }

    /// Appends the message as it came, rebuilt from segments, separators and fields.
    ///
    /// Law: for every `x` that parses, the bytes written are `x`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes.len());
        let mut cursor = 0;
        for span in &self.segments {
            out.extend_from_slice(slice(self.bytes, cursor..index(span.start)));
            cursor = index(span.start);
            for mark in self.marks_of(span) {
                out.extend_from_slice(slice(self.bytes, cursor..index(*mark)));
                out.push(self.delimiters.field);
                cursor = index(*mark) + 1;
            }
            out.extend_from_slice(slice(self.bytes, cursor..index(span.end)));
            cursor = index(span.end);
        }
        out.extend_from_slice(slice(self.bytes, cursor..self.bytes.len()));
    }

    /// What [`Message::write`] writes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The delimiters that split this message: those it states, as far as they are usable.
    #[inline]
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// What is wrong with the delimiters that it states.
    pub fn delimiter_fault(&self) -> Option<DelimiterFault> {
        self.delimiter_fault
    }

    /// What was tolerated around and between the segments.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// All segments in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_, 'a>> + DoubleEndedIterator {
        self.segments.iter().enumerate().map(|(n, span)| Segment::new(self, span, n))
    }

    /// The first segment of that name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_, 'a>> {
        self.segments_named(name).next()
    }

    /// All segments of that name, in order.
    pub fn segments_named<'m>(
        &'m self,
        name: &str,
    ) -> impl Iterator<Item = Segment<'m, 'a>> + use<'m, 'a> {
        let name = SegmentName::new(name).bytes();
        self.segments
            .iter()
            .enumerate()
            .filter(move |(_, span)| span.name == name)
            .map(|(n, span)| Segment::new(self, span, n))
    }

    /// The value at a location; `Absent` when the segment is not there.
    ///
    /// Without field it is the whole segment; absent parts of the location are not split.
    pub fn at(&self, location: &Location) -> Value<'a> {
        let found = self
            .segments
            .iter()
            .enumerate()
            .find(|(_, span)| {
                span.name == location.segment.bytes()
                    && span.occurrence == u32::from(location.sequence)
            })
            .map(|(n, span)| Segment::new(self, span, n));
        found.map_or(Value::Absent, |segment| segment.at(location))
    }

    /// Line and column of a byte, both from 1; the column counts bytes. CR, LF and CR LF end a line.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = slice(self.bytes, 0..offset.min(self.bytes.len()));
        let mut line = 1;
        let mut start = 0;
        for at in memchr::memchr2_iter(b'\r', b'\n', before) {
            let second_half =
                before.get(at) == Some(&b'\n') && at > 0 && before.get(at - 1) == Some(&b'\r');
            if !second_half {
                line += 1;
            }
            start = at + 1;
        }
        (line, before.len() - start + 1)
    }

    /// The offsets of the field separators of one segment.
    #[inline]
    pub(super) fn marks_of(&self, span: &SegmentSpan) -> &[u32] {
        self.marks.get(index(span.marks.0)..index(span.marks.1)).unwrap_or_default()
    }

    /// The pass over the content: every separator is a mark, every terminator closes a segment.
    fn scan(mut self, wrapped: &Unwrapped) -> Result<Self, ParseError> {
        let Range { start, end } = wrapped.content;
        let field = self.delimiters.field;
        let mut terminators = wrapped.last;
        let mut line = start;
        for at in memchr3_iter(field, b'\r', b'\n', slice(self.bytes, start..end)) {
            let at = start + at;
            match self.bytes.get(at) {
                Some(b'\r') => terminators.add(Terminators::of(slice(self.bytes, at..end))),
                Some(b'\n') if at == line && self.bytes.get(at.wrapping_sub(1)) == Some(&b'\r') => {
                    line = at + 1;
                    continue;
                }
                Some(b'\n') => terminators.lf = true,
                _ => {
                    self.marks.push(u32::try_from(at).unwrap_or(u32::MAX));
                    continue;
                }
            }
            self.close(line, at)?;
            line = at + 1;
        }
        self.close(line, end)?;
        terminators.note(&mut self.framing);
        count_occurrences(&mut self.segments);
        Ok(self)
    }

    /// Adds the segment on one line; its field separators are the marks since the last one.
    fn close(&mut self, start: usize, end: usize) -> Result<(), ParseError> {
        let line = slice(self.bytes, start..end);
        let lead = leading_blanks(line);
        let text = slice(line, lead..line.len());
        if text.is_empty() {
            self.framing.add(Note::BlankLines);
            return Ok(());
        }
        if lead > 0 {
            self.framing.add(Note::IndentedSegments);
        }
        let trail = text.iter().rev().take_while(|b| is_blank(**b)).count();
        if trail > 0 {
            self.framing.add(Note::TrailingSpaces);
        }
        if self.segments.len() == MAXIMUM_SEGMENTS {
            return Err(ParseError::TooManySegments);
        }
        if !self.segments.is_empty() && begins_with(text, b"MSH") {
            return Err(ParseError::SeveralMessages);
        }
        let (start, end) = (start + lead, end - trail);
        let first = self.segments.last().map_or(0, |span| span.marks.1);
        let name_end = self.marks.get(index(first)).map_or(end, |mark| index(*mark));
        let name = match self.segments.first() {
            None => *b"MSH",
            Some(_) => <[u8; 3]>::try_from(slice(self.bytes, start..name_end)).unwrap_or_default(),
        };
        self.segments.push(SegmentSpan {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
            marks: (first, u32::try_from(self.marks.len()).unwrap_or(u32::MAX)),
            name,
            occurrence: 1,
        });
        Ok(())
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.segment("MSH").map(|header| header.field(9));
        let part = |n| kind.map_or("", |kind| shown(kind.component(n).bytes()));
        write!(f, "Message({}^{}, {} segments)", part(1), part(2), self.segments.len())
    }
}

/// The input without what stands around the message.
struct Unwrapped {
    /// From MSH to the last byte that is neither white space nor wrapper.
    content: Range<usize>,
    /// Behind the terminator of the last segment.
    body_end: usize,
    framing: Framing,
    /// The terminator of the last segment.
    last: Terminators,
}

impl Unwrapped {
    fn of(bytes: &[u8]) -> Self {
        let mut framing = Framing::default();
        let start = Self::front(bytes, &mut framing);
        let cdata = framing.has(Note::CdataLiteral);
        let mut end = bytes.len();
        let mut wrapper = end;
        while let Some((last, rest)) = slice(bytes, start..end).split_last() {
            let cut = match last {
                b'\r' | b'\n' | b' ' | b'\t' | &FILE_SEPARATOR => 1,
                b'>' if cdata && rest.ends_with(b"]]") => CDATA_END.len(),
                _ => break,
            };
            end -= cut;
            if *last == FILE_SEPARATOR {
                framing.add(Note::Mllp);
            }
            if *last == FILE_SEPARATOR || *last == b'>' {
                wrapper = end;
            }
        }
        let mut found =
            Self { content: start..end, body_end: end, framing, last: Terminators::default() };
        found.back(slice(bytes, end..wrapper));
        found
    }

    /// The offset of the first byte of the message proper.
    fn front(bytes: &[u8], framing: &mut Framing) -> usize {
        let mut rest = bytes;
        loop {
            if let Some(after) = rest.strip_prefix(BYTE_ORDER_MARK) {
                framing.add(Note::ByteOrderMark);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(CDATA_START) {
                framing.add(Note::CdataLiteral);
                rest = after;
            } else {
                match rest.split_first() {
                    Some((&VERTICAL_TAB, after)) => {
                        framing.add(Note::Mllp);
                        rest = after;
                    }
                    Some((b' ' | b'\t' | b'\r' | b'\n', after)) => {
                        framing.add(Note::LeadingSpace);
                        rest = after;
                    }
                    _ => return bytes.len() - rest.len(),
                }
            }
        }
    }

    /// What stands between the content and the wrapper: blanks, a terminator, blank lines.
    fn back(&mut self, tail: &[u8]) {
        let blanks = tail.iter().take_while(|b| is_blank(**b)).count();
        let rest = slice(tail, blanks..tail.len());
        if blanks > 0 {
            self.framing.add(Note::TrailingSpaces);
        }
        self.last = Terminators::of(rest);
        let length = self.last.length();
        if length == 0 {
            self.framing.add(Note::NoFinalTerminator);
            return;
        }
        self.body_end += blanks + length;
        if rest.len() > length {
            self.framing.add(Note::BlankLines);
        }
    }
}

/// The kinds of segment terminators seen.
#[derive(Clone, Copy, Default)]
struct Terminators {
    cr: bool,
    lf: bool,
    crlf: bool,
}

impl Terminators {
    /// The kind that `rest` begins with.
    fn of(rest: &[u8]) -> Self {
        match rest {
            [b'\r', b'\n', ..] => Self { crlf: true, ..Self::default() },
            [b'\r', ..] => Self { cr: true, ..Self::default() },
            [b'\n', ..] => Self { lf: true, ..Self::default() },
            _ => Self::default(),
        }
    }

    fn add(&mut self, other: Self) {
        self.cr |= other.cr;
        self.lf |= other.lf;
        self.crlf |= other.crlf;
    }

    fn length(self) -> usize {
        if self.crlf { 2 } else { usize::from(self.cr || self.lf) }
    }

    fn note(self, framing: &mut Framing) {
        if self.lf {
            framing.add(Note::LineFeed);
        }
        if self.crlf {
            framing.add(Note::CrLf);
        }
        if u8::from(self.cr) + u8::from(self.lf) + u8::from(self.crlf) > 1 {
            framing.add(Note::MixedTerminators);
        }
    }
}

/// Numbers the segments of each name. The few names of a usual message are looked for one by one; a hostile one must
/// not make that quadratic.
fn count_occurrences(segments: &mut [SegmentSpan]) {
    let mut names: Vec<([u8; 3], u32)> = Vec::with_capacity(16);
    let mut rare: HashMap<[u8; 3], u32> = HashMap::new();
    for span in segments {
        if let Some((_, count)) = names.iter_mut().find(|(name, _)| *name == span.name) {
            *count += 1;
            span.occurrence = *count;
        } else if names.len() < 32 {
            names.push((span.name, 1));
        } else {
            let count = rare.entry(span.name).or_default();
            *count += 1;
            span.occurrence = *count;
        }
    }
}

/// True when a line is a segment of that name, whatever its field separator.
pub(super) fn begins_with(line: &[u8], name: &[u8]) -> bool {
    line.strip_prefix(name).is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
}

/// How many bytes at the start of a line are blanks, framing characters or a byte order mark.
pub(super) fn leading_blanks(line: &[u8]) -> usize {
    let mut rest = line;
    loop {
        match rest {
            [b' ' | b'\t' | 0x0C | VERTICAL_TAB | FILE_SEPARATOR, after @ ..]
            | [0xEF, 0xBB, 0xBF, after @ ..] => {
                rest = after;
            }
            _ => return line.len() - rest.len(),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hl7::header::{Header, Identifiers};

    const VXU: &[u8] =
        b"MSH|^~\\&|EHR|DE-000001||CAIRBA|20260301120000-0800||VXU^V04^VXU_V04|1|T|2.5.1\r\
        PID|1||77^^^EHR^MR~78^^^EHR&1.2&ISO^SR||Poe^Ann\"\"|\"\"|  ||\r\
        ORC|RE\rRXA|0|1|20260301\rORC|RE\rRXA|0|1|20260302\r";

    fn notes(bytes: &[u8]) -> Vec<Note> {
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.to_bytes(), bytes);
        message.framing().notes().collect()
    }

    /// Looks at everything there is.
    fn walk(message: &Message<'_>) {
        for segment in message.segments() {
            let _ = (segment.name(), segment.span(), format!("{segment:?}"));
            for number in 0..segment.field_count() + 2 {
                let field = segment.field(number);
                assert_eq!(field.bytes(), slice(message.bytes(), field.range()));
                for repetition in field.repetitions() {
                    for component in repetition.components() {
                        assert_eq!(component.bytes(), slice(message.bytes(), component.range()));
                        for subcomponent in component.subcomponents() {
                            let _ = (subcomponent.value(), subcomponent.range());
                        }
                    }
                }
                let here = segment.location().field(1).repetition(2).component(3).subcomponent(4);
                let _ = (field.value(), field.component(2).subcomponent(1), message.at(&here));
            }
        }
        let _ = (format!("{message:?}"), Header::of(message), Identifiers::of(message));
        let _ = message.position(message.bytes().len() / 2);
    }

    #[test]
    fn fields_are_numbered_as_in_the_standard() {
        let message = Message::parse(VXU).unwrap();
        let header = message.segment("MSH").unwrap();
        let patient = message.segment("PID").unwrap();

        assert_eq!(header.field(1).bytes(), b"|");
        assert_eq!(header.field(2).value(), Value::Text(b"^~\\&"));
        assert_eq!(header.field(4).bytes(), b"DE-000001");
        assert_eq!(header.field_count(), 12);
        assert_eq!(patient.field(1).bytes(), b"1");
        assert_eq!(patient.field(3).repetition(2).component(4).subcomponent(2).bytes(), b"1.2");
        assert_eq!(patient.field(3).component(5).bytes(), b"MR");
        assert_eq!(patient.field(3).repetitions().count(), 2);
    }

    #[test]
    fn absent_empty_null_blank_and_text_are_told_apart() {
        let message = Message::parse(VXU).unwrap();
        let patient = message.segment("PID").unwrap();

        assert_eq!(patient.field(4).value(), Value::Empty);
        assert_eq!(patient.field(6).value(), Value::Null);
        assert_eq!(patient.field(7).value(), Value::Blank);
        assert_eq!(patient.field(9).value(), Value::Empty);
        assert_eq!(patient.field(10).value(), Value::Absent);
        assert_eq!(patient.field(0).value(), Value::Absent);
        assert_eq!(patient.field(5).component(2).value(), Value::Text(b"Ann\"\""));
        assert_eq!(patient.field(5).component(3).value(), Value::Absent);
        assert_eq!(patient.field(3).component(2).value(), Value::Empty);
    }

    #[test]
    fn a_field_of_nothing_but_delimiters_is_empty() {
        let message = Message::parse(b"MSH|^~\\&\rPID|^^&~^|\r").unwrap();

        assert_eq!(message.segment("PID").unwrap().field(1).value(), Value::Empty);
    }

    #[test]
    fn occurrences_count_in_the_whole_message() {
        let message = Message::parse(VXU).unwrap();
        let doses: Vec<_> = message.segments_named("RXA").collect();

        assert_eq!(doses.iter().map(Segment::occurrence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(doses.iter().map(Segment::index).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(message.at(&"RXA[2]-3".parse().unwrap()), Value::Text(b"20260302"));
        assert_eq!(message.at(&"PID-3[2].4.2".parse().unwrap()), Value::Text(b"1.2"));
        assert_eq!(message.at(&"RXA[3]-3".parse().unwrap()), Value::Absent);
    }

    #[test]
    fn every_tolerated_framing_is_noted_and_written_back() {
        assert_eq!(notes(b"MSH|^~\\&|A\rPID|1\r"), []);
        assert_eq!(notes(b"MSH|^~\\&|A\nPID|1\n"), [Note::LineFeed]);
        assert_eq!(notes(b"MSH|^~\\&|A\r\nPID|1\r\n"), [Note::CrLf]);
        assert_eq!(notes(b"MSH|^~\\&|A\r\nPID|1\r"), [Note::CrLf, Note::MixedTerminators]);
        assert_eq!(notes(b"MSH|^~\\&|A\rPID|1"), [Note::NoFinalTerminator]);
        assert_eq!(notes(b"\n  MSH|^~\\&|A\r"), [Note::LeadingSpace]);
        assert_eq!(notes(b"\xEF\xBB\xBFMSH|^~\\&|A\r"), [Note::ByteOrderMark]);
        assert_eq!(notes(b"\x0BMSH|^~\\&|A\r\x1C\r"), [Note::Mllp]);
        assert_eq!(notes(b"MSH|^~\\&|A\r\rPID|1\r"), [Note::BlankLines]);
        assert_eq!(notes(b"MSH|^~\\&|A\rPID|1\r\r\r"), [Note::BlankLines]);
        assert_eq!(notes(b"MSH|^~\\&|A  \rPID|1\r"), [Note::TrailingSpaces]);
        assert_eq!(notes(b"MSH|^~\\&|A\r  PID|1\r"), [Note::IndentedSegments]);
        assert_eq!(notes(b"<![CDATA[MSH|^~\\&|A\r]]>"), [Note::CdataLiteral]);
    }

    #[test]
    fn the_body_is_the_message_without_its_wrapper() {
        let cases: [&[u8]; 6] = [
            b"MSH|^~\\&|A\rPID|1\r",
            b"<![CDATA[MSH|^~\\&|A\rPID|1\r]]>",
            b" \n<![CDATA[\nMSH|^~\\&|A\rPID|1\r\n]]>\n ",
            b"\x0BMSH|^~\\&|A\rPID|1\r\x1C\r",
            b"\xEF\xBB\xBFMSH|^~\\&|A\rPID|1\r\r\r",
            b"\xEF\xBB\xBF<![CDATA[\x0BMSH|^~\\&|A\rPID|1\r\x1C]]>",
        ];

        for case in cases {
            let message = Message::parse(case).unwrap();
            let body = message.body().strip_suffix(b"\n").unwrap_or_else(|| message.body());
            assert_eq!(body, b"MSH|^~\\&|A\rPID|1\r");
            assert_eq!(message.segment("PID").unwrap().field(1).bytes(), b"1");
            assert_eq!(message.to_bytes(), case);
        }
    }

    #[test]
    fn what_is_not_one_message_is_refused() {
        let cases: [(&[u8], ParseError); 9] = [
            (b"", ParseError::NoHeader),
            (b"PID|1\r", ParseError::NoHeader),
            (b"MSHA|1\r", ParseError::NoHeader),
            (b"<soap>MSH|", ParseError::NoHeader),
            (b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&\r", ParseError::Batch),
            (b"\x0BBHS|^~\\&\rMSH|^~\\&\r", ParseError::Batch),
            (b"MSH|^~\\&|A\rMSH|^~\\&|B\r", ParseError::SeveralMessages),
            (b"MSH|^~\\&|A\r\x1C\r\x0BMSH|^~\\&|B\r", ParseError::SeveralMessages),
            (b"MSH|^~\\&|A\rMSH#^~\\&#B\r", ParseError::SeveralMessages),
        ];

        for (bytes, expected) in cases {
            assert_eq!(Message::parse(bytes).unwrap_err(), expected);
        }
    }

    #[test]
    fn too_many_segments_are_refused() {
        let mut bytes = b"MSH|^~\\&\r".to_vec();
        bytes.extend(b"NTE\r".repeat(MAXIMUM_SEGMENTS - 1));
        assert_eq!(Message::parse(&bytes).unwrap().segments().len(), MAXIMUM_SEGMENTS);

        bytes.extend(b"NTE\r");
        assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::TooManySegments);
    }

    #[test]
    fn msh_inside_a_field_is_no_second_message() {
        let message = Message::parse(b"MSH|^~\\&|A\rNTE|1||MSH|MSH\r").unwrap();

        assert_eq!(message.segments().len(), 2);
    }

    #[test]
    fn a_bare_header_parses_with_absent_fields() {
        for bytes in [b"MSH".as_slice(), b"MSH|", b"MSH|^~\\&", b"MSH\r", b"MSH|\r\n", b" MSH  "] {
            let message = Message::parse(bytes).unwrap();
            let header = Header::of(&message);

            assert!(!header.message_code.is_valued());
            assert!(message.segment("MSH").is_some());
            assert_eq!(message.to_bytes(), bytes);
            walk(&message);
        }
    }

    #[test]
    fn a_position_counts_lines_however_they_end() {
        let message = Message::parse(b"MSH|^~\\&|A\r\nPID|1\nORC|RE\rRXA").unwrap();
        let lines: Vec<_> =
            message.segments().map(|segment| message.position(segment.span().start)).collect();

        assert_eq!(lines, [(1, 1), (2, 1), (3, 1), (4, 1)]);
        assert_eq!(
            message.position(message.segment("ORC").unwrap().field(1).range().start),
            (3, 5)
        );
    }

    #[test]
    fn other_delimiters_split_the_message() {
        let message = Message::parse(b"MSH$%~\\&$A%B$C|D\r").unwrap();
        let header = message.segment("MSH").unwrap();

        assert_eq!(header.field(3).component(2).bytes(), b"B");
        assert_eq!(header.field(4).bytes(), b"C|D");
        assert!(!message.delimiters().is_standard());
    }

    #[test]
    fn debug_shows_the_shape_only() {
        let message = Message::parse(VXU).unwrap();
        let patient = message.segment("PID").unwrap();

        assert_eq!(format!("{message:?}"), "Message(VXU^V04, 6 segments)");
        assert_eq!(format!("{patient:?}"), "Segment(PID[1], 9 fields)");
        assert_eq!(format!("{:?}", patient.field(5)), "Field(Text(9 bytes))");
        assert!(
            !format!("{:?}", Message::parse(b"MSH|^~\\&|||||||Poe^Ann1\r").unwrap())
                .contains("Ann")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Message::parse(&bytes);
        }

        #[test]
        fn any_bytes_behind_a_header_never_panic(
            front in prop_oneof![Just("MSH"), Just("MSH|"), Just("MSH|^~\\&|"), Just("<![CDATA[MSH|"), Just("MSH#")],
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [front.as_bytes(), &bytes].concat();
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes.as_slice());
                walk(&message);
            }
        }

        #[test]
        fn what_parses_is_written_byte_for_byte(
            front in "(\u{feff}|\u{b}|<!\\[CDATA\\[|[ \r\n])?",
            lines in proptest::collection::vec(("[ ]?(PID|RXA|OBX|Z|\u{b})", "(\\|[A-Za^~&\\\\\" ]{0,6}){0,8}", "(\r|\n|\r\n|\r\r)"), 0..12),
            back in "(\u{1c}\r?|\\]\\]>|[ \r\n]{0,3})?",
        ) {
            let mut text = format!("{front}MSH|^~\\&|A\r");
            for (name, fields, end) in &lines {
                text.extend([name.as_str(), fields, end]);
            }
            text.push_str(&back);
            let message = Message::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(message.to_bytes(), text.as_bytes());
            let again = Message::parse(message.body()).unwrap();
            prop_assert_eq!(again.segments().len(), message.segments().len());
            walk(&message);
        }
    }
}
