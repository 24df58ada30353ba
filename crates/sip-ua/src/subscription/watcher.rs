//! A subscription of somebody to us, in a dialog of its own ([RFC 6665 §4.2]).
//!
//! ```text
//!  SUBSCRIBE -> Asked --notify(): 200, NOTIFY active-------------+--> Standing --expiry, Expires: 0, end--> gone
//!                 | |--1 s without a word: 200, NOTIFY pending --+
//!                 v
//!               refused
//! ```
//!
//! [RFC 6665 §4.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2

use std::time::{Duration, Instant};

use sip_msg::{
    Accept, Event as EventHeader, Expires, Headers, Method, MinExpires, Request, Response, StatusCode, Text,
};
use sip_txn::{ClientId, Ending, ServerId};

use super::notifier::Body;
use super::{Notifier, Termination};
use crate::auth::{Attempt, Authenticator};
use crate::context::{Context, Owner};
use crate::dialog::{Dialog, DialogKey};
use crate::event::SubscriptionId;
use crate::refer::{self, Sent};

/// How long the application may take before the subscription is accepted as pending: nobody is asked for that
/// ([RFC 6665 §4.2.1.1]).
///
/// [RFC 6665 §4.2.1.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.1.1
const DECIDE_WITHIN: Duration = Duration::from_secs(1);

/// An event package that the application notifies of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Package {
    /// Its name: `message-summary`, `dialog`, `presence` …
    pub name: Text,
    /// The media types of its states, the usual one first; none lets everything pass.
    pub media_types: Vec<Text>,
    /// The shortest time that is granted; a shorter one is refused with 423. 60 s.
    pub min_expires: Duration,
    /// The time granted when none is asked for; 3,600 s.
    pub default_expires: Duration,
    /// The longest time that is granted; 86,400 s.
    pub max_expires: Duration,
    /// The least time between two NOTIFYs, but for the last one; none.
    pub pace: Duration,
}

impl Package {
    /// A package with the usual times.
    #[must_use]
    pub fn new(name: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            media_types: Vec::new(),
            min_expires: Duration::from_secs(60),
            default_expires: Duration::from_secs(3600),
            max_expires: Duration::from_secs(86_400),
            pace: Duration::ZERO,
        }
    }

    /// One more media type of its states.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<Text>) -> Self {
        self.media_types.push(media_type.into());
        self
    }

    /// The shortest, the usual and the longest time.
    #[must_use]
    pub fn expires(mut self, min: Duration, default: Duration, max: Duration) -> Self {
        (self.min_expires, self.default_expires, self.max_expires) = (min, default, max);
        self
    }

    /// The least time between two NOTIFYs.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// The time to grant, or the refusal: 423 for one that is too short, but not for an hour or for zero
    /// ([RFC 6665 §4.2.1.1]).
    ///
    /// [RFC 6665 §4.2.1.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.1.1
    fn grant(&self, headers: &Headers) -> Result<u32, MinExpires> {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let Some(Expires(asked)) = headers.get::<Expires>().ok().flatten() else {
            return Ok(seconds(self.default_expires));
        };
        let least = seconds(self.min_expires);
        if asked > 0 && asked < 3600 && asked < least {
            Err(MinExpires(least))
        } else {
            Ok(asked.min(seconds(self.max_expires)))
        }
    }

    /// Whether the subscriber takes what we have.
    fn suits(&self, headers: &Headers) -> bool {
        let Ok(Some(accept)) = headers.get::<Accept>() else { return true };
        self.media_types.is_empty() || self.media_types.iter().any(|kind| accept.accepts(kind))
    }

    /// Whether a first SUBSCRIBE may pass, and for how long; or its refusal.
    pub(crate) fn admit(&self, request: &Request) -> Result<Duration, Box<Response>> {
        let refuse = |status| Response::answer(request, status);
        if !self.suits(request.headers()) {
            return Err(Box::new(refuse(StatusCode::NOT_ACCEPTABLE).build()));
        }
        self.grant(request.headers())
            .map(|seconds| Duration::from_secs(seconds.into()))
            .map_err(|least| Box::new(refuse(StatusCode::INTERVAL_TOO_BRIEF).header(&least).build()))
    }
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Watcher {
    id: SubscriptionId,
    pub(crate) dialog: Dialog,
    pub(crate) auth: Authenticator,
    event: EventHeader,
    package: Package,
    pub(crate) request: Request,
    stage: Stage,
    sent: Option<Sent>,
    pub(crate) scheduled: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Asked { server: ServerId, answer_by: Instant, expires: Duration },
    Standing(Notifier),
}

impl Watcher {
    pub(crate) fn new(
        now: Instant,
        id: SubscriptionId,
        dialog: Dialog,
        event: EventHeader,
        (package, expires): (Package, Duration),
        (server, request): (ServerId, Request),
    ) -> Self {
        let stage = Stage::Asked { server, answer_by: now + DECIDE_WITHIN, expires };
        let auth = Authenticator::default();
        Self { id, dialog, auth, event, package, request, stage, sent: None, scheduled: None }
    }

    /// The transaction of a SUBSCRIBE that nobody has answered yet.
    pub(crate) fn waits(&self) -> Option<ServerId> {
        match self.stage {
            Stage::Asked { server, .. } => Some(server),
            Stage::Standing(_) => None,
        }
    }

    /// Accepts the subscription, with its state or none yet.
    fn accept(&mut self, context: &mut Context, now: Instant, pending: bool, body: Body) {
        let Stage::Asked { server, expires, .. } = self.stage else { return };
        let seconds = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
        let mut response = Response::answer(&self.request, StatusCode::OK)
            .to_tag(self.dialog.local_tag())
            .record_route(&self.request)
            .header(&self.dialog.contact_header())
            .header(&Expires(seconds))
            .build();
        context.sign_response(&mut response, true);
        context.respond(now, server, response);
        let mut notifier = Notifier::new(now, expires, pending, self.package.pace, body.clone());
        if expires.is_zero() {
            notifier.finish(Termination::TimedOut, body);
        }
        self.stage = Stage::Standing(notifier);
    }

    /// This is the state now. The first one accepts the subscription.
    pub(crate) fn notify(&mut self, context: &mut Context, now: Instant, body: Body) {
        match &mut self.stage {
            Stage::Asked { .. } => self.accept(context, now, false, body),
            Stage::Standing(notifier) => notifier.report(body),
        }
    }

    /// Ends the subscription from our side.
    pub(crate) fn end(&mut self, context: &mut Context, now: Instant, why: Termination, body: Body) {
        self.accept(context, now, true, None);
        if let Stage::Standing(notifier) = &mut self.stage {
            notifier.finish(why, body);
        }
    }

    /// A SUBSCRIBE in the dialog: a refresh, or the end.
    pub(crate) fn resubscribed(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerId,
        key: &DialogKey,
        request: &Request,
    ) {
        let mut response = match self.refresh(now, key, request) {
            Ok(seconds) => Response::answer(request, StatusCode::OK)
                .header(&self.dialog.contact_header())
                .header(&Expires(seconds))
                .build(),
            Err(refusal) => *refusal,
        };
        context.sign_response(&mut response, false);
        context.respond(now, server, response);
    }

    fn refresh(&mut self, now: Instant, key: &DialogKey, request: &Request) -> Result<u32, Box<Response>> {
        let refuse = |status| Box::new(Response::answer(request, status).build());
        let none = StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST;
        let headers = request.headers();
        let event = headers.get::<EventHeader>().ok().flatten();
        let same = |event: &EventHeader| event.package == self.event.package && event.id() == self.event.id();
        if self.dialog.key() != *key || !event.is_some_and(|event| same(&event)) {
            return Err(refuse(none));
        }
        if !self.dialog.receive(refer::number(request)) {
            return Err(refuse(StatusCode::SERVER_INTERNAL_ERROR));
        }
        let Stage::Standing(notifier) = &mut self.stage else {
            return Err(refuse(StatusCode::SERVER_INTERNAL_ERROR));
        };
        if !notifier.is_live() {
            return Err(refuse(none));
        }
        let seconds = self.package.grant(headers).map_err(|least| {
            Box::new(Response::answer(request, StatusCode::INTERVAL_TOO_BRIEF).header(&least).build())
        })?;
        self.dialog.refresh_target(headers);
        notifier.refresh(now, Duration::from_secs(seconds.into()));
        Ok(seconds)
    }

    /// Sends the NOTIFY that is due, if one is.
    pub(crate) fn send(&mut self, context: &mut Context, now: Instant) {
        let Stage::Standing(notifier) = &mut self.stage else { return };
        let Some(notice) = notifier.poll_notice(now) else { return };
        let mut request = self.dialog.request(Method::NOTIFY);
        let headers = request.headers_mut();
        headers.push(&self.dialog.contact_header());
        headers.push(&self.event);
        headers.push(&notice.state);
        context.sign(&mut request);
        if let Some((content_type, body)) = notice.body {
            request.set_body(&content_type, body);
        }
        let kept = request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        match context.send_in(now, &self.dialog, request, Owner::Subscription(self.id)) {
            Ok(client) => self.sent = Some(Sent { client, request: kept, attempt: Attempt::default() }),
            Err(_) => notifier.abandon(),
        }
    }

    /// The NOTIFY under way was answered, or will not be.
    pub(crate) fn answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientId,
        result: &Result<Response, Ending>,
    ) {
        if result.as_ref().is_ok_and(|response| response.status().is_provisional()) {
            return;
        }
        let Some(mut under_way) = self.sent.take_if(|sent| sent.client == client) else { return };
        let Stage::Standing(notifier) = &mut self.stage else { return };
        if let Ok(response) = result
            && matches!(
                response.status(),
                StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            )
            && self.auth.challenged(context, response, &mut under_way.attempt).is_ok()
        {
            self.dialog.renumber(&mut under_way.request);
            let mut request = under_way.request.clone();
            self.auth.authorize(&mut context.ids, &mut request);
            if let Ok(client) = context.send_in(now, &self.dialog, request, Owner::Subscription(self.id)) {
                self.sent = Some(Sent { client, ..under_way });
                return;
            }
        }
        if let Ok(response) = result
            && response.status().is_success()
        {
            self.dialog.refresh_target(response.headers());
        }
        notifier.notified(result);
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        match &mut self.stage {
            Stage::Asked { answer_by, .. } if *answer_by <= now => self.accept(context, now, true, None),
            Stage::Asked { .. } => {}
            Stage::Standing(notifier) => notifier.handle_timeout(now),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Asked { answer_by, .. } => Some(*answer_by),
            Stage::Standing(notifier) => notifier.poll_timeout(),
        }
    }

    /// Whether the last NOTIFY is still to be asked for.
    pub(crate) fn is_live(&self) -> bool {
        match &self.stage {
            Stage::Asked { .. } => true,
            Stage::Standing(notifier) => notifier.is_live(),
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(&self.stage, Stage::Standing(notifier) if notifier.is_gone())
    }
}
