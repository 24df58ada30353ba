//! Two to five agents behind a forking proxy, whose users do as they please, over a network that loses, doubles and
//! reorders.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::phone::{Phone, Trace, View, plan};
use crate::proxy::Proxy;
use crate::{accept, any_ring, not_over};
use sdp::Direction;
use sip_msg::{StatusCode, Uri};
use sip_ua::{Account, Credentials, Event, RegistrationId, Side};
use testkit::{Impairment, NodeId, Rng, World};

type Party = crate::party::Party<Proxy>;

const PROXY: &str = "10.0.0.100";
const PATIENCE: Duration = Duration::from_secs(32);
/// Who is at which address: bob and carol have several phones.
const PHONES: [(&str, &str); 5] = [
    ("alice", "10.0.0.1"),
    ("bob", "10.0.0.2"),
    ("bob", "10.0.0.3"),
    ("bob", "10.0.0.4"),
    ("carol", "10.0.0.5"),
];

struct Town {
    world: World<Party>,
    phones: Vec<(NodeId, RegistrationId)>,
    rng: Rng,
}

fn aor(user: &str) -> Uri {
    format!("sip:{user}@{PROXY}").parse().expect("a URI")
}

impl Town {
    /// Phones that have registered over a good network, which then turns bad.
    fn new(seed: u64, impairment: Impairment) -> Self {
        let mut rng = Rng::new(seed);
        let trace = Trace::default();
        let mut world = World::new(seed, Impairment::default());
        let ring_time = Duration::from_secs(if rng.chance(0.5) { 2 } else { 20 });
        let users = ["alice", "bob", "carol"];
        let proxy = Proxy::new(world.now(), PROXY, rng.seed(), &users, |config| config.ring_time(ring_time));
        world.add(PROXY, Party::Proxy(Box::new(proxy)));
        let count = 2 + usize::try_from(rng.below(4)).expect("at most three");
        let phones = PHONES.iter().take(count).map(|(user, ip)| {
            let phone = Phone::new(user, ip, rng.seed(), &trace);
            let id = world.add(ip, Party::Phone(Box::new(phone)));
            let now = world.now();
            let account = Account::new(aor(user)).credentials(Credentials::new(*user, *user));
            let phone = world.node(id).phone();
            let registration = phone.agent.register(now, account).expect("it can be sent");
            phone.collect();
            (id, registration)
        });
        let phones = phones.collect();
        world.run_for(Duration::from_secs(2));
        *world.link() = testkit::Link::new(seed, impairment);
        Self { world, phones, rng }
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = usize::try_from(self.rng.below(choices.len().max(1) as u64)).ok()?;
        choices.get(at).copied()
    }

    /// One step of one user: something with one of the calls, or a new one.
    fn act(&mut self) {
        let phones = self.phones.clone();
        let (Some((who, _)), Some((other, _))) = (self.pick(&phones), self.pick(&phones)) else { return };
        let now = self.world.now();
        let target = aor(self.world.node(other).phone().name);
        let live = not_over(self.world.node(who).phone());
        let picked = self.pick(&live);
        let direction = self.pick(&[Direction::SendOnly, Direction::Inactive, Direction::SendRecv]);
        let direction = direction.expect("one of three");
        let (choice, late, impatient) = (self.rng.below(10), self.rng.chance(0.2), self.rng.chance(0.3));
        let ring_timeout = self.rng.duration(Duration::from_secs(8));
        let (ring, all) = (any_ring(&mut self.rng), self.rng.chance(0.3));
        let phone = self.world.node(who).phone();
        // What a state does not allow is refused with an error, which is as it should be.
        match (choice, picked) {
            (0 | 1, _) | (_, None) if live.len() < 3 => {
                let credentials = Credentials::new(phone.name, phone.name);
                let invite = sip_ua::Invite::new(sip_msg::NameAddr::new(aor(phone.name)), target);
                let invite = invite.credentials(credentials);
                let invite = if late { invite.late_offer() } else { invite };
                let invite = if all { invite.forks(sip_ua::Forks::All) } else { invite };
                let invite = if impatient { invite.ring_timeout(ring_timeout) } else { invite };
                phone.dial(now, invite);
            }
            (0..=2, Some((id, _))) => drop(phone.agent.ring(now, id, ring)),
            (3 | 4, Some((id, View::Waiting))) => accept(&mut self.rng, phone, now, id),
            (5, Some((id, View::Waiting))) => drop(phone.agent.reject(now, id, StatusCode::BUSY_HERE)),
            (3..=6, Some((id, _))) => drop(phone.agent.set_direction(now, id, direction)),
            (7, Some((id, _))) => drop(phone.agent.info(now, id, "application/dtmf", "5")),
            (_, Some((id, _))) => drop(phone.agent.hang_up(now, id)),
            (_, None) => {}
        }
        phone.collect();
    }

    /// The dialogs that stand, as Call-ID, own tag, other tag, of each phone.
    fn standing(&mut self) -> BTreeSet<(String, String, String)> {
        let mut standing = BTreeSet::new();
        for (who, _) in &self.phones {
            let phone = self.world.node(*who).phone();
            for (id, _) in phone.calls.iter().filter(|(_, view)| **view == View::Up) {
                let dialog = phone.agent.dialog(*id).expect("a standing call");
                let tags = (dialog.local_tag().to_owned(), dialog.remote_tag().to_owned());
                standing.insert((dialog.call_id().to_string(), tags.0, tags.1));
            }
        }
        standing
    }

    fn hang_up(&mut self, which: View) {
        for (who, _) in self.phones.clone() {
            let now = self.world.now();
            let phone = self.world.node(who).phone();
            for (id, view) in phone.calls.clone() {
                if view == which {
                    // Only who placed it can give it up; refusing is the callee's.
                    let _ = phone.agent.hang_up(now, id);
                }
            }
            phone.collect();
        }
    }
}

/// Plays a seed, and gives how many calls stood at some time, as their callers saw it.
fn play(seed: u64) -> usize {
    let impairment =
        Impairment::default().jitter(Duration::from_millis(30)).loss(0.1).double(0.1).reorder(0.2);
    let mut town = Town::new(seed, impairment);
    for _ in 0..50 {
        town.act();
        let pause = if town.rng.chance(0.5) { Duration::from_millis(80) } else { Duration::from_secs(3) };
        let pause = town.rng.duration(pause);
        town.world.run_for(pause);
    }
    town.hang_up(View::Waiting);
    town.world.run_for(4 * PATIENCE);
    let standing = town.standing();
    for (call_id, ours, theirs) in &standing {
        let mirrored = (call_id.clone(), theirs.clone(), ours.clone());
        assert!(standing.contains(&mirrored), "{call_id}: both ends agree whether it is up");
    }
    for (who, _) in town.phones.clone() {
        let phone = town.world.node(who).phone();
        assert!(phone.calls.values().all(|view| *view != View::Waiting), "{}: nothing hangs", phone.name);
    }
    town.hang_up(View::Up);
    town.world.run_for(4 * PATIENCE);
    for (who, registration) in town.phones.clone() {
        let now = town.world.now();
        let phone = town.world.node(who).phone();
        phone.agent.unregister(now, registration).expect("it is registered");
        phone.collect();
    }
    assert!(town.world.run_until_quiet(Duration::from_secs(4000)), "the world falls silent");
    let mut stood = 0;
    for (who, _) in town.phones.clone() {
        let phone = town.world.node(who).phone();
        stood += phone.events.iter().filter(|event| matches!(event, Event::Answered { .. })).count();
        assert!(phone.is_quiet(), "{}: every call has ended", phone.name);
        assert!(phone.agent.is_idle(), "{}: nothing leaks: {:#?}", phone.name, phone.agent);
        let ended = phone.events.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
        assert_eq!(ended, phone.calls.len(), "{}: each call ends once", phone.name);
        for event in &phone.events {
            let Event::Ended { by: Side::Error, reason, .. } = event else { continue };
            assert!(!reason.contains("never acknowledged"), "{}: a repeated 200 brings an ACK", phone.name);
        }
    }
    stood
}

// rfc: 3261 §16.7 — whatever a forking proxy, its network and all users do: every call ends for both, or stands for both
#[test]
fn calls_through_a_forking_proxy_stand_for_both_or_for_none() {
    let (mut failed, mut stood) = (Vec::new(), 0);
    for seed in 0..200 {
        match std::panic::catch_unwind(|| play(seed)) {
            Ok(calls) => stood += calls,
            Err(_) => failed.push(seed),
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?}");
    assert!(stood > 200, "only {stood} calls were answered at all");
}

// rfc: 3261 §13.2.2.4 — two phones that answer at the same moment: the caller keeps one and hangs up on the other
#[test]
fn of_two_that_answer_one_is_kept() {
    for seed in 0..100 {
        let mut town = Town::new(seed, Impairment::default().jitter(Duration::from_millis(5)));
        while town.phones.len() < 4 {
            // Another town, with more phones in it.
            let next = town.rng.below(u64::MAX);
            town = Town::new(next, Impairment::default().jitter(Duration::from_millis(5)));
        }
        let (alice, bobs) = (town.phones[0].0, [town.phones[1].0, town.phones[2].0, town.phones[3].0]);
        let now = town.world.now();
        let phone = town.world.node(alice).phone();
        let invite = sip_ua::Invite::new(sip_msg::NameAddr::new(aor("alice")), aor("bob"));
        let call = phone.dial(now, invite.credentials(Credentials::new("alice", "alice")));
        town.world.run_for(Duration::from_millis(100));
        for bob in bobs {
            let now = town.world.now();
            let phone = town.world.node(bob).phone();
            let id = phone.last_call();
            phone.agent.accept(now, id, plan()).expect("it rings everywhere");
            phone.collect();
        }
        town.world.run_for(Duration::from_secs(2));
        assert_eq!(town.world.node(alice).phone().calls[&call], View::Up, "seed {seed}");
        let up = bobs
            .iter()
            .filter(|bob| town.world.node(**bob).phone().calls.values().any(|view| *view == View::Up));
        assert_eq!(up.count(), 1, "seed {seed}");
        assert_eq!(town.standing().len(), 2, "seed {seed}");
        town.world.node(alice).phone().owes_no_ack();
    }
}
