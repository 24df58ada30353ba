//! Receiver reports and the reception report blocks in them ([RFC 3550 §6.4.2]).
//!
//! [RFC 3550 §6.4.2]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.2

use std::time::Duration;

use crate::time::{NtpTime, from_short_ntp};
use crate::wire::{self, Cursor};

/// RR: what a receiver received.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
    /// What the profile adds.
    pub extension: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Option<Self> {
        let (ssrc, rest) = body.split_at_checked(4)?;
        let (blocks, extension) = rest.split_at_checked(usize::from(count) * ReportBlock::LEN)?;
        Some(Self { ssrc: wire::u32(ssrc, 0), blocks, extension })
    }

    /// What is reported on each source: 0 to 31 blocks.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        blocks(self.blocks)
    }
}

pub(super) fn blocks(bytes: &[u8]) -> impl ExactSizeIterator<Item = ReportBlock> {
    bytes.as_chunks().0.iter().map(ReportBlock::read)
}

/// How one source is received ([RFC 3550 §6.4.1]).
///
/// [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReportBlock {
    /// Whom this is about.
    pub ssrc: u32,
    /// Packets lost since the report before, in 256ths of those expected.
    pub fraction_lost: u8,
    /// Packets lost in all; negative when there were duplicates. 24 bits.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with the count of wraps in the upper half.
    pub highest_sequence_number: u32,
    /// Mean deviation of the packet spacing, in ticks of the media clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time in the last SR of the source; 0 without one.
    pub last_sr: u32,
    /// Time since that SR came, in 65,536ths of a second; see [`short_ntp`](crate::short_ntp).
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    pub(super) const LEN: usize = 24;
    const LOST_RANGE: std::ops::RangeInclusive<i32> = -0x80_0000..=0x7F_FFFF;

    fn read(bytes: &[u8; Self::LEN]) -> Self {
        let [_, lost @ ..] = wire::array::<4>(bytes, 4);
        let sign = if lost[0] & 0x80 == 0 { 0 } else { 0xFF };
        Self {
            ssrc: wire::u32(bytes, 0),
            fraction_lost: wire::u8(bytes, 4),
            cumulative_lost: i32::from_be_bytes([sign, lost[0], lost[1], lost[2]]),
            highest_sequence_number: wire::u32(bytes, 8),
            jitter: wire::u32(bytes, 12),
            last_sr: wire::u32(bytes, 16),
            delay_since_last_sr: wire::u32(bytes, 20),
        }
    }

    pub(super) fn write(&self, to: &mut Cursor<'_>) {
        let lost = self.cumulative_lost.clamp(*Self::LOST_RANGE.start(), *Self::LOST_RANGE.end());
        let [_, l0, l1, l2] = lost.to_be_bytes();
        to.put(&self.ssrc.to_be_bytes());
        to.put(&[self.fraction_lost, l0, l1, l2]);
        to.put(&self.highest_sequence_number.to_be_bytes());
        to.put(&self.jitter.to_be_bytes());
        to.put(&self.last_sr.to_be_bytes());
        to.put(&self.delay_since_last_sr.to_be_bytes());
    }

    /// The round trip to the reporter, when this block arrived at `now`; `None` without an SR to reckon from, or when
    /// the clocks contradict each other.
    #[must_use]
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        if self.last_sr == 0 {
            return None;
        }
        let elapsed = now.middle().wrapping_sub(self.last_sr).wrapping_sub(self.delay_since_last_sr);
        // A little below zero is rounding; far below, or hours above, is a lie.
        match elapsed.cast_signed() {
            -66..0 => Some(Duration::ZERO),
            ..0 => None,
            _ => Some(from_short_ntp(elapsed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3550 §6.4.1 — figure 2: a round trip of 6.125 s
    #[test]
    fn the_round_trip_of_figure_2_is_6_125_s() {
        let block =
            ReportBlock { last_sr: 0xB705_2000, delay_since_last_sr: 0x0005_4000, ..ReportBlock::default() };
        let now = NtpTime(0xB44D_B710_8000_0000);
        assert_eq!(block.round_trip(now), Some(Duration::from_millis(6_125)));
    }

    #[test]
    fn a_round_trip_needs_a_report_and_is_never_negative() {
        let now = NtpTime(0x10_0000 << 16);
        assert_eq!(ReportBlock::default().round_trip(now), None);
        let block = |last_sr| ReportBlock { last_sr, ..ReportBlock::default() }.round_trip(now);
        assert_eq!(block(0x10_0001), Some(Duration::ZERO));
        assert_eq!(block(0x11_0000), None);
    }

    // rfc: 3550 §6.4.1 — the cumulative loss is a signed number of 24 bits
    #[test]
    fn cumulative_loss_is_signed_and_clamped() {
        for (given, kept) in [(-1, -1), (5, 5), (i32::MAX, 0x7F_FFFF), (i32::MIN, -0x80_0000)] {
            let mut bytes = [0; ReportBlock::LEN];
            let block = ReportBlock { cumulative_lost: given, fraction_lost: 7, ..ReportBlock::default() };
            block.write(&mut Cursor::new(&mut bytes));
            let read = ReportBlock::read(&bytes);
            assert_eq!((read.cumulative_lost, read.fraction_lost), (kept, 7));
        }
    }
}
