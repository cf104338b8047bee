//! Notices of CDPH: written by who may, seen by whom they are for, for their time, and maintenance told by itself.

use std::time::Duration;

use izportal::domain::{Environment, Role, StaffRole, Timestamp};
use izportal::store::Action;

use crate::staff::{audited, staff};
use crate::support::browser::{Browser, Page};
use crate::support::clinic::Clinic;
use crate::support::tester;

fn local(at: Timestamp) -> String {
    at.pacific().format("%Y-%m-%dT%H:%M").to_string()
}

fn hours(hours: u64) -> Timestamp {
    Timestamp::now().plus(Duration::from_hours(hours))
}

/// Whether the banner of a page says it.
fn banner(page: &Page, text: &str) -> bool {
    let (_, rest) = page.html.split_once("aria-label=\"Notices\"").unwrap_or(("", ""));
    rest.split("</section>").next().unwrap().contains(text)
}

/// Writes a notice for an audience that is shown now.
async fn write(browser: &Browser, title: &str, audience: &str) -> Page {
    browser.visit("/staff/notices/new").await;
    let (begins, ends) = (local(Timestamp::now().minus(Duration::from_hours(1))), local(hours(5)));
    let fields = [
        ("title", title),
        ("text", "Answers take <b>longer</b>.\nWe are sorry."),
        ("level", "warning"),
        ("audience", audience),
        ("begins", &begins),
        ("ends", &ends),
        ("step", "publish"),
    ];
    browser.submit("/staff/notices/new", &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_seen_by_those_whom_it_is_for() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    app.store().directory_refresh().await.unwrap();
    let member = clinic.person(organization, "qa@example.org", Role::DxQa).await.browser;
    let la = staff(app, StaffRole::Onboarding, Some("CAIRLO")).await;
    let desk = staff(app, StaffRole::HelpDesk, None).await;
    let visitor = app.browser();

    for (title, audience) in
        [("All slow", "everybody"), ("Signed slow", "signed-in"), ("Bay slow", "CAIRBA")]
    {
        let page = write(&desk, title, audience).await;
        page.is_at("/staff/notices").says(&["The notice is kept", title, "Shown now"]);
    }
    assert_eq!(audited(app, "notice.write").await, 3);
    let home = format!("/organization/{organization}");
    for (browser, path, seen) in [
        (&visitor, "/", [true, false, false]),
        (&visitor, "/where", [true, false, false]),
        (&member, home.as_str(), [true, true, true]),
        (&la, "/staff", [true, true, false]),
        (&desk, "/staff", [true, true, true]),
    ] {
        let page = browser.visit(path).await;
        let shown = ["All slow", "Signed slow", "Bay slow"].map(|title| banner(&page, title));
        assert_eq!(shown, seen, "{path}: {}", page.html);
    }
    let page = visitor.visit("/").await;
    assert!(page.html.contains("longer&#60;/b&#62;"), "its text is text: {}", page.html);
    visitor.visit("/status").await.says(&["Notices", "All slow"]);
    let told = visitor.visit("/status.json").await;
    let told: serde_json::Value = serde_json::from_str(&told.html).unwrap();
    assert_eq!(told["notices"].as_array().unwrap().len(), 1);
    assert_eq!(told["notices"][0]["title"], "All slow");
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_looked_at_first_changed_and_ended_early() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let desk = staff(app, StaffRole::HelpDesk, None).await;
    let visitor = app.browser();
    let page = desk.visit("/staff/notices").await;
    page.says(&["No notices yet"]);
    desk.visit("/staff/notices/new").await;
    let page = desk.submit("/staff/notices/new", &[("begins", "soon"), ("step", "publish")]).await;
    let fields: Vec<_> = page.errors().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["title", "text", "audience", "begins", "ends"]);

    let (begins, ends) = (local(hours(1)), local(hours(3)));
    let mut fields = vec![
        ("title", "Planned <i>work</i>"),
        ("text", "Nothing to do."),
        ("level", "info"),
        ("audience", "everybody"),
        ("begins", begins.as_str()),
        ("ends", ends.as_str()),
        ("step", "preview"),
    ];
    let page = desk.submit("/staff/notices/new", &fields).await;
    page.says(&["This is how it looks", "Notice: Planned <i>work</i>.", "Nothing is kept yet"]);
    assert!(!page.html.contains("<i>work"), "{}", page.html);
    assert_eq!(audited(app, "notice.write").await, 0);
    fields[6] = ("step", "publish");
    let page = desk.submit("/staff/notices/new", &fields).await;
    page.is_at("/staff/notices").says(&["Planned"]);
    assert!(!banner(&visitor.visit("/").await, "work"), "its time is yet to come");

    let begins = local(Timestamp::now().minus(Duration::from_hours(2)));
    fields[4] = ("begins", begins.as_str());
    desk.visit("/staff/notices/1").await.says(&["Change the notice", "Nothing to do."]);
    desk.submit("/staff/notices/1", &fields).await.says(&["The notice is changed", "Shown now"]);
    assert!(banner(&visitor.visit("/").await, "Planned"));
    let page = desk.submit("/staff/notices/1/end", &[]).await;
    page.is_at("/staff/notices").says(&["The notice is not shown any more", "Over"]);
    assert!(!banner(&visitor.visit("/").await, "Planned"));
    let again = desk.post("/staff/notices/1/end", &[]).await;
    assert_eq!(again.status, 409, "it is over");
    assert_eq!((audited(app, "notice.change").await, audited(app, "notice.end").await), (1, 1));
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_for_a_region_writes_to_its_people_only() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let here = staff(app, StaffRole::Administrator, Some("CAIRBA")).await;
    let all = staff(app, StaffRole::HelpDesk, None).await;
    for audience in ["everybody", "signed-in", "CAIRLO"] {
        let page = write(&here, "Mine", audience).await;
        assert_eq!(page.errors()[0].0, "audience", "{audience}");
    }
    write(&here, "Mine", "CAIRBA").await.is_at("/staff/notices").says(&["Mine"]);
    write(&all, "Theirs", "everybody").await.is_at("/staff/notices").says(&["Mine", "Theirs"]);
    let page = here.visit("/staff/notices").await;
    assert!(!page.text().contains("Theirs"), "{}", page.text());
    here.visit("/staff/notices").await;
    for path in ["/staff/notices/2", "/staff/notices/2/end"] {
        assert_eq!(here.post(path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(here.visit("/staff/notices/2").await.status, 404);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_is_told_to_the_people_of_its_region_beforehand() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (organization, _, _) = clinic.direct("DE-000001").await;
    app.store().directory_refresh().await.unwrap();
    let member = clinic.person(organization, "qa@example.org", Role::DxQa).await.browser;
    let la = staff(app, StaffRole::Onboarding, Some("CAIRLO")).await;
    let by = || Action { by: tester(), action: "maintenance", reason: "for staff only".to_owned() };
    let place = ("CAIRBA".parse().unwrap(), Environment::Production);
    for (from, until) in [(24, 26), (24 * 10, 24 * 10 + 1)] {
        app.store().maintenance_add(place, (hours(from), hours(until)), by()).await.unwrap();
    }
    app.store().directory_refresh().await.unwrap();

    let page = member.visit(&format!("/organization/{organization}")).await;
    assert!(banner(&page, "Maintenance of the production registry of Bay Area"), "{}", page.html);
    assert_eq!(page.html.matches("Maintenance of the").count(), 1, "the other is far away");
    assert!(!page.html.contains("for staff only"));
    for (browser, path) in [(&la, "/staff"), (&app.browser(), "/")] {
        assert!(!banner(&browser.visit(path).await, "Maintenance"), "{path}");
    }
    clinic.app.app.stop().await;
}
