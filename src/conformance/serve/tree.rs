//! The XML of a request as a tree: what was written, not what a tolerant reader makes of it.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::NsReader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Open elements at one time.
const DEPTH: usize = 32;

/// Elements of a document.
const ELEMENTS: usize = 2_000;

/// Attributes of an element, namespace declarations included.
const ATTRIBUTES: usize = 64;

/// A document.
pub(super) struct Document {
    pub(super) root: Element,
    /// Where comments stand in it.
    pub(super) comments: Vec<Range<usize>>,
}

/// An element with all in it.
#[derive(Default)]
pub(super) struct Element {
    /// Its namespace; empty: none.
    pub(super) namespace: String,
    /// Its name without prefix.
    pub(super) name: String,
    /// Its attributes but namespace declarations.
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Self>,
    /// Its own text, with references resolved and line ends as XML 1.0 hands them on.
    pub(super) text: String,
    /// Whether a part of its text stood in CDATA.
    pub(super) has_cdata: bool,
    /// Whether a carriage return stood in its text as it is, which XML hands on as a line feed.
    pub(super) has_raw_returns: bool,
    /// What stands between its tags, in bytes of the document.
    pub(super) inner: Range<usize>,
}

/// An attribute.
pub(super) struct Attribute {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: String,
    /// Where its value stands in the document.
    pub(super) span: Range<usize>,
}

impl Element {
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found =
            self.attributes.iter().find(|one| one.namespace == namespace && one.name == name);
        found.map(|one| one.value.as_str())
    }

    /// The first child of that name, whatever its namespace.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Whether it says that it has no value.
    pub(super) fn is_nil(&self) -> bool {
        let nil = self.attribute("http://www.w3.org/2001/XMLSchema-instance", "nil");
        matches!(nil.map(str::trim), Some("true" | "1"))
    }
}

/// Why a document is none that can be judged. Places only: what stands there may be a patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum XmlFault {
    /// A document type declaration.
    Dtd,
    /// A processing instruction.
    Instruction,
    /// Beyond our bounds.
    Limit,
    /// Not well-formed; where, and perhaps why.
    Malformed(String),
}

/// Reads a document.
pub(super) fn read(source: &str) -> Result<Document, XmlFault> {
    if let Some((at, _)) = source.char_indices().find(|(_, one)| !is_xml_char(*one)) {
        return Err(malformed(source, at, "a character that XML does not have"));
    }
    let reader = NsReader::from_str(source);
    let reading =
        Reading { source, reader, open: vec![], root: None, comments: vec![], elements: 0 };
    reading.read()
}

struct Reading<'s> {
    source: &'s str,
    reader: NsReader<&'s [u8]>,
    open: Vec<Element>,
    root: Option<Element>,
    comments: Vec<Range<usize>>,
    elements: usize,
}

impl Reading<'_> {
    fn read(mut self) -> Result<Document, XmlFault> {
        loop {
            let from = self.position();
            let (namespace, event) = match self.reader.read_resolved_event() {
                Ok((namespace, event)) => (resolved(&namespace), event),
                Err(_) => return Err(self.broken(from)),
            };
            match event {
                Event::Start(start) => self.enter(from, namespace, &start)?,
                Event::Empty(start) => {
                    self.enter(from, namespace, &start)?;
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
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character),
                        Ok(None) => entity(&reference),
                        Err(_) => None,
                    };
                    let known = character.filter(|one| is_xml_char(*one));
                    let Some(character) = known.filter(|_| !self.open.is_empty()) else {
                        return Err(self.malformed(from, "a reference to what XML does not have"));
                    };
                    self.push(&character.to_string());
                }
                Event::Decl(_) if from == 0 => {}
                Event::Decl(_) => return Err(self.malformed(from, "a second XML declaration")),
                Event::Comment(_) => self.comments.push(from..self.position()),
                Event::DocType(_) => return Err(XmlFault::Dtd),
                Event::PI(_) => return Err(XmlFault::Instruction),
                Event::Eof => return self.end(from),
            }
        }
    }

    fn end(self, at: usize) -> Result<Document, XmlFault> {
        if !self.open.is_empty() {
            return Err(self.malformed(at, "an element that is not closed"));
        }
        let source = self.source;
        let root = self.root.ok_or_else(|| malformed(source, at, "no element"))?;
        Ok(Document { root, comments: self.comments })
    }

    fn enter(
        &mut self,
        from: usize,
        namespace: Option<String>,
        start: &BytesStart<'_>,
    ) -> Result<(), XmlFault> {
        self.elements += 1;
        if self.elements > ELEMENTS || self.open.len() >= DEPTH {
            return Err(XmlFault::Limit);
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed(from, "a second root element"));
        }
        let Some(namespace) = namespace else {
            return Err(self.malformed(from, "a prefix that is not declared"));
        };
        let attributes = self.attributes(from, start)?;
        let name = start.local_name().as_ref().to_owned();
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
        if let Some(mut element) = self.open.pop() {
            element.inner.end = end.max(element.inner.start);
            match self.open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => self.root = Some(element),
            }
        }
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
        }
        self.push(text);
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if let Some(open) = self.open.last_mut() {
            open.text.push_str(text);
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// What the reader stumbled over.
    fn broken(&self, from: usize) -> XmlFault {
        let rest = self.source.get(from..).unwrap_or_default();
        if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!DOCTYPE")) {
            return XmlFault::Dtd;
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

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
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
    use super::*;

    fn fault(source: &str) -> XmlFault {
        read(source).err().unwrap()
    }

    #[test]
    fn a_tree_holds_what_was_written() {
        let root = read(
            "<?xml version=\"1.0\"?><a:A xmlns:a=\"urn:a\" x=\"1&amp;2\"><!-- no --><b>c&#xD;d\r\ne</b>\
             <b xmlns=\"urn:b\"><![CDATA[<f>]]></b></a:A>\r\n",
        );
        let root = root.unwrap_or_else(|error| panic!("{error:?}")).root;
        let [first, second] = root.children.as_slice() else { panic!("two children") };

        assert!(root.is("urn:a", "A"));
        assert_eq!(root.attribute("", "x"), Some("1&2"));
        assert!(first.is("", "b") && second.is("urn:b", "b"));
        assert_eq!((first.text.as_str(), first.has_raw_returns), ("c\rd\ne", true));
        assert_eq!((second.text.as_str(), second.has_cdata), ("<f>", true));
    }

    #[test]
    fn what_is_not_well_formed_is_told_with_its_place_and_nothing_of_the_text() {
        let cases = [
            "<a>",
            "<a></b>",
            "<a>x & y</a>",
            "<a>&nbsp;</a>",
            "<a/><b/>",
            "<x:a/>",
            "<a b=1/>",
            "",
        ];
        for source in
            [&cases[..], &["<a>\u{B}</a>", "<a>&#11;</a>", "<a/>text", "<a b='1' b='2'/>"]].concat()
        {
            let XmlFault::Malformed(text) = fault(source) else { panic!("{source}") };
            assert!(text.contains("column"), "{source}: {text}");
        }
        assert_eq!(fault("<!DOCTYPE a [<!ENTITY x \"y\">]><a/>"), XmlFault::Dtd);
        assert_eq!(fault("<?xml version=\"1.0\"?><?do it?><a/>"), XmlFault::Instruction);
        assert_eq!(fault(&"<a>".repeat(33)), XmlFault::Limit);
    }
}
