//! Accounts: found, looked at, helped.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, Choice, Field, FieldErrors, Kind, Page, When};
use crate::domain::{
    Account, AccountId, AccountState, Course, Membership, MembershipState, Permission as P,
    RegionCode, StaffGrant, StaffRole, UnknownWord,
};
use crate::portal::form::{FieldView, fields};
use crate::portal::member::sentence;
use crate::portal::moment::Moment;
use crate::portal::page::Trouble;
use crate::portal::staff::{demand, done, layout, moment, regions_of};
use crate::portal::states::Tagged as _;
use crate::portal::visit::get;
use crate::portal::{Layout, Posted, Visit};
use crate::sites::{AccountError, Invited, NewUser, Staff};
use crate::store::{AccountFilter, StoreError, TrainingRecord};

/// Accounts on one page.
const PAGE: usize = 25;

/// Where accounts are looked for.
const ACCOUNTS: &str = "/staff/accounts";
/// Where one is made.
const NEW: &str = "/staff/accounts/new";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/accounts", get().to(list))
        .route("/staff/accounts/new", get().to(new))
        .route("/staff/accounts/new", web::post().to(add))
        .route("/staff/accounts/{id}", get().to(show))
        .route("/staff/accounts/{id}/unlock", web::post().to(unlock))
        .route("/staff/accounts/{id}/resend", web::post().to(resend))
        .route("/staff/accounts/{id}/training", web::post().to(training))
        .route("/staff/accounts/{id}/deactivate", web::post().to(deactivate))
        .route("/staff/accounts/{id}/reactivate", web::post().to(reactivate))
        .route("/staff/accounts/{id}/clear-factors", web::post().to(clear_factors))
        .route("/staff/accounts/{id}/grant", web::post().to(grant))
        .route("/staff/accounts/{id}/revoke", web::post().to(revoke));
}

#[derive(Template)]
#[template(path = "staff/accounts.html")]
struct List {
    layout: Layout,
    search: String,
    rows: Vec<Account>,
    is_cut: bool,
    next: Option<AccountId>,
    may_add: bool,
    said: Option<&'static str>,
}

async fn list(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewAccounts]);
    let search = visit.query("search").trim().to_owned();
    let filter = AccountFilter {
        search: search.clone(),
        state: None,
        scope: staff.scope(P::ViewAccounts),
        after: visit.query("after").parse().ok(),
        limit: i64::try_from(PAGE + 1).unwrap_or_default(),
    };
    let mut rows = visit.portal().sites.store().account_page(filter).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    Ok(visit.page(&List {
        layout: layout(&visit, &staff, "Find an account"),
        next: rows.last().filter(|_| more && search.is_empty()).map(|last| last.id),
        is_cut: more && !search.is_empty(),
        may_add: staff.may(P::ManageStaff),
        said: done(&visit, &DONE),
        search,
        rows,
    }))
}

const NEW_STAFF: Page = Page {
    slug: "new",
    title: "Who is to work for CDPH here?",
    lede: "They get an email with a link to set a password, and set up a second factor when they first sign in.",
    fields: &[
        Field::new("first_name", "First name", Kind::Text(60), "Enter the first name"),
        Field::new("last_name", "Last name", Kind::Text(60), "Enter the last name"),
        Field::new("email", "Email address", Kind::Email, "Enter the email address"),
    ],
    when: When::Always,
    rule: None,
};

#[derive(Template)]
#[template(path = "staff/account_new.html")]
struct New {
    layout: Layout,
    back: &'static str,
    lede: &'static str,
    errors: FieldErrors,
    fields: Vec<FieldView>,
    roles: Vec<(Choice, bool)>,
    regions: Vec<RegionCode>,
    may_grant_all: bool,
    /// The region that was chosen, or `all`.
    region: String,
}

const fn about(role: StaffRole) -> &'static str {
    match role {
        StaffRole::Onboarding => "Looks at registrations and at messages with their text.",
        StaffRole::HelpDesk => "Helps people to sign in, and sees what became of letters.",
        StaffRole::Registrar => "Decides enrollments and updates, and records training.",
        StaffRole::Auditor => "Reads the audit trail, and nothing else.",
        StaffRole::Administrator => "Gives staff roles and runs the service.",
    }
}

/// The staff roles that were ticked.
fn ticked(posted: &Answers) -> Vec<StaffRole> {
    posted.get("roles").split(',').filter_map(|word| word.trim().parse().ok()).collect()
}

fn new_page(visit: &Visit, staff: &Staff, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    let title = if errors.is_empty() { "" } else { "Error: " };
    let layout = layout(visit, staff, format!("{title}{}", NEW_STAFF.title));
    let (grantable, chosen) = (staff.scope(P::ManageStaff), ticked(typed));
    let choice = |role: &StaffRole| {
        (Choice::hinted(role.word(), role.name(), about(*role)), chosen.contains(role))
    };
    visit.page(&New {
        layout: Layout { heading: NEW_STAFF.title.to_owned(), ..layout },
        back: ACCOUNTS,
        lede: NEW_STAFF.lede,
        fields: fields(&NEW_STAFF, typed, &errors),
        errors,
        roles: StaffRole::ALL.iter().map(choice).collect(),
        may_grant_all: grantable.covers(None),
        regions: regions_of(&grantable),
        region: typed.get("region").to_owned(),
    })
}

async fn new(visit: Visit) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ManageStaff]);
    // Asked before anything is typed, which would be lost on the way.
    if !staff.who().is_fresh(visit.now) {
        return Ok(step_up(&visit, NEW));
    }
    Ok(new_page(&visit, &staff, &Answers::default(), FieldErrors::default()))
}

async fn add(posted: Posted) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::ManageStaff]);
    let (chosen, region) = (ticked(&fields), region_named(&fields));
    let read = NEW_STAFF.read(&fields, visit.now.utc().date_naive());
    let mut errors = read.as_ref().err().cloned().unwrap_or_default();
    if chosen.is_empty() {
        errors.add("roles", "Choose at least one role");
    }
    if region.is_err() {
        errors.add("staff-region", "Choose where the role holds");
    }
    let email = read.as_ref().ok().and_then(|read| read.get("email").parse().ok());
    let (Ok(read), Some(email), Ok(region), true) = (read, email, region, errors.is_empty()) else {
        return Ok(new_page(&visit, &staff, &fields, errors));
    };
    let new = NewUser {
        email,
        first_name: read.get("first_name").to_owned(),
        last_name: read.get("last_name").to_owned(),
        phone: None,
        roles: vec![],
    };
    let grants = chosen.into_iter().map(|role| StaffGrant { role, region }).collect();
    match visit.portal().sites.staff_invite(&staff, new, grants, &visit.browser()).await {
        // Somebody without a place in any organization is seen by those who see everybody.
        Ok(account) if staff.may_in(P::ViewAccounts, None) => {
            Ok(visit.redirect(&format!("{ACCOUNTS}/{}?done=added", account.id)))
        }
        Ok(_account) => Ok(visit.redirect(&format!("{ACCOUNTS}?done=added"))),
        Err(AccountError::StepUp) => Ok(step_up(&visit, NEW)),
        Err(AccountError::Store(StoreError::Refused(refusal))) => {
            let errors = FieldErrors::one("email", sentence(&refusal.0));
            Ok(new_page(&visit, &staff, &fields, errors))
        }
        Err(error) => Err(error.into()),
    }
}

/// Source: seed 003: a webinar, or a live, in-person training.
const COURSES: &[Choice] =
    &[Choice::new("webinar", "Webinar"), Choice::new("class", "Class in person")];

const TRAINING: Page = Page {
    slug: "training",
    title: "Training",
    lede: "",
    fields: &[
        Field::new(
            "course",
            "How was the training given?",
            Kind::Choice(COURSES),
            "Choose how the training was given",
        ),
        Field::new("completed_on", "When?", Kind::Date, "Enter the day of the training"),
    ],
    when: When::Always,
    rule: None,
};

/// A place in an organization, as it is shown.
struct Place {
    membership: Membership,
    organization: String,
}

#[derive(Template)]
#[template(path = "staff/account.html")]
struct Show {
    layout: Layout,
    held: Account,
    locked_until: Option<Moment>,
    created: Moment,
    last_sign_in: Option<Moment>,
    has_second_factor: bool,
    places: Vec<Place>,
    trainings: Vec<TrainingRecord>,
    roles: Vec<StaffGrant>,
    /// What may be done with it, by word.
    may: Vec<&'static str>,
    training: Vec<FieldView>,
    staff_roles: Vec<(&'static str, &'static str)>,
    regions: Vec<RegionCode>,
    may_grant_all: bool,
    errors: FieldErrors,
    said: Option<&'static str>,
}

impl Show {
    fn can(&self, word: &str) -> bool {
        self.may.contains(&word)
    }
}

const DONE: [(&str, &str); 11] = [
    ("added", "The account is made, and the link to set its password is on its way."),
    ("unlock", "The account is unlocked: its owner may sign in at once."),
    ("sent", "The link is on its way."),
    ("capped", "No email went out: the address has had too many today."),
    ("awaiting", "No email went out: the training has to be recorded first."),
    ("invited", "The training is recorded, and the password link is on its way."),
    ("trained", "The training is recorded."),
    ("deactivated", "The account is deactivated, and its sessions have ended."),
    ("reactivated", "The account is active again."),
    ("cleared", "The second factors are removed. The owner is told by email."),
    ("roles", "The staff roles are changed."),
];

async fn page(
    visit: &Visit,
    staff: &Staff,
    id: AccountId,
    (typed, errors): (&Answers, FieldErrors),
) -> Result<HttpResponse, Trouble> {
    let store = visit.portal().sites.store();
    let held = store.account_in_view(id, staff.scope(P::ViewAccounts)).await?;
    let memberships = store.membership_of_account(id).await?;
    let mut places = vec![];
    for membership in memberships {
        let organization = store.organization_name(membership.organization).await?;
        places.push(Place { membership, organization });
    }
    let waits = places.iter().any(|one| one.membership.state == MembershipState::AwaitingTraining);
    let is_closed = held.state == AccountState::Deactivated;
    let is_own = id == staff.id();
    let may = [
        ("unlock", held.is_locked(visit.now) && staff.may(P::UnlockAccount)),
        ("resend", !is_closed && staff.may(P::ResendMail)),
        ("train", waits && staff.may(P::RecordTraining)),
        ("close", !is_closed && !is_own && staff.may(P::CloseAccount)),
        ("reopen", is_closed && staff.may(P::CloseAccount)),
        ("grant", staff.may(P::ManageStaff)),
        ("see-organizations", staff.may(P::ViewOrganization)),
    ];
    let title = format!("{} ({})", held.name(), held.user_id);
    let shown = if errors.is_empty() { title.clone() } else { format!("Error: {title}") };
    let grantable = staff.scope(P::ManageStaff);
    Ok(visit.page(&Show {
        layout: Layout { heading: title, ..layout(visit, staff, shown) },
        locked_until: held.locked_until.filter(|until| visit.now < *until).map(moment),
        created: moment(held.created_at),
        last_sign_in: held.last_sign_in_at.map(moment),
        has_second_factor: store.account_factors(id).await?.has_second_factor(),
        places,
        trainings: store.training_list(id).await?,
        roles: store.staff_of_account(id).await?,
        may: may.into_iter().filter(|(_, may)| *may).map(|(word, _)| word).collect(),
        training: fields(&TRAINING, typed, &errors),
        staff_roles: StaffRole::ALL.iter().map(|role| (role.word(), role.name())).collect(),
        may_grant_all: grantable.covers(None),
        regions: regions_of(&grantable),
        errors,
        said: done(visit, &DONE),
        held,
    }))
}

async fn show(visit: Visit, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let staff = demand!(&visit, &[P::ViewAccounts]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    page(&visit, &staff, id, (&Answers::default(), FieldErrors::default())).await
}

/// Back to the account, with a word for what was done; or what went wrong, above the page.
async fn back(
    visit: &Visit,
    staff: &Staff,
    id: AccountId,
    outcome: Result<&'static str, AccountError>,
) -> Result<HttpResponse, Trouble> {
    match outcome {
        Ok(word) => Ok(visit.redirect(&format!("/staff/accounts/{id}?done={word}"))),
        Err(AccountError::Store(StoreError::Refused(refusal))) if staff.may(P::ViewAccounts) => {
            let errors = FieldErrors::one("main", refusal.to_string());
            page(visit, staff, id, (&Answers::default(), errors)).await
        }
        Err(AccountError::StepUp) => Ok(step_up(visit, &format!("{ACCOUNTS}/{id}"))),
        Err(error) => Err(error.into()),
    }
}

/// The way to show again that one is there, and from there to this page.
fn step_up(visit: &Visit, next: &str) -> HttpResponse {
    visit.redirect(&format!("/account/confirm?next={next}"))
}

async fn unlock(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::UnlockAccount]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_unlock(&staff, id, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|()| "unlock")).await
}

async fn resend(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::ResendMail]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_resend(&staff, id, &visit.browser()).await;
    let word = |invited| match invited {
        Invited::AwaitingTraining => "awaiting",
        Invited::Capped => "capped",
        Invited::Known | Invited::Sent => "sent",
    };
    back(&visit, &staff, id, outcome.map(word)).await
}

async fn training(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::RecordTraining]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let today = visit.now.utc().date_naive();
    let good = match TRAINING.read(&fields, today) {
        Ok(good) => good,
        Err(errors) => {
            return page(&visit, &staff, id, (&TRAINING.gather(&fields), errors)).await;
        }
    };
    let day = good.get("completed_on").parse::<chrono::NaiveDate>();
    let (Ok(course), Ok(day)) = (good.get("course").parse::<Course>(), day) else {
        return Ok(visit.missing());
    };
    if day > today {
        let errors = FieldErrors::one("completed_on", "Enter a day that is not in the future");
        return page(&visit, &staff, id, (&TRAINING.gather(&fields), errors)).await;
    }
    let sites = &visit.portal().sites;
    let outcome = sites.staff_training(&staff, id, (course, day), &visit.browser()).await;
    let word = |invited| if invited { "invited" } else { "trained" };
    back(&visit, &staff, id, outcome.map(word)).await
}

async fn deactivate(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::CloseAccount]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_deactivate(&staff, id, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|()| "deactivated")).await
}

async fn reactivate(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::CloseAccount]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_reactivate(&staff, id, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|()| "reactivated")).await
}

async fn clear_factors(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let visit = posted.visit;
    let staff = demand!(&visit, &[P::CloseAccount]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_clear_factors(&staff, id, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|()| "cleared")).await
}

/// The staff role that a form names: nothing when it names none.
fn named(fields: &Answers) -> Option<StaffGrant> {
    Some(StaffGrant { role: fields.get("role").parse().ok()?, region: region_named(fields).ok()? })
}

/// Where a form says that a staff role holds: in one region, or in all. A wrong region never means all.
fn region_named(fields: &Answers) -> Result<Option<RegionCode>, UnknownWord> {
    match fields.get("region") {
        "all" => Ok(None),
        code => code.parse().map(Some),
    }
}

async fn grant(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::ManageStaff]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let Some(one) = named(&fields) else {
        let errors = FieldErrors::one("role", "Choose a staff role and where it holds");
        return page(&visit, &staff, id, (&Answers::default(), errors)).await;
    };
    let outcome = visit.portal().sites.staff_role_give(&staff, id, one, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|()| "roles")).await
}

async fn revoke(posted: Posted, id: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Posted { visit, fields } = posted;
    let staff = demand!(&visit, &[P::ManageStaff]);
    let Ok(id) = id.parse() else { return Ok(visit.missing()) };
    let Some(one) = named(&fields) else { return Ok(visit.missing()) };
    let outcome = visit.portal().sites.staff_role_take(&staff, id, one, &visit.browser()).await;
    back(&visit, &staff, id, outcome.map(|()| "roles")).await
}
