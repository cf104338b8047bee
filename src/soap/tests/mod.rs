//! The contract's rows as seen from both ends: requests read, replies and faults written and read back.

mod faults;
mod laws;
mod replies;
mod requests;

use crate::soap::{Envelope, EnvelopeError, Limits, MediaType, SoapVersion, read_envelope};

const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
const SECRET: &str = "hunter2";

fn read(document: &str) -> Result<Envelope<'_>, EnvelopeError> {
    read_envelope(document.as_bytes(), &MediaType::default(), &Limits::default())
}

fn envelope(header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{SOAP12}\" xmlns=\"urn:cdc:iisb:2011\">{header}<s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn header(version: SoapVersion, block: &str) -> String {
    let soap = version.namespace();
    format!(
        "<s:Envelope xmlns:s=\"{soap}\"><s:Header>{block}</s:Header><s:Body>\
         <connectivityTest xmlns=\"urn:cdc:iisb:2011\"><echoBack>x</echoBack></connectivityTest></s:Body></s:Envelope>"
    )
}
