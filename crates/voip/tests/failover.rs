//! Calls and registrations to a domain whose first server is dead (RFC 3263 §4.3).
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests are tests")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use voip::crates::sip_txn::driver::{Resolver, Resolving};
use voip::crates::sip_txn::{Answer, Question, SrvRecord};
use voip::{Account, Config, Endpoint, Listen, Registrar, RegistrationState, Transport};

const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// One domain with two servers, the first of them dead; it has no addresses itself.
#[derive(Debug)]
struct Zone {
    service: &'static str,
    ports: [u16; 2],
}

impl Resolver for Zone {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        Box::pin(async move {
            let record =
                |(priority, port)| SrvRecord { priority, weight: 0, port, target: "host.test".into() };
            match question {
                Question::Naptr(_) => Answer::Naptr(vec![]),
                Question::Srv(name) if name.starts_with(self.service) => {
                    Answer::Srv((1..).zip(self.ports).map(record).collect())
                }
                Question::Srv(_) => Answer::Srv(vec![]),
                Question::Addresses(name) if name == "host.test" => Answer::Addresses(vec![LOCAL.0.into()]),
                Question::Addresses(_) => Answer::Addresses(vec![]),
            }
        })
    }
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    UdpSocket::bind(SocketAddr::from(LOCAL)).unwrap().local_addr().unwrap().port()
}

fn config(transport: Transport) -> Config {
    Config::default().listen([Listen::new(transport, LOCAL.into())])
}

// rfc: 3263 §4.3 — a call reaches the next server when nobody listens at the first, over UDP (ICMP) and TCP
#[tokio::test]
async fn a_call_to_a_name_reaches_the_second_server() {
    for (transport, service) in [(Transport::Udp, "_sip._udp."), (Transport::Tcp, "_sip._tcp.")] {
        let (bob, mut calls) = Endpoint::bind(config(transport)).await.unwrap();
        let ports = [closed_port(), bob.local_addresses()[0].address.port()];
        // Listens at every address: which one goes into the SDP depends on where the name leads.
        let any = [Transport::Udp, Transport::Tcp]
            .map(|transport| Listen::new(transport, ([0, 0, 0, 0], 0).into()));
        let settings = Config::default().listen(any).resolver(Arc::new(Zone { service, ports }));
        let (alice, _incoming) = Endpoint::bind(settings).await.unwrap();
        let start = Instant::now();
        let answering = async { calls.next().await.unwrap().answer().await };
        let both = async { tokio::try_join!(alice.dial("sip:bob@voip.test"), answering) };
        let (at_alice, at_bob) = timeout(Duration::from_secs(10), both).await.unwrap().unwrap();
        println!("{transport}: answered after {:?}", start.elapsed());
        let offered = at_bob.agreement().unwrap().remote_rtp.unwrap();
        assert!(offered.ip().is_loopback(), "the address towards the peer: {offered}");
        at_alice.hang_up().await.unwrap();
        drop(at_bob);
    }
}

// rfc: 3263 §4.3 — a registration reaches the next server when nobody listens at the first
#[tokio::test]
async fn a_registration_at_a_domain_reaches_the_second_server() {
    let users = [("alice".to_owned(), "secret".to_owned())];
    let registrar = Registrar::bind(&config(Transport::Udp), "voip.test", users).await.unwrap();
    let ports = [closed_port(), registrar.local_addresses()[0].address.port()];
    let settings = config(Transport::Udp).resolver(Arc::new(Zone { service: "_sip._udp.", ports }));
    let (alice, _incoming) = Endpoint::bind(settings).await.unwrap();
    let account = Account::new("sip:alice@voip.test").unwrap().password("secret");
    let registration = timeout(Duration::from_secs(10), alice.register(&account)).await.unwrap().unwrap();
    assert!(
        matches!(registration.state(), RegistrationState::Registered { .. }),
        "{:?}",
        registration.state()
    );
    timeout(Duration::from_secs(10), registration.unregister()).await.unwrap().unwrap();
}
