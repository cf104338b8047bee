//! What operators do with deliveries: look, send again, give up, replace by an edited version.

use diesel::prelude::*;

use crate::domain::{
    Delivery, DeliveryState, Environment, FailureClass, MessageId, MessageState, Refusal,
    RegionCode, SiteId, Timestamp,
};
use crate::store::action::{Action, record};
use crate::store::connection::DbConnection;
use crate::store::delivery::{Row as DeliveryRow, columns, from_row, is_queued};
use crate::store::destination::Place;
use crate::store::literal::Condition;
use crate::store::schema::{delivery, message, payload};
use crate::store::{Store, StoreError};

/// Deliveries sent again in one transaction at most, so that submissions never wait long behind a replay.
const BATCH: i64 = 500;

/// What a line says of its message: MSH-10, sender, responsible Site, receipt.
type About = (String, SiteId, Option<SiteId>, Timestamp);

/// Which deliveries are meant; every part that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Where they stand; empty: anywhere.
    pub states: Vec<DeliveryState>,
    /// Destination region.
    pub region: Option<RegionCode>,
    /// Its test or production registry.
    pub environment: Option<Environment>,
    /// Class of the last failure.
    pub class: Option<FailureClass>,
    /// Sender of the message.
    pub sender: Option<SiteId>,
    /// Responsible Site of the message.
    pub site: Option<SiteId>,
    /// Received at this moment or later.
    pub since: Option<Timestamp>,
    /// Received before this moment.
    pub before: Option<Timestamp>,
}

/// A delivery with what is known of its message.
#[derive(Debug, Clone)]
pub struct DeliveryLine {
    /// The delivery.
    pub delivery: Delivery,
    /// MSH-10.
    pub control_id: String,
    /// The responsible Site.
    pub site: SiteId,
    /// When it came.
    pub received_at: Timestamp,
}

/// What a filter means.
#[derive(Debug, Clone, Default)]
pub struct DeliverySum {
    /// How many deliveries.
    pub messages: i64,
    /// The first of them.
    pub oldest: Option<MessageId>,
    /// The last of them.
    pub newest: Option<MessageId>,
    /// Of each responsible Site how many, most first.
    pub sites: Vec<(SiteId, i64)>,
}

/// A responsible Site, its number of deliveries, the first and the last of them.
type OfSite = (Option<SiteId>, i64, Option<MessageId>, Option<MessageId>);

impl DeliverySum {
    fn of(rows: Vec<OfSite>) -> Self {
        let mut sum = Self::default();
        for (site, number, oldest, newest) in rows {
            sum.messages += number;
            sum.oldest = sum.oldest.into_iter().chain(oldest).min();
            sum.newest = sum.newest.max(newest);
            // What is delivered has a responsible Site.
            sum.sites.extend(site.map(|site| (site, number)));
        }
        sum.sites.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        sum
    }
}

/// The deliveries of a filter, as a query that selects of it what it is asked for.
macro_rules! filtered {
    ($filter:expr, $select:expr) => {
        filtered!(
            $filter,
            $select,
            delivery::table.inner_join(message::table.on(message::id.eq(delivery::message_id)))
        )
    };
    ($filter:expr, $select:expr, $from:expr) => {{
        let filter = $filter;
        let mut query = $from.select($select).into_boxed();
        if filter.states == [DeliveryState::Review] {
            // As a literal, so that both databases see that their partial index applies.
            query = query.filter(Condition("delivery.state = 'review'"));
        } else if filter.states == [DeliveryState::Queued] {
            query = query.filter(is_queued());
        } else if !filter.states.is_empty() {
            query = query.filter(delivery::state.eq_any(filter.states.clone()));
        }
        if let Some(region) = filter.region {
            query = query.filter(delivery::region.eq(region));
        }
        if let Some(environment) = filter.environment {
            query = query.filter(delivery::environment.eq(environment));
        }
        if let Some(class) = filter.class {
            query = query.filter(delivery::last_class.eq(class).assume_not_null());
        }
        if let Some(sender) = &filter.sender {
            query = query.filter(message::sender_id.eq(sender.clone()));
        }
        if let Some(site) = &filter.site {
            query = query.filter(message::site_id.eq(site.clone()).assume_not_null());
        }
        // Identifiers grow with time.
        if let Some(since) = filter.since {
            query = query.filter(delivery::message_id.ge(MessageId::first_at(since)));
        }
        if let Some(before) = filter.before {
            query = query.filter(delivery::message_id.lt(MessageId::first_at(before)));
        }
        query
    }};
}

impl Store {
    /// Deliveries of a filter, newest first.
    pub async fn delivery_list(
        &self,
        filter: DeliveryFilter,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |conn| {
            let rows = filtered!(&filter, columns())
                .order(delivery::message_id.desc())
                .limit(limit)
                .load(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// How many deliveries a filter means.
    pub async fn delivery_count(&self, filter: DeliveryFilter) -> Result<i64, StoreError> {
        self.read(move |conn| Ok(filtered!(&filter, diesel::dsl::count_star()).first::<i64>(conn)?))
            .await
    }

    /// A page of the deliveries of a filter with what is known of their messages, newest first; begins before `before`.
    pub async fn delivery_page(
        &self,
        filter: DeliveryFilter,
        before: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<DeliveryLine>, StoreError> {
        self.read(move |conn| {
            let about =
                (message::control_id, message::sender_id, message::site_id, message::received_at);
            let mut query = filtered!(&filter, (columns(), about));
            if let Some(before) = before {
                query = query.filter(delivery::message_id.lt(before));
            }
            let rows = query
                .order(delivery::message_id.desc())
                .limit(limit)
                .load::<(DeliveryRow, About)>(conn)?;
            let line = |(row, about): (DeliveryRow, About)| {
                let (control_id, sender, site, received_at) = about;
                let site = site.unwrap_or(sender);
                DeliveryLine { delivery: from_row(row), control_id, site, received_at }
            };
            Ok(rows.into_iter().map(line).collect())
        })
        .await
    }

    /// What a filter means: how many, of which time, of which Sites.
    pub async fn delivery_sum(&self, filter: DeliveryFilter) -> Result<DeliverySum, StoreError> {
        self.read(move |conn| {
            let columns = (
                message::site_id,
                diesel::dsl::count_star(),
                diesel::dsl::min(delivery::message_id),
                diesel::dsl::max(delivery::message_id),
            );
            let by_site = delivery::table
                .inner_join(message::table.on(message::id.eq(delivery::message_id)))
                .group_by(message::site_id);
            Ok(DeliverySum::of(filtered!(&filter, columns, by_site).load(conn)?))
        })
        .await
    }

    /// How many deliveries wait for an operator, by region and environment. Reads an index of what waits, no rows.
    pub async fn review_backlog(&self) -> Result<Vec<(Place, i64)>, StoreError> {
        self.read(|conn| {
            Ok(delivery::table
                .filter(Condition("delivery.state = 'review'"))
                .group_by((delivery::region, delivery::environment))
                .select(((delivery::region, delivery::environment), diesel::dsl::count_star()))
                .load::<(Place, i64)>(conn)?)
        })
        .await
    }

    /// Sends one message again, wherever it stands but in the queue already.
    ///
    /// # Errors
    /// When it has no delivery, waits already, or its body is past its retention.
    pub async fn delivery_retry(&self, id: MessageId, by: Action) -> Result<Delivery, StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            release(conn, id, by.by.at)?;
            record(conn, &key, &by, Some(id), None)?;
            found(conn, id)
        })
        .await
    }

    /// Ends a delivery that waits or stands in review: the registry will not get it from us.
    ///
    /// # Errors
    /// When it has come to its end already.
    pub async fn delivery_give_up(
        &self,
        id: MessageId,
        by: Action,
    ) -> Result<Delivery, StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            end(conn, id, DeliveryState::GivenUp, by.by.at)?;
            record(conn, &key, &by, Some(id), None)?;
            found(conn, id)
        })
        .await
    }

    /// Sends every delivery of a filter again, oldest first, in small transactions; gives their number. What came in after
    /// the replay began is not part of it.
    pub async fn delivery_replay(
        &self,
        filter: DeliveryFilter,
        by: Action,
        mut progress: impl FnMut(usize) + Send,
    ) -> Result<usize, StoreError> {
        let mut done = 0;
        let mut after =
            MessageId::first_at(Timestamp::from_naive(chrono::DateTime::UNIX_EPOCH.naive_utc()));
        loop {
            let (filter, by, key) = (filter.clone(), by.clone(), self.audit_key.clone());
            let (last, sent) = self
                .write(move |conn| {
                    let ids = filtered!(&filter, delivery::message_id)
                        .filter(delivery::message_id.gt(after))
                        .filter(message::received_at.lt(by.by.at))
                        .order(delivery::message_id.asc())
                        .limit(BATCH)
                        .load::<MessageId>(conn)?;
                    let mut sent = vec![];
                    for id in &ids {
                        match release(conn, *id, by.by.at) {
                            Ok(()) => sent.push(*id),
                            // It waits already, or nothing is left to send: the count tells.
                            Err(StoreError::Refused(_)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    for id in &sent {
                        record(conn, &key, &by, Some(*id), None)?;
                    }
                    Ok((ids.last().copied(), sent.len()))
                })
                .await?;
            done += sent;
            progress(done);
            match last {
                Some(last) => after = last,
                None => return Ok(done),
            }
        }
    }
}

fn found(conn: &mut DbConnection, id: MessageId) -> Result<Delivery, StoreError> {
    crate::store::delivery::by_message(conn, id)?
        .ok_or_else(|| StoreError::NotFound(format!("delivery of message {id}")))
}

/// Puts a delivery into the queue, due at once, with its doubts and its age counted anew.
fn release(conn: &mut DbConnection, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
    let known = found(conn, id)?;
    if known.state == DeliveryState::Queued {
        return Err(Refusal(format!("message {id} waits to be sent already")).into());
    }
    if known.state == DeliveryState::Replaced {
        return Err(Refusal(format!("message {id} was replaced by an edited version")).into());
    }
    let has_body =
        payload::table.find(id).select(payload::message_id).first::<MessageId>(conn).optional()?;
    if has_body.is_none() {
        let text = format!("the text of message {id} is past its retention and cannot be sent");
        return Err(Refusal(text).into());
    }
    diesel::update(delivery::table.find(id))
        .set((
            delivery::state.eq(DeliveryState::Queued),
            delivery::lease_owner.eq(None::<String>),
            delivery::next_attempt_at.eq(now),
            delivery::held_since.eq(Some(now)),
            delivery::doubtful_before.eq(delivery::doubtful),
            delivery::releases.eq(delivery::releases + 1),
            delivery::settled_at.eq(None::<Timestamp>),
        ))
        .execute(conn)?;
    diesel::update(message::table.find(id))
        .set(message::state.eq(MessageState::Accepted))
        .execute(conn)?;
    Ok(())
}

/// Ends a delivery by an operator's word. An attempt under way may still bring the registry's answer, which then counts.
pub(super) fn end(
    conn: &mut DbConnection,
    id: MessageId,
    state: DeliveryState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = found(conn, id)?;
    if !matches!(known.state, DeliveryState::Queued | DeliveryState::Review) {
        let text = format!("message {id} has come to its end already: {}", known.state.word());
        return Err(Refusal(text).into());
    }
    diesel::update(delivery::table.find(id))
        .set((
            delivery::state.eq(state),
            delivery::lease_owner.eq(None::<String>),
            delivery::settled_at.eq(Some(now)),
        ))
        .execute(conn)?;
    diesel::update(message::table.find(id))
        .set(message::state.eq(state.of_message()))
        .execute(conn)?;
    Ok(())
}
