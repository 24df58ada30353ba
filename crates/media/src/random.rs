//! Random values from the caller's seed; the core has no other source of them.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A generator that the caller seeds: keys are drawn from it, so it is a cryptographic one and never shown.
#[derive(Clone)]
pub(crate) struct Random(ChaCha20Rng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A seed for another generator, as for a fork that must not repeat what this one gives.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        seed
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `limit`, even enough for schedules and tests; zero when the limit is.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        let wide = (u64::from(self.u32()) * u64::from(limit)) >> 32;
        u32::try_from(wide).unwrap_or(0)
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Random(…)")
    }
}
