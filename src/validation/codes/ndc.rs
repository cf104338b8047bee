//! Packages of vaccines. Source: CDC IIS code sets, NDC unit of use and unit of sale.

use std::collections::BTreeMap;

use super::CodesError;
use super::read::Reading;
use super::vaccines::Vaccines;

/// What is known of a package, by its National Drug Code. Days are `yyyymmdd`.
#[derive(Debug, Clone)]
pub struct Ndc {
    /// The code as 11 digits without hyphens.
    pub code: Box<str>,
    /// The vaccine codes of its content; a few packages have two.
    pub cvx: Box<[Box<str>]>,
    /// Its makers; more than one after a change of hands.
    pub mvx: Box<[Box<str>]>,
    /// Its trade name.
    pub product: Box<str>,
    /// The first day on which it was sold.
    pub from: Option<u32>,
    /// The last day on which it was sold.
    pub to: Option<u32>,
    /// Whether it is still sold.
    pub active: bool,
    /// Whether it is what one dose is taken from: a vial, a syringe.
    pub unit_of_use: bool,
    /// Whether it is what is bought: a carton.
    pub unit_of_sale: bool,
}

/// All packages.
#[derive(Debug)]
pub(super) struct Ndcs {
    /// By code, beside the number that its digits make.
    packages: Box<[(u64, Ndc)]>,
}

impl Ndcs {
    pub(super) fn read(reading: &mut Reading<'_>, vaccines: &Vaccines) -> Result<Self, CodesError> {
        let mut packages = BTreeMap::<u64, Ndc>::new();
        reading.each_row("ndc.csv", |row| {
            let code = row.needed(0)?;
            let number = number_of(code.as_bytes()).filter(|_| code.len() == 11);
            let number = number
                .ok_or_else(|| row.wrong(0, format!("{code:?}: write 11 digits, no hyphens")))?;
            let unit_of_use = row.either(1, "use", "sale")?;
            let (cvx, mvx) = (row.list(2), row.list(3));
            row.needed(2)?;
            row.refers(2, "cvx.csv", vaccines.have_all(&cvx))?;
            let makers = mvx.iter().all(|maker| vaccines.maker(maker.as_bytes()).is_some());
            row.refers(3, "mvx.csv", makers)?;
            let package = Ndc {
                code: code.into(),
                cvx,
                mvx,
                product: row.needed(4)?.into(),
                from: row.date(5)?,
                to: row.date(6)?,
                active: row.either(7, "active", "ended")?,
                unit_of_use,
                unit_of_sale: !unit_of_use,
            };
            let known = packages.entry(number).or_insert(package);
            known.unit_of_use |= unit_of_use;
            known.unit_of_sale |= !unit_of_use;
            Ok(())
        })?;
        Ok(Self { packages: packages.into_iter().collect() })
    }

    /// All packages, by code.
    pub(super) fn all(&self) -> impl Iterator<Item = &Ndc> {
        self.packages.iter().map(|(_, package)| package)
    }

    pub(super) fn find(&self, code: &[u8]) -> Option<&Ndc> {
        let number = number_of(code)?;
        let place = self.packages.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.packages.get(place).map(|(_, package)| package)
    }
}

/// The number that the 11 digits of a code make; they may be written as 5, 4 and 2 with hyphens.
fn number_of(code: &[u8]) -> Option<u64> {
    let hyphens: &[usize] = match code.len() {
        11 => &[],
        13 => &[5, 10],
        _ => return None,
    };
    let mut number = 0;
    for (place, byte) in code.iter().enumerate() {
        match byte {
            b'-' if hyphens.contains(&place) => {}
            b'0'..=b'9' if !hyphens.contains(&place) => {
                number = number * 10 + u64::from(byte - b'0');
            }
            _ => return None,
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eleven_digits_with_both_hyphens_or_with_none() {
        let right: [&[u8]; 2] = [b"49281-0400-10", b"49281040010"];
        let wrong: [&[u8]; 6] = [
            b"49281-400-10",
            b"4928-10400-10",
            b"49281-040010",
            b"4928104001",
            b"4928104001O",
            b"49281-0400--0",
        ];
        assert_eq!(right.map(number_of), [Some(49_281_040_010); 2]);
        assert_eq!(wrong.map(number_of), [None; 6]);
    }
}
