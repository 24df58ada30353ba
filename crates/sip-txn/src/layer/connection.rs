//! The connections of the layer: what opens, comes in and closes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{Frame, Message, Text};

use super::{TransactionLayer, Waiting, Wake};
use crate::{Action, ConnectId, Event, Flow, Transmit, Transport};

/// How long the answer to a keep-alive may take (RFC 5626 §4.4.1).
const PONG: Duration = Duration::from_secs(10);

impl TransactionLayer {
    /// Sends a CRLF keep-alive ([RFC 5626 §4.4.1]); false when the connection is not open.
    ///
    /// [`Event::Pong`] follows, or the connection is closed after 10 s. Over UDP nothing follows: it only keeps a NAT open.
    ///
    /// [RFC 5626 §4.4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
    pub fn keep_alive(&mut self, now: Instant, flow: Flow) -> bool {
        let now = self.clamp(now);
        if flow.transport != Transport::Udp {
            let Some(connection) = self.flows.get(&flow) else { return false };
            if connection.pong_until.is_none() {
                let until = self.wake(now, PONG, Wake::Pong(flow));
                if let Some(connection) = self.flows.get(&flow) {
                    connection.pong_until = until;
                }
            }
        }
        self.act(Action::Transmit(Transmit { flow, bytes: Bytes::from_static(b"\r\n\r\n") }));
        true
    }

    pub(super) fn handle_accepted(&mut self, now: Instant, flow: Flow) {
        if self.flows.len() >= self.config.limits.connections {
            self.counters.refused_connections += 1;
            return self.act(Action::Close(flow));
        }
        self.flows.add(now, flow, None, self.config.message_limits.clone());
        self.watch(now, flow);
    }

    pub(super) fn handle_connected(&mut self, now: Instant, connect: ConnectId, flow: Flow) {
        let Some(opening) = self.flows.finish_opening(connect) else { return self.act(Action::Close(flow)) };
        self.flows.add(now, flow, Some(opening.peer), self.config.message_limits.clone());
        for who in opening.waiting {
            match who {
                Waiting::Client(client) => self.client_connected(now, client, connect, flow),
                Waiting::Response(server, bytes) => {
                    self.move_server(server, flow);
                    self.transmit(now, flow, bytes);
                }
            }
        }
    }

    pub(super) fn handle_connect_failed(&mut self, now: Instant, connect: ConnectId, why: &Text) {
        let Some(opening) = self.flows.finish_opening(connect) else { return };
        tracing::debug!(%why, "connection failed");
        for who in opening.waiting {
            match who {
                Waiting::Client(client) => self.client_not_connected(now, client, connect, why),
                Waiting::Response(server, _) => self.lose_response(server, why),
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
                    connection.waiting_since = None;
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
            let until = self.wake(now, self.config.limits.slow, Wake::Slow(flow));
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

    pub(super) fn check_pong(&mut self, now: Instant, flow: Flow) {
        let until = self.flows.get(&flow).and_then(|connection| connection.pong_until);
        if until.is_some_and(|until| until <= now) {
            self.close(now, flow, &Text::from_static("the peer does not answer keep-alives"));
        }
    }
}
