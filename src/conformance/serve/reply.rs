//! What a call is answered with. Every person in an answer is invented.

use std::time::Duration;

use crate::conformance::serve::history::Outcome;
use crate::conformance::serve::message::Read;
use crate::conformance::serve::scenario::{RETRY_AFTER, Reply};
use crate::domain::{Diagnostic, Timestamp, Told};
use crate::hl7::{
    Ack, AckCode, ErrorCode, Identity, Location, MessageKind, ParseError, Query, Severity,
};
use crate::soap::{
    Addressing, EchoReply, Envelope, EnvelopeError, Fault, FaultCode, Operation, OperationName,
    SoapVersion, Unsupported, connectivity_test_response, submit_single_message_response,
    write_fault,
};

/// A call, as far as its answer asks for it.
pub(super) struct Asked<'c> {
    /// What a tolerant service makes of the request.
    pub(super) envelope: &'c Result<Result<Envelope<'c>, EnvelopeError>, Unsupported>,
    /// Whether the credentials are those that were given out.
    pub(super) admitted: bool,
    /// The message, if there is one.
    pub(super) message: Option<&'c Result<Read<'c>, ParseError>>,
    /// MSH-10 of the answer.
    pub(super) control_id: &'c str,
    pub(super) now: Timestamp,
}

/// An answer before it goes out.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) retry_after: Option<u32>,
    pub(super) body: Vec<u8>,
    /// Nothing of it is sent: the connection ends.
    pub(super) cut: bool,
    /// What it is, in a few words.
    pub(super) told: String,
    /// What it says of the message.
    pub(super) outcome: Outcome,
}

impl Answer {
    fn new(status: u16, content_type: &str, body: Vec<u8>, told: impl Into<String>) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            retry_after: None,
            body,
            cut: false,
            told: told.into(),
            outcome: Outcome::Other,
        }
    }

    fn with(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The end of the connection.
    pub(super) fn cut(told: &str) -> Self {
        Self { cut: true, ..Self::new(0, "", vec![], told) }.with(Outcome::Lost)
    }

    /// A text for people, with a status that is not SOAP's.
    pub(super) fn plain(status: u16, text: &str, told: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes(), told)
    }

    /// A fault.
    pub(super) fn fault(version: SoapVersion, fault: &Fault, related: Option<&Addressing>) -> Self {
        let body = write_fault(version, fault, related);
        let element = fault.kind().element();
        let name = if element == "fault" { "UnknownFault" } else { element };
        Self::new(500, version.reply_media_type(None), body, name)
    }
}

impl Asked<'_> {
    /// The answer that was asked for.
    pub(super) fn answer(&self, reply: Reply) -> Answer {
        let fault = |code| {
            let text = "This answer was asked for in the trial.";
            let fault = Fault::new(code, text);
            Answer::fault(self.version(), &fault, self.related()).with(Outcome::Refused)
        };
        match reply {
            Reply::FaultSecurity => fault(FaultCode::CredentialsRefused),
            Reply::FaultTooLarge => fault(FaultCode::RequestTooLarge),
            Reply::FaultUnsupported => fault(FaultCode::UnknownOperation),
            Reply::FaultUnknown => fault(FaultCode::Internal).with(Outcome::Lost),
            Reply::Busy => {
                let told = format!("HTTP 503, Retry-After {RETRY_AFTER}");
                let answer = Answer::plain(503, "The trial was told to be busy.", told);
                let wait = Duration::from_secs(RETRY_AFTER.into());
                Answer { retry_after: Some(RETRY_AFTER), ..answer }.with(Outcome::Busy(wait))
            }
            Reply::Html => {
                Answer::new(200, "text/html; charset=utf-8", PAGE.into(), "a page of HTML")
                    .with(Outcome::Lost)
            }
            Reply::Truncated => {
                self.spoilt("half an envelope", |body| body.truncate(body.len() / 2))
            }
            Reply::Empty => self.spoilt("no body", Vec::clear),
            Reply::EmptyReturn => self.empty_return(),
            Reply::CutBefore | Reply::CutAfter => Answer::cut("the connection was ended"),
            Reply::Good
            | Reply::AckAccept
            | Reply::AckWarning
            | Reply::AckError
            | Reply::AckReject
            | Reply::AckOther
            | Reply::Match
            | Reply::NoMatch => self.good(reply),
        }
    }

    fn version(&self) -> SoapVersion {
        match self.envelope {
            Ok(Ok(envelope)) => envelope.version,
            Ok(Err(error)) => error.version,
            Err(_) => SoapVersion::V12,
        }
    }

    fn related(&self) -> Option<&Addressing> {
        match self.envelope {
            Ok(Ok(envelope)) => envelope.addressing.as_ref(),
            Ok(Err(error)) => error.related.as_deref(),
            Err(_) => None,
        }
    }

    fn spoilt(&self, told: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> Answer {
        let mut answer = self.good(Reply::AckAccept);
        spoil(&mut answer.body);
        told.clone_into(&mut answer.told);
        answer.with(Outcome::Lost)
    }

    fn empty_return(&self) -> Answer {
        let (version, related) = (self.version(), self.related());
        let submits = matches!(
            self.envelope,
            Ok(Ok(Envelope { operation: Operation::SubmitSingleMessage(_), .. }))
        );
        let (name, body) = if submits {
            let body = submit_single_message_response(version, "", related);
            (OperationName::SubmitSingleMessage, body)
        } else {
            let body = connectivity_test_response(version, &EchoReply::Text(""), related);
            (OperationName::ConnectivityTest, body)
        };
        Answer::new(200, version.reply_media_type(Some(name)), body, "an empty return")
            .with(Outcome::Lost)
    }

    /// What a good registry answers, but for the ACK.
    fn good(&self, reply: Reply) -> Answer {
        let (version, related) = (self.version(), self.related());
        let envelope = match self.envelope {
            Ok(Ok(envelope)) => envelope,
            Ok(Err(error)) => return Answer::fault(version, &error.fault(), related),
            Err(unsupported) => {
                return Answer::plain(415, &unsupported.to_string(), "HTTP 415");
            }
        };
        match &envelope.operation {
            Operation::ConnectivityTest { echo_back } => {
                let body =
                    connectivity_test_response(version, &EchoReply::from(echo_back), related);
                let media = version.reply_media_type(Some(OperationName::ConnectivityTest));
                Answer::new(200, media, body, "the echo")
            }
            Operation::SubmitSingleMessage(_) => match self.submission(reply) {
                Ok((hl7, told, outcome)) => {
                    let body = submit_single_message_response(version, &hl7, related);
                    let media = version.reply_media_type(Some(OperationName::SubmitSingleMessage));
                    Answer::new(200, media, body, told).with(outcome)
                }
                Err(fault) => Answer::fault(version, &fault, related),
            },
        }
    }

    fn submission(&self, reply: Reply) -> Result<(String, String, Outcome), Fault> {
        if !self.admitted {
            return Err(Fault::new(FaultCode::CredentialsRefused, "The credentials were refused."));
        }
        let read = match self.message {
            None => {
                let text = "hl7Message is missing or blank.";
                return Err(Fault::new(FaultCode::MessageMissing, text));
            }
            Some(Err(error)) => {
                let code = match error {
                    ParseError::Batch => FaultCode::Batch,
                    ParseError::SeveralMessages => FaultCode::SeveralMessages,
                    ParseError::TooLarge | ParseError::TooManySegments => {
                        FaultCode::RequestTooLarge
                    }
                    ParseError::NoHeader => FaultCode::NoMsh,
                };
                return Err(Fault::new(code, format!("hl7Message was not taken: {error}.")));
            }
            Some(Ok(read)) => read,
        };
        Ok(self.acknowledged(read, reply))
    }

    /// The ACK, or the RSP to a query; what it is, and what it says of the message.
    fn acknowledged(&self, read: &Read<'_>, reply: Reply) -> (String, String, Outcome) {
        let found = asked_findings(reply).unwrap_or_else(|| read.found.clone());
        let told = Told::of(&found);
        let code = told.code();
        let refused = found.iter().any(|one| one.severity == Severity::E || one.stops());
        let outcome = if refused { Outcome::Refused } else { Outcome::Kept };
        let ack = Ack {
            request: Some(&read.header),
            code,
            lines: &told.lines(),
            control_id: self.control_id,
            now: self.now.utc().fixed_offset(),
            identity: &identity(),
        };
        let query = Query::of(&read.message).filter(|_| read.kind() == Some(MessageKind::QbpQ11));
        if let Some(query) = query.filter(|_| reply != Reply::AckOther) {
            if refused {
                return (query.refusal(&ack), format!("RSP {}", code.code()), outcome);
            }
            return answered(query, &ack, reply);
        }
        let mut text = ack.to_message();
        if reply == Reply::AckOther {
            let begin = format!("MSA|{}|", code.code());
            text = text.replacen(&begin, &format!("{begin}OTHER-"), 1);
            return (text, "ACK of another message".to_owned(), Outcome::Lost);
        }
        let told = match found.len() {
            0 => format!("ACK {}", code.code()),
            errors => format!("ACK {} with {errors} ERR", code.code()),
        };
        (text, told, outcome)
    }
}

fn identity() -> Identity {
    Identity { application: "IZPORTAL TRIAL".to_owned(), facility: "TRIAL IIS".to_owned() }
}

/// The findings of an ACK that was asked for; none: what was really found.
fn asked_findings(reply: Reply) -> Option<Vec<Diagnostic>> {
    let place = |field| Location::segment("PID", 1).field(field);
    match reply {
        Reply::AckAccept | Reply::AckOther => Some(vec![]),
        Reply::AckWarning => Some(vec![Diagnostic::warn(
            "TRIAL",
            ErrorCode::MessageAccepted,
            place(11),
            "This answer was asked for in the trial. The message was kept.",
        )]),
        Reply::AckError => Some(vec![Diagnostic::reject(
            "TRIAL",
            ErrorCode::RequiredFieldMissing,
            place(5),
            "This answer was asked for in the trial. The message was not kept.",
        )]),
        Reply::AckReject => Some(vec![Diagnostic::refuse(
            "TRIAL",
            ErrorCode::UnsupportedProcessingId,
            Location::segment("MSH", 1).field(11),
            "This answer was asked for in the trial. The message was not processed.",
        )]),
        _ => None,
    }
}

/// The answer to a query in which there is no error: the invented person, or nobody.
fn answered(query: Query<'_, '_>, ack: &Ack<'_>, reply: Reply) -> (String, String, Outcome) {
    let name = query.segment().field(4).repetition(1).component(1).bytes();
    let is_invented = name.eq_ignore_ascii_case(b"Sampleperson");
    let found = reply == Reply::Match || (reply != Reply::NoMatch && is_invented);
    let ack = Ack { code: AckCode::AA, lines: &[], ..*ack };
    let (profile, status, segments) = match (found, query.name()) {
        (false, _) => ("Z33", "NF", String::new()),
        (true, b"Z44") => ("Z42", "OK", format!("{PERSON}{DOSE}{EVALUATION}{FORECAST}")),
        (true, _) => ("Z32", "OK", format!("{PERSON}{DOSE}")),
    };
    let told = format!("RSP {profile} {status}");
    (query.answer(&ack, profile, status, &segments), told, Outcome::Kept)
}

const PERSON: &str = "PID|1||INV-1001^^^IZPORTAL^SR||Sampleperson^Penelope^Quill^^^^L|Inventa^Ada^^^^^M|20250115|F|||\
    12 Invented Lane^^Sampleton^CA^95899^USA^P\r";

const DOSE: &str = "ORC|RE||ORD-1^IZPORTAL\r\
    RXA|0|1|20250501||20^DTaP^CVX|999|||01^Historical information - source unspecified^NIP001|||||||||||CP\r";

const EVALUATION: &str = "OBX|1|CE|30956-7^Vaccine Type^LN|1|20^DTaP^CVX||||||F|||20250501\r\
    OBX|2|CE|59779-9^Immunization Schedule Used^LN|1|VXC16^ACIP Schedule^CDCPHINVS||||||F|||20250501\r\
    OBX|3|ID|59781-5^Dose Validity^LN|1|Y||||||F|||20250501\r";

const FORECAST: &str = "ORC|RE||9999^IZPORTAL\r\
    RXA|0|1|20250501||998^No vaccine administered^CVX|999||||||||||||||NA\r\
    OBX|1|CE|30979-9^Vaccines Due Next^LN|1|20^DTaP^CVX||||||F|||20250501\r\
    OBX|2|CE|59779-9^Immunization Schedule Used^LN|1|VXC16^ACIP Schedule^CDCPHINVS||||||F|||20250501\r\
    OBX|3|DT|30980-7^Date Vaccine Due^LN|1|20260715||||||F|||20250501\r\
    OBX|4|DT|30981-5^Earliest Date to Give^LN|1|20260715||||||F|||20250501\r";

/// A page as proxies make them.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
    <body><h1>Sign in</h1><p>Your session has ended.<br>Please sign in again.</p></body></html>\n";
