//! An edited version in the place of a message that could not be delivered: a message of its own, linked to the first.

use crate::domain::{
    Content, DeliveryState, MessageId, MessageRecord, MessageState, Refusal, ServerKey,
};
use crate::gateway::order;
use crate::gateway::submit::{control_id, digest_of, message_type};
use crate::hl7::{Header, Message, MessageKind};
use crate::store::{Acceptance, Accepted, Action, NewDelivery, Part, Store, StoreError};

/// Puts `text` in the place of a message that waits or stands in review, and queues it; gives its identifier. Sender, Site
/// and registry stay the same; the first message stays as it was received.
///
/// # Errors
/// When the text is not one VXU with a control ID, or the message has come to its end already.
pub async fn resend_edited(
    store: &Store,
    key: &ServerKey,
    old: MessageId,
    text: &str,
    by: Action,
) -> Result<MessageId, StoreError> {
    let refused = |why: &str| StoreError::from(Refusal(why.to_owned()));
    let message = Message::parse(text.as_bytes())
        .map_err(|error| refused(&format!("the edited text is not one message: {error}")))?;
    let header = Header::of(&message);
    if header.kind() != Some(MessageKind::VxuV04) || !header.control_id.is_valued() {
        return Err(refused("the edited text is not a VXU^V04 with a control ID (MSH-10)"));
    }
    let (known, _, delivery) = store.message_by_id(old).await?;
    let delivery = delivery
        .filter(|one| matches!(one.state, DeliveryState::Queued | DeliveryState::Review))
        .ok_or_else(|| refused("only a message that waits or needs review can be replaced"))?;
    let place = (delivery.region, delivery.environment);
    let now = by.by.at;
    store.begin_process(now).await?;
    let id = store.next_message_id(now);
    let acceptance = Acceptance {
        revision: store.directory().revision,
        record: MessageRecord {
            id,
            received_at: now,
            control_id: control_id(&header),
            message_type: message_type(&header),
            size: i64::try_from(text.len()).unwrap_or(i64::MAX),
            state: MessageState::Accepted,
            ack_code: String::new(),
            diagnostics: 0,
            replaces: Some(old),
            ..known.clone()
        },
        diagnostics: vec![],
        // The key stays with what the sender sent: sent again, that is still answered as before.
        submission_key: None,
        body_digest: digest_of(message.body()),
        body: store.vault().seal(id, Part::Body, text.as_bytes())?,
        reply: None,
        delivery: Some(NewDelivery {
            region: delivery.region,
            environment: delivery.environment,
            lease_owner: None,
            next_attempt_at: now,
            order_key: order::patient(&message)
                .and_then(|patient| order::order_key(key, &known.sender, place, &patient)),
        }),
        closed: false,
        replacing: Some(by),
        content: Content::default(),
        conflict_after: now,
    };
    match store.message_accept(acceptance).await? {
        Accepted::Stored { .. } => Ok(id),
        _ => Err(StoreError::Overloaded),
    }
}
