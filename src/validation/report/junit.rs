//! The report for build servers: JUnit's XML, a suite for each file and a case for each message.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::domain::Diagnostic;
use crate::hl7::Severity;
use crate::validation::report::text::{Places, sentences};
use crate::validation::report::{Excerpt, Judgement, excerpt};

/// The columns of a segment that is shown.
const WIDTH: usize = 100;

/// The cases of one file.
#[derive(Default)]
pub struct Suite {
    /// The name of the file.
    pub name: String,
    /// The cases as XML.
    pub cases: Vec<String>,
    /// How many of them fail.
    pub failures: usize,
    /// What could not be read, in words.
    pub errors: Vec<String>,
}

/// One message as a test case: it fails when it has an error; warnings are told as its output.
pub fn case(judgement: &Judgement<'_>, least: Severity, values: bool) -> String {
    let id = judgement.control_id().map(|id| format!(" {id}")).unwrap_or_default();
    let name = format!("message {} (line {}){id}", judgement.number, judgement.part.line);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\">",
        xml(judgement.file),
        xml(&name)
    ); // writing to a String does not fail
    let told = told(judgement, least, values);
    if judgement.has_errors() {
        let kind = judgement.verdict.word();
        let _ = writeln!(
            out,
            "      <failure type=\"{kind}\" message=\"{}\">{}</failure>",
            xml(judgement.verdict.words()),
            xml(&told)
        ); // as above
    } else if !told.is_empty() {
        let _ = writeln!(out, "      <system-out>{}</system-out>", xml(&told)); // as above
    }
    out.push_str("    </testcase>\n");
    out
}

fn told(judgement: &Judgement<'_>, least: Severity, values: bool) -> String {
    let message = match &judgement.message {
        Ok(message) => message,
        Err(error) => return error.to_string(),
    };
    let places = Places::of(message, judgement.part.line);
    let mut out =
        judgement.sharing.map(|sharing| format!("{}\n", sharing.meaning())).unwrap_or_default();
    for one in judgement.found.iter().filter(|one| one.severity >= least) {
        finding(&mut out, one, &places, values);
    }
    out
}

fn finding(out: &mut String, one: &Diagnostic, places: &Places<'_, '_>, values: bool) {
    let place = one.location.map_or_else(|| "message".to_owned(), |at| at.human().to_string());
    let _ = writeln!(out, "{} {place} {}: {}", one.severity.code(), one.rule, sentences(one)); // as above
    if let Some(span) = one.span.as_ref().filter(|_| values) {
        let found = places.of_span(span);
        let Excerpt { line, marks } = excerpt(found.segment, found.within, WIDTH, false);
        let _ = writeln!(out, "  {line}\n  {marks}"); // as above
    }
}

/// The whole document.
pub fn document(suites: &[Suite]) -> String {
    let sum = |of: &dyn Fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    let tests = |suite: &Suite| suite.cases.len() + suite.errors.len();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"izportal validate\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        sum(&tests),
        sum(&|suite| suite.failures),
        sum(&|suite| suite.errors.len())
    );
    for suite in suites {
        let name = xml(&suite.name);
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\">",
            tests(suite),
            suite.failures,
            suite.errors.len()
        ); // as above
        for case in &suite.cases {
            out.push_str(case);
        }
        for error in &suite.errors {
            let _ = writeln!(
                out,
                "    <testcase classname=\"{name}\" name=\"can be read\">\n      <error message=\"{}\"/>\n    </testcase>",
                xml(error)
            ); // as above
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for XML 1.0, which has no control characters but three.
pub fn xml(text: &str) -> String {
    let allowed = |one: char| !one.is_control() || matches!(one, '\n' | '\t');
    let text: String = text
        .chars()
        .map(|one| if allowed(one) && !matches!(one, '\u{FFFE}' | '\u{FFFF}') { one } else { '·' })
        .collect();
    escape(text.as_str()).into_owned()
}
