//! Code tables for people: which there are, what they are for, and every code of one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::tables::Backing;
use super::{CodeFile, Codes, Cvx, CvxKind, CvxStatus, TableId};
use crate::validation::profile;

/// A code of a table, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeEntry<'c> {
    /// The code; of codes that begin alike the beginning and a star.
    pub code: Cow<'c, str>,
    /// What it stands for.
    pub label: &'c str,
    /// The coding system to name beside it.
    pub system: &'c str,
    /// What else is to be known of it; mostly nothing.
    pub note: Cow<'c, str>,
}

impl<'c> CodeEntry<'c> {
    /// A code of which nothing else is to be known.
    pub(super) fn new(code: impl Into<Cow<'c, str>>, label: &'c str, system: &'c str) -> Self {
        Self { code: code.into(), label, system, note: Cow::Borrowed("") }
    }

    pub(super) fn noted(self, note: impl Into<Cow<'c, str>>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// What else is to be known of a vaccine code.
const fn note_of(cvx: &Cvx) -> &'static str {
    match (cvx.kind, cvx.status) {
        (CvxKind::Reserved, _) => "Must not be sent",
        (CvxKind::Unspecified, _) => "For past immunizations only",
        (_, CvxStatus::Active) => "",
        (_, CvxStatus::Inactive) => "For past immunizations only: it is no longer given",
        (_, CvxStatus::NeverActive) => "Never came into use",
        (_, CvxStatus::NonUs) => "Not licensed in the United States",
        (_, CvxStatus::Pending) => "Not licensed yet",
    }
}

/// A day as people and spreadsheets read it: `2025-12-09`.
fn day(date: u32) -> String {
    format!("{:04}-{:02}-{:02}", date / 10_000, date / 100 % 100, date % 100)
}

impl CodeFile {
    /// The day of its content: `2025-12-09`.
    pub fn day(&self) -> String {
        day(self.date)
    }
}

impl Codes {
    /// The names of all tables, in their order.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.names()
    }

    /// The elements of the profiles that are bound to a table, each with its name: `PID-8 Administrative Sex`.
    pub fn uses(name: &str) -> &'static [String] {
        static USES: LazyLock<BTreeMap<&'static str, Vec<String>>> = LazyLock::new(|| {
            let mut uses = BTreeMap::<_, Vec<String>>::new();
            for (table, told) in profile::uses() {
                let of_table = uses.entry(table).or_default();
                if !of_table.contains(&told) {
                    of_table.push(told);
                }
            }
            uses
        });
        USES.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether other codes are allowed in a table, too, because it is locally defined.
    pub fn is_open(&self, table: TableId) -> bool {
        self.tables.is_open(table)
    }

    /// The data file that a table is made of.
    pub fn file_of(&self, table: TableId) -> Option<&CodeFile> {
        let name = match self.tables.backing(table) {
            Backing::Cvx => "cvx.csv",
            Backing::Mvx => "mvx.csv",
            Backing::NdcOfSale | Backing::NdcOfUse => "ndc.csv",
            Backing::Rows => "tables.csv",
            Backing::Statements | Backing::VaccinesWithStatement => "vis.csv",
        };
        self.files().find(|file| file.name == name)
    }

    /// Every code of a table.
    pub fn entries(&self, table: TableId) -> Vec<CodeEntry<'_>> {
        let backing = self.tables.backing(table);
        let system = backing.system();
        match backing {
            Backing::Rows => self.tables.entries(table),
            Backing::Cvx => self.vaccines.all().map(|one| vaccine_entry(one, system)).collect(),
            Backing::VaccinesWithStatement => {
                let with = self.vaccines.all().filter(|one| self.needs_vis(one.code.as_bytes()));
                with.map(|one| vaccine_entry(one, system)).collect()
            }
            Backing::Mvx => self.maker_entries(system),
            Backing::NdcOfSale => self.package_entries(system, true),
            Backing::NdcOfUse => self.package_entries(system, false),
            Backing::Statements => self.statement_entries(system),
        }
    }

    fn maker_entries(&self, system: &'static str) -> Vec<CodeEntry<'_>> {
        self.vaccines
            .all_makers()
            .map(|one| {
                let note = if one.active { "" } else { "For past immunizations only" };
                CodeEntry::new(&*one.code, &one.name, system).noted(note)
            })
            .collect()
    }

    /// Packages as they are sold, or what one dose is taken from.
    fn package_entries(&self, system: &'static str, of_sale: bool) -> Vec<CodeEntry<'_>> {
        self.ndcs
            .all()
            .filter(|one| if of_sale { one.unit_of_sale } else { one.unit_of_use })
            .map(|one| {
                let note = match one.to {
                    _ if one.active => Cow::Borrowed(""),
                    Some(to) => format!("Sold until {}", day(to)).into(),
                    None => Cow::Borrowed("No longer sold"),
                };
                CodeEntry::new(&*one.code, &one.product, system).noted(note)
            })
            .collect()
    }

    fn statement_entries(&self, system: &'static str) -> Vec<CodeEntry<'_>> {
        self.statements
            .all()
            .map(|one| {
                let old = if one.current { "" } else { ", no longer the one to give" };
                let note = format!("Edition of {}{old}", day(one.edition));
                CodeEntry::new(&*one.barcode, &one.document, system).noted(note)
            })
            .collect()
    }
}

fn vaccine_entry<'c>(one: &'c Cvx, system: &'c str) -> CodeEntry<'c> {
    CodeEntry::new(&*one.code, &one.name, system).noted(note_of(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'c>(codes: &'c Codes, table: &str, code: &str) -> CodeEntry<'c> {
        let all = codes.entries(codes.table(table).unwrap());
        all.into_iter().find(|one| one.code == code).unwrap()
    }

    #[test]
    fn every_table_lists_codes_that_it_knows() {
        let codes = Codes::built_in();
        for name in codes.table_names() {
            let table = codes.table(name).unwrap();
            let entries = codes.entries(table);
            assert!(!entries.is_empty() || codes.is_open(table), "{name}");
            assert!(codes.file_of(table).is_some(), "{name}");
            for one in entries.iter().filter(|one| !one.code.ends_with('*')) {
                let known = codes.look_up(table, one.code.as_bytes());
                assert!(!matches!(known, super::super::Lookup::Unknown), "{name} {}", one.code);
            }
        }
    }

    #[test]
    fn a_code_is_told_with_what_is_to_be_known_of_it() {
        let codes = Codes::built_in();

        let female = entry(codes, "HL70001", "F");
        assert_eq!((female.label, female.system, &*female.note), ("Female", "HL70001", ""));
        assert_eq!(entry(codes, "CVX", "99").note, "Must not be sent");
        assert!(Codes::uses("HL70001").iter().any(|place| place.starts_with("PID-8 ")));
    }
}
