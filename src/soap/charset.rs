//! Bytes to text: byte order marks, the charset parameter, the XML declaration.

use std::borrow::Cow;

use crate::soap::version::{Charset, MediaType};

/// Decodes a document; UTF-8 is borrowed, everything else is transcoded (rows 13, 14 and 77).
///
/// A byte order mark decides before anything else, then the charset parameter, then the look of the first
/// character (UTF-16), then the XML declaration, then UTF-8 by default whatever the media type (RFC 7303).
/// A declaration that says UTF-16 in bytes that are not is taken as UTF-8: .NET's `StringWriter` writes those.
pub(super) fn decode(bytes: &[u8], media: MediaType) -> Result<Cow<'_, str>, DecodeError> {
    if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return utf8(rest);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        return utf16(rest, u16::from_be_bytes);
    }
    match media.charset().unwrap_or_else(|| undeclared(bytes)) {
        Charset::Utf8 => utf8(bytes),
        Charset::Latin1 | Charset::UsAscii | Charset::Windows1252 if bytes.is_ascii() => {
            utf8(bytes)
        }
        Charset::UsAscii => Err(DecodeError::Invalid),
        Charset::Latin1 => Ok(bytes.iter().copied().map(char::from).collect::<String>().into()),
        Charset::Windows1252 => {
            let text: Option<String> = bytes.iter().copied().map(windows1252).collect();
            text.map(Cow::Owned).ok_or(DecodeError::Invalid)
        }
        Charset::Utf16Le => utf16(bytes, u16::from_le_bytes),
        Charset::Utf16Be => utf16(bytes, u16::from_be_bytes),
        Charset::Utf16 => match bytes {
            [0, _, ..] => utf16(bytes, u16::from_be_bytes),
            [_, 0, ..] => utf16(bytes, u16::from_le_bytes),
            _ => Err(DecodeError::Invalid),
        },
        Charset::Unsupported => Err(DecodeError::Unsupported),
    }
}

/// Why bytes did not become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("the bytes are not valid in the character encoding that was announced")]
    Invalid,
    #[error("the character encoding that was announced is not supported, use UTF-8")]
    Unsupported,
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_position| DecodeError::Invalid)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, DecodeError> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(DecodeError::Invalid);
    }
    char::decode_utf16(pairs.iter().copied().map(unit))
        .collect::<Result<String, _>>()
        .map(Cow::Owned)
        .map_err(|_surrogate| DecodeError::Invalid)
}

/// Without a charset parameter and a byte order mark (XML 1.0, appendix F).
fn undeclared(bytes: &[u8]) -> Charset {
    match bytes {
        [b'<', 0, ..] => Charset::Utf16Le,
        [0, b'<', ..] => Charset::Utf16Be,
        _ => match declared(bytes) {
            None | Some(Charset::Utf16 | Charset::Utf16Be | Charset::Utf16Le) => Charset::Utf8,
            Some(charset) => charset,
        },
    }
}

/// The encoding pseudo-attribute of an XML declaration, searched in its first 256 bytes.
fn declared(bytes: &[u8]) -> Option<Charset> {
    let rest = bytes.strip_prefix(b"<?xml")?;
    let rest = rest.get(..rest.len().min(256))?;
    let end = memchr::memmem::find(rest, b"?>")?;
    let declaration = std::str::from_utf8(rest.get(..end)?).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.split(quote).nth(1).map(Charset::named)
}

/// Windows code page 1252; five bytes of it are not assigned.
fn windows1252(byte: u8) -> Option<char> {
    let assigned = match byte {
        0x80 => '\u{20AC}',
        0x82 => '\u{201A}',
        0x83 => '\u{0192}',
        0x84 => '\u{201E}',
        0x85 => '\u{2026}',
        0x86 => '\u{2020}',
        0x87 => '\u{2021}',
        0x88 => '\u{02C6}',
        0x89 => '\u{2030}',
        0x8A => '\u{0160}',
        0x8B => '\u{2039}',
        0x8C => '\u{0152}',
        0x8E => '\u{017D}',
        0x91 => '\u{2018}',
        0x92 => '\u{2019}',
        0x93 => '\u{201C}',
        0x94 => '\u{201D}',
        0x95 => '\u{2022}',
        0x96 => '\u{2013}',
        0x97 => '\u{2014}',
        0x98 => '\u{02DC}',
        0x99 => '\u{2122}',
        0x9A => '\u{0161}',
        0x9B => '\u{203A}',
        0x9C => '\u{0153}',
        0x9E => '\u{017E}',
        0x9F => '\u{0178}',
        0x81 | 0x8D | 0x8F | 0x90 | 0x9D => return None,
        other => char::from(other),
    };
    Some(assigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(header: &str) -> MediaType {
        MediaType::of(Some(header)).unwrap()
    }

    fn utf16_bytes(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn utf_8_is_borrowed_with_or_without_a_byte_order_mark() {
        let plain = decode("<a>é</a>".as_bytes(), MediaType::default()).unwrap();
        let marked = decode(b"\xEF\xBB\xBF<a/>", media("text/xml; charset=iso-8859-1")).unwrap();

        assert!(matches!(plain, Cow::Borrowed("<a>é</a>")));
        assert!(matches!(marked, Cow::Borrowed("<a/>")));
    }

    #[test]
    fn utf_16_is_read_by_mark_by_label_and_by_look() {
        let text = "<a>é😀</a>";
        let little = utf16_bytes(text, u16::to_le_bytes);
        let big = utf16_bytes(text, u16::to_be_bytes);

        assert_eq!(
            decode(&[b"\xFF\xFE", little.as_slice()].concat(), MediaType::default()).unwrap(),
            text
        );
        assert_eq!(
            decode(&[b"\xFE\xFF", big.as_slice()].concat(), MediaType::default()).unwrap(),
            text
        );
        assert_eq!(decode(&little, media("text/xml; charset=utf-16")).unwrap(), text);
        assert_eq!(decode(&big, media("text/xml; charset=UTF-16BE")).unwrap(), text);
        assert_eq!(decode(&little, MediaType::default()).unwrap(), text);
        assert_eq!(decode(&big, MediaType::default()).unwrap(), text);
    }

    #[test]
    fn broken_utf_16_is_refused() {
        assert_eq!(decode(b"\xFF\xFE<", MediaType::default()), Err(DecodeError::Invalid));
        assert_eq!(decode(b"\xFF\xFE\x00\xD8", MediaType::default()), Err(DecodeError::Invalid));
        assert_eq!(decode(b"<a/>", media("text/xml; charset=utf-16")), Err(DecodeError::Invalid));
    }

    #[test]
    fn the_declaration_is_honoured_when_the_header_is_silent() {
        let latin = b"<?xml version='1.0' encoding = 'ISO-8859-1'?><a>\xE9</a>";

        assert!(decode(latin, MediaType::default()).unwrap().contains('é'));
        assert_eq!(decode(latin, media("text/xml; charset=utf-8")), Err(DecodeError::Invalid));
        assert_eq!(
            decode(b"<?xml version='1.0' encoding='utf-7'?><a/>", MediaType::default()),
            Err(DecodeError::Unsupported)
        );
        assert!(
            decode(b"<?xml version='1.0' encoding='utf-16'?><a/>", MediaType::default()).is_ok()
        );
    }

    #[test]
    fn windows_1252_has_typographic_quotes_and_five_holes() {
        assert_eq!(
            decode(b"<a>\x93\xE9\x94</a>", media("text/xml; charset=windows-1252")).unwrap(),
            "<a>“é”</a>"
        );
        assert_eq!(
            decode(b"<a>\x81</a>", media("text/xml; charset=windows-1252")),
            Err(DecodeError::Invalid)
        );
    }

    #[test]
    fn latin_1_bytes_labelled_utf_8_or_ascii_are_refused() {
        assert_eq!(decode(b"<a>\xE9</a>", MediaType::default()), Err(DecodeError::Invalid));
        assert_eq!(
            decode(b"<a>\xE9</a>", media("text/xml; charset=us-ascii")),
            Err(DecodeError::Invalid)
        );
        assert_eq!(decode(b"<a>\xE9</a>", media("text/xml; charset=latin1")).unwrap(), "<a>é</a>");
    }
}
