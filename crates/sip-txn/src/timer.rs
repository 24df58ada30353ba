//! THE TIMER TABLE ([RFC 3261 table 4], with [RFC 6026] and [RFC 4320]): [`Timer`], [`Timing`] and the queues they wait in.
//!
//! A transaction keeps its few running timers in [`Timers`]. The layer keeps [`Wakeups`]: one queue for each length of
//! wait. All waits of one length end in the order in which they began, so both ends of a queue cost nothing to reach.
//!
//! [RFC 3261 table 4]: https://www.rfc-editor.org/rfc/rfc3261#appendix-A
//! [RFC 6026]: https://www.rfc-editor.org/rfc/rfc6026
//! [RFC 4320]: https://www.rfc-editor.org/rfc/rfc4320

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The timers of the four transactions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timer {
    /// Resends the INVITE over UDP: first after T1, then twice as late each time ([RFC 3261 §17.1.1.2]).
    ///
    /// [RFC 3261 §17.1.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.2
    A,
    /// Gives up an INVITE without any response: 64·T1. Also one that was cancelled ([RFC 3261 §9.1]).
    ///
    /// [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    B,
    /// Absorbs repeated failure responses to an INVITE: 32 s over UDP, none elsewhere.
    D,
    /// Resends a request over UDP: after T1, twice as late each time up to T2; every T2 once a 1xx came.
    E,
    /// Gives up a request without a final response: 64·T1.
    F,
    /// Resends a failure response to an INVITE over UDP: after T1, twice as late each time up to T2.
    G,
    /// Waits for the ACK to a failure response: 64·T1.
    H,
    /// Absorbs repeated ACKs: T4 over UDP, none elsewhere.
    I,
    /// Answers a repeated request again: 64·T1 over UDP, none elsewhere.
    J,
    /// Absorbs repeated responses: T4 over UDP, none elsewhere.
    K,
    /// Absorbs a repeated INVITE behind a 2xx: 64·T1 ([RFC 6026 §7.1]).
    ///
    /// [RFC 6026 §7.1]: https://www.rfc-editor.org/rfc/rfc6026#section-7.1
    L,
    /// Takes further 2xx to an INVITE: 64·T1 ([RFC 6026 §7.2]).
    ///
    /// [RFC 6026 §7.2]: https://www.rfc-editor.org/rfc/rfc6026#section-7.2
    M,
    /// Sends 100 for a silent application: 200 ms to an INVITE ([RFC 3261 §17.2.1]).
    ///
    /// [RFC 3261 §17.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-17.2.1
    Trying,
    /// Sends 100 for a silent application to any other request: when Timer E reaches T2, 3.5 s ([RFC 4320 §4.1]).
    ///
    /// [RFC 4320 §4.1]: https://www.rfc-editor.org/rfc/rfc4320#section-4.1
    LateTrying,
    /// Forgets a request other than an INVITE that the application has not answered: its client has given up. 64·T1
    /// ([RFC 4320 §4.2]).
    ///
    /// [RFC 4320 §4.2]: https://www.rfc-editor.org/rfc/rfc4320#section-4.2
    Expiry,
}

/// The base values of all timers ([RFC 3261 §17.1.1.1]).
///
/// [RFC 3261 §17.1.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.1
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// Estimate of a round trip; 500 ms.
    pub t1: Duration,
    /// Longest time between two retransmissions of a non-INVITE request or an INVITE's failure response; 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network; 5 s.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// 64·T1: how long a transaction may take.
    #[must_use]
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// How long a timer waits at first; `None`: it does not run over this kind of transport.
    #[must_use]
    pub fn first_wait(&self, timer: Timer, reliable: bool) -> Option<Duration> {
        let over_udp = |wait| if reliable { Duration::ZERO } else { wait };
        match timer {
            Timer::A | Timer::E | Timer::G => (!reliable).then_some(self.t1),
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M | Timer::Expiry => Some(self.give_up()),
            Timer::D => Some(over_udp(self.give_up().max(Duration::from_secs(32)))),
            Timer::J => Some(over_udp(self.give_up())),
            Timer::I | Timer::K => Some(over_udp(self.t4)),
            Timer::Trying => Some(Duration::from_millis(200)),
            Timer::LateTrying => Some(self.t2.saturating_sub(self.t1)),
        }
    }

    /// The wait after `wait`, of a timer that resends.
    #[must_use]
    pub fn next_wait(&self, timer: Timer, wait: Duration) -> Duration {
        let doubled = wait.saturating_mul(2);
        match timer {
            Timer::E | Timer::G => doubled.min(self.t2),
            Timer::A
            | Timer::B
            | Timer::D
            | Timer::F
            | Timer::H
            | Timer::I
            | Timer::J
            | Timer::K
            | Timer::L
            | Timer::M
            | Timer::Trying
            | Timer::LateTrying
            | Timer::Expiry => doubled,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Running {
    timer: Timer,
    at: Instant,
    wait: Duration,
    /// Not yet told to the owner.
    fresh: bool,
}

/// The running timers of one transaction: two at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    running: [Option<Running>; 2],
}

impl Timers {
    /// Starts a timer, again if it runs already.
    pub(crate) fn start(&mut self, now: Instant, timer: Timer, wait: Duration) {
        self.stop(timer);
        let Some(at) = now.checked_add(wait) else { return };
        if let Some(free) = self.running.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(Running { timer, at, wait, fresh: true });
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        for slot in &mut self.running {
            if slot.is_some_and(|running| running.timer == timer) {
                *slot = None;
            }
        }
    }

    pub(crate) fn stop_all(&mut self) {
        self.running = [None, None];
    }

    /// The earliest timer whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let slot = self
            .running
            .iter_mut()
            .filter(|slot| slot.is_some())
            .min_by_key(|slot| slot.map(|timer| timer.at))?;
        let running = slot.filter(|running| running.at <= now)?;
        *slot = None;
        Some(running.timer)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.running.iter().flatten().map(|running| running.at).min()
    }

    /// Whether a timer ends at this very time.
    pub(crate) fn ends_at(&self, at: Instant) -> bool {
        self.running.iter().flatten().any(|running| running.at == at)
    }

    /// A timer that was started since the last call: how long it waits, and until when.
    pub(crate) fn poll_started(&mut self) -> Option<(Duration, Instant)> {
        let running = self.running.iter_mut().flatten().find(|running| running.fresh)?;
        running.fresh = false;
        Some((running.wait, running.at))
    }

    /// Tells all running timers once more: the transaction has moved to another place.
    pub(crate) fn renew(&mut self) {
        self.running.iter_mut().flatten().for_each(|running| running.fresh = true);
    }
}

/// When to look at what: one queue for each length of wait, in the order of their ends.
#[derive(Debug)]
pub(crate) struct Wakeups<T> {
    queues: Vec<(Duration, VecDeque<(Instant, T)>)>,
}

impl<T: Copy> Wakeups<T> {
    pub(crate) const fn new() -> Self {
        Self { queues: Vec::new() }
    }

    pub(crate) fn push(&mut self, wait: Duration, at: Instant, what: T) {
        match self.queues.iter_mut().find(|(length, _)| *length == wait) {
            Some((_, queue)) => queue.push_back((at, what)),
            None => self.queues.push((wait, VecDeque::from([(at, what)]))),
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queues.iter().filter_map(|(_, queue)| queue.front()).map(|(at, _)| *at).min()
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let queue = self
            .queues
            .iter_mut()
            .map(|(_, queue)| queue)
            .filter(|queue| queue.front().is_some_and(|(at, _)| *at <= now))
            .min_by_key(|queue| queue.front().map(|(at, _)| *at))?;
        queue.pop_front().map(|(_, what)| what)
    }

    /// Drops from the front of each queue what nobody waits for any more, so that it wakes nobody.
    ///
    /// A queue that is mostly dead is swept whole: its length stays in proportion to what is alive.
    pub(crate) fn prune(&mut self, live: usize, is_wanted: impl Fn(T, Instant) -> bool) {
        for (_, queue) in &mut self.queues {
            while queue.front().is_some_and(|(at, what)| !is_wanted(*what, *at)) {
                queue.pop_front();
            }
            if queue.len() > 1024 + 4 * live {
                queue.retain(|(at, what)| is_wanted(*what, *at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(duration: Option<Duration>) -> Option<f64> {
        duration.map(|duration| duration.as_secs_f64())
    }

    // rfc: 3261 §17.1.1.2 — Timer A starts at T1 over UDP only, B at 64·T1, D at 32 s over UDP and 0 elsewhere
    // rfc: 3261 §17.1.2.2 — Timers E, F and K
    // rfc: 3261 §17.2.1 — Timers G, H and I
    // rfc: 3261 §17.2.2 — Timer J
    // rfc: 6026 §7.1 — Timer L is 64·T1 on any transport
    // rfc: 6026 §7.2 — Timer M is 64·T1 on any transport
    // rfc: 4320 §4.1 — a late 100 goes out when Timer E reaches T2
    #[test]
    fn first_waits_are_those_of_table_4() {
        let table = [
            (Timer::A, Some(0.5), None),
            (Timer::B, Some(32.0), Some(32.0)),
            (Timer::D, Some(32.0), Some(0.0)),
            (Timer::E, Some(0.5), None),
            (Timer::F, Some(32.0), Some(32.0)),
            (Timer::G, Some(0.5), None),
            (Timer::H, Some(32.0), Some(32.0)),
            (Timer::I, Some(5.0), Some(0.0)),
            (Timer::J, Some(32.0), Some(0.0)),
            (Timer::K, Some(5.0), Some(0.0)),
            (Timer::L, Some(32.0), Some(32.0)),
            (Timer::M, Some(32.0), Some(32.0)),
            (Timer::Trying, Some(0.2), Some(0.2)),
            (Timer::LateTrying, Some(3.5), Some(3.5)),
            (Timer::Expiry, Some(32.0), Some(32.0)),
        ];
        let timing = Timing::default();
        for (timer, unreliable, reliable) in table {
            assert_eq!(seconds(timing.first_wait(timer, false)), unreliable, "{timer:?} over UDP");
            assert_eq!(seconds(timing.first_wait(timer, true)), reliable, "{timer:?} over TCP");
        }
    }

    // rfc: 3261 §17.1.1.2 — Timer A doubles without a cap
    // rfc: 3261 §17.1.2.2 — Timer E doubles up to T2
    #[test]
    fn resends_back_off() {
        let timing = Timing::default();
        let waits = |timer| {
            let first = timing.first_wait(timer, false);
            std::iter::successors(first, move |wait| Some(timing.next_wait(timer, *wait)))
                .take(6)
                .map(|wait| wait.as_secs_f64())
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(Timer::A), [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]);
        assert_eq!(waits(Timer::E), [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]);
        assert_eq!(waits(Timer::G), waits(Timer::E));
    }

    #[test]
    fn timers_come_due_in_order_and_only_once() {
        let start = testkit::Clock::new().now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut timers = Timers::default();
        timers.start(start, Timer::F, Duration::from_millis(300));
        timers.start(start, Timer::E, Duration::from_millis(200));
        timers.start(start, Timer::E, Duration::from_millis(100));
        assert_eq!(timers.next(), Some(after(100)));
        assert_eq!(timers.pop_due(after(99)), None);
        assert_eq!(timers.pop_due(after(500)), Some(Timer::E));
        assert_eq!(timers.pop_due(after(500)), Some(Timer::F));
        assert_eq!((timers.pop_due(after(500)), timers.next()), (None, None));
    }

    #[test]
    fn wakeups_come_in_the_order_of_time_and_dead_ones_wake_nobody() {
        let start = testkit::Clock::new().now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut wakeups = Wakeups::new();
        for (number, wait) in [(1, 300), (2, 100), (3, 300), (4, 100)] {
            wakeups.push(Duration::from_millis(wait), after(wait + number), number);
        }
        assert_eq!(wakeups.next(), Some(after(102)));
        assert_eq!(wakeups.pop_due(after(400)), Some(2));
        wakeups.prune(1, |number, _| number == 3);
        assert_eq!(wakeups.next(), Some(after(303)));
        assert_eq!(wakeups.pop_due(after(302)), None);
        assert_eq!(wakeups.pop_due(after(303)), Some(3));
        assert_eq!(wakeups.next(), None);
    }
}
