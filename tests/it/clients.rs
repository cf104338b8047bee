//! The recorded shapes of real client stacks, with the headers that each of them sends. Sections are those of the contract.

use izportal::soap::Response;
use reqwest::RequestBuilder;

use crate::support::{Answer, Sender, TestApp, answer, errors, msa, vxu};

const ACTION: &str = "urn:cdc:iisb:2011:submitSingleMessage";
const WITH_ACTION: &str =
    "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessage\"";

/// How a stack writes the carriage returns of a message.
#[derive(Clone, Copy)]
enum Ends {
    /// As a reference.
    Reference(&'static str),
    /// As they are: they arrive as line feeds.
    Raw,
}

/// How a stack keeps markup out of its way.
#[derive(Clone, Copy)]
enum Escapes {
    All,
    OnlyAmpersand,
    Cdata,
}

struct Stack {
    name: &'static str,
    envelope: &'static str,
    content_type: &'static str,
    headers: &'static [(&'static str, &'static str)],
    ends: Ends,
    escapes: Escapes,
    soap_1_1: bool,
}

macro_rules! recorded {
    ($file:literal) => {
        include_str!(concat!("../fixtures/soap/", $file, ".xml"))
    };
}

/// Contract 3.3 and 5.1.
const STACKS: [Stack; 11] = [
    Stack {
        name: "smm CASoapConnector",
        envelope: recorded!("cdata-soap11"),
        content_type: "text/xml;charset=UTF-8",
        headers: &[("SOAPAction", "\"urn:cdc:iisb:2011:submitSingleMessage\"")],
        ends: Ends::Raw,
        escapes: Escapes::Cdata,
        soap_1_1: true,
    },
    Stack {
        name: "Iguana",
        envelope: recorded!("cdata-soap11"),
        content_type: "text/xml",
        headers: &[("SOAPAction", ACTION)],
        ends: Ends::Raw,
        escapes: Escapes::Cdata,
        soap_1_1: true,
    },
    Stack {
        name: "gSOAP",
        envelope: recorded!("gsoap"),
        content_type: WITH_ACTION,
        headers: &[
            ("SOAPAction", "\"urn:cdc:iisb:2011:submitSingleMessage\""),
            ("User-Agent", "gSOAP/2.8"),
            ("Connection", "close"),
        ],
        ends: Ends::Reference("&#xD;"),
        escapes: Escapes::All,
        soap_1_1: false,
    },
    Stack {
        name: "smm ILSoapConnector",
        envelope: recorded!("illinois"),
        content_type: "text/xml",
        headers: &[],
        ends: Ends::Raw,
        escapes: Escapes::OnlyAmpersand,
        soap_1_1: false,
    },
    Stack {
        name: "smm MAConnector2020",
        envelope: recorded!("massachusetts"),
        content_type: "application/soap+xml;charset=UTF-8;action=\"urn:cdc:iisb:2011:submitSingleMessage\"",
        headers: &[],
        ends: Ends::Raw,
        escapes: Escapes::OnlyAmpersand,
        soap_1_1: false,
    },
    Stack {
        name: "node-soap",
        envelope: recorded!("node-soap"),
        content_type: "text/xml; charset=utf-8",
        headers: &[
            ("SOAPAction", "\"urn:cdc:iisb:2011:submitSingleMessage\""),
            ("Accept", "text/html,application/xhtml+xml,application/xml,text/xml;q=0.9,*/*;q=0.8"),
            ("Accept-Encoding", "none"),
            ("Accept-Charset", "utf-8"),
        ],
        ends: Ends::Reference("&#xD;"),
        escapes: Escapes::All,
        soap_1_1: true,
    },
    Stack {
        name: "PHP, SOAP 1.1",
        envelope: recorded!("php-soap11"),
        content_type: "text/xml; charset=utf-8",
        headers: &[("SOAPAction", "\"urn:cdc:iisb:2011:submitSingleMessage\"")],
        ends: Ends::Reference("&#13;"),
        escapes: Escapes::All,
        soap_1_1: true,
    },
    Stack {
        name: "PHP, SOAP 1.2",
        envelope: recorded!("php-soap12"),
        content_type: WITH_ACTION,
        headers: &[("Accept-Encoding", "gzip, deflate")],
        ends: Ends::Reference("&#13;"),
        escapes: Escapes::All,
        soap_1_1: false,
    },
    Stack {
        name: "suds",
        envelope: recorded!("suds"),
        content_type: "text/xml; charset=utf-8",
        headers: &[("Soapaction", "\"urn:cdc:iisb:2011:submitSingleMessage\"")],
        ends: Ends::Raw,
        escapes: Escapes::All,
        soap_1_1: true,
    },
    Stack {
        name: "WCF",
        envelope: recorded!("wcf-addressing"),
        content_type: "application/soap+xml; charset=utf-8",
        headers: &[("Expect", "100-continue")],
        ends: Ends::Reference("&#xD;"),
        escapes: Escapes::All,
        soap_1_1: false,
    },
    Stack {
        name: "zeep",
        envelope: recorded!("zeep"),
        content_type: WITH_ACTION,
        headers: &[("SOAPAction", "\"urn:cdc:iisb:2011:submitSingleMessage\"")],
        ends: Ends::Reference("&#13;"),
        escapes: Escapes::All,
        soap_1_1: false,
    },
];

impl Stack {
    /// The bytes that it puts on the wire for a message.
    fn request(&self, sender: &Sender, hl7: &str) -> String {
        let all = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let text = match self.escapes {
            Escapes::All => all(hl7),
            Escapes::OnlyAmpersand => hl7.replace('&', "&amp;"),
            Escapes::Cdata => hl7.to_owned(),
        };
        let text = match self.ends {
            Ends::Reference(reference) => text.replace('\r', reference),
            Ends::Raw => text,
        };
        self.envelope
            .replace("{{username}}", &sender.username)
            .replace("{{password}}", &sender.password)
            .replace("{{facility}}", &sender.facility)
            .replace("{{hl7}}", &text)
    }

    async fn send(&self, app: &TestApp, sender: &Sender, hl7: &str) -> Answer {
        let request = app.http.post(app.endpoint()).header("Content-Type", self.content_type);
        let add =
            |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
        let request = self.headers.iter().fold(request, add);
        answer(request.body(self.request(sender, hl7)).send().await.unwrap()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_stack_is_acknowledged_in_kind() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    for (number, stack) in STACKS.iter().enumerate() {
        let id = format!("STACK-{number}");
        let told =
            stack.send(&app, &sender, &vxu(&id, &[("Invented Lane", "Inventá & Söhne")])).await;

        assert_eq!(told.status, 200, "{}: {}", stack.name, told.text);
        let (media_type, namespace) = if stack.soap_1_1 {
            ("text/xml; charset=utf-8", "http://schemas.xmlsoap.org/soap/envelope/")
        } else {
            (
                "application/soap+xml; charset=utf-8; action=\"urn:cdc:iisb:2011:submitSingleMessageResponse\"",
                "http://www.w3.org/2003/05/soap-envelope",
            )
        };
        assert_eq!(told.header("content-type"), media_type, "{}", stack.name);
        assert!(told.text.contains(namespace), "{}: {}", stack.name, told.text);
        assert!(told.text.contains("<return>MSH|"), "{}: {}", stack.name, told.text);
        assert_eq!(msa(&told.hl7()), ("AA".to_owned(), id), "{}: {}", stack.name, told.text);
    }
    assert_eq!(app.registry("CAIRBA").await.len(), STACKS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_stack_gets_its_fault_in_kind_with_status_500() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let stranger = Sender { password: "wrong".to_owned(), ..sender };

    for stack in &STACKS[2..] {
        let told = stack.send(&app, &stranger, &vxu("ONE", &[])).await;

        let fault = told.strict_fault().unwrap_or_else(|rule| panic!("{}: {rule}", stack.name));
        let role = if stack.soap_1_1 { "Client" } else { "Sender" };
        assert_eq!(fault.outcome(), ("SecurityFault", 2010, role), "{}", stack.name);
    }
    assert!(app.registry("CAIRBA").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn addressing_of_wcf_is_answered_with_relates_to() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let wcf = STACKS.iter().find(|stack| stack.name == "WCF").unwrap();

    let told = wcf.send(&app, &sender, &vxu("ONE", &[])).await;

    assert!(
        told.text.contains(
            "<wsa:RelatesTo xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
             urn:uuid:8b0d1c5e-0f0e-4a57-9d3b-0c7a2f5f1a11</wsa:RelatesTo>"
        ),
        "{}",
        told.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_search_the_text_find_what_they_look_for() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let illinois = STACKS.iter().find(|stack| stack.name == "smm ILSoapConnector").unwrap();

    let told = illinois.send(&app, &sender, &vxu("ONE", &[])).await.text;

    // pycair and Illinois: between the literal tags; Wisconsin: behind `return>`, decoding `&amp;` and exactly `&#xD;`
    let between = told.split("<return>").nth(1).unwrap().split("</return>").next().unwrap();
    let behind = told.split("return>").nth(1).unwrap();
    assert!(between.starts_with("MSH|^~\\&amp;|"), "{told}");
    assert!(behind.starts_with("MSH|"), "{told}");
    let decoded = between.replace("&#xD;", "\r").replace("&amp;", "&");
    assert_eq!(msa(&decoded), ("AA".to_owned(), "ONE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_may_end_in_every_way_that_is_seen() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let zeep = STACKS.iter().find(|stack| stack.name == "zeep").unwrap();
    // rows 61 and 62
    let ends = [
        "\r",
        "\n",
        "\r\n",
        "&#13;",
        "&#xD;",
        "&#xd;",
        "&#x0D;",
        "&#013;",
        "&#10;",
        "&#13;\n",
        "&#13;&#10;",
        "&#xD;\n\n",
        "\r&#13;",
    ];

    for (number, end) in ends.iter().enumerate() {
        for last in [true, false] {
            let id = format!("END-{number}-{last}");
            let text = vxu(&id, &[]);
            let text = if last { text.as_str() } else { text.trim_end_matches('\r') };
            let raw = Stack { ends: Ends::Raw, ..*zeep };
            let body = raw
                .request(&sender, "{{text}}")
                .replace("{{text}}", &text.replace('&', "&amp;").replace('\r', end));
            let told = app.post(zeep.content_type, body).await;

            assert_eq!(msa(&told.hl7()), ("AA".to_owned(), id), "{end:?} {last}: {}", told.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_may_end_in_several_ways_in_one_message() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let mut ends = ["\r", "\n", "\r\n", "\n\n"].iter().cycle();
    let text: String = vxu("ONE", &[])
        .split_terminator('\r')
        .flat_map(|line| [line.to_owned(), (*ends.next().unwrap()).to_owned()])
        .collect();

    let reply = app.submit(&sender, &text).await.hl7();

    assert_eq!(msa(&reply), ("AA".to_owned(), "ONE".to_owned())); // row 61
}

#[tokio::test(flavor = "multi_thread")]
async fn cdata_sections_and_text_are_joined() {
    type Way = fn(&str, &str) -> String;
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let stack = STACKS.iter().find(|stack| stack.name == "PHP, SOAP 1.2").unwrap();
    // row 63
    let ways: [(&str, Way); 4] = [
        ("ONE", |a, b| format!("<![CDATA[{a}{b}]]>")),
        ("TWO", |a, b| format!("<![CDATA[{a}]]><![CDATA[{b}]]>")),
        ("THREE", |a, b| format!("{}<![CDATA[{b}]]>", a.replace('&', "&amp;"))),
        ("FOUR", |a, b| format!("\n  <![CDATA[{a}]]><!-- c -->{}\n", b.replace('&', "&amp;"))),
    ];

    for (id, way) in ways {
        let text = vxu(id, &[]);
        let (a, b) = text.split_at(text.find("RXA|").unwrap() + 7);
        let body = stack.request(&sender, "{{text}}").replace("{{text}}", &way(a, b));
        let told = app.post(stack.content_type, body).await;

        assert_eq!(msa(&told.hl7()), ("AA".to_owned(), id.to_owned()), "{}", told.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_literal_cdata_wrapper_in_the_text_is_taken_off_and_noted() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &format!("<![CDATA[{}]]>", vxu("ONE", &[]))).await.hl7();

    assert_eq!(msa(&reply), ("AA".to_owned(), "ONE".to_owned()));
    let record = app.message("ONE").await;
    let (_, told, _) = app.store().message_by_id(record.id).await.unwrap();
    let rules: Vec<&str> = told.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, ["GW-FRAME-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_literal_cdata_wrapper_is_in_the_gateways_own_reply() {
    let app = TestApp::with("[gateway]\nreply = \"accept\"").await;
    let sender = app.test_sender().await;

    let reply = app.submit(&sender, &format!("<![CDATA[{}]]>", vxu("ONE", &[]))).await.hl7();

    assert_eq!(msa(&reply).0, "AA");
    let found = &errors(&reply)[0];
    assert_eq!(found[2], "I");
    assert!(found[4].contains("CDATA"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connectivity_test_of_the_national_hubs_console_passes() {
    let app = TestApp::start().await;
    let body = "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Header>\
        <Action xmlns=\"http://www.w3.org/2005/08/addressing\">urn:cdc:iisb:2011:connectivityTest</Action>\
        <MessageID xmlns=\"http://www.w3.org/2005/08/addressing\">uuid:4b2c</MessageID>\
        <To xmlns=\"http://www.w3.org/2005/08/addressing\">https://localhost/IISService</To></S:Header><S:Body>\
        <connectivityTest xmlns=\"urn:cdc:iisb:2011\"><echoBack>Hello + 1 = 2</echoBack></connectivityTest>\
        </S:Body></S:Envelope>";

    let told = app.post("text/xml", body).await;

    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), "text/xml; charset=utf-8");
    assert_eq!(told.response(), Response::ConnectivityTest("Hello + 1 = 2".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_values_as_nil_are_absent() {
    let app = TestApp::start().await;
    let sender = app.test_sender().await;
    let zeep = STACKS.iter().find(|stack| stack.name == "zeep").unwrap();
    let nil = "<ns0:facilityID xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>";
    let body = zeep.request(&sender, &vxu("ONE", &[]));
    let whole = format!("<ns0:facilityID>{}</ns0:facilityID>", sender.facility);
    assert!(body.contains(&whole));

    let told = app.post(zeep.content_type, body.replace(&whole, nil)).await;

    assert_eq!(told.strict_fault().unwrap().outcome(), ("SecurityFault", 2003, "Sender"));
}
