//! What organizations and Sites told of themselves: their answers, and what they are found by.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccessLevel, OrganizationId, OrganizationState, RegionCode, Scope, Site, SiteId, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::draft::read_answers;
use crate::store::schema::{organization, organization_profile, site, site_profile};
use crate::store::{Store, StoreError};

/// What is told of a new organization.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub access_level: AccessLevel,
    /// FIPS code of its county.
    pub county: Option<String>,
    /// Its region.
    pub region: Option<RegionCode>,
    /// What was answered.
    pub answers: Answers,
}

/// An organization as staff find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRecord {
    /// Its number.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub access_level: AccessLevel,
    /// Whether it takes part.
    pub state: OrganizationState,
    /// What it is known by, when it enrolled.
    pub provider_id: Option<String>,
    /// FIPS code of its county.
    pub county: Option<String>,
    /// Its region.
    pub region: Option<RegionCode>,
    /// What it told of itself.
    pub answers: Answers,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// Which organizations are shown.
#[derive(Debug, Clone)]
pub struct OrganizationFilter {
    /// A part of the name, a Provider ID or a Site ID; empty means all.
    pub search: String,
    /// In these regions.
    pub scope: Scope,
    /// Those that follow this one by name; of no use with a search.
    pub after: Option<OrganizationId>,
    /// How many at most.
    pub limit: i64,
}

/// A Site that may be the same as one that is being registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namesake {
    /// Its ID.
    pub id: SiteId,
    /// Its name.
    pub name: String,
}

/// What names are compared by: letters and digits in lower case.
pub(super) fn name_key(name: &str) -> String {
    name.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Records an organization, inside the transaction of another change.
pub(super) fn create_organization(
    conn: &mut DbConnection,
    new: &NewOrganization,
    now: Timestamp,
) -> Result<OrganizationId, StoreError> {
    let id = diesel::insert_into(organization::table)
        .values((organization::name.eq(&new.name), organization::created_at.eq(now)))
        .returning(organization::id)
        .get_result::<OrganizationId>(conn)?;
    diesel::insert_into(organization_profile::table)
        .values((
            organization_profile::organization_id.eq(id),
            organization_profile::access_level.eq(new.access_level),
            organization_profile::state.eq("active"),
            organization_profile::county.eq(&new.county),
            organization_profile::region.eq(new.region),
            organization_profile::zip.eq(given(&new.answers, "zip")),
            organization_profile::name_key.eq(name_key(&new.name)),
            organization_profile::answers.eq(new.answers.to_json()),
            organization_profile::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(id)
}

/// Records what a Site told of itself, inside the transaction that makes it.
pub(super) fn create_site_profile(
    conn: &mut DbConnection,
    site: &SiteId,
    answers: &Answers,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(site_profile::table)
        .values((
            site_profile::site_id.eq(site),
            site_profile::zip.eq(given(answers, "zip")),
            site_profile::name_key.eq(name_key(answers.get("site_name"))),
            site_profile::ehr_vendor.eq(given(answers, "ehr_vendor")),
            site_profile::answers.eq(answers.to_json()),
            site_profile::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Gives an organization the place of its first Site, when it has none.
pub(super) fn place_organization(
    conn: &mut DbConnection,
    id: OrganizationId,
    county: Option<&str>,
    region: Option<RegionCode>,
) -> Result<(), StoreError> {
    let placeless =
        organization_profile::table.find(id).filter(organization_profile::region.is_null());
    diesel::update(placeless)
        .set((organization_profile::county.eq(county), organization_profile::region.eq(region)))
        .execute(conn)?;
    Ok(())
}

pub(super) fn given(answers: &Answers, name: &str) -> Option<String> {
    Some(answers.get(name).to_owned()).filter(|value| !value.is_empty())
}

/// Sites with the same name in the same ZIP code.
pub(super) fn namesakes(
    conn: &mut DbConnection,
    name: &str,
    zip: &str,
) -> Result<Vec<Namesake>, StoreError> {
    let rows = site_profile::table
        .inner_join(site::table.on(site::id.eq(site_profile::site_id)))
        .filter(site_profile::name_key.eq(name_key(name)))
        .filter(site_profile::zip.eq(zip))
        .order(site::id.asc())
        .limit(5)
        .select((site::id, site::name))
        .load::<(SiteId, String)>(conn)?;
    Ok(rows.into_iter().map(|(id, name)| Namesake { id, name }).collect())
}

type RecordColumns = (
    organization::id,
    organization::name,
    organization_profile::access_level,
    organization_profile::state,
    organization_profile::provider_id,
    organization_profile::county,
    organization_profile::region,
    organization_profile::answers,
    organization::created_at,
);

const RECORD: RecordColumns = (
    organization::id,
    organization::name,
    organization_profile::access_level,
    organization_profile::state,
    organization_profile::provider_id,
    organization_profile::county,
    organization_profile::region,
    organization_profile::answers,
    organization::created_at,
);

type RecordRow = (
    OrganizationId,
    String,
    AccessLevel,
    OrganizationState,
    Option<String>,
    Option<String>,
    Option<RegionCode>,
    String,
    Timestamp,
);

fn record_of(row: RecordRow) -> Result<OrganizationRecord, StoreError> {
    let (id, name, access_level, state, provider_id, county, region, answers, created_at) = row;
    let answers = read_answers(&answers)?;
    Ok(OrganizationRecord {
        id,
        name,
        access_level,
        state,
        provider_id,
        county,
        region,
        answers,
        created_at,
    })
}

/// The organizations that a scope lets be seen, as a query.
macro_rules! organizations_within {
    ($scope:expr) => {{
        let on = organization::table.on(organization::id.eq(organization_profile::organization_id));
        let query = organization_profile::table.inner_join(on).select(RECORD).into_boxed();
        match $scope {
            Scope::All => query,
            Scope::Nowhere => query.filter(organization::id.eq(OrganizationId(0))),
            Scope::Regions(regions) => {
                let codes: Vec<String> = regions.iter().map(ToString::to_string).collect();
                query.filter(organization_profile::region.eq_any(codes))
            }
        }
    }};
}

fn organizations(
    conn: &mut DbConnection,
    filter: &OrganizationFilter,
) -> Result<Vec<OrganizationRecord>, StoreError> {
    let mut query = organizations_within!(&filter.scope);
    let text = filter.search.trim();
    if text.is_empty() {
        if let Some(after) = filter.after {
            let key = organization_profile::table
                .find(after)
                .select(organization_profile::name_key)
                .first::<String>(conn)?;
            let later = organization_profile::name_key
                .gt(key.clone())
                .or(organization_profile::name_key.eq(key).and(organization::id.gt(after)));
            query = query.filter(later);
        }
    } else {
        // An ID is exact; only what is none is looked for in names, in their index alone.
        let code = text.to_uppercase();
        let of_site = site::table.filter(site::id.eq(code.clone())).select(site::organization_id);
        let mut named = of_site.load::<OrganizationId>(conn)?;
        let provider = organization_profile::table
            .filter(organization_profile::provider_id.eq(Some(code)))
            .select(organization_profile::organization_id);
        named.extend(provider.load::<OrganizationId>(conn)?);
        let key = name_key(text);
        query = if named.is_empty() && !key.is_empty() {
            query.filter(organization_profile::name_key.like(format!("%{key}%")))
        } else {
            query.filter(organization::id.eq_any(named))
        };
    }
    let rows = query
        .order((organization_profile::name_key.asc(), organization::id.asc()))
        .limit(filter.limit)
        .load::<RecordRow>(conn)?;
    rows.into_iter().map(record_of).collect()
}

/// What a Site told of itself; nothing when it was recorded by `admin`.
pub(super) fn site_answers(conn: &mut DbConnection, id: &SiteId) -> Result<Answers, StoreError> {
    let text = site_profile::table
        .find(id)
        .select(site_profile::answers)
        .first::<String>(conn)
        .optional()?;
    text.map_or_else(|| Ok(Answers::default()), |text| read_answers(&text))
}

impl Store {
    /// Organizations by name, as staff find them.
    pub async fn organization_search(
        &self,
        filter: OrganizationFilter,
    ) -> Result<Vec<OrganizationRecord>, StoreError> {
        self.read(move |conn| organizations(conn, &filter)).await
    }

    /// One organization, when it lies in a scope; else it is as unknown as none.
    pub async fn organization_in_view(
        &self,
        id: OrganizationId,
        scope: Scope,
    ) -> Result<OrganizationRecord, StoreError> {
        self.read(move |conn| {
            let query = organizations_within!(&scope);
            let row = query.filter(organization::id.eq(id)).first::<RecordRow>(conn).optional()?;
            record_of(row.ok_or_else(|| StoreError::NotFound(format!("organization {id}")))?)
        })
        .await
    }

    /// The Sites of an organization, by ID.
    pub async fn organization_sites(&self, id: OrganizationId) -> Result<Vec<Site>, StoreError> {
        self.read(move |conn| crate::store::site::of_organization(conn, id)).await
    }

    /// What a Site told of itself; nothing when it was recorded by `admin`.
    pub async fn site_answers(&self, id: SiteId) -> Result<Answers, StoreError> {
        self.read(move |conn| site_answers(conn, &id)).await
    }

    /// What an organization told of itself; nothing when it was recorded by `admin`.
    pub async fn organization_answers(&self, id: OrganizationId) -> Result<Answers, StoreError> {
        self.read(move |conn| {
            let text = organization_profile::table
                .find(id)
                .select(organization_profile::answers)
                .first::<String>(conn)
                .optional()?;
            text.map_or_else(|| Ok(Answers::default()), |text| read_answers(&text))
        })
        .await
    }

    /// Sites that have the same name in the same ZIP code.
    pub async fn site_namesakes(
        &self,
        name: String,
        zip: String,
    ) -> Result<Vec<Namesake>, StoreError> {
        self.read(move |conn| namesakes(conn, &name, &zip)).await
    }

    /// Active Sending Facilities whose ID is, or whose name holds, a text; at most `limit`.
    pub async fn facility_search(
        &self,
        text: String,
        limit: i64,
    ) -> Result<Vec<Namesake>, StoreError> {
        use crate::domain::{SiteKind, SiteStatus};
        self.read(move |conn| {
            let closed = [SiteStatus::Suspended, SiteStatus::Inactive, SiteStatus::Withdrawn];
            let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let name = format!("%{}%", escaped.to_lowercase());
            let rows = site::table
                .filter(site::kind.eq(SiteKind::SendingFacility))
                .filter(site::status.ne_all(closed))
                .filter(
                    site::id.eq(text.to_uppercase()).or(lower(site::name).like(name).escape('\\')),
                )
                .order(site::name.asc())
                .limit(limit)
                .select((site::id, site::name))
                .load::<(SiteId, String)>(conn)?;
            Ok(rows.into_iter().map(|(id, name)| Namesake { id, name }).collect())
        })
        .await
    }
}

diesel::define_sql_function! {
    /// The text in lower case.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
