//! Escape sequences: decoding what a sender escaped, encoding what the Gateway writes.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::hl7::delimiters::Delimiters;
use crate::hl7::slice;

/// Decodes `\F\ \S\ \T\ \R\ \E\` into the delimiters of the message.
///
/// All other sequences, and an escape character that begins none, are kept as they stand; see
/// [`has_foreign_escape`]. Source: guide 1.5, chapter 2 (escape protocol): only these five are allowed.
pub fn unescape<'a>(bytes: &'a [u8], delimiters: &Delimiters) -> Cow<'a, [u8]> {
    if memchr(delimiters.escape, bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    for piece in Pieces::new(bytes, *delimiters) {
        match piece {
            Piece::Text(text) | Piece::Foreign(text) => out.extend_from_slice(text),
            Piece::Delimiter(byte) => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// True when [`unescape`] has to keep something undecoded: an unknown sequence (`\.br\`, `\X0D\`, `\H\`) or an escape
/// character without its partner.
pub fn has_foreign_escape(bytes: &[u8], delimiters: &Delimiters) -> bool {
    memchr(delimiters.escape, bytes).is_some()
        && Pieces::new(bytes, *delimiters).any(|piece| matches!(piece, Piece::Foreign(_)))
}

/// A stretch of escaped text.
enum Piece<'a> {
    Text(&'a [u8]),
    Delimiter(u8),
    Foreign(&'a [u8]),
}

struct Pieces<'a> {
    rest: &'a [u8],
    delimiters: Delimiters,
    /// How many escape characters the rest still holds.
    escapes: usize,
}

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], delimiters: Delimiters) -> Self {
        let escapes = memchr_iter(delimiters.escape, bytes).count();
        Self { rest: bytes, delimiters, escapes }
    }

    /// Takes `length` bytes off the rest.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let escape = self.delimiters.escape;
        if self.rest.is_empty() {
            return None;
        }
        match memchr(escape, self.rest) {
            None => return Some(Piece::Text(self.take(self.rest.len()))),
            Some(0) => {}
            Some(at) => return Some(Piece::Text(self.take(at))),
        }
        self.escapes = self.escapes.saturating_sub(1);
        if self.escapes == 0 {
            return Some(Piece::Foreign(self.take(1)));
        }
        let after = slice(self.rest, 1..self.rest.len());
        let length = memchr(escape, after).unwrap_or(0);
        let piece = match slice(after, 0..length) {
            b"F" => Piece::Delimiter(self.delimiters.field),
            b"S" => Piece::Delimiter(self.delimiters.component),
            b"T" => Piece::Delimiter(self.delimiters.subcomponent),
            b"R" => Piece::Delimiter(self.delimiters.repetition),
            b"E" => Piece::Delimiter(escape),
            sequence if is_sequence(sequence) => {
                self.escapes = self.escapes.saturating_sub(1);
                return Some(Piece::Foreign(self.take(length + 2)));
            }
            _ => return Some(Piece::Foreign(self.take(1))),
        };
        self.escapes = self.escapes.saturating_sub(1);
        self.take(length + 2);
        Some(piece)
    }
}

/// True for what HL7 v2.5.1 chapter 2.7 defines between escape characters beyond the five.
fn is_sequence(sequence: &[u8]) -> bool {
    match sequence {
        b"H" | b"N" => true,
        [b'X' | b'C' | b'M', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        [b'.' | b'Z', rest @ ..] => {
            rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'-')
        }
        _ => false,
    }
}

/// Text, escaped with the standard delimiters; CR, LF and other control characters become a blank.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    escape_into(&mut out, text);
    Cow::Owned(out)
}

/// Appends text, escaped with the standard delimiters; CR, LF and other control characters become a blank.
pub fn escape_into(out: &mut String, text: &str) {
    escape_within(out, text, usize::MAX);
}

/// Appends as much of the escaped text as fits into `limit` characters; no escape sequence is cut in two.
pub fn escape_within(out: &mut String, text: &str, limit: usize) {
    if text.len() <= limit
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        && !text.bytes().any(is_delimiter)
    {
        out.push_str(text);
        return;
    }
    let mut left = limit;
    for character in text.chars() {
        let sequence = match character {
            '|' => "\\F\\",
            '^' => "\\S\\",
            '&' => "\\T\\",
            '~' => "\\R\\",
            '\\' => "\\E\\",
            _ => "",
        };
        let length = if sequence.is_empty() { 1 } else { 3 };
        if length > left {
            return;
        }
        left -= length;
        match sequence {
            "" if character.is_control() => out.push(' '),
            "" => out.push(character),
            _ => out.push_str(sequence),
        }
    }
}

fn is_plain(character: char) -> bool {
    !character.is_control() && !u8::try_from(character).is_ok_and(is_delimiter)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'|' | b'^' | b'&' | b'~' | b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> String {
        String::from_utf8(unescape(text.as_bytes(), &Delimiters::STANDARD).into_owned()).unwrap()
    }

    #[test]
    fn the_five_sequences_are_decoded() {
        assert_eq!(decoded(r"a\F\b\S\c\T\d\R\e\E\f"), r"a|b^c&d~e\f");
        assert!(!has_foreign_escape(br"a\F\b", &Delimiters::STANDARD));
    }

    #[test]
    fn a_decoded_escape_character_opens_no_sequence() {
        assert_eq!(decoded(r"\E\F\E\"), r"\F\");
        assert_eq!(decoded(r"\E\T\T\"), r"\T&");
    }

    #[test]
    fn unknown_and_unterminated_sequences_are_kept_and_told() {
        for text in [r"a\.br\b", r"\X0D0A\", r"\H\bold\N\", r"C:\dir", r"\", r"\\", r"\Q\", r"a\F"]
        {
            assert_eq!(decoded(text), text);
            assert!(has_foreign_escape(text.as_bytes(), &Delimiters::STANDARD), "{text}");
        }
        assert_eq!(decoded(r"Roe \ Sons \T\ Co"), r"Roe \ Sons & Co");
    }

    #[test]
    fn text_without_escapes_is_not_copied() {
        assert!(matches!(unescape(b"plain", &Delimiters::STANDARD), Cow::Borrowed(_)));
        assert!(matches!(escape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn control_characters_become_blanks() {
        assert_eq!(escape("a\r\nb\u{0}c|d"), "a  b c\\F\\d");
    }

    #[test]
    fn a_limit_never_cuts_a_sequence() {
        let mut out = String::new();
        escape_within(&mut out, "ab|cd", 4);
        assert_eq!(out, "ab");

        out.clear();
        escape_within(&mut out, "ab|cd", 5);
        assert_eq!(out, "ab\\F\\");

        out.clear();
        escape_within(&mut out, "äöü", 2);
        assert_eq!(out, "äö");
    }

    proptest! {
        #[test]
        fn escaping_then_unescaping_gives_the_text(text in "[^\\p{Cc}]{0,80}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['|', '^', '&', '~']));
            prop_assert_eq!(decoded(&escaped), text);
        }

        #[test]
        fn any_bytes_can_be_unescaped(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unescape(&bytes, &Delimiters::STANDARD);
            let _ = has_foreign_escape(&bytes, &Delimiters::STANDARD);
        }

        #[test]
        fn text_made_of_escape_characters_never_grows(text in r"[\\FSTREX.a]{0,60}") {
            prop_assert!(decoded(&text).len() <= text.len());
        }
    }
}
