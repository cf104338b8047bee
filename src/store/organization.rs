//! Organizations and the settings of the store.

use diesel::prelude::*;

use crate::domain::{Organization, OrganizationId, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::schema::{organization, setting};
use crate::store::{Store, StoreError};

type Row = (OrganizationId, String, Timestamp);

fn from_row((id, name, created_at): Row) -> Organization {
    Organization { id, name, created_at }
}

impl Store {
    /// Records an organization.
    pub async fn organization_create(
        &self,
        name: String,
        now: Timestamp,
    ) -> Result<Organization, StoreError> {
        self.write(move |conn| {
            diesel::insert_into(organization::table)
                .values((organization::name.eq(name), organization::created_at.eq(now)))
                .returning((organization::id, organization::name, organization::created_at))
                .get_result::<Row>(conn)
                .map(from_row)
                .map_err(StoreError::from)
        })
        .await
    }

    /// Every organization, by name.
    pub async fn organization_list(&self) -> Result<Vec<Organization>, StoreError> {
        self.read(|conn| {
            let rows = organization::table
                .order(organization::name.asc())
                .select((organization::id, organization::name, organization::created_at))
                .load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// The setting of this name; writes `value` when there is none yet and gives what holds afterwards.
    pub async fn setting_or_insert(
        &self,
        name: &'static str,
        value: String,
    ) -> Result<String, StoreError> {
        self.write(move |conn| {
            let held = setting::table
                .find(name)
                .select(setting::value)
                .first::<String>(conn)
                .optional()?;
            match held {
                Some(held) => Ok(held),
                None => insert_setting(conn, name, value),
            }
        })
        .await
    }
}

fn insert_setting(
    conn: &mut DbConnection,
    name: &str,
    value: String,
) -> Result<String, StoreError> {
    diesel::insert_into(setting::table)
        .values((setting::name.eq(name), setting::value.eq(&value)))
        .execute(conn)?;
    Ok(value)
}
