//! State of ours that a server hands out, kept there by PUBLISH ([RFC 3903 §4]).
//!
//! ```text
//!  publish() -> Sent --2xx with SIP-ETag--> Published --0.9 of the time, a new state--> Sent ...
//!                | ^                            |
//!    412: anew --+ +-- failure: back-off        | unpublish(): Expires 0
//!                                               v
//!                                             gone
//! ```
//!
//! One PUBLISH is under way at a time ([RFC 3903 §4]); what changes meanwhile is sent after it, as it is then.
//!
//! [RFC 3903 §4]: https://www.rfc-editor.org/rfc/rfc3903#section-4

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{
    CSeq, Event as EventHeader, Expires, Method, MinExpires, NameAddr, Request, Response, RetryAfter,
    SipEtag, SipIfMatch, StatusCode, Text, Uri,
};
use sip_txn::{ClientId, Ending};

use crate::auth::{Attempt, Authenticator};
use crate::command::OutOfDialog;
use crate::context::{self, Context, Owner};
use crate::error::CommandError;
use crate::event::{Event, PublicationId};
use crate::refer;
use crate::request;

/// The first wait after a failure; each further one is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait that we choose ourselves.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The longest wait that a server's Retry-After may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A state to publish.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publish {
    /// Who publishes where, with which account, credentials, proxies and headers.
    pub request: OutOfDialog,
    /// The event package.
    pub package: Text,
    /// The time to ask for, in whole seconds; 3,600 s.
    pub expires: Duration,
    /// Content-Type and body.
    pub state: (Text, Bytes),
}

impl Publish {
    /// A state of somebody: Request-URI, From and To are the same as a rule.
    #[must_use]
    pub fn new(
        from: NameAddr,
        target: Uri,
        package: impl Into<Text>,
        media_type: impl Into<Text>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            request: OutOfDialog::new(Method::PUBLISH, from, target),
            package: package.into(),
            expires: Duration::from_secs(3600),
            state: (media_type.into(), body.into()),
        }
    }

    /// Changes the request: account, credentials, proxies, headers.
    #[must_use]
    pub fn request(mut self, change: impl FnOnce(OutOfDialog) -> OutOfDialog) -> Self {
        self.request = change(self.request);
        self
    }

    /// The time to ask for.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }
}

/// One publication.
#[derive(Debug)]
pub(crate) struct Publication {
    id: PublicationId,
    envelope: OutOfDialog,
    package: Text,
    expires: u32,
    pub(crate) auth: Authenticator,
    state: (Text, Bytes),
    /// The server's name for what it has of us.
    etag: Option<Text>,
    /// The state is not the one that the server has.
    changed: bool,
    remove: bool,
    gone: bool,
    sent: Option<Sent>,
    /// When to send the next: a refresh, or another try.
    next_at: Option<Instant>,
    failures: u32,
    pub(crate) scheduled: Option<Instant>,
}

#[derive(Debug)]
struct Sent {
    client: ClientId,
    request: Request,
    attempt: Attempt,
    /// It met a 423 or a 412 already.
    again: bool,
}

impl Publication {
    pub(crate) fn start(
        context: &mut Context,
        now: Instant,
        id: PublicationId,
        asked: Publish,
        envelope: OutOfDialog,
    ) -> Result<Self, CommandError> {
        let mut publication = Self {
            id,
            auth: Authenticator::new(envelope.credentials.clone()),
            envelope,
            package: asked.package,
            expires: u32::try_from(asked.expires.as_secs()).unwrap_or(u32::MAX).max(1),
            state: asked.state,
            etag: None,
            changed: true,
            remove: false,
            gone: false,
            sent: None,
            next_at: None,
            failures: 0,
            scheduled: None,
        };
        publication.send(context, now, false)?;
        Ok(publication)
    }

    /// Another state.
    pub(crate) fn change(&mut self, context: &mut Context, now: Instant, state: (Text, Bytes)) {
        self.state = state;
        self.changed = true;
        self.send_now(context, now);
    }

    /// Takes the state back.
    pub(crate) fn remove(&mut self, context: &mut Context, now: Instant) {
        self.remove = true;
        self.send_now(context, now);
    }

    fn send_now(&mut self, context: &mut Context, now: Instant) {
        if self.sent.is_some() {
            return;
        }
        if self.remove && self.etag.is_none() {
            return self.end(context);
        }
        if let Err(error) = self.send(context, now, false) {
            self.failed(context, now, None, error.to_string().into(), None);
        }
    }

    fn end(&mut self, context: &mut Context) {
        self.gone = true;
        context.tell(Event::Unpublished { id: self.id });
    }

    /// What is to be sent follows from what the server has and what we want it to have ([RFC 3903 §4.1], table 1).
    ///
    /// [RFC 3903 §4.1]: https://www.rfc-editor.org/rfc/rfc3903#section-4.1
    fn send(&mut self, context: &mut Context, now: Instant, again: bool) -> Result<(), CommandError> {
        let mut request = request::compose(context, &self.envelope)?;
        let headers = request.headers_mut();
        headers.push(&EventHeader::new(self.package.clone()));
        headers.push(&Expires(if self.remove { 0 } else { self.expires }));
        if let Some(etag) = &self.etag {
            headers.push(&SipIfMatch(etag.clone()));
        }
        if !self.remove && (self.changed || self.etag.is_none()) {
            request.set_body(&self.state.0, self.state.1.clone());
        }
        self.changed = false;
        let kept = request.clone();
        self.auth.authorize(&mut context.ids, &mut request);
        self.next_at = None;
        let client = context.send(now, request, Owner::Publication(self.id))?;
        self.sent = Some(Sent { client, request: kept, attempt: Attempt::default(), again });
        Ok(())
    }

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
        let Some(mut sent) = self.sent.take_if(|sent| sent.client == client) else { return };
        let response = match result {
            Ok(response) => response,
            Err(_) if self.remove => return self.end(context),
            Err(ending) => return self.failed(context, now, None, context::explain(ending), None),
        };
        let status = response.status();
        if status.is_success() {
            let asked = sent.request.headers().get::<Expires>().ok().flatten();
            return self.granted(context, now, response, asked == Some(Expires(0)));
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            && self.auth.challenged(context, response, &mut sent.attempt).is_ok()
        {
            let number = refer::number(&sent.request).saturating_add(1);
            sent.request.headers_mut().replace(&CSeq { number, method: Method::PUBLISH });
            let mut request = sent.request.clone();
            self.auth.authorize(&mut context.ids, &mut request);
            if let Ok(client) = context.send(now, request, Owner::Publication(self.id)) {
                self.sent = Some(Sent { client, ..sent });
                return;
            }
        }
        if self.remove {
            return self.end(context);
        }
        let least = response.headers().get::<MinExpires>().ok().flatten().map(|MinExpires(least)| least);
        let longer = least.filter(|least| status == StatusCode::INTERVAL_TOO_BRIEF && *least > self.expires);
        let unmatched = status == StatusCode::CONDITIONAL_REQUEST_FAILED && self.etag.is_some();
        if !sent.again && (longer.is_some() || unmatched) {
            self.expires = longer.unwrap_or(self.expires);
            // RFC 3903 §4.1: after 412 the server has nothing of ours, so all of it goes there anew.
            self.changed = self.changed || !sent.request.body().is_empty() || unmatched;
            if unmatched {
                self.etag = None;
            }
            if self.send(context, now, true).is_ok() {
                return;
            }
        }
        let asked = response.headers().get::<RetryAfter>().ok().flatten();
        let asked = asked.map(|retry| Duration::from_secs(retry.seconds.into()).min(MAX_RETRY_AFTER));
        self.failed(context, now, Some(status), response.reason().detach(), asked);
    }

    fn granted(&mut self, context: &mut Context, now: Instant, response: &Response, removed: bool) {
        self.auth.succeeded(context, response);
        self.failures = 0;
        if removed {
            return self.end(context);
        }
        self.etag = response.headers().get::<SipEtag>().ok().flatten().map(|SipEtag(etag)| etag.detach());
        let granted = response.headers().get::<Expires>().ok().flatten();
        let seconds = granted.map_or(self.expires, |Expires(seconds)| seconds.min(self.expires));
        let expires = Duration::from_secs(seconds.into());
        context.tell(Event::Published { id: self.id, expires });
        if self.remove || self.changed {
            return self.send_now(context, now);
        }
        self.next_at = Some(now + (expires * 9 / 10).max(Duration::from_secs(1)));
    }

    fn failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: Option<StatusCode>,
        reason: Text,
        asked: Option<Duration>,
    ) {
        self.changed = true;
        let passes = asked.is_some()
            || status.is_none_or(|status| {
                status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
                    || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE)
            });
        let back_off = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(6)).min(MAX_BACK_OFF);
        self.failures = self.failures.saturating_add(1);
        let will_retry_in = passes.then(|| asked.unwrap_or(back_off).max(FIRST_BACK_OFF));
        self.next_at = will_retry_in.map(|wait| now + wait);
        self.gone = !passes;
        context.tell(Event::PublicationFailed { id: self.id, status, reason, will_retry_in });
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        if self.next_at.is_some_and(|at| at <= now) {
            self.send_now(context, now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_at
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }
}
