//! Fresh tags, Call-IDs, branches and client nonces, from the agent's seed.

use std::fmt::Write as _;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sip_msg::Text;

/// The agent's only source of randomness.
#[derive(Debug)]
pub(crate) struct Ids {
    random: ChaCha20Rng,
}

impl Ids {
    /// The transaction layer below draws from the same seed; a stream of our own keeps the two apart.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut random = ChaCha20Rng::from_seed(seed);
        random.set_stream(0x75_61);
        Self { random }
    }

    /// A From or To tag: 64 bits, twice what RFC 3261 §19.3 asks for.
    pub(crate) fn tag(&mut self) -> Text {
        self.hex(8).into()
    }

    /// A Call-ID of 128 bits; it names no host, so it gives none away.
    pub(crate) fn call_id(&mut self) -> Text {
        self.hex(16).into()
    }

    /// A client nonce for digest: 128 bits.
    pub(crate) fn cnonce(&mut self) -> Text {
        self.hex(16).into()
    }

    /// A branch with the magic cookie of RFC 3261 §8.1.1.7.
    pub(crate) fn branch(&mut self) -> Text {
        format!("z9hG4bK{}", self.hex(10)).into()
    }

    /// A key to sign nonces with.
    pub(crate) fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.random.fill_bytes(&mut key);
        key
    }

    /// The first CSeq of a dialog or registration: below 2^31 (RFC 3261 §8.1.1.5), small, and so far from wrapping.
    pub(crate) fn first_cseq(&mut self) -> u32 {
        1 + self.random.next_u32() % 0x1_0000
    }

    /// The number of the first reliable provisional response: evenly out of 1 to 2^31 - 1 (RFC 3262 §3).
    pub(crate) fn first_rseq(&mut self) -> u32 {
        1 + self.random.next_u32() % 0x7fff_ffff
    }

    /// An even choice between `from` and `to`, in steps of 10 ms as RFC 3261 §14.1 wants.
    pub(crate) fn wait(&mut self, from: Duration, to: Duration) -> Duration {
        let steps = to.saturating_sub(from).as_millis() / 10 + 1;
        let step = u128::from(self.random.next_u64()) % steps;
        from + Duration::from_millis(u64::try_from(step * 10).unwrap_or(0))
    }

    /// An even choice between two times, to the microsecond.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        from + Duration::from_micros(self.random.next_u64() % span)
    }

    fn hex(&mut self, octets: usize) -> String {
        let mut text = String::with_capacity(2 * octets);
        for _ in 0..octets {
            let octet = self.random.next_u32() & 0xff;
            // Writing into a String cannot fail.
            let _ = write!(text, "{octet:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_ids_again_and_no_two_alike() {
        let (mut one, mut two) = (Ids::new([7; 32]), Ids::new([7; 32]));
        let first = one.tag();
        assert_eq!(first, two.tag());
        assert_ne!(first, one.tag());
        assert_eq!(one.call_id().len(), 32);
    }

    // rfc: 3261 §8.1.1.5 — the first CSeq is below 2**31
    #[test]
    fn the_first_cseq_leaves_room_to_grow() {
        let mut ids = Ids::new([1; 32]);
        assert!((0..1000).map(|_| ids.first_cseq()).all(|number| (1..=0x1_0000).contains(&number)));
    }

    #[test]
    fn waits_stay_in_their_range_in_steps_of_ten_milliseconds() {
        let mut ids = Ids::new([2; 32]);
        let (from, to) = (Duration::from_millis(2100), Duration::from_secs(4));
        let waits: Vec<_> = (0..2000).map(|_| ids.wait(from, to)).collect();
        assert!(waits.iter().all(|wait| (from..=to).contains(wait) && wait.as_millis() % 10 == 0));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(2300)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(3800)));
    }
}
