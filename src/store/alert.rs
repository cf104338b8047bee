//! Alerts: which are open, what people were told, who has taken one on.
//!
//! What one look found is written in one transaction with its letters, and an open alert has one row for its kind and
//! subject: of two nodes that look at the same time one opens it, one ends it and one tells.

use std::collections::HashMap;
use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    AccountId, Alert, AlertCall, AlertKind, AlertNews, AlertStep, DeliveryState, Environment,
    Letter, MessageId, MessageState, Observation, Reading, RecentOutcomes, Refusal, RegionCode,
    Scope, Timestamp, alert_step,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::destination::Place;
use crate::store::literal::Condition;
use crate::store::schema::{alert, alert_watch, alert_wish, delivery, message, tally_mark};
use crate::store::webhook_call::{self, CallTo};
use crate::store::{Deed, Store, StoreError};

/// How long something must look good before its alert is over, how often people are reminded, and who is told besides them.
#[derive(Debug, Clone, Copy)]
pub struct AlertTimes {
    /// Until an alert is over.
    pub calm: Duration,
    /// Between two reminders.
    pub remind: Duration,
    /// Whether the operators' program is called, too.
    pub calls: bool,
}

/// The letters about what is news.
pub type WriteAlerts = Box<dyn FnOnce(&[(Alert, AlertNews)]) -> Vec<Letter> + Send>;

type Row = (
    i64,
    AlertKind,
    String,
    Option<RegionCode>,
    String,
    Timestamp,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<AccountId>,
    Option<String>,
    Option<Timestamp>,
);

fn from_row(row: Row) -> Alert {
    Alert {
        id: row.0,
        kind: row.1,
        subject: row.2,
        region: row.3,
        words: row.4,
        since: row.5,
        calm_since: row.6,
        told_at: row.7,
        cleared_at: row.8,
        acknowledged_at: row.9,
        acknowledged_by: row.10,
        note: row.11,
        muted_until: row.12,
    }
}

/// As a literal, so that both databases see that their partial index applies.
const fn is_open() -> Condition {
    Condition("alert.cleared_at IS NULL")
}

fn all_open(conn: &mut DbConnection) -> Result<Vec<Alert>, StoreError> {
    let rows = alert::table.filter(is_open()).order((alert::since.desc(), alert::id.desc()));
    Ok(rows.load::<Row>(conn)?.into_iter().map(from_row).collect())
}

fn by_id(conn: &mut DbConnection, id: i64, scope: &Scope) -> Result<Alert, StoreError> {
    let row = alert::table.find(id).first::<Row>(conn).optional()?;
    row.map(from_row)
        .filter(|one| scope.covers(one.region))
        .ok_or_else(|| StoreError::NotFound(format!("alert {id}")))
}

/// Writes what an observation makes of an alert. Gives it when that is news to somebody.
fn observe(
    conn: &mut DbConnection,
    known: Option<&Alert>,
    one: &Observation,
    calm: Duration,
    now: Timestamp,
) -> Result<Option<(Alert, AlertNews)>, StoreError> {
    let step = alert_step(known.map(|alert| alert.calm_since), one.reading, calm, now);
    let Some(known) = known else {
        return if step == AlertStep::Open { opened(conn, one, now) } else { Ok(None) };
    };
    let row = || alert::table.find(known.id);
    if one.reading == Reading::Bad && one.words != known.words {
        diesel::update(row()).set(alert::words.eq(&one.words)).execute(conn)?;
    }
    match step {
        AlertStep::Calm => {
            diesel::update(row().filter(alert::calm_since.is_null()))
                .set(alert::calm_since.eq(Some(now)))
                .execute(conn)?;
        }
        AlertStep::Restless => {
            diesel::update(row()).set(alert::calm_since.eq(None::<Timestamp>)).execute(conn)?;
        }
        AlertStep::Clear => {
            let ended = diesel::update(row().filter(is_open()))
                .set(alert::cleared_at.eq(Some(now)))
                .execute(conn)?;
            let over = Alert { cleared_at: Some(now), ..known.clone() };
            let is_news = ended == 1 && over.told_at.is_some() && !over.is_muted(now);
            return Ok(is_news.then_some((over, AlertNews::Over)));
        }
        AlertStep::Nothing | AlertStep::Open => {}
    }
    Ok(None)
}

/// Opens an alert, unless another node was faster. Who muted the last one of its kind and subject is not told of this one.
fn opened(
    conn: &mut DbConnection,
    one: &Observation,
    now: Timestamp,
) -> Result<Option<(Alert, AlertNews)>, StoreError> {
    let muted = alert::table
        .filter(alert::kind.eq(one.kind))
        .filter(alert::subject.eq(&one.subject))
        .order(alert::id.desc())
        .select(alert::muted_until)
        .first::<Option<Timestamp>>(conn)
        .optional()?
        .flatten()
        .filter(|until| now < *until);
    let told_at = muted.is_none().then_some(now);
    let row = (
        alert::kind.eq(one.kind),
        alert::subject.eq(&one.subject),
        alert::region.eq(one.region),
        alert::words.eq(&one.words),
        alert::since.eq(now),
        alert::told_at.eq(told_at),
        alert::muted_until.eq(muted),
    );
    let new = on_either!(conn, conn => diesel::insert_into(alert::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(conn)?);
    if new == 0 || told_at.is_none() {
        return Ok(None);
    }
    let found = alert::table
        .filter(is_open())
        .filter(alert::kind.eq(one.kind))
        .filter(alert::subject.eq(&one.subject))
        .first::<Row>(conn)?;
    Ok(Some((from_row(found), AlertNews::Opened)))
}

/// Tells of an alert again, or for the first time when it is not muted any more; by one node.
fn told_again(
    conn: &mut DbConnection,
    known: &Alert,
    remind: Duration,
    now: Timestamp,
) -> Result<Option<(Alert, AlertNews)>, StoreError> {
    let is_new = known.told_at.is_none() && !known.is_muted(now);
    if !(is_new || known.needs_reminder(remind, now)) {
        return Ok(None);
    }
    let row = alert::table.find(known.id).filter(is_open());
    let told = match known.told_at {
        None => diesel::update(row.filter(alert::told_at.is_null()))
            .set(alert::told_at.eq(Some(now)))
            .execute(conn)?,
        Some(before) => diesel::update(row.filter(alert::told_at.eq(Some(before))))
            .set(alert::told_at.eq(Some(now)))
            .execute(conn)?,
    };
    let news = if is_new { AlertNews::Opened } else { AlertNews::StillOpen };
    Ok((told == 1).then(|| (Alert { told_at: Some(now), ..known.clone() }, news)))
}

impl Store {
    /// Writes what a look found: alerts begin, go on and end, and the letters about what is news are queued with it. An open
    /// alert that nothing was observed of is taken to look good. Gives what is news.
    pub async fn alert_look(
        &self,
        observed: Vec<Observation>,
        times: AlertTimes,
        write: WriteAlerts,
        now: Timestamp,
    ) -> Result<Vec<(Alert, AlertNews)>, StoreError> {
        let postbox = self.postbox();
        self.write(move |conn| {
            let open = all_open(conn)?;
            let key = |one: &Alert| (one.kind, one.subject.clone());
            let unobserved = open.iter().filter(|alert| {
                !observed.iter().any(|one| (one.kind, &one.subject) == (alert.kind, &alert.subject))
            });
            let gone = unobserved.map(|alert| Observation {
                kind: alert.kind,
                subject: alert.subject.clone(),
                region: alert.region,
                reading: Reading::Good,
                words: String::new(),
            });
            let mut all: Vec<Observation> = gone.collect();
            all.extend(observed);
            // Always in the same order, so that two nodes never wait for each other's rows crosswise.
            all.sort_by(|one, other| (one.kind, &one.subject).cmp(&(other.kind, &other.subject)));
            let known: HashMap<_, _> = open.iter().map(|alert| (key(alert), alert)).collect();
            let mut news = vec![];
            for one in &all {
                let known = known.get(&(one.kind, one.subject.clone())).copied();
                news.extend(observe(conn, known, one, times.calm, now)?);
            }
            for one in all_open(conn)? {
                news.extend(told_again(conn, &one, times.remind, now)?);
            }
            for letter in write(&news) {
                // An address that has had too many gets none; it is counted, and the page tells the same.
                let _ = postbox.queue(conn, &letter, now)?;
            }
            for (alert, news) in news.iter().filter(|_| times.calls) {
                let call = AlertCall::from(alert);
                webhook_call::queue(conn, &[CallTo::Operators], news.word(), &call, now)?;
            }
            diesel::update(alert_watch::table.find(1))
                .set(alert_watch::looked_at.eq(Some(now)))
                .execute(conn)?;
            Ok(news)
        })
        .await
    }

    /// When somebody last looked for what alerts are about.
    pub async fn alert_looked_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|conn| {
            let row = alert_watch::table.find(1).select(alert_watch::looked_at);
            Ok(row.first::<Option<Timestamp>>(conn).optional()?.flatten())
        })
        .await
    }

    /// The open alerts of a scope, the latest first.
    pub async fn alert_open_list(&self, scope: Scope) -> Result<Vec<Alert>, StoreError> {
        self.read(move |conn| {
            let open = all_open(conn)?;
            Ok(open.into_iter().filter(|one| scope.covers(one.region)).collect())
        })
        .await
    }

    /// Alerts of a scope that are over, the latest first, before one of this number.
    pub async fn alert_past_list(
        &self,
        scope: Scope,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Alert>, StoreError> {
        self.read(move |conn| {
            let mut query = alert::table
                .filter(alert::cleared_at.is_not_null())
                .order(alert::id.desc())
                .limit(limit)
                .into_boxed();
            if let Some(before) = before {
                query = query.filter(alert::id.lt(before));
            }
            match &scope {
                Scope::All => {}
                Scope::Nowhere => return Ok(vec![]),
                Scope::Regions(regions) => {
                    let codes: Vec<_> = regions.iter().map(ToString::to_string).collect();
                    query = query.filter(alert::region.eq_any(codes));
                }
            }
            Ok(query.load::<Row>(conn)?.into_iter().map(from_row).collect())
        })
        .await
    }

    /// An alert, when it lies in a scope; else it is as unknown as none.
    pub async fn alert_in_view(&self, id: i64, scope: Scope) -> Result<Alert, StoreError> {
        self.read(move |conn| by_id(conn, id, &scope)).await
    }

    /// Somebody takes an open alert on.
    ///
    /// # Errors
    /// When it is over, or somebody has done so already.
    pub async fn alert_acknowledge(
        &self,
        id: i64,
        scope: Scope,
        (who, note): (AccountId, String),
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            by_id(conn, id, &scope)?;
            let free =
                alert::table.find(id).filter(is_open()).filter(alert::acknowledged_at.is_null());
            let taken = diesel::update(free)
                .set((
                    alert::acknowledged_at.eq(Some(doing.now)),
                    alert::acknowledged_by.eq(Some(who)),
                    alert::note.eq(Some(note.as_str())),
                ))
                .execute(conn)?;
            if taken == 0 {
                let text = "the alert is over, or somebody has taken it on already";
                return Err(Refusal(text.to_owned()).into());
            }
            doing.end(conn, "alert.acknowledge", &format!("alert {id}"), None, Some(&note))?;
            Ok(())
        })
        .await
    }

    /// Nobody is told of an alert, nor of the next one of its kind and subject, until a moment; none: people are told again.
    pub async fn alert_mute(
        &self,
        id: i64,
        scope: Scope,
        until: Option<Timestamp>,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = by_id(conn, id, &scope)?;
            let open = alert::table.find(id).filter(is_open());
            let muted = diesel::update(open).set(alert::muted_until.eq(until)).execute(conn)?;
            if muted == 0 {
                return Err(Refusal("the alert is over".to_owned()).into());
            }
            let told = |at: Option<Timestamp>| at.map(|at| format!("muted until {at}"));
            let (before, after) = (told(before.muted_until), told(until));
            doing.end(
                conn,
                "alert.mute",
                &format!("alert {id}"),
                before.as_deref(),
                after.as_deref(),
            )?;
            Ok(())
        })
        .await
    }

    /// Whether somebody wants letters about alerts; none: as it is usual.
    pub async fn alert_wish(&self, id: AccountId) -> Result<Option<bool>, StoreError> {
        self.read(move |conn| {
            Ok(alert_wish::table.find(id).select(alert_wish::letters).first(conn).optional()?)
        })
        .await
    }

    /// Who has chosen whether they want letters about alerts.
    pub async fn alert_wishes(&self) -> Result<HashMap<AccountId, bool>, StoreError> {
        self.read(|conn| {
            Ok(alert_wish::table.load::<(AccountId, bool)>(conn)?.into_iter().collect())
        })
        .await
    }

    /// Keeps whether somebody wants letters about alerts.
    pub async fn alert_wish_set(
        &self,
        id: AccountId,
        letters: bool,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            if diesel::update(alert_wish::table.find(id))
                .set(alert_wish::letters.eq(letters))
                .execute(conn)?
                == 0
            {
                diesel::insert_into(alert_wish::table)
                    .values((alert_wish::account_id.eq(id), alert_wish::letters.eq(letters)))
                    .execute(conn)?;
            }
            let told = if letters { "letters about alerts" } else { "no letters about alerts" };
            doing.end(conn, "alert.letters", &format!("account {id}"), None, Some(told))?;
            Ok(())
        })
        .await
    }

    /// What came of messages since a moment, by region and environment. Reads the messages of that time; ask for minutes.
    pub async fn recent_outcomes(
        &self,
        since: Timestamp,
    ) -> Result<Vec<RecentOutcomes>, StoreError> {
        type Received = (Option<RegionCode>, Environment, MessageState, i64);
        type Settled = (RegionCode, Environment, DeliveryState, i64);
        self.read(move |conn| {
            let received = message::table
                .filter(message::id.ge(MessageId::first_at(since)))
                .group_by((message::region, message::environment, message::state))
                .select((
                    message::region,
                    message::environment,
                    message::state,
                    diesel::dsl::count_star(),
                ))
                .load::<Received>(conn)?;
            let settled = delivery::table
                .filter(delivery::settled_at.ge(Some(since)))
                .group_by((delivery::region, delivery::environment, delivery::state))
                .select((
                    delivery::region,
                    delivery::environment,
                    delivery::state,
                    diesel::dsl::count_star(),
                ))
                .load::<Settled>(conn)?;
            Ok(outcomes(received, settled))
        })
        .await
    }

    /// Since when a message waits to be counted; none when all are.
    pub async fn tally_waits_since(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|conn| {
            let mark: i64 = tally_mark::table.find(1).select(tally_mark::received).first(conn)?;
            let next = message::table
                .filter(message::id.gt(MessageId(mark)))
                .order(message::id.asc())
                .select(message::id)
                .first::<MessageId>(conn)
                .optional()?;
            Ok(next.map(MessageId::moment))
        })
        .await
    }
}

fn outcomes(
    received: Vec<(Option<RegionCode>, Environment, MessageState, i64)>,
    settled: Vec<(RegionCode, Environment, DeliveryState, i64)>,
) -> Vec<RecentOutcomes> {
    let mut all: HashMap<Place, RecentOutcomes> = HashMap::new();
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    for (region, environment, state, number) in received {
        let is_query = matches!(state, MessageState::Answered | MessageState::Unanswered);
        let Some(region) = region.filter(|_| !is_query) else { continue };
        let one = all
            .entry((region, environment))
            .or_insert_with(|| RecentOutcomes::none(region, environment));
        one.received += count(number);
        if state == MessageState::Refused {
            one.refused += count(number);
        }
    }
    for (region, environment, state, number) in settled {
        let one = all
            .entry((region, environment))
            .or_insert_with(|| RecentOutcomes::none(region, environment));
        match state {
            DeliveryState::Delivered => one.delivered += count(number),
            DeliveryState::Rejected => one.rejected += count(number),
            _ => {}
        }
    }
    all.into_values().collect()
}
