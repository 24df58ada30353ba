//! An agent and a peer that a test plays by hand, message by message, on a virtual clock.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sdp::{Direction, SessionDescription};
use sip_msg::{
    CSeq, CallId, From, Limits, Message, Method, NameAddr, Request, Response, StatusCode, To, Via,
};
use sip_txn::{Flow, Input, Transport};

use crate::{Agent, Config, DialogId, Event, Invite, MediaPlan, Output, Refusal, RegistrationStatus};

/// An agent at 192.0.2.1 whose peer at 192.0.2.2 is the test.
pub(crate) struct Scripted {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    flow: Flow,
    connected: bool,
    sent: VecDeque<Message>,
    events: VecDeque<Event>,
    /// How registrations stood, one after the other.
    pub(crate) statuses: Vec<RegistrationStatus>,
    /// What was sent and is no SIP.
    pub(crate) keep_alives: VecDeque<Bytes>,
    branches: u32,
}

pub(crate) const T1: Duration = Duration::from_millis(500);
pub(crate) const SDP: &str = "application/sdp";

impl Scripted {
    pub(crate) fn new() -> Self {
        Self::over(Transport::Udp)
    }

    pub(crate) fn over(transport: Transport) -> Self {
        Self::made(transport, |config| config)
    }

    /// One with other settings.
    pub(crate) fn with(set: impl FnOnce(Config) -> Config) -> Self {
        Self::made(Transport::Udp, set)
    }

    fn made(transport: Transport, set: impl FnOnce(Config) -> Config) -> Self {
        let local: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let config = Config::new(sip_txn::Config::new([9; 32]).listen(transport, local));
        Self {
            agent: Agent::new(set(config.user_agent("test"))),
            now: testkit::Clock::new().now(),
            flow: Flow::new(transport, local, "192.0.2.2:5060".parse().unwrap()),
            connected: false,
            sent: VecDeque::new(),
            events: VecDeque::new(),
            statuses: Vec::new(),
            keep_alives: VecDeque::new(),
            branches: 0,
        }
    }

    /// The same lab with other settings, before anything has happened in it.
    pub(crate) fn configured(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.agent = Agent::new(change(self.agent.config().clone()));
        self
    }

    fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Action(sip_txn::Action::Transmit(transmit)) => {
                    assert_eq!(transmit.flow.remote.ip(), self.flow.remote.ip());
                    if !transmit.bytes.first().is_some_and(u8::is_ascii_alphabetic) {
                        self.keep_alives.push_back(transmit.bytes);
                        continue;
                    }
                    let message =
                        Message::parse(transmit.bytes, &Limits::default()).expect("we send what parses");
                    message.check().expect("we send what passes the check");
                    self.sent.push_back(message);
                }
                Output::Action(sip_txn::Action::Connect { connect, .. }) => {
                    self.connected = true;
                    self.agent.handle_input(self.now, Input::Connected { connect, flow: self.flow });
                }
                Output::Action(_) => {}
                Output::Event(Event::RegistrationChanged { status, .. }) => self.statuses.push(status),
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// The flow between the two.
    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    /// An agent that has no listener for a transport, and opens a connection from this port when it needs one.
    pub(crate) fn dialling(transport: Transport, port: u16) -> Self {
        let mut lab = Self::new();
        lab.flow.transport = transport;
        lab.flow.local.set_port(port);
        lab
    }

    /// The next connection will be from another port.
    pub(crate) fn set_port(&mut self, port: u16) {
        self.flow.local.set_port(port);
    }

    /// The agent is at another address now, and has been told.
    pub(crate) fn moves(&mut self, local: &str) {
        self.flow.local = local.parse().unwrap();
        self.agent.address_changed(self.now, vec![(self.flow.transport, self.flow.local)]);
        self.collect();
    }

    /// Something else happens on the network.
    pub(crate) fn happens(&mut self, input: Input) {
        self.agent.handle_input(self.now, input);
        self.collect();
    }

    /// The peer sends this.
    pub(crate) fn receive(&mut self, message: impl Into<Message>) {
        let bytes = message.into().to_bytes();
        let input = if self.flow.transport == Transport::Udp {
            Input::Datagram { flow: self.flow, bytes }
        } else {
            if !std::mem::replace(&mut self.connected, true) {
                self.agent.handle_input(self.now, Input::Accepted { flow: self.flow });
            }
            Input::Stream { flow: self.flow, bytes }
        };
        self.agent.handle_input(self.now, input);
        self.collect();
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.collect();
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// The next message we sent, if any.
    pub(crate) fn poll_sent(&mut self) -> Option<Message> {
        self.collect();
        self.sent.pop_front()
    }

    #[track_caller]
    pub(crate) fn sent_request(&mut self, method: &Method) -> Request {
        let message = self.poll_sent().expect("a request was sent");
        let request = message.as_request().unwrap_or_else(|| panic!("{message:?} is a request")).clone();
        assert_eq!(request.method(), method);
        request
    }

    #[track_caller]
    pub(crate) fn sent_response(&mut self, status: StatusCode) -> Response {
        let message = self.poll_sent().expect("a response was sent");
        let response = message.as_response().unwrap_or_else(|| panic!("{message:?} is a response")).clone();
        assert_eq!(response.status(), status);
        response
    }

    #[track_caller]
    pub(crate) fn sent_nothing(&mut self) {
        let message = self.poll_sent();
        assert!(message.is_none(), "{message:?}");
    }

    /// Forgets what was sent (resent) meanwhile.
    pub(crate) fn skip_sent(&mut self) {
        while self.poll_sent().is_some() {}
    }

    /// Forgets the responses that were resent meanwhile.
    pub(crate) fn skip_sent_responses(&mut self) {
        self.collect();
        self.sent.retain(|message| message.as_request().is_some());
    }

    pub(crate) fn event(&mut self) -> Option<Event> {
        self.collect();
        self.events.pop_front()
    }

    /// The peer answers a request of ours.
    pub(crate) fn answer(&mut self, request: &Request, status: u16, to_tag: &str) {
        self.receive(answer(request, status, to_tag));
    }

    /// The peer answers with a session description.
    pub(crate) fn answer_with(&mut self, request: &Request, status: u16, to_tag: &str, direction: Direction) {
        let mut response = answer(request, status, to_tag);
        response.set_body(SDP, describe(1, direction));
        self.receive(response);
    }

    /// A request of the peer, in the dialog of a message of ours where one is given.
    pub(crate) fn peer_request(&mut self, method: Method, number: u32, dialog: Option<&Message>) -> Request {
        self.branches += 1;
        let via =
            format!("SIP/2.0/{} 192.0.2.2:5060;branch=z9hG4bKpeer{}", self.flow.transport, self.branches);
        let (from, to, call_id) = match dialog {
            None => (
                "<sip:bob@example.com>;tag=peer".to_owned(),
                "<sip:alice@example.com>".to_owned(),
                "peer-call".to_owned(),
            ),
            Some(message) => {
                let headers = message.headers();
                let (from, to) = (headers.require::<From>().unwrap(), headers.require::<To>().unwrap());
                let call_id = headers.require::<CallId>().unwrap().0.to_string();
                match message {
                    Message::Request(_) => (to.to_string(), from.to_string(), call_id),
                    Message::Response(_) => (from.to_string(), to.to_string(), call_id),
                }
            }
        };
        let text = format!(
            "{method} sip:alice@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nContact: <sip:bob@192.0.2.2:5060>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes(), &Limits::default()).unwrap();
        message.as_request().unwrap().clone()
    }

    /// Places a call; the INVITE, and who it is for.
    pub(crate) fn call(&mut self, plan: Plan) -> (DialogId, Request) {
        let id = self.agent.invite(self.now, invite(), Box::new(plan)).unwrap();
        (id, self.sent_request(&Method::INVITE))
    }

    /// Places a call that the peer answers; the INVITE, and the ACK as the peer got it.
    pub(crate) fn call_up(&mut self, plan: Plan) -> (DialogId, Request, Request) {
        let (id, sent) = self.call(plan);
        self.answer_with(&sent, 200, "peer", Direction::SendRecv);
        let ack = self.sent_request(&Method::ACK);
        assert!(matches!(self.event(), Some(Event::Answered { .. })));
        (id, sent, ack)
    }

    /// The peer calls, and its INVITE has an offer.
    pub(crate) fn called(&mut self) -> (DialogId, Request) {
        let mut request = self.peer_request(Method::INVITE, 10, None);
        request.set_body(SDP, describe(1, Direction::SendRecv));
        self.receive(request.clone());
        let Some(Event::Incoming { dialog, .. }) = self.event() else { panic!("a call comes in") };
        (dialog, request)
    }

    /// The peer calls, we answer, the ACK comes; our 200.
    pub(crate) fn called_up(&mut self, plan: Plan) -> (DialogId, Response) {
        let (id, _) = self.called();
        let plan: Box<dyn MediaPlan> = Box::new(plan);
        self.agent.accept(self.now, id, plan).unwrap();
        let accepted = self.sent_response(StatusCode::OK);
        let ack = self.peer_request(Method::ACK, 10, Some(&accepted.clone().into()));
        self.receive(ack);
        assert!(matches!(self.event(), Some(Event::Confirmed { .. })));
        (id, accepted)
    }

    /// Whatever lingers goes, and nothing stays behind.
    #[track_caller]
    pub(crate) fn ends_idle(&mut self) {
        self.advance(Duration::from_secs(200));
        assert!(self.agent.is_idle(), "{:#?}", self.agent);
    }
}

pub(crate) fn invite() -> Invite {
    let from = NameAddr::new("sip:alice@example.com".parse().unwrap());
    Invite::new(from, "sip:bob@192.0.2.2:5060".parse().unwrap())
}

/// The peer's response to a request.
pub(crate) fn answer(request: &Request, status: u16, to_tag: &str) -> Response {
    let contact = sip_msg::Contact::new("sip:bob@192.0.2.2:5060".parse::<sip_msg::Uri>().unwrap());
    let response = Response::answer(request, StatusCode::new(status).unwrap()).header(&contact);
    if to_tag.is_empty() { response.build() } else { response.to_tag(to_tag).build() }
}

pub(crate) fn number(request: &Request) -> u32 {
    request.headers().require::<CSeq>().unwrap().number
}

pub(crate) fn branch(request: &Request) -> String {
    request.headers().require::<Via>().unwrap().branch().unwrap().to_string()
}

/// A session description as the peer's and the plan's.
pub(crate) fn describe(version: u64, direction: Direction) -> String {
    let direction = match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    };
    format!(
        "v=0\r\no=- 1 {version} IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 0\r\na={direction}\r\n"
    )
}

/// A media plan that writes down what it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) log: Arc<Mutex<Vec<&'static str>>>,
    /// Which dialog it is for: "select", "confirm".
    pub(crate) chosen: Arc<Mutex<Vec<&'static str>>>,
    pub(crate) refuses: Arc<AtomicBool>,
    version: u64,
    agreed: Option<Direction>,
}

impl Plan {
    /// One that agrees to nothing.
    pub(crate) fn refusing() -> Self {
        let plan = Self::default();
        plan.refuses.store(true, Ordering::Relaxed);
        plan
    }

    fn note(&self, what: &'static str) {
        self.log.lock().unwrap().push(what);
    }

    fn describe(&mut self, direction: Direction) -> SessionDescription {
        self.version += 1;
        SessionDescription::parse(&describe(self.version, direction)).unwrap()
    }

    fn settle(&mut self, theirs: &SessionDescription) -> Result<Direction, Refusal> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Refusal::new("no common codec").warn_code(305));
        }
        let direction = theirs.direction(&theirs.media[0]).reversed();
        self.agreed = Some(direction);
        Ok(direction)
    }
}

impl MediaPlan for Plan {
    fn offer(&mut self, direction: Direction) -> SessionDescription {
        self.note("offer");
        self.describe(direction)
    }

    fn refresh(&mut self, direction: Direction) -> SessionDescription {
        self.note("refresh");
        SessionDescription::parse(&describe(self.version, self.agreed.unwrap_or(direction))).unwrap()
    }

    fn answer(&mut self, offer: &SessionDescription) -> Result<SessionDescription, Refusal> {
        self.note("answer");
        let direction = self.settle(offer)?;
        Ok(self.describe(direction))
    }

    fn accept(&mut self, answer: &SessionDescription) -> Result<(), Refusal> {
        self.note("accept");
        self.settle(answer).map(drop)
    }

    fn rollback(&mut self) {
        self.note("rollback");
    }

    fn select(&mut self) {
        self.chosen.lock().unwrap().push("select");
    }

    fn confirm(&mut self) {
        self.chosen.lock().unwrap().push("confirm");
    }

    fn fork(&self) -> Box<dyn MediaPlan> {
        self.note("fork");
        Box::new(self.clone())
    }

    fn direction(&self) -> Option<Direction> {
        self.agreed
    }
}
