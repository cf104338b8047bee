//! The board, the way of a Site through review and approval by two, and the statements about meaningful use.

use std::sync::Arc;

use izportal::domain::{
    Credential, CredentialState, Environment, LinkStatus, ReviewItem, SiteId, SiteKind, SiteStatus,
    StaffRole,
};
use izportal::store::NewSite;

use crate::staff::{audited, staff};
use crate::support::browser::Browser;
use crate::support::clinic::{Clinic, Person};
use crate::support::{TestApp, tester, vxu};

const HERE: &str = "CAIRBA";
const THERE: &str = "CAIRLO";

async fn clinic() -> Clinic {
    let app = TestApp::start().await;
    let store = Arc::clone(app.app.gateway.store());
    let sites = izportal::app::sites(&app.config, store, app.base_key.clone(), &app.app.public_url);
    Clinic { app, sites }
}

/// A Site in Alameda with its representative, signed in.
async fn site(clinic: &Clinic, id: &str, kind: SiteKind, status: SiteStatus) -> (SiteId, Person) {
    let site = clinic.app.site(id, kind, true, Some("Alameda"), status).await;
    let owner = clinic.owner(&site).await;
    let rep = clinic.representative(owner).await;
    (site, rep)
}

async fn status(clinic: &Clinic, id: &SiteId) -> SiteStatus {
    clinic.app.store().site_by_id(id.clone()).await.unwrap().status
}

async fn credential(clinic: &Clinic, username: &str) -> Option<Credential> {
    let all = clinic.app.store().credential_list().await.unwrap();
    all.into_iter().find(|one| one.username == username)
}

async fn letters(clinic: &Clinic, to: &Person, kind: &str) -> usize {
    let kinds = clinic.letters(to.account.email.as_str()).await;
    kinds.iter().filter(|one| *one == kind).count()
}

/// Brings a Site as far as a proposal.
async fn propose(browser: &Browser, path: &str) {
    browser.visit(path).await;
    browser.submit(&format!("{path}/invite"), &[]).await.says(&["The review has begun"]);
    for item in ReviewItem::ALL {
        let fields = [("item", item.word()), ("note", "Looked at twenty of them.")];
        browser.submit(&format!("{path}/confirm"), &fields).await.says(&["The item is confirmed"]);
    }
    let why = [("why", "A small practice: 100 doses take months.")];
    browser.submit(&format!("{path}/propose"), &why).await.says(&["Somebody else has to approve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_comes_into_production_by_two_of_the_staff() {
    let clinic = clinic().await;
    let (id, rep) = site(&clinic, "DE-000001", SiteKind::Direct, SiteStatus::Validated).await;
    clinic.app.credential("DE-000001", Environment::Test).await;
    let one = staff(&clinic.app, StaffRole::Onboarding, Some(HERE)).await;
    let other = staff(&clinic.app, StaffRole::Onboarding, None).await;
    let path = "/staff/sites/DE-000001";

    one.visit(path).await.says(&[
        "Test messages are good",
        "CDPH begins the review",
        "Begin the review",
    ]);
    let invite = format!("{path}/invite");
    one.submit(&invite, &[]).await.says(&["The review has begun", "The review with real data"]);
    assert_eq!(status(&clinic, &id).await, SiteStatus::Onboarding);
    one.submit(&invite, &[]).await.says(&["is not possible"]);
    assert_eq!(letters(&clinic, &rep, "review-begun").await, 1);

    let confirm = format!("{path}/confirm");
    assert_eq!(one.submit(&confirm, &[]).await.errors()[0].0, "item");
    assert_eq!(one.submit(&confirm, &[("item", "sample")]).await.errors()[0].0, "note");
    for item in ReviewItem::ALL {
        let early = one.submit(&format!("{path}/propose"), &[("why", "Because.")]).await;
        assert!(early.errors()[0].1.contains("Every item of the checklist"), "{early:?}");
        let fields = [("item", item.word()), ("note", "Looked at twenty of them.")];
        one.submit(&confirm, &fields).await.says(&["Looked at twenty of them."]);
    }
    let unsaid = one.submit(&format!("{path}/propose"), &[("why", " ")]).await;
    assert_eq!(unsaid.errors()[0].0, "why");
    let why = [("why", "A small practice: 100 doses take months.")];
    one.submit(&format!("{path}/propose"), &why).await.says(&["Somebody else has to approve"]);

    let own = one.submit(&format!("{path}/approve"), &[]).await;
    assert!(own.errors()[0].1.contains("somebody else"), "{}", own.text());
    assert_eq!(status(&clinic, &id).await, SiteStatus::Onboarding);
    assert!(credential(&clinic, "DE-000001-P").await.is_none());

    other.visit(path).await.says(&["A small practice", "CDPH approves as the second"]);
    other.submit(&format!("{path}/approve"), &[]).await.says(&["The Site is approved"]);
    assert_eq!(status(&clinic, &id).await, SiteStatus::Production);
    let issued = credential(&clinic, "DE-000001-P").await.unwrap();
    assert_eq!((issued.environment, issued.shown_at), (Environment::Production, None));
    other.submit(&format!("{path}/approve"), &[]).await.says(&["There is a problem"]);
    assert_eq!(letters(&clinic, &rep, "site-approved").await, 1);
    let letter = clinic.app.mail_to(rep.account.email.as_str(), "approved for production").await;
    assert!(letter.text.contains("No email has its password"), "{}", letter.text);
    let page = letter.link("/organization/");

    // Its people ask for the password, once; staff see none of it, and they see nothing of what staff wrote.
    rep.browser.visit(&page).await.says(&["Waits for its password", "DE-000001-P"]);
    let history = page.split("/sites/").next().unwrap().to_owned() + "/history";
    let told = rep.browser.visit(&history).await.text();
    assert!(!told.contains("Looked at twenty"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_region_finds_nothing_and_others_decide_nothing() {
    let clinic = clinic().await;
    let (id, _) = site(&clinic, "DE-000001", SiteKind::Direct, SiteStatus::Validated).await;
    let elsewhere = staff(&clinic.app, StaffRole::Onboarding, Some(THERE)).await;
    let desk = staff(&clinic.app, StaffRole::HelpDesk, Some(HERE)).await;
    let path = "/staff/sites/DE-000001";

    assert_eq!(elsewhere.visit(path).await.status, 404);
    elsewhere.visit("/staff/onboarding").await.says(&["No Site fits"]);
    for step in ["invite", "confirm", "propose", "take-back", "approve", "step", "note"] {
        let fields = [
            ("event", "withdrawn"),
            ("reason", "x"),
            ("item", "sample"),
            ("note", "x"),
            ("text", "x"),
        ];
        let refused = elsewhere.post(&format!("{path}/{step}"), &fields).await;
        assert_eq!(refused.status, 404, "{step}");
    }
    let seen = desk.visit(path).await;
    seen.says(&["Test messages are good", "Notes of staff"]);
    assert!(!seen.text().contains("Next step"));
    desk.submit(&format!("{path}/note"), &[("text", "They called.")]).await.says(&["They called."]);
    assert_eq!(desk.submit(&format!("{path}/note"), &[]).await.errors()[0].0, "text");
    assert_eq!(desk.post(&format!("{path}/invite"), &[]).await.status, 404);
    assert_eq!(status(&clinic, &id).await, SiteStatus::Validated);
    assert_eq!(audited(&clinic.app, "site.note").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_others_send_for_waits_for_their_consent() {
    let clinic = clinic().await;
    let (id, _) =
        site(&clinic, "DE-000001", SiteKind::ThroughFacility, SiteStatus::Validated).await;
    site(&clinic, "SF-000001", SiteKind::SendingFacility, SiteStatus::Production).await;
    clinic.app.link("SF-000001", "DE-000001", LinkStatus::Requested).await;
    let one = staff(&clinic.app, StaffRole::Onboarding, None).await;
    let path = "/staff/sites/DE-000001";

    one.visit(path).await.says(&["Sending Facility agrees to send for it", "Asked for"]);
    let early = one.submit(&format!("{path}/invite"), &[]).await;
    assert!(early.errors()[0].1.contains("has not agreed"), "{}", early.text());
    clinic.app.link("SF-000001", "DE-000001", LinkStatus::Active).await;
    one.submit(&format!("{path}/invite"), &[]).await.says(&["The review has begun"]);
    assert_eq!(status(&clinic, &id).await, SiteStatus::Onboarding);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_step_has_its_reason_and_its_letter() {
    let clinic = clinic().await;
    let (id, rep) = site(&clinic, "DE-000001", SiteKind::Direct, SiteStatus::Validated).await;
    clinic.app.credential("DE-000001", Environment::Test).await;
    let one = staff(&clinic.app, StaffRole::Onboarding, Some(HERE)).await;
    let path = "/staff/sites/DE-000001";
    let step = format!("{path}/step");
    propose(&one, path).await;
    one.submit(&format!("{path}/take-back"), &[]).await.says(&["The proposal is taken back"]);

    assert_eq!(one.submit(&step, &[]).await.errors()[0].0, "event");
    assert_eq!(one.submit(&step, &[("event", "suspended")]).await.errors()[0].0, "reason");
    for event in ["approved", "invited", "criteria-met"] {
        let refused = one.submit(&step, &[("event", event), ("reason", "x")]).await;
        assert_eq!(refused.errors()[0].0, "event", "{event}");
    }
    let steps = [
        ("suspended", SiteStatus::Suspended, "site-suspended"),
        ("reinstated", SiteStatus::Onboarding, "site-reinstated"),
        ("sent-back", SiteStatus::Testing, "review-ended"),
        ("closed", SiteStatus::Inactive, "site-closed"),
        ("reopened", SiteStatus::Registered, "site-reopened"),
        ("withdrawn", SiteStatus::Withdrawn, "site-withdrawn"),
    ];
    for (event, stands, kind) in steps {
        let why = format!("The reason of {event}.");
        one.submit(&step, &[("event", event), ("reason", &why)]).await.says(&["Done.", &why]);
        assert_eq!(status(&clinic, &id).await, stands, "{event}");
        assert_eq!(letters(&clinic, &rep, kind).await, 1, "{kind}");
        let is_closed = matches!(stands, SiteStatus::Inactive | SiteStatus::Withdrawn);
        let all = clinic.app.store().credential_list().await.unwrap();
        let live = all.iter().filter(|one| one.state == CredentialState::Active).count();
        assert_eq!(live, usize::from(!is_closed), "{event}");
    }
    // What was opened again has a credential that nobody has seen.
    assert!(credential(&clinic, "DE-000001-T2").await.unwrap().shown_at.is_none());
    let events = clinic.app.store().site_events(id, 50).await.unwrap();
    assert!(events.iter().all(|one| one.told_at.is_some()), "{events:?}");
    let letter = clinic.app.mail_to(rep.account.email.as_str(), "Your Site is suspended").await;
    assert!(letter.text.contains("- The reason of suspended."), "{}", letter.text);
    one.visit(path).await.says(&["closed for good stays closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_people_close_a_site_and_nobody_elses() {
    let clinic = clinic().await;
    let (id, rep) = site(&clinic, "DE-000001", SiteKind::Direct, SiteStatus::Testing).await;
    let (_, stranger) = site(&clinic, "DE-000002", SiteKind::Direct, SiteStatus::Testing).await;
    clinic.app.credential("DE-000001", Environment::Test).await;
    let owner = clinic.owner(&id).await;
    let path = format!("/organization/{owner}/sites/DE-000001/close");

    stranger.browser.visit("/account").await;
    assert_eq!(stranger.browser.post(&path, &[("event", "closed")]).await.status, 404);
    rep.browser.visit(&path).await.says(&["Close this Site?", "For now", "For good"]);
    assert_eq!(rep.browser.submit(&path, &[]).await.errors()[0].0, "event");
    assert_eq!(rep.browser.submit(&path, &[("event", "closed")]).await.errors()[0].0, "reason");
    assert_eq!(rep.browser.submit(&path, &[("event", "approved")]).await.errors()[0].0, "event");
    clinic.time_passes();
    let fields = [("event", "withdrawn"), ("reason", "We moved to Oregon.")];
    let confirm = rep.browser.post(&path, &fields).await;
    let to = confirm.headers["location"].to_str().unwrap();
    assert!(to.starts_with("/account/confirm"), "{to}");
    assert_eq!(status(&clinic, &id).await, SiteStatus::Testing);

    let again = clinic.sign_in(rep.account.email.as_str()).await;
    again.visit(&path).await;
    again.submit(&path, &fields).await.says(&["Your changes are saved"]);
    assert_eq!(status(&clinic, &id).await, SiteStatus::Withdrawn);
    let ended = credential(&clinic, "DE-000001-T").await.unwrap();
    assert_eq!(ended.state, CredentialState::Revoked);
    assert_eq!(letters(&clinic, &rep, "site-withdrawn").await, 1);
    assert_eq!(again.visit(&path).await.status, 404, "it is closed");
}

/// Sites of which one is validated, one old, one with a vendor, and five elsewhere.
async fn sixty_sites(app: &TestApp) {
    let owner = app.store().organization_create("Many".to_owned(), tester()).await.unwrap().id;
    for number in 1..=60 {
        let there = number > 55;
        let new = NewSite {
            id: Some(format!("DE-{number:06}").parse().unwrap()),
            organization: owner,
            name: if number == 7 { "=Larkspur".to_owned() } else { format!("Clinic {number:02}") },
            kind: SiteKind::Direct,
            clinical: true,
            county: Some(if there { "06037" } else { "06001" }.to_owned()),
            region: Some(if there { THERE } else { HERE }.parse().unwrap()),
            status: if number == 7 { SiteStatus::Validated } else { SiteStatus::Testing },
        };
        app.store().site_create(new, tester()).await.unwrap();
    }
    let dir = app.config.data_dir.clone();
    let old = "UPDATE site SET updated_at = '2026-01-02 00:00:00' WHERE id = 'DE-000009'";
    app.database.change(&dir, old);
    let vendor = "UPDATE site_profile SET ehr_vendor = 'ChartWell' WHERE site_id = 'DE-000012'";
    app.database.change(&dir, vendor);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_finds_sites_page_by_page_and_as_a_file() {
    let clinic = clinic().await;
    let app = &clinic.app;
    sixty_sites(app).await;
    let all = staff(app, StaffRole::Onboarding, None).await;
    let here = staff(app, StaffRole::Onboarding, Some(HERE)).await;

    let first = all.visit("/staff/onboarding").await;
    first.says(&["All 60", "Testing 59", "Test messages are good 1", "Review by CDPH 0"]);
    let listed = |html: &str| html.matches("href=\"/staff/sites/").count();
    assert_eq!(listed(&first.html), 50);
    assert!(first.html.find("DE-000009").unwrap() < first.html.find("DE-000001").unwrap());
    let next = first.html.split("<a href=\"").find(|one| one.contains("after=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let second = all.visit(&next).await;
    assert_eq!(listed(&second.html), 10);
    assert!(!second.html.contains("DE-000009"));

    here.visit("/staff/onboarding").await.says(&["All 55"]);
    for (query, number) in [
        ("region=CAIRLO", 5),
        ("stage=validated", 1),
        ("stage=production", 0),
        ("vendor=chartw", 1),
        ("text=larkspur", 1),
        ("text=de-000059", 1),
        ("text=clinic 3", 10),
        ("older=30", 1),
        ("stage=nonsense&region=nowhere&older=x&order=y", 50),
        ("order=name&text=de-00001", 10),
        ("order=latest&older=7", 1),
    ] {
        let page = all.visit(&format!("/staff/onboarding?{query}")).await;
        assert_eq!((page.status, listed(&page.html)), (200, number), "{query}");
    }
    assert_eq!(listed(&here.visit("/staff/onboarding?region=CAIRLO").await.html), 0);

    let file = here.ask("/staff/onboarding.csv?stage=validated").await;
    let about = file.headers["content-disposition"].to_str().unwrap();
    assert!(about.starts_with("attachment; filename=\"sites-"), "{about}");
    let rows: Vec<_> = file.html.lines().collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let row = "DE-000007,'=Larkspur,Sends directly from its EHR,CAIRBA,,Test messages are good,";
    assert!(rows[1].starts_with(row), "{}", rows[1]);
    assert!(rows[1].ends_with(",CDPH begins the review"), "{}", rows[1]);
    assert_eq!(all.ask("/staff/onboarding.csv").await.html.lines().count(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_tells_the_facts_and_is_found_by_its_code_alone() {
    let clinic = clinic().await;
    let (id, rep) = site(&clinic, "DE-000001", SiteKind::Direct, SiteStatus::Registered).await;
    let sender = clinic.app.credential("DE-000001", Environment::Test).await;
    let owner = clinic.owner(&id).await;
    let path = format!("/organization/{owner}/sites/DE-000001/statement");
    let year = izportal::domain::Timestamp::now().pacific().format("%Y").to_string();

    rep.browser.visit(&path).await.says(&["Option 1: completed registration", "Not checked"]);
    let bad = vxu("BAD-1", &[("|20250115|F|", "||F|")]);
    clinic.app.submit(&sender, &bad).await.hl7();
    clinic
        .app
        .until("counted", async || {
            clinic.app.store().progress_of(id.clone()).await.unwrap().tests == 1
        })
        .await;
    let preview = rep.browser.visit(&path).await;
    preview.says(&["Option 2: testing and validation", "it counts as a test", "not prove"]);
    assert_eq!(rep.browser.visit(&format!("{path}?year=1999")).await.status, 404);

    let issued = rep.browser.submit(&path, &[("year", &year), ("form", "page")]).await;
    issued.says(&["Site DE-000001", "Option 2", "Check it"]);
    let code = issued.html.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    rep.browser.visit(&path).await.says(&["Issued so far"]);
    assert_eq!(audited(&clinic.app, "statement.issue").await, 1);

    let anybody = clinic.app.browser();
    anybody.visit("/verify-statement").await;
    let typed = code.to_uppercase().replace('-', " ");
    let found = anybody.submit("/verify-statement", &[("code", &typed)]).await;
    found.says(&["We issued this statement", "Site DE-000001", "still so today"]);

    let last = if code.ends_with('x') { "y" } else { "x" };
    let tampered = format!("{}{last}", &code[..code.len() - 1]);
    let mut answers = vec![];
    anybody.visit("/verify-statement").await;
    for wrong in [tampered.as_str(), "nothing like it", "1"] {
        let page = anybody.submit("/verify-statement", &[("code", wrong)]).await;
        answers.push((page.status, page.errors()));
    }
    assert!(answers[0].1[0].1.contains("We issued no statement"), "{answers:?}");
    assert!(answers.iter().all(|one| *one == answers[0]), "{answers:?}");

    let deed = tester();
    let closed = izportal::domain::StageEvent::Closed;
    clinic.app.store().site_step(id, closed, None, deed).await.unwrap();
    clinic.app.database.change(
        &clinic.app.config.data_dir.clone(),
        "UPDATE organization SET name = 'Another name' WHERE name = 'DE-000001'",
    );
    anybody.visit("/verify-statement").await;
    let changed = anybody.submit("/verify-statement", &[("code", &typed)]).await;
    changed.says(&["Something has changed", "Today Another name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_a_pdf_and_codes_cannot_be_tried_for_ever() {
    let clinic = clinic().await;
    let (id, rep) = site(&clinic, "DE-000001", SiteKind::Direct, SiteStatus::Production).await;
    let path = format!("/organization/{}/sites/DE-000001/statement", clinic.owner(&id).await);
    let year = izportal::domain::Timestamp::now().pacific().format("%Y").to_string();
    rep.browser.visit(&path).await.says(&["Option 3: production"]);
    let file = rep.browser.post(&path, &[("year", &year), ("form", "pdf")]).await;
    assert_eq!(file.headers["content-type"], "application/pdf");
    let about = file.headers["content-disposition"].to_str().unwrap();
    assert_eq!(about, format!("attachment; filename=\"statement-DE-000001-{year}.pdf\""));
    assert!(file.html.starts_with("%PDF-1.7"), "it is a PDF");
    assert!(file.html.contains("(Option 3: production)") && file.html.contains("startxref"));

    let guesser = clinic.app.browser();
    guesser.visit("/verify-statement").await;
    let mut statuses = vec![];
    for number in 0..70 {
        let code = format!("00000-00000-00000-000{number:02}");
        statuses.push(guesser.post("/verify-statement", &[("code", &code)]).await.status);
    }
    assert_eq!(statuses[0], 200);
    assert!(statuses.contains(&429), "{statuses:?}");
}
