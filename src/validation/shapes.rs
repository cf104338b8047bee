//! The shapes of values without parts. Source: HL7 v2.5.1 chapter 2A; the date flavours are those of the guide.

use crate::hl7::{Dtm, DtmError, Precision};
use crate::validation::profile::Shape;

/// The rule that a value breaks by its form, and the form that was expected.
pub(super) fn fault(shape: Shape, bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match shape {
        Shape::Text => None,
        Shape::Number => (!is_number(bytes)).then_some(("SHAPE", "a number such as 0.5")),
        Shape::Count => {
            (!bytes.iter().all(u8::is_ascii_digit)).then_some(("SHAPE", "a whole number"))
        }
        Shape::Time => (!is_time(bytes)).then_some(("SHAPE", "a time of day HHMM[SS]")),
        Shape::Oid => (!is_oid(bytes)).then_some(("OID", "an ISO OID such as 2.16.840.1.113883")),
        Shape::Date => {
            let form = "a date YYYY[MM[DD]]";
            moment(bytes, form, |dtm| {
                (dtm.precision() > Precision::Day || dtm.zone().is_some()).then_some(("DATE", form))
            })
        }
        Shape::Day => {
            let form = "a date YYYYMMDD";
            moment(bytes, form, |dtm| {
                (dtm.precision() != Precision::Day || dtm.zone().is_some())
                    .then_some(("IZ-DT_D", form))
            })
        }
        Shape::Moment => moment(bytes, "a date and time YYYYMMDD[HHMM[SS]]", |_| None),
        Shape::MomentWithZone => {
            let form = "YYYYMMDDHHMMSS with a time zone such as -0800";
            moment(bytes, form, |dtm| {
                (dtm.precision() < Precision::Second || dtm.zone().is_none())
                    .then_some(("IZ-TS_Z", form))
            })
        }
        Shape::LocalMoment => {
            let form = "a date YYYYMMDD, with a time if you like, without time zone";
            moment(bytes, form, |dtm| match () {
                () if dtm.precision() < Precision::Day => Some(("DATE-COARSE", form)),
                () if dtm.zone().is_some() => Some(("IZ-TS_NZ", form)),
                () => None,
            })
        }
        Shape::Month => {
            let form = "a date YYYYMM or YYYYMMDD";
            moment(bytes, form, |dtm| {
                (dtm.precision() < Precision::Month).then_some(("IZ-TS_M", form))
            })
        }
    }
}

fn moment(
    bytes: &[u8],
    form: &'static str,
    flavour: impl Fn(Dtm) -> Option<(&'static str, &'static str)>,
) -> Option<(&'static str, &'static str)> {
    match Dtm::parse(bytes) {
        Ok(dtm) => flavour(dtm),
        Err(DtmError::Calendar) => Some(("DATE-CALENDAR", form)),
        Err(DtmError::Form | DtmError::Zone) => Some(("DATE", form)),
    }
}

/// `[+-]digits[.digits]`.
fn is_number(bytes: &[u8]) -> bool {
    let unsigned = match bytes {
        [b'+' | b'-', rest @ ..] => rest,
        all => all,
    };
    let point = memchr::memchr(b'.', unsigned).unwrap_or(unsigned.len());
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let (whole, fraction) = unsigned.split_at_checked(point).unwrap_or((unsigned, &[]));
    let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

/// `HH[MM[SS[.S]]][+ZZZZ]`, judged as the time of some day.
fn is_time(bytes: &[u8]) -> bool {
    let mut moment = b"20000101".to_vec();
    moment.extend_from_slice(bytes);
    bytes.len() >= 2 && Dtm::parse(&moment).is_ok()
}

/// `[0-2](.number)*`, numbers without leading zeros. Source: IZ-3, IZ-5.
fn is_oid(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|b| *b == b'.');
    let first = parts.next().is_some_and(|first| matches!(first, [b'0'..=b'2']));
    let number = |part: &[u8]| {
        !part.is_empty()
            && part.iter().all(u8::is_ascii_digit)
            && (part.len() == 1 || part.first() != Some(&b'0'))
    };
    first && parts.all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(shape: Shape, text: &str) -> Option<&'static str> {
        fault(shape, text.as_bytes()).map(|(rule, _)| rule)
    }

    #[test]
    fn numbers() {
        for good in ["0", "0.5", "-1", "+2.25", ".5", "999"] {
            assert_eq!(rule(Shape::Number, good), None, "{good}");
        }
        for bad in ["", ".", "a", "1,5", "1.2.3", "0.5 mL", "--1"] {
            assert_eq!(rule(Shape::Number, bad), Some("SHAPE"), "{bad}");
        }
        assert_eq!(rule(Shape::Count, "12"), None);
        assert_eq!(rule(Shape::Count, "-1"), Some("SHAPE"));
    }

    #[test]
    fn every_flavour_of_a_date_has_its_own_rule() {
        assert_eq!(rule(Shape::MomentWithZone, "20260301101500-0800"), None);
        assert_eq!(rule(Shape::MomentWithZone, "20260301101500"), Some("IZ-TS_Z"));
        assert_eq!(rule(Shape::LocalMoment, "20260301"), None);
        assert_eq!(rule(Shape::LocalMoment, "20260301-0800"), Some("IZ-TS_NZ"));
        assert_eq!(rule(Shape::LocalMoment, "202603"), Some("DATE-COARSE"));
        assert_eq!(rule(Shape::LocalMoment, "20260231"), Some("DATE-CALENDAR"));
        assert_eq!(rule(Shape::LocalMoment, "03/01/2026"), Some("DATE"));
        assert_eq!(rule(Shape::Month, "2026"), Some("IZ-TS_M"));
        assert_eq!(rule(Shape::Month, "202603"), None);
        assert_eq!(rule(Shape::Day, "202603"), Some("IZ-DT_D"));
        assert_eq!(rule(Shape::Date, "202603011015"), Some("DATE"));
        assert_eq!(rule(Shape::Moment, "2026"), None);
    }

    #[test]
    fn object_identifiers_and_times() {
        assert_eq!(rule(Shape::Oid, "2.16.840.1.113883"), None);
        assert_eq!(rule(Shape::Oid, "2.016"), Some("OID"));
        assert_eq!(rule(Shape::Oid, "3.1"), Some("OID"));
        assert_eq!(rule(Shape::Time, "1015"), None);
        assert_eq!(rule(Shape::Time, "2561"), Some("SHAPE"));
    }
}
