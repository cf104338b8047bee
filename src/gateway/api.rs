//! What programs ask for a Site with a key of it: its messages, the Sites that it sends for, the state of the regions.
//!
//! A key opens what belongs to its Site and nothing else: what is another's is as unknown as what is not there.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ring::rand::SystemRandom;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    ApiKey, ApiScope, ApiToken, By, Criteria, Criterion, Environment, LinkStatus, MessageId,
    MessageNews, MessageRecord, RegionCode, Site, SiteId, SiteProgress, SiteStatus, StatementCode,
    StatementFacts, StatementRecord, Timestamp, statement_years,
};
use crate::gateway::{Gateway, MessageOutcome, destinations};
use crate::store::{Deed, MessageSearch, MessagesOf, Part, StoreError};

/// How a key begins, so that it is known wherever it turns up.
const PREFIX: &str = "izp_";

/// Questions of one key that are answered at once; then two each second.
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).unwrap();

/// Keys remembered before those that have recovered are forgotten.
const REMEMBERED: usize = 10_000;

/// How often the last use of a key is written down.
const USES: Duration = Duration::from_mins(1);

/// How long messages are looked through for one page.
const PATIENCE: Duration = Duration::from_millis(300);

/// Counts what keys ask.
pub(super) struct Programs {
    keys: DefaultKeyedRateLimiter<i64>,
    clock: DefaultClock,
}

impl Programs {
    pub(super) fn new() -> Self {
        let keys = RateLimiter::keyed(Quota::per_minute(PER_MINUTE).allow_burst(BURST));
        Self { keys, clock: DefaultClock::default() }
    }

    fn allow(&self, key: i64) -> Result<(), Duration> {
        if self.keys.len() > REMEMBERED {
            self.keys.retain_recent();
        }
        self.keys.check_key(&key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// Why a program's question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The key opens nothing: unknown, ended or revoked.
    #[error("the key opens nothing")]
    Unknown,
    /// The key does not open this.
    #[error("the key has not the scope {0}")]
    Scope(ApiScope),
    /// It asks too often.
    #[error("too many questions")]
    TooMany(Duration),
    /// There is no such thing, or it is another's.
    #[error("there is no such thing")]
    NotFound,
    /// The store did not answer.
    #[error("the store did not answer")]
    Store(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            error => Self::Store(error),
        }
    }
}

/// Proof that a question came with a live key. Only [`Gateway::program`] makes one.
pub struct Program {
    key: ApiKey,
    address: IpAddr,
    now: Timestamp,
}

impl Program {
    /// Whether the key opens this.
    ///
    /// # Errors
    /// When it does not.
    pub fn must(&self, scope: ApiScope) -> Result<(), ApiError> {
        if self.key.scopes.contains(&scope) { Ok(()) } else { Err(ApiError::Scope(scope)) }
    }

    /// The Site that it asks for.
    pub const fn site(&self) -> &SiteId {
        &self.key.site
    }

    fn by(&self) -> By {
        By {
            actor: format!("api-key {}", self.key.id),
            source: self.address.to_canonical().to_string(),
            at: self.now,
        }
    }
}

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageLine {
    /// What is known of it.
    #[serde(flatten)]
    pub message: MessageNews,
    /// Whether its state is its end.
    pub is_final: bool,
    /// How many diagnostics it has.
    pub diagnostics: i64,
}

impl From<MessageRecord> for MessageLine {
    fn from(record: MessageRecord) -> Self {
        let (is_final, diagnostics) = (record.state.is_final(), record.diagnostics);
        Self { message: record.into(), is_final, diagnostics }
    }
}

/// Messages, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagePage {
    /// The messages.
    pub messages: Vec<MessageLine>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(value_type = Option<String>)]
    pub next: Option<MessageId>,
    /// When so many messages would have had to be looked through that the page ends before it is full: the moment back to
    /// which they were looked through. There may be more further back, so go on with `next`. Else null.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub looked_until: Option<Timestamp>,
}

/// The state of a registry.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionStatus {
    /// The region.
    #[schema(value_type = String)]
    pub region: RegionCode,
    /// Its test or production registry.
    pub environment: Environment,
    /// Whether messages are sent to it as they come; else they are queued.
    pub open: bool,
}

/// Whether the Gateway works.
#[derive(Debug, Serialize, ToSchema)]
pub struct GatewayStatus {
    /// Always `up`: one that is down does not answer.
    pub gateway: &'static str,
    /// Every registry.
    pub regions: Vec<RegionStatus>,
}

/// A Site in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteLine {
    /// Its Site ID.
    #[schema(value_type = String)]
    pub id: SiteId,
    /// Its name.
    pub name: String,
    /// Where it stands on its way to production.
    pub stage: SiteStatus,
    /// Its region.
    #[schema(value_type = Option<String>)]
    pub region: Option<RegionCode>,
    /// Whether the Site of the key may send for it; null for the Site of the key itself.
    pub link: Option<LinkStatus>,
    /// Test messages.
    pub tests: i64,
    /// Of these, those that were taken.
    pub tests_accepted: i64,
    /// When its latest message came.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_message_at: Option<Timestamp>,
}

impl SiteLine {
    fn new(site: &Site, link: Option<LinkStatus>, progress: &SiteProgress) -> Self {
        Self {
            id: site.id.clone(),
            name: site.name.clone(),
            stage: site.status,
            region: site.region,
            link,
            tests: progress.tests,
            tests_accepted: progress.tests_accepted,
            last_message_at: progress.last_at(),
        }
    }
}

/// Sites.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteList {
    /// The Site of the key, then those that it sends for, by Site ID.
    pub sites: Vec<SiteLine>,
}

/// A Site, and what is asked of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteDetail {
    /// The Site.
    pub site: SiteLine,
    /// What its test messages must show, and how far they are.
    pub checklist: Vec<Criterion>,
}

/// What a statement about meaningful use would say of a year.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiteStatement {
    /// The facts, as they are now.
    pub facts: StatementFacts,
    /// The years that there can be a statement of, the latest first.
    pub years: Vec<i32>,
}

impl Gateway {
    /// The program that a key proves.
    ///
    /// # Errors
    /// When the key opens nothing, or asks too often.
    pub async fn program(
        &self,
        token: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Program, ApiError> {
        let token = token.strip_prefix(PREFIX).and_then(|token| token.parse::<ApiToken>().ok());
        let known = match token {
            Some(token) => self.store.api_key_by_secret(token.hash(&self.key)).await?,
            None => None,
        };
        let Some(key) = known.filter(|key| key.is_live(now)) else {
            self.throttle.failed(address, PREFIX).await;
            return Err(ApiError::Unknown);
        };
        self.programs.allow(key.id).map_err(ApiError::TooMany)?;
        if key.last_used_at.is_none_or(|used| used < now.minus(USES)) {
            self.store.api_key_used(key.id, now).await?;
        }
        Ok(Program { key, address, now })
    }

    /// The messages that the Site sent or is responsible for and that fit: at most `limit`, all before `after`.
    pub async fn site_messages(
        &self,
        who: &Program,
        search: MessageSearch,
        after: Option<MessageId>,
        limit: i64,
    ) -> Result<MessagePage, ApiError> {
        who.must(ApiScope::MessagesRead)?;
        let of = MessagesOf::Site(who.site().clone());
        self.store.directory_refresh().await?;
        let found = self.store.message_search(of, search, after, (limit, PATIENCE)).await?;
        Ok(MessagePage {
            messages: found.messages.into_iter().map(MessageLine::from).collect(),
            next: found.before,
            looked_until: found.before.filter(|_| found.is_cut).map(MessageId::moment),
        })
    }

    /// What became of a message of the Site; its text and that of its answer when they are asked for, which is recorded.
    pub async fn site_message(
        &self,
        who: &Program,
        id: MessageId,
        with_body: bool,
    ) -> Result<MessageOutcome, ApiError> {
        who.must(ApiScope::MessagesRead)?;
        if with_body {
            who.must(ApiScope::BodiesRead)?;
        }
        let found = self.store.message_by_id(id).await?;
        if found.0.sender != *who.site() && found.0.site.as_ref() != Some(who.site()) {
            return Err(ApiError::NotFound);
        }
        let mut told = self.told(found).await;
        if with_body {
            let object = format!("message {id}");
            self.store.audit_note(who.by(), "message.view", object, None, None).await?;
            let body = self.store.message_payload(id, Part::Body).await?;
            told.body = body.map(|body| String::from_utf8_lossy(&body).into_owned());
        } else {
            told.acknowledgement = None;
        }
        Ok(told)
    }

    /// The state of every registry.
    pub fn status(&self, now: Timestamp) -> GatewayStatus {
        let directory = self.store.directory();
        let regions = destinations().map(|(region, environment)| RegionStatus {
            region,
            environment,
            open: directory.is_open((region, environment), now),
        });
        GatewayStatus { gateway: "up", regions: regions.collect() }
    }

    /// The Site of the key, and those that it sends for.
    pub async fn sites_of(&self, who: &Program) -> Result<SiteList, ApiError> {
        who.must(ApiScope::SitesRead)?;
        self.store.directory_refresh().await?;
        let directory = self.store.directory();
        let found = self.store.facility_progress(who.site().clone()).await?;
        let line = |(id, link, progress): &(SiteId, Option<LinkStatus>, SiteProgress)| {
            Some(SiteLine::new(directory.site(id.as_str())?, *link, progress))
        };
        Ok(SiteList { sites: found.iter().filter_map(line).collect() })
    }

    /// One of these Sites, with what is asked of it.
    pub async fn site_of(
        &self,
        who: &Program,
        id: &SiteId,
        criteria: &Criteria,
    ) -> Result<SiteDetail, ApiError> {
        let site = self.sites_of(who).await?.sites.into_iter().find(|one| one.id == *id);
        let site = site.ok_or(ApiError::NotFound)?;
        let progress = self.store.progress_of(id.clone()).await?;
        let recent = self.store.recent_tests(id.clone()).await?;
        Ok(SiteDetail { site, checklist: criteria.testing(&progress, &recent) })
    }

    /// What a statement of the Site of the key would say of a year, the present one unless another is asked for. Those of
    /// other Sites are theirs to ask for.
    pub async fn site_statement(
        &self,
        who: &Program,
        id: &SiteId,
        year: Option<i32>,
    ) -> Result<SiteStatement, ApiError> {
        who.must(ApiScope::StatementsRead)?;
        if id != who.site() {
            return Err(ApiError::NotFound);
        }
        let site = self.store.site_by_id(id.clone()).await?;
        let years = statement_years(site.created_at, who.now);
        let year = year.or_else(|| years.first().copied());
        let year = year.filter(|year| years.contains(year)).ok_or(ApiError::NotFound)?;
        let facts = self.store.statement_facts(id.clone(), year).await?;
        Ok(SiteStatement { facts, years })
    }

    /// Issues such a statement, in the name of whoever made the key; its code is told nobody again.
    pub async fn site_statement_issue(
        &self,
        who: &Program,
        id: &SiteId,
        year: Option<i32>,
    ) -> Result<(StatementRecord, StatementCode), ApiError> {
        let year = self.site_statement(who, id, year).await?.facts.year;
        let code = StatementCode::generate(&SystemRandom::new())
            .map_err(|_unspecified| StoreError::Locked("no randomness"))?;
        let (hash, account) = (code.hash(&self.key), who.key.created_by);
        let deed = Deed::from(who.by());
        let record = self.store.statement_issue(id.clone(), year, hash, account, deed).await?;
        Ok((record, code))
    }
}
