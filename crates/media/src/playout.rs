//! The media clock: one tick each 20 ms, on absolute deadlines.

use std::time::{Duration, Instant};

/// The most ticks that are made up for at once when the driver wakes late: 60 ms of audio.
const LONGEST_BURST: u32 = 3;

/// One turn of the media clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tick {
    /// Turns that were given up just before this one, since they are too late to be made up for.
    pub(crate) skipped: u32,
}

/// Says when the next frame is due.
///
/// Each deadline is the last one plus the interval, never "now" plus the interval, so that a driver that wakes a little
/// late each time does not slow the stream down. One that wakes very late makes up for three frames at most: the rest is
/// skipped in the RTP timestamp, which goes with the real time, and the peer hears a gap instead of a burst.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    interval: Duration,
    next: Option<Instant>,
}

impl Pacer {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, next: None }
    }

    /// Makes the first tick due at `now`; does nothing when already running.
    pub(crate) fn start(&mut self, now: Instant) {
        self.next.get_or_insert(now);
    }

    pub(crate) fn stop(&mut self) {
        self.next = None;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes one tick that is due; called until `None`.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Tick> {
        let due = self.next?;
        let late = now.checked_duration_since(due)?;
        let waiting = u32::try_from(late.as_nanos() / self.interval.as_nanos().max(1)).unwrap_or(u32::MAX);
        let skipped = (waiting + 1).saturating_sub(LONGEST_BURST);
        self.next = due.checked_add(self.interval.checked_mul(skipped + 1)?);
        Some(Tick { skipped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Clock;

    const FRAME: Duration = Duration::from_millis(20);

    fn drain(pacer: &mut Pacer, now: Instant) -> (u32, u32) {
        let (mut ticks, mut skipped) = (0, 0);
        while let Some(tick) = pacer.tick(now) {
            ticks += 1;
            skipped += tick.skipped;
        }
        (ticks, skipped)
    }

    #[test]
    fn an_hour_of_late_wakes_has_neither_drift_nor_bursts() {
        let mut clock = Clock::new();
        let start = clock.now();
        let mut pacer = Pacer::new(FRAME);
        pacer.start(start);
        let mut sent = 0;
        while clock.now() < start + Duration::from_secs(3_600) {
            let late = Duration::from_micros(u64::from(sent * 7_919 % 15_000));
            clock.advance_to(pacer.next().unwrap() + late);
            assert_eq!(drain(&mut pacer, clock.now()), (1, 0));
            sent += 1;
            assert_eq!(pacer.next(), Some(start + FRAME * sent));
        }
        assert_eq!(sent, 180_001);
    }

    #[test]
    fn a_wake_after_a_second_makes_up_for_three_frames_and_skips_the_rest() {
        let mut clock = Clock::new();
        let mut pacer = Pacer::new(FRAME);
        pacer.start(clock.now());
        clock.advance(Duration::from_millis(1_005));
        assert_eq!(drain(&mut pacer, clock.now()), (3, 48));
        assert_eq!(pacer.next(), Some(clock.now() + Duration::from_millis(15)));
    }

    #[test]
    fn a_call_too_early_or_while_stopped_does_nothing() {
        let mut clock = Clock::new();
        let mut pacer = Pacer::new(FRAME);
        assert_eq!(pacer.tick(clock.now()), None);
        pacer.start(clock.now());
        assert_eq!(drain(&mut pacer, clock.now()), (1, 0));
        clock.advance(Duration::from_millis(19));
        assert_eq!(pacer.tick(clock.now()), None);
        pacer.stop();
        clock.advance(FRAME);
        assert_eq!((pacer.tick(clock.now()), pacer.next()), (None, None));
    }
}
