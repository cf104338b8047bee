//! The report as a page of its own: no script, nothing fetched, fit to be printed.

use askama::Template;

use crate::conformance::report::text::segments;
use crate::conformance::verdict::{CaseResult, Exchange, Report, Verdict, Weight};

#[derive(Template)]
#[template(path = "conformance_report.html")]
struct Page<'r> {
    report: &'r Report,
    sentence: String,
    seconds: u64,
}

/// The report as an HTML document.
pub fn html(report: &Report) -> String {
    let page =
        Page { report, sentence: report.totals().sentence(), seconds: report.millis / 1_000 };
    page.render().unwrap_or_default() // writing to a String does not fail
}

impl CaseResult {
    /// The style of its verdict.
    fn style(&self) -> &'static str {
        match (self.verdict, self.required) {
            (Verdict::Passed, _) => "good",
            (Verdict::Failed | Verdict::Undecided, true) => "bad",
            (Verdict::Failed | Verdict::Undecided, false) => "odd",
            (Verdict::Skipped, _) => "none",
        }
    }

    /// Whether there is more to say than its line.
    fn is_told(&self) -> bool {
        !self.breaches.is_empty() || !self.reason.is_empty()
    }

    /// Whether the page shows what was said.
    fn is_shown(&self) -> bool {
        matches!(self.verdict, Verdict::Failed | Verdict::Undecided)
    }
}

impl Exchange {
    fn request_lines(&self) -> String {
        segments(&self.request)
    }

    fn response_lines(&self) -> String {
        segments(&self.response)
    }
}

impl Weight {
    fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
