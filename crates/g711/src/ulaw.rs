//! µ-law, payload type 0 (PCMU): 14-bit samples, the law of North America and Japan.

use crate::{alaw, each, exponent, float_code, float_value};

/// The code of a zero sample.
pub const SILENCE: u8 = 0xFF;

/// Added to each 14-bit magnitude, so that all segments are of one form.
const BIAS: i32 = 33;
/// The largest biased 14-bit magnitude.
const CLIP: i32 = 0x1FFF;

/// Encodes one 16-bit sample.
#[inline]
#[must_use]
pub const fn encode(sample: i16) -> u8 {
    let sample = sample as i32;
    let sign = sample >> 31; // all ones below zero
    let biased = ((sample ^ sign) >> 2) + BIAS;
    let clipped = if biased > CLIP { CLIP } else { biased };
    let magnitude = float_code(clipped) - exponent(5); // 33 has exponent 5
    let [inverted, ..] = (!magnitude ^ (sign.cast_unsigned() & 0x80)).to_le_bytes();
    inverted
}

/// Decodes one code to a 16-bit sample.
#[inline]
#[must_use]
pub const fn decode(code: u8) -> i16 {
    let code = !code as u32;
    let magnitude = float_value((code & 0x7F) + exponent(7)) - 4 * BIAS; // 14 bits to 16: two powers more
    let sign = (code << 24).cast_signed() >> 31;
    truncate((magnitude ^ sign) - sign)
}

/// The A-law code of the sample that this µ-law code stands for.
#[inline]
#[must_use]
pub const fn to_alaw(code: u8) -> u8 {
    alaw::encode(decode(code))
}

/// Encodes as many samples as `codes` has room for, and says how many those were.
pub fn encode_slice(samples: &[i16], codes: &mut [u8]) -> usize {
    each(samples, codes, encode)
}

/// Decodes as many codes as `samples` has room for, and says how many those were.
pub fn decode_slice(codes: &[u8], samples: &mut [i16]) -> usize {
    each(codes, samples, decode)
}

/// Converts as many codes as `alaw_codes` has room for, and says how many those were.
pub fn to_alaw_slice(codes: &[u8], alaw_codes: &mut [u8]) -> usize {
    each(codes, alaw_codes, to_alaw)
}

/// The low 16 bits, which hold every value that a decoder forms.
#[inline(always)]
pub(crate) const fn truncate(sample: i32) -> i16 {
    let [low, high, ..] = sample.to_le_bytes();
    i16::from_le_bytes([low, high])
}
