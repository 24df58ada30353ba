//! Where media comes from and goes to: the latching policy (RFC 4961, RFC 7362).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How long the signalled address is waited for before another one may be believed.
const PATIENCE: Duration = Duration::from_millis(500);
/// Packets that must come from an address behind a NAT before it is believed.
const PROBATION: u32 = 5;

/// Whose media a session takes, and where it sends.
///
/// Media behind a NAT comes from another address than the one in SDP, so somebody has to look at where packets come from;
/// whoever looks carelessly gives the call to the first stranger ([RFC 7362 §4]).
///
/// [RFC 7362 §4]: https://www.rfc-editor.org/rfc/rfc7362#section-4
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Latching {
    /// The signalled address only, whatever comes.
    Strict,
    /// Waits for the peer once, then stays with it until the next offer/answer gives another address.
    ///
    /// While waiting, these are believed: the signalled address; any address whose packets carry a good SRTP tag; and,
    /// half a second later, an address that shows that a NAT lies between (the signalled one is private and this one is
    /// not of that network, or only the port differs on a public address) or that the peer is on this host and uses
    /// another of its addresses, after five packets. The signalled address
    /// takes the call back from the other two as soon as it speaks, and a good SRTP tag from elsewhere is followed.
    /// Everything else is counted and dropped, and nothing is sent to it.
    #[default]
    LatchOnce,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is the peer's.
    Accept,
    /// It is the peer's, who is now known to be at this address.
    Latched,
    /// It may be the peer's, and has to prove it with more packets: drop it.
    Probation,
    /// It is a stranger's: drop it.
    Refuse,
}

/// What is known of the peer's address for one component (RTP or RTCP).
#[derive(Clone, Debug)]
pub(crate) struct Latch {
    policy: Latching,
    signalled: Option<SocketAddr>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody has spoken yet.
    Waiting { since: Option<Instant>, candidate: Option<(SocketAddr, u32)> },
    /// The signalled address speaks.
    Locked(SocketAddr),
    /// Authentic, or behind a NAT as it seems; the signalled address still comes first.
    Supposed(SocketAddr),
}

const WAITING: State = State::Waiting { since: None, candidate: None };

impl Latch {
    pub(crate) const fn new(policy: Latching) -> Self {
        Self { policy, signalled: None, state: WAITING }
    }

    /// Takes the address of an offer or answer; another one than before makes us wait anew.
    ///
    /// None at all (`c=0.0.0.0`, the old way to hold a call) stops us from sending; the peer stays who it was.
    pub(crate) fn signal(&mut self, address: Option<SocketAddr>) {
        if address.is_some() && self.signalled != address {
            self.state = WAITING;
        }
        self.signalled = address;
    }

    /// Waits anew, as when nothing came for so long that the peer may have moved.
    pub(crate) fn wait(&mut self) {
        self.state = WAITING;
    }

    /// Where to send: the peer's address as far as it is known.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        let signalled = self.signalled.filter(reachable)?;
        match self.state {
            State::Waiting { .. } => Some(signalled),
            State::Locked(address) | State::Supposed(address) => Some(address),
        }
    }

    /// Whether a packet from there might be the peer's: saves the work of looking into it when not.
    pub(crate) fn may_be(&self, source: SocketAddr) -> bool {
        match (self.policy, self.state) {
            (Latching::Strict, _) => self.signalled == Some(source),
            (Latching::LatchOnce, State::Locked(address)) => address == source,
            (Latching::LatchOnce, State::Waiting { .. } | State::Supposed(_)) => true,
        }
    }

    /// Judges a well-formed packet; `authentic` says that its SRTP tag was good.
    pub(crate) fn judge(&mut self, now: Instant, source: SocketAddr, authentic: bool) -> Verdict {
        let signalled = self.signalled == Some(source);
        if self.policy == Latching::Strict {
            return if signalled { Verdict::Accept } else { Verdict::Refuse };
        }
        match &mut self.state {
            State::Locked(address) | State::Supposed(address) if *address == source => Verdict::Accept,
            State::Locked(_) => Verdict::Refuse,
            _ if signalled => {
                self.state = State::Locked(source);
                Verdict::Latched
            }
            _ if authentic => {
                self.state = State::Supposed(source);
                Verdict::Latched
            }
            State::Supposed(_) => Verdict::Refuse,
            State::Waiting { since, candidate } => {
                let waited = now.saturating_duration_since(*since.get_or_insert(now));
                if !self.signalled.is_some_and(|signalled| nat_between(signalled, source)) {
                    return Verdict::Refuse;
                }
                let count =
                    candidate.filter(|(address, _)| *address == source).map_or(1, |(_, count)| count + 1);
                *candidate = Some((source, count));
                if count < PROBATION || waited < PATIENCE {
                    return Verdict::Probation;
                }
                self.state = State::Supposed(source);
                Verdict::Latched
            }
        }
    }
}

/// `0.0.0.0`, `::` and port 0 stand for "nowhere" (the old way to hold a call).
fn reachable(address: &SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

/// Whether `source` may be where the packets of `signalled` come from: out of a NAT, or out of another address of this
/// very host, which a socket bound to all addresses sends from when it writes to one of ours.
fn nat_between(signalled: SocketAddr, source: SocketAddr) -> bool {
    let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    if loopback(signalled) != loopback(source) {
        return signalled.port() == source.port();
    }
    match (Network::of(signalled.ip()), Network::of(source.ip())) {
        (Network::Global, Network::Global) => signalled.ip() == source.ip(),
        (Network::Private(_), Network::Global) => true,
        (Network::Private(signalled), Network::Private(source)) => signalled != source,
        (Network::Global | Network::Here, _) | (_, Network::Here) => false,
    }
}

enum Network {
    Global,
    /// One of the blocks of RFC 1918, RFC 6598 or RFC 4193.
    Private(u8),
    /// Loopback, link-local or unspecified: no NAT lies on the way.
    Here,
}

impl Network {
    fn of(address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) if address.is_loopback() || address.is_unspecified() => return Self::Here,
            IpAddr::V6(address) if address.is_unicast_link_local() => return Self::Here,
            IpAddr::V6(address) if address.is_unique_local() => return Self::Private(6),
            IpAddr::V6(_) => return Self::Global,
        };
        let [first, second, ..] = address.octets();
        match (first, second) {
            (10, _) => Self::Private(10),
            (172, 16..=31) => Self::Private(172),
            (192, 168) => Self::Private(192),
            (100, 64..=127) => Self::Private(100),
            _ if address.is_loopback() || address.is_link_local() || address == Ipv4Addr::UNSPECIFIED => {
                Self::Here
            }
            _ => Self::Global,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Clock;

    const PEER: &str = "192.0.2.10:4000";
    const STRANGER: &str = "198.51.100.66:4000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn waiting_for(signalled: &str) -> Latch {
        let mut latch = Latch::new(Latching::LatchOnce);
        latch.signal(Some(address(signalled)));
        latch
    }

    /// Ten packets over a second; what the last one got.
    fn spray(latch: &mut Latch, clock: &mut Clock, source: &str) -> Verdict {
        let mut verdict = Verdict::Refuse;
        for _ in 0..10 {
            clock.advance(Duration::from_millis(100));
            verdict = latch.judge(clock.now(), address(source), false);
        }
        verdict
    }

    // rfc: 7362 §4 — a stranger gets no media, before and after the peer has spoken
    #[test]
    fn a_stranger_is_refused_before_and_after_the_peer_speaks() {
        let (mut latch, mut clock) = (waiting_for(PEER), Clock::new());
        assert_eq!(spray(&mut latch, &mut clock, STRANGER), Verdict::Refuse);
        assert_eq!(latch.destination(), Some(address(PEER)));
        assert_eq!(latch.judge(clock.now(), address(PEER), false), Verdict::Latched);
        assert_eq!(spray(&mut latch, &mut clock, STRANGER), Verdict::Refuse);
        assert_eq!(latch.judge(clock.now(), address(STRANGER), true), Verdict::Refuse, "locked is locked");
        assert_eq!(latch.destination(), Some(address(PEER)));
    }

    #[test]
    fn a_stranger_on_the_same_loopback_or_network_is_refused() {
        for (peer, stranger) in [
            ("127.0.0.1:4000", "127.0.0.1:4002"),
            ("10.0.0.5:4000", "10.0.0.66:4000"),
            ("[::1]:9", "[::1]:8"),
        ] {
            let (mut latch, mut clock) = (waiting_for(peer), Clock::new());
            assert_eq!(spray(&mut latch, &mut clock, stranger), Verdict::Refuse, "{stranger}");
        }
    }

    // rfc: 4961 §3 — media goes to where the peer's media comes from
    #[test]
    fn a_peer_behind_a_nat_is_found_after_probation() {
        for (signalled, seen) in [
            ("192.168.1.5:4000", STRANGER),
            (PEER, "192.0.2.10:61000"),
            ("192.168.1.5:4000", "10.9.9.9:4000"),
        ] {
            let (mut latch, mut clock) = (waiting_for(signalled), Clock::new());
            assert_eq!(
                latch.judge(clock.now(), address(seen), false),
                Verdict::Probation,
                "the first packet"
            );
            assert_eq!(latch.destination(), Some(address(signalled)));
            assert_eq!(spray(&mut latch, &mut clock, seen), Verdict::Accept, "{seen}");
            assert_eq!(latch.destination(), Some(address(seen)));
        }
    }

    #[test]
    fn a_peer_on_this_host_may_use_another_address_of_it_and_the_same_port_only() {
        for (signalled, seen, verdict) in [
            ("127.0.0.1:4000", "172.17.0.2:4000", Verdict::Accept),
            ("172.17.0.2:4000", "127.0.0.1:4000", Verdict::Accept),
            ("172.17.0.2:4000", "127.0.0.1:4002", Verdict::Refuse),
            ("127.0.0.1:4000", "127.0.0.2:4000", Verdict::Refuse),
        ] {
            let (mut latch, mut clock) = (waiting_for(signalled), Clock::new());
            assert_eq!(spray(&mut latch, &mut clock, seen), verdict, "{signalled} {seen}");
        }
    }

    #[test]
    fn the_signalled_address_takes_the_call_back_from_a_supposed_one() {
        let (mut latch, mut clock) = (waiting_for("192.168.1.5:4000"), Clock::new());
        spray(&mut latch, &mut clock, STRANGER);
        let signalled = address("192.168.1.5:4000");
        assert_eq!(latch.judge(clock.now(), signalled, false), Verdict::Latched);
        assert_eq!(spray(&mut latch, &mut clock, STRANGER), Verdict::Refuse);
        assert_eq!(latch.destination(), Some(signalled));
    }

    #[test]
    fn an_authentic_packet_is_believed_at_once_from_anywhere() {
        let (mut latch, clock) = (waiting_for(PEER), Clock::new());
        assert_eq!(latch.judge(clock.now(), address(STRANGER), true), Verdict::Latched);
        assert_eq!(latch.destination(), Some(address(STRANGER)));
    }

    #[test]
    fn a_straggler_from_the_old_address_does_not_keep_the_call_there() {
        let (mut latch, clock) = (waiting_for(PEER), Clock::new());
        latch.judge(clock.now(), address(PEER), true);
        let moved = address("192.0.2.11:5000");
        latch.signal(Some(moved));
        assert_eq!(latch.judge(clock.now(), address(PEER), true), Verdict::Latched);
        assert_eq!(latch.judge(clock.now(), moved, true), Verdict::Latched);
        assert_eq!(latch.judge(clock.now(), address(PEER), true), Verdict::Refuse);
        assert_eq!(latch.destination(), Some(moved));
    }

    #[test]
    fn strict_takes_the_signalled_address_only() {
        let clock = Clock::new();
        let mut latch = Latch::new(Latching::Strict);
        latch.signal(Some(address(PEER)));
        assert_eq!(latch.judge(clock.now(), address(STRANGER), true), Verdict::Refuse);
        assert_eq!(latch.judge(clock.now(), address(PEER), false), Verdict::Accept);
    }

    #[test]
    fn another_signalled_address_makes_us_wait_anew_and_the_same_one_does_not() {
        let (mut latch, clock) = (waiting_for(PEER), Clock::new());
        latch.judge(clock.now(), address(STRANGER), true);
        latch.signal(Some(address(PEER)));
        assert_eq!(latch.destination(), Some(address(STRANGER)));
        latch.signal(Some(address("192.0.2.11:5000")));
        assert_eq!(latch.destination(), Some(address("192.0.2.11:5000")));
    }

    // rfc: 3264 §8.4 — `c=0.0.0.0` is a hold: nothing is sent, and the peer may still be heard
    #[test]
    fn a_peer_that_holds_by_address_is_sent_nothing_and_still_heard() {
        let (mut latch, clock) = (waiting_for(PEER), Clock::new());
        latch.judge(clock.now(), address(PEER), false);
        latch.signal(None);
        assert_eq!(latch.destination(), None);
        assert_eq!(latch.judge(clock.now(), address(PEER), false), Verdict::Accept);
        assert_eq!(latch.judge(clock.now(), address(STRANGER), false), Verdict::Refuse);
        latch.signal(Some(address(PEER)));
        assert_eq!(latch.destination(), Some(address(PEER)));
    }

    #[test]
    fn nothing_is_sent_to_nowhere() {
        assert_eq!(waiting_for("0.0.0.0:4000").destination(), None);
        assert_eq!(Latch::new(Latching::LatchOnce).destination(), None);
    }
}
