//! RFC 3261 §17 where it is about more than one transaction: what belongs to which, and what the layer says by itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::time::{Duration, Instant};

use sip_msg::{CSeq, CallId, From, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::{
    Action, ClientId, Config, Ending, Event, Flow, Input, Output, RespondError, SendOptions, ServerId,
    TransactionLayer, Transport,
};

/// A layer, its peer and the time.
struct Bench {
    layer: TransactionLayer,
    flow: Flow,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap());
        let layer = TransactionLayer::new(Config::new([7; 32]).listen(Transport::Udp, local));
        Self { layer, flow: Flow::new(Transport::Udp, local, remote), now: testkit::Clock::new().now() }
    }

    /// What was sent, and what was told.
    fn drain(&mut self) -> (Vec<String>, Vec<Event>) {
        let (mut sent, mut told) = (Vec::new(), Vec::new());
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Action(Action::Transmit(transmit)) => {
                    sent.push(String::from_utf8(transmit.bytes.to_vec()).unwrap());
                }
                Output::Action(action) => panic!("{action:?}"),
                Output::Event(event) => told.push(event),
            }
        }
        (sent, told)
    }

    fn receive(&mut self, text: &str) -> (Vec<String>, Vec<Event>) {
        self.layer.handle_input(self.now, Input::Datagram { flow: self.flow, bytes: text.to_owned().into() });
        self.drain()
    }

    fn pass(&mut self, time: Duration) -> (Vec<String>, Vec<Event>) {
        self.now += time;
        self.layer.handle_timeout(self.now);
        self.drain()
    }

    fn send(&mut self, method: Method) -> (ClientId, String) {
        let uri: Uri = "sip:bob@192.0.2.9:5070".parse().unwrap();
        let request = Request::builder(method.clone(), &uri)
            .header(&From::new(uri.clone()).with_tag("a"))
            .header(&To::new(uri.clone()))
            .header(&CallId("call".into()))
            .header(&CSeq::new(1, method))
            .build();
        let client = self.layer.request(self.now, request, SendOptions::default()).unwrap();
        (client, self.drain().0.remove(0))
    }

    fn respond(&mut self, server: ServerId, request: &Request, status: StatusCode) -> Vec<String> {
        let response = Response::answer(request, status).to_tag("us").build();
        self.layer.respond(self.now, server, response).unwrap();
        self.drain().0
    }
}

fn incoming(method: &str, via: &str, more: &str) -> String {
    format!(
        "{method} sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:a@example.com>;tag=1\r\n\
         To: <sip:us@example.com>{more}\r\nCall-ID: x\r\nCSeq: 1 {method}\r\nTimestamp: 54\r\n\r\n"
    )
}

/// The answer to a request of ours, with another tag, branch or CSeq method.
fn answer(sent: &str, status: u16, tag: &str) -> String {
    let lines = sent
        .lines()
        .filter(|line| ["Via", "From", "Call-", "CSeq"].iter().any(|name| line.starts_with(name)));
    let lines: Vec<_> = lines.collect();
    format!("SIP/2.0 {status} X\r\n{}\r\nTo: <sip:bob@192.0.2.9>;tag={tag}\r\n\r\n", lines.join("\r\n"))
}

fn request(told: &[Event]) -> (ServerId, Request) {
    match told {
        [Event::Request { server, request, .. }] => (*server, request.clone()),
        other => panic!("{other:?}"),
    }
}

// rfc: 3261 §17.1.3 — a response matches by the branch of its top Via
// rfc: 3261 §17.1.3 — and by the method of its CSeq: what answers a CANCEL is nothing to the INVITE
#[test]
fn a_response_matches_by_branch_and_method() {
    let mut bench = Bench::new();
    let (client, sent) = bench.send(Method::INVITE);
    let other_branch = answer(&sent, 200, "b").replacen("branch=z9hG4bK", "branch=z9hG4bKother", 1);
    assert!(matches!(bench.receive(&other_branch).1.as_slice(), [Event::StrayResponse { .. }]));
    let other_method = answer(&sent, 200, "b").replace("1 INVITE", "1 CANCEL");
    assert!(matches!(bench.receive(&other_method).1.as_slice(), [Event::StrayResponse { .. }]));
    let told = bench.receive(&answer(&sent, 200, "b")).1;
    assert!(matches!(told.as_slice(), [Event::Response { client: of, .. }] if *of == client), "{told:?}");
}

// rfc: 3261 §17.1.3 — of several answers to one request the first counts, the others are taken for repetitions
// rfc: 3261 §17.1.2.2 — in Completed, responses that come again are absorbed
#[test]
fn the_first_of_several_answers_counts() {
    let mut bench = Bench::new();
    let (client, sent) = bench.send(Method::OPTIONS);
    assert_eq!(bench.receive(&answer(&sent, 200, "b")).1.len(), 1);
    assert_eq!(bench.receive(&answer(&sent, 200, "c")), (vec![], vec![]));
    let told = bench.pass(Duration::from_secs(5)).1;
    assert!(
        matches!(told.as_slice(), [Event::ClientEnded { client: of, ending: Ending::Normal }] if *of == client)
    );
    assert_eq!(bench.layer.poll_timeout(), None);
}

// rfc: 3261 §17.2.3 — the same branch from another sent-by is another transaction
// rfc: 3261 §17.2.3 — a repetition is not passed on
#[test]
fn sent_by_tells_clients_with_the_same_branch_apart() {
    let mut bench = Bench::new();
    request(&bench.receive(&incoming("OPTIONS", "192.0.2.9:5070;branch=z9hG4bK1", ";tag=2")).1);
    assert_eq!(
        bench.receive(&incoming("OPTIONS", "192.0.2.9:5070;branch=z9hG4bK1", ";tag=2")),
        (vec![], vec![])
    );
    request(&bench.receive(&incoming("OPTIONS", "192.0.2.9:5071;branch=z9hG4bK1", ";tag=2")).1);
}

// rfc: 3261 §17.2.3 — requests of RFC 2543: repetitions, the ACK to a failure and the CANCEL find their INVITE without a branch
#[test]
fn clients_of_rfc_2543_are_understood() {
    let mut bench = Bench::new();
    let via = "192.0.2.9:5070";
    let (server, invite) = request(&bench.receive(&incoming("INVITE", via, "")).1);
    assert_eq!(bench.receive(&incoming("INVITE", via, "")), (vec![], vec![]));
    let cancel = incoming("CANCEL", via, "");
    let (sent, told) = bench.receive(&cancel);
    assert!(sent.iter().any(|sent| sent.starts_with("SIP/2.0 200")), "{sent:?}");
    assert!(matches!(told.as_slice(), [Event::Cancelled { invite, .. }] if *invite == server), "{told:?}");
    let sent = bench.respond(server, &invite, StatusCode::REQUEST_TERMINATED);
    assert!(sent.iter().any(|sent| sent.starts_with("SIP/2.0 487")), "{sent:?}");
    assert_eq!(bench.receive(&incoming("ACK", via, ";tag=us")), (vec![], vec![]));
    let told = bench.pass(Duration::from_secs(5)).1;
    assert!(told.iter().any(
        |event| matches!(event, Event::ServerEnded { server: of, ending: Ending::Normal } if *of == server)
    ));
}

// rfc: 3261 §17.2.1 — our own 100 has no To tag and the Timestamp of the request
// rfc: 3261 §17.2.1 — the most recent provisional response is sent again for an INVITE that comes again
#[test]
fn our_own_100_and_the_latest_provisional_response() {
    let mut bench = Bench::new();
    let invite = incoming("INVITE", "192.0.2.9:5070;branch=z9hG4bK1;rport", "");
    let (server, told) = request(&bench.receive(&invite).1);
    assert_eq!(bench.pass(Duration::from_millis(199)).0, Vec::<String>::new());
    let sent = bench.pass(Duration::from_millis(1)).0;
    let [trying] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(trying.starts_with("SIP/2.0 100 Trying\r\n") && trying.contains("To: <sip:us@example.com>\r\n"));
    assert!(trying.contains("Timestamp: 54") && trying.contains("rport=5070;received=192.0.2.9"), "{trying}");
    assert_eq!(bench.receive(&invite).0, sent);
    let ringing = bench.respond(server, &told, StatusCode::RINGING);
    assert_eq!(bench.receive(&invite).0, ringing);
}

// rfc: 3261 §17.2.1 — without an ACK the failure of the transaction is told after 64·T1
#[test]
fn a_missing_ack_is_told() {
    let mut bench = Bench::new();
    let (server, invite) =
        request(&bench.receive(&incoming("INVITE", "192.0.2.9:5070;branch=z9hG4bK1", "")).1);
    bench.respond(server, &invite, StatusCode::BUSY_HERE);
    let mut ended = Vec::new();
    let begun = bench.now;
    while let Some(at) = bench.layer.poll_timeout() {
        let told = bench.pass(at - bench.now).1;
        ended.extend(told.into_iter().map(|event| (bench.now - begun, event)));
    }
    assert_eq!(ended, [(Duration::from_secs(32), Event::ServerEnded { server, ending: Ending::TimedOut })]);
}

// rfc: 4320 §4.2 — after 64·T1 without an answer the transaction has expired: there is none, not even a late one
#[test]
fn what_nobody_answers_expires() {
    let mut bench = Bench::new();
    let (server, options) =
        request(&bench.receive(&incoming("OPTIONS", "192.0.2.9:5070;branch=z9hG4bK1", "")).1);
    let mut told = Vec::new();
    while let Some(at) = bench.layer.poll_timeout() {
        told.extend(bench.pass(at - bench.now).1);
    }
    assert_eq!(told, [Event::ServerEnded { server, ending: Ending::TimedOut }]);
    let late = Response::answer(&options, StatusCode::OK).to_tag("us").build();
    assert_eq!(bench.layer.respond(bench.now, server, late), Err(RespondError::Ended));
    assert_eq!(bench.drain(), (vec![], vec![]));
}
