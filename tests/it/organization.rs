//! The pages of an organization: what its people change, what waits for staff, and what is not theirs.

use izportal::domain::form::{Answers, Field, Kind, Page as Questions};
use izportal::domain::questions::{
    CLINICIAN, OF_ORGANIZATION, organization_answers, organization_pages, site_answers, site_pages,
};
use izportal::domain::{
    AccessLevel, Environment, LinkStatus, OrganizationId, RequestNoteKind, RequestViews, Role,
    SiteKind, SiteStatus, StaffRole, Timestamp,
};
use izportal::store::NewNote;

use crate::enrolment::{enrol, good, waiting};
use crate::staff::staff;
use crate::support::browser::{Browser, Page};
use crate::support::clinic::{Clinic, Person, shown_secret};
use crate::support::people::PASSWORD;
use crate::support::{Sender, msa, vxu};

fn base(organization: OrganizationId) -> String {
    format!("/organization/{organization}")
}

/// The address of a page of an organization.
fn at(organization: OrganizationId, path: &str) -> String {
    format!("{}{path}", base(organization))
}

/// Answers that are wrong, whatever the kind.
fn wrong(field: &Field) -> String {
    match field.kind {
        Kind::Text(longest) | Kind::LongText(longest) => "x".repeat(longest + 1),
        Kind::EmailAgain(_) => "another one".to_owned(),
        Kind::ZipCalifornia => "10001".to_owned(),
        Kind::Date => "2015-02-30".to_owned(),
        Kind::VfcPin => "A-1".to_owned(),
        _ => "none of these".to_owned(),
    }
}

#[track_caller]
fn assert_every_field_is_told(page: &Page, questions: &Questions, hidden: &[&str], required: bool) {
    assert_eq!(page.status, 200, "{}", page.path);
    let told: Vec<_> = page.errors().into_iter().map(|(field, _)| field).collect();
    for field in questions.fields {
        let is_asked = !hidden.contains(&field.name) && (!required || !field.optional);
        assert_eq!(
            told.iter().any(|name| name == field.name),
            is_asked,
            "{} of {}: {told:?}",
            field.name,
            page.path
        );
        if required && is_asked {
            page.says(&[field.missing]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_signed_in_is_sent_to_sign_in_and_comes_back() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;

    let page = clinic.app.browser().ask(&at(organization, "/users")).await;

    assert_eq!(page.status, 303);
    assert_eq!(
        page.headers["location"],
        format!("/sign-in?next={}", at(organization, "/users")).as_str()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_what_the_organization_is_and_what_comes_next() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;

    let page = person.browser.visit(&base(organization)).await;

    page.is_at(&base(organization)).says(&[
        "Data Exchange",
        "DE-000001",
        "In production",
        "Nothing: messages go to the registry",
        "was not accepted yet",
        "Upload many Sites",
    ]);
    let site = person.browser.visit(&at(organization, "/sites/DE-000001")).await;
    site.says(&["CAIRBA", "DE-000001-T", "Test credential", "Never", "?wsdl"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_sees_its_pages_and_no_others() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let reader = clinic.person(organization, "reader@example.org", Role::ReadOnly).await;
    let vendor = clinic.person(organization, "vendor@example.org", Role::Vendor).await;

    let page = reader.browser.visit(&base(organization)).await;
    assert!(!page.html.contains("/users\"") && !page.html.contains("/edit/"), "{}", page.html);
    let site = reader.browser.visit(&at(organization, "/sites/DE-000001")).await;
    assert!(!site.html.contains("DE-000001-T"), "{}", site.html);

    for path in ["/users", "/clinicians", "/links", "/requests", "/history", "/agreement"] {
        for person in [&reader, &vendor] {
            assert_eq!(person.browser.visit(&at(organization, path)).await.status, 404, "{path}");
        }
    }
    let password = "/sites/DE-000001/credentials/DE-000001-T/password";
    assert_eq!(reader.browser.visit(&at(organization, password)).await.status, 404);
    assert_eq!(vendor.browser.visit(&at(organization, password)).await.status, 200);
}

/// Pages of an organization, for looking.
const LOOKING: &[&str] = &[
    "",
    "/sites/DE-000001",
    "/sites/DE-000001/edit/site-contact",
    "/sites/DE-000001/sending-facility",
    "/sites/DE-000001/credentials/DE-000001-T/password",
    "/sites/DE-000001/credentials/DE-000001-T/revoke",
    "/sites/upload",
    "/sites/upload/1",
    "/sites/upload/1/sites.csv",
    "/edit/organization",
    "/access-level",
    "/agreement",
    "/users",
    "/users/new",
    "/users/U-000001",
    "/clinicians",
    "/clinicians/new",
    "/clinicians/1",
    "/links",
    "/links/SF-000001/DE-000001/end",
    "/requests",
    "/history",
];

/// Where something is changed.
const CHANGING: &[&str] = &[
    "/sites/DE-000001/edit/site-contact",
    "/sites/DE-000001/sending-facility",
    "/sites/DE-000001/credentials/DE-000001-T/password",
    "/sites/DE-000001/credentials/DE-000001-T/revoke",
    "/sites/upload/1",
    "/edit/organization",
    "/access-level",
    "/agreement",
    "/users/new",
    "/users/U-000001",
    "/users/U-000001/roles",
    "/users/U-000001/deactivate",
    "/users/U-000001/reactivate",
    "/users/U-000001/invite",
    "/users/U-000001/second",
    "/clinicians/new",
    "/clinicians/1",
    "/clinicians/1/inactive",
    "/links/SF-000001/DE-000001/accept",
    "/links/SF-000001/DE-000001/end",
    "/requests/1/answer",
    "/requests/1/withdraw",
];

/// An organization with one of everything: a clinician, a request, an upload, a link.
async fn full(clinic: &Clinic) -> (OrganizationId, Person) {
    let (organization, site, _) = clinic.direct("DE-000001").await;
    let production = SiteStatus::Production;
    clinic.app.site("SF-000001", SiteKind::SendingFacility, false, None, production).await;
    clinic.app.link("SF-000001", site.as_str(), LinkStatus::Requested).await;
    let person = clinic.representative(organization).await;
    let clinicians = at(organization, "/clinicians/new");
    person.browser.visit(&clinicians).await;
    person
        .browser
        .submit(&clinicians, CLINICIAN_ANSWERS)
        .await
        .is_at(&at(organization, "/clinicians"));
    person.browser.visit(&at(organization, "/access-level")).await;
    let level = [("access_level", "clinical")];
    person.browser.submit(&at(organization, "/access-level"), &level).await.says(&["will decide"]);
    (organization, person)
}

const CLINICIAN_ANSWERS: &[(&str, &str)] = &[
    ("first_name", "Ada"),
    ("last_name", "Inventa"),
    ("title", "MD"),
    ("license_type", "physician"),
    ("license", "a12345"),
    ("npi", "1234567893"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_organizations_is_not_there() {
    let clinic = Clinic::open().await;
    let (theirs, _) = full(&clinic).await;
    let (ours, _, _) = clinic.direct("DE-000002").await;
    let stranger = clinic.representative(ours).await;
    stranger.browser.visit(&base(ours)).await.is_at(&base(ours));

    // Under their number, and under ours with the number of what is theirs.
    for path in LOOKING {
        assert_eq!(stranger.browser.visit(&at(theirs, path)).await.status, 404, "theirs {path}");
    }
    let own = ["", "/sites/upload", "/edit/organization", "/access-level", "/agreement", "/users"];
    let own = [
        &own[..],
        &["/users/new", "/clinicians", "/clinicians/new"],
        &["/links", "/requests", "/history"],
    ]
    .concat();
    for path in LOOKING.iter().filter(|path| !own.contains(path)) {
        assert_eq!(stranger.browser.visit(&at(ours, path)).await.status, 404, "ours {path}");
    }
    for path in CHANGING {
        stranger.browser.visit(&base(ours)).await;
        let found = stranger.browser.post(&at(theirs, path), &[("reason", "x")]).await;
        assert_eq!(found.status, 404, "theirs {path}");
    }
    for path in CHANGING.iter().filter(|path| !own.contains(path)) {
        stranger.browser.visit(&base(ours)).await;
        let fields = [("reason", "x"), ("sending_facility", "SF-000001")];
        let found = stranger.browser.post(&at(ours, path), &fields).await;
        assert_eq!(found.status, 404, "ours {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_token_changes_nothing() {
    let clinic = Clinic::open().await;
    let (organization, person) = full(&clinic).await;

    for path in CHANGING {
        let found = person.browser.post_body(&at(organization, path), "csrf=0".to_owned()).await;
        assert_eq!(found.status, 403, "{path}");
        let looked = person.browser.visit(&at(organization, path)).await;
        assert!(looked.status == 200 || looked.status == 404, "{path}");
    }
    assert_eq!(clinic.told("credential DE-000001-T").await, ["credential.issue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_site_says_what_is_wrong_with_it() {
    let clinic = Clinic::open().await;
    let (organization, site, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let held = clinic.app.store().site_by_id(site.clone()).await.unwrap();
    let known = site_answers(&held, Answers::default());

    let mut pages: Vec<_> = site_pages(&known).collect();
    pages.sort_by_key(|page| page.slug);
    assert!(pages.len() >= 8, "{}", pages.len());
    for page in pages {
        let path = at(organization, &format!("/sites/{site}/edit/{}", page.slug));
        person.browser.visit(&path).await.is_at(&path);
        let bad: Vec<_> = page.fields.iter().map(|field| (field.name, wrong(field))).collect();
        let bad: Vec<_> = bad.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told = person.browser.submit(&path, &bad).await;
        assert_every_field_is_told(&told, page, OF_ORGANIZATION, false);
        assert!(told.html.contains("<title>Error: "), "{path}");
        if page.fields.iter().any(|field| !field.optional) {
            let told = person.browser.submit(&path, &[]).await;
            assert_every_field_is_told(&told, page, OF_ORGANIZATION, true);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_organization_a_clinician_and_a_user_says_what_is_wrong_with_it() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let known = organization_answers("DE-000001", AccessLevel::DataExchange, Answers::default());
    let mut asked: Vec<(String, &Questions)> =
        organization_pages(AccessLevel::DataExchange, &known)
            .into_iter()
            .map(|page| (at(organization, &format!("/edit/{}", page.slug)), page))
            .collect();
    asked.push((at(organization, "/clinicians/new"), &CLINICIAN));
    asked.push((at(organization, "/access-level"), &izportal::domain::questions::LEVEL));
    asked.push((at(organization, "/users/new"), &izportal::domain::questions::NEW_USER));

    for (path, page) in asked {
        person.browser.visit(&path).await.is_at(&path);
        let bad: Vec<_> = page.fields.iter().map(|field| (field.name, wrong(field))).collect();
        let bad: Vec<_> = bad.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_every_field_is_told(&person.browser.submit(&path, &bad).await, page, &[], false);
        if page.fields.iter().any(|field| !field.optional) {
            assert_every_field_is_told(&person.browser.submit(&path, &[]).await, page, &[], true);
        }
    }
    let told = person.browser.submit(&at(organization, "/users/new"), &[]).await;
    told.says(&["Choose at least one role"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_number_changes_at_once_and_a_county_waits_for_staff() {
    let clinic = Clinic::open().await;
    let (organization, site, sender) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let store = clinic.app.store();
    let county = at(organization, "/sites/DE-000001/edit/county");
    let mailing = at(organization, "/sites/DE-000001/edit/mailing");

    person.browser.visit(&mailing).await;
    let page = person.browser.submit(&mailing, &[("fax", "510 555 0199")]).await;
    page.is_at(&at(organization, "/sites/DE-000001"))
        .says(&["Your changes are saved", "510-555-0199"]);
    person.browser.visit(&county).await;
    let page = person.browser.submit(&county, &[("county", "06037"), ("zip", "90012")]).await;
    page.says(&["CDPH has your request", "Alameda County", "Waits for CDPH", "Los Angeles County"]);
    assert_eq!(store.site_by_id(site.clone()).await.unwrap().region.unwrap().as_str(), "CAIRBA");

    // The same is not asked for twice; something else may be.
    let page = person.browser.submit(&county, &[("county", "06059"), ("zip", "92801")]).await;
    assert_eq!(page.errors().len(), 2, "{}", page.text());
    page.says(&["Withdraw it first"]);

    let request = approve(&clinic, organization, &person).await;
    assert!(request.contains(": County"), "{request}");
    let moved = store.site_by_id(site.clone()).await.unwrap();
    assert_eq!(
        (moved.region.unwrap().as_str(), moved.county.as_deref()),
        ("CAIRLO", Some("06037"))
    );
    let text = vxu("MOVED", &[("CAIRBA", "CAIRLO")]);
    assert_eq!(msa(&clinic.app.submit(&sender, &text).await.hl7()).0, "AA");
    assert_eq!(clinic.app.registry("CAIRLO").await.len(), 1);
    let page = person.browser.visit(&at(organization, "/requests")).await;
    page.says(&["Approved", "Alameda County", "Los Angeles County"]);
}

/// Approves the one open request of an organization; gives its title.
async fn approve(clinic: &Clinic, organization: OrganizationId, staff: &Person) -> String {
    let store = clinic.app.store();
    let filter = izportal::store::RequestFilter {
        views: RequestViews::all(),
        kind: None,
        states: izportal::domain::RequestState::OPEN.to_vec(),
        region: None,
        organization: Some(organization),
        text: String::new(),
        after: None,
        limit: 10,
    };
    let open = store.request_list(filter).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    let note = NewNote {
        kind: RequestNoteKind::Decision,
        author: "Staff".to_owned(),
        text: "Good.".to_owned(),
    };
    let by = (note, staff.account.id);
    let deed = clinic.by().into();
    store.update_approve(open[0].id, RequestViews::all(), by, deed).await.unwrap();
    open[0].title.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_requests_wait_at_one_time_and_one_is_withdrawn() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let edit = at(organization, "/edit/organization");
    let answers = [
        ("organization_name", "Harbor Clinics"),
        ("organization_type", "community-clinic"),
        ("address_line1", "1 Harbor Street"),
        ("city", "Alameda"),
    ];
    person.browser.visit(&edit).await;
    let page = person.browser.submit(&edit, &answers).await;
    page.is_at(&base(organization))
        .says(&["CDPH must approve some of them first", "1 Harbor Street"]);
    let level = at(organization, "/access-level");
    let page = person.browser.submit(&level, &[("access_level", "read-only")]).await;
    page.says(&["CDPH has your request"]);

    let page = person.browser.visit(&at(organization, "/requests")).await;
    page.says(&["Harbor Clinics", "Read-Only"]);
    assert_eq!(page.html.matches("/withdraw\"").count(), 2, "{}", page.html);
    let action = page.html.split("action=\"").find(|part| part.contains("/withdraw")).unwrap();
    let action = action.split('"').next().unwrap();
    let page = person.browser.submit(action, &[]).await;
    page.says(&["The request is withdrawn"]);
    let again = person.browser.submit(action, &[]).await;
    assert_eq!(again.status, 409);

    let record = clinic.app.store().organization_record(organization).await.unwrap();
    assert_eq!(record.name, "DE-000001");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_comes_in_with_a_form() {
    let clinic = Clinic::open().await;
    let (organization, site, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let mailing = at(organization, "/sites/DE-000001/edit/mailing");

    person.browser.visit(&mailing).await;
    let more = [
        ("fax", "510-555-0199"),
        ("site_name", "Mine"),
        ("status", "production"),
        ("county", "06037"),
    ];
    person.browser.submit(&mailing, &more).await.says(&["Your changes are saved"]);

    let held = clinic.app.store().site_answers(site).await.unwrap();
    assert_eq!(held.get("fax"), "510-555-0199");
    assert!(!held.has("status") && !held.has("county"), "{held:?}");
    assert_ne!(held.get("site_name"), "Mine");
}

async fn opens(clinic: &Clinic, sender: &Sender, id: &str) -> bool {
    let answer = clinic.app.submit(sender, &vxu(id, &[])).await;
    answer.status == 200 && answer.text.contains("submitSingleMessageResponse")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_shown_once_and_the_old_one_goes_on_or_ends() {
    let clinic = Clinic::open().await;
    let (organization, _, first) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let path = at(organization, "/sites/DE-000001/credentials/DE-000001-T/password");
    assert!(opens(&clinic, &first, "ONE").await);

    person.browser.visit(&path).await.says(&["It is taken for seven more days"]);
    let page = person.browser.submit(&path, &[("old", "keep")]).await;
    let second = Sender { password: shown_secret(&page.html), ..first.clone() };
    page.says(&["is taken until"]);
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(opens(&clinic, &second, "TWO").await && opens(&clinic, &first, "THREE").await);

    person.browser.visit(&path).await;
    let page = person.browser.submit(&path, &[("old", "end")]).await;
    let third = Sender { password: shown_secret(&page.html), ..first.clone() };
    assert!(!page.text().contains("is taken until"));
    assert!(opens(&clinic, &third, "FOUR").await);
    assert!(!opens(&clinic, &second, "FIVE").await && !opens(&clinic, &first, "SIX").await);

    let again = person.browser.visit(&at(organization, "/sites/DE-000001")).await;
    assert!(!again.html.contains(&third.password));
    let told = clinic.told("credential DE-000001-T").await;
    assert_eq!(told, ["credential.issue", "credential.show", "credential.show"]);
    let history = person.browser.visit(&at(organization, "/history")).await;
    history.says(&["Password of a credential shown", "Rosa Inventa"]);
    assert!(!history.html.contains(&third.password) && !history.html.contains(&second.password));
    let email = person.account.email.as_str();
    let letters = clinic.letters(email).await;
    assert_eq!(letters.iter().filter(|kind| *kind == "credential-rotated").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_shown_only_to_who_was_there_a_moment_ago() {
    let clinic = Clinic::open().await;
    let (organization, _, first) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let path = at(organization, "/sites/DE-000001/credentials/DE-000001-T/password");
    person.browser.visit(&path).await.is_at(&path);

    clinic.time_passes();

    let confirm = format!("/account/confirm?next={path}");
    for page in [person.browser.ask(&path).await, person.browser.post(&path, &[]).await] {
        assert_eq!(page.status, 303);
        assert_eq!(page.headers["location"], confirm.as_str());
    }
    assert!(opens(&clinic, &first, "ONE").await);
    assert_eq!(clinic.told("credential DE-000001-T").await, ["credential.issue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_opens_nothing_from_the_next_message_on() {
    let clinic = Clinic::open().await;
    let (organization, _, sender) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let path = at(organization, "/sites/DE-000001/credentials/DE-000001-T/revoke");
    assert!(opens(&clinic, &sender, "ONE").await);

    person.browser.visit(&path).await.says(&["cannot be undone"]);
    let page = person.browser.submit(&path, &[]).await;

    page.is_at(&at(organization, "/sites/DE-000001")).says(&["Revoked"]);
    assert!(!opens(&clinic, &sender, "TWO").await);
    assert_eq!(person.browser.submit(&path, &[]).await.status, 409);
    let password = path.replace("revoke", "password");
    assert_eq!(person.browser.visit(&password).await.status, 404);
    let email = person.account.email.as_str();
    assert!(clinic.letters(email).await.contains(&"credential-revoked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_rotate_test_credentials_rotates_no_other() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let production = clinic.app.credential("DE-000001", Environment::Production).await;
    let vendor = clinic.person(organization, "vendor@example.org", Role::Vendor).await;
    let path =
        |name: &str| at(organization, &format!("/sites/DE-000001/credentials/{name}/password"));

    let page = vendor.browser.visit(&at(organization, "/sites/DE-000001")).await;
    assert!(page.html.contains("DE-000001-T/password") && !page.html.contains("/revoke"));
    assert_eq!(vendor.browser.visit(&path(&production.username)).await.status, 404);
    assert_eq!(vendor.browser.post(&path(&production.username), &[]).await.status, 404);
    vendor.browser.visit(&path("DE-000001-T")).await;
    let page = vendor.browser.submit(&path("DE-000001-T"), &[]).await;
    assert!(shown_secret(&page.html).len() >= 26, "{}", page.html);
    let revoke = path("DE-000001-T").replace("password", "revoke");
    assert_eq!(vendor.browser.post(&revoke, &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_added_changed_deactivated_while_signed_in_and_reactivated() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let new = at(organization, "/users/new");
    let answers = [
        ("first_name", "Kim"),
        ("last_name", "Inventa"),
        ("email", "kim@example.org"),
        ("phone", ""),
        ("roles", "read-only"),
    ];
    person.browser.visit(&new).await;
    let page = person.browser.submit(&new, &answers).await;
    page.is_at(&at(organization, "/users")).says(&[
        "The invitation is on its way",
        "kim@example.org",
        "Invited",
    ]);
    assert_eq!(clinic.letters("kim@example.org").await, ["invitation"]);
    let waits = [&answers[..2], &[("email", "lee@example.org"), ("roles", "regular")]].concat();
    let page = person.browser.submit(&new, &waits).await;
    page.says(&["when CDPH has recorded the training", "Waits for training"]);

    let sam = clinic.person(organization, "sam@example.org", Role::ReadOnly).await;
    let user = at(organization, &format!("/users/{}", sam.account.user_id));
    let page = person.browser.visit(&user).await;
    page.says(&[sam.account.user_id.as_str(), "The User ID stays as it is"]);
    assert!(!page.html.contains("name=\"user_id\"") && !page.html.contains("name=\"email\""));
    let name = [
        ("first_name", "Samuel"),
        ("last_name", "Inventa"),
        ("phone", "510-555-0100"),
        ("user_id", "U-999999"),
    ];
    person
        .browser
        .submit(&user, &name)
        .await
        .is_at(&user)
        .says(&["Samuel Inventa", "Your changes are saved"]);
    let roles = format!("{user}/roles");
    person.browser.submit(&roles, &[("roles", "dx-qa"), ("roles", "read-only")]).await.is_at(&user);
    let page = person.browser.submit(&roles, &[]).await;
    page.says(&["Choose at least one role"]);
    let page = person.browser.submit(&roles, &[("roles", "administrator")]).await;
    page.says(&["Choose at least one role"]);

    sam.browser.visit(&base(organization)).await.is_at(&base(organization));
    let page = person.browser.submit(&format!("{user}/deactivate"), &[]).await;
    page.is_at(&user).says(&["Deactivated"]);
    assert_eq!(sam.browser.ask(&base(organization)).await.status, 303, "the session has ended");
    let page = person.browser.submit(&format!("{user}/reactivate"), &[]).await;
    page.says(&["Active"]);
    let sam = clinic.sign_in("sam@example.org").await;
    sam.visit(&base(organization)).await.is_at(&base(organization));
    let told = clinic.told(&format!("account {}", person.account.id)).await;
    assert!(told.contains(&"account.create".to_owned()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_representative_stays() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let user = at(organization, &format!("/users/{}", person.account.user_id));
    person.browser.visit(&user).await.says(&["This is you"]);

    let page = person.browser.submit(&format!("{user}/deactivate"), &[]).await;
    assert_eq!(page.status, 409);
    page.says(&["needs a representative"]);
    let page = person.browser.submit(&format!("{user}/roles"), &[("roles", "read-only")]).await;
    assert_eq!(page.status, 409);
    person.browser.visit(&at(organization, "/users")).await.is_at(&at(organization, "/users"));

    clinic.person(organization, "second@example.org", Role::Representative).await;
    let page = person.browser.ask(&user).await;
    assert_eq!(page.status, 200);
    let page = person.browser.post(&format!("{user}/deactivate"), &[]).await;
    assert_eq!(page.status, 303);
    assert_eq!(person.browser.ask(&base(organization)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_sent_again() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let new = crate::support::people::user("kim@example.org", &[Role::ReadOnly]);
    let kim = clinic.sites.user_add_as(organization, new, clinic.by()).await.unwrap().0;
    let user = at(organization, &format!("/users/{}", kim.user_id));

    person.browser.visit(&user).await;
    person
        .browser
        .submit(&format!("{user}/invite"), &[])
        .await
        .says(&["The invitation is on its way"]);
    assert_eq!(clinic.letters("kim@example.org").await, ["invitation", "invitation"]);

    let own = at(organization, &format!("/users/{}", person.account.user_id));
    let page = person.browser.submit(&format!("{own}/invite"), &[]).await;
    page.says(&["has a password already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_gets_access_to_a_second_organization_of_the_representative_only() {
    let clinic = Clinic::open().await;
    let (first, _, _) = clinic.direct("DE-000001").await;
    let (second, _, _) = clinic.direct("DE-000002").await;
    let (third, _, _) = clinic.direct("DE-000003").await;
    let person = clinic.representative(first).await;
    let new = crate::support::people::user(person.account.email.as_str(), &[Role::Representative]);
    clinic.sites.user_add_as(second, new, clinic.by()).await.unwrap();
    let kim = clinic.person(first, "kim@example.org", Role::ReadOnly).await;
    let user = at(first, &format!("/users/{}", kim.account.user_id));
    assert_eq!(kim.browser.visit(&base(second)).await.status, 404);

    person.browser.visit(&user).await.says(&["Role in DE-000002"]);
    let give = format!("{user}/second");
    let third = third.to_string();
    let page = person
        .browser
        .submit(&give, &[("organization", &third), ("second_role", "read-only")])
        .await;
    page.says(&["Choose one of your organizations"]);
    let number = second.to_string();
    let page =
        person.browser.submit(&give, &[("organization", &number), ("second_role", "?")]).await;
    page.says(&["Choose a role of that organization"]);
    let page = person
        .browser
        .submit(&give, &[("organization", &number), ("second_role", "read-only")])
        .await;
    page.is_at(&user).says(&["Your changes are saved"]);

    kim.browser.visit(&base(second)).await.is_at(&base(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn clinicians_are_added_changed_and_made_inactive() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let (list, new) = (at(organization, "/clinicians"), at(organization, "/clinicians/new"));

    person.browser.visit(&new).await;
    let page = person.browser.submit(&new, CLINICIAN_ANSWERS).await;
    page.is_at(&list).says(&["Ada Inventa", "A12345", "1234567893", "Active"]);
    let page = person.browser.submit(&new, CLINICIAN_ANSWERS).await;
    page.says(&["listed already"]);
    let one = at(organization, "/clinicians/1");
    let changed: Vec<_> = CLINICIAN_ANSWERS
        .iter()
        .map(|(name, value)| (*name, if *name == "title" { "NP" } else { value }))
        .collect();
    person.browser.visit(&one).await.is_at(&one);
    person.browser.submit(&one, &changed).await.is_at(&list).says(&["NP"]);
    person.browser.submit(&format!("{one}/inactive"), &[]).await.says(&["Inactive", "Make active"]);
    assert_eq!(person.browser.submit(&format!("{one}/inactive"), &[]).await.status, 409);
    assert_eq!(person.browser.submit(&format!("{one}/gone"), &[]).await.status, 404);
    let history = person.browser.visit(&at(organization, "/history")).await;
    history.says(&["Clinician added", "Clinician changed", "Ada Inventa", "Title", "NP"]);
    assert!(!history.text().contains(['{', '}']), "no JSON: {}", history.text());
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_sending_facility_agrees_and_messages_pass() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (through, sender_kind) = (SiteKind::ThroughFacility, SiteKind::SendingFacility);
    let production = SiteStatus::Production;
    let site = app.site("DE-000001", through, true, Some("Alameda"), production).await;
    let first = app.site("SF-000001", sender_kind, false, None, production).await;
    let second = app.site("SF-000002", sender_kind, false, None, production).await;
    let (owner, first, second) =
        (clinic.owner(&site).await, clinic.owner(&first).await, clinic.owner(&second).await);
    let clinic_rep = clinic.representative(owner).await;
    let first_rep = clinic.representative(first).await;
    let second_rep = clinic.representative(second).await;
    let sender = app.credential("SF-000001", Environment::Test).await;
    let other = app.credential("SF-000002", Environment::Test).await;
    let passes = async |sender: &Sender, id: &str| {
        let text = vxu(id, &[]);
        let text = crate::support::replace_field(&text, "MSH", 4, &sender.facility);
        let text = crate::support::replace_field(&text, "MSH", 22, "DE-000001");
        msa(&app.submit(sender, &text).await.hl7()).0 == "AA"
    };

    let ask = at(owner, "/sites/DE-000001/sending-facility");
    clinic_rep.browser.visit(&ask).await;
    clinic_rep
        .browser
        .submit(&ask, &[("sending_facility", "Nobody")])
        .await
        .says(&["No Sending Facility has this"]);
    let several = clinic_rep.browser.submit(&ask, &[("sending_facility", "Site SF")]).await;
    several.says(&["SF-000001", "SF-000002"]);
    clinic_rep
        .browser
        .submit(&ask, &[("sending_facility", "sf-000001")])
        .await
        .says(&["Asked for"]);
    assert!(!passes(&sender, "ONE").await);

    let accept = at(first, "/links/SF-000001/DE-000001/accept");
    let stranger = second_rep.browser.visit(&at(second, "/links")).await;
    stranger.says(&["There is no link"]);
    let stolen = at(second, "/links/SF-000001/DE-000001/accept");
    assert_eq!(second_rep.browser.post(&stolen, &[]).await.status, 404);
    let own = at(owner, "/links/SF-000001/DE-000001/accept");
    clinic_rep.browser.visit(&base(owner)).await;
    assert_eq!(
        clinic_rep.browser.post(&own, &[]).await.status,
        404,
        "the Site cannot consent for it"
    );
    first_rep
        .browser
        .visit(&at(first, "/links"))
        .await
        .says(&["Waiting for you", "Site DE-000001"]);
    first_rep.browser.submit(&accept, &[]).await.says(&["Active"]);
    assert!(passes(&sender, "TWO").await);
    assert_eq!(first_rep.browser.submit(&accept, &[]).await.status, 409);
    for person in [&clinic_rep, &first_rep] {
        let letters = clinic.letters(person.account.email.as_str()).await;
        assert!(letters.contains(&"link-accepted".to_owned()), "{letters:?}");
    }

    // Another one is asked: the present one goes on until that agrees.
    clinic_rep.browser.visit(&ask).await;
    clinic_rep.browser.submit(&ask, &[("sending_facility", "SF-000002")]).await;
    assert!(passes(&sender, "THREE").await && !passes(&other, "FOUR").await);
    second_rep.browser.visit(&at(second, "/links")).await;
    second_rep.browser.submit(&at(second, "/links/SF-000002/DE-000001/accept"), &[]).await;
    assert!(!passes(&sender, "FIVE").await && passes(&other, "SIX").await);

    // It ends with a reason.
    let end = at(second, "/links/SF-000002/DE-000001/end");
    second_rep.browser.visit(&end).await.says(&["End this link?"]);
    second_rep.browser.submit(&end, &[]).await.says(&["Say why"]);
    second_rep.browser.submit(&end, &[("reason", "Contract ended")]).await.says(&["Ended"]);
    assert!(!passes(&other, "SEVEN").await);
    let told = clinic.told("link SF-000002 DE-000001").await;
    assert_eq!(told, ["link.ask", "link.accept", "link.end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agreement_is_accepted_with_name_and_title() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let path = at(organization, "/agreement");

    person.browser.visit(&path).await.is_at(&path);
    person.browser.submit(&path, &[]).await.says(&[
        "Tick the box",
        "Enter your full name",
        "Enter your title",
    ]);
    let answers =
        [("agreement", "yes"), ("agreement_name", "Rosa Inventa"), ("agreement_title", "Manager")];
    let page = person.browser.submit(&path, &answers).await;

    page.is_at(&base(organization)).says(&["accepted by Rosa Inventa (Manager)"]);
    let held = clinic.app.store().agreement_list(organization).await.unwrap();
    assert_eq!(held.len(), 1);
    assert!(held[0].accepted_at <= Timestamp::now());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_in_sees_it_on_every_page() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;

    for (path, status) in [("/nowhere", 404), ("/staff", 404), ("/where", 200), ("/", 200)] {
        let page = person.browser.visit(path).await;
        assert_eq!(page.status, status, "{path}");
        for shown in ["Rosa Inventa", "Sign out"] {
            assert!(page.html.contains(shown), "{path}: {}", page.html);
        }
        assert!(!page.html.contains("href=\"/sign-in\""), "{path}: {}", page.html);
    }
    person.browser.visit("/nowhere").await.says(&["Go to your account"]);
    let stranger = clinic.app.browser().visit("/nowhere").await;
    stranger.says(&["Go to the start page"]);
    assert!(stranger.html.contains("href=\"/sign-in\""), "{}", stranger.html);
    assert!(!stranger.text().contains("IISService"), "{}", stranger.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_the_organizations_own_and_has_pages() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let (other, _, _) = clinic.direct("DE-000002").await;
    clinic.representative(other).await;
    let mailing = at(organization, "/sites/DE-000001/edit/mailing");
    person.browser.visit(&mailing).await;
    for number in 0..60 {
        let fax = format!("510-555-01{number:02}");
        person.browser.post(&mailing, &[("fax", &fax)]).await;
    }

    let page = person.browser.visit(&at(organization, "/history")).await;
    page.says(&["Site changed", "510-555-0159", "Older"]);
    assert!(!page.text().contains("510-555-0105"), "{}", page.text());
    let older = page.html.split("href=\"").find(|part| part.contains("history?before=")).unwrap();
    let older = person.browser.visit(older.split('"').next().unwrap()).await;
    older.says(&["510-555-0105", "User added"]);
    for page in [page, older] {
        assert!(
            !page.text().contains("DE-000002") && !page.text().contains(&format!("rep{other}@"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_representative_answers_what_staff_asked() {
    let clinic = Clinic::open().await;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    let person = clinic.representative(organization).await;
    let (other, _, _) = clinic.direct("DE-000002").await;
    let stranger = clinic.representative(other).await;
    let onlooker = clinic.person(organization, "qa@example.org", Role::DxQa).await;
    let edit = at(organization, "/sites/DE-000001/edit/county");
    person.browser.visit(&edit).await;
    person.browser.submit(&edit, &[("county", "06037"), ("zip", "90012")]).await;
    let registrar = staff(&clinic.app, StaffRole::Registrar, Some("CAIRBA")).await;
    let held = waiting(&clinic.app).await.pop().unwrap();
    let desk = format!("/staff/requests/{}", held.id);
    let path = at(organization, "/requests");
    let answer = format!("{path}/{}/answer", held.id);

    let page = person.browser.visit(&path).await;
    assert!(!page.html.contains("/answer\""), "nothing is asked yet");
    let early = person.browser.post(&answer, &[("text", "Early.")]).await;
    assert_eq!(early.status, 409);
    registrar.visit(&desk).await;
    registrar.submit(&desk, &[("step", "ask"), ("text", "Since when?")]).await;
    let email = person.account.email.as_str();
    let link = clinic.app.mail_to(email, "A question").await.link("/requests/");
    let page = person.browser.visit(&path).await;
    page.says(&["Since when?", "Your answer"]);
    assert!(page.html.contains(&format!("action=\"{answer}\"")), "{}", page.html);
    for (text, message) in
        [("  ", "Write your question or your reason"), (&*"x".repeat(2_001), "2,000 characters")]
    {
        let page = person.browser.submit(&answer, &[("text", text)]).await;
        let errors = page.errors();
        assert_eq!((errors.len(), errors[0].0.as_str()), (1, "text"));
        assert!(errors[0].1.contains(message), "{errors:?}");
        assert!(page.html.contains("id=\"text\"") && page.html.contains(text.trim()));
    }
    for browser in [&stranger.browser, &onlooker.browser] {
        browser.visit("/register").await;
        let refused = browser.post(&answer, &[("text", "Mine.")]).await;
        assert_eq!(refused.status, 404);
    }
    let stolen = format!("{}/{}/answer", at(other, "/requests"), held.id);
    assert_eq!(stranger.browser.post(&stolen, &[("text", "Mine.")]).await.status, 404);

    let page = person.browser.submit(&answer, &[("text", "Since June.")]).await;

    page.is_at(&path).says(&["CDPH has your answer", "Since June."]);
    assert!(!page.html.contains("/answer\""), "it is answered");
    registrar.visit(&desk).await.says(&["Since June.", "Rosa Inventa", "Waiting"]);
    assert_eq!(
        clinic.told(&format!("request {}", held.id)).await.last().unwrap(),
        "request.answer"
    );
    clinic.app.browser().visit(&link).await.says(&["Your answer has arrived"]);
    assert_eq!(person.browser.post(&answer, &[("text", "Again.")]).await.status, 409);
}

/// An organization that enrolled, and the browser of its primary contact.
async fn enrolled(clinic: &Clinic) -> (OrganizationId, Browser) {
    let app = &clinic.app;
    let held = enrol(app, "clinical", "power").await;
    let registrar = staff(app, StaffRole::Registrar, None).await;
    let desk = format!("/staff/requests/{}", held.id);
    registrar.visit(&desk).await;
    registrar.submit(&desk, &[("step", "approve")]).await;
    let organization = waiting(app).await[0].organization.unwrap();
    let ana = "ana@marigold.example";
    let link = app.mail_to(ana, "Set the password").await.link("/set-password/");
    let browser = app.browser();
    browser.visit(&link).await;
    let password = [("password", PASSWORD), ("again", PASSWORD)];
    browser.submit(&link, &password).await;
    (organization, clinic.sign_in(ana).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_enrolled_organization_says_what_is_wrong_with_it() {
    let clinic = Clinic::open().await;
    let (organization, browser) = enrolled(&clinic).await;
    let record = clinic.app.store().organization_record(organization).await.unwrap();
    let level = record.access_level;
    let known = organization_answers(&record.name, level, record.answers);
    let pages = organization_pages(level, &known);
    assert!(pages.len() >= 6, "{}", pages.len());
    for page in pages {
        let path = at(organization, &format!("/edit/{}", page.slug));
        let shown = browser.visit(&path).await;
        shown.is_at(&path);
        for field in page.fields.iter().filter(|field| known.has(field.name)) {
            assert!(shown.html.contains(known.get(field.name)), "{} of {path}", field.name);
        }
        let hidden = |answers: &Answers| -> Vec<&str> {
            let not_asked = page.fields.iter().filter(|field| !field.when.holds(answers));
            not_asked.map(|field| field.name).collect()
        };
        let bad: Vec<_> = page.fields.iter().map(|field| (field.name, wrong(field))).collect();
        let bad: Vec<_> = bad.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told = browser.submit(&path, &bad).await;
        let answers = bad.iter().copied().collect();
        assert_every_field_is_told(&told, page, &hidden(&answers), false);
        if page.fields.iter().any(|field| !field.optional) {
            let told = browser.submit(&path, &[]).await;
            assert_every_field_is_told(&told, page, &hidden(&Answers::default()), true);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolled_organization_changes_what_it_answered() {
    let clinic = Clinic::open().await;
    let (organization, browser) = enrolled(&clinic).await;

    let contact = at(organization, "/edit/primary-contact");
    browser.visit(&contact).await;
    let fields: Vec<(String, String)> = good("primary-contact", "");
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| match name.as_str() {
            "primary_contact_phone" => (name.as_str(), "510-555-0177"),
            _ => (name.as_str(), value.as_str()),
        })
        .collect();
    let page = browser.submit(&contact, &fields).await;
    page.is_at(&base(organization)).says(&["Your changes are saved", "510-555-0177"]);
    let edit = at(organization, "/edit/organization");
    browser.visit(&edit).await;
    let fields = good("organization", "");
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| match name.as_str() {
            "organization_name" => (name.as_str(), "Marigold Academy"),
            _ => (name.as_str(), value.as_str()),
        })
        .collect();
    let page = browser.submit(&edit, &fields).await;
    page.says(&["CDPH has your request", "Waits for CDPH", "Marigold Academy"]);
    let record = clinic.app.store().organization_record(organization).await.unwrap();
    assert_eq!(record.name, "Marigold School", "staff decide");
    for path in ["/edit/child-care", "/edit/user-1", "/edit/agreement", "/edit/level"] {
        assert_eq!(browser.ask(&at(organization, path)).await.status, 404, "{path}");
    }
    let told = clinic.told(&format!("organization {organization}")).await;
    assert!(told.contains(&"organization.change".to_owned()), "{told:?}");
}
