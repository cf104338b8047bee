//! Registration for data exchange, page by page. Source: seed 000, section 1.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, Field, FieldErrors, Kind, Page, When};
use crate::domain::{AGREEMENT, Draft, DraftKind, DraftState, Password};
use crate::portal::form::{FieldView, fields};
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AnswerError, Facilities, Submitted};
use crate::store::{Namesake, StoreError};

/// Holds the key of the visitor's draft.
pub(super) const DRAFT_COOKIE: &str = "__Host-registration";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/register", get().to(overview))
        .route("/register", web::post().to(begin))
        .route("/register/review", get().to(review))
        .route("/register/review", web::post().to(submit))
        .route("/register/sent", get().to(sent))
        .route("/register/sent", web::post().to(send_again))
        .route("/register/save", get().to(save_page))
        .route("/register/save", web::post().to(save))
        .route("/register/invite", get().to(invite_page))
        .route("/register/invite", web::post().to(invite))
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
    let draft = open_draft(&visit).await?;
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
    /// Whether somebody else may be asked to answer it.
    can_share: bool,
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
        can_share: SHARED.split('+').any(|slug| slug == page.slug),
    }
}

/// The draft and the page of it that the address names.
async fn asked(visit: &Visit, slug: &str) -> Result<Option<(Draft, &'static Page)>, StoreError> {
    let Some(draft) = open_draft(visit).await? else { return Ok(None) };
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
    let Posted { visit, mut fields } = posted;
    let Some((draft, page)) = asked(&visit, &slug).await? else {
        return Ok(visit.redirect("/register"));
    };
    if page.slug == FACILITY_PAGE
        && let Some(again) = name_facility(&visit, &draft, page, &mut fields).await?
    {
        return Ok(again);
    }
    match visit.portal().sites.draft_answer(&draft, page, &fields, visit.now).await {
        Ok(draft) => {
            let is_complete = draft.form().first_open(&draft.answers).is_none();
            let next = draft.form().after(page.slug, &draft.answers).filter(|_| !is_complete);
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
    Ok(Some(visit.page(&question(visit, draft, page, &typed, errors))))
}

#[derive(Template)]
#[template(path = "which_facility.html")]
struct WhichFacility {
    layout: Layout,
    facilities: Vec<(String, String)>,
}

/// A page of answers to be looked at again.
struct Reviewed {
    slug: &'static str,
    title: &'static str,
    rows: Vec<(&'static str, String)>,
}

fn reviewed(draft: &Draft) -> Vec<Reviewed> {
    let rows = |page: &'static Page| {
        page.fields
            .iter()
            .filter(|field| field.when.holds(&draft.answers) && draft.answers.has(field.name))
            .filter(|field| !matches!(field.kind, Kind::EmailAgain(_)))
            .map(|field| (field.label, field.kind.show(draft.answers.get(field.name))))
            .collect()
    };
    draft
        .form()
        .asked(&draft.answers)
        .map(|page| Reviewed { slug: page.slug, title: page.title, rows: rows(page) })
        .collect()
}

#[derive(Template)]
#[template(path = "review.html")]
struct Review {
    layout: Layout,
    parts: Vec<Reviewed>,
    /// Sites that may be the same.
    namesakes: Vec<Namesake>,
    problem: Option<&'static str>,
    to: String,
}

async fn review(visit: Visit) -> Result<HttpResponse, Trouble> {
    review_page(&visit, None).await
}

async fn review_page(
    visit: &Visit,
    problem: Option<&'static str>,
) -> Result<HttpResponse, Trouble> {
    let Some(draft) = open_draft(visit).await? else { return Ok(visit.redirect("/register")) };
    if let Some(open) = draft.form().first_open(&draft.answers) {
        return Ok(visit.redirect(&format!("/register/{}", open.slug)));
    }
    Ok(visit.page(&Review {
        layout: visit.layout("Check your answers"),
        parts: reviewed(&draft),
        namesakes: visit.portal().sites.namesakes(&draft.answers).await?,
        problem,
        to: draft.answers.get("site_contact_email").to_owned(),
    }))
}

/// What is said when an address has had too many letters.
const CAPPED: &str = "We have sent too many letters to this address today. Try again tomorrow, or use another address.";

async fn submit(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let Some(draft) = open_draft(&visit).await? else { return Ok(visit.redirect("/register")) };
    match visit.portal().sites.register(&draft, visit.by()).await? {
        Submitted::Sent(_) => Ok(visit.redirect("/register/sent")),
        Submitted::Incomplete(slug) => Ok(visit.redirect(&format!("/register/{slug}"))),
        Submitted::Capped => review_page(&visit, Some(CAPPED)).await,
    }
}

#[derive(Template)]
#[template(path = "sent.html")]
struct Sent {
    layout: Layout,
    to: String,
    said: Option<&'static str>,
}

async fn sent(visit: Visit) -> Result<HttpResponse, Trouble> {
    sent_page(&visit, None).await
}

async fn sent_page(visit: &Visit, said: Option<&'static str>) -> Result<HttpResponse, Trouble> {
    let draft = draft_of(visit).await?.filter(|draft| draft.state == DraftState::Submitted);
    let Some(draft) = draft else { return Ok(visit.redirect("/register")) };
    let to = draft.answers.get("site_contact_email").to_owned();
    Ok(visit.page(&Sent { layout: visit.layout("Confirm your e-mail address"), to, said }))
}

async fn send_again(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let draft = draft_of(&visit).await?.filter(|draft| draft.state == DraftState::Submitted);
    let Some(draft) = draft else { return Ok(visit.redirect("/register")) };
    let said = match visit.portal().sites.register_again(&draft, visit.by()).await? {
        Submitted::Sent(_) => {
            "We have sent another letter. The link in the first one does not work any more."
        }
        _ => CAPPED,
    };
    sent_page(&visit, Some(said)).await
}

/// A page with one or two questions of its own, outside a form that is kept.
#[derive(Template)]
#[template(path = "ask.html")]
struct Ask {
    layout: Layout,
    lede: &'static str,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    button: &'static str,
    back: &'static str,
    said: Option<&'static str>,
}

const SAVE: Page = Page {
    slug: "save",
    title: "Save and come back later",
    lede: "We send you a link by which you go on where you stopped, on this or another device. It is good for 30 days.",
    fields: &[Field::new("email", "Your e-mail address", Kind::Email, "Enter your e-mail address")
        .autocomplete("email")],
    when: When::Always,
    rule: None,
};

const INVITE: Page = Page {
    slug: "invite",
    title: "Ask somebody to answer the EHR questions",
    lede: "We send them a link to the questions about your EHR and its support contact. They see nothing else.",
    fields: &[
        Field::new("your_name", "Your name", Kind::Text(60), "Enter your name")
            .hint("So that they know who asks"),
        Field::new("email", "Their e-mail address", Kind::Email, "Enter their e-mail address"),
    ],
    when: When::Always,
    rule: None,
};

fn ask(
    visit: &Visit,
    page: &'static Page,
    typed: &Answers,
    errors: FieldErrors,
    said: Option<&'static str>,
) -> HttpResponse {
    visit.page(&Ask {
        layout: visit.layout(page.title),
        lede: page.lede,
        fields: fields(page, typed, &errors),
        errors,
        button: "Send the link",
        back: "/register",
        said,
    })
}

async fn save_page(visit: Visit) -> Result<HttpResponse, Trouble> {
    let Some(draft) = open_draft(&visit).await? else { return Ok(visit.redirect("/register")) };
    let mut known = Answers::default();
    known.set("email", draft.answers.get("site_contact_email"));
    Ok(ask(&visit, &SAVE, &known, FieldErrors::default(), None))
}

async fn save(posted: Posted) -> Result<HttpResponse, Trouble> {
    send_link(posted, &SAVE, "We have sent the link. You may close this page.").await
}

async fn invite_page(visit: Visit) -> Result<HttpResponse, Trouble> {
    let Some(_) = open_draft(&visit).await? else { return Ok(visit.redirect("/register")) };
    Ok(ask(&visit, &INVITE, &Answers::default(), FieldErrors::default(), None))
}

async fn invite(posted: Posted) -> Result<HttpResponse, Trouble> {
    send_link(
        posted,
        &INVITE,
        "We have sent the link. You see their answers here when they are done.",
    )
    .await
}

async fn send_link(
    posted: Posted,
    page: &'static Page,
    done: &'static str,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let Some(draft) = open_draft(&visit).await? else { return Ok(visit.redirect("/register")) };
    let sites = &visit.portal().sites;
    match page.read(&fields, visit.now.utc().date_naive()) {
        Err(errors) => Ok(ask(&visit, page, &page.gather(&fields), errors, None)),
        Ok(good) => {
            let Ok(to) = good.get("email").parse() else { return Ok(visit.missing()) };
            let posted = if page.slug == SAVE.slug {
                sites.draft_save(&draft, &to, visit.by()).await?
            } else {
                let from = good.get("your_name");
                sites.draft_share(&draft, SHARED, &to, from, visit.by()).await?
            };
            let said = if posted { done } else { CAPPED };
            Ok(ask(&visit, page, &Answers::default(), FieldErrors::default(), Some(said)))
        }
    }
}

/// The pages that may be shared.
const SHARED: &str = "ehr+vendor-contact";

/// The draft that is still open.
async fn open_draft(visit: &Visit) -> Result<Option<Draft>, StoreError> {
    Ok(draft_of(visit).await?.filter(|draft| draft.state == DraftState::Open))
}
