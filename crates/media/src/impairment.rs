//! Deliberate damage to what is sent, for test tools.

use crate::random::Random;

/// What a test tool does to its own stream: `voip demo --loss` and lossy callers.
///
/// Digits and RTCP are left alone by `alter`, not by `drop_percent`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairment {
    /// Of 100 media packets so many are not sent, at random; more than 100 counts as 100.
    pub drop_percent: u8,
    /// Whether the audio is made unintelligible (its spectrum is turned upside down) before it is encoded.
    pub alter: bool,
    /// The same seed drops the same packets.
    pub seed: u64,
}

/// An [`Impairment`] at work.
#[derive(Clone, Debug)]
pub(crate) struct Impairing {
    impairment: Impairment,
    random: Random,
}

impl Impairing {
    pub(crate) fn new(impairment: Impairment) -> Self {
        let mut seed = [0; 32];
        for (byte, value) in seed.iter_mut().zip(impairment.seed.to_le_bytes()) {
            *byte = value;
        }
        Self { impairment, random: Random::new(seed) }
    }

    /// Whether the next packet is to be lost.
    pub(crate) fn drops(&mut self) -> bool {
        self.random.below(100) < u32::from(self.impairment.drop_percent)
    }

    /// Mirrors the spectrum of a frame about 2000 Hz, when asked to.
    pub(crate) fn alter(&self, frame: &mut [i16]) {
        if self.impairment.alter {
            frame.iter_mut().step_by(2).for_each(|sample| *sample = sample.saturating_neg());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_dropped_and_the_same_tenth_again() {
        let run = || {
            let impairment = Impairment { drop_percent: 10, seed: 7, ..Impairment::default() };
            let mut impairing = Impairing::new(impairment);
            (0..10_000).map(|_| impairing.drops()).collect::<Vec<_>>()
        };
        let dropped = run().into_iter().filter(|&dropped| dropped).count();
        assert!((800..1_200).contains(&dropped), "{dropped}");
        assert_eq!(run(), run());
    }

    #[test]
    fn no_impairment_drops_and_alters_nothing() {
        let mut impairing = Impairing::new(Impairment::default());
        let mut frame = [1, 2, 3];
        impairing.alter(&mut frame);
        assert_eq!(frame, [1, 2, 3]);
        assert!((0..1_000).all(|_| !impairing.drops()));
    }
}
