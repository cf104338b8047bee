//! MSH: whether the message is one that the Gateway processes.
//!
//! A message of another type, version or processing id is refused with AR; what is wrong in content is AE.
//! Source: guide 1.5, MSH; AIRA acknowledgement guidance; domain notes 3.2.

use crate::domain::{Diagnostic, Environment};
use crate::hl7::{
    ApplicationError, ErrorCode, Header, Location, Message, MessageKind, Note, ProcessingId,
};

/// Which MSH-11 goes with which environment.
#[derive(Debug, Clone)]
pub struct ProcessingRules {
    /// Values that a test credential may send. `T` by default; add `P` for senders that cannot switch.
    pub test: Vec<ProcessingId>,
    /// Values that a production credential may send. `P` only by default.
    pub production: Vec<ProcessingId>,
}

impl Default for ProcessingRules {
    fn default() -> Self {
        Self { test: vec![ProcessingId::T], production: vec![ProcessingId::P] }
    }
}

const MSH: Location = Location::segment("MSH", 1);

pub(super) fn check(
    message: &Message<'_>,
    header: &Header<'_>,
    environment: Environment,
    rules: &ProcessingRules,
) -> Vec<Diagnostic> {
    [
        delimiters(message),
        message_type(header),
        version(header),
        processing_id(header, environment, rules),
        control_id(header),
        literal_cdata(message),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// IZ-12, IZ-13: `|` and `^~\&`. Other delimiters are read and remarked; unusable ones refuse the message.
fn delimiters(message: &Message<'_>) -> Option<Diagnostic> {
    if message.delimiter_fault().is_some() {
        return Some(Diagnostic::refuse(
            "GW-MSH-2",
            ErrorCode::DataTypeError,
            MSH.field(2),
            r"MSH-1 and MSH-2 do not give five different delimiters. The message was not processed. Begin it with MSH|^~\& .",
        ));
    }
    (!message.delimiters().is_standard()).then(|| {
        Diagnostic::note(
            "GW-MSH-2",
            Some(MSH.field(2)),
            r"The delimiters are not | and ^~\& . They were read as MSH gives them; some registries read the standard ones only.",
        )
    })
}

/// Only `VXU^V04` is taken. Source: HL7 tables 0076 and 0003; error codes 200 and 201.
fn message_type(header: &Header<'_>) -> Option<Diagnostic> {
    let refuse = |code, text| Some(Diagnostic::refuse("GW-MSH-9", code, MSH.field(9), text));
    match header.kind() {
        Some(MessageKind::VxuV04) => None,
        Some(MessageKind::QbpQ11) => refuse(
            ErrorCode::UnsupportedMessageType,
            "Queries (QBP) are not taken by this Gateway. Send immunizations as VXU^V04^VXU_V04.",
        ),
        Some(MessageKind::Ack | MessageKind::Rsp) => refuse(
            ErrorCode::UnsupportedMessageType,
            "MSH-9 names a reply, not a submission. Send immunizations as VXU^V04^VXU_V04.",
        ),
        None if header.message_code.text() == Some(b"VXU") => refuse(
            ErrorCode::UnsupportedEventCode,
            "The event in MSH-9.2 is not V04. Send immunizations as VXU^V04^VXU_V04.",
        ),
        None => refuse(
            ErrorCode::UnsupportedMessageType,
            "The message type in MSH-9 is empty or not known. Send immunizations as VXU^V04^VXU_V04.",
        ),
    }
}

/// IZ-15: version 2.5.1.
fn version(header: &Header<'_>) -> Option<Diagnostic> {
    (header.version.text() != Some(b"2.5.1")).then(|| {
        Diagnostic::refuse(
            "GW-MSH-12",
            ErrorCode::UnsupportedVersionId,
            MSH.field(12),
            "MSH-12 is not 2.5.1. The Gateway takes HL7 version 2.5.1 only; messages of other versions are not processed.",
        )
    })
}

/// MSH-11 says the same as the credential. Source: domain notes 3.2.
fn processing_id(
    header: &Header<'_>,
    environment: Environment,
    rules: &ProcessingRules,
) -> Option<Diagnostic> {
    let allowed = match environment {
        Environment::Test => &rules.test,
        Environment::Production => &rules.production,
    };
    if header.processing().is_some_and(|id| allowed.contains(&id)) {
        return None;
    }
    let text = match environment {
        Environment::Test => {
            "The credential is a test credential, so MSH-11 must be T. To send production data use the production \
             credential of the Site."
        }
        Environment::Production => {
            "The credential is a production credential, so MSH-11 must be P. To send a test message use the test \
             credential of the Site."
        }
    };
    Some(
        Diagnostic::refuse("GW-MSH-11", ErrorCode::UnsupportedProcessingId, MSH.field(11), text)
            .because(ApplicationError::InvalidValue),
    )
}

/// MSH-10 is required: it is how a repetition is known and how the reply finds its message.
fn control_id(header: &Header<'_>) -> Option<Diagnostic> {
    let length = header.control_id.text().map_or(0, <[u8]>::len);
    if length == 0 {
        return Some(
            Diagnostic::reject(
                "GW-MSH-10",
                ErrorCode::RequiredFieldMissing,
                MSH.field(10),
                "MSH-10 (message control ID) is empty. The message was not accepted. Give each message an ID of its own.",
            )
            .because(ApplicationError::RequiredDataMissing),
        );
    }
    (length > 199).then(|| {
        Diagnostic::reject(
            "GW-MSH-10",
            ErrorCode::DataTypeError,
            MSH.field(10),
            "MSH-10 (message control ID) is longer than 199 characters. The message was not accepted. Use a shorter ID.",
        )
        .because(ApplicationError::InvalidValue)
    })
}

/// A PHP sender in use puts the CDATA marks into the string itself.
fn literal_cdata(message: &Message<'_>) -> Option<Diagnostic> {
    message.framing().has(Note::CdataLiteral).then(|| {
        Diagnostic::note(
            "GW-FRAME-1",
            None,
            "The message text itself began with <![CDATA[ and ended with ]]>. They were taken off. Leave them out: the SOAP \
             library does the escaping.",
        )
    })
}
