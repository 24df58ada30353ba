//! Virtual time.

use std::time::{Duration, Instant};

/// A clock that only moves when told to.
///
/// The real clock is read once, for the base that `Instant` cannot be made without.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    now: Instant,
}

impl Clock {
    /// A clock that stands at its start.
    #[must_use]
    pub fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "`Instant` has no other constructor; only differences count"
        )]
        let start = Instant::now();
        Self { start, now: start }
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How much virtual time has passed since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.duration_since(self.start)
    }

    /// Moves on by `step`.
    pub fn advance(&mut self, step: Duration) {
        self.now += step;
    }

    /// Moves on to `at`; a time that has passed leaves the clock where it is.
    pub fn advance_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_runs_backwards() {
        let mut clock = Clock::new();
        let start = clock.now();
        clock.advance(Duration::from_secs(3600));
        clock.advance_to(start);
        assert_eq!(clock.elapsed(), Duration::from_secs(3600));
    }
}
