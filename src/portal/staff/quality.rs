//! Data quality for staff: regions, vendors, Sending Facilities and Sites compared, and the report on one of them.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::{
    Environment, Permission as P, RegionCode, Scope, Share, Site, SiteId, SiteKind, TallyScope,
};
use crate::portal::page::Trouble;
use crate::portal::quality::{Asked, Offered, Report, Subject, encoded};
use crate::portal::staff::{demand, layout, regions_of};
use crate::portal::table::{Cell, Table};
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::sites::Staff;
use crate::store::{StoreError, TallySum};

/// Rows of a comparison on a page.
const PAGE: usize = 100;

/// The Sites of a region are compared over at most so many days.
const LONGEST_OF_SITES: u64 = 90;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/staff/quality", get().to(quality));
}

/// What is compared: word, scope, name.
const COMPARED: [(&str, TallyScope, &str); 4] = [
    ("region", TallyScope::Region, "Regions"),
    ("vendor", TallyScope::Vendor, "EHR vendors"),
    ("facility", TallyScope::Facility, "Sending Facilities"),
    ("site", TallyScope::Site, "Sites of a region"),
];

#[derive(Template)]
#[template(path = "staff/quality.html")]
struct Comparison {
    layout: Layout,
    asked: Asked,
    kinds: Vec<Offered>,
    regions: Vec<Offered>,
    table: Table,
    note: Option<String>,
    download: String,
    pages: Vec<(String, usize, bool)>,
}

#[derive(Template)]
#[template(path = "staff/quality_report.html")]
struct One {
    layout: Layout,
    asked: Asked,
    caption: String,
    back: String,
    action: String,
    hidden: Vec<(&'static str, String)>,
    report: Report,
}

/// One subject of a comparison.
struct Row {
    id: String,
    name: String,
}

impl Row {
    fn of(site: &Site) -> Self {
        Self { id: site.id.to_string(), name: site.name.clone() }
    }
}

async fn quality(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let scope = staff.scope(P::ViewMessages);
    let word = visit.query("of");
    let (_, kind, _) = COMPARED.into_iter().find(|(known, ..)| *known == word).unwrap_or((
        "region",
        TallyScope::Region,
        "",
    ));
    // A vendor has Sites in every region.
    if kind == TallyScope::Vendor && scope != Scope::All {
        return Ok(visit.missing());
    }
    let mut asked = Asked::of(&visit, Environment::Production);
    let subject = visit.query("subject");
    if !subject.is_empty() {
        return one(&visit, &staff, asked, (kind, subject)).await;
    }
    let region = visit.query("region").parse::<RegionCode>().ok();
    let region = region.filter(|region| scope.covers(Some(*region)));
    let region = region.or_else(|| regions_of(&scope).first().copied());
    let is_long = kind == TallyScope::Site && asked.days > LONGEST_OF_SITES;
    if is_long {
        asked = asked.of_days(visit.now, LONGEST_OF_SITES);
    }
    comparison(&visit, &staff, asked, (kind, region, is_long)).await
}

/// The subjects that staff may see: by their IDs, or all that have counts.
async fn subjects(
    visit: &Visit,
    scope: &Scope,
    (kind, region): (TallyScope, Option<RegionCode>),
) -> Result<Option<Vec<Row>>, StoreError> {
    let store = visit.portal().sites.store();
    Ok(match (kind, region) {
        (TallyScope::Region, _) => {
            let row = |region: RegionCode| Row {
                id: region.to_string(),
                name: region.facts().name.to_owned(),
            };
            Some(regions_of(scope).into_iter().map(row).collect())
        }
        (TallyScope::Facility, _) => {
            let all = store.facility_list().await?;
            Some(all.iter().filter(|site| scope.covers(site.region)).map(Row::of).collect())
        }
        (TallyScope::Site, Some(region)) => {
            let all = store.region_sites(region).await?;
            let others = all.iter().filter(|site| site.kind != SiteKind::SendingFacility);
            Some(others.map(Row::of).collect())
        }
        (TallyScope::Site, None) => Some(vec![]),
        _ => None,
    })
}

/// The sums of what is compared, the lowest share accepted first; and how many sent nothing.
async fn compared(
    visit: &Visit,
    scope: &Scope,
    asked: &Asked,
    what: (TallyScope, Option<RegionCode>),
) -> Result<(Vec<(String, TallySum)>, usize), StoreError> {
    let rows = subjects(visit, scope, what).await?;
    let ids = rows.as_ref().map(|rows| rows.iter().map(|row| row.id.clone()).collect());
    let filter = asked.filter(what.0, None);
    let sums = visit.portal().sites.store().tally_sums(filter, ids).await?;
    let names: HashMap<_, _> =
        rows.unwrap_or_default().into_iter().map(|row| (row.id, row.name)).collect();
    let silent = names.len().saturating_sub(sums.len());
    let named = |sum: TallySum| (names.get(&sum.subject).unwrap_or(&sum.subject).clone(), sum);
    let mut sums: Vec<_> = sums.into_iter().map(named).collect();
    // In a tenth of a thousandth, so that 99.1 comes before 99.9.
    let share = |sum: &TallySum| match sum.messages {
        0 => u64::MAX,
        all => sum.accepted * 1_000_000 / all,
    };
    sums.sort_by(|(one_name, one), (other_name, other)| {
        share(one).cmp(&share(other)).then_with(|| one_name.cmp(other_name))
    });
    Ok((sums, silent))
}

fn table(kind: (&str, TallyScope), asked: &Asked, sums: &[(String, TallySum)]) -> Table {
    let (word, scope) = kind;
    let has_id = scope != TallyScope::Vendor;
    let columns = [
        "Name",
        "ID",
        "Messages",
        "Accepted",
        "Share accepted",
        "Share without a finding",
        "Rejected by the registry",
        "Last day with a message",
    ];
    let columns: Vec<_> = columns.into_iter().filter(|name| has_id || *name != "ID").collect();
    let mut table = Table::new("comparison", "Comparison", &columns);
    for (name, sum) in sums {
        let to =
            format!("/staff/quality?of={word}&subject={}&{}", encoded(&sum.subject), asked.query());
        let share = |part: u64| Cell::share(Share(sum.messages, part).percent());
        let id = has_id.then(|| Cell::text(sum.subject.as_str()));
        let numbers = [
            Cell::count(sum.messages),
            Cell::count(sum.accepted),
            share(sum.accepted),
            share(sum.clean),
            Cell::count(sum.rejected),
            Cell::day(Some(sum.last)),
        ];
        let row = [Cell::text(name.as_str()).to(to)].into_iter().chain(id).chain(numbers);
        table.rows.push(row.collect());
    }
    table
}

async fn comparison(
    visit: &Visit,
    staff: &Staff,
    asked: Asked,
    (kind, region, is_long): (TallyScope, Option<RegionCode>, bool),
) -> Result<HttpResponse, Trouble> {
    let scope = staff.scope(P::ViewMessages);
    let (sums, silent) = compared(visit, &scope, &asked, (kind, region)).await?;
    let (word, _, name) = COMPARED.into_iter().find(|(_, scope, _)| *scope == kind).unwrap_or((
        "region",
        TallyScope::Region,
        "Regions",
    ));
    let whole = table((word, kind), &asked, &sums);
    if asked.csv == whole.name {
        return Ok(whole.download(visit, &format!("quality-{word}")));
    }
    let of_sites = kind == TallyScope::Site;
    let region_part = match region.filter(|_| of_sites) {
        Some(region) => format!("&region={region}"),
        None => String::new(),
    };
    let here = format!("/staff/quality?of={word}{region_part}&{}", asked.query());
    let page = visit.query("page").parse().unwrap_or(1_usize).max(1);
    let pages = (1..=sums.len().div_ceil(PAGE))
        .map(|number| (format!("{here}&page={number}"), number, number == page))
        .collect();
    let mut notes = vec![];
    if is_long {
        notes.push(format!("Sites are compared over at most {LONGEST_OF_SITES} days."));
    }
    if silent > 0 {
        notes.push(format!("{silent} more sent nothing in this time."));
    }
    let (first, last) = ((page - 1) * PAGE, page * PAGE);
    let shown = sums.get(first.min(sums.len())..last.min(sums.len())).unwrap_or_default();
    let offers = |(word, scope, name): (&str, TallyScope, &str)| {
        (word.to_owned(), name.to_owned(), scope == kind)
    };
    let all = staff.scope(P::ViewMessages) == Scope::All;
    Ok(visit.page(&Comparison {
        layout: layout(visit, staff, format!("Data quality: {name}")),
        kinds: COMPARED
            .into_iter()
            .filter(|(_, scope, _)| all || *scope != TallyScope::Vendor)
            .map(offers)
            .collect(),
        regions: regions_of(&scope)
            .into_iter()
            .map(|one| (one.to_string(), one.facts().name.to_owned(), Some(one) == region))
            .collect(),
        table: table((word, kind), &asked, shown),
        note: Some(notes.join(" ")).filter(|note| !note.is_empty()),
        download: format!("{here}&csv=comparison"),
        pages,
        asked,
    }))
}

/// Name and region of a subject that staff may see.
async fn found(
    visit: &Visit,
    scope: &Scope,
    kind: TallyScope,
    subject: &str,
) -> Result<Option<(String, Option<RegionCode>)>, StoreError> {
    let store = visit.portal().sites.store();
    Ok(match kind {
        TallyScope::Region => subject
            .parse::<RegionCode>()
            .ok()
            .filter(|region| scope.covers(Some(*region)))
            .map(|region| (region.facts().name.to_owned(), None)),
        TallyScope::Vendor => Some((subject.to_owned(), None)),
        _ => {
            let Ok(id) = subject.parse::<SiteId>() else { return Ok(None) };
            match store.site_by_id(id).await {
                Ok(site) if scope.covers(site.region) => Some((site.name, site.region)),
                Ok(_) | Err(StoreError::NotFound(_)) => None,
                Err(error) => return Err(error),
            }
        }
    })
}

async fn one(
    visit: &Visit,
    staff: &Staff,
    asked: Asked,
    (kind, subject): (TallyScope, String),
) -> Result<HttpResponse, Trouble> {
    let scope = staff.scope(P::ViewMessages);
    let Some((name, region)) = found(visit, &scope, kind, &subject).await? else {
        return Ok(visit.missing());
    };
    let is_site = matches!(kind, TallyScope::Site | TallyScope::Facility);
    let about = Subject {
        scope: kind,
        ids: vec![subject.clone()],
        region,
        messages: is_site.then(|| format!("/staff/messages?site={}", encoded(&subject))),
    };
    let report = Report::of(visit, &asked, about).await?;
    if let Some(file) = report.file(visit, &asked, &format!("quality-{subject}")) {
        return Ok(file);
    }
    let (word, caption) = match kind {
        TallyScope::Vendor => ("vendor", "EHR vendor".to_owned()),
        TallyScope::Facility => ("facility", format!("Sending Facility {subject}")),
        TallyScope::Site => ("site", format!("Site {subject}")),
        _ => ("region", format!("Region {subject}")),
    };
    let in_region = match region.filter(|_| kind == TallyScope::Site) {
        Some(region) => format!("&region={region}"),
        None => String::new(),
    };
    Ok(visit.page(&One {
        layout: layout(visit, staff, format!("Data quality of {name}")),
        caption,
        back: format!("/staff/quality?of={word}{in_region}&{}", asked.query()),
        action: "/staff/quality".to_owned(),
        hidden: vec![("of", word.to_owned()), ("subject", subject)],
        asked,
        report,
    }))
}
