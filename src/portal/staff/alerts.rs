//! Alerts: what is open and what is over, who has taken what on, and whether one gets letters about them.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDateTime;

use crate::domain::form::FieldErrors;
use crate::domain::{AccountId, Alert, Permission as P, RegionCode, Timestamp, lasting};
use crate::portal::member::capital;
use crate::portal::messages::in_california;
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::staff::{demand, done, layout};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::Staff;
use crate::store::StoreError;

/// Alerts that are over, on one page.
const PAGE: usize = 30;

/// Letters of a note.
const LONGEST_NOTE: usize = 500;

/// Days for which an alert can be muted.
const LONGEST_MUTE: u32 = 30;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/alerts", get().to(list))
        .route("/staff/alerts/letters", web::post().to(letters))
        .route("/staff/alerts/{id}", get().to(show))
        .route("/staff/alerts/{id}/acknowledge", web::post().to(acknowledge))
        .route("/staff/alerts/{id}/mute", web::post().to(mute));
}

/// An alert as it is shown.
struct Shown {
    id: i64,
    title: String,
    kind: &'static str,
    region: &'static str,
    words: String,
    since: Moment,
    /// How long it has been open, or was.
    lasted: String,
    is_open: bool,
    looks_good: bool,
    cleared: Option<Moment>,
    told: Option<Moment>,
    taken: Option<(Moment, String)>,
    note: String,
    muted_until: Option<Moment>,
}

impl Shown {
    fn of(one: Alert, names: &HashMap<AccountId, String>, now: Timestamp) -> Self {
        let who = one.acknowledged_by.and_then(|id| names.get(&id).cloned()).unwrap_or_default();
        Self {
            title: one.title(),
            lasted: lasting(one.cleared_at.unwrap_or(now).seconds_since(one.since)),
            is_open: one.cleared_at.is_none(),
            looks_good: one.calm_since.is_some(),
            muted_until: one.muted_until.filter(|_| one.is_muted(now)).map(moment),
            taken: one.acknowledged_at.map(|at| (moment(at), who)),
            region: one.region.map_or("All regions", |region: RegionCode| region.facts().name),
            kind: one.kind.word(),
            since: moment(one.since),
            cleared: one.cleared_at.map(moment),
            told: one.told_at.map(moment),
            note: one.note.unwrap_or_default(),
            words: one.words,
            id: one.id,
        }
    }

    fn tag(&self) -> &'static str {
        match (self.is_open, self.taken.is_some()) {
            (true, false) => "tag-red",
            (true, true) => "tag-amber",
            (false, _) => "tag-grey",
        }
    }

    fn state(&self) -> &'static str {
        match (self.is_open, self.taken.is_some()) {
            (true, false) => "Open",
            (true, true) => "Taken on",
            (false, _) => "Over",
        }
    }
}

#[derive(Template)]
#[template(path = "staff/alerts.html")]
struct List {
    layout: Layout,
    said: Option<&'static str>,
    open: Vec<Shown>,
    past: Vec<Shown>,
    next: Option<String>,
    looked: Option<Moment>,
    /// Whether nobody has looked for what is new for some minutes.
    is_blind: bool,
    /// Whether they get letters; none: they never do.
    letters: Option<bool>,
}

const DONE: [(&str, &str); 4] = [
    ("letters", "It is kept whether you get emails about alerts."),
    ("acknowledge", "You have taken the alert on. Nobody is reminded of it any more."),
    ("mute", "Nobody is told of this alert until then."),
    ("unmute", "People are told of this alert again."),
];

/// Whether nobody has looked for alerts for so long that something is wrong, and when somebody last did.
pub(super) async fn last_look(visit: &Visit) -> Result<(Option<Timestamp>, bool), StoreError> {
    let looked = visit.portal().sites.store().alert_looked_at().await?;
    let is_late = looked.is_some_and(|at| visit.now > at.plus(Duration::from_mins(5)));
    Ok((looked, is_late))
}

async fn names(visit: &Visit, alerts: &[Alert]) -> Result<HashMap<AccountId, String>, StoreError> {
    let ids = alerts.iter().filter_map(|one| one.acknowledged_by).collect();
    visit.portal().sites.store().account_names(ids).await
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let scope = staff.scope(P::ViewMessages);
    let store = visit.portal().sites.store();
    let open = store.alert_open_list(scope.clone()).await?;
    let before = visit.query("before").parse().ok();
    let limit = i64::try_from(PAGE + 1).unwrap_or_default();
    let mut past = store.alert_past_list(scope, before, limit).await?;
    let more = past.len() > PAGE;
    past.truncate(PAGE);
    let next = past.last().filter(|_| more).map(|one| format!("/staff/alerts?before={}", one.id));
    let mut names = names(&visit, &open).await?;
    names.extend(self::names(&visit, &past).await?);
    let shown = |all: Vec<Alert>| -> Vec<Shown> {
        all.into_iter().map(|one| Shown::of(one, &names, visit.now)).collect()
    };
    let (looked, is_blind) = last_look(&visit).await?;
    let letters = if staff.may(P::Operate) {
        let chosen = store.alert_wish(staff.who().principal.account.id).await?;
        Some(chosen.unwrap_or(true))
    } else {
        None
    };
    Ok(visit.page(&List {
        layout: layout(&visit, &staff, "What must somebody look at?"),
        said: done(&visit, &DONE),
        open: shown(open),
        past: shown(past),
        next,
        looked: looked.map(moment),
        is_blind,
        letters,
    }))
}

#[derive(Template)]
#[template(path = "staff/alert.html")]
struct Show {
    layout: Layout,
    said: Option<&'static str>,
    errors: FieldErrors,
    alert: Shown,
    may_operate: bool,
    note: String,
    until: String,
}

/// The page of an alert, with what was typed and what is wrong with it.
async fn page(
    visit: &Visit,
    staff: &Staff,
    id: i64,
    (errors, note, until): (FieldErrors, String, String),
) -> Result<HttpResponse, Trouble> {
    let store = visit.portal().sites.store();
    let alert = store.alert_in_view(id, staff.scope(P::ViewMessages)).await?;
    let names = names(visit, std::slice::from_ref(&alert)).await?;
    let region = alert.region;
    let alert = Shown::of(alert, &names, visit.now);
    let heading = alert.title.clone();
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    Ok(visit.page(&Show {
        layout: Layout { heading, ..layout(visit, staff, title) },
        said: done(visit, &DONE),
        errors,
        may_operate: staff.may_in(P::Operate, region),
        alert,
        note,
        until,
    }))
}

async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let Ok(id) = id.parse::<i64>() else { return Ok(visit.missing()) };
    let usual = visit.now.plus(Duration::from_hours(4)).pacific();
    let until = usual.format("%Y-%m-%dT%H:%M").to_string();
    page(&visit, &staff, id, (FieldErrors::default(), String::new(), until)).await
}

async fn letters(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let wants = fields.get("letters") == "yes";
    visit.portal().sites.staff_alert_letters(&staff, wants, &visit.browser()).await?;
    Ok(visit.redirect("/staff/alerts?done=letters"))
}

async fn acknowledge(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let Ok(id) = id.parse::<i64>() else { return Ok(visit.missing()) };
    let note = fields.get("note").trim().to_owned();
    let mut errors = FieldErrors::default();
    if note.is_empty() {
        errors.add("note", "Write what you do about it, in a few words");
    } else if note.chars().count() > LONGEST_NOTE {
        errors.add("note", format!("Write at most {LONGEST_NOTE} characters"));
    }
    if !errors.is_empty() {
        return page(&visit, &staff, id, (errors, note, String::new())).await;
    }
    let sites = &visit.portal().sites;
    let outcome = sites.staff_alert_acknowledge(&staff, id, note, &visit.browser()).await;
    back(&visit, &staff, id, outcome, "acknowledge").await
}

async fn mute(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let Ok(id) = id.parse::<i64>() else { return Ok(visit.missing()) };
    let typed = fields.get("until").trim().to_owned();
    let until = match until(&typed, fields.get("step") == "unmute", visit.now) {
        Ok(until) => until,
        Err(problem) => {
            let errors = FieldErrors::one("until", problem);
            return page(&visit, &staff, id, (errors, String::new(), typed)).await;
        }
    };
    let word = if until.is_some() { "mute" } else { "unmute" };
    let sites = &visit.portal().sites;
    let outcome = sites.staff_alert_mute(&staff, id, until, &visit.browser()).await;
    back(&visit, &staff, id, outcome, word).await
}

/// Until when nobody is told, or what is wrong with what was typed.
fn until(typed: &str, unmutes: bool, now: Timestamp) -> Result<Option<Timestamp>, String> {
    if unmutes {
        return Ok(None);
    }
    let local = NaiveDateTime::parse_from_str(typed, "%Y-%m-%dT%H:%M")
        .map_err(|_unreadable| "Enter a day and a time, such as 2026-12-31T14:00".to_owned())?;
    let until = in_california(local);
    if until <= now {
        return Err("Enter a time that has not come yet".to_owned());
    }
    if until > now.plus(Duration::from_hours(24) * LONGEST_MUTE) {
        return Err(format!("Enter a time within {LONGEST_MUTE} days"));
    }
    Ok(Some(until))
}

/// Back to the alert, with a word for what was done; or what went wrong, above the page.
async fn back(
    visit: &Visit,
    staff: &Staff,
    id: i64,
    outcome: Result<(), StoreError>,
    word: &str,
) -> Result<HttpResponse, Trouble> {
    match outcome {
        Ok(()) => Ok(visit.redirect(&format!("/staff/alerts/{id}?done={word}"))),
        Err(StoreError::Refused(refusal)) => {
            let errors = FieldErrors::one("main", capital(&refusal.0));
            page(visit, staff, id, (errors, String::new(), String::new())).await
        }
        Err(error) => Err(error.into()),
    }
}
