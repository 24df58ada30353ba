//! An agent with many accounts, and a registrar that grants all: for what is counted and timed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{
    Challenge, Contact, HeaderName, Limits, Message, Request, Response, StatusCode, Uri, WwwAuthenticate,
};
use sip_txn::{Action, Flow, Input, Transmit, Transport};
use sip_ua::{Account, Agent, Config, Credentials, Output, RegistrationId};

pub(crate) struct Accounts {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    flow: Flow,
}

impl Accounts {
    pub(crate) fn new(now: Instant) -> Self {
        let (local, remote) = (([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 1], 5070).into());
        let transactions = sip_txn::Config::new([7; 32]).listen(Transport::Udp, local);
        let limits = sip_ua::Limits::default().registrations(1_000_000);
        let config = Config::new(transactions).registration_rate(1_000_000).limits(limits);
        Self { agent: Agent::new(config), now, flow: Flow::new(Transport::Udp, local, remote) }
    }

    /// Registers one more account, with a password.
    pub(crate) fn register(&mut self, number: u32) -> RegistrationId {
        let aor: Uri = format!("sip:user{number:06}@127.0.0.1:5070").parse().expect("a URI");
        let credentials = Credentials::new(format!("user{number:06}"), "a password");
        let id =
            self.agent.register(self.now, Account::new(aor).credentials(credentials)).expect("it is sent");
        let challenged = answer(&self.sent().expect("a REGISTER"));
        self.receive(challenged);
        let granted = answer(&self.sent().expect("another"));
        self.receive(granted);
        assert!(self.sent().is_none());
        id
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
        }
        self.now = end;
    }

    pub(crate) fn receive(&mut self, bytes: Bytes) {
        self.agent.handle_input(self.now, Input::Datagram { flow: self.flow, bytes });
    }

    /// The last message that was sent; what was told is dropped.
    pub(crate) fn sent(&mut self) -> Option<Bytes> {
        let mut sent = None;
        while let Some(output) = self.agent.poll_output() {
            if let Output::Action(Action::Transmit(Transmit { bytes, .. })) = output {
                sent = Some(bytes);
            }
        }
        sent
    }
}

/// A challenge to a REGISTER without credentials, a 200 to one with them.
pub(crate) fn answer(sent: &Bytes) -> Bytes {
    let message = Message::parse(sent.clone(), &Limits::default()).expect("it parses");
    let request: Request = message.as_request().expect("it is one").clone();
    if !request.headers().contains(HeaderName::AUTHORIZATION) {
        let challenge = Challenge::digest()
            .with("realm", "127.0.0.1")
            .with("nonce", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
            .with("algorithm", "SHA-256")
            .with("qop", "auth");
        let refusal = Response::answer(&request, StatusCode::UNAUTHORIZED).to_tag("r");
        return refusal.header(&WwwAuthenticate(challenge)).build().to_bytes();
    }
    let contact: Contact = request.headers().require().expect("it has one");
    Response::answer(&request, StatusCode::OK)
        .to_tag("r")
        .header(&contact.with_expires(3600))
        .build()
        .to_bytes()
}
