//! Content-Type.

use core::fmt;

use crate::{Cursor, HeaderName, Params, Text, TypedHeader, Unexpected};

/// The media type of the body ([RFC 3261 §20.15]).
///
/// [RFC 3261 §20.15]: https://www.rfc-editor.org/rfc/rfc3261#section-20.15
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentType {
    /// The type, as `application`.
    pub kind: Text,
    /// The subtype, as `sdp`.
    pub subtype: Text,
    /// Parameters, as `boundary`.
    pub params: Params,
}

impl ContentType {
    /// A type without parameters.
    #[must_use]
    pub fn new(kind: impl Into<Text>, subtype: impl Into<Text>) -> Self {
        Self { kind: kind.into(), subtype: subtype.into(), params: Params::new() }
    }

    /// Whether type and subtype are `media_type`, as `application/sdp`, in any case and with any parameters.
    #[must_use]
    pub fn is(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }
}

impl TypedHeader for ContentType {
    const NAME: HeaderName = HeaderName::CONTENT_TYPE;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let kind = cursor.token("a media type")?;
        if !cursor.eat_spaced(b'/') {
            return Err(cursor.unexpected("/ and a subtype"));
        }
        let subtype = cursor.token("a media subtype")?;
        Ok(Self { kind, subtype, params: Params::read(cursor)? })
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}
