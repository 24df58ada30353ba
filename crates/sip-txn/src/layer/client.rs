//! The client side of the layer: requests, where they go, and their responses.

use std::time::Instant;

use bytes::Bytes;
use sip_msg::{CSeq, HeaderName, HostPort, Method, Request, Response, Route, StatusCode, Text, Uri, Via};

use super::{LEARNT, TransactionLayer, Waiting, Wake};
use crate::flows::Peer;
use crate::invite_client::{self, Ended, InviteClient, Output};
use crate::key::TransactionKey;
use crate::locate::{Locator, Step, Target, Transports};
use crate::non_invite_client::{self, NonInviteClient};
use crate::timer::Timers;
use crate::{
    Action, Answer, ClientId, ConnectId, Ending, Event, Flow, QueryId, Question, RequestError, Transport,
};

/// How one request is sent.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SendOptions {
    /// The branch to use, at the first target; a fresh one unless set. An ACK that is repeated has the same each time.
    pub branch: Option<Text>,
    /// The next hop, instead of what Route and Request-URI say.
    pub next_hop: Option<NextHop>,
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

    /// Sends to where this URI leads.
    #[must_use]
    pub fn to(mut self, uri: Uri) -> Self {
        self.next_hop = Some(NextHop::Uri(Box::new(uri)));
        self
    }
}

#[derive(Debug)]
enum Machine {
    Invite(Box<InviteClient>),
    NonInvite(Box<NonInviteClient>),
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
    request: Option<Request>,
    method: Method,
    branch: Option<Text>,
    locator: Locator,
    /// TCP was tried for its size already.
    oversize: bool,
    cancel_wanted: bool,
    cancelled: bool,
    /// A provisional response has come.
    provisional: bool,
    /// A 503, kept while the next target is tried.
    refused: Option<(Flow, Response)>,
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
            oversize: false,
            cancel_wanted: false,
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

    fn handle_response(&mut self, now: Instant, response: Response) {
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
        let now = self.clamp(now);
        let Some(entry) = self.clients.get_mut(client.0) else { return };
        if entry.method != Method::INVITE || entry.purpose != Purpose::Request {
            return;
        }
        entry.cancel_wanted = true;
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
        let client = Client {
            branch: options.branch,
            locator,
            method: request.method().clone(),
            request: Some(request),
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
        let transports = Transports {
            udp: self.listening(Transport::Udp, None).is_some(),
            // A client needs no listener to open a connection.
            tcp: true,
            tls: true,
        };
        let locator =
            Locator::new(&uri, request_uri.is_sips(), transports).ok_or(RequestError::Unroutable)?;
        Ok((locator, None))
    }

    /// Goes on until something must be waited for, or nothing is left to try.
    fn next_target(&mut self, now: Instant, id: ClientId) {
        while let Some(client) = self.clients.get_mut(id.0) {
            client.stage = Stage::Idle;
            match client.locator.step() {
                Step::Ask(question) => return self.ask(now, id, question),
                Step::Try(target) => {
                    if self.try_target(now, id, target) {
                        return;
                    }
                }
                Step::Exhausted => {
                    let refused = client.refused.take();
                    let why = client.why.take().unwrap_or_else(|| {
                        format!("no address found for {}", client.locator.domain()).into()
                    });
                    return match refused {
                        Some((flow, response)) => {
                            self.tell(Event::Response { client: id, flow, response });
                            self.finish(id, Ending::Normal);
                        }
                        None => self.finish(id, Ending::TransportFailed(why)),
                    };
                }
            }
        }
    }

    fn ask(&mut self, now: Instant, id: ClientId, question: Question) {
        let query = QueryId(self.id());
        let wait = self.config.timing.give_up();
        let Some(client) = self.clients.get_mut(id.0) else { return };
        let until = now.checked_add(wait).unwrap_or(now);
        client.stage = Stage::Locating { query, question: question.clone(), until };
        self.queries.insert(query, id);
        self.wakeups.push(wait, until, Wake::Stuck(id));
        self.act(Action::Resolve { query, question });
    }

    pub(super) fn handle_resolved(&mut self, now: Instant, query: QueryId, answer: Answer) {
        let Some(id) = self.queries.remove(&query) else { return };
        let Some(client) = self.clients.get_mut(id.0) else { return };
        let Stage::Locating { query: asked, question, .. } = &client.stage else { return };
        if *asked != query {
            return;
        }
        if let (Question::Addresses(name), Answer::Addresses(addresses)) = (question, &answer)
            && addresses.is_empty()
        {
            client.why = Some(format!("the host {name} is not known to the DNS").into());
        }
        client.locator.answer(answer, &mut self.random);
        self.next_target(now, id);
    }

    /// Starts to send to a target; false when that cannot be.
    fn try_target(&mut self, now: Instant, id: ClientId, target: Target) -> bool {
        let Some(client) = self.clients.get_mut(id.0) else { return true };
        if target.transport == Transport::Udp {
            let size = client.request.as_ref().map_or(0, wire_length);
            if size > self.config.datagram_bytes && !client.oversize {
                // RFC 3261 §18.1.1: over TCP, and back to UDP when the peer has none.
                client.oversize = true;
                client.locator.first(target.clone());
                client.locator.first(Target { transport: Transport::Tcp, ..target });
                self.next_target(now, id);
                return true;
            }
            client.oversize = false;
            let Some(local) = self.listening(Transport::Udp, Some(&target.address)) else {
                let family = if target.address.is_ipv4() { "IPv4" } else { "IPv6" };
                self.set_why(id, &format!("no UDP socket for {family} to reach {}", target.address).into());
                return false;
            };
            self.run(now, id, Flow::new(Transport::Udp, local, target.address));
            return true;
        }
        let peer = Peer::new(target.transport, target.address, &target.server_name);
        if let Some(flow) = self.flows.to(&peer) {
            self.run(now, id, flow);
            return true;
        }
        self.connect(now, id, target, peer)
    }

    fn connect(&mut self, now: Instant, id: ClientId, target: Target, peer: Peer) -> bool {
        let wait = self.config.timing.give_up();
        let until = now.checked_add(wait).unwrap_or(now);
        let connect = match self.flows.join(&peer, Waiting::Client(id), self.config.limits.waiting) {
            Ok(connect) => connect,
            Err(_) if self.flows.len() >= self.config.limits.connections => {
                self.set_why(id, &Text::from_static("too many connections are open"));
                return false;
            }
            Err(who) => {
                let connect = ConnectId(self.id());
                self.flows.start_opening(connect, peer, who);
                let server_name = target.transport.is_secure().then_some(target.server_name);
                let (transport, remote) = (target.transport, target.address);
                self.act(Action::Connect { connect, transport, remote, server_name });
                connect
            }
        };
        if let Some(client) = self.clients.get_mut(id.0) {
            client.stage = Stage::Connecting { connect, until };
        }
        self.wakeups.push(wait, until, Wake::Stuck(id));
        true
    }

    fn waits_for(&self, id: ClientId, connect: ConnectId) -> bool {
        self.clients.get(id.0).is_some_and(
            |client| matches!(&client.stage, Stage::Connecting { connect: awaited, .. } if *awaited == connect),
        )
    }

    pub(super) fn client_connected(&mut self, now: Instant, id: ClientId, connect: ConnectId, flow: Flow) {
        if self.waits_for(id, connect) {
            self.run(now, id, flow);
        }
    }

    pub(super) fn client_not_connected(
        &mut self,
        now: Instant,
        id: ClientId,
        connect: ConnectId,
        why: &Text,
    ) {
        if self.waits_for(id, connect) {
            self.set_why(id, why);
            self.fail_over(now, id);
        }
    }

    /// Neither the DNS nor the connection has answered in 64·T1.
    pub(super) fn client_stuck(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        match &client.stage {
            Stage::Locating { query, until, .. } if *until <= now => {
                let query = *query;
                self.queries.remove(&query);
                client.why = Some(Text::from_static("the DNS does not answer"));
                client.locator.answer(Answer::Addresses(Vec::new()), &mut self.random);
                self.next_target(now, id);
            }
            Stage::Connecting { until, .. } if *until <= now => {
                client.why = Some(Text::from_static("the connection does not open"));
                self.fail_over(now, id);
            }
            Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } | Stage::Running { .. } => {}
        }
    }

    /// Puts our Via on the request and hands it to a transaction on this flow.
    fn run(&mut self, now: Instant, id: ClientId, flow: Flow) {
        let sent_by = self.sent_by(&flow);
        let fresh = self.branch();
        let (timing, reliable) = (self.config.timing, flow.transport.is_reliable());
        let Some(client) = self.clients.get_mut(id.0) else { return };
        if client.oversize && reliable {
            // UDP stands in for a connection that does not open, not for one that does.
            client.oversize = false;
            client.locator.skip();
        }
        let last = !client.locator.has_more();
        let request = if last { client.request.take() } else { client.request.clone() };
        let Some(mut request) = request else { return };
        let branch = client.branch.take().unwrap_or(fresh);
        let mut via = Via::new(Text::from_static(flow.transport.name()), sent_by, branch.clone());
        via.set_rport(None);
        request.headers_mut().push_front(&via);
        Self::settle_contact(request.headers_mut(), &flow);
        if client.purpose == Purpose::Ack {
            self.clients.remove(id.0);
            return self.transmit(now, flow, request.to_bytes());
        }
        let key = self.keys.client(&branch, request.method());
        let machine = if *request.method() == Method::INVITE {
            Machine::Invite(Box::new(InviteClient::new(now, request, timing, reliable)))
        } else {
            Machine::NonInvite(Box::new(NonInviteClient::new(now, request.to_bytes(), timing, reliable)))
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
        if let Some(machine) = self.clients.get_mut(id.0).and_then(Client::machine) {
            machine.handle_response(now, response);
        }
        self.drain_client(now, id, false);
    }

    /// Remembers where the peer sees us, if that is not where we think we are.
    fn learn(&mut self, via: &Via, flow: Flow) {
        let (Some(ip), Some(Some(port))) = (via.received(), via.rport()) else { return };
        if flow.transport != Transport::Udp || self.config.advertised.is_some() {
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

    /// A flow has failed: all that run over it and wait for an answer.
    pub(super) fn fail_clients(&mut self, now: Instant, flow: Flow, why: &Text) {
        let ids: Vec<_> = self.clients.ids().map(ClientId).collect();
        for id in ids {
            let Some(client) = self.clients.get_mut(id.0) else { continue };
            match &mut client.stage {
                Stage::Running { flow: used, machine, .. } if *used == flow && !machine.is_answered() => {
                    client.why = Some(format!("{}: {why}", flow.remote).into());
                    machine.fail(now);
                    self.drain_client(now, id, false);
                }
                Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } | Stage::Running { .. } => {}
            }
        }
    }

    fn set_why(&mut self, id: ClientId, why: &Text) {
        if let Some(client) = self.clients.get_mut(id.0) {
            client.why = Some(why.clone());
        }
    }

    /// Does what a transaction asks for; `again`: what it sends was sent before.
    fn drain_client(&mut self, now: Instant, id: ClientId, again: bool) {
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
                Some(Output::Deliver(response)) => {
                    client.provisional |= response.status().is_provisional();
                    let more = client.request.is_some() && !client.cancel_wanted;
                    if response.status() == StatusCode::SERVICE_UNAVAILABLE && more {
                        client.refused = Some((flow, response));
                        refused = true;
                    } else if client.purpose == Purpose::Request {
                        self.tell(Event::Response { client: id, flow, response });
                    }
                }
                Some(Output::Ended(how)) => ended = Some(how),
                None => break,
            }
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

    /// Goes on to the next target ([RFC 3263 §4.3]). What runs to the last one is left to itself: a failure response that
    /// comes again must be acknowledged again.
    fn fail_over(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        self.counters.failovers += 1;
        let stage = std::mem::replace(&mut client.stage, Stage::Idle);
        if let Stage::Running { flow, key, mut machine } = stage {
            self.client_keys.remove(&key);
            if machine.timers().next().is_some() {
                machine.timers().renew();
                let rest = Client::silent(client.method.clone(), Stage::Running { flow, key, machine });
                if let Some(rest) = self.clients.insert(rest).map(ClientId) {
                    self.client_keys.insert(key, rest);
                    self.start_timers(rest);
                }
            } else {
                self.release(&flow);
            }
        }
        self.next_target(now, id);
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
        let cancel = invite_client::cancel(invite.request());
        let branch = invite.request().headers().get::<Via>().ok().flatten();
        invite.handle_input(now, invite_client::Input::Cancelled);
        self.start_timers(id);
        let Some(branch) = branch.as_ref().and_then(Via::branch) else { return };
        self.run_cancel(now, flow, branch, cancel);
    }

    fn run_cancel(&mut self, now: Instant, flow: Flow, branch: &str, bytes: Bytes) {
        let key = self.keys.client(branch, &Method::CANCEL);
        let (timing, reliable) = (self.config.timing, flow.transport.is_reliable());
        let machine = Machine::NonInvite(Box::new(NonInviteClient::new(now, bytes, timing, reliable)));
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

/// About how long a request is with our Via.
fn wire_length(request: &Request) -> usize {
    let lines: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let via = HeaderName::VIA.as_str().len() + 96;
    request.method().as_str().len() + request.uri_text().len() + 14 + via + lines + request.body().len()
}
