//! Rows of a table as Sites, through the fields of registration.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::domain::form::{Answers, Field, Kind, Page};
use crate::domain::questions::REGISTRATION;
use crate::sites::bulk::file::Row;
use crate::store::SiteRow;

/// Pages of a registration that are answered once for all rows of a file, by the organization.
const ONCE: &[&str] = &["agreement"];

/// Questions that the organization has answered.
const KNOWN: &[&str] = &["organization_name", "organization_type"];

/// Pages whose columns may all be left empty: then the organization's own answers are taken.
pub const INHERITED: &[&str] = &["site-contact", "exchange-contact", "ehr", "vendor-contact"];

/// What is wrong with a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// Row in the file.
    pub row: usize,
    /// Name of the column.
    pub column: String,
    /// What to do about it.
    pub message: String,
}

/// The pages that rows answer.
fn pages() -> impl Iterator<Item = &'static Page> {
    REGISTRATION.pages.iter().filter(|page| !ONCE.contains(&page.slug))
}

/// The columns of a file, in the order of the template. An e-mail address is not typed twice.
pub fn columns() -> Vec<&'static Field> {
    let mut seen = BTreeSet::new();
    pages()
        .flat_map(|page| page.fields)
        .filter(|field| !KNOWN.contains(&field.name))
        .filter(|field| !matches!(field.kind, Kind::EmailAgain(_)))
        .filter(|field| seen.insert(field.name))
        .collect()
}

/// Reads every row; `known` is what the organization has answered.
///
/// # Errors
/// With everything that is wrong, by row and column; then no row counts.
pub(super) fn read(
    rows: &[Row],
    known: &Answers,
    today: NaiveDate,
) -> Result<Vec<SiteRow>, Vec<CellError>> {
    let Some((header, rows)) = rows.split_first() else { return Ok(vec![]) };
    let names = header_names(header)?;
    if rows.is_empty() {
        let message =
            "There is no Site in the file. Write one into each row below the names".to_owned();
        return Err(vec![CellError { row: header.number + 1, column: String::new(), message }]);
    }
    let mut good = vec![];
    let mut errors = vec![];
    for row in rows {
        match site(row, &names, known, today) {
            Ok(site) => good.push(site),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if errors.is_empty() { Ok(good) } else { Err(errors) }
}

/// The names of the columns; a column without a name has none.
fn header_names(header: &Row) -> Result<Vec<Option<&'static str>>, Vec<CellError>> {
    let known = columns();
    let mut errors = vec![];
    let mut wrong = |column: &str, message: String| {
        errors.push(CellError { row: header.number, column: column.to_owned(), message });
    };
    let mut names: Vec<Option<&'static str>> = vec![];
    for cell in &header.cells {
        let name = cell.trim().to_lowercase().replace([' ', '-'], "_");
        let found = known.iter().map(|field| field.name).find(|known| *known == name);
        if found.is_some() && names.contains(&found) {
            wrong(cell, "This column is there twice. Remove one of them".to_owned());
        } else if found.is_none() && !name.is_empty() {
            wrong(
                cell,
                "This is not a name of a column. Use the first row of the template".to_owned(),
            );
        }
        names.push(found);
    }
    for name in ["site_type", "site_name"] {
        if !names.contains(&Some(name)) {
            wrong(name, "This column is missing. Use the first row of the template".to_owned());
        }
    }
    if errors.is_empty() { Ok(names) } else { Err(errors) }
}

fn site(
    row: &Row,
    names: &[Option<&'static str>],
    known: &Answers,
    today: NaiveDate,
) -> Result<SiteRow, Vec<CellError>> {
    let mut posted: Answers = names
        .iter()
        .zip(&row.cells)
        .filter_map(|(name, cell)| Some(((*name)?, cell.as_str())))
        .chain(KNOWN.iter().map(|name| (*name, known.get(name))))
        .collect();
    inherit(&mut posted, known);
    let mut answers = Answers::default();
    let mut errors = vec![];
    for page in pages() {
        if !page.when.holds(&answers) {
            continue;
        }
        match page.read(&posted, today) {
            Ok(good) => answers.merge(good),
            Err(wrong) => errors.extend(wrong.0),
        }
    }
    if errors.is_empty() {
        return Ok(SiteRow { row: row.number, answers: REGISTRATION.settled(&answers) });
    }
    let told = errors.into_iter().filter(|error| !error.field.ends_with("_email_again"));
    Err(told
        .map(|error| CellError {
            row: row.number,
            column: error.field.to_owned(),
            message: error.message,
        })
        .collect())
}

/// Answers for the row what the organization has answered, and what is not asked a second time in a file.
fn inherit(posted: &mut Answers, known: &Answers) {
    for page in pages() {
        let is_open = page.fields.iter().all(|field| !posted.has(field.name));
        if is_open && INHERITED.contains(&page.slug) {
            for field in page.fields {
                posted.set(field.name, known.get(field.name));
            }
        }
        for field in page.fields {
            if let Kind::EmailAgain(first) = field.kind {
                let email = posted.get(first).to_owned();
                posted.set(field.name, email);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2015, 11, 1).unwrap()
    }

    fn table(lines: &[&[(&str, &str)]]) -> Vec<Row> {
        let names: Vec<String> = columns().iter().map(|field| field.name.to_owned()).collect();
        let mut rows = vec![Row { number: 1, cells: names.clone() }];
        for (at, line) in lines.iter().enumerate() {
            let answers = line.iter().copied().collect::<Answers>();
            let cells = names.iter().map(|name| answers.get(name).to_owned()).collect();
            rows.push(Row { number: at + 2, cells });
        }
        rows
    }

    fn known() -> Answers {
        Answers::from_iter([
            ("organization_name", "Harbor Clinics"),
            ("organization_type", "community-clinic"),
            ("site_contact_first_name", "Pat"),
            ("site_contact_last_name", "Inventa"),
            ("site_contact_position", "Manager"),
            ("site_contact_phone", "510-555-0100"),
            ("site_contact_email", "pat@example.org"),
            ("exchange_contact_same", "yes"),
            ("ehr_product", "ChartWell 7"),
            ("ehr_vendor", "ChartWell"),
            ("ehr_certified", "yes"),
            ("ehr_hl7", "yes"),
            ("vendor_contact_first_name", "Kim"),
            ("vendor_contact_last_name", "Inventa"),
            ("vendor_contact_company", "ChartWell"),
            ("vendor_contact_phone", "510-555-0101"),
            ("vendor_contact_email", "kim@example.org"),
        ])
    }

    const HARBOR: &[(&str, &str)] = &[
        ("site_type", "direct"),
        ("county", "Alameda"),
        ("zip", "94501"),
        ("site_name", "Harbor Street"),
        ("address_line1", "1 Harbor Street"),
        ("city", "Alameda"),
        ("clinical", "no"),
        ("mu_stage", "None"),
    ];

    fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        HARBOR.iter().copied().chain(changes.iter().copied()).collect()
    }

    #[test]
    fn a_row_is_read_as_a_registration_is_and_takes_the_rest_from_the_organization() {
        let sites = read(&table(&[HARBOR]), &known(), today()).unwrap();

        let answers = &sites[0].answers;
        assert_eq!(sites[0].row, 2);
        assert_eq!(answers.get("county"), "06001");
        assert_eq!(answers.get("mu_stage"), "none");
        assert_eq!(answers.get("organization_name"), "Harbor Clinics");
        assert_eq!(answers.get("site_contact_email"), "pat@example.org");
        assert_eq!(answers.get("ehr_vendor"), "ChartWell");
    }

    #[test]
    fn a_contact_of_its_own_must_be_whole() {
        let row = with(&[("site_contact_first_name", "Sam")]);
        let errors = read(&table(&[&row]), &known(), today()).unwrap_err();

        let columns: Vec<_> = errors.iter().map(|error| error.column.as_str()).collect();
        assert_eq!(
            columns,
            [
                "site_contact_last_name",
                "site_contact_position",
                "site_contact_phone",
                "site_contact_email"
            ]
        );
    }

    #[test]
    fn every_error_is_told_by_row_and_column_with_the_message_of_the_field() {
        let excluded = with(&[("county", "San Diego"), ("zip", "92101")]);
        let wrong = with(&[("zip", "10001"), ("clinical", "perhaps")]);
        let errors = read(&table(&[&excluded, HARBOR, &wrong]), &known(), today()).unwrap_err();

        let told: Vec<_> = errors.iter().map(|one| (one.row, one.column.as_str())).collect();
        assert_eq!(told, [(2, "county"), (4, "zip"), (4, "clinical")]);
        assert!(errors[0].message.contains("San Diego"), "{errors:?}");
        assert!(errors[1].message.contains("California"), "{errors:?}");
    }

    #[test]
    fn each_type_of_site_has_its_own_columns() {
        let through = with(&[("site_type", "through-facility")]);
        let clinical = with(&[("clinical", "yes")]);
        let errors = read(&table(&[&through, &clinical]), &known(), today()).unwrap_err();

        assert_eq!((errors[0].row, errors[0].column.as_str()), (2, "sending_facility"));
        assert!(errors.iter().any(|one| one.row == 3 && one.column == "clinician_license"));
    }

    #[test]
    fn names_of_columns_are_taken_in_any_case_and_no_others() {
        let mut rows = table(&[HARBOR]);
        for cell in &mut rows[0].cells {
            *cell = cell.to_uppercase().replace('_', " ");
        }
        assert!(read(&rows, &known(), today()).is_ok());

        rows[0].cells.push("Notes".to_owned());
        rows[0].cells.push("site_name".to_owned());
        rows[0].cells[0].clear();
        let errors = read(&rows, &known(), today()).unwrap_err();
        let told: Vec<_> = errors.iter().map(|one| one.column.as_str()).collect();
        assert_eq!(told, ["Notes", "site_name", "site_type"]);
    }

    #[test]
    fn a_table_without_sites_says_so() {
        assert_eq!(read(&table(&[]), &known(), today()).unwrap_err()[0].row, 2);
    }
}
