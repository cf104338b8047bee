//! Reading a call and writing its reply: the SOAP share of a submission.
#![expect(clippy::string_slice, clippy::as_conversions, reason = "a bench may stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use izportal::soap::{
    Limits, MediaType, SoapVersion, read_envelope, submit_single_message_request,
    submit_single_message_response,
};

fn soap(criterion: &mut Criterion) {
    let hl7 = include_str!("load/vxu.hl7").replace('\n', "\r");
    let request = submit_single_message_request(
        SoapVersion::V12,
        "DE-000001-T",
        &"x".repeat(40),
        "DE-000001",
        &hl7,
    );
    let small = submit_single_message_request(
        SoapVersion::V12,
        "DE-000001-T",
        &"x".repeat(40),
        "DE-000001",
        &hl7[..900],
    );
    let ack = "MSH|^~\\&|IZGATEWAY|CDPH|EHR|DE-000001|20260301120000+0000||ACK^V04^ACK|1|T|2.5.1|||NE|NE|||||Z23^CDCPHINVS\rMSA|AA|ONE\r";
    let media = MediaType::of(Some("application/soap+xml; charset=utf-8")).unwrap_or_default();

    let mut group = criterion.benchmark_group("soap");
    for (name, bytes) in [("read 1.3 KB", &small), ("read 3.4 KB", &request)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| read_envelope(black_box(bytes), &media, &Limits::default()).is_ok());
        });
    }
    group.throughput(Throughput::Bytes(ack.len() as u64));
    group.bench_function("write reply", |bencher| {
        bencher.iter(|| submit_single_message_response(SoapVersion::V12, black_box(ack), None));
    });
    group.finish();
}

criterion_group!(benches, soap);
criterion_main!(benches);
