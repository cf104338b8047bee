//! How vaccines are given. Source: CDC IIS code sets (NDC) and the injection guidance of AIRA.

use super::CodesError;
use super::read::{Reading, Row};
use super::vaccines::Vaccines;

/// How a vaccine is given.
#[derive(Debug, Clone)]
pub struct Injection {
    /// The vaccine code.
    pub cvx: Box<str>,
    /// The routes by which it may be given, as NCIT codes.
    pub routes: Box<[Box<str>]>,
    /// The sites at which it may be given, by HL70163; none at all when it is not injected. Nothing when any will do.
    pub sites: Option<Box<[Box<str>]>>,
    /// The usual volumes of a dose in thousandths of a millilitre; empty when they are not known.
    pub amounts: Box<[u32]>,
}

pub(super) fn read(
    reading: &mut Reading<'_>,
    vaccines: &Vaccines,
) -> Result<Box<[Injection]>, CodesError> {
    let mut rules = vec![];
    reading.each_row("injection.csv", |row| {
        let cvx = row.needed(0)?;
        let known = row.refers(0, "cvx.csv", vaccines.place(cvx.as_bytes()).is_some())?;
        row.needed(1)?;
        let sites = match row.text(2) {
            "" => None,
            "none" => Some([].into()),
            _ => Some(row.list(2)),
        };
        let rule =
            Injection { cvx: cvx.into(), routes: row.list(1), sites, amounts: amounts(row)? };
        rules.extend(known.then_some(rule));
        Ok(())
    })?;
    rules.sort_by(|one: &Injection, other| one.cvx.cmp(&other.cvx));
    Ok(rules.into())
}

fn amounts(row: &Row<'_>) -> Result<Box<[u32]>, CodesError> {
    let texts = row.text(3).split_ascii_whitespace();
    texts
        .map(|text| {
            thousandths(text).ok_or_else(|| {
                row.wrong(
                    3,
                    format!("{text:?}: write millilitres, such as 0.5, with a space between"),
                )
            })
        })
        .collect()
}

/// A decimal number with at most three places, times a thousand.
pub(in crate::validation) fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 3 || part.len() > 3 {
        return None;
    }
    let digits = whole.bytes().chain(part.bytes().chain(*b"00").take(3));
    Some(digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_to_the_microlitre() {
        let read = ["0.5", "1", "0.25", "1.125", ".5", "1.", "0,5", "0.12345", ""].map(thousandths);
        assert_eq!(read[..4], [Some(500), Some(1000), Some(250), Some(1125)]);
        assert_eq!(read[4..], [None; 5]);
    }
}
