//! The edge for senders: HTTP in, HTTP out; SOAP, and JSON for programs. The only place, with the loopback registry, where SOAP faults and their status are
//! made. May import `domain`, `gateway`, `hl7`, `paper`, `soap`, `validation`, and of `store` its errors and filters.

mod api;
mod body;
mod health;
mod soap;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

use crate::domain::Criteria;
use crate::gateway::Gateway;
use crate::soap::Limits;

pub use body::{BodyError, Held, Room, read_body};
pub use health::{Health, HealthSettings, routes as health_routes};
pub use soap::plain_soap_response;
pub use summary::{SummaryFormat, SummaryLog};

/// Path of the SOAP service; its WSDL is the same path with `?wsdl`.
pub const SOAP_PATH: &str = "/IISService";

/// Keeps a browser from reading an answer as anything but what its content type says.
pub const NO_SNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");

/// What the SOAP edge is told by configuration.
pub struct EndpointSettings {
    /// Public address of the service, as the WSDL gives it: `https://host[:port]`.
    pub public_url: String,
    /// Longest request body, in bytes.
    pub longest_request: usize,
    /// Memory for the bodies of all requests together, in MiB.
    pub body_memory_mib: usize,
    /// Longest text of a connectivityTest, in characters.
    pub longest_echo: usize,
    /// How long a request body may take to arrive.
    pub read_timeout: Duration,
    /// Whether SOAP 1.1 is answered; else it is refused with VersionMismatch.
    pub soap_1_1: bool,
    /// Bounds of the XML.
    pub xml: Limits,
    /// What a Site must show on its way to production.
    pub criteria: Criteria,
}

/// Everything the handlers share.
pub struct Endpoint {
    gateway: Arc<Gateway>,
    settings: EndpointSettings,
    wsdl: String,
    log: SummaryLog,
    room: Room,
}

impl Endpoint {
    /// The edge before a gateway.
    pub fn new(gateway: Arc<Gateway>, settings: EndpointSettings, log: SummaryLog) -> Self {
        let wsdl = crate::soap::wsdl(&format!("{}{SOAP_PATH}", settings.public_url));
        let room = Room::new(settings.body_memory_mib);
        Self { gateway, settings, wsdl, log, room }
    }
}

/// The routes of the SOAP service, with and without a trailing slash; any method, so that none is answered with HTML. And
/// what became of messages.
pub fn routes(config: &mut web::ServiceConfig) {
    for path in [SOAP_PATH, "/IISService/", "/iisservice", "/iisservice/"] {
        config.route(path, web::route().to(soap::serve));
    }
    api::routes(config);
}
