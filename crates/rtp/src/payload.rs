//! Payload types with a fixed meaning ([RFC 3551 §6], tables 4 and 5).
//!
//! [RFC 3551 §6]: https://www.rfc-editor.org/rfc/rfc3551#section-6

use crate::time::ClockRate;

/// What a static payload type stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StaticPayload {
    /// The number on the wire.
    pub payload_type: u8,
    /// The name in `a=rtpmap`.
    pub encoding_name: &'static str,
    /// Ticks a second of the RTP timestamp.
    pub clock_rate: ClockRate,
    /// Audio channels; 0 where the payload itself tells, or for video.
    pub channels: u8,
}

/// PCMU, G.711 µ-law.
pub const PCMU: u8 = 0;
/// PCMA, G.711 A-law.
pub const PCMA: u8 = 8;
/// G722; its clock is 8,000 Hz though it samples at 16,000 Hz ([RFC 3551 §4.5.2]).
///
/// [RFC 3551 §4.5.2]: https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2
pub const G722: u8 = 9;
/// CN, comfort noise at 8,000 Hz ([RFC 3389 §4]).
///
/// [RFC 3389 §4]: https://www.rfc-editor.org/rfc/rfc3389#section-4
pub const COMFORT_NOISE: u8 = 13;

const fn row(payload_type: u8, encoding_name: &'static str, hz: u32, channels: u8) -> StaticPayload {
    let clock_rate = ClockRate::new(hz).expect("no rate in the table is zero");
    StaticPayload { payload_type, encoding_name, clock_rate, channels }
}

/// THE STATIC PAYLOAD TABLE.
pub const STATIC_PAYLOADS: [StaticPayload; 24] = [
    row(PCMU, "PCMU", 8_000, 1),
    row(3, "GSM", 8_000, 1),
    row(4, "G723", 8_000, 1),
    row(5, "DVI4", 8_000, 1),
    row(6, "DVI4", 16_000, 1),
    row(7, "LPC", 8_000, 1),
    row(PCMA, "PCMA", 8_000, 1),
    row(G722, "G722", 8_000, 1),
    row(10, "L16", 44_100, 2),
    row(11, "L16", 44_100, 1),
    row(12, "QCELP", 8_000, 1),
    row(COMFORT_NOISE, "CN", 8_000, 1),
    row(14, "MPA", 90_000, 0),
    row(15, "G728", 8_000, 1),
    row(16, "DVI4", 11_025, 1),
    row(17, "DVI4", 22_050, 1),
    row(18, "G729", 8_000, 1),
    row(25, "CelB", 90_000, 0),
    row(26, "JPEG", 90_000, 0),
    row(28, "nv", 90_000, 0),
    row(31, "H261", 90_000, 0),
    row(32, "MPV", 90_000, 0),
    row(33, "MP2T", 90_000, 0),
    row(34, "H263", 90_000, 0),
];

/// What `payload_type` stands for without any `a=rtpmap`; `None` for a dynamic, reserved or unassigned one.
#[must_use]
pub fn lookup(payload_type: u8) -> Option<&'static StaticPayload> {
    STATIC_PAYLOADS.iter().find(|row| row.payload_type == payload_type)
}

/// Whether the meaning of `payload_type` has to be agreed in signalling: 96 to 127.
#[must_use]
pub const fn is_dynamic(payload_type: u8) -> bool {
    matches!(payload_type, 96..=127)
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3551 §6 — PCMU is 0, PCMA 8, both at 8,000 Hz; unassigned numbers mean nothing
    #[test]
    fn the_table_knows_the_assigned_numbers_only() {
        let rate = |payload_type| lookup(payload_type).map(|row| (row.encoding_name, row.clock_rate.hz()));
        assert_eq!(rate(0), Some(("PCMU", 8_000)));
        assert_eq!(rate(8), Some(("PCMA", 8_000)));
        assert_eq!(rate(11), Some(("L16", 44_100)));
        for unassigned in [1, 2, 19, 20, 23, 24, 27, 29, 30, 35, 72, 95, 96, 127, 255] {
            assert_eq!(rate(unassigned), None, "{unassigned}");
        }
        assert!(STATIC_PAYLOADS.windows(2).all(|pair| pair[0].payload_type < pair[1].payload_type));
    }

    // rfc: 3551 §4.5.2 — the RTP clock of G722 is 8,000 Hz
    #[test]
    fn the_clock_of_g722_is_not_its_sample_rate() {
        assert_eq!(lookup(G722).unwrap().clock_rate, ClockRate::HZ_8000);
    }
}
