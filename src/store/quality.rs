//! Sums of counts over some time, for the pages that compare many Sites, and the clients of a Sending Facility.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::domain::{
    LinkStatus, OrganizationId, RegionCode, Site, SiteId, SiteKind, SiteLink, Timestamp,
};
use crate::store::connection::on_either;
use crate::store::owned::site_of;
use crate::store::schema::{site, site_link, tally};
use crate::store::site::{Row, from_row};
use crate::store::tally::TallyFilter;
use crate::store::{Store, StoreError};

/// What the messages of a subject came to in some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallySum {
    /// Whose.
    pub subject: String,
    /// Messages that came in.
    pub messages: u64,
    /// Of these, those that were taken.
    pub accepted: u64,
    /// Of these, those that nothing was wrong with.
    pub clean: u64,
    /// Those that the registry rejected after we had taken them.
    pub rejected: u64,
    /// The latest day on which something was counted.
    pub last: Timestamp,
}

impl Store {
    /// Sums by subject, in their order: of all subjects of the scope, of the one of the filter, or of those `among`. A subject
    /// of which nothing was counted is not there.
    pub async fn tally_sums(
        &self,
        filter: TallyFilter,
        among: Option<Vec<String>>,
    ) -> Result<Vec<TallySum>, StoreError> {
        type Sums = (String, i64, i64, i64, i64, Timestamp);
        self.read(move |conn| {
            let rows: Vec<Sums> = on_either!(conn, conn => {
                let mut query = tally::table
                    .filter(tally::scope.eq(filter.scope))
                    .filter(tally::environment.eq(filter.environment))
                    .filter(tally::since.ge(filter.from))
                    .filter(tally::since.lt(filter.until))
                    .group_by(tally::subject)
                    .order(tally::subject.asc())
                    .select((
                        tally::subject,
                        sql::<BigInt>("CAST(SUM(messages) AS BIGINT)"),
                        sql::<BigInt>("CAST(SUM(accepted) AS BIGINT)"),
                        sql::<BigInt>("CAST(SUM(clean) AS BIGINT)"),
                        sql::<BigInt>("CAST(SUM(rejected) AS BIGINT)"),
                        sql::<diesel::sql_types::Timestamp>("MAX(since)"),
                    ))
                    .into_boxed();
                if let Some(subject) = &filter.subject {
                    query = query.filter(tally::subject.eq(subject));
                }
                if let Some(among) = &among {
                    query = query.filter(tally::subject.eq_any(among));
                }
                query.load(conn)?
            });
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let sum = |(subject, messages, accepted, clean, rejected, last): Sums| TallySum {
                subject,
                messages: count(messages),
                accepted: count(accepted),
                clean: count(clean),
                rejected: count(rejected),
                last,
            };
            Ok(rows.into_iter().map(sum).collect())
        })
        .await
    }

    /// The Sites of a region, by ID.
    pub async fn region_sites(&self, region: RegionCode) -> Result<Vec<Site>, StoreError> {
        self.read(move |conn| {
            let rows = site::table.filter(site::region.eq(region)).order(site::id.asc());
            Ok(rows.load::<Row>(conn)?.into_iter().map(from_row).collect())
        })
        .await
    }

    /// Every Sending Facility, by ID.
    pub async fn facility_list(&self) -> Result<Vec<Site>, StoreError> {
        self.read(move |conn| {
            let rows =
                site::table.filter(site::kind.eq(SiteKind::SendingFacility)).order(site::id.asc());
            Ok(rows.load::<Row>(conn)?.into_iter().map(from_row).collect())
        })
        .await
    }

    /// Whether a Site of the organization is a Sending Facility.
    pub async fn organization_sends(&self, id: OrganizationId) -> Result<bool, StoreError> {
        self.read(move |conn| {
            let facilities = site::table
                .filter(site::organization_id.eq(id))
                .filter(site::kind.eq(SiteKind::SendingFacility));
            Ok(!facilities.select(site::id).limit(1).load::<SiteId>(conn)?.is_empty())
        })
        .await
    }

    /// The Sites that a Sending Facility of the organization sends for, sent for, or was asked to send for; by ID.
    pub async fn facility_clients(
        &self,
        organization: OrganizationId,
        facility: SiteId,
    ) -> Result<Vec<(Site, SiteLink)>, StoreError> {
        self.read(move |conn| {
            site_of(conn, organization, &facility)?;
            let rows = site_link::table
                .inner_join(site::table.on(site::id.eq(site_link::site_id)))
                .filter(site_link::facility_id.eq(&facility))
                .order(site_link::site_id.asc())
                .select((site::all_columns, (site_link::status, site_link::changed_at)))
                .load::<(Row, (LinkStatus, Timestamp))>(conn)?;
            let client = |(row, (status, changed_at))| {
                let site = from_row(row);
                let link = SiteLink {
                    facility: facility.clone(),
                    site: site.id.clone(),
                    status,
                    changed_at,
                };
                (site, link)
            };
            Ok(rows.into_iter().map(client).collect())
        })
        .await
    }
}
