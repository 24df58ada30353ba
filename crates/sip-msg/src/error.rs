//! The errors of parsing and checking.

use crate::{HeaderName, StatusCode};

/// Why bytes are no SIP message: their framing is broken. A bad header value is no such error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The start line is neither a request line nor a status line.
    #[error("start line: expected {expected} at byte {at}")]
    StartLine {
        /// Offset into the message, in bytes.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// The version is not SIP/2.0.
    #[error("expected SIP/2.0 at byte {at}")]
    Version {
        /// Offset into the message, in bytes.
        at: usize,
    },
    /// A line of the head is no header field.
    #[error("header line: expected {expected} at byte {at}")]
    HeaderLine {
        /// Offset into the message, in bytes.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// The empty line that ends the head is missing.
    #[error("expected an empty line after the header fields at byte {at}")]
    HeadEnd {
        /// Offset into the message, in bytes.
        at: usize,
    },
    /// Content-Length is no number, or several disagree.
    #[error("Content-Length: expected {expected} at byte {at}")]
    ContentLength {
        /// Offset into the message, in bytes.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// Content-Length promises more bytes than there are.
    #[error("Content-Length says {expected} bytes, but the body has {found}")]
    Truncated {
        /// What Content-Length says.
        expected: usize,
        /// How many bytes follow the head.
        found: usize,
    },
    /// The head is larger than [`crate::Limits::head_bytes`].
    #[error("the head is larger than {limit} bytes")]
    HeadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// There are more header lines than [`crate::Limits::header_count`].
    #[error("more than {limit} header lines")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The body is larger than [`crate::Limits::body_bytes`].
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl ParseError {
    /// What a UAS answers: 400, or 505 for another version, 513 for a head and 413 for a body over the limit.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version { .. } => StatusCode::VERSION_NOT_SUPPORTED,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => StatusCode::MESSAGE_TOO_LARGE,
            Self::BodyTooLarge { .. } => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            Self::StartLine { .. }
            | Self::HeaderLine { .. }
            | Self::HeadEnd { .. }
            | Self::ContentLength { .. }
            | Self::Truncated { .. } => StatusCode::BAD_REQUEST,
        }
    }

    /// Offset into the message, in bytes, where an error has a place.
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        match self {
            Self::StartLine { at, .. }
            | Self::Version { at }
            | Self::HeaderLine { at, .. }
            | Self::HeadEnd { at }
            | Self::ContentLength { at, .. } => Some(*at),
            Self::Truncated { .. }
            | Self::HeadTooLarge { .. }
            | Self::TooManyHeaders { .. }
            | Self::BodyTooLarge { .. } => None,
        }
    }
}

/// Why a header could not be read as the type that was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The header is not there.
    #[error("{0} is missing")]
    Missing(HeaderName),
    /// The value does not follow the grammar.
    #[error("{name}: expected {expected} at byte {at}")]
    Malformed {
        /// The header.
        name: HeaderName,
        /// Offset into the header's value, in bytes.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// A value to be written holds CR, LF or NUL, which would let it forge further headers.
    #[error("{name}: CR, LF or NUL at byte {at} of a value to be written")]
    Injection {
        /// The header.
        name: HeaderName,
        /// Offset into the value, in bytes.
        at: usize,
    },
}

impl HeaderError {
    /// What a UAS answers: 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

/// Why a well-framed message must not be processed ([RFC 3261 §8.1.1]).
///
/// [RFC 3261 §8.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A mandatory header is missing or malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A header that may stand once stands several times.
    #[error("{0} stands more than once")]
    Repeated(HeaderName),
    /// The method in CSeq is not the one in the start line.
    #[error("the method in CSeq is not that of the start line")]
    CSeqMethod,
    /// The Request-URI does not follow the grammar, or has headers, which may not stand there.
    #[error("Request-URI: {0}")]
    RequestUri(#[from] crate::UriError),
    /// The Request-URI is neither `sip:` nor `sips:` nor `tel:`.
    #[error("the scheme of the Request-URI is not supported")]
    UriScheme,
    /// Require names extensions that are not supported; answer with this header.
    #[error("unsupported extensions are required: {0}")]
    Extension(crate::Unsupported),
}

impl CheckError {
    /// What a UAS answers: 400, 416 or 420.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Header(error) => error.status(),
            Self::RequestUri(error) => error.status(),
            Self::Repeated(_) | Self::CSeqMethod => StatusCode::BAD_REQUEST,
            Self::UriScheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            Self::Extension(_) => StatusCode::BAD_EXTENSION,
        }
    }
}
