//! What a request says, and why one was refused.

use std::borrow::Cow;
use std::fmt;

use crate::soap::fault::{Fault, FaultCode, NotUnderstood};
use crate::soap::version::{OperationName, SoapVersion};

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The version to answer in.
    pub version: SoapVersion,
    /// The WS-Addressing headers, if there were any; pass them to the writers (row 52).
    pub addressing: Option<Addressing>,
    /// What is asked.
    pub operation: Operation<'a>,
    /// What was tolerated.
    pub notes: Notes,
}

impl Envelope<'_> {
    /// Lets go of the bytes that were read.
    pub(super) fn into_owned(self) -> Envelope<'static> {
        let operation = match self.operation {
            Operation::ConnectivityTest { echo_back } => {
                Operation::ConnectivityTest { echo_back: echo_back.into_owned() }
            }
            Operation::SubmitSingleMessage(submission) => {
                Operation::SubmitSingleMessage(submission.into_owned())
            }
        };
        let Self { version, addressing, notes, operation: _ } = self;
        Envelope { version, addressing, operation, notes }
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Envelope(SOAP {}, {:?}, {:?}, {:?})",
            self.version, self.operation, self.addressing, self.notes
        )
    }
}

/// The WS-Addressing headers that a reply refers to.
#[derive(Clone, PartialEq, Eq)]
pub struct Addressing {
    /// Which of the two namespaces the request used.
    pub version: AddressingVersion,
    /// The request's `MessageID`; the reply's `RelatesTo`.
    pub message_id: Option<String>,
    /// The request's Action; it never decides anything (row 9).
    pub action: Option<String>,
}

impl fmt::Debug for Addressing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, action) = (self.message_id.is_some(), self.action.is_some());
        write!(f, "Addressing({:?}, MessageID: {id}, Action: {action})", self.version)
    }
}

/// The versions of WS-Addressing that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressingVersion {
    /// `http://schemas.xmlsoap.org/ws/2004/08/addressing`.
    August2004,
    /// `http://www.w3.org/2005/08/addressing`.
    August2005,
}

impl AddressingVersion {
    /// The namespace of the headers.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::August2004 => "http://schemas.xmlsoap.org/ws/2004/08/addressing",
            Self::August2005 => "http://www.w3.org/2005/08/addressing",
        }
    }
}

/// What a request asks for; everything else in the Body is an error of kind `UnsupportedOperation`.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Asks for its own text back; needs no credentials (row 32).
    ConnectivityTest {
        /// The text to return.
        echo_back: EchoBack<'a>,
    },
    /// Hands over one HL7 message.
    SubmitSingleMessage(Submission<'a>),
}

impl Operation<'_> {
    /// Its name in the contract.
    pub const fn name(&self) -> OperationName {
        match self {
            Self::ConnectivityTest { .. } => OperationName::ConnectivityTest,
            Self::SubmitSingleMessage(_) => OperationName::SubmitSingleMessage,
        }
    }
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectivityTest { echo_back } => write!(f, "ConnectivityTest({echo_back:?})"),
            Self::SubmitSingleMessage(submission) => fmt::Debug::fmt(submission, f),
        }
    }
}

/// The text of a connectivityTest, exactly as sent (rows 31 to 37).
#[derive(Clone, PartialEq, Eq)]
pub enum EchoBack<'a> {
    /// There was no echoBack element: PHP without arguments.
    Absent,
    /// `xsi:nil="true"`.
    Nil,
    /// The text, perhaps empty.
    Text(Cow<'a, str>),
}

impl EchoBack<'_> {
    fn into_owned(self) -> EchoBack<'static> {
        match self {
            Self::Absent => EchoBack::Absent,
            Self::Nil => EchoBack::Nil,
            Self::Text(text) => EchoBack::Text(Cow::Owned(text.into_owned())),
        }
    }
}

impl fmt::Debug for EchoBack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Nil => f.write_str("nil"),
            Self::Text(text) => write!(f, "{} bytes", text.len()),
        }
    }
}

/// The fields of a submitSingleMessage, untrimmed; a nil field is an absent one (rows 40 to 42 and 55).
///
/// User name and password are those of the WS-Security header when the Body names neither (row 51).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Submission<'a> {
    /// The user name.
    pub username: Option<Cow<'a, str>>,
    /// The password.
    pub password: Option<Cow<'a, str>>,
    /// The facility, third part of the credential.
    pub facility_id: Option<Cow<'a, str>>,
    /// The HL7 message; never examined here.
    pub hl7_message: Option<Cow<'a, str>>,
}

impl Submission<'_> {
    fn into_owned(self) -> Submission<'static> {
        let owned = |field: Option<Cow<'_, str>>| field.map(|text| Cow::Owned(text.into_owned()));
        Submission {
            username: owned(self.username),
            password: owned(self.password),
            facility_id: owned(self.facility_id),
            hl7_message: owned(self.hl7_message),
        }
    }
}

impl fmt::Debug for Submission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SubmitSingleMessage(username: {}, password: {}, facilityID: {}, hl7Message: {:?} bytes)",
            self.username.is_some(),
            self.password.is_some(),
            self.facility_id.is_some(),
            self.hl7_message.as_ref().map(|text| text.len()),
        )
    }
}

/// What was tolerated in a request; for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Children of the operation had no namespace (row 50).
    pub unqualified_children: bool,
    /// The credentials came from the WS-Security header (row 51).
    pub security_header_used: bool,
    /// Children of the operation from a foreign namespace were passed over (row 48).
    pub foreign_children: bool,
}

/// Why a request was not read.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the SOAP envelope was refused: {detail}")]
pub struct EnvelopeError {
    /// The version to answer in; a guess from the media type while the envelope is not known.
    pub version: SoapVersion,
    /// What went wrong.
    pub kind: EnvelopeErrorKind,
    /// One sentence for the caller; names of elements at most, never text of the message.
    pub detail: Cow<'static, str>,
    /// The WS-Addressing headers read so far.
    pub related: Option<Box<Addressing>>,
}

impl EnvelopeError {
    /// The fault that answers this error.
    pub fn fault(&self) -> Fault {
        let fault = Fault::new(self.kind.code(), self.detail.clone().into_owned());
        match &self.kind {
            EnvelopeErrorKind::MustUnderstand(header) => {
                fault.with_not_understood((**header).clone())
            }
            _ => fault,
        }
    }
}

impl fmt::Debug for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvelopeError(SOAP {}, {:?}, {})", self.version, self.kind, self.detail)
    }
}

/// The kinds of [`EnvelopeError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeErrorKind {
    /// A child of the operation, or a credential of the header, came twice (row 49).
    DuplicateChild,
    /// A document type declaration (row 72).
    Dtd,
    /// Not decodable with the encoding announced (rows 13 and 77).
    Encoding,
    /// A bound of [`Limits`](crate::soap::Limits) was passed (row 74).
    Limit,
    /// Not well-formed XML, an illegal character, an empty body (rows 75, 76 and 78).
    Malformed,
    /// A mandatory header that is not understood (row 53).
    MustUnderstand(Box<NotUnderstood>),
    /// A known operation in the namespace of another contract (row 81).
    OtherContract,
    /// A processing instruction (row 73).
    ProcessingInstruction,
    /// XML, but not a SOAP request of this shape (row 79).
    Structure,
    /// A child of the operation that the contract does not know (row 48).
    UnknownChild,
    /// Not an operation of this service (rows 80 and 82).
    UnsupportedOperation,
    /// An Envelope of an unknown version (row 4).
    VersionMismatch,
}

impl EnvelopeErrorKind {
    /// The number that the fault carries.
    pub const fn code(&self) -> FaultCode {
        match self {
            Self::DuplicateChild => FaultCode::DuplicateChild,
            Self::Dtd => FaultCode::Dtd,
            Self::Encoding => FaultCode::Encoding,
            Self::Limit => FaultCode::LimitExceeded,
            Self::Malformed => FaultCode::MalformedXml,
            Self::MustUnderstand(_) => FaultCode::MustUnderstand,
            Self::OtherContract => FaultCode::OtherContract,
            Self::ProcessingInstruction => FaultCode::ProcessingInstruction,
            Self::Structure => FaultCode::Structure,
            Self::UnknownChild => FaultCode::UnknownChild,
            Self::UnsupportedOperation => FaultCode::UnknownOperation,
            Self::VersionMismatch => FaultCode::VersionMismatch,
        }
    }
}
