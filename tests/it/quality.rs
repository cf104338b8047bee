//! Pages about data quality: what they show is what was sent, to whom it belongs, and as files.

use std::time::Duration;

use izportal::domain::{Environment, Role, StaffRole, TallyScope, Timestamp};
use izportal::store::{RetentionLimits, TallyFilter};

use crate::staff::staff;
use crate::support::browser::Browser;
use crate::support::clinic::Clinic;
use crate::support::{TestApp, vxu};

/// Waits until so many messages are counted for a subject, and so many of them delivered.
pub(crate) async fn counted(
    app: &TestApp,
    scope: TallyScope,
    subject: &str,
    (messages, delivered): (u64, u64),
) {
    let mut seen = (0, 0);
    for _ in 0..400 {
        let now = Timestamp::now();
        let filter = TallyFilter {
            scope,
            subject: Some(subject.to_owned()),
            environment: Environment::Test,
            from: now.minus(Duration::from_hours(48)),
            until: now.plus(Duration::from_hours(48)),
        };
        let rows = app.store().tally_list(filter).await.unwrap();
        let sum: izportal::domain::Tally = rows.iter().map(|row| &row.tally).sum();
        seen = (sum.messages, sum.delivered);
        if seen == (messages, delivered) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{scope} {subject}: {seen:?} counted and delivered, not {messages} and {delivered}");
}

/// A file of a page: its lines.
pub(crate) async fn file(browser: &Browser, path: &str) -> Vec<String> {
    let page = browser.visit(path).await;
    assert_eq!(page.status, 200, "{}", page.html);
    assert_eq!(page.headers["content-type"], "text/csv; charset=utf-8");
    let disposition = page.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"") && disposition.ends_with(".csv\""));
    page.html.lines().map(str::to_owned).collect()
}

#[track_caller]
fn has(lines: &[String], line: &str) {
    assert!(lines.iter().any(|one| one == line), "{line}: {lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_of_the_messages_and_nobody_elses() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (organization, _, sender) = clinic.direct("DE-000001").await;
    let (other, _, other_sender) = clinic.direct("DE-000002").await;
    let of_other = vxu("OTHER", &[("DE-000001", "DE-000002")]);
    app.submit(&other_sender, &of_other).await.hl7();
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    app.submit(&sender, &vxu("TWO", &[("2186-5^Not Hispanic or Latino^CDCREC", "")])).await.hl7();
    app.submit(&sender, &vxu("THREE", &[("|20250115|F|", "||F|")])).await.hl7();
    counted(app, TallyScope::Site, "DE-000001", (3, 2)).await;
    counted(app, TallyScope::Site, "DE-000002", (1, 1)).await;
    let person = clinic.person(organization, "qa@example.org", Role::DxQa).await;
    let base = format!("/organization/{organization}");
    let site = format!("{base}/sites/DE-000001/quality");

    let page = person.browser.visit(&format!("{site}?environment=test&days=7")).await;
    page.is_at(&site).says(&["Data quality of Site DE-000001", "All of Bay Area", "66 %", "PID-7"]);
    assert!(page.html.contains("role=\"img\"") && !page.html.contains("style="), "{}", page.html);
    assert!(!page.html.contains("DE-000002"), "another Site is not named");

    let asked = |table: &str| format!("{site}?environment=test&days=7&csv={table}");
    let figures = file(&person.browser, &asked("figures")).await;
    has(&figures, "Measure,Number,Share,All of Bay Area,Asked for");
    has(&figures, "Accepted,2,66,75,90");
    has(&figures, "Refused,1,33,25,");
    has(&figures, "Taken by the registry,2,100,100,");
    let elements = file(&person.browser, &asked("elements")).await;
    has(&elements, "ethnicity,PID-22,2,1,50,66,95,missed");
    has(&elements, "lot number,RXA-15,2,2,100,100,95,met");
    let time = file(&person.browser, &asked("time")).await;
    let today = Timestamp::now().utc().format("%Y-%m-%d");
    assert_eq!(time.len(), 8, "a week and the heading");
    assert!(time[1].starts_with(&format!("{today},3,2,")), "{time:?}");
    let findings = file(&person.browser, &asked("findings")).await;
    assert!(findings.iter().any(|line| line.contains(",PID-7,Error,1,33,")), "{findings:#?}");

    let all = file(&person.browser, &format!("{base}/quality?environment=test&csv=sites")).await;
    has(
        &all,
        &format!(
            "Site DE-000001,DE-000001,3,66,{},{today}",
            if time[1].contains(",3,2,2,") { 66 } else { 33 }
        ),
    );
    let empty = person.browser.visit(&format!("{site}?environment=production")).await;
    empty.says(&["No messages yet"]);
    let year = file(&person.browser, &format!("{site}?environment=test&days=364&csv=time")).await;
    assert_eq!(year.len(), 53, "52 weeks and the heading");

    for path in
        [format!("{base}/sites/DE-000002/quality"), format!("/organization/{other}/quality")]
    {
        assert_eq!(person.browser.visit(&path).await.status, 404, "{path}");
    }
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_compare_in_their_regions_the_worst_first() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (_, _, sender) = clinic.direct("DE-000001").await;
    let (_, _, other) = clinic.direct("DE-000002").await;
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    app.submit(&other, &vxu("BAD", &[("DE-000001", "DE-000002"), ("|20250115|F|", "||F|")]))
        .await
        .hl7();
    counted(app, TallyScope::Region, "CAIRBA", (2, 1)).await;
    let here = staff(app, StaffRole::Onboarding, Some("CAIRBA")).await;
    let elsewhere = staff(app, StaffRole::Onboarding, Some("CAIRLO")).await;
    let registrar = staff(app, StaffRole::Registrar, None).await;
    let admin = staff(app, StaffRole::Administrator, None).await;

    let asked = "environment=test&days=30";
    let page = here.visit(&format!("/staff/quality?{asked}")).await;
    page.is_at("/staff/quality").says(&["Bay Area", "50 %"]);
    let sites = file(&here, &format!("/staff/quality?of=site&{asked}&csv=comparison")).await;
    assert!(sites[1].starts_with("Site DE-000002,DE-000002,1,0,0,"), "{sites:?}");
    assert!(sites[2].starts_with("Site DE-000001,DE-000001,1,1,100,"), "{sites:?}");
    let one = format!("/staff/quality?of=site&subject=DE-000002&{asked}");
    here.visit(&one).await.says(&["Data quality of Site DE-000002", "PID-7"]);

    assert_eq!(elsewhere.visit(&one).await.status, 404);
    let region = format!("/staff/quality?of=region&subject=CAIRBA&{asked}");
    assert_eq!(elsewhere.visit(&region).await.status, 404);
    assert_eq!(here.visit(&region).await.status, 200);
    let vendors = format!("/staff/quality?of=vendor&{asked}");
    assert_eq!(here.visit(&vendors).await.status, 404, "vendors have Sites in every region");
    admin.visit(&vendors).await.says(&["No messages yet"]);
    assert_eq!(registrar.visit("/staff/quality").await.status, 404);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_end_with_the_metadata() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    counted(&app, TallyScope::Site, "DE-000001", (1, 1)).await;
    let days = |days: u64| Duration::from_hours(24 * days);
    let limits = RetentionLimits { bodies: days(90), metadata: days(400), letters: days(90) };
    let rows = || app.database.count(&app.config.data_dir, "tally");

    let later = |time| Timestamp::now().plus(time);
    app.store().retention_sweep(limits, later(days(399))).await.unwrap();
    assert!(rows() > 0, "they are kept as long as the metadata");
    let removed = app.store().retention_sweep(limits, later(days(402))).await.unwrap();
    assert_eq!(rows(), 0);
    assert!(removed.counts >= 3, "{removed:?}");
    app.app.stop().await;
}
