//! The registrar and forking proxy as a node of a simulated network.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::registrar::{Config, Output, Registrar};
use testkit::{Datagram, Node};

pub(crate) struct Proxy {
    pub(crate) registrar: Registrar,
    outbox: VecDeque<Datagram>,
}

impl Proxy {
    /// A proxy whose domain is its address; the password of each user is the name.
    pub(crate) fn new(
        now: Instant,
        ip: &str,
        seed: [u8; 32],
        users: &[&str],
        settings: impl FnOnce(Config) -> Config,
    ) -> Self {
        let address = SocketAddr::new(ip.parse().expect("an IP address"), 5060);
        let transactions = sip_txn::Config::new(seed).listen(Transport::Udp, address);
        let config =
            users.iter().fold(Config::new(transactions, ip), |config, user| config.user(*user, *user));
        Self { registrar: Registrar::new(now, settings(config), seed), outbox: VecDeque::new() }
    }
}

impl Node for Proxy {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        let flow = Flow::new(Transport::Udp, datagram.to, datagram.from);
        self.registrar.handle_input(now, Input::Datagram { flow, bytes: datagram.bytes.into() });
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.registrar.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.registrar.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        while let Some(output) = self.registrar.poll_output() {
            match output {
                Output::Action(Action::Transmit(transmit)) => self.outbox.push_back(Datagram {
                    from: transmit.flow.local,
                    to: transmit.flow.remote,
                    bytes: transmit.bytes.to_vec(),
                }),
                Output::Action(action) => panic!("UDP needs no {action:?}"),
                Output::Event(_) => {}
            }
        }
        self.outbox.pop_front()
    }
}
