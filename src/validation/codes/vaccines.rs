//! Vaccine codes, makers, and which maker makes what. Source: CDC IIS code sets; ages and days of use from AIRA.

use super::CodesError;
use super::read::{Reading, Row};
use crate::domain::words;

/// Vaccine codes from here on are not of CDC's running numbers.
const RUNNING_NUMBERS_END: u32 = 500;

words! {
    /// Whether a vaccine code is in use. Source: CDC, CVX status.
    CvxStatus {
        /// In use.
        Active = "active",
        /// No longer given; right for past immunizations.
        Inactive = "inactive",
        /// Never came into use.
        NeverActive = "never-active",
        /// Not licensed in the United States.
        NonUs = "non-us",
        /// Not licensed yet.
        Pending = "pending",
    }
}

words! {
    /// What a vaccine code is a code of.
    CvxKind {
        /// An adjuvant, given together with a vaccine.
        Adjuvant = "adjuvant",
        /// Immune globulins, antitoxins and antibodies.
        ImmuneGlobulin = "immune-globulin",
        /// Nothing was given (998).
        NotAdministered = "not-administered",
        /// A code that must not be used (99).
        Reserved = "reserved",
        /// A skin test.
        SkinTest = "skin-test",
        /// A vaccine that is not known at all (999).
        Unknown = "unknown",
        /// A vaccine whose formulation is not known: right for past immunizations only.
        Unspecified = "unspecified",
        /// A vaccine.
        Vaccine = "vaccine",
    }
}

/// What is known of a vaccine code. Days are `yyyymmdd`.
#[derive(Debug, Clone)]
pub struct Cvx {
    /// The code.
    pub code: Box<str>,
    /// Its short description.
    pub name: Box<str>,
    /// Whether it is in use.
    pub status: CvxStatus,
    /// When CDC last changed its row.
    pub updated: Option<u32>,
    /// The first day on which it can have been given.
    pub not_before: Option<u32>,
    /// The first day on which it is likely to have been given, when that is later.
    pub not_expected_before: Option<u32>,
    /// The last day on which it is likely to have been given, when that is earlier than `not_after`.
    pub not_expected_after: Option<u32>,
    /// The last day on which it can have been given.
    pub not_after: Option<u32>,
    /// The least age in months at which it is given.
    pub min_months: Option<u16>,
    /// The greatest age in months at which it is given.
    pub max_months: Option<u16>,
    /// What it is a code of.
    pub kind: CvxKind,
    /// The vaccine groups that it counts for, by CDC's names with `-` for a space.
    pub groups: Box<[Box<str>]>,
}

/// What is known of a maker.
#[derive(Debug, Clone)]
pub struct Mvx {
    /// The code.
    pub code: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Whether it still makes vaccines under this code.
    pub active: bool,
}

/// The vaccine codes, the makers and their products.
#[derive(Debug)]
pub(super) struct Vaccines {
    /// By code.
    cvx: Box<[Cvx]>,
    /// By code.
    mvx: Box<[Mvx]>,
    /// Places of a vaccine code and of its maker, in this order.
    products: Box<[(u16, u16)]>,
    newest: u32,
}

impl Vaccines {
    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Self, CodesError> {
        let mut cvx = vec![];
        reading.each_row("cvx.csv", |row| {
            cvx.push(read_cvx(row)?);
            Ok(())
        })?;
        cvx.sort_by(|one, other| one.code.cmp(&other.code));
        let mut mvx = vec![];
        reading.each_row("mvx.csv", |row| {
            let active = row.either(2, "active", "inactive")?;
            mvx.push(Mvx { code: row.needed(0)?.into(), name: row.needed(1)?.into(), active });
            Ok(())
        })?;
        mvx.sort_by(|one, other| one.code.cmp(&other.code));
        let running = cvx.iter().filter_map(|cvx| cvx.code.parse().ok());
        let newest = running.filter(|number| *number < RUNNING_NUMBERS_END).max().unwrap_or(0);
        let mut all = Self { cvx: cvx.into(), mvx: mvx.into(), products: [].into(), newest };
        let mut products = vec![];
        reading.each_row("products.csv", |row| {
            row.needed(0)?;
            row.either(3, "active", "inactive")?;
            let (cvx, mvx) = (all.place(row.text(1).as_bytes()), all.maker(row.text(2).as_bytes()));
            row.refers(1, "cvx.csv", cvx.is_some())?;
            row.refers(2, "mvx.csv", mvx.is_some())?;
            products.extend(cvx.zip(mvx));
            Ok(())
        })?;
        products.sort_unstable();
        products.dedup();
        all.products = products.into();
        Ok(all)
    }

    /// The place of a vaccine code among all.
    pub(super) fn place(&self, code: &[u8]) -> Option<u16> {
        let place = self.cvx.binary_search_by(|cvx| cvx.code.as_bytes().cmp(code)).ok()?;
        u16::try_from(place).ok()
    }

    /// The place of a maker among all.
    pub(super) fn maker(&self, code: &[u8]) -> Option<u16> {
        let place = self.mvx.binary_search_by(|mvx| mvx.code.as_bytes().cmp(code)).ok()?;
        u16::try_from(place).ok()
    }

    /// All vaccine codes, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Cvx> {
        self.cvx.iter()
    }

    /// All makers, in the order of their codes.
    pub(super) fn all_makers(&self) -> impl Iterator<Item = &Mvx> {
        self.mvx.iter()
    }

    pub(super) fn cvx(&self, code: &[u8]) -> Option<&Cvx> {
        self.cvx.get(usize::from(self.place(code)?))
    }

    pub(super) fn mvx(&self, code: &[u8]) -> Option<&Mvx> {
        self.mvx.get(usize::from(self.maker(code)?))
    }

    pub(super) const fn newest(&self) -> u32 {
        self.newest
    }

    pub(super) fn makers(&self, code: &[u8]) -> impl Iterator<Item = &str> {
        let place = self.place(code);
        let first = self.products.partition_point(|(cvx, _)| Some(*cvx) < place);
        let products = self.products.get(first..).unwrap_or_default().iter();
        products
            .take_while(move |(cvx, _)| Some(*cvx) == place)
            .filter_map(|(_, mvx)| Some(&*self.mvx.get(usize::from(*mvx))?.code))
    }

    /// Whether all the codes of a cell are vaccine codes.
    pub(super) fn have_all(&self, codes: &[Box<str>]) -> bool {
        codes.iter().all(|code| self.place(code.as_bytes()).is_some())
    }
}

fn read_cvx(row: &Row<'_>) -> Result<Cvx, CodesError> {
    let code = row.needed(0)?;
    if code.parse::<u16>().is_err() {
        return Err(row.wrong(0, format!("{code:?} is not a number; CVX codes are numbers")));
    }
    Ok(Cvx {
        code: code.into(),
        name: row.needed(1)?.into(),
        status: row.word(2)?,
        updated: row.date(3)?,
        not_before: row.date(4)?,
        not_expected_before: row.date(5)?,
        not_expected_after: row.date(6)?,
        not_after: row.date(7)?,
        min_months: row.months(8)?,
        max_months: row.months(9)?,
        kind: row.word(10)?,
        groups: row.list(11),
    })
}
