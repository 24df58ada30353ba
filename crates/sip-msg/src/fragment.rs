//! [`Fragment`]: a part of a message, as NOTIFY carries it in a transfer (RFC 3420).

use bytes::Bytes;

use crate::{
    Headers, Limits, Method, ParseError, StatusCode, Text,
    parse::{self, StartLine},
};

/// A body of type `message/sipfrag`: a start line, header fields and a body, each of which may be missing
/// ([RFC 3420 §2]).
///
/// [RFC 3420 §2]: https://www.rfc-editor.org/rfc/rfc3420#section-2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fragment {
    start: Option<FragmentStart>,
    headers: Headers,
    body: Bytes,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum FragmentStart {
    Request(Method, Text),
    Response(StatusCode, Text),
}

impl Fragment {
    /// Its media type.
    pub const MEDIA_TYPE: &'static str = "message/sipfrag";

    /// Reads a fragment.
    ///
    /// # Errors
    /// [`ParseError`] when it begins with neither a start line nor a header field, or its head is broken.
    pub fn parse(body: impl Into<Bytes>, limits: &Limits) -> Result<Self, ParseError> {
        let body = body.into();
        let (start, at) = match parse::start(&body) {
            Ok((StartLine::Request { method, uri }, at)) => (Some(FragmentStart::Request(method, uri)), at),
            Ok((StartLine::Response { status, reason }, at)) => {
                (Some(FragmentStart::Response(status, Text::from_bytes(reason))), at)
            }
            Err(error) if body.starts_with(b"SIP/") => return Err(error),
            Err(_) => (None, 0),
        };
        let (headers, body_at) = parse::fields_and_body(&body, at, limits)?;
        let content = if body_at < body.len() { body.slice(body_at..) } else { Bytes::new() };
        Ok(Self { start, headers, body: content })
    }

    /// The body of a NOTIFY that reports a status.
    #[must_use]
    pub fn status_line(status: StatusCode) -> Bytes {
        alloc::format!("SIP/2.0 {} {}\r\n", status.code(), status.reason()).into()
    }

    /// The status code, if it begins with a status line.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.start {
            Some(FragmentStart::Response(status, _)) => Some(*status),
            Some(FragmentStart::Request(..)) | None => None,
        }
    }

    /// The reason phrase, if it begins with a status line.
    #[must_use]
    pub fn reason(&self) -> Option<&Text> {
        match &self.start {
            Some(FragmentStart::Response(_, reason)) => Some(reason),
            Some(FragmentStart::Request(..)) | None => None,
        }
    }

    /// Method and Request-URI, if it begins with a request line.
    #[must_use]
    pub fn request_line(&self) -> Option<(&Method, &Text)> {
        match &self.start {
            Some(FragmentStart::Request(method, uri)) => Some((method, uri)),
            Some(FragmentStart::Response(..)) | None => None,
        }
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{From, To};

    fn parse(text: &'static str) -> Result<Fragment, ParseError> {
        Fragment::parse(text, &Limits::default())
    }

    // rfc: 3420 §2 — message/sipfrag: start line, headers and body may each be missing
    #[test]
    fn any_part_may_be_missing() {
        assert_eq!(parse("SIP/2.0 603 Decline\r\n").unwrap().status(), Some(StatusCode::DECLINE));
        assert_eq!(parse("SIP/2.0 100 Trying").unwrap().reason().unwrap(), "Trying");
        let headers = parse("From: <sip:a@b>\r\nTo: <sip:c@d>\r\n").unwrap();
        assert_eq!(headers.status(), None);
        assert!(headers.headers().get::<From>().unwrap().is_some());
        assert!(headers.headers().get::<To>().unwrap().is_some());
        let whole = parse("INVITE sip:a SIP/2.0\r\nl: 1\r\n\r\nx").unwrap();
        assert_eq!(whole.request_line().unwrap().0, &Method::INVITE);
        assert_eq!(whole.body(), "x");
        assert!(parse("SIP/3.0 200 OK").is_err());
        assert!(parse("nonsense").is_err());
        assert!(parse("").unwrap().headers().is_empty());
    }

    #[test]
    fn a_status_line_is_read_back() {
        let fragment = Fragment::parse(Fragment::status_line(StatusCode::OK), &Limits::default()).unwrap();
        assert_eq!(fragment.status(), Some(StatusCode::OK));
    }
}
