//! From one target to the next: where a request goes, and where it goes when that fails ([RFC 3263 §4.3]).
//!
//! [RFC 3263 §4.3]: https://www.rfc-editor.org/rfc/rfc3263#section-4.3

use std::time::{Duration, Instant};

use sip_msg::{HeaderName, Method, Request, Response, RetryAfter, StatusCode, Text};

use super::{Client, Purpose, Stage};
use crate::flows::Peer;
use crate::layer::{Asker, TransactionLayer, Waiting, Wake};
use crate::locate::{Step, Target};
use crate::penalty::Failure;
use crate::{Action, Answer, ClientId, ConnectId, Ending, Event, Flow, QueryId, Question, Transport};

/// The largest payload of a datagram, over IPv4 and IPv6.
const LARGEST_DATAGRAM: (usize, usize) = (65_507, 65_527);

impl TransactionLayer {
    /// Goes on until something must be waited for, or nothing is left to try.
    pub(super) fn next_target(&mut self, now: Instant, id: ClientId) {
        while let Some(client) = self.clients.get_mut(id.0) {
            client.stage = Stage::Idle;
            let penalties = &self.penalties;
            match client.locator.step(|target| penalties.until(now, (target.transport, target.address))) {
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
                        Some(refused) => {
                            let (flow, response) = *refused;
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
        self.queries.insert(query, Asker::Client(id));
        self.wakeups.push(wait, until, Wake::Stuck(id));
        self.act(Action::Resolve { query, question });
    }

    pub(in crate::layer) fn handle_resolved(&mut self, now: Instant, query: QueryId, answer: Answer) {
        let id = match self.queries.remove(&query) {
            Some(Asker::Client(id)) => id,
            Some(Asker::Server(id)) => return self.return_path_resolved(now, id, query, answer),
            None => return,
        };
        let Some(client) = self.clients.get_mut(id.0) else { return };
        let Stage::Locating { query: asked, question, .. } = &client.stage else { return };
        if *asked != query {
            return;
        }
        match (question, &answer) {
            (Question::Addresses(name), Answer::Addresses(addresses)) if addresses.is_empty() => {
                client.why = Some(format!("the host {name} is not known to the DNS").into());
            }
            (Question::Addresses(name) | Question::Srv(name) | Question::Naptr(name), Answer::Failed) => {
                client.why = Some(format!("the DNS does not answer when asked for {name}").into());
            }
            _ => {}
        }
        client.locator.answer(answer, &mut self.random);
        self.next_target(now, id);
    }

    /// Starts to send to a target; false when that cannot be.
    fn try_target(&mut self, now: Instant, id: ClientId, target: Target) -> bool {
        let Some(client) = self.clients.get_mut(id.0) else { return true };
        if target.transport == Transport::Udp {
            let size = client.request.as_deref().map_or(0, wire_length);
            if size > self.config.datagram_bytes && client.oversize != Some(target.address) {
                // RFC 3261 §18.1.1: over TCP, and back to UDP when the peer has none.
                client.oversize = Some(target.address);
                client.locator.first(target.clone());
                client.locator.first(Target { transport: Transport::Tcp, ..target });
                self.next_target(now, id);
                return true;
            }
            let (v4, v6) = LARGEST_DATAGRAM;
            if size > if target.address.is_ipv4() { v4 } else { v6 } {
                self.set_why(id, &format!("{size} bytes are too many for a datagram").into());
                return false;
            }
            let Some(local) = self.listening(Transport::Udp, Some(&target.address)) else {
                let family = if target.address.is_ipv4() { "IPv4" } else { "IPv6" };
                self.set_why(id, &format!("no UDP socket for {family} to reach {}", target.address).into());
                return false;
            };
            self.run(now, id, Flow::new(Transport::Udp, local, target.address));
            return true;
        }
        let peer = Peer::new(target.transport, target.address, &target.server_name);
        client.reused = None;
        if let Some(flow) = self.flows.to(&peer) {
            client.reused = (!client.reopened).then_some(target);
            self.run(now, id, flow);
            return true;
        }
        self.connect(now, id, target, peer)
    }

    fn connect(&mut self, now: Instant, id: ClientId, target: Target, peer: Peer) -> bool {
        let wait = self.config.timing.give_up();
        let until = now.checked_add(wait).unwrap_or(now);
        let server = (target.transport, target.address);
        let connect = match self.flows.join(&peer, Waiting::Client(id), self.config.limits.waiting) {
            Ok(connect) => connect,
            Err(_) if !self.make_room(now) => {
                self.set_why(id, &Text::from_static("too many connections are open"));
                return false;
            }
            Err(who) => {
                let connect = ConnectId(self.id());
                self.flows.start_opening(connect, peer, who);
                let named = !matches!(target.transport, Transport::Udp | Transport::Tcp);
                let server_name = named.then_some(target.server_name);
                let (transport, remote) = (target.transport, target.address);
                self.act(Action::Connect { connect, transport, remote, server_name });
                connect
            }
        };
        if let Some(client) = self.clients.get_mut(id.0) {
            client.stage = Stage::Connecting { connect, server, until };
        }
        self.wakeups.push(wait, until, Wake::Stuck(id));
        true
    }

    pub(in crate::layer) fn client_connected(
        &mut self,
        now: Instant,
        id: ClientId,
        connect: ConnectId,
        flow: Flow,
    ) {
        let stage = self.clients.get(id.0).map(|client| &client.stage);
        if matches!(stage, Some(Stage::Connecting { connect: awaited, .. }) if *awaited == connect) {
            self.run(now, id, flow);
        }
    }

    pub(in crate::layer) fn client_not_connected(
        &mut self,
        now: Instant,
        id: ClientId,
        connect: ConnectId,
        why: &Text,
    ) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        if let Stage::Connecting { connect: awaited, server, .. } = client.stage
            && awaited == connect
        {
            client.why = Some(why.clone());
            self.penalties.punish(now, server, Failure::Unreachable);
            self.fail_over(now, id);
        }
    }

    /// Neither the DNS nor the connection has answered in 64·T1.
    pub(in crate::layer) fn client_stuck(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        match &client.stage {
            Stage::Locating { query, until, .. } if *until <= now => {
                let query = *query;
                self.handle_resolved(now, query, Answer::Failed);
            }
            Stage::Connecting { server, until, .. } if *until <= now => {
                client.why = Some(Text::from_static("the connection does not open"));
                self.penalties.punish(now, *server, Failure::Unreachable);
                self.fail_over(now, id);
            }
            Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } | Stage::Running { .. } => {}
        }
    }

    /// Goes on to the next target ([RFC 3263 §4.3]). What runs to the last one is left to itself: a failure response that
    /// comes again must be acknowledged again.
    pub(super) fn fail_over(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else { return };
        self.counters.failovers += 1;
        tracing::debug!(domain = %client.locator.domain(), why = client.why.as_deref(), "the next target");
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

    /// A connection is gone: all that run over it and wait for an answer fail.
    pub(in crate::layer) fn fail_clients(&mut self, now: Instant, flow: Flow, why: &Text) {
        self.fail_each(now, flow, why, true, |_| true);
    }

    /// Datagrams do not arrive ([RFC 3261 §18.4]). An ICMP message must quote a request that waits for its answer: its
    /// branch proves that who sent the message has seen the request. What is proven holds for all requests to that address
    /// that nothing was heard of: routers send only a few of these messages in a second.
    ///
    /// [RFC 3261 §18.4]: https://www.rfc-editor.org/rfc/rfc3261#section-18.4
    pub(in crate::layer) fn handle_unreachable(
        &mut self,
        now: Instant,
        flow: Flow,
        why: &Text,
        quoted: Option<&[u8]>,
    ) {
        if quoted.is_some_and(|quoted| !self.waits_for(flow, quoted)) {
            self.counters.stray_icmp += 1;
            return;
        }
        self.penalties.punish(now, (flow.transport, flow.remote), Failure::Unreachable);
        self.fail_each(now, flow, why, false, |client| !client.provisional);
    }

    /// Whether a quoted datagram is a request of ours on this flow that has no final answer yet.
    fn waits_for(&self, flow: Flow, quoted: &[u8]) -> bool {
        let Some((method, branch)) = quoted_transaction(quoted) else { return false };
        let id = self.client_keys.get(&self.keys.client(branch, &method));
        let client = id.and_then(|id| self.clients.get(id.0));
        client.is_some_and(|client| match &client.stage {
            Stage::Running { flow: used, machine, .. } => *used == flow && !machine.is_answered(),
            Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } => false,
        })
    }

    /// `closed`: a connection that was used again has ended, and a new one to the same target is worth a try (RFC 5923 §8.1).
    fn fail_each(
        &mut self,
        now: Instant,
        flow: Flow,
        why: &Text,
        closed: bool,
        which: impl Fn(&Client) -> bool,
    ) {
        let ids: Vec<_> = self.clients.ids().map(ClientId).collect();
        for id in ids {
            let Some(client) = self.clients.get_mut(id.0).filter(|client| which(client)) else { continue };
            match &mut client.stage {
                Stage::Running { flow: used, machine, .. } if *used == flow && !machine.is_answered() => {
                    client.why = Some(format!("{}: {why}", flow.remote).into());
                    if closed
                        && !client.provisional
                        && let Some(target) = client.reused.take()
                    {
                        client.reopened = true;
                        client.locator.first(target);
                    }
                    machine.fail(now);
                    self.drain_client(now, id, false);
                }
                Stage::Idle | Stage::Locating { .. } | Stage::Connecting { .. } | Stage::Running { .. } => {}
            }
        }
    }

    /// Learns from a response how its server is ([RFC 3261 §21.5.4]).
    ///
    /// [RFC 3261 §21.5.4]: https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4
    pub(super) fn judge(&mut self, now: Instant, flow: Flow, response: &Response) {
        let server = (flow.transport, flow.remote);
        let wait = match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => response.headers().get::<RetryAfter>().ok().flatten(),
            _ => return self.penalties.forgive(server),
        };
        if let Some(wait) = wait {
            let wait = Duration::from_secs(wait.seconds.into());
            self.penalties.punish(now, server, Failure::Overloaded(wait));
        }
    }

    /// Nothing has come from a server in 64·T1, not even a provisional response.
    pub(super) fn note_silence(&mut self, now: Instant, id: ClientId) {
        if let Some(Client { purpose: Purpose::Request, provisional: false, stage, .. }) =
            self.clients.get(id.0)
            && let Stage::Running { flow, .. } = stage
        {
            self.penalties.punish(now, (flow.transport, flow.remote), Failure::Silent);
        }
    }

    pub(super) fn set_why(&mut self, id: ClientId, why: &Text) {
        if let Some(client) = self.clients.get_mut(id.0) {
            client.why = Some(why.clone());
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

/// Method and branch of a request that begins like this: our Via is the first header of each that we send.
fn quoted_transaction(quoted: &[u8]) -> Option<(Method, &str)> {
    let text = match std::str::from_utf8(quoted) {
        Ok(text) => text,
        // The quotation may end within a character, and nothing but ASCII stands before the branch.
        Err(error) => std::str::from_utf8(quoted.get(..error.valid_up_to())?).ok()?,
    };
    let (line, headers) = text.split_once("\r\n")?;
    let (via, _) = headers.split_once("\r\n")?;
    let (_, branch) = via.split_once(";branch=")?;
    let method = line.split(' ').next()?.parse().ok()?;
    Some((method, branch.split(';').next()?))
}
