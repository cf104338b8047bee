//! Deliveries: a queue in a table. A claim is a lease; no transaction is open while anything is sent.
//!
//! Messages of one patient from one sender share an order key: of those only the oldest that is queued is ever claimed, and
//! none while another is under way.
//! A lease that ended without a word is an attempt whose outcome is unknown.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    Breaker, BreakerPolicy, Delivery, DeliveryState, Environment, FailureClass, MessageId,
    NextStep, RegionCode, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::destination::{self, Place, Sign};
use crate::store::literal::Condition;
use crate::store::schema::{delivery, message, payload};
use crate::store::writer::Grouped;
use crate::store::{Part, Store, StoreError, webhook_call};

/// A delivery in the hands of one worker, with the message to send.
pub struct Claim {
    /// The message.
    pub message: MessageId,
    /// Destination region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// Attempts without a known outcome since an operator last sent it again.
    pub doubtful: i64,
    /// Since when it is held: its receipt, or the moment an operator sent it again.
    pub held_since: Timestamp,
    /// The HL7 text; empty when it cannot be read.
    pub body: Vec<u8>,
}

/// How an attempt ended.
pub struct Settlement {
    /// The message.
    pub message: MessageId,
    /// Destination region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// Who held the lease for the attempt.
    pub owner: String,
    /// Which attempt it was.
    pub attempts: i64,
    /// What came of it.
    pub end: AttemptEnd,
    /// What the sender is told of it from now on, sealed, and MSA-1 of that.
    pub reply: Option<(Vec<u8>, String)>,
    /// What was sent, sealed, where it is not what was received.
    pub sent: Option<Vec<u8>>,
    /// When the breaker of the destination opens.
    pub breaker: BreakerPolicy,
    /// When this was decided.
    pub now: Timestamp,
}

/// What came of an attempt.
pub enum AttemptEnd {
    /// The registry answered; whether it took the message.
    Answered(bool),
    /// It did not.
    Failed {
        /// What stopped it, in words of ours.
        error: String,
        /// Class of the failure.
        class: FailureClass,
        /// What happens now.
        next: NextStep,
    },
}

/// A destination with what waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The region.
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// How many deliveries are queued.
    pub queued: i64,
    /// The oldest of them.
    pub oldest: Option<MessageId>,
}

diesel::alias!(delivery as earlier: Earlier);

/// The delivery waits or is under way. As a literal, so that both databases see that their partial indexes apply.
pub(super) const fn is_queued() -> Condition {
    Condition("delivery.state = 'queued'")
}

impl Store {
    /// Takes due deliveries until `now + lease`, when they are due again by themselves. Fairly: a destination gets another
    /// one only while it holds fewer than there are free places.
    ///
    /// So a registry that hangs leaves half of the places to the others, two leave a third, and so on. Nothing is taken for
    /// a destination that is stopped, and one at a time for one whose breaker is half-open.
    pub async fn delivery_claim(
        &self,
        owner: String,
        now: Timestamp,
        lease: Duration,
        free: i64,
        held: Vec<(RegionCode, Environment, i64)>,
    ) -> Result<Vec<Claim>, StoreError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        let claiming = Claiming { owner, now, until: now.plus(lease), free, held };
        self.hand_over(Grouped::Claim(Box::new(claiming), answer)).await?;
        let rows = wait.await.map_err(|_dropped| StoreError::closed())??;
        Ok(self.opened(rows))
    }

    fn opened(&self, rows: Vec<ClaimRow>) -> Vec<Claim> {
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let ClaimRow { message, place: (region, environment), .. } = row;
            let body = self.vault().open(message, Part::Body, row.body).unwrap_or_else(|error| {
                // Without a text it waits for an operator, and the others of its patient go on.
                tracing::error!(message.id = %message, "the text of {message} cannot be read: {error}");
                vec![]
            });
            claims.push(Claim {
                message,
                region,
                environment,
                attempts: row.attempts,
                doubtful: row.doubtful,
                held_since: row.held_since,
                body,
            });
        }
        claims
    }

    /// Records how an attempt ended; tells whether that changed anything.
    pub async fn delivery_settle(&self, settlement: Settlement) -> Result<bool, StoreError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        self.hand_over(Grouped::Settle(Box::new(settlement), answer)).await?;
        wait.await.map_err(|_dropped| StoreError::closed())?
    }

    /// Makes every leased delivery due now: for the start of the one process that owns an embedded database. The attempts
    /// of the process before ended without a word.
    pub async fn delivery_release_all(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |conn| {
            let leased =
                delivery::table.filter(is_queued()).filter(delivery::lease_owner.is_not_null());
            Ok(diesel::update(leased)
                .set((
                    delivery::lease_owner.eq(None::<String>),
                    delivery::next_attempt_at.eq(now),
                    delivery::doubtful.eq(delivery::doubtful + 1),
                ))
                .execute(conn)?)
        })
        .await
    }

    /// How many deliveries wait, and the oldest of them, by region and environment. Reads an index of what waits, no rows.
    pub async fn delivery_backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        type Row = (RegionCode, Environment, i64, Option<MessageId>);
        self.read(|conn| {
            let rows = delivery::table
                .filter(is_queued())
                .group_by((delivery::region, delivery::environment))
                .select((
                    delivery::region,
                    delivery::environment,
                    diesel::dsl::count_star(),
                    diesel::dsl::min(delivery::message_id),
                ))
                .load::<Row>(conn)?;
            let backlog = |(region, environment, queued, oldest)| Backlog {
                region,
                environment,
                queued,
                oldest,
            };
            Ok(rows.into_iter().map(backlog).collect())
        })
        .await
    }

    /// Outcomes in the order in which they became known, after a point in that order: what mails and reports are made of.
    pub async fn delivery_outcomes(
        &self,
        after: Option<(Timestamp, MessageId)>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |conn| {
            let mut query = delivery::table
                .filter(delivery::settled_at.is_not_null())
                .order((delivery::settled_at.asc(), delivery::message_id.asc()))
                .select(columns())
                .limit(limit)
                .into_boxed();
            if let Some((at, id)) = after {
                let later = delivery::settled_at.gt(Some(at));
                let same = delivery::settled_at.eq(Some(at)).and(delivery::message_id.gt(id));
                query = query.filter(later.or(same).assume_not_null());
            }
            Ok(query.load::<Row>(conn)?.into_iter().map(from_row).collect())
        })
        .await
    }
}

/// Who takes what is due, for how long, and how much of it.
pub(super) struct Claiming {
    owner: String,
    now: Timestamp,
    until: Timestamp,
    free: i64,
    held: Vec<(RegionCode, Environment, i64)>,
}

/// A claimed delivery with its message as it is stored.
pub(super) struct ClaimRow {
    message: MessageId,
    place: Place,
    attempts: i64,
    doubtful: i64,
    held_since: Timestamp,
    body: Vec<u8>,
}

/// Claims inside the transaction of a group.
pub(super) fn claim_all(
    conn: &mut DbConnection,
    claiming: &Claiming,
) -> Result<Vec<ClaimRow>, StoreError> {
    let now = claiming.now;
    let known = destination::all(conn)?;
    let windows = destination::windows(conn)?;
    let (mut free, mut rows) = (claiming.free, vec![]);
    for (region, environment, held) in &claiming.held {
        let place = (*region, *environment);
        let known = known.iter().find(|one| (one.region, one.environment) == place);
        if destination::stopped(known, &windows, place, now).is_some() {
            continue;
        }
        let mut share = (free - held + 1) / 2;
        if known.is_some_and(|one| one.breaker == Breaker::HalfOpen) {
            share = share.min(i64::from(!is_any_leased(conn, place, now)?));
        }
        if share > 0 {
            let taken = claim(conn, place, claiming, share)?;
            free -= i64::try_from(taken.len()).unwrap_or(free);
            rows.extend(taken);
        }
    }
    Ok(rows)
}

/// Whether somebody is sending to a destination.
fn is_any_leased(
    conn: &mut DbConnection,
    (region, environment): Place,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let leased = delivery::table
        .filter(is_queued())
        .filter(delivery::region.eq(region))
        .filter(delivery::environment.eq(environment))
        .filter(delivery::next_attempt_at.gt(now))
        .filter(delivery::lease_owner.is_not_null())
        .select(delivery::message_id)
        .limit(1)
        .load::<MessageId>(conn)?;
    Ok(!leased.is_empty())
}

/// What may be claimed for a destination now, oldest first.
fn due(
    conn: &mut DbConnection,
    (region, environment): Place,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<MessageId>, StoreError> {
    let comes_before = earlier
        .filter(Condition("earlier.state = 'queued'"))
        .filter(earlier.field(delivery::order_key).eq(delivery::order_key))
        .filter(earlier.field(delivery::message_id).ne(delivery::message_id))
        .filter(
            // Whoever came first has the smaller number, but one that was relayed at once may be under way with a larger one.
            earlier.field(delivery::message_id).lt(delivery::message_id).or(earlier
                .field(delivery::lease_owner)
                .is_not_null()
                .and(earlier.field(delivery::next_attempt_at).gt(now))),
        );
    let due = delivery::table
        .filter(is_queued())
        .filter(delivery::region.eq(region))
        .filter(delivery::environment.eq(environment))
        .filter(delivery::next_attempt_at.le(now))
        .filter(diesel::dsl::not(diesel::dsl::exists(comes_before)))
        .order(delivery::next_attempt_at.asc())
        .limit(limit)
        .select(delivery::message_id);
    Ok(match conn {
        // What another one is claiming or settling is passed over, so that nobody waits.
        #[cfg(feature = "postgres")]
        DbConnection::Postgres(conn) => due.for_update().skip_locked().load(conn)?,
        DbConnection::Sqlite(conn) => due.load(conn)?,
    })
}

fn claim(
    conn: &mut DbConnection,
    place: Place,
    Claiming { owner, now, until, .. }: &Claiming,
    limit: i64,
) -> Result<Vec<ClaimRow>, StoreError> {
    let now = *now;
    let due = due(conn, place, now, limit)?;
    if due.is_empty() {
        return Ok(vec![]);
    }
    // The conditions again: another node may have claimed a row since it was read. A row that still names an owner was
    // under way when its lease ended.
    let taken: Vec<Taken> = on_either!(conn, conn => {
        diesel::update(
            delivery::table
                .filter(delivery::message_id.eq_any(&due))
                .filter(is_queued())
                .filter(delivery::next_attempt_at.le(now)),
        )
        .set((
            delivery::doubtful.eq(diesel::dsl::case_when(
                delivery::lease_owner.is_null(), delivery::doubtful).otherwise(delivery::doubtful + 1)),
            delivery::lease_owner.eq(Some(owner.as_str())),
            delivery::next_attempt_at.eq(*until),
            delivery::attempts.eq(delivery::attempts + 1),
        ))
        .returning((
            delivery::message_id,
            delivery::attempts,
            delivery::doubtful,
            delivery::doubtful_before,
            delivery::held_since,
        ))
        .load(conn)?
    });
    with_bodies(conn, place, taken)
}

/// A row as its claim gives it back: message, attempts, doubts in all and before an operator looked, since when it is held.
type Taken = (MessageId, i64, i64, i64, Option<Timestamp>);

fn with_bodies(
    conn: &mut DbConnection,
    place: Place,
    taken: Vec<Taken>,
) -> Result<Vec<ClaimRow>, StoreError> {
    let ids: Vec<MessageId> = taken.iter().map(|(id, ..)| *id).collect();
    let mut bodies: HashMap<MessageId, (Timestamp, Vec<u8>)> =
        on_either!(conn, conn => payload::table
        .filter(payload::message_id.eq_any(&ids))
        .select((payload::message_id, (payload::received_at, payload::body)))
        .load::<(MessageId, (Timestamp, Vec<u8>))>(conn)?)
        .into_iter()
        .collect();
    let mut claimed: Vec<_> = taken
        .into_iter()
        .map(|(message, attempts, doubtful, before, held_since)| {
            let (received_at, body) =
                bodies.remove(&message).unwrap_or_else(|| (message.moment(), vec![]));
            let held_since = held_since.unwrap_or(received_at);
            let doubtful = doubtful - before;
            ClaimRow { message, place, attempts, doubtful, held_since, body }
        })
        .collect();
    claimed.sort_by_key(|row| row.message);
    Ok(claimed)
}

/// Applies the settlements of a group inside its transaction; tells of each whether it changed anything.
pub(super) fn settle_all(
    conn: &mut DbConnection,
    group: &[&Settlement],
) -> Result<Vec<bool>, StoreError> {
    let mut signs: BTreeMap<Place, Vec<Sign<'_>>> = BTreeMap::new();
    let mut changed = Vec::with_capacity(group.len());
    for one in group {
        let sign = match &one.end {
            AttemptEnd::Answered(_) => Sign::Answered,
            AttemptEnd::Failed { class, error, .. } => Sign::Failed(*class, error),
        };
        signs.entry((one.region, one.environment)).or_default().push(sign);
        changed.push(settle(conn, one)?);
    }
    if let Some(last) = group.last() {
        for (place, signs) in signs {
            destination::after_attempts(conn, place, &signs, last.breaker, last.now)?;
            let took = |one: &&Settlement| {
                (one.region, one.environment) == place
                    && matches!(one.end, AttemptEnd::Answered(true))
            };
            if group.iter().any(took) {
                destination::took_one(conn, place, last.now)?;
            }
        }
    }
    Ok(changed)
}

/// What a settlement sets.
struct Set<'a> {
    state: DeliveryState,
    next_attempt_at: Timestamp,
    error: Option<(&'a str, FailureClass)>,
    doubtful: i64,
}

impl<'a> Set<'a> {
    fn of(one: &'a Settlement) -> Self {
        match &one.end {
            AttemptEnd::Answered(taken) => Self {
                state: if *taken { DeliveryState::Delivered } else { DeliveryState::Rejected },
                next_attempt_at: one.now,
                error: None,
                doubtful: 0,
            },
            AttemptEnd::Failed { error, class, next } => {
                let (state, wait, class_now) = match next {
                    NextStep::Again(wait) => (DeliveryState::Queued, *wait, *class),
                    NextStep::Reject => (DeliveryState::Rejected, Duration::ZERO, *class),
                    NextStep::Review(verdict) => (DeliveryState::Review, Duration::ZERO, *verdict),
                };
                Self {
                    state,
                    next_attempt_at: one.now.plus(wait),
                    error: Some((error, class_now)),
                    doubtful: i64::from(*class == FailureClass::Ambiguous),
                }
            }
        }
    }
}

fn settle(conn: &mut DbConnection, one: &Settlement) -> Result<bool, StoreError> {
    let set = Set::of(one);
    let message_state = set.state.of_message();
    let settled_at = message_state.is_final().then_some(one.now);
    // A registry's answer is a fact, whoever holds the lease by now; a failure is only the business of the attempt itself.
    let is_open = |state| match state {
        DeliveryState::Delivered | DeliveryState::Rejected => {
            "delivery.state IN ('queued', 'review', 'given-up')"
        }
        _ => "delivery.state = 'queued'",
    };
    let changed = on_either!(conn, conn => {
        let mut open = diesel::update(delivery::table)
            .filter(delivery::message_id.eq(one.message))
            .filter(Condition(is_open(set.state)))
            .into_boxed();
        if set.error.is_some() {
            open = open
                .filter(delivery::lease_owner.eq(Some(one.owner.as_str())))
                .filter(delivery::attempts.eq(one.attempts));
        }
        open.set((
            delivery::state.eq(set.state),
            delivery::lease_owner.eq(None::<String>),
            delivery::next_attempt_at.eq(set.next_attempt_at),
            delivery::last_error.eq(set.error.map(|(text, _)| text)),
            delivery::last_class.eq(set.error.map(|(_, class)| class)),
            delivery::doubtful.eq(delivery::doubtful + set.doubtful),
            delivery::settled_at.eq(settled_at),
        ))
        .execute(conn)?
    });
    if changed == 0 {
        return Ok(false);
    }
    on_either!(conn, conn => {
        let row = diesel::update(message::table.find(one.message));
        match &one.reply {
            Some((reply, ack_code)) => {
                row.set((message::state.eq(message_state), message::ack_code.eq(ack_code))).execute(conn)?;
                diesel::update(payload::table.find(one.message)).set(payload::reply.eq(Some(reply))).execute(conn)?;
            }
            None if set.state != DeliveryState::Queued => {
                row.set(message::state.eq(message_state)).execute(conn)?;
            }
            None => {}
        }
        if let Some(sent) = &one.sent {
            diesel::update(payload::table.find(one.message)).set(payload::sent.eq(Some(sent))).execute(conn)?;
        }
    });
    // How messages end is told by whoever counts them; a wait for an operator is no end.
    if set.state == DeliveryState::Review {
        webhook_call::tell_message(conn, one.message, one.now)?;
    }
    Ok(true)
}

pub(super) type Row = (
    MessageId,
    RegionCode,
    Environment,
    DeliveryState,
    i64,
    Timestamp,
    Option<String>,
    Option<FailureClass>,
    i64,
    i64,
    Option<Timestamp>,
);

type Columns = (
    delivery::message_id,
    delivery::region,
    delivery::environment,
    delivery::state,
    delivery::attempts,
    delivery::next_attempt_at,
    delivery::last_error,
    delivery::last_class,
    delivery::doubtful,
    delivery::releases,
    delivery::settled_at,
);

pub(super) const fn columns() -> Columns {
    (
        delivery::message_id,
        delivery::region,
        delivery::environment,
        delivery::state,
        delivery::attempts,
        delivery::next_attempt_at,
        delivery::last_error,
        delivery::last_class,
        delivery::doubtful,
        delivery::releases,
        delivery::settled_at,
    )
}

pub(super) fn from_row(row: Row) -> Delivery {
    let (
        message,
        region,
        environment,
        state,
        attempts,
        next_attempt_at,
        last_error,
        last_class,
        doubtful,
        releases,
        settled_at,
    ) = row;
    Delivery {
        message,
        region,
        environment,
        state,
        attempts,
        next_attempt_at,
        last_error,
        last_class,
        doubtful,
        releases,
        settled_at,
    }
}

pub(super) fn by_message(
    conn: &mut DbConnection,
    id: MessageId,
) -> Result<Option<Delivery>, StoreError> {
    let row = delivery::table.find(id).select(columns()).first::<Row>(conn).optional()?;
    Ok(row.map(from_row))
}
