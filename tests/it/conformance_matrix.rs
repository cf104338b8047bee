//! Every rule of the conformance suite has a defect that it alone finds: our own service behind a server that spoils its
//! replies, one defect at a time. `cargo test --test it conformance_matrix -- --nocapture` prints the matrix.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Datelike as _;
use izportal::conformance::{CaseResult, Catalogue, Endpoint, Plan, Soap, Suite, run};
use izportal::domain::Timestamp;
use izportal::server::{LocalAuthority, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::conformance::sender;
use crate::support::TestApp;

/// A reply before it goes on the wire.
#[derive(Clone, Debug)]
struct Reply {
    version: &'static str,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    chunked: bool,
    /// What was asked.
    request: String,
}

impl Reply {
    /// Puts a text in place of another one, which must be there.
    #[track_caller]
    fn swap(&mut self, from: &str, to: &str) {
        assert!(self.body.contains(from), "no {from} in {}", self.body);
        self.body = self.body.replace(from, to);
    }

    fn drop_header(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    fn header(&mut self, name: &str, value: &str) {
        self.drop_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// What stands between two texts.
    fn between(&self, from: &str, to: &str) -> String {
        let (_, rest) = self.body.split_once(from).unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once(to).unwrap_or_else(|| panic!("{}", self.body)).0.to_owned()
    }

    /// Puts a value into a field of the HL7 answer, or as `+` behind it.
    fn field(&mut self, segment: &str, number: usize, value: &str) {
        let hl7 = self.between("<return>", "</return>");
        let mut lines: Vec<String> = hl7.split("&#xD;").map(str::to_owned).collect();
        let line = lines.iter_mut().find(|line| line.starts_with(segment)).unwrap();
        let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        let at = if segment == "MSH" { number - 1 } else { number };
        fields[at] = match value.strip_prefix('+') {
            Some(more) => format!("{}{more}", fields[at]),
            None => value.to_owned(),
        };
        *line = fields.join("|");
        self.swap(&hl7, &lines.join("&#xD;"));
    }

    fn value(&self, segment: &str, number: usize) -> String {
        let hl7 = self.between("<return>", "</return>");
        let line = hl7.split("&#xD;").find(|line| line.starts_with(segment)).unwrap();
        line.split('|').nth(number).unwrap().to_owned()
    }

    /// Takes the segments of a name out of the HL7 answer.
    fn without_segment(&mut self, name: &str) {
        let hl7 = self.between("<return>", "</return>");
        let kept: Vec<&str> = hl7.split("&#xD;").filter(|line| !line.starts_with(name)).collect();
        let kept = kept.join("&#xD;");
        self.swap(&hl7, &kept);
    }

    /// Takes the part from one text to another one out of the body.
    fn cut(&mut self, from: &str, to: &str) -> String {
        let part = format!("{from}{}{to}", self.between(from, to));
        self.swap(&part, "");
        part
    }
}

/// A defect: the rule that alone finds it, on which case, in which version of SOAP, and what it does to a good reply.
type Defect = (&'static str, &'static str, Soap, fn(&mut Reply));

const CDC: &str = "urn:cdc:iisb:2011";

const HTTP: &[Defect] = &[
    ("HTTP-VERSION", "SOAPCON-1", Soap::V12, |reply| reply.version = "HTTP/1.0"),
    ("HTTP-CONTENT-LENGTH", "SOAPCON-1", Soap::V12, |reply| reply.chunked = true),
    ("HTTP-CONTENT-TYPE", "SOAPCON-1", Soap::V12, |reply| reply.drop_header("content-type")),
    ("HTTP-MEDIA-TYPE", "SOAPCON-1", Soap::V12, |reply| {
        reply.header("Content-Type", "text/html; charset=utf-8");
    }),
    ("HTTP-MEDIA-TYPE", "SOAPCON-1", Soap::V11, |reply| {
        reply.header("Content-Type", "application/soap+xml; charset=utf-8");
    }),
    ("HTTP-CHARSET", "SOAPCON-1", Soap::V12, |reply| {
        reply.header("Content-Type", "application/soap+xml; charset=iso-8859-1");
    }),
    ("HTTP-ENCODING", "SOAPCON-1", Soap::V12, |reply| reply.header("Content-Encoding", "br")),
    ("HTTP-STATUS-OK", "SOAPCON-2", Soap::V12, |reply| reply.status = 202),
    ("HTTP-STATUS-FAULT", "SOAPCON-3", Soap::V12, |reply| reply.status = 400),
    ("HTTP-STATUS", "METHODS", Soap::V12, |reply| reply.status = 200),
    ("HTTP-STATUS", "JSON", Soap::V12, |reply| reply.status = 302),
    ("HTTP-ALLOW", "METHODS", Soap::V12, |reply| reply.drop_header("allow")),
];

const ENVELOPE: &[Defect] = &[
    ("XML-WELL-FORMED", "SOAPCON-1", Soap::V12, |reply| {
        reply.body.truncate(reply.body.len() - 5);
    }),
    ("XML-WELL-FORMED", "SOAPCON-3", Soap::V12, |reply| {
        "<html><body>Internal error<br></body></html>".clone_into(&mut reply.body);
    }),
    ("XML-DECLARATION", "SOAPCON-1", Soap::V12, |reply| drop(reply.cut("<?xml", "?>"))),
    ("XML-FORBIDDEN", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("<env:Body>", "<?x y?><env:Body>");
    }),
    ("ENV-ENVELOPE", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap(Soap::V12.namespace(), Soap::V11.namespace());
    }),
    ("ENV-ENVELOPE", "SOAPCON-1", Soap::V11, |reply| {
        reply.swap(Soap::V11.namespace(), Soap::V12.namespace());
    }),
    ("ENV-BODY-ONE", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("</env:Body>", "</env:Body><env:Body/>");
    }),
    ("ENV-CHILDREN", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("</env:Body>", "</env:Body><x xmlns=\"urn:x\"/>");
    }),
    ("ENV-BODY-CHILD", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("</env:Body>", "<x xmlns=\"urn:x\"/></env:Body>");
    }),
    ("ENV-ADDRESSING", "SOAPCON-1", Soap::V12, |reply| {
        let block =
            "<a:RelatesTo xmlns:a=\"http://www.w3.org/2005/08/addressing\">urn:x</a:RelatesTo>";
        reply.swap("<env:Body>", &format!("<env:Header>{block}</env:Header><env:Body>"));
    }),
];

const RESPONSE: &[Defect] = &[
    ("RESP-ELEMENT", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("connectivityTestResponse", "connectivityTestReply");
    }),
    ("RESP-NAMESPACE", "SOAPCON-1", Soap::V12, |reply| {
        let open = format!("<connectivityTestResponse xmlns=\"{CDC}\">");
        reply.swap(
            &open,
            &format!("<r:connectivityTestResponse xmlns:r=\"urn:r\" xmlns=\"{CDC}\">"),
        );
        reply.swap("</connectivityTestResponse>", "</r:connectivityTestResponse>");
    }),
    ("RETURN-ONE", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("</return>", "</return><note>x</note>");
    }),
    ("RETURN-NAMESPACE", "SOAPCON-1", Soap::V12, |reply| {
        reply.swap("<return>", "<return xmlns=\"\">");
    }),
    ("RETURN-TEXT", "SOAPCON-2", Soap::V12, |reply| reply.swap("<return>", "<return><b/>")),
    ("RETURN-BARE", "SOAPCON-2", Soap::V12, |reply| {
        reply.swap("<return>", &format!("<r:return xmlns:r=\"{CDC}\">"));
        reply.swap("</return>", "</r:return>");
    }),
    ("ECHO-CONTAINS", "SOAPCON-1", Soap::V12, |reply| reply.swap("izportal conformance", "ready")),
    ("ECHO-EQUAL", "ECHO-EXACT", Soap::V12, |reply| {
        reply.swap("<return>", "<return>End-point is ready. Echoing: ");
    }),
    ("ECHO-EQUAL", "ECHO-BLANKS", Soap::V12, |reply| {
        let text = reply.between("<return>", "</return>");
        reply.swap(&text, text.trim());
    }),
    ("ECHO-EQUAL", "ECHO-CR", Soap::V12, |reply| reply.swap("&#xD;", "\r")),
    ("RETURN-NOT-BLANK", "SOAPCON-2", Soap::V12, |reply| {
        let text = reply.between("<return>", "</return>");
        reply.swap(&text, " ");
    }),
    ("RETURN-MSH-FIRST", "SOAPCON-2", Soap::V12, |reply| reply.swap("<return>", "<return> ")),
    ("RETURN-ONE-MSH", "SOAPCON-2", Soap::V12, |reply| {
        reply.swap("</return>", "MSH|^~\\^|&#xD;</return>");
    }),
    ("RETURN-CDATA", "SOAPCON-2", Soap::V12, |reply| {
        reply.swap("</return>", "<![CDATA[ZZZ|]]></return>");
    }),
    ("RETURN-CR", "SOAPCON-2", Soap::V12, |reply| reply.swap("&#xD;", "\r")),
    ("RETURN-CR-SPELLING", "SOAPCON-2", Soap::V12, |reply| reply.swap("&#xD;", "&#13;")),
    ("RETURN-ESCAPED-TWICE", "SOAPCON-2", Soap::V12, |reply| reply.swap("&amp;", "&amp;amp;")),
];

const FAULT: &[Defect] = &[
    ("BODY-IS-FAULT", "SOAPCON-3", Soap::V12, |reply| reply.swap("env:Fault>", "env:Failure>")),
    ("FAULT-CHILDREN", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("</env:Fault>", "<x xmlns=\"urn:x\"/></env:Fault>");
    }),
    ("FAULT-CHILDREN", "SOAPCON-3", Soap::V11, |reply| {
        drop(reply.cut("<faultstring>", "</faultstring>"));
    }),
    ("FAULT-ORDER", "SOAPCON-3", Soap::V12, |reply| {
        let code = reply.cut("<env:Code>", "</env:Code>");
        reply.swap("<env:Detail>", &format!("{code}<env:Detail>"));
    }),
    ("FAULT-ORDER", "SOAPCON-3", Soap::V11, |reply| {
        let code = reply.cut("<faultcode>", "</faultcode>");
        reply.swap("<detail>", &format!("{code}<detail>"));
    }),
    ("FAULT-VALUE-ONE", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("</env:Value>", "</env:Value><env:Value>env:Sender</env:Value>");
    }),
    ("FAULT-VALUE-QNAME", "SOAPCON-3", Soap::V12, |reply| reply.swap("env:Sender", "q:Sender")),
    ("FAULT-VALUE-QNAME", "SOAPCON-3", Soap::V11, |reply| reply.swap("env:Client", "env:Sender")),
    ("FAULT-VALUE", "MUST-UNDERSTAND", Soap::V12, |reply| {
        reply.swap("env:MustUnderstand", "env:Sender");
    }),
    ("FAULT-TEXT-ONE", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("</env:Text>", "</env:Text><env:Text xml:lang=\"de\">Nein.</env:Text>");
    }),
    ("FAULT-TEXT-LANG", "SOAPCON-3", Soap::V12, |reply| reply.swap(" xml:lang=\"en\"", "")),
    ("FAULT-TEXT-BLANK", "SOAPCON-3", Soap::V12, |reply| {
        let text = reply.cut("xml:lang=\"en\">", "</env:Text>");
        assert!(!text.is_empty());
        reply.swap("<env:Text ", "<env:Text xml:lang=\"en\"></env:Text>");
    }),
    ("FAULT-TEXT-BLANK", "SOAPCON-3", Soap::V11, |reply| {
        drop(reply.cut("<faultstring>", "</faultstring>"));
        reply.swap("</faultcode>", "</faultcode><faultstring> </faultstring>");
    }),
    ("FAULT-KIND", "SOAPCON-3", Soap::V12, |reply| reply.swap("SecurityFault", "fault")),
    ("FAULT-KIND", "SOAPCON-5", Soap::V11, |reply| {
        reply.swap("UnsupportedOperationFault", "fault");
    }),
    ("FAULT-TRACE", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("</Detail>", " at java.lang.Thread.run(Thread.java:750)</Detail>");
    }),
    ("NAMED-CHILDREN", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("</SecurityFault>", "<EventID>1</EventID></SecurityFault>");
    }),
    ("NAMED-CHILDREN", "SOAPENV-6", Soap::V11, |reply| drop(reply.cut("<Reason>", "</Reason>"))),
    ("NAMED-TEXT", "SOAPCON-3", Soap::V12, |reply| reply.swap("</Detail>", "<b/></Detail>")),
    ("NAMED-CODE", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("<Code>2010</Code>", "<Code>S-1</Code>");
    }),
    ("NAMED-REASON-BLANK", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("<Reason>Security</Reason>", "<Reason/>");
    }),
    ("NAMED-REASON-FIXED", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("<Reason>Security</Reason>", "<Reason>Security Fault</Reason>");
    }),
    ("FAULTS-ALIKE", "CREDENTIALS-ALIKE", Soap::V12, |reply| {
        if reply.request.contains("izportal-nobody") {
            reply.swap("<Code>2010</Code>", "<Code>2011</Code>");
        }
    }),
];

const DESCRIPTION: &[Defect] = &[
    ("WSDL-ROOT", "WSDL", Soap::V12, |reply| reply.status = 404),
    ("WSDL-TARGET", "WSDL", Soap::V12, |reply| {
        reply
            .swap("targetNamespace=\"urn:cdc:iisb:2011\"", "targetNamespace=\"urn:cdc:iisb:2010\"");
    }),
    ("WSDL-OPERATIONS", "WSDL", Soap::V12, |reply| {
        reply.swap("operation name=\"submitSingleMessage\"", "operation name=\"submitMessage\"");
    }),
    ("WSDL-BINDING", "WSDL", Soap::V12, |reply| {
        reply.swap(
            "http://schemas.xmlsoap.org/wsdl/soap12/",
            "http://schemas.xmlsoap.org/wsdl/soap/",
        );
    }),
    ("WSDL-ADDRESS", "WSDL", Soap::V12, |reply| {
        reply.swap("location=\"https:", "location=\"http:");
    }),
];

const HL7: &[Defect] = &[
    ("HL7-READABLE", "VXU-CHILD", Soap::V12, |reply| reply.swap("&#xD;MSA|", "&#xD;ZSA|")),
    ("HL7-TYPE", "VXU-NO-IDENTIFIER", Soap::V12, |reply| {
        reply.field("MSH", 9, "ORU^R01^ORU_R01");
    }),
    ("HL7-CONTROL-ID", "VXU-CHILD", Soap::V12, |reply| {
        let id = reply.value("MSA", 2);
        reply.field("MSH", 10, &id);
    }),
    ("HL7-ROUTE", "VXU-CHILD", Soap::V12, |reply| reply.field("MSH", 6, "ELSEWHERE")),
    ("HL7-PROCESSING", "VXU-CHILD", Soap::V12, |reply| reply.field("MSH", 11, "P")),
    ("HL7-MSA-1", "VXU-CHILD", Soap::V12, |reply| reply.field("MSA", 1, "AE")),
    ("HL7-MSA-2", "VXU-CHILD", Soap::V12, |reply| reply.field("MSA", 2, "+0")),
    ("HL7-MSA-2", "ACK-CONTROL-ID", Soap::V12, |reply| {
        let id: String = reply.value("MSA", 2).chars().take(20).collect();
        reply.field("MSA", 2, &id);
    }),
    ("HL7-AA-ERROR", "VXU-HISTORICAL", Soap::V12, |reply| {
        reply.field("MSA", 1, "AA");
        reply.swap(
            "</return>",
            "ERR||PID^1^5|101^Required field missing^HL70357|E||||It is missing.&#xD;</return>",
        );
    }),
    ("HL7-AE-ERROR", "PATIENT-IN-ERROR", Soap::V12, |reply| reply.without_segment("ERR")),
    ("HL7-ERR-PLACE", "VXU-NO-IDENTIFIER", Soap::V12, |reply| reply.swap("PID^1^3", "PID^1^4")),
    ("HL7-ERR-CODE", "VXU-NO-IDENTIFIER", Soap::V12, |reply| reply.swap("|101^", "|207^")),
    ("HL7-PROFILE", "VXU-CHILD", Soap::V12, |reply| reply.field("MSH", 12, "2.3.1")),
    ("HL7-PROFILE-WARNING", "VXU-CHILD", Soap::V12, |reply| {
        reply.field("MSH", 13, "\"\"");
    }),
    ("HL7-RSP-PROFILE", "QUERY-NO-RCP", Soap::V12, |reply| reply.field("MSH", 21, "Z39^CDCPHINVS")),
    ("HL7-QAK-TAG", "QUERY-NO-RCP", Soap::V12, |reply| reply.field("QAK", 1, "+0")),
    ("HL7-QAK-STATUS", "QUERY-NOBODY", Soap::V12, |reply| reply.field("QAK", 2, "TM")),
    ("HL7-QAK-AGREES", "QUERY-HISTORY", Soap::V12, |reply| {
        if reply.request.contains("QBP^Q11") {
            reply.field("QAK", 2, "NF");
        }
    }),
    ("HL7-QPD-ECHO", "QUERY-NO-RCP", Soap::V12, |reply| reply.field("QPD", 7, "M")),
];

const PRIVACY: &[Defect] = &[
    ("PATIENT-NOT-TOLD", "SOAPCON-3", Soap::V12, |reply| {
        reply.swap("</Detail>", " Quillfeather</Detail>");
    }),
    ("PATIENT-NOT-TOLD", "VXU-NO-IDENTIFIER", Soap::V12, |reply| {
        reply.swap(
            "</return>",
            "ERR||PID^1^8|103^Not found^HL70357|W||||17 Larkspur Lane&#xD;</return>",
        );
    }),
    ("SECRET-NOT-TOLD", "SOAPENV-6", Soap::V12, |reply| {
        let (_, rest) = reply.request.split_once("<iis:password>").unwrap();
        let password = rest.split_once('<').unwrap().0.to_owned();
        reply.swap("</Detail>", &format!(" {password}</Detail>"));
    }),
    ("SCRIPT-ESCAPED", "SCRIPT", Soap::V12, |reply| {
        reply.swap("&lt;script&gt;", "<script>");
        reply.swap("&lt;/script&gt;", "</script>");
    }),
    ("ENTITY-NOT-EXPANDED", "DTD", Soap::V12, |reply| {
        reply.swap("</Detail>", " izportal-entityizportal-entity</Detail>");
    }),
];

/// The rules about TLS with the server that breaks each.
const TLS: &[(&str, &str, BadTls)] = &[
    ("TLS-TRUSTED", "TLS-CERTIFICATE", BadTls::Unknown),
    ("TLS-CERTIFICATE-END", "TLS-CERTIFICATE", BadTls::EndsSoon),
    ("TLS-MODERN", "TLS-MODERN", BadTls::Silent),
    ("TLS-1-3", "TLS-MODERN", BadTls::Without13),
    ("TLS-OUTDATED", "TLS-OUTDATED", BadTls::Outdated),
];

#[derive(Clone, Copy)]
enum BadTls {
    /// A certificate that ends tomorrow.
    EndsSoon,
    /// Answers any hello with one.
    Outdated,
    /// Ends each connection.
    Silent,
    /// An authority that nobody trusts.
    Unknown,
    /// TLS 1.2 alone.
    Without13,
}

/// The server between: it passes requests on to a gateway and spoils the replies.
struct Spoiler {
    port: u16,
    dir: TempDir,
    defect: Arc<Mutex<fn(&mut Reply)>>,
}

impl Spoiler {
    async fn before(app: &TestApp) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
        let files = authority.server_certificate(&["localhost".to_owned()]).unwrap();
        let tls = ServerTls { files, client_ca: None }.config().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let nothing: fn(&mut Reply) = |_reply| {};
        let defect = Arc::new(Mutex::new(nothing));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let (http, url, spoils) = (app.http.clone(), app.endpoint(), Arc::clone(&defect));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                let Some(request) = read(&mut stream).await else { continue };
                let mut reply = passed_on(&http, &url, &request).await;
                let spoil = *spoils.lock().unwrap();
                spoil(&mut reply);
                let _ = stream.write_all(&written(&reply)).await; // the client may have left
                let _ = stream.shutdown().await;
            }
        });
        Self { port, dir, defect }
    }

    fn endpoint(&self) -> Endpoint {
        let url = format!("https://localhost:{}/IISService", self.port);
        let ca = self.dir.path().join("ca.pem");
        Endpoint::new(&url, Some(&ca), None, Duration::from_secs(30)).unwrap()
    }
}

/// A request: its head and its body.
struct Asked {
    head: String,
    body: Vec<u8>,
}

async fn read(stream: &mut TlsStream<TcpStream>) -> Option<Asked> {
    let mut bytes = vec![];
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let lower = head.to_ascii_lowercase();
        let length = lower
            .split_once("content-length: ")
            .map_or(0, |(_, rest)| rest.lines().next().unwrap().trim().parse().unwrap());
        if bytes.len() >= end + 4 + length {
            return Some(Asked { head, body: bytes.split_off(end + 4) });
        }
    }
}

async fn passed_on(http: &reqwest::Client, url: &str, asked: &Asked) -> Reply {
    let mut lines = asked.head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method = reqwest::Method::from_bytes(first.next().unwrap().as_bytes()).unwrap();
    let query = first.next().unwrap().split_once('?').map_or("", |(_, query)| query);
    let mut request = http.request(method, format!("{url}?{query}")).body(asked.body.clone());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if !["host", "content-length", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value);
        }
    }
    let response = request.send().await.unwrap();
    let skipped = ["content-length", "connection", "date"];
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| !skipped.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    Reply {
        version: "HTTP/1.1",
        status: response.status().as_u16(),
        headers,
        body: response.text().await.unwrap(),
        chunked: false,
        request: String::from_utf8_lossy(&asked.body).into_owned(),
    }
}

fn written(reply: &Reply) -> Vec<u8> {
    let Reply { version, status, headers, body, .. } = reply;
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let rest = if reply.chunked {
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n")
    } else {
        format!("Content-Length: {length}\r\n\r\n{body}")
    };
    format!("{version} {status} Told\r\nConnection: close\r\n{}{rest}", headers.concat())
        .into_bytes()
}

/// The rules that a case breaches.
fn breached(result: &CaseResult) -> BTreeSet<&str> {
    result.breaches.iter().map(|breach| breach.rule.as_str()).collect()
}

async fn outcome(
    endpoint: &Endpoint,
    sender: &izportal::conformance::Sender,
    case: &str,
    soap: Soap,
) -> CaseResult {
    let plan = Plan {
        sender: Some(sender.clone()),
        soap: vec![soap],
        suites: Suite::ALL.to_vec(),
        cases: vec![case.to_owned()],
        allow_probes: true,
        limit: None,
    };
    let mut report = run(endpoint, &plan, |_, _| {}).await;
    assert_eq!(report.results.len(), 1, "{case}");
    report.results.remove(0)
}

#[expect(clippy::print_stdout, reason = "the matrix is for the reader of the test's output")]
fn say(text: &str) {
    println!("{text}");
}

fn row(rule: &str, case: &str, soap: &str, result: &CaseResult) -> String {
    let found = result.breaches.first().map_or(result.reason.as_str(), |one| one.found.as_str());
    format!("{rule:22} {case:20} {soap:4} {found:.90}")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_about_replies_has_a_defect_that_it_alone_finds() {
    let app = TestApp::start().await;
    let sender = sender(&app.test_sender().await);
    let spoiler = Spoiler::before(&app).await;
    let endpoint = spoiler.endpoint();
    let defects = [HTTP, ENVELOPE, RESPONSE, FAULT, DESCRIPTION, HL7, PRIVACY].concat();
    let mut clean: BTreeSet<(&str, Soap)> = BTreeSet::new();
    let mut wrong = vec![];

    for (rule, case, soap, spoil) in &defects {
        if clean.insert((*case, *soap)) {
            *spoiler.defect.lock().unwrap() = |_reply| {};
            let good = outcome(&endpoint, &sender, case, *soap).await;
            if !good.breaches.is_empty() || !good.reason.is_empty() {
                let found = breached(&good);
                wrong.push(format!("{case} without a defect: {found:?} {}", good.reason));
            }
        }
        *spoiler.defect.lock().unwrap() = *spoil;
        let result = outcome(&endpoint, &sender, case, *soap).await;
        say(&row(rule, case, soap.word(), &result));
        if breached(&result) != BTreeSet::from([*rule]) {
            wrong.push(format!("{rule} on {case}: {:?} {}", breached(&result), result.reason));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_about_tls_has_a_server_that_it_alone_finds() {
    let app = TestApp::start().await;
    let sender = sender(&app.test_sender().await);
    let mut wrong = vec![];

    for (rule, case, bad) in TLS {
        let (endpoint, _dir) = bad_tls(*bad).await;
        let result = outcome(&endpoint, &sender, case, Soap::V12).await;
        say(&row(rule, case, "", &result));
        if breached(&result) != BTreeSet::from([*rule]) {
            wrong.push(format!("{rule} on {case}: {:?} {}", breached(&result), result.reason));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_is_in_the_matrix() {
    let replies = [HTTP, ENVELOPE, RESPONSE, FAULT, DESCRIPTION, HL7, PRIVACY].concat();
    let planted: BTreeSet<&str> =
        replies.iter().map(|one| one.0).chain(TLS.iter().map(|one| one.0)).collect();
    let rules: BTreeSet<&str> =
        Catalogue::built_in().rules.iter().map(|rule| rule.name.as_str()).collect();

    assert_eq!(planted, rules);
}

/// A server with bad TLS, and the endpoint that it makes.
async fn bad_tls(bad: BadTls) -> (Endpoint, TempDir) {
    let dir = TempDir::new().unwrap();
    let authority = LocalAuthority::open(dir.path().to_owned()).unwrap();
    let files = authority.server_certificate(&["localhost".to_owned()]).unwrap();
    let good = ServerTls { files, client_ca: None }.config().unwrap();
    let mut ca = dir.path().join("ca.pem");
    let tls = match bad {
        BadTls::EndsSoon => ending_soon(&dir),
        BadTls::Unknown => {
            let other = dir.path().join("other");
            std::fs::create_dir(&other).unwrap();
            LocalAuthority::open(other.clone()).unwrap();
            ca = other.join("ca.pem");
            good
        }
        BadTls::Without13 => without_13(&dir),
        BadTls::Outdated | BadTls::Silent => good,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            match bad {
                BadTls::Silent => {}
                BadTls::Outdated => {
                    let mut hello = [0; 1_024];
                    let _ = socket.read(&mut hello).await;
                    let _ = socket.write_all(&[22, 3, 1, 0, 4, 2, 0, 0, 0]).await;
                }
                BadTls::EndsSoon | BadTls::Unknown | BadTls::Without13 => {
                    drop(acceptor.accept(socket).await);
                }
            }
        }
    });
    let url = format!("https://localhost:{port}/IISService");
    (Endpoint::new(&url, Some(&ca), None, Duration::from_secs(30)).unwrap(), dir)
}

/// A certificate that ends in three days, of an authority that is put in the place of the local one.
fn ending_soon(dir: &TempDir) -> ServerConfig {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap();
    std::fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let end = Timestamp::now().plus(Duration::from_hours(72)).utc();
    let (month, day) = (u8::try_from(end.month()).unwrap(), u8::try_from(end.day()).unwrap());
    params.not_after = date_time_ymd(end.year(), month, day);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    config(rustls::DEFAULT_VERSIONS, vec![certificate.der().clone()], key)
}

fn without_13(dir: &TempDir) -> ServerConfig {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let certificate = CertificateDer::from_pem_file(dir.path().join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.path().join("server.key")).unwrap();
    config(&[&rustls::version::TLS12], vec![certificate], key)
}

fn config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}
