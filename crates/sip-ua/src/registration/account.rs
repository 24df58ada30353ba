//! [`Account`]: what to register, and how.

use std::time::Duration;

use sip_msg::{Text, Uri};

use super::back_off::BackOff;
use super::gruu::GruuPolicy;
use super::outbound::Outbound;
use super::push::Push;
use crate::auth::Credentials;

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
    /// Which device this is ([RFC 5626 §4.1]): a URN that stays the same when it restarts. That of the
    /// [`Config`](crate::Config) when not set.
    ///
    /// [RFC 5626 §4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.1
    pub instance: Option<Text>,
    /// Connections kept open so that the proxy reaches us over them ([RFC 5626]); off.
    ///
    /// [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626
    pub outbound: Option<Box<Outbound>>,
    /// Which GRUU to ask for and to use ([RFC 5627]); none.
    ///
    /// [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627
    pub gruu: GruuPolicy,
    /// How a push service wakes us ([RFC 8599]); not at all.
    ///
    /// [RFC 8599]: https://www.rfc-editor.org/rfc/rfc8599
    pub push: Option<Box<Push>>,
    /// How long to wait after a failure. Unless set, 1 s, twice as long each time up to 60 s, and with
    /// [`outbound`](Self::outbound) what [RFC 5626 §4.5] says.
    ///
    /// [RFC 5626 §4.5]: https://www.rfc-editor.org/rfc/rfc5626#section-4.5
    pub back_off: Option<BackOff>,
    /// After so many failures in a row the status is [`Failed`](crate::RegistrationStatus::Failed); 3. What may pass is tried on
    /// all the same; a refusal that would have ended a first registration ends one that stood after as many.
    pub failure_threshold: u32,
    /// How often a datagram keeps the NAT before us open, or line ends a connection, where the registrar has not agreed to
    /// keep-alives. `None`: each 24 to 29 s over UDP when the registrar sees another address than ours, else never. Over
    /// connections set it only if the registrar is known to answer (RFC 5626 §4.4): one that does not is taken for dead.
    pub keep_alive: Option<Duration>,
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
            instance: None,
            outbound: None,
            gruu: GruuPolicy::Off,
            push: None,
            back_off: None,
            failure_threshold: 3,
            keep_alive: None,
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

    /// Which device this is: `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6`.
    #[must_use]
    pub fn instance(mut self, urn: impl Into<Text>) -> Self {
        self.instance = Some(urn.into());
        self
    }

    /// Connections kept open so that the proxy reaches us over them.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = Some(Box::new(outbound));
        self
    }

    /// Which GRUU to ask for and to use.
    #[must_use]
    pub fn gruu(mut self, gruu: GruuPolicy) -> Self {
        self.gruu = gruu;
        self
    }

    /// How a push service wakes us.
    #[must_use]
    pub fn push(mut self, push: Push) -> Self {
        self.push = Some(Box::new(push));
        self
    }

    /// How long to wait after a failure.
    #[must_use]
    pub fn back_off(mut self, back_off: BackOff) -> Self {
        self.back_off = Some(back_off);
        self
    }

    /// After so many failures in a row the status is `Failed`.
    #[must_use]
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures;
        self
    }

    /// How often to keep the way to the registrar open; zero: never.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = Some(interval);
        self
    }
}
