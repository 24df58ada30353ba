//! What a request must pass before anybody looks at what it wants ([RFC 3261 §8.2]).
//!
//! [RFC 3261 §8.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2

use sdp::SessionDescription;
use sip_msg::{Accept, AcceptEncoding, Allow, Require, Unsupported};
use sip_msg::{Method, Request, Response, StatusCode, Text};

use crate::invite::offer_answer::{self, BodyError};

/// Passes a request, with the session description that an INVITE, UPDATE or PRACK carries, or makes the response that refuses it.
///
/// In the order of RFC 3261 §8.2: method (405), Request-URI (416), Require (420), content (415), and what
/// an INVITE's answer would have to be (406). Max-Forwards is not
/// looked at: its count ends forwarding, and we forward nothing.
pub(crate) fn screen(
    request: &Request,
    methods: &[Method],
    options: &[&str],
) -> Result<Option<SessionDescription>, Box<Response>> {
    let refuse = |status| Response::answer(request, status);
    if !methods.contains(request.method()) {
        let allow = Allow(methods.to_vec());
        return Err(Box::new(refuse(StatusCode::METHOD_NOT_ALLOWED).header(&allow).build()));
    }
    if !request.uri().is_ok_and(|uri| uri.is_sip() || uri.is_sips()) {
        return Err(Box::new(refuse(StatusCode::UNSUPPORTED_URI_SCHEME).build()));
    }
    let unknown = unknown_options(request, options);
    if !unknown.is_empty() {
        return Err(Box::new(refuse(StatusCode::BAD_EXTENSION).header(&Unsupported(unknown)).build()));
    }
    if !matches!(*request.method(), Method::INVITE | Method::UPDATE | Method::PRACK) {
        return Ok(None);
    }
    let description = offer_answer::read(request.headers(), request.body()).map_err(|error| {
        let refusal = refuse(error.status());
        Box::new(match error {
            BodyError::Unsupported => {
                let plain = AcceptEncoding::new("identity");
                refusal.header(&offer_answer::accept()).header(&plain).build()
            }
            BodyError::Malformed => refusal.reason("Bad Session Description").build(),
        })
    })?;
    if *request.method() == Method::INVITE
        && let Ok(Some(accept)) = request.headers().get::<Accept>()
        && !accept.accepts(offer_answer::APPLICATION_SDP)
    {
        return Err(Box::new(refuse(StatusCode::NOT_ACCEPTABLE).build()));
    }
    Ok(description)
}

/// The options in Require that we do not know.
fn unknown_options(request: &Request, options: &[&str]) -> Vec<Text> {
    let Ok(Some(Require(required))) = request.headers().get::<Require>() else { return Vec::new() };
    required
        .into_iter()
        .filter(|option| !options.iter().any(|known| known.eq_ignore_ascii_case(option)))
        .collect()
}
