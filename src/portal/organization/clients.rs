//! The clients of a Sending Facility: who they are, how what it sent for them went, and links answered or ended by the dozen.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::questions::REASON;
use crate::domain::{
    LinkStatus, Permission, Share, Site, SiteId, SiteKind, SiteLink, SiteStatus, TallyScope,
    Timestamp,
};
use crate::portal::form::{FieldView, fields};
use crate::portal::organization::{
    Answer, Place, Stop, base, done, instead, layout, member, place, site_id, titled,
};
use crate::portal::quality::{Asked, Offered, encoded, last_day, usual};
use crate::portal::states::Tagged as _;
use crate::portal::table::{Cell, Table, grouped};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Delegate, LinkStep};
use crate::store::TallySum;

/// Clients on a page.
const PAGE: usize = 50;

/// An active client that sends nothing for so many days is silent.
const SILENT_DAYS: u64 = 7;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}/clients", get().to(list))
        .route("/organization/{organization}/clients/review", web::post().to(review))
        .route("/organization/{organization}/clients/accept", web::post().to(accept))
        .route("/organization/{organization}/clients/end", web::post().to(end));
}

/// A client with its numbers.
struct Client {
    site: Site,
    link: SiteLink,
    sum: Option<TallySum>,
    last: Option<Timestamp>,
}

impl Client {
    fn messages(&self) -> u64 {
        self.sum.as_ref().map_or(0, |sum| sum.messages)
    }

    fn accepted(&self) -> Option<u64> {
        self.sum.as_ref().and_then(|sum| Share(sum.messages, sum.accepted).percent())
    }

    /// Messages that were refused, or taken with a finding.
    fn with_findings(&self) -> u64 {
        self.sum.as_ref().map_or(0, |sum| sum.messages.saturating_sub(sum.clean))
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        self.link.status == LinkStatus::Active
            && self.last.is_none_or(|last| now.seconds_since(last) >= (SILENT_DAYS + 1) * 86_400)
    }

    /// As the Sending Facility sees the link, and the class of its tag.
    fn link_state(&self) -> (&'static str, &'static str) {
        let state = match self.link.status {
            LinkStatus::Requested => "Asks you to send",
            LinkStatus::Active => "You send for it",
            LinkStatus::Ended => "Ended",
        };
        (state, self.link.status.tag())
    }
}

/// What a client may be in trouble with: word and name.
const TROUBLES: [(&str, &str); 5] = [
    ("", "All clients"),
    ("asks", "Asks you to send"),
    ("findings", "Messages refused or with findings"),
    ("refused", "Share accepted below the goal"),
    ("silent", "No message for a week"),
];

const SORTS: [(&str, &str); 5] = [
    ("name", "Name"),
    ("messages", "Most messages"),
    ("accepted", "Lowest share accepted"),
    ("findings", "Most messages with findings"),
    ("last", "Longest silence"),
];

/// What of the clients is asked for; the address holds it.
struct Wanted {
    search: String,
    stage: String,
    trouble: String,
    sort: String,
    page: usize,
}

impl Wanted {
    fn of(visit: &Visit) -> Self {
        let [search, stage, trouble, sort] =
            ["search", "stage", "trouble", "sort"].map(|name| visit.query(name).trim().to_owned());
        let page = visit.query("page").parse().unwrap_or(1).max(1);
        Self { search, stage, trouble, sort, page }
    }

    fn query(&self) -> String {
        let parts = [
            ("search", &self.search),
            ("stage", &self.stage),
            ("trouble", &self.trouble),
            ("sort", &self.sort),
        ];
        let parts = parts.iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<_> =
            parts.map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
        parts.concat()
    }

    fn fits(&self, client: &Client, goal: u64, now: Timestamp) -> bool {
        let search = self.search.to_lowercase();
        let named = client.site.name.to_lowercase().contains(&search)
            || client.site.id.as_str().to_lowercase().contains(&search);
        let staged = self.stage.is_empty() || self.stage == client.site.status.word();
        let troubled = match self.trouble.as_str() {
            "asks" => client.link.status == LinkStatus::Requested,
            "findings" => client.with_findings() > 0,
            "refused" => client.accepted().is_some_and(|percent| percent < goal),
            "silent" => client.is_silent(now),
            _ => true,
        };
        named && staged && troubled
    }

    fn order(&self, clients: &mut [Client]) {
        clients.sort_by(|one, other| {
            let by_name = || one.site.name.to_lowercase().cmp(&other.site.name.to_lowercase());
            // Nothing to measure comes after everything that was.
            let share = |client: &Client| client.accepted().unwrap_or(101);
            let order = match self.sort.as_str() {
                "messages" => other.messages().cmp(&one.messages()),
                "accepted" => share(one).cmp(&share(other)),
                "findings" => other.with_findings().cmp(&one.with_findings()),
                "last" => one.last.cmp(&other.last),
                _ => std::cmp::Ordering::Equal,
            };
            order.then_with(by_name)
        });
    }
}

/// What can be chosen, one of it chosen.
fn offered(all: &[(&str, &str)], chosen: &str) -> Vec<Offered> {
    let one = |(value, name): &(&str, &str)| {
        (str::to_owned(value), str::to_owned(name), *value == chosen)
    };
    all.iter().map(one).collect()
}

/// A client as a page shows it.
struct Line {
    id: SiteId,
    name: String,
    region: &'static str,
    stage: (&'static str, &'static str),
    link: (&'static str, &'static str),
    messages: String,
    accepted: String,
    with_findings: u64,
    last: String,
    /// Whether its link can be answered or ended.
    is_open: bool,
    quality: String,
    list: String,
}

#[derive(Template)]
#[template(path = "org_clients.html")]
struct Clients {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    facility: Site,
    facilities: Vec<Offered>,
    asked: Asked,
    wanted: Wanted,
    stages: Vec<Offered>,
    troubles: Vec<Offered>,
    sorts: Vec<Offered>,
    lines: Vec<Line>,
    all: usize,
    found: usize,
    waiting: usize,
    may_change: bool,
    download: String,
    pages: Vec<(String, usize, bool)>,
}

/// The Sending Facility that the address names, or the first of the organization.
async fn facility(
    visit: &Visit,
    member: &Delegate,
    named: &str,
) -> Result<(Site, Vec<Site>), Stop> {
    let store = visit.portal().sites.store();
    let sites = store.organization_sites(member.organization()).await?;
    let facilities: Vec<_> =
        sites.into_iter().filter(|site| site.kind == SiteKind::SendingFacility).collect();
    let found = facilities.iter().find(|site| named.is_empty() || site.id.as_str() == named);
    match found.cloned() {
        Some(found) => Ok((found, facilities)),
        None => Err(instead(visit.missing())),
    }
}

/// The clients of a Sending Facility with what it sent for them: of the time that is asked for, and when it sent last.
async fn clients(
    visit: &Visit,
    member: &Delegate,
    facility: &SiteId,
    asked: &Asked,
) -> Result<Vec<Client>, Stop> {
    let store = visit.portal().sites.store();
    let clients = store.facility_clients(member.organization(), facility.clone()).await?;
    let subjects: Vec<_> =
        clients.iter().map(|(site, _)| TallyScope::client(facility, &site.id)).collect();
    let filter = asked.filter(TallyScope::Client, None);
    let long = crate::store::TallyFilter {
        from: visit.now.minus(std::time::Duration::from_hours(24 * 90)).min(filter.from),
        ..filter.clone()
    };
    let by_subject = |sums: Vec<TallySum>| -> HashMap<String, TallySum> {
        sums.into_iter().map(|sum| (sum.subject.clone(), sum)).collect()
    };
    let mut sums = by_subject(store.tally_sums(filter, Some(subjects.clone())).await?);
    let last = by_subject(store.tally_sums(long, Some(subjects)).await?);
    let client = |(site, link): (Site, SiteLink)| {
        let subject = TallyScope::client(facility, &site.id);
        let last = last.get(&subject).map(|sum| sum.last);
        Client { sum: sums.remove(&subject), last, site, link }
    };
    Ok(clients.into_iter().map(client).collect())
}

/// The clients as a file.
fn table(clients: &[Client]) -> Table {
    let columns = [
        "Site",
        "Site ID",
        "Region",
        "Stage",
        "Link",
        "Link since",
        "Messages",
        "Accepted",
        "Share accepted",
        "Without a finding",
        "Rejected by the registry",
        "Last day with a message",
    ];
    let mut table = Table::new("clients", "Clients", &columns);
    for one in clients {
        let number = |of: fn(&TallySum) -> u64| Cell::count(one.sum.as_ref().map_or(0, of));
        table.rows.push(vec![
            Cell::text(one.site.name.as_str()),
            Cell::text(one.site.id.as_str()),
            Cell::text(one.site.region.map_or("", |region| region.facts().name)),
            Cell::text(one.site.status.name()),
            Cell::text(one.link_state().0),
            Cell::day(Some(one.link.changed_at)),
            Cell::count(one.messages()),
            number(|sum| sum.accepted),
            Cell::share(one.accepted()),
            number(|sum| sum.clean),
            number(|sum| sum.rejected),
            Cell::day(one.last),
        ]);
    }
    table
}

/// A status in words, and the color of its tag.
fn stage(status: SiteStatus) -> (&'static str, &'static str) {
    (status.name(), status.tag())
}

fn line(base: &str, asked: &Asked, one: Client) -> Line {
    let (facility, id) = (&one.link.facility, &one.site.id);
    let from = asked.from.utc().format("%Y-%m-%d");
    Line {
        region: one.site.region.map_or("None", |region| region.facts().name),
        stage: (one.site.status.name(), one.site.status.tag()),
        link: one.link_state(),
        messages: grouped(one.messages()),
        accepted: one
            .accepted()
            .map_or_else(|| "none".to_owned(), |percent| format!("{percent} %")),
        with_findings: one.with_findings(),
        last: last_day(one.last),
        is_open: one.link.status != LinkStatus::Ended,
        quality: format!("{base}/clients/{facility}/{id}?{}", asked.query()),
        list: format!("{base}/messages?site={id}&environment={}&from={from}", asked.environment),
        id: one.site.id,
        name: one.site.name,
    }
}

/// The stages to filter by.
fn stages(chosen: &str) -> Vec<Offered> {
    let all = [(String::new(), "All stages".to_owned(), chosen.is_empty())];
    let known = SiteStatus::ALL.iter().map(|status| {
        (status.word().to_owned(), stage(*status).0.to_owned(), status.word() == chosen)
    });
    all.into_iter().chain(known).collect()
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ViewMessages).await?;
    let (facility, facilities) = facility(&visit, &member, &visit.query("facility")).await?;
    let (asked, wanted) = (Asked::of(&visit, usual(facility.status)), Wanted::of(&visit));
    let goal = visit.portal().sites.criteria().accepted_percent;
    let mut found = clients(&visit, &member, &facility.id, &asked).await?;
    let all = found.len();
    let waiting = found.iter().filter(|one| one.link.status == LinkStatus::Requested).count();
    found.retain(|one| wanted.fits(one, goal, visit.now));
    wanted.order(&mut found);
    if asked.csv == "clients" {
        return Ok(table(&found).download(&visit, facility.id.as_str()));
    }
    let (_, place) = place(&visit, &member).await?;
    let here =
        format!("{}?facility={}&{}{}", visit.path(), facility.id, asked.query(), wanted.query());
    let count = found.len();
    let pages = (1..=count.div_ceil(PAGE))
        .map(|number| (format!("{here}&page={number}"), number, number == wanted.page))
        .collect();
    let shown = found.into_iter().skip((wanted.page - 1) * PAGE).take(PAGE);
    let lines = shown.map(|one| line(&place.base, &asked, one)).collect();
    let choice = |site: &Site| (site.id.to_string(), site.name.clone(), site.id == facility.id);
    Ok(visit.page(&Clients {
        layout: layout(&visit, &member, "Clients"),
        said: told(&visit),
        facilities: facilities.iter().map(choice).collect(),
        stages: stages(&wanted.stage),
        troubles: offered(&TROUBLES, &wanted.trouble),
        sorts: offered(&SORTS, &wanted.sort),
        lines,
        all,
        found: count,
        waiting,
        may_change: member.may(Permission::ManageLinks),
        download: format!("{here}&csv=clients"),
        pages,
        place,
        facility,
        asked,
        wanted,
    }))
}

/// What was just done with several links.
fn told(visit: &Visit) -> Option<&'static str> {
    match visit.query("done").as_str() {
        "accepted" => Some("You send for these Sites from now on."),
        "ended" => Some("You do not send for these Sites any more."),
        "none" => Some("Choose at least one client whose link can be changed so."),
        "some" => Some("Some links were changed by others meanwhile. Look at the list."),
        _ => None,
    }
}

/// The clients that were ticked, as far as this can be done with them.
async fn chosen(
    visit: &Visit,
    member: &Delegate,
    typed: &Answers,
    accepts: bool,
) -> Result<(Site, Vec<(Site, SiteLink)>), Stop> {
    let (facility, _) = facility(visit, member, typed.get("facility")).await?;
    let mut ids = vec![];
    for id in typed.get("site").split(',').filter(|id| !id.is_empty()).take(PAGE) {
        ids.push(site_id(visit, id)?);
    }
    let store = visit.portal().sites.store();
    let mut clients = store.facility_clients(member.organization(), facility.id.clone()).await?;
    clients.retain(|(site, link)| {
        let can = match link.status {
            LinkStatus::Requested => true,
            LinkStatus::Active => !accepts,
            LinkStatus::Ended => false,
        };
        can && ids.contains(&site.id)
    });
    Ok((facility, clients))
}

#[derive(Template)]
#[template(path = "org_clients_review.html")]
struct Review {
    layout: Layout,
    back: String,
    facility: Site,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    clients: Vec<(Site, &'static str)>,
    ids: String,
    accepts: bool,
}

/// Shows which links are about to change.
async fn review_page(
    visit: &Visit,
    member: &Delegate,
    typed: &Answers,
    accepts: bool,
    errors: FieldErrors,
) -> Result<HttpResponse, Stop> {
    let (facility, clients) = chosen(visit, member, typed, accepts).await?;
    let back = format!("{}/clients?facility={}", base(member), facility.id);
    if clients.is_empty() {
        return Ok(visit.redirect(&format!("{back}&done=none")));
    }
    let title = if accepts { "Send for these Sites?" } else { "End or decline these links?" };
    let layout = layout(visit, member, titled(title, &errors));
    let ids: Vec<_> = clients.iter().map(|(site, _)| site.id.to_string()).collect();
    Ok(visit.page(&Review {
        layout: Layout { heading: title.to_owned(), ..layout },
        back,
        facility,
        fields: if accepts { vec![] } else { fields(&REASON, typed, &errors) },
        errors,
        clients: clients.into_iter().map(|(site, link)| (site, link.status.name())).collect(),
        ids: ids.join(","),
        accepts,
    }))
}

async fn review(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::ManageLinks).await?;
    let accepts = fields.get("what") == "accept";
    review_page(&visit, &member, &fields, accepts, FieldErrors::default()).await
}

/// Takes the step with every chosen client.
async fn take(visit: &Visit, member: &Delegate, typed: &Answers, step: LinkStep) -> Answer {
    let accepts = matches!(step, LinkStep::Accept);
    let (facility, clients) = chosen(visit, member, typed, accepts).await?;
    let back = format!("{}/clients?facility={}", base(member), facility.id);
    if clients.is_empty() {
        return Ok(visit.redirect(&format!("{back}&done=none")));
    }
    let ids: Vec<_> = clients.into_iter().map(|(site, _)| site.id).collect();
    let asked = ids.len();
    let taken =
        visit.portal().sites.links_step(member, &facility.id, ids, step, &visit.browser()).await;
    let taken = done(visit, member, taken, &back)?;
    let said = match (taken == asked, accepts) {
        (false, _) => "some",
        (true, true) => "accepted",
        (true, false) => "ended",
    };
    Ok(visit.redirect(&format!("{back}&done={said}")))
}

async fn accept(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::ManageLinks).await?;
    take(&visit, &member, &fields, LinkStep::Accept).await
}

async fn end(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::ManageLinks).await?;
    match REASON.read(&fields, visit.now.utc().date_naive()) {
        Ok(read) => {
            let reason = read.get("reason").to_owned();
            take(&visit, &member, &fields, LinkStep::End(reason)).await
        }
        Err(errors) => review_page(&visit, &member, &fields, false, errors).await,
    }
}
