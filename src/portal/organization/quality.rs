//! Data quality of an organization's messages: all together, of one Site, of one client of its Sending Facility.

use actix_web::web;
use askama::Template;

use crate::domain::{LinkStatus, Permission, Site, SiteKind, TallyScope};
use crate::portal::organization::{Answer, Place, base, instead, layout, member, place, site_id};
use crate::portal::quality::{Asked, Report, Subject, encoded, usual};
use crate::portal::table::{Cell, Table};
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::sites::Delegate;
use crate::store::StoreError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/organization/{organization}/quality", get().to(all))
        .route("/organization/{organization}/sites/{site}/quality", get().to(site))
        .route("/organization/{organization}/clients/{facility}/{site}", get().to(client));
}

#[derive(Template)]
#[template(path = "org_quality.html")]
struct Quality {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    caption: String,
    lede: String,
    /// Address and name of where somebody may go from here.
    ways: Vec<(String, &'static str)>,
    action: String,
    hidden: Vec<(&'static str, String)>,
    asked: Asked,
    report: Report,
    /// The Sites of which the report tells, when there are several.
    sites: Option<(Table, String)>,
}

/// What a page is about.
struct About {
    title: String,
    caption: String,
    lede: String,
    ways: Vec<(String, &'static str)>,
    /// How its files are called.
    file: String,
}

async fn answer(
    visit: &Visit,
    member: &Delegate,
    (about, asked): (About, Asked),
    subject: Subject,
    sites: Option<Table>,
) -> Answer {
    let (_, place) = place(visit, member).await?;
    let report = Report::of(visit, &asked, subject).await?;
    if let Some(file) = report.file(visit, &asked, &about.file) {
        return Ok(file);
    }
    if let Some(table) = sites.as_ref().filter(|table| table.name == asked.csv) {
        return Ok(table.download(visit, &about.file));
    }
    let download = format!("{}?{}&csv=sites", visit.path(), asked.query());
    Ok(visit.page(&Quality {
        layout: layout(visit, member, about.title),
        place,
        said: None,
        caption: about.caption,
        lede: about.lede,
        ways: about.ways,
        action: visit.path().to_owned(),
        hidden: vec![],
        asked,
        report,
        sites: sites.map(|table| (table, download)),
    }))
}

/// The scope that a Site's own messages are counted in.
const fn scope(site: &Site) -> TallyScope {
    match site.kind {
        SiteKind::SendingFacility => TallyScope::Facility,
        SiteKind::Direct | SiteKind::ThroughFacility => TallyScope::Site,
    }
}

async fn site(visit: Visit, path: web::Path<(String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewMessages).await?;
    let id = site_id(&visit, &path.1)?;
    let store = visit.portal().sites.store();
    let site = store.organization_site(member.organization(), id.clone()).await?;
    let base = base(&member);
    let mut ways = vec![(format!("{base}/sites/{id}"), "Back to the Site")];
    if site.kind == SiteKind::SendingFacility {
        ways.push((format!("{base}/clients?facility={id}"), "Clients one by one"));
    }
    let asked = Asked::of(&visit, usual(site.status));
    let subject = Subject {
        scope: scope(&site),
        ids: vec![id.to_string()],
        region: site.region,
        messages: Some(format!("{base}/messages?site={id}")),
    };
    let lede = match scope(&site) {
        TallyScope::Facility => "What this Sending Facility sent, for all its clients together.",
        _ => "How the messages of this Site went, whoever sent them.",
    };
    let about = About {
        title: format!("Data quality of {}", site.name),
        caption: id.to_string(),
        lede: lede.to_owned(),
        ways,
        file: format!("quality-{id}"),
    };
    answer(&visit, &member, (about, asked), subject, None).await
}

/// The Sites of an organization with what their messages came to.
async fn sites_table(
    visit: &Visit,
    asked: &Asked,
    base: &str,
    sites: &[Site],
) -> Result<Table, StoreError> {
    let store = visit.portal().sites.store();
    let columns = [
        "Site",
        "Site ID",
        "Messages",
        "Share accepted",
        "Share without a finding",
        "Last day with a message",
    ];
    let mut table = Table::new("sites", "Sites", &columns);
    let mut sums = vec![];
    for scope in [TallyScope::Site, TallyScope::Facility] {
        let ids = sites.iter().filter(|site| self::scope(site) == scope);
        let ids: Vec<_> = ids.map(|site| site.id.to_string()).collect();
        sums.extend(store.tally_sums(asked.filter(scope, None), Some(ids)).await?);
    }
    for site in sites {
        let sum = sums.iter().find(|one| one.subject == site.id.as_str());
        let to = format!("{base}/sites/{}/quality?{}", site.id, asked.query());
        let of = |part: u64, all: u64| crate::domain::Share(all, part).percent();
        table.rows.push(vec![
            Cell::text(site.name.as_str()).to(to),
            Cell::text(site.id.as_str()),
            Cell::count(sum.map_or(0, |one| one.messages)),
            Cell::share(sum.and_then(|one| of(one.accepted, one.messages))),
            Cell::share(sum.and_then(|one| of(one.clean, one.messages))),
            Cell::day(sum.map(|one| one.last)),
        ]);
    }
    Ok(table)
}

async fn all(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ViewMessages).await?;
    let store = visit.portal().sites.store();
    let sites = store.organization_sites(member.organization()).await?;
    let base = base(&member);
    // What a Sending Facility sends for Sites of its own organization is in its counts already.
    let sends = sites.iter().any(|site| site.kind == SiteKind::SendingFacility);
    let scope = if sends { TallyScope::Facility } else { TallyScope::Site };
    let counted = sites.iter().filter(|site| self::scope(site) == scope);
    let region = sites.first().and_then(|first| first.region);
    let one_region = region.filter(|_| sites.iter().all(|site| site.region == region));
    let at_best = sites.iter().map(|site| usual(site.status)).min_by_key(|one| one.word());
    let asked = Asked::of(&visit, at_best.unwrap_or(crate::domain::Environment::Test));
    let subject = Subject {
        scope,
        ids: counted.map(|site| site.id.to_string()).collect(),
        region: one_region,
        messages: Some(format!("{base}/messages?site=")),
    };
    let table = sites_table(&visit, &asked, &base, &sites).await?;
    let (lede, ways) = if sends {
        let ways = vec![(format!("{base}/clients"), "Clients one by one")];
        ("What your Sending Facility sent, for all its clients together.", ways)
    } else {
        ("How the messages of your Sites went, all together.", vec![])
    };
    let about = About {
        title: "Data quality".to_owned(),
        caption: String::new(),
        lede: lede.to_owned(),
        ways,
        file: format!("quality-organization-{}", member.organization()),
    };
    answer(&visit, &member, (about, asked), subject, Some(table)).await
}

/// A client of a Sending Facility: only what this facility sent for it.
async fn client(visit: Visit, path: web::Path<(String, String, String)>) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewMessages).await?;
    let (facility, id) = (site_id(&visit, &path.1)?, site_id(&visit, &path.2)?);
    let store = visit.portal().sites.store();
    let clients = store.facility_clients(member.organization(), facility.clone()).await?;
    let Some((site, link)) = clients.into_iter().find(|(site, _)| site.id == id) else {
        return Err(instead(visit.missing()));
    };
    let base = base(&member);
    let mut ways = vec![(format!("{base}/clients?facility={facility}"), "All clients")];
    if member.may(Permission::ManageLinks) {
        let end = format!("{base}/links/{facility}/{id}/end");
        match link.status {
            LinkStatus::Active => ways.push((end, "End the link")),
            LinkStatus::Requested => ways.push((format!("{base}/links"), "Answer the request")),
            LinkStatus::Ended => {}
        }
    }
    let asked = Asked::of(&visit, usual(site.status));
    let subject = Subject {
        scope: TallyScope::Client,
        ids: vec![TallyScope::client(&facility, &id)],
        region: site.region,
        messages: Some(format!("{base}/messages?site={}", encoded(id.as_str()))),
    };
    let about = About {
        title: format!("Data quality of {}", site.name),
        caption: format!("Client {id} of {facility}: {}", link.status.name()),
        lede: format!("What {facility} sent for this Site. What others sent for it is not shown."),
        ways,
        file: format!("quality-{facility}-{id}"),
    };
    answer(&visit, &member, (about, asked), subject, None).await
}
