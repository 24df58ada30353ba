//! Keep-alives: line ends on connections, STUN over UDP ([RFC 5626 §4.4]).
//!
//! [RFC 5626 §4.4]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::rand_core::RngCore;
use sip_msg::Text;

use super::{FlowWake, TransactionLayer};
use crate::keep_alive::{Overdue, Verdict};
use crate::stun::{self, Binding, TransactionId};
use crate::{Action, Event, Flow, Transmit, Transport};

/// How long the answer to a keep-alive may take (RFC 5626 §4.4.1).
const PONG: Duration = Duration::from_secs(10);

impl TransactionLayer {
    /// Asks whether the peer of a connection is there, with line ends ([RFC 5626 §4.4.1]) or a WebSocket's own ping ([RFC 7118
    /// §6]); false when the connection is not open.
    ///
    /// [`Event::Pong`] follows, or the connection is closed after 10 s, which [`Event::FlowClosed`] tells. Over UDP nothing
    /// follows: it only keeps a NAT open, and [`keep_alive_with_stun`](Self::keep_alive_with_stun) tells more.
    ///
    /// [RFC 5626 §4.4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1
    /// [RFC 7118 §6]: https://www.rfc-editor.org/rfc/rfc7118#section-6
    pub fn keep_alive(&mut self, now: Instant, flow: Flow) -> bool {
        let now = self.clamp(now);
        if flow.transport != Transport::Udp {
            let Some(connection) = self.flows.get(&flow) else { return false };
            if connection.pong_until.is_none() {
                let until = self.wake(now, PONG, FlowWake::Pong(flow));
                if let Some(connection) = self.flows.get(&flow) {
                    connection.pong_until = until;
                }
            }
        }
        self.act(Action::Transmit(Transmit { flow, bytes: Bytes::from_static(b"\r\n\r\n") }));
        true
    }

    /// Asks over UDP whether the peer is there and where it sees us, with STUN ([RFC 5626 §4.4.2]); false over anything else,
    /// and when it is being asked already.
    ///
    /// [`Event::Pong`] follows, or [`Event::FlowClosed`]: no answer to seven requests in 40 s, a refusal, or another address
    /// than the last time. Only for peers that have said they know STUN on this port, by the `ob` parameter of their Path for
    /// example ([RFC 5626 §8]).
    ///
    /// [RFC 5626 §4.4.2]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.2
    /// [RFC 5626 §8]: https://www.rfc-editor.org/rfc/rfc5626#section-8
    pub fn keep_alive_with_stun(&mut self, now: Instant, flow: Flow) -> bool {
        let now = self.clamp(now);
        let mut id = TransactionId::default();
        self.random.fill_bytes(&mut id);
        if flow.transport != Transport::Udp || !self.probes.start(flow, id, now) {
            return false;
        }
        self.send_probe(now, flow, &id);
        true
    }

    fn send_probe(&mut self, now: Instant, flow: Flow, id: &TransactionId) {
        if let Some(wait) = self.probes.sent(&flow, now) {
            self.wake(now, wait, FlowWake::Probe(flow));
        }
        self.act(Action::Transmit(Transmit { flow, bytes: stun::request(id).into() }));
    }

    /// STUN on a SIP port ([RFC 5626 §8]).
    ///
    /// [RFC 5626 §8]: https://www.rfc-editor.org/rfc/rfc5626#section-8
    pub(super) fn handle_stun(&mut self, flow: Flow, datagram: &[u8]) {
        match stun::parse(datagram) {
            Some((Binding::Request, id)) => {
                let bytes = stun::answer(datagram, &id, flow.remote).into();
                self.act(Action::Transmit(Transmit { flow, bytes }));
            }
            Some((answer, id)) => match self.probes.answered(&flow, answer, id) {
                Some(Verdict::Alive) => self.tell(Event::Pong { flow }),
                Some(Verdict::Failed(why)) => {
                    self.tell(Event::FlowClosed { flow, why: Text::from_static(why) });
                }
                None => {}
            },
            None => {
                self.counters.malformed += 1;
                tracing::debug!(%flow, "malformed STUN");
            }
        }
    }

    pub(super) fn check_probe(&mut self, now: Instant, flow: Flow) {
        match self.probes.overdue(&flow, now) {
            Some(Overdue::Again(id)) => self.send_probe(now, flow, &id),
            Some(Overdue::Failed) => {
                let why = Text::from_static("the peer does not answer keep-alives");
                self.tell(Event::FlowClosed { flow, why });
            }
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
