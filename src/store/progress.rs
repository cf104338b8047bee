//! How far Sites are: what their messages have shown so far, and what happened to these messages.

use diesel::prelude::*;

use crate::domain::{
    Content, Environment, MessageId, MessageState, RECENT_TESTS, Scenarios, SiteEvent,
    SiteEventKind, SiteId, SiteProgress, Tally, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::schema::{message, site_event, site_progress};
use crate::store::{Store, StoreError};

pub(super) type ProgressRow = (
    SiteId,
    Option<Timestamp>,
    Option<MessageId>,
    Option<String>,
    Option<Timestamp>,
    i64,
    i64,
    i64,
    i64,
    Option<Timestamp>,
    Option<Timestamp>,
);

pub(super) fn from_row(row: ProgressRow) -> SiteProgress {
    let (site, at, message, code, last_test_at, tests, tests_accepted, run, scenarios, first, last) =
        row;
    SiteProgress {
        site,
        first_test: at.zip(message).zip(code).map(|((at, message), code)| (at, message, code)),
        last_test_at,
        tests,
        tests_accepted,
        clean_run: run,
        scenarios: Scenarios::from_bits(scenarios),
        first_production_at: first,
        last_production_at: last,
    }
}

/// How far a Site is; nothing is known of one that has sent nothing.
pub(super) fn progress(conn: &mut DbConnection, id: &SiteId) -> Result<SiteProgress, StoreError> {
    let row = site_progress::table.find(id).first::<ProgressRow>(conn).optional()?;
    Ok(row.map_or_else(|| SiteProgress::none(id.clone()), from_row))
}

pub(super) fn keep_progress(conn: &mut DbConnection, new: &SiteProgress) -> Result<(), StoreError> {
    let (first_at, first_message, first_code) = match &new.first_test {
        Some((at, message, code)) => (Some(*at), Some(*message), Some(code.as_str())),
        None => (None, None, None),
    };
    let values = (
        site_progress::first_test_at.eq(first_at),
        site_progress::first_test_message.eq(first_message),
        site_progress::first_test_code.eq(first_code),
        site_progress::last_test_at.eq(new.last_test_at),
        site_progress::tests.eq(new.tests),
        site_progress::tests_accepted.eq(new.tests_accepted),
        site_progress::clean_run.eq(new.clean_run),
        site_progress::scenarios.eq(new.scenarios.bits()),
        site_progress::first_production_at.eq(new.first_production_at),
        site_progress::last_production_at.eq(new.last_production_at),
    );
    if diesel::update(site_progress::table.find(&new.site)).set(values).execute(conn)? == 0 {
        diesel::insert_into(site_progress::table)
            .values((site_progress::site_id.eq(&new.site), values))
            .execute(conn)?;
    }
    Ok(())
}

/// Counts of the latest messages of a Site in an environment, newest first: at most `limit`, none older than `from`.
pub(super) fn recent(
    conn: &mut DbConnection,
    id: &SiteId,
    environment: Environment,
    from: MessageId,
    limit: i64,
) -> Result<Tally, StoreError> {
    type Row = (MessageId, String, MessageState, String, i64);
    let columns =
        (message::id, message::message_type, message::state, message::ack_code, message::content);
    let mut rows = message::table
        .filter(message::sender_id.eq(id))
        .filter(message::environment.eq(environment))
        .filter(message::id.ge(from))
        .order(message::id.desc())
        .limit(limit)
        .select(columns)
        .load::<Row>(conn)?;
    rows.extend(
        message::table
            .filter(message::site_id.eq(id))
            .filter(message::site_id.ne(message::sender_id.nullable()))
            .filter(message::environment.eq(environment))
            .filter(message::id.ge(from))
            .order(message::id.desc())
            .limit(limit)
            .select(columns)
            .load::<Row>(conn)?,
    );
    rows.sort_by_key(|row| std::cmp::Reverse(row.0));
    let mut tally = Tally::default();
    for (_, kind, state, ack_code, content) in rows.iter().take(usize::try_from(limit).unwrap_or(0))
    {
        let content = Content::from_bits(*content);
        tally.count(kind.starts_with("QBP"), *state, ack_code, content);
    }
    Ok(tally)
}

impl Store {
    /// What happened to a Site's messages that its people are told of, newest first.
    pub async fn site_events(&self, id: SiteId, limit: i64) -> Result<Vec<SiteEvent>, StoreError> {
        type Row = (i64, SiteId, Timestamp, SiteEventKind, Option<MessageId>, Option<Timestamp>);
        self.read(move |conn| {
            let rows = site_event::table
                .filter(site_event::site_id.eq(&id))
                .order(site_event::id.desc())
                .limit(limit)
                .load::<Row>(conn)?;
            let told = |(id, site, at, kind, message, told_at)| SiteEvent {
                id,
                site,
                at,
                kind,
                message,
                told_at,
            };
            Ok(rows.into_iter().map(told).collect())
        })
        .await
    }

    /// How far a Site is.
    pub async fn progress_of(&self, id: SiteId) -> Result<SiteProgress, StoreError> {
        self.read(move |conn| progress(conn, &id)).await
    }

    /// Counts of the latest test messages of a Site, at most [`RECENT_TESTS`].
    pub async fn recent_tests(&self, id: SiteId) -> Result<Tally, StoreError> {
        self.read(move |conn| recent(conn, &id, Environment::Test, MessageId(0), RECENT_TESTS))
            .await
    }

    /// Counts of the test messages of a Site since its review began, of the latest 5,000.
    pub async fn window_tally(
        &self,
        id: SiteId,
        opened_at: Timestamp,
    ) -> Result<Tally, StoreError> {
        let from = MessageId::first_at(opened_at);
        self.read(move |conn| recent(conn, &id, Environment::Test, from, 5_000)).await
    }
}
