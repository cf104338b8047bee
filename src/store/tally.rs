//! Counting messages after the fact: roll-ups by day (`quality` reads them back), the progress of Sites, and the events
//! that letters are written from.
//!
//! The message path writes none of this. A worker reads what has come in and what was settled since its mark, a batch at a
//! time, and writes counts and mark in one transaction; two nodes that count at once find out by the mark.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{NaiveTime, Timelike as _};
use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::domain::{
    By, Content, Criteria, DeliveryState, Environment, MessageId, MessageState, RECENT_TESTS,
    RegionCode, SiteEventKind, SiteId, SiteKind, SiteProgress, SiteStatus, StageEvent, Tally,
    TallyScope, Timestamp, finding_place,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::directory::Directory;
use crate::store::progress::{keep_progress, progress, recent};
use crate::store::schema::{
    delivery, diagnostic, finding_tally, message, site, site_event, site_profile, tally, tally_mark,
};
use crate::store::{Store, StoreError, stage, webhook_call};

/// Messages that are counted in one transaction at most.
const BATCH: i64 = 1_000;

/// Subjects and days whose counts are removed in one transaction at most.
const SWEPT: i64 = 200;

/// A message may be committed after one with a later identifier; only what is older than this is counted.
const MARGIN: Duration = Duration::from_secs(3);

type Mark = (i64, Option<Timestamp>, i64);

/// A message as it is counted.
struct Received {
    id: MessageId,
    at: Timestamp,
    sender: SiteId,
    environment: Environment,
    site: Option<SiteId>,
    region: Option<RegionCode>,
    is_query: bool,
    state: MessageState,
    ack_code: String,
    content: Content,
}

type ReceivedRow = (
    MessageId,
    Timestamp,
    SiteId,
    Environment,
    Option<SiteId>,
    Option<RegionCode>,
    String,
    MessageState,
    String,
    i64,
);

impl From<ReceivedRow> for Received {
    fn from(row: ReceivedRow) -> Self {
        let (id, at, sender, environment, site, region, kind, state, ack_code, content) = row;
        let content = Content::from_bits(content);
        let is_query = kind.starts_with("QBP");
        Self { id, at, sender, environment, site, region, is_query, state, ack_code, content }
    }
}

impl Received {
    /// The responsible Site, or the sender when there was none.
    fn subject(&self) -> &SiteId {
        self.site.as_ref().unwrap_or(&self.sender)
    }

    const fn was_taken(&self) -> bool {
        !matches!(self.state, MessageState::Refused)
    }

    fn is_good(&self) -> bool {
        self.was_taken() && self.ack_code == "AA"
    }
}

/// A delivery that came to its end.
struct Settled {
    message: MessageId,
    at: Timestamp,
    sender: SiteId,
    environment: Environment,
    site: Option<SiteId>,
    region: RegionCode,
    state: DeliveryState,
}

/// Scope, subject, environment, and the beginning of the day or hour.
type TallyKey = (TallyScope, String, Environment, Timestamp);

/// Rule, place and severity.
type FindingKey = (String, String, String);

/// What is written down in one transaction.
#[derive(Default)]
struct Counts {
    tallies: BTreeMap<TallyKey, Tally>,
    findings: BTreeMap<(TallyKey, FindingKey), i64>,
}

/// What is known of a Site when its messages are counted.
struct Known {
    kind: SiteKind,
    region: Option<RegionCode>,
    vendor: Option<String>,
}

/// The batch that is to be counted.
struct Batch {
    mark: Mark,
    received: Vec<Received>,
    findings: HashMap<MessageId, Vec<FindingKey>>,
    settled: Vec<Settled>,
    known: HashMap<SiteId, Known>,
}

fn day_of(moment: Timestamp) -> Timestamp {
    Timestamp::from_naive(moment.as_naive().date().and_time(NaiveTime::MIN))
}

fn hour_of(moment: Timestamp) -> Timestamp {
    let naive = moment.as_naive();
    let time = NaiveTime::from_hms_opt(naive.hour(), 0, 0).unwrap_or(NaiveTime::MIN);
    Timestamp::from_naive(naive.date().and_time(time))
}

impl Batch {
    /// Of what a message counts: its Site, its Sending Facility and that one's client, the EHR's vendor, its region by day and by hour.
    fn subjects(
        &self,
        sender: &SiteId,
        site: Option<&SiteId>,
        region: Option<RegionCode>,
        at: Timestamp,
    ) -> Vec<(TallyScope, String, Timestamp)> {
        let subject = site.unwrap_or(sender);
        let (day, known) = (day_of(at), self.known.get(subject));
        let mut all = vec![(TallyScope::Site, subject.to_string(), day)];
        let sends_for_others =
            self.known.get(sender).is_some_and(|one| one.kind == SiteKind::SendingFacility);
        if sends_for_others {
            all.push((TallyScope::Facility, sender.to_string(), day));
            if let Some(client) = site.filter(|client| *client != sender) {
                all.push((TallyScope::Client, TallyScope::client(sender, client), day));
            }
        }
        if let Some(vendor) = known.and_then(|one| one.vendor.clone()) {
            all.push((TallyScope::Vendor, vendor, day));
        }
        if let Some(region) = region.or_else(|| known.and_then(|one| one.region)) {
            all.push((TallyScope::Region, region.to_string(), day));
            all.push((TallyScope::RegionHour, region.to_string(), hour_of(at)));
        }
        all
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for one in &self.received {
            let subjects = self.subjects(&one.sender, one.site.as_ref(), one.region, one.at);
            for (scope, subject, since) in subjects {
                if scope != TallyScope::RegionHour {
                    for found in self.findings.get(&one.id).into_iter().flatten() {
                        let key = (scope, subject.clone(), one.environment, since);
                        *counts.findings.entry((key, found.clone())).or_default() += 1;
                    }
                }
                let tally =
                    counts.tallies.entry((scope, subject, one.environment, since)).or_default();
                tally.count(one.is_query, one.state, &one.ack_code, one.content);
            }
        }
        for one in &self.settled {
            let subjects = self.subjects(&one.sender, one.site.as_ref(), Some(one.region), one.at);
            for (scope, subject, since) in subjects {
                let tally =
                    counts.tallies.entry((scope, subject, one.environment, since)).or_default();
                match one.state {
                    DeliveryState::Delivered => tally.delivered += 1,
                    DeliveryState::Rejected => tally.rejected += 1,
                    // What operators ended came to no registry.
                    _ => {}
                }
            }
        }
        counts
    }

    /// The messages that came to their end, each with its sender, the responsible Site and the moment.
    fn ended(&self) -> Vec<(MessageId, SiteId, Option<SiteId>, Timestamp)> {
        let ended = |one: &Settled| (one.message, one.sender.clone(), one.site.clone(), one.at);
        self.settled.iter().map(ended).collect()
    }

    /// Whose progress changes: the responsible Site, and its sender when that is another one.
    fn movers(&self) -> BTreeSet<&SiteId> {
        self.received
            .iter()
            .filter(|one| !one.is_query)
            .flat_map(|one| [one.subject(), &one.sender])
            .filter(|id| self.known.contains_key(*id))
            .collect()
    }
}

fn read_batch(
    conn: &mut DbConnection,
    directory: &Directory,
    now: Timestamp,
) -> Result<Batch, StoreError> {
    let mark = tally_mark::table
        .find(1)
        .select((tally_mark::received, tally_mark::settled_at, tally_mark::settled))
        .first::<Mark>(conn)?;
    let until = now.minus(MARGIN);
    let received: Vec<Received> = message::table
        .filter(message::id.gt(mark.0))
        .filter(message::id.lt(MessageId::first_at(until)))
        .order(message::id.asc())
        .limit(BATCH)
        .select((
            message::id,
            message::received_at,
            message::sender_id,
            message::environment,
            message::site_id,
            message::region,
            message::message_type,
            message::state,
            message::ack_code,
            message::content,
        ))
        .load::<ReceivedRow>(conn)?
        .into_iter()
        .map(Received::from)
        .collect();
    let ids: Vec<MessageId> = received.iter().map(|one| one.id).collect();
    let mut findings: HashMap<MessageId, Vec<_>> = HashMap::new();
    let rows: Vec<(MessageId, String, String, String)> = on_either!(conn, conn => diagnostic::table
        .filter(diagnostic::message_id.eq_any(&ids))
        .filter(diagnostic::severity.ne("I"))
        .select((diagnostic::message_id, diagnostic::rule, diagnostic::location, diagnostic::severity))
        .load(conn)?);
    for (id, rule, location, severity) in rows {
        findings.entry(id).or_default().push((rule, finding_place(&location), severity));
    }
    let settled = read_settled(conn, &mark, until)?;
    let mut known = HashMap::new();
    let sites: BTreeSet<&SiteId> = received
        .iter()
        .flat_map(|one| [Some(&one.sender), one.site.as_ref()])
        .chain(settled.iter().flat_map(|one| [Some(&one.sender), one.site.as_ref()]))
        .flatten()
        .collect();
    let wanted: Vec<&SiteId> = sites.iter().copied().collect();
    let vendors: HashMap<SiteId, Option<String>> = on_either!(conn, conn => site_profile::table
        .filter(site_profile::site_id.eq_any(&wanted))
        .select((site_profile::site_id, site_profile::ehr_vendor))
        .load::<(SiteId, Option<String>)>(conn)?)
    .into_iter()
    .collect();
    for id in sites {
        if let Some(site) = directory.site(id.as_str()) {
            let vendor = vendors.get(id).cloned().flatten();
            known.insert(id.clone(), Known { kind: site.kind, region: site.region, vendor });
        }
    }
    Ok(Batch { mark, received, findings, settled, known })
}

fn read_settled(
    conn: &mut DbConnection,
    (_, settled_at, settled): &Mark,
    until: Timestamp,
) -> Result<Vec<Settled>, StoreError> {
    type Row = (
        MessageId,
        Option<Timestamp>,
        SiteId,
        Environment,
        Option<SiteId>,
        RegionCode,
        DeliveryState,
    );
    let from = settled_at.unwrap_or_else(|| MessageId(0).moment());
    let (later, same) =
        (delivery::settled_at.gt(Some(from)), delivery::message_id.gt(settled).nullable());
    let rows = delivery::table
        .inner_join(message::table.on(message::id.eq(delivery::message_id)))
        .filter(delivery::settled_at.ge(Some(from)))
        .filter(later.or(same))
        .filter(delivery::settled_at.lt(Some(until)))
        .order((delivery::settled_at.asc(), delivery::message_id.asc()))
        .limit(BATCH)
        .select((
            delivery::message_id,
            delivery::settled_at,
            message::sender_id,
            delivery::environment,
            message::site_id,
            delivery::region,
            delivery::state,
        ))
        .load::<Row>(conn)?;
    let told = |(message, at, sender, environment, site, region, state): Row| {
        Some(Settled { message, at: at?, sender, environment, site, region, state })
    };
    Ok(rows.into_iter().filter_map(told).collect())
}

fn note_event(
    conn: &mut DbConnection,
    site: &SiteId,
    kind: SiteEventKind,
    message: Option<MessageId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(site_event::table)
        .values((
            site_event::site_id.eq(site),
            site_event::at.eq(at),
            site_event::kind.eq(kind),
            site_event::message_id.eq(message),
        ))
        .execute(conn)?;
    Ok(())
}

/// Counts one message towards the progress of a Site. Gives what its people are told, if anything.
fn moved(progress: &mut SiteProgress, one: &Received) -> Option<SiteEventKind> {
    if one.environment == Environment::Production {
        progress.last_production_at = Some(one.at);
        if one.was_taken() && progress.first_production_at.is_none() {
            progress.first_production_at = Some(one.at);
        }
        return None;
    }
    let good = one.is_good();
    let told = match &progress.first_test {
        None => Some(SiteEventKind::FirstTest),
        // After a good message, or a run of them, the first that fails; and the first good one after those that failed.
        Some(_) if !good && progress.clean_run > 0 => Some(SiteEventKind::TestFailed),
        Some(_) if good && progress.clean_run == 0 => Some(SiteEventKind::TestGoodAgain),
        Some(_) => None,
    };
    if progress.first_test.is_none() {
        progress.first_test = Some((one.at, one.id, one.ack_code.clone()));
    }
    progress.last_test_at = Some(one.at);
    progress.tests += 1;
    if one.was_taken() {
        progress.tests_accepted += 1;
        progress.scenarios = progress.scenarios.and(one.content.scenarios());
    }
    progress.clean_run = if good { progress.clean_run + 1 } else { 0 };
    told
}

/// A count as it stands in its column.
fn column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes the counts of a batch on top of what is there.
fn keep_counts(conn: &mut DbConnection, counts: Counts) -> Result<(), StoreError> {
    for ((scope, subject, environment, since), more) in counts.tallies {
        let key = (scope, subject.as_str(), environment, since);
        let known =
            tally::table.find(key).select(tally::counts).first::<String>(conn).optional()?;
        let mut sum: Tally =
            known.and_then(|counts| serde_json::from_str(&counts).ok()).unwrap_or_default();
        sum.add(&more);
        let counts = serde_json::to_string(&sum).unwrap_or_default();
        let row = (
            tally::scope.eq(scope),
            tally::subject.eq(&subject),
            tally::environment.eq(environment),
            tally::since.eq(since),
            tally::counts.eq(&counts),
            tally::messages.eq(column(sum.messages)),
            tally::accepted.eq(column(sum.accepted)),
            tally::clean.eq(column(sum.clean)),
            tally::rejected.eq(column(sum.rejected)),
        );
        on_either!(conn, conn => diesel::insert_into(tally::table)
            .values(row)
            .on_conflict((tally::scope, tally::subject, tally::environment, tally::since))
            .do_update()
            .set((
                tally::counts.eq(excluded(tally::counts)),
                tally::messages.eq(excluded(tally::messages)),
                tally::accepted.eq(excluded(tally::accepted)),
                tally::clean.eq(excluded(tally::clean)),
                tally::rejected.eq(excluded(tally::rejected)),
            ))
            .execute(conn)?);
    }
    keep_findings(conn, counts.findings)
}

fn keep_findings(
    conn: &mut DbConnection,
    findings: BTreeMap<(TallyKey, FindingKey), i64>,
) -> Result<(), StoreError> {
    for (((scope, subject, environment, since), (rule, place, severity)), number) in findings {
        let row = (
            finding_tally::scope.eq(scope),
            finding_tally::subject.eq(&subject),
            finding_tally::environment.eq(environment),
            finding_tally::since.eq(since),
            finding_tally::rule.eq(&rule),
            finding_tally::location.eq(&place),
            finding_tally::severity.eq(&severity),
            finding_tally::number.eq(number),
        );
        on_either!(conn, conn => diesel::insert_into(finding_tally::table)
            .values(row)
            .on_conflict((
                finding_tally::scope,
                finding_tally::subject,
                finding_tally::environment,
                finding_tally::since,
                finding_tally::rule,
                finding_tally::location,
                finding_tally::severity,
            ))
            .do_update()
            .set(finding_tally::number.eq(finding_tally::number + excluded(finding_tally::number)))
            .execute(conn)?);
    }
    Ok(())
}

/// Moves the progress of every Site of the batch, and the Sites themselves where it is enough. Gives the steps taken.
fn keep_progresses(
    conn: &mut DbConnection,
    batch: &Batch,
    criteria: &Criteria,
    by: &By,
) -> Result<Vec<(SiteId, SiteStatus, SiteStatus)>, StoreError> {
    let mut steps = vec![];
    for id in batch.movers() {
        let mut now = progress(conn, id)?;
        let theirs = |one: &&Received| !one.is_query && (one.subject() == id || one.sender == *id);
        for one in batch.received.iter().filter(theirs) {
            if let Some(kind) = moved(&mut now, one) {
                note_event(conn, id, kind, Some(one.id), one.at)?;
            }
        }
        keep_progress(conn, &now)?;
        let mut status = site::table.find(id).select(site::status).first::<SiteStatus>(conn)?;
        if status == SiteStatus::Registered {
            let (before, after) = stage::step(conn, id, StageEvent::FirstMessage, None, by)?;
            steps.push((id.clone(), before, after));
            status = after;
        }
        if status == SiteStatus::Testing && now.clean_run >= criteria.clean_run {
            let recent = recent(conn, id, Environment::Test, MessageId(0), RECENT_TESTS)?;
            if criteria.testing(&now, &recent).iter().all(|one| one.met) {
                let (before, after) = stage::step(conn, id, StageEvent::CriteriaMet, None, by)?;
                steps.push((id.clone(), before, after));
            }
        }
    }
    for one in batch.settled.iter().filter(|one| one.state == DeliveryState::Rejected) {
        let subjects =
            [one.site.as_ref(), Some(&one.sender).filter(|id| one.site.as_ref() != Some(*id))];
        for id in subjects.into_iter().flatten().filter(|id| batch.known.contains_key(*id)) {
            note_event(conn, id, SiteEventKind::RejectedLater, Some(one.message), one.at)?;
        }
    }
    Ok(steps)
}

impl Store {
    /// Counts the next messages that came in or were settled: roll-ups, progress, events, and the steps that Sites take by
    /// themselves. Gives how many; 0: nothing is left, or another node has counted them.
    pub async fn tally_next(
        &self,
        criteria: Criteria,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let directory = self.directory();
        let batch = self.read(move |conn| read_batch(conn, &directory, now)).await?;
        let number = batch.received.len() + batch.settled.len();
        if number == 0 {
            return Ok(0);
        }
        let by = By::system(now);
        let auditor = self.auditor(by.clone());
        self.write(move |conn| {
            let received = batch.received.last().map_or(batch.mark.0, |one| one.id.0);
            let (settled_at, settled) = batch
                .settled
                .last()
                .map_or((batch.mark.1, batch.mark.2), |one| (Some(one.at), one.message.0));
            let unmoved = tally_mark::table
                .find(1)
                .filter(tally_mark::received.eq(batch.mark.0))
                .filter(tally_mark::settled.eq(batch.mark.2));
            let moved = diesel::update(unmoved)
                .set((
                    tally_mark::received.eq(received),
                    tally_mark::settled_at.eq(settled_at),
                    tally_mark::settled.eq(settled),
                ))
                .execute(conn)?;
            if moved == 0 {
                return Ok(0);
            }
            keep_counts(conn, batch.counts())?;
            webhook_call::tell_messages(conn, &batch.ended())?;
            for (id, before, after) in keep_progresses(conn, &batch, &criteria, &by)? {
                let object = format!("site {id}");
                auditor.record(
                    conn,
                    "site.status",
                    &object,
                    Some(before.word()),
                    Some(after.word()),
                )?;
            }
            Ok(number)
        })
        .await
    }
}

/// Removes counts of days (or hours) before a moment: of [`SWEPT`] subjects and days at most. Gives how many.
pub(super) fn sweep(conn: &mut DbConnection, before: Timestamp) -> Result<usize, StoreError> {
    let tallies = tally::table
        .filter(tally::since.lt(before))
        .order(tally::since.asc())
        .select((tally::scope, tally::subject, tally::environment, tally::since))
        .limit(SWEPT)
        .load::<TallyKey>(conn)?;
    let mut removed = 0;
    for key in &tallies {
        let (scope, subject, environment, since) = key;
        let row = (*scope, subject.as_str(), *environment, *since);
        removed += diesel::delete(tally::table.find(row)).execute(conn)?;
    }
    let findings = finding_tally::table
        .filter(finding_tally::since.lt(before))
        .order(finding_tally::since.asc())
        .select((
            finding_tally::scope,
            finding_tally::subject,
            finding_tally::environment,
            finding_tally::since,
        ))
        .limit(SWEPT)
        .load::<TallyKey>(conn)?;
    for (scope, subject, environment, since) in findings.into_iter().collect::<BTreeSet<_>>() {
        let rows = finding_tally::table
            .filter(finding_tally::scope.eq(scope))
            .filter(finding_tally::subject.eq(subject))
            .filter(finding_tally::environment.eq(environment))
            .filter(finding_tally::since.eq(since));
        removed += diesel::delete(rows).execute(conn)?;
    }
    Ok(removed)
}
