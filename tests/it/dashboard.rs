//! The dashboard and the public page of the state: what they show of destinations, to whom, and in words.

use std::time::Duration;

use izportal::domain::{Control, Environment, StaffRole, TallyScope, Timestamp};
use izportal::store::{Action, Place};

use crate::quality::counted;
use crate::staff::staff;
use crate::support::clinic::Clinic;
use crate::support::{TestApp, tester, vxu};

fn by(action: &'static str) -> Action {
    Action { by: tester(), action, reason: "the registry moves house".to_owned() }
}

fn place(code: &str, environment: Environment) -> Place {
    (code.parse().unwrap(), environment)
}

/// Waits until the service knows what was decided beside it.
async fn known(app: &TestApp) {
    app.store().directory_refresh().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_says_which_registries_are_stopped_and_why() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let operator = staff(app, StaffRole::Administrator, None).await;
    let page = operator.visit("/staff").await;
    page.says(&["All 14 destinations are running.", "See the dashboard"]);
    let page = operator.visit("/staff/dashboard").await;
    page.is_at("/staff/dashboard")
        .says(&["How is the Gateway?", "Messages are taken and forwarded."]);
    assert!(!page.html.contains("http-equiv=\"refresh\""), "only who chose it");

    let (region, test) = place("CAIRBA", Environment::Test);
    app.store().destination_control((region, test), Control::Paused, by("pause")).await.unwrap();
    app.store()
        .destination_control(
            place("CAIRLO", Environment::Production),
            Control::Draining,
            by("drain"),
        )
        .await
        .unwrap();
    let now = Timestamp::now();
    let window = (now.minus(Duration::from_mins(1)), now.plus(Duration::from_hours(1)));
    app.store()
        .maintenance_add(place("CAIRCC", Environment::Production), window, by("maintenance"))
        .await
        .unwrap();
    known(app).await;
    let (_, _, sender) = clinic.direct("DE-000001").await;
    app.submit(&sender, &vxu("WAITS", &[])).await.hl7();

    let page = operator.visit("/staff/dashboard").await;
    page.says(&[
        "2 of 14 destinations are stopped, and 1 needs a look.",
        "Paused by an operator: the registry moves house. Messages wait.",
        "Drained: what waits is sent, new messages are refused with fault 4030.",
        "Maintenance until",
        "less than a minute",
    ]);
    operator.visit("/staff").await.says(&["2 of 14 destinations are stopped, and 1 needs a look."]);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_regions_that_are_theirs() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let here = staff(app, StaffRole::Onboarding, Some("CAIRBA")).await;
    let page = here.visit("/staff/dashboard").await;
    page.is_at("/staff/dashboard").says(&["All 2 destinations are running.", "Bay Area"]);
    for hidden in ["Los Angeles", "No email waits"] {
        assert!(!page.text().contains(hidden), "{hidden}");
    }
    let desk = staff(app, StaffRole::HelpDesk, None).await;
    desk.visit("/staff/dashboard").await.says(&["All 14 destinations", "Emails"]);
    let registrar = staff(app, StaffRole::Registrar, None).await;
    assert_eq!(registrar.visit("/staff/dashboard").await.status, 404);
    let page = registrar.visit("/staff").await;
    assert!(!page.text().contains("destinations"), "{}", page.text());
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_is_shown_over_time_with_its_errors_and_stages() {
    let clinic = Clinic::open().await;
    let app = &clinic.app;
    let (_, _, sender) = clinic.direct("DE-000001").await;
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    app.submit(&sender, &vxu("BAD", &[("|20250115|F|", "||F|")])).await.hl7();
    counted(app, TallyScope::RegionHour, "CAIRBA", (2, 1)).await;
    let ending = "UPDATE credential SET expires_at = '";
    let soon =
        Timestamp::now().plus(Duration::from_hours(24 * 5)).utc().format("%Y-%m-%d %H:%M:%S");
    app.database.change(&app.config.data_dir, &format!("{ending}{soon}'"));
    let operator = staff(app, StaffRole::Administrator, None).await;

    for span in ["24h", "7d", "30d"] {
        let asked = format!("/staff/dashboard?environment=test&span={span}");
        let page = operator.visit(&asked).await;
        page.is_at("/staff/dashboard").says(&[
            "1 were accepted and 1 refused.",
            "50 %",
            "PID-7",
            "Credentials that end within 30 days",
            "1 ends; their Sites are told",
            "Site DE-000001",
            "In production 1",
        ]);
        assert!(page.html.matches("role=\"img\"").count() == 2 && !page.html.contains("style="));
    }
    let page = operator.visit("/staff/dashboard").await;
    page.says(&["No submissions", "No errors"]);
    clinic.app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_loads_itself_when_that_was_chosen_and_not_for_ever() {
    let app = TestApp::start().await;
    let operator = staff(&app, StaffRole::Administrator, None).await;
    let now = u64::try_from(Timestamp::now().utc().timestamp()).unwrap();
    for (until, loads) in [(now + 600, true), (now - 10, false), (now + 100_000, false)] {
        let page = operator.visit(&format!("/staff/dashboard?refresh={until}")).await;
        assert_eq!(page.html.contains("http-equiv=\"refresh\" content=\"60\""), loads, "{until}");
        let offer = if loads { "Stop loading by itself" } else { "Load by itself every minute" };
        page.says(&[offer]);
    }
    app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_know_whether_messages_are_taken_and_forwarded() {
    let app = TestApp::start().await;
    let visitor = app.browser();
    let page = visitor.visit("/status").await;
    page.is_at("/status").says(&["Yes: messages for every region are taken and forwarded."]);

    app.store()
        .destination_control(place("CAIRBA", Environment::Production), Control::Paused, by("pause"))
        .await
        .unwrap();
    known(&app).await;
    app.until("told", async || {
        visitor.visit("/status").await.text().contains("Forwarding is paused by CDPH.")
    })
    .await;
    let page = visitor.visit("/status").await;
    page.says(&["Not for every region.", "Messages are kept and forwarded as soon as possible."]);
    assert!(!page.html.contains("moves house"), "the words of operators are for staff");

    let told = visitor.visit("/status.json").await;
    assert_eq!(told.headers["content-type"], "application/json");
    let told: serde_json::Value = serde_json::from_str(&told.html).unwrap();
    let registries = told["registries"].as_array().unwrap();
    assert_eq!(registries.len(), 14);
    let of = |code: &str, environment: &str| {
        let found = registries
            .iter()
            .find(|one| one["region"] == code && one["environment"] == environment);
        found.unwrap()["forwards_messages"].as_bool().unwrap()
    };
    assert!(!of("CAIRBA", "production") && of("CAIRBA", "test") && of("CAIRLO", "production"));
    app.app.stop().await;
}
