//! The race conditions of RFC 5407 between two agents, message by message: what is on its way is delivered by hand.

#[path = "support/phone.rs"]
mod phone;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring};
use sdp::Direction;
use sip_msg::{CSeq, CallId, From, Host, HostPort, Limits, Message, Method, Request, To, Via};
use sip_ua::{DialogId, Event, Invite, Side};
use testkit::{Clock, Datagram, Node};

const T1: Duration = Duration::from_millis(500);

/// Alice, Bob, and what is on its way between them.
struct Desk {
    now: Instant,
    alice: Phone,
    bob: Phone,
    to_alice: VecDeque<Datagram>,
    to_bob: VecDeque<Datagram>,
    trace: Trace,
}

impl Desk {
    fn new() -> Self {
        let trace = Trace::default();
        Self {
            now: Clock::new().now(),
            alice: Phone::new("alice", "10.0.0.1", [1; 32], &trace),
            bob: Phone::new("bob", "10.0.0.2", [2; 32], &trace),
            to_alice: VecDeque::new(),
            to_bob: VecDeque::new(),
            trace,
        }
    }

    /// Alice calls Bob, whose phone rings; the INVITE as it was sent.
    fn ringing(change: impl FnOnce(Invite) -> Invite) -> (Self, DialogId, DialogId, Request) {
        let mut desk = Self::new();
        let target = desk.bob.uri();
        let invite = change(desk.alice.invite(target));
        let call = desk.alice.dial(desk.now, invite);
        desk.post();
        let sent = desk.to_bob.front().expect("the INVITE").bytes.clone();
        let sent = Message::parse(sent, &Limits::default()).expect("it parses");
        desk.settle();
        let incoming = desk.bob.last_call();
        ring(&mut desk.bob, desk.now, incoming);
        desk.settle();
        desk.flow();
        (desk, call, incoming, sent.as_request().expect("a request").clone())
    }

    /// A call that stands.
    fn standing() -> (Self, DialogId, DialogId) {
        let (mut desk, call, incoming, _) = Self::ringing(|invite| invite);
        answer(&mut desk.bob, desk.now, incoming);
        desk.settle();
        desk.flow();
        (desk, call, incoming)
    }

    /// Bob has answered and Alice has got it, but her ACK is lost.
    fn ack_lost(change: impl FnOnce(Invite) -> Invite) -> (Self, DialogId, DialogId) {
        let (mut desk, call, incoming, _) = Self::ringing(change);
        answer(&mut desk.bob, desk.now, incoming);
        desk.cross();
        desk.to_bob.pop_front().expect("the ACK");
        assert_eq!(desk.alice.calls.get(&call), Some(&View::Up));
        assert_eq!(desk.bob.calls.get(&incoming), Some(&View::Waiting));
        desk.flow();
        (desk, call, incoming)
    }

    fn post(&mut self) {
        self.to_bob.extend(std::iter::from_fn(|| self.alice.poll_transmit()));
        self.to_alice.extend(std::iter::from_fn(|| self.bob.poll_transmit()));
    }

    /// What is on its way arrives on both sides; what it causes is on its way then.
    fn cross(&mut self) {
        self.post();
        let (to_alice, to_bob) = (std::mem::take(&mut self.to_alice), std::mem::take(&mut self.to_bob));
        to_bob.into_iter().for_each(|datagram| self.bob.handle_datagram(self.now, datagram));
        to_alice.into_iter().for_each(|datagram| self.alice.handle_datagram(self.now, datagram));
        self.post();
    }

    /// Everything arrives.
    fn settle(&mut self) {
        self.post();
        while !(self.to_alice.is_empty() && self.to_bob.is_empty()) {
            self.cross();
        }
    }

    /// Time passes and nothing arrives.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        self.post();
        loop {
            let next = [self.alice.poll_timeout(), self.bob.poll_timeout()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            for phone in [&mut self.alice, &mut self.bob] {
                if phone.poll_timeout().is_some_and(|at| at <= self.now) {
                    phone.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
        self.post();
    }

    /// Time passes on a network without delay.
    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 10 {
            self.wait(Duration::from_millis(10));
            self.settle();
        }
    }

    /// What was sent since the last time it was asked.
    fn flow(&mut self) -> Vec<String> {
        self.trace.borrow_mut().drain(..).collect()
    }

    /// Both sides have ended the call, and nothing is left of it.
    #[track_caller]
    fn ends(mut self) {
        self.settle();
        for _ in 0..20 {
            self.wait(Duration::from_secs(10));
            self.settle();
        }
        for phone in [&self.alice, &self.bob] {
            assert!(phone.is_quiet() && phone.agent.is_idle(), "{} {:?}", phone.name, phone.events);
        }
    }

    /// A request that Alice's agent would not send: in the dialog that a response of Bob's has made.
    fn forge(&self, method: Method, invite: &Request, number: u32) -> Datagram {
        let dialog = self.bob.agent.dialog(self.bob.last_call()).expect("a call");
        let headers = invite.headers();
        let to = headers.require::<To>().expect("it has one").with_tag(dialog.local_tag());
        let host = HostPort { host: Host::V4([10, 0, 0, 1].into()), port: Some(5060) };
        let mut request = Request::builder(method.clone(), &self.bob.uri())
            .header(&headers.require::<From>().expect("it has one"))
            .header(&to)
            .header(&headers.require::<CallId>().expect("it has one"))
            .header(&CSeq { number, method })
            .build();
        request.headers_mut().push_front(&Via::new("UDP", host, "z9hG4bKforged"));
        Datagram { from: self.alice.address, to: self.bob.address, bytes: request.to_bytes().to_vec() }
    }
}

fn calls_that_came(phone: &Phone) -> usize {
    phone.events.iter().filter(|event| matches!(event, Event::Incoming { .. })).count()
}

#[track_caller]
fn ended_by(phone: &Phone) -> Side {
    match phone.events.last() {
        Some(Event::Ended { by, .. }) => *by,
        other => panic!("{other:?} is the end"),
    }
}

// rfc: 5407 §3.1.1 — the INVITE comes again after the 200: it is a retransmission, and no call of its own
#[test]
fn callee_receives_a_repeated_invite_in_moratorium() {
    let mut desk = Desk::new();
    let target = desk.bob.uri();
    let invite = desk.alice.invite(target);
    let call = desk.alice.dial(desk.now, invite);
    desk.cross();
    let incoming = desk.bob.last_call();
    ring(&mut desk.bob, desk.now, incoming);
    desk.post();
    desk.to_alice.clear();
    desk.wait(T1 - Duration::from_millis(10));
    desk.to_alice.clear();
    answer(&mut desk.bob, desk.now, incoming);
    desk.wait(Duration::from_millis(10));
    desk.cross();
    assert_eq!(
        desk.flow()[2..],
        ["bob 200 INVITE sdp", "alice INVITE sdp", "bob 200 INVITE sdp", "alice ACK"]
    );
    desk.settle();
    assert_eq!(desk.flow(), ["alice ACK"], "for the repeated 200");
    assert_eq!((desk.alice.calls[&call], desk.bob.calls[&incoming]), (View::Up, View::Up));
    assert_eq!(calls_that_came(&desk.bob), 1);
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.ends();
}

// rfc: 5407 §3.1.2 — a CANCEL that crosses the 200 is answered 200 and changes nothing; the caller sends ACK and BYE
#[test]
fn callee_receives_cancel_in_moratorium() {
    let (mut desk, call, incoming, _) = Desk::ringing(|invite| invite);
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    answer(&mut desk.bob, desk.now, incoming);
    desk.cross();
    assert_ne!(desk.bob.calls[&incoming], View::Over, "it stands until the BYE");
    desk.settle();
    assert_eq!(
        desk.flow(),
        ["bob 200 INVITE sdp", "alice CANCEL", "bob 200 CANCEL", "alice ACK", "alice BYE", "bob 200 BYE"]
    );
    assert_eq!((ended_by(&desk.alice), ended_by(&desk.bob)), (Side::Local, Side::Remote));
    desk.ends();
}

// rfc: 5407 §3.1.3 — a BYE of the early dialog that crosses the 200 ends the call; the ACK that follows is taken in silence
#[test]
fn callee_receives_an_early_bye_in_moratorium() {
    let (mut desk, _, incoming, invite) = Desk::ringing(|invite| invite);
    let number = invite.headers().require::<CSeq>().unwrap().number;
    let bye = desk.forge(Method::BYE, &invite, number + 1);
    let ack = desk.forge(Method::ACK, &invite, number);
    answer(&mut desk.bob, desk.now, incoming);
    desk.bob.handle_datagram(desk.now, bye);
    assert_eq!(ended_by(&desk.bob), Side::Remote);
    desk.bob.handle_datagram(desk.now, ack);
    assert_eq!(desk.flow(), ["bob 200 INVITE sdp", "bob 200 BYE"]);
    desk.to_alice.clear();
    desk.wait(4 * T1);
    assert!(
        desk.flow().iter().all(|sent| !sent.starts_with("bob")),
        "the 200 is not repeated for a call that is over"
    );
}

// rfc: 5407 §A — a BYE of the caller in an early dialog ends it with 487; another fork may still answer
#[test]
fn callee_receives_a_bye_in_the_early_dialog() {
    let (mut desk, _, _, invite) = Desk::ringing(|invite| invite);
    let number = invite.headers().require::<CSeq>().unwrap().number;
    let bye = desk.forge(Method::BYE, &invite, number + 1);
    desk.bob.handle_datagram(desk.now, bye);
    assert_eq!(desk.flow(), ["bob 200 BYE", "bob 487 INVITE"]);
    assert_eq!(ended_by(&desk.bob), Side::Remote);
    desk.ends();
}

// rfc: 5407 §3.1.4 — a re-INVITE while the ACK is lost is answered 200: the ACK says nothing that is needed
#[test]
fn callee_receives_a_reinvite_in_moratorium() {
    let (mut desk, call, incoming) = Desk::ack_lost(|invite| invite);
    desk.wait(T1 - Duration::from_millis(10));
    desk.alice.agent.set_direction(desk.now, call, Direction::SendOnly).unwrap();
    desk.wait(Duration::from_millis(10));
    desk.settle();
    assert_eq!(
        desk.flow(),
        ["alice INVITE sdp", "bob 200 INVITE sdp", "bob 200 INVITE sdp", "alice ACK", "alice ACK"],
        "the second 200 is for the re-INVITE, each has its ACK"
    );
    assert_eq!(desk.bob.agent.direction(incoming), Some(Direction::RecvOnly));
    desk.run(4 * T1);
    assert!(desk.flow().is_empty());
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.ends();
}

// rfc: 5407 §3.1.5 — the same with the answer in the lost ACK: 491, as the offer in the 200 has no answer yet
#[test]
fn callee_with_an_open_offer_receives_a_reinvite_in_moratorium() {
    let (mut desk, call, incoming) = Desk::ack_lost(Invite::late_offer);
    desk.wait(T1 - Duration::from_millis(10));
    desk.alice.agent.set_direction(desk.now, call, Direction::SendOnly).unwrap();
    desk.wait(Duration::from_millis(10));
    desk.settle();
    assert_eq!(
        desk.flow(),
        ["alice INVITE sdp", "bob 200 INVITE sdp", "bob 491 INVITE", "alice ACK sdp", "alice ACK"]
    );
    desk.run(Duration::from_secs(5));
    assert_eq!(
        desk.flow(),
        ["alice INVITE sdp", "bob 200 INVITE sdp", "alice ACK"],
        "tried again after 2.1 to 4 s"
    );
    assert_eq!(desk.bob.agent.direction(incoming), Some(Direction::RecvOnly));
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.ends();
}

// rfc: 5407 §3.1.6 — a BYE while the ACK is lost: the repeated 200 is acknowledged and begins no session
#[test]
fn callee_receives_bye_in_moratorium() {
    let (mut desk, call, incoming) = Desk::ack_lost(|invite| invite);
    desk.wait(T1 - Duration::from_millis(10));
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.wait(Duration::from_millis(10));
    desk.settle();
    assert_eq!(desk.flow(), ["alice BYE", "bob 200 INVITE sdp", "bob 200 BYE", "alice ACK"]);
    assert_eq!((desk.alice.calls[&call], desk.bob.calls[&incoming]), (View::Over, View::Over));
    assert_eq!((ended_by(&desk.alice), ended_by(&desk.bob)), (Side::Local, Side::Remote));
    desk.ends();
}

// rfc: 5407 §3.2.1 — two BYEs that cross are both answered 200
#[test]
fn byes_cross() {
    let (mut desk, call, incoming) = Desk::standing();
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.bob.agent.hang_up(desk.now, incoming).unwrap();
    desk.settle();
    let mut flow = desk.flow();
    flow.sort();
    assert_eq!(flow, ["alice 200 BYE", "alice BYE", "bob 200 BYE", "bob BYE"]);
    desk.ends();
}

// rfc: 5407 §3.2.2 — a re-INVITE that crosses our BYE: 481
#[test]
fn a_reinvite_crosses_a_bye() {
    let (mut desk, call, incoming) = Desk::standing();
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.bob.agent.set_direction(desk.now, incoming, Direction::SendOnly).unwrap();
    desk.cross();
    let flow = desk.flow();
    assert!(
        flow.contains(&"alice 481 INVITE".to_owned()) && flow.contains(&"bob 200 BYE".to_owned()),
        "{flow:?}"
    );
    desk.settle();
    assert!(desk.flow().contains(&"bob ACK".to_owned()));
    assert_eq!((ended_by(&desk.alice), ended_by(&desk.bob)), (Side::Local, Side::Remote));
    desk.ends();
}

// rfc: 5407 §3.2.3 — the 200 to a re-INVITE that crosses our BYE is acknowledged
#[test]
fn a_200_to_a_reinvite_crosses_our_bye() {
    let (mut desk, _, incoming) = Desk::standing();
    desk.bob.agent.set_direction(desk.now, incoming, Direction::SendOnly).unwrap();
    desk.post();
    let reinvite = desk.to_alice.pop_front().unwrap();
    desk.alice.handle_datagram(desk.now, reinvite);
    desk.bob.agent.hang_up(desk.now, incoming).unwrap();
    desk.settle();
    let flow = desk.flow();
    assert!(flow.contains(&"bob ACK".to_owned()) && flow.contains(&"alice 200 BYE".to_owned()), "{flow:?}");
    desk.run(4 * T1);
    assert!(desk.flow().is_empty(), "nobody repeats anything");
    desk.ends();
}

// rfc: 5407 §3.2.4 — a callee hangs up before the ACK: the BYE waits for it, so that the two cannot cross
// rfc: 3261 §15 — the callee sends no BYE before the ACK, or before its 2xx has timed out
#[test]
fn a_callees_bye_waits_for_the_ack() {
    let (mut desk, call, incoming, _) = Desk::ringing(|invite| invite);
    answer(&mut desk.bob, desk.now, incoming);
    desk.bob.agent.hang_up(desk.now, incoming).unwrap();
    desk.cross();
    assert_eq!(desk.flow(), ["bob 200 INVITE sdp", "alice ACK"]);
    desk.settle();
    assert_eq!(desk.flow(), ["bob BYE", "alice 200 BYE"]);
    assert_eq!((desk.alice.calls[&call], desk.bob.calls[&incoming]), (View::Over, View::Over));
    desk.ends();
}

// rfc: 5407 §3.3.1 — re-INVITEs that cross are refused 491; the callee tries again first, then the owner of the Call-ID
#[test]
fn reinvites_cross() {
    let (mut desk, call, incoming) = Desk::standing();
    desk.alice.agent.set_direction(desk.now, call, Direction::SendOnly).unwrap();
    desk.bob.agent.set_direction(desk.now, incoming, Direction::SendRecv).unwrap();
    desk.settle();
    let mut flow = desk.flow();
    flow.sort();
    let both =
        ["alice 491 INVITE", "alice ACK", "alice INVITE sdp", "bob 491 INVITE", "bob ACK", "bob INVITE sdp"];
    assert_eq!(flow, both);
    desk.run(Duration::from_millis(2050));
    assert_eq!(desk.flow(), ["bob INVITE sdp", "alice 200 INVITE sdp", "bob ACK"]);
    desk.run(Duration::from_secs(2));
    assert_eq!(desk.flow(), ["alice INVITE sdp", "bob 200 INVITE sdp", "alice ACK"]);
    assert_eq!(desk.bob.agent.direction(incoming), Some(Direction::RecvOnly));
    desk.bob.agent.hang_up(desk.now, incoming).unwrap();
    desk.ends();
}

// rfc: 5407 §3.3.2 — an UPDATE with an offer and a re-INVITE that cross are refused 491, and tried again in turn
#[test]
fn update_and_reinvite_cross() {
    let (mut desk, call, incoming) = Desk::standing();
    desk.alice.agent.update(desk.now, call, Some(Direction::SendOnly)).unwrap();
    desk.bob.agent.set_direction(desk.now, incoming, Direction::SendRecv).unwrap();
    desk.settle();
    let mut flow = desk.flow();
    flow.sort();
    assert_eq!(flow, ["alice 491 INVITE", "alice UPDATE sdp", "bob 491 UPDATE", "bob ACK", "bob INVITE sdp"]);
    desk.run(Duration::from_millis(2050));
    assert_eq!(desk.flow(), ["bob INVITE sdp", "alice 200 INVITE sdp", "bob ACK"]);
    desk.run(Duration::from_secs(2));
    assert_eq!(desk.flow(), ["alice UPDATE sdp", "bob 200 UPDATE sdp"]);
    desk.bob.agent.hang_up(desk.now, incoming).unwrap();
    desk.ends();
}

// rfc: 5407 §3.3.2 — UPDATEs without an offer cross in peace
#[test]
fn updates_without_offers_cross() {
    let (mut desk, call, incoming) = Desk::standing();
    desk.alice.agent.update(desk.now, call, None).unwrap();
    desk.bob.agent.update(desk.now, incoming, None).unwrap();
    desk.settle();
    let mut flow = desk.flow();
    flow.sort();
    assert_eq!(flow, ["alice 200 UPDATE", "alice UPDATE", "bob 200 UPDATE", "bob UPDATE"]);
    desk.bob.agent.hang_up(desk.now, incoming).unwrap();
    desk.ends();
}

// rfc: 5407 §B — a re-INVITE that arrives after the BYE: 481
#[test]
fn a_reinvite_arrives_after_the_bye() {
    let (mut desk, call, _) = Desk::standing();
    desk.alice.agent.set_direction(desk.now, call, Direction::SendOnly).unwrap();
    desk.post();
    let first = desk.to_bob.pop_front().unwrap();
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.settle();
    desk.bob.handle_datagram(desk.now, first);
    desk.settle();
    let flow = desk.flow();
    assert!(
        flow.contains(&"bob 200 BYE".to_owned()) && flow.contains(&"bob 481 INVITE".to_owned()),
        "{flow:?}"
    );
    assert_eq!(flow.last().unwrap(), "alice ACK");
    desk.ends();
}

// rfc: 5407 §C — a CANCEL before any provisional response waits; once sent the callee answers it 200 and the INVITE 487
#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut desk = Desk::new();
    let target = desk.bob.uri();
    let invite = desk.alice.invite(target);
    let call = desk.alice.dial(desk.now, invite);
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.cross();
    desk.wait(Duration::from_millis(200));
    assert_eq!(desk.flow(), ["alice INVITE sdp", "bob 100 INVITE"]);
    desk.settle();
    assert_eq!(desk.flow(), ["alice CANCEL", "bob 200 CANCEL", "bob 487 INVITE", "alice ACK"]);
    desk.ends();
}

// rfc: 5407 §D — after the BYE a 2xx is acknowledged for 64·T1, and a BYE that was lost is answered again
#[test]
fn a_lost_200_to_the_bye_is_said_again() {
    let (mut desk, call, _) = Desk::standing();
    desk.alice.agent.hang_up(desk.now, call).unwrap();
    desk.cross();
    desk.to_alice.clear();
    desk.wait(T1);
    desk.settle();
    assert_eq!(desk.flow(), ["alice BYE", "bob 200 BYE", "alice BYE", "bob 200 BYE"]);
    assert_eq!(desk.bob.events.iter().filter(|event| matches!(event, Event::Ended { .. })).count(), 1);
    desk.ends();
}
