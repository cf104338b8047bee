//! Messages are counted, and Sites move by themselves as far as they may.

use std::time::Duration;

use izportal::domain::{
    AccountId, Element, Environment, ReviewItem, ReviewMark, Scenario, SiteEventKind, SiteId,
    SiteKind, SiteStatus, StageEvent, TallyScope, Timestamp,
};
use izportal::store::{Deed, TallyFilter, TallyRow};

use crate::support::{TestApp, msa, tester, vxu};

const FEW: &str = "[onboarding]\nclean_run = 3\nscenarios = [\"child-dose\", \"refusal\"]\n";

async fn registered(app: &TestApp, id: &str) -> SiteId {
    app.site(id, SiteKind::Direct, true, Some("Alameda"), SiteStatus::Registered).await
}

async fn status(app: &TestApp, id: &SiteId) -> SiteStatus {
    app.store().site_by_id(id.clone()).await.unwrap().status
}

async fn counted(app: &TestApp, id: &SiteId, tests: i64) {
    app.until("counted", async || {
        app.store().progress_of(id.clone()).await.unwrap().tests == tests
    })
    .await;
}

async fn tally(app: &TestApp, scope: TallyScope, subject: &str) -> Vec<TallyRow> {
    let now = Timestamp::now();
    let filter = TallyFilter {
        scope,
        subject: Some(subject.to_owned()),
        environment: Environment::Test,
        from: now.minus(Duration::from_hours(48)),
        until: now.plus(Duration::from_hours(48)),
    };
    app.store().tally_list(filter).await.unwrap()
}

/// A message of a refusal that nothing is wrong with.
fn refusal(control_id: &str) -> String {
    let text = vxu(
        control_id,
        &[
            ("20^DTaP^CVX|0.5|mL^mL^UCUM||00^New Record^NIP001", "20^DTaP^CVX|999|||"),
            (
                "||||INV20A|20271231|SKB^GlaxoSmithKline^MVX|||CP|A",
                "|||||||00^Parental decision^NIP002||RE|A",
            ),
        ],
    );
    let lines =
        text.split('\r').filter(|line| !line.starts_with("RXR") && !line.starts_with("OBX"));
    lines.collect::<Vec<_>>().join("\r").replace("ORD-1^DE-000001", "9999^DE-000001")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_validated_when_its_messages_meet_the_criteria_and_not_before() {
    let app = TestApp::with(FEW).await;
    let site = registered(&app, "DE-000001").await;
    let sender = app.credential("DE-000001", Environment::Test).await;
    assert_eq!(status(&app, &site).await, SiteStatus::Registered);

    // The first fails: no date of birth.
    let bad = vxu("BAD-1", &[("|20250115|F|", "||F|")]);
    assert_ne!(msa(&app.submit(&sender, &bad).await.hl7()).0, "AA");
    counted(&app, &site, 1).await;
    assert_eq!(status(&app, &site).await, SiteStatus::Testing);

    for number in 0..3 {
        let reply = app.submit(&sender, &vxu(&format!("GOOD-{number}"), &[])).await.hl7();
        assert_eq!(msa(&reply).0, "AA", "{reply}");
    }
    counted(&app, &site, 4).await;
    let progress = app.store().progress_of(site.clone()).await.unwrap();
    assert_eq!(progress.clean_run, 3);
    assert!(progress.scenarios.has(Scenario::ChildDose));
    assert!(!progress.scenarios.has(Scenario::Refusal));
    assert_eq!(status(&app, &site).await, SiteStatus::Testing, "a scenario is missing");

    let reply = app.submit(&sender, &refusal("REFUSAL")).await.hl7();
    assert_eq!(msa(&reply).0, "AA", "{reply}");
    // One of five was refused, which is less than nine of ten.
    counted(&app, &site, 5).await;
    let more = 5..11;
    for number in more.clone() {
        let reply = app.submit(&sender, &vxu(&format!("GOOD-{number}"), &[])).await.hl7();
        assert_eq!(msa(&reply).0, "AA");
    }
    counted(&app, &site, 11).await;
    app.until("validated", async || status(&app, &site).await == SiteStatus::Validated).await;

    let history = app.store().stage_history(site.clone()).await.unwrap();
    let events: Vec<_> = history.iter().map(|one| one.event).collect();
    let expected = [StageEvent::Registered, StageEvent::FirstMessage, StageEvent::CriteriaMet];
    assert_eq!(events, expected);
    let kinds: Vec<_> = app
        .store()
        .site_events(site.clone(), 20)
        .await
        .unwrap()
        .iter()
        .map(|one| one.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            SiteEventKind::Stage,
            SiteEventKind::TestGoodAgain,
            SiteEventKind::Stage,
            SiteEventKind::FirstTest,
        ]
    );
    app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_kept_by_site_region_and_hour_with_what_was_found() {
    let app = TestApp::start().await;
    let site = registered(&app, "DE-000001").await;
    let sender = app.credential("DE-000001", Environment::Test).await;
    app.submit(&sender, &vxu("ONE", &[])).await.hl7();
    app.submit(&sender, &vxu("TWO", &[("2186-5^Not Hispanic or Latino^CDCREC", "")])).await.hl7();
    app.submit(&sender, &vxu("THREE", &[("|20250115|F|", "||F|")])).await.hl7();
    counted(&app, &site, 3).await;
    app.until("delivered", async || {
        tally(&app, TallyScope::Site, "DE-000001")
            .await
            .iter()
            .map(|one| one.tally.delivered)
            .sum::<u64>()
            == 2
    })
    .await;

    for (scope, subject) in [
        (TallyScope::Site, "DE-000001"),
        (TallyScope::Region, "CAIRBA"),
        (TallyScope::RegionHour, "CAIRBA"),
    ] {
        let rows = tally(&app, scope, subject).await;
        let sum: izportal::domain::Tally = rows.iter().map(|row| &row.tally).sum();
        assert_eq!((sum.messages, sum.accepted, sum.refused), (3, 2, 1), "{scope}");
        assert_eq!(sum.doses, 2, "{scope}");
        assert_eq!(sum.element(Element::Ethnicity).percent(), Some(50), "{scope}");
        assert_eq!(sum.element(Element::Lot).percent(), Some(100), "{scope}");
    }
    assert!(tally(&app, TallyScope::Facility, "DE-000001").await.is_empty());
    let now = Timestamp::now();
    let filter = TallyFilter {
        scope: TallyScope::Site,
        subject: Some("DE-000001".to_owned()),
        environment: Environment::Test,
        from: now.minus(Duration::from_hours(48)),
        until: now.plus(Duration::from_hours(48)),
    };
    let found = app.store().finding_counts(filter, 100).await.unwrap();
    let birth = found.iter().find(|one| one.place == "PID-7");
    assert!(birth.is_some_and(|one| one.number == 1 && one.severity == "E"), "{found:?}");
    app.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn production_needs_two_people_and_comes_with_a_credential_that_nobody_has_seen() {
    let app = TestApp::start().await;
    let site =
        app.site("DE-000001", SiteKind::Direct, true, Some("Alameda"), SiteStatus::Validated).await;
    let (one, other) = (staff(&app, "one").await, staff(&app, "other").await);
    let by = |account: AccountId| {
        Deed::from(izportal::domain::By::account(account.0, "here", Timestamp::now()))
    };
    let store = app.store();
    let credential = || ("DE-000001-P".to_owned(), app.base_key.hash("credential", "never shown"));

    let early = store.review_approve(site.clone(), other, credential(), by(other)).await;
    assert!(early.unwrap_err().to_string().contains("no review"));
    store.review_open(site.clone(), one, by(one)).await.unwrap();
    let unproposed = store.review_approve(site.clone(), other, credential(), by(other)).await;
    assert!(unproposed.unwrap_err().to_string().contains("nobody has proposed"));
    let early = store.review_propose(site.clone(), one, None, by(one)).await;
    assert!(early.unwrap_err().to_string().contains("every item of the checklist"));
    for item in ReviewItem::ALL {
        let (at, note) = (Timestamp::now(), "seen".to_owned());
        let mark = ReviewMark { item: *item, by: one.0, at, note };
        store.review_mark(site.clone(), mark, by(one)).await.unwrap();
    }
    store.review_propose(site.clone(), one, None, by(one)).await.unwrap();
    let own = store.review_approve(site.clone(), one, credential(), by(one)).await;
    assert!(own.unwrap_err().to_string().contains("somebody else"));
    assert_eq!(status(&app, &site).await, SiteStatus::Onboarding);

    store.review_approve(site.clone(), other, credential(), by(other)).await.unwrap();
    assert_eq!(status(&app, &site).await, SiteStatus::Production);
    let issued = production(&app).await;
    assert_eq!(issued.environment, Environment::Production);
    assert!(store.review_of(site.clone()).await.unwrap().is_none());

    // Stopped and let go on, it stands where it stood; closed, its credentials are gone.
    store.site_step(site.clone(), StageEvent::Suspended, None, tester()).await.unwrap();
    store.site_step(site.clone(), StageEvent::Reinstated, None, tester()).await.unwrap();
    assert_eq!(status(&app, &site).await, SiteStatus::Production);
    store.site_step(site.clone(), StageEvent::Closed, None, tester()).await.unwrap();
    let issued = production(&app).await;
    assert_eq!(issued.state, izportal::domain::CredentialState::Revoked);
}

/// Somebody of the staff.
async fn staff(app: &TestApp, name: &str) -> AccountId {
    use izportal::store::NewAccount;
    let new = NewAccount {
        email: format!("{name}@cdph.example").parse().unwrap(),
        first_name: name.to_owned(),
        last_name: "Staff".to_owned(),
        phone: None,
        roles: vec![],
        staff: vec![],
    };
    app.store().account_create(new, None, Deed::from(tester())).await.unwrap().id
}

async fn production(app: &TestApp) -> izportal::domain::Credential {
    let all = app.store().credential_list().await.unwrap();
    all.into_iter().find(|one| one.username == "DE-000001-P").unwrap()
}
