//! Anybody who holds a statement checks here that it is ours, and whether its facts are still so.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::AccountError;

/// What is said of every code that no statement has, whatever is wrong with it.
const UNKNOWN: &str =
    "We issued no statement with this code. Look at every letter and digit, and try again";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/verify-statement", get().to(ask))
        .route("/verify-statement", web::post().to(verify));
}

/// A fact as it was issued, and how it is now where that differs.
struct Fact {
    label: String,
    value: String,
    now: Option<String>,
}

/// A statement that was found.
struct Found {
    issued: String,
    year: i32,
    name: String,
    facts: Vec<Fact>,
    is_still_so: bool,
}

#[derive(Template)]
#[template(path = "verify_statement.html")]
struct Page {
    layout: Layout,
    errors: FieldErrors,
    code: String,
    found: Option<Found>,
}

fn page(visit: &Visit, code: String, errors: FieldErrors, found: Option<Found>) -> HttpResponse {
    let heading = match &found {
        None => "Check a statement for meaningful use",
        Some(_) => "We issued this statement",
    };
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    let layout = Layout { heading: heading.to_owned(), ..visit.layout(title) };
    visit.page(&Page { layout, errors, code, found })
}

async fn ask(visit: Visit) -> HttpResponse {
    page(&visit, String::new(), FieldErrors::default(), None)
}

async fn verify(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let typed: String = fields.get("code").trim().chars().take(60).collect();
    if typed.is_empty() {
        let errors = FieldErrors::one("code", "Enter the code of the statement");
        return Ok(page(&visit, typed, errors, None));
    }
    match visit.portal().sites.statement_verify(&typed, &visit.browser()).await {
        Ok(None) => Ok(page(&visit, typed, FieldErrors::one("code", UNKNOWN), None)),
        Ok(Some((record, now))) => {
            let mut present = now.rows().into_iter().map(|(_, value)| value);
            let rows = record.facts.rows().into_iter().map(|(label, value)| {
                let now = present.next().filter(|now| *now != value);
                Fact { label, value, now }
            });
            let found = Found {
                issued: record.issued_at.pacific_text(),
                year: record.facts.year,
                name: record.facts.name.clone(),
                facts: rows.collect(),
                is_still_so: record.facts == now,
            };
            Ok(page(&visit, String::new(), FieldErrors::default(), Some(found)))
        }
        Err(AccountError::TooMany) => Ok(visit.failure(StatusCode::TOO_MANY_REQUESTS)),
        Err(error) => Err(error.into()),
    }
}
