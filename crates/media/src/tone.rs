//! A sine tone.

use crate::SAMPLE_RATE_HZ;

/// The level of generated tones: a quarter of full scale, about -9 dBm0.
const AMPLITUDE: f64 = 8_192.0;

/// A steady sine wave at 8000 samples a second.
#[derive(Clone, Debug)]
pub struct Tone {
    phase: f64,
    step: f64,
}

impl Tone {
    /// A tone of `hz`, which is kept between 0 and 4000 Hz.
    #[must_use]
    pub fn new(hz: f64) -> Self {
        let limit = f64::from(SAMPLE_RATE_HZ) / 2.0;
        let hz = if hz.is_finite() { hz.clamp(0.0, limit) } else { 0.0 };
        Self { phase: 0.0, step: std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE_HZ) }
    }

    /// Writes the next samples of the tone.
    #[expect(clippy::cast_possible_truncation, reason = "a sine of that amplitude fits an i16")]
    pub fn fill(&mut self, frame: &mut [i16]) {
        for sample in frame {
            *sample = (self.phase.sin() * AMPLITUDE) as i16;
            self.phase = (self.phase + self.step) % std::f64::consts::TAU;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_on_in_phase_from_frame_to_frame() {
        let (mut whole, mut parts) = (vec![0; 800], vec![0; 800]);
        Tone::new(425.0).fill(&mut whole);
        let mut tone = Tone::new(425.0);
        parts.chunks_mut(160).for_each(|frame| tone.fill(frame));
        assert_eq!(whole, parts);
        assert!(crate::measure::holds_tone(&vec![whole; 5].concat(), 425.0));
    }

    #[test]
    fn a_frequency_that_is_none_is_silence() {
        let mut frame = [1; 160];
        Tone::new(f64::NAN).fill(&mut frame);
        assert_eq!(frame, [0; 160]);
    }
}
