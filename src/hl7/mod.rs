//! HL7 v2.5.1: reading, looking up, acknowledging.
//!
//! Covered is what a gateway needs of the CDC/AIRA *HL7 Version 2.5.1 Implementation Guide for Immunization Messaging*
//! 1.5: delimiters and escapes, one message as byte spans ([`Message`]), the message header ([`Header`]), the few data
//! types that headers and routing use, error locations ([`Location`]), the Z23 acknowledgement ([`Ack`]), the tolerant
//! reading of a registry's answer ([`Reply`]) and a file as its messages ([`split`]; [`Stream`] for one of any length). Not covered: judging the content of
//! a message.
//!
//! The rule of the module: bytes of a message are never changed and never copied, and no `Debug` shows them. It imports
//! nothing from the rest of the crate.

mod ack;
mod batch;
mod datatypes;
mod delimiters;
mod escape;
mod framing;
mod header;
mod message;
mod path;
mod query_reply;
mod reply;
mod stream;
mod tables;
mod view;

pub use self::ack::{Ack, ErrorLine, Identity};
pub use self::batch::{BatchError, Part, Parts, split};
pub use self::datatypes::{Dtm, DtmError, Hd, Precision, Xcn, Xon};
pub use self::delimiters::{DelimiterFault, Delimiters};
pub use self::escape::{escape, escape_into, escape_within, has_foreign_escape, unescape};
pub use self::framing::{Framing, Note};
pub use self::header::{Candidate, CandidateSource, Header, Identifiers};
pub use self::message::{MAXIMUM_SEGMENTS, Message, ParseError};
pub use self::path::{Human, Location, LocationError, SegmentName};
pub use self::query_reply::Query;
pub use self::reply::{Reply, ReplyError, ReplyKind, Verdict};
pub use self::stream::{Stream, StreamError, Streamed};
pub use self::tables::{AckCode, ApplicationError, ErrorCode, MessageKind, ProcessingId, Severity};
pub use self::view::{Component, Field, Repetition, Segment, Subcomponent, Value};

/// The slice of `bytes` in `range`, empty when the range lies outside.
fn slice(bytes: &[u8], range: std::ops::Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

/// An offset kept as `u32`, as an index.
fn index(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
