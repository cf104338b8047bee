//! How a run is asked for, how far it is, and how it ended.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;

use crate::send::intake::Problem;
use crate::send::pace::{BackOff, Window};

/// How messages are sent.
#[derive(Clone)]
pub struct Plan {
    /// Attempts under way at one time.
    pub concurrency: usize,
    /// Attempts begun in a second, at most.
    pub rate: Option<NonZeroU32>,
    /// When messages are sent; any time without.
    pub window: Option<Window>,
    /// Waits after failures.
    pub back_off: BackOff,
    /// Failures in a row, with a wait after each, that end the run; none: it goes on for ever.
    pub stop_after: Option<u32>,
    /// Whether what may have arrived is sent again.
    pub resend: bool,
    /// What judges messages before they are sent.
    pub check: Option<Check>,
    /// The time of the day where the sender is.
    pub time: fn() -> NaiveTime,
}

/// Judges a message before it is sent.
pub type Check = Arc<dyn Fn(&str) -> Checked + Send + Sync>;

/// What a check says.
#[derive(Debug, Default)]
pub struct Checked {
    /// What was found, for the person who mends it; empty: the message is sent.
    pub refused: Option<String>,
    /// Rules that found something that is at least a warning.
    pub rules: Vec<&'static str>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Messages that are done, earlier runs included.
    pub done: u64,
    /// Messages that were answered in this run.
    pub answered: u64,
    /// Messages that are refused, cannot be sent or are ambiguous.
    pub problems: u64,
    /// Nothing is sent until the window opens.
    pub shut: bool,
    /// Nothing is sent for so long, because nobody took anything.
    pub away: Option<Duration>,
}

/// Why a run ended before everything was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nobody took anything, again and again.
    Away(String),
    /// The journal cannot be written.
    Journal(String),
    /// It was told to.
    Told,
    /// Something is wrong with what we were given: address, certificates, credentials.
    Ours(String),
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Finished {
    /// Why it ended early.
    pub stop: Option<Stop>,
    /// Whether anything was answered.
    pub answered: u64,
    /// Messages of the input that were read.
    pub met: u64,
    /// Messages whose bytes stood in the input before; they were sent once.
    pub repeated: u64,
    /// Messages that earlier runs have dealt with.
    pub earlier: u64,
    /// Messages of earlier runs that are not in the input any more.
    pub unmet: usize,
    /// Stretches of the input that are no messages.
    pub problems: Vec<Problem>,
    /// How many rules found something, by rule, when messages were checked.
    pub rules: BTreeMap<&'static str, u64>,
}
