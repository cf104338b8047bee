//! What a representative changes of an organization and its Sites: part of it acts at once, staff decide the rest.

use crate::domain::form::{Answers, FieldErrors, Page};
use crate::domain::questions::{
    LEVEL, OF_ORGANIZATION, agreement_page, is_decided_by_staff, organization_answers, part_title,
    site_answers,
};
use crate::domain::{
    AgreementText, Permission, RegionCode, Request, RequestId, RequestKind, RequestNoteKind,
    RequestState, RequestStep, RequestViews, Site, SiteId,
};
use crate::sites::requests::written;
use crate::sites::{AccountError, AnswerError, Browser, Delegate, NoteError, Sites};
use crate::store::{Change, Deed, NewNote, NewRequest, RequestFilter, StoreError};

/// Requests of an organization that are shown.
const SHOWN: i64 = 500;

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Whether something holds now that did not hold before.
    pub now: bool,
    /// The request that staff decide.
    pub asked: Option<RequestId>,
}

impl Sites {
    /// The requests of an organization, the newest first.
    pub async fn member_requests(&self, member: &Delegate) -> Result<Vec<Request>, StoreError> {
        let filter = RequestFilter {
            views: RequestViews::all(),
            kind: None,
            states: vec![],
            region: None,
            organization: Some(member.organization()),
            text: String::new(),
            after: None,
            limit: SHOWN,
        };
        let mut found = self.store.request_list(filter).await?;
        found.reverse();
        Ok(found)
    }

    /// Takes the answers to a page about a Site.
    pub async fn site_edit(
        &self,
        member: &Delegate,
        site: &SiteId,
        page: &Page,
        posted: &Answers,
        browser: &Browser,
    ) -> Result<Changed, AnswerError> {
        let held = self.store.organization_site(member.organization(), site.clone()).await?;
        let known = site_answers(&held, self.store.site_answers(site.clone()).await?);
        let record = self.store.organization_record(member.organization()).await?;
        let own = organization_answers(&record.name, record.access_level, record.answers);
        // What the page shares with the organization is the organization's to say.
        let mut posted = posted.clone();
        for name in OF_ORGANIZATION {
            posted.set(name, or_other(own.get(name)));
        }
        let change = self.change(member, page, &posted, &known, Some(&held), browser).await?;
        let Some(change) = change else { return Ok(Changed { now: false, asked: None }) };
        let now = !change.now.is_empty();
        let deed = member.by(browser).into();
        let asked =
            self.store.site_change(member.organization(), site.clone(), change, deed).await?;
        Ok(Changed { now, asked })
    }

    /// Takes the answers to a page about an organization.
    pub async fn organization_edit(
        &self,
        member: &Delegate,
        page: &Page,
        posted: &Answers,
        browser: &Browser,
    ) -> Result<Changed, AnswerError> {
        let record = self.store.organization_record(member.organization()).await?;
        let known = organization_answers(&record.name, record.access_level, record.answers);
        let change = self.change(member, page, posted, &known, None, browser).await?;
        let Some(change) = change else { return Ok(Changed { now: false, asked: None }) };
        let now = !change.now.is_empty();
        let deed = member.by(browser).into();
        let asked = self.store.organization_change(member.organization(), change, deed).await?;
        Ok(Changed { now, asked })
    }

    /// Asks for another access level.
    pub async fn level_ask(
        &self,
        member: &Delegate,
        posted: &Answers,
        browser: &Browser,
    ) -> Result<Changed, AnswerError> {
        self.organization_edit(member, &LEVEL, posted, browser).await
    }

    /// What is different from what is known, in the two parts.
    async fn change(
        &self,
        member: &Delegate,
        page: &Page,
        posted: &Answers,
        known: &Answers,
        site: Option<&Site>,
        browser: &Browser,
    ) -> Result<Option<Change>, AnswerError> {
        let today = browser.now.utc().date_naive();
        let read = page.read(posted, today).map_err(AnswerError::Fields)?;
        let different = read.changes_from(known);
        let is_shared = |name: &str| site.is_some() && OF_ORGANIZATION.contains(&name);
        let kept = different
            .iter()
            .filter(|(name, _)| !name.ends_with("_email_again") && !is_shared(name));
        let (asked, now): (Vec<_>, Vec<_>) = kept.partition(|(name, _)| is_decided_by_staff(name));
        if asked.is_empty() && now.is_empty() {
            return Ok(None);
        }
        let asked: Answers = asked.into_iter().collect();
        self.must_not_wait(member, page, &asked, site).await?;
        let record = self.store.organization_record(member.organization()).await?;
        let region = site.map_or(record.region, |site| site.region);
        let about = site.map_or(record.name, |site| format!("{} ({})", site.name, site.id));
        let ask = (!asked.is_empty()).then(|| {
            new_request(
                member,
                format!("{about}: {}", part_title(page)),
                region,
                asked,
                known,
                site,
            )
        });
        Ok(Some(Change { now: now.into_iter().collect(), ask }))
    }

    /// A change of something that waits for staff already is refused: which of the two would hold?
    async fn must_not_wait(
        &self,
        member: &Delegate,
        page: &Page,
        asked: &Answers,
        site: Option<&Site>,
    ) -> Result<(), AnswerError> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut errors = FieldErrors::default();
        for request in self.member_requests(member).await? {
            let same = request.site.as_ref() == site.map(|site| &site.id);
            if request.kind != RequestKind::Update || !request.state.is_open() || !same {
                continue;
            }
            for field in page
                .fields
                .iter()
                .filter(|field| asked.has(field.name) && request.answers.has(field.name))
            {
                let message = format!(
                    "A change of this waits for CDPH already (request {}). Withdraw it first",
                    request.id
                );
                errors.add(field.name, message);
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(AnswerError::Fields(errors)) }
    }

    /// Takes back a request of the organization that staff have not decided.
    pub async fn request_withdraw(
        &self,
        member: &Delegate,
        id: RequestId,
        browser: &Browser,
    ) -> Result<(), AccountError> {
        let views = RequestViews::all();
        let held = self.store.request_by_id(id, views.clone()).await?;
        let ours = held.organization == Some(member.organization());
        if !ours || held.kind != RequestKind::Update || !member.may(Permission::EditOrganization) {
            return Err(AccountError::Forbidden);
        }
        let note = NewNote {
            kind: RequestNoteKind::Answer,
            author: member.who().principal.account.name(),
            text: "Withdrawn.".to_owned(),
        };
        let deed = member.by(browser).into();
        self.store.request_step(id, views, RequestStep::Withdraw, (note, None), deed).await?;
        Ok(())
    }

    /// Answers what staff asked about a request of the organization.
    ///
    /// # Errors
    /// When nothing was written, or it is not the organization's, or nothing is asked any more.
    pub async fn member_answer(
        &self,
        member: &Delegate,
        id: RequestId,
        text: &str,
        browser: &Browser,
    ) -> Result<(), NoteError> {
        let held = self.store.request_by_id(id, RequestViews::all()).await?;
        let ours = held.organization == Some(member.organization());
        if !ours || !member.may(Permission::EditOrganization) {
            return Err(StoreError::NotFound(format!("request {id}")).into());
        }
        let note = NewNote {
            kind: RequestNoteKind::Answer,
            author: member.who().principal.account.name(),
            text: written(text)?,
        };
        let deed = member.by(browser).into();
        Ok(self.store.request_answer_by(member.organization(), id, note, deed).await?)
    }

    /// Accepts the version of the agreement that is in force.
    pub async fn agreement_accept(
        &self,
        member: &Delegate,
        posted: &Answers,
        browser: &Browser,
    ) -> Result<(), AnswerError> {
        let Some(page) = agreement_page() else { return Ok(()) };
        let today = browser.now.utc().date_naive();
        let read = page.read(posted, today).map_err(AnswerError::Fields)?;
        let record = self.store.organization_record(member.organization()).await?;
        let agreement = [
            AgreementText::of(record.access_level).version.to_owned(),
            read.get("agreement_name").to_owned(),
            read.get("agreement_title").to_owned(),
            browser.address.clone(),
        ];
        let deed = Deed::from(member.by(browser));
        Ok(self.store.agreement_accept(member.organization(), agreement, deed).await?)
    }
}

fn new_request(
    member: &Delegate,
    title: String,
    region: Option<RegionCode>,
    answers: Answers,
    known: &Answers,
    site: Option<&Site>,
) -> NewRequest {
    let account = &member.who().principal.account;
    let before = answers.iter().map(|(name, _)| (name, known.get(name))).collect();
    NewRequest {
        kind: RequestKind::Update,
        title,
        region,
        organization: Some(member.organization()),
        site: site.map(|site| site.id.clone()),
        requested_by: Some(account.id),
        email: account.email.clone(),
        answers,
        before: Some(before),
        flags: vec![],
    }
}

/// An organization that was recorded without a type is of another one.
fn or_other(value: &str) -> &str {
    if value.is_empty() { "other" } else { value }
}

/// Whether a request waits for an answer of the organization.
pub fn is_asked(request: &Request) -> bool {
    request.state == RequestState::Asked
}
