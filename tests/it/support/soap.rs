//! The pieces of a SOAP call, written by hand.

use super::{Sender, TestApp, envelope};

pub(crate) const SOAP_1_2: &str = "application/soap+xml; charset=utf-8";

pub(crate) const ECHO: &str =
    "<iis:connectivityTest><iis:echoBack>ready</iis:echoBack></iis:connectivityTest>";

impl TestApp {
    /// A connectivityTest that is right.
    pub(crate) async fn is_alive(&self) -> bool {
        let answer = self.post_body(ECHO).await;
        answer.status == 200 && answer.text.contains("<return>ready</return>")
    }
}

pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\r', "&#xD;")
}

/// The children of a submission with these credentials and this text.
pub(crate) fn children(sender: &Sender, hl7: &str) -> String {
    let Sender { username, password, facility, .. } = sender;
    format!(
        "<iis:username>{username}</iis:username><iis:password>{password}</iis:password>\
         <iis:facilityID>{facility}</iis:facilityID><iis:hl7Message>{}</iis:hl7Message>",
        escaped(hl7)
    )
}

pub(crate) fn submission(children: &str) -> String {
    format!("<iis:submitSingleMessage>{children}</iis:submitSingleMessage>")
}

pub(crate) fn echo(inside: &str) -> String {
    format!("<iis:connectivityTest>{inside}</iis:connectivityTest>")
}

/// A connectivityTest under SOAP 1.2 with header blocks.
pub(crate) fn with_header(blocks: &str) -> String {
    envelope(ECHO)
        .replace("<soap:Body>", &format!("<soap:Header>{blocks}</soap:Header><soap:Body>"))
}
