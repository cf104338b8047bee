//! A registry that speaks the CDC 2014 contract: SOAP 1.2 with WS-Addressing, names in `PascalCase`.

use crate::client::{Account, CallError, Contract, Reach, SoapClient};

/// The adapter of one such registry.
pub(super) struct Cdc2014 {
    client: SoapClient,
    account: Account,
}

impl Cdc2014 {
    pub(super) fn new(endpoint: &str, account: Account, reach: Reach) -> Result<Self, CallError> {
        let client = SoapClient::new(endpoint, Contract::Cdc2014, reach)?;
        Ok(Self { client, account })
    }

    /// Sends one HL7 message; gives the HL7 text that came back.
    pub(super) async fn send(&self, hl7: &str) -> Result<String, CallError> {
        self.client.submit_single_message(&self.account, hl7).await
    }

    /// Any answer to a `ConnectivityTest` will do.
    pub(super) async fn probe(&self) -> Result<(), CallError> {
        self.client.connectivity_test("izportal").await.map(|_echo| ())
    }
}
