//! Replies of a registry: bytes to a [`Response`], tolerant of every shape met in the field.

use std::fmt;

use crate::soap::charset::decode;
use crate::soap::scan::{Element, Limits, Namespace, ScanError, Scanner, Step};
use crate::soap::text::Text;
use crate::soap::version::{MediaType, SoapVersion};

/// Reads what a registry answered with status 200, 400 or 500 (rows 95 to 97).
///
/// Names decide, whatever their namespace: SOAP 1.1 or 1.2, a fault without prefix, without Body or without
/// Envelope, and the response elements of 2011 and 2014 are all read.
///
/// # Errors
/// [`ResponseError`] when the bytes are not such a reply.
pub fn read_response(bytes: &[u8], limits: &Limits) -> Result<Response, ResponseError> {
    let source = decode(bytes, MediaType::default()).map_err(|_encoding| ResponseError::NotSoap)?;
    let mut reader = Reply { scanner: Scanner::new(&source, limits)?, version: SoapVersion::V12 };
    let root = reader.scanner.root()?;
    let response = reader.find(root)?;
    reader.scanner.finish()?;
    response.ok_or(ResponseError::NotSoap)
}

/// A registry's reply.
#[derive(Clone, PartialEq, Eq)]
pub enum Response {
    /// The text that a connectivityTest returned.
    ConnectivityTest(String),
    /// A SOAP fault.
    Fault(RemoteFault),
    /// The HL7 text that a submitSingleMessage returned.
    SubmitSingleMessage(String),
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectivityTest(text) => write!(f, "ConnectivityTest({} bytes)", text.len()),
            Self::Fault(fault) => fmt::Debug::fmt(fault, f),
            Self::SubmitSingleMessage(text) => {
                write!(f, "SubmitSingleMessage({} bytes)", text.len())
            }
        }
    }
}

/// A fault as a registry sent it; its texts may hold anything, so they go neither to logs nor to callers.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteFault {
    /// The version it came in; 1.2 when there was no Envelope.
    pub version: SoapVersion,
    /// Code/Value or faultcode, without its prefix.
    pub code_value: String,
    /// Reason/Text or faultstring.
    pub reason: String,
    /// The name of the fault element in Detail, such as `SecurityFault`.
    pub fault_name: Option<String>,
    /// The Code inside it, when it is a number.
    pub iis_code: Option<i64>,
    /// The Reason inside it.
    pub iis_reason: Option<String>,
    /// The Detail inside it.
    pub iis_detail: Option<String>,
}

impl RemoteFault {
    fn new(version: SoapVersion) -> Self {
        Self {
            version,
            code_value: String::new(),
            reason: String::new(),
            fault_name: None,
            iis_code: None,
            iis_reason: None,
            iis_detail: None,
        }
    }
}

impl fmt::Debug for RemoteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            self.fault_name.as_deref().map(|name| if is_fault_name(name) { name } else { "other" });
        write!(f, "RemoteFault(SOAP {}, {name:?}, code {:?})", self.version, self.iis_code)
    }
}

/// Why a reply was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// A bound of [`Limits`] was passed.
    #[error("the reply is nested or repeated beyond the limits")]
    Limit,
    /// A response element without its text.
    #[error("the reply holds no return element")]
    MissingReturn,
    /// Not XML, or XML that is neither a response nor a fault: a proxy's HTML page, for one.
    #[error("the reply is not a SOAP response")]
    NotSoap,
}

impl From<ScanError> for ResponseError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::TooDeep
            | ScanError::TooManyAttributes
            | ScanError::TooManyElements
            | ScanError::TooManyNamespaces => Self::Limit,
            _ => Self::NotSoap,
        }
    }
}

/// The walk through one reply.
struct Reply<'a, 'l> {
    scanner: Scanner<'a, 'l>,
    version: SoapVersion,
}

impl<'a> Reply<'a, '_> {
    /// Looks for the response below (or at) Envelope and Body; leaves the given element closed.
    fn find(&mut self, root: Element<'a>) -> Result<Option<Response>, ResponseError> {
        let mut found = None;
        let mut depth = 0_usize;
        let mut next = Some(root);
        loop {
            match next {
                Some(element) => match element.name {
                    "Envelope" | "Body" => {
                        if element.namespace == Namespace::Soap11 {
                            self.version = SoapVersion::V11;
                        }
                        depth += 1;
                    }
                    _ if found.is_some() => self.scanner.skip()?,
                    _ => found = self.content(&element)?,
                },
                None => depth -= 1,
            }
            if depth == 0 {
                return Ok(found);
            }
            next = self.scanner.child()?;
        }
    }

    fn content(&mut self, element: &Element<'a>) -> Result<Option<Response>, ResponseError> {
        match element.name {
            "Fault" => self.fault().map(|fault| Some(Response::Fault(fault))),
            "connectivityTestResponse" | "ConnectivityTestResponse" => {
                self.returned().map(|text| Some(Response::ConnectivityTest(text)))
            }
            "submitSingleMessageResponse" | "SubmitSingleMessageResponse" => {
                self.returned().map(|text| Some(Response::SubmitSingleMessage(text)))
            }
            _ => {
                self.scanner.skip()?;
                Ok(None)
            }
        }
    }

    /// The text of the response's one child; nil counts as empty, other children are passed over.
    fn returned(&mut self) -> Result<String, ResponseError> {
        let mut returned = None;
        while let Some(child) = self.scanner.child()? {
            match child.name {
                "return" | "EchoBack" | "Hl7Message" if returned.is_none() => {
                    returned = Some(self.scanner.text()?.into_owned());
                }
                _ => self.scanner.skip()?,
            }
        }
        returned.ok_or(ResponseError::MissingReturn)
    }

    /// Collects the leaves of a Fault by their names and by whether they stand inside its Detail.
    fn fault(&mut self) -> Result<RemoteFault, ResponseError> {
        let mut fault = RemoteFault::new(self.version);
        let mut path: Vec<Element<'a>> = Vec::new();
        let mut text = Text::default();
        loop {
            match self.scanner.step()? {
                Step::Open(element) => {
                    let named = is_fault_name(element.name)
                        || path.len() == 1 && !is_fault_part(element.name);
                    let inside = path.first().is_some_and(|top| is_detail(top.name));
                    if inside && named && fault.fault_name.is_none() {
                        fault.fault_name = element.printable_name().map(str::to_owned);
                    }
                    path.push(element);
                    text = Text::default();
                }
                Step::Text(run) => text.push_raw(run)?,
                Step::Cdata(run) => text.push_cdata(run),
                Step::Close => {
                    let Some(element) = path.pop() else { return Ok(fault) };
                    let top = path.first().map_or(element.name, |top| top.name);
                    keep(&mut fault, top, element.name, &std::mem::take(&mut text).into_cow());
                }
                Step::End => return Err(ResponseError::NotSoap),
            }
        }
    }
}

/// Puts the text of a leaf where it belongs; the first one wins.
fn keep(fault: &mut RemoteFault, top: &str, name: &str, text: &str) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let first = |field: &mut Option<String>| {
        if field.is_none() {
            *field = Some(text.to_owned());
        }
    };
    match name.to_ascii_lowercase().as_str() {
        "code" if is_detail(top) => fault.iis_code = fault.iis_code.or_else(|| text.parse().ok()),
        "reason" if is_detail(top) => first(&mut fault.iis_reason),
        "detail" if is_detail(top) => first(&mut fault.iis_detail),
        "value" | "faultcode" if fault.code_value.is_empty() => {
            text.rsplit(':').next().unwrap_or(text).clone_into(&mut fault.code_value);
        }
        "text" | "faultstring" | "reason" if fault.reason.is_empty() => {
            text.clone_into(&mut fault.reason);
        }
        _ => {}
    }
}

fn is_detail(name: &str) -> bool {
    name.eq_ignore_ascii_case("detail")
}

fn is_fault_name(name: &str) -> bool {
    ["fault", "MessageTooLargeFault", "SecurityFault", "UnsupportedOperationFault"].contains(&name)
}

fn is_fault_part(name: &str) -> bool {
    ["code", "reason", "detail"].iter().any(|part| name.eq_ignore_ascii_case(part))
}
