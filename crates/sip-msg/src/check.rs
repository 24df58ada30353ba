//! [`Message::check`]: what must hold before a message is processed.

use crate::{
    CSeq, CallId, CheckError, From, HeaderError, HeaderName, MaxForwards, Message, Method, Params, Request,
    Require, Response, Scheme, Text, To, TypedHeader, Unsupported, UriError, Via,
};

impl Message {
    /// Checks the mandatory headers of [RFC 3261 §8.1.1] and that the method in CSeq is that of the request.
    ///
    /// # Errors
    /// [`CheckError`]; its status is what a UAS answers to a request. A response that fails is dropped.
    ///
    /// [RFC 3261 §8.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1
    pub fn check(&self) -> Result<(), CheckError> {
        match self {
            Self::Request(request) => request.check(),
            Self::Response(response) => response.check(),
        }
    }
}

impl Request {
    /// As [`Message::check`].
    ///
    /// # Errors
    /// [`CheckError`]; its status is what a UAS answers.
    pub fn check(&self) -> Result<(), CheckError> {
        let cseq = check_headers(self.headers())?;
        if cseq != *self.method() {
            return Err(CheckError::CSeqMethod);
        }
        // In a response it means nothing and is ignored: RFC 3261 §7.3.2.
        once_only(self.headers(), &HeaderName::MAX_FORWARDS)?;
        self.headers().get::<MaxForwards>()?;
        if self.uri()?.headers().next().is_some() {
            let at = memchr::memchr(b'?', self.uri_text().as_bytes()).unwrap_or(0);
            return Err(UriError::Malformed { at, expected: "a Request-URI without headers" }.into());
        }
        Ok(())
    }

    /// What a UAS checks beyond [`Request::check`]: the scheme of the Request-URI ([RFC 3261 §8.2.2.1]) and that every
    /// extension in Require is one of `supported` ([RFC 3261 §8.2.2.3]); not so for ACK and CANCEL.
    ///
    /// # Errors
    /// [`CheckError`]; its status is what a UAS answers, and a 420 carries the header of [`CheckError::Extension`].
    ///
    /// [RFC 3261 §8.2.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.1
    /// [RFC 3261 §8.2.2.3]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.3
    pub fn check_uas(&self, supported: &[&str]) -> Result<(), CheckError> {
        if self.uri()?.scheme() == Scheme::Other {
            return Err(CheckError::UriScheme);
        }
        if matches!(*self.method(), Method::ACK | Method::CANCEL) {
            return Ok(());
        }
        let required = self.headers().get::<Require>()?.unwrap_or_default();
        let known = |tag: &Text| supported.iter().any(|known| tag.eq_ignore_ascii_case(known));
        let unknown: Unsupported = required.iter().filter(|tag| !known(tag)).collect();
        if unknown.0.is_empty() { Ok(()) } else { Err(CheckError::Extension(unknown)) }
    }
}

impl Response {
    /// As [`Message::check`].
    ///
    /// # Errors
    /// [`CheckError`]; the response must be dropped.
    pub fn check(&self) -> Result<(), CheckError> {
        check_headers(self.headers()).map(drop)
    }
}

fn check_headers(headers: &crate::Headers) -> Result<Method, CheckError> {
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, CSeq::NAME] {
        once_only(headers, &name)?;
    }
    let mut vias = headers.all::<Via>();
    let top = vias.next().ok_or(HeaderError::Missing(Via::NAME))??;
    if top.branch().is_some_and(|branch| branch == Via::MAGIC_COOKIE) {
        return Err(
            HeaderError::Malformed { name: Via::NAME, at: 0, expected: "a branch after the cookie" }.into()
        );
    }
    once(&top.params, "branch", Via::NAME)?;
    vias.try_for_each(|via| via.map(drop))?;
    once(&headers.require::<From>()?.params, "tag", From::NAME)?;
    once(&headers.require::<To>()?.params, "tag", To::NAME)?;
    headers.require::<CallId>()?;
    Ok(headers.require::<CSeq>()?.method)
}

fn once_only(headers: &crate::Headers, name: &HeaderName) -> Result<(), CheckError> {
    match headers.raw_all(name).nth(1) {
        Some(_) => Err(CheckError::Repeated(name.clone())),
        None => Ok(()),
    }
}

/// Refuses a parameter that names a dialog or a transaction and stands twice ([RFC 3261 §7.3.1]): which one counts is
/// anyone's guess.
///
/// [RFC 3261 §7.3.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1
fn once(params: &Params, param: &str, name: HeaderName) -> Result<(), HeaderError> {
    if params.repeats(param) {
        return Err(HeaderError::Malformed { name, at: 0, expected: "each parameter once" });
    }
    Ok(())
}
