//! The regions of CAIR: seven managed through the Gateway and three independent registries.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;
use serde::Serialize;

use crate::domain::UnknownWord;

/// The data file of regions; it carries its own date and sources.
const REGIONS_CSV: &str = include_str!("../../schemas/regions.csv");

/// What the data file says of one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionFacts {
    /// Region code as it stands in MSH-6, such as `CAIRBA`.
    pub code: RegionCode,
    /// Name for people, such as "Bay Area".
    pub name: &'static str,
    /// Whether CDPH manages its registry, so that the Gateway routes to it.
    pub managed: bool,
    /// Where the row comes from, in words.
    pub note: &'static str,
}

/// Every region of the data file, in its order.
pub static REGIONS: LazyLock<Vec<RegionFacts>> = LazyLock::new(|| {
    data_rows(REGIONS_CSV)
        .filter_map(|row| match row.as_slice() {
            [code, name, managed, note] => {
                Some(RegionFacts { code: RegionCode(code), name, managed: *managed == "yes", note })
            }
            _ => None,
        })
        .collect()
});

/// The rows of one of our data files: `#` opens a comment, the first row is the heading, no field holds a comma.
pub(super) fn data_rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .skip(1)
        .map(|line| line.split(',').map(str::trim).collect())
}

/// Code of a region of the data file. Only codes that stand there exist.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = Text)]
pub struct RegionCode(&'static str);

impl RegionCode {
    /// What the data file says of this region.
    pub fn facts(self) -> &'static RegionFacts {
        static UNLISTED: RegionFacts =
            RegionFacts { code: RegionCode(""), name: "", managed: false, note: "" };
        REGIONS.iter().find(|facts| facts.code == self).unwrap_or(&UNLISTED)
    }

    /// The code as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The seven regions that the Gateway routes to.
    pub fn managed() -> impl Iterator<Item = Self> {
        REGIONS.iter().filter(|facts| facts.managed).map(|facts| facts.code)
    }
}

impl FromStr for RegionCode {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        REGIONS
            .iter()
            .find(|facts| facts.code.0.eq_ignore_ascii_case(text.trim()))
            .map(|facts| facts.code)
            .ok_or(UnknownWord {
                expected: &["a region code of schemas/regions.csv, such as CAIRBA"],
            })
    }
}

impl AsRef<str> for RegionCode {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_regions_are_managed_and_three_are_not() {
        assert_eq!(RegionCode::managed().count(), 7);
        assert_eq!(REGIONS.len(), 10);
        assert!("CAIRBA".parse::<RegionCode>().unwrap().facts().managed);
        assert!("CAIR9".parse::<RegionCode>().is_err());
    }
}
