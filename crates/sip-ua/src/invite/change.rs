//! Changing a call that stands: re-INVITEs of ours and of the peer ([RFC 3261 §14]).
//!
//! [RFC 3261 §14]: https://www.rfc-editor.org/rfc/rfc3261#section-14

use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::Direction;
use sip_msg::RetryAfter;
use sip_msg::{Method, Request, Response, StatusCode, Text};
use sip_txn::{ClientId, Ending, ServerId};

use super::{InviteUsage, Sent, State, is_challenge, is_gone, offer_answer, patience, uas};
use crate::auth::Attempt;
use crate::context::{Context, Owner};
use crate::dialog::Role;
use crate::error::CommandError;
use crate::event::{Event, Side};
use crate::media_plan::Refusal;

/// How often one change is tried when the peer has one of its own under way each time.
const MAX_ROUNDS: u8 = 4;
/// The longest Retry-After of a 500 that we wait for; RFC 3261 §14.2 has the peer choose at most this.
const MAX_RETRY_AFTER: u32 = 10;

/// A re-INVITE of ours.
#[derive(Debug)]
pub(super) struct Change {
    direction: Direction,
    /// How many times it has met one of the peer's.
    rounds: u8,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Sent; the offer is outstanding.
    Sent { client: ClientId, offer: Bytes, attempt: Attempt, give_up_at: Instant, cancelled: bool },
    /// It met one of the peer's and is tried again later ([RFC 3261 §14.1]).
    Waiting { until: Instant },
}

impl Change {
    pub(super) fn poll_timeout(&self) -> Instant {
        match self.stage {
            Stage::Sent { give_up_at, .. } => give_up_at,
            Stage::Waiting { until } => until,
        }
    }
}

impl super::Established {
    /// Whether this client transaction is that of our re-INVITE.
    pub(super) fn is_changing(&self, client: ClientId) -> bool {
        self.change.as_ref().is_some_and(
            |change| matches!(&change.stage, Stage::Sent { client: sent, .. } if *sent == client),
        )
    }

    /// Whether no offer of the peer can be answered now: ours has no answer yet, or the call is about to end.
    pub(super) fn is_busy_offering(&self) -> bool {
        self.is_offering() || self.hang_up || self.await_ack.as_ref().is_some_and(|wait| wait.offered)
    }

    fn is_offering(&self) -> bool {
        self.change.as_ref().is_some_and(|change| matches!(change.stage, Stage::Sent { .. }))
    }
}

impl InviteUsage {
    /// Holds or resumes: at once, or when the INVITE that is in progress has ended.
    pub(crate) fn set_direction(
        &mut self,
        context: &mut Context,
        now: Instant,
        direction: Direction,
    ) -> Result<(), CommandError> {
        let name = self.state.name();
        let State::Established(established) = &mut self.state else {
            return Err(CommandError::WrongState { command: "set_direction", state: name });
        };
        established.direction = direction;
        established.wanted = Some(direction);
        if established.change.as_ref().is_some_and(|change| matches!(change.stage, Stage::Waiting { .. })) {
            // The change that waits would be undone by this one; its wait still holds.
            if let Some(change) = &mut established.change {
                change.direction = direction;
            }
            established.wanted = None;
        }
        self.next_change(context, now);
        Ok(())
    }

    /// Starts what is wanted if no INVITE is in progress in either direction ([RFC 3261 §14.1]).
    pub(super) fn next_change(&mut self, context: &mut Context, now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        if established.await_ack.is_some() || established.change.is_some() || established.hang_up {
            return;
        }
        if let Some(direction) = established.wanted.take() {
            let offer = established.plan.offer(direction);
            let offer = offer_answer::body(&offer);
            self.send_change(context, now, direction, 0, offer, Attempt::default());
        }
    }

    fn send_change(
        &mut self,
        context: &mut Context,
        now: Instant,
        direction: Direction,
        rounds: u8,
        offer: Bytes,
        attempt: Attempt,
    ) {
        let State::Established(established) = &mut self.state else { return };
        let mut request = established.dialog.request(Method::INVITE);
        request.headers_mut().push(&established.dialog.contact_header());
        context.introduce(&mut request);
        request.set_body(offer_answer::APPLICATION_SDP, offer.clone());
        self.auth.authorize(&mut context.ids, &mut request);
        match context.send_in(now, &established.dialog, request.clone(), Owner::Call(self.id)) {
            Ok(client) => {
                let give_up_at = now + context.config.change_timeout;
                let stage = Stage::Sent { client, offer, attempt, give_up_at, cancelled: false };
                established.change = Some(Change { direction, rounds, stage });
                self.invites.push(Sent { client, request });
            }
            Err(_) => self.change_failed(context, now, StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// Our re-INVITE came to nothing; the call stands as it was.
    fn change_failed(&mut self, context: &mut Context, now: Instant, status: StatusCode) {
        let State::Established(established) = &mut self.state else { return };
        established.plan.rollback();
        established.change = None;
        established.direction = established.wanted.unwrap_or(established.settled);
        context.tell(Event::ChangeFailed { dialog: self.id, status });
        self.next_change(context, now);
    }

    /// The 2xx to our re-INVITE.
    pub(super) fn change_answered(&mut self, context: &mut Context, now: Instant, response: Response) {
        let State::Established(established) = &mut self.state else { return };
        let Some(Change { stage: Stage::Sent { client, .. }, direction: wished, .. }) =
            established.change.take()
        else {
            return;
        };
        self.auth.succeeded(context, &response);
        established.dialog.refresh_target(response.headers());
        let outcome = match offer_answer::of_response(&response) {
            Some(answer) => established.plan.accept(&answer).map_err(|refusal| refusal.text),
            None => Err(Text::from("the 200 has no session description")),
        };
        if outcome.is_ok() {
            established.settled = wished;
        }
        let direction = established.plan.direction().unwrap_or(established.direction);
        let dialog = established.dialog.clone();
        let Some(sent) = self.invites.iter().find(|sent| sent.client == client) else { return };
        let request = sent.request.clone();
        self.acknowledge(context, now, client, &dialog, &request, None);
        match outcome {
            Ok(()) => {
                context.tell(Event::MediaChanged { dialog: self.id, by: Side::Local, direction });
                self.next_change(context, now);
            }
            Err(reason) => {
                let reason = Text::from(format!("no media agreed: {reason}"));
                self.break_off(context, now, Some(StatusCode::NOT_ACCEPTABLE_HERE), reason);
            }
        }
    }

    /// A final response other than 2xx to our re-INVITE.
    pub(super) fn change_refused(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: &Response,
    ) {
        let State::Established(established) = &mut self.state else { return };
        if !established.is_changing(client) {
            return;
        }
        let Some(Change { direction, rounds, stage }) = established.change.take() else { return };
        let Stage::Sent { offer, mut attempt, cancelled, .. } = stage else { return };
        let status = response.status();
        if is_challenge(response) && !cancelled && self.auth.challenged(context, response, &mut attempt).is_ok() {
            return self.send_change(context, now, direction, rounds, offer, attempt);
        }
        if is_gone(status) {
            established.plan.rollback();
            return self.break_off(context, now, Some(status), "the peer no longer knows the call");
        }
        let Some(wait) = glare_wait(context, established.dialog.role(), response).filter(|_| !cancelled)
        else {
            return self.change_failed(context, now, status);
        };
        if rounds + 1 >= MAX_ROUNDS {
            return self.change_failed(context, now, status);
        }
        established.plan.rollback();
        let direction = established.wanted.take().unwrap_or(direction);
        let stage = Stage::Waiting { until: now + wait };
        established.change = Some(Change { direction, rounds: rounds + 1, stage });
    }

    /// Our re-INVITE ended without a final response: the peer is gone ([RFC 3261 §14.1]).
    pub(super) fn change_unanswered(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: &Ending,
    ) {
        let State::Established(established) = &mut self.state else { return };
        if !established.is_changing(client) {
            return;
        }
        if matches!(ending, Ending::TimedOut) {
            established.plan.rollback();
            established.change = None;
            self.break_off(context, now, Some(StatusCode::REQUEST_TIMEOUT), "the peer no longer answers");
        } else {
            // RFC 3261 §8.1.3.1: a transport error is as good as a 503, and leaves the call as it was.
            self.change_failed(context, now, StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    pub(super) fn change_timeout(&mut self, context: &mut Context, now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        let Some(change) = &mut established.change else { return };
        if now < change.poll_timeout() {
            return;
        }
        match &mut change.stage {
            Stage::Waiting { until } => {
                if established.await_ack.is_some() {
                    // The peer's re-INVITE is in progress; look again soon.
                    *until = now + Duration::from_millis(100);
                    return;
                }
                let (direction, rounds) = (change.direction, change.rounds);
                let offer = offer_answer::body(&established.plan.offer(direction));
                self.send_change(context, now, direction, rounds, offer, Attempt::default());
            }
            Stage::Sent { client, give_up_at, cancelled, .. } if !*cancelled => {
                *cancelled = true;
                *give_up_at = now + patience(context);
                context.layer.cancel(now, *client);
            }
            Stage::Sent { .. } => {
                established.plan.rollback();
                established.change = None;
                self.break_off(context, now, Some(StatusCode::REQUEST_TIMEOUT), "the peer no longer answers");
            }
        }
    }

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
        let (body, offered) = match offer {
            // The agent has refused these already.
            Err(error) => return self.answer(context, now, server, request, error.status()),
            Ok(None) => (established.plan.offer(established.direction), true),
            Ok(Some(offer)) => match established.plan.answer(&offer) {
                Ok(answer) => (answer, false),
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
        response.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(&body));
        let direction = established.plan.direction();
        established.await_ack =
            Some(uas::send_success(context, now, server, request, response, false, offered));
        if let (false, Some(direction)) = (offered, direction) {
            context.tell(Event::MediaChanged { dialog: self.id, by: Side::Remote, direction });
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

/// How long to wait when our re-INVITE met one of the peer's; `None`: it was something else ([RFC 3261 §14.1]).
///
/// [RFC 3261 §14.1]: https://www.rfc-editor.org/rfc/rfc3261#section-14.1
fn glare_wait(context: &mut Context, role: Role, response: &Response) -> Option<Duration> {
    match (response.status(), role) {
        (StatusCode::REQUEST_PENDING, Role::Uac) => {
            Some(context.ids.wait(Duration::from_millis(2100), Duration::from_secs(4)))
        }
        (StatusCode::REQUEST_PENDING, Role::Uas) => {
            Some(context.ids.wait(Duration::ZERO, Duration::from_secs(2)))
        }
        (StatusCode::SERVER_INTERNAL_ERROR, _) => {
            let asked = response.headers().get::<RetryAfter>().ok().flatten()?.seconds;
            (asked <= MAX_RETRY_AFTER).then(|| Duration::from_secs(asked.into()))
        }
        _ => None,
    }
}
