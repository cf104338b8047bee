//! The pages of staff: what waits is decided, accounts are helped, and who may do it.

use std::sync::Arc;

use izportal::domain::form::Answers;
use izportal::domain::{
    AccountState, By, CredentialState, MembershipState, RequestKind, RequestState, Role,
    SiteStatus, StaffGrant, StaffRole, Timestamp,
};
use izportal::sites::{Browser as From, SignIn, Sites};
use izportal::store::{AuditFilter, NewRequest};

use crate::enrolment::{enrol, waiting};
use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::people::{App, PASSWORD, secret, user};

const HERE: &str = "CAIRBA";
const THERE: &str = "CAIRLO";

fn sites(app: &TestApp) -> Sites {
    let store = Arc::clone(app.app.gateway.store());
    izportal::app::sites(&app.config, store, app.base_key.clone(), &app.app.public_url)
}

fn from() -> From {
    From { address: "192.0.2.7".to_owned(), agent: "Firefox".to_owned(), now: Timestamp::now() }
}

/// The browser of somebody who has set a password by this link and signed in, with a second factor or without.
async fn signed_in(app: &TestApp, email: &str, link: &str, second_factor: bool) -> Browser {
    let (sites, from) = (sites(app), from());
    let link = sites.password_link(link, &from).await.unwrap().unwrap();
    sites.password_set(&link, secret(PASSWORD), &from).await.unwrap().unwrap();
    let SignIn::Done { token, .. } =
        sites.sign_in(email, secret(PASSWORD), None, &from).await.unwrap()
    else {
        panic!("{email} is not let in")
    };
    let mut token = token.reveal().to_owned();
    if second_factor {
        let who = sites.signed_in(&token, from.now).await.unwrap().unwrap();
        sites.totp_begin(&who, from.now).await.unwrap();
        let told = sites.totp_set_up(&who, from.now).await.unwrap().unwrap();
        let code = App::with(&told.secret).code(from.now);
        let done = sites.totp_confirm(&who, &code, &from).await.unwrap().unwrap();
        done.token.reveal().clone_into(&mut token);
    }
    let browser = app.browser();
    browser.set_cookie("__Host-session", &token);
    browser
}

fn grant(role: StaffRole, region: Option<&str>) -> StaffGrant {
    StaffGrant { role, region: region.map(|code| code.parse().unwrap()) }
}

/// The browser of somebody who works for CDPH.
pub(crate) async fn staff(app: &TestApp, role: StaffRole, region: Option<&str>) -> Browser {
    let email = format!("{role}-{}@cdph.example", region.unwrap_or("all").to_lowercase());
    let by = By::system(Timestamp::now());
    let new = user(&email, &[]);
    let (_, link) = sites(app).staff_add(new, grant(role, region), by).await.unwrap();
    let link = link.unwrap();
    signed_in(app, &email, link.rsplit('/').next().unwrap(), true).await
}

pub(crate) async fn audited(app: &TestApp, action: &str) -> usize {
    let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
    app.store().audit_list(filter, 100).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_school_is_approved_and_its_user_gets_a_password_link_at_once() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let registrar = staff(&app, StaffRole::Registrar, Some(HERE)).await;

    registrar.visit("/staff").await.says(&["Enrollment", "Bay Area", "today"]);
    registrar.visit("/staff/requests").await.says(&["Marigold School, Alameda: Read-Only"]);
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await.says(&["Ana", "3 Invented Road", "Alameda County", "Principal"]);
    let done = registrar.submit(&path, &[("step", "approve"), ("text", "")]).await;

    done.says(&["Approved. The emails are on their way."]);
    let told = app.mail_to("ana@marigold.example", "is enrolled in CAIR").await;
    assert!(told.text.contains("PR-0000") && told.text.contains("uma@marigold.example: U-0000"));
    assert!(!told.text.contains("/set-password/"), "{}", told.text);
    app.mail_to("ana@marigold.example", "Set the password").await.link("/set-password/");
    let uma = app.mail_to("uma@marigold.example", "Set the password").await;
    uma.link("/set-password/");
    assert!(uma.text.to_lowercase().contains("watch"), "the videos: {}", uma.text);
    let account = app
        .store()
        .account_by_email("uma@marigold.example".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let places = app.store().membership_of_account(account.id).await.unwrap();
    assert_eq!((places[0].role, places[0].state), (Role::ReadOnly, MembershipState::Active));
    registrar.visit("/staff/organizations?search=marigold").await.says(&[
        "Marigold School",
        "Read-Only",
        "PR-0000",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regular_user_gets_the_password_link_when_the_training_is_recorded() {
    let app = TestApp::start().await;
    let held = enrol(&app, "clinical", "regular").await;
    let registrar = staff(&app, StaffRole::Registrar, Some(HERE)).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "approve")]).await;
    let uma = "uma@marigold.example";
    let told = app.mail_to(uma, "Training").await;
    assert!(
        !told.text.contains("/set-password/") && told.text.contains("webinar"),
        "{}",
        told.text
    );

    let account = app.store().account_by_email(uma.parse().unwrap()).await.unwrap().unwrap();
    let path = format!("/staff/accounts/{}", account.id);
    registrar.visit(&path).await.says(&["Waits for training", "Was the training done?"]);
    registrar
        .submit(&format!("{path}/resend"), &[])
        .await
        .says(&["the training has to be recorded first"]);
    let training = format!("{path}/training");
    let errors = registrar.submit(&training, &[]).await.errors();
    assert_eq!(
        errors.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(),
        ["course", "completed_on"]
    );
    let late = [("course", "webinar"), ("completed_on", "2099-01-01")];
    let errors = registrar.submit(&training, &late).await.errors();
    assert_eq!(errors[0].0, "completed_on", "{errors:?}");
    let good = [("course", "webinar"), ("completed_on", "2026-01-15")];
    registrar.submit(&training, &good).await.says(&["the password link is on its way"]);

    app.mail_to(uma, "Set the password").await.link("/set-password/");
    let places = app.store().membership_of_account(account.id).await.unwrap();
    assert_eq!(places[0].state, MembershipState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_decided_once_and_declined_with_words() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let registrar = staff(&app, StaffRole::Registrar, None).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;

    let nothing = registrar.submit(&path, &[]).await.errors();
    let wordless = registrar.submit(&path, &[("step", "decline"), ("text", " ")]).await.errors();
    let long = "x".repeat(2_001);
    let too_long = registrar.submit(&path, &[("step", "note"), ("text", &long)]).await.errors();
    assert_eq!([&nothing[0].0, &wordless[0].0, &too_long[0].0], ["step", "text", "text"]);
    assert_eq!(waiting(&app).await[0].state, RequestState::Pending);
    registrar
        .visit(&format!("{path}?template=not-eligible"))
        .await
        .says(&["From what you told us"]);
    registrar
        .submit(
            &path,
            &[("step", "decline"), ("text", "You are not eligible."), ("state", "approved")],
        )
        .await
        .says(&["Declined", "You are not eligible."]);
    let again = registrar.post(&path, &[("step", "approve")]).await;

    assert_eq!(again.status, 409);
    assert_eq!(waiting(&app).await[0].state, RequestState::Declined);
    let told = app.mail_to("ana@marigold.example", "declined").await;
    assert!(told.text.contains("You are not eligible."), "{}", told.text);
    let known =
        app.store().account_by_email("uma@marigold.example".parse().unwrap()).await.unwrap();
    assert!(known.is_none(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_by_the_link_of_its_letter_once() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let registrar = staff(&app, StaffRole::Registrar, Some(HERE)).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar
        .submit(&path, &[("step", "ask"), ("text", "Who signed?")])
        .await
        .says(&["The question is on its way", "Question asked"]);
    let link = app.mail_to("ana@marigold.example", "A question").await.link("/requests/");
    let applicant = app.browser();

    applicant.visit(&link).await.says(&["Who signed?", "Marigold School"]);
    assert_eq!(waiting(&app).await[0].state, RequestState::Asked, "looking changes nothing");
    let empty = applicant.submit(&link, &[("text", "")]).await.errors();
    assert_eq!(empty, [("text".to_owned(), "Write your question or your reason".to_owned())]);
    applicant.submit(&link, &[("text", "The principal.")]).await.says(&["Thank you"]);

    assert_eq!(waiting(&app).await[0].state, RequestState::Pending);
    registrar.visit(&path).await.says(&["The principal.", "Applicant"]);
    applicant.visit(&link).await.says(&["Your answer has arrived"]);
    applicant.submit(&link, &[("text", "Again.")]).await.says(&["Your answer has arrived"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_another_region_is_not_there() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let here = staff(&app, StaffRole::Registrar, Some(HERE)).await;
    let there = staff(&app, StaffRole::Registrar, Some(THERE)).await;
    let path = format!("/staff/requests/{}", held.id);

    there.visit("/staff").await.says(&["Nothing waits"]);
    there
        .visit(&format!("/staff/requests?region={HERE}&state=all"))
        .await
        .says(&["No request fits"]);
    assert_eq!(there.visit(&path).await.status, 404);
    for step in ["approve", "decline", "ask", "note"] {
        there.visit("/staff").await;
        let refused = there.post(&path, &[("step", step), ("text", "words")]).await;
        assert_eq!(refused.status, 404, "{step}");
    }
    assert_eq!(waiting(&app).await[0].state, RequestState::Pending);
    here.visit(&path).await;
    here.submit(&path, &[("step", "approve")]).await;
    let organization = waiting(&app).await[0].organization.unwrap();
    let uma = app.store().account_by_email("uma@marigold.example".parse().unwrap()).await;
    let uma = uma.unwrap().unwrap().id;

    for (path, is_form) in [
        (format!("/staff/organizations/{organization}"), false),
        (format!("/staff/organizations/{organization}/see-as"), true),
        (format!("/staff/accounts/{uma}"), false),
        (format!("/staff/accounts/{uma}/resend"), true),
    ] {
        there.visit("/staff").await;
        let refused = if is_form { there.post(&path, &[]).await } else { there.visit(&path).await };
        assert_eq!(refused.status, 404, "{path}");
    }
    there.visit("/staff/organizations?search=marigold").await.says(&["None was found"]);
    there.visit("/staff/accounts?search=uma").await.says(&["None was found"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_with_a_second_factor_come_in_and_only_where_their_role_opens() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let registrar = staff(&app, StaffRole::Registrar, None).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "approve")]).await;

    let visitor = app.browser();
    let link = app.mail_to("ana@marigold.example", "Set the password").await.link("/set-password/");
    let token = link.rsplit('/').next().unwrap();
    let member = signed_in(&app, "ana@marigold.example", token, true).await;
    let (_, link) = sites(&app)
        .staff_add(
            user("new@cdph.example", &[]),
            grant(StaffRole::Registrar, None),
            By::system(Timestamp::now()),
        )
        .await
        .unwrap();
    let link = link.unwrap();
    let half = signed_in(&app, "new@cdph.example", link.rsplit('/').next().unwrap(), false).await;
    let pages =
        ["/staff", "/staff/requests", path.as_str(), "/staff/organizations", "/staff/accounts"];
    for page in pages {
        for (who, browser) in [("visitor", &visitor), ("half", &half)] {
            let sent = browser.ask(page).await;
            assert_eq!(sent.status, 303, "{who} {page}");
            let to = sent.headers["location"].to_str().unwrap();
            let right = if who == "half" { "/account/second-factor" } else { "/sign-in?next=" };
            assert!(to.starts_with(right), "{who} {page}: {to}");
        }
        assert_eq!(member.visit(page).await.status, 404, "{page}");
    }

    let opened = |role: StaffRole| match role {
        StaffRole::Onboarding | StaffRole::Registrar => [200, 200, 200, 200],
        StaffRole::Auditor => [200, 404, 404, 404],
        StaffRole::Administrator | StaffRole::HelpDesk => [200, 404, 200, 200],
    };
    for role in StaffRole::ALL {
        let browser = staff(&app, *role, Some(THERE)).await;
        let mut found = [0; 4];
        for (status, page) in found.iter_mut().zip([
            "/staff",
            "/staff/requests",
            "/staff/organizations",
            "/staff/accounts",
        ]) {
            *status = browser.visit(page).await.status;
        }
        assert_eq!(found, opened(*role), "{role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_desk_helps_accounts_and_administrators_give_roles() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let registrar = staff(&app, StaffRole::Registrar, None).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "approve")]).await;
    let uma = "uma@marigold.example";
    let id = app.store().account_by_email(uma.parse().unwrap()).await.unwrap().unwrap().id;
    let path = format!("/staff/accounts/{id}");
    let desk = staff(&app, StaffRole::HelpDesk, Some(HERE)).await;
    let administrator = staff(&app, StaffRole::Administrator, None).await;

    desk.visit("/staff/accounts?search=uma@").await.says(&["Muster, Uma", uma]);
    desk.visit(&path).await.says(&["Marigold School", "Read-Only"]);
    desk.submit(&format!("{path}/resend"), &[]).await.says(&["The link is on its way"]);
    for step in ["grant", "revoke", "training"] {
        let fields = [("role", "auditor"), ("region", "all")];
        let refused = desk.post(&format!("{path}/{step}"), &fields).await;
        assert_eq!(refused.status, 404, "{step}");
    }
    assert_eq!(desk.ask(&format!("{path}/deactivate")).await.status, 404, "no change by GET");
    desk.submit(&format!("{path}/deactivate"), &[]).await.says(&["The account is deactivated"]);
    let state = app.store().account_by_id(id).await.unwrap().state;
    assert_eq!(state, AccountState::Deactivated);
    desk.submit(&format!("{path}/deactivate"), &[]).await.says(&["deactivated already"]);
    desk.submit(&format!("{path}/reactivate"), &[]).await.says(&["active again"]);

    administrator.visit(&path).await;
    let wrong = administrator
        .submit(&format!("{path}/grant"), &[("role", "registrar"), ("region", "ATLANTIS")])
        .await;
    assert_eq!(wrong.errors()[0].0, "role");
    assert!(app.store().staff_of_account(id).await.unwrap().is_empty());
    administrator
        .submit(&format!("{path}/grant"), &[("role", "registrar"), ("region", HERE)])
        .await
        .says(&["Registrar, Bay Area"]);
    desk.visit(&path).await;
    desk.submit(&format!("{path}/deactivate"), &[]).await.says(&["works for CDPH"]);
    administrator
        .submit(&format!("{path}/revoke"), &[("role", "registrar"), ("region", HERE)])
        .await
        .says(&["The staff roles are changed"]);
    assert_eq!(audited(&app, "staff.revoke").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn seeing_as_an_organization_is_told_by_the_audit_trail() {
    let app = TestApp::start().await;
    let held = enrol(&app, "read-only", "read-only").await;
    let registrar = staff(&app, StaffRole::Registrar, Some(HERE)).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "approve")]).await;
    let organization = waiting(&app).await[0].organization.unwrap();
    let path = format!("/staff/organizations/{organization}");

    registrar.visit(&path).await.says(&["See as this organization", "Ana Muster", "Enrollment"]);
    assert_eq!(audited(&app, "organization.see-as").await, 0);
    let sent = registrar.post(&format!("{path}/see-as"), &[]).await;

    assert_eq!((sent.status, audited(&app, "organization.see-as").await), (303, 1));
    let own = format!("/organization/{organization}");
    let seen = registrar.visit(&own).await;
    seen.is_at(&own).says(&["Marigold School", "can change nothing", "Users", "History"]);
    assert!(!seen.text().contains("Change"), "{}", seen.text());
    for page in ["users", "history"] {
        registrar.visit(&format!("{own}/{page}")).await.is_at(&format!("{own}/{page}"));
    }
    for page in ["clinicians", "agreement", "requests", "users/new"] {
        let refused = registrar.post(&format!("{own}/{page}"), &[]).await;
        assert_eq!(refused.status, 404, "{page}");
    }
    let (other, cookie) = (staff(&app, StaffRole::HelpDesk, Some(HERE)).await, "__Host-seeing");
    other.set_cookie(cookie, &registrar.cookie(cookie).unwrap());
    assert_eq!(other.visit(&own).await.status, 404, "it is another's");
    registrar.visit(&own).await;
    registrar.submit("/staff/see-as/end", &[]).await.is_at("/staff/organizations");
    assert_eq!(registrar.visit(&own).await.status, 404, "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_is_declined_closes_its_site() {
    let app = TestApp::start().await;
    let site = app.direct_site("DE-000007").await;
    app.credential("DE-000007", izportal::domain::Environment::Test).await;
    let by = By::system(Timestamp::now());
    let new = NewRequest {
        kind: RequestKind::Registration,
        title: "Larkspur (DE-000007)".to_owned(),
        region: HERE.parse().ok(),
        organization: None,
        site: Some(site.clone()),
        requested_by: None,
        email: "ana@larkspur.example".parse().unwrap(),
        answers: [("site_name", "Larkspur")].into_iter().collect(),
        before: None,
        flags: vec!["DE-000001 has the same name".to_owned()],
    };
    let id = app.store().request_create(new, by.into()).await.unwrap();
    let onboarding = staff(&app, StaffRole::Onboarding, Some(HERE)).await;
    let path = format!("/staff/requests/{id}");

    onboarding.visit(&path).await.says(&["Look closely", "DE-000001 has the same name"]);
    onboarding.submit(&path, &[("step", "decline"), ("text", "Registered already.")]).await;

    let site = app.store().site_by_id(site).await.unwrap();
    assert_eq!(site.status, SiteStatus::Suspended);
    let credentials = app.store().credential_list().await.unwrap();
    assert!(credentials.iter().all(|one| one.state == CredentialState::Revoked));
    app.mail_to("ana@larkspur.example", "declined").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_shows_before_and_after_and_holds_when_approved() {
    let app = TestApp::start().await;
    let held = enrol(&app, "clinical", "power").await;
    let registrar = staff(&app, StaffRole::Registrar, None).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "approve")]).await;
    let organization = waiting(&app).await[0].organization.unwrap();
    let asked: Answers = [
        ("organization_name", "Marigold Academy"),
        ("county", "06037"),
        ("access_level", "read-only"),
    ]
    .into_iter()
    .collect();
    let before: Answers =
        [("organization_name", "Marigold School"), ("county", "06001")].into_iter().collect();
    let new = NewRequest {
        kind: RequestKind::Update,
        title: "Marigold School".to_owned(),
        region: HERE.parse().ok(),
        organization: Some(organization),
        site: None,
        requested_by: None,
        email: "ana@marigold.example".parse().unwrap(),
        answers: asked,
        before: Some(before),
        flags: vec![],
    };
    let by = By::system(Timestamp::now());
    let id = app.store().request_create(new, by.into()).await.unwrap();
    let path = format!("/staff/requests/{id}");

    registrar.visit(&path).await.says(&["Alameda County Los Angeles County", "Marigold Academy"]);
    registrar.submit(&path, &[("step", "approve"), ("text", "Good.")]).await.says(&["Approved"]);

    let scope = izportal::domain::Scope::All;
    let after = app.store().organization_in_view(organization, scope).await.unwrap();
    assert_eq!((after.name.as_str(), after.region), ("Marigold Academy", THERE.parse().ok()));
    assert_eq!(after.access_level, izportal::domain::AccessLevel::ReadOnly);
    let users = app.store().membership_list(organization).await.unwrap();
    let power = users.iter().flat_map(|(_, roles)| roles).find(|one| one.role == Role::Power);
    assert_eq!(power.map(|one| one.state), Some(MembershipState::Inactive));
    app.mail_to("ana@marigold.example", "update was approved").await;
    let filter =
        AuditFilter { action: Some("update.approve".to_owned()), ..AuditFilter::default() };
    let told = app.store().audit_list(filter, 1).await.unwrap();
    let before = told[0].before.as_deref().unwrap_or_default();
    assert!(before.contains("\"access_level\":\"clinical\""), "{before}");
}

/// What a form says.
type Fields<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn staff_show_again_that_they_are_there_before_they_open_or_close_doors() {
    let app = TestApp::start().await;
    let administrator = staff(&app, StaffRole::Administrator, None).await;
    staff(&app, StaffRole::Registrar, None).await;
    let email = "registrar-all@cdph.example".parse().unwrap();
    let id = app.store().account_by_email(email).await.unwrap().unwrap().id;
    let path = format!("/staff/accounts/{id}");
    let confirm = format!("/account/confirm?next={path}");
    let time_passes =
        || app.database.change(&app.config.data_dir, "UPDATE session SET stepped_up_at = NULL");
    let (auditor, registrar) =
        ([("role", "auditor"), ("region", "all")], [("role", "registrar"), ("region", "all")]);
    let steps: [(&str, Fields<'_>, &str); 4] = [
        ("grant", &auditor, "The staff roles are changed"),
        ("revoke", &registrar, "The staff roles are changed"),
        ("clear-factors", &[], "The second factors are removed"),
        ("deactivate", &[], "The account is deactivated"),
    ];

    administrator.visit(&path).await.is_at(&path);
    for (step, fields, said) in steps {
        time_passes();
        let page = administrator.post(&format!("{path}/{step}"), fields).await;
        assert_eq!((page.status, page.headers["location"].to_str().unwrap()), (303, &*confirm));
        assert_eq!(app.store().account_by_id(id).await.unwrap().state, AccountState::Active);
        assert!(
            app.store().account_factors(id).await.unwrap().has_second_factor()
                == (step != "deactivate")
        );

        administrator.visit(&format!("{confirm}&by=password")).await.is_at("/account/confirm");
        let proof = [("password", PASSWORD)];
        let back = administrator.submit(&format!("{confirm}&by=password"), &proof).await;
        back.is_at(&path);
        administrator.submit(&format!("{path}/{step}"), fields).await.is_at(&path).says(&[said]);
    }

    time_passes();
    administrator.submit(&format!("{path}/reactivate"), &[]).await.says(&["active again"]);
    let unlocked = administrator.post(&format!("{path}/unlock"), &[]).await;
    assert!(unlocked.headers["location"].to_str().unwrap().starts_with(&path), "help goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_adds_staff_who_get_a_letter() {
    let app = TestApp::start().await;
    let administrator = staff(&app, StaffRole::Administrator, None).await;
    let path = "/staff/accounts/new";
    let nele = "nele@cdph.example";
    let good = [
        ("first_name", "Nele"),
        ("last_name", "Neu"),
        ("email", nele),
        ("roles", "registrar"),
        ("roles", "auditor"),
        ("region", HERE),
    ];

    let list = administrator.visit("/staff/accounts").await;
    assert!(list.html.contains("href=\"/staff/accounts/new\""), "{}", list.html);
    administrator.visit(path).await.is_at(path);
    let nothing = administrator.submit(path, &[]).await.errors();
    let nothing: Vec<_> = nothing.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(nothing, ["first_name", "last_name", "email", "roles", "staff-region"]);
    let mut wrong = good;
    wrong[5].1 = "ATLANTIS";
    let page = administrator.submit(path, &wrong).await;
    assert_eq!(page.errors()[0].0, "staff-region");
    assert!(page.html.contains("value=\"Nele\""), "what was typed stays");
    let known = [good[0], good[1], ("email", "administrator-all@cdph.example"), good[3], good[5]];
    let page = administrator.submit(path, &known).await;
    assert!(page.errors()[0].1.contains("This address has an account"), "{:?}", page.errors());
    assert!(app.store().account_by_email(nele.parse().unwrap()).await.unwrap().is_none());

    let page = administrator.submit(path, &good).await;

    page.says(&["The account is made", "Nele Neu", "Registrar, Bay Area", "Auditor, Bay Area"]);
    let link = app.mail_to(nele, "Set the password").await.link("/set-password/");
    let registrar = signed_in(&app, nele, link.rsplit('/').next().unwrap(), true).await;
    registrar.visit("/staff/requests").await.is_at("/staff/requests");
    let held = app.store().account_by_email(nele.parse().unwrap()).await.unwrap().unwrap();
    let object = Some(format!("account {}", held.id));
    let filter = AuditFilter { object, ..AuditFilter::default() };
    let told = app.store().audit_list(filter, 100).await.unwrap().pop().unwrap();
    assert_eq!(told.action, "account.create");
    assert!(told.after.unwrap().contains("staff: auditor for CAIRBA"), "by whom and as what");

    // Whoever manages the staff of one region adds to that region.
    let regional = staff(&app, StaffRole::Administrator, Some(THERE)).await;
    let page = regional.visit(path).await;
    assert!(!page.html.contains("value=\"all\"") && !page.html.contains(HERE), "{}", page.html);
    let mut other = good;
    other[2].1 = "other@cdph.example";
    assert_eq!(regional.post(path, &other).await.status, 404, "another region");
    other[5].1 = THERE;
    regional.submit(path, &other).await.is_at("/staff/accounts").says(&["The account is made"]);

    app.database.change(&app.config.data_dir, "UPDATE session SET stepped_up_at = NULL");
    let stale = regional.ask(path).await;
    assert_eq!(stale.headers["location"], format!("/account/confirm?next={path}").as_str());
    other[2].1 = "third@cdph.example";
    assert_eq!(regional.post(path, &other).await.status, 303);
    let third = app.store().account_by_email("third@cdph.example".parse().unwrap()).await;
    assert!(third.unwrap().is_none(), "nothing is made before");
}
