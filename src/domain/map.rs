//! The outlines of the counties, for the map of the regions.

use std::sync::LazyLock;

use crate::domain::County;
use crate::domain::region::data_rows;

/// The data file of outlines; it carries its own date and sources.
const MAP_CSV: &str = include_str!("../../schemas/map.csv");

/// The `viewBox` of the map in which all outlines lie.
pub const MAP_VIEW_BOX: &str = "0 0 600 700";

/// The outline of one county on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// FIPS code of the county, such as `06001`.
    pub fips: &'static str,
    /// Where the middle of a label has most room, from the left.
    pub label_x: f32,
    /// Where the middle of a label has most room, from the top.
    pub label_y: f32,
    /// The `d` of an SVG path; counties that touch share the points between them.
    pub path: &'static str,
}

/// The outlines of all counties, by FIPS code.
pub static OUTLINES: LazyLock<Vec<Outline>> = LazyLock::new(|| {
    data_rows(MAP_CSV)
        .filter_map(|row| match row.as_slice() {
            [fips, label_x, label_y, path] => Some(Outline {
                fips,
                label_x: label_x.parse().ok()?,
                label_y: label_y.parse().ok()?,
                path,
            }),
            _ => None,
        })
        .collect()
});

impl Outline {
    /// The outline of the county with this FIPS code.
    pub fn of(fips: &str) -> Option<&'static Self> {
        OUTLINES.iter().find(|outline| outline.fips == fips)
    }

    /// The county that it is the outline of.
    pub fn county(&self) -> Option<&'static County> {
        County::find(self.fips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::COUNTIES;

    #[test]
    fn every_county_has_one_outline() {
        assert_eq!(OUTLINES.len(), 58);
        for county in COUNTIES.iter() {
            let outline = Outline::of(county.fips).unwrap();
            assert_eq!(outline.county(), Some(county));
        }
    }

    #[test]
    fn paths_are_closed_and_labels_lie_on_the_map() {
        for outline in OUTLINES.iter() {
            assert!(outline.path.starts_with('M') && outline.path.ends_with('z'), "{outline:?}");
            assert!(
                outline.path.bytes().all(|b| b.is_ascii_digit() || b" .-Mlz".contains(&b)),
                "{outline:?}"
            );
            assert!((0.0..600.0).contains(&outline.label_x), "{outline:?}");
            assert!((0.0..700.0).contains(&outline.label_y), "{outline:?}");
        }
    }

    #[test]
    fn the_north_is_up_and_the_east_is_right() {
        let [siskiyou, imperial, marin, mono] =
            ["06093", "06025", "06041", "06051"].map(|fips| Outline::of(fips).unwrap());

        assert!(siskiyou.label_y < imperial.label_y);
        assert!(marin.label_x < mono.label_x);
    }
}
