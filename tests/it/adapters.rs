//! Each dialect against a real peer: what it is told, what is read from it, and what a failure is taken for.

use std::time::{Duration, Instant};

use izportal::backends::Backends;
use izportal::config::Config;
use izportal::domain::{Environment, Failure, FailureClass, MessageState, RegionCode};
use tempfile::TempDir;

use crate::support::peer::{Act, Peer, framed, http};
use crate::support::registry::ack;
use crate::support::wire::Tripwire;
use crate::support::{TestApp, msa, vxu};

const ALLOW: &str = "[egress]\nallow = [\"127.0.0.1/32\"]\n";

fn region() -> RegionCode {
    "CAIRBA".parse().unwrap()
}

/// The backends with one test registry for CAIRBA.
fn backends(keys: &str) -> Backends {
    let toml = format!("{ALLOW}[regions.CAIRBA.test]\n{keys}");
    let mut backends = Backends::default();
    for (region, environment, to) in Config::read(&toml).unwrap().destinations().unwrap() {
        backends.add(region, environment, to).unwrap();
    }
    backends
}

async fn failure(backends: &Backends, hl7: &str) -> Failure {
    backends.send(region(), Environment::Test, hl7).await.unwrap_err()
}

fn soap_body(body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn answer_2014(hl7: &str) -> String {
    let hl7 = hl7.replace('&', "&amp;").replace('\r', "&#xD;");
    soap_body(&format!(
        "<SubmitSingleMessageResponse xmlns=\"urn:cdc:iisb:2014\"><Hl7Message>{hl7}</Hl7Message></SubmitSingleMessageResponse>"
    ))
}

fn answer_2011(hl7: &str) -> String {
    let hl7 = hl7.replace('&', "&amp;").replace('\r', "&#xD;");
    soap_body(&format!(
        "<submitSingleMessageResponse xmlns=\"urn:cdc:iisb:2011\"><return>{hl7}</return></submitSingleMessageResponse>"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_of_2014_gets_addressing_and_its_own_names() {
    let peer = Peer::https().await;
    let backends = backends(&peer.keys("127.0.0.1", "cdc2014"));
    let said = ack("AE", "ONE", "ERR||PID^1^5|101|W||||<b>\r");
    let said = said.replace("<b>", "&lt;b&gt;");
    peer.then(http("200 OK", &["Content-Type: application/soap+xml"], &answer_2014(&said)));

    let hl7 = vxu("ONE", &[("Sampleperson", "O'Ñandú <b>")]);
    let reply = backends.send(region(), Environment::Test, &hl7).await.unwrap();

    assert_eq!((reply.text.as_str(), reply.ack_code.as_str()), (said.as_str(), "AE"));
    assert!(reply.taken && reply.has_answer());
    let request = peer.heard().remove(0);
    let action = "urn:cdc:iisb:2014:IISPortType:SubmitSingleMessageRequest";
    let media = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
    assert!(request.contains(&media), "{request}");
    let to = format!(">https://127.0.0.1:{}/IISService</wsa:To>", port_of(&request));
    for part in [
        "<env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\">",
        &format!("<wsa:Action xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">{action}<"),
        &to,
        ">urn:uuid:",
        "<wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address>",
        "<SubmitSingleMessageRequest xmlns=\"urn:cdc:iisb:2014\"><Username>GW</Username>",
        "<Password>registry-credential-of-the-test</Password><FacilityID>GW-F</FacilityID><Hl7Message>MSH|",
        "O'Ñandú &lt;b&gt;",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
}

fn port_of(request: &str) -> &str {
    let (_, host) = request.split_once("host: 127.0.0.1:").unwrap();
    host.lines().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faults_of_2014_are_told_by_their_names() {
    let peer = Peer::https().await;
    let backends = backends(&peer.keys("127.0.0.1", "cdc2014"));
    let fault = |detail: &str| {
        soap_body(&format!(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang=\"en\">Unheard-of</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>"
        ))
    };
    let cases = [
        ("<SecurityFault xmlns=\"urn:cdc:iisb:2014\"/>", FailureClass::Ours, "SecurityFault"),
        (
            "<i:UnsupportedOperationFault xmlns:i=\"urn:cdc:iisb:2014\"></i:UnsupportedOperationFault>",
            FailureClass::Ours,
            "UnsupportedOperationFault",
        ),
        (
            "<MessageTooLargeFault xmlns=\"urn:cdc:iisb:2014\"><Size>9</Size><MaxSize>8</MaxSize></MessageTooLargeFault>",
            FailureClass::Sender,
            "MessageTooLargeFault",
        ),
        ("<Unheard-of xmlns=\"urn:other\"/>", FailureClass::Ambiguous, "a SOAP fault"),
        ("", FailureClass::Ambiguous, "a SOAP fault"),
    ];

    for (detail, class, text) in cases {
        peer.then(http("400 Bad Request", &[], &fault(detail)));
        let failed = failure(&backends, &vxu("ONE", &[])).await;
        assert_eq!(failed.class, class, "{detail}: {failed}");
        assert!(failed.text.starts_with(text) && !failed.text.contains("Unheard"), "{failed}");
    }
    let echo = "<ConnectivityTestResponse xmlns=\"urn:cdc:iisb:2014\"><EchoBack>Hello, izportal</EchoBack></ConnectivityTestResponse>";
    peer.then(http("200 OK", &[], &soap_body(echo)));
    backends.probe(region(), Environment::Test).await.unwrap();
    peer.then(http("500 Oops", &[], &fault("<SecurityFault/>")));
    let refused = backends.probe(region(), Environment::Test).await.unwrap_err();
    assert_eq!(refused.class, FailureClass::Ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_over_http_has_its_class() {
    use FailureClass::{Ambiguous, Ours, Sender, Transient};
    let peer = Peer::https().await;
    let tripwire = Tripwire::new();
    let backends = backends(&format!("{}timeout_seconds = 2\n", peer.keys("127.0.0.1", "cdc2011")));
    let words = "Unheard-of words of the registry";
    let html = "<!DOCTYPE html><html><p>Unheard-of</p></html>";
    let location = format!("Location: {}", tripwire.url());
    let giant = "x".repeat(9 << 20);
    let control = answer_2011(&ack("AA", "ONE", "ZZZ|CONTROL\r")).replace("CONTROL", "&#1;");
    let http = |status: &str, headers: &[&str], body: &str| http(status, headers, body);
    let cases = [
        (http("503 Later", &["Retry-After: 120"], words), Transient, "HTTP 503"),
        (http("429 Slower", &["Retry-After: soon"], words), Transient, "HTTP 429"),
        (http("301 Moved", &[&location], words), Ours, "HTTP 301"),
        (http("302 Found", &[&location], words), Ours, "HTTP 302"),
        (http("307 There", &[&location], words), Ours, "HTTP 307"),
        (http("401 Who", &["WWW-Authenticate: Basic"], words), Ours, "HTTP 401"),
        (http("403 No", &[], words), Ours, "HTTP 403"),
        (http("404 Nothing", &[], words), Ours, "HTTP 404"),
        (http("413 Less", &[], words), Sender, "HTTP 413"),
        (http("408 Slow", &[], words), Ambiguous, "HTTP 408"),
        (http("400 Bad", &[], html), Ambiguous, "HTTP 400"),
        (http("500 Oops", &[], html), Ambiguous, "HTTP 500"),
        (http("502 Oops", &[], html), Ambiguous, "HTTP 502"),
        (http("504 Oops", &[], html), Ambiguous, "HTTP 504"),
        (http("204 Empty", &[], ""), Ambiguous, "HTTP 204"),
        (http("200 OK", &[], html), Ambiguous, "the answer is an HTML page"),
        (http("200 OK", &[], words), Ambiguous, "the answer is not a SOAP response"),
        (http("200 OK", &[], "<a"), Ambiguous, "the answer is not a SOAP response"),
        (http("200 OK", &[], &control), Ambiguous, "the answer is not a SOAP response"),
        (http("200 OK", &[], &giant), Ambiguous, "the answer is longer than 8 MiB"),
        (
            Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<s".to_vec()),
            Ambiguous,
            "the connection broke off",
        ),
        (Act::Say(b"Unheard-of\r\n".to_vec()), Ambiguous, "the connection broke off"),
        (Act::HangUp, Ambiguous, "the connection broke off"),
        (Act::Hang, Ambiguous, "no answer in time"),
    ];

    for (act, class, text) in cases {
        peer.then(act);
        let failed = failure(&backends, &vxu("ONE", &[])).await;
        assert_eq!(failed.class, class, "{text}: {failed}");
        assert!(failed.text.starts_with(text), "{text}: {failed}");
        assert!(!failed.text.contains("Unheard"), "{text}: {failed}");
        let wait = (text == "HTTP 503").then_some(Duration::from_mins(2));
        assert_eq!(failed.retry_after, wait, "{text}");
    }
    assert!(!tripwire.is_touched(), "a redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_over_http_has_its_class() {
    use FailureClass::{Ambiguous, Ours, Transient};
    let peer = Peer::https().await;
    let backends = backends(&peer.keys("127.0.0.1", "cdc2011"));
    let fault = |inside: &str| soap_body(&format!("<s:Fault>{inside}</s:Fault>"));
    let whose = |who: &str| fault(&format!("<s:Code><s:Value>s:{who}</s:Value></s:Code>"));
    let security = "<s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail><SecurityFault xmlns=\"urn:cdc:iisb:2011\"><Code>10</Code><Reason>Unheard-of</Reason></SecurityFault></s:Detail>";
    let foreign = "<Fault><faultcode>Unheard-of</faultcode><faultstring><![CDATA[Unheard-of&#13;]]></faultstring></Fault>";
    let soap_1_1 = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><e:Fault><faultcode>e:Server</faultcode><faultstring>Unheard-of</faultstring></e:Fault></e:Body></e:Envelope>";
    let later = ["Retry-After: 120"].as_slice();
    let cases = [
        (&[][..], foreign.to_owned(), Ambiguous, "a SOAP fault"),
        (&[], soap_1_1.to_owned(), Ambiguous, "a SOAP fault"),
        (&[], fault(""), Ambiguous, "a SOAP fault"),
        (&[], whose("Receiver"), Ambiguous, "a SOAP fault"),
        (&[], whose("VersionMismatch"), Ours, "VersionMismatch"),
        (&[], fault(security), Ours, "SecurityFault"),
        (later, fault(security), Ours, "SecurityFault"),
        (later, whose("Sender"), Ambiguous, "a SOAP fault"),
        (later, whose("Receiver"), Transient, "a SOAP fault: not now"),
    ];

    for (headers, body, class, text) in cases {
        peer.then(http("500 Oops", headers, &body));
        let failed = failure(&backends, &vxu("ONE", &[])).await;
        assert_eq!(failed.class, class, "{text}: {failed}");
        assert!(failed.text.starts_with(text), "{text}: {failed}");
        assert!(!failed.text.contains("Unheard"), "{text}: {failed}");
        let wait = (class == Transient).then_some(Duration::from_mins(2));
        assert_eq!(failed.retry_after, wait, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_to_come_back_at_is_a_wait() {
    let peer = Peer::https().await;
    let backends = backends(&peer.keys("127.0.0.1", "cdc2011"));
    let at = std::time::SystemTime::now() + Duration::from_secs(90);
    let header = format!("Retry-After: {}", httpdate::fmt_http_date(at));
    peer.then(http("503 Later", &[&header], ""));

    let failed = failure(&backends, &vxu("ONE", &[])).await;

    let wait = failed.retry_after.unwrap().as_secs();
    assert!((80..=90).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_transient() {
    let peer = Peer::https().await;
    let keys = peer.keys("127.0.0.1", "cdc2011");
    let free = crate::support::free_address().port();
    let port: String =
        keys.split("127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let refused = keys.replace(&port, &free.to_string());
    let unknown = keys.replace("127.0.0.1", "registry.invalid");

    let refused = failure(&backends(&refused), &vxu("ONE", &[])).await;
    let unknown = failure(&backends(&unknown), &vxu("ONE", &[])).await;

    assert_eq!(
        (refused.class, refused.text.as_str()),
        (FailureClass::Transient, "no connection: it was refused")
    );
    assert_eq!(
        (unknown.class, unknown.text.as_str()),
        (FailureClass::Transient, "no connection: the name has no address")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_never_shakes_hands_is_transient() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let peer = Peer::https().await;
    let ca = peer.ca();
    let wait = "timeout_seconds = 30\nconnect_timeout_seconds = 1\n";
    let mllp = format!(
        "dialect = \"mllp\"\nurl = \"mllps://127.0.0.1:{port}\"\nca = \"{}\"\n{wait}",
        ca.display()
    );
    let https = peer.keys("127.0.0.1", "cdc2011");
    let old: String = https
        .split("127.0.0.1:")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let https = format!("{}{wait}", https.replace(&old, &port.to_string()));

    for keys in [mllp, https] {
        let begun = Instant::now();
        let failed = failure(&backends(&keys), &vxu("ONE", &[])).await;
        assert_eq!(failed.text, "no connection: it was not made in time", "{keys}");
        assert_eq!(failed.class, FailureClass::Transient);
        assert!(begun.elapsed() < Duration::from_secs(10), "the whole time was waited for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_another_message_is_never_passed_on() {
    let peer = Peer::https().await;
    let keys = peer.keys("127.0.0.1", "cdc2011");
    let app = TestApp::with(&format!(
        "[gateway]\ndelivery_workers = 0\n{ALLOW}[regions.CAIRBA.test]\n{keys}"
    ))
    .await;
    let sender = app.test_sender().await;
    let other = ack("AA", "OTHER", "ERR||PID^1^5|101|W||||Unheard-of\r");
    peer.then(http("200 OK", &[], &answer_2011(&other)));

    let answer = app.submit(&sender, &vxu("ONE", &[])).await;

    assert_eq!(msa(&answer.hl7()), ("AA".to_owned(), "ONE".to_owned()));
    assert!(answer.text.contains("queued for CAIRBA"), "{}", answer.text);
    assert!(!answer.text.contains("Unheard-of") && !answer.text.contains("OTHER"));
    let record = app.message("ONE").await;
    let (_, _, delivery) = app.store().message_by_id(record.id).await.unwrap();
    let told = delivery.unwrap().last_error.unwrap();
    assert_eq!(told, "the answer is for another message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_answered_with_its_own_answer_only() {
    let peer = Peer::https().await;
    let backends = backends(&peer.keys("127.0.0.1", "cdc2011"));
    let query = "MSH|^~\\&|||||20260101||QBP^Q11^QBP_Q11|Q-1|T|2.5.1\rQPD|Z34\r";
    let mine = "MSH|^~\\&|||||||RSP^K11^RSP_K11|R|T|2.5.1\rMSA|AA|Q-1\rQAK|Q-1|OK\r";
    peer.then(http("200 OK", &[], &answer_2011(mine)));
    peer.then(http("200 OK", &[], &answer_2011(&mine.replace("MSA|AA|Q-1", "MSA|AA|Q-2"))));
    peer.then(http("200 OK", &[], &answer_2011("sorry")));

    let answered = backends.query(region(), Environment::Test, query).await.unwrap();
    let other = backends.query(region(), Environment::Test, query).await.unwrap_err();
    let words = backends.query(region(), Environment::Test, query).await.unwrap_err();

    assert_eq!(answered, mine);
    assert_eq!(other.text, "the answer is for another message");
    assert_eq!(words.text, "the answer is not an HL7 message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_behind_mllp_gets_the_message_and_its_answer_reaches_the_sender() {
    let peer = Peer::mllp().await;
    let keys = peer.keys("localhost", "mllp");
    let app = TestApp::with(&format!("{ALLOW}[regions.CAIRBA.test]\n{keys}")).await;
    let sender = app.test_sender().await;
    let said = ack("AA", "ONE", "ERR||PID^1^5|0|I||||Ñandú\r");
    peer.then(Act::Say(framed(&said)));
    let hl7 = vxu("ONE", &[("Sampleperson", "Ñandú")]);

    let reply = app.submit(&sender, &hl7).await.hl7();

    assert_eq!(reply, said);
    assert_eq!(peer.heard(), [hl7]);
    assert_eq!(app.message("ONE").await.state, MessageState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_of_mllp_is_matched_with_no_other_message() {
    let peer = Peer::mllp().await;
    let keys = format!("{}timeout_seconds = 1\n", peer.keys("127.0.0.1", "mllp"));
    let backends = backends(&keys);
    peer.then(Act::SayLate(Duration::from_millis(1_500), framed(&ack("AA", "", ""))));
    peer.then(Act::SayLate(Duration::from_millis(700), framed(&ack("AE", "TWO", ""))));

    let late = failure(&backends, &vxu("ONE", &[])).await;
    let next = backends.send(region(), Environment::Test, &vxu("TWO", &[])).await.unwrap();

    assert_eq!((late.class, late.text.as_str()), (FailureClass::Ambiguous, "no answer in time"));
    assert_eq!(next.text, ack("AE", "TWO", ""));
    assert_eq!(peer.connections(), 2, "one connection for each message");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_over_mllp_has_its_class() {
    use FailureClass::Ambiguous;
    let peer = Peer::mllp().await;
    let backends = backends(&format!("{}timeout_seconds = 2\n", peer.keys("127.0.0.1", "mllp")));
    let good = ack("AA", "ONE", "");
    let mut cut = framed(&good);
    cut.truncate(40);
    let giant = format!("\u{B}{}", "x".repeat(9 << 20)).into_bytes();
    let cases = [
        (Act::Say(framed(&ack("AA", "TWO", ""))), "the answer is for another message"),
        (Act::Say(framed("<html>")), "the answer is an HTML page"),
        (Act::Say(framed("thanks")), "the answer is not an HL7 message"),
        (
            Act::Say(framed(&format!("{good}ZZZ|\u{1B}[2J\r"))),
            "the answer holds control characters",
        ),
        (Act::Say(framed(&format!("{good}{good}"))), "the answer holds several messages"),
        (Act::Say(framed(&ack("OK", "ONE", ""))), "the answer is not an acknowledgement"),
        (
            Act::Say(format!("{good}\u{1C}\r").into_bytes()),
            "the answer is not framed as MLLP has it",
        ),
        (Act::Say(cut), "the connection broke off before the answer was complete"),
        (Act::Say(giant), "the answer is longer than 8 MiB"),
        (Act::HangUp, "the connection broke off before the answer was complete"),
        (Act::Hang, "no answer in time"),
    ];

    for (act, text) in cases {
        peer.then(act);
        let failed = failure(&backends, &vxu("ONE", &[])).await;
        assert_eq!((failed.class, failed.text.as_str()), (Ambiguous, text));
    }
    peer.then(Act::Say(framed(&good)));
    assert_eq!(
        backends.send(region(), Environment::Test, &vxu("ONE", &[])).await.unwrap().text,
        good
    );
    let heard = peer.heard().len();
    let torn = failure(&backends, &vxu("ONE", &[("Sampleperson", "a\u{1C}\rb")])).await;
    assert_eq!(torn.class, FailureClass::Sender, "{torn}");
    backends.probe(region(), Environment::Test).await.unwrap();
    assert_eq!(peer.heard().len(), heard, "a probe sends no message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_drop_holds_each_message_as_a_file() {
    let dir = TempDir::new().unwrap();
    let keys = format!("dialect = \"directory\"\nfolder = \"{}\"\n", dir.path().display());
    let backends = backends(&keys);
    let hl7 = vxu("../../ONE", &[]);

    backends.probe(region(), Environment::Test).await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a probe leaves nothing");
    let reply = backends.send(region(), Environment::Test, &hl7).await.unwrap();
    let query = backends.query(region(), Environment::Test, &hl7).await.unwrap_err();

    assert!(reply.taken && !reply.has_answer() && reply.ack_code.is_empty());
    let files: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|one| one.unwrap().path()).collect();
    assert_eq!(query.class, FailureClass::Sender, "{query}");
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(files[0].extension().unwrap(), "hl7");
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), hl7);

    let path = dir.path().to_owned();
    drop(dir);
    let gone = failure(&backends, &hl7).await;
    let probed = backends.probe(region(), Environment::Test).await.unwrap_err();
    assert_eq!((gone.class, probed.class), (FailureClass::Ours, FailureClass::Ours), "{path:?}");
    assert_eq!(gone.text, "the folder cannot be written: there is no such folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_gets_the_header_that_it_wants() {
    let peer = Peer::mllp().await;
    let keys = peer.keys("127.0.0.1", "mllp");
    let backends = backends(&format!(
        "{keys}[regions.CAIRBA.test.rewrite]\nMSH-4 = \"GW^1.2^ISO\"\nMSH-22 = \"CLINIC\"\n"
    ));
    let hl7 = "MSH|^~\\&|EHR|SENDER|IIS|CAIRBA|20260101||VXU^V04^VXU_V04|ONE|T|2.5.1\rPID|1||Ñ\r";
    peer.then(Act::Say(framed(&ack("AA", "ONE", ""))));

    let outgoing = backends.outgoing(region(), Environment::Test, hl7).unwrap();
    backends.send(region(), Environment::Test, &outgoing).await.unwrap();

    assert_eq!(
        peer.heard(),
        [
            "MSH|^~\\&|EHR|GW^1.2^ISO|IIS|CAIRBA|20260101||VXU^V04^VXU_V04|ONE|T|2.5.1||||||||||CLINIC\rPID|1||Ñ\r"
        ]
    );
}
