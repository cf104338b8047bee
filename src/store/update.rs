//! Updates that staff decide: what an organization or a Site cannot change alone.
//!
//! The answers of an update are named as in the catalogues of questions. `organization_name`, `county`, `zip` and
//! `access_level` change what is recorded beside the answers, too; of a Site `site_name`, `county`, `zip` and `clinical`.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccessLevel, AccountId, County, MembershipState, OrganizationId, OrganizationState, Refusal,
    Request, RequestId, RequestKind, RequestStep, RequestViews, Role, SiteId, SiteStatus,
    Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::draft::read_answers;
use crate::store::profile::{create_site_profile, given, name_key};
use crate::store::request::{self, NewNote};
use crate::store::schema::{membership, organization, organization_profile, site, site_profile};
use crate::store::{Deed, Store, StoreError};

impl Store {
    /// Approves an update: what was asked for holds from now on.
    pub async fn update_approve(
        &self,
        id: RequestId,
        views: RequestViews,
        (note, by): (NewNote, AccountId),
        deed: Deed,
    ) -> Result<Request, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            let held = request::in_view(conn, id, &views)?;
            if held.kind != RequestKind::Update || held.is_claim() {
                return Err(StoreError::NotFound(request::object(id)));
            }
            let after = request::advance(conn, &held, RequestStep::Approve, Some(by), now)?;
            request::note(conn, id, &note, now)?;
            let (object, before) = match (&held.site, held.organization) {
                (Some(site), _) => {
                    (format!("site {site}"), change_site(conn, site, &held.answers, now)?)
                }
                (None, Some(organization)) => (
                    format!("organization {organization}"),
                    change_organization(conn, organization, &held.answers, now)?,
                ),
                (None, None) => {
                    return Err(Refusal("the update is about nothing".to_owned()).into());
                }
            };
            let (old, new) = (before.to_json(), held.answers.to_json());
            doing.end(conn, "update.approve", &object, Some(&old), Some(&new))?;
            Ok(after)
        })
        .await
    }
}

/// The answers with others in place of those of the same names, and what those were.
fn replaced(text: &str, new: &Answers) -> Result<(Answers, Answers), StoreError> {
    let mut answers = read_answers(text)?;
    let before = new.iter().map(|(name, _)| (name, answers.get(name).to_owned())).collect();
    for (name, value) in new.iter() {
        answers.set(name, value);
    }
    Ok((answers, before))
}

/// Changes what an organization told of itself, inside a transaction; gives what was told before.
pub(super) fn change_organization(
    conn: &mut DbConnection,
    id: OrganizationId,
    new: &Answers,
    now: Timestamp,
) -> Result<Answers, StoreError> {
    let text = organization_answers(conn, id, now)?;
    let (answers, mut before) = replaced(&text, new)?;
    let profile = organization_profile::table.find(id);
    diesel::update(profile)
        .set((
            organization_profile::answers.eq(answers.to_json()),
            organization_profile::zip.eq(given(&answers, "zip")),
            organization_profile::updated_at.eq(now),
        ))
        .execute(conn)?;
    if let Some(name) = given(new, "organization_name") {
        before.set("organization_name", name_of(conn, id)?);
        diesel::update(organization::table.find(id))
            .set(organization::name.eq(&name))
            .execute(conn)?;
        diesel::update(profile)
            .set(organization_profile::name_key.eq(name_key(&name)))
            .execute(conn)?;
    }
    if let Some(county) = County::find(new.get("county")) {
        diesel::update(profile)
            .set((
                organization_profile::county.eq(Some(county.fips)),
                organization_profile::region.eq(Some(county.region)),
            ))
            .execute(conn)?;
    }
    if let Ok(level) = new.get("access_level").parse::<AccessLevel>() {
        let level_before =
            profile.select(organization_profile::access_level).first::<AccessLevel>(conn)?;
        before.set("access_level", level_before.word());
        keeps_its_sites(conn, id, level)?;
        diesel::update(profile)
            .set((
                organization_profile::access_level.eq(level),
                organization_profile::provider_id.eq(Some(id.provider_id())),
            ))
            .execute(conn)?;
        end_roles(conn, id, level, now)?;
    }
    Ok(before)
}

/// What an organization told of itself; one that was recorded by `admin` begins with nothing.
fn organization_answers(
    conn: &mut DbConnection,
    id: OrganizationId,
    now: Timestamp,
) -> Result<String, StoreError> {
    let told = organization_profile::table.find(id).select(organization_profile::answers);
    if let Some(text) = told.first::<String>(conn).optional()? {
        return Ok(text);
    }
    let name = name_of(conn, id)?;
    let nothing = Answers::default().to_json();
    diesel::insert_into(organization_profile::table)
        .values((
            organization_profile::organization_id.eq(id),
            organization_profile::access_level.eq(AccessLevel::DataExchange),
            organization_profile::state.eq(OrganizationState::Active),
            organization_profile::name_key.eq(name_key(&name)),
            organization_profile::answers.eq(&nothing),
            organization_profile::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(nothing)
}

/// What a Site told of itself; one that was recorded by `admin` begins with nothing.
fn site_answers(
    conn: &mut DbConnection,
    id: &SiteId,
    now: Timestamp,
) -> Result<String, StoreError> {
    let told = site_profile::table.find(id).select(site_profile::answers);
    if let Some(text) = told.first::<String>(conn).optional()? {
        return Ok(text);
    }
    let name = site::table.find(id).select(site::name).first::<String>(conn)?;
    let nothing = Answers::default();
    create_site_profile(conn, id, &Answers::from_iter([("site_name", name)]), now)?;
    Ok(nothing.to_json())
}

fn name_of(conn: &mut DbConnection, id: OrganizationId) -> Result<String, StoreError> {
    Ok(organization::table.find(id).select(organization::name).first(conn)?)
}

/// Sites send data at one access level only: whoever leaves it closes them first.
fn keeps_its_sites(
    conn: &mut DbConnection,
    id: OrganizationId,
    level: AccessLevel,
) -> Result<(), StoreError> {
    let closed = [SiteStatus::Inactive, SiteStatus::Withdrawn];
    let open = site::table
        .filter(site::organization_id.eq(id))
        .filter(site::status.ne_all(closed))
        .count()
        .get_result::<i64>(conn)?;
    if level != AccessLevel::DataExchange && open > 0 {
        let text = "the organization has Sites that send data: close them first";
        return Err(Refusal(text.to_owned()).into());
    }
    Ok(())
}

/// Ends the roles that an access level does not have.
fn end_roles(
    conn: &mut DbConnection,
    id: OrganizationId,
    level: AccessLevel,
    now: Timestamp,
) -> Result<(), StoreError> {
    let closed: Vec<Role> =
        Role::ALL.iter().copied().filter(|role| !role.is_open_to(level)).collect();
    let ended = membership::table
        .filter(membership::organization_id.eq(id))
        .filter(membership::role.eq_any(closed))
        .filter(membership::state.ne(MembershipState::Inactive));
    diesel::update(ended)
        .set((membership::state.eq(MembershipState::Inactive), membership::changed_at.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Changes what a Site told of itself, inside a transaction; gives what was told before.
pub(super) fn change_site(
    conn: &mut DbConnection,
    id: &SiteId,
    new: &Answers,
    now: Timestamp,
) -> Result<Answers, StoreError> {
    let text = site_answers(conn, id, now)?;
    let (answers, before) = replaced(&text, new)?;
    diesel::update(site_profile::table.find(id))
        .set((
            site_profile::answers.eq(answers.to_json()),
            site_profile::zip.eq(given(&answers, "zip")),
            site_profile::ehr_vendor.eq(given(&answers, "ehr_vendor")),
            site_profile::updated_at.eq(now),
        ))
        .execute(conn)?;
    if !["site_name", "county", "clinical"].iter().any(|name| new.has(name)) {
        return Ok(before);
    }
    let changed = site::table.find(id);
    if let Some(name) = given(new, "site_name") {
        diesel::update(site_profile::table.find(id))
            .set(site_profile::name_key.eq(name_key(&name)))
            .execute(conn)?;
        diesel::update(changed).set(site::name.eq(name)).execute(conn)?;
    }
    if let Some(county) = County::find(new.get("county")) {
        diesel::update(changed)
            .set((site::county.eq(Some(county.fips)), site::region.eq(Some(county.region))))
            .execute(conn)?;
    }
    if new.has("clinical") {
        diesel::update(changed).set(site::clinical.eq(new.is_yes("clinical"))).execute(conn)?;
    }
    diesel::update(changed).set(site::updated_at.eq(now)).execute(conn)?;
    raise_revision(conn)?;
    Ok(before)
}
