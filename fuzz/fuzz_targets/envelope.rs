//! Any bytes as a SOAP request and as a registry's SOAP reply: what was read can be written and read again, and every
//! refusal has a fault that a client can read.
#![no_main]

use std::sync::LazyLock;

use izportal::soap::{
    EchoReply, Envelope, EnvelopeError, Limits, MediaType, Operation, Response, SoapVersion,
    connectivity_test_response, read_envelope, read_response, submit_single_message_request,
    submit_single_message_response, write_fault,
};
use libfuzzer_sys::fuzz_target;

/// SOAP 1.2, SOAP 1.1, and what changes how bytes become text.
static MEDIA: LazyLock<[MediaType; 5]> = LazyLock::new(|| {
    [
        "application/soap+xml",
        "text/xml; charset=utf-8",
        "text/xml; charset=iso-8859-1",
        "application/soap+xml; charset=windows-1252",
        "application/soap+xml; charset=utf-16",
    ]
    .map(|header| MediaType::of(Some(header)).unwrap())
});

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    for media in &*MEDIA {
        match read_envelope(bytes, media, &limits) {
            Ok(envelope) => goes_round(&envelope, &limits),
            Err(error) => is_told(&error, &limits),
        }
    }
    match read_response(bytes, &limits) {
        Ok(Response::SubmitSingleMessage(text)) => {
            let written = submit_single_message_response(SoapVersion::V12, &text, None);
            let read = read_response(&written, &limits);
            assert!(read == Ok(Response::SubmitSingleMessage(text)), "the reply changed");
        }
        Ok(Response::ConnectivityTest(_) | Response::Fault(_)) | Err(_) => {}
    }
});

fn goes_round(envelope: &Envelope<'_>, limits: &Limits) {
    let (version, related) = (envelope.version, envelope.addressing.as_ref());
    match &envelope.operation {
        Operation::ConnectivityTest { echo_back } => {
            let reply = EchoReply::from(echo_back);
            let written = connectivity_test_response(version, &reply, related);
            let expected = match reply {
                EchoReply::Nil => "",
                EchoReply::Text(text) => text,
            };
            let read = read_response(&written, limits);
            assert!(
                read == Ok(Response::ConnectivityTest(expected.to_owned())),
                "the echo changed"
            );
        }
        Operation::SubmitSingleMessage(submission) => {
            let fields = [
                &submission.username,
                &submission.password,
                &submission.facility_id,
                &submission.hl7_message,
            ];
            let [username, password, facility, hl7] =
                fields.map(|field| field.as_deref().unwrap_or_default());
            let written = submit_single_message_request(version, username, password, facility, hl7);
            let again = read_envelope(&written, &MEDIA[0], limits).unwrap();
            let Operation::SubmitSingleMessage(again) = again.operation else {
                panic!("the operation changed");
            };
            let fields_again =
                [again.username, again.password, again.facility_id, again.hl7_message];
            for (before, after) in fields.into_iter().zip(fields_again) {
                assert!(
                    after.as_deref() == Some(before.as_deref().unwrap_or_default()),
                    "a field changed"
                );
            }
        }
    }
}

fn is_told(error: &EnvelopeError, limits: &Limits) {
    let fault = error.fault();
    let written = write_fault(error.version, &fault, error.related.as_deref());
    match read_response(&written, limits) {
        Ok(Response::Fault(told)) => {
            assert_eq!(told.version, error.version);
            assert!(told.reason == error.detail, "the reason changed");
        }
        other => panic!("not a fault: {other:?}"),
    }
}
