//! A registrar as a node of a simulated network, with its bad days.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_msg::{CSeq, CallId, Limits, Message, Method, Request, Response, RetryAfter, StatusCode, Uri};
use sip_txn::{Action, Flow, Input, Transport};
use sip_ua::registrar::{self, Registrar};
use testkit::Datagram;

pub(crate) const HOST: &str = "10.0.9.9";
pub(crate) const ADDRESS: &str = "10.0.9.9:5060";
pub(crate) const PASSWORD: &str = "secret";

/// How it treats those who register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    /// As it should.
    Fair,
    /// It does what it is asked, and its answers are lost.
    Mute,
    /// It hears nothing.
    Deaf,
    /// It answers 503.
    Overloaded { retry_after: Option<u32> },
}

pub(crate) struct Office {
    registrar: Option<Registrar>,
    users: Vec<String>,
    granted: Duration,
    pub(crate) mood: Mood,
    /// When which REGISTER was heard first.
    pub(crate) heard: Vec<Instant>,
    known: BTreeSet<(String, u32)>,
    outbox: VecDeque<Datagram>,
}

impl Office {
    pub(crate) fn new(now: Instant, users: Vec<String>, granted: Duration, seed: [u8; 32]) -> Self {
        let mut office = Self {
            registrar: None,
            users,
            granted,
            mood: Mood::Fair,
            heard: Vec::new(),
            known: BTreeSet::new(),
            outbox: VecDeque::new(),
        };
        office.restart(now, Duration::from_secs(10), seed);
        office
    }

    /// It is gone, with all it knew.
    pub(crate) fn crash(&mut self) {
        self.registrar = None;
    }

    /// It is there again and knows nobody.
    pub(crate) fn restart(&mut self, now: Instant, min_expires: Duration, seed: [u8; 32]) {
        let address: SocketAddr = ADDRESS.parse().expect("an address");
        let transactions = sip_txn::Config::new(seed).listen(Transport::Udp, address);
        let config = registrar::Config::new(transactions, HOST)
            .min_expires(min_expires)
            .max_expires(self.granted.max(min_expires));
        let config = self.users.iter().fold(config, |config, user| config.user(user.clone(), PASSWORD));
        self.registrar = Some(Registrar::new(now, config, seed));
    }

    pub(crate) fn bindings(&self, now: Instant, user: &str) -> Vec<Uri> {
        let bindings = self.registrar.as_ref().map(|registrar| registrar.bindings(now, user));
        bindings.unwrap_or_default().into_iter().map(|binding| binding.contact).collect()
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        let register = register(&datagram.bytes);
        if let Some(request) = &register {
            self.note(now, request);
        }
        let Some(registrar) = &mut self.registrar else { return };
        match (self.mood, register) {
            (Mood::Deaf, _) => {}
            (Mood::Overloaded { retry_after }, Some(request)) => {
                let answer = overloaded(&request, retry_after);
                let bytes = Message::from(answer).to_bytes().to_vec();
                self.outbox.push_back(Datagram { from: datagram.to, to: datagram.from, bytes });
            }
            (Mood::Fair | Mood::Mute | Mood::Overloaded { .. }, _) => {
                let flow = Flow::new(Transport::Udp, datagram.to, datagram.from);
                registrar.handle_input(now, Input::Datagram { flow, bytes: datagram.bytes.into() });
            }
        }
        self.collect();
    }

    fn note(&mut self, now: Instant, request: &Request) {
        let call_id = request.headers().require::<CallId>().expect("it has one").0.to_string();
        let number = request.headers().require::<CSeq>().expect("it has one").number;
        if self.known.insert((call_id, number)) {
            self.heard.push(now);
        }
    }

    fn collect(&mut self) {
        let Some(registrar) = &mut self.registrar else { return };
        while let Some(output) = registrar.poll_output() {
            let registrar::Output::Action(Action::Transmit(transmit)) = output else { continue };
            if self.mood != Mood::Mute {
                let (from, to) = (transmit.flow.local, transmit.flow.remote);
                self.outbox.push_back(Datagram { from, to, bytes: transmit.bytes.to_vec() });
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(registrar) = &mut self.registrar {
            registrar.handle_timeout(now);
        }
        self.collect();
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.registrar.as_ref()?.poll_timeout()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Datagram> {
        self.outbox.pop_front()
    }
}

fn register(bytes: &[u8]) -> Option<Request> {
    let message = Message::parse(bytes.to_vec(), &Limits::default()).ok()?;
    message.as_request().filter(|request| *request.method() == Method::REGISTER).cloned()
}

fn overloaded(request: &Request, retry_after: Option<u32>) -> Response {
    let mut response = Response::answer(request, StatusCode::SERVICE_UNAVAILABLE).to_tag("busy").build();
    if let Some(seconds) = retry_after {
        response.headers_mut().push(&RetryAfter::new(seconds));
    }
    response
}
