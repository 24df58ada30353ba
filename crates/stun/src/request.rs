//! When a request is sent again ([RFC 8489 §6.2.1]).
//!
//! [RFC 8489 §6.2.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1

use std::time::{Duration, Instant};

/// The schedule: by default at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and failed at 39.5 s.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timing {
    /// RTO, the wait after the first request; it doubles with each. Default 500 ms.
    pub rto: Duration,
    /// Rc, how many requests are sent. Default 7.
    pub requests: u32,
    /// Rm, how many times RTO to wait after the last. Default 16.
    pub last_wait: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), requests: 7, last_wait: 16 }
    }
}

impl Timing {
    /// Sets RTO; below 500 ms only in networks that are known.
    #[must_use]
    pub fn rto(self, rto: Duration) -> Self {
        Self { rto, ..self }
    }

    /// Sets how many requests are sent at most.
    #[must_use]
    pub fn requests(self, requests: u32) -> Self {
        Self { requests, ..self }
    }

    /// How long to wait after the request with this number, counted from 1.
    fn wait(&self, sent: u32) -> Duration {
        if sent >= self.requests {
            self.rto.saturating_mul(self.last_wait)
        } else {
            self.rto.saturating_mul(1_u32.checked_shl(sent - 1).unwrap_or(u32::MAX))
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    Nothing,
    Resend,
    TimedOut,
}

/// Where a request stands in its schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    sent: u32,
    next: Instant,
}

impl Schedule {
    /// The first request is sent at `now`.
    pub(crate) fn new(now: Instant, timing: Timing) -> Self {
        Self { timing, sent: 1, next: now + timing.wait(1) }
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// What is due at `now`. A driver that wakes late finds one request due, not all that it has missed.
    pub(crate) fn advance(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Nothing;
        }
        if self.sent >= self.timing.requests {
            return Due::TimedOut;
        }
        self.sent += 1;
        self.next = now + self.timing.wait(self.sent);
        Due::Resend
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Clock;

    // rfc: 8489 §6.2.1 — requests at 0, 500, 1500, 3500, 7500, 15500, 31500 ms, failure at 39500 ms
    #[test]
    fn the_schedule_is_the_example_of_the_rfc() {
        let mut clock = Clock::new();
        let mut schedule = Schedule::new(clock.now(), Timing::default());
        let mut at = vec![0];
        loop {
            assert_eq!(schedule.advance(clock.now()), Due::Nothing);
            clock.advance_to(schedule.next());
            at.push(clock.elapsed().as_millis());
            if schedule.advance(clock.now()) == Due::TimedOut {
                break;
            }
        }
        assert_eq!(at, [0, 500, 1500, 3500, 7500, 15500, 31500, 39500]);
    }

    #[test]
    fn one_request_is_sent_once() {
        let mut clock = Clock::new();
        let mut schedule = Schedule::new(clock.now(), Timing::default().requests(1));
        clock.advance(Duration::from_secs(8));
        assert_eq!(schedule.advance(clock.now()), Due::TimedOut);
    }
}
