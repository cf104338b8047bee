//! What a client did before: how its calls were answered, and whether it went on as it should.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::conformance::serve::message::Fingerprint;
use crate::conformance::serve::rules::{self, Findings};

/// Messages remembered before all are forgotten.
const REMEMBERED: usize = 50_000;

/// What an answer said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Kept,
    /// It was not, and will not be as it stands.
    Refused,
    /// Nothing, but that the service is busy for so long.
    Busy(Duration),
    /// Nothing that can be relied on.
    Lost,
    /// Something that says nothing of the message, such as that the credentials are wrong.
    Other,
}

/// One sending of a message.
pub(super) struct Sending<'c> {
    /// Where it went: a repeat goes to the same address, another trial does not.
    pub(super) path: &'c str,
    pub(super) control_id: &'c str,
    pub(super) fingerprint: Fingerprint,
    pub(super) at: Instant,
}

struct Past {
    outcome: Outcome,
    at: Instant,
    control_id: String,
}

/// What was sent and answered so far.
#[derive(Default)]
pub(super) struct History(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    past: HashMap<(String, Fingerprint), Past>,
    ids: HashMap<String, Fingerprint>,
    calls: HashMap<(String, Option<Fingerprint>), u32>,
}

impl History {
    /// Judges a sending by what came before.
    pub(super) fn judge(&self, sending: &Sending<'_>, found: &mut Findings) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.ids.get(sending.control_id);
        if !sending.control_id.is_empty() && before.is_some_and(|one| *one != sending.fingerprint) {
            found.add(&rules::CONTROL_ID, "the MSH-10 of another message");
        }
        if known.ids.len() >= REMEMBERED {
            known.ids.clear();
        }
        known.ids.insert(sending.control_id.to_owned(), sending.fingerprint);
        let Some(past) = known.past.get(&(sending.path.to_owned(), sending.fingerprint)) else {
            return;
        };
        let same_id = past.control_id == sending.control_id;
        let passed = sending.at.saturating_duration_since(past.at);
        match past.outcome {
            Outcome::Kept => found.add(&rules::AGAIN_KEPT, "a message that was taken came again"),
            Outcome::Refused => {
                found.add(
                    &rules::AGAIN_UNCHANGED,
                    "a message that was refused came again as it was",
                );
            }
            Outcome::Busy(wait) if passed < wait => {
                let text = format!(
                    "{} s after an answer that asked for {}",
                    passed.as_secs(),
                    wait.as_secs()
                );
                found.add(&rules::AGAIN_SOON, text);
            }
            Outcome::Busy(_) | Outcome::Lost | Outcome::Other => {}
        }
        if matches!(past.outcome, Outcome::Busy(_) | Outcome::Lost) && !same_id {
            found.add(&rules::AGAIN_NEW_ID, "the same message with another MSH-10");
        }
    }

    /// Counts a call; gives how many with the same message, or none, came to the same address before.
    pub(super) fn count(&self, path: &str, message: Option<Fingerprint>) -> u32 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.calls.len() >= REMEMBERED {
            known.calls.clear();
        }
        let count = known.calls.entry((path.to_owned(), message)).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        before
    }

    /// Notes how a sending was answered.
    pub(super) fn note(&self, sending: &Sending<'_>, outcome: Outcome) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.past.len() >= REMEMBERED {
            known.past.clear();
        }
        let past = Past { outcome, at: sending.at, control_id: sending.control_id.to_owned() };
        known.past.insert((sending.path.to_owned(), sending.fingerprint), past);
    }
}
