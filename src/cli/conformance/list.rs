//! `izportal conformance list` and `show`: the cases, before any is run.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::conformance::settings::{SoapChoice, SuiteChoice, known_case};
use crate::cli::{Failure, Format, output};
use crate::conformance::{Case, Catalogue, Rendered, Request, Sender, Soap, Suite, Values, Weight};
use crate::domain::Timestamp;
use crate::validation::report::{plain, wrapped};

/// List the cases
#[derive(Args)]
#[command(after_help = "Examples:
  izportal conformance list
  izportal conformance list --suite faults
  izportal conformance list --format json")]
pub(super) struct List {
    /// Only of these groups
    #[arg(long, value_enum, value_delimiter = ',')]
    suite: Vec<SuiteChoice>,
    /// How the list is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl List {
    pub(super) fn run(self) {
        let suites = SuiteChoice::suites(&self.suite);
        let cases: Vec<&Case> = Catalogue::built_in()
            .cases
            .iter()
            .filter(|case| suites.contains(&case.suite))
            .collect();
        match self.format {
            Format::Json => {
                let cases: Vec<Value> = cases.iter().map(|case| as_json(case)).collect();
                output::show(Format::Json, &cases);
            }
            Format::Text => output::line(as_text(&suites, &cases).trim_end()),
        }
    }
}

fn as_json(case: &Case) -> Value {
    let rules: Vec<&str> =
        Catalogue::built_in().rules_of(case).map(|rule| rule.name.as_str()).collect();
    json!({
        "name": case.name,
        "suite": case.suite,
        "title": case.title,
        "story": case.story,
        "source": case.source,
        "required": case.required,
        "probe": case.probe,
        "soap": case.soap,
        "needs_credentials": case.requests.iter().any(Request::needs_credentials),
        "rules": rules,
    })
}

fn as_text(suites: &[Suite], cases: &[&Case]) -> String {
    let width = output::width();
    let longest = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for suite in suites {
        let _ = writeln!(out, "{suite}"); // writing to a String does not fail
        for case in cases.iter().filter(|case| case.suite == *suite) {
            let required = if case.required { "required" } else { "optional" };
            let probe = if case.probe { " (probe)" } else { "" };
            let row = format!("  {:longest$}  {required}  {}{probe}", case.name, case.title);
            out.extend(row.chars().take(width));
            out.push('\n');
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "{} cases, {} of them required; each is run in SOAP 1.2 and 1.1 where that makes a difference.\n\
         izportal conformance show CASE says more about one.",
        cases.len(),
        cases.iter().filter(|case| case.required).count()
    ); // as above
    out
}

/// Show a case: its story, what is sent, what is expected and why
#[derive(Args)]
#[command(after_help = "Exit codes: 0 the case was shown, 2 there is no such case

Examples:
  izportal conformance show SOAPCON-2
  izportal conformance show --soap 1.1 VXU-NO-NAME")]
pub(super) struct Show {
    /// Its name, as `list` gives it
    #[arg(value_name = "CASE")]
    case: String,
    /// The version of SOAP in which it is shown
    #[arg(long, value_enum, default_value = "1.2")]
    soap: SoapChoice,
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let case = known_case(&self.case)?;
        let soap = self.soap.versions().first().copied().unwrap_or(Soap::V12);
        output::line(shown(case, soap).trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(case: &Case, soap: Soap) -> String {
    let width = output::width();
    let required = if case.required { "required" } else { "optional" };
    let probe = if case.probe { ", a probe" } else { "" };
    let mut out = format!(
        "{}: {}\n{}, {required}{probe}\n\n{}\nSource: {}\n",
        case.name,
        case.title,
        case.suite,
        wrapped(&case.story, "", width),
        case.source
    );
    for request in &case.requests {
        let label = if request.label.is_empty() { "" } else { ", " };
        let role = if request.prepare { "Sent first" } else { "Sent" };
        let _ = writeln!(out, "\n{role}{label}{}:", request.label); // as above
        match as_sent(request, soap) {
            Ok(rendered) => sent(&mut out, &rendered),
            Err(why) => {
                let _ = writeln!(out, "  {why}"); // as above
            }
        }
    }
    out.push_str("\nExpected:\n");
    for rule in Catalogue::built_in().rules_of(case) {
        let weight = match rule.weight {
            Weight::Note => "note",
            Weight::Warning => "warning",
            Weight::Error => "error",
        };
        let words =
            format!("{} ({weight}): {}. {}", rule.name, rule.asks(&case.expect), rule.source);
        out.push_str(&wrapped(&words, "  ", width));
    }
    out
}

/// As it would be sent, with names in place of values.
fn as_sent(request: &Request, soap: Soap) -> Result<Rendered, String> {
    let sender = Sender {
        username: String::new(),
        password: String::new(),
        facility: "[facility]".to_owned(),
        edits: vec![],
    };
    let values = Values {
        soap,
        control_id: "[control-id]".to_owned(),
        patient: "[patient]".to_owned(),
        now: Timestamp::now(),
        limit: None,
    };
    request.render(&sender.masked(), &values).map_err(|error| error.to_string())
}

/// Longest body that is shown, in characters.
const LONGEST: usize = 6_000;

fn sent(out: &mut String, rendered: &Rendered) {
    let query =
        if rendered.query.is_empty() { String::new() } else { format!("?{}", rendered.query) };
    let _ = writeln!(out, "  {} URL{query}", rendered.method); // as above
    for (name, value) in &rendered.headers {
        let _ = writeln!(out, "  {name}: {value}"); // as above
    }
    let body = String::from_utf8_lossy(&rendered.body);
    let shown: String = body.chars().take(LONGEST).collect();
    if !shown.is_empty() {
        out.push('\n');
    }
    for line in shown.replace("&#xD;", "&#xD;\n").lines() {
        let _ = writeln!(out, "  {}", plain(line)); // as above
    }
    if shown.len() < body.len() {
        let _ = writeln!(out, "  [... {} bytes in all]", rendered.body.len()); // as above
    }
}
