//! The onboarding board: every Site with where it stands, for how long, and who must act.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;

use crate::domain::{
    Permission as P, Scope, SiteId, SiteKind, SiteStatus, Tally, Timestamp, csv_row,
};
use crate::portal::page::Trouble;
use crate::portal::staff::{age, demand, encoded, layout, regions_of};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::store::{BoardFilter, BoardOrder, BoardRow, RECENT_DAYS, StoreError};

/// Sites on one page.
const PAGE: usize = 50;

/// Sites that are read at one time for a file.
const CHUNK: usize = 500;

/// Sites in one file.
const MOST: usize = 50_000;

/// Days that are offered to choose from.
const AGES: [&str; 5] = ["7", "14", "30", "60", "90"];

/// Orders, as addresses name them.
const ORDERS: [(&str, &str, BoardOrder); 3] = [
    ("longest", "Longest first", BoardOrder::Longest),
    ("latest", "Latest first", BoardOrder::Latest),
    ("name", "Name", BoardOrder::Name),
];

pub(super) fn routes(config: &mut actix_web::web::ServiceConfig) {
    config
        .route("/staff/onboarding", get().to(board))
        .route("/staff/onboarding.csv", get().to(export));
}

/// Who must act, and what they do.
pub(super) struct Turn {
    pub(super) who: &'static str,
    pub(super) what: String,
}

/// What is asked of a review before anybody can decide, and whether the Sending Facility has agreed.
pub(super) struct Standing {
    pub(super) status: SiteStatus,
    pub(super) kind: SiteKind,
    pub(super) is_linked: bool,
    pub(super) opened_at: Option<Timestamp>,
    pub(super) is_proposed: bool,
}

/// Who must act next; nobody where nothing is to be done.
pub(super) fn turn(of: &Standing, window_days: u64, now: Timestamp) -> Option<Turn> {
    let turn = |who, what: &str| Some(Turn { who, what: what.to_owned() });
    let through = of.kind == SiteKind::ThroughFacility;
    match of.status {
        SiteStatus::Registered | SiteStatus::Testing | SiteStatus::Validated
            if through && !of.is_linked =>
        {
            turn("Sending Facility", "agrees to send for it")
        }
        SiteStatus::Registered if through => turn("Sending Facility", "sends a test message"),
        SiteStatus::Registered => turn("Site", "sends a test message"),
        SiteStatus::Testing => turn("Site", "meets the criteria"),
        SiteStatus::Validated => turn("CDPH", "begins the review"),
        SiteStatus::Onboarding if of.is_proposed => turn("CDPH", "approves as the second"),
        SiteStatus::Onboarding => {
            let end = of
                .opened_at
                .map(|at| at.plus(Duration::from_hours(24 * window_days)))
                .filter(|end| now < *end);
            match end {
                Some(end) => Some(Turn {
                    who: "Site",
                    what: format!("sends real messages until {}", end.pacific_day()),
                }),
                None => turn("CDPH", "looks at the review"),
            }
        }
        SiteStatus::Suspended => turn("CDPH", "lets it go on, or closes it"),
        SiteStatus::Production | SiteStatus::Inactive | SiteStatus::Withdrawn => None,
    }
}

/// The share of messages that were taken, for people.
pub(super) fn share(recent: &Tally) -> String {
    recent.accepted_percent().map_or_else(
        || "No messages".to_owned(),
        |percent| format!("{percent} % of {}", recent.messages),
    )
}

/// A Site as the board shows it.
struct Row {
    id: SiteId,
    name: String,
    stage: &'static str,
    tag: &'static str,
    age: String,
    region: &'static str,
    vendor: String,
    kind: &'static str,
    last: String,
    share: String,
    turn: Option<Turn>,
}

fn row(one: BoardRow, window_days: u64, now: Timestamp) -> Row {
    let standing = Standing {
        status: one.site.status,
        kind: one.site.kind,
        is_linked: one.is_linked,
        opened_at: one.opened_at,
        is_proposed: one.proposed_by.is_some(),
    };
    Row {
        turn: turn(&standing, window_days, now),
        stage: one.site.status.name(),
        tag: one.site.status.tag(),
        age: age(now, one.site.updated_at),
        region: one.site.region.map_or("None", |region| region.facts().name),
        vendor: one.vendor.unwrap_or_default(),
        kind: one.site.kind.name(),
        last: one.last_at.map(Timestamp::pacific_day).unwrap_or_default(),
        share: share(&one.recent),
        id: one.site.id,
        name: one.site.name,
    }
}

/// What is asked for, as the address says it; what cannot be is left out.
struct Asked {
    stage: Option<SiteStatus>,
    region: String,
    vendor: String,
    text: String,
    older: &'static str,
    order: (&'static str, BoardOrder),
}

impl Asked {
    fn of(visit: &Visit) -> Self {
        let region = visit.query("region");
        let is_region = region.parse::<crate::domain::RegionCode>().is_ok();
        let (older, order) = (visit.query("older"), visit.query("order"));
        let text = |name| visit.query(name).trim().chars().take(100).collect::<String>();
        Self {
            stage: visit.query("stage").parse().ok(),
            region: if is_region { region } else { String::new() },
            vendor: text("vendor"),
            text: text("text"),
            older: AGES.into_iter().find(|one| *one == older).unwrap_or_default(),
            order: ORDERS
                .into_iter()
                .find(|(word, ..)| *word == order)
                .map_or(("longest", BoardOrder::Longest), |(word, _, order)| (word, order)),
        }
    }

    /// As parameters of an address, with another stage.
    fn query(&self, stage: Option<SiteStatus>) -> String {
        let parts = [
            ("stage", stage.map_or("", SiteStatus::word)),
            ("region", &self.region),
            ("vendor", &self.vendor),
            ("text", &self.text),
            ("older", self.older),
            ("order", if self.order.0 == "longest" { "" } else { self.order.0 }),
        ];
        let given = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let given: Vec<_> =
            given.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        given.join("&")
    }

    fn filter(&self, scope: Scope, now: Timestamp, limit: usize) -> BoardFilter {
        let days = self.older.parse::<u64>().ok();
        BoardFilter {
            scope,
            stages: self.stage.into_iter().collect(),
            region: self.region.parse().ok(),
            vendor: self.vendor.clone(),
            text: self.text.clone(),
            since_before: days.map(|days| now.minus(Duration::from_hours(24 * days))),
            order: self.order.1,
            after: None,
            limit: i64::try_from(limit).unwrap_or_default(),
        }
    }
}

/// A stage with its number of Sites: address, name, number, whether it is chosen.
type Count = (String, &'static str, i64, bool);

#[derive(Template)]
#[template(path = "staff/board.html")]
struct Board {
    layout: Layout,
    counts: Vec<Count>,
    stages: Vec<(&'static str, &'static str, bool)>,
    regions: Vec<(&'static str, &'static str, bool)>,
    ages: Vec<(&'static str, bool)>,
    orders: Vec<(&'static str, &'static str, bool)>,
    vendors: Vec<String>,
    vendor: String,
    text: String,
    rows: Vec<Row>,
    days: u64,
    export: String,
    next: Option<String>,
}

async fn board(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let (asked, scope) = (Asked::of(&visit), staff.scope(P::ViewMessages));
    let store = visit.portal().sites.store();
    let mut filter = asked.filter(scope.clone(), visit.now, PAGE + 1);
    filter.after = visit.query("after").parse().ok();
    let numbers = store.board_counts(filter.clone()).await?;
    let mut found = store.board_list(filter, visit.now).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let query = asked.query(asked.stage);
    let window_days = visit.portal().sites.criteria().window_days;
    let page = Board {
        layout: layout(&visit, &staff, "Onboarding: where do Sites stand?"),
        counts: counts(&asked, &numbers),
        stages: SiteStatus::ALL
            .iter()
            .map(|one| (one.word(), one.name(), asked.stage == Some(*one)))
            .collect(),
        regions: regions_of(&scope)
            .into_iter()
            .map(|one| (one.as_str(), one.facts().name, one.as_str() == asked.region))
            .collect(),
        ages: AGES.into_iter().map(|one| (one, one == asked.older)).collect(),
        orders: ORDERS.map(|(word, name, _)| (word, name, word == asked.order.0)).to_vec(),
        vendors: store.vendor_list().await?,
        next: found
            .last()
            .filter(|_| more)
            .map(|last| format!("/staff/onboarding?{query}&after={}", last.site.id)),
        rows: found.into_iter().map(|one| row(one, window_days, visit.now)).collect(),
        days: RECENT_DAYS,
        export: format!("/staff/onboarding.csv?{query}"),
        vendor: asked.vendor,
        text: asked.text,
    };
    Ok(visit.page(&page))
}

fn counts(asked: &Asked, numbers: &[(SiteStatus, i64)]) -> Vec<Count> {
    let to = |stage| format!("/staff/onboarding?{}", asked.query(stage));
    let all = numbers.iter().map(|(_, number)| number).sum();
    let number = |status: SiteStatus| {
        numbers.iter().find(|(one, _)| *one == status).map_or(0, |(_, number)| *number)
    };
    std::iter::once((to(None), "All", all, asked.stage.is_none()))
        .chain(
            SiteStatus::ALL
                .iter()
                .map(|one| (to(Some(*one)), one.name(), number(*one), asked.stage == Some(*one))),
        )
        .collect()
}

/// What the columns of a file are called.
const COLUMNS: [&str; 12] = [
    "Site ID",
    "Name",
    "Type",
    "Region",
    "EHR vendor",
    "Stage",
    "In stage since (UTC)",
    "Days in stage",
    "Last message (UTC)",
    "Messages of recent days",
    "Accepted, percent",
    "Who must act",
];

fn cells(one: &BoardRow, window_days: u64, now: Timestamp) -> [String; 12] {
    let day = |at: Timestamp| at.utc().format("%Y-%m-%d").to_string();
    let standing = Standing {
        status: one.site.status,
        kind: one.site.kind,
        is_linked: one.is_linked,
        opened_at: one.opened_at,
        is_proposed: one.proposed_by.is_some(),
    };
    let percent = one.recent.accepted_percent();
    [
        one.site.id.to_string(),
        one.site.name.clone(),
        one.site.kind.name().to_owned(),
        one.site.region.map(|region| region.to_string()).unwrap_or_default(),
        one.vendor.clone().unwrap_or_default(),
        one.site.status.name().to_owned(),
        day(one.site.updated_at),
        (now.seconds_since(one.site.updated_at) / 86_400).to_string(),
        one.last_at.map(day).unwrap_or_default(),
        one.recent.messages.to_string(),
        percent.map(|percent| percent.to_string()).unwrap_or_default(),
        turn(&standing, window_days, now)
            .map(|turn| format!("{} {}", turn.who, turn.what))
            .unwrap_or_default(),
    ]
}

/// The file of all Sites that the board would show, page after page.
async fn table(visit: &Visit, asked: &Asked, scope: Scope) -> Result<String, StoreError> {
    let (store, now) = (visit.portal().sites.store(), visit.now);
    let window_days = visit.portal().sites.criteria().window_days;
    let mut filter = asked.filter(scope, now, CHUNK);
    let (mut text, mut number) = (csv_row(&COLUMNS), 0);
    loop {
        let rows = store.board_list(filter.clone(), now).await?;
        for one in &rows {
            text.push_str(&csv_row(&cells(one, window_days, now)));
        }
        number += rows.len();
        match rows.last() {
            Some(last) if rows.len() == CHUNK && number < MOST => {
                filter.after = Some(last.site.id.clone());
            }
            _ => return Ok(text),
        }
    }
}

async fn export(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let asked = Asked::of(&visit);
    let text = table(&visit, &asked, staff.scope(P::ViewMessages)).await?;
    let name = format!("attachment; filename=\"sites-{}.csv\"", visit.now.utc().format("%Y-%m-%d"));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", name))
        .body(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_must_act_until_a_site_has_arrived_or_is_closed() {
        let now = Timestamp::now();
        let of = |status, kind, is_linked, is_proposed, opened_at| {
            let standing = Standing { status, kind, is_linked, opened_at, is_proposed };
            turn(&standing, 14, now).map(|turn| turn.who)
        };
        let (direct, through) = (SiteKind::Direct, SiteKind::ThroughFacility);
        let old = Some(now.minus(Duration::from_hours(24 * 15)));
        for (status, right) in [
            (SiteStatus::Registered, Some("Site")),
            (SiteStatus::Testing, Some("Site")),
            (SiteStatus::Validated, Some("CDPH")),
            (SiteStatus::Onboarding, Some("CDPH")),
            (SiteStatus::Production, None),
            (SiteStatus::Suspended, Some("CDPH")),
            (SiteStatus::Inactive, None),
            (SiteStatus::Withdrawn, None),
        ] {
            assert_eq!(of(status, direct, false, false, old), right, "{status}");
        }
        assert_eq!(of(SiteStatus::Onboarding, direct, false, false, Some(now)), Some("Site"));
        assert_eq!(of(SiteStatus::Onboarding, direct, false, true, Some(now)), Some("CDPH"));
        let facility = Some("Sending Facility");
        assert_eq!(of(SiteStatus::Validated, through, false, false, None), facility);
        assert_eq!(of(SiteStatus::Validated, through, true, false, None), Some("CDPH"));
    }
}
