//! A registry that speaks MLLP inside TLS.

use crate::client::{CallError, MllpClient, Reach};

/// The adapter of one such registry.
pub(super) struct Mllp(MllpClient);

impl Mllp {
    pub(super) fn new(address: &str, reach: Reach) -> Result<Self, CallError> {
        MllpClient::new(address, reach).map(Self)
    }

    /// Sends one HL7 message; gives the HL7 text that came back.
    pub(super) async fn send(&self, hl7: &str) -> Result<String, CallError> {
        self.0.call(hl7).await
    }

    /// MLLP has no test of its own: a connection with TLS is one.
    pub(super) async fn probe(&self) -> Result<(), CallError> {
        self.0.probe().await
    }
}
