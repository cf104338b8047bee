//! Addresses that letters go to.

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;
use serde::Serialize;

use crate::domain::WrongId;

/// An e-mail address in lower case, without a name, quotes or comments: nothing in it can begin another header or command.
///
/// `Debug` does not show it, because an address is never logged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = WrongId;

    fn from_str(text: &str) -> Result<Self, WrongId> {
        let text = text.trim_matches(' ');
        let right = text.len() <= LONGEST
            && text
                .split_once('@')
                .is_some_and(|(mailbox, domain)| is_mailbox(mailbox) && is_domain(domain));
        if right { Ok(Self(text.to_ascii_lowercase())) } else { Err(WrongId::email_address()) }
    }
}

/// Characters of an address, and of the part before the `@`. Source: RFC 5321, 4.5.3.1.
const LONGEST: usize = 254;
const LONGEST_MAILBOX: usize = 64;

/// Atoms with dots between them. Source: RFC 5322, 3.2.3.
fn is_mailbox(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    text.len() <= LONGEST_MAILBOX && text.split('.').all(is_atom)
}

/// Two labels or more; the last is no number, so that an address by number is none.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.')
        && text.split('.').all(is_label)
        && text.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_alphabetic()))
}

impl AsRef<str> for EmailAddress {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_lower_case_and_not_shown_for_debugging() {
        let address: EmailAddress = " Rosa.O'Inventa+iz@Clinic-1.Example.ORG ".parse().unwrap();

        assert_eq!(address.as_str(), "rosa.o'inventa+iz@clinic-1.example.org");
        assert!(!format!("{address:?}").contains("rosa"));
    }

    #[test]
    fn what_could_begin_another_header_or_command_is_no_address() {
        let long = format!("{}@example.org", "a".repeat(65));
        let longer = format!("a@{}.org", "example.".repeat(40));
        for text in [
            "",
            "a",
            "@example.org",
            "a@",
            "a@example",
            "a@b@example.org",
            "a b@example.org",
            "a@exam ple.org",
            "a@example.org\r\nBcc: b@example.org",
            "a@example.org\n",
            "a\r@example.org",
            "a\0@example.org",
            "\"a\"@example.org",
            "<a@example.org>",
            "Rosa <a@example.org>",
            "a@example.org,b@example.org",
            "a@example.org;b",
            "a(b)@example.org",
            ".a@example.org",
            "a..b@example.org",
            "a@.example.org",
            "a@example..org",
            "a@-example.org",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a%0d%0ab@example.org\u{a0}",
            "ä@example.org",
            "a@exämple.org",
            &long,
            &longer,
        ] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text:?}");
        }
    }
}
