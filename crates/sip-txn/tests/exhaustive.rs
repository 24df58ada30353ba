//! Every fate of the first messages: each is delivered, lost or doubled, in all combinations, for each pair of client and
//! server transaction. Whatever happens, both sides end, and the application hears of it once.
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests fail the test")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{CSeq, CallId, From, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::{Action, Config, Ending, Event, Flow, Input, Output, SendOptions, TransactionLayer, Transport};

/// How many messages have each fate; the rest is delivered. With seven, all INVITEs could be lost.
const DECIDED: u32 = 6;

/// What the pair does.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    Options,
    Accepted,
    Refused,
    Cancelled,
}

/// Both layers and the messages between them.
struct Pair {
    layers: [TransactionLayer; 2],
    addresses: [SocketAddr; 2],
    in_flight: BTreeMap<(Instant, u32), (usize, Bytes)>,
    sent: u32,
    /// In base three.
    fates: u32,
    now: Instant,
    scenario: Scenario,
    told: Told,
}

/// What the applications heard.
#[derive(Debug, Default)]
struct Told {
    requests: u32,
    finals: u32,
    acks: u32,
    cancelled: u32,
    client_ended: Vec<Ending>,
    server_ended: u32,
    /// The 2xx that is to be repeated until its ACK, when, and how long to wait then.
    repeat: Option<(Instant, Duration, sip_txn::ServerId, Response)>,
}

fn request(method: Method) -> Request {
    let uri: Uri = "sip:bob@10.0.0.2:5060".parse().unwrap();
    Request::builder(method.clone(), &uri)
        .header(&From::new(uri.clone()).with_tag("a"))
        .header(&To::new(uri.clone()))
        .header(&CallId("call".into()))
        .header(&CSeq::new(1, method))
        .build()
}

impl Pair {
    fn new(scenario: Scenario, fates: u32) -> Self {
        let addresses = ["10.0.0.1:5060", "10.0.0.2:5060"].map(|address| address.parse().unwrap());
        let layer = |at: usize| {
            let address = addresses.get(at).copied().unwrap();
            TransactionLayer::new(Config::new([7; 32]).listen(Transport::Udp, address))
        };
        let now = testkit::Clock::new().now();
        let layers = [layer(0), layer(1)];
        let in_flight = BTreeMap::new();
        Self { layers, addresses, in_flight, sent: 0, fates, now, scenario, told: Told::default() }
    }

    fn layer(&mut self, side: usize) -> &mut TransactionLayer {
        self.layers.get_mut(side).unwrap()
    }

    fn drain(&mut self) {
        for side in [0, 1] {
            while let Some(output) = self.layer(side).poll_output() {
                match output {
                    Output::Action(Action::Transmit(transmit)) => self.send(1 - side, transmit.bytes),
                    Output::Action(action) => panic!("{action:?}"),
                    Output::Event(event) => self.handle_event(event),
                }
            }
        }
    }

    fn send(&mut self, to: usize, bytes: Bytes) {
        let fate = if self.sent < DECIDED { self.fates / 3_u32.pow(self.sent) % 3 } else { 0 };
        self.sent += 1;
        let copies = [1, 0, 2].get(usize::try_from(fate).unwrap()).copied().unwrap();
        for copy in 0..copies {
            let arrival = self.now + Duration::from_millis(10 + 300 * u64::from(copy));
            self.in_flight.insert((arrival, self.sent * 2 + copy), (to, bytes.clone()));
        }
    }

    fn handle_event(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Request { server, request, .. } => {
                self.told.requests += 1;
                let respond = |layer: &mut TransactionLayer, status| {
                    let response = Response::answer(&request, status).to_tag("b").build();
                    layer.respond(now, server, response.clone()).unwrap();
                    response
                };
                let layer = self.layers.get_mut(1).unwrap();
                match self.scenario {
                    Scenario::Options => drop(respond(layer, StatusCode::OK)),
                    Scenario::Accepted => {
                        let response = respond(layer, StatusCode::OK);
                        let wait = Duration::from_millis(500);
                        self.told.repeat = Some((now + wait, wait, server, response));
                    }
                    Scenario::Refused => drop(respond(layer, StatusCode::BUSY_HERE)),
                    Scenario::Cancelled => drop(respond(layer, StatusCode::RINGING)),
                }
                if let Scenario::Cancelled = self.scenario {
                    let response =
                        Response::answer(&request, StatusCode::REQUEST_TERMINATED).to_tag("b").build();
                    // Kept until the CANCEL comes.
                    self.told.repeat =
                        Some((now + Duration::from_secs(3600), Duration::ZERO, server, response));
                }
            }
            Event::Cancelled { invite, .. } => {
                self.told.cancelled += 1;
                let (_, _, server, response) = self.told.repeat.take().unwrap();
                assert_eq!(server, invite);
                self.layer(1).respond(now, invite, response).unwrap();
            }
            Event::Ack { .. } => {
                self.told.acks += 1;
                self.told.repeat = None;
            }
            Event::Response { response, .. } => {
                if response.status().is_final() {
                    self.told.finals += 1;
                }
                if response.status().is_success() && matches!(self.scenario, Scenario::Accepted) {
                    let options = SendOptions::default().branch("z9hG4bKack");
                    self.layer(0).ack(now, request(Method::ACK), options).unwrap();
                }
            }
            Event::ClientEnded { ending, .. } => self.told.client_ended.push(ending),
            Event::ServerEnded { .. } => self.told.server_ended += 1,
            Event::StrayResponse { .. } | Event::Repeated { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    /// Runs to the end of both sides.
    fn run(mut self) -> Told {
        let invite = !matches!(self.scenario, Scenario::Options);
        let method = if invite { Method::INVITE } else { Method::OPTIONS };
        let (start, now) = (self.now, self.now);
        let client = self.layer(0).request(now, request(method), SendOptions::default()).unwrap();
        if let Scenario::Cancelled = self.scenario {
            self.layer(0).cancel(now, client);
        }
        self.drain();
        loop {
            let repeat = self
                .told
                .repeat
                .as_ref()
                .map(|(at, ..)| *at)
                .filter(|at| *at < start + Duration::from_secs(40));
            let timers = self.layers.iter().filter_map(TransactionLayer::poll_timeout);
            let arrivals = self.in_flight.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.chain(arrivals).chain(repeat).min() else { break };
            assert!(
                next - start < Duration::from_secs(140),
                "{:?} {}: it does not end",
                self.scenario,
                self.fates
            );
            self.now = next;
            while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= next) {
                let (to, bytes) = entry.remove();
                let [ours, theirs] = self.addresses;
                let (local, remote) = if to == 0 { (ours, theirs) } else { (theirs, ours) };
                let flow = Flow::new(Transport::Udp, local, remote);
                self.layer(to).handle_input(next, Input::Datagram { flow, bytes });
                self.drain();
            }
            if let Some((at, wait, server, response)) = self.told.repeat.take() {
                self.told.repeat = Some((at, wait, server, response.clone()));
                if at <= next {
                    // The transaction may have ended just now.
                    let _ = self.layer(1).respond(next, server, response.clone());
                    let wait = (wait * 2).min(Duration::from_secs(4));
                    self.told.repeat = Some((next + wait, wait, server, response));
                }
            }
            for side in [0, 1] {
                self.layer(side).handle_timeout(next);
            }
            self.drain();
        }
        for side in [0, 1] {
            assert_eq!(self.layer(side).live(), (0, 0), "{:?} {}: it leaks", self.scenario, self.fates);
        }
        self.told
    }
}

fn each_fate(scenario: Scenario, check: impl Fn(&Told) -> bool) {
    for fates in 0..3_u32.pow(DECIDED) {
        let told = Pair::new(scenario, fates).run();
        assert!(told.requests == 1 && told.server_ended == 1, "{scenario:?} {fates}: {told:?}");
        assert_eq!(told.client_ended, [Ending::Normal], "{scenario:?} {fates}: {told:?}");
        assert!(check(&told), "{scenario:?} {fates}: {told:?}");
    }
}

// rfc: 3261 §17.1.2 — whatever is lost or doubled, a request is told once, and so is its final response
#[test]
fn options_ends_whatever_becomes_of_its_messages() {
    each_fate(Scenario::Options, |told| told.finals == 1 && told.acks == 0);
}

// rfc: 6026 §7 — every 2xx reaches the client's application, and every ACK to it the server's
#[test]
fn an_accepted_invite_ends_whatever_becomes_of_its_messages() {
    each_fate(Scenario::Accepted, |told| told.finals >= 1 && told.acks >= 1);
}

// rfc: 3261 §17.2.1 — an ACK to a failure response never reaches the application, and the failure is told once
#[test]
fn a_refused_invite_ends_whatever_becomes_of_its_messages() {
    each_fate(Scenario::Refused, |told| told.finals == 1 && told.acks == 0);
}

// rfc: 3261 §9 — a cancelled INVITE is cancelled once, and ends with its 487
#[test]
fn a_cancelled_invite_ends_whatever_becomes_of_its_messages() {
    each_fate(Scenario::Cancelled, |told| told.finals == 1 && told.acks == 0 && told.cancelled == 1);
}
