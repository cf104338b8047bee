//! The replies of the contract in struct form; yaserde writes them, nothing is ever read into them.
//!
//! Faults go out from here. The two responses are on every call's path, where yaserde takes 7 us for a
//! 600-byte ACK; there `write` produces the same bytes, and its tests hold it to the structs of this file.

use yaserde::YaSerialize;
use yaserde::ser::{Config, to_string_with_config};

use crate::soap::fault::FaultKind;
use crate::soap::text::is_xml_char;

/// `connectivityTestResponse` (row 67).
#[cfg(test)]
#[derive(Debug, YaSerialize)]
#[yaserde(
    rename = "connectivityTestResponse",
    default_namespace = "iis",
    namespaces = { "iis" = "urn:cdc:iisb:2011" }
)]
pub(super) struct ConnectivityTestResponse {
    #[yaserde(rename = "return")]
    pub(super) value: String,
}

/// `submitSingleMessageResponse` (row 67).
#[cfg(test)]
#[derive(Debug, YaSerialize)]
#[yaserde(
    rename = "submitSingleMessageResponse",
    default_namespace = "iis",
    namespaces = { "iis" = "urn:cdc:iisb:2011" }
)]
pub(super) struct SubmitSingleMessageResponse {
    #[yaserde(rename = "return")]
    pub(super) value: String,
}

/// The four fault elements: exactly Code, Reason, Detail in this order (row 26).
macro_rules! fault_struct {
    ($name:ident, $element:literal) => {
        #[derive(Debug, YaSerialize)]
        #[yaserde(rename = $element, default_namespace = "iis", namespaces = { "iis" = "urn:cdc:iisb:2011" })]
        struct $name {
            #[yaserde(rename = "Code")]
            code: u16,
            #[yaserde(rename = "Reason")]
            reason: String,
            #[yaserde(rename = "Detail")]
            detail: String,
        }
    };
}

fault_struct!(MessageTooLargeFault, "MessageTooLargeFault");
fault_struct!(SecurityFault, "SecurityFault");
fault_struct!(UnknownFault, "fault");
fault_struct!(UnsupportedOperationFault, "UnsupportedOperationFault");

/// The one child of a fault's Detail, as XML; a character that XML cannot carry becomes U+FFFD.
pub(super) fn fault_element(kind: FaultKind, code: u16, detail: &str) -> String {
    let reason = kind.reason().to_owned();
    let detail = detail.replace(|c| !is_xml_char(c), "\u{FFFD}");
    match kind {
        FaultKind::MessageTooLarge => to_xml(&MessageTooLargeFault { code, reason, detail }),
        FaultKind::Security => to_xml(&SecurityFault { code, reason, detail }),
        FaultKind::UnsupportedOperation => {
            to_xml(&UnsupportedOperationFault { code, reason, detail })
        }
        FaultKind::MustUnderstand | FaultKind::Unknown | FaultKind::VersionMismatch => {
            to_xml(&UnknownFault { code, reason, detail })
        }
    }
}

/// Writes a struct without declaration and indentation; CR becomes the one spelling every client decodes.
///
/// Serialization into memory has no failure of its own; should a version of yaserde invent one, the reply
/// is an envelope without this element rather than no reply.
pub(super) fn to_xml<T: YaSerialize>(value: &T) -> String {
    let config =
        Config { perform_indent: false, write_document_declaration: false, ..Config::default() };
    to_string_with_config(value, &config).unwrap_or_default().replace('\r', "&#xD;")
}
