//! The dashboard: how every destination is, what comes in, and what somebody should look at. One look is enough.
//!
//! Everything is read from an index of what waits, or from counts; no message is.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{NaiveTime, Timelike as _};

use crate::domain::{
    Environment, Light, Permission as P, PlaceFacts, RegionCode, Scope, Share, SiteStatus, Tally,
    TallyScope, Timestamp, lasting,
};
use crate::portal::chart::Chart;
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::quality::{Offered, environment_name};
use crate::portal::staff::{alerts, demand, layout, regions_of};
use crate::portal::table::{Cell, Table, grouped};
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::sites::Staff;
use crate::store::{BoardFilter, BoardOrder, FindingCount, StoreError, TallyFilter, TallyRow};
use crate::validation::Catalogue;

/// Seconds between two loads of a page that loads itself.
const REFRESH: u64 = 60;

/// Seconds for which it does: it must not keep a session alive that nobody uses.
const REFRESHES: u64 = 3_600;

/// Errors in the table.
const ERRORS: usize = 10;

/// Days before its end from which a credential is listed.
const ENDING_DAYS: u32 = 30;

/// Credentials in the list.
const ENDING: i64 = 10;

/// Days over which letters that failed are counted.
const LETTER_DAYS: u32 = 7;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/staff/dashboard", get().to(dashboard));
}

/// The color of a tag that says how a destination is; its text says the same.
const fn tag(light: Light) -> &'static str {
    match light {
        Light::Good => "tag-green",
        Light::Look => "tag-amber",
        Light::Stopped => "tag-red",
    }
}

/// A destination as it is shown.
struct Row {
    region: &'static str,
    environment: &'static str,
    tag: &'static str,
    state: &'static str,
    reasons: Vec<String>,
    queued: String,
    oldest: String,
    review: i64,
    review_link: Option<String>,
}

/// All destinations in one sentence, and whether it is good news.
struct Summary {
    text: String,
    /// Class of the notice.
    class: &'static str,
}

/// Time that can be chosen: its word, its name, hours, and whether it is shown by day.
const SPANS: [(&str, &str, u32, bool); 3] = [
    ("24h", "Last 24 hours", 24, false),
    ("7d", "Last 7 days", 24 * 7, false),
    ("30d", "Last 30 days", 24 * 30, true),
];

/// What the address asks for.
struct Asked {
    environment: Environment,
    /// Place in [`SPANS`].
    span: usize,
    /// Until when the page loads itself, in seconds since 1970.
    refresh_until: Option<u64>,
}

impl Asked {
    fn of(visit: &Visit) -> Self {
        let span = visit.query("span");
        let now = seconds(visit.now);
        let until = visit.query("refresh").parse::<u64>().ok();
        Self {
            environment: visit.query("environment").parse().unwrap_or(Environment::Production),
            span: SPANS.iter().position(|(word, ..)| *word == span).unwrap_or(0),
            refresh_until: until.filter(|until| (now..=now + REFRESHES).contains(until)),
        }
    }

    fn span(&self) -> (&'static str, &'static str, u32, bool) {
        SPANS.get(self.span).copied().unwrap_or(("24h", "Last 24 hours", 24, false))
    }

    fn address(&self) -> String {
        format!("/staff/dashboard?environment={}&span={}", self.environment, self.span().0)
    }
}

/// Seconds since 1970.
fn seconds(moment: Timestamp) -> u64 {
    u64::try_from(moment.utc().timestamp()).unwrap_or(0)
}

/// Letters that wait or did not arrive.
struct Letters {
    waiting: i64,
    oldest: Option<Moment>,
    failed: i64,
}

#[derive(Template)]
#[template(path = "staff/dashboard.html")]
struct Dashboard {
    layout: Layout,
    now: Moment,
    /// Seconds until the page loads itself again.
    refresh: Option<u64>,
    /// Where it begins to, or ends.
    refresh_link: String,
    again: String,
    summary: Summary,
    /// Number and name of each open alert.
    alerts: Vec<(i64, String)>,
    /// Whether nobody looks for alerts.
    is_blind: bool,
    /// Whether they may write notices.
    announces: bool,
    rows: Vec<Row>,
    environments: Vec<Offered>,
    spans: Vec<Offered>,
    sums: Table,
    charts: Vec<Chart>,
    steps: Table,
    has_messages: bool,
    errors: Table,
    letters: Option<Letters>,
    ending: Table,
    ending_count: i64,
    stages: Vec<(&'static str, &'static str, i64)>,
}

/// How the destinations of these regions are.
pub(super) async fn summary(visit: &Visit, scope: &Scope) -> Result<String, StoreError> {
    let places = in_scope(visit, scope).await?;
    Ok(summary_of(visit, &places).text)
}

/// What is known of the destinations of these regions, the gravest first.
async fn in_scope(visit: &Visit, scope: &Scope) -> Result<Vec<PlaceFacts>, StoreError> {
    let mut places = visit.portal().sites.places(visit.now).await?;
    places.retain(|one| scope.covers(Some(one.region)));
    let limits = visit.portal().sites.limits();
    places.sort_by_key(|one| std::cmp::Reverse(one.health(limits, visit.now).light));
    Ok(places)
}

fn summary_of(visit: &Visit, places: &[PlaceFacts]) -> Summary {
    let limits = visit.portal().sites.limits();
    let count = |light: Light| {
        places.iter().filter(|one| one.health(limits, visit.now).light == light).count()
    };
    let (stopped, look) = (count(Light::Stopped), count(Light::Look));
    let are = |number: usize| if number == 1 { "is" } else { "are" };
    let need = |number: usize| if number == 1 { "needs" } else { "need" };
    let all = places.len();
    match (stopped, look) {
        (0, 0) => {
            Summary { text: format!("All {all} destinations are running."), class: "success" }
        }
        (0, look) => Summary {
            text: format!("{look} of {all} destinations {} a look; none is stopped.", need(look)),
            class: "warning",
        },
        (stopped, 0) => Summary {
            text: format!("{stopped} of {all} destinations {} stopped.", are(stopped)),
            class: "error",
        },
        (stopped, look) => Summary {
            text: format!(
                "{stopped} of {all} destinations {} stopped, and {look} {} a look.",
                are(stopped),
                need(look)
            ),
            class: "error",
        },
    }
}

fn row(visit: &Visit, one: &PlaceFacts) -> Row {
    let health = one.health(visit.portal().sites.limits(), visit.now);
    Row {
        region: one.region.facts().name,
        environment: environment_name(one.environment),
        tag: tag(health.light),
        state: health.light.name(),
        reasons: health.reasons,
        queued: grouped(u64::try_from(one.queued).unwrap_or(0)),
        oldest: one.oldest_age(visit.now).map_or_else(|| "none".to_owned(), lasting),
        review: one.review,
        review_link: (one.review > 0)
            .then(|| format!("/staff/messages?state=review&environment={}", one.environment)),
    }
}

async fn dashboard(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewMessages]);
    let scope = staff.scope(P::ViewMessages);
    let asked = Asked::of(&visit);
    let places = in_scope(&visit, &scope).await?;
    let (hours, days) = counts(&visit, &scope, &asked).await?;
    let steps = steps(&asked, visit.now, &hours, &days);
    let (ending, ending_count) = ending(&visit, &scope).await?;
    let chosen = |chosen: bool, word: &str, name: &str| (word.to_owned(), name.to_owned(), chosen);
    let until = seconds(visit.now) + REFRESHES;
    let alerts = visit.portal().sites.store().alert_open_list(scope.clone()).await?;
    let (_, is_blind) = alerts::last_look(&visit).await?;
    let again = asked.address();
    Ok(visit.page(&Dashboard {
        layout: layout(&visit, &staff, "How is the Gateway?"),
        now: moment(visit.now),
        refresh: asked.refresh_until.map(|_until| REFRESH),
        refresh_link: match asked.refresh_until {
            Some(_) => again.clone(),
            None => format!("{again}&refresh={until}"),
        },
        again: match asked.refresh_until {
            Some(until) => format!("{again}&refresh={until}"),
            None => again,
        },
        summary: summary_of(&visit, &places),
        alerts: alerts.iter().map(|one| (one.id, one.title())).collect(),
        is_blind,
        announces: staff.may(P::Announce),
        rows: places.iter().map(|one| row(&visit, one)).collect(),
        environments: [Environment::Production, Environment::Test]
            .map(|one| chosen(one == asked.environment, one.word(), environment_name(one)))
            .to_vec(),
        spans: SPANS
            .iter()
            .enumerate()
            .map(|(n, (word, name, ..))| chosen(n == asked.span, word, name))
            .collect(),
        sums: sums(visit.now, &hours, &days),
        charts: charts(&asked, &steps),
        has_messages: steps.iter().any(|(_, tally)| tally.messages > 0),
        steps: step_table(&asked, &steps),
        errors: errors(&visit, &scope, &asked).await?,
        letters: letters(&visit, &staff).await?,
        ending,
        ending_count,
        stages: stages(&visit, scope).await?,
    }))
}

/// Counts of the regions by hour of the last week, and by day of the last 30.
async fn counts(
    visit: &Visit,
    scope: &Scope,
    asked: &Asked,
) -> Result<(Vec<TallyRow>, Vec<TallyRow>), StoreError> {
    let store = visit.portal().sites.store();
    let among: Vec<String> = regions_of(scope).iter().map(ToString::to_string).collect();
    let filter = |scope, from| TallyFilter {
        scope,
        subject: None,
        environment: asked.environment,
        from,
        until: visit.now.plus(DAY),
    };
    let week = hour_of(visit.now).minus(HOUR * (24 * 7 - 1));
    let hours = store.tally_list_among(filter(TallyScope::RegionHour, week), among.clone()).await?;
    let month = day_of(visit.now).minus(DAY * 29);
    let days = store.tally_list_among(filter(TallyScope::Region, month), among).await?;
    Ok((hours, days))
}

fn day_of(moment: Timestamp) -> Timestamp {
    Timestamp::from_naive(moment.as_naive().date().and_time(NaiveTime::MIN))
}

fn hour_of(moment: Timestamp) -> Timestamp {
    let naive = moment.as_naive();
    let time = NaiveTime::from_hms_opt(naive.hour(), 0, 0).unwrap_or(NaiveTime::MIN);
    Timestamp::from_naive(naive.date().and_time(time))
}

/// The sums of each hour or day of the time that is asked for, the empty ones too.
fn steps(
    asked: &Asked,
    now: Timestamp,
    hours: &[TallyRow],
    days: &[TallyRow],
) -> Vec<(Timestamp, Tally)> {
    let (_, _, length, by_day) = asked.span();
    let (rows, step, last) =
        if by_day { (days, DAY, day_of(now)) } else { (hours, HOUR, hour_of(now)) };
    let count = if by_day { length / 24 } else { length };
    let from = last.minus(step * count.saturating_sub(1));
    let mut steps: Vec<_> = (0..count).map(|n| (from.plus(step * n), Tally::default())).collect();
    for row in rows.iter().filter(|row| row.since >= from) {
        let n = row.since.seconds_since(from) / step.as_secs();
        let found = usize::try_from(n).ok().and_then(|n| steps.get_mut(n));
        if let Some((_, tally)) = found {
            tally.add(&row.tally);
        }
    }
    steps
}

/// How an hour or a day is called.
fn step_name(at: Timestamp, by_day: bool) -> String {
    if by_day {
        return at.utc().format("%b %-d").to_string();
    }
    let local = at.pacific();
    let (is_afternoon, hour) = local.hour12();
    let half = if is_afternoon { "p.m." } else { "a.m." };
    format!("{}, {hour} {half}", local.format("%b %-d"))
}

/// A share for people.
fn percent(share: Option<u64>) -> String {
    share.map_or_else(|| "none".to_owned(), |one| format!("{one} %"))
}

fn charts(asked: &Asked, steps: &[(Timestamp, Tally)]) -> Vec<Chart> {
    let (_, name, _, by_day) = asked.span();
    let sum: Tally = steps.iter().map(|(_, tally)| tally).sum();
    let columns: Vec<_> = steps
        .iter()
        .map(|(at, tally)| (step_name(*at, by_day), [tally.accepted, tally.refused]))
        .collect();
    let taken_by_registry =
        |tally: &Tally| Share(tally.delivered + tally.rejected, tally.delivered).percent();
    let shares: Vec<_> = steps
        .iter()
        .map(|(at, tally)| {
            (step_name(*at, by_day), [tally.accepted_percent(), taken_by_registry(tally)])
        })
        .collect();
    let unit = if by_day { "day (UTC)" } else { "hour" };
    vec![
        Chart::columns(
            "submissions",
            &format!("Submissions per {unit}"),
            format!(
                "{name}: {} were accepted and {} refused.",
                grouped(sum.accepted),
                grouped(sum.refused)
            ),
            ["accepted", "refused"],
            &columns,
        ),
        Chart::shares(
            "acceptance",
            &format!("Acceptance per {unit}"),
            format!(
                "{name}: {} of the submissions were accepted; of those that a registry answered, {} were taken.",
                percent(sum.accepted_percent()),
                percent(taken_by_registry(&sum))
            ),
            ["accepted by the Gateway", "taken by the registry"],
            &shares,
        ),
    ]
}

fn step_table(asked: &Asked, steps: &[(Timestamp, Tally)]) -> Table {
    let (_, name, _, by_day) = asked.span();
    let step = if by_day { "Day (UTC)" } else { "Hour from (Pacific time)" };
    let columns = [
        step,
        "Submissions",
        "Accepted",
        "Refused",
        "Share accepted",
        "Delivered",
        "Rejected by the registry",
    ];
    let mut table = Table::new("steps", format!("Submissions, {}", name.to_lowercase()), &columns);
    // The newest first, as whoever looks wants it.
    for (at, tally) in steps.iter().rev() {
        table.rows.push(vec![
            Cell::text(step_name(*at, by_day)),
            Cell::count(tally.messages),
            Cell::count(tally.accepted),
            Cell::count(tally.refused),
            Cell::share(tally.accepted_percent()),
            Cell::count(tally.delivered),
            Cell::count(tally.rejected),
        ]);
    }
    table
}

/// What each time came to.
fn sums(now: Timestamp, hours: &[TallyRow], days: &[TallyRow]) -> Table {
    let columns = [
        "Time",
        "Submissions",
        "Per hour",
        "Share accepted",
        "Delivered",
        "Rejected by the registry",
        "Queries",
    ];
    let mut table = Table::new("sums", "Submissions in the last day, week and month", &columns);
    for (_, name, length, by_day) in SPANS {
        let (rows, from) = if by_day {
            (days, day_of(now).minus(DAY * (length / 24).saturating_sub(1)))
        } else {
            (hours, hour_of(now).minus(HOUR * length.saturating_sub(1)))
        };
        let sum: Tally = rows.iter().filter(|row| row.since >= from).map(|row| &row.tally).sum();
        table.rows.push(vec![
            Cell::text(name),
            Cell::count(sum.messages),
            Cell::count(sum.messages.div_ceil(u64::from(length))),
            Cell::share(sum.accepted_percent()),
            Cell::count(sum.delivered),
            Cell::count(sum.rejected),
            Cell::count(sum.queries),
        ]);
    }
    table
}

/// The errors that were found most often in the last week.
async fn errors(visit: &Visit, scope: &Scope, asked: &Asked) -> Result<Table, StoreError> {
    let among = regions_of(scope).iter().map(ToString::to_string).collect();
    let filter = TallyFilter {
        scope: TallyScope::Region,
        subject: None,
        environment: asked.environment,
        from: day_of(visit.now).minus(DAY * 6),
        until: visit.now.plus(DAY),
    };
    let most = i64::try_from(ERRORS * 5).unwrap_or_default();
    let found = visit.portal().sites.store().finding_counts_among(filter, among, most).await?;
    let mut table = Table::new(
        "errors",
        "Most frequent errors of the last 7 days",
        &["Rule", "Where", "What", "How often"],
    );
    let is_error = |one: &&FindingCount| one.severity == "E";
    for one in found.iter().filter(is_error).take(ERRORS) {
        let rule = Catalogue::built_in().rule(&one.rule);
        let id = Cell::text(one.rule.as_str());
        table.rows.push(vec![
            if rule.is_some() { id.to(format!("/rules/{}", one.rule)) } else { id },
            Cell::text(if one.place.is_empty() { "the whole message" } else { &one.place }),
            Cell::text(rule.map_or("", |rule| rule.title.as_str())),
            Cell::count(u64::try_from(one.number).unwrap_or(0)),
        ]);
    }
    Ok(table)
}

/// Letters that wait or did not arrive, for those who may see which went out.
async fn letters(visit: &Visit, staff: &Staff) -> Result<Option<Letters>, StoreError> {
    if !staff.may_in(P::ManageMail, None) {
        return Ok(None);
    }
    let store = visit.portal().sites.store();
    let (waiting, oldest) = store.letter_depth().await?;
    let failed = store.letter_failures(visit.now.minus(DAY * LETTER_DAYS)).await?;
    Ok(Some(Letters { waiting, oldest: oldest.map(moment), failed }))
}

/// The credentials that end soon: the first of them, and how many there are.
async fn ending(visit: &Visit, scope: &Scope) -> Result<(Table, i64), StoreError> {
    let time = (visit.now, visit.now.plus(DAY * ENDING_DAYS));
    let store = visit.portal().sites.store();
    let (found, count) = store.credential_ending(scope.clone(), time, ENDING).await?;
    let columns = ["Site", "Site ID", "Environment", "Ends"];
    let mut table = Table::new("ending", "Credentials that end within 30 days", &columns);
    for one in found {
        table.rows.push(vec![
            Cell::text(one.name).to(format!("/staff/sites/{}", one.site)),
            Cell::text(one.site.to_string()),
            Cell::text(environment_name(one.environment)),
            Cell::text(one.expires_at.pacific_day()),
        ]);
    }
    Ok((table, count))
}

/// How many Sites stand in each stage.
async fn stages(
    visit: &Visit,
    scope: Scope,
) -> Result<Vec<(&'static str, &'static str, i64)>, StoreError> {
    let filter = BoardFilter {
        scope,
        stages: vec![],
        region: None::<RegionCode>,
        vendor: String::new(),
        text: String::new(),
        since_before: None,
        order: BoardOrder::default(),
        after: None,
        limit: 0,
    };
    let found = visit.portal().sites.store().board_counts(filter).await?;
    let count = |stage: SiteStatus| {
        found.iter().find(|(one, _)| *one == stage).map_or(0, |(_, count)| *count)
    };
    Ok(SiteStatus::ALL.iter().map(|one| (one.word(), one.name(), count(*one))).collect())
}
