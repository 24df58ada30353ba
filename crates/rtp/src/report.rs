//! When to send RTCP ([RFC 3550 §6.3], [RFC 3550 §A.7]): a timer that adapts to the number of members, with
//! reconsideration both ways, and the back-off of BYE in large sessions.
//!
//! [RFC 3550 §6.3]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3
//! [RFC 3550 §A.7]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.7

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Part of the RTCP bandwidth that senders share.
const SENDER_SHARE: f64 = 0.25;
/// e − 3/2: makes up for reconsideration, which settles below the bandwidth aimed at.
const COMPENSATION: f64 = 1.218_28;
/// Members above which a BYE has to wait its turn.
const BYE_AT_ONCE_MEMBERS: usize = 50;
/// No interval is longer, whatever the configuration: an hour.
const LONGEST_SECONDS: f64 = 3_600.0;

/// How much RTCP a session may send.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReportConfig {
    /// Bandwidth for RTCP of all members, in octets a second: 5 % of that of the session. 500, of G.711 with headers.
    pub bandwidth: f64,
    /// Least interval on average, halved for the first report; 5 s.
    pub min_interval: Duration,
    /// Octets of UDP and IP headers, which count as well; 28.
    pub overhead: usize,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self { bandwidth: 500.0, min_interval: Duration::from_secs(5), overhead: 28 }
    }
}

impl ReportConfig {
    /// Sets the bandwidth for RTCP, in octets a second.
    #[must_use]
    pub fn bandwidth(mut self, octets_per_second: f64) -> Self {
        self.bandwidth = octets_per_second;
        self
    }

    /// Sets the least interval.
    #[must_use]
    pub fn min_interval(mut self, min_interval: Duration) -> Self {
        self.min_interval = min_interval;
        self
    }

    /// Sets what UDP and IP add to a packet, in octets.
    #[must_use]
    pub fn overhead(mut self, octets: usize) -> Self {
        self.overhead = octets;
        self
    }
}

/// Decides when this participant sends its next report, or its BYE.
#[derive(Clone, Debug)]
pub struct ReportSchedule {
    config: ReportConfig,
    random: ChaCha8Rng,
    members: usize,
    members_before: usize,
    senders: usize,
    we_sent: bool,
    average_size: f64,
    initial: bool,
    leaving: bool,
    last: Instant,
    next: Instant,
}

impl ReportSchedule {
    /// A schedule for a participant that joins at `now`, alone as far as it knows.
    #[must_use]
    pub fn new(now: Instant, config: ReportConfig, seed: [u8; 32]) -> Self {
        let mut schedule = Self {
            config,
            random: ChaCha8Rng::from_seed(seed),
            members: 1,
            members_before: 1,
            senders: 0,
            we_sent: false,
            average_size: 100.0 + as_f64(config.overhead),
            initial: true,
            leaving: false,
            last: now,
            next: now,
        };
        schedule.next = now + schedule.interval();
        schedule
    }

    /// When to call [`ReportSchedule::is_due`].
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether to send now ([RFC 3550 §6.3.6]); if not, [`ReportSchedule::next`] lies later than before, as the
    /// group has grown. After sending call [`ReportSchedule::sent`].
    ///
    /// [RFC 3550 §6.3.6]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.6
    pub fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let reconsidered = self.last + self.interval();
        self.members_before = self.members;
        if reconsidered <= now {
            return true;
        }
        self.next = reconsidered;
        false
    }

    /// Notes that a compound of `octets` was sent.
    pub fn sent(&mut self, now: Instant, octets: usize) {
        self.average(octets);
        self.initial = false;
        self.last = now;
        self.next = now + self.interval();
        self.members_before = self.members;
    }

    /// Notes that a compound of `octets` came, with a BYE or without.
    pub fn received(&mut self, octets: usize, bye: bool) {
        if self.leaving {
            if !bye {
                return;
            }
            self.members += 1; // §6.3.7: it counts BYEs now
        }
        self.average(octets);
    }

    /// Sets how many members and senders there are, ourselves included; fewer members than before bring the
    /// next report forward ([RFC 3550 §6.3.4]).
    ///
    /// [RFC 3550 §6.3.4]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.4
    pub fn set_members(&mut self, now: Instant, members: usize, senders: usize) {
        if self.leaving {
            return;
        }
        self.members = members.max(1);
        self.senders = senders.min(self.members);
        if self.members < self.members_before {
            let share = as_f64(self.members) / as_f64(self.members_before);
            self.next = now + self.next.saturating_duration_since(now).mul_f64(share);
            let since = now.saturating_duration_since(self.last).mul_f64(share);
            self.last = now.checked_sub(since).unwrap_or(self.last);
            self.members_before = self.members;
        }
    }

    /// Sets whether we sent RTP since the report before the last one.
    pub fn set_we_sent(&mut self, we_sent: bool) {
        self.we_sent = we_sent && !self.leaving;
    }

    /// Starts to leave with a BYE compound of `octets`: `true` when it may be sent at once, else it is due when
    /// [`ReportSchedule::is_due`] says so ([RFC 3550 §6.3.7]).
    ///
    /// [RFC 3550 §6.3.7]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.7
    pub fn leave(&mut self, now: Instant, octets: usize) -> bool {
        if self.members <= BYE_AT_ONCE_MEMBERS {
            return true;
        }
        self.leaving = true;
        self.members = 1;
        self.members_before = 1;
        self.senders = 0;
        self.we_sent = false;
        self.initial = true;
        self.average_size = as_f64(octets.saturating_add(self.config.overhead));
        self.last = now;
        self.next = now + self.interval();
        false
    }

    /// The interval of a receiver before randomization, by which silent members time out ([RFC 3550 §6.3.5]).
    ///
    /// [RFC 3550 §6.3.5]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.5
    #[must_use]
    pub fn deterministic_interval(&self) -> Duration {
        Duration::from_secs_f64(self.deterministic(false, self.config.min_interval.as_secs_f64()))
    }

    fn average(&mut self, octets: usize) {
        let size = as_f64(octets.saturating_add(self.config.overhead));
        self.average_size += (size - self.average_size) / 16.0;
    }

    /// §6.3.1, in seconds.
    fn deterministic(&self, we_sent: bool, least: f64) -> f64 {
        let (members, senders) = (as_f64(self.members), as_f64(self.senders));
        let (count, share) = if senders > members * SENDER_SHARE {
            (members, 1.0)
        } else if we_sent {
            (senders, SENDER_SHARE)
        } else {
            (members - senders, 1.0 - SENDER_SHARE)
        };
        let bandwidth = (self.config.bandwidth * share).max(0.001);
        (self.average_size * count / bandwidth).max(least).min(LONGEST_SECONDS)
    }

    fn interval(&mut self) -> Duration {
        let least = self.config.min_interval.as_secs_f64() / if self.initial { 2.0 } else { 1.0 };
        let uniform = f64::from(self.random.next_u32()) / (f64::from(u32::MAX) + 1.0);
        Duration::from_secs_f64(self.deterministic(self.we_sent, least) * (uniform + 0.5) / COMPENSATION)
    }
}

/// Counts of members and octets, far below 2³².
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
        Instant::now()
    }

    fn schedule(now: Instant, seed: u8) -> ReportSchedule {
        ReportSchedule::new(now, ReportConfig::default(), [seed; 32])
    }

    // rfc: 3550 §6.3.2 — the first report is due after half the minimum, randomized
    // rfc: 3550 §6.3.1 — later ones after 0.5 to 1.5 times the interval, divided by e - 3/2
    #[test]
    fn intervals_are_random_within_their_range() {
        let now = start();
        let mut seen = Vec::new();
        for seed in 0..200 {
            let mut schedule = schedule(now, seed);
            let first = (schedule.next() - now).as_secs_f64();
            assert!((1.25 / COMPENSATION..3.75 / COMPENSATION).contains(&first), "{first}");
            schedule.set_members(now, 2, 1);
            schedule.sent(now, 100);
            let second = (schedule.next() - now).as_secs_f64();
            assert!((2.5 / COMPENSATION..7.5 / COMPENSATION).contains(&second), "{second}");
            seen.push(second);
        }
        let mean = seen.iter().sum::<f64>() / 200.0;
        assert!((mean - 5.0 / COMPENSATION).abs() < 0.3, "{mean}");
    }

    // rfc: 3550 §6.3.1 — the interval grows with the members; senders share a quarter of the bandwidth
    #[test]
    fn the_interval_scales_with_the_group() {
        let now = start();
        let mut schedule = schedule(now, 1);
        schedule.average_size = 125.0;
        schedule.set_members(now, 301, 1);
        // 300 receivers at 125 octets share 375 octets a second.
        assert_eq!(schedule.deterministic_interval(), Duration::from_secs(100));
        assert!((schedule.deterministic(true, 5.0) - 5.0).abs() < 1e-9);
        schedule.set_members(now, 40, 20);
        assert!((schedule.deterministic(true, 5.0) - 10.0).abs() < 1e-9);
    }

    // rfc: 3550 §6.3.6 — a report is put off when the group has grown meanwhile
    #[test]
    fn reconsideration_puts_a_report_off() {
        let now = start();
        let mut schedule = schedule(now, 1);
        schedule.set_members(now, 1_000, 1);
        let due = schedule.next();
        assert!(!schedule.is_due(due));
        assert!(schedule.next() > due + Duration::from_secs(30));
        assert!(!schedule.is_due(due));
    }

    // rfc: 3550 §6.3.4 — a report is brought forward when members leave
    #[test]
    fn reverse_reconsideration_brings_a_report_forward() {
        let now = start();
        let mut schedule = schedule(now, 1);
        schedule.set_members(now, 1_000, 1);
        schedule.sent(now, 100);
        let wait = schedule.next() - now;
        schedule.set_members(now, 100, 1);
        let sooner = schedule.next() - now;
        assert!(
            (sooner.as_secs_f64() - wait.as_secs_f64() / 10.0).abs() < 0.001,
            "{wait:?} became {sooner:?}"
        );
    }

    // rfc: 3550 §6.3.7 — a BYE may go at once in small groups, and backs off by the BYEs of others in large ones
    #[test]
    fn a_bye_waits_in_large_groups_only() {
        let now = start();
        let mut small = schedule(now, 1);
        small.set_members(now, 50, 2);
        assert!(small.leave(now, 40));
        let mut large = schedule(now, 1);
        large.set_members(now, 51, 2);
        assert!(!large.leave(now, 40));
        let due = large.next();
        assert!(due > now);
        for _ in 0..500 {
            large.received(60, true);
            large.received(600, false);
        }
        assert!(!large.is_due(due));
        assert!(large.next() > due + Duration::from_secs(30));
    }
}
