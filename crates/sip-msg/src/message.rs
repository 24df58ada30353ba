//! [`Message`], [`Request`] and [`Response`]: one buffer and spans into it.

use alloc::{string::ToString, vec::Vec};
use core::{fmt, ops::Range};

use bytes::Bytes;

use crate::{
    Class, HeaderName, Headers, Limits, Method, ParseError, StatusCode, Text, Uri, UriError,
    headers::{Content, clean, own},
    parse,
};

/// A SIP message: a request or a response ([RFC 3261 §7]).
///
/// [RFC 3261 §7]: https://www.rfc-editor.org/rfc/rfc3261#section-7
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads one datagram, or one whole message of a stream; reads no header value but Content-Length.
    ///
    /// Bytes beyond Content-Length are dropped ([RFC 3261 §18.3]). Line ends may be a bare LF.
    ///
    /// # Errors
    /// [`ParseError`] when the framing is broken; a bad header value fails later, when it is read.
    ///
    /// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    pub fn parse(datagram: impl Into<Bytes>, limits: &Limits) -> Result<Self, ParseError> {
        parse::message(&datagram.into(), limits)
    }

    /// What can be read of a request that [`Message::parse`] refused, without its body, to answer from.
    ///
    /// `None` for a response and for what has no request line. An ACK is never answered.
    #[must_use]
    pub fn salvage(datagram: impl Into<Bytes>, limits: &Limits) -> Option<Request> {
        let head = parse::salvage(&datagram.into(), limits)?;
        match head.start {
            parse::StartLine::Request { method, uri } => {
                Some(Request::received(method, uri, head.headers, Bytes::new()))
            }
            parse::StartLine::Response { .. } => None,
        }
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The header fields, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// Adds Content-Length if it is missing, as a stream needs it ([RFC 3261 §18.3]).
    ///
    /// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    pub fn ensure_content_length(&mut self) {
        match self {
            Self::Request(request) => request.ensure_content_length(),
            Self::Response(response) => response.ensure_content_length(),
        }
    }

    /// Appends the message as it goes on the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Response(response) => response.write(out),
        }
    }

    /// The message as it goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// The request, if it is one.
    #[must_use]
    pub fn as_request(&self) -> Option<&Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Response(_) => None,
        }
    }

    /// The response, if it is one.
    #[must_use]
    pub fn as_response(&self) -> Option<&Response> {
        match self {
            Self::Request(_) => None,
            Self::Response(response) => Some(response),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A request ([RFC 3261 §7.1]).
///
/// [RFC 3261 §7.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.1
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    method: Method,
    uri: Text,
    headers: Headers,
    body: Bytes,
}

impl Request {
    pub(crate) fn received(method: Method, uri: Text, headers: Headers, body: Bytes) -> Self {
        Self { method, uri, headers, body }
    }

    pub(crate) fn new(method: Method, uri: &Uri) -> Self {
        Self { method, uri: uri_on_the_wire(uri), headers: Headers::new(), body: Bytes::new() }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// [`UriError::Malformed`] when it does not follow the grammar.
    pub fn uri(&self) -> Result<Uri, UriError> {
        Uri::parse(self.uri.clone().into_bytes())
    }

    /// The Request-URI as it stands.
    #[must_use]
    pub fn uri_text(&self) -> &Text {
        &self.uri
    }

    /// Sets the Request-URI.
    pub fn set_uri(&mut self, uri: &Uri) {
        self.uri = uri_on_the_wire(uri);
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Sets the body with its Content-Type and Content-Length; an empty body takes Content-Type away.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.body = body.into();
        set_content(&mut self.headers, content_type, self.body.len());
    }

    /// Adds Content-Length if it is missing, as a stream needs it ([RFC 3261 §18.3]).
    ///
    /// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    pub fn ensure_content_length(&mut self) {
        ensure_content_length(&mut self.headers, self.body.len());
    }

    /// Appends the request as it goes on the wire; lines not touched here stay byte for byte.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.uri.len() + wire_length(&self.headers, &self.body));
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.uri.as_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(out, &self.headers, &self.body);
    }

    /// The request as it goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.write(&mut out);
        out.into()
    }
}

/// A response ([RFC 3261 §7.2]).
///
/// [RFC 3261 §7.2]: https://www.rfc-editor.org/rfc/rfc3261#section-7.2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    status: StatusCode,
    reason: Text,
    /// The reason as it came, when that is no UTF-8.
    reason_bytes: Option<Bytes>,
    headers: Headers,
    body: Bytes,
}

impl Response {
    pub(crate) fn received(status: StatusCode, reason: Bytes, headers: Headers, body: Bytes) -> Self {
        let bytes = reason.clone();
        let reason = Text::from_bytes(reason);
        // Where text was not UTF-8, each byte above ASCII has become two.
        let reason_bytes = (reason.len() != bytes.len()).then_some(bytes);
        Self { status, reason, reason_bytes, headers, body }
    }

    pub(crate) fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: Text::from_static(status.reason()),
            reason_bytes: None,
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Provisional, success or failure.
    #[must_use]
    pub fn class(&self) -> Class {
        self.status.class()
    }

    /// The reason phrase, for people.
    #[must_use]
    pub fn reason(&self) -> &Text {
        &self.reason
    }

    /// Sets the reason phrase; CR, LF and NUL in it become spaces.
    pub fn set_reason(&mut self, reason: &str) {
        self.reason = clean(reason.into()).into();
        self.reason_bytes = None;
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to change them.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Sets the body with its Content-Type and Content-Length; an empty body takes Content-Type away.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.body = body.into();
        set_content(&mut self.headers, content_type, self.body.len());
    }

    /// Adds Content-Length if it is missing, as a stream needs it ([RFC 3261 §18.3]).
    ///
    /// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    pub fn ensure_content_length(&mut self) {
        ensure_content_length(&mut self.headers, self.body.len());
    }

    /// Appends the response as it goes on the wire; lines not touched here stay byte for byte.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.reason.len() + wire_length(&self.headers, &self.body));
        out.extend_from_slice(b"SIP/2.0 ");
        write_decimal(out, usize::from(self.status.code()));
        out.push(b' ');
        out.extend_from_slice(self.reason_bytes.as_deref().unwrap_or(self.reason.as_bytes()));
        out.extend_from_slice(b"\r\n");
        write_rest(out, &self.headers, &self.body);
    }

    /// The response as it goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.write(&mut out);
        out.into()
    }
}

/// A Request-URI with every byte escaped that would end it; no headers, which may not stand there (RFC 3261 §19.1.1).
fn uri_on_the_wire(uri: &Uri) -> Text {
    let text = uri.to_string();
    if text.bytes().all(|byte| byte > b' ' && byte < 0x7f) {
        return text.into();
    }
    let escaped: alloc::string::String = text
        .bytes()
        .map(|byte| {
            if byte > b' ' && byte < 0x7f {
                char::from(byte).to_string()
            } else {
                alloc::format!("%{byte:02X}")
            }
        })
        .collect();
    escaped.into()
}

fn set_content(headers: &mut Headers, content_type: &str, length: usize) {
    if length == 0 {
        headers.remove(HeaderName::CONTENT_TYPE);
    } else {
        headers.replace_all(own(HeaderName::CONTENT_TYPE, clean(content_type.into()).into()));
    }
    headers.replace_all(own(HeaderName::CONTENT_LENGTH, length.to_string().into()));
}

pub(crate) fn ensure_content_length(headers: &mut Headers, length: usize) {
    if !headers.contains(HeaderName::CONTENT_LENGTH) {
        headers.replace_all(own(HeaderName::CONTENT_LENGTH, length.to_string().into()));
    }
}

fn wire_length(headers: &Headers, body: &Bytes) -> usize {
    let lines: usize = headers
        .fields
        .iter()
        .map(|field| match &field.content {
            Content::Received { line, .. } => line.range().len() + 2,
            Content::Own(value) => field.name.as_str().len() + value.len() + 4,
        })
        .sum();
    lines + body.len() + 64
}

/// Header lines, the empty line and the body; a Content-Length that was set here is the body's, whatever was set.
pub(crate) fn write_rest(out: &mut Vec<u8>, headers: &Headers, body: &Bytes) {
    // Lines that follow one another in the buffer, with CRLF between, are copied at once.
    let mut run = 0..0;
    let flush = |out: &mut Vec<u8>, run: &mut Range<usize>| {
        if run.start < run.end {
            out.extend_from_slice(headers.buffer.get(core::mem::take(run)).unwrap_or_default());
            out.extend_from_slice(b"\r\n");
        }
    };
    for field in &headers.fields {
        match &field.content {
            Content::Received { line, folded: false, .. } => {
                let line = line.range();
                if run.start < run.end && line.start == run.end + 2 {
                    run.end = line.end;
                } else {
                    flush(out, &mut run);
                    run = line;
                }
                continue;
            }
            Content::Received { line, .. } => {
                flush(out, &mut run);
                write_folded(out, line.of(&headers.buffer));
            }
            Content::Own(value) => {
                flush(out, &mut run);
                out.extend_from_slice(field.name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                if field.name == HeaderName::CONTENT_LENGTH {
                    write_decimal(out, body.len());
                } else {
                    out.extend_from_slice(value);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    flush(out, &mut run);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// A folded line, byte for byte, but for a bare LF: others may not see a fold in it.
fn write_folded(out: &mut Vec<u8>, line: &[u8]) {
    let mut rest = line;
    while let Some((before, after)) = memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(before);
        if !before.ends_with(b"\r") {
            out.push(b'\r');
        }
        out.push(b'\n');
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn write_decimal(out: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        write_decimal(out, number / 10);
    }
    out.push(b"0123456789".get(number % 10).copied().unwrap_or(b'0'));
}

impl fmt::Display for Message {
    /// The wire text, for logs; bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloc::string::String::from_utf8_lossy(&self.to_bytes()))
    }
}
