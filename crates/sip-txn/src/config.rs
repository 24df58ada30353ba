//! What a [`TransactionLayer`](crate::TransactionLayer) is told when it is made: [`Config`], [`Limits`], [`Tap`], [`Admission`].

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_msg::Host;

use crate::{Flow, Name, Timing, Transport};

/// Settings of a transaction layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where branches and tags come from; from the system's random source, different in each run.
    pub seed: [u8; 32],
    /// T1, T2 and T4.
    pub timing: Timing,
    /// What peers may make grow.
    pub limits: Limits,
    /// Which messages are read at all.
    pub message_limits: sip_msg::Limits,
    /// Where the driver listens. Requests over UDP leave from the first address of the right family.
    pub listening: Vec<(Transport, SocketAddr)>,
    /// What to write into Via and Contact instead of the bound address: the first that suits a peer. None.
    pub names: Vec<Name>,
    /// Requests above so many bytes leave over TCP instead of UDP, and over UDP when that fails; 1,300
    /// ([RFC 3261 §18.1.1]).
    ///
    /// [RFC 3261 §18.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    pub datagram_bytes: usize,
    /// Whether TLS peers that we connect to may send us requests over those connections, whatever our port says (`alias` in
    /// Via, [RFC 5923 §8.1]); without, they open their own. It takes a certificate of ours that they trust. False.
    ///
    /// [RFC 5923 §8.1]: https://www.rfc-editor.org/rfc/rfc5923#section-8.1
    pub alias: bool,
    /// Whether a request that came already on another path is answered 482 ([RFC 3261 §8.2.2.2]), as a user agent must.
    /// A proxy sets it to false and sees them all.
    ///
    /// [RFC 3261 §8.2.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.2.2
    pub refuse_merged: bool,
    /// Who sees each message.
    pub tap: Option<Arc<dyn Tap>>,
    /// Who may send us requests.
    pub admission: Option<Arc<dyn Admission>>,
}

impl Config {
    /// Defaults, with a seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            timing: Timing::default(),
            limits: Limits::default(),
            message_limits: sip_msg::Limits::default(),
            listening: Vec::new(),
            names: Vec::new(),
            datagram_bytes: 1300,
            alias: false,
            refuse_merged: true,
            tap: None,
            admission: None,
        }
    }

    /// Adds an address that the driver listens on. It must name an interface: `0.0.0.0` cannot stand in a Via.
    #[must_use]
    pub fn listen(mut self, transport: Transport, address: SocketAddr) -> Self {
        self.listening.push((transport, address));
        self
    }

    /// Sets the host to write into Via and Contact instead of the bound address, for all whom no [`Name`] before it suits.
    #[must_use]
    pub fn advertise(self, host: impl Into<Host>) -> Self {
        self.name(Name::new(host))
    }

    /// Adds a name for some peers, behind those there are already.
    #[must_use]
    pub fn name(mut self, name: Name) -> Self {
        self.names.push(name);
        self
    }

    /// Sets T1, T2 and T4.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Sets what peers may make grow.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets which messages are read at all.
    #[must_use]
    pub fn message_limits(mut self, limits: sip_msg::Limits) -> Self {
        self.message_limits = limits;
        self
    }

    /// Sets whether TLS peers may send requests over connections that we open.
    #[must_use]
    pub fn alias(mut self, alias: bool) -> Self {
        self.alias = alias;
        self
    }

    /// Sets whether merged requests are answered 482.
    #[must_use]
    pub fn refuse_merged(mut self, refuse: bool) -> Self {
        self.refuse_merged = refuse;
        self
    }

    /// Sets who sees each message.
    #[must_use]
    pub fn tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Sets who may send us requests.
    #[must_use]
    pub fn admission(mut self, admission: Arc<dyn Admission>) -> Self {
        self.admission = Some(admission);
        self
    }
}

/// Bounds on what a transaction layer keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Client transactions; a request beyond it is refused with an error. 100,000.
    pub clients: usize,
    /// Server transactions; a request beyond it is answered 503. 100,000.
    pub servers: usize,
    /// Connections, half-open ones included. For one more the oldest idle one is closed, first of those that never brought a
    /// message; when all are in use, the new one. 16,384.
    pub connections: usize,
    /// Connections that one address may open to us; one beyond it is closed at once. 4,096.
    pub connections_of_one: usize,
    /// Messages that wait for one connection to open. 1,024.
    pub waiting: usize,
    /// A connection without traffic is closed after this time, or up to twice as late. 1 h.
    pub idle: Duration,
    /// A connection on which a message has begun must bring it to its end in this time, or up to twice as late, and a new one
    /// its first. 32 s.
    pub slow: Duration,
    /// The Retry-After of a 503. 5 s.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 100_000,
            servers: 100_000,
            connections: 16_384,
            connections_of_one: 4096,
            waiting: 1024,
            idle: Duration::from_secs(3600),
            slow: Duration::from_secs(32),
            retry_after: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Sets the number of client transactions.
    #[must_use]
    pub fn clients(mut self, clients: usize) -> Self {
        self.clients = clients;
        self
    }

    /// Sets the number of server transactions.
    #[must_use]
    pub fn servers(mut self, servers: usize) -> Self {
        self.servers = servers;
        self
    }

    /// Sets the number of connections.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets how many connections one address may open.
    #[must_use]
    pub fn connections_of_one(mut self, connections: usize) -> Self {
        self.connections_of_one = connections;
        self
    }

    /// Sets after which time without traffic a connection is closed.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets how long a message may be in coming on a connection.
    #[must_use]
    pub fn slow(mut self, slow: Duration) -> Self {
        self.slow = slow;
        self
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Direction {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

/// Sees each message as it is on the wire: for traces, captures, reports.
///
/// Called from within the layer: it must be quick and must not block. Credentials are not taken out.
pub trait Tap: Debug + Send + Sync {
    /// One whole message (or a datagram that is none).
    fn message(&self, now: Instant, direction: Direction, flow: &Flow, bytes: &[u8]);
}

/// Decides for each new request whether it is worked on; a rate limit for each source belongs here.
///
/// Called from within the layer before a transaction is made: it must be quick and must not block.
pub trait Admission: Debug + Send + Sync {
    /// Whether to take a request from this flow; one that is not taken is dropped over UDP, answered 503 elsewhere.
    fn admit(&self, now: Instant, flow: &Flow) -> bool;
}
