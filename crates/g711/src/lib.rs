//! G.711 speech coding: [`ulaw`] (PCMU) and [`alaw`] (PCMA), bit-exact with the ITU-T G.191 software library for
//! every sample and every code.
//!
//! No tables, no dependency, no `std`: each direction is a handful of operations without a branch, which the
//! compiler turns into vector code for the slice functions.
//!
//! ```
//! let samples: [i16; 4] = [0, 1_000, -1_000, 32_767];
//! let mut codes = [0; 4];
//! assert_eq!(g711::ulaw::encode_slice(&samples, &mut codes), 4);
//! assert_eq!(codes, [0xFF, 0xCE, 0x4E, 0x80]);
//!
//! let mut decoded = [0; 4];
//! g711::ulaw::decode_slice(&codes, &mut decoded);
//! assert_eq!(decoded, [0, 988, -988, 32_124]);
//!
//! // Between the two laws without a detour over samples in the caller's hands:
//! assert_eq!(g711::ulaw::to_alaw(0xCE), g711::alaw::encode(988));
//! ```
//!
//! Samples are 16 bits wide, of which µ-law uses the upper 14 and A-law the upper 13. What the silence of a line
//! looks like: [`ulaw::SILENCE`], [`alaw::SILENCE`]. Packing into packets, pacing and concealment are left to others.
#![no_std]

pub mod alaw;
pub mod ulaw;

/// Bits of the magnitude that the low bits of a code stand for, as a floating-point number: a G.711 code *is*
/// one, of a 3-bit exponent and a 4-bit fraction, so that moving them into the place an [`f32`] has for them
/// decodes the code, and taking them from there encodes a magnitude.
const FRACTION_SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - 4;

/// The exponent field of an [`f32`] of value 2^`power`, above the 4 bits of fraction that a code has.
const fn exponent(power: u32) -> u32 {
    (127 + power) << 4
}

/// Exponent and 4 bits of fraction of a whole number below 2²⁴.
#[inline(always)]
const fn float_code(magnitude: i32) -> u32 {
    (magnitude as f32).to_bits() >> FRACTION_SHIFT
}

/// The number in the middle of the interval of those whose [`float_code`] is `code`.
#[inline(always)]
const fn float_value(code: u32) -> i32 {
    let middle = f32::from_bits((code << FRACTION_SHIFT) | (1 << (FRACTION_SHIFT - 1)));
    // Adding 2^23 moves a whole number below that into the low bits, exactly, and cheaper than a
    // saturating conversion.
    ((middle + 8_388_608.0).to_bits() & 0x007F_FFFF).cast_signed()
}

/// Applies `convert` to as many items as both slices have, and says how many.
#[inline(always)]
fn each<T: Copy, U>(from: &[T], to: &mut [U], convert: impl Fn(T) -> U) -> usize {
    for (to, from) in to.iter_mut().zip(from) {
        *to = convert(*from);
    }
    from.len().min(to.len())
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
