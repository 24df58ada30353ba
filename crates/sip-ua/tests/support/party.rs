//! A phone, or a proxy of some kind, as a node of a simulated network.

use std::time::Instant;

use testkit::{Datagram, Node};

use crate::phone::Phone;

/// Whoever is at an address.
pub(crate) enum Party<P> {
    Phone(Box<Phone>),
    Proxy(Box<P>),
}

impl<P: Node> Party<P> {
    pub(crate) fn phone(&mut self) -> &mut Phone {
        match self {
            Self::Phone(phone) => phone,
            Self::Proxy(_) => panic!("it is the proxy"),
        }
    }

    fn node(&mut self) -> &mut dyn Node {
        match self {
            Self::Phone(phone) => &mut **phone,
            Self::Proxy(proxy) => &mut **proxy,
        }
    }
}

impl<P: Node> Node for Party<P> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        self.node().handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node().handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.node().poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.node().poll_transmit()
    }
}
