//! Counts by day read back, and their sums over some time, for the pages about data quality; the clients of a Sending
//! Facility.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::domain::{
    Environment, LinkStatus, OrganizationId, RegionCode, Site, SiteId, SiteKind, SiteLink, Tally,
    TallyScope, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::owned::site_of;
use crate::store::schema::{finding_tally, site, site_link, tally};
use crate::store::site::{Row, from_row};
use crate::store::{Store, StoreError};

/// Counts of a subject since the beginning of a day or hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyRow {
    /// Whose.
    pub subject: String,
    /// Test or production.
    pub environment: Environment,
    /// The first moment of the day (of [`TallyScope::RegionHour`]: of the hour), UTC.
    pub since: Timestamp,
    /// The counts.
    pub tally: Tally,
}

/// How often a rule found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingCount {
    /// The rule.
    pub rule: String,
    /// Where, such as `PID-11.5`.
    pub place: String,
    /// ERR-4.
    pub severity: String,
    /// How often.
    pub number: i64,
}

/// Which counts are asked for.
#[derive(Debug, Clone)]
pub struct TallyFilter {
    /// Of what.
    pub scope: TallyScope,
    /// Of which one; none: all of the scope.
    pub subject: Option<String>,
    /// Test or production.
    pub environment: Environment,
    /// From this moment on.
    pub from: Timestamp,
    /// Before this moment.
    pub until: Timestamp,
}

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

    /// Counts by subject and day (or hour), in the order of both.
    pub async fn tally_list(&self, filter: TallyFilter) -> Result<Vec<TallyRow>, StoreError> {
        let among = filter.subject.clone().map(|subject| vec![subject]);
        self.read(move |conn| tally_rows(conn, &filter, among.as_deref())).await
    }

    /// The same of several subjects.
    pub async fn tally_list_among(
        &self,
        filter: TallyFilter,
        among: Vec<String>,
    ) -> Result<Vec<TallyRow>, StoreError> {
        self.read(move |conn| tally_rows(conn, &filter, Some(&among))).await
    }

    /// The rules that found most, most first.
    pub async fn finding_counts(
        &self,
        filter: TallyFilter,
        limit: i64,
    ) -> Result<Vec<FindingCount>, StoreError> {
        let among = filter.subject.clone().map(|subject| vec![subject]);
        self.read(move |conn| finding_sums(conn, &filter, among.as_deref(), limit)).await
    }

    /// The same of several subjects together.
    pub async fn finding_counts_among(
        &self,
        filter: TallyFilter,
        among: Vec<String>,
        limit: i64,
    ) -> Result<Vec<FindingCount>, StoreError> {
        self.read(move |conn| finding_sums(conn, &filter, Some(&among), limit)).await
    }
}

fn tally_rows(
    conn: &mut DbConnection,
    filter: &TallyFilter,
    among: Option<&[String]>,
) -> Result<Vec<TallyRow>, StoreError> {
    type Row = (String, Environment, Timestamp, String);
    let rows: Vec<Row> = on_either!(conn, conn => {
        let mut query = tally::table
            .filter(tally::scope.eq(filter.scope))
            .filter(tally::environment.eq(filter.environment))
            .filter(tally::since.ge(filter.from))
            .filter(tally::since.lt(filter.until))
            .order((tally::subject.asc(), tally::since.asc()))
            .select((tally::subject, tally::environment, tally::since, tally::counts))
            .into_boxed();
        if let Some(among) = among {
            query = query.filter(tally::subject.eq_any(among));
        }
        query.load(conn)?
    });
    let told = |(subject, environment, since, counts): Row| TallyRow {
        subject,
        environment,
        since,
        tally: serde_json::from_str(&counts).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(told).collect())
}

fn finding_sums(
    conn: &mut DbConnection,
    filter: &TallyFilter,
    among: Option<&[String]>,
    limit: i64,
) -> Result<Vec<FindingCount>, StoreError> {
    type Row = (String, String, String, i64);
    let key = (finding_tally::rule, finding_tally::location, finding_tally::severity);
    let sum = || sql::<BigInt>("CAST(SUM(number) AS BIGINT)");
    let rows: Vec<Row> = on_either!(conn, conn => {
        let mut query = finding_tally::table
            .filter(finding_tally::scope.eq(filter.scope))
            .filter(finding_tally::environment.eq(filter.environment))
            .filter(finding_tally::since.ge(filter.from))
            .filter(finding_tally::since.lt(filter.until))
            .group_by(key)
            .order((sum().desc(), finding_tally::rule.asc(), finding_tally::location.asc()))
            .select((finding_tally::rule, finding_tally::location, finding_tally::severity, sum()))
            .limit(limit)
            .into_boxed();
        if let Some(among) = among {
            query = query.filter(finding_tally::subject.eq_any(among));
        }
        query.load(conn)?
    });
    let told = |(rule, place, severity, number)| FindingCount { rule, place, severity, number };
    Ok(rows.into_iter().map(told).collect())
}
