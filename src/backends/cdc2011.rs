//! A registry that speaks the CDC 2011 contract over SOAP.

use crate::backends::Destination;
use crate::client::{Account, SendError, SoapClient};

/// The adapter of one such registry.
pub(super) struct Cdc2011 {
    client: SoapClient,
    account: Account,
}

impl Cdc2011 {
    pub(super) fn new(to: Destination) -> Result<Self, SendError> {
        let client = SoapClient::new(&to.endpoint, to.version, to.tls, to.timeout)?;
        Ok(Self { client, account: to.account })
    }

    /// Sends one HL7 message; gives the HL7 text that came back.
    pub(super) async fn send(&self, hl7: &str) -> Result<String, SendError> {
        self.client.submit_single_message(&self.account, hl7).await
    }

    pub(super) async fn probe(&self, echo: &str) -> Result<String, SendError> {
        self.client.connectivity_test(echo).await
    }
}
