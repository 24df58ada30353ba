//! How many calls one source may have, and how often it may call.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Policy, Violation};
use crate::event::DialogId;

/// How many sources are known one by one; beyond it strangers share one count.
const MAX_SOURCES: usize = 4_096;

/// How often what is over is looked for when the table is full.
const CLEAN_EACH: Duration = Duration::from_secs(1);

/// How often the application hears of a refused call.
const REPORT_EACH: Duration = Duration::from_secs(1);

/// Who calls how often, and who has how many calls now.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    sources: BTreeMap<Option<IpAddr>, Source>,
    calls: HashMap<DialogId, Option<IpAddr>>,
    cleaned: Option<Instant>,
    reported: Option<Instant>,
    unreported: u64,
}

#[derive(Debug)]
struct Source {
    calls: usize,
    since: Instant,
    new: u32,
}

impl Admission {
    /// Whether a call from `address` may come in at `now`, while there are `calls` in all; one that may is counted.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        policy: &Policy,
        address: IpAddr,
        calls: usize,
    ) -> Result<(), Violation> {
        if let Some(limit) = policy.calls.filter(|limit| calls >= *limit) {
            return Err(Violation::TooManyCalls { limit });
        }
        if policy.calls_of_one.is_none() && policy.new_calls_of_one.is_none() {
            return Ok(());
        }
        let source_address = address.to_canonical();
        let key = self.key(now, policy, source_address);
        let source = self.sources.entry(key).or_insert(Source { calls: 0, since: now, new: 0 });
        if let Some(limit) = policy.calls_of_one.filter(|limit| source.calls >= *limit) {
            return Err(Violation::TooManyCallsOfOne { source_address, limit });
        }
        if let Some(rate) = policy.new_calls_of_one {
            if now.saturating_duration_since(source.since) >= rate.per {
                (source.since, source.new) = (now, 0);
            }
            if source.new >= rate.count {
                return Err(Violation::TooOften { source_address, rate });
            }
            source.new += 1;
        }
        Ok(())
    }

    /// The call that was admitted has this id now.
    pub(crate) fn began(&mut self, policy: &Policy, address: IpAddr, id: DialogId) {
        if policy.calls_of_one.is_none() {
            return;
        }
        let own = Some(address.to_canonical());
        let key = if self.sources.contains_key(&own) { own } else { None };
        if let Some(source) = self.sources.get_mut(&key) {
            source.calls += 1;
            self.calls.insert(id, key);
        }
    }

    /// A call is over, whoever began it.
    pub(crate) fn ended(&mut self, id: DialogId) {
        if let Some(key) = self.calls.remove(&id)
            && let Some(source) = self.sources.get_mut(&key)
        {
            source.calls = source.calls.saturating_sub(1);
        }
    }

    /// Whether the application hears of a call that is refused now, and how many it did not hear of.
    pub(crate) fn may_report(&mut self, now: Instant) -> Option<u64> {
        if self.reported.is_some_and(|at| now.saturating_duration_since(at) < REPORT_EACH) {
            self.unreported += 1;
            return None;
        }
        self.reported = Some(now);
        Some(std::mem::take(&mut self.unreported))
    }

    /// Where a source is counted: by itself while there is room.
    fn key(&mut self, now: Instant, policy: &Policy, address: IpAddr) -> Option<IpAddr> {
        let recently = self.cleaned.is_some_and(|at| now.saturating_duration_since(at) < CLEAN_EACH);
        if self.sources.len() >= MAX_SOURCES && !recently {
            self.cleaned = Some(now);
            let per = policy.new_calls_of_one.map(|rate| rate.per).unwrap_or_default();
            self.sources
                .retain(|_, source| source.calls > 0 || now.saturating_duration_since(source.since) < per);
        }
        let known = self.sources.contains_key(&Some(address));
        (known || self.sources.len() < MAX_SOURCES).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    fn call(
        admission: &mut Admission,
        now: Instant,
        policy: &Policy,
        from: u32,
        id: u64,
    ) -> Result<(), Violation> {
        let calls = admission.calls.len();
        admission.admit(now, policy, address(from), calls)?;
        admission.began(policy, address(from), DialogId(id));
        Ok(())
    }

    #[test]
    fn one_address_has_so_many_calls_and_another_has_its_own() {
        let (now, policy) = (testkit::Clock::new().now(), Policy::default().calls_of_one(2));
        let mut admission = Admission::default();
        for id in 1..=2 {
            assert_eq!(call(&mut admission, now, &policy, 1, id), Ok(()));
        }
        let error = call(&mut admission, now, &policy, 1, 3).unwrap_err();
        assert_eq!(error.to_string(), "10.0.0.1 has 2 calls already");
        assert_eq!(error.status().code(), 503);
        assert_eq!(call(&mut admission, now, &policy, 2, 4), Ok(()));
        admission.ended(DialogId(1));
        admission.ended(DialogId(1));
        assert_eq!(call(&mut admission, now, &policy, 1, 5), Ok(()));
        assert!(call(&mut admission, now, &policy, 1, 6).is_err());
    }

    #[test]
    fn one_address_calls_so_often_and_again_when_its_time_is_over() {
        let ten = Duration::from_secs(10);
        let (start, policy) = (testkit::Clock::new().now(), Policy::default().new_calls_of_one(3, ten));
        let mut admission = Admission::default();
        for id in 0..3 {
            assert_eq!(call(&mut admission, start, &policy, 1, id), Ok(()));
        }
        let error = call(&mut admission, start + ten / 2, &policy, 1, 3).unwrap_err();
        assert_eq!(error.to_string(), "10.0.0.1 calls more than 3 times in 10s");
        assert_eq!(call(&mut admission, start + ten, &policy, 1, 4), Ok(()));
    }

    #[test]
    fn all_calls_together_have_a_limit() {
        let (now, policy) = (testkit::Clock::new().now(), Policy::default().calls(5));
        let mut admission = Admission::default();
        assert_eq!(admission.admit(now, &policy, address(1), 4), Ok(()));
        assert_eq!(admission.admit(now, &policy, address(2), 5), Err(Violation::TooManyCalls { limit: 5 }));
    }

    #[test]
    fn a_flood_from_everywhere_takes_bounded_memory_and_shares_a_count() {
        let (now, policy) = (testkit::Clock::new().now(), Policy::strict());
        let mut admission = Admission::default();
        let admitted =
            (0..20_000).filter(|from| admission.admit(now, &policy, address(*from), 0).is_ok()).count();
        assert!(admission.sources.len() <= MAX_SOURCES + 1);
        assert_eq!(admitted, MAX_SOURCES + 20);
        let later = now + Duration::from_secs(11);
        assert_eq!(admission.admit(later, &policy, address(19_999), 0), Ok(()));
        assert_eq!(admission.sources.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn the_default_counts_nobody() {
        let (now, policy) = (testkit::Clock::new().now(), Policy::default());
        let mut admission = Admission::default();
        for id in 0..10_000 {
            assert_eq!(call(&mut admission, now, &policy, 1, id), Ok(()));
        }
        assert!(admission.sources.is_empty() && admission.calls.is_empty());
    }
}
