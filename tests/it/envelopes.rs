//! The shapes that a right call may have, and the shape of its reply. The numbers are rows of the contract's section 6.

use izportal::soap::Response;

use crate::support::fault::{MUST_UNDERSTAND, Node, UNSUPPORTED, fault_of};
use crate::support::soap::{ECHO, SOAP_1_2, children, echo, escaped, submission, with_header};
use crate::support::wire::Tripwire;
use crate::support::{Sender, TestApp, envelope, everything_logged, msa, vxu};

#[tokio::test(flavor = "multi_thread")]
async fn utf_16_a_byte_order_mark_and_other_charsets_arrive_without_loss() {
    let app = TestApp::start().await;
    let text = "ünïcödé";
    let plain = envelope(&echo(&format!("<iis:echoBack>{text}</iis:echoBack>")));
    let units = |unit: fn(u16) -> [u8; 2]| plain.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let (little, big) = (units(u16::to_le_bytes), units(u16::to_be_bytes));
    let latin: Vec<u8> = plain.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let declared = String::from_utf8_lossy(plain.as_bytes()).replace("UTF-8", "utf-16");
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        // row 13: any case, quoted or not
        ("13 capitals", "application/soap+xml; Charset=UTF-8", plain.clone().into()),
        ("13 quoted", "application/soap+xml; charset=\"utf-8\"", plain.clone().into()),
        ("13 Latin-1", "text/xml; charset=ISO-8859-1", latin.clone()),
        ("13 windows-1252", "text/xml; charset=windows-1252", latin),
        // row 14
        ("14 mark", SOAP_1_2, format!("\u{FEFF}{plain}").into()),
        // abuse case 11
        ("A11 little end, mark", "application/soap+xml", [b"\xFF\xFE", little.as_slice()].concat()),
        ("A11 big end, mark", "application/soap+xml", [b"\xFE\xFF", big.as_slice()].concat()),
        ("A11 little end, label", "text/xml; charset=utf-16le", little),
        ("A11 big end, label", "text/xml; charset=utf-16", big),
        ("A11 declared UTF-16, is UTF-8", "text/xml", declared.into()),
    ];

    for (what, content_type, body) in cases {
        let answer = app.post(content_type, body).await;

        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        assert_eq!(answer.response(), Response::ConnectivityTest(text.to_owned()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_optional_or_for_others_are_passed_over() {
    let app = TestApp::start().await;
    let blocks = [
        "<x:a xmlns:x=\"urn:x\"/>", // row 54
        "<x:a xmlns:x=\"urn:x\" soap:mustUnderstand=\"false\"><b>c</b></x:a>",
        "<x:a xmlns:x=\"urn:x\" soap:mustUnderstand=\"0\"/>",
        "<x:a xmlns:x=\"urn:x\" soap:mustUnderstand=\"1\" soap:role=\"urn:somebody-else\"/>",
        // the Microsoft header in NIST's example (4.2)
        "<Action soap:mustUnderstand=\"1\" xmlns=\"http://schemas.microsoft.com/ws/2005/05/addressing/none\">urn:x</Action>",
    ];

    for block in blocks {
        let answer = app.post(SOAP_1_2, with_header(block)).await;

        assert_eq!(answer.status, 200, "{block}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn msh_inside_a_field_is_not_a_second_message() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let text = vxu("ONE", &[("Sample Clinic", "Sample MSH^~ MSH Clinic")]);
    let text = format!("{text}ZZZ|1|MSH|^~\\&|A\r"); // row 60

    let reply = app.submit(&sender, &text).await.hl7();

    assert_eq!(msa(&reply), ("AA".to_owned(), "ONE".to_owned()));
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn blanks_and_marks_before_msh_are_passed_over() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    for (id, before) in [("A", "  "), ("B", "\r\n\r\n"), ("C", "\u{FEFF}"), ("D", "\t\n \u{FEFF}")]
    {
        let reply = app.submit(&sender, &format!("{before}{}", vxu(id, &[]))).await.hl7(); // row 57

        assert_eq!(msa(&reply), ("AA".to_owned(), id.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_comes_back_character_for_character() {
    let app = TestApp::start().await;
    let text = "a & b < c > d \"quotes\" 'apos' ]]> ünïcödé 漢字  two blanks\ttab";
    let cases = [
        (text.to_owned(), "31 33 all"),
        (format!("  {text}\n\n {text} \t"), "33 blanks around and lines"),
        ("one\rtwo\r\nthree\r".to_owned(), "34 carriage returns"),
        ("😀 \u{85} \u{2028} \u{FFFD} \u{10FFFF}".to_owned(), "33 beyond the common"),
        ("&amp;#xD; &lt;![CDATA[x]]&gt; %0D + =".to_owned(), "33 what looks escaped"),
        ("x".repeat(65_536), "38 as long as allowed"),
    ];

    for (text, what) in cases {
        let body = echo(&format!("<iis:echoBack>{}</iis:echoBack>", escaped(&text)));
        let answer = app.post_body(&body).await;

        assert_eq!(answer.status, 200, "{what}");
        assert_eq!(answer.response(), Response::ConnectivityTest(text), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_is_written_as_string_searching_clients_need_it() {
    let app = TestApp::start().await;
    let body = echo(
        "<iis:echoBack>a &amp; b &lt; c &gt; \"q\" 'a' ]]&gt; ü&#13;\r\n<![CDATA[<&>]]>  \t</iis:echoBack>",
    );

    let answer = app.post_body(&body).await;

    assert!(
        answer.text.contains(
            "<connectivityTestResponse xmlns=\"urn:cdc:iisb:2011\">\
             <return>a &amp; b &lt; c &gt; \"q\" 'a' ]]&gt; ü&#xD;\n&lt;&amp;&gt;  \t</return>\
             </connectivityTestResponse>"
        ), // rows 31, 33, 34, 63, 64, 67
        "{}",
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_that_is_empty_nil_or_absent_is_answered_in_kind() {
    let app = TestApp::start().await;
    let nil = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"";
    let cases = [
        ("35", echo("<iis:echoBack></iis:echoBack>"), "<return></return>"),
        ("35", echo("<iis:echoBack/>"), "<return></return>"),
        ("36", echo(&format!("<iis:echoBack {nil}/>")), " xsi:nil=\"true\"/>"),
        ("37", "<iis:connectivityTest/>".to_owned(), "<return></return>"),
    ];

    for (row, body, expected) in cases {
        let answer = app.post_body(&body).await;

        assert_eq!(answer.status, 200, "{row}: {}", answer.text);
        assert!(answer.text.contains(expected), "{row}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_asks_for_no_credentials_and_is_not_logged() {
    let app = TestApp::start().await;
    let body = echo("<iis:echoBack>canary-of-the-echo-7231</iis:echoBack>");

    let answer = app.post_body(&body).await;

    assert_eq!(answer.status, 200); // row 32
    assert!(answer.text.contains("canary-of-the-echo-7231"));
    assert!(!everything_logged().contains("canary-of-the-echo-7231")); // row 39
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_that_is_too_long_is_too_large() {
    let app = TestApp::start().await;
    let body = echo(&format!("<iis:echoBack>{}</iis:echoBack>", "é".repeat(65_537)));

    let fault = fault_of(&app.post_body(&body).await);

    assert_eq!(fault.outcome(), ("MessageTooLargeFault", 1003, "Sender")); // row 38
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_to_a_submission_has_the_shape_that_every_reader_needs() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let answer = app.submit(&sender, &vxu("ONE", &[])).await;

    let text = &answer.text;
    assert_eq!(answer.status, 200); // row 22
    assert_eq!(answer.header("content-length"), text.len().to_string()); // row 17
    assert_eq!(
        answer.header("content-type"),
        "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessageResponse\""
    ); // row 16
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{text}");
    assert!(
        text.contains(
            "<submitSingleMessageResponse xmlns=\"urn:cdc:iisb:2011\"><return>MSH|^~\\&amp;|"
        ),
        "{text}"
    );
    assert!(text.contains("&#xD;MSA|AA|ONE"), "{text}"); // row 64
    assert!(!text.contains("CDATA") && !text.contains('\r'), "{text}");
    assert_eq!(text.matches("MSH|").count(), 1, "{text}"); // row 66
    let envelope = Node::read(text);
    assert_eq!(envelope.names(), ["Body"]);
    let body = envelope.child("Body");
    assert_eq!(body.names(), ["submitSingleMessageResponse"]); // row 67
    assert_eq!(body.children[0].namespace, "urn:cdc:iisb:2011"); // row 1
    assert_eq!(body.children[0].names(), ["return"]);
    assert_eq!(body.children[0].children[0].namespace, "urn:cdc:iisb:2011");
    assert_eq!(body.children[0].children[0].attributes, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn shapes_that_real_clients_send_are_accepted() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let Sender { username, password, facility, .. } = &sender;
    let good = |id| children(&sender, &vxu(id, &[]));
    let (credentials, message) = {
        let all = good("ORDER");
        let at = all.find("<iis:facilityID>").unwrap();
        (all[..at].to_owned(), all[at..].to_owned())
    };
    let foreign = "<x:trace xmlns:x=\"urn:x\"><x:id>7</x:id>any</x:trace>";
    let unqualified = format!(
        "<username>{username}</username><password>{password}</password><facilityID>{facility}</facilityID>\
         <hl7Message>{}</hl7Message>",
        escaped(&vxu("BARE", &[]))
    );
    let typed = good("TYPED").replace(
        "<iis:username>",
        "<iis:username xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:string\">",
    );
    let cases = [
        ("47 another order", envelope(&submission(&format!("{message}{credentials}")))),
        ("48 foreign child", envelope(&submission(&format!("{foreign}{}", good("FOREIGN"))))),
        ("50 unqualified children", envelope(&submission(&unqualified))),
        ("50 typed children", envelope(&submission(&typed))),
        (
            "15 no declaration",
            envelope(&submission(&good("NODECL"))).split_once("?>").unwrap().1.to_owned(),
        ),
        ("54 comments", envelope(&format!("<!-- a -->{}<!-- b -->", submission(&good("COMMENT"))))),
        ("5.3 CRLF and NUL after it", format!("{}\r\n\0", envelope(&submission(&good("TAIL"))))),
    ];

    for (what, body) in cases {
        let answer = app.post(SOAP_1_2, body).await;

        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        assert_eq!(msa(&answer.hl7()).0, "AA", "{what}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_a_security_header_are_read_when_the_body_has_none() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let header = |kind: &str, password: &str| {
        format!(
            "<wsse:Security soap:mustUnderstand=\"true\" \
             xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
             <wsse:UsernameToken><wsse:Username>{}</wsse:Username><wsse:Password Type=\"http://docs.oasis-open.org/wss/\
             2004/01/oasis-200401-wss-username-token-profile-1.0#{kind}\">{password}</wsse:Password>\
             </wsse:UsernameToken></wsse:Security>",
            sender.username
        )
    };
    let all = children(&sender, &vxu("ONE", &[]));
    let bare = submission(&all[all.find("<iis:facilityID>").unwrap()..]);
    let send = |header: String| with_header(&header).replace(ECHO, &bare);

    let plain = app.post(SOAP_1_2, send(header("PasswordText", &sender.password))).await;
    let wrong = app.post(SOAP_1_2, send(header("PasswordText", "wrong"))).await;
    let digest = app.post(SOAP_1_2, send(header("PasswordDigest", "c2VjcmV0"))).await;

    assert_eq!(msa(&plain.hl7()).0, "AA"); // row 51
    assert_eq!(fault_of(&wrong).outcome(), ("SecurityFault", 2010, "Sender"));
    assert_eq!(fault_of(&digest).outcome(), MUST_UNDERSTAND);
}

#[tokio::test(flavor = "multi_thread")]
async fn addressing_headers_are_answered_with_relates_to_and_only_then() {
    let app = TestApp::start().await;
    let id = "urn:uuid:8b0d1c5e-0f0e-4a57-9d3b-0c7a2f5f1a11";
    let namespace = "http://www.w3.org/2005/08/addressing";
    let blocks = format!(
        "<a:Action soap:mustUnderstand=\"1\" xmlns:a=\"{namespace}\">urn:cdc:iisb:2011:connectivityTest</a:Action>\
         <a:MessageID xmlns:a=\"{namespace}\">{id}</a:MessageID>\
         <a:To soap:mustUnderstand=\"true\" xmlns:a=\"{namespace}\">https://localhost/IISService</a:To>"
    );
    let with = with_header(&blocks);

    let told = app.post(SOAP_1_2, with.clone()).await;
    let fault = fault_of(&app.post(SOAP_1_2, with.replace("connectivityTest>", "other>")).await);
    let plain = app.post_body(ECHO).await;

    let reply = Node::read(&told.text); // row 52
    let blocks: Vec<(&str, &str)> =
        reply.header().iter().map(|block| (block.name.as_str(), block.text.as_str())).collect();
    assert_eq!(
        blocks,
        [("Action", "urn:cdc:iisb:2011:connectivityTestResponse"), ("RelatesTo", id)]
    );
    assert!(reply.header().iter().all(|block| block.namespace == namespace));
    assert_eq!(fault.outcome(), UNSUPPORTED);
    assert_eq!(fault.envelope.header()[1].text, id);
    assert!(Node::read(&plain.text).header().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_whom_a_header_names() {
    let app = TestApp::start().await;
    let wire = Tripwire::new();
    let to = |name: &str| {
        format!(
            "<a:{name} soap:mustUnderstand=\"1\" xmlns:a=\"http://www.w3.org/2005/08/addressing\"><a:Address>{}</a:Address></a:{name}>",
            wire.url()
        )
    };
    let with = with_header(&format!("{}{}", to("ReplyTo"), to("FaultTo")));

    let told = app.post(SOAP_1_2, with.clone()).await;
    let fault = app.post(SOAP_1_2, with.replace("connectivityTest>", "other>")).await;

    assert_eq!(told.status, 200); // abuse case 27
    assert_eq!(fault_of(&fault).outcome(), UNSUPPORTED);
    assert!(!wire.is_touched());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_twice_are_delivered_once_and_answered_alike() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let body = envelope(&submission(&children(&sender, &vxu("ONE", &[]))));

    let first = app.post(SOAP_1_2, body.clone()).await;
    let second = app.post(SOAP_1_2, body.clone()).await;

    assert_eq!(first.text, second.text); // row 102
    assert_eq!(app.registry("CAIRBA").await.len(), 1);
}
