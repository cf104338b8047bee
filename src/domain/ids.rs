//! Identifiers, each its own type, parsed at the edge.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;

use crate::domain::Timestamp;

/// A text that is not a well-formed identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: expected {expected}")]
pub struct WrongId {
    pub(super) what: &'static str,
    pub(super) expected: &'static str,
}

impl WrongId {
    /// Not an e-mail address that we write to.
    pub(super) const fn email_address() -> Self {
        Self { what: "email address", expected: "one such as name@example.org" }
    }
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

/// Letters and digits of a shown [`MessageId`]: Crockford's base 32, without I, L, O and U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a shown [`MessageId`].
const SHOWN: usize = 13;

/// Identifier of one submission, shown as 13 letters and digits.
///
/// Its 63 bits are the milliseconds since 2020, the number of the process that gave it, and a count; so newer ones sort
/// last, and a table with it as key grows at its end, which is what makes an insert cheap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub struct MessageId(pub(crate) i64);

impl MessageId {
    /// The smallest identifier that a message received at `moment` can have.
    pub fn first_at(moment: Timestamp) -> Self {
        let millis = moment.utc().timestamp_millis().saturating_sub(MessageIds::EPOCH).max(0);
        Self(millis.saturating_mul(1 << (MessageIds::COUNT + MessageIds::PROCESS)))
    }

    /// When the message was received, to the millisecond.
    pub fn moment(self) -> Timestamp {
        let millis = self.0 >> (MessageIds::COUNT + MessageIds::PROCESS);
        let moment = chrono::DateTime::from_timestamp_millis(millis + MessageIds::EPOCH);
        Timestamp::from(moment.unwrap_or_default())
    }

    /// The 8 bytes, most significant first.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl FromStr for MessageId {
    type Err = WrongId;

    fn from_str(text: &str) -> Result<Self, WrongId> {
        let wrong = || WrongId {
            what: "message id",
            expected: "13 letters and digits, such as 06N1K8T2V4B0A",
        };
        if text.len() != SHOWN {
            return Err(wrong());
        }
        text.bytes()
            .try_fold(0_i64, |number, byte| {
                let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_uppercase())?;
                number.checked_mul(32)?.checked_add(i64::try_from(digit).ok()?)
            })
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; SHOWN];
        let mut number = self.0.unsigned_abs();
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(number % 32).unwrap_or(0);
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            number /= 32;
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Gives [`MessageId`]s: never the same twice, also when the clock steps back.
///
/// Two processes on one database give different ones because each has a number of its own.
pub struct MessageIds {
    process: i64,
    last: AtomicI64,
}

impl MessageIds {
    /// Bits of the count within one millisecond.
    const COUNT: u32 = 11;
    /// Bits of the number of a process.
    const PROCESS: u32 = 10;
    /// 2020-01-01T00:00:00Z in milliseconds since 1970.
    const EPOCH: i64 = 1_577_836_800_000;

    /// For the process with this number; numbers 1,024 apart count as the same.
    pub const fn new(process: i64) -> Self {
        Self { process: process & ((1 << Self::PROCESS) - 1), last: AtomicI64::new(0) }
    }

    /// The next one.
    pub fn next(&self, now: Timestamp) -> MessageId {
        let millis = now.utc().timestamp_millis().saturating_sub(Self::EPOCH).max(0);
        let begin = millis << Self::COUNT;
        // The counter holds milliseconds and count together: a full count runs on into the next millisecond.
        let next = |last: i64| Some(begin.max(last + 1));
        let counted = match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(last) | Err(last) => begin.max(last + 1),
        };
        let (millis, count) = (counted >> Self::COUNT, counted & ((1 << Self::COUNT) - 1));
        MessageId((((millis << Self::PROCESS) | self.process) << Self::COUNT) | count)
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
impl OrganizationId {
    /// The Provider ID that people know an enrolled organization by: `PR-000123`. Issued, never edited.
    pub fn provider_id(self) -> String {
        format!("PR-{:06}", self.0)
    }
}

numbered! {
    /// Number of a Credential.
    CredentialId
}
numbered! {
    /// Number of an Account; inside only, people see the [`UserId`].
    AccountId
}
numbered! {
    /// Number of a Clinician.
    ClinicianId
}
numbered! {
    /// Number of a passkey.
    PasskeyId
}
numbered! {
    /// Number of a request to staff.
    RequestId
}

/// What people know an account by: `U-000123`. Issued, never edited, taken in either case. Source: domain notes 1.8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct UserId(String);

impl UserId {
    /// The User ID of the account with this number.
    pub fn of(account: AccountId) -> Self {
        Self(format!("U-{:06}", account.0))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = WrongId;

    fn from_str(text: &str) -> Result<Self, WrongId> {
        let text = text.trim().to_ascii_uppercase();
        let digits = text.strip_prefix("U-").unwrap_or_default();
        if (6..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err(WrongId { what: "User ID", expected: "U- and six digits, such as U-000123" })
        }
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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
    fn a_user_id_is_taken_in_either_case_and_nothing_else_is_one() {
        assert_eq!(" u-000123 ".parse(), Ok(UserId::of(AccountId(123))));
        assert_eq!(UserId::of(AccountId(12_345_678)).as_str(), "U-12345678");
        for text in ["", "U-", "U-123", "000123", "U-00012a", "U-000 123", "DE-000001"] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }

    #[test]
    fn message_ids_grow_and_never_repeat_even_when_the_clock_steps_back() {
        let now = Timestamp::now();
        let ids = MessageIds::new(5);
        let given: Vec<_> = (0..10_000_u64)
            .map(|n| {
                ids.next(if n % 7 == 0 {
                    now.minus(std::time::Duration::from_secs(n))
                } else {
                    now
                })
            })
            .collect();

        assert!(given.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn processes_give_different_message_ids_in_the_same_millisecond() {
        let now = Timestamp::now();
        assert_ne!(MessageIds::new(1).next(now), MessageIds::new(2).next(now));
    }

    #[test]
    fn a_shown_message_id_is_read_again() {
        let id = MessageIds::new(1023).next(Timestamp::now());
        let shown = id.to_string();

        assert_eq!(shown.len(), 13);
        assert_eq!(shown.parse(), Ok(id));
        assert_eq!(shown.to_lowercase().parse(), Ok(id));
        for text in ["", "0", "ZZZZZZZZZZZZZ", "06N1K8T2V4B0U"] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }
}
