//! Registrations: sent off, and confirmed into an organization, a Site, a credential and accounts, all or nothing.

use std::time::Duration;

use diesel::prelude::*;

use crate::domain::form::Answers;
use crate::domain::{
    AccessLevel, AccountId, AccountState, CredentialState, DraftState, EmailAddress, Environment,
    Letter, LinkPurpose, LinkStatus, OrganizationId, RegionCode, RequestKind, Role, SecretHash,
    SiteId, SiteKind, SiteStatus, Timestamp, UserId,
};
use crate::store::account::NewAccount;
use crate::store::connection::DbConnection;
use crate::store::directory::raise_revision;
use crate::store::membership::NewMembership;
use crate::store::one_time_link::{LinkSecret, NewLink};
use crate::store::profile::{self, NewOrganization};
use crate::store::request::{self, NewRequest};
use crate::store::schema::{
    account as accounts, agreement_acceptance, credential, membership as memberships, site,
    site_link,
};
use crate::store::site::{self as sites, NewSite};
use crate::store::{
    Deed, Store, StoreError, account, draft, membership, one_time_link, webhook_call,
};

/// Somebody who gets a place in the organization.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their address.
    pub email: EmailAddress,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Telephone.
    pub phone: Option<String>,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Secret of the link by which they set a password, when they have no account yet.
    pub invitation: LinkSecret,
}

/// Everything that a confirmed registration makes.
#[derive(Debug, Clone)]
pub struct NewRegistration {
    /// The draft it comes from.
    pub draft: i64,
    /// Keyed hash of the link's secret.
    pub link: SecretHash,
    /// The organization, unless the Site Contact represents one of the same name already.
    pub organization: NewOrganization,
    /// How the Site takes part.
    pub kind: SiteKind,
    /// Whether it gives immunizations.
    pub clinical: bool,
    /// What was answered of the Site.
    pub answers: Answers,
    /// Who gets a place; the first is the Site Contact.
    pub people: Vec<Person>,
    /// Keyed hash of the first secret of the test credential.
    pub secret: SecretHash,
    /// Whether a letter of the registration holds that secret; else nobody has seen it.
    pub mails_secret: bool,
    /// The Sending Facility that is asked to send for it.
    pub facility: Option<SiteId>,
    /// Version of the agreement, name and title of who accepted it, and from where.
    pub agreement: [String; 4],
}

/// Somebody with a place, and whether a link to set a password goes with their letter.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Their account.
    pub account: AccountId,
    /// Their address.
    pub email: EmailAddress,
    /// Their first name.
    pub first_name: String,
    /// What they are known by.
    pub user_id: UserId,
    /// Whether they have signed in before, or could have.
    pub has_password: bool,
    /// Whether they got a link to a first password: they have none, and a role that does not wait for training.
    pub sets_password: bool,
}

/// What a confirmed registration made.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The organization.
    pub organization: OrganizationId,
    /// The Site.
    pub site: SiteId,
    /// Name of the Site.
    pub name: String,
    /// Username of its test credential.
    pub username: String,
    /// Its region; a Sending Facility has none.
    pub region: Option<RegionCode>,
    /// Who got a place, in the order of the registration.
    pub people: Vec<Placed>,
    /// Whom of the Sending Facility to ask for its consent.
    pub facility_people: Vec<EmailAddress>,
    /// Sites of the same name and ZIP code, which staff look at.
    pub namesakes: Vec<SiteId>,
}

/// What letters tell of a registration, written once its IDs are known.
pub type WriteLetters = Box<dyn FnOnce(&Registered) -> Vec<Letter> + Send>;

impl Store {
    /// Sends a draft off: its answers stand, and the link to confirm the address is posted.
    ///
    /// Tells whether the letter was posted; the address may have had too many.
    pub async fn draft_submit(
        &self,
        id: i64,
        link: NewLink,
        deed: Deed,
    ) -> Result<bool, StoreError> {
        let doing = self.doing(deed);
        self.write(move |conn| {
            draft::advance(conn, id, DraftState::Open, DraftState::Submitted, doing.now)?;
            one_time_link::issue(conn, &link, doing.now)?;
            doing.end(conn, "draft.submit", &format!("draft {id}"), None, None)
        })
        .await
    }

    /// Confirms a registration; none when the link is used, ended or another.
    pub async fn registration_verify(
        &self,
        new: NewRegistration,
        write: WriteLetters,
        deed: Deed,
    ) -> Result<Option<Registered>, StoreError> {
        let mut doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            let purpose = LinkPurpose::VerifyRegistration;
            if one_time_link::consume(conn, new.link, purpose, now)?.is_none() {
                return Ok(None);
            }
            draft::advance(conn, new.draft, DraftState::Submitted, DraftState::Verified, now)?;
            let made = make(conn, &new, now)?;
            doing.add_letters(write(&made));
            let mailed = if new.mails_secret { "; the test password is mailed" } else { "" };
            let after = format!("{} {} {}{mailed}", new.kind, made.name, told(made.region));
            doing.end(
                conn,
                "registration.verify",
                &format!("site {}", made.site),
                None,
                Some(&after),
            )?;
            Ok(Some(made))
        })
        .await
    }
}

fn told(region: Option<RegionCode>) -> &'static str {
    region.map_or("no region", RegionCode::as_str)
}

fn make(
    conn: &mut DbConnection,
    new: &NewRegistration,
    now: Timestamp,
) -> Result<Registered, StoreError> {
    let name = new.answers.get("site_name").to_owned();
    let zip = new.answers.get("zip");
    let namesakes: Vec<SiteId> =
        profile::namesakes(conn, &name, zip)?.into_iter().map(|one| one.id).collect();
    let organization = match represented(conn, new)? {
        Some(organization) => organization,
        None => profile::create_organization(conn, &new.organization, now)?,
    };
    let site = make_site(conn, new, organization, &name, now)?;
    let username = format!("{site}-T");
    let shown_at = new.mails_secret.then_some(now);
    issue_credential(conn, &site, Environment::Test, &username, (new.secret, shown_at), now)?;
    accept_agreement(conn, organization, &new.agreement, now)?;
    let people = new
        .people
        .iter()
        .map(|person| place(conn, person, organization, now))
        .collect::<Result<Vec<_>, _>>()?;
    let facility_people = match &new.facility {
        Some(facility) => ask_facility(conn, facility, &site, now)?,
        None => vec![],
    };
    ask_staff(conn, new, organization, &site, &namesakes, now)?;
    raise_revision(conn)?;
    let region = new.organization.region;
    Ok(Registered {
        organization,
        site,
        name,
        username,
        region,
        people,
        facility_people,
        namesakes,
    })
}

/// The organization of the same name that the Site Contact represents already.
fn represented(
    conn: &mut DbConnection,
    new: &NewRegistration,
) -> Result<Option<OrganizationId>, StoreError> {
    use crate::store::schema::organization_profile;
    let Some(contact) = new.people.first() else { return Ok(None) };
    Ok(memberships::table
        .inner_join(accounts::table.on(accounts::id.eq(memberships::account_id)))
        .inner_join(
            organization_profile::table
                .on(organization_profile::organization_id.eq(memberships::organization_id)),
        )
        .filter(accounts::email.eq(&contact.email))
        .filter(memberships::role.eq(Role::Representative))
        .filter(memberships::state.eq("active"))
        .filter(organization_profile::access_level.eq(AccessLevel::DataExchange))
        .filter(organization_profile::name_key.eq(profile::name_key(&new.organization.name)))
        .select(memberships::organization_id)
        .first(conn)
        .optional()?)
}

fn make_site(
    conn: &mut DbConnection,
    new: &NewRegistration,
    organization: OrganizationId,
    name: &str,
    now: Timestamp,
) -> Result<SiteId, StoreError> {
    let registered = NewSite {
        id: None,
        organization,
        name: name.to_owned(),
        kind: new.kind,
        clinical: new.clinical,
        county: new.organization.county.clone(),
        region: new.organization.region,
        status: SiteStatus::Registered,
    };
    sites::create(conn, &registered, &new.answers, "visitor", now)
}

/// A credential without an end. A first secret that was never shown opens nothing until another is.
pub(super) fn issue_credential(
    conn: &mut DbConnection,
    site: &SiteId,
    environment: Environment,
    username: &str,
    (secret, shown_at): (SecretHash, Option<Timestamp>),
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(credential::table)
        .values((
            credential::site_id.eq(site),
            credential::environment.eq(environment),
            credential::username.eq(username),
            credential::facility_id.eq(site.as_str()),
            credential::state.eq(CredentialState::Active),
            credential::secret.eq(secret),
            credential::shown_at.eq(shown_at),
            credential::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Records who accepted which version of the agreement.
pub(super) fn accept_agreement(
    conn: &mut DbConnection,
    organization: OrganizationId,
    [version, name, title, address]: &[String; 4],
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(agreement_acceptance::table)
        .values((
            agreement_acceptance::organization_id.eq(organization),
            agreement_acceptance::version.eq(version),
            agreement_acceptance::name.eq(name),
            agreement_acceptance::title.eq(title),
            agreement_acceptance::address.eq(address),
            agreement_acceptance::accepted_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Gives somebody a place: with an account of theirs, or a new one. Whoever has no password yet gets the link to the first
/// one, unless all they are to do waits for training.
pub(super) fn place(
    conn: &mut DbConnection,
    person: &Person,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Placed, StoreError> {
    let account = if let Some(account) = account::by_email(conn, &person.email)? {
        for role in &person.roles {
            let new = NewMembership { account: account.id, organization, role: *role };
            membership::grant(conn, &new, now)?;
        }
        account
    } else {
        let roles = person.roles.iter().map(|role| (organization, *role)).collect();
        let new = NewAccount {
            email: person.email.clone(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            phone: person.phone.clone(),
            roles,
            staff: vec![],
        };
        account::create(conn, &new, now)?
    };
    // Of those who were invited before and have not come yet, the link of before ends: the new letter has another one.
    let has_password = account.state != AccountState::Invited;
    let sets_password = !has_password && account::has_active_place(conn, account.id)?;
    if sets_password {
        let link = account::invitation_link(person.invitation, account.id);
        one_time_link::issue(conn, &link, now)?;
    }
    Ok(Placed {
        account: account.id,
        email: account.email,
        first_name: account.first_name,
        user_id: account.user_id,
        has_password,
        sets_password,
    })
}

/// Puts a registration before the staff of its region, who look at it afterwards.
fn ask_staff(
    conn: &mut DbConnection,
    new: &NewRegistration,
    organization: OrganizationId,
    site: &SiteId,
    namesakes: &[SiteId],
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(contact) = new.people.first() else { return Ok(()) };
    let flag = |id: &SiteId| format!("{id} has the same name and ZIP code: the same Site?");
    let asked = NewRequest {
        kind: RequestKind::Registration,
        title: new.answers.get("site_name").to_owned(),
        region: new.organization.region,
        organization: Some(organization),
        site: Some(site.clone()),
        requested_by: None,
        email: contact.email.clone(),
        answers: new.answers.clone(),
        before: None,
        flags: namesakes.iter().map(flag).collect(),
    };
    request::create(conn, &asked, now)?;
    Ok(())
}

/// Asks a Sending Facility to send for a Site; gives the addresses of those who can consent.
pub(super) fn ask_facility(
    conn: &mut DbConnection,
    facility: &SiteId,
    client: &SiteId,
    now: Timestamp,
) -> Result<Vec<EmailAddress>, StoreError> {
    diesel::insert_into(site_link::table)
        .values((
            site_link::facility_id.eq(facility),
            site_link::site_id.eq(client),
            site_link::status.eq(LinkStatus::Requested),
            site_link::changed_at.eq(now),
        ))
        .execute(conn)?;
    webhook_call::tell_link(conn, facility, client, LinkStatus::Requested, now)?;
    let owner =
        site::table.find(facility).select(site::organization_id).first::<OrganizationId>(conn)?;
    let consent = [Role::Representative, Role::FacilityOperator];
    let mut people = memberships::table
        .inner_join(accounts::table.on(accounts::id.eq(memberships::account_id)))
        .filter(memberships::organization_id.eq(owner))
        .filter(memberships::role.eq_any(consent))
        .filter(memberships::state.eq("active"))
        .order(accounts::email.asc())
        .select(accounts::email)
        .load::<EmailAddress>(conn)?;
    people.dedup();
    Ok(people)
}

/// How long a link of a saved draft is good.
pub const RESUME_WITHIN: Duration = Duration::from_hours(24 * 30);
