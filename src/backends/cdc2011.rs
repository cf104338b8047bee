//! A registry that speaks the CDC 2011 contract over SOAP.

use crate::client::{Account, CallError, Contract, Reach, SoapClient};
use crate::soap::SoapVersion;

/// The adapter of one such registry.
pub(super) struct Cdc2011 {
    client: SoapClient,
    account: Account,
}

impl Cdc2011 {
    pub(super) fn new(
        endpoint: &str,
        version: SoapVersion,
        account: Account,
        reach: Reach,
    ) -> Result<Self, CallError> {
        let client = SoapClient::new(endpoint, Contract::Cdc2011(version), reach)?;
        Ok(Self { client, account })
    }

    /// Sends one HL7 message; gives the HL7 text that came back.
    pub(super) async fn send(&self, hl7: &str) -> Result<String, CallError> {
        self.client.submit_single_message(&self.account, hl7).await
    }

    /// Any answer to a connectivityTest will do: registries put words of their own around the echo.
    pub(super) async fn probe(&self) -> Result<(), CallError> {
        self.client.connectivity_test("izportal").await.map(|_echo| ())
    }
}
