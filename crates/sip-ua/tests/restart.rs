//! A call outlives the process of one end: all that is left of it is a snapshot, and both ends go on as if nothing was.

#[path = "support/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, Trace, View, answer, ring};
use sdp::Direction;
use sip_ua::{Event, InfoDtmf, Side};
use testkit::{Impairment, NodeId, World};

struct Stage {
    world: World<Phone>,
    alice: NodeId,
    bob: NodeId,
    trace: Trace,
}

impl Stage {
    fn new(seed: u64, impairment: Impairment) -> Self {
        let trace = Trace::default();
        let mut world = World::new(seed, impairment);
        let alice = world.add("10.0.0.1", Phone::new("alice", "10.0.0.1", [1; 32], &trace));
        let bob = world.add("10.0.0.2", Phone::new("bob", "10.0.0.2", [2; 32], &trace));
        Self { world, alice, bob, trace }
    }

    fn run(&mut self, seconds: u64) {
        self.world.run_for(Duration::from_secs(seconds));
    }

    /// The process ends without a word and starts again with the bytes it kept; its only call's new name.
    fn restart(&mut self, who: NodeId, seed: u8) -> sip_ua::DialogId {
        let now = self.world.now();
        let trace = self.trace.clone();
        let old = self.world.node(who);
        let bytes = old.agent.snapshot(old.last_call()).expect("the call is at rest");
        let mut new = Phone::new(old.name, &old.address.ip().to_string(), [seed; 32], &trace);
        let id = new.agent.resume(now, &bytes, phone::plan()).expect("it can be resumed");
        new.calls.insert(id, View::Up);
        *old = new;
        id
    }
}

fn ended_by(event: &Event) -> Option<Side> {
    if let Event::Ended { by, .. } = event { Some(*by) } else { None }
}

/// Everything that may be done in a call, both ways, by these two.
fn go_on(stage: &mut Stage, [(one, call), (other, incoming)]: [(NodeId, sip_ua::DialogId); 2]) {
    for [(who, id), (peer, peer_id)] in [[(one, call), (other, incoming)], [(other, incoming), (one, call)]] {
        let now = stage.world.now();
        let phone = stage.world.node(who);
        phone.agent.set_direction(now, id, Direction::SendOnly).expect("the call stands");
        phone.collect();
        stage.run(40);
        assert_eq!(stage.world.node(peer).agent.direction(peer_id), Some(Direction::RecvOnly));
        let now = stage.world.now();
        let phone = stage.world.node(who);
        phone.agent.set_direction(now, id, Direction::SendRecv).expect("the call stands");
        phone.collect();
        stage.run(40);
        assert_eq!(stage.world.node(peer).agent.direction(peer_id), Some(Direction::SendRecv));
        // Not before: it might overtake the re-INVITE, which then would be out of order.
        let now = stage.world.now();
        let phone = stage.world.node(who);
        phone.agent.dtmf(now, id, '7', Duration::from_millis(100), InfoDtmf::Relay).expect("the call stands");
        phone.collect();
        stage.run(40);
        let digits = |event: &&Event| matches!(event, Event::InfoDigit { digit: '7', .. });
        assert_eq!(stage.world.node(peer).events.iter().filter(digits).count(), 1);
    }
}

// rfc: 3261 §12.2 — a dialog is its ids, numbers, route set and targets: who has these can go on with it
#[test]
fn a_call_goes_on_after_either_end_has_restarted() {
    for seed in 0..60 {
        let impairment =
            if seed % 2 == 0 { Impairment::default() } else { Impairment::default().loss(0.1).double(0.1) };
        let mut stage = Stage::new(seed, impairment);
        let now = stage.world.now();
        let target = stage.world.node(stage.bob).uri();
        let alice = stage.world.node(stage.alice);
        let invite = alice.invite(target);
        let call = alice.dial(now, invite);
        stage.run(5);
        let now = stage.world.now();
        let bob = stage.world.node(stage.bob);
        let incoming = bob.last_call();
        ring(bob, now, incoming);
        answer(bob, now, incoming);
        stage.run(40);
        assert_eq!(stage.world.node(stage.alice).calls[&call], View::Up, "seed {seed}");
        let (alice, bob) = (stage.alice, stage.bob);
        // One of the two, or first one and then the other.
        let call = if seed % 3 != 1 { stage.restart(alice, 11) } else { call };
        let incoming = if seed % 3 != 0 { stage.restart(bob, 12) } else { incoming };
        go_on(&mut stage, [(alice, call), (bob, incoming)]);
        let (who, id) = if seed % 4 < 2 { (alice, call) } else { (bob, incoming) };
        let now = stage.world.now();
        stage.world.node(who).agent.hang_up(now, id).expect("the call stands");
        stage.world.node(who).collect();
        assert!(stage.world.run_until_quiet(Duration::from_secs(300)), "seed {seed}");
        for id in [alice, bob] {
            let phone = stage.world.node(id);
            let by = phone.events.iter().find_map(ended_by);
            assert_eq!(by, Some(if id == who { Side::Local } else { Side::Remote }), "seed {seed}");
            assert!(phone.is_quiet() && phone.agent.is_idle(), "seed {seed}: {}", phone.name);
        }
    }
}

// rfc: 4028 §10 — a session whose refresher restarted is refreshed on, and does not end
#[test]
fn a_session_timer_survives_the_restart_of_either_end() {
    for who in 0..2 {
        let mut stage = Stage::new(1, Impairment::default());
        let now = stage.world.now();
        let target = stage.world.node(stage.bob).uri();
        let alice = stage.world.node(stage.alice);
        let invite = alice.invite(target);
        let call = alice.dial(now, invite);
        stage.run(1);
        let now = stage.world.now();
        let bob = stage.world.node(stage.bob);
        let incoming = bob.last_call();
        ring(bob, now, incoming);
        answer(bob, now, incoming);
        stage.run(600);
        let (alice, bob) = (stage.alice, stage.bob);
        let ids = match who {
            0 => [(alice, stage.restart(alice, 11)), (bob, incoming)],
            _ => [(alice, call), (bob, stage.restart(bob, 12))],
        };
        stage.run(4 * 3600);
        for (phone, id) in ids {
            let phone = stage.world.node(phone);
            assert_eq!(phone.calls[&id], View::Up, "{}", phone.name);
        }
    }
}
