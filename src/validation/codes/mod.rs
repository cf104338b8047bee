//! Code tables: which codes a table has, what they mean, and what is known of vaccines, makers, packages and statements.
//!
//! The tables are dated data files, compiled in and replaceable by a directory: nothing here knows a code of its own.
//! Source of the tables: the value sets of NIST's profiles and the code sets of CDC and AIRA; each file of
//! `schemas/codes` names its own source and date. Procedure codes of the AMA are not among them.

mod injection;
mod listing;
mod lots;
mod ndc;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod vaccines;
mod vis;

use std::path::Path;
use std::sync::{Arc, LazyLock};

pub use injection::Injection;
pub(super) use injection::thousandths;
pub use listing::CodeEntry;
pub use ndc::Ndc;
pub use read::{CodeChanges, CodeTexts, CodesError};
pub use tables::{Lookup, TableId};
pub use vaccines::{Cvx, CvxKind, CvxStatus, Mvx};
pub use vis::Vis;

use crate::validation::profile;

use lots::Lots;
use ndc::Ndcs;
use read::Reading;
use tables::{Backing, Tables};
use vaccines::Vaccines;
use vis::Statements;

/// One set of code tables.
///
/// A [`TableId`] belongs to the set that gave it.
#[derive(Debug)]
pub struct Codes {
    tables: Tables,
    vaccines: Vaccines,
    ndcs: Ndcs,
    statements: Statements,
    injections: Box<[Injection]>,
    lots: Lots,
    files: Box<[CodeFile]>,
}

/// A data file of a set of code tables.
#[derive(Debug, Clone)]
pub struct CodeFile {
    /// Its name, such as `cvx.csv`.
    pub name: &'static str,
    /// Where its content comes from.
    pub source: Box<str>,
    /// Under which licence.
    pub licence: Box<str>,
    /// The day of its content, as `yyyymmdd`.
    pub date: u32,
    /// How many rows it has.
    pub rows: usize,
    /// Whether it is compiled in rather than read from a directory.
    pub built_in: bool,
}

impl Codes {
    /// The tables that are compiled in.
    pub fn built_in() -> &'static Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Codes>> = LazyLock::new(|| {
            let codes = Codes::of(&CodeTexts::built_in());
            // A test holds the compiled files to their form, so what is without a mistake here stays so.
            Arc::new(codes.unwrap_or_else(|error| unreachable!("{error}")))
        });
        &BUILT_IN
    }

    /// The tables of a directory: each file there replaces the built-in one of its name, the others stay.
    ///
    /// # Errors
    /// When a file cannot be used; the error names it, the line, the column and what to do.
    pub fn load(dir: &Path) -> Result<Self, CodesError> {
        Self::of(&CodeTexts::of_dir(dir)?)
    }

    /// The tables to use with a data directory: those of its folder `codes` when it has one, else the built-in ones.
    ///
    /// # Errors
    /// As [`Codes::load`].
    pub fn in_use(data_dir: &Path) -> Result<Arc<Self>, CodesError> {
        let texts = CodeTexts::in_use(data_dir)?;
        if texts.are_built_in() {
            return Ok(Arc::clone(Self::built_in()));
        }
        Self::of(&texts).map(Arc::new)
    }

    /// The tables that these files make.
    ///
    /// # Errors
    /// As [`Codes::load`].
    pub fn of(texts: &CodeTexts) -> Result<Self, CodesError> {
        let mut reading = Reading::new(texts);
        let vaccines = Vaccines::read(&mut reading)?;
        let tables = Tables::read(&mut reading)?;
        let ndcs = Ndcs::read(&mut reading, &vaccines)?;
        let statements = Statements::read(&mut reading, &vaccines)?;
        let injections = injection::read(&mut reading, &vaccines)?;
        let lots = Lots::read(&mut reading, &vaccines)?;
        // A profile that is bound to a table which is gone could judge nothing.
        let missing = profile::table_names().find(|name| tables.find(name).is_none());
        if let Some(table) = missing {
            let problem = format!("it has no row of table {table}, which the profiles use; add it");
            return Err(CodesError::Heading { file: "tables.csv", problem });
        }
        let mut files = reading.files;
        files.sort_by_key(|file| file.name);
        let files = files.into();
        Ok(Self { tables, vaccines, ndcs, statements, injections, lots, files })
    }

    /// The data files that these tables were made of.
    pub fn files(&self) -> impl Iterator<Item = &CodeFile> {
        self.files.iter()
    }
}

/// Tables and coding systems.
impl Codes {
    /// The table of a name, as profiles name it: `HL70001`, `CDCREC_R`, `NCIT`, `CVX`, `PHVS_VISBarcodes_IIS`.
    pub fn table(&self, name: &str) -> Option<TableId> {
        self.tables.find(name)
    }

    /// The name of a table of this set.
    pub fn table_name(&self, table: TableId) -> &str {
        self.tables.name(table)
    }

    /// What a table of this set says of a code. Codes are compared byte for byte.
    pub fn look_up(&self, table: TableId, code: &[u8]) -> Lookup<'_> {
        let known = match self.tables.backing(table) {
            Backing::Rows => return self.tables.look_up(table, code),
            Backing::Cvx => self.cvx(code).is_some(),
            Backing::Mvx => self.mvx(code).is_some(),
            Backing::NdcOfSale => self.ndc(code).is_some_and(|ndc| ndc.unit_of_sale),
            Backing::NdcOfUse => self.ndc(code).is_some_and(|ndc| ndc.unit_of_use),
            Backing::Statements => self.vis(code).is_some(),
            Backing::VaccinesWithStatement => self.needs_vis(code),
        };
        let system = self.tables.backing(table).system();
        if known { Lookup::Known { system } } else { Lookup::Unknown }
    }

    /// What a code of a table of this set stands for, in words.
    pub fn label(&self, table: TableId, code: &[u8]) -> Option<&str> {
        match self.tables.backing(table) {
            Backing::Rows => self.tables.label(table, code),
            Backing::Cvx => Some(&self.cvx(code)?.name),
            Backing::Mvx => Some(&self.mvx(code)?.name),
            Backing::NdcOfSale | Backing::NdcOfUse => Some(&self.ndc(code)?.product),
            Backing::Statements => Some(&self.vis(code)?.document),
            Backing::VaccinesWithStatement if self.needs_vis(code) => Some(&self.cvx(code)?.name),
            Backing::VaccinesWithStatement => None,
        }
    }

    /// The coding system of a table of this set, when all its codes have the same one.
    pub fn system_of(&self, table: TableId) -> Option<&str> {
        match self.tables.backing(table) {
            Backing::Rows => self.tables.system_of(table),
            backing => Some(backing.system()),
        }
    }

    /// The coding system that an alias of a table of this set was taken from: `HL70162` for the route `IM`.
    pub fn system_of_alias(&self, table: TableId, code: &[u8]) -> Option<&str> {
        self.tables.system_of_alias(table, code)
    }

    /// Whether a coding system has this name: a row of HL70396, or the system of any code of these tables.
    pub fn is_system(&self, name: &[u8]) -> bool {
        self.tables.is_system(name)
    }

    /// The right name of a coding system that was once called otherwise: `CVX` for `HL70292`.
    pub fn system_alias(&self, name: &[u8]) -> Option<&str> {
        self.tables.system_alias(name)
    }
}

/// Vaccines.
impl Codes {
    /// What is known of a vaccine code.
    pub fn cvx(&self, code: &[u8]) -> Option<&Cvx> {
        self.vaccines.cvx(code)
    }

    /// The greatest vaccine code of CDC's running numbers. What is a little greater and unknown may be newer than the table.
    ///
    /// The numbers from 500 are not of that row: they are given to vaccines of other countries (500 and above), to an
    /// adjuvant (801), and to what is no vaccine (998, 999).
    pub const fn newest_cvx(&self) -> u32 {
        self.vaccines.newest()
    }

    /// What is known of a maker.
    pub fn mvx(&self, code: &[u8]) -> Option<&Mvx> {
        self.vaccines.mvx(code)
    }

    /// Whether this maker makes or made a product of this vaccine code.
    pub fn is_product(&self, cvx: &[u8], mvx: &[u8]) -> bool {
        self.makers(cvx).any(|maker| maker.as_bytes() == mvx)
    }

    /// The makers of a vaccine code, present and past.
    pub fn makers(&self, cvx: &[u8]) -> impl Iterator<Item = &str> {
        self.vaccines.makers(cvx)
    }

    /// What is known of a package: 11 digits, or 5, 4 and 2 with hyphens.
    pub fn ndc(&self, code: &[u8]) -> Option<&Ndc> {
        self.ndcs.find(code)
    }

    /// The information statement with this bar code.
    pub fn vis(&self, barcode: &[u8]) -> Option<&Vis> {
        self.statements.find(barcode)
    }

    /// Whether a statement for this vaccine code has this edition: the day of its edition, or the day in its bar code.
    pub fn vis_edition(&self, cvx: &[u8], edition: u32) -> bool {
        self.vaccines.place(cvx).is_some_and(|cvx| self.statements.has_edition(cvx, edition))
    }

    /// Whether a statement has to be given with this vaccine. Source: CDC's map of CVX to VIS.
    pub fn needs_vis(&self, cvx: &[u8]) -> bool {
        self.vaccines.place(cvx).is_some_and(|cvx| self.statements.concern(cvx))
    }

    /// How a vaccine is given, when the tables say so.
    pub fn injection(&self, cvx: &[u8]) -> Option<&Injection> {
        let place = self.injections.binary_search_by(|rule| rule.cvx.as_bytes().cmp(cvx)).ok()?;
        self.injections.get(place)
    }

    /// Whether a lot number has a shape that this maker uses; nothing when no shape of this maker is known.
    ///
    /// The shapes are few and old: one that fits shows the maker, one that does not fit proves nothing.
    pub fn lot_fits(&self, mvx: &[u8], lot: &[u8]) -> Option<bool> {
        self.lots.fits(mvx, lot)
    }
}
