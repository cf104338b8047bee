//! Notices of CDPH: who may write one to whom, and who reads which.

use std::time::Duration;

use crate::domain::{
    Audience, MaintenanceWindow, MembershipState, NoticeReader, NoticeText, OrganizationId,
    Permission, Timestamp,
};
use crate::sites::{AccountError, Browser, SignedIn, Sites, Staff};
use crate::store::Deed;

/// How long before it begins a maintenance is told to the people of its region.
const AHEAD: Duration = Duration::from_hours(72);

impl Sites {
    /// Writes a notice, or changes one; gives its number.
    ///
    /// # Errors
    /// When its audience is not theirs to write to, or the notice is over.
    pub async fn staff_notice_publish(
        &self,
        staff: &Staff,
        id: Option<i64>,
        says: NoticeText,
        browser: &Browser,
    ) -> Result<i64, AccountError> {
        if !may_write_to(staff, says.audience) {
            return Err(AccountError::Forbidden);
        }
        let deed = Deed::from(staff.by(browser));
        let Some(id) = id else {
            let who = staff.who().principal.account.id;
            return Ok(self.store.notice_add(says, who, deed).await?);
        };
        let scope = staff.scope(Permission::Announce);
        self.store.notice_change(id, scope, says, deed).await?;
        Ok(id)
    }

    /// Ends a notice before its time.
    pub async fn staff_notice_end(
        &self,
        staff: &Staff,
        id: i64,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let scope = staff.scope(Permission::Announce);
        Ok(self.store.notice_end(id, scope, Deed::from(staff.by(browser))).await?)
    }

    /// Who reads a page, as far as notices go; their regions only where they are needed: to find them, every Site is looked at.
    pub fn notice_reader(&self, who: Option<&SignedIn>, needs_regions: bool) -> NoticeReader {
        let Some(who) = who else { return NoticeReader::default() };
        let principal = &who.principal;
        let is_everywhere = principal.staff.iter().any(|one| one.region.is_none());
        let mut regions = vec![];
        if needs_regions {
            let roles = principal.memberships.iter();
            let organizations: Vec<OrganizationId> = roles
                .filter(|one| one.state != MembershipState::Inactive)
                .map(|one| one.organization)
                .collect();
            let directory = self.store.directory();
            regions.extend(principal.staff.iter().filter_map(|one| one.region));
            regions.extend(directory.sites_of(&organizations).filter_map(|site| site.region));
            regions.sort_unstable();
            regions.dedup();
        }
        NoticeReader { is_signed_in: true, regions, is_everywhere }
    }

    /// The maintenance that goes on or begins soon, the earliest first.
    pub fn coming_maintenance(&self, now: Timestamp) -> Vec<MaintenanceWindow> {
        let is_near =
            |one: &&MaintenanceWindow| now < one.ends_at && one.begins_at < now.plus(AHEAD);
        self.store.directory().maintenance().iter().filter(is_near).cloned().collect()
    }
}

/// Whether staff may write to an audience: to more than a region, who work for all.
pub fn may_write_to(staff: &Staff, audience: Audience) -> bool {
    staff.may_in(Permission::Announce, audience.region())
}
