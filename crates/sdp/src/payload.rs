//! The static payload types of [RFC 3551 §6].
//!
//! [RFC 3551 §6]: https://www.rfc-editor.org/rfc/rfc3551#section-6

use std::time::Duration;

use crate::Text;
use crate::attribute::Rtpmap;

/// A payload type with a fixed meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StaticType {
    /// The payload type.
    pub payload_type: u8,
    /// The encoding name.
    pub name: &'static str,
    /// The RTP clock rate in Hz.
    pub clock_rate_hz: u32,
    /// Audio channels; 1 for video.
    pub channels: u8,
    /// How many times the clock rate the codec samples; 2 for G.722 alone.
    oversampling: u32,
}

impl StaticType {
    /// Samples of one channel in 20 ms; for G.722 320, though its RTP clock counts 160.
    #[must_use]
    pub fn samples_in_20_ms(&self) -> u32 {
        let rate = u64::from(self.clock_rate_hz) * u64::from(self.oversampling);
        let samples = u128::from(rate) * Duration::from_millis(20).as_millis() / 1_000;
        u32::try_from(samples).unwrap_or(u32::MAX)
    }

    /// The mapping that an `a=rtpmap` would state.
    #[must_use]
    pub const fn rtpmap(&self) -> Rtpmap {
        let Self { payload_type, name, clock_rate_hz, channels, .. } = *self;
        Rtpmap { payload_type, encoding: Text::from_static(name), clock_rate_hz, channels }
    }
}

/// The fixed meaning of a payload type; `None` for those that are dynamic, reserved or unassigned.
#[must_use]
pub fn static_type(payload_type: u8) -> Option<&'static StaticType> {
    STATIC_TYPES.iter().find(|known| known.payload_type == payload_type)
}

/// The fixed payload type of an encoding, if it has one.
#[must_use]
pub fn static_type_of(name: &str, clock_rate_hz: u32, channels: u8) -> Option<&'static StaticType> {
    STATIC_TYPES.iter().find(|known| {
        known.name.eq_ignore_ascii_case(name)
            && known.clock_rate_hz == clock_rate_hz
            && known.channels == channels
    })
}

const fn row(payload_type: u8, name: &'static str, clock_rate_hz: u32, channels: u8) -> StaticType {
    StaticType {
        payload_type,
        name,
        clock_rate_hz,
        channels,
        oversampling: if payload_type == 9 { 2 } else { 1 },
    }
}

/// Tables 4 and 5 of RFC 3551; 13 is comfort noise as [RFC 3389] has it.
///
/// [RFC 3389]: https://www.rfc-editor.org/rfc/rfc3389
static STATIC_TYPES: [StaticType; 24] = [
    row(0, "PCMU", 8_000, 1),
    row(3, "GSM", 8_000, 1),
    row(4, "G723", 8_000, 1),
    row(5, "DVI4", 8_000, 1),
    row(6, "DVI4", 16_000, 1),
    row(7, "LPC", 8_000, 1),
    row(8, "PCMA", 8_000, 1),
    row(9, "G722", 8_000, 1),
    row(10, "L16", 44_100, 2),
    row(11, "L16", 44_100, 1),
    row(12, "QCELP", 8_000, 1),
    row(13, "CN", 8_000, 1),
    row(14, "MPA", 90_000, 1),
    row(15, "G728", 8_000, 1),
    row(16, "DVI4", 11_025, 1),
    row(17, "DVI4", 22_050, 1),
    row(18, "G729", 8_000, 1),
    row(25, "CelB", 90_000, 1),
    row(26, "JPEG", 90_000, 1),
    row(28, "nv", 90_000, 1),
    row(31, "H261", 90_000, 1),
    row(32, "MPV", 90_000, 1),
    row(33, "MP2T", 90_000, 1),
    row(34, "H263", 90_000, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3551 §6 — static payload types
    #[test]
    fn static_types_are_found_by_number_and_by_name() {
        assert_eq!(static_type(8).unwrap().name, "PCMA");
        assert_eq!(static_type_of("pcmu", 8_000, 1).unwrap().payload_type, 0);
        assert_eq!(static_type_of("L16", 44_100, 2).unwrap().payload_type, 10);
        assert_eq!(static_type_of("PCMU", 16_000, 1), None);
        assert_eq!(static_type(1), None);
        assert_eq!(static_type(72), None);
        assert_eq!(static_type(96), None);
    }

    // rfc: 3551 §4.5.2 — G722 has a clock rate of 8000 though it samples at 16000
    #[test]
    fn g722_has_twice_the_samples_of_its_clock() {
        assert_eq!(static_type(9).unwrap().clock_rate_hz, 8_000);
        assert_eq!(static_type(9).unwrap().samples_in_20_ms(), 320);
        assert_eq!(static_type(0).unwrap().samples_in_20_ms(), 160);
        assert_eq!(static_type(10).unwrap().samples_in_20_ms(), 882);
    }
}
