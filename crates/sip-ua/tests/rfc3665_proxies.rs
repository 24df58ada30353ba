//! The call flows of RFC 3665 that lead through proxies, as the user agents at both ends see them, message by message.

#[path = "support/party.rs"]
mod party;
#[path = "support/phone.rs"]
mod phone;
#[path = "support/relay.rs"]
mod relay;

use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring};
use relay::Relay;
use sip_msg::StatusCode;
use sip_ua::{Credentials, DialogId, Event, Invite, Reply, Side};
use testkit::{Impairment, NodeId, World};

type Party = party::Party<Relay>;

/// Alice and Bob, and two proxies between them.
struct Stage {
    world: World<Party>,
    alice: NodeId,
    bob: NodeId,
    trace: Trace,
}

const PROXIES: [&str; 2] = ["10.0.1.1", "10.0.1.2"];

impl Stage {
    /// Alice's proxy first, then Bob's.
    fn new(change: impl FnOnce(&mut [Relay; 2])) -> Self {
        let trace = Trace::default();
        let mut world = World::new(1, Impairment::default());
        let phone = |name, ip, seed| Party::Phone(Box::new(Phone::new(name, ip, [seed; 32], &trace)));
        let alice = world.add("10.0.0.1", phone("alice", "10.0.0.1", 1));
        let bob = world.add("10.0.0.2", phone("bob", "10.0.0.2", 2));
        let mut relays = PROXIES.map(Relay::new);
        change(&mut relays);
        for (relay, ip) in relays.into_iter().zip(PROXIES) {
            world.add(ip, Party::Proxy(Box::new(relay)));
        }
        Self { world, alice, bob, trace }
    }

    fn run(&mut self, millis: u64) {
        self.world.run_for(Duration::from_millis(millis));
    }

    /// Alice calls Bob through these proxies.
    fn dial(&mut self, proxies: &[&str], change: impl FnOnce(Invite) -> Invite) -> DialogId {
        let now = self.world.now();
        let target = self.world.node(self.bob).phone().uri();
        let route = proxies.iter().map(|ip| Relay::new(ip).uri()).collect();
        let alice = self.world.node(self.alice).phone();
        let invite = change(alice.invite(target).route(route));
        let id = alice.dial(now, invite);
        self.run(100);
        id
    }

    fn incoming(&mut self) -> DialogId {
        self.world.node(self.bob).phone().last_call()
    }

    fn at(&mut self, who: NodeId, act: impl FnOnce(&mut Phone, Instant)) {
        let now = self.world.now();
        act(self.world.node(who).phone(), now);
        self.run(100);
    }

    /// Bob rings and answers, both talk, Bob hangs up.
    fn talk(&mut self, call: DialogId) {
        let (bob, incoming) = (self.bob, self.incoming());
        self.at(bob, |bob, now| ring(bob, now, incoming));
        self.at(bob, |bob, now| answer(bob, now, incoming));
        assert_eq!(self.world.node(self.alice).phone().calls.get(&call), Some(&View::Up));
        assert_eq!(self.world.node(self.bob).phone().calls.get(&incoming), Some(&View::Up));
        self.at(bob, |bob, now| bob.agent.hang_up(now, incoming).expect("it stands"));
    }

    #[track_caller]
    fn ends_with(&mut self, flow: &[&str]) {
        assert_eq!(*self.trace.borrow(), flow);
        assert!(self.world.run_until_quiet(Duration::from_secs(120)));
        assert_eq!(*self.trace.borrow(), flow, "nothing is resent on a perfect network");
        for id in [self.alice, self.bob] {
            let phone = self.world.node(id).phone();
            assert!(phone.is_quiet() && phone.agent.is_idle(), "{}", phone.name);
        }
    }
}

const TALK: [&str; 5] = ["bob 180 INVITE", "bob 200 INVITE sdp", "alice ACK", "bob BYE", "alice 200 BYE"];

// rfc: 3665 §3.2 — session establishment through two proxies, which stay on the path of ACK and BYE
#[test]
fn session_establishment_through_two_proxies() {
    let mut stage = Stage::new(|_| {});
    let call = stage.dial(&PROXIES, |invite| invite);
    let bob = stage.world.node(stage.bob).phone();
    let routes: Vec<_> =
        bob.agent.dialog(bob.last_call()).unwrap().route_set().iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:10.0.1.2;lr>", "<sip:10.0.1.1;lr>"]);
    stage.talk(call);
    stage.ends_with(&[&["alice INVITE sdp"], &TALK[..]].concat());
}

// rfc: 3665 §3.3 — two proxies ask for a password each; the third INVITE has both answers
#[test]
fn session_with_multiple_proxy_authentication() {
    let mut stage = Stage::new(|[one, two]| {
        one.realm = Some("atlanta.example.com");
        two.realm = Some("biloxi.example.com");
    });
    let call = stage.dial(&PROXIES, |invite| invite.credentials(Credentials::new("alice", "secret")));
    stage.talk(call);
    let asked = ["alice INVITE sdp", "alice ACK", "alice INVITE sdp", "alice ACK", "alice INVITE sdp"];
    stage.ends_with(&[&asked[..], &TALK[..]].concat());
}

// rfc: 3665 §3.4 — the first proxy is dead: after 64·T1 the call goes through the second, which asks for a password
#[test]
fn successful_session_with_proxy_failure() {
    let mut stage = Stage::new(|[one, two]| {
        one.silent = true;
        two.realm = Some("atlanta.example.com");
    });
    stage.dial(&PROXIES[..1], |invite| invite);
    stage.run(33_000);
    let alice = stage.world.node(stage.alice).phone();
    assert!(matches!(alice.events.last(), Some(Event::Ended { by: Side::Error, status: None, .. })));
    let call = stage.dial(&PROXIES[1..], |invite| invite.credentials(Credentials::new("alice", "secret")));
    stage.talk(call);
    let mut flow = vec!["alice INVITE sdp"; 8];
    flow.extend(["alice ACK", "alice INVITE sdp"]);
    flow.extend(TALK);
    stage.ends_with(&flow);
}

// rfc: 3665 §3.6 — a redirect server, then a proxy; the offer in the 200, the answer in the ACK
#[test]
fn session_via_redirect_and_proxy_with_sdp_in_ack() {
    let mut stage = Stage::new(|[one, two]| {
        one.redirect = Some("<sip:bob@10.0.1.2:5060>".into());
        two.location = Some("sip:bob@10.0.0.2:5060");
    });
    let now = stage.world.now();
    let alice = stage.world.node(stage.alice).phone();
    let invite = alice.invite("sip:bob@10.0.1.1".parse().unwrap()).late_offer();
    let call = alice.dial(now, invite);
    stage.run(100);
    let alice = stage.world.node(stage.alice).phone();
    let moved = |event: &Event| matches!(event, Event::Redirected { to, .. } if to.to_string() == "sip:bob@10.0.1.2:5060");
    assert!(alice.events.iter().any(moved));
    stage.talk(call);
    stage.ends_with(&[
        "alice INVITE",
        "alice ACK",
        "alice INVITE",
        "bob 180 INVITE",
        "bob 200 INVITE sdp",
        "alice ACK sdp",
        "bob BYE",
        "alice 200 BYE",
    ]);
}

// rfc: 3665 §3.7 — a re-INVITE tells that an end has moved: what follows goes to its new address
#[test]
fn session_with_reinvite_after_an_address_change() {
    let mut stage = Stage::new(|_| {});
    let call = stage.dial(&[], |invite| invite);
    let (bob, incoming) = (stage.bob, stage.incoming());
    stage.at(bob, |bob, now| answer(bob, now, incoming));
    // Bob's phone moves: another agent at another address goes on with the call.
    let bytes = stage.world.node(bob).phone().agent.snapshot(incoming).unwrap();
    let moved = Phone::new("moved", "10.0.0.22", [3; 32], &stage.trace);
    let there = stage.world.add("10.0.0.22", Party::Phone(Box::new(moved)));
    stage.at(there, |phone, now| {
        let id = phone.agent.resume(now, &bytes, phone::plan()).unwrap();
        phone.calls.insert(id, View::Up);
        phone.agent.reoffer(now, id).unwrap();
    });
    stage.at(stage.alice, |alice, now| alice.agent.hang_up(now, call).unwrap());
    let flow = [
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "moved INVITE sdp",
        "alice 200 INVITE sdp",
        "moved ACK",
        "alice BYE",
        "moved 200 BYE",
    ];
    assert_eq!(*stage.trace.borrow(), flow);
    let moved = stage.world.node(there).phone();
    assert!(matches!(moved.events.last(), Some(Event::Ended { by: Side::Remote, .. })));
}

// rfc: 3665 §3.8 — no answer: the CANCEL goes the way of the INVITE
#[test]
fn unsuccessful_no_answer_through_proxies() {
    let mut stage = Stage::new(|_| {});
    let call = stage.dial(&PROXIES, |invite| invite);
    let (bob, incoming) = (stage.bob, stage.incoming());
    stage.at(bob, |bob, now| ring(bob, now, incoming));
    stage.at(stage.alice, |alice, now| alice.agent.hang_up(now, call).unwrap());
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 180 INVITE",
        "alice CANCEL",
        "bob 200 CANCEL",
        "bob 487 INVITE",
        "alice ACK",
    ]);
}

// rfc: 3665 §3.9 — busy, through proxies
// rfc: 3665 §3.11 — temporarily unavailable, through proxies
#[test]
fn unsuccessful_busy_or_unavailable_through_proxies() {
    for status in [StatusCode::BUSY_HERE, StatusCode::TEMPORARILY_UNAVAILABLE] {
        let mut stage = Stage::new(|_| {});
        stage.dial(&PROXIES, |invite| invite);
        let (bob, incoming) = (stage.bob, stage.incoming());
        stage.at(bob, |bob, now| bob.agent.reject(now, incoming, Reply::new(status)).unwrap());
        let refusal = format!("bob {} INVITE", status.code());
        stage.ends_with(&["alice INVITE sdp", &refusal, "alice ACK"]);
    }
}

// rfc: 3665 §3.10 — nobody answers behind the proxies: seven INVITEs, then the end
#[test]
fn unsuccessful_no_response_through_proxies() {
    let mut stage = Stage::new(|[_, two]| two.silent = true);
    stage.dial(&PROXIES, |invite| invite);
    stage.run(33_000);
    stage.ends_with(&["alice INVITE sdp"; 7]);
}
