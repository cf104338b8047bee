//! Faults: the documented numbers, and the fault in both versions of SOAP.

use std::borrow::Cow;
use std::fmt;

use crate::soap::envelope::{Addressing, AddressingVersion};
use crate::soap::types::fault_element;
use crate::soap::version::SoapVersion;
use crate::soap::write::{escape_attribute, escape_text, open_envelope};

/// A fault before it is written; every one goes out with HTTP 500 (rows 23 to 30).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The documented cause.
    pub code: FaultCode,
    /// Who must act; [`FaultCode::role`] unless a setting says otherwise.
    pub role: Role,
    /// One short sentence without anything of the message.
    pub detail: String,
    /// The header that was not understood, for [`FaultCode::MustUnderstand`].
    pub not_understood: Option<NotUnderstood>,
}

impl Fault {
    /// A fault with the role that its code has.
    pub fn new(code: FaultCode, detail: impl Into<String>) -> Self {
        Self { code, role: code.role(), detail: detail.into(), not_understood: None }
    }

    /// Names the header that was not understood.
    #[must_use]
    pub fn with_not_understood(mut self, header: NotUnderstood) -> Self {
        self.not_understood = Some(header);
        self
    }

    /// Adds the correlation id to the detail (rows 29 and 94).
    #[must_use]
    pub fn with_reference(mut self, reference: &str) -> Self {
        if !self.detail.is_empty() {
            self.detail.push(' ');
        }
        self.detail.push_str("Reference: ");
        self.detail.push_str(reference);
        self
    }

    /// Which fault of the contract it is.
    pub const fn kind(&self) -> FaultKind {
        self.code.kind()
    }
}

/// The faults of the contract, and the two of SOAP itself that are answered in the element `fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// `MessageTooLargeFault`.
    MessageTooLarge,
    /// SOAP's `MustUnderstand`, with a `NotUnderstood` header in SOAP 1.2.
    MustUnderstand,
    /// `SecurityFault`.
    Security,
    /// `UnknownFault`, whose element is `fault`.
    Unknown,
    /// `UnsupportedOperationFault`.
    UnsupportedOperation,
    /// SOAP's `VersionMismatch`, with an Upgrade header.
    VersionMismatch,
}

impl FaultKind {
    /// The name of the element in Detail (row 30).
    pub const fn element(self) -> &'static str {
        match self {
            Self::MessageTooLarge => "MessageTooLargeFault",
            Self::Security => "SecurityFault",
            Self::UnsupportedOperation => "UnsupportedOperationFault",
            Self::MustUnderstand | Self::Unknown | Self::VersionMismatch => "fault",
        }
    }

    /// The text of Reason inside that element; fixed by the schema for three of them (row 28).
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MessageTooLarge => "MessageTooLarge",
            Self::Security => "Security",
            Self::UnsupportedOperation => "UnsupportedOperation",
            Self::MustUnderstand | Self::Unknown | Self::VersionMismatch => "Unknown",
        }
    }

    /// The wsa:Action of a reply with this fault; the contract gives none, so this is the national hub's form.
    const fn action(self, version: AddressingVersion) -> &'static str {
        match (self, version) {
            (Self::MessageTooLarge, _) => "urn:cdc:iisb:2011:Fault:messageTooLargeFault",
            (Self::Security, _) => "urn:cdc:iisb:2011:Fault:securityFault",
            (Self::UnsupportedOperation, _) => "urn:cdc:iisb:2011:Fault:unsupportedOperationFault",
            (Self::Unknown, _) => "urn:cdc:iisb:2011:Fault:unknownFault",
            (Self::MustUnderstand | Self::VersionMismatch, AddressingVersion::August2004) => {
                "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"
            }
            (Self::MustUnderstand | Self::VersionMismatch, AddressingVersion::August2005) => {
                "http://www.w3.org/2005/08/addressing/soap/fault"
            }
        }
    }
}

/// Who must act for the call to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// This service: SOAP 1.2 Receiver, SOAP 1.1 Server.
    Receiver,
    /// The caller: SOAP 1.2 Sender, SOAP 1.1 Client.
    Sender,
}

/// What the caller should do about a fault; for documentation, statistics and a Retry-After header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Check user name, password, facilityID or certificate.
    CheckCredentials,
    /// Ask the operators.
    ContactSupport,
    /// Send another message; the same one fails again.
    CorrectMessage,
    /// Send the same message again.
    RetryLater {
        /// How long to wait at least.
        seconds: u32,
    },
}

/// The numbers in a fault's Code: stable, one per cause, in the blocks of the NIST server (row 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// 1000: the request or its HL7 message is longer than the limit.
    RequestTooLarge,
    /// 1001: hl7Message holds more than one message.
    SeveralMessages,
    /// 1002: hl7Message holds a batch.
    Batch,
    /// 1003: echoBack is longer than the limit.
    EchoTooLong,
    /// 1004: the registry's reply is longer than the limit.
    ReplyTooLarge,
    /// 2000: no credentials at all.
    CredentialsMissing,
    /// 2001: username is absent or blank.
    UsernameMissing,
    /// 2002: password is absent or blank.
    PasswordMissing,
    /// 2003: facilityID is absent or blank.
    FacilityMissing,
    /// 2010: the credentials were refused; never tells which part or why (rows 43 and 103).
    CredentialsRefused,
    /// 2020: the client certificate is absent or not the registered one.
    ClientCertificate,
    /// 3000: the Body's element is not an operation of this service.
    UnknownOperation,
    /// 3001: an operation of another version of the contract.
    OtherContract,
    /// 4000: an error of our own.
    Internal,
    /// 4001: not well-formed XML.
    MalformedXml,
    /// 4002: a document type declaration.
    Dtd,
    /// 4003: the character encoding.
    Encoding,
    /// 4004: XML, but not a SOAP request of this contract.
    Structure,
    /// 4005: hl7Message is absent or blank.
    MessageMissing,
    /// 4006: hl7Message has no MSH segment.
    NoMsh,
    /// 4007: an element occurs twice.
    DuplicateChild,
    /// 4008: an element is not known, perhaps misspelt.
    UnknownChild,
    /// 4009: nesting, attributes, elements or namespaces beyond the bounds.
    LimitExceeded,
    /// 4010: too busy.
    Overloaded,
    /// 4011: the store is not available.
    Unavailable,
    /// 4012: a processing instruction.
    ProcessingInstruction,
    /// 4020: the SOAP version is not supported.
    VersionMismatch,
    /// 4021: a mandatory header is not understood.
    MustUnderstand,
    /// 4030: the queue of the region is full or closed, and the message was not accepted.
    QueueClosed,
}

impl FaultCode {
    /// Every code, in the order of the numbers; for documentation and tests.
    pub const ALL: [Self; 29] = [
        Self::RequestTooLarge,
        Self::SeveralMessages,
        Self::Batch,
        Self::EchoTooLong,
        Self::ReplyTooLarge,
        Self::CredentialsMissing,
        Self::UsernameMissing,
        Self::PasswordMissing,
        Self::FacilityMissing,
        Self::CredentialsRefused,
        Self::ClientCertificate,
        Self::UnknownOperation,
        Self::OtherContract,
        Self::Internal,
        Self::MalformedXml,
        Self::Dtd,
        Self::Encoding,
        Self::Structure,
        Self::MessageMissing,
        Self::NoMsh,
        Self::DuplicateChild,
        Self::UnknownChild,
        Self::LimitExceeded,
        Self::Overloaded,
        Self::Unavailable,
        Self::ProcessingInstruction,
        Self::VersionMismatch,
        Self::MustUnderstand,
        Self::QueueClosed,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::RequestTooLarge => 1000,
            Self::SeveralMessages => 1001,
            Self::Batch => 1002,
            Self::EchoTooLong => 1003,
            Self::ReplyTooLarge => 1004,
            Self::CredentialsMissing => 2000,
            Self::UsernameMissing => 2001,
            Self::PasswordMissing => 2002,
            Self::FacilityMissing => 2003,
            Self::CredentialsRefused => 2010,
            Self::ClientCertificate => 2020,
            Self::UnknownOperation => 3000,
            Self::OtherContract => 3001,
            Self::Internal => 4000,
            Self::MalformedXml => 4001,
            Self::Dtd => 4002,
            Self::Encoding => 4003,
            Self::Structure => 4004,
            Self::MessageMissing => 4005,
            Self::NoMsh => 4006,
            Self::DuplicateChild => 4007,
            Self::UnknownChild => 4008,
            Self::LimitExceeded => 4009,
            Self::Overloaded => 4010,
            Self::Unavailable => 4011,
            Self::ProcessingInstruction => 4012,
            Self::VersionMismatch => 4020,
            Self::MustUnderstand => 4021,
            Self::QueueClosed => 4030,
        }
    }

    /// Which fault of the contract carries it.
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::VersionMismatch => FaultKind::VersionMismatch,
            Self::MustUnderstand => FaultKind::MustUnderstand,
            _ => match self.number() {
                1000..2000 => FaultKind::MessageTooLarge,
                2000..3000 => FaultKind::Security,
                3000..4000 => FaultKind::UnsupportedOperation,
                _ => FaultKind::Unknown,
            },
        }
    }

    /// Sender for errors of the caller, Receiver for ours (row 25 and section 6.1).
    pub const fn role(self) -> Role {
        match self {
            Self::Internal
            | Self::Overloaded
            | Self::QueueClosed
            | Self::ReplyTooLarge
            | Self::Unavailable => Role::Receiver,
            _ => Role::Sender,
        }
    }

    /// What the caller should do.
    pub const fn advice(self) -> Advice {
        match self {
            Self::CredentialsMissing
            | Self::UsernameMissing
            | Self::PasswordMissing
            | Self::FacilityMissing
            | Self::CredentialsRefused
            | Self::ClientCertificate => Advice::CheckCredentials,
            Self::Internal | Self::ReplyTooLarge => Advice::ContactSupport,
            Self::Overloaded => Advice::RetryLater { seconds: 5 },
            Self::QueueClosed => Advice::RetryLater { seconds: 300 },
            Self::Unavailable => Advice::RetryLater { seconds: 30 },
            _ => Advice::CorrectMessage,
        }
    }
}

/// The qualified name of a header block that had to be understood.
#[derive(Clone, PartialEq, Eq)]
pub struct NotUnderstood {
    name: String,
    namespace: String,
}

impl NotUnderstood {
    /// A name as the request spelt it.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: namespace.into() }
    }

    /// A longer name is answered without being repeated.
    const fn is_repeatable(&self) -> bool {
        self.name.len() + self.namespace.len() <= 1_024
    }
}

impl fmt::Debug for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotUnderstood({} and {} bytes)", self.name.len(), self.namespace.len())
    }
}

/// Writes a fault in the given version.
///
/// SOAP 1.2: Code/Value, Reason with one Text, Detail with one fault element. SOAP 1.1: faultcode, faultstring,
/// detail; the detail of a `MustUnderstand` fault is left out there, because it may only speak of the Body.
pub fn write_fault(version: SoapVersion, fault: &Fault, related: Option<&Addressing>) -> Vec<u8> {
    let kind = fault.kind();
    let body = fault_element(kind, fault.code.number(), &fault.detail);
    let text = if fault.detail.is_empty() { kind.reason() } else { &fault.detail };
    let mut out = Vec::with_capacity(1_024 + text.len() + body.len());
    let related = related.map(|addressing| (addressing, kind.action(addressing.version)));
    open_envelope(&mut out, version, related, &header_block(version, fault));
    match version {
        SoapVersion::V11 => {
            out.extend_from_slice(b"<env:Fault><faultcode>env:");
            out.extend_from_slice(code_value(version, fault).as_bytes());
            out.extend_from_slice(b"</faultcode><faultstring>");
            escape_text(&mut out, text);
            out.extend_from_slice(b"</faultstring>");
            if kind != FaultKind::MustUnderstand {
                out.extend_from_slice(b"<detail>");
                out.extend_from_slice(body.as_bytes());
                out.extend_from_slice(b"</detail>");
            }
        }
        SoapVersion::V12 => {
            out.extend_from_slice(b"<env:Fault><env:Code><env:Value>env:");
            out.extend_from_slice(code_value(version, fault).as_bytes());
            out.extend_from_slice(b"</env:Value></env:Code><env:Reason><env:Text xml:lang=\"en\">");
            escape_text(&mut out, text);
            out.extend_from_slice(b"</env:Text></env:Reason><env:Detail>");
            out.extend_from_slice(body.as_bytes());
            out.extend_from_slice(b"</env:Detail>");
        }
    }
    out.extend_from_slice(b"</env:Fault></env:Body></env:Envelope>");
    out
}

const fn code_value(version: SoapVersion, fault: &Fault) -> &'static str {
    match (fault.kind(), version, fault.role) {
        (FaultKind::MustUnderstand, _, _) => "MustUnderstand",
        (FaultKind::VersionMismatch, _, _) => "VersionMismatch",
        (_, SoapVersion::V11, Role::Receiver) => "Server",
        (_, SoapVersion::V11, Role::Sender) => "Client",
        (_, SoapVersion::V12, Role::Receiver) => "Receiver",
        (_, SoapVersion::V12, Role::Sender) => "Sender",
    }
}

/// SOAP 1.2 part 1, 5.4.7 and 5.4.8. Upgrade offers the contract's version; 1.1 is tolerated, not offered.
fn header_block(version: SoapVersion, fault: &Fault) -> Cow<'static, str> {
    match (fault.kind(), version, &fault.not_understood) {
        (FaultKind::VersionMismatch, _, _) => Cow::Borrowed(concat!(
            "<upg:Upgrade xmlns:upg=\"http://www.w3.org/2003/05/soap-envelope\">",
            "<upg:SupportedEnvelope xmlns:soap12=\"http://www.w3.org/2003/05/soap-envelope\"",
            " qname=\"soap12:Envelope\"/></upg:Upgrade>"
        )),
        (FaultKind::MustUnderstand, SoapVersion::V12, Some(header)) if header.is_repeatable() => {
            let name = escape_attribute(&header.name);
            Cow::Owned(if header.namespace.is_empty() {
                format!("<env:NotUnderstood qname=\"{name}\"/>")
            } else {
                let namespace = escape_attribute(&header.namespace);
                format!("<env:NotUnderstood xmlns:nu=\"{namespace}\" qname=\"nu:{name}\"/>")
            })
        }
        _ => Cow::Borrowed(""),
    }
}
