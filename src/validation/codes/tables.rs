//! Value sets and coding systems. Source: NIST's libraries of the profiles; HL7 table 0396.

use std::collections::BTreeMap;
use std::ops::Range;

use super::read::{Reading, Row};
use super::{CodeEntry, CodesError};

/// The table of coding systems.
const SYSTEMS: &str = "HL70396";

/// A table of one set of code tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(u16);

/// What a table says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It is recognised, though it is not the one to send.
    Alias {
        /// The code to send instead; empty when nothing has replaced it.
        means: &'a str,
        /// The coding system of that code; empty when nothing has replaced it.
        system: &'a str,
    },
    /// It is a code of the table.
    Known {
        /// The coding system to name beside it.
        system: &'a str,
    },
    /// The table is locally defined, so that nothing can be said of the code.
    Unchecked,
    /// It is not a code of the table.
    Unknown,
}

/// Where the codes of a table are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backing {
    Cvx,
    Mvx,
    NdcOfSale,
    NdcOfUse,
    Rows,
    Statements,
    VaccinesWithStatement,
}

impl Backing {
    /// The tables that are kept in files of their own.
    const NAMED: [(&'static str, Self); 6] = [
        ("CVX", Self::Cvx),
        ("MVX", Self::Mvx),
        ("NDC_Sale", Self::NdcOfSale),
        ("NDC_Use", Self::NdcOfUse),
        ("PHVS_VISBarcodes_IIS", Self::Statements),
        ("PHVS_VISVaccines_IIS", Self::VaccinesWithStatement),
    ];

    /// The coding system of a table that is kept in a file of its own.
    pub(super) const fn system(self) -> &'static str {
        match self {
            Self::Cvx | Self::VaccinesWithStatement => "CVX",
            Self::Mvx => "MVX",
            Self::NdcOfSale | Self::NdcOfUse => "NDC",
            Self::Rows => "",
            Self::Statements => "cdcgs1vis",
        }
    }
}

/// All tables that are kept as rows.
#[derive(Debug)]
pub(super) struct Tables {
    /// Codes and labels, one after the other.
    text: Box<str>,
    /// By table, then code.
    rows: Box<[CodeRow]>,
    /// By table.
    prefixes: Box<[CodeRow]>,
    /// By table, then code.
    aliases: Box<[Alias]>,
    /// By name.
    all: Box<[Table]>,
    /// The table of coding systems.
    of_systems: Option<TableId>,
    /// By name.
    systems: Box<[Box<str>]>,
    /// By retired name, with the right one.
    retired: Box<[(Box<str>, Box<str>)]>,
}

#[derive(Debug)]
struct Table {
    name: Box<str>,
    backing: Backing,
    rows: Range<usize>,
    prefixes: Range<usize>,
    aliases: Range<usize>,
    /// Whether other codes are allowed too.
    open: bool,
    /// The place of the system of all its codes.
    system: Option<u16>,
}

/// A code with its label behind it in the text, and the place of its system.
#[derive(Debug, Clone, Copy)]
struct CodeRow {
    /// Its first eight bytes, in the order of the bytes: nearly every code is told from another by them.
    head: u64,
    start: u32,
    code: u16,
    label: u16,
    system: u16,
}

#[derive(Debug)]
struct Alias {
    code: Box<str>,
    means: Box<str>,
    system: u16,
    taken_from: u16,
}

impl Tables {
    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Self, CodesError> {
        let mut drafts = BTreeMap::<String, Draft>::new();
        let mut systems = vec![Box::from("")];
        for (name, backing) in Backing::NAMED {
            drafts.insert(name.to_owned(), Draft { backing, ..Draft::default() });
            systems.push(backing.system().into());
        }
        reading.each_row("tables.csv", |row| {
            systems.extend(Some(row.text(2)).filter(|system| !system.is_empty()).map(Box::from));
            read_code(&mut drafts, row)
        })?;
        reading.each_row("aliases.csv", |row| {
            systems.push(row.needed(3)?.into());
            read_alias(&mut drafts, row)
        })?;
        systems.sort_unstable();
        systems.dedup();
        let mut retired = vec![];
        reading.each_row("systems.csv", |row| {
            retired.push((row.needed(1)?.into(), row.needed(0)?.into()));
            Ok(())
        })?;
        retired.sort_unstable();
        Ok(Self::laid_out(drafts, systems, retired.into()))
    }

    /// Puts the tables one behind the other.
    fn laid_out(
        drafts: BTreeMap<String, Draft>,
        systems: Vec<Box<str>>,
        retired: Box<[(Box<str>, Box<str>)]>,
    ) -> Self {
        let place = |name: &str| {
            let place = systems.binary_search_by(|known| (**known).cmp(name)).unwrap_or(0);
            u16::try_from(place).unwrap_or(0)
        };
        let (mut text, mut rows, mut prefixes, mut aliases) =
            (String::new(), vec![], vec![], vec![]);
        let mut tables = vec![];
        for (name, draft) in drafts {
            let (first_row, first_prefix) = (rows.len(), prefixes.len());
            let first_alias = aliases.len();
            let system = draft.system().map(place);
            for (code, alias) in draft.aliases {
                let system = draft.codes.get(&alias.means).map_or(0, |known| place(&known.system));
                let (means, taken_from) = (alias.means.into(), place(&alias.taken_from));
                aliases.push(Alias { code: code.into(), means, system, taken_from });
            }
            for (code, known) in draft.codes {
                let prefix = code.strip_suffix('*').filter(|prefix| !prefix.is_empty());
                let shown = prefix.unwrap_or(&code);
                let row = CodeRow {
                    head: head(shown.as_bytes()),
                    start: u32::try_from(text.len()).unwrap_or(u32::MAX),
                    code: u16::try_from(shown.len()).unwrap_or(u16::MAX),
                    label: u16::try_from(known.label.len()).unwrap_or(u16::MAX),
                    system: place(&known.system),
                };
                text.push_str(shown);
                text.push_str(&known.label);
                if prefix.is_some() { &mut prefixes } else { &mut rows }.push(row);
            }
            tables.push(Table {
                name: name.into(),
                backing: draft.backing,
                rows: first_row..rows.len(),
                prefixes: first_prefix..prefixes.len(),
                aliases: first_alias..aliases.len(),
                open: draft.open,
                system,
            });
        }
        let of_systems = place_of(&tables, SYSTEMS);
        Self {
            of_systems,
            text: text.into(),
            rows: rows.into(),
            prefixes: prefixes.into(),
            aliases: aliases.into(),
            all: tables.into(),
            systems: systems.into(),
            retired,
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<TableId> {
        place_of(&self.all, name)
    }

    /// The names of all tables, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|table| &*table.name)
    }

    /// Whether other codes are allowed, too.
    pub(super) fn is_open(&self, id: TableId) -> bool {
        self.table(id).is_some_and(|table| table.open)
    }

    /// The codes of a table that is kept as rows; those of earlier tables come last.
    pub(super) fn entries(&self, id: TableId) -> Vec<CodeEntry<'_>> {
        let Some(table) = self.table(id) else { return vec![] };
        let rows = self.rows.get(table.rows.clone()).unwrap_or_default().iter();
        let mut entries: Vec<_> = rows
            .map(|row| {
                CodeEntry::new(self.text_of(row), self.label_of(row), self.system(row.system))
            })
            .collect();
        for row in self.prefixes.get(table.prefixes.clone()).unwrap_or_default() {
            let code = format!("{}*", self.text_of(row));
            let entry = CodeEntry::new(code, self.label_of(row), self.system(row.system));
            entries.push(entry.noted("Every code that begins so"));
        }
        for alias in self.aliases.get(table.aliases.clone()).unwrap_or_default() {
            let note = match &*alias.means {
                "" => "No longer used".into(),
                means => format!("Recognized; send {means} instead"),
            };
            entries
                .push(CodeEntry::new(&*alias.code, "", self.system(alias.taken_from)).noted(note));
        }
        entries
    }

    fn text_of(&self, row: &CodeRow) -> &str {
        std::str::from_utf8(self.code(row)).unwrap_or_default()
    }

    fn label_of(&self, row: &CodeRow) -> &str {
        let start = usize::try_from(row.start).unwrap_or(usize::MAX);
        let rest = start.checked_add(usize::from(row.code)).and_then(|at| self.text.get(at..));
        rest.and_then(|rest| rest.get(..usize::from(row.label))).unwrap_or_default()
    }

    fn table(&self, id: TableId) -> Option<&Table> {
        self.all.get(usize::from(id.0))
    }

    pub(super) fn name(&self, id: TableId) -> &str {
        self.table(id).map_or("", |table| &table.name)
    }

    pub(super) fn backing(&self, id: TableId) -> Backing {
        self.table(id).map_or(Backing::Rows, |table| table.backing)
    }

    pub(super) fn look_up(&self, id: TableId, code: &[u8]) -> Lookup<'_> {
        let Some(table) = self.table(id) else { return Lookup::Unchecked };
        if let Some(row) = self.row(table, code) {
            return Lookup::Known { system: self.system(row.system) };
        }
        if let Some(alias) = self.alias(table, code) {
            return Lookup::Alias { means: &alias.means, system: self.system(alias.system) };
        }
        match self.prefix(table, code) {
            Some(row) => Lookup::Known { system: self.system(row.system) },
            None if table.open => Lookup::Unchecked,
            None => Lookup::Unknown,
        }
    }

    pub(super) fn label(&self, id: TableId, code: &[u8]) -> Option<&str> {
        let table = self.table(id)?;
        let row = self.row(table, code).or_else(|| self.prefix(table, code))?;
        Some(self.label_of(row))
    }

    pub(super) fn system_of(&self, id: TableId) -> Option<&str> {
        self.table(id)?.system.map(|place| self.system(place))
    }

    pub(super) fn system_of_alias(&self, id: TableId, code: &[u8]) -> Option<&str> {
        self.alias(self.table(id)?, code).map(|alias| self.system(alias.taken_from))
    }

    pub(super) fn is_system(&self, name: &[u8]) -> bool {
        let listed = self.of_systems.map(|systems| self.look_up(systems, name));
        matches!(listed, Some(Lookup::Known { .. }))
            || !name.is_empty()
                && self.systems.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
    }

    pub(super) fn system_alias(&self, name: &[u8]) -> Option<&str> {
        let place = self.retired.binary_search_by(|(retired, _)| retired.as_bytes().cmp(name));
        self.retired.get(place.ok()?).map(|(_, right)| &**right)
    }

    fn system(&self, place: u16) -> &str {
        self.systems.get(usize::from(place)).map_or("", |system| system)
    }

    fn row(&self, table: &Table, code: &[u8]) -> Option<&CodeRow> {
        let rows = self.rows.get(table.rows.clone())?;
        let wanted = head(code);
        let order = |row: &CodeRow| row.head.cmp(&wanted).then_with(|| self.code(row).cmp(code));
        rows.get(rows.binary_search_by(order).ok()?)
    }

    fn alias(&self, table: &Table, code: &[u8]) -> Option<&Alias> {
        let aliases = self.aliases.get(table.aliases.clone())?;
        let place = aliases.binary_search_by(|alias| alias.code.as_bytes().cmp(code));
        aliases.get(place.ok()?)
    }

    /// The prefix that a code begins with and goes on after.
    fn prefix(&self, table: &Table, code: &[u8]) -> Option<&CodeRow> {
        let longer =
            |row: &&CodeRow| code.len() > usize::from(row.code) && code.starts_with(self.code(row));
        self.prefixes.get(table.prefixes.clone())?.iter().find(longer)
    }

    fn code(&self, row: &CodeRow) -> &[u8] {
        let start = usize::try_from(row.start).unwrap_or(usize::MAX);
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        rest.get(..usize::from(row.code)).unwrap_or_default()
    }
}

/// The table of that name among tables in the order of their names.
fn place_of(tables: &[Table], name: &str) -> Option<TableId> {
    let place = tables.binary_search_by(|table| (*table.name).cmp(name)).ok()?;
    u16::try_from(place).ok().map(TableId)
}

/// The first eight bytes of a code as a number that orders as they do; zeros behind a shorter one.
fn head(code: &[u8]) -> u64 {
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(code) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}

/// A table while it is read.
struct Draft {
    backing: Backing,
    codes: BTreeMap<String, DraftCode>,
    aliases: BTreeMap<String, DraftAlias>,
    open: bool,
}

impl Default for Draft {
    fn default() -> Self {
        let (codes, aliases) = (BTreeMap::new(), BTreeMap::new());
        Self { backing: Backing::Rows, codes, aliases, open: false }
    }
}

impl Draft {
    /// The system of all its codes.
    fn system(&self) -> Option<&str> {
        let mut systems = self.codes.values().map(|code| &*code.system);
        let first = systems.next()?;
        systems.all(|system| system == first).then_some(first)
    }
}

struct DraftCode {
    system: String,
    label: String,
}

struct DraftAlias {
    means: String,
    taken_from: String,
}

fn read_code(drafts: &mut BTreeMap<String, Draft>, row: &Row<'_>) -> Result<(), CodesError> {
    let (table, code, system) = (row.needed(0)?, row.needed(1)?, row.text(2));
    if !drafts.contains_key(table) {
        drafts.insert(table.to_owned(), Draft::default());
    }
    let Some(draft) = drafts.get_mut(table) else { return Ok(()) };
    if draft.backing != Backing::Rows {
        let problem = format!("{table} is kept in a file of its own: cvx, mvx, ndc or vis");
        return Err(row.wrong(0, problem));
    }
    if code == "*" && system.is_empty() {
        draft.open = true;
        return Ok(());
    }
    let (system, label) = (row.needed(2)?.to_owned(), row.text(3).to_owned());
    if code.len() > 100 || label.len() > 1000 {
        return Err(row.wrong(1, "a code has at most 100 characters, a label at most 1000"));
    }
    draft.codes.insert(code.to_owned(), DraftCode { system, label });
    Ok(())
}

fn read_alias(drafts: &mut BTreeMap<String, Draft>, row: &Row<'_>) -> Result<(), CodesError> {
    let (code, means) = (row.needed(1)?, row.text(2));
    let draft = drafts.get_mut(row.needed(0)?);
    if !row.refers(0, "tables.csv", draft.is_some())? {
        return Ok(());
    }
    let Some(draft) = draft else { return Ok(()) };
    let known = means.is_empty() || draft.codes.contains_key(means);
    if row.refers(2, "that table of tables.csv", known)? {
        let taken_from = row.needed(3)?.to_owned();
        draft.aliases.insert(code.to_owned(), DraftAlias { means: means.to_owned(), taken_from });
    }
    Ok(())
}
