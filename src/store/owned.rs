//! What belongs to an organization, found only within it: what is another's is as unknown as what is not there.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccessLevel, AccountState, AuditRecord, ClinicianId, Credential, EmailAddress, LinkStatus,
    MembershipState, MessageId, OrganizationId, OrganizationState, RegionCode, RequestId, Role,
    Site, SiteId, SiteLink, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::draft::read_answers;
use crate::store::profile::OrganizationRecord;
use crate::store::schema::{
    account, agreement_acceptance, api_key, clinician, credential, membership, organization,
    organization_profile, request, site, site_link, webhook,
};
use crate::store::{Store, StoreError, audit, credential as credentials, site as sites};

/// An acceptance of the agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Version of the agreement.
    pub version: String,
    /// Who signed.
    pub name: String,
    /// Their title.
    pub title: String,
    /// When.
    pub accepted_at: Timestamp,
}

/// A link between a Sending Facility and a Site, with their names and owners.
#[derive(Debug, Clone)]
pub struct NamedLink {
    /// The link.
    pub link: SiteLink,
    /// Name of the Sending Facility.
    pub facility_name: String,
    /// Whose it is.
    pub facility_owner: OrganizationId,
    /// Name of the Site.
    pub site_name: String,
    /// Whose it is.
    pub site_owner: OrganizationId,
}

/// The organization with this number.
pub(super) fn record(
    conn: &mut DbConnection,
    id: OrganizationId,
) -> Result<OrganizationRecord, StoreError> {
    type Profile = (
        AccessLevel,
        OrganizationState,
        Option<String>,
        Option<String>,
        Option<RegionCode>,
        String,
    );
    let (name, created_at) = organization::table
        .find(id)
        .select((organization::name, organization::created_at))
        .first::<(String, Timestamp)>(conn)
        .optional()?
        .ok_or_else(|| StoreError::NotFound(format!("organization {id}")))?;
    let profile = organization_profile::table
        .find(id)
        .select((
            organization_profile::access_level,
            organization_profile::state,
            organization_profile::provider_id,
            organization_profile::county,
            organization_profile::region,
            organization_profile::answers,
        ))
        .first::<Profile>(conn)
        .optional()?;
    let nothing = OrganizationRecord {
        id,
        name,
        access_level: AccessLevel::DataExchange,
        state: OrganizationState::Active,
        provider_id: None,
        county: None,
        region: None,
        answers: Answers::default(),
        created_at,
    };
    // One that was recorded by `admin` has told nothing of itself.
    let Some((access_level, state, provider_id, county, region, answers)) = profile else {
        return Ok(nothing);
    };
    let answers = read_answers(&answers)?;
    Ok(OrganizationRecord { access_level, state, provider_id, county, region, answers, ..nothing })
}

/// A Site of an organization.
pub(super) fn site_of(
    conn: &mut DbConnection,
    organization: OrganizationId,
    id: &SiteId,
) -> Result<Site, StoreError> {
    let site = sites::by_id(conn, id)?;
    if site.organization == organization {
        Ok(site)
    } else {
        Err(StoreError::NotFound(format!("Site {id}")))
    }
}

/// A credential of a Site of an organization.
pub(super) fn credential_of(
    conn: &mut DbConnection,
    organization: OrganizationId,
    id: &SiteId,
    username: &str,
) -> Result<Credential, StoreError> {
    site_of(conn, organization, id)?;
    let found = credentials::by_username(conn, username)?;
    if found.site == *id {
        Ok(found)
    } else {
        Err(StoreError::NotFound(format!("credential {username}")))
    }
}

/// The addresses of those who have one of these roles.
fn people(
    conn: &mut DbConnection,
    organization: OrganizationId,
    roles: &[Role],
) -> Result<Vec<EmailAddress>, StoreError> {
    let mut found = membership::table
        .inner_join(account::table.on(account::id.eq(membership::account_id)))
        .filter(membership::organization_id.eq(organization))
        .filter(membership::role.eq_any(roles.to_vec()))
        .filter(membership::state.eq(MembershipState::Active))
        .filter(account::state.ne(AccountState::Deactivated))
        .order(account::email.asc())
        .select(account::email)
        .load::<EmailAddress>(conn)?;
    found.dedup();
    Ok(found)
}

fn links(
    conn: &mut DbConnection,
    ids: &[SiteId],
    is_facility: bool,
) -> Result<Vec<SiteLink>, StoreError> {
    let mut query = site_link::table.into_boxed();
    query = if is_facility {
        query.filter(site_link::facility_id.eq_any(ids.to_vec()))
    } else {
        query.filter(site_link::site_id.eq_any(ids.to_vec()))
    };
    let rows = query.order((site_link::facility_id.asc(), site_link::site_id.asc())).load::<(
        SiteId,
        SiteId,
        LinkStatus,
        Timestamp,
    )>(conn)?;
    let link =
        |(facility, site, status, changed_at)| SiteLink { facility, site, status, changed_at };
    Ok(rows.into_iter().map(link).collect())
}

/// Links with the names and owners of both Sites, in one look for all of them.
fn named(conn: &mut DbConnection, links: Vec<SiteLink>) -> Result<Vec<NamedLink>, StoreError> {
    let ids: BTreeSet<SiteId> =
        links.iter().flat_map(|link| [link.facility.clone(), link.site.clone()]).collect();
    let known: HashMap<SiteId, (String, OrganizationId)> = site::table
        .filter(site::id.eq_any(ids.into_iter().collect::<Vec<_>>()))
        .select((site::id, site::name, site::organization_id))
        .load::<(SiteId, String, OrganizationId)>(conn)?
        .into_iter()
        .map(|(id, name, owner)| (id, (name, owner)))
        .collect();
    let told = |link: SiteLink| {
        let (facility_name, facility_owner) = known.get(&link.facility)?.clone();
        let (site_name, site_owner) = known.get(&link.site)?.clone();
        Some(NamedLink { link, facility_name, facility_owner, site_name, site_owner })
    };
    Ok(links.into_iter().filter_map(told).collect())
}

/// The nouns of the audit trail that belong to an organization.
fn objects(conn: &mut DbConnection, id: OrganizationId) -> Result<Vec<String>, StoreError> {
    let mut objects = vec![format!("organization {id}")];
    let ids =
        site::table.filter(site::organization_id.eq(id)).select(site::id).load::<SiteId>(conn)?;
    let usernames = credential::table
        .filter(credential::site_id.eq_any(ids.clone()))
        .select(credential::username)
        .load::<String>(conn)?;
    let clinicians = clinician::table
        .filter(clinician::organization_id.eq(id))
        .select(clinician::id)
        .load::<ClinicianId>(conn)?;
    let requests = request::table
        .filter(request::organization_id.eq(id))
        .select(request::id)
        .load::<RequestId>(conn)?;
    let keys = api_key::table
        .filter(api_key::site_id.eq_any(ids.clone()))
        .select((api_key::site_id, api_key::id))
        .load::<(SiteId, i64)>(conn)?;
    let hooks = webhook::table
        .filter(webhook::site_id.eq_any(ids.clone()))
        .select((webhook::site_id, webhook::id))
        .load::<(SiteId, MessageId)>(conn)?;
    let both = [links(conn, &ids, true)?, links(conn, &ids, false)?].concat();
    objects.extend(ids.iter().map(|id| format!("site {id}")));
    objects.extend(usernames.iter().map(|username| format!("credential {username}")));
    objects.extend(clinicians.iter().map(|id| format!("clinician {id}")));
    objects.extend(requests.iter().map(|id| format!("request {id}")));
    objects.extend(keys.iter().map(|(site, id)| format!("api-key {site} {id}")));
    objects.extend(hooks.iter().map(|(site, id)| format!("webhook {site} {id}")));
    objects.extend(both.iter().map(|link| format!("link {} {}", link.facility, link.site)));
    Ok(objects)
}

impl Store {
    /// An organization with what it told of itself.
    pub async fn organization_record(
        &self,
        id: OrganizationId,
    ) -> Result<OrganizationRecord, StoreError> {
        self.read(move |conn| record(conn, id)).await
    }

    /// A Site of an organization.
    pub async fn organization_site(
        &self,
        organization: OrganizationId,
        id: SiteId,
    ) -> Result<Site, StoreError> {
        self.read(move |conn| site_of(conn, organization, &id)).await
    }

    /// The credentials of a Site of an organization, by username.
    pub async fn organization_credentials(
        &self,
        organization: OrganizationId,
        id: SiteId,
    ) -> Result<Vec<Credential>, StoreError> {
        self.read(move |conn| {
            site_of(conn, organization, &id)?;
            credentials::of_site(conn, &id)
        })
        .await
    }

    /// The links of the Sites of an organization, on either side.
    pub async fn organization_links(
        &self,
        id: OrganizationId,
    ) -> Result<Vec<NamedLink>, StoreError> {
        self.read(move |conn| {
            let owned = site::table
                .filter(site::organization_id.eq(id))
                .select(site::id)
                .load::<SiteId>(conn)?;
            let mut found = links(conn, &owned, true)?;
            let others = links(conn, &owned, false)?;
            found.extend(others.into_iter().filter(|link| !owned.contains(&link.facility)));
            named(conn, found)
        })
        .await
    }

    /// The addresses of those who have one of these roles in the organization that a Site belongs to.
    pub async fn site_people(
        &self,
        id: SiteId,
        roles: Vec<Role>,
    ) -> Result<Vec<EmailAddress>, StoreError> {
        self.read(move |conn| {
            let owner = sites::by_id(conn, &id)?.organization;
            people(conn, owner, &roles)
        })
        .await
    }

    /// The acceptances of the agreement by an organization, the newest first.
    pub async fn agreement_list(&self, id: OrganizationId) -> Result<Vec<Acceptance>, StoreError> {
        self.read(move |conn| {
            let rows = agreement_acceptance::table
                .filter(agreement_acceptance::organization_id.eq(id))
                .order((agreement_acceptance::accepted_at.desc(), agreement_acceptance::id.desc()))
                .select((
                    agreement_acceptance::version,
                    agreement_acceptance::name,
                    agreement_acceptance::title,
                    agreement_acceptance::accepted_at,
                ))
                .load::<(String, String, String, Timestamp)>(conn)?;
            let acceptance = |(version, name, title, accepted_at)| Acceptance {
                version,
                name,
                title,
                accepted_at,
            };
            Ok(rows.into_iter().map(acceptance).collect())
        })
        .await
    }

    /// What happened to an organization and what belongs to it, the newest first; the changes of its users' roles, too.
    pub async fn organization_history(
        &self,
        id: OrganizationId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |conn| {
            let objects = objects(conn, id)?;
            let accounts = membership::table
                .filter(membership::organization_id.eq(id))
                .select(membership::account_id)
                .distinct()
                .load::<crate::domain::AccountId>(conn)?
                .into_iter()
                .map(|id| format!("account {id}"))
                .collect();
            audit::of_objects(conn, objects, (accounts, id), before, limit)
        })
        .await
    }
}
