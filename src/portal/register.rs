//! Registration for data exchange, page by page. Source: seed 000, section 1.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, Field, FieldErrors, Kind, Page, When};
use crate::domain::questions::REGISTRATION;
use crate::domain::{AGREEMENT, Draft, DraftKind};
use crate::portal::draft_pages::{CAPPED, Flow, Part, Words, parts};
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::Facilities;

/// The registration's pages.
pub(super) static REGISTER: Flow = Flow {
    kind: DraftKind::Registration,
    cookie: "__Host-registration",
    base: "/register",
    called: "Registration",
    agreement: || AGREEMENT.paragraphs().collect(),
    shared: "ehr+vendor-contact",
    words: Words {
        send: "Send the registration",
        confirmed: "The Site is registered when it is opened.",
        before: "Nothing is registered until then. After it you get the Site ID, and set your password.",
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/register", get().to(overview))
        .route("/register", web::post().to(begin))
        .route("/register/review", get().to(review))
        .route("/register/review", web::post().to(|posted| REGISTER.submit(posted)))
        .route("/register/sent", get().to(sent))
        .route("/register/sent", web::post().to(|posted| REGISTER.send_again(posted)))
        .route("/register/save", get().to(|visit| REGISTER.save_page(visit)))
        .route("/register/save", web::post().to(|posted| REGISTER.save(posted)))
        .route("/register/invite", get().to(invite_page))
        .route("/register/invite", web::post().to(invite))
        .route("/register/{page}", get().to(show))
        .route("/register/{page}", web::post().to(answer));
}

#[derive(Template)]
#[template(path = "register.html")]
struct Overview {
    layout: Layout,
    county: String,
    zip: String,
    /// The parts of a draft that was begun.
    parts: Option<Vec<Part>>,
    is_complete: bool,
}

async fn overview(visit: Visit) -> Result<HttpResponse, Trouble> {
    let parts = REGISTER.open_draft(&visit).await?.as_ref().map(parts);
    Ok(visit.page(&Overview {
        layout: visit.layout("Register for data exchange"),
        county: visit.query("county"),
        zip: visit.query("zip"),
        is_complete: parts.as_ref().is_some_and(|parts| parts.iter().all(|part| part.is_done)),
        parts,
    }))
}

async fn begin(posted: Posted) -> Result<HttpResponse, Trouble> {
    let known: Vec<_> = REGISTRATION.page("county").into_iter().collect();
    REGISTER.begin(posted, &known, "type").await
}

async fn show(visit: Visit, slug: web::Path<String>) -> Result<HttpResponse, Trouble> {
    REGISTER.show(visit, &slug).await
}

async fn answer(posted: Posted, slug: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, mut fields } = posted;
    let Some((draft, page)) = REGISTER.asked(&visit, &slug).await? else {
        return Ok(visit.redirect("/register"));
    };
    if page.slug == FACILITY_PAGE
        && let Some(again) = name_facility(&visit, &draft, page, &mut fields).await?
    {
        return Ok(again);
    }
    REGISTER.take(&visit, &draft, page, &fields).await
}

async fn review(visit: Visit) -> Result<HttpResponse, Trouble> {
    REGISTER.review(&visit, None).await
}

async fn sent(visit: Visit) -> Result<HttpResponse, Trouble> {
    REGISTER.sent(&visit, None).await
}

/// The page that asks for the Sending Facility.
const FACILITY_PAGE: &str = "sending-facility";

/// Puts the ID of the Sending Facility in place of what was typed; or the page that asks which one is meant.
async fn name_facility(
    visit: &Visit,
    draft: &Draft,
    page: &'static Page,
    fields: &mut Answers,
) -> Result<Option<HttpResponse>, Trouble> {
    const FIELD: &str = "sending_facility";
    let typed = fields.get(FIELD).trim().to_owned();
    if typed.is_empty() {
        return Ok(None);
    }
    let message = match visit.portal().sites.facilities(&typed).await? {
        Facilities::One(one) => {
            fields.set(FIELD, one.id.to_string());
            return Ok(None);
        }
        Facilities::None => {
            "No Sending Facility has this ID or name. Ask your Sending Facility for its ID"
                .to_owned()
        }
        Facilities::Several(several) => {
            let layout = visit.layout("Which Sending Facility do you mean?");
            let facilities =
                several.into_iter().map(|one| (one.id.to_string(), one.name)).collect();
            return Ok(Some(visit.page(&WhichFacility { layout, facilities })));
        }
    };
    let typed = page.gather(fields);
    let errors = FieldErrors::one(FIELD, message);
    Ok(Some(REGISTER.question(visit, draft, page, &typed, errors)))
}

#[derive(Template)]
#[template(path = "which_facility.html")]
struct WhichFacility {
    layout: Layout,
    facilities: Vec<(String, String)>,
}

const INVITE: Page = Page {
    slug: "invite",
    title: "Ask somebody to answer the EHR questions",
    lede: "We send them a link to the questions about your EHR and its support contact. They see nothing else.",
    fields: &[
        Field::new("your_name", "Your name", Kind::Text(60), "Enter your name")
            .hint("So that they know who asks"),
        Field::new("email", "Their email address", Kind::Email, "Enter their email address"),
    ],
    when: When::Always,
    rule: None,
};

async fn invite_page(visit: Visit) -> Result<HttpResponse, Trouble> {
    let Some(_) = REGISTER.open_draft(&visit).await? else {
        return Ok(visit.redirect("/register"));
    };
    Ok(REGISTER.ask(&visit, &INVITE, &Answers::default(), FieldErrors::default(), None))
}

async fn invite(posted: Posted) -> Result<HttpResponse, Trouble> {
    const DONE: &str = "We have sent the link. You see their answers here when they are done.";
    let Posted { visit, fields } = posted;
    let Some(draft) = REGISTER.open_draft(&visit).await? else {
        return Ok(visit.redirect("/register"));
    };
    let good = match INVITE.read(&fields, visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => {
            return Ok(REGISTER.ask(&visit, &INVITE, &INVITE.gather(&fields), errors, None));
        }
    };
    let Ok(to) = good.get("email").parse() else { return Ok(visit.missing()) };
    let (shared, from) = (REGISTER.shared, good.get("your_name"));
    let posted = visit.portal().sites.draft_share(&draft, shared, &to, from, visit.by()).await?;
    let said = if posted { DONE } else { CAPPED };
    Ok(REGISTER.ask(&visit, &INVITE, &Answers::default(), FieldErrors::default(), Some(said)))
}
