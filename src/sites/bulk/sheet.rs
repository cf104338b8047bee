//! Writing tables: the template of an upload, and what can be downloaded.

use crate::domain::harmless_cell;
use crate::sites::bulk::rows::columns;

/// The template as an Excel workbook; a test holds it to the columns.
pub const TEMPLATE_XLSX: &[u8] = include_bytes!("../../portal/assets/sites-template.xlsx");

/// The template as CSV: the names of the columns.
pub fn template_csv() -> Vec<u8> {
    let names: Vec<_> = columns().iter().map(|field| field.name.to_owned()).collect();
    to_csv([names])
}

/// A table as CSV that spreadsheet programs open without computing anything, with the mark of UTF-8.
pub fn to_csv(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(b"\xEF\xBB\xBF".to_vec());
    for row in rows {
        // Writing to memory does not fail.
        let _ = writer.write_record(row.iter().map(|cell| harmless_cell(cell).into_owned()));
    }
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sites::bulk::file;

    #[test]
    fn the_templates_have_the_columns_of_the_catalogue() {
        let names: Vec<_> = columns().iter().map(|field| field.name.to_owned()).collect();
        for template in [TEMPLATE_XLSX, &template_csv()] {
            let rows = file::rows(template).unwrap();
            assert_eq!(rows[0].cells, names);
            assert_eq!(rows.len(), 1);
        }
    }

    #[test]
    fn nothing_in_a_download_is_computed() {
        let rows =
            [["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "a=b", "\"q\""].map(str::to_owned).to_vec()];
        let text = String::from_utf8(to_csv(rows)).unwrap();
        assert_eq!(text, "\u{feff}'=cmd(),'+1,'-1,'@SUM(A1),'\tx,a=b,\"\"\"q\"\"\"\r\n");
    }
}
