//! The core: routes what the transaction layer reports to calls, registrations and requests.

mod authentication;
mod publications;
mod refer;
mod registrations;
mod subscriptions;
mod watchers;

pub(crate) use refer::write_notice;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::Direction;
use sip_msg::{
    AcceptEncoding, CSeq, HeaderName, Method, Reason, Request, Require, Response, StatusCode, Text, To, Uri,
    Via,
};
use sip_txn::{ClientId, Ending, Flow, Input, ServerId};

use crate::auth::Credentials;
use crate::auth::{CredentialsId, Waiting};
use crate::command::{Invite, OutOfDialog, Reply};
use crate::config::Config;
use crate::context::{Context, Owner};
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{
    DialogId, Event, IncomingRequestId, Output, PublicationId, ReferId, RegistrationId, RequestId,
    SubscriptionId,
};
use crate::identity;
use crate::invite::forks::Fork;
use crate::invite::info::InfoDtmf;
use crate::invite::reliable::{self, Reliable, Ring};
use crate::invite::session_timer::too_short;
use crate::invite::snapshot::ResumeError;
use crate::invite::{Arrival, InviteUsage, final_response, offer_answer};
use crate::media_plan::MediaPlan;
use crate::policy::{Admission, Policy, TargetSource, Violation};
use crate::publication::Publication;
use crate::refer::Referral;
use crate::registration::Registration;
use crate::request::Outgoing;
use crate::screen::screen;
use crate::session_id::{Peer, SessionIdentifier};
use crate::subscription::{Subscription, Watcher};

/// How long the application may take to answer a request outside of calls; then we answer 480, in time to be heard.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A user agent ([RFC 3261 §8]): calls, registrations and single requests over one transaction layer.
///
/// A core without clock, sockets and random source: commands and inputs go in with the time they happen at, and
/// [`poll_output`](Self::poll_output) gives out what to send and what to tell the application.
///
/// [RFC 3261 §8]: https://www.rfc-editor.org/rfc/rfc3261#section-8
#[derive(Debug)]
pub struct Agent {
    context: Context,
    /// In boxes, since a node of the map has room for more of them than it holds.
    calls: BTreeMap<DialogId, Box<InviteUsage>>,
    registrations: BTreeMap<RegistrationId, Box<Registration>>,
    outgoing: HashMap<RequestId, Outgoing>,
    incoming: BTreeMap<IncomingRequestId, Incoming>,
    referrals: BTreeMap<ReferId, Referral>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    watchers: BTreeMap<SubscriptionId, Watcher>,
    publications: BTreeMap<PublicationId, Publication>,
    schedule: BTreeSet<(Instant, Timed)>,
    /// What an OPTIONS is answered with.
    options_status: StatusCode,
    admission: Admission,
    /// Challenges that wait for the application's credentials.
    waiting: Waiting,
    /// Whose password calls came in with.
    authenticated: HashMap<DialogId, Text>,
    last_id: u64,
}

/// A request outside of calls that waits for the application.
#[derive(Debug)]
struct Incoming {
    server: ServerId,
    request: Request,
    answer_by: Instant,
}

/// Who is on the clock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Timed {
    Call(DialogId),
    Registration(RegistrationId),
    Incoming(IncomingRequestId),
    Refer(ReferId),
    Subscription(SubscriptionId),
    Publication(PublicationId),
    Credentials(CredentialsId),
}

impl Agent {
    /// An agent without accounts or calls.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            context: Context::new(config),
            calls: BTreeMap::new(),
            registrations: BTreeMap::new(),
            outgoing: HashMap::new(),
            incoming: BTreeMap::new(),
            referrals: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            watchers: BTreeMap::new(),
            publications: BTreeMap::new(),
            schedule: BTreeSet::new(),
            options_status: StatusCode::OK,
            admission: Admission::default(),
            waiting: Waiting::default(),
            authenticated: HashMap::new(),
            last_id: 0,
        }
    }

    /// Places a call. The plan makes the offer; each place that rings has a fork of it.
    ///
    /// # Errors
    /// [`CommandError::Limit`], [`CommandError::Policy`], [`CommandError::Header`] for a header that cannot be written, or
    /// [`CommandError::Request`] when the INVITE cannot even be sent.
    pub fn invite(
        &mut self,
        now: Instant,
        mut invite: Invite,
        plan: Box<dyn MediaPlan>,
    ) -> Result<DialogId, CommandError> {
        if self.calls.len() >= self.context.config.limits.calls {
            return Err(CommandError::Limit("calls"));
        }
        self.may_call(&invite.target, TargetSource::Caller)?;
        self.lend_to_call(now, &mut invite)?;
        let id = DialogId(self.next_id());
        let usage = InviteUsage::call(&mut self.context, now, id, invite, plan);
        let usage = usage.inspect_err(|_| self.context.session_ids.detach(id))?;
        self.calls.insert(id, Box::new(usage));
        self.touch_call(id);
        self.pump(now);
        Ok(id)
    }

    /// Sends a provisional response to a call that came in: a bare status, or a [`Ring`] with early media or to be confirmed
    /// by the caller (PRACK).
    ///
    /// A reliable one waits while the one before it is not confirmed. One that is not confirmed in 64·T1 ends the call
    /// (504).
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::WrongState`], [`CommandError::Misuse`] for a status outside 101–199,
    /// for a reliable one to a caller that takes none, or one that needs a plan and has none, [`CommandError::Limit`]
    /// when too many wait, or [`CommandError::Refused`] when the plan cannot answer the offer: the caller then gets a 488.
    pub fn ring(&mut self, now: Instant, id: DialogId, ring: impl Into<Ring>) -> Result<(), CommandError> {
        let ring = ring.into();
        self.command(now, id, |usage, context| usage.ring(context, now, ring))
    }

    /// Whether the caller of a call that waits for our answer takes reliable provisional responses ([`Ring::reliable`]).
    #[must_use]
    pub fn takes_reliable(&self, id: DialogId) -> bool {
        self.calls.get(&id).is_some_and(|usage| usage.takes_reliable())
    }

    /// Whether a [`Ring`] of this kind needs a plan: the caller made no offer, so that the first reliable response makes one
    /// ([RFC 3262 §5]). Callers that insist on reliable responses get no others.
    ///
    /// [RFC 3262 §5]: https://www.rfc-editor.org/rfc/rfc3262#section-5
    #[must_use]
    pub fn ring_needs_plan(&self, id: DialogId, reliable: bool) -> bool {
        self.calls.get(&id).is_some_and(|usage| usage.ring_needs_plan(reliable))
    }

    /// Answers a call with 200, which is repeated until its ACK comes.
    ///
    /// The plan may be left out if [`ring`](Self::ring) had one; an answer given there stands.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::WrongState`], [`CommandError::Misuse`] when there is no plan, or
    /// [`CommandError::Refused`] when the plan cannot answer the offer: the caller then gets a 488.
    pub fn accept(
        &mut self,
        now: Instant,
        id: DialogId,
        plan: impl Into<Option<Box<dyn MediaPlan>>>,
    ) -> Result<(), CommandError> {
        let plan = plan.into();
        self.command(now, id, |usage, context| usage.accept(context, now, plan))
    }

    /// Refuses a call with a status from 300 to 699; contacts say where else to try.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::WrongState`], [`CommandError::Misuse`] for another status, or
    /// [`CommandError::Header`] for a header that cannot be written.
    pub fn reject(
        &mut self,
        now: Instant,
        id: DialogId,
        reply: impl Into<Reply>,
    ) -> Result<(), CommandError> {
        let reply = reply.into();
        self.command(now, id, |usage, context| usage.reject(context, now, reply))
    }

    /// Ends a call as its state wants it: CANCEL, BYE, or a refusal (480).
    ///
    /// Media ends now; [`Event::Ended`] says when the peer knows, or after 64·T1 that it does not answer.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    pub fn hang_up(&mut self, now: Instant, id: DialogId) -> Result<(), CommandError> {
        self.command(now, id, |usage, context| usage.hang_up(context, now))?;
        self.stop_waiting(now, Owner::Call(id));
        self.pump(now);
        Ok(())
    }

    /// The same, and the CANCEL or BYE says why ([RFC 3326]): `Reason::new("SIP")` with `cause` and `text`, for instance.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    ///
    /// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
    pub fn hang_up_because(
        &mut self,
        now: Instant,
        id: DialogId,
        reason: Reason,
    ) -> Result<(), CommandError> {
        self.command(now, id, |usage, context| {
            usage.part_because(reason);
            usage.hang_up(context, now)
        })
    }

    /// Holds a call (send-only or inactive) or resumes it (send and receive) with a re-INVITE.
    ///
    /// While an INVITE is in progress the change waits for its end; of several that wait the last counts.
    /// [`Event::MediaChanged`] or [`Event::ChangeFailed`] follows.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] or [`CommandError::WrongState`].
    pub fn set_direction(
        &mut self,
        now: Instant,
        id: DialogId,
        direction: Direction,
    ) -> Result<(), CommandError> {
        self.command(now, id, |usage, context| usage.set_direction(context, now, direction))
    }

    /// Offers again what the plan says now, after a change of address or codecs, with a re-INVITE.
    ///
    /// [`Event::MediaChanged`] or [`Event::ChangeFailed`] follows.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] or [`CommandError::WrongState`].
    pub fn reoffer(&mut self, now: Instant, id: DialogId) -> Result<(), CommandError> {
        self.command(now, id, |usage, context| usage.reoffer(context, now))
    }

    /// Asks the peer for an offer with a re-INVITE that has none; our answer goes with the ACK.
    ///
    /// [`Event::MediaChanged`] or [`Event::ChangeFailed`] follows.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] or [`CommandError::WrongState`].
    pub fn request_offer(&mut self, now: Instant, id: DialogId) -> Result<(), CommandError> {
        self.command(now, id, |usage, context| usage.request_offer(context, now))
    }

    /// Sends an UPDATE: with an offer of at most this direction, or a bare one that finds out whether the peer is there
    /// ([RFC 3311]).
    ///
    /// [`Event::MediaChanged`], [`Event::SessionRefreshed`] or [`Event::ChangeFailed`] follows. Where a peer does not answer
    /// an offer in an UPDATE without asking somebody first, a re-INVITE follows by itself.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::WrongState`], or [`CommandError::Misuse`] when the peer has not said that it
    /// takes UPDATE.
    ///
    /// [RFC 3311]: https://www.rfc-editor.org/rfc/rfc3311
    pub fn update(
        &mut self,
        now: Instant,
        id: DialogId,
        direction: Option<Direction>,
    ) -> Result<(), CommandError> {
        self.command(now, id, |usage, context| usage.update(context, now, direction))
    }

    /// Sends an INFO in a call, early or standing; [`Event::Response`] brings the outcome.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::WrongState`], [`CommandError::Limit`] or [`CommandError::Request`].
    pub fn info(
        &mut self,
        now: Instant,
        id: DialogId,
        content_type: impl Into<Text>,
        body: impl Into<Bytes>,
    ) -> Result<RequestId, CommandError> {
        let request = RequestId(self.next_id());
        let content = (content_type.into(), body.into());
        self.command(now, id, |usage, context| usage.info(context, now, request, content))?;
        Ok(request)
    }

    /// Sends an INFO of a package that the peer takes ([RFC 6086]); [`Event::Response`] brings the outcome.
    ///
    /// # Errors
    /// [`CommandError::Misuse`] when the peer has not said in Recv-Info that it takes the package, [`CommandError::Unknown`],
    /// [`CommandError::WrongState`], [`CommandError::Limit`], [`CommandError::Header`] or [`CommandError::Request`].
    ///
    /// [RFC 6086]: https://www.rfc-editor.org/rfc/rfc6086
    pub fn info_package(
        &mut self,
        now: Instant,
        id: DialogId,
        package: impl Into<Text>,
        content: Option<(Text, Bytes)>,
    ) -> Result<RequestId, CommandError> {
        let request = RequestId(self.next_id());
        let package = package.into();
        self.command(now, id, |usage, context| usage.info_package(context, now, request, &package, content))?;
        Ok(request)
    }

    /// Sends a digit as INFO; [`Event::Response`] brings the outcome. Digits go out one after the other, each when the one
    /// before it has been answered.
    ///
    /// # Errors
    /// [`CommandError::Misuse`] for what is not one of the sixteen digits, [`CommandError::Unknown`],
    /// [`CommandError::WrongState`], [`CommandError::Limit`] or [`CommandError::Request`].
    pub fn dtmf(
        &mut self,
        now: Instant,
        id: DialogId,
        digit: char,
        duration: Duration,
        format: InfoDtmf,
    ) -> Result<RequestId, CommandError> {
        let request = RequestId(self.next_id());
        let digit = (digit, duration);
        self.command(now, id, |usage, context| usage.dtmf(context, now, request, digit, format))?;
        Ok(request)
    }

    /// Sends a MESSAGE in the dialog of a call ([RFC 3428]); [`Event::Response`] brings the outcome.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], [`CommandError::WrongState`], [`CommandError::Limit`] when too many requests wait or the
    /// message is too large, or [`CommandError::Request`].
    ///
    /// [RFC 3428]: https://www.rfc-editor.org/rfc/rfc3428
    pub fn message(
        &mut self,
        now: Instant,
        id: DialogId,
        content_type: impl Into<Text>,
        body: impl Into<Bytes>,
    ) -> Result<RequestId, CommandError> {
        let request = RequestId(self.next_id());
        let content = (content_type.into(), body.into());
        self.command(now, id, |usage, context| usage.message(context, now, request, content))?;
        Ok(request)
    }

    /// Sends a request outside of any dialog; [`Event::Response`] brings the outcome.
    ///
    /// # Errors
    /// [`CommandError::Misuse`] for a method with a command of its own, [`CommandError::Limit`], [`CommandError::Policy`],
    /// [`CommandError::Header`] or [`CommandError::Request`].
    pub fn request(&mut self, now: Instant, mut request: OutOfDialog) -> Result<RequestId, CommandError> {
        if self.outgoing.len() >= self.context.config.limits.requests {
            return Err(CommandError::Limit("requests"));
        }
        self.context.config.policy.check_target(&request.target, TargetSource::Caller)?;
        self.lend_to_request(now, &mut request)?;
        let id = RequestId(self.next_id());
        let outgoing = Outgoing::start(&mut self.context, now, id, request)?;
        self.outgoing.insert(id, outgoing);
        self.pump(now);
        Ok(id)
    }

    /// Says what a call would be answered with now, since that is what OPTIONS asks ([RFC 3261 §11.2]): 200 at first, 486
    /// while the user is busy.
    ///
    /// # Errors
    /// [`CommandError::Misuse`] for a provisional status.
    ///
    /// [RFC 3261 §11.2]: https://www.rfc-editor.org/rfc/rfc3261#section-11.2
    pub fn answer_options(&mut self, status: StatusCode) -> Result<(), CommandError> {
        if status.is_provisional() {
            return Err(CommandError::Misuse("answer_options: the status is one of 200 to 699"));
        }
        self.options_status = status;
        Ok(())
    }

    /// Answers a request that came outside of any call.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when it has been answered or its time is over, [`CommandError::Misuse`] for a
    /// provisional status, [`CommandError::Header`] for a header that cannot be written.
    pub fn respond(
        &mut self,
        now: Instant,
        id: IncomingRequestId,
        reply: impl Into<Reply>,
    ) -> Result<(), CommandError> {
        let reply = reply.into();
        if reply.status.is_provisional() {
            return Err(CommandError::Misuse("respond: the status is one of 200 to 699"));
        }
        let waiting = self.incoming.get(&id).ok_or(CommandError::Unknown)?;
        let tag = self.context.ids.tag();
        let response = final_response(&self.context, &waiting.request, &reply, &tag)?;
        self.answer_incoming(now, id, response);
        self.pump(now);
        Ok(())
    }

    /// A call that stands, as bytes from which another agent can [`resume`](Self::resume) it: its dialog, its session timer,
    /// and what its media plan adds. Transactions, subscriptions and passwords are not in them.
    ///
    /// **Keep them as you keep a password**, and for as long as the call: whoever has them can speak in its name.
    ///
    /// # Errors
    /// [`CommandError::Unknown`], or [`CommandError::WrongState`] for a call that is not answered and acknowledged yet, is
    /// over, or is being changed.
    pub fn snapshot(&self, id: DialogId) -> Result<Bytes, CommandError> {
        self.calls.get(&id).ok_or(CommandError::Unknown)?.snapshot()
    }

    /// Goes on with a call that this or another process wrote down with [`snapshot`](Self::snapshot), and no longer has.
    ///
    /// It is a call as any other from now on. Where the new process listens elsewhere, [`reoffer`](Self::reoffer) tells the
    /// peer; a session timer's refresh, which is sent at once where it is ours, does too. Challenges are answered when
    /// [`set_credentials`](Self::set_credentials) has given the password again.
    ///
    /// # Errors
    /// [`ResumeError`]; no bytes make this panic.
    pub fn resume(
        &mut self,
        now: Instant,
        snapshot: &[u8],
        plan: Box<dyn MediaPlan>,
    ) -> Result<DialogId, ResumeError> {
        if self.calls.len() >= self.context.config.limits.calls {
            return Err(ResumeError::Limit("calls"));
        }
        let id = DialogId(self.next_id());
        let usage = InviteUsage::resume(&mut self.context, now, id, snapshot, plan)?;
        self.calls.insert(id, Box::new(usage));
        self.touch_call(id);
        self.pump(now);
        Ok(id)
    }

    /// What a call's challenges are answered with from now on.
    ///
    /// # Errors
    /// [`CommandError::Unknown`].
    pub fn set_credentials(&mut self, id: DialogId, credentials: Credentials) -> Result<(), CommandError> {
        self.calls.get_mut(&id).ok_or(CommandError::Unknown)?.set_credentials(credentials);
        Ok(())
    }

    /// The dialog of a call, if it has one yet; of several early ones the first.
    #[must_use]
    pub fn dialog(&self, id: DialogId) -> Option<&Dialog> {
        self.calls.get(&id)?.dialog()
    }

    /// The Call-ID of a call, from its first message on.
    #[must_use]
    pub fn call_id(&self, id: DialogId) -> Option<Text> {
        self.calls.get(&id)?.call_id()
    }

    /// The names of a call's session from end to end, where calls have them
    /// ([`Config::session_ids`](crate::Config::session_ids)).
    #[must_use]
    pub fn session_id(&self, id: DialogId) -> Option<SessionIdentifier> {
        let tag = self.dialog(id).map(|dialog| dialog.remote_tag()).unwrap_or_default();
        self.context.session_id(id, tag)
    }

    /// The direction agreed in a call that stands, as we see it.
    #[must_use]
    pub fn direction(&self, id: DialogId) -> Option<Direction> {
        self.calls.get(&id)?.direction()
    }

    /// Hangs up every call and takes every registration back; [`has_left`](Self::has_left) says when that is done.
    pub fn leave(&mut self, now: Instant) {
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            // One that is over already has nothing to hang up.
            let _ = self.hang_up(now, id);
        }
        for id in self.registrations.keys().copied().collect::<Vec<_>>() {
            let _ = self.unregister(now, id);
        }
    }

    /// Whether every call has ended and no registration is left. Transactions may still absorb retransmissions.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.registrations.is_empty() && self.calls.values().all(|usage| usage.has_ended())
    }

    /// Whether no call, registration or request is left, nor anything that one leaves behind.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.registrations.is_empty()
            && self.outgoing.is_empty()
            && self.incoming.is_empty()
            && self.referrals.is_empty()
            && self.subscriptions.is_empty()
            && self.watchers.is_empty()
            && self.publications.is_empty()
            && self.context.subscriptions.is_empty()
            && self.waiting.len() == 0
            && self.context.heard.is_empty()
            && self.context.session_ids.is_empty()
            && self.context.clients.is_empty()
            && self.context.servers.is_empty()
            && self.context.dialogs.is_empty()
            && self.schedule.is_empty()
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.context.config
    }

    /// Another policy from now on; calls that stand stay.
    pub fn set_policy(&mut self, policy: Policy) {
        self.context.config.policy = policy;
    }

    /// Something happened on the network.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.context.layer.handle_input(now, input);
        self.pump(now);
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.context.layer.handle_timeout(now);
        self.pump(now);
        let Context { flows, ids, layer, .. } = &mut self.context;
        flows.handle_timeout(now, ids, layer);
        self.pump(now);
        while let Some((at, who)) = self.schedule.first().copied()
            && at <= now
        {
            self.schedule.pop_first();
            match who {
                Timed::Call(id) => {
                    if let Some(usage) = self.calls.get_mut(&id) {
                        usage.scheduled = None;
                    }
                    self.with_call(id, |usage, context| usage.handle_timeout(context, now));
                }
                Timed::Registration(id) => {
                    if let Some(registration) = self.registrations.get_mut(&id) {
                        registration.scheduled = None;
                    }
                    self.with_registration(id, |registration, context| {
                        registration.handle_timeout(context, now)
                    });
                }
                Timed::Incoming(id) => self.answer_late(now, id),
                Timed::Refer(id) => self.referral_timeout(now, id),
                Timed::Subscription(id) => self.subscription_timeout(now, id),
                Timed::Publication(id) => self.publication_timeout(now, id),
                Timed::Credentials(id) => drop(self.go_on(now, id, None)),
            }
            self.pump(now);
        }
    }

    /// What to send or to tell next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.context.output.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `None` when idle.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = self.schedule.first().map(|(at, _)| *at);
        own.into_iter()
            .chain(self.context.flows.poll_timeout())
            .chain(self.context.layer.poll_timeout())
            .min()
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Runs a command on a call that the application still knows.
    fn command<T>(
        &mut self,
        now: Instant,
        id: DialogId,
        command: impl FnOnce(&mut InviteUsage, &mut Context) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let result = self.with_call(id, command).unwrap_or(Err(CommandError::Unknown));
        self.pump(now);
        result
    }

    /// Runs something on a call, and puts the call on the clock anew or takes it away when it is finished.
    fn with_call<T>(
        &mut self,
        id: DialogId,
        run: impl FnOnce(&mut InviteUsage, &mut Context) -> T,
    ) -> Option<T> {
        let usage = self.calls.get_mut(&id)?;
        let result = run(usage, &mut self.context);
        self.touch_call(id);
        Some(result)
    }

    fn touch_call(&mut self, id: DialogId) {
        let Some(usage) = self.calls.get_mut(&id) else { return };
        let finished = usage.is_finished();
        let next = if finished { None } else { usage.poll_timeout() };
        reschedule(&mut self.schedule, Timed::Call(id), &mut usage.scheduled, next);
        if self.context.config.session_ids {
            // Forks and resumed calls have no first message of their own.
            let Context { session_ids, ids, .. } = &mut self.context;
            session_ids.attach(ids, id, || usage.call_id());
        }
        if finished && let Some(mut usage) = self.calls.remove(&id) {
            usage.forget(&mut self.context);
            self.admission.ended(id);
            self.authenticated.remove(&id);
            self.context.session_ids.detach(id);
        }
    }

    /// Whether one more call, to this target, is within the policy.
    fn may_call(&self, target: &Uri, by: TargetSource) -> Result<(), Violation> {
        let policy = &self.context.config.policy;
        if let Some(limit) = policy.calls.filter(|limit| self.calls.len() >= *limit) {
            return Err(Violation::TooManyCalls { limit });
        }
        policy.check_target(target, by)
    }

    /// Whether a call that comes in is within the policy; one that is counts from now on.
    fn may_come_in(&mut self, now: Instant, flow: &Flow) -> Result<(), Violation> {
        self.admission.admit(now, &self.context.config.policy, flow.remote.ip(), self.calls.len())
    }

    /// Takes what the transaction layer gives out until it is silent.
    fn pump(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.context.layer.poll_output() {
                match output {
                    sip_txn::Output::Action(action) => self.context.output.push_back(Output::Action(action)),
                    sip_txn::Output::Event(event) => self.handle_event(now, event),
                }
            }
            if !self.take_news(now) {
                return;
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: sip_txn::Event) {
        match event {
            sip_txn::Event::Request { server, flow, request } => {
                self.handle_request(now, server, flow, request)
            }
            sip_txn::Event::Ack { request, .. } => {
                if let Some(key) = DialogKey::of_request(&request)
                    && let Some(id) = self.context.dialogs.get(&key).copied()
                {
                    self.with_call(id, |usage, context| usage.handle_ack(context, now, &key, &request));
                }
            }
            sip_txn::Event::Cancelled { invite, reason } => {
                if let Some(id) = self.context.servers.get(&invite).copied() {
                    self.with_call(id, |usage, context| usage.handle_cancelled(context, now, invite, reason));
                }
            }
            sip_txn::Event::Repeated { invite } => {
                if let Some(id) = self.context.servers.get(&invite).copied() {
                    self.with_call(id, |usage, context| usage.handle_repeated(context, now, invite));
                }
            }
            sip_txn::Event::Response { client, flow, response } => {
                self.handle_response(now, client, &flow, response)
            }
            sip_txn::Event::ClientEnded { client, ending } => self.handle_client_ended(now, client, ending),
            sip_txn::Event::ServerEnded { server, .. } => {
                if let Some(id) = self.context.servers.remove(&server) {
                    self.with_call(id, |usage, context| usage.handle_server_ended(context, now, server));
                }
            }
            sip_txn::Event::Pong { flow } => self.context.flows.answered(&flow),
            sip_txn::Event::FlowClosed { flow, .. } => self.flow_closed(now, &flow),
            // RFC 3261 §13.2.2.4: 64·T1 after the first 2xx no further one is expected, and none is acknowledged.
            sip_txn::Event::StrayResponse { .. } | sip_txn::Event::ResponseLost { .. } | _ => {}
        }
    }

    fn handle_response(&mut self, now: Instant, client: ClientId, flow: &Flow, response: Response) {
        // RFC 3261 §8.1.3.3: with a second Via it was meant for somebody behind us, and nobody is there.
        if response.headers().all::<Via>().count() > 1 {
            return;
        }
        if !self.wait_for_credentials(now, client, flow, &response) {
            self.deliver(now, client, flow, response);
        }
    }

    /// Hands a response to whom it is for.
    fn deliver(&mut self, now: Instant, client: ClientId, flow: &Flow, response: Response) {
        self.context.heard.listen(Some((client, *flow)));
        self.context.note_session_id(response.headers(), Peer::To);
        self.deliver_to_owner(now, client, flow, response);
        self.context.heard.listen(None);
    }

    fn deliver_to_owner(&mut self, now: Instant, client: ClientId, flow: &Flow, response: Response) {
        match self.context.clients.get(&client).copied() {
            Some(Owner::Call(id)) => {
                let forks = self.with_call(id, |usage, context| {
                    usage.handle_response(context, now, client, response);
                    usage.take_forks()
                });
                for fork in forks.into_iter().flatten() {
                    self.fork_call(now, id, fork);
                }
            }
            Some(Owner::Registration(id)) => {
                self.with_registration(id, |registration, context| {
                    registration.handle_response(context, now, client, flow, &response);
                });
            }
            Some(Owner::Request(id)) => {
                if let Some(outgoing) = self.outgoing.get_mut(&id)
                    && outgoing.handle_response(&mut self.context, now, client, response)
                {
                    self.outgoing.remove(&id);
                }
            }
            Some(Owner::Refer(id)) => self.referral_answered(now, id, client, Ok(response)),
            Some(Owner::Subscription(id)) => self.subscription_answered(now, id, client, Ok(response)),
            Some(Owner::Publication(id)) => self.publication_answered(now, id, client, &Ok(response)),
            None => {}
        }
    }

    /// One more answer to a call of ours becomes a call of its own, where there is room.
    fn fork_call(&mut self, now: Instant, id: DialogId, answer: Fork) {
        let full = self.calls.len() >= self.context.config.limits.calls;
        let fork = DialogId(self.next_id());
        let response = answer.response.clone();
        let usage = self.with_call(id, |usage, context| {
            if full {
                usage.drop_fork(context, now, answer);
                None
            } else {
                Some(usage.of_fork(context, now, fork, answer))
            }
        });
        if let Some(usage) = usage.flatten() {
            self.calls.insert(fork, Box::new(usage));
            self.context.tell(Event::Forked { dialog: id, fork, response });
            self.touch_call(fork);
        }
    }

    fn handle_client_ended(&mut self, now: Instant, client: ClientId, ending: Ending) {
        let Some(ending) = self.waiting.hold_back(client, ending) else { return };
        self.context.heard.forget(client);
        match self.context.clients.remove(&client) {
            Some(Owner::Call(id)) => {
                self.with_call(id, |usage, context| usage.handle_client_ended(context, now, client, ending));
            }
            Some(Owner::Registration(id)) => {
                self.with_registration(id, |registration, context| {
                    registration.handle_client_ended(context, now, client, &ending);
                });
            }
            Some(Owner::Request(id)) => {
                if let Some(outgoing) = self.outgoing.get_mut(&id)
                    && outgoing.handle_client_ended(&mut self.context, now, client, ending)
                {
                    self.outgoing.remove(&id);
                }
            }
            Some(Owner::Refer(id)) => self.referral_answered(now, id, client, Err(ending)),
            Some(Owner::Subscription(id)) => self.subscription_answered(now, id, client, Err(ending)),
            Some(Owner::Publication(id)) => self.publication_answered(now, id, client, &Err(ending)),
            None => {}
        }
    }

    /// The order of RFC 3261 §8.2: what the request needs of us, then what it wants.
    fn handle_request(&mut self, now: Instant, server: ServerId, flow: Flow, mut request: Request) {
        let key = DialogKey::of_request(&request);
        self.context.note_session_id(request.headers(), Peer::From);
        let user = match &key {
            Some(_) => Ok(None),
            None => self.challenge(now, server, &flow, &mut request),
        };
        // RFC 3261 §8.2: who asks comes before what is asked.
        let Ok(user) = user else { return };
        identity::believe(&self.context.config.policy, flow.remote.ip(), request.headers_mut());
        let offer = match screen(&request, &self.context.methods(), &self.context.options()) {
            Ok(offer) => offer,
            Err(refusal) => {
                let tag = self.context.ids.tag();
                let mut refusal = *refusal;
                tag_response(&mut refusal, &tag);
                return self.refuse(now, server, refusal);
            }
        };
        let is_secure = flow.transport.is_secure();
        if let Err(why) = self.context.config.policy.check_keys(offer.as_ref(), is_secure) {
            return self.turn_away(now, server, flow, &request, why);
        }
        if request.headers().contains(HeaderName::REPLACES) && *request.method() != Method::INVITE {
            return self.refuse_with(now, server, &request, StatusCode::BAD_REQUEST);
        }
        if matches!(*request.method(), Method::REFER | Method::NOTIFY | Method::SUBSCRIBE) {
            return self.handle_subscription_request(now, server, flow, key, request);
        }
        let in_call = key.as_ref().and_then(|key| self.context.dialogs.get(key).copied());
        // RFC 3261 §12.2.2: what does not change the dialog is worked on as if it had come outside of it.
        let neutral =
            *request.method() == Method::OPTIONS || self.context.config.takes.contains(request.method());
        if let (true, Some(key), Some(id)) = (neutral, &key, in_call) {
            let number = request.headers().require::<CSeq>().map_or(0, |cseq| cseq.number);
            if self.with_call(id, |usage, _| usage.is_out_of_order(key, number)) == Some(true) {
                return self.refuse_with(now, server, &request, StatusCode::SERVER_INTERNAL_ERROR);
            }
        }
        match (key, in_call) {
            (Some(key), Some(id)) if !neutral => {
                self.with_call(id, |usage, context| {
                    usage.handle_request(context, now, server, &key, request)
                });
            }
            (Some(_), None) => {
                self.refuse_with(now, server, &request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST)
            }
            (None, _)
                if *request.method() == Method::INVITE
                    && self.context.config.reliable == Reliable::Required
                    && !reliable::is_taken(request.headers()) =>
            {
                let refusal = Response::answer(&request, StatusCode::EXTENSION_REQUIRED)
                    .to_tag(&self.context.ids.tag())
                    .header(&Require(vec![reliable::OPTION.into()]))
                    .build();
                self.refuse(now, server, refusal);
            }
            (None, _) if *request.method() == Method::INVITE => {
                if self.calls.len() >= self.context.config.limits.calls {
                    return self.refuse_with(now, server, &request, StatusCode::SERVICE_UNAVAILABLE);
                }
                if let Err(why) = self.may_come_in(now, &flow) {
                    return self.turn_away(now, server, flow, &request, why);
                }
                if let Some(mut refusal) = too_short(&self.context.config.session_timer, &request) {
                    tag_response(&mut refusal, &self.context.ids.tag());
                    return self.refuse(now, server, refusal);
                }
                let relation = match self.relation(&request) {
                    Ok(relation) => relation,
                    Err(status) => return self.refuse_with(now, server, &request, status),
                };
                let id = DialogId(self.next_id());
                let arrival = Arrival { server, flow, offer, relation };
                self.context.open_session(id, request.headers());
                self.context.note_session_id(request.headers(), Peer::From);
                match InviteUsage::incoming(&mut self.context, now, id, arrival, request.clone()) {
                    Ok(usage) => {
                        self.admission.began(&self.context.config.policy, flow.remote.ip(), id);
                        self.calls.insert(id, Box::new(usage));
                        user.map(|user| self.authenticated.insert(id, user));
                        self.touch_call(id);
                    }
                    Err(_) => {
                        self.context.session_ids.detach(id);
                        self.refuse_with(now, server, &request, StatusCode::BAD_REQUEST);
                    }
                }
            }
            (None, _)
                if matches!(
                    *request.method(),
                    Method::BYE | Method::INFO | Method::UPDATE | Method::PRACK
                ) =>
            {
                self.refuse_with(now, server, &request, StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST);
            }
            (_, _) if *request.method() == Method::OPTIONS => {
                let status = match in_call {
                    // RFC 3261 §11: in a dialog it is always 200.
                    Some(_) => StatusCode::OK,
                    None if self.calls.len() >= self.context.config.limits.calls => {
                        StatusCode::SERVICE_UNAVAILABLE
                    }
                    None => self.options_status,
                };
                let mut response = Response::answer(&request, status)
                    .to_tag(&self.context.ids.tag())
                    .header(&offer_answer::accept())
                    .header(&AcceptEncoding::new("identity"))
                    .build();
                self.context.sign_response(&mut response, true);
                self.context.respond(now, server, response);
            }
            (_, _) if self.incoming.len() >= self.context.config.limits.requests => {
                self.refuse_with(now, server, &request, StatusCode::SERVICE_UNAVAILABLE);
            }
            (_, _) => {
                let id = IncomingRequestId(self.next_id());
                let answer_by = now + ANSWER_WITHIN;
                self.schedule.insert((answer_by, Timed::Incoming(id)));
                self.incoming.insert(id, Incoming { server, request: request.clone(), answer_by });
                self.context.tell(Event::OutOfDialog { id, dialog: in_call, flow, request });
            }
        }
    }

    /// Answers a call that the policy refuses, and says so, but not for each call of a flood.
    fn turn_away(&mut self, now: Instant, server: ServerId, flow: Flow, request: &Request, why: Violation) {
        tracing::debug!(%flow.remote, %why, "a call is turned away");
        self.refuse_with(now, server, request, why.status());
        if let Some(more) = self.admission.may_report(now) {
            self.context.tell(Event::TurnedAway { flow, why, more });
        }
    }

    fn refuse_with(&mut self, now: Instant, server: ServerId, request: &Request, status: StatusCode) {
        let tag = self.context.ids.tag();
        self.refuse(now, server, Response::answer(request, status).to_tag(&tag).build());
    }

    fn refuse(&mut self, now: Instant, server: ServerId, mut response: Response) {
        self.context.sign_response(&mut response, false);
        self.context.respond(now, server, response);
    }

    fn answer_incoming(&mut self, now: Instant, id: IncomingRequestId, response: Response) {
        if let Some(waiting) = self.incoming.remove(&id) {
            self.schedule.remove(&(waiting.answer_by, Timed::Incoming(id)));
            self.context.respond(now, waiting.server, response);
        }
    }

    fn answer_late(&mut self, now: Instant, id: IncomingRequestId) {
        let Some(waiting) = self.incoming.remove(&id) else { return };
        let status = StatusCode::TEMPORARILY_UNAVAILABLE;
        self.refuse_with(now, waiting.server, &waiting.request, status);
    }
}

/// A refusal that is no dialog's still needs a To tag ([RFC 3261 §8.2.6.2]).
///
/// [RFC 3261 §8.2.6.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.6.2
fn tag_response(response: &mut Response, tag: &Text) {
    if let Ok(to) = response.headers().require::<To>()
        && to.tag().is_none()
    {
        response.headers_mut().replace(&to.with_tag(tag.clone()));
    }
}

/// Moves somebody on the clock.
fn reschedule(
    schedule: &mut BTreeSet<(Instant, Timed)>,
    who: Timed,
    scheduled: &mut Option<Instant>,
    next: Option<Instant>,
) {
    if *scheduled == next {
        return;
    }
    if let Some(at) = scheduled.take() {
        schedule.remove(&(at, who));
    }
    if let Some(at) = next {
        schedule.insert((at, who));
        *scheduled = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use sip_msg::{Accept, Allow, NameAddr, Uri};

    use super::*;
    use crate::auth::Credentials;
    use crate::scripted::{Plan, Scripted, answer};

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    // rfc: 3261 §11.2 — OPTIONS is answered with Allow, Accept and Supported
    #[test]
    fn options_are_answered_by_the_agent_itself() {
        let mut lab = Scripted::new();
        let request = lab.peer_request(Method::OPTIONS, 1, None);
        lab.receive(request);
        let response = lab.sent_response(StatusCode::OK);
        let allowed = response.headers().require::<Allow>().unwrap();
        assert!(allowed.contains(&Method::INVITE) && !allowed.contains(&Method::MESSAGE));
        assert!(response.headers().require::<Accept>().unwrap().accepts("application/sdp"));
        assert!(response.headers().contains(HeaderName::SUPPORTED));
        assert!(response.headers().require::<To>().unwrap().tag().is_some());
        assert!(lab.event().is_none());
        lab.ends_idle();
    }

    // rfc: 3261 §11 — in a dialog OPTIONS is answered with 200, whether there is room for another call or not
    #[test]
    fn options_in_a_call_are_no_question_of_room() {
        let mut lab = Scripted::new();
        lab.agent.context.config.limits.calls = 1;
        lab.agent.answer_options(StatusCode::BUSY_HERE).unwrap();
        let (_, accepted) = lab.called_up(Plan::default());
        let asked = lab.peer_request(Method::OPTIONS, 11, Some(&accepted.into()));
        lab.receive(asked);
        lab.sent_response(StatusCode::OK);
        let elsewhere = lab.peer_request(Method::OPTIONS, 1, None);
        lab.receive(elsewhere);
        lab.sent_response(StatusCode::SERVICE_UNAVAILABLE);
    }

    // rfc: 3261 §8.2.1 — an unsupported method: 405 with Allow
    #[test]
    fn an_unknown_method_gets_405() {
        let mut lab = Scripted::new();
        for method in ["REGISTER", "MESSAGE", "FROBNICATE"] {
            let request = lab.peer_request(method.parse().unwrap(), 1, None);
            lab.receive(request);
            let refusal = lab.sent_response(StatusCode::METHOD_NOT_ALLOWED);
            assert!(!refusal.headers().require::<Allow>().unwrap().contains(&method.parse().unwrap()));
        }
    }

    // rfc: 3261 §8.2.2.1 — another URI scheme: 416
    #[test]
    fn an_unknown_uri_scheme_gets_416() {
        let mut lab = Scripted::new();
        let mut request = lab.peer_request(Method::INVITE, 1, None);
        request.set_uri(&uri("tel:+15551234"));
        lab.receive(request);
        lab.sent_response(StatusCode::UNSUPPORTED_URI_SCHEME);
    }

    // rfc: 3261 §8.2.3 — a body that we do not read: 415 with Accept, unless it is optional
    #[test]
    fn an_unknown_body_gets_415_unless_it_is_optional() {
        let mut lab = Scripted::new();
        let mut request = lab.peer_request(Method::INVITE, 1, None);
        request.set_body("application/isup", "x");
        lab.receive(request);
        let refusal = lab.sent_response(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(refusal.headers().require::<Accept>().unwrap().accepts("application/sdp"));
        assert_eq!(refusal.headers().raw(HeaderName::ACCEPT_ENCODING), Some(&b"identity"[..]));
        let mut request = lab.peer_request(Method::INVITE, 2, None);
        request.set_body("application/isup", "x");
        request.headers_mut().push_raw(HeaderName::CONTENT_DISPOSITION, "signal;Handling=optional").unwrap();
        lab.receive(request);
        assert!(matches!(lab.event(), Some(Event::Incoming { .. })));
        let mut request = lab.peer_request(Method::INVITE, 3, None);
        request.set_body("application/sdp", "this is none");
        lab.receive(request);
        lab.sent_response(StatusCode::BAD_REQUEST);
    }

    // rfc: 3428 §7 — a MESSAGE outside of a dialog is the application's to answer
    #[test]
    fn a_message_waits_for_the_application() {
        let mut lab = Scripted::new();
        let request = lab.peer_request(Method::OPTIONS, 1, None);
        lab.agent.context.config = lab.agent.context.config.clone().takes([Method::MESSAGE, Method::INVITE]);
        lab.receive(request);
        let allowed = lab.sent_response(StatusCode::OK).headers().require::<Allow>().unwrap();
        assert_eq!(
            allowed.0.iter().filter(|method| [Method::MESSAGE, Method::INVITE].contains(method)).count(),
            2
        );
        let mut request = lab.peer_request(Method::MESSAGE, 1, None);
        request.set_body("text/plain", "hello");
        lab.receive(request);
        let Some(Event::OutOfDialog { id, request, .. }) = lab.event() else { panic!("a message") };
        assert_eq!(&request.body()[..], b"hello");
        assert!(matches!(lab.agent.respond(lab.now, id, StatusCode::TRYING), Err(CommandError::Misuse(_))));
        lab.agent.respond(lab.now, id, StatusCode::ACCEPTED).unwrap();
        lab.sent_response(StatusCode::ACCEPTED);
        assert_eq!(lab.agent.respond(lab.now, id, StatusCode::OK), Err(CommandError::Unknown));
        lab.ends_idle();
    }

    // rfc: 4320 §4.2 — a request that the application forgets is answered while the answer is still of use, and not 408
    #[test]
    fn a_message_that_nobody_answers_is_answered_in_time() {
        let mut lab = Scripted::new();
        lab.agent.context.config.takes.push(Method::MESSAGE);
        let request = lab.peer_request(Method::MESSAGE, 1, None);
        lab.receive(request);
        lab.event();
        lab.advance(ANSWER_WITHIN);
        lab.sent_response(StatusCode::TRYING);
        lab.sent_response(StatusCode::TEMPORARILY_UNAVAILABLE);
        lab.ends_idle();
    }

    // rfc: 3261 §8.1.3 — a request of ours brings one outcome: a final response, or how it ended without
    #[test]
    fn our_requests_bring_one_outcome_each() {
        let mut lab = Scripted::new();
        let from = || NameAddr::new(uri("sip:alice@example.com"));
        let target = || uri("sip:bob@192.0.2.2:5060");
        let asked = OutOfDialog::new(Method::MESSAGE, from(), target()).body("text/plain", "hello");
        let asked = asked.credentials(Credentials::new("alice", "secret"));
        let id = lab.agent.request(lab.now, asked).unwrap();
        let sent = lab.sent_request(&Method::MESSAGE);
        assert!(!sent.headers().contains(HeaderName::CONTACT));
        let mut challenge = answer(&sent, 401, "bob");
        challenge
            .headers_mut()
            .push_raw(HeaderName::WWW_AUTHENTICATE, "Digest realm=\"r\", nonce=\"n\"")
            .unwrap();
        lab.receive(challenge);
        let again = lab.sent_request(&Method::MESSAGE);
        assert!(again.headers().contains(HeaderName::AUTHORIZATION));
        assert_eq!(again.body(), sent.body());
        lab.answer(&again, 202, "bob");
        let Some(Event::Response { id: got, result: Ok(response) }) = lab.event() else {
            panic!("an outcome")
        };
        assert_eq!((got, response.status()), (id, StatusCode::ACCEPTED));

        let id = lab.agent.request(lab.now, OutOfDialog::new(Method::OPTIONS, from(), target())).unwrap();
        lab.advance(Duration::from_secs(33));
        let Some(Event::Response { id: got, result: Err(Ending::TimedOut) }) = lab.event() else {
            panic!("an outcome")
        };
        assert_eq!(got, id);
        let asked = OutOfDialog::new(Method::BYE, from(), target());
        assert!(matches!(lab.agent.request(lab.now, asked), Err(CommandError::Misuse(_))));
        lab.ends_idle();
    }

    #[test]
    fn headers_of_the_application_cannot_forge_others() {
        let mut lab = Scripted::new();
        let name = HeaderName::SUBJECT;
        let asked = crate::scripted::invite().header(name, "x\r\nX-Forged: yes");
        let error = lab.agent.invite(lab.now, asked, Box::new(Plan::default())).unwrap_err();
        assert!(matches!(error, CommandError::Header(_)));
        lab.sent_nothing();
        assert!(lab.agent.is_idle());
    }

    #[test]
    fn calls_beyond_the_limit_are_refused() {
        let mut lab = Scripted::new();
        lab.agent.context.config.limits.calls = 1;
        lab.called();
        let mut request = lab.peer_request(Method::INVITE, 10, None);
        request.headers_mut().replace(&sip_msg::CallId("another".into()));
        lab.receive(request);
        lab.sent_response(StatusCode::SERVICE_UNAVAILABLE);
        let error =
            lab.agent.invite(lab.now, crate::scripted::invite(), Box::new(Plan::default())).unwrap_err();
        assert_eq!(error, CommandError::Limit("calls"));
    }

    #[test]
    fn what_is_over_is_unknown() {
        let mut lab = Scripted::new();
        let (id, _) = lab.called();
        lab.agent.reject(lab.now, id, StatusCode::BUSY_HERE).unwrap();
        assert_eq!(lab.agent.hang_up(lab.now, id), Err(CommandError::Unknown));
        assert_eq!(lab.agent.unregister(lab.now, RegistrationId(99)), Err(CommandError::Unknown));
    }
}
