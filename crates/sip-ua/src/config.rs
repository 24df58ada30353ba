//! What an agent is told when it is made.

use std::time::Duration;

use sip_msg::{Method, Text};

use crate::auth::{Algorithms, CredentialStore, Verifier};
use crate::context::METHODS;
use crate::invite::redirect::Redirects;
use crate::invite::reliable::Reliable;
use crate::invite::session_timer::SessionTimer;
use crate::policy::Policy;
use crate::subscription::Package;

/// Settings of an [`Agent`](crate::Agent).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The transaction layer below: seed, timers, listening and advertised addresses.
    pub transactions: sip_txn::Config,
    /// What User-Agent and Server say.
    pub user_agent: Text,
    /// Methods whose requests the application answers itself (see [`Event::OutOfDialog`](crate::Event::OutOfDialog)):
    /// MESSAGE, for example. None; what is neither among them nor known to the agent is answered 405.
    pub takes: Vec<Method>,
    /// What a REFER may ask us to send; INVITE. A REFER to send another request is refused with 403.
    pub refers: Vec<Method>,
    /// The event packages that the application notifies of ([RFC 6665]); none. A SUBSCRIBE to another is refused with 489.
    ///
    /// [RFC 6665]: https://www.rfc-editor.org/rfc/rfc6665
    pub notifies: Vec<Package>,
    /// Whether a call that comes in may replace another ([RFC 3891]); it may. See
    /// [`Event::Incoming`](crate::Event::Incoming) for who may ask that.
    ///
    /// [RFC 3891]: https://www.rfc-editor.org/rfc/rfc3891
    pub replaces: bool,
    /// Whether a call that comes in may join another ([RFC 3911]): for applications that mix. It may not.
    ///
    /// [RFC 3911]: https://www.rfc-editor.org/rfc/rfc3911
    pub joins: bool,
    /// What peers may make grow.
    pub limits: Limits,
    /// What we want of session timers: a refresh each 15 minutes.
    pub session_timer: SessionTimer,
    /// Reliable provisional responses (PRACK): supported.
    pub reliable: Reliable,
    /// How long a re-INVITE of ours may go without a final answer before it is cancelled; 32 s.
    pub change_timeout: Duration,
    /// The credentials for challenges that calls, requests and accounts bring none for.
    pub credentials: CredentialStore,
    /// Which ways of proving who we are may be used: digest with any algorithm.
    pub algorithms: Algorithms,
    /// How long a challenge waits when the application is asked for credentials ([`Event::CredentialsWanted`]); `None`, the
    /// default: it is not asked.
    ///
    /// [`Event::CredentialsWanted`]: crate::Event::CredentialsWanted
    pub ask_for_credentials: Option<Duration>,
    /// Who checks the passwords of requests that would start something; `None`: nobody.
    pub challenge: Option<Verifier>,
    /// Whether calls carry a Session-ID, one name from end to end ([RFC 7989]); no.
    ///
    /// [RFC 7989]: https://www.rfc-editor.org/rfc/rfc7989
    pub session_ids: bool,
    /// What is refused even if somebody asks for it: toll fraud, floods, weak security.
    pub policy: Policy,
    /// The INFO packages the application takes, said in Recv-Info ([RFC 6086]). `None`: nothing is said, and none is taken.
    ///
    /// [RFC 6086]: https://www.rfc-editor.org/rfc/rfc6086
    pub info_packages: Option<Vec<Text>>,
    /// The body types that an INFO of no package may have besides the two of digits (`*/*`: any). None; others are
    /// answered 415.
    pub info_types: Vec<Text>,
    /// What a 3xx to a request of ours does: followed to five addresses.
    pub redirects: Redirects,
    /// How many REGISTER requests are begun in a second at most, so that many accounts make no burst; 500. A few go together.
    pub registration_rate: u32,
    /// Which device this is, a URN that should stay the same when it restarts ([RFC 5626 §4.1]); made from the seed unless set.
    ///
    /// [RFC 5626 §4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.1
    pub instance: Option<Text>,
}

impl Config {
    /// Defaults over a transaction layer's settings.
    #[must_use]
    pub fn new(transactions: sip_txn::Config) -> Self {
        Self {
            transactions,
            user_agent: concat!("voip-rs/", env!("CARGO_PKG_VERSION")).into(),
            takes: Vec::new(),
            refers: vec![Method::INVITE],
            notifies: Vec::new(),
            replaces: true,
            joins: false,
            limits: Limits::default(),
            session_timer: SessionTimer::default(),
            reliable: Reliable::default(),
            change_timeout: Duration::from_secs(32),
            credentials: CredentialStore::default(),
            algorithms: Algorithms::default(),
            ask_for_credentials: None,
            challenge: None,
            session_ids: false,
            policy: Policy::default(),
            redirects: Redirects::default(),
            info_packages: None,
            info_types: Vec::new(),
            registration_rate: 500,
            instance: None,
        }
    }

    /// What User-Agent and Server say.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<Text>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// The credentials for challenges that calls, requests and accounts bring none for.
    #[must_use]
    pub fn credentials(mut self, store: CredentialStore) -> Self {
        self.credentials = store;
        self
    }

    /// Which ways of proving who we are may be used.
    #[must_use]
    pub fn algorithms(mut self, algorithms: Algorithms) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// Asks the application for credentials that are missing, and waits so long for them.
    #[must_use]
    pub fn ask_for_credentials(mut self, patience: Duration) -> Self {
        self.ask_for_credentials = Some(patience);
        self
    }

    /// Lets nobody start anything (a call, a MESSAGE …) without a password.
    ///
    /// The application sees requests without their Authorization, and only those whose password was right;
    /// [`Agent::authenticated`](crate::Agent::authenticated) says whose it was.
    #[must_use]
    pub fn challenge(mut self, verifier: Verifier) -> Self {
        self.challenge = Some(verifier);
        self
    }

    /// Calls carry a Session-ID; [`Agent::session_id`](crate::Agent::session_id) tells it.
    #[must_use]
    pub fn session_ids(mut self, wanted: bool) -> Self {
        self.session_ids = wanted;
        self
    }

    /// What is refused even if somebody asks for it.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What we want of reliable provisional responses.
    #[must_use]
    pub fn reliable(mut self, reliable: Reliable) -> Self {
        self.reliable = reliable;
        self
    }

    /// Methods whose requests the application answers itself. The agent's own methods are passed over.
    #[must_use]
    pub fn takes(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.takes = methods.into_iter().filter(|method| !METHODS.contains(method)).collect();
        self
    }

    /// What we want of session timers.
    #[must_use]
    pub fn session_timer(mut self, timer: SessionTimer) -> Self {
        self.session_timer = timer;
        self
    }

    /// The INFO packages the application takes; with none the agent says that it knows packages and takes none.
    ///
    /// A name that is no token ([RFC 3261 §25.1]) is passed over.
    ///
    /// [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1
    #[must_use]
    pub fn info_packages(mut self, packages: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        let is_token = |name: &Text| name.parse::<Method>().is_ok();
        self.info_packages = Some(packages.into_iter().map(Into::into).filter(is_token).collect());
        self
    }

    /// The body types, as `application/media_control+xml`, that an INFO may have besides those of digits.
    #[must_use]
    pub fn info_types(mut self, types: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.info_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// What a 3xx to a request of ours does.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// What a REFER may ask us to send. The application sends what is not INVITE, and reports on it.
    #[must_use]
    pub fn refers(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.refers = methods.into_iter().collect();
        self
    }

    /// How many REGISTER requests are begun in a second at most.
    #[must_use]
    pub fn registration_rate(mut self, each_second: u32) -> Self {
        self.registration_rate = each_second;
        self
    }

    /// Which device this is: `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6`.
    #[must_use]
    pub fn instance(mut self, urn: impl Into<Text>) -> Self {
        self.instance = Some(urn.into());
        self
    }

    /// One more event package that the application notifies of.
    #[must_use]
    pub fn notifies(mut self, package: Package) -> Self {
        self.notifies.push(package);
        self
    }

    /// Whether a call that comes in may replace another.
    #[must_use]
    pub fn replaces(mut self, replaces: bool) -> Self {
        self.replaces = replaces;
        self
    }

    /// Whether a call that comes in may join another.
    #[must_use]
    pub fn joins(mut self, joins: bool) -> Self {
        self.joins = joins;
        self
    }

    /// What peers may make grow.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Bounds on what an agent keeps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Calls, ringing ones and those just ended included; beyond it an INVITE is answered 503. 10,000.
    pub calls: usize,
    /// Early dialogs of one INVITE; provisional responses of further ones are passed over. 16.
    pub forks: usize,
    /// Registrations. 10,000.
    pub registrations: usize,
    /// Requests outside of calls, ours waiting for an answer and theirs waiting for ours, each. 10,000.
    pub requests: usize,
    /// Subscriptions, ours and to us, each. 10,000.
    pub subscriptions: usize,
    /// Requests of one call that wait for an answer. 16.
    pub requests_in_call: usize,
    /// Octets of a MESSAGE of ours; only who knows that no hop on the way is UDP may send larger ones ([RFC 3428 §8]). 1,300.
    ///
    /// [RFC 3428 §8]: https://www.rfc-editor.org/rfc/rfc3428#section-8
    pub message_bytes: usize,
    /// Events the application has not taken yet (used by the driver). 16,384.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 10_000,
            forks: 16,
            registrations: 10_000,
            requests: 10_000,
            subscriptions: 10_000,
            requests_in_call: 16,
            message_bytes: 1_300,
            events: 16_384,
        }
    }
}

impl Limits {
    /// The number of calls.
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = calls;
        self
    }

    /// The number of early dialogs of one INVITE.
    #[must_use]
    pub fn forks(mut self, forks: usize) -> Self {
        self.forks = forks;
        self
    }

    /// The number of registrations.
    #[must_use]
    pub fn registrations(mut self, registrations: usize) -> Self {
        self.registrations = registrations;
        self
    }

    /// The number of subscriptions, ours and to us, each.
    #[must_use]
    pub fn subscriptions(mut self, subscriptions: usize) -> Self {
        self.subscriptions = subscriptions;
        self
    }

    /// The number of requests outside of calls.
    #[must_use]
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// The octets of a MESSAGE of ours.
    #[must_use]
    pub fn message_bytes(mut self, octets: usize) -> Self {
        self.message_bytes = octets;
        self
    }

    /// The number of events that may wait for the application.
    #[must_use]
    pub fn events(mut self, events: usize) -> Self {
        self.events = events;
        self
    }
}
