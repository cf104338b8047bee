//! Banners above pages: notices of CDPH and the maintenance of a reader's regions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{Audience, MaintenanceWindow, NoticeLevel, SystemNotice, Timestamp};
use crate::portal::{Portal, Visit};
use crate::sites::SignedIn;

/// How long the notices that were read serve; what this process writes shows at once.
const FRESH: Duration = Duration::from_secs(10);

/// The notices that are shown now, and when they were read.
pub(super) type Notices = Mutex<Option<(Timestamp, Arc<Vec<SystemNotice>>)>>;

/// What stands above a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Banner {
    pub(super) level: NoticeLevel,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) until: Timestamp,
}

impl Banner {
    /// Class of the banner.
    pub(super) const fn class(&self) -> &'static str {
        match self.level {
            NoticeLevel::Info => "info",
            NoticeLevel::Warning => "warning",
        }
    }

    /// Its end, for people.
    pub(super) fn ends(&self) -> String {
        self.until.pacific_text()
    }
}

impl From<&SystemNotice> for Banner {
    fn from(one: &SystemNotice) -> Self {
        let says = one.says.clone();
        Self { level: says.level, title: says.title, text: says.text, until: says.ends_at }
    }
}

impl From<&MaintenanceWindow> for Banner {
    fn from(one: &MaintenanceWindow) -> Self {
        let (region, environment) = (one.region.facts().name, one.environment);
        Self {
            level: NoticeLevel::Info,
            title: format!("Maintenance of the {environment} registry of {region}"),
            text: format!(
                "From {} until {}. The Gateway takes messages meanwhile and forwards them afterwards.",
                one.begins_at.pacific_text(),
                one.ends_at.pacific_text()
            ),
            until: one.ends_at,
        }
    }
}

impl Portal {
    /// What this process wrote is shown with the next page.
    pub(super) fn forget_notices(&self) {
        *self.notices.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The notices that are shown now; while they cannot be read, those that were.
    async fn notices(&self, now: Timestamp) -> Arc<Vec<SystemNotice>> {
        let known = self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, notices)) = &known
            && now < at.plus(FRESH)
        {
            return Arc::clone(notices);
        }
        let read = match self.sites.store().notice_current(now).await {
            Ok(read) => Arc::new(read),
            Err(error) => {
                tracing::warn!("notices could not be read: {error}");
                known.map(|(_, notices)| notices).unwrap_or_default()
            }
        };
        let kept = Some((now, Arc::clone(&read)));
        *self.notices.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        read
    }

    /// What stands above the pages of somebody.
    pub(super) async fn banners(&self, who: Option<&SignedIn>, now: Timestamp) -> Vec<Banner> {
        let notices = self.notices(now).await;
        let coming = self.sites.coming_maintenance(now);
        let is_regional = |one: &SystemNotice| one.says.audience.region().is_some();
        let needs_regions = !coming.is_empty() || notices.iter().any(is_regional);
        let reader = self.sites.notice_reader(who, needs_regions);
        let meant = notices
            .iter()
            .filter(|one| one.says.begins_at <= now && now < one.says.ends_at)
            .filter(|one| reader.is_meant(one.says.audience));
        let theirs = coming.iter().filter(|one| reader.regions.contains(&one.region));
        meant.map(Banner::from).chain(theirs.map(Banner::from)).collect()
    }

    /// The notices that are for everybody.
    pub(super) async fn public_notices(&self, now: Timestamp) -> Vec<Banner> {
        let notices = self.notices(now).await;
        let public = notices.iter().filter(|one| one.says.audience == Audience::Everybody);
        public.map(Banner::from).collect()
    }
}

impl Visit {
    /// What stands above this page.
    pub(super) async fn gather_banners(&self) {
        if self.path().starts_with("/assets/") {
            return;
        }
        let who = self.met();
        let banners = self.portal().banners(who.as_ref(), self.now).await;
        self.keep_banners(banners);
    }
}
