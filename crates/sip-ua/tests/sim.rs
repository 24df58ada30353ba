//! Two agents whose users do as they please, over a network that loses, doubles and reorders.

#[path = "sim/forking.rs"]
mod forking;
#[path = "support/party.rs"]
mod party;
#[path = "support/phone.rs"]
mod phone;
#[path = "support/proxy.rs"]
mod proxy;

use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring};
use sdp::Direction;
use sip_msg::StatusCode;
use sip_ua::{DialogId, Event, Invite, Ring, Side};
use testkit::{Impairment, NodeId, Rng, World};

const PATIENCE: Duration = Duration::from_secs(32);

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> Option<T> {
    let at = usize::try_from(rng.below(choices.len() as u64)).ok()?;
    choices.get(at).copied()
}

/// The calls that a phone still has.
fn not_over(phone: &Phone) -> Vec<(DialogId, View)> {
    phone.calls.iter().filter(|(_, view)| **view != View::Over).map(|(id, view)| (*id, *view)).collect()
}

/// One step of one user: something with one of the calls, or a new one.
fn act(rng: &mut Rng, world: &mut World<Phone>, who: NodeId, other: NodeId) {
    let now = world.now();
    let target = world.node(other).uri();
    let phone = world.node(who);
    let live = not_over(phone);
    let picked = pick(rng, &live);
    let direction =
        pick(rng, &[Direction::SendOnly, Direction::Inactive, Direction::SendRecv]).expect("three");
    // What a state does not allow is refused with an error, which is as it should be.
    match (rng.below(10), picked) {
        (0 | 1, _) | (_, None) if live.len() < 3 => {
            let invite = phone.invite(target);
            let invite = if rng.chance(0.2) { invite.late_offer() } else { invite };
            let invite = if rng.chance(0.3) {
                invite.ring_timeout(rng.duration(Duration::from_secs(8)))
            } else {
                invite
            };
            phone.dial(now, invite);
        }
        (0..=2, Some((id, _))) => drop(phone.agent.ring(now, id, any_ring(rng))),
        (3 | 4, Some((id, View::Waiting))) => accept(rng, phone, now, id),
        (5, Some((id, View::Waiting))) => drop(phone.agent.reject(now, id, StatusCode::BUSY_HERE)),
        (3, Some((id, _))) => drop(phone.agent.update(now, id, rng.chance(0.5).then_some(direction))),
        (4..=6, Some((id, _))) => drop(phone.agent.set_direction(now, id, direction)),
        (7, Some((id, _))) => drop(phone.agent.info(now, id, "application/dtmf", "5")),
        (_, Some((id, _))) => drop(phone.agent.hang_up(now, id)),
        (_, None) => {}
    }
    phone.collect();
}

/// Answers, and at times thinks better of it before the ACK can be there.
fn accept(rng: &mut Rng, phone: &mut Phone, now: Instant, id: DialogId) {
    drop(phone.agent.accept(now, id, phone::plan()));
    if rng.chance(0.2) {
        drop(phone.agent.hang_up(now, id));
    }
}

/// With early media or without, to be confirmed (PRACK) or not.
fn any_ring(rng: &mut Rng) -> Ring {
    let ring = if rng.chance(0.5) {
        Ring::new(StatusCode::SESSION_PROGRESS).plan(phone::plan())
    } else {
        Ring::new(StatusCode::RINGING)
    };
    if rng.chance(0.5) { ring.reliable() } else { ring }
}

/// The Call-IDs of the calls that stand for a phone.
fn standing(phone: &Phone) -> Vec<String> {
    let up = phone.calls.iter().filter(|(_, view)| **view == View::Up);
    let mut ids: Vec<String> =
        up.map(|(id, _)| phone.agent.dialog(*id).expect("a standing call").call_id().to_string()).collect();
    ids.sort();
    ids
}

fn play(seed: u64) {
    let mut rng = Rng::new(seed);
    let impairment =
        Impairment::default().jitter(Duration::from_millis(30)).loss(0.15).double(0.1).reorder(0.2);
    let trace = Trace::default();
    let mut world = World::new(seed, impairment);
    let alice = world.add("10.0.0.1", Phone::new("alice", "10.0.0.1", rng.seed(), &trace));
    let bob = world.add("10.0.0.2", Phone::new("bob", "10.0.0.2", rng.seed(), &trace));
    for _ in 0..40 {
        let pair = if rng.chance(0.5) { (alice, bob) } else { (bob, alice) };
        act(&mut rng, &mut world, pair.0, pair.1);
        let pause = if rng.chance(0.5) { Duration::from_millis(80) } else { Duration::from_secs(3) };
        world.run_for(rng.duration(pause));
    }
    // Nobody touches anything: what is not answered ends with its caller's patience, the rest settles.
    for who in [alice, bob] {
        let now = world.now();
        let phone = world.node(who);
        for (id, view) in phone.calls.clone() {
            if view == View::Waiting {
                // Only who placed it can give it up; refusing is the callee's.
                let _ = phone.agent.hang_up(now, id);
            }
        }
        phone.collect();
    }
    world.run_for(4 * PATIENCE);
    let (ours, theirs) = (standing(world.node(alice)), standing(world.node(bob)));
    assert_eq!(ours, theirs, "both ends agree which calls stand");
    for who in [alice, bob] {
        let phone = world.node(who);
        assert!(phone.calls.values().all(|view| *view != View::Waiting), "{}: nothing hangs", phone.name);
    }
    let now = world.now();
    let phone = world.node(alice);
    for (id, view) in phone.calls.clone() {
        if view != View::Over {
            phone.agent.hang_up(now, id).expect("it stands");
        }
    }
    phone.collect();
    assert!(world.run_until_quiet(Duration::from_secs(600)), "the world falls silent");
    for who in [alice, bob] {
        let phone = world.node(who);
        assert!(phone.is_quiet(), "{}: every call has ended", phone.name);
        assert!(phone.agent.is_idle(), "{}: nothing leaks: {:#?}", phone.name, phone.agent);
        let ended = phone.events.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
        assert_eq!(ended, phone.calls.len(), "{}: each call ends once", phone.name);
        for event in &phone.events {
            let Event::Ended { by: Side::Error, reason, .. } = event else { continue };
            assert!(
                !reason.contains("never acknowledged"),
                "{}: a repeated 200 brings a repeated ACK",
                phone.name
            );
        }
    }
}

// rfc: 3261 §15 — however messages are lost, doubled and reordered, both ends agree in the end
#[test]
fn both_ends_agree_whatever_the_network_and_the_users_do() {
    let mut failed = Vec::new();
    for seed in 0..250 {
        if std::panic::catch_unwind(|| play(seed)).is_err() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?}");
}

// rfc: 3261 §14.1 — two users who hold at the same moment both succeed, or one is told that it failed
#[test]
fn glare_settles_for_both() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let trace = Trace::default();
        let mut world = World::new(seed, Impairment::default().jitter(Duration::from_millis(20)));
        let alice = world.add("10.0.0.1", Phone::new("alice", "10.0.0.1", rng.seed(), &trace));
        let bob = world.add("10.0.0.2", Phone::new("bob", "10.0.0.2", rng.seed(), &trace));
        let target = world.node(bob).uri();
        let now = world.now();
        let invite: Invite = world.node(alice).invite(target);
        let call = world.node(alice).dial(now, invite);
        world.run_for(Duration::from_millis(100));
        let now = world.now();
        let incoming = world.node(bob).last_call();
        ring(world.node(bob), now, incoming);
        answer(world.node(bob), now, incoming);
        world.run_for(Duration::from_secs(1));
        let now = world.now();
        for (who, id) in [(alice, call), (bob, incoming)] {
            world.node(who).agent.set_direction(now, id, Direction::SendOnly).unwrap();
            world.node(who).collect();
        }
        world.run_for(Duration::from_secs(30));
        for (who, id) in [(alice, call), (bob, incoming)] {
            let phone = world.node(who);
            assert_eq!(phone.calls[&id], View::Up, "seed {seed}");
            let changes = phone
                .events
                .iter()
                .filter(|event| matches!(event, Event::MediaChanged { .. } | Event::ChangeFailed { .. }));
            assert!(changes.count() >= 2, "seed {seed}: each sees its own change and the other's");
        }
        let ours = world.node(alice).agent.direction(call);
        let theirs = world.node(bob).agent.direction(incoming);
        assert_eq!(ours, theirs.map(Direction::reversed), "seed {seed}: both see the same media");
    }
}
