//! The pages of those who work for CDPH: what waits, requests, organizations, accounts.
//!
//! Each handler begins with `demand!`, which gives the proof that functions of `sites` take; without it there is a page to
//! sign in, or none at all.

mod accounts;
mod alerts;
mod audit;
mod dashboard;
mod delivery;
mod letters;
mod messages;
mod notices;
mod onboarding;
mod organizations;
mod quality;
mod requests;
mod sites;

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::{Permission as P, RegionCode, Scope, Standing, Timestamp};
use crate::portal::moment::moment;
use crate::portal::page::Trouble;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::sites::{Sites, Staff};
use crate::store::Queue;

pub(super) use organizations::SEEING_COOKIE;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff", get().to(home))
        .configure(dashboard::routes)
        .configure(alerts::routes)
        .configure(requests::routes)
        .configure(onboarding::routes)
        .configure(sites::routes)
        .configure(organizations::routes)
        .configure(accounts::routes)
        .configure(quality::routes)
        .configure(letters::routes)
        .configure(messages::routes)
        .configure(delivery::routes)
        .configure(notices::routes)
        .configure(audit::routes);
}

/// The permissions that open the home page of staff.
const ANY: &[P] = &[
    P::DecideEnrolment,
    P::DecideRegistration,
    P::DecideUpdate,
    P::ManageMail,
    P::ManageStaff,
    P::ReadAudit,
    P::ViewAccounts,
];

/// What these permissions are about lies in no region.
const IN_NO_REGION: &[P] = &[P::ManageMail, P::ReadAudit];

/// Pages that are reached from the dashboard.
const OF_DASHBOARD: &[&str] = &["/staff/alerts", "/staff/notices"];

/// The permissions that show requests.
const DECIDE: &[P] = &[P::DecideEnrolment, P::DecideRegistration, P::DecideUpdate];

/// Proof that one of these permissions is there, or the page that is shown instead.
async fn demanded(
    visit: &Visit,
    permissions: &[P],
) -> Result<Result<Staff, HttpResponse>, Trouble> {
    let who = match visit.arrived(Standing::SignedIn).await? {
        Ok(who) => who,
        Err(elsewhere) => return Ok(Err(elsewhere)),
    };
    Ok(Sites::staff(who, permissions).ok_or_else(|| visit.missing()))
}

/// The same for what lies in no region, which a role that holds in some regions does not open.
async fn demanded_everywhere(
    visit: &Visit,
    permission: P,
) -> Result<Result<Staff, HttpResponse>, Trouble> {
    Ok(match demanded(visit, &[permission]).await? {
        Ok(staff) if staff.may_in(permission, None) => Ok(staff),
        Ok(_elsewhere) => Err(visit.missing()),
        Err(page) => Err(page),
    })
}

/// The proof, or the handler's answer without it.
macro_rules! demand {
    (everywhere, $visit:expr, $permission:expr) => {
        match $crate::portal::staff::demanded_everywhere($visit, $permission).await? {
            Ok(staff) => staff,
            Err(page) => return Ok(page),
        }
    };
    ($visit:expr, $permissions:expr) => {
        match $crate::portal::staff::demanded($visit, $permissions).await? {
            Ok(staff) => staff,
            Err(page) => return Ok(page),
        }
    };
}
use demand;

/// What staff pages have around their content.
fn layout(visit: &Visit, staff: &Staff, title: impl Into<String>) -> Layout {
    let places: [(&str, &str, &[P]); 11] = [
        ("/staff", "Waiting", ANY),
        ("/staff/dashboard", "Dashboard", &[P::ViewMessages]),
        ("/staff/requests", "Requests", DECIDE),
        ("/staff/onboarding", "Onboarding", &[P::ViewMessages]),
        ("/staff/organizations", "Organizations", &[P::ViewOrganization]),
        ("/staff/messages", "Messages", &[P::ViewMessages]),
        ("/staff/delivery", "Delivery", &[P::ViewMessages]),
        ("/staff/quality", "Data quality", &[P::ViewMessages]),
        ("/staff/accounts", "Accounts", &[P::ViewAccounts]),
        ("/staff/mail", "Emails", &[P::ManageMail]),
        ("/staff/audit", "Audit trail", &[P::ReadAudit]),
    ];
    let path = visit.path();
    let here = |to: &str| {
        let is_of_dashboard =
            to == "/staff/dashboard" && OF_DASHBOARD.iter().any(|one| path.starts_with(one));
        path == to || is_of_dashboard || (to != "/staff" && path.starts_with(&format!("{to}/")))
    };
    let may = |one: &P| {
        if IN_NO_REGION.contains(one) { staff.may_in(*one, None) } else { staff.may(*one) }
    };
    Layout {
        nav: places
            .into_iter()
            .filter(|(_, _, needed)| needed.iter().any(may))
            .map(|(to, name, _)| (to, name, here(to)))
            .collect(),
        signed_in: Some(staff.name()),
        ..visit.layout(title)
    }
}

/// A notice above a page, by the word that an address carries after something was done.
fn done(visit: &Visit, words: &[(&str, &'static str)]) -> Option<&'static str> {
    let word = visit.query("done");
    words.iter().find(|(one, _)| *one == word).map(|(_, said)| *said)
}

/// A text as a parameter of an address.
fn encoded(text: &str) -> String {
    let letter = |one: u8| {
        if one.is_ascii_alphanumeric() {
            char::from(one).to_string()
        } else {
            format!("%{one:02X}")
        }
    };
    text.bytes().map(letter).collect()
}

/// How long ago, for people.
fn age(now: Timestamp, then: Timestamp) -> String {
    match now.seconds_since(then) / 86_400 {
        0 => "today".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// A region, for people.
fn region_name(region: Option<RegionCode>) -> &'static str {
    region.map_or("All regions", |region| region.facts().name)
}

/// The regions of a scope, to choose from.
fn regions_of(scope: &Scope) -> Vec<RegionCode> {
    match scope {
        Scope::All => RegionCode::managed().collect(),
        Scope::Nowhere => vec![],
        Scope::Regions(regions) => regions.clone(),
    }
}

/// A queue as it is shown.
struct QueueRow {
    kind: &'static str,
    kind_word: &'static str,
    region: &'static str,
    region_code: &'static str,
    state: &'static str,
    state_word: &'static str,
    count: i64,
    oldest: String,
}

#[derive(Template)]
#[template(path = "staff/home.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is a link of the page")]
struct Home {
    layout: Layout,
    /// How the destinations are, for those who may see the dashboard.
    destinations: Option<String>,
    queues: Vec<QueueRow>,
    decides: bool,
    finds_organizations: bool,
    finds_accounts: bool,
    reads_letters: bool,
    reads_audit: bool,
}

async fn home(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, ANY);
    let queues = visit.portal().sites.store().request_queues(staff.views()).await?;
    let row = |queue: Queue| QueueRow {
        kind: queue.kind.name(),
        kind_word: queue.kind.word(),
        region: region_name(queue.region),
        region_code: queue.region.map_or("", RegionCode::as_str),
        state: queue.state.name(),
        state_word: queue.state.word(),
        count: queue.count,
        oldest: queue.oldest.map(|then| age(visit.now, then)).unwrap_or_default(),
    };
    let scope = staff.scope(P::ViewMessages);
    let destinations = match scope {
        Scope::Nowhere => None,
        _ => Some(dashboard::summary(&visit, &scope).await?),
    };
    Ok(visit.page(&Home {
        destinations,
        layout: layout(&visit, &staff, "Waiting for you"),
        queues: queues.into_iter().map(row).collect(),
        decides: DECIDE.iter().any(|one| staff.may(*one)),
        finds_organizations: staff.may(P::ViewOrganization),
        finds_accounts: staff.may(P::ViewAccounts),
        reads_letters: staff.may_in(P::ManageMail, None),
        reads_audit: staff.may_in(P::ReadAudit, None),
    }))
}
