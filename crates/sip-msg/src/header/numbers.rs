//! Headers that are a number: Max-Forwards, Expires, Min-Expires, Content-Length; and Retry-After.

use core::fmt;

use crate::{Cursor, HeaderName, Params, Text, TypedHeader, Unexpected};

integer_header! {
    /// How many hops the request may still take; 70 at first ([RFC 3261 §20.22]).
    ///
    /// [RFC 3261 §20.22]: https://www.rfc-editor.org/rfc/rfc3261#section-20.22
    MaxForwards, MAX_FORWARDS, "a number of hops"
}

integer_header! {
    /// Seconds until the message or binding expires ([RFC 3261 §20.19]).
    ///
    /// [RFC 3261 §20.19]: https://www.rfc-editor.org/rfc/rfc3261#section-20.19
    Expires, EXPIRES, "a number of seconds"
}

integer_header! {
    /// The shortest expiry a registrar takes, in seconds ([RFC 3261 §20.23]).
    ///
    /// [RFC 3261 §20.23]: https://www.rfc-editor.org/rfc/rfc3261#section-20.23
    MinExpires, MIN_EXPIRES, "a number of seconds"
}

integer_header! {
    /// Length of the body, in bytes; kept right by the writer ([RFC 3261 §20.14]).
    ///
    /// [RFC 3261 §20.14]: https://www.rfc-editor.org/rfc/rfc3261#section-20.14
    ContentLength, CONTENT_LENGTH, "a number of bytes"
}

/// When to try again ([RFC 3261 §20.33]).
///
/// [RFC 3261 §20.33]: https://www.rfc-editor.org/rfc/rfc3261#section-20.33
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RetryAfter {
    /// Seconds to wait.
    pub seconds: u32,
    /// A remark for people.
    pub comment: Option<Text>,
    /// Parameters, as `duration`.
    pub params: Params,
}

impl RetryAfter {
    /// So many seconds, without a remark.
    #[must_use]
    pub fn new(seconds: u32) -> Self {
        Self { seconds, comment: None, params: Params::new() }
    }
}

impl TypedHeader for RetryAfter {
    const NAME: HeaderName = HeaderName::RETRY_AFTER;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let seconds = cursor.number("a number of seconds")?;
        cursor.skip_space();
        let comment = if cursor.peek() == Some(b'(') { Some(cursor.comment()?) } else { None };
        Ok(Self { seconds, comment, params: Params::read(cursor)? })
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seconds.fmt(f)?;
        if let Some(comment) = &self.comment {
            f.write_str(" ")?;
            crate::grammar::write_comment(f, comment)?;
        }
        self.params.fmt(f)
    }
}
