//! [`Flows`]: which connections are open, to whom, and what has come on them.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_msg::{Framer, Host, Text};

use crate::{ConnectId, Flow, Transport};

/// Whom a connection was opened to. A TLS connection is used again only for the name its certificate was checked against.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub(crate) struct Peer {
    transport: Transport,
    remote: SocketAddr,
    server_name: Option<Text>,
}

impl Peer {
    pub(crate) fn new(transport: Transport, remote: SocketAddr, server_name: &Text) -> Self {
        let server_name = transport.is_secure().then(|| server_name.to_ascii_lowercase().into());
        Self { transport, remote, server_name }
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) framer: Framer,
    peer: Option<Peer>,
    last_used: Instant,
    /// Since when a message has been coming (or none at all), and is not whole yet.
    pub(crate) waiting_since: Option<Instant>,
    /// When somebody will look whether it is idle: its place in the queue.
    check_at: Option<Instant>,
    /// When somebody will look whether it is slow: once at a time.
    pub(crate) watched_until: Option<Instant>,
    /// Until when the peer may answer our question whether it is there.
    pub(crate) pong_until: Option<Instant>,
    /// Client transactions that run over it.
    pub(crate) clients: usize,
}

/// A connection that is being opened, and who waits for it.
#[derive(Debug)]
pub(crate) struct Opening<W> {
    pub(crate) peer: Peer,
    pub(crate) waiting: Vec<W>,
}

/// All connections. UDP needs no entry: its flows always exist.
#[derive(Debug)]
pub(crate) struct Flows<W> {
    open: HashMap<Flow, Connection>,
    by_peer: HashMap<Peer, Flow>,
    opening: HashMap<ConnectId, Opening<W>>,
    opening_by_peer: HashMap<Peer, ConnectId>,
    /// When to look whether a connection is idle; each open one stands here once.
    checks: VecDeque<(Instant, Flow)>,
    idle: Duration,
}

impl<W> Flows<W> {
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            open: HashMap::new(),
            by_peer: HashMap::new(),
            opening: HashMap::new(),
            opening_by_peer: HashMap::new(),
            checks: VecDeque::new(),
            idle,
        }
    }

    /// Open and half-open connections.
    pub(crate) fn len(&self) -> usize {
        self.open.len() + self.opening.len()
    }

    /// A new connection; `peer` is known when we opened it.
    ///
    /// One that was accepted may take requests to exactly its remote address: that port is the other end of this very
    /// connection and of nothing else. It is never taken for a name, whose certificate was not checked (RFC 5923 §5).
    pub(crate) fn add(&mut self, now: Instant, flow: Flow, peer: Option<Peer>, limits: sip_msg::Limits) {
        let accepted = peer.is_none();
        let peer = peer.or_else(|| {
            let address = Text::from(Host::from(flow.remote.ip()).to_string());
            Some(Peer::new(flow.transport, flow.remote, &address))
        });
        if let Some(peer) = &peer
            && (!accepted || !self.by_peer.contains_key(peer))
        {
            self.by_peer.insert(peer.clone(), flow);
        }
        let connection = Connection {
            framer: Framer::new(limits),
            peer,
            last_used: now,
            waiting_since: accepted.then_some(now),
            check_at: now.checked_add(self.idle),
            watched_until: None,
            pong_until: None,
            clients: 0,
        };
        self.open.insert(flow, connection);
        if let Some(at) = now.checked_add(self.idle) {
            self.checks.push_back((at, flow));
            // Connections that come and go quickly must not make the queue grow.
            if self.checks.len() > 1024 + 2 * self.open.len() {
                let open = &self.open;
                self.checks.retain(|(at, flow)| {
                    open.get(flow).is_some_and(|connection| connection.check_at == Some(*at))
                });
            }
        }
    }

    pub(crate) fn get(&mut self, flow: &Flow) -> Option<&mut Connection> {
        self.open.get_mut(flow)
    }

    pub(crate) fn is_open(&self, flow: &Flow) -> bool {
        self.open.contains_key(flow)
    }

    /// Whether something of this connection ends at this very time.
    pub(crate) fn waits_until(&self, flow: &Flow, at: Instant) -> bool {
        self.open.get(flow).is_some_and(|connection| {
            connection.watched_until == Some(at) || connection.pong_until == Some(at)
        })
    }

    /// An open connection to a peer.
    pub(crate) fn to(&self, peer: &Peer) -> Option<Flow> {
        self.by_peer.get(peer).copied()
    }

    pub(crate) fn touch(&mut self, now: Instant, flow: &Flow) {
        if let Some(connection) = self.open.get_mut(flow) {
            connection.last_used = now;
        }
    }

    pub(crate) fn remove(&mut self, flow: &Flow) -> Option<Connection> {
        let connection = self.open.remove(flow)?;
        if let Some(peer) = &connection.peer
            && self.by_peer.get(peer) == Some(flow)
        {
            self.by_peer.remove(peer);
        }
        Some(connection)
    }

    /// Waits for a connection that is being opened already; gives back who cannot.
    pub(crate) fn join(&mut self, peer: &Peer, who: W, limit: usize) -> Result<ConnectId, W> {
        let Some(connect) = self.opening_by_peer.get(peer) else { return Err(who) };
        match self.opening.get_mut(connect) {
            Some(opening) if opening.waiting.len() < limit => {
                opening.waiting.push(who);
                Ok(*connect)
            }
            Some(_) | None => Err(who),
        }
    }

    pub(crate) fn start_opening(&mut self, connect: ConnectId, peer: Peer, who: W) {
        self.opening_by_peer.insert(peer.clone(), connect);
        self.opening.insert(connect, Opening { peer, waiting: vec![who] });
    }

    pub(crate) fn finish_opening(&mut self, connect: ConnectId) -> Option<Opening<W>> {
        let opening = self.opening.remove(&connect)?;
        if self.opening_by_peer.get(&opening.peer) == Some(&connect) {
            self.opening_by_peer.remove(&opening.peer);
        }
        Some(opening)
    }

    /// When to call [`Flows::next_idle`].
    pub(crate) fn next(&self) -> Option<Instant> {
        self.checks.front().map(|(at, _)| *at)
    }

    /// The next connection that nobody used for the idle time.
    pub(crate) fn next_idle(&mut self, now: Instant) -> Option<Flow> {
        while self.checks.front().is_some_and(|(at, _)| *at <= now) {
            let Some((at, flow)) = self.checks.pop_front() else { break };
            let next = now.checked_add(self.idle);
            let Some(connection) = self.open.get_mut(&flow) else { continue };
            if connection.check_at != Some(at) {
                continue;
            }
            connection.check_at = next;
            let unused = now.saturating_duration_since(connection.last_used);
            if unused >= self.idle && connection.clients == 0 {
                return Some(flow);
            }
            self.checks.extend(next.map(|at| (at, flow)));
        }
        None
    }
}
