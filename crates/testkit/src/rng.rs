//! Random numbers that a seed reproduces, on every platform and in every version of this crate.

use std::time::Duration;

/// The SplitMix64 generator. For tests only: nothing secret may come from it.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The generator that `seed` stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, 0 when the limit is 0. The bias is beneath what a test can see.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64().checked_rem(limit).unwrap_or(0)
    }

    /// True with the given probability, 0.0 to 1.0.
    pub fn chance(&mut self, probability: f64) -> bool {
        const STEPS: u64 = 1 << 53;
        // Both numbers are exact: 53 bits fit the mantissa.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit the mantissa of an f64")]
        let drawn = self.below(STEPS) as f64 / STEPS as f64;
        drawn < probability
    }

    /// A time between zero and `limit`, both included, in whole microseconds.
    pub fn duration(&mut self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(micros + 1))
    }

    /// Fills `buffer` with random octets.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for octets in buffer.chunks_mut(8) {
            let drawn = self.next_u64().to_le_bytes();
            octets.iter_mut().zip(drawn).for_each(|(octet, random)| *octet = random);
        }
    }

    /// `length` random octets.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }

    /// A seed for a core's config.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        // The published first outputs of SplitMix64 for the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(Rng::new(5).bytes(11), Rng::new(5).bytes(11));
    }

    #[test]
    fn chances_come_true_about_as_often_as_asked() {
        let mut rng = Rng::new(1);
        let hits = (0..10_000).filter(|_| rng.chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|_| rng.chance(0.0)));
        assert!((0..1000).all(|_| rng.chance(1.0)));
    }
}
