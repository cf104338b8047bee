//! Sites, their status, and the links between Sending Facilities and Sites.

use diesel::prelude::*;
use serde_json::json;

use crate::domain::form::Answers;
use crate::domain::{
    By, LinkStatus, OrganizationId, Refusal, RegionCode, Site, SiteId, SiteKind, SiteLink,
    SiteStatus, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::schema::{organization, site, site_link};
use crate::store::{Store, StoreError, profile, stage, webhook_call};

/// A Site to be recorded.
#[derive(Debug, Clone)]
pub struct NewSite {
    /// Its ID when it has one already; else the next free one of its kind.
    pub id: Option<SiteId>,
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// How it takes part.
    pub kind: SiteKind,
    /// Whether it gives immunizations.
    pub clinical: bool,
    /// FIPS code of its county.
    pub county: Option<String>,
    /// Its region.
    pub region: Option<RegionCode>,
    /// Where it stands.
    pub status: SiteStatus,
}

pub(super) type Row = (
    SiteId,
    OrganizationId,
    String,
    SiteKind,
    bool,
    Option<String>,
    Option<RegionCode>,
    SiteStatus,
    Timestamp,
    Timestamp,
);

pub(super) fn from_row(row: Row) -> Site {
    let (id, organization, name, kind, clinical, county, region, status, created_at, updated_at) =
        row;
    Site { id, organization, name, kind, clinical, county, region, status, created_at, updated_at }
}

pub(super) fn all(conn: &mut DbConnection) -> Result<Vec<Site>, StoreError> {
    Ok(site::table.order(site::id.asc()).load::<Row>(conn)?.into_iter().map(from_row).collect())
}

/// The Sites of an organization, by ID.
pub(super) fn of_organization(
    conn: &mut DbConnection,
    id: OrganizationId,
) -> Result<Vec<Site>, StoreError> {
    let rows = site::table.filter(site::organization_id.eq(id)).order(site::id.asc());
    Ok(rows.load::<Row>(conn)?.into_iter().map(from_row).collect())
}

pub(super) fn by_id(conn: &mut DbConnection, id: &SiteId) -> Result<Site, StoreError> {
    site::table
        .find(id)
        .first::<Row>(conn)
        .optional()?
        .map(from_row)
        .ok_or_else(|| StoreError::NotFound(format!("Site {id}")))
}

/// A Site for the trail.
fn told(site: &Site) -> String {
    let Site { organization, name, kind, clinical, county, region, status, .. } = site;
    json!({
        "organization": organization, "name": name, "kind": kind, "clinical": clinical, "county": county,
        "region": region, "status": status,
    })
    .to_string()
}

/// The next free ID: `SF-` for a Sending Facility, else `DE-`, and six digits.
pub(super) fn next_id(conn: &mut DbConnection, kind: SiteKind) -> Result<SiteId, StoreError> {
    let prefix = prefix(kind);
    numbered(prefix, last_number(conn, prefix)? + 1)
}

/// How the IDs of a type of Site begin.
pub(super) const fn prefix(kind: SiteKind) -> &'static str {
    match kind {
        SiteKind::SendingFacility => "SF-",
        SiteKind::Direct | SiteKind::ThroughFacility => "DE-",
    }
}

/// The ID of this number.
pub(super) fn numbered(prefix: &str, number: u32) -> Result<SiteId, StoreError> {
    format!("{prefix}{number:06}").parse().map_err(|_wrong| StoreError::Conflict)
}

/// The highest number of the IDs that begin so; 0 when there is none.
pub(super) fn last_number(conn: &mut DbConnection, prefix: &str) -> Result<u32, StoreError> {
    let last = site::table
        .filter(site::id.like(format!("{prefix}______")))
        .order(site::id.desc())
        .select(site::id)
        .first::<String>(conn)
        .optional()?;
    Ok(last.and_then(|id| id.trim_start_matches(prefix).parse().ok()).unwrap_or(0))
}

/// Records a Site and what it told of itself, inside the transaction of another change, which raises the revision.
pub(super) fn create(
    conn: &mut DbConnection,
    new: &NewSite,
    answers: &Answers,
    actor: &str,
    now: Timestamp,
) -> Result<SiteId, StoreError> {
    let id = match &new.id {
        Some(id) => id.clone(),
        None => next_id(conn, new.kind)?,
    };
    diesel::insert_into(site::table)
        .values((
            site::id.eq(&id),
            site::organization_id.eq(new.organization),
            site::name.eq(&new.name),
            site::kind.eq(new.kind),
            site::clinical.eq(new.clinical),
            site::county.eq(&new.county),
            site::region.eq(new.region),
            site::status.eq(new.status),
            site::created_at.eq(now),
            site::updated_at.eq(now),
        ))
        .execute(conn)?;
    profile::create_site_profile(conn, &id, answers, now)?;
    stage::begin(conn, &id, new.status, actor, now)?;
    profile::place_organization(conn, new.organization, new.county.as_deref(), new.region)?;
    Ok(id)
}

impl Store {
    /// Records a Site.
    pub async fn site_create(&self, new: NewSite, by: By) -> Result<Site, StoreError> {
        let (auditor, now) = (self.auditor(by.clone()), by.at);
        self.write(move |conn| {
            let known =
                organization::table.find(new.organization).count().get_result::<i64>(conn)?;
            if known == 0 {
                return Err(StoreError::NotFound(format!("organization {}", new.organization)));
            }
            raise_revision(conn)?;
            let answers = Answers::from_iter([("site_name", new.name.as_str())]);
            let id = create(conn, &new, &answers, &by.actor, now)?;
            let site = by_id(conn, &id)?;
            let object = format!("site {id}");
            auditor.record(conn, "site.create", &object, None, Some(&told(&site)))?;
            Ok(site)
        })
        .await
    }

    /// Every Site, by ID.
    pub async fn site_list(&self) -> Result<Vec<Site>, StoreError> {
        self.read(all).await
    }

    /// One Site.
    pub async fn site_by_id(&self, id: SiteId) -> Result<Site, StoreError> {
        self.read(move |conn| by_id(conn, &id)).await
    }

    /// Sets the state of the link between a Sending Facility and a Site; makes the link when there is none.
    pub async fn link_set(
        &self,
        facility: SiteId,
        client: SiteId,
        status: LinkStatus,
        by: By,
    ) -> Result<SiteLink, StoreError> {
        let (auditor, now) = (self.auditor(by.clone()), by.at);
        self.write(move |conn| {
            let sender = by_id(conn, &facility)?;
            by_id(conn, &client)?;
            if sender.kind != SiteKind::SendingFacility {
                return Err(Refusal(format!("{facility} is not a Sending Facility")).into());
            }
            if facility == client {
                return Err(Refusal("a Sending Facility needs no link to itself".to_owned()).into());
            }
            raise_revision(conn)?;
            let before = site_link::table
                .find((&facility, &client))
                .select(site_link::status)
                .first::<LinkStatus>(conn)
                .optional()?;
            let changed = diesel::update(site_link::table.find((&facility, &client)))
                .set((site_link::status.eq(status), site_link::changed_at.eq(now)))
                .execute(conn)?;
            if changed == 0 {
                diesel::insert_into(site_link::table)
                    .values((
                        site_link::facility_id.eq(&facility),
                        site_link::site_id.eq(&client),
                        site_link::status.eq(status),
                        site_link::changed_at.eq(now),
                    ))
                    .execute(conn)?;
            }
            webhook_call::tell_link(conn, &facility, &client, status, now)?;
            let object = format!("link {facility} {client}");
            let before = before.map(LinkStatus::word);
            auditor.record(conn, "link.status", &object, before, Some(status.word()))?;
            Ok(SiteLink { facility, site: client, status, changed_at: now })
        })
        .await
    }

    /// Every link, by Sending Facility and Site.
    pub async fn link_list(&self) -> Result<Vec<SiteLink>, StoreError> {
        self.read(|conn| {
            let rows = site_link::table
                .order((site_link::facility_id.asc(), site_link::site_id.asc()))
                .load::<(SiteId, SiteId, LinkStatus, Timestamp)>(conn)?;
            let link = |(facility, site, status, changed_at)| SiteLink {
                facility,
                site,
                status,
                changed_at,
            };
            Ok(rows.into_iter().map(link).collect())
        })
        .await
    }
}
