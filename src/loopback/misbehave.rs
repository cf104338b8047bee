//! The answer that a plan asks for, good or not, as it goes on the wire.

use std::io;
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody as _, SizedStream};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::endpoint::plain_soap_response;
use crate::loopback::behaviour::{Act, Deed};
use crate::soap::{
    Addressing, EchoReply, Fault, FaultCode, OperationName, SoapVersion,
    connectivity_test_response, submit_single_message_response, write_fault,
};

/// How long a caller that is never answered keeps its connection.
const HANG: Duration = Duration::from_mins(10);

/// How long the first half of an answer has to leave before the connection is cut.
const LEAVE: Duration = Duration::from_millis(100);

/// Surplus of a giant answer: more than the 8 MiB that the Gateway reads.
const GIANT: usize = 9 * 1024 * 1024;

/// What stands where a control character will, until the envelope is written.
const MARK: char = '\u{FFFD}';

/// A second handle on a connection, to cut it hard.
pub struct Line(socket2::Socket);

impl Line {
    /// The line of a connection, if the system gives another handle on it.
    pub fn of(connection: &tokio::net::TcpStream) -> Option<Self> {
        socket2::SockRef::from(connection).try_clone().ok().map(Self)
    }
}

/// A call that is answered.
pub(super) struct Answer {
    pub(super) version: SoapVersion,
    pub(super) related: Option<Addressing>,
    pub(super) said: Said,
}

/// What a good answer says.
pub(super) enum Said {
    /// The echo of a connectivityTest; none is nil.
    Echo(Option<String>),
    /// The ACK of a submission, and a part of the message for a fault that must not be passed on.
    Ack { text: String, quotation: String },
}

impl Answer {
    /// The answer by its plan.
    pub(super) async fn given(self, request: &HttpRequest, act: Act) -> HttpResponse {
        match act {
            Act::Status(code, retry_after) => status(code, retry_after),
            Act::Deed(Deed::Hang) => {
                tokio::time::sleep(HANG).await;
                cut(request)
            }
            Act::Deed(Deed::ResetBefore | Deed::ResetAfter) => cut(request),
            Act::Deed(deed) => self.told(request, deed),
        }
    }

    fn told(self, request: &HttpRequest, deed: Deed) -> HttpResponse {
        match deed {
            Deed::ResetMidway => cut_midway(request, self.good(), self.bytes("")),
            Deed::Html => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(PAGE),
            Deed::BrokenXml => {
                let mut bytes = self.bytes("");
                bytes.truncate(bytes.len() / 2);
                with_body(self.good(), bytes)
            }
            Deed::Empty => with_body(self.good(), vec![]),
            Deed::Giant => {
                let filler = "X".repeat(GIANT);
                with_body(self.good(), self.bytes(&format!("ZZZ|{filler}\r")))
            }
            Deed::ControlCharacters => {
                let bytes = self.bytes(&format!("ZZZ|{MARK}\r"));
                let text = String::from_utf8_lossy(&bytes).replace(MARK, "\u{b}");
                with_body(self.good(), text.into_bytes())
            }
            Deed::FaultSecurity => self.fault(FaultCode::CredentialsRefused, ""),
            Deed::FaultTooLarge => self.fault(FaultCode::RequestTooLarge, ""),
            Deed::FaultUnsupported => self.fault(FaultCode::UnknownOperation, ""),
            Deed::FaultUnknown => self.fault(FaultCode::Internal, ""),
            Deed::FaultQuoting => {
                let Said::Ack { quotation, .. } = &self.said else {
                    return self.fault(FaultCode::Internal, "");
                };
                self.fault(FaultCode::Internal, quotation)
            }
            Deed::FaultNoReason => self.raw_fault(
                self.version,
                format!(
                    "<?xml version=\"1.0\"?><env:Envelope xmlns:env=\"{}\"><env:Body><env:Fault>{}</env:Fault></env:Body></env:Envelope>",
                    self.version.namespace(),
                    match self.version {
                        SoapVersion::V11 => "<faultcode>env:Server</faultcode>",
                        SoapVersion::V12 =>
                            "<env:Code><env:Value>env:Receiver</env:Value></env:Code>",
                    }
                )
                .into_bytes(),
            ),
            Deed::FaultUnprefixed => self.raw_fault(self.version, UNPREFIXED.as_bytes().to_vec()),
            Deed::FaultSoap11 => {
                let fault = Fault::new(FaultCode::Internal, SCRIPTED);
                self.raw_fault(SoapVersion::V11, write_fault(SoapVersion::V11, &fault, None))
            }
            _ => self.good(),
        }
    }

    /// The operation that was called.
    const fn operation(&self) -> OperationName {
        match self.said {
            Said::Echo(_) => OperationName::ConnectivityTest,
            Said::Ack { .. } => OperationName::SubmitSingleMessage,
        }
    }

    /// The envelope of a good answer, with something more in its text.
    fn bytes(&self, more: &str) -> Vec<u8> {
        let related = self.related.as_ref();
        match &self.said {
            Said::Echo(None) if more.is_empty() => {
                connectivity_test_response(self.version, &EchoReply::Nil, related)
            }
            Said::Echo(echo) => {
                let text = format!("{}{more}", echo.as_deref().unwrap_or_default());
                connectivity_test_response(self.version, &EchoReply::Text(&text), related)
            }
            Said::Ack { text, .. } => {
                submit_single_message_response(self.version, &format!("{text}{more}"), related)
            }
        }
    }

    fn good(&self) -> HttpResponse {
        plain_soap_response(self.version, Ok((self.operation(), self.bytes(""))))
    }

    fn fault(&self, code: FaultCode, quotation: &str) -> HttpResponse {
        let text = format!("{SCRIPTED}{quotation}");
        plain_soap_response(self.version, Err(Fault::new(code, text)))
    }

    fn raw_fault(&self, version: SoapVersion, bytes: Vec<u8>) -> HttpResponse {
        let response = self.fault(FaultCode::Internal, "");
        let mut response = with_body(response, bytes);
        let media = HeaderValue::from_static(version.reply_media_type(None));
        response.headers_mut().insert(CONTENT_TYPE, media);
        response
    }
}

/// What the faults of a script say.
const SCRIPTED: &str = "The loopback registry was told to answer so. ";

/// A page as proxies make them.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
    <body><h1>Sign in</h1><p>Your session has ended.<br>Please sign in again.</p></body></html>\n";

/// A fault that belongs to no namespace.
const UNPREFIXED: &str = "<?xml version=\"1.0\"?><Envelope><Body><Fault><Code><Value>Receiver</Value></Code>\
    <Reason><Text>The loopback registry was told to answer so.</Text></Reason></Fault></Body></Envelope>";

fn with_body(response: HttpResponse, bytes: Vec<u8>) -> HttpResponse {
    response.set_body(bytes).map_into_boxed_body()
}

fn status(code: u16, retry_after: Option<u32>) -> HttpResponse {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = retry_after {
        response.insert_header((RETRY_AFTER, seconds));
    }
    if status.is_redirection() {
        response.insert_header((LOCATION, "/elsewhere"));
    }
    if status == StatusCode::NOT_MODIFIED {
        return response.finish();
    }
    response
        .content_type("text/plain; charset=utf-8")
        .body(format!("The loopback registry was told to answer HTTP {code}.\n"))
}

/// Resets the connection; nothing of an answer leaves.
pub(super) fn cut(request: &HttpRequest) -> HttpResponse {
    broken(request, HttpResponse::Ok().finish(), 1, None)
}

/// Sends half of `bytes` under the head of `response`, then resets the connection.
fn cut_midway(request: &HttpRequest, response: HttpResponse, mut bytes: Vec<u8>) -> HttpResponse {
    let whole = bytes.len();
    bytes.truncate(whole / 2);
    broken(request, response, whole, Some(Bytes::from(bytes)))
}

/// An answer that declares `length` bytes and breaks off before their end.
///
/// The body fails, so that the server drops the connection; with no time to linger the system resets it then.
fn broken(
    request: &HttpRequest,
    response: HttpResponse,
    length: usize,
    first: Option<Bytes>,
) -> HttpResponse {
    if let Some(Line(line)) = request.conn_data::<Line>()
        && let Err(error) = line.set_linger(Some(Duration::ZERO))
    {
        tracing::warn!("a connection is closed, not reset: {error}");
    }
    let leave = if first.is_some() { LEAVE } else { Duration::ZERO };
    let end = stream::once(async move {
        if !leave.is_zero() {
            tokio::time::sleep(leave).await;
        }
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let body = SizedStream::new(length, Box::pin(stream::iter(first.map(Ok)).chain(end)));
    debug_assert_eq!(body.size(), BodySize::Sized(length));
    response.set_body(body).map_into_boxed_body()
}

/// An acknowledgement by script; `good` is AA without any ERR.
pub(super) fn acknowledgement(deed: Deed, good: &str) -> String {
    let (header, rest) = good.split_once('\r').unwrap_or((good, ""));
    let id = rest.split(['\r', '|']).nth(2).unwrap_or_default();
    let answer = |code: &str, id: &str, error: &str| format!("{header}\rMSA|{code}|{id}\r{error}");
    match deed {
        Deed::AckWarning => answer("AE", id, WARNING),
        Deed::AckError => answer("AE", id, ERROR),
        Deed::AckReject => answer("AR", id, ERROR),
        Deed::AckNoSeverity => answer("AE", id, &ERROR.replace("|E|", "||")),
        Deed::AckLowerCase => answer("aa", id, ""),
        Deed::AckCa => answer("CA", id, ""),
        Deed::AckCe => answer("CE", id, ERROR),
        Deed::AckCr => answer("CR", id, ERROR),
        Deed::AckSeveralMsa => answer("AA", id, &format!("MSA|AE|OTHER-{id}\r")),
        Deed::AckLf => good.replace('\r', "\n"),
        Deed::AckBatch => {
            format!("FHS|^~\\&|LOOPBACK\rBHS|^~\\&|LOOPBACK\r{good}BTS|1\rFTS|1\r")
        }
        Deed::AckOtherId => answer("AA", &format!("OTHER-{id}"), ""),
        Deed::AckEmptyId => answer("AA", "", ""),
        _ => good.to_owned(),
    }
}

/// The one finding of an ACK by script that took the message.
const WARNING: &str = "ERR||PID^1^11|0^Message accepted^HL70357|W|||Script|The loopback registry was told to \
    answer so. The message was kept.\r";

/// The one finding of an ACK by script that did not.
const ERROR: &str = "ERR||PID^1^5|101^Required field missing^HL70357|E|||Script|The loopback registry was told \
    to answer so. The message was not kept.\r";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::{Reply, Verdict};

    #[test]
    fn an_acknowledgement_by_script_says_what_its_name_says() {
        let good = "MSH|^~\\&|LOOPBACK|CAIRBA|||||ACK^V04^ACK|1|T|2.5.1\rMSA|AA|ID 1\r";
        let cases = [
            (Deed::AckWarning, Verdict::AcceptedWithErrors, Some("ID 1")),
            (Deed::AckError, Verdict::Rejected, Some("ID 1")),
            (Deed::AckReject, Verdict::Rejected, Some("ID 1")),
            (Deed::AckNoSeverity, Verdict::Rejected, Some("ID 1")),
            (Deed::AckLowerCase, Verdict::Accepted, Some("ID 1")),
            (Deed::AckCa, Verdict::Accepted, Some("ID 1")),
            (Deed::AckCe, Verdict::Rejected, Some("ID 1")),
            (Deed::AckCr, Verdict::Rejected, Some("ID 1")),
            (Deed::AckSeveralMsa, Verdict::Accepted, Some("ID 1")),
            (Deed::AckLf, Verdict::Accepted, Some("ID 1")),
            (Deed::AckBatch, Verdict::Accepted, Some("ID 1")),
            (Deed::AckOtherId, Verdict::Accepted, Some("OTHER-ID 1")),
            (Deed::AckEmptyId, Verdict::Accepted, None),
        ];
        for (deed, verdict, id) in cases {
            let text = acknowledgement(deed, good);
            let reply =
                Reply::read(text.as_bytes()).unwrap_or_else(|error| panic!("{deed}: {error}"));
            assert_eq!((reply.verdict(), reply.control_id()), (verdict, id), "{deed}: {text}");
            let kept = reply.verdict() != Verdict::Rejected;
            assert_eq!(deed.keeps(), kept, "{deed} keeps what it takes");
            assert!(deed.is_acknowledgement(), "{deed}");
        }
        assert_eq!(acknowledgement(Deed::Normal, good), good);
    }
}
