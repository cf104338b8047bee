//! From outcome to HL7: the one table of what a sender is told. Source: guide 1.5, Z23; AIRA acknowledgement guidance.

use std::borrow::Cow;

use crate::domain::{Diagnostic, MessageId, RegionCode, Timestamp};
use crate::gateway::Gateway;
use crate::gateway::submit::capped;
use crate::hl7::{Ack, AckCode, ErrorCode, ErrorLine, Header, Identity, Severity};

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
        own_ack(&self.settings.identity, header, &id.to_string(), now, found, region)
    }
}

/// The ACK that the Gateway would give for these findings, from one who only asks: nothing is sent, so it says that the
/// message is queued only when a region is named.
pub fn ack_preview(
    identity: &Identity,
    header: &Header<'_>,
    control_id: &str,
    now: Timestamp,
    found: Vec<Diagnostic>,
    region: Option<RegionCode>,
) -> String {
    let found = capped(found);
    let region = region.filter(|_| !found.iter().any(Diagnostic::stops));
    own_ack(identity, header, control_id, now, &found, region)
}

fn own_ack(
    identity: &Identity,
    header: &Header<'_>,
    control_id: &str,
    now: Timestamp,
    found: &[Diagnostic],
    region: Option<RegionCode>,
) -> String {
    let texts = texts(found);
    let mut lines = lines(found, &texts);
    let queued = region.map(|region| {
        format!("Message accepted by the Gateway and queued for {region}. Do not send it again.")
    });
    lines.extend(queued.as_deref().map(|text| ErrorLine {
        location: None,
        code: ErrorCode::MessageAccepted,
        severity: Severity::I,
        application: None,
        diagnostic: None,
        text,
    }));
    Ack {
        request: Some(header),
        code: ack_code(found),
        lines: &lines,
        control_id,
        now: now.utc().fixed_offset(),
        identity,
    }
    .to_message()
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
