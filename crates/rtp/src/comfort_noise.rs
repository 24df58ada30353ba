//! The payload of comfort noise: a level, and the colour of the noise if the sender tells it ([RFC 3389 §3]).
//!
//! [RFC 3389 §3]: https://www.rfc-editor.org/rfc/rfc3389#section-3

use crate::error::BuildError;

/// The index that means zero.
const ZERO: i16 = 127;

/// A description of background noise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ComfortNoise<'a> {
    /// Level below the overload of the system in dBov without the sign: 0 is loudest, 127 quietest.
    pub level: u8,
    /// Quantized reflection coefficients of an all-pole model; empty for white noise.
    pub indices: &'a [u8],
}

impl<'a> ComfortNoise<'a> {
    /// Reads a payload; `None` when it is empty.
    #[must_use]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let (level, indices) = payload.split_first()?;
        Some(Self { level: level & 0x7F, indices })
    }

    /// Writes the payload to the front of `buffer` and says how long it is.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`].
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let needed = 1 + self.indices.len();
        let available = buffer.len();
        match buffer.get_mut(..needed).and_then(<[u8]>::split_first_mut) {
            Some((level, indices)) => {
                *level = self.level.min(127);
                indices.copy_from_slice(self.indices);
                Ok(needed)
            }
            None => Err(BuildError::BufferTooSmall { needed, available }),
        }
    }

    /// The reflection coefficients, each between −1 and 1; the reserved index 255 counts as 0.
    pub fn coefficients(&self) -> impl ExactSizeIterator<Item = f32> + use<'a> {
        self.indices.iter().map(|index| match index {
            255 => 0.0,
            index => f32::from(258 * (i16::from(*index) - ZERO)) / 32_768.0,
        })
    }

    /// The root mean square of the noise, of a full scale of 1.
    #[must_use]
    pub fn amplitude(&self) -> f32 {
        10_f32.powf(-f32::from(self.level) / 20.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3389 §3.1 — the level has seven bits, the eighth is ignored
    // rfc: 3389 §3.3 — the level comes first, the indices follow
    #[test]
    fn a_payload_is_a_level_and_indices() {
        let noise = ComfortNoise::read(&[0x80 | 60, 127, 0, 254, 255]).unwrap();
        assert_eq!((noise.level, noise.indices), (60, &[127, 0, 254, 255][..]));
        let mut buffer = [0xEE; 8];
        assert_eq!(noise.write(&mut buffer), Ok(5));
        assert_eq!(buffer[..5], [60, 127, 0, 254, 255]);
        assert!(noise.write(&mut buffer[..4]).is_err());
        assert_eq!(ComfortNoise::read(&[]), None);
    }

    // rfc: 3389 §3.2 — coefficient = 258·(index − 127)/32768
    #[test]
    fn coefficients_are_dequantized() {
        let noise = ComfortNoise { level: 0, indices: &[127, 128, 0, 254, 255] };
        let expected = [0.0, 258.0 / 32_768.0, -32_766.0 / 32_768.0, 32_766.0 / 32_768.0, 0.0];
        assert!(noise.coefficients().eq(expected));
    }

    #[test]
    fn twenty_decibels_are_a_tenth() {
        let amplitude = |level| ComfortNoise { level, indices: &[] }.amplitude();
        assert!((amplitude(0) - 1.0).abs() < 1e-6 && (amplitude(20) - 0.1).abs() < 1e-6);
    }
}
