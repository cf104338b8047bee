//! The five delimiters a message states in MSH-1 and MSH-2.

use std::fmt;

/// The delimiters of one message.
///
/// Source: HL7 v2.5.1 chapter 2.5.4; the guide fixes them to `|` and `^~\&` (IZ-12, IZ-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields: MSH-1.
    pub field: u8,
    /// Between components: first character of MSH-2.
    pub component: u8,
    /// Between repetitions of a field: second character of MSH-2.
    pub repetition: u8,
    /// Around an escape sequence: third character of MSH-2.
    pub escape: u8,
    /// Between subcomponents: fourth character of MSH-2.
    pub subcomponent: u8,
}

impl Delimiters {
    /// `|^~\&`.
    pub const STANDARD: Self =
        Self { field: b'|', component: b'^', repetition: b'~', escape: b'\\', subcomponent: b'&' };

    /// True for `|^~\&`.
    pub fn is_standard(&self) -> bool {
        *self == Self::STANDARD
    }

    /// Reads the delimiters from the first line of a message, which begins with `MSH`.
    ///
    /// What cannot be used is replaced by the standard character and told in the second value: an unusable MSH-1
    /// alone, an unusable MSH-2 as a whole. Absent characters at the end of MSH-2 are filled up from the standard.
    pub fn read(header: &[u8]) -> (Self, Option<DelimiterFault>) {
        let Some(&field) = header.get(3) else {
            return (Self::STANDARD, Some(DelimiterFault::Missing));
        };
        let (field, field_fault) = match fault_of(field) {
            None => (field, None),
            fault => (Self::STANDARD.field, fault),
        };
        let stated = header.get(4..).unwrap_or_default();
        let encoding =
            stated.split(|&b| b == field || b == b'\r' || b == b'\n').next().unwrap_or_default();
        let (encoding, encoding_fault) = Self::encoding(field, encoding);
        (encoding, field_fault.or(encoding_fault))
    }

    /// MSH-2 as far as it is given; a fault other than `Missing` makes all four the standard ones.
    fn encoding(field: u8, stated: &[u8]) -> (Self, Option<DelimiterFault>) {
        let standard = Self { field, ..Self::STANDARD };
        let mut found = standard;
        let mut characters = stated.iter().copied();
        let mut missing = false;
        let slots = [
            &mut found.component,
            &mut found.repetition,
            &mut found.escape,
            &mut found.subcomponent,
        ];
        for slot in slots {
            match characters.next() {
                Some(character) => *slot = character,
                None => missing = true,
            }
        }
        match found.fault() {
            Some(fault) => (standard, Some(fault)),
            None => (found, missing.then_some(DelimiterFault::Missing)),
        }
    }

    /// Why these five cannot be told apart from each other or from text, if they cannot.
    pub fn fault(&self) -> Option<DelimiterFault> {
        let all = [self.field, self.component, self.repetition, self.escape, self.subcomponent];
        if let Some(fault) = all.into_iter().find_map(fault_of) {
            return Some(fault);
        }
        let equal = all.iter().enumerate().any(|(n, a)| all.iter().skip(n + 1).any(|b| a == b));
        equal.then_some(DelimiterFault::Equal)
    }
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Why one byte is not fit to be a delimiter.
fn fault_of(byte: u8) -> Option<DelimiterFault> {
    if byte.is_ascii_alphanumeric() {
        Some(DelimiterFault::Alphanumeric)
    } else if byte.is_ascii_graphic() {
        None
    } else {
        Some(DelimiterFault::Control)
    }
}

/// What is wrong with the delimiters that a message states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelimiterFault {
    /// A letter or a digit is used.
    Alphanumeric,
    /// A control character, a blank or a byte outside of ASCII is used.
    Control,
    /// Two of them are the same character.
    Equal,
    /// MSH-1 is absent, or MSH-2 has fewer than four characters.
    Missing,
}

impl fmt::Display for DelimiterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alphanumeric => "a letter or digit is used as delimiter",
            Self::Control => "a control character, blank or non-ASCII byte is used as delimiter",
            Self::Equal => "two delimiters are the same character",
            Self::Missing => "delimiters are missing",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_delimiters_are_read_without_fault() {
        let (delimiters, fault) = Delimiters::read(b"MSH|^~\\&|A");

        assert!(delimiters.is_standard());
        assert_eq!(fault, None);
    }

    #[test]
    fn other_delimiters_are_taken_from_the_header() {
        let (delimiters, fault) = Delimiters::read(b"MSH#:+/*#A");

        assert_eq!(
            delimiters,
            Delimiters {
                field: b'#',
                component: b':',
                repetition: b'+',
                escape: b'/',
                subcomponent: b'*'
            }
        );
        assert_eq!(fault, None);
        assert!(!delimiters.is_standard());
    }

    #[test]
    fn unusable_delimiters_are_replaced_and_told() {
        let cases: [(&[u8], DelimiterFault); 6] = [
            (b"MSH", DelimiterFault::Missing),
            (b"MSH|", DelimiterFault::Missing),
            (b"MSH|^~|A", DelimiterFault::Missing),
            (b"MSH|^^\\&|A", DelimiterFault::Equal),
            (b"MSH|^~A&|A", DelimiterFault::Alphanumeric),
            (b"MSH\t^~\\&\tA", DelimiterFault::Control),
        ];

        for (header, expected) in cases {
            let (delimiters, fault) = Delimiters::read(header);
            assert!(delimiters.is_standard());
            assert_eq!(fault, Some(expected));
        }
    }
}
