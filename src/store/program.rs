//! What a program with the key of a Site may read: how far the Sites are that it sends for.

use diesel::prelude::*;

use crate::domain::{LinkStatus, SiteId, SiteProgress};
use crate::store::progress::{ProgressRow, from_row as progress_of, progress};
use crate::store::schema::{site_link, site_progress};
use crate::store::{Store, StoreError};

/// Client Sites of a Sending Facility that are told of.
const CLIENTS: i64 = 5_000;

impl Store {
    /// A Site, then those that it sends for or was asked to, by Site ID, each with how far it is.
    pub async fn facility_progress(
        &self,
        facility: SiteId,
    ) -> Result<Vec<(SiteId, Option<LinkStatus>, SiteProgress)>, StoreError> {
        self.read(move |conn| {
            let links = site_link::table
                .left_join(site_progress::table.on(site_progress::site_id.eq(site_link::site_id)))
                .filter(site_link::facility_id.eq(&facility))
                .filter(site_link::status.ne(LinkStatus::Ended))
                .order(site_link::site_id.asc())
                .limit(CLIENTS)
                .select((
                    site_link::site_id,
                    site_link::status,
                    site_progress::all_columns.nullable(),
                ))
                .load::<(SiteId, LinkStatus, Option<ProgressRow>)>(conn)?;
            let own = progress(conn, &facility)?;
            let clients = links.into_iter().map(|(id, link, row)| {
                let progress = row.map_or_else(|| SiteProgress::none(id.clone()), progress_of);
                (id, Some(link), progress)
            });
            Ok(std::iter::once((facility, None, own)).chain(clients).collect())
        })
        .await
    }
}
