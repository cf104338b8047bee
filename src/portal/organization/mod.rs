//! The pages of an organization: what it is, its Sites, credentials, users, clinicians, links, requests and history.
//!
//! Every handler begins with [`member`]: who asks, for which organization, and whether they may. What belongs to another
//! organization is as unknown as what is not there.

mod answers;
mod bulk;
mod calls;
mod clients;
mod clinicians;
mod closing;
mod credentials;
mod history;
mod home;
mod keys;
mod links;
mod messages;
mod progress;
mod quality;
mod requests;
mod statement;
mod users;
mod webhooks;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};
use askama::Template;

use crate::domain::form::FieldErrors;
use crate::domain::{AccessLevel, OrganizationId, Permission, SiteId, Standing};
use crate::portal::form::FieldView;
use crate::portal::page::Trouble;
use crate::portal::staff::SEEING_COOKIE;
use crate::portal::visit::stopped;
use crate::portal::{Layout, Visit};
use crate::sites::{AccountError, Delegate, Sites};
use crate::store::{OrganizationRecord, StoreError};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        // Before the Sites: no Site is called `upload`.
        .configure(bulk::routes)
        .configure(home::routes)
        .configure(answers::routes)
        .configure(calls::routes)
        .configure(credentials::routes)
        .configure(closing::routes)
        .configure(statement::routes)
        .configure(clinicians::routes)
        .configure(history::routes)
        .configure(keys::routes)
        .configure(links::routes)
        .configure(messages::routes)
        .configure(clients::routes)
        .configure(quality::routes)
        .configure(requests::routes)
        .configure(users::routes)
        .configure(webhooks::routes);
}

/// Why a handler answers otherwise than it would.
#[derive(Debug)]
pub(super) enum Stop {
    /// With this page.
    Page(actix_web::Error),
    /// With the page of what went wrong.
    Trouble(Trouble),
}

/// What a handler of these pages gives.
type Answer = Result<HttpResponse, Stop>;

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Page(_) => f.write_str("another page"),
            Self::Trouble(trouble) => std::fmt::Display::fmt(trouble, f),
        }
    }
}

impl ResponseError for Stop {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Page(page) => page.as_response_error().status_code(),
            Self::Trouble(trouble) => trouble.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self {
            Self::Page(page) => page.error_response(),
            Self::Trouble(trouble) => trouble.error_response(),
        }
    }
}

/// Answers with this page instead.
fn instead(page: HttpResponse) -> Stop {
    Stop::Page(stopped(page))
}

/// Who acts for the organization of the address, when they may do this there.
async fn member(
    visit: &Visit,
    organization: &str,
    permission: Permission,
) -> Result<Delegate, Stop> {
    let who = visit.arrived(Standing::SignedIn).await?.map_err(instead)?;
    let Ok(organization) = organization.parse::<OrganizationId>() else {
        return Err(instead(visit.missing()));
    };
    if let Some(member) = Sites::delegate(who.clone(), organization, permission) {
        return Ok(member);
    }
    let cookie = visit.cookie(SEEING_COOKIE).unwrap_or_default();
    let asked = (organization, permission);
    let onlooker = visit.portal().sites.onlooker(who, &cookie, asked, visit.now).await?;
    onlooker.ok_or_else(|| instead(visit.missing()))
}

/// A Site ID of the address; what cannot be one is not there.
fn site_id(visit: &Visit, text: &str) -> Result<SiteId, Stop> {
    text.parse().map_err(|_wrong| instead(visit.missing()))
}

/// Sends the person to show that they are there, and back.
fn step_up(visit: &Visit) -> HttpResponse {
    visit.redirect(&format!("/account/confirm?next={}", visit.path()))
}

/// The page of what cannot be done, with the reason.
#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    layout: Layout,
    reason: String,
    back: String,
}

/// What came of something, or the page that says why it was not done.
fn done<T>(
    visit: &Visit,
    member: &Delegate,
    result: Result<T, AccountError>,
    back: &str,
) -> Result<T, Stop> {
    result.map_err(|error| match error {
        AccountError::Forbidden => instead(visit.missing()),
        AccountError::StepUp => instead(step_up(visit)),
        AccountError::Store(StoreError::Refused(refusal)) => {
            let page = Refused {
                layout: layout(visit, member, "This cannot be done"),
                reason: refusal.0,
                back: back.to_owned(),
            };
            instead(visit.page_with(StatusCode::CONFLICT, &page))
        }
        AccountError::Store(error) => error.into(),
        AccountError::TooMany | AccountError::Weak(_) => {
            instead(visit.failure(StatusCode::TOO_MANY_REQUESTS))
        }
    })
}

/// What every page shows around its content, for somebody who is signed in.
fn layout(visit: &Visit, member: &Delegate, title: impl Into<String>) -> Layout {
    let layout = visit.layout(title).of(member.who(), visit.path());
    Layout { only_looks: member.only_looks(), ..layout }
}

/// Where in an organization a page is.
struct Place {
    name: String,
    /// The address of the organization's pages.
    base: String,
    /// Address, name, whether it is this one.
    tabs: Vec<(String, &'static str, bool)>,
}

impl Place {
    fn new(visit: &Visit, member: &Delegate, record: &OrganizationRecord, sends: bool) -> Self {
        let base = base(member);
        let exchanges = record.access_level == AccessLevel::DataExchange;
        let all: [(&str, &'static str, Permission, bool); 10] = [
            ("", "Overview", Permission::ViewOrganization, true),
            ("/messages", "Messages", Permission::ViewMessages, exchanges),
            ("/quality", "Data quality", Permission::ViewMessages, exchanges),
            ("/clients", "Clients", Permission::ViewMessages, sends),
            ("/users", "Users", Permission::ViewUsers, true),
            ("/clinicians", "Clinicians", Permission::EditOrganization, true),
            ("/links", "Who sends for whom", Permission::ManageLinks, exchanges),
            ("/requests", "Requests", Permission::EditOrganization, true),
            ("/agreement", "Agreement", Permission::AcceptAgreement, true),
            ("/history", "History", Permission::ViewHistory, true),
        ];
        let tabs = all
            .into_iter()
            .filter(|(_, _, permission, shown)| *shown && member.may(*permission))
            .map(|(path, name, ..)| {
                let to = format!("{base}{path}");
                let here = visit.path() == to
                    || (!path.is_empty() && visit.path().starts_with(&format!("{to}/")));
                (to, name, here)
            })
            .collect();
        Self { name: record.name.clone(), base, tabs }
    }
}

/// The address of an organization's pages.
fn base(member: &Delegate) -> String {
    format!("/organization/{}", member.organization())
}

/// The organization, and where in it a page is.
async fn place(
    visit: &Visit,
    member: &Delegate,
) -> Result<(OrganizationRecord, Place), StoreError> {
    let record = visit.portal().sites.store().organization_record(member.organization()).await?;
    let sends = visit.portal().sites.store().organization_sends(member.organization()).await?;
    let place = Place::new(visit, member, &record, sends);
    Ok((record, place))
}

/// A page with fields and a button.
#[derive(Template)]
#[template(path = "org_question.html")]
struct Question {
    layout: Layout,
    caption: String,
    lede: String,
    back: String,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    /// Paragraphs to read before answering.
    text: Vec<&'static str>,
    button: &'static str,
}

/// The title of a page that may have errors.
fn titled(title: &str, errors: &FieldErrors) -> String {
    if errors.is_empty() { title.to_owned() } else { format!("Error: {title}") }
}

/// A page that asks whether something is meant.
#[derive(Template)]
#[template(path = "org_confirm.html")]
struct Confirm {
    layout: Layout,
    caption: String,
    text: Vec<String>,
    back: String,
    button: &'static str,
}

/// What was just done, as the address says.
fn said(visit: &Visit) -> Option<&'static str> {
    match visit.query("done").as_str() {
        "answered" => Some("CDPH has your answer and goes on with the request."),
        "asked" => Some("CDPH has your request and will decide. You find it under Requests."),
        "both" => {
            Some("Your changes are saved. CDPH must approve some of them first: see Requests.")
        }
        "called" => Some("The call is on its way. What came of it shows below within seconds."),
        "capped" => Some("This person has had many emails already. Try again tomorrow."),
        "changed" => Some("Your changes are saved."),
        "forgotten" => Some("The search is deleted."),
        "invited" => Some("The invitation is on its way."),
        "known" => Some("This person has a password already. They can sign in."),
        "nothing" => Some("Nothing was changed."),
        "saved" => Some("The search is saved."),
        "training" => Some("The invitation goes out when CDPH has recorded the training."),
        "withdrawn" => Some("The request is withdrawn."),
        _ => None,
    }
}
