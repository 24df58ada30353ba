//! Session descriptions in and out of bodies, and the plan that answers them ([RFC 3261 §13.2.1], [RFC 3264]).
//!
//! [RFC 3261 §13.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264

use bytes::Bytes;
use sdp::SessionDescription;
use sip_msg::{
    Accept, ContentType, HeaderName, Headers, MediaRange, Params, Response, StatusCode, Text, Warning,
};

use crate::media_plan::Refusal;

/// The only body type that offers and answers come in.
pub(crate) const APPLICATION_SDP: &str = "application/sdp";

/// Why a body is no session description.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyError {
    /// Another type or encoding: 415.
    Unsupported,
    /// It says it is one, and is not: 400.
    Malformed,
}

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads the session description out of a message; `None` if it has no body that concerns the session.
pub(crate) fn read(headers: &Headers, body: &Bytes) -> Result<Option<SessionDescription>, BodyError> {
    if body.is_empty() {
        return Ok(None);
    }
    let optional = headers
        .raw(HeaderName::CONTENT_DISPOSITION)
        .is_some_and(|value| value.to_ascii_lowercase().windows(17).any(|part| part == b"handling=optional"));
    let is_sdp = match headers.get::<ContentType>() {
        Ok(Some(content_type)) => content_type.is("application/sdp"),
        Ok(None) | Err(_) => false,
    };
    let encoded = headers.raw(HeaderName::CONTENT_ENCODING).is_some_and(|value| value != b"identity");
    match (is_sdp && !encoded, optional) {
        (true, _) => SessionDescription::parse(&Text::from_bytes(body.clone()))
            .map(Some)
            .map_err(|_| BodyError::Malformed),
        (false, true) => Ok(None),
        (false, false) => Err(BodyError::Unsupported),
    }
}

/// The session description of a response, where a body of another kind is as good as none.
pub(crate) fn of_response(response: &Response) -> Option<SessionDescription> {
    read(response.headers(), response.body()).ok().flatten()
}

/// The answer that refuses every stream of an offer ([RFC 3264 §6]): port 0.
///
/// [RFC 3264 §6]: https://www.rfc-editor.org/rfc/rfc3264#section-6
pub(crate) fn refuse_all(offer: &SessionDescription) -> SessionDescription {
    let mut answer = offer.clone();
    answer.media.iter_mut().for_each(|media| media.port = 0);
    answer
}

/// The body that carries a session description.
pub(crate) fn body(description: &SessionDescription) -> Bytes {
    Bytes::from(description.to_string())
}

/// What a response to a body that we do not read says of those we do ([RFC 3261 §8.2.3]).
///
/// [RFC 3261 §8.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.3
pub(crate) fn accept() -> Accept {
    let sdp = MediaRange { kind: "application".into(), subtype: "sdp".into(), params: Params::new() };
    Accept(vec![sdp])
}

/// The Warning that goes with a 488 ([RFC 3261 §20.43]).
///
/// [RFC 3261 §20.43]: https://www.rfc-editor.org/rfc/rfc3261#section-20.43
pub(crate) fn warning(refusal: &Refusal) -> Warning {
    let agent = Text::from_static("voip");
    Warning { code: refusal.warn_code.clamp(300, 399), agent, text: refusal.text.clone() }
}
