//! Organizations and the settings of the store.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccessLevel, By, MessageId, Organization, OrganizationId, Timestamp, from_hex, hex,
};
use crate::store::connection::DbConnection;
use crate::store::profile::{self, NewOrganization};
use crate::store::schema::{organization, setting};
use crate::store::{Part, Store, StoreError, Vault};

type Row = (OrganizationId, String, Timestamp);

fn from_row((id, name, created_at): Row) -> Organization {
    Organization { id, name, created_at }
}

impl Store {
    /// Records an organization.
    pub async fn organization_create(
        &self,
        name: String,
        by: By,
    ) -> Result<Organization, StoreError> {
        let auditor = self.auditor(by.clone());
        self.write(move |conn| {
            let told = NewOrganization {
                name,
                access_level: AccessLevel::DataExchange,
                county: None,
                region: None,
                answers: Answers::default(),
            };
            let id = profile::create_organization(conn, &told, by.at)?;
            let new = Organization { id, name: told.name, created_at: by.at };
            let object = format!("organization {}", new.id);
            auditor.record(conn, "organization.create", &object, None, Some(&new.name))?;
            Ok(new)
        })
        .await
    }

    /// The name of an organization.
    pub async fn organization_name(&self, id: OrganizationId) -> Result<String, StoreError> {
        self.read(move |conn| {
            organization::table
                .find(id)
                .select(organization::name)
                .first(conn)
                .optional()?
                .ok_or_else(|| StoreError::NotFound(format!("organization {id}")))
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

    /// Whether the key ring opens a probe that the newest key of the last start has sealed. It is sealed anew for a newer
    /// key, so that an older one may leave the ring when nothing is kept any more that it has sealed.
    pub async fn body_key_opens(&self) -> Result<bool, StoreError> {
        const NAME: &str = "body_key_probe";
        let probe = self.vault().seal(MessageId(0), Part::Body, b"izportal")?;
        let held = self.setting_or_insert(NAME, hex(&probe)).await?;
        let held = from_hex(&held)
            .ok_or(StoreError::Locked("the probe of the body key is not readable"))?;
        let same_key = Vault::key_id(&held) == Vault::key_id(&probe);
        let opens = self.vault().open(MessageId(0), Part::Body, held).is_ok();
        if opens && !same_key {
            self.write(move |conn| {
                diesel::update(setting::table.find(NAME))
                    .set(setting::value.eq(hex(&probe)))
                    .execute(conn)?;
                Ok(())
            })
            .await?;
        }
        Ok(opens)
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
