//! Identifiers, each its own type, parsed at the edge.

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::{BigInt, Binary, Text};
use serde::Serialize;
use uuid::Uuid;

/// A text that is not a well-formed identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: expected {expected}")]
pub struct WrongId {
    what: &'static str,
    expected: &'static str,
}

/// A word outside its list; the message shows the list, never the word (it may be anything).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not one of {}", expected.join(", "))]
pub struct UnknownWord {
    /// The words that would have been right.
    pub expected: &'static [&'static str],
}

/// Site ID, also seen as CAIR ID, Org Code and, with the prefix `SF-`, Sending Facility ID.
///
/// Observed shapes are `DE-000001`, `SF-001728` and `CA` with seven digits; the prefix says nothing about the role, which
/// comes from the record. Upper case; letters, digits and hyphens; 3 to 20 characters. Source: domain notes 1.1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct SiteId(String);

impl SiteId {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SiteId {
    type Err = WrongId;

    fn from_str(text: &str) -> Result<Self, WrongId> {
        let text = text.trim();
        let shaped = (3..=20).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.bytes().any(|b| b.is_ascii_digit());
        if shaped {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err(WrongId {
                what: "Site ID",
                expected: "3 to 20 letters, digits and hyphens, such as DE-000001",
            })
        }
    }
}

impl AsRef<str> for SiteId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for SiteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifier of one submission: a UUID of version 7, so that newer ones sort last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct MessageId(Uuid);

impl MessageId {
    /// A new identifier.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The 16 bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the 16 bytes of a column.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, WrongId> {
        Uuid::from_slice(bytes).map(Self).map_err(|_wrong_length| Self::wrong())
    }

    /// The last twenty hexadecimal digits: the random part, fit for MSH-10 of our own replies.
    pub fn short(&self) -> String {
        let mut text = self.0.simple().to_string();
        text.split_off(12)
    }

    const fn wrong() -> WrongId {
        WrongId { what: "message id", expected: "a UUID" }
    }
}

impl Default for MessageId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for MessageId {
    type Err = WrongId;

    fn from_str(text: &str) -> Result<Self, WrongId> {
        Uuid::try_parse(text).map(Self).map_err(|_not_uuid| Self::wrong())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, AsExpression, FromSqlRow)]
        #[diesel(sql_type = BigInt)]
        pub struct $name(pub i64);

        impl FromStr for $name {
            type Err = WrongId;

            fn from_str(text: &str) -> Result<Self, WrongId> {
                text.parse().map(Self).map_err(|_not_number| WrongId { what: stringify!($name), expected: "a number" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

numbered! {
    /// Number of an Organization.
    OrganizationId
}
numbered! {
    /// Number of a Credential.
    CredentialId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_id_is_trimmed_and_upper_case() {
        assert_eq!(" de-000001 ".parse::<SiteId>().unwrap().as_str(), "DE-000001");
    }

    #[test]
    fn free_text_is_not_a_site_id() {
        for text in
            ["", "Main Clinic", "CLINIC", "DE_000001", "DE-0000000000000000001", "DE-00000é"]
        {
            assert!(text.parse::<SiteId>().is_err(), "{text}");
        }
    }

    #[test]
    fn newer_message_ids_sort_last() {
        let ids: Vec<_> = (0..100).map(|_| MessageId::new()).collect();
        assert!(ids.is_sorted());
    }
}
