//! [`Message::check`]: what must hold before a message is processed.

use crate::{
    CSeq, CallId, CheckError, From, HeaderName, MaxForwards, Message, Method, Request, Response, To,
    TypedHeader, Via,
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
        self.headers().get::<MaxForwards>()?;
        self.uri()?;
        Ok(())
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
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, CSeq::NAME, HeaderName::MAX_FORWARDS]
    {
        if headers.raw_all(&name).nth(1).is_some() {
            return Err(CheckError::Repeated(name));
        }
    }
    headers.require::<Via>()?;
    headers.all::<Via>().try_for_each(|via| via.map(drop))?;
    headers.require::<From>()?;
    headers.require::<To>()?;
    headers.require::<CallId>()?;
    Ok(headers.require::<CSeq>()?.method)
}
