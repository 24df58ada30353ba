//! Real sockets for a [`TransactionLayer`](crate::TransactionLayer) (feature `tokio`; TLS with feature `tls`).
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
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{Action, Answer, ConnectId, Flow, Input, QueryId, Question, Transport};

mod connection;
mod dns;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod udp;

use connection::Writer;

/// How many inputs of connections may wait for the core; beyond it, their readers wait.
const INPUTS: usize = 1024;
/// How long a connection may take to open, and a TLS handshake to end.
const OPEN: Duration = Duration::from_secs(10);

/// An address to listen on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listen {
    /// UDP, TCP or TLS.
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

/// How TLS connections are made: the caller's rustls configurations, certificates and trust.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
pub struct Tls {
    /// For connections that we open.
    pub client: std::sync::Arc<rustls::ClientConfig>,
    /// For connections that we accept.
    pub server: Option<std::sync::Arc<rustls::ServerConfig>>,
}

/// There is no TLS without the feature `tls`.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Copy, Debug)]
pub enum Tls {}

/// What the tasks of connections tell.
#[derive(Debug)]
enum Told {
    Opened { connect: Option<ConnectId>, flow: Flow, writer: Writer },
    Failed { connect: ConnectId, why: String },
    Bytes { flow: Flow, bytes: bytes::Bytes },
    Closed { flow: Flow, id: u64, why: String },
    Resolved { query: QueryId, answer: Answer },
}

/// All sockets of one transaction layer.
#[derive(Debug)]
pub struct Transports {
    addresses: Vec<(Transport, SocketAddr)>,
    udp: Vec<udp::Socket>,
    connections: HashMap<Flow, Writer>,
    tls: Option<Tls>,
    told: mpsc::Receiver<Told>,
    tell: mpsc::Sender<Told>,
    ready: VecDeque<Input>,
    /// Listeners end when this is dropped.
    listeners: JoinSet<()>,
}

impl Transports {
    /// Opens the sockets. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the system said, with the address; `Unsupported` for WebSocket, and for a TLS listener without a certificate.
    #[expect(
        clippy::unused_async,
        reason = "reading certificates again or asking for interfaces may wait later"
    )]
    pub async fn bind(listen: &[Listen], tls: Option<Tls>) -> io::Result<Self> {
        let (tell, told) = mpsc::channel(INPUTS);
        let mut transports = Self {
            addresses: Vec::new(),
            udp: Vec::new(),
            connections: HashMap::new(),
            tls,
            told,
            tell,
            ready: VecDeque::new(),
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
            Transport::Tls => {
                #[cfg(feature = "tls")]
                {
                    let Some(server) = self.tls.as_ref().and_then(|tls| tls.server.clone()) else {
                        return unsupported("a TLS listener needs a certificate");
                    };
                    let listener = tcp::bind(listen.address, None)?;
                    let bound = listener.local_addr()?;
                    self.listeners.spawn(tls::accept(listener, server, self.tell.clone()));
                    bound
                }
                #[cfg(not(feature = "tls"))]
                return unsupported("built without TLS");
            }
            Transport::Ws | Transport::Wss => return unsupported("WebSocket is not available yet"),
        };
        self.addresses.push((listen.transport, named(bound)));
        Ok(())
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
            poll_fn(|context| self.poll_ready(context)).await;
        }
    }

    /// Fills `ready`; pending while nothing came.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for socket in &mut self.udp {
            socket.poll_flush(context);
            socket.poll_receive(context, &mut self.ready);
        }
        let mut budget = 64;
        while budget > 0 {
            // The sender in `self` keeps the channel open.
            let Poll::Ready(Some(told)) = self.told.poll_recv(context) else { break };
            self.take(told);
            budget -= 1;
        }
        if self.ready.is_empty() && budget > 0 {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn take(&mut self, told: Told) {
        let input = match told {
            Told::Opened { connect, flow, writer } => {
                self.connections.insert(flow, writer);
                match connect {
                    Some(connect) => Input::Connected { connect, flow },
                    None => Input::Accepted { flow },
                }
            }
            Told::Failed { connect, why } => Input::ConnectFailed { connect, why: why.into() },
            Told::Bytes { flow, bytes } => {
                // What we closed ourselves brings nothing more.
                if !self.connections.contains_key(&flow) {
                    return;
                }
                Input::Stream { flow, bytes }
            }
            Told::Closed { flow, id, why } => {
                if self.connections.get(&flow).is_none_or(|writer| writer.id() != id) {
                    return;
                }
                self.connections.remove(&flow);
                Input::Closed { flow, why: why.into() }
            }
            Told::Resolved { query, answer } => Input::Resolved { query, answer },
        };
        self.ready.push_back(input);
    }

    /// Does what the layer asks for. Never blocks: what cannot be sent at once waits in a bounded queue, and a connection
    /// whose queue is full is closed.
    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Transmit(transmit) if transmit.flow.transport == Transport::Udp => {
                let socket = self.udp.iter_mut().find(|socket| socket.named() == transmit.flow.local);
                if !socket.is_some_and(|socket| socket.send(transmit.flow.remote, transmit.bytes)) {
                    self.ready.push_back(Input::Unreachable { flow: transmit.flow });
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
                self.connect(connect, transport, remote, server_name.as_deref());
            }
            // The task sends what it still has, then ends.
            Action::Close(flow) => drop(self.connections.remove(&flow)),
            Action::Resolve { query, question } => match question {
                Question::Addresses(name) => {
                    tokio::spawn(dns::addresses(name, query, self.tell.clone()));
                }
                Question::Naptr(_) => {
                    let answer = Answer::Naptr(Vec::new());
                    self.ready.push_back(Input::Resolved { query, answer });
                }
                Question::Srv(_) => {
                    let answer = Answer::Srv(Vec::new());
                    self.ready.push_back(Input::Resolved { query, answer });
                }
            },
        }
    }

    fn connect(
        &mut self,
        connect: ConnectId,
        transport: Transport,
        remote: SocketAddr,
        server_name: Option<&str>,
    ) {
        let tell = self.tell.clone();
        match (transport, server_name, &self.tls) {
            (Transport::Tcp, ..) => drop(tokio::spawn(tcp::connect(connect, remote, tell))),
            #[cfg(feature = "tls")]
            (Transport::Tls, Some(name), Some(tls)) => {
                let client = std::sync::Arc::clone(&tls.client);
                drop(tokio::spawn(tls::connect(connect, remote, name.to_owned(), client, tell)));
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
