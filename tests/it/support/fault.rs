//! The rules that every fault must obey (contract 4.2), checked on the bytes as they came.

use izportal::soap::SoapVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::Answer;

const CONTRACT: &str = "urn:cdc:iisb:2011";

/// Element in Detail, number, role.
pub(crate) type Outcome = (&'static str, i64, &'static str);

pub(crate) const MALFORMED: Outcome = ("fault", 4001, "Sender");
pub(crate) const DTD: Outcome = ("fault", 4002, "Sender");
pub(crate) const ENCODING: Outcome = ("fault", 4003, "Sender");
pub(crate) const STRUCTURE: Outcome = ("fault", 4004, "Sender");
pub(crate) const DUPLICATE: Outcome = ("fault", 4007, "Sender");
pub(crate) const UNKNOWN_CHILD: Outcome = ("fault", 4008, "Sender");
pub(crate) const LIMIT: Outcome = ("fault", 4009, "Sender");
pub(crate) const INSTRUCTION: Outcome = ("fault", 4012, "Sender");
pub(crate) const UNSUPPORTED: Outcome = ("UnsupportedOperationFault", 3000, "Sender");
pub(crate) const OTHER_CONTRACT: Outcome = ("UnsupportedOperationFault", 3001, "Sender");
pub(crate) const MUST_UNDERSTAND: Outcome = ("fault", 4021, "MustUnderstand");

/// An element of a reply.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// `name="value"`, namespace declarations left out.
    pub(crate) attributes: Vec<String>,
    pub(crate) children: Vec<Self>,
    pub(crate) text: String,
}

impl Node {
    /// Reads a document with a reader that is not the product's own.
    pub(crate) fn read(text: &str) -> Self {
        let mut reader = NsReader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            let (namespace, event) =
                reader.read_resolved_event().unwrap_or_else(|error| panic!("{error}: {text}"));
            let here = open.last_mut().unwrap();
            match event {
                Event::Start(start) => open.push(Self::opened(&namespace, &start)),
                Event::Empty(start) => here.children.push(Self::opened(&namespace, &start)),
                Event::End(_) => {
                    let closed = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(closed);
                }
                Event::Text(run) => here.text.push_str(&run),
                Event::GeneralRef(name) => here.text.push(match &*name {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    _ => name.resolve_char_ref().unwrap().unwrap(),
                }),
                Event::Decl(_) => {}
                Event::Eof => break,
                other => panic!("{other:?} has no place in a reply: {text}"),
            }
        }
        assert_eq!((open.len(), open[0].children.len()), (1, 1), "{text}");
        open.remove(0).children.remove(0)
    }

    fn opened(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Self {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.as_ref().to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => panic!("the prefix {prefix} is not declared"),
        };
        let attributes = start
            .attributes()
            .map(Result::unwrap)
            .filter(|attribute| !attribute.key.as_ref().starts_with("xmlns"))
            .map(|attribute| format!("{}=\"{}\"", attribute.key.as_ref(), attribute.value))
            .collect();
        let name = start.local_name().as_ref().to_owned();
        Self { namespace, name, attributes, ..Self::default() }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.children.iter().map(|child| child.name.as_str()).collect()
    }

    pub(crate) fn child(&self, name: &str) -> &Self {
        self.children
            .iter()
            .find(|child| child.name == name)
            .unwrap_or_else(|| panic!("{} has no {name}, only {:?}", self.name, self.names()))
    }

    /// The SOAP header blocks of an envelope.
    pub(crate) fn header(&self) -> &[Self] {
        if self.names().contains(&"Header") { &self.child("Header").children } else { &[] }
    }

    fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

/// A fault that obeys the rules.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) version: SoapVersion,
    /// Sender, Receiver, `MustUnderstand`, `VersionMismatch`; Client and Server in SOAP 1.1.
    pub(crate) role: String,
    /// The element in Detail; empty when there is no Detail.
    pub(crate) element: String,
    pub(crate) code: i64,
    pub(crate) detail: String,
    /// The correlation id.
    pub(crate) reference: String,
    pub(crate) envelope: Node,
}

impl Fault {
    /// Element, number and role, as the tables of the tests name them.
    pub(crate) fn outcome(&self) -> (&str, i64, &str) {
        (&self.element, self.code, &self.role)
    }
}

pub(crate) fn fault_of(answer: &Answer) -> Fault {
    answer.strict_fault().unwrap()
}

macro_rules! rule {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

impl Answer {
    /// The fault in this answer, or the rule that it breaks.
    pub(crate) fn strict_fault(&self) -> Result<Fault, String> {
        let text = &self.text;
        rule!(self.status == 500, "status {} instead of 500: {text}", self.status); // row 23
        rule!(text.starts_with("<?xml "), "not XML: {text}"); // row 75
        rule!(!text.contains("CDATA"), "CDATA: {text}");
        rule!(!text.contains("Sampleperson"), "it names the patient: {text}"); // row 29
        rule!(
            self.header("content-length") == text.len().to_string(),
            "Content-Length {}", // row 17
            self.header("content-length")
        );
        let envelope = Node::read(text);
        let (version, media_type) = match envelope.namespace.as_str() {
            "http://www.w3.org/2003/05/soap-envelope" => {
                (SoapVersion::V12, "application/soap+xml; charset=utf-8")
            }
            "http://schemas.xmlsoap.org/soap/envelope/" => {
                (SoapVersion::V11, "text/xml; charset=utf-8")
            }
            other => return Err(format!("an Envelope in {other}")),
        };
        rule!(
            self.header("content-type") == media_type, // row 16
            "a fault of SOAP {version} as {}",
            self.header("content-type")
        );
        let ours = envelope.namespace.clone();
        rule!(envelope.name == "Envelope", "the root is {}", envelope.name);
        let bodies = envelope.children.iter().filter(|child| child.is(&ours, "Body")).count();
        rule!(bodies == 1, "{bodies} Body: {text}");
        let body = envelope.child("Body");
        rule!(body.names() == ["Fault"], "Body holds {:?}", body.names());
        let fault = &body.children[0];
        rule!(fault.namespace == ours, "Fault is in {}", fault.namespace);
        let (role, reason, detail) = match version {
            SoapVersion::V12 => soap_1_2(fault, &ours)?,
            SoapVersion::V11 => soap_1_1(fault)?,
        };
        let told = detail.map(contract_fault).transpose()?;
        let reference = reference(told.as_ref().map_or(reason, |told| &told.2))?;
        let (element, code, detail) = told.unwrap_or_else(|| (String::new(), 0, reason.to_owned()));
        Ok(Fault { version, role, element, code, detail, reference, envelope })
    }
}

/// Rows 24 and 25: Code, Reason with one Text, Detail, in this order and nothing else.
fn soap_1_2<'a>(
    fault: &'a Node,
    ours: &str,
) -> Result<(String, &'a str, Option<&'a Node>), String> {
    rule!(fault.names() == ["Code", "Reason", "Detail"], "Fault holds {:?}", fault.names());
    rule!(
        fault.children.iter().all(|child| child.namespace == ours),
        "a child of Fault is not SOAP"
    );
    let (code, reason) = (fault.child("Code"), fault.child("Reason"));
    rule!(code.names() == ["Value"], "Code holds {:?}", code.names());
    rule!(reason.names() == ["Text"], "Reason holds {:?}", reason.names());
    let text = reason.child("Text");
    rule!(text.attributes == ["xml:lang=\"en\""], "Text has {:?}", text.attributes);
    rule!(!text.text.trim().is_empty(), "Text is blank");
    let role = role(&code.child("Value").text)?;
    let known = ["Sender", "Receiver", "MustUnderstand", "VersionMismatch"];
    rule!(known.contains(&role.as_str()), "Value {role}");
    Ok((role, &text.text, Some(fault.child("Detail"))))
}

/// SOAP 1.1: no detail when the fault is about a header.
fn soap_1_1(fault: &Node) -> Result<(String, &str, Option<&Node>), String> {
    let role = role(&fault.child("faultcode").text)?;
    let known = ["Client", "Server", "MustUnderstand", "VersionMismatch"];
    rule!(known.contains(&role.as_str()), "faultcode {role}");
    let detail = role != "MustUnderstand";
    let expected: &[&str] = if detail {
        &["faultcode", "faultstring", "detail"]
    } else {
        &["faultcode", "faultstring"]
    };
    rule!(fault.names() == expected, "Fault holds {:?}", fault.names());
    rule!(fault.children.iter().all(|child| child.namespace.is_empty()), "a child has a namespace");
    let reason = &fault.child("faultstring").text;
    rule!(!reason.trim().is_empty(), "faultstring is blank");
    Ok((role, reason, detail.then(|| fault.child("detail"))))
}

/// The local part; the prefix is the one that the writer binds.
fn role(value: &str) -> Result<String, String> {
    let role = value.strip_prefix("env:").ok_or_else(|| format!("{value} is not a QName"))?;
    Ok(role.to_owned())
}

/// Rows 26 to 30: exactly one element, with exactly Code, Reason and Detail, each text only.
fn contract_fault(detail: &Node) -> Result<(String, i64, String), String> {
    rule!(detail.children.len() == 1, "Detail holds {:?}", detail.names());
    let fault = &detail.children[0];
    let reason = match fault.name.as_str() {
        "MessageTooLargeFault" => "MessageTooLarge",
        "SecurityFault" => "Security",
        "UnsupportedOperationFault" => "UnsupportedOperation",
        "fault" => "Unknown",
        other => return Err(format!("Detail holds {other}")),
    };
    rule!(fault.namespace == CONTRACT, "{} is in {}", fault.name, fault.namespace);
    rule!(fault.names() == ["Code", "Reason", "Detail"], "it holds {:?}", fault.names());
    for child in &fault.children {
        rule!(child.namespace == CONTRACT, "{} is in {}", child.name, child.namespace);
        rule!(child.children.is_empty(), "{} holds {:?}", child.name, child.names());
        rule!(child.attributes.is_empty(), "{} has {:?}", child.name, child.attributes);
    }
    rule!(fault.child("Reason").text == reason, "Reason {}", fault.child("Reason").text);
    let code = fault.child("Code").text.parse::<i64>().map_err(|error| error.to_string())?;
    let detail = fault.child("Detail").text.clone();
    rule!(detail.len() < 300, "Detail is {} bytes long", detail.len());
    Ok((fault.name.clone(), code, detail))
}

/// The correlation id at the end of a text (rows 29 and 94).
fn reference(text: &str) -> Result<String, String> {
    let (_, id) = text.rsplit_once("Reference: ").ok_or_else(|| format!("no reference: {text}"))?;
    id.parse::<izportal::domain::MessageId>().map_err(|error| format!("{error}: {id}"))?;
    Ok(id.to_owned())
}
