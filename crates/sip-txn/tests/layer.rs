//! The layer from outside: what comes in, what goes out.
#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests fail the test")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{
    CSeq, CallId, Contact, From, HeaderName, Limits, Message, Method, Request, Response, Route, StatusCode,
    To, Uri, Via,
};
use sip_txn::{
    Action, Answer, ClientId, Config, ConnectId, Direction, Ending, Event, Flow, Input, Output, QueryId,
    Question, RequestError, RespondError, SendOptions, ServerId, SrvRecord, Tap, TransactionLayer, Transport,
};

const OURS: &str = "192.0.2.1:5060";
const PEER: &str = "192.0.2.9:5070";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn udp() -> Flow {
    Flow::new(Transport::Udp, address(OURS), address(PEER))
}

fn tcp() -> Flow {
    Flow::new(Transport::Tcp, address(OURS), address(PEER))
}

fn config() -> Config {
    Config::new([7; 32]).listen(Transport::Udp, address(OURS)).listen(Transport::Tcp, address(OURS))
}

/// A layer, its clock and what came out of it.
struct Bench {
    layer: TransactionLayer,
    now: Instant,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self { layer: TransactionLayer::new(config), now: testkit::Clock::new().now() }
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.layer.handle_input(self.now, input);
        self.outputs()
    }

    fn receive(&mut self, flow: Flow, text: &str) -> Vec<Output> {
        self.input(Input::Datagram { flow, bytes: Bytes::copy_from_slice(text.as_bytes()) })
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.layer.poll_output()).collect()
    }

    /// Lets time pass, with all that is due.
    fn pass(&mut self, seconds: f64) -> Vec<Output> {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut seen = Vec::new();
        while let Some(at) = self.layer.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.layer.handle_timeout(self.now);
            seen.extend(self.outputs());
        }
        self.now = end;
        seen
    }

    fn request(&mut self, method: Method, uri: &str) -> (ClientId, Vec<Output>) {
        let client = self.layer.request(self.now, outgoing(method, uri), SendOptions::default()).unwrap();
        (client, self.outputs())
    }
}

fn outgoing(method: Method, uri: &str) -> Request {
    let uri: Uri = uri.parse().unwrap();
    Request::builder(method.clone(), &uri)
        .header(&From::new("sip:alice@example.com".parse::<Uri>().unwrap()).with_tag("a"))
        .header(&To::new(uri.clone()))
        .header(&CallId("call".into()))
        .header(&CSeq::new(1, method))
        .build()
}

fn incoming(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{branch}\r\n\
         From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// A response to a request of ours, as it stands on the wire.
fn answer(sent: &str, status: u16) -> String {
    let request = parse(sent);
    let Message::Request(request) = request else { panic!("a request") };
    let status = StatusCode::new(status).unwrap();
    String::from_utf8(Response::answer(&request, status).to_tag("b").build().to_bytes().to_vec()).unwrap()
}

fn parse(text: &str) -> Message {
    Message::parse(text.as_bytes().to_vec(), &Limits::default()).unwrap()
}

fn sent(outputs: &[Output]) -> Vec<String> {
    sent_on(outputs).into_iter().map(|(_, text)| text).collect()
}

fn sent_on(outputs: &[Output]) -> Vec<(Flow, String)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Action(Action::Transmit(transmit)) => {
                Some((transmit.flow, String::from_utf8(transmit.bytes.to_vec()).unwrap()))
            }
            _ => None,
        })
        .collect()
}

fn events(outputs: &[Output]) -> Vec<&Event> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None })
        .collect()
}

fn server(outputs: &[Output]) -> (ServerId, Request) {
    events(outputs)
        .into_iter()
        .find_map(|event| match event {
            Event::Request { server, request, .. } => Some((*server, request.clone())),
            _ => None,
        })
        .expect("a request is told")
}

fn asked(outputs: &[Output]) -> (QueryId, Question) {
    outputs
        .iter()
        .find_map(|output| match output {
            Output::Action(Action::Resolve { query, question }) => Some((*query, question.clone())),
            _ => None,
        })
        .expect("the DNS is asked")
}

fn connects(outputs: &[Output]) -> Option<(ConnectId, Transport, SocketAddr, Option<String>)> {
    outputs.iter().find_map(|output| match output {
        Output::Action(Action::Connect { connect, transport, remote, server_name }) => {
            Some((*connect, *transport, *remote, server_name.as_ref().map(ToString::to_string)))
        }
        _ => None,
    })
}

fn start_line(text: &str) -> &str {
    text.lines().next().unwrap()
}

fn branch(text: &str) -> String {
    parse(text).headers().all::<Via>().next().unwrap().unwrap().branch().unwrap().to_string()
}

// rfc: 3261 §18.3 — a request that is cut off is answered 400
// rfc: 3261 §8.1.1 — a request without a mandatory header is answered 400
// rfc: 3261 §8.2.6 — the same To tag in each answer of a stateless server
#[test]
fn malformed_requests_are_answered_and_counted() {
    let mut bench = Bench::new(config());
    let no_call_id = incoming("OPTIONS", "1", "").replace("Call-ID: x\r\n", "");
    let truncated = incoming("OPTIONS", "1", "").replace("Content-Length: 0", "Content-Length: 9");
    for text in [&no_call_id, &truncated] {
        let outputs = bench.receive(udp(), text);
        let answers = sent_on(&outputs);
        assert!(answers[0].1.starts_with("SIP/2.0 400 Bad Request ("), "{}", answers[0].1);
        assert_eq!((answers.len(), outputs.len(), answers[0].0), (1, 1, udp()));
        assert_eq!(sent(&bench.receive(udp(), text)), [answers[0].1.clone()]);
    }
    assert_eq!(bench.layer.counters().malformed, 4);
    assert_eq!(bench.layer.live(), (0, 0));
}

// rfc: 3261 §17.1.1.3 — an ACK gets no response, however bad it is
// rfc: 3261 §18.1.2 — a malformed or foreign response is dropped
#[test]
fn neither_acks_nor_responses_nor_noise_are_answered() {
    let mut bench = Bench::new(config());
    let ack = incoming("ACK", "1", "");
    for text in [
        ack.replace("Call-ID: x\r\n", ""),
        ack.replace("Content-Length: 0", "Content-Length: 9"),
        answer(&incoming("OPTIONS", "1", ""), 200).replace("CSeq: 1 OPTIONS\r\n", ""),
        answer(&incoming("OPTIONS", "1", ""), 200),
        "\r\n\r\n".to_owned(),
        "\0".to_owned(),
        "hello".to_owned(),
        String::new(),
    ] {
        assert_eq!(bench.receive(udp(), &text), [], "{text}");
    }
    assert_eq!(bench.layer.counters().foreign_responses, 1);
    let outputs = bench.receive(udp(), &ack);
    assert!(matches!(events(&outputs)[..], [Event::Ack { .. }]) && outputs.len() == 1);
}

// rfc: 6026 §7.2 — a response that matches no transaction is not processed further
#[test]
fn a_stray_response_with_our_via_is_told_as_such() {
    let mut bench = Bench::new(config());
    let (_, outputs) = bench.request(Method::OPTIONS, "sip:192.0.2.9:5070");
    let response = answer(&sent(&outputs)[0], 200);
    assert!(matches!(events(&bench.receive(udp(), &response))[..], [Event::Response { .. }]));
    assert_eq!(bench.receive(udp(), &response), [], "repeated within Timer K");
    let ended = bench.pass(5.0);
    assert!(matches!(events(&ended)[..], [Event::ClientEnded { ending: Ending::Normal, .. }]));
    assert!(matches!(events(&bench.receive(udp(), &response))[..], [Event::StrayResponse { .. }]));
    assert_eq!(bench.layer.poll_timeout(), None, "an idle layer waits for nothing");
}

// rfc: 3261 §9.2 — a CANCEL is answered 200 with the To tag of the INVITE's response; without a match 481
#[test]
fn cancel_is_answered_by_the_layer_and_told_for_the_invite() {
    let mut bench = Bench::new(config());
    let (invite, request) = server(&bench.receive(udp(), &incoming("INVITE", "1", "")));
    let ringing = Response::answer(&request, StatusCode::RINGING).to_tag("bob").build();
    bench.layer.respond(bench.now, invite, ringing).unwrap();
    bench.outputs();
    let cancel = incoming("CANCEL", "1", "");
    let outputs = bench.receive(udp(), &cancel);
    let ok = sent(&outputs)[0].clone();
    assert!(ok.starts_with("SIP/2.0 200 OK") && ok.contains(";tag=bob") && ok.contains("1 CANCEL"), "{ok}");
    assert_eq!(events(&outputs), [&Event::Cancelled { invite, reason: None }]);
    let again = bench.receive(udp(), &cancel);
    assert_eq!((sent(&again), events(&again).len()), (vec![ok], 0));

    let terminated = Response::answer(&request, StatusCode::REQUEST_TERMINATED).to_tag("bob").build();
    bench.layer.respond(bench.now, invite, terminated.clone()).unwrap();
    assert!(sent(&bench.outputs())[0].starts_with("SIP/2.0 487"));
    assert_eq!(bench.layer.respond(bench.now, invite, terminated), Err(RespondError::AlreadyAnswered));
    let none = bench.receive(udp(), &incoming("CANCEL", "2", ""));
    assert!(sent(&none)[0].starts_with("SIP/2.0 481"));
    assert_eq!(events(&none).len(), 0);
}

// rfc: 3261 §9.1 — CANCEL waits for a provisional response, and has the branch and destination of the INVITE
// rfc: 3261 §17.1.1.3 — the ACK to 487 has the branch of the INVITE and the To of the response
#[test]
fn cancel_is_held_until_a_provisional_response() {
    let mut bench = Bench::new(config());
    let (client, outputs) = bench.request(Method::INVITE, "sip:bob@192.0.2.9:5070");
    let invite = sent(&outputs)[0].clone();
    bench.layer.cancel(bench.now, client);
    assert_eq!(bench.outputs(), []);
    let cancel = sent(&bench.receive(udp(), &answer(&invite, 180)))[0].clone();
    assert_eq!(start_line(&cancel), "CANCEL sip:bob@192.0.2.9:5070 SIP/2.0");
    assert_eq!(branch(&cancel), branch(&invite));
    bench.layer.cancel(bench.now, client);
    assert_eq!(bench.outputs(), [], "one CANCEL is enough");
    assert_eq!(bench.receive(udp(), &answer(&cancel, 200)), [], "nobody asked what became of the CANCEL");
    let outputs = bench.receive(udp(), &answer(&invite, 487));
    let ack = &sent(&outputs)[0];
    assert!(ack.starts_with("ACK sip:bob@192.0.2.9:5070 SIP/2.0") && ack.contains(";tag=b\r\n"), "{ack}");
    assert_eq!(branch(ack), branch(&invite));
    assert!(matches!(events(&outputs)[..], [Event::Response { .. }]));
}

// rfc: 3261 §8.2.2.2 — the same request on another path is answered 482
#[test]
fn merged_requests_are_refused_unless_a_proxy_wants_them() {
    let mut bench = Bench::new(config());
    server(&bench.receive(udp(), &incoming("INVITE", "1", "")));
    let outputs = bench.receive(udp(), &incoming("INVITE", "2", ""));
    let loop_detected = sent(&outputs)[0].clone();
    assert!(loop_detected.starts_with("SIP/2.0 482") && events(&outputs).is_empty());
    let Message::Response(response) = parse(&loop_detected) else { panic!("a response") };
    let tag = response.headers().require::<To>().unwrap().params.text("tag").unwrap();
    let ack = incoming("ACK", "2", "")
        .replace("<sip:bob@example.com>", &format!("<sip:bob@example.com>;tag={tag}"));
    assert_eq!(
        bench.receive(udp(), &ack),
        [],
        "the ACK to an answer without a transaction is known by its tag"
    );

    let mut proxy = Bench::new(config().refuse_merged(false));
    let (first, _) = server(&proxy.receive(udp(), &incoming("INVITE", "1", "")));
    let (second, _) = server(&proxy.receive(udp(), &incoming("INVITE", "2", "")));
    assert_ne!(first, second);
}

#[test]
fn a_full_layer_answers_503_and_forgets() {
    let mut bench = Bench::new(config().limits(sip_txn::Limits::default().servers(1).clients(1)));
    server(&bench.receive(udp(), &incoming("OPTIONS", "1", "")));
    let other = incoming("OPTIONS", "2", "").replace("Call-ID: x", "Call-ID: y");
    let refused = sent(&bench.receive(udp(), &other))[0].clone();
    assert!(refused.starts_with("SIP/2.0 503") && refused.contains("Retry-After: 5"), "{refused}");
    assert_eq!(bench.layer.live(), (0, 1));
    bench.request(Method::OPTIONS, "sip:192.0.2.9");
    let request = outgoing(Method::OPTIONS, "sip:192.0.2.9");
    let error = bench.layer.request(bench.now, request, SendOptions::default());
    assert_eq!(error, Err(RequestError::TooMany(1)));
}

// rfc: 4320 §4.1 — no provisional response but 100 to a non-INVITE request
// rfc: 4320 §4.2 — no 408 to a non-INVITE request
#[test]
fn responses_that_rfc_4320_forbids_are_refused() {
    let mut bench = Bench::new(config());
    let (options, request) = server(&bench.receive(udp(), &incoming("OPTIONS", "1", "")));
    for (status, expected) in [
        (408, Err(RespondError::Forbidden)),
        (180, Err(RespondError::Forbidden)),
        (200, Ok(())),
        (200, Err(RespondError::AlreadyAnswered)),
    ] {
        let response = Response::answer(&request, StatusCode::new(status).unwrap()).build();
        assert_eq!(bench.layer.respond(bench.now, options, response), expected, "{status}");
    }
    bench.pass(33.0);
    let response = Response::answer(&request, StatusCode::OK).build();
    assert_eq!(bench.layer.respond(bench.now, options, response), Err(RespondError::Ended));
}

// rfc: 3261 §8.1.2 — the first Route decides where the request goes, a sips Request-URI wants TLS all the same
// rfc: 3263 §4 — an ACK and a CANCEL are no transactions of their own for `request`
#[test]
fn route_leads_and_sips_means_tls() {
    let mut bench = Bench::new(config());
    let mut request = outgoing(Method::OPTIONS, "sip:bob@198.51.100.1");
    request.headers_mut().push(&Route::new("sip:192.0.2.9:5070;lr".parse::<Uri>().unwrap()));
    bench.layer.request(bench.now, request, SendOptions::default()).unwrap();
    assert_eq!(sent_on(&bench.outputs())[0].0, udp());
    let mut request = outgoing(Method::OPTIONS, "sips:bob@198.51.100.1");
    request.headers_mut().push(&Route::new("sip:192.0.2.9;lr".parse::<Uri>().unwrap()));
    bench.layer.request(bench.now, request, SendOptions::default()).unwrap();
    let (_, transport, remote, name) = connects(&bench.outputs()).unwrap();
    assert_eq!(
        (transport, remote, name.as_deref()),
        (Transport::Tls, address("192.0.2.9:5061"), Some("192.0.2.9"))
    );
    let ack = outgoing(Method::ACK, "sip:192.0.2.9");
    assert_eq!(bench.layer.request(bench.now, ack, SendOptions::default()), Err(RequestError::WrongMethod));
    let tel = outgoing(Method::INVITE, "tel:+4912345");
    assert_eq!(bench.layer.request(bench.now, tel, SendOptions::default()), Err(RequestError::Unroutable));
}

/// A peer's Contact may be an address that cannot be connected to (a NAT, a TLS client): the connection it opened can be used.
#[test]
fn a_request_goes_back_over_a_connection_while_that_is_open() {
    let mut bench = Bench::new(config());
    let theirs = Flow::new(Transport::Tcp, address(OURS), address("192.0.2.9:40000"));
    let options = || SendOptions::default().rather_on(theirs);
    let uri = "sip:bob@192.0.2.9:5070;transport=tcp";
    bench.layer.handle_input(bench.now, Input::Accepted { flow: theirs });
    bench.outputs();
    bench.layer.request(bench.now, outgoing(Method::BYE, uri), options()).unwrap();
    assert_eq!(sent_on(&bench.outputs())[0].0, theirs);

    bench.layer.request(bench.now, outgoing(Method::BYE, "sips:bob@192.0.2.9"), options()).unwrap();
    assert_eq!(connects(&bench.outputs()).unwrap().1, Transport::Tls, "sips: is never sent in the clear");

    // The BYE that is not answered yet goes on to where the URI leads, and so does what follows.
    let outputs = bench.input(Input::Closed { flow: theirs, why: "reset".into() });
    let (connect, transport, remote, _) = connects(&outputs).unwrap();
    assert_eq!((transport, remote), (Transport::Tcp, address(PEER)));
    bench.layer.request(bench.now, outgoing(Method::INFO, uri), options()).unwrap();
    let outputs = bench.input(Input::Connected { connect, flow: tcp() });
    assert_eq!(sent_on(&outputs).iter().filter(|(flow, _)| *flow == tcp()).count(), 2);
}

// rfc: 3261 §13.2.2.4 — an ACK to a 2xx may be sent again with the same branch
#[test]
fn an_ack_to_a_2xx_is_sent_as_it_was() {
    let mut bench = Bench::new(config());
    let options = SendOptions::default().branch("z9hG4bKfixed");
    let mut acks = Vec::new();
    for _ in 0..2 {
        let ack = outgoing(Method::ACK, "sip:bob@192.0.2.9:5070");
        bench.layer.ack(bench.now, ack, options.clone()).unwrap();
        acks.extend(sent(&bench.outputs()));
    }
    assert_eq!(acks[0], acks[1]);
    assert!(acks[0].contains("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfixed;rport\r\n"), "{}", acks[0]);
    assert_eq!((bench.layer.live(), bench.layer.poll_timeout()), ((0, 0), None));
}

/// Answers the DNS for a client until the first target is tried.
fn locate(bench: &mut Bench, mut outputs: Vec<Output>) -> Vec<Output> {
    loop {
        let Some(Output::Action(Action::Resolve { query, question })) =
            outputs.iter().find(|output| matches!(output, Output::Action(Action::Resolve { .. })))
        else {
            return outputs;
        };
        let record =
            |priority, target: &str| SrvRecord { priority, weight: 0, port: 5070, target: target.into() };
        let answer = match question {
            Question::Naptr(_) => Answer::Naptr(Vec::new()),
            Question::Srv(name) if name.as_str() == "_sip._udp.example.com" => {
                Answer::Srv(vec![record(1, "one.example.com"), record(2, "two.example.com")])
            }
            Question::Srv(_) => Answer::Srv(Vec::new()),
            Question::Addresses(name) => Answer::Addresses(match name.as_str() {
                "one.example.com" => vec!["192.0.2.11".parse().unwrap()],
                "two.example.com" => vec!["192.0.2.12".parse().unwrap()],
                _ => Vec::new(),
            }),
        };
        outputs = bench.input(Input::Resolved { query: *query, answer });
    }
}

// rfc: 3263 §4.3 — 503 and silence lead to the next target, each with a branch of its own
// rfc: 3261 §8.1.2 — each try is a new transaction
#[test]
fn the_next_target_is_tried_after_503_and_after_silence() {
    for silent in [false, true] {
        let mut bench = Bench::new(config());
        let (client, outputs) = bench.request(Method::INVITE, "sip:bob@example.com");
        let outputs = locate(&mut bench, outputs);
        let (first_flow, first) = sent_on(&outputs)[0].clone();
        assert_eq!(first_flow.remote, address("192.0.2.11:5070"));
        let outputs = if silent {
            bench.pass(32.0)
        } else {
            let outputs = bench.receive(first_flow, &answer(&first, 503));
            assert!(sent(&outputs)[0].starts_with("ACK "));
            outputs
        };
        assert!(events(&outputs).is_empty());
        let outputs = locate(&mut bench, outputs);
        let (second_flow, second) = sent_on(&outputs).last().unwrap().clone();
        assert_eq!(second_flow.remote, address("192.0.2.12:5070"));
        assert_ne!(branch(&first), branch(&second));
        if !silent {
            let again = bench.receive(first_flow, &answer(&first, 503));
            assert!(sent(&again)[0].starts_with("ACK ") && events(&again).is_empty(), "acknowledged again");
        }
        let outputs = bench.receive(second_flow, &answer(&second, 503));
        let outputs = [outputs, Vec::new()].concat();
        let refused = locate(&mut bench, outputs);
        let told = [events(&refused)].concat();
        assert!(
            matches!(told[..], [Event::Response { client: c, .. }, Event::ClientEnded { .. }] if *c == client),
            "the last 503 is told: {told:?}"
        );
        bench.pass(64.0);
        assert_eq!((bench.layer.live(), bench.layer.poll_timeout()), ((0, 0), None));
    }
}

#[test]
fn a_host_without_addresses_is_named_in_the_end() {
    let mut bench = Bench::new(config());
    let (client, outputs) = bench.request(Method::OPTIONS, "sip:nowhere.example:5060");
    let (_, question) = asked(&outputs);
    assert_eq!(question, Question::Addresses("nowhere.example".into()));
    let outputs = locate(&mut bench, outputs);
    let why = "the host nowhere.example is not known to the DNS".into();
    assert_eq!(events(&outputs), [&Event::ClientEnded { client, ending: Ending::TransportFailed(why) }]);
    // A driver that never answers does not keep the transaction for ever.
    let (client, _) = bench.request(Method::OPTIONS, "sip:nowhere.example:5060");
    let outputs = bench.pass(33.0);
    let why = "the DNS does not answer when asked for nowhere.example".into();
    assert_eq!(events(&outputs), [&Event::ClientEnded { client, ending: Ending::TransportFailed(why) }]);
    assert_eq!((bench.layer.live(), bench.layer.poll_timeout()), ((0, 0), None));
}

// rfc: 3261 §18.1.1 — above 1300 bytes over TCP, back to UDP when the connection fails
#[test]
fn a_large_request_goes_over_tcp_and_falls_back() {
    let large = || {
        let mut request = outgoing(Method::MESSAGE, "sip:bob@192.0.2.9:5070");
        request.set_body("text/plain", vec![b'x'; 1300]);
        request
    };
    let mut bench = Bench::new(config());
    bench.layer.request(bench.now, large(), SendOptions::default()).unwrap();
    let (connect, transport, remote, _) = connects(&bench.outputs()).unwrap();
    assert_eq!((transport, remote), (Transport::Tcp, address(PEER)));
    let outputs = bench.input(Input::ConnectFailed { connect, why: "refused".into() });
    let (flow, text) = sent_on(&outputs)[0].clone();
    assert_eq!(flow, udp());
    assert!(text.contains("Via: SIP/2.0/UDP "));
    // For a while the next ones take UDP at once.
    bench.layer.request(bench.now, large(), SendOptions::default()).unwrap();
    assert_eq!(sent_on(&bench.outputs())[0].0, flow);
    bench.pass(30.0);

    bench.layer.request(bench.now, large(), SendOptions::default()).unwrap();
    let (connect, ..) = connects(&bench.outputs()).unwrap();
    let flow = Flow::new(Transport::Tcp, address("192.0.2.1:40000"), address(PEER));
    let outputs = bench.input(Input::Connected { connect, flow });
    assert!(sent_on(&outputs)[0].0 == flow && sent(&outputs)[0].contains("Via: SIP/2.0/TCP 192.0.2.1:5060;"));
    // The next one takes the open connection; what the peer refuses there is not tried over UDP.
    bench.layer.request(bench.now, large(), SendOptions::default()).unwrap();
    let outputs = bench.outputs();
    assert_eq!(sent_on(&outputs)[0].0, flow);
    let refused = answer(&sent(&outputs)[0], 503);
    let outputs = bench.input(Input::Stream { flow, bytes: refused.into() });
    assert!(
        matches!(events(&outputs)[..], [Event::Response { .. }, Event::ClientEnded { .. }])
            && sent(&outputs).is_empty()
    );
}

#[test]
fn what_fits_into_no_datagram_is_not_put_into_one() {
    let mut bench = Bench::new(config());
    let mut request = outgoing(Method::MESSAGE, "sip:bob@192.0.2.9:5070");
    request.set_body("text/plain", vec![b'x'; 66_000]);
    let client = bench.layer.request(bench.now, request, SendOptions::default()).unwrap();
    let (connect, transport, ..) = connects(&bench.outputs()).unwrap();
    assert_eq!(transport, Transport::Tcp);
    let outputs = bench.input(Input::ConnectFailed { connect, why: "refused".into() });
    let [Event::ClientEnded { client: ended, ending: Ending::TransportFailed(why) }] = events(&outputs)[..]
    else {
        panic!("{outputs:?}")
    };
    assert!(*ended == client && why.ends_with("bytes are too many for a datagram"), "{why}");
}

// rfc: 3261 §17.1.4 — a lost connection fails the transactions on it
#[test]
fn a_closed_connection_fails_what_waits_on_it() {
    let mut bench = Bench::new(config());
    let (client, outputs) = bench.request(Method::OPTIONS, "sip:192.0.2.9:5070;transport=tcp");
    let (connect, ..) = connects(&outputs).unwrap();
    bench.input(Input::Connected { connect, flow: tcp() });
    let outputs = bench.input(Input::Closed { flow: tcp(), why: "reset".into() });
    let ending = Ending::TransportFailed("192.0.2.9:5070: reset".into());
    assert_eq!(
        events(&outputs),
        [&Event::ClientEnded { client, ending }, &Event::FlowClosed { flow: tcp(), why: "reset".into() }]
    );
}

// rfc: 3263 §4 — located once for each transaction: retransmissions, ACK and CANCEL go to the server that took the request
// rfc: 3263 §4 — the Request-URI is not changed by what the DNS says
#[test]
fn retransmissions_ack_and_cancel_go_where_the_request_went() {
    let mut bench = Bench::new(config());
    let (client, outputs) = bench.request(Method::INVITE, "sip:bob@example.com");
    let outputs = locate(&mut bench, outputs);
    let (flow, text) = sent_on(&outputs).remove(0);
    let (why, quoted) = ("nobody listens there (ICMP)".into(), Some(text.into()));
    let outputs = bench.input(Input::Unreachable { flow, why, quoted });
    let outputs = locate(&mut bench, outputs);
    let (second, invite) = sent_on(&outputs).remove(0);
    assert_eq!(second.remote, address("192.0.2.12:5070"));
    assert!(invite.starts_with("INVITE sip:bob@example.com SIP/2.0\r\n"), "{invite}");
    assert_eq!(sent_on(&bench.pass(0.5)), [(second, invite.clone())]);
    bench.receive(second, &answer(&invite, 180));
    bench.layer.cancel(bench.now, client);
    let outputs = bench.outputs();
    let (on, cancel) = sent_on(&outputs).remove(0);
    assert!(on == second && cancel.starts_with("CANCEL ") && branch(&cancel) == branch(&invite));
    let outputs = bench.receive(second, &answer(&invite, 487));
    let (on, ack) = sent_on(&outputs).remove(0);
    assert!(on == second && ack.starts_with("ACK ") && branch(&ack) == branch(&invite));
}

/// An ICMP message, or what our own system says, about a datagram to [`PEER`].
fn unreachable(quoted: Option<&str>) -> Input {
    let quoted = quoted.map(|quoted| quoted.to_owned().into());
    Input::Unreachable { flow: udp(), why: "nobody listens there (ICMP)".into(), quoted }
}

// rfc: 3261 §18.4 — an ICMP error fails the request; one from our own system, too
// rfc: 3261 §17.1.4 — a transport failure ends the transaction at once
#[test]
fn icmp_fails_the_requests_to_an_address_at_once() {
    for quote in [true, false] {
        let mut bench = Bench::new(config());
        let (client, outputs) = bench.request(Method::OPTIONS, "sip:192.0.2.9:5070");
        let (other, more) = bench.request(Method::INVITE, "sip:192.0.2.9:5070");
        let text = sent(&outputs)[0].clone();
        // A request that is being worked on has arrived: whatever ICMP says, it is waited for.
        let (worked_on, third) = bench.request(Method::INVITE, "sip:192.0.2.9:5070");
        bench.receive(udp(), &answer(&sent(&third)[0], 180));
        let (elsewhere, _) = bench.request(Method::OPTIONS, "sip:192.0.2.8:5070");
        let outputs = bench.input(unreachable(quote.then_some(&text[..400.min(text.len())])));
        let ending = Ending::TransportFailed("192.0.2.9:5070: nobody listens there (ICMP)".into());
        let ended = |client| Event::ClientEnded { client, ending: ending.clone() };
        assert_eq!(events(&outputs), [&ended(client), &ended(other)]);
        assert_eq!((bench.layer.live(), bench.layer.counters().stray_icmp), ((2, 0), 0));
        assert_eq!(sent(&more).len(), 1);
        assert_ne!(worked_on, elsewhere);
    }
}

// rfc: 8085 §5.2 — an ICMP error counts only if it is about a datagram that was really sent
#[test]
fn icmp_that_proves_nothing_is_ignored() {
    let mut bench = Bench::new(config());
    let (_, outputs) = bench.request(Method::OPTIONS, "sip:192.0.2.9:5070");
    let text = sent(&outputs)[0].clone();
    let branch = branch(&text);
    let guessed = text.replace(&branch, "z9hG4bKguessed");
    let cut = &text[..text.find(&branch).unwrap() + branch.len() - 1];
    let other_method = text.replacen("OPTIONS", "MESSAGE", 1);
    let deeper = format!("OPTIONS sip:x SIP/2.0\r\nX: y\r\n{}", text.split_once("\r\n").unwrap().1);
    for quoted in ["", "\u{fffd}", "OPTIONS", &guessed, cut, &other_method, &deeper] {
        let outputs = bench.input(unreachable(Some(quoted)));
        assert!(outputs.is_empty(), "{quoted}");
    }
    let elsewhere = Flow::new(Transport::Udp, udp().local, address("192.0.2.8:5070"));
    let why = "nobody listens there (ICMP)".into();
    bench.input(Input::Unreachable { flow: elsewhere, why, quoted: Some(text.into()) });
    assert_eq!((bench.layer.counters().stray_icmp, bench.layer.live()), (8, (1, 0)));
}

/// Asks [`locate`]'s `sip:bob@example.com` and says where the request goes first.
fn first_target(bench: &mut Bench) -> (Flow, String) {
    let (_, outputs) = bench.request(Method::OPTIONS, "sip:bob@example.com");
    let outputs = locate(bench, outputs);
    sent_on(&outputs).remove(0)
}

// rfc: 3261 §21.5.4 — no other request goes to a server before the time its 503 named, if there is another server
// rfc: 3263 §4.3 — the next request does not wait for a server that was found dead
#[test]
fn a_server_that_failed_is_asked_last_for_a_while() {
    for (failure, seconds) in [("503", 20.0), ("icmp", 30.0), ("silence", 120.0)] {
        let mut bench = Bench::new(config());
        let (flow, text) = first_target(&mut bench);
        assert_eq!(flow.remote, address("192.0.2.11:5070"));
        let outputs = match failure {
            "503" => {
                let answer = answer(&text, 503).replacen("\r\n", "\r\nRetry-After: 20\r\n", 1);
                bench.receive(flow, &answer)
            }
            "icmp" => {
                let (why, quoted) = ("nobody listens there (ICMP)".into(), Some(text.into()));
                bench.input(Input::Unreachable { flow, why, quoted })
            }
            _ => bench.pass(32.0),
        };
        let outputs = locate(&mut bench, outputs);
        let (flow, text) = sent_on(&outputs).last().unwrap().clone();
        assert_eq!(flow.remote, address("192.0.2.12:5070"), "after {failure}");
        bench.receive(flow, &answer(&text, 200));
        bench.pass(seconds - 1.0);
        let (flow, text) = first_target(&mut bench);
        assert_eq!(flow.remote, address("192.0.2.12:5070"), "after {failure}");
        // When nothing else is left, it is asked all the same.
        let (why, quoted) = ("nobody listens there (ICMP)".into(), Some(text.into()));
        let outputs = bench.input(Input::Unreachable { flow, why, quoted });
        let outputs = locate(&mut bench, outputs);
        let (flow, text) = sent_on(&outputs)[0].clone();
        assert_eq!(flow.remote, address("192.0.2.11:5070"), "after {failure}");
        bench.receive(flow, &answer(&text, 200));
        bench.pass(2.0);
        assert_eq!(first_target(&mut bench).0.remote, address("192.0.2.11:5070"), "after {failure}");
    }
}

// rfc: 3261 §18.3 — a message on a stream without Content-Length: 400, and no guess where the next one begins
#[test]
fn a_stream_message_without_a_length_is_refused_and_the_connection_closed() {
    let mut bench = Bench::new(config());
    bench.input(Input::Accepted { flow: tcp() });
    let whole = incoming("OPTIONS", "1", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let without: String =
        whole.split_inclusive("\r\n").filter(|line| !line.starts_with("Content-Length")).collect();
    let outputs = bench.input(Input::Stream { flow: tcp(), bytes: format!("{without}{whole}").into() });
    assert!(sent(&outputs)[0].starts_with("SIP/2.0 400 "), "{outputs:?}");
    assert_eq!(sent(&outputs).len(), 1, "the second is not read");
    assert!(outputs.contains(&Output::Action(Action::Close(tcp()))));
}

// rfc: 3261 §18.3 — messages are cut out of the stream by Content-Length
// rfc: 3261 §18.2.2 — the response takes the connection of the request, and a new one to received:sent-by when that is gone
// rfc: 5626 §4.4.1 — a double CRLF is answered with one CRLF
#[test]
fn a_stream_carries_messages_and_keep_alives() {
    let mut bench = Bench::new(config());
    bench.input(Input::Accepted { flow: tcp() });
    let text = incoming("OPTIONS", "1", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let stream = format!("\r\n\r\n{text}{}", text.replace("bK1", "bK2").replace("Call-ID: x", "Call-ID: y"));
    let mut outputs = Vec::new();
    for byte in stream.as_bytes().chunks(7) {
        outputs.extend(bench.input(Input::Stream { flow: tcp(), bytes: Bytes::copy_from_slice(byte) }));
    }
    assert_eq!(sent(&outputs), ["\r\n"]);
    let requests: Vec<_> = events(&outputs)
        .into_iter()
        .filter_map(|event| match event {
            Event::Request { server, request, .. } => Some((*server, request.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(requests.len(), 2);
    let respond = |bench: &mut Bench, (server, request): &(ServerId, Request)| {
        let response = Response::answer(request, StatusCode::OK).to_tag("b").build();
        bench.layer.respond(bench.now, *server, response).unwrap();
        bench.outputs()
    };
    assert_eq!(sent_on(&respond(&mut bench, &requests[0]))[0].0, tcp());
    bench.input(Input::Closed { flow: tcp(), why: "reset".into() });
    let outputs = respond(&mut bench, &requests[1]);
    let (connect, transport, remote, _) = connects(&outputs).unwrap();
    assert_eq!((transport, remote), (Transport::Tcp, address(PEER)));
    let again = Flow::new(Transport::Tcp, address("192.0.2.1:40000"), address(PEER));
    assert!(sent(&bench.input(Input::Connected { connect, flow: again }))[0].starts_with("SIP/2.0 200"));
}

// rfc: 3263 §5 — a response whose way back is gone goes to sent-by: a name without a port by SRV
// rfc: 3263 §5 — a name with a port by A and AAAA, a numeric sent-by as it is
// rfc: 3263 §5 — the next entry is tried when one fails
#[test]
fn a_response_finds_another_way_back() {
    let srv = Question::Srv("_sip._tcp.bob.example".into());
    let host = Question::Addresses("one.example".into());
    let name = Question::Addresses("bob.example".into());
    for (sent_by, questions, tried) in [
        ("bob.example", vec![srv, host], ["192.0.2.21:5080", "192.0.2.22:5080"]),
        ("bob.example:5090", vec![name], ["192.0.2.21:5090", "192.0.2.22:5090"]),
        ("192.0.2.30:5090", vec![], ["192.0.2.30:5090", "-"]),
    ] {
        let mut bench = Bench::new(config());
        bench.input(Input::Accepted { flow: tcp() });
        let text = incoming("INVITE", "1", "")
            .replace("SIP/2.0/UDP 192.0.2.9:5070", &format!("SIP/2.0/TCP {sent_by}"));
        assert!(text.contains(sent_by), "{text}");
        let outputs = bench.input(Input::Stream { flow: tcp(), bytes: text.into() });
        let [Event::Request { server, request, .. }] = events(&outputs)[..] else { panic!("{outputs:?}") };
        let (server, request) = (*server, request.clone());
        bench.input(Input::Closed { flow: tcp(), why: "reset".into() });
        let respond = |bench: &mut Bench, status| {
            let response = Response::answer(&request, status).to_tag("b").build();
            bench.layer.respond(bench.now, server, response).unwrap();
            bench.outputs()
        };
        let outputs = respond(&mut bench, StatusCode::RINGING);
        let (connect, _, remote, _) = connects(&outputs).unwrap();
        let received = remote.ip();
        assert_eq!(received.to_string(), "192.0.2.9", "first to where the request came from");
        let mut outputs = bench.input(Input::ConnectFailed { connect, why: "refused".into() });
        for question in questions {
            let (query, asked) = asked(&outputs);
            assert_eq!(asked, question);
            let record = SrvRecord { priority: 0, weight: 0, port: 5080, target: "one.example".into() };
            let answer = match question {
                Question::Srv(_) => Answer::Srv(vec![record]),
                _ => Answer::Addresses(vec!["192.0.2.21".parse().unwrap(), "192.0.2.22".parse().unwrap()]),
            };
            outputs = bench.input(Input::Resolved { query, answer });
        }
        // The final response is given while the search for the provisional one is going on.
        assert!(respond(&mut bench, StatusCode::BUSY_HERE).is_empty());
        for (at, address_tried) in tried.into_iter().enumerate() {
            let Some((connect, transport, remote, _)) = connects(&outputs) else {
                assert_eq!(address_tried, "-");
                assert!(matches!(events(&outputs)[..], [Event::ResponseLost { .. }]), "{outputs:?}");
                break;
            };
            assert_eq!((transport, remote), (Transport::Tcp, address(address_tried)));
            if at == 0 {
                outputs = bench.input(Input::ConnectFailed { connect, why: "refused".into() });
                continue;
            }
            let flow = Flow::new(Transport::Tcp, address("192.0.2.1:40000"), remote);
            let sent = sent_on(&bench.input(Input::Connected { connect, flow }));
            let statuses: Vec<_> = sent.iter().map(|(on, text)| (*on == flow, &text[8..11])).collect();
            assert_eq!(statuses, [(true, "486")]);
        }
    }
}

#[test]
fn a_stream_that_cannot_be_framed_is_answered_and_closed() {
    let mut bench = Bench::new(config());
    bench.input(Input::Accepted { flow: tcp() });
    let text = incoming("OPTIONS", "1", "").replace("Content-Length: 0", "Content-Length: x");
    let outputs = bench.input(Input::Stream { flow: tcp(), bytes: text.into() });
    assert!(sent(&outputs)[0].starts_with("SIP/2.0 400"));
    assert!(outputs.contains(&Output::Action(Action::Close(tcp()))));
    assert_eq!(bench.layer.connections(), 0);
}

#[test]
fn idle_and_slow_connections_are_closed() {
    let close = Output::Action(Action::Close(tcp()));
    let limits = sip_txn::Limits::default().idle(Duration::from_secs(100)).connections(1);
    let mut bench = Bench::new(config().limits(limits));
    bench.input(Input::Accepted { flow: tcp() });
    let other = Flow::new(Transport::Tcp, address(OURS), address("192.0.2.10:5070"));
    assert!(
        bench.input(Input::Accepted { flow: other }).contains(&close),
        "one that brought nothing makes room"
    );
    assert!(bench.pass(33.0).contains(&Output::Action(Action::Close(other))), "it brought nothing");

    bench.input(Input::Accepted { flow: tcp() });
    bench.input(Input::Stream { flow: tcp(), bytes: "\r\n\r\n".into() });
    assert_eq!(bench.pass(33.0), [], "a keep-alive is enough");
    bench.input(Input::Stream { flow: tcp(), bytes: "OPTIONS sip:".into() });
    bench.pass(20.0);
    bench.input(Input::Stream { flow: tcp(), bytes: "bob".into() });
    assert!(bench.pass(45.0).contains(&close), "a message that trickles in");

    bench.input(Input::Accepted { flow: tcp() });
    bench.input(Input::Stream { flow: tcp(), bytes: "\r\n\r\n".into() });
    assert!(!bench.pass(99.0).contains(&close));
    assert!(bench.pass(101.0).contains(&close), "idle");
    assert_eq!((bench.layer.connections(), bench.layer.poll_timeout()), (0, None));
}

// rfc: 5626 §4.4.1 — a connection whose peer does not answer a ping within 10 s has failed
#[test]
fn a_peer_that_does_not_answer_pings_is_gone() {
    let mut bench = Bench::new(config());
    bench.input(Input::Accepted { flow: tcp() });
    assert!(bench.layer.keep_alive(bench.now, tcp()));
    assert_eq!(sent(&bench.outputs()), ["\r\n\r\n"]);
    let outputs = bench.input(Input::Stream { flow: tcp(), bytes: "\r\n".into() });
    assert_eq!(events(&outputs), [&Event::Pong { flow: tcp() }]);
    bench.pass(11.0);
    assert!(bench.layer.keep_alive(bench.now, tcp()));
    assert!(matches!(events(&bench.pass(11.0))[..], [Event::FlowClosed { .. }]));
    assert!(!bench.layer.keep_alive(bench.now, tcp()));
}

// rfc: 3581 §4 — what the server saw is used for Contact
#[test]
fn contact_is_advertised_or_learnt_or_bound() {
    let mut bench = Bench::new(config());
    let remote = address(PEER);
    let contact = |bench: &Bench| bench.layer.contact_address(Transport::Udp, Some(&remote)).to_string();
    assert_eq!(contact(&bench), OURS);
    let (_, outputs) = bench.request(Method::REGISTER, "sip:192.0.2.9:5070");
    let seen = answer(&sent(&outputs)[0], 401).replace(";rport", ";rport=1024;received=203.0.113.5");
    bench.receive(udp(), &seen);
    assert_eq!(contact(&bench), "203.0.113.5:1024");
    let advertised = Bench::new(config().advertise("198.51.100.7".parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(contact(&advertised), "198.51.100.7:5060");
}

// rfc: 3261 §8.1.1.8 — without a listener the Contact is our end of the connection, over which the peer reaches us
#[test]
fn without_a_listener_contact_is_our_end_of_the_connection() {
    let mut bench = Bench::new(config());
    let contact = bench.layer.contact_address(Transport::Tls, None);
    let mut request = outgoing(Method::INVITE, "sip:192.0.2.9;transport=tls");
    request.headers_mut().replace(&Contact::new(Uri::sip(contact)));
    bench.layer.request(bench.now, request, SendOptions::default()).unwrap();
    let (connect, ..) = connects(&bench.outputs()).unwrap();
    let flow = Flow::new(Transport::Tls, address("192.0.2.1:40000"), address("192.0.2.9:5061"));
    let invite = sent(&bench.input(Input::Connected { connect, flow })).remove(0);
    assert!(invite.contains("Contact: <sip:192.0.2.1:40000>\r\n"), "{invite}");
}

// rfc: 5923 §5 — an accepted TLS connection takes requests to its very other end, and for no name
#[test]
fn an_accepted_tls_connection_leads_to_its_other_end_only() {
    let mut bench = Bench::new(config());
    let flow = Flow::new(Transport::Tls, address("192.0.2.1:5061"), address("192.0.2.9:40000"));
    bench.input(Input::Accepted { flow });
    let (_, outputs) = bench.request(Method::BYE, "sip:bob@192.0.2.9:40000;transport=tls");
    assert_eq!(sent_on(&outputs).first().map(|(on, _)| *on), Some(flow));
    let (_, outputs) = bench.request(Method::BYE, "sip:bob@bob.example:40000;transport=tls");
    let (query, _) = asked(&outputs);
    let outputs =
        bench.input(Input::Resolved { query, answer: Answer::Addresses(vec!["192.0.2.9".parse().unwrap()]) });
    assert!(sent(&outputs).is_empty() && connects(&outputs).is_some(), "{outputs:?}");
}

// rfc: 5922 §7.3 — a TLS connection is used again only for the domain it was checked for
#[test]
fn tls_connections_are_shared_within_one_domain_only() {
    let mut bench = Bench::new(config());
    let mut open = |domain: &str| {
        let (_, outputs) = bench.request(Method::OPTIONS, &format!("sips:{domain}:5061"));
        let outputs = match outputs.first() {
            Some(Output::Action(Action::Resolve { query, .. })) => {
                let answer = Answer::Addresses(vec!["192.0.2.9".parse().unwrap()]);
                bench.input(Input::Resolved { query: *query, answer })
            }
            _ => outputs,
        };
        let name = connects(&outputs);
        if let Some((connect, ..)) = name {
            let port = 40_000 + u16::try_from(bench.layer.connections()).unwrap();
            let local = SocketAddr::new("192.0.2.1".parse().unwrap(), port);
            let flow = Flow::new(Transport::Tls, local, address("192.0.2.9:5061"));
            bench.input(Input::Connected { connect, flow });
        }
        name.and_then(|(.., name)| name)
    };
    assert_eq!(open("one.example"), Some("one.example".to_owned()));
    assert_eq!(open("ONE.example"), None);
    assert_eq!(open("two.example"), Some("two.example".to_owned()));
}

#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<(Direction, String)>>);

impl Tap for Recorder {
    fn message(&self, _: Instant, direction: Direction, flow: &Flow, bytes: &[u8]) {
        assert_eq!(*flow, udp());
        let line = String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((direction, line));
    }
}

#[test]
fn a_tap_sees_each_message_both_ways() {
    let tap = Arc::new(Recorder::default());
    let mut bench = Bench::new(config().tap(Arc::clone(&tap) as Arc<dyn Tap>));
    let (server, request) = server(&bench.receive(udp(), &incoming("OPTIONS", "1", "")));
    bench.layer.respond(bench.now, server, Response::answer(&request, StatusCode::OK).build()).unwrap();
    let seen = tap.0.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            (Direction::Received, "OPTIONS sip:bob@192.0.2.1 SIP/2.0".to_owned()),
            (Direction::Sent, "SIP/2.0 200 OK".to_owned())
        ]
    );
    assert!(request.headers().contains(HeaderName::VIA));
}

#[derive(Debug)]
struct Nobody;

impl sip_txn::Admission for Nobody {
    fn admit(&self, _: Instant, _: &Flow) -> bool {
        false
    }
}

#[test]
fn who_is_not_admitted_makes_no_transaction() {
    let mut bench = Bench::new(config().admission(Arc::new(Nobody)));
    assert_eq!(bench.receive(udp(), &incoming("OPTIONS", "1", "")), []);
    assert_eq!((bench.layer.live(), bench.layer.counters().not_admitted), ((0, 0), 1));
}

#[test]
fn ten_thousand_idle_connections_cost_one_look_each() {
    let mut bench = Bench::new(config().limits(sip_txn::Limits::default().idle(Duration::from_secs(100))));
    for number in 0..10_000_u32 {
        let ip = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        let flow = Flow::new(Transport::Tcp, address(OURS), SocketAddr::new(ip.into(), 5060));
        assert_eq!(bench.input(Input::Accepted { flow }), []);
        bench.input(Input::Stream { flow, bytes: "\r\n\r\n".into() });
    }
    assert_eq!(bench.pass(99.0), []);
    let closed = bench.pass(1.0);
    assert_eq!(
        closed.iter().filter(|output| matches!(output, Output::Action(Action::Close(_)))).count(),
        10_000
    );
    assert_eq!((bench.layer.connections(), bench.layer.poll_timeout()), (0, None));
}

#[test]
fn mutilated_messages_do_no_harm() {
    let mut rng = testkit::Rng::new(11);
    let mut below = |limit: usize| usize::try_from(rng.below(u64::try_from(limit).unwrap())).unwrap();
    let limits = sip_txn::Limits::default().servers(50);
    let mut bench = Bench::new(config().limits(limits));
    let (_, outputs) = bench.request(Method::INVITE, "sip:bob@192.0.2.9:5070");
    let invite = sent(&outputs)[0].clone();
    let originals = [
        incoming("INVITE", "1", "Route: <sip:a;lr>\r\n"),
        incoming("ACK", "1", ""),
        incoming("CANCEL", "1", ""),
        incoming("OPTIONS", "2", ""),
        answer(&invite, 180),
        answer(&invite, 503),
    ];
    let pieces: [&[u8]; 8] = [b"\r\n", b",", b";", b"\0", b"\xff", b"Via: ", b"999999999999", b"<"];
    for _ in 0..20_000 {
        let mut bytes = originals[below(originals.len())].clone().into_bytes();
        for _ in 0..below(4) {
            let at = below(bytes.len());
            match below(3) {
                0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                1 => bytes.truncate(at.max(1)),
                _ => drop(bytes.splice(at..at, pieces[below(pieces.len())].iter().copied())),
            }
        }
        let is_ack = bytes.starts_with(b"ACK ");
        let outputs = if below(2) == 0 {
            bench.input(Input::Datagram { flow: udp(), bytes: bytes.clone().into() })
        } else {
            bench.input(Input::Accepted { flow: tcp() });
            let mut outputs = bench.input(Input::Stream { flow: tcp(), bytes: bytes.clone().into() });
            outputs.extend(bench.input(Input::Closed { flow: tcp(), why: "done".into() }));
            outputs
        };
        if is_ack {
            let answers = sent(
                &outputs.into_iter().filter(|output| matches!(output, Output::Action(_))).collect::<Vec<_>>(),
            );
            assert!(answers.iter().all(|text| !text.starts_with("SIP/2.0")), "{bytes:?} gave {answers:?}");
        }
        assert!(bench.layer.live().1 <= 50 && bench.layer.live().0 <= 1 + 1);
        bench.pass(0.01);
    }
    let counters = bench.layer.counters();
    assert!(counters.malformed > 1000 && counters.absorbed > 1000, "{counters:?}");
}
