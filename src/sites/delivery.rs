//! What staff do about registries that do not answer, and about messages that wait for them. Each deed has its reason.

use crate::domain::{
    Control, Delivery, Environment, MaintenanceWindow, MessageId, Permission, RegionCode, Timestamp,
};
use crate::sites::{AccountError, Browser, Sites, Staff};
use crate::store::{Action, DeliveryFilter, NewVersion, Place, StoreError};

/// So many messages are sent again without another proof that somebody is there.
pub const REPLAY_UNPROVEN: i64 = 100;

/// So many messages are sent again from a page at one time; for more there is the command.
pub const REPLAY_MOST: i64 = 5_000;

/// What operators do.
impl Sites {
    /// Pauses, drains or resumes a destination.
    pub async fn destination_control(
        &self,
        staff: &Staff,
        place: Place,
        (control, reason): (Control, String),
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.operates(place, control.word(), reason, browser)?;
        self.store.destination_control(place, control, by).await?;
        Ok(())
    }

    /// Closes the breaker of a destination.
    pub async fn destination_reset(
        &self,
        staff: &Staff,
        place: Place,
        reason: String,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.operates(place, "reset", reason, browser)?;
        self.store.destination_reset(place, by).await?;
        Ok(())
    }

    /// Records that a registry was asked whether it answers, and what came of it.
    pub async fn destination_probed(
        &self,
        staff: &Staff,
        place: Place,
        found: String,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.operates(place, "probe", found, browser)?;
        Ok(self.store.action_note(place, by).await?)
    }

    /// Plans a time in which nothing is sent.
    pub async fn maintenance_plan(
        &self,
        staff: &Staff,
        place: Place,
        (times, reason): ((Timestamp, Timestamp), String),
        browser: &Browser,
    ) -> Result<MaintenanceWindow, AccountError> {
        let by = staff.operates(place, "maintenance", reason, browser)?;
        Ok(self.store.maintenance_add(place, times, by).await?)
    }

    /// Takes a maintenance window of a destination back, or ends it.
    pub async fn maintenance_end(
        &self,
        staff: &Staff,
        (place, id): (Place, i64),
        reason: String,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.operates(place, "end maintenance", reason, browser)?;
        let windows = self.store.maintenance_list().await?;
        let is_it =
            |one: &MaintenanceWindow| one.id == id && (one.region, one.environment) == place;
        if !windows.iter().any(is_it) {
            return Err(AccountError::Forbidden);
        }
        self.store.maintenance_remove(id, by).await?;
        Ok(())
    }

    /// Ends the delivery of a message that waits or needs review: its registry will not get it from us.
    pub async fn staff_message_give_up(
        &self,
        staff: &Staff,
        id: MessageId,
        reason: String,
        browser: &Browser,
    ) -> Result<Delivery, AccountError> {
        let by = self.staff_message_action(staff, id, "give up", reason, browser).await?;
        Ok(self.store.delivery_give_up(id, by).await?)
    }

    /// Sends the deliveries of a destination that a filter means again; gives their number.
    ///
    /// # Errors
    /// When it is not theirs to do, they are many and somebody has to show first that they are there, or they are too many.
    pub async fn staff_replay(
        &self,
        staff: &Staff,
        place: Place,
        (filter, reason): (DeliveryFilter, String),
        browser: &Browser,
    ) -> Result<usize, AccountError> {
        let by = staff.operates(place, "replay", reason, browser)?;
        let (region, environment) = place;
        let filter =
            DeliveryFilter { region: Some(region), environment: Some(environment), ..filter };
        let meant = self.store.delivery_count(filter.clone()).await?;
        if meant > REPLAY_MOST {
            return Err(AccountError::refused("these are too many messages at once: choose fewer"));
        }
        if meant > REPLAY_UNPROVEN {
            staff.must_be_fresh(browser)?;
        }
        self.store.action_note(place, by.clone()).await?;
        Ok(self.store.delivery_replay(filter, by, |_done| ()).await?)
    }
}

/// How registries are reached.
impl Sites {
    /// Writes the draft of a registry's settings.
    pub async fn registry_draft(
        &self,
        staff: &Staff,
        place: Place,
        new: NewVersion,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.configures(place, "draft", String::new(), browser)?;
        self.store.version_draft(place, new, by).await?;
        Ok(())
    }

    /// Records what a test of the draft of a moment found; no problem: it passed.
    pub async fn registry_tested(
        &self,
        staff: &Staff,
        (place, changed_at): (Place, Timestamp),
        problem: Option<String>,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let told = problem.clone().unwrap_or_else(|| "it answers".to_owned());
        let by = staff.configures(place, "test draft", told, browser)?;
        Ok(self.store.version_tested((place, changed_at), problem, by).await?)
    }

    /// Puts the draft of a moment into use.
    ///
    /// # Errors
    /// When it is not theirs to do, or they have to show first that they are there.
    pub async fn registry_activate(
        &self,
        staff: &Staff,
        (place, changed_at): (Place, Timestamp),
        reason: String,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.configures(place, "activate", reason, browser)?;
        staff.must_be_fresh(browser)?;
        Ok(self.store.version_activate((place, changed_at), staff.id(), by).await?)
    }

    /// Ends the version in use: what the configuration says holds again.
    ///
    /// # Errors
    /// When it is not theirs to do, or they have to show first that they are there.
    pub async fn registry_withdraw(
        &self,
        staff: &Staff,
        place: Place,
        reason: String,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.configures(place, "withdraw", reason, browser)?;
        staff.must_be_fresh(browser)?;
        Ok(self.store.version_withdraw(place, by).await?)
    }

    /// Throws the draft away.
    pub async fn registry_discard(
        &self,
        staff: &Staff,
        place: Place,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let by = staff.configures(place, "discard", String::new(), browser)?;
        Ok(self.store.version_discard(place, by).await?)
    }
}

impl Staff {
    /// Whether they see messages on their way to a region.
    pub fn sees_delivery(&self, region: RegionCode) -> bool {
        self.may_in(Permission::ViewMessages, Some(region))
    }

    /// Whether they decide what is sent to a region.
    pub fn may_operate(&self, region: RegionCode) -> bool {
        self.may_in(Permission::Operate, Some(region))
    }

    /// What they do about a destination, when they may.
    fn operates(
        &self,
        (region, _): (RegionCode, Environment),
        action: &'static str,
        reason: String,
        browser: &Browser,
    ) -> Result<Action, AccountError> {
        if self.may_operate(region) {
            Ok(Action { by: self.by(browser), action, reason })
        } else {
            Err(AccountError::Store(StoreError::NotFound("such destination".to_owned())))
        }
    }

    /// What they change about the settings of a registry, when they may.
    fn configures(
        &self,
        (region, _): Place,
        action: &'static str,
        reason: String,
        browser: &Browser,
    ) -> Result<Action, AccountError> {
        if self.may_in(Permission::Configure, Some(region)) {
            Ok(Action { by: self.by(browser), action, reason })
        } else {
            Err(AccountError::Forbidden)
        }
    }
}
