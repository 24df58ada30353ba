//! A small tree of elements, read with bounds and written escaped.

use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};

use super::StateError;

/// The most elements of a document.
pub const MAX_ELEMENTS: usize = 4096;
const MAX_DEPTH: usize = 32;
const MAX_ATTRIBUTES: usize = 32;

/// An element by its local name: prefixes are the writer's choice, and none of these documents mixes two names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Self>,
    text: String,
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn text_of(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(super) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    pub(super) fn children_from(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.attribute(name).map(str::to_owned)
    }

    pub(super) fn required(&self, name: &'static str) -> Result<String, StateError> {
        self.owned(name).ok_or(StateError::Missing(name))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.attribute(name)?.trim().parse().ok()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Reads a document whose root has this name.
    pub(super) fn parse(document: &[u8], root: &'static str) -> Result<Self, StateError> {
        let text = std::str::from_utf8(document).map_err(|_| StateError::Xml)?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut open: Vec<Self> = Vec::new();
        let mut count = 0;
        loop {
            match reader.read_event().map_err(|_| StateError::Xml)? {
                Event::Start(start) => {
                    count += 1;
                    if count > MAX_ELEMENTS || open.len() >= MAX_DEPTH {
                        return Err(StateError::TooLarge);
                    }
                    open.push(Self::of(&start)?);
                }
                Event::Empty(start) => {
                    count += 1;
                    if count > MAX_ELEMENTS {
                        return Err(StateError::TooLarge);
                    }
                    if let Some(done) = close(&mut open, Self::of(&start)?) {
                        return done.named(root);
                    }
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(StateError::Xml)?;
                    if let Some(done) = close(&mut open, element) {
                        return done.named(root);
                    }
                }
                Event::Text(text) => add(&mut open, &text),
                Event::CData(text) => add(&mut open, &text),
                Event::GeneralRef(reference) => {
                    let known =
                        unescape(&format!("&{};", &*reference)).map_err(|_| StateError::Xml)?.into_owned();
                    add(&mut open, &known);
                }
                Event::DocType(_) | Event::Eof => return Err(StateError::Xml),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn named(self, name: &'static str) -> Result<Self, StateError> {
        if self.name == name { Ok(self) } else { Err(StateError::Missing(name)) }
    }

    fn of(start: &BytesStart<'_>) -> Result<Self, StateError> {
        let mut element = Self::new(start.local_name().as_ref());
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| StateError::Xml)?;
            if element.attributes.len() >= MAX_ATTRIBUTES {
                return Err(StateError::TooLarge);
            }
            let value = unescape(&attribute.value).map_err(|_| StateError::Xml)?.into_owned();
            element.attributes.push((attribute.key.local_name().as_ref().to_owned(), value));
        }
        Ok(element)
    }

    /// The document, with this element as its root in a namespace.
    pub(super) fn document(self, namespace: &str) -> String {
        let mut root = self;
        root.attributes.insert(0, ("xmlns".to_owned(), namespace.to_owned()));
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
        root.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        let _ = write!(text, "<{}", self.name);
        for (name, value) in &self.attributes {
            // Writing into a String cannot fail.
            let _ = write!(text, " {name}=\"{}\"", escape(value.as_str()));
        }
        if self.children.is_empty() && self.text.is_empty() {
            text.push_str("/>");
            return;
        }
        text.push('>');
        text.push_str(&escape(self.text.as_str()));
        self.children.iter().for_each(|child| child.write(text));
        let _ = write!(text, "</{}>", self.name);
    }
}

/// Puts a finished element where it belongs; the root comes back.
fn close(open: &mut [Element], element: Element) -> Option<Element> {
    match open.last_mut() {
        Some(parent) => {
            parent.children.push(element);
            None
        }
        None => Some(element),
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Element, StateError> {
        Element::parse(text.as_bytes(), "a")
    }

    #[test]
    fn prefixes_comments_references_and_sections_are_read() {
        let element = parse(
            "\u{feff}<?xml version=\"1.0\"?><!-- c --><p:a xmlns:p=\"u\" x=\"1 &lt; 2\"><p:b>&amp;&#65;<![CDATA[<]]></p:b>\
             <p:c/></p:a>",
        );
        let element = element.unwrap();
        assert_eq!(element.attribute("x"), Some("1 < 2"));
        assert_eq!(element.find("b").unwrap().text(), "&A<");
        assert!(element.find("c").is_some() && element.find("d").is_none());
    }

    #[test]
    fn nothing_expands_and_nothing_grows_without_bound() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxx\">]><a>&x;</a>";
        assert_eq!(parse(bomb), Err(StateError::Xml));
        assert_eq!(parse("<a>&x;</a>"), Err(StateError::Xml));
        assert_eq!(parse("<a x=\"&x;\"/>"), Err(StateError::Xml));
        assert_eq!(parse(&"<a>".repeat(33)), Err(StateError::TooLarge));
        assert_eq!(parse(&format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS))), Err(StateError::TooLarge));
        let attributes: String = (0..40).map(|n| format!(" x{n}=\"\"")).collect();
        assert_eq!(parse(&format!("<a{attributes}/>")), Err(StateError::TooLarge));
        for broken in ["", "a", "<a>", "<a></b>", "</a>", "<a b=1/>", "<b/>"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
        assert_eq!(Element::parse(&[0xff, b'<'], "a"), Err(StateError::Xml));
    }

    #[test]
    fn what_is_written_reads_back() {
        let element = Element::new("a").with("x", "\"<&>'").child(Element::new("b").text_of("<&\">"));
        let read = parse(&element.clone().document("urn:x")).unwrap();
        assert_eq!(read.attribute("x"), Some("\"<&>'"));
        assert_eq!(read.find("b").unwrap().text(), "<&\">");
        assert_eq!(read.attribute("xmlns"), Some("urn:x"));
    }
}
