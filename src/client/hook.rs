//! A client of webhooks: it says something to an address that somebody named, and hears no more than a status.

use std::time::SystemTime;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::client::error::retry_after;
use crate::client::{Address, CallError, Egress, Reach};

/// As whom calls are made.
const AGENT: &str = concat!("izportal/", env!("CARGO_PKG_VERSION"));

/// A client of webhooks.
#[derive(Clone)]
pub struct HookClient {
    http: reqwest::Client,
    egress: Egress,
}

impl HookClient {
    /// A client that reaches addresses in this way.
    ///
    /// # Errors
    /// When the TLS settings cannot be used.
    pub fn new(reach: Reach) -> Result<Self, CallError> {
        let egress = reach.egress.clone();
        // The answer is not read, so no connection is used twice.
        let http = reach.http(|client| client.user_agent(AGENT).pool_max_idle_per_host(0))?;
        Ok(Self { http, egress })
    }

    /// Posts JSON with these headers; gives the status when it is one of success. Nothing of the answer is read but its head.
    ///
    /// # Errors
    /// When the address may not be called, no answer came in time, or one with another status.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<u16, CallError> {
        let address = Address::https(url, &self.egress)?;
        let request =
            self.http.post(address.url().clone()).header(CONTENT_TYPE, "application/json");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let response =
            request.body(body).send().await.map_err(|error| CallError::of_http(&error))?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(status);
        }
        let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wish.and_then(|value| retry_after(value, SystemTime::now()));
        Err(CallError::Status { status, retry_after })
    }
}
