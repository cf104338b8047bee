//! Migrations, keys, backup and leases, through the store's door.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use izportal::app::{AppError, Base};
use izportal::config::Config;
use izportal::domain::{ClientKeyPin, Environment, LinkStatus, SiteKind, SiteStatus, Timestamp};
use izportal::store::{Migrator, Part, StoreError};
use tempfile::TempDir;

use crate::support::{TestApp, TestDatabase, msa, vxu};

/// A configuration for a database and a data directory.
fn configuration(database: &TestDatabase, dir: &Path) -> Config {
    let mut config = Config::defaults().unwrap();
    config.data_dir = dir.join("data");
    std::fs::create_dir_all(&config.data_dir).unwrap();
    database.configure(&mut config);
    config
}

fn migrator(config: &Config) -> Migrator {
    Migrator::open(config.database_url().unwrap(), config.schema()).unwrap()
}

/// The error of an installation that must not open.
async fn refusal(config: &Config) -> AppError {
    match Base::open(config, false).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_migrations_go_up_and_down_and_up_again() {
    let (database, dir) = (TestDatabase::new(), TempDir::new().unwrap());
    let config = configuration(&database, dir.path());
    let mut migrator = migrator(&config);
    let (before, missing) = migrator.status().unwrap();

    let applied = migrator.up().unwrap();
    let (all, none) = migrator.status().unwrap();
    for _ in &all {
        migrator.down().unwrap();
    }
    let (after_down, missing_again) = migrator.status().unwrap();
    let again = migrator.up().unwrap();
    let nothing_more = migrator.up().unwrap();

    assert_eq!((before.len(), after_down.len()), (0, 0));
    assert_eq!(applied, missing);
    assert_eq!((all.len(), none.len()), (applied.len(), 0));
    assert_eq!(missing_again, missing);
    assert_eq!(again, applied);
    assert!(nothing_more.is_empty(), "nothing is applied twice: {nothing_more:?}");
    drop(migrator);
    let app = TestApp::on(database, dir, "").await;
    let sender = app.test_sender().await;
    let reply = app.submit(&sender, &vxu("AFTER", &[])).await.hl7();
    assert_eq!(msa(&reply).0, "AA", "the database works after the redo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_database_without_migrations_is_refused_with_the_command_that_helps() {
    let (database, dir) = (TestDatabase::new(), TempDir::new().unwrap());
    if !database.is_postgres() {
        return; // the embedded database is migrated whenever it is opened
    }
    let config = configuration(&database, dir.path());

    let error = refusal(&config).await.to_string();

    assert!(error.contains("run `izportal migrate up`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_through_the_door_is_read_back_column_by_column() {
    let app = TestApp::start().await;
    let facility = "SF-000001";
    app.site(facility, SiteKind::SendingFacility, false, None, SiteStatus::Production).await;
    app.site("DE-000002", SiteKind::ThroughFacility, true, Some("Fresno"), SiteStatus::Testing)
        .await;
    app.link(facility, "DE-000002", LinkStatus::Active).await;
    let sender = app.credential(facility, Environment::Test).await;
    let hl7 = vxu("ONE", &[("DE-000001", "DE-000002"), ("CAIRBA", "CAIRCV")]);
    let hl7 = crate::support::replace_field(&hl7, "MSH", 4, facility);
    let reply = app.submit(&sender, &hl7).await.hl7();
    app.pin(&sender.username, Some(ClientKeyPin::of(b"key"))).await;

    let store = app.store();
    let organizations = store.organization_list().await.unwrap();
    let site = store.site_by_id("DE-000002".parse().unwrap()).await.unwrap();
    let links = store.link_list().await.unwrap();
    let credentials = store.credential_list().await.unwrap();
    let (message, diagnostics, delivery) =
        store.message_by_id(app.message("ONE").await.id).await.unwrap();
    let body = store.message_payload(message.id, Part::Body).await.unwrap().unwrap();
    let stored_reply = store.message_payload(message.id, Part::Reply).await.unwrap().unwrap();
    let held = app.registry("CAIRCV").await;
    let (_, held_body) = store.loopback_by_id(held[0].id).await.unwrap();

    let names: Vec<&str> = organizations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["DE-000002", "SF-000001"], "by name");
    assert_eq!(
        (site.kind, site.status, site.clinical),
        (SiteKind::ThroughFacility, SiteStatus::Testing, true)
    );
    assert_eq!((site.county.as_deref(), site.region.unwrap().as_str()), (Some("06019"), "CAIRCV"));
    assert_eq!(site.name, "Site DE-000002");
    assert_eq!((links.len(), links[0].status), (1, LinkStatus::Active));
    assert_eq!((links[0].facility.as_str(), links[0].site.as_str()), (facility, "DE-000002"));
    assert_eq!((credentials.len(), credentials[0].username.as_str()), (1, "SF-000001-T"));
    assert_eq!(credentials[0].client_key_pin, Some(ClientKeyPin::of(b"key")));
    assert_eq!((message.control_id.as_str(), message.message_type.as_str()), ("ONE", "VXU^V04"));
    assert_eq!(
        (message.size, message.ack_code.as_str()),
        (i64::try_from(hl7.len()).unwrap(), "AA")
    );
    assert_eq!(diagnostics, []);
    let delivery = delivery.unwrap();
    assert_eq!(
        (delivery.region.as_str(), delivery.attempts, delivery.last_error),
        ("CAIRCV", 1, None)
    );
    assert_eq!(body, hl7.as_bytes());
    assert_eq!(stored_reply, reply.as_bytes());
    assert_eq!(
        (held.len(), held[0].sending_facility.as_str(), held[0].site_id.as_str()),
        (1, facility, "DE-000002")
    );
    assert_eq!(held_body, hl7.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_claim_the_same_delivery() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"\ndelivery_workers = 0").await;
    let sender = app.test_sender().await;
    for n in 0..20 {
        app.submit(&sender, &vxu(&format!("N-{n}"), &[])).await.hl7();
    }
    let (now, minute) = (Timestamp::now(), Duration::from_mins(1));
    let (free, held) = (24, vec![("CAIRBA".parse().unwrap(), Environment::Test, 0)]);
    let claim = |owner: &str, now| {
        app.store().delivery_claim(owner.to_owned(), now, minute, free, held.clone())
    };

    let (one, two) = tokio::join!(claim("one", now), claim("two", now));
    let none = claim("three", now).await.unwrap();
    let after_the_lease = claim("three", now.plus(minute)).await.unwrap();

    let (one, two) = (one.unwrap(), two.unwrap());
    let ids: HashSet<_> = one.iter().chain(&two).map(|claim| claim.message).collect();
    assert_eq!((one.len() + two.len(), ids.len()), (20, 20));
    assert_eq!(none.len(), 0, "everything is leased");
    assert_eq!(after_the_lease.len(), 12, "a lease ends by itself");
    assert!(after_the_lease.iter().all(|claim| claim.attempts == 2), "the second attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_serving_is_a_whole_installation() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("BEFORE", &[])).await.hl7();
    let copy = TempDir::new().unwrap();
    std::fs::create_dir_all(copy.path().join("data/keys")).unwrap();
    let file = copy.path().join("data/izportal.db");

    let made = app.store().backup(file.clone()).await;

    if app.database.is_postgres() {
        assert!(matches!(made, Err(StoreError::Refused(_))), "its own tools do it");
        return;
    }
    made.unwrap();
    app.submit(&sender, &vxu("AFTER", &[])).await.hl7();
    for key in ["server.key", "body.key"] {
        let from = app.config.data_dir.join("keys").join(key);
        std::fs::copy(from, copy.path().join("data/keys").join(key)).unwrap();
    }
    let restored = TestApp::on(TestDatabase::new(), copy, "").await;
    let id = restored.message("BEFORE").await.id;
    let body = restored.store().message_payload(id, Part::Body).await.unwrap().unwrap();
    assert_eq!(body, vxu("BEFORE", &[]).as_bytes());
    assert_eq!(
        restored.registry("CAIRBA").await.len(),
        1,
        "what came after the backup is not in it"
    );
    let reply = restored.submit(&sender, &vxu("NEXT", &[])).await.hl7();
    assert_eq!(msa(&reply).0, "AA", "the credential still opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_key_is_noticed_at_the_start() {
    let app = TestApp::start().await;
    let key = app.config.data_dir.join("keys/server.key");
    let right = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();

    let error = refusal(&app.config).await;
    std::fs::write(&key, right).unwrap();
    let with_the_right_one = Base::open(&app.config, false).await;

    assert!(matches!(error, AppError::OtherKey(_)), "{error}");
    assert!(error.to_string().contains("restore the key file"), "{error}");
    assert!(with_the_right_one.is_ok(), "the right key opens it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_files_are_made_for_their_owner_only_and_wrong_ones_are_named() {
    let app = TestApp::start().await;
    let keys = app.config.data_dir.join("keys");

    for name in ["server.key", "body.key"] {
        let path = keys.join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        assert_eq!(std::fs::read_to_string(path).unwrap().trim().len(), 64, "{name}");
    }
    std::fs::write(keys.join("body.key"), "short\n").unwrap();
    let error = refusal(&app.config).await.to_string();
    assert!(error.contains("body.key") && error.contains("64 hexadecimal digits"), "{error}");
    assert!(!error.contains("short"), "what the file holds is not told: {error}");
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_change_of_the_body_key_old_bodies_open_as_long_as_the_old_key_is_there() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("OLD", &[])).await.hl7();
    let file = app.config.data_dir.join("keys/body.key");
    let old = std::fs::read_to_string(&file).unwrap();
    let new = "cd".repeat(32);

    std::fs::write(&file, format!("{new}\n{old}")).unwrap();
    let app = app.restart("").await;
    app.submit(&sender, &vxu("NEW", &[])).await.hl7();
    let (old_id, new_id) = (app.message("OLD").await.id, app.message("NEW").await.id);
    let with_both = app.store().message_payload(old_id, Part::Body).await.unwrap();
    std::fs::write(&file, new).unwrap();
    let app = app.restart("").await;
    let without = app.store().message_payload(old_id, Part::Body).await;
    let newer = app.store().message_payload(new_id, Part::Body).await.unwrap();

    assert_eq!(with_both.as_deref(), Some(vxu("OLD", &[]).as_bytes()));
    assert!(matches!(without, Err(StoreError::Locked(_))), "the old key is gone");
    assert_eq!(newer.as_deref(), Some(vxu("NEW", &[]).as_bytes()));
}
