//! Two agents in one long call, held, resumed, updated and refreshed by both at will, over a network that loses, doubles
//! and reorders: offers never cross, both agree in the end, and the session ends exactly when one of them is gone.

#[path = "support/phone.rs"]
mod phone;

use std::time::{Duration, Instant};

use phone::{Phone, Trace, View, answer, ring};
use sdp::Direction;
use sip_msg::SessionExpires;
use sip_ua::{Agent, DialogId, Event, Refresher, SessionTimer, Side};
use testkit::{Datagram, Impairment, Node, NodeId, Rng, World};

const SECOND: Duration = Duration::from_secs(1);

/// A phone, or one that does not say that it takes UPDATE: it is refreshed by re-INVITE.
struct Party {
    phone: Phone,
    hides_update: bool,
}

impl Node for Party {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        self.phone.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.phone.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.phone.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        let datagram = self.phone.poll_transmit()?;
        if !self.hides_update {
            return Some(datagram);
        }
        let text = String::from_utf8(datagram.bytes).expect("SIP and SDP are text");
        Some(Datagram { bytes: text.replacen(" UPDATE,", "", 1).into_bytes(), ..datagram })
    }
}

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    let at = usize::try_from(rng.below(choices.len() as u64)).expect("a small number");
    *choices.get(at).expect("it is below their number")
}

fn party(rng: &mut Rng, name: &'static str, ip: &str, trace: &Trace) -> (Party, Option<Duration>) {
    let interval = pick(rng, &[None, Some(90), Some(120), Some(300)]).map(Duration::from_secs);
    let timer = SessionTimer::default()
        .interval(interval)
        .min(Duration::from_secs(pick(rng, &[90, 100])))
        .refresher(pick(rng, &[Refresher::Auto, Refresher::Us, Refresher::Peer]));
    let mut phone = Phone::new(name, ip, rng.seed(), trace);
    phone.agent = Agent::new(phone.agent.config().clone().session_timer(timer));
    (Party { phone, hides_update: rng.chance(0.3) }, interval)
}

/// A call between two that stands.
struct Lab {
    rng: Rng,
    world: World<Party>,
    ends: [(NodeId, DialogId); 2],
    /// The longest that the session can stand without a refresh; `None`: nobody asked for a timer.
    interval: Option<Duration>,
}

impl Lab {
    fn new(seed: u64, impairment: Impairment) -> Self {
        let mut rng = Rng::new(seed);
        let trace = Trace::default();
        let mut world = World::new(seed, impairment);
        let (alice, hers) = party(&mut rng, "alice", "10.0.0.1", &trace);
        let (bob, his) = party(&mut rng, "bob", "10.0.0.2", &trace);
        let (alice, bob) = (world.add("10.0.0.1", alice), world.add("10.0.0.2", bob));
        let target = world.node(bob).phone.uri();
        let now = world.now();
        let phone = &mut world.node(alice).phone;
        let invite = phone.invite(target);
        let invite = if rng.chance(0.2) { invite.late_offer() } else { invite };
        let call = phone.dial(now, invite);
        assert!(world.run_until(60 * SECOND, |world| !world.node(bob).phone.calls.is_empty()), "it rings");
        let now = world.now();
        let phone = &mut world.node(bob).phone;
        let incoming = phone.last_call();
        ring(phone, now, incoming);
        answer(phone, now, incoming);
        let up = world.run_until(60 * SECOND, |world| {
            [(alice, call), (bob, incoming)]
                .iter()
                .all(|(who, id)| world.node(*who).phone.calls.get(id) == Some(&View::Up))
        });
        assert!(up, "the call stands on both sides");
        let interval = hers.max(his).map(|interval| interval.max(Duration::from_secs(100)));
        Self { rng, world, ends: [(alice, call), (bob, incoming)], interval }
    }

    /// One user does something; what the state does not allow is refused with an error, as it should be.
    fn act(&mut self, who: NodeId, id: DialogId) {
        let now = self.world.now();
        let phone = &mut self.world.node(who).phone;
        let direction = pick(&mut self.rng, &[Direction::SendOnly, Direction::Inactive, Direction::SendRecv]);
        let _ = match self.rng.below(6) {
            0 | 1 => phone.agent.set_direction(now, id, direction),
            2 => phone.agent.update(now, id, Some(direction)),
            3 => phone.agent.update(now, id, None),
            4 => phone.agent.reoffer(now, id),
            _ => phone.agent.request_offer(now, id),
        };
        phone.collect();
    }

    fn views(&mut self) -> [View; 2] {
        self.ends.map(|(who, id)| self.world.node(who).phone.calls.get(&id).copied().expect("a call"))
    }

    fn ending(&mut self, who: NodeId) -> String {
        let events = &self.world.node(who).phone.events;
        let ended = events.iter().find_map(|event| {
            let Event::Ended { by, reason, .. } = event else { return None };
            Some(format!("{by:?}: {reason}"))
        });
        ended.unwrap_or_default()
    }
}

fn bad_network() -> Impairment {
    Impairment::default().jitter(Duration::from_millis(40)).loss(0.1).double(0.1).reorder(0.2)
}

fn play(seed: u64) {
    let mut lab = Lab::new(seed, bad_network());
    for _ in 0..30 {
        let [first, second] = lab.ends;
        let both = lab.rng.chance(0.3);
        if lab.rng.chance(0.7) {
            let (who, id) = pick(&mut lab.rng, &[first, second]);
            lab.act(who, id);
        } else if both {
            lab.act(first.0, first.1);
            lab.act(second.0, second.1);
        }
        let pause = pick(&mut lab.rng, &[SECOND / 5, 5 * SECOND, 200 * SECOND]);
        let pause = lab.rng.duration(pause);
        lab.world.run_for(pause);
        let why = [lab.ending(first.0), lab.ending(second.0)];
        assert_eq!(lab.views(), [View::Up; 2], "it stands as long as both are there: {why:?}");
    }
    lab.world.run_for(120 * SECOND);
    let [ours, theirs] =
        lab.ends.map(|(who, id)| lab.world.node(who).phone.agent.direction(id).expect("a call that stands"));
    assert_eq!(ours, theirs.reversed(), "both see the same media");

    lab.world.link().impair(Impairment::default().loss(1.0));
    let Some(interval) = lab.interval else {
        // Nobody has asked for a timer: silence is no reason to end.
        lab.world.run_for(3600 * SECOND);
        return assert_eq!(lab.views(), [View::Up; 2]);
    };
    lab.world.run_for(interval);
    assert_eq!(lab.views(), [View::Over; 2], "it ends within the interval where the other end is gone");
    lab.world.run_for(120 * SECOND);
    for (who, _) in lab.ends {
        let phone = &lab.world.node(who).phone;
        assert!(
            phone.is_quiet() && phone.agent.is_idle(),
            "{}: nothing leaks: {:#?}",
            phone.name,
            phone.agent
        );
        let by = phone.events.iter().find_map(|event| {
            let Event::Ended { by, .. } = event else { return None };
            Some(*by)
        });
        assert_eq!(by, Some(Side::Error));
    }
}

// rfc: 4028 §10 — a session is refreshed as long as both ends live, and ends within its interval when one is gone
// rfc: 3264 §4 — one offer at a time, whoever changes what and when
#[test]
fn both_agree_on_every_change_and_on_the_end() {
    let mut failed = Vec::new();
    for seed in 0..200 {
        if std::panic::catch_unwind(|| play(seed)).is_err() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?}");
}

// rfc: 4028 §7.4 — on a good network too each refresh is one exchange: nobody refreshes more often than needed
#[test]
fn a_quiet_call_is_refreshed_twice_in_an_interval_and_no_more() {
    for seed in 0..60 {
        let mut lab = Lab::new(seed, Impairment::default());
        let Some(interval) = lab.interval else { continue };
        let answered = lab.world.node(lab.ends[0].0).phone.events.iter().find_map(|event| {
            let Event::Answered { response, .. } = event else { return None };
            Some(response.headers().require::<SessionExpires>())
        });
        let session = Duration::from_secs(answered.expect("an answer").expect("with a timer").seconds.into());
        assert!(session <= interval);
        let before = lab.ends.map(|(who, _)| lab.world.node(who).phone.events.len());
        lab.world.run_for(20 * session);
        assert_eq!(lab.views(), [View::Up; 2], "seed {seed}");
        for ((who, _), before) in lab.ends.into_iter().zip(before) {
            let mut events = lab.world.node(who).phone.events.iter().skip(before);
            let refreshes = events.clone().count();
            assert!(events.all(|event| matches!(event, Event::SessionRefreshed { .. })), "seed {seed}");
            assert!((38..=40).contains(&refreshes), "seed {seed}: {refreshes}");
        }
    }
}
