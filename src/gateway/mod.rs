//! What happens to messages.
//!
//! Two promises. *No acknowledged message is lost*: a sender hears AA only after the message, its diagnostics and its
//! delivery are committed with an fsync. *A message goes where the responsible Site's registration says*: never by
//! MSH-6, never to production with a test credential. May import `backends`, `client`'s errors, `domain`, `hl7`, `store`
//! and `validation`; knows nothing of SOAP or HTTP.

mod api;
mod authenticate;
mod backlog;
mod deliver;
#[cfg(test)]
mod fixture;
mod operator;
mod order;
mod outcome;
mod preview;
mod query;
mod registries;
mod reply;
mod resend;
mod route;
mod submit;
mod throttle;
mod workers;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backends::Backends;
use crate::domain::{
    BreakerPolicy, Environment, MessageId, RegionCode, ReplyPolicy, RetryPolicy, ServerKey,
    Timestamp,
};
use crate::gateway::backlog::Backlog;
use crate::gateway::throttle::Throttle;
use crate::hl7::Identity;
use crate::store::{Directory, Place, RetentionLimits, Store};
use crate::validation::{Policies, ProcessingRules, Validator};

pub use crate::backends::SettingError;
pub use api::{
    ApiError, GatewayStatus, MessageLine, MessagePage, Program, RegionStatus, SiteDetail, SiteLine,
    SiteList, SiteStatement,
};
pub use authenticate::{AuthenticatedSender, Part as CredentialPart};
pub use operator::Operator;
pub use outcome::{Inquirer, InquiryError, MessageOutcome};
pub use preview::{LONGEST_PREVIEW, Preview, PreviewError, PreviewFor, Previewed};
pub use registries::{Origin, Registries};
pub use reply::ack_preview;
pub use resend::{Editor, resend_edited};
pub use route::{Disagreement, RoutingRules};
pub use submit::{Call, Facts, Outcome, SubmitError, Submitted};

/// Longest time one attempt to reach a registry may take; a lease lasts a little longer.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// Messages on their way to one registry at one time while their senders wait. A registry that hangs takes no more than
/// these connections; further senders are answered at once that their message is queued.
const RELAYS: usize = 128;

/// Every registry there can be: each managed region's test and production side.
fn destinations() -> impl Iterator<Item = (RegionCode, Environment)> {
    RegionCode::managed()
        .flat_map(|region| Environment::ALL.iter().map(move |side| (region, *side)))
}

/// What the gateway is told by configuration.
pub struct GatewaySettings {
    /// MSH-3 and MSH-4 of our own ACKs.
    pub identity: Identity,
    /// Longest HL7 message, in characters.
    pub longest_message: usize,
    /// How long a sender's MSH-10 may not return with another body.
    pub conflict_window: Duration,
    /// Which ACK the senders of a region get; [`ReplyPolicy::Relay`] for those not named.
    pub reply_policies: HashMap<RegionCode, ReplyPolicy>,
    /// How long a sender waits for the registry's ACK before it gets ours.
    pub relay_deadline: Duration,
    /// Longest wait for a registry in one attempt.
    pub send_timeout: Duration,
    /// How long and how often a message is tried.
    pub retry: RetryPolicy,
    /// When a destination counts as broken.
    pub breaker: BreakerPolicy,
    /// Messages that may wait for one destination before new ones are refused.
    pub queue_bound: i64,
    /// Deliveries under way at one time in the worker; none: this process delivers only what it relays.
    pub workers: usize,
    /// MSH-11 by environment.
    pub processing: ProcessingRules,
    /// What judges the content of a message.
    pub validator: Arc<Validator>,
    /// What its findings weigh, by environment and region.
    pub policies: Policies,
    /// Rules of routing.
    pub routing: RoutingRules,
    /// How long data is kept.
    pub retention: RetentionLimits,
    /// Name of this process in leases.
    pub node: String,
}

/// The door for messages. One for each process.
pub struct Gateway {
    store: Arc<Store>,
    registries: Registries,
    key: ServerKey,
    settings: GatewaySettings,
    throttle: Throttle,
    preview: Arc<Preview>,
    programs: api::Programs,
    backlog: Backlog,
    /// Deliveries run here, so that they outlive the HTTP worker that began them.
    runtime: Handle,
    work: Notify,
    deliveries: TaskTracker,
    relays: HashMap<(RegionCode, Environment), Arc<Semaphore>>,
    stopping: CancellationToken,
    me: Weak<Self>,
}

impl Gateway {
    /// A gateway over an open store; call [`Gateway::run_workers`] to let it deliver what is queued.
    pub fn new(
        store: Arc<Store>,
        registries: Registries,
        key: ServerKey,
        settings: GatewaySettings,
        runtime: Handle,
    ) -> Arc<Self> {
        let preview = Arc::new(Preview::of(&settings));
        Arc::new_cyclic(|me| Self {
            preview,
            programs: api::Programs::new(),
            store,
            registries,
            key,
            settings,
            throttle: Throttle::new(),
            backlog: Backlog::new(),
            runtime,
            work: Notify::new(),
            deliveries: TaskTracker::new(),
            relays: destinations().map(|to| (to, Arc::new(Semaphore::new(RELAYS)))).collect(),
            stopping: CancellationToken::new(),
            me: Weak::clone(me),
        })
    }

    /// An identifier for a submission that begins now.
    pub fn next_message_id(&self, now: Timestamp) -> MessageId {
        self.store.next_message_id(now)
    }

    /// The store behind it.
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What judges messages that are not sent.
    pub const fn preview(&self) -> &Arc<Preview> {
        &self.preview
    }

    /// Whether no regional registry is connected.
    pub fn is_trial(&self) -> bool {
        self.registries.is_trial(&self.store)
    }

    /// The registries behind it, by the directory as it is now.
    pub fn backends(&self) -> Arc<Backends> {
        self.registries.now(&self.store)
    }

    /// Begins no new delivery from the queue.
    pub fn stop_workers(&self) {
        self.stopping.cancel();
    }

    /// Begins no new delivery and waits for those under way, each of which has a time-out; what is left stays queued.
    pub async fn drain(&self) {
        self.stopping.cancel();
        self.deliveries.close();
        if tokio::time::timeout(self.settings.send_timeout + LEASE_MARGIN, self.deliveries.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                deliveries = self.deliveries.len(),
                "deliveries under way at the end of the drain stay queued"
            );
        }
    }

    /// Itself, for a task that may outlive its caller.
    fn itself(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// A place for sending to a registry while the sender waits, when its region is answered so, nothing stops it, and it
    /// has one left.
    fn relay_place(
        &self,
        directory: &Directory,
        place: Place,
        now: Timestamp,
    ) -> Option<OwnedSemaphorePermit> {
        let (region, _) = place;
        let policy =
            self.settings.reply_policies.get(&region).copied().unwrap_or(ReplyPolicy::Relay);
        if policy == ReplyPolicy::Accept || !directory.is_open(place, now) {
            return None;
        }
        Arc::clone(self.relays.get(&place)?).try_acquire_owned().ok()
    }
}
