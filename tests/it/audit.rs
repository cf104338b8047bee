//! The trail of who did what: complete, without secrets, and not to be changed unnoticed.

use std::time::Duration;

use izportal::app::Base;
use izportal::domain::{
    By, Control, Environment, LinkStatus, SiteKind, SiteStatus, StageEvent, Timestamp,
};
use izportal::store::{AuditFilter, NewCredential, Store, StoreError, Verdict};

use crate::support::{TestApp, TestDatabase, everything_logged, msa, tester, vxu};

/// Notes this many sights.
async fn note(store: &Store, number: usize) {
    for n in 0..number {
        let object = format!("secret {n}");
        store.audit_note(tester(), "secret.shown", object, None, None).await.unwrap();
    }
}

async fn verdict(app: &TestApp) -> Verdict {
    app.store().audit_verify(None, |_| ()).await.unwrap()
}

/// What a forger does who may write every table but has not the key file.
pub(crate) fn forge(app: &TestApp, sql: &str) {
    let unlock = if app.database.is_postgres() {
        "DROP TRIGGER audit_event_kept ON audit_event;"
    } else {
        "DROP TRIGGER audit_event_kept_as_written; DROP TRIGGER audit_event_kept;"
    };
    app.database.change(&app.config.data_dir, &format!("{unlock} {sql}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_the_registry_is_told_with_what_held_before_and_after() {
    let app = TestApp::start().await;
    app.site("SF-000001", SiteKind::SendingFacility, false, None, SiteStatus::Production).await;
    app.direct_site("DE-000001").await;
    app.link("SF-000001", "DE-000001", LinkStatus::Active).await;
    app.link("SF-000001", "DE-000001", LinkStatus::Ended).await;
    let site = "DE-000001".parse().unwrap();
    app.store().site_step(site, StageEvent::Suspended, None, tester()).await.unwrap();
    let sender = app.credential("DE-000001", Environment::Test).await;
    app.store().credential_revoke(sender.username.clone(), tester()).await.unwrap();

    let told = app.store().audit_list(AuditFilter::default(), 100).await.unwrap();
    let of_the_site = AuditFilter { object: Some("site DE-000001".to_owned()), ..<_>::default() };
    let of_the_site = app.store().audit_list(of_the_site, 100).await.unwrap();

    let actions: Vec<_> =
        told.iter().rev().map(|one| (one.action.as_str(), one.object.as_str())).collect();
    assert_eq!(
        actions,
        [
            ("organization.create", "organization 1"),
            ("site.create", "site SF-000001"),
            ("organization.create", "organization 2"),
            ("site.create", "site DE-000001"),
            ("link.status", "link SF-000001 DE-000001"),
            ("link.status", "link SF-000001 DE-000001"),
            ("site.status", "site DE-000001"),
            ("credential.issue", "credential DE-000001-T"),
            ("credential.revoke", "credential DE-000001-T"),
        ]
    );
    assert!(told.iter().all(|one| one.actor == "cli tester" && one.source == "command line"));
    assert_eq!(told[3].before.as_deref(), Some("active"));
    assert_eq!(told[3].after.as_deref(), Some("ended"));
    assert_eq!((of_the_site.len(), of_the_site[0].after.as_deref()), (2, Some("suspended")));
    assert!(of_the_site[1].after.as_deref().unwrap().contains("\"name\":\"Site DE-000001\""));
    let everything = serde_json::to_string(&told).unwrap() + &everything_logged();
    assert!(!everything.contains(&sender.password), "the secret is told");
    let hash = app.base_key.hash("credential", &sender.password).to_hex();
    assert!(!everything.contains(&hash), "the hash of the secret is told");
    assert_eq!(verdict(&app).await.broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_do_with_deliveries_is_told_too() {
    let app = TestApp::start().await;
    let place = ("CAIRBA".parse().unwrap(), Environment::Test);
    let by = izportal::store::Action {
        by: tester(),
        action: "pause",
        reason: "maintenance of the registry".to_owned(),
    };

    app.store().destination_control(place, Control::Paused, by).await.unwrap();

    let filter = AuditFilter { action: Some("delivery".to_owned()), ..<_>::default() };
    let told = app.store().audit_list(filter, 10).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].action.as_str(), told[0].object.as_str(), told[0].after.as_deref()),
        ("delivery.pause", "destination CAIRBA test", Some("maintenance of the registry"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_leaves_nothing_in_the_trail() {
    let app = TestApp::start().await;
    app.direct_site("DE-000001").await;
    let before = verdict(&app).await;

    let site = "DE-000001".parse().unwrap();
    let refused = app.store().site_step(site, StageEvent::Reopened, None, tester()).await;
    let double = NewCredential {
        site: "DE-999999".parse().unwrap(),
        environment: Environment::Test,
        username: "X".to_owned(),
        facility_id: "X".to_owned(),
        secret: app.base_key.hash("credential", "x"),
        expires_at: None,
    };
    let unknown = app.store().credential_issue(double, tester()).await;

    assert!(matches!(refused, Err(StoreError::Refused(_))));
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
    assert_eq!(verdict(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_themselves_refuse_to_change_the_trail() {
    let app = TestApp::start().await;
    note(app.store(), 1).await;

    for sql in ["UPDATE audit_event SET actor = 'nobody'", "DELETE FROM audit_event"] {
        let error = app.database.try_change(&app.config.data_dir, sql).unwrap_err();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }

    assert_eq!(verdict(&app).await.events, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_a_removed_and_an_inserted_event_are_found_at_their_number() {
    let insert = "INSERT INTO audit_event (id, at, actor, action, object, source, hash) \
                  SELECT id + 1, at, actor, action, object, source, hash FROM audit_event WHERE id = 5";
    for (sql, number, problem) in [
        ("UPDATE audit_event SET actor = 'nobody' WHERE id = 3", 3, "changed"),
        ("UPDATE audit_event SET after = '' WHERE id = 2", 2, "changed"),
        ("UPDATE audit_event SET actor = object, object = actor WHERE id = 4", 4, "changed"),
        ("DELETE FROM audit_event WHERE id = 3", 3, "missing"),
        ("DELETE FROM audit_event WHERE id = 1", 1, "missing"),
        (insert, 6, "changed"),
        ("DELETE FROM audit_event WHERE id > 3", 4, "missing"),
        ("DELETE FROM audit_event", 1, "missing"),
        ("DELETE FROM setting WHERE name = 'audit_head'", 6, "head"),
    ] {
        let app = TestApp::start().await;
        note(app.store(), 5).await;

        forge(&app, sql);
        let found = verdict(&app).await;

        assert_eq!(found.broken, Some(number), "{sql}");
        assert!(found.problem.unwrap().contains(problem), "{sql}: {:?}", found.problem);
        assert_eq!(found.events, number - 1, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_after_a_cut_does_not_hide_it() {
    let cut = "DELETE FROM audit_event WHERE id > 3";
    let with_a_head_of_their_own = format!(
        "{cut}; UPDATE setting SET value = '3:' || substr(value, 3) WHERE name = 'audit_head'"
    );
    let without_a_head = format!("{cut}; DELETE FROM setting WHERE name = 'audit_head'");
    for sql in [cut, &with_a_head_of_their_own, &without_a_head] {
        let app = TestApp::start().await;
        note(app.store(), 5).await;

        forge(&app, sql);
        note(app.store(), 2).await;

        let found = verdict(&app).await;
        assert_eq!(found.broken, Some(4), "{sql}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_event_of_another_past_does_not_fit_into_the_chain() {
    let app = TestApp::start().await;
    let data = &app.config.data_dir;
    note(app.store(), 1).await;
    let head = "CREATE TABLE head AS SELECT value FROM setting WHERE name = 'audit_head'";
    app.database.change(data, head);
    note(app.store(), 1).await;
    app.database.change(data, "CREATE TABLE kept AS SELECT * FROM audit_event WHERE id = 2");
    let back = "DELETE FROM audit_event WHERE id = 2; \
                UPDATE setting SET value = (SELECT value FROM head) WHERE name = 'audit_head'";
    forge(&app, back);
    let rolled_back = verdict(&app).await;
    note(app.store(), 2).await;

    let replace =
        "DELETE FROM audit_event WHERE id = 2; INSERT INTO audit_event SELECT * FROM kept";
    app.database.change(data, replace);
    let found = verdict(&app).await;

    // A head that was kept from before fits its own past: against that only a head that was noted elsewhere helps.
    assert_eq!((rolled_back.events, rolled_back.broken), (1, None));
    assert_eq!(found.broken, Some(3), "the event after it follows another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_noted_head_proves_that_nothing_before_it_is_gone() {
    let app = TestApp::start().await;
    note(app.store(), 2).await;
    let noted = verdict(&app).await.head;
    note(app.store(), 2).await;
    let other = TestApp::start().await;
    note(other.store(), 4).await;

    let here = app.store().audit_verify(Some(noted.clone()), |_| ()).await.unwrap();
    let elsewhere = other.store().audit_verify(Some(noted), |_| ()).await.unwrap();
    let unreadable = app.store().audit_verify(Some("x".to_owned()), |_| ()).await;

    assert_eq!((here.events, here.broken), (4, None));
    assert_eq!(elsewhere.broken, Some(2), "another trail has another event there");
    assert!(matches!(unreadable, Err(StoreError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_one_time_keep_one_chain() {
    let app = TestApp::start().await;
    let other = Base::open(&app.config, false).await.unwrap();
    let sender = app.test_sender().await;
    let before = verdict(&app).await.events;

    let writers = (0..20).map(|n| {
        let store = if n % 2 == 0 { app.store() } else { &*other.store };
        async move { note(store, 5).await }
    });
    let messages = (0..10).map(|n| {
        let hl7 = vxu(&format!("N-{n}"), &[]);
        let (app, sender) = (&app, &sender);
        async move { app.submit(sender, &hl7).await.hl7() }
    });
    let ((), replies) = tokio::join!(
        async { drop(futures_util::future::join_all(writers).await) },
        futures_util::future::join_all(messages)
    );

    assert!(replies.iter().all(|reply| msa(reply).0 == "AA"));
    let found = verdict(&app).await;
    assert_eq!((found.events, found.broken), (before + 100, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_sees_a_broken_trail_and_pages_are_verified_one_by_one() {
    let app = TestApp::start().await;
    note(app.store(), 3).await;
    let whole = verdict(&app).await;
    let mut seen = vec![];
    app.store().audit_verify(None, |number| seen.push(number)).await.unwrap();
    let TestApp { app: service, dir, database, config, .. } = app;
    service.stop().await;
    let key = config.data_dir.join("keys/server.key");
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    let forget = "DELETE FROM setting WHERE name = 'server_key_fingerprint'";
    database.change(&config.data_dir, forget);

    let app = TestApp::on(database, dir, "").await;

    assert_eq!((whole.events, seen.last()), (3, Some(&3)));
    assert_eq!(verdict(&app).await.broken, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_found_by_who_what_when_and_page() {
    let app = TestApp::start().await;
    let begin = Timestamp::now();
    let hour = Duration::from_hours(1);
    for (n, by) in [
        By::account(1, "192.0.2.1", begin),
        By::account(12, "192.0.2.2", begin.plus(hour)),
        By::visitor("2001:db8::1", begin.plus(2 * hour)),
        By::system(begin.plus(3 * hour)),
    ]
    .into_iter()
    .enumerate()
    {
        let object = format!("organization {}", if n == 0 { 1 } else { 12 });
        let (before, after) = (Some("a".to_owned()), Some("b".to_owned()));
        app.store().audit_note(by, "organization.read", object, before, after).await.unwrap();
    }
    let found = async |filter| -> Vec<i64> {
        let list = app.store().audit_list(filter, 100).await.unwrap();
        list.iter().map(|one| one.id).collect()
    };
    let text = |text: &str| Some(text.to_owned());

    let any = AuditFilter::default;
    assert_eq!(found(any()).await, [4, 3, 2, 1]);
    assert_eq!(found(AuditFilter { object: text("organization 1"), ..any() }).await, [1]);
    assert_eq!(found(AuditFilter { object: text("organization"), ..any() }).await, [4, 3, 2, 1]);
    assert_eq!(found(AuditFilter { object: text("org%"), ..any() }).await, [0_i64; 0]);
    assert_eq!(found(AuditFilter { actor: text("account 1"), ..any() }).await, [1]);
    assert_eq!(found(AuditFilter { action: text("organization.read"), ..any() }).await.len(), 4);
    assert_eq!(found(AuditFilter { action: text("organization"), ..any() }).await.len(), 4);
    assert_eq!(found(AuditFilter { action: text("organ"), ..any() }).await.len(), 0);
    assert_eq!(found(AuditFilter { since: Some(begin.plus(hour)), ..any() }).await, [4, 3, 2]);
    assert_eq!(found(AuditFilter { before: Some(begin.plus(hour)), ..any() }).await, [1]);
    assert_eq!(found(AuditFilter { before_id: Some(3), ..any() }).await, [2, 1]);
    let page = app.store().audit_page(any(), 2).await.unwrap();
    assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), [3, 4]);
    let first = app.store().audit_page(any(), 0).await.unwrap().remove(0);
    assert_eq!(
        (first.actor.as_str(), first.source.as_str(), first.at),
        ("account 1", "192.0.2.1", begin)
    );
    assert_eq!((first.before.as_deref(), first.after.as_deref()), (Some("a"), Some("b")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_without_events_is_whole() {
    let (database, dir) = (TestDatabase::new(), tempfile::TempDir::new().unwrap());
    let app = TestApp::on(database, dir, "").await;

    let found = verdict(&app).await;

    assert_eq!((found.events, found.head.as_str(), found.broken), (0, "", None));
}
