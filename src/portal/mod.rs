//! The IZ Portal: pages for people. HTML in, HTML out; what is changed is changed by `sites`.
//!
//! Every page works without script. A handler takes a [`Visit`] (who asks, from where, with which session) or a
//! [`Posted`], the only way to the fields of a form, which has checked that the form was ours. May import `domain`,
//! `sites`, `store` for reading, `gateway` for messages that staff edit or that are not sent and for asking registries,
//! `hl7`, and `validation`.

mod account;
mod ask;
mod assets;
mod banners;
mod chart;
mod claim;
mod codes;
mod draft_pages;
mod enroll;
mod factors;
mod form;
mod guide;
mod letters;
mod links;
mod member;
mod message_view;
mod messages;
mod moment;
mod organization;
mod page;
mod parts;
mod quality;
mod register;
mod requests;
mod rules;
mod sign_in;
mod staff;
mod states;
mod status;
mod table;
mod trail;
mod validate;
mod verify_statement;
mod visit;
mod wishes;

use std::sync::Arc;

use actix_web::{HttpResponse, web};

use crate::gateway::{Editor, Operator, Preview};
use crate::sites::Sites;

pub use member::Member;
pub use page::{Layout, render};
pub use visit::{Posted, PostedFile, Visit};

/// What the portal needs to know of its installation.
#[derive(Clone, Debug)]
pub struct PortalSettings {
    /// Public address, `https://host:port`, the only one that links are made with.
    pub public_url: String,
    /// Whether that address is on this machine only, where HSTS would reach other services.
    pub is_local: bool,
    /// Whether whoever opens a page may read the letters: a trial on this machine only, without a mail server.
    pub shows_letters: bool,
    /// Whom to ask: telephone or e-mail address, as it is shown.
    pub help_desk: String,
    /// Address of the SOAP service.
    pub endpoint: String,
    /// Whether SOAP 1.1 is answered.
    pub soap_1_1: bool,
    /// MSH-11 of messages sent with a test credential.
    pub test_ids: String,
    /// MSH-11 of messages sent with a production credential.
    pub production_ids: String,
}

/// The pages and what they need.
pub struct Portal {
    sites: Arc<Sites>,
    editor: Editor,
    /// Judges messages that are not sent.
    preview: Arc<Preview>,
    /// Asks registries whether they answer.
    operator: Operator,
    settings: PortalSettings,
    /// How the destinations were when somebody last asked for the public page.
    standing: status::Standing,
    /// What stands above pages.
    notices: banners::Notices,
}

impl Portal {
    /// Pages over `sites`; staff edit messages through the editor and reach registries through the operator, and the
    /// preview judges messages that are not sent.
    pub fn new(
        sites: Arc<Sites>,
        (editor, preview, operator): (Editor, Arc<Preview>, Operator),
        settings: PortalSettings,
    ) -> Self {
        Self {
            sites,
            editor,
            preview,
            operator,
            settings,
            standing: status::Standing::default(),
            notices: banners::Notices::default(),
        }
    }

    /// Whether no regional registry is connected, so that every page says it is a trial.
    fn is_trial(&self) -> bool {
        self.operator.is_trial()
    }

    /// Whether whoever opens a page may read the letters.
    fn shows_letters(&self) -> bool {
        self.settings.shows_letters && self.is_trial()
    }
}

/// Every page. What is not here is told by a page when a browser asks.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("")
            .wrap(actix_web::middleware::from_fn(visit::protect))
            .configure(assets::routes)
            .configure(enroll::routes)
            .configure(claim::routes)
            .configure(codes::routes)
            .configure(guide::routes)
            .configure(letters::routes)
            .configure(links::routes)
            .configure(organization::routes)
            .configure(sign_in::routes)
            .configure(account::routes)
            .configure(factors::routes)
            .configure(register::routes)
            .configure(requests::routes)
            .configure(rules::routes)
            .configure(staff::routes)
            .configure(status::routes)
            .configure(verify_statement::routes)
            .configure(wishes::routes)
            .configure(validate::routes)
            .default_service(web::route().to(not_found)),
    );
}

async fn not_found(visit: Visit) -> HttpResponse {
    visit.missing()
}
