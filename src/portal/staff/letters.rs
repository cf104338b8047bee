//! The outbox: which letters went out and which did not, without their words.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{EmailAddress, LetterRecord, LetterState, MessageId, Permission as P};
use crate::portal::member::capital;
use crate::portal::moment::Moment;
use crate::portal::page::Trouble;
use crate::portal::staff::{demand, done, encoded, layout, moment};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::Staff;
use crate::store::{LetterFilter, StoreError};

/// Letters on one page.
const PAGE: usize = 50;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/mail", get().to(list))
        .route("/staff/mail/{id}", get().to(show))
        .route("/staff/mail/{id}/retry", web::post().to(retry))
        .route("/staff/mail/{id}/give-up", web::post().to(give_up));
}

/// The letters, by kind and name.
const KINDS: [(&str, &str); 23] = [
    ("added", "Added to an organization"),
    ("alert", "Alert"),
    ("alert-over", "Alert is over"),
    ("alert-reminder", "Alert is still open"),
    ("awaiting-training", "Training comes first"),
    ("claim-approved", "Claim approved"),
    ("claim-notice", "Somebody claims a Site"),
    ("claim-received", "Claim received"),
    ("claim-verify", "Confirm the address of a claim"),
    ("confirm-email", "Confirm a new address"),
    ("enrolment-approved", "Enrollment approved"),
    ("enrolment-received", "Enrollment received"),
    ("forgotten-password", "Forgotten password"),
    ("help-with-draft", "Help with a registration"),
    ("invitation", "Invitation to set a password"),
    ("link-requested", "Sending Facility asked"),
    ("registration-confirmed", "Registration confirmed"),
    ("request-declined", "Request declined"),
    ("request-question", "Question about a request"),
    ("resume-draft", "Saved answers"),
    ("security-notice", "Something changed in an account"),
    ("update-approved", "Update approved"),
    ("verify-address", "Confirm the address"),
];

/// A kind of letter, for people.
fn kind_name(kind: &str) -> String {
    let known = KINDS.iter().find(|(word, _)| *word == kind);
    known.map_or_else(|| capital(&kind.replace('-', " ")), |(_, name)| (*name).to_owned())
}

/// A letter as it is shown.
struct Shown {
    id: MessageId,
    to: EmailAddress,
    kind: String,
    state: LetterState,
    /// What the state means.
    meaning: &'static str,
    written: Moment,
    settled: Option<Moment>,
    next: Option<Moment>,
    attempts: i64,
    error: Option<String>,
    may_retry: bool,
    may_give_up: bool,
}

impl From<LetterRecord> for Shown {
    fn from(one: LetterRecord) -> Self {
        let waits = one.state == LetterState::Queued;
        Self {
            meaning: match one.state {
                LetterState::Bounced => "The mail server of the address will not take it.",
                LetterState::GivenUp => {
                    "It could not be sent for two days, or somebody gave it up."
                }
                LetterState::Held => "There is no mail server: it lies in the data directory.",
                LetterState::Queued => "It is sent as soon as the mail server takes it.",
                LetterState::Sent => {
                    "The mail server took it. Whether it lies in a folder for spam we do not know."
                }
            },
            written: moment(one.created_at),
            settled: one.settled_at.map(moment),
            next: Some(one.next_attempt_at).filter(|_| waits).map(moment),
            attempts: one.attempts,
            may_retry: !matches!(one.state, LetterState::Queued | LetterState::Sent),
            may_give_up: waits,
            error: one.last_error,
            id: one.id,
            kind: kind_name(&one.kind),
            state: one.state,
            to: one.to,
        }
    }
}

#[derive(Template)]
#[template(path = "staff/letters.html")]
struct List {
    layout: Layout,
    states: Vec<(&'static str, &'static str, bool)>,
    kinds: Vec<(&'static str, &'static str, bool)>,
    to: String,
    errors: FieldErrors,
    rows: Vec<Shown>,
    waiting: i64,
    oldest: Option<Moment>,
    next: Option<String>,
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(everywhere, &visit, P::ManageMail);
    let store = visit.portal().sites.store();
    let [state, kind, to] = ["state", "kind", "to"].map(|name| visit.query(name).trim().to_owned());
    let mut errors = FieldErrors::default();
    let address = match to.as_str() {
        "" => None,
        text => text.parse::<EmailAddress>().map_or_else(
            |_wrong| {
                errors.add("to", "Enter a whole email address, such as name@example.org");
                None
            },
            Some,
        ),
    };
    let chosen = state.parse::<LetterState>().ok();
    let filter = LetterFilter {
        state: chosen,
        kind: Some(kind.clone()).filter(|kind| !kind.is_empty()),
        to: address,
        before: visit.query("before").parse().ok(),
    };
    let limit = i64::try_from(PAGE + 1).unwrap_or_default();
    let mut found =
        if errors.is_empty() { store.letter_list(filter, limit).await? } else { vec![] };
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| {
        let (state, kind, to) =
            (chosen.map_or("", LetterState::word), encoded(&kind), encoded(&to));
        format!("/staff/mail?state={state}&kind={kind}&to={to}&before={}", last.id)
    });
    let (waiting, oldest) = store.letter_depth().await?;
    let heading = "Emails sent";
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    Ok(visit.page(&List {
        layout: Layout { heading: heading.to_owned(), ..layout(&visit, &staff, title) },
        states: LetterState::ALL
            .iter()
            .map(|one| (one.word(), one.name(), Some(*one) == chosen))
            .collect(),
        kinds: KINDS.iter().map(|(word, name)| (*word, *name, *word == kind)).collect(),
        to,
        errors,
        rows: found.into_iter().map(Shown::from).collect(),
        waiting,
        oldest: oldest.map(moment),
        next,
    }))
}

#[derive(Template)]
#[template(path = "staff/letter.html")]
struct Show {
    layout: Layout,
    letter: Shown,
    errors: FieldErrors,
    said: Option<&'static str>,
}

const DONE: [(&str, &str); 2] = [
    ("retry", "The email goes out again."),
    ("give-up", "The email is given up: it is not sent any more."),
];

async fn page(
    visit: &Visit,
    staff: &Staff,
    id: MessageId,
    errors: FieldErrors,
) -> Result<HttpResponse, Trouble> {
    let letter = visit.portal().sites.store().letter_record(id).await?;
    let heading = "What became of this email?";
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    Ok(visit.page(&Show {
        layout: Layout { heading: heading.to_owned(), ..layout(visit, staff, title) },
        letter: letter.into(),
        errors,
        said: done(visit, &DONE),
    }))
}

async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(everywhere, &visit, P::ManageMail);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    page(&visit, &staff, id, FieldErrors::default()).await
}

/// Back to the letter, with a word for what was done; or what went wrong, above the page.
async fn back(
    visit: &Visit,
    staff: &Staff,
    id: MessageId,
    outcome: Result<&'static str, StoreError>,
) -> Result<HttpResponse, Trouble> {
    match outcome {
        Ok(word) => Ok(visit.redirect(&format!("/staff/mail/{id}?done={word}"))),
        Err(StoreError::Refused(refusal)) => {
            page(visit, staff, id, FieldErrors::one("main", refusal.to_string())).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn retry(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(everywhere, &visit, P::ManageMail);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_letter_retry(&staff, id, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|_letter| "retry")).await
}

async fn give_up(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(everywhere, &visit, P::ManageMail);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_letter_give_up(&staff, id, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|_letter| "give-up")).await
}
