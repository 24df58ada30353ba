//! The callee's side: a reliable provisional response is repeated until its PRACK, one at a time ([RFC 3262 §3]).
//!
//! [RFC 3262 §3]: https://www.rfc-editor.org/rfc/rfc3262#section-3

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_msg::{CSeq, Method, RAck, RSeq, Request, Require, Response, StatusCode};
use sip_txn::ServerId;

use super::{OPTION, Reliable, is_required, is_taken};
use crate::context::Context;
use crate::dialog::DialogKey;
use crate::error::CommandError;
use crate::event::{Event, Side};
use crate::invite::uas::Exchange;
use crate::invite::{InviteUsage, State, offer_answer, patience};
use crate::media_plan::Refusal;

/// How many responses may wait for the PRACK of the one before them.
const MAX_WAITING: usize = 8;

/// The reliable provisional responses of one INVITE.
#[derive(Debug)]
pub(in crate::invite) struct Sender {
    /// The caller takes them.
    pub(in crate::invite) taken: bool,
    /// The caller insists on them, or we do.
    always: bool,
    /// CSeq of the INVITE.
    cseq: u32,
    /// RSeq of the last one.
    last: Option<u32>,
    sent: Option<Sent>,
    /// With session description or without, in order.
    waiting: VecDeque<(Response, bool)>,
    /// The one whose PRACK we answered 488: another PRACK may confirm it without the offer.
    refused: Option<RAck>,
}

/// The one that waits for its PRACK.
#[derive(Debug)]
struct Sent {
    rack: RAck,
    response: Response,
    /// It carries an answer or an offer.
    describes: bool,
    interval: Duration,
    resend_at: Instant,
    give_up_at: Instant,
}

/// One without its PRACK when the INVITE was finally answered: a late PRACK is confirmed all the same.
#[derive(Debug)]
pub(in crate::invite) struct Unacknowledged {
    rack: RAck,
    pub(in crate::invite) until: Instant,
}

impl Sender {
    pub(in crate::invite) fn new(invite: &Request, wanted: Reliable) -> Self {
        let headers = invite.headers();
        let taken = wanted != Reliable::Off && is_taken(headers);
        Self {
            taken,
            always: taken && (wanted == Reliable::Required || is_required(headers)),
            cseq: headers.require::<CSeq>().map_or(0, |cseq| cseq.number),
            last: None,
            sent: None,
            waiting: VecDeque::new(),
            refused: None,
        }
    }

    /// Whether a response goes reliably, of which the application says whether it must.
    pub(in crate::invite) fn decide(&self, asked: bool) -> Result<bool, CommandError> {
        if asked && !self.taken {
            return Err(CommandError::Misuse("ring: the caller takes no reliable responses (100rel)"));
        }
        let reliable = asked || self.always;
        if reliable && self.waiting.len() >= MAX_WAITING {
            return Err(CommandError::Limit("provisional responses that wait for a PRACK"));
        }
        Ok(reliable)
    }

    /// Sends a response, or lets it wait for the PRACK of the one before it.
    pub(in crate::invite) fn send(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        response: Response,
        describes: bool,
    ) {
        self.waiting.push_back((response, describes));
        self.send_next(context, now, server);
    }

    fn send_next(&mut self, context: &mut Context, now: Instant, server: ServerId) {
        if self.sent.is_some() {
            return;
        }
        let Some((mut response, describes)) = self.waiting.pop_front() else { return };
        let number = match self.last {
            // RFC 3262 §3: the first is below 2^31 and each but one higher, so that it cannot wrap in a call's time.
            Some(last) => last.saturating_add(1),
            None => context.ids.first_rseq(),
        };
        self.last = Some(number);
        response.headers_mut().push(&Require(vec![OPTION.into()]));
        response.headers_mut().push(&RSeq(number));
        context.respond(now, server, response.clone());
        let interval = context.config.transactions.timing.t1;
        self.sent = Some(Sent {
            rack: RAck { rseq: number, cseq: self.cseq, method: Method::INVITE },
            response,
            describes,
            interval,
            resend_at: now + interval,
            give_up_at: now + patience(context),
        });
    }

    /// Whether one that says nothing new would only wait.
    pub(in crate::invite) fn is_busy(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether the final response has to wait for a PRACK: a session description is in between.
    pub(in crate::invite) fn holds_success(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.describes)
    }

    /// The final response comes: what waits is not sent any more. Whether a session description is among it.
    pub(in crate::invite) fn drop_waiting(&mut self) -> bool {
        std::mem::take(&mut self.waiting).into_iter().any(|(_, describes)| describes)
    }

    /// What a late PRACK may still confirm.
    pub(in crate::invite) fn unacknowledged(&self, until: Instant) -> Option<Unacknowledged> {
        let rack = self.sent.as_ref().map(|sent| sent.rack.clone()).or_else(|| self.refused.clone())?;
        Some(Unacknowledged { rack, until })
    }

    pub(in crate::invite) fn poll_timeout(&self) -> Option<Instant> {
        self.sent.as_ref().map(|sent| sent.resend_at.min(sent.give_up_at))
    }

    /// Sends again what is due; true when it has been long enough. The interval doubles without an upper limit.
    pub(in crate::invite) fn handle_timeout(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
    ) -> bool {
        let Some(sent) = &mut self.sent else { return false };
        if now >= sent.give_up_at {
            return true;
        }
        if now >= sent.resend_at {
            context.respond(now, server, sent.response.clone());
            sent.interval *= 2;
            sent.resend_at = now + sent.interval;
        }
        false
    }
}

impl InviteUsage {
    /// A PRACK of the peer.
    pub(in crate::invite) fn pracked(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        request: &Request,
    ) {
        let number = request.headers().require::<CSeq>().map_or(0, |cseq| cseq.number);
        if self.is_out_of_order(key, number) {
            return self.answer(context, now, server, request, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let Ok(rack) = request.headers().require::<RAck>() else {
            return self.answer(context, now, server, request, StatusCode::BAD_REQUEST);
        };
        if let State::Alerting(alerting) = &mut self.state {
            let sender = &mut alerting.sender;
            if sender.sent.as_ref().is_some_and(|sent| sent.rack == rack) {
                return self.provisional_confirmed(context, now, server, request);
            }
            if sender.refused.take_if(|refused| *refused == rack).is_some() {
                return self.answer(context, now, server, request, StatusCode::OK);
            }
        } else if self.unacknowledged.take_if(|late| late.rack == rack).is_some() {
            return self.answer(context, now, server, request, StatusCode::OK);
        }
        self.answer(context, now, server, request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
    }

    /// The PRACK that the response we repeat has waited for, with the answer to our offer, or with a new offer
    /// ([RFC 3262 §5]).
    ///
    /// [RFC 3262 §5]: https://www.rfc-editor.org/rfc/rfc3262#section-5
    fn provisional_confirmed(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: &Request,
    ) {
        let description = match offer_answer::read(request.headers(), request.body()) {
            Ok(description) => description,
            // The agent has refused these already.
            Err(error) => return self.answer(context, now, server, request, error.status()),
        };
        if let State::Alerting(alerting) = &self.state
            && description.is_some()
            && self.is_offering_early(alerting.dialog.remote_tag())
        {
            return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
        }
        let State::Alerting(alerting) = &mut self.state else { return };
        let describes = alerting.sender.holds_success();
        let ours_is_open = describes && alerting.offer.is_none() && alerting.exchange != Exchange::Settled;
        let settled = describes || alerting.exchange == Exchange::Settled;
        let (mut answer, mut refused, mut trouble) = (None, None, None);
        match (description, alerting.plan.as_mut()) {
            (None, _) if ours_is_open => {
                trouble = Some(Refusal::new("the PRACK has no session description"));
            }
            (None, _) => {}
            (Some(theirs), Some(plan)) if ours_is_open => trouble = plan.accept(&theirs).err(),
            (Some(offer), Some(plan)) if settled => match plan.answer(&offer) {
                Ok(made) => answer = Some(made),
                Err(refusal) => refused = Some(refusal),
            },
            // The caller's offer in the INVITE has no answer yet (RFC 6337 §3.1.1).
            (Some(_), _) => return self.answer_later(context, now, server, request),
        }
        let sent = alerting.sender.sent.take();
        if describes {
            alerting.exchange = Exchange::Settled;
        }
        let news = (ours_is_open && trouble.is_none()) || answer.is_some();
        let direction = alerting.plan.as_ref().and_then(|plan| plan.direction()).filter(|_| news);
        if let Some(refusal) = &refused {
            // RFC 6337 §2.3: the response is heard, its PRACK may come again without the offer.
            alerting.sender.refused = sent.map(|sent| sent.rack);
            self.refuse_change(context, now, server, request, refusal);
        } else {
            let mut response = Response::answer(request, StatusCode::OK).build();
            if let Some(answer) = &answer {
                response.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(answer));
            }
            context.sign_response(&mut response, false);
            context.respond(now, server, response);
        }
        if let Some(direction) = direction {
            context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
        }
        if let Some(refusal) = trouble {
            // The caller hears it as an answer to its INVITE; our application as the end of the call.
            self.refuse_offer(context, now, refusal);
            return;
        }
        let State::Alerting(alerting) = &mut self.state else { return };
        let server = alerting.server;
        alerting.sender.send_next(context, now, server);
        if alerting.accepted {
            self.answer_call(context, now);
        }
    }
}
