//! The report for people: a heading for each message, then each finding with the place it is about.

use std::fmt::Write as _;
use std::ops::Range;

use crate::domain::Diagnostic;
use crate::hl7::{Message, Severity};
use crate::validation::report::{Excerpt, Judgement, Totals, excerpt, plain, wrapped};
use crate::validation::{Catalogue, Rule};

/// How a text report looks.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// Columns of the terminal.
    pub width: usize,
    /// The mildest findings that are shown; the others are counted.
    pub least: Severity,
    /// Whether letters and digits of the message are masked.
    pub mask: bool,
}

/// The most findings of one message that are shown.
const FINDINGS: usize = 200;

/// The most rules in a summary.
const FREQUENT: usize = 25;

const INDENT: &str = "     ";

/// The report on one message.
pub fn text(judgement: &Judgement<'_>, style: &TextStyle) -> String {
    let mut out = wrapped(&heading(judgement), "", style.width);
    out.push_str(&wrapped(judgement.verdict.words(), "  ", style.width));
    match &judgement.message {
        Err(error) => {
            out.push_str(&wrapped(&format!("It cannot be read: {error}."), "  ", style.width));
        }
        Ok(message) => content(&mut out, judgement, message, style),
    }
    out.push('\n');
    out
}

/// File, number, line, identifier, kind.
fn heading(judgement: &Judgement<'_>) -> String {
    let mut out = format!(
        "{}: message {} (line {})",
        plain(judgement.file),
        judgement.number,
        judgement.part.line
    );
    if let Some(id) = judgement.control_id() {
        let _ = write!(out, ", MSH-10 {id}"); // writing to a String does not fail
    }
    if let Some(kind) = judgement.kind {
        let _ = write!(out, ", {}", kind.code()); // as above
    }
    if let Some(profile) = &judgement.profile {
        let _ = write!(out, " by {profile}"); // as above
    }
    out
}

fn content(out: &mut String, judgement: &Judgement<'_>, message: &Message<'_>, style: &TextStyle) {
    if let Some(sharing) = judgement.sharing {
        out.push_str(&wrapped(sharing.meaning(), "  ", style.width));
    }
    if judgement.told().len() < judgement.found.len() {
        let text = "The Gateway reads no further than a header that it does not process; what else is wrong is told \
                    here all the same.";
        out.push_str(&wrapped(text, "  ", style.width));
    }
    let shown = || judgement.found.iter().filter(|one| one.severity >= style.least);
    let places = Places::of(message, judgement.part.line);
    for one in shown().take(FINDINGS) {
        out.push('\n');
        finding(out, one, &places, style);
    }
    let more = shown().count().saturating_sub(FINDINGS);
    if more > 0 {
        let text = format!("{more} more findings are not shown; --format json gives all.");
        out.push('\n');
        out.push_str(&wrapped(&text, "  ", style.width));
    }
    if shown().next().is_some() {
        out.push('\n');
    }
    out.push_str(&wrapped(&counts(judgement, style.least), "  ", style.width));
}

/// Severity, place, rule and line; the segment with the place underlined; the text.
fn finding(out: &mut String, one: &Diagnostic, places: &Places<'_, '_>, style: &TextStyle) {
    let place = one.location.map_or_else(|| "message".to_owned(), |at| at.human().to_string());
    let mut head = format!("{}  {place}  {}", one.severity.code(), one.rule);
    let found = one.span.as_ref().map(|span| places.of_span(span));
    if let Some(found) = &found {
        let _ = write!(head, "  (line {})", found.line); // writing to a String does not fail
    }
    out.push_str("  ");
    out.push_str(&head);
    out.push('\n');
    if let Some(found) = found {
        let Excerpt { line, marks } =
            excerpt(found.segment, found.within, style.width - INDENT.len(), style.mask);
        for row in [line, marks] {
            out.push_str(INDENT);
            out.push_str(&row);
            out.push('\n');
        }
    }
    out.push_str(&wrapped(&sentences(one), INDENT, style.width));
}

/// What is wrong, what becomes of the data, how to mend it.
pub(super) fn sentences(one: &Diagnostic) -> String {
    let parts = [&one.text, &one.fate, &one.fix];
    let parts: Vec<&str> =
        parts.into_iter().map(AsRef::as_ref).filter(|part: &&str| !part.is_empty()).collect();
    plain(&parts.join(" "))
}

/// `1 error, 2 warnings, 3 remarks (--severity I shows them).`
fn counts(judgement: &Judgement<'_>, least: Severity) -> String {
    let count = |severity: Severity, one: &str| {
        let count = judgement.count(severity);
        let hidden = count > 0 && severity < least;
        let hint = if hidden {
            format!(" (--severity {} shows them)", severity.code())
        } else {
            String::new()
        };
        format!("{}{hint}", counted(count, one))
    };
    format!(
        "{}, {}, {}.",
        count(Severity::E, "error"),
        count(Severity::W, "warning"),
        count(Severity::I, "remark")
    )
}

fn counted(count: usize, one: &str) -> String {
    match count {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

/// Where things are in a message.
pub(super) struct Places<'m, 'a> {
    message: &'m Message<'a>,
    segments: Vec<Range<usize>>,
    /// The line of each segment in the file.
    lines: Vec<usize>,
}

/// A place that a finding is about.
pub(super) struct Place<'a> {
    /// The line of the file.
    pub(super) line: usize,
    /// The segment.
    pub(super) segment: &'a [u8],
    /// The bytes of the segment that it is.
    pub(super) within: Range<usize>,
}

impl<'m, 'a> Places<'m, 'a> {
    /// The places of a message that begins on that line of its file.
    pub(super) fn of(message: &'m Message<'a>, first_line: usize) -> Self {
        let segments: Vec<Range<usize>> =
            message.segments().map(|segment| segment.span()).collect();
        let (mut line, mut at) = (first_line, 0);
        let lines = segments
            .iter()
            .map(|span| {
                let between = message.bytes().get(at..span.start).unwrap_or_default();
                line += line_ends(between);
                at = span.start;
                line
            })
            .collect();
        Self { message, segments, lines }
    }

    /// The place that some bytes of the message are.
    pub(super) fn of_span(&self, span: &Range<usize>) -> Place<'a> {
        let behind = self.segments.partition_point(|segment| segment.start <= span.start);
        let index = behind.saturating_sub(1);
        let line = self.lines.get(index).copied().unwrap_or(1);
        let whole = self.segments.get(index).cloned().unwrap_or(0..0);
        let segment = self.message.bytes().get(whole.clone()).unwrap_or_default();
        let inside = |at: usize| at.saturating_sub(whole.start).min(segment.len());
        let mut within = inside(span.start)..inside(span.end);
        if within == (0..segment.len()) {
            // A finding about the whole segment: its name is enough to see which one it is.
            within.end = within.end.min(3);
        }
        Place { line, segment, within }
    }
}

/// How many lines end in some bytes: at CR, LF and CR LF.
pub(super) fn line_ends(bytes: &[u8]) -> usize {
    let pairs = memchr::memmem::find_iter(bytes, b"\r\n").count();
    memchr::memchr2_iter(b'\r', b'\n', bytes).count() - pairs
}

/// The end of a report: what a run found in all, and which rules.
pub fn closing(totals: &Totals, rules: bool, width: usize) -> String {
    let mut out = format!(
        "{} in {}\n",
        counted_plainly(totals.messages, "message"),
        counted_plainly(totals.files, "file")
    );
    for (verdict, count) in &totals.verdicts {
        let _ = writeln!(out, "{count:>8}  {}", verdict.words()); // writing to a String does not fail
    }
    if totals.problems > 0 {
        let _ =
            writeln!(out, "{:>8}  files or parts of files that hold no message", totals.problems); // as above
    }
    let findings = &totals.findings;
    let _ = writeln!(
        out,
        "{}, {}, {}",
        counted(findings.errors, "error"),
        counted(findings.warnings, "warning"),
        counted(findings.remarks, "remark")
    ); // as above
    if !totals.sharing.is_empty() {
        let by: Vec<String> =
            totals.sharing.iter().map(|(sharing, count)| format!("{sharing} {count}")).collect();
        let _ = writeln!(out, "PD1-12 (protection): {}", by.join(", ")); // as above
    }
    if rules {
        frequent(&mut out, totals, width);
    }
    out
}

fn counted_plainly(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

fn frequent(out: &mut String, totals: &Totals, width: usize) {
    let rules = totals.frequent();
    if rules.is_empty() {
        return;
    }
    out.push_str("\n       E        W        I  messages  rule\n");
    for (rule, count) in rules.iter().take(FREQUENT) {
        let title = Catalogue::built_in().rule(rule).map_or("", |rule: &Rule| &rule.title);
        let row = format!(
            "{:>8} {:>8} {:>8}  {:>8}  {rule}: {title}",
            count.errors, count.warnings, count.remarks, count.messages
        );
        out.extend(row.chars().take(width));
        out.push('\n');
    }
    if rules.len() > FREQUENT {
        let _ = writeln!(out, "{} more rules", rules.len() - FREQUENT); // as above
    }
}
