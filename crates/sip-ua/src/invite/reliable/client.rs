//! The caller's side: each reliable provisional response is confirmed once and in order ([RFC 3262 §4]).
//!
//! [RFC 3262 §4]: https://www.rfc-editor.org/rfc/rfc3262#section-4

use std::time::Instant;

use sdp::SessionDescription;
use sip_msg::{CSeq, HeaderName, Method, RAck, RSeq, Response, StatusCode};
use sip_txn::{ClientId, Ending};

use super::is_required;
use crate::context::Context;
use crate::event::Side;
use crate::invite::ending::Farewell;
use crate::invite::requests::Purpose;
use crate::invite::{InviteUsage, State, is_gone, offer_answer};

/// The reliable responses to one INVITE in one dialog, as far as they came in order.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::invite) struct Heard {
    last: Option<u32>,
}

impl Heard {
    /// The number of a response that is sent reliably. A 100 never is, whatever it says.
    pub(in crate::invite) fn number(response: &Response) -> Option<u32> {
        let reliable = response.status() != StatusCode::TRYING && is_required(response.headers());
        let RSeq(number) = response.headers().get::<RSeq>().ok().flatten().filter(|_| reliable)?;
        Some(number)
    }

    /// Whether this is the first one, or the next one. Others are repeated, or run ahead of one that is lost: it will
    /// come again, and so will they.
    pub(in crate::invite) fn is_next(self, number: u32) -> bool {
        self.last.is_none_or(|last| last.checked_add(1) == Some(number))
    }

    fn take(&mut self, number: u32) {
        self.last = Some(number);
    }
}

/// What came of a re-INVITE of ours before its final response.
#[derive(Debug, Default)]
pub(in crate::invite) struct Provisional {
    heard: Heard,
    /// The answer that a reliable response brought.
    pub(in crate::invite) description: Option<SessionDescription>,
}

impl InviteUsage {
    /// Confirms a response that [`Heard::is_next`] has let pass, with our answer where it made an offer.
    pub(in crate::invite) fn confirm_provisional(
        &mut self,
        context: &mut Context,
        now: Instant,
        remote_tag: &str,
        response: &Response,
        number: u32,
        answer: Option<&SessionDescription>,
    ) {
        let Ok(CSeq { number: cseq, method }) = response.headers().require::<CSeq>() else { return };
        let Some(mut request) = self.request(context, remote_tag, Method::PRACK) else { return };
        // RFC 3262 table 1: a PRACK has no Contact.
        request.headers_mut().remove(HeaderName::CONTACT);
        request.headers_mut().push(&RAck { rseq: number, cseq, method });
        if let Some(answer) = answer {
            request.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(answer));
        }
        // What cannot be confirmed now comes again.
        if self.send_request(context, now, remote_tag, request, Purpose::Prack).is_ok()
            && let Some(heard) = self.heard(remote_tag)
        {
            heard.take(number);
        }
    }

    fn heard(&mut self, remote_tag: &str) -> Option<&mut Heard> {
        match &mut self.state {
            State::Calling(calling) => calling.early_of(remote_tag).map(|early| &mut early.heard),
            State::Established(established) => Some(&mut established.provisional.heard),
            State::Alerting(_) | State::Over(_) => None,
        }
    }

    /// A PRACK of ours has its answer, or has none.
    ///
    /// Once the INVITE has its final response nothing hangs on it any more. Before that a peer that no longer knows the
    /// only dialog there is, or does not answer in it, ends the attempt ([RFC 3261 §12.2.1.2]).
    ///
    /// [RFC 3261 §12.2.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.2
    pub(in crate::invite) fn prack_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        remote_tag: &str,
        result: &Result<Response, Ending>,
    ) {
        let State::Calling(calling) = &mut self.state else { return };
        let status = match result {
            Ok(response) if is_gone(response.status()) => Some(response.status()),
            Ok(_) => None,
            Err(Ending::TimedOut) => Some(StatusCode::REQUEST_TIMEOUT),
            Err(_) => None,
        };
        calling.forget_ended(remote_tag);
        let alone = calling.early.iter().all(|early| early.dialog.remote_tag() == remote_tag);
        if let (Some(status), true, false) = (status, alone, calling.early.is_empty()) {
            let reason = "the callee does not know of its own provisional response (PRACK)".into();
            self.give_up(context, now, Farewell { by: Side::Error, status: Some(status), reason });
        }
    }

    /// A provisional response to our re-INVITE, one with an offer. The answer in a reliable one is kept for the 2xx: should the re-INVITE
    /// fail after all, nothing has changed ([RFC 6141 §3.2]).
    ///
    /// [RFC 6141 §3.2]: https://www.rfc-editor.org/rfc/rfc6141#section-3.2
    pub(in crate::invite) fn change_progressed(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: &Response,
    ) {
        let State::Established(established) = &mut self.state else { return };
        let number = Heard::number(response).filter(|number| established.provisional.heard.is_next(*number));
        let (Some(number), true) = (number, established.is_changing(client)) else { return };
        if established.provisional.description.is_none() {
            established.provisional.description = offer_answer::of_response(response);
        }
        let tag = established.dialog.remote_tag().to_owned();
        self.confirm_provisional(context, now, &tag, response, number, None);
    }
}
