//! What is wrong with a call, and the fault that says so. The numbers are rows of the contract's section 6.

use izportal::soap::{Response, SoapVersion};
use reqwest::Method;

use crate::support::fault::{Fault, Node};
use crate::support::registry::{Script, ScriptedRegistry};
use crate::support::wire::{Line, Tripwire, chunk, post};
use crate::support::{
    Answer, Sender, TestApp, answer, envelope, errors, everything_logged, msa, vxu,
};

const SOAP_1_2: &str = "application/soap+xml; charset=utf-8";
const SOAP_1_1: &str = "text/xml; charset=utf-8";

const ECHO: &str =
    "<iis:connectivityTest><iis:echoBack>ready</iis:echoBack></iis:connectivityTest>";

/// Element in Detail, number, role.
type Outcome = (&'static str, i64, &'static str);

const MALFORMED: Outcome = ("fault", 4001, "Sender");
const DTD: Outcome = ("fault", 4002, "Sender");
const ENCODING: Outcome = ("fault", 4003, "Sender");
const STRUCTURE: Outcome = ("fault", 4004, "Sender");
const DUPLICATE: Outcome = ("fault", 4007, "Sender");
const UNKNOWN_CHILD: Outcome = ("fault", 4008, "Sender");
const LIMIT: Outcome = ("fault", 4009, "Sender");
const INSTRUCTION: Outcome = ("fault", 4012, "Sender");
const UNSUPPORTED: Outcome = ("UnsupportedOperationFault", 3000, "Sender");
const OTHER_CONTRACT: Outcome = ("UnsupportedOperationFault", 3001, "Sender");
const MUST_UNDERSTAND: Outcome = ("fault", 4021, "MustUnderstand");

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
    /// A connectivityTest that is right.
    async fn is_alive(&self) -> bool {
        let answer = self.post_body(ECHO).await;
        answer.status == 200 && answer.text.contains("<return>ready</return>")
    }

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

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\r', "&#xD;")
}

/// The children of a submission with these credentials and this text.
fn children(sender: &Sender, hl7: &str) -> String {
    let Sender { username, password, facility, .. } = sender;
    format!(
        "<iis:username>{username}</iis:username><iis:password>{password}</iis:password>\
         <iis:facilityID>{facility}</iis:facilityID><iis:hl7Message>{}</iis:hl7Message>",
        escaped(hl7)
    )
}

fn submission(children: &str) -> String {
    format!("<iis:submitSingleMessage>{children}</iis:submitSingleMessage>")
}

fn echo(inside: &str) -> String {
    format!("<iis:connectivityTest>{inside}</iis:connectivityTest>")
}

/// A connectivityTest under SOAP 1.2 with header blocks.
fn with_header(blocks: &str) -> String {
    envelope(ECHO)
        .replace("<soap:Body>", &format!("<soap:Header>{blocks}</soap:Header><soap:Body>"))
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

fn fault_of(answer: &Answer) -> Fault {
    answer.strict_fault().unwrap()
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
        assert_eq!(answer.header("allow"), "GET, HEAD, POST", "{method}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_answers_without_end_is_cut_off_and_its_reply_is_not_passed_on() {
    let endless = "x".repeat(12 << 20);
    let registry = ScriptedRegistry::start(Script::Raw(200, "application/soap+xml", endless));
    let app = TestApp::with(&registry.config("CAIRBA", "test")).await;
    let sender = app.test_sender().await;

    let answer = app.submit(&sender, &vxu("ONE", &[])).await;

    assert!(answer.text.len() < 10_000, "{} bytes were passed on", answer.text.len()); // rows 71 and 98
    assert_eq!(msa(&answer.hl7()), ("AA".to_owned(), "ONE".to_owned()));
    assert!(errors(&answer.hl7())[0][4].contains("queued for CAIRBA"), "{}", answer.hl7());
    assert!(app.is_alive().await);
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
