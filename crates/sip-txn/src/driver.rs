//! Real sockets for a [`TransactionLayer`](crate::TransactionLayer) (feature `tokio`; TLS with feature `tls`, WebSocket with
//! `ws`).
//!
//! [`Transports`] opens them, turns what they bring into [`Input`]s and performs [`Action`]s. It holds no protocol thought:
//!
//! ```no_run
//! use sip_txn::{Config, Event, Output, TransactionLayer, Transport};
//! use sip_txn::driver::{self, Listen, Transports};
//!
//! # async fn run(seed: [u8; 32]) -> std::io::Result<()> {
//! let listen = [Listen::new(Transport::Udp, ([0, 0, 0, 0], 5060).into())];
//! let mut transports = Transports::bind(&listen, None).await?;
//! let mut config = Config::new(seed);
//! for (transport, address) in transports.local_addresses() {
//!     config = config.listen(*transport, *address);
//! }
//! let mut layer = TransactionLayer::new(config);
//! loop {
//!     while let Some(output) = layer.poll_output() {
//!         match output {
//!             Output::Action(action) => transports.perform(action),
//!             Output::Event(event) => println!("{event:?}"),
//!         }
//!     }
//!     let timeout = layer.poll_timeout();
//!     tokio::select! {
//!         input = transports.next() => layer.handle_input(driver::now(), input),
//!         () = driver::sleep_until(timeout) => layer.handle_timeout(driver::now()),
//!     }
//! }
//! # }
//! ```
#![expect(clippy::disallowed_methods, reason = "a driver reads the clock and spawns tasks")]

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::Text;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::{Action, Answer, ConnectId, Flow, Input, Question, Transport};

mod connection;
mod dns;
#[cfg(any(feature = "tls", feature = "ws"))]
mod half_open;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod udp;
#[cfg(feature = "ws")]
mod ws;

use connection::Writer;
#[cfg(feature = "dns")]
pub use dns::Dns;
use dns::Lookups;
pub use dns::{HostResolver, Resolver, Resolving, SystemResolver, locate};
#[cfg(feature = "tls")]
pub use tls::{Certificates, Tls};
#[cfg(feature = "ws")]
pub use ws::{Handshake, HandshakeAdmission, Refusal, WebSocket};

/// How many inputs of connections may wait for the core; beyond it, their readers wait.
const INPUTS: usize = 1024;
/// How long a connection may take to open, and a TLS handshake to end.
const OPEN: Duration = Duration::from_secs(10);

/// An address to listen on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listen {
    /// UDP, TCP, TLS, or WebSocket without or with TLS.
    pub transport: Transport,
    /// The address; port 0 picks one, and TCP takes the same as UDP before it if that is free.
    pub address: SocketAddr,
}

impl Listen {
    /// An address to listen on.
    #[must_use]
    pub const fn new(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address }
    }
}

/// There is no TLS without the feature `tls`.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Debug)]
pub enum Tls {}

/// How connections are made and hosts are found: certificates, the rules for WebSockets, the resolver.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// TLS, if there is any.
    pub tls: Option<Tls>,
    /// WebSocket handshakes.
    #[cfg(feature = "ws")]
    pub web_socket: WebSocket,
    /// Who answers questions to the DNS; [`SystemResolver`] unless set.
    pub resolver: Option<Arc<dyn Resolver>>,
}

impl Settings {
    /// Sets how TLS connections are made.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets who answers questions to the DNS.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Sets how WebSockets are made.
    #[cfg(feature = "ws")]
    #[must_use]
    pub fn web_socket(mut self, web_socket: WebSocket) -> Self {
        self.web_socket = web_socket;
        self
    }
}

impl From<Option<Tls>> for Settings {
    fn from(tls: Option<Tls>) -> Self {
        Self { tls, ..Self::default() }
    }
}

/// What the tasks of connections tell.
#[derive(Debug)]
enum Told {
    Opened {
        connect: Option<ConnectId>,
        flow: Flow,
        identities: Vec<Text>,
        writer: Writer,
    },
    Failed {
        connect: ConnectId,
        why: String,
    },
    Bytes {
        flow: Flow,
        bytes: Bytes,
    },
    /// One whole message of a WebSocket.
    #[cfg(feature = "ws")]
    Message {
        flow: Flow,
        bytes: Bytes,
    },
    Closed {
        flow: Flow,
        id: u64,
        why: String,
    },
    Resolved {
        question: Question,
        answer: Answer,
    },
}

/// All sockets of one transaction layer.
#[derive(Debug)]
pub struct Transports {
    addresses: Vec<(Transport, SocketAddr)>,
    udp: Vec<udp::Socket>,
    connections: HashMap<Flow, Writer>,
    /// Certificates may change while we run.
    tls: watch::Sender<Option<Tls>>,
    #[cfg(feature = "ws")]
    web_socket: Arc<WebSocket>,
    lookups: Lookups,
    told: mpsc::Receiver<Told>,
    tell: mpsc::Sender<Told>,
    ready: VecDeque<Input>,
    /// What connections told, and is not worked on: the end of one must not come before what it brought is answered.
    waiting: VecDeque<Told>,
    /// Listeners end when this is dropped.
    listeners: JoinSet<()>,
}

impl Transports {
    /// Opens the sockets. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the system said, with the address; `Unsupported` for a transport that is not built in, and for a TLS listener
    /// without a certificate.
    #[expect(
        clippy::unused_async,
        reason = "reading certificates again or asking for interfaces may wait later"
    )]
    pub async fn bind(listen: &[Listen], settings: impl Into<Settings>) -> io::Result<Self> {
        let settings = settings.into();
        let (tell, told) = mpsc::channel(INPUTS);
        let mut transports = Self {
            addresses: Vec::new(),
            udp: Vec::new(),
            connections: HashMap::new(),
            tls: watch::Sender::new(settings.tls),
            #[cfg(feature = "ws")]
            web_socket: Arc::new(settings.web_socket),
            lookups: Lookups::new(settings.resolver),
            told,
            tell,
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            listeners: JoinSet::new(),
        };
        for listen in listen {
            transports.listen(*listen).map_err(|error| {
                let name = listen.transport.name().to_ascii_lowercase();
                io::Error::new(error.kind(), format!("{name}:{}: {error}", listen.address))
            })?;
        }
        Ok(transports)
    }

    fn listen(&mut self, listen: Listen) -> io::Result<()> {
        let unsupported = |why: &str| Err(io::Error::new(io::ErrorKind::Unsupported, why));
        let bound = match listen.transport {
            Transport::Udp => {
                let socket = udp::Socket::bind(listen.address)?;
                let bound = socket.local();
                self.udp.push(socket);
                bound
            }
            Transport::Tcp => {
                let listener = tcp::bind(listen.address, self.sibling_port(listen.address))?;
                let bound = listener.local_addr()?;
                self.listeners.spawn(tcp::accept(listener, self.tell.clone()));
                bound
            }
            Transport::Tls | Transport::Ws | Transport::Wss => {
                #[cfg(feature = "tls")]
                let certified = self.tls.borrow().as_ref().is_some_and(|tls| tls.server.is_some());
                #[cfg(not(feature = "tls"))]
                let certified = false;
                if listen.transport.is_secure() && !certified {
                    return unsupported("a TLS listener needs a certificate");
                }
                if matches!(listen.transport, Transport::Ws | Transport::Wss) && cfg!(not(feature = "ws")) {
                    return unsupported("built without WebSocket");
                }
                let listener = tcp::bind(listen.address, None)?;
                let bound = listener.local_addr()?;
                self.accept(listen.transport, listener);
                bound
            }
        };
        self.addresses.push((listen.transport, named(bound)));
        Ok(())
    }

    /// Accepts connections that need a handshake.
    #[cfg_attr(
        not(any(feature = "tls", feature = "ws")),
        expect(unused_variables, clippy::unused_self, reason = "needs a feature")
    )]
    fn accept(&mut self, transport: Transport, listener: tokio::net::TcpListener) {
        #[cfg(any(feature = "tls", feature = "ws"))]
        let tell = self.tell.clone();
        #[cfg(feature = "tls")]
        let tls = self.tls.subscribe();
        #[cfg(feature = "ws")]
        let web_socket = Arc::clone(&self.web_socket);
        match transport {
            #[cfg(feature = "tls")]
            Transport::Tls => {
                drop(self.listeners.spawn(half_open::accept(listener, move |stream, remote| {
                    tls::open(stream, remote, tls.clone(), tell.clone())
                })))
            }
            #[cfg(feature = "ws")]
            Transport::Ws => {
                drop(self.listeners.spawn(half_open::accept(listener, move |stream, remote| {
                    ws::open(stream, remote, Arc::clone(&web_socket), tell.clone())
                })))
            }
            #[cfg(all(feature = "tls", feature = "ws"))]
            Transport::Wss => {
                drop(self.listeners.spawn(half_open::accept(listener, move |stream, remote| {
                    let web_socket = Arc::clone(&web_socket);
                    ws::secure::open(stream, remote, tls.clone(), web_socket, tell.clone())
                })))
            }
            _ => {}
        }
    }

    /// The port of a UDP socket on the same address, for a TCP listener whose port is free to choose (RFC 3261 §18.2.1).
    fn sibling_port(&self, address: SocketAddr) -> Option<u16> {
        let ip = named(address).ip();
        let sibling =
            |(transport, bound): &&(Transport, SocketAddr)| *transport == Transport::Udp && bound.ip() == ip;
        self.addresses.iter().find(sibling).map(|(_, bound)| bound.port()).filter(|_| address.port() == 0)
    }

    /// What is listened on, with the ports that were picked. Instead of `0.0.0.0` or `[::]`, which nobody can send to, stands
    /// the address this machine reaches others from. For [`Config::listen`](crate::Config::listen).
    #[must_use]
    pub fn local_addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    /// For changing certificates later, from anywhere.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        Certificates(self.tls.clone())
    }

    /// Datagrams that were not sent because the system took no more and too many waited already.
    #[must_use]
    pub fn dropped_datagrams(&self) -> u64 {
        self.udp.iter().map(udp::Socket::dropped).sum()
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// The next input for the layer. Cancel safe.
    pub async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.ready.pop_front() {
                return input;
            }
            if let Some(told) = self.waiting.pop_front() {
                self.take(told);
                continue;
            }
            poll_fn(|context| self.poll_ready(context)).await;
        }
    }

    /// Fills `ready`; pending while nothing came.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for socket in &mut self.udp {
            socket.poll_flush(context);
            socket.poll_errors(context, &mut self.ready);
            socket.poll_receive(context, &mut self.ready);
        }
        let mut budget = 64;
        while budget > 0 {
            // The sender in `self` keeps the channel open.
            let Poll::Ready(Some(told)) = self.told.poll_recv(context) else { break };
            self.waiting.push_back(told);
            budget -= 1;
        }
        if self.ready.is_empty() && self.waiting.is_empty() && budget > 0 {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn take(&mut self, told: Told) {
        let input = match told {
            Told::Opened { connect, flow, identities, writer } => {
                self.connections.insert(flow, writer);
                self.ready.push_back(match connect {
                    Some(connect) => Input::Connected { connect, flow },
                    None => Input::Accepted { flow },
                });
                if identities.is_empty() {
                    return;
                }
                Input::Authenticated { flow, identities }
            }
            Told::Failed { connect, why } => Input::ConnectFailed { connect, why: why.into() },
            Told::Bytes { flow, bytes } => {
                // What we closed ourselves brings nothing more.
                if !self.connections.contains_key(&flow) {
                    return;
                }
                Input::Stream { flow, bytes }
            }
            #[cfg(feature = "ws")]
            Told::Message { flow, bytes } => {
                if !self.connections.contains_key(&flow) {
                    return;
                }
                Input::Datagram { flow, bytes }
            }
            Told::Closed { flow, id, why } => {
                if self.connections.get(&flow).is_none_or(|writer| writer.id() != id) {
                    return;
                }
                self.connections.remove(&flow);
                Input::Closed { flow, why: why.into() }
            }
            Told::Resolved { question, answer } => {
                let asked = self.lookups.take(&question);
                let inputs = asked.into_iter().map(|query| Input::Resolved { query, answer: answer.clone() });
                return self.ready.extend(inputs);
            }
        };
        self.ready.push_back(input);
    }

    /// Does what the layer asks for. Never blocks: what cannot be sent at once waits in a bounded queue, and a connection
    /// whose queue is full is closed.
    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Transmit(transmit) if transmit.flow.transport == Transport::Udp => {
                let flow = transmit.flow;
                let sent = match self.udp.iter_mut().find(|socket| socket.has(flow.local)) {
                    Some(socket) => socket.send(flow.remote, transmit.bytes),
                    None => Err(io::ErrorKind::AddrNotAvailable.into()),
                };
                if let Err(error) = sent {
                    let why = error.to_string().into();
                    self.ready.push_back(Input::Unreachable { flow, why, quoted: None });
                }
            }
            Action::Transmit(transmit) => {
                let flow = transmit.flow;
                let Some(writer) = self.connections.get(&flow) else { return };
                if let Err(why) = writer.send(transmit.bytes) {
                    if let Some(writer) = self.connections.remove(&flow) {
                        writer.abort();
                    }
                    self.ready.push_back(Input::Closed { flow, why: why.into() });
                }
            }
            Action::Connect { connect, transport, remote, server_name } => {
                self.connect(connect, transport, remote, server_name);
            }
            // The task sends what it still has, then ends.
            Action::Close(flow) => drop(self.connections.remove(&flow)),
            Action::Resolve { query, question } => self.lookups.ask(query, question, self.tell.clone()),
        }
    }

    fn connect(
        &mut self,
        connect: ConnectId,
        transport: Transport,
        remote: SocketAddr,
        server_name: Option<Text>,
    ) {
        let tell = self.tell.clone();
        let tls = self.tls.borrow().clone();
        #[cfg(feature = "ws")]
        let web_socket = Arc::clone(&self.web_socket);
        match (transport, server_name, tls) {
            (Transport::Tcp, ..) => drop(tokio::spawn(tcp::connect(connect, remote, tell))),
            #[cfg(feature = "tls")]
            (Transport::Tls, Some(name), Some(tls)) => {
                drop(tokio::spawn(tls::connect(connect, remote, name, tls.client, tell)));
            }
            #[cfg(feature = "ws")]
            (Transport::Ws, name, _) => {
                drop(tokio::spawn(ws::connect(connect, remote, name, web_socket, tell)));
            }
            #[cfg(all(feature = "tls", feature = "ws"))]
            (Transport::Wss, Some(name), Some(tls)) => {
                let config = tls.web.unwrap_or(tls.client);
                let opening = ws::secure::connect(connect, remote, name, config, web_socket, tell);
                drop(tokio::spawn(opening));
            }
            _ => {
                let why = format!("{transport} to {remote} is not available").into();
                self.ready.push_back(Input::ConnectFailed { connect, why });
            }
        }
    }
}

/// The clock of tokio, which tests can pause.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until a time that `poll_timeout` named; for ever when it named none.
pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The address this machine would reach `remote` from. Nothing is sent.
///
/// # Errors
/// What the system said: there is no way to `remote`.
pub fn address_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr =
        if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// An address that others can send to: instead of a wildcard the one we reach the world from, or loopback without a network.
fn named(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        // Documentation addresses (RFC 5737, RFC 3849): somewhere behind the default route.
        let (world, loopback): (IpAddr, IpAddr) = if address.is_ipv4() {
            (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::LOCALHOST.into())
        } else {
            (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), Ipv6Addr::LOCALHOST.into())
        };
        address.set_ip(address_towards(SocketAddr::new(world, 9)).unwrap_or(loopback));
    }
    address
}
