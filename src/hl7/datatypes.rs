//! The data types that headers and routing use: DTM, HD, XON, XCN.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use thiserror::Error;

use crate::hl7::view::{Component, Repetition, Value};

/// How much of a date and time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `YYYY`.
    Year,
    /// `YYYYMM`.
    Month,
    /// `YYYYMMDD`.
    Day,
    /// `YYYYMMDDHH`.
    Hour,
    /// `YYYYMMDDHHMM`.
    Minute,
    /// `YYYYMMDDHHMMSS`.
    Second,
    /// `YYYYMMDDHHMMSS.S` to `.SSSS`.
    Fraction,
}

/// A date and time that exists in the calendar: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.
///
/// Source: HL7 v2.5.1 chapter 2.A.22 (DTM).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dtm {
    start: NaiveDateTime,
    precision: Precision,
    zone: Option<FixedOffset>,
}

/// Why bytes are not a date and time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DtmError {
    /// There is no such day or time of day.
    #[error("no such day or time in the calendar")]
    Calendar,
    /// Not digits in the form of a DTM.
    #[error("not in the form YYYYMMDDHHMMSS+ZZZZ")]
    Form,
    /// The zone is not `+HHMM` or `-HHMM`, at most 14 hours.
    #[error("not a time zone")]
    Zone,
}

impl Dtm {
    /// Reads a DTM, or the first component of a TS.
    pub fn parse(bytes: &[u8]) -> Result<Self, DtmError> {
        let sign = bytes.iter().position(|b| *b == b'+' || *b == b'-').unwrap_or(bytes.len());
        let (stamp, zone) = bytes.split_at_checked(sign).ok_or(DtmError::Form)?;
        let zone = if zone.is_empty() { None } else { Some(Self::zone_of(zone)?) };
        let point = stamp.iter().position(|b| *b == b'.').unwrap_or(stamp.len());
        let (whole, fraction) = stamp.split_at_checked(point).ok_or(DtmError::Form)?;
        let precision = match (whole.len(), fraction.len()) {
            (4, 0) => Precision::Year,
            (6, 0) => Precision::Month,
            (8, 0) => Precision::Day,
            (10, 0) => Precision::Hour,
            (12, 0) => Precision::Minute,
            (14, 0) => Precision::Second,
            (14, 2..=5) => Precision::Fraction,
            _ => return Err(DtmError::Form),
        };
        let year = digits(whole, 0, 4)?.unwrap_or(0);
        let date = NaiveDate::from_ymd_opt(
            i32::try_from(year).map_err(|_too_large| DtmError::Form)?,
            digits(whole, 4, 2)?.unwrap_or(1),
            digits(whole, 6, 2)?.unwrap_or(1),
        );
        let time = NaiveTime::from_hms_nano_opt(
            digits(whole, 8, 2)?.unwrap_or(0),
            digits(whole, 10, 2)?.unwrap_or(0),
            digits(whole, 12, 2)?.unwrap_or(0),
            nanoseconds(fraction)?,
        );
        match (date, time) {
            (Some(date), Some(time)) if year > 0 => {
                Ok(Self { start: date.and_time(time), precision, zone })
            }
            _ => Err(DtmError::Calendar),
        }
    }

    /// How much is given.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The zone, if it is given.
    pub fn zone(&self) -> Option<FixedOffset> {
        self.zone
    }

    /// The day; the first day of a month or year.
    pub fn date(&self) -> NaiveDate {
        self.start.date()
    }

    /// The first moment it can mean, in its own zone.
    pub fn start(&self) -> NaiveDateTime {
        self.start
    }

    /// The moment, when a zone and at least the second are given.
    pub fn moment(&self) -> Option<DateTime<FixedOffset>> {
        let exact = self.precision >= Precision::Second;
        self.zone.filter(|_| exact).and_then(|zone| zone.from_local_datetime(&self.start).single())
    }

    fn zone_of(zone: &[u8]) -> Result<FixedOffset, DtmError> {
        let (Some(sign), 5) = (zone.first(), zone.len()) else {
            return Err(DtmError::Zone);
        };
        let part = |from| digits(zone, from, 2).ok().flatten().ok_or(DtmError::Zone);
        let (hours, minutes) = (part(1)?, part(3)?);
        if hours > 14 || minutes > 59 {
            return Err(DtmError::Zone);
        }
        let seconds =
            i32::try_from(hours * 3600 + minutes * 60).map_err(|_too_large| DtmError::Zone)?;
        FixedOffset::east_opt(if *sign == b'-' { -seconds } else { seconds }).ok_or(DtmError::Zone)
    }
}

/// Shape only: a date may be a birth date.
impl std::fmt::Debug for Dtm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dtm({:?}, zone {})", self.precision, self.zone.is_some())
    }
}

/// The number in `length` digits from `from`; none when the text ends before.
fn digits(bytes: &[u8], from: usize, length: usize) -> Result<Option<u32>, DtmError> {
    if from >= bytes.len() {
        return Ok(None);
    }
    let part = bytes.get(from..from + length).ok_or(DtmError::Form)?;
    let number = part.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    });
    number.map(Some).ok_or(DtmError::Form)
}

/// `.5` as 500,000,000.
fn nanoseconds(fraction: &[u8]) -> Result<u32, DtmError> {
    let Some((_point, places)) = fraction.split_first() else {
        return Ok(0);
    };
    let number = digits(places, 0, places.len())?.ok_or(DtmError::Form)?;
    Ok(places.iter().fold(1_000_000_000, |unit, _| unit / 10) * number)
}

/// Hierarchic designator: a namespace id, a universal id with its type, or both.
///
/// Source: guide 1.5, HD: .1 or .2 is valued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hd<'a> {
    /// HD.1.
    pub namespace: Value<'a>,
    /// HD.2.
    pub universal_id: Value<'a>,
    /// HD.3.
    pub universal_id_type: Value<'a>,
}

impl<'a> Hd<'a> {
    /// A field of type HD, as MSH-4.
    pub fn of(field: Repetition<'a>) -> Self {
        let part = |n| field.component(n).value();
        Self { namespace: part(1), universal_id: part(2), universal_id_type: part(3) }
    }

    /// A component of type HD, as LA2.4.
    pub fn within(component: Component<'a>) -> Self {
        let part = |n| component.subcomponent(n).value();
        Self { namespace: part(1), universal_id: part(2), universal_id_type: part(3) }
    }

    /// The namespace id, else the universal id.
    pub fn identifier(&self) -> Value<'a> {
        self.namespace.or(self.universal_id)
    }
}

/// Extended organization name: what identifies the organization. Source: guide 1.5, XON: .10 or .1 is valued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xon<'a> {
    /// XON.1.
    pub name: Value<'a>,
    /// XON.10.
    pub organization_id: Value<'a>,
}

impl<'a> Xon<'a> {
    /// One repetition of a field of type XON.
    pub fn of(repetition: Repetition<'a>) -> Self {
        Self {
            name: repetition.component(1).value(),
            organization_id: repetition.component(10).value(),
        }
    }

    /// The organization id, else the name.
    pub fn identifier(&self) -> Value<'a> {
        self.organization_id.or(self.name)
    }
}

/// Extended person identifier: what identifies a provider. Source: guide 1.5, XCN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xcn<'a> {
    /// XCN.1.
    pub id: Value<'a>,
    /// XCN.9.
    pub authority: Hd<'a>,
    /// XCN.13.
    pub id_type: Value<'a>,
}

impl<'a> Xcn<'a> {
    /// One repetition of a field of type XCN.
    pub fn of(repetition: Repetition<'a>) -> Self {
        Self {
            id: repetition.component(1).value(),
            authority: Hd::within(repetition.component(9)),
            id_type: repetition.component(13).value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_precision_is_told_apart() {
        let cases: [(&[u8], Precision); 8] = [
            (b"2026", Precision::Year),
            (b"202602", Precision::Month),
            (b"20260228", Precision::Day),
            (b"2026022823", Precision::Hour),
            (b"202602282359", Precision::Minute),
            (b"20260228235959", Precision::Second),
            (b"20260228235959.1", Precision::Fraction),
            (b"20260228235959.1234-0800", Precision::Fraction),
        ];

        for (text, precision) in cases {
            assert_eq!(Dtm::parse(text).unwrap().precision(), precision);
        }
    }

    #[test]
    fn a_day_that_is_not_in_the_calendar_is_refused() {
        for text in
            ["20260229", "20230231", "20261301", "20260100", "0000", "2026022824", "202602282360"]
        {
            assert_eq!(Dtm::parse(text.as_bytes()), Err(DtmError::Calendar), "{text}");
        }
        assert!(Dtm::parse(b"20240229").is_ok());
    }

    #[test]
    fn a_malformed_date_is_refused() {
        for text in [
            "",
            "202",
            "20260",
            "2026-02-28",
            "20260228235959.",
            "20260228235959.12345",
            "20260228.1",
            "2O26",
            " 2026",
        ] {
            assert!(Dtm::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Dtm::parse(b"20260228235959-08"), Err(DtmError::Zone));
        assert_eq!(Dtm::parse(b"20260228235959+1500"), Err(DtmError::Zone));
        assert_eq!(Dtm::parse(b"20260228235959+0860"), Err(DtmError::Zone));
    }

    #[test]
    fn a_moment_needs_a_zone_and_the_second() {
        let moment = Dtm::parse(b"20260228235959.5-0800").unwrap().moment().unwrap();

        assert_eq!(moment.to_rfc3339(), "2026-02-28T23:59:59.500-08:00");
        assert_eq!(Dtm::parse(b"20260228235959").unwrap().moment(), None);
        assert_eq!(Dtm::parse(b"20260228-0800").unwrap().moment(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_date_or_an_error(bytes in "[0-9.+-]{0,26}") {
            let _ = Dtm::parse(bytes.as_bytes());
        }
    }
}
