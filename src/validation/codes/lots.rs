//! Shapes of lot numbers. Source: AIRA, lot number patterns.

use super::CodesError;
use super::read::Reading;
use super::vaccines::Vaccines;

/// The shapes of the lot numbers of each maker.
#[derive(Debug)]
pub(super) struct Lots {
    /// Maker and pattern: `#` a digit, `@` a capital letter, anything else itself.
    patterns: Box<[(Box<str>, Box<str>)]>,
}

impl Lots {
    pub(super) fn read(reading: &mut Reading<'_>, vaccines: &Vaccines) -> Result<Self, CodesError> {
        let mut patterns = vec![];
        reading.each_row("lots.csv", |row| {
            let (mvx, pattern) = (row.needed(0)?, row.needed(1)?);
            if row.refers(0, "mvx.csv", vaccines.maker(mvx.as_bytes()).is_some())? {
                patterns.push((mvx.into(), pattern.into()));
            }
            Ok(())
        })?;
        Ok(Self { patterns: patterns.into() })
    }

    pub(super) fn fits(&self, mvx: &[u8], lot: &[u8]) -> Option<bool> {
        let mut of_maker = self.patterns.iter().filter(|(maker, _)| maker.as_bytes() == mvx);
        let first = of_maker.next()?;
        Some(std::iter::once(first).chain(of_maker).any(|(_, pattern)| fits(pattern, lot)))
    }
}

fn fits(pattern: &str, lot: &[u8]) -> bool {
    let fits = |(shape, byte): (u8, &u8)| match shape {
        b'#' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_uppercase(),
        _ => shape == *byte,
    };
    pattern.len() == lot.len() && pattern.bytes().zip(lot).all(fits)
}
