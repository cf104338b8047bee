//! The text of messages, and who looks at it: each sight stands in the audit trail before anything is shown.

use crate::domain::{By, Delivery, Environment, MessageId, Permission, RegionCode};
use crate::sites::{AccountError, Browser, Delegate, Sites, Staff};
use crate::store::{Action, Part, SavedSearch, StoreError};

/// The bytes of a message.
#[derive(Debug)]
pub struct MessageText {
    /// As it was received.
    pub body: Vec<u8>,
    /// The last reply that its sender got, when there is one.
    pub reply: Option<Vec<u8>>,
    /// What the registry was sent, when that was kept.
    pub sent: Option<Vec<u8>>,
}

impl Sites {
    /// The text of a message that the Sites of an organization sent or are responsible for; none past its retention.
    pub async fn message_read(
        &self,
        member: &Delegate,
        id: MessageId,
        browser: &Browser,
    ) -> Result<Option<MessageText>, AccountError> {
        if !member.may(Permission::ViewBodies) {
            return Err(AccountError::Forbidden);
        }
        self.store.organization_message(member.organization(), id).await?;
        Ok(self.read_text(id, member.by(browser)).await?)
    }

    /// The text of a test message of the regions of somebody's role; none past its retention.
    pub async fn staff_message_read(
        &self,
        staff: &Staff,
        id: MessageId,
        browser: &Browser,
    ) -> Result<Option<MessageText>, AccountError> {
        let scope = staff.scope(Permission::ViewMessages);
        let ((record, ..), region) = self.store.message_in_view(id, scope).await?;
        if !staff.may_read(record.environment, region) {
            return Err(AccountError::Forbidden);
        }
        Ok(self.read_text(id, staff.by(browser)).await?)
    }

    /// Sends a message again, wherever it stands but in the queue already.
    pub async fn staff_message_retry(
        &self,
        staff: &Staff,
        id: MessageId,
        reason: String,
        browser: &Browser,
    ) -> Result<Delivery, AccountError> {
        let by = self.staff_message_action(staff, id, "retry", reason, browser).await?;
        Ok(self.store.delivery_retry(id, by).await?)
    }

    /// What staff do to a message, for a reason, when they may.
    pub async fn staff_message_action(
        &self,
        staff: &Staff,
        id: MessageId,
        action: &'static str,
        reason: String,
        browser: &Browser,
    ) -> Result<Action, AccountError> {
        self.store.message_in_view(id, staff.scope(Permission::Operate)).await?;
        Ok(Action { by: staff.by(browser), action, reason })
    }

    /// Keeps a search of somebody's own; gives its number.
    pub async fn search_save(&self, search: SavedSearch, by: By) -> Result<i64, StoreError> {
        self.store.saved_search_create(search, by.into()).await
    }

    /// Forgets a search of somebody's own.
    pub async fn search_forget(&self, search: SavedSearch, by: By) -> Result<(), StoreError> {
        self.store.saved_search_delete(search, by.into()).await
    }

    async fn read_text(&self, id: MessageId, by: By) -> Result<Option<MessageText>, StoreError> {
        let Some(body) = self.store.message_payload(id, Part::Body).await? else {
            return Ok(None);
        };
        let reply = self.store.message_payload(id, Part::Reply).await?;
        let sent = self.store.message_payload(id, Part::Sent).await?;
        self.store.audit_note(by, "message.view", format!("message {id}"), None, None).await?;
        Ok(Some(MessageText { body, reply, sent }))
    }
}

impl Staff {
    /// Whether they may see the text of a message that lies in a region: a test message of their regions.
    pub fn may_read(&self, environment: Environment, region: Option<RegionCode>) -> bool {
        environment == Environment::Test && self.may_in(Permission::ViewTestBodies, region)
    }
}
