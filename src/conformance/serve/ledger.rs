//! All calls of a trial, and the checklist that they fill.

use std::collections::VecDeque;

use crate::conformance::serve::Call;
use crate::conformance::serve::rules::Area;
use crate::conformance::verdict::{Breach, CaseResult, Report, Verdict, Weight};
use crate::domain::Timestamp;
use crate::hl7::MessageKind;
use crate::soap::OperationName;

/// Calls that are in a report.
const IN_REPORT: usize = 500;

/// One thing that a sender should show.
struct Item {
    case: &'static str,
    title: &'static str,
    /// Whether a call shows it, right or wrong.
    shows: fn(&Call) -> bool,
    /// What must be without an error in it; none: it cannot be judged from here.
    areas: &'static [Area],
    /// How it is shown.
    how: &'static str,
}

const TRANSPORT: &[Area] = &[Area::Http, Area::Envelope, Area::Credentials, Area::Message];
const ENVELOPE: &[Area] = &[Area::Envelope];
const ALL: &[Area] =
    &[Area::Http, Area::Envelope, Area::Credentials, Area::Message, Area::Hl7, Area::Behaviour];

/// The checklist: the tests of NIST's suite for senders, and a message of each profile that a sender sends.
const CHECKLIST: [Item; 8] = [
    Item {
        case: "SOAPCON-1",
        title: "NIST, sender: a connectivityTest arrives as it should",
        shows: |call| call.operation == Some(OperationName::ConnectivityTest),
        areas: TRANSPORT,
        how: "Send a connectivityTest.",
    },
    Item {
        case: "SOAPCON-2",
        title: "NIST, sender: the text of a connectivityTestResponse is taken out of its envelope",
        shows: |call| call.operation == Some(OperationName::ConnectivityTest),
        areas: &[],
        how: "Look into your client: it must show exactly the text that it sent in echoBack.",
    },
    Item {
        case: "SOAPCON-3",
        title: "NIST, sender: a submitSingleMessage arrives as it should",
        shows: |call| call.operation == Some(OperationName::SubmitSingleMessage),
        areas: TRANSPORT,
        how: "Send a submitSingleMessage.",
    },
    Item {
        case: "SOAPENV-1",
        title: "NIST, sender: the envelope of a connectivityTest",
        shows: |call| call.operation == Some(OperationName::ConnectivityTest),
        areas: ENVELOPE,
        how: "Send a connectivityTest.",
    },
    Item {
        case: "SOAPENV-2",
        title: "NIST, sender: the envelope of a submitSingleMessage",
        shows: |call| call.operation == Some(OperationName::SubmitSingleMessage),
        areas: ENVELOPE,
        how: "Send a submitSingleMessage.",
    },
    Item {
        case: "VXU-Z22",
        title: "an immunization update without an error, by profile Z22",
        shows: |call| call.kind == Some(MessageKind::VxuV04),
        areas: ALL,
        how: "Send a VXU of an invented patient.",
    },
    Item {
        case: "QBP-Z34",
        title: "a query for a history without an error, by profile Z34",
        shows: |call| call.profile.as_deref() == Some("Z34"),
        areas: ALL,
        how: "Send a QBP for a history; the family name Sampleperson is found.",
    },
    Item {
        case: "QBP-Z44",
        title: "a query for history and forecast without an error, by profile Z44",
        shows: |call| call.profile.as_deref() == Some("Z44"),
        areas: ALL,
        how: "Send a QBP for history and forecast; the family name Sampleperson is found.",
    },
];

/// The cases of the checklist that can be passed.
pub fn cases() -> impl Iterator<Item = &'static str> {
    CHECKLIST.iter().filter(|item| !item.areas.is_empty()).map(|item| item.case)
}

/// How far one item is.
#[derive(Clone, Default)]
struct Standing {
    seen: bool,
    passed: bool,
    /// What was wrong the last time.
    breaches: Vec<Breach>,
    soap: String,
}

/// All of a trial.
pub struct Ledger {
    subject: String,
    began: Timestamp,
    expected: Vec<String>,
    standings: Vec<Standing>,
    calls: VecDeque<CaseResult>,
    left_out: usize,
    total: usize,
    with_errors: usize,
}

impl Ledger {
    /// A trial at this address, of which these cases are expected to be passed.
    pub fn new(subject: String, began: Timestamp, expected: Vec<String>) -> Self {
        Self {
            subject,
            began,
            expected,
            standings: vec![Standing::default(); CHECKLIST.len()],
            calls: VecDeque::new(),
            left_out: 0,
            total: 0,
            with_errors: 0,
        }
    }

    /// Adds a call; gives the cases that were passed by it for the first time.
    pub fn add(&mut self, call: &Call) -> Vec<&'static str> {
        self.total += 1;
        self.with_errors += usize::from(call.has_errors());
        let mut passed = vec![];
        for (item, standing) in CHECKLIST.iter().zip(&mut self.standings) {
            if !(item.shows)(call) {
                continue;
            }
            standing.seen = true;
            if standing.passed || item.areas.is_empty() {
                continue;
            }
            let found = call.findings.iter().filter(|one| item.areas.contains(&one.area));
            standing.breaches = found.map(|one| one.breach.clone()).collect();
            call.soap.clone_into(&mut standing.soap);
            let wrong = standing.breaches.iter().any(|one| one.weight == Weight::Error);
            standing.passed = !wrong;
            if standing.passed {
                passed.push(item.case);
            }
        }
        if self.calls.len() >= IN_REPORT {
            // What is wrong stays longest.
            let good = self.calls.iter().position(|one| one.verdict == Verdict::Passed);
            let _ = self.calls.remove(good.unwrap_or(0)); // there is one
            self.left_out += 1;
        }
        self.calls.push_back(call.result());
        passed
    }

    /// How many cases of the checklist are passed, and how many can be.
    pub fn progress(&self) -> (usize, usize) {
        (self.standings.iter().filter(|one| one.passed).count(), cases().count())
    }

    /// How many calls there were.
    pub const fn calls(&self) -> usize {
        self.total
    }

    /// How many of them had an error.
    pub const fn with_errors(&self) -> usize {
        self.with_errors
    }

    /// The expected cases that are not passed.
    pub fn missing(&self) -> Vec<&str> {
        let passed = |case: &str| {
            let mut known = CHECKLIST.iter().zip(&self.standings);
            known.any(|(item, standing)| item.case == case && standing.passed)
        };
        self.expected.iter().map(String::as_str).filter(|case| !passed(case)).collect()
    }

    /// The report as it stands.
    pub fn report(&self, now: Timestamp) -> Report {
        let mut results: Vec<CaseResult> = CHECKLIST
            .iter()
            .zip(&self.standings)
            .map(|(item, standing)| self.result(item, standing))
            .collect();
        if self.left_out > 0 {
            results.push(CaseResult {
                case: "CALLS".to_owned(),
                title: format!("{} calls in all, {} with errors", self.total, self.with_errors),
                required: false,
                soap: String::new(),
                verdict: Verdict::Skipped,
                reason: format!("{} calls are left out of this report.", self.left_out),
                breaches: vec![],
                exchanges: vec![],
            });
        }
        results.extend(self.calls.iter().cloned());
        let millis = (now.utc() - self.began.utc()).num_milliseconds();
        Report {
            version: 1,
            subject: self.subject.clone(),
            began: self.began,
            millis: u64::try_from(millis).unwrap_or(0),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            results,
        }
    }

    fn result(&self, item: &Item, standing: &Standing) -> CaseResult {
        let (verdict, reason) = match (standing.seen, item.areas.is_empty()) {
            (false, _) => (Verdict::Skipped, format!("Not seen yet. {}", item.how)),
            (true, true) => (Verdict::Undecided, item.how.to_owned()),
            (true, false) if standing.passed => (Verdict::Passed, String::new()),
            (true, false) => (Verdict::Failed, String::new()),
        };
        CaseResult {
            case: item.case.to_owned(),
            title: item.title.to_owned(),
            required: self.expected.iter().any(|case| case == item.case),
            soap: standing.soap.clone(),
            verdict,
            reason,
            breaches: standing.breaches.clone(),
            exchanges: vec![],
        }
    }
}
