//! A client and a server layer over a link that loses, doubles, delays and reorders.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail the test"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{CSeq, CallId, From, Limits, Message, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::{
    Action, ClientId, Config, Ending, Event, Flow, Input, Output, SendOptions, ServerId, TransactionLayer,
    Transmit, Transport,
};
use testkit::{Datagram, Impairment, Node, Rng, World};

const CLIENT: &str = "10.0.0.1:5060";
const SERVER: &str = "10.0.0.2:5060";

/// What a user of the layer wants to do later.
#[derive(Debug)]
enum Later {
    Respond(ServerId, Box<Response>),
    /// Send a 2xx again until its ACK comes (RFC 3261 §13.3.1.4).
    Repeat {
        server: ServerId,
        call: String,
        response: Box<Response>,
        wait: Duration,
        until: Instant,
    },
    Cancel(ClientId),
}

/// One side: a layer and a simple user agent above it.
struct Side {
    layer: TransactionLayer,
    local: SocketAddr,
    rng: Rng,
    later: BTreeMap<(Instant, u64), Later>,
    numbered: u64,
    out: VecDeque<Datagram>,
    /// Every byte sent, in order.
    wire: Vec<u8>,
    /// Responses told, and endings.
    responses: BTreeMap<ClientId, Vec<u16>>,
    endings: BTreeMap<ClientId, Vec<Ending>>,
    /// Requests told: Call-ID and how often.
    requests: BTreeMap<String, u32>,
    /// The final response we gave to each call, and when.
    answered: BTreeMap<String, u16>,
    answered_at: BTreeMap<String, Instant>,
    acked: BTreeMap<String, u32>,
    /// Requests in the order they were sent, with their Call-ID.
    calls: BTreeMap<ClientId, (String, Method)>,
    began: BTreeMap<ClientId, Instant>,
    acks: BTreeMap<ClientId, (Request, String)>,
}

impl Side {
    fn new(seed: u64, local: &str) -> Self {
        let local = local.parse().unwrap();
        let mut rng = Rng::new(seed ^ 0x5157);
        let layer = TransactionLayer::new(Config::new(rng.seed()).listen(Transport::Udp, local));
        Self {
            layer,
            local,
            rng,
            later: BTreeMap::new(),
            numbered: 0,
            out: VecDeque::new(),
            wire: Vec::new(),
            responses: BTreeMap::new(),
            endings: BTreeMap::new(),
            requests: BTreeMap::new(),
            answered: BTreeMap::new(),
            answered_at: BTreeMap::new(),
            acked: BTreeMap::new(),
            calls: BTreeMap::new(),
            began: BTreeMap::new(),
            acks: BTreeMap::new(),
        }
    }

    fn schedule(&mut self, at: Instant, later: Later) {
        self.numbered += 1;
        self.later.insert((at, self.numbered), later);
    }

    /// Sends a request to the other side; an INVITE is cancelled after a while if nobody answers it.
    fn start(&mut self, now: Instant, number: u32, method: Method) {
        let call = format!("call-{number}");
        let uri: Uri = format!("sip:bob@{SERVER}").parse().unwrap();
        let request = build(method.clone(), &uri, &call, None);
        let client = self.layer.request(now, request, SendOptions::default()).unwrap();
        self.calls.insert(client, (call, method.clone()));
        self.began.insert(client, now);
        if method == Method::INVITE {
            let patience = if self.rng.chance(0.3) { self.rng.below(3_000) } else { 60_000 };
            self.schedule(now + Duration::from_millis(patience), Later::Cancel(client));
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Action(Action::Transmit(Transmit { flow, bytes })) => {
                    self.wire.extend_from_slice(&bytes);
                    if let Ok(Message::Response(response)) = Message::parse(bytes.clone(), &Limits::default())
                    {
                        let cseq = response.headers().require::<CSeq>().unwrap();
                        assert_ne!(cseq.method, Method::ACK, "an ACK is never answered");
                    }
                    self.out.push_back(Datagram { from: flow.local, to: flow.remote, bytes: bytes.to_vec() });
                }
                Output::Action(action) => panic!("UDP to a numeric host needs no {action:?}"),
                Output::Event(event) => self.handle_event(now, event),
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { server, request, .. } => self.answer(now, server, &request),
            Event::Ack { request, .. } => {
                *self.acked.entry(call_id(request.headers())).or_default() += 1;
            }
            Event::Cancelled { invite, .. } => {
                // 487 unless the answer is on its way already.
                let found = self.later.iter().find_map(|(at, later)| match later {
                    Later::Respond(server, response) if *server == invite => Some((*at, response.clone())),
                    _ => None,
                });
                if let Some((at, response)) = found {
                    self.later.remove(&at);
                    let call = call_id(response.headers());
                    self.answered.insert(call, 487);
                    let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
                    let (_, rest) = text.split_once("\r\n").unwrap();
                    let text = format!("SIP/2.0 487 Request Terminated\r\n{rest}");
                    let Ok(Message::Response(response)) =
                        Message::parse(text.into_bytes(), &Limits::default())
                    else {
                        panic!("it parses")
                    };
                    self.layer.respond(now, invite, response).unwrap();
                }
            }
            Event::Response { client, response, .. } => {
                let status = response.status().code();
                self.in_time(now, client);
                self.responses.entry(client).or_default().push(status);
                let (call, method) = self.calls[&client].clone();
                if response.status().is_success() && method == Method::INVITE {
                    let tag = response.headers().require::<To>().unwrap().tag().unwrap().to_string();
                    let uri: Uri = format!("sip:bob@{SERVER}").parse().unwrap();
                    let branch = format!("z9hG4bKack{call}");
                    let (ack, branch) = self
                        .acks
                        .entry(client)
                        .or_insert_with(|| (build(Method::ACK, &uri, &call, Some(&tag)), branch))
                        .clone();
                    self.layer.ack(now, ack, SendOptions::default().branch(branch)).unwrap();
                }
            }
            Event::ClientEnded { client, ending } => {
                if ending == Ending::TimedOut {
                    self.in_time(now, client);
                }
                self.endings.entry(client).or_default().push(ending);
            }
            Event::ServerEnded { .. } | Event::StrayResponse { .. } | Event::Repeated { .. } => {}
            other => panic!("UDP needs no {other:?}"),
        }
    }

    /// A request other than INVITE is answered or given up within 64·T1; an INVITE may ring for a minute before.
    fn in_time(&self, now: Instant, client: ClientId) {
        let ringing = if self.calls[&client].1 == Method::INVITE { 60 + 32 } else { 0 };
        let taken = now - self.began[&client];
        assert!(taken <= Duration::from_secs(32 + ringing), "{:?} after {taken:?}", self.calls[&client]);
    }

    fn answer(&mut self, now: Instant, server: ServerId, request: &Request) {
        let call = call_id(request.headers());
        // Timer J is 64·T1, as is the time in which a request is repeated: the last repetition can be underway for longer than
        // the first was, and then it is a new request, by the figures of the RFC.
        let expired = |at: &Instant| now - *at >= Duration::from_secs(32);
        if !self.answered_at.get(&call).is_some_and(expired) {
            *self.requests.entry(call.clone()).or_default() += 1;
        }
        let status = [200, 200, 302, 404, 486, 603][usize::try_from(self.rng.below(6)).unwrap()];
        let status = StatusCode::new(status).unwrap();
        if *request.method() == Method::INVITE && self.rng.chance(0.5) {
            let ringing = Response::answer(request, StatusCode::RINGING).to_tag("bob").build();
            self.layer.respond(now, server, ringing).unwrap();
        }
        let response = Response::answer(request, status).to_tag("bob").build();
        let wait = self.rng.duration(Duration::from_secs(4));
        self.answered.insert(call, status.code());
        self.schedule(now + wait, Later::Respond(server, Box::new(response)));
    }

    fn act(&mut self, now: Instant, later: Later) {
        let t1 = Duration::from_millis(500);
        match later {
            Later::Respond(server, response) => {
                let call = call_id(response.headers());
                self.answered_at.insert(call.clone(), now);
                let cseq = response.headers().require::<CSeq>().unwrap();
                let repeats = response.status().is_success() && cseq.method == Method::INVITE;
                self.layer.respond(now, server, (*response).clone()).unwrap();
                if repeats {
                    let until = now + 64 * t1;
                    self.schedule(now + t1, Later::Repeat { server, call, response, wait: t1, until });
                }
            }
            Later::Repeat { server, call, response, wait, until } => {
                if !self.acked.contains_key(&call) && now < until {
                    self.layer.respond(now, server, (*response).clone()).unwrap();
                    let wait = (wait * 2).min(Duration::from_secs(4));
                    self.schedule(now + wait, Later::Repeat { server, call, response, wait, until });
                }
            }
            Later::Cancel(client) => self.layer.cancel(now, client),
        }
    }
}

impl Node for Side {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        let flow = Flow::new(Transport::Udp, self.local, datagram.from);
        self.layer.handle_input(now, Input::Datagram { flow, bytes: Bytes::from(datagram.bytes) });
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let later = entry.remove();
            self.act(now, later);
            self.drain(now);
        }
        self.layer.handle_timeout(now);
        self.drain(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.later.keys().next().map(|(at, _)| *at).into_iter().chain(self.layer.poll_timeout()).min()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.out.pop_front()
    }
}

fn call_id(headers: &sip_msg::Headers) -> String {
    headers.require::<CallId>().unwrap().0.to_string()
}

fn build(method: Method, uri: &Uri, call: &str, to_tag: Option<&str>) -> Request {
    let to = To::new(uri.clone());
    Request::builder(method.clone(), uri)
        .header(&From::new("sip:alice@example.com".parse::<Uri>().unwrap()).with_tag("alice"))
        .header(&to_tag.map_or(to.clone(), |tag| to.with_tag(tag)))
        .header(&CallId(call.into()))
        .header(&CSeq::new(1, method))
        .build()
}

/// Runs some transactions; gives both sides' bytes.
fn run(seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut rng = Rng::new(seed);
    let loss = [0.0, 0.05, 0.2, 0.5, 0.7][usize::try_from(seed % 5).unwrap()];
    let bad = Impairment::default()
        .delay(Duration::from_millis(rng.below(300)))
        .jitter(Duration::from_millis(rng.below(400)))
        .loss(loss)
        .double(0.2)
        .reorder(0.3);
    let mut world = World::new(seed, bad);
    let client = world.add("10.0.0.1", Side::new(seed, CLIENT));
    let server = world.add("10.0.0.2", Side::new(seed + 1, SERVER));
    let mut invites = 0;
    for number in 0..6 {
        let methods = [Method::INVITE, Method::OPTIONS, Method::INVITE, Method::BYE];
        let method = methods[usize::try_from(rng.below(4)).unwrap()].clone();
        invites += u32::from(method == Method::INVITE);
        let now = world.now();
        world.node(client).start(now, number, method);
        world.run_for(Duration::from_millis(rng.below(500)));
    }
    // What is not answered is cancelled after 60 s and given up 64·T1 later; other requests end after 64·T1.
    let limit = if invites > 0 { 60 + 32 + 32 + 10 } else { 32 + 32 + 10 };
    assert!(world.run_until_quiet(Duration::from_secs(limit)), "seed {seed}: it does not end");

    let server = world.node(server);
    let (answered, requests) = (server.answered.clone(), server.requests.clone());
    assert_eq!(server.layer.live(), (0, 0), "seed {seed}: the server leaks");
    assert_eq!(server.layer.poll_timeout(), None);
    let server_wire = std::mem::take(&mut server.wire);
    let client = world.node(client);
    assert_eq!(client.layer.live(), (0, 0), "seed {seed}: the client leaks");
    assert_eq!(client.layer.poll_timeout(), None, "seed {seed}: an idle client is never woken");
    assert!(requests.values().all(|times| *times == 1), "seed {seed}: a repeated request was told again");
    for (id, (call, method)) in &client.calls {
        let endings = &client.endings[id];
        assert_eq!(endings.len(), 1, "seed {seed}: {call} ends {endings:?}");
        let finals: Vec<_> =
            client.responses.get(id).into_iter().flatten().filter(|status| **status >= 200).collect();
        match &endings[0] {
            Ending::Normal => {
                let once = finals.len() == 1 || (*method == Method::INVITE && *finals[0] == 200);
                assert!(once, "seed {seed}: {call} has {finals:?}");
                let same = finals.iter().all(|status| **status == answered[call]);
                assert!(same, "seed {seed}: {call} has {finals:?}, but was answered {}", answered[call]);
            }
            Ending::TimedOut => assert!(loss > 0.0 && finals.is_empty(), "seed {seed}: {call} timed out"),
            other => panic!("seed {seed}: {call} ended {other:?}"),
        }
    }
    (std::mem::take(&mut client.wire), server_wire)
}

// rfc: 3261 §17 — every transaction ends on both sides, with the same outcome, whatever the network does
// rfc: 3261 §17.1.1.1 — no response to an ACK
// rfc: 3261 §17.2.3 — repeated requests reach the application once
// rfc: 6026 §7.1 — 2xx are repeated until the ACK, and INVITEs behind them are absorbed
#[test]
fn every_run_ends_on_both_sides_with_the_same_outcome() {
    // `cargo xtask soak` asks for more.
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(400);
    for seed in 0..seeds {
        run(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [3, 14, 159] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(3).0, run(8).0);
}
