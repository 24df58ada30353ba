//! Every state that a client and a server transaction can reach together over a channel that loses, doubles, reorders and delays
//! as it likes.
//!
//! The channel is the set of all messages that were ever sent: each may be delivered at any time, any number of times, or never.
//! Each side has a clock of its own, so that timers fire at any time in relation to the other side. Applications answer, cancel
//! and lose their connection whenever they may. In each state reached the promises of RFC 3261 §17 hold; no state comes again
//! after another one, and where timers and applications have nothing more to do both sides have ended: so every run ends.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_msg::{Class, Limits, Message, Request, Response, StatusCode};

use crate::Timing;
use crate::invite_client::{self, Ended, InviteClient};
use crate::invite_server::{self, InviteServer};
use crate::non_invite_client::{self, NonInviteClient};
use crate::non_invite_server::{self, NonInviteServer};

/// What one side can send the other: `INVITE`, `ACK`, `200`.
type Name = &'static str;

/// More states than there are.
const MANY: usize = 50_000;

const STATUSES: [Name; 4] = ["100", "180", "200", "486"];

/// Over a reliable transport or not, which fails or not: without a failure, too, each run must end.
const SETTINGS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// A client, a server, what is between them and what their applications know.
trait World: Clone {
    /// Equal for two states that behave alike.
    fn fingerprint(&self) -> impl Debug;
    /// All states that can be next by what timers and applications do, and by what is delivered.
    fn next(&self) -> [Vec<Self>; 2];
    /// Both sides have ended, or never began.
    fn is_over(&self) -> bool;
}

/// Goes everywhere; gives the number of states.
fn explore<W: World>(start: W) -> usize {
    let mut known = HashMap::from([(digest(&start), 0)]);
    let mut states = vec![start];
    let mut edges: Vec<Vec<usize>> = Vec::new();
    while let Some(state) = states.get(edges.len()).cloned() {
        let here = edges.len();
        let mut visit = |next: W| {
            let index = *known.entry(digest(&next)).or_insert(states.len());
            if index == states.len() {
                states.push(next);
            }
            index
        };
        let [acts, deliveries] = state.next().map(|next| next.into_iter().map(&mut visit).collect());
        let acts: BTreeSet<usize> = acts;
        let goes_on = acts.iter().any(|next| *next != here);
        assert!(goes_on || state.is_over(), "stuck without messages: {:?}", state.fingerprint());
        assert!(states.len() < MANY, "states without end: {:?}", state.fingerprint());
        edges.push(acts.union(&deliveries).copied().filter(|next| *next != here).collect());
    }
    assert!(ends_everywhere(&edges), "a run that never ends");
    states.len()
}

fn digest(world: &impl World) -> u64 {
    struct Digest(DefaultHasher);
    impl Write for Digest {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut digest = Digest(DefaultHasher::new());
    write!(digest, "{:?}", world.fingerprint()).unwrap();
    digest.0.finish()
}

/// No cycle: states can be taken away one after the other, always one that nothing leads to.
fn ends_everywhere(edges: &[Vec<usize>]) -> bool {
    let mut arrivals = vec![0_u32; edges.len()];
    edges.iter().flatten().for_each(|to| arrivals[*to] += 1);
    let mut free: Vec<usize> = (0..edges.len()).filter(|state| arrivals[*state] == 0).collect();
    let mut taken = 0;
    while let Some(state) = free.pop() {
        taken += 1;
        for to in &edges[state] {
            arrivals[*to] -= 1;
            if arrivals[*to] == 0 {
                free.push(*to);
            }
        }
    }
    taken == edges.len()
}

/// Fewer repetitions than with the usual T2, and the same figures.
fn timing() -> Timing {
    Timing { t2: Duration::from_secs(16), ..Timing::default() }
}

fn message(text: String) -> Message {
    Message::parse(text.into_bytes(), &Limits::default()).unwrap()
}

fn request(method: Name) -> Request {
    match message(format!("{method} sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n")) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("it is a request"),
    }
}

fn response(status: Name) -> Response {
    match message(format!("SIP/2.0 {status} X\r\n\r\n")) {
        Message::Response(response) => response,
        Message::Request(_) => panic!("it is a response"),
    }
}

fn class(status: Name) -> Class {
    StatusCode::new(status.parse().unwrap()).unwrap().class()
}

/// The name of what was sent.
fn name(bytes: &Bytes) -> Name {
    let known = ["INVITE", "ACK", "OPTIONS"].into_iter().chain(STATUSES);
    known.into_iter().find(|name| bytes.starts_with(name.as_bytes())).unwrap()
}

/// What the client's application was told.
#[derive(Clone, Debug, Default)]
struct Told {
    failures: u32,
    /// One or many are the same.
    success: bool,
    ended: Option<Ended>,
}

impl Told {
    fn response(&mut self, class: Class, is_invite: bool) {
        assert_eq!(self.ended, None, "nothing is told after the end");
        match class {
            Class::Provisional => assert_eq!(self.failures, 0, "nothing is provisional after the end"),
            Class::Success => {
                assert!(is_invite || !self.success, "one final response");
                assert_eq!(self.failures, 0, "one final response");
                self.success = true;
            }
            Class::Failure => {
                assert!(!self.success, "one final response");
                self.failures += 1;
            }
        }
        assert!(self.failures <= 1, "a failure is told once");
    }

    fn ended(&mut self, ended: Ended) {
        assert_eq!(self.ended, None, "it ends once");
        let finals = self.failures + u32::from(self.success);
        match ended {
            Ended::Normal => assert_eq!(finals, 1, "a final response was told"),
            Ended::TimedOut => assert_eq!(finals, 0, "no final response was told"),
            // While a failure response is absorbed, its ACK may fail to be sent.
            Ended::TransportFailed => assert!(!self.success),
        }
        self.ended = Some(ended);
    }
}

#[derive(Clone)]
struct Invite {
    client: InviteClient,
    client_now: Instant,
    server: Option<InviteServer>,
    server_now: Instant,
    reliable: bool,
    /// Connections fail.
    fails: bool,
    sent: BTreeSet<Name>,
    told: Told,
    server_ended: bool,
    cancelled: bool,
}

impl Invite {
    fn new((reliable, fails): (bool, bool)) -> Self {
        let now = testkit::Clock::new().now();
        let client = InviteClient::new(now, request("INVITE").to_bytes(), timing(), reliable);
        let mut world = Self {
            client,
            client_now: now,
            server: None,
            server_now: now,
            reliable,
            fails,
            sent: BTreeSet::new(),
            told: Told::default(),
            server_ended: false,
            cancelled: false,
        };
        world.drain_client(None);
        world
    }

    /// `status`: what just came in.
    fn drain_client(&mut self, status: Option<Name>) {
        let came = status.map(class);
        let (mut acknowledged, mut delivered) = (false, false);
        let open = self.told.ended.is_none();
        while let Some(output) = self.client.poll_output() {
            match output {
                invite_client::Output::Send(bytes) => {
                    let name = name(&bytes);
                    acknowledged |= name == "ACK";
                    let acknowledges = came == Some(Class::Failure);
                    assert_eq!(
                        name == "ACK",
                        acknowledges,
                        "{name} after {status:?}: failures only are acknowledged"
                    );
                    self.sent.insert(name);
                }
                invite_client::Output::Deliver => {
                    delivered = true;
                    self.told.response(came.unwrap(), true);
                    if came == Some(Class::Success) {
                        // By the application, end to end.
                        self.sent.insert("ACK");
                    }
                }
                invite_client::Output::Ended(ended) => self.told.ended(ended),
            }
        }
        if came == Some(Class::Failure) && open && !self.told.success {
            assert!(acknowledged, "every copy of a failure is acknowledged");
        }
        if came == Some(Class::Success) && open && self.told.failures == 0 {
            assert!(delivered, "every 2xx is told");
        }
    }

    fn client(&self, status: Option<Name>, step: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        step(&mut next);
        next.drain_client(status);
        next
    }

    fn server(&self, input: Name) -> Self {
        let mut next = self.clone();
        let now = next.server_now;
        let (timing, reliable) = (timing(), self.reliable);
        match (&mut next.server, input) {
            (None, "INVITE") => next.server = Some(InviteServer::new(now, timing, reliable)),
            (None, _) => {}
            (Some(server), "INVITE") => server.handle_input(now, invite_server::Input::Repeated),
            (Some(server), "ACK") => server.handle_input(now, invite_server::Input::Ack),
            (Some(server), "timer") => {
                if let Some(at) = server.timers().next() {
                    next.server_now = at;
                    server.handle_timeout(at);
                }
            }
            (Some(server), status) => {
                let (class, bytes) = (class(status), status.into());
                server.handle_input(now, invite_server::Input::Respond { class, bytes });
            }
        }
        next.drain_server(input);
        next
    }

    fn drain_server(&mut self, input: Name) {
        while let Some(output) = self.server.as_mut().and_then(InviteServer::poll_output) {
            match output {
                invite_server::Output::Send(bytes) => {
                    assert_ne!(input, "ACK", "an ACK is never answered");
                    assert!(!self.server_ended);
                    self.sent.insert(name(&bytes));
                }
                invite_server::Output::SayTrying => *self = self.server("100"),
                invite_server::Output::Deliver => {
                    assert!(input == "ACK" && self.sent.contains("200"), "ACKs to a 2xx only are told");
                }
                invite_server::Output::Again => assert!(self.sent.contains("200")),
                invite_server::Output::Ended { .. } => {
                    assert!(!self.server_ended, "it ends once");
                    self.server_ended = true;
                }
            }
        }
    }
}

impl World for Invite {
    fn fingerprint(&self) -> impl Debug {
        let server = self.server.as_ref().map(InviteServer::fingerprint);
        (self.client.fingerprint(), server, &self.sent, &self.told, self.server_ended, self.cancelled)
    }

    fn next(&self) -> [Vec<Self>; 2] {
        let (mut next, mut delivered) = (Vec::new(), Vec::new());
        for status in self.sent.iter().filter(|name| STATUSES.contains(name)) {
            let response = response(status);
            delivered.push(self.client(Some(status), |world| {
                world.client.handle_input(world.client_now, invite_client::Input::Response(&response));
            }));
        }
        next.push(self.client(None, |world| {
            if let Some(at) = world.client.timers().next() {
                world.client_now = at;
                world.client.handle_timeout(at);
            }
        }));
        if self.fails {
            next.push(self.client(None, |world| {
                world.client.handle_input(world.client_now, invite_client::Input::TransportFailed);
            }));
        }
        if self.client.is_proceeding() && !self.cancelled {
            next.push(self.client(None, |world| {
                world.cancelled = true;
                world.client.handle_input(world.client_now, invite_client::Input::Cancelled);
            }));
        }
        for request in self.sent.iter().filter(|name| !STATUSES.contains(name)) {
            delivered.push(self.server(request));
        }
        if let Some(server) = &self.server {
            next.push(self.server("timer"));
            // An application that goes back from 180 to 100 and on again could do so for ever.
            let open = |status: &Name| {
                server.takes(class(status)) && !(*status == "100" && self.sent.contains("180"))
            };
            next.extend(STATUSES.into_iter().filter(open).map(|status| self.server(status)));
        }
        [next, delivered]
    }

    fn is_over(&self) -> bool {
        self.told.ended.is_some() && (self.server.is_none() || self.server_ended)
    }
}

#[derive(Clone)]
struct NonInvite {
    client: NonInviteClient,
    client_now: Instant,
    server: Option<NonInviteServer>,
    server_now: Instant,
    reliable: bool,
    /// Connections fail.
    fails: bool,
    sent: BTreeSet<Name>,
    told: Told,
    server_ended: bool,
}

impl NonInvite {
    fn new((reliable, fails): (bool, bool)) -> Self {
        let now = testkit::Clock::new().now();
        let client = NonInviteClient::new(now, request("OPTIONS").to_bytes(), timing(), reliable);
        let mut world = Self {
            client,
            client_now: now,
            server: None,
            server_now: now,
            reliable,
            fails,
            sent: BTreeSet::new(),
            told: Told::default(),
            server_ended: false,
        };
        world.drain_client(None);
        world
    }

    fn drain_client(&mut self, status: Option<Name>) {
        while let Some(output) = self.client.poll_output() {
            match output {
                invite_client::Output::Send(bytes) => {
                    assert_eq!((name(&bytes), status), ("OPTIONS", None), "only timers make it send again");
                    self.sent.insert("OPTIONS");
                }
                invite_client::Output::Deliver => self.told.response(class(status.unwrap()), false),
                invite_client::Output::Ended(ended) => self.told.ended(ended),
            }
        }
    }

    fn client(&self, status: Option<Name>, step: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        step(&mut next);
        next.drain_client(status);
        next
    }

    fn server(&self, input: Name) -> Self {
        let mut next = self.clone();
        let now = next.server_now;
        let (timing, reliable) = (timing(), self.reliable);
        match (&mut next.server, input) {
            (None, "OPTIONS") => next.server = Some(NonInviteServer::new(now, timing, reliable)),
            (None, _) => {}
            (Some(server), "OPTIONS") => server.handle_input(now, non_invite_server::Input::Repeated),
            (Some(server), "late") => {
                server.handle_input(now, non_invite_server::Input::Trying("100".into()))
            }
            (Some(server), "timer") => {
                if let Some(at) = server.timers().next() {
                    next.server_now = at;
                    server.handle_timeout(at);
                }
            }
            (Some(server), status) => {
                let (class, bytes) = (class(status), status.into());
                server.handle_input(now, non_invite_server::Input::Respond { class, bytes });
            }
        }
        next.drain_server();
        next
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.as_mut().and_then(NonInviteServer::poll_output) {
            match output {
                non_invite_server::Output::Send(bytes) => {
                    assert!(!self.server_ended);
                    self.sent.insert(name(&bytes));
                }
                non_invite_server::Output::SayTrying => *self = self.server("late"),
                non_invite_server::Output::Ended { .. } => {
                    assert!(!self.server_ended, "it ends once");
                    self.server_ended = true;
                }
            }
        }
        assert!(!(self.sent.contains("200") && self.sent.contains("486")), "one final response");
    }
}

impl World for NonInvite {
    fn fingerprint(&self) -> impl Debug {
        let server = self.server.as_ref().map(NonInviteServer::fingerprint);
        (self.client.fingerprint(), server, &self.sent, &self.told, self.server_ended)
    }

    fn next(&self) -> [Vec<Self>; 2] {
        let (mut next, mut delivered) = (Vec::new(), Vec::new());
        for status in self.sent.iter().filter(|name| STATUSES.contains(name)) {
            let response = response(status);
            delivered.push(self.client(Some(status), |world| {
                world.client.handle_input(world.client_now, non_invite_client::Input::Response(&response));
            }));
        }
        next.push(self.client(None, |world| {
            if let Some(at) = world.client.timers().next() {
                world.client_now = at;
                world.client.handle_timeout(at);
            }
        }));
        if self.fails {
            next.push(self.client(None, |world| {
                world.client.handle_input(world.client_now, non_invite_client::Input::TransportFailed);
            }));
        }
        if self.sent.contains("OPTIONS") {
            delivered.push(self.server("OPTIONS"));
        }
        if let Some(server) = &self.server {
            next.push(self.server("timer"));
            // Its only provisional response is 100 (RFC 4320 §4.1).
            let answers = ["100", "200", "486"].into_iter().filter(|_| server.is_open());
            next.extend(answers.map(|status| self.server(status)));
        }
        [next, delivered]
    }

    fn is_over(&self) -> bool {
        self.told.ended.is_some() && (self.server.is_none() || self.server_ended)
    }
}

// rfc: 3261 §17.1.1 — in every state reachable with any server over any channel: one final response is told, and failures only
// rfc: 3261 §17.1.1.1 — an INVITE client acknowledges 300-699 and leaves the ACK to a 2xx to the application
// rfc: 3261 §17.2.1 — an INVITE server answers no ACK, and ends whatever comes
#[test]
fn every_run_of_an_invite_keeps_the_promises_and_ends() {
    let states = SETTINGS.map(|setting| explore(Invite::new(setting)));
    assert!(states.iter().sum::<usize>() > 2000, "{states:?}: it did not go everywhere");
}

// rfc: 3261 §17.1.2 — in every state reachable with any server over any channel: one final response is told, once
// rfc: 3261 §17.2.2 — a non-INVITE server sends one final response, and ends whatever comes
#[test]
fn every_run_of_another_request_keeps_the_promises_and_ends() {
    let states = SETTINGS.map(|setting| explore(NonInvite::new(setting)));
    assert!(states.iter().sum::<usize>() > 400, "{states:?}: it did not go everywhere");
}
