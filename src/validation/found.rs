//! A finding before it is weighed, and how it becomes a diagnostic: the one place where texts are put together.

use std::borrow::Cow;
use std::ops::Range;

use crate::domain::{Diagnostic, Effect};
use crate::hl7::{Location, Message};
use crate::validation::catalogue::{Catalogue, Rule, Treatment, Weight};

/// Longest value that is quoted, in characters.
const QUOTE_LENGTH: usize = 20;

/// What a rule found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) rule: &'static Rule,
    pub(super) at: Option<Location>,
    pub(super) span: Option<Range<usize>>,
    /// Name of the element.
    pub(super) name: Cow<'static, str>,
    /// The value, masked where it may be a patient's.
    pub(super) value: Option<String>,
    pub(super) expected: Cow<'static, str>,
    pub(super) more: Cow<'static, str>,
    /// Index of the segment it is about.
    pub(super) segment: Option<usize>,
}

/// What was decided about a finding.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) weight: Weight,
    pub(super) effect: Effect,
    /// What is lost: `RXA-17`, `NK1`, `Immunization 2`.
    pub(super) lost: String,
}

impl Finding {
    /// The finding as it is told and kept; none when it is not reported.
    pub(super) fn diagnostic(&self, verdict: &Verdict) -> Option<Diagnostic> {
        let severity = verdict.weight.severity()?;
        let rule = self.rule;
        Some(Diagnostic {
            rule: &rule.id,
            location: self.at,
            code: rule.code,
            severity,
            application: rule.application,
            effect: verdict.effect,
            span: self.span.clone(),
            text: Cow::Owned(self.fill(&rule.text)),
            fate: fate(verdict),
            fix: Cow::Owned(self.fill(&rule.fix)),
        })
    }

    /// A template with its places filled.
    fn fill(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((place, after)) = after.split_once('}') else {
                rest = after;
                break;
            };
            self.put(&mut out, place);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn put(&self, out: &mut String, place: &str) {
        let at = || self.at.map(|at| at.human().to_string()).unwrap_or_default();
        match place {
            "at" => out.push_str(&at()),
            "segment" => out.push_str(self.at.as_ref().map_or("", |at| at.segment.as_str())),
            "name" => out.push_str(&self.name),
            "element" if self.name.is_empty() => out.push_str(&at()),
            "element" => {
                out.push_str(&at());
                out.push_str(" (");
                out.push_str(&self.name);
                out.push(')');
            }
            "value" => out.push_str(self.value.as_deref().unwrap_or("the value")),
            "expected" => out.push_str(&self.expected),
            "more" => out.push_str(&self.more),
            _ => {}
        }
    }
}

/// What was done with the data, in words.
fn fate(verdict: &Verdict) -> Cow<'static, str> {
    let lost = &verdict.lost;
    match verdict.effect {
        Effect::None if verdict.weight == Weight::I => Cow::Borrowed(""),
        Effect::None => Cow::Borrowed("The data was kept as sent."),
        Effect::Ignore => Cow::Owned(format!("{lost} counts as empty; the rest was kept.")),
        Effect::DropSegment => Cow::Owned(format!("This {lost} is not stored; the rest was kept.")),
        Effect::DropOrder => Cow::Owned(format!("{lost} is not stored; the rest was kept.")),
        Effect::Reject => Cow::Borrowed("The message was not accepted."),
        Effect::Refuse => Cow::Borrowed("The message was not processed."),
    }
}

/// A value as it may be quoted: codes and formats in clear, everything that may tell of a person masked.
///
/// In segments about people letters become `X` and digits `9`, so that the form can be seen; elsewhere at most
/// twenty printable characters are shown.
pub(super) fn quoted(segment: [u8; 3], coded: bool, bytes: &[u8]) -> String {
    let about_people =
        !matches!(&segment, b"MSH" | b"RXA" | b"RXR" | b"ORC" | b"OBX" | b"RCP" | b"MSA" | b"QAK");
    let clear = coded && !about_people;
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text
        .chars()
        .take(QUOTE_LENGTH)
        .map(|character| match character {
            _ if clear && (character.is_ascii_graphic() || character == ' ') => character,
            '0'..='9' => '9',
            '.' | '-' | '/' | ':' | '+' | ' ' => character,
            _ if clear => '?',
            _ => 'X',
        })
        .collect();
    let more = if text.chars().nth(QUOTE_LENGTH).is_some() { "..." } else { "" };
    if clear { format!("'{shown}{more}'") } else { format!("a value of the form {shown}{more}") }
}

/// A finding by the rule alone, as the catalogue weighs it.
pub(super) fn plain(
    message: &Message<'_>,
    rule: &str,
    at: Option<Location>,
    expected: &str,
) -> Option<Diagnostic> {
    let rule = Catalogue::built_in().rule(rule)?;
    let span = at.and_then(|at| {
        let segment = message.segment(at.segment.as_str())?;
        Some(at.field.map_or_else(|| segment.span(), |field| segment.field(field.into()).range()))
    });
    let finding = Finding {
        rule,
        at,
        span,
        name: Cow::Borrowed(""),
        value: None,
        expected: Cow::Owned(expected.to_owned()),
        more: Cow::Borrowed(""),
        segment: None,
    };
    let effect = match rule.treatment {
        Treatment::Keep => Effect::None,
        Treatment::Empty => Effect::Ignore,
        Treatment::Reject => Effect::Reject,
        Treatment::Refuse => Effect::Refuse,
    };
    let verdict = Verdict { weight: rule.severity, effect, lost: String::new() };
    finding.diagnostic(&verdict)
}
