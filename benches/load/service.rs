//! The process under load: `izportal serve` on a data directory of its own, or a handler with a fixed reply.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use izportal::config::Config;
use izportal::server::{LocalAuthority, ServerTls, Size};
use izportal::soap::{SoapVersion, connectivity_test_request, submit_single_message_request};
use tempfile::TempDir;

use crate::support::{PASSWORD, SITE, USERNAME, add, installation};

/// A Site in another region.
const NEIGHBOUR: &str = "DE-000002";

/// A running process and how to call it.
pub(crate) struct Service {
    child: Child,
    dir: TempDir,
    port: u16,
    fixed: bool,
}

impl Service {
    /// The gateway with this reply policy and number of delivery workers, on SQLite or on PostgreSQL; CAIRBA's test
    /// registry is the built-in one, or a fixed reply.
    pub(crate) fn serve(
        reply: &str,
        workers: usize,
        postgres: Option<&str>,
        registry: Option<&Self>,
    ) -> Self {
        let dir = TempDir::new_in(std::env::current_dir().unwrap().join("target")).unwrap();
        let port = free_port();
        let database = postgres.map_or_else(String::new, |url| {
            let schema = new_schema(url);
            format!("[database]\nurl = \"{url}\"\nschema = \"{schema}\"\n")
        });
        let registry = registry.map_or_else(String::new, |registry| registry.as_destination(&dir));
        let text = format!(
            "data_dir = \"{}\"\n[server]\nlisten = \"127.0.0.1:{port}\"\nops_listen = \"\"\n[gateway]\nreply = \"{reply}\"\n\
             delivery_workers = {workers}\n[log]\nformat = \"json\"\n{database}{registry}",
            dir.path().join("data").display()
        );
        let config = Config::read(&text).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let base = installation(&config).await;
            add(&base, NEIGHBOUR, ("06019", "CAIRCV")).await;
            base.store.close();
        });
        let file = dir.path().join("izportal.toml");
        fs::write(&file, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_izportal"))
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, dir, port, fixed: false }.ready()
    }

    /// A handler that reads the body and answers with the same bytes each time.
    pub(crate) fn fixed() -> Self {
        let dir = TempDir::new_in(std::env::current_dir().unwrap().join("target")).unwrap();
        let authority = LocalAuthority::open(dir.path().join("data/tls")).unwrap();
        authority.server_certificate(&["localhost".to_owned()]).unwrap();
        let port = free_port();
        fs::write(dir.path().join("port"), port.to_string()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .arg("--fixed-server")
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, dir, port, fixed: true }.ready()
    }

    /// This service as the test registry of CAIRBA.
    fn as_destination(&self, dir: &TempDir) -> String {
        let password = dir.path().join("registry-password");
        fs::write(&password, PASSWORD).unwrap();
        format!(
            "[egress]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n[regions.CAIRBA.test]\nurl = \"https://localhost:{}/IISService\"\nusername = \"GW\"\nfacility_id = \"GW\"\n\
             password_file = \"{}\"\nca = \"{}\"\n",
            self.port,
            password.display(),
            self.ca().display()
        )
    }

    /// Runs `izportal admin` on its installation.
    pub(crate) fn admin(&self, arguments: &[&str]) {
        let done = Command::new(env!("CARGO_BIN_EXE_izportal"))
            .args(["admin", "--config"])
            .arg(self.dir.path().join("izportal.toml"))
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "admin {arguments:?}");
    }

    /// How many deliveries are queued in its embedded database.
    pub(crate) fn queued(&self) -> usize {
        use diesel::prelude::*;

        let file = self.dir.path().join("data/izportal.db");
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        let count = diesel::dsl::sql::<diesel::sql_types::BigInt>(
            "SELECT count(*) FROM delivery WHERE state = 'queued'",
        );
        count.get_result::<i64>(&mut conn).unwrap() as usize
    }

    fn ready(self) -> Self {
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "the service did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(500));
        self
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("data/tls/ca.pem")
    }

    /// A folder for files of a measurement; it goes with the service.
    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Submissions of the neighbour, to another region.
    pub(crate) fn neighbours_request(&self) -> Request {
        let Request { bytes, expect, .. } = self.request("submit");
        let text = String::from_utf8(bytes).unwrap();
        let bytes = text.replace(SITE, NEIGHBOUR).replace("CAIRBA", "CAIRCV").into_bytes();
        let marks = memchr::memmem::find_iter(&bytes, MARK).collect();
        Request { bytes, marks, expect }
    }

    /// Requests of one connection.
    pub(crate) fn request(&self, path: &str) -> Request {
        let body = match path {
            "echo" => connectivity_test_request(SoapVersion::V12, MARK),
            _ => submit_single_message_request(
                SoapVersion::V12,
                USERNAME,
                PASSWORD,
                SITE,
                &include_str!("vxu.hl7").replace('\n', "\r").replace("{{control_id}}", MARK),
            ),
        };
        let mut bytes = format!(
            "POST /IISService HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&body);
        let marks = memchr::memmem::find_iter(&bytes, MARK).collect();
        let expect = match (path, self.fixed) {
            (_, true) => Expect::Nothing,
            ("echo", _) => Expect::Echo,
            _ => Expect::Ack,
        };
        Request { bytes, marks, expect }
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of the server so far, in microseconds.
    pub(crate) fn cpu_micros(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = &stat[stat.rfind(')').unwrap()..];
        let fields: Vec<&str> = after_name.split(' ').collect();
        // utime and stime, in ticks of 10 ms.
        (fields[12].parse::<f64>().unwrap() + fields[13].parse::<f64>().unwrap()) * 10_000.0
    }

    /// A number of /proc/PID/status: KiB, or a count.
    pub(crate) fn status(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|text| text.starts_with(line)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A run with errors in the log is not a run; that nothing is sent while a destination is paused is one on purpose.
    pub(crate) fn check_logged_errors(&self) {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let bad: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("\"level\":\"ERROR\"") && !line.contains("(paused)"))
            .take(3)
            .collect();
        assert!(bad.is_empty(), "the service logged errors: {bad:#?}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Stands where each request has an MSH-10 of its own.
const MARK: &str = "L00000000000000";

enum Expect {
    Ack,
    Echo,
    Nothing,
}

/// The bytes of a request, rewritten in place for each one.
pub(crate) struct Request {
    bytes: Vec<u8>,
    marks: Vec<usize>,
    expect: Expect,
}

impl Request {
    /// Makes the bytes those of the next request; gives what its reply must hold.
    pub(crate) fn next(&mut self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let id = format!("L{:014}", NUMBER.fetch_add(1, Ordering::Relaxed));
        for at in &self.marks {
            self.bytes[*at..at + id.len()].copy_from_slice(id.as_bytes());
        }
        match self.expect {
            Expect::Ack => format!("MSA|AA|{id}"),
            Expect::Echo => format!("<return>{id}</return>"),
            Expect::Nothing => "MSA|AA|".to_owned(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[cfg(feature = "postgres")]
fn new_schema(url: &str) -> String {
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, PgConnection};

    let schema = format!("load_{}", uuid::Uuid::now_v7().simple());
    PgConnection::establish(url)
        .unwrap()
        .batch_execute(&format!("CREATE SCHEMA {schema}"))
        .unwrap();
    schema
}

#[cfg(not(feature = "postgres"))]
fn new_schema(_url: &str) -> String {
    panic!("--postgres needs --features postgres");
}

/// Median time to make 4 KiB durable in the folder of the data directories.
pub(crate) fn fsync_millis() -> f64 {
    let dir = TempDir::new_in(std::env::current_dir().unwrap().join("target")).unwrap();
    let mut file = File::create(dir.path().join("file")).unwrap();
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            file.write_all(&[0; 4096]).unwrap();
            let start = Instant::now();
            file.sync_data().unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The body of the process that answers with a fixed reply.
pub(crate) fn run_fixed_server(folder: &Path) {
    let port: u16 = fs::read_to_string(folder.join("port")).unwrap().parse().unwrap();
    let authority = LocalAuthority::open(folder.join("data/tls")).unwrap();
    let files = authority.server_certificate(&["localhost".to_owned()]).unwrap();
    let tls = ServerTls { files, client_ca: None }.config().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    // Without MSA-2 it acknowledges whatever was sent.
    let ack = "MSH|^~\\&|IZGATEWAY|CDPH|LOAD|DE-000001|20260101000000+0000||ACK^V04^ACK|1|T|2.5.1|||NE|NE|||||Z23^CDCPHINVS\rMSA|AA|\rERR|||0^Message accepted^HL70357|I||||Message accepted by the Gateway and queued for CAIRBA. Do not send it again.\r";
    let reply = web::Bytes::from(izportal::soap::submit_single_message_response(
        SoapVersion::V12,
        ack,
        None,
    ));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = izportal::server::https(
            listener,
            tls,
            Size { workers: 0, connections: 5_000, stop: Duration::from_secs(1) },
            move |config| {
                let reply = reply.clone();
                config.route(
                    "/IISService",
                    web::post().to(move |_body: web::Bytes| {
                        let reply = reply.clone();
                        async move {
                            HttpResponse::Ok()
                                .content_type("application/soap+xml; charset=utf-8")
                                .body(reply)
                        }
                    }),
                );
            },
        );
        server.unwrap().await.unwrap();
    });
}
