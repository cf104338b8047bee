//! Makes the calls that are due, until it is told to stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::client::{CallError, HookClient};
use crate::domain::{HookSecret, MessageId, RetryPolicy, Timestamp};
use crate::store::{CallEnd, ClaimedCall, Store, StoreError};

/// How often the outbox is looked at.
const POLL: Duration = Duration::from_secs(1);

/// How often it is counted.
const GAUGE: Duration = Duration::from_secs(15);

/// Calls that are made at one time.
const AT_ONCE: usize = 16;

/// No attempt takes longer; after it another worker may make the call.
const LEASE: Duration = Duration::from_mins(2);

/// How long calls under way may take when the service stops; the others are made again after their lease.
const GRACE: Duration = Duration::from_secs(10);

/// The longest wait that a program may ask for.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// The wait before the next attempt is anything up to a ceiling that doubles; when to give up stands with the call.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(30),
    longest: Duration::from_hours(3),
    hold: Duration::MAX,
    doubtful: i64::MAX,
};

/// The operators' own address, for calls that are for no webhook of a Site.
#[derive(Clone, Debug)]
pub struct OperatorsHook {
    /// What is called.
    pub url: String,
    /// What calls are signed with.
    pub secret: HookSecret,
}

/// The worker of webhooks.
pub struct Caller {
    store: Arc<Store>,
    client: HookClient,
    operators: Option<OperatorsHook>,
    stopping: CancellationToken,
}

/// Whose calls are under way, and how many.
type Busy = HashMap<Option<MessageId>, usize>;

impl Caller {
    /// A worker over an open store; call [`Caller::run`] to let it call.
    pub fn new(
        store: Arc<Store>,
        client: HookClient,
        operators: Option<OperatorsHook>,
    ) -> Arc<Self> {
        Arc::new(Self { store, client, operators, stopping: CancellationToken::new() })
    }

    /// Begins no new attempt; [`Caller::run`] ends soon.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Makes the calls that are due and counts what waits, until [`Caller::stop`]. Begun anew should it ever break down.
    pub async fn run(self: Arc<Self>) {
        loop {
            let me = Arc::clone(&self);
            let work = async move { tokio::join!(me.run_calls(), me.run_gauge()) };
            let Err(broken) = tokio::spawn(work).await else { return };
            tracing::error!(
                worker = "webhooks",
                "the worker of webhooks broke down and is begun anew: {broken}"
            );
            self.pause(POLL).await;
        }
    }

    async fn run_calls(&self) {
        let (mut under_way, mut busy) = (FuturesUnordered::new(), Busy::new());
        while !self.stopping.is_cancelled() {
            let free = AT_ONCE.saturating_sub(under_way.len());
            let claimed = self.claim(free, &busy).await;
            if !claimed.is_empty() {
                for call in claimed {
                    *busy.entry(call.target.as_ref().map(|hook| hook.id)).or_default() += 1;
                    under_way.push(self.make(call));
                }
                continue;
            }
            tokio::select! {
                Some(ended) = under_way.next() => end(&mut busy, ended),
                () = self.pause(POLL) => {}
            }
        }
        let rest = async { while under_way.next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, rest).await; // the others are made again after their lease
    }

    async fn claim(&self, free: usize, busy: &Busy) -> Vec<ClaimedCall> {
        if free == 0 {
            return vec![];
        }
        let busy = busy.keys().copied().collect();
        match self.store.call_claim(Timestamp::now(), LEASE, free, busy).await {
            Ok(calls) => calls,
            Err(error) => {
                tracing::error!("calls of webhooks could not be read: {error}");
                vec![]
            }
        }
    }

    /// One attempt at one call; gives the webhook.
    #[tracing::instrument(skip_all, fields(call.id = call.id))]
    async fn make(&self, call: ClaimedCall) -> Option<MessageId> {
        let hook = call.target.as_ref().map(|hook| hook.id);
        let (id, attempts, give_up_at) = (call.id, call.attempts, call.give_up_at);
        let said = self.say(call).await;
        let now = Timestamp::now();
        let end = match said {
            Ok(status) => CallEnd::Taken(status),
            Err(Unsaid::Never(error)) => CallEnd::GivenUp(None, error),
            Err(Unsaid::Later(error)) => again(&error, attempts, give_up_at, now),
        };
        tell(id, attempts, &end);
        match self.store.call_settle(id, attempts, end, now).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(call.id = id, "call {id} was settled by another"),
            Err(error) => tracing::error!(call.id = id, "call {id} was not settled: {error}"),
        }
        hook
    }

    async fn say(&self, call: ClaimedCall) -> Result<u16, Unsaid> {
        let (url, secrets) = match (call.target, &self.operators) {
            (Some(hook), _) => (hook.url, hook.secrets?),
            (None, Some(own)) => (own.url.clone(), vec![own.secret.clone()]),
            (None, None) => {
                return Err(Unsaid::Never("no address of the operators is configured".to_owned()));
            }
        };
        let at = Timestamp::now().utc().timestamp();
        let signatures: Vec<String> =
            secrets.iter().map(|secret| secret.sign(&call.event_id, at, &call.payload)).collect();
        let headers = [
            ("webhook-id", call.event_id),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ];
        self.client.post(&url, &headers, call.payload).await.map_err(Unsaid::Later)
    }

    async fn run_gauge(&self) {
        while !self.stopping.is_cancelled() {
            if let Ok(depth) = self.store.call_depth().await {
                metrics::gauge!("gateway_webhook_calls_waiting")
                    .set(u32::try_from(depth).unwrap_or(u32::MAX));
            }
            self.pause(GAUGE).await;
        }
    }

    /// Waits, or not when the service stops.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

/// Why a call was not made with success.
enum Unsaid {
    /// It may go better later.
    Later(CallError),
    /// It never will.
    Never(String),
}

impl From<StoreError> for Unsaid {
    fn from(error: StoreError) -> Self {
        Self::Never(error.to_string())
    }
}

/// A webhook has one call less under way.
fn end(busy: &mut Busy, hook: Option<MessageId>) {
    if let Some(number) = busy.get_mut(&hook) {
        *number = number.saturating_sub(1);
        if *number == 0 {
            busy.remove(&hook);
        }
    }
}

/// What becomes of a call whose attempt failed.
fn again(error: &CallError, attempts: i64, give_up_at: Timestamp, now: Timestamp) -> CallEnd {
    let (status, wish) = match error {
        CallError::Status { status, retry_after } => (Some(*status), *retry_after),
        _ => (None, None),
    };
    let text = match error {
        CallError::AddressRefused => {
            "its address is not a public one, so it was not called".to_owned()
        }
        other => other.to_string(),
    };
    let wish = wish.unwrap_or_default().min(LONGEST_WISH);
    let next = now.plus(RETRY.wait(attempts, rand::random()).max(wish));
    if next >= give_up_at {
        CallEnd::GivenUp(status, text)
    } else {
        CallEnd::Again(next, status, text)
    }
}

fn tell(id: i64, attempts: i64, end: &CallEnd) {
    let result = match end {
        CallEnd::Again(next, _, error) => {
            tracing::info!(call.id = id, attempts, "call {id} is made again at {next}: {error}");
            "deferred"
        }
        CallEnd::GivenUp(_, error) => {
            tracing::warn!(call.id = id, attempts, "call {id} was given up: {error}");
            "given-up"
        }
        CallEnd::Taken(_) => {
            tracing::info!(call.id = id, attempts, "call {id} was taken");
            "taken"
        }
    };
    metrics::counter!("gateway_webhook_calls_total", "result" => result).increment(1);
}
