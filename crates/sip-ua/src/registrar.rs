//! A small registrar and proxy for development and tests: digest, a location table, Record-Route, forking to all
//! bindings. In memory and bounded.

mod location;
mod proxy;
mod register;
mod response_context;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use sip_msg::{Allow, Host, Method, Request, Response, Route, StatusCode, Supported, Text, Uri};
use sip_txn::{Action, Flow, Input, ServerId, TransactionLayer};
use zeroize::Zeroizing;

pub use location::Binding;

use crate::auth::digest::Algorithm;
use crate::auth::{Verdict, Verifier};
use crate::ids::Ids;
use location::Location;
use response_context::Forwarding;

/// Settings of a [`Registrar`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The transaction layer below.
    pub transactions: sip_txn::Config,
    /// The domain it is responsible for; also its realm. Requests for its own addresses are for it as well.
    pub domain: Text,
    /// What the Server header says.
    pub server: Text,
    /// A registration shorter than this is refused with 423; 10 s.
    pub min_expires: Duration,
    /// A registration longer than this is shortened; an hour.
    pub max_expires: Duration,
    /// Bindings of one user; 10.
    pub bindings: usize,
    /// Requests that are being forwarded at a time; beyond it they are answered 503. 10,000.
    pub forwarded: usize,
    /// How long the places of one preference ring before those of the next lower one are tried; 20 s.
    pub ring_time: Duration,
    /// The digest algorithms it offers, the preferred one first: SHA-256 and MD5. Old phones give up when one is offered that
    /// they do not know.
    pub algorithms: Vec<Algorithm>,
    users: BTreeMap<Text, Zeroizing<String>>,
}

impl Config {
    /// A registrar without users.
    pub fn new(transactions: sip_txn::Config, domain: impl Into<Text>) -> Self {
        Self {
            transactions,
            domain: domain.into(),
            server: concat!("voip-registrar/", env!("CARGO_PKG_VERSION")).into(),
            min_expires: Duration::from_secs(10),
            max_expires: Duration::from_secs(3600),
            bindings: 10,
            forwarded: 10_000,
            ring_time: Duration::from_secs(20),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            users: BTreeMap::new(),
        }
    }

    /// One more user.
    #[must_use]
    pub fn user(mut self, name: impl Into<Text>, password: impl Into<String>) -> Self {
        self.users.insert(name.into(), Zeroizing::new(password.into()));
        self
    }

    /// The shortest registration it grants.
    #[must_use]
    pub fn min_expires(mut self, time: Duration) -> Self {
        self.min_expires = time;
        self
    }

    /// How long the places of one preference (q) ring before those of the next lower one are tried.
    #[must_use]
    pub fn ring_time(mut self, time: Duration) -> Self {
        self.ring_time = time;
        self
    }

    /// The digest algorithms it offers, the preferred one first.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// The longest registration it grants.
    #[must_use]
    pub fn max_expires(mut self, time: Duration) -> Self {
        self.max_expires = time;
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("domain", &self.domain)
            .field("users", &self.users.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What happened, for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A user can be reached at these contacts now; none when it went away.
    Registered {
        /// The user.
        user: Text,
        /// Where.
        contacts: Vec<Uri>,
    },
    /// A REGISTER or a call without the right password.
    Denied {
        /// The user whose password was wrong.
        user: Text,
        /// Where it came from.
        flow: Flow,
    },
    /// A request was forwarded.
    Forwarded {
        /// Its method.
        method: Method,
        /// Its Request-URI as it came.
        target: Uri,
        /// To how many places.
        branches: usize,
    },
}

/// What [`Registrar::poll_output`] gives out.
#[derive(Debug)]
pub enum Output {
    /// For the transport driver.
    Action(Action),
    /// For the log.
    Event(Event),
}

/// The registrar and proxy: a core over a transaction layer, driven like the [`Agent`](crate::Agent).
///
/// Only its users may register and call; requests within a dialog follow the route they were given, which is marked so that
/// nobody makes one up. It forwards by
/// [RFC 3261 §16] and keeps no media.
///
/// [RFC 3261 §16]: https://www.rfc-editor.org/rfc/rfc3261#section-16
#[derive(Debug)]
pub struct Registrar {
    layer: TransactionLayer,
    config: Config,
    ids: Ids,
    registration: Verifier,
    calls: Verifier,
    route_key: proxy::RouteKey,
    location: Location,
    forwarding: Forwarding,
    output: VecDeque<Output>,
}

impl Registrar {
    /// A registrar at `now` with a secret `seed`.
    #[must_use]
    pub fn new(now: Instant, config: Config, seed: [u8; 32]) -> Self {
        let mut ids = Ids::new(seed);
        Self {
            layer: TransactionLayer::new(config.transactions.clone()),
            registration: verifier(now, &config, ids.key()),
            calls: verifier(now, &config, ids.key()).proxy(),
            route_key: proxy::RouteKey(ids.key()),
            ids,
            location: Location::default(),
            forwarding: Forwarding::default(),
            output: VecDeque::new(),
            config,
        }
    }

    /// Where a user can be reached.
    #[must_use]
    pub fn bindings(&self, now: Instant, user: &str) -> Vec<Binding> {
        self.location.lookup(now, user)
    }

    /// Takes what the network tells.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.layer.handle_input(now, input);
        self.drain(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        for user in self.location.expire(now) {
            self.tell_bindings(now, user);
        }
        self.ringing_timeout(now);
        self.drain(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.layer.poll_timeout(), self.location.next_expiry(), self.ringing_deadline()];
        times.into_iter().flatten().min()
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.layer.poll_output() {
            match output {
                sip_txn::Output::Action(action) => self.output.push_back(Output::Action(action)),
                sip_txn::Output::Event(event) => self.handle_event(now, event),
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: sip_txn::Event) {
        match event {
            sip_txn::Event::Request { server, flow, request } => {
                self.handle_request(now, server, flow, request)
            }
            sip_txn::Event::Ack { flow, request } => self.forward_ack(now, flow, request),
            sip_txn::Event::Cancelled { invite, .. } => self.given_up(now, invite),
            sip_txn::Event::Response { client, response, .. } => self.responded(now, client, response),
            sip_txn::Event::ClientEnded { client, ending } => self.branch_ended(now, client, &ending),
            sip_txn::Event::FlowClosed { flow, .. } => {
                for user in self.location.flow_closed(&flow) {
                    self.tell_bindings(now, user);
                }
            }
            // A stray response is not forwarded (RFC 6026 §7.2); what a lost connection means, its transactions say.
            sip_txn::Event::StrayResponse { .. }
            | sip_txn::Event::ServerEnded { .. }
            | sip_txn::Event::ResponseLost { .. }
            | sip_txn::Event::Pong { .. }
            | _ => {}
        }
    }

    fn handle_request(&mut self, now: Instant, server: ServerId, flow: Flow, request: Request) {
        match self.process(now, server, flow, &request) {
            Ok(()) => {}
            Err(mut response) => {
                response.headers_mut().replace(&sip_msg::Server(self.config.server.clone()));
                self.respond(now, server, *response);
            }
        }
    }

    /// Serves or forwards a request; an `Err` is the answer to give at once.
    fn process(
        &mut self,
        now: Instant,
        server: ServerId,
        flow: Flow,
        request: &Request,
    ) -> Result<(), Box<Response>> {
        let uri = request.uri().map_err(|error| self.answer(request, error.status()))?;
        // Routes that lead here are at their end (RFC 3261 §16.4).
        let leads_on = |route: Result<Route, _>| !route.is_ok_and(|route| self.is_ours(route.uri()));
        let for_us = self.is_ours(&uri) && uri.user().is_none() && !request.headers().all().any(leads_on);
        match *request.method() {
            Method::REGISTER if self.is_ours(&uri) => Err(self.register(now, flow, request)?),
            Method::OPTIONS if for_us => {
                let mut response = self.answer(request, StatusCode::OK);
                response.headers_mut().push(&supported());
                response.headers_mut().push(&Allow::from_iter([
                    Method::REGISTER,
                    Method::INVITE,
                    Method::ACK,
                    Method::BYE,
                    Method::CANCEL,
                    Method::OPTIONS,
                ]));
                Err(response)
            }
            _ => self.forward(now, server, flow, request),
        }
    }

    /// A URI of our domain or at one of our addresses.
    fn is_ours(&self, uri: &Uri) -> bool {
        let Some(host) = uri.host() else { return false };
        match &host {
            Host::Name(name) => name.eq_ignore_ascii_case(&self.config.domain),
            Host::V4(_) | Host::V6(_) => {
                host.to_string() == *self.config.domain || self.is_our_address(&host, uri.port())
            }
        }
    }

    /// An address we listen at. On all addresses of a machine we know only loopback and the one we write into messages.
    fn is_our_address(&self, host: &Host, port: Option<u16>) -> bool {
        self.layer.config().listening.iter().any(|(transport, bound)| {
            let written = self.layer.contact_address(*transport, None);
            let ours = host.ip().is_some_and(|ip| {
                ip == bound.ip() || (bound.ip().is_unspecified() && ip.is_loopback()) || written.host == *host
            });
            ours && port.unwrap_or(transport.default_port()) == bound.port()
        })
    }

    /// Where a user is now, for the log.
    fn tell_bindings(&mut self, now: Instant, user: Text) {
        let contacts = self.location.lookup(now, &user).into_iter().map(|binding| binding.contact).collect();
        self.output.push_back(Output::Event(Event::Registered { user, contacts }));
    }

    fn answer(&mut self, request: &Request, status: StatusCode) -> Box<Response> {
        Box::new(Response::answer(request, status).to_tag(&self.ids.tag()).build())
    }

    fn respond(&mut self, now: Instant, server: ServerId, response: Response) {
        if let Err(error) = self.layer.respond(now, server, response) {
            tracing::debug!(%error, "a response could not be sent");
        }
    }

    /// Whose password the request carries; an `Err` is the challenge.
    fn authenticate(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
        side: Side,
    ) -> Result<Text, Box<Response>> {
        let verifier = match side {
            Side::Registration => &mut self.registration,
            Side::Call => &mut self.calls,
        };
        let stale = match verifier.verify(now, request) {
            Verdict::Granted { username, .. } => return Ok(username),
            Verdict::Stale => true,
            Verdict::Missing => false,
            Verdict::Denied => {
                let user = request.headers().get::<sip_msg::From>().ok().flatten();
                let user = user.and_then(|from| from.uri().user().map(Text::from)).unwrap_or_default();
                self.output.push_back(Output::Event(Event::Denied { user, flow }));
                false
            }
        };
        let (status, challenges) = (verifier.status(), verifier.challenge(now, stale));
        let mut response = self.answer(request, status);
        for (name, value) in challenges {
            if let Err(error) = response.headers_mut().push_raw(name, value.as_bytes()) {
                tracing::warn!(%error, "the realm cannot be written");
            }
        }
        Err(response)
    }

    fn header<H: sip_msg::TypedHeader>(&mut self, request: &Request) -> Result<H, Box<Response>> {
        request.headers().require().map_err(|error| self.answer(request, error.status()))
    }
}

/// What a registrar says it can.
fn supported() -> Supported {
    Supported(vec![Text::from_static("path"), Text::from_static("outbound")])
}

/// Who checks the passwords of the users.
fn verifier(now: Instant, config: &Config, key: [u8; 32]) -> Verifier {
    let verifier = Verifier::new(now, config.domain.clone(), key).algorithms(&config.algorithms);
    config.users.iter().fold(verifier, |verifier, (name, password)| verifier.user(name.clone(), password))
}

/// Which password check a request goes through.
#[derive(Clone, Copy, Debug)]
enum Side {
    Registration,
    Call,
}
