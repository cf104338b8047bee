//! A whole submission without network: credentials, parse, rules, route, seal, group commit on SQLite `FULL`, ACK.
//!
//! 64 submissions are under way at one time, as 64 connections would have it; the figure is the time of all 64.
#![expect(clippy::unwrap_used, reason = "a bench may stop")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use izportal::app::{Base, gateway_settings};
use izportal::backends::Backends;
use izportal::config::Config;
use izportal::domain::{Environment, SiteKind, SiteStatus, Timestamp};
use izportal::gateway::{CREDENTIAL_PURPOSE, Call, Gateway};
use izportal::store::{NewCredential, NewSite};

const PASSWORD: &str = "4rr36r2spa9wc87mx5ccybhdegw195ag7pnwpxst";

async fn gateway(config: &Config) -> Arc<Gateway> {
    let base = Base::open(config, true).await.unwrap();
    let now = Timestamp::now();
    let organization = base.store.organization_create("Bench".to_owned(), now).await.unwrap().id;
    let site = NewSite {
        id: Some("DE-000001".parse().unwrap()),
        organization,
        name: "Bench".to_owned(),
        kind: SiteKind::Direct,
        clinical: true,
        county: Some("06001".to_owned()),
        region: Some("CAIRBA".parse().unwrap()),
        status: SiteStatus::Testing,
    };
    base.store.site_create(site, now).await.unwrap();
    let credential = NewCredential {
        site: "DE-000001".parse().unwrap(),
        environment: Environment::Test,
        username: "DE-000001-T".to_owned(),
        facility_id: "DE-000001".to_owned(),
        secret: base.key.hash(CREDENTIAL_PURPOSE, PASSWORD),
        expires_at: None,
    };
    base.store.credential_issue(credential, now).await.unwrap();
    base.store.directory_refresh().await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    Gateway::new(base.store, Backends::default(), base.key, gateway_settings(config), runtime)
}

async fn submit(gateway: &Gateway, text: &str) {
    let call = Call {
        username: Some("DE-000001-T"),
        password: Some(PASSWORD),
        facility_id: Some("DE-000001"),
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
