//! Links between Sending Facilities and Sites, as their organizations ask for, accept and end them.

use diesel::prelude::*;

use crate::domain::{
    LinkStatus, OrganizationId, Refusal, SiteId, SiteKind, SiteLink, SiteStatus, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::owned::site_of;
use crate::store::schema::site_link;
use crate::store::{Deed, Store, StoreError, site as sites, webhook_call};

fn status(
    conn: &mut DbConnection,
    facility: &SiteId,
    client: &SiteId,
) -> Result<Option<LinkStatus>, StoreError> {
    Ok(site_link::table
        .find((facility, client))
        .select(site_link::status)
        .first::<LinkStatus>(conn)
        .optional()?)
}

fn set(
    conn: &mut DbConnection,
    facility: &SiteId,
    client: &SiteId,
    status: LinkStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let values = (site_link::status.eq(status), site_link::changed_at.eq(now));
    let link = site_link::table.find((facility, client));
    if diesel::update(link).set(values).execute(conn)? == 0 {
        let key = (site_link::facility_id.eq(facility), site_link::site_id.eq(client));
        diesel::insert_into(site_link::table).values((key, values)).execute(conn)?;
    }
    webhook_call::tell_link(conn, facility, client, status, now)
}

/// Ends the other links of a Site that have a status.
fn end_others(
    conn: &mut DbConnection,
    facility: &SiteId,
    client: &SiteId,
    status: LinkStatus,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let others = site_link::table
        .filter(site_link::site_id.eq(client))
        .filter(site_link::facility_id.ne(facility))
        .filter(site_link::status.eq(status));
    let facilities = others.select(site_link::facility_id).load::<SiteId>(conn)?;
    for other in &facilities {
        webhook_call::tell_link(conn, other, client, LinkStatus::Ended, now)?;
    }
    Ok(diesel::update(others)
        .set((site_link::status.eq(LinkStatus::Ended), site_link::changed_at.eq(now)))
        .execute(conn)?)
}

fn refused<T>(text: String) -> Result<T, StoreError> {
    Err(Refusal(text).into())
}

impl Store {
    /// Asks a Sending Facility to send for a Site of the organization; an earlier question to another one is taken back.
    pub async fn link_ask(
        &self,
        organization: OrganizationId,
        client: SiteId,
        facility: SiteId,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let site = site_of(conn, organization, &client)?;
            if site.kind != SiteKind::ThroughFacility {
                return refused(format!("{client} does not send through a Sending Facility"));
            }
            let sender = sites::by_id(conn, &facility)?;
            let closed = [SiteStatus::Suspended, SiteStatus::Inactive, SiteStatus::Withdrawn];
            if sender.kind != SiteKind::SendingFacility || closed.contains(&sender.status) {
                return refused(format!("{facility} is not a Sending Facility that is open"));
            }
            let before = status(conn, &facility, &client)?;
            if before.is_some_and(|status| status != LinkStatus::Ended) {
                return refused(format!("{facility} sends for {client}, or was asked to, already"));
            }
            raise_revision(conn)?;
            end_others(conn, &facility, &client, LinkStatus::Requested, doing.now)?;
            set(conn, &facility, &client, LinkStatus::Requested, doing.now)?;
            let object = format!("link {facility} {client}");
            let (before, after) = (before.map(LinkStatus::word), LinkStatus::Requested.word());
            doing.end(conn, "link.ask", &object, before, Some(after))?;
            Ok(())
        })
        .await
    }

    /// The Sending Facility of the organization agrees to send for a Site; whoever sent for it before does so no longer.
    pub async fn link_accept(
        &self,
        organization: OrganizationId,
        facility: SiteId,
        client: SiteId,
        deed: Deed,
    ) -> Result<SiteLink, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            site_of(conn, organization, &facility)?;
            match status(conn, &facility, &client)? {
                None => return Err(StoreError::NotFound("such link".to_owned())),
                Some(LinkStatus::Requested) => {}
                Some(other) => return refused(format!("the link is {other}")),
            }
            raise_revision(conn)?;
            end_others(conn, &facility, &client, LinkStatus::Active, doing.now)?;
            set(conn, &facility, &client, LinkStatus::Active, doing.now)?;
            let (object, now) = (format!("link {facility} {client}"), doing.now);
            let (before, after) = (LinkStatus::Requested.word(), LinkStatus::Active.word());
            doing.end(conn, "link.accept", &object, Some(before), Some(after))?;
            Ok(SiteLink { facility, site: client, status: LinkStatus::Active, changed_at: now })
        })
        .await
    }

    /// Either side declines a link that was asked for, or ends one.
    pub async fn link_end(
        &self,
        organization: OrganizationId,
        facility: SiteId,
        client: SiteId,
        reason: String,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            if site_of(conn, organization, &facility).is_err() {
                site_of(conn, organization, &client)?;
            }
            let before = match status(conn, &facility, &client)? {
                None => return Err(StoreError::NotFound("such link".to_owned())),
                Some(LinkStatus::Ended) => return refused("the link has ended already".to_owned()),
                Some(other) => other,
            };
            raise_revision(conn)?;
            set(conn, &facility, &client, LinkStatus::Ended, doing.now)?;
            let object = format!("link {facility} {client}");
            let after = format!("{}: {reason}", LinkStatus::Ended);
            doing.end(conn, "link.end", &object, Some(before.word()), Some(&after))?;
            Ok(())
        })
        .await
    }
}
