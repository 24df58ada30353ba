//! What an application asks for: values with setters, handed to the methods of [`Agent`](crate::Agent).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sip_msg::{HeaderName, Method, NameAddr, StatusCode, Text, Uri};

use crate::auth::Credentials;
use crate::event::{ReferId, RegistrationId};
use crate::invite::forks::{EarlyMedia, Forks};
use crate::invite::redirect::Redirects;
use crate::invite::reliable::Reliable;
use crate::invite::session_timer::SessionTimer;
use crate::refer::ReferRequest;

/// A call to place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Invite {
    /// Who calls: goes into From.
    pub from: NameAddr,
    /// Whom: goes into To and the Request-URI.
    pub target: Uri,
    /// What to answer challenges with.
    pub credentials: Option<Credentials>,
    /// Proxies to go through first, nearest first (`sip:proxy.example;lr`).
    pub route: Vec<Uri>,
    /// More headers of the INVITE, as they are.
    pub headers: Vec<(HeaderName, Text)>,
    /// How long it may ring before we cancel; `None` = until the other side tires.
    pub ring_timeout: Option<Duration>,
    /// Send no offer: the callee offers in its 200, we answer in the ACK.
    pub late_offer: bool,
    /// The user part of our Contact; that of `from` when not set.
    pub contact_user: Option<Text>,
    /// What we want of session timers, if not what [`Config`](crate::Config) says.
    pub session_timer: Option<SessionTimer>,
    /// Reliable provisional responses, where not as in the agent's [`Config`](crate::Config).
    pub reliable: Option<Reliable>,
    /// What becomes of the answers after the first, where several places answer: they are hung up.
    pub forks: Forks,
    /// Which of several early medias is heard: the latest.
    pub early_media: EarlyMedia,
    /// What a 3xx does; as [`Config::redirects`](crate::Config::redirects) says when not set.
    pub redirects: Option<Redirects>,
    /// The REFER that asked for it; its sender hears what comes of the call.
    pub refer: Option<ReferId>,
    /// The account that calls: it lends its credentials, its proxies and service route, and its GRUU or registered Contact, each
    /// where the call does not say otherwise. [`Agent::identity`](crate::Agent::identity) tells what goes into `from`.
    pub account: Option<RegistrationId>,
    /// Our Contact; made from `contact_user` and our address when not set.
    pub contact: Option<Uri>,
}

impl Invite {
    /// A call from one party to another.
    #[must_use]
    pub fn new(from: NameAddr, target: Uri) -> Self {
        Self {
            from,
            target,
            credentials: None,
            route: Vec::new(),
            headers: Vec::new(),
            ring_timeout: None,
            late_offer: false,
            session_timer: None,
            contact_user: None,
            reliable: None,
            forks: Forks::default(),
            early_media: EarlyMedia::default(),
            redirects: None,
            refer: None,
            account: None,
            contact: None,
        }
    }

    /// The account that calls.
    #[must_use]
    pub fn account(mut self, account: RegistrationId) -> Self {
        self.account = Some(account);
        self
    }

    /// Our Contact.
    #[must_use]
    pub fn contact(mut self, contact: Uri) -> Self {
        self.contact = Some(contact);
        self
    }

    /// The call that a REFER asks for, with the headers it may ask for and the word on who asked ([RFC 3892 §2.2]).
    ///
    /// Once the REFER is accepted, its sender hears what comes of the call.
    ///
    /// [RFC 3892 §2.2]: https://www.rfc-editor.org/rfc/rfc3892#section-2.2
    #[must_use]
    pub fn from_refer(from: NameAddr, refer: &ReferRequest) -> Self {
        let mut invite = Self::new(from, refer.target.clone());
        invite.headers.clone_from(&refer.headers);
        if let Some(referred_by) = &refer.referred_by {
            invite.headers.push((HeaderName::REFERRED_BY, referred_by.to_string().into()));
        }
        invite.refer = Some(refer.id);
        invite
    }

    /// What to answer challenges with.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Proxies to go through first, nearest first.
    #[must_use]
    pub fn route(mut self, route: Vec<Uri>) -> Self {
        self.route = route;
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// How long it may ring before we cancel.
    #[must_use]
    pub fn ring_timeout(mut self, timeout: Duration) -> Self {
        self.ring_timeout = Some(timeout);
        self
    }

    /// Reliable provisional responses, where this call wants them otherwise than the agent's configuration says.
    #[must_use]
    pub fn reliable(mut self, reliable: Reliable) -> Self {
        self.reliable = Some(reliable);
        self
    }

    /// What becomes of the answers after the first.
    #[must_use]
    pub fn forks(mut self, forks: Forks) -> Self {
        self.forks = forks;
        self
    }

    /// Which of several early medias is heard.
    #[must_use]
    pub fn early_media(mut self, early_media: EarlyMedia) -> Self {
        self.early_media = early_media;
        self
    }

    /// What we want of session timers.
    #[must_use]
    pub fn session_timer(mut self, timer: SessionTimer) -> Self {
        self.session_timer = Some(timer);
        self
    }

    /// Leave the offer to the callee.
    #[must_use]
    pub fn late_offer(mut self) -> Self {
        self.late_offer = true;
        self
    }

    /// The user part of our Contact.
    #[must_use]
    pub fn contact_user(mut self, user: impl Into<Text>) -> Self {
        self.contact_user = Some(user.into());
        self
    }

    /// What a 3xx does.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = Some(redirects);
        self
    }
}

/// A request outside of any dialog: OPTIONS, MESSAGE …
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutOfDialog {
    /// What; not INVITE, ACK, CANCEL or REGISTER, which have ways of their own.
    pub method: Method,
    /// Who asks: goes into From.
    pub from: NameAddr,
    /// Whom: goes into To and the Request-URI.
    pub target: Uri,
    /// What to answer challenges with.
    pub credentials: Option<Credentials>,
    /// Proxies to go through first, nearest first.
    pub route: Vec<Uri>,
    /// More headers, as they are.
    pub headers: Vec<(HeaderName, Text)>,
    /// Content-Type and body.
    pub body: Option<(Text, Bytes)>,
    /// The account that asks: it lends its credentials, its proxies and service route, and its GRUU or registered Contact, each
    /// where the request does not say otherwise.
    pub account: Option<RegistrationId>,
    /// Our Contact; made from `from` and our address when not set.
    pub contact: Option<Uri>,
}

impl OutOfDialog {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, from: NameAddr, target: Uri) -> Self {
        Self {
            method,
            from,
            target,
            credentials: None,
            route: Vec::new(),
            headers: Vec::new(),
            body: None,
            account: None,
            contact: None,
        }
    }

    /// The account that asks.
    #[must_use]
    pub fn account(mut self, account: RegistrationId) -> Self {
        self.account = Some(account);
        self
    }

    /// Our Contact.
    #[must_use]
    pub fn contact(mut self, contact: Uri) -> Self {
        self.contact = Some(contact);
        self
    }

    /// What to answer challenges with.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Proxies to go through first, nearest first.
    #[must_use]
    pub fn route(mut self, route: Vec<Uri>) -> Self {
        self.route = route;
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A body and what it is.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<Text>, body: impl Into<Bytes>) -> Self {
        self.body = Some((content_type.into(), body.into()));
        self
    }
}

/// A final answer the application gives: a refusal of a call, or the answer to a request outside of calls.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase, if not the usual one.
    pub reason: Option<Text>,
    /// Where else to try (with 3xx, 485).
    pub contacts: Vec<Uri>,
    /// More headers, as they are.
    pub headers: Vec<(HeaderName, Text)>,
    /// Content-Type and body.
    pub body: Option<(Text, Bytes)>,
}

impl Reply {
    /// A bare status.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, reason: None, contacts: Vec::new(), headers: Vec::new(), body: None }
    }

    /// The reason phrase.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<Text>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// One more address to try instead.
    #[must_use]
    pub fn contact(mut self, uri: Uri) -> Self {
        self.contacts.push(uri);
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<Text>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A body and what it is.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<Text>, body: impl Into<Bytes>) -> Self {
        self.body = Some((content_type.into(), body.into()));
        self
    }
}

impl From<StatusCode> for Reply {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
