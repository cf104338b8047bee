//! Queries (QBP): asked of the responsible Site's registry while the sender waits, never queued, never repeated. The
//! registry's answer is passed on unchanged. A registry that cannot be asked is told as an error, never as "no match".

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::domain::{
    Diagnostic, DiagnosticRecord, Failure, FailureClass, MessageId, RegionCode, Timestamp,
};
use crate::gateway::Gateway;
use crate::gateway::submit::{Submission, capped};
use crate::hl7::{ErrorCode, Header, Location, Message, Reply};
use crate::store::{Place, QueryEnd};

/// What came of a question.
pub(super) struct Asked {
    /// The registry's answer, or ours that says why there is none.
    pub(super) reply: String,
    /// MSA-1 of it.
    pub(super) ack_code: String,
    /// Whether it is the registry's.
    pub(super) answered: bool,
}

impl Gateway {
    /// Asks a registry, and records what came of it without making the sender wait.
    pub(super) async fn ask(&self, place: Place, submission: &Submission<'_, '_>) -> Asked {
        let room = self.room(place, submission.now);
        let asked_at_all = room.is_ok();
        let result = match room {
            Ok(_held) => self.answer_of(place, submission).await,
            Err(why) => Err(Failure::new(FailureClass::Transient, why)),
        };
        let class = result.as_ref().map_or_else(|failure| failure.class.word(), |_reply| "ok");
        metrics::counter!("gateway_queries_total", "destination" => place.0.as_str(), "mode" => place.1.word(), "class" => class).increment(1);
        let (asked, found, failure) = match result {
            Ok(reply) => {
                let code = Reply::read(reply.as_bytes());
                let ack_code = code.map_or("", |reply| reply.code().code()).to_owned();
                let found = self.judge_answer(&reply, place, submission.now);
                (Asked { reply, ack_code, answered: true }, found, None)
            }
            Err(failure) => {
                tracing::warn!(
                    message.id = %submission.id, delivery.region = %place.0, delivery.environment = %place.1,
                    delivery.class = failure.class.word(), "query {} had no answer: {failure}", submission.id
                );
                let reply = self.unanswered(submission, place.0, &failure);
                let asked = Asked { reply, ack_code: "AE".to_owned(), answered: false };
                (asked, vec![], Some(failure))
            }
        };
        let end = QueryEnd {
            ack_code: asked.ack_code.clone(),
            found: found.iter().map(of_the_answer).collect(),
            place,
            failure,
            asked: asked_at_all,
            breaker: self.settings.breaker,
            now: Timestamp::now(),
        };
        self.record_answer(submission.id, end);
        asked
    }

    /// A place for one call, unless the registry is stopped or too many calls wait for it.
    fn room(&self, place: Place, now: Timestamp) -> Result<OwnedSemaphorePermit, &'static str> {
        if let Some(why) = self.store.directory().stopped(place, now) {
            return Err(why.word());
        }
        let room = self.relays.get(&place).map(Arc::clone);
        room.and_then(|room| room.try_acquire_owned().ok()).ok_or("too many calls wait for it")
    }

    async fn answer_of(
        &self,
        place: Place,
        submission: &Submission<'_, '_>,
    ) -> Result<String, Failure> {
        let (region, environment) = place;
        let text = std::str::from_utf8(submission.message.body()).unwrap_or(submission.text);
        let backends = self.backends();
        let outgoing = backends.outgoing(region, environment, text)?;
        let asking = backends.query(region, environment, &outgoing);
        timeout(self.settings.relay_deadline, asking)
            .await
            .unwrap_or_else(|_late| Err(Failure::new(FailureClass::Ambiguous, "no answer in time")))
    }

    /// What is wrong with a registry's answer by its profile: told to operators, never a reason to withhold it.
    fn judge_answer(
        &self,
        reply: &str,
        (region, environment): Place,
        now: Timestamp,
    ) -> Vec<Diagnostic> {
        let Ok(message) = Message::parse(reply.as_bytes()) else { return vec![] };
        let header = Header::of(&message);
        let policy = self.settings.policies.of(environment, Some(region));
        let found = self.settings.validator.check(&message, &header, policy, now);
        for one in &found {
            metrics::counter!("gateway_registry_answer_findings_total", "destination" => region.as_str(), "mode" => environment.word(), "rule" => one.rule).increment(1);
        }
        capped(found)
    }

    fn record_answer(&self, id: MessageId, end: QueryEnd) {
        let store = Arc::clone(&self.store);
        self.deliveries.spawn_on(
            async move {
                if let Err(error) = store.query_settled(id, end).await {
                    tracing::warn!(message.id = %id, "the end of query {id} was not recorded: {error}");
                }
            },
            &self.runtime,
        );
    }

    /// Our answer in place of the registry's.
    fn unanswered(
        &self,
        submission: &Submission<'_, '_>,
        region: RegionCode,
        failure: &Failure,
    ) -> String {
        let text = format!(
            "The registry of {region} did not answer ({}). This says nothing about the patient. Ask again later.",
            failure.text
        );
        let at = Location::segment("MSH", 1);
        let found = [Diagnostic::reject("GW-QUERY", ErrorCode::ApplicationInternalError, at, text)];
        self.query_refusal(submission, &found)
    }
}

/// A finding about the answer, told apart from those about the query.
fn of_the_answer(found: &Diagnostic) -> DiagnosticRecord {
    let record = found.record();
    DiagnosticRecord { text: format!("In the registry's answer: {}", record.text), ..record }
}
