//! The page at `/`: what this is and where its parts are, for whoever opens the address in a browser.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};

use crate::config::Config;
use crate::endpoint::NO_SNIFF;
use crate::server::host_of;

/// The page, written once at start.
pub struct Landing {
    page: String,
    is_on_this_machine: bool,
}

impl Landing {
    /// The page of a service at `public_url`, with what its configuration decides. Both have been checked: nothing in them
    /// needs escaping.
    pub fn new(config: &Config, public_url: &str) -> Self {
        let connected =
            config.regions.values().any(|one| one.test.is_some() || one.production.is_some());
        let page = PAGE
            .replace("{{trial}}", if connected { "" } else { TRIAL })
            .replace("{{public_url}}", public_url)
            .replace(
                "{{soap}}",
                if config.server.soap_1_1 { "SOAP 1.2 and 1.1" } else { "SOAP 1.2 only" },
            )
            .replace("{{test_ids}}", &one_of(&config.gateway.test_processing_ids))
            .replace("{{production_ids}}", &one_of(&config.gateway.production_processing_ids));
        Self { page, is_on_this_machine: is_on_this_machine(public_url) }
    }
}

const PAGE: &str = include_str!("landing.html");

/// What the page says first where no registry is connected: the rest of it would mislead.
const TRIAL: &str = "<p class=\"trial\">No regional registry is connected to this Gateway. A built-in one answers instead, and no \
                     record leaves the Gateway. Send invented patients only.</p>\n";

fn one_of(ids: &[String]) -> String {
    ids.iter().map(|id| format!("<code>{id}</code>")).collect::<Vec<_>>().join(" or ")
}

/// Whether an address is reached from its own machine only, where other services share its name.
fn is_on_this_machine(public_url: &str) -> bool {
    host_of(public_url).is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

/// `GET` and `HEAD` of `/`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(show)).route("/", web::head().to(show));
}

async fn show(landing: web::Data<Landing>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if !landing.is_on_this_machine {
        response.insert_header(("Strict-Transport-Security", "max-age=31536000"));
    }
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ))
        .insert_header(NO_SNIFF)
        .body(landing.page.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_and_loopback_addresses_are_on_this_machine() {
        for host in
            ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(is_on_this_machine(&format!("https://{host}")), "{host}");
            assert!(is_on_this_machine(&format!("https://{host}:8443")), "{host}");
        }
        for host in ["iz.example.gov", "localhost.example.gov", "192.0.2.7", "[2001:db8::1]"] {
            assert!(!is_on_this_machine(&format!("https://{host}:8443")), "{host}");
        }
    }
}
