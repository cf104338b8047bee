//! What the letters about Sites are written from, and that each is written once: a letter is queued in the transaction that
//! claims what it tells of, so that of two nodes one writes it, and a crash neither loses nor doubles it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use diesel::dsl::max;
use diesel::prelude::*;

use crate::domain::{
    AccountId, CredentialNews, CredentialState, DigestKind, Environment, HookEvent, Letter,
    LetterWish, MessageId, OrganizationId, ProductionLetters, SiteEvent, SiteEventKind, SiteId,
    SiteStatus, TallyScope, TestLetters, Timestamp,
};
use crate::store::connection::{DbConnection, on_either};
use crate::store::credential;
use crate::store::literal::Condition;
use crate::store::schema::{
    credential as credentials, digest_mark, expiry_notice, letter_wish, site, site_event,
    site_progress, site_watch, stage_change, tally,
};
use crate::store::{Deed, Store, StoreError, webhook_call};

/// A Site in production, as far as the watch over silence goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteWatch {
    /// The Site.
    pub site: SiteId,
    /// When its latest production message came, or since when it may send there, whichever is later.
    pub heard_at: Timestamp,
    /// When its latest production message came.
    pub last_message_at: Option<Timestamp>,
    /// Days without a message after which its people are told; none: as the installation has it; 0: never.
    pub silence_days: Option<i64>,
    /// When they were told; none: messages come.
    pub silent_since: Option<Timestamp>,
}

/// The end of a credential that its people are to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Its number.
    pub credential: crate::domain::CredentialId,
    /// The Site that it identifies.
    pub site: SiteId,
    /// The environment that it opens.
    pub environment: Environment,
    /// Its username.
    pub username: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Which of the notices it is: so many days before.
    pub days: u32,
}

/// As a literal, so that both databases see that their partial index applies.
const fn is_open() -> Condition {
    Condition("site_event.told_at IS NULL")
}

type EventRow = (i64, SiteId, Timestamp, SiteEventKind, Option<MessageId>, Option<Timestamp>);

fn event((id, site, at, kind, message, told_at): EventRow) -> SiteEvent {
    SiteEvent { id, site, at, kind, message, told_at }
}

type WishRow = (AccountId, SiteId, TestLetters, ProductionLetters, bool, bool);

fn wish((account, site, tests, production, outcomes, silence): WishRow) -> Wished {
    ((account, site), LetterWish { tests, production, outcomes, silence })
}

/// What somebody chose for a Site.
type Wished = ((AccountId, SiteId), LetterWish);

impl Store {
    /// Events that nobody was told of yet, the oldest first.
    pub async fn site_events_open(&self, limit: i64) -> Result<Vec<SiteEvent>, StoreError> {
        self.read(move |conn| {
            let open = site_event::table.filter(is_open()).order(site_event::id.asc());
            Ok(open.limit(limit).load::<EventRow>(conn)?.into_iter().map(event).collect())
        })
        .await
    }

    /// Whether people were told of an earlier event of this kind of the Site, no older than `from`.
    pub async fn site_event_was_told(
        &self,
        event: &SiteEvent,
        from: Timestamp,
    ) -> Result<bool, StoreError> {
        let event = event.clone();
        self.read(move |conn| {
            let told = site_event::table
                .filter(site_event::site_id.eq(&event.site))
                .filter(site_event::id.lt(event.id))
                .filter(site_event::kind.eq(event.kind))
                .filter(site_event::at.ge(from))
                .filter(site_event::told_at.is_not_null());
            Ok(told.count().get_result::<i64>(conn)? > 0)
        })
        .await
    }

    /// The place of an event among those of its kind and Site of the same moment, from 0.
    pub async fn site_event_place(&self, event: &SiteEvent) -> Result<usize, StoreError> {
        let event = event.clone();
        self.read(move |conn| {
            let before = site_event::table
                .filter(site_event::site_id.eq(&event.site))
                .filter(site_event::id.lt(event.id))
                .filter(site_event::kind.eq(event.kind))
                .filter(site_event::at.eq(event.at));
            Ok(usize::try_from(before.count().get_result::<i64>(conn)?).unwrap_or(0))
        })
        .await
    }

    /// Queues the letters of an event; false when its people had been told already, and nothing is queued.
    pub async fn site_event_tell(
        &self,
        id: i64,
        letters: Vec<Letter>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.post_once(letters, now, move |conn| {
            let open = site_event::table.find(id).filter(is_open());
            Ok(diesel::update(open).set(site_event::told_at.eq(now)).execute(conn)? == 1)
        })
        .await
    }

    /// Queues letters when `claim` finds that nobody has written them; else nothing is queued.
    pub(super) async fn post_once(
        &self,
        letters: Vec<Letter>,
        now: Timestamp,
        claim: impl FnOnce(&mut DbConnection) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let postbox = self.postbox();
        self.write(move |conn| {
            if !claim(conn)? {
                return Ok(false);
            }
            for letter in &letters {
                // An address that has had too many gets none; it is counted, and the pages tell the same.
                let _ = postbox.queue(conn, letter, now)?;
            }
            Ok(true)
        })
        .await
    }

    /// What people chose for these Sites, where they chose.
    pub async fn letter_wishes(
        &self,
        sites: Vec<SiteId>,
    ) -> Result<HashMap<(AccountId, SiteId), LetterWish>, StoreError> {
        self.read(move |conn| {
            let rows: Vec<WishRow> = on_either!(conn, conn => letter_wish::table
                .filter(letter_wish::site_id.eq_any(&sites))
                .load(conn)?);
            Ok(rows.into_iter().map(wish).collect())
        })
        .await
    }

    /// What one person chose, for which Sites.
    pub async fn letter_wishes_of(
        &self,
        account: AccountId,
    ) -> Result<HashMap<SiteId, LetterWish>, StoreError> {
        self.read(move |conn| {
            let rows = letter_wish::table
                .filter(letter_wish::account_id.eq(account))
                .load::<WishRow>(conn)?;
            Ok(rows.into_iter().map(wish).map(|((_, site), one)| (site, one)).collect())
        })
        .await
    }

    /// Keeps what somebody chose for some Sites, and, where it is given, after how many days without a message people are
    /// told (0: never; none: as the installation has it).
    pub async fn letter_wish_set(
        &self,
        account: AccountId,
        sites: Vec<SiteId>,
        wish: LetterWish,
        silence_days: Option<Option<i64>>,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            for site in &sites {
                keep_wish(conn, account, site, wish)?;
                if let Some(days) = silence_days {
                    watch_row(conn, site)?;
                    diesel::update(site_watch::table.find(site))
                        .set(site_watch::silence_days.eq(days))
                        .execute(conn)?;
                }
            }
            let object = match sites.as_slice() {
                [one] => format!("site {one}"),
                _ => format!("account {account}"),
            };
            let days = match silence_days {
                None => String::new(),
                Some(None) => ", silence after the usual days".to_owned(),
                Some(Some(0)) => ", silence never told".to_owned(),
                Some(Some(days)) => format!(", silence after {days} days"),
            };
            let told = format!("{} Sites: {}{days}", sites.len(), wish.told());
            doing.end(conn, "letters.choose", &object, None, Some(&told))?;
            Ok(())
        })
        .await
    }

    /// The watch over one Site: after how many days without a message its people are told, where that was chosen.
    pub async fn silence_days(&self, id: SiteId) -> Result<Option<i64>, StoreError> {
        self.read(move |conn| {
            let row = site_watch::table.find(&id).select(site_watch::silence_days);
            Ok(row.first::<Option<i64>>(conn).optional()?.flatten())
        })
        .await
    }

    /// The Sites in production that are silent since before `before`, and those that people were told of as silent.
    pub async fn silence_list(&self, before: Timestamp) -> Result<Vec<SiteWatch>, StoreError> {
        self.read(move |conn| silence_list(conn, before)).await
    }

    /// Queues the letters about a Site that fell silent (`silent`), or that sends again; false when that was done already.
    pub async fn silence_tell(
        &self,
        id: SiteId,
        silent: bool,
        letters: Vec<Letter>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.post_once(letters, now, move |conn| {
            watch_row(conn, &id)?;
            let row = site_watch::table.find(&id);
            let changed = if silent {
                diesel::update(row.filter(site_watch::silent_since.is_null()))
                    .set(site_watch::silent_since.eq(Some(now)))
                    .execute(conn)?
            } else {
                diesel::update(row.filter(site_watch::silent_since.is_not_null()))
                    .set(site_watch::silent_since.eq(None::<Timestamp>))
                    .execute(conn)?
            };
            if changed == 1 && silent {
                diesel::insert_into(site_event::table)
                    .values((
                        site_event::site_id.eq(&id),
                        site_event::at.eq(now),
                        site_event::kind.eq(SiteEventKind::Silent),
                        site_event::told_at.eq(Some(now)),
                    ))
                    .execute(conn)?;
            }
            Ok(changed == 1)
        })
        .await
    }

    /// The credentials that end in at most as many days as one of these says, each with the last notice that is due.
    pub async fn expiry_list(
        &self,
        notices: &'static [u32],
        now: Timestamp,
    ) -> Result<Vec<Expiry>, StoreError> {
        self.read(move |conn| {
            let farthest = notices.iter().max().copied().unwrap_or(0);
            let ending = credential::ending(conn, now, now.plus(DAY * farthest))?;
            let mut found = vec![];
            for one in ending {
                let Some(expires_at) = one.expires_at else { continue };
                let due = notices.iter().filter(|days| expires_at <= now.plus(DAY * **days));
                let Some(days) = due.min().copied() else { continue };
                let key = (one.id, expires_at, i64::from(days));
                if expiry_notice::table.find(key).count().get_result::<i64>(conn)? == 0 {
                    let (credential, site, username) = (one.id, one.site, one.username);
                    let environment = one.environment;
                    found.push(Expiry {
                        credential,
                        site,
                        environment,
                        username,
                        expires_at,
                        days,
                    });
                }
            }
            Ok(found)
        })
        .await
    }

    /// Queues the letters about the end of a credential; false when that was done already.
    pub async fn expiry_tell(
        &self,
        expiry: &Expiry,
        letters: Vec<Letter>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, expires_at, days) = (expiry.credential, expiry.expires_at, i64::from(expiry.days));
        let (site, username) = (expiry.site.clone(), expiry.username.clone());
        let news = CredentialNews { site, environment: expiry.environment, username, expires_at };
        self.post_once(letters, now, move |conn| {
            // Rotated or revoked meanwhile, it is nothing to tell of.
            let live = credentials::table
                .find(id)
                .filter(credentials::state.eq(CredentialState::Active))
                .filter(credentials::expires_at.eq(Some(expires_at)));
            if live.count().get_result::<i64>(conn)? == 0 {
                return Ok(false);
            }
            let row = (
                expiry_notice::credential_id.eq(id),
                expiry_notice::expires_at.eq(expires_at),
                expiry_notice::days.eq(days),
            );
            let new = on_either!(conn, conn => diesel::insert_into(expiry_notice::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(conn)?);
            if new == 1 {
                webhook_call::tell_site(
                    conn,
                    &news.site,
                    HookEvent::CredentialExpires,
                    &news,
                    now,
                )?;
            }
            Ok(new == 1)
        })
        .await
    }

    /// The Sites with messages in a time whose organization had no digest of it yet, by organization.
    pub async fn digest_list(
        &self,
        kind: DigestKind,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<(OrganizationId, Vec<SiteId>)>, StoreError> {
        let directory = self.directory();
        let environment = environment(kind);
        self.read(move |conn| {
            let told: HashSet<OrganizationId> = digest_mark::table
                .filter(digest_mark::kind.eq(kind))
                .filter(digest_mark::until.ge(until))
                .select(digest_mark::organization_id)
                .load::<OrganizationId>(conn)?
                .into_iter()
                .collect();
            let mut found: HashMap<OrganizationId, BTreeSet<SiteId>> = HashMap::new();
            for scope in [TallyScope::Site, TallyScope::Facility] {
                let subjects: Vec<String> = tally::table
                    .filter(tally::scope.eq(scope))
                    .filter(tally::environment.eq(environment))
                    .filter(tally::since.ge(from))
                    .filter(tally::since.lt(until))
                    .select(tally::subject)
                    .distinct()
                    .load(conn)?;
                for site in subjects.iter().filter_map(|subject| directory.site(subject)) {
                    if !told.contains(&site.organization) {
                        found.entry(site.organization).or_default().insert(site.id.clone());
                    }
                }
            }
            let mut found: Vec<_> = found
                .into_iter()
                .map(|(organization, sites)| (organization, sites.into_iter().collect()))
                .collect();
            found.sort_by_key(|(organization, _): &(_, Vec<SiteId>)| *organization);
            Ok(found)
        })
        .await
    }

    /// Queues the digests of an organization for the time that ends at `until`; false when that was done already.
    pub async fn digest_write(
        &self,
        organization: OrganizationId,
        (kind, until): (DigestKind, Timestamp),
        letters: Vec<Letter>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.post_once(letters, now, move |conn| {
            let mark = digest_mark::table.find((organization, kind));
            let earlier = diesel::update(mark.filter(digest_mark::until.lt(until)))
                .set(digest_mark::until.eq(until))
                .execute(conn)?;
            if earlier == 1 {
                return Ok(true);
            }
            let row = (
                digest_mark::organization_id.eq(organization),
                digest_mark::kind.eq(kind),
                digest_mark::until.eq(until),
            );
            let new = on_either!(conn, conn => diesel::insert_into(digest_mark::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(conn)?);
            Ok(new == 1)
        })
        .await
    }
}

const DAY: Duration = Duration::from_hours(24);

/// Whose messages a digest is about.
const fn environment(kind: DigestKind) -> Environment {
    match kind {
        DigestKind::Tests => Environment::Test,
        DigestKind::Daily | DigestKind::Weekly => Environment::Production,
    }
}

fn keep_wish(
    conn: &mut DbConnection,
    account: AccountId,
    site: &SiteId,
    wish: LetterWish,
) -> Result<(), StoreError> {
    let values = (
        letter_wish::tests.eq(wish.tests),
        letter_wish::production.eq(wish.production),
        letter_wish::outcomes.eq(wish.outcomes),
        letter_wish::silence.eq(wish.silence),
    );
    let known = letter_wish::table.find((account, site));
    if diesel::update(known).set(values).execute(conn)? == 0 {
        diesel::insert_into(letter_wish::table)
            .values((letter_wish::account_id.eq(account), letter_wish::site_id.eq(site), values))
            .execute(conn)?;
    }
    Ok(())
}

/// Sees to it that the Site is watched.
fn watch_row(conn: &mut DbConnection, site: &SiteId) -> Result<(), StoreError> {
    on_either!(conn, conn => diesel::insert_into(site_watch::table)
        .values(site_watch::site_id.eq(site))
        .on_conflict_do_nothing()
        .execute(conn)?);
    Ok(())
}

fn silence_list(conn: &mut DbConnection, before: Timestamp) -> Result<Vec<SiteWatch>, StoreError> {
    type Row = (SiteId, Option<Timestamp>, Option<i64>, Option<Timestamp>);
    let quiet = site_progress::last_production_at
        .nullable()
        .is_null()
        .or(site_progress::last_production_at.nullable().lt(Some(before)))
        .or(site_watch::silent_since.nullable().is_not_null());
    let rows: Vec<Row> = site::table
        .left_join(site_progress::table.on(site_progress::site_id.eq(site::id)))
        .left_join(site_watch::table.on(site_watch::site_id.eq(site::id)))
        .filter(site::status.eq(SiteStatus::Production))
        .filter(quiet)
        .order(site::id.asc())
        .select((
            site::id,
            site_progress::last_production_at.nullable(),
            site_watch::silence_days.nullable(),
            site_watch::silent_since.nullable(),
        ))
        .load(conn)?;
    let mut watched = vec![];
    for (site, last_message_at, silence_days, silent_since) in rows {
        let arrived = stage_change::table
            .filter(stage_change::site_id.eq(&site))
            .filter(stage_change::after.eq(SiteStatus::Production))
            .select(max(stage_change::at))
            .first::<Option<Timestamp>>(conn)?;
        let Some(heard_at) = last_message_at.max(arrived) else { continue };
        watched.push(SiteWatch { site, heard_at, last_message_at, silence_days, silent_since });
    }
    Ok(watched)
}
