//! The HL7 tables that headers and acknowledgements use: codes and their standard texts.

/// The messages the Gateway knows. Source: HL7 tables 0076 (code) and 0003 (trigger).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// General acknowledgement.
    Ack,
    /// Query by parameter, immunization history or forecast.
    QbpQ11,
    /// Response to a query.
    Rsp,
    /// Unsolicited vaccination record update.
    VxuV04,
}

impl MessageKind {
    /// The kind that MSH-9.1 and MSH-9.2 name.
    ///
    /// ACK and RSP are taken with every trigger: real registries label them in many ways.
    pub fn of(code: &[u8], trigger: &[u8]) -> Option<Self> {
        match (code, trigger) {
            (b"VXU", b"V04") => Some(Self::VxuV04),
            (b"QBP", b"Q11") => Some(Self::QbpQ11),
            (b"ACK", _) => Some(Self::Ack),
            (b"RSP", _) => Some(Self::Rsp),
            _ => None,
        }
    }

    /// MSH-9.1.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ack => "ACK",
            Self::QbpQ11 => "QBP",
            Self::Rsp => "RSP",
            Self::VxuV04 => "VXU",
        }
    }

    /// What it is, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ack => "General acknowledgement",
            Self::QbpQ11 => "Query by parameter",
            Self::Rsp => "Segment pattern response",
            Self::VxuV04 => "Unsolicited vaccination record update",
        }
    }
}

/// MSA-1 of original mode. Source: HL7 table 0008.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Application accept.
    AA,
    /// Application error.
    AE,
    /// Application reject.
    AR,
}

impl AckCode {
    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
        }
    }

    /// The standard text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AA => "Application Accept",
            Self::AE => "Application Error",
            Self::AR => "Application Reject",
        }
    }
}

/// ERR-3. Source: HL7 table 0357; 999 comes from AIRA's acknowledgement examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 0.
    MessageAccepted,
    /// 100.
    SegmentSequenceError,
    /// 101.
    RequiredFieldMissing,
    /// 102.
    DataTypeError,
    /// 103.
    TableValueNotFound,
    /// 200.
    UnsupportedMessageType,
    /// 201.
    UnsupportedEventCode,
    /// 202.
    UnsupportedProcessingId,
    /// 203.
    UnsupportedVersionId,
    /// 204.
    UnknownKeyIdentifier,
    /// 205.
    DuplicateKeyIdentifier,
    /// 206.
    ApplicationRecordLocked,
    /// 207.
    ApplicationInternalError,
    /// 999.
    ApplicationError,
}

impl ErrorCode {
    /// By its code.
    pub fn of(code: &[u8]) -> Option<Self> {
        Some(match code {
            b"0" => Self::MessageAccepted,
            b"100" => Self::SegmentSequenceError,
            b"101" => Self::RequiredFieldMissing,
            b"102" => Self::DataTypeError,
            b"103" => Self::TableValueNotFound,
            b"200" => Self::UnsupportedMessageType,
            b"201" => Self::UnsupportedEventCode,
            b"202" => Self::UnsupportedProcessingId,
            b"203" => Self::UnsupportedVersionId,
            b"204" => Self::UnknownKeyIdentifier,
            b"205" => Self::DuplicateKeyIdentifier,
            b"206" => Self::ApplicationRecordLocked,
            b"207" => Self::ApplicationInternalError,
            b"999" => Self::ApplicationError,
            _ => return None,
        })
    }

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MessageAccepted => "0",
            Self::SegmentSequenceError => "100",
            Self::RequiredFieldMissing => "101",
            Self::DataTypeError => "102",
            Self::TableValueNotFound => "103",
            Self::UnsupportedMessageType => "200",
            Self::UnsupportedEventCode => "201",
            Self::UnsupportedProcessingId => "202",
            Self::UnsupportedVersionId => "203",
            Self::UnknownKeyIdentifier => "204",
            Self::DuplicateKeyIdentifier => "205",
            Self::ApplicationRecordLocked => "206",
            Self::ApplicationInternalError => "207",
            Self::ApplicationError => "999",
        }
    }

    /// The standard text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::MessageAccepted => "Message accepted",
            Self::SegmentSequenceError => "Segment sequence error",
            Self::RequiredFieldMissing => "Required field missing",
            Self::DataTypeError => "Data type error",
            Self::TableValueNotFound => "Table value not found",
            Self::UnsupportedMessageType => "Unsupported message type",
            Self::UnsupportedEventCode => "Unsupported event code",
            Self::UnsupportedProcessingId => "Unsupported processing ID",
            Self::UnsupportedVersionId => "Unsupported version ID",
            Self::UnknownKeyIdentifier => "Unknown key identifier",
            Self::DuplicateKeyIdentifier => "Duplicate key identifier",
            Self::ApplicationRecordLocked => "Application record locked",
            Self::ApplicationInternalError => "Application internal error",
            Self::ApplicationError => "Application error",
        }
    }
}

/// ERR-4. Source: HL7 table 0516; ordered from the mildest to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Information.
    I,
    /// Warning.
    W,
    /// Error.
    E,
}

impl Severity {
    /// The severity of an ERR-4; HL7's later `F` (fatal) counts as error.
    pub fn of(code: &[u8]) -> Option<Self> {
        match code {
            b"I" | b"i" => Some(Self::I),
            b"W" | b"w" => Some(Self::W),
            b"E" | b"e" | b"F" | b"f" => Some(Self::E),
            _ => None,
        }
    }

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::I => "I",
            Self::W => "W",
            Self::E => "E",
        }
    }

    /// The standard text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::I => "Information",
            Self::W => "Warning",
            Self::E => "Error",
        }
    }
}

/// ERR-5. Source: table 0533 as the guide 1.5 fills it; 7 and 8 from its addendum and CAIR2's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationError {
    /// 1.
    IllogicalDate,
    /// 2.
    InvalidDate,
    /// 3.
    IllogicalValue,
    /// 4.
    InvalidValue,
    /// 5.
    TableValueNotFound,
    /// 6.
    RequiredObservationMissing,
    /// 7.
    RequiredDataMissing,
    /// 8.
    DataIgnored,
}

impl ApplicationError {
    /// By its code.
    pub fn of(code: &[u8]) -> Option<Self> {
        Some(match code {
            b"1" => Self::IllogicalDate,
            b"2" => Self::InvalidDate,
            b"3" => Self::IllogicalValue,
            b"4" => Self::InvalidValue,
            b"5" => Self::TableValueNotFound,
            b"6" => Self::RequiredObservationMissing,
            b"7" => Self::RequiredDataMissing,
            b"8" => Self::DataIgnored,
            _ => return None,
        })
    }

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::IllogicalDate => "1",
            Self::InvalidDate => "2",
            Self::IllogicalValue => "3",
            Self::InvalidValue => "4",
            Self::TableValueNotFound => "5",
            Self::RequiredObservationMissing => "6",
            Self::RequiredDataMissing => "7",
            Self::DataIgnored => "8",
        }
    }

    /// The standard text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::IllogicalDate => "Illogical date error",
            Self::InvalidDate => "Invalid date",
            Self::IllogicalValue => "Illogical value error",
            Self::InvalidValue => "Invalid value",
            Self::TableValueNotFound => "Table value not found",
            Self::RequiredObservationMissing => "Required observation missing",
            Self::RequiredDataMissing => "Required data missing",
            Self::DataIgnored => "Data was ignored",
        }
    }
}

/// MSH-11.1. Source: HL7 table 0103.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessingId {
    /// Debugging.
    D,
    /// Production.
    P,
    /// Training.
    T,
}

impl ProcessingId {
    /// The processing id of an MSH-11.1.
    pub fn of(code: &[u8]) -> Option<Self> {
        match code {
            b"D" => Some(Self::D),
            b"P" => Some(Self::P),
            b"T" => Some(Self::T),
            _ => None,
        }
    }

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::D => "D",
            Self::P => "P",
            Self::T => "T",
        }
    }

    /// The standard text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::D => "Debugging",
            Self::P => "Production",
            Self::T => "Training",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_worse_than_a_warning_and_a_warning_than_an_information() {
        assert!(Severity::E > Severity::W);
        assert!(Severity::W > Severity::I);
    }

    #[test]
    fn a_message_kind_needs_its_trigger_unless_it_is_an_answer() {
        assert_eq!(MessageKind::of(b"VXU", b"V04"), Some(MessageKind::VxuV04));
        assert_eq!(MessageKind::of(b"VXU", b"V03"), None);
        assert_eq!(MessageKind::of(b"ACK", b""), Some(MessageKind::Ack));
        assert_eq!(MessageKind::of(b"RSP", b"K22"), Some(MessageKind::Rsp));
    }
}
