//! The target of `sip-txn`: a world that does what the input says.

use bytes::Bytes;
use sip_msg::{
    CSeq, CallId, From, Message, Method, NameAddr, Params, Request, Response, StatusCode, Text, To, Uri,
};
use sip_txn::{
    Action, Answer, ClientId, Config, Event, Flow, Input, Output, Question, SendOptions, ServerId,
    TransactionLayer, Transport,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// More outputs from one step than this would be a loop.
const MOST_OUTPUTS: usize = 2_000;
/// When nobody does anything any more, the layer comes to rest within this time: 64·T1 for each target that is tried.
const REST: Duration = Duration::from_secs(900);
const LOCAL: &str = "192.0.2.1:5060";

/// The bytes are a script: what comes from the network, what the application does, how time passes. Outputs never run
/// on without end, time always gets on, each transaction ends exactly once, and in the end the layer is at rest.
pub fn transactions(data: &[u8]) {
    let mut world = World::new();
    let mut script = Script(data);
    while let Some(step) = script.byte() {
        world.step(step, &mut script);
        world.settle();
    }
    world.come_to_rest();
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0)) << 8 | usize::from(self.byte().unwrap_or(0));
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        piece
    }
}

struct World {
    layer: TransactionLayer,
    now: Instant,
    flows: [Flow; 3],
    open: bool,
    sent: Option<Request>,
    clients: BTreeMap<ClientId, Method>,
    servers: BTreeMap<ServerId, Request>,
}

impl World {
    fn new() -> Self {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let flow = |transport, remote| Flow::new(transport, address(LOCAL), address(remote));
        let config = Config::new([7; 32])
            .listen(Transport::Udp, address(LOCAL))
            .listen(Transport::Tcp, address(LOCAL));
        Self {
            layer: TransactionLayer::new(config),
            now: Instant::now(),
            flows: [
                flow(Transport::Udp, "192.0.2.2:5060"),
                flow(Transport::Udp, "192.0.2.3:40000"),
                flow(Transport::Tcp, "192.0.2.2:5060"),
            ],
            open: false,
            sent: None,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let [udp, other, tcp] = self.flows;
        match step % 12 {
            0 => self.input(Input::Datagram { flow: udp, bytes: Bytes::copy_from_slice(script.bytes()) }),
            1 => self.input(Input::Datagram { flow: other, bytes: Bytes::copy_from_slice(script.bytes()) }),
            2 => {
                if !self.open {
                    self.open = true;
                    self.input(Input::Accepted { flow: tcp });
                }
                self.input(Input::Stream { flow: tcp, bytes: Bytes::copy_from_slice(script.bytes()) });
            }
            3 => self.pass(Duration::from_millis(20) * u32::from(script.byte().unwrap_or(0))),
            4 => self.wait(),
            5 => {
                let status = status(script.byte());
                let chosen =
                    self.servers.iter().next_back().map(|(server, request)| (*server, request.clone()));
                if let Some((server, request)) = chosen {
                    self.respond(server, &request, status);
                }
            }
            6 => self.request(script.byte().unwrap_or(0)),
            7 => {
                let last = self.clients.keys().next_back().copied();
                if let Some(client) = last {
                    self.layer.cancel(self.now, client);
                }
            }
            8 => {
                let status = status(script.byte());
                if let Some(request) = self.sent.clone() {
                    let response = Response::answer(&request, status).to_tag("fuzz").build();
                    self.input(Input::Datagram { flow: udp, bytes: response.to_bytes() });
                }
            }
            9 => self.input(Input::Unreachable { flow: udp, why: "icmp".into(), quoted: None }),
            10 => {
                self.open = false;
                self.input(Input::Closed { flow: tcp, why: Text::from_static("fuzz") });
            }
            _ => {
                let Some(request) = &self.sent else { return };
                // What we sent comes back to us, as from a proxy that loops.
                let bytes = request.to_bytes();
                self.input(Input::Datagram { flow: other, bytes });
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.layer.handle_input(self.now, input);
    }

    fn respond(&mut self, server: ServerId, request: &Request, status: StatusCode) {
        let response = Response::answer(request, status).to_tag("fuzz").build();
        // A final response may have been given before; the layer says so.
        let _ = self.layer.respond(self.now, server, response);
    }

    fn request(&mut self, choice: u8) {
        let uri = ["sip:192.0.2.2", "sip:192.0.2.2;transport=tcp", "sip:host.test", "sips:host.test"]
            [usize::from(choice) % 4];
        let uri = Uri::parse(uri).expect("a URI");
        let method = [Method::INVITE, Method::OPTIONS, Method::BYE][usize::from(choice >> 2) % 3].clone();
        let name = || NameAddr { display_name: None, uri: uri.clone() };
        let mut params = Params::new();
        params.set("tag", "ours");
        let request = Request::builder(method.clone(), &uri)
            .header(&From { name_addr: name(), params })
            .header(&To { name_addr: name(), params: Params::new() })
            .header(&CallId(Text::from_static("fuzz")))
            .header(&CSeq { number: 1, method: method.clone() })
            .build();
        if let Ok(client) = self.layer.request(self.now, request, SendOptions::default()) {
            assert!(self.clients.insert(client, method).is_none(), "an id was used twice");
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.layer.handle_timeout(self.now);
    }

    /// To the next time that the layer names.
    fn wait(&mut self) {
        let Some(next) = self.layer.poll_timeout() else { return };
        self.now = self.now.max(next);
        self.layer.handle_timeout(self.now);
        self.settle();
        assert!(self.layer.poll_timeout().is_none_or(|next| next > self.now), "time does not get on");
    }

    /// Does what the layer wants, and notes what it tells.
    fn settle(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            match self.layer.poll_output() {
                None => return,
                Some(Output::Action(action)) => self.perform(action),
                Some(Output::Event(event)) => self.note(event),
            }
        }
        panic!("outputs without end");
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Transmit(transmit) => {
                let message = Message::parse(transmit.bytes.clone(), &sip_msg::Limits::default());
                let keep_alive = transmit.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                assert!(message.is_ok() || keep_alive, "we sent what is no message: {:?}", transmit.bytes);
                if let Ok(Message::Request(request)) = message {
                    self.sent = Some(request);
                }
            }
            Action::Connect { connect, .. } if self.open => {
                self.input(Input::ConnectFailed { connect, why: Text::from_static("fuzz") });
            }
            Action::Connect { connect, .. } => {
                self.open = true;
                self.input(Input::Connected { connect, flow: self.flows[2] });
            }
            Action::Resolve { query, question } => {
                let answer = match question {
                    Question::Naptr(_) => Answer::Naptr(Vec::new()),
                    Question::Srv(_) => Answer::Srv(Vec::new()),
                    Question::Addresses(_) => Answer::Addresses(vec![self.flows[0].remote.ip()]),
                };
                self.input(Input::Resolved { query, answer });
            }
            Action::Close(_) => self.open = false,
            _ => {}
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Request { server, request, .. } => {
                assert!(Message::Request(request.clone()).check().is_ok(), "an unchecked request was told");
                assert!(self.servers.insert(server, request).is_none(), "an id was used twice");
            }
            Event::Response { client, .. } => {
                assert!(self.clients.contains_key(&client), "a response to nothing")
            }
            Event::ClientEnded { client, .. } => {
                assert!(self.clients.remove(&client).is_some(), "a client transaction ended twice");
            }
            Event::ServerEnded { server, .. } => {
                assert!(self.servers.remove(&server).is_some(), "a server transaction ended twice");
            }
            _ => {}
        }
    }

    /// The application answers what is open and cancels what it asked; then there is only time.
    fn come_to_rest(&mut self) {
        let servers: Vec<_> =
            self.servers.iter().map(|(server, request)| (*server, request.clone())).collect();
        for (server, request) in servers {
            self.respond(server, &request, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let clients: Vec<_> = self.clients.keys().copied().collect();
        for client in clients {
            self.layer.cancel(self.now, client);
        }
        self.settle();
        let end = self.now + REST;
        while self.layer.poll_timeout().is_some_and(|next| next < end) && !self.is_idle() {
            self.wait();
        }
        assert!(
            self.is_idle(),
            "not at rest: {:?} live, {:?}, {:?}",
            self.layer.live(),
            self.clients,
            self.servers.keys()
        );
    }

    fn is_idle(&self) -> bool {
        self.layer.live() == (0, 0) && self.clients.is_empty() && self.servers.is_empty()
    }
}

fn status(byte: Option<u8>) -> StatusCode {
    let code = 100 + u16::from(byte.unwrap_or(0)) % 6 * 100 + u16::from(byte.unwrap_or(0)) / 64;
    StatusCode::new(code).unwrap_or(StatusCode::OK)
}
