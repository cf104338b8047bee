//! Changes of what organizations and Sites told of themselves: those that act at once, and those that staff decide.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccessLevel, County, MembershipState, OrganizationId, Refusal, Request, RequestId, Role,
    SiteId, SiteStatus, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::draft::read_answers;
use crate::store::owned::{record, site_of};
use crate::store::profile::{given, name_key};
use crate::store::registration::accept_agreement;
use crate::store::request::{self, NewRequest};
use crate::store::schema::{membership, organization, organization_profile, site, site_profile};
use crate::store::{Deed, Store, StoreError, site as sites};

/// What somebody changes at one time.
#[derive(Debug, Clone)]
pub struct Change {
    /// What holds at once; an empty answer takes one away.
    pub now: Answers,
    /// What staff decide.
    pub ask: Option<NewRequest>,
}

/// The answers of these names, for the trail.
fn of_names(answers: &Answers, names: &Answers) -> String {
    names.iter().map(|(name, _)| (name, answers.get(name))).collect::<Answers>().to_json()
}

fn with(mut answers: Answers, changes: &Answers) -> Answers {
    for (name, value) in changes.iter() {
        answers.set(name, value);
    }
    answers
}

fn write_organization(
    conn: &mut DbConnection,
    id: OrganizationId,
    changes: &Answers,
    now: Timestamp,
) -> Result<(), StoreError> {
    let held = record(conn, id)?;
    let answers = with(held.answers, changes);
    let name = Some(answers.get("organization_name")).filter(|name| !name.is_empty());
    let name = name.unwrap_or(&held.name).to_owned();
    if name != held.name {
        diesel::update(organization::table.find(id))
            .set(organization::name.eq(&name))
            .execute(conn)?;
    }
    let county = County::find(answers.get("county"));
    let values = (
        organization_profile::county.eq(county.map(|county| county.fips)),
        organization_profile::region.eq(county.map(|county| county.region)),
        organization_profile::zip.eq(given(&answers, "zip")),
        organization_profile::name_key.eq(name_key(&name)),
        organization_profile::answers.eq(answers.to_json()),
        organization_profile::updated_at.eq(now),
    );
    if diesel::update(organization_profile::table.find(id)).set(values.clone()).execute(conn)? == 0
    {
        let key = (
            organization_profile::organization_id.eq(id),
            organization_profile::access_level.eq(held.access_level),
            organization_profile::state.eq(held.state),
        );
        diesel::insert_into(organization_profile::table).values((key, values)).execute(conn)?;
    }
    Ok(())
}

fn write_site(
    conn: &mut DbConnection,
    id: &SiteId,
    changes: &Answers,
    now: Timestamp,
) -> Result<(), StoreError> {
    let text = site_profile::table
        .find(id)
        .select(site_profile::answers)
        .first::<String>(conn)
        .optional()?;
    let held = text.as_deref().map(read_answers).transpose()?.unwrap_or_default();
    let answers = with(held, changes);
    let site = sites::by_id(conn, id)?;
    let name = Some(answers.get("site_name")).filter(|name| !name.is_empty());
    let name = name.unwrap_or(&site.name).to_owned();
    let values = (
        site_profile::zip.eq(given(&answers, "zip")),
        site_profile::name_key.eq(name_key(&name)),
        site_profile::ehr_vendor.eq(given(&answers, "ehr_vendor")),
        site_profile::answers.eq(answers.to_json()),
        site_profile::updated_at.eq(now),
    );
    if diesel::update(site_profile::table.find(id)).set(values.clone()).execute(conn)? == 0 {
        let key = site_profile::site_id.eq(id);
        diesel::insert_into(site_profile::table).values((key, values)).execute(conn)?;
    }
    let moved = County::find(changes.get("county"));
    let (county, region) = match moved {
        Some(county) => (Some(county.fips.to_owned()), Some(county.region)),
        None => (site.county.clone(), site.region),
    };
    let clinical = if changes.has("clinical") { changes.is_yes("clinical") } else { site.clinical };
    if (&name, &county, region, clinical) == (&site.name, &site.county, site.region, site.clinical)
    {
        return Ok(());
    }
    // The message path goes by these.
    raise_revision(conn)?;
    diesel::update(site::table.find(id))
        .set((
            site::name.eq(name),
            site::county.eq(county),
            site::region.eq(region),
            site::clinical.eq(clinical),
            site::updated_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Moves an organization to another access level; roles that the new one does not have end.
fn move_level(
    conn: &mut DbConnection,
    id: OrganizationId,
    level: AccessLevel,
    now: Timestamp,
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
    write_organization(conn, id, &Answers::default(), now)?;
    diesel::update(organization_profile::table.find(id))
        .set(organization_profile::access_level.eq(level))
        .execute(conn)?;
    let gone: Vec<Role> =
        Role::ALL.iter().copied().filter(|role| !role.is_open_to(level)).collect();
    let ended = membership::table
        .filter(membership::organization_id.eq(id))
        .filter(membership::role.eq_any(gone))
        .filter(membership::state.ne(MembershipState::Inactive));
    diesel::update(ended)
        .set((membership::state.eq(MembershipState::Inactive), membership::changed_at.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Does what an approved request for an update asks for, inside the transaction of the decision.
///
/// # Errors
/// When what it asks for is not possible any more.
pub(super) fn apply(
    conn: &mut DbConnection,
    request: &Request,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(id) = request.organization else {
        return Err(StoreError::NotFound("organization of the request".to_owned()));
    };
    if let Some(site) = &request.site {
        site_of(conn, id, site)?;
        return write_site(conn, site, &request.answers, now);
    }
    let mut answers = request.answers.clone();
    if answers.has("access_level") {
        let level = answers.get("access_level").parse();
        let level = level.map_err(|_unknown| StoreError::NotFound("access level".to_owned()))?;
        move_level(conn, id, level, now)?;
        answers.set("access_level", "");
    }
    if answers.is_empty() { Ok(()) } else { write_organization(conn, id, &answers, now) }
}

impl Store {
    /// Changes what an organization told of itself, and asks staff for what they decide; all or nothing.
    pub async fn organization_change(
        &self,
        id: OrganizationId,
        change: Change,
        deed: Deed,
    ) -> Result<Option<RequestId>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = record(conn, id)?.answers;
            if change.now.iter().next().is_some() {
                write_organization(conn, id, &change.now, doing.now)?;
            }
            let asked = ask(conn, &change, doing.now)?;
            let object = format!("organization {id}");
            let (before, after) = told(&before, &change, asked);
            doing.end(conn, "organization.change", &object, Some(&before), Some(&after))?;
            Ok(asked)
        })
        .await
    }

    /// Changes what a Site of an organization told of itself, and asks staff for what they decide; all or nothing.
    pub async fn site_change(
        &self,
        organization: OrganizationId,
        id: SiteId,
        change: Change,
        deed: Deed,
    ) -> Result<Option<RequestId>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            site_of(conn, organization, &id)?;
            let text = site_profile::table
                .find(&id)
                .select(site_profile::answers)
                .first::<String>(conn)
                .optional()?;
            let before = text.as_deref().map(read_answers).transpose()?.unwrap_or_default();
            if change.now.iter().next().is_some() {
                write_site(conn, &id, &change.now, doing.now)?;
            }
            let asked = ask(conn, &change, doing.now)?;
            let object = format!("site {id}");
            let (before, after) = told(&before, &change, asked);
            doing.end(conn, "site.change", &object, Some(&before), Some(&after))?;
            Ok(asked)
        })
        .await
    }

    /// Records that an organization accepts a version of the agreement: version, name, title, and from where.
    pub async fn agreement_accept(
        &self,
        id: OrganizationId,
        agreement: [String; 4],
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            record(conn, id)?;
            accept_agreement(conn, id, &agreement, doing.now)?;
            let [version, name, title, _] = &agreement;
            let after = format!("version {version}, {name}, {title}");
            doing.end(
                conn,
                "agreement.accept",
                &format!("organization {id}"),
                None,
                Some(&after),
            )?;
            Ok(())
        })
        .await
    }
}

fn ask(
    conn: &mut DbConnection,
    change: &Change,
    now: Timestamp,
) -> Result<Option<RequestId>, StoreError> {
    change.ask.as_ref().map(|new| request::create(conn, new, now)).transpose()
}

/// What held and what holds or was asked for, for the trail.
fn told(before: &Answers, change: &Change, asked: Option<RequestId>) -> (String, String) {
    let Some((id, new)) = asked.zip(change.ask.as_ref()) else {
        return (of_names(before, &change.now), change.now.to_json());
    };
    let names = with(change.now.clone(), &new.answers);
    let asked = format!("asked for as request {id}: {}", new.answers.to_json());
    let at_once = change.now.iter().next().map(|_| change.now.to_json());
    let after = at_once.map_or_else(|| asked.clone(), |json| format!("{json}; {asked}"));
    (of_names(before, &names), after)
}
