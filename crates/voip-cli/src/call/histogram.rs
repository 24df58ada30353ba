//! Percentiles of any number of durations in a fixed amount of memory.

use std::time::Duration;

/// Values up to this many microseconds are counted one by one, larger ones in steps of less than a hundredth of them.
const FINE: u64 = 256;
/// Steps for each power of two above it.
const STEPS: u64 = FINE / 2;

/// Counts durations by their microseconds.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Grows to the largest value's bucket: 7,424 for the longest duration there is.
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Histogram {
    pub(super) fn add(&mut self, value: Duration) {
        let bucket = bucket(u64::try_from(value.as_micros()).unwrap_or(u64::MAX));
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.longest = self.longest.max(value);
    }

    /// The least value that so many of a hundred do not exceed.
    fn percentile(&self, percent: u64) -> Duration {
        let wanted = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += u128::from(*count);
            seen >= wanted
        });
        let top = found.map_or(self.longest, |bucket| Duration::from_micros(top(bucket)));
        top.min(self.longest)
    }

    /// What a table shows; `None` when there is nothing.
    pub(super) fn points(&self) -> Option<[(String, Duration); 5]> {
        let percentile = |percent: u64| (format!("p{percent}"), self.percentile(percent));
        (self.count > 0).then(|| {
            [percentile(50), percentile(90), percentile(95), percentile(99), ("max".into(), self.longest)]
        })
    }
}

/// The bucket of a value: itself, or its leading eight bits above the place where they stand.
fn bucket(value: u64) -> usize {
    let shift = u64::from((value / FINE).checked_ilog2().map_or(0, |bits| bits + 1));
    usize::try_from(shift * STEPS + (value >> shift)).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn top(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let shift = (bucket / STEPS).saturating_sub(1);
    let start = u128::from(bucket - shift * STEPS);
    u64::try_from(((start + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_a_bucket_whose_top_is_less_than_a_hundredth_above_it() {
        for value in (0..2_000).chain([4_095, 4_096, 65_535, 65_536, 1_000_000_007, u64::MAX / 3, u64::MAX]) {
            let top = top(bucket(value));
            assert!(top >= value && (top - value) as f64 <= value as f64 / 100.0, "{value}: {top}");
            assert!(bucket(value) < 7_424);
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut histogram = Histogram::default();
        assert!(histogram.points().is_none());
        (1..=100).rev().for_each(|ms| histogram.add(Duration::from_millis(ms)));
        let points = histogram.points().unwrap();
        let near = |name: &str, ms: f64| {
            let found = points.iter().find(|(point, _)| point == name).unwrap().1.as_secs_f64() * 1000.0;
            assert!((ms..=ms * 1.01).contains(&found), "{name}: {found}");
        };
        near("p50", 50.0);
        near("p90", 90.0);
        near("p95", 95.0);
        near("p99", 99.0);
        assert_eq!(points[4], ("max".into(), Duration::from_millis(100)));
    }
}
