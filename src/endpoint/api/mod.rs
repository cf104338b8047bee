//! `/api/v1`: what pages show to people, as JSON for programs. Two ways to say who asks: a key of a Site
//! (`Authorization: Bearer`), or the credentials of SOAP calls (HTTP Basic), which open what became of one's own messages.
//! Errors are problem documents. Source: RFC 9457.

mod messages;
mod openapi;
mod sites;
mod validate;

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Timestamp;
use crate::endpoint::{Endpoint, NO_SNIFF};
use crate::gateway::{ApiError, Program};

/// The routes of the API.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/v1/openapi.json", web::get().to(openapi::document))
        .route("/api/v1/messages", web::get().to(messages::list))
        .route("/api/v1/messages/{id}", web::get().to(messages::one))
        .route("/api/v1/sites", web::get().to(sites::list))
        .route("/api/v1/sites/{id}", web::get().to(sites::one))
        .route("/api/v1/sites/{id}/statement", web::get().to(sites::statement))
        .route("/api/v1/status", web::get().to(sites::status))
        .route("/api/v1/validate", web::post().to(validate::judge))
        .route("/api/v1/{tail:.*}", web::route().to(unknown));
}

/// What went wrong. Source: RFC 9457.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says which kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong and what to do about it.
    detail: String,
}

fn problem(status: StatusCode, detail: impl Into<String>) -> HttpResponse {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: detail.into(),
    };
    HttpResponse::build(status)
        .insert_header(NO_SNIFF)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/problem+json")
        .body(serde_json::to_string(&problem).unwrap_or_default())
}

fn found<T: Serialize>(answer: &T) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(NO_SNIFF)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(answer)
}

async fn unknown() -> HttpResponse {
    let text =
        "The API has nothing here, or not by this method. /api/v1/openapi.json describes it.";
    problem(StatusCode::NOT_FOUND, text)
}

/// Where a question came from.
fn address_of(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |one| one.ip())
}

/// The key of a request, when it comes with one.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The program that asks.
async fn program(
    request: &HttpRequest,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Result<Program, ApiError> {
    let token = bearer(request).ok_or(ApiError::Unknown)?;
    endpoint.gateway.program(token, address_of(request), now).await
}

/// What a program hears when its question has no answer.
fn refusal(error: &ApiError) -> HttpResponse {
    match error {
        ApiError::Unknown => {
            let text = "Give a live API key of your Site: Authorization: Bearer KEY.";
            let mut response = problem(StatusCode::UNAUTHORIZED, text);
            let realm = HeaderValue::from_static("Bearer realm=\"izportal\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, realm);
            metrics::counter!("gateway_auth_failures_total", "reason" => "api-key").increment(1);
            response
        }
        ApiError::Scope(scope) => {
            let text = format!("This key has not the scope {scope}. Make one that has.");
            problem(StatusCode::FORBIDDEN, text)
        }
        ApiError::TooMany(wait) => too_many(*wait),
        ApiError::NotFound => {
            problem(StatusCode::NOT_FOUND, "There is no such thing that belongs to your Site.")
        }
        ApiError::Store(error) => {
            tracing::error!("a question of a program could not be answered: {error}");
            problem(StatusCode::SERVICE_UNAVAILABLE, "The Gateway cannot answer now. Try again.")
        }
    }
}

fn too_many(wait: std::time::Duration) -> HttpResponse {
    let text = "You ask too often. Wait as long as Retry-After says.";
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, text);
    let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

fn answer<T: Serialize>(result: &Result<T, ApiError>) -> HttpResponse {
    match result {
        Ok(answer) => found(answer),
        Err(error) => refusal(error),
    }
}
