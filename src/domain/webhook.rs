//! Webhooks: addresses of programs that are told what happened, instead of asking again and again.
//!
//! Calls are signed as the convention "Standard Webhooks" has it (`standardwebhooks.com`), so that libraries for it verify
//! them. A payload names things as `/api/v1` does and holds nothing of a patient.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use ring::rand::SecureRandom;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::domain::{
    AccountId, Environment, LinkStatus, MessageId, MessageRecord, MessageState, RegionCode, SiteId,
    SiteStatus, StageEvent, Timestamp, words,
};

words! {
    /// What a webhook can be told of.
    HookEvent {
        /// A registry took a message.
        MessageDelivered = "message.delivered",
        /// An operator gave a message up.
        MessageGivenUp = "message.given-up",
        /// A registry did not take a message, or nobody can send it as it is.
        MessageRejected = "message.rejected",
        /// An operator sent an edited version in the place of a message.
        MessageReplaced = "message.replaced",
        /// A message waits for an operator.
        MessageReview = "message.review",
        /// A Site reached another stage.
        SiteStage = "site.stage",
        /// A Sending Facility was asked to send for a Site, agreed to, or does so no longer.
        SiteLink = "site.link",
        /// A credential ends soon.
        CredentialExpires = "credential.expires",
    }
}

impl HookEvent {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::MessageDelivered => "A registry took a message",
            Self::MessageGivenUp => "The help desk gave a message up",
            Self::MessageRejected => "A message was rejected",
            Self::MessageReplaced => "The help desk sent an edited version of a message",
            Self::MessageReview => "A message waits for the help desk",
            Self::SiteStage => "A Site reached another stage",
            Self::SiteLink => "A link with a Sending Facility was asked for, agreed to or ended",
            Self::CredentialExpires => "A credential ends soon",
        }
    }

    /// What is told of a message that stands here; nothing of one that is still on its way.
    pub const fn of_message(state: MessageState) -> Option<Self> {
        match state {
            MessageState::Delivered => Some(Self::MessageDelivered),
            MessageState::GivenUp => Some(Self::MessageGivenUp),
            MessageState::Rejected => Some(Self::MessageRejected),
            MessageState::Replaced => Some(Self::MessageReplaced),
            MessageState::Review => Some(Self::MessageReview),
            MessageState::Accepted
            | MessageState::Answered
            | MessageState::Refused
            | MessageState::Unanswered => None,
        }
    }
}

/// The event of a call that somebody asked for to try a webhook.
pub const PING: &str = "ping";

words! {
    /// Where a webhook stands.
    HookState {
        /// It is called.
        Live = "live",
        /// Its people paused it: what happens waits, for a day at most.
        Paused = "paused",
        /// It is gone; its calls are kept for a time.
        Removed = "removed",
        /// It took no call for days, so it is not called any more until somebody resumes it.
        Stopped = "stopped",
    }
}

impl HookState {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Paused => "Paused",
            Self::Removed => "Removed",
            Self::Stopped => "Stopped after failures",
        }
    }
}

words! {
    /// Where a call stands.
    CallState {
        /// It was tried for a day, or its webhook is not called any more.
        GivenUp = "given-up",
        /// It is to be made.
        Queued = "queued",
        /// The other side answered with a status of success.
        Taken = "taken",
    }
}

impl CallState {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::GivenUp => "Given up",
            Self::Queued => "To be made",
            Self::Taken => "Taken",
        }
    }
}

/// A text that is not an address that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an https address")]
pub struct WrongUrl;

/// The `https` address of a program, of at most 500 characters, without a user name, a password or a fragment.
///
/// Whether it may be called is seen when it is called: its name may stand for something else by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(String);

impl HookUrl {
    const LONGEST: usize = 500;

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HookUrl {
    type Err = WrongUrl;

    fn from_str(text: &str) -> Result<Self, WrongUrl> {
        let text = text.trim();
        let url = reqwest::Url::parse(text).map_err(|_wrong| WrongUrl)?;
        let is_bare = url.username().is_empty() && url.password().is_none();
        let is_good = url.scheme() == "https"
            && url.host_str().is_some_and(|host| !host.is_empty())
            && is_bare
            && url.fragment().is_none()
            && text.len() <= Self::LONGEST
            && text.starts_with("https://");
        if is_good { Ok(Self(url.to_string())) } else { Err(WrongUrl) }
    }
}

/// A text that is not a secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and 24 to 64 bytes in base64")]
pub struct WrongSecret;

/// The secret that calls are signed with, shared with the program that is called.
#[derive(Clone)]
pub struct HookSecret(Zeroizing<Vec<u8>>);

impl HookSecret {
    /// Bytes of a new one.
    const BYTES: usize = 32;

    /// How it begins when it is shown.
    const PREFIX: &'static str = "whsec_";

    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, ring::error::Unspecified> {
        let mut bytes = Zeroizing::new(vec![0_u8; Self::BYTES]);
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// From the bytes that were sealed.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be sealed.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// As it is shown once and put into the program.
    pub fn shown(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", Self::PREFIX, BASE64_STANDARD.encode(self.reveal())))
    }

    /// The signature of a call: of its event id, the seconds since 1970 at which it is made, and its body.
    pub fn sign(&self, event_id: &str, at: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let signed = format!("{event_id}.{at}.{body}");
        let signature = hmac::sign(&key, signed.as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(signature.as_ref()))
    }
}

impl FromStr for HookSecret {
    type Err = WrongSecret;

    fn from_str(text: &str) -> Result<Self, WrongSecret> {
        let encoded = text.trim().strip_prefix(Self::PREFIX).ok_or(WrongSecret)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_wrong| WrongSecret)?;
        if (24..=64).contains(&bytes.len()) {
            Ok(Self::from_bytes(bytes))
        } else {
            Err(WrongSecret)
        }
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: MessageId,
    /// The Site that it is of.
    pub site: SiteId,
    /// What is called.
    pub url: String,
    /// What its people call it.
    pub description: String,
    /// What it is told of.
    pub events: Vec<HookEvent>,
    /// Where it stands.
    pub state: HookState,
    /// Until when calls are signed with the secret before, too.
    pub old_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: AccountId,
    /// Since when no call was taken; none: the last one was.
    pub failing_since: Option<Timestamp>,
}

/// A call of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookCall {
    /// Its number.
    pub id: i64,
    /// Header `webhook-id`: the same at every attempt.
    pub event_id: String,
    /// What it tells of: a word of [`HookEvent`], or [`PING`].
    pub event: String,
    /// Where it stands.
    pub state: CallState,
    /// Attempts begun.
    pub attempts: i64,
    /// When it is next due, while it is to be made.
    pub next_attempt_at: Timestamp,
    /// Status of the last answer.
    pub last_status: Option<i32>,
    /// What stopped the last attempt, in words of ours.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub settled_at: Option<Timestamp>,
}

/// What is known of a message besides its text: told when it has come to its end, or waits for an operator.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MessageNews {
    /// Our identifier: MSH-10 of our own acknowledgements.
    #[schema(value_type = String)]
    pub id: MessageId,
    /// MSH-10.
    pub control_id: String,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Who sent it.
    #[schema(value_type = String)]
    pub sender: SiteId,
    /// Environment of the credential that it came with.
    pub environment: Environment,
    /// The responsible Site.
    #[schema(value_type = Option<String>)]
    pub site: Option<SiteId>,
    /// The region that it goes to.
    #[schema(value_type = Option<String>)]
    pub region: Option<RegionCode>,
    /// MSH-9.1 and MSH-9.2.
    pub message_type: String,
    /// Where it stands.
    pub state: MessageState,
    /// MSA-1 of the last acknowledgement.
    pub ack_code: String,
}

impl From<MessageRecord> for MessageNews {
    fn from(record: MessageRecord) -> Self {
        Self {
            id: record.id,
            control_id: record.control_id,
            received_at: record.received_at,
            sender: record.sender,
            environment: record.environment,
            site: record.site,
            region: record.region,
            message_type: record.message_type,
            state: record.state,
            ack_code: record.ack_code,
        }
    }
}

/// A Site reached another stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StageNews {
    /// The Site.
    #[schema(value_type = String)]
    pub site: SiteId,
    /// Why.
    pub step: StageEvent,
    /// Where it stood.
    pub before: SiteStatus,
    /// Where it stands on its way to production.
    pub stage: SiteStatus,
}

/// Who sends for a Site changed, or is about to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkNews {
    /// The Sending Facility.
    #[schema(value_type = String)]
    pub sender: SiteId,
    /// The Site that it sends for, or was asked to.
    #[schema(value_type = String)]
    pub site: SiteId,
    /// Where that stands.
    pub link: LinkStatus,
}

/// A credential ends soon.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CredentialNews {
    /// The Site that it identifies.
    #[schema(value_type = String)]
    pub site: SiteId,
    /// What it opens.
    pub environment: Environment,
    /// Its username.
    pub username: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A call that tells of nothing: somebody asked for it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PingNews {
    /// The Site that the webhook is of.
    #[schema(value_type = String)]
    pub site: SiteId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_as_the_convention_has_it() {
        // The example of the libraries of the convention.
        let secret: HookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let body = r#"{"test": 2432232314}"#;

        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);

        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.shown().as_str(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }

    #[test]
    fn a_secret_has_its_prefix_and_enough_bytes() {
        for text in ["", "whsec_", "whsec_!!", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(text.parse::<HookSecret>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_https_and_bare() {
        for text in ["https://hie.example/hook", " https://hie.example:8443/a?b=c "] {
            text.parse::<HookUrl>().unwrap();
        }
        let long = format!("https://hie.example/{}", "a".repeat(500));
        for text in [
            "",
            "http://hie.example/",
            "hie.example",
            "https://",
            "https:hie.example",
            "https://me:x@hie.example/",
            "https://hie.example/#a",
            &long,
        ] {
            assert!(text.parse::<HookUrl>().is_err(), "{text}");
        }
    }
}
