//! The segments that a VXU cannot do without. Source: guide 1.5, `VXU_V04` (Z22) grammar.

use crate::domain::Diagnostic;
use crate::hl7::{ErrorCode, Location, Message};

pub(super) fn check(message: &Message<'_>) -> Vec<Diagnostic> {
    patient(message).into_iter().chain(order_groups(message)).collect()
}

/// One PID, the patient whom all is about.
fn patient(message: &Message<'_>) -> Option<Diagnostic> {
    let reject = |sequence, text: &'static str| {
        Some(Diagnostic::reject(
            "GW-PID",
            ErrorCode::SegmentSequenceError,
            Location::segment("PID", sequence),
            text,
        ))
    };
    match message.segments_named("PID").count() {
        0 => reject(
            1,
            "The PID segment is missing. The message was not accepted. A VXU needs one PID after MSH.",
        ),
        1 => None,
        _ => reject(
            2,
            "There is more than one PID segment. The message was not accepted. Send one patient in each message.",
        ),
    }
}

/// An order group begins with ORC and has exactly one RXA, in this order.
fn order_groups(message: &Message<'_>) -> Vec<Diagnostic> {
    let mut found = vec![];
    let mut open: Option<Location> = None;
    for segment in message.segments() {
        match segment.name() {
            b"ORC" => {
                found.extend(open.map(without_rxa));
                open = Some(segment.location());
            }
            b"RXA" if open.take().is_none() => found.push(without_orc(segment.location())),
            _ => {}
        }
    }
    found.extend(open.map(without_rxa));
    found
}

fn without_rxa(orc: Location) -> Diagnostic {
    Diagnostic::reject(
        "GW-ORDER",
        ErrorCode::SegmentSequenceError,
        orc,
        "No RXA follows this ORC. The message was not accepted. Each ORC needs the RXA of its immunization after it.",
    )
}

fn without_orc(rxa: Location) -> Diagnostic {
    Diagnostic::reject(
        "GW-ORDER",
        ErrorCode::SegmentSequenceError,
        rxa,
        "This RXA has no ORC before it. The message was not accepted. Each immunization needs an ORC and then its RXA.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(segments: &str) -> Vec<(&'static str, String)> {
        let text = format!("MSH|^~\\&|A\r{segments}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let found = check(&message);
        found.iter().map(|one| (one.rule, one.location.unwrap().human().to_string())).collect()
    }

    #[test]
    fn a_patient_without_orders_and_complete_groups_pass() {
        assert_eq!(rules("PID|1\r"), []);
        assert_eq!(rules("PID|1\rORC|RE\rRXA|0\rRXR|\rOBX|1\rORC|RE\rRXA|0\r"), []);
    }

    #[test]
    fn each_broken_group_is_named_once() {
        assert_eq!(rules("PID|1\rRXA|0\rORC|RE\rORC|RE\rRXA|0\rRXA|0\rORC|RE\r").len(), 4);
    }

    #[test]
    fn a_message_without_patient_is_rejected() {
        assert_eq!(rules("ORC|RE\rRXA|0\r"), [("GW-PID", "PID".to_owned())]);
        assert_eq!(rules("PID|1\rPID|2\r").len(), 1);
    }
}
