//! An agent as a node of a simulated network, with what its user sees of its calls.

mod plan;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use sip_msg::{CSeq, CallId, ContentType, Fragment, Limits, Message, Method, NameAddr, StatusCode, To, Uri};
use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::{Agent, Config, DialogId, Event, Invite, Output};
use testkit::{Datagram, Node};

pub(crate) use plan::plan;

/// Every message in the order it was sent: `alice INVITE sdp`, `bob 180`.
pub(crate) type Trace = Rc<RefCell<Vec<String>>>;

/// How a call stands for the user who looks at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// Placed, or come in, and not answered yet.
    Waiting,
    /// Answered.
    Up,
    /// Ended.
    Over,
}

/// A 2xx and its ACK, of whichever fork: Call-ID, the tag in To, the number of the INVITE.
type Answer = (String, String, u32);

pub(crate) struct Phone {
    pub(crate) name: &'static str,
    pub(crate) agent: Agent,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<Event>,
    pub(crate) calls: BTreeMap<DialogId, View>,
    /// The 2xx to INVITEs that came, and the ACKs that went out.
    answers: BTreeSet<Answer>,
    acks: BTreeSet<Answer>,
    outbox: VecDeque<Datagram>,
    trace: Trace,
}

impl Phone {
    pub(crate) fn new(name: &'static str, ip: &str, seed: [u8; 32], trace: &Trace) -> Self {
        let address = SocketAddr::new(ip.parse().expect("an IP address"), 5060);
        let transactions = sip_txn::Config::new(seed).listen(Transport::Udp, address);
        Self {
            name,
            agent: Agent::new(Config::new(transactions).user_agent(name)),
            address,
            events: Vec::new(),
            calls: BTreeMap::new(),
            answers: BTreeSet::new(),
            acks: BTreeSet::new(),
            outbox: VecDeque::new(),
            trace: trace.clone(),
        }
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("sip:{}@{}", self.name, self.address).parse().expect("a URI")
    }

    pub(crate) fn invite(&self, target: Uri) -> Invite {
        Invite::new(NameAddr::new(self.uri()), target)
    }

    /// Places a call.
    pub(crate) fn dial(&mut self, now: Instant, invite: Invite) -> DialogId {
        let id = self.agent.invite(now, invite, plan()).expect("it can be sent");
        self.calls.insert(id, View::Waiting);
        self.collect();
        id
    }

    /// The call that came in last.
    pub(crate) fn last_call(&self) -> DialogId {
        *self.calls.last_key_value().expect("a call").0
    }

    /// Whether every call that ever was is over.
    pub(crate) fn is_quiet(&self) -> bool {
        self.owes_no_ack();
        self.calls.values().all(|view| *view == View::Over)
    }

    /// Every 2xx has had its ACK, that of a fork that nobody wanted too.
    #[track_caller]
    pub(crate) fn owes_no_ack(&self) {
        let owed = self.answers.difference(&self.acks).next();
        assert!(owed.is_none(), "{}: every 2xx is acknowledged, but {owed:?}", self.name);
    }

    pub(crate) fn collect(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Action(Action::Transmit(transmit)) => {
                    let bytes = transmit.bytes.to_vec();
                    if bytes.starts_with(b"ACK ") {
                        self.acks.extend(answer_of(&bytes));
                    }
                    self.trace.borrow_mut().push(format!("{} {}", self.name, summary(&bytes)));
                    let (from, to) = (transmit.flow.local, transmit.flow.remote);
                    self.outbox.push_back(Datagram { from, to, bytes });
                }
                Output::Action(action) => panic!("UDP needs no {action:?}"),
                Output::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: Event) {
        if let Some(id) = event.dialog() {
            let view = self.calls.get(&id).copied();
            // What becomes of a transfer may be told when the call is over.
            let may_follow = matches!(event, Event::TransferProgress { .. } | Event::Transferred { .. });
            assert!(
                may_follow || view != Some(View::Over),
                "{}: nothing comes after the end, but {event:?}",
                self.name
            );
            match &event {
                Event::Incoming { .. } => drop(self.calls.insert(id, View::Waiting)),
                Event::Answered { .. } | Event::Confirmed { .. } => drop(self.calls.insert(id, View::Up)),
                Event::Forked { fork, .. } => drop(self.calls.insert(*fork, View::Up)),
                Event::Ended { .. } => drop(self.calls.insert(id, View::Over)),
                Event::Trying { .. } | Event::Ringing { .. } | _ => {}
            }
        }
        self.events.push(event);
    }
}

pub(crate) fn summary(bytes: &[u8]) -> String {
    let message = Message::parse(bytes.to_vec(), &Limits::default()).expect("we send what parses");
    message.check().expect("we send what passes the check");
    let body = match message.headers().get::<ContentType>().ok().flatten() {
        _ if message.body().is_empty() => String::new(),
        Some(kind) if kind.is("message/sipfrag") => {
            let fragment = Fragment::parse(message.body().clone(), &Limits::default()).expect("a fragment");
            format!(" {}", fragment.status().expect("a status line").code())
        }
        Some(kind) => format!(" {}", kind.subtype),
        None => panic!("a body without a Content-Type"),
    };
    match &message {
        Message::Request(request) => format!("{}{body}", request.method()),
        Message::Response(response) => {
            let method = response.headers().require::<CSeq>().expect("it is checked").method;
            format!("{} {method}{body}", response.status().code())
        }
    }
}

/// What a 2xx to an INVITE, or an ACK, is about.
fn answer_of(bytes: &[u8]) -> Option<Answer> {
    let message = Message::parse(bytes.to_vec(), &Limits::default()).ok()?;
    let headers = message.headers();
    let cseq = headers.require::<CSeq>().ok()?;
    let tag = headers.require::<To>().ok()?.params.text("tag")?.to_string();
    if !matches!(cseq.method, Method::INVITE | Method::ACK) {
        return None;
    }
    Some((headers.require::<CallId>().ok()?.0.to_string(), tag, cseq.number))
}

impl Node for Phone {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        if datagram.bytes.starts_with(b"SIP/2.0 2") {
            self.answers.extend(answer_of(&datagram.bytes));
        }
        let flow = Flow::new(Transport::Udp, datagram.to, datagram.from);
        self.agent.handle_input(now, Input::Datagram { flow, bytes: datagram.bytes.into() });
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.collect();
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.collect();
        self.outbox.pop_front()
    }
}

/// Bob's user picks up.
pub(crate) fn answer(phone: &mut Phone, now: Instant, id: DialogId) {
    phone.agent.accept(now, id, plan()).expect("the call waits");
    phone.collect();
}

pub(crate) fn ring(phone: &mut Phone, now: Instant, id: DialogId) {
    phone.agent.ring(now, id, StatusCode::RINGING).expect("the call waits");
    phone.collect();
}
