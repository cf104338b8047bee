//! Addresses and telephones.

use crate::hl7::Segment;
use crate::validation::check::{Check, Spot, text};
use crate::validation::facts::{Facts, spot};
use crate::validation::quality::{REPETITIONS, caseless};

/// No city of the United States has a longer name, in characters.
const CITY_LENGTH: usize = 35;

/// Words that stand where an address is not known.
const PLACEHOLDERS: [&str; 8] =
    ["ANYTOWN", "UNKNOWN", "UNK", "NONE", "TEST", "N/A", "NA", "NO ADDRESS"];

/// First and last three-digit ZIP areas of the states and territories. Source: United States Postal Service.
const ZIP_AREAS: &[(&str, &[(u16, u16)])] = &[
    ("AA", &[(340, 340)]),
    ("AE", &[(90, 98)]),
    ("AK", &[(995, 999)]),
    ("AL", &[(350, 369)]),
    ("AP", &[(962, 966)]),
    ("AR", &[(716, 729)]),
    ("AS", &[(967, 967)]),
    ("AZ", &[(850, 865)]),
    ("CA", &[(900, 961)]),
    ("CO", &[(800, 816)]),
    ("CT", &[(60, 69)]),
    ("DC", &[(200, 205), (569, 569)]),
    ("DE", &[(197, 199)]),
    ("FL", &[(320, 349)]),
    ("FM", &[(969, 969)]),
    ("GA", &[(300, 319), (398, 399)]),
    ("GU", &[(969, 969)]),
    ("HI", &[(967, 968)]),
    ("IA", &[(500, 528)]),
    ("ID", &[(832, 838)]),
    ("IL", &[(600, 629)]),
    ("IN", &[(460, 479)]),
    ("KS", &[(660, 679)]),
    ("KY", &[(400, 427)]),
    ("LA", &[(700, 714)]),
    ("MA", &[(10, 27), (55, 55)]),
    ("MD", &[(206, 219)]),
    ("ME", &[(39, 49)]),
    ("MH", &[(969, 969)]),
    ("MI", &[(480, 499)]),
    ("MN", &[(550, 567)]),
    ("MO", &[(630, 658)]),
    ("MP", &[(969, 969)]),
    ("MS", &[(386, 397)]),
    ("MT", &[(590, 599)]),
    ("NC", &[(270, 289)]),
    ("ND", &[(580, 588)]),
    ("NE", &[(680, 693)]),
    ("NH", &[(30, 38)]),
    ("NJ", &[(70, 89)]),
    ("NM", &[(870, 884)]),
    ("NV", &[(889, 898)]),
    ("NY", &[(5, 5), (63, 63), (100, 149)]),
    ("OH", &[(430, 459)]),
    ("OK", &[(730, 749)]),
    ("OR", &[(970, 979)]),
    ("PA", &[(150, 196)]),
    ("PR", &[(6, 9)]),
    ("PW", &[(969, 969)]),
    ("RI", &[(28, 29)]),
    ("SC", &[(290, 299)]),
    ("SD", &[(570, 577)]),
    ("TN", &[(370, 385)]),
    ("TX", &[(733, 733), (750, 799), (885, 885)]),
    ("UT", &[(840, 847)]),
    ("VA", &[(201, 201), (220, 246)]),
    ("VI", &[(8, 8)]),
    ("VT", &[(50, 59)]),
    ("WA", &[(980, 994)]),
    ("WI", &[(530, 549)]),
    ("WV", &[(247, 268)]),
    ("WY", &[(820, 831)]),
];

/// PID-11 and NK1-4, every repetition.
pub(super) fn addresses(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let patient = facts.pid.map(|pid| (pid, 11));
    for (segment, field) in patient.into_iter().chain(facts.kin.iter().map(|kin| (*kin, 4))) {
        for number in 1..=segment.field(field).repetitions().take(REPETITIONS).count() {
            address(check, segment, field, number);
        }
    }
}

fn address(check: &mut Check<'_, '_, '_>, segment: Segment<'_, '_>, field: usize, number: usize) {
    let whole = segment.field(field).repetition(number);
    let mut parts = whole.components();
    let [street, _, city, state, zip, country, kind, _, county] =
        [(); 9].map(|()| parts.next()?.subcomponent(1).value().text().map(caseless));
    let mut found: Vec<(&str, usize)> = vec![];
    for (value, place) in [(&street, 1), (&city, 3)] {
        let is_none = |text: &str| PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(text));
        if value.as_ref().is_some_and(|value| is_none(value.trim())) {
            found.push(("DQ-ADDRESS-PLACEHOLDER", place));
        }
    }
    match city.as_ref().map(|city| city.trim()) {
        Some(city) if city.chars().any(|one| one.is_ascii_digit()) || city.chars().count() < 2 => {
            found.push(("DQ-CITY", 3));
        }
        Some(city) if city.chars().count() > CITY_LENGTH => found.push(("DQ-CITY-LONG", 3)),
        _ => {}
    }
    let country = country.as_ref().map(|country| country.trim());
    if country.is_some_and(|country| !is_country(country)) {
        found.push(("DQ-COUNTRY", 6));
    }
    if country.is_none_or(|country| country.eq_ignore_ascii_case("USA") || !is_country(country)) {
        let [state, zip] = [&state, &zip].map(|one| one.as_ref().map(|one| one.trim()));
        found.extend(american(state, zip));
    }
    if kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("BA")) {
        found.push(("DQ-ADDRESS-BAD", 7));
    }
    if county.is_some_and(|county| !is_county(county.trim())) {
        found.push(("DQ-COUNTY", 9));
    }
    for (rule, component) in found {
        check.add(rule, &spot(segment, field, number, component));
    }
}

/// NK1-4 is where the patient lives, too.
pub(super) fn kin(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let Some(pid) = facts.pid else { return };
    for kin in &facts.kin {
        let both = [1, 3, 4, 5].map(|part| text(pid, 11, part).zip(text(*kin, 4, part)));
        let differ = |(own, theirs): (&[u8], &[u8])| !own.eq_ignore_ascii_case(theirs);
        if both.iter().all(Option::is_some) && both.into_iter().flatten().any(differ) {
            check.add("DQ-KIN-ADDRESS", &Spot::at(*kin, 4, 0));
        }
    }
}

/// ISO 3166, three letters.
fn is_country(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// FIPS 6-4: three digits within the state, or five with the state in front.
fn is_county(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let within_state = match text.split_at_checked(2) {
        Some((state, rest)) if is_state(state) => rest,
        _ => text,
    };
    digits(within_state) && matches!(within_state.len(), 3 | 5)
}

fn is_state(text: &str) -> bool {
    areas_of(text).is_some()
}

fn areas_of(state: &str) -> Option<&'static [(u16, u16)]> {
    let area = ZIP_AREAS.iter().find(|(name, _)| name.eq_ignore_ascii_case(state));
    area.map(|(_, areas)| *areas)
}

/// State and ZIP of an address in the United States.
fn american(state: Option<&str>, zip: Option<&str>) -> Vec<(&'static str, usize)> {
    let mut found = vec![];
    let areas = state.and_then(areas_of);
    if state.is_some() && areas.is_none() {
        found.push(("DQ-STATE", 4));
    }
    let Some(zip) = zip else { return found };
    let Some(area) = zip_area(zip) else {
        found.push(("DQ-ZIP", 5));
        return found;
    };
    let within =
        |areas: &[(u16, u16)]| areas.iter().any(|(from, to)| (*from..=*to).contains(&area));
    if areas.is_some_and(|areas| !within(areas)) {
        found.push(("DQ-ZIP-STATE", 5));
    }
    found
}

/// The first three digits of a ZIP of five or nine digits.
fn zip_area(zip: &str) -> Option<u16> {
    let (five, more) = zip.split_at_checked(5)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let more = more.strip_prefix('-').unwrap_or(more);
    let good = digits(five) && digits(more) && matches!(more.len(), 0 | 4);
    let used = !matches!(five, "00000" | "99999" | "12345");
    (good && used).then(|| five.get(..3)?.parse().ok())?
}

/// PID-13 and NK1-5, every repetition.
pub(super) fn phones(check: &mut Check<'_, '_, '_>, facts: &Facts<'_, '_, '_>) {
    let patient = facts.pid.map(|pid| (pid, 13));
    for (segment, field) in patient.into_iter().chain(facts.kin.iter().map(|kin| (*kin, 5))) {
        for (repetition, number) in segment.field(field).repetitions().take(REPETITIONS).zip(1..) {
            let part = |n: usize| repetition.component(n).value().text();
            let fault = if part(2) == Some(b"NET") {
                part(4).filter(|mail| !is_email(mail)).map(|_| ("DQ-EMAIL", 4))
            } else {
                telephone(part(6), part(7), part(5))
            };
            if let Some((rule, component)) = fault {
                check.add(rule, &spot(segment, field, number, component));
            }
        }
    }
}

/// A number of ten digits that can be dialled; other countries have other ones.
fn telephone(
    area: Option<&[u8]>,
    local: Option<&[u8]>,
    country: Option<&[u8]>,
) -> Option<(&'static str, usize)> {
    if country.is_some_and(|country| country != b"1") {
        return None;
    }
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let can_begin = |text: &[u8]| !matches!(text.first(), Some(b'0' | b'1'));
    match (area, local) {
        (None, Some(_)) => Some(("DQ-PHONE-AREA", 6)),
        (Some(area), _) if area.len() != 3 || !digits(area) || !can_begin(area) => {
            Some(("DQ-PHONE", 6))
        }
        (_, Some(local)) => {
            let plain = || local.iter().filter(|byte| **byte != b'-');
            let first = plain().next();
            let same = plain().all(|byte| Some(byte) == first);
            let dialled = plain().count() == 7
                && plain().all(u8::is_ascii_digit)
                && !matches!(first, Some(b'0' | b'1'));
            let is = |number: &[u8]| plain().eq(number);
            (!dialled || same || is(b"5551212") || is(b"1234567")).then_some(("DQ-PHONE", 7))
        }
        _ => None,
    }
}

/// Something, an at sign, and a name with a point in it.
pub(in crate::validation) fn is_email(mail: &[u8]) -> bool {
    let Ok(mail) = std::str::from_utf8(mail) else { return false };
    let Some((name, host)) = mail.split_once('@') else { return false };
    let point = host.split_once('.').is_some_and(|(one, two)| !one.is_empty() && !two.is_empty());
    !name.is_empty() && point && !host.contains('@') && !mail.contains(' ')
}

/// Whether a repetition of a telephone field can be used: a telephone of ten digits, or a mail address.
pub(in crate::validation) fn can_be_reached(segment: Segment<'_, '_>, field: usize) -> bool {
    segment.field(field).repetitions().take(REPETITIONS).any(|repetition| {
        let part = |n: usize| repetition.component(n).value().text();
        match part(2) {
            Some(b"NET") => part(4).is_some_and(is_email),
            _ => {
                part(6).is_some()
                    && telephone(part(6), part(7), part(5)).is_none()
                    && part(7).is_some()
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_zips_belong_together() {
        assert_eq!(american(Some("CA"), Some("95899")), []);
        assert_eq!(american(Some("MA"), Some("02138-1234")), []);
        assert_eq!(american(Some("CA"), Some("48160")), [("DQ-ZIP-STATE", 5)]);
        assert_eq!(american(Some("103"), Some("9o21o")), [("DQ-STATE", 4), ("DQ-ZIP", 5)]);
        assert_eq!(american(None, Some("00000")), [("DQ-ZIP", 5)]);
        assert_eq!(american(None, None), []);
    }

    #[test]
    fn the_areas_stand_in_order() {
        assert!(ZIP_AREAS.is_sorted());
    }

    #[test]
    fn counties_are_numbers() {
        for good in ["06067", "067", "CA067"] {
            assert!(is_county(good), "{good}");
        }
        for bad in ["SACRAMENTO", "APARTMENT #25", "6", "COUNTY"] {
            assert!(!is_county(bad), "{bad}");
        }
    }

    #[test]
    fn telephones_have_ten_digits() {
        let phone = |area: &'static str, local: &'static str| {
            let part = |text: &'static str| Some(text.as_bytes()).filter(|text| !text.is_empty());
            telephone(part(area), part(local), None)
        };
        assert_eq!(phone("916", "5550142"), None);
        assert_eq!(phone("916", "555-0142"), None);
        assert_eq!(phone("", "5550142"), Some(("DQ-PHONE-AREA", 6)));
        assert_eq!(phone("APPLE GATE", "5550142"), Some(("DQ-PHONE", 6)));
        assert_eq!(phone("916", "0000000"), Some(("DQ-PHONE", 7)));
        assert_eq!(telephone(None, Some(b"301234567"), Some(b"49")), None);
        assert!(is_email(b"a.b@example.org"));
        assert!(!is_email(b"a.b@example"));
    }
}
