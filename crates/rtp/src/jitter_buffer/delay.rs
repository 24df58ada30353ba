//! How much delay the network's jitter asks for.

use std::time::Instant;

use crate::time::{ClockRate, RtpTime};

/// Packets that the estimate looks back at: 5 s of 20 ms packets.
const WINDOW: usize = 256;
/// The estimate is renewed after this many packets.
const RENEWAL: u32 = 32;
/// A transit time this many milliseconds off is no jitter but a jump of the sender's timestamps.
const DISCONTINUITY_MS: i64 = 2_000;

/// Follows the transit times of packets: the least of them is the path without queues, a high percentile of what
/// lies above it is the delay that lets nearly all packets arrive in time.
///
/// All values are ticks of the media clock. A sender whose clock runs fast or slow moves the least transit time,
/// which forgets after [`WINDOW`] packets, so that skew is followed as well.
#[derive(Clone, Debug)]
pub(super) struct DelayEstimator {
    clock_rate: ClockRate,
    /// Where arrival times and media times are counted from; `None` before the first packet.
    origin: Option<Instant>,
    /// A wrapping timestamp and what it is without the wrap.
    reference: (RtpTime, i64),
    transits: Box<[i64; WINDOW]>,
    scratch: Box<[i64; WINDOW]>,
    count: usize,
    next: usize,
    least: i64,
    /// Of the packet that came last.
    latest: i64,
    /// A transit time out of all proportion, in case the next packet has the same.
    suspect: Option<i64>,
    until_renewal: u32,
    target: i64,
    limits: Limits,
}

/// In ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) least: i64,
    pub(super) initial: i64,
    pub(super) most: i64,
    /// Added to the percentile, for the grid on which frames are played.
    pub(super) margin: i64,
}

/// What an arrival says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// The media time of the packet, unwrapped.
    At(i64),
    /// Seconds before or after its time: either a stray, or the first packet after a jump of the sender's clock.
    Stray,
    /// The second such packet in a row: the clock did jump. The estimate has started anew with this packet.
    Jumped(i64),
}

impl DelayEstimator {
    pub(super) fn new(clock_rate: ClockRate, limits: Limits) -> Self {
        Self {
            clock_rate,
            origin: None,
            reference: (RtpTime(0), 0),
            transits: Box::new([0; WINDOW]),
            scratch: Box::new([0; WINDOW]),
            count: 0,
            next: 0,
            least: 0,
            latest: 0,
            suspect: None,
            until_renewal: 0,
            target: limits.initial,
            limits,
        }
    }

    pub(super) fn reset(&mut self) {
        self.origin = None;
        self.count = 0;
        self.next = 0;
        self.suspect = None;
        self.target = self.limits.initial;
    }

    /// Takes in one arrival.
    pub(super) fn observe(&mut self, now: Instant, timestamp: RtpTime) -> Arrival {
        let origin = *self.origin.get_or_insert_with(|| {
            self.reference = (timestamp, 0);
            now
        });
        let position = self.position(timestamp);
        let transit = self.ticks(now, origin) - position;
        let allowed = DISCONTINUITY_MS * i64::from(self.clock_rate.hz()) / 1_000;
        if self.count > 0 && (transit - self.least).abs() > allowed {
            if self.suspect.replace(transit).is_none_or(|suspect| (transit - suspect).abs() > allowed) {
                return Arrival::Stray;
            }
            self.reset();
            self.origin = Some(now);
            self.reference = (timestamp, 0);
            self.record(0);
            return Arrival::Jumped(0);
        }
        self.suspect = None;
        self.reference = (timestamp, position);
        self.record(transit);
        Arrival::At(position)
    }

    /// The media time that ought to be played at `now`.
    pub(super) fn due(&self, now: Instant) -> i64 {
        self.origin.map_or(i64::MIN, |origin| self.ticks(now, origin) - self.least - self.target)
    }

    /// The delay aimed at, above the least transit time.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// The packet observed last came after its turn: makes room for the next such one, in steps; not for one
    /// that no allowed delay would have saved.
    pub(super) fn was_late(&mut self) {
        let wanted = self.latest - self.least + self.limits.margin;
        if wanted <= self.limits.most {
            self.target = self.target.max(wanted.min(self.target + 2 * self.limits.margin));
        }
    }

    /// The media time of `timestamp`, unwrapped; zero while there is nothing to count from.
    pub(super) fn position(&self, timestamp: RtpTime) -> i64 {
        match self.origin {
            Some(_) => self.reference.1 + i64::from(timestamp.ticks_since(self.reference.0)),
            None => 0,
        }
    }

    fn ticks(&self, now: Instant, origin: Instant) -> i64 {
        i64::try_from(self.clock_rate.ticks(now.saturating_duration_since(origin))).unwrap_or(i64::MAX)
    }

    fn record(&mut self, transit: i64) {
        self.latest = transit;
        if let Some(place) = self.transits.get_mut(self.next) {
            *place = transit;
        }
        self.next = (self.next + 1) % WINDOW;
        if self.count == 0 || transit < self.least {
            self.least = transit;
        }
        if self.count == 0 {
            self.until_renewal = RENEWAL;
        }
        self.count = (self.count + 1).min(WINDOW);
        self.until_renewal -= 1;
        if self.until_renewal == 0 {
            self.until_renewal = RENEWAL;
            self.renew();
        }
    }

    fn renew(&mut self) {
        let seen = self.transits.iter().take(self.count);
        self.least = seen.clone().copied().min().unwrap_or(self.least);
        // What comes later than the longest delay is lost whatever the delay: it has no say in it.
        let hopeless = self.least + self.limits.most;
        let mut count = 0;
        for (place, transit) in self.scratch.iter_mut().zip(seen.filter(|transit| **transit <= hopeless)) {
            *place = *transit;
            count += 1;
        }
        let Some(window) = self.scratch.get_mut(..count).filter(|window| !window.is_empty()) else { return };
        let rank = window.len() * 97 / 100;
        let wanted = *window.select_nth_unstable(rank).1 - self.least + self.limits.margin;
        self.target = wanted.clamp(self.limits.least, self.limits.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn estimator() -> DelayEstimator {
        let limits = Limits { least: 160, initial: 320, most: 2_400, margin: 160 };
        DelayEstimator::new(ClockRate::HZ_8000, limits)
    }

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
        Instant::now()
    }

    /// Feeds `count` packets of 20 ms, the n-th delayed by `delay(n)` milliseconds.
    fn feed(
        estimator: &mut DelayEstimator,
        start: Instant,
        from: u32,
        count: u32,
        delay: impl Fn(u32) -> u64,
    ) {
        for n in from..from + count {
            let now = start + Duration::from_millis(u64::from(n) * 20 + delay(n));
            estimator.observe(now, RtpTime(u32::MAX - 1_000).plus(n * 160));
        }
    }

    #[test]
    fn a_steady_stream_needs_the_least_delay_and_jitter_more() {
        let (mut steady, mut shaky, start) = (estimator(), estimator(), start());
        feed(&mut steady, start, 0, 300, |_| 30);
        assert_eq!(steady.target(), 160);
        feed(&mut shaky, start, 0, 300, |n| u64::from(n * 7 % 11) * 10);
        assert_eq!(shaky.target(), 160 + 800);
        feed(&mut shaky, start, 300, 300, |_| 0);
        assert_eq!(shaky.target(), 160);
    }

    #[test]
    fn the_target_stays_within_its_limits() {
        let (mut estimator, start) = (estimator(), start());
        feed(&mut estimator, start, 0, 300, |n| u64::from(n % 2) * 295);
        assert_eq!(estimator.target(), 2_400);
        estimator.was_late();
        assert_eq!(estimator.target(), 2_400);
    }

    #[test]
    fn what_no_delay_would_save_has_no_say() {
        let (mut estimator, start) = (estimator(), start());
        feed(&mut estimator, start, 0, 300, |n| u64::from(n % 2) * 900);
        assert_eq!(estimator.target(), 160);
        estimator.was_late();
        assert_eq!(estimator.target(), 160);
    }

    #[test]
    fn a_jump_of_the_timestamps_starts_anew_but_one_stray_packet_does_not() {
        let (mut estimator, start) = (estimator(), start());
        feed(&mut estimator, start, 0, 50, |_| 0);
        let later = start + Duration::from_secs(1);
        assert_eq!(estimator.observe(later, RtpTime(77_000_000)), Arrival::Stray);
        feed(&mut estimator, start, 50, 1, |_| 0);
        assert_eq!(estimator.observe(later, RtpTime(77_000_000)), Arrival::Stray);
        assert_eq!(estimator.observe(later, RtpTime(77_000_000)), Arrival::Jumped(0));
        let next = later + Duration::from_millis(20);
        assert_eq!(estimator.observe(next, RtpTime(77_000_160)), Arrival::At(160));
        assert_eq!(estimator.due(next), 160 - 320);
    }

    #[test]
    fn a_sender_whose_clock_runs_slow_is_followed() {
        let (mut estimator, start) = (estimator(), start());
        // 200 ppm slow: 4 µs later with each packet, a minute of them.
        for n in 0..3_000_u32 {
            let now = start + Duration::from_micros(u64::from(n) * 20_004);
            estimator.observe(now, RtpTime(n * 160));
        }
        let now = start + Duration::from_micros(3_000 * 20_004);
        assert!((estimator.due(now) - (3_000 * 160 - 160)).abs() < 20, "{}", estimator.due(now));
    }
}
