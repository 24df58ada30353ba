//! Being called: ring, answer, refuse; the 2xx until its ACK ([RFC 3261 §13.3]).
//!
//! [RFC 3261 §13.3]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3

use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::SessionDescription;
use sip_msg::{CSeq, Contact, Expires, RecordRoute};
use sip_msg::{Class, Request, Response, StatusCode, Text, Uri};
use sip_txn::{Flow, ServerId};

use super::{Established, Farewell, InviteUsage, State, offer_answer, patience};
use crate::auth::Authenticator;
use crate::command::Reply;
use crate::context::{self, Context};
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{DialogId, Event, Side};
use crate::media_plan::{MediaPlan, Refusal};
use crate::target;

/// How often a provisional response is repeated, so that no proxy's Timer C fires ([RFC 3261 §13.3.1.1]).
///
/// [RFC 3261 §13.3.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.1
const PROVISIONAL_INTERVAL: Duration = Duration::from_secs(60);

/// A call that waits for our answer.
#[derive(Debug)]
pub(super) struct Alerting {
    server: ServerId,
    request: Request,
    pub(super) dialog: Dialog,
    offer: Option<SessionDescription>,
    /// The plan that answered the offer in a provisional response, and the answer: the 2xx repeats it.
    early: Option<(Box<dyn MediaPlan>, Option<Bytes>)>,
    provisional: Option<(Instant, Response)>,
    /// When the caller's Expires runs out.
    expires_at: Option<Instant>,
}

/// Our 2xx, repeated until its ACK comes ([RFC 3261 §13.3.1.4]).
///
/// [RFC 3261 §13.3.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
#[derive(Debug)]
pub(super) struct AwaitAck {
    server: ServerId,
    response: Response,
    cseq: u32,
    /// It answers the INVITE that made the dialog.
    pub(super) initial: bool,
    /// It carries an offer; the ACK must bring the answer.
    pub(super) offered: bool,
    interval: Duration,
    resend_at: Instant,
    give_up_at: Instant,
}

impl AwaitAck {
    pub(super) fn poll_timeout(&self) -> Instant {
        self.resend_at.min(self.give_up_at)
    }
}

impl Alerting {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.provisional.iter().map(|(at, _)| *at).chain(self.expires_at).min()
    }

    /// A bare final response.
    pub(super) fn respond(&self, context: &mut Context, now: Instant, status: StatusCode) {
        let response = self.response(context, status, false);
        context.respond(now, self.server, response);
    }

    /// A response in the dialog to be.
    fn response(&self, context: &Context, status: StatusCode, capabilities: bool) -> Response {
        let mut builder = Response::answer(&self.request, status).to_tag(self.dialog.local_tag());
        if status.class() != Class::Failure {
            builder = builder.record_route(&self.request).header(&self.dialog.contact_header());
        }
        let mut response = builder.build();
        context.sign_response(&mut response, capabilities);
        response
    }
}

impl InviteUsage {
    /// An INVITE came.
    pub(crate) fn incoming(
        context: &mut Context,
        now: Instant,
        id: DialogId,
        server: ServerId,
        flow: Flow,
        request: Request,
        offer: Option<SessionDescription>,
    ) -> Result<Self, sip_msg::HeaderError> {
        let tag = context.ids.tag();
        let secure = is_secure(&request);
        let user = request.uri().ok().and_then(|uri| uri.raw_user().map(Text::from));
        let contact =
            target::contact(&context.layer, flow.transport, Some(&flow.remote), user.as_deref(), secure)
                .detach();
        let dialog = Dialog::of_request(&request, &tag, contact)?;
        let expires = request.headers().get::<Expires>().ok().flatten();
        let alerting = Alerting {
            server,
            dialog: dialog.clone(),
            offer,
            early: None,
            provisional: None,
            expires_at: expires.map(|Expires(seconds)| now + Duration::from_secs(seconds.into())),
            request: request.clone(),
        };
        let mut usage = Self::new(id, Authenticator::default(), State::Alerting(Box::new(alerting)));
        usage.keep_key(context, &dialog);
        context.servers.insert(server, id);
        context.tell(Event::Incoming { dialog: id, flow, request });
        Ok(usage)
    }

    /// Sends a provisional response, with our answer if there is a plan and the caller offered.
    pub(crate) fn ring(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: StatusCode,
        plan: Option<Box<dyn MediaPlan>>,
    ) -> Result<(), CommandError> {
        if !status.is_provisional() || status == StatusCode::TRYING {
            return Err(CommandError::Misuse("ring: the status is one of 101 to 199"));
        }
        let name = self.state.name();
        let State::Alerting(alerting) = &mut self.state else {
            return Err(CommandError::WrongState { command: "ring", state: name });
        };
        if let Some(mut plan) = plan
            && alerting.early.is_none()
        {
            let answer = match alerting.offer.as_ref().map(|offer| plan.answer(offer)) {
                // Without an offer ours waits for the 2xx: an unreliable response may carry none.
                None => None,
                Some(Ok(answer)) => Some(offer_answer::body(&answer)),
                Some(Err(refusal)) => return Err(self.refuse_offer(context, now, refusal)),
            };
            alerting.early = Some((plan, answer));
        }
        let mut response = alerting.response(context, status, false);
        if let Some((_, Some(answer))) = &alerting.early {
            response.set_body(offer_answer::APPLICATION_SDP, answer.clone());
        }
        context.respond(now, alerting.server, response.clone());
        alerting.provisional = Some((now + PROVISIONAL_INTERVAL, response));
        Ok(())
    }

    /// Answers the call with 200.
    pub(crate) fn accept(
        &mut self,
        context: &mut Context,
        now: Instant,
        plan: Option<Box<dyn MediaPlan>>,
    ) -> Result<(), CommandError> {
        let name = self.state.name();
        let State::Alerting(alerting) = &mut self.state else {
            return Err(CommandError::WrongState { command: "accept", state: name });
        };
        let (mut plan, answer) = match (alerting.early.take(), plan) {
            (Some((early, Some(answer))), _) => (early, Some(answer)),
            (_, Some(plan)) | (Some((plan, None)), None) => (plan, None),
            (None, None) => return Err(CommandError::Misuse("accept: a media plan is needed")),
        };
        let offered = alerting.offer.is_none();
        let body = match (answer, &alerting.offer) {
            (Some(answer), _) => answer,
            (None, None) => offer_answer::body(&plan.offer(sdp::Direction::SendRecv)),
            (None, Some(offer)) => match plan.answer(offer) {
                Ok(answer) => offer_answer::body(&answer),
                Err(refusal) => return Err(self.refuse_offer(context, now, refusal)),
            },
        };
        let mut response = alerting.response(context, StatusCode::OK, true);
        response.set_body(offer_answer::APPLICATION_SDP, body);
        let wait = send_success(context, now, alerting.server, &alerting.request, response, true, offered);
        let mut established = Established::new(alerting.dialog.clone(), plan);
        established.await_ack = Some(wait);
        self.state = State::Established(Box::new(established));
        Ok(())
    }

    /// The application refuses the call.
    pub(crate) fn reject(
        &mut self,
        context: &mut Context,
        now: Instant,
        reply: Reply,
    ) -> Result<(), CommandError> {
        let reason = reply.reason.clone().unwrap_or_else(|| reply.status.reason().into());
        let farewell = Farewell { by: Side::Local, status: Some(reply.status), reason };
        self.refuse(context, now, reply, farewell)
    }

    pub(super) fn refuse(
        &mut self,
        context: &mut Context,
        now: Instant,
        reply: Reply,
        farewell: Farewell,
    ) -> Result<(), CommandError> {
        if reply.status.class() != Class::Failure {
            return Err(CommandError::Misuse("reject: the status is one of 300 to 699"));
        }
        let State::Alerting(alerting) = &self.state else {
            return Err(CommandError::WrongState { command: "reject", state: self.state.name() });
        };
        let response = final_response(context, &alerting.request, &reply, alerting.dialog.local_tag())?;
        context.respond(now, alerting.server, response);
        self.state = State::Over(None);
        self.end(context, farewell, None);
        Ok(())
    }

    /// Our media cannot answer the caller's offer: 488.
    fn refuse_offer(&mut self, context: &mut Context, now: Instant, refusal: Refusal) -> CommandError {
        let State::Alerting(alerting) = &self.state else { return CommandError::Refused(refusal) };
        let status = StatusCode::NOT_ACCEPTABLE_HERE;
        let mut response = alerting.response(context, status, false);
        response.headers_mut().push(&offer_answer::warning(&refusal));
        context.respond(now, alerting.server, response);
        self.state = State::Over(None);
        let reason = format!("the caller's offer is not acceptable: {refusal}").into();
        self.end(context, Farewell { by: Side::Error, status: Some(status), reason }, None);
        CommandError::Refused(refusal)
    }

    /// A CANCEL matched our server transaction, and has been answered; the INVITE gets its 487.
    ///
    /// One that comes after our 2xx changes nothing ([RFC 3261 §9.2]).
    ///
    /// [RFC 3261 §9.2]: https://www.rfc-editor.org/rfc/rfc3261#section-9.2
    pub(crate) fn handle_cancelled(&mut self, context: &mut Context, now: Instant, server: ServerId) {
        let status = StatusCode::REQUEST_TERMINATED;
        let farewell =
            Farewell { by: Side::Remote, status: Some(status), reason: "the caller gave up".into() };
        self.finish_alerting(context, now, server, status, farewell);
    }

    /// The INVITE came again after our 2xx, which then is lost: it is sent at once, and not only when its time has come.
    pub(crate) fn handle_repeated(&mut self, context: &mut Context, now: Instant, invite: ServerId) {
        let State::Established(established) = &self.state else { return };
        if let Some(wait) = established.await_ack.as_ref().filter(|wait| wait.server == invite) {
            context.respond(now, invite, wait.response.clone());
        }
    }

    /// Our server transaction is gone: whoever waited for it waits no longer.
    pub(crate) fn handle_server_ended(&mut self, context: &mut Context, now: Instant, server: ServerId) {
        let farewell = Farewell { by: Side::Error, status: None, reason: "the connection is lost".into() };
        self.finish_alerting(context, now, server, StatusCode::SERVICE_UNAVAILABLE, farewell);
    }

    fn finish_alerting(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        status: StatusCode,
        farewell: Farewell,
    ) {
        let State::Alerting(alerting) = &self.state else { return };
        if alerting.server == server {
            alerting.respond(context, now, status);
            self.state = State::Over(None);
            self.end(context, farewell, None);
        }
    }

    pub(super) fn alerting_timeout(&mut self, context: &mut Context, now: Instant) {
        let State::Alerting(alerting) = &mut self.state else { return };
        if alerting.expires_at.is_some_and(|at| at <= now) {
            let (server, status) = (alerting.server, StatusCode::REQUEST_TERMINATED);
            let reason = "the caller's INVITE expired".into();
            let farewell = Farewell { by: Side::Remote, status: Some(status), reason };
            return self.finish_alerting(context, now, server, status, farewell);
        }
        if let Some((at, response)) = &mut alerting.provisional
            && *at <= now
        {
            *at = now + PROVISIONAL_INTERVAL;
            context.respond(now, alerting.server, response.clone());
        }
    }

    /// An ACK for a 2xx of ours.
    pub(crate) fn handle_ack(&mut self, context: &mut Context, now: Instant, key: &DialogKey, ack: &Request) {
        let State::Established(established) = &mut self.state else { return };
        let number = ack.headers().require::<CSeq>().map_or(0, |cseq| cseq.number);
        let ours = established.dialog.key() == *key;
        let Some(wait) = established.await_ack.take_if(|wait| ours && wait.cseq == number) else { return };
        let mut trouble = None;
        if wait.offered {
            let answer = offer_answer::read(ack.headers(), ack.body()).ok().flatten();
            let outcome = match &answer {
                Some(answer) => established.plan.accept(answer),
                None => Err(Refusal::new("the ACK has no session description")),
            };
            if let Err(refusal) = outcome {
                trouble = Some(refusal.text);
            }
        }
        let direction = established.plan.direction();
        if wait.initial {
            context.tell(Event::Confirmed { dialog: self.id });
        } else if let (true, None, Some(direction)) = (wait.offered, &trouble, direction) {
            context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
        }
        if established.hang_up {
            self.farewell = Some(Farewell::local());
            self.leave(context, now);
        } else if let Some(reason) = trouble {
            let reason = Text::from(format!("no media agreed: {reason}"));
            self.break_off(context, now, Some(StatusCode::NOT_ACCEPTABLE_HERE), reason);
        } else {
            self.next_change(context, now);
        }
    }

    pub(super) fn await_ack_timeout(&mut self, context: &mut Context, now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        let Some(wait) = &mut established.await_ack else { return };
        if now >= wait.give_up_at {
            established.await_ack = None;
            if established.hang_up {
                self.farewell = Some(Farewell::local());
                self.leave(context, now);
            } else {
                self.break_off(context, now, None, "the caller never acknowledged our answer");
            }
        } else if now >= wait.resend_at {
            context.respond(now, wait.server, wait.response.clone());
            wait.interval = (2 * wait.interval).min(context.config.transactions.timing.t2);
            wait.resend_at = now + wait.interval;
        }
    }
}

/// Whether our Contact must be a SIPS URI ([RFC 3261 §12.1.1]): the Request-URI, the top Record-Route, or the Contact behind
/// no Record-Route is one.
///
/// [RFC 3261 §12.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
fn is_secure(invite: &Request) -> bool {
    let hop = match invite.headers().all::<RecordRoute>().next() {
        Some(route) => route.ok().map(|route| route.name_addr.uri),
        None => target::first_contact(invite.headers()),
    };
    invite.uri().ok().into_iter().chain(hop).any(|uri| uri.is_sips())
}

/// Sends a 2xx to an INVITE, to be repeated until its ACK.
pub(super) fn send_success(
    context: &mut Context,
    now: Instant,
    server: ServerId,
    request: &Request,
    response: Response,
    initial: bool,
    offered: bool,
) -> AwaitAck {
    context.respond(now, server, response.clone());
    let interval = context.config.transactions.timing.t1;
    AwaitAck {
        server,
        response,
        cseq: request.headers().require::<CSeq>().map_or(0, |cseq| cseq.number),
        initial,
        offered,
        interval,
        resend_at: now + interval,
        give_up_at: now + patience(context),
    }
}

/// A final response as the application wants it.
pub(crate) fn final_response(
    context: &Context,
    request: &Request,
    reply: &Reply,
    tag: &str,
) -> Result<Response, CommandError> {
    let mut builder = Response::answer(request, reply.status).to_tag(tag);
    if let Some(reason) = &reply.reason {
        builder = builder.reason(reason);
    }
    let mut response = builder.build();
    for uri in &reply.contacts {
        let contact: Uri = uri.clone();
        response.headers_mut().push(&Contact::new(contact));
    }
    context::push_all(response.headers_mut(), &reply.headers)?;
    context.sign_response(&mut response, false);
    if let Some((content_type, body)) = &reply.body {
        response.set_body(content_type, body.clone());
    }
    Ok(response)
}
