//! What waits for a registry, what needs review, what failed; and many of them sent again, after a look at what that means.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::NaiveDateTime;

use crate::domain::form::FieldErrors;
use crate::domain::{DeliveryState, FailureClass, MessageId, Permission as P, SiteId, Timestamp};
use crate::portal::member::sentence;
use crate::portal::messages::{encoded, in_california, state_tag};
use crate::portal::moment::{Moment, moment};
use crate::portal::page::Trouble;
use crate::portal::staff::delivery::{SEE, name_of, path_of, place_of, reason_of, sentence_of};
use crate::portal::staff::{demand, layout};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, REPLAY_MOST, REPLAY_UNPROVEN, Staff};
use crate::store::{DeliveryFilter, DeliveryLine, DeliverySum, Place, StoreError};

/// Messages on one page.
const PAGE: usize = 50;

/// Sites that a preview names.
const SITES: usize = 20;

/// How far back is looked for messages that have come to an end, when no beginning is given.
const RECENT: Duration = Duration::from_hours(7 * 24);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/delivery/{region}/{environment}/messages", get().to(list))
        .route("/staff/delivery/{region}/{environment}/replay/{which}", get().to(preview))
        .route("/staff/delivery/{region}/{environment}/replay/{which}", web::post().to(replay))
        .route("/staff/delivery/{region}/{environment}/sent/{number}", get().to(sent));
}

/// Where a delivery stands, for people.
const fn state_name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Queued => "Waits to be sent",
        DeliveryState::Delivered => "Delivered",
        DeliveryState::Rejected => "Rejected by the registry",
        DeliveryState::Review => "Needs review",
        DeliveryState::GivenUp => "Given up",
        DeliveryState::Replaced => "Replaced by an edited version",
    }
}

/// Why an attempt failed, for people.
const fn class_name(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Sender => "The message itself",
        FailureClass::Ours => "Our settings or credentials",
        FailureClass::Transient => "No connection",
        FailureClass::Ambiguous => "Nobody knows whether it arrived",
        FailureClass::Poison => "Nobody knows whether it arrived, tries used up",
    }
}

/// What is asked for, as the address says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    state: Option<DeliveryState>,
    class: Option<FailureClass>,
    site: String,
    from: String,
    to: String,
}

/// A minute as a browser takes it.
const MINUTE: &str = "%Y-%m-%dT%H:%M";

/// The same where it stands in a path.
const IN_PATH: &str = "%Y%m%d%H%M";

fn minute(text: &str, form: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, form).ok()
}

impl Asked {
    fn of(visit: &Visit) -> Self {
        let text = |name| visit.query(name).trim().chars().take(40).collect::<String>();
        Self {
            state: visit.query("state").parse().ok(),
            class: visit.query("class").parse().ok(),
            site: text("site").to_ascii_uppercase(),
            from: text("from"),
            to: text("to"),
        }
    }

    fn state(&self) -> DeliveryState {
        self.state.unwrap_or(DeliveryState::Review)
    }

    /// As parameters of an address.
    fn query(&self) -> String {
        format!(
            "state={}&class={}&site={}&from={}&to={}",
            self.state().word(),
            self.class.map_or("", FailureClass::word),
            encoded(&self.site),
            encoded(&self.from),
            encoded(&self.to)
        )
    }

    /// As a part of a path, which somebody comes back to after showing that they are there.
    fn part(&self) -> String {
        let time = |text: &str| {
            minute(text, MINUTE).map(|at| at.format(IN_PATH).to_string()).unwrap_or_default()
        };
        let class = self.class.map_or("", FailureClass::word);
        let parts = [self.state().word(), class, &self.site, &time(&self.from), &time(&self.to)];
        parts.join("_")
    }

    /// From a part of a path.
    fn from_part(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('_').collect();
        let [state, class, site, from, to] = parts[..] else { return None };
        let time = |text| {
            minute(text, IN_PATH).map(|at| at.format(MINUTE).to_string()).unwrap_or_default()
        };
        Some(Self {
            state: Some(state.parse().ok()?),
            class: class.parse().ok(),
            site: site.to_owned(),
            from: time(from),
            to: time(to),
        })
    }

    /// Whether a message that stands so can be sent again.
    fn may_be_sent(&self) -> bool {
        !matches!(self.state(), DeliveryState::Queued | DeliveryState::Replaced)
    }

    /// What the store looks for at a destination, and since when it was cut; or what is wrong.
    fn filter(
        &self,
        (region, environment): Place,
        now: Timestamp,
    ) -> Result<(DeliveryFilter, Option<Timestamp>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut time = |field, text: &str| {
            let read = minute(text, MINUTE).map(in_california);
            if read.is_none() && !text.is_empty() {
                errors.add(field, "Enter a day and a time, such as 2026-12-31T14:00");
            }
            read
        };
        let since = time("from", &self.from);
        // The last minute counts whole.
        let before = time("to", &self.to).map(|at| at.plus(Duration::from_mins(1)));
        let site = self.site.parse::<SiteId>().ok();
        if site.is_none() && !self.site.is_empty() {
            errors.add("site", "Enter a Site ID such as DE-000001");
        }
        if since.zip(before).is_some_and(|(since, before)| before <= since) {
            errors.add("to", "The end must be after the beginning");
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let is_open = matches!(self.state(), DeliveryState::Queued | DeliveryState::Review);
        let cut = (!is_open && since.is_none()).then(|| now.minus(RECENT));
        let filter = DeliveryFilter {
            states: vec![self.state()],
            region: Some(region),
            environment: Some(environment),
            class: self.class,
            sender: None,
            site,
            since: since.or(cut),
            before,
        };
        Ok((filter, cut))
    }

    /// In words, for the record and for who confirms.
    fn told(&self) -> String {
        let mut told = state_name(self.state()).to_owned();
        for (name, value) in [
            ("last failure", self.class.map_or("", class_name)),
            ("Site", self.site.as_str()),
            ("from", &self.from.replace('T', " ")),
            ("to", &self.to.replace('T', " ")),
        ] {
            if !value.is_empty() {
                told = format!("{told}; {name}: {value}");
            }
        }
        told
    }
}

/// A message as it is shown.
struct Row {
    id: MessageId,
    received: Moment,
    control_id: String,
    site: SiteId,
    tag: &'static str,
    state: &'static str,
    attempts: i64,
    error: Option<String>,
    class: Option<&'static str>,
    /// When it is tried next, or when it ended.
    time: Option<(&'static str, Moment)>,
    is_doubtful: bool,
}

impl From<DeliveryLine> for Row {
    fn from(line: DeliveryLine) -> Self {
        let one = line.delivery;
        let time = match one.state {
            DeliveryState::Queued => Some(("next try", moment(one.next_attempt_at))),
            _ => one.settled_at.map(|at| ("ended", moment(at))),
        };
        Self {
            id: one.message,
            received: moment(line.received_at),
            control_id: line.control_id,
            site: line.site,
            tag: state_tag(one.state.of_message()),
            state: state_name(one.state),
            attempts: one.attempts,
            error: one.last_error.as_deref().map(sentence_of),
            class: one.last_class.map(class_name),
            time,
            is_doubtful: one.doubtful > 0,
        }
    }
}

/// What can be chosen: word, name, whether it is.
type Offered = (&'static str, &'static str, bool);

#[derive(Template)]
#[template(path = "staff/delivery_messages.html")]
struct List {
    layout: Layout,
    errors: FieldErrors,
    path: String,
    states: Vec<Offered>,
    classes: Vec<Offered>,
    asked: Asked,
    rows: Vec<Row>,
    since: Option<Moment>,
    next: Option<String>,
    replay: Option<String>,
}

async fn list(visit: Visit, path: web::Path<(String, String)>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, SEE);
    let place = place_of(&staff, (&path.0, &path.1))?;
    let asked = Asked::of(&visit);
    let (found, cut, errors) = match asked.filter(place, visit.now) {
        Ok((filter, cut)) => {
            let limit = i64::try_from(PAGE + 1).unwrap_or_default();
            let before = visit.query("before").parse().ok();
            let store = visit.portal().sites.store();
            (store.delivery_page(filter, before, limit).await?, cut, FieldErrors::default())
        }
        Err(errors) => (vec![], None, errors),
    };
    Ok(visit.page(&listed(&visit, &staff, place, (asked, found, cut, errors))))
}

fn listed(
    visit: &Visit,
    staff: &Staff,
    place: Place,
    (asked, mut found, cut, errors): (Asked, Vec<DeliveryLine>, Option<Timestamp>, FieldErrors),
) -> List {
    let path = path_of(place);
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| format!("{path}/messages?{}&before={}", asked.query(), last.delivery.message));
    let may_replay = staff.may_operate(place.0) && asked.may_be_sent() && !found.is_empty();
    let heading = format!("Messages: {}", name_of(place));
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    List {
        layout: Layout { heading, ..layout(visit, staff, title) },
        errors,
        states: DeliveryState::ALL
            .iter()
            .map(|one| (one.word(), state_name(*one), *one == asked.state()))
            .collect(),
        classes: FailureClass::ALL
            .iter()
            .map(|one| (one.word(), class_name(*one), Some(*one) == asked.class))
            .collect(),
        rows: found.into_iter().map(Row::from).collect(),
        since: cut.map(moment),
        next,
        replay: may_replay.then(|| format!("{path}/replay/{}", asked.part())),
        asked,
        path,
    }
}

#[derive(Template)]
#[template(path = "staff/replay.html")]
struct Preview {
    layout: Layout,
    errors: FieldErrors,
    /// Address of the destination.
    back: String,
    /// Address of this page.
    path: String,
    asked: String,
    list: String,
    sum: DeliverySum,
    oldest: Option<Moment>,
    newest: Option<Moment>,
    sites: Vec<(SiteId, i64)>,
    others: usize,
    is_delivered: bool,
    is_too_many: bool,
    most: i64,
    reason: String,
}

/// The page of what would be sent again.
async fn previewed(
    visit: &Visit,
    staff: &Staff,
    (place, asked): (Place, Asked),
    (reason, errors): (&str, FieldErrors),
) -> Result<HttpResponse, Trouble> {
    let Ok((filter, _)) = asked.filter(place, visit.now) else { return Ok(visit.missing()) };
    let sum = visit.portal().sites.store().delivery_sum(filter).await?;
    let heading = format!("Send again: {}", name_of(place));
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    let title = if errors.is_empty() { heading.clone() } else { format!("Error: {heading}") };
    let back = path_of(place);
    let page = Preview {
        layout: Layout { heading, ..layout(visit, staff, title) },
        errors,
        path: format!("{back}/replay/{}", asked.part()),
        list: format!("{back}/messages?{}", asked.query()),
        back,
        asked: asked.told(),
        oldest: sum.oldest.map(|id| moment(id.moment())),
        newest: sum.newest.map(|id| moment(id.moment())),
        sites: sum.sites.iter().take(SITES).cloned().collect(),
        others: sum.sites.len().saturating_sub(SITES),
        is_delivered: asked.state() == DeliveryState::Delivered,
        is_too_many: sum.messages > REPLAY_MOST,
        most: REPLAY_MOST,
        reason: reason.to_owned(),
        sum,
    };
    Ok(visit.page_with(status, &page))
}

/// What somebody who operates this destination asks to send again.
fn replayed(staff: &Staff, path: &(String, String, String)) -> Result<(Place, Asked), StoreError> {
    let place = place_of(staff, (&path.0, &path.1))?;
    Asked::from_part(&path.2)
        .filter(|asked| asked.may_be_sent() && staff.may_operate(place.0))
        .map(|asked| (place, asked))
        .ok_or_else(|| StoreError::NotFound("such messages".to_owned()))
}

async fn preview(
    visit: Visit,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::Operate]);
    let what = replayed(&staff, &path)?;
    previewed(&visit, &staff, what, ("", FieldErrors::default())).await
}

async fn replay(
    posted: Posted,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::Operate]);
    let (place, asked) = replayed(&staff, &path)?;
    let Ok((filter, _)) = asked.filter(place, visit.now) else { return Ok(visit.missing()) };
    let mut errors = FieldErrors::default();
    let typed = fields.get("reason").to_owned();
    let reason = reason_of(&typed, "reason", &mut errors);
    let sites = &visit.portal().sites;
    let counted = fields.get("counted").parse::<i64>().unwrap_or_default();
    let meant = sites.store().delivery_count(filter.clone()).await?;
    if meant > counted {
        errors.add("reason", format!("Meanwhile it is {meant} messages: look again"));
    }
    if !errors.is_empty() {
        return previewed(&visit, &staff, (place, asked), (&typed, errors)).await;
    }
    let reason = format!("{reason} ({meant}: {})", asked.told());
    match sites.staff_replay(&staff, place, (filter, reason), &visit.browser()).await {
        Ok(number) => Ok(visit.redirect(&format!("{}/sent/{number}", path_of(place)))),
        Err(AccountError::StepUp) => {
            let next = format!("{}/replay/{}", path_of(place), asked.part());
            Ok(visit.redirect(&format!("/account/confirm?next={next}")))
        }
        Err(AccountError::Store(StoreError::Refused(refusal))) => {
            let errors = FieldErrors::one("reason", sentence(&refusal.0));
            previewed(&visit, &staff, (place, asked), (&typed, errors)).await
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "staff/replayed.html")]
struct Sent {
    layout: Layout,
    back: String,
    number: u32,
}

async fn sent(
    visit: Visit,
    path: web::Path<(String, String, u32)>,
) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::Operate]);
    let place = place_of(&staff, (&path.0, &path.1))?;
    let heading = format!("Sent again: {}", name_of(place));
    Ok(visit.page(&Sent {
        layout: layout(&visit, &staff, heading),
        back: path_of(place),
        number: path.2,
    }))
}

/// A replay of more than [`REPLAY_UNPROVEN`] asks for another proof.
impl Preview {
    const fn asks_for_proof(&self) -> bool {
        self.sum.messages > REPLAY_UNPROVEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;

    #[test]
    fn what_is_asked_survives_the_way_through_a_path() {
        let asked = Asked {
            state: Some(DeliveryState::GivenUp),
            class: Some(FailureClass::Ours),
            site: "DE-000001".to_owned(),
            from: "2026-11-22T14:05".to_owned(),
            to: String::new(),
        };
        assert_eq!(asked.part(), "given-up_ours_DE-000001_202611221405_");
        assert_eq!(Asked::from_part(&asked.part()), Some(asked));
        for wrong in ["", "review", "gone____", "review_a_b_c_d_e"] {
            assert_eq!(Asked::from_part(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_is_open_is_looked_for_without_a_beginning() {
        let place = ("CAIRBA".parse().unwrap(), Environment::Test);
        let now = Timestamp::now();
        let cut = |state| {
            let asked = Asked { state: Some(state), ..Asked::default() };
            asked.filter(place, now).unwrap().1.is_some()
        };
        assert!(!cut(DeliveryState::Queued) && !cut(DeliveryState::Review));
        assert!(cut(DeliveryState::Delivered) && cut(DeliveryState::Rejected));
        let wrong = Asked { site: "X".to_owned(), from: "soon".to_owned(), ..Asked::default() };
        let errors = wrong.filter(place, now).unwrap_err();
        assert!(errors.of("site").is_some() && errors.of("from").is_some());
    }
}
