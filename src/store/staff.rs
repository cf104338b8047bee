//! Staff roles: given, taken, listed.

use diesel::prelude::*;

use crate::domain::{Account, AccountId, Refusal, StaffGrant, StaffRole, Timestamp};
use crate::store::account::{self, COLUMNS, from_row, object};
use crate::store::connection::DbConnection;
use crate::store::schema::{account as accounts, staff_role};
use crate::store::{Deed, Store, StoreError, session};

/// Gives a staff role, inside the transaction of another change.
pub(super) fn grant(
    conn: &mut DbConnection,
    id: AccountId,
    grant: StaffGrant,
    now: Timestamp,
) -> Result<(), StoreError> {
    let region = region(grant);
    let known = staff_role::table.find((id, grant.role.word(), region)).count();
    if known.get_result::<i64>(conn)? == 0 {
        diesel::insert_into(staff_role::table)
            .values((
                staff_role::account_id.eq(id),
                staff_role::role.eq(grant.role),
                staff_role::region.eq(region),
                staff_role::granted_at.eq(now),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The column: empty means all regions.
fn region(grant: StaffGrant) -> &'static str {
    grant.region.map_or("", crate::domain::RegionCode::as_str)
}

/// A staff role, as the audit trail tells it.
pub(super) fn told(grant: StaffGrant) -> String {
    format!("{} for {}", grant.role, grant.region.map_or("all regions", |region| region.as_str()))
}

fn granted((role, region): (StaffRole, String)) -> Result<StaffGrant, StoreError> {
    let region = match region.as_str() {
        "" => None,
        code => {
            Some(code.parse().map_err(|_unknown| StoreError::NotFound("such region".to_owned()))?)
        }
    };
    Ok(StaffGrant { role, region })
}

/// The staff roles of an account.
pub(super) fn of_account(
    conn: &mut DbConnection,
    id: AccountId,
) -> Result<Vec<StaffGrant>, StoreError> {
    staff_role::table
        .filter(staff_role::account_id.eq(id))
        .order((staff_role::role.asc(), staff_role::region.asc()))
        .select((staff_role::role, staff_role::region))
        .load::<(StaffRole, String)>(conn)?
        .into_iter()
        .map(granted)
        .collect()
}

impl Store {
    /// Gives an account a staff role.
    pub async fn staff_grant(
        &self,
        id: AccountId,
        new: StaffGrant,
        deed: Deed,
    ) -> Result<Vec<StaffGrant>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            account::by_id(conn, id)?;
            grant(conn, id, new, doing.now)?;
            doing.end(conn, "staff.grant", &object(id), None, Some(&told(new)))?;
            of_account(conn, id)
        })
        .await
    }

    /// Takes one staff role of an account, or all. The last administrator for all regions stays.
    pub async fn staff_revoke(
        &self,
        id: AccountId,
        one: Option<StaffGrant>,
        deed: Deed,
    ) -> Result<Vec<StaffGrant>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let mut taken = of_account(conn, id)?;
            taken.retain(|held| one.is_none_or(|one| one == *held));
            if taken.is_empty() {
                return Err(StoreError::NotFound("such staff role".to_owned()));
            }
            for grant in &taken {
                let role = staff_role::table.find((id, grant.role.word(), region(*grant)));
                diesel::delete(role).execute(conn)?;
            }
            let administrators = staff_role::table
                .filter(staff_role::role.eq(StaffRole::Administrator))
                .filter(staff_role::region.eq(""))
                .count()
                .get_result::<i64>(conn)?;
            let last = StaffGrant { role: StaffRole::Administrator, region: None };
            if administrators == 0 && taken.contains(&last) {
                let text = "the last administrator stays: make another one first";
                return Err(Refusal(text.to_owned()).into());
            }
            if !account::has_place(conn, id)? {
                session::end_all(conn, id, None)?;
            }
            let before: Vec<String> = taken.iter().map(|grant| told(*grant)).collect();
            doing.end(conn, "staff.revoke", &object(id), Some(&before.join(", ")), None)?;
            of_account(conn, id)
        })
        .await
    }

    /// All staff by name, each with its roles.
    pub async fn staff_list(&self) -> Result<Vec<(Account, Vec<StaffGrant>)>, StoreError> {
        self.read(|conn| {
            let ids = staff_role::table.select(staff_role::account_id).distinct();
            let rows = accounts::table
                .filter(accounts::id.eq_any(ids))
                .order((accounts::name_key.asc(), accounts::id.asc()))
                .select(COLUMNS)
                .load::<account::Row>(conn)?;
            rows.into_iter()
                .map(from_row)
                .map(|account| {
                    let roles = of_account(conn, account.id)?;
                    Ok((account, roles))
                })
                .collect()
        })
        .await
    }

    /// The staff roles of an account.
    pub async fn staff_of_account(&self, id: AccountId) -> Result<Vec<StaffGrant>, StoreError> {
        self.read(move |conn| of_account(conn, id)).await
    }
}
