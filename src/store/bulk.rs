//! Uploads of many Sites: kept between the preview and the confirmation, then made into Sites, all or nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::form::Answers;
use crate::domain::{
    AccountId, County, CredentialState, EmailAddress, Environment, LinkStatus, OrganizationId,
    Refusal, RegionCode, RequestKind, RequestState, SecretHash, SiteId, SiteKind, SiteStatus,
    Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::directory::raise_revision;
use crate::store::profile::{Namesake, name_key};
use crate::store::schema::{bulk_upload, credential, request, site, site_link, site_profile};
use crate::store::{Deed, Store, StoreError, site as sites, stage, webhook_call};

/// How long an upload waits for its confirmation.
const KEPT: Duration = Duration::from_hours(24);

/// Names that are looked for at one time.
const AT_ONE_TIME: usize = 500;

/// Rows that one statement inserts; of at most eleven values each, and SQLite takes 32,766.
const ROWS: usize = 250;

/// Sites of a like name that staff are told of.
const SHOWN: usize = 5;

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

fn over() -> StoreError {
    Refusal("this upload was confirmed already, or is older than a day".to_owned()).into()
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

/// A Site of an upload with all that its rows are made of, ready before the transaction begins: on SQLite nobody else writes
/// while that lasts.
struct Ready {
    row: usize,
    name: String,
    name_key: String,
    kind: SiteKind,
    clinical: bool,
    county: Option<&'static str>,
    region: Option<RegionCode>,
    zip: String,
    ehr_vendor: Option<String>,
    facility: Option<SiteId>,
    answers: String,
    secret: SecretHash,
}

fn ready(row: SiteRow, secret: SecretHash) -> Result<Ready, StoreError> {
    let answers = row.answers;
    let kind = answers.get("site_type").parse::<SiteKind>();
    let kind = kind.map_err(|_unknown| StoreError::NotFound("such type of Site".to_owned()))?;
    let county = County::find(answers.get("county"));
    Ok(Ready {
        row: row.row,
        name: answers.get("site_name").to_owned(),
        name_key: name_key(answers.get("site_name")),
        kind,
        clinical: answers.is_yes("clinical"),
        county: county.map(|county| county.fips),
        region: county.map(|county| county.region),
        zip: answers.get("zip").to_owned(),
        ehr_vendor: Some(answers.get("ehr_vendor").to_owned()).filter(|one| !one.is_empty()),
        facility: answers.get("sending_facility").parse().ok(),
        answers: answers.to_json(),
        secret,
    })
}

/// A free ID for each Site, in their order.
fn next_ids(conn: &mut DbConnection, new: &[Ready]) -> Result<Vec<SiteId>, StoreError> {
    let mut last: Vec<(&'static str, u32)> = vec![];
    let mut ids = vec![];
    for one in new {
        let prefix = sites::prefix(one.kind);
        let number = if let Some((_, number)) = last.iter_mut().find(|one| one.0 == prefix) {
            *number += 1;
            *number
        } else {
            let number = sites::last_number(conn, prefix)? + 1;
            last.push((prefix, number));
            number
        };
        ids.push(sites::numbered(prefix, number)?);
    }
    Ok(ids)
}

/// What staff should look at with each Site: those of the same name and ZIP code, registered already or earlier in the file.
fn flags(
    conn: &mut DbConnection,
    new: &[Ready],
    ids: &[SiteId],
) -> Result<Vec<Vec<String>>, StoreError> {
    let mut known: HashMap<(String, String), Vec<SiteId>> = HashMap::new();
    for some in new.chunks(AT_ONE_TIME) {
        let wanted: Vec<_> = some.iter().map(|one| one.name_key.clone()).collect();
        let rows = site_profile::table
            .filter(site_profile::name_key.eq_any(wanted))
            .order(site_profile::site_id.asc())
            .select((site_profile::name_key, site_profile::zip, site_profile::site_id))
            .load::<(String, Option<String>, SiteId)>(conn)?;
        for (key, zip, id) in rows {
            let like = known.entry((key, zip.unwrap_or_default())).or_default();
            if !like.contains(&id) {
                like.push(id);
            }
        }
    }
    let flag = |id: &SiteId| format!("{id} has the same name and ZIP code: the same Site?");
    let of_each = new.iter().zip(ids).map(|(one, id)| {
        let like = known.entry((one.name_key.clone(), one.zip.clone())).or_default();
        let found = like.iter().take(SHOWN).map(flag).collect();
        like.push(id.clone());
        found
    });
    Ok(of_each.collect())
}

/// Makes the Sites with few statements, each for many rows.
fn make(
    conn: &mut DbConnection,
    organization: OrganizationId,
    new: &[Ready],
    by: &(AccountId, EmailAddress),
    now: Timestamp,
) -> Result<Vec<BulkSite>, StoreError> {
    let ids = next_ids(conn, new)?;
    let flags = flags(conn, new, &ids)?;
    let all: Vec<Row<'_>> =
        new.iter().zip(&ids).zip(&flags).map(|((a, b), c)| (a, b, &**c)).collect();
    for some in all.chunks(ROWS) {
        insert_sites(conn, organization, some, now)?;
        let (ids, actor) = (some.iter().map(|(_, id, _)| *id), format!("account {}", by.0));
        stage::begin_all(conn, ids, SiteStatus::Registered, &actor, now)?;
        insert_requests(conn, organization, some, by, now)?;
        insert_credentials(conn, some, now)?;
    }
    let made = |(one, id, _): &Row<'_>| BulkSite {
        row: one.row,
        id: id.to_string(),
        name: one.name.clone(),
        region: one.region.map_or("", RegionCode::as_str).to_owned(),
        username: format!("{id}-T"),
    };
    Ok(all.iter().map(made).collect())
}

/// A Site with its ID and what staff should look at.
type Row<'a> = (&'a Ready, &'a SiteId, &'a [String]);

fn insert_sites(
    conn: &mut DbConnection,
    organization: OrganizationId,
    some: &[Row<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = some
        .iter()
        .map(|(one, id, _)| {
            (
                site::id.eq(*id),
                site::organization_id.eq(organization),
                site::name.eq(&one.name),
                site::kind.eq(one.kind),
                site::clinical.eq(one.clinical),
                site::county.eq(one.county),
                site::region.eq(one.region),
                site::status.eq(SiteStatus::Registered),
                site::created_at.eq(now),
                site::updated_at.eq(now),
            )
        })
        .collect();
    on_either!(conn, conn => diesel::insert_into(site::table).values(rows).execute(conn)?);
    let rows: Vec<_> = some
        .iter()
        .map(|(one, id, _)| {
            (
                site_profile::site_id.eq(*id),
                site_profile::zip.eq(Some(&one.zip).filter(|zip| !zip.is_empty())),
                site_profile::name_key.eq(&one.name_key),
                site_profile::ehr_vendor.eq(&one.ehr_vendor),
                site_profile::answers.eq(&one.answers),
                site_profile::updated_at.eq(now),
            )
        })
        .collect();
    on_either!(conn, conn => diesel::insert_into(site_profile::table).values(rows).execute(conn)?);
    Ok(())
}

fn insert_requests(
    conn: &mut DbConnection,
    organization: OrganizationId,
    some: &[Row<'_>],
    (account, email): &(AccountId, EmailAddress),
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = some
        .iter()
        .map(|(one, id, flags)| {
            (
                (
                    request::kind.eq(RequestKind::Registration),
                    request::state.eq(RequestState::Pending),
                    request::title.eq(&one.name),
                    request::region.eq(one.region),
                    request::organization_id.eq(Some(organization)),
                    request::site_id.eq(Some(*id)),
                ),
                (
                    request::requested_by.eq(Some(*account)),
                    request::email.eq(email),
                    request::answers.eq(&one.answers),
                    request::flags.eq(flags.join("\n")),
                    request::submitted_at.eq(now),
                ),
            )
        })
        .collect();
    on_either!(conn, conn => diesel::insert_into(request::table).values(rows).execute(conn)?);
    Ok(())
}

/// The test credentials, whose first secrets nobody has seen, and the questions to Sending Facilities.
fn insert_credentials(
    conn: &mut DbConnection,
    some: &[Row<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = some
        .iter()
        .map(|(one, id, _)| {
            (
                credential::site_id.eq(*id),
                credential::environment.eq(Environment::Test),
                credential::username.eq(format!("{id}-T")),
                credential::facility_id.eq(id.as_str()),
                credential::state.eq(CredentialState::Active),
                credential::secret.eq(one.secret),
                credential::created_at.eq(now),
            )
        })
        .collect();
    on_either!(conn, conn => diesel::insert_into(credential::table).values(rows).execute(conn)?);
    let rows: Vec<_> = some
        .iter()
        .filter_map(|(one, id, _)| {
            Some((
                site_link::facility_id.eq(one.facility.as_ref()?),
                site_link::site_id.eq(*id),
                site_link::status.eq(LinkStatus::Requested),
                site_link::changed_at.eq(now),
            ))
        })
        .collect();
    if !rows.is_empty() {
        on_either!(conn, conn => diesel::insert_into(site_link::table).values(rows).execute(conn)?);
    }
    let asked: Vec<(&SiteId, &SiteId)> =
        some.iter().filter_map(|(one, id, _)| Some((one.facility.as_ref()?, *id))).collect();
    webhook_call::tell_asked(conn, &asked, now)
}

/// Removes uploads that were not confirmed in time; gives how many.
pub(super) fn sweep(conn: &mut DbConnection, now: Timestamp) -> Result<usize, StoreError> {
    let old = bulk_upload::table
        .filter(bulk_upload::result.is_null())
        .filter(bulk_upload::created_at.lt(now.minus(KEPT)));
    Ok(diesel::delete(old).execute(conn)?)
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
            let old = bulk_upload::table
                .filter(bulk_upload::organization_id.eq(organization))
                .filter(bulk_upload::result.is_null());
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
        // Rows of an upload never change: they are read and made ready while others write.
        let held = self.bulk_of(organization, id).await?;
        if held.result.is_some() || held.created_at.plus(KEPT) < deed.by.at {
            return Err(over());
        }
        if secrets.len() != held.rows.len() {
            return Err(StoreError::Conflict);
        }
        let rows = held.rows.into_iter().zip(secrets);
        let new = rows.map(|(row, secret)| ready(row, secret)).collect::<Result<Vec<_>, _>>()?;
        let doing = self.doing(deed);
        self.write(move |conn| {
            let waits = bulk_upload::table.find(id).filter(bulk_upload::result.is_null());
            if waits.count().get_result::<i64>(conn)? == 0 {
                return Err(over());
            }
            raise_revision(conn)?;
            let made = make(conn, organization, &new, &by, doing.now)?;
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
