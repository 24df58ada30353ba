//! The calls of a user: `application/dialog-info+xml` ([RFC 4235 §4]).
//!
//! [RFC 4235 §4]: https://www.rfc-editor.org/rfc/rfc4235#section-4

use super::xml::Element;
use super::{Extent, StateError};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:dialog-info";

/// The state of a call ([RFC 4235 §3.7.1]).
///
/// [RFC 4235 §3.7.1]: https://www.rfc-editor.org/rfc/rfc4235#section-3.7.1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallState {
    /// The INVITE is under way.
    Trying,
    /// A provisional response without a tag came.
    Proceeding,
    /// It rings.
    Early,
    /// It was answered.
    Confirmed,
    /// It is over.
    Terminated,
}

const STATES: [(CallState, &str); 5] = [
    (CallState::Trying, "trying"),
    (CallState::Proceeding, "proceeding"),
    (CallState::Early, "early"),
    (CallState::Confirmed, "confirmed"),
    (CallState::Terminated, "terminated"),
];

/// Who called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallDirection {
    /// The observed user did.
    Initiator,
    /// The observed user was called.
    Recipient,
}

/// One end of a call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Participant {
    /// Who: a URI.
    pub identity: Option<String>,
    /// The name shown beside it.
    pub display: Option<String>,
    /// Where: the Contact.
    pub target: Option<String>,
}

/// One dialog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogState {
    /// Names it in this subscription.
    pub id: String,
    /// The Call-ID.
    pub call_id: Option<String>,
    /// The tag of the observed user.
    pub local_tag: Option<String>,
    /// The tag of the other one.
    pub remote_tag: Option<String>,
    /// Who called.
    pub direction: Option<CallDirection>,
    /// How it stands.
    pub state: CallState,
    /// What brought it there: `cancelled`, `rejected`, `replaced`, `local-bye`, `remote-bye`, `error`, `timeout`.
    pub event: Option<String>,
    /// The status that did.
    pub code: Option<u16>,
    /// Seconds since it began.
    pub duration: Option<u64>,
    /// The observed user.
    pub local: Option<Participant>,
    /// The other one.
    pub remote: Option<Participant>,
}

impl DialogState {
    /// A dialog of which nothing but its state is told.
    #[must_use]
    pub fn new(id: impl Into<String>, state: CallState) -> Self {
        Self {
            id: id.into(),
            call_id: None,
            local_tag: None,
            remote_tag: None,
            direction: None,
            state,
            event: None,
            code: None,
            duration: None,
            local: None,
            remote: None,
        }
    }
}

/// The calls of a user ([RFC 4235 §4.1]).
///
/// [RFC 4235 §4.1]: https://www.rfc-editor.org/rfc/rfc4235#section-4.1
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DialogInfo {
    /// Counts the documents of a subscription, from 0.
    pub version: u32,
    /// Whether this is all.
    pub extent: Extent,
    /// Who is observed: a URI.
    pub entity: String,
    /// The dialogs.
    pub dialogs: Vec<DialogState>,
}

impl DialogInfo {
    /// The event package.
    pub const PACKAGE: &'static str = "dialog";
    /// The media type.
    pub const MEDIA_TYPE: &'static str = "application/dialog-info+xml";

    /// All dialogs of somebody.
    #[must_use]
    pub fn full(version: u32, entity: impl Into<String>, dialogs: Vec<DialogState>) -> Self {
        Self { version, extent: Extent::Full, entity: entity.into(), dialogs }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn parse(body: &[u8]) -> Result<Self, StateError> {
        let root = Element::parse(body, "dialog-info")?;
        Ok(Self {
            version: root.number("version").ok_or(StateError::Missing("version"))?,
            extent: Extent::read(root.attribute("state"))?,
            entity: root.required("entity")?,
            dialogs: root.all("dialog").map(dialog).collect::<Result<_, _>>()?,
        })
    }

    /// The document.
    #[must_use]
    pub fn to_text(&self) -> String {
        Element::new("dialog-info")
            .with("version", self.version.to_string())
            .with("state", self.extent.as_str())
            .with("entity", &self.entity)
            .children_from(self.dialogs.iter().map(write_dialog))
            .document(NAMESPACE)
    }
}

fn dialog(element: &Element) -> Result<DialogState, StateError> {
    let state = element.find("state").ok_or(StateError::Missing("state"))?;
    let known = STATES.iter().find(|(_, name)| *name == state.text()).map(|(state, _)| *state);
    Ok(DialogState {
        id: element.required("id")?,
        call_id: element.owned("call-id"),
        local_tag: element.owned("local-tag"),
        remote_tag: element.owned("remote-tag"),
        direction: match element.attribute("direction") {
            Some("initiator") => Some(CallDirection::Initiator),
            Some("recipient") => Some(CallDirection::Recipient),
            _ => None,
        },
        state: known.ok_or(StateError::Missing("state"))?,
        event: state.owned("event"),
        code: state.number("code"),
        duration: element.find("duration").and_then(|duration| duration.text().parse().ok()),
        local: element.find("local").map(participant),
        remote: element.find("remote").map(participant),
    })
}

fn participant(element: &Element) -> Participant {
    let identity = element.find("identity");
    Participant {
        identity: identity.map(|identity| identity.text().to_owned()),
        display: identity.and_then(|identity| identity.owned("display")),
        target: element.find("target").and_then(|target| target.owned("uri")),
    }
}

fn write_dialog(dialog: &DialogState) -> Element {
    let direction = dialog.direction.map(|direction| match direction {
        CallDirection::Initiator => "initiator",
        CallDirection::Recipient => "recipient",
    });
    let name = STATES.iter().find(|(state, _)| *state == dialog.state).map_or("trying", |(_, name)| name);
    let state = Element::new("state")
        .with_some("event", dialog.event.as_deref())
        .with_some("code", dialog.code.map(|code| code.to_string()))
        .text_of(name);
    let duration = dialog.duration.map(|seconds| Element::new("duration").text_of(seconds.to_string()));
    let local = dialog.local.as_ref().map(|local| write_participant("local", local));
    let remote = dialog.remote.as_ref().map(|remote| write_participant("remote", remote));
    Element::new("dialog")
        .with("id", &dialog.id)
        .with_some("call-id", dialog.call_id.as_deref())
        .with_some("local-tag", dialog.local_tag.as_deref())
        .with_some("remote-tag", dialog.remote_tag.as_deref())
        .with_some("direction", direction)
        .child(state)
        .children_from(duration.into_iter().chain(local).chain(remote))
}

fn write_participant(name: &str, participant: &Participant) -> Element {
    let identity = participant.identity.as_ref().map(|uri| {
        Element::new("identity").with_some("display", participant.display.as_deref()).text_of(uri)
    });
    let target = participant.target.as_ref().map(|uri| Element::new("target").with("uri", uri));
    Element::new(name).children_from(identity.into_iter().chain(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 4235 §4.1 — dialog-info with dialogs, states, durations and participants
    #[test]
    fn the_calls_of_a_user_are_read_and_written() {
        let text = r#"<?xml version="1.0"?>
            <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:alice@example.com">
              <dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="456887766"
                      direction="initiator">
                <state event="remote-bye" code="200">terminated</state>
                <duration>274</duration>
                <local><target uri="sip:alice@pc33.example.com"/></local>
                <remote><identity display="Bob">sip:bob@example.org</identity><target uri="sip:bobster@phone21.example.org"/></remote>
              </dialog>
              <dialog id="2"><state>early</state></dialog>
            </dialog-info>"#;
        let info = DialogInfo::parse(text.as_bytes()).unwrap();
        assert_eq!((info.version, info.extent, &*info.entity), (1, Extent::Full, "sip:alice@example.com"));
        let first = &info.dialogs[0];
        assert_eq!((first.state, first.code, first.duration), (CallState::Terminated, Some(200), Some(274)));
        assert_eq!(first.direction, Some(CallDirection::Initiator));
        assert_eq!(first.remote.as_ref().unwrap().display.as_deref(), Some("Bob"));
        assert_eq!(info.dialogs[1], DialogState::new("2", CallState::Early));
        assert_eq!(DialogInfo::parse(info.to_text().as_bytes()), Ok(info));
    }

    #[test]
    fn what_must_be_there_is_asked_for() {
        let whole = DialogInfo::full(0, "sip:a@b", vec![DialogState::new("1", CallState::Trying)]).to_text();
        assert!(DialogInfo::parse(whole.as_bytes()).is_ok());
        for part in ["version=\"0\"", "state=\"full\"", "entity=\"sip:a@b\"", "id=\"1\"", "trying"] {
            assert!(DialogInfo::parse(whole.replace(part, "").as_bytes()).is_err(), "{part}");
        }
    }
}
