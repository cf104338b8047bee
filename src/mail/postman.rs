//! Sends what is due, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::domain::{MessageId, RetryPolicy, Timestamp};
use crate::mail::{Left, Mailer, NotSent, Outgoing};
use crate::store::{ClaimedLetter, LetterEnd, Store};

/// How often the outbox is looked at.
const POLL: Duration = Duration::from_secs(1);

/// How often it is counted.
const GAUGE: Duration = Duration::from_secs(15);

/// How often files of letters that are past their retention are swept.
const SWEEP: Duration = Duration::from_hours(1);

/// Letters on their way at one time; each has a connection.
const AT_ONCE: i64 = 4;

/// No attempt takes longer; after it another worker may take the letter.
const LEASE: Duration = Duration::from_mins(5);

/// How long letters on their way may take when the service stops; the others are sent again after their lease.
const GRACE: Duration = Duration::from_secs(10);

/// The wait before the next attempt is anything up to a ceiling that doubles; when to give up stands with the letter.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_mins(1),
    longest: Duration::from_hours(2),
    hold: Duration::MAX,
    doubtful: i64::MAX,
};

/// The worker of the outbox.
pub struct Postman {
    store: Arc<Store>,
    mailer: Mailer,
    /// How long letters that lie as files are kept.
    keep: Duration,
    stopping: CancellationToken,
}

impl Postman {
    /// A worker over an open store, which keeps letters that lie as files for `keep`; call [`Postman::run`] to let it send.
    pub fn new(store: Arc<Store>, mailer: Mailer, keep: Duration) -> Arc<Self> {
        Arc::new(Self { store, mailer, keep, stopping: CancellationToken::new() })
    }

    /// Begins no new attempt; [`Postman::run`] ends soon.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Sends what is due and counts what waits, until [`Postman::stop`]. Begun anew should it ever break down.
    pub async fn run(self: Arc<Self>) {
        loop {
            let me = Arc::clone(&self);
            let work =
                async move { tokio::join!(me.run_sending(), me.run_gauges(), me.run_sweeper()) };
            let Err(broken) = tokio::spawn(work).await else { return };
            tracing::error!(
                worker = "mail",
                "the mail worker broke down and is begun anew: {broken}"
            );
            self.pause(POLL).await;
        }
    }

    async fn run_sending(&self) {
        while !self.stopping.is_cancelled() {
            match self.store.letter_claim(Timestamp::now(), LEASE, AT_ONCE).await {
                Ok(letters) if letters.is_empty() => self.pause(POLL).await,
                Ok(letters) => {
                    let sending = join_all(letters.into_iter().map(|letter| self.post(letter)));
                    tokio::select! {
                        _ = sending => {}
                        () = self.grace() => {}
                    }
                }
                Err(error) => {
                    tracing::error!("the outbox could not be read: {error}");
                    self.pause(POLL).await;
                }
            }
        }
    }

    /// One attempt at one letter.
    #[tracing::instrument(skip_all, fields(letter.id = %letter.id))]
    async fn post(&self, letter: ClaimedLetter) {
        let (id, attempts, give_up_at) = (letter.id, letter.attempts, letter.give_up_at);
        let outcome = match &letter.words {
            Ok((text, html)) => {
                let (to, subject) = (&letter.to, letter.subject.as_str());
                let now = Timestamp::now();
                self.mailer.send(&Outgoing { id, to, subject, text, html, now }).await
            }
            Err(error) => Err(NotSent::Never(error.to_string())),
        };
        let now = Timestamp::now();
        let end = match outcome {
            Ok(Left::Held) => LetterEnd::Held,
            Ok(Left::Sent) => LetterEnd::Sent,
            Err(NotSent::Never(error)) => LetterEnd::Bounced(error),
            Err(NotSent::Later(error)) => {
                let next = now.plus(RETRY.wait(attempts, rand::random()));
                if next >= give_up_at {
                    LetterEnd::GivenUp(error)
                } else {
                    LetterEnd::Again(next, error)
                }
            }
        };
        tell(id, attempts, &end);
        match self.store.letter_settle(id, attempts, end, now).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(letter.id = %id, "letter {id} was settled by another"),
            Err(error) => {
                tracing::error!(letter.id = %id, "letter {id} was not settled: {error}");
            }
        }
    }

    async fn run_gauges(&self) {
        while !self.stopping.is_cancelled() {
            if let Ok((depth, oldest)) = self.store.letter_depth().await {
                let age = oldest.map_or(0, |oldest| Timestamp::now().seconds_since(oldest));
                metrics::gauge!("gateway_mail_outbox_depth")
                    .set(u32::try_from(depth).unwrap_or(u32::MAX));
                metrics::gauge!("gateway_mail_oldest_age_seconds")
                    .set(u32::try_from(age).unwrap_or(u32::MAX));
            }
            self.pause(GAUGE).await;
        }
    }

    /// The words of letters that were not sent go after a time; so do the files that hold the same words.
    async fn run_sweeper(&self) {
        while !self.stopping.is_cancelled() {
            let before = MessageId::first_at(Timestamp::now().minus(self.keep));
            match self.mailer.sweep(before).await {
                Ok(0) => {}
                Ok(removed) => {
                    tracing::info!(
                        removed.files = removed,
                        "retention: {removed} files of letters removed"
                    );
                }
                Err(error) => {
                    tracing::error!("the folder of letters was not swept: {}", error.kind());
                }
            }
            self.pause(SWEEP).await;
        }
    }

    /// Waits, or not when the service stops.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    async fn grace(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }
}

fn tell(id: MessageId, attempts: i64, end: &LetterEnd) {
    let result = match end {
        LetterEnd::Again(next, error) => {
            tracing::warn!(letter.id = %id, attempts, "letter {id} is tried again at {next}: {error}");
            "deferred"
        }
        LetterEnd::Bounced(error) => {
            tracing::warn!(letter.id = %id, attempts, "letter {id} bounced: {error}");
            "bounced"
        }
        LetterEnd::GivenUp(error) => {
            tracing::error!(letter.id = %id, attempts, "letter {id} was given up: {error}");
            "given-up"
        }
        LetterEnd::Held => {
            tracing::debug!(letter.id = %id, "letter {id} is held: there is no mail server");
            "held"
        }
        LetterEnd::Sent => {
            tracing::info!(letter.id = %id, attempts, "letter {id} was sent");
            "sent"
        }
    };
    metrics::counter!("gateway_mail_sent_total", "result" => result).increment(1);
}
