//! Registries as operators see them: what is sent to each, what stops it, what waits; and what is done about it.

mod messages;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDateTime;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::{
    AccountId, Breaker, Control, Destination, Environment, MaintenanceWindow, Permission as P,
    PlaceFacts, RegionCode, Stopped, Timestamp, lasting,
};
use crate::portal::member::sentence;
use crate::portal::messages::in_california;
use crate::portal::moment::{Moment, moment, moment_or};
use crate::portal::page::Trouble;
use crate::portal::staff::{demand, done, layout};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, Sites, Staff};
use crate::store::{ActionRecord, Directory, Place, StoreError};

const PATH: &str = "/staff/delivery";

/// Deeds that a page shows.
const DEEDS: i64 = 50;

/// A maintenance window is no longer than this.
const LONGEST_WINDOW: Duration = Duration::from_hours(31 * 24);

/// Characters of a reason.
const LONGEST_REASON: usize = 300;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/delivery", get().to(overview))
        .route("/staff/delivery/{region}/{environment}", get().to(show))
        .route("/staff/delivery/{region}/{environment}/control", web::post().to(control))
        .route("/staff/delivery/{region}/{environment}/probe", web::post().to(probe))
        .route("/staff/delivery/{region}/{environment}/maintenance", web::post().to(plan))
        .route("/staff/delivery/{region}/{environment}/maintenance/{id}/end", web::post().to(end))
        .configure(messages::routes)
        .configure(settings::routes);
}

/// The permission that shows these pages.
const SEE: &[P] = &[P::ViewMessages];

/// Address of the page of a destination.
fn path_of((region, environment): Place) -> String {
    format!("{PATH}/{region}/{environment}")
}

/// A destination, for people.
fn name_of((region, environment): Place) -> String {
    format!("{}, {environment} registry", region.facts().name)
}

/// The destination that an address names, when it lies in the regions of the role.
fn place_of(staff: &Staff, (region, environment): (&str, &str)) -> Result<Place, StoreError> {
    let place = region.parse::<RegionCode>().ok().zip(environment.parse::<Environment>().ok());
    place
        .filter(|(region, _)| region.facts().managed && staff.sees_delivery(*region))
        .ok_or_else(|| StoreError::NotFound("such destination".to_owned()))
}

/// Whether something is sent to a destination, for people.
struct State {
    tag: &'static str,
    name: &'static str,
    /// What that means.
    meaning: &'static str,
    /// Why, in the words of an operator or in ours.
    cause: Option<String>,
    /// What comes next, and when.
    next: Option<(&'static str, Moment)>,
    is_trouble: bool,
}

impl State {
    fn of(
        known: &Destination,
        stopped: Option<Stopped>,
        window: Option<&MaintenanceWindow>,
        now: Timestamp,
    ) -> Self {
        let because = |text: &Option<String>| text.as_deref().map(sentence_of);
        let (tag, name, meaning) = words(known, stopped);
        let breaker_cause = because(&known.last_error);
        let (cause, next) = match stopped {
            Some(Stopped::Paused) => (because(&known.reason), None),
            Some(Stopped::Maintenance) => {
                let until = window.map(|one| ("Until", moment(one.ends_at)));
                (window.map(|one| sentence_of(&one.reason)), until)
            }
            Some(Stopped::BreakerOpen) => {
                let at = known.probe_at.map(|at| if at < now { now } else { at });
                (breaker_cause, at.map(|at| ("Asked again", moment(at))))
            }
            None if known.breaker == Breaker::HalfOpen => (breaker_cause, None),
            None if known.control == Control::Draining => (because(&known.reason), None),
            None => (None, None),
        };
        let is_trouble = stopped.is_some()
            || known.breaker != Breaker::Closed
            || known.control != Control::Running;
        Self { tag, name, meaning, cause, next, is_trouble }
    }
}

/// Color, name and meaning of a state.
const fn words(
    known: &Destination,
    stopped: Option<Stopped>,
) -> (&'static str, &'static str, &'static str) {
    let drains = matches!(known.control, Control::Draining);
    match (stopped, known.breaker, drains) {
        (Some(Stopped::Paused), ..) => {
            ("tag-amber", "Paused", "Messages are taken and wait. Nothing is sent.")
        }
        (Some(Stopped::Maintenance), ..) => {
            ("tag-blue", "Maintenance", "Messages are taken and wait until the window ends.")
        }
        (Some(Stopped::BreakerOpen), _, true) => (
            "tag-red",
            "Not answering, draining",
            "New messages are refused. Nothing is sent until the registry answers a test.",
        ),
        (Some(Stopped::BreakerOpen), ..) => (
            "tag-red",
            "Not answering",
            "The breaker is open: messages are taken and wait until the registry answers a test.",
        ),
        (None, Breaker::HalfOpen, _) => (
            "tag-amber",
            "Tried again",
            "It answers tests again. One message at a time is sent until one is answered.",
        ),
        (None, _, true) => {
            ("tag-amber", "Draining", "What waits is sent. New messages are refused.")
        }
        (None, ..) => ("tag-green", "Open", "Messages are sent as they come."),
    }
}

/// A text as a sentence, unless it is one.
fn sentence_of(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { sentence(text) }
}

/// A destination as it is shown.
struct Shown {
    path: String,
    name: String,
    region: &'static str,
    environment: &'static str,
    state: State,
    queued: i64,
    /// How long the oldest has waited.
    oldest: Option<String>,
    review: i64,
    last: Moment,
    failures: i64,
}

/// All that is known of destinations at a moment.
struct Sight {
    places: Vec<PlaceFacts>,
    directory: Arc<Directory>,
    last: HashMap<Place, Option<Timestamp>>,
    now: Timestamp,
}

impl Sight {
    async fn of(sites: &Sites, now: Timestamp) -> Result<Self, StoreError> {
        let store = sites.store();
        store.directory_refresh().await?;
        Ok(Self {
            places: sites.places(now).await?,
            directory: store.directory(),
            last: store.last_deliveries().await?.into_iter().collect(),
            now,
        })
    }

    /// The windows of a destination that have not ended.
    fn windows(&self, place: Place) -> impl Iterator<Item = &MaintenanceWindow> {
        let is_of = move |one: &&MaintenanceWindow| {
            (one.region, one.environment) == place && self.now < one.ends_at
        };
        self.directory.maintenance().iter().filter(is_of)
    }

    /// A destination, and as it is shown.
    fn shown(&self, place: Place) -> Option<(Destination, Shown)> {
        let facts = self.places.iter().find(|one| (one.region, one.environment) == place)?;
        let untouched = || Destination::untouched(place.0, place.1);
        let known = facts.destination.clone().unwrap_or_else(untouched);
        let shown = Shown {
            path: path_of(place),
            name: name_of(place),
            region: place.0.facts().name,
            environment: match place.1 {
                Environment::Test => "Test",
                Environment::Production => "Production",
            },
            state: State::of(&known, facts.stopped, facts.maintenance.as_ref(), self.now),
            queued: facts.queued,
            oldest: facts.oldest_age(self.now).map(lasting),
            review: facts.review,
            last: moment_or(self.last.get(&place).copied().flatten(), "None yet"),
            failures: known.failures,
        };
        Some((known, shown))
    }
}

#[derive(Template)]
#[template(path = "staff/delivery.html")]
struct Overview {
    layout: Layout,
    rows: Vec<Shown>,
    troubled: usize,
    review: i64,
}

async fn overview(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, SEE);
    let sight = Sight::of(&visit.portal().sites, visit.now).await?;
    let rows: Vec<_> = RegionCode::managed()
        .filter(|region| staff.sees_delivery(*region))
        .flat_map(|region| Environment::ALL.iter().map(move |side| (region, *side)))
        .filter_map(|place| Some(sight.shown(place)?.1))
        .collect();
    Ok(visit.page(&Overview {
        layout: layout(&visit, &staff, "Delivery: do registries answer?"),
        troubled: rows.iter().filter(|row| row.state.is_trouble).count(),
        review: rows.iter().map(|row| row.review).sum(),
        rows,
    }))
}

/// A maintenance window as it is shown.
struct Window {
    id: i64,
    begins: Moment,
    ends: Moment,
    reason: String,
    holds: bool,
}

/// A deed as it is shown.
struct Line {
    at: Moment,
    what: String,
    who: String,
    why: String,
}

/// What operators did, by the words of records.
const WHAT: [(&str, &str); 13] = [
    ("activate", "New settings put into use"),
    ("discard", "Draft of settings thrown away"),
    ("draft", "Draft of settings written"),
    ("draining", "Draining"),
    ("end maintenance", "Maintenance window ended or taken back"),
    ("maintenance", "Maintenance window planned"),
    ("paused", "Paused"),
    ("probe", "Connection tested"),
    ("replay", "Messages sent again"),
    ("reset", "Breaker reset"),
    ("running", "Resumed"),
    ("test draft", "Draft of settings tested"),
    ("withdraw", "Settings withdrawn"),
];

/// Who did something, for people.
fn who(actor: &str, names: &HashMap<AccountId, String>) -> String {
    match account_of(actor) {
        Some(id) => names.get(&id).cloned().unwrap_or_else(|| "Somebody".to_owned()),
        None => actor.strip_prefix("cli ").map_or_else(
            || "The service".to_owned(),
            |user| format!("{user}, at the command line"),
        ),
    }
}

fn account_of(actor: &str) -> Option<AccountId> {
    actor.strip_prefix("account ")?.parse().ok().map(AccountId)
}

fn line(one: &ActionRecord, names: &HashMap<AccountId, String>) -> Line {
    let known = WHAT.iter().find(|(word, _)| *word == one.action);
    Line {
        at: moment(one.at),
        what: known.map_or_else(|| one.action.clone(), |(_, told)| (*told).to_owned()),
        who: who(&one.actor, names),
        why: one.reason.clone(),
    }
}

/// What can be done to a destination as it is: word, label, hint.
type Choice = (&'static str, &'static str, &'static str);

fn choices(known: &Destination) -> Vec<Choice> {
    let pause =
        ("pause", "Pause", "Messages are taken and wait. Nothing is sent until you resume.");
    let drain = (
        "drain",
        "Drain",
        "What waits is sent. New messages are refused: senders hear when to try again.",
    );
    let resume = ("resume", "Resume", "Messages are taken and sent again.");
    let reset = (
        "reset",
        "Reset the breaker",
        "What waits is sent at once, without a test that it answers.",
    );
    let mut found = match known.control {
        Control::Running => vec![pause, drain],
        Control::Paused => vec![resume, drain],
        Control::Draining => vec![resume, pause],
    };
    if known.breaker != Breaker::Closed {
        found.push(reset);
    }
    found
}

#[derive(Template)]
#[template(path = "staff/destination.html")]
struct Show {
    layout: Layout,
    said: Option<&'static str>,
    errors: FieldErrors,
    typed: Answers,
    shown: Shown,
    /// Who paused or drained it, and when.
    by: Option<(String, Moment)>,
    /// What the last test of somebody found.
    tested: Option<Line>,
    may_operate: bool,
    may_configure: bool,
    choices: Vec<Choice>,
    windows: Vec<Window>,
    history: Vec<Line>,
}

const DONE: [(&str, &str); 7] = [
    ("drain", "The registry is drained: what waits is sent, new messages are refused."),
    ("end", "The maintenance window is ended or taken back."),
    ("maintenance", "The maintenance window is planned."),
    ("pause", "The registry is paused: messages are taken and wait."),
    ("probe", "The registry was asked. What came of it stands under “The last test”."),
    ("reset", "The breaker is reset: what waits is sent now."),
    ("resume", "The registry is resumed: messages are sent again."),
];

/// The page of a destination, with what was typed and what is wrong with it.
async fn page(
    visit: &Visit,
    staff: &Staff,
    place: Place,
    (typed, errors): (Answers, FieldErrors),
) -> Result<HttpResponse, Trouble> {
    let store = visit.portal().sites.store();
    let sight = Sight::of(&visit.portal().sites, visit.now).await?;
    let Some((known, shown)) = sight.shown(place) else { return Ok(visit.missing()) };
    let actions = store.action_list_at(place, DEEDS).await?;
    let ids = actions.iter().filter_map(|one| account_of(&one.actor)).collect();
    let names = store.account_names(ids).await?;
    let newest = |words: &[&str]| actions.iter().find(|one| words.contains(&one.action.as_str()));
    let decided = newest(&["paused", "draining", "running"])
        .filter(|one| one.action == known.control.word() && known.control != Control::Running);
    let heading = name_of(place);
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    let window = |one: &MaintenanceWindow| Window {
        id: one.id,
        begins: moment(one.begins_at),
        ends: moment(one.ends_at),
        reason: one.reason.clone(),
        holds: one.holds(visit.now),
    };
    Ok(visit.page(&Show {
        layout: Layout { heading, ..layout(visit, staff, title) },
        said: done(visit, &DONE).filter(|_| errors.is_empty()),
        errors,
        typed,
        by: decided.map(|one| (who(&one.actor, &names), moment(one.at))),
        tested: newest(&["probe"]).map(|one| line(one, &names)),
        may_operate: staff.may_operate(place.0),
        may_configure: staff.may_in(P::Configure, Some(place.0)),
        choices: choices(&known),
        windows: sight.windows(place).map(window).collect(),
        history: actions.iter().map(|one| line(one, &names)).collect(),
        shown,
    }))
}

async fn show(visit: Visit, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, SEE);
    let place = place_of(&staff, (&path.0, &path.1))?;
    page(&visit, &staff, place, (Answers::default(), FieldErrors::default())).await
}

/// Back to the destination, with a word for what was done; or what went wrong, above the page.
async fn back(
    visit: &Visit,
    staff: &Staff,
    place: Place,
    (word, typed): (&str, Answers),
    outcome: Result<(), AccountError>,
) -> Result<HttpResponse, Trouble> {
    match outcome {
        Ok(()) => Ok(visit.redirect(&format!("{}?done={word}", path_of(place)))),
        Err(AccountError::Store(StoreError::Refused(refusal))) => {
            let errors = FieldErrors::one("what", sentence(&refusal.0));
            page(visit, staff, place, (typed, errors)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Why something is done, as it was typed; or what is wrong with that.
fn reason_of(text: &str, field: &'static str, errors: &mut FieldErrors) -> String {
    let reason: String = text.trim().chars().filter(|one| !one.is_control()).collect();
    match reason.chars().count() {
        0 => errors.add(field, "Enter why"),
        count if count > LONGEST_REASON => {
            errors.add(field, format!("Enter {LONGEST_REASON} characters or fewer"));
        }
        _ => {}
    }
    reason
}

async fn control(
    posted: Posted,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let place = place_of(&staff, (&path.0, &path.1))?;
    let mut errors = FieldErrors::default();
    let decision = match fields.get("deed") {
        "drain" => Some(("drain", Some(Control::Draining))),
        "pause" => Some(("pause", Some(Control::Paused))),
        "reset" => Some(("reset", None)),
        "resume" => Some(("resume", Some(Control::Running))),
        _ => None,
    };
    if decision.is_none() {
        errors.add("deed", "Choose what to do");
    }
    let reason = reason_of(fields.get("reason"), "reason", &mut errors);
    let Some((word, control)) = decision.filter(|_| errors.is_empty()) else {
        return page(&visit, &staff, place, (fields, errors)).await;
    };
    let (sites, browser) = (&visit.portal().sites, visit.browser());
    let outcome = match control {
        Some(control) => {
            sites.destination_control(&staff, place, (control, reason), &browser).await
        }
        None => sites.destination_reset(&staff, place, reason, &browser).await,
    };
    back(&visit, &staff, place, (word, fields), outcome).await
}

async fn probe(posted: Posted, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let place = place_of(&staff, (&path.0, &path.1))?;
    if !staff.may_operate(place.0) {
        return Ok(visit.missing());
    }
    let found = match visit.portal().operator.probe(place, visit.now).await? {
        Ok(()) => "It answers.".to_owned(),
        Err(problem) => format!("It does not answer: {problem}."),
    };
    let outcome =
        visit.portal().sites.destination_probed(&staff, place, found, &visit.browser()).await;
    back(&visit, &staff, place, ("probe", fields), outcome).await
}

/// Begin and end of a window as they were typed, in Pacific time; without a begin, now.
fn times_of(
    fields: &Answers,
    now: Timestamp,
    errors: &mut FieldErrors,
) -> Option<(Timestamp, Timestamp)> {
    let read = |field: &str| {
        let text = fields.get(field).trim();
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok().map(in_california)
    };
    let begins = if fields.get("begins").trim().is_empty() { Some(now) } else { read("begins") };
    let ends = read("ends");
    if begins.is_none() {
        errors.add("begins", "Enter a day and a time, such as 2026-12-31T14:00");
    }
    if ends.is_none() {
        errors.add("ends", "Enter the day and the time of the end, such as 2026-12-31T16:00");
    }
    let (begins, ends) = begins.zip(ends)?;
    if ends <= begins || ends <= now {
        errors.add("ends", "The end must be after the beginning, and not past");
    } else if begins.plus(LONGEST_WINDOW) < ends {
        errors.add("ends", "A window is 31 days at most. Pause the registry instead");
    }
    Some((begins, ends))
}

async fn plan(posted: Posted, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let place = place_of(&staff, (&path.0, &path.1))?;
    let mut errors = FieldErrors::default();
    let times = times_of(&fields, visit.now, &mut errors);
    let reason = reason_of(fields.get("why"), "why", &mut errors);
    let Some(times) = times.filter(|_| errors.is_empty()) else {
        return page(&visit, &staff, place, (fields, errors)).await;
    };
    let sites = &visit.portal().sites;
    let outcome = sites.maintenance_plan(&staff, place, (times, reason), &visit.browser()).await;
    back(&visit, &staff, place, ("maintenance", fields), outcome.map(|_window| ())).await
}

async fn end(
    posted: Posted,
    path: web::Path<(String, String, i64)>,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let place = place_of(&staff, (&path.0, &path.1))?;
    let sites = &visit.portal().sites;
    let reason = fields.get("reason").trim().chars().take(LONGEST_REASON).collect();
    let outcome = sites.maintenance_end(&staff, (place, path.2), reason, &visit.browser()).await;
    back(&visit, &staff, place, ("end", fields), outcome).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(control: Control, breaker: Breaker) -> Destination {
        let region = "CAIRBA".parse().unwrap();
        let whole = Destination::untouched(region, Environment::Test);
        Destination { control, breaker, ..whole }
    }

    #[test]
    fn every_state_has_its_name_and_its_deeds() {
        let words_of = |control, breaker| {
            let known = known(control, breaker);
            let deeds: Vec<_> = choices(&known).into_iter().map(|(word, ..)| word).collect();
            (words(&known, known.stopped()).1, deeds.join(" "))
        };
        for (control, breaker, name, deeds) in [
            (Control::Running, Breaker::Closed, "Open", "pause drain"),
            (Control::Paused, Breaker::Closed, "Paused", "resume drain"),
            (Control::Paused, Breaker::Open, "Paused", "resume drain reset"),
            (Control::Draining, Breaker::Closed, "Draining", "resume pause"),
            (Control::Draining, Breaker::Open, "Not answering, draining", "resume pause reset"),
            (Control::Running, Breaker::Open, "Not answering", "pause drain reset"),
            (Control::Running, Breaker::HalfOpen, "Tried again", "pause drain reset"),
        ] {
            assert_eq!(words_of(control, breaker), (name, deeds.to_owned()));
        }
    }

    #[test]
    fn a_window_is_read_in_the_time_of_california_and_ends_after_it_begins() {
        let now = in_california("2026-11-23T08:00:00".parse().unwrap());
        let read = |begins: &str, ends: &str| {
            let (mut fields, mut errors) = (Answers::default(), FieldErrors::default());
            fields.set("begins", begins);
            fields.set("ends", ends);
            let times = times_of(&fields, now, &mut errors);
            errors.0.first().map_or_else(
                || Ok(times.map(|(begins, ends)| format!("{begins} {ends}")).unwrap()),
                |error| Err(error.field),
            )
        };

        let good = "2026-11-23T18:00:00.000Z 2026-11-23T20:30:00.000Z";
        assert_eq!(read("2026-11-23T10:00", "2026-11-23T12:30").unwrap(), good);
        assert!(read("", "2026-11-23T12:30").unwrap().starts_with("2026-11-23T16:00"));
        for (begins, ends, field) in [
            ("soon", "2026-11-23T12:30", "begins"),
            ("", "", "ends"),
            ("2026-11-23T12:30", "2026-11-23T12:30", "ends"),
            ("2026-11-22T10:00", "2026-11-22T12:00", "ends"),
            ("2026-11-23T10:00", "2027-01-23T10:00", "ends"),
        ] {
            assert_eq!(read(begins, ends).unwrap_err(), field, "{begins} {ends}");
        }
    }
}
