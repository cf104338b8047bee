//! What the message path needs to know of credentials, Sites, links and destinations, held in memory and stamped with a revision.
//!
//! Every change of these tables raises `registry_revision` in its own transaction. A submission is authorised against the
//! directory and accepted only if the committing transaction still sees the same revision; else the directory is loaded
//! again and the submission is judged anew. So memory answers, and the database decides.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::prelude::*;

use crate::domain::{
    Control, Credential, Destination, LinkStatus, MaintenanceWindow, OrganizationId, Site, SiteId,
    Stopped, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::destination::{self, Place};
use crate::store::destination_version::{self, ActiveVersion};
use crate::store::schema::{registry_revision, site_link};
use crate::store::{StoreError, credential, site};

/// Credentials, Sites and active links at one revision.
pub struct Directory {
    /// The revision that this is true of, or an older one.
    pub revision: i64,
    credentials: HashMap<String, Arc<Credential>>,
    sites: HashMap<SiteId, Arc<Site>>,
    links: HashSet<(SiteId, SiteId)>,
    destinations: HashMap<Place, Destination>,
    windows: Vec<MaintenanceWindow>,
    versions: Vec<ActiveVersion>,
}

impl Directory {
    pub(super) fn load(conn: &mut DbConnection) -> Result<Self, StoreError> {
        // The revision first: a change that slips in between makes this newer than it says, which only costs a reload.
        let revision = revision(conn)?;
        let credentials = credential::all(conn)?
            .into_iter()
            .map(|one| (one.username.clone(), Arc::new(one)))
            .collect();
        let sites =
            site::all(conn)?.into_iter().map(|one| (one.id.clone(), Arc::new(one))).collect();
        let links = site_link::table
            .filter(site_link::status.eq(LinkStatus::Active))
            .select((site_link::facility_id, site_link::site_id))
            .load::<(SiteId, SiteId)>(conn)?
            .into_iter()
            .collect();
        let destinations = destination::all(conn)?
            .into_iter()
            .map(|one| ((one.region, one.environment), one))
            .collect();
        let windows = destination::windows(conn)?;
        let versions = destination_version::active(conn)?;
        Ok(Self { revision, credentials, sites, links, destinations, windows, versions })
    }

    /// Why nothing is sent to a destination now; none when it is.
    pub fn stopped(&self, place: Place, now: Timestamp) -> Option<Stopped> {
        destination::stopped(self.destinations.get(&place), &self.windows, place, now)
    }

    /// Whether messages may be sent there as they come: nothing stops it and its breaker is closed.
    pub fn is_open(&self, place: Place, now: Timestamp) -> bool {
        let known = self.destinations.get(&place);
        let closed = known.is_none_or(|one| one.breaker == crate::domain::Breaker::Closed);
        closed && self.stopped(place, now).is_none()
    }

    /// Whether no new message is taken for a destination, and why, in the words of operators.
    pub fn drained(&self, place: Place) -> bool {
        self.destinations.get(&place).is_some_and(|one| one.control == Control::Draining)
    }

    /// What is known of a destination that somebody has touched or that has failed.
    pub fn destination(&self, place: Place) -> Option<&Destination> {
        self.destinations.get(&place)
    }

    /// The settings of registries that staff have put into use.
    pub fn versions(&self) -> &[ActiveVersion] {
        &self.versions
    }

    /// Every maintenance window, past ones too, the earliest first.
    pub fn maintenance(&self) -> &[MaintenanceWindow] {
        &self.windows
    }

    /// The credential with this username, whatever its state.
    pub fn credential(&self, username: &str) -> Option<&Arc<Credential>> {
        self.credentials.get(username)
    }

    /// The Site with this ID, whatever its status.
    pub fn site(&self, id: &str) -> Option<&Arc<Site>> {
        self.sites.get(id)
    }

    /// The Sites of these organizations, in no order.
    pub fn sites_of<'d>(
        &'d self,
        organizations: &'d [OrganizationId],
    ) -> impl Iterator<Item = &'d Arc<Site>> {
        self.sites.values().filter(|site| organizations.contains(&site.organization))
    }

    /// Whether the Sending Facility may submit for the Site.
    pub fn is_linked(&self, facility: &SiteId, site: &SiteId) -> bool {
        self.links.contains(&(facility.clone(), site.clone()))
    }
}

/// The present revision.
pub(super) fn revision(conn: &mut DbConnection) -> Result<i64, StoreError> {
    Ok(registry_revision::table.select(registry_revision::value).first(conn)?)
}

/// Raises the revision; part of every change of an organization, a Site, a link, a credential or a destination.
pub(super) fn raise_revision(conn: &mut DbConnection) -> Result<(), StoreError> {
    diesel::update(registry_revision::table)
        .set(registry_revision::value.eq(registry_revision::value + 1))
        .execute(conn)?;
    Ok(())
}
