//! How many of a thousand datagrams survive a bad link, seed by seed: `cargo run -p testkit --example bad_link`.

use std::time::{Duration, Instant};

use testkit::{Datagram, Impairment, Node, World};

/// Sends what it has at once, and counts what comes.
struct Peer {
    out: Vec<Datagram>,
    received: usize,
}

impl Node for Peer {
    fn handle_datagram(&mut self, _now: Instant, _datagram: Datagram) {
        self.received += 1;
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.out.pop()
    }
}

fn main() {
    for seed in 1..=5 {
        let mut world = World::new(seed, Impairment::default().loss(0.2).reorder(0.1));
        let datagram = || Datagram::new("10.0.0.1:4000", "10.0.0.2:4000", b"ping");
        world.add(
            "10.0.0.1",
            Peer { out: std::iter::repeat_with(datagram).take(1_000).collect(), received: 0 },
        );
        let receiver = world.add("10.0.0.2", Peer { out: Vec::new(), received: 0 });
        let quiet = world.run_until_quiet(Duration::from_secs(60));
        println!("seed {seed}: {} of 1000 came, quiet: {quiet}", world.node(receiver).received);
    }
}
