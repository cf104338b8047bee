//! One Site as staff see it: where it stands, what is missing, the review, and the steps that are possible now.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::questions::{REGISTRATION, site_answers};
use crate::domain::{
    AccountId, County, Criterion, LinkStatus, Permission as P, ReviewItem, Site, SiteId, SiteKind,
    SiteStatus, StageChange, StageEvent, Timeliness, Timestamp,
};
use crate::portal::draft_pages::{Reviewed, reviewed};
use crate::portal::member::sentence;
use crate::portal::messages::{Line, PATIENCE};
use crate::portal::page::Trouble;
use crate::portal::staff::onboarding::{Standing, Turn, turn};
use crate::portal::staff::{age, demand, done, layout};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{InReview, NoteError, Staff, StaffSite};
use crate::store::{MessageSearch, MessagesOf, SiteNote, StoreError};

/// Messages that are shown.
const MESSAGES: i64 = 10;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/sites/{site}", get().to(show))
        .route("/staff/sites/{site}/invite", web::post().to(invite))
        .route("/staff/sites/{site}/confirm", web::post().to(confirm))
        .route("/staff/sites/{site}/propose", web::post().to(propose))
        .route("/staff/sites/{site}/take-back", web::post().to(take_back))
        .route("/staff/sites/{site}/approve", web::post().to(approve))
        .route("/staff/sites/{site}/step", web::post().to(step))
        .route("/staff/sites/{site}/note", web::post().to(note));
}

/// What was just done, by the word that the address carries.
const DONE: [(&str, &str); 7] = [
    ("invite", "The review has begun. The Site is told by email."),
    ("confirm", "The item is confirmed."),
    ("propose", "The Site is proposed. Somebody else has to approve it."),
    ("take-back", "The proposal is taken back."),
    ("approve", "The Site is approved. It has a production credential and is told by email."),
    ("step", "Done. The Site is told by email."),
    ("note", "The note is saved."),
];

/// A step of the way so far.
struct Taken {
    at: String,
    what: &'static str,
    who: String,
    why: Option<String>,
}

/// An item of the checklist.
struct Item {
    word: &'static str,
    told: &'static str,
    /// Who confirmed it, when, and what they saw.
    confirmed: Option<(String, String, String)>,
}

/// The review, as it is shown.
struct Review {
    opened: String,
    opened_by: String,
    facts: Vec<(&'static str, String)>,
    criteria: Vec<Criterion>,
    unmet: usize,
    items: Vec<Item>,
    all_confirmed: bool,
    /// Who proposed it, when, and why although something is missing.
    proposed: Option<(String, String, Option<String>)>,
    /// Whether it was the one who looks.
    is_own: bool,
}

/// A step that may be taken: word, label, hint.
type Choice = (&'static str, &'static str, &'static str);

#[derive(Template)]
#[template(path = "staff/site.html")]
struct Show {
    layout: Layout,
    said: Option<&'static str>,
    errors: FieldErrors,
    site: Site,
    stage: &'static str,
    tag: &'static str,
    turn: Option<Turn>,
    facts: Vec<(&'static str, String)>,
    organization: String,
    links: Vec<(String, String, &'static str)>,
    lacks_link: bool,
    criteria: Vec<Criterion>,
    shows_criteria: bool,
    review: Option<Review>,
    may_decide: bool,
    steps: Vec<Choice>,
    typed: Typed,
    history: Vec<Taken>,
    messages: Vec<Line>,
    notes: Vec<SiteNote>,
    parts: Vec<Reviewed>,
}

/// What was typed into a form that was refused.
#[derive(Default)]
struct Typed {
    item: String,
    note: String,
    why: String,
    event: String,
    reason: String,
    text: String,
}

/// A moment, for people.
fn moment(at: Timestamp) -> String {
    at.pacific_text()
}

/// Who did something, for people.
fn who(actor: &str, names: &HashMap<AccountId, String>) -> String {
    let account = actor.strip_prefix("account ").and_then(|number| number.parse().ok());
    match account.map(AccountId) {
        Some(id) => names.get(&id).cloned().unwrap_or_else(|| "Somebody".to_owned()),
        None if actor == "system" => "The service".to_owned(),
        None if actor == "visitor" => "Who registered it".to_owned(),
        None => format!("An operator ({actor})"),
    }
}

fn line(one: StageChange, names: &HashMap<AccountId, String>) -> Taken {
    Taken {
        at: moment(one.at),
        what: one.event.told(),
        who: who(&one.actor, names),
        why: one.reason,
    }
}

/// The steps of the one form that takes a reason.
fn steps(status: SiteStatus) -> Vec<Choice> {
    let choice = |event: StageEvent| {
        let (label, hint) = match event {
            StageEvent::SentBack => {
                ("Send back to testing", "The review ends; the criteria have to be met anew.")
            }
            StageEvent::Suspended => {
                ("Suspend", "Its messages are refused until it is reinstated.")
            }
            StageEvent::Reinstated => ("Reinstate", "It goes on where it was suspended."),
            StageEvent::Closed => {
                ("Close for now", "Its credentials are revoked at once. It can be opened again.")
            }
            StageEvent::Reopened => ("Open again", "It begins anew with a new test credential."),
            StageEvent::Withdrawn => {
                ("Close for good", "Its credentials are revoked at once. This cannot be undone.")
            }
            StageEvent::Approved
            | StageEvent::CriteriaMet
            | StageEvent::FirstMessage
            | StageEvent::Invited
            | StageEvent::Registered => return None,
        };
        Some((event.word(), label, hint))
    };
    status.staff_events().filter_map(choice).collect()
}

fn shown_review(held: InReview, staff: &Staff, names: &HashMap<AccountId, String>) -> Review {
    let InReview { review, window, criteria } = held;
    let name = |id: AccountId| names.get(&id).cloned().unwrap_or_else(|| "Somebody".to_owned());
    let item = |one: &ReviewItem| Item {
        word: one.word(),
        told: one.told(),
        confirmed: review
            .marks
            .iter()
            .find(|mark| mark.item == *one)
            .map(|mark| (name(AccountId(mark.by)), mark.at.pacific_day(), mark.note.clone())),
    };
    let within_day = window.timely(Timeliness::WithinDay).percent();
    Review {
        opened: moment(review.opened_at),
        opened_by: name(review.opened_by),
        facts: vec![
            ("Messages", window.messages.to_string()),
            ("Accepted", window.accepted.to_string()),
            ("Without a finding", window.clean.to_string()),
            ("Refused", window.refused.to_string()),
            ("Doses", window.doses.to_string()),
            (
                "Within a day of the dose",
                within_day
                    .map_or_else(|| "Nothing to measure yet".to_owned(), |one| format!("{one} %")),
            ),
        ],
        unmet: criteria.iter().filter(|one| !one.met).count(),
        criteria,
        items: ReviewItem::ALL.iter().map(item).collect(),
        all_confirmed: review.open_items().next().is_none(),
        proposed: review.proposed.map(|(by, at)| (name(by), moment(at), review.proposal.clone())),
        is_own: review.proposed.is_some_and(|(by, _)| by == staff.id()),
    }
}

/// Everybody whom the page names.
fn named(history: &[StageChange], review: Option<&InReview>) -> Vec<AccountId> {
    let number = |actor: &str| actor.strip_prefix("account ").and_then(|one| one.parse().ok());
    let mut ids: Vec<AccountId> =
        history.iter().filter_map(|one| number(&one.actor)).map(AccountId).collect();
    if let Some(InReview { review, .. }) = review {
        ids.push(review.opened_by);
        ids.extend(review.marks.iter().map(|mark| AccountId(mark.by)));
        ids.extend(review.proposed.map(|(by, _)| by));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn facts(held: &StaffSite, now: Timestamp) -> Vec<(&'static str, String)> {
    let (site, progress) = (&held.site, &held.progress);
    let never = || "None yet".to_owned();
    let county = site.county.as_deref().and_then(County::find);
    vec![
        ("Type", site.kind.name().to_owned()),
        (
            "County",
            county.map_or_else(|| "Not given".to_owned(), |one| format!("{} County", one.name)),
        ),
        (
            "Region",
            site.region
                .map_or_else(|| "None".to_owned(), |one| format!("{} ({one})", one.facts().name)),
        ),
        (
            "In this stage since",
            format!("{} ({})", moment(site.updated_at), age(now, site.updated_at)),
        ),
        ("Registered", moment(site.created_at)),
        (
            "First test message",
            progress
                .first_test
                .as_ref()
                .map_or_else(never, |(at, _, ack)| format!("{}, answered {ack}", moment(*at))),
        ),
        ("Latest test message", progress.last_test_at.map_or_else(never, moment)),
        (
            "Test messages",
            format!(
                "{}, of these {} accepted; {} in a row without a finding",
                progress.tests, progress.tests_accepted, progress.clean_run
            ),
        ),
        (
            "First production message accepted",
            progress.first_production_at.map_or_else(never, moment),
        ),
        ("Latest production message", progress.last_production_at.map_or_else(never, moment)),
    ]
}

/// The page, with what was typed and what is wrong with it.
async fn page(
    visit: &Visit,
    staff: &Staff,
    id: &SiteId,
    typed: Typed,
    errors: FieldErrors,
) -> Result<HttpResponse, Trouble> {
    let sites = &visit.portal().sites;
    let store = sites.store();
    let held = sites.staff_site(staff, id.clone(), &visit.browser()).await?;
    let history = store.stage_history(id.clone()).await?;
    let names = store.account_names(named(&history, held.review.as_ref())).await?;
    let links = store.site_links(id.clone()).await?;
    let site = held.site.clone();
    let is_linked = links.iter().any(|(link, _)| link.status == LinkStatus::Active);
    let standing = Standing {
        status: site.status,
        kind: site.kind,
        is_linked,
        opened_at: held.review.as_ref().map(|one| one.review.opened_at),
        is_proposed: held.review.as_ref().is_some_and(|one| one.review.proposed.is_some()),
    };
    let facility = site.kind == SiteKind::SendingFacility;
    let shown_links = links.iter().map(|(link, name)| {
        let other = if facility { &link.site } else { &link.facility };
        (other.to_string(), name.clone(), link.status.name())
    });
    let answers = site_answers(&site, store.site_answers(id.clone()).await?);
    let mut parts = reviewed(&REGISTRATION, &answers);
    parts.retain(|part| !part.rows.is_empty() && part.slug != "agreement");
    let title = if errors.is_empty() { site.name.clone() } else { format!("Error: {}", site.name) };
    let organization = store.organization_record(site.organization).await?.name;
    let theirs = MessagesOf::Staff(staff.scope(P::ViewMessages), Some(id.clone()));
    let latest =
        store.message_search(theirs, MessageSearch::default(), None, (MESSAGES, PATIENCE)).await?;
    Ok(visit.page(&Show {
        layout: Layout { heading: site.name.clone(), ..layout(visit, staff, title) },
        said: done(visit, &DONE),
        errors,
        stage: site.status.name(),
        tag: site.status.tag(),
        turn: turn(&standing, sites.criteria().window_days, visit.now),
        facts: facts(&held, visit.now),
        organization,
        links: shown_links.collect(),
        lacks_link: site.kind == SiteKind::ThroughFacility && !is_linked,
        shows_criteria: matches!(
            site.status,
            SiteStatus::Registered | SiteStatus::Testing | SiteStatus::Validated
        ),
        criteria: held.criteria,
        review: held.review.map(|one| shown_review(one, staff, &names)),
        may_decide: staff.may_in(P::DecideRegistration, site.region),
        steps: steps(site.status),
        typed,
        history: history.into_iter().rev().map(|one| line(one, &names)).collect(),
        messages: latest.messages.into_iter().map(Line::of).collect(),
        notes: store.site_notes(id.clone()).await?,
        parts,
        site,
    }))
}

async fn show(visit: Visit, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    page(&visit, &staff, &id, Typed::default(), FieldErrors::default()).await
}

/// Goes back to the Site, or shows what is wrong beside `field`, where it was typed.
async fn answer(
    visit: &Visit,
    staff: &Staff,
    (id, word): (&SiteId, &str),
    outcome: Result<(), NoteError>,
    (field, typed): (&'static str, Typed),
) -> Result<HttpResponse, Trouble> {
    let message = match outcome {
        Ok(()) => return Ok(visit.redirect(&format!("/staff/sites/{id}?done={word}"))),
        Err(NoteError::Store(StoreError::Refused(refusal))) => sentence(&refusal.0),
        Err(NoteError::Store(error)) => return Err(error.into()),
        Err(wrong) => wrong.told().to_owned(),
    };
    page(visit, staff, id, typed, FieldErrors::one(field, message)).await
}

async fn invite(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::DecideRegistration]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.site_invite(&staff, id.clone(), &visit.browser()).await;
    answer(&visit, &staff, (&id, "invite"), outcome, ("next-step", Typed::default())).await
}

async fn confirm(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::DecideRegistration]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let (item, note) = (fields.get("item").to_owned(), fields.get("note").to_owned());
    let typed = Typed { item: item.clone(), note: note.clone(), ..Typed::default() };
    let Ok(item) = item.parse::<ReviewItem>() else {
        let errors = FieldErrors::one("item", "Choose an item of the checklist");
        return page(&visit, &staff, &id, typed, errors).await;
    };
    let sites = &visit.portal().sites;
    let outcome = sites.site_confirm(&staff, (id.clone(), item), &note, &visit.browser()).await;
    answer(&visit, &staff, (&id, "confirm"), outcome, ("note", typed)).await
}

async fn propose(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::DecideRegistration]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let why = fields.get("why");
    let typed = Typed { why: why.to_owned(), ..Typed::default() };
    let sites = &visit.portal().sites;
    let outcome = sites.site_propose(&staff, id.clone(), why, &visit.browser()).await;
    if matches!(outcome, Err(NoteError::Empty)) {
        let text = "Write why it should go on although not everything that is asked is met";
        return page(&visit, &staff, &id, typed, FieldErrors::one("why", text)).await;
    }
    answer(&visit, &staff, (&id, "propose"), outcome, ("why", typed)).await
}

async fn take_back(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::DecideRegistration]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.site_unpropose(&staff, id.clone(), &visit.browser()).await;
    answer(&visit, &staff, (&id, "take-back"), outcome, ("next-step", Typed::default())).await
}

async fn approve(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::DecideRegistration]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.site_approve(&staff, id.clone(), &visit.browser()).await;
    answer(&visit, &staff, (&id, "approve"), outcome, ("next-step", Typed::default())).await
}

async fn step(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::DecideRegistration]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let (event, reason) = (fields.get("event").to_owned(), fields.get("reason").to_owned());
    let typed = Typed { event: event.clone(), reason: reason.clone(), ..Typed::default() };
    let is_choice = |event: &StageEvent| {
        !event.is_automatic() && !matches!(event, StageEvent::Approved | StageEvent::Invited)
    };
    let Some(event) = event.parse::<StageEvent>().ok().filter(is_choice) else {
        let errors = FieldErrors::one("event", "Choose what to do with the Site");
        return page(&visit, &staff, &id, typed, errors).await;
    };
    let sites = &visit.portal().sites;
    let outcome = sites.site_decide(&staff, (id.clone(), event), &reason, &visit.browser()).await;
    let field = match outcome {
        Err(NoteError::Store(_)) => "event",
        _ => "reason",
    };
    answer(&visit, &staff, (&id, "step"), outcome, (field, typed)).await
}

async fn note(posted: Posted, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::ViewMessages]);
    let Ok(id) = site.parse::<SiteId>() else { return Ok(visit.missing()) };
    let text = fields.get("text");
    let typed = Typed { text: text.to_owned(), ..Typed::default() };
    let sites = &visit.portal().sites;
    let outcome = sites.site_note(&staff, id.clone(), text, &visit.browser()).await;
    answer(&visit, &staff, (&id, "note"), outcome, ("text", typed)).await
}
