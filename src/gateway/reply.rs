//! From outcome to HL7: the one table of what a sender is told. Source: guide 1.5, Z23; AIRA acknowledgement guidance.

use crate::domain::{Diagnostic, Failure, MessageId, RegionCode, Timestamp, Told};
use crate::gateway::Gateway;
use crate::gateway::submit::{Submission, capped};
use crate::hl7::{
    Ack, AckCode, ErrorCode, ErrorLine, Header, Identity, Location, Message, Query, Severity,
};

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

    /// The Gateway's own answer to a query: RSP by profile Z33, or an ACK when the query cannot be repeated in one.
    pub(super) fn query_refusal(
        &self,
        submission: &Submission<'_, '_>,
        found: &[Diagnostic],
    ) -> String {
        let Submission { id, now, header, message, .. } = *submission;
        query_refusal(&self.settings.identity, (message, header), &id.to_string(), now, found)
    }

    /// AE for a message that was accepted and that its registry will not take, whatever we do.
    pub(super) fn rejected_reply(
        &self,
        header: &Header<'_>,
        id: MessageId,
        now: Timestamp,
        (region, failure): (RegionCode, &Failure),
    ) -> String {
        let text = format!(
            "The registry of {region} did not take the message: {}. It will not be sent again.",
            failure.text
        );
        let found = [Diagnostic::reject(
            "GW-REGISTRY",
            ErrorCode::ApplicationInternalError,
            Location::segment("MSH", 1),
            text,
        )];
        own_ack(&self.settings.identity, header, &id.to_string(), now, &found, None)
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

/// The Gateway's own answer to a query, from one who only asks, too.
pub(super) fn query_refusal(
    identity: &Identity,
    (message, header): (&Message<'_>, &Header<'_>),
    control_id: &str,
    now: Timestamp,
    found: &[Diagnostic],
) -> String {
    let told = Told::of(found);
    let ack = Ack {
        request: Some(header),
        code: told.code(),
        lines: &told.lines(),
        control_id,
        now: now.utc().fixed_offset(),
        identity,
    };
    // Who sends something that is not processed at all need not understand an RSP.
    let query = Query::of(message).filter(|_| told.code() != AckCode::AR);
    query.map_or_else(|| ack.to_message(), |query| query.refusal(&ack))
}

fn own_ack(
    identity: &Identity,
    header: &Header<'_>,
    control_id: &str,
    now: Timestamp,
    found: &[Diagnostic],
    region: Option<RegionCode>,
) -> String {
    let told = Told::of(found);
    let mut lines = told.lines();
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
        code: told.code(),
        lines: &lines,
        control_id,
        now: now.utc().fixed_offset(),
        identity,
    }
    .to_message()
}
