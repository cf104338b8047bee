//! Tables of numbers, the same on a page and as a CSV file.

use actix_web::HttpResponse;
use askama::Template;
use askama::filters::HtmlSafe;

use crate::domain::{Timestamp, csv_row};
use crate::portal::Visit;

/// What stands in a cell.
pub(super) struct Cell {
    /// For people.
    pub(super) text: String,
    /// For programs.
    raw: String,
    /// Where it leads.
    pub(super) link: Option<String>,
    class: &'static str,
}

impl Cell {
    /// A word.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { raw: text.clone(), text, link: None, class: "" }
    }

    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self { raw: count.to_string(), text: grouped(count), link: None, class: "num" }
    }

    /// A share; none where there was nothing to measure.
    pub(super) fn share(percent: Option<u64>) -> Self {
        let raw = percent.map(|percent| percent.to_string()).unwrap_or_default();
        let text = percent.map_or_else(|| "none".to_owned(), |percent| format!("{percent} %"));
        Self { raw, text, link: None, class: "num" }
    }

    /// A day; none where there was none.
    pub(super) fn day(day: Option<Timestamp>) -> Self {
        let raw = day.map(|day| day.utc().format("%Y-%m-%d").to_string()).unwrap_or_default();
        let text = day.map_or_else(|| "none".to_owned(), long_day);
        Self { raw, text, link: None, class: "nowrap" }
    }

    /// The same, leading somewhere.
    #[must_use]
    pub(super) fn to(mut self, link: impl Into<String>) -> Self {
        self.link = Some(link.into());
        self
    }
}

/// A day as pages write it.
pub(super) fn long_day(day: Timestamp) -> String {
    day.utc().format("%B %-d, %Y").to_string()
}

/// A count with commas between its thousands.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table.
#[derive(Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    /// How its file and the address of its download name it.
    pub(super) name: &'static str,
    /// What it is a table of.
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl HtmlSafe for Table {}

impl Table {
    pub(super) fn new(name: &'static str, title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { name, title: title.into(), columns, rows: vec![] }
    }

    /// The columns, and whether they hold numbers.
    fn heads(&self) -> Vec<(&str, bool)> {
        let is_number =
            |n: usize| self.rows.iter().any(|row| row.get(n).is_some_and(|one| one.class == "num"));
        self.columns.iter().enumerate().map(|(n, name)| (name.as_str(), is_number(n))).collect()
    }

    /// As a file; safe for spreadsheets.
    fn csv(&self) -> String {
        let mut text = csv_row(&self.columns);
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|cell| cell.raw.as_str()).collect();
            text.push_str(&csv_row(&cells));
        }
        text
    }

    /// The file as a download.
    pub(super) fn download(&self, visit: &Visit, of: &str) -> HttpResponse {
        let day = visit.now.utc().format("%Y-%m-%d");
        let safe =
            |one: char| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' };
        let of: String = of.chars().map(safe).collect();
        let name = format!("{of}-{}-{day}.csv", self.name);
        let mut response = HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
            .body(self.csv());
        visit.add_cookies(&mut response);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_well_and_its_file_is_for_programs() {
        let mut table = Table::new("time", "By day", &["Day", "Messages", "Accepted"]);
        table.rows.push(vec![Cell::text("=1+1"), Cell::count(1_234_567), Cell::share(Some(97))]);
        table.rows.push(vec![Cell::text("x").to("/x?a=1&b=2"), Cell::count(0), Cell::share(None)]);
        assert_eq!(table.csv(), "Day,Messages,Accepted\n'=1+1,1234567,97\nx,0,\n");
        let html = table.render().unwrap();
        for part in [
            "1,234,567",
            "97 %",
            "none",
            "<th scope=\"col\" class=\"num\">Messages",
            "href=\"/x?a=1&#38;b=2\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
