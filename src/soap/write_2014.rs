//! Requests to a service that speaks the contract of 2014; its answers are read by `read_response` as any other's.
//!
//! Source: contract 1.4 and 1.6: names in `PascalCase`, SOAP 1.2, WS-Addressing required.

use crate::soap::version::{OperationName, SoapVersion};
use crate::soap::write::{element, escape_text, open_envelope};

/// Where a request goes and what it is called, for its WS-Addressing headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To<'a> {
    /// `wsa:To`: the address of the service.
    pub address: &'a str,
    /// `wsa:MessageID`: a URI that no other request has.
    pub message_id: &'a str,
}

/// Writes a `ConnectivityTest`.
pub fn connectivity_test_request_2014(to: &To<'_>, echo: &str) -> Vec<u8> {
    request(to, OperationName::ConnectivityTest, "ConnectivityTestRequest", &[("EchoBack", echo)])
}

/// Writes a `SubmitSingleMessage`, children in the order of the schema.
pub fn submit_single_message_request_2014(
    to: &To<'_>,
    username: &str,
    password: &str,
    facility_id: &str,
    hl7: &str,
) -> Vec<u8> {
    request(
        to,
        OperationName::SubmitSingleMessage,
        "SubmitSingleMessageRequest",
        &[
            ("Username", username),
            ("Password", password),
            ("FacilityID", facility_id),
            ("Hl7Message", hl7),
        ],
    )
}

fn request(to: &To<'_>, operation: OperationName, name: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let text: usize = fields.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(1_024 + text + text / 4);
    open_envelope(&mut out, SoapVersion::V12, None, &addressing(to, operation));
    for part in ["<", name, " xmlns=\"urn:cdc:iisb:2014\">"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, text) in fields {
        element(&mut out, name, text);
    }
    for part in ["</", name, "></env:Body></env:Envelope>"] {
        out.extend_from_slice(part.as_bytes());
    }
    out
}

/// The four header blocks, each with its own declaration of the prefix as `write` has it in replies.
fn addressing(to: &To<'_>, operation: OperationName) -> String {
    const DECLARED: &str = " xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">";
    let mut out = Vec::with_capacity(768);
    let mut block = |name: &str, child: &str, text: &str| {
        out.extend_from_slice(format!("<wsa:{name}{DECLARED}").as_bytes());
        if child.is_empty() {
            escape_text(&mut out, text);
        } else {
            element(&mut out, child, text);
        }
        out.extend_from_slice(format!("</wsa:{name}>").as_bytes());
    };
    block("Action", "", operation.action_2014());
    block("To", "", to.address);
    block("MessageID", "", to.message_id);
    block("ReplyTo", "wsa:Address", "http://www.w3.org/2005/08/addressing/anonymous");
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_to_the_letter() {
        let to = To { address: "https://iis.example/?a&b", message_id: "urn:uuid:1" };

        let request =
            submit_single_message_request_2014(&to, "u<", "p&", "f", "MSH|^~\\&|\rPID|\r");

        assert_eq!(
            String::from_utf8(request).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\"><env:Header>\
             <wsa:Action xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
             urn:cdc:iisb:2014:IISPortType:SubmitSingleMessageRequest</wsa:Action>\
             <wsa:To xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">https://iis.example/?a&amp;b</wsa:To>\
             <wsa:MessageID xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">urn:uuid:1</wsa:MessageID>\
             <wsa:ReplyTo xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
             <wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address></wsa:ReplyTo>\
             </env:Header><env:Body><SubmitSingleMessageRequest xmlns=\"urn:cdc:iisb:2014\">\
             <Username>u&lt;</Username><Password>p&amp;</Password><FacilityID>f</FacilityID>\
             <Hl7Message>MSH|^~\\&amp;|&#xD;PID|&#xD;</Hl7Message></SubmitSingleMessageRequest></env:Body></env:Envelope>"
        );
    }

    #[test]
    fn a_connectivity_test_carries_its_own_action() {
        let to = To { address: "https://iis.example/", message_id: "urn:uuid:2" };

        let request = String::from_utf8(connectivity_test_request_2014(&to, "hello")).unwrap();

        assert!(request.contains(">urn:cdc:iisb:2014:IISPortType:ConnectivityTestRequest<"));
        assert!(request.contains(
            "<ConnectivityTestRequest xmlns=\"urn:cdc:iisb:2014\"><EchoBack>hello</EchoBack></ConnectivityTestRequest>"
        ));
    }
}
