//! Views into a message: segment, field, repetition, component, subcomponent, and what value stands there.

use std::fmt;
use std::ops::Range;

use crate::hl7::delimiters::Delimiters;
use crate::hl7::message::{Message, SegmentSpan};
use crate::hl7::path::{Location, SegmentName};
use crate::hl7::{index, slice};

/// What a field or a part of it says.
///
/// Source: HL7 v2.5.1 chapter 2.5.3; the guide treats `""` as empty where a value is required.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// The segment or field ends before it.
    Absent,
    /// Only blanks.
    Blank,
    /// Nothing, or nothing but delimiters of its parts.
    Empty,
    /// `""`: delete what you have.
    Null,
    /// Something, as it stands in the message: still escaped.
    Text(&'a [u8]),
}

impl<'a> Value<'a> {
    /// True for `Text`.
    pub fn is_valued(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// The bytes of `Text`.
    #[inline]
    pub fn text(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Text(bytes) => Some(bytes),
            Self::Absent | Self::Blank | Self::Empty | Self::Null => None,
        }
    }

    /// This value if it is valued, the other one otherwise.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_valued() { self } else { other }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Blank => f.write_str("Blank"),
            Self::Empty => f.write_str("Empty"),
            Self::Null => f.write_str("Null"),
            Self::Text(bytes) => write!(f, "Text({} bytes)", bytes.len()),
        }
    }
}

/// One segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'m, 'a> {
    message: &'m Message<'a>,
    span: &'m SegmentSpan,
    index: usize,
}

impl<'m, 'a> Segment<'m, 'a> {
    pub(super) fn new(message: &'m Message<'a>, span: &'m SegmentSpan, index: usize) -> Self {
        Self { message, span, index }
    }

    /// What stands before the first field separator; not always three characters.
    pub fn name(&self) -> &'a [u8] {
        let end = self.marks().first().unwrap_or(&self.span.end);
        slice(self.message.bytes(), index(self.span.start)..index(*end))
    }

    /// Whether this is its name.
    #[inline]
    pub fn is(&self, name: &[u8; 3]) -> bool {
        self.span.name == *name
    }

    /// The how-manieth segment of this name in the whole message, from 1: the sequence of an error location. Lines
    /// whose name is not three bytes long count together.
    pub fn occurrence(&self) -> usize {
        index(self.span.occurrence)
    }

    /// The how-manieth segment of the message, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of the last field that is present.
    pub fn field_count(&self) -> usize {
        self.marks().len() + usize::from(self.is_header() && !self.marks().is_empty())
    }

    /// Where it stands, without terminator and the blanks around it.
    pub fn span(&self) -> Range<usize> {
        index(self.span.start)..index(self.span.end)
    }

    /// All of it, without terminator.
    pub fn bytes(&self) -> &'a [u8] {
        slice(self.message.bytes(), self.span())
    }

    /// A field by its HL7 number, from 1. Of MSH, 1 is the field separator and 2 the encoding characters.
    #[inline]
    pub fn field(&self, number: usize) -> Field<'a> {
        let marks = self.marks();
        let position = match (number.checked_sub(1), self.is_header()) {
            (Some(0), true) => return self.separator(),
            (Some(position), true) => position - 1,
            (Some(position), false) => position,
            (None, _) => return self.absent(),
        };
        let Some(mark) = marks.get(position) else {
            return self.absent();
        };
        let start = index(*mark) + 1;
        let end = index(*marks.get(position + 1).unwrap_or(&self.span.end));
        self.part(start..end, self.is_header() && number == 2)
    }

    /// All fields that are present, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'m, 'a> {
        let segment = *self;
        let separator = (self.is_header() && self.field_count() > 0).then(|| self.separator());
        let ends = self.marks().iter().skip(1).chain(std::iter::once(&self.span.end));
        let mut literal = self.is_header();
        let rest = self.marks().iter().zip(ends).map(move |(mark, end)| {
            let is_literal = std::mem::take(&mut literal);
            segment.part(index(*mark) + 1..index(*end), is_literal)
        });
        separator.into_iter().chain(rest)
    }

    /// The value at the field, repetition, component and subcomponent of a location; segment and sequence are not
    /// looked at.
    pub fn at(&self, location: &Location) -> Value<'a> {
        let Some(number) = location.field else {
            return Value::Text(self.bytes());
        };
        let field = self.field(usize::from(number));
        let component = location.component.or_else(|| location.subcomponent.map(|_| 1));
        let Some(component) = component else {
            return match location.repetition {
                Some(n) => field.repetition(usize::from(n)).value(),
                None => field.value(),
            };
        };
        let repetition = field.repetition(location.repetition.map_or(1, usize::from));
        let component = repetition.component(usize::from(component));
        match location.subcomponent {
            Some(n) => component.subcomponent(usize::from(n)).value(),
            None => component.value(),
        }
    }

    /// The location of this segment.
    pub fn location(&self) -> Location {
        let sequence = u16::try_from(self.span.occurrence).unwrap_or(u16::MAX);
        Location::of(SegmentName::from_bytes(self.span.name), sequence)
    }

    fn is_header(&self) -> bool {
        self.span.name == *b"MSH"
    }

    fn marks(&self) -> &'m [u32] {
        self.message.marks_of(self.span)
    }

    fn separator(&self) -> Field<'a> {
        self.marks()
            .first()
            .map_or_else(|| self.absent(), |mark| self.part(index(*mark)..index(*mark) + 1, true))
    }

    fn absent(&self) -> Field<'a> {
        let end = index(self.span.end);
        let delimiters = self.message.delimiters();
        Field(Part { bytes: &[], start: end, present: false, literal: false, delimiters })
    }

    fn part(&self, range: Range<usize>, literal: bool) -> Field<'a> {
        let start = range.start;
        let bytes = slice(self.message.bytes(), range);
        Field(Part { bytes, start, present: true, literal, delimiters: self.message.delimiters() })
    }
}

impl fmt::Debug for Segment<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shown(&self.span.name);
        write!(f, "Segment({name}[{}], {} fields)", self.span.occurrence, self.field_count())
    }
}

/// Some bytes of a field with their place; the kinds of views differ in how they split it.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    start: usize,
    present: bool,
    /// MSH-1 and MSH-2: delimiters themselves, never split.
    literal: bool,
    delimiters: Delimiters,
}

impl<'a> Part<'a> {
    fn value(&self) -> Value<'a> {
        let Delimiters { component, repetition, subcomponent, .. } = self.delimiters;
        let blank = |b: &u8| *b == b' ';
        let empty = |b: &u8| *b == component || *b == repetition || *b == subcomponent;
        match self.bytes {
            _ if !self.present => Value::Absent,
            [] => Value::Empty,
            // No delimiter is a letter or digit, so that nearly every value is told by its first byte.
            bytes @ [first, ..] if first.is_ascii_alphanumeric() => Value::Text(bytes),
            b"\"\"" => Value::Null,
            bytes if self.literal => Value::Text(bytes),
            bytes if bytes.iter().all(blank) => Value::Blank,
            bytes if bytes.iter().all(empty) => Value::Empty,
            bytes => Value::Text(bytes),
        }
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.bytes.len()
    }

    /// The part with that number, from 1.
    fn nth(self, separator: u8, number: usize) -> Self {
        match number.checked_sub(1) {
            Some(0) if self.literal => self,
            Some(skipped) if self.present && !self.literal => self.behind(separator, skipped),
            _ => self.missing(),
        }
    }

    /// The part that stands behind so many separators.
    fn behind(self, separator: u8, skipped: usize) -> Self {
        // Values are short: looking at each byte is quicker than setting out to search.
        let end = |rest: &[u8]| rest.iter().position(|byte| *byte == separator);
        let mut rest = self.bytes;
        for _ in 0..skipped {
            match end(rest) {
                Some(at) => rest = slice(rest, at + 1..rest.len()),
                None => return self.missing(),
            }
        }
        let start = self.start + self.bytes.len() - rest.len();
        let bytes = slice(rest, 0..end(rest).unwrap_or(rest.len()));
        Self { bytes, start, ..self }
    }

    fn split(self, separator: u8) -> impl Iterator<Item = Self> + use<'a> {
        let parts = self.bytes.split(move |byte| *byte == separator && !self.literal);
        let mut start = self.start;
        parts.take_while(move |_| self.present).map(move |bytes| {
            let part = Self { bytes, start, ..self };
            start += bytes.len() + 1;
            part
        })
    }

    fn missing(self) -> Self {
        Self { bytes: &[], start: self.start + self.bytes.len(), present: false, ..self }
    }
}

/// The methods that all views of a part share.
macro_rules! part_view {
    ($name:ident, $words:literal) => {
        #[doc = $words]
        #[derive(Clone, Copy)]
        pub struct $name<'a>(Part<'a>);

        impl<'a> $name<'a> {
            /// The bytes as they stand in the message, none when absent.
            #[inline]
            pub fn bytes(&self) -> &'a [u8] {
                self.0.bytes
            }

            /// What it says.
            #[inline]
            pub fn value(&self) -> Value<'a> {
                self.0.value()
            }

            /// Where it stands; an absent one stands, empty, where its parent ends.
            pub fn range(&self) -> Range<usize> {
                self.0.range()
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.value())
            }
        }
    };
}

part_view!(Field, "One field of a segment, with all its repetitions.");
part_view!(Repetition, "One repetition of a field.");
part_view!(Component, "One component of a repetition.");
part_view!(Subcomponent, "One subcomponent of a component.");

impl<'a> Field<'a> {
    /// An absent field of a segment that is not there.
    pub(super) fn none(delimiters: Delimiters) -> Self {
        Self(Part { bytes: &[], start: 0, present: false, literal: false, delimiters })
    }

    /// All repetitions; one when there is no separator, none when the field is absent.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'a>> + use<'a> {
        self.0.split(self.0.delimiters.repetition).map(Repetition)
    }

    /// One repetition, from 1.
    pub fn repetition(&self, number: usize) -> Repetition<'a> {
        Repetition(self.0.nth(self.0.delimiters.repetition, number))
    }

    /// One component of the first repetition, from 1.
    pub fn component(&self, number: usize) -> Component<'a> {
        self.repetition(1).component(number)
    }

    /// The text of one component of the first repetition, from 1: found without looking at what follows it.
    pub fn component_text(&self, number: usize) -> Option<&'a [u8]> {
        if self.0.literal || number == 0 {
            return self.component(number).value().text();
        }
        let Delimiters { component, repetition, .. } = self.0.delimiters;
        let end = |rest: &[u8]| rest.iter().position(|b| *b == component || *b == repetition);
        let mut rest = self.0.bytes;
        for _ in 1..number {
            let at = end(rest).filter(|at| rest.get(*at) == Some(&component))?;
            rest = slice(rest, at + 1..rest.len());
        }
        let bytes = slice(rest, 0..end(rest).unwrap_or(rest.len()));
        Part { bytes, ..self.0 }.value().text()
    }
}

impl<'a> Repetition<'a> {
    /// All components.
    pub fn components(&self) -> impl Iterator<Item = Component<'a>> + use<'a> {
        self.0.split(self.0.delimiters.component).map(Component)
    }

    /// One component, from 1.
    pub fn component(&self, number: usize) -> Component<'a> {
        Component(self.0.nth(self.0.delimiters.component, number))
    }
}

impl<'a> Component<'a> {
    /// All subcomponents.
    pub fn subcomponents(&self) -> impl Iterator<Item = Subcomponent<'a>> + use<'a> {
        self.0.split(self.0.delimiters.subcomponent).map(Subcomponent)
    }

    /// One subcomponent, from 1.
    pub fn subcomponent(&self, number: usize) -> Subcomponent<'a> {
        Subcomponent(self.0.nth(self.0.delimiters.subcomponent, number))
    }
}

/// A code that may be shown in a log: up to three letters or digits; `?` otherwise.
pub(super) fn shown(code: &[u8]) -> &str {
    let harmless = code.len() <= 3 && code.iter().all(u8::is_ascii_alphanumeric);
    if harmless { std::str::from_utf8(code).unwrap_or("?") } else { "?" }
}
