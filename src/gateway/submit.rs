//! The spine: one submitSingleMessage from the call to the reply, one line for each step of the walk.

use std::fmt;
use std::net::IpAddr;

use ring::digest;
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::{
    ClientKeyPin, Content, Diagnostic, Environment, MessageId, MessageRecord, MessageState,
    RegionCode, SiteId, Timestamp, ack_code,
};
use crate::gateway::authenticate::{AuthenticatedSender, Part as CredentialPart, Presented};
use crate::gateway::deliver::{Attempt, Delivered};
use crate::gateway::order;
use crate::gateway::route::{Route, route};
use crate::gateway::{Gateway, LEASE_MARGIN};
use crate::hl7::{
    ApplicationError, ErrorCode, Header, Location, Message, MessageKind, ParseError, Reply,
};
use crate::store::{Acceptance, Accepted, Directory, NewDelivery, Part, Place, StoreError};
use crate::validation;

/// How often a submission is judged anew because a credential, Site or link changed under it.
const JUDGEMENTS: usize = 8;

/// Findings told and kept of one message.
const FINDINGS: usize = 100;

/// Longest MSH-10 that is remembered. Source: guide 1.5, MSH-10.
const CONTROL_ID_LENGTH: usize = 199;

/// One call of submitSingleMessage, as the edge read it.
pub struct Call<'a> {
    /// `username`, absent when not given.
    pub username: Option<&'a str>,
    /// `password`, absent when not given.
    pub password: Option<&'a str>,
    /// `facilityID`, absent when not given.
    pub facility_id: Option<&'a str>,
    /// `hl7Message`, absent when not given.
    pub hl7: Option<&'a str>,
    /// Public key of the client certificate, when one was shown and verified.
    pub client_key: Option<ClientKeyPin>,
    /// Where the call came from.
    pub address: IpAddr,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} bytes of HL7)", self.hl7.map_or(0, str::len))
    }
}

/// Why a call has no HL7 reply. Everything else is answered with an ACK.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// hl7Message is a batch.
    #[error("the text is a batch")]
    Batch,
    /// A part of the credentials is absent or blank.
    #[error("credentials are missing")]
    CredentialsMissing(CredentialPart),
    /// The credentials open nothing; no more is said.
    #[error("credentials refused")]
    CredentialsRefused {
        /// Whether the caller has failed so often that it was answered late.
        throttled: bool,
    },
    /// hl7Message is absent, nil or blank.
    #[error("there is no message")]
    MessageMissing,
    /// hl7Message does not begin with MSH.
    #[error("the text does not begin with MSH")]
    NoHeader,
    /// hl7Message holds more than one message.
    #[error("the text holds several messages")]
    SeveralMessages,
    /// hl7Message is longer than the limit or has too many segments.
    #[error("the message is too large")]
    TooLarge {
        /// The limit, in characters.
        limit: usize,
    },
    /// So much waits for the region, or its queue is closed, that the message was not accepted.
    #[error("the queue of the region takes no more")]
    QueueClosed,
    /// The message could not be made durable, so it was not accepted.
    #[error("the message was not stored")]
    NotStored(#[source] StoreError),
}

/// How a submission ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The Gateway's own ACK: durable, on its way.
    Queued,
    /// The Gateway's own ACK: not kept.
    Refused,
    /// The registry's ACK.
    Relayed,
    /// The reply of an earlier, equal submission.
    Repeated,
    /// The Gateway's own answer to a query that no registry answered.
    Unanswered,
}

impl Outcome {
    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Refused => "refused",
            Self::Relayed => "relayed",
            Self::Repeated => "repeated",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What may be said of a submission outside the store: nothing of the patient.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The sender.
    pub sender: SiteId,
    /// Environment of its credential.
    pub environment: Environment,
    /// The responsible Site, when there is one.
    pub site: Option<SiteId>,
    /// The region, when there is one.
    pub region: Option<RegionCode>,
    /// MSH-9.1 and MSH-9.2.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSA-1 of the reply.
    pub ack_code: String,
    /// Rules that found something.
    pub rules: Vec<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A submission with its HL7 reply.
pub struct Submitted {
    /// Our identifier of it.
    pub id: MessageId,
    /// The HL7 text for the sender.
    pub reply: String,
    /// What may be logged.
    pub facts: Facts,
}

/// A submission as it was judged: what was found and where it goes.
struct Judged {
    /// The responsible Site and its region, of a message that is refused for its content, too.
    way: Option<Route>,
    /// It goes no further, whatever way it has.
    stopped: bool,
    found: Vec<Diagnostic>,
    /// What the message holds.
    content: Content,
    /// The Gateway's own ACK; what the sender hears unless the registry answers in time.
    own_reply: String,
    /// The place for sending at once; none: the message is queued and its sender hears so.
    relay: Option<OwnedSemaphorePermit>,
    /// Its destination takes no new message.
    closed: bool,
}

impl Judged {
    /// Where it goes; none of a message that is refused.
    fn route(&self) -> Option<&Route> {
        self.way.as_ref().filter(|_| !self.stopped)
    }
}

impl Gateway {
    /// Takes one submission from call to reply.
    ///
    /// # Errors
    /// When no ACK can be given: the call has no valid credentials or no message, or nothing could be stored.
    pub async fn submit_single_message(
        &self,
        id: MessageId,
        call: &Call<'_>,
        now: Timestamp,
    ) -> Result<Submitted, SubmitError> {
        let presented = Presented::of(call)?;
        let mut sender = self.authenticated(&presented, call, now).await?;
        let (text, message) = match self.message(call) {
            Ok(message) => message,
            Err(error) => {
                // Nothing will be accepted that compares revisions, so a revocation elsewhere is looked for here.
                self.store.directory_refresh().await.map_err(SubmitError::NotStored)?;
                self.authenticated(&presented, call, now).await?;
                return Err(error);
            }
        };
        let header = Header::of(&message);
        let (control_id, message_type) = (control_id(&header), message_type(&header));
        let body_digest = digest_of(message.body());
        let patient = order::patient(&message);

        for _ in 0..JUDGEMENTS {
            let directory = self.store.directory();
            let submission = Submission {
                id,
                now,
                sender: &sender,
                text,
                message: &message,
                header: &header,
                control_id: &control_id,
                message_type: &message_type,
                body_digest,
                patient: patient.as_deref(),
            };
            let judged = self.judge(&directory, &submission);
            match self.accept(&submission, &judged, directory.revision).await? {
                Accepted::Stored { behind } => {
                    return Ok(self.answer(&submission, judged, behind).await);
                }
                Accepted::Replay { id: first, reply } => {
                    return Ok(self.repeat(&submission, judged, first, reply));
                }
                Accepted::Conflict { received_at, .. } => {
                    let refused =
                        self.refuse_conflict(&submission, directory.revision, received_at).await?;
                    if let Some(refused) = refused {
                        return Ok(refused);
                    }
                }
                Accepted::Closed => return Err(SubmitError::QueueClosed),
                Accepted::Stale => {}
            }
            self.store.directory_refresh().await.map_err(SubmitError::NotStored)?;
            sender = self.authenticated(&presented, call, now).await?;
        }
        Err(SubmitError::NotStored(StoreError::Overloaded))
    }

    /// The sender; when the directory in memory does not know it, the database is asked before it is refused.
    async fn authenticated(
        &self,
        presented: &Presented<'_>,
        call: &Call<'_>,
        now: Timestamp,
    ) -> Result<AuthenticatedSender, SubmitError> {
        let known = self.store.directory();
        if let Some(sender) = self.authenticate(&known, presented, call, now) {
            return Ok(sender);
        }
        // Whoever refreshed it, this call or another one that came at the same time: a newer directory is asked again.
        self.store.directory_refresh().await.map_err(SubmitError::NotStored)?;
        let fresh = self.store.directory();
        if fresh.revision != known.revision
            && let Some(sender) = self.authenticate(&fresh, presented, call, now)
        {
            return Ok(sender);
        }
        let throttled = self.throttle.failed(call.address, presented.username).await;
        Err(SubmitError::CredentialsRefused { throttled })
    }

    fn message<'a>(&self, call: &Call<'a>) -> Result<(&'a str, Message<'a>), SubmitError> {
        let text =
            call.hl7.filter(|text| !text.trim().is_empty()).ok_or(SubmitError::MessageMissing)?;
        Ok((text, self.parsed(text)?))
    }

    fn parsed<'a>(&self, text: &'a str) -> Result<Message<'a>, SubmitError> {
        let limit = self.settings.longest_message;
        if text.len() > limit && text.chars().nth(limit).is_some() {
            return Err(SubmitError::TooLarge { limit });
        }
        Message::parse(text.as_bytes()).map_err(|error| match error {
            ParseError::Batch => SubmitError::Batch,
            ParseError::NoHeader => SubmitError::NoHeader,
            ParseError::SeveralMessages => SubmitError::SeveralMessages,
            ParseError::TooLarge | ParseError::TooManySegments => SubmitError::TooLarge { limit },
        })
    }

    /// Header, then route, then content by the rules of the region, then the reply that we would give ourselves; a message that is not processed is not routed.
    fn judge(&self, directory: &Directory, submission: &Submission<'_, '_>) -> Judged {
        let Submission { sender, header, message, .. } = *submission;
        let environment = sender.environment();
        let mut found =
            validation::check_header(message, header, environment, &self.settings.processing);
        if found.iter().any(Diagnostic::refuses) {
            return self.judged(directory, submission, None, (found, Content::default()));
        }
        let (way, on_the_way) = route(directory, sender, message, header, self.settings.routing);
        found.extend(on_the_way);
        let policy = self.settings.policies.of(environment, way.as_ref().map(Route::region));
        let examined = self.settings.validator.examine(message, header, policy, submission.now);
        found.extend(examined.found);
        Diagnostic::settle(&mut found);
        self.judged(directory, submission, way, (found, examined.content))
    }

    /// Whether a destination takes no more: operators closed it, or what waits could not be delivered in reasonable time.
    fn is_closed(&self, directory: &Directory, place: Place) -> bool {
        directory.drained(place) || self.backlog.depth(place) >= self.settings.queue_bound
    }

    fn judged(
        &self,
        directory: &Directory,
        submission: &Submission<'_, '_>,
        way: Option<Route>,
        (found, content): (Vec<Diagnostic>, Content),
    ) -> Judged {
        let Submission { id, now, header, .. } = *submission;
        let stopped = found.iter().any(Diagnostic::stops);
        let route = way.as_ref().filter(|_| !stopped);
        let found = capped(found);
        let own_reply = if submission.is_query() {
            self.query_refusal(submission, &found)
        } else {
            self.own_reply(header, id, now, &found, route.map(Route::region))
        };
        let relay = route
            .filter(|_| !submission.is_query())
            .and_then(|route| self.relay_place(directory, route.place(), now));
        let takes = route.filter(|_| !submission.is_query());
        let closed = takes.is_some_and(|route| self.is_closed(directory, route.place()));
        Judged { way, stopped, found, content, own_reply, relay, closed }
    }

    /// Makes the submission durable as judged: with a delivery when it has a way, as a refusal when it has none.
    async fn accept(
        &self,
        submission: &Submission<'_, '_>,
        judged: &Judged,
        revision: i64,
    ) -> Result<Accepted, SubmitError> {
        let acceptance =
            self.acceptance(submission, judged, revision).map_err(SubmitError::NotStored)?;
        self.store.message_accept(acceptance).await.map_err(SubmitError::NotStored)
    }

    fn acceptance(
        &self,
        submission: &Submission<'_, '_>,
        judged: &Judged,
        revision: i64,
    ) -> Result<Acceptance, StoreError> {
        let Submission { id, now, sender, text, control_id, .. } = *submission;
        let asks = judged.route().is_some() && submission.is_query();
        let at_once = judged.relay.is_none() && !asks;
        let taken = judged.route().filter(|_| !asks);
        let delivery = taken.map(|route| self.new_delivery(route, !at_once, submission));
        let vault = self.store.vault();
        let reply = at_once.then(|| vault.seal(id, Part::Reply, judged.own_reply.as_bytes()));
        Ok(Acceptance {
            revision,
            submission_key: taken.map(|_route| {
                format!("{} {} {control_id}", sender.site().id, sender.environment())
            }),
            body_digest: submission.body_digest,
            body: vault.seal(id, Part::Body, text.as_bytes())?,
            reply: reply.transpose()?,
            delivery,
            closed: judged.closed,
            replacing: None,
            content: judged.content,
            conflict_after: now.minus(self.settings.conflict_window),
            diagnostics: judged.found.iter().map(Diagnostic::record).collect(),
            record: MessageRecord {
                id,
                received_at: now,
                sender: sender.site().id.clone(),
                environment: sender.environment(),
                site: judged.way.as_ref().map(|way| way.site().clone()),
                region: judged.way.as_ref().map(Route::region),
                control_id: control_id.to_owned(),
                message_type: submission.message_type.to_owned(),
                size: i64::try_from(text.len()).unwrap_or(i64::MAX),
                state: match (judged.route(), asks) {
                    (None, _) => MessageState::Refused,
                    (Some(_), true) => MessageState::Unanswered,
                    (Some(_), false) => MessageState::Accepted,
                },
                ack_code: ack_code(&judged.found).code().to_owned(),
                diagnostics: i64::try_from(judged.found.len()).unwrap_or(i64::MAX),
                replaces: None,
            },
        })
    }

    /// When this call sends the message itself, the delivery is born with a lease.
    fn new_delivery(
        &self,
        route: &Route,
        leased: bool,
        submission: &Submission<'_, '_>,
    ) -> NewDelivery {
        let now = submission.now;
        let due = if leased { now.plus(self.settings.send_timeout + LEASE_MARGIN) } else { now };
        NewDelivery {
            region: route.region(),
            environment: route.environment(),
            lease_owner: leased.then(|| self.settings.node.clone()),
            next_attempt_at: due,
            order_key: submission.patient.and_then(|patient| {
                let sender = &submission.sender.site().id;
                order::order_key(&self.key, sender, route.place(), patient)
            }),
        }
    }

    /// The reply of a submission that is durable; one that is `behind` another of its patient waits for its turn.
    async fn answer(
        &self,
        submission: &Submission<'_, '_>,
        mut judged: Judged,
        behind: bool,
    ) -> Submitted {
        self.note_use(submission.sender, submission.now);
        let Some(route) = judged.way.as_ref().filter(|_| !judged.stopped) else {
            return submission.submitted(judged, Outcome::Refused);
        };
        if submission.is_query() {
            let asked = self.ask(route.place(), submission).await;
            let outcome = if asked.answered { Outcome::Relayed } else { Outcome::Unanswered };
            let mut answered = submission.submitted(judged, outcome);
            answered.facts.ack_code = asked.ack_code;
            answered.reply = asked.reply;
            return answered;
        }
        self.backlog.accepted(route.place());
        let Some(place) = judged.relay.take().filter(|_| !behind) else {
            self.work.notify_one();
            return submission.submitted(judged, Outcome::Queued);
        };
        let attempt = Attempt {
            message: submission.id,
            region: route.region(),
            environment: route.environment(),
            attempts: 1,
            doubtful: 0,
            held_since: submission.now,
            body: submission.text.as_bytes().to_vec(),
        };
        let (reply, ack_code) = match self.relay(attempt, place).await {
            Delivered::Answered(reply) if reply.has_answer() => (reply.text, reply.ack_code),
            Delivered::Rejected(reply) => (reply, "AE".to_owned()),
            Delivered::Answered(_) | Delivered::Pending => {
                return submission.submitted(judged, Outcome::Queued);
            }
        };
        let mut relayed = submission.submitted(judged, Outcome::Relayed);
        relayed.facts.ack_code = ack_code;
        relayed.reply = reply;
        relayed
    }

    /// The stored reply of the same message, or, while its registry has not answered, that it is on its way.
    fn repeat(
        &self,
        submission: &Submission<'_, '_>,
        judged: Judged,
        first: MessageId,
        sealed: Option<Vec<u8>>,
    ) -> Submitted {
        let mut repeated = submission.submitted(judged, Outcome::Repeated);
        repeated.id = first;
        let opened = sealed.map(|sealed| self.store.vault().open(first, Part::Reply, sealed));
        match opened {
            Some(Ok(text)) => {
                if let Ok(reply) = Reply::read(&text) {
                    reply.code().code().clone_into(&mut repeated.facts.ack_code);
                }
                repeated.reply = String::from_utf8_lossy(&text).into_owned();
            }
            // The message was accepted all the same, and that is what its sender must hear.
            Some(Err(error)) => {
                tracing::error!(message.id = %first, "the stored reply of {first}: {error}");
            }
            None => {}
        }
        repeated
    }

    /// Another body under an MSH-10 that is taken: refused, and kept as a refusal; none when the directory was too old for
    /// that by now.
    async fn refuse_conflict(
        &self,
        submission: &Submission<'_, '_>,
        revision: i64,
        received_at: Timestamp,
    ) -> Result<Option<Submitted>, SubmitError> {
        let text = format!(
            "MSH-10 was used by another message of this sender at {received_at}. This message was not accepted. Send it with a \
             message control ID of its own."
        );
        let location = Location::segment("MSH", 1).field(10);
        let conflict =
            Diagnostic::reject("GW-MSH-10", ErrorCode::DuplicateKeyIdentifier, location, text)
                .because(ApplicationError::InvalidValue);
        let directory = self.store.directory();
        let judged =
            self.judged(&directory, submission, None, (vec![conflict], Content::default()));
        // A refusal has no key, so it is either stored or stale.
        let stored = self.accept(submission, &judged, revision).await?;
        let stored = matches!(stored, Accepted::Stored { .. });
        Ok(stored.then(|| submission.submitted(judged, Outcome::Refused)))
    }

    /// Remembers the use of a credential, at most once a minute, without making the sender wait.
    fn note_use(&self, sender: &AuthenticatedSender, now: Timestamp) {
        if !self.throttle.first_use_this_minute(sender.credential(), sender.last_used(), now) {
            return;
        }
        let (store, credential) = (std::sync::Arc::clone(&self.store), sender.credential());
        self.runtime.spawn(async move {
            if let Err(error) = store.credential_used(credential, now).await {
                tracing::warn!(credential.id = %credential, "last use of credential {credential} was not noted: {error}");
            }
        });
    }
}

/// The first findings, and one that counts the rest: nobody reads more, and a sender must not make us write more.
pub(super) fn capped(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if found.len() > FINDINGS {
        let more = found.len() - FINDINGS;
        // What stops the message must stay in sight, wherever it stands.
        found.sort_by_key(|one| !one.stops());
        found.truncate(FINDINGS);
        found.push(Diagnostic::note(
            "GW-MORE",
            None,
            format!("{more} more findings are not listed."),
        ));
    }
    found
}

/// What stays the same however often a submission is judged.
#[derive(Clone, Copy)]
pub(super) struct Submission<'m, 'a> {
    pub(super) id: MessageId,
    pub(super) now: Timestamp,
    sender: &'m AuthenticatedSender,
    pub(super) text: &'a str,
    pub(super) message: &'m Message<'a>,
    pub(super) header: &'m Header<'a>,
    control_id: &'m str,
    message_type: &'m str,
    body_digest: [u8; 32],
    /// What names the patient for this sender.
    patient: Option<&'m str>,
}

impl Submission<'_, '_> {
    /// Whether it asks for something: it is not kept for delivery but asked once.
    fn is_query(&self) -> bool {
        self.header.kind() == Some(MessageKind::QbpQ11)
    }

    fn submitted(&self, judged: Judged, outcome: Outcome) -> Submitted {
        let Judged { way, stopped, found, own_reply, .. } = judged;
        let route = way.filter(|_| !stopped);
        Submitted {
            id: self.id,
            reply: own_reply,
            facts: Facts {
                sender: self.sender.site().id.clone(),
                environment: self.sender.environment(),
                site: route.as_ref().map(|route| route.site().clone()),
                region: route.as_ref().map(Route::region),
                message_type: self.message_type.to_owned(),
                control_id: self.control_id.to_owned(),
                ack_code: ack_code(&found).code().to_owned(),
                rules: found.iter().map(|one| one.rule).collect(),
                outcome,
            },
        }
    }
}

/// MSH-10, as much of it as is remembered.
pub(super) fn control_id(header: &Header<'_>) -> String {
    let text = header.control_id.text().unwrap_or_default();
    String::from_utf8_lossy(text.get(..CONTROL_ID_LENGTH).unwrap_or(text)).into_owned()
}

/// MSH-9.1 and MSH-9.2, as far as they look like codes.
pub(super) fn message_type(header: &Header<'_>) -> String {
    let code = |part: Option<&[u8]>| {
        let part =
            part.filter(|part| part.len() <= 3 && part.iter().all(u8::is_ascii_alphanumeric));
        String::from_utf8_lossy(part.unwrap_or_default()).into_owned()
    };
    format!("{}^{}", code(header.message_code.text()), code(header.trigger.text()))
}

pub(super) fn digest_of(body: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, body).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::By;
    use crate::gateway::fixture::{HL7, call, gateway};
    use crate::store::MessageFilter;

    #[tokio::test]
    async fn a_conflict_is_not_told_before_it_is_recorded() {
        let dir = TempDir::new().unwrap();
        let gateway = gateway(&dir).await;
        let (now, directory) = (Timestamp::now(), gateway.store.directory());
        let call = call(HL7);
        let presented = Presented::of(&call).unwrap();
        let sender = gateway.authenticate(&directory, &presented, &call, now).unwrap();
        let message = Message::parse(HL7.as_bytes()).unwrap();
        let header = Header::of(&message);
        let id = gateway.next_message_id(now);
        let submission = Submission {
            id,
            now,
            sender: &sender,
            text: HL7,
            message: &message,
            header: &header,
            control_id: "ONE",
            message_type: "VXU^V04",
            body_digest: [0; 32],
            patient: None,
        };
        gateway
            .store
            .credential_pin("DE-000001-T".to_owned(), None, By::system(now))
            .await
            .unwrap();

        let too_old = gateway.refuse_conflict(&submission, directory.revision, now).await.unwrap();
        let kept_of_it = recorded(&gateway).await;
        gateway.store.directory_refresh().await.unwrap();
        let fresh = gateway.store.directory().revision;
        let refused = gateway.refuse_conflict(&submission, fresh, now).await.unwrap().unwrap();

        assert!(too_old.is_none(), "the directory had changed");
        assert_eq!(kept_of_it, []);
        assert_eq!(refused.facts.outcome, Outcome::Refused);
        assert_eq!(recorded(&gateway).await, [id]);
    }

    #[test]
    fn what_stops_a_message_stays_in_sight_however_much_is_found() {
        let note = || Diagnostic::note("NOTE", None, "a remark");
        let stop = Diagnostic::reject(
            "STOP",
            ErrorCode::SegmentSequenceError,
            Location::segment("PID", 1),
            "an error",
        );
        let mut found: Vec<_> = (0..149).map(|_| note()).collect();
        found.push(stop);

        let told = capped(found);

        let rules: Vec<_> = told.iter().map(|one| one.rule).collect();
        assert_eq!((rules.len(), rules[0], rules[100]), (101, "STOP", "GW-MORE"));
        assert_eq!(told[100].text, "50 more findings are not listed.");
        assert_eq!(capped((0..100).map(|_| note()).collect()).len(), 100, "a hundred are told");
    }

    /// The messages in the store.
    async fn recorded(gateway: &Gateway) -> Vec<MessageId> {
        let filter = MessageFilter { limit: 10, ..MessageFilter::default() };
        gateway.store.message_list(filter).await.unwrap().iter().map(|one| one.id).collect()
    }
}
