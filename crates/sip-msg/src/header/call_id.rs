//! Call-ID.

use core::fmt;

use crate::{Cursor, HeaderName, Text, TypedHeader, Unexpected, grammar};

/// Names a call, or all registrations of a device; compared byte by byte ([RFC 3261 §20.8]).
///
/// [RFC 3261 §20.8]: https://www.rfc-editor.org/rfc/rfc3261#section-20.8
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct CallId(pub Text);

impl CallId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(self.0.detach())
    }
}

impl<T: Into<Text>> From<T> for CallId {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl TypedHeader for CallId {
    const NAME: HeaderName = HeaderName::CALL_ID;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        Ok(Self(cursor.text_of(grammar::WORD, "a Call-ID")?))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
