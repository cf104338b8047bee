//! One clock, UTC, cut to the microsecond.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with microsecond resolution, which both databases keep exactly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = diesel::sql_types::Timestamp)]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// The present moment. Called at the edges only; below them time is an argument.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now() -> Self {
        Self::from(Utc::now())
    }

    /// From a column's value, taken as UTC.
    pub fn from_naive(naive: NaiveDateTime) -> Self {
        Self(naive.trunc_subsecs(6))
    }

    /// The column's value.
    pub const fn as_naive(&self) -> &NaiveDateTime {
        &self.0
    }

    /// As a date and time with zone, for HL7 and logs.
    pub const fn utc(self) -> DateTime<Utc> {
        self.0.and_utc()
    }

    /// This moment and `span` more; the last moment when the calendar ends before.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        TimeDelta::from_std(span)
            .ok()
            .and_then(|delta| self.0.checked_add_signed(delta))
            .map_or(Self(NaiveDateTime::MAX), Self)
    }

    /// This moment less `span`; the first moment when the calendar begins after.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        TimeDelta::from_std(span)
            .ok()
            .and_then(|delta| self.0.checked_sub_signed(delta))
            .map_or(Self(NaiveDateTime::MIN), Self)
    }

    /// Whole seconds from `earlier` to this moment; 0 when it is not earlier.
    pub fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from((self.0 - earlier.0).num_seconds()).unwrap_or(0)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::from_naive(moment.naive_utc())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.and_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// From the text that it is serialized as.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        Ok(Self::from(moment.to_utc()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
