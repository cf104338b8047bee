//! Sites as the staff who bring them into production see them: the onboarding board, one Site, notes about it.
//!
//! A list is read with a few statements whatever its length: Sites with what is joined to them, then the counts of recent
//! days and the active links of those on the page.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use crate::domain::{
    AccountId, LinkStatus, OrganizationId, RegionCode, Scope, Site, SiteId, SiteKind, SiteLink,
    SiteStatus, Tally, TallyScope, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::profile::name_key;
use crate::store::schema::{
    account, site, site_link, site_note, site_profile, site_progress, site_review, tally,
};
use crate::store::{Deed, Store, StoreError, site as sites};

/// Days of which the share of accepted messages is shown.
pub const RECENT_DAYS: u64 = 14;

/// Vendors that are offered to choose from.
const VENDORS: i64 = 200;

diesel::define_sql_function! {
    /// Text in lower case, as the database knows it.
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

/// In which order Sites are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BoardOrder {
    /// Who has been longest in their stage.
    #[default]
    Longest,
    /// Who has come into their stage last.
    Latest,
    /// By name.
    Name,
}

/// Which Sites are shown.
#[derive(Debug, Clone)]
pub struct BoardFilter {
    /// Those that may be seen.
    pub scope: Scope,
    /// In these stages; empty means all.
    pub stages: Vec<SiteStatus>,
    /// Of this region.
    pub region: Option<RegionCode>,
    /// A part of the name of the EHR's vendor.
    pub vendor: String,
    /// A part of the name, or the beginning of the Site ID.
    pub text: String,
    /// In their stage since before this moment.
    pub since_before: Option<Timestamp>,
    /// The order.
    pub order: BoardOrder,
    /// Those that follow this one.
    pub after: Option<SiteId>,
    /// How many at most.
    pub limit: i64,
}

/// A Site on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardRow {
    /// The Site; since when it stands in its stage is when it was last changed.
    pub site: Site,
    /// Vendor of its EHR.
    pub vendor: Option<String>,
    /// When its latest message came.
    pub last_at: Option<Timestamp>,
    /// When its review began.
    pub opened_at: Option<Timestamp>,
    /// Who proposed it for production.
    pub proposed_by: Option<AccountId>,
    /// Whether a Sending Facility sends for it.
    pub is_linked: bool,
    /// Counts of the last [`RECENT_DAYS`] days, test and production.
    pub recent: Tally,
}

/// What staff wrote about a Site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteNote {
    /// When.
    pub at: Timestamp,
    /// Who, by name.
    pub author: String,
    /// What.
    pub text: String,
}

/// The Sites of a filter, as a query.
macro_rules! fitting {
    ($query:expr, $filter:expr) => {{
        let filter: &BoardFilter = $filter;
        let mut query = $query.into_boxed();
        match &filter.scope {
            Scope::All => {}
            Scope::Nowhere => query = query.filter(site::organization_id.eq(OrganizationId(0))),
            Scope::Regions(regions) => query = query.filter(site::region.eq_any(codes(regions))),
        }
        if let Some(region) = filter.region {
            query = query.filter(site::region.eq(region));
        }
        if let Some(before) = filter.since_before {
            query = query.filter(site::updated_at.lt(before));
        }
        let vendor = filter.vendor.trim().to_lowercase().replace(['%', '_', '\\'], "");
        if !vendor.is_empty() {
            let known = lower(site_profile::ehr_vendor.nullable());
            query = query.filter(known.like(format!("%{vendor}%")));
        }
        let (key, id) = (name_key(&filter.text), beginning_of_id(&filter.text));
        if !key.is_empty() {
            let named = site_profile::name_key.nullable().like(format!("%{key}%"));
            query = query.filter(named.or(site::id.like(format!("{id}%")).nullable()));
        }
        query
    }};
}

/// Sites with what they told of themselves and where their messages and their review are.
macro_rules! all_sites {
    () => {
        site::table
            .left_join(site_profile::table.on(site_profile::site_id.eq(site::id)))
            .left_join(site_progress::table.on(site_progress::site_id.eq(site::id)))
            .left_join(site_review::table.on(site_review::site_id.eq(site::id)))
    };
}

fn codes(regions: &[RegionCode]) -> Vec<String> {
    regions.iter().map(ToString::to_string).collect()
}

/// What is typed, as a Site ID would begin.
fn beginning_of_id(text: &str) -> String {
    text.trim()
        .to_uppercase()
        .chars()
        .filter(|one| one.is_ascii_alphanumeric() || *one == '-')
        .collect()
}

type Joined =
    (Option<String>, Option<Timestamp>, Option<Timestamp>, Option<Timestamp>, Option<AccountId>);

fn list(
    conn: &mut DbConnection,
    filter: &BoardFilter,
    now: Timestamp,
) -> Result<Vec<BoardRow>, StoreError> {
    let columns = (
        site::all_columns,
        (
            site_profile::ehr_vendor.nullable(),
            site_progress::last_test_at.nullable(),
            site_progress::last_production_at.nullable(),
            site_review::opened_at.nullable(),
            site_review::proposed_by.nullable(),
        ),
    );
    let mut query = fitting!(all_sites!().select(columns), filter);
    if !filter.stages.is_empty() {
        query = query.filter(site::status.eq_any(filter.stages.clone()));
    }
    let after = match &filter.after {
        Some(id) => Some(sites::by_id(conn, id)?),
        None => None,
    };
    query = match filter.order {
        BoardOrder::Longest => {
            if let Some(last) = after {
                let same = site::updated_at.eq(last.updated_at).and(site::id.gt(last.id));
                query = query.filter(site::updated_at.gt(last.updated_at).or(same));
            }
            query.order((site::updated_at.asc(), site::id.asc()))
        }
        BoardOrder::Latest => {
            if let Some(last) = after {
                let same = site::updated_at.eq(last.updated_at).and(site::id.lt(last.id));
                query = query.filter(site::updated_at.lt(last.updated_at).or(same));
            }
            query.order((site::updated_at.desc(), site::id.desc()))
        }
        BoardOrder::Name => {
            if let Some(last) = after {
                let same = site::name.eq(last.name.clone()).and(site::id.gt(last.id));
                query = query.filter(site::name.gt(last.name).or(same));
            }
            query.order((site::name.asc(), site::id.asc()))
        }
    };
    let rows = query.limit(filter.limit).load::<(sites::Row, Joined)>(conn)?;
    let rows = rows.into_iter().map(|(row, joined)| (sites::from_row(row), joined)).collect();
    with_recent(conn, rows, now)
}

/// Adds the counts of recent days and whether somebody sends for them.
fn with_recent(
    conn: &mut DbConnection,
    rows: Vec<(Site, Joined)>,
    now: Timestamp,
) -> Result<Vec<BoardRow>, StoreError> {
    let ids: Vec<String> = rows.iter().map(|(site, _)| site.id.to_string()).collect();
    let from = now.minus(Duration::from_hours(24 * RECENT_DAYS));
    let counted: Vec<(String, String)> = on_either!(conn, conn => tally::table
        .filter(tally::scope.eq(TallyScope::Site))
        .filter(tally::subject.eq_any(&ids))
        .filter(tally::since.ge(from))
        .select((tally::subject, tally::counts))
        .load(conn)?);
    let mut recent: HashMap<String, Tally> = HashMap::new();
    for (subject, counts) in counted {
        let counts: Tally = serde_json::from_str(&counts).unwrap_or_default();
        recent.entry(subject).or_default().add(&counts);
    }
    let linked: HashSet<SiteId> = on_either!(conn, conn => site_link::table
        .filter(site_link::site_id.eq_any(&ids))
        .filter(site_link::status.eq(LinkStatus::Active))
        .select(site_link::site_id)
        .load::<SiteId>(conn)?)
    .into_iter()
    .collect();
    let row =
        |(site, (vendor, tested, produced, opened_at, proposed_by)): (Site, Joined)| BoardRow {
            vendor,
            last_at: tested.max(produced),
            opened_at,
            proposed_by,
            is_linked: linked.contains(&site.id),
            recent: recent.remove(site.id.as_str()).unwrap_or_default(),
            site,
        };
    Ok(rows.into_iter().map(row).collect())
}

impl Store {
    /// The Sites of a filter, with what the board shows of them.
    pub async fn board_list(
        &self,
        filter: BoardFilter,
        now: Timestamp,
    ) -> Result<Vec<BoardRow>, StoreError> {
        self.read(move |conn| list(conn, &filter, now)).await
    }

    /// How many Sites of a filter stand in each stage; the stages that it names do not count.
    pub async fn board_counts(
        &self,
        filter: BoardFilter,
    ) -> Result<Vec<(SiteStatus, i64)>, StoreError> {
        self.read(move |conn| {
            let counted = site::table
                .left_join(site_profile::table.on(site_profile::site_id.eq(site::id)))
                .group_by(site::status)
                .select((site::status, diesel::dsl::count_star()));
            Ok(fitting!(counted, &filter).load(conn)?)
        })
        .await
    }

    /// The vendors of the EHRs of Sites, by name.
    pub async fn vendor_list(&self) -> Result<Vec<String>, StoreError> {
        self.read(|conn| {
            let named = site_profile::table
                .filter(site_profile::ehr_vendor.is_not_null())
                .select(site_profile::ehr_vendor)
                .distinct()
                .order(site_profile::ehr_vendor.asc())
                .limit(VENDORS);
            Ok(named.load::<Option<String>>(conn)?.into_iter().flatten().collect())
        })
        .await
    }

    /// A Site, when it lies in a scope; else it is as unknown as none.
    pub async fn site_in_view(&self, id: SiteId, scope: Scope) -> Result<Site, StoreError> {
        self.read(move |conn| {
            let site = sites::by_id(conn, &id)?;
            if scope.covers(site.region) {
                Ok(site)
            } else {
                Err(StoreError::NotFound(format!("Site {id}")))
            }
        })
        .await
    }

    /// The links of a Site on either side, with the name of the other.
    pub async fn site_links(&self, id: SiteId) -> Result<Vec<(SiteLink, String)>, StoreError> {
        self.read(move |conn| {
            let own = sites::by_id(conn, &id)?;
            let is_facility = own.kind == SiteKind::SendingFacility;
            let columns = (site_link::all_columns, site::name);
            let rows: Vec<((SiteId, SiteId, LinkStatus, Timestamp), String)> = if is_facility {
                site_link::table
                    .inner_join(site::table.on(site::id.eq(site_link::site_id)))
                    .filter(site_link::facility_id.eq(&id))
                    .order(site_link::site_id.asc())
                    .limit(100)
                    .select(columns)
                    .load(conn)?
            } else {
                site_link::table
                    .inner_join(site::table.on(site::id.eq(site_link::facility_id)))
                    .filter(site_link::site_id.eq(&id))
                    .order(site_link::changed_at.desc())
                    .select(columns)
                    .load(conn)?
            };
            let told = |((facility, site, status, changed_at), name)| {
                (SiteLink { facility, site, status, changed_at }, name)
            };
            Ok(rows.into_iter().map(told).collect())
        })
        .await
    }

    /// Names of accounts, as the history of a Site shows who did something.
    pub async fn account_names(
        &self,
        ids: Vec<AccountId>,
    ) -> Result<HashMap<AccountId, String>, StoreError> {
        self.read(move |conn| {
            let rows: Vec<(AccountId, String, String)> = account::table
                .filter(account::id.eq_any(ids))
                .select((account::id, account::first_name, account::last_name))
                .load(conn)?;
            Ok(rows.into_iter().map(|(id, first, last)| (id, format!("{first} {last}"))).collect())
        })
        .await
    }

    /// Adds a note about a Site, for staff.
    pub async fn site_note_add(
        &self,
        id: SiteId,
        author: String,
        text: String,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            diesel::insert_into(site_note::table)
                .values((
                    site_note::site_id.eq(&id),
                    site_note::at.eq(doing.now),
                    site_note::author.eq(author),
                    site_note::text.eq(&text),
                ))
                .execute(conn)?;
            doing.end(conn, "site.note", &format!("site {id}"), None, Some(&text))?;
            Ok(())
        })
        .await
    }

    /// What staff wrote about a Site, newest first.
    pub async fn site_notes(&self, id: SiteId) -> Result<Vec<SiteNote>, StoreError> {
        self.read(move |conn| {
            let rows: Vec<(Timestamp, String, String)> = site_note::table
                .filter(site_note::site_id.eq(&id))
                .order(site_note::id.desc())
                .select((site_note::at, site_note::author, site_note::text))
                .load(conn)?;
            Ok(rows.into_iter().map(|(at, author, text)| SiteNote { at, author, text }).collect())
        })
        .await
    }
}
