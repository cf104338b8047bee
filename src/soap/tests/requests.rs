//! Requests as callers write them, right and wrong.

use std::borrow::Cow;

use super::{SECRET, SOAP12, envelope, header, read};
use crate::soap::{
    AddressingVersion, EchoBack, EnvelopeErrorKind as Kind, Limits, MediaType, NotUnderstood,
    Operation, SoapVersion, Submission, read_envelope,
};

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const PLAIN: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

fn kind(document: &str) -> Kind {
    read(document).unwrap_err().kind
}

fn detail(document: &str) -> String {
    read(document).unwrap_err().detail.into_owned()
}

fn submit(children: &str) -> String {
    envelope("", &format!("<submitSingleMessage>{children}</submitSingleMessage>"))
}

fn submission(document: &str) -> Submission<'_> {
    match read(document).unwrap().operation {
        Operation::SubmitSingleMessage(submission) => submission,
        Operation::ConnectivityTest { .. } => panic!("not a submission"),
    }
}

fn message(children: &str) -> String {
    submission(&submit(children)).hl7_message.unwrap().into_owned()
}

fn echo(body: &str) -> EchoBack<'static> {
    match read(&envelope("", body)).unwrap().operation {
        Operation::ConnectivityTest { echo_back: EchoBack::Text(text) } => {
            EchoBack::Text(text.into_owned().into())
        }
        Operation::ConnectivityTest { echo_back: EchoBack::Nil } => EchoBack::Nil,
        Operation::ConnectivityTest { echo_back: EchoBack::Absent } => EchoBack::Absent,
        Operation::SubmitSingleMessage(_) => panic!("not a connectivity test"),
    }
}

fn security(username: &str, password: &str, kind: &str) -> String {
    format!(
        "<s:Header><w:Security xmlns:w=\"{WSSE}\" s:mustUnderstand=\"true\"><w:UsernameToken>\
         <w:Username>{username}</w:Username><w:Password Type=\"{kind}\">{password}</w:Password><w:Nonce>x</w:Nonce>\
         </w:UsernameToken></w:Security></s:Header>"
    )
}

fn fixture(text: &str) -> String {
    text.replace("{{username}}", "user")
        .replace("{{password}}", SECRET)
        .replace("{{facility}}", "SF-000001")
        .replace("{{hl7}}", "MSH|^~\\&amp;|EHR|SF-000001")
}

#[test]
fn both_soap_versions_are_read_whatever_the_media_type_says() {
    for (media, soap, version) in [
        ("text/xml", SOAP12, SoapVersion::V12),
        ("application/soap+xml", SOAP11, SoapVersion::V11),
        ("application/xml", SOAP12, SoapVersion::V12),
    ] {
        let document = envelope("", "<connectivityTest/>").replace(SOAP12, soap);

        let read = read_envelope(
            document.as_bytes(),
            &MediaType::of(Some(media)).unwrap(),
            &Limits::default(),
        );

        assert_eq!(read.unwrap().version, version);
    }
}

#[test]
fn an_unknown_envelope_namespace_is_a_version_mismatch_and_another_root_is_no_soap() {
    assert_eq!(
        kind("<Envelope xmlns='http://www.w3.org/2001/12/soap-envelope'/>"),
        Kind::VersionMismatch
    );
    assert_eq!(kind("<Envelope/>"), Kind::VersionMismatch);
    assert_eq!(kind("<html><body/></html>"), Kind::Structure);
}

#[test]
fn the_version_of_an_early_refusal_follows_the_media_type() {
    let media = MediaType::of(Some("text/xml")).unwrap();

    let error = read_envelope(b"<<", &media, &Limits::default()).unwrap_err();

    assert_eq!((error.version, kind("<<")), (SoapVersion::V11, Kind::Malformed));
}

#[test]
fn a_mark_a_missing_declaration_and_trailing_white_space_or_nuls_are_accepted() {
    let document = envelope("", "<connectivityTest/>");

    for variant in [
        document.clone(),
        format!("\u{FEFF}{document}"),
        format!("\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n{document}\r\n"),
        format!("{document}\r\n\0\0"),
        format!("<!-- a -->{document}<!-- b -->"),
    ] {
        assert!(read(&variant).is_ok(), "{variant}");
    }
    for trailing in ["x", "<a/>", "\0x", "<![CDATA[]]>", "&amp;"] {
        assert_eq!(kind(&format!("{document}{trailing}")), Kind::Malformed, "{trailing}");
    }
}

#[test]
fn utf_16_and_latin_1_requests_are_read_as_they_were_meant() {
    let document = envelope("", "<connectivityTest><echoBack>é</echoBack></connectivityTest>");
    let utf16: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = document.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let expected = Operation::ConnectivityTest { echo_back: EchoBack::Text("é".into()) };

    for (bytes, media) in
        [(utf16, "text/xml; charset=UTF-16"), (latin.clone(), "text/xml; charset=iso-8859-1")]
    {
        let media = MediaType::of(Some(media)).unwrap();
        assert_eq!(read_envelope(&bytes, &media, &Limits::default()).unwrap().operation, expected);
    }
    let error = read_envelope(&latin, &MediaType::default(), &Limits::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Encoding);
    let media = MediaType::of(Some("text/xml; charset=utf-7")).unwrap();
    let error = read_envelope(document.as_bytes(), &media, &Limits::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Encoding);
}

#[test]
fn the_echo_keeps_every_character() {
    let text = "  \t&amp;&lt;a&gt; \"q\" 'é😀'&#13;\r\n&#xD;&#10; ";

    let read = echo(&format!("<connectivityTest><echoBack>{text}</echoBack></connectivityTest>"));

    assert_eq!(read, EchoBack::Text("  \t&<a> \"q\" 'é😀'\r\n\r\n ".into()));
}

#[test]
fn an_echo_may_be_empty_nil_or_absent() {
    let xsi = "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"";

    assert_eq!(echo("<connectivityTest><echoBack/></connectivityTest>"), EchoBack::Text("".into()));
    assert_eq!(
        echo("<connectivityTest><echoBack></echoBack></connectivityTest>"),
        EchoBack::Text("".into())
    );
    assert_eq!(
        echo(&format!("<connectivityTest><echoBack {xsi} i:nil='1'/></connectivityTest>")),
        EchoBack::Nil
    );
    assert_eq!(
        echo(&format!("<connectivityTest><echoBack {xsi} i:nil='false'/></connectivityTest>")),
        EchoBack::Text("".into())
    );
    assert_eq!(echo("<connectivityTest/>"), EchoBack::Absent);
    assert_eq!(
        kind(&envelope(
            "",
            &format!(
                "<connectivityTest><echoBack {xsi} i:nil='true'>x</echoBack></connectivityTest>"
            )
        )),
        Kind::Structure
    );
}

#[test]
fn a_nil_field_is_an_absent_one_and_white_space_is_kept() {
    let document = submit(
        "<username> u </username><password xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>\
         <hl7Message/>",
    );

    let read = submission(&document);

    assert_eq!(
        read,
        Submission {
            username: Some(" u ".into()),
            password: None,
            facility_id: None,
            hl7_message: Some("".into())
        }
    );
}

#[test]
fn the_message_keeps_referenced_carriage_returns_and_normalises_literal_ones() {
    assert_eq!(
        message("<hl7Message>a&#13;b&#xD;c&#xd;d&#x0D;e\rf\r\ng\nh</hl7Message>"),
        "a\rb\rc\rd\re\nf\ng\nh"
    );
}

#[test]
fn cdata_sections_and_text_are_joined() {
    assert_eq!(message("<hl7Message><![CDATA[MSH|^~\\&]]></hl7Message>"), "MSH|^~\\&");
    assert_eq!(
        message("<hl7Message>a&amp;<![CDATA[b<]]><![CDATA[c\r\n]]><!-- no -->d</hl7Message>"),
        "a&b<c\nd"
    );
}

#[test]
fn one_plain_run_or_one_cdata_section_is_borrowed() {
    for message in
        ["<hl7Message>MSH|^~</hl7Message>", "<hl7Message><![CDATA[MSH|^~\\&\n]]></hl7Message>"]
    {
        let document = submit(message);

        assert!(matches!(submission(&document).hl7_message, Some(Cow::Borrowed(_))));
    }
}

#[test]
fn children_come_in_any_order_and_foreign_ones_are_passed_over() {
    let document = submit(
        "<hl7Message>m</hl7Message><f:note xmlns:f='urn:f'><f:b>x</f:b></f:note><facilityID>f</facilityID>\
         <password>p</password><username>u</username>",
    );

    let read = read(&document).unwrap();

    assert!(read.notes.foreign_children);
    assert_eq!(submission(&document).facility_id.as_deref(), Some("f"));
}

#[test]
fn unqualified_children_are_accepted_with_a_note() {
    let document = envelope(
        "",
        "<p:submitSingleMessage xmlns:p='urn:cdc:iisb:2011' xmlns=''><hl7Message>m</hl7Message></p:submitSingleMessage>",
    );

    assert!(read(&document).unwrap().notes.unqualified_children);
    assert_eq!(submission(&document).hl7_message.as_deref(), Some("m"));
}

#[test]
fn a_misspelt_child_is_named_with_what_was_meant() {
    let document = submit("<faciltyID>x</faciltyID><hl7Message>m</hl7Message>");

    assert_eq!(kind(&document), Kind::UnknownChild);
    assert_eq!(
        detail(&document),
        "The element faciltyID is not known in submitSingleMessage; is facilityID meant?"
    );
    assert_eq!(kind(&submit("<other/>")), Kind::UnknownChild);
    assert!(!detail(&submit(&format!("<{}/>", "n".repeat(41)))).contains("nnn"));
}

#[test]
fn a_duplicate_child_is_refused() {
    for name in ["username", "password", "facilityID", "hl7Message"] {
        let document = submit(&format!("<{name}>a</{name}><{name}>a</{name}>"));
        assert_eq!(kind(&document), Kind::DuplicateChild);
        assert!(detail(&document).contains(name));
    }
    let twice = "<connectivityTest><echoBack/><echoBack/></connectivityTest>";
    assert_eq!(kind(&envelope("", twice)), Kind::DuplicateChild);
}

#[test]
fn an_element_inside_a_text_field_is_refused_and_never_fetched() {
    let document = submit(
        "<hl7Message><x:Include xmlns:x='http://www.w3.org/2004/08/xop/include' href='http://169.254.169.254/'/>\
         </hl7Message>",
    );

    assert_eq!(kind(&document), Kind::Structure);
    assert_eq!(
        detail(&document),
        "The element hl7Message holds another element; only text is allowed."
    );
}

#[test]
fn an_unknown_operation_is_unsupported_whatever_it_holds() {
    for name in
        ["submitSingleMessageX", "submitSingleQuery", "submitBatchMessage", "submitBatchQuery"]
    {
        let document = envelope("", &format!("<{name}><a>text<b c='d'/></a><a/></{name}>"));

        assert_eq!(kind(&document), Kind::UnsupportedOperation);
        assert!(detail(&document).contains(name));
    }
    assert_eq!(
        kind(&envelope("", "<submitSingleMessageX><a></submitSingleMessageX>")),
        Kind::Malformed
    );
    assert_eq!(
        kind(&envelope("", "<submitSingleMessageX>&nope;</submitSingleMessageX>")),
        Kind::Malformed
    );
}

#[test]
fn an_operation_of_another_contract_is_told_the_namespace() {
    for body in [
        "<c:ConnectivityTestRequest xmlns:c='urn:cdc:iisb:2014'/>",
        "<c:SubmitSingleMessageRequest xmlns:c='urn:cdc:iisb:hub:2014'/>",
        "<submitSingleMessage xmlns=''/>",
    ] {
        assert_eq!(kind(&envelope("", body)), Kind::OtherContract);
        assert!(detail(&envelope("", body)).contains("urn:cdc:iisb:2011"));
    }
    assert_eq!(kind(&envelope("", "<x xmlns='urn:x'/>")), Kind::UnsupportedOperation);
}

#[test]
fn the_body_holds_exactly_one_element() {
    assert_eq!(kind(&envelope("", "")), Kind::Structure);
    assert_eq!(kind(&envelope("", "<connectivityTest/><connectivityTest/>")), Kind::Structure);
    assert_eq!(kind(&envelope("", "text")), Kind::Structure);
    assert_eq!(kind(&format!("<s:Envelope xmlns:s='{SOAP12}'/>")), Kind::Structure);
    assert_eq!(
        kind(&format!("<s:Envelope xmlns:s='{SOAP12}'><s:Body/><s:Body/></s:Envelope>")),
        Kind::Structure
    );
}

#[test]
fn a_mandatory_header_that_is_unknown_is_named() {
    for (version, attributes) in [
        (SoapVersion::V11, "s:mustUnderstand='1'"),
        (SoapVersion::V12, "s:mustUnderstand='true'"),
        (SoapVersion::V12, "s:mustUnderstand='1'"),
        (
            SoapVersion::V12,
            "s:mustUnderstand='1' s:role='http://www.w3.org/2003/05/soap-envelope/role/next'",
        ),
        (
            SoapVersion::V12,
            "s:mustUnderstand='1' s:role='http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver'",
        ),
        (
            SoapVersion::V11,
            "s:mustUnderstand='1' s:actor='http://schemas.xmlsoap.org/soap/actor/next'",
        ),
    ] {
        let document =
            header(version, &format!("<q:Pay xmlns:q='urn:q' {attributes}><q:x/></q:Pay>"));

        let error = read(&document).unwrap_err();

        assert_eq!(error.kind, Kind::MustUnderstand(Box::new(NotUnderstood::new("Pay", "urn:q"))));
        assert_eq!(error.version, version);
    }
}

#[test]
fn an_optional_header_or_one_for_another_node_is_ignored() {
    for (version, attributes) in [
        (SoapVersion::V12, ""),
        (SoapVersion::V12, "s:mustUnderstand='false'"),
        (SoapVersion::V12, "mustUnderstand='1'"),
        (
            SoapVersion::V12,
            "s:mustUnderstand='1' s:role='http://www.w3.org/2003/05/soap-envelope/role/none'",
        ),
        (SoapVersion::V12, "s:mustUnderstand='1' s:role='urn:someone'"),
        (SoapVersion::V11, "s:mustUnderstand='0'"),
        (SoapVersion::V11, "s:mustUnderstand='1' s:actor='urn:someone'"),
    ] {
        assert!(
            read(&header(version, &format!("<q:Pay xmlns:q='urn:q' {attributes}/>"))).is_ok(),
            "{attributes}"
        );
    }
}

#[test]
fn addressing_headers_are_understood_and_kept_for_the_reply() {
    for (namespace, version) in [
        ("http://www.w3.org/2005/08/addressing", AddressingVersion::August2005),
        ("http://schemas.xmlsoap.org/ws/2004/08/addressing", AddressingVersion::August2004),
    ] {
        let block = format!(
            "<Action xmlns='{namespace}' s:mustUnderstand='1'>urn:a</Action><MessageID xmlns='{namespace}'> urn:1 </MessageID>\
             <a:ReplyTo xmlns:a='{namespace}' s:mustUnderstand='1'><a:Address>http://169.254.169.254/</a:Address></a:ReplyTo>"
        );

        let addressing = read(&header(SoapVersion::V12, &block)).unwrap().addressing.unwrap();

        assert_eq!(addressing.version, version);
        assert_eq!(addressing.message_id.as_deref(), Some("urn:1"));
        assert_eq!(addressing.action.as_deref(), Some("urn:a"));
    }
    let microsoft = "<Action s:mustUnderstand='1' xmlns='http://schemas.microsoft.com/ws/2005/05/addressing/none'>x</Action>";
    assert_eq!(read(&header(SoapVersion::V12, microsoft)).unwrap().addressing, None);
}

#[test]
fn the_security_header_gives_credentials_when_the_body_has_none() {
    let header = security("u", SECRET, PLAIN);
    let body = "<submitSingleMessage><facilityID>f</facilityID><hl7Message>m</hl7Message></submitSingleMessage>";
    let document = envelope(&header, body);

    assert!(read(&document).unwrap().notes.security_header_used);
    let read = submission(&document);
    assert_eq!((read.username.as_deref(), read.password.as_deref()), (Some("u"), Some(SECRET)));
}

#[test]
fn the_bodys_credentials_win_over_the_security_header() {
    let header = security("other", "other", PLAIN);
    let document = envelope(
        &header,
        "<submitSingleMessage><username>u</username><hl7Message>m</hl7Message></submitSingleMessage>",
    );

    let read = submission(&document);

    assert_eq!((read.username.as_deref(), read.password), (Some("u"), None));
}

#[test]
fn a_mandatory_security_header_without_a_plain_password_is_not_understood() {
    let digest = security("u", "x", "http://example.org/profile#PasswordDigest");

    assert!(matches!(kind(&envelope(&digest, "<connectivityTest/>")), Kind::MustUnderstand(_)));
}

#[test]
fn a_doubled_credential_in_the_security_header_is_refused() {
    let twice = security("u</w:Username><w:Username>v", "x", PLAIN);

    assert_eq!(kind(&envelope(&twice, "<connectivityTest/>")), Kind::DuplicateChild);
}

#[test]
fn document_types_and_processing_instructions_are_refused() {
    let document = envelope("", "<connectivityTest/>");

    for doctype in [
        "<!DOCTYPE a>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<!doctype a>",
        "<!DOCTYPE a [",
    ] {
        assert_eq!(
            kind(&format!("<?xml version=\"1.0\"?>{doctype}{document}")),
            Kind::Dtd,
            "{doctype}"
        );
    }
    assert_eq!(kind(&format!("<?php x?>{document}")), Kind::ProcessingInstruction);
    assert_eq!(
        kind(&envelope("", "<connectivityTest><?x y?></connectivityTest>")),
        Kind::ProcessingInstruction
    );
}

#[test]
fn broken_documents_are_malformed() {
    for document in [
        "",
        " \r\n ",
        "\0\0",
        "plain text",
        "{\"json\": true}",
        "<s:Envelope>",
        "<a",
        "</a>",
        "<a></b>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='<'/>",
        "<a b='&x;'/>",
        "<1/>",
        "<a:b/>",
        "<a:/>",
        "<a><a:b xmlns:a=''/></a>",
        "<a/><?xml version='1.0'?>",
        " <?xml version='1.0'?><a/>",
        "<a>\u{B}</a>",
        "<a>\u{1C}</a>",
        "<a>\u{FFFE}</a>",
        "<a><!-- -- --></a>",
    ] {
        let wrapped = document.replace("<a", "<Envelope").replace("</a", "</Envelope");
        let error = kind(document);
        assert!(matches!(error, Kind::Malformed | Kind::Structure), "{document}: {error:?}");
        assert!(
            matches!(kind(&wrapped), Kind::Malformed | Kind::Structure | Kind::VersionMismatch),
            "{wrapped}"
        );
    }
    for body in [
        "<connectivityTest>",
        "<connectivityTest></connectivitytest>",
        "<connectivityTest><echoBack>&#x0B;</echoBack></connectivityTest>",
        "<connectivityTest><echoBack>\u{13}</echoBack></connectivityTest>",
        "<connectivityTest><echoBack>\u{FFFF}</echoBack></connectivityTest>",
        "<connectivityTest><echoBack>a & b</echoBack></connectivityTest>",
        "<connectivityTest a='1' a='2'/>",
        "<connectivityTest q:a='1'/>",
        "<q:connectivityTest/>",
    ] {
        assert_eq!(kind(&envelope("", body)), Kind::Malformed, "{body}");
    }
}

#[test]
fn bombs_are_refused_at_the_limit() {
    let nested = envelope("", &"<a>".repeat(50_000));
    let attributes = (0..100_000).map(|n| format!(" a{n}='1'")).collect::<Vec<_>>().concat();
    let namespaces = (0..60).map(|n| format!(" xmlns:a{n}='u'")).collect::<Vec<_>>().concat();
    let started = std::time::Instant::now();

    assert_eq!(kind(&nested), Kind::Limit);
    assert_eq!(kind(&envelope("", &format!("<connectivityTest{attributes}/>"))), Kind::Limit);
    assert_eq!(kind(&envelope("", &format!("<x{namespaces}><x{namespaces}/></x>"))), Kind::Limit);
    assert_eq!(kind(&envelope("", &format!("<x>{}</x>", "<a/>".repeat(3_000)))), Kind::Limit);
    assert!(started.elapsed().as_millis() < 1_000);
}

#[test]
fn nothing_of_the_message_is_in_an_error_or_in_debug() {
    let good = submit(&format!(
        "<username>{SECRET}</username><password>{SECRET}</password><facilityID>{SECRET}</facilityID>\
         <hl7Message>{SECRET}</hl7Message>"
    ));
    let bad = good.replace("</hl7Message>", "<a/></hl7Message>");
    let echo = envelope(
        "",
        &format!("<connectivityTest><echoBack>{SECRET}</echoBack></connectivityTest>"),
    );

    for text in [
        format!("{:?}", read(&good).unwrap()),
        format!("{:?}", submission(&good)),
        format!("{:?}", read(&echo).unwrap()),
        format!("{:?}", read(&bad).unwrap_err()),
        read(&bad).unwrap_err().to_string(),
    ] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn the_recorded_requests_of_real_clients_are_read() {
    let fixtures = [
        ("zeep", include_str!("../../../tests/fixtures/soap/zeep.xml"), SoapVersion::V12),
        ("php 1.1", include_str!("../../../tests/fixtures/soap/php-soap11.xml"), SoapVersion::V11),
        ("php 1.2", include_str!("../../../tests/fixtures/soap/php-soap12.xml"), SoapVersion::V12),
        ("node-soap", include_str!("../../../tests/fixtures/soap/node-soap.xml"), SoapVersion::V11),
        ("suds", include_str!("../../../tests/fixtures/soap/suds.xml"), SoapVersion::V11),
        ("gSOAP", include_str!("../../../tests/fixtures/soap/gsoap.xml"), SoapVersion::V12),
        ("Illinois", include_str!("../../../tests/fixtures/soap/illinois.xml"), SoapVersion::V12),
        ("CDATA", include_str!("../../../tests/fixtures/soap/cdata-soap11.xml"), SoapVersion::V11),
        (
            "Massachusetts",
            include_str!("../../../tests/fixtures/soap/massachusetts.xml"),
            SoapVersion::V12,
        ),
        ("WCF", include_str!("../../../tests/fixtures/soap/wcf-addressing.xml"), SoapVersion::V12),
    ];

    for (client, text, version) in fixtures {
        let document = fixture(text);
        assert_eq!(read(&document).unwrap().version, version, "{client}");
        let read = submission(&document);
        assert_eq!(read.username.as_deref(), Some("user"), "{client}");
        assert_eq!(read.password.as_deref(), Some(SECRET), "{client}");
        assert_eq!(read.facility_id.as_deref(), Some("SF-000001"), "{client}");
        assert!(read.hl7_message.unwrap().trim_start().starts_with("MSH|^~\\&"), "{client}");
    }
}
