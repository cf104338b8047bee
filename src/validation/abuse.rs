//! Messages that nobody sends by accident: whatever the bytes, judging ends, and what it says fits into an ACK.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use crate::domain::{Diagnostic, Timestamp};
use crate::hl7::{Header, Message};
use crate::validation::{Codes, Example, Policy, Strictness, Validator};

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| Validator::new(Arc::clone(Codes::built_in())));

fn judged(bytes: &[u8], strictness: Strictness) -> Vec<Diagnostic> {
    let Ok(message) = Message::parse(bytes) else { return vec![] };
    let policy = Policy::new(strictness, ["cair"], &[]).unwrap();
    VALIDATOR.check(&message, &Header::of(&message), &policy, Timestamp::now())
}

fn fits_into_an_ack(bytes: &[u8], found: &[Diagnostic]) {
    for one in found {
        assert!(one.told().chars().count() <= 250, "{}: {}", one.rule, one.told());
        let span = one.span.clone().unwrap_or_default();
        assert!(span.start <= span.end && span.end <= bytes.len(), "{} {span:?}", one.rule);
        assert!(!one.told().contains(['\r', '\n']), "{}", one.rule);
    }
}

/// The example with something put behind its last segment.
fn with(tail: &str) -> String {
    format!("{}{tail}", Example::Vxu.message())
}

#[test]
fn very_many_of_anything_come_to_an_end() {
    let long = "x".repeat(60_000);
    let repetitions = "A^B^C&D~".repeat(10_000);
    let cases = [
        with(&"ORC|RE\r".repeat(9_000)),
        with(&"RXA|0|1\r".repeat(9_000)),
        with(&"RXA|0|1|20260301||998\rORC|RE\r".repeat(4_500)),
        with(&"ORC|RE\rRXA|0|1|20260301||20^x^CVX|999\r".repeat(4_500)),
        with(&"OBX|1|CE|64994-7^x^LN|1|V99\r".repeat(9_000)),
        with(&"NK1|1\r".repeat(9_000)),
        with(&"PID|1\r".repeat(9_000)),
        with(&"ZZZ|1\r".repeat(9_000)),
        with(&"x\r".repeat(9_000)),
        with(&format!("NK1|1|{repetitions}\r")),
        with(&format!("NK1|1|{long}^{long}&{long}\r")),
        with(&format!("OBX|1|{}|\r", "^".repeat(60_000))),
        with(&format!("NK1|{}\r", "|".repeat(60_000))),
        Example::Vxu.message().replace("INV-1001", &long),
        Example::Vxu.message().replace("|INV-1001", &format!("|{repetitions}INV-1001")),
    ];
    for case in &cases {
        for strictness in [Strictness::Onboarding, Strictness::Production] {
            let found = judged(case.as_bytes(), strictness);
            assert!(found.len() <= 30_000, "{}", found.len());
            fits_into_an_ack(case.as_bytes(), &found);
        }
    }
}

#[test]
fn however_much_there_is_to_remark_a_patient_without_birth_date_is_not_accepted() {
    let without = Example::Vxu.message().replace("|20250115|F", "||F");
    for noise in ["ZZZ|1\r", "NK1|1\r", "x\r", "OBX|1|CE|64994-7^x^LN|1|V99\r"] {
        let before = without.replacen("PID|", &format!("{}PID|", noise.repeat(3_000)), 1);
        let after = format!("{without}{}", noise.repeat(3_000));
        for message in [before, after] {
            let found = judged(message.as_bytes(), Strictness::Production);
            assert!(found.iter().any(Diagnostic::stops), "{noise}");
        }
    }
}

/// Pieces of messages, good and bad, in any order.
fn piece() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(String::new()),
        Just("\"\"".to_owned()),
        Just("20260301".to_owned()),
        Just("00^New^NIP001".to_owned()),
        Just("20^DTaP^CVX".to_owned()),
        Just("V01^x^HL70064".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,6}",
        "[\\^~&\\\\]{1,6}",
    ];
    let name = prop_oneof![
        4 => prop::sample::select(vec!["PID", "PD1", "NK1", "ORC", "RXA", "RXR", "OBX", "NTE", "IN1", "PV1", "TQ1"]),
        1 => prop::sample::select(vec!["ZPD", "pid", "", "MSA", "DSC"]),
    ];
    (name, prop::collection::vec(value, 0..24))
        .prop_map(|(name, values)| format!("{name}|{}\r", values.join("|")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_of_any_segments_is_judged(
        pieces in prop::collection::vec(piece(), 0..40),
        swap in any::<prop::sample::Index>(),
    ) {
        let example = Example::Vxu.message();
        let mut segments: Vec<&str> = example.split_inclusive('\r').collect();
        let at = 1 + swap.index(segments.len());
        segments.splice(at.min(segments.len()).., pieces.iter().map(String::as_str));
        let text = segments.concat();
        for strictness in [Strictness::Onboarding, Strictness::Production] {
            let found = judged(text.as_bytes(), strictness);
            fits_into_an_ack(text.as_bytes(), &found);
        }
    }

    #[test]
    fn any_bytes_in_any_place_are_judged(
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        example in prop::sample::select(Example::ALL.to_vec()),
    ) {
        let mut message = example.message().into_bytes();
        let at = place.index(message.len());
        message.splice(at..(at + bytes.len() / 2).min(message.len()), bytes);
        let found = judged(&message, Strictness::Onboarding);
        fits_into_an_ack(&message, &found);
    }
}
