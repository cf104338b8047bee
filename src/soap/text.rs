//! Character data: references resolved, line ends normalised, runs joined, nothing else changed.

use std::borrow::Cow;

use crate::soap::scan::ScanError;

/// Joins text runs and CDATA sections of one element (rows 61 to 63).
///
/// One run that needs no change stays borrowed; otherwise one `String` is filled.
#[derive(Default)]
pub(super) struct Text<'a> {
    /// The one run so far, as it stands in the document; then `joined` is empty.
    run: &'a str,
    joined: String,
}

impl<'a> Text<'a> {
    /// Adds raw text between two tags.
    pub(super) fn push_raw(&mut self, raw: &'a str) -> Result<(), ScanError> {
        match memchr::memchr2(b'&', b'\r', raw.as_bytes()) {
            None => {
                self.push_plain(raw);
                Ok(())
            }
            Some(first) => resolve(raw, first, self.joined(raw.len())),
        }
    }

    /// Adds the inside of a CDATA section.
    pub(super) fn push_cdata(&mut self, raw: &'a str) {
        if memchr::memchr(b'\r', raw.as_bytes()).is_none() {
            self.push_plain(raw);
        } else {
            normalise(raw, self.joined(raw.len()));
        }
    }

    pub(super) fn into_cow(self) -> Cow<'a, str> {
        if self.joined.is_empty() { Cow::Borrowed(self.run) } else { Cow::Owned(self.joined) }
    }

    fn push_plain(&mut self, raw: &'a str) {
        if self.run.is_empty() && self.joined.is_empty() {
            self.run = raw;
        } else {
            self.joined(raw.len()).push_str(raw);
        }
    }

    /// The text as one string with room for `more` bytes; no reference is shorter than its character.
    fn joined(&mut self, more: usize) -> &mut String {
        let run = std::mem::take(&mut self.run);
        self.joined.reserve(run.len().saturating_add(more));
        self.joined.push_str(run);
        &mut self.joined
    }
}

/// An attribute's value with its references resolved.
pub(super) fn attribute_value(raw: &str) -> Result<Cow<'_, str>, ScanError> {
    let mut text = Text::default();
    text.push_raw(raw)?;
    Ok(text.into_cow())
}

/// Whether a character may stand in an XML 1.0 document.
pub(super) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether only XML white space stands here.
pub(super) fn is_blank(raw: &str) -> bool {
    raw.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

fn resolve(raw: &str, first: usize, out: &mut String) -> Result<(), ScanError> {
    let mut rest = raw;
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, special) = rest.split_at_checked(at).ok_or(ScanError::Malformed)?;
        out.push_str(plain);
        rest = if let Some(reference) = special.strip_prefix('&') {
            let end = memchr::memchr(b';', reference.as_bytes()).ok_or(ScanError::Malformed)?;
            let (name, after) = reference.split_at_checked(end).ok_or(ScanError::Malformed)?;
            out.push(character(name)?);
            after.strip_prefix(';').unwrap_or(after)
        } else {
            out.push('\n');
            after_line_end(special)
        };
        next = memchr::memchr2(b'&', b'\r', rest.as_bytes());
    }
    out.push_str(rest);
    Ok(())
}

/// XML 1.0, section 2.11: CR LF and a lone CR arrive as LF.
fn normalise(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some((plain, special)) =
        memchr::memchr(b'\r', rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(plain);
        out.push('\n');
        rest = after_line_end(special);
    }
    out.push_str(rest);
}

fn after_line_end(rest: &str) -> &str {
    rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\r')).unwrap_or(rest)
}

fn character(name: &str) -> Result<char, ScanError> {
    match name {
        "#xD" | "#13" => return Ok('\r'),
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => {}
    }
    let (digits, radix) = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) => (digits, 10),
        (None, None) => return Err(ScanError::UnknownEntity),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(ScanError::Malformed);
    }
    let number =
        u32::from_str_radix(digits, radix).map_err(|_empty_or_huge| ScanError::Malformed)?;
    char::from_u32(number).filter(|c| is_xml_char(*c)).ok_or(ScanError::IllegalCharacter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(raw: &str) -> Result<String, ScanError> {
        let mut text = Text::default();
        text.push_raw(raw)?;
        Ok(text.into_cow().into_owned())
    }

    #[test]
    fn every_spelling_of_the_carriage_return_reference_stays_a_carriage_return() {
        assert_eq!(joined("a&#13;&#xD;&#xd;&#x0D;&#013;&#x000d;b").unwrap(), "a\r\r\r\r\r\rb");
    }

    #[test]
    fn literal_line_ends_become_line_feeds() {
        assert_eq!(joined("a\r\nb\rc\nd\r\r\ne&#13;\n").unwrap(), "a\nb\nc\nd\n\ne\r\n");
    }

    #[test]
    fn the_five_entities_and_references_outside_ascii_are_resolved() {
        assert_eq!(
            joined("&amp;&lt;&gt;&quot;&apos;&#x1F600;&#233;&amp;amp;").unwrap(),
            "&<>\"'😀é&amp;"
        );
    }

    #[test]
    fn unknown_open_and_illegal_references_are_refused() {
        for (raw, error) in [
            ("&nbsp;", ScanError::UnknownEntity),
            ("&;", ScanError::UnknownEntity),
            ("&#;", ScanError::Malformed),
            ("&#x;", ScanError::Malformed),
            ("&#+13;", ScanError::Malformed),
            ("&#99999999999;", ScanError::Malformed),
            ("a & b", ScanError::Malformed),
            ("&#x0B;", ScanError::IllegalCharacter),
            ("&#0;", ScanError::IllegalCharacter),
            ("&#xD800;", ScanError::IllegalCharacter),
            ("&#xFFFE;", ScanError::IllegalCharacter),
        ] {
            assert_eq!(joined(raw), Err(error), "{raw}");
        }
    }

    #[test]
    fn one_plain_run_is_borrowed_and_several_are_joined() {
        let mut one = Text::default();
        one.push_cdata("MSH|^~\\&");
        let mut three = Text::default();
        three.push_raw("a&amp;").unwrap();
        three.push_cdata("b\r\n<&");
        three.push_raw("c").unwrap();

        assert!(matches!(one.into_cow(), Cow::Borrowed("MSH|^~\\&")));
        assert_eq!(three.into_cow(), "a&b\n<&c");
    }
}
