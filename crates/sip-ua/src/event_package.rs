//! The states that event packages carry, read and written: voice mail ([RFC 3842]), calls ([RFC 4235]), presence
//! ([RFC 3863]), registrations ([RFC 3680]).
//!
//! What comes is a peer's claim and is bounded: at most [`MAX_ELEMENTS`] elements of 32 levels, no document type, and no
//! entities but the five of XML, so that nothing expands.
//!
//! [RFC 3842]: https://www.rfc-editor.org/rfc/rfc3842
//! [RFC 4235]: https://www.rfc-editor.org/rfc/rfc4235
//! [RFC 3863]: https://www.rfc-editor.org/rfc/rfc3863
//! [RFC 3680]: https://www.rfc-editor.org/rfc/rfc3680

mod dialog_info;
mod mwi;
mod pidf;
mod reginfo;
mod xml;

pub use dialog_info::{CallDirection, CallState, DialogInfo, DialogState, Participant};
pub use mwi::{MessageClass, MessageCount, MessageSummary};
pub use pidf::{Basic, Presence, Tuple};
pub use reginfo::{BoundContact, ContactState, RegInfo, RegisteredAor, RegistrationState};
pub use xml::MAX_ELEMENTS;

/// Why a state could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is no XML, or has what we do not read: another encoding than UTF-8, a document type, entities.
    #[error("not the XML that is read here")]
    Xml,
    /// More than is read.
    #[error("too large or too deep")]
    TooLarge,
    /// Something that must be there is not.
    #[error("{0} is missing or cannot be read")]
    Missing(&'static str),
}

/// Whether a document is the whole state or what has changed ([RFC 4235 §3.3], [RFC 3680 §5.3]).
///
/// [RFC 4235 §3.3]: https://www.rfc-editor.org/rfc/rfc4235#section-3.3
/// [RFC 3680 §5.3]: https://www.rfc-editor.org/rfc/rfc3680#section-5.3
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// All there is.
    Full,
    /// What has changed since the document one version before.
    Partial,
}

impl Extent {
    fn read(text: Option<&str>) -> Result<Self, StateError> {
        match text {
            Some("full") => Ok(Self::Full),
            Some("partial") => Ok(Self::Partial),
            _ => Err(StateError::Missing("state")),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
        }
    }
}
