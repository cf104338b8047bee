//! ZIP codes of California and the counties that they lie in.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::NaiveDate;

use crate::domain::region::data_rows;
use crate::domain::{County, WrongId};

/// The data file of ZIPs; it carries its own date and sources.
const ZIPS_CSV: &str = include_str!("../../schemas/zips.csv");

/// A ZIP code: five digits, of any state, whether it exists or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zip(u32);

/// The counties that this ZIP lies in, the likeliest first; none outside California.
///
/// ZIPs cross county lines, so this is a proposal: the person picks the county. The rows of the counties are those of
/// [`COUNTIES`](crate::domain::COUNTIES).
pub fn counties_of_zip(zip: Zip) -> Vec<&'static County> {
    codes(zip).filter_map(County::find).collect()
}

/// As [`counties_of_zip`], with the row of each county that is in force on `date`.
pub fn counties_of_zip_on(zip: Zip, date: NaiveDate) -> Vec<&'static County> {
    codes(zip).filter_map(|fips| County::on(fips, date)).collect()
}

/// The FIPS codes of the counties of this ZIP.
fn codes(zip: Zip) -> impl Iterator<Item = &'static str> {
    COUNTIES_OF.get(&zip).copied().unwrap_or_default().split_whitespace()
}

/// Each ZIP with the codes of its counties as the file has them, parted by spaces.
static COUNTIES_OF: LazyLock<HashMap<Zip, &'static str>> = LazyLock::new(|| {
    data_rows(ZIPS_CSV)
        .filter_map(|row| match row.as_slice() {
            [counties, zips] => Some((*counties, *zips)),
            _ => None,
        })
        .flat_map(|(counties, zips)| {
            zips.split_whitespace().filter_map(move |zip| Some((zip.parse().ok()?, counties)))
        })
        .collect()
});

impl FromStr for Zip {
    type Err = WrongId;

    /// Five digits; of a ZIP+4 such as `94501-1234` the first five.
    fn from_str(text: &str) -> Result<Self, WrongId> {
        let digits =
            |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        let text = text.trim();
        let (five, four) = text.split_once('-').unwrap_or((text, "0000"));
        if !digits(five, 5) || !digits(four, 4) {
            return Err(WRONG);
        }
        five.parse().map(Self).map_err(|_not_a_number| WRONG)
    }
}

const WRONG: WrongId = WrongId { what: "ZIP code", expected: "five digits, such as 94501" };

impl fmt::Display for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::COUNTIES;

    fn names(zip: &str) -> Vec<&'static str> {
        counties_of_zip(zip.parse().unwrap()).iter().map(|county| county.name).collect()
    }

    #[test]
    fn a_zip_leads_to_its_county() {
        assert_eq!(names("94501"), ["Alameda"]);
        assert_eq!(names("95202"), ["San Joaquin"]);
        assert_eq!(names("10001"), [""; 0], "New York");
    }

    #[test]
    fn a_zip_across_a_county_line_leads_to_both_the_likeliest_first() {
        assert_eq!(names("95391"), ["San Joaquin", "Alameda"]);
    }

    #[test]
    fn a_zip_is_five_digits_and_may_have_four_more() {
        assert_eq!("00501".parse::<Zip>().unwrap().to_string(), "00501");
        assert_eq!(" 94501-1234 ".parse::<Zip>().unwrap().to_string(), "94501");
        for wrong in
            ["", "9450", "945011", "9450a", "+4501", "94501-", "94501-12", "-94501", "94501-1234-1"]
        {
            assert!(wrong.parse::<Zip>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_county_has_a_zip_and_every_code_is_a_county() {
        let codes: Vec<&str> = COUNTIES_OF.keys().flat_map(|zip| codes(*zip)).collect();

        for county in COUNTIES.iter() {
            assert!(codes.contains(&county.fips), "{}", county.name);
        }
        for code in codes {
            assert!(County::find(code).is_some(), "{code}");
        }
    }

    #[test]
    fn every_zip_of_the_file_is_read_and_stands_in_one_row() {
        let listed: usize = data_rows(ZIPS_CSV)
            .map(|row| row.get(1).map_or(0, |zips| zips.split_whitespace().count()))
            .sum();

        assert_eq!(COUNTIES_OF.len(), listed);
        assert!(listed > 2500);
    }

    #[test]
    fn the_row_of_the_county_is_that_of_the_date() {
        let zip = "94501".parse().unwrap();

        assert_eq!(counties_of_zip_on(zip, "2020-01-01".parse().unwrap()), counties_of_zip(zip));
        assert!(counties_of_zip_on(zip, "2000-01-01".parse().unwrap()).is_empty());
    }
}
