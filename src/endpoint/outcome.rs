//! `/api/v1/messages`: what became of a message, as JSON, for its sender with the credentials of its SOAP calls (HTTP Basic).

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::{ClientKeyPin, MessageId};
use crate::endpoint::{Endpoint, NO_SNIFF};
use crate::gateway::{Inquirer, InquiryError};

/// The header that may name the facility ID of the credential.
const FACILITY: &str = "Facility-ID";

#[derive(Deserialize)]
struct Question {
    control_id: Option<String>,
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

/// The routes of the outcome service.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v1/messages", web::get().to(by_control_id))
        .route("/api/v1/messages/{id}", web::get().to(by_id));
}

async fn by_id(
    request: HttpRequest,
    id: web::Path<String>,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let Some(account) = Account::of(&request) else { return refused() };
    let Ok(id) = id.parse::<MessageId>() else {
        return problem(
            StatusCode::NOT_FOUND,
            "No message has such an identifier. It is MSH-10 of the Gateway's own acknowledgement.",
        );
    };
    answer(endpoint.gateway.outcome(&account.inquirer(&request), id).await)
}

async fn by_control_id(
    request: HttpRequest,
    question: web::Query<Question>,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let Some(account) = Account::of(&request) else { return refused() };
    let Some(control_id) = question.into_inner().control_id.filter(|id| !id.is_empty()) else {
        let text = "Ask for /api/v1/messages/ID or /api/v1/messages?control_id=MSH-10.";
        return problem(StatusCode::BAD_REQUEST, text);
    };
    answer(endpoint.gateway.outcomes(&account.inquirer(&request), &control_id).await)
}

/// Username and password of HTTP Basic.
struct Account {
    text: Zeroizing<String>,
    facility_id: Option<String>,
}

impl Account {
    fn of(request: &HttpRequest) -> Option<Self> {
        let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let text = Zeroizing::new(String::from_utf8(decoded).ok()?);
        let facility = request.headers().get(FACILITY).and_then(|value| value.to_str().ok());
        text.contains(':').then(|| Self { text, facility_id: facility.map(str::to_owned) })
    }

    fn inquirer(&self, request: &HttpRequest) -> Inquirer<'_> {
        let (username, password) = self.text.split_once(':').unwrap_or_default();
        let address = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |one| one.ip());
        Inquirer {
            username,
            password,
            facility_id: self.facility_id.as_deref(),
            client_key: request.conn_data::<ClientKeyPin>().copied(),
            address,
        }
    }
}

fn answer<T: Serialize>(result: Result<T, InquiryError>) -> HttpResponse {
    match result {
        Ok(outcome) => HttpResponse::Ok()
            .insert_header(NO_SNIFF)
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(outcome),
        Err(InquiryError::CredentialsRefused) => {
            metrics::counter!("gateway_auth_failures_total", "reason" => "refused").increment(1);
            refused()
        }
        Err(InquiryError::NotFound) => {
            problem(StatusCode::NOT_FOUND, "You have sent no such message with these credentials.")
        }
        Err(InquiryError::Store(error)) => {
            tracing::error!("an outcome could not be read: {error}");
            problem(StatusCode::SERVICE_UNAVAILABLE, "The Gateway cannot read messages now.")
        }
    }
}

fn refused() -> HttpResponse {
    let text = "Give the username and password of your SOAP calls by HTTP Basic authentication.";
    let mut response = problem(StatusCode::UNAUTHORIZED, text);
    let realm = actix_web::http::header::HeaderValue::from_static("Basic realm=\"izportal\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    response
}

fn problem(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(NO_SNIFF)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Problem { error: text })
}
