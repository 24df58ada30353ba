//! The service examples of RFC 5359 that need no transfer, message by message: hold, consultation, music on hold, forwarding,
//! find-me, automatic redial. (Transfers are in `rfc5589.rs`.)

#[path = "support/phone.rs"]
mod phone;

use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring};
use sdp::Direction;
use sip_msg::{StatusCode, Uri};
use sip_ua::{DialogId, Event, Invite, Redirects, Reply, Side};
use testkit::{Impairment, NodeId, World};

/// Alice, Bob and Carol.
struct Stage {
    world: World<Phone>,
    who: [NodeId; 3],
    trace: Trace,
}

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

impl Stage {
    fn new() -> Self {
        let trace = Trace::default();
        let mut world = World::new(1, Impairment::default());
        let who = [("alice", "10.0.0.1", 1), ("bob", "10.0.0.2", 2), ("carol", "10.0.0.3", 3)]
            .map(|(name, ip, seed)| world.add(ip, Phone::new(name, ip, [seed; 32], &trace)));
        Self { world, who, trace }
    }

    fn id(&self, who: usize) -> NodeId {
        *self.who.get(who).expect("one of the three")
    }

    fn phone(&mut self, who: usize) -> &mut Phone {
        let id = self.id(who);
        self.world.node(id)
    }

    fn uri(&mut self, who: usize) -> Uri {
        self.phone(who).uri()
    }

    fn at(&mut self, who: usize, act: impl FnOnce(&mut Phone, Instant)) {
        let now = self.world.now();
        act(self.phone(who), now);
        self.world.run_for(Duration::from_millis(50));
    }

    /// One calls another; the caller's name for the call.
    fn dial(&mut self, from: usize, to: usize, change: impl FnOnce(Invite) -> Invite) -> DialogId {
        let target = self.uri(to);
        let now = self.world.now();
        let phone = self.phone(from);
        let invite = change(phone.invite(target));
        let id = phone.dial(now, invite);
        self.world.run_for(Duration::from_millis(50));
        id
    }

    /// The call that came to somebody last is answered; the callee's name for it.
    fn answers(&mut self, who: usize) -> DialogId {
        let id = self.phone(who).last_call();
        self.at(who, |phone, now| answer(phone, now, id));
        assert_eq!(self.phone(who).calls.get(&id), Some(&View::Up));
        id
    }

    fn refers_to(&mut self, who: usize, status: StatusCode, contacts: &[Uri]) {
        let id = self.phone(who).last_call();
        let reply = contacts.iter().cloned().fold(Reply::new(status), Reply::contact);
        self.at(who, |phone, now| phone.agent.reject(now, id, reply).expect("it waits"));
    }

    fn directions(&mut self, who: usize, id: DialogId, direction: Direction) {
        self.at(who, |phone, now| phone.agent.set_direction(now, id, direction).expect("it stands"));
    }

    fn hang_up(&mut self, who: usize, id: DialogId) {
        self.at(who, |phone, now| phone.agent.hang_up(now, id).expect("it stands"));
    }

    #[track_caller]
    fn ends_with(&mut self, flow: &[&str]) {
        assert_eq!(*self.trace.borrow(), flow);
        assert!(self.world.run_until_quiet(Duration::from_secs(120)));
        assert_eq!(*self.trace.borrow(), flow, "nothing is resent on a perfect network");
        for who in [ALICE, BOB, CAROL] {
            assert!(self.phone(who).is_quiet() && self.phone(who).agent.is_idle());
        }
    }
}

// rfc: 5359 §2.1 — call hold: a re-INVITE with sendonly, answered recvonly; one with sendrecv takes it back
#[test]
fn call_hold() {
    let mut stage = Stage::new();
    let call = stage.dial(ALICE, BOB, |invite| invite);
    let incoming = stage.answers(BOB);
    stage.directions(BOB, incoming, Direction::SendOnly);
    assert_eq!(stage.phone(ALICE).agent.direction(call), Some(Direction::RecvOnly));
    stage.directions(BOB, incoming, Direction::SendRecv);
    assert_eq!(stage.phone(ALICE).agent.direction(call), Some(Direction::SendRecv));
    stage.hang_up(ALICE, call);
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
        "alice BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 5359 §2.2 — consultation hold: Bob holds Alice, asks Carol, and comes back to Alice
#[test]
fn consultation_hold() {
    let mut stage = Stage::new();
    let call = stage.dial(ALICE, BOB, |invite| invite);
    let incoming = stage.answers(BOB);
    stage.directions(BOB, incoming, Direction::SendOnly);
    let consultation = stage.dial(BOB, CAROL, |invite| invite);
    stage.answers(CAROL);
    stage.hang_up(BOB, consultation);
    stage.directions(BOB, incoming, Direction::SendRecv);
    assert_eq!(stage.phone(ALICE).agent.direction(call), Some(Direction::SendRecv));
    stage.hang_up(ALICE, call);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "bob INVITE sdp",
        "carol 200 INVITE sdp",
        "bob ACK",
        "bob BYE",
        "carol 200 BYE",
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "alice BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 5359 §2.3 — music on hold: Bob asks Alice for an offer, and it comes in her 200; the answer goes in the ACK
#[test]
fn music_on_hold() {
    let mut stage = Stage::new();
    let call = stage.dial(ALICE, BOB, |invite| invite);
    let incoming = stage.answers(BOB);
    stage.at(BOB, |bob, now| bob.agent.request_offer(now, incoming).unwrap());
    stage.directions(BOB, incoming, Direction::SendRecv);
    assert_eq!(stage.phone(ALICE).agent.direction(call), Some(Direction::SendRecv));
    stage.hang_up(ALICE, call);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "bob INVITE",
        "alice 200 INVITE sdp",
        "bob ACK sdp",
        "bob INVITE sdp",
        "alice 200 INVITE sdp",
        "bob ACK",
        "alice BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 5359 §2.7 — unconditional forwarding, by the phone: 302, and the caller goes there
#[test]
fn call_forwarding_unconditional() {
    let mut stage = Stage::new();
    let carol = stage.uri(CAROL);
    let call = stage.dial(ALICE, BOB, |invite| invite);
    stage.refers_to(BOB, StatusCode::MOVED_TEMPORARILY, std::slice::from_ref(&carol));
    stage.answers(CAROL);
    assert_eq!(stage.phone(ALICE).calls[&call], View::Up);
    let told = |event: &Event| matches!(event, Event::Redirected { to, .. } if *to == carol);
    assert!(stage.phone(ALICE).events.iter().any(told));
    stage.hang_up(ALICE, call);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 302 INVITE",
        "alice ACK",
        "alice INVITE sdp",
        "carol 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "carol 200 BYE",
    ]);
}

// rfc: 5359 §2.8 — forwarding when busy: Bob is in a call, and names Carol instead
#[test]
fn call_forwarding_busy() {
    let mut stage = Stage::new();
    let first = stage.dial(CAROL, BOB, |invite| invite);
    let busy = stage.answers(BOB);
    stage.trace.borrow_mut().clear();
    let carol = stage.uri(CAROL);
    let call = stage.dial(ALICE, BOB, |invite| invite);
    stage.refers_to(BOB, StatusCode::MOVED_TEMPORARILY, &[carol]);
    stage.answers(CAROL);
    assert_eq!(stage.phone(BOB).calls[&busy], View::Up);
    stage.hang_up(ALICE, call);
    stage.hang_up(CAROL, first);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 302 INVITE",
        "alice ACK",
        "alice INVITE sdp",
        "carol 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "carol 200 BYE",
        "carol BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 5359 §2.9 — forwarding when nobody answers: it rings, then 302
#[test]
fn call_forwarding_no_answer() {
    let mut stage = Stage::new();
    let carol = stage.uri(CAROL);
    let call = stage.dial(ALICE, BOB, |invite| invite);
    let incoming = stage.phone(BOB).last_call();
    stage.at(BOB, |bob, now| ring(bob, now, incoming));
    stage.world.run_for(Duration::from_secs(20));
    stage.refers_to(BOB, StatusCode::MOVED_TEMPORARILY, &[carol]);
    stage.at(CAROL, |carol, now| ring(carol, now, carol.last_call()));
    stage.answers(CAROL);
    stage.hang_up(ALICE, call);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 180 INVITE",
        "bob 302 INVITE",
        "alice ACK",
        "alice INVITE sdp",
        "carol 180 INVITE",
        "carol 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "carol 200 BYE",
    ]);
}

// rfc: 5359 §2.12 — find-me: a redirect server names several places; they are tried in turn until one answers
#[test]
fn find_me() {
    let mut stage = Stage::new();
    let (nowhere, bob) = ("sip:office@10.0.0.3".parse().unwrap(), stage.uri(BOB));
    let call = stage.dial(ALICE, CAROL, |invite| invite.redirects(Redirects::follow(3)));
    stage.refers_to(CAROL, StatusCode::MULTIPLE_CHOICES, &[nowhere, bob]);
    // Carol's phone is also the office: nobody there.
    stage.refers_to(CAROL, StatusCode::TEMPORARILY_UNAVAILABLE, &[]);
    stage.answers(BOB);
    stage.hang_up(ALICE, call);
    stage.ends_with(&[
        "alice INVITE sdp",
        "carol 300 INVITE",
        "alice ACK",
        "alice INVITE sdp",
        "carol 480 INVITE",
        "alice ACK",
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "bob 200 BYE",
    ]);
}

// rfc: 5359 §2.17 — automatic redial: busy now, and when the callee is free the same target is called again
#[test]
fn automatic_redial() {
    let mut stage = Stage::new();
    stage.dial(ALICE, BOB, |invite| invite);
    stage.refers_to(BOB, StatusCode::BUSY_HERE, &[]);
    let busy = stage.phone(ALICE).events.last().cloned();
    assert!(matches!(busy, Some(Event::Ended { by: Side::Remote, status: Some(StatusCode::BUSY_HERE), .. })));
    let call = stage.dial(ALICE, BOB, |invite| invite);
    stage.answers(BOB);
    stage.hang_up(ALICE, call);
    stage.ends_with(&[
        "alice INVITE sdp",
        "bob 486 INVITE",
        "alice ACK",
        "alice INVITE sdp",
        "bob 200 INVITE sdp",
        "alice ACK",
        "alice BYE",
        "bob 200 BYE",
    ]);
}
