//! [`Flows`]: which connections are open, to whom, and what has come on them.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sip_msg::{Framer, Host, HostPort, Text};

use crate::{ConnectId, Flow, Transport};

/// When the table is full of connections that all have been used, this part of them makes room at once: looking for the
/// least used one takes long.
const ROOM: usize = 64;

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

impl Peer {
    pub(crate) fn server(&self) -> (Transport, SocketAddr) {
        (self.transport, self.remote)
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) framer: Framer,
    /// Whom requests over it reach: [`Flows::by_peer`] leads from each of them to it.
    peers: Vec<Peer>,
    /// The peer has opened it.
    accepted: bool,
    /// The host that stands in the peer's Via and Contact, and cannot be resolved: [`Flows::by_name`].
    name: Option<Text>,
    /// The SIP domains that the peer has proven to stand for, until an alias was made of them.
    identities: Vec<Text>,
    /// A whole message has come.
    heard: bool,
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

impl Connection {
    /// The peer has opened it, and no whole message has come.
    fn is_stranger(&self) -> bool {
        self.accepted && !self.heard
    }
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
    /// WebSocket clients know no address of theirs: they make up a name (RFC 7118 §8).
    by_name: HashMap<Text, Flow>,
    /// How many connections each address has opened to us.
    sources: HashMap<IpAddr, usize>,
    /// Connections that were accepted, in that order: those nothing was heard from must go first.
    strangers: VecDeque<Flow>,
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
            by_name: HashMap::new(),
            sources: HashMap::new(),
            strangers: VecDeque::new(),
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
        // The same pair of addresses again: the last one has ended, and we are yet to be told.
        self.remove(&flow);
        let peer = peer.unwrap_or_else(|| {
            let address = Text::from(Host::from(flow.remote.ip()).to_string());
            Peer::new(flow.transport, flow.remote, &address)
        });
        if !accepted || !self.by_peer.contains_key(&peer) {
            self.by_peer.insert(peer.clone(), flow);
        }
        if accepted {
            *self.sources.entry(flow.remote.ip()).or_default() += 1;
            self.strangers.push_back(flow);
            if self.strangers.len() > 1024 + 2 * self.open.len() {
                let open = &self.open;
                self.strangers.retain(|flow| open.get(flow).is_some_and(Connection::is_stranger));
            }
        }
        let connection = Connection {
            framer: Framer::new(limits),
            peers: vec![peer],
            accepted,
            name: None,
            identities: Vec::new(),
            heard: false,
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

    /// A whole message has come.
    pub(crate) fn hear(&mut self, flow: &Flow) {
        if let Some(connection) = self.open.get_mut(flow) {
            connection.heard = true;
            connection.waiting_since = None;
        }
    }

    pub(crate) fn remove(&mut self, flow: &Flow) -> Option<Connection> {
        let connection = self.open.remove(flow)?;
        for peer in &connection.peers {
            if self.by_peer.get(peer) == Some(flow) {
                self.by_peer.remove(peer);
            }
        }
        if let Some(name) = &connection.name {
            self.by_name.remove(name);
        }
        if connection.accepted
            && let Some(count) = self.sources.get_mut(&flow.remote.ip())
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&flow.remote.ip());
            }
        }
        Some(connection)
    }

    /// How many connections this address has opened to us.
    pub(crate) fn of_source(&self, source: IpAddr) -> usize {
        self.sources.get(&source).copied().unwrap_or_default()
    }

    /// Connections to close so that another one finds room: the oldest that never brought a message, else some of those that
    /// were not used for longest.
    pub(crate) fn victims(&mut self) -> Vec<Flow> {
        while let Some(flow) = self.strangers.pop_front() {
            if self.open.get(&flow).is_some_and(Connection::is_stranger) {
                return vec![flow];
            }
        }
        let unused = |(at, flow): &(Instant, Flow)| {
            let connection = self.open.get(flow)?;
            let counts = connection.check_at == Some(*at) && connection.clients == 0;
            counts.then_some((connection.last_used, *flow))
        };
        let mut unused: Vec<_> = self.checks.iter().filter_map(unused).collect();
        let room = (self.open.len() / ROOM).max(1).min(unused.len());
        if room < unused.len() {
            unused.select_nth_unstable_by_key(room, |(last_used, flow)| (*last_used, Reverse(flow.remote)));
            unused.truncate(room);
        }
        unused.into_iter().map(|(_, flow)| flow).collect()
    }

    /// The peer of a connection has proven who it is.
    pub(crate) fn authenticate(&mut self, flow: &Flow, identities: Vec<Text>) {
        if let Some(connection) = self.open.get_mut(flow) {
            connection.identities = identities;
        }
    }

    /// The peer is ready to take requests over a connection it has opened, at the address in its Via, for the domains that it
    /// has proven to stand for ([RFC 5923 §8.2]). One that has proven nothing gets nothing. False: it gets nothing.
    ///
    /// [RFC 5923 §8.2]: https://www.rfc-editor.org/rfc/rfc5923#section-8.2
    pub(crate) fn alias(&mut self, flow: &Flow, sent_by: &HostPort) -> bool {
        let Some(connection) = self.open.get_mut(flow).filter(|connection| connection.accepted) else {
            return false;
        };
        let port = sent_by.port.unwrap_or(flow.transport.default_port());
        let address = SocketAddr::new(flow.remote.ip(), port);
        // Once: a peer that changes its mind about its port must open another connection.
        let identities = std::mem::take(&mut connection.identities);
        for identity in &identities {
            let peer = Peer::new(flow.transport, address, identity);
            self.by_peer.entry(peer.clone()).or_insert(*flow);
            connection.peers.push(peer);
        }
        !identities.is_empty()
    }

    /// The peer of a WebSocket calls itself so in Via, and nobody can resolve the name. While it has the connection open,
    /// nobody else gets the name.
    pub(crate) fn name(&mut self, flow: &Flow, name: &Text) {
        let Some(connection) = self.open.get_mut(flow).filter(|connection| connection.name.is_none()) else {
            return;
        };
        let name = Text::from(name.to_ascii_lowercase());
        if !self.by_name.contains_key(&name) {
            self.by_name.insert(name.clone(), *flow);
            connection.name = Some(name);
        }
    }

    /// The connection whose peer calls itself so.
    pub(crate) fn named(&self, name: &str) -> Option<Flow> {
        self.by_name.get(&Text::from(name.to_ascii_lowercase())).copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn flow(transport: Transport, port: u16) -> Flow {
        let local = SocketAddr::from(([192, 0, 2, 1], 5061));
        Flow::new(transport, local, SocketAddr::from(([192, 0, 2, 2], port)))
    }

    fn flows(accepted: &[Flow]) -> (Flows<()>, Instant) {
        let now = testkit::Clock::new().now();
        let mut flows = Flows::new(HOUR);
        for flow in accepted {
            flows.add(now, *flow, None, sip_msg::Limits::default());
        }
        (flows, now)
    }

    fn peer(port: u16, name: &str) -> Peer {
        Peer::new(Transport::Tls, SocketAddr::from(([192, 0, 2, 2], port)), &name.into())
    }

    fn sent_by(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    // rfc: 5923 §5 — the alias leads to the source address with the port of Via, or 5061
    // rfc: 5923 §8.2 — for the identities of the certificate, and nobody else
    #[test]
    fn an_alias_is_for_the_proven_domains_at_the_port_in_via() {
        for (via, port) in [("p1.example.com", 5061), ("p1.example.com:5077", 5077)] {
            let one = flow(Transport::Tls, 40_000);
            let (mut flows, _) = flows(&[one]);
            flows.authenticate(&one, vec!["example.com".into(), "p1.example.com".into()]);
            assert!(flows.alias(&one, &sent_by(via)));
            assert_eq!(flows.to(&peer(port, "Example.com")), Some(one));
            assert_eq!(flows.to(&peer(port, "p1.example.com")), Some(one));
            assert_eq!(flows.to(&peer(port, "example.net")), None, "rfc 5923 §9.3: another virtual server");
            assert_eq!(flows.to(&peer(port + 1, "example.com")), None);
            assert!(!flows.alias(&one, &sent_by("p1.example.com:9")), "once");
            flows.remove(&one);
            assert_eq!(flows.to(&peer(port, "example.com")), None);
        }
    }

    // rfc: 5923 §9.2 — without a certificate there is no alias, as if the parameter were not there
    // rfc: 5923 §9.3 — nor over TCP, where nobody can prove anything
    #[test]
    fn who_has_proven_nothing_gets_no_alias() {
        let (tls, tcp) = (flow(Transport::Tls, 40_000), flow(Transport::Tcp, 40_001));
        let (mut flows, _) = flows(&[tls, tcp]);
        assert!(!flows.alias(&tls, &sent_by("example.com")));
        assert!(!flows.alias(&tcp, &sent_by("example.com")));
        assert_eq!(flows.to(&peer(5061, "example.com")), None);
    }

    #[test]
    fn an_alias_takes_nothing_away_from_a_connection_that_stands() {
        let (mine, late) = (flow(Transport::Tls, 5061), flow(Transport::Tls, 40_000));
        let (mut flows, now) = flows(&[]);
        flows.add(now, mine, Some(peer(5061, "example.com")), sip_msg::Limits::default());
        flows.add(now, late, None, sip_msg::Limits::default());
        flows.authenticate(&late, vec!["example.com".into()]);
        flows.alias(&late, &sent_by("example.com"));
        assert_eq!(flows.to(&peer(5061, "example.com")), Some(mine));
        flows.remove(&late);
        assert_eq!(flows.to(&peer(5061, "example.com")), Some(mine));
    }

    #[test]
    fn room_is_made_by_strangers_first_and_then_by_who_was_silent_longest() {
        let all: Vec<_> = (1..=5).map(|port| flow(Transport::Tcp, port)).collect();
        let (mut flows, now) = flows(&all);
        for (at, flow) in (1..).zip(&all[1..]) {
            flows.hear(flow);
            flows.touch(now + Duration::from_secs(at), flow);
        }
        flows.get(&all[1]).unwrap().clients = 1;
        for expected in [&all[0], &all[2], &all[3], &all[4]] {
            let victims = flows.victims();
            assert_eq!(victims, [*expected]);
            victims.iter().for_each(|flow| drop(flows.remove(flow)));
        }
        assert_eq!(flows.victims(), [], "it is in use");
    }

    #[test]
    fn the_same_addresses_again_are_another_connection() {
        let one = flow(Transport::Tcp, 1);
        let (mut flows, now) = flows(&[one]);
        flows.hear(&one);
        flows.add(now, one, None, sip_msg::Limits::default());
        assert_eq!((flows.len(), flows.of_source(one.remote.ip())), (1, 1));
        assert_eq!(flows.victims(), [one], "nothing has come on the new one");
        flows.remove(&one);
        assert_eq!(flows.of_source(one.remote.ip()), 0);
    }
}
