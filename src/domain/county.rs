//! California's 58 counties: region, and who may register or enrol.

use std::sync::LazyLock;

use serde::Serialize;

use crate::domain::RegionCode;
use crate::domain::region::data_rows;

/// The data file of counties; it carries its own date and sources.
const COUNTIES_CSV: &str = include_str!("../../schemas/counties.csv");

/// One county as the data file has it.
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
}

/// Every county, in the order of the file.
pub static COUNTIES: LazyLock<Vec<County>> = LazyLock::new(|| {
    data_rows(COUNTIES_CSV)
        .filter_map(|row| match row.as_slice() {
            [fips, name, region, gateway, online, _valid_from, referral, _confidence] => {
                Some(County {
                    fips,
                    name,
                    region: region.parse().ok()?,
                    gateway_registration: *gateway == "yes",
                    online_enrolment: *online == "yes",
                    referral,
                })
            }
            _ => None,
        })
        .collect()
});

impl County {
    /// The county with this FIPS code or name (any case).
    pub fn find(text: &str) -> Option<&'static Self> {
        let text = text.trim();
        COUNTIES.iter().find(|county| county.fips == text || county.name.eq_ignore_ascii_case(text))
    }
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
}
