//! The client side of the layer: requests, where they go, and their responses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sip_msg::{CSeq, HostPort, Method, Reason, Request, Response, Route, StatusCode, Text, Uri, Via};

use super::{LEARNT, TransactionLayer, Wake};
use crate::invite_client::{self, Ended, InviteClient, Output};
use crate::key::TransactionKey;
use crate::locate::{Locator, Target, Transports};
use crate::non_invite_client::{self, NonInviteClient};
use crate::timer::Timers;
use crate::transport::{Written, span};
use crate::{ClientId, ConnectId, Ending, Event, Flow, QueryId, Question, RequestError, Transport};

mod failover;

/// How one request is sent.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SendOptions {
    /// The branch to use, at the first target; a fresh one unless set. An ACK that is repeated has the same each time.
    pub branch: Option<Text>,
    /// The next hop, instead of what Route and Request-URI say.
    pub next_hop: Option<NextHop>,
    /// A connection to use as long as it is open; when it is not, or breaks, the next hop counts.
    pub rather: Option<Flow>,
}

/// A next hop that the caller knows better.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NextHop {
    /// An open connection or a pair of UDP addresses: no other way is tried.
    Flow(Flow),
    /// A URI to locate.
    Uri(Box<Uri>),
}

impl SendOptions {
    /// Sets the branch; it must begin with `z9hG4bK`.
    #[must_use]
    pub fn branch(mut self, branch: impl Into<Text>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// Sends on this flow, and on no other.
    #[must_use]
    pub fn on(mut self, flow: Flow) -> Self {
        self.next_hop = Some(NextHop::Flow(flow));
        self
    }

    /// Sends on this connection while it is open, and to the next hop otherwise: back to a peer that came over it, whose
    /// address may not be one that can be connected to.
    #[must_use]
    pub fn rather_on(mut self, flow: impl Into<Option<Flow>>) -> Self {
        self.rather = flow.into();
        self
    }

    /// Sends to where this URI leads.
    #[must_use]
    pub fn to(mut self, uri: Uri) -> Self {
        self.next_hop = Some(NextHop::Uri(Box::new(uri)));
        self
    }
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

/// Who is told about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    Request,
    /// An ACK to a 2xx: sent once, nothing follows.
    Ack,
    /// A CANCEL, or what is left of a try that went wrong: it ends by itself.
    Silent,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a request is nearly always running")]
enum Stage {
    /// Between two steps.
    Idle,
    Locating {
        query: QueryId,
        question: Question,
        until: Instant,
    },
    Connecting {
        connect: ConnectId,
        /// To whom.
        server: (Transport, SocketAddr),
        until: Instant,
    },
    Running {
        flow: Flow,
        key: TransactionKey,
        machine: Machine,
    },
}

/// One request on its way, over one target after the other.
#[derive(Debug)]
pub(super) struct Client {
    purpose: Purpose,
    stage: Stage,
    /// Without our Via. `None` when there is nothing more to try.
    request: Option<Box<Request>>,
    method: Method,
    branch: Option<Text>,
    locator: Locator,
    /// The target of the connection that was open already and is used again: such a connection may be closing, and a new
    /// one may not (RFC 5923 §8.1).
    reused: Option<Target>,
    /// That has happened once.
    reopened: bool,
    /// Where TCP was put before UDP because of its size.
    oversize: Option<SocketAddr>,
    cancel_wanted: bool,
    /// What the CANCEL says of it.
    reason: Option<Box<Reason>>,
    cancelled: bool,
    /// A provisional response has come.
    provisional: bool,
    /// A 503, kept while the next target is tried.
    refused: Option<Box<(Flow, Response)>>,
    /// Why the last target failed.
    why: Option<Text>,
}

impl Client {
    fn new(purpose: Purpose, method: Method, stage: Stage) -> Self {
        Self {
            purpose,
            stage,
            request: None,
            method,
            branch: None,
            locator: Locator::nowhere(),
            reused: None,
            reopened: false,
            oversize: None,
            cancel_wanted: false,
            reason: None,
            cancelled: false,
            provisional: false,
            refused: None,
            why: None,
        }
    }

    /// Runs already, and nobody is told how it ends.
    fn silent(method: Method, stage: Stage) -> Self {
        Self::new(Purpose::Silent, method, stage)
    }

    pub(super) fn ends_at(&self, at: Instant) -> bool {
        match &self.stage {
            Stage::Running { machine: Machine::Invite(machine), .. } => machine.ends_at(at),
            Stage::Running { machine: Machine::NonInvite(machine), .. } => machine.ends_at(at),
            Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } => false,
        }
    }

    pub(super) fn is_stuck_until(&self, at: Instant) -> bool {
        match &self.stage {
            Stage::Locating { until, .. } | Stage::Connecting { until, .. } => *until == at,
            Stage::Idle | Stage::Running { .. } => false,
        }
    }

    fn machine(&mut self) -> Option<&mut Machine> {
        match &mut self.stage {
            Stage::Running { machine, .. } => Some(machine),
            Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } => None,
        }
    }
}

impl Machine {
    fn timers(&mut self) -> &mut Timers {
        match self {
            Self::Invite(machine) => machine.timers(),
            Self::NonInvite(machine) => machine.timers(),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Invite(machine) => machine.poll_output(),
            Self::NonInvite(machine) => machine.poll_output(),
        }
    }

    fn handle_response(&mut self, now: Instant, response: &Response) {
        match self {
            Self::Invite(machine) => machine.handle_input(now, invite_client::Input::Response(response)),
            Self::NonInvite(machine) => {
                machine.handle_input(now, non_invite_client::Input::Response(response))
            }
        }
    }

    fn fail(&mut self, now: Instant) {
        match self {
            Self::Invite(machine) => machine.handle_input(now, invite_client::Input::TransportFailed),
            Self::NonInvite(machine) => machine.handle_input(now, non_invite_client::Input::TransportFailed),
        }
    }

    fn is_answered(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_answered(),
            Self::NonInvite(machine) => machine.is_answered(),
        }
    }
}

impl TransactionLayer {
    /// Sends a request in a transaction of its own and tells its responses.
    ///
    /// The next hop is the first Route, else the Request-URI, found as [RFC 3263 §4] says; when it fails to take the request
    /// (no connection, no answer, 503), the next one is tried. Our Via is added. [`Event::ClientEnded`] always follows.
    ///
    /// # Errors
    /// [`RequestError`]: an ACK or CANCEL, a Route or Request-URI that leads nowhere, or too many transactions.
    ///
    /// [RFC 3263 §4]: https://www.rfc-editor.org/rfc/rfc3263#section-4
    pub fn request(
        &mut self,
        now: Instant,
        request: Request,
        options: SendOptions,
    ) -> Result<ClientId, RequestError> {
        match *request.method() {
            Method::ACK => Err(RequestError::WrongMethod),
            Method::CANCEL => Err(RequestError::Cancel),
            _ => self.send(now, request, options, Purpose::Request),
        }
    }

    /// Sends an ACK to a 2xx. It has no transaction: send it again, with the same branch, for each copy of the 2xx.
    ///
    /// # Errors
    /// [`RequestError`]: not an ACK, a Route or Request-URI that leads nowhere, or too many transactions.
    pub fn ack(&mut self, now: Instant, ack: Request, options: SendOptions) -> Result<(), RequestError> {
        if *ack.method() != Method::ACK {
            return Err(RequestError::WrongMethod);
        }
        self.send(now, ack, options, Purpose::Ack).map(drop)
    }

    /// Cancels an INVITE ([RFC 3261 §9.1]): at once if a provisional response has come, else as soon as one comes.
    ///
    /// Nothing is told of the CANCEL itself. The INVITE ends with its final response, a 487 most probably, or 64·T1 later. An
    /// INVITE that has not left yet never does. Another request, and one that is answered, is left alone.
    ///
    /// [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    pub fn cancel(&mut self, now: Instant, client: ClientId) {
        self.cancel_with(now, client, None);
    }

    /// The same, and the CANCEL says why ([RFC 3326]).
    ///
    /// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
    pub fn cancel_because(&mut self, now: Instant, client: ClientId, reason: Reason) {
        self.cancel_with(now, client, Some(Box::new(reason)));
    }

    fn cancel_with(&mut self, now: Instant, client: ClientId, reason: Option<Box<Reason>>) {
        let now = self.clamp(now);
        let Some(entry) = self.clients.get_mut(client.0) else { return };
        if entry.method != Method::INVITE || entry.purpose != Purpose::Request {
            return;
        }
        entry.cancel_wanted = true;
        entry.reason = reason;
        if let Stage::Running { .. } = entry.stage {
            self.cancel_if_ready(now, client);
        } else {
            let why = Text::from_static("cancelled before it was sent");
            self.finish(client, Ending::TransportFailed(why));
        }
        self.prune();
    }

    fn send(
        &mut self,
        now: Instant,
        request: Request,
        options: SendOptions,
        purpose: Purpose,
    ) -> Result<ClientId, RequestError> {
        let now = self.clamp(now);
        let limit = self.config.limits.clients;
        if self.clients.len() >= limit {
            return Err(RequestError::TooMany(limit));
        }
        request.headers().require::<CSeq>()?;
        let (locator, fixed) = self.next_hop(&request, options.next_hop)?;
        let rather = options.rather.filter(|flow| {
            let secure = flow.transport.is_secure() || !request.uri().is_ok_and(|uri| uri.is_sips());
            secure && self.flows.is_open(flow)
        });
        let fixed = fixed.or(rather);
        let client = Client {
            branch: options.branch,
            locator,
            method: request.method().clone(),
            request: Some(Box::new(request)),
            ..Client::new(purpose, Method::ACK, Stage::Idle)
        };
        let client = ClientId(self.clients.insert(client).ok_or(RequestError::TooMany(limit))?);
        match fixed {
            Some(flow) if flow.transport.is_reliable() && !self.flows.is_open(&flow) => {
                self.set_why(client, &Text::from_static("the connection is closed"));
                self.next_target(now, client);
            }
            Some(flow) => self.run(now, client, flow),
            None => self.next_target(now, client),
        }
        self.prune();
        Ok(client)
    }

    /// RFC 3261 §8.1.2: the first Route decides, or the Request-URI; a `sips:` Request-URI wants TLS either way.
    fn next_hop(
        &self,
        request: &Request,
        chosen: Option<NextHop>,
    ) -> Result<(Locator, Option<Flow>), RequestError> {
        let request_uri = request.uri()?;
        let uri = match chosen {
            Some(NextHop::Flow(flow)) => {
                // The flow is used at once, and nothing else is tried.
                return Ok((Locator::nowhere(), Some(flow)));
            }
            Some(NextHop::Uri(uri)) => *uri,
            None => match request.headers().all::<Route>().next().transpose()? {
                Some(route) => route.name_addr.uri,
                None => request_uri.clone(),
            },
        };
        let secure = request_uri.is_sips() || uri.is_sips();
        if let Some(flow) = self.web_socket_of(&uri).filter(|flow| flow.transport.is_secure() || !secure) {
            return Ok((Locator::nowhere(), Some(flow)));
        }
        let transports = Transports {
            udp: self.listening(Transport::Udp, None).is_some(),
            // A client needs no listener to open a connection.
            tcp: true,
            tls: true,
            ws: true,
        };
        let locator =
            Locator::new(&uri, request_uri.is_sips(), transports).ok_or(RequestError::Unroutable)?;
        Ok((locator, None))
    }

    /// Puts our Via on the request and hands it to a transaction on this flow.
    fn run(&mut self, now: Instant, id: ClientId, flow: Flow) {
        let sent_by = self.sent_by(&flow);
        let fresh = self.branch();
        let (timing, reliable) = (Arc::clone(&self.timing), flow.transport.is_reliable());
        let Some(client) = self.clients.get_mut(id.0) else { return };
        if reliable && client.oversize == Some(flow.remote) {
            // UDP stands in for a connection that does not open, not for one that does.
            client.locator.leave_out(Transport::Udp, flow.remote);
        }
        let last = !client.locator.has_more() && client.reused.is_none();
        let request = if last { client.request.take() } else { client.request.clone() };
        if last {
            // Thousands of requests wait for their answers like this.
            client.locator = Locator::nowhere();
        }
        let Some(mut request) = request.map(|request| *request) else { return };
        let branch = client.branch.take().unwrap_or(fresh);
        let mut via = Via::new(Text::from_static(flow.transport.name()), sent_by, branch.clone());
        via.set_rport(None);
        if self.config.alias && flow.transport == Transport::Tls {
            via.params.set_flag("alias");
        }
        request.headers_mut().push_front(&Written::from(&via));
        Self::settle_contact(request.headers_mut(), &flow);
        if client.purpose == Purpose::Ack {
            self.clients.remove(id.0);
            return self.transmit(now, flow, request.to_bytes());
        }
        let _span = span("client", &via).entered();
        tracing::debug!(%flow, method = request.method().as_str(), "a new transaction");
        let key = self.keys.client(&branch, request.method());
        let machine = if *request.method() == Method::INVITE {
            Machine::Invite(InviteClient::new(now, request.to_bytes(), timing, reliable))
        } else {
            Machine::NonInvite(NonInviteClient::new(now, request.to_bytes(), timing, reliable))
        };
        client.stage = Stage::Running { flow, key, machine };
        self.client_keys.insert(key, id);
        if let Some(connection) = self.flows.get(&flow) {
            connection.clients += 1;
        }
        self.drain_client(now, id, false);
    }

    pub(super) fn handle_response(&mut self, now: Instant, flow: Flow, response: Response) {
        let headers = response.headers();
        let (Some(Ok(via)), Ok(cseq)) = (headers.all::<Via>().next(), headers.require::<CSeq>()) else {
            return;
        };
        let _span = span("client", &via).entered();
        tracing::trace!(%flow, status = response.status().code(), "a response");
        let ours = self.is_ours(&via.sent_by.host, &flow);
        let key = via.branch().map(|branch| self.keys.client(branch, &cseq.method));
        let id = key.filter(|_| ours).and_then(|key| self.client_keys.get(&key).copied());
        let Some(id) = id else {
            // RFC 3261 §18.1.2: what we cannot have written into Via is dropped.
            if ours {
                self.counters.stray_responses += 1;
                self.tell(Event::StrayResponse { flow, response });
            } else {
                self.counters.foreign_responses += 1;
            }
            return;
        };
        self.learn(&via, flow);
        if let Some(Stage::Running { flow: used, .. }) = self.clients.get(id.0).map(|client| &client.stage) {
            self.judge(now, *used, &response);
        }
        if let Some(machine) = self.clients.get_mut(id.0).and_then(Client::machine) {
            machine.handle_response(now, &response);
        }
        self.drain_with_response(now, id, false, Some(response));
    }

    /// Remembers where the peer sees us, if that is not where we think we are.
    fn learn(&mut self, via: &Via, flow: Flow) {
        let (Some(ip), Some(Some(port))) = (via.received(), via.rport()) else { return };
        let name = self.config.name_for(flow.transport, Some(flow.remote.ip()));
        if flow.transport != Transport::Udp || name.is_some_and(|name| name.host().is_some()) {
            return;
        }
        let seen = HostPort::new(ip.into(), Some(port));
        let known = self.learnt.iter().position(|(known, _)| *known == flow);
        match known {
            Some(at) if seen == via.sent_by => drop(self.learnt.remove(at)),
            Some(at) => {
                if let Some(entry) = self.learnt.get_mut(at) {
                    entry.1 = seen;
                }
            }
            None if seen == via.sent_by => {}
            None => {
                self.learnt.truncate(LEARNT - 1);
                self.learnt.push_front((flow, seen));
            }
        }
    }

    pub(super) fn client_timeout(&mut self, now: Instant, id: ClientId) {
        match self.clients.get_mut(id.0).and_then(Client::machine) {
            Some(Machine::Invite(machine)) => machine.handle_timeout(now),
            Some(Machine::NonInvite(machine)) => machine.handle_timeout(now),
            None => return,
        }
        self.drain_client(now, id, true);
    }

    /// Does what a transaction asks for; `again`: what it sends was sent before.
    fn drain_client(&mut self, now: Instant, id: ClientId, again: bool) {
        self.drain_with_response(now, id, again, None);
    }

    fn drain_with_response(
        &mut self,
        now: Instant,
        id: ClientId,
        again: bool,
        mut response: Option<Response>,
    ) {
        let mut ended = None;
        let mut refused = false;
        while let Some(client) = self.clients.get_mut(id.0) {
            let Stage::Running { flow, machine, .. } = &mut client.stage else { break };
            let flow = *flow;
            match machine.poll_output() {
                Some(Output::Send(bytes)) => {
                    self.counters.retransmitted += u64::from(again);
                    self.transmit(now, flow, bytes);
                }
                Some(Output::Deliver) => {
                    let Some(response) = response.take() else { continue };
                    client.provisional |= response.status().is_provisional();
                    let more = client.request.is_some() && !client.cancel_wanted;
                    if response.status() == StatusCode::SERVICE_UNAVAILABLE && more {
                        client.refused = Some(Box::new((flow, response)));
                        refused = true;
                    } else if client.purpose == Purpose::Request {
                        self.tell(Event::Response { client: id, flow, response });
                    }
                }
                Some(Output::Ended(how)) => ended = Some(how),
                None => break,
            }
        }
        if matches!(ended, Some(Ended::TimedOut)) {
            self.note_silence(now, id);
        }
        let unanswered = self
            .clients
            .get(id.0)
            .is_some_and(|client| client.request.is_some() && !client.provisional && !client.cancel_wanted);
        match ended {
            _ if refused => return self.fail_over(now, id),
            Some(Ended::TimedOut | Ended::TransportFailed) if unanswered => return self.fail_over(now, id),
            Some(Ended::Normal) => return self.finish(id, Ending::Normal),
            Some(Ended::TimedOut) => return self.finish(id, Ending::TimedOut),
            Some(Ended::TransportFailed) => {
                let why = self.clients.get_mut(id.0).and_then(|client| client.why.take()).unwrap_or_default();
                return self.finish(id, Ending::TransportFailed(why));
            }
            None => {}
        }
        self.start_timers(id);
        self.cancel_if_ready(now, id);
    }

    fn start_timers(&mut self, id: ClientId) {
        while let Some(machine) = self.clients.get_mut(id.0).and_then(Client::machine) {
            let Some((wait, at)) = machine.timers().poll_started() else { break };
            self.wakeups.push(wait, at, Wake::Client(id));
        }
    }

    fn release(&mut self, flow: &Flow) {
        if let Some(connection) = self.flows.get(flow) {
            connection.clients = connection.clients.saturating_sub(1);
        }
    }

    /// Forgets a transaction and tells how it ended.
    fn finish(&mut self, id: ClientId, ending: Ending) {
        let Some(client) = self.clients.remove(id.0) else { return };
        match client.stage {
            Stage::Running { flow, key, .. } => {
                self.client_keys.remove(&key);
                self.release(&flow);
            }
            Stage::Locating { query, .. } => drop(self.queries.remove(&query)),
            Stage::Idle | Stage::Connecting { .. } => {}
        }
        if client.purpose == Purpose::Request {
            self.tell(Event::ClientEnded { client: id, ending });
        }
    }

    /// RFC 3261 §9.1: with the INVITE's branch, to where the INVITE went, once a provisional response has come.
    fn cancel_if_ready(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        if !client.cancel_wanted || client.cancelled {
            return;
        }
        let Stage::Running { flow, machine: Machine::Invite(invite), .. } = &mut client.stage else { return };
        if !invite.is_proceeding() {
            return;
        }
        client.cancelled = true;
        let flow = *flow;
        let Some(request) = invite.request() else { return };
        let cancel = invite_client::cancel(&request, client.reason.take().as_deref());
        let branch = request.headers().get::<Via>().ok().flatten();
        invite.handle_input(now, invite_client::Input::Cancelled);
        self.start_timers(id);
        let Some(branch) = branch.as_ref().and_then(Via::branch) else { return };
        self.run_cancel(now, flow, branch, cancel);
    }

    fn run_cancel(&mut self, now: Instant, flow: Flow, branch: &str, bytes: Bytes) {
        let key = self.keys.client(branch, &Method::CANCEL);
        let (timing, reliable) = (Arc::clone(&self.timing), flow.transport.is_reliable());
        let machine = Machine::NonInvite(NonInviteClient::new(now, bytes, timing, reliable));
        let client = Client::silent(Method::CANCEL, Stage::Running { flow, key, machine });
        if let Some(id) = self.clients.insert(client).map(ClientId) {
            self.client_keys.insert(key, id);
            if let Some(connection) = self.flows.get(&flow) {
                connection.clients += 1;
            }
            self.drain_client(now, id, false);
        }
    }
}
