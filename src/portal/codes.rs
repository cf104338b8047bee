//! The code tables that messages are judged by, as pages: which there are, and the codes of one, searched, a page at a time
//! or as a file. For everybody.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::csv_row;
use crate::portal::table::grouped;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::validation::{CodeEntry, CodeFile, Codes, TableId};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/codes", get().to(list))
        .route("/codes/{table}", get().to(one))
        .route("/codes/{table}/codes.csv", get().to(file));
}

/// Codes on a page.
const PAGE: usize = 100;

/// Elements that use a table, as far as they are named.
const USES: usize = 6;

/// A table in the list.
struct Line {
    name: String,
    /// What people call it.
    told: String,
    uses: Vec<String>,
    codes: String,
    day: String,
}

#[derive(Template)]
#[template(path = "codes.html")]
struct List {
    layout: Layout,
    text: String,
    lines: Vec<Line>,
}

/// What people call a table: `HL7 table 0001`.
fn told(name: &str) -> String {
    match name.strip_prefix("HL7") {
        Some(number) if number.len() == 4 && number.bytes().all(|one| one.is_ascii_digit()) => {
            format!("HL7 table {number}")
        }
        _ => String::new(),
    }
}

/// Whether every word stands in one of the texts.
fn fits(words: &str, texts: &[&str]) -> bool {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    let words = words.to_lowercase();
    words.split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
}

fn count(number: usize) -> String {
    grouped(u64::try_from(number).unwrap_or(u64::MAX))
}

async fn list(visit: Visit) -> HttpResponse {
    let text = visit.query("q").trim().to_owned();
    let codes = visit.portal().preview.codes();
    let line = |name: &str| {
        let table = codes.table(name)?;
        let (told, uses) = (told(name), Codes::uses(name));
        let all = uses.join(" ");
        fits(&text, &[name, &told, &all]).then(|| Line {
            codes: count(codes.entries(table).len()),
            day: codes.file_of(table).map(CodeFile::day).unwrap_or_default(),
            name: name.to_owned(),
            uses: uses.iter().take(USES).cloned().collect(),
            told,
        })
    };
    let lines = codes.table_names().filter_map(line).collect();
    visit.page(&List { layout: visit.layout("Code tables"), text, lines })
}

#[derive(Template)]
#[template(path = "code_table.html")]
struct One<'c> {
    layout: Layout,
    name: &'c str,
    text: String,
    uses: Vec<String>,
    is_open: bool,
    source: &'c str,
    day: String,
    shown: Vec<CodeEntry<'c>>,
    /// How many fit, and how many there are.
    counts: (String, String),
    has_notes: bool,
    page: usize,
    pages: usize,
    /// The parameter of the search, for links to pages.
    query: String,
}

impl One<'_> {
    /// The address of another page.
    fn at(&self, page: usize) -> String {
        format!("/codes/{}?{}page={page}", self.name, self.query)
    }
}

/// The table of an address; in any case of letters.
fn named<'c>(codes: &'c Codes, name: &str) -> Option<(TableId, &'c str)> {
    let name = codes.table_names().find(|known| known.eq_ignore_ascii_case(name))?;
    Some((codes.table(name)?, name))
}

async fn one(visit: Visit, path: web::Path<String>) -> HttpResponse {
    let codes = visit.portal().preview.codes();
    let Some((table, name)) = named(codes, &path) else { return visit.missing() };
    let text = visit.query("q").trim().to_owned();
    let all = codes.entries(table);
    let number = all.len();
    let fitting: Vec<_> =
        all.into_iter().filter(|one| fits(&text, &[&one.code, one.label, &one.note])).collect();
    let pages = fitting.len().div_ceil(PAGE).max(1);
    let page = visit.query("page").parse::<usize>().unwrap_or(1).clamp(1, pages);
    let query = match text.as_str() {
        "" => String::new(),
        text => {
            let pairs = url_encoded(text);
            format!("q={pairs}&")
        }
    };
    let counts = (count(fitting.len()), count(number));
    let shown: Vec<_> = fitting.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
    let file = codes.file_of(table);
    let title = match told(name) {
        told if told.is_empty() => format!("Code table {name}"),
        told => format!("{told} ({name})"),
    };
    visit.page(&One {
        layout: visit.layout(title),
        name,
        text,
        uses: Codes::uses(name).to_vec(),
        is_open: codes.is_open(table),
        source: file.map_or("", |file| &file.source),
        day: file.map(CodeFile::day).unwrap_or_default(),
        has_notes: shown.iter().any(|one| !one.note.is_empty()),
        shown,
        counts,
        page,
        pages,
        query,
    })
}

/// A text as the value of a parameter.
fn url_encoded(text: &str) -> String {
    let byte = |one: u8| match one {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(one).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The whole table as a file, the same for everybody.
async fn file(visit: Visit, path: web::Path<String>) -> HttpResponse {
    let codes = visit.portal().preview.codes();
    let Some((table, name)) = named(codes, &path) else { return visit.missing() };
    let mut text = csv_row(&["code", "label", "system", "note"]);
    for one in codes.entries(table) {
        text.push_str(&csv_row(&[&one.code, one.label, one.system, &one.note]));
    }
    let day = codes.file_of(table).map(CodeFile::day).unwrap_or_default();
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            "Content-Disposition",
            format!("attachment; filename=\"{name}-{day}.csv\""),
        ))
        .insert_header(("Cache-Control", "public, max-age=3600"))
        .body(text)
}

/// The tables that a text names, each once: as the profiles name them, or as `HL7 table 0396`.
pub(super) fn tables_named(text: &str) -> Vec<&'static str> {
    let codes = Codes::built_in();
    let is_part = |one: char| one.is_ascii_alphanumeric() || one == '_';
    let mut before = "";
    let mut found = vec![];
    for word in text.split(|one| !is_part(one)).filter(|word| !word.is_empty()) {
        let is_number = word.len() == 4 && word.bytes().all(|one| one.is_ascii_digit());
        let meant = match before {
            "table" if is_number => format!("HL7{word}"),
            _ => word.to_owned(),
        };
        before = word;
        let known = codes.table(&meant).map(|table| codes.table_name(table));
        found.extend(known.filter(|name| !found.contains(name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_leads_to_the_tables_that_it_names() {
        for (text, tables) in [
            ("RXR-2: XX is not in table HL70163.", vec!["HL70163"]),
            ("Send the name from HL7 table 0396.", vec!["HL70396"]),
            ("Guide 1.5, MSH-9; HL7 table 0076", vec!["HL70076"]),
            ("HL7 table 9999 is none of ours.", vec![]),
            ("RXA-5: 990 is newer than our CVX table. CVX", vec!["CVX"]),
            ("PID-5 is missing.", vec![]),
        ] {
            assert_eq!(tables_named(text), tables, "{text}");
        }
    }

    #[test]
    fn a_search_goes_with_the_links_to_pages() {
        assert_eq!(url_encoded("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
