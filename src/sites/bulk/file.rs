//! Reading an uploaded table: CSV or XLSX, told apart by its content, within bounds that a crafted file cannot pass.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use calamine::{DataRef, Reader as _, Xlsx};

/// Bytes of a file.
pub const LARGEST_FILE: usize = 5 * 1024 * 1024;

/// Rows below the names of the columns.
pub const MOST_ROWS: usize = 2_000;

/// Columns of a table.
const MOST_COLUMNS: usize = 100;

/// Characters of a cell; no field takes more.
const LONGEST_CELL: usize = 1_000;

/// Bytes of all cells: a text that a workbook keeps once may stand in many cells.
const MOST_TEXT: usize = 16 * 1024 * 1024;

/// Bytes that an XLSX may hold when it is unpacked.
const UNPACKED: u64 = 24 * 1024 * 1024;

/// Files within an XLSX.
const MOST_PARTS: usize = 200;

/// Why a file cannot be read, in words for who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A cell shows `#REF!` or the like.
    #[error(
        "row {row}, column {column}: the cell shows an error of the spreadsheet. Mend it there"
    )]
    BrokenCell {
        /// Row of the cell.
        row: usize,
        /// Letters of its column.
        column: String,
    },
    /// There is nothing in it.
    #[error("the file has no rows. Fill in the template and choose that file")]
    Empty,
    /// A cell has more text than any answer.
    #[error("row {row}, column {column}: the cell holds more than 1,000 characters")]
    LongCell {
        /// Row of the cell.
        row: usize,
        /// Letters of its column.
        column: String,
    },
    /// It is neither a CSV nor an XLSX file.
    #[error(
        "the file is neither CSV nor XLSX. Save it as “CSV UTF-8” or as an Excel workbook (.xlsx) without a password"
    )]
    NeitherCsvNorXlsx,
    /// A byte of a CSV file is not UTF-8.
    #[error(
        "row {row} holds characters that cannot be read. Save the file as “CSV UTF-8” or as .xlsx"
    )]
    NotUtf8 {
        /// The row.
        row: usize,
    },
    /// It is too large, packed or unpacked.
    #[error("the file is too large. It may have at most 5 MB and hold nothing but the table")]
    TooLarge,
    /// It has too many columns.
    #[error("the file has more than 100 columns. Use the columns of the template")]
    TooManyColumns,
    /// It has too many rows.
    #[error("the file has more than 2,000 rows. Split it into several files")]
    TooManyRows,
}

/// What stood in a row that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number in the spreadsheet; the first is 1.
    pub(super) number: usize,
    /// Its cells from the left, trimmed.
    pub(super) cells: Vec<String>,
}

/// Reads a file to its rows; those without any text are left out.
///
/// Formulas are not computed: a CSV holds them as text, an XLSX the value that the spreadsheet program last showed.
///
/// # Errors
/// When it cannot be read, or passes a bound.
pub(super) fn rows(bytes: &[u8]) -> Result<Vec<Row>, FileError> {
    if bytes.len() > LARGEST_FILE {
        return Err(FileError::TooLarge);
    }
    let found = if bytes.starts_with(b"PK\x03\x04") { xlsx(bytes)? } else { csv(bytes)? };
    if found.is_empty() { Err(FileError::Empty) } else { Ok(found) }
}

/// Rows as they are gathered, within the bounds.
#[derive(Default)]
struct Gathering {
    rows: BTreeMap<usize, Vec<String>>,
    bytes: usize,
}

impl Gathering {
    /// Puts a text into a cell; row and column count from 0.
    fn put(&mut self, row: usize, column: usize, text: &str) -> Result<(), FileError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        if column >= MOST_COLUMNS {
            return Err(FileError::TooManyColumns);
        }
        if text.chars().count() > LONGEST_CELL {
            return Err(FileError::LongCell { row: row + 1, column: letters(column) });
        }
        self.bytes += text.len();
        if self.bytes > MOST_TEXT {
            return Err(FileError::TooLarge);
        }
        let cells = self.rows.entry(row).or_default();
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        if let Some(cell) = cells.get_mut(column) {
            text.clone_into(cell);
        }
        // The first row has the names.
        if self.rows.len() > MOST_ROWS + 1 { Err(FileError::TooManyRows) } else { Ok(()) }
    }

    fn done(self) -> Vec<Row> {
        self.rows.into_iter().map(|(row, cells)| Row { number: row + 1, cells }).collect()
    }
}

/// A column as spreadsheets call it: A, B, …, Z, AA.
fn letters(column: usize) -> String {
    let letter = |number: usize| {
        u8::try_from(number % 26).map_or('?', |number| char::from(b'A' + number)).to_string()
    };
    if column < 26 { letter(column) } else { letter(column / 26 - 1) + &letter(column) }
}

fn csv(bytes: &[u8]) -> Result<Vec<Row>, FileError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let is_binary = |byte: &u8| *byte < b' ' && !b"\t\r\n".contains(byte);
    if bytes.iter().any(is_binary)
        || bytes.starts_with(b"\xFF\xFE")
        || bytes.starts_with(b"\xFE\xFF")
    {
        return Err(FileError::NeitherCsvNorXlsx);
    }
    let text = std::str::from_utf8(bytes).map_err(|wrong| {
        let good = bytes.iter().take(wrong.valid_up_to());
        FileError::NotUtf8 { row: good.filter(|byte| **byte == b'\n').count() + 1 }
    })?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n") + "\n";
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    let mut found = Gathering::default();
    // A cell may have several lines, which the spreadsheet shows as one row.
    let mut surplus = 0;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|_unreadable| FileError::NeitherCsvNorXlsx)? {
        surplus += record.iter().map(|cell| cell.matches('\n').count()).sum::<usize>();
        let next_line = usize::try_from(reader.position().line()).unwrap_or(usize::MAX);
        let row = next_line.saturating_sub(2 + surplus);
        for (column, text) in record.iter().enumerate() {
            found.put(row, column, text)?;
        }
    }
    Ok(found.done())
}

/// What separates the cells: spreadsheets write commas, semicolons or tabs, by the country that they are set to.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |one: u8| first.bytes().filter(|byte| *byte == one).count();
    let most = [b'\t', b';', b','].into_iter().max_by_key(|one| count(*one));
    most.unwrap_or(b',')
}

fn xlsx(bytes: &[u8]) -> Result<Vec<Row>, FileError> {
    unpacks_within_bounds(bytes)?;
    let unreadable = |_error| FileError::NeitherCsvNorXlsx;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(unreadable)?;
    let sheet = book.sheet_names().into_iter().next().ok_or(FileError::Empty)?;
    // Cell by cell: a table of all cells would be as large as the farthest one says.
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(unreadable)?;
    let mut found = Gathering::default();
    while let Some(cell) = cells.next_cell().map_err(unreadable)? {
        let (row, column) = cell.get_position();
        let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX - 1);
        let (row, column) = (at(row), at(column));
        match shown(cell.get_value()) {
            Some(text) => found.put(row, column, &text)?,
            None => {
                return Err(FileError::BrokenCell { row: row + 1, column: letters(column) });
            }
        }
    }
    Ok(found.done())
}

/// A cell as it would stand in a CSV file; none when it shows an error.
fn shown(value: &DataRef<'_>) -> Option<String> {
    Some(match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DurationIso(text) => text.clone(),
        // The day alone: no question is about a time.
        DataRef::DateTimeIso(text) => text.get(..10).unwrap_or(text).to_owned(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(true) => "yes".to_owned(),
        DataRef::Bool(false) => "no".to_owned(),
        DataRef::DateTime(moment) => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        DataRef::Error(_) => return None,
    })
}

/// Unpacks everything once, and throws it away, before anything that keeps it does: sizes in the file may be lies.
fn unpacks_within_bounds(bytes: &[u8]) -> Result<(), FileError> {
    let unreadable = |_error| FileError::NeitherCsvNorXlsx;
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    if archive.len() > MOST_PARTS {
        return Err(FileError::TooLarge);
    }
    let mut left = UNPACKED;
    for number in 0..archive.len() {
        let part = archive.by_index(number).map_err(unreadable)?;
        let size = std::io::copy(&mut part.take(left + 1), &mut std::io::sink())
            .map_err(|_broken| FileError::NeitherCsvNorXlsx)?;
        left = left.checked_sub(size).ok_or(FileError::TooLarge)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn cells(bytes: &[u8]) -> Vec<(usize, Vec<String>)> {
        rows(bytes).unwrap().into_iter().map(|row| (row.number, row.cells)).collect()
    }

    fn row(number: usize, cells: &[&str]) -> (usize, Vec<String>) {
        (number, cells.iter().map(|&cell| cell.to_owned()).collect())
    }

    /// A workbook whose first sheet has this XML inside `sheetData`.
    fn workbook(rows: &str) -> Vec<u8> {
        packed(&[
            ("[Content_Types].xml", "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_owned()),
            ("_rels/.rels", "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>".to_owned()),
            ("xl/workbook.xml", "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets><sheet name=\"Sites\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>".to_owned()),
            ("xl/_rels/workbook.xml.rels", "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>".to_owned()),
            ("xl/worksheets/sheet1.xml", format!("<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{rows}</sheetData></worksheet>")),
        ])
    }

    fn packed(parts: &[(&str, String)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(vec![]));
        for (name, text) in parts {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn text_cell(at: &str, text: &str) -> String {
        format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
    }

    #[test]
    fn a_csv_is_read_with_or_without_a_mark_and_whatever_separates_its_cells() {
        let expected = [row(1, &["a", "b"]), row(2, &["1", "two, three"])];
        for text in
            ["a,b\r\n1,\"two, three\"\r\n", "\u{feff}a;b\n1;two, three\n", "a\tb\n1\ttwo, three"]
        {
            assert_eq!(cells(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn rows_have_the_numbers_that_the_spreadsheet_shows() {
        let text = "a,b\n\n\"one\ntwo\",x\n,,\n3,y\n";
        assert_eq!(
            cells(text.as_bytes()),
            [row(1, &["a", "b"]), row(3, &["one\ntwo", "x"]), row(5, &["3", "y"])]
        );
    }

    #[test]
    fn a_formula_is_text() {
        assert_eq!(cells(b"a,b\n=1+1,@SUM(A1)\n")[1], row(2, &["=1+1", "@SUM(A1)"]));
        let book = workbook(
            "<row r=\"2\"><c r=\"B2\"><f>HYPERLINK(\"https://x\")</f><v>94501</v></c></row>",
        );
        assert_eq!(cells(&book), [row(2, &["", "94501"])]);
    }

    #[test]
    fn an_xlsx_is_known_by_its_content_and_gives_what_it_shows() {
        let book = workbook(&format!(
            "<row r=\"1\">{}{}</row><row r=\"4\">{}<c r=\"B4\"><v>5105550100</v></c><c r=\"C4\" t=\"b\"><v>1</v></c></row>",
            text_cell("A1", "site_name"),
            text_cell("B1", "phone"),
            text_cell("A4", " Harbor &amp; Street "),
        ));
        assert_eq!(
            cells(&book),
            [row(1, &["site_name", "phone"]), row(4, &["Harbor & Street", "5105550100", "yes"])]
        );
    }

    #[test]
    fn what_is_no_table_is_refused_and_says_how_to_save_it() {
        let wrong = [
            b"%PDF-1.7\n\x00\x01".as_slice(),
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
            b"\xFF\xFEa\x00,\x00",
            b"PK\x03\x04 not an archive",
            &packed(&[("evil.html", "<script>".to_owned())]),
            &[b"GIF89a\x00".as_slice(), &workbook("")].concat(),
        ];
        for bytes in wrong {
            assert_eq!(rows(bytes), Err(FileError::NeitherCsvNorXlsx));
        }
        assert_eq!(rows(b"a,b\nJos\xE9,x\n"), Err(FileError::NotUtf8 { row: 2 }));
        for nothing in [b"".as_slice(), b"\xEF\xBB\xBF", b"\n ,\n", &workbook("")] {
            assert_eq!(rows(nothing), Err(FileError::Empty));
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        assert_eq!(rows(&vec![b'a'; LARGEST_FILE + 1]), Err(FileError::TooLarge));
        assert_eq!(rows("a\n".repeat(MOST_ROWS + 2).as_bytes()), Err(FileError::TooManyRows));
        assert!(rows("a\n".repeat(MOST_ROWS + 1).as_bytes()).is_ok());
        assert_eq!(
            rows(format!("{}a\n", ",".repeat(100)).as_bytes()),
            Err(FileError::TooManyColumns)
        );
        let long = format!("a,b\nx,{}\n", "y".repeat(1_001));
        assert_eq!(
            rows(long.as_bytes()),
            Err(FileError::LongCell { row: 2, column: "B".to_owned() })
        );
        let open = format!("a,b\n\"never closed{}", ",x".repeat(600));
        assert!(matches!(rows(open.as_bytes()), Err(FileError::LongCell { .. })));
    }

    #[test]
    fn a_bomb_and_a_far_away_cell_are_refused_without_being_unpacked() {
        let bomb = workbook(&text_cell("A1", &" ".repeat(30 * 1024 * 1024)));
        assert!(bomb.len() < 100_000);
        assert_eq!(rows(&bomb), Err(FileError::TooLarge));
        let far = workbook(&format!("<row r=\"1\">{}</row>", text_cell("XFD1", "x")));
        assert_eq!(rows(&far), Err(FileError::TooManyColumns));
        let deep = workbook(&format!("<row r=\"1048576\">{}</row>", text_cell("A1048576", "x")));
        assert_eq!(cells(&deep), [row(1_048_576, &["x"])]);
        let many = (0..300).map(|number| (format!("p{number}"), String::new())).collect::<Vec<_>>();
        let many: Vec<_> = many.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        assert_eq!(rows(&packed(&many)), Err(FileError::TooLarge));
    }

    #[test]
    fn a_cell_that_shows_an_error_is_named() {
        let book = workbook("<row r=\"2\"><c r=\"AB2\" t=\"e\"><v>#REF!</v></c></row>");
        assert_eq!(rows(&book), Err(FileError::BrokenCell { row: 2, column: "AB".to_owned() }));
    }
}
