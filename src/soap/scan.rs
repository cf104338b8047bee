//! The XML floor under both readers: tags, namespaces, text runs and limits, in one forward pass.
//!
//! quick-xml finds the markup. Text between the markup is taken out of the document here and resolved by
//! `text`, because quick-xml would give each character reference an event of its own. Nothing here recurses.

use std::borrow::Cow;

use quick_xml::events::Event;
use quick_xml::events::attributes::Attributes;
use quick_xml::reader::Reader;

use crate::soap::text::{Text, attribute_value, is_blank};

/// The bounds of a document (row 74); bytes are bounded by the HTTP layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open elements at one time.
    pub depth: usize,
    /// Elements in the whole document.
    pub elements: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes: usize,
    /// Namespace declarations in force at one time.
    pub namespaces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, elements: 2_000, attributes: 64, namespaces: 64 }
    }
}

/// Why a document was not read; the text of each is fit for a fault's Detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScanError {
    #[error("an element that holds text holds another element")]
    ChildInText,
    #[error("a document type declaration is not allowed")]
    Dtd,
    #[error("the document holds a character that XML does not allow")]
    IllegalCharacter,
    #[error("the document is not well-formed XML")]
    Malformed,
    #[error("a processing instruction is not allowed")]
    ProcessingInstruction,
    #[error("there is text between elements where none belongs")]
    StrayText,
    #[error("an element has too many attributes")]
    TooManyAttributes,
    #[error("the document has too many elements")]
    TooManyElements,
    #[error("the document has too many namespace declarations")]
    TooManyNamespaces,
    #[error("the elements of the document are nested too deeply")]
    TooDeep,
    #[error("a namespace prefix is not declared")]
    UnboundPrefix,
    #[error("an entity is not declared")]
    UnknownEntity,
}

/// The namespaces that mean something to the readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    /// WS-Addressing 1.0.
    Addressing2005,
    /// The submission of 2004.
    Addressing2004,
    /// Windows Communication Foundation's stand-in for WS-Addressing.
    AddressingNone,
    Hub2014,
    Iis2011,
    Iis2014,
    None,
    Other,
    SchemaInstance,
    Security,
    Soap11,
    Soap12,
    Xml,
}

impl Namespace {
    fn of(uri: &str) -> Self {
        match uri {
            "" => Self::None,
            "urn:cdc:iisb:2011" => Self::Iis2011,
            "urn:cdc:iisb:2014" => Self::Iis2014,
            "urn:cdc:iisb:hub:2014" => Self::Hub2014,
            "http://www.w3.org/2003/05/soap-envelope" => Self::Soap12,
            "http://schemas.xmlsoap.org/soap/envelope/" => Self::Soap11,
            "http://www.w3.org/2001/XMLSchema-instance" => Self::SchemaInstance,
            "http://www.w3.org/2005/08/addressing" => Self::Addressing2005,
            "http://schemas.xmlsoap.org/ws/2004/08/addressing" => Self::Addressing2004,
            "http://schemas.microsoft.com/ws/2005/05/addressing/none" => Self::AddressingNone,
            "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" => {
                Self::Security
            }
            "http://www.w3.org/XML/1998/namespace" => Self::Xml,
            _ => Self::Other,
        }
    }
}

/// An element that was just opened.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) namespace: Namespace,
    pub(super) name: &'a str,
    prefix: &'a str,
}

impl<'a> Element<'a> {
    pub(super) fn is(&self, namespace: Namespace, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The name, when it is fit to be repeated in a fault.
    pub(super) fn printable_name(&self) -> Option<&'a str> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        (self.name.len() <= 40 && self.name.bytes().all(plain)).then_some(self.name)
    }
}

/// What comes next in a document.
pub(super) enum Step<'a> {
    Cdata(&'a str),
    Close,
    End,
    Open(Element<'a>),
    Text(&'a str),
}

struct Attribute<'a> {
    namespace: Namespace,
    prefix: &'a str,
    name: &'a str,
    value: &'a str,
}

struct Binding<'a> {
    prefix: &'a str,
    namespace: Namespace,
    uri: Cow<'a, str>,
}

/// A forward reader of one document.
pub(super) struct Scanner<'a, 'l> {
    source: &'a str,
    reader: Reader<&'a [u8]>,
    limits: &'l Limits,
    /// For each open element, the bindings in force outside it.
    open: Vec<usize>,
    bindings: Vec<Binding<'a>>,
    /// Attributes of the element opened last, without namespace declarations.
    attributes: Vec<Attribute<'a>>,
    elements: usize,
    /// The element opened last was an empty-element tag.
    closing: bool,
}

impl<'a, 'l> Scanner<'a, 'l> {
    /// Starts a document; white space and NULs after it are dropped, because gSOAP and C programs send them.
    pub(super) fn new(source: &'a str, limits: &'l Limits) -> Result<Self, ScanError> {
        let source = source.trim_end_matches(['\0', ' ', '\t', '\r', '\n']);
        if holds_illegal_character(source.as_bytes()) {
            return Err(ScanError::IllegalCharacter);
        }
        Ok(Self {
            source,
            reader: Reader::from_str(source),
            limits,
            open: Vec::with_capacity(8),
            bindings: Vec::with_capacity(8),
            attributes: Vec::with_capacity(4),
            elements: 0,
            closing: false,
        })
    }

    pub(super) fn step(&mut self) -> Result<Step<'a>, ScanError> {
        if self.closing {
            self.closing = false;
            self.leave()?;
            return Ok(Step::Close);
        }
        let from = self.position();
        let rest: &'a [u8] = self.reader.get_ref();
        let length = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        if length > 0 {
            *self.reader.get_mut() = rest.get(length..).unwrap_or_default();
            let run = self.source.get(from..from + length).ok_or(ScanError::Malformed)?;
            return if self.open.is_empty() && !is_blank(run) {
                Err(ScanError::Malformed)
            } else {
                Ok(Step::Text(run))
            };
        }
        self.markup(from)
    }

    /// Reads the text of the element just opened, up to and including its end tag.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, ScanError> {
        let mut text = Text::default();
        loop {
            match self.step()? {
                Step::Text(run) => text.push_raw(run)?,
                Step::Cdata(run) => text.push_cdata(run),
                Step::Close => return Ok(text.into_cow()),
                Step::Open(_) => return Err(ScanError::ChildInText),
                Step::End => return Err(ScanError::Malformed),
            }
        }
    }

    /// Opens the next child of the current element, or closes the current element and returns `None`.
    pub(super) fn child(&mut self) -> Result<Option<Element<'a>>, ScanError> {
        loop {
            match self.step()? {
                Step::Open(element) => return Ok(Some(element)),
                Step::Close => return Ok(None),
                Step::Text(run) | Step::Cdata(run) if is_blank(run) => {}
                Step::Text(_) | Step::Cdata(_) => return Err(ScanError::StrayText),
                Step::End => return Err(ScanError::Malformed),
            }
        }
    }

    /// Passes over the rest of the element just opened; it must still be well-formed.
    pub(super) fn skip(&mut self) -> Result<(), ScanError> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.step()? {
                Step::Open(_) => depth += 1,
                Step::Close => depth -= 1,
                Step::Text(run) => Text::default().push_raw(run)?,
                Step::Cdata(_) => {}
                Step::End => return Err(ScanError::Malformed),
            }
        }
        Ok(())
    }

    /// Opens the root element.
    pub(super) fn root(&mut self) -> Result<Element<'a>, ScanError> {
        self.child()?.ok_or(ScanError::Malformed)
    }

    /// Checks that nothing follows the root element.
    pub(super) fn finish(&mut self) -> Result<(), ScanError> {
        loop {
            match self.step()? {
                Step::End => return Ok(()),
                Step::Text(_) => {}
                Step::Cdata(_) | Step::Close | Step::Open(_) => return Err(ScanError::Malformed),
            }
        }
    }

    /// An attribute of the element opened last.
    pub(super) fn attribute(
        &self,
        namespace: Namespace,
        name: &str,
    ) -> Result<Option<Cow<'a, str>>, ScanError> {
        self.attributes
            .iter()
            .find(|attribute| attribute.namespace == namespace && attribute.name == name)
            .map(|attribute| attribute_value(attribute.value))
            .transpose()
    }

    /// Whether the element opened last says `xsi:nil="true"`.
    pub(super) fn is_nil(&self) -> Result<bool, ScanError> {
        let nil = self.attribute(Namespace::SchemaInstance, "nil")?;
        Ok(nil.is_some_and(|value| matches!(value.trim(), "true" | "1")))
    }

    /// The namespace of an element while it is open, as the document spells it.
    pub(super) fn uri(&self, element: &Element<'a>) -> &str {
        self.binding(element.prefix).map_or("", |binding| &binding.uri)
    }

    fn position(&self) -> usize {
        self.source.len() - self.reader.get_ref().len()
    }

    fn markup(&mut self, from: usize) -> Result<Step<'a>, ScanError> {
        let event = match self.reader.read_event() {
            Ok(event) => event,
            Err(_) if self.starts_doctype(from) => return Err(ScanError::Dtd),
            Err(_) => return Err(ScanError::Malformed),
        };
        match event {
            Event::Start(start) => self.enter(from, start.name().as_ref().len(), 1).map(Step::Open),
            Event::Empty(start) => {
                self.closing = true;
                self.enter(from, start.name().as_ref().len(), 2).map(Step::Open)
            }
            Event::End(_) => self.leave().map(|()| Step::Close),
            Event::CData(_) if self.open.is_empty() => Err(ScanError::Malformed),
            Event::CData(_) => {
                let inside = self.source.get(from + 9..self.position() - 3);
                inside.map(Step::Cdata).ok_or(ScanError::Malformed)
            }
            Event::Comment(_) => Ok(Step::Text("")),
            Event::Decl(_) if from == 0 => Ok(Step::Text("")),
            Event::DocType(_) => Err(ScanError::Dtd),
            Event::PI(_) => Err(ScanError::ProcessingInstruction),
            Event::Eof if self.open.is_empty() => Ok(Step::End),
            Event::Decl(_) | Event::Eof | Event::GeneralRef(_) | Event::Text(_) => {
                Err(ScanError::Malformed)
            }
        }
    }

    fn starts_doctype(&self, from: usize) -> bool {
        self.source.get(from..from + 9).is_some_and(|start| start.eq_ignore_ascii_case("<!DOCTYPE"))
    }

    fn enter(
        &mut self,
        from: usize,
        name_length: usize,
        tail: usize,
    ) -> Result<Element<'a>, ScanError> {
        let to = self.position();
        self.elements += 1;
        if self.open.is_empty() && self.elements > 1 {
            return Err(ScanError::Malformed);
        }
        if self.elements > self.limits.elements {
            return Err(ScanError::TooManyElements);
        }
        if self.open.len() >= self.limits.depth {
            return Err(ScanError::TooDeep);
        }
        self.open.push(self.bindings.len());
        self.attributes.clear();
        let tag = self.source.get(from + 1..to - tail).ok_or(ScanError::Malformed)?;
        let (name, rest) = tag.split_at_checked(name_length).ok_or(ScanError::Malformed)?;
        if !rest.is_empty() {
            self.read_attributes(tag, name_length)?;
        }
        let (prefix, name) = split_name(name)?;
        let namespace = self.resolve(prefix)?;
        Ok(Element { namespace, name, prefix })
    }

    /// quick-xml's own check for duplicates is quadratic, so the count comes first and the check is ours.
    fn read_attributes(&mut self, tag: &'a str, name_length: usize) -> Result<(), ScanError> {
        let mut count = 0_usize;
        for attribute in Attributes::new(tag, name_length).with_checks(false) {
            let attribute = attribute.map_err(|_position| ScanError::Malformed)?;
            count += 1;
            if count > self.limits.attributes {
                return Err(ScanError::TooManyAttributes);
            }
            let Cow::Borrowed(value) = attribute.value else { return Err(ScanError::Malformed) };
            if memchr::memchr(b'<', value.as_bytes()).is_some() {
                return Err(ScanError::Malformed);
            }
            let key = attribute.key.0;
            if key == "xmlns" {
                self.bind("", value)?;
            } else if let Some(prefix) = key.strip_prefix("xmlns:") {
                self.bind(prefix, value)?;
            } else {
                attribute_value(value)?;
                let (prefix, name) = split_name(key)?;
                if self.attributes.iter().any(|other| other.name == name && other.prefix == prefix)
                {
                    return Err(ScanError::Malformed);
                }
                self.attributes.push(Attribute { namespace: Namespace::None, prefix, name, value });
            }
        }
        let mut attributes = std::mem::take(&mut self.attributes);
        for attribute in attributes.iter_mut().filter(|attribute| !attribute.prefix.is_empty()) {
            attribute.namespace = self.resolve(attribute.prefix)?;
        }
        self.attributes = attributes;
        Ok(())
    }

    fn bind(&mut self, prefix: &'a str, value: &'a str) -> Result<(), ScanError> {
        if self.bindings.len() >= self.limits.namespaces {
            return Err(ScanError::TooManyNamespaces);
        }
        let uri = attribute_value(value)?;
        let namespace = Namespace::of(&uri);
        let outside = self.open.last().copied().unwrap_or_default();
        let declared_here =
            self.bindings.iter().skip(outside).any(|binding| binding.prefix == prefix);
        let undeclares = uri.is_empty() && !prefix.is_empty();
        let reserved = prefix == "xmlns" || (prefix == "xml") != (namespace == Namespace::Xml);
        if declared_here || undeclares || reserved {
            return Err(ScanError::Malformed);
        }
        self.bindings.push(Binding { prefix, namespace, uri });
        Ok(())
    }

    fn binding(&self, prefix: &str) -> Option<&Binding<'a>> {
        self.bindings.iter().rev().find(|binding| binding.prefix == prefix)
    }

    fn resolve(&self, prefix: &str) -> Result<Namespace, ScanError> {
        match self.binding(prefix) {
            Some(binding) => Ok(binding.namespace),
            None if prefix.is_empty() => Ok(Namespace::None),
            None if prefix == "xml" => Ok(Namespace::Xml),
            None => Err(ScanError::UnboundPrefix),
        }
    }

    fn leave(&mut self) -> Result<(), ScanError> {
        let outside = self.open.pop().ok_or(ScanError::Malformed)?;
        self.bindings.truncate(outside);
        Ok(())
    }
}

/// Splits `prefix:name`; ASCII that no name may hold is refused, other characters are not examined.
fn split_name(name: &str) -> Result<(&str, &str), ScanError> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let prefixed = prefix.len() + local.len() < name.len();
    let good = is_ncname(local) && (is_ncname(prefix) || !prefixed);
    if good { Ok((prefix, local)) } else { Err(ScanError::Malformed) }
}

fn is_ncname(name: &str) -> bool {
    let starts = |b: u8| b.is_ascii_alphabetic() || b == b'_' || !b.is_ascii();
    let goes_on = |b: u8| starts(b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    name.bytes().next().is_some_and(starts) && name.bytes().all(goes_on)
}

/// C0 controls but tab, line feed and carriage return, and U+FFFE and U+FFFF (row 76).
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch would keep the loop from being vectorised"
)]
fn holds_illegal_character(bytes: &[u8]) -> bool {
    let illegal = |b: u8| (b < 0x20) & (b != b'\t') & (b != b'\n') & (b != b'\r');
    let controls = bytes.iter().fold(false, |found, b| found | illegal(*b));
    controls
        || memchr::memchr_iter(0xEF, bytes)
            .any(|at| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])))
}
