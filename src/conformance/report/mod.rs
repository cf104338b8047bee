//! A report as JSON for programs and for `compare`, as text for a terminal, as JUnit for build servers, as a page to print.

mod junit;
mod page;
mod text;

use crate::conformance::verdict::{Breach, CaseResult, Report, Verdict, Weight};

pub use junit::junit;
pub use page::html;
pub use text::text;

/// The version of the layout that is written and read.
pub const LAYOUT: u32 = 1;

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Required cases that were judged, and those that could not be.
    pub required: usize,
    /// Required cases that passed.
    pub passed: usize,
    /// Required cases that failed.
    pub failed: usize,
    /// Required cases that could not be judged.
    pub undecided: usize,
    /// Optional cases that were run.
    pub optional: usize,
    /// Optional cases that passed.
    pub optional_passed: usize,
    /// Cases that were not run.
    pub skipped: usize,
}

impl Report {
    /// The cases counted.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for result in &self.results {
            match (result.verdict, result.required) {
                (Verdict::Skipped, _) => totals.skipped += 1,
                (verdict, true) => {
                    totals.required += 1;
                    totals.passed += usize::from(verdict == Verdict::Passed);
                    totals.failed += usize::from(verdict == Verdict::Failed);
                    totals.undecided += usize::from(verdict == Verdict::Undecided);
                }
                (verdict, false) => {
                    totals.optional += 1;
                    totals.optional_passed += usize::from(verdict == Verdict::Passed);
                }
            }
        }
        totals
    }

    /// What to look at before all else, where one thing may be behind most of what failed.
    pub fn look_first(&self) -> Option<&'static str> {
        const ACCOUNT: &str = "A good message was refused with a SecurityFault. Look first whether username, password and \
            facility are those of an account there; most of what failed may follow from that";
        let refused = |breach: &Breach| {
            breach.rule == "RESP-ELEMENT" && breach.found.contains("SecurityFault")
        };
        let good = |result: &&CaseResult| matches!(result.case.as_str(), "SOAPCON-2" | "VXU-CHILD");
        self.results
            .iter()
            .filter(good)
            .any(|result| result.breaches.iter().any(refused))
            .then_some(ACCOUNT)
    }

    /// Whether every required case that was run passed.
    pub fn has_passed(&self) -> bool {
        let totals = self.totals();
        totals.failed == 0 && totals.undecided == 0
    }
}

impl Totals {
    /// The counts in a sentence.
    pub fn sentence(&self) -> String {
        let Self { required, passed, failed, undecided, optional, optional_passed, skipped } = self;
        let mut parts = vec![format!("{passed} of {required} required cases passed")];
        if *failed > 0 {
            parts.push(format!("{failed} failed"));
        }
        if *undecided > 0 {
            parts.push(format!("{undecided} could not be judged"));
        }
        if *optional > 0 {
            parts.push(format!("{optional_passed} of {optional} optional ones passed"));
        }
        if *skipped > 0 {
            parts.push(format!("{skipped} skipped"));
        }
        parts.join(", ")
    }
}

impl CaseResult {
    /// Its name with the version of SOAP, by which two runs are compared.
    pub fn key(&self) -> String {
        if self.soap.is_empty() {
            self.case.clone()
        } else {
            format!("{} {}", self.case, self.soap)
        }
    }

    /// What came out, in a word; a case that nobody must pass says so.
    pub fn word(&self) -> &'static str {
        match (self.verdict, self.required) {
            (Verdict::Passed, _)
                if self.breaches.iter().any(|one| one.weight == Weight::Warning) =>
            {
                "warned"
            }
            (Verdict::Passed, _) => "passed",
            (Verdict::Failed, true) => "FAILED",
            (Verdict::Failed, false) => "failed (optional)",
            (Verdict::Skipped, _) => "skipped",
            (Verdict::Undecided, _) => "UNDECIDED",
        }
    }
}

/// The report as one JSON document.
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads what [`json`] wrote.
///
/// # Errors
/// What is wrong with the text, for people.
pub fn read(text: &str) -> Result<Report, String> {
    let report: Report = serde_json::from_str(text)
        .map_err(|error| format!("it is not a report of izportal conformance: {error}"))?;
    if report.version == LAYOUT {
        Ok(report)
    } else {
        Err(format!(
            "its layout is version {}, and this program reads version {LAYOUT}; write it anew with this program",
            report.version
        ))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::conformance::verdict::{Breach, Exchange};

    /// A report with one case of each verdict.
    pub(crate) fn sample() -> Report {
        let breach = |weight| Breach {
            rule: "FAULT-TEXT-LANG".to_owned(),
            weight,
            expected: "Text has xml:lang".to_owned(),
            found: "<Text> without it & more".to_owned(),
            fix: "Write xml:lang=\"en\".".to_owned(),
            source: "SOAP 1.2 part 1, 5.4.2.1".to_owned(),
        };
        let exchange = Exchange {
            request: "POST /IISService HTTP/1.1\n\n<a/>".to_owned(),
            response: "HTTP/1.1 500\n\n<b>\u{1}</b>".to_owned(),
            millis: 12,
        };
        let result = |case: &str, verdict, required| CaseResult {
            case: case.to_owned(),
            title: format!("What {case} is about"),
            required,
            soap: "1.2".to_owned(),
            verdict,
            reason: String::new(),
            breaches: vec![],
            exchanges: vec![exchange.clone()],
        };
        let mut failed = result("SOAPCON-3", Verdict::Failed, true);
        failed.breaches = vec![breach(Weight::Error), breach(Weight::Warning)];
        let mut skipped = result("DTD", Verdict::Skipped, false);
        "needs --allow-probes".clone_into(&mut skipped.reason);
        Report {
            version: LAYOUT,
            subject: "https://localhost:8443/IISService".to_owned(),
            began: "\"2026-11-23T06:00:00Z\"".parse_timestamp(),
            millis: 3_400,
            program: "0.1.0".to_owned(),
            results: vec![
                result("SOAPCON-1", Verdict::Passed, true),
                failed,
                skipped,
                result("SOAPCON-4", Verdict::Undecided, true),
                result("ECHO-CR", Verdict::Failed, false),
            ],
        }
    }

    trait ParseTimestamp {
        fn parse_timestamp(&self) -> crate::domain::Timestamp;
    }

    impl ParseTimestamp for str {
        fn parse_timestamp(&self) -> crate::domain::Timestamp {
            serde_json::from_str(self).unwrap()
        }
    }

    #[test]
    fn the_cases_are_counted_and_a_required_one_decides() {
        let mut report = sample();

        assert_eq!(
            report.totals().sentence(),
            "1 of 3 required cases passed, 1 failed, 1 could not be judged, 0 of 1 optional ones passed, 1 skipped"
        );
        assert!(!report.has_passed());
        report.results.retain(|one| !one.required || one.verdict == Verdict::Passed);
        assert!(report.has_passed(), "an optional case decides nothing");
    }

    #[test]
    fn what_is_written_as_json_is_read_back() {
        assert_eq!(read(&json(&sample())), Ok(sample()));
        assert!(read("{}").unwrap_err().contains("not a report"));
        let other = json(&sample()).replace("\"version\": 1", "\"version\": 2");
        assert!(read(&other).unwrap_err().contains("version 2"));
    }

    #[test]
    fn junit_fails_what_decides_and_only_that() {
        let text = junit(&sample());

        assert!(text.contains("tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"2\""), "{text}");
        assert!(text.contains("<failure type=\"FAULT-TEXT-LANG\""), "{text}");
        assert!(text.contains("&lt;Text&gt; without it &amp; more"), "{text}");
        assert!(!text.contains('\u{1}'), "a character that XML does not allow");
    }

    #[test]
    fn the_page_shows_failures_with_their_exchange_and_escapes_what_came() {
        let page = html(&sample());

        assert!(page.contains("&#60;b&#62;") || page.contains("&lt;b&gt;"), "{page}");
        assert!(page.contains("SOAPCON-3") && page.contains("xml:lang"), "{page}");
        assert!(!page.contains("<script"), "a report has no script");
    }

    #[test]
    fn the_text_names_rule_expected_found_and_fix() {
        let text = text(&sample(), 100, false);

        for part in [
            "FAILED",
            "SOAPCON-3",
            "FAULT-TEXT-LANG",
            "Expected:",
            "Found:",
            "Fix:",
            "needs --allow-probes",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("POST /IISService"), "exchanges are shown when they are asked for");
    }

    #[test]
    fn what_was_not_run_is_told_once_for_each_reason() {
        let mut report = sample();
        let skipped = report.results.iter().find(|one| one.verdict == Verdict::Skipped).unwrap();
        let mut more = [skipped.clone(), skipped.clone()];
        "XXE".clone_into(&mut more[1].case);
        report.results.extend(more);

        let text = text(&report, 100, false);

        let told = "\n  skipped  needs --allow-probes\n        DTD, XXE\n";
        assert!(text.contains(told), "{text}");
    }
}
