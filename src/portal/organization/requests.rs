//! What an organization has asked of CDPH.

use actix_web::web;
use askama::Template;

use crate::domain::form::Answers;
use crate::domain::questions::{label, question};
use crate::domain::{Permission, Request, RequestKind, RequestNote, RequestNoteKind};
use crate::portal::moment::{Moment, moment};
use crate::portal::organization::{Answer, Place, base, done, layout, member, place, said};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/organization/{organization}/requests", get().to(list)).route(
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
}

#[derive(Template)]
#[template(path = "org_requests.html")]
struct Requests {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    lines: Vec<Line>,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::EditOrganization).await?;
    let (_, place) = place(&visit, &member).await?;
    let sites = &visit.portal().sites;
    let mut lines = vec![];
    for request in sites.member_requests(&member).await? {
        let notes = sites.store().request_notes(request.id).await?;
        let notes = notes
            .into_iter()
            .filter(|note| note.kind != RequestNoteKind::Note)
            .map(|note| (moment(note.at), note))
            .collect();
        lines.push(line(request, notes));
    }
    let layout = layout(&visit, &member, "Requests");
    Ok(visit.page(&Requests { layout, place, said: said(&visit), lines }))
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
        request,
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
