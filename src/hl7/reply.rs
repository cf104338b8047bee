//! Reading what a registry answers, however ugly: judged is what it means.

use std::fmt;

use thiserror::Error;

use crate::hl7::header::Header;
use crate::hl7::message::{Message, ParseError, begins_with, leading_blanks};
use crate::hl7::slice;
use crate::hl7::tables::{AckCode, MessageKind, Severity};

/// The outcome that a registry's answer states.
///
/// Real answers have LF terminators, batch wrappers, ERR before MSA, several MSA, triggers of all kinds and locations
/// in ERR-1; none of that makes an answer unreadable. Source: hl7.md 3.1 and 4.6.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: AckCode,
    kind: ReplyKind,
    control_id: Option<String>,
    worst: Option<Severity>,
    errors: usize,
}

/// What kind of message the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// An acknowledgement.
    Ack,
    /// Anything else that has an MSA.
    Other,
    /// A response to a query.
    Rsp,
}

/// What the answer says became of the message sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// AA.
    Accepted,
    /// AE without any error of severity E: taken, with warnings.
    AcceptedWithErrors,
    /// AR; or AE with an error of severity E or without any severity.
    Rejected,
}

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReplyError {
    /// It is not HL7.
    #[error("the answer is not an HL7 message")]
    NotHl7(#[source] ParseError),
    /// There is no MSA segment.
    #[error("the answer has no MSA segment")]
    NoAcknowledgement,
    /// MSA-1 is not an acknowledgement code.
    #[error("MSA-1 of the answer is not an acknowledgement code")]
    UnknownCode,
}

impl Reply {
    /// Reads an answer; of several messages the first.
    pub fn read(bytes: &[u8]) -> Result<Self, ReplyError> {
        let message = match Message::parse(bytes) {
            Err(ParseError::Batch | ParseError::SeveralMessages) => {
                Message::parse(first_message(bytes))
            }
            parsed => parsed,
        };
        Self::of(&message.map_err(ReplyError::NotHl7)?)
    }

    /// What a message says as an answer.
    pub fn of(message: &Message<'_>) -> Result<Self, ReplyError> {
        let acknowledgement = message.segment("MSA").ok_or(ReplyError::NoAcknowledgement)?;
        let code = acknowledgement.field(1).component(1).bytes().trim_ascii();
        let code = read_code(code).ok_or(ReplyError::UnknownCode)?;
        let control_id = acknowledgement.field(2).value().text();
        let mut worst = None;
        let mut errors = 0;
        for error in message.segments_named("ERR") {
            errors += 1;
            worst = worst.max(Severity::of(error.field(4).component(1).bytes().trim_ascii()));
        }
        Ok(Self {
            code,
            kind: ReplyKind::of(&Header::of(message)),
            control_id: control_id.map(|id| String::from_utf8_lossy(id).into_owned()),
            worst,
            errors,
        })
    }

    /// MSA-1 of the first MSA; CA, CE and CR are told as AA, AE and AR.
    pub fn code(&self) -> AckCode {
        self.code
    }

    /// Whether it is an ACK or an RSP.
    pub fn kind(&self) -> ReplyKind {
        self.kind
    }

    /// MSA-2, as it stands.
    pub fn control_id(&self) -> Option<&str> {
        self.control_id.as_deref()
    }

    /// The worst ERR-4.
    pub fn worst_severity(&self) -> Option<Severity> {
        self.worst
    }

    /// The number of ERR segments.
    pub fn error_count(&self) -> usize {
        self.errors
    }

    /// What became of the message.
    pub fn verdict(&self) -> Verdict {
        match (self.code, self.worst) {
            (AckCode::AA, _) => Verdict::Accepted,
            (AckCode::AE, Some(Severity::I | Severity::W)) => Verdict::AcceptedWithErrors,
            (AckCode::AE, Some(Severity::E) | None) | (AckCode::AR, _) => Verdict::Rejected,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({:?}, {}, {} errors)", self.kind, self.code.code(), self.errors)
    }
}

impl ReplyKind {
    fn of(header: &Header<'_>) -> Self {
        match header.kind() {
            Some(MessageKind::Ack) => Self::Ack,
            Some(MessageKind::Rsp) => Self::Rsp,
            Some(MessageKind::QbpQ11 | MessageKind::VxuV04) | None => Self::Other,
        }
    }
}

/// MSA-1, of either level. Source: HL7 table 0008.
fn read_code(code: &[u8]) -> Option<AckCode> {
    let code = <[u8; 2]>::try_from(code).ok()?.map(|b| b.to_ascii_uppercase());
    match &code {
        b"AA" | b"CA" => Some(AckCode::AA),
        b"AE" | b"CE" => Some(AckCode::AE),
        b"AR" | b"CR" => Some(AckCode::AR),
        _ => None,
    }
}

/// The lines from the first MSH to the next header or trailer.
fn first_message(bytes: &[u8]) -> &[u8] {
    let mut start = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\r' || *b == b'\n') {
        let text = slice(line, leading_blanks(line)..line.len());
        let begins = |names: &[&[u8]]| names.iter().any(|name| begins_with(text, name));
        match start {
            None if begins(&[b"MSH"]) => start = Some(at),
            Some(start) if begins(&[b"MSH", b"BHS", b"BTS", b"FHS", b"FTS"]) => {
                return slice(bytes, start..at);
            }
            _ => {}
        }
        at += line.len();
    }
    slice(bytes, start.unwrap_or(0)..bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(text: &str) -> Reply {
        Reply::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_acceptance_is_read() {
        let reply = reply("MSH|^~\\&|IIS||||||ACK^V04^ACK|9|P|2.5.1\rMSA|AA|42\r");

        assert_eq!(reply.verdict(), Verdict::Accepted);
        assert_eq!(reply.kind(), ReplyKind::Ack);
        assert_eq!(reply.control_id(), Some("42"));
        assert_eq!((reply.error_count(), reply.worst_severity()), (0, None));
        assert_eq!(format!("{reply:?}"), "Reply(Ack, AA, 0 errors)");
    }

    #[test]
    fn the_worst_error_decides_about_ae() {
        let verdict =
            |errors: &str| reply(&format!("MSH|^~\\&|||||||ACK\nMSA|AE|1\n{errors}")).verdict();

        assert_eq!(verdict("ERR||PID^1|0|I\nERR||RXA^1|0|W\n"), Verdict::AcceptedWithErrors);
        assert_eq!(verdict("ERR||PID^1|0|W\nERR||RXA^1|101|E\n"), Verdict::Rejected);
        assert_eq!(verdict("ERR|RXA^1^5^103\n"), Verdict::Rejected);
        assert_eq!(verdict(""), Verdict::Rejected);
    }

    #[test]
    fn an_ugly_answer_is_still_an_answer() {
        let wrapped = reply(
            "\n FHS|^~\\&\r\nBHS|^~\\&\r\n MSH|^~\\&|||||||RSP^K22\r\nERR||||W\r\nMSA|ae |7\r\nMSA|AR|8\r\nBTS|1\r\nFTS|1",
        );
        let twice = reply("MSH|^~\\&|||||||ACK\rMSA|CR|1\rMSH|^~\\&\rMSA|AA|2\r");

        assert_eq!((wrapped.code(), wrapped.kind()), (AckCode::AE, ReplyKind::Rsp));
        assert_eq!(
            (wrapped.control_id(), wrapped.verdict()),
            (Some("7"), Verdict::AcceptedWithErrors)
        );
        assert_eq!((twice.code(), twice.control_id()), (AckCode::AR, Some("1")));
    }

    #[test]
    fn what_says_nothing_is_an_error() {
        let failed = |text: &str| Reply::read(text.as_bytes()).unwrap_err();

        assert_eq!(failed("<html>"), ReplyError::NotHl7(ParseError::NoHeader));
        assert_eq!(failed("FHS|^~\\&\r"), ReplyError::NotHl7(ParseError::Batch));
        assert_eq!(failed("MSH|^~\\&\rPID|1\r"), ReplyError::NoAcknowledgement);
        assert_eq!(failed("MSH|^~\\&\rMSA|OK|1\r"), ReplyError::UnknownCode);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(
            front in prop_oneof![Just("FHS|\r"), Just("MSH|^~\\&|\r"), Just("MSH|\rMSA|AA")],
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = Reply::read(&[front.as_bytes(), &bytes].concat());
            let _ = Reply::read(&bytes);
        }
    }
}
