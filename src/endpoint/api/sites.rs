//! Whether the Gateway works, and how far Sites are.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::{SiteId, Timestamp};
use crate::endpoint::Endpoint;
use crate::endpoint::api::{Problem, answer, found, program, refusal};
use crate::gateway::{ApiError, GatewayStatus, SiteDetail, SiteList};

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
