//! The registrations of RFC 3665 between phones of Bob's and the registrar, message by message.

#[path = "support/party.rs"]
mod party;
#[path = "support/phone.rs"]
mod phone;
#[path = "support/proxy.rs"]
mod proxy;

use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring, summary};
use proxy::Proxy;
use sip_msg::{Contact, HeaderName, Limits, Message, Request};
use sip_ua::{Account, Credentials, Event, RegistrationId, RegistrationStatus};
use testkit::{Datagram, Impairment, Node, NodeId, World};

type Party = party::Party<Proxy>;

const SERVER: &str = "10.0.1.1";

/// Whoever is at an address, with what the server sends in the trace as well, and its last request kept.
struct Traced {
    party: Party,
    trace: Trace,
    request: Option<Request>,
}

impl Node for Traced {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        let message = Message::parse(datagram.bytes.clone(), &Limits::default()).expect("it parses");
        self.request = message.as_request().cloned().or(self.request.take());
        self.party.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.party.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.party.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        let datagram = self.party.poll_transmit()?;
        if matches!(self.party, Party::Proxy(_)) {
            self.trace.borrow_mut().push(format!("server {}", summary(&datagram.bytes)));
        }
        Some(datagram)
    }
}

struct Stage {
    world: World<Traced>,
    desk: NodeId,
    mobile: NodeId,
    server: NodeId,
    trace: Trace,
}

impl Stage {
    fn new() -> Self {
        let trace = Trace::default();
        let mut world = World::new(1, Impairment::default());
        let proxy = Proxy::new(world.now(), SERVER, [9; 32], &["bob"], |config| config);
        let mut add = |ip, party| world.add(ip, Traced { party, trace: trace.clone(), request: None });
        let phone = |name, ip, seed| Party::Phone(Box::new(Phone::new(name, ip, [seed; 32], &trace)));
        let desk = add("10.0.0.1", phone("desk", "10.0.0.1", 1));
        let mobile = add("10.0.0.2", phone("mobile", "10.0.0.2", 2));
        let server = add(SERVER, Party::Proxy(Box::new(proxy)));
        Self { world, desk, mobile, server, trace }
    }

    fn phone(&mut self, who: NodeId) -> &mut Phone {
        self.world.node(who).party.phone()
    }

    fn at<T>(&mut self, who: NodeId, act: impl FnOnce(&mut Phone, Instant) -> T) -> T {
        let now = self.world.now();
        let phone = self.phone(who);
        let done = act(phone, now);
        phone.collect();
        self.world.run_for(Duration::from_millis(100));
        done
    }

    fn register(&mut self, who: NodeId, password: &str) -> RegistrationId {
        let account = Account::new(format!("sip:bob@{SERVER}").parse().expect("a URI"));
        let account = account.credentials(Credentials::new("bob", password));
        self.at(who, |phone, now| phone.agent.register(now, account).expect("it can be sent"))
    }

    /// The last request that came to the server.
    fn request(&mut self) -> Request {
        self.world.node(self.server).request.clone().expect("a request")
    }

    /// Where the server finds Bob.
    fn bindings(&mut self) -> usize {
        let now = self.world.now();
        match &self.world.node(self.server).party {
            Party::Proxy(proxy) => proxy.registrar.bindings(now, "bob").len(),
            Party::Phone(_) => panic!("it is the server"),
        }
    }

    /// What was sent since the last time.
    fn flow(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.trace.borrow_mut())
    }

    #[track_caller]
    fn status(&mut self, who: NodeId, id: RegistrationId, wanted: RegistrationStatus) {
        assert_eq!(self.phone(who).agent.registration_status(id), Some(wanted));
    }
}

const CHALLENGED: [&str; 4] =
    ["desk REGISTER", "server 401 REGISTER", "desk REGISTER", "server 200 REGISTER"];

// rfc: 3665 §2.1 — successful new registration: challenged, then granted an hour; calls find the phone
#[test]
fn successful_new_registration() {
    let mut stage = Stage::new();
    let desk = stage.desk;
    let id = stage.register(desk, "bob");
    assert_eq!(stage.flow(), CHALLENGED);
    stage.status(desk, id, RegistrationStatus::Registered);
    let granted = stage.phone(desk).events.iter().find_map(|event| {
        let Event::Registered { expires, .. } = event else { return None };
        Some(*expires)
    });
    assert_eq!(granted, Some(Duration::from_secs(3600)));
    assert_eq!(stage.bindings(), 1);
    let call = stage.at(stage.mobile, |mobile, now| {
        let invite = mobile.invite(format!("sip:bob@{SERVER}").parse().unwrap());
        mobile.dial(now, invite.credentials(Credentials::new("bob", "bob")))
    });
    let incoming = stage.phone(desk).last_call();
    stage.at(desk, |desk, now| ring(desk, now, incoming));
    stage.at(desk, |desk, now| answer(desk, now, incoming));
    assert_eq!(stage.phone(stage.mobile).calls.get(&call), Some(&View::Up));
    stage.at(desk, |desk, now| desk.agent.hang_up(now, incoming).unwrap());
    assert!(stage.phone(stage.mobile).is_quiet());
}

// rfc: 3665 §2.2 — update of the contact list: credentials go along at once, and nobody asks; the list has all phones
#[test]
fn update_of_the_contact_list() {
    let mut stage = Stage::new();
    let (desk, mobile) = (stage.desk, stage.mobile);
    let id = stage.register(desk, "bob");
    stage.register(mobile, "bob");
    stage.flow();
    stage.at(desk, |desk, now| desk.agent.refresh(now, id).unwrap());
    assert_eq!(stage.flow(), ["desk REGISTER", "server 200 REGISTER"]);
    assert!(stage.request().headers().contains(HeaderName::AUTHORIZATION));
    assert_eq!(stage.bindings(), 2);
}

// rfc: 3665 §2.3 — request for the current contact list: a REGISTER without Contact
#[test]
fn request_for_the_current_contact_list() {
    let mut stage = Stage::new();
    let (desk, mobile) = (stage.desk, stage.mobile);
    let id = stage.register(desk, "bob");
    stage.register(mobile, "bob");
    stage.flow();
    stage.at(desk, |desk, now| desk.agent.fetch_bindings(now, id).unwrap());
    // A request of its own, with a nonce of its own: the RFC's example goes without the challenge.
    assert_eq!(stage.flow(), CHALLENGED);
    let asked = stage.request();
    assert!(!asked.headers().contains(HeaderName::CONTACT));
    assert!(asked.headers().contains(HeaderName::AUTHORIZATION));
    let Some(Event::Response { result: Ok(response), .. }) = stage.phone(desk).events.last() else {
        panic!("the list came")
    };
    let contacts: Vec<Contact> = response.headers().all::<Contact>().flatten().collect();
    let hosts: Vec<_> = contacts.iter().map(|at| at.uri().unwrap().host().unwrap().to_string()).collect();
    assert_eq!(hosts.len(), 2);
    assert!(["10.0.0.1", "10.0.0.2"].iter().all(|ip| hosts.iter().any(|host| host == ip)));
}

// rfc: 3665 §2.4 — cancellation of all registrations: Contact: * and Expires: 0
#[test]
fn cancellation_of_registration() {
    let mut stage = Stage::new();
    let (desk, mobile) = (stage.desk, stage.mobile);
    let id = stage.register(desk, "bob");
    stage.register(mobile, "bob");
    stage.flow();
    stage.at(desk, |desk, now| desk.agent.unregister_all(now, id).unwrap());
    assert_eq!(stage.flow(), ["desk REGISTER", "server 200 REGISTER"]);
    let asked = stage.request();
    let raw = |name| asked.headers().raw(&name).map(<[u8]>::to_vec);
    assert_eq!(raw(HeaderName::CONTACT).as_deref(), Some(&b"*"[..]));
    assert_eq!(raw(HeaderName::EXPIRES).as_deref(), Some(&b"0"[..]));
    assert!(matches!(stage.phone(desk).events.last(), Some(Event::Unregistered { .. })));
    assert_eq!(stage.bindings(), 0);
}

// rfc: 3665 §2.5 — unsuccessful registration: the password is wrong, and is not tried again
#[test]
fn unsuccessful_registration() {
    let mut stage = Stage::new();
    let desk = stage.desk;
    let id = stage.register(desk, "alice");
    stage.world.run_for(Duration::from_secs(7200));
    let flow = ["desk REGISTER", "server 401 REGISTER", "desk REGISTER", "server 401 REGISTER"];
    assert_eq!(stage.flow(), flow);
    stage.status(desk, id, RegistrationStatus::Failed);
    let told = stage.phone(desk).events.iter().any(
        |event| matches!(event, Event::RegistrationFailed { status: Some(status), will_retry_in: None, .. } if status.code() == 401),
    );
    assert!(told);
    assert_eq!(stage.bindings(), 0);
}
