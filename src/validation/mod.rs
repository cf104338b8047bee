//! What is judged of a message's content. May import `domain` and `hl7`.
//!
//! Two steps. [`check_header`] says whether a message is processed at all. [`Validator::check`] judges the rest by the
//! profile of the guide: the order of its checks is [`Validator::check`] and nothing else. The tables are data
//! (`schemas/profiles`, `schemas/codes`), the rules with their wording too (`schemas/rules`); what a finding weighs and
//! does is the [`Policy`], and what is lost by it the cascade. Nothing here knows of time but `now`, and nothing writes.

#[cfg(test)]
mod abuse;
mod cair;
mod cascade;
mod catalogue;
mod charset;
mod check;
mod codes;
mod content;
mod elements;
mod example;
mod facts;
mod found;
mod header;
mod layout;
mod policy;
mod predicate;
mod profile;
mod quality;
pub mod report;
mod shapes;
mod statements;
mod structure;
mod vis;

use std::ops::Range;
use std::sync::Arc;

use crate::domain::{Content, Diagnostic, Timestamp};
use crate::hl7::{Header, Message};
use crate::validation::check::Check;
use crate::validation::facts::Facts;
use crate::validation::layout::Layout;
use crate::validation::profile::Profiles;

pub use catalogue::{Catalogue, Example, Rule, Setting, Treatment, Weight};
pub use codes::{
    CodeChanges, CodeEntry, CodeFile, CodeTexts, Codes, CodesError, Cvx, CvxKind, CvxStatus,
    Injection, Lookup, Mvx, Ndc, TableId, Vis,
};
pub use example::{Difference, differences, edited};
pub use header::{ProcessingRules, check_any_header, check_header};
pub use policy::{Policies, Policy, PolicyError, Strictness};
pub use profile::Profile;

/// The profiles over a set of code tables: made once, used by every thread.
pub struct Validator {
    codes: Arc<Codes>,
    profiles: Profiles,
}

/// What came out of the examination of a message.
#[derive(Debug, Default)]
pub struct Examined {
    /// Every finding about its content, in the order of its bytes.
    pub found: Vec<Diagnostic>,
    /// What it holds, when it is an immunization update.
    pub content: Content,
}

impl Validator {
    /// A validator over these code tables.
    ///
    /// # Panics
    /// When the tables of `schemas/profiles` do not hold together, which a test rules out.
    #[expect(clippy::panic, reason = "the tables are part of the program; a test reads them")]
    pub fn new(codes: Arc<Codes>) -> Self {
        let profiles = Profiles::read(&codes).unwrap_or_else(|error| panic!("{error}"));
        Self { codes, profiles }
    }

    /// Every finding about the content of a message, in the order of its bytes; none at strictness `lenient`.
    pub fn check(
        &self,
        message: &Message<'_>,
        header: &Header<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Vec<Diagnostic> {
        self.examine(message, header, policy, now).found
    }

    /// The findings of [`Self::check`], and what the message holds; at strictness `lenient` neither.
    pub fn examine(
        &self,
        message: &Message<'_>,
        header: &Header<'_>,
        policy: &Policy,
        now: Timestamp,
    ) -> Examined {
        if policy.strictness() == Strictness::Lenient {
            return Examined::default();
        }
        let Some(profile) = self.profile(message, header) else {
            return Examined::default();
        };
        let mut content = Content::default();
        let layout = Layout::of(message, profile);
        let mut check = Check {
            message,
            profiles: &self.profiles,
            profile,
            codes: &self.codes,
            policy,
            layout,
            has_escapes: has_escapes(message),
            now,
            found: vec![],
        };
        structure::check(&mut check);
        elements::check(&mut check);
        statements::check(&mut check);
        charset::check(&mut check);
        if &*profile.name == "Z22" {
            let facts = Facts::of(&check);
            vis::check(&mut check, &facts);
            quality::check(&mut check, &facts);
            cair::check(&mut check, &facts);
            let sharing = check.first(*b"PD1").and_then(|pd1| check::text(pd1, 12, 0));
            content = content::of(&facts, sharing);
        }
        let mut weighed = cascade::weigh(&mut check, policy);
        // What is about the message as a whole comes last.
        let place = |span: &Range<usize>| (span.start, span.end);
        weighed.sort_by_key(|(finding, _)| finding.span.as_ref().map_or((usize::MAX, 0), place));
        weighed.dedup_by(|(a, _), (b, _)| a.rule.id == b.rule.id && a.at == b.at && a.at.is_some());
        let mut found: Vec<_> =
            weighed.iter().filter_map(|(finding, verdict)| finding.diagnostic(verdict)).collect();
        Diagnostic::settle(&mut found);
        Examined { found, content }
    }

    /// The profile that a message is judged by: the one that MSH-21 names if it fits MSH-9, else the usual one for MSH-9.
    pub fn profile(&self, message: &Message<'_>, header: &Header<'_>) -> Option<&Profile> {
        let named = message.segments().next().and_then(|msh| check::text(msh, 21, 1));
        self.profiles.of(header, named)
    }

    /// The code tables in use.
    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    /// The profiles.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.iter()
    }
}

/// Whether an escape character stands anywhere but in MSH-2.
fn has_escapes(message: &Message<'_>) -> bool {
    memchr::memchr_iter(message.delimiters().escape, message.bytes()).nth(1).is_some()
}
