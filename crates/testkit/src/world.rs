//! Cores, a link and a clock, stepped until nothing more happens.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::{Clock, Datagram, Impairment, Link, Nat};

/// A core as the world drives it: the doors of the cores here, reduced to datagrams.
///
/// Different cores in one world: an `enum` that implements this, or `Box<dyn Node>`.
pub trait Node {
    /// A datagram arrived at one of the node's addresses.
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram);
    /// The time that `poll_timeout` named has come.
    fn handle_timeout(&mut self, now: Instant);
    /// When the node wants to be called next; `None` is idle.
    fn poll_timeout(&mut self) -> Option<Instant>;
    /// The next datagram to send. Events and other outputs are the node's own to keep.
    fn poll_transmit(&mut self) -> Option<Datagram>;
}

impl<N: Node + ?Sized> Node for Box<N> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        (**self).handle_datagram(now, datagram);
    }
    fn handle_timeout(&mut self, now: Instant) {
        (**self).handle_timeout(now);
    }
    fn poll_timeout(&mut self) -> Option<Instant> {
        (**self).poll_timeout()
    }
    fn poll_transmit(&mut self) -> Option<Datagram> {
        (**self).poll_transmit()
    }
}

/// A node of a [`World`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NodeId(usize);

/// A NAT of a [`World`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NatId(usize);

#[derive(Debug)]
struct Place<N> {
    address: IpAddr,
    nat: Option<NatId>,
    node: N,
}

/// Nodes with one IP address each (and all its ports), joined by one [`Link`].
#[derive(Debug)]
pub struct World<N> {
    clock: Clock,
    link: Link,
    nats: Vec<Nat>,
    places: Vec<Place<N>>,
    undelivered: u64,
    /// How many steps in a row a node asked for a time that had passed.
    stalled: u32,
}

/// A core that handles one due timer at a call may stall for a while; this is a core that never moves on.
const MAX_STALLED: u32 = 10_000;

impl<N: Node> World<N> {
    /// An empty world; `seed` decides what the link does.
    #[must_use]
    pub fn new(seed: u64, impairment: Impairment) -> Self {
        let link = Link::new(seed, impairment);
        Self { clock: Clock::new(), link, nats: Vec::new(), places: Vec::new(), undelivered: 0, stalled: 0 }
    }

    /// Adds a node that owns every port of an IP address.
    ///
    /// # Panics
    /// When `address` is no IP address: the test itself is wrong.
    pub fn add(&mut self, address: &str, node: N) -> NodeId {
        self.place(address, None, node)
    }

    /// Adds a translator; its outside address must belong to no node.
    pub fn add_nat(&mut self, nat: Nat) -> NatId {
        self.nats.push(nat);
        NatId(self.nats.len() - 1)
    }

    /// Adds a node behind a translator. Inside addresses must differ, also between translators.
    ///
    /// # Panics
    /// When `address` is no IP address: the test itself is wrong.
    pub fn add_behind(&mut self, nat: NatId, address: &str, node: N) -> NodeId {
        self.place(address, Some(nat), node)
    }

    fn place(&mut self, address: &str, nat: Option<NatId>, node: N) -> NodeId {
        let address = address.parse().unwrap_or_else(|_| panic!("`{address}` is no IP address"));
        self.places.push(Place { address, nat, node });
        NodeId(self.places.len() - 1)
    }

    /// The virtual time, to be passed to commands.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// How much virtual time has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// A node, to give commands to and to read events from; what it wants to send leaves with the next run.
    #[expect(clippy::indexing_slicing, reason = "only `add` makes a NodeId, and nodes are never removed")]
    pub fn node(&mut self, id: NodeId) -> &mut N {
        &mut self.places[id.0].node
    }

    /// A translator.
    #[expect(clippy::indexing_slicing, reason = "only `add_nat` makes a NatId, and NATs are never removed")]
    pub fn nat(&mut self, id: NatId) -> &mut Nat {
        &mut self.nats[id.0]
    }

    /// The link, to impair it anew in the middle of a run.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// How many datagrams went to an address that nobody has, or were filtered by a NAT.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.undelivered
    }

    /// Runs for a time, however busy or quiet the nodes are.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.step(end) {}
        self.clock.advance_to(end);
    }

    /// Runs until nothing is in flight and no node waits for a time; false when the limit came first.
    pub fn run_until_quiet(&mut self, limit: Duration) -> bool {
        let end = self.now() + limit;
        while self.step(end) {}
        self.next().is_none()
    }

    /// Runs until the test is content; false when the world fell quiet or the limit came first.
    pub fn run_until(&mut self, limit: Duration, mut content: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now() + limit;
        loop {
            if content(self) {
                return true;
            }
            if !self.step(end) {
                return false;
            }
        }
    }

    /// When anything happens next.
    fn next(&mut self) -> Option<Instant> {
        let timers = self.places.iter_mut().filter_map(|place| place.node.poll_timeout()).min();
        timers.into_iter().chain(self.link.poll_timeout()).min()
    }

    /// Lets the next thing happen, if it does by `end`.
    ///
    /// A node whose timeout does not move on would hang the test: the clock is then pushed by a microsecond.
    ///
    /// # Panics
    /// When a node asks 10,000 times in a row for a time that has passed: its `handle_timeout` forgets a timer.
    fn step(&mut self, end: Instant) -> bool {
        self.collect();
        let Some(next) = self.next().filter(|at| *at <= end) else { return false };
        self.clock.advance_to(next);
        let now = self.now();
        while let Some(datagram) = self.link.receive(now) {
            self.deliver(now, datagram);
        }
        for place in &mut self.places {
            if place.node.poll_timeout().is_some_and(|at| at <= now) {
                place.node.handle_timeout(now);
            }
        }
        self.collect();
        let overdue = |place: &mut Place<N>| place.node.poll_timeout().is_some_and(|at| at <= now);
        self.stalled = if self.places.iter_mut().any(overdue) { self.stalled + 1 } else { 0 };
        assert!(self.stalled < MAX_STALLED, "a node asks again and again for a time that has passed");
        if self.next().is_some_and(|at| at <= now) {
            self.clock.advance(Duration::from_micros(1));
        }
        self.now() <= end
    }

    /// Puts what the nodes want to send onto the link.
    fn collect(&mut self) {
        let now = self.clock.now();
        for place in &mut self.places {
            while let Some(datagram) = place.node.poll_transmit() {
                let nat = place.nat.and_then(|id| self.nats.get_mut(id.0));
                let datagram = match nat {
                    Some(nat) => nat.outbound(now, datagram),
                    None => datagram,
                };
                self.link.send(now, datagram);
            }
        }
    }

    /// Hands a datagram to the node that has its address: outside nodes by their own, inside ones by their NAT's.
    fn deliver(&mut self, now: Instant, datagram: Datagram) {
        let nat = self.nats.iter_mut().position(|nat| nat.outside() == datagram.to.ip());
        let translated = match nat.and_then(|at| self.nats.get_mut(at)) {
            Some(nat) => nat.inbound(now, datagram),
            None => Some(datagram),
        };
        let place = translated.as_ref().and_then(|datagram| {
            let here =
                |place: &&mut Place<N>| place.address == datagram.to.ip() && place.nat.map(|id| id.0) == nat;
            self.places.iter_mut().find(here)
        });
        match (place, translated) {
            (Some(place), Some(datagram)) => place.node.handle_datagram(now, datagram),
            _ => self.undelivered += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Behaviour;

    /// Echoes what it gets; sends `greetings`.
    #[derive(Default)]
    struct Echo {
        outbox: Vec<Datagram>,
        got: Vec<Datagram>,
        answers: bool,
        stuck: Option<Instant>,
    }

    impl Node for Echo {
        fn handle_datagram(&mut self, _: Instant, datagram: Datagram) {
            if self.answers {
                let Datagram { from, to, bytes } = datagram.clone();
                self.outbox.push(Datagram { from: to, to: from, bytes });
            }
            self.got.push(datagram);
        }
        fn handle_timeout(&mut self, _: Instant) {}
        fn poll_timeout(&mut self) -> Option<Instant> {
            self.stuck
        }
        fn poll_transmit(&mut self) -> Option<Datagram> {
            self.outbox.pop()
        }
    }

    #[test]
    fn a_datagram_goes_there_and_back_in_two_delays() {
        let mut world = World::new(1, Impairment::default());
        let a = world.add("10.0.0.1", Echo::default());
        world.add("10.0.0.2", Echo { answers: true, ..Echo::default() });
        world.node(a).outbox.push(Datagram::new("10.0.0.1:1", "10.0.0.2:2", b"hello"));
        assert!(world.run_until_quiet(Duration::from_secs(1)));
        assert_eq!(world.elapsed(), Duration::from_millis(20));
        assert_eq!(world.node(a).got, [Datagram::new("10.0.0.2:2", "10.0.0.1:1", b"hello")]);
    }

    #[test]
    fn an_answer_finds_its_way_through_a_nat_and_a_stranger_does_not() {
        let mut world = World::new(1, Impairment::default());
        let behaviour = Behaviour::AddressAndPortDependent;
        let nat = world.add_nat(Nat::new("203.0.113.1".parse().unwrap(), behaviour, behaviour));
        let inside = world.add_behind(nat, "192.168.0.2", Echo::default());
        let outside = world.add("198.51.100.1", Echo { answers: true, ..Echo::default() });
        world.node(inside).outbox.push(Datagram::new("192.168.0.2:5060", "198.51.100.1:5060", b""));
        assert!(world.run_until_quiet(Duration::from_secs(1)));
        let mapped = world.node(outside).got[0].from;
        assert_eq!(mapped.ip().to_string(), "203.0.113.1");
        assert_eq!(world.node(inside).got.len(), 1);
        world.node(outside).outbox.push(Datagram::new("198.51.100.1:9", &mapped.to_string(), b""));
        world.node(outside).outbox.push(Datagram::new("198.51.100.1:9", "192.168.0.2:5060", b""));
        assert!(world.run_until_quiet(Duration::from_secs(1)));
        assert_eq!((world.node(inside).got.len(), world.undelivered()), (1, 2));
    }

    #[test]
    #[should_panic(expected = "again and again")]
    fn a_node_whose_timeout_stands_still_cannot_hang_the_run() {
        let mut world = World::new(1, Impairment::default());
        let stuck = Some(world.now());
        world.add("10.0.0.1", Echo { stuck, ..Echo::default() });
        world.run_until_quiet(Duration::from_secs(3600));
    }
}
