//! Uploads of many Sites: kept between the preview and the confirmation, then made into Sites, all or nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::form::Answers;
use crate::domain::{
    AccountId, County, EmailAddress, Environment, OrganizationId, Refusal, RegionCode, RequestKind,
    SecretHash, SiteId, SiteKind, SiteStatus, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::profile::{Namesake, create_site_profile, name_key, namesakes};
use crate::store::registration::{ask_facility, issue_credential};
use crate::store::request::{self, NewRequest};
use crate::store::schema::{bulk_upload, site, site_profile};
use crate::store::{Deed, Store, StoreError, site as sites, stage};

/// How long an upload waits for its confirmation.
const KEPT: Duration = Duration::from_hours(24);

/// Names that are looked for at one time.
const AT_ONE_TIME: usize = 500;

/// A Site to be registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRow {
    /// Its row in the file.
    pub row: usize,
    /// What was answered; `sending_facility` is an ID.
    pub answers: Answers,
}

/// A Site that came of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkSite {
    /// Its row in the file.
    pub row: usize,
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Code of its region; empty for a Sending Facility.
    pub region: String,
    /// Username of its test credential.
    pub username: String,
}

/// An upload.
#[derive(Debug, Clone)]
pub struct BulkUpload {
    /// Its number.
    pub id: i64,
    /// When it came.
    pub created_at: Timestamp,
    /// What waits for the confirmation.
    pub rows: Vec<SiteRow>,
    /// What came of it, once confirmed.
    pub result: Option<Vec<BulkSite>>,
}

fn unreadable(_error: serde_json::Error) -> StoreError {
    StoreError::Locked("an upload cannot be read")
}

fn find(
    conn: &mut DbConnection,
    organization: OrganizationId,
    id: i64,
) -> Result<BulkUpload, StoreError> {
    let (created_at, rows, result) = bulk_upload::table
        .find(id)
        .filter(bulk_upload::organization_id.eq(organization))
        .select((bulk_upload::created_at, bulk_upload::site_rows, bulk_upload::result))
        .first::<(Timestamp, String, Option<String>)>(conn)
        .optional()?
        .ok_or_else(|| StoreError::NotFound("such upload".to_owned()))?;
    let rows = serde_json::from_str(&rows).map_err(unreadable)?;
    let result = result.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)?;
    Ok(BulkUpload { id, created_at, rows, result })
}

fn make(
    conn: &mut DbConnection,
    organization: OrganizationId,
    row: &SiteRow,
    secret: SecretHash,
    by: &(AccountId, EmailAddress),
    now: Timestamp,
) -> Result<BulkSite, StoreError> {
    let answers = &row.answers;
    let kind = answers.get("site_type").parse::<SiteKind>();
    let kind = kind.map_err(|_unknown| StoreError::NotFound("such type of Site".to_owned()))?;
    let county = County::find(answers.get("county"));
    let region = county.map(|county| county.region);
    let name = answers.get("site_name").to_owned();
    let id = sites::next_id(conn, kind)?;
    diesel::insert_into(site::table)
        .values((
            site::id.eq(&id),
            site::organization_id.eq(organization),
            site::name.eq(&name),
            site::kind.eq(kind),
            site::clinical.eq(answers.is_yes("clinical")),
            site::county.eq(county.map(|county| county.fips)),
            site::region.eq(region),
            site::status.eq(SiteStatus::Registered),
            site::created_at.eq(now),
            site::updated_at.eq(now),
        ))
        .execute(conn)?;
    create_site_profile(conn, &id, answers, now)?;
    stage::begin(conn, &id, SiteStatus::Registered, &format!("account {}", by.0), now)?;
    let like = namesakes(conn, &name, answers.get("zip"))?;
    let flag =
        |one: &Namesake| format!("{} has the same name and ZIP code: the same Site?", one.id);
    let asked = NewRequest {
        kind: RequestKind::Registration,
        title: name.clone(),
        region,
        organization: Some(organization),
        site: Some(id.clone()),
        requested_by: Some(by.0),
        email: by.1.clone(),
        answers: answers.clone(),
        before: None,
        flags: like.iter().filter(|one| one.id != id).map(flag).collect(),
    };
    request::create(conn, &asked, now)?;
    let username = format!("{id}-T");
    issue_credential(conn, &id, Environment::Test, &username, secret, now)?;
    if let Ok(facility) = answers.get("sending_facility").parse::<SiteId>() {
        ask_facility(conn, &facility, &id, now)?;
    }
    let region = region.map_or("", RegionCode::as_str).to_owned();
    Ok(BulkSite { row: row.row, id: id.to_string(), name, region, username })
}

impl Store {
    /// Keeps an upload until it is confirmed; an earlier one of the organization that was not is let go.
    pub async fn bulk_keep(
        &self,
        organization: OrganizationId,
        account: AccountId,
        rows: Vec<SiteRow>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let rows = serde_json::to_string(&rows).map_err(unreadable)?;
        self.write(move |conn| {
            let old = bulk_upload::table.filter(
                bulk_upload::result.is_null().and(
                    bulk_upload::organization_id
                        .eq(organization)
                        .or(bulk_upload::created_at.lt(now.minus(KEPT))),
                ),
            );
            diesel::delete(old).execute(conn)?;
            Ok(diesel::insert_into(bulk_upload::table)
                .values((
                    bulk_upload::organization_id.eq(organization),
                    bulk_upload::account_id.eq(account),
                    bulk_upload::site_rows.eq(rows),
                    bulk_upload::created_at.eq(now),
                ))
                .returning(bulk_upload::id)
                .get_result(conn)?)
        })
        .await
    }

    /// An upload of an organization.
    pub async fn bulk_of(
        &self,
        organization: OrganizationId,
        id: i64,
    ) -> Result<BulkUpload, StoreError> {
        self.read(move |conn| find(conn, organization, id)).await
    }

    /// Makes the Sites of an upload, which `by` asked for; `secrets` are keyed hashes of what nobody has seen, one for each
    /// row. Staff look at each Site as at any registration.
    ///
    /// # Errors
    /// When it was confirmed before, or waited too long.
    pub async fn bulk_confirm(
        &self,
        organization: OrganizationId,
        id: i64,
        secrets: Vec<SecretHash>,
        by: (AccountId, EmailAddress),
        deed: Deed,
    ) -> Result<Vec<BulkSite>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = find(conn, organization, id)?;
            if held.result.is_some() || held.created_at.plus(KEPT) < doing.now {
                let text = "this upload was confirmed already, or is older than a day";
                return Err(Refusal(text.to_owned()).into());
            }
            if secrets.len() != held.rows.len() {
                return Err(StoreError::Conflict);
            }
            raise_revision(conn)?;
            let made = held
                .rows
                .iter()
                .zip(secrets)
                .map(|(row, secret)| make(conn, organization, row, secret, &by, doing.now))
                .collect::<Result<Vec<_>, _>>()?;
            let result = serde_json::to_string(&made).map_err(unreadable)?;
            diesel::update(bulk_upload::table.find(id))
                .set((bulk_upload::site_rows.eq("[]"), bulk_upload::result.eq(Some(result))))
                .execute(conn)?;
            let ids: Vec<_> = made.iter().map(|site| site.id.as_str()).collect();
            let after = format!("{} Sites: {}", made.len(), ids.join(" "));
            let object = format!("organization {organization}");
            doing.end(conn, "site.upload", &object, None, Some(&after))?;
            Ok(made)
        })
        .await
    }

    /// Which Sites of these names and ZIP codes are registered already, by place in the list.
    pub async fn bulk_namesakes(
        &self,
        names: Vec<(String, String)>,
    ) -> Result<BTreeMap<usize, Namesake>, StoreError> {
        self.read(move |conn| {
            let keys: Vec<_> =
                names.iter().map(|(name, zip)| (name_key(name), zip.clone())).collect();
            let mut known = BTreeMap::new();
            for some in keys.chunks(AT_ONE_TIME) {
                let wanted: Vec<_> = some.iter().map(|(key, _)| key.clone()).collect();
                let rows = site_profile::table
                    .inner_join(site::table.on(site::id.eq(site_profile::site_id)))
                    .filter(site_profile::name_key.eq_any(wanted))
                    .select((site_profile::name_key, site_profile::zip, site::id, site::name))
                    .load::<(String, Option<String>, SiteId, String)>(conn)?;
                for (key, zip, id, name) in rows {
                    known.insert((key, zip.unwrap_or_default()), Namesake { id, name });
                }
            }
            Ok(keys
                .iter()
                .enumerate()
                .filter_map(|(at, key)| Some((at, known.get(key)?.clone())))
                .collect())
        })
        .await
    }
}
