//! Sums over the messages of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::hl7::Severity;
use crate::validation::report::{Judgement, Sharing, Verdict};

/// How often a rule was broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// Findings of severity E.
    #[serde(rename = "E")]
    pub errors: usize,
    /// Findings of severity W.
    #[serde(rename = "W")]
    pub warnings: usize,
    /// Findings of severity I.
    #[serde(rename = "I")]
    pub remarks: usize,
    /// Messages that it was found in.
    pub messages: usize,
}

impl RuleCount {
    /// All findings.
    pub const fn findings(&self) -> usize {
        self.errors + self.warnings + self.remarks
    }

    fn add(&mut self, severity: Severity) {
        *match severity {
            Severity::E => &mut self.errors,
            Severity::W => &mut self.warnings,
            Severity::I => &mut self.remarks,
        } += 1;
    }
}

/// What a run found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Files that were read.
    pub files: usize,
    /// Messages that were judged.
    pub messages: usize,
    /// Files and stretches of files that hold no message.
    pub problems: usize,
    /// Messages by what would become of them.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// Findings of all rules.
    pub findings: RuleCount,
    /// Messages by what PD1-12 says.
    pub sharing: BTreeMap<Sharing, usize>,
    /// Findings by rule.
    pub rules: BTreeMap<&'static str, RuleCount>,
}

impl Totals {
    /// Adds a message.
    pub fn add(&mut self, judgement: &Judgement<'_>) {
        self.messages += 1;
        *self.verdicts.entry(judgement.verdict).or_default() += 1;
        if let Some(sharing) = judgement.sharing {
            *self.sharing.entry(sharing).or_default() += 1;
        }
        let mut rules: Vec<&'static str> = vec![];
        for one in &judgement.found {
            self.findings.add(one.severity);
            self.rules.entry(one.rule).or_default().add(one.severity);
            rules.push(one.rule);
        }
        rules.sort_unstable();
        rules.dedup();
        self.findings.messages += usize::from(!rules.is_empty());
        for rule in rules {
            self.rules.entry(rule).or_default().messages += 1;
        }
    }

    /// Whether a message has an error or cannot be read.
    pub fn has_errors(&self) -> bool {
        self.findings.errors > 0 || self.verdicts.contains_key(&Verdict::Unreadable)
    }

    /// The rules, those with errors first, the most frequent first.
    pub fn frequent(&self) -> Vec<(&'static str, RuleCount)> {
        let mut rules: Vec<_> = self.rules.iter().map(|(rule, count)| (*rule, *count)).collect();
        rules.sort_by_key(|(rule, count)| {
            let class = (count.errors == 0, count.warnings == 0);
            (class, std::cmp::Reverse(count.messages), *rule)
        });
        rules
    }
}
