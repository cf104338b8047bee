//! Registration for data exchange, page by page. Source: seed 000, section 1.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, FieldErrors, Page};
use crate::domain::{AGREEMENT, Draft, DraftKind, DraftState, Password};
use crate::portal::form::{FieldView, fields};
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::AnswerError;
use crate::store::StoreError;

/// Holds the key of the visitor's draft.
const DRAFT_COOKIE: &str = "__Host-registration";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/register", get().to(overview))
        .route("/register", web::post().to(begin))
        .route("/register/{page}", get().to(show))
        .route("/register/{page}", web::post().to(answer));
}

/// The visitor's draft, when there is one.
async fn draft_of(visit: &Visit) -> Result<Option<Draft>, StoreError> {
    match visit.cookie(DRAFT_COOKIE) {
        Some(key) => visit.portal().sites.draft(DraftKind::Registration, &key).await,
        None => Ok(None),
    }
}

/// A part of the registration in the overview.
struct Part {
    slug: &'static str,
    title: &'static str,
    is_done: bool,
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
    let draft = draft_of(&visit).await?.filter(|draft| draft.state == DraftState::Open);
    let parts = draft.as_ref().map(|draft| {
        draft
            .form()
            .asked(&draft.answers)
            .map(|page| Part {
                slug: page.slug,
                title: page.title,
                is_done: page.is_answered(&draft.answers),
            })
            .collect::<Vec<_>>()
    });
    Ok(visit.page(&Overview {
        layout: visit.layout("Register for data exchange"),
        county: visit.query("county"),
        zip: visit.query("zip"),
        is_complete: parts.as_ref().is_some_and(|parts| parts.iter().all(|part| part.is_done)),
        parts,
    }))
}

async fn begin(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let known = ["county", "zip"].map(|name| (name, fields.get(name).trim().to_owned()));
    let known = known.into_iter().filter(|(_, value)| value.len() <= 10).collect::<Answers>();
    let key = visit.portal().sites.draft_begin(DraftKind::Registration, known, visit.now).await?;
    visit.set_cookie(DRAFT_COOKIE, Password::reveal(&key).to_owned());
    Ok(visit.redirect("/register/type"))
}

#[derive(Template)]
#[template(path = "question.html")]
struct Question {
    layout: Layout,
    caption: String,
    lede: &'static str,
    back: String,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    /// Paragraphs to read before answering.
    text: Vec<&'static str>,
    button: &'static str,
}

fn question(
    visit: &Visit,
    draft: &Draft,
    page: &Page,
    typed: &Answers,
    errors: FieldErrors,
) -> Question {
    let form = draft.form();
    let place = form.asked(&draft.answers).position(|one| one.slug == page.slug).unwrap_or(0) + 1;
    let count = form.asked(&draft.answers).count();
    let title =
        if errors.is_empty() { page.title.to_owned() } else { format!("Error: {}", page.title) };
    Question {
        layout: Layout { heading: page.title.to_owned(), ..visit.layout(title) },
        caption: format!("Registration: question {place} of about {count}"),
        lede: page.lede,
        back: form
            .before(page.slug, &draft.answers)
            .map_or_else(|| "/register".to_owned(), |page| format!("/register/{}", page.slug)),
        fields: fields(page, typed, &errors),
        errors,
        text: if page.slug == "agreement" { AGREEMENT.paragraphs().collect() } else { vec![] },
        button: "Continue",
    }
}

/// The draft and the page of it that the address names.
async fn asked(visit: &Visit, slug: &str) -> Result<Option<(Draft, &'static Page)>, StoreError> {
    let Some(draft) = draft_of(visit).await?.filter(|draft| draft.state == DraftState::Open) else {
        return Ok(None);
    };
    let page = draft.form().page(slug).filter(|page| page.when.holds(&draft.answers));
    Ok(page.map(|page| (draft, page)))
}

async fn show(visit: Visit, slug: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Some((draft, page)) = asked(&visit, &slug).await? else {
        return Ok(visit.redirect("/register"));
    };
    Ok(visit.page(&question(&visit, &draft, page, &draft.answers, FieldErrors::default())))
}

async fn answer(posted: Posted, slug: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let Some((draft, page)) = asked(&visit, &slug).await? else {
        return Ok(visit.redirect("/register"));
    };
    match visit.portal().sites.draft_answer(&draft, page, &fields, visit.now).await {
        Ok(draft) => {
            let next = draft.form().after(page.slug, &draft.answers);
            let to = next.map_or("review", |page| page.slug);
            Ok(visit.redirect(&format!("/register/{to}")))
        }
        Err(AnswerError::Fields(errors)) => {
            let typed = page.gather(&fields);
            Ok(visit.page(&question(&visit, &draft, page, &typed, errors)))
        }
        Err(AnswerError::Store(error)) => Err(error.into()),
    }
}
