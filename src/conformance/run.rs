//! A run: every case in its versions of SOAP, one after the other, judged.

use std::time::Instant;

use crate::conformance::case::{Case, Catalogue, Kind, Request, Soap, Suite};
use crate::conformance::probe::probe;
use crate::conformance::report::LAYOUT;
use crate::conformance::request::{Rendered, Sender, Values};
use crate::conformance::rules::Judged;
use crate::conformance::transport::{Endpoint, Reply};
use crate::conformance::verdict::{CaseResult, Exchange, Report, Verdict, Weight};
use crate::conformance::xml::Document;
use crate::domain::Timestamp;

/// What is run, and as whom.
pub struct Plan {
    /// As whom; without it the cases that need credentials are skipped.
    pub sender: Option<Sender>,
    /// The versions of SOAP.
    pub soap: Vec<Soap>,
    /// The groups of cases.
    pub suites: Vec<Suite>,
    /// Cases by name; all of the groups when there is none.
    pub cases: Vec<String>,
    /// Whether probes are allowed at an endpoint that is not on this machine.
    pub allow_probes: bool,
    /// The longest message that the endpoint takes, in characters, as its owners say.
    pub limit: Option<usize>,
}

impl Plan {
    /// The cases that are run, each with its version of SOAP; none for what is no matter of SOAP.
    pub fn steps(&self) -> Vec<(&'static Case, Option<Soap>)> {
        let chosen = |case: &&Case| {
            if self.cases.is_empty() {
                self.suites.contains(&case.suite)
            } else {
                self.cases.iter().any(|name| name.eq_ignore_ascii_case(&case.name))
            }
        };
        let mut steps = vec![];
        for case in Catalogue::built_in().cases.iter().filter(chosen) {
            if case.soap.is_empty() {
                steps.push((case, None));
            }
            let versions = case.soap.iter().filter(|version| self.soap.contains(version));
            steps.extend(versions.map(|version| (case, Some(*version))));
        }
        steps
    }
}

/// Runs all of it; `told` hears of each case when it has come out.
pub async fn run(
    endpoint: &Endpoint,
    plan: &Plan,
    mut told: impl FnMut(usize, &CaseResult),
) -> Report {
    let (began, begun) = (Timestamp::now(), Instant::now());
    let mut runner = Runner { endpoint, plan, ids: Identifiers::new(began) };
    let mut results = vec![];
    for (case, soap) in plan.steps() {
        let result = runner.case(case, soap).await;
        told(results.len(), &result);
        results.push(result);
    }
    Report {
        version: LAYOUT,
        subject: endpoint.url().to_string(),
        began,
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        results,
    }
}

/// MSH-10 and patients that no other run has used: they grow with the clock.
struct Identifiers {
    base: String,
    count: u32,
}

impl Identifiers {
    fn new(now: Timestamp) -> Self {
        let micros = u64::try_from(now.utc().timestamp_micros()).unwrap_or(0);
        Self { base: base_36(micros), count: 0 }
    }

    fn next(&mut self, begin: &str) -> String {
        self.count += 1;
        format!("{begin}{}{:03}", self.base, self.count)
    }
}

fn base_36(mut number: u64) -> String {
    let mut digits = vec![];
    while number > 0 {
        let digit = u32::try_from(number % 36).unwrap_or(0);
        digits.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
        number /= 36;
    }
    digits.iter().rev().collect()
}

struct Runner<'r> {
    endpoint: &'r Endpoint,
    plan: &'r Plan,
    ids: Identifiers,
}

impl Runner<'_> {
    async fn case(&mut self, case: &Case, soap: Option<Soap>) -> CaseResult {
        let mut result = CaseResult {
            case: case.name.clone(),
            title: case.title.clone(),
            required: case.required,
            soap: soap.map_or_else(String::new, |soap| soap.word().to_owned()),
            verdict: Verdict::Passed,
            reason: String::new(),
            breaches: vec![],
            exchanges: vec![],
        };
        if let Some(reason) = self.why_not(case) {
            result.verdict = Verdict::Skipped;
            result.reason = reason;
            return result;
        }
        let judged = match case.tls {
            Some(which) => match probe(self.endpoint, case, which, Timestamp::now()).await {
                Ok((breaches, exchange)) => {
                    result.breaches = breaches;
                    result.exchanges.push(exchange);
                    Ok(())
                }
                Err(reason) => Err(reason),
            },
            None => self.requests(case, soap.unwrap_or(Soap::V12), &mut result).await,
        };
        let failed = result.breaches.iter().any(|one| one.weight == Weight::Error);
        match judged {
            Err(reason) => {
                result.reason = reason;
                result.verdict = if failed { Verdict::Failed } else { Verdict::Undecided };
            }
            Ok(()) if failed => result.verdict = Verdict::Failed,
            Ok(()) => {}
        }
        result
    }

    fn why_not(&self, case: &Case) -> Option<String> {
        let needs_credentials = case.requests.iter().any(Request::needs_credentials);
        if needs_credentials && self.plan.sender.is_none() {
            return Some(
                "needs credentials: --username, --password-file and --facility".to_owned(),
            );
        }
        if case.probe && !self.plan.allow_probes && !self.endpoint.is_here() {
            return Some(
                "a probe; ask the owners of the endpoint, then give --allow-probes".to_owned(),
            );
        }
        let over = case.requests.iter().any(|request| request.over_limit);
        if over && self.plan.limit.is_none() {
            return Some("needs --limit: how many characters a message may have there".to_owned());
        }
        None
    }

    /// Sends the requests of a case and judges what comes back; an error when something could not be judged.
    async fn requests(
        &mut self,
        case: &Case,
        soap: Soap,
        result: &mut CaseResult,
    ) -> Result<(), String> {
        let nobody = Sender {
            username: String::new(),
            password: String::new(),
            facility: String::new(),
            edits: vec![],
        };
        let sender = self.plan.sender.clone().unwrap_or(nobody);
        let patient = self.ids.next("CP");
        let mut first_fault: Option<String> = None;
        for request in &case.requests {
            let values = Values {
                soap,
                control_id: self.ids.next("CT"),
                patient: patient.clone(),
                now: Timestamp::now(),
                limit: self.plan.limit,
            };
            let rendered = request.render(&sender, &values).map_err(|error| error.to_string())?;
            let masked =
                request.render(&sender.masked(), &values).map_err(|error| error.to_string())?;
            let mut exchange =
                Exchange { request: masked.shown(self.endpoint.url()), ..Exchange::default() };
            let answered = self.endpoint.send(&rendered).await;
            if let Ok(reply) = &answered {
                exchange.response = reply.shown(&sender);
                exchange.millis = reply.millis;
            }
            result.exchanges.push(exchange);
            let label = if request.label.is_empty() { "" } else { &request.label };
            let reply = answered.map_err(|error| {
                if label.is_empty() { error.to_string() } else { format!("{label}: {error}") }
            })?;
            if request.prepare {
                continue;
            }
            let judged =
                judged(case, soap, request, &rendered, &sender, &reply, first_fault.as_deref());
            result.breaches.extend(judged.breaches());
            if first_fault.is_none() {
                first_fault = judged.fault_words();
            }
        }
        Ok(())
    }
}

/// The tree of a reply.
fn read(body: &[u8]) -> Result<Document<'_>, String> {
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    Document::read(text).map_err(|fault| fault.to_string())
}

fn judged<'j>(
    case: &'j Case,
    soap: Soap,
    request: &'j Request,
    sent: &'j Rendered,
    sender: &'j Sender,
    reply: &'j Reply,
    first_fault: Option<&'j str>,
) -> Judged<'j> {
    // What is refused may be refused in words.
    let document = match case.expect.reply {
        Kind::Tls => Err(String::new()),
        _ => read(&reply.body),
    };
    Judged {
        case,
        soap,
        label: &request.label,
        sent,
        echo: request.echo.as_deref(),
        sender,
        reply,
        document,
        first_fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_never_come_again_and_are_short_enough_for_any_registry() {
        let now = Timestamp::now();
        let (mut one, mut other) = (
            Identifiers::new(now),
            Identifiers::new(now.plus(std::time::Duration::from_micros(1))),
        );
        let all = [one.next("CT"), one.next("CT"), other.next("CT"), other.next("CT")];

        for (n, id) in all.iter().enumerate() {
            assert!(id.len() <= 20, "{id}");
            assert!(!all.iter().take(n).any(|known| known == id), "{id}");
        }
        assert_eq!(base_36(36 * 36 - 1), "ZZ");
    }
}
