//! Requests: found, looked at, decided.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, FieldErrors, Form};
use crate::domain::questions::{CLAIM, ENROLMENT, REGISTRATION, label, question};
use crate::domain::{
    NOTE_TEMPLATES, Permission, RegionCode, Request, RequestId, RequestKind, RequestNote,
    RequestState, RequestStep, Scope, Timestamp,
};
use crate::portal::draft_pages::{Reviewed, reviewed};
use crate::portal::member::sentence;
use crate::portal::moment::Moment;
use crate::portal::page::Trouble;
use crate::portal::staff::{
    DECIDE, age, demand, done, encoded, layout, moment, region_name, regions_of,
};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{NoteError, Staff};
use crate::store::{RequestFilter, StoreError};

/// Requests on one page.
const PAGE: usize = 25;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/requests", get().to(list))
        .route("/staff/requests/{id}", get().to(show))
        .route("/staff/requests/{id}", web::post().to(decide));
}

/// A request in a list.
struct Row {
    id: RequestId,
    title: String,
    kind: &'static str,
    region: &'static str,
    state: RequestState,
    submitted: String,
    waits: String,
    flags: usize,
}

/// A choice of a filter: value, label, whether it is chosen.
type Pick = (&'static str, &'static str, bool);

#[derive(Template)]
#[template(path = "staff/requests.html")]
struct List {
    layout: Layout,
    kinds: Vec<Pick>,
    states: Vec<Pick>,
    regions: Vec<Pick>,
    text: String,
    rows: Vec<Row>,
    next: Option<String>,
}

/// The regions in which any kind of request may be seen.
fn regions(staff: &Staff) -> Vec<RegionCode> {
    let mut found: Vec<_> = DECIDE.iter().flat_map(|one| regions_of(&staff.scope(*one))).collect();
    found.sort_unstable();
    found.dedup();
    found
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, DECIDE);
    let [kind, state, region] = ["kind", "state", "region"].map(|name| {
        let word = visit.query(name);
        if word.bytes().all(|one| one.is_ascii_alphanumeric()) { word } else { String::new() }
    });
    let text = visit.query("text").trim().to_owned();
    let states = match state.as_str() {
        "all" => vec![],
        word => word.parse().map_or_else(|_open| RequestState::OPEN.to_vec(), |one| vec![one]),
    };
    let filter = RequestFilter {
        views: staff.views(),
        kind: kind.parse().ok(),
        states,
        region: region.parse().ok(),
        organization: None,
        text: text.clone(),
        after: visit.query("after").parse().ok(),
        limit: i64::try_from(PAGE + 1).unwrap_or_default(),
    };
    let mut found = visit.portal().sites.store().request_list(filter).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| {
        let text = encoded(&text);
        let after = last.id;
        format!(
            "/staff/requests?kind={kind}&state={state}&region={region}&text={text}&after={after}"
        )
    });
    let kinds = RequestKind::ALL.iter().filter(|one| *staff.views().of(**one) != Scope::Nowhere);
    let states = RequestState::ALL.iter().map(|one| (one.word(), one.name(), one.word() == state));
    Ok(visit.page(&List {
        layout: layout(&visit, &staff, "Requests"),
        kinds: kinds.map(|one| (one.word(), one.name(), one.word() == kind)).collect(),
        states: states.chain([("all", "Any state", state == "all")]).collect(),
        regions: regions(&staff)
            .into_iter()
            .map(|one| (one.as_str(), one.facts().name, one.as_str() == region))
            .collect(),
        rows: found.into_iter().map(|one| row(one, visit.now)).collect(),
        text,
        next,
    }))
}

fn row(one: Request, now: Timestamp) -> Row {
    Row {
        id: one.id,
        kind: one.kind.name(),
        region: region_name(one.region),
        state: one.state,
        submitted: one.submitted_at.pacific_day(),
        waits: if one.state.is_open() { age(now, one.submitted_at) } else { String::new() },
        flags: one.flags.len(),
        title: one.title,
    }
}

/// A value that is to change.
struct Change {
    label: String,
    before: String,
    after: String,
}

/// A line of the history.
struct Line {
    at: Moment,
    kind: &'static str,
    author: String,
    text: Vec<String>,
}

/// What may be done: value, label, hint, whether it is chosen.
type Step = (&'static str, &'static str, &'static str, bool);

#[derive(Template)]
#[template(path = "staff/request.html")]
struct Show {
    layout: Layout,
    held: Request,
    region: &'static str,
    submitted: Moment,
    decided: Option<Moment>,
    parts: Vec<Reviewed>,
    changes: Vec<Change>,
    notes: Vec<Line>,
    steps: Vec<Step>,
    templates: Vec<(&'static str, &'static str)>,
    text: String,
    errors: FieldErrors,
    said: Option<&'static str>,
    sees_organization: bool,
}

/// What is done with a request, as the form names it.
const STEPS: [(&str, &str, &str); 4] = [
    ("approve", "Approve", "What was asked for is done, and emails go out."),
    (
        "ask",
        "Ask a question",
        "The applicant gets an email with a link to answer. The request waits meanwhile.",
    ),
    ("decline", "Decline", "The applicant gets an email with your words."),
    ("note", "Write a note", "For staff only; nobody else sees it."),
];

const DONE: [(&str, &str); 4] = [
    ("approve", "Approved. The emails are on their way."),
    ("ask", "The question is on its way to the applicant."),
    ("decline", "Declined. The applicant is told by email."),
    ("note", "The note is kept."),
];

async fn find(
    visit: &Visit,
    staff: &Staff,
    id: RequestId,
) -> Result<(Request, Vec<RequestNote>), StoreError> {
    let store = visit.portal().sites.store();
    let held = store.request_by_id(id, staff.views()).await?;
    let notes = store.request_notes(id).await?;
    Ok((held, notes))
}

fn page(
    visit: &Visit,
    staff: &Staff,
    (held, notes): (Request, Vec<RequestNote>),
    (step, text): (&str, String),
    errors: FieldErrors,
) -> HttpResponse {
    let kind = if held.is_claim() { "Claim" } else { held.kind.name() };
    let heading = format!("{kind}: what do you decide?");
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    let fitting = |one: &&crate::domain::NoteTemplate| one.kinds.contains(&held.kind);
    let line = |note: RequestNote| Line {
        at: moment(note.at),
        kind: note.kind.name(),
        author: note.author,
        text: note.text.lines().map(str::to_owned).collect(),
    };
    let open = |(word, ..): &(&str, &str, &str)| *word == "note" || held.state.is_open();
    visit.page(&Show {
        layout: Layout { heading, ..layout(visit, staff, title) },
        region: region_name(held.region),
        submitted: moment(held.submitted_at),
        decided: held.decided_at.map(moment),
        parts: told(&held),
        changes: changes(&held),
        notes: notes.into_iter().rev().map(line).collect(),
        steps: STEPS
            .into_iter()
            .filter(open)
            .map(|(word, label, hint)| (word, label, hint, word == step))
            .collect(),
        templates: NOTE_TEMPLATES
            .iter()
            .filter(fitting)
            .map(|one| (one.name.as_str(), one.title.as_str()))
            .collect(),
        text,
        errors,
        said: done(visit, &DONE),
        sees_organization: staff.may_in(Permission::ViewOrganization, held.region),
        held,
    })
}

/// Which questions a request answers.
fn form(held: &Request) -> Option<&'static Form> {
    match held.kind {
        RequestKind::Enrolment => Some(&ENROLMENT),
        RequestKind::Registration => Some(&REGISTRATION),
        RequestKind::Update => held.is_claim().then_some(&CLAIM),
    }
}

fn told(held: &Request) -> Vec<Reviewed> {
    let Some(form) = form(held) else { return vec![] };
    let mut parts = reviewed(form, &held.answers);
    parts.retain(|part| !part.rows.is_empty());
    parts
}

/// Before and after of an update, with the labels of the questions.
fn changes(held: &Request) -> Vec<Change> {
    if held.kind != RequestKind::Update || held.is_claim() {
        return vec![];
    }
    let none = Answers::default();
    let before = held.before.as_ref().unwrap_or(&none);
    let shown = |name: &str, value: &str| {
        question(name).map_or_else(|| value.to_owned(), |field| field.kind.show(value))
    };
    held.answers
        .iter()
        .map(|(name, value)| Change {
            label: label(name),
            before: shown(name, before.get(name)),
            after: shown(name, value),
        })
        .collect()
}

async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, DECIDE);
    let Ok(id) = id.parse::<RequestId>() else { return Ok(visit.missing()) };
    let found = find(&visit, &staff, id).await?;
    let template = visit.query("template");
    let begun = NOTE_TEMPLATES.iter().find(|one| one.name == template);
    let begun = begun.map_or(("", ""), |one| (one.step.as_str(), one.text.as_str()));
    Ok(page(&visit, &staff, found, (begun.0, begun.1.to_owned()), FieldErrors::default()))
}

/// Whether a request can still be decided: a refusal then has another reason, which is told.
async fn is_open(visit: &Visit, staff: &Staff, id: RequestId) -> Result<bool, StoreError> {
    Ok(find(visit, staff, id).await?.0.state.is_open())
}

async fn decide(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, DECIDE);
    let Ok(id) = id.parse::<RequestId>() else { return Ok(visit.missing()) };
    let (step, text) = (fields.get("step"), fields.get("text"));
    let (sites, browser) = (&visit.portal().sites, visit.browser());
    let outcome = match (step, step.parse()) {
        ("note", _) => sites.request_note(&staff, id, text, &browser).await,
        (_, Ok(RequestStep::Approve)) => {
            sites.request_approve(&staff, id, text, &browser).await.map(|_decided| ())
        }
        (_, Ok(RequestStep::Ask)) => sites.request_ask(&staff, id, text, &browser).await,
        (_, Ok(RequestStep::Decline)) => sites.request_decline(&staff, id, text, &browser).await,
        _ => {
            let found = find(&visit, &staff, id).await?;
            let errors = FieldErrors::one("step", "Choose what to do with the request");
            return Ok(page(&visit, &staff, found, ("", text.to_owned()), errors));
        }
    };
    match outcome {
        Ok(()) => Ok(visit.redirect(&format!("/staff/requests/{id}?done={step}"))),
        Err(NoteError::Store(StoreError::Refused(refusal)))
            if is_open(&visit, &staff, id).await? =>
        {
            let found = find(&visit, &staff, id).await?;
            let errors = FieldErrors::one("step", sentence(&refusal.0));
            Ok(page(&visit, &staff, found, (step, text.to_owned()), errors))
        }
        Err(NoteError::Store(error)) => Err(error.into()),
        Err(wrong) => {
            let found = find(&visit, &staff, id).await?;
            let errors = FieldErrors::one("text", wrong.told());
            Ok(page(&visit, &staff, found, (step, text.to_owned()), errors))
        }
    }
}
