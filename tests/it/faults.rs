//! What is wrong with a call, and the fault that says so. The numbers are rows of the contract's section 6.

use izportal::soap::SoapVersion;

use crate::support::fault::{
    DTD, DUPLICATE, ENCODING, INSTRUCTION, LIMIT, MALFORMED, MUST_UNDERSTAND, OTHER_CONTRACT,
    Outcome, STRUCTURE, UNKNOWN_CHILD, UNSUPPORTED, fault_of,
};
use crate::support::soap::{ECHO, SOAP_1_2, children, echo, submission, with_header};
use crate::support::wire::Tripwire;
use crate::support::{TestApp, envelope, errors, everything_logged, msa, vxu};

const SOAP_1_1: &str = "text/xml; charset=utf-8";

/// One wrong call and the fault that it must get.
struct Case {
    /// Rows of the contract; `A` and a number is an abuse case.
    rows: &'static str,
    what: &'static str,
    body: Vec<u8>,
    expected: Outcome,
}

fn case(
    rows: &'static str,
    what: &'static str,
    body: impl Into<Vec<u8>>,
    expected: Outcome,
) -> Case {
    Case { rows, what, body: body.into(), expected }
}

impl TestApp {
    /// Sends every case; after each one the next valid call must work. Tells all cases that went otherwise.
    async fn refuses(&self, content_type: &str, cases: Vec<Case>) {
        let mut wrong = vec![];
        for Case { rows, what, body, expected } in cases {
            match self.post(content_type, body).await.strict_fault() {
                Ok(fault) if fault.outcome() == expected => {}
                Ok(fault) => wrong.push(format!(
                    "{rows} {what}: {:?} instead of {expected:?}: {}",
                    fault.outcome(),
                    fault.detail
                )),
                Err(rule) => wrong.push(format!("{rows} {what}: {rule}")),
            }
            if !self.is_alive().await {
                wrong.push(format!("{rows} {what}: the next call fails"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn in_1_1(envelope: &str) -> String {
    envelope.replace(
        "http://www.w3.org/2003/05/soap-envelope",
        "http://schemas.xmlsoap.org/soap/envelope/",
    )
}

/// A document type with a connectivityTest that uses it.
fn with_dtd(dtd: &str, text: &str) -> String {
    let body = echo(&format!("<iis:echoBack>{text}</iis:echoBack>"));
    envelope(&body).replace("<soap:Envelope", &format!("{dtd}<soap:Envelope"))
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_type_is_refused_before_anything_is_expanded_or_fetched() {
    let app = TestApp::start().await;
    let wire = Tripwire::new();
    let url = wire.url();
    let entity = |level: usize| {
        let below = format!("&a{};", level - 1).repeat(10);
        format!("<!ENTITY a{level} \"{below}\">")
    };
    let levels = (1..=30).map(entity).collect::<Vec<_>>().concat();
    let laughs = format!("<!DOCTYPE lolz [<!ENTITY a0 \"lol\">{levels}]>");

    app.refuses(
        SOAP_1_2,
        vec![
            case("72 A1", "DTD without entities", with_dtd("<!DOCTYPE soap:Envelope>", "x"), DTD),
            case("72 A1", "small letters", with_dtd("<!doctype x>", "x"), DTD),
            case("72", "billion laughs", with_dtd(&laughs, "&a30;"), DTD),
            case(
                "72 A3",
                "external entity, file",
                with_dtd("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>", "&e;"),
                DTD,
            ),
            case(
                "72 A3",
                "external entity, address",
                with_dtd(&format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"{url}\">]>"), "&e;"),
                DTD,
            ),
            case(
                "72 A3",
                "external subset",
                with_dtd(&format!("<!DOCTYPE x SYSTEM \"{url}\">"), "x"),
                DTD,
            ),
            case(
                "72 A3",
                "parameter entity",
                with_dtd(&format!("<!DOCTYPE x [<!ENTITY % p SYSTEM \"{url}\"> %p;]>"), "x"),
                DTD,
            ),
            case("72", "never closed", with_dtd("<!DOCTYPE x [<!ENTITY e \"", "x"), DTD),
        ],
    )
    .await;

    assert!(!wire.is_touched());
}

#[tokio::test(flavor = "multi_thread")]
async fn processing_instructions_are_refused_wherever_they_stand() {
    let app = TestApp::start().await;
    let style = "<?xml-stylesheet href=\"http://127.0.0.1/\"?>";

    app.refuses(
        SOAP_1_2,
        vec![
            case(
                "73",
                "before the root",
                envelope(ECHO).replace("<soap:Envelope", &format!("{style}<soap:Envelope")),
                INSTRUCTION,
            ),
            case("73", "in the Body", envelope(&format!("<?php echo 1?>{ECHO}")), INSTRUCTION),
            case(
                "73",
                "in echoBack",
                envelope(&echo("<iis:echoBack>a<?x?>b</iis:echoBack>")),
                INSTRUCTION,
            ),
            case("73", "after the root", format!("{}<?x?>", envelope(ECHO)), INSTRUCTION),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_of_depth_width_and_number_stop_at_their_bounds() {
    let app = TestApp::start().await;
    let attributes = many(100_000, |n| format!(" a{n}=\"1\""));
    let namespaces = many(1_000, |n| format!(" xmlns:n{n}=\"urn:n{n}\""));
    let deep = format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000));
    let wide = "<x:a xmlns:x=\"urn:x\"/>".repeat(50_000);

    app.refuses(
        SOAP_1_2,
        vec![
            case(
                "74 A5",
                "100,000 attributes",
                envelope(ECHO).replace("<iis:echoBack", &format!("<iis:echoBack{attributes}")),
                LIMIT,
            ),
            case(
                "74 A5",
                "100,000 attributes on the root",
                envelope(ECHO).replace("<soap:Envelope", &format!("<soap:Envelope{attributes}")),
                LIMIT,
            ),
            case(
                "74",
                "1,000 namespaces",
                envelope(ECHO).replace("<soap:Body", &format!("<soap:Body{namespaces}")),
                LIMIT,
            ),
            case("74 A7", "50,000 deep in the Header", with_header(&deep), LIMIT),
            case("74 A7", "50,000 deep in the Body", envelope(&deep), LIMIT),
            case("74 A7", "50,000 deep, never closed", envelope(&"<a>".repeat(50_000)), LIMIT),
            case("74", "50,000 elements", envelope(&echo(&wide)), LIMIT),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_formed_xml_is_a_fault_and_never_a_page() {
    let app = TestApp::start().await;
    let body = |inside: &str| envelope(&echo(&format!("<iis:echoBack>{inside}</iis:echoBack>")));

    app.refuses(
        SOAP_1_2,
        vec![
            case("75", "text", "hello", MALFORMED),
            case("75", "HL7 without envelope", vxu("ONE", &[]), MALFORMED),
            case("75", "cut off", &envelope(ECHO)[..200], MALFORMED),
            case("75", "tags that do not match", envelope("<iis:a></iis:b>"), MALFORMED),
            case("75", "two roots", format!("{}<a/>", envelope(ECHO)), MALFORMED),
            case("75", "text after the root", format!("{}x", envelope(ECHO)), MALFORMED),
            case(
                "75",
                "prefix without declaration",
                envelope("<none:connectivityTest/>"),
                MALFORMED,
            ),
            case("75", "the same attribute twice", envelope("<iis:x a=\"1\" a=\"2\"/>"), MALFORMED),
            case("75", "attribute without quotes", envelope("<iis:x a=1/>"), MALFORMED),
            case("75", "bare ampersand", body("a & b"), MALFORMED),
            case("75", "entity without declaration", body("a&nbsp;b"), MALFORMED),
            case("75", "CDATA never closed", envelope("<![CDATA[x"), MALFORMED),
            case("75", "space before the declaration", format!(" {}", envelope(ECHO)), MALFORMED),
            case("76", "0x0B", body("a\u{B}b"), MALFORMED),
            case("76", "0x1C", body("a\u{1C}b"), MALFORMED),
            case("76", "0x00", body("a\0b"), MALFORMED),
            case("76", "reference to 0x0B", body("a&#x0B;b"), MALFORMED),
            case("76", "reference to 0", body("a&#0;b"), MALFORMED),
            case("76", "reference to half a pair", body("a&#xD800;b"), MALFORMED),
            case("76", "U+FFFE", body("a\u{FFFE}b"), MALFORMED),
            case("76", "0x0B in a CDATA section", body("<![CDATA[\u{B}]]>"), MALFORMED),
            case("78", "no bytes", "", MALFORMED),
            case("78", "white space", "\r\n \t", MALFORMED),
            case("78", "byte order mark only", "\u{FEFF}", MALFORMED),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_what_they_are_labelled_are_refused_and_never_guessed() {
    let app = TestApp::start().await;
    let odd = [b"\xFF\xFE".as_slice(), b"<\0a\0>"].concat();
    let latin = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>();
    let german = envelope(&echo("<iis:echoBack>ü</iis:echoBack>"));

    app.refuses(
        SOAP_1_2,
        vec![
            case("77", "Latin-1 bytes labelled UTF-8", latin(&german), ENCODING),
            case(
                "77",
                "a lone continuation byte",
                [envelope(ECHO).as_bytes(), b"\x80"].concat(),
                ENCODING,
            ),
            case(
                "77",
                "an overlong slash",
                [b"\xC0\xAF", envelope(ECHO).as_bytes()].concat(),
                ENCODING,
            ),
            case("77 A11", "half a UTF-16 unit", odd, ENCODING),
        ],
    )
    .await;
    app.refuses(
        "application/soap+xml; charset=utf-7",
        vec![case("13 A11", "UTF-7", envelope(ECHO), ENCODING)],
    )
    .await;
    app.refuses(
        "application/soap+xml; charset=us-ascii",
        vec![case("13 A11", "not ASCII", german.as_str(), ENCODING)],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_call_of_this_contract_is_refused() {
    let app = TestApp::start().await;
    let iis = "xmlns:iis=\"urn:cdc:iisb:2011\"";
    let no_body = envelope(ECHO).replace("soap:Body", "soap:Header");

    app.refuses(
        SOAP_1_2,
        vec![
            case("79", "empty Body", envelope(""), STRUCTURE),
            case("79", "blank Body", envelope(" \n "), STRUCTURE),
            case("79", "two children", envelope(&ECHO.repeat(2)), STRUCTURE),
            case("79", "two children, one foreign", envelope(&format!("{ECHO}<a/>")), STRUCTURE),
            case("79", "no Body", no_body, STRUCTURE),
            case(
                "79",
                "two Body",
                envelope(&format!("{ECHO}</soap:Body><soap:Body>{ECHO}")),
                STRUCTURE,
            ),
            case("79", "text in the Body", envelope("hello"), STRUCTURE),
            case("75", "another root", format!("<connectivityTest {iis}/>"), STRUCTURE),
            case("75", "a page", "<html><body>hello</body></html>", STRUCTURE),
            case(
                "80",
                "NIST's unknown operation",
                envelope("<iis:submitSingleMessageX/>"),
                UNSUPPORTED,
            ),
            case("80", "capitals", envelope("<iis:ConnectivityTest/>"), UNSUPPORTED),
            case("80", "a reply", envelope("<iis:connectivityTestResponse/>"), UNSUPPORTED),
            case(
                "81 1",
                "2014",
                envelope("<a:SubmitSingleMessageRequest xmlns:a=\"urn:cdc:iisb:2014\"/>"),
                OTHER_CONTRACT,
            ),
            case(
                "81",
                "hub",
                envelope("<a:SubmitSingleMessageRequest xmlns:a=\"urn:cdc:iisb:hub:2014\"/>"),
                OTHER_CONTRACT,
            ),
            case("81 1", "no namespace", envelope("<submitSingleMessage/>"), OTHER_CONTRACT),
            case("80", "something else", envelope("<a:b xmlns:a=\"urn:a\"/>"), UNSUPPORTED),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_of_another_contract_hears_which_namespace_is_expected() {
    let app = TestApp::start().await;
    let body = "<SubmitSingleMessageRequest xmlns=\"urn:cdc:iisb:2014\"/>";

    let fault = fault_of(&app.post_body(body).await);

    assert_eq!(fault.outcome(), OTHER_CONTRACT); // row 81
    assert!(fault.detail.contains("urn:cdc:iisb:2011"), "{}", fault.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_comes_twice_is_refused() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let good = children(&sender, &vxu("ONE", &[]));
    let submit = |children: &str| envelope(&submission(children));

    app.refuses(
        SOAP_1_2,
        vec![
            case(
                "49 A9",
                "two usernames",
                submit(&format!("<iis:username>x</iis:username>{good}")),
                DUPLICATE,
            ),
            case(
                "49 A9",
                "two messages",
                submit(&format!("{good}<iis:hl7Message>MSH|</iis:hl7Message>")),
                DUPLICATE,
            ),
            case(
                "49 A9",
                "one of two is empty",
                submit(&format!("<iis:password/>{good}")),
                DUPLICATE,
            ),
            case(
                "49",
                "two echoBack",
                envelope(&echo("<iis:echoBack/><iis:echoBack/>")),
                DUPLICATE,
            ),
        ],
    )
    .await;

    assert!(app.registry("CAIRBA").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_are_misspelt_or_not_text_are_refused() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let wire = Tripwire::new();
    let good = children(&sender, &vxu("ONE", &[]));
    let include = format!(
        "<iis:hl7Message><xop:Include xmlns:xop=\"http://www.w3.org/2004/08/xop/include\" href=\"{}\"/></iis:hl7Message>",
        wire.url()
    );
    let without_message = good.split("<iis:hl7Message>").next().unwrap();
    let nil = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"";
    let submit = |children: &str| envelope(&submission(children));

    app.refuses(
        SOAP_1_2,
        vec![
            case(
                "48",
                "the typo of a copied client",
                submit(&good.replace("facilityID", "faciltyID")),
                UNKNOWN_CHILD,
            ),
            case(
                "48",
                "capitals",
                submit(&good.replace("hl7Message", "HL7Message")),
                UNKNOWN_CHILD,
            ),
            case(
                "48",
                "more than the schema has",
                submit(&format!("{good}<iis:extra/>")),
                UNKNOWN_CHILD,
            ),
            case(
                "48 50",
                "misspelt, no namespace",
                submit(&format!("{good}<user/>")),
                UNKNOWN_CHILD,
            ),
            case("A21", "xop:Include", submit(&format!("{without_message}{include}")), STRUCTURE),
            case(
                "48",
                "markup in a field",
                submit(&good.replace("MSH|", "<b>MSH|</b>")),
                STRUCTURE,
            ),
            case(
                "36",
                "nil with text",
                envelope(&echo(&format!("<iis:echoBack {nil}>x</iis:echoBack>"))),
                STRUCTURE,
            ),
            case("79", "text between children", submit(&format!("{good}MSH|")), STRUCTURE),
        ],
    )
    .await;

    assert!(!wire.is_touched());
    assert_eq!(msa(&app.submit(&sender, &vxu("TWO", &[])).await.hl7()).0, "AA");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_child_is_named_with_what_was_meant() {
    let app = TestApp::start().await;
    let body = submission("<iis:faciltyID>DE-000001</iis:faciltyID>");

    let fault = fault_of(&app.post_body(&body).await);

    assert!(fault.detail.starts_with("The element faciltyID is not known"), "{}", fault.detail);
    assert!(fault.detail.contains("is facilityID meant?"), "{}", fault.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_must_be_understood_and_is_not_is_refused_in_1_2() {
    let app = TestApp::start().await;
    let block =
        |attributes: &str| with_header(&format!("<x:Route xmlns:x=\"urn:x\" {attributes}/>"));
    let next = "http://www.w3.org/2003/05/soap-envelope/role/next";

    app.refuses(
        SOAP_1_2,
        vec![
            case("53", "true", block("soap:mustUnderstand=\"true\""), MUST_UNDERSTAND),
            case("53", "1", block("soap:mustUnderstand=\"1\""), MUST_UNDERSTAND),
            case(
                "53",
                "for the next node",
                block(&format!("soap:mustUnderstand=\"1\" soap:role=\"{next}\"")),
                MUST_UNDERSTAND,
            ),
            case(
                "53 45",
                "with an unknown operation",
                block("soap:mustUnderstand=\"1\"").replace("connectivityTest", "other"),
                MUST_UNDERSTAND,
            ),
        ],
    )
    .await;
    let fault = fault_of(&app.post(SOAP_1_2, block("soap:mustUnderstand=\"1\"")).await);

    let not_understood = &fault.envelope.header()[0];
    assert_eq!(not_understood.name, "NotUnderstood");
    assert_eq!(not_understood.attributes, ["qname=\"nu:Route\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_must_be_understood_and_is_not_is_refused_in_1_1() {
    let app = TestApp::start().await;
    let body = in_1_1(&with_header("<x:Route xmlns:x=\"urn:x\" soap:mustUnderstand=\"1\"/>"));

    let fault = fault_of(&app.post(SOAP_1_1, body).await);

    assert_eq!(fault.version, SoapVersion::V11); // row 53; SOAP 1.1 allows no detail here
    assert_eq!(fault.outcome(), ("", 0, "MustUnderstand"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_of_an_unknown_version_hears_which_one_is_supported() {
    let app = TestApp::start().await;
    let body = envelope(ECHO).replace(
        "http://www.w3.org/2003/05/soap-envelope",
        "http://www.w3.org/2001/12/soap-envelope",
    );

    let fault = fault_of(&app.post(SOAP_1_2, body).await);

    assert_eq!(fault.outcome(), ("fault", 4020, "VersionMismatch")); // row 4
    let upgrade = &fault.envelope.header()[0];
    assert_eq!(upgrade.name, "Upgrade");
    assert_eq!(upgrade.child("SupportedEnvelope").attributes, ["qname=\"soap12:Envelope\""]);
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn soap_1_1_is_answered_with_version_mismatch_when_it_is_switched_off() {
    let app = TestApp::with("[server]\nsoap_1_1 = false").await;

    let fault = fault_of(&app.post(SOAP_1_1, in_1_1(&envelope(ECHO))).await);

    assert_eq!(fault.version, SoapVersion::V11); // rows 3 and 5.4
    assert_eq!(fault.outcome(), ("fault", 4020, "VersionMismatch"));
    assert_eq!(fault.envelope.header()[0].name, "Upgrade");
    assert!(app.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_comes_in_the_version_of_the_request() {
    let app = TestApp::start().await;
    let wrong = envelope("<iis:submitSingleMessageX/>");

    let new = fault_of(&app.post(SOAP_1_2, wrong.clone()).await);
    let old = fault_of(&app.post(SOAP_1_1, in_1_1(&wrong)).await);
    let old_mislabelled = fault_of(&app.post(SOAP_1_2, in_1_1(&wrong)).await);
    let unreadable = fault_of(&app.post(SOAP_1_1, "hello").await);

    assert_eq!(new.version, SoapVersion::V12);
    assert_eq!(old.version, SoapVersion::V11);
    assert_eq!(old.outcome(), ("UnsupportedOperationFault", 3000, "Client"));
    assert_eq!(old_mislabelled.version, SoapVersion::V11);
    assert_eq!(unreadable.outcome(), ("fault", 4001, "Client"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_one_hl7_message_is_a_fault() {
    const MISSING: Outcome = ("fault", 4005, "Sender");
    const NO_MSH: Outcome = ("fault", 4006, "Sender");
    const SEVERAL: Outcome = ("MessageTooLargeFault", 1001, "Sender");
    const BATCH: Outcome = ("MessageTooLargeFault", 1002, "Sender");
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let one = vxu("ONE", &[]);
    let hl7 = |text: &str| envelope(&submission(&children(&sender, text)));
    let credentials = children(&sender, "");
    let absent = credentials.replace("<iis:hl7Message></iis:hl7Message>", "");
    let nil = "<iis:hl7Message xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>";
    let batch = format!("FHS|^~\\&|A\rBHS|^~\\&|A\r{one}BTS|1\rFTS|1\r");

    app.refuses(
        SOAP_1_2,
        vec![
            case("55", "absent", envelope(&submission(&absent)), MISSING),
            case("55", "nil", envelope(&submission(&format!("{absent}{nil}"))), MISSING),
            case("55", "empty", hl7(""), MISSING),
            case("55", "blank", hl7(" \r\n\t"), MISSING),
            case("56", "text", hl7("hello"), NO_MSH),
            case("56", "no MSH", hl7("PID|1||INV-1\rPV1|1\r"), NO_MSH),
            case("56", "a longer name", hl7("MSHAAAA|^~\\&|A"), NO_MSH),
            case("56", "base64", hl7("TVNIfF5+XCZ8"), NO_MSH),
            case("58", "two messages", hl7(&format!("{one}{one}")), SEVERAL),
            case("58", "two as NIST sends them", hl7(&format!("{one}\n{one}")), SEVERAL),
            case(
                "58",
                "the second with other separators",
                hl7(&format!("{one}MSH#^~\\&#")),
                SEVERAL,
            ),
            case("59", "file", hl7(&batch), BATCH),
            case("59", "batch", hl7(&batch[batch.find("BHS").unwrap()..]), BATCH),
        ],
    )
    .await;

    assert!(app.registry("CAIRBA").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hl7_that_begins_with_msh_is_answered_with_an_ack_however_broken_it_is() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    // row 65 and abuse cases 33 and 35
    let texts = [
        "MSH",
        "MSH|",
        "MSH|^",
        "MSH|^~\\&",
        "MSH|^~\\&|",
        "MSH||||||",
        "MSH||||\rMSA|AA|X",
        "MSH|^^^^|A|B||||VXU^V04^VXU_V04|X|T|2.5.1\r",
        "MSH|^~|&|A|B||||VXU^V04^VXU_V04|X|T|2.5.1\r",
        "MSH#^~\\##A#B####VXU^V04^VXU_V04#X#T#2.5.1\r",
        "MSH%7C%5E~%5C%26%7CA%7CB",
        "MSH|^~\\&|A\\X00\\|DE-000001\\Zxx\\|\\|\\X0B1C\\||||VXU^V04^VXU_V04|\\H\\X\\|T|2.5.1\rPID|\\",
    ];

    for text in texts {
        let answer = app.submit(&sender, text).await;

        assert_eq!(answer.status, 200, "{text}: {}", answer.text);
        let reply = answer.hl7();
        assert_eq!(msa(&reply).0, "AR", "{text}: {reply}");
        assert_eq!(reply.matches("MSH|").count(), 1, "{text}: {reply}"); // row 66
        assert_eq!(errors(&reply)[0][2], "E", "{text}: {reply}");
        assert!(!reply.contains(|c: char| c.is_control() && c != '\r'), "{text}: {reply:?}");
    }
    assert_eq!(msa(&app.submit(&sender, &vxu("ONE", &[])).await.hl7()).0, "AA");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_content_errors_is_never_a_soap_fault() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let answer = app.submit(&sender, &vxu("ONE", &[("|2.5.1|", "|2.3.1|")])).await;

    assert_eq!(answer.status, 200); // row 65
    let reply = answer.hl7();
    assert_eq!(msa(&reply), ("AR".to_owned(), "ONE".to_owned()));
    assert_eq!(errors(&reply)[0][0], "MSH^1^12");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_in_a_fault_is_the_id_in_the_log() {
    let app = TestApp::start().await;

    let fault = fault_of(&app.post(SOAP_1_2, "hello").await);

    let line = everything_logged()
        .lines()
        .find(|line| line.contains(&fault.reference))
        .map(str::to_owned)
        .unwrap_or_default(); // rows 29 and 94
    assert!(line.contains("\"fault\":4001"), "{line}");
}
