//! Destinations: what operators decided, the breaker that all nodes share, maintenance windows.
//!
//! A change that decides whether messages are sent raises the directory's revision, so that it holds on every node from
//! the next message on. Counting failures does not: only the settling transaction reads the count.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    Breaker, BreakerPolicy, Control, Destination, Environment, FailureClass, MaintenanceWindow,
    RegionCode, Stopped, Timestamp,
};
use crate::store::action::{Action, record};
use crate::store::connection::{DbConnection, on_either};
use crate::store::delivery::is_queued;
use crate::store::directory::raise_revision;
use crate::store::schema::{delivery, destination, last_delivery, maintenance};
use crate::store::{Store, StoreError};

/// A registry: a region and an environment.
pub type Place = (RegionCode, Environment);

/// How exactly it is kept when a destination last took a message.
const MINUTE: Duration = Duration::from_mins(1);

/// How one attempt ended, as the breaker of its destination sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign<'a> {
    /// The destination answered.
    Answered,
    /// It did not, or not so that anything could be made of it.
    Failed(FailureClass, &'a str),
}

impl Store {
    /// Every destination that somebody has touched or that has failed.
    pub async fn destination_list(&self) -> Result<Vec<Destination>, StoreError> {
        self.read(all).await
    }

    /// Stops or starts a destination by an operator's word.
    pub async fn destination_control(
        &self,
        place: Place,
        control: Control,
        by: Action,
    ) -> Result<Destination, StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            touch(conn, place)?;
            let reason = Some(by.reason.clone()).filter(|reason| !reason.is_empty());
            diesel::update(destination::table.find(place))
                .set((
                    destination::control.eq(control),
                    destination::reason.eq(reason),
                    destination::changed_at.eq(Some(by.by.at)),
                ))
                .execute(conn)?;
            raise_revision(conn)?;
            record(conn, &key, &by, None, Some(place))?;
            one(conn, place)
        })
        .await
    }

    /// Closes a breaker by an operator's word: what waits is due at once.
    pub async fn destination_reset(
        &self,
        place: Place,
        by: Action,
    ) -> Result<Destination, StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            touch(conn, place)?;
            set_breaker(conn, place, Breaker::Closed, (0, None), by.by.at)?;
            make_due(conn, place, by.by.at)?;
            record(conn, &key, &by, None, Some(place))?;
            one(conn, place)
        })
        .await
    }

    /// Takes the probes that are due, so that no other node makes them before `again`.
    pub async fn destination_probes(
        &self,
        now: Timestamp,
        again: Timestamp,
    ) -> Result<Vec<Place>, StoreError> {
        self.write(move |conn| {
            let due = destination::table
                .filter(destination::breaker.eq(Breaker::Open))
                .filter(destination::control.ne(Control::Paused))
                .filter(destination::probe_at.le(now))
                .select((destination::region, destination::environment))
                .load::<Place>(conn)?;
            let in_maintenance = windows(conn)?;
            let mut taken = vec![];
            for place in due {
                if in_maintenance.iter().any(|one| is_of(one, place) && one.holds(now)) {
                    continue;
                }
                // The condition again: another node may have taken it since it was read.
                let ours = diesel::update(
                    destination::table.find(place).filter(destination::probe_at.le(now)),
                )
                .set(destination::probe_at.eq(Some(again)))
                .execute(conn)?;
                taken.extend((ours == 1).then_some(place));
            }
            Ok(taken)
        })
        .await
    }

    /// Records what a probe of an open breaker found: half-open when it succeeded, closed when nothing waits besides.
    pub async fn destination_probed(
        &self,
        place: Place,
        failure: Option<String>,
        policy: BreakerPolicy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |conn| {
            let known = one(conn, place)?;
            if known.breaker != Breaker::Open {
                return Ok(());
            }
            match failure {
                None if has_queued(conn, place)? => {
                    set_breaker(conn, place, Breaker::HalfOpen, (known.openings, None), now)
                }
                None => set_breaker(conn, place, Breaker::Closed, (0, None), now),
                Some(error) => {
                    let openings = known.openings + 1;
                    let probe_at = now.plus(policy.probe_after(openings));
                    diesel::update(destination::table.find(place))
                        .set((
                            destination::openings.eq(openings),
                            destination::probe_at.eq(Some(probe_at)),
                            destination::last_error.eq(Some(error)),
                        ))
                        .execute(conn)?;
                    Ok(())
                }
            }
        })
        .await
    }

    /// When each destination last took a message, to the minute.
    pub async fn last_deliveries(&self) -> Result<Vec<(Place, Option<Timestamp>)>, StoreError> {
        self.read(|conn| {
            let columns = ((last_delivery::region, last_delivery::environment), last_delivery::at);
            Ok(last_delivery::table.select(columns).load(conn)?)
        })
        .await
    }

    /// Plans a time in which nothing is sent.
    pub async fn maintenance_add(
        &self,
        place: Place,
        (begins_at, ends_at): (Timestamp, Timestamp),
        by: Action,
    ) -> Result<MaintenanceWindow, StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            let id = diesel::insert_into(maintenance::table)
                .values((
                    maintenance::region.eq(place.0),
                    maintenance::environment.eq(place.1),
                    maintenance::begins_at.eq(begins_at),
                    maintenance::ends_at.eq(ends_at),
                    maintenance::reason.eq(&by.reason),
                ))
                .returning(maintenance::id)
                .get_result::<i64>(conn)?;
            raise_revision(conn)?;
            record(conn, &key, &by, None, Some(place))?;
            let (region, environment) = place;
            Ok(MaintenanceWindow { id, region, environment, begins_at, ends_at, reason: by.reason })
        })
        .await
    }

    /// Takes a maintenance window back, or ends it.
    pub async fn maintenance_remove(
        &self,
        id: i64,
        by: Action,
    ) -> Result<MaintenanceWindow, StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| {
            let window = windows(conn)?.into_iter().find(|window| window.id == id);
            let window =
                window.ok_or_else(|| StoreError::NotFound(format!("maintenance window {id}")))?;
            diesel::delete(maintenance::table.find(id)).execute(conn)?;
            raise_revision(conn)?;
            record(conn, &key, &by, None, Some((window.region, window.environment)))?;
            Ok(window)
        })
        .await
    }

    /// Every maintenance window, past ones too.
    pub async fn maintenance_list(&self) -> Result<Vec<MaintenanceWindow>, StoreError> {
        self.read(windows).await
    }
}

fn is_of(window: &MaintenanceWindow, (region, environment): Place) -> bool {
    window.region == region && window.environment == environment
}

/// Why nothing is sent to a place now, by operators, maintenance and breaker, in this order.
pub(super) fn stopped(
    known: Option<&Destination>,
    windows: &[MaintenanceWindow],
    place: Place,
    now: Timestamp,
) -> Option<Stopped> {
    let by_state = known.and_then(Destination::stopped);
    if by_state == Some(Stopped::Paused) {
        return by_state;
    }
    let in_maintenance = windows.iter().any(|window| is_of(window, place) && window.holds(now));
    in_maintenance.then_some(Stopped::Maintenance).or(by_state)
}

type Row = (
    RegionCode,
    Environment,
    Control,
    Option<String>,
    Breaker,
    i64,
    i64,
    Option<Timestamp>,
    Option<String>,
    Option<Timestamp>,
);

fn from_row(row: Row) -> Destination {
    let (
        region,
        environment,
        control,
        reason,
        breaker,
        failures,
        openings,
        probe_at,
        last_error,
        changed_at,
    ) = row;
    Destination {
        region,
        environment,
        control,
        reason,
        breaker,
        failures,
        openings,
        probe_at,
        last_error,
        changed_at,
    }
}

pub(super) fn all(conn: &mut DbConnection) -> Result<Vec<Destination>, StoreError> {
    let rows = destination::table
        .order((destination::region.asc(), destination::environment.asc()))
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(from_row).collect())
}

fn one(conn: &mut DbConnection, place: Place) -> Result<Destination, StoreError> {
    let row = destination::table.find(place).first::<Row>(conn).optional()?;
    Ok(row.map_or_else(|| Destination::untouched(place.0, place.1), from_row))
}

pub(super) fn windows(conn: &mut DbConnection) -> Result<Vec<MaintenanceWindow>, StoreError> {
    type Row = (i64, RegionCode, Environment, Timestamp, Timestamp, String);
    let rows = maintenance::table.order(maintenance::begins_at.asc()).load::<Row>(conn)?;
    let window = |(id, region, environment, begins_at, ends_at, reason)| MaintenanceWindow {
        id,
        region,
        environment,
        begins_at,
        ends_at,
        reason,
    };
    Ok(rows.into_iter().map(window).collect())
}

/// Makes the row of a destination when there is none.
fn touch(conn: &mut DbConnection, (region, environment): Place) -> Result<(), StoreError> {
    let row = (
        destination::region.eq(region),
        destination::environment.eq(environment),
        destination::control.eq(Control::Running),
        destination::breaker.eq(Breaker::Closed),
        destination::failures.eq(0_i64),
        destination::openings.eq(0_i64),
    );
    on_either!(conn, conn => {
        diesel::insert_into(destination::table).values(row).on_conflict_do_nothing().execute(conn)?
    });
    Ok(())
}

/// Moves a breaker; with openings 0 the failures are forgotten too.
fn set_breaker(
    conn: &mut DbConnection,
    place: Place,
    breaker: Breaker,
    (openings, probe_at): (i64, Option<Timestamp>),
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(destination::table.find(place))
        .set((
            destination::breaker.eq(breaker),
            destination::openings.eq(openings),
            destination::probe_at.eq(probe_at),
            destination::changed_at.eq(Some(now)),
        ))
        .execute(conn)?;
    if breaker == Breaker::Closed {
        diesel::update(destination::table.find(place))
            .set(destination::failures.eq(0_i64))
            .execute(conn)?;
    }
    raise_revision(conn)
}

/// What waits for its next attempt need not wait any more.
fn make_due(
    conn: &mut DbConnection,
    (region, environment): Place,
    now: Timestamp,
) -> Result<(), StoreError> {
    let waiting = delivery::table
        .filter(is_queued())
        .filter(delivery::region.eq(region))
        .filter(delivery::environment.eq(environment))
        .filter(delivery::lease_owner.is_null())
        .filter(delivery::next_attempt_at.gt(now));
    diesel::update(waiting).set(delivery::next_attempt_at.eq(now)).execute(conn)?;
    Ok(())
}

/// A destination took a message. Most of the time nothing is written.
pub(super) fn took_one(
    conn: &mut DbConnection,
    (region, environment): Place,
    now: Timestamp,
) -> Result<(), StoreError> {
    let old = last_delivery::at.is_null().or(last_delivery::at.lt(now.minus(MINUTE)));
    let row = last_delivery::table.find((region, environment)).filter(old.assume_not_null());
    diesel::update(row).set(last_delivery::at.eq(Some(now))).execute(conn)?;
    Ok(())
}

fn has_queued(conn: &mut DbConnection, (region, environment): Place) -> Result<bool, StoreError> {
    let waiting = delivery::table
        .filter(delivery::region.eq(region))
        .filter(delivery::environment.eq(environment))
        .filter(is_queued())
        .select(delivery::message_id)
        .limit(1)
        .load::<i64>(conn)?;
    Ok(!waiting.is_empty())
}

/// Takes the ends of attempts at one destination into account: an answer closes its breaker, enough failures open it.
pub(super) fn after_attempts(
    conn: &mut DbConnection,
    place: Place,
    signs: &[Sign<'_>],
    policy: BreakerPolicy,
    now: Timestamp,
) -> Result<(), StoreError> {
    if signs.contains(&Sign::Answered) {
        // Nothing is written while all is well.
        let failing = destination::table
            .find(place)
            .filter(destination::failures.gt(0).or(destination::breaker.ne(Breaker::Closed)));
        if diesel::update(failing).set(destination::failures.eq(0_i64)).execute(conn)? == 1
            && one(conn, place)?.breaker != Breaker::Closed
        {
            set_breaker(conn, place, Breaker::Closed, (0, None), now)?;
        }
        return Ok(());
    }
    // A message that its registry refuses says nothing about the registry.
    let failures: Vec<_> = signs
        .iter()
        .filter_map(|sign| match sign {
            Sign::Failed(FailureClass::Sender | FailureClass::Poison, _) | Sign::Answered => None,
            Sign::Failed(class, text) => Some((*class, *text)),
        })
        .collect();
    let Some((_, last)) = failures.last() else { return Ok(()) };
    touch(conn, place)?;
    let more = i64::try_from(failures.len()).unwrap_or(i64::MAX);
    diesel::update(destination::table.find(place))
        .set((
            destination::failures.eq(destination::failures + more),
            destination::last_error.eq(Some(*last)),
        ))
        .execute(conn)?;
    let known = one(conn, place)?;
    let ours = failures.iter().any(|(class, _)| *class == FailureClass::Ours);
    let opens = match known.breaker {
        Breaker::Closed => ours || known.failures >= policy.failures,
        Breaker::HalfOpen => true,
        Breaker::Open => false,
    };
    if opens {
        let openings = known.openings + 1;
        let probe_at = now.plus(policy.probe_after(openings));
        set_breaker(conn, place, Breaker::Open, (openings, Some(probe_at)), now)?;
    }
    Ok(())
}
