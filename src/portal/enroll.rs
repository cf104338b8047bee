//! Enrolment for access without an EHR, page by page. Source: seed 003.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::Choice;
use crate::domain::questions::{ENROLMENT, ENROLMENT_LEVELS};
use crate::domain::{DraftKind, ENROLMENT_AGREEMENT};
use crate::portal::draft_pages::{Flow, Part, Words, parts};
use crate::portal::guide::agreement_page;
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};

/// The enrolment's pages.
pub(super) static ENROLL: Flow = Flow {
    kind: DraftKind::Enrolment,
    cookie: "__Host-enrollment",
    base: "/enroll",
    called: "Enrollment",
    agreement: || ENROLMENT_AGREEMENT.paragraphs().collect(),
    shared: "",
    words: Words {
        send: "Send the enrollment",
        confirmed: "The enrollment goes to our staff when it is opened.",
        before: "Our staff see nothing until then. After it they look at the enrollment; that takes up to 10 business days.",
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/enroll", get().to(overview))
        .route("/enroll", web::post().to(begin))
        .route("/enroll/agreement-text", get().to(agreement))
        .route("/enroll/review", get().to(review))
        .route("/enroll/review", web::post().to(|posted| ENROLL.submit(posted)))
        .route("/enroll/sent", get().to(sent))
        .route("/enroll/sent", web::post().to(|posted| ENROLL.send_again(posted)))
        .route("/enroll/save", get().to(|visit| ENROLL.save_page(visit)))
        .route("/enroll/save", web::post().to(|posted| ENROLL.save(posted)))
        .route("/enroll/{page}", get().to(show))
        .route("/enroll/{page}", web::post().to(answer));
}

#[derive(Template)]
#[template(path = "enroll.html")]
struct Overview {
    layout: Layout,
    levels: &'static [Choice],
    level: String,
    county: String,
    zip: String,
    /// The parts of a draft that was begun.
    parts: Option<Vec<Part>>,
    is_complete: bool,
}

async fn overview(visit: Visit) -> Result<HttpResponse, Trouble> {
    let parts = ENROLL.open_draft(&visit).await?.as_ref().map(parts);
    Ok(visit.page(&Overview {
        layout: visit.layout("Enroll in CAIR"),
        levels: ENROLMENT_LEVELS,
        level: visit.query("level"),
        county: visit.query("county"),
        zip: visit.query("zip"),
        is_complete: parts.as_ref().is_some_and(|parts| parts.iter().all(|part| part.is_done)),
        parts,
    }))
}

async fn begin(posted: Posted) -> Result<HttpResponse, Trouble> {
    let known: Vec<_> =
        ["level", "county"].into_iter().filter_map(|slug| ENROLMENT.page(slug)).collect();
    ENROLL.begin(posted, &known, "level").await
}

async fn show(visit: Visit, slug: web::Path<String>) -> Result<HttpResponse, Trouble> {
    ENROLL.show(visit, &slug).await
}

async fn answer(posted: Posted, slug: web::Path<String>) -> Result<HttpResponse, Trouble> {
    ENROLL.answer(posted, &slug).await
}

async fn review(visit: Visit) -> Result<HttpResponse, Trouble> {
    ENROLL.review(&visit, None).await
}

async fn sent(visit: Visit) -> Result<HttpResponse, Trouble> {
    ENROLL.sent(&visit, None).await
}

async fn agreement(visit: Visit) -> HttpResponse {
    let title = "Organization and Individual User Access Agreement";
    agreement_page(&visit, title, &ENROLMENT_AGREEMENT)
}
