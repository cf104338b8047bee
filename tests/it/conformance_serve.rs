//! Senders are judged: every rule is broken by a request that keeps all others; every answer is what its name says; nothing
//! of a credential or a patient is told.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use izportal::client::{
    Account, CallError, Contract, Egress, FaultName, Reach, SoapClient, client_config,
};
use izportal::conformance::serve::{
    Call, PATH, RULES, Reply, Scenario, Trial, TrialSettings, cases,
};
use izportal::domain::{Environment, Password};
use izportal::hl7::{Message, Reply as Hl7Reply};
use izportal::server::{LocalAuthority, ServerTls, sender_trial};
use izportal::soap::{SoapVersion, connectivity_test_request, submit_single_message_request};
use izportal::validation::{Codes, Policy, Strictness, Validator};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::sync::mpsc::{Receiver, channel};

use crate::support::program::{
    error_text, exit_code, line_with, output_text, program, run, start, terminate,
};
use crate::support::wire::{chunk, say};
use crate::support::{Answer, Sender, client, msa, replace_field, vxu};

const PASSWORD: &str = "kestrel-harbor-41";

/// A trial in this process.
struct Running {
    dir: TempDir,
    address: SocketAddr,
    calls: Receiver<Call>,
}

fn sender() -> Sender {
    Sender {
        username: "TRIAL".to_owned(),
        password: PASSWORD.to_owned(),
        facility: "TRIAL-CLINIC".to_owned(),
        environment: Environment::Test,
    }
}

impl Running {
    fn start(scenario: Scenario, show_messages: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let files = authority.server_certificate(&["localhost".to_owned()]).unwrap();
        let tls = ServerTls { files, client_ca: None }.config().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, calls) = channel(256);
        let settings = TrialSettings {
            public_url: format!("https://localhost:{}", address.port()),
            username: sender().username,
            password: Password::from(PASSWORD.to_owned()),
            facility: sender().facility,
            scenario,
            show_messages,
            validator: Arc::new(Validator::new(Arc::clone(Codes::built_in()))),
            policy: Policy::new(Strictness::Onboarding, [], &[]).unwrap(),
        };
        let trial = Data::new(Trial::new(settings, told));
        tokio::spawn(sender_trial(listener, tls, trial).unwrap());
        Self { dir, address, calls }
    }

    fn trust(&self) -> ClientConfig {
        client_config(Some(&self.dir.path().join("ca.pem")), None).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    fn client(&self, path: &str) -> SoapClient {
        let reach = Reach {
            tls: self.trust(),
            egress: Egress::anywhere(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
        };
        SoapClient::new(&self.url(path), Contract::Cdc2011(SoapVersion::V12), reach).unwrap()
    }

    /// Sends a request as it stands; gives the answer and what was told of the call.
    async fn send(&mut self, request: &Raw) -> (Option<Answer>, Call) {
        let mut tls = self.trust();
        if request.tls_1_2 {
            let mut roots = rustls::RootCertStore::empty();
            let pem = self.dir.path().join("ca.pem");
            let ca = rustls::pki_types::pem::PemObject::from_pem_file(pem).unwrap();
            roots.add(ca).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            tls = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[&rustls::version::TLS12])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        }
        let answer = say(self.address, tls, request.bytes()).await;
        (answer, self.calls.recv().await.unwrap())
    }
}

fn account() -> Account {
    let Sender { username, password, facility, .. } = sender();
    Account { username, password: Password::from(password), facility_id: facility }
}

/// A request by hand.
#[derive(Clone)]
struct Raw {
    tls_1_2: bool,
    method: &'static str,
    path: String,
    version: &'static str,
    headers: Vec<(&'static str, String)>,
    chunked: bool,
    body: Vec<u8>,
}

impl Raw {
    fn new(version: SoapVersion, operation: &str, body: Vec<u8>) -> Self {
        let action = format!("urn:cdc:iisb:2011:{operation}");
        let headers = match version {
            SoapVersion::V11 => vec![
                ("Content-Type", "text/xml; charset=utf-8".to_owned()),
                ("SOAPAction", format!("\"{action}\"")),
            ],
            SoapVersion::V12 => {
                let media = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
                vec![("Content-Type", media)]
            }
        };
        let (method, version, path) = ("POST", "HTTP/1.1", PATH.to_owned());
        Self { tls_1_2: false, method, path, version, headers, chunked: false, body }
    }

    /// A submission in which nothing is to be mended.
    fn submission(version: SoapVersion, hl7: &str) -> Self {
        let Sender { username, password, facility, .. } = sender();
        let body = submit_single_message_request(version, &username, &password, &facility, hl7);
        Self::new(version, "submitSingleMessage", body)
    }

    fn good() -> Self {
        Self::submission(SoapVersion::V12, &vxu("CS-1", &[]))
    }

    fn soap_1_1() -> Self {
        Self::submission(SoapVersion::V11, &vxu("CS-1", &[]))
    }

    fn echo() -> Self {
        let body = connectivity_test_request(SoapVersion::V12, "Hello");
        Self::new(SoapVersion::V12, "connectivityTest", body)
    }

    /// The body with a text replaced, which must be there.
    fn with(mut self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        self.body = text.replace(from, to).into_bytes();
        self
    }

    /// The same with a block in the Header.
    fn with_header(self, block: &str) -> Self {
        self.with("<env:Body>", &format!("<env:Header>{block}</env:Header><env:Body>"))
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(one, _)| *one != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(one, _)| *one != name);
        self
    }

    fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} {}\r\nHost: localhost\r\n", self.method, self.path, self.version);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if self.chunked {
            let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
            return [head.into_bytes(), chunk(&self.body), b"0\r\n\r\n".to_vec()].concat();
        }
        let head = format!("{head}Content-Length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

/// A rule, what else is found beside it, and the calls of which the last breaks it.
type Case = (&'static str, &'static [&'static str], Vec<Raw>);

/// HTTP and XML.
fn http_cases() -> Vec<Case> {
    let action =
        "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:connectivityTest\"";
    let other = "application/xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessage\"";
    let ascii =
        "application/soap+xml; charset=us-ascii; action=\"urn:cdc:iisb:2011:submitSingleMessage\"";
    let bare = "urn:cdc:iisb:2011:submitSingleMessage";
    let mut bytes = Raw::good();
    bytes.body.insert(60, 0xFF);
    let deep = format!("{}{}", "<a>".repeat(70), "</a>".repeat(70));
    vec![
        ("HTTP-TLS", &[], vec![Raw { tls_1_2: true, ..Raw::good() }]),
        ("HTTP-METHOD", &[], vec![Raw { method: "PUT", ..Raw::good() }]),
        ("HTTP-VERSION", &[], vec![Raw { version: "HTTP/1.0", ..Raw::good() }]),
        ("HTTP-ENCODING", &[], vec![Raw::good().header("Content-Encoding", "gzip")]),
        ("HTTP-BODY", &[], vec![Raw { body: vec![], ..Raw::good() }]),
        ("HTTP-SIZE", &[], vec![Raw { body: vec![b' '; 4_300_000], ..Raw::good() }]),
        ("HTTP-CHUNKED", &[], vec![Raw { chunked: true, ..Raw::good() }]),
        ("HTTP-CONTENT-TYPE", &[], vec![Raw::good().header("Content-Type", other)]),
        ("HTTP-CHARSET", &[], vec![Raw::good().header("Content-Type", ascii)]),
        (
            "HTTP-ACTION-PARAMETER",
            &[],
            vec![Raw::good().header("Content-Type", "application/soap+xml; charset=utf-8")],
        ),
        ("HTTP-SOAPACTION", &["ENV-SOAP-1.1"], vec![Raw::soap_1_1().without("SOAPAction")]),
        (
            "HTTP-SOAPACTION-QUOTED",
            &["ENV-SOAP-1.1"],
            vec![Raw::soap_1_1().header("SOAPAction", bare)],
        ),
        ("HTTP-ACTION-OTHER", &[], vec![Raw::good().header("Content-Type", action)]),
        ("XML-ENCODING", &[], vec![bytes]),
        ("XML-WELL-FORMED", &[], vec![Raw::good().with("</env:Envelope>", "")]),
        ("XML-DTD", &[], vec![Raw::good().with("?>", "?><!DOCTYPE x>")]),
        ("XML-INSTRUCTION", &[], vec![Raw::good().with("?>", "?><?do it?>")]),
        ("XML-LIMITS", &[], vec![Raw::good().with_header(&deep)]),
    ]
}

/// The envelope.
fn envelope_cases() -> Vec<Case> {
    let security = "<w:Security xmlns:w=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"/>";
    let must = "<x:Y xmlns:x=\"urn:x\" env:mustUnderstand=\"1\"/>";
    let facility = "<facilityID>TRIAL-CLINIC</facilityID>";
    let second = "<connectivityTest xmlns=\"urn:cdc:iisb:2011\"><echoBack>x</echoBack></connectivityTest></env:Body>";
    vec![
        ("ENV-ROOT", &[], vec![Raw::good().with("env:Envelope", "env:Envelop")]),
        ("ENV-SOAP-1.1", &[], vec![Raw::soap_1_1()]),
        (
            "ENV-CHILDREN",
            &[],
            vec![Raw::good().with("</env:Envelope>", "<x xmlns=\"urn:x\"/></env:Envelope>")],
        ),
        ("ENV-BODY", &[], vec![Raw::good().with("</env:Body>", "</env:Body><env:Body/>")]),
        ("ENV-TEXT", &[], vec![Raw::good().with("</env:Body>", "</env:Body> x ")]),
        ("ENV-MUST-UNDERSTAND", &[], vec![Raw::good().with_header(must)]),
        ("ENV-SECURITY-HEADER", &[], vec![Raw::good().with_header(security)]),
        ("ENV-ONE-OPERATION", &[], vec![Raw::good().with("</env:Body>", second)]),
        (
            "ENV-OPERATION",
            &[],
            vec![
                Raw::good()
                    .with("<submitSingleMessage ", "<submitSingleMessageX ")
                    .with("</submitSingleMessage>", "</submitSingleMessageX>"),
            ],
        ),
        ("OP-NAMESPACE", &[], vec![Raw::good().with("<username>", "<username xmlns=\"\">")]),
        ("OP-EXTRA", &[], vec![Raw::good().with("<username>", "<extra/><username>")]),
        ("OP-TWICE", &[], vec![Raw::good().with(facility, &facility.repeat(2))]),
        (
            "OP-ORDER",
            &[],
            vec![
                Raw::good().with(facility, "").with("<username>", &format!("{facility}<username>")),
            ],
        ),
        ("OP-TEXT-ONLY", &[], vec![Raw::good().with("TRIAL-CLINIC</", "TRIAL-CLINIC<b/></")]),
        ("OP-ECHO", &[], vec![Raw::echo().with("Hello", "  ")]),
        ("CRED-USERNAME", &[], vec![Raw::good().with("<username>TRIAL<", "<username><")]),
        ("CRED-PASSWORD", &[], vec![Raw::good().with(PASSWORD, " ")]),
        ("CRED-FACILITY", &[], vec![Raw::good().with(facility, "")]),
        ("CRED-SPACES", &[], vec![Raw::good().with(PASSWORD, &format!("{PASSWORD}\n"))]),
        ("CRED-EQUAL", &[], vec![Raw::good().with(PASSWORD, "another-one")]),
    ]
}

fn submission(hl7: &str) -> Raw {
    Raw::submission(SoapVersion::V12, hl7)
}

/// The message.
fn message_cases() -> Vec<Case> {
    let good = vxu("CS-1", &[]);
    let twice = good.replace('&', "&amp;").replace('\r', "&#xD;");
    let cdata = Raw::good().body;
    let cdata = String::from_utf8(cdata).unwrap();
    let (before, rest) = cdata.split_once("<hl7Message>").unwrap();
    let (_, after) = rest.split_once("</hl7Message>").unwrap();
    let segments: String =
        good.trim_end().split('\r').collect::<Vec<_>>().join("]]>&#xD;<![CDATA[");
    let cdata = format!("{before}<hl7Message><![CDATA[{segments}]]>&#xD;</hl7Message>{after}");
    let long = format!("{good}NTE|1||{}\r", "long".repeat(16_250));
    let no_sender = replace_field(&replace_field(&good, "MSH", 3, ""), "MSH", 4, "");
    vec![
        ("MSG-PRESENT", &[], vec![submission("")]),
        ("MSG-ESCAPED-TWICE", &[], vec![submission(&twice)]),
        ("MSG-BEGINS", &[], vec![submission("Dear registry")]),
        ("MSG-ONE", &[], vec![submission(&good.repeat(2))]),
        ("MSG-CDATA", &[], vec![Raw { body: cdata.into_bytes(), ..Raw::good() }]),
        ("MSG-SEGMENT-ENDS", &[], vec![Raw::good().with("&#xD;", "\r\n")]),
        ("MSG-LAST-END", &[], vec![submission(good.trim_end())]),
        ("MSG-FRAMING", &[], vec![submission(&format!("\r\r{good}"))]),
        ("MSG-SIZE", &[], vec![submission(&long)]),
        ("MSH-SENDER", &[], vec![submission(&no_sender)]),
        ("MSH-RECEIVER", &[], vec![submission(&replace_field(&good, "MSH", 6, ""))]),
        ("MSH-TRIAL", &[], vec![submission(&replace_field(&good, "MSH", 11, "P"))]),
        (
            "MSH-10-UNIQUE",
            &[],
            vec![Raw::good(), submission(&vxu("CS-1", &[("Penelope", "Pauline")]))],
        ),
    ]
}

/// What a client does after an answer.
fn behaviour_cases() -> Vec<Case> {
    let at = |path: &str| vec![Raw::good().at(path), Raw::good().at(path)];
    let renamed =
        submission(&replace_field(&vxu("CS-1", &[]), "MSH", 10, "CS-2")).at("/reply/html");
    vec![
        ("AGAIN-AFTER-KEPT", &[], at("/reply/ack-warning")),
        ("AGAIN-TOO-SOON", &[], at("/reply/http-503")),
        ("AGAIN-NEW-ID", &[], vec![Raw::good().at("/reply/html"), renamed]),
        ("AGAIN-UNCHANGED", &[], at("/reply/ack-error")),
    ]
}

fn rules_of(call: &Call) -> Vec<&str> {
    call.findings.iter().map(|one| one.breach.rule.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_is_broken_by_a_request_that_keeps_all_others() {
    let mut covered = vec![];
    let mut wrong = vec![];
    let all = [http_cases(), envelope_cases(), message_cases(), behaviour_cases()].concat();
    for (rule, beside, calls) in all {
        let mut trial = Running::start(Scenario::GOOD, false);
        let (last, first) = calls.split_last().unwrap();
        for call in first {
            trial.send(call).await;
        }
        let (_, call) = trial.send(last).await;

        let mut expected = [&[rule], beside].concat();
        let mut found = rules_of(&call);
        expected.sort_unstable();
        found.sort_unstable();
        if found != expected {
            wrong.push(format!("{rule}: {:#?}", call.findings));
        }
        covered.push(rule);
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for rule in RULES {
        assert!(covered.contains(&rule.name), "no request breaks {}", rule.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_in_a_good_call_and_it_is_answered_as_by_a_good_registry() {
    let mut trial = Running::start(Scenario::GOOD, false);

    let (echo, first) = trial.send(&Raw::echo()).await;
    let (ack, second) = trial.send(&Raw::good()).await;
    let (older, third) = trial.send(&Raw::soap_1_1().at("/reply/good")).await;

    assert_eq!((rules_of(&first), rules_of(&second)), (vec![], vec![]));
    assert_eq!(rules_of(&third), ["ENV-SOAP-1.1"]);
    assert!(echo.unwrap().text.contains("<return>Hello</return>"));
    assert_eq!(msa(&ack.unwrap().hl7()), ("AA".to_owned(), "CS-1".to_owned()));
    let older = older.unwrap();
    assert_eq!(older.header("content-type"), "text/xml; charset=utf-8");
    assert_eq!(second.title(), "submitSingleMessage VXU by Z22, MSH-10 CS-1");
    assert_eq!(second.answered, "ACK AA");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_judged_and_the_ack_says_what_was_found() {
    let mut trial = Running::start(Scenario::GOOD, false);

    let hl7 = replace_field(&vxu("CS-7", &[]), "MSH", 16, "");
    let (answer, call) = trial.send(&submission(&hl7)).await;

    assert_eq!(rules_of(&call), ["USE-R"]);
    assert!(call.findings[0].breach.found.starts_with("MSH-16"), "{:?}", call.findings);
    let ack = answer.unwrap().hl7();
    assert_eq!(msa(&ack).0, "AE");
    assert_eq!(Hl7Reply::read(ack.as_bytes()).unwrap().control_id(), Some("CS-7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_answered_with_an_invented_person_or_nobody_and_both_keep_their_profile() {
    let mut trial = Running::start(Scenario::GOOD, false);
    let validator = Validator::new(Arc::clone(Codes::built_in()));
    let policy = Policy::new(Strictness::Onboarding, [], &[]).unwrap();
    for (query, path, profile, status) in [
        (include_str!("../fixtures/hl7/qbp_z34.hl7"), PATH, "Z32", "OK"),
        (include_str!("../fixtures/hl7/qbp_z44.hl7"), PATH, "Z42", "OK"),
        (include_str!("../fixtures/hl7/qbp_z34.hl7"), "/reply/no-match", "Z33", "NF"),
        (include_str!("../fixtures/hl7/qbp_z44.hl7"), "/reply/match", "Z42", "OK"),
    ] {
        let (answer, call) = trial.send(&submission(query).at(path)).await;

        let errors: Vec<_> = rules_of(&call);
        assert_eq!(errors, Vec::<&str>::new(), "{:#?}", call.findings);
        let text = answer.unwrap().hl7();
        let message = Message::parse(text.as_bytes()).unwrap();
        let header = izportal::hl7::Header::of(&message);
        let now = izportal::domain::Timestamp::now();
        let found = validator.check(&message, &header, &policy, now);
        assert_eq!(header.profile.text(), Some(profile.as_bytes()));
        assert!(text.contains(&format!("|{status}|")), "{text}");
        assert!(found.is_empty(), "{profile}: {found:#?}");
        assert!(!call.exchange.response.contains("916^5550142"), "{}", call.exchange.response);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_what_its_name_says() {
    let trial = Running::start(Scenario::GOOD, false);
    for reply in Reply::ALL {
        let client = trial.client(&format!("/reply/{reply}"));
        let hl7 = vxu("CS-9", &[]);

        let answer = client.submit_single_message(&account(), &hl7).await;

        let acknowledged = |code: &str, id: &str| {
            let text = answer.as_ref().unwrap_or_else(|error| panic!("{reply}: {error}"));
            assert_eq!(msa(text), (code.to_owned(), id.to_owned()), "{reply}");
        };
        match reply {
            Reply::Good | Reply::AckAccept | Reply::Match | Reply::NoMatch => {
                acknowledged("AA", "CS-9");
            }
            Reply::AckWarning | Reply::AckError => acknowledged("AE", "CS-9"),
            Reply::AckReject => acknowledged("AR", "CS-9"),
            Reply::AckOther => acknowledged("AA", "OTHER-CS-9"),
            Reply::EmptyReturn => assert_eq!(answer.unwrap(), ""),
            Reply::FaultSecurity => is_fault(&answer, FaultName::Security),
            Reply::FaultTooLarge => is_fault(&answer, FaultName::MessageTooLarge),
            Reply::FaultUnsupported => is_fault(&answer, FaultName::UnsupportedOperation),
            Reply::FaultUnknown => is_fault(&answer, FaultName::Other),
            Reply::Busy => {
                let Err(CallError::Status { status, retry_after }) = answer else {
                    panic!("{answer:?}")
                };
                assert_eq!((status, retry_after), (503, Some(Duration::from_secs(10))));
            }
            Reply::Html | Reply::Truncated | Reply::Empty => {
                assert!(matches!(answer, Err(CallError::Unreadable(_))), "{reply}: {answer:?}");
            }
            Reply::CutBefore | Reply::CutAfter => assert!(answer.is_err(), "{reply}"),
        }
    }
}

fn is_fault(answer: &Result<String, CallError>, name: FaultName) {
    let Err(CallError::Fault(given)) = answer else { panic!("no fault: {answer:?}") };
    assert_eq!(*given, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_asks_for_a_wait_and_for_so_many_calls_and_describes_itself() {
    let mut trial = Running::start(Scenario::GOOD, false);
    let path = "/reply/fault-unknown/delay/1/times/1";

    let begun = std::time::Instant::now();
    let (first, _) = trial.send(&Raw::good().at(path)).await;
    let waited = begun.elapsed();
    let (second, call) = trial.send(&Raw::good().at(path)).await;
    let http = client(Some(&trial.dir.path().join("ca.pem")));
    let wsdl = http.get(trial.url(&format!("{path}?wsdl"))).send().await.unwrap();
    let wsdl = wsdl.text().await.unwrap();
    let unknown = http.get(trial.url("/reply/nothing")).send().await.unwrap();

    assert_eq!(first.unwrap().fault().0, "fault");
    assert!(waited >= Duration::from_secs(1));
    assert_eq!(msa(&second.unwrap().hl7()).0, "AA");
    assert_eq!(rules_of(&call), Vec::<&str>::new(), "a repeat with the same MSH-10 is right");
    assert!(wsdl.contains(&format!("location=\"{}\"", trial.url(path))), "{wsdl}");
    assert_eq!(unknown.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_credentials_nor_what_a_message_says_are_told() {
    let mut closed = Running::start(Scenario::GOOD, false);
    let mut open = Running::start(Scenario::GOOD, true);
    let wrong = Raw::good().with(PASSWORD, "wrong-secret-9").header("Authorization", "Basic QUJD");
    let broken = Raw::good().with("</env:Envelope>", "");

    let mut told = String::new();
    for request in [&Raw::good(), &wrong, &broken] {
        let (_, call) = closed.send(request).await;
        told.extend([format!("{call:?}"), call.title()]);
    }
    let (_, shown) = open.send(&Raw::good()).await;

    for secret in [PASSWORD, "wrong-secret-9", "QUJD", "Sampleperson", "Penelope", "5550142"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert!(told.contains("MSH|^~\\\\&amp;|XXXXXX XXX|"), "{told}");
    assert!(shown.exchange.request.contains("Sampleperson"));
    assert!(!shown.exchange.request.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_fills_the_checklist_writes_its_report_and_ends_by_itself() {
    let dir = TempDir::new().unwrap();
    let ready = dir.path().join("ready.json");
    let [report, html, junit] =
        ["report.json", "report.html", "report.xml"].map(|name| dir.path().join(name));
    let mut command = program();
    command.current_dir(dir.path()).args(["conformance", "serve", "--listen", "127.0.0.1:0"]);
    command.args(["--calls", "2", "--expect", "SOAPCON-1,VXU-Z22"]);
    command.arg("--ready-file").arg(&ready).arg("--json").arg(&report);
    command.arg("--html").arg(&html).arg("--junit").arg(&junit);
    let (mut child, lines) = start(&mut command);
    line_with(&lines, "Each call is judged below");
    crate::support::program::eventually("the ready file", || ready.exists()).await;

    let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let reach = Reach {
        tls: client_config(Some(std::path::Path::new(ready["ca"].as_str().unwrap())), None)
            .unwrap(),
        egress: Egress::anywhere(),
        connect_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(20),
    };
    let endpoint = ready["endpoint"].as_str().unwrap();
    let soap = SoapClient::new(endpoint, Contract::Cdc2011(SoapVersion::V12), reach).unwrap();
    let given = &ready["senders"][0];
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    let password = text("password");
    let account = Account {
        username: text("username"),
        password: Password::from(password.clone()),
        facility_id: text("facility_id"),
    };
    soap.connectivity_test("Hello").await.unwrap();
    soap.submit_single_message(&account, &vxu("CS-1", &[])).await.unwrap();

    let told = line_with(&lines, "passed SOAPCON-3");
    assert!(told.contains("VXU-Z22 (5 of 7)"), "{told}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for file in [&report, &html, &junit] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains("SOAPCON-3"), "{text}");
        assert!(!text.contains(&password) && !text.contains("Penelope"), "{text}");
    }
    let report = std::fs::read_to_string(&report).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let verdict = |case: &str| {
        let results = report["results"].as_array().unwrap();
        let found = results.iter().find(|one| one["case"] == case);
        found.map_or("none", |one| one["verdict"].as_str().unwrap()).to_owned()
    };
    for (case, expected) in [
        ("SOAPCON-1", "passed"),
        ("SOAPCON-2", "undecided"),
        ("SOAPENV-2", "passed"),
        ("QBP-Z34", "skipped"),
        ("CALL-1", "passed"),
        ("CALL-2", "passed"),
    ] {
        assert_eq!(verdict(case), expected, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_what_came_out() {
    let dir = TempDir::new().unwrap();
    let in_dir = |arguments: &[&str]| {
        let mut command = program();
        command.current_dir(dir.path()).args(["conformance", "serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        command
    };
    let nobody = in_dir(&["--for", "1"]).output().unwrap();
    let unknown = in_dir(&["--expect", "SOAPCON-2"]).output().unwrap();
    let no_file = in_dir(&["--password-file", "nowhere"]).output().unwrap();
    let no_folder = in_dir(&["--json", "nowhere/report.json"]).output().unwrap();
    let (mut child, lines) = start(&mut in_dir(&[]));
    line_with(&lines, "Each call is judged below");
    let stopped = terminate(&mut child);
    let listed = run(&["conformance", "serve", "--list"]);

    assert_eq!((exit_code(&nobody), stopped), (1, 0));
    assert!(error_text(&nobody).contains("no call came"));
    for (output, text) in
        [(&unknown, "SOAPCON-2"), (&no_file, "nowhere"), (&no_folder, "nowhere/report.json")]
    {
        assert_eq!(exit_code(output), 2, "{}", error_text(output));
        assert!(error_text(output).contains(text), "{}", error_text(output));
    }
    let listed = output_text(&listed);
    for name in Reply::ALL
        .iter()
        .map(|reply| reply.word())
        .chain(cases())
        .chain(RULES.iter().map(|rule| rule.name))
    {
        assert!(listed.contains(name), "{name}");
    }
}
