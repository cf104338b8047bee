//! HTTP and TLS under a call: media types, sizes, lengths, chunks, methods, time-outs, handshakes. The numbers are rows of
//! the contract's section 6.

use futures_util::future::join_all;
use reqwest::Method;

use crate::support::fault::{MALFORMED, STRUCTURE, fault_of};
use crate::support::registry::{Gate, Script, ScriptedRegistry};
use crate::support::soap::{ECHO, SOAP_1_2};
use crate::support::wire::{Line, chunk, post};
use crate::support::{Answer, TestApp, answer, envelope, msa, vxu};

#[tokio::test(flavor = "multi_thread")]
async fn the_body_decides_whatever_the_media_type_and_the_actions_say() {
    let app = TestApp::start().await;
    let other = "urn:cdc:iisb:2011:submitSingleMessage";
    let cases = [
        ("6 10", "application/soap+xml".to_owned(), None),
        (
            "8",
            "application/soap+xml; action=\"urn:cdc:iisb:2011:connectivityTest\"".to_owned(),
            None,
        ),
        ("8", "application/soap+xml; action=urn:cdc:iisb:2011:connectivityTest".to_owned(), None),
        ("8", "application/soap+xml; action=\"\"".to_owned(), None),
        ("9 A19", format!("application/soap+xml; action=\"{other}\""), None),
        ("7 9 A19", "application/soap+xml".to_owned(), Some(format!("\"{other}\""))),
        ("7 8", "application/soap+xml".to_owned(), Some(other.to_owned())),
        ("7 8", "application/soap+xml".to_owned(), Some(String::new())),
        ("10 13", "Application/SOAP+XML;Charset=UTF-8;x=\"a;b\"".to_owned(), None),
        ("10 2", "text/xml".to_owned(), None),
        ("10", "TEXT/XML; charset=\"utf-8\"".to_owned(), Some("\"\"".to_owned())),
        ("10", "application/xml".to_owned(), None),
        ("11", String::new(), None),
    ];

    for (rows, content_type, action) in cases {
        let mut request = app.http.post(app.endpoint()).body(envelope(ECHO));
        if !content_type.is_empty() {
            request = request.header("Content-Type", &content_type);
        }
        if let Some(action) = &action {
            request = request.header("SOAPAction", action);
        }
        let answer = answer(request.send().await.unwrap()).await;

        assert_eq!(answer.status, 200, "{rows} {content_type} {action:?}: {}", answer.text);
        assert!(answer.text.contains("<return>ready</return>"), "{rows} {content_type} {action:?}");
        assert!(answer.header("content-type").starts_with(SOAP_1_2), "{rows}"); // row 2
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_accept_headers_are_answered_all_the_same_and_without_a_coding() {
    let app = TestApp::start().await;
    let accepts = ["text/plain", "text/html,image/gif;q=0.2", "nonsense", "application/json", ""];
    let codings = ["none", "identity", "br", "gzip, deflate", "identity;q=0", "*;q=0"];

    for (accept, coding) in accepts.iter().flat_map(|a| codings.iter().map(move |c| (a, c))) {
        let request = app
            .http
            .post(app.endpoint())
            .header("Content-Type", SOAP_1_2)
            .header("Accept", *accept)
            .header("Accept-Encoding", *coding)
            .body(envelope(ECHO));
        let answer = answer(request.send().await.unwrap()).await;

        assert_eq!(answer.status, 200, "{accept} {coding}"); // rows 20 and 21
        assert_eq!(answer.header("content-encoding"), "", "{accept} {coding}");
        assert!(answer.text.contains("<return>ready</return>"), "{accept} {coding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_xml_is_an_unsupported_media_type() {
    let app = TestApp::start().await;
    let cases = [
        ("12", "application/json", "{\"connectivityTest\": \"ready\"}"),
        ("12", "application/x-www-form-urlencoded", "echoBack=ready"),
        ("12", "text/plain", "ready"),
        ("12", "nonsense", ECHO),
        ("12", "multipart/form-data; boundary=x", "--x--"),
        ("5.3", "multipart/related; type=\"application/xop+xml\"; boundary=x", "--x--"),
    ];

    for (row, content_type, body) in cases {
        let answer = app.post(content_type, body).await;

        assert_eq!(answer.status, 415, "{row} {content_type}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert!(answer.text.contains("application/soap+xml"), "{}", answer.text);
        assert!(app.is_alive().await, "{row} {content_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_measured_in_characters_and_refused_over_the_limit() {
    let app = TestApp::with("[server]\nmax_message_characters = 65536").await;
    let sender = app.test_sender().await;
    let of_length = |id: &str, length: usize| {
        let text = format!("{}ZZZ|", vxu(id, &[]));
        let room = length - text.chars().count();
        format!("{text}{}", "é".repeat(room))
    };

    let longest = app.submit(&sender, &of_length("ONE", 65_536)).await;
    let longer = app.submit(&sender, &of_length("TWO", 65_537)).await;

    assert_eq!(msa(&longest.hl7()), ("AA".to_owned(), "ONE".to_owned())); // rows 68 and 69
    assert_eq!(fault_of(&longer).outcome(), ("MessageTooLargeFault", 1000, "Sender"));
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_a_message_may_have_a_mebicharacter_and_a_request_two_mebibytes() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let of_length = |id: &str, length: usize| {
        let text = format!("{}ZZZ|", vxu(id, &[]));
        format!("{text}{}", "x".repeat(length - text.len()))
    };
    let padded = |length: usize| {
        let body = envelope(ECHO);
        let padding = " ".repeat(length - body.len());
        body.replace("<soap:Body>", &format!("<soap:Body>{padding}"))
    };

    let longest = app.submit(&sender, &of_length("ONE", 1_048_576)).await;
    let longer = app.submit(&sender, &of_length("TWO", 1_048_577)).await;
    let longest_request = app.post(SOAP_1_2, padded(2_097_152)).await;
    let longer_request = app.post(SOAP_1_2, padded(2_097_153)).await;
    let much_longer = app.post(SOAP_1_2, padded(9_000_000)).await;

    assert_eq!(msa(&longest.hl7()), ("AA".to_owned(), "ONE".to_owned())); // rows 68 and 69
    assert_eq!(fault_of(&longer).outcome(), ("MessageTooLargeFault", 1000, "Sender"));
    assert_eq!(longest_request.status, 200);
    assert_eq!(fault_of(&longer_request).outcome(), ("MessageTooLargeFault", 1000, "Sender"));
    assert_eq!(fault_of(&much_longer).outcome(), ("MessageTooLargeFault", 1000, "Sender"));
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_all_requests_together_are_bounded() {
    let gate = Gate::shut();
    let registry = ScriptedRegistry::start(Script::Behind(gate.clone(), Box::new(Script::Accept)));
    let app = TestApp::with(&format!(
        "[server]\nmax_body_memory_mib = 8\n[gateway]\nrelay_deadline_seconds = 600\nsend_timeout_seconds = 600\n{}",
        registry.config("CAIRBA", "test")
    ))
    .await;
    let sender = app.test_sender().await;
    let texts: Vec<String> = (0..7)
        .map(|n| format!("{}ZZZ|{}", vxu(&format!("N-{n}"), &[]), "x".repeat(1_000_000)))
        .collect();
    let padding = " ".repeat(2_000_000);
    let large = envelope(ECHO).replace("<soap:Body>", &format!("<soap:Body>{padding}"));
    let request = post("Content-Type: application/soap+xml\r\n", &large);

    let under_way = join_all(texts.iter().map(|text| app.submit(&sender, text)));
    let meanwhile = async {
        app.until("all are at the registry", async || registry.received().len() == 7).await;
        let refused = app
            .talk(move |line| {
                let _ = line.send(request); // it may be refused before its end
                line.answer().unwrap()
            })
            .await;
        let small = app.is_alive().await;
        gate.open();
        (refused, small)
    };
    let (replies, (refused, small)) = tokio::join!(under_way, meanwhile);

    assert_eq!(fault_of(&refused).outcome(), ("fault", 4010, "Receiver"));
    assert_eq!(refused.header("retry-after"), "5");
    assert!(small, "a small request has room");
    for (n, reply) in replies.iter().enumerate() {
        assert_eq!(msa(&reply.hl7()), ("AA".to_owned(), format!("N-{n}")));
    }
    assert_eq!(
        app.post(SOAP_1_2, large).await.status,
        200,
        "what was answered gives its room back"
    );
}

/// The head of a POST with a chunked body.
fn chunked_post(content_type: &str) -> String {
    format!(
        "POST /IISService HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
}

/// Sends at most 64 MiB of blanks; gives the answer, when one could be read, and whether the other side ended the
/// connection.
fn flood(line: &mut Line, head: &str) -> (Option<Answer>, bool) {
    line.send(head).unwrap();
    let piece = chunk(&b" ".repeat(65_536));
    let _ = (0..1_024).all(|_| line.send(&piece).is_ok());
    (line.answer(), line.is_closed())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_gets_its_fault_and_does_not_hold_the_connection() {
    let app = TestApp::start().await;

    let (answer, closed) = app.talk(|line| flood(line, &chunked_post(SOAP_1_2))).await;

    assert!(closed); // row 70, abuse case 15
    let fault = answer.map(|answer| (answer.header("connection").to_owned(), fault_of(&answer)));
    if let Some((connection, fault)) = fault {
        assert_eq!(fault.outcome(), ("MessageTooLargeFault", 1000, "Sender"));
        assert_eq!(connection, "close");
    }
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_that_nobody_reads_does_not_hold_the_connection() {
    let app = TestApp::start().await;
    let put = chunked_post(SOAP_1_2).replace("POST", "PUT");

    let (json, json_closed) = app.talk(|line| flood(line, &chunked_post("application/json"))).await;
    let (method, method_closed) = app.talk(move |line| flood(line, &put)).await;

    assert!(json_closed && method_closed); // rows 12, 70 and 88
    assert!(json.is_none_or(|answer| answer.status == 415));
    assert!(method.is_none_or(|answer| answer.status == 405));
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_bodies_and_expect_continue_are_served() {
    let app = TestApp::start().await;
    let head =
        "POST /IISService HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml\r\n";
    let body = envelope(ECHO);
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.as_bytes().chunks(7) {
        chunked.extend(chunk(piece));
    }
    chunked.extend(b"0\r\n\r\n");
    let length = body.len();

    let answer = app.exchange(chunked).await.unwrap();
    let (interim, told) = app
        .talk(move |line| {
            line.send(format!("{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"))
                .unwrap();
            let interim = line.answer_without_body().unwrap();
            line.send(body).unwrap();
            (interim, line.answer().unwrap())
        })
        .await;

    assert_eq!(answer.status, 200, "{}", answer.text); // row 18
    assert!(answer.text.contains("<return>ready</return>"));
    assert_eq!(interim.status, 100); // row 19
    assert_eq!(told.status, 200);
    assert!(told.text.contains("<return>ready</return>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_many_calls_faults_between_them() {
    let app = TestApp::start().await;

    let statuses = app
        .talk(|line| {
            let bodies =
                [envelope(ECHO), "hello".to_owned(), envelope(ECHO), String::new(), envelope(ECHO)];
            bodies.map(|body| {
                line.send(post("Content-Type: application/soap+xml\r\n", &body)).unwrap();
                line.answer().unwrap().status
            })
        })
        .await;

    assert_eq!(statuses, [200, 500, 200, 500, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_is_answered_and_the_connection_ends() {
    let app = TestApp::start().await;
    let body = envelope(ECHO);
    let request = format!(
        "POST /IISService HTTP/1.0\r\nContent-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );

    let (answer, closed) = app
        .talk(move |line| {
            line.send(request).unwrap();
            (line.answer().unwrap(), line.is_closed())
        })
        .await;

    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("<return>ready</return>"));
    assert!(closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_in_time_is_a_fault_and_the_connection_ends() {
    let app = TestApp::with("[server]\nread_timeout_seconds = 1").await;
    let whole = post("Content-Type: application/soap+xml\r\n", &envelope(ECHO));
    let chunked = [chunked_post(SOAP_1_2).as_bytes(), &chunk(envelope(ECHO).as_bytes())].concat();

    for begun in [whole.as_bytes()[..whole.len() - 10].to_vec(), chunked] {
        let (answer, closed) = app
            .talk(move |line| {
                line.send(begun).unwrap();
                (line.answer().unwrap(), line.is_closed())
            })
            .await;

        let fault = fault_of(&answer);
        assert_eq!(fault.outcome(), STRUCTURE);
        assert!(fault.detail.starts_with("The request body did not arrive within 1 seconds."));
        assert_eq!(answer.header("connection"), "close");
        assert!(closed);
        assert!(app.is_alive().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_too_small_does_not_smuggle_a_second_request() {
    let app = TestApp::start().await;
    let body = envelope(ECHO);
    let request = format!(
        "POST /IISService HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len() - 20
    );

    let (first, second, closed) = app
        .talk(move |line| {
            line.send(request).unwrap();
            (line.answer().unwrap(), line.answer(), line.is_closed())
        })
        .await;

    assert_eq!(fault_of(&first).outcome(), MALFORMED); // abuse case 13
    assert!(second.is_none_or(|answer| answer.status == 400));
    assert!(closed);
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_length_is_ambiguous_is_refused_and_the_connection_ends() {
    let app = TestApp::start().await;
    let head = "POST /IISService HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n";
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let requests = [
        format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello{smuggled}"),
        format!("{head}Content-Length: -1\r\n\r\n{smuggled}"),
        format!("{head}Content-Length: +5\r\n\r\nhello{smuggled}"),
        format!("{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!(
            "{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"
        ),
    ];

    for request in requests {
        let shown = request.clone();
        let (first, second, closed) = app
            .talk(move |line| {
                line.send(request).unwrap();
                (line.answer(), line.answer(), line.is_closed())
            })
            .await;

        assert_eq!(first.map(|answer| answer.status), Some(400), "{shown}"); // abuse case 13
        assert!(second.is_none(), "{shown}");
        assert!(closed, "{shown}");
    }
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_chunks_are_a_fault_and_never_a_page() {
    let app = TestApp::start().await;
    let head = chunked_post(SOAP_1_2);

    let answer = app.exchange(format!("{head}zz\r\nhello\r\n0\r\n\r\n")).await;

    if let Some(answer) = answer {
        assert!(!answer.text.contains("<html"), "{}", answer.text); // row 75
        assert!(
            answer.status == 400 || fault_of(&answer).outcome() == STRUCTURE,
            "{}",
            answer.text
        );
    }
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_hear_which_ones_there_are() {
    let app = TestApp::start().await;
    let odd = Method::from_bytes(b"PROPFIND").unwrap();
    let methods =
        [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE, Method::HEAD, odd];

    for method in methods {
        let request = app.http.request(method.clone(), app.endpoint());
        let answer = answer(request.send().await.unwrap()).await;

        assert_eq!(answer.status, 405, "{method}"); // rows 87 and 88
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS, POST", "{method}");
        assert!(!answer.text.contains("<html"), "{method}");
        assert!(app.is_alive().await, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_slash_and_small_letters_are_served_without_redirect() {
    let app = TestApp::start().await;
    let base = app.app.public_url.clone();

    for path in ["/IISService", "/IISService/", "/iisservice", "/iisservice/"] {
        let request = app.http.post(format!("{base}{path}")).body(envelope(ECHO));
        let answer = answer(request.send().await.unwrap()).await;

        assert_eq!(answer.status, 200, "{path}"); // row 90
    }
    let request = app.http.post(format!("{base}/IISSERVICE/other")).body(envelope(ECHO));
    let nowhere = answer(request.send().await.unwrap()).await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_tls_is_closed_without_an_answer_in_clear() {
    let app = TestApp::start().await;
    let plain = post("Content-Type: text/xml\r\n", &envelope(ECHO));
    let garbage: Vec<u8> =
        (0..4_096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();

    let to_plain = app.shout(plain).await;
    let to_garbage = app.shout(garbage).await;
    let to_nulls = app.shout(vec![0; 1_024]).await;

    for heard in [to_plain, to_garbage, to_nulls] {
        let alert = heard.first().is_none_or(|kind| *kind == 21);
        assert!(alert && heard.len() < 32, "{heard:?}"); // rows 91, abuse case 63
    }
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hello_in_small_pieces_is_put_together() {
    let app = TestApp::start().await;
    let request = post("Content-Type: application/soap+xml\r\n", &envelope(ECHO));

    let answer = app
        .talk_haltingly(move |line| {
            line.send(request).unwrap();
            line.answer().unwrap()
        })
        .await;

    assert_eq!(answer.status, 200, "{}", answer.text); // abuse case 63
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_weak_suites_of_tls_are_refused_in_the_handshake() {
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    let app = TestApp::start().await;
    let strong = [0xC0, 0x2B, 0xC0, 0x2F]; // ECDHE with AES-128-GCM
    let cbc_and_null = [0xC0, 0x23, 0xC0, 0x13, 0x00, 0x2F, 0x00, 0x35, 0x00, 0x02, 0x00, 0x03];
    let cases = [
        ("TLS 1.0", [3, 1], strong.as_slice(), PROTOCOL_VERSION),
        ("TLS 1.1", [3, 2], strong.as_slice(), PROTOCOL_VERSION),
        (
            "CBC, RSA key transport, NULL and export",
            [3, 3],
            cbc_and_null.as_slice(),
            HANDSHAKE_FAILURE,
        ),
    ];

    for (what, version, suites, alert) in cases {
        let heard = app.shout(client_hello(version, suites)).await;

        assert_eq!(heard.first(), Some(&21), "{what}: {heard:?}"); // row 91, abuse case 61
        assert_eq!(heard.last(), Some(&alert), "{what}: {heard:?}");
    }
    assert!(app.is_alive().await);
}

/// A `ClientHello` as clients of TLS 1.0 to 1.2 wrote it.
fn client_hello(version: [u8; 2], suites: &[u8]) -> Vec<u8> {
    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }
    let extensions = [
        [&[0, 10], sized(&sized(&[0, 29, 0, 23])).as_slice()].concat(), // supported_groups
        [&[0, 11], sized(&[1, 0]).as_slice()].concat(),                 // ec_point_formats
        [&[0, 13], sized(&sized(&[4, 3, 8, 4, 4, 1])).as_slice()].concat(), // signature_algorithms
        vec![0, 23, 0, 0],                                              // extended_master_secret
    ]
    .concat();
    let body =
        [version.as_slice(), &[7; 32], &[0], &sized(suites), &[1, 0], &sized(&extensions)].concat();
    let handshake = [&[1, 0], sized(&body).as_slice()].concat();
    [&[22, 3, 1], sized(&handshake).as_slice()].concat()
}
