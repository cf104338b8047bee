//! From outcome to HL7: the one table of what a sender is told. Source: guide 1.5, Z23; AIRA acknowledgement guidance.

use crate::domain::{Diagnostic, MessageId, RegionCode, Timestamp};
use crate::gateway::Gateway;
use crate::hl7::{Ack, AckCode, ErrorCode, ErrorLine, Header, Severity};

impl Gateway {
    /// The Gateway's own ACK: with a region the message is durable and on its way, without one it goes no further.
    pub(super) fn own_reply(
        &self,
        header: &Header<'_>,
        id: MessageId,
        now: Timestamp,
        found: &[Diagnostic],
        region: Option<RegionCode>,
    ) -> String {
        match region {
            Some(region) => self.queued(header, id, now, found, region),
            None => self.ack(header, ack_code(found), &lines(found), id, now),
        }
    }

    fn queued(
        &self,
        header: &Header<'_>,
        id: MessageId,
        now: Timestamp,
        found: &[Diagnostic],
        region: RegionCode,
    ) -> String {
        let text = format!(
            "Message accepted by the Gateway and queued for {region}. Do not send it again."
        );
        let mut lines = lines(found);
        lines.push(ErrorLine {
            location: None,
            code: ErrorCode::MessageAccepted,
            severity: Severity::I,
            application: None,
            diagnostic: None,
            text: &text,
        });
        self.ack(header, ack_code(found), &lines, id, now)
    }

    fn ack(
        &self,
        header: &Header<'_>,
        code: AckCode,
        lines: &[ErrorLine<'_>],
        id: MessageId,
        now: Timestamp,
    ) -> String {
        let control_id = id.to_string();
        Ack {
            request: Some(header),
            code,
            lines,
            control_id: &control_id,
            now: now.utc().fixed_offset(),
            identity: &self.settings.identity,
        }
        .to_message()
    }
}

/// MSA-1: AR when the message was not processed, AE with any E or W, else AA.
pub(super) fn ack_code(found: &[Diagnostic]) -> AckCode {
    if found.iter().any(Diagnostic::refuses) {
        AckCode::AR
    } else if found.iter().any(|one| matches!(one.severity, Severity::E | Severity::W)) {
        AckCode::AE
    } else {
        AckCode::AA
    }
}

fn lines(found: &[Diagnostic]) -> Vec<ErrorLine<'_>> {
    found
        .iter()
        .map(|one| ErrorLine {
            location: one.location,
            code: one.code,
            severity: one.severity,
            application: one.application,
            diagnostic: Some(one.rule),
            text: &one.text,
        })
        .collect()
}
