//! `izportal rules` and `izportal explain`: the catalogue of rules.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::{Failure, output};
use crate::domain::{Environment, Timestamp};
use crate::hl7::{ApplicationError, Part, Severity};
use crate::validation::report::{Excerpt, Judge, excerpt, wrapped};
use crate::validation::{
    Catalogue, Codes, Policies, ProcessingRules, Rule, Setting, Validator, differences,
};

/// List the rules that messages are judged by
#[derive(Args)]
pub(super) struct Rules {
    /// How the list is printed
    #[arg(long, value_enum, default_value = "text")]
    format: ListFormat,
    /// Only of this chapter
    #[arg(long, value_name = "NAME")]
    chapter: Option<String>,
}

/// How the list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// For people.
    Text,
    /// The page docs/rules.md.
    Markdown,
    /// One JSON document.
    Json,
}

/// Explain a rule: what it asks, where it comes from, what a breach costs, how to mend it
#[derive(Args)]
#[command(after_help = "Exit codes: 0 the rule was explained, 2 there is no such rule")]
pub(super) struct Explain {
    /// Its name, as `izportal rules` and the reports give it, such as IZ-30
    rule: String,
}

impl Rules {
    pub(super) fn run(self) -> Result<(), Failure> {
        let chapters = chapters();
        if let Some(chapter) = &self.chapter
            && !chapters.contains(&chapter.as_str())
        {
            let known = chapters.join(", ");
            return Err(Failure::usage(format!(
                "there is no chapter {chapter:?}; there are {known}"
            )));
        }
        let chapters: Vec<&str> = chapters
            .into_iter()
            .filter(|one| self.chapter.as_ref().is_none_or(|chapter| chapter == one))
            .collect();
        match self.format {
            ListFormat::Text => output::line(as_text(&chapters).trim_end()),
            ListFormat::Markdown => output::line(as_markdown(&chapters).trim_end()),
            ListFormat::Json => {
                let rules: Vec<Value> =
                    rules_of(&chapters).map(|(chapter, rule)| as_json(chapter, rule)).collect();
                output::line(&serde_json::to_string_pretty(&rules).unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// The chapters that have rules, in their order.
fn chapters() -> Vec<&'static str> {
    let mut chapters: Vec<&str> =
        Catalogue::built_in().rules().map(|(chapter, _)| chapter).collect();
    chapters.dedup();
    chapters
}

fn rules_of<'c>(chapters: &'c [&str]) -> impl Iterator<Item = (&'static str, &'static Rule)> + 'c {
    Catalogue::built_in().rules().filter(|(chapter, _)| chapters.contains(chapter))
}

fn as_text(chapters: &[&str]) -> String {
    let width = output::width();
    let longest = rules_of(chapters).map(|(_, rule)| rule.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for chapter in chapters {
        let _ = writeln!(out, "{chapter}\n  {:longest$}  guide  gateway  effect  title", "rule"); // writing to a String does not fail
        for (_, rule) in rules_of(&[chapter]) {
            let row = format!(
                "  {:longest$}  {:5}  {:7}  {:6}  {}",
                rule.id, rule.class, rule.severity, rule.treatment, rule.title
            );
            out.extend(row.chars().take(width));
            out.push('\n');
        }
        out.push('\n');
    }
    out.push_str("izportal explain RULE says more about one.\n");
    out
}

fn as_json(chapter: &str, rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "chapter": chapter,
        "title": rule.title,
        "says": rule.says,
        "source": rule.source,
        "class": rule.class,
        "severity": rule.severity,
        "treatment": rule.treatment,
        "code": rule.code.code(),
        "application": rule.application.map(ApplicationError::code),
        "text": rule.text,
        "fix": rule.fix,
        "settings": Catalogue::built_in().settings_of(rule).iter().map(|(name, setting)| json!({
            "policy": name,
            "at": setting.at,
            "severity": setting.severity,
            "treatment": setting.treatment,
            "because": setting.because,
        })).collect::<Vec<_>>(),
    })
}

const INTRODUCTION: &str = "\
# Rules

<!-- Made by `izportal rules --format markdown`; do not edit. The rules are in schemas/rules. -->

Every finding names its rule; `izportal explain RULE` says more about one, with an example. *Guide* is what the guide makes of a
breach (the severity at strictness `onboarding`), *Gateway* what the Gateway makes of it: E error, W warning, I remark. *Effect*
is what is done with the data: `keep` nothing, `empty` the element or segment counts as empty, with what follows from that,
`reject` the message is not accepted (AE), `refuse` it is not processed (AR). [How validation works](validation.md) tells more.
";

fn as_markdown(chapters: &[&str]) -> String {
    let mut out = INTRODUCTION.to_owned();
    for chapter in chapters {
        let mut title = chapter.to_string();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let _ = write!(
            out,
            "\n## {title}\n\n| Rule | Asks | Guide | Gateway | Effect | ERR-3, ERR-5 | Source |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        ); // writing to a String does not fail
        for (_, rule) in rules_of(&[chapter]) {
            let codes = [Some(rule.code.code()), rule.application.map(ApplicationError::code)];
            let codes: Vec<&str> = codes.into_iter().flatten().collect();
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} | {} |",
                rule.id,
                cell(&rule.says),
                rule.class,
                rule.severity,
                rule.treatment,
                codes.join(", "),
                cell(&rule.source)
            ); // as above
        }
    }
    weighs_otherwise(&mut out, chapters);
    out
}

fn weighs_otherwise(out: &mut String, chapters: &[&str]) {
    out.push_str(
        "\n## Where a rule weighs otherwise\n\n| Rule | Where | Gateway | Effect | By | Because |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (_, rule) in rules_of(chapters) {
        for (name, setting) in Catalogue::built_in().settings_of(rule) {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} |",
                rule.id,
                if setting.at.is_empty() { "everywhere".to_owned() } else { setting.at.join(", ") },
                setting.severity.unwrap_or(rule.severity),
                setting.treatment.unwrap_or(rule.treatment),
                if name == "policy" { "default policy" } else { name },
                cell(&setting.because)
            ); // as above
        }
    }
}

/// Text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('~', "\\~")
}

impl Explain {
    pub(super) fn run(self) -> Result<(), Failure> {
        let rules = || Catalogue::built_in().rules().map(|(_, rule)| rule);
        let Some(rule) = rules().find(|rule| rule.id.eq_ignore_ascii_case(self.rule.trim())) else {
            return Err(Failure::usage(unknown(&self.rule)));
        };
        output::line(explained(rule, output::width()).trim_end());
        Ok(())
    }
}

/// What to say of a name that no rule has: the names nearest to it.
fn unknown(name: &str) -> String {
    let wanted = name.trim().to_ascii_uppercase();
    let mut near: Vec<(f64, &str)> = Catalogue::built_in()
        .rules()
        .map(|(_, rule)| (strsim::jaro_winkler(&wanted, &rule.id), rule.id.as_str()))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let near: Vec<&str> = near.into_iter().take(5).map(|(_, id)| id).collect();
    let hint = match near.as_slice() {
        [] => "`izportal rules` lists them".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    format!("there is no rule {name:?}; {hint}")
}

fn explained(rule: &Rule, width: usize) -> String {
    let mut out = format!("{}: {}\n\n", rule.id, rule.title);
    let mut row = |name: &str, text: &str| {
        let lines = wrapped(text, "            ", width);
        let _ = write!(out, "{name:<12}"); // writing to a String does not fail
        out.push_str(lines.trim_start());
    };
    row("It says", &rule.says);
    row("Source", &rule.source);
    row("The guide", &format!("{} ({})", rule.class, rule.class.words()));
    row(
        "The Gateway",
        &format!("{} ({}): {}", rule.severity, rule.severity.words(), rule.treatment.words()),
    );
    for (name, setting) in Catalogue::built_in().settings_of(rule) {
        row("", &set_apart(rule, name, setting));
    }
    row("ERR-3", &format!("{} {}", rule.code.code(), rule.code.text()));
    if let Some(code) = rule.application {
        row("ERR-5", &format!("{} {}", code.code(), code.text()));
    }
    row("Wording", &rule.text);
    if !rule.fix.is_empty() {
        row("To mend it", &rule.fix);
    }
    example(&mut out, rule, width);
    out
}

fn set_apart(rule: &Rule, name: &str, setting: &Setting) -> String {
    let at = if setting.at.is_empty() {
        "everywhere".to_owned()
    } else {
        format!("at {}", setting.at.join(", "))
    };
    let by = if name == "policy" { String::new() } else { format!(", by the overlay {name}") };
    let severity = setting.severity.unwrap_or(rule.severity);
    let treated = setting.treatment.unwrap_or(rule.treatment).words();
    format!("{at}{by}: {severity} ({}): {treated} {}", severity.words(), setting.because)
}

/// The segments in which a message that keeps the rule and one that breaks it differ, and what is told of it.
fn example(out: &mut String, rule: &Rule, width: usize) {
    let (Some(good), Some(bad)) = (rule.good_message(), rule.bad_message()) else { return };
    let (kept, broken) = differences(&good, &bad);
    for (title, segments) in [("Kept by", kept), ("Broken by", broken)] {
        let _ = write!(out, "\n{title}\n"); // writing to a String does not fail
        if segments.is_empty() {
            out.push_str("  (without that segment)\n");
        }
        for (segment, place) in segments {
            let Excerpt { line, marks } = excerpt(segment.as_bytes(), place, width - 2, false);
            let _ = write!(out, "  {line}\n  {marks}\n"); // as above
        }
    }
    if let Some(told) = told(rule, &bad) {
        let _ = write!(out, "\nTold as\n{}", wrapped(&told, "  ", width)); // as above
    }
}

/// What a sender of the message is told of that rule.
fn told(rule: &Rule, hl7: &str) -> Option<String> {
    let validator = Validator::new(Arc::clone(Codes::built_in()));
    let policies = Policies::default();
    let judge = Judge {
        validator: &validator,
        policy: policies.of(Environment::Test, None),
        environment: Environment::Test,
        processing: ProcessingRules::default(),
        now: Timestamp::now(),
    };
    let part = Part { bytes: hl7.as_bytes(), offset: 0, line: 1 };
    let judgement = judge.judge("", 1, part);
    let one = judgement.found.iter().find(|one| one.rule == rule.id)?;
    let severity = match one.severity {
        Severity::E => "Error",
        Severity::W => "Warning",
        Severity::I => "Remark",
    };
    let place = one.location.map(|at| format!(" at {}", at.human())).unwrap_or_default();
    Some(format!("{severity}{place}: {}", one.told()))
}
