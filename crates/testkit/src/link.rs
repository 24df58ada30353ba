//! A network that loses, delays, doubles and reorders datagrams, as a core: no socket, no clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Rng;

/// Bytes on their way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// Whose socket sent it, as the receiver sees it.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// The payload.
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// A datagram between two addresses written as text.
    ///
    /// # Panics
    /// When an address is not `ip:port`: the test itself is wrong.
    #[must_use]
    pub fn new(from: &str, to: &str, bytes: &[u8]) -> Self {
        let address = |text: &str| text.parse().unwrap_or_else(|_| panic!("`{text}` is no socket address"));
        Self { from: address(from), to: address(to), bytes: bytes.to_vec() }
    }
}

/// What a [`Link`] does to datagrams. The default only delays them by 10 ms, in order.
#[derive(Clone, Copy, Debug)]
pub struct Impairment {
    delay: Duration,
    jitter: Duration,
    loss: f64,
    double: f64,
    reorder: f64,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
            double: 0.0,
            reorder: 0.0,
        }
    }
}

impl Impairment {
    /// The least time a datagram takes. Default 10 ms.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The most that is added to the delay, evenly distributed; alone it changes no order.
    #[must_use]
    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// How probably a datagram is lost, 0.0 to 1.0.
    #[must_use]
    pub fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// How probably a datagram arrives twice.
    #[must_use]
    pub fn double(self, double: f64) -> Self {
        Self { double, ..self }
    }

    /// How probably a datagram is held back, up to four times delay and jitter, so that later ones overtake it.
    #[must_use]
    pub fn reorder(self, reorder: f64) -> Self {
        Self { reorder, ..self }
    }
}

/// The network between all nodes of a world.
#[derive(Debug)]
pub struct Link {
    impairment: Impairment,
    rng: Rng,
    in_flight: BTreeMap<(Instant, u64), Datagram>,
    /// When the last datagram that keeps its order arrives, for each pair of addresses.
    latest: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    sent: u64,
    lost: u64,
}

impl Link {
    /// A link whose misfortunes are decided by `seed`.
    #[must_use]
    pub fn new(seed: u64, impairment: Impairment) -> Self {
        Self {
            impairment,
            rng: Rng::new(seed),
            in_flight: BTreeMap::new(),
            latest: BTreeMap::new(),
            sent: 0,
            lost: 0,
        }
    }

    /// Changes the impairment from now on; what is in flight keeps its fate.
    pub fn impair(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// Takes a datagram on its way.
    pub fn send(&mut self, now: Instant, datagram: Datagram) {
        if self.rng.chance(self.impairment.loss) {
            self.lost += 1;
            return;
        }
        if self.rng.chance(self.impairment.double) {
            self.enqueue(now, datagram.clone());
        }
        self.enqueue(now, datagram);
    }

    fn enqueue(&mut self, now: Instant, datagram: Datagram) {
        let Impairment { delay, jitter, reorder, .. } = self.impairment;
        let mut arrival = now + delay + self.rng.duration(jitter);
        if self.rng.chance(reorder) {
            arrival += self.rng.duration((delay + jitter) * 4);
        } else {
            let latest = self.latest.entry((datagram.from, datagram.to)).or_insert(arrival);
            arrival = arrival.max(*latest);
            *latest = arrival;
        }
        self.sent += 1;
        self.in_flight.insert((arrival, self.sent), datagram);
    }

    /// When the next datagram arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|((arrival, _), _)| *arrival)
    }

    /// The next datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        let next = self.in_flight.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }

    /// How many datagrams were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    fn arrivals(seed: u64, impairment: Impairment) -> Vec<u8> {
        let mut clock = Clock::new();
        let mut link = Link::new(seed, impairment);
        let mut got = Vec::new();
        for number in 0..100 {
            link.send(clock.now(), Datagram::new("10.0.0.1:1", "10.0.0.2:2", &[number]));
            clock.advance(Duration::from_millis(2));
        }
        while let Some(at) = link.poll_timeout() {
            clock.advance_to(at);
            got.extend(link.receive(clock.now()).expect("it is due").bytes);
        }
        got
    }

    #[test]
    fn jitter_alone_keeps_the_order() {
        let got = arrivals(1, Impairment::default().jitter(Duration::from_millis(30)));
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn loss_doubling_and_reordering_happen_and_a_seed_repeats_them() {
        let bad = Impairment::default().loss(0.2).double(0.1).reorder(0.3);
        let got = arrivals(3, bad);
        assert_eq!(got, arrivals(3, bad));
        assert_ne!(got, arrivals(4, bad));
        assert!(!got.is_sorted());
        let mut distinct = got.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() < got.len() && distinct.len() < 100);
    }
}
