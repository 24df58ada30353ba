//! CSeq.

use core::fmt;

use crate::{Cursor, HeaderName, Method, TypedHeader, Unexpected};

/// Orders the requests of a dialog and tells new ones from repeated ones ([RFC 3261 §20.16]).
///
/// [RFC 3261 §20.16]: https://www.rfc-editor.org/rfc/rfc3261#section-20.16
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// The number, below 2^31 ([RFC 3261 §8.1.1.5]).
    ///
    /// [RFC 3261 §8.1.1.5]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.5
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// A number and a method.
    #[must_use]
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }
}

impl TypedHeader for CSeq {
    const NAME: HeaderName = HeaderName::CSEQ;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let at = cursor.at();
        let number = cursor.number("a number below 2^31")?;
        if number > i32::MAX.unsigned_abs() {
            return Err(Unexpected { at, expected: "a number below 2^31" });
        }
        if !matches!(cursor.peek(), Some(b' ' | b'\t')) {
            return Err(cursor.unexpected("a space and a method"));
        }
        cursor.skip_space();
        Ok(Self { number, method: Method::read(cursor)? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}
