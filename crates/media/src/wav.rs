//! WAV files: any rate, channels and depth in; 16-bit PCM out.
//!
//! A file is read whole, mixed down to one channel and brought to the telephone's 8000 samples a second. Recording goes
//! the other way in a stream, so that a call of hours costs a file and no memory.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use crate::SAMPLE_RATE_HZ;

/// The longest file that is read into memory: two hours.
const LONGEST_SECONDS: u64 = 7_200;
/// Sample rates that are believed, in Hz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=384_000;
/// Input frames the resampler takes at a time.
const CHUNK: usize = 1_024;

/// Why a WAV file could not be read or written; one line that names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// The file could not be opened or read.
    #[error("{}: cannot be read ({source}); check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no WAV file, is cut short, or holds something other than PCM.
    #[error("{}: is not a WAV file that can be played ({why}); save it as PCM WAV of 8 to 32 bits", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file has no samples.
    #[error("{}: holds no audio; record it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The sample rate is no sample rate.
    #[error("{}: claims {rate_hz} samples a second; convert it to between 1000 and 384000", path.display())]
    Rate {
        /// The file.
        path: PathBuf,
        /// What it claims.
        rate_hz: u32,
    },
    /// The file is longer than two hours.
    #[error("{}: is longer than two hours; cut it into parts", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be created or written.
    #[error("{}: cannot be written ({source}); check that the directory exists and has room", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a WAV file as mono samples at 8000 Hz, whatever its rate, channels and depth.
///
/// # Errors
///
/// [`WavError::Unreadable`] when it cannot be opened, [`WavError::Format`] when it is not PCM or is cut short,
/// [`WavError::Empty`], [`WavError::Rate`] and [`WavError::TooLong`] for what their names say.
pub fn load(path: impl AsRef<Path>) -> Result<Vec<i16>, WavError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| WavError::Unreadable { path: path.into(), source })?;
    let mut reader = WavReader::new(BufReader::new(file)).map_err(|error| reading(path, error))?;
    let WavSpec { channels, sample_rate: rate_hz, bits_per_sample, sample_format } = reader.spec();
    if !RATES_HZ.contains(&rate_hz) {
        return Err(WavError::Rate { path: path.into(), rate_hz });
    }
    if u64::from(reader.duration()) > LONGEST_SECONDS * u64::from(rate_hz) {
        return Err(WavError::TooLong { path: path.into() });
    }
    let mono = match sample_format {
        SampleFormat::Float => mix_down(reader.samples::<f32>(), channels, 1.0),
        SampleFormat::Int => {
            let full_scale = (1_u64 << bits_per_sample.clamp(1, 32).saturating_sub(1)) as f32;
            let samples = reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32));
            mix_down(samples, channels, 1.0 / full_scale)
        }
    }
    .map_err(|error| reading(path, error))?;
    if mono.is_empty() {
        return Err(WavError::Empty { path: path.into() });
    }
    let why = "its rate cannot be converted";
    let audio = resample(mono, rate_hz).ok_or_else(|| WavError::Format { path: path.into(), why })?;
    Ok(audio.into_iter().map(to_i16).collect())
}

/// Writes mono samples at 8000 Hz as a 16-bit WAV file, replacing what was there.
///
/// # Errors
///
/// [`WavError::Unwritable`] when the file cannot be created or written.
pub fn save(path: impl AsRef<Path>, samples: &[i16]) -> Result<(), WavError> {
    let mut writer = Writer::create(path)?;
    writer.write(samples)?;
    writer.finish()
}

/// A WAV file that is written while the call goes on: 8000 Hz, mono, 16 bits.
pub struct Writer {
    path: PathBuf,
    inner: hound::WavWriter<BufWriter<File>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Writer {
    /// Creates the file, replacing what was there.
    ///
    /// # Errors
    ///
    /// [`WavError::Unwritable`] when it cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, WavError> {
        let path = path.as_ref();
        let spec = WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let inner = hound::WavWriter::create(path, spec).map_err(|error| writing(path, error))?;
        Ok(Self { path: path.into(), inner })
    }

    /// Appends samples.
    ///
    /// # Errors
    ///
    /// [`WavError::Unwritable`] when the disk is full or the file has reached 4 GiB.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        for &sample in samples {
            self.inner.write_sample(sample).map_err(|error| writing(&self.path, error))?;
        }
        Ok(())
    }

    /// Brings what was written and the header up to date on the disk: what is there then is whole.
    ///
    /// # Errors
    ///
    /// [`WavError::Unwritable`] when the disk is full.
    pub fn flush(&mut self) -> Result<(), WavError> {
        self.inner.flush().map_err(|error| writing(&self.path, error))
    }

    /// Completes the header. Dropping the writer does the same, but cannot tell of an error.
    ///
    /// # Errors
    ///
    /// [`WavError::Unwritable`] when the last bytes or the header cannot be written.
    pub fn finish(self) -> Result<(), WavError> {
        let Self { path, inner } = self;
        inner.finalize().map_err(|error| writing(&path, error))
    }
}

/// The mean of the channels of each frame, scaled to -1.0 ..= 1.0.
fn mix_down(
    samples: impl Iterator<Item = Result<f32, hound::Error>>,
    channels: u16,
    scale: f32,
) -> Result<Vec<f32>, hound::Error> {
    let scale = scale / f32::from(channels.max(1));
    let mut mono = Vec::new();
    let (mut sum, mut seen) = (0.0, 0);
    for sample in samples {
        sum += sample?;
        seen += 1;
        if seen == channels.max(1) {
            mono.push(sum * scale);
            (sum, seen) = (0.0, 0);
        }
    }
    Ok(mono)
}

/// Brings mono audio to 8000 Hz through a windowed sinc, without its delay.
fn resample(mono: Vec<f32>, rate_hz: u32) -> Option<Vec<f32>> {
    if rate_hz == SAMPLE_RATE_HZ {
        return Some(mono);
    }
    let parameters = SincInterpolationParameters::new(256, WindowFunction::BlackmanHarris2)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Linear);
    let ratio = f64::from(SAMPLE_RATE_HZ) / f64::from(rate_hz);
    let mut resampler = Async::<f32>::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input).ok()?;
    let frames = mono.len();
    let input = InterleavedOwned::new_from(mono, 1, frames).ok()?;
    Some(resampler.process_all(&input, frames, None).ok()?.take_data())
}

/// Full scale to 16 bits, clipped.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an i16 first")]
fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

fn reading(path: &Path, error: hound::Error) -> WavError {
    let path = path.into();
    match error {
        // hound's own word for a file that ends too early is `Other`.
        hound::Error::IoError(error)
            if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::Other) =>
        {
            WavError::Format { path, why: "it is cut short" }
        }
        hound::Error::IoError(source) => WavError::Unreadable { path, source },
        hound::Error::FormatError(why) => WavError::Format { path, why },
        hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => WavError::Format { path, why: "it is not plain PCM" },
    }
}

fn writing(path: &Path, error: hound::Error) -> WavError {
    let source = match error {
        hound::Error::IoError(source) => source,
        hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => io::Error::other(error),
    };
    WavError::Unwritable { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("media-wav-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory.join(name)
    }

    #[expect(clippy::cast_possible_truncation, reason = "less precision will do")]
    fn half_scale(phase: f64) -> f32 {
        (phase.sin() * 16_384.0) as f32
    }

    fn write_tone(path: &Path, spec: WavSpec, hz: f64) {
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for frame in 0..spec.sample_rate {
            let phase = std::f64::consts::TAU * hz * f64::from(frame) / f64::from(spec.sample_rate);
            for _ in 0..spec.channels {
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(half_scale(phase) / 32_768.0).unwrap(),
                    SampleFormat::Int => {
                        let sample = i64::from(to_i16(half_scale(phase) / 32_768.0)) << 16;
                        let sample = sample >> (32 - spec.bits_per_sample);
                        writer.write_sample(i32::try_from(sample).unwrap()).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn what_is_saved_is_loaded_again() {
        let path = scratch("same.wav");
        let samples: Vec<i16> = (0..4_000).map(|index| (index * 7 % 30_000) as i16 - 15_000).collect();
        save(&path, &samples).unwrap();
        assert_eq!(load(&path).unwrap(), samples);
    }

    #[test]
    fn any_rate_channel_count_and_depth_becomes_mono_at_8000_hz() {
        for (sample_rate, channels, bits_per_sample, sample_format) in [
            (8_000, 1, 8, SampleFormat::Int),
            (16_000, 1, 16, SampleFormat::Int),
            (44_100, 2, 16, SampleFormat::Int),
            (48_000, 2, 24, SampleFormat::Int),
            (22_050, 6, 32, SampleFormat::Int),
            (96_000, 1, 32, SampleFormat::Float),
        ] {
            let path = scratch(&format!("tone-{sample_rate}-{channels}-{bits_per_sample}.wav"));
            write_tone(&path, WavSpec { channels, sample_rate, bits_per_sample, sample_format }, 440.0);
            let samples = load(&path).unwrap();
            let off = samples.len().abs_diff(8_000);
            assert!(off <= 16, "{sample_rate} Hz: {} samples", samples.len());
            assert!(measure::holds_tone(&samples, 440.0), "{sample_rate} Hz {bits_per_sample} bits");
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((14_500..18_500).contains(&peak), "{sample_rate} Hz: peak {peak}");
        }
    }

    #[test]
    fn what_lies_above_4_khz_is_filtered_out_not_folded_down() {
        let path = scratch("high.wav");
        let spec = WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        write_tone(&path, spec, 7_000.0);
        let samples = load(&path).unwrap();
        let peak = samples[400..7_600].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(peak < 50, "7 kHz came through with a peak of {peak}");
    }

    #[test]
    fn errors_are_one_line_that_names_the_file() {
        let missing = load("no/such/greeting.wav").unwrap_err().to_string();
        let text = scratch("notes.wav");
        std::fs::write(&text, "this is not audio").unwrap();
        let empty = scratch("empty.wav");
        save(&empty, &[]).unwrap();
        let unwritable = save("no/such/directory/out.wav", &[0]).unwrap_err().to_string();
        for (message, name) in [
            (missing, "greeting.wav"),
            (load(&text).unwrap_err().to_string(), "notes.wav"),
            (load(&empty).unwrap_err().to_string(), "empty.wav"),
            (unwritable, "out.wav"),
        ] {
            assert!(message.contains(name) && message.contains(';') && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_recording_that_was_flushed_can_be_played_before_it_is_finished() {
        let path = scratch("flushed.wav");
        let mut writer = Writer::create(&path).unwrap();
        writer.write(&[7; 800]).unwrap();
        writer.flush().unwrap();
        assert_eq!(load(&path).unwrap(), [7; 800]);
        writer.write(&[8; 800]).unwrap();
        writer.finish().unwrap();
        assert_eq!(load(&path).unwrap().len(), 1_600);
    }

    #[test]
    fn a_file_cut_short_is_an_error_not_a_short_prompt() {
        let path = scratch("cut.wav");
        save(&path, &[1; 4_000]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(load(&path), Err(WavError::Format { .. })));
    }
}
