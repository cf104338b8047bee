//! What operators did: written in the transaction of the deed itself.

use diesel::prelude::*;
use serde::Serialize;

use crate::domain::{By, Environment, MessageId, RegionCode, ServerKey, Timestamp};
use crate::store::audit::Auditor;
use crate::store::connection::DbConnection;
use crate::store::destination::Place;
use crate::store::schema::operator_action;
use crate::store::{Store, StoreError};

/// Who does what, when and why. Nothing of a patient belongs into a reason.
#[derive(Debug, Clone)]
pub struct Action {
    /// Who and when: a user of the machine or of the console.
    pub by: By,
    /// What, in one word or two, such as `pause`.
    pub action: &'static str,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
}

/// An action as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// The message, when it was about one.
    pub message: Option<MessageId>,
    /// The region, when it was about a destination.
    pub region: Option<RegionCode>,
    /// Its test or production registry.
    pub environment: Option<Environment>,
    /// Why.
    pub reason: String,
}

type Row =
    (Timestamp, String, String, Option<MessageId>, Option<RegionCode>, Option<Environment>, String);

impl Store {
    /// The newest actions, of one message or of all.
    pub async fn action_list(
        &self,
        message: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<ActionRecord>, StoreError> {
        self.read(move |conn| {
            let mut query = operator_action::table
                .select(columns())
                .order(operator_action::id.desc())
                .limit(limit)
                .into_boxed();
            if let Some(message) = message {
                query = query.filter(operator_action::message_id.eq(message));
            }
            Ok(query.load::<Row>(conn)?.into_iter().map(from_row).collect())
        })
        .await
    }

    /// The newest actions about a destination.
    pub async fn action_list_at(
        &self,
        (region, environment): Place,
        limit: i64,
    ) -> Result<Vec<ActionRecord>, StoreError> {
        self.read(move |conn| {
            let rows = operator_action::table
                .filter(operator_action::region.eq(region))
                .filter(operator_action::environment.eq(environment))
                .select(columns())
                .order(operator_action::id.desc())
                .limit(limit)
                .load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// Records an action about a destination that changes nothing by itself.
    pub async fn action_note(&self, place: Place, by: Action) -> Result<(), StoreError> {
        let key = self.audit_key.clone();
        self.write(move |conn| record(conn, &key, &by, None, Some(place))).await
    }
}

type Columns = (
    operator_action::at,
    operator_action::actor,
    operator_action::action,
    operator_action::message_id,
    operator_action::region,
    operator_action::environment,
    operator_action::reason,
);

const fn columns() -> Columns {
    (
        operator_action::at,
        operator_action::actor,
        operator_action::action,
        operator_action::message_id,
        operator_action::region,
        operator_action::environment,
        operator_action::reason,
    )
}

fn from_row((at, actor, action, message, region, environment, reason): Row) -> ActionRecord {
    ActionRecord { at, actor, action, message, region, environment, reason }
}

/// Writes an action down that changes what is said of a destination, and into the trail with what it said before and says
/// now; the last thing that a transaction does.
pub(super) fn record_change(
    conn: &mut DbConnection,
    key: &ServerKey,
    by: &Action,
    place: Place,
    (before, after): (Option<&str>, Option<&str>),
) -> Result<(), StoreError> {
    write_down(conn, by, None, Some(place))?;
    let auditor = Auditor::new(key.clone(), by.by.clone());
    let action = format!("destination.{}", by.action.replace(' ', "-"));
    let object = format!("destination {} {}", place.0, place.1);
    auditor.record(conn, &action, &object, before, after.or(Some(&by.reason)))
}

/// Writes an action down, and into the trail under `key`; the last thing that a transaction does ([`Auditor::record`]).
pub(super) fn record(
    conn: &mut DbConnection,
    key: &ServerKey,
    by: &Action,
    message: Option<MessageId>,
    place: Option<Place>,
) -> Result<(), StoreError> {
    write_down(conn, by, message, place)?;
    let object = match (message, place) {
        (Some(message), _) => format!("message {message}"),
        (None, Some((region, environment))) => format!("destination {region} {environment}"),
        (None, None) => "delivery".to_owned(),
    };
    let auditor = Auditor::new(key.clone(), by.by.clone());
    let action = format!("delivery.{}", by.action.replace(' ', "-"));
    auditor.record(conn, &action, &object, None, Some(&by.reason))
}

fn write_down(
    conn: &mut DbConnection,
    by: &Action,
    message: Option<MessageId>,
    place: Option<Place>,
) -> Result<(), StoreError> {
    diesel::insert_into(operator_action::table)
        .values((
            operator_action::at.eq(by.by.at),
            operator_action::actor.eq(&by.by.actor),
            operator_action::action.eq(by.action),
            operator_action::message_id.eq(message),
            operator_action::region.eq(place.map(|(region, _)| region)),
            operator_action::environment.eq(place.map(|(_, environment)| environment)),
            operator_action::reason.eq(&by.reason),
        ))
        .execute(conn)?;
    Ok(())
}
