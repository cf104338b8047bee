//! The audit trail: browsed, verified, taken away as a file.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDate;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::sync::Semaphore;

use crate::domain::form::FieldErrors;
use crate::domain::{AccountId, AuditRecord, Permission as P, SiteId, Timestamp, UserId, csv_row};
use crate::portal::moment::Moment;
use crate::portal::page::Trouble;
use crate::portal::staff::{demand, encoded, layout, moment};
use crate::portal::trail::{Told, what};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{Sites, Staff};
use crate::store::{AuditFilter, Store, StoreError, Verdict};

/// Events on one page.
const PAGE: usize = 50;

/// Events in one file.
const MOST: usize = 50_000;

/// A verification reads the whole trail: one at a time.
static VERIFYING: Semaphore = Semaphore::const_new(1);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/audit", get().to(list))
        .route("/staff/audit/verify", web::post().to(verify))
        .route("/staff/audit/export", web::post().to(export));
}

/// How events are written into a file.
#[derive(Clone, Copy)]
enum Form {
    /// A table, safe for spreadsheets.
    Csv,
    /// One JSON object on each line.
    JsonLines,
}

impl Form {
    fn of(word: &str) -> Option<Self> {
        [Self::Csv, Self::JsonLines].into_iter().find(|one| one.word() == word)
    }

    /// How forms and files name it.
    const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    /// What a file begins with.
    fn head(self) -> String {
        match self {
            Self::Csv => csv_row(&AuditRecord::COLUMNS),
            Self::JsonLines => String::new(),
        }
    }

    fn line(self, event: &AuditRecord) -> Result<String, StoreError> {
        match self {
            Self::Csv => Ok(csv_row(&event.cells())),
            Self::JsonLines => serde_json::to_string(event)
                .map(|line| line + "\n")
                .map_err(|_never| StoreError::Locked("it could not be written")),
        }
    }
}

/// Which events are asked for, as it was typed.
#[derive(Default)]
struct Asked {
    object: String,
    actor: String,
    action: String,
    from: String,
    to: String,
}

impl Asked {
    fn of(typed: impl Fn(&str) -> String) -> Self {
        let [object, actor, action, from, to] =
            ["object", "actor", "action", "from", "to"].map(|name| typed(name).trim().to_owned());
        Self { object, actor, action, from, to }
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("object", self.object.as_str()),
            ("actor", self.actor.as_str()),
            ("action", self.action.as_str()),
            ("from", self.from.as_str()),
            ("to", self.to.as_str()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }

    /// As parameters of an address.
    fn query(&self) -> String {
        let parts: Vec<_> =
            self.parts().map(|(name, value)| format!("{name}={}&", encoded(value))).collect();
        parts.concat()
    }

    /// As the trail tells it of an export.
    fn told(&self) -> String {
        let parts: Vec<_> = self.parts().map(|(name, value)| format!("; {name} {value}")).collect();
        parts.concat()
    }

    async fn filter(&self, store: &Store) -> Result<Result<AuditFilter, FieldErrors>, StoreError> {
        let mut errors = FieldErrors::default();
        let (from, to) = (day(&self.from), day(&self.to));
        for (field, read) in [("from", &from), ("to", &to)] {
            if read.is_err() {
                errors.add(field, "Enter a day such as 2026-12-31");
            }
        }
        if let (Ok(Some(from)), Ok(Some(to))) = (&from, &to)
            && from > to
        {
            errors.add("to", "The last day must not be before the first one");
        }
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let begins = |day: Option<NaiveDate>| day.map(Timestamp::pacific_midnight);
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Ok(AuditFilter {
            object: given(named(store, &self.object).await?),
            actor: given(named(store, &self.actor).await?),
            action: given(self.action.clone()),
            since: begins(from.ok().flatten()),
            before: begins(to.ok().flatten().and_then(|day| day.succ_opt())),
            before_id: None,
        }))
    }
}

/// A day; none when nothing was typed.
fn day(text: &str) -> Result<Option<NaiveDate>, chrono::ParseError> {
    Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose()
}

/// What is typed as a User ID or a Site ID, as the trail names it.
async fn named(store: &Store, text: &str) -> Result<String, StoreError> {
    let upper = text.to_ascii_uppercase();
    if !upper.bytes().any(|one| one.is_ascii_digit()) || upper.contains(' ') {
        return Ok(text.to_owned());
    }
    if let Ok(user) = upper.parse::<UserId>() {
        let found = store.account_by_user_id(user).await?;
        return Ok(found.map_or_else(|| text.to_owned(), |found| format!("account {}", found.id)));
    }
    Ok(upper.parse::<SiteId>().map_or_else(|_other| text.to_owned(), |site| format!("site {site}")))
}

/// An event as it is shown.
struct Line {
    id: i64,
    at: Moment,
    actor: String,
    user: Option<String>,
    what: String,
    action: String,
    object: String,
    source: String,
    told: Told,
}

impl From<AuditRecord> for Line {
    fn from(event: AuditRecord) -> Self {
        let user = |text: &str| {
            let number = text.strip_prefix("account ")?.parse().ok()?;
            Some(UserId::of(AccountId(number)).to_string())
        };
        Self {
            id: event.id,
            at: moment(event.at),
            user: user(&event.actor),
            what: what(&event.action),
            told: Told::of(&event),
            actor: event.actor,
            action: event.action,
            object: match user(&event.object) {
                Some(id) => format!("{id} ({})", event.object),
                None => event.object,
            },
            source: event.source,
        }
    }
}

/// What came of a verification.
struct Proof {
    is_good: bool,
    text: String,
}

impl From<Verdict> for Proof {
    fn from(verdict: Verdict) -> Self {
        let text = match verdict.broken {
            None => {
                format!("The chain holds: all {} events are as they were written.", verdict.events)
            }
            Some(number) => format!(
                "The chain is broken at event {number}: {}. The {} events before it are as they were written. Tell the operators at once.",
                verdict.problem.unwrap_or_default(),
                verdict.events
            ),
        };
        Self { is_good: verdict.broken.is_none(), text }
    }
}

#[derive(Template)]
#[template(path = "staff/audit.html")]
struct Trail {
    layout: Layout,
    asked: Asked,
    errors: FieldErrors,
    lines: Vec<Line>,
    next: Option<String>,
    head: String,
    proof: Option<Proof>,
}

/// The page of a filter, from its newest event or from before the one of this number.
async fn page(
    visit: &Visit,
    staff: &Staff,
    asked: Asked,
    before_id: Option<i64>,
    (mut errors, proof): (FieldErrors, Option<Proof>),
) -> Result<HttpResponse, Trouble> {
    let store = visit.portal().sites.store();
    let mut events = vec![];
    match asked.filter(store).await? {
        Ok(filter) => {
            let filter = AuditFilter { before_id, ..filter };
            let limit = i64::try_from(PAGE + 1).unwrap_or_default();
            events = store.audit_list(filter, limit).await?;
        }
        Err(wrong) => errors.0.extend(wrong.0),
    }
    let more = events.len() > PAGE;
    events.truncate(PAGE);
    let next = events
        .last()
        .filter(|_| more)
        .map(|last| format!("/staff/audit?{}before_id={}", asked.query(), last.id));
    let heading = "Who changed or saw what?";
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    Ok(visit.page(&Trail {
        layout: Layout { heading: heading.to_owned(), ..layout(visit, staff, title) },
        asked,
        errors,
        lines: events.into_iter().map(Line::from).collect(),
        next,
        head: store.audit_head().await?,
        proof,
    }))
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(everywhere, &visit, P::ReadAudit);
    let asked = Asked::of(|name| visit.query(name));
    let before_id = visit.query("before_id").parse().ok();
    page(&visit, &staff, asked, before_id, (FieldErrors::default(), None)).await
}

async fn verify(posted: Posted) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(everywhere, &visit, P::ReadAudit);
    let Ok(_turn) = VERIFYING.try_acquire() else {
        return Ok(visit.failure(StatusCode::TOO_MANY_REQUESTS));
    };
    let verdict = visit.portal().sites.store().audit_verify(None, |_number| ()).await?;
    let told = (FieldErrors::default(), Some(Proof::from(verdict)));
    page(&visit, &staff, Asked::default(), None, told).await
}

async fn export(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(everywhere, &visit, P::ReadAudit);
    let asked = Asked::of(|name| fields.get(name).to_owned());
    let Some(form) = Form::of(fields.get("form")) else {
        let errors = FieldErrors::one("main", "Choose CSV or JSON lines");
        return page(&visit, &staff, asked, None, (errors, None)).await;
    };
    let sites = &visit.portal().sites;
    let filter = match asked.filter(sites.store()).await? {
        Ok(filter) => filter,
        // The page finds the same errors again and shows them.
        Err(_errors) => {
            return page(&visit, &staff, asked, None, (FieldErrors::default(), None)).await;
        }
    };
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    if sites.store().audit_exceeds(filter.clone(), most).await? {
        let text =
            "More than 50,000 events fit. Choose fewer days, and take one file for each span";
        let errors = FieldErrors::one("from", text);
        return page(&visit, &staff, asked, None, (errors, None)).await;
    }
    let told = format!("{}{}", form.word(), asked.told());
    sites.audit_exported(&staff, told, &visit.browser()).await?;
    let (day, kind) = (visit.now.utc().format("%Y-%m-%d"), form.word());
    let name = format!("audit-{day}.{kind}");
    let mut response = HttpResponse::Ok()
        .content_type(form.media_type())
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .streaming(file(Arc::clone(sites), filter, form));
    visit.add_cookies(&mut response);
    Ok(response)
}

/// The events of a filter as a file, read page by page while it is sent.
fn file(
    sites: Arc<Sites>,
    filter: AuditFilter,
    form: Form,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    let begin = (Some(form.head()), 0_i64, MOST);
    try_unfold(begin, move |(head, last, left)| {
        let (sites, filter) = (Arc::clone(&sites), filter.clone());
        async move {
            let mut events = sites.store().audit_page(filter, last).await?;
            events.truncate(left);
            if events.is_empty() && head.is_none() {
                return Ok(None);
            }
            let mut text = head.unwrap_or_default();
            for event in &events {
                text.push_str(&form.line(event)?);
            }
            let last = events.last().map_or(last, |event| event.id);
            Ok(Some((Bytes::from(text), (None, last, left - events.len()))))
        }
    })
}
