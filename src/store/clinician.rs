//! Clinicians of organizations.

use diesel::prelude::*;
use serde_json::json;

use crate::domain::{Clinician, ClinicianId, ClinicianState, OrganizationId, Refusal, Timestamp};
use crate::store::connection::DbConnection;
use crate::store::schema::clinician;
use crate::store::{Deed, Store, StoreError};

/// What an organization tells of a clinician.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClinician {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Title; may be empty.
    pub title: String,
    /// Kind of licence.
    pub license_type: String,
    /// Number of the licence.
    pub license: String,
    /// National Provider Identifier.
    pub npi: Option<String>,
}

type Row = (
    ClinicianId,
    OrganizationId,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    ClinicianState,
    Timestamp,
);

fn from_row(row: Row) -> Clinician {
    let (id, organization, first_name, last_name, title, license_type, license, npi, state, at) =
        row;
    let changed_at = at;
    Clinician {
        id,
        organization,
        first_name,
        last_name,
        title,
        license_type,
        license,
        npi,
        state,
        changed_at,
    }
}

/// How the audit trail calls a clinician.
fn object(id: ClinicianId) -> String {
    format!("clinician {id}")
}

/// A clinician, as the audit trail tells of them.
fn told(one: &Clinician) -> String {
    let Clinician { first_name, last_name, title, license_type, license, npi, state, .. } = one;
    json!({
        "first_name": first_name, "last_name": last_name, "title": title, "license_type": license_type,
        "license": license, "npi": npi, "state": state,
    })
    .to_string()
}

/// The clinician of this number, when they are the organization's.
fn of(
    conn: &mut DbConnection,
    organization: OrganizationId,
    id: ClinicianId,
) -> Result<Clinician, StoreError> {
    clinician::table
        .find(id)
        .filter(clinician::organization_id.eq(organization))
        .first::<Row>(conn)
        .optional()?
        .map(from_row)
        .ok_or_else(|| StoreError::NotFound(object(id)))
}

/// Records a clinician, inside the transaction of another change.
pub(super) fn insert(
    conn: &mut DbConnection,
    organization: OrganizationId,
    new: &NewClinician,
    now: Timestamp,
) -> Result<ClinicianId, StoreError> {
    Ok(diesel::insert_into(clinician::table)
        .values((
            clinician::organization_id.eq(organization),
            clinician::first_name.eq(&new.first_name),
            clinician::last_name.eq(&new.last_name),
            clinician::title.eq(&new.title),
            clinician::license_type.eq(&new.license_type),
            clinician::license.eq(&new.license),
            clinician::npi.eq(&new.npi),
            clinician::state.eq(ClinicianState::Active),
            clinician::changed_at.eq(now),
        ))
        .returning(clinician::id)
        .get_result(conn)?)
}

impl Store {
    /// The clinicians of an organization by name, those who left last.
    pub async fn clinician_list(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<Clinician>, StoreError> {
        self.read(move |conn| {
            let rows = clinician::table
                .filter(clinician::organization_id.eq(organization))
                .order((
                    clinician::state.asc(),
                    clinician::last_name.asc(),
                    clinician::first_name.asc(),
                    clinician::id.asc(),
                ))
                .load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// One clinician of an organization.
    pub async fn clinician_of(
        &self,
        organization: OrganizationId,
        id: ClinicianId,
    ) -> Result<Clinician, StoreError> {
        self.read(move |conn| of(conn, organization, id)).await
    }

    /// Adds a clinician.
    ///
    /// # Errors
    /// When the organization has an active one with this licence.
    pub async fn clinician_create(
        &self,
        organization: OrganizationId,
        new: NewClinician,
        deed: Deed,
    ) -> Result<Clinician, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let known = clinician::table
                .filter(clinician::organization_id.eq(organization))
                .filter(clinician::license_type.eq(&new.license_type))
                .filter(clinician::license.eq(&new.license))
                .filter(clinician::state.eq(ClinicianState::Active))
                .count();
            if known.get_result::<i64>(conn)? > 0 {
                let text = "a clinician with this license is listed already";
                return Err(Refusal(text.to_owned()).into());
            }
            let id = insert(conn, organization, &new, doing.now)?;
            let after = of(conn, organization, id)?;
            doing.end(conn, "clinician.create", &object(id), None, Some(&told(&after)))?;
            Ok(after)
        })
        .await
    }

    /// Changes what is told of a clinician.
    pub async fn clinician_change(
        &self,
        organization: OrganizationId,
        id: ClinicianId,
        new: NewClinician,
        deed: Deed,
    ) -> Result<Clinician, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = of(conn, organization, id)?;
            diesel::update(clinician::table.find(id))
                .set((
                    clinician::first_name.eq(&new.first_name),
                    clinician::last_name.eq(&new.last_name),
                    clinician::title.eq(&new.title),
                    clinician::license_type.eq(&new.license_type),
                    clinician::license.eq(&new.license),
                    clinician::npi.eq(&new.npi),
                    clinician::changed_at.eq(doing.now),
                ))
                .execute(conn)?;
            let after = of(conn, organization, id)?;
            let (old, new) = (told(&before), told(&after));
            doing.end(conn, "clinician.change", &object(id), Some(&old), Some(&new))?;
            Ok(after)
        })
        .await
    }

    /// Says that a clinician left, or is back.
    pub async fn clinician_state_change(
        &self,
        organization: OrganizationId,
        id: ClinicianId,
        state: ClinicianState,
        deed: Deed,
    ) -> Result<Clinician, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = of(conn, organization, id)?;
            if before.state == state {
                return Err(Refusal(format!("the clinician is {state} already")).into());
            }
            diesel::update(clinician::table.find(id))
                .set((clinician::state.eq(state), clinician::changed_at.eq(doing.now)))
                .execute(conn)?;
            let (old, new) = (before.state.word(), state.word());
            doing.end(conn, "clinician.state", &object(id), Some(old), Some(new))?;
            of(conn, organization, id)
        })
        .await
    }
}
