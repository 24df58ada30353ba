//! What the tests of this workspace share: a clock, a bad link, NATs, vectors.
//!
//! Nothing here knows a protocol. A test wraps each core in a [`Node`], puts the nodes into a [`World`] and lets
//! it run in virtual time; the seed decides what the [`Link`] loses, delays, doubles and reorders.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use testkit::{Datagram, Impairment, Node, World};
//!
//! /// Sends `left` datagrams, one every 20 ms, and counts what comes back.
//! struct Ping { left: u32, next: Option<Instant>, out: Vec<Datagram>, got: u32 }
//!
//! impl Node for Ping {
//!     fn handle_datagram(&mut self, _now: Instant, _datagram: Datagram) { self.got += 1; }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         if self.next.is_some_and(|at| at <= now) {
//!             self.out.push(Datagram::new("10.0.0.1:4000", "10.0.0.2:4000", b"ping"));
//!             self.left -= 1;
//!             self.next = (self.left > 0).then(|| now + Duration::from_millis(20));
//!         }
//!     }
//!     fn poll_timeout(&mut self) -> Option<Instant> { self.next }
//!     fn poll_transmit(&mut self) -> Option<Datagram> { self.out.pop() }
//! }
//!
//! let mut world = World::new(7, Impairment::default().loss(0.1));
//! let start = world.now();
//! world.add("10.0.0.1", Ping { left: 100, next: Some(start), out: vec![], got: 0 });
//! let b = world.add("10.0.0.2", Ping { left: 0, next: None, out: vec![], got: 0 });
//! assert!(world.run_until_quiet(Duration::from_secs(60)));
//! assert!((70..100).contains(&world.node(b).got));
//! ```

mod clock;
mod link;
mod nat;
pub mod pcap;
mod rng;
pub mod vectors;
mod world;

pub use clock::Clock;
pub use link::{Datagram, Impairment, Link};
pub use nat::{Behaviour, Nat};
pub use rng::Rng;
pub use world::{NatId, Node, NodeId, World};
