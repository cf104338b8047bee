//! Our own clients: SOAP over HTTPS and MLLP over TLS, one endpoint each, and JSON to webhooks. May import `domain` and `soap`.
//!
//! They follow no redirect, use no proxy, call no address that is not permitted, read no more than a bound and wait no
//! longer than a bound. A call that brings no answer is told as a [`CallError`]: what happened, not what to do about it.

mod address;
mod egress;
mod error;
mod hook;
mod mllp;
mod soap;
mod tls;

use std::fmt;
use std::time::Duration;

use crate::domain::Password;

pub use address::Address;
pub use egress::Egress;
pub use error::{CallError, FaultName, NotConnected, TlsRefusal, Unreadable};
pub use hook::HookClient;
pub use mllp::MllpClient;
pub use soap::{Contract, SoapClient};
pub use tls::{
    Pem, ServerKeyPin, TlsError, client_config, client_config_speaking, pinned_client_config,
};

/// Longest reply read, in bytes: a large query answer is about 3 MB. Source: features notes 3.4.
const LONGEST_REPLY: usize = 8 * 1024 * 1024;

/// How an endpoint is reached.
#[derive(Clone)]
pub struct Reach {
    /// What is trusted, and how we prove ourselves.
    pub tls: rustls::ClientConfig,
    /// The addresses that may be called.
    pub egress: Egress,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, the connection included.
    pub timeout: Duration,
}

impl Reach {
    /// Always less than the whole time, so that a connection that is not made is never taken for an answer that did not
    /// come.
    fn connect_timeout(&self) -> Duration {
        self.connect_timeout.min(self.timeout * 9 / 10)
    }

    /// Builds a client for HTTP that goes nowhere else: over TLS only, to permitted addresses, without redirects or a proxy.
    ///
    /// # Errors
    /// When the TLS settings cannot be used.
    fn http(
        self,
        more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, CallError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout())
            .timeout(self.timeout)
            .tls_backend_preconfigured(self.tls)
            .dns_resolver(self.egress)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        more(builder)
            .build()
            .map_err(|_error| CallError::Settings("the TLS settings cannot be used".to_owned()))
    }
}

/// As whom to call.
#[derive(Clone)]
pub struct Account {
    /// `username` of the SOAP call.
    pub username: String,
    /// `password` of the SOAP call.
    pub password: Password,
    /// `facilityID` of the SOAP call.
    pub facility_id: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.username)
    }
}
