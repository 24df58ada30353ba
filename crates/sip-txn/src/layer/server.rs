//! The server side of the layer: requests, their transactions and responses.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_msg::{Class, Host, Message, Method, Reason, Request, Response, StatusCode, Text, To, Via};

use super::{TransactionLayer, Waiting, Wake};
use crate::flows::Peer;
use crate::invite_server::{self, InviteServer};
use crate::key::TransactionKey;
use crate::non_invite_server::{self, NonInviteServer};
use crate::timer::Timers;
use crate::transport::{response_address, span, stamp, text};
use crate::{Action, ConnectId, Ending, Event, Flow, RespondError, ServerId, Transport};

mod return_path;

pub(super) use return_path::ReturnPath;

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
}

/// One server transaction and where its responses go.
#[derive(Debug)]
pub(super) struct Server {
    machine: Machine,
    key: TransactionKey,
    merge_key: Option<TransactionKey>,
    /// The connection the request came on; for UDP, where the response goes to.
    reply: Flow,
    /// Where to connect to when that connection is gone (RFC 3261 §18.2.2), and the name to find there.
    sent_by: (SocketAddr, Option<Host>),
    /// The request as it came and where from, for the 100 that we may have to say.
    request: Option<(Bytes, SocketAddr)>,
    /// A CANCEL: the application knows nothing of it.
    silent: bool,
}

impl Server {
    pub(super) fn ends_at(&self, at: Instant) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.ends_at(at),
            Machine::NonInvite(machine) => machine.ends_at(at),
        }
    }

    fn timers(&mut self) -> &mut Timers {
        match &mut self.machine {
            Machine::Invite(machine) => machine.timers(),
            Machine::NonInvite(machine) => machine.timers(),
        }
    }

    fn repeated(&mut self, now: Instant) {
        match &mut self.machine {
            Machine::Invite(machine) => machine.handle_input(now, invite_server::Input::Repeated),
            Machine::NonInvite(machine) => machine.handle_input(now, non_invite_server::Input::Repeated),
        }
    }

    fn respond(&mut self, now: Instant, class: Class, bytes: Bytes) {
        match &mut self.machine {
            Machine::Invite(machine) => {
                machine.handle_input(now, invite_server::Input::Respond { class, bytes });
            }
            Machine::NonInvite(machine) => {
                machine.handle_input(now, non_invite_server::Input::Respond { class, bytes });
            }
        }
    }
}

enum Step {
    Send(Bytes),
    Ack,
    Again,
    SayTrying,
    Ended(Ending),
}

impl TransactionLayer {
    /// Answers a request. A 2xx to an INVITE may be sent again, until its ACK has come; nothing else may.
    ///
    /// # Errors
    /// [`RespondError`]: the transaction has ended or was answered, or [RFC 4320 §4] forbids this response.
    ///
    /// [RFC 4320 §4]: https://www.rfc-editor.org/rfc/rfc4320#section-4
    pub fn respond(
        &mut self,
        now: Instant,
        server: ServerId,
        mut response: Response,
    ) -> Result<(), RespondError> {
        let now = self.clamp(now);
        let transaction = self.servers.get_mut(server.0).ok_or(RespondError::Ended)?;
        let (status, class) = (response.status(), response.class());
        let open = match &transaction.machine {
            Machine::Invite(machine) => machine.takes(class),
            Machine::NonInvite(_) if status == StatusCode::REQUEST_TIMEOUT => {
                return Err(RespondError::Forbidden);
            }
            Machine::NonInvite(_) if class == Class::Provisional && status != StatusCode::TRYING => {
                return Err(RespondError::Forbidden);
            }
            Machine::NonInvite(machine) => machine.is_open(),
        };
        if !open {
            return Err(RespondError::AlreadyAnswered);
        }
        Self::settle_contact(response.headers_mut(), &transaction.reply);
        transaction.respond(now, class, response.to_bytes());
        if class != Class::Provisional {
            transaction.request = None;
        }
        self.drain_server(now, server, false);
        self.prune();
        Ok(())
    }

    pub(super) fn handle_request(&mut self, now: Instant, flow: Flow, mut request: Request, bytes: Bytes) {
        let Some(Ok(mut via)) = request.headers().all::<Via>().next() else { return };
        let _span = span("server", &via).entered();
        let key = self.keys.server(&request, &via, request.method());
        let known = self.server_keys.get(&key).copied();
        let method = request.method().clone();
        if method == Method::ACK {
            return self.handle_ack(now, flow, request, via, known);
        }
        if let Some(known) = known {
            self.counters.absorbed += 1;
            if let Some(server) = self.servers.get_mut(known.0) {
                server.repeated(now);
            }
            return self.drain_server(now, known, true);
        }
        if method == Method::CANCEL {
            return self.handle_cancel(now, flow, request, via, key, bytes);
        }
        if self.config.admission.as_ref().is_some_and(|admission| !admission.admit(now, &flow)) {
            self.counters.not_admitted += 1;
            if flow.transport.is_reliable() {
                self.answer_stateless(now, flow, &request, StatusCode::SERVICE_UNAVAILABLE, None);
            }
            return;
        }
        if self.servers.len() >= self.config.limits.servers {
            self.counters.overloaded += 1;
            return self.answer_stateless(now, flow, &request, StatusCode::SERVICE_UNAVAILABLE, None);
        }
        let merge_key = if self.config.refuse_merged { self.keys.merge(&request) } else { None };
        if merge_key.is_some_and(|key| self.merge_keys.contains_key(&key)) {
            self.counters.merged += 1;
            return self.answer_stateless(now, flow, &request, StatusCode::LOOP_DETECTED, None);
        }
        self.note_via(&flow, &via);
        stamp(&mut request, &mut via, flow.remote);
        let Some(server) = self.add_server(now, flow, &method, &via, (key, merge_key), bytes) else { return };
        tracing::debug!(%flow, method = method.as_str(), "a new transaction");
        self.tell(Event::Request { server, flow, request });
        self.drain_server(now, server, false);
    }

    fn add_server(
        &mut self,
        now: Instant,
        flow: Flow,
        method: &Method,
        via: &Via,
        (key, merge_key): (TransactionKey, Option<TransactionKey>),
        bytes: Bytes,
    ) -> Option<ServerId> {
        let (timing, reliable) = (self.config.timing, flow.transport.is_reliable());
        let address = response_address(via, flow.transport, flow.remote);
        let mut reply = flow;
        if flow.transport == Transport::Udp {
            reply.remote = address;
        }
        let silent = *method == Method::CANCEL;
        let machine = if *method == Method::INVITE {
            Machine::Invite(InviteServer::new(now, timing, reliable))
        } else {
            Machine::NonInvite(NonInviteServer::new(now, timing, reliable))
        };
        // Over UDP there is no connection to lose.
        let host = reliable.then(|| via.sent_by.host.detach());
        let (sent_by, request) = ((address, host), Some((bytes, flow.remote)));
        let server = Server { machine, key, merge_key, reply, sent_by, request, silent };
        let server = ServerId(self.servers.insert(server)?);
        self.server_keys.insert(key, server);
        if let Some(merge_key) = merge_key {
            self.merge_keys.insert(merge_key, server);
        }
        Some(server)
    }

    fn handle_ack(
        &mut self,
        now: Instant,
        flow: Flow,
        mut ack: Request,
        mut via: Via,
        known: Option<ServerId>,
    ) {
        let tag = ack.headers().get::<To>().ok().flatten().and_then(|to| to.params.text("tag"));
        let machine = known.and_then(|id| self.servers.get_mut(id.0)).map(|server| &mut server.machine);
        match (machine, known) {
            (Some(Machine::Invite(machine)), Some(known)) => {
                stamp(&mut ack, &mut via, flow.remote);
                machine.handle_input(now, invite_server::Input::Ack);
                self.drain_with(now, known, false, Some(ack));
            }
            _ if tag.is_some_and(|tag| tag == self.keys.stateless_tag(&ack)) => {
                self.counters.absorbed_acks += 1
            }
            _ => {
                stamp(&mut ack, &mut via, flow.remote);
                self.tell(Event::Ack { flow, request: ack });
            }
        }
    }

    /// The CANCEL has a transaction of its own, and the layer answers it; the INVITE is answered by the application.
    fn handle_cancel(
        &mut self,
        now: Instant,
        flow: Flow,
        mut cancel: Request,
        mut via: Via,
        key: TransactionKey,
        bytes: Bytes,
    ) {
        let invite = self.keys.server(&cancel, &via, &Method::INVITE);
        let invite = self.server_keys.get(&invite).copied();
        stamp(&mut cancel, &mut via, flow.remote);
        let status =
            if invite.is_some() { StatusCode::OK } else { StatusCode::CALL_TRANSACTION_DOES_NOT_EXIST };
        if self.servers.len() >= self.config.limits.servers {
            self.counters.overloaded += 1;
            self.answer_stateless(now, flow, &cancel, status, None);
        } else {
            let tag = invite
                .and_then(|invite| self.to_tag(invite))
                .unwrap_or_else(|| self.keys.stateless_tag(&cancel).into());
            let answer = Response::answer(&cancel, status).to_tag(&tag).build();
            if let Some(server) = self.add_server(now, flow, &Method::CANCEL, &via, (key, None), bytes) {
                if let Some(transaction) = self.servers.get_mut(server.0) {
                    transaction.respond(now, answer.class(), answer.to_bytes());
                }
                self.drain_server(now, server, false);
            }
        }
        if let Some(invite) = invite
            && let Some(Server { machine: Machine::Invite(machine), .. }) = self.servers.get(invite.0)
            && machine.is_proceeding()
        {
            let reason = cancel.headers().all::<Reason>().find_map(Result::ok).map(Box::new);
            self.tell(Event::Cancelled { invite, reason });
        }
    }

    /// The To tag of the last response to an INVITE: its CANCEL is answered with the same (RFC 3261 §9.2).
    fn to_tag(&self, invite: ServerId) -> Option<Text> {
        let Machine::Invite(machine) = &self.servers.get(invite.0)?.machine else { return None };
        let message = Message::parse(machine.last_response()?.clone(), &self.config.message_limits).ok()?;
        message.headers().get::<To>().ok()??.params.text("tag")
    }

    pub(super) fn server_timeout(&mut self, now: Instant, server: ServerId) {
        match self.servers.get_mut(server.0).map(|server| &mut server.machine) {
            Some(Machine::Invite(machine)) => machine.handle_timeout(now),
            Some(Machine::NonInvite(machine)) => machine.handle_timeout(now),
            None => return,
        }
        self.drain_server(now, server, true);
    }

    /// Does what a transaction asks for; `again`: what it sends was sent before.
    fn drain_server(&mut self, now: Instant, id: ServerId, again: bool) {
        self.drain_with(now, id, again, None);
    }

    fn drain_with(&mut self, now: Instant, id: ServerId, again: bool, mut ack: Option<Request>) {
        while let Some(server) = self.servers.get_mut(id.0) {
            let (silent, flow) = (server.silent, server.reply);
            match step(&mut server.machine) {
                Some(Step::Send(bytes)) => {
                    self.counters.retransmitted += u64::from(again);
                    self.send_response(now, id, bytes);
                }
                Some(Step::Ack) => {
                    if let Some(request) = ack.take() {
                        self.tell(Event::Ack { flow, request });
                    }
                }
                Some(Step::SayTrying) => self.say_trying(now, id),
                Some(Step::Again) => self.tell(Event::Repeated { invite: id }),
                Some(Step::Ended(ending)) => {
                    self.remove_server(id);
                    if !silent {
                        self.tell(Event::ServerEnded { server: id, ending });
                    }
                }
                None => break,
            }
        }
        while let Some(server) = self.servers.get_mut(id.0) {
            let Some((wait, at)) = server.timers().poll_started() else { break };
            self.wakeups.push(wait, at, Wake::Server(id));
        }
    }

    /// The application is silent: 100, made of the request as it came.
    fn say_trying(&mut self, now: Instant, id: ServerId) {
        let Some(server) = self.servers.get_mut(id.0) else { return };
        let Some((bytes, source)) = server.request.take() else { return };
        let Ok(Message::Request(mut request)) = Message::parse(bytes, &self.config.message_limits) else {
            return;
        };
        if let Some(Ok(mut via)) = request.headers().all::<Via>().next() {
            stamp(&mut request, &mut via, source);
        }
        let bytes = Response::answer(&request, StatusCode::TRYING).build().to_bytes();
        match &mut server.machine {
            Machine::Invite(machine) => {
                machine.handle_input(now, invite_server::Input::Respond { class: Class::Provisional, bytes });
            }
            Machine::NonInvite(machine) => machine.handle_input(now, non_invite_server::Input::Trying(bytes)),
        }
    }

    fn remove_server(&mut self, id: ServerId) {
        if let Some(server) = self.servers.remove(id.0) {
            self.server_keys.remove(&server.key);
            if let Some(key) = server.merge_key {
                self.merge_keys.remove(&key);
            }
        }
    }

    /// RFC 3261 §18.2.2: on the connection of the request; when that is gone, on a new one to where Via says.
    fn send_response(&mut self, now: Instant, id: ServerId, bytes: Bytes) {
        let Some(server) = self.servers.get(id.0) else { return };
        let flow = server.reply;
        if !flow.transport.is_reliable() || self.flows.is_open(&flow) {
            return self.transmit(now, flow, bytes);
        }
        let (address, host) = &server.sent_by;
        let (address, name) = (*address, host.as_ref().map(text).unwrap_or_default());
        if matches!(flow.transport, Transport::Ws | Transport::Wss) {
            // RFC 7118 §5.3: responses go over the WebSocket that the request came on, or nowhere.
            return self.lose_response(id, &Text::from_static("the WebSocket is closed"));
        }
        let Some(bytes) = self.join_return_path(id, bytes) else { return };
        self.connect_back(now, id, bytes, flow.transport, address, &name);
    }

    /// Sends a response over another connection than the one its request came on.
    fn connect_back(
        &mut self,
        now: Instant,
        id: ServerId,
        bytes: Bytes,
        transport: Transport,
        address: SocketAddr,
        name: &Text,
    ) {
        let peer = Peer::new(transport, address, name);
        if let Some(open) = self.flows.to(&peer) {
            return self.response_connected(now, id, open, bytes);
        }
        let who = Waiting::Response(id, bytes);
        let Err(who) = self.flows.join(&peer, who, self.config.limits.waiting) else { return };
        if !self.make_room(now) {
            return self.lose_response(id, &Text::from_static("too many connections"));
        }
        let connect = ConnectId(self.id());
        self.flows.start_opening(connect, peer, who);
        let server_name = transport.is_secure().then(|| name.clone());
        self.act(Action::Connect { connect, transport, remote: address, server_name });
    }

    pub(super) fn lose_response(&mut self, server: ServerId, why: &Text) {
        self.return_paths.remove(&server);
        if self.servers.get(server.0).is_some_and(|server| !server.silent) {
            self.tell(Event::ResponseLost { server, why: why.clone() });
        }
    }
}

fn step(machine: &mut Machine) -> Option<Step> {
    Some(match machine {
        Machine::Invite(machine) => match machine.poll_output()? {
            invite_server::Output::Send(bytes) => Step::Send(bytes),
            invite_server::Output::Deliver => Step::Ack,
            invite_server::Output::SayTrying => Step::SayTrying,
            invite_server::Output::Again => Step::Again,
            invite_server::Output::Ended { acknowledged: true } => Step::Ended(Ending::Normal),
            invite_server::Output::Ended { acknowledged: false } => Step::Ended(Ending::TimedOut),
        },
        Machine::NonInvite(machine) => match machine.poll_output()? {
            non_invite_server::Output::Send(bytes) => Step::Send(bytes),
            non_invite_server::Output::SayTrying => Step::SayTrying,
            non_invite_server::Output::Ended { answered: true } => Step::Ended(Ending::Normal),
            non_invite_server::Output::Ended { answered: false } => Step::Ended(Ending::TimedOut),
        },
    })
}
