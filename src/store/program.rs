//! What a program with the key of a Site may read: its messages, and how far the Sites are that it sends for.

use diesel::prelude::*;

use crate::domain::{
    LinkStatus, MessageId, MessageRecord, MessageState, SiteId, SiteProgress, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::literal::{CarriedFor, IS_CARRIED};
use crate::store::message::{RecordRow, from_row, record_columns};
use crate::store::progress::progress;
use crate::store::schema::{message, site_link};
use crate::store::{Store, StoreError};

/// Client Sites of a Sending Facility that are told of.
const CLIENTS: i64 = 5_000;

/// Which messages a program asks for; newest first.
#[derive(Debug, Clone)]
pub struct SiteMessages {
    /// Those that this Site sent, and those that it is responsible for.
    pub of: SiteId,
    /// Of these, those that this Site is responsible for.
    pub site: Option<SiteId>,
    /// Only those in this state.
    pub state: Option<MessageState>,
    /// Only those with this MSH-10.
    pub control_id: Option<String>,
    /// Only those received at this moment or later.
    pub from: Option<Timestamp>,
    /// Only those received before this moment.
    pub to: Option<Timestamp>,
    /// Only those before this one: the next page.
    pub after: Option<MessageId>,
    /// At most this many.
    pub limit: i64,
}

impl Store {
    /// A Site, then those that it sends for or was asked to, by Site ID, each with how far it is.
    pub async fn facility_progress(
        &self,
        facility: SiteId,
    ) -> Result<Vec<(SiteId, Option<LinkStatus>, SiteProgress)>, StoreError> {
        self.read(move |conn| {
            let links = site_link::table
                .filter(site_link::facility_id.eq(&facility))
                .filter(site_link::status.ne(LinkStatus::Ended))
                .order(site_link::site_id.asc())
                .limit(CLIENTS)
                .select((site_link::site_id, site_link::status))
                .load::<(SiteId, LinkStatus)>(conn)?;
            let clients = links.into_iter().map(|(id, status)| (id, Some(status)));
            std::iter::once((facility, None))
                .chain(clients)
                .map(|(id, link)| Ok((id.clone(), link, progress(conn, &id)?)))
                .collect()
        })
        .await
    }

    /// The messages that a Site sent or is responsible for, newest first.
    pub async fn site_messages(
        &self,
        filter: SiteMessages,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        self.read(move |conn| {
            let mut found = messages(conn, &filter, true)?;
            found.extend(messages(conn, &filter, false)?);
            found.sort_by_key(|one| std::cmp::Reverse(one.id));
            found.truncate(usize::try_from(filter.limit).unwrap_or(0));
            Ok(found)
        })
        .await
    }
}

/// One side of it: what the Site sent, or what others sent for it. Each has an index of its own.
fn messages(
    conn: &mut DbConnection,
    filter: &SiteMessages,
    sent: bool,
) -> Result<Vec<MessageRecord>, StoreError> {
    let mut query = message::table.select(record_columns()).into_boxed();
    query = if sent {
        query.filter(message::sender_id.eq(&filter.of))
    } else {
        query.filter(CarriedFor.eq(&filter.of)).filter(IS_CARRIED)
    };
    if let Some(site) = &filter.site {
        query = query.filter(message::site_id.eq(site));
    }
    if let Some(state) = filter.state {
        query = query.filter(message::state.eq(state));
    }
    if let Some(control_id) = &filter.control_id {
        query = query.filter(message::control_id.eq(control_id));
    }
    // Identifiers are in the order of time.
    if let Some(from) = filter.from {
        query = query.filter(message::id.ge(MessageId::first_at(from)));
    }
    if let Some(to) = filter.to {
        query = query.filter(message::id.lt(MessageId::first_at(to)));
    }
    if let Some(after) = filter.after {
        query = query.filter(message::id.lt(after));
    }
    let rows = query.order(message::id.desc()).limit(filter.limit).load::<RecordRow>(conn)?;
    Ok(rows.into_iter().map(from_row).collect())
}
