//! [`RequestBuilder`] and [`ResponseBuilder`].

use alloc::string::ToString;

use bytes::Bytes;

use crate::{
    CSeq, HeaderError, HeaderName, MaxForwards, Message, Method, Param, Problem, Request, Response,
    StatusCode, To, TypedHeader, Uri, UriError,
    headers::{clean, own},
};

/// Builds a request; from [`Request::builder`].
#[derive(Clone, Debug)]
pub struct RequestBuilder(Request);

impl Request {
    /// A new request. Via is added by the transaction layer.
    #[must_use]
    pub fn builder(method: Method, uri: &Uri) -> RequestBuilder {
        RequestBuilder(Self::new(method, uri))
    }

    /// A new request as a URI asks for it, from a web page or a Refer-To ([RFC 3261 §19.1.5]): its `method` parameter,
    /// or `method` when it has none, and its headers and body.
    ///
    /// Headers that would forge a dialog, a route, or what we are and can are left out, and so are those that describe
    /// the body.
    ///
    /// # Errors
    /// [`UriError`] when the method or the name of a header is no token, or a value holds CR, LF or NUL or does not
    /// follow the grammar of its header.
    ///
    /// [RFC 3261 §19.1.5]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.5
    pub fn from_uri(uri: &Uri, method: Method) -> Result<RequestBuilder, UriError> {
        let wrong = |expected| UriError::Malformed { at: 0, expected };
        let method = match uri.params().value("method") {
            Some(name) => Method::parse(crate::grammar::unescape(name)).map_err(|_| wrong("a method"))?,
            None => method,
        };
        let mut target = uri.clone();
        target.remove_param("method");
        target.clear_headers();
        let mut builder = Self::builder(method, &target);
        for (name, value) in uri.headers() {
            if name.eq_ignore_ascii_case("body") {
                builder.0.set_body("text/plain", Bytes::from(value.into_owned()));
                continue;
            }
            let name: HeaderName = name.parse().map_err(|_| wrong("a header name"))?;
            if !NOT_FROM_A_URI.contains(&name) {
                builder =
                    builder.raw_header(name, value.as_bytes()).map_err(|_| wrong("a value of one line"))?;
            }
        }
        let formed = Message::from(builder.0.clone());
        let unreadable =
            |problem: &Problem| problem.header.as_ref().is_some_and(|name| formed.headers().contains(name));
        if formed.problems().iter().any(unreadable) {
            return Err(wrong("headers that can be read"));
        }
        Ok(builder)
    }
}

/// What a URI may not set (RFC 3261 §19.1.5).
const NOT_FROM_A_URI: [HeaderName; 24] = [
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
    HeaderName::VIA,
    HeaderName::RECORD_ROUTE,
    HeaderName::ROUTE,
    HeaderName::MAX_FORWARDS,
    HeaderName::ACCEPT,
    HeaderName::ACCEPT_ENCODING,
    HeaderName::ACCEPT_LANGUAGE,
    HeaderName::ALLOW,
    HeaderName::CONTACT,
    HeaderName::ORGANIZATION,
    HeaderName::SUPPORTED,
    HeaderName::USER_AGENT,
    HeaderName::CONTENT_DISPOSITION,
    HeaderName::CONTENT_ENCODING,
    HeaderName::CONTENT_LANGUAGE,
    HeaderName::CONTENT_LENGTH,
    HeaderName::CONTENT_TYPE,
    HeaderName::DATE,
    HeaderName::MIME_VERSION,
    HeaderName::TIMESTAMP,
];

impl RequestBuilder {
    /// Adds a header.
    #[must_use]
    pub fn header<H: TypedHeader>(mut self, header: &H) -> Self {
        self.0.headers_mut().push(header);
        self
    }

    /// Adds a line with any name and value.
    ///
    /// # Errors
    /// [`HeaderError::Injection`] when the value holds CR, LF or NUL.
    pub fn raw_header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        self.0.headers_mut().push_raw(name, value)?;
        Ok(self)
    }

    /// Sets the body with its Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.0.set_body(content_type, body);
        self
    }

    /// The request, with `Max-Forwards: 70` if none was set, and the right Content-Length.
    #[must_use]
    pub fn build(mut self) -> Request {
        if !self.0.headers().contains(HeaderName::MAX_FORWARDS) {
            self.0.headers_mut().push_front(&MaxForwards(70));
        }
        self.0.ensure_content_length();
        self.0
    }
}

/// Builds a response; from [`Response::answer`].
#[derive(Clone, Debug)]
pub struct ResponseBuilder(Response);

impl Response {
    /// An answer to `request`: copies Via, From, To, Call-ID and CSeq, and Timestamp into a 100
    /// ([RFC 3261 §8.2.6]).
    ///
    /// [RFC 3261 §8.2.6]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.6
    #[must_use]
    pub fn answer(request: &Request, status: StatusCode) -> ResponseBuilder {
        let mut response = Self::new(status);
        let headers = response.headers_mut();
        for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, CSeq::NAME] {
            headers.copy_from(request.headers(), &name);
        }
        if status == StatusCode::TRYING {
            headers.copy_from(request.headers(), &HeaderName::TIMESTAMP);
        }
        ResponseBuilder(response)
    }
}

impl ResponseBuilder {
    /// Adds a tag to To, if it has none.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        if let Ok(Some(to)) = self.0.headers().get::<To>()
            && to.tag().is_none()
        {
            if to.params.contains("tag") {
                self.0.headers_mut().replace(&to.with_tag(tag));
                return self;
            }
            let value = self.0.headers().raw(HeaderName::TO).unwrap_or_default();
            let tag = clean(Param::new("tag", Some(tag.into())).to_string());
            let tagged = [value, b";", tag.as_bytes()].concat();
            self.0.headers_mut().replace_all(own(HeaderName::TO, tagged.into()));
        }
        self
    }

    /// Sets the reason phrase.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.0.set_reason(reason);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header<H: TypedHeader>(mut self, header: &H) -> Self {
        self.0.headers_mut().push(header);
        self
    }

    /// Adds a line with any name and value.
    ///
    /// # Errors
    /// [`HeaderError::Injection`] when the value holds CR, LF or NUL.
    pub fn raw_header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        self.0.headers_mut().push_raw(name, value)?;
        Ok(self)
    }

    /// Copies the Record-Route lines of `request`, as a response that makes a dialog must ([RFC 3261 §12.1.1]).
    ///
    /// [RFC 3261 §12.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
    #[must_use]
    pub fn record_route(mut self, request: &Request) -> Self {
        self.0.headers_mut().copy_from(request.headers(), &HeaderName::RECORD_ROUTE);
        self
    }

    /// Sets the body with its Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.0.set_body(content_type, body);
        self
    }

    /// The response, with the right Content-Length.
    #[must_use]
    pub fn build(mut self) -> Response {
        self.0.ensure_content_length();
        self.0
    }
}
