//! Whether the Gateway takes and forwards messages now: for everybody, as a page and for programs. No counts, no names of
//! ours, no words of operators.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::domain::{Environment, NoticeLevel, PlaceFacts, Stopped, Timestamp};
use crate::portal::banners::Banner;
use crate::portal::moment::{Moment, moment};
use crate::portal::quality::environment_name;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::store::StoreError;

/// How long an answer serves: however often the page is asked for, the database is not.
const FRESH: Duration = Duration::from_secs(10);

/// How the destinations were at a moment.
pub(super) type Standing = Mutex<Option<(Timestamp, Vec<PlaceFacts>)>>;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/status", get().to(page)).route("/status.json", get().to(json));
}

/// Whether a registry gets messages now.
#[derive(Debug, Clone, Serialize)]
struct State {
    region: &'static str,
    name: &'static str,
    environment: Environment,
    takes_messages: bool,
    forwards_messages: bool,
    /// Why not.
    because: Option<String>,
}

impl State {
    fn of(visit: &Visit, one: &PlaceFacts) -> Self {
        let health = one.health(visit.portal().sites.limits(), visit.now);
        let taking = (!health.takes).then(|| {
            "New messages are refused until those that wait are forwarded; send them again later."
                .to_owned()
        });
        let forwarding = one.stopped.map(|why| match (why, &one.maintenance) {
            (Stopped::Maintenance, Some(window)) => {
                format!("The registry is in maintenance until {}.", window.ends_at.pacific_text())
            }
            (Stopped::Maintenance, None) => "The registry is in maintenance.".to_owned(),
            (Stopped::BreakerOpen, _) => "The registry does not answer.".to_owned(),
            (Stopped::Paused, _) => "Forwarding is paused by CDPH.".to_owned(),
        });
        let kept = (health.takes && forwarding.is_some())
            .then(|| "Messages are kept and forwarded as soon as possible.".to_owned());
        let parts: Vec<_> = [forwarding, taking, kept].into_iter().flatten().collect();
        Self {
            region: one.region.as_str(),
            name: one.region.facts().name,
            environment: one.environment,
            takes_messages: health.takes,
            forwards_messages: health.forwards,
            because: (!parts.is_empty()).then(|| parts.join(" ")),
        }
    }

    fn environment_name(&self) -> &'static str {
        environment_name(self.environment)
    }
}

/// How every destination is; read again when the last answer is no longer fresh.
async fn states(visit: &Visit) -> Result<(Timestamp, Vec<State>), StoreError> {
    let portal = visit.portal();
    let mut standing = portal.standing.lock().await;
    let known = standing.take().filter(|(at, _)| visit.now < at.plus(FRESH));
    let (at, places) = match known {
        Some(known) => known,
        None => (visit.now, portal.sites.places(visit.now).await?),
    };
    let states = places.iter().map(|one| State::of(visit, one)).collect();
    *standing = Some((at, places));
    Ok((at, states))
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page {
    layout: Layout,
    at: Moment,
    /// None: the database cannot be read.
    states: Option<Vec<State>>,
    notices: Vec<Banner>,
}

impl Page {
    /// Whether every registry gets messages.
    fn is_well(states: &[State]) -> bool {
        states.iter().all(|one| one.takes_messages && one.forwards_messages)
    }
}

async fn page(visit: Visit) -> HttpResponse {
    let (status, at, states) = match states(&visit).await {
        Ok((at, states)) => (StatusCode::OK, at, Some(states)),
        Err(error) => {
            tracing::error!("the state of the registries could not be read: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, visit.now, None)
        }
    };
    let notices = visit.portal().public_notices(visit.now).await;
    let heading = "Does the Gateway take and forward messages?";
    let layout = Layout { heading: heading.to_owned(), ..visit.layout("Status of the Gateway") };
    visit.page_with(status, &Page { layout, at: moment(at), states, notices })
}

/// The same for programs.
#[derive(Serialize)]
struct Told {
    at: Timestamp,
    takes_messages: bool,
    registries: Vec<State>,
    notices: Vec<ToldNotice>,
}

/// A notice for everybody.
#[derive(Serialize)]
struct ToldNotice {
    level: NoticeLevel,
    title: String,
    text: String,
    until: Timestamp,
}

async fn json(visit: Visit) -> HttpResponse {
    let notices = visit.portal().public_notices(visit.now).await.into_iter();
    let told = |one: Banner| {
        let Banner { level, title, text, until } = one;
        ToldNotice { level, title, text, until }
    };
    let notices = notices.map(told).collect();
    match states(&visit).await {
        Ok((at, registries)) => {
            HttpResponse::Ok().json(Told { at, takes_messages: true, registries, notices })
        }
        Err(error) => {
            tracing::error!("the state of the registries could not be read: {error}");
            let told = Told { at: visit.now, takes_messages: false, registries: vec![], notices };
            HttpResponse::ServiceUnavailable().json(told)
        }
    }
}
