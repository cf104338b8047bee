//! The way of Sites to production: every step in the transaction of what brought it about, with its line in the history.

use diesel::prelude::*;

use crate::domain::{
    AccountId, By, CredentialState, Environment, LinkStatus, Refusal, ReviewMark, SecretHash,
    SiteEventKind, SiteId, SiteKind, SiteReview, SiteStatus, StageChange, StageEvent, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::directory::raise_revision;
use crate::store::schema::{
    credential, site, site_event, site_link, site_progress, site_review, stage_change,
};
use crate::store::{Deed, Store, StoreError, registration, webhook_call};

/// A production credential that comes with the approval: its username, and the hash of a secret that nobody was shown.
pub type NewProductionCredential = (String, SecretHash);

/// Records that a Site begins its way, inside the transaction that makes it.
pub(super) fn begin(
    conn: &mut DbConnection,
    id: &SiteId,
    status: SiteStatus,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    write(conn, id, StageEvent::Registered, None, status, (actor, None), now)
}

/// The same of many Sites that begin alike, with one statement.
pub(super) fn begin_all<'a>(
    conn: &mut DbConnection,
    ids: impl Iterator<Item = &'a SiteId>,
    status: SiteStatus,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = ids
        .map(|id| {
            (
                stage_change::site_id.eq(id),
                stage_change::at.eq(now),
                stage_change::event.eq(StageEvent::Registered),
                stage_change::after.eq(status),
                stage_change::actor.eq(actor),
            )
        })
        .collect();
    on_either!(conn, conn => diesel::insert_into(stage_change::table).values(rows).execute(conn)?);
    Ok(())
}

fn write(
    conn: &mut DbConnection,
    id: &SiteId,
    event: StageEvent,
    before: Option<SiteStatus>,
    after: SiteStatus,
    (actor, reason): (&str, Option<&str>),
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(stage_change::table)
        .values((
            stage_change::site_id.eq(id),
            stage_change::at.eq(now),
            stage_change::event.eq(event),
            stage_change::before.eq(before),
            stage_change::after.eq(after),
            stage_change::actor.eq(actor),
            stage_change::reason.eq(reason),
        ))
        .execute(conn)?;
    Ok(())
}

/// Where a suspended Site stood before.
fn stopped_in(conn: &mut DbConnection, id: &SiteId) -> Result<Option<SiteStatus>, StoreError> {
    let last = stage_change::table
        .filter(stage_change::site_id.eq(id))
        .filter(stage_change::event.eq(StageEvent::Suspended))
        .order(stage_change::id.desc())
        .select(stage_change::before);
    Ok(last.first::<Option<SiteStatus>>(conn).optional()?.flatten())
}

/// Takes one step: status, history, what its people are told, and the end of credentials where the step ends them.
/// The line in the audit trail is the caller's, at the end of the transaction.
pub(super) fn step(
    conn: &mut DbConnection,
    id: &SiteId,
    event: StageEvent,
    reason: Option<&str>,
    by: &By,
) -> Result<(SiteStatus, SiteStatus), StoreError> {
    let before = site::table
        .find(id)
        .select(site::status)
        .first::<SiteStatus>(conn)
        .optional()?
        .ok_or_else(|| StoreError::NotFound(format!("Site {id}")))?;
    let stopped_in = if before == SiteStatus::Suspended { stopped_in(conn, id)? } else { None };
    let after = before.after(event, stopped_in)?;
    raise_revision(conn)?;
    diesel::update(site::table.find(id))
        .set((site::status.eq(after), site::updated_at.eq(by.at)))
        .execute(conn)?;
    write(conn, id, event, Some(before), after, (&by.actor, reason), by.at)?;
    diesel::insert_into(site_event::table)
        .values((
            site_event::site_id.eq(id),
            site_event::at.eq(by.at),
            site_event::kind.eq(SiteEventKind::Stage),
        ))
        .execute(conn)?;
    webhook_call::tell_step(conn, id, event, (before, after), by.at)?;
    if event.ends_credentials() {
        diesel::update(credential::table.filter(credential::site_id.eq(id)))
            .set(credential::state.eq(CredentialState::Revoked))
            .execute(conn)?;
    }
    match event {
        StageEvent::Invited | StageEvent::Suspended | StageEvent::Reinstated => {}
        _ => {
            diesel::delete(site_review::table.find(id)).execute(conn)?;
        }
    }
    if event == StageEvent::SentBack {
        // Or the next good message would bring it straight back.
        diesel::update(site_progress::table.find(id))
            .set(site_progress::clean_run.eq(0))
            .execute(conn)?;
    }
    Ok((before, after))
}

/// The letters of a step go out with the deed that takes it: nobody else has to write them.
pub(super) fn set_told(
    conn: &mut DbConnection,
    id: &SiteId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let stages = site_event::table
        .filter(site_event::site_id.eq(id))
        .filter(site_event::kind.eq(SiteEventKind::Stage))
        .filter(site_event::at.eq(at));
    diesel::update(stages).set(site_event::told_at.eq(Some(at))).execute(conn)?;
    Ok(())
}

/// A Site that sends through a Sending Facility goes on only when that one agreed. Source: domain notes 5.2.
fn must_be_linked(conn: &mut DbConnection, id: &SiteId) -> Result<(), StoreError> {
    let kind = site::table.find(id).select(site::kind).first::<SiteKind>(conn).optional()?;
    if kind != Some(SiteKind::ThroughFacility) {
        return Ok(());
    }
    let active = site_link::table
        .filter(site_link::site_id.eq(id))
        .filter(site_link::status.eq(LinkStatus::Active))
        .count()
        .get_result::<i64>(conn)?;
    if active > 0 {
        return Ok(());
    }
    Err(Refusal("its Sending Facility has not agreed to send for it yet".to_owned()).into())
}

type ReviewRow =
    (SiteId, Timestamp, AccountId, String, Option<AccountId>, Option<Timestamp>, Option<String>);

fn from_row(row: ReviewRow) -> Result<SiteReview, StoreError> {
    let (site, opened_at, opened_by, marks, proposed_by, proposed_at, proposal) = row;
    let marks: Vec<ReviewMark> = serde_json::from_str(&marks)
        .map_err(|_unreadable| StoreError::NotFound(format!("checklist of {site}")))?;
    Ok(SiteReview {
        site,
        opened_at,
        opened_by,
        marks,
        proposed: proposed_by.zip(proposed_at),
        proposal,
    })
}

fn review(conn: &mut DbConnection, id: &SiteId) -> Result<Option<SiteReview>, StoreError> {
    let row = site_review::table.find(id).first::<ReviewRow>(conn).optional()?;
    row.map(from_row).transpose()
}

/// The review of a Site that is under review now, not suspended meanwhile.
fn open_review(conn: &mut DbConnection, id: &SiteId) -> Result<SiteReview, StoreError> {
    let held = review(conn, id)?;
    let status = site::table.find(id).select(site::status).first::<SiteStatus>(conn).optional()?;
    held.filter(|_| status == Some(SiteStatus::Onboarding))
        .ok_or_else(|| Refusal(format!("no review of {id} is open")).into())
}

impl Store {
    /// Takes one step of a Site's way that somebody decided. Gives where it stood and where it stands now.
    ///
    /// # Errors
    /// A refusal when the step is not possible where the Site stands.
    pub async fn site_step(
        &self,
        id: SiteId,
        event: StageEvent,
        reason: Option<String>,
        deed: impl Into<Deed>,
    ) -> Result<(SiteStatus, SiteStatus), StoreError> {
        self.take_step(id, event, reason, None, deed.into()).await
    }

    /// The same of a Site that begins anew or goes on: where it has no live credential any more it gets one, whose secret is
    /// shown to nobody before somebody of the Site asks for it.
    pub async fn site_restart(
        &self,
        id: SiteId,
        event: StageEvent,
        reason: String,
        secret: SecretHash,
        deed: Deed,
    ) -> Result<(SiteStatus, SiteStatus), StoreError> {
        self.take_step(id, event, Some(reason), Some(secret), deed).await
    }

    async fn take_step(
        &self,
        id: SiteId,
        event: StageEvent,
        reason: Option<String>,
        secret: Option<SecretHash>,
        deed: Deed,
    ) -> Result<(SiteStatus, SiteStatus), StoreError> {
        let (by, is_told) = (deed.by.clone(), !deed.letters.is_empty());
        let doing = self.doing(deed);
        self.write(move |conn| {
            let (before, after) = step(conn, &id, event, reason.as_deref(), &by)?;
            if is_told {
                set_told(conn, &id, by.at)?;
            }
            if let Some(secret) = secret {
                issue(conn, &id, Environment::Test, &(format!("{id}-T"), secret), by.at)?;
            }
            let told = told(after, reason.as_deref());
            doing.end(
                conn,
                "site.status",
                &format!("site {id}"),
                Some(before.word()),
                Some(&told),
            )?;
            Ok((before, after))
        })
        .await
    }

    /// Begins the review of a Site with real data.
    pub async fn review_open(
        &self,
        id: SiteId,
        account: AccountId,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let (by, is_told) = (deed.by.clone(), !deed.letters.is_empty());
        let doing = self.doing(deed);
        self.write(move |conn| {
            must_be_linked(conn, &id)?;
            let (before, after) = step(conn, &id, StageEvent::Invited, None, &by)?;
            if is_told {
                set_told(conn, &id, by.at)?;
            }
            diesel::delete(site_review::table.find(&id)).execute(conn)?;
            diesel::insert_into(site_review::table)
                .values((
                    site_review::site_id.eq(&id),
                    site_review::opened_at.eq(by.at),
                    site_review::opened_by.eq(account),
                    site_review::marks.eq("[]"),
                ))
                .execute(conn)?;
            let object = format!("site {id}");
            doing.end(conn, "site.status", &object, Some(before.word()), Some(after.word()))?;
            Ok(())
        })
        .await
    }

    /// The open review of a Site.
    pub async fn review_of(&self, id: SiteId) -> Result<Option<SiteReview>, StoreError> {
        self.read(move |conn| review(conn, &id)).await
    }

    /// Confirms an item of the checklist; an item that was confirmed before is confirmed anew.
    pub async fn review_mark(
        &self,
        id: SiteId,
        mark: ReviewMark,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let mut known = open_review(conn, &id)?;
            known.marks.retain(|one| one.item != mark.item);
            known.marks.push(mark.clone());
            let marks = serde_json::to_string(&known.marks).unwrap_or_default();
            diesel::update(site_review::table.find(&id))
                .set(site_review::marks.eq(marks))
                .execute(conn)?;
            let after = format!("{}: {}", mark.item, mark.note);
            doing.end(conn, "review.mark", &format!("site {id}"), None, Some(&after))?;
            Ok(())
        })
        .await
    }

    /// Proposes a Site for production: the first of two who agree.
    pub async fn review_propose(
        &self,
        id: SiteId,
        account: AccountId,
        proposal: Option<String>,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let known = open_review(conn, &id)?;
            if known.proposed.is_some() {
                return Err(
                    Refusal("this Site is proposed for production already".to_owned()).into()
                );
            }
            if known.open_items().next().is_some() {
                return Err(Refusal(
                    "every item of the checklist has to be confirmed first".to_owned(),
                )
                .into());
            }
            diesel::update(site_review::table.find(&id))
                .set((
                    site_review::proposed_by.eq(account),
                    site_review::proposed_at.eq(doing.now),
                    site_review::proposal.eq(&proposal),
                ))
                .execute(conn)?;
            doing.end(conn, "review.propose", &format!("site {id}"), None, proposal.as_deref())?;
            Ok(())
        })
        .await
    }

    /// Takes the proposal back; the review goes on.
    pub async fn review_unpropose(&self, id: SiteId, deed: Deed) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            open_review(conn, &id)?;
            diesel::update(site_review::table.find(&id))
                .set((
                    site_review::proposed_by.eq(None::<i64>),
                    site_review::proposed_at.eq(None::<Timestamp>),
                    site_review::proposal.eq(None::<String>),
                ))
                .execute(conn)?;
            doing.end(conn, "review.unpropose", &format!("site {id}"), None, None)?;
            Ok(())
        })
        .await
    }

    /// Approves a Site for production, as the second of two, and gives it the credential for it; its secret is shown to
    /// nobody before somebody of the Site asks for it.
    ///
    /// # Errors
    /// A refusal when nobody proposed it, or when it was the approver.
    pub async fn review_approve(
        &self,
        id: SiteId,
        account: AccountId,
        credential: NewProductionCredential,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let (by, is_told) = (deed.by.clone(), !deed.letters.is_empty());
        let doing = self.doing(deed);
        self.write(move |conn| {
            let known = open_review(conn, &id)?;
            known.may_be_approved_by(account)?;
            must_be_linked(conn, &id)?;
            let reason = known.proposal.as_deref();
            let (before, after) = step(conn, &id, StageEvent::Approved, reason, &by)?;
            if is_told {
                set_told(conn, &id, by.at)?;
            }
            issue(conn, &id, Environment::Production, &credential, doing.now)?;
            let told = format!("{}; credential {}", after.word(), credential.0);
            doing.end(
                conn,
                "site.status",
                &format!("site {id}"),
                Some(before.word()),
                Some(&told),
            )?;
            Ok(())
        })
        .await
    }

    /// The way of a Site so far, oldest step first.
    pub async fn stage_history(&self, id: SiteId) -> Result<Vec<StageChange>, StoreError> {
        self.read(move |conn| history(conn, &id)).await
    }
}

/// The way of a Site so far, oldest step first.
pub(super) fn history(
    conn: &mut DbConnection,
    id: &SiteId,
) -> Result<Vec<StageChange>, StoreError> {
    type Row =
        (SiteId, Timestamp, StageEvent, Option<SiteStatus>, SiteStatus, String, Option<String>);
    let rows = stage_change::table
        .filter(stage_change::site_id.eq(id))
        .order(stage_change::id.asc())
        .select((
            stage_change::site_id,
            stage_change::at,
            stage_change::event,
            stage_change::before,
            stage_change::after,
            stage_change::actor,
            stage_change::reason,
        ))
        .load::<Row>(conn)?;
    let told = |(site, at, event, from, to, actor, reason)| StageChange {
        site,
        at,
        event,
        from,
        to,
        actor,
        reason,
    };
    Ok(rows.into_iter().map(told).collect())
}

/// A Site that had a credential before has it still, unless it was revoked; a new one gets a name of its own.
fn issue(
    conn: &mut DbConnection,
    id: &SiteId,
    environment: Environment,
    (username, secret): &NewProductionCredential,
    now: Timestamp,
) -> Result<(), StoreError> {
    let live = credential::table
        .filter(credential::site_id.eq(id))
        .filter(credential::environment.eq(environment))
        .filter(credential::state.eq(CredentialState::Active))
        .count()
        .get_result::<i64>(conn)?;
    if live > 0 {
        return Ok(());
    }
    let earlier = credential::table
        .filter(credential::username.like(format!("{username}%")))
        .count()
        .get_result::<i64>(conn)?;
    let username =
        if earlier == 0 { username.clone() } else { format!("{username}{}", earlier + 1) };
    registration::issue_credential(conn, id, environment, &username, (*secret, None), now)
}

fn told(after: SiteStatus, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{after}: {reason}"),
        None => after.to_string(),
    }
}
