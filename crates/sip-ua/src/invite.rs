//! The INVITE usage of a dialog ([RFC 5057 §4.1]): a call, from the INVITE to the answer to the last BYE.
//!
//! ```text
//!   invite()                        INVITE comes
//!      |                                 |
//!      v                                 v
//!  +---------+                      +----------+  ring(): 18x, reliable ones until their PRACK
//!  | Calling |--+ 18x: an early     | Alerting |--- reject(), CANCEL, BYE, no PRACK --+
//!  +---------+<-+ dialog each,      +----------+                                      |
//!      |  |       PRACK                  | accept(): 2xx, once an answer or offer in  |
//!      |  | 3xx-6xx, timeout             | an 18x has its PRACK; repeated until ACK   |
//!      |  +-----------------------+      |                                            |
//!      | 2xx: ACK                 |      v                                            |
//!      |                          |  +-------------+  BYE comes: 200                  v
//!      +--------------------------|->| Established |---------------------------->+--------+
//!      | 2xx after hang_up():     |  +-------------+  hang_up(), no ACK: BYE     |  Over  |
//!      |  ACK, BYE                |                                              +--------+
//!      +--------------------------+-------------------------------------------------^
//! ```
//!
//! Each early dialog of `Calling` has its own state, plan and numbers; 199 and BYE end one, a refusal all. Further 2xx
//! are hung up, or become calls of their own ([`Forks`](forks::Forks)).
//!
//! `Over` lasts until the BYEs are answered, no INVITE of ours can bring a further 2xx, and no PRACK for a response of
//! ours can come: each of those is acknowledged, and its dialog ended, however late it comes.
//!
//! [RFC 5057 §4.1]: https://www.rfc-editor.org/rfc/rfc5057#section-4.1

mod await_ack;
mod change;
mod ending;
pub(crate) mod forks;
pub(crate) mod info;
pub(crate) mod message;
mod multipart;
pub(crate) mod offer_answer;
mod readdress;
pub(crate) mod redirect;
mod referral;
mod reinvite;
pub(crate) mod reliable;
pub(crate) mod replaces;
mod requests;
pub(crate) mod session_timer;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
mod transfer;
mod uac;
mod uas;
mod update;

pub(crate) use uas::{Arrival, final_response};

use std::time::{Duration, Instant};

use sdp::{Direction, SessionDescription};
use sip_msg::{CSeq, Reason, To};
use sip_msg::{Method, Request, Response, StatusCode, Text};
use sip_txn::{ClientId, Ending, SendOptions, ServerId};

use crate::auth::Authenticator;
use crate::context::Context;
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::DialogId;
use crate::media_plan::MediaPlan;
use crate::session_id::Peer;
use await_ack::AwaitAck;
use change::{Change, Wish};
use ending::{Bye, Farewell};
use forks::{Fork, Siblings};
use referral::Refers;
use reliable::{Provisional, Unacknowledged};
use requests::InDialog;
use session_timer::{SessionTimer, Timer};
use transfer::Transferring;
use uac::Calling;
use uas::Alerting;
use update::EarlyUpdate;

/// One call.
#[derive(Debug)]
pub(crate) struct InviteUsage {
    id: DialogId,
    pub(crate) auth: Authenticator,
    state: State,
    /// INVITEs of ours whose transactions may still bring a 2xx.
    invites: Vec<Sent>,
    /// What each 2xx was acknowledged with; a repeated one gets the same again.
    acks: Vec<Acked>,
    byes: Vec<Bye>,
    requests: Vec<InDialog>,
    info: Option<Box<info::InfoState>>,
    /// Why we hang up, for the peer to read.
    parting: Option<Box<Reason>>,
    /// Why the peer ended it.
    cause: Option<Box<Reason>>,
    timer: Timer,
    early_update: Option<Box<EarlyUpdate>>,
    /// The `o=` line that the peer's media was described with last, as a hash.
    remote_origin: Option<u64>,
    /// A transfer of ours that is not settled.
    transferring: Option<Box<Transferring>>,
    refers: Refers,
    /// To make calls of further answers; where the others are hung up there is none.
    siblings: Option<Box<Siblings>>,
    /// Further answers that the agent has yet to make calls of.
    forks: Vec<Fork>,
    /// A reliable response of ours without its PRACK, when the INVITE has its final response.
    unacknowledged: Option<Unacknowledged>,
    /// Every dialog of this usage that the index knows.
    keys: Vec<DialogKey>,
    /// What to say when the BYE has been answered.
    farewell: Option<Farewell>,
    ended: bool,
    /// When the agent has this usage on its clock.
    pub(crate) scheduled: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Calling(Box<Calling>),
    Alerting(Box<Alerting>),
    Established(Box<Established>),
    /// With the dialog, while it may be needed to acknowledge a 2xx.
    Over(Option<Box<Dialog>>),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Calling(_) => "calling",
            Self::Alerting(_) => "not answered yet",
            Self::Established(_) => "established",
            Self::Over(_) => "over",
        }
    }
}

/// A call that was answered.
#[derive(Debug)]
struct Established {
    dialog: Dialog,
    plan: Box<dyn MediaPlan>,
    /// The direction that our application wants.
    direction: Direction,
    /// The one it wanted in our offer that was answered last: a hold that was refused is not wanted any more.
    settled: Direction,
    /// Our 2xx that waits for its ACK.
    await_ack: Option<AwaitAck>,
    /// Our re-INVITE or UPDATE, under way or to be tried again.
    change: Option<Change>,
    /// What came of our re-INVITE before its final response.
    provisional: Provisional,
    /// What to change as soon as no INVITE is in progress.
    wanted: Option<Wish>,
    /// Hang up when the ACK has come: before it a callee may not ([RFC 3261 §15]).
    hang_up: bool,
}

impl Established {
    fn new(dialog: Dialog, plan: Box<dyn MediaPlan>) -> Self {
        Self {
            dialog,
            plan,
            direction: Direction::SendRecv,
            settled: Direction::SendRecv,
            await_ack: None,
            change: None,
            provisional: Provisional::default(),
            wanted: None,
            hang_up: false,
        }
    }
}

impl Established {
    /// Whether the caller may not know yet that we have answered.
    fn awaits_first_ack(&self) -> bool {
        self.await_ack.as_ref().is_some_and(|wait| wait.initial)
    }
}

#[derive(Debug)]
struct Sent {
    client: ClientId,
    request: Request,
}

#[derive(Debug)]
struct Acked {
    client: ClientId,
    remote_tag: Text,
    ack: Request,
    options: SendOptions,
}

impl InviteUsage {
    fn new(id: DialogId, auth: Authenticator, state: State) -> Self {
        Self {
            id,
            auth,
            state,
            invites: Vec::new(),
            acks: Vec::new(),
            byes: Vec::new(),
            requests: Vec::new(),
            info: None,
            parting: None,
            cause: None,
            timer: Timer::new(SessionTimer::default()),
            early_update: None,
            remote_origin: None,
            transferring: None,
            refers: Refers::default(),
            siblings: None,
            forks: Vec::new(),
            unacknowledged: None,
            keys: Vec::new(),
            farewell: None,
            ended: false,
            scheduled: None,
        }
    }

    /// The dialog of a call that has one.
    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        match &self.state {
            State::Calling(calling) => calling.early.first().map(|early| &early.dialog),
            State::Alerting(alerting) => Some(&alerting.dialog),
            State::Established(established) => Some(&established.dialog),
            State::Over(dialog) => dialog.as_deref(),
        }
    }

    /// The Call-ID, from the first message on.
    pub(crate) fn call_id(&self) -> Option<Text> {
        match &self.state {
            State::Calling(calling) => calling.call_id(),
            State::Alerting(_) | State::Established(_) | State::Over(_) => {
                self.dialog().map(|dialog| dialog.call_id().clone())
            }
        }
    }

    /// Whether the application has been told of the end.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The agreed direction of a call that stands.
    pub(crate) fn direction(&self) -> Option<Direction> {
        match &self.state {
            State::Established(established) => established.plan.direction(),
            State::Calling(_) | State::Alerting(_) | State::Over(_) => None,
        }
    }

    /// Nothing more can come of it.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.state, State::Over(_))
            && self.invites.is_empty()
            && self.byes.is_empty()
            && self.requests.is_empty()
            && self.unacknowledged.is_none()
            && !self.outlives()
    }

    /// Takes the usage's dialogs out of the index.
    pub(crate) fn forget(&mut self, context: &mut Context) {
        for key in self.keys.drain(..) {
            context.dialogs.remove(&key);
        }
    }

    /// Says why in the CANCEL or BYE that follows.
    pub(crate) fn part_because(&mut self, reason: Reason) {
        self.parting = Some(Box::new(reason));
    }

    pub(crate) fn hang_up(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        match &mut self.state {
            State::Calling(_) => self.give_up(context, now, Farewell::local()),
            State::Alerting(_) => {
                self.refuse(context, now, StatusCode::TEMPORARILY_UNAVAILABLE.into(), Farewell::local())?;
            }
            State::Established(established) => {
                if established.awaits_first_ack() {
                    established.hang_up = true;
                } else {
                    self.farewell = Some(Farewell::local());
                    self.leave(context, now);
                }
            }
            State::Over(_) => {
                if self.ended || self.farewell.is_some() {
                    return Err(CommandError::Unknown);
                }
            }
        }
        Ok(())
    }

    /// A response to anything we sent for this call.
    pub(crate) fn handle_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: Response,
    ) {
        let status = response.status();
        self.note_packages_of(&response);
        if self.invites.iter().any(|sent| sent.client == client) {
            if status.is_success() {
                self.answered(context, now, client, response);
            } else if status.is_provisional() {
                self.progressed(context, now, client, response);
            } else {
                self.invites.retain(|sent| sent.client != client);
                self.refused(context, now, client, response);
            }
        } else if !status.is_provisional() {
            self.bye_answered(context, now, client, Some(&response));
            if self.is_outside(client) {
                self.outside_answered(context, now, Ok(response));
            } else {
                self.request_answered(context, now, client, Ok(response));
            }
        }
        self.continue_transfer(context, now);
    }

    /// A client transaction of this call is gone.
    pub(crate) fn handle_client_ended(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: Ending,
    ) {
        self.siblings.take_if(|siblings| siblings.client == client);
        let invite = self.invites.iter().position(|sent| sent.client == client);
        self.acks.retain(|acked| acked.client != client);
        if let Some(at) = invite {
            self.invites.remove(at);
            self.unanswered(context, now, client, &ending);
        } else {
            self.bye_answered(context, now, client, None);
            if self.is_outside(client) {
                self.outside_answered(context, now, Err(ending));
            } else {
                self.request_answered(context, now, client, Err(ending));
            }
        }
        self.continue_transfer(context, now);
    }

    /// A 2xx to an INVITE of ours: the first, a repeated one, or one of another fork, in any state.
    fn answered(&mut self, context: &mut Context, now: Instant, client: ClientId, response: Response) {
        let tag =
            response.headers().require::<To>().ok().and_then(|to| to.params.text("tag")).unwrap_or_default();
        if let Some(acked) = self.acks.iter().find(|acked| acked.client == client && acked.remote_tag == tag)
        {
            // A lost connection costs this ACK; the next 2xx asks for it again.
            let _ = context.layer.ack(now, acked.ack.clone(), acked.options.clone());
            return;
        }
        // Those of earlier changes are kept for a while, and take nobody's place.
        let forks = self.acks.iter().filter(|acked| acked.client == client).count();
        if forks >= context.config.limits.forks {
            return;
        }
        match &self.state {
            State::Calling(calling) if calling.client == client => self.call_answered(context, now, response),
            State::Established(established) if established.is_changing(client) => {
                self.change_answered(context, now, response);
            }
            State::Calling(_) | State::Alerting(_) | State::Established(_) | State::Over(_) => {
                self.answered_too_late(context, now, client, &tag, &response);
            }
        }
    }

    /// A 2xx that nobody waits for: of another fork, or one that crossed our BYE. ACK, then BYE where it made a dialog.
    fn answered_too_late(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        tag: &Text,
        response: &Response,
    ) {
        let Some(sent) = self.invites.iter().find(|sent| sent.client == client) else { return };
        let request = sent.request.clone();
        let own = self.byes.iter().map(|bye| &bye.dialog).chain(self.dialog());
        if let Some(dialog) = own.into_iter().find(|dialog| dialog.remote_tag() == &**tag).cloned() {
            self.acknowledge(context, now, client, &dialog, &request, None);
            return;
        }
        if self.forked(context, now, client, &request, response) {
            return;
        }
        let contact = self.contact_of(&request);
        let Ok(dialog) = Dialog::of_response(&request, &contact, response) else { return };
        let offer = request.body().is_empty().then(|| offer_answer::of_response(response)).flatten();
        let answer = offer.as_ref().map(offer_answer::refuse_all);
        self.acknowledge(context, now, client, &dialog, &request, answer.as_ref());
        self.keep_key(context, &dialog);
        self.bye(context, now, dialog, false);
    }

    /// Sends the ACK for a 2xx, and keeps it for repeated ones.
    fn acknowledge(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        dialog: &Dialog,
        invite: &Request,
        answer: Option<&SessionDescription>,
    ) {
        let mut ack = dialog.ack(invite);
        context.sign(&mut ack);
        if let Some(answer) = answer {
            ack.set_body(offer_answer::APPLICATION_SDP, offer_answer::body(answer));
        }
        context.stamp(ack.headers_mut(), Peer::To);
        let options = dialog.send_options().branch(context.ids.branch());
        // A lost connection costs this ACK; the repeated 2xx asks for it again.
        let _ = context.layer.ack(now, ack.clone(), options.clone());
        self.acks.push(Acked { client, remote_tag: dialog.remote_tag().into(), ack, options });
    }

    /// A request of the peer in a dialog of this usage; the agent has screened it ([RFC 3261 §8.2]).
    pub(crate) fn handle_request(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        request: Request,
    ) {
        if *request.method() == Method::PRACK {
            return self.pracked(context, now, server, key, &request);
        }
        let number = request.headers().require::<CSeq>().map_or(0, |cseq| cseq.number);
        let bye = *request.method() == Method::BYE;
        // After the end there is only the BYE, even where ours still waits for the ACK (RFC 5407 §2, Mortal).
        let Some(in_order) = self.receive(key, number).filter(|_| bye || !self.ended) else {
            let known = bye;
            let status = if known { StatusCode::OK } else { StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST };
            self.answer(context, now, server, &request, status);
            if known && matches!(self.state, State::Over(_)) {
                self.say_farewell(context);
            }
            return;
        };
        if !in_order {
            self.answer(context, now, server, &request, StatusCode::SERVER_INTERNAL_ERROR);
        } else if *request.method() == Method::BYE {
            self.answer(context, now, server, &request, StatusCode::OK);
            self.cause = request.headers().all::<Reason>().find_map(Result::ok).map(Box::new);
            self.hung_up(context, now, key);
        } else if matches!(*request.method(), Method::INVITE | Method::UPDATE)
            && self.refuses_interval(context, now, server, &request)
        {
            // The answer names the time it takes.
        } else if *request.method() == Method::INVITE {
            self.reinvited(context, now, server, &request);
        } else if *request.method() == Method::UPDATE {
            self.updated(context, now, server, key, &request);
        } else if *request.method() == Method::INFO {
            self.informed(context, now, server, request);
        } else {
            self.answer(context, now, server, &request, StatusCode::METHOD_NOT_ALLOWED);
        }
    }

    /// Counts a request of the peer; whether it is in order, or `None` when its dialog does not stand (any more).
    fn receive(&mut self, key: &DialogKey, number: u32) -> Option<bool> {
        let dialog = match &mut self.state {
            State::Calling(calling) => calling.early_of(&key.remote_tag).map(|early| &mut early.dialog),
            State::Alerting(alerting) => Some(&mut alerting.dialog),
            State::Established(established) => Some(&mut established.dialog),
            State::Over(_) => None,
        };
        Some(dialog.filter(|dialog| dialog.key() == *key)?.receive(number))
    }

    /// Counts a request that changes nothing in the call, and says whether it came out of order.
    pub(crate) fn is_out_of_order(&mut self, key: &DialogKey, number: u32) -> bool {
        self.receive(key, number) == Some(false)
    }

    /// A bare answer in the dialog.
    fn answer(
        &self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        request: &Request,
        status: StatusCode,
    ) {
        let mut response = Response::answer(request, status).build();
        context.sign_response(&mut response, status == StatusCode::METHOD_NOT_ALLOWED);
        context.respond(now, server, response);
    }

    /// Makes a dialog's requests find this usage.
    fn keep_key(&mut self, context: &mut Context, dialog: &Dialog) {
        let key = dialog.key();
        if !self.keys.contains(&key) {
            context.dialogs.insert(key.clone(), self.id);
            self.keys.push(key);
        }
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        self.unacknowledged.take_if(|late| late.until <= now);
        match &self.state {
            State::Calling(_) => {
                self.early_update_timeout(context, now);
                self.calling_timeout(context, now);
            }
            State::Alerting(_) => {
                self.early_update_timeout(context, now);
                self.alerting_timeout(context, now);
            }
            State::Established(_) => {
                self.await_ack_timeout(context, now);
                self.change_timeout(context, now);
                self.session_timeout(context, now);
            }
            State::Over(_) => {}
        }
        self.transfer_timeout(context, now);
        self.continue_transfer(context, now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let call = match &self.state {
            State::Calling(calling) => {
                calling.deadline.into_iter().chain(self.early_update_poll_timeout()).min()
            }
            State::Alerting(alerting) => {
                alerting.poll_timeout().into_iter().chain(self.early_update_poll_timeout()).min()
            }
            State::Established(established) => {
                let ack = established.await_ack.as_ref().map(AwaitAck::poll_timeout);
                let change = established.change.as_ref().and_then(Change::poll_timeout);
                ack.into_iter().chain(change).chain(self.timer.poll_timeout()).min()
            }
            State::Over(_) => None,
        };
        let late = self.unacknowledged.as_ref().map(|late| late.until);
        call.into_iter().chain(late).chain(self.transfer_poll_timeout()).min()
    }
}

fn is_challenge(response: &Response) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

/// Statuses that mean the dialog itself is gone ([RFC 3261 §12.2.1.2]).
fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT)
}

/// 64·T1: how long anything may take that the peer owes us.
fn patience(context: &Context) -> Duration {
    64 * context.config.transactions.timing.t1
}
