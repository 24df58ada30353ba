//! Network address translators, by their two behaviours ([RFC 4787 §4.1, §5]).
//!
//! [RFC 4787 §4.1, §5]: https://www.rfc-editor.org/rfc/rfc4787#section-4.1

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::Datagram;

/// What a mapping is kept for, or whom a filter lets in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Behaviour {
    /// One mapping for all peers; anybody may send to it.
    EndpointIndependent,
    /// One mapping for each peer's address; that address may send from any port.
    AddressDependent,
    /// One mapping for each peer's address and port; only that very endpoint may send.
    AddressAndPortDependent,
}

impl Behaviour {
    /// The part of a peer's address that counts.
    fn key(self, peer: SocketAddr) -> Option<(IpAddr, Option<u16>)> {
        match self {
            Self::EndpointIndependent => None,
            Self::AddressDependent => Some((peer.ip(), None)),
            Self::AddressAndPortDependent => Some((peer.ip(), Some(peer.port()))),
        }
    }
}

/// A mapping: an inside endpoint and the part of the peer's address it is kept for.
type MappingKey = (SocketAddr, Option<(IpAddr, Option<u16>)>);

#[derive(Debug)]
struct Mapping {
    port: u16,
    expires: Instant,
    /// To whom the inside has sent: what the filter goes by.
    peers: Vec<SocketAddr>,
}

/// A translator between inside addresses and one address outside.
#[derive(Debug)]
pub struct Nat {
    outside: IpAddr,
    mapping: Behaviour,
    filtering: Behaviour,
    lifetime: Duration,
    next_port: u16,
    mappings: BTreeMap<MappingKey, Mapping>,
}

impl Nat {
    /// A translator that holds idle mappings for 2 minutes, the least of [RFC 4787 §4.3].
    ///
    /// [RFC 4787 §4.3]: https://www.rfc-editor.org/rfc/rfc4787#section-4.3
    #[must_use]
    pub fn new(outside: IpAddr, mapping: Behaviour, filtering: Behaviour) -> Self {
        let lifetime = Duration::from_secs(120);
        Self { outside, mapping, filtering, lifetime, next_port: 40_000, mappings: BTreeMap::new() }
    }

    /// Sets how long an idle mapping lives; only what the inside sends refreshes it.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// The address outside.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// Forgets all mappings, as a reboot does; the ports that follow are new.
    pub fn reboot(&mut self) {
        self.mappings.clear();
    }

    /// Translates what the inside sends.
    pub fn outbound(&mut self, now: Instant, mut datagram: Datagram) -> Datagram {
        self.mappings.retain(|_, mapping| mapping.expires > now);
        let next_port = &mut self.next_port;
        let mapping =
            self.mappings.entry((datagram.from, self.mapping.key(datagram.to))).or_insert_with(|| {
                let port = *next_port;
                *next_port = next_port.checked_add(1).unwrap_or(1024);
                Mapping { port, expires: now, peers: Vec::new() }
            });
        mapping.expires = now + self.lifetime;
        if !mapping.peers.contains(&datagram.to) {
            mapping.peers.push(datagram.to);
        }
        datagram.from = SocketAddr::new(self.outside, mapping.port);
        datagram
    }

    /// Translates what comes from outside, or filters it.
    pub fn inbound(&mut self, now: Instant, mut datagram: Datagram) -> Option<Datagram> {
        let filtering = self.filtering;
        let (key, _) = self.mappings.iter().find(|(_, mapping)| {
            let allowed = |peer: &SocketAddr| filtering.key(*peer) == filtering.key(datagram.from);
            mapping.port == datagram.to.port() && mapping.expires > now && mapping.peers.iter().any(allowed)
        })?;
        datagram.to = key.0;
        Some(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::Behaviour::*;
    use super::*;
    use crate::Clock;

    const INSIDE: &str = "192.168.0.2:5060";

    fn nat(mapping: Behaviour, filtering: Behaviour) -> Nat {
        Nat::new("203.0.113.1".parse().unwrap(), mapping, filtering)
    }

    fn answer(sent: &Datagram, from: &str) -> Datagram {
        Datagram::new(from, &sent.from.to_string(), b"answer")
    }

    // rfc: 4787 §4.1 — one mapping for all peers, or one for each
    #[test]
    fn mappings_are_shared_as_far_as_the_behaviour_says() {
        let now = Clock::new().now();
        for (behaviour, ports) in
            [(EndpointIndependent, 1), (AddressDependent, 2), (AddressAndPortDependent, 3)]
        {
            let mut nat = nat(behaviour, EndpointIndependent);
            let peers = ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"];
            let sent = peers.map(|peer| nat.outbound(now, Datagram::new(INSIDE, peer, b"")).from.port());
            assert_eq!(sent.iter().collect::<std::collections::BTreeSet<_>>().len(), ports);
        }
    }

    // rfc: 4787 §5 — who may send to a mapping
    #[test]
    fn filters_let_in_whom_the_behaviour_says() {
        let now = Clock::new().now();
        for (behaviour, allowed) in [
            (EndpointIndependent, [true, true, true]),
            (AddressDependent, [true, true, false]),
            (AddressAndPortDependent, [true, false, false]),
        ] {
            let mut nat = nat(EndpointIndependent, behaviour);
            let sent = nat.outbound(now, Datagram::new(INSIDE, "198.51.100.1:1", b""));
            let peers = ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"];
            let got = peers.map(|peer| nat.inbound(now, answer(&sent, peer)).is_some());
            assert_eq!(got, allowed, "{behaviour:?}");
        }
    }

    // rfc: 4787 §4.3 — a mapping expires, and outbound traffic refreshes it
    #[test]
    fn an_idle_mapping_expires_and_a_new_one_has_another_port() {
        let mut clock = Clock::new();
        let mut nat = nat(EndpointIndependent, EndpointIndependent).lifetime(Duration::from_secs(30));
        let sent = nat.outbound(clock.now(), Datagram::new(INSIDE, "198.51.100.1:1", b""));
        clock.advance(Duration::from_secs(29));
        let inside = nat.inbound(clock.now(), answer(&sent, "198.51.100.1:1")).expect("still open");
        assert_eq!(inside.to.to_string(), INSIDE);
        clock.advance(Duration::from_secs(1));
        assert_eq!(nat.inbound(clock.now(), answer(&sent, "198.51.100.1:1")), None);
        let again = nat.outbound(clock.now(), Datagram::new(INSIDE, "198.51.100.1:1", b""));
        assert_ne!(again.from, sent.from);
    }
}
