//! One line for each call: what an operator may know of it. Never a body, a password, a query string or a patient.
//!
//! The line is written from fields already at hand, through a writer that never blocks the message path.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;

use crate::domain::{MessageId, Timestamp, words};
use crate::gateway::Facts;
use crate::soap::{OperationName, SoapVersion};

words! {
    /// How log lines look.
    SummaryFormat {
        /// One JSON object a line.
        Json = "json",
        /// For reading in a terminal.
        Plain = "plain",
    }
}

/// What is told of one call.
pub(super) struct Summary {
    pub(super) id: MessageId,
    pub(super) operation: Option<OperationName>,
    pub(super) version: Option<SoapVersion>,
    pub(super) outcome: &'static str,
    pub(super) status: u16,
    pub(super) fault: Option<u16>,
    pub(super) request_size: usize,
    pub(super) message_size: usize,
    pub(super) lenient: bool,
    pub(super) duration: Duration,
    facts: Option<Facts>,
}

impl Summary {
    pub(super) const fn new(id: MessageId) -> Self {
        Self {
            id,
            operation: None,
            version: None,
            outcome: "none",
            status: 0,
            fault: None,
            request_size: 0,
            message_size: 0,
            lenient: false,
            duration: Duration::ZERO,
            facts: None,
        }
    }

    pub(super) fn tell(&mut self, id: MessageId, facts: Facts) {
        self.id = id;
        self.outcome = facts.outcome.word();
        self.facts = Some(facts);
    }

    fn operation(&self) -> &'static str {
        self.operation.map_or("none", OperationName::element)
    }

    const fn version(&self) -> &'static str {
        match self.version {
            Some(SoapVersion::V11) => "1.1",
            Some(SoapVersion::V12) => "1.2",
            None => "none",
        }
    }

    fn count(&self) {
        let mode = self.facts.as_ref().map_or("none", |facts| facts.environment.word());
        let outcome = match (self.facts.as_ref().map(|facts| facts.ack_code.as_str()), self.fault) {
            (Some("AA"), _) => "aa",
            (Some("AE"), _) => "ae",
            (Some("AR"), _) => "ar",
            (Some(_), _) => "ack",
            (None, Some(1000..2000)) => "fault-too-large",
            (None, Some(2000..3000)) => "fault-security",
            (None, Some(3000..4000)) => "fault-unsupported",
            (None, Some(_)) => "fault",
            (None, None) => self.outcome,
        };
        metrics::counter!(
            "gateway_soap_requests_total",
            "operation" => self.operation(), "soap_version" => self.version(), "outcome" => outcome, "mode" => mode
        )
        .increment(1);
        if let Some(number) = self.fault {
            metrics::counter!("gateway_soap_faults_total", "code" => number.to_string())
                .increment(1);
        }
        metrics::histogram!("gateway_soap_request_seconds", "operation" => self.operation())
            .record(self.duration);
        for rule in self.facts.iter().flat_map(|facts| &facts.rules) {
            metrics::counter!("gateway_validation_findings_total", "rule" => *rule).increment(1);
        }
    }
}

/// The line as it is written; absent facts are left out.
#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    level: &'static str,
    message: &'static str,
    id: MessageId,
    operation: &'static str,
    soap: &'static str,
    outcome: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rules: &'a [&'static str],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lenient: bool,
    request_bytes: usize,
    message_bytes: usize,
    duration_ms: f64,
}

/// Writes the lines and counts the calls.
pub struct SummaryLog {
    format: SummaryFormat,
    writer: Mutex<Box<dyn Write + Send>>,
}

impl SummaryLog {
    /// A log over a writer that must not block.
    pub fn new(format: SummaryFormat, writer: Box<dyn Write + Send>) -> Self {
        Self { format, writer: Mutex::new(writer) }
    }

    pub(super) fn write(&self, summary: &Summary) {
        summary.count();
        let facts = summary.facts.as_ref();
        let line = Line {
            time: Timestamp::now(),
            level: "INFO",
            message: "call",
            id: summary.id,
            operation: summary.operation(),
            soap: summary.version(),
            outcome: summary.outcome,
            status: summary.status,
            fault: summary.fault,
            sender: facts.map(|facts| facts.sender.as_str()),
            environment: facts.map(|facts| facts.environment.word()),
            site: facts.and_then(|facts| facts.site.as_ref()).map(crate::domain::SiteId::as_str),
            region: facts.and_then(|facts| facts.region).map(crate::domain::RegionCode::as_str),
            message_type: facts.map(|facts| facts.message_type.as_str()),
            control_id: facts.map(|facts| facts.control_id.as_str()),
            ack: facts.map(|facts| facts.ack_code.as_str()),
            rules: facts.map_or(&[], |facts| facts.rules.as_slice()),
            lenient: summary.lenient,
            request_bytes: summary.request_size,
            message_bytes: summary.message_size,
            duration_ms: (summary.duration.as_secs_f64() * 1e6).round() / 1e3,
        };
        let mut bytes = Vec::with_capacity(512);
        let written = match self.format {
            SummaryFormat::Json => serde_json::to_writer(&mut bytes, &line).is_ok(),
            SummaryFormat::Plain => plain(&mut bytes, &line).is_ok(),
        };
        bytes.push(b'\n');
        if written && let Ok(mut writer) = self.writer.lock() {
            let _ = writer.write_all(&bytes); // a log that cannot be written must not stop a message
        }
    }
}

/// The line for a terminal. MSH-10 is quoted, so that no sender can forge a line.
fn plain(out: &mut Vec<u8>, line: &Line<'_>) -> std::io::Result<()> {
    write!(out, "{}  INFO {} {} {}", line.time, line.operation, line.outcome, line.status)?;
    if let Some(fault) = line.fault {
        write!(out, " fault={fault}")?;
    }
    if let (Some(sender), Some(environment)) = (line.sender, line.environment) {
        write!(out, " sender={sender} {environment}")?;
    }
    if let (Some(site), Some(region)) = (line.site, line.region) {
        write!(out, " site={site} region={region}")?;
    }
    if let (Some(ack), Some(kind), Some(control_id)) =
        (line.ack, line.message_type, line.control_id)
    {
        write!(out, " ack={ack} type={kind} control_id={control_id:?}")?;
    }
    if !line.rules.is_empty() {
        write!(out, " rules={}", line.rules.join(","))?;
    }
    write!(
        out,
        " id={} soap={} bytes={} {}ms",
        line.id, line.soap, line.request_bytes, line.duration_ms
    )
}
