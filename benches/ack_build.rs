//! Building an ACK: clean, and with ten findings.
#![expect(clippy::unwrap_used, reason = "a bench may stop")]

use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use izportal::hl7::{
    Ack, AckCode, ErrorCode, ErrorLine, Header, Identity, Location, Message, Severity,
};

fn ack(criterion: &mut Criterion) {
    let text = include_str!("../tests/fixtures/hl7/vxu_child_dose.hl7");
    let message = Message::parse(text.as_bytes()).unwrap();
    let header = Header::of(&message);
    let identity = Identity { application: "IZGATEWAY".to_owned(), facility: "CDPH".to_owned() };
    let now = DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap();
    let line = ErrorLine {
        location: Some(Location::segment("PID", 1).field(3).repetition(1).component(5)),
        code: ErrorCode::RequiredFieldMissing,
        severity: Severity::E,
        application: None,
        diagnostic: Some("GW-PID"),
        text: "PID-3.5 (identifier type) is empty. The message was not kept. Put MR there & send it again.",
    };
    let ten = [line; 10];

    for (name, lines) in [("ack, clean", &ten[..0]), ("ack, ten ERR", &ten[..])] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                Ack {
                    request: Some(black_box(&header)),
                    code: AckCode::AA,
                    lines,
                    control_id: "0123456789abcdef0123",
                    now,
                    identity: &identity,
                }
                .to_message()
            });
        });
    }
}

criterion_group!(benches, ack);
criterion_main!(benches);
