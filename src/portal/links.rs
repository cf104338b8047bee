//! What links in letters open: a confirmed registration, a saved draft, shared pages of one.
//!
//! Looking at a link changes nothing (mail scanners do it); its button does.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, FieldErrors, Page};
use crate::domain::{Draft, DraftKind, OneTimeToken};
use crate::portal::enroll::ENROLL;
use crate::portal::form::{FieldView, fields};
use crate::portal::page::Trouble;
use crate::portal::register::REGISTER;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AnswerError, Verified};

/// Stands for the shared pages of a draft.
const HELP_COOKIE: &str = "__Host-help";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/verify/{token}", get().to(verify_page))
        .route("/verify/{token}", web::post().to(verify))
        .route("/resume/{token}", get().to(resume_page))
        .route("/resume/{token}", web::post().to(resume))
        .route("/help-with/{token}", get().to(help_page))
        .route("/help-with/{token}", web::post().to(help))
        .route("/help-with", get().to(shared))
        .route("/help-with", web::post().to(answer));
}

/// A page with one button.
#[derive(Template)]
#[template(path = "open_link.html")]
pub(super) struct OpenLink {
    pub(super) layout: Layout,
    pub(super) lede: String,
    pub(super) button: &'static str,
}

/// The page of a link that opens nothing: used, ended, or never one of ours.
#[derive(Template)]
#[template(path = "dead_link.html")]
struct DeadLink {
    layout: Layout,
}

pub(super) fn dead(visit: &Visit) -> HttpResponse {
    visit.page(&DeadLink { layout: visit.layout("This link does not work any more") })
}

async fn verify_page(visit: Visit, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    let Some(draft) = visit.portal().sites.verify_peek(&token, visit.now).await? else {
        return Ok(dead(&visit));
    };
    let (what, button) = match draft.kind {
        DraftKind::Enrolment => ("enrollment", "Confirm and send the enrollment"),
        DraftKind::Registration => ("registration", "Confirm and register the Site"),
    };
    let lede = format!("Confirm the {what} of {}, {}.", draft.name(), draft.answers.get("city"));
    let layout = visit.layout("Confirm your email address");
    Ok(visit.page(&OpenLink { layout, lede, button }))
}

#[derive(Template)]
#[template(path = "enrolled.html")]
struct EnrolledPage {
    layout: Layout,
    number: String,
}

#[derive(Template)]
#[template(path = "registered.html")]
struct RegisteredPage {
    layout: Layout,
    verified: Verified,
    region: Option<String>,
    waits_for_facility: bool,
    endpoint: String,
}

async fn verify(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    let sites = &visit.portal().sites;
    if let Some(id) = sites.enrolment_verify(&token, visit.by()).await? {
        visit.drop_cookie(ENROLL.cookie);
        let layout = visit.layout("Your enrollment has arrived");
        return Ok(visit.page(&EnrolledPage { layout, number: id.to_string() }));
    }
    let Some(verified) = sites.verify(&token, visit.by()).await? else {
        return Ok(dead(&visit));
    };
    visit.drop_cookie(REGISTER.cookie);
    let region = verified.made.region.map(|region| region.facts().name.to_owned());
    let page = RegisteredPage {
        layout: visit.layout(format!("{} is registered", verified.made.name)),
        waits_for_facility: !verified.made.facility_people.is_empty(),
        endpoint: visit.portal().settings.endpoint.clone(),
        region,
        verified,
    };
    Ok(visit.page(&page))
}

async fn resume_page(visit: Visit) -> HttpResponse {
    let layout = visit.layout("Go on where you stopped");
    let lede = "Your answers are kept. The link opens once; save again for another one.".to_owned();
    visit.page(&OpenLink { layout, lede, button: "Continue" })
}

async fn resume(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    match visit.portal().sites.draft_resume(&token, visit.by()).await? {
        Some((draft, key)) => {
            let flow = match draft.kind {
                DraftKind::Enrolment => &ENROLL,
                DraftKind::Registration => &REGISTER,
            };
            visit.set_cookie(flow.cookie, key.reveal().to_owned());
            Ok(visit.redirect(flow.base))
        }
        None => Ok(dead(&visit)),
    }
}

async fn help_page(visit: Visit) -> HttpResponse {
    let layout = visit.layout("Questions about an EHR system");
    let lede =
        "Somebody who registers a Site for data exchange asks you to answer these.".to_owned();
    visit.page(&OpenLink { layout, lede, button: "See the questions" })
}

async fn help(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    match visit.portal().sites.draft_help(&token, visit.by()).await? {
        Some(cookie) => {
            visit.set_cookie(HELP_COOKIE, cookie);
            Ok(visit.redirect("/help-with"))
        }
        None => Ok(dead(&visit)),
    }
}

/// The shared pages, all on one.
#[derive(Template)]
#[template(path = "shared.html")]
struct Shared {
    layout: Layout,
    site: String,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    is_done: bool,
}

async fn shared_draft(visit: &Visit) -> Result<Option<(Draft, Vec<&'static Page>)>, Trouble> {
    let Some(cookie) = visit.cookie(HELP_COOKIE) else { return Ok(None) };
    let found = visit.portal().sites.draft_of_help(&cookie, visit.now).await?;
    Ok(found.map(|(draft, slugs)| {
        let pages = slugs.split('+').filter_map(|slug| draft.form().page(slug)).collect();
        (draft, pages)
    }))
}

fn shared_page(
    visit: &Visit,
    draft: &Draft,
    pages: &[&'static Page],
    typed: &Answers,
    errors: FieldErrors,
    is_done: bool,
) -> HttpResponse {
    visit.page(&Shared {
        layout: visit.layout("Questions about an EHR system"),
        site: draft.answers.get("site_name").to_owned(),
        fields: pages.iter().flat_map(|page| fields(page, typed, &errors)).collect(),
        errors,
        is_done,
    })
}

async fn shared(visit: Visit) -> Result<HttpResponse, Trouble> {
    let Some((draft, pages)) = shared_draft(&visit).await? else { return Ok(dead(&visit)) };
    Ok(shared_page(&visit, &draft, &pages, &draft.answers, FieldErrors::default(), false))
}

async fn answer(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let Some((mut draft, pages)) = shared_draft(&visit).await? else { return Ok(dead(&visit)) };
    let today = visit.now.utc().date_naive();
    let mut errors = FieldErrors::default();
    for page in &pages {
        if let Err(wrong) = page.read(&fields, today) {
            errors.0.extend(wrong.0);
        }
    }
    if !errors.is_empty() {
        return Ok(shared_page(&visit, &draft, &pages, &fields, errors, false));
    }
    for page in &pages {
        draft = match visit.portal().sites.draft_answer(&draft, page, &fields, visit.now).await {
            Ok(draft) => draft,
            Err(AnswerError::Store(error)) => return Err(error.into()),
            Err(AnswerError::Fields(errors)) => {
                return Ok(shared_page(&visit, &draft, &pages, &fields, errors, false));
            }
        };
    }
    Ok(shared_page(&visit, &draft, &pages, &draft.answers, FieldErrors::default(), true))
}
