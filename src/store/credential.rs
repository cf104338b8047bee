//! Credentials: issue, rotation with overlap, revocation, last use.

use std::time::Duration;

use diesel::prelude::*;
use serde_json::json;

use crate::domain::{
    By, ClientKeyPin, Credential, CredentialId, CredentialState, Environment, OrganizationId,
    Refusal, Scope, SecretHash, SiteId, Timestamp,
};
use crate::store::audit::Auditor;
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::owned::credential_of;
use crate::store::schema::{credential, site};
use crate::store::{Deed, Store, StoreError};

/// A credential to be recorded.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// The Site or Sending Facility that it identifies.
    pub site: SiteId,
    /// The environment that it opens.
    pub environment: Environment,
    /// `username` of the SOAP call; unique.
    pub username: String,
    /// `facilityID` of the SOAP call.
    pub facility_id: String,
    /// Keyed hash of its secret.
    pub secret: SecretHash,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// A credential that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingCredential {
    /// The Site that it identifies.
    pub site: SiteId,
    /// The Site's name.
    pub name: String,
    /// The environment that it opens.
    pub environment: Environment,
    /// Its username.
    pub username: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

type Row = (
    CredentialId,
    SiteId,
    Environment,
    String,
    String,
    CredentialState,
    SecretHash,
    Option<SecretHash>,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<ClientKeyPin>,
    Timestamp,
    Option<Timestamp>,
    Option<Timestamp>,
);

fn from_row(row: Row) -> Credential {
    Credential {
        id: row.0,
        site: row.1,
        environment: row.2,
        username: row.3,
        facility_id: row.4,
        state: row.5,
        secret: row.6,
        old_secret: row.7,
        old_secret_until: row.8,
        expires_at: row.9,
        client_key_pin: row.10,
        created_at: row.11,
        last_used_at: row.12,
        shown_at: row.13,
    }
}

pub(super) fn all(conn: &mut DbConnection) -> Result<Vec<Credential>, StoreError> {
    Ok(credential::table
        .order(credential::username.asc())
        .load::<Row>(conn)?
        .into_iter()
        .map(from_row)
        .collect())
}

/// The credentials in use that end after `from` and until `until`.
pub(super) fn ending(
    conn: &mut DbConnection,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Credential>, StoreError> {
    let ending = credential::table
        .filter(credential::state.eq(CredentialState::Active))
        .filter(credential::expires_at.gt(Some(from)))
        .filter(credential::expires_at.le(Some(until)));
    let rows = ending.order(credential::id.asc()).load::<Row>(conn)?;
    Ok(rows.into_iter().map(from_row).collect())
}

pub(super) fn by_username(
    conn: &mut DbConnection,
    username: &str,
) -> Result<Credential, StoreError> {
    credential::table
        .filter(credential::username.eq(username))
        .first::<Row>(conn)
        .optional()?
        .map(from_row)
        .ok_or_else(|| StoreError::NotFound(format!("credential {username}")))
}

/// The credentials of a Site, by username.
pub(super) fn of_site(conn: &mut DbConnection, id: &SiteId) -> Result<Vec<Credential>, StoreError> {
    let owned = credential::table.filter(credential::site_id.eq(id));
    Ok(owned
        .order(credential::username.asc())
        .load::<Row>(conn)?
        .into_iter()
        .map(from_row)
        .collect())
}

/// Records a change of a credential in the trail, without its secrets, and gives what holds now.
fn changed(
    conn: &mut DbConnection,
    auditor: &Auditor,
    action: &'static str,
    before: Option<&Credential>,
    username: &str,
) -> Result<Credential, StoreError> {
    let after = by_username(conn, username)?;
    let object = format!("credential {}", after.username);
    let before = before.map(told);
    auditor.record(conn, action, &object, before.as_deref(), Some(&told(&after)))?;
    Ok(after)
}

/// A credential for the trail.
fn told(credential: &Credential) -> String {
    json!({
        "site": credential.site, "environment": credential.environment, "facility_id": credential.facility_id,
        "state": credential.state, "old_secret_until": credential.old_secret_until,
        "expires_at": credential.expires_at, "client_key_pin": credential.client_key_pin,
    })
    .to_string()
}

/// Until when the secret before is taken, when somebody knows it and it is to be taken any longer.
fn now_or(is_known: bool, overlap: Duration, now: Timestamp) -> Option<Timestamp> {
    (is_known && !overlap.is_zero()).then(|| now.plus(overlap))
}

impl Store {
    /// Records a credential.
    pub async fn credential_issue(
        &self,
        new: NewCredential,
        by: By,
    ) -> Result<Credential, StoreError> {
        let (auditor, now) = (self.auditor(by.clone()), by.at);
        self.write(move |conn| {
            if site::table.find(&new.site).count().get_result::<i64>(conn)? == 0 {
                return Err(StoreError::NotFound(format!("Site {}", new.site)));
            }
            raise_revision(conn)?;
            diesel::insert_into(credential::table)
                .values((
                    credential::site_id.eq(new.site),
                    credential::environment.eq(new.environment),
                    credential::username.eq(&new.username),
                    credential::facility_id.eq(new.facility_id),
                    credential::state.eq(CredentialState::Active),
                    credential::secret.eq(new.secret),
                    credential::expires_at.eq(new.expires_at),
                    credential::created_at.eq(now),
                    // Whoever issues it hands it over.
                    credential::shown_at.eq(Some(now)),
                ))
                .execute(conn)?;
            changed(conn, &auditor, "credential.issue", None, &new.username)
        })
        .await
    }

    /// Puts a new secret beside the present one, which is taken for `overlap` more; an older one ends at once.
    pub async fn credential_rotate(
        &self,
        username: String,
        secret: SecretHash,
        overlap: Duration,
        by: By,
    ) -> Result<Credential, StoreError> {
        let (auditor, now) = (self.auditor(by.clone()), by.at);
        self.write(move |conn| {
            let present = by_username(conn, &username)?;
            if present.state != CredentialState::Active {
                return Err(
                    Refusal(format!("credential {username} is revoked; issue a new one")).into()
                );
            }
            raise_revision(conn)?;
            diesel::update(credential::table.find(present.id))
                .set((
                    credential::secret.eq(secret),
                    credential::old_secret.eq(Some(present.secret)),
                    credential::old_secret_until.eq(Some(now.plus(overlap))),
                    credential::shown_at.eq(present.shown_at.or(Some(now))),
                ))
                .execute(conn)?;
            changed(conn, &auditor, "credential.rotate", Some(&present), &username)
        })
        .await
    }

    /// Revokes a credential, from the next message on.
    pub async fn credential_revoke(
        &self,
        username: String,
        by: By,
    ) -> Result<Credential, StoreError> {
        let auditor = self.auditor(by);
        self.write(move |conn| {
            let present = by_username(conn, &username)?;
            raise_revision(conn)?;
            diesel::update(credential::table.find(present.id))
                .set(credential::state.eq(CredentialState::Revoked))
                .execute(conn)?;
            changed(conn, &auditor, "credential.revoke", Some(&present), &username)
        })
        .await
    }

    /// Gives a credential of a Site of the organization a new secret, which is shown at this moment. The one before is
    /// taken for `overlap` more, unless nobody has ever seen it.
    pub async fn credential_show(
        &self,
        (organization, site, username): (OrganizationId, SiteId, String),
        secret: SecretHash,
        overlap: Duration,
        deed: Deed,
    ) -> Result<Credential, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = credential_of(conn, organization, &site, &username)?;
            if !before.is_live(doing.now) {
                return Err(Refusal(format!("credential {username} has ended")).into());
            }
            raise_revision(conn)?;
            let until = now_or(before.shown_at.is_some(), overlap, doing.now);
            diesel::update(credential::table.find(before.id))
                .set((
                    credential::secret.eq(secret),
                    credential::old_secret.eq(until.map(|_| before.secret)),
                    credential::old_secret_until.eq(until),
                    credential::shown_at.eq(before.shown_at.or(Some(doing.now))),
                ))
                .execute(conn)?;
            let after = by_username(conn, &username)?;
            let object = format!("credential {username}");
            let (old, new) = (told(&before), told(&after));
            doing.end(conn, "credential.show", &object, Some(&old), Some(&new))?;
            Ok(after)
        })
        .await
    }

    /// Revokes a credential of a Site of the organization, from the next message on.
    pub async fn credential_end(
        &self,
        (organization, site, username): (OrganizationId, SiteId, String),
        deed: Deed,
    ) -> Result<Credential, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let before = credential_of(conn, organization, &site, &username)?;
            if before.state == CredentialState::Revoked {
                return Err(Refusal(format!("credential {username} is revoked already")).into());
            }
            raise_revision(conn)?;
            diesel::update(credential::table.find(before.id))
                .set(credential::state.eq(CredentialState::Revoked))
                .execute(conn)?;
            let after = by_username(conn, &username)?;
            let object = format!("credential {username}");
            let (old, new) = (told(&before), told(&after));
            doing.end(conn, "credential.revoke", &object, Some(&old), Some(&new))?;
            Ok(after)
        })
        .await
    }

    /// Demands a client certificate with this public key, or none any more.
    pub async fn credential_pin(
        &self,
        username: String,
        pin: Option<ClientKeyPin>,
        by: By,
    ) -> Result<Credential, StoreError> {
        let auditor = self.auditor(by);
        self.write(move |conn| {
            let present = by_username(conn, &username)?;
            raise_revision(conn)?;
            diesel::update(credential::table.find(present.id))
                .set(credential::client_key_pin.eq(pin))
                .execute(conn)?;
            changed(conn, &auditor, "credential.pin", Some(&present), &username)
        })
        .await
    }

    /// Every credential, by username.
    pub async fn credential_list(&self) -> Result<Vec<Credential>, StoreError> {
        self.read(all).await
    }

    /// The credentials in use in a scope that end in a time: the first `limit` of them by their ends, and how many there are.
    pub async fn credential_ending(
        &self,
        scope: Scope,
        (from, until): (Timestamp, Timestamp),
        limit: i64,
    ) -> Result<(Vec<EndingCredential>, i64), StoreError> {
        type Row = (SiteId, String, Environment, String, Option<Timestamp>);
        self.read(move |conn| {
            let ending = || {
                let ending = credential::table
                    .inner_join(site::table.on(site::id.eq(credential::site_id)))
                    .filter(credential::state.eq(CredentialState::Active))
                    .filter(credential::expires_at.gt(Some(from)))
                    .filter(credential::expires_at.le(Some(until)));
                match &scope {
                    Scope::All => ending.into_boxed(),
                    Scope::Nowhere => {
                        ending.filter(site::organization_id.eq(OrganizationId(0))).into_boxed()
                    }
                    Scope::Regions(regions) => {
                        let codes: Vec<_> = regions.iter().map(ToString::to_string).collect();
                        ending.filter(site::region.eq_any(codes)).into_boxed()
                    }
                }
            };
            let count = ending().count().get_result::<i64>(conn)?;
            let rows = ending()
                .order((credential::expires_at.asc(), credential::id.asc()))
                .select((
                    site::id,
                    site::name,
                    credential::environment,
                    credential::username,
                    credential::expires_at,
                ))
                .limit(limit)
                .load::<Row>(conn)?;
            let told = |(site, name, environment, username, expires_at): Row| {
                Some(EndingCredential {
                    site,
                    name,
                    environment,
                    username,
                    expires_at: expires_at?,
                })
            };
            Ok((rows.into_iter().filter_map(told).collect(), count))
        })
        .await
    }

    /// Notes that a credential was used. Not a change of the registry: its revision stays.
    pub async fn credential_used(
        &self,
        id: CredentialId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(credential::table.find(id))
                .set(credential::last_used_at.eq(Some(now)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
