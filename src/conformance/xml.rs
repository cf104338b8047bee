//! A reply as a small tree: names with their namespaces, attributes, text, and where each element stands.
//!
//! This reader is strict and of its own: it shares nothing with the reader of the service that it may judge.

use quick_xml::XmlVersion;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};
use quick_xml::reader::NsReader;

/// Elements open at one time.
const DEEPEST: usize = 64;
/// Elements of a document.
const MOST: usize = 20_000;

/// An attribute; namespace declarations are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) namespace: String,
    pub(super) prefix: String,
    pub(super) name: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Self>,
    /// The text directly in it, resolved and with line ends as XML has them.
    pub(super) text: String,
    /// What stands between its tags, as it was written.
    pub(super) raw: String,
    /// Whether a part of its text is in a CDATA section.
    pub(super) has_cdata: bool,
    /// The prefixes in force and what they stand for.
    scope: Vec<(String, String)>,
    /// Where its start tag ends, in bytes.
    inside: usize,
}

/// What a document holds beside its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) root: Element,
    pub(super) has_declaration: bool,
    /// A document type declaration or a processing instruction, which SOAP forbids.
    pub(super) forbidden: Option<&'static str>,
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

    pub(super) fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found =
            self.attributes.iter().find(|one| one.namespace == namespace && one.name == name);
        found.map(|one| one.value.as_str())
    }

    /// The namespace that a prefix stands for here; the empty prefix is the default namespace.
    pub(super) fn bound(&self, prefix: &str) -> Option<&str> {
        let found = self.scope.iter().rev().find(|(known, _)| known == prefix);
        found.map(|(_, namespace)| namespace.as_str())
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
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it and at which byte.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()))?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut building = Building { text, document: Self::default(), open: vec![], count: 0 };
        let mut reader = NsReader::from_str(text);
        reader.config_mut().check_end_names = true;
        loop {
            let at = reader.buffer_position();
            let event = reader.read_event().map_err(|error| format!("at byte {at}: {error}"))?;
            let before = usize::try_from(at).unwrap_or(usize::MAX);
            let after = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            if matches!(event, Event::Eof) {
                break;
            }
            building
                .take(&reader, event, before, after)
                .map_err(|why| format!("at byte {at}: {why}"))?;
        }
        building.done()
    }
}

/// A document that is being read.
struct Building<'t> {
    text: &'t str,
    document: Document,
    open: Vec<Element>,
    count: usize,
}

impl Building<'_> {
    fn take(
        &mut self,
        reader: &NsReader<&[u8]>,
        event: Event<'_>,
        before: usize,
        after: usize,
    ) -> Result<(), String> {
        match event {
            Event::Start(start) => self.enter(reader, &start, after),
            Event::Empty(start) => {
                self.enter(reader, &start, after)?;
                self.leave(after)
            }
            Event::End(_) => self.leave(before),
            Event::Text(run) => self.write(&run.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(run) => {
                if let Some(here) = self.open.last_mut() {
                    here.has_cdata = true;
                }
                self.write(&run.xml_content(XmlVersion::Implicit1_0))
            }
            Event::GeneralRef(name) => {
                let reference = name.resolve_char_ref().map_err(|error| error.to_string())?;
                match (reference, resolve_predefined_entity(&name)) {
                    (Some(one), _) => self.write(one.encode_utf8(&mut [0; 4])),
                    (None, Some(text)) => self.write(text),
                    (None, None) => Err("an entity is not declared".to_owned()),
                }
            }
            Event::Decl(_) => {
                self.document.has_declaration = true;
                Ok(())
            }
            Event::DocType(_) => {
                self.document.forbidden = Some("a document type declaration");
                Ok(())
            }
            Event::PI(_) => {
                self.document.forbidden = Some("a processing instruction");
                Ok(())
            }
            Event::Comment(_) | Event::Eof => Ok(()),
        }
    }

    fn enter(
        &mut self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        inside: usize,
    ) -> Result<(), String> {
        self.count += 1;
        if self.open.len() >= DEEPEST || self.count > MOST {
            return Err("there are more elements than a reply has".to_owned());
        }
        if self.open.is_empty() && !self.document.root.name.is_empty() {
            return Err("there is a second root element".to_owned());
        }
        let (namespace, name) = reader.resolver().resolve_element(start.name());
        let mut element = Element {
            namespace: namespace_of(&namespace)?,
            prefix: start.name().prefix().map_or("", |prefix| prefix.into_inner()).to_owned(),
            name: name.into_inner().to_owned(),
            inside,
            ..Element::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            let value = unescape(&attribute.value).map_err(|error| error.to_string())?;
            element.attributes.push(Attribute {
                namespace: namespace_of(&namespace)?,
                name: name.into_inner().to_owned(),
                value: value.into_owned(),
            });
        }
        for (prefix, namespace) in reader.resolver().bindings() {
            let prefix = match prefix {
                PrefixDeclaration::Default => "",
                PrefixDeclaration::Named(name) => name,
            };
            element.scope.push((prefix.to_owned(), namespace.0.to_owned()));
        }
        self.open.push(element);
        Ok(())
    }

    fn leave(&mut self, end: usize) -> Result<(), String> {
        let mut element = self.open.pop().ok_or("an end tag without its start")?;
        self.text.get(element.inside..end).unwrap_or_default().clone_into(&mut element.raw);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.document.root = element,
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        let allowed = |one: char| !matches!(one, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}');
        if !text.chars().all(allowed) {
            return Err("there is a character that XML does not allow".to_owned());
        }
        match self.open.last_mut() {
            Some(here) => here.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("there is text outside of the root element".to_owned()),
        }
        Ok(())
    }

    fn done(self) -> Result<Document, String> {
        if !self.open.is_empty() {
            return Err("it ends before its root element does".to_owned());
        }
        if self.document.root.name.is_empty() {
            return Err("there is no element".to_owned());
        }
        Ok(self.document)
    }
}

fn namespace_of(found: &ResolveResult<'_>) -> Result<String, String> {
    match found {
        ResolveResult::Bound(namespace) => Ok(namespace.0.to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix} is not declared")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(text: &str) -> Element {
        Document::read(text.as_bytes()).unwrap().root
    }

    #[test]
    fn names_are_resolved_and_texts_joined() {
        let root = root(
            "<?xml version=\"1.0\"?>\r\n<a:b xmlns:a=\"urn:a\" xmlns=\"urn:d\" a:x=\"1&amp;2\"><c>1 &lt;&#xD;\r\n<![CDATA[<&>]]></c></a:b>",
        );

        assert!(root.is("urn:a", "b"));
        assert_eq!(root.attribute("urn:a", "x"), Some("1&2"));
        let child = root.child("urn:d", "c").unwrap();
        assert_eq!(child.text, "1 <\r\n<&>");
        assert_eq!(child.raw, "1 &lt;&#xD;\r\n<![CDATA[<&>]]>");
        assert!(child.has_cdata);
        assert_eq!(
            (child.bound("a"), child.bound(""), child.bound("q")),
            (Some("urn:a"), Some("urn:d"), None)
        );
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "hello",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<x:a/>",
            "<a>&nbsp;</a>",
            "<a>&#x0B;</a>",
            "<a>\u{B}</a>",
            "<a b='1' b='2'/>",
        ] {
            assert!(Document::read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Document::read(b"<a>\xFC</a>").is_err());
    }

    #[test]
    fn what_soap_forbids_is_noted() {
        let read = |text: &str| Document::read(text.as_bytes()).unwrap().forbidden;

        assert_eq!(read("<a/>"), None);
        assert_eq!(read("<!DOCTYPE a><a/>"), Some("a document type declaration"));
        assert_eq!(read("<?x y?><a/>"), Some("a processing instruction"));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::read(&bytes);
        }

        #[test]
        fn any_markup_never_panics(text in "[<>/a-c:=\"'&;#x0-9!\\[\\]? -]{0,80}") {
            let _ = Document::read(text.as_bytes());
        }
    }
}
