//! [`BackOff`]: how long to wait after a failure, so that a registrar that comes back is not run over.

use std::time::Duration;

use crate::ids::Ids;

/// Waits that double from the first to the longest, each a random choice of 50 to 100 % of that ([RFC 5626 §4.5]).
///
/// [RFC 5626 §4.5]: https://www.rfc-editor.org/rfc/rfc5626#section-4.5
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BackOff {
    /// The most to wait after the first failure; 1 s.
    pub first: Duration,
    /// The same while another flow of the account stands, so that there is no hurry; 1 s.
    pub first_of_one: Duration,
    /// The most to wait after any; 60 s.
    pub longest: Duration,
}

impl BackOff {
    /// The times of [RFC 5626 §4.5]: 30 s · 2ⁿ after the n-th failure, 90 s · 2ⁿ while another flow stands, at most 1,800 s.
    ///
    /// [RFC 5626 §4.5]: https://www.rfc-editor.org/rfc/rfc5626#section-4.5
    pub const OUTBOUND: Self = Self {
        first: Duration::from_secs(60),
        first_of_one: Duration::from_secs(180),
        longest: Duration::from_secs(1800),
    };

    /// Waits from `first` to `longest`, whether other flows stand or not.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, first_of_one: first, longest }
    }

    /// The most to wait after so many failures in a row.
    pub(super) fn bound(&self, failures: u32, others_stand: bool) -> Duration {
        let first = if others_stand { self.first_of_one } else { self.first };
        first.saturating_mul(1 << failures.saturating_sub(1).min(31)).min(self.longest)
    }

    /// The wait after so many failures in a row.
    pub(super) fn wait(&self, ids: &mut Ids, failures: u32, others_stand: bool) -> Duration {
        let bound = self.bound(failures, others_stand);
        ids.between(bound / 2, bound)
    }
}

impl Default for BackOff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let secs = |failures| BackOff::default().bound(failures, false).as_secs();
        let bounds: Vec<u64> = (1..10).map(secs).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(secs(u32::MAX), 60);
    }

    // rfc: 5626 §4.5 — W = min(1800 s, 30 s · 2^failures), 90 s instead of 30 s while another flow stands
    // rfc: 5626 §4.5 — the wait is a uniform random time of 50 to 100 % of W
    #[test]
    fn flows_wait_as_the_rfc_computes_it() {
        let secs = |failures, others| BackOff::OUTBOUND.bound(failures, others).as_secs();
        assert_eq!([secs(1, false), secs(3, false), secs(9, false)], [60, 240, 1800]);
        assert_eq!([secs(1, true), secs(3, true), secs(9, true)], [180, 720, 1800]);
        let mut ids = Ids::new([4; 32]);
        let waits: Vec<Duration> = (0..1000).map(|_| BackOff::OUTBOUND.wait(&mut ids, 1, false)).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(
            (30..31).contains(&least.as_secs()) && (59..=60).contains(&most.as_secs()),
            "{least:?} {most:?}"
        );
    }
}
