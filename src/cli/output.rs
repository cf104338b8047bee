//! How commands speak: tables for people, JSON for scripts, problems on standard error.

use std::fmt::Display;
use std::io::Write as _;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Prints a line.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}"); // a closed pipe is the reader's wish
}

/// Prints a problem to standard error.
pub(super) fn problem(text: &str) {
    let _ = writeln!(std::io::stderr(), "izportal: {text}"); // as above
}

/// Says something to standard error that is no problem.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}"); // as above
}

/// So many of something, for people: `1 message`, `2 messages`.
pub(super) fn counted<N: Copy + Display + From<u8> + PartialEq>(count: N, one: &str) -> String {
    if count == N::from(1) { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Whether standard error is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// Prints one thing or a list of things.
pub(super) fn show<T: Serialize>(format: Format, thing: &T) {
    let Ok(value) = serde_json::to_value(thing) else {
        return problem("the result cannot be printed");
    };
    match (format, value) {
        (Format::Json, value) => line(&serde_json::to_string_pretty(&value).unwrap_or_default()),
        (Format::Text, Value::Array(rows)) => table(&rows),
        (Format::Text, Value::Object(fields)) => {
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            for (name, value) in &fields {
                line(&format!("{name:width$}  {}", cell(value)));
            }
        }
        (Format::Text, value) => line(&cell(&value)),
    }
}

/// Rows under the names of their fields, each column as wide as its widest cell.
fn table(rows: &[Value]) {
    let Some(Value::Object(first)) = rows.first() else { return line("(none)") };
    let names: Vec<&String> = first.keys().collect();
    let cells = |row: &Value| {
        names.iter().map(|name| row.get(name.as_str()).map_or(String::new(), cell)).collect()
    };
    let mut lines: Vec<Vec<String>> = vec![names.iter().map(ToString::to_string).collect()];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    for row in &lines {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(padded.join("  ").trim_end());
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => {
            text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
        }
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// The columns of the terminal that is written to; 100 when it is none.
pub(super) fn width() -> usize {
    terminal_size::terminal_size_of(std::io::stdout())
        .map_or(100, |(width, _)| usize::from(width.0).clamp(60, 200))
}

/// Text for whoever reads standard output, which may close it early.
pub(super) struct Printer {
    out: std::io::BufWriter<std::io::Stdout>,
    closed: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { out: std::io::BufWriter::new(std::io::stdout()), closed: false }
    }

    /// Writes a text.
    pub(super) fn write(&mut self, text: &str) {
        self.closed = self.closed || self.out.write_all(text.as_bytes()).is_err();
    }

    /// Hands over what is written.
    pub(super) fn flush(&mut self) {
        self.closed = self.closed || self.out.flush().is_err();
    }

    /// Whether nobody reads any more.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }
}

/// A line on a terminal that is written over by the next; nothing where standard error is no terminal.
pub(super) fn progress(text: &str) {
    use std::io::IsTerminal as _;
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r{text}\u{1b}[K"); // it is for looking at only
    }
}
