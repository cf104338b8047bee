//! The users of an organization: added, changed, deactivated, given access to a second organization.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, Choice, FieldErrors};
use crate::domain::questions::{NEW_USER, USER};
use crate::domain::{
    AccessLevel, Account, AccountState, Membership, MembershipState, OrganizationId, Permission,
    Role,
};
use crate::portal::form::{FieldView, fields};
use crate::portal::moment::{Moment, moment_or};
use crate::portal::organization::{
    Answer, Place, Stop, base, done, instead, layout, member, place, said, titled,
};
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, Delegate, Invited, NewUser};
use crate::store::StoreError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    const USER: &str = "/organization/{organization}/users/{user}";
    config
        .route("/organization/{organization}/users", get().to(list))
        .route("/organization/{organization}/users/new", get().to(new))
        .route("/organization/{organization}/users/new", web::post().to(add))
        .route(USER, get().to(one))
        .route(USER, web::post().to(change))
        .route(&format!("{USER}/roles"), web::post().to(roles))
        .route(&format!("{USER}/deactivate"), web::post().to(deactivate))
        .route(&format!("{USER}/reactivate"), web::post().to(reactivate))
        .route(&format!("{USER}/invite"), web::post().to(invite))
        .route(&format!("{USER}/second"), web::post().to(second));
}

/// A user in a list.
struct Line {
    user: Account,
    roles: String,
    state: &'static str,
    tag: &'static str,
    last_sign_in: Moment,
}

#[derive(Template)]
#[template(path = "org_users.html")]
struct Users {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    lines: Vec<Line>,
    may_manage: bool,
}

async fn list(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ViewUsers).await?;
    let (_, place) = place(&visit, &member).await?;
    let users = visit.portal().sites.store().membership_list(member.organization()).await?;
    let line = |(user, held): (Account, Vec<Membership>)| {
        let (state, tag) = state(&user, &held);
        let last_sign_in = moment_or(user.last_sign_in_at, "Never");
        Line { roles: names(&held), state, tag, last_sign_in, user }
    };
    let lines = users.into_iter().map(line).collect();
    Ok(visit.page(&Users {
        layout: layout(&visit, &member, "Users"),
        place,
        said: said(&visit),
        lines,
        may_manage: member.may(Permission::ManageUsers),
    }))
}

/// Where a user stands in an organization, and the colour of its tag.
fn state(user: &Account, held: &[Membership]) -> (&'static str, &'static str) {
    let is = |state| held.iter().any(|one| one.state == state);
    if user.state == AccountState::Deactivated {
        ("Closed by the help desk", "tag-red")
    } else if !is(MembershipState::Active) && !is(MembershipState::AwaitingTraining) {
        ("Deactivated", "tag-grey")
    } else if !is(MembershipState::Active) {
        ("Waits for training", "tag-amber")
    } else if user.state == AccountState::Invited {
        ("Invited", "tag-blue")
    } else {
        ("Active", "tag-green")
    }
}

fn names(held: &[Membership]) -> String {
    let active = held.iter().any(|one| one.state != MembershipState::Inactive);
    let names: Vec<_> = held
        .iter()
        .filter(|one| !active || one.state != MembershipState::Inactive)
        .map(|one| one.role.name())
        .collect();
    names.join(", ")
}

/// The roles of an access level, as choices.
fn choices(level: AccessLevel) -> Vec<Choice> {
    Role::ALL
        .iter()
        .filter(|role| role.is_open_to(level))
        .map(|role| Choice::hinted(role.word(), role.name(), about(*role)))
        .collect()
}

const fn about(role: Role) -> &'static str {
    match role {
        Role::Representative => "Answers for the organization and manages its users.",
        Role::DataExchange => "Looks after the connection: messages, findings, test credentials.",
        Role::Vendor => "Works for the EHR vendor: the same, without users.",
        Role::FacilityOperator => {
            "Works for a Sending Facility: the same, and its links. Needs a second factor."
        }
        Role::DxQa => "Watches the data exchange: messages without their text.",
        Role::ReadOnly => "Looks patients up.",
        Role::Regular => "Enters and corrects patients and doses. Needs a webinar or class first.",
        Role::Power => "Regular, and the inventory. Needs a webinar or class first.",
    }
}

/// The roles that were ticked.
fn ticked(posted: &Answers) -> Vec<Role> {
    posted.get("roles").split(',').filter_map(|word| word.trim().parse().ok()).collect()
}

#[derive(Template)]
#[template(path = "org_user_new.html")]
struct New {
    layout: Layout,
    back: String,
    lede: &'static str,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    roles: Vec<(Choice, bool)>,
}

async fn new_page(
    visit: &Visit,
    member: &Delegate,
    typed: &Answers,
    errors: FieldErrors,
) -> Result<HttpResponse, Stop> {
    let (record, place) = place(visit, member).await?;
    let chosen = ticked(typed);
    let layout = layout(visit, member, titled(NEW_USER.title, &errors));
    Ok(visit.page(&New {
        layout: Layout { heading: NEW_USER.title.to_owned(), ..layout },
        back: format!("{}/users", place.base),
        lede: NEW_USER.lede,
        fields: fields(&NEW_USER, typed, &errors),
        errors,
        roles: with_ticks(choices(record.access_level), &chosen),
    }))
}

fn with_ticks(choices: Vec<Choice>, chosen: &[Role]) -> Vec<(Choice, bool)> {
    choices
        .into_iter()
        .map(|choice| (choice, chosen.iter().any(|role| role.word() == choice.value)))
        .collect()
}

async fn new(visit: Visit, path: web::Path<String>) -> Answer {
    let member = member(&visit, &path, Permission::ManageUsers).await?;
    new_page(&visit, &member, &Answers::default(), FieldErrors::default()).await
}

async fn add(posted: Posted, path: web::Path<String>) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path, Permission::ManageUsers).await?;
    let level = place(&visit, &member).await?.0.access_level;
    let chosen = ticked(&fields);
    let read = NEW_USER.read(&fields, visit.now.utc().date_naive());
    let mut errors = read.as_ref().err().cloned().unwrap_or_default();
    check_roles(&chosen, level, &mut errors);
    let Some(read) = read.ok().filter(|_| errors.is_empty()) else {
        return new_page(&visit, &member, &fields, errors).await;
    };
    let Ok(email) = read.get("email").parse() else {
        let errors = FieldErrors::one("email", "Enter an email address like name@example.org");
        return new_page(&visit, &member, &fields, errors).await;
    };
    let new = NewUser {
        email,
        first_name: read.get("first_name").to_owned(),
        last_name: read.get("last_name").to_owned(),
        phone: Some(read.get("phone").to_owned()).filter(|phone| !phone.is_empty()),
        roles: chosen,
    };
    let sites = &visit.portal().sites;
    let added = sites.user_add(member.who(), member.organization(), new, &visit.browser()).await;
    let back = format!("{}/users", base(&member));
    if let Err(AccountError::Store(StoreError::Refused(refusal))) = &added {
        let errors = FieldErrors::one("email", refusal.0.clone());
        return new_page(&visit, &member, &fields, errors).await;
    }
    let (_, invited) = done(&visit, &member, added, &back)?;
    Ok(visit.redirect(&format!("{back}?done={}", word(invited))))
}

const fn word(invited: Invited) -> &'static str {
    match invited {
        Invited::AwaitingTraining => "training",
        Invited::Capped => "capped",
        Invited::Known => "changed",
        Invited::Sent => "invited",
    }
}

fn check_roles(chosen: &[Role], level: AccessLevel, errors: &mut FieldErrors) {
    if chosen.is_empty() {
        errors.add("roles", "Choose at least one role");
    } else if !chosen.iter().all(|role| role.is_open_to(level)) {
        errors.add("roles", "Choose roles of your access level");
    }
}

/// The user of the address, who must be one of the organization's.
async fn user_of(
    visit: &Visit,
    member: &Delegate,
    user_id: &str,
) -> Result<(Account, Vec<Membership>), Stop> {
    let users = visit.portal().sites.store().membership_list(member.organization()).await?;
    users
        .into_iter()
        .find(|(user, _)| user.user_id.as_str() == user_id)
        .ok_or_else(|| instead(visit.missing()))
}

#[derive(Template)]
#[template(path = "org_user.html")]
struct UserPage {
    layout: Layout,
    place: Place,
    said: Option<&'static str>,
    back: String,
    user: Account,
    state: &'static str,
    tag: &'static str,
    last_sign_in: Moment,
    is_active: bool,
    is_invited: bool,
    /// Said where the user is whoever looks.
    self_note: &'static str,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    roles: Vec<(Choice, bool)>,
    /// Other organizations that the representative represents: number, name, roles there.
    others: Vec<(OrganizationId, String, Vec<Choice>)>,
    may_manage: bool,
}

async fn user_page(
    visit: &Visit,
    member: &Delegate,
    user_id: &str,
    typed: Option<&Answers>,
    errors: FieldErrors,
) -> Result<HttpResponse, Stop> {
    let (user, held) = user_of(visit, member, user_id).await?;
    let (record, place) = place(visit, member).await?;
    let known = Answers::from_iter([
        ("first_name", user.first_name.clone()),
        ("last_name", user.last_name.clone()),
        ("phone", user.phone.clone().unwrap_or_default()),
    ]);
    let may_manage = member.may(Permission::ManageUsers);
    let others = if may_manage { others(visit, member).await? } else { vec![] };
    let chosen: Vec<Role> = held
        .iter()
        .filter(|one| one.state != MembershipState::Inactive)
        .map(|one| one.role)
        .collect();
    let (state, tag) = state(&user, &held);
    let layout = layout(visit, member, titled(&user.name(), &errors));
    Ok(visit.page(&UserPage {
        layout: Layout { heading: user.name(), ..layout },
        said: said(visit),
        back: format!("{}/users", place.base),
        state,
        tag,
        last_sign_in: moment_or(user.last_sign_in_at, "Never"),
        is_active: !chosen.is_empty(),
        is_invited: user.state == AccountState::Invited,
        self_note: if user.id == member.id() { "This is you." } else { "" },
        fields: fields(&USER, typed.unwrap_or(&known), &errors),
        errors,
        roles: with_ticks(choices(record.access_level), &chosen),
        others,
        may_manage,
        user,
        place,
    }))
}

/// The other organizations that the person represents.
async fn others(
    visit: &Visit,
    member: &Delegate,
) -> Result<Vec<(OrganizationId, String, Vec<Choice>)>, StoreError> {
    let store = visit.portal().sites.store();
    let mut found = vec![];
    for id in member.who().principal.organizations(Permission::ManageUsers) {
        if id != member.organization() {
            let record = store.organization_record(id).await?;
            found.push((id, record.name, choices(record.access_level)));
        }
    }
    Ok(found)
}

type Path = web::Path<(String, String)>;

async fn one(visit: Visit, path: Path) -> Answer {
    let member = member(&visit, &path.0, Permission::ViewUsers).await?;
    user_page(&visit, &member, &path.1, None, FieldErrors::default()).await
}

async fn change(posted: Posted, path: Path) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ManageUsers).await?;
    let (user, _) = user_of(&visit, &member, &path.1).await?;
    let read = match USER.read(&fields, visit.now.utc().date_naive()) {
        Ok(read) => read,
        Err(errors) => return user_page(&visit, &member, &path.1, Some(&fields), errors).await,
    };
    let profile = (
        read.get("first_name").to_owned(),
        read.get("last_name").to_owned(),
        Some(read.get("phone").to_owned()).filter(|phone| !phone.is_empty()),
    );
    let key = (member.organization(), user.id);
    let sites = &visit.portal().sites;
    let changed = sites.user_profile(member.who(), key, profile, &visit.browser()).await;
    let back = user_address(&member, &user);
    done(&visit, &member, changed, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

fn user_address(member: &Delegate, user: &Account) -> String {
    format!("{}/users/{}", base(member), user.user_id)
}

async fn roles(posted: Posted, path: Path) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ManageUsers).await?;
    let (user, _) = user_of(&visit, &member, &path.1).await?;
    let level = place(&visit, &member).await?.0.access_level;
    let chosen = ticked(&fields);
    let mut errors = FieldErrors::default();
    check_roles(&chosen, level, &mut errors);
    if !errors.is_empty() {
        return user_page(&visit, &member, &path.1, None, errors).await;
    }
    let key = (member.organization(), user.id);
    let sites = &visit.portal().sites;
    let set = sites.user_roles(member.who(), key, chosen, &visit.browser()).await;
    let back = user_address(&member, &user);
    done(&visit, &member, set, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

async fn deactivate(posted: Posted, path: Path) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::ManageUsers).await?;
    let (user, _) = user_of(&visit, &member, &path.1).await?;
    let key = (member.organization(), user.id);
    let sites = &visit.portal().sites;
    let ended = sites.user_deactivate(member.who(), key, &visit.browser()).await;
    done(&visit, &member, ended, &user_address(&member, &user))?;
    // Who deactivated themself has nothing to see there any more.
    let to =
        if user.id == member.id() { "/account".to_owned() } else { user_address(&member, &user) };
    Ok(visit.redirect(&format!("{to}?done=changed")))
}

async fn reactivate(posted: Posted, path: Path) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::ManageUsers).await?;
    let (user, _) = user_of(&visit, &member, &path.1).await?;
    let key = (member.organization(), user.id);
    let sites = &visit.portal().sites;
    let again = sites.user_reactivate(member.who(), key, &visit.browser()).await;
    let back = user_address(&member, &user);
    done(&visit, &member, again, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}

async fn invite(posted: Posted, path: Path) -> Answer {
    let visit = posted.visit;
    let member = member(&visit, &path.0, Permission::ManageUsers).await?;
    let (user, _) = user_of(&visit, &member, &path.1).await?;
    let key = (member.organization(), user.id);
    let sites = &visit.portal().sites;
    let invited = sites.user_invite(member.who(), key, &visit.browser()).await;
    let back = user_address(&member, &user);
    let said = match done(&visit, &member, invited, &back)? {
        Invited::Known => "known",
        other => word(other),
    };
    Ok(visit.redirect(&format!("{back}?done={said}")))
}

/// Gives the user access to another organization that the person represents, too.
async fn second(posted: Posted, path: Path) -> Answer {
    let Posted { visit, fields } = posted;
    let member = member(&visit, &path.0, Permission::ManageUsers).await?;
    let (user, _) = user_of(&visit, &member, &path.1).await?;
    let others = others(&visit, &member).await?;
    let other = fields.get("organization").parse::<OrganizationId>().ok();
    let other = other.and_then(|id| others.into_iter().find(|(known, ..)| *known == id));
    let Some((other, _, open)) = other else {
        let errors = FieldErrors::one("organization", "Choose one of your organizations");
        return user_page(&visit, &member, &path.1, None, errors).await;
    };
    let role = fields.get("second_role").parse::<Role>().ok();
    let role = role.filter(|role| open.iter().any(|choice| choice.value == role.word()));
    let Some(role) = role else {
        let errors = FieldErrors::one("second_role", "Choose a role of that organization");
        return user_page(&visit, &member, &path.1, None, errors).await;
    };
    let new = NewUser {
        email: user.email.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        phone: user.phone.clone(),
        roles: vec![role],
    };
    let added = visit.portal().sites.user_add(member.who(), other, new, &visit.browser()).await;
    let back = user_address(&member, &user);
    done(&visit, &member, added, &back)?;
    Ok(visit.redirect(&format!("{back}?done=changed")))
}
