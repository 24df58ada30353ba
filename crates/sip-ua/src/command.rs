//! What an application asks for: values with setters, handed to the methods of [`Agent`](crate::Agent).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sip_msg::{HeaderName, Method, NameAddr, StatusCode, Text, Uri};

use crate::auth::Credentials;
use crate::invite::redirect::Redirects;

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
    /// What a 3xx does; as [`Config::redirects`](crate::Config::redirects) says when not set.
    pub redirects: Option<Redirects>,
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
            contact_user: None,
            redirects: None,
        }
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

/// An address-of-record to register.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Account {
    /// Who is registered: `sip:alice@example.com`.
    pub aor: Uri,
    /// The name shown beside it.
    pub display_name: Option<Text>,
    /// Where: the domain of the address-of-record unless set otherwise.
    pub registrar: Uri,
    /// What to answer challenges with.
    pub credentials: Option<Credentials>,
    /// The time to ask for; 3,600 s. The registrar may grant another.
    pub expires: Duration,
    /// Proxies to go through, nearest first.
    pub outbound_proxies: Vec<Uri>,
    /// The user part of our Contact; that of the address-of-record when not set.
    pub contact_user: Option<Text>,
}

impl Account {
    /// An account at the registrar of its own domain ([RFC 3261 §10.2.6]).
    ///
    /// [RFC 3261 §10.2.6]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.6
    #[must_use]
    pub fn new(aor: Uri) -> Self {
        Self {
            registrar: crate::target::without_user(&aor),
            aor,
            display_name: None,
            credentials: None,
            expires: Duration::from_secs(3600),
            outbound_proxies: Vec::new(),
            contact_user: None,
        }
    }

    /// Another registrar.
    #[must_use]
    pub fn registrar(mut self, registrar: Uri) -> Self {
        self.registrar = registrar;
        self
    }

    /// The name shown beside the address.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<Text>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// What to answer challenges with.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The time to ask for, in whole seconds.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// Proxies to go through, nearest first.
    #[must_use]
    pub fn outbound_proxies(mut self, proxies: Vec<Uri>) -> Self {
        self.outbound_proxies = proxies;
        self
    }

    /// The user part of our Contact.
    #[must_use]
    pub fn contact_user(mut self, user: impl Into<Text>) -> Self {
        self.contact_user = Some(user.into());
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
}

impl OutOfDialog {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, from: NameAddr, target: Uri) -> Self {
        Self { method, from, target, credentials: None, route: Vec::new(), headers: Vec::new(), body: None }
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
