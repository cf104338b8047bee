//! The description that is served. The numbers are rows of the contract's section 6.

use reqwest::{Client, Method};
use tempfile::TempDir;

use crate::support::fault::Node;
use crate::support::{TestApp, TestDatabase, answer, free_address};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP_1_2: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

impl TestApp {
    async fn description(&self) -> Node {
        Node::read(&self.fetch(Method::GET, "/IISService?wsdl").await.text)
    }
}

/// The children of one name.
fn all<'a>(node: &'a Node, name: &str) -> Vec<&'a Node> {
    node.children.iter().filter(|child| child.name == name).collect()
}

fn attribute<'a>(node: &'a Node, name: &str) -> &'a str {
    let start = format!("{name}=\"");
    let found = node.attributes.iter().find_map(|attribute| attribute.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("{} has no {name}", node.name)).trim_end_matches('"')
}

fn names<'a>(nodes: &[&'a Node]) -> Vec<&'a str> {
    nodes.iter().map(|node| attribute(node, "name")).collect()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_under_every_spelling_of_its_query() {
    let app = TestApp::start().await;
    let reference = app.fetch(Method::GET, "/IISService?wsdl").await.text;
    let places = [
        "/IISService?wsdl",
        "/IISService?WSDL",
        "/IISService?Wsdl",
        "/IISService?wsdl=",
        "/IISService/?wsdl",
        "/iisservice?WSDL",
    ];

    for place in places {
        let found = app.fetch(Method::GET, place).await;

        assert_eq!(found.status, 200, "{place}"); // row 83
        assert_eq!(found.header("content-type"), "text/xml; charset=utf-8", "{place}");
        assert_eq!(found.header("content-length"), reference.len().to_string(), "{place}");
        assert_eq!(found.text, reference, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_as_get_without_a_body() {
    let app = TestApp::start().await;
    let length = app.fetch(Method::GET, "/IISService?wsdl").await.text.len();

    let head = app.fetch(Method::HEAD, "/IISService?wsdl").await;

    assert_eq!(head.status, 200); // row 89
    assert_eq!(head.header("content-type"), "text/xml; charset=utf-8");
    assert_eq!(head.header("content-length"), length.to_string());
    assert_eq!(head.text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_queries_and_methods_do_not_get_the_description() {
    let app = TestApp::start().await;
    let cases = [
        (Method::GET, "/IISService"),
        (Method::GET, "/IISService?xsd=1"),
        (Method::GET, "/IISService?wsdlx"),
        (Method::PUT, "/IISService?wsdl"),
        (Method::DELETE, "/IISService?wsdl"),
    ];

    for (method, place) in cases {
        let refused = app.fetch(method.clone(), place).await;

        assert_eq!(refused.status, 405, "{method} {place}"); // rows 87 and 88
        assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS, POST", "{method} {place}");
        assert!(!refused.text.contains('<'), "{method} {place}: {}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_unprefixed_definitions_with_the_contracts_namespace_in_the_letter() {
    let app = TestApp::start().await;

    let text = app.fetch(Method::GET, "/IISService?wsdl").await.text;

    let start = text.split_once("?>").unwrap().1.trim_start();
    assert!(start.starts_with("<definitions "), "{start}"); // row 83
    assert!(start.contains("targetNamespace=\"urn:cdc:iisb:2011\""));
    assert!(start.contains("xmlns=\"http://schemas.xmlsoap.org/wsdl/\""));
    assert!(start.contains("xmlns:wsaw=\"http://www.w3.org/2005/08/addressing\"")); // row 86
    assert_eq!(Node::read(&text).namespace, WSDL);
}

#[tokio::test(flavor = "multi_thread")]
async fn service_port_binding_and_port_type_have_the_contracts_names() {
    let app = TestApp::start().await;

    let root = app.description().await;

    let service = all(&root, "service")[0]; // row 85
    let port = all(service, "port")[0];
    let binding = all(&root, "binding")[0];
    assert_eq!(attribute(&root, "name"), "IISServiceNew");
    assert_eq!(attribute(service, "name"), "client_Service");
    assert_eq!(attribute(port, "name"), "client_Port_Soap12");
    assert_eq!(attribute(port, "binding"), "tns:client_Binding_Soap12");
    assert_eq!(attribute(binding, "name"), "client_Binding_Soap12");
    assert_eq!(attribute(binding, "type"), "tns:IIS_PortType");
    assert_eq!(names(&all(&root, "portType")), ["IIS_PortType"]);
    assert_eq!((all(&root, "service").len(), all(service, "port").len()), (1, 1));
    assert_eq!(all(&root, "binding").len(), 1);
    let style = binding.child("binding");
    assert_eq!(style.namespace, SOAP_1_2);
    assert_eq!(attribute(style, "style"), "document");
    assert_eq!(attribute(style, "transport"), "http://schemas.xmlsoap.org/soap/http");
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_have_the_actions_and_faults_of_the_contract() {
    let app = TestApp::start().await;

    let root = app.description().await;

    let port_type = all(&root, "portType")[0];
    let binding = all(&root, "binding")[0];
    let operations = all(port_type, "operation");
    assert_eq!(names(&operations), ["connectivityTest", "submitSingleMessage"]);
    assert_eq!(names(&all(operations[0], "fault")), ["UnknownFault", "UnsupportedOperationFault"]);
    assert_eq!(
        names(&all(operations[1], "fault")),
        ["UnknownFault", "SecurityFault", "MessageTooLargeFault"]
    );
    for (declared, bound) in operations.iter().zip(all(binding, "operation")) {
        let name = attribute(declared, "name");
        let action = format!("urn:cdc:iisb:2011:{name}");
        assert_eq!(attribute(bound, "name"), name);
        assert_eq!(attribute(bound.child("operation"), "soapAction"), action);
        assert_eq!(attribute(declared.child("input"), "wsaw:Action"), action);
        assert_eq!(attribute(declared.child("output"), "wsaw:Action"), format!("{action}Response"));
        assert_eq!(names(&all(bound, "fault")), names(&all(declared, "fault")));
        assert_eq!(attribute(bound.child("input").child("body"), "use"), "literal");
        assert_eq!(attribute(bound.child("output").child("body"), "use"), "literal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_name_the_elements_of_the_contract() {
    let app = TestApp::start().await;

    let root = app.description().await;

    let messages: Vec<(&str, &str, &str)> = all(&root, "message")
        .iter()
        .map(|message| {
            let part = message.child("part");
            (attribute(message, "name"), attribute(part, "name"), attribute(part, "element"))
        })
        .collect();
    assert_eq!(
        messages,
        [
            ("connectivityTest_Message", "parameters", "tns:connectivityTest"),
            ("connectivityTestResponse_Message", "parameters", "tns:connectivityTestResponse"),
            ("submitSingleMessage_Message", "parameters", "tns:submitSingleMessage"),
            (
                "submitSingleMessageResponse_Message",
                "parameters",
                "tns:submitSingleMessageResponse"
            ),
            ("UnknownFault_Message", "fault", "tns:fault"),
            ("UnsupportedOperationFault_Message", "fault", "tns:UnsupportedOperationFault"),
            ("SecurityFault_Message", "fault", "tns:SecurityFault"),
            ("MessageTooLargeFault_Message", "fault", "tns:MessageTooLargeFault"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_inline_and_is_the_one_in_the_repository() {
    let app = TestApp::start().await;

    let text = app.fetch(Method::GET, "/IISService?wsdl").await.text;

    let types = |text: &str| {
        let (_, rest) = text.split_once("<xsd:complexType").unwrap();
        squeezed(rest.split_once("</xsd:schema>").unwrap().0)
    };
    assert_eq!(types(&text), types(include_str!("../../schemas/iis-2011.xsd"))); // row 83
    assert!(!text.contains("import") && !text.contains("include"));
    let root = Node::read(&text);
    let schema = root.child("types").child("schema");
    assert_eq!(attribute(schema, "elementFormDefault"), "qualified");
    assert_eq!(attribute(schema, "targetNamespace"), "urn:cdc:iisb:2011");
    assert_eq!(
        names(&all(schema, "element")),
        [
            "connectivityTest",
            "connectivityTestResponse",
            "submitSingleMessage",
            "submitSingleMessageResponse",
            "fault",
            "UnsupportedOperationFault",
            "SecurityFault",
            "MessageTooLargeFault",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_that_of_the_configuration_whatever_the_host_header_says() {
    let toml = "[server]\npublic_url = \"https://iz.example.gov\"";
    let listen = free_address();
    let app = TestApp::listening(listen, TestDatabase::new(), TempDir::new().unwrap(), toml).await;
    let tls = izportal::client::client_config(app.app.ca.as_deref(), None).unwrap();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .resolve("iz.example.gov", listen)
        .no_proxy()
        .build()
        .unwrap();

    for host in ["iz.example.gov", "attacker.example", "localhost:1"] {
        let request = client.get("https://iz.example.gov/IISService?wsdl").header("Host", host);
        let request = request.header("X-Forwarded-Host", host).header("Forwarded", "host=evil");
        let text = answer(request.send().await.unwrap()).await.text;

        let root = Node::read(&text);
        let address = root.child("service").child("port").child("address");
        assert_eq!(address.namespace, SOAP_1_2);
        assert_eq!(attribute(address, "location"), "https://iz.example.gov/IISService"); // row 84
        assert_eq!(text.matches("location=").count(), 1, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configured_address_it_is_localhost_with_the_port_that_is_served() {
    let app = TestApp::start().await;

    let root = app.description().await;

    let address = root.child("service").child("port").child("address");
    let expected = format!("https://localhost:{}/IISService", app.address().port());
    assert_eq!(attribute(address, "location"), expected);
}
