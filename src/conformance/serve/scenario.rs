//! How a call is answered: as a good registry would, or as was asked, on the command line or by the path of the address.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::words;

words! {
    /// An answer that can be asked for.
    Reply {
        /// As a good registry answers.
        Good = "good",
        /// An ACK with AA, whatever was found.
        AckAccept = "ack-accept",
        /// An ACK with AE and a warning: the message was kept.
        AckWarning = "ack-warning",
        /// An ACK with AE and an error: the message was not kept.
        AckError = "ack-error",
        /// An ACK with AR: the message was not processed.
        AckReject = "ack-reject",
        /// An ACK of another message: MSA-2 is not its MSH-10.
        AckOther = "ack-other",
        /// A query is answered with one person.
        Match = "match",
        /// A query is answered with nobody.
        NoMatch = "no-match",
        /// `SecurityFault`.
        FaultSecurity = "fault-security",
        /// `MessageTooLargeFault`.
        FaultTooLarge = "fault-too-large",
        /// `UnsupportedOperationFault`.
        FaultUnsupported = "fault-unsupported",
        /// The fault of the contract for everything else.
        FaultUnknown = "fault-unknown",
        /// HTTP 503 with Retry-After.
        Busy = "http-503",
        /// A page for a browser.
        Html = "html",
        /// Half an answer as if it were whole.
        Truncated = "truncated",
        /// Status 200 without a body.
        Empty = "empty",
        /// A good envelope whose `return` is empty.
        EmptyReturn = "empty-return",
        /// The connection ends before the request was read.
        CutBefore = "cut-before",
        /// The connection ends in place of an answer.
        CutAfter = "cut-after",
    }
}

impl Reply {
    /// What a client gets, in words for a list.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Good => {
                "as a good registry: the echo; an ACK by what was found; RSP to a query; the right fault"
            }
            Self::AckAccept => "ACK with AA, whatever was found",
            Self::AckWarning => {
                "ACK with AE and one warning: the message was kept, do not send it again"
            }
            Self::AckError => "ACK with AE and one error: the message was not kept, mend it first",
            Self::AckReject => "ACK with AR: the message was not processed",
            Self::AckOther => "ACK with AA for another message: MSA-2 is not your MSH-10",
            Self::Match => "RSP with one person (Z32; Z42 for Z44), whoever was asked for",
            Self::NoMatch => "RSP with nobody (Z33), whoever was asked for",
            Self::FaultSecurity => "SecurityFault, HTTP 500",
            Self::FaultTooLarge => "MessageTooLargeFault, HTTP 500",
            Self::FaultUnsupported => "UnsupportedOperationFault, HTTP 500",
            Self::FaultUnknown => "UnknownFault (element fault), HTTP 500",
            Self::Busy => "HTTP 503 with Retry-After: 10 and no SOAP",
            Self::Html => "HTTP 200 and a log-in page, as proxies make them",
            Self::Truncated => "HTTP 200 and half an envelope, declared as the whole",
            Self::Empty => "HTTP 200 without a body",
            Self::EmptyReturn => "a good envelope whose return is empty",
            Self::CutBefore => "the connection ends before the request was read: it was not kept",
            Self::CutAfter => {
                "the connection ends after the request was read: it may have been kept"
            }
        }
    }
}

/// Seconds in the Retry-After of [`Reply::Busy`].
pub(super) const RETRY_AFTER: u32 = 10;

/// The longest wait before an answer.
const LONGEST_DELAY: Duration = Duration::from_mins(10);

/// How calls at an address are answered. Written by `Display` as it is read by `FromStr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The answer.
    pub reply: Reply,
    /// How long is waited before it.
    pub delay: Duration,
    /// Only the first so many calls with the same message are answered so, later ones as a good registry does; none:
    /// all of them.
    pub times: Option<u32>,
}

impl Scenario {
    /// As a good registry answers.
    pub const GOOD: Self = Self { reply: Reply::Good, delay: Duration::ZERO, times: None };

    /// The scenario of these settings.
    ///
    /// # Errors
    /// When a number is out of bounds.
    pub fn new(
        reply: Reply,
        delay_seconds: u64,
        times: Option<u32>,
    ) -> Result<Self, ScenarioError> {
        let delay = Duration::from_secs(delay_seconds);
        if delay > LONGEST_DELAY {
            return Err(ScenarioError::Delay);
        }
        if times == Some(0) {
            return Err(ScenarioError::Times);
        }
        Ok(Self { reply, delay, times })
    }

    /// What holds when so many calls with the same message came before.
    pub(super) const fn after(self, before: u32) -> Self {
        match self.times {
            Some(times) if before >= times => Self::GOOD,
            _ => self,
        }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self::GOOD
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reply.word())?;
        if !self.delay.is_zero() {
            write!(f, "/delay/{}", self.delay.as_secs())?;
        }
        if let Some(times) = self.times {
            write!(f, "/times/{times}")?;
        }
        Ok(())
    }
}

/// Why a text is no scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The wait.
    #[error("delay: needs seconds from 0 to 600, such as delay/40")]
    Delay,
    /// The answer.
    #[error("no answer has that name; `izportal conformance serve --list` shows all")]
    Reply,
    /// What stands behind it.
    #[error("only /delay/SECONDS and /times/N may follow the name of an answer")]
    Surplus,
    /// The number of calls.
    #[error("times: needs a number of calls from 1, such as times/2")]
    Times,
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim_matches('/').split('/');
        let reply = parts.next().unwrap_or_default();
        let reply = reply.parse().map_err(|_unknown| ScenarioError::Reply)?;
        let (mut delay, mut times) = (0, None);
        while let Some(word) = parts.next() {
            let value = parts.next().unwrap_or_default();
            match word {
                "delay" => delay = value.parse().map_err(|_number| ScenarioError::Delay)?,
                "times" => times = Some(value.parse().map_err(|_number| ScenarioError::Times)?),
                _ => return Err(ScenarioError::Surplus),
            }
        }
        Self::new(reply, delay, times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_written_as_it_is_read() {
        for text in ["good", "fault-security", "http-503/times/2", "ack-error/delay/40/times/1"] {
            let scenario: Scenario = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(scenario.to_string(), text);
        }
        for reply in Reply::ALL {
            assert_eq!(reply.word().parse(), Ok(Scenario { reply: *reply, ..Scenario::GOOD }));
        }
    }

    #[test]
    fn what_is_none_is_told_why() {
        let error = |text: &str| text.parse::<Scenario>().unwrap_err();
        assert_eq!(error(""), ScenarioError::Reply);
        assert_eq!(error("nothing"), ScenarioError::Reply);
        assert_eq!(error("good/delay/601"), ScenarioError::Delay);
        assert_eq!(error("good/delay"), ScenarioError::Delay);
        assert_eq!(error("good/times/0"), ScenarioError::Times);
        assert_eq!(error("good/wait/5"), ScenarioError::Surplus);
    }

    #[test]
    fn after_so_many_calls_the_answer_is_good() {
        let scenario: Scenario = "http-503/times/2".parse().unwrap();

        assert_eq!(scenario.after(1), scenario);
        assert_eq!(scenario.after(2), Scenario::GOOD);
        assert_eq!(Scenario::GOOD.after(9), Scenario::GOOD);
    }
}
