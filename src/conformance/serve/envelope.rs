//! The envelope: one of each, in its place, and nothing that the WSDL does not give.

use crate::conformance::serve::rules::{self, Findings};
use crate::conformance::xml::{Document, Element, Forbidden, XmlFault};
use crate::soap::{NAMESPACE, OperationName, SoapVersion};

/// What an envelope holds, as far as it can be told.
#[derive(Clone, Copy, Default)]
pub(super) struct Outline<'t> {
    /// The version that its namespace names.
    pub(super) version: Option<SoapVersion>,
    /// The element in its Body.
    pub(super) operation: Option<&'t Element>,
    /// What it asks for.
    pub(super) name: Option<OperationName>,
}

impl Outline<'_> {
    /// The text of an element of the operation; none when it is absent, nil or blank.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let child = self.operation?.child_named(name)?;
        Some(child.text.as_str()).filter(|text| !text.trim().is_empty())
    }
}

/// Reads a request.
///
/// # Errors
/// When it cannot be judged, or holds what no envelope may hold.
pub(super) fn read(source: &str) -> Result<Document<'_>, XmlFault> {
    let document = Document::read(source)?;
    document.forbidden.map_or(Ok(document), |what| Err(XmlFault::Forbidden(what)))
}

/// A document that is none.
pub(super) fn judge_fault(fault: &XmlFault, found: &mut Findings) {
    match fault {
        XmlFault::Forbidden(what) => {
            let rule = match what {
                Forbidden::Dtd => &rules::XML_DTD,
                Forbidden::Instruction => &rules::XML_INSTRUCTION,
            };
            found.add(rule, what.to_string());
        }
        XmlFault::Limit => found.add(&rules::XML_LIMITS, "more than that"),
        XmlFault::Malformed(what) => found.add(&rules::XML_WELL_FORMED, what.clone()),
    }
}

/// The envelope with all in it.
pub(super) fn judge<'t>(root: &'t Element, found: &mut Findings) -> Outline<'t> {
    let version = [SoapVersion::V12, SoapVersion::V11]
        .into_iter()
        .find(|version| root.is(version.namespace(), "Envelope"));
    let Some(version) = version else {
        let what = match root.name.as_str() {
            "Envelope" if root.namespace.is_empty() => "an Envelope without a namespace",
            "Envelope" => "an Envelope in another namespace",
            _ => "another root element",
        };
        found.add(&rules::ROOT, what);
        return Outline::default();
    };
    if version == SoapVersion::V11 {
        found.add(&rules::SOAP_11, "a SOAP 1.1 envelope");
    }
    stray(root, "the Envelope", found);
    let namespace = version.namespace();
    let named = |name: &str| root.children.iter().filter(|child| child.is(namespace, name)).count();
    let (headers, bodies) = (named("Header"), named("Body"));
    if bodies != 1 {
        found.add(&rules::BODY, format!("{bodies} of them"));
    }
    let header_first =
        headers == 0 || root.children.first().is_some_and(|one| one.name == "Header");
    let others = root.children.len() - headers - bodies;
    if headers > 1 || others > 0 || !header_first {
        let what = format!("{headers} Header, {bodies} Body, {others} other elements");
        let order = if header_first { "" } else { ", and the Header is not the first" };
        found.add(&rules::ENVELOPE_CHILDREN, format!("{what}{order}"));
    }
    for header in root.children.iter().filter(|child| child.is(namespace, "Header")) {
        judge_header(header, namespace, found);
    }
    let body = root.children.iter().find(|child| child.is(namespace, "Body"));
    let outline = Outline { version: Some(version), ..Outline::default() };
    body.map_or(outline, |body| judge_body(body, outline, found))
}

const ADDRESSING: [&str; 3] = [
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    // Windows Communication Foundation's stand-in; NIST's example of an envelope has it with mustUnderstand.
    "http://schemas.microsoft.com/ws/2005/05/addressing/none",
];

const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

fn judge_header(header: &Element, soap: &str, found: &mut Findings) {
    for block in &header.children {
        let must =
            matches!(block.attribute(soap, "mustUnderstand").map(str::trim), Some("1" | "true"));
        let known = ADDRESSING.contains(&block.namespace.as_str());
        if block.is(SECURITY, "Security") {
            found.add(&rules::SECURITY_HEADER, "a WS-Security header");
        } else if must && !known {
            found.add(&rules::MUST_UNDERSTAND, format!("a header {}", shown(&block.name)));
        }
    }
}

fn judge_body<'t>(body: &'t Element, outline: Outline<'t>, found: &mut Findings) -> Outline<'t> {
    stray(body, "the Body", found);
    let [operation] = body.children.as_slice() else {
        found.add(&rules::ONE_OPERATION, format!("{} elements", body.children.len()));
        return outline;
    };
    let operations = [OperationName::ConnectivityTest, OperationName::SubmitSingleMessage];
    let name = operations.into_iter().find(|one| one.element() == operation.name);
    let Some(name) = name.filter(|_| operation.namespace == NAMESPACE) else {
        let place = match operation.namespace.as_str() {
            NAMESPACE => "",
            "" => " without a namespace",
            _ => " in another namespace",
        };
        found.add(&rules::OPERATION, format!("an element {}{place}", shown(&operation.name)));
        return outline;
    };
    judge_operation(operation, name, found);
    Outline { operation: Some(operation), name: Some(name), ..outline }
}

fn judge_operation(operation: &Element, name: OperationName, found: &mut Findings) {
    stray(operation, name.element(), found);
    let known: &[&str] = match name {
        OperationName::ConnectivityTest => &["echoBack"],
        OperationName::SubmitSingleMessage => &["username", "password", "facilityID", "hl7Message"],
    };
    let place_of = |name: &str| known.iter().position(|one| *one == name);
    let mut last = 0;
    let mut seen = vec![];
    let (mut unqualified, mut disorder) = (vec![], vec![]);
    for child in &operation.children {
        let place = place_of(&child.name);
        let ours = child.namespace.is_empty() || child.namespace == NAMESPACE;
        let Some(place) = place.filter(|_| ours) else {
            found.add(&rules::CHILD_EXTRA, format!("an element {}", shown(&child.name)));
            continue;
        };
        if child.namespace.is_empty() {
            unqualified.push(child.name.as_str());
        }
        if seen.contains(&place) {
            found.add(&rules::CHILD_TWICE, format!("{} more than once", child.name));
        } else if place < last {
            disorder.push(child.name.as_str());
        }
        if !child.children.is_empty() {
            found.add(&rules::CHILD_TEXT, format!("elements in {}", child.name));
        }
        last = last.max(place);
        seen.push(place);
    }
    let list = |names: &[&str]| names.join(", ");
    let empty = (unqualified.is_empty(), disorder.is_empty());
    found.add_if(!empty.0, &rules::CHILD_NAMESPACE, format!("without one: {}", list(&unqualified)));
    found.add_if(!empty.1, &rules::CHILD_ORDER, format!("too late: {}", list(&disorder)));
    if name == OperationName::ConnectivityTest {
        judge_echo(operation, found);
    }
}

fn judge_echo(operation: &Element, found: &mut Findings) {
    let what = match operation.child_named("echoBack") {
        None => "no echoBack",
        Some(echo) if echo.is_nil() => "xsi:nil",
        Some(echo) if echo.text.trim().is_empty() && echo.children.is_empty() => "nothing in it",
        Some(_) => return,
    };
    found.add(&rules::ECHO, what);
}

fn stray(element: &Element, name: &str, found: &mut Findings) {
    if !element.text.trim().is_empty() {
        found.add(&rules::STRAY_TEXT, format!("text between the elements of {name}"));
    }
}

/// A name that a sender gave an element, as far as it can be repeated: a name, not a value that slipped into one.
fn shown(name: &str) -> &str {
    let plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.');
    if name.len() <= 40 && name.chars().all(plain) { name } else { "whose name is not repeated" }
}
