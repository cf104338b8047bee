//! The database is locked, the disk is full: no ACK without durability, and the service recovers by itself.

use std::process::Command;

use crate::support::program::Installation;
use crate::support::{TestApp, msa, vxu};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_cannot_be_written_nothing_is_acknowledged() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("BEFORE", &[])).await.hl7();

    let blockade = app.database.block(&app.config.data_dir);
    let during = app.submit(&sender, &vxu("DURING", &[])).await;
    drop(blockade);
    let after = app.submit(&sender, &vxu("AFTER", &[])).await;

    let (name, code, _, detail) = during.fault();
    assert_eq!((during.status, name.as_str(), code), (500, "fault", 4011));
    assert!(detail.contains("was not accepted"), "{detail}");
    assert_eq!(during.header("retry-after"), "30");
    assert_eq!(msa(&after.hl7()).0, "AA");
    let held: Vec<_> = app.registry("CAIRBA").await.into_iter().map(|one| one.control_id).collect();
    assert_eq!(held, ["AFTER", "BEFORE"]);
}

/// A VXU that fills a disk.
fn long(control_id: &str) -> String {
    let mut state = 7_u32;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from(state >> 24).unwrap() % 26)
    })
    .take(50_000)
    .collect();
    vxu(control_id, &[("\rPD1|", &format!("\rZZZ|{noise}\rPD1|"))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_gives_a_fault_and_room_on_it_gives_acks_again() {
    let installation = Installation::new("[gateway]\nreply = \"accept\"\ndelivery_workers = 0");
    if installation.database.is_postgres() {
        return; // its server writes the files
    }
    let sender = installation.test_sender();
    let program = "trap '' XFSZ; exec \"$0\" serve --config \"$1\"";
    let mut command = Command::new("bash");
    command.args(["-c", program, env!("CARGO_BIN_EXE_izportal")]).arg(installation.config());
    let service = installation.serve_as(&mut command);
    service.limit_files("4000000");

    let mut accepted = 0;
    let refused = loop {
        let reply = service.submit(&sender, &long(&format!("FULL-{accepted}"))).await;
        if reply.status == 500 {
            break reply;
        }
        assert_eq!(msa(&reply.hl7()).0, "AA");
        accepted += 1;
        assert!(accepted < 1_000, "the disk never filled");
    };
    service.limit_files("unlimited");
    let after = service.submit(&sender, &long("ROOM")).await;

    assert!(accepted > 5, "{accepted}");
    assert_eq!((refused.fault().0.as_str(), refused.fault().1), ("fault", 4011));
    assert_eq!(msa(&after.hl7()).0, "AA");
}
