//! Checking a credential: the keyed hash and both comparisons. Must stay under 5 us.
#![expect(clippy::unwrap_used, reason = "a bench may stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use izportal::domain::CREDENTIAL_PURPOSE;
use izportal::domain::{
    Credential, CredentialId, CredentialState, Environment, ServerKey, Timestamp,
};

fn credential(criterion: &mut Criterion) {
    let key = ServerKey::new(&[7; 32]);
    let now = Timestamp::now();
    let secret = "4rr36r2spa9wc87mx5ccybhdegw195ag7pnwpxst";
    let credential = Credential {
        id: CredentialId(1),
        site: "DE-000001".parse().unwrap(),
        environment: Environment::Test,
        username: "DE-000001-T".to_owned(),
        facility_id: "DE-000001".to_owned(),
        state: CredentialState::Active,
        secret: key.hash(CREDENTIAL_PURPOSE, secret),
        old_secret: Some(key.hash(CREDENTIAL_PURPOSE, "old")),
        old_secret_until: Some(now),
        expires_at: None,
        client_key_pin: None,
        created_at: now,
        last_used_at: None,
        shown_at: None,
    };

    for (name, given) in [
        ("credential, right", secret),
        ("credential, wrong", "4rr36r2spa9wc87mx5ccybhdegw195ag7pnwpxs0"),
    ] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let hash = key.hash(CREDENTIAL_PURPOSE, black_box(given));
                credential.secret_matches(&hash, now) & credential.is_live(now)
            });
        });
    }
}

criterion_group!(benches, credential);
criterion_main!(benches);
