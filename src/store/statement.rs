//! Statements about meaningful use: what their facts are taken from, and what was issued.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::{
    AccountId, Environment, MessageId, SecretHash, SiteId, StatementFacts, StatementRecord,
    StatementSources, Tally, TallyScope, TestFact, Timestamp, year_bounds,
};
use crate::store::connection::DbConnection;
use crate::store::schema::{message, statement, tally};
use crate::store::{Deed, Store, StoreError, owned, profile, progress, site, stage};

/// A day of the counts.
const DAY: Duration = Duration::from_hours(24);

/// Statements of a Site that are listed.
const LISTED: i64 = 20;

/// The first test message of a Site in a year: found by the counts of days, which outlive the messages.
fn test_of_year(
    conn: &mut DbConnection,
    id: &SiteId,
    year: i32,
) -> Result<Option<TestFact>, StoreError> {
    let Some((from, until)) = year_bounds(year) else { return Ok(None) };
    // Counts are kept by the days of UTC: the first of these may begin in the year before.
    let days: Vec<(Timestamp, String)> = tally::table
        .filter(tally::scope.eq(TallyScope::Site))
        .filter(tally::subject.eq(id.as_str()))
        .filter(tally::environment.eq(Environment::Test))
        .filter(tally::since.gt(from.minus(DAY)))
        .filter(tally::since.lt(until))
        .order(tally::since.asc())
        .select((tally::since, tally::counts))
        .load(conn)?;
    let has_any = |counts: &str| {
        serde_json::from_str::<Tally>(counts).is_ok_and(|counts| counts.messages > 0)
    };
    for (day, _) in days.into_iter().filter(|(_, counts)| has_any(counts)) {
        let (first, last) = (day.max(from), day.plus(DAY).min(until));
        if let Some((at, result)) = first_test(conn, id, first, last)? {
            return Ok(Some(TestFact { on: at.pacific().date(), result: Some(result) }));
        }
        // The messages of that day are gone; where a year ends within it, it proves nothing.
        if day >= from && day.plus(DAY) <= until {
            return Ok(Some(TestFact { on: day.utc().date_naive(), result: None }));
        }
    }
    Ok(None)
}

/// The first test message between two moments: when it came, and MSA-1 of its answer.
fn first_test(
    conn: &mut DbConnection,
    id: &SiteId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<(Timestamp, String)>, StoreError> {
    let mut found: Vec<(Timestamp, String)> = vec![];
    for is_sender in [true, false] {
        let mut query = message::table
            .filter(message::environment.eq(Environment::Test))
            .filter(message::message_type.not_like("QBP%"))
            .filter(message::id.ge(MessageId::first_at(from)))
            .filter(message::id.lt(MessageId::first_at(until)))
            .order(message::id.asc())
            .select((message::received_at, message::ack_code))
            .into_boxed();
        query = if is_sender {
            query.filter(message::sender_id.eq(id))
        } else {
            let others = message::site_id.ne(message::sender_id.nullable());
            query.filter(message::site_id.eq(id)).filter(others)
        };
        found.extend(query.first(conn).optional()?);
    }
    Ok(found.into_iter().min_by_key(|(at, _)| *at))
}

fn facts(conn: &mut DbConnection, id: &SiteId, year: i32) -> Result<StatementFacts, StoreError> {
    let site = site::by_id(conn, id)?;
    let first_test = progress::progress(conn, id)?.first_test;
    let sources = StatementSources {
        organization: owned::record(conn, site.organization)?.name,
        history: stage::history(conn, id)?,
        first_test: first_test
            .map(|(at, _, result)| TestFact { on: at.pacific().date(), result: Some(result) }),
        test_of_year: test_of_year(conn, id, year)?,
        answers: profile::site_answers(conn, id)?,
        site,
    };
    Ok(sources.facts(year))
}

impl Store {
    /// What can be said of a Site and a year at this moment.
    pub async fn statement_facts(
        &self,
        id: SiteId,
        year: i32,
    ) -> Result<StatementFacts, StoreError> {
        self.read(move |conn| facts(conn, &id, year)).await
    }

    /// Issues a statement, which is found again by the keyed hash of its code.
    pub async fn statement_issue(
        &self,
        id: SiteId,
        year: i32,
        code: SecretHash,
        account: AccountId,
        deed: Deed,
    ) -> Result<StatementRecord, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let facts = facts(conn, &id, year)?;
            let text = serde_json::to_string(&facts)
                .map_err(|_never| StoreError::Locked("the facts could not be written"))?;
            let issued_at = doing.now;
            diesel::insert_into(statement::table)
                .values((
                    statement::site_id.eq(&id),
                    statement::year.eq(year),
                    statement::code.eq(code),
                    statement::facts.eq(text),
                    statement::issued_at.eq(issued_at),
                    statement::issued_by.eq(account),
                ))
                .execute(conn)?;
            let what = format!("{year}: {}", facts.engagement);
            doing.end(conn, "statement.issue", &format!("site {id}"), None, Some(&what))?;
            Ok(StatementRecord { site: id, facts, issued_at })
        })
        .await
    }

    /// The statement with this code, and the facts as they are now.
    pub async fn statement_by_code(
        &self,
        code: SecretHash,
    ) -> Result<Option<(StatementRecord, StatementFacts)>, StoreError> {
        self.read(move |conn| {
            let row = statement::table
                .filter(statement::code.eq(code))
                .select((
                    statement::site_id,
                    statement::year,
                    statement::facts,
                    statement::issued_at,
                ))
                .first::<(SiteId, i32, String, Timestamp)>(conn)
                .optional()?;
            let Some((site, year, text, issued_at)) = row else { return Ok(None) };
            let now = facts(conn, &site, year)?;
            let facts = serde_json::from_str(&text)
                .map_err(|_unreadable| StoreError::Locked("the facts cannot be read"))?;
            Ok(Some((StatementRecord { site, facts, issued_at }, now)))
        })
        .await
    }

    /// When statements of a Site were issued, and of which years, newest first.
    pub async fn statement_list(&self, id: SiteId) -> Result<Vec<(i32, Timestamp)>, StoreError> {
        self.read(move |conn| {
            Ok(statement::table
                .filter(statement::site_id.eq(&id))
                .order(statement::id.desc())
                .limit(LISTED)
                .select((statement::year, statement::issued_at))
                .load(conn)?)
        })
        .await
    }
}
