//! Being called: ring, answer, refuse; the 2xx until its ACK ([RFC 3261 §13.3]).
//!
//! [RFC 3261 §13.3]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3

use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::SessionDescription;
use sip_msg::{Class, Request, Response, StatusCode, Text, Uri};
use sip_msg::{Contact, Expires, Reason, RecordRoute, To};
use sip_txn::{Flow, ServerId};

use super::await_ack::send_success;
use super::change::hear;
use super::reliable::{Ring, Sender};
use super::replaces::Relation;
use super::session_timer::Timer;
use super::{Established, Farewell, InviteUsage, State, info, offer_answer, patience};
use crate::auth::Authenticator;
use crate::command::Reply;
use crate::context::{self, Context};
use crate::dialog::Dialog;
use crate::error::CommandError;
use crate::event::{DialogId, Event, Side};
use crate::media_plan::{MediaPlan, Refusal};
use crate::target;

/// How often a provisional response is repeated, so that no proxy's Timer C fires ([RFC 3261 §13.3.1.1]).
///
/// [RFC 3261 §13.3.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.1
const PROVISIONAL_INTERVAL: Duration = Duration::from_secs(60);
/// The same for one that cannot get lost ([RFC 3262 §3]).
///
/// [RFC 3262 §3]: https://www.rfc-editor.org/rfc/rfc3262#section-3
const RELIABLE_INTERVAL: Duration = Duration::from_secs(150);

/// An INVITE that makes a call: how it came, what it offers, and what it has to do with other calls.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) server: ServerId,
    pub(crate) flow: Flow,
    pub(crate) offer: Option<SessionDescription>,
    pub(crate) relation: Relation,
}

/// A call that waits for our answer.
#[derive(Debug)]
pub(super) struct Alerting {
    pub(super) server: ServerId,
    request: Request,
    pub(super) dialog: Dialog,
    pub(super) offer: Option<SessionDescription>,
    /// The plan that a provisional response was given with.
    pub(super) plan: Option<Box<dyn MediaPlan>>,
    /// Its answer to the offer: until it has gone out reliably, each response repeats it, the 2xx too.
    answer: Option<Bytes>,
    pub(super) exchange: Exchange,
    pub(super) sender: Sender,
    /// Accepted; the 2xx waits for a PRACK ([RFC 3262 §5]).
    ///
    /// [RFC 3262 §5]: https://www.rfc-editor.org/rfc/rfc3262#section-5
    pub(super) accepted: bool,
    provisional: Option<Repeat>,
    /// When the caller's Expires runs out.
    expires_at: Option<Instant>,
}

/// How far offer and answer of an INVITE have come in reliable provisional responses ([RFC 6337 §2.2]).
///
/// [RFC 6337 §2.2]: https://www.rfc-editor.org/rfc/rfc6337#section-2.2
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exchange {
    /// Nothing was said that cannot get lost: the 2xx has the answer, or the offer.
    Open,
    /// Our answer or offer is in a reliable response without its PRACK.
    Sent,
    /// Both sides have both; the 2xx says nothing more.
    Settled,
}

/// The last provisional response, said again from time to time.
#[derive(Debug)]
struct Repeat {
    at: Instant,
    response: Response,
    reliable: bool,
}

impl Repeat {
    fn new(now: Instant, response: Response, reliable: bool) -> Self {
        let interval = if reliable { RELIABLE_INTERVAL } else { PROVISIONAL_INTERVAL };
        Self { at: now + interval, response, reliable }
    }
}

impl Alerting {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let repeat = self.provisional.as_ref().map(|repeat| repeat.at);
        repeat.into_iter().chain(self.sender.poll_timeout()).chain(self.expires_at).min()
    }

    /// Whether the caller may know our tag.
    pub(super) fn has_rung(&self) -> bool {
        self.provisional.is_some()
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
        if status.class() != Class::Failure {
            info::announce_back(context, &self.request, &mut response);
        }
        response
    }
}

impl InviteUsage {
    /// An INVITE came.
    pub(crate) fn incoming(
        context: &mut Context,
        now: Instant,
        id: DialogId,
        Arrival { server, flow, offer, relation }: Arrival,
        request: Request,
    ) -> Result<Self, sip_msg::HeaderError> {
        let tag = context.ids.tag();
        let secure = is_secure(&request);
        let user = request.uri().ok().and_then(|uri| uri.raw_user().map(Text::from));
        // RFC 5627 §4.4.1: the GRUU of the account that was called.
        let called = request.headers().get::<To>().ok().flatten().and_then(|to| to.uri().host());
        let gruu = user.clone().zip(called).and_then(|key| context.gruus.get(&key));
        let made =
            || target::contact(&context.layer, flow.transport, Some(&flow.remote), user.as_deref(), secure);
        let contact = gruu.cloned().unwrap_or_else(made).detach();
        let mut dialog = Dialog::of_request(&request, &tag, contact)?;
        dialog.keep_to(&flow, &request);
        let expires = request.headers().get::<Expires>().ok().flatten();
        let mut remote_origin = None;
        if let Some(offer) = &offer {
            hear(&mut remote_origin, offer);
        }
        let alerting = Alerting {
            server,
            dialog: dialog.clone(),
            offer,
            plan: None,
            answer: None,
            exchange: Exchange::Open,
            sender: Sender::new(&request, context.config.reliable),
            accepted: false,
            provisional: None,
            expires_at: expires.map(|Expires(seconds)| now + Duration::from_secs(seconds.into())),
            request: request.clone(),
        };
        let mut usage = Self::new(id, Authenticator::default(), State::Alerting(Box::new(alerting)));
        usage.timer = Timer::new(context.config.session_timer);
        usage.remote_origin = remote_origin;
        usage.keep_key(context, &dialog);
        usage.note_packages(dialog.remote_tag(), request.headers());
        context.servers.insert(server, id);
        usage.refers.replaces = relation.replaces;
        let Relation { replaces, joins } = relation;
        context.tell(Event::Incoming { dialog: id, flow, request, replaces, joins });
        Ok(usage)
    }

    /// A call that our application has not answered.
    fn waiting(&mut self, command: &'static str) -> Result<&mut Alerting, CommandError> {
        let state = self.state.name();
        match &mut self.state {
            State::Alerting(alerting) if !alerting.accepted => Ok(alerting),
            State::Alerting(_) => Err(CommandError::WrongState { command, state: "accepted" }),
            State::Calling(_) | State::Established(_) | State::Over(_) => {
                Err(CommandError::WrongState { command, state })
            }
        }
    }

    /// Whether the caller takes reliable provisional responses.
    pub(crate) fn takes_reliable(&self) -> bool {
        matches!(&self.state, State::Alerting(alerting) if alerting.sender.taken)
    }

    /// Whether the next such response has to make an offer, and there is no plan that could.
    pub(crate) fn ring_needs_plan(&self, reliable: bool) -> bool {
        matches!(&self.state, State::Alerting(alerting) if alerting.exchange == Exchange::Open
            && alerting.offer.is_none()
            && alerting.plan.is_none()
            && alerting.sender.decide(reliable).unwrap_or_default())
    }

    /// Sends a provisional response, with our answer if there is a plan and the caller offered.
    pub(crate) fn ring(
        &mut self,
        context: &mut Context,
        now: Instant,
        ring: Ring,
    ) -> Result<(), CommandError> {
        let Ring { status, plan, reliable } = ring;
        if !status.is_provisional() || status == StatusCode::TRYING {
            return Err(CommandError::Misuse("ring: the status is one of 101 to 199"));
        }
        let alerting = self.waiting("ring")?;
        let reliable = alerting.sender.decide(reliable)?;
        if let Some(mut plan) = plan
            && alerting.plan.is_none()
        {
            match alerting.offer.as_ref().map(|offer| plan.answer(offer)) {
                None => {}
                Some(Ok(answer)) => alerting.answer = Some(offer_answer::body(&answer)),
                Some(Err(refusal)) => return Err(self.refuse_offer(context, now, refusal)),
            }
            alerting.plan = Some(plan);
        }
        let description = match (alerting.exchange, &alerting.offer, &mut alerting.plan) {
            // RFC 6337 §3.1.1: once said reliably it is not said again.
            (Exchange::Sent | Exchange::Settled, _, _) => None,
            (Exchange::Open, Some(_), _) => alerting.answer.clone(),
            // RFC 3262 §5: the first reliable message to a caller that made no offer makes one; no other may.
            (Exchange::Open, None, Some(plan)) if reliable => {
                Some(offer_answer::body(&plan.offer(sdp::Direction::SendRecv)))
            }
            (Exchange::Open, None, None) if reliable => {
                return Err(CommandError::Misuse(
                    "ring: the caller made no offer, so that a reliable response needs a media plan",
                ));
            }
            (Exchange::Open, None, _) => None,
        };
        let bare = alerting.response(context, status, false);
        let mut response = bare.clone();
        let describes = description.is_some();
        if let Some(description) = description {
            response.set_body(offer_answer::APPLICATION_SDP, description);
        }
        if reliable {
            if describes {
                alerting.exchange = Exchange::Sent;
            }
            alerting.provisional = Some(Repeat::new(now, bare, true));
            alerting.sender.send(context, now, alerting.server, response, describes);
        } else {
            context.respond(now, alerting.server, response.clone());
            alerting.provisional = Some(Repeat::new(now, response, false));
        }
        Ok(())
    }

    /// Answers the call with 200, which waits for the PRACK of a session description.
    pub(crate) fn accept(
        &mut self,
        context: &mut Context,
        now: Instant,
        plan: Option<Box<dyn MediaPlan>>,
    ) -> Result<(), CommandError> {
        let alerting = self.waiting("accept")?;
        if let Some(mut plan) = plan
            && (alerting.plan.is_none() || (alerting.exchange == Exchange::Open && alerting.answer.is_none()))
        {
            match alerting.offer.as_ref().map(|offer| plan.answer(offer)) {
                None => {}
                Some(Ok(answer)) => alerting.answer = Some(offer_answer::body(&answer)),
                Some(Err(refusal)) => return Err(self.refuse_offer(context, now, refusal)),
            }
            alerting.plan = Some(plan);
        }
        if alerting.plan.is_none() {
            return Err(CommandError::Misuse("accept: a media plan is needed"));
        }
        if alerting.sender.drop_waiting() && !alerting.sender.holds_success() {
            // The answer had not gone out yet; the 2xx has it now.
            alerting.exchange = Exchange::Open;
        }
        if alerting.sender.holds_success() {
            alerting.accepted = true;
        } else {
            self.answer_call(context, now);
        }
        Ok(())
    }

    /// Sends the 2xx of a call that has been accepted.
    pub(super) fn answer_call(&mut self, context: &mut Context, now: Instant) {
        let Some(alerting) = self.close_alerting(context, now) else { return };
        let mut response = alerting.response(context, StatusCode::OK, true);
        let Alerting { server, request, dialog, offer, plan, answer, exchange, .. } = *alerting;
        // accept() has seen to it that there is one.
        let Some(mut plan) = plan else { return };
        let offered = offer.is_none() && exchange != Exchange::Settled;
        if exchange != Exchange::Settled {
            let made = answer.unwrap_or_else(|| offer_answer::body(&plan.offer(sdp::Direction::SendRecv)));
            response.set_body(offer_answer::APPLICATION_SDP, made);
        }
        self.timer.accept(now, request.headers(), &mut response);
        let wait = send_success(context, now, server, &request, response, true, offered);
        let mut established = Established::new(dialog, plan);
        established.await_ack = Some(wait);
        self.state = State::Established(Box::new(established));
        self.adopt_early_update();
        self.take_place(context);
    }

    /// The INVITE gets its final response now; what the caller may still confirm is remembered ([RFC 3262 §3]).
    pub(super) fn close_alerting(&mut self, context: &Context, now: Instant) -> Option<Box<Alerting>> {
        match std::mem::replace(&mut self.state, State::Over(None)) {
            State::Alerting(alerting) => {
                self.unacknowledged = alerting.sender.unacknowledged(now + patience(context));
                Some(alerting)
            }
            state @ (State::Calling(_) | State::Established(_) | State::Over(_)) => {
                self.state = state;
                None
            }
        }
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
        self.close_alerting(context, now);
        self.end(context, farewell, None);
        Ok(())
    }

    /// Our media cannot answer the caller's offer: 488.
    pub(super) fn refuse_offer(
        &mut self,
        context: &mut Context,
        now: Instant,
        refusal: Refusal,
    ) -> CommandError {
        let State::Alerting(alerting) = &self.state else { return CommandError::Refused(refusal) };
        let status = StatusCode::NOT_ACCEPTABLE_HERE;
        let mut response = alerting.response(context, status, false);
        response.headers_mut().push(&offer_answer::warning(&refusal));
        context.respond(now, alerting.server, response);
        self.close_alerting(context, now);
        let reason = format!("the caller's offer is not acceptable: {refusal}").into();
        self.end(context, Farewell { by: Side::Error, status: Some(status), reason }, None);
        CommandError::Refused(refusal)
    }

    /// A CANCEL matched our server transaction, and has been answered; the INVITE gets its 487.
    ///
    /// One that comes after our 2xx changes nothing ([RFC 3261 §9.2]).
    ///
    /// [RFC 3261 §9.2]: https://www.rfc-editor.org/rfc/rfc3261#section-9.2
    pub(crate) fn handle_cancelled(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        reason: Option<Box<Reason>>,
    ) {
        self.cause = reason;
        let status = StatusCode::REQUEST_TERMINATED;
        let farewell =
            Farewell { by: Side::Remote, status: Some(status), reason: "the caller gave up".into() };
        self.finish_alerting(context, now, server, status, farewell);
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
            self.close_alerting(context, now);
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
        let server = alerting.server;
        if alerting.sender.handle_timeout(context, now, server) {
            let status = StatusCode::SERVER_TIME_OUT;
            let reason = "the caller never confirmed our provisional response (PRACK)".into();
            let farewell = Farewell { by: Side::Error, status: Some(status), reason };
            return self.finish_alerting(context, now, server, status, farewell);
        }
        if let Some(repeat) = alerting.provisional.take_if(|repeat| repeat.at <= now) {
            let Repeat { response, reliable, .. } = repeat;
            if !reliable {
                context.respond(now, server, response.clone());
            } else if !alerting.sender.is_busy() {
                alerting.sender.send(context, now, server, response.clone(), false);
            }
            alerting.provisional = Some(Repeat::new(now, response, reliable));
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

#[cfg(test)]
mod tests;
