//! When a certificate ends.

use chrono::NaiveDateTime;

use crate::domain::Timestamp;

/// One element of DER: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// The end of the validity of an X.509 certificate in DER; none when it cannot be read.
///
/// Source: RFC 5280, 4.1: version, serial number, signature, issuer, then validity with its two times.
pub fn certificate_end(der: &[u8]) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, to_be_signed, _) = element(certificate)?;
    let mut rest = to_be_signed;
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    for _ in ["serial number", "signature", "issuer"] {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, not_after) = element(validity)?;
    let (tag, text, _) = element(not_after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// A `UTCTime` (with two digits of a year from 1950 on) or a `GeneralizedTime`.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    let whole = if tag == UTC_TIME {
        let century = if text.get(..2)? < "50" { "20" } else { "19" };
        format!("{century}{text}")
    } else {
        text.to_owned()
    };
    NaiveDateTime::parse_from_str(&whole, "%Y%m%d%H%M%SZ").ok().map(Timestamp::from_naive)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn end(year: i32) -> Option<String> {
        let mut params = CertificateParams::new(vec!["iz.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 3, 4);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        certificate_end(certificate.der()).map(|at| at.utc().format("%Y-%m-%d").to_string())
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        assert_eq!(end(2031).as_deref(), Some("2031-03-04"));
        assert_eq!(end(2071).as_deref(), Some("2071-03-04"));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in
            [&b""[..], b"0", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x02", &[0x30; 40]]
        {
            assert_eq!(certificate_end(bytes), None);
        }
    }
}
