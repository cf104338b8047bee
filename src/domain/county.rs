//! California's 58 counties: region, and who may register or enrol, by date.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Serialize;

use crate::domain::RegionCode;
use crate::domain::region::data_rows;

/// The data file of counties; it carries its own date and sources.
const COUNTIES_CSV: &str = include_str!("../../schemas/counties.csv");

/// One county as a row of the data file has it: what holds of it from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct County {
    /// FIPS code, such as `06001`.
    pub fips: &'static str,
    /// Name without the word County.
    pub name: &'static str,
    /// Its region.
    pub region: RegionCode,
    /// Whether its providers register for data exchange at the Gateway. Source: seed 000.
    pub gateway_registration: bool,
    /// Whether its organizations enrol and manage accounts online. Source: seed 003.
    pub online_enrolment: bool,
    /// Where an excluded provider goes instead; empty for the others.
    pub referral: &'static str,
    /// First day on which the row holds.
    #[serde(skip)]
    pub valid_from: NaiveDate,
}

/// Every county as of the day on which the data file was compiled, in the order of the file.
///
/// What must be decided for another day asks [`County::on`] or [`County::all_on`].
pub static COUNTIES: LazyLock<Vec<County>> =
    LazyLock::new(|| in_force(&ROWS, compiled(COUNTIES_CSV)).cloned().collect());

/// Every row of the file, those of the past and of the future too.
static ROWS: LazyLock<Vec<County>> = LazyLock::new(|| rows(COUNTIES_CSV));

impl County {
    /// The county with this FIPS code or name (any case).
    pub fn find(text: &str) -> Option<&'static Self> {
        COUNTIES.iter().find(|county| county.is(text))
    }

    /// The row in force on `date` of the county with this FIPS code or name (any case); none before its first row holds.
    pub fn on(text: &str, date: NaiveDate) -> Option<&'static Self> {
        Self::all_on(date).find(|county| county.is(text))
    }

    /// The row in force on `date` of every county, in the order of the file.
    pub fn all_on(date: NaiveDate) -> impl Iterator<Item = &'static Self> {
        in_force(&ROWS, date)
    }

    fn is(&self, text: &str) -> bool {
        let text = text.trim();
        self.fips == text || self.name.eq_ignore_ascii_case(text)
    }
}

/// The newest row of each county that holds on `date`, whatever the order of the rows.
fn in_force(rows: &[County], date: NaiveDate) -> impl Iterator<Item = &County> {
    let holds = move |row: &&County| row.valid_from <= date;
    rows.iter().filter(holds).filter(move |row| {
        !rows
            .iter()
            .filter(holds)
            .any(|other| other.fips == row.fips && other.valid_from > row.valid_from)
    })
}

fn rows(text: &'static str) -> Vec<County> {
    data_rows(text)
        .filter_map(|row| match row.as_slice() {
            [fips, name, region, gateway, online, valid_from, referral, _confidence] => {
                Some(County {
                    fips,
                    name,
                    region: region.parse().ok()?,
                    gateway_registration: *gateway == "yes",
                    online_enrolment: *online == "yes",
                    referral,
                    valid_from: valid_from.parse().ok()?,
                })
            }
            _ => None,
        })
        .collect()
}

/// The day after the word `Compiled:` in the head of a data file; without it the last day there is, when every row holds.
fn compiled(text: &str) -> NaiveDate {
    text.split_once("Compiled: ")
        .and_then(|(_, after)| after.get(..10))
        .and_then(|day| day.parse().ok())
        .unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_58_counties_are_there_and_ten_are_excluded() {
        assert_eq!(COUNTIES.len(), 58);
        assert_eq!(COUNTIES.iter().filter(|county| !county.gateway_registration).count(), 10);
    }

    #[test]
    fn a_county_may_register_exactly_when_its_region_is_managed() {
        for county in COUNTIES.iter() {
            assert_eq!(
                county.gateway_registration,
                county.region.facts().managed,
                "{}",
                county.name
            );
            assert_eq!(county.referral.is_empty(), county.gateway_registration, "{}", county.name);
        }
    }

    #[test]
    fn the_seven_regions_hold_the_counts_of_the_source() {
        let count =
            |code: &str| COUNTIES.iter().filter(|county| county.region.as_str() == code).count();
        let counts =
            ["CAIRNC", "CAIRBA", "CAIRCC", "CAIRGS", "CAIRCV", "CAIRIE", "CAIRLO"].map(count);
        assert_eq!(counts, [16, 9, 6, 6, 5, 4, 2]);
    }

    #[test]
    fn a_later_row_holds_from_its_first_day() {
        let rows = rows(
            "fips,county,region,gateway_registration,online_enrolment,valid_from,referral,confidence\n\
             06025,Imperial,IMP,no,no,2015-11-01,its own registry,source\n\
             06073,San Diego,SD,no,no,2015-11-01,SDIR,source\n\
             06025,Imperial,CAIRIE,yes,yes,2017-03-01,,source\n",
        );
        let imperial = |date: &str| {
            let on_that_day = in_force(&rows, date.parse().unwrap()).collect::<Vec<_>>();
            on_that_day.iter().find(|county| county.is("imperial")).map(|county| {
                assert_eq!(on_that_day.len(), 2, "one row for each county");
                county.gateway_registration
            })
        };

        assert_eq!(imperial("2015-10-31"), None);
        assert_eq!(imperial("2017-02-28"), Some(false));
        assert_eq!(imperial("2017-03-01"), Some(true));
    }

    #[test]
    fn the_day_of_the_file_is_read_from_its_head() {
        assert_eq!(compiled(COUNTIES_CSV).to_string(), "2026-11-22");
        assert_eq!(compiled("no such word"), NaiveDate::MAX);
    }

    #[test]
    fn a_county_is_found_for_a_date_by_code_and_by_name() {
        let day = "2020-01-01".parse().unwrap();

        assert_eq!(County::on("06001", day), County::on("ALAMEDA", day));
        assert_eq!(County::on("06001", day).unwrap().name, "Alameda");
        assert_eq!(County::on("Clark", day), None);
        assert_eq!(County::all_on(day).count(), 58);
    }
}
