//! The two SOAP versions, and the media types that announce them.

use std::fmt;

/// A version of SOAP; the envelope's namespace decides it, never the media type (rows 2 and 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SoapVersion {
    /// SOAP 1.1: tolerated, answered in kind.
    V11,
    /// SOAP 1.2: the contract's version.
    V12,
}

impl SoapVersion {
    /// The namespace of Envelope, Header, Body and Fault.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The Content-Type of a reply; a fault names no operation (row 16).
    pub const fn reply_media_type(self, operation: Option<OperationName>) -> &'static str {
        match (self, operation) {
            (Self::V11, _) => "text/xml; charset=utf-8",
            (Self::V12, None) => "application/soap+xml; charset=utf-8",
            (Self::V12, Some(OperationName::ConnectivityTest)) => {
                "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:connectivityTestResponse\""
            }
            (Self::V12, Some(OperationName::SubmitSingleMessage)) => {
                "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessageResponse\""
            }
        }
    }

    /// The Content-Type of a request of our own; SOAP 1.1 carries the action in the `SOAPAction` header.
    pub const fn request_media_type(self, operation: OperationName) -> &'static str {
        match (self, operation) {
            (Self::V11, _) => "text/xml; charset=utf-8",
            (Self::V12, OperationName::ConnectivityTest) => {
                "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:connectivityTest\""
            }
            (Self::V12, OperationName::SubmitSingleMessage) => {
                "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessage\""
            }
        }
    }
}

impl fmt::Display for SoapVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        })
    }
}

/// The operations of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationName {
    /// Proves that the service can be reached.
    ConnectivityTest,
    /// One HL7 message in, its HL7 response out.
    SubmitSingleMessage,
}

impl OperationName {
    /// The name of the element in the Body of a request.
    pub const fn element(self) -> &'static str {
        match self {
            Self::ConnectivityTest => "connectivityTest",
            Self::SubmitSingleMessage => "submitSingleMessage",
        }
    }

    /// The action of a request: content type parameter, `SOAPAction` header, wsa:Action.
    pub const fn action(self) -> &'static str {
        match self {
            Self::ConnectivityTest => "urn:cdc:iisb:2011:connectivityTest",
            Self::SubmitSingleMessage => "urn:cdc:iisb:2011:submitSingleMessage",
        }
    }

    /// The action of a request in the contract of 2014.
    pub const fn action_2014(self) -> &'static str {
        match self {
            Self::ConnectivityTest => "urn:cdc:iisb:2014:IISPortType:ConnectivityTestRequest",
            Self::SubmitSingleMessage => "urn:cdc:iisb:2014:IISPortType:SubmitSingleMessageRequest",
        }
    }

    /// The action of a reply.
    pub const fn response_action(self) -> &'static str {
        match self {
            Self::ConnectivityTest => "urn:cdc:iisb:2011:connectivityTestResponse",
            Self::SubmitSingleMessage => "urn:cdc:iisb:2011:submitSingleMessageResponse",
        }
    }
}

/// What a Content-Type header says, as far as the reader cares: it hints at the encoding, and at the version
/// to answer in while the envelope is not readable (rows 10 to 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaType {
    text_xml: bool,
    charset: Option<Charset>,
}

impl MediaType {
    /// Reads the value of a Content-Type header; an absent or blank one is taken as XML.
    ///
    /// # Errors
    /// [`Unsupported`] for anything that is not XML; the HTTP layer answers 415. An unknown charset is not
    /// refused here but by [`read_envelope`](crate::soap::read_envelope), as a Sender fault.
    pub fn of(header: Option<&str>) -> Result<Self, Unsupported> {
        let header = header.unwrap_or_default().trim();
        let mut quoted = false;
        let mut parts = header.split(move |c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let text_xml = match essence.as_str() {
            "" | "application/soap+xml" | "application/xml" => false,
            "text/xml" => true,
            "multipart/related" => return Err(Unsupported::Multipart),
            _ => return Err(Unsupported::Other),
        };
        let charset = parts.filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| Charset::named(value.trim().trim_matches(['"', '\''])))
        });
        Ok(Self { text_xml, charset })
    }

    /// The version to answer in when the envelope does not tell.
    pub const fn likely_version(self) -> SoapVersion {
        if self.text_xml { SoapVersion::V11 } else { SoapVersion::V12 }
    }

    /// The charset parameter, if there is one.
    pub const fn charset(self) -> Option<Charset> {
        self.charset
    }
}

/// A character encoding by its label in a header or an XML declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// ISO-8859-1: every byte is the character of that number.
    Latin1,
    /// A label that this reader does not decode, such as utf-7 or ebcdic.
    Unsupported,
    /// US-ASCII: bytes above 0x7F are refused.
    UsAscii,
    /// UTF-16 with a byte order mark, or guessed from the first character.
    Utf16,
    /// UTF-16, big end first.
    Utf16Be,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-8.
    Utf8,
    /// Windows code page 1252.
    Windows1252,
}

impl Charset {
    pub(super) fn named(label: &str) -> Self {
        match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Self::Utf8,
            "us-ascii" | "ascii" => Self::UsAscii,
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "l1" => Self::Latin1,
            "windows-1252" | "cp1252" => Self::Windows1252,
            "utf-16" | "utf16" => Self::Utf16,
            "utf-16le" => Self::Utf16Le,
            "utf-16be" => Self::Utf16Be,
            _ => Self::Unsupported,
        }
    }
}

/// A media type that cannot hold a SOAP envelope for this service (row 12); HTTP 415.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// MTOM or SOAP with attachments.
    #[error(
        "multipart messages are not supported: send the SOAP envelope as application/soap+xml without attachments"
    )]
    Multipart,
    /// JSON, a form, plain text.
    #[error("the media type is not supported: send the SOAP envelope as application/soap+xml")]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_media_types_are_accepted_in_any_case_with_any_parameters() {
        for header in [
            "application/soap+xml",
            "Application/SOAP+XML; charset=UTF-8; action=\"urn:x;charset=utf-7\"",
            "text/xml;charset=\"utf-8\"",
            "TEXT/XML ; Charset='utf-8'",
            "application/xml; q=1",
            "",
            "  ",
        ] {
            let media = MediaType::of(Some(header)).unwrap();

            assert!(matches!(media.charset(), None | Some(Charset::Utf8)), "{header}");
        }
        assert_eq!(MediaType::of(None), Ok(MediaType::default()));
    }

    #[test]
    fn only_text_xml_hints_at_soap_1_1() {
        assert_eq!(MediaType::of(Some("text/xml")).unwrap().likely_version(), SoapVersion::V11);
        assert_eq!(
            MediaType::of(Some("application/xml")).unwrap().likely_version(),
            SoapVersion::V12
        );
        assert_eq!(MediaType::of(None).unwrap().likely_version(), SoapVersion::V12);
    }

    #[test]
    fn what_is_not_xml_is_unsupported_and_multipart_is_told_so() {
        for header in
            ["application/json", "application/x-www-form-urlencoded", "text/plain", "nonsense"]
        {
            assert_eq!(MediaType::of(Some(header)), Err(Unsupported::Other));
        }
        assert_eq!(
            MediaType::of(Some("multipart/related; type=\"application/xop+xml\"; boundary=x")),
            Err(Unsupported::Multipart)
        );
    }

    #[test]
    fn an_unknown_charset_is_kept_for_the_reader_to_refuse() {
        let media = MediaType::of(Some("text/xml; charset=utf-7")).unwrap();

        assert_eq!(media.charset(), Some(Charset::Unsupported));
    }
}
