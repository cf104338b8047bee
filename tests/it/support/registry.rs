//! A scripted registry over real HTTPS: it answers what a test tells it, and keeps what it received.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use izportal::server::{LocalAuthority, ServerTls};
use izportal::soap::{
    EchoReply, SoapVersion, connectivity_test_response, submit_single_message_response,
};
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// What the registry does with the next call.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Answers a submission with this HL7 text.
    Ack(String),
    /// Answers AA to the MSH-10 that it finds.
    Accept,
    /// Answers with a status and a body as they stand.
    Raw(u16, &'static str, String),
    /// Waits, then goes on with the inner script.
    After(Duration, Box<Self>),
    /// Waits until the test opens the gate, then goes on with the inner script.
    Behind(Gate, Box<Self>),
}

/// Holds every call until it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.close();
    }

    async fn opened(&self) {
        let _ = self.0.acquire().await; // an error: it has been closed, which is how it opens
    }
}

/// A submission as the registry saw it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// MSH-10.
    pub(crate) control_id: String,
    pub(crate) began: Instant,
    /// None while it is under way.
    pub(crate) ended: Option<Instant>,
    /// Whether it ended with an answer; else its caller hung up.
    pub(crate) answered: bool,
}

/// The end of a call, however it comes.
struct UnderWay {
    shared: Data<Shared>,
    number: usize,
    answered: bool,
}

impl UnderWay {
    fn begin(shared: &Data<Shared>, control_id: String) -> Self {
        let call = Call { control_id, began: Instant::now(), ended: None, answered: false };
        let mut calls = shared.calls.lock().unwrap();
        calls.push(call);
        Self { shared: Data::clone(shared), number: calls.len() - 1, answered: false }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let call = &mut self.shared.calls.lock().unwrap()[self.number];
        (call.ended, call.answered) = (Some(Instant::now()), self.answered);
    }
}

struct Shared {
    scripts: Mutex<VecDeque<Script>>,
    fallback: Script,
    received: Mutex<Vec<String>>,
    calls: Mutex<Vec<Call>>,
    down: AtomicBool,
}

/// The registry; it ends with the runtime of its test.
pub(crate) struct ScriptedRegistry {
    pub(crate) url: String,
    dir: TempDir,
    shared: Arc<Shared>,
}

impl ScriptedRegistry {
    /// A registry that does `fallback` whenever nothing else was scripted.
    pub(crate) fn start(fallback: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, fallback)
    }

    pub(crate) fn on(listener: TcpListener, fallback: Script) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let files = authority
            .server_certificate(&["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap();
        let tls = ServerTls { files, client_ca: None }.config().unwrap();
        let url = format!("https://127.0.0.1:{}/IISService", listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared {
            scripts: Mutex::default(),
            fallback,
            received: Mutex::default(),
            calls: Mutex::default(),
            down: AtomicBool::new(false),
        });
        let data = Data::from(Arc::clone(&shared));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(16 << 20))
                .route("/IISService", web::post().to(serve))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen_rustls_0_23(listener, tls)
        .unwrap()
        .run();
        tokio::spawn(server);
        Self { url, dir, shared }
    }

    /// The next call is answered so; further ones after it, in order.
    pub(crate) fn then(&self, script: Script) {
        self.shared.scripts.lock().unwrap().push_back(script);
    }

    /// Does `fallback` from now on, whatever was scripted.
    pub(crate) fn forget(&self) {
        self.shared.scripts.lock().unwrap().clear();
    }

    /// While it is down every call, also a connectivityTest, is answered 503 and not kept.
    pub(crate) fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }

    /// The bodies of the submissions so far.
    pub(crate) fn received(&self) -> Vec<String> {
        self.shared.received.lock().unwrap().clone()
    }

    /// The submissions so far, in the order in which they began.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// The last submission of a message.
    pub(crate) fn call(&self, control_id: &str) -> Option<Call> {
        let calls = self.shared.calls.lock().unwrap();
        calls.iter().rev().find(|call| call.control_id == control_id).cloned()
    }

    /// How many submissions began so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.calls.lock().unwrap().len()
    }

    /// The authority of its certificate, in PEM.
    pub(crate) fn ca(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("ca.pem")).unwrap()
    }

    /// The `[regions.…]` table that sends a region's messages of one environment here.
    pub(crate) fn config(&self, region: &str, environment: &str) -> String {
        let password = self.dir.path().join("password");
        std::fs::write(&password, "registry-credential-of-the-test").unwrap();
        format!(
            "[regions.{region}.{environment}]\nurl = \"{}\"\nusername = \"GW\"\nfacility_id = \"GW\"\npassword_file = \"{}\"\nca = \"{}\"\n",
            self.url,
            password.display(),
            self.dir.path().join("ca.pem").display()
        )
    }
}

async fn serve(body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let text = String::from_utf8_lossy(&body).into_owned();
    if shared.down.load(Ordering::Relaxed) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    if text.contains("connectivityTest") {
        return soap_bytes(connectivity_test_response(
            SoapVersion::V12,
            &EchoReply::Text("izportal"),
            None,
        ));
    }
    shared.received.lock().unwrap().push(text.clone());
    let mut call = UnderWay::begin(&shared, control_id(&text));
    let mut script =
        shared.scripts.lock().unwrap().pop_front().unwrap_or_else(|| shared.fallback.clone());
    loop {
        script = match script {
            Script::After(wait, next) => {
                tokio::time::sleep(wait).await;
                *next
            }
            Script::Behind(gate, next) => {
                gate.opened().await;
                *next
            }
            _ => break,
        };
    }
    call.answered = true;
    match script {
        Script::Ack(hl7) => soap(&hl7),
        Script::Accept => soap(&ack("AA", &control_id(&text), "")),
        Script::Raw(status, content_type, body) => {
            HttpResponse::build(status.try_into().unwrap()).content_type(content_type).body(body)
        }
        Script::After(..) | Script::Behind(..) => unreachable!("waited above"),
    }
}

/// A registry's ACK.
pub(crate) fn ack(code: &str, control_id: &str, errors: &str) -> String {
    format!(
        "MSH|^~\\&|REGISTRY|TEST IIS|||20260101120000-0800||ACK^V04^ACK|R-{control_id}|T|2.5.1\rMSA|{code}|{control_id}\r{errors}"
    )
}

fn soap(hl7: &str) -> HttpResponse {
    soap_bytes(submit_single_message_response(SoapVersion::V12, hl7, None))
}

fn soap_bytes(bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/soap+xml; charset=utf-8").body(bytes)
}

fn control_id(request: &str) -> String {
    let from = request.find("MSH|").unwrap();
    request[from..].split('|').nth(9).unwrap().to_owned()
}
