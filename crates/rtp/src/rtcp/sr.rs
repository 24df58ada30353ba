//! Sender reports ([RFC 3550 §6.4.1]).
//!
//! [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1

use super::rr::{self, ReportBlock};
use crate::time::{NtpTime, RtpTime};
use crate::wire::{self, Cursor};

/// SR: what a sender sent, and what it received.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What it sent.
    pub info: SenderInfo,
    blocks: &'a [u8],
    /// What the profile adds.
    pub extension: &'a [u8],
}

/// What a sender says of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SenderInfo {
    /// Wall-clock time of the report.
    pub ntp: NtpTime,
    /// The same instant in the media clock.
    pub rtp: RtpTime,
    /// RTP packets sent under this SSRC, modulo 2³².
    pub packet_count: u32,
    /// Payload octets sent under this SSRC, without headers and padding, modulo 2³².
    pub octet_count: u32,
}

impl SenderInfo {
    pub(super) const LEN: usize = 20;

    pub(super) fn write(&self, to: &mut Cursor<'_>) {
        to.put(&self.ntp.0.to_be_bytes());
        to.put(&self.rtp.0.to_be_bytes());
        to.put(&self.packet_count.to_be_bytes());
        to.put(&self.octet_count.to_be_bytes());
    }
}

impl<'a> SenderReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_at_checked(4 + SenderInfo::LEN)?;
        let (blocks, extension) = rest.split_at_checked(usize::from(count) * ReportBlock::LEN)?;
        let info = SenderInfo {
            ntp: NtpTime(wire::u64(head, 4)),
            rtp: RtpTime(wire::u32(head, 12)),
            packet_count: wire::u32(head, 16),
            octet_count: wire::u32(head, 20),
        };
        Some(Self { ssrc: wire::u32(head, 0), info, blocks, extension })
    }

    /// What is reported on each source: 0 to 31 blocks.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        rr::blocks(self.blocks)
    }
}
