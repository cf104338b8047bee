//! Whether the Gateway works, and how far Sites are.

#![expect(unused_qualifications, reason = "what the path attribute makes of parameters")]

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::{SiteId, StatementCode, StatementRecord, Timestamp};
use crate::endpoint::api::{Problem, answer, found, problem, program, refusal};
use crate::endpoint::{Endpoint, NO_SNIFF};
use crate::gateway::{ApiError, GatewayStatus, SiteDetail, SiteList, SiteStatement};
use crate::paper::Paper;

/// Whether the Gateway works, and the state of every registry; any key will do
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "readStatus",
    responses(
        (status = 200, body = GatewayStatus),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = []))
)]
pub(super) async fn status(request: HttpRequest, endpoint: web::Data<Endpoint>) -> HttpResponse {
    let now = Timestamp::now();
    match program(&request, &endpoint, now).await {
        Ok(_) => found(&endpoint.gateway.status(now)),
        Err(error) => refusal(&error),
    }
}

/// Your Site, and those that it sends for
#[utoipa::path(
    get,
    path = "/api/v1/sites",
    operation_id = "listSites",
    responses(
        (status = 200, body = SiteList),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = ["sites-read"]))
)]
pub(super) async fn list(request: HttpRequest, endpoint: web::Data<Endpoint>) -> HttpResponse {
    match program(&request, &endpoint, Timestamp::now()).await {
        Ok(who) => answer(&endpoint.gateway.sites_of(&who).await),
        Err(error) => refusal(&error),
    }
}

/// How far your Site is, or one that it sends for: its stage and its checklist
#[utoipa::path(
    get,
    path = "/api/v1/sites/{id}",
    operation_id = "readSite",
    params(("id" = String, Path, description = "Site ID")),
    responses(
        (status = 200, body = SiteDetail),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = ["sites-read"]))
)]
pub(super) async fn one(
    request: HttpRequest,
    id: web::Path<String>,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let who = match program(&request, &endpoint, Timestamp::now()).await {
        Ok(who) => who,
        Err(error) => return refusal(&error),
    };
    let Ok(id) = id.parse::<SiteId>() else { return refusal(&ApiError::NotFound) };
    let criteria = &endpoint.settings.criteria;
    answer(&endpoint.gateway.site_of(&who, &id, criteria).await)
}

/// Of which year.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfYear {
    /// The year; without it the present one.
    year: Option<i32>,
}

/// What a statement of your Site about meaningful use says of a year. With `Accept: application/pdf` one is issued, with a
/// code by which anybody can verify it, in the name of whoever made the key
#[utoipa::path(
    get,
    path = "/api/v1/sites/{id}/statement",
    operation_id = "readStatement",
    params(("id" = String, Path, description = "Site ID of the key's own Site"), OfYear),
    responses(
        (status = 200, content(
            (SiteStatement = "application/json"),
            (Vec<u8> = "application/pdf"),
        )),
        (status = "default", body = Problem, content_type = "application/problem+json")
    ),
    security(("key" = ["statements-read"]))
)]
pub(super) async fn statement(
    request: HttpRequest,
    id: web::Path<String>,
    endpoint: web::Data<Endpoint>,
) -> HttpResponse {
    let who = match program(&request, &endpoint, Timestamp::now()).await {
        Ok(who) => who,
        Err(error) => return refusal(&error),
    };
    let Ok(asked) = web::Query::<OfYear>::from_query(request.query_string()) else {
        return problem(StatusCode::BAD_REQUEST, "The parameter year cannot be read.");
    };
    let Ok(id) = id.parse::<SiteId>() else { return refusal(&ApiError::NotFound) };
    if !wants_pdf(&request) {
        return answer(&endpoint.gateway.site_statement(&who, &id, asked.year).await);
    }
    match endpoint.gateway.site_statement_issue(&who, &id, asked.year).await {
        Ok((record, code)) => pdf(&endpoint, &record, &code),
        Err(error) => refusal(&error),
    }
}

/// Whether PDF is asked for, and JSON is not.
fn wants_pdf(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let accept = accept.unwrap_or_default().to_ascii_lowercase();
    accept.contains("application/pdf") && !accept.contains("application/json")
}

fn pdf(endpoint: &Endpoint, record: &StatementRecord, code: &StatementCode) -> HttpResponse {
    let paper = Paper {
        issued: record.issued_at.pacific_text(),
        code: code.shown(),
        verify: format!("{}/verify-statement", endpoint.settings.public_url),
        rows: record.facts.rows(),
        year: record.facts.year,
        is_trial: endpoint.gateway.is_trial(),
    };
    let name = format!("statement-{}-{}.pdf", record.site, record.facts.year);
    HttpResponse::Ok()
        .insert_header(NO_SNIFF)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .content_type("application/pdf")
        .body(paper.pdf())
}
