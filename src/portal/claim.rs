//! "This Site is mine": asked of whoever cannot sign in to a registered Site, proven by a mailed link.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::questions::CLAIM_PAGE;
use crate::domain::{CLAIMED_SITE, OneTimeToken};
use crate::portal::ask::Asked;
use crate::portal::draft_pages::CAPPED;
use crate::portal::links::{OpenLink, dead};
use crate::portal::page::{Notice, Trouble};
use crate::portal::visit::get;
use crate::portal::{Posted, Visit};
use crate::sites::AccountError;
use crate::store::ClaimSent;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/claim", get().to(show))
        .route("/claim", web::post().to(ask))
        .route("/claim/{token}", get().to(link))
        .route("/claim/{token}", web::post().to(confirm));
}

fn page(visit: &Visit, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    let layout = visit.layout(CLAIM_PAGE.title);
    Asked::new(layout, &PAGE, typed, errors, "Send me the link").show(visit)
}

static PAGE: crate::domain::form::Page = CLAIM_PAGE;

async fn show(visit: Visit) -> HttpResponse {
    let known = Answers::from_iter([(CLAIMED_SITE, visit.query("site"))]);
    page(&visit, &known, FieldErrors::default())
}

async fn ask(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let good = match PAGE.read(&fields, visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => return Ok(page(&visit, &PAGE.gather(&fields), errors)),
    };
    match visit.portal().sites.claim_ask(&good, &visit.browser()).await {
        Ok(true) => Ok(visit.page(&Notice {
            layout: visit.layout("Confirm your email address"),
            text: vec![
                format!(
                    "We have sent an email to {}. Open the link in it within 24 hours.",
                    good.get("claimant_email")
                ),
                "Nothing is sent to our staff until then.".to_owned(),
            ],
            link: None,
        })),
        Ok(false) => {
            let errors = FieldErrors::one("claimant_email", CAPPED);
            Ok(page(&visit, &PAGE.gather(&fields), errors))
        }
        Err(AccountError::TooMany) => Ok(visit.failure(StatusCode::TOO_MANY_REQUESTS)),
        Err(error) => Err(error.into()),
    }
}

async fn link(visit: Visit, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    let Some(answers) = visit.portal().sites.claim_peek(&token, visit.now).await? else {
        return Ok(dead(&visit));
    };
    let lede = format!(
        "Confirm that the Site {} is yours. Our staff look at it then.",
        answers.get(CLAIMED_SITE)
    );
    let layout = visit.layout("Confirm your email address");
    Ok(visit.page(&OpenLink { layout, lede, button: "Confirm and send it to CDPH" }))
}

async fn confirm(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    let Some(sent) = visit.portal().sites.claim_verify(&token, visit.by()).await? else {
        return Ok(dead(&visit));
    };
    let (title, told) = match sent {
        ClaimSent::Before(id) => (
            "You have claimed this Site already",
            format!(
                "The number of that claim is {id}. It waits for our staff; no second one was made."
            ),
        ),
        ClaimSent::New(id) => (
            "Your claim has arrived",
            format!("Its number is {id}. Our staff look at it, and may telephone the Site."),
        ),
    };
    let then = "You get an email when it is decided, or when we have a question.".to_owned();
    let page = Notice { layout: visit.layout(title), text: vec![told, then], link: None };
    Ok(visit.page(&page))
}
