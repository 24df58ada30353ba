//! [`TransactionLayer`]: owns all transactions and matches messages to them.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sip_msg::{
    Contact, HeaderName, Headers, Host, HostPort, Message, Request, Response, RetryAfter, StatusCode, Text,
    Uri, Via,
};

use crate::flows::Flows;
use crate::keep_alive::Probes;
use crate::key::{KeyMap, Keys};
use crate::penalty::PenaltyBox;
use crate::slab::Slab;
use crate::timer::{Timing, Wakeups};
use crate::transport::{response_address, text};
use crate::{
    Action, ClientId, Config, Counters, Direction, Event, Flow, Input, Output, QueryId, ServerId, Transmit,
    Transport,
};

mod client;
mod connection;
mod keep_alive;
mod server;

use client::Client;
pub use client::{NextHop, SendOptions};
use server::{ReturnPath, Server};

/// Stands in a Contact for our end of the connection that it goes out on.
const THIS_CONNECTION: &str = "this-connection.invalid";
/// At most so many addresses are remembered that peers say they see us at.
const LEARNT: usize = 64;

/// Whom a time is for.
#[derive(Clone, Copy, Debug)]
enum Wake {
    Client(ClientId),
    /// A client that waits for the DNS or a connection.
    Stuck(ClientId),
    Server(ServerId),
}

/// What a time is for on a connection; apart, since each transaction keeps two of the others.
#[derive(Clone, Copy, Debug)]
enum FlowWake {
    /// A connection on which a message does not come to its end.
    Slow(Flow),
    /// A connection that was asked whether it is alive.
    Pong(Flow),
    /// A UDP flow that was asked the same.
    Probe(Flow),
}

/// A message on a stream says its length.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("Content-Length is missing on a stream")]
struct Unframed;

/// Who waits for an answer of the DNS.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Client(ClientId),
    Server(ServerId),
}

/// Who waits for a connection to open.
#[derive(Debug)]
enum Waiting {
    Client(ClientId),
    Response(ServerId, Bytes),
}

/// SIP transactions over any number of transports ([RFC 3261 §17], [RFC 3261 §18]).
///
/// It reads no clock, no socket and no random source: all comes in through its methods, and what is to be done comes out
/// of [`poll_output`](Self::poll_output).
///
/// [RFC 3261 §17]: https://www.rfc-editor.org/rfc/rfc3261#section-17
/// [RFC 3261 §18]: https://www.rfc-editor.org/rfc/rfc3261#section-18
#[derive(Debug)]
pub struct TransactionLayer {
    config: Config,
    /// The configured times, for all transactions to share.
    timing: Arc<Timing>,
    random: ChaCha20Rng,
    keys: Keys,
    /// The latest time that was told; time does not run backwards here.
    latest: Option<Instant>,
    clients: Slab<Client>,
    servers: Slab<Server>,
    client_keys: KeyMap<ClientId>,
    server_keys: KeyMap<ServerId>,
    merge_keys: KeyMap<ServerId>,
    queries: HashMap<QueryId, Asker>,
    return_paths: HashMap<ServerId, ReturnPath>,
    flows: Flows<Waiting>,
    probes: Probes,
    penalties: PenaltyBox,
    wakeups: Wakeups<Wake>,
    flow_wakeups: Wakeups<FlowWake>,
    /// Where a peer says it sees us (`received` and `rport` of its responses).
    learnt: VecDeque<(Flow, HostPort)>,
    counters: Counters,
    next_id: u64,
    output: VecDeque<Output>,
}

impl TransactionLayer {
    /// A layer without transactions.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut random = ChaCha20Rng::from_seed(config.seed);
        let keys = Keys::new([random.next_u64(), random.next_u64(), random.next_u64(), random.next_u64()]);
        Self {
            flows: Flows::new(config.limits.idle),
            timing: config.timing.into(),
            config,
            probes: Probes::default(),
            random,
            keys,
            latest: None,
            clients: Slab::new(),
            servers: Slab::new(),
            client_keys: KeyMap::default(),
            server_keys: KeyMap::default(),
            merge_keys: KeyMap::default(),
            queries: HashMap::new(),
            return_paths: HashMap::new(),
            penalties: PenaltyBox::default(),
            wakeups: Wakeups::new(),
            flow_wakeups: Wakeups::new(),
            learnt: VecDeque::new(),
            counters: Counters::default(),
            next_id: 0,
            output: VecDeque::new(),
        }
    }

    /// Takes what the world did.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        let now = self.clamp(now);
        match input {
            Input::Datagram { flow, bytes } => self.handle_datagram(now, flow, bytes),
            Input::Stream { flow, bytes } => self.handle_stream(now, flow, &bytes),
            Input::Accepted { flow } => self.handle_accepted(now, flow),
            Input::Authenticated { flow, identities } => self.flows.authenticate(&flow, identities),
            Input::Connected { connect, flow } => self.handle_connected(now, connect, flow),
            Input::ConnectFailed { connect, why } => self.handle_connect_failed(now, connect, &why),
            Input::Closed { flow, why } => self.handle_closed(now, flow, why),
            Input::Unreachable { flow, why, quoted } => {
                self.handle_unreachable(now, flow, &why, quoted.as_deref());
            }
            Input::Resolved { query, answer } => self.handle_resolved(now, query, answer),
        }
        self.prune();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        while let Some(wake) = self.wakeups.pop_due(now) {
            match wake {
                Wake::Client(client) => self.client_timeout(now, client),
                Wake::Stuck(client) => self.client_stuck(now, client),
                Wake::Server(server) => self.server_timeout(now, server),
            }
        }
        while let Some(wake) = self.flow_wakeups.pop_due(now) {
            match wake {
                FlowWake::Slow(flow) => self.check_slow(now, flow),
                FlowWake::Pong(flow) => self.check_pong(now, flow),
                FlowWake::Probe(flow) => self.check_probe(now, flow),
            }
        }
        while let Some(flow) = self.flows.next_idle(now) {
            self.counters.closed_idle += 1;
            self.close(now, flow, &Text::from_static("idle"));
        }
        self.prune();
    }

    /// The next thing to be done or known; call it until `None` after each of the others.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wakeups.next().into_iter().chain(self.flow_wakeups.next()).chain(self.flows.next()).min()
    }

    /// What came, went and was dropped so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Live client and server transactions.
    #[must_use]
    pub fn live(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len())
    }

    /// Open and half-open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.flows.len()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What to write into Contact so that the peer at `remote` reaches us: the advertised host, else the address this peer
    /// says it sees us at (UDP only), else the bound one.
    ///
    /// For a connection-oriented transport that we do not listen on it is a stand-in, in place of which
    /// [`request`](Self::request) and [`respond`](Self::respond) write our end of the connection that the message goes out
    /// on: the only address at which the peer can reach us, over that very connection. [`settled`](Self::settled) tells it.
    #[must_use]
    pub fn contact_address(&self, transport: Transport, remote: Option<&SocketAddr>) -> HostPort {
        let bound = self.listening(transport, remote);
        let seen = |remote: &SocketAddr| {
            self.learnt
                .iter()
                .find(|(flow, _)| flow.transport == transport && flow.remote == *remote)
                .map(|(_, seen)| seen.clone())
        };
        let name = self.config.name_for(transport, remote.map(SocketAddr::ip));
        match (name.and_then(|name| Some((name, name.host()?))), bound) {
            (Some((name, host)), bound) => {
                HostPort::new(host.clone(), name.port_for(bound.map(|address| address.port())))
            }
            (None, Some(bound)) => remote.and_then(seen).unwrap_or_else(|| bound.into()),
            (None, None) if transport.is_reliable() => {
                HostPort::new(Host::Name(THIS_CONNECTION.into()), None)
            }
            (None, None) => match self.config.listening.first() {
                Some((_, address)) => HostPort::new(address.ip().into(), None),
                None => HostPort::new(Host::Name("localhost.invalid".into()), None),
            },
        }
    }

    /// A Contact of ours as it went out on `flow`.
    #[must_use]
    pub fn settled(contact: &Uri, flow: &Flow) -> Uri {
        let mut contact = contact.clone();
        if contact.host().is_some_and(|host| matches!(host, Host::Name(name) if *name == *THIS_CONNECTION)) {
            contact.set_host_port(flow.local);
        }
        contact
    }

    /// The addresses that the driver listens on have changed: another network, another interface.
    ///
    /// Transactions under way keep their addresses, and end as the transports tell.
    pub fn set_listening(&mut self, listening: Vec<(Transport, SocketAddr)>) {
        self.config.listening = listening;
        self.learnt.clear();
    }

    /// Whether a Contact of ours says where it leads already; one for a connection that is not open yet does not.
    #[must_use]
    pub fn is_settled(contact: &Uri) -> bool {
        !contact.host().is_some_and(|host| matches!(host, Host::Name(name) if *name == *THIS_CONNECTION))
    }

    /// Where the peer of a UDP flow says it sees us, if that is not the address we have ourselves: a NAT is between.
    #[must_use]
    pub fn seen_at(&self, flow: &Flow) -> Option<&HostPort> {
        self.learnt.iter().find(|(known, _)| known == flow).map(|(_, seen)| seen)
    }

    /// Writes our end of the connection into a Contact that waited for it.
    fn settle_contact(headers: &mut Headers, flow: &Flow) {
        let waits = |value: &[u8]| {
            value.windows(THIS_CONNECTION.len()).any(|part| part == THIS_CONNECTION.as_bytes())
        };
        if !flow.transport.is_reliable() || !headers.raw(HeaderName::CONTACT).is_some_and(waits) {
            return;
        }
        if let Ok(Some(Contact::Address(mut address))) = headers.get::<Contact>() {
            address.name_addr.uri = Self::settled(&address.name_addr.uri, flow);
            headers.replace_front(&Contact::Address(address));
        }
    }

    /// The address we listen on for a transport, of the family of `remote`.
    fn listening(&self, transport: Transport, remote: Option<&SocketAddr>) -> Option<SocketAddr> {
        let mut addresses = self
            .config
            .listening
            .iter()
            .filter(|(listening, _)| *listening == transport)
            .map(|(_, address)| *address);
        match remote {
            Some(remote) => addresses.find(|address| address.is_ipv4() == remote.is_ipv4()),
            None => addresses.next(),
        }
    }

    /// What goes into Via as sent-by. A connection leaves from any port, but we are reached at the one we listen on.
    fn sent_by(&self, flow: &Flow) -> HostPort {
        let bound = match flow.transport {
            Transport::Udp => flow.local,
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.listening(flow.transport, Some(&flow.remote)).unwrap_or(flow.local)
            }
        };
        let name = self.config.name_for(flow.transport, Some(flow.remote.ip()));
        match name.and_then(|name| Some((name, name.host()?))) {
            Some((name, host)) => HostPort::new(host.clone(), name.port_for(Some(bound.port()))),
            None => bound.into(),
        }
    }

    /// Whether a host is one that we write into Via.
    fn is_ours(&self, host: &Host, flow: &Flow) -> bool {
        self.config.names.iter().any(|name| name.host() == Some(host))
            || host.ip().is_some_and(|ip| {
                ip == flow.local.ip() || self.config.listening.iter().any(|(_, address)| address.ip() == ip)
            })
    }

    fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(now);
        now
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn branch(&mut self) -> Text {
        let (first, second) = (self.random.next_u64(), self.random.next_u32());
        let mut branch = String::with_capacity(Via::MAGIC_COOKIE.len() + 24);
        // A string takes everything.
        let _ = write!(branch, "{}{first:016x}{second:08x}", Via::MAGIC_COOKIE);
        branch.into()
    }

    fn tell(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }

    fn act(&mut self, action: Action) {
        self.output.push_back(Output::Action(action));
    }

    /// Looks at a connection after a while; says when.
    fn wake(&mut self, now: Instant, wait: Duration, wake: FlowWake) -> Option<Instant> {
        let at = now.checked_add(wait)?;
        self.flow_wakeups.push(wait, at, wake);
        Some(at)
    }

    fn tap(&self, now: Instant, direction: Direction, flow: &Flow, bytes: &[u8]) {
        if let Some(tap) = &self.config.tap {
            tap.message(now, direction, flow, bytes);
        }
    }

    /// Sends one message on a flow that exists.
    fn transmit(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        self.counters.sent += 1;
        self.tap(now, Direction::Sent, &flow, &bytes);
        self.flows.touch(now, &flow);
        self.act(Action::Transmit(Transmit { flow, bytes }));
    }

    fn handle_datagram(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        if matches!(flow.transport, Transport::Ws | Transport::Wss) {
            return self.handle_web_socket(now, flow, bytes);
        }
        if crate::stun::is_stun(&bytes) {
            return self.handle_stun(flow, &bytes);
        }
        // Phones keep their NAT open with line ends or NULs.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        self.handle_message(now, flow, bytes);
    }

    /// One message, whole as far as its framing goes.
    fn handle_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        self.counters.received += 1;
        self.tap(now, Direction::Received, &flow, &bytes);
        let message = match Message::parse(bytes.clone(), &self.config.message_limits) {
            Ok(message) => message,
            Err(error) => {
                self.counters.malformed += 1;
                tracing::debug!(%flow, %error, "not a SIP message");
                if let Some(request) = Message::salvage(bytes, &self.config.message_limits) {
                    self.answer_stateless(now, flow, &request, error.status(), Some(&error));
                }
                return;
            }
        };
        if let Err(error) = message.check() {
            self.counters.malformed += 1;
            tracing::debug!(%flow, %error, "malformed message");
            if let Message::Request(request) = &message {
                self.answer_stateless(now, flow, request, error.status(), Some(&error));
            }
            return;
        }
        if matches!(flow.transport, Transport::Tcp | Transport::Tls)
            && !message.headers().contains(HeaderName::CONTENT_LENGTH)
        {
            return self.handle_unframed(now, flow, &message);
        }
        match message {
            Message::Request(request) => self.handle_request(now, flow, request, bytes),
            Message::Response(response) => self.handle_response(now, flow, response),
        }
    }

    /// A message on a stream that does not say where it ends ([RFC 3261 §18.3]): whether what follows is its body or the next
    /// message nobody can know, so nothing more is read.
    ///
    /// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    fn handle_unframed(&mut self, now: Instant, flow: Flow, message: &Message) {
        let why = Unframed;
        self.counters.malformed += 1;
        tracing::debug!(%flow, %why, "malformed message");
        if let Message::Request(request) = message {
            self.answer_stateless(now, flow, request, StatusCode::BAD_REQUEST, Some(&why));
        }
        self.close(now, flow, &text(why));
    }

    /// Answers without a transaction; never an ACK. The To tag is the same for each copy of a request, which is how its
    /// ACK is known again.
    fn answer_stateless(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
        status: StatusCode,
        why: Option<&dyn std::error::Error>,
    ) {
        if *request.method() == sip_msg::Method::ACK {
            return;
        }
        let mut answer = Response::answer(request, status).to_tag(&self.keys.stateless_tag(request));
        if let Some(why) = why {
            answer = answer.reason(&format!("{} ({why})", status.reason()));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = u32::try_from(self.config.limits.retry_after.as_secs()).unwrap_or(u32::MAX);
            answer = answer.header(&RetryAfter::new(seconds));
        }
        let mut response = answer.build();
        let mut reply = flow;
        if let Some(Ok(mut via)) = request.headers().all::<Via>().next() {
            let mut stamped = request.clone();
            crate::transport::stamp(&mut stamped, &mut via, flow.remote);
            response.headers_mut().replace_front(&via);
            if flow.transport == Transport::Udp {
                reply.remote = response_address(&via, flow.transport, flow.remote);
            }
        }
        self.transmit(now, reply, response.to_bytes());
    }

    /// Forgets times that nobody waits for.
    fn prune(&mut self) {
        let (clients, servers, flows, probes) = (&self.clients, &self.servers, &self.flows, &self.probes);
        let live = clients.len() + servers.len() + flows.len() + probes.len();
        self.wakeups.prune(live, |wake, at| match wake {
            Wake::Client(id) => clients.get(id.0).is_some_and(|client| client.ends_at(at)),
            Wake::Stuck(id) => clients.get(id.0).is_some_and(|client| client.is_stuck_until(at)),
            Wake::Server(id) => servers.get(id.0).is_some_and(|server| server.ends_at(at)),
        });
        self.flow_wakeups.prune(flows.len() + probes.len(), |wake, at| match wake {
            FlowWake::Slow(flow) | FlowWake::Pong(flow) => flows.waits_until(&flow, at),
            FlowWake::Probe(flow) => probes.waits_until(&flow, at),
        });
    }
}
