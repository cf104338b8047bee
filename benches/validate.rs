//! Parse and full validation by Z22 beside the crate hl7-parser, which only parses, over the same messages: ours must
//! take less time.
#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "a bench may stop")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use izportal::domain::Timestamp;
use izportal::hl7::{Header, Message};
use izportal::validation::{Codes, Policies, Validator};

fn validate(criterion: &mut Criterion) {
    let clean = [
        include_str!("load/vxu.hl7").replace('\n', "\r").replace("{{control_id}}", "ONE"),
        include_str!("../tests/fixtures/hl7/vxu_child_dose.hl7").to_owned(),
        include_str!("../tests/fixtures/hl7/vxu_two_orders.hl7").to_owned(),
    ];
    let broken = clean.each_ref().map(|text| {
        text.replace("^L|", "^|").replace("|CVX", "|XXX").replace("RXR|", "RXR|XX^^NCIT|")
    });
    let bytes: usize = clean.iter().map(String::len).sum();
    let validator = Validator::new(Arc::clone(Codes::built_in()));
    let policies = Policies::default();
    let policy = policies.of(izportal::domain::Environment::Test, None);
    let now = Timestamp::now();
    let judged = |text: &str| {
        let message = Message::parse(text.as_bytes()).unwrap();
        let header = Header::of(&message);
        validator.check(&message, &header, policy, now).len()
    };
    assert_eq!(clean.each_ref().map(|text| judged(text)), [0, 0, 0], "the messages are clean");

    let mut group = criterion.benchmark_group("validate");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("parse and Z22, clean", |bencher| {
        bencher.iter(|| clean.iter().map(|text| judged(black_box(text))).sum::<usize>());
    });
    group.bench_function("parse and Z22, with findings", |bencher| {
        bencher.iter(|| broken.iter().map(|text| judged(black_box(text))).sum::<usize>());
    });
    group.bench_function("hl7-parser 0.3, parse only", |bencher| {
        bencher.iter(|| {
            for text in &clean {
                black_box(hl7_parser::Message::parse(black_box(text.as_str())).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, validate);
criterion_main!(benches);
