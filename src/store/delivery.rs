//! Deliveries: a queue in a table. A claim is a lease; no transaction is open while anything is sent.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    Delivery, DeliveryState, Environment, MessageId, MessageState, RegionCode, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::schema::{delivery, message, payload};
use crate::store::writer::{Grouped, Job};
use crate::store::{Part, Store, StoreError};

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
    /// The HL7 text.
    pub body: Vec<u8>,
}

/// How an attempt ended.
pub struct Settlement {
    /// The message.
    pub message: MessageId,
    /// Who held the lease for the attempt.
    pub owner: String,
    /// Which attempt it was.
    pub attempts: i64,
    /// Where the delivery stands now.
    pub state: DeliveryState,
    /// When it is due again, while queued.
    pub next_attempt_at: Timestamp,
    /// What stopped the attempt, in words of ours.
    pub last_error: Option<String>,
    /// The registry's reply, sealed, and its MSA-1.
    pub reply: Option<(Vec<u8>, String)>,
    /// When this was decided.
    pub now: Timestamp,
}

impl Store {
    /// Takes due deliveries until `now + lease`, when they are due again by themselves. Fairly: a destination gets another
    /// one only while it holds fewer than there are free places.
    ///
    /// So a registry that hangs leaves half of the places to the others, two leave a third, and so on.
    pub async fn delivery_claim(
        &self,
        owner: String,
        now: Timestamp,
        lease: Duration,
        free: i64,
        held: Vec<(RegionCode, Environment, i64)>,
    ) -> Result<Vec<Claim>, StoreError> {
        let until = now.plus(lease);
        let rows = self
            .write(move |conn| {
                let (mut free, mut rows) = (free, vec![]);
                for (region, environment, held) in held {
                    let share = (free - held + 1) / 2;
                    if share > 0 {
                        let to = (region, environment);
                        let taken = claim(conn, to, &owner, now, until, share)?;
                        free -= i64::try_from(taken.len()).unwrap_or(free);
                        rows.extend(taken);
                    }
                }
                Ok(rows)
            })
            .await?;
        Ok(self.opened(rows))
    }

    fn opened(&self, rows: Vec<ClaimRow>) -> Vec<Claim> {
        let mut claims = Vec::with_capacity(rows.len());
        for (message, region, environment, attempts, sealed) in rows {
            match self.vault().open(message, Part::Body, sealed) {
                Ok(body) => claims.push(Claim { message, region, environment, attempts, body }),
                // The others go on; this one comes back when its lease ends, and says so each time.
                Err(error) => {
                    tracing::error!(message.id = %message, "delivery of {message} cannot be sent: {error}");
                }
            }
        }
        claims
    }

    /// Records how an attempt ended; tells whether that changed anything. Waits for room: there are never more settlements
    /// than attempts.
    pub async fn delivery_settle(&self, settlement: Settlement) -> Result<bool, StoreError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        let job = Job::Grouped(Grouped::Settle(Box::new(settlement), answer));
        self.writer_sender()?.send(job).await.map_err(|_closed| StoreError::closed())?;
        wait.await.map_err(|_dropped| StoreError::closed())?
    }

    /// Makes every leased delivery due now: for the start of the one process that owns an embedded database.
    pub async fn delivery_release_all(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |conn| {
            let leased = delivery::table
                .filter(delivery::state.eq(DeliveryState::Queued))
                .filter(delivery::lease_owner.is_not_null());
            Ok(diesel::update(leased)
                .set((delivery::lease_owner.eq(None::<String>), delivery::next_attempt_at.eq(now)))
                .execute(conn)?)
        })
        .await
    }

    /// How many deliveries wait, and since when the oldest of them does, by region and environment.
    pub async fn delivery_backlog(
        &self,
    ) -> Result<Vec<(RegionCode, Environment, i64, Option<Timestamp>)>, StoreError> {
        self.read(|conn| {
            Ok(delivery::table
                .inner_join(message::table.on(message::id.eq(delivery::message_id)))
                .filter(delivery::state.eq(DeliveryState::Queued))
                .group_by((delivery::region, delivery::environment))
                .select((
                    delivery::region,
                    delivery::environment,
                    diesel::dsl::count_star(),
                    diesel::dsl::min(message::received_at),
                ))
                .load(conn)?)
        })
        .await
    }
}

type ClaimRow = (MessageId, RegionCode, Environment, i64, Vec<u8>);

fn claim(
    conn: &mut DbConnection,
    (region, environment): (RegionCode, Environment),
    owner: &str,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<ClaimRow>, StoreError> {
    let due = delivery::table
        .inner_join(payload::table.on(payload::message_id.eq(delivery::message_id)))
        .filter(delivery::state.eq(DeliveryState::Queued))
        .filter(delivery::next_attempt_at.le(now))
        .filter(delivery::region.eq(region))
        .filter(delivery::environment.eq(environment))
        .order(delivery::next_attempt_at.asc())
        .limit(limit)
        .select((
            delivery::message_id,
            delivery::region,
            delivery::environment,
            delivery::attempts,
            payload::body,
        ))
        .load::<ClaimRow>(conn)?;
    let mut claimed = Vec::with_capacity(due.len());
    for (message, region, environment, attempts, body) in due {
        // The condition again: another node may have claimed the row since it was read.
        let taken = diesel::update(
            delivery::table
                .find(message)
                .filter(delivery::state.eq(DeliveryState::Queued))
                .filter(delivery::next_attempt_at.le(now)),
        )
        .set((
            delivery::lease_owner.eq(Some(owner)),
            delivery::next_attempt_at.eq(until),
            delivery::attempts.eq(attempts + 1),
        ))
        .execute(conn)?;
        if taken == 1 {
            claimed.push((message, region, environment, attempts + 1, body));
        }
    }
    Ok(claimed)
}

/// Applies one settlement inside the group's transaction; tells whether it changed anything.
pub(super) fn settle(conn: &mut DbConnection, one: &Settlement) -> Result<bool, StoreError> {
    let message_state = match one.state {
        DeliveryState::Queued => MessageState::Accepted,
        DeliveryState::Delivered => MessageState::Delivered,
        DeliveryState::Rejected => MessageState::Rejected,
    };
    let settled_at = message_state.is_final().then_some(one.now);
    // A registry's answer is a fact, whoever holds the lease by now; a failure is only the business of the attempt itself.
    let ours = on_either!(conn, conn => {
        let mut open = diesel::update(delivery::table)
            .filter(delivery::message_id.eq(one.message))
            .filter(delivery::state.eq(DeliveryState::Queued))
            .into_boxed();
        if one.state == DeliveryState::Queued {
            open = open
                .filter(delivery::lease_owner.eq(Some(one.owner.as_str())))
                .filter(delivery::attempts.eq(one.attempts));
        }
        open.set((
            delivery::state.eq(one.state),
            delivery::lease_owner.eq(None::<String>),
            delivery::next_attempt_at.eq(one.next_attempt_at),
            delivery::last_error.eq(one.last_error.as_deref()),
            delivery::settled_at.eq(settled_at),
        ))
        .execute(conn)?
    });
    if ours == 0 {
        return Ok(false);
    }
    on_either!(conn, conn => {
        diesel::update(message::table.find(one.message)).set(message::state.eq(message_state)).execute(conn)?;
        if let Some((reply, ack_code)) = &one.reply {
            diesel::update(payload::table.find(one.message)).set(payload::reply.eq(Some(reply))).execute(conn)?;
            diesel::update(message::table.find(one.message)).set(message::ack_code.eq(ack_code)).execute(conn)?;
        }
    });
    Ok(true)
}

pub(super) fn by_message(
    conn: &mut DbConnection,
    id: MessageId,
) -> Result<Option<Delivery>, StoreError> {
    type Row =
        (RegionCode, Environment, DeliveryState, i64, Timestamp, Option<String>, Option<Timestamp>);
    let row = delivery::table
        .find(id)
        .select((
            delivery::region,
            delivery::environment,
            delivery::state,
            delivery::attempts,
            delivery::next_attempt_at,
            delivery::last_error,
            delivery::settled_at,
        ))
        .first::<Row>(conn)
        .optional()?;
    Ok(row.map(
        |(region, environment, state, attempts, next_attempt_at, last_error, settled_at)| {
            Delivery {
                message: id,
                region,
                environment,
                state,
                attempts,
                next_attempt_at,
                last_error,
                settled_at,
            }
        },
    ))
}
