//! The audit trail: who changed or saw what.

use std::borrow::Cow;

use serde::Serialize;

use crate::domain::Timestamp;

/// Who does something, from where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who, such as `account 12`, `visitor`, `cli root` or `system`.
    pub actor: String,
    /// The address that the request came from, or the way.
    pub source: String,
    /// When.
    pub at: Timestamp,
}

impl By {
    /// Somebody who is signed in.
    pub fn account(number: i64, source: impl Into<String>, at: Timestamp) -> Self {
        Self { actor: format!("account {number}"), source: source.into(), at }
    }

    /// A user of the machine, by `izportal admin`.
    pub fn cli(user: &str, at: Timestamp) -> Self {
        Self { actor: format!("cli {user}"), source: "command line".to_owned(), at }
    }

    /// The service itself.
    pub fn system(at: Timestamp) -> Self {
        Self { actor: "system".to_owned(), source: "service".to_owned(), at }
    }

    /// Somebody who is not signed in.
    pub fn visitor(source: impl Into<String>, at: Timestamp) -> Self {
        Self { actor: "visitor".to_owned(), source: source.into(), at }
    }
}

/// One event of the trail as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Its number; the next event has the next one.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What, such as `site.status`.
    pub action: String,
    /// To which, such as `site DE-000001`.
    pub object: String,
    /// What held before, secrets masked.
    pub before: Option<String>,
    /// What holds after.
    pub after: Option<String>,
    /// From where.
    pub source: String,
}

impl AuditRecord {
    /// Names of its columns in a table.
    pub const COLUMNS: [&'static str; 8] =
        ["id", "at", "actor", "action", "object", "before", "after", "source"];

    /// Its columns as texts.
    pub fn cells(&self) -> [String; 8] {
        [
            self.id.to_string(),
            self.at.to_string(),
            self.actor.clone(),
            self.action.clone(),
            self.object.clone(),
            self.before.clone().unwrap_or_default(),
            self.after.clone().unwrap_or_default(),
            self.source.clone(),
        ]
    }
}

/// A text that no spreadsheet takes for a formula. Source: ASVS 5.0, 1.2.10.
pub fn harmless_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A row of a CSV file: cells that a spreadsheet would run are made harmless, and no text ends its cell or its row.
pub fn csv_row<T: AsRef<str>>(cells: &[T]) -> String {
    let quoted = |cell: &T| {
        let cell = harmless_cell(cell.as_ref());
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.into_owned()
        }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_no_text_ends_its_row() {
        let row = csv_row(&["1", "=HYPERLINK(\"x\")", "a,b", "c\nd", "-1+1", ""]);
        assert_eq!(row, "1,\"'=HYPERLINK(\"\"x\"\")\",\"a,b\",\"c\nd\",'-1+1,\n");
    }
}
