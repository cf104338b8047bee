//! The report for a terminal.

use std::fmt::Write as _;

use crate::conformance::verdict::{Breach, CaseResult, Report, Verdict, Weight};
use crate::validation::report::{plain, wrapped};

/// How far the lines under a case are indented, in columns.
const INDENT: usize = 6;

/// The verdict of each case, and under it what was breached; with `exchanges` also what was said.
pub fn text(report: &Report, width: usize, exchanges: bool) -> String {
    let mut out =
        format!("{}\nbegun {}, izportal {}\n\n", report.subject, report.began, report.program);
    let longest = |of: fn(&CaseResult) -> usize| report.results.iter().map(of).max().unwrap_or(0);
    let (word, name) = (longest(|one| one.word().len()), longest(|one| one.case.len()));
    for result in report.results.iter().filter(|one| one.verdict != Verdict::Skipped) {
        let line = format!(
            "  {:word$}  {:name$}  {:3}  {}",
            result.word(),
            result.case,
            result.soap,
            result.title
        );
        out.extend(line.chars().take(width));
        out.push('\n');
        if !result.reason.is_empty() {
            paragraph(&mut out, "", &result.reason, width);
        }
        for breach in &result.breaches {
            self::breach(&mut out, breach, width);
        }
        if exchanges && result.verdict == Verdict::Failed {
            said(&mut out, result);
        }
    }
    skipped(&mut out, report, width);
    if let Some(advice) = report.look_first() {
        let _ = writeln!(out, "\n{advice}."); // writing to a String does not fail
    }
    let seconds = report.millis / 1_000;
    let _ = writeln!(out, "\n{}; {seconds} s", report.totals().sentence()); // as above
    out
}

/// The cases that were not run, together for each reason.
fn skipped(out: &mut String, report: &Report, width: usize) {
    let mut reasons: Vec<(&str, Vec<&str>)> = vec![];
    for result in report.results.iter().filter(|one| one.verdict == Verdict::Skipped) {
        let cases = match reasons.iter_mut().find(|(reason, _)| *reason == result.reason) {
            Some((_, cases)) => cases,
            None => &mut reasons.push_mut((&result.reason, vec![])).1,
        };
        if cases.last() != Some(&result.case.as_str()) {
            cases.push(&result.case);
        }
    }
    for (reason, cases) in reasons {
        let _ = writeln!(out, "  skipped  {}", plain(reason)); // as above
        paragraph(out, "", &cases.join(", "), width);
    }
}

fn breach(out: &mut String, breach: &Breach, width: usize) {
    let weight = match breach.weight {
        Weight::Note => "note",
        Weight::Warning => "warning",
        Weight::Error => "error",
    };
    let _ = writeln!(out, "{:INDENT$}{} ({weight})", "", breach.rule); // as above
    paragraph(out, "Expected: ", &breach.expected, width);
    paragraph(out, "Found:    ", &breach.found, width);
    paragraph(out, "Fix:      ", &breach.fix, width);
    paragraph(out, "Source:   ", &breach.source, width);
}

fn paragraph(out: &mut String, label: &str, words: &str, width: usize) {
    if words.is_empty() {
        return;
    }
    let indent = INDENT + 2 + label.len();
    let room = width.saturating_sub(indent).max(20);
    let lines = wrapped(&plain(words), "", room);
    for (n, line) in lines.lines().enumerate() {
        let before = if n == 0 { label } else { "" };
        let fill = indent - before.len();
        let _ = writeln!(out, "{:fill$}{before}{line}", ""); // as above
    }
}

fn said(out: &mut String, result: &CaseResult) {
    for exchange in &result.exchanges {
        for (mark, text) in [(">", &exchange.request), ("<", &exchange.response)] {
            for line in segments(text).lines() {
                let _ = writeln!(out, "{:INDENT$}  {mark} {}", "", plain(line)); // as above
            }
        }
        out.push('\n');
    }
}

/// A segment of HL7 on a line each, for people.
pub(super) fn segments(text: &str) -> String {
    text.replace("&#xD;", "&#xD;\n")
}
