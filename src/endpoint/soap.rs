//! `POST` for calls and `GET ?wsdl`: methods, media types, and the one table from what went wrong to a fault.
//!
//! Source: contract section 6. Every SOAP fault is HTTP 500, the only status that every client stack reads.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use crate::domain::{ClientKeyPin, Timestamp};
use crate::endpoint::body::{BodyError, close_unread, read_body};
use crate::endpoint::summary::Summary;
use crate::endpoint::{Endpoint, EndpointSettings, NO_SNIFF};
use crate::gateway::{Call, CredentialPart, SubmitError};
use crate::soap::{
    Addressing, Advice, EchoBack, EchoReply, Envelope, Fault, FaultCode, MediaType, Operation,
    OperationName, SoapVersion, Submission, connectivity_test_response, read_envelope,
    submit_single_message_response, write_fault, wsdl_matches_query,
};
use crate::store::StoreError;

/// Methods of the SOAP path.
const METHODS: &str = "GET, HEAD, OPTIONS, POST";

/// Every request on the SOAP path.
pub(super) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    match *request.method() {
        // A task of its own: what has begun is ended and told, also when the caller has gone or something broke down.
        Method::POST => {
            actix_web::rt::spawn(post(request, payload, endpoint)).await.unwrap_or_else(|broken| {
                tracing::error!("a call broke down: {broken}");
                let fault = Fault::new(
                    FaultCode::Internal,
                    "The Gateway failed. The outcome of the call is not known.",
                );
                plain_soap_response(SoapVersion::V12, Err(fault))
            })
        }
        Method::GET | Method::HEAD if wsdl_matches_query(request.query_string()) => {
            HttpResponse::Ok()
                .content_type("text/xml; charset=utf-8")
                .insert_header(NO_SNIFF)
                .body(endpoint.wsdl.clone())
        }
        Method::OPTIONS => HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish(),
        _ => {
            let refusal = plain(
                HttpResponse::MethodNotAllowed().insert_header((ALLOW, METHODS)),
                "This address is for EHR software, not for a browser; the service answers. POST a SOAP envelope here, or GET \
                 /IISService?wsdl for its description. An overview is at /.",
            );
            close_unread(refusal, payload)
        }
    }
}

fn plain(response: &mut HttpResponseBuilder, text: impl std::fmt::Display) -> HttpResponse {
    response
        .content_type("text/plain; charset=utf-8")
        .insert_header(NO_SNIFF)
        .body(format!("{text}\n"))
}

async fn post(
    request: HttpRequest,
    mut payload: web::Payload,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let start = Instant::now();
    let mut summary = Summary::new(endpoint.gateway.next_message_id(Timestamp::now()));
    let media =
        match request.headers().get(CONTENT_TYPE).map(actix_web::http::header::HeaderValue::to_str)
        {
            None => MediaType::of(None),
            Some(Ok(value)) => MediaType::of(Some(value)),
            Some(Err(_)) => MediaType::of(Some("?")),
        };
    let response = match media {
        Err(unsupported) => {
            summary.outcome = "unsupported-media-type";
            plain(&mut HttpResponse::UnsupportedMediaType(), unsupported)
        }
        Ok(media) => answered(&request, &mut payload, &endpoint, media, &mut summary).await,
    };
    let response = close_unread(response, payload);
    summary.status = response.status().as_u16();
    summary.duration = start.elapsed();
    endpoint.log.write(&summary);
    response
}

/// Reads, does and answers one call.
async fn answered(
    request: &HttpRequest,
    payload: &mut web::Payload,
    endpoint: &Endpoint,
    media: MediaType,
    summary: &mut Summary,
) -> HttpResponse {
    let settings = &endpoint.settings;
    let (body, _room) =
        match read_body(payload, settings.longest_request, settings.read_timeout, &endpoint.room)
            .await
        {
            Ok(body) => body,
            Err(error) => {
                let close = error != (BodyError::TooLarge { drained: true });
                return fault_response(
                    media.likely_version(),
                    &of_body(error, settings),
                    None,
                    summary,
                    close,
                );
            }
        };
    summary.request_size = body.len();
    let envelope = match read_envelope(&body, &media, &settings.xml) {
        Ok(envelope) => envelope,
        Err(error) => {
            return fault_response(
                error.version,
                &error.fault(),
                error.related.as_deref(),
                summary,
                false,
            );
        }
    };
    let (version, related) = (envelope.version, envelope.addressing.clone());
    summary.version = Some(version);
    if version == SoapVersion::V11 && !settings.soap_1_1 {
        let fault =
            Fault::new(FaultCode::VersionMismatch, "This service is set to take SOAP 1.2 only.");
        return fault_response(version, &fault, related.as_ref(), summary, false);
    }
    match done(request, endpoint, envelope, summary).await {
        Ok((operation, bytes)) => soap_response(StatusCode::OK, version, Some(operation), bytes),
        Err(fault) => fault_response(version, &fault, related.as_ref(), summary, false),
    }
}

/// Does what the envelope asks; gives the reply's bytes.
async fn done(
    request: &HttpRequest,
    endpoint: &Endpoint,
    envelope: Envelope<'_>,
    summary: &mut Summary,
) -> Result<(OperationName, Vec<u8>), Fault> {
    let Envelope { version, addressing, operation, notes } = envelope;
    let name = operation.name();
    summary.operation = Some(name);
    summary.lenient = notes.unqualified_children || notes.foreign_children;
    let bytes = match operation {
        Operation::ConnectivityTest { echo_back } => {
            let reply = echo(&echo_back, endpoint.settings.longest_echo)?;
            summary.outcome = "echo";
            connectivity_test_response(version, &reply, addressing.as_ref())
        }
        Operation::SubmitSingleMessage(submission) => {
            let reply = submit(request, endpoint, &submission, summary).await?;
            submit_single_message_response(version, &reply, addressing.as_ref())
        }
    };
    Ok((name, bytes))
}

fn echo<'a>(echo_back: &'a EchoBack<'_>, limit: usize) -> Result<EchoReply<'a>, Fault> {
    match echo_back {
        EchoBack::Nil => Ok(EchoReply::Nil),
        EchoBack::Absent => Ok(EchoReply::Text("")),
        EchoBack::Text(text) if text.len() > limit && text.chars().nth(limit).is_some() => {
            Err(Fault::new(
                FaultCode::EchoTooLong,
                format!("echoBack is longer than {limit} characters."),
            ))
        }
        EchoBack::Text(text) => Ok(EchoReply::Text(text)),
    }
}

async fn submit(
    request: &HttpRequest,
    endpoint: &Endpoint,
    submission: &Submission<'_>,
    summary: &mut Summary,
) -> Result<String, Fault> {
    let call = Call {
        username: submission.username.as_deref(),
        password: submission.password.as_deref(),
        facility_id: submission.facility_id.as_deref(),
        hl7: submission.hl7_message.as_deref(),
        client_key: request.conn_data::<ClientKeyPin>().copied(),
        address: request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip()),
    };
    summary.message_size = call.hl7.map_or(0, str::len);
    match endpoint.gateway.submit_single_message(summary.id, &call, Timestamp::now()).await {
        Ok(submitted) => {
            summary.tell(submitted.id, submitted.facts);
            Ok(submitted.reply)
        }
        Err(error) => Err(of_submit(&error)),
    }
}

fn of_body(error: BodyError, settings: &EndpointSettings) -> Fault {
    match error {
        BodyError::NoRoom => Fault::new(
            FaultCode::Overloaded,
            "The Gateway is busy. The message was not accepted; send it again in a few seconds.",
        ),
        BodyError::Broken => {
            Fault::new(FaultCode::Structure, "The request body broke off before its end.")
        }
        BodyError::Late => Fault::new(
            FaultCode::Structure,
            format!(
                "The request body did not arrive within {} seconds.",
                settings.read_timeout.as_secs()
            ),
        ),
        BodyError::TooLarge { .. } => Fault::new(
            FaultCode::RequestTooLarge,
            format!(
                "The request is longer than {} bytes. Send one message in each call.",
                settings.longest_request
            ),
        ),
    }
}

/// The one table from what went wrong to what the caller hears.
fn of_submit(error: &SubmitError) -> Fault {
    let fault = |code, detail: &str| Fault::new(code, detail);
    match error {
        SubmitError::Batch => fault(
            FaultCode::Batch,
            "hl7Message is a batch (FHS or BHS). Send one message in each call, beginning with MSH.",
        ),
        SubmitError::CredentialsMissing(part) => of_missing(*part),
        SubmitError::CredentialsRefused { throttled } => {
            let reason = if *throttled { "throttled" } else { "refused" };
            metrics::counter!("gateway_auth_failures_total", "reason" => reason).increment(1);
            fault(
                FaultCode::CredentialsRefused,
                "The credentials were refused. Check username, password and facilityID as they were issued.",
            )
        }
        SubmitError::MessageMissing => {
            fault(FaultCode::MessageMissing, "hl7Message is missing or blank.")
        }
        SubmitError::NoHeader => fault(
            FaultCode::NoMsh,
            "hl7Message does not begin with an MSH segment, so there is no message to answer.",
        ),
        SubmitError::SeveralMessages => fault(
            FaultCode::SeveralMessages,
            "hl7Message holds more than one MSH segment. Send one message in each call.",
        ),
        SubmitError::TooLarge { limit } => Fault::new(
            FaultCode::RequestTooLarge,
            format!(
                "hl7Message is longer than {limit} characters or has more than 10,000 segments."
            ),
        ),
        SubmitError::QueueClosed => fault(
            FaultCode::QueueClosed,
            "The queue of your region takes no more messages now. The message was not accepted; send it again later.",
        ),
        SubmitError::NotStored(StoreError::Overloaded) => fault(
            FaultCode::Overloaded,
            "The Gateway is busy. The message was not accepted; send it again in a few seconds.",
        ),
        SubmitError::NotStored(cause) => {
            tracing::error!("a submission was not stored: {cause}{}", source_of(cause));
            fault(
                FaultCode::Unavailable,
                "The Gateway cannot store messages now. The message was not accepted; send it again later.",
            )
        }
    }
}

fn of_missing(part: CredentialPart) -> Fault {
    metrics::counter!("gateway_auth_failures_total", "reason" => "missing").increment(1);
    match part {
        CredentialPart::Username => {
            Fault::new(FaultCode::UsernameMissing, "username is missing or blank.")
        }
        CredentialPart::Password => {
            Fault::new(FaultCode::PasswordMissing, "password is missing or blank.")
        }
        CredentialPart::Facility => {
            Fault::new(FaultCode::FacilityMissing, "facilityID is missing or blank.")
        }
    }
}

fn source_of(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(String::new, |source| format!(": {source}"))
}

fn soap_response(
    status: StatusCode,
    version: SoapVersion,
    operation: Option<OperationName>,
    bytes: Vec<u8>,
) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, version.reply_media_type(operation)))
        .body(bytes)
}

/// A fault as a response, for a service that logs in its own way.
pub fn plain_soap_response(
    version: SoapVersion,
    result: Result<(OperationName, Vec<u8>), Fault>,
) -> HttpResponse {
    match result {
        Ok((operation, bytes)) => soap_response(StatusCode::OK, version, Some(operation), bytes),
        Err(fault) => soap_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            version,
            None,
            write_fault(version, &fault, None),
        ),
    }
}

fn fault_response(
    version: SoapVersion,
    fault: &Fault,
    related: Option<&Addressing>,
    summary: &mut Summary,
    close: bool,
) -> HttpResponse {
    summary.fault = Some(fault.code.number());
    summary.outcome = "fault";
    let fault = fault.clone().with_reference(&summary.id.to_string());
    let bytes = write_fault(version, &fault, related);
    let mut response = soap_response(StatusCode::INTERNAL_SERVER_ERROR, version, None, bytes);
    let headers = response.headers_mut();
    if let Advice::RetryLater { seconds } = fault.code.advice() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if close {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}
