//! Packet loss concealment: what is heard in the place of a lost frame.

use crate::FRAME_SAMPLES;

/// Pitch periods looked for, in samples at 8000 Hz: 400 Hz down to 50 Hz.
const PERIODS: std::ops::RangeInclusive<usize> = 20..=160;
/// Samples of the past that are kept: the longest period twice.
const HISTORY: usize = 320;
/// After this many concealed samples (60 ms) there is silence.
const FADE: usize = 480;
const FADE_STEPS: i32 = 480;
/// Samples over which the first good frame is faded in: 4 ms.
const BLEND: usize = 32;
const BLEND_STEPS: i32 = 32;

/// Repeats the last pitch period of what was heard, ever quieter, for at most 60 ms.
///
/// Good for telephone codecs that have no concealment of their own; a longer gap is silence, since a voice that holds its
/// tone for longer sounds worse than one that stops.
#[derive(Clone, Debug)]
pub(crate) struct Concealment {
    history: [i16; HISTORY],
    period: usize,
    concealed: usize,
}

impl Default for Concealment {
    fn default() -> Self {
        Self { history: [0; HISTORY], period: *PERIODS.end(), concealed: 0 }
    }
}

impl Concealment {
    /// Takes note of a good frame, and blends its start with the concealment before it.
    pub(crate) fn good(&mut self, frame: &mut [i16]) {
        if self.concealed > 0 {
            let mut tail = [0; BLEND];
            for sample in &mut tail {
                *sample = self.next_sample();
            }
            let steps = BLEND_STEPS;
            for (step, (sample, old)) in (1..).zip(frame.iter_mut().zip(tail)) {
                *sample = narrow((i32::from(*sample) * step + i32::from(old) * (steps - step)) / steps);
            }
            self.concealed = 0;
        }
        let taken = frame.len().min(HISTORY);
        self.history.rotate_left(taken);
        if let (Some(kept), Some(new)) =
            (self.history.get_mut(HISTORY - taken..), frame.get(frame.len() - taken..))
        {
            kept.copy_from_slice(new);
        }
    }

    /// Fills a frame in the place of a lost one.
    pub(crate) fn conceal(&mut self, frame: &mut [i16]) {
        if self.concealed == 0 {
            self.period = self.pitch_period();
        }
        for sample in frame {
            *sample = self.next_sample();
        }
    }

    /// Forgets the past, as when another source starts.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn next_sample(&mut self) -> i16 {
        let left = FADE.saturating_sub(self.concealed);
        let at = HISTORY - self.period + self.concealed % self.period;
        let sample = i32::from(self.history.get(at).copied().unwrap_or(0));
        self.concealed = (self.concealed + 1).min(FADE);
        narrow(sample * i32::try_from(left).unwrap_or(0) / FADE_STEPS)
    }

    /// The lag at which the recent past looks most like itself.
    fn pitch_period(&self) -> usize {
        let recent = self.history.get(HISTORY - FRAME_SAMPLES..).unwrap_or(&[]);
        let likeness = |lag: usize| {
            let past = self.history.get(HISTORY - FRAME_SAMPLES - lag..HISTORY - lag).unwrap_or(&[]);
            let (mut product, mut energy) = (0_i64, 1_i64);
            for (&now, &then) in recent.iter().zip(past) {
                product += i64::from(now) * i64::from(then);
                energy += i64::from(then) * i64::from(then);
            }
            product as f64 / (energy as f64).sqrt()
        };
        PERIODS
            .map(|lag| (lag, likeness(lag)))
            .max_by(|left, right| left.1.total_cmp(&right.1))
            .map_or(*PERIODS.end(), |(lag, _)| lag)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an i16 first")]
fn narrow(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    fn energy(frame: &[i16]) -> f64 {
        frame.iter().map(|&sample| f64::from(sample).powi(2)).sum()
    }

    fn heard_tone() -> (Tone, Concealment) {
        let mut tone = Tone::new(200.0);
        let mut concealment = Concealment::default();
        for _ in 0..5 {
            let mut frame = [0; FRAME_SAMPLES];
            tone.fill(&mut frame);
            concealment.good(&mut frame);
        }
        (tone, concealment)
    }

    #[test]
    fn a_lost_frame_of_a_tone_goes_on_in_phase() {
        let (mut tone, mut concealment) = heard_tone();
        let (mut expected, mut heard) = ([0; FRAME_SAMPLES], [0; FRAME_SAMPLES]);
        tone.fill(&mut expected);
        concealment.conceal(&mut heard);
        let product: f64 = expected.iter().zip(&heard).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let likeness = product / (energy(&expected) * energy(&heard)).sqrt();
        assert!(likeness > 0.98, "likeness {likeness}");
    }

    #[test]
    fn a_long_gap_fades_to_silence_within_60_ms() {
        let (_, mut concealment) = heard_tone();
        let mut energies = Vec::new();
        for _ in 0..5 {
            let mut frame = [0; FRAME_SAMPLES];
            concealment.conceal(&mut frame);
            energies.push(energy(&frame));
        }
        assert!(energies[0] > energies[1] && energies[1] > energies[2]);
        assert_eq!(&energies[3..], &[0.0, 0.0]);
    }

    #[test]
    fn the_first_good_frame_is_blended_without_a_step() {
        let (_, mut concealment) = heard_tone();
        concealment.conceal(&mut [0; FRAME_SAMPLES]);
        let mut frame = [12_000; FRAME_SAMPLES];
        concealment.good(&mut frame);
        assert!(frame[0] < 8_000, "starts at {}", frame[0]);
        assert_eq!(frame[BLEND..], [12_000; FRAME_SAMPLES - BLEND]);
    }

    #[test]
    fn nothing_heard_yet_is_concealed_by_silence() {
        let mut frame = [1; FRAME_SAMPLES];
        Concealment::default().conceal(&mut frame);
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }
}
