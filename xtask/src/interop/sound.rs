//! Which tones a WAV file holds.

use crate::Result;
use std::{f64::consts::TAU, fs, path::Path};

/// A block counts when this share of its energy lies at the frequency.
const SHARE: f64 = 0.5;
/// Blocks quieter than this (of 32,768) hold nothing.
const FLOOR: f64 = 100.0;
/// A tone that was heard for this long is there.
const ENOUGH_SECONDS: f64 = 1.0;
/// And for less than this it is not.
const STRAY_SECONDS: f64 = 0.3;

/// The first channel of a 16-bit WAV file.
pub(crate) struct Sound {
    samples: Vec<i16>,
    rate: u32,
}

impl Sound {
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
        read(&bytes).ok_or_else(|| format!("{}: not a 16-bit WAV file", path.display()).into())
    }

    /// How long this frequency sounds, in seconds, counted in blocks of 100 ms.
    pub(crate) fn seconds_of(&self, hz: f64) -> f64 {
        let blocks = self.samples.chunks_exact((self.rate / 10).max(1) as usize);
        let holding = blocks.filter(|block| {
            let energy: f64 = block.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            let count = f64::from(self.rate / 10);
            let loud = (energy / count).sqrt() >= FLOOR;
            // A pure sine gives a power of energy · count / 2.
            loud && goertzel(block, hz, self.rate) * 2.0 / (energy * count) >= SHARE
        });
        f64::from(u32::try_from(holding.count()).unwrap_or(u32::MAX)) / 10.0
    }

    /// The other side's tone is there and our own is not.
    pub(crate) fn hears(&self, hz: u32, not_hz: u32) -> Result {
        let (there, own) = (self.seconds_of(hz.into()), self.seconds_of(not_hz.into()));
        let length = self.samples.len() as f64 / f64::from(self.rate);
        if there >= ENOUGH_SECONDS && own < STRAY_SECONDS {
            Ok(())
        } else {
            Err(format!(
                "{length:.1} s of sound hold {hz} Hz for {there:.1} s and {not_hz} Hz for {own:.1} s"
            )
            .into())
        }
    }
}

fn goertzel(block: &[i16], hz: f64, rate: u32) -> f64 {
    let coefficient = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let step = |(one, two): (f64, f64), sample: &i16| (f64::from(*sample) + coefficient * one - two, one);
    let (one, two) = block.iter().fold((0.0, 0.0), step);
    one * one + two * two - coefficient * one * two
}

fn read(bytes: &[u8]) -> Option<Sound> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let (mut channels, mut rate) = (1, 8000);
    loop {
        let (tag, size) = (rest.get(..4)?, u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize);
        let body = rest.get(8..)?;
        match tag {
            b"fmt " => {
                channels = u16::from_le_bytes(body.get(2..4)?.try_into().ok()?).into();
                rate = u32::from_le_bytes(body.get(4..8)?.try_into().ok()?);
                (u16::from_le_bytes(body.get(14..16)?.try_into().ok()?) == 16).then_some(())?;
            }
            b"data" => {
                // A recorder that was stopped in the middle may have left no length.
                let size = if (1..=body.len()).contains(&size) { size } else { body.len() };
                let pairs = body.get(..size)?.chunks_exact(2).step_by(channels);
                let samples =
                    pairs.filter_map(|pair| Some(i16::from_le_bytes(pair.try_into().ok()?))).collect();
                return Some(Sound { samples, rate });
            }
            _ => {}
        }
        rest = body.get(size + (size & 1)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "an amplitude of 9000 fits")]
    fn a_sine_is_found_at_its_own_frequency_only() {
        let sine = |i: u32| ((TAU * 700.0 * f64::from(i) / 8000.0).sin() * 9000.0).round();
        let sound = Sound { samples: (0..16_000).map(|i| sine(i) as i16).collect(), rate: 8000 };
        assert_eq!(sound.seconds_of(700.0), 2.0);
        assert_eq!(sound.seconds_of(1100.0), 0.0);
        assert!(sound.hears(700, 1100).is_ok() && sound.hears(1100, 700).is_err());
    }

    #[test]
    fn silence_holds_no_tone() {
        let sound = Sound { samples: vec![0; 8000], rate: 8000 };
        assert_eq!(sound.seconds_of(700.0), 0.0);
    }

    #[test]
    fn channels_and_unknown_chunks_are_skipped() {
        let mut wav = b"RIFF\0\0\0\0WAVELIST\x01\0\0\0x\0fmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\0\0\0\x04\0\x10\0data".to_vec();
        wav.extend([0; 4]);
        wav.extend([1, 0, 9, 9, 2, 0, 9, 9]);
        let sound = read(&wav).unwrap();
        assert_eq!((sound.samples, sound.rate), (vec![1, 2], 8000));
    }
}
