//! How the words of the trade are written in columns: text for words and identifiers, bytes for hashes, UTC for moments.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Text, Timestamp as SqlTimestamp};

use crate::domain::{
    AccessLevel, AccountId, AccountState, AlertKind, Breaker, CallState, ClientKeyPin, ClinicianId,
    ClinicianState, Control, Course, CredentialId, CredentialState, DeliveryState, DigestKind,
    DraftKind, DraftState, Effect, EmailAddress, Environment, FailureClass, HookState, LetterState,
    LinkPurpose, LinkStatus, MembershipState, MessageId, MessageState, NoticeLevel, OrganizationId,
    OrganizationState, PasskeyId, PassphraseHash, ProductionLetters, RegionCode, RequestId,
    RequestKind, RequestNoteKind, RequestState, Role, SecretHash, SiteEventKind, SiteId, SiteKind,
    SiteStatus, StaffRole, StageEvent, TallyScope, TestLetters, Timestamp, UserId, VersionState,
};

macro_rules! text_column {
    ($($name:ty),+ $(,)?) => {$(
        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_ref().to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<Text, DB> for $name
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                Ok(String::from_sql(value)?.parse()?)
            }
        }
    )+};
}

text_column!(
    AccessLevel,
    AccountState,
    AlertKind,
    Breaker,
    CallState,
    ClinicianState,
    Control,
    Course,
    CredentialState,
    DeliveryState,
    DigestKind,
    DraftKind,
    DraftState,
    Effect,
    EmailAddress,
    Environment,
    FailureClass,
    HookState,
    LetterState,
    LinkPurpose,
    LinkStatus,
    MembershipState,
    MessageState,
    NoticeLevel,
    OrganizationState,
    PassphraseHash,
    ProductionLetters,
    RegionCode,
    RequestKind,
    RequestNoteKind,
    RequestState,
    Role,
    SiteEventKind,
    SiteId,
    SiteKind,
    SiteStatus,
    StaffRole,
    StageEvent,
    TallyScope,
    TestLetters,
    UserId,
    VersionState
);

macro_rules! bytes_column {
    ($($name:ty: $write:expr, $read:expr);+ $(;)?) => {$(
        impl<DB: Backend> ToSql<Binary, DB> for $name
        where
            [u8]: ToSql<Binary, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                let bytes: fn(&$name) -> &[u8] = $write;
                bytes(self).to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<Binary, DB> for $name
        where
            Vec<u8>: FromSql<Binary, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let read: fn(&[u8]) -> Option<$name> = $read;
                read(&Vec::<u8>::from_sql(value)?).ok_or_else(|| "a column of the wrong length".into())
            }
        }
    )+};
}

bytes_column!(
    SecretHash: SecretHash::as_ref, SecretHash::from_slice;
    ClientKeyPin: ClientKeyPin::as_ref, ClientKeyPin::from_slice;
);

macro_rules! number_column {
    ($($name:ident),+) => {$(
        impl<DB: Backend> ToSql<BigInt, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(value).map(Self)
            }
        }
    )+};
}

number_column!(
    AccountId,
    ClinicianId,
    CredentialId,
    MessageId,
    OrganizationId,
    PasskeyId,
    RequestId
);

impl<DB: Backend> ToSql<SqlTimestamp, DB> for Timestamp
where
    chrono::NaiveDateTime: ToSql<SqlTimestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_naive().to_sql(out)
    }
}

impl<DB: Backend> FromSql<SqlTimestamp, DB> for Timestamp
where
    chrono::NaiveDateTime: FromSql<SqlTimestamp, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        chrono::NaiveDateTime::from_sql(value).map(Self::from_naive)
    }
}
