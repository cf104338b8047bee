//! Any bytes as a submitted message: what parses is written back unchanged, and what is found lies inside the message
//! and fits into an ACK.
#![no_main]

use std::sync::{Arc, LazyLock};

use chrono::DateTime;
use izportal::domain::{Diagnostic, Environment, Timestamp};
use izportal::hl7::{Header, Message};
use izportal::validation::{Codes, Policy, ProcessingRules, Strictness, Validator, check_header};
use libfuzzer_sys::fuzz_target;

/// What one run needs and all runs share; the date is fixed so that a crash can be repeated.
struct Bench {
    validator: Validator,
    policies: [Policy; 2],
    rules: ProcessingRules,
    now: Timestamp,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| Bench {
    validator: Validator::new(Arc::clone(Codes::built_in())),
    policies: [Strictness::Onboarding, Strictness::Production]
        .map(|strictness| Policy::new(strictness, ["cair"], &[]).unwrap()),
    rules: ProcessingRules::default(),
    now: Timestamp::from(DateTime::from_timestamp(1_772_395_200, 0).unwrap()),
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(message.to_bytes() == bytes, "what was parsed is not written back");

    let Bench { validator, policies, rules, now } = &*BENCH;
    let header = Header::of(&message);
    for environment in Environment::ALL {
        fits(bytes, &check_header(&message, &header, *environment, rules));
    }
    for policy in policies {
        fits(bytes, &validator.check(&message, &header, policy, *now));
    }
});

/// Every finding lies inside the message, and its text is one ERR-8.
fn fits(bytes: &[u8], found: &[Diagnostic]) {
    for one in found {
        let told = one.told();
        assert!(told.chars().count() <= 250, "{}: {told}", one.rule);
        assert!(!told.contains(['\r', '\n']), "{}: {told:?}", one.rule);
        if let Some(span) = &one.span {
            assert!(bytes.get(span.clone()).is_some(), "{}: {span:?}", one.rule);
        }
    }
}
