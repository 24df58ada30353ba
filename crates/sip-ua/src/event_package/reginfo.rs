//! The registrations of a user: `application/reginfo+xml` ([RFC 3680 §5]).
//!
//! [RFC 3680 §5]: https://www.rfc-editor.org/rfc/rfc3680#section-5

use super::xml::Element;
use super::{Extent, StateError};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:reginfo";

/// How an address-of-record stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegistrationState {
    /// It has no bindings and never had.
    Init,
    /// It has bindings.
    Active,
    /// It has none any more.
    Terminated,
}

const STATES: [(RegistrationState, &str); 3] = [
    (RegistrationState::Init, "init"),
    (RegistrationState::Active, "active"),
    (RegistrationState::Terminated, "terminated"),
];

/// How a binding stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContactState {
    /// It is there.
    Active,
    /// It is gone.
    Terminated,
}

/// A binding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundContact {
    /// Names it.
    pub id: String,
    /// How it stands.
    pub state: ContactState,
    /// What brought it there: `registered`, `created`, `refreshed`, `shortened`, `expired`, `deactivated`, `probation`,
    /// `unregistered`, `rejected`.
    pub event: Option<String>,
    /// Seconds it still has.
    pub expires: Option<u32>,
    /// Where: a URI.
    pub uri: String,
    /// The name shown beside it.
    pub display_name: Option<String>,
}

/// An address-of-record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisteredAor {
    /// The URI.
    pub aor: String,
    /// Names it.
    pub id: String,
    /// How it stands.
    pub state: RegistrationState,
    /// Its bindings.
    pub contacts: Vec<BoundContact>,
}

/// The registrations of a user ([RFC 3680 §5.2]).
///
/// [RFC 3680 §5.2]: https://www.rfc-editor.org/rfc/rfc3680#section-5.2
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RegInfo {
    /// Counts the documents of a subscription, from 0.
    pub version: u32,
    /// Whether this is all.
    pub extent: Extent,
    /// The addresses-of-record.
    pub registrations: Vec<RegisteredAor>,
}

impl RegInfo {
    /// The event package.
    pub const PACKAGE: &'static str = "reg";
    /// The media type.
    pub const MEDIA_TYPE: &'static str = "application/reginfo+xml";

    /// All registrations.
    #[must_use]
    pub fn full(version: u32, registrations: Vec<RegisteredAor>) -> Self {
        Self { version, extent: Extent::Full, registrations }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn parse(body: &[u8]) -> Result<Self, StateError> {
        let root = Element::parse(body, "reginfo")?;
        Ok(Self {
            version: root.number("version").ok_or(StateError::Missing("version"))?,
            extent: Extent::read(root.attribute("state"))?,
            registrations: root.all("registration").map(registration).collect::<Result<_, _>>()?,
        })
    }

    /// The document.
    #[must_use]
    pub fn to_text(&self) -> String {
        Element::new("reginfo")
            .with("version", self.version.to_string())
            .with("state", self.extent.as_str())
            .children_from(self.registrations.iter().map(write_registration))
            .document(NAMESPACE)
    }
}

fn registration(element: &Element) -> Result<RegisteredAor, StateError> {
    let state = element.attribute("state").and_then(|text| STATES.iter().find(|(_, name)| *name == text));
    Ok(RegisteredAor {
        aor: element.required("aor")?,
        id: element.required("id")?,
        state: state.map(|(state, _)| *state).ok_or(StateError::Missing("state"))?,
        contacts: element.all("contact").map(contact).collect::<Result<_, _>>()?,
    })
}

fn contact(element: &Element) -> Result<BoundContact, StateError> {
    Ok(BoundContact {
        id: element.required("id")?,
        state: match element.attribute("state") {
            Some("active") => ContactState::Active,
            Some("terminated") => ContactState::Terminated,
            _ => return Err(StateError::Missing("state")),
        },
        event: element.owned("event"),
        expires: element.number("expires"),
        uri: element.find("uri").map(|uri| uri.text().to_owned()).ok_or(StateError::Missing("uri"))?,
        display_name: element.find("display-name").map(|name| name.text().to_owned()),
    })
}

fn write_registration(registration: &RegisteredAor) -> Element {
    let state =
        STATES.iter().find(|(state, _)| *state == registration.state).map_or("init", |(_, name)| name);
    Element::new("registration")
        .with("aor", &registration.aor)
        .with("id", &registration.id)
        .with("state", state)
        .children_from(registration.contacts.iter().map(write_contact))
}

fn write_contact(contact: &BoundContact) -> Element {
    let state = match contact.state {
        ContactState::Active => "active",
        ContactState::Terminated => "terminated",
    };
    let name = contact.display_name.as_ref().map(|name| Element::new("display-name").text_of(name));
    Element::new("contact")
        .with("id", &contact.id)
        .with("state", state)
        .with_some("event", contact.event.as_deref())
        .with_some("expires", contact.expires.map(|seconds| seconds.to_string()))
        .child(Element::new("uri").text_of(&contact.uri))
        .children_from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3680 §5.2 — reginfo with registrations and their contacts
    #[test]
    fn registrations_are_read_and_written() {
        let text = r#"<?xml version="1.0"?>
            <reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="partial">
              <registration aor="sip:joe@example.com" id="a7" state="active">
                <contact id="76" state="active" event="registered" duration-registered="7322" q="0.8">
                  <uri>sip:joe@pc887.example.com</uri></contact>
                <contact id="77" state="terminated" event="expired" expires="0">
                  <uri>sip:joe@university.edu</uri><display-name>Joe</display-name></contact>
              </registration>
            </reginfo>"#;
        let info = RegInfo::parse(text.as_bytes()).unwrap();
        assert_eq!((info.version, info.extent), (1, Extent::Partial));
        let joe = &info.registrations[0];
        assert_eq!((&*joe.aor, joe.state), ("sip:joe@example.com", RegistrationState::Active));
        assert_eq!(joe.contacts[1].display_name.as_deref(), Some("Joe"));
        assert_eq!(joe.contacts[1].expires, Some(0));
        assert_eq!(RegInfo::parse(info.to_text().as_bytes()), Ok(info));
        let empty = "<reginfo version=\"0\" state=\"full\"><registration aor=\"x\" id=\"1\" state=\"odd\"/></reginfo>";
        assert_eq!(RegInfo::parse(empty.as_bytes()), Err(StateError::Missing("state")));
    }
}
