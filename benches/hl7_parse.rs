//! Parsing beside the crate hl7-parser over the same messages. Ours must have at least 15 times its throughput.
//!
//! Ours notes every field and leaves repetitions, components and subcomponents to the views; so the second figure looks at
//! each component of each field, as the other parser does while it parses.
#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "a bench may stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use izportal::hl7::{Header, Identifiers, Message};

fn parse(criterion: &mut Criterion) {
    let messages = [
        include_str!("load/vxu.hl7").replace('\n', "\r").replace("{{control_id}}", "ONE"),
        include_str!("../tests/fixtures/hl7/vxu_child_dose.hl7").to_owned(),
        include_str!("../tests/fixtures/hl7/vxu_two_orders.hl7").to_owned(),
    ];
    let bytes: usize = messages.iter().map(String::len).sum();

    let mut group = criterion.benchmark_group("hl7 parse");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            for text in &messages {
                black_box(Message::parse(black_box(text.as_bytes())).unwrap());
            }
        });
    });
    group.bench_function("ours, every component seen", |bencher| {
        bencher.iter(|| {
            let mut seen = 0;
            for text in &messages {
                let message = Message::parse(black_box(text.as_bytes())).unwrap();
                for segment in message.segments() {
                    for field in segment.fields() {
                        for repetition in field.repetitions() {
                            seen += repetition
                                .components()
                                .map(|component| component.bytes().len())
                                .sum::<usize>();
                        }
                    }
                }
            }
            seen
        });
    });
    group.bench_function("ours, header and routing identifiers", |bencher| {
        bencher.iter(|| {
            for text in &messages {
                let message = Message::parse(black_box(text.as_bytes())).unwrap();
                black_box((Header::of(&message), Identifiers::of(&message)));
            }
        });
    });
    group.bench_function("hl7-parser 0.3", |bencher| {
        bencher.iter(|| {
            for text in &messages {
                black_box(hl7_parser::Message::parse(black_box(text.as_str())).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
