//! The database is locked, the disk is full: no ACK without durability, and the service recovers by itself.

use std::process::{Child, Command, Stdio};

use izportal::app::Base;
use izportal::config::Config;
use izportal::domain::{Environment, Password, SiteKind, SiteStatus, Timestamp};
use izportal::gateway::CREDENTIAL_PURPOSE;
use izportal::soap::{SoapVersion, submit_single_message_request};
use izportal::store::{NewCredential, NewSite};
use tempfile::TempDir;

use crate::support::{Answer, TestApp, answer, client, msa, vxu};

/// Holds the tables so that nobody else can write, until it is dropped.
struct Blockade(Box<dyn std::any::Any + Send>);

fn block(app: &TestApp) -> Blockade {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;

    #[cfg(feature = "postgres")]
    if app.database.is_postgres() {
        let mut conn = diesel::PgConnection::establish(&app.config.database.url).unwrap();
        let schema = &app.config.database.schema;
        conn.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.message IN ACCESS EXCLUSIVE MODE"))
            .unwrap();
        return Blockade(Box::new(conn));
    }
    let path = app.config.data_dir.join("izportal.db");
    let mut conn = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("BEGIN IMMEDIATE").unwrap();
    Blockade(Box::new(conn))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_cannot_be_written_nothing_is_acknowledged() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    app.submit(&sender, &vxu("BEFORE", &[])).await.hl7();

    let blockade = block(&app);
    let during = app.submit(&sender, &vxu("DURING", &[])).await;
    drop(blockade.0);
    let after = app.submit(&sender, &vxu("AFTER", &[])).await;

    let (name, code, _, detail) = during.fault();
    assert_eq!((during.status, name.as_str(), code), (500, "fault", 4011));
    assert!(detail.contains("was not accepted"), "{detail}");
    assert_eq!(during.header("retry-after"), "30");
    assert_eq!(msa(&after.hl7()).0, "AA");
    let held: Vec<_> = app.registry("CAIRBA").await.into_iter().map(|one| one.control_id).collect();
    assert_eq!(held, ["AFTER", "BEFORE"]);
}

/// `izportal serve` as a process whose files cannot grow past a limit.
struct Limited {
    child: Child,
    http: reqwest::Client,
    endpoint: String,
    password: String,
    _dir: TempDir,
}

impl Limited {
    async fn start(kilobytes: u32) -> Self {
        let dir = TempDir::new().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "data_dir = \"{}\"\n[server]\nlisten = \"127.0.0.1:{port}\"\nops_listen = \"\"\n[gateway]\nreply = \"accept\"\ndelivery_workers = 0\n",
            dir.path().join("data").display()
        );
        let password = prepare(&Config::read(&text).unwrap()).await;
        let file = dir.path().join("izportal.toml");
        std::fs::write(&file, text).unwrap();
        let program = format!(
            "trap '' XFSZ; ulimit -S -f {kilobytes}; exec '{}' serve --config '{}'",
            env!("CARGO_BIN_EXE_izportal"),
            file.display()
        );
        let child =
            Command::new("bash").args(["-c", &program]).stdout(Stdio::null()).spawn().unwrap();
        for _ in 0..400 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        let http = client(Some(&dir.path().join("data/tls/ca.pem")));
        Self {
            child,
            http,
            endpoint: format!("https://localhost:{port}/IISService"),
            password,
            _dir: dir,
        }
    }

    async fn submit(&self, control_id: &str) -> Answer {
        let text =
            vxu(control_id, &[("Z22^CDCPHINVS", &format!("Z22^CDCPHINVS{}", " ".repeat(50_000)))]);
        let body = submit_single_message_request(
            SoapVersion::V12,
            "DE-000001-T",
            &self.password,
            "DE-000001",
            &text,
        );
        let request = self
            .http
            .post(&self.endpoint)
            .header("Content-Type", "application/soap+xml")
            .body(body);
        answer(request.send().await.unwrap()).await
    }

    /// Lets files grow again, as when somebody made room on the disk.
    fn make_room(&self) {
        let pid = self.child.id().to_string();
        let done =
            Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn prepare(config: &Config) -> String {
    let base = Base::open(config, true).await.unwrap();
    let now = Timestamp::now();
    let organization = base.store.organization_create("Full".to_owned(), now).await.unwrap().id;
    let site = NewSite {
        id: Some("DE-000001".parse().unwrap()),
        organization,
        name: "Full".to_owned(),
        kind: SiteKind::Direct,
        clinical: true,
        county: Some("06001".to_owned()),
        region: Some("CAIRBA".parse().unwrap()),
        status: SiteStatus::Testing,
    };
    base.store.site_create(site, now).await.unwrap();
    let password = Password::generate(&ring::rand::SystemRandom::new()).unwrap();
    let credential = NewCredential {
        site: "DE-000001".parse().unwrap(),
        environment: Environment::Test,
        username: "DE-000001-T".to_owned(),
        facility_id: "DE-000001".to_owned(),
        secret: base.key.hash(CREDENTIAL_PURPOSE, password.reveal()),
        expires_at: None,
    };
    base.store.credential_issue(credential, now).await.unwrap();
    base.store.close();
    password.reveal().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "only SQLite writes files of its own")]
async fn a_full_disk_gives_a_fault_and_room_on_it_gives_acks_again() {
    if std::env::var("TEST_POSTGRES_URL").is_ok() {
        return;
    }
    let service = Limited::start(4_000).await;

    let mut accepted = 0;
    let refused = loop {
        let reply = service.submit(&format!("FULL-{accepted}")).await;
        if reply.status == 500 {
            break reply;
        }
        assert_eq!(msa(&reply.hl7()).0, "AA");
        accepted += 1;
        assert!(accepted < 1_000, "the disk never filled");
    };
    service.make_room();
    let after = service.submit("ROOM").await;

    assert!(accepted > 5, "{accepted}");
    assert_eq!((refused.fault().0.as_str(), refused.fault().1), ("fault", 4011));
    assert_eq!(msa(&after.hl7()).0, "AA");
}
