//! The connections of the layer: what opens, comes in and closes.

use std::time::Instant;

use bytes::Bytes;
use sip_msg::{Frame, Host, Message, Text, Uri, Via};

use super::{FlowWake, TransactionLayer, Waiting};
use crate::{Action, ConnectId, Event, Flow, Transmit, Transport};

impl TransactionLayer {
    pub(super) fn handle_accepted(&mut self, now: Instant, flow: Flow) {
        let too_many = self.flows.of_source(flow.remote.ip()) >= self.config.limits.connections_of_one;
        if too_many || !self.make_room(now) {
            self.counters.refused_connections += 1;
            return self.act(Action::Close(flow));
        }
        self.flows.add(now, flow, None, self.config.message_limits.clone());
        self.watch(now, flow);
    }

    /// Sees to it that one more connection may be opened; false when all are in use.
    pub(super) fn make_room(&mut self, now: Instant) -> bool {
        if self.flows.len() >= self.config.limits.connections {
            for flow in self.flows.victims() {
                self.counters.closed_idle += 1;
                self.close(now, flow, &Text::from_static("too many connections, and this one is idle"));
            }
        }
        self.flows.len() < self.config.limits.connections
    }

    pub(super) fn handle_connected(&mut self, now: Instant, connect: ConnectId, flow: Flow) {
        let Some(opening) = self.flows.finish_opening(connect) else { return self.act(Action::Close(flow)) };
        self.flows.add(now, flow, Some(opening.peer), self.config.message_limits.clone());
        for who in opening.waiting {
            match who {
                Waiting::Client(client) => self.client_connected(now, client, connect, flow),
                Waiting::Response(server, bytes) => self.response_connected(now, server, flow, bytes),
            }
        }
    }

    pub(super) fn handle_connect_failed(&mut self, now: Instant, connect: ConnectId, why: &Text) {
        let Some(opening) = self.flows.finish_opening(connect) else { return };
        tracing::debug!(%why, "connection failed");
        let to = opening.peer.server();
        for who in opening.waiting {
            match who {
                Waiting::Client(client) => self.client_not_connected(now, client, connect, why),
                Waiting::Response(server, bytes) => {
                    self.response_not_connected(now, server, to, bytes, why);
                }
            }
        }
    }

    pub(super) fn handle_closed(&mut self, now: Instant, flow: Flow, why: Text) {
        let Some(connection) = self.flows.remove(&flow) else { return };
        if connection.clients > 0 {
            self.fail_clients(now, flow, &why);
        }
        self.tell(Event::FlowClosed { flow, why });
    }

    /// Closes a connection from our side.
    pub(super) fn close(&mut self, now: Instant, flow: Flow, why: &Text) {
        self.act(Action::Close(flow));
        self.handle_closed(now, flow, why.clone());
    }

    pub(super) fn handle_stream(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        let Some(connection) = self.flows.get(&flow) else { return };
        connection.framer.push(bytes);
        self.flows.touch(now, &flow);
        while let Some(connection) = self.flows.get(&flow) {
            match connection.framer.next() {
                Some(Ok(Frame::Message(message))) => {
                    self.flows.hear(&flow);
                    self.handle_message(now, flow, message);
                }
                Some(Ok(Frame::Ping)) => {
                    self.act(Action::Transmit(Transmit { flow, bytes: Bytes::from_static(b"\r\n") }));
                }
                Some(Ok(Frame::Pong)) => {
                    if connection.pong_until.take().is_some() {
                        self.tell(Event::Pong { flow });
                    }
                }
                Some(Err(error)) => {
                    self.counters.received += 1;
                    self.counters.malformed += 1;
                    tracing::debug!(%flow, %error, "the stream cannot be framed");
                    if let Some(request) = Message::salvage(error.head.clone(), &self.config.message_limits) {
                        self.answer_stateless(now, flow, &request, error.status(), Some(&error.error));
                    }
                    return self.close(now, flow, &error.to_string().into());
                }
                None => break,
            }
        }
        self.watch_partial(now, flow);
    }

    /// One message of a WebSocket: a SIP message, or a keep-alive ([RFC 7118 §6]).
    ///
    /// [RFC 7118 §6]: https://www.rfc-editor.org/rfc/rfc7118#section-6
    pub(super) fn handle_web_socket(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let Some(connection) = self.flows.get(&flow) else { return };
        match &*bytes {
            b"\r\n" => {
                if connection.pong_until.take().is_some() {
                    self.tell(Event::Pong { flow });
                }
            }
            b"\r\n\r\n" => {
                self.act(Action::Transmit(Transmit { flow, bytes: Bytes::from_static(b"\r\n") }));
            }
            _ => {
                self.flows.hear(&flow);
                self.handle_message(now, flow, bytes);
            }
        }
        self.flows.touch(now, &flow);
    }

    /// What the top Via of a request tells about its connection: whether requests may go back over it, to whom.
    pub(super) fn note_via(&mut self, flow: &Flow, via: &Via) {
        match flow.transport {
            // RFC 5923 §9.2: without proof of who the peer is, as if it had said nothing. Over TCP nobody proves anything.
            Transport::Tls if via.params.contains("alias") => {
                if self.flows.alias(flow, &via.sent_by) {
                    tracing::debug!(%flow, sent_by = %via.sent_by, "requests may go back over this connection");
                }
            }
            Transport::Ws | Transport::Wss => {
                if let Host::Name(name) = &via.sent_by.host
                    && is_made_up(name)
                {
                    self.flows.name(flow, name);
                }
            }
            Transport::Udp | Transport::Tcp | Transport::Tls => {}
        }
    }

    /// The connection to a WebSocket client with a made-up name, which no resolver can find ([RFC 7118 §8]).
    ///
    /// [RFC 7118 §8]: https://www.rfc-editor.org/rfc/rfc7118#section-8
    pub(super) fn web_socket_of(&self, uri: &Uri) -> Option<Flow> {
        match uri.host()? {
            Host::Name(name) if is_made_up(&name) => self.flows.named(&name),
            Host::Name(_) | Host::V4(_) | Host::V6(_) => None,
        }
    }

    /// Starts the clock for a message that has begun and is not whole.
    fn watch_partial(&mut self, now: Instant, flow: Flow) {
        let Some(connection) = self.flows.get(&flow) else { return };
        if connection.framer.pending() == 0 {
            connection.waiting_since = None;
        } else if connection.waiting_since.is_none() {
            connection.waiting_since = Some(now);
            self.watch(now, flow);
        }
    }

    /// Looks at a connection later. However often messages begin and end, one look at a time is enough.
    fn watch(&mut self, now: Instant, flow: Flow) {
        if self.flows.get(&flow).is_some_and(|connection| connection.watched_until.is_none()) {
            let until = self.wake(now, self.config.limits.slow, FlowWake::Slow(flow));
            if let Some(connection) = self.flows.get(&flow) {
                connection.watched_until = until;
            }
        }
    }

    pub(super) fn check_slow(&mut self, now: Instant, flow: Flow) {
        let slow = self.config.limits.slow;
        let Some(connection) = self.flows.get(&flow) else { return };
        // One that was closed meanwhile and opened anew has a time of its own.
        if connection.watched_until.is_some_and(|until| until > now) {
            return;
        }
        connection.watched_until = None;
        match connection.waiting_since {
            Some(since) if now.saturating_duration_since(since) >= slow => {
                self.counters.closed_idle += 1;
                self.close(now, flow, &Text::from_static("no whole message came in time"));
            }
            Some(_) => self.watch(now, flow),
            None => {}
        }
    }
}

/// Names below `.invalid` exist nowhere ([RFC 2606 §2]).
///
/// [RFC 2606 §2]: https://www.rfc-editor.org/rfc/rfc2606#section-2
fn is_made_up(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|top| top.eq_ignore_ascii_case("invalid"))
}
