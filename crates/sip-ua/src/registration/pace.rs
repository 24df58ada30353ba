//! [`Pace`]: how many REGISTER requests are begun in a second, so that no number of accounts makes a burst.

use std::time::{Duration, Instant};

/// So many may come together before the pace is minded: the accounts of one device.
const TOGETHER: u32 = 16;

/// Gives each request its turn.
#[derive(Debug)]
pub(crate) struct Pace {
    gap: Duration,
    /// The turn after the last one, were they all evenly spaced.
    next: Option<Instant>,
}

impl Pace {
    /// So many in a second; zero counts as one.
    pub(crate) fn new(each_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / each_second.max(1), next: None }
    }

    /// When it is the turn of one more.
    pub(super) fn turn(&mut self, now: Instant) -> Instant {
        let even = self.next.map_or(now, |next| next.max(now));
        self.next = Some(even + self.gap);
        // TOGETHER of them may come before their time.
        even.checked_sub(self.gap * TOGETHER).map_or(now, |early| early.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_go_at_once_and_many_one_after_the_other() {
        let now = testkit::Clock::new().now();
        let mut pace = Pace::new(100);
        let turns: Vec<u128> = (0..1017).map(|_| (pace.turn(now) - now).as_millis()).collect();
        assert!(turns[..17].iter().all(|turn| *turn == 0));
        assert_eq!((turns[17], turns[1016]), (10, 10_000));
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.turn(later), later);
        assert_eq!(Pace::new(0).turn(now), now);
    }
}
