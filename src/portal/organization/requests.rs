//! What an organization has asked of CDPH.

use actix_web::web;
use askama::Template;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::questions::{label, question};
use crate::domain::{Permission, Request, RequestId, RequestKind, RequestNote, RequestNoteKind};
use crate::portal::moment::{Moment, moment};
use crate::portal::organization::{Answer, Place, base, done, layout, member, place, said, titled};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Delegate, NoteError, is_asked};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}/requests", get().to(list))
        .route("/organization/{organization}/requests/{request}/answer", web::post().to(answer))
        .route(
            "/organization/{organization}/requests/{request}/withdraw",
            web::post().to(withdraw),
        );
}

/// A request with its changes and what was said of it.
struct Line {
    request: Request,
    submitted: Moment,
    /// What is asked: label, before, after.
    changes: Vec<(String, String, String)>,
    notes: Vec<(Moment, RequestNote)>,
    may_withdraw: bool,
    /// What was typed in answer to staff's question, where one waits.
    answer: Option<String>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "org_requests.html")]
struct Requests {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    errors: FieldErrors,
    lines: Vec<Line>,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    page(&visit, &member, None).await
}

/// An answer that was not taken: to which request, what was typed, what is wrong with it.
type Refused<'a> = (RequestId, &'a str, &'static str);

async fn page(visit: &Visit, member: &Delegate, refused: Option<Refused<'_>>) -> Answer {
    let (_, place) = place(visit, member).await?;
    let sites = &visit.portal().sites;
    let mut lines = vec![];
    for request in sites.member_requests(member).await? {
        let notes = sites.store().request_notes(request.id).await?;
        let notes = notes
            .into_iter()
            .filter(|note| note.kind != RequestNoteKind::Note)
            .map(|note| (moment(note.at), note))
            .collect();
        let mut line = line(request, notes);
        if let Some((_, text, message)) = refused.filter(|(id, ..)| *id == line.request.id) {
            line.answer = line.answer.map(|_| text.to_owned());
            line.errors = FieldErrors::one("text", message);
        }
        lines.push(line);
    }
    let errors = refused.map(|(_, _, message)| FieldErrors::one("text", message));
    let errors = errors.unwrap_or_default();
    let layout = layout(visit, member, titled("Requests", &errors));
    let layout = Layout { heading: "Requests".to_owned(), ..layout };
    Ok(visit.page(&Requests { layout, place, said: said(visit), errors, lines }))
}

fn line(request: Request, notes: Vec<(Moment, RequestNote)>) -> Line {
    let is_update = request.kind == RequestKind::Update;
    let asked = if is_update { request.answers.clone() } else { Answers::default() };
    let before = request.before.clone().unwrap_or_default();
    let changes = asked
        .iter()
        .filter_map(|(name, value)| {
            let field = question(name)?;
            let old = if before.has(name) {
                field.kind.show(before.get(name))
            } else {
                "not given".to_owned()
            };
            Some((label(name), old, field.kind.show(value)))
        })
        .collect();
    Line {
        submitted: moment(request.submitted_at),
        changes,
        notes,
        may_withdraw: is_update && request.state.is_open(),
        answer: is_asked(&request).then(String::new),
        errors: FieldErrors::default(),
        request,
    }
}

async fn answer(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let Ok(id) = path.1.parse::<RequestId>() else { return Ok(visit.missing()) };
    let back = format!("{}/requests", base(&member));
    let text = fields.get("text");
    match visit.portal().sites.member_answer(&member, id, text, &visit.browser()).await {
        Ok(()) => Ok(visit.redirect(&format!("{back}?done=answered"))),
        Err(NoteError::Store(error)) => {
            done(&visit, &member, Err(error.into()), &back)?;
            Ok(visit.missing())
        }
        Err(wrong) => page(&visit, &member, Some((id, text, wrong.told()))).await,
    }
}

async fn withdraw(posted: Posted, path: web::Path<(String, String)>) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::EditOrganization).await?;
    let Ok(id) = path.1.parse() else { return Ok(visit.missing()) };
    let back = format!("{}/requests", base(&member));
    let taken = visit.portal().sites.request_withdraw(&member, id, &visit.browser()).await;
    done(&visit, &member, taken, &back)?;
    Ok(visit.redirect(&format!("{back}?done=withdrawn")))
}
