//! [`Probes`]: STUN keep-alives over UDP, whether a flow still stands and where its peer sees us ([RFC 5626 §4.4.2]).
//!
//! [RFC 5626 §4.4.2]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.2

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Flow;
use crate::stun::{Binding, TransactionId};

/// Flows that are asked at once, or remembered: a user agent has a few.
const FLOWS: usize = 4096;
/// The first wait for an answer; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A request is sent so often before the flow has failed.
const TRIES: u32 = 7;
/// The wait after the last one: 16 times the first.
const LAST_WAIT: Duration = Duration::from_secs(8);

/// What an answer says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Alive,
    Failed(&'static str),
}

/// What to do when a wait is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Overdue {
    Again(TransactionId),
    Failed,
}

#[derive(Debug)]
struct Probe {
    asked: Option<Asked>,
    /// Where the peer saw us last.
    mapped: Option<SocketAddr>,
}

#[derive(Debug)]
struct Asked {
    id: TransactionId,
    tries: u32,
    until: Instant,
}

/// The flows that are kept alive with STUN.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    flows: HashMap<Flow, Probe>,
}

impl Probes {
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Begins to ask; false when it is being asked already, or there are too many flows.
    pub(crate) fn start(&mut self, flow: Flow, id: TransactionId, now: Instant) -> bool {
        if !self.flows.contains_key(&flow) && self.flows.len() >= FLOWS {
            // Flows of the past must not be in the way for ever: all that they lose is where their peers saw us.
            self.flows.retain(|_, probe| probe.asked.is_some());
            if self.flows.len() >= FLOWS {
                return false;
            }
        }
        let probe = self.flows.entry(flow).or_insert(Probe { asked: None, mapped: None });
        if probe.asked.is_some() {
            return false;
        }
        probe.asked = Some(Asked { id, tries: 0, until: now });
        true
    }

    /// The request goes out now: how long to wait for its answer.
    pub(crate) fn sent(&mut self, flow: &Flow, now: Instant) -> Option<Duration> {
        let asked = self.flows.get_mut(flow)?.asked.as_mut()?;
        let wait = FIRST_WAIT.saturating_mul(1 << asked.tries.min(TRIES));
        asked.tries += 1;
        let wait = if asked.tries >= TRIES { LAST_WAIT } else { wait };
        asked.until = now.checked_add(wait)?;
        Some(wait)
    }

    pub(crate) fn waits_until(&self, flow: &Flow, at: Instant) -> bool {
        let asked = self.flows.get(flow).and_then(|probe| probe.asked.as_ref());
        asked.is_some_and(|asked| asked.until == at)
    }

    /// A wait is over. A flow that has failed is forgotten.
    pub(crate) fn overdue(&mut self, flow: &Flow, now: Instant) -> Option<Overdue> {
        let asked = self.flows.get(flow)?.asked.as_ref().filter(|asked| asked.until <= now)?;
        if asked.tries < TRIES {
            return Some(Overdue::Again(asked.id));
        }
        self.flows.remove(flow);
        Some(Overdue::Failed)
    }

    /// An answer has come; `None` when nobody asked. A flow that has failed is forgotten.
    pub(crate) fn answered(&mut self, flow: &Flow, binding: Binding, id: TransactionId) -> Option<Verdict> {
        let probe = self.flows.get_mut(flow)?;
        if probe.asked.as_ref()?.id != id {
            return None;
        }
        let why = match binding {
            Binding::Success(Some(mapped)) if probe.mapped.is_none_or(|before| before == mapped) => {
                probe.mapped = Some(mapped);
                probe.asked = None;
                return Some(Verdict::Alive);
            }
            Binding::Success(Some(_)) => "the peer sees us at another address now",
            Binding::Success(None) | Binding::Error => "the peer refuses the keep-alive",
            Binding::Request | Binding::Indication => return None,
        };
        self.flows.remove(flow);
        Some(Verdict::Failed(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;

    const ID: TransactionId = [7; 12];

    fn flow() -> Flow {
        Flow::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap())
    }

    // rfc: 5626 §4.4.2 — without an answer after 7 requests, the last wait being 16 times the first, the flow has failed
    #[test]
    fn silence_is_a_failure_after_seven_requests() {
        let mut now = testkit::Clock::new().now();
        let mut probes = Probes::default();
        assert!(probes.start(flow(), ID, now));
        assert!(!probes.start(flow(), ID, now), "one question at a time");
        let mut waits = Vec::new();
        loop {
            let wait = probes.sent(&flow(), now).unwrap();
            waits.push(wait.as_secs_f64());
            assert_eq!(probes.overdue(&flow(), now), None);
            now += wait;
            assert!(probes.waits_until(&flow(), now));
            match probes.overdue(&flow(), now).unwrap() {
                Overdue::Again(id) => assert_eq!(id, ID),
                Overdue::Failed => break,
            }
        }
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 8.0]);
        assert_eq!(probes.len(), 0);
    }

    // rfc: 5626 §4.4.2 — a change of the mapped address, and an error response, are failures of the flow
    #[test]
    fn another_address_or_an_error_is_a_failure() {
        let now = testkit::Clock::new().now();
        let seen = |text: &str| Binding::Success(Some(text.parse().unwrap()));
        let mut probes = Probes::default();
        for (answer, verdict) in [
            (seen("198.51.100.1:1024"), Verdict::Alive),
            (seen("198.51.100.1:1024"), Verdict::Alive),
            (seen("198.51.100.1:1025"), Verdict::Failed("the peer sees us at another address now")),
            (Binding::Error, Verdict::Failed("the peer refuses the keep-alive")),
        ] {
            assert!(probes.start(flow(), ID, now));
            assert_eq!(probes.answered(&flow(), answer, [0; 12]), None, "another transaction");
            assert_eq!(probes.answered(&flow(), answer, ID), Some(verdict));
            assert_eq!(probes.answered(&flow(), answer, ID), None, "only once");
        }
    }
    #[test]
    fn flows_of_the_past_make_room_and_those_that_are_asked_do_not() {
        let now = testkit::Clock::new().now();
        let mut probes = Probes::default();
        let seen = Binding::Success(Some("198.51.100.1:1024".parse().unwrap()));
        let flow = |port: usize| {
            let remote = (u32::try_from(port).unwrap()).to_be_bytes();
            Flow::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap(), (remote, 5060).into())
        };
        for one in 0..FLOWS {
            assert!(probes.start(flow(one), ID, now));
        }
        assert!(!probes.start(flow(FLOWS), ID, now), "all are being asked");
        assert_eq!(probes.answered(&flow(7), seen, ID), Some(Verdict::Alive));
        assert!(probes.start(flow(FLOWS), ID, now), "one has answered");
        assert_eq!(probes.len(), FLOWS);
        assert!(!probes.start(flow(7), ID, now));
    }
}
