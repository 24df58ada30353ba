//! A-law, payload type 8 (PCMA): 13-bit samples, the law of the rest of the world.

use crate::ulaw::truncate;
use crate::{each, exponent, float_code, float_value, ulaw};

/// The code of a zero sample.
pub const SILENCE: u8 = 0xD5;

/// Every other bit of a code is inverted on the line.
const EVEN_BITS: u32 = 0x55;

/// Encodes one 16-bit sample.
#[inline]
#[must_use]
pub const fn encode(sample: i16) -> u8 {
    let sample = sample as i32;
    let sign = sample >> 31; // all ones below zero
    let magnitude = (sample ^ sign) >> 4;
    // The first segment is linear; the second starts at 16, which has exponent 4.
    let curved = float_code(magnitude).wrapping_sub(exponent(4 - 1));
    let magnitude = if magnitude < 16 { magnitude.cast_unsigned() } else { curved };
    let [code, ..] = (magnitude ^ EVEN_BITS ^ (!sign.cast_unsigned() & 0x80)).to_le_bytes();
    code
}

/// Decodes one code to a 16-bit sample.
#[inline]
#[must_use]
pub const fn decode(code: u8) -> i16 {
    let code = code as u32 ^ EVEN_BITS;
    let magnitude = code & 0x7F;
    let curved = float_value(magnitude + exponent(8 - 1));
    let linear = (magnitude << 4).cast_signed() + 8;
    let magnitude = if magnitude < 16 { linear } else { curved };
    let sign = !((code << 24).cast_signed() >> 31); // the sign bit is set above zero
    truncate((magnitude ^ sign) - sign)
}

/// The µ-law code of the sample that this A-law code stands for.
#[inline]
#[must_use]
pub const fn to_ulaw(code: u8) -> u8 {
    ulaw::encode(decode(code))
}

/// Encodes as many samples as `codes` has room for, and says how many those were.
pub fn encode_slice(samples: &[i16], codes: &mut [u8]) -> usize {
    each(samples, codes, encode)
}

/// Decodes as many codes as `samples` has room for, and says how many those were.
pub fn decode_slice(codes: &[u8], samples: &mut [i16]) -> usize {
    each(codes, samples, decode)
}

/// Converts as many codes as `ulaw_codes` has room for, and says how many those were.
pub fn to_ulaw_slice(codes: &[u8], ulaw_codes: &mut [u8]) -> usize {
    each(codes, ulaw_codes, to_ulaw)
}
