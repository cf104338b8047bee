//! XML as a small tree: what was written, with where it stands, not what a tolerant reader makes of it.
//!
//! This reader is strict and of its own: it shares nothing with the reader of the service that it may judge.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use quick_xml::NsReader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};

/// Open elements at one time.
const DEPTH: usize = 64;

/// Elements of a document.
const ELEMENTS: usize = 20_000;

/// Attributes of an element, namespace declarations included.
const ATTRIBUTES: usize = 64;

/// The longest text that is looked at as a qualified name, in bytes.
const LONGEST_NAME: usize = 200;

/// A document, and what it holds beside its tree.
#[derive(Debug)]
pub(super) struct Document<'s> {
    /// What it was read from; all places in it are bytes of this.
    pub(super) source: &'s str,
    pub(super) root: Element,
    /// Where comments stand.
    pub(super) comments: Vec<Range<usize>>,
    pub(super) has_declaration: bool,
    /// The first thing in it that SOAP forbids.
    pub(super) forbidden: Option<Forbidden>,
}

/// An element with all in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Its namespace; empty: none.
    pub(super) namespace: String,
    /// Its name without prefix.
    pub(super) name: String,
    /// Its attributes but namespace declarations.
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Self>,
    /// The text directly in it, with references resolved and line ends as XML 1.0 hands them on.
    pub(super) text: String,
    /// Whether a part of its text stood in CDATA.
    pub(super) has_cdata: bool,
    /// Whether a carriage return stood in its text as it is, which XML hands on as a line feed.
    pub(super) has_raw_returns: bool,
    /// The namespace that its text is of, read as a qualified name.
    pub(super) value_namespace: Option<String>,
    /// What stands between its tags, in bytes of the document.
    pub(super) inner: Range<usize>,
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: String,
    /// Where its value stands in the document.
    pub(super) span: Range<usize>,
}

/// What SOAP forbids though XML has it. Source: SOAP 1.2 part 1, 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// A document type declaration.
    Dtd,
    /// A processing instruction.
    Instruction,
}

/// Why a document is none that can be judged. Places only: what stands there may be a patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum XmlFault {
    /// What is forbidden, and after it something that could not be read.
    Forbidden(Forbidden),
    /// Beyond our bounds.
    Limit,
    /// Not well-formed: why, and where.
    Malformed(String),
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dtd => "a document type declaration",
            Self::Instruction => "a processing instruction",
        })
    }
}

impl fmt::Display for XmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(what) => what.fmt(f),
            Self::Limit => write!(
                f,
                "more than {DEPTH} open elements, {ELEMENTS} elements or {ATTRIBUTES} attributes of one element"
            ),
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

impl Element {
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The children of that name.
    pub(super) fn all<'e>(
        &'e self,
        namespace: &'e str,
        name: &'e str,
    ) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.is(namespace, name))
    }

    /// The first child of that name.
    pub(super) fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// The first child of that name, whatever its namespace.
    pub(super) fn child_named(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found =
            self.attributes.iter().find(|one| one.namespace == namespace && one.name == name);
        found.map(|one| one.value.as_str())
    }

    /// The names of its children, for people.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.children.iter().map(|child| child.name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }

    /// Whether there is text beside its children.
    pub(super) fn has_stray_text(&self) -> bool {
        !self.children.is_empty() && !self.text.trim().is_empty()
    }

    /// Whether it says that it has no value.
    pub(super) fn is_nil(&self) -> bool {
        let nil = self.attribute("http://www.w3.org/2001/XMLSchema-instance", "nil");
        matches!(nil.map(str::trim), Some("true" | "1"))
    }
}

impl<'s> Document<'s> {
    /// Reads a document; a byte order mark has been taken off.
    ///
    /// # Errors
    /// When there is no tree to judge.
    pub(super) fn read(source: &'s str) -> Result<Self, XmlFault> {
        if let Some((at, _)) = source.char_indices().find(|(_, one)| !is_xml_char(*one)) {
            return Err(malformed(source, at, "a character that XML does not have"));
        }
        let mut reading = Reading {
            source,
            reader: NsReader::from_str(source),
            open: vec![],
            elements: 0,
            root: None,
            comments: vec![],
            has_declaration: false,
            forbidden: None,
        };
        // After something forbidden, what follows it may be read otherwise than it was meant.
        reading.all().map_err(|fault| reading.forbidden.map_or(fault, XmlFault::Forbidden))?;
        let nothing = || malformed(source, source.len(), "no element");
        Ok(Self {
            source,
            root: reading.root.ok_or_else(nothing)?,
            comments: reading.comments,
            has_declaration: reading.has_declaration,
            forbidden: reading.forbidden,
        })
    }

    /// What stands between the tags of an element, as it was written.
    pub(super) fn inside(&self, element: &Element) -> &'s str {
        self.source.get(element.inner.clone()).unwrap_or_default()
    }
}

/// A document that is being read.
struct Reading<'s> {
    source: &'s str,
    reader: NsReader<&'s [u8]>,
    open: Vec<Element>,
    elements: usize,
    root: Option<Element>,
    comments: Vec<Range<usize>>,
    has_declaration: bool,
    forbidden: Option<Forbidden>,
}

impl Reading<'_> {
    fn all(&mut self) -> Result<(), XmlFault> {
        loop {
            let from = self.position();
            let Ok(event) = self.reader.read_event() else { return Err(self.broken(from)) };
            match event {
                Event::Start(start) => self.enter(from, &start)?,
                Event::Empty(start) => {
                    self.enter(from, &start)?;
                    self.leave(self.position());
                }
                Event::End(_) => self.leave(from),
                Event::Text(text) => self.text(from, &text.xml10_content())?,
                Event::CData(text) => {
                    self.text(from, &text.xml10_content())?;
                    if let Some(open) = self.open.last_mut() {
                        open.has_cdata = true;
                    }
                }
                Event::GeneralRef(reference) => self.reference(from, &reference)?,
                Event::Decl(_) if from == 0 => self.has_declaration = true,
                Event::Decl(_) => return Err(self.malformed(from, "a second XML declaration")),
                Event::Comment(_) => self.comments.push(from..self.position()),
                Event::DocType(_) => self.forbid(Forbidden::Dtd),
                Event::PI(_) => self.forbid(Forbidden::Instruction),
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err(self.malformed(from, "an element that is not closed")),
            }
        }
    }

    fn enter(&mut self, from: usize, start: &BytesStart<'_>) -> Result<(), XmlFault> {
        self.elements += 1;
        if self.elements > ELEMENTS || self.open.len() >= DEPTH {
            return Err(XmlFault::Limit);
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed(from, "a second root element"));
        }
        let attributes = self.attributes(from, start)?;
        let (namespace, name) = self.reader.resolver().resolve_element(start.name());
        let Some(namespace) = resolved(&namespace) else {
            return Err(self.malformed(from, "a prefix that is not declared"));
        };
        let name = name.as_ref().to_owned();
        let at = self.position();
        self.open.push(Element {
            namespace,
            name,
            attributes,
            inner: at..at,
            ..Element::default()
        });
        Ok(())
    }

    fn attributes(&self, from: usize, start: &BytesStart<'_>) -> Result<Vec<Attribute>, XmlFault> {
        let mut found = vec![];
        for (count, attribute) in start.attributes().enumerate() {
            if count >= ATTRIBUTES {
                return Err(XmlFault::Limit);
            }
            let wrong = || self.malformed(from, "an attribute that is not written as XML asks");
            let attribute = attribute.map_err(|_position| wrong())?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, name) = self.reader.resolver().resolve_attribute(attribute.key);
            let namespace = resolved(&namespace).ok_or_else(wrong)?;
            let value = unescape(&attribute.value).map_err(|_reference| wrong())?.into_owned();
            let span = match &attribute.value {
                Cow::Borrowed(raw) => span_of(self.source, raw),
                Cow::Owned(_) => None,
            };
            let name = name.as_ref().to_owned();
            let span = span.unwrap_or_else(|| from..self.position());
            found.push(Attribute { namespace, name, value, span });
        }
        Ok(found)
    }

    fn leave(&mut self, end: usize) {
        let Some(mut element) = self.open.pop() else { return };
        element.inner.end = end.max(element.inner.start);
        element.value_namespace = self.namespace_of_value(&element.text);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    /// The namespace of a text that is a qualified name; the prefixes of the element it stands in are still in force.
    fn namespace_of_value(&self, text: &str) -> Option<String> {
        let name = text.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_whitespace) {
            return None;
        }
        let (namespace, _) = self.reader.resolver().resolve(QName(name), true);
        resolved(&namespace).filter(|namespace| !namespace.is_empty())
    }

    fn text(&mut self, from: usize, text: &str) -> Result<(), XmlFault> {
        if self.open.is_empty() {
            if text.trim().is_empty() {
                return Ok(());
            }
            return Err(self.malformed(from, "text outside of the root element"));
        }
        let raw = self.source.get(from..self.position()).unwrap_or_default();
        if let Some(open) = self.open.last_mut() {
            open.has_raw_returns |= raw.contains('\r');
            open.text.push_str(text);
        }
        Ok(())
    }

    fn reference(&mut self, from: usize, reference: &BytesRef<'_>) -> Result<(), XmlFault> {
        let character = reference.resolve_char_ref().ok().flatten().filter(|one| is_xml_char(*one));
        let entity = resolve_predefined_entity(reference);
        match (self.open.last_mut(), character, entity) {
            (Some(open), Some(character), _) => open.text.push(character),
            (Some(open), None, Some(text)) => open.text.push_str(text),
            _ => return Err(self.malformed(from, "a reference to what XML does not have")),
        }
        Ok(())
    }

    fn forbid(&mut self, what: Forbidden) {
        self.forbidden.get_or_insert(what);
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// What the reader stumbled over.
    fn broken(&self, from: usize) -> XmlFault {
        let rest = self.source.get(from..).unwrap_or_default();
        if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!DOCTYPE")) {
            return XmlFault::Forbidden(Forbidden::Dtd);
        }
        self.malformed(from, "markup that is not closed, or a bare & or <")
    }

    fn malformed(&self, at: usize, what: &str) -> XmlFault {
        malformed(self.source, at, what)
    }
}

fn malformed(source: &str, at: usize, what: &str) -> XmlFault {
    let before = source.get(..at).unwrap_or(source);
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    XmlFault::Malformed(format!("{what} (line {line}, column {column} of the XML)"))
}

/// A namespace as text; none when a prefix is not declared.
fn resolved(namespace: &ResolveResult<'_>) -> Option<String> {
    match namespace {
        ResolveResult::Unbound => Some(String::new()),
        ResolveResult::Bound(namespace) => Some(namespace.as_ref().to_owned()),
        ResolveResult::Unknown(_) => None,
    }
}

/// Whether a character may stand in a document. Source: XML 1.0, section 2.2.
const fn is_xml_char(one: char) -> bool {
    matches!(one, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Where a part of a text stands in it.
fn span_of(source: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(source.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    source.get(start..end).map(|_inside| start..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(source: &str) -> Document<'_> {
        Document::read(source).unwrap()
    }

    #[test]
    fn a_tree_holds_what_was_written() {
        let document = read(
            "<?xml version=\"1.0\"?>\r\n<a:A xmlns:a=\"urn:a\" xmlns=\"urn:d\" a:x=\"1&amp;2\"><!-- no --><b>c&#xD;d\r\ne</b>\
             <b xmlns=\"\"><![CDATA[<&>]]> &lt;</b></a:A>\r\n",
        );
        let [first, second] = document.root.children.as_slice() else { panic!("two children") };

        assert!(document.has_declaration && document.forbidden.is_none());
        assert!(document.root.is("urn:a", "A"));
        assert_eq!(document.root.attribute("urn:a", "x"), Some("1&2"));
        assert_eq!(document.source.get(document.comments[0].clone()), Some("<!-- no -->"));
        assert!(first.is("urn:d", "b") && second.is("", "b"));
        assert_eq!((first.text.as_str(), first.has_raw_returns), ("c\rd\ne", true));
        assert_eq!((second.text.as_str(), second.has_cdata), ("<&> <", true));
        assert_eq!(document.inside(second), "<![CDATA[<&>]]> &lt;");
    }

    #[test]
    fn a_text_that_is_a_name_has_the_namespace_of_its_place() {
        let document = read(
            "<e xmlns:s=\"urn:one\"><a xmlns:s=\"urn:two\"> s:Receiver </a><a>s:Receiver</a><a>t:Receiver</a><a>Receiver</a>\
             <a xmlns=\"urn:three\">Receiver</a><a>s:Receiver of it</a></e>",
        );

        let found: Vec<Option<&str>> =
            document.root.children.iter().map(|child| child.value_namespace.as_deref()).collect();

        assert_eq!(found, [Some("urn:two"), Some("urn:one"), None, None, Some("urn:three"), None]);
    }

    #[test]
    fn what_is_not_well_formed_is_told_with_its_place_and_nothing_of_the_text() {
        for source in [
            "",
            "hello",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>hello",
            "<x:a/>",
            "<a x:b=''/>",
            "<a>&hello;</a>",
            "<a>x & y</a>",
            "<a>&#x0B;</a>",
            "<a>\u{B}</a>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
            "<a/><?xml version=\"1.0\"?>",
        ] {
            let fault = Document::read(source).unwrap_err();
            let XmlFault::Malformed(text) = fault else { panic!("{source}: {fault}") };
            assert!(text.contains("column") && !text.contains("hello"), "{source}: {text}");
        }
    }

    #[test]
    fn bounds_are_kept() {
        let attributes = (0..65).fold(String::new(), |text, one| format!("{text} a{one}=''"));

        for source in [
            "<a>".repeat(65),
            format!("<a{attributes}/>"),
            "<a>".to_owned() + &"<b/>".repeat(20_000),
        ] {
            assert_eq!(Document::read(&source).unwrap_err(), XmlFault::Limit);
        }
        read(&("<a>".repeat(64) + &"</a>".repeat(64)));
    }

    #[test]
    fn what_soap_forbids_is_noted_and_outlives_what_cannot_be_read_after_it() {
        let noted = |source: &str| read(source).forbidden;

        assert_eq!(noted("<a/>"), None);
        assert_eq!(noted("<!DOCTYPE a><a/>"), Some(Forbidden::Dtd));
        assert_eq!(noted("<?xml version=\"1.0\"?><?x y?><a/>"), Some(Forbidden::Instruction));
        for source in ["<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<!DOCTYPE a [", "<!doctype a"]
        {
            let fault = Document::read(source).unwrap_err();
            assert_eq!(fault, XmlFault::Forbidden(Forbidden::Dtd), "{source}");
        }
    }

    proptest! {
        #[test]
        fn no_markup_panics(text in "[<>/a-c:=\"'&;#x0-9!\\[\\]? -]{0,80}") {
            if let Ok(document) = Document::read(&text) {
                prop_assert!(text.contains(document.inside(&document.root)));
            }
        }
    }
}
