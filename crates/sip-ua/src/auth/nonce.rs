//! A server's nonces: signed, so that a challenge costs no memory, and counted once they are used.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::digest::HexHash;

/// How many nonces in use are remembered; beyond it the oldest become stale.
const MAX_USED: usize = 65_536;
const MAC_OCTETS: usize = 16;
/// How far counts may come out of order.
const WINDOW: u32 = 64;

/// A nonce that we signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonce {
    id: u64,
    issued_at: Duration,
}

#[derive(Clone)]
pub(super) struct Nonces {
    key: Zeroizing<[u8; 32]>,
    epoch: Instant,
    issued: u64,
    /// Those in use, oldest first.
    used: BTreeMap<u64, Used>,
    /// Nonces up to here have been forgotten.
    forgotten: u64,
}

/// Which counts were seen: the highest, and a bit for each of those below it.
#[derive(Clone, Copy, Debug)]
struct Used {
    issued_at: Duration,
    highest: u32,
    seen: u64,
}

impl Nonces {
    pub(super) fn new(now: Instant, key: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(key), epoch: now, issued: 0, used: BTreeMap::new(), forgotten: 0 }
    }

    /// A fresh one.
    pub(super) fn issue(&mut self, now: Instant) -> String {
        self.issued += 1;
        let (id, millis) = (self.issued, millis(self.age(now)));
        format!("{id:016x}{millis:016x}{}", &*self.sign(id, millis))
    }

    /// Reads one; `None` if it is not ours.
    pub(super) fn open(&self, text: &str) -> Option<Nonce> {
        let (id, rest) = text.split_at_checked(16)?;
        let (millis, mac) = rest.split_at_checked(16)?;
        let (id, millis) = (number(id)?, number(millis)?);
        let right = bool::from(self.sign(id, millis).as_bytes().ct_eq(mac.as_bytes()));
        right.then(|| Nonce { id, issued_at: Duration::from_millis(millis) })
    }

    /// Uses a nonce once more; false when it is too old, or the count was used before.
    pub(super) fn spend(&mut self, now: Instant, nonce: Nonce, count: u32, lifetime: Duration) -> bool {
        let now = self.age(now);
        let is_over = |issued_at: Duration| now.saturating_sub(issued_at) > lifetime;
        while let Some(oldest) = self.used.first_entry()
            && is_over(oldest.get().issued_at)
        {
            oldest.remove();
        }
        if is_over(nonce.issued_at) || nonce.id <= self.forgotten || count == 0 {
            return false;
        }
        let fresh = Used { issued_at: nonce.issued_at, highest: 0, seen: 0 };
        let spent = self.used.entry(nonce.id).or_insert(fresh).spend(count);
        if self.used.len() > MAX_USED
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = oldest;
        }
        spent
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    fn sign(&self, id: u64, millis: u64) -> HexHash {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(&id.to_be_bytes());
        mac.update(&millis.to_be_bytes());
        let tag = mac.finalize().into_bytes();
        HexHash::new(tag.get(..MAC_OCTETS).unwrap_or(&tag))
    }
}

impl Used {
    fn spend(&mut self, count: u32) -> bool {
        let ahead = count.saturating_sub(self.highest);
        if ahead > 0 {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        let new = behind < WINDOW && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

fn number(hex: &str) -> Option<u64> {
    HexHash::octets::<8>(hex).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);

    fn nonces() -> (Nonces, Instant) {
        let now = testkit::Clock::new().now();
        (Nonces::new(now, [7; 32]), now)
    }

    // rfc: 7616 §3.4 — a count that was seen is a replay; others may come out of order
    #[test]
    fn counts_may_overtake_each_other_but_not_come_twice() {
        let (mut nonces, now) = nonces();
        let text = nonces.issue(now);
        let nonce = nonces.open(&text).unwrap();
        for (count, fresh) in [
            (1, true),
            (3, true),
            (2, true),
            (2, false),
            (3, false),
            (0, false),
            (90, true),
            (27, true),
            (26, false),
            (27, false),
        ] {
            assert_eq!(nonces.spend(now, nonce, count, LIFETIME), fresh, "{count}");
        }
        assert!(nonces.spend(now, nonce, u32::MAX, LIFETIME));
        assert!(!nonces.spend(now, nonce, 91, LIFETIME));
    }

    proptest! {
        // rfc: 7616 §3.3 — whatever the order, no count is taken twice
        #[test]
        fn no_count_is_taken_twice(counts in proptest::collection::vec(0_u32..200, 1..300)) {
            let (mut nonces, now) = nonces();
            let text = nonces.issue(now);
            let nonce = nonces.open(&text).unwrap();
            let mut taken = std::collections::BTreeSet::new();
            let mut highest = 0;
            for count in counts {
                let new = nonces.spend(now, nonce, count, LIFETIME);
                let expected = count > 0 && !taken.contains(&count) && count + WINDOW > highest;
                prop_assert_eq!(new, expected, "{}", count);
                if new {
                    taken.insert(count);
                    highest = highest.max(count);
                }
            }
        }
    }

    #[test]
    fn a_nonce_has_an_end_and_only_those_in_use_are_remembered() {
        let (mut nonces, now) = nonces();
        let texts: Vec<String> = (0..100).map(|_| nonces.issue(now)).collect();
        assert!(nonces.used.is_empty(), "a challenge costs no memory");
        for text in &texts {
            let nonce = nonces.open(text).unwrap();
            assert!(nonces.spend(now + LIFETIME, nonce, 1, LIFETIME));
        }
        let late = now + LIFETIME + Duration::from_millis(1);
        let nonce = nonces.open(&texts[0]).unwrap();
        assert!(!nonces.spend(late, nonce, 2, LIFETIME));
        assert!(nonces.used.is_empty(), "what is over is forgotten");
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let (mut nonces, now) = nonces();
        let text = nonces.issue(now);
        assert!(Nonces::new(now, [8; 32]).open(&text).is_none());
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert!(nonces.open(str::from_utf8(&forged).unwrap()).is_none(), "{at}");
        }
        for wrong in ["", "é", &text[1..], &text.to_ascii_uppercase().replace('0', "é")] {
            assert!(nonces.open(wrong).is_none());
        }
    }

    #[test]
    fn a_flood_of_nonces_in_use_takes_bounded_memory() {
        let (mut nonces, now) = nonces();
        let first = nonces.issue(now);
        let first = nonces.open(&first).unwrap();
        assert!(nonces.spend(now, first, 1, LIFETIME));
        for id in 2..=MAX_USED as u64 + 2 {
            assert!(nonces.spend(now, Nonce { id, issued_at: Duration::ZERO }, 1, LIFETIME));
        }
        assert_eq!(nonces.used.len(), MAX_USED);
        assert!(!nonces.spend(now, first, 2, LIFETIME), "what was forgotten is stale, not new");
    }
}
