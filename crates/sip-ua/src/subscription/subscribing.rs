//! A subscription of ours in dialogs of its own, SUBSCRIBE or REFER: asked for, confirmed, refreshed, ended, asked for anew
//! ([RFC 6665 §4.1]).
//!
//! ```text
//!  subscribe() -> asked --NOTIFY--> stands --0.9 of the time--> refreshing (stands on)
//!                   |                  | terminated, expired, Timer N
//!                   | refused          v
//!                   +-----------> waiting to ask anew, or ended
//! ```
//!
//! A dialog is made by the NOTIFY ([RFC 6665 §4.4.1]), so that each place which a proxy forked to has one; only the first
//! is taken unless [`Subscribe::forks`] says otherwise.
//!
//! [RFC 6665 §4.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1
//! [RFC 6665 §4.4.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.4.1

use std::time::{Duration, Instant};

use sip_msg::{
    Accept, AllowEvents, CSeq, CallId, Contact, Event as EventHeader, Expires, From, HeaderName, Method,
    MinExpires, NameAddr, Request, Response, RetryAfter, StatusCode, Text, Uri,
};
use sip_txn::{ClientId, Ending, ServerId};

use super::subscriber::Standing;
use super::{Retry, Subscriber, Termination, ends_subscription};
use crate::auth::{Attempt, Authenticator};
use crate::command::OutOfDialog;
use crate::context::{self, Context, Owner, SubscriptionKey};
use crate::dialog::{Dialog, DialogKey};
use crate::error::CommandError;
use crate::event::{Event, SubscriptionId};
use crate::refer::{self, PACKAGE, TransferError};
use crate::request;

/// The first wait before an automatic further try; each one is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait that we choose ourselves.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The longest wait that a notifier may ask for.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// A subscription to ask for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscribe {
    /// Who asks whom, with which account, credentials, proxies, headers and body.
    pub request: OutOfDialog,
    /// The event package: `message-summary`, `dialog`, `presence`, `reg` …
    pub package: Text,
    /// Which of several subscriptions to the same package in one dialog: the Event header's `id`.
    pub event_id: Option<Text>,
    /// The media types that are understood; the package's own unless set.
    pub accept: Vec<Text>,
    /// The time to ask for, in whole seconds; 3,600 s. Zero asks for the state of now, once.
    pub expires: Duration,
    /// Take every place that answers, when a proxy forked the request; only the first unless set.
    pub forks: bool,
    /// Subscribe anew where the end of a subscription allows it; the default.
    pub retry: bool,
}

impl Subscribe {
    /// A subscription to a package at a target.
    #[must_use]
    pub fn new(from: NameAddr, target: Uri, package: impl Into<Text>) -> Self {
        Self {
            request: OutOfDialog::new(Method::SUBSCRIBE, from, target),
            package: package.into(),
            event_id: None,
            accept: Vec::new(),
            expires: Duration::from_secs(3600),
            forks: false,
            retry: true,
        }
    }

    /// Changes the request: account, credentials, proxies, headers, body.
    #[must_use]
    pub fn request(mut self, change: impl FnOnce(OutOfDialog) -> OutOfDialog) -> Self {
        self.request = change(self.request);
        self
    }

    /// One more media type that is understood.
    #[must_use]
    pub fn accept(mut self, media_type: impl Into<Text>) -> Self {
        self.accept.push(media_type.into());
        self
    }

    /// Which of several subscriptions.
    #[must_use]
    pub fn event_id(mut self, id: impl Into<Text>) -> Self {
        self.event_id = Some(id.into());
        self
    }

    /// The time to ask for.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// Take every place that answers.
    #[must_use]
    pub fn forks(mut self) -> Self {
        self.forks = true;
        self
    }

    /// Ask once, and never again by itself.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.retry = false;
        self
    }

    /// The headers that a SUBSCRIBE of this subscription has, the first one and each refresh.
    fn dress(&self, request: &mut Request, expires: u32) {
        let mut event = EventHeader::new(self.package.clone());
        if let Some(id) = &self.event_id {
            event.params.set("id", id.clone());
        }
        let headers = request.headers_mut();
        headers.push(&event);
        for media_type in &self.accept {
            // Agent::subscribe has tried this.
            let _ = headers.push_raw(HeaderName::ACCEPT, media_type.as_bytes());
        }
        headers.push(&Expires(expires));
    }
}

/// Why a subscription is over.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// The notifier ended it.
    #[error("the notifier ended it: {0:?}")]
    Terminated(Termination),
    /// The notifier does not do it (any more).
    #[error("refused: {} {reason}", status.code())]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// The reason phrase.
        reason: Text,
    },
    /// Nobody answered.
    #[error("no answer: {0}")]
    NoAnswer(Text),
    /// It was accepted, and no NOTIFY came (any more).
    #[error("no NOTIFY came")]
    Silent,
}

/// What is subscribed to.
#[derive(Debug)]
pub(crate) enum Kind {
    Package(Box<Subscribe>),
    /// The progress of what a REFER asks for; whoever reports first counts.
    Refer,
}

/// One subscription of ours.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: SubscriptionId,
    kind: Kind,
    /// The request as it was before credentials, and who it is sent for.
    envelope: OutOfDialog,
    request: Request,
    pub(crate) auth: Authenticator,
    attempt: Attempt,
    key: SubscriptionKey,
    client: Option<ClientId>,
    /// The time to ask for, in seconds; a 423 raises it, once.
    expires: u32,
    brief: bool,
    /// Timer N: new dialogs are taken until then, and one must come ([RFC 6665 §4.1.2.4]).
    ///
    /// [RFC 6665 §4.1.2.4]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.4
    window: Instant,
    legs: Vec<Leg>,
    retry_at: Option<Instant>,
    failures: u32,
    unsubscribe: bool,
    over: bool,
    /// What a REFER's notifier reported last.
    last: Option<StatusCode>,
    pub(crate) scheduled: Option<Instant>,
}

/// One notifier.
#[derive(Debug)]
struct Leg {
    dialog: Dialog,
    subscriber: Subscriber,
    refresh_at: Option<Instant>,
    /// A NOTIFY must follow a refresh by then.
    confirm_by: Option<Instant>,
    under_way: Option<Refreshing>,
    leaving: bool,
}

#[derive(Debug)]
struct Refreshing {
    client: ClientId,
    request: Request,
    attempt: Attempt,
}

impl Subscription {
    /// Sends the first SUBSCRIBE or REFER.
    pub(crate) fn start(
        context: &mut Context,
        now: Instant,
        id: SubscriptionId,
        kind: Kind,
        envelope: OutOfDialog,
    ) -> Result<Self, CommandError> {
        let expires = match &kind {
            Kind::Package(asked) => {
                let mut trial = sip_msg::Headers::new();
                asked
                    .accept
                    .iter()
                    .try_for_each(|kind| trial.push_raw(HeaderName::ACCEPT, kind.as_bytes()))?;
                trial.get::<Accept>()?;
                u32::try_from(asked.expires.as_secs()).unwrap_or(u32::MAX)
            }
            Kind::Refer => 0,
        };
        let request = compose(context, &kind, &envelope, expires)?;
        let mut subscription = Self {
            id,
            kind,
            auth: Authenticator::new(envelope.credentials.clone()),
            envelope,
            key: key_of(&request),
            request,
            attempt: Attempt::default(),
            client: None,
            expires,
            brief: false,
            window: now,
            legs: Vec::new(),
            retry_at: None,
            failures: 0,
            unsubscribe: false,
            over: false,
            last: None,
            scheduled: None,
        };
        subscription.send(context, now)?;
        Ok(subscription)
    }

    /// Sends the request that is to make the subscription.
    fn send(&mut self, context: &mut Context, now: Instant) -> Result<(), CommandError> {
        let mut request = self.request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        self.client = Some(context.send(now, request, Owner::Subscription(self.id))?);
        context.subscriptions.insert(self.key.clone(), Owner::Subscription(self.id));
        self.window = now + patience(context);
        Ok(())
    }

    /// Ends it: with a SUBSCRIBE in each dialog, or in silence when there is none yet.
    pub(crate) fn unsubscribe(&mut self, context: &mut Context, now: Instant) {
        self.unsubscribe = true;
        for at in (0..self.legs.len()).rev() {
            self.leave(context, now, at);
        }
        if self.legs.is_empty() && self.client.is_none() {
            self.over = true;
        }
    }

    fn leave(&mut self, context: &mut Context, now: Instant, at: usize) {
        let refers = matches!(self.kind, Kind::Refer);
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.leaving = true;
        if refers || self.refresh(context, now, at, Attempt::default()).is_err() {
            self.legs.remove(at);
            self.over = self.legs.is_empty();
        }
    }

    /// Sends a SUBSCRIBE in a notifier's dialog.
    fn refresh(
        &mut self,
        context: &mut Context,
        now: Instant,
        at: usize,
        attempt: Attempt,
    ) -> Result<(), CommandError> {
        let Kind::Package(asked) = &self.kind else { return Ok(()) };
        let Some(leg) = self.legs.get_mut(at) else { return Ok(()) };
        let mut request = leg.dialog.request(Method::SUBSCRIBE);
        request.headers_mut().push(&leg.dialog.contact_header());
        context.introduce(&mut request);
        asked.dress(&mut request, if leg.leaving { 0 } else { self.expires });
        let kept = request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        let client = context.send_in(now, &leg.dialog, request, Owner::Subscription(self.id))?;
        leg.under_way = Some(Refreshing { client, request: kept, attempt });
        leg.refresh_at = None;
        leg.confirm_by = Some(now + patience(context));
        Ok(())
    }

    pub(crate) fn handle_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        response: Response,
    ) {
        if response.status().is_provisional() {
            return;
        }
        if self.client == Some(client) {
            self.client = None;
            self.answered(context, now, &response);
        } else {
            self.refreshed(context, now, client, &Ok(response));
        }
    }

    pub(crate) fn handle_client_ended(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        ending: Ending,
    ) {
        if self.client == Some(client) {
            self.client = None;
            // A NOTIFY may have confirmed it though the answer is lost.
            if self.legs.is_empty() {
                self.failed(context, now, SubscriptionEnd::NoAnswer(context::explain(&ending)), true, None);
            }
        } else {
            self.refreshed(context, now, client, &Err(ending));
        }
    }

    /// The final answer to the request that was to make it.
    fn answered(&mut self, context: &mut Context, now: Instant, response: &Response) {
        let status = response.status();
        if status.is_success() {
            self.auth.succeeded(context, response);
            if matches!(self.kind, Kind::Refer) && !refer::wants_reports(response.headers()) {
                self.referred(context, Ok(status));
            }
            return;
        }
        if is_challenge(status) && self.auth.challenged(context, response, &mut self.attempt).is_ok() {
            return self.send_again(context, now);
        }
        if let Some(least) = brief(response).filter(|least| !self.brief && *least > self.expires) {
            (self.expires, self.brief) = (least, true);
            self.request.headers_mut().replace(&Expires(least));
            return self.send_again(context, now);
        }
        let asked = response.headers().get::<RetryAfter>().ok().flatten();
        let asked = asked.map(|retry| Duration::from_secs(retry.seconds.into()));
        let may_pass = asked.is_some()
            || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE);
        let end = SubscriptionEnd::Refused { status, reason: response.reason().detach() };
        self.failed(context, now, end, may_pass, asked);
    }

    fn send_again(&mut self, context: &mut Context, now: Instant) {
        let number = refer::number(&self.request).saturating_add(1);
        let method = self.request.method().clone();
        self.request.headers_mut().replace(&CSeq { number, method });
        if let Err(error) = self.send(context, now) {
            self.failed(context, now, SubscriptionEnd::NoAnswer(error.to_string().into()), true, None);
        }
    }

    /// The answer to a SUBSCRIBE in a notifier's dialog ([RFC 6665 §4.1.2.2]).
    ///
    /// [RFC 6665 §4.1.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
    fn refreshed(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        result: &Result<Response, Ending>,
    ) {
        let ours = |leg: &Leg| leg.under_way.as_ref().is_some_and(|sent| sent.client == client);
        let Some(at) = self.legs.iter().position(ours) else { return };
        let Some(leg) = self.legs.get_mut(at) else { return };
        let Some(Refreshing { mut request, mut attempt, .. }) = leg.under_way.take() else { return };
        let Ok(response) = result else { return leg.try_later(now) };
        let status = response.status();
        if status.is_success() {
            self.auth.succeeded(context, response);
            self.failures = 0;
            if status.code() == 204 {
                leg.confirm_by = None;
            }
            let granted = response.headers().get::<Expires>().ok().flatten();
            if let Some(Expires(seconds)) = granted.filter(|_| !leg.leaving) {
                leg.granted(now, Duration::from_secs(seconds.min(self.expires).into()));
            }
            return;
        }
        if is_challenge(status) && self.auth.challenged(context, response, &mut attempt).is_ok() {
            leg.dialog.renumber(&mut request);
            let kept = request.clone();
            self.auth.authorize(&mut context.ids, &mut request);
            if let Ok(client) = context.send_in(now, &leg.dialog, request, Owner::Subscription(self.id)) {
                leg.under_way = Some(Refreshing { client, request: kept, attempt });
                return;
            }
        }
        if let Some(least) = brief(response).filter(|least| *least > self.expires && !leg.leaving) {
            self.expires = least;
            if self.refresh(context, now, at, attempt).is_ok() {
                return;
            }
        }
        let Some(leg) = self.legs.get_mut(at) else { return };
        if ends_subscription(status) || leg.leaving {
            let end = SubscriptionEnd::Refused { status, reason: response.reason().detach() };
            self.drop_leg(context, now, at, end, true, None);
        } else {
            leg.try_later(now);
        }
    }

    /// A NOTIFY with our tag.
    pub(crate) fn notified(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        request: &Request,
    ) {
        match self.take(context, now, key, request) {
            Ok((at, standing)) => {
                let mut response = Response::answer(request, StatusCode::OK).build();
                context.sign_response(&mut response, false);
                context.respond(now, server, response);
                self.heard(context, now, at, standing, request);
            }
            Err(status) => {
                let mut refusal = Response::answer(request, status).build();
                if status == StatusCode::BAD_EVENT {
                    refusal.headers_mut().push(&AllowEvents(vec![self.package().clone()]));
                }
                context.sign_response(&mut refusal, false);
                context.respond(now, server, refusal);
            }
        }
    }

    fn package(&self) -> Text {
        match &self.kind {
            Kind::Package(asked) => asked.package.clone(),
            Kind::Refer => PACKAGE.into(),
        }
    }

    /// Finds or makes the dialog of a NOTIFY, and what it says of the subscription.
    fn take(
        &mut self,
        context: &Context,
        now: Instant,
        key: &DialogKey,
        request: &Request,
    ) -> Result<(usize, Standing), StatusCode> {
        let none = StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST;
        let headers = request.headers();
        let event = headers.require::<EventHeader>().map_err(|_| StatusCode::BAD_EVENT)?;
        if event.package != *self.package() {
            return Err(StatusCode::BAD_EVENT);
        }
        if matches!(self.kind, Kind::Refer) {
            refer::read_report(request)?;
        }
        let known = self.legs.iter().position(|leg| leg.dialog.remote_tag() == &*key.remote_tag);
        if let Some((at, leg)) = known.and_then(|at| Some((at, self.legs.get_mut(at)?))) {
            if !leg.dialog.receive(refer::number(request)) {
                return Err(StatusCode::SERVER_INTERNAL_ERROR);
            }
            if !leg.subscriber.matches(&event) {
                return Err(none);
            }
            return Ok((at, leg.subscriber.notified(now, headers)?));
        }
        let room = match &self.kind {
            Kind::Package(asked) if asked.forks => context.config.limits.forks,
            Kind::Package(_) | Kind::Refer => 1,
        };
        if self.over || self.retry_at.is_some() || self.legs.len() >= room || now > self.window {
            return Err(none);
        }
        let (id, lenient) = match &self.kind {
            Kind::Package(asked) => (asked.event_id.clone(), false),
            Kind::Refer => (None, true),
        };
        let mut subscriber = Subscriber::new(now, patience(context), self.package(), id, lenient);
        if !subscriber.matches(&event) {
            return Err(none);
        }
        let standing = subscriber.notified(now, headers)?;
        let contact = self.request.headers().get::<Contact>().ok().flatten();
        let contact = contact.and_then(|contact| contact.uri().map(Uri::detach)).ok_or(none)?;
        let dialog = Dialog::of_notify(request, &key.local_tag, contact, refer::number(&self.request));
        let dialog = dialog.map_err(|_| StatusCode::BAD_REQUEST)?;
        self.legs.push(Leg {
            dialog,
            subscriber,
            refresh_at: None,
            confirm_by: None,
            under_way: None,
            leaving: false,
        });
        Ok((self.legs.len() - 1, standing))
    }

    /// What a NOTIFY means, now that it is answered.
    fn heard(
        &mut self,
        context: &mut Context,
        now: Instant,
        at: usize,
        standing: Standing,
        request: &Request,
    ) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.dialog.refresh_target(request.headers());
        leg.confirm_by = None;
        if matches!(self.kind, Kind::Refer) {
            return self.reported(context, request, matches!(standing, Standing::Terminated(_)));
        }
        let notifier = leg.dialog.remote_tag().into();
        context.tell(Event::Notified { id: self.id, notifier, request: request.clone() });
        match standing {
            Standing::Terminated(why) => {
                let retry = why.retry();
                let wait = match retry {
                    Retry::After(wait) => wait,
                    Retry::Never => Duration::ZERO,
                };
                let end = SubscriptionEnd::Terminated(why);
                self.drop_leg(context, now, at, end, retry != Retry::Never, Some(wait));
            }
            Standing::Pending(left) | Standing::Active(left) => {
                leg.granted(now, left);
                if self.unsubscribe && !leg.leaving {
                    self.leave(context, now, at);
                }
            }
        }
    }

    /// A report on what our REFER asked for.
    fn reported(&mut self, context: &mut Context, request: &Request, over: bool) {
        match refer::read_report(request) {
            Ok(Some((status, _))) if status.is_success() => self.referred(context, Ok(status)),
            Ok(Some((status, reason))) if !status.is_provisional() => {
                self.referred(context, Err(TransferError::Failed { status, reason }));
            }
            Ok(Some((status, _))) if self.last != Some(status) => {
                self.last = Some(status);
                context.tell(Event::ReferProgress { id: self.id, status });
            }
            Ok(_) | Err(_) => {}
        }
        if over && !self.over {
            self.referred(context, Err(TransferError::NotReported));
        }
    }

    fn referred(&mut self, context: &mut Context, result: Result<StatusCode, TransferError>) {
        self.legs.clear();
        self.over = true;
        context.tell(Event::Referred { id: self.id, result });
    }

    /// A notifier is gone; with the last one the subscription is.
    fn drop_leg(
        &mut self,
        context: &mut Context,
        now: Instant,
        at: usize,
        end: SubscriptionEnd,
        again: bool,
        wait: Option<Duration>,
    ) {
        self.legs.remove(at);
        if self.legs.is_empty() {
            self.failed(context, now, end, again, wait);
        }
    }

    /// It does not stand, or not any more: says so, and asks anew where that makes sense.
    fn failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        end: SubscriptionEnd,
        again: bool,
        wait: Option<Duration>,
    ) {
        let asked = match &self.kind {
            Kind::Package(asked) => asked,
            Kind::Refer => {
                return self.referred(
                    context,
                    Err(match end {
                        SubscriptionEnd::Refused { status, reason } => {
                            TransferError::Refused { status, reason }
                        }
                        SubscriptionEnd::NoAnswer(why) => TransferError::NoAnswer(why),
                        SubscriptionEnd::Terminated(_) | SubscriptionEnd::Silent => {
                            TransferError::NotReported
                        }
                    }),
                );
            }
        };
        let again = again && asked.retry && !self.unsubscribe && !asked.expires.is_zero();
        let back_off = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(6)).min(MAX_BACK_OFF);
        // RFC 6665 §4.1.3 says "immediately" of some; the second time in a row that would be a storm.
        let least = if self.failures == 0 && wait.is_some() { Duration::ZERO } else { back_off };
        let wait = wait.unwrap_or_default().max(least).min(MAX_WAIT);
        self.failures = self.failures.saturating_add(1);
        context.subscriptions.remove(&self.key);
        self.over = !again;
        self.retry_at = again.then(|| now + wait);
        let will_retry_in = again.then_some(wait);
        context.tell(Event::SubscriptionEnded { id: self.id, why: end, will_retry_in });
    }

    /// Asks anew: a new Call-ID and tag ([RFC 6665 §4.1.2.2]).
    ///
    /// [RFC 6665 §4.1.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.2.2
    fn start_anew(&mut self, context: &mut Context, now: Instant) {
        self.retry_at = None;
        (self.attempt, self.brief) = (Attempt::default(), false);
        let made = compose(context, &self.kind, &self.envelope, self.expires);
        let sent = made.and_then(|request| {
            self.key = key_of(&request);
            self.request = request;
            self.send(context, now)
        });
        if let Err(error) = sent {
            self.failed(context, now, SubscriptionEnd::NoAnswer(error.to_string().into()), true, None);
        }
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        if self.retry_at.is_some_and(|at| at <= now) {
            return self.start_anew(context, now);
        }
        for at in (0..self.legs.len()).rev() {
            let Some(leg) = self.legs.get(at) else { continue };
            let silent = leg.confirm_by.is_some_and(|at| at <= now) || leg.subscriber.ends_at() <= now;
            if silent {
                self.drop_leg(context, now, at, SubscriptionEnd::Silent, true, None);
            } else if leg.refresh_at.is_some_and(|at| at <= now)
                && self.refresh(context, now, at, Attempt::default()).is_err()
                && let Some(leg) = self.legs.get_mut(at)
            {
                leg.try_later(now);
            }
        }
        if self.waits_for_the_first() && self.window <= now {
            self.client = None;
            self.failed(context, now, SubscriptionEnd::Silent, true, None);
        }
    }

    /// Whether no notifier has been heard of yet.
    fn waits_for_the_first(&self) -> bool {
        self.legs.is_empty() && !self.over && self.retry_at.is_none()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.waits_for_the_first().then_some(self.window);
        let legs = self.legs.iter().flat_map(|leg| {
            [leg.refresh_at, leg.confirm_by, Some(leg.subscriber.ends_at())].into_iter().flatten()
        });
        legs.chain(first).chain(self.retry_at).min()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.over
    }

    pub(crate) fn forget(&self, context: &mut Context) {
        context.subscriptions.remove(&self.key);
    }
}

impl Leg {
    /// Time was granted: the refresh is due when nine tenths of it are over.
    fn granted(&mut self, now: Instant, time: Duration) {
        self.subscriber.granted(now, time);
        if !self.leaving && self.under_way.is_none() {
            self.refresh_at = Some(now + (time * 9 / 10).max(Duration::from_secs(1)));
        }
    }

    /// A refresh failed that may succeed later: halfway to the end, which stays where it was.
    fn try_later(&mut self, now: Instant) {
        let left = self.subscriber.ends_at().saturating_duration_since(now);
        self.refresh_at = Some(now + (left / 2).max(Duration::from_secs(1)));
        self.confirm_by = None;
    }
}

/// The request that makes the subscription, complete but for credentials.
fn compose(
    context: &mut Context,
    kind: &Kind,
    envelope: &OutOfDialog,
    expires: u32,
) -> Result<Request, CommandError> {
    let mut request = request::compose(context, envelope)?;
    if let Kind::Package(asked) = kind {
        asked.dress(&mut request, expires);
    }
    Ok(request)
}

fn key_of(request: &Request) -> SubscriptionKey {
    let headers = request.headers();
    let from = headers.get::<From>().ok().flatten();
    SubscriptionKey {
        call_id: headers.get::<CallId>().ok().flatten().map(|CallId(id)| id.detach()).unwrap_or_default(),
        local_tag: from.and_then(|from| from.tag().map(Text::from)).unwrap_or_default(),
    }
}

/// What a 423 asks for at least.
fn brief(response: &Response) -> Option<u32> {
    let status = response.status() == StatusCode::INTERVAL_TOO_BRIEF;
    response.headers().get::<MinExpires>().ok().flatten().filter(|_| status).map(|MinExpires(least)| least)
}

fn is_challenge(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

/// 64·T1.
fn patience(context: &Context) -> Duration {
    64 * context.config.transactions.timing.t1
}
