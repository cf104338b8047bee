//! What stood around and between the segments of a message and was tolerated.

use std::fmt;

/// One thing about the framing that the guide does not provide for.
///
/// Source: the guide allows CR as segment terminator and nothing around the message; the list is what is seen in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Blank lines between or behind the segments.
    BlankLines,
    /// A UTF-8 byte order mark in front.
    ByteOrderMark,
    /// The message stands in a literal `<![CDATA[ ... ]]>`: text, where the XML parser had already removed the markup.
    CdataLiteral,
    /// Segments end with CR LF.
    CrLf,
    /// A segment begins with blanks.
    IndentedSegments,
    /// White space or blank lines in front.
    LeadingSpace,
    /// Segments end with LF.
    LineFeed,
    /// More than one kind of segment terminator.
    MixedTerminators,
    /// MLLP's VT in front or FS behind.
    Mllp,
    /// The last segment is not terminated.
    NoFinalTerminator,
    /// A segment ends with blanks; they are not part of its last field.
    TrailingSpaces,
}

impl Note {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::BlankLines,
        Self::ByteOrderMark,
        Self::CdataLiteral,
        Self::CrLf,
        Self::IndentedSegments,
        Self::LeadingSpace,
        Self::LineFeed,
        Self::MixedTerminators,
        Self::Mllp,
        Self::NoFinalTerminator,
        Self::TrailingSpaces,
    ];

    const fn bit(self) -> u16 {
        match self {
            Self::BlankLines => 1,
            Self::ByteOrderMark => 1 << 1,
            Self::CdataLiteral => 1 << 2,
            Self::CrLf => 1 << 3,
            Self::IndentedSegments => 1 << 4,
            Self::LeadingSpace => 1 << 5,
            Self::LineFeed => 1 << 6,
            Self::MixedTerminators => 1 << 7,
            Self::Mllp => 1 << 8,
            Self::NoFinalTerminator => 1 << 9,
            Self::TrailingSpaces => 1 << 10,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlankLines => "blank lines between segments",
            Self::ByteOrderMark => "a byte order mark in front of the message",
            Self::CdataLiteral => "the message is wrapped in a literal CDATA section",
            Self::CrLf => "segments end with CR LF instead of CR",
            Self::IndentedSegments => "segments begin with blanks",
            Self::LeadingSpace => "white space in front of the message",
            Self::LineFeed => "segments end with LF instead of CR",
            Self::MixedTerminators => "segments end in different ways",
            Self::Mllp => "MLLP framing characters around the message",
            Self::NoFinalTerminator => "the last segment is not terminated",
            Self::TrailingSpaces => "segments end with blanks",
        })
    }
}

/// The set of [`Note`]s about one message.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Framing(u16);

impl Framing {
    /// True when nothing had to be tolerated.
    pub fn is_clean(self) -> bool {
        self.0 == 0
    }

    /// True when `note` was made.
    pub fn has(self, note: Note) -> bool {
        self.0 & note.bit() != 0
    }

    /// All notes, in the order of [`Note::ALL`].
    pub fn notes(self) -> impl Iterator<Item = Note> {
        Note::ALL.into_iter().filter(move |note| self.has(*note))
    }

    pub(super) fn add(&mut self, note: Note) {
        self.0 |= note.bit();
    }
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.notes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_has_a_bit_of_its_own() {
        for note in Note::ALL {
            let mut framing = Framing::default();
            framing.add(note);

            assert_eq!(framing.notes().collect::<Vec<_>>(), [note]);
            assert!(!framing.is_clean());
        }
    }
}
