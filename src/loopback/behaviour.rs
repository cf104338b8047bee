//! How a loopback registry can be told to behave: one line of text, read once, and what it asks for one call.
//!
//! `fail:2:latency:500ms:reset-after` is read from left to right: the first two calls with the same MSH-10 wait half a
//! second and are cut off after the message was kept, the third is answered as ever.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::domain::words;

words! {
    /// What a registry does in place of a good answer.
    Deed {
        /// A good acknowledgement.
        Normal = "normal",
        /// The connection is reset before the request has been read.
        ResetBefore = "reset-before",
        /// The connection is reset in place of an answer.
        ResetAfter = "reset-after",
        /// The connection is reset in the middle of the answer.
        ResetMidway = "reset-midway",
        /// No answer ever.
        Hang = "hang",
        /// A page for a browser.
        Html = "html",
        /// Half an answer as if it were whole.
        BrokenXml = "broken-xml",
        /// Nothing at all, with status 200.
        Empty = "empty",
        /// More than the Gateway reads.
        Giant = "giant",
        /// A character that XML does not have.
        ControlCharacters = "control-characters",
        /// The fault of the contract about credentials.
        FaultSecurity = "fault-security",
        /// The fault of the contract about size.
        FaultTooLarge = "fault-too-large",
        /// The fault of the contract about everything else.
        FaultUnknown = "fault-unknown",
        /// The fault of the contract about operations.
        FaultUnsupported = "fault-unsupported",
        /// A fault without any reason.
        FaultNoReason = "fault-no-reason",
        /// A fault without prefixes and namespaces.
        FaultUnprefixed = "fault-unprefixed",
        /// A fault of SOAP 1.1, whatever was asked.
        FaultSoap11 = "fault-soap11",
        /// A fault that quotes the patient of the message.
        FaultQuoting = "fault-quoting",
        /// AE with a warning.
        AckWarning = "ack-warning",
        /// AE with an error.
        AckError = "ack-error",
        /// AR.
        AckReject = "ack-reject",
        /// AE whose ERR has no severity.
        AckNoSeverity = "ack-no-severity",
        /// `aa` for AA.
        AckLowerCase = "ack-lower-case",
        /// CA for AA.
        AckCa = "ack-ca",
        /// CE for AE.
        AckCe = "ack-ce",
        /// CR for AR.
        AckCr = "ack-cr",
        /// Two MSA segments.
        AckSeveralMsa = "ack-several-msa",
        /// LF for CR.
        AckLf = "ack-lf",
        /// The acknowledgement in a batch.
        AckBatch = "ack-batch",
        /// MSA-2 of another message.
        AckOtherId = "ack-other-id",
        /// MSA-2 empty.
        AckEmptyId = "ack-empty-id",
    }
}

impl Deed {
    /// Whether the registry has the message afterwards.
    pub const fn keeps(self) -> bool {
        match self {
            Self::Normal
            | Self::ResetAfter
            | Self::ResetMidway
            | Self::BrokenXml
            | Self::Empty
            | Self::Giant
            | Self::ControlCharacters
            | Self::AckWarning
            | Self::AckLowerCase
            | Self::AckCa
            | Self::AckSeveralMsa
            | Self::AckLf
            | Self::AckBatch
            | Self::AckOtherId
            | Self::AckEmptyId => true,
            Self::ResetBefore
            | Self::Hang
            | Self::Html
            | Self::FaultSecurity
            | Self::FaultTooLarge
            | Self::FaultUnknown
            | Self::FaultUnsupported
            | Self::FaultNoReason
            | Self::FaultUnprefixed
            | Self::FaultSoap11
            | Self::FaultQuoting
            | Self::AckError
            | Self::AckReject
            | Self::AckNoSeverity
            | Self::AckCe
            | Self::AckCr => false,
        }
    }

    /// Whether it is about the acknowledgement, so that a connectivityTest knows nothing of it.
    pub const fn is_acknowledgement(self) -> bool {
        matches!(
            self,
            Self::Normal
                | Self::AckWarning
                | Self::AckError
                | Self::AckReject
                | Self::AckNoSeverity
                | Self::AckLowerCase
                | Self::AckCa
                | Self::AckCe
                | Self::AckCr
                | Self::AckSeveralMsa
                | Self::AckLf
                | Self::AckBatch
                | Self::AckOtherId
                | Self::AckEmptyId
        )
    }

    /// What happens on the wire, in words for a list.
    pub const fn on_the_wire(self) -> &'static str {
        match self {
            Self::Normal => "HTTP 200 with an ACK that says what was found; ends a script",
            Self::ResetBefore => "TCP reset as soon as the head of the request has come; no answer",
            Self::ResetAfter => "TCP reset after the whole request; no answer",
            Self::ResetMidway => "HTTP 200 and half the body of a good answer, then TCP reset",
            Self::Hang => "no answer; TCP reset after 10 minutes",
            Self::Html => "HTTP 200, text/html: a log-in page as proxies make them",
            Self::BrokenXml => "HTTP 200, the first half of the envelope, declared as the whole",
            Self::Empty => "HTTP 200, SOAP by its content type, no body",
            Self::Giant => "HTTP 200, a good answer with 9 MiB of a Z segment (or echo)",
            Self::ControlCharacters => {
                "HTTP 200, a vertical tab inside the text: not well-formed XML"
            }
            Self::FaultSecurity => "HTTP 500, SecurityFault 2010",
            Self::FaultTooLarge => "HTTP 500, MessageTooLargeFault 1000",
            Self::FaultUnknown => "HTTP 500, UnknownFault (element fault) 4000",
            Self::FaultUnsupported => "HTTP 500, UnsupportedOperationFault 3000",
            Self::FaultNoReason => "HTTP 500, a fault with Code only, no Reason, no Detail",
            Self::FaultUnprefixed => "HTTP 500, Envelope, Body and Fault without any namespace",
            Self::FaultSoap11 => "HTTP 500, SOAP 1.1 fault and text/xml, whatever was asked",
            Self::FaultQuoting => {
                "HTTP 500, UnknownFault 4000 with the PID segment of the message in its texts"
            }
            Self::AckWarning => "ACK AE with one ERR of severity W",
            Self::AckError => "ACK AE with one ERR of severity E",
            Self::AckReject => "ACK AR with one ERR of severity E",
            Self::AckNoSeverity => "ACK AE with one ERR whose severity is empty",
            Self::AckLowerCase => "ACK with MSA-1 aa",
            Self::AckCa => "ACK with MSA-1 CA",
            Self::AckCe => "ACK with MSA-1 CE and one ERR of severity E",
            Self::AckCr => "ACK with MSA-1 CR and one ERR of severity E",
            Self::AckSeveralMsa => "ACK with MSA AA of this message and MSA AE of another one",
            Self::AckLf => "ACK AA with LF between its segments",
            Self::AckBatch => "ACK AA between FHS, BHS and BTS, FTS",
            Self::AckOtherId => "ACK AA with OTHER- before MSA-2",
            Self::AckEmptyId => "ACK AA with an empty MSA-2",
        }
    }
}

/// How long an answer is waited for on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Always as long.
    Fixed(Duration),
    /// As long as real registries take: see [`measured`].
    Measured,
}

/// How a registry behaves. Written by `Display` as it is read by `FromStr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// One deed for every call.
    Deed(Deed),
    /// The first calls with the same MSH-10 behave so, later ones as ever.
    Fail(u32, Box<Self>),
    /// The message is kept, whatever is done then.
    Keep(Box<Self>),
    /// The rest is done after a wait.
    Late(Wait, Box<Self>),
    /// So many calls in a hundred behave so, the others as ever.
    Rate(u32, Box<Self>),
    /// An HTTP status, perhaps with Retry-After in seconds, in place of SOAP.
    Status(u16, Option<u32>),
    /// A connectivityTest is answered as ever.
    Submissions(Box<Self>),
}

/// Words that take something with them, as they are listed: the form, what it does, whether the message is kept.
const WITH_PARAMETERS: [(&str, &str, &str); 7] = [
    ("status:CODE[:SECONDS]", "that HTTP status, 300 to 599, perhaps with Retry-After", "no"),
    ("latency:TIME[:BEHAVIOUR]", "waits, such as 500ms or 2s, then does the rest", "as the rest"),
    (
        "measured[:BEHAVIOUR]",
        "waits as real registries do: median 1.6 s, at most 9.75 s",
        "as the rest",
    ),
    ("fail:N:BEHAVIOUR", "the first N calls with the same MSH-10; then normal", "as the rest"),
    ("rate:PERCENT:BEHAVIOUR", "so many calls in a hundred, by chance; else normal", "as the rest"),
    ("keep:BEHAVIOUR", "the same, but the message is kept first", "yes"),
    ("submissions:BEHAVIOUR", "the same, but connectivityTest is left alone", "as the rest"),
];

/// A behaviour as it is listed for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// How it is written.
    pub behaviour: &'static str,
    /// Whether the registry has the message afterwards.
    pub kept: &'static str,
    /// What happens.
    pub on_the_wire: &'static str,
}

/// One call, as far as a behaviour asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Whether it brings a message; else it is a connectivityTest.
    pub is_submission: bool,
    /// How many calls with the same MSH-10 came before.
    pub before: u32,
}

/// What is done about one call, in this order: keep, wait, act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether the message is kept.
    pub keep: bool,
    /// How long is waited.
    pub wait: Duration,
    /// What is done then.
    pub act: Act,
}

/// What is sent in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A deed.
    Deed(Deed),
    /// An HTTP status, perhaps with Retry-After.
    Status(u16, Option<u32>),
}

impl Plan {
    /// A good answer.
    pub const NORMAL: Self =
        Self { keep: true, wait: Duration::ZERO, act: Act::Deed(Deed::Normal) };
}

impl Behaviour {
    /// A registry as it should be.
    pub const NORMAL: Self = Self::Deed(Deed::Normal);

    /// Longest text, in bytes: what a table and an MSH field bear.
    const LONGEST: usize = 120;

    /// Longest wait that may be asked for.
    const LONGEST_WAIT: Duration = Duration::from_mins(10);

    /// Every behaviour, as a list for people.
    pub fn list() -> Vec<Listed> {
        let deeds = Deed::ALL.iter().map(|deed| Listed {
            behaviour: deed.word(),
            kept: if deed.keeps() { "yes" } else { "no" },
            on_the_wire: deed.on_the_wire(),
        });
        let others = WITH_PARAMETERS.map(|(behaviour, on_the_wire, kept)| Listed {
            behaviour,
            kept,
            on_the_wire,
        });
        deeds.chain(others).collect()
    }

    /// The same, with every connectivityTest answered as ever.
    #[must_use]
    pub fn for_submissions_only(self) -> Self {
        match self {
            Self::NORMAL | Self::Submissions(_) => self,
            other => Self::Submissions(Box::new(other)),
        }
    }

    /// What it asks for one call; `random` gives evenly distributed numbers.
    pub fn plan(&self, call: Call, random: &mut dyn FnMut() -> u32) -> Plan {
        match self {
            Self::Deed(deed) if deed.is_acknowledgement() && !call.is_submission => Plan::NORMAL,
            Self::Deed(deed) => {
                Plan { keep: deed.keeps(), wait: Duration::ZERO, act: Act::Deed(*deed) }
            }
            Self::Status(code, retry_after) => {
                Plan { keep: false, wait: Duration::ZERO, act: Act::Status(*code, *retry_after) }
            }
            Self::Fail(calls, rest) if call.before < *calls => rest.plan(call, random),
            Self::Rate(percent, rest) if random() % 100 < *percent => rest.plan(call, random),
            Self::Submissions(rest) if call.is_submission => rest.plan(call, random),
            Self::Fail(..) | Self::Rate(..) | Self::Submissions(_) => Plan::NORMAL,
            Self::Keep(rest) => Plan { keep: true, ..rest.plan(call, random) },
            Self::Late(wait, rest) => {
                let wait = match wait {
                    Wait::Fixed(wait) => *wait,
                    Wait::Measured => measured(random()),
                };
                let plan = rest.plan(call, random);
                Plan { wait: wait.saturating_add(plan.wait), ..plan }
            }
        }
    }
}

/// The response times that were measured at real registries: share of the calls, and the time within which they were
/// answered, in seconds. Source: features notes 3.4. The shortest is not told; it is taken as none.
const MEASURED: [(f64, f64); 6] =
    [(0.0, 0.0), (0.5, 1.6), (0.9, 4.84), (0.95, 6.08), (0.99, 8.75), (1.0, 9.75)];

/// A response time as real registries have them, drawn with an evenly distributed number; straight lines between what
/// was measured, so its mean is 2.35 s where 2.08 s was told.
fn measured(random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    let seconds = MEASURED
        .iter()
        .zip(MEASURED.iter().skip(1))
        .find(|(_, (end, _))| share <= *end)
        .map_or(0.0, |((start, from), (end, to))| {
            from + (to - from) * (share - start) / (end - start)
        });
    Duration::from_secs_f64(seconds)
}

/// Why a text is no behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BehaviourError {
    /// `fail` without a number of calls.
    #[error("fail: needs a number of calls from 1 and a behaviour, such as fail:2:reset-after")]
    Calls,
    /// `rate` without a share.
    #[error("rate: needs a percentage from 1 to 100 and a behaviour, such as rate:25:hang")]
    Percent,
    /// `status` without a status.
    #[error(
        "status: needs a number from 300 to 599, perhaps with seconds to wait, such as status:503:30"
    )]
    Status,
    /// A deed that takes nothing has something behind it.
    #[error(
        "only status, latency, measured, fail, rate, keep and submissions take something with them"
    )]
    Surplus,
    /// Longer than anything that makes sense.
    #[error("a behaviour has at most 120 characters")]
    TooLong,
    /// A word that is none.
    #[error("no behaviour has that name; `izportal admin registry behave --list` shows all")]
    Unknown,
    /// `latency` without a time.
    #[error("latency: needs a time up to 10 minutes, such as latency:500ms or latency:2s")]
    Wait,
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::LONGEST {
            return Err(BehaviourError::TooLong);
        }
        let (word, rest) = match text.split_once(':') {
            Some((word, rest)) => (word, Some(rest)),
            None => (text, None),
        };
        let inner = |rest: &str| rest.parse::<Self>().map(Box::new);
        let last = |rest: Option<&str>| rest.map_or_else(|| Ok(Box::new(Self::NORMAL)), inner);
        match word {
            "fail" => {
                let (calls, rest) = numbered(rest, BehaviourError::Calls)?;
                let calls = calls.parse().ok().filter(|calls| *calls > 0);
                Ok(Self::Fail(calls.ok_or(BehaviourError::Calls)?, inner(rest)?))
            }
            "keep" => Ok(Self::Keep(inner(rest.ok_or(BehaviourError::Unknown)?)?)),
            "latency" => {
                let given = rest.ok_or(BehaviourError::Wait)?;
                let (time, rest) = match given.split_once(':') {
                    Some((time, rest)) => (time, Some(rest)),
                    None => (given, None),
                };
                Ok(Self::Late(Wait::Fixed(time_of(time)?), last(rest)?))
            }
            "measured" => Ok(Self::Late(Wait::Measured, last(rest)?)),
            "rate" => {
                let (percent, rest) = numbered(rest, BehaviourError::Percent)?;
                let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
                Ok(Self::Rate(percent.ok_or(BehaviourError::Percent)?, inner(rest)?))
            }
            "status" => status(rest.unwrap_or_default()),
            "submissions" => Ok(Self::Submissions(inner(rest.ok_or(BehaviourError::Unknown)?)?)),
            word => {
                let deed = word.parse().map_err(|_unknown| BehaviourError::Unknown)?;
                if rest.is_some() { Err(BehaviourError::Surplus) } else { Ok(Self::Deed(deed)) }
            }
        }
    }
}

fn numbered(rest: Option<&str>, error: BehaviourError) -> Result<(&str, &str), BehaviourError> {
    rest.and_then(|rest| rest.split_once(':')).ok_or(error)
}

fn time_of(text: &str) -> Result<Duration, BehaviourError> {
    let number = |digits: &str| digits.parse::<u64>().ok();
    let wait = match text.strip_suffix("ms") {
        Some(digits) => number(digits).map(Duration::from_millis),
        None => text.strip_suffix('s').and_then(number).map(Duration::from_secs),
    };
    wait.filter(|wait| *wait <= Behaviour::LONGEST_WAIT).ok_or(BehaviourError::Wait)
}

fn status(text: &str) -> Result<Behaviour, BehaviourError> {
    let (code, retry_after) = match text.split_once(':') {
        Some((code, seconds)) => {
            (code, Some(seconds.parse().map_err(|_wrong| BehaviourError::Status)?))
        }
        None => (text, None),
    };
    let code = code.parse().ok().filter(|code| (300..600).contains(code));
    Ok(Behaviour::Status(code.ok_or(BehaviourError::Status)?, retry_after))
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = match self {
            Self::Deed(deed) => return f.write_str(deed.word()),
            Self::Fail(calls, rest) => return write!(f, "fail:{calls}:{rest}"),
            Self::Keep(rest) => return write!(f, "keep:{rest}"),
            Self::Rate(percent, rest) => return write!(f, "rate:{percent}:{rest}"),
            Self::Status(code, None) => return write!(f, "status:{code}"),
            Self::Status(code, Some(seconds)) => return write!(f, "status:{code}:{seconds}"),
            Self::Submissions(rest) => return write!(f, "submissions:{rest}"),
            Self::Late(wait, _) => wait,
        };
        match wait {
            Wait::Fixed(wait) if wait.subsec_millis() == 0 => {
                write!(f, "latency:{}s", wait.as_secs())?;
            }
            Wait::Fixed(wait) => write!(f, "latency:{}ms", wait.as_millis())?,
            Wait::Measured => f.write_str("measured")?,
        }
        match self {
            Self::Late(_, rest) if **rest != Self::NORMAL => write!(f, ":{rest}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMISSION: Call = Call { is_submission: true, before: 0 };

    fn plan(text: &str, call: Call, random: u32) -> Plan {
        text.parse::<Behaviour>().unwrap().plan(call, &mut || random)
    }

    fn deed(deed: Deed) -> Act {
        Act::Deed(deed)
    }

    #[test]
    fn every_behaviour_is_written_as_it_is_read() {
        let more = [
            "status:503",
            "status:429:30",
            "latency:2s",
            "latency:1500ms:html",
            "measured",
            "measured:status:502",
            "fail:2:latency:500ms:reset-after",
            "rate:25:keep:hang",
            "submissions:rate:100:fail:1:empty",
        ];
        for text in Deed::ALL.iter().map(|deed| deed.word()).chain(more) {
            let read = text.parse::<Behaviour>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_is_none_is_told_apart() {
        use BehaviourError::{Calls, Percent, Status, Surplus, TooLong, Unknown, Wait};

        let cases = [
            ("", Unknown),
            ("Hang", Unknown),
            ("hang:2", Surplus),
            ("keep", Unknown),
            ("keep:keep", Unknown),
            ("fail", Calls),
            ("fail:2", Calls),
            ("fail:0:hang", Calls),
            ("fail:x:hang", Calls),
            ("fail:1:fall", Unknown),
            ("rate:0:hang", Percent),
            ("rate:101:hang", Percent),
            ("status", Status),
            ("status:200", Status),
            ("status:600", Status),
            ("status:503:soon", Status),
            ("latency", Wait),
            ("latency:2", Wait),
            ("latency:601s", Wait),
            ("latency:-1s", Wait),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Behaviour>(), Err(error), "{text}");
        }
        assert_eq!("keep:".repeat(25).parse::<Behaviour>(), Err(TooLong));
    }

    #[test]
    fn a_plan_is_made_for_each_call() {
        let later = Call { before: 2, ..SUBMISSION };
        let test = Call { is_submission: false, before: 0 };
        let wait = Duration::from_secs(2);

        assert_eq!(plan("normal", SUBMISSION, 0), Plan::NORMAL);
        assert_eq!(plan("fail:2:hang", SUBMISSION, 0).act, deed(Deed::Hang));
        assert_eq!(plan("fail:2:hang", later, 0), Plan::NORMAL);
        assert_eq!(plan("fail:3:hang", later, 0).act, deed(Deed::Hang));
        assert_eq!(plan("rate:25:status:503", SUBMISSION, 124).act, Act::Status(503, None));
        assert_eq!(plan("rate:25:status:503", SUBMISSION, 125), Plan::NORMAL);
        assert_eq!(plan("latency:2s", SUBMISSION, 0), Plan { wait, ..Plan::NORMAL });
        assert!(!plan("hang", SUBMISSION, 0).keep);
        assert!(plan("keep:latency:2s:hang", SUBMISSION, 0).keep);
        assert_eq!(plan("ack-reject", test, 0), Plan::NORMAL);
        assert_eq!(plan("html", test, 0).act, deed(Deed::Html));
        assert_eq!(plan("submissions:html", test, 0), Plan::NORMAL);
        assert_eq!(plan("submissions:html", SUBMISSION, 0).act, deed(Deed::Html));
    }

    #[test]
    fn waits_are_distributed_as_measured() {
        let at = |share: f64| {
            let number = (0..=u32::MAX)
                .step_by(1 << 16)
                .find(|number| f64::from(*number) / f64::from(u32::MAX) >= share);
            measured(number.unwrap_or(u32::MAX)).as_secs_f64()
        };

        for (share, seconds) in MEASURED {
            assert!((at(share) - seconds).abs() < 0.01, "{share}: {}", at(share));
        }
        assert!((at(0.25) - 0.8).abs() < 0.01);
        assert_eq!(measured(u32::MAX), Duration::from_millis(9_750));
    }

    #[test]
    fn a_probe_can_be_left_alone() {
        let only = |text: &str| text.parse::<Behaviour>().unwrap().for_submissions_only();

        assert_eq!(only("hang").to_string(), "submissions:hang");
        assert_eq!(only("submissions:hang").to_string(), "submissions:hang");
        assert_eq!(only("normal").to_string(), "normal");
    }
}
