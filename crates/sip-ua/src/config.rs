//! What an agent is told when it is made.

use std::time::Duration;

use sip_msg::{Method, Text};

use crate::context::METHODS;
use crate::invite::redirect::Redirects;

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
    /// What peers may make grow.
    pub limits: Limits,
    /// How long a re-INVITE of ours may go without a final answer before it is cancelled; 32 s.
    pub change_timeout: Duration,
    /// What a 3xx to a request of ours does: followed to five addresses.
    pub redirects: Redirects,
}

impl Config {
    /// Defaults over a transaction layer's settings.
    #[must_use]
    pub fn new(transactions: sip_txn::Config) -> Self {
        Self {
            transactions,
            user_agent: concat!("voip-rs/", env!("CARGO_PKG_VERSION")).into(),
            takes: Vec::new(),
            limits: Limits::default(),
            change_timeout: Duration::from_secs(32),
            redirects: Redirects::default(),
        }
    }

    /// What User-Agent and Server say.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<Text>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Methods whose requests the application answers itself. The agent's own methods are passed over.
    #[must_use]
    pub fn takes(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.takes = methods.into_iter().filter(|method| !METHODS.contains(method)).collect();
        self
    }

    /// What a 3xx to a request of ours does.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
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
    /// Requests of one call that wait for an answer. 16.
    pub requests_in_call: usize,
    /// Events the application has not taken yet (used by the driver). 4,096.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 10_000,
            forks: 16,
            registrations: 10_000,
            requests: 10_000,
            requests_in_call: 16,
            events: 4_096,
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

    /// The number of requests outside of calls.
    #[must_use]
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// The number of events that may wait for the application.
    #[must_use]
    pub fn events(mut self, events: usize) -> Self {
        self.events = events;
        self
    }
}
