//! Alerts, their run-book and the metrics behind them belong together.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::program::files_under;

const ALERTS: &str = include_str!("../../docs/alerts.yml");
const RUN_BOOK: &str = include_str!("../../docs/operations.md");

/// The rules of the file, each as its name and its lines.
fn alerts() -> Vec<(&'static str, Vec<&'static str>)> {
    let rules = ALERTS.split("- alert: ").skip(1);
    rules
        .map(|rule| {
            let mut lines = rule.lines().map(str::trim);
            (lines.next().unwrap(), lines.collect())
        })
        .collect()
}

/// The value of a key of a rule, when it stands on one line.
fn value<'a>(rule: &[&'a str], key: &str) -> Option<&'a str> {
    rule.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

#[test]
fn every_alert_has_its_entry_in_the_run_book_and_every_entry_its_alert() {
    let (_, run_book) = RUN_BOOK.split_once("\n## Run-book\n").unwrap();
    let (run_book, _) = run_book.split_once("\n## ").unwrap_or((run_book, ""));
    let entries: Vec<_> = run_book.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts();

    assert_eq!(entries, alerts.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, rule) in &alerts {
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(value(rule, "runbook"), Some(anchor.as_str()), "{name}");
        assert!(matches!(value(rule, "severity"), Some("page" | "ticket")), "{name}");
        assert!(value(rule, "summary").is_some() && value(rule, "expr").is_some(), "{name}");
    }
}

#[test]
fn every_metric_that_an_alert_or_the_documentation_names_is_emitted() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    let files = files_under(&source).into_iter().filter(is_rust);
    let source: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let is_of_a_name = |one: char| one.is_ascii_lowercase() || one == '_';
    let emitted = |name: &str| {
        let quoted = format!("\"{name}\"");
        ["counter!(", "gauge!(", "histogram!("].iter().any(|kind| {
            let mut calls = source.split(kind).skip(1);
            calls.any(|call| call.trim_start().starts_with(&quoted))
        })
    };

    for text in [ALERTS, RUN_BOOK] {
        let words = text.split(|one: char| !is_of_a_name(one));
        let named: Vec<_> = words.filter(|word| word.starts_with("gateway_")).collect();
        assert!(!named.is_empty());
        for name in named {
            assert!(emitted(name), "nothing emits {name}");
        }
    }
}
