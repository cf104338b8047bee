//! Webhooks, found only within the organization of their Site.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    AccountId, CallState, HookEvent, HookSecret, HookState, HookUrl, MessageId, OrganizationId,
    PING, PingNews, Refusal, SiteId, Timestamp, Webhook, WebhookCall,
};
use crate::store::connection::DbConnection;
use crate::store::literal::Condition;
use crate::store::owned::site_of;
use crate::store::schema::{webhook, webhook_call};
use crate::store::webhook_call::{CallTo, again, give_up_all, hold_all, queue};
use crate::store::{Deed, Part, Store, StoreError};

/// Webhooks of a Site at one time.
const MOST: usize = 10;

/// How long the secret before counts.
const OVERLAP: Duration = Duration::from_hours(24);

/// A webhook to be recorded.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// The Site that it is of.
    pub site: SiteId,
    /// What is called.
    pub url: HookUrl,
    /// What its people call it.
    pub description: String,
    /// What it is told of.
    pub events: Vec<HookEvent>,
    /// What calls are signed with.
    pub secret: HookSecret,
    /// Who makes it.
    pub created_by: AccountId,
}

/// A webhook of a Site of an organization.
pub type OwnedWebhook = (OrganizationId, SiteId, MessageId);

type Row = (
    MessageId,
    SiteId,
    String,
    String,
    String,
    HookState,
    Option<Timestamp>,
    Timestamp,
    AccountId,
    Option<Timestamp>,
);

type Columns = (
    webhook::id,
    webhook::site_id,
    webhook::url,
    webhook::description,
    webhook::events,
    webhook::state,
    webhook::old_secret_until,
    webhook::created_at,
    webhook::created_by,
    webhook::failing_since,
);

const fn columns() -> Columns {
    (
        webhook::id,
        webhook::site_id,
        webhook::url,
        webhook::description,
        webhook::events,
        webhook::state,
        webhook::old_secret_until,
        webhook::created_at,
        webhook::created_by,
        webhook::failing_since,
    )
}

fn from_row(row: Row) -> Webhook {
    let (
        id,
        site,
        url,
        description,
        events,
        state,
        old_secret_until,
        created_at,
        created_by,
        failing_since,
    ) = row;
    // A word that is no event any more is told of nothing.
    let events = events.split(',').filter_map(|word| word.parse().ok()).collect();
    Webhook {
        id,
        site,
        url,
        description,
        events,
        state,
        old_secret_until,
        created_at,
        created_by,
        failing_since,
    }
}

/// Those that are not removed.
const fn is_there() -> Condition {
    Condition("webhook.state <> 'removed'")
}

fn of_site(conn: &mut DbConnection, site: &SiteId) -> Result<Vec<Webhook>, StoreError> {
    let rows = webhook::table
        .filter(webhook::site_id.eq(site))
        .filter(is_there())
        .order(webhook::id.asc())
        .select(columns())
        .load::<Row>(conn)?;
    Ok(rows.into_iter().map(from_row).collect())
}

fn owned(
    conn: &mut DbConnection,
    (organization, site, id): &OwnedWebhook,
) -> Result<Webhook, StoreError> {
    site_of(conn, *organization, site)?;
    let row = webhook::table
        .find(id)
        .filter(webhook::site_id.eq(site))
        .filter(is_there())
        .select(columns())
        .first::<Row>(conn)
        .optional()?;
    row.map(from_row).ok_or_else(|| StoreError::NotFound(format!("webhook {id}")))
}

/// A webhook, as the audit trail names it.
fn object(hook: &Webhook) -> String {
    format!("webhook {} {}", hook.site, hook.id)
}

/// What the audit trail tells of it.
fn told(hook: &Webhook) -> String {
    let events: Vec<_> = hook.events.iter().map(|event| event.word()).collect();
    format!("{}: {}, told of {}", hook.description, hook.url, events.join(" "))
}

type CallRow = (
    i64,
    String,
    String,
    CallState,
    i64,
    Timestamp,
    Option<i32>,
    Option<String>,
    Timestamp,
    Option<Timestamp>,
);

fn call_from_row(row: CallRow) -> WebhookCall {
    let (
        id,
        event_id,
        event,
        state,
        attempts,
        next_attempt_at,
        last_status,
        last_error,
        created_at,
        settled_at,
    ) = row;
    WebhookCall {
        id,
        event_id,
        event,
        state,
        attempts,
        next_attempt_at,
        last_status,
        last_error,
        created_at,
        settled_at,
    }
}

fn refused<T>(text: impl Into<String>) -> Result<T, StoreError> {
    Err(Refusal(text.into()).into())
}

impl Store {
    /// The webhooks of a Site of an organization, the oldest first.
    pub async fn webhook_list(
        &self,
        organization: OrganizationId,
        site: SiteId,
    ) -> Result<Vec<Webhook>, StoreError> {
        self.read(move |conn| {
            site_of(conn, organization, &site)?;
            of_site(conn, &site)
        })
        .await
    }

    /// One of them, with its latest calls: at most `limit`, all before `before`.
    pub async fn webhook_calls(
        &self,
        which: OwnedWebhook,
        before: Option<i64>,
        limit: i64,
    ) -> Result<(Webhook, Vec<WebhookCall>), StoreError> {
        self.read(move |conn| {
            let hook = owned(conn, &which)?;
            let rows = webhook_call::table
                .filter(webhook_call::webhook_id.eq(hook.id))
                .filter(webhook_call::id.lt(before.unwrap_or(i64::MAX)))
                .order(webhook_call::id.desc())
                .limit(limit)
                .select((
                    webhook_call::id,
                    webhook_call::event_id,
                    webhook_call::event,
                    webhook_call::state,
                    webhook_call::attempts,
                    webhook_call::next_attempt_at,
                    webhook_call::last_status,
                    webhook_call::last_error,
                    webhook_call::created_at,
                    webhook_call::settled_at,
                ))
                .load::<CallRow>(conn)?;
            Ok((hook, rows.into_iter().map(call_from_row).collect()))
        })
        .await
    }

    /// Records a webhook of a Site of an organization.
    ///
    /// # Errors
    /// When the Site has too many.
    pub async fn webhook_create(
        &self,
        organization: OrganizationId,
        new: NewWebhook,
        deed: Deed,
    ) -> Result<Webhook, StoreError> {
        let doing = self.doing(deed);
        let id = self.next_message_id(doing.now);
        let secret = self.vault.seal(id, Part::Webhook, new.secret.reveal())?;
        self.write(move |conn| {
            site_of(conn, organization, &new.site)?;
            if of_site(conn, &new.site)?.len() >= MOST {
                let text = format!("a Site may have {MOST} webhooks at one time; remove one first");
                return refused(text);
            }
            let events: Vec<_> = new.events.iter().map(|event| event.word()).collect();
            let hook = diesel::insert_into(webhook::table)
                .values((
                    webhook::id.eq(id),
                    webhook::site_id.eq(&new.site),
                    webhook::url.eq(new.url.as_str()),
                    webhook::description.eq(&new.description),
                    webhook::events.eq(events.join(",")),
                    webhook::state.eq(HookState::Live),
                    webhook::secret.eq(secret),
                    webhook::created_at.eq(doing.now),
                    webhook::created_by.eq(new.created_by),
                ))
                .returning(columns())
                .get_result::<Row>(conn)
                .map(from_row)?;
            doing.end(conn, "webhook.create", &object(&hook), None, Some(&told(&hook)))?;
            Ok(hook)
        })
        .await
    }

    /// Gives a webhook another secret; calls are signed with the one before, too, for a day.
    pub async fn webhook_rotate(
        &self,
        which: OwnedWebhook,
        secret: HookSecret,
        deed: Deed,
    ) -> Result<Webhook, StoreError> {
        let doing = self.doing(deed);
        let secret = self.vault.seal(which.2, Part::Webhook, secret.reveal())?;
        self.write(move |conn| {
            let hook = owned(conn, &which)?;
            let before =
                webhook::table.find(hook.id).select(webhook::secret).first::<Vec<u8>>(conn)?;
            diesel::update(webhook::table.find(hook.id))
                .set((
                    webhook::secret.eq(secret),
                    webhook::old_secret.eq(Some(before)),
                    webhook::old_secret_until.eq(Some(doing.now.plus(OVERLAP))),
                ))
                .execute(conn)?;
            doing.end(conn, "webhook.rotate", &object(&hook), None, None)?;
            owned(conn, &which)
        })
        .await
    }

    /// Pauses a webhook, or lets it be called again: what happened meanwhile is told then, unless it is older than a day.
    pub async fn webhook_switch(
        &self,
        which: OwnedWebhook,
        live: bool,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let hook = owned(conn, &which)?;
            let (state, action) = match (hook.state, live) {
                (HookState::Paused | HookState::Stopped, true) => {
                    (HookState::Live, "webhook.resume")
                }
                (HookState::Live, false) => (HookState::Paused, "webhook.pause"),
                (state, _) => return refused(format!("the webhook is {state} already")),
            };
            diesel::update(webhook::table.find(hook.id))
                .set((webhook::state.eq(state), webhook::failing_since.eq(None::<Timestamp>)))
                .execute(conn)?;
            hold_all(conn, hook.id, live.then_some(doing.now))?;
            let (before, after) = (hook.state.word(), state.word());
            doing.end(conn, action, &object(&hook), Some(before), Some(after))?;
            Ok(())
        })
        .await
    }

    /// Removes a webhook with its secret; it is called no more.
    pub async fn webhook_remove(&self, which: OwnedWebhook, deed: Deed) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let hook = owned(conn, &which)?;
            diesel::update(webhook::table.find(hook.id))
                .set((
                    webhook::state.eq(HookState::Removed),
                    webhook::secret.eq(Vec::<u8>::new()),
                    webhook::old_secret.eq(None::<Vec<u8>>),
                ))
                .execute(conn)?;
            give_up_all(conn, hook.id, "the webhook was removed", doing.now)?;
            doing.end(conn, "webhook.remove", &object(&hook), Some(&told(&hook)), None)?;
            Ok(())
        })
        .await
    }

    /// Calls a webhook to try it.
    ///
    /// # Errors
    /// When it is not called now.
    pub async fn webhook_ping(&self, which: OwnedWebhook, deed: Deed) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let hook = owned(conn, &which)?;
            if hook.state != HookState::Live {
                return refused("resume the webhook first: it is not called now");
            }
            let news = PingNews { site: hook.site.clone() };
            queue(conn, &[CallTo::Hook(hook.id, hook.state)], PING, &news, doing.now)?;
            doing.end(conn, "webhook.ping", &object(&hook), None, None)?;
            Ok(())
        })
        .await
    }

    /// Makes a call again that came to its end; its event keeps its identifier.
    ///
    /// # Errors
    /// When it is to be made anyhow, or the webhook is not called now.
    pub async fn webhook_resend(
        &self,
        which: OwnedWebhook,
        call: i64,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let hook = owned(conn, &which)?;
            if hook.state != HookState::Live {
                return refused("resume the webhook first: it is not called now");
            }
            let event = webhook_call::table
                .find(call)
                .filter(webhook_call::webhook_id.eq(hook.id))
                .select(webhook_call::event_id)
                .first::<String>(conn)
                .optional()?
                .ok_or_else(|| StoreError::NotFound(format!("call {call}")))?;
            if !again(conn, hook.id, call, doing.now)? {
                return refused("the call is to be made already");
            }
            doing.end(conn, "webhook.resend", &object(&hook), None, Some(&event))?;
            Ok(())
        })
        .await
    }

    /// The webhooks that are called and have taken nothing since before a moment.
    pub async fn webhooks_failing(&self, before: Timestamp) -> Result<Vec<Webhook>, StoreError> {
        self.read(move |conn| {
            let rows = webhook::table
                .filter(Condition("webhook.state = 'live'"))
                .filter(webhook::failing_since.lt(Some(before)))
                .order(webhook::id.asc())
                .select(columns())
                .load::<Row>(conn)?;
            Ok(rows.into_iter().map(from_row).collect())
        })
        .await
    }

    /// Calls a webhook no more that takes nothing; false when it was called with success meanwhile, or is stopped already,
    /// and no letter goes out.
    pub async fn webhook_stop(&self, hook: Webhook, deed: Deed) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let failing = webhook::table
                .find(hook.id)
                .filter(Condition("webhook.state = 'live'"))
                .filter(webhook::failing_since.eq(hook.failing_since));
            let stopped =
                diesel::update(failing).set(webhook::state.eq(HookState::Stopped)).execute(conn)?;
            if stopped == 0 {
                return Ok(false);
            }
            give_up_all(conn, hook.id, "the webhook was stopped after failures", doing.now)?;
            let (before, after) = (HookState::Live.word(), HookState::Stopped.word());
            doing.end(conn, "webhook.stop", &object(&hook), Some(before), Some(after))?;
            Ok(true)
        })
        .await
    }
}
