//! Style sheet, mark and the one script: compiled in, named by their content so that browsers may keep them.

use std::sync::LazyLock;

use actix_web::{HttpResponse, web};
use ring::digest::{SHA256, digest};

use crate::portal::visit::get;

const STYLE: &str = include_str!("assets/portal.css");
const PASSKEY: &str = include_str!("assets/passkey.js");
const MARK: &str = include_str!("assets/favicon.svg");

/// Changes whenever an asset changes; part of their addresses.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [STYLE, MARK, PASSKEY].concat();
    crate::domain::hex(digest(&SHA256, all.as_bytes()).as_ref().get(..8).unwrap_or_default())
});

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/assets/{version}/portal.css",
            get().to(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/assets/{version}/passkey.js",
            get().to(|| async { file("text/javascript; charset=utf-8", PASSKEY) }),
        )
        .route("/assets/{version}/mark.svg", get().to(|| async { file("image/svg+xml", MARK) }))
        .route("/favicon.ico", get().to(|| async { file("image/svg+xml", MARK) }));
}

fn file(content_type: &'static str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("Cache-Control", "public, max-age=31536000, immutable"))
        .body(content)
}
