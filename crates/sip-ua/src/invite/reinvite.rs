//! Changes of the peer to a call that stands: its re-INVITEs, and how a change is refused ([RFC 3261 §14.2]).
//!
//! [RFC 3261 §14.2]: https://www.rfc-editor.org/rfc/rfc3261#section-14.2

use std::time::{Duration, Instant};

use sip_msg::{Request, Response, RetryAfter, StatusCode, Text};
use sip_txn::ServerId;

use super::change::{MAX_RETRY_AFTER, hear};
use super::{InviteUsage, State, await_ack, info, offer_answer};
use crate::context::Context;
use crate::event::{Event, Side};
use crate::media_plan::Refusal;

impl InviteUsage {
    /// An INVITE of the peer in a dialog ([RFC 3261 §14.2]).
    ///
    /// [RFC 3261 §14.2]: https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    pub(super) fn reinvited(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: &Request,
    ) {
        let established = match &mut self.state {
            State::Established(established) => established,
            // Our INVITE is in progress.
            State::Calling(_) => {
                return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
            }
            // The first INVITE of the peer has no final answer yet.
            State::Alerting(_) => return self.answer_later(context, now, server, request),
            State::Over(_) => {
                return self.answer(
                    context,
                    now,
                    server,
                    request,
                    StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST,
                );
            }
        };
        if established.is_busy_offering() {
            return self.answer(context, now, server, request, StatusCode::REQUEST_PENDING);
        }
        // Whoever sends a re-INVITE has our 2xx: the ACK for it is lost or late (RFC 5407 §3.1.4).
        let confirmed = established.await_ack.take().is_some_and(|wait| wait.initial);
        let offer = offer_answer::read(request.headers(), request.body());
        if confirmed {
            context.tell(Event::Confirmed { dialog: self.id });
        }
        let before = established.plan.direction();
        let mut news = false;
        let (body, offered) = match offer {
            // The agent has refused these already.
            Err(error) => return self.answer(context, now, server, request, error.status()),
            Ok(None) => (established.plan.offer(established.direction), true),
            Ok(Some(offer)) => match established.plan.answer(&offer) {
                Ok(answer) => {
                    news = hear(&mut self.remote_origin, &offer);
                    (answer, false)
                }
                Err(refusal) => {
                    self.refuse_change(context, now, server, request, &refusal);
                    return self.next_change(context, now);
                }
            },
        };
        established.dialog.refresh_target(request.headers());
        let mut response = Response::answer(request, StatusCode::OK)
            .record_route(request)
            .header(&established.dialog.contact_header())
            .build();
        context.sign_response(&mut response, true);
        info::announce_back(context, request, &mut response);
        self.timer.accept(now, request.headers(), &mut response);
        response.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(&body));
        let direction = established.plan.direction();
        established.await_ack =
            Some(await_ack::send_success(context, now, server, request, response, false, offered));
        let tag = Text::from(established.dialog.remote_tag());
        self.note_packages(&tag, request.headers());
        match direction {
            Some(direction) if news || before != Some(direction) => {
                context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
            }
            // Ours is offered: its answer in the ACK will tell.
            _ if offered => {}
            _ => self.tell_refreshed(context, Side::Remote),
        }
    }

    /// Our media cannot answer the peer's new offer: 488, and the call stands as it was.
    pub(super) fn refuse_change(
        &self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: &Request,
        refusal: &Refusal,
    ) {
        let mut response = Response::answer(request, StatusCode::NOT_ACCEPTABLE_HERE).build();
        response.headers_mut().push(&offer_answer::warning(refusal));
        context.sign_response(&mut response, false);
        context.respond(now, server, response);
    }

    /// 500 with a Retry-After of 0 to 10 s: one offer of the peer at a time.
    pub(super) fn answer_later(
        &self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: &Request,
    ) {
        let mut response = Response::answer(request, StatusCode::SERVER_INTERNAL_ERROR).build();
        let wait = context.ids.wait(Duration::ZERO, Duration::from_secs(MAX_RETRY_AFTER.into()));
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(MAX_RETRY_AFTER);
        response.headers_mut().push(&RetryAfter::new(seconds));
        context.sign_response(&mut response, false);
        context.respond(now, server, response);
    }
}
