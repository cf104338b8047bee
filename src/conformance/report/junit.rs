//! The report for build servers, in JUnit's XML: what decides the exit code fails, and nothing else does.

use std::fmt::Write as _;

use crate::conformance::verdict::{Breach, CaseResult, Report, Verdict, Weight};
use crate::validation::report::xml;

/// The report as a JUnit document. An optional case that failed is told as skipped, as it fails no build.
pub fn junit(report: &Report) -> String {
    let totals = report.totals();
    let optional = totals.optional - totals.optional_passed;
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        report.results.len(),
        totals.failed,
        totals.undecided,
        totals.skipped + optional,
        seconds(report.millis)
    );
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"izportal conformance\" {counts}>\n  \
         <testsuite name=\"{}\" timestamp=\"{}\" {counts}>\n",
        xml(&report.subject),
        report.began
    );
    for result in &report.results {
        case(&mut out, result);
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn case(out: &mut String, result: &CaseResult) {
    let class = if result.soap.is_empty() { "conformance" } else { "conformance.soap-" };
    let time = seconds(result.exchanges.iter().map(|exchange| exchange.millis).sum());
    let _ = writeln!(
        out,
        "    <testcase classname=\"{class}{}\" name=\"{}: {}\" time=\"{time}\">",
        xml(&result.soap),
        xml(&result.case),
        xml(&result.title)
    ); // writing to a String does not fail
    let told = told(result);
    let _ = match (result.verdict, result.required) {
        (Verdict::Failed, true) => {
            let worst = result.breaches.iter().find(|one| one.weight == Weight::Error);
            let rule = worst.map_or("", |one| one.rule.as_str());
            let message = worst.map_or("", |one| one.expected.as_str());
            writeln!(
                out,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                xml(rule),
                xml(message),
                xml(&told)
            )
        }
        (Verdict::Undecided, true) => {
            writeln!(out, "      <error message=\"{}\"/>", xml(&result.reason))
        }
        (Verdict::Passed, _) if told.is_empty() => Ok(()),
        (Verdict::Passed, _) => {
            writeln!(out, "      <system-out>{}</system-out>", xml(&told))
        }
        (Verdict::Failed | Verdict::Undecided, false) => {
            let told = if told.is_empty() { result.reason.clone() } else { told };
            writeln!(out, "      <skipped message=\"optional, not passed: {}\"/>", xml(&told))
        }
        (Verdict::Skipped, _) => {
            writeln!(out, "      <skipped message=\"{}\"/>", xml(&result.reason))
        }
    }; // as above
    out.push_str("    </testcase>\n");
}

/// The breaches and, where one weighs an error, what was said.
fn told(result: &CaseResult) -> String {
    let mut out = String::new();
    for Breach { rule, expected, found, fix, source, .. } in &result.breaches {
        let _ = writeln!(
            out,
            "{rule}\n  expected: {expected}\n  found: {found}\n  fix: {fix}\n  source: {source}"
        ); // as above
    }
    if result.verdict == Verdict::Failed {
        for exchange in &result.exchanges {
            let _ = writeln!(out, "\n{}\n\n{}", exchange.request, exchange.response); // as above
        }
    }
    out
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
