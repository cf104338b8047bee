//! Notices: staff write one, look at it, publish it, change it, end it.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDateTime;

use crate::domain::form::{Answers, FieldErrors};
use crate::domain::{
    Audience, NoticeLevel, NoticeState, NoticeText, Permission as P, SystemNotice, Timestamp,
};
use crate::portal::banners::Banner;
use crate::portal::member::capital;
use crate::portal::messages::in_california;
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::quality::Offered;
use crate::portal::staff::{demand, done, layout, regions_of};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, Staff, may_write_to};
use crate::store::StoreError;

/// Notices on one page.
const PAGE: usize = 30;

/// Characters of a title, and of a text.
const LONGEST: (usize, usize) = (100, 600);

/// Days that a notice is shown at most.
const LONGEST_TIME: u32 = 366;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/notices", get().to(list))
        .route("/staff/notices/new", get().to(new))
        .route("/staff/notices/new", web::post().to(publish))
        .route("/staff/notices/{id}", get().to(edit))
        .route("/staff/notices/{id}", web::post().to(change))
        .route("/staff/notices/{id}/end", web::post().to(end));
}

/// A notice in the list.
struct Row {
    id: i64,
    title: String,
    level: &'static str,
    audience: String,
    state: &'static str,
    tag: &'static str,
    begins: Moment,
    ends: Moment,
    author: String,
    written: Moment,
    changed: Option<Moment>,
    is_over: bool,
}

#[derive(Template)]
#[template(path = "staff/notices.html")]
struct List {
    layout: Layout,
    said: Option<&'static str>,
    rows: Vec<Row>,
    next: Option<String>,
}

const DONE: [(&str, &str); 3] = [
    ("publish", "The notice is kept: it is shown during its time."),
    ("change", "The notice is changed."),
    ("end", "The notice is not shown any more."),
];

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::Announce]);
    let store = visit.portal().sites.store();
    let before = visit.query("before").parse().ok();
    let limit = i64::try_from(PAGE + 1).unwrap_or_default();
    let mut found = store.notice_list(staff.scope(P::Announce), before, limit).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|one| format!("/staff/notices?before={}", one.id));
    let authors = found.iter().map(|one| one.written_by).collect();
    let names = store.account_names(authors).await?;
    let row = |one: SystemNotice| {
        let state = one.state(visit.now);
        Row {
            id: one.id,
            level: one.says.level.name(),
            audience: one.says.audience.name(),
            state: state.name(),
            tag: match state {
                NoticeState::Planned => "tag-blue",
                NoticeState::Shown => "tag-green",
                NoticeState::Over => "tag-grey",
            },
            begins: moment(one.says.begins_at),
            ends: moment(one.ended_at.unwrap_or(one.says.ends_at)),
            author: names.get(&one.written_by).cloned().unwrap_or_default(),
            written: moment(one.written_at),
            changed: one.changed_at.map(moment),
            is_over: state == NoticeState::Over,
            title: one.says.title,
        }
    };
    Ok(visit.page(&List {
        layout: layout(&visit, &staff, "Which notices are shown?"),
        said: done(&visit, &DONE),
        rows: found.into_iter().map(row).collect(),
        next,
    }))
}

/// What is typed into the form of a notice.
struct Typed(Answers);

impl Typed {
    fn new(now: Timestamp) -> Self {
        let mut answers = Answers::default();
        let local = |at: Timestamp| at.pacific().format("%Y-%m-%dT%H:%M").to_string();
        answers.set("begins", local(now));
        answers.set("ends", local(now.plus(Duration::from_hours(24))));
        answers.set("level", NoticeLevel::Info.word());
        Self(answers)
    }

    fn of(says: &NoticeText) -> Self {
        let mut answers = Answers::default();
        let local = |at: Timestamp| at.pacific().format("%Y-%m-%dT%H:%M").to_string();
        answers.set("title", &says.title);
        answers.set("text", &says.text);
        answers.set("level", says.level.word());
        answers.set("audience", says.audience.word());
        answers.set("begins", local(says.begins_at));
        answers.set("ends", local(says.ends_at));
        Self(answers)
    }

    /// What the notice says, or what is wrong with it.
    fn read(&self, staff: &Staff, now: Timestamp) -> Result<NoticeText, FieldErrors> {
        let mut errors = FieldErrors::default();
        let [title, text] = ["title", "text"].map(|name| plain(self.0.get(name)));
        if title.is_empty() {
            errors.add("title", "Write what it is about, in a few words");
        } else if title.chars().count() > LONGEST.0 {
            errors.add("title", format!("Write at most {} characters", LONGEST.0));
        }
        if text.is_empty() {
            errors.add("text", "Write what people should know or do");
        } else if text.chars().count() > LONGEST.1 {
            errors.add("text", format!("Write at most {} characters", LONGEST.1));
        }
        let level = self.0.get("level").parse::<NoticeLevel>().unwrap_or(NoticeLevel::Info);
        let audience = self.0.get("audience").parse::<Audience>().ok();
        let audience = audience.filter(|one| may_write_to(staff, *one));
        if audience.is_none() {
            errors.add("audience", "Choose who is to see it");
        }
        let begins = self.moment("begins", &mut errors);
        let ends = self.moment("ends", &mut errors);
        if let (Some(begins), Some(ends)) = (begins, ends) {
            if ends <= begins || ends <= now {
                errors.add("ends", "Enter an end that is yet to come, after the beginning");
            } else if ends > begins.plus(Duration::from_hours(24) * LONGEST_TIME) {
                errors.add("ends", format!("Enter an end within {LONGEST_TIME} days"));
            }
        }
        match (audience, begins, ends, errors.is_empty()) {
            (Some(audience), Some(begins_at), Some(ends_at), true) => {
                Ok(NoticeText { title, text, level, audience, begins_at, ends_at })
            }
            _ => Err(errors),
        }
    }

    fn moment(&self, name: &'static str, errors: &mut FieldErrors) -> Option<Timestamp> {
        let read = NaiveDateTime::parse_from_str(self.0.get(name).trim(), "%Y-%m-%dT%H:%M");
        if read.is_err() {
            errors.add(name, "Enter a day and a time, such as 2026-12-31T14:00");
        }
        read.ok().map(in_california)
    }
}

/// A text with its lines, without other control characters and without blanks at its ends.
fn plain(text: &str) -> String {
    let kept = text.replace("\r\n", "\n");
    kept.chars()
        .filter(|one| *one == '\n' || !one.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}

#[derive(Template)]
#[template(path = "staff/notice.html")]
struct Form {
    layout: Layout,
    errors: FieldErrors,
    /// None: a new one.
    id: Option<i64>,
    action: String,
    levels: Vec<Offered>,
    audiences: Vec<Offered>,
    typed: Answers,
    preview: Option<Banner>,
}

fn form(
    visit: &Visit,
    staff: &Staff,
    id: Option<i64>,
    (typed, errors, preview): (Typed, FieldErrors, Option<Banner>),
) -> HttpResponse {
    let heading = if id.is_some() { "Change the notice" } else { "Write a notice" };
    let title = if errors.is_empty() { heading.to_owned() } else { format!("Error: {heading}") };
    let scope = staff.scope(P::Announce);
    let all = [Audience::Everybody, Audience::SignedIn].into_iter();
    let audiences = all
        .chain(regions_of(&scope).into_iter().map(Audience::Region))
        .filter(|one| may_write_to(staff, *one))
        .map(|one| (one.word().to_owned(), one.name(), one.word() == typed.0.get("audience")));
    let levels = NoticeLevel::ALL.iter().map(|one| {
        (one.word().to_owned(), one.name().to_owned(), one.word() == typed.0.get("level"))
    });
    visit.page(&Form {
        layout: Layout { heading: heading.to_owned(), ..layout(visit, staff, title) },
        errors,
        action: id
            .map_or_else(|| "/staff/notices/new".to_owned(), |id| format!("/staff/notices/{id}")),
        id,
        levels: levels.collect(),
        audiences: audiences.collect(),
        typed: typed.0,
        preview,
    })
}

async fn new(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::Announce]);
    let typed = Typed::new(visit.now);
    Ok(form(&visit, &staff, None, (typed, FieldErrors::default(), None)))
}

async fn edit(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::Announce]);
    let Ok(id) = id.parse::<i64>() else { return Ok(visit.missing()) };
    let store = visit.portal().sites.store();
    let found = store.notice_in_view(id, staff.scope(P::Announce)).await?;
    if found.state(visit.now) == NoticeState::Over {
        return Ok(visit.redirect("/staff/notices"));
    }
    let typed = Typed::of(&found.says);
    Ok(form(&visit, &staff, Some(id), (typed, FieldErrors::default(), None)))
}

async fn publish(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Announce]);
    keep(&visit, &staff, None, Typed(fields)).await
}

async fn change(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Announce]);
    let Ok(id) = id.parse::<i64>() else { return Ok(visit.missing()) };
    visit.portal().sites.store().notice_in_view(id, staff.scope(P::Announce)).await?;
    keep(&visit, &staff, Some(id), Typed(fields)).await
}

/// Shows how a notice will look, or keeps it.
async fn keep(
    visit: &Visit,
    staff: &Staff,
    id: Option<i64>,
    typed: Typed,
) -> Result<HttpResponse, Trouble> {
    let says = match typed.read(staff, visit.now) {
        Ok(says) => says,
        Err(errors) => return Ok(form(visit, staff, id, (typed, errors, None))),
    };
    if typed.0.get("step") != "publish" {
        let NoticeText { title, text, level, ends_at, .. } = says;
        let preview = Banner { level, title, text, until: ends_at };
        return Ok(form(visit, staff, id, (typed, FieldErrors::default(), Some(preview))));
    }
    match visit.portal().sites.staff_notice_publish(staff, id, says, &visit.browser()).await {
        Ok(_id) => {
            visit.portal().forget_notices();
            let word = if id.is_some() { "change" } else { "publish" };
            Ok(visit.redirect(&format!("/staff/notices?done={word}")))
        }
        Err(AccountError::Store(StoreError::Refused(refusal))) => {
            let errors = FieldErrors::one("main", capital(&refusal.0));
            Ok(form(visit, staff, id, (typed, errors, None)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn end(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::Announce]);
    let Ok(id) = id.parse::<i64>() else { return Ok(visit.missing()) };
    visit.portal().sites.staff_notice_end(&staff, id, &visit.browser()).await?;
    visit.portal().forget_notices();
    Ok(visit.redirect("/staff/notices?done=end"))
}
