//! One attempt to deliver one message: send, read the answer, settle. Nothing of the store is held open over the network.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::backends::RegistryReply;
use crate::domain::{
    Environment, Failure, FailureClass, MessageId, NextStep, RegionCode, Timestamp, Tried,
};
use crate::gateway::Gateway;
use crate::hl7::{Header, Message};
use crate::store::{AttemptEnd, Claim, Part, Settlement, StoreError};

/// How often a settlement is tried.
const SETTLE_TRIES: u32 = 8;

/// Between two tries.
const SETTLE_PAUSE: Duration = Duration::from_secs(2);

/// One attempt to deliver one message.
pub(super) struct Attempt {
    pub(super) message: MessageId,
    pub(super) region: RegionCode,
    pub(super) environment: Environment,
    pub(super) attempts: i64,
    /// Attempts before this one whose outcome is unknown.
    pub(super) doubtful: i64,
    pub(super) held_since: Timestamp,
    /// The HL7 text as received.
    pub(super) body: Vec<u8>,
}

/// What an attempt means for a sender who waits for it.
pub(super) enum Delivered {
    /// The registry's answer.
    Answered(RegistryReply),
    /// The registry will not take the message whatever we do: our reply that says so.
    Rejected(String),
    /// Nothing yet; the message stays in the queue or waits for an operator.
    Pending,
}

impl From<Claim> for Attempt {
    fn from(claim: Claim) -> Self {
        let Claim { message, region, environment, attempts, doubtful, held_since, body } = claim;
        Self { message, region, environment, attempts, doubtful, held_since, body }
    }
}

impl Gateway {
    /// Delivers at once and waits for the registry's reply, at most as long as the relay deadline. The attempt itself goes
    /// on after that and settles by itself.
    pub(super) async fn relay(&self, attempt: Attempt, place: OwnedSemaphorePermit) -> Delivered {
        let Some(gateway) = self.itself() else { return Delivered::Pending };
        let sending = async move {
            let delivered = gateway.deliver(attempt).await;
            drop(place);
            delivered
        };
        let sending = self.deliveries.spawn_on(sending, &self.runtime);
        match tokio::time::timeout(self.settings.relay_deadline, sending).await {
            Ok(Ok(delivered)) => delivered,
            // Late, or the attempt broke down: the message is durable and its delivery stays in the queue.
            Ok(Err(_)) | Err(_) => Delivered::Pending,
        }
    }

    /// Sends one message and records what came of it.
    pub(super) async fn deliver(&self, attempt: Attempt) -> Delivered {
        let (sent, result) = self.send(&attempt).await;
        match result {
            Ok(reply) => {
                self.settle(&attempt, sent, Ok(&reply)).await;
                Delivered::Answered(reply)
            }
            Err(failure) => {
                tracing::warn!(
                    message.id = %attempt.message, delivery.region = %attempt.region,
                    delivery.environment = %attempt.environment, delivery.attempts = attempt.attempts,
                    delivery.class = failure.class.word(),
                    "delivery of {} to {} failed: {failure}", attempt.message, attempt.region
                );
                let rejection = (failure.class == FailureClass::Sender)
                    .then(|| self.rejection(&attempt, &failure));
                self.settle(&attempt, sent, Err((&failure, rejection.as_deref()))).await;
                rejection.map_or(Delivered::Pending, Delivered::Rejected)
            }
        }
    }

    /// Sends as the destination wants it; gives what was sent where that is not the message as received.
    async fn send(&self, attempt: &Attempt) -> (Option<String>, Result<RegistryReply, Failure>) {
        let Attempt { region, environment, .. } = *attempt;
        if attempt.doubtful >= self.settings.retry.doubtful {
            // Each of its attempts ended with the process that made it, so it is not tried once more.
            let text = "its attempts ended without a word";
            return (None, Err(Failure::new(FailureClass::Poison, text)));
        }
        let parsed = Message::parse(&attempt.body);
        let Some(text) = parsed.ok().and_then(|one| std::str::from_utf8(one.body()).ok()) else {
            let text = "the stored message cannot be read";
            return (None, Err(Failure::new(FailureClass::Poison, text)));
        };
        let backends = self.backends();
        match backends.outgoing(region, environment, text) {
            Ok(outgoing) => {
                let result = backends.send(region, environment, &outgoing).await;
                let changed = (*outgoing != *text).then(|| outgoing.into_owned());
                (changed, result)
            }
            Err(failure) => (None, Err(failure)),
        }
    }

    /// Records what came of an attempt; tries again while the store is out of reach, as long as the lease may last.
    async fn settle(
        &self,
        attempt: &Attempt,
        sent: Option<String>,
        result: Result<&RegistryReply, (&Failure, Option<&str>)>,
    ) {
        let message = attempt.message;
        let next = result.err().map(|(failure, _)| self.next_step(attempt, failure));
        for again in 0..SETTLE_TRIES {
            let settlement = self.settlement(attempt, sent.as_deref(), result, next);
            match self.store.delivery_settle(settlement).await {
                Ok(true) => {
                    self.backlog.settled((attempt.region, attempt.environment), next);
                    return;
                }
                Ok(false) => {
                    tracing::warn!(message.id = %message, "{message} had been settled, or taken over, by another");
                    return;
                }
                Err(error) if again + 1 == SETTLE_TRIES => {
                    // The registry may have the message, and the lease will end: it will be delivered once more.
                    tracing::error!(message.id = %message, "delivery of {message} was not settled: {error}");
                }
                Err(_) => tokio::time::sleep(SETTLE_PAUSE).await,
            }
        }
    }

    fn next_step(&self, attempt: &Attempt, failure: &Failure) -> NextStep {
        let held = Timestamp::now().seconds_since(attempt.held_since);
        let tried = Tried {
            attempts: attempt.attempts,
            doubtful: attempt.doubtful + i64::from(failure.class == FailureClass::Ambiguous),
            held: Duration::from_secs(held),
        };
        let next = self.settings.retry.next(failure, tried, rand::random());
        if let NextStep::Review(class) = next {
            metrics::counter!("gateway_deliveries_parked_total", "destination" => attempt.region.as_str(), "mode" => attempt.environment.word(), "class" => class.word()).increment(1);
            tracing::error!(
                message.id = %attempt.message, delivery.region = %attempt.region,
                "{} waits for review ({}): {}", attempt.message, class.word(), failure.text
            );
        }
        next
    }

    fn settlement(
        &self,
        attempt: &Attempt,
        sent: Option<&str>,
        result: Result<&RegistryReply, (&Failure, Option<&str>)>,
        next: Option<NextStep>,
    ) -> Settlement {
        let seal = |part, text: &str| {
            let sealed: Result<Vec<u8>, StoreError> =
                self.store.vault().seal(attempt.message, part, text.as_bytes());
            sealed.ok()
        };
        let (end, reply) = match result {
            Ok(reply) => {
                let answer =
                    reply.has_answer().then_some((reply.text.as_str(), reply.ack_code.as_str()));
                (AttemptEnd::Answered(reply.taken), answer)
            }
            Err((failure, rejection)) => {
                let (error, class) = (failure.text.clone(), failure.class);
                let next = next.unwrap_or(NextStep::Review(class));
                (AttemptEnd::Failed { error, class, next }, rejection.map(|text| (text, "AE")))
            }
        };
        let reply =
            reply.and_then(|(text, code)| Some((seal(Part::Reply, text)?, code.to_owned())));
        Settlement {
            message: attempt.message,
            region: attempt.region,
            environment: attempt.environment,
            owner: self.settings.node.clone(),
            attempts: attempt.attempts,
            end,
            reply,
            sent: sent.and_then(|text| seal(Part::Sent, text)),
            breaker: self.settings.breaker,
            now: Timestamp::now(),
        }
    }

    /// Our AE for a message that its registry will not take.
    fn rejection(&self, attempt: &Attempt, failure: &Failure) -> String {
        let Ok(message) = Message::parse(&attempt.body) else { return String::new() };
        self.rejected_reply(
            &Header::of(&message),
            attempt.message,
            Timestamp::now(),
            (attempt.region, failure),
        )
    }
}
