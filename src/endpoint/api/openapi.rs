//! The description of the API, made of the handlers themselves.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, ServerBuilder};
use utoipa::{Modify, OpenApi};

use crate::domain::{CredentialNews, HookEvent, LinkNews, MessageNews, PING, PingNews, StageNews};
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
    paths(
        messages::list,
        messages::one,
        sites::list,
        sites::one,
        sites::statement,
        sites::status,
        validate::judge
    ),
    components(schemas(CredentialNews, LinkNews, MessageNews, PingNews, StageNews)),
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

/// The calls that a webhook gets, each a POST to its address.
fn webhooks() -> Map<String, Value> {
    let of_sites = HookEvent::ALL.iter().map(|event| {
        let data = match event {
            HookEvent::MessageDelivered
            | HookEvent::MessageGivenUp
            | HookEvent::MessageRejected
            | HookEvent::MessageReplaced
            | HookEvent::MessageReview => "MessageNews",
            HookEvent::SiteStage => "StageNews",
            HookEvent::SiteLink => "LinkNews",
            HookEvent::CredentialExpires => "CredentialNews",
        };
        (event.word(), event.told(), data)
    });
    let all = of_sites.chain([(PING, "Somebody tries the webhook", "PingNews")]);
    all.map(|(word, told, data)| (word.to_owned(), webhook(word, told, data))).collect()
}

fn webhook(word: &str, told: &str, data: &str) -> Value {
    let header = |name: &str, text: &str| json!({"name": name, "in": "header", "required": true, "description": text, "schema": {"type": "string"}});
    json!({"post": {
        "operationId": format!("on-{word}"),
        "summary": told,
        "description": "Signed as standardwebhooks.com has it. It may come twice: the same webhook-id is the same event.",
        "parameters": [
            header("webhook-id", "The event; the same at every attempt."),
            header("webhook-timestamp", "When the attempt was made, in seconds since 1970."),
            header("webhook-signature", "v1, and the HMAC-SHA256 in base64; several with spaces between."),
        ],
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
            "type": "object",
            "required": ["id", "type", "timestamp", "data"],
            "properties": {
                "id": {"type": "string", "description": "As webhook-id."},
                "type": {"type": "string", "enum": [word]},
                "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
                "data": {"$ref": format!("#/components/schemas/{data}")},
            },
        }}}},
        "responses": {"2XX": {"description": "You have it. Anything else is tried again for 24 hours."}},
    }})
}

/// The description.
pub(super) async fn document(endpoint: web::Data<Endpoint>) -> HttpResponse {
    let mut document = Api::openapi();
    document.servers = Some(vec![ServerBuilder::new().url(&endpoint.settings.public_url).build()]);
    let mut document = serde_json::to_value(document).unwrap_or_default();
    if let Some(document) = document.as_object_mut() {
        document.insert("webhooks".to_owned(), Value::Object(webhooks()));
    }
    HttpResponse::Ok()
        .insert_header(NO_SNIFF)
        .insert_header((CACHE_CONTROL, "no-cache"))
        .json(document)
}
