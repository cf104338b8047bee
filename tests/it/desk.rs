//! What staff read at their desks and what leads there: the audit trail, the outbox, the letters of a trial, claims.

use izportal::domain::{
    Letter, LetterState, MembershipState, MessageId, RequestState, Role, StaffRole, Timestamp,
};
use izportal::mail::{Footer, compose};
use izportal::store::{AuditFilter, Queued};

use crate::audit::forge;
use crate::registration::fill_in;
use crate::staff::{audited, staff};
use crate::support::browser::{Browser, Mail, Page};
use crate::support::clinic::Clinic;
use crate::support::{TestApp, free_address, tester};

const HERE: &str = "CAIRBA";
const THERE: &str = "CAIRLO";

/// Events about an object, with cells that a spreadsheet would run.
async fn note(app: &TestApp, object: &str, before: Option<&str>, after: &str) {
    let (before, after) = (before.map(str::to_owned), Some(after.to_owned()));
    let object = object.to_owned();
    app.store().audit_note(tester(), "test.note", object, before, after).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_browsed_by_object_actor_action_and_day() {
    let app = TestApp::start().await;
    for number in 0..60 {
        note(&app, "site DE-000001", None, &format!("note {number}.")).await;
    }
    let values = (r#"{"name":"Old","zip":"94501"}"#, r#"{"name":"New","zip":"94501"}"#);
    note(&app, "site DE-000002", Some(values.0), values.1).await;
    let auditor = staff(&app, StaffRole::Auditor, None).await;

    let first = auditor.visit("/staff/audit?object=de-000001").await;
    let more = first.html.split("<a href=\"/staff/audit?").nth(1).unwrap();
    let more = more.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let second = auditor.visit(&format!("/staff/audit?{more}")).await;
    let values = auditor.visit("/staff/audit?object=site+DE-000002").await;
    let none = auditor.visit("/staff/audit?object=site&to=2001-01-01").await;
    let today = Timestamp::now().pacific().format("%Y-%m-%d");
    let by = format!("/staff/audit?action=test&actor={}&from={today}", tester().actor);
    let by = auditor.visit(&by.replace(' ', "+")).await;
    let user = auditor.visit("/staff/audit?object=u-000001&action=account").await;
    let wrong = auditor.visit("/staff/audit?from=yesterday&to=2020-02-30").await;
    let turned = auditor.visit("/staff/audit?from=2026-02-02&to=2026-02-01").await;

    first.is_at("/staff/audit").says(&["note 59.", "note 10.", "site DE-000001"]);
    assert!(!first.text().contains("note 9."), "{}", first.text());
    second.says(&["note 9.", "note 0."]);
    assert!(!second.text().contains("note 10.") && !second.text().contains("Older events"));
    values.says(&["What changed", "name Old New"]);
    assert!(!values.text().contains("94501"), "only what differs: {}", values.text());
    none.says(&["No event fits"]);
    by.says(&["test.note", "note 59."]);
    user.says(&["account.create", "Rosa Inventa"]);
    let errors: Vec<_> = wrong.errors().into_iter().map(|(field, _)| field).collect();
    assert_eq!(errors, ["from", "to"]);
    assert_eq!(turned.errors()[0].0, "to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_trail_holds_the_filter_runs_nowhere_and_is_told_itself() {
    let app = TestApp::start().await;
    note(&app, "site DE-000001", None, "=HYPERLINK(\"https://evil.example\")").await;
    note(&app, "site DE-000001", Some("a,b\n\"c\""), "@SUM(1)").await;
    note(&app, "site DE-000002", None, "another").await;
    let auditor = staff(&app, StaffRole::Auditor, None).await;
    auditor.visit("/staff/audit").await;
    let export = async |form: &str, object: &str, from: &str| -> Page {
        let fields = [("form", form), ("object", object), ("from", from)];
        auditor.post("/staff/audit/export", &fields).await
    };

    let csv = export("csv", "site DE-000001", "").await;
    let lines = export("jsonl", "DE-000001", "").await;
    let wrong = export("csv", "", "never").await;
    let none = export("xml", "", "").await;

    let today = Timestamp::now().utc().format("%Y-%m-%d");
    let disposition = format!("attachment; filename=\"audit-{today}.csv\"");
    assert_eq!(csv.headers["content-disposition"], disposition.as_str());
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let mut reader = csv::Reader::from_reader(csv.html.as_bytes());
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let notes: Vec<_> = rows.iter().filter(|row| &row[3] == "test.note").collect();
    assert_eq!(notes.len(), 2, "{}", csv.html);
    assert_eq!(&notes[0][6], "'=HYPERLINK(\"https://evil.example\")");
    assert_eq!((&notes[1][5], &notes[1][6]), ("a,b\n\"c\"", "'@SUM(1)"));
    assert!(!csv.html.contains("another"));
    let events: Vec<serde_json::Value> =
        lines.html.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let after = events.iter().filter(|one| one["action"] == "test.note").map(|one| &one["after"]);
    assert_eq!(after.collect::<Vec<_>>(), ["=HYPERLINK(\"https://evil.example\")", "@SUM(1)"]);
    assert_eq!(wrong.errors()[0].0, "from");
    assert_eq!(none.errors()[0].0, "main");
    let filter = AuditFilter { action: Some("audit.export".to_owned()), ..AuditFilter::default() };
    let told = app.store().audit_list(filter, 10).await.unwrap();
    let told: Vec<_> = told.into_iter().filter_map(|one| one.after).collect();
    assert_eq!(told, ["jsonl; object DE-000001", "csv; object site DE-000001"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_says_whether_it_holds() {
    let app = TestApp::start().await;
    note(&app, "site DE-000001", None, "one").await;
    let auditor = staff(&app, StaffRole::Auditor, None).await;
    let head = app.store().audit_head().await.unwrap();

    let before = auditor.visit("/staff/audit").await;
    let good = auditor.submit("/staff/audit/verify", &[]).await;
    forge(&app, "UPDATE audit_event SET actor = 'somebody' WHERE action = 'test.note'");
    let bad = auditor.submit("/staff/audit/verify", &[]).await;

    before.says(&["Head of the chain", &head]);
    good.says(&["The chain holds: all"]);
    bad.says(&["The chain is broken at event"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_and_the_outbox_lie_in_no_region() {
    let app = TestApp::start().await;
    let auditor = staff(&app, StaffRole::Auditor, Some(HERE)).await;
    let desk = staff(&app, StaffRole::HelpDesk, Some(HERE)).await;

    assert_eq!(auditor.ask("/staff/audit").await.status, 404);
    assert_eq!(auditor.ask("/staff/mail").await.status, 404);
    assert_eq!(desk.ask("/staff/mail").await.status, 404);
    let home = desk.visit("/staff").await;
    assert!(!home.html.contains("/staff/mail") && !home.html.contains("/staff/audit"));
}

/// A word that stands in a letter and nowhere else.
const SECRET: &str = "k3y-canary-77aa";

fn letter(app: &TestApp) -> Letter {
    let footer = Footer { service: "IZ Portal".to_owned(), help_desk: "800-555-0100".to_owned() };
    let url = format!("{}/verify/{SECRET}", app.app.public_url);
    compose("verify-address", format!("Confirm {SECRET}"))
        .greeting("Rosa")
        .link("Confirm", url)
        .link("Elsewhere", "https://example.org/")
        .to("rosa@example.org".parse().unwrap(), &footer)
}

async fn queue(app: &TestApp) -> MessageId {
    match app.store().letter_queue(letter(app), Timestamp::now()).await.unwrap() {
        Queued::Letter(id) => id,
        Queued::Capped => panic!("capped"),
    }
}

/// A service whose mail server is not there.
async fn without_post() -> TestApp {
    let port = free_address().port();
    let mail =
        format!("[mail]\nsmtp = \"smtp+plain://127.0.0.1:{port}\"\nfrom = \"iz@example.gov\"\n");
    TestApp::with(&mail).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_desk_sees_what_became_of_a_letter_but_not_its_words() {
    let app = without_post().await;
    let id = queue(&app).await;
    app.until("the first attempt failed", async || {
        app.store().letter_record(id).await.unwrap().last_error.is_some()
    })
    .await;
    let desk = staff(&app, StaffRole::HelpDesk, None).await;
    let registrar = staff(&app, StaffRole::Registrar, None).await;
    let path = format!("/staff/mail/{id}");

    let list = desk.visit("/staff/mail?state=queued&kind=verify-address&to=Rosa@example.org").await;
    let other = desk.visit("/staff/mail?to=nobody@example.org").await;
    let wrong = desk.visit("/staff/mail?to=nobody").await;
    let one = desk.visit(&path).await;
    let early = desk.submit(&format!("{path}/retry"), &[]).await;
    let ended = desk.submit(&format!("{path}/give-up"), &[]).await;
    let twice = desk.submit(&format!("{path}/give-up"), &[]).await;
    let again = desk.submit(&format!("{path}/retry"), &[]).await;

    list.says(&["rosa@example.org", "Confirm the address", "Waiting"]);
    other.says(&["No email fits", "wait"]);
    assert_eq!(wrong.errors()[0].0, "to");
    one.says(&["Waiting", "Next attempt", "Last error"]);
    assert!(early.errors()[0].1.contains("queued"), "{:?}", early.errors());
    ended.is_at(&path).says(&["The email is given up", "Given up"]);
    assert!(twice.errors()[0].1.contains("given-up"), "{:?}", twice.errors());
    again.is_at(&path).says(&["The email goes out again", "Waiting"]);
    for page in [&list, &one, &ended, &again] {
        assert!(!page.html.contains(SECRET), "{}", page.html);
    }
    assert_eq!(
        (audited(&app, "letter.give-up").await, audited(&app, "letter.retry").await),
        (1, 1)
    );
    registrar.visit("/staff").await;
    for step in ["", "/retry", "/give-up"] {
        let page = registrar.post(&format!("{path}{step}"), &[]).await;
        assert_eq!(page.status, 404, "{step}");
    }
    assert_eq!(registrar.ask(&path).await.status, 404);
    assert_eq!(desk.ask("/staff/mail/0000000000000").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_shows_its_letters_with_links_that_work() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let id = queue(&app).await;
    app.until("the email is held", async || {
        app.store().letter_record(id).await.unwrap().state == LetterState::Held
    })
    .await;

    let start = browser.visit("/register").await;
    let list = browser.visit("/mail").await;
    let one = browser.visit(&format!("/mail/{id}")).await;

    assert!(start.html.contains("<a href=\"/mail\">"), "the banner leads there");
    list.says(&["exists only in a trial", "rosa@example.org", "Confirm"]);
    one.says(&["exists only in a trial", "To rosa@example.org", "https://example.org/"]);
    assert!(one.html.contains(&format!("<a href=\"/verify/{SECRET}\">")), "{}", one.html);
    assert!(!one.html.contains("href=\"https://example.org"), "{}", one.html);
    assert_eq!(audited(&app, "letter.read").await, 1);
    for path in ["/mail/0000000000000", "/mail/nothing"] {
        assert_eq!(browser.ask(path).await.status, 404, "{path}");
    }
    fill_in(&browser, "direct").await;
    let sent = browser.submit("/register/review", &[]).await;
    sent.is_at("/register/sent").says(&["read the email here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_mail_server_nobody_reads_letters() {
    let app = without_post().await;
    let id = queue(&app).await;
    app.store().letter_give_up(id, tester()).await.unwrap();
    let browser = app.browser();

    for path in ["/mail".to_owned(), format!("/mail/{id}")] {
        assert_eq!(browser.ask(&path).await.status, 404, "{path}");
    }
    assert!(!browser.visit("/register").await.html.contains("href=\"/mail\""));
}

const EVA: &str = "eva@example.org";

fn claim(site: &str) -> Vec<(&'static str, String)> {
    [
        ("claimed_site", site),
        ("claimant_first_name", "Eva"),
        ("claimant_last_name", "Erfunden"),
        ("claimant_position", "Office manager"),
        ("claimant_phone", "510-555-0133"),
        ("claimant_email", EVA),
        ("claimant_email_again", "Eva@example.org"),
        ("claim_reason", "The manager who registered it has left."),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

async fn post_claim(browser: &Browser, fields: &[(&str, String)]) -> Page {
    browser.visit("/claim").await;
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.submit("/claim", &fields).await
}

/// Makes a claim and confirms its address: what the visitor saw on the way, the number left out.
async fn claimed(app: &TestApp, site: &str) -> Vec<String> {
    let browser = app.browser();
    let asked = post_claim(&browser, &claim(site)).await;
    let of_site = |mail: &Mail| mail.text.contains(site) && mail.subject.contains("Confirm");
    app.until("the email is there", async || app.mails_to(EVA).await.iter().any(of_site)).await;
    let mails = app.mails_to(EVA).await;
    let link = mails.iter().find(|mail| of_site(mail)).unwrap().link("/claim/");
    let page = browser.visit(&link).await;
    let done = browser.submit(&link, &[]).await;
    let again = browser.submit(&link, &[]).await;
    again.says(&["This link does not work any more"]);
    let unnumbered = |page: &Page| {
        let text = page.text().replace(site, "SITE");
        text.chars().filter(|one| !one.is_ascii_digit()).collect::<String>()
    };
    vec![unnumbered(&asked), unnumbered(&page), unnumbered(&done)]
}

async fn newest(app: &TestApp) -> izportal::domain::Request {
    let filter = izportal::store::RequestFilter {
        views: izportal::domain::RequestViews::all(),
        kind: None,
        states: vec![],
        region: None,
        organization: None,
        text: String::new(),
        after: None,
        limit: 100,
    };
    app.store().request_list(filter).await.unwrap().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_claim_makes_a_representative_and_the_others_are_told() {
    let clinic = Clinic::open().await;
    let (organization, ..) = clinic.direct("DE-000007").await;
    clinic.representative(organization).await;
    let app = &clinic.app;
    claimed(app, "DE-000007").await;
    let held = newest(app).await;
    let path = format!("/staff/requests/{}", held.id);
    let here = staff(app, StaffRole::Registrar, Some(HERE)).await;
    let there = staff(app, StaffRole::Registrar, Some(THERE)).await;

    assert_eq!(there.ask(&path).await.status, 404);
    let page = here.visit(&path).await;
    page.says(&[
        "Claim of Site DE-000007",
        "Claims to represent this Site",
        "Somebody represents the organization already",
        "Erfunden",
        "510-555-0133",
        "The manager who registered it has left.",
    ]);
    let fields = [("step", "approve"), ("text", "We have telephoned.")];
    here.submit(&path, &fields).await.says(&["Approved."]);

    let letter = app.mail_to(EVA, "You represent Site DE-000007").await;
    assert!(letter.text.contains("We have telephoned."), "{}", letter.text);
    letter.link("/set-password/");
    app.mail_to(&format!("rep{organization}@example.org"), "Another person represents").await;
    let eva = app.store().account_by_email(EVA.parse().unwrap()).await.unwrap().unwrap();
    let places = app.store().membership_of_account(eva.id).await.unwrap();
    let [place] = places.as_slice() else { panic!("{places:?}") };
    assert_eq!((place.organization, place.role), (organization, Role::Representative));
    assert_eq!(place.state, MembershipState::Active);
    assert!(clinic.told("site DE-000007").await.contains(&"claim.approve".to_owned()));
    let site = app.store().site_by_id("DE-000007".parse().unwrap()).await.unwrap();
    assert_eq!(site.name, "Site DE-000007", "nothing else has changed");
    assert_eq!(here.submit(&path, &fields).await.status, 409, "it is decided");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_answered_alike_whether_the_site_is_there_or_not() {
    let clinic = Clinic::open().await;
    clinic.direct("DE-000007").await;
    let app = &clinic.app;

    let (there, nowhere) = (claimed(app, "DE-000007").await, claimed(app, "DE-000999").await);

    assert_eq!(there, nowhere);
    let held = newest(app).await;
    assert_eq!(
        (held.site.as_ref(), held.region, held.title.as_str()),
        (None, None, "Claim of Site DE-000999")
    );
    let path = format!("/staff/requests/{}", held.id);
    let here = staff(app, StaffRole::Registrar, Some(HERE)).await;
    assert_eq!(here.ask(&path).await.status, 404, "it lies in no region");
    let registrar = staff(app, StaffRole::Registrar, None).await;
    registrar.visit(&path).await.says(&["No Site has this Site ID"]);
    let refused = registrar.submit(&path, &[("step", "approve"), ("text", "")]).await;
    assert!(refused.errors()[0].1.contains("No Site has the Site ID"), "{:?}", refused.errors());
    let declined = registrar.submit(&path, &[("step", "decline"), ("text", "Which Site?")]).await;
    declined.says(&["Declined."]);
    let letter = app.mail_to(EVA, "Your claim of a Site was declined").await;
    assert!(letter.text.contains("Which Site?"), "{}", letter.text);
    assert_eq!(newest(app).await.state, RequestState::Declined);
    assert!(app.store().account_by_email(EVA.parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_claim_says_what_is_wrong_with_it() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let with = |name: &str, bad: &str| {
        let mut fields = claim("DE-000007");
        for (field, value) in &mut fields {
            if *field == name {
                bad.clone_into(value);
            }
        }
        fields
    };

    let empty = post_claim(&browser, &[]).await;
    assert_eq!(empty.errors().len(), 8, "{:?}", empty.errors());
    for (field, bad) in [
        ("claimed_site", "?"),
        ("claimant_first_name", "\u{7}"),
        ("claimant_last_name", &"x".repeat(61)),
        ("claimant_position", &"x".repeat(61)),
        ("claimant_phone", "12"),
        ("claimant_email_again", "other@example.org"),
        ("claim_reason", &"x".repeat(1001)),
    ] {
        let page = post_claim(&browser, &with(field, bad)).await;
        let errors = page.errors();
        assert_eq!(errors.len(), 1, "{field}: {errors:?}");
        assert_eq!(errors[0].0, field);
    }
    let prefilled = browser.visit("/claim?site=DE-000007").await;
    assert!(prefilled.html.contains("value=\"DE-000007\""));
    for path in ["/claim/nothing", "/claim/00000000000000000000000000000000"] {
        browser.visit(path).await.says(&["This link does not work any more"]);
        browser.submit(path, &[]).await;
    }
    assert!(app.mails_to(EVA).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_review_leads_to_the_claim_of_a_site_of_the_same_name() {
    let app = TestApp::start().await;
    let first = app.browser();
    fill_in(&first, "direct").await;
    first.submit("/register/review", &[]).await;
    let link = app.mail_to("ana@larkspur.example", "Confirm").await.link("/verify/");
    first.visit(&link).await;
    first.submit(&link, &[]).await.says(&["is registered"]);

    let second = app.browser();
    let review = fill_in(&second, "direct").await;

    review.says(&["Is this Site registered already?", "this Site is mine"]);
    let to = review.html.split("href=\"/claim?site=").nth(1).unwrap().split('"').next().unwrap();
    let page = second.visit(&format!("/claim?site={to}")).await;
    assert!(page.html.contains(&format!("value=\"{to}\"")), "{}", page.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_claim_of_the_same_site_is_told_of_the_first() {
    let clinic = Clinic::open().await;
    clinic.direct("DE-000007").await;
    clinic.direct("DE-000008").await;
    let app = &clinic.app;
    let open = async |site: &str| {
        let told = claimed(app, site).await;
        // The letter of this claim is not the one of the next.
        app.database.change(&app.config.data_dir, "DELETE FROM letter");
        told.into_iter().next_back().unwrap()
    };

    for site in ["DE-000007", "DE-000999"] {
        let (first, second) = (open(site).await, open(site).await);
        assert!(first.contains("Your claim has arrived"), "{first}");
        assert!(second.contains("You have claimed this Site already"), "{second}");
        assert!(second.contains("no second one was made"), "{second}");
    }
    let another = open("DE-000008").await;
    assert!(another.contains("Your claim has arrived"), "{another}");
    assert_eq!(crate::enrolment::waiting(app).await.len(), 3);
    assert_eq!(audited(app, "claim.again").await, 2);

    // One that is decided does not stand in the way of another.
    let held = crate::enrolment::waiting(app).await.remove(0);
    let registrar = staff(app, StaffRole::Registrar, None).await;
    let path = format!("/staff/requests/{}", held.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "decline"), ("text", "Ask the manager.")]).await;
    let again = open("DE-000007").await;
    assert!(again.contains("Your claim has arrived"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimant_who_was_invited_and_never_came_gets_the_way_to_a_password() {
    let clinic = Clinic::open().await;
    let (other, ..) = clinic.direct("DE-000006").await;
    clinic.direct("DE-000007").await;
    let app = &clinic.app;
    let new = crate::support::people::user(EVA, &[Role::DxQa]);
    clinic.sites.user_add_as(other, new, clinic.by()).await.unwrap();
    let first = app.mail_to(EVA, "Set the password").await.link("/set-password/");
    claimed(app, "DE-000007").await;
    let registrar = staff(app, StaffRole::Registrar, None).await;
    let path = format!("/staff/requests/{}", newest(app).await.id);
    registrar.visit(&path).await;
    registrar.submit(&path, &[("step", "approve"), ("text", "")]).await.says(&["Approved."]);

    let letter = app.mail_to(EVA, "You represent Site DE-000007").await;
    assert!(!letter.text.contains("/sign-in"), "{}", letter.text);
    let link = letter.link("/set-password/");
    let browser = app.browser();
    browser.visit(&first).await.says(&["This link does not work any more"]);
    browser.visit(&link).await;
    let password = crate::support::people::PASSWORD;
    browser.submit(&link, &[("password", password), ("again", password)]).await;
    clinic.sign_in(EVA).await.visit("/account").await.says(&["DE-000006", "DE-000007"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_shown_only_where_nobody_else_can_ask() {
    let database = crate::support::TestDatabase::new();
    let dir = tempfile::TempDir::new().unwrap();
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let app = TestApp::listening(everywhere, database, dir, "").await;
    let id = queue(&app).await;
    app.until("the email is held", async || {
        app.store().letter_record(id).await.unwrap().state == LetterState::Held
    })
    .await;
    let browser = app.browser();

    for path in ["/mail".to_owned(), format!("/mail/{id}")] {
        assert_eq!(browser.ask(&path).await.status, 404, "{path}");
    }
    let page = browser.visit("/register").await;
    assert!(page.status == 200 && !page.html.contains("href=\"/mail\""), "{}", page.html);
    assert_eq!(audited(&app, "letter.read").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_in_files_go_with_the_words_of_letters() {
    let app = TestApp::start().await;
    let now = Timestamp::now();
    let day =
        |days: u64| MessageId::first_at(now.minus(std::time::Duration::from_hours(24 * days)));
    let folder = app.config.data_dir.join("mail");
    let id = queue(&app).await;
    let kept = folder.join(format!("{id}.eml"));
    app.until("the email lies there", async || kept.exists()).await;
    let [old, young] = [91, 89].map(|days| folder.join(format!("{}.eml", day(days))));
    for file in [&old, &young] {
        std::fs::copy(&kept, file).unwrap();
    }

    let app = app.restart("").await;

    app.until("the old one is gone", async || !old.exists()).await;
    assert!(kept.exists() && young.exists());
}
