//! Enrolments: confirmed into a request, approved into an organization, its agreement, clinician and accounts.

use diesel::prelude::*;

use crate::domain::{
    AccountId, DraftState, EmailAddress, Letter, LinkPurpose, OrganizationId, Request, RequestId,
    RequestKind, RequestStep, RequestViews, SecretHash, Timestamp,
};
use crate::store::clinician::{self, NewClinician};
use crate::store::connection::DbConnection;
use crate::store::profile::{self, NewOrganization};
use crate::store::registration::{self, Person, Placed};
use crate::store::request::{self, NewNote, NewRequest};
use crate::store::schema::{organization, organization_profile};
use crate::store::{Deed, Store, StoreError, account, draft, one_time_link};

/// Everything that an approved enrolment makes.
#[derive(Debug, Clone)]
pub struct NewEnrolment {
    /// The organization.
    pub organization: NewOrganization,
    /// Who gets a place; the first is the primary CAIR contact.
    pub people: Vec<Person>,
    /// The clinician of record, where vaccines are given.
    pub clinician: Option<NewClinician>,
    /// Version of the agreement, name and title of who accepted it, and from where.
    pub agreement: [String; 4],
}

/// What an approved enrolment made.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// The organization.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// What it is known by.
    pub provider_id: String,
    /// Who got a place, in the order of the enrolment.
    pub people: Vec<Placed>,
}

/// What letters tell of an approved enrolment, written once its IDs are known.
pub type WriteEnrolled = Box<dyn FnOnce(&Enrolled) -> Vec<Letter> + Send>;

/// Organizations of the same name that are named to staff.
const SHOWN: i64 = 5;

impl Store {
    /// Confirms the address of an enrolment, which waits for staff from then on; none when the link is used or ended.
    pub async fn enrolment_verify(
        &self,
        draft: i64,
        link: SecretHash,
        mut new: NewRequest,
        deed: Deed,
    ) -> Result<Option<RequestId>, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            let purpose = LinkPurpose::VerifyRegistration;
            if one_time_link::consume(conn, link, purpose, now)?.is_none() {
                return Ok(None);
            }
            draft::advance(conn, draft, DraftState::Submitted, DraftState::Verified, now)?;
            new.flags.extend(duplicates(conn, &new)?);
            let id = request::create(conn, &new, now)?;
            doing.end(conn, "request.create", &request::object(id), None, Some(&new.title))?;
            Ok(Some(id))
        })
        .await
    }

    /// Approves an enrolment: organization, Provider ID, agreement, clinician, accounts and letters, all or nothing.
    pub async fn enrolment_approve(
        &self,
        id: RequestId,
        views: RequestViews,
        new: NewEnrolment,
        (note, by): (NewNote, AccountId),
        write: WriteEnrolled,
        deed: Deed,
    ) -> Result<Enrolled, StoreError> {
        let mut doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            let held = request::in_view(conn, id, &views)?;
            if held.kind != RequestKind::Enrolment {
                return Err(StoreError::NotFound(request::object(id)));
            }
            request::advance(conn, &held, RequestStep::Approve, Some(by), now)?;
            request::note(conn, id, &note, now)?;
            let made = make(conn, &held, &new, now)?;
            request::set_organization(conn, id, made.organization)?;
            doing.add_letters(write(&made));
            let after = format!(
                "{} {}, {}, request {id}",
                made.provider_id, made.name, new.organization.access_level
            );
            let object = format!("organization {}", made.organization);
            doing.end(conn, "enrolment.approve", &object, None, Some(&after))?;
            Ok(made)
        })
        .await
    }
}

/// What is known already of the same name or the same person, a sentence each.
fn duplicates(conn: &mut DbConnection, new: &NewRequest) -> Result<Vec<String>, StoreError> {
    let key = profile::name_key(new.answers.get("organization_name"));
    let same = organization_profile::table
        .inner_join(
            organization::table.on(organization::id.eq(organization_profile::organization_id)),
        )
        .filter(organization_profile::name_key.eq(key))
        .order(organization::id.asc())
        .limit(SHOWN)
        .select((organization::id, organization::name, organization_profile::provider_id))
        .load::<(OrganizationId, String, Option<String>)>(conn)?;
    let mut found: Vec<String> = same
        .into_iter()
        .map(|(id, name, provider_id)| {
            let known_by = provider_id.unwrap_or_else(|| format!("organization {id}"));
            format!("Possible duplicate: {name} ({known_by}) has the same name.")
        })
        .collect();
    if let Some(known) = account_of(conn, &new.email)? {
        found.push(format!("The primary CAIR contact has an account already: {known}."));
    }
    Ok(found)
}

fn account_of(conn: &mut DbConnection, email: &EmailAddress) -> Result<Option<String>, StoreError> {
    Ok(account::by_email(conn, email)?.map(|account| account.user_id.to_string()))
}

fn make(
    conn: &mut DbConnection,
    held: &Request,
    new: &NewEnrolment,
    now: Timestamp,
) -> Result<Enrolled, StoreError> {
    let organization = profile::create_organization(conn, &new.organization, now)?;
    let provider_id = organization.provider_id();
    diesel::update(organization_profile::table.find(organization))
        .set(organization_profile::provider_id.eq(Some(&provider_id)))
        .execute(conn)?;
    // The agreement was accepted when the enrolment was sent, not now.
    registration::accept_agreement(conn, organization, &new.agreement, held.submitted_at)?;
    if let Some(one) = &new.clinician {
        clinician::insert(conn, organization, one, now)?;
    }
    let people = new
        .people
        .iter()
        .map(|person| registration::place(conn, person, organization, now))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Enrolled { organization, name: new.organization.name.clone(), provider_id, people })
}
