//! What the Gateway would say of a message that is not sent: for everybody, so bounded, counted by address, and nothing of
//! it is kept or logged.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::{Diagnostic, Environment, RegionCode, Timestamp};
use crate::gateway::reply::{ack_preview, query_refusal};
use crate::gateway::submit::capped;
use crate::gateway::{GatewaySettings, Outcome};
use crate::hl7::{BatchError, Header, Identity, Message, MessageKind, Part, split};
use crate::validation::report::{Judge, Judgement, Verdict};
use crate::validation::{Codes, Policies, Policy, ProcessingRules, Validator};

/// Longest text that is judged for somebody who only asks, in bytes.
pub const LONGEST_PREVIEW: usize = 256 * 1024;

/// Messages of one address that are judged at once; then one every two seconds. A clinic shares one address.
const BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// Addresses remembered before those that have recovered are forgotten.
const REMEMBERED: usize = 10_000;

/// What stands for our own identifier in an answer to a message that was not sent.
const CONTROL_ID: &str = "EXAMPLE";

/// Judges messages that are not sent.
pub struct Preview {
    validator: Arc<Validator>,
    policies: Policies,
    processing: ProcessingRules,
    identity: Identity,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

/// As what a message is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewFor {
    /// The environment that it is meant for.
    pub environment: Environment,
    /// The region that it would go to; none: by the rules that hold where nothing else is said.
    pub region: Option<RegionCode>,
}

/// Why there is no message to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// A batch: FHS or BHS stands in front.
    #[error("this is a batch: take FHS, BHS, BTS and FTS away and check one message at a time")]
    Batch,
    /// More than one message.
    #[error("there is more than one message (MSH): check one message at a time")]
    Several,
    /// More than [`LONGEST_PREVIEW`].
    #[error("this is more than 256 KiB: check a shorter message")]
    TooLong,
    /// No message, or something beside it.
    #[error(transparent)]
    Unreadable(#[from] BatchError),
}

/// A message as the Gateway would judge it.
pub struct Previewed<'a> {
    /// What was found.
    pub judgement: Judgement<'a>,
    /// What the Gateway would answer; none when it would pass a query on, or when there is nothing to answer.
    pub answer: Option<String>,
    /// How it would end: queued, refused, or (a query) passed on and so without an answer of ours.
    pub outcome: Option<Outcome>,
}

impl Preview {
    /// By the rules of this Gateway.
    pub(super) fn of(settings: &GatewaySettings) -> Self {
        Self {
            validator: Arc::clone(&settings.validator),
            policies: settings.policies.clone(),
            processing: settings.processing.clone(),
            identity: settings.identity.clone(),
            addresses: RateLimiter::keyed(Quota::per_minute(PER_MINUTE).allow_burst(BURST)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a question of an address.
    ///
    /// # Errors
    /// How long to wait, when it has asked too often.
    pub fn allow(&self, address: IpAddr) -> Result<(), Duration> {
        if self.addresses.len() > REMEMBERED {
            self.addresses.retain_recent();
        }
        let allowed = self.addresses.check_key(&address);
        allowed.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// The code tables in use.
    pub fn codes(&self) -> &Codes {
        self.validator.codes()
    }

    /// What findings weigh.
    pub fn policy(&self, of: PreviewFor) -> &Policy {
        self.policies.of(of.environment, of.region)
    }

    /// Judges one message.
    ///
    /// # Errors
    /// When the text is not one message.
    pub fn judge<'a>(
        &self,
        text: &'a [u8],
        of: PreviewFor,
        now: Timestamp,
    ) -> Result<Previewed<'a>, PreviewError> {
        let part = one_message(text)?;
        let judge = Judge {
            validator: &self.validator,
            policy: self.policy(of),
            environment: of.environment,
            processing: self.processing.clone(),
            now,
        };
        let judgement = judge.judge("", 1, part);
        let Ok(message) = &judgement.message else {
            return Ok(Previewed { judgement, answer: None, outcome: Some(Outcome::Refused) });
        };
        let stops = judgement.found.iter().any(Diagnostic::stops);
        let outcome = match judgement.kind {
            _ if stops => Some(Outcome::Refused),
            Some(MessageKind::QbpQ11) => Some(Outcome::Relayed),
            Some(MessageKind::VxuV04) => Some(Outcome::Queued),
            _ => None,
        };
        let answer = self.answer(&judgement, message, of.region, now);
        Ok(Previewed { judgement, answer, outcome })
    }

    fn answer(
        &self,
        judgement: &Judgement<'_>,
        message: &Message<'_>,
        region: Option<RegionCode>,
        now: Timestamp,
    ) -> Option<String> {
        let header = Header::of(message);
        let found = judgement.told().to_vec();
        if judgement.kind == Some(MessageKind::QbpQ11) {
            let stops = found.iter().any(Diagnostic::stops);
            let found = capped(found);
            return stops.then(|| {
                query_refusal(&self.identity, (message, &header), CONTROL_ID, now, &found)
            });
        }
        if judgement.verdict == Verdict::Unreadable {
            return None;
        }
        judgement.verdict.acknowledgment()?;
        Some(ack_preview(&self.identity, &header, CONTROL_ID, now, found, region))
    }
}

/// The one message of a text.
fn one_message(text: &[u8]) -> Result<Part<'_>, PreviewError> {
    if text.len() > LONGEST_PREVIEW {
        return Err(PreviewError::TooLong);
    }
    let start = text.iter().position(u8::is_ascii_uppercase).unwrap_or(0);
    let begins = text.get(start..).unwrap_or_default();
    if begins.starts_with(b"FHS") || begins.starts_with(b"BHS") {
        return Err(PreviewError::Batch);
    }
    let mut parts = split(text);
    let first = parts.next().unwrap_or(Err(BatchError::Empty))?;
    match parts.next() {
        None => Ok(first),
        Some(Ok(_)) => Err(PreviewError::Several),
        Some(Err(error)) => Err(error.into()),
    }
}
