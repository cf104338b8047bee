//! What the built-in loopback registry holds.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::Serialize;

use crate::domain::{By, Environment, MessageId, RegionCode, Timestamp};
use crate::store::connection::{DbConnection, on_either};
use crate::store::schema::{loopback_behaviour, loopback_message};
use crate::store::writer::Grouped;
use crate::store::{Part, Store, StoreError};

/// One message as the loopback registry received it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoopbackRecord {
    /// The loopback registry's own identifier of it.
    pub id: MessageId,
    /// Which region's registry.
    pub region: RegionCode,
    /// Its test or its production side.
    pub environment: Environment,
    /// When it arrived.
    pub received_at: Timestamp,
    /// MSH-10.
    pub control_id: String,
    /// MSH-4.
    pub sending_facility: String,
    /// The responsible Site as the message names it in MSH-22, or empty.
    pub site_id: String,
    /// Size of the HL7 text in bytes.
    pub size: i64,
    /// The HL7 text, sealed.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// How one loopback registry is told to behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoopbackScript {
    /// Which region's registry.
    pub region: RegionCode,
    /// Its test or its production side.
    pub environment: Environment,
    /// The behaviour, as the registry reads it.
    pub behaviour: String,
    /// Since when.
    pub changed_at: Timestamp,
}

/// Which message it is to a registry: region, environment, MSH-4, MSH-10.
type Named = (RegionCode, Environment, String, String);

type Row = (MessageId, RegionCode, Environment, Timestamp, String, String, String, i64, Vec<u8>);

fn from_row(row: Row) -> LoopbackRecord {
    let (id, region, environment, received_at, control_id, sending_facility, site_id, size, body) =
        row;
    LoopbackRecord {
        id,
        region,
        environment,
        received_at,
        control_id,
        sending_facility,
        site_id,
        size,
        body,
    }
}

/// Keeps one inside the group's transaction.
pub(super) fn keep(conn: &mut DbConnection, one: &LoopbackRecord) -> Result<(), StoreError> {
    on_either!(conn, conn => diesel::insert_into(loopback_message::table)
        .values((
            loopback_message::id.eq(one.id),
            loopback_message::region.eq(one.region),
            loopback_message::environment.eq(one.environment),
            loopback_message::received_at.eq(one.received_at),
            loopback_message::control_id.eq(&one.control_id),
            loopback_message::sending_facility.eq(&one.sending_facility),
            loopback_message::site_id.eq(&one.site_id),
            loopback_message::size.eq(one.size),
            loopback_message::body.eq(&one.body),
        ))
        .execute(conn)?);
    Ok(())
}

impl Store {
    /// Keeps a message that the loopback registry received; resolves after the commit.
    pub async fn loopback_keep(&self, record: LoopbackRecord) -> Result<(), StoreError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        self.enqueue(Grouped::Keep(Box::new(record), answer))?;
        wait.await.map_err(|_dropped| StoreError::closed())?
    }

    /// What the loopback registry holds, newest first, all regions or one.
    pub async fn loopback_list(
        &self,
        region: Option<RegionCode>,
        limit: i64,
    ) -> Result<Vec<LoopbackRecord>, StoreError> {
        self.read(move |conn| {
            let mut query = loopback_message::table.into_boxed();
            if let Some(region) = region {
                query = query.filter(loopback_message::region.eq(region));
            }
            let rows = query.order(loopback_message::id.desc()).limit(limit).load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// One message of the loopback registry, with its text opened.
    pub async fn loopback_by_id(
        &self,
        id: MessageId,
    ) -> Result<(LoopbackRecord, Vec<u8>), StoreError> {
        let record = self
            .read(move |conn| {
                loopback_message::table
                    .find(id)
                    .first::<Row>(conn)
                    .optional()?
                    .map(from_row)
                    .ok_or_else(|| {
                        StoreError::NotFound(format!("message {id} in the loopback registry"))
                    })
            })
            .await?;
        let body = self.vault().open(id, Part::Loopback, record.body.clone())?;
        Ok((record, body))
    }

    /// How often each of these messages was received: by the same registry, from the same sender, with the same MSH-10.
    pub async fn loopback_receipts(
        &self,
        records: &[LoopbackRecord],
    ) -> Result<Vec<i64>, StoreError> {
        let names: Vec<Named> = records.iter().map(named).collect();
        let control_ids: Vec<String> = names.iter().map(|name| name.3.clone()).collect();
        let counted = self
            .read(move |conn| {
                let columns = (
                    loopback_message::region,
                    loopback_message::environment,
                    loopback_message::sending_facility,
                    loopback_message::control_id,
                );
                Ok(loopback_message::table
                    .filter(loopback_message::control_id.eq_any(control_ids))
                    .select(columns)
                    .load::<Named>(conn)?
                    .into_iter()
                    .fold(HashMap::<Named, i64>::new(), |mut counted, name| {
                        *counted.entry(name).or_default() += 1;
                        counted
                    }))
            })
            .await?;
        Ok(names.iter().map(|name| counted.get(name).copied().unwrap_or_default()).collect())
    }

    /// Tells one registry how to behave; without a behaviour it is as ever.
    pub async fn loopback_script_set(
        &self,
        region: RegionCode,
        environment: Environment,
        behaviour: Option<String>,
        by: By,
    ) -> Result<(), StoreError> {
        let auditor = self.auditor(by.clone());
        self.write(move |conn| {
            let row = loopback_behaviour::table.find((region, environment));
            let before =
                row.select(loopback_behaviour::behaviour).first::<String>(conn).optional()?;
            on_either!(conn, conn => diesel::delete(row).execute(conn)?);
            if let Some(behaviour) = &behaviour {
                on_either!(conn, conn => diesel::insert_into(loopback_behaviour::table)
                    .values((
                        loopback_behaviour::region.eq(region),
                        loopback_behaviour::environment.eq(environment),
                        loopback_behaviour::behaviour.eq(behaviour),
                        loopback_behaviour::changed_at.eq(by.at),
                    ))
                    .execute(conn)?);
            }
            let object = format!("registry {region} {environment}");
            let (before, after) = (before.as_deref(), behaviour.as_deref());
            auditor.record(conn, "registry.behave", &object, before, after)
        })
        .await
    }

    /// The registries that are told how to behave.
    pub async fn loopback_scripts(&self) -> Result<Vec<LoopbackScript>, StoreError> {
        self.read(|conn| {
            let rows = loopback_behaviour::table
                .order((loopback_behaviour::region, loopback_behaviour::environment))
                .load::<(RegionCode, Environment, String, Timestamp)>(conn)?;
            let script = |(region, environment, behaviour, changed_at)| LoopbackScript {
                region,
                environment,
                behaviour,
                changed_at,
            };
            Ok(rows.into_iter().map(script).collect())
        })
        .await
    }
}

fn named(record: &LoopbackRecord) -> Named {
    let LoopbackRecord { region, environment, sending_facility, control_id, .. } = record;
    (*region, *environment, sending_facility.clone(), control_id.clone())
}
