//! The loopback registry misbehaves as it is told: what its client sees on the wire, what it keeps, what a sender hears.

use std::error::Error;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use futures_util::future::join_all;
use izportal::app::gateway_settings;
use izportal::domain::{Environment, MessageState, RegionCode};
use izportal::loopback::{self, Behaviour, Loopback};
use izportal::server::{LocalAuthority, ServerTls, loopback_registry};
use izportal::soap::{
    Limits, Response, SoapVersion, connectivity_test_request, read_response,
    submit_single_message_request,
};
use tempfile::TempDir;

use crate::support::program::{Installation, error_text, eventually, exit_code, output_text};
use crate::support::{Answer, TestApp, answer, errors, everything_logged, msa, tester, vxu};

/// A loopback registry whose address the test knows, on the store of a gateway.
struct Registry {
    app: TestApp,
    http: reqwest::Client,
    url: String,
    _dir: TempDir,
}

impl Registry {
    async fn start() -> Self {
        let app = TestApp::with("[gateway]\ndelivery_workers = 0\n").await;
        let dir = TempDir::new().unwrap();
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let files = authority.server_certificate(&["127.0.0.1".to_owned()]).unwrap();
        let tls = ServerTls { files, client_ca: None }.config().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let settings = gateway_settings(&app.config).unwrap();
        let registry = Loopback::new(
            Arc::clone(app.app.gateway.store()),
            app.base_key.clone(),
            settings.validator,
            settings.policies,
        );
        tokio::spawn(loopback_registry(listener, tls, Data::new(registry)).unwrap());
        let tls = izportal::client::client_config(Some(&dir.path().join("ca.pem")), None).unwrap();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { app, http, url, _dir: dir }
    }

    /// Tells a registry how to behave, as `admin` does; holds from a second later on at the latest.
    async fn behave(&self, region: &str, environment: Environment, behaviour: &str) {
        let behaviour = behaviour.parse::<Behaviour>().unwrap();
        let script = (behaviour != Behaviour::NORMAL).then(|| behaviour.to_string());
        let region = region.parse().unwrap();
        self.app.store().loopback_script_set(region, environment, script, tester()).await.unwrap();
    }

    async fn call(
        &self,
        region: &str,
        environment: Environment,
        body: Vec<u8>,
    ) -> reqwest::Result<reqwest::Response> {
        let path = loopback::path(region.parse().unwrap(), environment);
        let request = self.http.post(format!("{}{path}", self.url)).body(body);
        request
            .header("Content-Type", "application/soap+xml")
            .timeout(Duration::from_secs(15))
            .send()
            .await
    }

    async fn submit_to(
        &self,
        region: &str,
        environment: Environment,
        hl7: &str,
    ) -> reqwest::Result<reqwest::Response> {
        let code: RegionCode = region.parse().unwrap();
        let password = loopback::password(&self.app.base_key, code, environment);
        let account = loopback::ACCOUNT;
        let body = submit_single_message_request(
            SoapVersion::V12,
            account,
            password.reveal(),
            account,
            hl7,
        );
        self.call(region, environment, body).await
    }

    /// Submits to the test registry of CAIRBA.
    async fn submit(&self, hl7: &str) -> reqwest::Result<reqwest::Response> {
        self.submit_to("CAIRBA", Environment::Test, hl7).await
    }

    /// Submits a message that asks for a behaviour itself, and gives the answer.
    async fn asked(&self, control_id: &str, behaviour: &str) -> Answer {
        answer(self.submit(&asking(control_id, behaviour)).await.unwrap()).await
    }

    async fn probe(&self, region: &str) -> reqwest::Result<reqwest::Response> {
        let body = connectivity_test_request(SoapVersion::V12, "hello");
        self.call(region, Environment::Test, body).await
    }

    /// How often the registry of CAIRBA received a message.
    async fn received(&self, control_id: &str) -> usize {
        let held = self.app.registry("CAIRBA").await;
        held.iter().filter(|one| one.control_id == control_id).count()
    }
}

/// A message that asks for a behaviour in MSH-6.4.
fn asking(control_id: &str, behaviour: &str) -> String {
    vxu(control_id, &[("|CAIRBA|", &format!("|CAIRBA^^^TC-{behaviour}|"))])
}

/// The innermost kind of a broken call.
fn broken(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        found = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(found);
        next = error.source();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledgement_by_script_comes_as_it_is_called_and_keeps_what_it_says() {
    let registry = Registry::start().await;
    let severities =
        |text: &str| -> Vec<String> { errors(text).iter().map(|error| error[2].clone()).collect() };
    let cases: [(&str, &str, &str, &[&str], usize); 12] = [
        ("normal", "AA", "ID", &[], 1),
        ("ack-warning", "AE", "ID", &["W"], 1),
        ("ack-error", "AE", "ID", &["E"], 0),
        ("ack-reject", "AR", "ID", &["E"], 0),
        ("ack-no-severity", "AE", "ID", &[""], 0),
        ("ack-lower-case", "aa", "ID", &[], 1),
        ("ack-ca", "CA", "ID", &[], 1),
        ("ack-ce", "CE", "ID", &["E"], 0),
        ("ack-cr", "CR", "ID", &["E"], 0),
        ("ack-other-id", "AA", "OTHER-ID", &[], 1),
        ("ack-empty-id", "AA", "", &[], 1),
        ("keep:ack-reject", "AR", "ID", &["E"], 1),
    ];

    for (behaviour, code, id, expected, kept) in cases {
        let control_id = format!("ACK-{behaviour}").replace(':', "-");
        let reply = registry.asked(&control_id, behaviour).await.hl7();
        let id = id.replace("ID", &control_id);
        assert_eq!(msa(&reply), (code.to_owned(), id), "{behaviour}: {reply}");
        if behaviour != "normal" {
            assert_eq!(severities(&reply), expected, "{behaviour}: {reply}");
        }
        assert_eq!(registry.received(&control_id).await, kept, "{behaviour}");
    }
    let several = registry.asked("SEVERAL", "ack-several-msa").await.hl7();
    assert!(several.ends_with("\rMSA|AA|SEVERAL\rMSA|AE|OTHER-SEVERAL\r"), "{several}");
    let lines = registry.asked("LINES", "ack-lf").await.hl7();
    assert!(lines.ends_with("\nMSA|AA|LINES\n") && !lines.contains('\r'), "{lines}");
    let batch = registry.asked("BATCH", "ack-batch").await.hl7();
    assert!(batch.starts_with("FHS|^~\\&|") && batch.contains("\rBHS|"), "{batch}");
    assert!(batch.ends_with("\rMSA|AA|BATCH\rBTS|1\rFTS|1\r"), "{batch}");
    for control_id in ["SEVERAL", "LINES", "BATCH"] {
        assert_eq!(registry.received(control_id).await, 1, "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_page_and_torn_answer_comes_as_it_is_called_and_keeps_what_it_says() {
    let registry = Registry::start().await;
    let text = "text/plain; charset=utf-8";
    let soap = "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessageResponse\"";
    let cases = [
        ("status:301", 301, text, "", 0),
        ("status:401", 401, text, "", 0),
        ("status:404", 404, text, "", 0),
        ("status:429:7", 429, text, "7", 0),
        ("status:500", 500, text, "", 0),
        ("status:502", 502, text, "", 0),
        ("status:503:30", 503, text, "30", 0),
        ("status:599", 599, text, "", 0),
        ("keep:status:504", 504, text, "", 1),
        ("html", 200, "text/html; charset=utf-8", "", 0),
        ("broken-xml", 200, soap, "", 1),
        ("empty", 200, soap, "", 1),
        ("control-characters", 200, soap, "", 1),
        ("giant", 200, soap, "", 1),
    ];

    let mut bodies = std::collections::HashMap::new();
    for (behaviour, status, content_type, retry_after, kept) in cases {
        let control_id = format!("RAW-{behaviour}").replace(':', "-");
        let answer = registry.asked(&control_id, behaviour).await;
        assert_eq!(answer.status, status, "{behaviour}");
        assert_eq!(answer.header("content-type"), content_type, "{behaviour}");
        assert_eq!(answer.header("retry-after"), retry_after, "{behaviour}");
        let location = if status == 301 { "/elsewhere" } else { "" };
        assert_eq!(answer.header("location"), location, "{behaviour}");
        assert_eq!(registry.received(&control_id).await, kept, "{behaviour}");
        bodies.insert(behaviour, answer.text);
    }
    let unreadable =
        |behaviour: &str| read_response(bodies[behaviour].as_bytes(), &Limits::default()).is_err();
    assert_eq!(bodies["status:503:30"], "The loopback registry was told to answer HTTP 503.\n");
    assert!(bodies["html"].starts_with("<!DOCTYPE html>"), "{}", bodies["html"]);
    assert_eq!(bodies["empty"], "");
    assert!(bodies["broken-xml"].contains("MSH|"), "half: {}", bodies["broken-xml"]);
    assert!(!bodies["broken-xml"].contains("Envelope>"), "half: {}", bodies["broken-xml"]);
    assert!(bodies["control-characters"].contains("ZZZ|\u{b}"), "a vertical tab");
    for behaviour in ["html", "broken-xml", "empty", "control-characters"] {
        assert!(unreadable(behaviour), "{behaviour} is no SOAP reply");
    }
    assert!(bodies["giant"].len() > 8 * 1024 * 1024, "{}", bodies["giant"].len());
    assert!(!unreadable("giant"), "it is only long");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_comes_as_it_is_called_and_keeps_nothing() {
    let registry = Registry::start().await;
    let good = [
        ("fault-security", "SecurityFault", 2010, "Security"),
        ("fault-too-large", "MessageTooLargeFault", 1000, "MessageTooLarge"),
        ("fault-unsupported", "UnsupportedOperationFault", 3000, "UnsupportedOperation"),
        ("fault-unknown", "fault", 4000, "Unknown"),
        ("fault-quoting", "fault", 4000, "Unknown"),
    ];
    for (behaviour, name, code, reason) in good {
        let answer = registry.asked(behaviour, behaviour).await;
        let (found, number, why, detail) = answer.fault();
        assert_eq!((answer.status, found.as_str(), number), (500, name, code), "{behaviour}");
        assert_eq!(why, reason, "{behaviour}");
        assert_eq!(detail.contains("Sampleperson"), behaviour == "fault-quoting", "{behaviour}");
        assert_eq!(registry.received(behaviour).await, 0, "{behaviour}");
    }
    let odd = [
        ("fault-no-reason", SoapVersion::V12, "Receiver", "application/soap+xml; charset=utf-8"),
        ("fault-unprefixed", SoapVersion::V12, "Receiver", "application/soap+xml; charset=utf-8"),
        ("fault-soap11", SoapVersion::V11, "Server", "text/xml; charset=utf-8"),
    ];
    for (behaviour, version, code, content_type) in odd {
        let answer = registry.asked(behaviour, behaviour).await;
        let Response::Fault(fault) = answer.response() else { panic!("{}", answer.text) };
        assert_eq!((answer.status, fault.version), (500, version), "{behaviour}");
        assert_eq!(
            (fault.code_value.as_str(), answer.header("content-type")),
            (code, content_type)
        );
        assert_eq!(answer.text.contains("Reason"), behaviour != "fault-no-reason", "{behaviour}");
        assert_eq!(answer.text.contains("xmlns"), behaviour != "fault-unprefixed", "{behaviour}");
        assert_eq!(registry.received(behaviour).await, 0, "{behaviour}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_really_cut_before_after_and_in_the_middle() {
    let registry = Registry::start().await;
    registry.behave("CAIRBA", Environment::Test, "reset-before").await;

    let unread = registry.submit(&vxu("UNREAD", &[])).await.unwrap_err();
    let before = registry.submit(&asking("BEFORE", "reset-before")).await.unwrap_err();
    registry.behave("CAIRBA", Environment::Test, "normal").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let asked = registry.submit(&asking("ASKED", "reset-before")).await.unwrap_err();
    let after = registry.submit(&asking("AFTER", "reset-after")).await.unwrap_err();
    let kept = registry.submit(&asking("KEPT", "keep:reset-before")).await.unwrap_err();
    let mut midway = registry.submit(&asking("MIDWAY", "reset-midway")).await.unwrap();
    let declared = midway.content_length().unwrap();
    let mut came = vec![];
    let end = loop {
        match midway.chunk().await {
            Ok(Some(bytes)) => came.extend_from_slice(&bytes),
            Ok(None) => panic!("it ended as if it were whole, after {} bytes", came.len()),
            Err(error) => break error,
        }
    };

    for (name, error) in [
        ("unread", &unread),
        ("before", &before),
        ("asked", &asked),
        ("after", &after),
        ("kept", &kept),
        ("midway", &end),
    ] {
        assert_eq!(broken(error), Some(ErrorKind::ConnectionReset), "{name}: {error:?}");
    }
    assert_eq!(midway.status(), 200);
    assert_eq!(u64::try_from(came.len()).unwrap(), declared / 2);
    assert!(String::from_utf8(came).unwrap().contains("MSH|"), "half of a good answer");
    for (control_id, times) in
        [("UNREAD", 0), ("BEFORE", 0), ("ASKED", 0), ("AFTER", 1), ("KEPT", 1), ("MIDWAY", 1)]
    {
        assert_eq!(registry.received(control_id).await, times, "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_late_or_never_comes() {
    let registry = Registry::start().await;

    let begun = Instant::now();
    let late = registry.asked("LATE", "latency:700ms").await;
    let waited = begun.elapsed();
    let then = registry.asked("THEN", "latency:100ms:status:503").await;
    let patience = Duration::from_secs(1);
    let hang = tokio::time::timeout(patience, registry.submit(&asking("HANG", "hang"))).await;
    let kept = tokio::time::timeout(patience, registry.submit(&asking("KEPT", "keep:hang"))).await;
    let left = tokio::time::timeout(patience, registry.submit(&asking("LEFT", "latency:5s"))).await;
    let begun = Instant::now();
    let measured = join_all((0..8).map(|n| {
        let (registry, control_id) = (&registry, format!("MEASURED-{n}"));
        async move {
            let answer = registry.asked(&control_id, "measured").await;
            assert_eq!(answer.status, 200);
            begun.elapsed()
        }
    }))
    .await;

    assert_eq!(msa(&late.hl7()).0, "AA");
    assert!((700..5_000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(then.status, 503);
    assert!(hang.is_err() && kept.is_err() && left.is_err(), "no answer");
    // The shares below 0.2 s and above 9.75 s are 1/16 and none: all eight fast is one in four thousand million.
    assert!(measured.iter().max().unwrap() > &Duration::from_millis(200), "{measured:?}");
    assert!(measured.iter().max().unwrap() < &Duration::from_secs(14), "{measured:?}");
    for (control_id, times) in [("LATE", 1), ("THEN", 0), ("HANG", 0), ("KEPT", 1), ("LEFT", 1)] {
        assert_eq!(registry.received(control_id).await, times, "{control_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_calls_of_each_message_fail_and_then_it_is_taken() {
    let registry = Registry::start().await;
    registry.behave("CAIRBA", Environment::Test, "fail:2:keep:status:503").await;
    let status = async |control_id: &str| {
        registry.submit(&vxu(control_id, &[])).await.unwrap().status().as_u16()
    };

    let mut heard = vec![];
    for control_id in ["ONE", "TWO", "ONE", "ONE", "TWO", "TWO", "ONE"] {
        heard.push(status(control_id).await);
    }
    let mut probes = vec![];
    for _ in 0..3 {
        probes.push(registry.probe("CAIRBA").await.unwrap().status().as_u16());
    }
    // Another script, even the same one, counts from none.
    registry.behave("CAIRBA", Environment::Test, "fail:1:status:502").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let anew = [status("ONE").await, status("ONE").await];

    assert_eq!(heard, [503, 503, 503, 200, 503, 200, 200]);
    assert_eq!(probes, [503, 503, 200], "connectivityTests are counted together");
    assert_eq!(anew, [502, 200]);
    assert_eq!((registry.received("ONE").await, registry.received("TWO").await), (5, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_hits_the_share_of_the_calls_that_it_names() {
    let registry = Registry::start().await;
    registry.behave("CAIRBA", Environment::Test, "rate:25:status:502").await;
    registry.behave("CAIRCV", Environment::Test, "rate:100:status:502").await;

    let mut down = 0;
    for _ in 0..200 {
        down += usize::from(registry.probe("CAIRBA").await.unwrap().status() == 502);
    }
    let always = join_all((0..10).map(|_| registry.probe("CAIRCV"))).await;

    // 50 are expected; five standard deviations are 31.
    assert!((19..=81).contains(&down), "{down} of 200");
    assert!(always.into_iter().all(|one| one.unwrap().status() == 502));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connectivity_test_meets_the_outage_too_unless_it_is_left_alone() {
    let registry = Registry::start().await;
    let regions: Vec<&str> = RegionCode::managed().map(RegionCode::as_str).collect();
    let scripts = [
        ("status:503", 503),
        ("html", 200),
        ("fault-unknown", 500),
        ("fault-quoting", 500),
        ("ack-reject", 200),
        ("submissions:status:503", 200),
        ("reset-after", 0),
    ];
    for (region, (script, _)) in regions.iter().zip(scripts) {
        registry.behave(region, Environment::Test, script).await;
    }

    for (region, (script, status)) in regions.iter().zip(scripts) {
        let probed = registry.probe(region).await;
        let Ok(response) = probed else {
            let error = probed.unwrap_err();
            assert_eq!((status, broken(&error)), (0, Some(ErrorKind::ConnectionReset)), "{script}");
            continue;
        };
        let answer = answer(response).await;
        assert_eq!(answer.status, status, "{script}");
        if matches!(script, "ack-reject" | "submissions:status:503") {
            let Response::ConnectivityTest(echo) = answer.response() else { panic!("{script}") };
            assert_eq!(echo, "hello", "{script}");
        }
    }
    let other = regions.iter().zip(scripts).find(|(_, (script, _))| script.starts_with("subm"));
    let refused = registry
        .submit_to(other.unwrap().0, Environment::Test, &vxu("SUBMISSION", &[]))
        .await
        .unwrap();
    assert_eq!(refused.status(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_asks_for_a_behaviour_on_the_test_side_only() {
    let registry = Registry::start().await;
    registry.behave("CAIRBA", Environment::Test, "status:503").await;
    let hl7 = asking("ASKING", "status:404");

    let test = registry.submit(&hl7).await.unwrap();
    let production = registry.submit_to("CAIRBA", Environment::Production, &hl7).await.unwrap();
    let unknown = registry.asked("UNKNOWN", "no-such-thing").await.hl7();
    let plain = registry.submit(&vxu("PLAIN", &[])).await.unwrap();

    assert_eq!(test.status(), 404, "the message's own wish goes before the script");
    assert_eq!(msa(&answer(production).await.hl7()).1, "ASKING");
    assert_eq!(registry.received("ASKING").await, 1, "by production");
    assert_ne!(msa(&unknown).0, "AA");
    assert_eq!((errors(&unknown)[0][0].as_str(), errors(&unknown).len()), ("MSH^1^6^1^4", 1));
    assert!(errors(&unknown)[0][4].contains("`izportal admin registry behave --list`"));
    assert!(!unknown.contains("no-such-thing"), "{unknown}");
    assert_eq!(registry.received("UNKNOWN").await, 0);
    assert_eq!(plain.status(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_hears_of_a_behaviour_through_the_gateway_and_nothing_of_the_patient() {
    let app = TestApp::with("[gateway]\ndelivery_workers = 0\n").await;
    let sender = app.test_sender().await;

    let warned = app.submit(&sender, &asking("WARNED", "ack-warning")).await.hl7();
    let refused = app.submit(&sender, &asking("REFUSED", "ack-reject")).await.hl7();
    let cut = app.submit(&sender, &asking("CUT", "reset-after")).await.hl7();
    let torn = app.submit(&sender, &asking("TORN", "reset-midway")).await.hl7();
    let quoting = app.submit(&sender, &asking("QUOTING", "fault-quoting")).await.hl7();

    assert_eq!((msa(&warned).0.as_str(), msa(&refused).0.as_str()), ("AE", "AR"));
    for (control_id, reply, kept) in [("CUT", cut, 1), ("TORN", torn, 1), ("QUOTING", quoting, 0)] {
        assert_eq!(msa(&reply), ("AA".to_owned(), control_id.to_owned()), "{reply}");
        assert!(reply.contains("queued for CAIRBA"), "{reply}");
        assert!(!reply.contains("Sampleperson"), "{reply}");
        let record = app.message(control_id).await;
        assert_eq!(record.state, MessageState::Accepted);
        let delivery = app.store().message_by_id(record.id).await.unwrap().2.unwrap();
        assert!(!delivery.last_error.unwrap_or_default().contains("Sampleperson"));
        let held = app.registry("CAIRBA").await;
        let times = held.iter().filter(|one| one.control_id == control_id).count();
        assert_eq!(times, kept, "{control_id}");
    }
    assert!(!everything_logged().contains("INV-1001"), "the quoted PID is in no log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_obeys_admin_within_a_second() {
    let installation = Installation::new("[gateway]\ndelivery_workers = 0\n");
    let sender = installation.test_sender();
    let mut served = installation.serve();
    let behave =
        |behaviour: &str| installation.admin(&["registry", "behave", "CAIRBA", "test", behaviour]);
    let behaves = |held: &serde_json::Value| {
        ["control_id", "received", "behaviour"]
            .map(|name| held[name].to_string().trim_matches('"').to_owned())
    };

    let good = served.submit(&sender, &vxu("GOOD", &[])).await.hl7();
    let told = behave("keep:ack-reject");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let refused = served.submit(&sender, &vxu("REFUSED", &[])).await.hl7();
    let listed = installation.admin(&["registry", "list"]);
    let all = installation.admin(&["registry", "behave"]);
    let shown = installation.admin(&["registry", "show", listed[0]["id"].as_str().unwrap()]);
    let ended = behave("normal");
    eventually("good again", || {
        let again = installation.admin(&["registry", "behave"]);
        again[0]["behaviour"] == "normal"
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let again = served.submit(&sender, &vxu("AGAIN", &[])).await.hl7();

    assert_eq!(
        (msa(&good).0.as_str(), msa(&refused).0.as_str(), msa(&again).0.as_str()),
        ("AA", "AR", "AA")
    );
    assert_eq!(
        (&told["behaviour"], &ended["behaviour"]),
        (&"keep:ack-reject".into(), &"normal".into())
    );
    assert_eq!(behaves(&listed[0]), ["REFUSED", "1", "keep:ack-reject"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(shown["received"]["behaviour"], "keep:ack-reject");
    assert_eq!(all.as_array().unwrap().len(), 14);
    assert!(!all[0]["since"].is_null() || !all[1]["since"].is_null());
    assert_eq!(served.terminate(), 0);
}

#[test]
fn the_behaviours_are_listed_and_a_wrong_one_is_refused_with_a_reason() {
    let installation = Installation::new("");
    let list = installation.run(&["admin", "registry", "behave", "--list"]);
    let listed = output_text(&list);
    let page = include_str!("../../docs/registry.md");

    assert_eq!(exit_code(&list), 0);
    for one in Behaviour::list() {
        assert!(listed.contains(one.on_the_wire), "{}", one.behaviour);
        assert!(page.contains(&format!("`{}`", one.behaviour)), "{} on the page", one.behaviour);
    }
    assert!(installation.run(&["migrate", "up"]).status.success());
    for (arguments, reason) in [
        (&["CAIRBA", "test", "explode"][..], "no behaviour has that name"),
        (&["CAIRBA", "test", "status:200"], "a number from 300 to 599"),
        (&["CAIRBA", "test", "fail:hang"], "needs a number of calls"),
        (&["CAIRBA", "hang"], "hang"),
        (&["CAIRBA", "test"], "BEHAVIOUR"),
        (&["SD", "test", "hang"], "no registry for SD"),
    ] {
        let output = installation.run(&[&["admin", "registry", "behave"], arguments].concat());
        assert_eq!(exit_code(&output), 2, "{arguments:?}");
        assert!(error_text(&output).contains(reason), "{arguments:?}: {}", error_text(&output));
    }
}
