//! The description of the API, made of the handlers themselves.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, ServerBuilder};
use utoipa::{Modify, OpenApi};

use crate::endpoint::api::{messages, sites, validate};
use crate::endpoint::{Endpoint, NO_SNIFF};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "CDPH Immunization Gateway",
        description = "What became of messages, how far Sites are, and what would be said of a message that is not sent. \
                       A representative makes keys on the pages of a Site.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(messages::list, messages::one, sites::list, sites::one, sites::status, validate::judge),
    modifiers(&Keys)
)]
struct Api;

/// How programs say who they are.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let scheme = |scheme, text| {
            let built = HttpBuilder::new().scheme(scheme).description(Some(text)).build();
            SecurityScheme::Http(built)
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "key",
            scheme(
                HttpAuthScheme::Bearer,
                "A key of your Site; what it opens is chosen when it is made.",
            ),
        );
        components.add_security_scheme(
            "credential",
            scheme(HttpAuthScheme::Basic, "The username and password of your SOAP calls."),
        );
    }
}

/// The description.
pub(super) async fn document(endpoint: web::Data<Endpoint>) -> HttpResponse {
    let mut document = Api::openapi();
    document.servers = Some(vec![ServerBuilder::new().url(&endpoint.settings.public_url).build()]);
    HttpResponse::Ok()
        .insert_header(NO_SNIFF)
        .insert_header((CACHE_CONTROL, "no-cache"))
        .json(document)
}
