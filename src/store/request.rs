//! Requests to staff: made, listed by queue, decided.
//!
//! A change of state holds only from the state that was read in the same transaction, and the rows of a request are
//! updated under that condition: of two who decide at one time the second hears that it is decided.

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccountId, By, CredentialState, EmailAddress, LinkPurpose, OrganizationId, Refusal, RegionCode,
    Request, RequestId, RequestKind, RequestNote, RequestNoteKind, RequestState, RequestStep,
    RequestViews, Scope, SecretHash, SiteId, SiteStatus, StageEvent, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::deed::Doing;
use crate::store::directory::raise_revision;
use crate::store::draft::read_answers;
use crate::store::one_time_link::{self, LinkSecret};
use crate::store::schema::{credential, request, request_note, site};
use crate::store::{Deed, Store, StoreError, stage};

/// Rows of a queue that are read when a text is looked for in them.
const SEARCHED: i64 = 5_000;

/// A request to be made.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// What is asked for.
    pub kind: RequestKind,
    /// What it is about in one line, such as the name of the organization.
    pub title: String,
    /// The region whose staff decide.
    pub region: Option<RegionCode>,
    /// The organization it is about.
    pub organization: Option<OrganizationId>,
    /// The Site it is about.
    pub site: Option<SiteId>,
    /// Who asks, when signed in.
    pub requested_by: Option<AccountId>,
    /// Where news of it goes.
    pub email: EmailAddress,
    /// What is asked for.
    pub answers: Answers,
    /// What holds now, of the same names.
    pub before: Option<Answers>,
    /// What staff should look at, a sentence each.
    pub flags: Vec<String>,
}

/// A line for the history of a request.
#[derive(Debug, Clone)]
pub struct NewNote {
    /// What it is.
    pub kind: RequestNoteKind,
    /// Who writes it, by name.
    pub author: String,
    /// What is written.
    pub text: String,
}

/// Which requests are shown.
#[derive(Debug, Clone)]
pub struct RequestFilter {
    /// Those that may be seen.
    pub views: RequestViews,
    /// Of this kind.
    pub kind: Option<RequestKind>,
    /// In these states; empty means all.
    pub states: Vec<RequestState>,
    /// Of this region.
    pub region: Option<RegionCode>,
    /// Of this organization.
    pub organization: Option<OrganizationId>,
    /// A part of the title or of the address, or the number.
    pub text: String,
    /// Those that follow this one: the next page.
    pub after: Option<RequestId>,
    /// How many at most.
    pub limit: i64,
}

/// How much waits in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Of which kind.
    pub kind: RequestKind,
    /// Of which region.
    pub region: Option<RegionCode>,
    /// In which state.
    pub state: RequestState,
    /// How many.
    pub count: i64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
}

type Columns = (
    (request::id, request::kind, request::state, request::title, request::region),
    (request::organization_id, request::site_id, request::requested_by, request::email),
    (request::answers, request::before, request::flags),
    (request::submitted_at, request::decided_at, request::decided_by),
);

const COLUMNS: Columns = (
    (request::id, request::kind, request::state, request::title, request::region),
    (request::organization_id, request::site_id, request::requested_by, request::email),
    (request::answers, request::before, request::flags),
    (request::submitted_at, request::decided_at, request::decided_by),
);

type Row = (
    (RequestId, RequestKind, RequestState, String, Option<RegionCode>),
    (Option<OrganizationId>, Option<SiteId>, Option<AccountId>, EmailAddress),
    (String, Option<String>, String),
    (Timestamp, Option<Timestamp>, Option<AccountId>),
);

fn from_row(row: Row) -> Result<Request, StoreError> {
    let (
        (id, kind, state, title, region),
        (organization, site, requested_by, email),
        (answers, before, flags),
        (submitted_at, decided_at, decided_by),
    ) = row;
    Ok(Request {
        id,
        kind,
        state,
        title,
        region,
        organization,
        site,
        requested_by,
        email,
        answers: read_answers(&answers)?,
        before: before.as_deref().map(read_answers).transpose()?,
        flags: flags.lines().map(str::to_owned).collect(),
        submitted_at,
        decided_at,
        decided_by,
    })
}

/// How the audit trail calls a request.
pub(super) fn object(id: RequestId) -> String {
    format!("request {id}")
}

fn not_found(id: RequestId) -> StoreError {
    StoreError::NotFound(object(id))
}

/// Makes a request, inside the transaction of another change.
pub(super) fn create(
    conn: &mut DbConnection,
    new: &NewRequest,
    now: Timestamp,
) -> Result<RequestId, StoreError> {
    let one_line = |flag: &String| flag.split_whitespace().collect::<Vec<_>>().join(" ");
    let flags: Vec<String> = new.flags.iter().map(one_line).collect();
    Ok(diesel::insert_into(request::table)
        .values((
            request::kind.eq(new.kind),
            request::state.eq(RequestState::Pending),
            request::title.eq(&new.title),
            request::region.eq(new.region),
            request::organization_id.eq(new.organization),
            request::site_id.eq(&new.site),
            request::requested_by.eq(new.requested_by),
            request::email.eq(&new.email),
            request::answers.eq(new.answers.to_json()),
            request::before.eq(new.before.as_ref().map(Answers::to_json)),
            request::flags.eq(flags.join("\n")),
            request::submitted_at.eq(now),
        ))
        .returning(request::id)
        .get_result(conn)?)
}

/// The request of this number, when it may be seen; else it is as unknown as none.
pub(super) fn in_view(
    conn: &mut DbConnection,
    id: RequestId,
    views: &RequestViews,
) -> Result<Request, StoreError> {
    let row = request::table.find(id).select(COLUMNS).first::<Row>(conn).optional()?;
    let held = from_row(row.ok_or_else(|| not_found(id))?)?;
    if views.cover(held.kind, held.region) { Ok(held) } else { Err(not_found(id)) }
}

/// Takes a step with a request, inside the transaction of what it means; gives the request as it is afterwards.
///
/// # Errors
/// When its state does not permit the step.
pub(super) fn advance(
    conn: &mut DbConnection,
    held: &Request,
    step: RequestStep,
    by: Option<AccountId>,
    now: Timestamp,
) -> Result<Request, StoreError> {
    let next = held.state.after(step)?;
    let decided = (!next.is_open()).then_some(now);
    let decided_by = by.filter(|_| decided.is_some());
    let as_read = request::table.find(held.id).filter(request::state.eq(held.state));
    let changed = diesel::update(as_read)
        .set((
            request::state.eq(next),
            request::decided_at.eq(decided),
            request::decided_by.eq(decided_by),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Err(Refusal("somebody else was faster".to_owned()).into());
    }
    // What was asked before is not to be answered any more, or has been.
    one_time_link::end(conn, LinkPurpose::AnswerRequest, &object(held.id), now)?;
    Ok(Request { state: next, decided_at: decided, decided_by, ..held.clone() })
}

/// Says which organization a request has become, inside a transaction.
pub(super) fn set_organization(
    conn: &mut DbConnection,
    id: RequestId,
    organization: OrganizationId,
) -> Result<(), StoreError> {
    diesel::update(request::table.find(id))
        .set(request::organization_id.eq(Some(organization)))
        .execute(conn)?;
    Ok(())
}

/// Adds a line to the history of a request, inside the transaction of another change.
pub(super) fn note(
    conn: &mut DbConnection,
    id: RequestId,
    new: &NewNote,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(request_note::table)
        .values((
            request_note::request_id.eq(id),
            request_note::at.eq(now),
            request_note::kind.eq(new.kind),
            request_note::author.eq(&new.author),
            request_note::text.eq(&new.text),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes the answer to what staff asked, which ends the deed.
fn answer(
    conn: &mut DbConnection,
    held: &Request,
    new: &NewNote,
    doing: Doing,
) -> Result<(), StoreError> {
    advance(conn, held, RequestStep::Answer, None, doing.now)?;
    note(conn, held.id, new, doing.now)?;
    let (object, old) = (object(held.id), held.state.word());
    doing.end(conn, "request.answer", &object, Some(old), Some(&new.text))?;
    Ok(())
}

/// The requests of one kind that a filter means, as a query.
macro_rules! of_kind {
    ($query:expr, $filter:expr, $kind:expr, $scope:expr) => {{
        let (filter, scope): (&RequestFilter, &Scope) = ($filter, $scope);
        let mut query = $query.filter(request::kind.eq($kind));
        if !filter.states.is_empty() {
            query = query.filter(request::state.eq_any(filter.states.clone()));
        }
        if let Scope::Regions(regions) = scope {
            query = query.filter(request::region.eq_any(codes(regions)));
        }
        if let Some(region) = filter.region {
            query = query.filter(request::region.eq(region));
        }
        if let Some(organization) = filter.organization {
            query = query.filter(request::organization_id.eq(organization));
        }
        query
    }};
}

fn codes(regions: &[RegionCode]) -> Vec<String> {
    regions.iter().map(ToString::to_string).collect()
}

impl RequestFilter {
    /// The kinds that are asked for and may be seen at all, each with its scope.
    fn kinds(&self) -> impl Iterator<Item = (RequestKind, &Scope)> {
        self.views
            .0
            .iter()
            .filter(|(kind, scope)| {
                *scope != Scope::Nowhere && self.kind.is_none_or(|one| one == *kind)
            })
            .map(|(kind, scope)| (*kind, scope))
    }

    /// Whether a request has the text that is looked for.
    fn finds(&self, one: &Request) -> bool {
        let text = self.text.trim().to_lowercase();
        let number = text.trim_start_matches('#').parse::<i64>();
        text.is_empty()
            || number.is_ok_and(|number| number == one.id.0)
            || one.title.to_lowercase().contains(&text)
            || one.email.as_str().contains(&text)
    }
}

fn list(conn: &mut DbConnection, filter: &RequestFilter) -> Result<Vec<Request>, StoreError> {
    let after = match filter.after {
        Some(id) => {
            let at = request::table.find(id).select(request::submitted_at);
            at.first::<Timestamp>(conn).optional()?.map(|at| (at, id))
        }
        None => None,
    };
    let read = if filter.text.trim().is_empty() { filter.limit } else { SEARCHED };
    let mut found = vec![];
    for (kind, scope) in filter.kinds() {
        let query = request::table.select(COLUMNS).into_boxed();
        let mut query = of_kind!(query, filter, kind, scope);
        if let Some((at, id)) = after {
            let later = request::submitted_at
                .gt(at)
                .or(request::submitted_at.eq(at).and(request::id.gt(id)));
            query = query.filter(later);
        }
        let rows = query
            .order((request::submitted_at.asc(), request::id.asc()))
            .limit(read)
            .load::<Row>(conn)?;
        for row in rows {
            found.push(from_row(row)?);
        }
    }
    found.retain(|one| filter.finds(one));
    found.sort_by_key(|one| (one.submitted_at, one.id));
    found.truncate(usize::try_from(filter.limit).unwrap_or_default());
    Ok(found)
}

fn queues(conn: &mut DbConnection, views: &RequestViews) -> Result<Vec<Queue>, StoreError> {
    type Counted = (Option<RegionCode>, RequestState, i64, Option<Timestamp>);
    let mut found = vec![];
    for (kind, scope) in views.0.iter().filter(|(_, scope)| *scope != Scope::Nowhere) {
        let open = request::table
            .group_by((request::region, request::state))
            .select((
                request::region,
                request::state,
                diesel::dsl::count_star(),
                diesel::dsl::min(request::submitted_at),
            ))
            .filter(request::kind.eq(*kind))
            .filter(request::state.eq_any(RequestState::OPEN));
        let rows = match scope {
            Scope::Regions(regions) => {
                open.filter(request::region.eq_any(codes(regions))).load::<Counted>(conn)?
            }
            Scope::All | Scope::Nowhere => open.load::<Counted>(conn)?,
        };
        found.extend(rows.into_iter().map(|(region, state, count, oldest)| Queue {
            kind: *kind,
            region,
            state,
            count,
            oldest,
        }));
    }
    found.sort_by_key(|one| (one.kind, one.region, one.state));
    Ok(found)
}

/// Suspends a Site, unless it is stopped or closed already, and revokes its credentials.
fn close_site(
    conn: &mut DbConnection,
    id: &SiteId,
    reason: &str,
    by: &By,
) -> Result<(), StoreError> {
    let status = site::table.find(id).select(site::status).first::<SiteStatus>(conn)?;
    if status.is_active() {
        stage::step(conn, id, StageEvent::Suspended, Some(reason), by)?;
    }
    diesel::update(credential::table.filter(credential::site_id.eq(id)))
        .set(credential::state.eq(CredentialState::Revoked))
        .execute(conn)?;
    raise_revision(conn)
}

impl Store {
    /// Makes a request; the letters of the deed go out with it.
    pub async fn request_create(
        &self,
        new: NewRequest,
        deed: Deed,
    ) -> Result<RequestId, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let id = create(conn, &new, doing.now)?;
            let after = format!("{}: {}", new.kind, new.answers.to_json());
            let before = new.before.as_ref().map(Answers::to_json);
            doing.end(conn, "request.create", &object(id), before.as_deref(), Some(&after))?;
            Ok(id)
        })
        .await
    }

    /// One request, when it may be seen.
    pub async fn request_by_id(
        &self,
        id: RequestId,
        views: RequestViews,
    ) -> Result<Request, StoreError> {
        self.read(move |conn| in_view(conn, id, &views)).await
    }

    /// The requests of a filter, oldest first.
    pub async fn request_list(&self, filter: RequestFilter) -> Result<Vec<Request>, StoreError> {
        self.read(move |conn| list(conn, &filter)).await
    }

    /// How much waits, by kind, region and state.
    pub async fn request_queues(&self, views: RequestViews) -> Result<Vec<Queue>, StoreError> {
        self.read(move |conn| queues(conn, &views)).await
    }

    /// The history of a request, oldest first.
    pub async fn request_notes(&self, id: RequestId) -> Result<Vec<RequestNote>, StoreError> {
        self.read(move |conn| {
            let rows = request_note::table
                .filter(request_note::request_id.eq(id))
                .order(request_note::id.asc())
                .select((
                    request_note::at,
                    request_note::kind,
                    request_note::author,
                    request_note::text,
                ))
                .load::<(Timestamp, RequestNoteKind, String, String)>(conn)?;
            let line = |(at, kind, author, text)| RequestNote { at, kind, author, text };
            Ok(rows.into_iter().map(line).collect())
        })
        .await
    }

    /// Adds a line to the history of a request that may be seen.
    pub async fn request_note_add(
        &self,
        id: RequestId,
        views: RequestViews,
        new: NewNote,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            in_view(conn, id, &views)?;
            note(conn, id, &new, doing.now)?;
            doing.end(conn, "request.note", &object(id), None, Some(&new.text))?;
            Ok(())
        })
        .await
    }

    /// Asks the applicant something, who answers by a link.
    pub async fn request_ask(
        &self,
        id: RequestId,
        views: RequestViews,
        (new, by): (NewNote, AccountId),
        link: LinkSecret,
        deed: Deed,
    ) -> Result<Request, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = in_view(conn, id, &views)?;
            let after = advance(conn, &held, RequestStep::Ask, Some(by), doing.now)?;
            note(conn, id, &new, doing.now)?;
            let link = link.link(LinkPurpose::AnswerRequest, object(id));
            one_time_link::issue(conn, &link, doing.now)?;
            let old = held.state.word();
            doing.end(conn, "request.ask", &object(id), Some(old), Some(&new.text))?;
            Ok(after)
        })
        .await
    }

    /// The request whose question a link answers; nothing is used up.
    pub async fn request_by_link(
        &self,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<Request>, StoreError> {
        let link = self.link_peek(hash, LinkPurpose::AnswerRequest, now).await?;
        let id = link.and_then(|link| link.subject.strip_prefix("request ")?.parse().ok());
        match id {
            Some(id) => Ok(Some(self.request_by_id(id, RequestViews::all()).await?)
                .filter(|held| held.state == RequestState::Asked)),
            None => Ok(None),
        }
    }

    /// Whether the link of a question was used to answer it.
    pub async fn request_is_answered_by(&self, hash: SecretHash) -> Result<bool, StoreError> {
        self.read(move |conn| {
            let used = one_time_link::used(conn, hash, LinkPurpose::AnswerRequest)?;
            let Some((subject, at)) = used else { return Ok(false) };
            let id = subject.strip_prefix("request ").and_then(|id| id.parse::<RequestId>().ok());
            // A link that a newer question has ended was used up at a moment that has no answer.
            let answers = request_note::table
                .filter(request_note::request_id.nullable().eq(id))
                .filter(request_note::kind.eq(RequestNoteKind::Answer))
                .filter(request_note::at.eq(at))
                .count()
                .get_result::<i64>(conn)?;
            Ok(answers > 0)
        })
        .await
    }

    /// Answers what staff asked, by the link of the letter; false when it is used, ended, or nothing is asked any more.
    pub async fn request_answer(
        &self,
        hash: SecretHash,
        new: NewNote,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let used = one_time_link::consume(conn, hash, LinkPurpose::AnswerRequest, doing.now)?;
            let id = used.and_then(|link| link.subject.strip_prefix("request ")?.parse().ok());
            let Some(id) = id else { return Ok(false) };
            let held = in_view(conn, id, &RequestViews::all())?;
            answer(conn, &held, &new, doing)?;
            Ok(true)
        })
        .await
    }

    /// Answers what staff asked of an organization, by one of its people; the link of the letter ends.
    ///
    /// # Errors
    /// When it is not the organization's, or nothing is asked any more.
    pub async fn request_answer_by(
        &self,
        organization: OrganizationId,
        id: RequestId,
        new: NewNote,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = in_view(conn, id, &RequestViews::all())?;
            if held.organization != Some(organization) {
                return Err(not_found(id));
            }
            answer(conn, &held, &new, doing)
        })
        .await
    }

    /// Declines a registration: its Site is suspended and its credentials are revoked.
    pub async fn registration_decline(
        &self,
        id: RequestId,
        views: RequestViews,
        (new, by): (NewNote, AccountId),
        deed: Deed,
    ) -> Result<Request, StoreError> {
        let actor = deed.by.clone();
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = in_view(conn, id, &views)?;
            let Some(site) = held.site.clone().filter(|_| held.kind == RequestKind::Registration)
            else {
                return Err(StoreError::NotFound(object(id)));
            };
            let after = advance(conn, &held, RequestStep::Decline, Some(by), doing.now)?;
            note(conn, id, &new, doing.now)?;
            close_site(conn, &site, &new.text, &actor)?;
            let told = format!("suspended, credentials revoked: {}", new.text);
            doing.end(conn, "registration.decline", &format!("site {site}"), None, Some(&told))?;
            Ok(after)
        })
        .await
    }

    /// Takes a step that means nothing but itself: approve what needs no more, decline, withdraw. Its note, letters and line of the audit
    /// trail are part of it.
    pub async fn request_step(
        &self,
        id: RequestId,
        views: RequestViews,
        step: RequestStep,
        (new, by): (NewNote, Option<AccountId>),
        deed: Deed,
    ) -> Result<Request, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let held = in_view(conn, id, &views)?;
            let after = advance(conn, &held, step, by, doing.now)?;
            note(conn, id, &new, doing.now)?;
            let (old, told) = (held.state.word(), format!("{}: {}", after.state, new.text));
            doing.end(conn, "request.step", &object(id), Some(old), Some(&told))?;
            Ok(after)
        })
        .await
    }
}
