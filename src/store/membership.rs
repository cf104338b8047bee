//! Roles of accounts in organizations, and the training that some of them wait for.

use diesel::prelude::*;

use crate::domain::{
    AccessLevel, Account, AccountId, AccountState, Course, Membership, MembershipState,
    OrganizationId, Refusal, Role, Timestamp,
};
use crate::store::account::{self, COLUMNS, from_row, object};
use crate::store::connection::DbConnection;
use crate::store::one_time_link::{self, LinkSecret};
use crate::store::schema::{
    account as accounts, membership, organization, organization_profile, training,
};
use crate::store::{Deed, Store, StoreError, session};

/// A role to be given.
#[derive(Debug, Clone, Copy)]
pub struct NewMembership {
    /// To whom.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub role: Role,
}

/// A training to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewTraining {
    /// Whose.
    pub account: AccountId,
    /// How it was given.
    pub course: Course,
    /// The day of it.
    pub completed_on: chrono::NaiveDate,
    /// Who records it.
    pub recorded_by: AccountId,
}

/// A training as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingRecord {
    /// How it was given.
    pub course: Course,
    /// The day of it, as `2026-11-22`.
    pub completed_on: String,
    /// Who recorded it.
    pub recorded_by: AccountId,
    /// When.
    pub recorded_at: Timestamp,
}

type Row = (AccountId, OrganizationId, Role, MembershipState, Timestamp);

fn membership_of((account, organization, role, state, changed_at): Row) -> Membership {
    Membership { account, organization, role, state, changed_at }
}

/// Every role of an account, whatever its state.
pub(super) fn of_account(
    conn: &mut DbConnection,
    account: AccountId,
) -> Result<Vec<Membership>, StoreError> {
    let rows = membership::table
        .filter(membership::account_id.eq(account))
        .order((membership::organization_id.asc(), membership::role.asc()))
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(membership_of).collect())
}

fn in_organization(
    conn: &mut DbConnection,
    account: AccountId,
    organization: OrganizationId,
) -> Result<Vec<Membership>, StoreError> {
    let mut all = of_account(conn, account)?;
    all.retain(|one| one.organization == organization);
    Ok(all)
}

fn is_trained(conn: &mut DbConnection, account: AccountId) -> Result<bool, StoreError> {
    let count = training::table.filter(training::account_id.eq(account)).count();
    Ok(count.get_result::<i64>(conn)? > 0)
}

/// Gives a role, or gives an ended one again, inside the transaction of another change.
///
/// # Errors
/// When the access level of the organization does not have the role.
pub(super) fn grant(
    conn: &mut DbConnection,
    new: &NewMembership,
    now: Timestamp,
) -> Result<MembershipState, StoreError> {
    let level = organization_profile::table
        .find(new.organization)
        .select(organization_profile::access_level)
        .first::<AccessLevel>(conn)
        .optional()?;
    if let Some(level) = level.filter(|level| !new.role.is_open_to(*level)) {
        let (role, level) = (new.role.name(), level.name());
        return Err(Refusal(format!("there is no role {role} at the access level {level}")).into());
    }
    let state = MembershipState::at_first(new.role, is_trained(conn, new.account)?);
    if set(conn, new.account, new.organization, new.role, state, now)? == 0 {
        diesel::insert_into(membership::table)
            .values((
                membership::account_id.eq(new.account),
                membership::organization_id.eq(new.organization),
                membership::role.eq(new.role),
                membership::state.eq(state),
                membership::changed_at.eq(now),
            ))
            .execute(conn)?;
    }
    Ok(state)
}

fn set(
    conn: &mut DbConnection,
    account: AccountId,
    organization: OrganizationId,
    role: Role,
    state: MembershipState,
    now: Timestamp,
) -> Result<usize, StoreError> {
    Ok(diesel::update(membership::table.find((account, organization, role)))
        .set((membership::state.eq(state), membership::changed_at.eq(now)))
        .execute(conn)?)
}

/// Ends roles; an organization keeps one representative, and who has no place left is signed out.
fn end(conn: &mut DbConnection, ended: &[Membership], now: Timestamp) -> Result<(), StoreError> {
    for one in ended {
        set(conn, one.account, one.organization, one.role, MembershipState::Inactive, now)?;
        if one.role == Role::Representative && one.state == MembershipState::Active {
            keep_a_representative(conn, one.organization)?;
        }
        if !account::has_place(conn, one.account)? {
            session::end_all(conn, one.account, None)?;
        }
    }
    Ok(())
}

fn keep_a_representative(
    conn: &mut DbConnection,
    organization: OrganizationId,
) -> Result<(), StoreError> {
    let left = membership::table
        .inner_join(accounts::table.on(accounts::id.eq(membership::account_id)))
        .filter(membership::organization_id.eq(organization))
        .filter(membership::role.eq(Role::Representative))
        .filter(membership::state.eq(MembershipState::Active))
        .filter(accounts::state.ne(AccountState::Deactivated))
        .count()
        .get_result::<i64>(conn)?;
    if left == 0 {
        let text = "an organization needs a representative: name another one first";
        return Err(Refusal(text.to_owned()).into());
    }
    Ok(())
}

/// Roles in an organization, as the audit trail tells them.
fn told(organization: OrganizationId, memberships: &[Membership]) -> String {
    let words: Vec<String> =
        memberships.iter().map(|one| format!("{} {}", one.role, one.state)).collect();
    format!("organization {organization}: {}", words.join(", "))
}

impl Store {
    /// Gives an account a role, which may wait for training.
    pub async fn membership_grant(
        &self,
        new: NewMembership,
        deed: Deed,
    ) -> Result<Membership, StoreError> {
        self.membership_change(
            new.account,
            new.organization,
            "membership.grant",
            deed,
            move |conn, now| {
                grant(conn, &new, now)?;
                Ok(())
            },
        )
        .await?
        .into_iter()
        .find(|one| one.role == new.role)
        .ok_or_else(|| StoreError::NotFound("such membership".to_owned()))
    }

    /// Gives the roles of a list in an organization and takes all others, in one change.
    pub async fn membership_set(
        &self,
        account: AccountId,
        organization: OrganizationId,
        roles: Vec<Role>,
        deed: Deed,
    ) -> Result<Vec<Membership>, StoreError> {
        self.membership_change(account, organization, "membership.set", deed, move |conn, now| {
            let mut held = in_organization(conn, account, organization)?;
            held.retain(|one| one.state != MembershipState::Inactive);
            for role in &roles {
                if !held.iter().any(|one| one.role == *role) {
                    grant(conn, &NewMembership { account, organization, role: *role }, now)?;
                }
            }
            held.retain(|one| !roles.contains(&one.role));
            end(conn, &held, now)
        })
        .await
    }

    /// Deactivates a user in an organization: all roles there end.
    pub async fn membership_deactivate(
        &self,
        account: AccountId,
        organization: OrganizationId,
        deed: Deed,
    ) -> Result<Vec<Membership>, StoreError> {
        self.membership_change(
            account,
            organization,
            "membership.deactivate",
            deed,
            move |conn, now| {
                let mut held = in_organization(conn, account, organization)?;
                held.retain(|one| one.state != MembershipState::Inactive);
                if held.is_empty() {
                    return Err(Refusal("the user is not active there".to_owned()).into());
                }
                end(conn, &held, now)
            },
        )
        .await
    }

    /// Reactivates a user in an organization: the roles that ended last hold again.
    pub async fn membership_reactivate(
        &self,
        account: AccountId,
        organization: OrganizationId,
        deed: Deed,
    ) -> Result<Vec<Membership>, StoreError> {
        self.membership_change(
            account,
            organization,
            "membership.reactivate",
            deed,
            move |conn, now| {
                let held = in_organization(conn, account, organization)?;
                if held.iter().any(|one| one.state != MembershipState::Inactive) {
                    return Err(Refusal("the user is active there already".to_owned()).into());
                }
                let Some(last) = held.iter().map(|one| one.changed_at).max() else {
                    return Err(StoreError::NotFound("such user of the organization".to_owned()));
                };
                for one in held.iter().filter(|one| one.changed_at == last) {
                    grant(conn, &NewMembership { account, organization, role: one.role }, now)?;
                }
                Ok(())
            },
        )
        .await
    }

    /// A change of the roles of an account in an organization, told with what held before and after.
    async fn membership_change(
        &self,
        account: AccountId,
        organization: OrganizationId,
        what: &'static str,
        deed: Deed,
        change: impl FnOnce(&mut DbConnection, Timestamp) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Vec<Membership>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            account::by_id(conn, account)?;
            let before = in_organization(conn, account, organization)?;
            change(conn, doing.now)?;
            let after = in_organization(conn, account, organization)?;
            let (old, new) = (told(organization, &before), told(organization, &after));
            doing.end(conn, what, &object(account), Some(&old), Some(&new))?;
            Ok(after)
        })
        .await
    }

    /// The users of an organization by name, each with its roles there.
    pub async fn membership_list(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<(Account, Vec<Membership>)>, StoreError> {
        self.read(move |conn| {
            let rows = membership::table
                .inner_join(accounts::table.on(accounts::id.eq(membership::account_id)))
                .filter(membership::organization_id.eq(organization))
                .order((accounts::name_key.asc(), accounts::id.asc(), membership::role.asc()))
                .select((
                    COLUMNS,
                    (
                        membership::account_id,
                        membership::organization_id,
                        membership::role,
                        membership::state,
                        membership::changed_at,
                    ),
                ))
                .load::<(account::Row, Row)>(conn)?;
            let mut users: Vec<(Account, Vec<Membership>)> = vec![];
            for (account, role) in rows {
                let (account, role) = (from_row(account), membership_of(role));
                match users.last_mut().filter(|(last, _)| last.id == account.id) {
                    Some((_, roles)) => roles.push(role),
                    None => users.push((account, vec![role])),
                }
            }
            Ok(users)
        })
        .await
    }

    /// The roles of an account, whatever their state.
    pub async fn membership_of_account(
        &self,
        account: AccountId,
    ) -> Result<Vec<Membership>, StoreError> {
        self.read(move |conn| of_account(conn, account)).await
    }

    /// The organizations of an account: number and name.
    pub async fn membership_organizations(
        &self,
        account: AccountId,
    ) -> Result<Vec<(OrganizationId, String)>, StoreError> {
        self.read(move |conn| {
            Ok(membership::table
                .inner_join(
                    organization::table.on(organization::id.eq(membership::organization_id)),
                )
                .filter(membership::account_id.eq(account))
                .select((organization::id, organization::name))
                .distinct()
                .order(organization::name.asc())
                .load(conn)?)
        })
        .await
    }

    /// Records a training: what waited for it holds, and an account without a password is invited now. Tells whether it was.
    pub async fn training_record(
        &self,
        new: NewTraining,
        invitation: LinkSecret,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let mut doing = self.doing(deed);
        self.write(move |conn| {
            let (account, now) = (account::by_id(conn, new.account)?, doing.now);
            let day = new.completed_on.format("%Y-%m-%d").to_string();
            let values = (
                training::completed_on.eq(&day),
                training::recorded_by.eq(new.recorded_by),
                training::recorded_at.eq(now),
            );
            let key = (training::account_id.eq(new.account), training::course.eq(new.course));
            let known = training::table.find((new.account, new.course.word()));
            if diesel::update(known).set(values).execute(conn)? == 0 {
                diesel::insert_into(training::table).values((key, values)).execute(conn)?;
            }
            let waiting = membership::table
                .filter(membership::account_id.eq(new.account))
                .filter(membership::state.eq(MembershipState::AwaitingTraining));
            diesel::update(waiting)
                .set((
                    membership::state.eq(MembershipState::Active),
                    membership::changed_at.eq(now),
                ))
                .execute(conn)?;
            let invited = account.state == AccountState::Invited;
            if invited {
                let link = account::invitation_link(invitation, new.account);
                one_time_link::issue(conn, &link, now)?;
            } else {
                doing.keep_letters();
            }
            let after = format!("{} on {day}", new.course);
            doing.end(conn, "training.record", &object(new.account), None, Some(&after))?;
            Ok(invited)
        })
        .await
    }

    /// The trainings of an account.
    pub async fn training_list(
        &self,
        account: AccountId,
    ) -> Result<Vec<TrainingRecord>, StoreError> {
        self.read(move |conn| {
            let rows = training::table
                .filter(training::account_id.eq(account))
                .order(training::recorded_at.asc())
                .select((
                    training::course,
                    training::completed_on,
                    training::recorded_by,
                    training::recorded_at,
                ))
                .load::<(Course, String, AccountId, Timestamp)>(conn)?;
            let record = |(course, completed_on, recorded_by, recorded_at)| TrainingRecord {
                course,
                completed_on,
                recorded_by,
                recorded_at,
            };
            Ok(rows.into_iter().map(record).collect())
        })
        .await
    }
}
