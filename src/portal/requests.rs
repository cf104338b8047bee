//! What a letter about a request opens: the question of staff, and its answer.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::OneTimeToken;
use crate::domain::form::FieldErrors;
use crate::portal::links::dead;
use crate::portal::page::{Notice, Trouble};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::NoteError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/requests/{token}", get().to(question))
        .route("/requests/{token}", web::post().to(answer));
}

#[derive(Template)]
#[template(path = "request_question.html")]
struct Question {
    layout: Layout,
    request: String,
    asked: Vec<String>,
    errors: FieldErrors,
    text: String,
    is_done: bool,
}

/// The page of a link that opens no question: its answer has arrived, or it ended otherwise.
async fn over(visit: &Visit, token: &OneTimeToken) -> Result<HttpResponse, Trouble> {
    if !visit.portal().sites.request_is_answered_by(token).await? {
        return Ok(dead(visit));
    }
    Ok(visit.page(&Notice {
        layout: visit.layout("Your answer has arrived"),
        text: vec![
            "Thank you. Our staff look at it, and write to you when your request is decided."
                .to_owned(),
            "If they have another question, you get another email with a link of its own."
                .to_owned(),
        ],
        link: None,
    }))
}

/// The page of the question; none when the link opens nothing.
async fn page(
    visit: &Visit,
    token: &OneTimeToken,
    errors: FieldErrors,
    text: String,
) -> Result<HttpResponse, Trouble> {
    let found = visit.portal().sites.request_question(token, visit.now).await?;
    let Some((held, question)) = found else { return over(visit, token).await };
    let heading = "Can you answer a question?";
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    Ok(visit.page(&Question {
        layout: Layout { heading: heading.to_owned(), ..visit.layout(title) },
        request: held.title,
        asked: question.lines().map(str::to_owned).collect(),
        errors,
        text,
        is_done: false,
    }))
}

async fn question(visit: Visit, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    page(&visit, &token, FieldErrors::default(), String::new()).await
}

async fn answer(posted: Posted, token: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let Ok(token) = token.parse::<OneTimeToken>() else { return Ok(dead(&visit)) };
    let text = fields.get("text");
    match visit.portal().sites.request_answer(&token, text, visit.by()).await {
        Ok(true) => Ok(visit.page(&Question {
            layout: visit.layout("Thank you for your answer"),
            request: String::new(),
            asked: vec![],
            errors: FieldErrors::default(),
            text: String::new(),
            is_done: true,
        })),
        Ok(false) => over(&visit, &token).await,
        Err(NoteError::Store(error)) => Err(error.into()),
        Err(wrong) => {
            page(&visit, &token, FieldErrors::one("text", wrong.told()), text.to_owned()).await
        }
    }
}
