//! The page at `/`: what this is and where its parts are, for whoever opens the address in a browser.

use actix_web::{HttpResponse, web};

use crate::endpoint::NO_SNIFF;

/// The page, written once at start.
pub struct Landing {
    page: String,
}

impl Landing {
    /// The page of a service at `public_url`, an address that the configuration has checked.
    pub fn new(public_url: &str) -> Self {
        Self { page: PAGE.replace("{{public_url}}", public_url) }
    }
}

const PAGE: &str = include_str!("landing.html");

/// `GET` and `HEAD` of `/`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(show)).route("/", web::head().to(show));
}

async fn show(landing: web::Data<Landing>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ))
        .insert_header(NO_SNIFF)
        .insert_header(("Strict-Transport-Security", "max-age=31536000"))
        .body(landing.page.clone())
}
