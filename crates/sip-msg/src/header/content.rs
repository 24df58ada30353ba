//! The headers of the body: Content-Type, -Disposition, -Encoding, -Language, MIME-Version.

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

word_header! {
    /// What the body is for, as `session` or `render`; `handling` says whether it may be ignored
    /// ([RFC 3261 §20.11]).
    ///
    /// [RFC 3261 §20.11]: https://www.rfc-editor.org/rfc/rfc3261#section-20.11
    ContentDisposition, CONTENT_DISPOSITION, Single, kind: TOKEN, "a disposition"
}

impl ContentDisposition {
    /// Whether a body that is not understood may be ignored; by default it may not.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.params.value("handling").is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

token_list_header! {
    /// How the body is encoded, in the order it was done ([RFC 3261 §20.12]).
    ///
    /// [RFC 3261 §20.12]: https://www.rfc-editor.org/rfc/rfc3261#section-20.12
    ContentEncoding, CONTENT_ENCODING, "a content coding"
}

token_list_header! {
    /// The languages of the body ([RFC 3261 §20.13]).
    ///
    /// [RFC 3261 §20.13]: https://www.rfc-editor.org/rfc/rfc3261#section-20.13
    ContentLanguage, CONTENT_LANGUAGE, "a language tag"
}

/// The version of MIME, 1.0 ([RFC 3261 §20.24]).
///
/// [RFC 3261 §20.24]: https://www.rfc-editor.org/rfc/rfc3261#section-20.24
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MimeVersion {
    /// The number before the point.
    pub major: u32,
    /// The number behind it.
    pub minor: u32,
}

impl TypedHeader for MimeVersion {
    const NAME: HeaderName = HeaderName::MIME_VERSION;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let major = cursor.number("a version")?;
        cursor.expect(b'.', "a point")?;
        Ok(Self { major, minor: cursor.number("a minor version")? })
    }
}

impl fmt::Display for MimeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
