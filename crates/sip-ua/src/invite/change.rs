//! Changes of ours to a call that stands: re-INVITE and UPDATE ([RFC 3261 §14.1], [RFC 6141]).
//!
//! One at a time: what is wanted meanwhile waits. A session refresh is a change that changes nothing.
//!
//! [RFC 3261 §14.1]: https://www.rfc-editor.org/rfc/rfc3261#section-14.1
//! [RFC 6141]: https://www.rfc-editor.org/rfc/rfc6141

#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::{Direction, SessionDescription};
use sip_msg::RetryAfter;
use sip_msg::{Method, Response, StatusCode, Text};
use sip_txn::{ClientId, Ending};

use super::reliable::{Provisional, Reliable};
use super::requests::Purpose;
use super::session_timer::Due;
use super::{Established, InviteUsage, Sent, State, info, is_challenge, is_gone, offer_answer, patience};
use crate::auth::Attempt;
use crate::context::{Context, Owner};
use crate::dialog::{Dialog, Role};
use crate::error::CommandError;
use crate::event::{Event, Side};

/// How often one change is tried when the peer has one of its own under way each time.
pub(super) const MAX_ROUNDS: u8 = 4;
/// The longest Retry-After of a 500 that we wait for; RFC 3261 §14.2 has the peer choose at most this.
pub(super) const MAX_RETRY_AFTER: u32 = 10;

/// A change of ours, or a refresh.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) wish: Wish,
    /// How many times it has met one of the peer's.
    pub(super) rounds: u8,
    pub(super) stage: Stage,
}

/// What we want, and the request that asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wish {
    what: What,
    means: Means,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    /// A new offer, with at most this direction.
    Offer(Direction),
    /// An offer of the peer: our re-INVITE has none.
    TheirOffer,
    /// Nothing new: a session refresh ([RFC 4028 §7.4]), or a bare UPDATE.
    Refresh,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Means {
    Reinvite,
    Update,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The re-INVITE has no final answer yet.
    Inviting {
        client: ClientId,
        offer: Option<Bytes>,
        attempt: Attempt,
        give_up_at: Instant,
        cancelled: bool,
    },
    /// The UPDATE has no final answer yet.
    Updating,
    /// It met one of the peer's and is tried again later ([RFC 3261 §14.1]).
    Waiting { until: Instant },
}

impl Wish {
    pub(super) fn offer(direction: Direction) -> Self {
        Self { what: What::Offer(direction), means: Means::Reinvite }
    }

    pub(super) fn their_offer() -> Self {
        Self { what: What::TheirOffer, means: Means::Reinvite }
    }

    /// An UPDATE, with an offer where there is a direction.
    pub(super) fn update(direction: Option<Direction>) -> Self {
        Self { what: direction.map_or(What::Refresh, What::Offer), means: Means::Update }
    }

    /// A session refresh: UPDATE where the peer takes it, as it needs no offer.
    fn refresh(dialog: &Dialog) -> Self {
        let means = if dialog.takes_update() { Means::Update } else { Means::Reinvite };
        Self { what: What::Refresh, means }
    }

    /// Whether an offer of ours goes with it.
    fn is_offer(self) -> bool {
        match self.what {
            What::Offer(_) => true,
            What::TheirOffer => false,
            What::Refresh => self.means == Means::Reinvite,
        }
    }

    /// The direction it asks for.
    pub(super) fn direction(self) -> Option<Direction> {
        match self.what {
            What::Offer(direction) => Some(direction),
            What::TheirOffer | What::Refresh => None,
        }
    }
}

impl Change {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Inviting { give_up_at, .. } => Some(give_up_at),
            // Its transaction ends in time.
            Stage::Updating => None,
            Stage::Waiting { until } => Some(until),
        }
    }

    /// Whether it is an UPDATE without an answer.
    pub(super) fn is_updating(&self) -> bool {
        matches!(self.stage, Stage::Updating)
    }

    /// Whether we have made or asked for an offer that is not answered: nobody may make another.
    pub(super) fn is_offering(&self) -> bool {
        match self.stage {
            Stage::Inviting { .. } => true,
            Stage::Updating => self.wish.what != What::Refresh,
            Stage::Waiting { .. } => false,
        }
    }
}

impl Established {
    /// Whether this client transaction is that of our re-INVITE.
    pub(super) fn is_changing(&self, client: ClientId) -> bool {
        self.reinvite() == Some(client)
    }

    /// Our re-INVITE, while it has no final answer.
    pub(super) fn reinvite(&self) -> Option<ClientId> {
        match self.change.as_ref()?.stage {
            Stage::Inviting { client, .. } => Some(client),
            Stage::Updating | Stage::Waiting { .. } => None,
        }
    }

    /// Whether no offer of the peer can be answered now: ours has no answer yet, or the call is about to end.
    pub(super) fn is_busy_offering(&self) -> bool {
        self.change.as_ref().is_some_and(Change::is_offering)
            || self.hang_up
            || self.await_ack.as_ref().is_some_and(|wait| wait.offered)
    }
}

impl InviteUsage {
    /// Makes a change: at once, or when the INVITE that is in progress has ended. Of several that wait the last counts.
    pub(super) fn change(
        &mut self,
        context: &mut Context,
        now: Instant,
        command: &'static str,
        wish: impl FnOnce(&Dialog, Direction) -> Result<Wish, CommandError>,
    ) -> Result<(), CommandError> {
        let name = self.state.name();
        let State::Established(established) = &mut self.state else {
            return Err(CommandError::WrongState { command, state: name });
        };
        let wish = wish(&established.dialog, established.direction)?;
        if let Some(direction) = wish.direction() {
            established.direction = direction;
        }
        match (&mut established.change, wish.what) {
            // The change that waits would be undone by this one; its wait still holds.
            (Some(change), What::Offer(_)) if matches!(change.stage, Stage::Waiting { .. }) => {
                change.wish = wish;
                established.wanted = None;
            }
            (_, What::Offer(_)) => established.wanted = Some(wish),
            // An offer that waits does as well.
            (_, What::TheirOffer | What::Refresh) => drop(established.wanted.get_or_insert(wish)),
        }
        self.next_change(context, now);
        Ok(())
    }

    /// Holds or resumes.
    pub(crate) fn set_direction(
        &mut self,
        context: &mut Context,
        now: Instant,
        direction: Direction,
    ) -> Result<(), CommandError> {
        self.change(context, now, "set_direction", |_, _| Ok(Wish::offer(direction)))
    }

    /// Offers again what the plan says now.
    pub(crate) fn reoffer(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        self.change(context, now, "reoffer", |_, direction| Ok(Wish::offer(direction)))
    }

    /// Asks the peer for an offer.
    pub(crate) fn request_offer(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        self.change(context, now, "request_offer", |_, _| Ok(Wish::their_offer()))
    }

    /// Starts what is wanted if no INVITE is in progress in either direction ([RFC 3261 §14.1]).
    pub(super) fn next_change(&mut self, context: &mut Context, now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        if established.await_ack.is_some() || established.change.is_some() || established.hang_up {
            return;
        }
        let dialog = &established.dialog;
        let wish = established.wanted.take().or_else(|| self.timer.take_due().then(|| Wish::refresh(dialog)));
        if let Some(wish) = wish {
            self.start_change(context, now, wish, 0);
        }
    }

    fn start_change(&mut self, context: &mut Context, now: Instant, wish: Wish, rounds: u8) {
        let State::Established(established) = &mut self.state else { return };
        let offer = match (wish.what, wish.means) {
            (What::Offer(direction), _) => Some(established.plan.offer(direction)),
            (What::Refresh, Means::Reinvite) => Some(established.plan.refresh(established.direction)),
            (What::Refresh, Means::Update) | (What::TheirOffer, _) => None,
        };
        let offer = offer.as_ref().map(offer_answer::body);
        self.send_change(context, now, wish, rounds, offer, Attempt::default());
    }

    fn send_change(
        &mut self,
        context: &mut Context,
        now: Instant,
        wish: Wish,
        rounds: u8,
        offer: Option<Bytes>,
        attempt: Attempt,
    ) {
        let State::Established(established) = &mut self.state else { return };
        let method = match wish.means {
            Means::Reinvite => Method::INVITE,
            Means::Update => Method::UPDATE,
        };
        let mut request = established.dialog.request(method);
        request.headers_mut().push(&established.dialog.contact_header());
        context.introduce(&mut request);
        info::announce(context, request.headers_mut());
        self.timer.ask(&mut request);
        established.provisional = Provisional::default();
        if let Some(offer) = &offer {
            request.set_body(offer_answer::APPLICATION_SDP, offer.clone());
        }
        if wish.means == Means::Update {
            let tag = Text::from(established.dialog.remote_tag());
            established.change = Some(Change { wish, rounds, stage: Stage::Updating });
            if self.send_request(context, now, &tag, request, Purpose::Change).is_err() {
                self.change_failed(context, now, StatusCode::SERVICE_UNAVAILABLE);
            }
            return;
        }
        if wish.what == What::TheirOffer {
            // Their offer is to come in the 2xx, so that a refusal leaves no half-made agreement.
            Reliable::Off.announce(request.headers_mut());
        }
        self.auth.authorize(&mut context.ids, &mut request);
        let sent = context.send_in(now, &established.dialog, request.clone(), Owner::Call(self.id));
        let give_up_at = now + context.config.change_timeout;
        match sent {
            Ok(client) => {
                let stage = Stage::Inviting { client, offer, attempt, give_up_at, cancelled: false };
                established.change = Some(Change { wish, rounds, stage });
                self.invites.push(Sent { client, request });
            }
            Err(_) => {
                let stage = Stage::Waiting { until: now };
                established.change = Some(Change { wish, rounds, stage });
                self.change_failed(context, now, StatusCode::SERVICE_UNAVAILABLE);
            }
        }
    }

    /// Our change came to nothing; the call stands as it was ([RFC 6141 §3.4]).
    ///
    /// [RFC 6141 §3.4]: https://www.rfc-editor.org/rfc/rfc6141#section-3.4
    fn change_failed(&mut self, context: &mut Context, now: Instant, status: StatusCode) {
        let State::Established(established) = &mut self.state else { return };
        let Some(change) = established.change.take() else { return };
        if change.wish.is_offer() {
            established.plan.rollback();
        }
        self.timer.failed(now);
        let wanted = established.wanted.and_then(Wish::direction);
        established.direction = wanted.unwrap_or(established.settled);
        // A session refresh is nothing that the application has asked for, or can mend.
        if change.wish.what != What::Refresh || self.timer.session.is_none() {
            context.tell(Event::ChangeFailed { dialog: self.id, status });
        }
        self.next_change(context, now);
    }

    /// The 2xx to our re-INVITE.
    pub(super) fn change_answered(&mut self, context: &mut Context, now: Instant, response: Response) {
        let State::Established(established) = &mut self.state else { return };
        let Some(Change { stage: Stage::Inviting { client, .. }, wish, .. }) = established.change.take()
        else {
            return;
        };
        let Some(sent) = self.invites.iter().find(|sent| sent.client == client) else { return };
        let request = sent.request.clone();
        self.auth.succeeded(context, &response);
        let (answer, outcome) = self.settle(now, wish, &response);
        let State::Established(established) = &self.state else { return };
        let dialog = established.dialog.clone();
        self.acknowledge(context, now, client, &dialog, &request, answer.as_ref());
        self.settled(context, now, wish, outcome);
    }

    /// What a 2xx to a change says of the dialog, its session timer and its media; with our answer to an offer in it.
    fn settle(
        &mut self,
        now: Instant,
        wish: Wish,
        response: &Response,
    ) -> (Option<SessionDescription>, Outcome) {
        let State::Established(established) = &mut self.state else { return (None, Outcome::Unanswered) };
        established.dialog.refresh_target(response.headers());
        self.timer.answered(now, response.headers());
        if wish.what == What::Refresh && wish.means == Means::Update {
            return (None, Outcome::Settled(established.plan.direction()));
        }
        let before = established.plan.direction();
        let early = established.provisional.description.take();
        let Some(theirs) = early.or_else(|| offer_answer::of_response(response)) else {
            return (None, Outcome::Unanswered);
        };
        let mut answer = None;
        let agreed = if wish.what == What::TheirOffer {
            established.plan.answer(&theirs).map(|made| answer = Some(made))
        } else {
            established.plan.accept(&theirs)
        };
        hear(&mut self.remote_origin, &theirs);
        match agreed {
            Ok(()) => {
                if let Some(direction) = wish.direction() {
                    established.settled = direction;
                }
                (answer, Outcome::Settled(before))
            }
            Err(refusal) => {
                let answer = (wish.what == What::TheirOffer).then(|| offer_answer::refuse_all(&theirs));
                (answer, Outcome::Disagreed(refusal.text))
            }
        }
    }

    /// Says how a change ended, and goes on with the next.
    fn settled(&mut self, context: &mut Context, now: Instant, wish: Wish, outcome: Outcome) {
        let State::Established(established) = &mut self.state else { return };
        let direction = established.plan.direction();
        match outcome {
            Outcome::Settled(before) => {
                if wish.what == What::Refresh {
                    context.tell(Event::SessionRefreshed { dialog: self.id, by: Side::Local });
                }
                let by = if wish.what == What::Refresh { Side::Remote } else { Side::Local };
                if let Some(direction) = direction
                    && (wish.what != What::Refresh || before != Some(direction))
                {
                    context.tell(Event::MediaChanged { dialog: self.id, by, direction });
                }
                self.next_change(context, now);
            }
            // The session was refreshed all the same, and nothing was to change.
            Outcome::Unanswered if wish.what == What::Refresh => {
                established.plan.rollback();
                context.tell(Event::SessionRefreshed { dialog: self.id, by: Side::Local });
                self.next_change(context, now);
            }
            Outcome::Unanswered if wish.what == What::TheirOffer => {
                context.tell(Event::ChangeFailed { dialog: self.id, status: StatusCode::OK });
                self.next_change(context, now);
            }
            Outcome::Unanswered => self.disagree(context, now, "the 200 has no session description"),
            Outcome::Disagreed(reason) => self.disagree(context, now, &reason),
        }
    }

    fn disagree(&mut self, context: &mut Context, now: Instant, reason: &str) {
        let reason = Text::from(format!("no media agreed: {reason}"));
        self.break_off(context, now, Some(StatusCode::NOT_ACCEPTABLE_HERE), reason);
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
        let Some(Change { wish, rounds, stage }) = established.change.take() else { return };
        let Stage::Inviting { offer, mut attempt, cancelled, .. } = stage else { return };
        let status = response.status();
        if is_gone(status) {
            return self.break_off(context, now, Some(status), "the peer no longer knows the call");
        }
        let again = !cancelled
            && (self.timer.raise(response)
                || is_challenge(response) && self.auth.challenged(context, response, &mut attempt).is_ok());
        if again {
            return self.send_change(context, now, wish, rounds, offer, attempt);
        }
        self.change_met(context, now, (wish, rounds), response, cancelled);
    }

    /// The answer to our UPDATE, or none ([RFC 3311 §5.3]).
    ///
    /// [RFC 3311 §5.3]: https://www.rfc-editor.org/rfc/rfc3311#section-5.3
    pub(super) fn update_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        result: &Result<Response, Ending>,
    ) {
        if self.early_update_answered(context, now, result) {
            return;
        }
        let State::Established(established) = &mut self.state else { return };
        let Some(Change { wish, rounds, stage: Stage::Updating }) =
            established.change.take_if(|change| change.is_updating())
        else {
            return;
        };
        match result {
            Ok(response) if response.status().is_success() => {
                let (_, outcome) = self.settle(now, wish, response);
                self.settled(context, now, wish, outcome);
            }
            // The dialog ends; who sent the request sees to that.
            Ok(response) if is_gone(response.status()) => {}
            Err(Ending::TimedOut) => {}
            Ok(response) if self.timer.raise(response) => {
                if wish.is_offer() {
                    established.plan.rollback();
                }
                self.start_change(context, now, wish, rounds);
            }
            // It is not taken after all, or somebody has to be asked first (504, RFC 3311 §5.2).
            Ok(response) if needs_reinvite(response.status()) => {
                if wish.is_offer() {
                    established.plan.rollback();
                }
                self.start_change(context, now, Wish { means: Means::Reinvite, ..wish }, rounds);
            }
            Ok(response) => self.change_met(context, now, (wish, rounds), response, false),
            Err(_) => {
                established.change = Some(Change { wish, rounds, stage: Stage::Updating });
                self.change_failed(context, now, StatusCode::SERVICE_UNAVAILABLE);
            }
        }
    }

    /// Our change was refused: tried again later if it met one of the peer's, given up otherwise.
    fn change_met(
        &mut self,
        context: &mut Context,
        now: Instant,
        (wish, rounds): (Wish, u8),
        response: &Response,
        cancelled: bool,
    ) {
        let State::Established(established) = &mut self.state else { return };
        let wait = glare_wait(context, &established.dialog, response);
        let wait = wait.filter(|_| !cancelled && rounds + 1 < MAX_ROUNDS);
        let stage = Stage::Waiting { until: wait.map_or(now, |wait| now + wait) };
        let Some(_) = wait else {
            established.change = Some(Change { wish, rounds, stage });
            return self.change_failed(context, now, response.status());
        };
        if wish.is_offer() {
            established.plan.rollback();
        }
        let wish = established.wanted.take_if(|wanted| wanted.direction().is_some()).unwrap_or(wish);
        established.change = Some(Change { wish, rounds: rounds + 1, stage });
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
            self.break_off(context, now, Some(StatusCode::REQUEST_TIMEOUT), "the peer no longer answers");
        } else {
            // RFC 3261 §8.1.3.1: a transport error is as good as a 503, and leaves the call as it was.
            self.change_failed(context, now, StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    /// The session timer: the time for a refresh, or the end.
    pub(super) fn session_timeout(&mut self, context: &mut Context, now: Instant) {
        if !matches!(self.state, State::Established(_)) {
            return;
        }
        match self.timer.handle_timeout(now) {
            Due::Nothing => {}
            Due::Refresh => {
                self.next_change(context, now);
            }
            Due::Expired => self.break_off(context, now, None, "session expired"),
        }
    }

    pub(super) fn change_timeout(&mut self, context: &mut Context, now: Instant) {
        let State::Established(established) = &mut self.state else { return };
        let Some(change) = &mut established.change else { return };
        if change.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        match &mut change.stage {
            Stage::Waiting { until } => {
                if established.await_ack.is_some() {
                    // The peer's re-INVITE is in progress; look again soon.
                    *until = now + Duration::from_millis(100);
                    return;
                }
                let (wish, rounds) = (change.wish, change.rounds);
                self.start_change(context, now, wish, rounds);
            }
            Stage::Inviting { client, give_up_at, cancelled, .. } if !*cancelled => {
                *cancelled = true;
                *give_up_at = now + patience(context);
                context.layer.cancel(now, *client);
            }
            Stage::Inviting { .. } => {
                self.break_off(context, now, Some(StatusCode::REQUEST_TIMEOUT), "the peer no longer answers");
            }
            Stage::Updating => {}
        }
    }
}

/// How a 2xx to a change of ours ended it.
enum Outcome {
    /// Agreed; with the direction of before.
    Settled(Option<Direction>),
    /// There was to be a description in it, and is none.
    Unanswered,
    /// The description cannot be agreed to, and why.
    Disagreed(Text),
}

/// Takes note of a description of the peer; whether it is another than before, by its `o=` line ([RFC 3264 §8]).
///
/// [RFC 3264 §8]: https://www.rfc-editor.org/rfc/rfc3264#section-8
pub(super) fn hear(last: &mut Option<u64>, theirs: &SessionDescription) -> bool {
    let mut hasher = DefaultHasher::new();
    theirs.origin.as_str().hash(&mut hasher);
    let origin = hasher.finish();
    last.replace(origin) != Some(origin)
}

/// Statuses of an UPDATE after which a re-INVITE may do.
fn needs_reinvite(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED | StatusCode::SERVER_TIME_OUT
    )
}

/// How long to wait before a change of ours that was refused is tried again; `None`: the peer means it.
///
/// It has met one of the peer's ([RFC 3261 §14.1]), or a later request of ours has overtaken it on its way, and it came
/// out of order ([RFC 3261 §12.2.2]).
///
/// [RFC 3261 §12.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.2
/// [RFC 3261 §14.1]: https://www.rfc-editor.org/rfc/rfc3261#section-14.1
pub(super) fn glare_wait(context: &mut Context, dialog: &Dialog, response: &Response) -> Option<Duration> {
    match (response.status(), dialog.role()) {
        (StatusCode::REQUEST_PENDING, Role::Uac) => {
            Some(context.ids.wait(Duration::from_millis(2100), Duration::from_secs(4)))
        }
        (StatusCode::REQUEST_PENDING, Role::Uas) => {
            Some(context.ids.wait(Duration::ZERO, Duration::from_secs(2)))
        }
        (StatusCode::SERVER_INTERNAL_ERROR, _) => match response.headers().get::<RetryAfter>().ok().flatten()
        {
            Some(RetryAfter { seconds, .. }) => {
                (seconds <= MAX_RETRY_AFTER).then(|| Duration::from_secs(seconds.into()))
            }
            None => dialog.has_gone_on(response).then_some(Duration::ZERO),
        },
        _ => None,
    }
}
