//! The call flows of RFC 3665 between two agents, message by message.

#[path = "support/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, Trace, View, answer, ring};
use sdp::Direction;
use sip_msg::StatusCode;
use sip_ua::{DialogId, Event, Invite, Reply, Side};
use testkit::{Impairment, NodeId, World};

/// Alice and Bob on a perfect network.
struct Stage {
    world: World<Phone>,
    alice: NodeId,
    bob: NodeId,
    trace: Trace,
}

impl Stage {
    fn new() -> Self {
        let trace = Trace::default();
        let mut world = World::new(1, Impairment::default());
        let alice = world.add("10.0.0.1", Phone::new("alice", "10.0.0.1", [1; 32], &trace));
        let bob = world.add("10.0.0.2", Phone::new("bob", "10.0.0.2", [2; 32], &trace));
        Self { world, alice, bob, trace }
    }

    fn run(&mut self, millis: u64) {
        self.world.run_for(Duration::from_millis(millis));
    }

    /// Alice calls Bob, whose phone has it then; both ends' names for the call.
    fn dial(&mut self, change: impl FnOnce(Invite) -> Invite) -> (DialogId, DialogId) {
        let now = self.world.now();
        let target = self.world.node(self.bob).uri();
        let alice = self.world.node(self.alice);
        let invite = change(alice.invite(target));
        let id = alice.dial(now, invite);
        self.run(50);
        (id, self.world.node(self.bob).last_call())
    }

    fn bob(&mut self, act: impl FnOnce(&mut Phone, std::time::Instant)) {
        let now = self.world.now();
        act(self.world.node(self.bob), now);
        self.run(50);
    }

    fn alice(&mut self, act: impl FnOnce(&mut Phone, std::time::Instant)) {
        let now = self.world.now();
        act(self.world.node(self.alice), now);
        self.run(50);
    }

    /// The flow was this, both phones are done, and nothing lingers.
    #[track_caller]
    fn ends_with(&mut self, flow: &[&str]) {
        assert_eq!(*self.trace.borrow(), flow);
        assert!(self.world.run_until_quiet(Duration::from_secs(120)));
        assert_eq!(*self.trace.borrow(), flow, "nothing is resent on a perfect network");
        for id in [self.alice, self.bob] {
            let phone = self.world.node(id);
            assert!(phone.is_quiet() && phone.agent.is_idle(), "{}", phone.name);
        }
    }
}

// rfc: 3665 §3.1 — successful session establishment
#[test]
fn successful_session_establishment() {
    let mut stage = Stage::new();
    let (call, incoming) = stage.dial(|invite| invite);
    stage.bob(|bob, now| ring(bob, now, incoming));
    stage.bob(|bob, now| answer(bob, now, incoming));
    assert_eq!(stage.world.node(stage.alice).calls[&call], View::Up);
    assert_eq!(stage.world.node(stage.bob).calls[&incoming], View::Up);
    stage.bob(|bob, now| bob.agent.hang_up(now, incoming).unwrap());
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 180 INVITE",
        "bob 200 INVITE sdp",
        "alice ACK",
        "bob BYE",
        "alice 200 BYE",
    ]);
    let alice = stage.world.node(stage.alice);
    assert!(matches!(alice.events.last(), Some(Event::Ended { by: Side::Remote, .. })));
}

// rfc: 3665 §3.6 — the offer in the 200, the answer in the ACK
#[test]
fn session_with_sdp_in_the_ack() {
    let mut stage = Stage::new();
    let (call, incoming) = stage.dial(Invite::late_offer);
    stage.bob(|bob, now| ring(bob, now, incoming));
    stage.bob(|bob, now| answer(bob, now, incoming));
    stage.alice(|alice, now| alice.agent.hang_up(now, call).unwrap());
    stage.ends_with(&[
        "alice INVITE",
        "bob 180 INVITE",
        "bob 200 INVITE sdp",
        "alice ACK sdp",
        "alice BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 3665 §3.7 — a session with a re-INVITE, of the callee and then of the caller
#[test]
fn session_with_reinvites_from_both_sides() {
    let mut stage = Stage::new();
    let (call, incoming) = stage.dial(|invite| invite);
    stage.bob(|bob, now| answer(bob, now, incoming));
    stage.bob(|bob, now| bob.agent.set_direction(now, incoming, Direction::SendOnly).unwrap());
    assert_eq!(stage.world.node(stage.alice).agent.direction(call), Some(Direction::RecvOnly));
    assert_eq!(stage.world.node(stage.bob).agent.direction(incoming), Some(Direction::SendOnly));
    stage.bob(|bob, now| bob.agent.set_direction(now, incoming, Direction::SendRecv).unwrap());
    stage.alice(|alice, now| alice.agent.set_direction(now, call, Direction::Inactive).unwrap());
    assert_eq!(stage.world.node(stage.bob).agent.direction(incoming), Some(Direction::Inactive));
    stage.alice(|alice, now| alice.agent.hang_up(now, call).unwrap());
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 3665 §3.8 — unsuccessful, no answer: the caller cancels
#[test]
fn unsuccessful_no_answer() {
    let mut stage = Stage::new();
    let (call, incoming) = stage.dial(|invite| invite);
    stage.bob(|bob, now| ring(bob, now, incoming));
    stage.alice(|alice, now| alice.agent.hang_up(now, call).unwrap());
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 180 INVITE",
        "alice CANCEL",
        "bob 200 CANCEL",
        "bob 487 INVITE",
        "alice ACK",
    ]);
}

// rfc: 3665 §3.9 — unsuccessful, busy
// rfc: 3665 §3.11 — unsuccessful, temporarily unavailable
#[test]
fn unsuccessful_busy_or_unavailable() {
    for status in [StatusCode::BUSY_HERE, StatusCode::TEMPORARILY_UNAVAILABLE] {
        let mut stage = Stage::new();
        let (_, incoming) = stage.dial(|invite| invite);
        stage.bob(|bob, now| bob.agent.reject(now, incoming, Reply::new(status)).unwrap());
        let refusal = format!("bob {} INVITE", status.code());
        stage.ends_with(&["alice INVITE sdp", &refusal, "alice ACK"]);
        let alice = stage.world.node(stage.alice);
        let Some(Event::Ended { by: Side::Remote, status: Some(got), .. }) = alice.events.last() else {
            panic!("refused")
        };
        assert_eq!(*got, status);
    }
}

// rfc: 3665 §3.10 — unsuccessful, no response from the user agent: seven INVITEs, then the end
#[test]
fn unsuccessful_no_response() {
    let mut stage = Stage::new();
    let now = stage.world.now();
    let alice = stage.world.node(stage.alice);
    let invite = alice.invite("sip:nobody@10.0.0.77".parse().unwrap());
    alice.dial(now, invite);
    stage.run(33_000);
    stage.ends_with(&["alice INVITE sdp"; 7]);
    let alice = stage.world.node(stage.alice);
    assert!(matches!(alice.events.last(), Some(Event::Ended { by: Side::Error, status: None, .. })));
}

// rfc: 3261 §8.2.6.1 — an INVITE that is not answered within 200 ms gets a 100
#[test]
fn a_slow_answer_is_preceded_by_trying() {
    let mut stage = Stage::new();
    let (call, incoming) = stage.dial(|invite| invite);
    stage.run(300);
    assert!(matches!(stage.world.node(stage.alice).events.last(), Some(Event::Trying { .. })));
    stage.bob(|bob, now| answer(bob, now, incoming));
    stage.alice(|alice, now| alice.agent.hang_up(now, call).unwrap());
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 100 INVITE",
        "bob 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "bob 200 BYE",
    ]);
}
