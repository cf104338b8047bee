//! Vaccine information statements. Source: CDC IIS code sets, VIS bar codes and the map of CVX to VIS.

use std::collections::BTreeMap;

use super::CodesError;
use super::read::{Reading, Row};
use super::vaccines::Vaccines;

/// What is known of an information statement.
#[derive(Debug, Clone)]
pub struct Vis {
    /// Its bar code: 24 digits.
    pub barcode: Box<str>,
    /// The day of its edition, as `yyyymmdd`.
    pub edition: u32,
    /// Its name.
    pub document: Box<str>,
    /// Whether it is the one to give today.
    pub current: bool,
    /// The vaccine codes that it is given with.
    pub cvx: Box<[Box<str>]>,
}

/// All statements.
#[derive(Debug)]
pub(super) struct Statements {
    /// By bar code.
    all: Box<[Vis]>,
    /// The place of a vaccine code and the day of an edition of its statements, in this order.
    editions: Box<[(u16, u32)]>,
}

impl Statements {
    pub(super) fn read(reading: &mut Reading<'_>, vaccines: &Vaccines) -> Result<Self, CodesError> {
        let mut all = BTreeMap::<Box<str>, (Vis, Vec<Box<str>>)>::new();
        let mut editions = vec![];
        reading.each_row("vis.csv", |row| {
            let statement = read_statement(row)?;
            let cvx = row.needed(1)?;
            let place = vaccines.place(cvx.as_bytes());
            row.refers(1, "cvx.csv", place.is_some())?;
            if let Some(place) = place {
                editions.push((place, statement.edition));
                editions.extend(printed_day(&statement.barcode).map(|day| (place, day)));
            }
            let known =
                all.entry(statement.barcode.clone()).or_insert_with(|| (statement.clone(), vec![]));
            if (known.0.edition, known.0.current) != (statement.edition, statement.current) {
                let problem = "another row gives this bar code another edition or status";
                return Err(row.wrong(0, problem));
            }
            known.1.push(cvx.into());
            Ok(())
        })?;
        editions.sort_unstable();
        editions.dedup();
        let all = all.into_values().map(|(statement, cvx)| Vis { cvx: cvx.into(), ..statement });
        Ok(Self { all: all.collect(), editions: editions.into() })
    }

    /// All statements, by bar code.
    pub(super) fn all(&self) -> impl Iterator<Item = &Vis> {
        self.all.iter()
    }

    pub(super) fn find(&self, barcode: &[u8]) -> Option<&Vis> {
        let place = self.all.binary_search_by(|vis| vis.barcode.as_bytes().cmp(barcode)).ok()?;
        self.all.get(place)
    }

    /// Whether a statement for the vaccine code at this place has this edition.
    pub(super) fn has_edition(&self, cvx: u16, edition: u32) -> bool {
        self.editions.binary_search(&(cvx, edition)).is_ok()
    }

    /// Whether there is a statement for the vaccine code at this place.
    pub(super) fn concern(&self, cvx: u16) -> bool {
        let first = self.editions.partition_point(|(known, _)| *known < cvx);
        self.editions.get(first).is_some_and(|(known, _)| *known == cvx)
    }
}

fn read_statement(row: &Row<'_>) -> Result<Vis, CodesError> {
    let barcode = row.needed(0)?;
    if barcode.len() != 24 || !barcode.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(row.wrong(0, format!("{barcode:?}: a VIS bar code has 24 digits")));
    }
    let edition = row.date(2)?.ok_or_else(|| row.wrong(2, "give the day of the edition"))?;
    Ok(Vis {
        barcode: barcode.into(),
        edition,
        document: row.needed(3)?.into(),
        current: row.either(4, "current", "historic")?,
        cvx: [].into(),
    })
}

/// The day in the last six digits of a bar code. CDC changed some fact sheets without a new bar code.
fn printed_day(barcode: &str) -> Option<u32> {
    barcode.get(18..)?.parse().ok().map(|day: u32| 20_000_000 + day)
}
