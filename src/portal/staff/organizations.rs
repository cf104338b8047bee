//! Organizations: found, looked at, seen as their own people see them.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::questions::{organization_answers, organization_pages};
use crate::domain::{Account, Membership, OrganizationId, Permission as P, Request, Site};
use crate::portal::moment::Moment;
use crate::portal::page::Trouble;
use crate::portal::parts::{Part, parts};
use crate::portal::staff::{demand, layout, moment, region_name};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::store::{OrganizationFilter, OrganizationRecord, RequestFilter};

/// Organizations on one page.
const PAGE: usize = 25;

/// Holds which organization staff see as its own people see it.
pub(in crate::portal) const SEEING_COOKIE: &str = "__Host-seeing";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/organizations", get().to(list))
        .route("/staff/organizations/{id}", get().to(show))
        .route("/staff/organizations/{id}/see-as", web::post().to(see_as))
        .route("/staff/see-as/end", web::post().to(see_as_end));
}

#[derive(Template)]
#[template(path = "staff/organizations.html")]
struct List {
    layout: Layout,
    search: String,
    rows: Vec<OrganizationRecord>,
    is_cut: bool,
    next: Option<OrganizationId>,
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewOrganization]);
    let search = visit.query("search").trim().to_owned();
    let filter = OrganizationFilter {
        search: search.clone(),
        scope: staff.scope(P::ViewOrganization),
        after: visit.query("after").parse().ok(),
        limit: i64::try_from(PAGE + 1).unwrap_or_default(),
    };
    let mut rows = visit.portal().sites.store().organization_search(filter).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    Ok(visit.page(&List {
        layout: layout(&visit, &staff, "Find an organization"),
        next: rows.last().filter(|_| more && search.is_empty()).map(|last| last.id),
        is_cut: more && !search.is_empty(),
        search,
        rows,
    }))
}

#[derive(Template)]
#[template(path = "staff/organization.html")]
struct Show {
    layout: Layout,
    held: OrganizationRecord,
    region: &'static str,
    since: Moment,
    parts: Vec<Part>,
    sites: Vec<Site>,
    users: Option<Vec<(Account, Vec<Membership>)>>,
    sees_accounts: bool,
    requests: Vec<Request>,
    may_see_as: bool,
}

async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewOrganization]);
    let Ok(id) = id.parse::<OrganizationId>() else { return Ok(visit.missing()) };
    let store = visit.portal().sites.store();
    let held = store.organization_in_view(id, staff.scope(P::ViewOrganization)).await?;
    let users = if staff.may_in(P::ViewUsers, held.region) {
        Some(store.membership_list(id).await?)
    } else {
        None
    };
    let filter = RequestFilter {
        views: staff.views(),
        kind: None,
        states: vec![],
        region: None,
        organization: Some(id),
        text: String::new(),
        after: None,
        limit: 50,
    };
    let requests = store.request_list(filter).await?;
    let known = organization_answers(&held.name, held.access_level, held.answers.clone());
    let own: Vec<&Request> =
        requests.iter().filter(|one| one.site.is_none() && one.state.is_open()).collect();
    let parts = parts(
        organization_pages(held.access_level, &known).into_iter(),
        &known,
        &[],
        &own,
        |_page| None,
        |id| format!("/staff/requests/{id}"),
    );
    Ok(visit.page(&Show {
        layout: layout(&visit, &staff, &held.name),
        region: region_name(held.region),
        since: moment(held.created_at),
        parts,
        sites: store.organization_sites(id).await?,
        users,
        sees_accounts: staff.may_in(P::ViewAccounts, held.region),
        requests,
        may_see_as: staff.may_in(P::SeeAs, held.region),
        held,
    }))
}

/// Begins to see as the organization's own people see; the pages of the organization show it, without any button.
async fn see_as(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::SeeAs]);
    let Ok(id) = id.parse::<OrganizationId>() else { return Ok(visit.missing()) };
    let cookie = visit.portal().sites.see_as(&staff, id, &visit.browser()).await?;
    visit.set_cookie(SEEING_COOKIE, cookie);
    Ok(visit.redirect(&format!("/organization/{id}")))
}

async fn see_as_end(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let _staff = demand!(&visit, &[P::SeeAs]);
    visit.drop_cookie(SEEING_COOKIE);
    Ok(visit.redirect("/staff/organizations"))
}
