//! The errors of the layer's commands.

use sip_msg::{HeaderError, StatusCode, UriError};

/// Why a request is not sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// `request` was given an ACK, or `ack` something else.
    #[error("an ACK is sent with `ack`, everything else with `request`")]
    WrongMethod,
    /// CANCEL is made by `cancel`.
    #[error("a CANCEL is sent with `cancel`")]
    Cancel,
    /// A header that decides where the request goes cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The Request-URI cannot be read.
    #[error("Request-URI: {0}")]
    Uri(#[from] UriError),
    /// The next hop is no `sip:` or `sips:` URI with a host, or asks for a transport that there is no driver for.
    #[error("the next hop is no SIP URI that can be reached")]
    Unroutable,
    /// [`crate::Limits::clients`] is reached.
    #[error("there are {0} client transactions already")]
    TooMany(usize),
}

impl RequestError {
    /// What a proxy answers to the request that it could not send on.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::WrongMethod | Self::Cancel => StatusCode::SERVER_INTERNAL_ERROR,
            Self::Header(error) => error.status(),
            Self::Uri(error) => error.status(),
            Self::Unroutable => StatusCode::NOT_FOUND,
            Self::TooMany(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why a response is not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The transaction has ended.
    #[error("the transaction has ended")]
    Ended,
    /// A final response was sent already.
    #[error("a final response was sent already")]
    AlreadyAnswered,
    /// Neither 408 nor a provisional response but 100 may answer a request other than INVITE ([RFC 4320 §4]).
    ///
    /// [RFC 4320 §4]: https://www.rfc-editor.org/rfc/rfc4320#section-4
    #[error("408 and 101-199 may not answer a request other than INVITE")]
    Forbidden,
}
