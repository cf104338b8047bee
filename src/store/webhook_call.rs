//! The outbox of calls: queued in the transaction of what they tell of, and made by a worker (`hooks`).
//!
//! A payload holds nothing of a patient, so it is not sealed. A worker claims calls by moving their next attempt to the end
//! of a lease, as with letters; who settles a call names the attempt that it holds. A webhook that takes nothing holds up
//! nobody: of each only few calls are made at one time, of one that fails only one.

use std::collections::HashMap;
use std::time::Duration;

use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{
    CallState, HookEvent, HookSecret, HookState, LinkNews, LinkStatus, MessageId, MessageNews,
    SiteId, SiteStatus, StageEvent, StageNews, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::literal::Condition;
use crate::store::message::{RecordRow, from_row, record_columns};
use crate::store::schema::{message, site_link, webhook, webhook_call};
use crate::store::{Part, Store, StoreError, Vault};

/// How long a call is tried.
pub(super) const HOLD: Duration = Duration::from_hours(24);

/// Calls of one webhook that are made at one time.
const SHARE: usize = 4;

/// For whom a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallTo {
    /// A webhook, and whether it is called now.
    Hook(MessageId, HookState),
    /// The operators' own address, which stands in the configuration.
    Operators,
}

/// What a program is told.
#[derive(Serialize)]
struct Payload<'p, T> {
    id: &'p str,
    r#type: &'p str,
    timestamp: Timestamp,
    data: &'p T,
}

/// Queues the calls that tell of one event, due at once, inside the transaction of what they tell of. `data` holds nothing
/// of a patient.
pub(super) fn queue(
    conn: &mut DbConnection,
    to: &[CallTo],
    event: &str,
    data: &impl Serialize,
    now: Timestamp,
) -> Result<(), StoreError> {
    if to.is_empty() {
        return Ok(());
    }
    let event_id = format!("evt_{}", Uuid::now_v7().simple());
    let payload = Payload { id: &event_id, r#type: event, timestamp: now, data };
    let payload = serde_json::to_string(&payload)
        .map_err(|_never| StoreError::Locked("it could not be written"))?;
    let give_up_at = now.plus(HOLD);
    let rows: Vec<_> = to
        .iter()
        .map(|to| {
            let (hook, due) = match to {
                // It wakes when it is resumed, or to be given up.
                CallTo::Hook(id, HookState::Paused) => (Some(*id), give_up_at),
                CallTo::Hook(id, _) => (Some(*id), now),
                CallTo::Operators => (None, now),
            };
            (
                webhook_call::webhook_id.eq(hook),
                webhook_call::event_id.eq(&event_id),
                webhook_call::event.eq(event),
                webhook_call::payload.eq(&payload),
                webhook_call::state.eq(CallState::Queued),
                webhook_call::attempts.eq(0_i64),
                webhook_call::next_attempt_at.eq(due),
                webhook_call::give_up_at.eq(give_up_at),
                webhook_call::created_at.eq(now),
            )
        })
        .collect();
    on_either!(conn, conn => diesel::insert_into(webhook_call::table).values(rows).execute(conn)?);
    Ok(())
}

/// A webhook that may be told of something.
struct Listener {
    id: MessageId,
    site: SiteId,
    state: HookState,
    events: String,
    created_at: Timestamp,
}

impl Listener {
    /// Whether it is told of an event of that moment.
    fn hears(&self, event: HookEvent, at: Timestamp) -> bool {
        self.created_at <= at && self.events.split(',').any(|word| word == event.word())
    }

    const fn call(&self) -> CallTo {
        CallTo::Hook(self.id, self.state)
    }
}

/// The webhooks of these Sites that are called or paused.
fn listeners(conn: &mut DbConnection, sites: &[&SiteId]) -> Result<Vec<Listener>, StoreError> {
    type Row = (MessageId, SiteId, HookState, String, Timestamp);
    let rows: Vec<Row> = on_either!(conn, conn => webhook::table
        .filter(webhook::site_id.eq_any(sites))
        .filter(Condition("webhook.state IN ('live', 'paused')"))
        .order(webhook::id.asc())
        .select((webhook::id, webhook::site_id, webhook::state, webhook::events, webhook::created_at))
        .load(conn)?);
    let listener =
        |(id, site, state, events, created_at)| Listener { id, site, state, events, created_at };
    Ok(rows.into_iter().map(listener).collect())
}

/// Tells the webhooks of these Sites.
fn tell(
    conn: &mut DbConnection,
    sites: &[&SiteId],
    event: HookEvent,
    data: &impl Serialize,
    at: Timestamp,
) -> Result<(), StoreError> {
    let heard = listeners(conn, sites)?;
    let to: Vec<CallTo> =
        heard.iter().filter(|one| one.hears(event, at)).map(Listener::call).collect();
    queue(conn, &to, event.word(), data, at)
}

/// Tells of a message that came to its end or waits for an operator: whoever sent it, and the responsible Site.
pub(super) fn tell_message(
    conn: &mut DbConnection,
    id: MessageId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let parties = message::table
        .find(id)
        .select((message::sender_id, message::site_id))
        .first::<(SiteId, Option<SiteId>)>(conn)
        .optional()?;
    let Some((sender, site)) = parties else { return Ok(()) };
    tell_messages(conn, &[(id, sender, site, at)])
}

/// The same of many messages, each with its sender, the responsible Site and the moment.
pub(super) fn tell_messages(
    conn: &mut DbConnection,
    ended: &[(MessageId, SiteId, Option<SiteId>, Timestamp)],
) -> Result<(), StoreError> {
    let mut sites: Vec<&SiteId> = ended
        .iter()
        .flat_map(|(_, sender, site, _)| [Some(sender), site.as_ref()])
        .flatten()
        .collect();
    sites.sort_unstable();
    sites.dedup();
    let heard = if sites.is_empty() { vec![] } else { listeners(conn, &sites)? };
    if heard.is_empty() {
        return Ok(());
    }
    let is_of = |one: &Listener, sender: &SiteId, site: Option<&SiteId>| {
        one.site == *sender || site == Some(&one.site)
    };
    let wanted: Vec<_> = ended
        .iter()
        .filter(|(_, sender, site, _)| heard.iter().any(|one| is_of(one, sender, site.as_ref())))
        .collect();
    let ids: Vec<MessageId> = wanted.iter().map(|(id, ..)| *id).collect();
    let rows: Vec<RecordRow> = on_either!(conn, conn => message::table
        .filter(message::id.eq_any(&ids))
        .select(record_columns())
        .load(conn)?);
    let mut news: HashMap<MessageId, MessageNews> =
        rows.into_iter().map(from_row).map(|one| (one.id, MessageNews::from(one))).collect();
    for (id, sender, site, at) in wanted {
        let Some(news) = news.remove(id) else { continue };
        let Some(event) = HookEvent::of_message(news.state) else { continue };
        let hears = |one: &&Listener| is_of(one, sender, site.as_ref()) && one.hears(event, *at);
        let to: Vec<CallTo> = heard.iter().filter(hears).map(Listener::call).collect();
        queue(conn, &to, event.word(), &news, *at)?;
    }
    Ok(())
}

/// Tells of a step of a Site: its own webhooks, and those of the Sending Facilities that send for it or were asked to.
pub(super) fn tell_step(
    conn: &mut DbConnection,
    site: &SiteId,
    step: StageEvent,
    (before, stage): (SiteStatus, SiteStatus),
    at: Timestamp,
) -> Result<(), StoreError> {
    let facilities = site_link::table
        .filter(site_link::site_id.eq(site))
        .filter(site_link::status.ne(LinkStatus::Ended))
        .select(site_link::facility_id)
        .load::<SiteId>(conn)?;
    let sites: Vec<&SiteId> = std::iter::once(site).chain(&facilities).collect();
    let news = StageNews { site: site.clone(), step, before, stage };
    tell(conn, &sites, HookEvent::SiteStage, &news, at)
}

/// Tells of a link, on both sides.
pub(super) fn tell_link(
    conn: &mut DbConnection,
    facility: &SiteId,
    site: &SiteId,
    link: LinkStatus,
    at: Timestamp,
) -> Result<(), StoreError> {
    let news = LinkNews { sender: facility.clone(), site: site.clone(), link };
    tell(conn, &[facility, site], HookEvent::SiteLink, &news, at)
}

/// Tells Sending Facilities that they were asked to send for Sites that are new, and so have no webhooks themselves.
pub(super) fn tell_asked(
    conn: &mut DbConnection,
    asked: &[(&SiteId, &SiteId)],
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut facilities: Vec<&SiteId> = asked.iter().map(|(facility, _)| *facility).collect();
    facilities.sort_unstable();
    facilities.dedup();
    let heard = if facilities.is_empty() { vec![] } else { listeners(conn, &facilities)? };
    if heard.is_empty() {
        return Ok(());
    }
    for (facility, site) in asked {
        let hears = |one: &&Listener| one.site == **facility && one.hears(HookEvent::SiteLink, at);
        let to: Vec<CallTo> = heard.iter().filter(hears).map(Listener::call).collect();
        let link = LinkStatus::Requested;
        let news = LinkNews { sender: (*facility).clone(), site: (*site).clone(), link };
        queue(conn, &to, HookEvent::SiteLink.word(), &news, at)?;
    }
    Ok(())
}

/// Tells of something that concerns one Site alone.
pub(super) fn tell_site(
    conn: &mut DbConnection,
    site: &SiteId,
    event: HookEvent,
    data: &impl Serialize,
    at: Timestamp,
) -> Result<(), StoreError> {
    tell(conn, &[site], event, data, at)
}

/// What a call needs of a webhook.
pub struct HookTarget {
    /// The webhook.
    pub id: MessageId,
    /// What is called.
    pub url: String,
    /// What is signed with: the secret, and the one before while it counts; an error when they cannot be opened.
    pub secrets: Result<Vec<HookSecret>, StoreError>,
}

/// A call that a worker holds.
pub struct ClaimedCall {
    /// Its number.
    pub id: i64,
    /// Header `webhook-id`.
    pub event_id: String,
    /// What is said.
    pub payload: String,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// When it is not tried any more.
    pub give_up_at: Timestamp,
    /// What is called; none: the operators' own address.
    pub target: Option<HookTarget>,
}

/// How an attempt at a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// It is tried again at this moment.
    Again(Timestamp, Option<u16>, String),
    /// It is given up.
    GivenUp(Option<u16>, String),
    /// The other side took it, with this status.
    Taken(u16),
}

/// As a literal, so that both databases see that their partial index applies.
const fn is_queued() -> Condition {
    Condition("webhook_call.state = 'queued'")
}

impl Store {
    /// Takes calls that are due, the most urgent first and of no webhook too many, so that no other worker takes them before
    /// `lease` has passed; none of the webhooks that are `busy`.
    pub async fn call_claim(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
        busy: Vec<Option<MessageId>>,
    ) -> Result<Vec<ClaimedCall>, StoreError> {
        let due = self.read(move |conn| due(conn, now, &busy)).await?;
        let ids = choose(due, limit);
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let (vault, until) = (std::sync::Arc::clone(&self.vault), now.plus(lease));
        let claimed = self.write(move |conn| claim(conn, &ids, now, until)).await?;
        Ok(claimed.into_iter().map(|one| one.opened(&vault, now)).collect())
    }

    /// Writes down how the attempt with this number ended; false when another one has begun meanwhile.
    pub async fn call_settle(
        &self,
        id: i64,
        attempts: i64,
        end: CallEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |conn| settle(conn, id, attempts, end, now)).await
    }

    /// Makes every call that is under way due at once: nobody has one in hand any more.
    pub async fn call_release_all(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |conn| {
            let begun = webhook_call::table
                .filter(is_queued())
                .filter(webhook_call::attempts.gt(0))
                .filter(webhook_call::next_attempt_at.lt(webhook_call::give_up_at));
            diesel::update(begun).set(webhook_call::next_attempt_at.eq(now)).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// How many calls are to be made.
    pub async fn call_depth(&self) -> Result<i64, StoreError> {
        self.read(|conn| {
            Ok(webhook_call::table.filter(is_queued()).count().get_result::<i64>(conn)?)
        })
        .await
    }
}

/// A call that is due: its number, its webhook, and since when that one takes nothing.
type Due = (i64, Option<MessageId>, Option<Timestamp>);

/// Rows that are looked at for the next calls.
const LOOK: i64 = 200;

fn due(
    conn: &mut DbConnection,
    now: Timestamp,
    busy: &[Option<MessageId>],
) -> Result<Vec<Due>, StoreError> {
    let hooks: Vec<MessageId> = busy.iter().copied().flatten().collect();
    let rows: Vec<Due> = on_either!(conn, conn => {
        let mut query = webhook_call::table
            .left_join(webhook::table.on(webhook_call::webhook_id.eq(webhook::id.nullable())))
            .filter(is_queued())
            .filter(webhook_call::next_attempt_at.le(now))
            .order(webhook_call::next_attempt_at.asc())
            .limit(LOOK)
            .select((
                webhook_call::id,
                webhook_call::webhook_id,
                webhook::failing_since.nullable(),
            ))
            .into_boxed();
        if !hooks.is_empty() {
            query = query.filter(
                webhook_call::webhook_id.is_null()
                    .or(webhook_call::webhook_id.assume_not_null().ne_all(hooks)),
            );
        }
        if busy.contains(&None) {
            query = query.filter(webhook_call::webhook_id.is_not_null());
        }
        query.load(conn)?
    });
    Ok(rows)
}

/// As many of them as may be made now.
fn choose(due: Vec<Due>, limit: usize) -> Vec<i64> {
    let mut taken: HashMap<Option<MessageId>, usize> = HashMap::new();
    let mut ids = vec![];
    for (id, hook, failing_since) in due {
        let share = if failing_since.is_some() { 1 } else { SHARE };
        let number = taken.entry(hook).or_default();
        if ids.len() < limit && *number < share {
            *number += 1;
            ids.push(id);
        }
    }
    ids
}

/// A claimed call, its secrets sealed still.
struct Claimed {
    call: ClaimRow,
    hook: Option<HookRow>,
}

type ClaimRow = (i64, Option<MessageId>, String, String, i64, Timestamp);
type HookRow = (MessageId, String, HookState, Vec<u8>, Option<Vec<u8>>, Option<Timestamp>);

impl Claimed {
    fn opened(self, vault: &Vault, now: Timestamp) -> ClaimedCall {
        let (id, _, event_id, payload, attempts, give_up_at) = self.call;
        let target = self.hook.map(|(id, url, _, secret, old, until)| {
            let old = old.filter(|_| until.is_some_and(|until| now < until));
            let open = |sealed| vault.open(id, Part::Webhook, sealed).map(HookSecret::from_bytes);
            let secrets = std::iter::once(secret).chain(old).map(open).collect();
            HookTarget { id, url, secrets }
        });
        ClaimedCall { id, event_id, payload, attempts, give_up_at, target }
    }
}

fn claim(
    conn: &mut DbConnection,
    ids: &[i64],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    // The conditions again: another node may have taken a call since it was read.
    let mut rows: Vec<ClaimRow> = on_either!(conn, conn => diesel::update(
            webhook_call::table
                .filter(webhook_call::id.eq_any(ids))
                .filter(is_queued())
                .filter(webhook_call::next_attempt_at.le(now)),
        )
        .set((webhook_call::next_attempt_at.eq(until), webhook_call::attempts.eq(webhook_call::attempts + 1)))
        .returning((
            webhook_call::id,
            webhook_call::webhook_id,
            webhook_call::event_id,
            webhook_call::payload,
            webhook_call::attempts,
            webhook_call::give_up_at,
        ))
        .load(conn)?);
    rows.sort_by_key(|row| row.0);
    let hooks: Vec<MessageId> = rows.iter().filter_map(|row| row.1).collect();
    let hooks: Vec<HookRow> = on_either!(conn, conn => webhook::table
        .filter(webhook::id.eq_any(&hooks))
        .select((
            webhook::id,
            webhook::url,
            webhook::state,
            webhook::secret,
            webhook::old_secret,
            webhook::old_secret_until,
        ))
        .load(conn)?);
    let mut claimed = vec![];
    for call in rows {
        let hook = hooks.iter().find(|hook| Some(hook.0) == call.1).cloned();
        match &hook {
            Some(hook) if hook.2 != HookState::Live => {
                let told = format!("the webhook was {} for a day", hook.2);
                settle(conn, call.0, call.4, CallEnd::GivenUp(None, told), now)?;
            }
            _ => claimed.push(Claimed { call, hook }),
        }
    }
    Ok(claimed)
}

fn settle(
    conn: &mut DbConnection,
    id: i64,
    attempts: i64,
    end: CallEnd,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, next, status, error) = match end {
        CallEnd::Again(at, status, error) => (CallState::Queued, at, status, Some(error)),
        CallEnd::GivenUp(status, error) => (CallState::GivenUp, now, status, Some(error)),
        CallEnd::Taken(status) => (CallState::Taken, now, Some(status), None),
    };
    let settled_at = (state != CallState::Queued).then_some(now);
    // The number of attempts says whose attempt it is: after the end of a lease another one has begun the next.
    let changed = diesel::update(webhook_call::table.find(id))
        .filter(is_queued())
        .filter(webhook_call::attempts.eq(attempts))
        .set((
            webhook_call::state.eq(state),
            webhook_call::next_attempt_at.eq(next),
            webhook_call::last_status.eq(status.map(i32::from)),
            webhook_call::last_error.eq(error),
            webhook_call::settled_at.eq(settled_at),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Ok(false);
    }
    let hook = webhook_call::table
        .find(id)
        .select(webhook_call::webhook_id)
        .first::<Option<MessageId>>(conn)?;
    if let Some(hook) = hook {
        let live = webhook::table.find(hook).filter(Condition("webhook.state = 'live'"));
        if state == CallState::Taken {
            let failing = live.filter(webhook::failing_since.is_not_null());
            diesel::update(failing)
                .set(webhook::failing_since.eq(None::<Timestamp>))
                .execute(conn)?;
        } else {
            let good = live.filter(webhook::failing_since.is_null());
            diesel::update(good).set(webhook::failing_since.eq(Some(now))).execute(conn)?;
        }
    }
    Ok(true)
}

/// Gives up what a webhook was to be told: it is not called any more.
pub(super) fn give_up_all(
    conn: &mut DbConnection,
    hook: MessageId,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let waiting = webhook_call::table.filter(webhook_call::webhook_id.eq(hook)).filter(is_queued());
    diesel::update(waiting)
        .set((
            webhook_call::state.eq(CallState::GivenUp),
            webhook_call::last_error.eq(Some(why)),
            webhook_call::settled_at.eq(Some(now)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Lets the calls of a webhook wait until they are given up, or makes them due.
pub(super) fn hold_all(
    conn: &mut DbConnection,
    hook: MessageId,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    let waiting = webhook_call::table.filter(webhook_call::webhook_id.eq(hook)).filter(is_queued());
    let next = webhook_call::next_attempt_at;
    match until {
        Some(now) => diesel::update(waiting).set(next.eq(now)).execute(conn)?,
        None => diesel::update(waiting).set(next.eq(webhook_call::give_up_at)).execute(conn)?,
    };
    Ok(())
}

/// Makes one call again that came to its end; its event keeps its identifier. False when it is not there or not at its end.
pub(super) fn again(
    conn: &mut DbConnection,
    hook: MessageId,
    id: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = webhook_call::table
        .find(id)
        .filter(webhook_call::webhook_id.eq(hook))
        .filter(webhook_call::settled_at.is_not_null());
    let changed = diesel::update(ended)
        .set((
            webhook_call::state.eq(CallState::Queued),
            webhook_call::next_attempt_at.eq(now),
            webhook_call::give_up_at.eq(now.plus(HOLD)),
            webhook_call::settled_at.eq(None::<Timestamp>),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Removes calls of before a moment that came to their end, in one transaction at most `batch`. Gives how many.
pub(super) fn sweep(
    conn: &mut DbConnection,
    before: Timestamp,
    batch: i64,
) -> Result<usize, StoreError> {
    let ids = webhook_call::table
        .filter(webhook_call::created_at.lt(before))
        .filter(webhook_call::settled_at.is_not_null())
        .order(webhook_call::created_at.asc())
        .limit(batch)
        .select(webhook_call::id)
        .load::<i64>(conn)?;
    Ok(diesel::delete(webhook_call::table.filter(webhook_call::id.eq_any(ids))).execute(conn)?)
}
