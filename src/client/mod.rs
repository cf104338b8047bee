//! Our own SOAP client: one endpoint of the CDC 2011 contract over HTTPS. May import `domain` and `soap`.
//!
//! It follows no redirect, reads no more than a bound, and classes every failure by what the caller may do next.

mod tls;

use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;

use crate::domain::Password;
use crate::soap::{
    Limits, OperationName, RemoteFault, Response, SoapVersion, connectivity_test_request,
    read_response, submit_single_message_request,
};

pub use tls::{TlsError, client_config};

/// Longest reply read, in bytes: a large query answer is about 3 MB. Source: features notes 3.4.
const LONGEST_REPLY: usize = 8 * 1024 * 1024;

/// Where and as whom to call.
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

/// Why a call brought no answer, by what the caller may do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// Something was sent; the other side may have acted on it.
    #[error("the outcome is unknown: {0}")]
    Ambiguous(String),
    /// The other side refused, or our settings are wrong: sending the same again will not help.
    #[error("the call was refused: {0}")]
    Permanent(String),
    /// Nothing reached the other side.
    #[error("the call did not reach its end: {0}")]
    Transient(String),
}

/// A client of one endpoint. Connections are kept and shared.
#[derive(Clone)]
pub struct SoapClient {
    http: reqwest::Client,
    endpoint: reqwest::Url,
    version: SoapVersion,
}

impl SoapClient {
    /// A client of `endpoint` that trusts what `tls` trusts.
    ///
    /// # Errors
    /// When the address is not an https URL or the TLS settings cannot be used.
    pub fn new(
        endpoint: &str,
        version: SoapVersion,
        tls: rustls::ClientConfig,
        timeout: Duration,
    ) -> Result<Self, SendError> {
        let permanent = |error: &dyn fmt::Display| SendError::Permanent(error.to_string());
        let endpoint = reqwest::Url::parse(endpoint).map_err(|error| permanent(&error))?;
        if endpoint.scheme() != "https" {
            return Err(SendError::Permanent("the address is not https".to_owned()));
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(15).min(timeout))
            .timeout(timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| permanent(&error))?;
        Ok(Self { http, endpoint, version })
    }

    /// Calls `connectivityTest`; gives the echo.
    pub async fn connectivity_test(&self, echo: &str) -> Result<String, SendError> {
        let body = connectivity_test_request(self.version, echo);
        match self.call(OperationName::ConnectivityTest, body).await? {
            Response::ConnectivityTest(text) => Ok(text),
            Response::Fault(fault) => Err(of_fault(&fault)),
            Response::SubmitSingleMessage(_) => {
                Err(SendError::Permanent("the answer is of another operation".to_owned()))
            }
        }
    }

    /// Calls `submitSingleMessage`; gives the HL7 reply as it came.
    pub async fn submit_single_message(
        &self,
        account: &Account,
        hl7: &str,
    ) -> Result<String, SendError> {
        let Account { username, password, facility_id } = account;
        let body = submit_single_message_request(
            self.version,
            username,
            password.reveal(),
            facility_id,
            hl7,
        );
        match self.call(OperationName::SubmitSingleMessage, body).await? {
            Response::SubmitSingleMessage(text) => Ok(text),
            Response::Fault(fault) => Err(of_fault(&fault)),
            Response::ConnectivityTest(_) => {
                Err(SendError::Ambiguous("the answer is of another operation".to_owned()))
            }
        }
    }

    async fn call(&self, operation: OperationName, body: Vec<u8>) -> Result<Response, SendError> {
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, self.version.request_media_type(operation))
            .body(body);
        if self.version == SoapVersion::V11 {
            request = request.header("SOAPAction", format!("\"{}\"", operation.action()));
        }
        let mut response = request.send().await.map_err(|error| of_transport(&error))?;
        let status = response.status().as_u16();
        if !matches!(status, 200 | 400 | 500) {
            return Err(of_status(status));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| of_transport(&error))? {
            if bytes.len() + chunk.len() > LONGEST_REPLY {
                return Err(SendError::Ambiguous("the reply is longer than 8 MiB".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        read_response(&bytes, &Limits::default())
            .map_err(|error| SendError::Ambiguous(format!("HTTP {status}: {error}")))
    }
}

/// Names the cause without the address, which a URL with credentials in it would leak.
fn of_transport(error: &reqwest::Error) -> SendError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_connect() || error.is_builder() {
        SendError::Transient(format!("no connection: {cause}"))
    } else if error.is_timeout() {
        SendError::Ambiguous("no answer in time".to_owned())
    } else {
        SendError::Ambiguous(cause.to_string())
    }
}

/// Source: failure classes of the features notes, 3.2, and the IZ Gateway's table of HTTP faults.
fn of_status(status: u16) -> SendError {
    let text = format!("HTTP {status}");
    match status {
        408 => SendError::Ambiguous(text),
        429 | 503 => SendError::Transient(text),
        300..=499 => SendError::Permanent(text),
        _ => SendError::Ambiguous(text),
    }
}

/// The fault's own words stay behind: they may quote the message.
fn of_fault(fault: &RemoteFault) -> SendError {
    match fault.fault_name.as_deref() {
        Some("SecurityFault") => {
            SendError::Permanent("SecurityFault: our credentials were refused".to_owned())
        }
        Some("MessageTooLargeFault") => SendError::Permanent("MessageTooLargeFault".to_owned()),
        Some("UnsupportedOperationFault") => {
            SendError::Permanent("UnsupportedOperationFault".to_owned())
        }
        _ => SendError::Ambiguous("a SOAP fault".to_owned()),
    }
}
