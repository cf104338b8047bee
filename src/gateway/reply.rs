//! From outcome to HL7: the one table of what a sender is told. Source: guide 1.5, Z23; AIRA acknowledgement guidance.

use std::borrow::Cow;

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
        if let Some(region) = region {
            return self.queued(header, id, now, found, region);
        }
        let texts = texts(found);
        self.ack(header, ack_code(found), &lines(found, &texts), id, now)
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
        let texts = texts(found);
        let mut lines = lines(found, &texts);
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

/// The texts of the ERR segments: ERR-7 for developers, ERR-8 for people.
fn texts(found: &[Diagnostic]) -> Vec<(String, Cow<'_, str>)> {
    let place = |one: &Diagnostic| match &one.span {
        Some(span) => format!("{} bytes {}-{}", one.rule, span.start, span.end),
        None => one.rule.to_owned(),
    };
    found.iter().map(|one| (place(one), one.told())).collect()
}

fn lines<'a>(found: &[Diagnostic], texts: &'a [(String, Cow<'a, str>)]) -> Vec<ErrorLine<'a>> {
    let lines = found.iter().zip(texts);
    lines
        .map(|(one, (place, told))| ErrorLine {
            location: one.location,
            code: one.code,
            severity: one.severity,
            application: one.application,
            diagnostic: Some(place),
            text: told,
        })
        .collect()
}
