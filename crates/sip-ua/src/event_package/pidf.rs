//! Whether somebody can be reached: `application/pidf+xml` ([RFC 3863 §4]).
//!
//! [RFC 3863 §4]: https://www.rfc-editor.org/rfc/rfc3863#section-4

use super::StateError;
use super::xml::Element;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:pidf";

/// Whether a tuple takes messages or calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basic {
    /// It does.
    Open,
    /// It does not.
    Closed,
}

/// One way to reach somebody.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tuple {
    /// Names it in this document.
    pub id: String,
    /// Whether it can be used.
    pub basic: Option<Basic>,
    /// Where: a URI.
    pub contact: Option<String>,
    /// Words for a person.
    pub notes: Vec<String>,
    /// When this was so: a date and time of [RFC 3339].
    ///
    /// [RFC 3339]: https://www.rfc-editor.org/rfc/rfc3339
    pub timestamp: Option<String>,
}

/// The presence of somebody ([RFC 3863 §4.1]).
///
/// [RFC 3863 §4.1]: https://www.rfc-editor.org/rfc/rfc3863#section-4.1
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Presence {
    /// Who: a `pres:` or `sip:` URI.
    pub entity: String,
    /// The ways to reach the person.
    pub tuples: Vec<Tuple>,
    /// Words for a person about the whole.
    pub notes: Vec<String>,
}

impl Presence {
    /// The event package ([RFC 3856]).
    ///
    /// [RFC 3856]: https://www.rfc-editor.org/rfc/rfc3856
    pub const PACKAGE: &'static str = "presence";
    /// The media type.
    pub const MEDIA_TYPE: &'static str = "application/pidf+xml";

    /// Somebody with one way to be reached.
    #[must_use]
    pub fn new(entity: impl Into<String>, basic: Basic) -> Self {
        let tuple = Tuple { id: "1".to_owned(), basic: Some(basic), ..Tuple::default() };
        Self { entity: entity.into(), tuples: vec![tuple], notes: Vec::new() }
    }

    /// Whether any tuple is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tuples.iter().any(|tuple| tuple.basic == Some(Basic::Open))
    }

    /// Reads a document; extensions of it are passed over.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn parse(body: &[u8]) -> Result<Self, StateError> {
        let root = Element::parse(body, "presence")?;
        let tuple = |element: &Element| {
            let basic = element.find("status").and_then(|status| status.find("basic"));
            Ok(Tuple {
                id: element.required("id")?,
                basic: match basic.map(Element::text) {
                    Some("open") => Some(Basic::Open),
                    Some("closed") => Some(Basic::Closed),
                    _ => None,
                },
                contact: element.find("contact").map(|contact| contact.text().to_owned()),
                notes: notes(element),
                timestamp: element.find("timestamp").map(|time| time.text().to_owned()),
            })
        };
        Ok(Self {
            entity: root.required("entity")?,
            tuples: root.all("tuple").map(tuple).collect::<Result<_, StateError>>()?,
            notes: notes(&root),
        })
    }

    /// The document.
    #[must_use]
    pub fn to_text(&self) -> String {
        Element::new("presence")
            .with("entity", &self.entity)
            .children_from(self.tuples.iter().map(write_tuple))
            .children_from(write_notes(&self.notes))
            .document(NAMESPACE)
    }
}

fn notes(element: &Element) -> Vec<String> {
    element.all("note").map(|note| note.text().to_owned()).collect()
}

fn write_notes(notes: &[String]) -> impl Iterator<Item = Element> {
    notes.iter().map(|note| Element::new("note").text_of(note))
}

fn write_tuple(tuple: &Tuple) -> Element {
    let basic = tuple.basic.map(|basic| {
        let word = match basic {
            Basic::Open => "open",
            Basic::Closed => "closed",
        };
        Element::new("basic").text_of(word)
    });
    let contact = tuple.contact.as_ref().map(|uri| Element::new("contact").text_of(uri));
    let timestamp = tuple.timestamp.as_ref().map(|time| Element::new("timestamp").text_of(time));
    Element::new("tuple")
        .with("id", &tuple.id)
        .child(Element::new("status").children_from(basic))
        .children_from(contact)
        .children_from(write_notes(&tuple.notes))
        .children_from(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3863 §4.1 — presence with tuples, basic status, contact, notes and timestamp
    #[test]
    fn presence_is_read_and_written() {
        let text = r#"<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" entity="pres:someone@example.com">
            <impp:tuple id="sg89ae">
              <impp:status><impp:basic>open</impp:basic><x:mood xmlns:x="urn:x">glad</x:mood></impp:status>
              <impp:contact priority="0.8">tel:+09012345678</impp:contact>
              <impp:note xml:lang="en">Don't Disturb Please!</impp:note>
              <impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp>
            </impp:tuple>
            <impp:note>I'll be in Tokyo next week</impp:note>
          </impp:presence>"#;
        let presence = Presence::parse(text.as_bytes()).unwrap();
        assert!(presence.is_open());
        assert_eq!(presence.notes, ["I'll be in Tokyo next week"]);
        let tuple = &presence.tuples[0];
        assert_eq!(tuple.contact.as_deref(), Some("tel:+09012345678"));
        assert_eq!(tuple.timestamp.as_deref(), Some("2001-10-27T16:49:29Z"));
        assert_eq!(Presence::parse(presence.to_text().as_bytes()), Ok(presence));
        assert!(!Presence::new("sip:a@b", Basic::Closed).is_open());
        assert_eq!(Presence::parse(b"<presence/>"), Err(StateError::Missing("entity")));
    }
}
