//! Extended reports, and the VoIP metrics among their blocks ([RFC 3611 §2], [RFC 3611 §4.7]).
//!
//! [RFC 3611 §2]: https://www.rfc-editor.org/rfc/rfc3611#section-2
//! [RFC 3611 §4.7]: https://www.rfc-editor.org/rfc/rfc3611#section-4.7

use crate::wire::{self, Cursor};

/// XR: reports beyond those of SR and RR.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let (ssrc, blocks) = body.split_at_checked(4)?;
        Some(Self { ssrc: wire::u32(ssrc, 0), blocks })
    }

    /// The blocks; ends early where a length makes no sense.
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'a>> + use<'a> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let (&[block_type, specific, words @ ..], behind) = rest.split_first_chunk::<4>()?;
            let (contents, behind) = behind.split_at_checked(4 * usize::from(u16::from_be_bytes(words)))?;
            rest = behind;
            Some(XrBlock { block_type, specific, contents })
        })
    }

    /// The VoIP metrics in it.
    pub fn voip_metrics(&self) -> impl Iterator<Item = VoipMetrics> + use<'a> {
        let is_metrics = |block: &XrBlock| block.block_type == VoipMetrics::BLOCK_TYPE;
        self.blocks().filter(is_metrics).filter_map(|block| VoipMetrics::read(block.contents))
    }
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct XrBlock<'a> {
    /// What it reports: 1 to 7 in RFC 3611.
    pub block_type: u8,
    /// Its meaning depends on the type.
    pub specific: u8,
    /// Whole 32-bit words.
    pub contents: &'a [u8],
}

/// How a call sounds, as measured by the reporter ([RFC 3611 §4.7]).
///
/// Rates and densities are in 256ths, durations and delays in milliseconds.
///
/// [RFC 3611 §4.7]: https://www.rfc-editor.org/rfc/rfc3611#section-4.7
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VoipMetrics {
    /// Whose stream this is about.
    pub ssrc: u32,
    /// Part of the packets that the network lost.
    pub loss_rate: u8,
    /// Part of the packets that came too late or too early.
    pub discard_rate: u8,
    /// Part of the packets lost or discarded within bursts.
    pub burst_density: u8,
    /// Part of the packets lost or discarded between bursts.
    pub gap_density: u8,
    /// Mean length of the bursts.
    pub burst_duration: u16,
    /// Mean length of what lies between them.
    pub gap_duration: u16,
    /// The last round trip measured.
    pub round_trip_delay: u16,
    /// What the reporter adds: packetization, jitter buffer, playout.
    pub end_system_delay: u16,
    /// Level of the speech in dBm0; 127 is unknown.
    pub signal_level: i8,
    /// Level of the noise in dBm0; 127 is unknown.
    pub noise_level: i8,
    /// Residual echo return loss in dB; 127 is unknown.
    pub residual_echo_return_loss: u8,
    /// Packets received in a row that end a burst; 16.
    pub gap_threshold: u8,
    /// R factor, 0 to 100; 127 is unknown.
    pub r_factor: u8,
    /// R factor of the network beyond a gateway; 127 is unknown.
    pub external_r_factor: u8,
    /// Listening quality, ten times the MOS, 10 to 50; 127 is unknown.
    pub mos_listening: u8,
    /// Conversational quality, ten times the MOS, 10 to 50; 127 is unknown.
    pub mos_conversational: u8,
    /// How losses are concealed and the jitter buffer adapts (§4.7.6).
    pub receiver_configuration: u8,
    /// Delay of the jitter buffer for a packet on time.
    pub jitter_buffer_nominal: u16,
    /// Delay that the jitter buffer allows a packet, now.
    pub jitter_buffer_maximum: u16,
    /// The most it would ever allow.
    pub jitter_buffer_absolute_maximum: u16,
}

impl Default for VoipMetrics {
    /// Nothing received, nothing known.
    fn default() -> Self {
        Self {
            ssrc: 0,
            loss_rate: 0,
            discard_rate: 0,
            burst_density: 0,
            gap_density: 0,
            burst_duration: 0,
            gap_duration: 0,
            round_trip_delay: 0,
            end_system_delay: 0,
            signal_level: 127,
            noise_level: 127,
            residual_echo_return_loss: 127,
            gap_threshold: 16,
            r_factor: 127,
            external_r_factor: 127,
            mos_listening: 127,
            mos_conversational: 127,
            receiver_configuration: 0,
            jitter_buffer_nominal: 0,
            jitter_buffer_maximum: 0,
            jitter_buffer_absolute_maximum: 0,
        }
    }
}

impl VoipMetrics {
    const BLOCK_TYPE: u8 = 7;
    const WORDS: u16 = 8;
    /// Octets of the block with its header.
    pub(super) const LEN: usize = 36;

    fn read(contents: &[u8]) -> Option<Self> {
        let block = contents.first_chunk::<32>()?;
        let at = |offset| wire::u8(block, offset);
        Some(Self {
            ssrc: wire::u32(block, 0),
            loss_rate: at(4),
            discard_rate: at(5),
            burst_density: at(6),
            gap_density: at(7),
            burst_duration: wire::u16(block, 8),
            gap_duration: wire::u16(block, 10),
            round_trip_delay: wire::u16(block, 12),
            end_system_delay: wire::u16(block, 14),
            signal_level: at(16).cast_signed(),
            noise_level: at(17).cast_signed(),
            residual_echo_return_loss: at(18),
            gap_threshold: at(19),
            r_factor: at(20),
            external_r_factor: at(21),
            mos_listening: at(22),
            mos_conversational: at(23),
            receiver_configuration: at(24),
            jitter_buffer_nominal: wire::u16(block, 26),
            jitter_buffer_maximum: wire::u16(block, 28),
            jitter_buffer_absolute_maximum: wire::u16(block, 30),
        })
    }

    pub(super) fn write(&self, to: &mut Cursor<'_>) {
        to.put(&[Self::BLOCK_TYPE, 0]);
        to.put(&Self::WORDS.to_be_bytes());
        to.put(&self.ssrc.to_be_bytes());
        to.put(&[self.loss_rate, self.discard_rate, self.burst_density, self.gap_density]);
        to.put(&self.burst_duration.to_be_bytes());
        to.put(&self.gap_duration.to_be_bytes());
        to.put(&self.round_trip_delay.to_be_bytes());
        to.put(&self.end_system_delay.to_be_bytes());
        to.put(&[self.signal_level.cast_unsigned(), self.noise_level.cast_unsigned()]);
        to.put(&[self.residual_echo_return_loss, self.gap_threshold]);
        to.put(&[self.r_factor, self.external_r_factor, self.mos_listening, self.mos_conversational]);
        to.put(&[self.receiver_configuration, 0]);
        to.put(&self.jitter_buffer_nominal.to_be_bytes());
        to.put(&self.jitter_buffer_maximum.to_be_bytes());
        to.put(&self.jitter_buffer_absolute_maximum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, CompoundBuilder, Packet};

    // rfc: 3611 §4.7 — a VoIP metrics block has type 7 and eight words
    #[test]
    fn voip_metrics_are_read_as_written() {
        let metrics = VoipMetrics {
            ssrc: 0x0102_0304,
            loss_rate: 12,
            discard_rate: 13,
            burst_density: 84,
            gap_density: 10,
            burst_duration: 120,
            gap_duration: 520,
            round_trip_delay: 70,
            end_system_delay: 60,
            signal_level: -18,
            noise_level: -55,
            r_factor: 93,
            mos_listening: 42,
            jitter_buffer_nominal: 40,
            jitter_buffer_maximum: 80,
            jitter_buffer_absolute_maximum: 300,
            receiver_configuration: 0xB0,
            ..VoipMetrics::default()
        };
        let mut buffer = [0xEE; 128];
        let mut builder = CompoundBuilder::new(&mut buffer);
        builder.receiver_report(9, &[]).unwrap();
        builder.extended_report(9, &[metrics, VoipMetrics::default()]).unwrap();
        let len = builder.finish();
        assert_eq!(buffer[8..20], [0x80, 207, 0, 19, 0, 0, 0, 9, 7, 0, 0, 8]);
        let Some(Packet::ExtendedReport(report)) = Compound::new(&buffer[..len]).unwrap().packets().nth(1)
        else {
            panic!("no XR")
        };
        assert_eq!((report.ssrc, report.blocks().count()), (9, 2));
        assert!(report.voip_metrics().eq([metrics, VoipMetrics::default()]));
    }

    // rfc: 3611 §3 — unknown blocks are passed over by their lengths
    #[test]
    fn unknown_blocks_are_passed_over_and_nonsense_ends_the_list() {
        let body = [0, 0, 0, 9, 99, 5, 0, 1, 1, 2, 3, 4, 4, 0, 0, 0, 7, 0, 0, 8, 1];
        let blocks: Vec<XrBlock> = ExtendedReport::read(&body).unwrap().blocks().collect();
        assert_eq!(
            blocks,
            [
                XrBlock { block_type: 99, specific: 5, contents: &[1, 2, 3, 4] },
                XrBlock { block_type: 4, specific: 0, contents: &[] },
            ]
        );
        assert!(VoipMetrics::read(&[0; 31]).is_none());
    }
}
