//! Placing a call: the INVITE, its early dialogs, and its end ([RFC 3261 §13.2], [RFC 3261 §9.1]).
//!
//! [RFC 3261 §13.2]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2
//! [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1

use std::time::{Duration, Instant};

use sdp::{Direction, SessionDescription};
use sip_msg::{CSeq, CallId, Contact, Expires, From, To};
use sip_msg::{Method, Request, Response, StatusCode, Text, Uri};
use sip_txn::{ClientId, Ending};

use super::change::hear;
use super::forks::{EarlyMedia, Forks, Settled, Siblings};
use super::redirect::Targets;
use super::reliable::{Heard, Reliable};
use super::session_timer::Timer;
use super::{Established, Farewell, InviteUsage, Sent, State, info, is_challenge, offer_answer, patience};
use crate::auth::{Attempt, Authenticator};
use crate::command::Invite;
use crate::context::{self, Context, Owner};
use crate::dialog::Dialog;
use crate::error::CommandError;
use crate::event::{DialogId, Event, Side};
use crate::media_plan::MediaPlan;
use crate::target;

/// A call of ours that is not answered yet.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) client: ClientId,
    /// The INVITE as it was before credentials.
    pub(super) request: Request,
    pub(super) contact: Uri,
    /// Where else it may go.
    pub(super) targets: Targets,
    /// The plan with our offer outstanding; each early dialog has a fork of it.
    template: Box<dyn MediaPlan>,
    late_offer: bool,
    pub(super) early: Vec<Early>,
    /// We take reliable provisional responses.
    reliable: bool,
    forks: Forks,
    pub(super) early_media: EarlyMedia,
    /// Whose early media is heard: the peer's tag.
    pub(super) heard_tag: Option<Text>,
    pub(super) attempt: Attempt,
    /// We have given up, and why; the final response is still to come.
    cancelled: Option<Farewell>,
    /// When it has rung long enough; once cancelled, when we wait no longer for the final response.
    pub(super) deadline: Option<Instant>,
}

/// One place that rings.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// Its plan, once a provisional response has answered our offer, or our PRACK the callee's.
    pub(super) plan: Option<Box<dyn MediaPlan>>,
    pub(super) heard: Heard,
    /// The offer of the INVITE, or that of a reliable response, has its answer in a message that cannot get lost. Before
    /// that it is a preview ([RFC 6337 §3.1.1]), and neither side may offer again.
    ///
    /// [RFC 6337 §3.1.1]: https://www.rfc-editor.org/rfc/rfc6337#section-3.1.1
    pub(super) settled: bool,
    /// Why there can be no media in this dialog.
    pub(super) trouble: Option<Text>,
    /// The `o=` line that its media was described with, as a hash.
    pub(super) remote_origin: Option<u64>,
    /// It rings no more (199), though its PRACK may be under way.
    pub(super) ended: bool,
}

impl Calling {
    pub(super) fn call_id(&self) -> Option<Text> {
        self.request.headers().get::<CallId>().ok().flatten().map(|CallId(id)| id)
    }

    pub(super) fn early_of(&mut self, remote_tag: &str) -> Option<&mut Early> {
        self.early.iter_mut().find(|early| early.dialog.remote_tag() == remote_tag)
    }
}

impl InviteUsage {
    /// Sends an INVITE.
    pub(crate) fn call(
        context: &mut Context,
        now: Instant,
        id: DialogId,
        invite: Invite,
        mut plan: Box<dyn MediaPlan>,
    ) -> Result<Self, CommandError> {
        let (uri, routes) = target::routed(&target::loose(&invite.route), &invite.target);
        let first = routes.first().map(|route| route.uri());
        let transport = target::transport(first, &uri);
        let user = invite.contact_user.clone().or_else(|| invite.from.uri.raw_user().map(Text::from));
        let secure = invite.target.is_sips() || first.is_some_and(Uri::is_sips);
        let remote = target::address(first, &uri);
        let made = || target::contact(&context.layer, transport, remote.as_ref(), user.as_deref(), secure);
        let contact = invite.contact.clone().unwrap_or_else(made);

        let mut from = From::new(invite.from);
        from.set_tag(context.ids.tag());
        let number = context.ids.first_cseq();
        let mut builder = Request::builder(Method::INVITE, &uri);
        for route in &routes {
            builder = builder.header(route);
        }
        let mut request = builder
            .header(&from)
            .header(&To::new(target::as_address(&invite.target)))
            .header(&CallId(context.ids.call_id()))
            .header(&CSeq { number, method: Method::INVITE })
            .header(&Contact::new(contact.clone()))
            .build();
        context::push_all(request.headers_mut(), &invite.headers)?;
        context.introduce(&mut request);
        let mut timer = Timer::new(invite.session_timer.unwrap_or(context.config.session_timer));
        timer.ask(&mut request);
        info::announce(context, request.headers_mut());
        let reliable = invite.reliable.unwrap_or(context.config.reliable);
        reliable.announce(request.headers_mut());
        if !invite.late_offer {
            let offer = plan.offer(Direction::SendRecv);
            context.config.policy.check_keys(Some(&offer), secure || transport.is_secure())?;
            request.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(&offer));
        }
        let client = context.send(now, request.clone(), Owner::Call(id))?;
        let calling = Calling {
            client,
            request: request.clone(),
            contact,
            template: plan,
            late_offer: invite.late_offer,
            early: Vec::new(),
            reliable: reliable != Reliable::Off,
            forks: invite.forks,
            early_media: invite.early_media,
            heard_tag: None,
            targets: Targets::new(invite.redirects.unwrap_or(context.config.redirects)),
            attempt: Attempt::default(),
            cancelled: None,
            deadline: patience_of(invite.ring_timeout, &request).map(|timeout| now + timeout),
        };
        let mut usage =
            Self::new(id, Authenticator::new(invite.credentials), State::Calling(Box::new(calling)));
        usage.timer = timer;
        usage.invites.push(Sent { client, request });
        usage.serve(invite.refer);
        Ok(usage)
    }

    /// The Contact that an INVITE of ours went out with.
    pub(super) fn contact_of(&self, invite: &Request) -> Uri {
        let fallback =
            || invite.uri().unwrap_or_else(|_| Uri::sip(sip_msg::Host::V4(std::net::Ipv4Addr::UNSPECIFIED)));
        target::first_contact(invite.headers()).unwrap_or_else(fallback)
    }

    /// Gives up a call that is not answered: CANCEL, which the transaction layer sends when the rules allow it.
    ///
    /// The INVITE may still be answered before the CANCEL arrives; then ACK and BYE follow.
    pub(super) fn give_up(&mut self, context: &mut Context, now: Instant, why: Farewell) {
        let State::Calling(calling) = &mut self.state else { return };
        if calling.cancelled.is_none() {
            match self.parting.as_deref() {
                Some(reason) => context.layer.cancel_because(now, calling.client, reason.clone()),
                None => context.layer.cancel(now, calling.client),
            }
            calling.cancelled = Some(why);
            calling.deadline = Some(now + patience(context));
        }
    }

    pub(super) fn calling_timeout(&mut self, context: &mut Context, now: Instant) {
        let State::Calling(calling) = &mut self.state else { return };
        if calling.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match calling.cancelled.take() {
            None => {
                let reason = "nobody answered within the ring timeout".into();
                let status = Some(StatusCode::REQUEST_TIMEOUT);
                self.give_up(context, now, Farewell { by: Side::Local, status, reason });
            }
            Some(why) => {
                self.state = State::Over(None);
                self.end(context, why, None);
            }
        }
    }

    /// A provisional response.
    pub(super) fn progressed(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: Response,
    ) {
        let State::Calling(calling) = &mut self.state else {
            return self.change_progressed(context, now, client, &response);
        };
        if calling.client != client {
            return;
        }
        let cancelled = calling.cancelled.is_some();
        let status = response.status();
        if status == StatusCode::TRYING {
            if !cancelled {
                context.tell(Event::Trying { dialog: self.id });
            }
            return;
        }
        let number = Heard::number(&response).filter(|_| calling.reliable);
        let tag = response.headers().require::<To>().ok().and_then(|to| to.params.text("tag"));
        let tag = tag.unwrap_or_default();
        let over = status == StatusCode::EARLY_DIALOG_TERMINATED;
        let new = calling.add_early(&tag, &response, context.config.limits.forks);
        let Some(early) = calling.early.iter_mut().find(|early| early.dialog.remote_tag() == &*tag) else {
            // No dialog comes of it: it has no tag, or there are too many.
            if !cancelled && !over {
                self.report_progress(context, status);
                context.tell(Event::Ringing { dialog: self.id, response, early_media: false });
            }
            return;
        };
        if number.is_some_and(|number| !early.heard.is_next(number)) {
            return;
        }
        let before = early.plan.is_some();
        let answer =
            early.take_description(&*calling.template, calling.late_offer, &response, number.is_some());
        let early_media = early.plan.is_some();
        if over {
            calling.early_ended(&tag);
            if number.is_none() {
                calling.forget_ended(&tag);
            }
        } else if early_media && !before && !cancelled {
            calling.choose_heard(&tag);
        }
        if let Some(dialog) = new {
            self.keep_key(context, &dialog);
        }
        if let Some(number) = number {
            self.confirm_provisional(context, now, &tag, &response, number, answer.as_ref());
        }
        if !cancelled {
            self.report_progress(context, status);
            let early_media = early_media && !over;
            context.tell(Event::Ringing { dialog: self.id, response, early_media });
        }
    }

    /// The first 2xx: the call stands, unless we have given it up meanwhile.
    pub(super) fn call_answered(&mut self, context: &mut Context, now: Instant, response: Response) {
        let State::Calling(calling) = std::mem::replace(&mut self.state, State::Over(None)) else { return };
        let Calling { client, contact, template, late_offer, mut early, forks, cancelled, request, .. } =
            *calling;
        let sent = self.invites.iter().find(|sent| sent.client == client).map(|sent| sent.request.clone());
        // As it was sent: the ACK repeats its credentials.
        let request = sent.unwrap_or(request);
        self.auth.succeeded(context, &response);
        let tag =
            response.headers().require::<To>().ok().and_then(|to| to.params.text("tag")).unwrap_or_default();
        let known =
            early.iter().position(|early| early.dialog.remote_tag() == &*tag).map(|at| early.swap_remove(at));
        let dialog = match &known {
            Some(early) => Ok(early.dialog.clone()),
            None => Dialog::of_response(&request, &contact, &response),
        };
        // Message::check passed both messages; their dialog headers can be read.
        let Ok(mut dialog) = dialog else { return self.end(context, Farewell::local(), Some(response)) };
        dialog.take_route_set(&response);
        dialog.refresh_target(response.headers());
        self.timer = self.timer.of_dialog();
        self.timer.answered(now, response.headers());
        self.keep_key(context, &dialog);
        if forks == Forks::All && cancelled.is_none() {
            let template = template.fork();
            self.siblings = Some(Box::new(Siblings { client, contact, template, late_offer, early }));
        }
        let Settled { plan, answer, trouble, remote_origin } =
            Settled::by(known, template, late_offer, &response);
        self.remote_origin = remote_origin;
        self.acknowledge(context, now, client, &dialog, &request, answer.as_ref());
        let mut established = Established::new(dialog, plan);
        established.plan.confirm();
        self.state = State::Established(Box::new(established));
        self.adopt_early_update();
        if let Some(why) = cancelled {
            self.farewell = Some(why);
            self.leave(context, now);
        } else if let Some(reason) = trouble {
            let reason = Text::from(format!("no media agreed: {reason}"));
            self.break_off(context, now, Some(StatusCode::NOT_ACCEPTABLE_HERE), reason);
        } else {
            self.report_progress(context, response.status());
            context.tell(Event::Answered { dialog: self.id, response });
        }
    }

    /// A final response other than 2xx to an INVITE of ours.
    pub(super) fn refused(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: Response,
    ) {
        let State::Calling(calling) = &mut self.state else {
            return self.change_refused(context, now, client, &response);
        };
        if calling.client != client {
            return;
        }
        let status = response.status();
        let mut reason = response.reason().detach();
        if let Some(why) = calling.cancelled.take() {
            self.state = State::Over(None);
            return self.end(context, why, Some(response));
        }
        if self.timer.raise(&response) {
            self.timer.ask(&mut calling.request);
            match self.call_again(context, now) {
                Ok(()) => return,
                Err(error) => reason = error.to_string().into(),
            }
        } else if is_challenge(&response) {
            match self.auth.challenged(context, &response, &mut calling.attempt) {
                Ok(()) => match self.call_again(context, now) {
                    Ok(()) => return,
                    Err(error) => reason = error.to_string().into(),
                },
                Err(trouble) => reason = trouble,
            }
        }
        if self.call_elsewhere(context, now, Some(&response)) {
            return;
        }
        self.state = State::Over(None);
        let by = if status == StatusCode::REQUEST_TIMEOUT { Side::Error } else { Side::Remote };
        self.end(context, Farewell { by, status: Some(status), reason }, Some(response));
    }

    /// Sends the INVITE anew with credentials: same Call-ID and From tag, next CSeq ([RFC 3261 §22.2]).
    ///
    /// [RFC 3261 §22.2]: https://www.rfc-editor.org/rfc/rfc3261#section-22.2
    pub(super) fn call_again(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        let State::Calling(calling) = &mut self.state else { return Ok(()) };
        let number = calling.request.headers().require::<CSeq>()?.number.saturating_add(1);
        calling.request.headers_mut().replace(&CSeq { number, method: Method::INVITE });
        let mut request = calling.request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        calling.client = context.send(now, request.clone(), Owner::Call(self.id))?;
        calling.early.clear();
        calling.heard_tag = None;
        self.invites.push(Sent { client: calling.client, request });
        Ok(())
    }

    /// An INVITE of ours ended: if it is one that still waits, then without any final response.
    pub(super) fn unanswered(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: &Ending,
    ) {
        let State::Calling(calling) = &mut self.state else {
            return self.change_unanswered(context, now, client, ending);
        };
        if calling.client != client {
            return;
        }
        if calling.cancelled.is_none() && self.call_elsewhere(context, now, None) {
            return;
        }
        let State::Calling(calling) = &mut self.state else { return };
        let why = calling.cancelled.take().unwrap_or_else(|| Farewell {
            by: Side::Error,
            status: None,
            reason: context::explain(ending),
        });
        self.state = State::Over(None);
        self.end(context, why, None);
    }
}

/// How long it may ring: as the application says, and what its Expires header promises ([RFC 3261 §13.2.1]).
///
/// [RFC 3261 §13.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.1
fn patience_of(ring_timeout: Option<Duration>, request: &Request) -> Option<Duration> {
    let expires = request.headers().get::<Expires>().ok().flatten();
    let expires = expires.map(|Expires(seconds)| Duration::from_secs(seconds.into()));
    ring_timeout.into_iter().chain(expires).min()
}

impl Calling {
    /// A place that has not rung before: its dialog, if one comes of this response and there is room.
    fn add_early(&mut self, tag: &Text, response: &Response, limit: usize) -> Option<Dialog> {
        let reliable = self.reliable && Heard::number(response).is_some();
        // RFC 6228 §4: a 199 that comes first makes no dialog, unless it must be confirmed.
        let over = response.status() == StatusCode::EARLY_DIALOG_TERMINATED && !reliable;
        if tag.is_empty() || over || self.early.len() >= limit || self.early_of(tag).is_some() {
            return None;
        }
        let dialog = Dialog::of_response(&self.request, &self.contact, response).ok()?;
        self.early.push(Early {
            dialog: dialog.clone(),
            plan: None,
            heard: Heard::default(),
            settled: false,
            trouble: None,
            remote_origin: None,
            ended: false,
        });
        Some(dialog)
    }
}

impl Early {
    /// The dialog and the plan, where it has media.
    pub(super) fn parts(&mut self) -> Option<(&mut Dialog, &mut Box<dyn MediaPlan>)> {
        self.plan.as_mut().map(|plan| (&mut self.dialog, plan))
    }

    /// Takes the session description of a provisional response; what the PRACK answers to it.
    ///
    /// To our offer it is the answer: for good in a reliable response, a preview in another, which the first description
    /// of the dialog is heard as all the same. Without an offer of ours a reliable one is the callee's offer.
    fn take_description(
        &mut self,
        template: &dyn MediaPlan,
        late_offer: bool,
        response: &Response,
        reliable: bool,
    ) -> Option<SessionDescription> {
        if self.settled || (late_offer && !reliable) {
            return None;
        }
        let description = offer_answer::of_response(response)?;
        self.settled = reliable;
        if self.plan.is_some() {
            return None;
        }
        hear(&mut self.remote_origin, &description);
        let mut plan = template.fork();
        let mut answer = None;
        let outcome = if late_offer {
            plan.answer(&description).map(|made| answer = Some(made))
        } else {
            plan.accept(&description)
        };
        match outcome {
            Ok(()) => self.plan = Some(plan),
            Err(refusal) if reliable => {
                answer = late_offer.then(|| offer_answer::refuse_all(&description));
                self.trouble = Some(refusal.text);
            }
            // A refused preview is not the end: the 2xx decides.
            Err(_) => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests;
