//! What an organization is and where it stands; one of its Sites.

use actix_web::web;
use askama::Template;

use crate::domain::questions::{
    OF_ORGANIZATION, organization_answers, organization_pages, site_answers, site_pages,
};
use crate::domain::{
    AgreementText, Credential, CredentialState, LinkStatus, Permission, Request, RequestState,
    Site, SiteId, SiteKind, SiteStatus,
};
use crate::portal::messages::{Line, PATIENCE};
use crate::portal::moment::{Moment, moment, moment_or};
use crate::portal::organization::progress::{Way, way};
use crate::portal::organization::{Answer, Place, layout, member, place, said, site_id};
use crate::portal::parts::{Part, parts};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::sites::{Delegate, may_rotate};
use crate::store::{MessageSearch, MessagesOf, OrganizationRecord, StoreError};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}", get().to(home))
        .route("/organization/{organization}/sites/{site}", get().to(site));
}

/// A Site in a list, with what comes next.
struct SiteLine {
    site: Site,
    next: &'static str,
}

#[derive(Template)]
#[template(path = "org_home.html")]
struct Home {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    record: OrganizationRecord,
    region: Option<(String, String)>,
    is_data_exchange: bool,
    sites: Vec<SiteLine>,
    users: Option<usize>,
    open: Vec<Request>,
    asked: usize,
    links_asked: usize,
    accepts: Option<(bool, String)>,
    parts: Vec<Part>,
    may_edit: bool,
    may_add_sites: bool,
}

async fn home(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ViewOrganization).await?;
    let (record, place) = place(&visit, &member).await?;
    let portal = visit.portal();
    let store = portal.sites.store();
    let id = member.organization();
    let sites: Vec<Site> = store.organization_sites(id).await?;
    let links = store.organization_links(id).await?;
    let may_edit = member.may(Permission::EditOrganization);
    let requests = if may_edit { portal.sites.member_requests(&member).await? } else { vec![] };
    let open: Vec<Request> = requests.into_iter().filter(|one| one.state.is_open()).collect();
    let users = if member.may(Permission::ViewUsers) {
        Some(store.membership_list(id).await?.len())
    } else {
        None
    };
    let known = organization_answers(&record.name, record.access_level, record.answers.clone());
    let own: Vec<&Request> = open.iter().filter(|one| one.site.is_none()).collect();
    let pages = organization_pages(record.access_level, &known);
    let parts = parts(
        pages.into_iter(),
        &known,
        &[],
        &own,
        |page| may_edit.then(|| format!("{}/edit/{}", place.base, page.slug)),
        |request| format!("{}/requests#request-{request}", place.base),
    );
    let waits = |site: &Site| {
        links.iter().any(|one| one.link.site == site.id && one.link.status == LinkStatus::Active)
    };
    let line = |site: Site| {
        let linked = waits(&site);
        SiteLine { next: next_step(&site, linked), site }
    };
    let owned: Vec<_> = sites.iter().map(|site| site.id.clone()).collect();
    let page = Home {
        layout: layout(&visit, &member, record.name.clone()),
        said: said(&visit),
        region: record
            .region
            .map(|region| (region.facts().name.to_owned(), region.as_str().to_owned())),
        is_data_exchange: record.access_level == crate::domain::AccessLevel::DataExchange,
        users,
        asked: open.iter().filter(|one| one.state == RequestState::Asked).count(),
        links_asked: links
            .iter()
            .filter(|one| one.link.status == LinkStatus::Requested)
            .filter(|one| owned.contains(&one.link.facility))
            .count(),
        accepts: accepts(&visit, &member, &record).await?,
        open,
        sites: sites.into_iter().map(line).collect(),
        parts,
        may_edit,
        may_add_sites: member.may(Permission::ManageSites),
        place,
        record,
    };
    Ok(visit.page(&page))
}

/// Whether the agreement in force is accepted, and what is said of it; nothing for who may not accept it.
async fn accepts(
    visit: &Visit,
    member: &Delegate,
    record: &OrganizationRecord,
) -> Result<Option<(bool, String)>, StoreError> {
    if !member.may(Permission::AcceptAgreement) {
        return Ok(None);
    }
    let text = AgreementText::of(record.access_level);
    let (version, day) = (text.version, text.day());
    let list = visit.portal().sites.store().agreement_list(record.id).await?;
    Ok(Some(match list.first() {
        Some(last) if last.version == version => {
            (true, format!("Version of {day}, accepted by {} ({})", last.name, last.title))
        }
        Some(last) => {
            let before = AgreementText::day_of(&last.version);
            (false, format!("The version of {day} is new; that of {before} was accepted"))
        }
        None => (false, format!("The version of {day} was not accepted yet")),
    }))
}

/// What its people do next.
const fn next_step(site: &Site, linked: bool) -> &'static str {
    let through = matches!(site.kind, SiteKind::ThroughFacility);
    match site.status {
        SiteStatus::Registered | SiteStatus::Testing if through && !linked => {
            "Wait until your Sending Facility agrees"
        }
        SiteStatus::Registered if through => "Ask your Sending Facility to send a test message",
        SiteStatus::Registered => "Get the password and send a test message",
        SiteStatus::Testing => "Fix what the replies say, and send again",
        SiteStatus::Validated => "Wait for CDPH to begin the review",
        SiteStatus::Onboarding => "Send real messages for the review",
        SiteStatus::Production => "Nothing: messages go to the registry",
        SiteStatus::Suspended => "Ask the help desk why",
        SiteStatus::Inactive | SiteStatus::Withdrawn => "Nothing",
    }
}

/// A credential as a page shows it.
pub(super) struct CredentialLine {
    username: String,
    facility_id: String,
    environment: &'static str,
    state: String,
    tag: &'static str,
    last_used: Moment,
    expires: Moment,
    old_until: Option<Moment>,
    /// What the button says.
    show: Option<&'static str>,
    may_revoke: bool,
}

fn credential_line(visit: &Visit, member: &Delegate, one: &Credential) -> CredentialLine {
    let live = one.is_live(visit.now);
    let (state, tag) = match (one.state, live) {
        (CredentialState::Revoked, _) => ("Revoked", "tag-red"),
        (CredentialState::Active, false) => ("Expired", "tag-red"),
        (CredentialState::Active, true) if one.shown_at.is_none() => {
            ("Waits for its password", "tag-amber")
        }
        (CredentialState::Active, true) => ("In use", "tag-green"),
    };
    let first = one.shown_at.is_none();
    CredentialLine {
        username: one.username.clone(),
        facility_id: one.facility_id.clone(),
        environment: one.environment.name(),
        state: state.to_owned(),
        tag,
        last_used: moment_or(one.last_used_at, "Never"),
        expires: moment_or(one.expires_at, "Never"),
        old_until: one.old_secret_until.filter(|until| visit.now < *until && live).map(moment),
        show: (live && may_rotate(member, one)).then_some(if first {
            "Show the password"
        } else {
            "Show a new password"
        }),
        may_revoke: live && member.may(Permission::RotateCredential),
    }
}

/// The credentials of a Site; nothing for who may not see them.
async fn credential_lines(
    visit: &Visit,
    member: &Delegate,
    site: &SiteId,
) -> Result<Option<Vec<CredentialLine>>, StoreError> {
    if !member.may(Permission::ViewCredentials) {
        return Ok(None);
    }
    let store = visit.portal().sites.store();
    let held = store.organization_credentials(member.organization(), site.clone()).await?;
    Ok(Some(held.iter().map(|one| credential_line(visit, member, one)).collect()))
}

#[derive(Template)]
#[template(path = "org_site.html")]
struct SitePage {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    site: Site,
    region: Option<(String, String)>,
    way: Way,
    /// None for who may not see them.
    messages: Option<Vec<Line>>,
    credentials: Option<Vec<CredentialLine>>,
    endpoint: String,
    /// ID and name of its Sending Facilities, with the state of the link.
    facilities: Vec<(SiteId, String, LinkStatus)>,
    may_change_facility: bool,
    may_close: bool,
    may_make_keys: bool,
    parts: Vec<Part>,
}

/// Messages on the page of a Site.
const LAST: i64 = 5;

/// The last messages of a Site; nothing for who may not see them.
async fn last_messages(
    visit: &Visit,
    member: &Delegate,
    site: &SiteId,
) -> Result<Option<Vec<Line>>, StoreError> {
    if !member.may(Permission::ViewMessages) {
        return Ok(None);
    }
    let of = MessagesOf::Organization(member.organization(), Some(site.clone()));
    let store = visit.portal().sites.store();
    let page = store.message_search(of, MessageSearch::default(), None, (LAST, PATIENCE)).await?;
    Ok(Some(page.messages.into_iter().map(Line::of).collect()))
}

async fn site(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewOrganization).await?;
    let id = site_id(&visit, &path.1)?;
    let (_, place) = place(&visit, &member).await?;
    let portal = visit.portal();
    let store = portal.sites.store();
    let site = store.organization_site(member.organization(), id.clone()).await?;
    let credentials = credential_lines(&visit, &member, &id).await?;
    let known = site_answers(&site, store.site_answers(id.clone()).await?);
    let may_edit = member.may(Permission::EditOrganization);
    let requests = if may_edit { portal.sites.member_requests(&member).await? } else { vec![] };
    let open: Vec<&Request> = requests
        .iter()
        .filter(|one| one.state.is_open() && one.site.as_ref() == Some(&id))
        .collect();
    let edit = format!("{}/sites/{id}", place.base);
    let links = store.organization_links(member.organization()).await?;
    let ours: Vec<_> = links.iter().filter(|one| one.link.site == id).collect();
    let linked = ours.iter().any(|one| one.link.status == LinkStatus::Active);
    let page = SitePage {
        layout: layout(&visit, &member, site.name.clone()),
        said: said(&visit),
        region: site
            .region
            .map(|region| (region.facts().name.to_owned(), region.as_str().to_owned())),
        way: way(&visit, &site, linked).await?,
        messages: last_messages(&visit, &member, &id).await?,
        credentials,
        endpoint: portal.settings.endpoint.clone(),
        facilities: ours
            .iter()
            .map(|one| (one.link.facility.clone(), one.facility_name.clone(), one.link.status))
            .collect(),
        may_make_keys: member.may(Permission::RotateCredential),
        may_change_facility: site.kind == SiteKind::ThroughFacility
            && member.may(Permission::ManageLinks),
        may_close: member.may(Permission::ManageSites) && site.status != SiteStatus::Withdrawn,
        parts: parts(
            site_pages(&known),
            &known,
            OF_ORGANIZATION,
            &open,
            |page| may_edit.then(|| format!("{edit}/{}", page.slug)),
            |request| format!("{}/requests#request-{request}", place.base),
        ),
        place,
        site,
    };
    Ok(visit.page(&page))
}
