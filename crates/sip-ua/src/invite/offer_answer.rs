//! Session descriptions in and out of bodies, and the plan that answers them ([RFC 3261 §13.2.1], [RFC 3264]).
//!
//! [RFC 3261 §13.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264

use bytes::Bytes;
use sdp::SessionDescription;
use sip_msg::{
    Accept, ContentDisposition, ContentType, HeaderName, Headers, MediaRange, Params, Response, StatusCode,
    Text, Warning,
};

use super::multipart;
use crate::media_plan::Refusal;

/// How deep bodies may be nested.
const MAX_DEPTH: u8 = 3;
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
///
/// It may be a part of a multipart body. Other parts must be optional, or alternatives ([RFC 5621 §8]).
///
/// [RFC 5621 §8]: https://www.rfc-editor.org/rfc/rfc5621#section-8
pub(crate) fn read(headers: &Headers, body: &Bytes) -> Result<Option<SessionDescription>, BodyError> {
    read_nested(headers, body, 0)
}

fn read_nested(headers: &Headers, body: &Bytes, depth: u8) -> Result<Option<SessionDescription>, BodyError> {
    if body.is_empty() {
        return Ok(None);
    }
    let found = read_body(headers, body, depth);
    if found == Err(BodyError::Unsupported) && is_optional(headers) { Ok(None) } else { found }
}

fn read_body(headers: &Headers, body: &Bytes, depth: u8) -> Result<Option<SessionDescription>, BodyError> {
    if headers.raw(HeaderName::CONTENT_ENCODING).is_some_and(|value| !value.eq_ignore_ascii_case(b"identity"))
    {
        return Err(BodyError::Unsupported);
    }
    let Ok(Some(content_type)) = headers.get::<ContentType>() else { return Err(BodyError::Unsupported) };
    if content_type.is(APPLICATION_SDP) {
        if !is_of_session(headers) {
            return Err(BodyError::Unsupported);
        }
        let text = Text::from_bytes(body.clone());
        return SessionDescription::parse(&text).map(Some).map_err(|_| BodyError::Malformed);
    }
    let alternative = content_type.is("multipart/alternative");
    if !(alternative || content_type.is("multipart/mixed")) || depth >= MAX_DEPTH {
        return Err(BodyError::Unsupported);
    }
    let boundary = content_type.params.value("boundary").ok_or(BodyError::Malformed)?;
    let parts = multipart::parts(boundary, body).ok_or(BodyError::Malformed)?;
    let mut read = parts.iter().map(|(headers, body)| read_nested(headers, body, depth + 1));
    if alternative {
        // The last that we understand is the best (RFC 2046 §5.1.4).
        return read.rfind(|part| matches!(part, Ok(Some(_)))).unwrap_or(Err(BodyError::Unsupported));
    }
    read.try_fold(None, |found, part| part.map(|part| found.or(part)))
}

/// Whether a description is that of the session, as one is by default ([RFC 3261 §20.11]): one of an `early-session`, for
/// instance, is another.
///
/// [RFC 3261 §20.11]: https://www.rfc-editor.org/rfc/rfc3261#section-20.11
fn is_of_session(headers: &Headers) -> bool {
    let disposition = headers.get::<ContentDisposition>().ok().flatten();
    disposition.is_none_or(|disposition| {
        ["session", "render"].iter().any(|kind| disposition.kind.eq_ignore_ascii_case(kind))
    })
}

/// Whether whoever does not understand the body may pass over it.
pub(super) fn is_optional(headers: &Headers) -> bool {
    headers
        .raw(HeaderName::CONTENT_DISPOSITION)
        .is_some_and(|value| value.to_ascii_lowercase().windows(17).any(|part| part == b"handling=optional"))
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
    let range = |kind: &'static str, subtype: &'static str| MediaRange {
        kind: Text::from_static(kind),
        subtype: Text::from_static(subtype),
        params: Params::new(),
    };
    Accept(vec![range("application", "sdp"), range("multipart", "mixed"), range("multipart", "alternative")])
}

/// The Warning that goes with a 488 ([RFC 3261 §20.43]).
///
/// [RFC 3261 §20.43]: https://www.rfc-editor.org/rfc/rfc3261#section-20.43
pub(crate) fn warning(refusal: &Refusal) -> Warning {
    let agent = Text::from_static("voip");
    Warning { code: refusal.warn_code.clamp(300, 399), agent, text: refusal.text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

    fn read_as(content_type: &str, body: String) -> Result<bool, BodyError> {
        let mut headers = Headers::new();
        headers.push_raw(HeaderName::CONTENT_TYPE, content_type).unwrap();
        read(&headers, &Bytes::from(body)).map(|found| found.is_some())
    }

    fn two(first: &str, second: &str) -> String {
        let part = |head: &str, body: &str| format!("--x y\r\n{head}\r\n\r\n{body}\r\n");
        format!("{}{}--x y--\r\n", part(first, "data"), part(second, SDP))
    }

    // rfc: 5621 §8.1 — parts that are not understood: refused when their handling is required, which it is by default
    #[test]
    fn a_description_is_found_among_optional_parts() {
        let mixed = "multipart/mixed;boundary=\"x y\"";
        let sdp = "Content-Type: application/sdp";
        let optional = "Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional";
        assert_eq!(read_as(mixed, two(optional, sdp)), Ok(true));
        assert_eq!(read_as(mixed, two("Content-Type: application/isup", sdp)), Err(BodyError::Unsupported));
        assert_eq!(
            read_as(mixed, two(optional, sdp).replace("0 0\r\n\r\n", "0 0\r\n")),
            Ok(true),
            "a frugal sender"
        );
        assert_eq!(read_as(mixed, two(optional, optional)), Ok(false));
        assert_eq!(read_as("multipart/mixed", two(optional, sdp)), Err(BodyError::Malformed));
        assert_eq!(read_as(mixed, "--x y\r\n".into()), Err(BodyError::Malformed));
    }

    // rfc: 2046 §5.1.4 — of alternatives the last that is understood
    #[test]
    fn one_alternative_is_enough() {
        let alternative = "multipart/alternative;boundary=\"x y\"";
        let sdp = "Content-Type: application/sdp";
        assert_eq!(read_as(alternative, two("Content-Type: application/isup", sdp)), Ok(true));
        assert_eq!(
            read_as(alternative, two("Content-Type: a/b", "Content-Type: c/d")),
            Err(BodyError::Unsupported)
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let mut body = SDP.to_owned();
        let mut content_type = "application/sdp".to_owned();
        for depth in 0..6 {
            assert_eq!(read_as(&content_type, body.clone()).is_ok(), depth <= MAX_DEPTH, "{depth}");
            body = format!("--n{depth}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--n{depth}--\r\n");
            content_type = format!("multipart/mixed;boundary=n{depth}");
        }
    }
}
