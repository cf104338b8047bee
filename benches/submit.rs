//! A whole submission without network: credentials, parse, rules, route, seal, group commit on SQLite `FULL`, ACK.
//!
//! 64 submissions are under way at one time, as 64 connections would have it; the figure is the time of all 64.
#![expect(clippy::unwrap_used, reason = "a bench may stop")]

mod support;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use izportal::app::gateway_settings;
use izportal::backends::{Backends, Surroundings};
use izportal::client::Egress;
use izportal::config::Config;
use izportal::domain::Timestamp;
use izportal::gateway::{Call, Gateway, Registries};

use crate::support::{PASSWORD, SITE, USERNAME, installation};

async fn gateway(config: &Config) -> Arc<Gateway> {
    let base = installation(config).await;
    base.store.directory_refresh().await.unwrap();
    let around = Surroundings { egress: Egress::default(), timeout: Duration::from_secs(1) };
    let runtime = tokio::runtime::Handle::current();
    Gateway::new(
        base.store,
        Registries::new(Backends::default(), HashMap::new(), around),
        base.key,
        gateway_settings(config).unwrap(),
        runtime,
    )
}

async fn submit(gateway: &Gateway, text: &str) {
    let call = Call {
        username: Some(USERNAME),
        password: Some(PASSWORD),
        facility_id: Some(SITE),
        hl7: Some(text),
        client_key: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let submitted = gateway
        .submit_single_message(gateway.next_message_id(Timestamp::now()), &call, Timestamp::now())
        .await
        .unwrap();
    assert!(submitted.reply.contains("MSA|AA|"), "{}", submitted.reply);
}

fn submissions(criterion: &mut Criterion) {
    let dir = tempfile::TempDir::new_in("target").unwrap();
    let mut config = Config::read("[gateway]\nreply = \"accept\"").unwrap();
    dir.path().clone_into(&mut config.data_dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(gateway(&config));
    let text = include_str!("load/vxu.hl7").replace('\n', "\r");
    let number = AtomicU64::new(0);

    let mut group = criterion.benchmark_group("submission");
    group.throughput(Throughput::Elements(64));
    group.bench_function("64 at one time, SQLite FULL", |bencher| {
        bencher.iter(|| {
            let texts: Vec<String> = (0..64)
                .map(|_| {
                    text.replace(
                        "{{control_id}}",
                        &format!("B{}", number.fetch_add(1, Ordering::Relaxed)),
                    )
                })
                .collect();
            runtime.block_on(join_all(texts.iter().map(|text| submit(&gateway, text))));
        });
    });
    group.finish();
    gateway.store().close();
}

criterion_group!(benches, submissions);
criterion_main!(benches);
