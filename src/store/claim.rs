//! Claims: somebody says that a registered Site is theirs. Proven by a link, decided by staff.

use diesel::prelude::*;

use crate::domain::{
    AccountId, AccountState, CLAIMED_SITE, EmailAddress, Letter, LinkPurpose, MembershipState,
    OrganizationId, Refusal, RequestId, RequestKind, RequestState, RequestStep, RequestViews, Role,
    SecretHash, Site, SiteId, SiteStatus, Timestamp,
};
use crate::store::connection::DbConnection;
use crate::store::draft::read_answers;
use crate::store::registration::{self, Person, Placed};
use crate::store::request::{self, NewNote, NewRequest};
use crate::store::schema::{account as accounts, membership, request as requests};
use crate::store::{Deed, Store, StoreError, account, one_time_link, site};

/// What an approved claim made.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The Site.
    pub site: Site,
    /// Who represents its organization from now on.
    pub person: Placed,
    /// Who has represented it so far.
    pub others: Vec<EmailAddress>,
}

/// What became of a claim whose address is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimSent {
    /// The same person has claimed the Site before, and staff have not decided yet.
    Before(RequestId),
    /// It waits for staff.
    New(RequestId),
}

/// What letters tell of an approved claim.
pub type WriteClaimed = Box<dyn FnOnce(&Claimed) -> Vec<Letter> + Send>;

impl Store {
    /// Confirms the address of a claim, which waits for staff from then on; none when the link is used or ended.
    ///
    /// A claim of a Site that is not there waits, too: whoever asks learns nothing from the answer, and whoever mistyped
    /// gets one from staff. While a claim of the same Site by the same address waits, no second one is made.
    pub async fn claim_verify(
        &self,
        link: SecretHash,
        mut new: NewRequest,
        claimed: SiteId,
        deed: Deed,
    ) -> Result<Option<ClaimSent>, StoreError> {
        let mut doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            if one_time_link::consume(conn, link, LinkPurpose::ClaimSite, now)?.is_none() {
                return Ok(None);
            }
            if let Some(id) = open_claim(conn, &claimed, &new.email)? {
                doing.keep_letters();
                doing.end(conn, "claim.again", &request::object(id), None, None)?;
                return Ok(Some(ClaimSent::Before(id)));
            }
            match site::by_id(conn, &claimed) {
                Ok(site) => {
                    new.flags = flags(conn, &site)?;
                    new.region = site.region;
                    new.site = Some(site.id);
                }
                Err(StoreError::NotFound(_)) => new.flags.push(
                    "No Site has this Site ID: ask which one is meant, or decline.".to_owned(),
                ),
                Err(error) => return Err(error),
            }
            let id = request::create(conn, &new, now)?;
            doing.end(conn, "request.create", &request::object(id), None, Some(&new.title))?;
            Ok(Some(ClaimSent::New(id)))
        })
        .await
    }

    /// Approves a claim: who made it represents the organization of the Site, all or nothing.
    pub async fn claim_approve(
        &self,
        id: RequestId,
        views: RequestViews,
        person: Person,
        (note, by): (NewNote, AccountId),
        write: WriteClaimed,
        deed: Deed,
    ) -> Result<(), StoreError> {
        let mut doing = self.doing(deed);
        self.write(move |conn| {
            let now = doing.now;
            let held = request::in_view(conn, id, &views)?;
            if !held.is_claim() {
                return Err(StoreError::NotFound(request::object(id)));
            }
            let Some(claimed) = &held.site else {
                let text = "no Site has the Site ID: ask which one is meant, or decline";
                return Err(Refusal(text.to_owned()).into());
            };
            let known = account::by_email(conn, &person.email)?;
            if known.is_some_and(|known| known.state == AccountState::Deactivated) {
                let text = "the account of this address is deactivated: reactivate it first";
                return Err(Refusal(text.to_owned()).into());
            }
            request::advance(conn, &held, RequestStep::Approve, Some(by), now)?;
            request::note(conn, id, &note, now)?;
            let made = place(conn, claimed, &person, now)?;
            doing.add_letters(write(&made));
            let after = format!(
                "{} represents organization {}, request {id}",
                made.person.user_id, made.site.organization
            );
            doing.end(conn, "claim.approve", &format!("site {claimed}"), None, Some(&after))?;
            Ok(())
        })
        .await
    }
}

/// The claim of a Site by an address that staff have not decided yet.
fn open_claim(
    conn: &mut DbConnection,
    claimed: &SiteId,
    email: &EmailAddress,
) -> Result<Option<RequestId>, StoreError> {
    let open = requests::table
        .filter(requests::state.eq_any(RequestState::OPEN))
        .filter(requests::kind.eq(RequestKind::Update))
        .filter(requests::email.eq(email))
        .order(requests::id.asc())
        .select((requests::id, requests::answers))
        .load::<(RequestId, String)>(conn)?;
    for (id, answers) in open {
        // The Site may not be there, so it is told by what was typed.
        if read_answers(&answers)?.get(CLAIMED_SITE) == claimed.as_str() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn place(
    conn: &mut DbConnection,
    claimed: &SiteId,
    person: &Person,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
    let site = site::by_id(conn, claimed)?;
    let mut others = representatives(conn, site.organization)?;
    others.retain(|other| *other != person.email);
    let person = registration::place(conn, person, site.organization, now)?;
    Ok(Claimed { site, person, others })
}

/// What staff should look at, a sentence each.
fn flags(conn: &mut DbConnection, site: &Site) -> Result<Vec<String>, StoreError> {
    let mut found = vec![
        "Claims to represent this Site: telephone the Site at a number that you know before you approve."
            .to_owned(),
    ];
    found.push(match representatives(conn, site.organization)?.len() {
        0 => "Nobody represents the organization at present.".to_owned(),
        1 => {
            "Somebody represents the organization already, and is told when you approve.".to_owned()
        }
        count => format!(
            "{count} people represent the organization already, and are told when you approve."
        ),
    });
    let closed = [SiteStatus::Suspended, SiteStatus::Inactive, SiteStatus::Withdrawn];
    if closed.contains(&site.status) {
        found.push(format!("The Site is {}.", site.status));
    }
    Ok(found)
}

/// The addresses of those who represent an organization.
fn representatives(
    conn: &mut DbConnection,
    organization: OrganizationId,
) -> Result<Vec<EmailAddress>, StoreError> {
    Ok(membership::table
        .inner_join(accounts::table.on(accounts::id.eq(membership::account_id)))
        .filter(membership::organization_id.eq(organization))
        .filter(membership::role.eq(Role::Representative))
        .filter(membership::state.eq(MembershipState::Active))
        .filter(accounts::state.ne(AccountState::Deactivated))
        .order(accounts::email.asc())
        .select(accounts::email)
        .load(conn)?)
}
