//! Any bytes as a registry's answer, and as the message that an ACK answers: one message with the lines it was given,
//! which reads back as it was meant.
#![no_main]

use chrono::{DateTime, FixedOffset};
use izportal::hl7::{
    Ack, AckCode, ApplicationError, Candidate, ErrorCode, ErrorLine, Header, Identifiers, Identity,
    Location, Message, Reply, ReplyKind, Severity, Verdict,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = Reply::read(bytes) {
        let accepted = reply.verdict() == Verdict::Accepted;
        assert_eq!(accepted, reply.code() == AckCode::AA);
    }
    let text = String::from_utf8_lossy(bytes);
    let Ok(message) = Message::parse(bytes) else {
        answered(None, &[line(None, &text)]);
        return;
    };
    let header = Header::of(&message);
    let named = Identifiers::of(&message);
    let places = named.candidates().iter().map(|Candidate { location, .. }| Some(*location));
    let lines: Vec<_> = places.take(5).chain([None]).map(|at| line(at, &text)).collect();
    answered(Some(&header), &lines);
    answered(Some(&header), &[]);
});

/// A line whose texts are the worst there is: the input.
fn line(location: Option<Location>, text: &str) -> ErrorLine<'_> {
    ErrorLine {
        location,
        code: ErrorCode::ApplicationError,
        severity: Severity::W,
        application: Some(ApplicationError::RequiredDataMissing),
        diagnostic: Some(text),
        text,
    }
}

fn answered(request: Option<&Header<'_>>, lines: &[ErrorLine<'_>]) {
    let identity = Identity { application: "IZPORTAL".to_owned(), facility: "CDPH".to_owned() };
    let now: DateTime<FixedOffset> = "2026-03-01T12:00:00-08:00".parse().unwrap();
    let code = AckCode::AE;
    let text =
        Ack { request, code, lines, control_id: "GW1", now, identity: &identity }.to_message();

    let ack = Message::parse(text.as_bytes()).unwrap();
    let names: Vec<_> = ack.segments().map(|segment| segment.name()).collect();
    assert_eq!(names.get(..2), Some([b"MSH".as_slice(), b"MSA"].as_slice()));
    assert!(names.iter().skip(2).all(|name| *name == b"ERR"));
    for error in ack.segments_named("ERR") {
        let length = |n| std::str::from_utf8(error.field(n).bytes()).unwrap().chars().count();
        assert!(length(7) <= 2_048 && length(8) <= 250, "{} {}", length(7), length(8));
        assert!(error.field_count() <= 8, "{} fields", error.field_count());
    }

    let reply = Reply::read(text.as_bytes()).unwrap();
    assert_eq!((reply.code(), reply.kind()), (code, ReplyKind::Ack));
    assert_eq!(reply.error_count(), lines.len());
    // An MSH-10 of printable characters comes back as it was sent.
    let sent = request.filter(|request| request.delimiters.is_standard());
    if let Some(id) = sent.and_then(|request| request.control_id.text())
        && id.len() <= 199
        && id.iter().all(u8::is_ascii_graphic)
    {
        assert_eq!(reply.control_id().map(str::as_bytes), Some(id));
    }
}
