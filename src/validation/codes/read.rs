//! Reads the data files: dated comment lines, a heading, rows; every mistake with its file, line and column.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::CodeFile;

/// Folder of code tables in the data directory.
const FOLDER: &str = "codes";

/// Where [`FOLDER`] stands while another one takes its place.
const FOLDER_BEFORE: &str = "codes.before";

/// The form of one data file.
#[derive(Debug)]
struct Form {
    /// Its name in `schemas/codes` and in a directory of replacements.
    name: &'static str,
    /// The text that is compiled in.
    text: &'static str,
    /// Its columns.
    columns: &'static [&'static str],
    /// How many of them, from the left, make a row the only one of its kind.
    key: usize,
}

macro_rules! forms {
    ($($name:literal: $key:literal of $($column:literal)+;)+) => {
        /// Every data file, by name.
        const FORMS: &[Form] = &[$(Form {
            name: $name,
            text: include_str!(concat!("../../../schemas/codes/", $name)),
            columns: &[$($column),+],
            key: $key,
        }),+];
    };
}

forms! {
    "aliases.csv": 2 of "table" "code" "means" "system";
    "cvx.csv": 1 of "code" "name" "status" "updated" "not_before" "not_expected_before"
        "not_expected_after" "not_after" "min_months" "max_months" "kind" "groups";
    "injection.csv": 1 of "cvx" "routes" "sites" "amounts";
    "lots.csv": 2 of "mvx" "pattern";
    "mvx.csv": 1 of "code" "name" "status";
    "ndc.csv": 2 of "ndc" "unit" "cvx" "mvx" "product" "from" "to" "status";
    "products.csv": 3 of "product" "cvx" "mvx" "status";
    "systems.csv": 2 of "system" "alias";
    "tables.csv": 2 of "table" "code" "system" "label";
    "vis.csv": 2 of "barcode" "cvx" "edition" "document" "status";
}

/// Code tables that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodesError {
    /// A directory holds a table file that is not known.
    #[error("{file}: not one of the code tables; they are {}", names())]
    Foreign {
        /// Name of the file.
        file: String,
    },
    /// The lines above the rows are not as they must be, or what the file must hold is missing.
    #[error("{file}: {problem}")]
    Heading {
        /// Name of the file.
        file: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A file or a directory cannot be read.
    #[error("{path} cannot be read: {cause}")]
    Read {
        /// Its path.
        path: String,
        /// Why not.
        cause: io::Error,
    },
    /// A cell cannot be used.
    #[error("{file}, line {line}, column {column}: {problem}")]
    Row {
        /// Name of the file.
        file: &'static str,
        /// Line in the file, from 1.
        line: u64,
        /// Name of the column.
        column: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

fn names() -> String {
    FORMS.iter().map(|form| form.name).collect::<Vec<_>>().join(", ")
}

/// What the files of a set of code tables say, before it is understood.
///
/// A set is always whole: a file that a directory does not hold is the one that is compiled in.
#[derive(Debug, Clone)]
pub struct CodeTexts {
    /// In the order of [`FORMS`].
    texts: Vec<Cow<'static, str>>,
}

/// A row that stands in one set of code tables and not in the other, or reads otherwise there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeChanges {
    /// Rows that came.
    pub added: Vec<String>,
    /// Rows that read otherwise.
    pub changed: Vec<String>,
    /// Rows that went.
    pub removed: Vec<String>,
}

impl CodeTexts {
    /// The files that are compiled in.
    pub fn built_in() -> Self {
        Self { texts: FORMS.iter().map(|form| Cow::Borrowed(form.text)).collect() }
    }

    /// The files of a directory over the ones that are compiled in.
    ///
    /// # Errors
    /// When it or one of its files cannot be read, when a `.csv` of it has an unknown name, when it has none.
    pub fn of_dir(dir: &Path) -> Result<Self, CodesError> {
        let unreadable =
            |path: &Path, cause| CodesError::Read { path: path.display().to_string(), cause };
        let mut texts = Self::built_in().texts;
        let mut found = false;
        for entry in std::fs::read_dir(dir).map_err(|cause| unreadable(dir, cause))? {
            let path = entry.map_err(|cause| unreadable(dir, cause))?.path();
            if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("csv")) {
                continue;
            }
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let known = FORMS.iter().zip(&mut texts).find(|(form, _)| form.name == name);
            let Some((form, text)) = known else {
                return Err(CodesError::Foreign { file: name.into_owned() });
            };
            let bytes = std::fs::read(&path).map_err(|cause| unreadable(&path, cause))?;
            *text = Cow::Owned(utf8(form, bytes)?);
            found = true;
        }
        if found {
            return Ok(Self { texts });
        }
        let cause =
            io::Error::new(io::ErrorKind::NotFound, format!("it holds none of {}", names()));
        Err(unreadable(dir, cause))
    }

    /// The files that a data directory makes the ones to use: its folder `codes`, else the ones that are compiled in.
    ///
    /// # Errors
    /// As [`CodeTexts::of_dir`].
    pub fn in_use(data_dir: &Path) -> Result<Self, CodesError> {
        match Self::folder(data_dir)? {
            Some(folder) => Self::of_dir(&folder),
            None => Ok(Self::built_in()),
        }
    }

    /// The folder of code tables that a data directory has, if it has one.
    ///
    /// # Errors
    /// When that cannot be told: what must not be looked at is not what is not there.
    pub fn folder(data_dir: &Path) -> Result<Option<PathBuf>, CodesError> {
        for folder in [FOLDER, FOLDER_BEFORE].map(|name| data_dir.join(name)) {
            match std::fs::symlink_metadata(&folder) {
                Ok(_) => return Ok(Some(folder)),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => {
                    return Err(CodesError::Read { path: folder.display().to_string(), cause });
                }
            }
        }
        Ok(None)
    }

    /// Puts the files of this set that are not compiled in into a data directory as its folder `codes`.
    ///
    /// The folder is there whole or not at all; a stop in between leaves the one before in use.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub fn install(&self, data_dir: &Path) -> io::Result<()> {
        let [folder, before] = [FOLDER, FOLDER_BEFORE].map(|name| data_dir.join(name));
        let coming = data_dir.join(format!("codes.{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&coming); // left by a process of that number, if at all
        std::fs::create_dir(&coming)?;
        for (form, text) in FORMS.iter().zip(&self.texts) {
            if let Cow::Owned(text) = text {
                let path = coming.join(form.name);
                std::fs::write(&path, text)?;
                std::fs::File::open(&path)?.sync_all()?;
            }
        }
        if folder.is_dir() {
            let _ = std::fs::remove_dir_all(&before); // it may not be there
            std::fs::rename(&folder, &before)?;
        }
        std::fs::rename(&coming, &folder)?;
        let _ = std::fs::remove_dir_all(&before); // harmless while `codes` is there
        Ok(())
    }

    /// What another set says otherwise, by file.
    ///
    /// # Errors
    /// When one of the sets cannot be read as rows.
    pub fn changes_to(&self, other: &Self) -> Result<Vec<(&'static str, CodeChanges)>, CodesError> {
        let mut all = vec![];
        for (form, (before, after)) in FORMS.iter().zip(self.texts.iter().zip(&other.texts)) {
            let mut changes = CodeChanges::default();
            if before != after {
                let mut before = keyed_rows(form, before)?;
                for (key, row) in keyed_rows(form, after)? {
                    match before.remove(&key) {
                        None => changes.added.push(key),
                        Some(known) if known != row => changes.changed.push(key),
                        Some(_) => {}
                    }
                }
                changes.removed.extend(before.into_keys());
            }
            all.push((form.name, changes));
        }
        Ok(all)
    }

    /// Whether every file is the one that is compiled in.
    pub(super) fn are_built_in(&self) -> bool {
        self.sheets().all(|sheet| sheet.is_built_in())
    }

    fn sheets(&self) -> impl Iterator<Item = Sheet<'_>> {
        FORMS.iter().zip(&self.texts).map(|(form, text)| Sheet { form, text })
    }
}

/// The files of a set, one after the other, and what is noted of each.
pub(super) struct Reading<'t> {
    texts: &'t CodeTexts,
    pub(super) files: Vec<CodeFile>,
}

impl<'t> Reading<'t> {
    pub(super) const fn new(texts: &'t CodeTexts) -> Self {
        Self { texts, files: vec![] }
    }

    /// Calls `take` with each row of a file.
    pub(super) fn each_row(
        &mut self,
        name: &str,
        take: impl FnMut(&Row<'_>) -> Result<(), CodesError>,
    ) -> Result<(), CodesError> {
        let Some(sheet) = self.texts.sheets().find(|sheet| sheet.form.name == name) else {
            return Ok(());
        };
        let mut file = sheet.heading()?;
        file.rows = sheet.each_row(take)?;
        self.files.push(file);
        Ok(())
    }
}

/// The text of a file; what a spreadsheet saved in another encoding is named by its first such line.
fn utf8(form: &'static Form, bytes: Vec<u8>) -> Result<String, CodesError> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let breaks = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
        let problem = format!("line {} is not UTF-8; save the file as UTF-8", breaks + 1);
        CodesError::Heading { file: form.name, problem }
    })
}

/// The rows of a file by their key columns.
fn keyed_rows(
    form: &'static Form,
    text: &str,
) -> Result<BTreeMap<String, StringRecord>, CodesError> {
    let mut rows = BTreeMap::new();
    Sheet { form, text }.each_row(|row| {
        rows.insert(row.key(), row.cells.clone());
        Ok(())
    })?;
    Ok(rows)
}

/// One data file.
#[derive(Clone, Copy)]
struct Sheet<'t> {
    form: &'static Form,
    text: &'t str,
}

impl Sheet<'_> {
    /// Whether it is the text that is compiled in.
    fn is_built_in(&self) -> bool {
        std::ptr::eq(self.text, self.form.text)
    }

    /// The comment lines above the rows. A file without source or date is refused: nobody could tell how old it is.
    fn heading(&self) -> Result<CodeFile, CodesError> {
        let comments = || {
            self.text
                .trim_start_matches('\u{feff}')
                .lines()
                .map_while(|line| line.strip_prefix('#'))
        };
        let said = |word: &str| {
            let values = comments().filter_map(|line| line.trim().strip_prefix(word));
            values.map(str::trim).filter(|value| !value.is_empty()).collect::<Vec<_>>().join("; ")
        };
        let wrong = |problem: &str| CodesError::Heading {
            file: self.form.name,
            problem: problem.to_owned(),
        };
        let source = said("source:");
        if source.is_empty() {
            return Err(wrong("begin the file with the line `# source: …`"));
        }
        let date = said("date:");
        let date = date_of(&date.replace('-', ""))
            .filter(|_| date.len() == 10)
            .ok_or_else(|| wrong("begin the file with the line `# date: YYYY-MM-DD`"))?;
        Ok(CodeFile {
            name: self.form.name,
            source: source.into(),
            licence: said("licence:").into(),
            date,
            rows: 0,
            built_in: self.is_built_in(),
        })
    }

    /// Calls `take` with each row; gives their number. No row may stand there twice.
    fn each_row(
        &self,
        mut take: impl FnMut(&Row<'_>) -> Result<(), CodesError>,
    ) -> Result<usize, CodesError> {
        let text = self.text.trim_start_matches('\u{feff}');
        let mut reader =
            ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(text.as_bytes());
        self.check_columns(&mut reader)?;
        let mut cells = StringRecord::new();
        // The files that are compiled in are held to this by a test.
        let mut known = (!self.is_built_in()).then(HashSet::new);
        let mut count = 0;
        while reader.read_record(&mut cells).map_err(|error| self.unreadable(&error))? {
            let line = cells.position().map_or(0, csv::Position::line);
            let row = Row { form: self.form, line, cells: &cells, built_in: known.is_none() };
            if cells.len() != self.form.columns.len() {
                let problem = format!(
                    "the row has {} cells, but the file has {} columns; write a text with a comma in \"quotes\"",
                    cells.len(),
                    self.form.columns.len()
                );
                return Err(row.wrong(0, problem));
            }
            if known.as_mut().is_some_and(|known| !known.insert(row.key())) {
                return Err(row.wrong(0, format!("{} stands there twice", row.key())));
            }
            take(&row)?;
            count += 1;
        }
        if count == 0 {
            let problem = "it has no rows; leave the file out to keep the built-in one".to_owned();
            return Err(CodesError::Heading { file: self.form.name, problem });
        }
        Ok(count)
    }

    fn check_columns(&self, reader: &mut Reader<&[u8]>) -> Result<(), CodesError> {
        let found = reader.headers().map_err(|error| self.unreadable(&error))?;
        if found.iter().map(str::trim).eq(self.form.columns.iter().copied()) {
            return Ok(());
        }
        let problem = format!(
            "the first row must name the columns: {}; it says {}",
            self.form.columns.join(","),
            found.iter().collect::<Vec<_>>().join(",")
        );
        Err(CodesError::Heading { file: self.form.name, problem })
    }

    fn unreadable(&self, error: &csv::Error) -> CodesError {
        CodesError::Heading { file: self.form.name, problem: error.to_string() }
    }
}

/// One row of a data file. Columns are given by their place, from 0.
pub(super) struct Row<'r> {
    form: &'static Form,
    line: u64,
    cells: &'r StringRecord,
    built_in: bool,
}

impl<'r> Row<'r> {
    /// A mistake in a cell.
    pub(super) fn wrong(&self, column: usize, problem: impl Into<String>) -> CodesError {
        CodesError::Row {
            file: self.form.name,
            line: self.line,
            column: self.form.columns.get(column).copied().unwrap_or_default(),
            problem: problem.into(),
        }
    }

    /// The cells that make it the only one of its kind.
    fn key(&self) -> String {
        self.cells.iter().take(self.form.key).map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// A cell without the spaces around it, possibly empty.
    pub(super) fn text(&self, column: usize) -> &'r str {
        self.cells.get(column).unwrap_or_default().trim()
    }

    /// A cell that must say something.
    pub(super) fn needed(&self, column: usize) -> Result<&'r str, CodesError> {
        match self.text(column) {
            "" => Err(self.wrong(column, "it is empty; give a value")),
            text => Ok(text),
        }
    }

    /// Whether what a cell refers to is known. A file of a directory must not refer to anything else; a built-in row that
    /// does so, because its counterpart was replaced, is passed over.
    pub(super) fn refers(&self, column: usize, to: &str, known: bool) -> Result<bool, CodesError> {
        if known || self.built_in {
            return Ok(known);
        }
        Err(self.wrong(column, format!("{:?} does not stand in {to}", self.text(column))))
    }

    /// One of the words of a kind.
    pub(super) fn word<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: usize,
    ) -> Result<T, CodesError> {
        let text = self.text(column);
        text.parse().map_err(|error| self.wrong(column, format!("{text:?}: {error}")))
    }

    /// Whether the cell says `yes` rather than `no`.
    pub(super) fn either(&self, column: usize, yes: &str, no: &str) -> Result<bool, CodesError> {
        let text = self.text(column);
        if text == yes || text == no {
            return Ok(text == yes);
        }
        Err(self.wrong(column, format!("{text:?}: write {yes:?} or {no:?}")))
    }

    /// A day, or nothing.
    pub(super) fn date(&self, column: usize) -> Result<Option<u32>, CodesError> {
        match self.text(column) {
            "" => Ok(None),
            text => date_of(text).map(Some).ok_or_else(|| {
                self.wrong(column, format!("{text:?} is not a day; write YYYYMMDD"))
            }),
        }
    }

    /// A whole number of months, or nothing.
    pub(super) fn months(&self, column: usize) -> Result<Option<u16>, CodesError> {
        match self.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_number| {
                self.wrong(column, format!("{text:?} is not a number of months"))
            }),
        }
    }

    /// Words separated by spaces.
    pub(super) fn list(&self, column: usize) -> Box<[Box<str>]> {
        self.text(column).split_ascii_whitespace().map(Box::from).collect()
    }
}

/// A day of the calendar as the number `yyyymmdd`.
fn date_of(text: &str) -> Option<u32> {
    let number = text.parse().ok().filter(|_| text.len() == 8)?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (year >= 1800 && (1..=last).contains(&day)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        let days = ["20240229", "20231231", "20230229", "20231301", "2023-1-1", "1231", "00010101"];
        let read: Vec<Option<u32>> = days.map(date_of).to_vec();
        assert_eq!(
            read,
            [Some(20_240_229), Some(20_231_231), None, None, None, None, None],
            "{days:?}"
        );
    }

    #[test]
    fn no_row_of_a_file_that_is_compiled_in_stands_there_twice() {
        for sheet in CodeTexts::built_in().sheets() {
            let mut known = HashSet::new();
            let rows = sheet
                .each_row(|row| {
                    assert!(known.insert(row.key()), "{}: {}", sheet.form.name, row.key());
                    Ok(())
                })
                .unwrap();
            assert_eq!(rows, known.len());
        }
    }
}
