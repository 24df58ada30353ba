//! [`PenaltyBox`]: servers that had better be asked last for a while, so that not each request waits for the same dead one.
//!
//! [RFC 3263 §4.3] tells when a server has failed, and [RFC 3261 §21.5.4] how long one that is overloaded wants to be left
//! alone. A penalty only changes the order: a server is still asked when all others have failed, since it may be well again.
//!
//! [RFC 3263 §4.3]: https://www.rfc-editor.org/rfc/rfc3263#section-4.3
//! [RFC 3261 §21.5.4]: https://www.rfc-editor.org/rfc/rfc3261#section-21.5.4

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Transport;

/// At most so many servers are remembered.
const SERVERS: usize = 1024;
/// No connection, or an ICMP error: the next attempt costs little.
const UNREACHABLE: Duration = Duration::from_secs(30);
/// No answer at all: the next attempt costs 64·T1.
const SILENT: Duration = Duration::from_secs(120);
/// The longest Retry-After that is believed.
const LONGEST: Duration = Duration::from_secs(3600);

/// Where requests are sent to.
type Server = (Transport, SocketAddr);

/// How a server has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// It cannot be reached.
    Unreachable,
    /// It has not answered in 64·T1.
    Silent,
    /// It has answered 503 with this Retry-After.
    Overloaded(Duration),
}

/// The servers that have failed lately.
#[derive(Debug, Default)]
pub(crate) struct PenaltyBox {
    servers: BTreeMap<Server, (Instant, Failure)>,
}

impl PenaltyBox {
    /// Remembers a failure; what was remembered before may hold longer.
    pub(crate) fn punish(&mut self, now: Instant, server: Server, failure: Failure) {
        let wait = match failure {
            Failure::Unreachable => UNREACHABLE,
            Failure::Silent => SILENT,
            Failure::Overloaded(wait) => wait.min(LONGEST),
        };
        let Some(until) = now.checked_add(wait) else { return };
        if self.servers.get(&server).is_some_and(|(known, _)| *known > until) {
            return;
        }
        if self.servers.len() >= SERVERS && !self.servers.contains_key(&server) {
            self.servers.retain(|_, (until, _)| *until > now);
            let soonest = self.servers.iter().min_by_key(|(_, (until, _))| *until).map(|(server, _)| *server);
            if let Some(soonest) = soonest.filter(|_| self.servers.len() >= SERVERS) {
                self.servers.remove(&soonest);
            }
        }
        tracing::debug!(transport = %server.0, address = %server.1, ?failure, ?wait, "asked last from now on");
        self.servers.insert(server, (until, failure));
    }

    /// The server has answered something: it is there. One that asked to be left alone still is.
    pub(crate) fn forgive(&mut self, server: Server) {
        if let Some((_, Failure::Unreachable | Failure::Silent)) = self.servers.get(&server) {
            self.servers.remove(&server);
        }
    }

    /// Until when a server should be asked last.
    pub(crate) fn until(&self, now: Instant, server: Server) -> Option<Instant> {
        self.servers.get(&server).map(|(until, _)| *until).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16) -> Server {
        (Transport::Udp, SocketAddr::from(([192, 0, 2, 1], port)))
    }

    fn start() -> Instant {
        testkit::Clock::new().now()
    }

    // rfc: 3261 §21.5.4 — Retry-After of a 503 is how long the server is left alone
    #[test]
    fn a_penalty_ends_by_itself() {
        let (mut penalties, now) = (PenaltyBox::default(), start());
        assert_eq!(penalties.until(now, server(1)), None);
        penalties.punish(now, server(1), Failure::Overloaded(Duration::from_secs(7)));
        let last = now + Duration::from_millis(6_999);
        assert_eq!(penalties.until(last, server(1)), Some(now + Duration::from_secs(7)));
        assert_eq!(penalties.until(now + Duration::from_secs(7), server(1)), None);
        assert_eq!(penalties.until(last, (Transport::Tcp, server(1).1)), None, "each transport for itself");
        assert_eq!(penalties.until(last, server(2)), None);
    }

    #[test]
    fn the_longest_penalty_stands() {
        let (mut penalties, now) = (PenaltyBox::default(), start());
        penalties.punish(now, server(1), Failure::Silent);
        penalties.punish(now, server(1), Failure::Unreachable);
        assert_eq!(penalties.until(now, server(1)), Some(now + SILENT));
        penalties.punish(now, server(2), Failure::Overloaded(Duration::MAX));
        assert_eq!(penalties.until(now, server(2)), Some(now + LONGEST), "a year is not believed");
    }

    #[test]
    fn an_answer_proves_that_a_server_is_there_but_not_that_it_has_time() {
        let (mut penalties, now) = (PenaltyBox::default(), start());
        penalties.punish(now, server(1), Failure::Unreachable);
        penalties.punish(now, server(2), Failure::Overloaded(UNREACHABLE));
        penalties.forgive(server(1));
        penalties.forgive(server(2));
        assert_eq!(penalties.until(now, server(1)), None);
        assert!(penalties.until(now, server(2)).is_some());
    }

    #[test]
    fn a_full_box_lets_go_whoever_would_leave_first() {
        let (mut penalties, now) = (PenaltyBox::default(), start());
        for port in 0..2_000 {
            let wait = Duration::from_secs(10 + u64::from(port));
            penalties.punish(now, server(port), Failure::Overloaded(wait));
        }
        assert_eq!(penalties.servers.len(), SERVERS);
        assert_eq!(penalties.until(now, server(0)), None);
        assert!(penalties.until(now, server(1_999)).is_some());
    }
}
