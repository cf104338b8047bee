//! Changing what an organization and its Sites told of themselves.

use actix_web::{HttpResponse, web};

use crate::domain::form::{Answers, FieldErrors, Page};
use crate::domain::questions::{
    LEVEL, OF_ORGANIZATION, agreement_page, organization_answers, organization_pages, site_answers,
    site_pages,
};
use crate::domain::{AgreementText, Permission};
use crate::portal::form::fields;
use crate::portal::organization::{
    Answer, Question, Stop, base, instead, layout, member, place, site_id, titled,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AnswerError, Changed, Delegate};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}/edit/{slug}", get().to(organization_page))
        .route("/organization/{organization}/edit/{slug}", web::post().to(organization_answer))
        .route("/organization/{organization}/access-level", get().to(level_page))
        .route("/organization/{organization}/access-level", web::post().to(level_answer))
        .route("/organization/{organization}/agreement", get().to(agreement))
        .route("/organization/{organization}/agreement", web::post().to(agreement_accept))
        .route("/organization/{organization}/sites/{site}/edit/{slug}", get().to(site_page))
        .route(
            "/organization/{organization}/sites/{site}/edit/{slug}",
            web::post().to(site_answer),
        );
}

/// What a question page is about.
struct About<'a> {
    caption: String,
    back: String,
    page: &'a Page,
    /// Fields that are not asked.
    hidden: &'a [&'a str],
}

fn question(
    visit: &Visit,
    member: &Delegate,
    about: &About<'_>,
    typed: &Answers,
    errors: FieldErrors,
) -> HttpResponse {
    let page = about.page;
    let layout = layout(visit, member, titled(page.title, &errors));
    let shown = fields(page, typed, &errors);
    let shown = page
        .fields
        .iter()
        .zip(shown)
        .filter(|(field, _)| !about.hidden.contains(&field.name))
        .map(|(_, view)| view)
        .collect();
    visit.page(&Question {
        layout: Layout { heading: page.title.to_owned(), ..layout },
        caption: about.caption.clone(),
        lede: page.lede.to_owned(),
        back: about.back.clone(),
        fields: shown,
        errors,
        text: vec![],
        button: "Save",
    })
}

/// Goes back and says what came of it, or asks again.
fn came(
    visit: &Visit,
    member: &Delegate,
    about: &About<'_>,
    posted: &Answers,
    result: Result<Changed, AnswerError>,
) -> Answer {
    let back = &about.back;
    match result {
        Ok(changed) => {
            let word = match (changed.now, changed.asked.is_some()) {
                (true, true) => "both",
                (false, true) => "asked",
                (true, false) => "changed",
                (false, false) => "nothing",
            };
            Ok(visit.redirect(&format!("{back}?done={word}")))
        }
        Err(AnswerError::Fields(errors)) => {
            Ok(question(visit, member, about, &about.page.gather(posted), errors))
        }
        Err(AnswerError::Store(error)) => Err(error.into()),
    }
}

/// The page of this slug that the organization is asked, and what it has answered.
async fn organization_about(
    visit: &Visit,
    member: &Delegate,
    slug: &str,
) -> Result<(About<'static>, Answers), Stop> {
    let (record, place) = place(visit, member).await?;
    let known = organization_answers(&record.name, record.access_level, record.answers);
    let pages = organization_pages(record.access_level, &known);
    let page = pages.into_iter().find(|page| page.slug == slug);
    let page = page.ok_or_else(|| instead(visit.missing()))?;
    Ok((About { caption: place.name, back: place.base, page, hidden: &[] }, known))
}

async fn organization_page(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let (about, known) = organization_about(&visit, &member, &path.1).await?;
    Ok(question(&visit, &member, &about, &known, FieldErrors::default()))
}

async fn organization_answer(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let (about, _) = organization_about(&visit, &member, &path.1).await?;
    let sites = &visit.portal().sites;
    let result = sites.organization_edit(&member, about.page, &fields, &visit.browser()).await;
    came(&visit, &member, &about, &fields, result)
}

async fn level_page(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    let (record, place) = place(&visit, &member).await?;
    let known = Answers::from_iter([("access_level", record.access_level.word())]);
    let about = About { caption: place.name, back: place.base, page: &LEVEL, hidden: &[] };
    Ok(question(&visit, &member, &about, &known, FieldErrors::default()))
}

async fn level_answer(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    let (_, place) = place(&visit, &member).await?;
    let about = About { caption: place.name, back: place.base, page: &LEVEL, hidden: &[] };
    let result = visit.portal().sites.level_ask(&member, &fields, &visit.browser()).await;
    came(&visit, &member, &about, &fields, result)
}

/// The page of this slug that a Site is asked, and what it has answered.
async fn site_about(
    visit: &Visit,
    member: &Delegate,
    (site, slug): (&str, &str),
) -> Result<(About<'static>, Answers), Stop> {
    let id = site_id(visit, site)?;
    let store = visit.portal().sites.store();
    let site = store.organization_site(member.organization(), id.clone()).await?;
    let known = site_answers(&site, store.site_answers(id.clone()).await?);
    let page = site_pages(&known).find(|page| page.slug == slug);
    let page = page.ok_or_else(|| instead(visit.missing()))?;
    let back = format!("{}/sites/{id}", base(member));
    let caption = format!("{} ({id})", site.name);
    Ok((About { caption, back, page, hidden: OF_ORGANIZATION }, known))
}

async fn site_page(visit: Visit, path: web::Path<(String, String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let (about, known) = site_about(&visit, &member, (&path.1, &path.2)).await?;
    Ok(question(&visit, &member, &about, &known, FieldErrors::default()))
}

async fn site_answer(posted: Posted, path: web::Path<(String, String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let (about, _) = site_about(&visit, &member, (&path.1, &path.2)).await?;
    let id = site_id(&visit, &path.1)?;
    let sites = &visit.portal().sites;
    let result = sites.site_edit(&member, &id, about.page, &fields, &visit.browser()).await;
    came(&visit, &member, &about, &fields, result)
}

async fn agreement_question(
    visit: &Visit,
    member: &Delegate,
    typed: &Answers,
    errors: FieldErrors,
) -> Answer {
    let (record, place) = place(visit, member).await?;
    let Some(page) = agreement_page() else { return Ok(visit.missing()) };
    let text = AgreementText::of(record.access_level);
    let layout = layout(visit, member, titled(page.title, &errors));
    Ok(visit.page(&Question {
        layout: Layout { heading: page.title.to_owned(), ..layout },
        caption: place.name,
        lede: format!("Version of {}. {}", text.day(), page.lede),
        back: place.base,
        fields: fields(page, typed, &errors),
        errors,
        text: text.paragraphs().collect(),
        button: "Accept",
    }))
}

async fn agreement(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::AcceptAgreement).await?;
    agreement_question(&visit, &member, &Answers::default(), FieldErrors::default()).await
}

async fn agreement_accept(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::AcceptAgreement).await?;
    let sites = &visit.portal().sites;
    match sites.agreement_accept(&member, &fields, &visit.browser()).await {
        Ok(()) => Ok(visit.redirect(&format!("{}?done=changed", base(&member)))),
        Err(AnswerError::Fields(errors)) => {
            agreement_question(&visit, &member, &fields, errors).await
        }
        Err(AnswerError::Store(error)) => Err(error.into()),
    }
}
