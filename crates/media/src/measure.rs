//! For tools and tests: test audio, and whether what was heard is what was sent.

use std::ops::Range;
use std::time::Duration;

use crate::SAMPLE_RATE_HZ;

/// Samples in which a tone is looked for at a time: 50 ms.
const WINDOW: usize = 400;
/// Windows in a row that make a tone: 250 ms.
const TONE_WINDOWS: usize = 5;
/// Samples that are compared at a time: 100 ms.
const BLOCK: usize = 800;
/// How far a block may lie from where the one before lies, as a jitter buffer stretches and shrinks: 20 ms.
const SLACK: usize = 160;
/// How far it may lie after blocks that were not found: 120 ms.
const WIDEST_SLACK: usize = 960;
/// The likeness of a block that has been found.
const FOUND: f64 = 0.7;
/// Samples by which two recordings are aligned: 150 ms.
const TEMPLATE: usize = 1_200;
/// The mean square below which a block counts as silent.
const SILENCE: f64 = 1_000.0;
/// The latest start of the heard audio that is looked for: 20 s.
const LONGEST_DELAY: usize = 160_000;

/// How alike two recordings are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// How much later the sent audio appears in what was heard; zero when it appears earlier or not at all.
    pub delay: Duration,
    /// The mean correlation of all blocks of 100 ms that are not silent: 1.0 = the same, 0.0 = nothing in common.
    ///
    /// G.711 alone costs less than 0.01, each percent of lost packets about 0.01.
    pub similarity: f64,
}

/// Compares what was sent with what was heard, at 8000 samples a second.
///
/// The two are aligned by cross-correlation (up to 20 s apart) and then compared in blocks of 100 ms. Sent audio that was
/// not heard at all counts against the similarity; silence, and what was heard before and after, does not.
#[must_use]
pub fn compare(sent: &[i16], heard: &[i16]) -> Comparison {
    let (sent, heard) = (Audio::new(sent), Audio::new(heard));
    let Some(lag) = align(&sent, &heard) else {
        return Comparison { delay: Duration::ZERO, similarity: 0.0 };
    };
    let (mut sum, mut blocks) = (0.0, 0_u32);
    let (mut drifting, mut slack) = (lag, SLACK);
    for start in (0..sent.len()).step_by(BLOCK) {
        let block = start..(start + BLOCK).min(sent.len());
        if sent.mean_square(block.clone()) < SILENCE {
            continue;
        }
        blocks += 1;
        let lags = drifting.saturating_sub_unsigned(slack)..=drifting.saturating_add_unsigned(slack);
        let alike = |lag: isize| match usize::try_from(lag.saturating_add_unsigned(start)) {
            Ok(at) => sent.likeness(block.clone(), &heard, at),
            Err(_) => 0.0,
        };
        let best = lags.map(|lag| (alike(lag), lag)).max_by(|left, right| left.0.total_cmp(&right.0));
        let (likeness, lag) = best.unwrap_or((0.0, drifting));
        sum += likeness.max(0.0);
        (drifting, slack) =
            if likeness > FOUND { (lag, SLACK) } else { (drifting, WIDEST_SLACK.min(slack + SLACK)) };
    }
    let samples = u64::try_from(lag).unwrap_or(0);
    Comparison {
        delay: Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE_HZ)),
        similarity: if blocks == 0 { 0.0 } else { sum / f64::from(blocks) },
    }
}

/// Whether a recording at 8000 Hz holds a tone of `hz` for at least 250 ms.
///
/// A window of 50 ms holds the tone when at least 0.7 of its energy lies there (Goertzel's algorithm).
#[must_use]
pub fn holds_tone(samples: &[i16], hz: f64) -> bool {
    let mut run = 0;
    samples.chunks_exact(WINDOW).any(|window| {
        let loud = mean_square(window) >= SILENCE;
        run = if loud && share_at(window, hz) >= 0.7 { run + 1 } else { 0 };
        run >= TONE_WINDOWS
    })
}

/// Test audio in the speech band, 300 to 3400 Hz: sweeps, cut into bursts and pauses of the length of syllables.
///
/// The same `seed` gives the same audio; different seeds give audio with little in common, so that the two directions of
/// a call cannot be mistaken for one another.
#[must_use]
pub fn test_signal(duration: Duration, seed: u64) -> Vec<i16> {
    let rate = f64::from(SAMPLE_RATE_HZ);
    let total = duration.as_millis() * u128::from(SAMPLE_RATE_HZ) / 1_000;
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let mut random = Lcg(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut signal = Vec::new();
    while signal.len() < total {
        let burst = 800 + random.below(1_600);
        let (from, to) = (random.between(300.0, 3_400.0), random.between(300.0, 3_400.0));
        let mut phase = 0.0_f64;
        for index in 0..burst {
            let along = index as f64 / burst as f64;
            phase += std::f64::consts::TAU * (from + (to - from) * along) / rate;
            let envelope = (std::f64::consts::PI * along).sin().sqrt();
            signal.push(rounded(phase.sin() * envelope * 10_000.0));
        }
        signal.resize(signal.len() + 160 + random.below(320), 0);
    }
    signal.truncate(total);
    signal
}

/// Where the sent audio begins in the heard one: the best match of three stretches of it.
fn align(sent: &Audio, heard: &Audio) -> Option<isize> {
    let mut best: Option<(f64, isize)> = None;
    let length = TEMPLATE.min(sent.len()).min(heard.len());
    for quarter in 0..3 {
        let start = sent.len() / 4 * quarter;
        let template = start..(start + length).min(sent.len());
        if sent.mean_square(template.clone()) < SILENCE {
            continue;
        }
        for at in 0..=heard.len().saturating_sub(length).min(start + LONGEST_DELAY) {
            let score = sent.likeness(template.clone(), heard, at);
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, at.cast_signed() - start.cast_signed()));
            }
        }
        if best.is_some_and(|(score, _)| score > FOUND) {
            break;
        }
    }
    best.map(|(_, lag)| lag)
}

/// Samples with the sums that make correlations quick.
struct Audio {
    samples: Vec<f32>,
    /// The energy of all samples before each one; one longer than `samples`.
    energy: Vec<f64>,
}

impl Audio {
    fn new(samples: &[i16]) -> Self {
        let mut energy = vec![0.0];
        let mut sum = 0.0;
        for &sample in samples {
            sum += f64::from(sample).powi(2);
            energy.push(sum);
        }
        Self { samples: samples.iter().copied().map(f32::from).collect(), energy }
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn energy(&self, range: Range<usize>) -> f64 {
        let before = |index: usize| self.energy.get(index).copied().unwrap_or(0.0);
        before(range.end) - before(range.start)
    }

    fn mean_square(&self, range: Range<usize>) -> f64 {
        self.energy(range.clone()) / range.len().max(1) as f64
    }

    /// The normalised correlation of `block` with `heard` from `at` on; louder or quieter is as alike.
    fn likeness(&self, block: Range<usize>, heard: &Self, at: usize) -> f64 {
        let there = at..at + block.len();
        let (Some(one), Some(other)) = (self.samples.get(block.clone()), heard.samples.get(there.clone()))
        else {
            return 0.0;
        };
        let energy = self.energy(block) * heard.energy(there);
        if energy <= 0.0 {
            return 0.0;
        }
        let product: f32 = one.iter().zip(other).map(|(one, other)| one * other).sum();
        f64::from(product) / energy.sqrt()
    }
}

fn mean_square(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

/// The share of a window's energy that lies at `hz`.
fn share_at(window: &[i16], hz: f64) -> f64 {
    let turn = 2.0 * (std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE_HZ)).cos();
    let (mut last, mut before, mut energy) = (0.0, 0.0, 0.0);
    for &sample in window {
        let sample = f64::from(sample);
        (last, before) = (sample + turn * last - before, last);
        energy += sample * sample;
    }
    let power = last * last + before * before - turn * last * before;
    if energy == 0.0 { 0.0 } else { 2.0 * power / (energy * window.len() as f64) }
}

#[expect(clippy::cast_possible_truncation, reason = "called with values within an i16")]
fn rounded(sample: f64) -> i16 {
    sample.round() as i16
}

/// A small generator, so that the test audio is the same everywhere.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1_u32 << 24)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
    fn below(&mut self, limit: u32) -> usize {
        (self.next() * f64::from(limit)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    fn signal() -> Vec<i16> {
        test_signal(Duration::from_secs(3), 1)
    }

    #[test]
    fn the_same_audio_is_found_where_it_begins() {
        let heard = [vec![0; 1_234], signal(), vec![0; 500]].concat();
        let comparison = compare(&signal(), &heard);
        assert_eq!(comparison.delay, Duration::from_micros(154_250));
        assert!(comparison.similarity > 0.999, "{comparison:?}");
    }

    #[test]
    fn lost_frames_lower_the_similarity_by_their_share() {
        let mut heard = signal();
        heard.chunks_mut(160).step_by(10).for_each(|frame| frame.fill(0));
        let similarity = compare(&signal(), &heard).similarity;
        assert!((0.85..0.97).contains(&similarity), "{similarity}");
    }

    #[test]
    fn other_silent_mirrored_or_half_audio_is_not_alike() {
        let mut mirrored = signal();
        mirrored.iter_mut().step_by(2).for_each(|sample| *sample = -*sample);
        let other = test_signal(Duration::from_secs(3), 2);
        for (name, heard, limit) in [
            ("other", other, 0.5),
            ("mirrored", mirrored, 0.5),
            ("silent", vec![0; 24_000], 0.1),
            ("nothing", Vec::new(), 0.1),
            ("half", signal()[..12_000].to_vec(), 0.6),
        ] {
            let similarity = compare(&signal(), &heard).similarity;
            assert!(similarity < limit, "{name}: {similarity}");
        }
    }

    #[test]
    fn a_recording_that_starts_late_is_aligned_by_its_later_part() {
        let similarity = compare(&signal(), &signal()[6_000..]).similarity;
        assert!((0.6..0.85).contains(&similarity), "{similarity}");
    }

    #[test]
    fn a_tone_is_found_at_its_frequency_only() {
        let mut samples = vec![0; 8_000];
        Tone::new(440.0).fill(&mut samples[2_000..6_000]);
        assert!(holds_tone(&samples, 440.0));
        assert!(!holds_tone(&samples, 480.0));
        assert!(!holds_tone(&signal(), 1_000.0));
        assert!(!holds_tone(&samples[..3_000], 440.0), "125 ms are too short");
    }

    #[test]
    fn the_test_signal_keeps_to_the_speech_band() {
        let signal = signal();
        assert_eq!(signal.len(), 24_000);
        let low: f64 = signal.chunks_exact(WINDOW).map(|window| share_at(window, 100.0)).sum();
        assert!(low / 60.0 < 0.01, "{low}");
    }
}
