//! A SOAP client of one endpoint, in the contract of 2011 or of 2014.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::client::error::retry_after;
use crate::client::{Account, Address, CallError, FaultName, LONGEST_REPLY, Reach, Unreadable};
use crate::soap::{
    Limits, OperationName, RemoteFault, Response, SoapVersion, To, connectivity_test_request,
    connectivity_test_request_2014, read_response, submit_single_message_request,
    submit_single_message_request_2014,
};

/// The contract that a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// `urn:cdc:iisb:2011`.
    Cdc2011(SoapVersion),
    /// `urn:cdc:iisb:2014`: SOAP 1.2 with WS-Addressing.
    Cdc2014,
}

/// A client of one endpoint. Connections are kept and shared.
#[derive(Clone)]
pub struct SoapClient {
    http: reqwest::Client,
    endpoint: Address,
    contract: Contract,
}

impl SoapClient {
    /// A client of the service at `endpoint`.
    ///
    /// # Errors
    /// When the address is not an https URL that may be called, or the TLS settings cannot be used.
    pub fn new(endpoint: &str, contract: Contract, reach: Reach) -> Result<Self, CallError> {
        let endpoint = Address::https(endpoint, &reach.egress)?;
        let http = reach.http(|client| client.pool_idle_timeout(Duration::from_secs(30)))?;
        Ok(Self { http, endpoint, contract })
    }

    /// Calls `connectivityTest`; gives the text that came back.
    ///
    /// # Errors
    /// When no answer came that can be used.
    pub async fn connectivity_test(&self, echo: &str) -> Result<String, CallError> {
        let body = match self.contract {
            Contract::Cdc2011(version) => connectivity_test_request(version, echo),
            Contract::Cdc2014 => connectivity_test_request_2014(&self.to(&new_message_id()), echo),
        };
        match self.call(OperationName::ConnectivityTest, body).await? {
            Response::ConnectivityTest(text) => Ok(text),
            Response::Fault(fault) => Err(CallError::Fault(FaultName::of(&fault))),
            Response::SubmitSingleMessage(_) => {
                Err(CallError::Unreadable(Unreadable::OtherOperation))
            }
        }
    }

    /// Calls `submitSingleMessage`; gives the HL7 reply as it came.
    ///
    /// # Errors
    /// When no answer came that can be used.
    pub async fn submit_single_message(
        &self,
        account: &Account,
        hl7: &str,
    ) -> Result<String, CallError> {
        let Account { username, password, facility_id } = account;
        let password = password.reveal();
        let body = match self.contract {
            Contract::Cdc2011(version) => {
                submit_single_message_request(version, username, password, facility_id, hl7)
            }
            Contract::Cdc2014 => submit_single_message_request_2014(
                &self.to(&new_message_id()),
                username,
                password,
                facility_id,
                hl7,
            ),
        };
        match self.call(OperationName::SubmitSingleMessage, body).await? {
            Response::SubmitSingleMessage(text) => Ok(text),
            Response::Fault(fault) => Err(CallError::Fault(FaultName::of(&fault))),
            Response::ConnectivityTest(_) => Err(CallError::Unreadable(Unreadable::OtherOperation)),
        }
    }

    fn to<'a>(&'a self, message_id: &'a str) -> To<'a> {
        To { address: self.endpoint.url().as_str(), message_id }
    }

    async fn call(&self, operation: OperationName, body: Vec<u8>) -> Result<Response, CallError> {
        let request = self.http.post(self.endpoint.url().clone()).body(body);
        let request = match self.contract {
            Contract::Cdc2011(version) => {
                let request = request.header(CONTENT_TYPE, version.request_media_type(operation));
                match version {
                    SoapVersion::V11 => {
                        request.header("SOAPAction", format!("\"{}\"", operation.action()))
                    }
                    SoapVersion::V12 => request,
                }
            }
            Contract::Cdc2014 => {
                let action = operation.action_2014();
                let media = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
                request.header(CONTENT_TYPE, media)
            }
        };
        let response = request.send().await.map_err(|error| CallError::of_http(&error))?;
        let status = response.status().as_u16();
        let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wish.and_then(|value| retry_after(value, SystemTime::now()));
        let failed = CallError::Status { status, retry_after };
        // Source: contract row 96. Whatever these say, it is said in the envelope.
        if !matches!(status, 200 | 400 | 500) {
            return Err(failed);
        }
        let bytes = bounded(response).await?;
        match (read_response(&bytes, &Limits::default()), retry_after) {
            // Source: our own contract (4010, 4011, 4030). Who asks for the same message again has not kept it.
            (Ok(Response::Fault(fault)), Some(retry_after)) if is_for_now(&fault) => {
                Err(CallError::NotNow { retry_after })
            }
            (Ok(response), _) => Ok(response),
            (Err(_), _) if status == 200 => Err(CallError::Unreadable(instead_of_soap(&bytes))),
            (Err(_), _) => Err(failed),
        }
    }
}

/// Whether a fault is about who receives, in either version of SOAP, and no name of it says more.
fn is_for_now(fault: &RemoteFault) -> bool {
    matches!(fault.code_value.as_str(), "Receiver" | "Server")
        && FaultName::of(fault) == FaultName::Other
}

/// The body of a response, unless it is longer than [`LONGEST_REPLY`].
async fn bounded(mut response: reqwest::Response) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::of_http(&error))? {
        if bytes.len() + chunk.len() > LONGEST_REPLY {
            return Err(CallError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What a body is that is no SOAP response.
fn instead_of_soap(bytes: &[u8]) -> Unreadable {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let begins =
        |with: &[u8]| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins(b"<html") || begins(b"<!doctype html") {
        Unreadable::Html
    } else {
        Unreadable::NotSoap
    }
}

/// The identifier that WS-Addressing demands of every request.
fn new_message_id() -> String {
    format!("urn:uuid:{}", uuid::Uuid::now_v7())
}
