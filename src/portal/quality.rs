//! What the pages about data quality have in common: what is asked for, and the report on one subject.
//!
//! Everything comes from counts by day; no message is read.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;
use askama::filters::HtmlSafe;
use chrono::NaiveTime;

use crate::domain::{
    Criteria, Element, Environment, RegionCode, Share, SiteStatus, Tally, TallyScope, Timeliness,
    Timestamp,
};
use crate::portal::Visit;
use crate::portal::chart::{Bar, Chart};
use crate::portal::table::{Cell, Table, grouped, long_day};
use crate::store::{FindingCount, StoreError, TallyFilter, TallyRow};
use crate::validation::Catalogue;

/// Days that can be asked for, and how they are called.
const SPANS: [(u64, &str); 4] =
    [(7, "7 days"), (30, "30 days"), (90, "90 days"), (364, "A year (52 weeks)")];

/// Longer times are shown week by week.
const DAY_BY_DAY: u64 = 90;

/// Findings in the table of the most frequent ones.
const FINDINGS: i64 = 20;

/// Length of a day.
const DAY: Duration = Duration::from_hours(24);

/// What can be chosen: value, words, whether it is chosen.
pub(super) type Offered = (String, String, bool);

/// Which time and environment are asked for; the address holds it.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) environment: Environment,
    pub(super) days: u64,
    /// The first day, UTC.
    pub(super) from: Timestamp,
    /// The end of the last day.
    pub(super) until: Timestamp,
    /// Name of the table that is asked for as a file.
    pub(super) csv: String,
}

impl Asked {
    /// What the address says; what it does not say is `usual` and 30 days.
    pub(super) fn of(visit: &Visit, usual: Environment) -> Self {
        let days = visit.query("days").parse().ok();
        let days = days.filter(|days| SPANS.iter().any(|(known, _)| known == days)).unwrap_or(30);
        let environment = visit.query("environment").parse().unwrap_or(usual);
        let (from, until) = span(visit.now, days);
        Self { environment, days, from, until, csv: visit.query("csv") }
    }

    /// The same over another number of days.
    pub(super) fn of_days(self, now: Timestamp, days: u64) -> Self {
        let (from, until) = span(now, days);
        Self { days, from, until, ..self }
    }

    /// As parameters of an address.
    pub(super) fn query(&self) -> String {
        format!("environment={}&days={}", self.environment, self.days)
    }

    pub(super) fn environments(&self) -> Vec<Offered> {
        let offered = |one: &Environment| {
            (one.word().to_owned(), environment_name(*one).to_owned(), *one == self.environment)
        };
        Environment::ALL.iter().map(offered).collect()
    }

    pub(super) fn spans(&self) -> Vec<Offered> {
        let offered =
            |(days, name): (u64, &str)| (days.to_string(), name.to_owned(), days == self.days);
        SPANS.into_iter().map(offered).collect()
    }

    /// What the store looks for.
    pub(super) fn filter(&self, scope: TallyScope, subject: Option<String>) -> TallyFilter {
        let Self { environment, from, until, .. } = *self;
        TallyFilter { scope, subject, environment, from, until }
    }

    /// Days in a step of what is shown over time.
    const fn step(&self) -> u64 {
        if self.days > DAY_BY_DAY { 7 } else { 1 }
    }
}

/// The first moment and the end of so many days up to today, UTC.
fn span(now: Timestamp, days: u64) -> (Timestamp, Timestamp) {
    let today = Timestamp::from_naive(now.utc().date_naive().and_time(NaiveTime::MIN));
    let before = DAY * u32::try_from(days.saturating_sub(1)).unwrap_or(0);
    (today.minus(before), today.plus(DAY))
}

/// The environment that a Site at this stage sends to.
pub(super) const fn usual(status: SiteStatus) -> Environment {
    match status {
        SiteStatus::Production | SiteStatus::Suspended | SiteStatus::Inactive => {
            Environment::Production
        }
        _ => Environment::Test,
    }
}

/// An environment for people.
pub(super) const fn environment_name(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "Production",
        Environment::Test => "Test",
    }
}

/// On what a report is made.
pub(super) struct Subject {
    pub(super) scope: TallyScope,
    /// One of the scope, or several of them together.
    pub(super) ids: Vec<String>,
    /// What its shares are compared with; none: all regions.
    pub(super) region: Option<RegionCode>,
    /// The list of messages, to which `?` and a filter are added; none: who asks has no such list.
    pub(super) messages: Option<String>,
}

/// The report on one subject.
#[derive(Template)]
#[template(path = "quality_report.html")]
pub(super) struct Report {
    pub(super) is_empty: bool,
    environment: &'static str,
    /// Address of this report, to which the name of a table is added.
    download: String,
    weekly: bool,
    charts: Vec<Chart>,
    completeness: Chart,
    timeliness: Chart,
    tables: Tables,
}

impl HtmlSafe for Report {}

/// The tables of a report.
struct Tables {
    figures: Table,
    time: Table,
    elements: Table,
    timely: Table,
    findings: Table,
}

/// How soon messages came: name, number, share of ours and of the others, what is asked for.
type Class = (&'static str, u64, Option<u64>, Option<u64>, Option<u64>);

/// What a report is made from.
struct Known<'a> {
    asked: &'a Asked,
    criteria: &'a Criteria,
    rows: &'a [TallyRow],
    sum: Tally,
    others: Tally,
    others_name: String,
    findings: Vec<FindingCount>,
    messages: Option<&'a str>,
}

impl Report {
    /// Reads what is known of a subject.
    pub(super) async fn of(
        visit: &Visit,
        asked: &Asked,
        subject: Subject,
    ) -> Result<Self, StoreError> {
        let (store, scope) = (visit.portal().sites.store(), subject.scope);
        let all = asked.filter(scope, None);
        let rows = store.tally_list_among(all.clone(), subject.ids.clone()).await?;
        let findings = store.finding_counts_among(all, subject.ids, FINDINGS).await?;
        let region = subject.region.map(|region| region.to_string());
        let others = store.tally_list(asked.filter(TallyScope::Region, region)).await?;
        let known = Known {
            asked,
            criteria: visit.portal().sites.criteria(),
            sum: rows.iter().map(|row| &row.tally).sum(),
            rows: &rows,
            others: others.iter().map(|row| &row.tally).sum(),
            others_name: subject.region.map_or_else(
                || "All regions".to_owned(),
                |region| format!("All of {}", region.facts().name),
            ),
            findings,
            messages: subject.messages.as_deref(),
        };
        let download = format!("{}?{}", visit.path(), kept(visit, asked));
        Ok(known.report(download))
    }

    /// The table of a name.
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        let Tables { figures, time, elements, timely, findings } = &self.tables;
        [figures, time, elements, timely, findings].into_iter().find(|table| table.name == name)
    }

    /// The file that is asked for, if one is.
    pub(super) fn file(&self, visit: &Visit, asked: &Asked, of: &str) -> Option<HttpResponse> {
        Some(self.table(&asked.csv)?.download(visit, of))
    }
}

/// The parameters of the address that go on: what is asked for, and what staff have chosen.
fn kept(visit: &Visit, asked: &Asked) -> String {
    let chosen = ["of", "subject"].map(|name| (name, visit.query(name)));
    let chosen: Vec<_> = chosen
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("&{name}={}", encoded(value)))
        .collect();
    format!("{}{}", asked.query(), chosen.concat())
}

/// A text as a parameter of an address.
pub(super) fn encoded(text: &str) -> String {
    let letter = |one: u8| match one {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(one).to_string(),
        _ => format!("%{one:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// The share of messages that nothing was wrong with, of all.
const fn clean(tally: &Tally) -> Option<u64> {
    Share(tally.messages, tally.clean).percent()
}

/// A goal for people.
fn goal(percent: Option<u64>) -> Cell {
    percent.map_or_else(|| Cell::text(""), |percent| Cell::share(Some(percent)))
}

impl Known<'_> {
    fn report(&self, download: String) -> Report {
        let steps = self.steps();
        Report {
            is_empty: self.sum == Tally::default(),
            environment: match self.asked.environment {
                Environment::Production => "production",
                Environment::Test => "test",
            },
            download,
            weekly: self.asked.step() > 1,
            charts: self.over_time(&steps),
            completeness: self.completeness_chart(),
            timeliness: self.timeliness_chart(),
            tables: Tables {
                figures: self.figures(),
                time: self.time_table(&steps),
                elements: self.elements(),
                timely: self.timely(),
                findings: self.findings(),
            },
        }
    }

    /// The sums of each day or week, the empty ones too.
    fn steps(&self) -> Vec<(Timestamp, Tally)> {
        let seconds = self.asked.step() * 86_400;
        let days = self.asked.days.div_ceil(self.asked.step());
        let begin = |n: u64| self.asked.from.plus(Duration::from_secs(seconds * n));
        let mut steps: Vec<_> = (0..days).map(|n| (begin(n), Tally::default())).collect();
        for row in self.rows {
            let n = usize::try_from(row.since.seconds_since(self.asked.from) / seconds).ok();
            if let Some((_, tally)) = n.and_then(|n| steps.get_mut(n)) {
                tally.add(&row.tally);
            }
        }
        steps
    }

    fn over_time(&self, steps: &[(Timestamp, Tally)]) -> Vec<Chart> {
        let form = if self.asked.step() > 1 { "%b %-d, %Y" } else { "%b %-d" };
        let date = |at: &Timestamp| at.utc().format(form).to_string();
        let columns = |numbers: fn(&Tally) -> [u64; 2]| -> Vec<_> {
            steps.iter().map(|(at, tally)| (date(at), numbers(tally))).collect()
        };
        let shares: Vec<_> = steps
            .iter()
            .map(|(at, tally)| (date(at), [tally.accepted_percent(), clean(tally)]))
            .collect();
        let Tally { accepted, refused, delivered, rejected, .. } = self.sum;
        let percent =
            |share: Option<u64>| share.map_or_else(|| "none".to_owned(), |one| format!("{one} %"));
        vec![
            Chart::columns(
                "received",
                "Messages received",
                format!("{} were accepted and {} refused.", grouped(accepted), grouped(refused)),
                ["accepted", "refused"],
                &columns(|tally| [tally.accepted, tally.refused]),
            ),
            Chart::shares(
                "shares",
                "Share accepted, share without a finding",
                format!(
                    "Of the whole time, {} were accepted and {} had no finding.",
                    percent(self.sum.accepted_percent()),
                    percent(clean(&self.sum))
                ),
                ["accepted", "without a finding"],
                &shares,
            ),
            Chart::columns(
                "registry",
                "What the registry answered",
                format!("It took {} and rejected {}.", grouped(delivered), grouped(rejected)),
                ["taken by the registry", "rejected by it"],
                &columns(|tally| [tally.delivered, tally.rejected]),
            ),
        ]
    }

    fn figures(&self) -> Table {
        let columns = ["Measure", "Number", "Share", &self.others_name, "Asked for"];
        let mut table = Table::new("figures", "At a glance", &columns);
        let (sum, others) = (&self.sum, &self.others);
        let mut row = |name: &str, count: u64, ours: Option<u64>, theirs: Option<u64>, asked| {
            let shares = [Cell::share(ours), Cell::share(theirs), goal(asked)];
            table
                .rows
                .push([Cell::text(name), Cell::count(count)].into_iter().chain(shares).collect());
        };
        let of = |part: u64, tally: &Tally| Share(tally.messages, part).percent();
        let registry =
            |tally: &Tally| Share(tally.delivered + tally.rejected, tally.rejected).percent();
        let asked = Some(self.criteria.accepted_percent);
        row("Accepted", sum.accepted, sum.accepted_percent(), others.accepted_percent(), asked);
        row("Without a finding", sum.clean, clean(sum), clean(others), None);
        row("Refused", sum.refused, of(sum.refused, sum), of(others.refused, others), None);
        let delivered =
            |tally: &Tally| Share(tally.delivered + tally.rejected, tally.delivered).percent();
        row("Taken by the registry", sum.delivered, delivered(sum), delivered(others), None);
        row("Rejected by the registry", sum.rejected, registry(sum), registry(others), None);
        table
    }

    fn time_table(&self, steps: &[(Timestamp, Tally)]) -> Table {
        let (step, title) = if self.asked.step() > 1 {
            ("Week from", "Week by week")
        } else {
            ("Day (UTC)", "Day by day")
        };
        let columns = [
            step,
            "Messages",
            "Accepted",
            "Without a finding",
            "Refused",
            "Share accepted",
            "Share without a finding",
            "Delivered",
            "Rejected",
        ];
        let mut table = Table::new("time", title, &columns);
        // The newest first, as whoever looks wants it.
        for (at, tally) in steps.iter().rev() {
            table.rows.push(vec![
                Cell::day(Some(*at)),
                Cell::count(tally.messages),
                Cell::count(tally.accepted),
                Cell::count(tally.clean),
                Cell::count(tally.refused),
                Cell::share(tally.accepted_percent()),
                Cell::share(clean(tally)),
                Cell::count(tally.delivered),
                Cell::count(tally.rejected),
            ]);
        }
        table
    }

    fn completeness_chart(&self) -> Chart {
        let bars: Vec<_> = Element::ALL
            .iter()
            .map(|one| Bar {
                name: one.told().to_owned(),
                percent: self.sum.element(*one).percent(),
                goal: Some(self.criteria.asked_of(*one)),
            })
            .collect();
        let below = |bar: &&Bar| bar.percent < bar.goal && bar.percent.is_some();
        let low: Vec<_> = bars.iter().filter(below).map(|bar| bar.name.as_str()).collect();
        let says = match low.as_slice() {
            [] => "No element is below its goal.".to_owned(),
            low => format!("Below the goal: {}.", low.join(", ")),
        };
        Chart::bars("completeness", "Messages that hold the element", says, &bars)
    }

    fn elements(&self) -> Table {
        let columns = [
            "Element",
            "Place",
            "Should have it",
            "Have it",
            "Share",
            &self.others_name,
            "Asked for",
            "Goal",
        ];
        let mut table = Table::new("elements", "Completeness", &columns);
        for one in Element::ALL {
            let (share, asked) = (self.sum.element(*one), self.criteria.asked_of(*one));
            let met = match share.percent() {
                None => "nothing to measure",
                Some(percent) if percent >= asked => "met",
                Some(_) => "missed",
            };
            table.rows.push(vec![
                Cell::text(one.told()),
                Cell::text(one.place()),
                Cell::count(share.0),
                Cell::count(share.1),
                Cell::share(share.percent()),
                Cell::share(self.others.element(*one).percent()),
                Cell::share(Some(asked)),
                Cell::text(met),
            ]);
        }
        table
    }

    fn classes(&self) -> [Class; 3] {
        let shares = |class| {
            let (ours, theirs) = (self.sum.timely(class), self.others.timely(class));
            (ours.1, ours.percent(), theirs.percent())
        };
        let (day, ours, theirs) = shares(Timeliness::WithinDay);
        let (fortnight, our_14, their_14) = shares(Timeliness::WithinFortnight);
        let later = |tally: &Tally| {
            let [one, two, three] = tally.timely;
            (three, Share(one + two + three, three).percent())
        };
        let ((late, our_late), (_, their_late)) = (later(&self.sum), later(&self.others));
        let asked = Some(self.criteria.timely_percent);
        [
            ("Within a day", day, ours, theirs, None),
            ("Within 14 days", fortnight, our_14, their_14, asked),
            ("Later", late, our_late, their_late, None),
        ]
    }

    fn timeliness_chart(&self) -> Chart {
        let bars: Vec<_> = self
            .classes()
            .into_iter()
            .map(|(name, _, percent, _, goal)| Bar { name: name.to_owned(), percent, goal })
            .collect();
        let told = |bar: &Bar| {
            let percent = bar.percent.map_or_else(|| "none".to_owned(), |one| format!("{one} %"));
            format!("{}: {percent}.", bar.name)
        };
        let says: Vec<_> = bars.iter().map(told).collect();
        Chart::bars("timeliness", "Messages with a new dose", says.join(" "), &bars)
    }

    fn timely(&self) -> Table {
        let columns =
            ["Message after the dose", "Messages", "Share", &self.others_name, "Asked for"];
        let mut table = Table::new("timeliness", "Timeliness", &columns);
        for (name, count, ours, theirs, asked) in self.classes() {
            let shares = [Cell::share(ours), Cell::share(theirs), goal(asked)];
            table
                .rows
                .push([Cell::text(name), Cell::count(count)].into_iter().chain(shares).collect());
        }
        table
    }

    fn findings(&self) -> Table {
        let mut columns =
            vec!["Rule that was broken", "Code", "Place", "Weight", "Number", "For 100 messages"];
        if self.messages.is_some() {
            columns.push("Messages");
        }
        let mut table = Table::new("findings", "Most frequent findings", &columns);
        for one in &self.findings {
            let rule = Catalogue::built_in().rule(&one.rule);
            let title = rule.map_or_else(|| one.rule.clone(), |rule| rule.title.clone());
            let what = Cell::text(title);
            let number = u64::try_from(one.number).unwrap_or(0);
            let mut row = vec![
                if rule.is_some() {
                    what.to(format!("/rules/{}", encoded(&one.rule)))
                } else {
                    what
                },
                Cell::text(one.rule.as_str()),
                Cell::text(one.place.as_str()),
                Cell::text(match one.severity.as_str() {
                    "E" => "Error",
                    "W" => "Warning",
                    other => other,
                }),
                Cell::count(number),
                Cell::count(number * 100 / self.sum.messages.max(1)),
            ];
            if let Some(list) = self.messages {
                let (environment, rule) = (self.asked.environment, encoded(&one.rule));
                let from = self.asked.from.utc().format("%Y-%m-%d");
                let to = format!("{list}&environment={environment}&rule={rule}&from={from}");
                row.push(Cell::text("Show them").to(to));
            }
            table.rows.push(row);
        }
        table
    }
}

/// How a list tells when the last message came.
pub(super) fn last_day(day: Option<Timestamp>) -> String {
    day.map_or_else(|| "none in 90 days".to_owned(), long_day)
}
