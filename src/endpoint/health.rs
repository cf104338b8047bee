//! Liveness, readiness and metrics, cheap enough to be asked every second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::endpoint::NO_SNIFF;
use crate::gateway::Gateway;

/// Longest wait for the database before it counts as down.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the health pages show beside the checks.
pub struct HealthSettings {
    /// Gives the metrics in Prometheus' text form.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// What the health pages look at.
pub struct Health {
    gateway: Arc<Gateway>,
    settings: HealthSettings,
    draining: AtomicBool,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    database: &'static str,
    draining: bool,
    version: &'static str,
}

impl Health {
    /// The health of a gateway.
    pub fn new(gateway: Arc<Gateway>, settings: HealthSettings) -> Self {
        Self { gateway, settings, draining: AtomicBool::new(false) }
    }

    /// From now on not ready: the service is stopping.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn report(&self) -> (bool, Report) {
        let database =
            matches!(tokio::time::timeout(PATIENCE, self.gateway.store().ping()).await, Ok(Ok(())));
        let draining = self.draining.load(Ordering::Relaxed);
        let ready = database && !draining;
        let report = Report {
            status: if ready { "ready" } else { "not ready" },
            database: if database { "up" } else { "down" },
            draining,
            version: env!("CARGO_PKG_VERSION"),
        };
        (ready, report)
    }
}

/// `/health/live` and `/health/ready`; with `metrics` also `/metrics`, which belongs on a listener of its own.
pub fn routes(metrics: bool) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .route("/health/live", web::get().to(live))
            .route("/health/live", web::head().to(live))
            .route("/health/ready", web::get().to(ready))
            .route("/health/ready", web::head().to(ready));
        if metrics {
            config
                .route("/metrics", web::get().to(prometheus))
                .route("/metrics", web::head().to(prometheus));
        }
    }
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header(NO_SNIFF).json(serde_json::json!({ "status": "live" }))
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let (ready, report) = health.report().await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).insert_header(NO_SNIFF).json(report)
}

async fn prometheus(health: web::Data<Health>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header(NO_SNIFF)
        .body((health.settings.metrics)())
}
