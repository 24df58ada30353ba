//! The transfers of RFC 5589 and RFC 5359 between three agents, message by message.
//!
//! "carol" is the transfer target. The NOTIFYs are shown with the status they report. Where RFC 5589 sends the REFER in a
//! dialog of its own, so does this where the test says so.

#[path = "support/phone.rs"]
mod phone;
#[path = "support/referral.rs"]
mod referral;

use std::time::Duration;

use phone::{Phone, Trace, View, answer, ring};
use referral::follow;
use sdp::Direction;
use sip_msg::StatusCode;
use sip_ua::{DialogId, Event, Side, Transfer, TransferError};
use testkit::{Impairment, NodeId, World};

/// Alice, Bob and Carol on a perfect network.
struct Stage {
    world: World<Phone>,
    alice: NodeId,
    bob: NodeId,
    carol: NodeId,
    trace: Trace,
}

impl Stage {
    fn new() -> Self {
        let trace = Trace::default();
        let mut world = World::new(1, Impairment::default());
        let mut add = |name, ip, seed| world.add(ip, Phone::new(name, ip, [seed; 32], &trace));
        let (alice, bob) = (add("alice", "10.0.0.1", 1), add("bob", "10.0.0.2", 2));
        let carol = add("carol", "10.0.0.3", 3);
        Self { world, alice, bob, carol, trace }
    }

    fn act<T>(&mut self, who: NodeId, act: impl FnOnce(&mut Phone, std::time::Instant) -> T) -> T {
        let now = self.world.now();
        let phone = self.world.node(who);
        let done = act(phone, now);
        phone.collect();
        self.world.run_for(Duration::from_millis(50));
        done
    }

    /// One calls the other, who answers; both ends' names for the call.
    fn call(&mut self, from: NodeId, to: NodeId) -> (DialogId, DialogId) {
        let target = self.world.node(to).uri();
        let call = self.act(from, |phone, now| {
            let invite = phone.invite(target);
            phone.dial(now, invite)
        });
        let incoming = self.answer(to);
        (call, incoming)
    }

    fn answer(&mut self, who: NodeId) -> DialogId {
        self.act(who, |phone, now| {
            let id = phone.last_call();
            answer(phone, now, id);
            id
        })
    }

    fn transfer(&mut self, who: NodeId, call: DialogId, transfer: Transfer) {
        self.act(who, |phone, now| phone.agent.transfer(now, call, transfer).expect("it can be sent"));
    }

    fn hang_up(&mut self, who: NodeId, call: DialogId) {
        self.act(who, |phone, now| phone.agent.hang_up(now, call).expect("the call stands"));
    }

    fn view(&mut self, who: NodeId, call: DialogId) -> View {
        *self.world.node(who).calls.get(&call).expect("a call")
    }

    fn outcome(&mut self, who: NodeId) -> Option<Result<StatusCode, TransferError>> {
        self.world.node(who).events.iter().find_map(|event| {
            if let Event::Transferred { result, .. } = event { Some(result.clone()) } else { None }
        })
    }

    /// What was sent since the last time.
    fn flow(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.trace.borrow_mut())
    }

    #[track_caller]
    fn ends_quietly(&mut self) {
        assert!(self.world.run_until_quiet(Duration::from_secs(400)));
        assert_eq!(self.flow(), Vec::<String>::new(), "nothing is resent on a perfect network");
        for id in [self.alice, self.bob, self.carol] {
            let phone = self.world.node(id);
            assert!(phone.is_quiet() && phone.agent.is_idle(), "{}", phone.name);
        }
    }
}

// rfc: 5589 §6.1 — basic transfer that succeeds, with hold and a REFER in a dialog of its own
#[test]
fn basic_transfer_with_a_dialog_of_its_own() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    // The transferee calls the transferor.
    let (bobs, alices) = stage.call(bob, alice);
    stage.flow();
    let target = stage.world.node(carol).uri();
    stage.transfer(alice, alices, Transfer::blind(target).hold().own_dialog());
    let new = stage.act(bob, follow);
    let carols = stage.answer(carol);
    assert_eq!(stage.outcome(alice), Some(Ok(StatusCode::OK)));
    assert_eq!((stage.view(alice, alices), stage.view(bob, bobs)), (View::Over, View::Over));
    assert_eq!((stage.view(bob, new), stage.view(carol, carols)), (View::Up, View::Up));
    stage.hang_up(carol, carols);
    assert_eq!(
        stage.flow(),
        [
            "alice INVITE sdp",
            "bob 200 INVITE sdp",
            "alice ACK",
            "alice REFER",
            "bob 202 REFER",
            "bob NOTIFY 100",
            "bob INVITE sdp",
            "alice 200 NOTIFY",
            "carol 200 INVITE sdp",
            "bob ACK",
            "bob NOTIFY 200",
            "alice 200 NOTIFY",
            "alice BYE",
            "bob 200 BYE",
            "carol BYE",
            "bob 200 BYE",
        ]
    );
    stage.ends_quietly();
}

// rfc: 5589 §6.2 — basic transfer with the REFER in the dialog of the call
// rfc: 5359 §2.4 — unattended transfer
#[test]
fn basic_transfer_in_the_dialog_of_the_call() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let (alices, bobs) = stage.call(alice, bob);
    stage.flow();
    let target = stage.world.node(carol).uri();
    stage.transfer(alice, alices, Transfer::blind(target));
    let new = stage.act(bob, follow);
    stage.world.run_for(Duration::from_secs(1));
    stage.act(carol, |carol, now| ring(carol, now, carol.last_call()));
    stage.answer(carol);
    assert_eq!(stage.outcome(alice), Some(Ok(StatusCode::OK)));
    assert_eq!(stage.view(bob, bobs), View::Over);
    stage.hang_up(bob, new);
    assert_eq!(
        stage.flow(),
        [
            "alice REFER",
            "bob 202 REFER",
            "bob NOTIFY 100",
            "bob INVITE sdp",
            "alice 200 NOTIFY",
            "carol 100 INVITE",
            "carol 180 INVITE",
            "bob NOTIFY 180",
            "alice 200 NOTIFY",
            "carol 200 INVITE sdp",
            "bob ACK",
            "bob NOTIFY 200",
            "alice 200 NOTIFY",
            "alice BYE",
            "bob 200 BYE",
            "bob BYE",
            "carol 200 BYE",
        ]
    );
    stage.ends_quietly();
}

// rfc: 5589 §6.3.1 — failed transfer, target busy: the call is taken off hold and goes on
#[test]
fn the_target_is_busy() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let (alices, bobs) = stage.call(alice, bob);
    stage.flow();
    let target = stage.world.node(carol).uri();
    stage.transfer(alice, alices, Transfer::blind(target).hold());
    assert_eq!(stage.world.node(bob).agent.direction(bobs), Some(Direction::RecvOnly));
    stage.act(bob, follow);
    stage.act(carol, |carol, now| {
        carol.agent.reject(now, carol.last_call(), StatusCode::BUSY_HERE).unwrap();
    });
    let failed = TransferError::Failed { status: StatusCode::BUSY_HERE, reason: "Busy Here".into() };
    assert_eq!(stage.outcome(alice), Some(Err(failed)));
    assert_eq!((stage.view(alice, alices), stage.view(bob, bobs)), (View::Up, View::Up));
    assert_eq!(stage.world.node(bob).agent.direction(bobs), Some(Direction::SendRecv));
    stage.hang_up(alice, alices);
    assert_eq!(
        stage.flow(),
        [
            "alice INVITE sdp",
            "bob 200 INVITE sdp",
            "alice ACK",
            "alice REFER",
            "bob 202 REFER",
            "bob NOTIFY 100",
            "bob INVITE sdp",
            "alice 200 NOTIFY",
            "carol 486 INVITE",
            "bob ACK",
            "bob NOTIFY 486",
            "alice 200 NOTIFY",
            "alice INVITE sdp",
            "bob 200 INVITE sdp",
            "alice ACK",
            "alice BYE",
            "bob 200 BYE",
        ]
    );
    stage.ends_quietly();
}

// rfc: 5589 §6.3.2 — failed transfer, the target does not answer
#[test]
fn the_target_does_not_answer() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let (alices, bobs) = stage.call(alice, bob);
    let target = stage.world.node(carol).uri();
    stage.transfer(alice, alices, Transfer::blind(target));
    let new = stage.act(bob, follow);
    stage.act(carol, |carol, now| ring(carol, now, carol.last_call()));
    stage.flow();
    stage.world.run_for(Duration::from_secs(20));
    stage.hang_up(bob, new);
    let failed =
        TransferError::Failed { status: StatusCode::REQUEST_TERMINATED, reason: "Request Terminated".into() };
    assert_eq!(stage.outcome(alice), Some(Err(failed)));
    assert_eq!(stage.view(alice, alices), View::Up);
    assert_eq!(stage.view(bob, bobs), View::Up);
    assert_eq!(
        stage.flow(),
        [
            "bob NOTIFY 180",
            "alice 200 NOTIFY",
            "bob CANCEL",
            "carol 200 CANCEL",
            "carol 487 INVITE",
            "bob ACK",
            "bob NOTIFY 487",
            "alice 200 NOTIFY",
        ]
    );
    stage.hang_up(bob, bobs);
    stage.flow();
    stage.ends_quietly();
}

// rfc: 5589 §7.3 — attended transfer: both calls on hold, REFER with Replaces of the second, the target ends that one
// rfc: 5359 §2.5 — attended transfer
// rfc: 3891 §3 — the target takes the new call and ends the one it replaces
#[test]
fn attended_transfer() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let (bobs, alices) = stage.call(bob, alice);
    let hold =
        |phone: &mut Phone, now, call| phone.agent.set_direction(now, call, Direction::SendOnly).unwrap();
    stage.act(alice, |alice, now| hold(alice, now, alices));
    let (consultation, carols) = stage.call(alice, carol);
    stage.act(alice, |alice, now| hold(alice, now, consultation));
    stage.flow();
    stage.transfer(alice, alices, Transfer::attended(consultation));
    let new = stage.act(bob, follow);
    let replaced = stage
        .world
        .node(carol)
        .events
        .iter()
        .find_map(|event| if let Event::Incoming { replaces, .. } = event { *replaces } else { None });
    assert_eq!(replaced, Some(carols));
    let carols_new = stage.answer(carol);
    assert_eq!(stage.outcome(alice), Some(Ok(StatusCode::OK)));
    for (who, call, view) in [
        (alice, alices, View::Over),
        (alice, consultation, View::Over),
        (bob, bobs, View::Over),
        (carol, carols, View::Over),
        (bob, new, View::Up),
        (carol, carols_new, View::Up),
    ] {
        assert_eq!(stage.view(who, call), view);
    }
    let gone = stage.world.node(carol).events.iter().any(|event| {
        matches!(event, Event::Ended { dialog, by: Side::Remote, reason, .. }
            if *dialog == carols && reason.starts_with("replaced by sip:bob@"))
    });
    assert!(gone);
    stage.hang_up(carol, carols_new);
    assert_eq!(
        stage.flow(),
        [
            "alice REFER",
            "bob 202 REFER",
            "bob NOTIFY 100",
            "bob INVITE sdp",
            "alice 200 NOTIFY",
            "carol 200 INVITE sdp",
            "carol BYE",
            "bob ACK",
            "bob NOTIFY 200",
            "alice 200 BYE",
            "alice 200 NOTIFY",
            "alice BYE",
            "bob 200 BYE",
            "carol BYE",
            "bob 200 BYE",
        ]
    );
    stage.ends_quietly();
}

// rfc: 5589 §7.2 — the target stays protected: consultation call ended first, then a basic transfer
#[test]
fn a_consultation_call_may_end_before_a_basic_transfer() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let (alices, _) = stage.call(alice, bob);
    let (consultation, _) = stage.call(alice, carol);
    stage.hang_up(alice, consultation);
    let target = stage.world.node(carol).uri();
    stage.transfer(alice, alices, Transfer::blind(target));
    let new = stage.act(bob, follow);
    stage.answer(carol);
    assert_eq!(stage.outcome(alice), Some(Ok(StatusCode::OK)));
    stage.hang_up(bob, new);
    stage.flow();
    stage.ends_quietly();
}

// rfc: 5589 §7.4 — a party that does not follow REFER: the call stands
// rfc: 3515 §2.4.2 — a REFER that is declined
#[test]
fn a_declined_transfer_changes_nothing() {
    let mut stage = Stage::new();
    let (alice, bob, carol) = (stage.alice, stage.bob, stage.carol);
    let (alices, bobs) = stage.call(alice, bob);
    stage.flow();
    let target = stage.world.node(carol).uri();
    stage.transfer(alice, alices, Transfer::blind(target));
    stage.act(bob, |bob, now| {
        let Some(Event::Refer { refer, dialog }) = bob.events.last() else { panic!("a REFER came") };
        assert_eq!(*dialog, Some(bobs));
        let id = refer.id;
        bob.agent.refuse_refer(now, id, StatusCode::DECLINE).unwrap();
    });
    let refused = TransferError::Refused { status: StatusCode::DECLINE, reason: "Decline".into() };
    assert_eq!(stage.outcome(alice), Some(Err(refused)));
    stage.hang_up(bob, bobs);
    assert_eq!(stage.flow(), ["alice REFER", "bob 603 REFER", "bob BYE", "alice 200 BYE"]);
    stage.ends_quietly();
}

/// On a network that loses, doubles and reorders, the outcome is told once and is the truth.
#[test]
fn a_transfer_over_a_bad_network_ends_the_same_for_all() {
    for seed in 0..100 {
        let trace = Trace::default();
        let bad =
            Impairment::default().loss(0.1).double(0.05).reorder(0.05).jitter(Duration::from_millis(80));
        let mut world = World::new(seed, bad);
        let mut add = |name, ip, seed| world.add(ip, Phone::new(name, ip, [seed; 32], &trace));
        let (alice, bob) = (add("alice", "10.0.0.1", 1), add("bob", "10.0.0.2", 2));
        let carol = add("carol", "10.0.0.3", 3);
        let mut stage = Stage { world, alice, bob, carol, trace };
        let target = stage.world.node(bob).uri();
        let alices = stage.act(alice, |phone, now| {
            let invite = phone.invite(target);
            phone.dial(now, invite)
        });
        stage.world.run_for(Duration::from_secs(20));
        stage.answer(bob);
        stage.world.run_for(Duration::from_secs(20));
        let target = stage.world.node(carol).uri();
        stage.transfer(alice, alices, Transfer::blind(target));
        stage.world.run_for(Duration::from_secs(15));
        let new = stage.act(bob, follow);
        stage.world.run_for(Duration::from_secs(15));
        let busy = seed % 3 == 0;
        if busy {
            stage.act(carol, |carol, now| {
                carol.agent.reject(now, carol.last_call(), StatusCode::BUSY_HERE).unwrap();
            });
        } else {
            stage.answer(carol);
        }
        stage.world.run_for(Duration::from_secs(40));
        let told = stage.outcome(alice).unwrap_or_else(|| panic!("seed {seed}: alice hears how it went"));
        assert_eq!(told.is_ok(), !busy, "seed {seed}: {told:?}");
        let outcomes = |phone: &Phone| {
            phone.events.iter().filter(|event| matches!(event, Event::Transferred { .. })).count()
        };
        assert_eq!(outcomes(stage.world.node(alice)), 1, "seed {seed}");
        let left = if busy { (alice, alices) } else { (bob, new) };
        stage.hang_up(left.0, left.1);
        assert!(stage.world.run_until_quiet(Duration::from_secs(800)), "seed {seed}");
        for id in [alice, bob, carol] {
            assert!(stage.world.node(id).agent.is_idle(), "seed {seed}: {}", stage.world.node(id).name);
        }
    }
}
