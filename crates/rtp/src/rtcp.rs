//! RTCP compound packets: read them as checked views, write them into a buffer of the caller's ([RFC 3550 §6]).
//!
//! ```
//! use rtp::rtcp::{Compound, CompoundBuilder, Packet, ReportBlock, SdesItem};
//!
//! let mut buffer = [0; 256];
//! let mut builder = CompoundBuilder::new(&mut buffer);
//! builder.receiver_report(1, &[ReportBlock { ssrc: 2, jitter: 40, ..ReportBlock::default() }])?;
//! builder.source_description(&[(1, &[SdesItem::cname(b"alice@198.51.100.7")])])?;
//! let len = builder.finish();
//!
//! for packet in Compound::new(&buffer[..len]).expect("just written").packets() {
//!     match packet {
//!         Packet::ReceiverReport(report) => assert_eq!(report.blocks().next().map(|b| b.jitter), Some(40)),
//!         Packet::SourceDescription(sdes) => assert_eq!(sdes.cname_of(1), Some(&b"alice@198.51.100.7"[..])),
//!         _ => unreachable!("nothing else was written"),
//!     }
//! }
//! # Ok::<(), rtp::BuildError>(())
//! ```
//!
//! [RFC 3550 §6]: https://www.rfc-editor.org/rfc/rfc3550#section-6

mod app;
mod bye;
mod feedback;
mod rr;
mod sdes;
mod sr;
mod xr;

pub use app::App;
pub use bye::Bye;
pub use feedback::{Feedback, FeedbackKind, write_nack};
pub use rr::{ReceiverReport, ReportBlock};
pub use sdes::{Chunk, SdesItem, SdesKind, SourceDescription};
pub use sr::{SenderInfo, SenderReport};
pub use xr::{ExtendedReport, VoipMetrics, XrBlock};

use crate::error::BuildError;
use crate::wire::{self, Cursor};

/// Octets of the header of each packet.
const HEADER_LEN: usize = 4;
/// What the five-bit count in a header can say.
const MAX_COUNT: usize = 31;
const PADDING: u8 = 0x20;

/// Packet types ([RFC 3550 §12.1]).
///
/// [RFC 3550 §12.1]: https://www.rfc-editor.org/rfc/rfc3550#section-12.1
mod kind {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SOURCE_DESCRIPTION: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const APP: u8 = 204;
    /// RFC 4585 §6.1.
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    /// RFC 4585 §6.1.
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
    /// RFC 3611 §2.
    pub(super) const EXTENDED_REPORT: u8 = 207;
}

/// Why a datagram is not an RTCP compound packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CompoundError {
    /// No packet at all, or an end within a header.
    #[error("RTCP packet ends within the header at octet {at}")]
    Truncated {
        /// Where that header starts.
        at: usize,
    },
    /// The version of a packet is not 2.
    #[error("RTCP version {version} at octet {at}, expected 2")]
    Version {
        /// What it is.
        version: u8,
        /// Where the packet starts.
        at: usize,
    },
    /// The first packet is neither SR nor RR.
    #[error("first packet of a compound is of type {0}, not SR or RR")]
    First(u8),
    /// Padding in another packet than the last, or more of it than there is room.
    #[error("bad padding in the packet at octet {at}")]
    Padding {
        /// Where the packet starts.
        at: usize,
    },
    /// The lengths do not add up to that of the datagram.
    #[error("packet at octet {at} is {len} octets long, but {available} are left")]
    Length {
        /// Where the packet starts.
        at: usize,
        /// Its length, as it says.
        len: usize,
        /// What is left.
        available: usize,
    },
}

/// A received compound packet, whose headers and lengths have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks a datagram ([RFC 3550 App. A.2]).
    ///
    /// [RFC 3550 App. A.2]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.2
    ///
    /// # Errors
    ///
    /// [`CompoundError`] when a version is not 2, the first packet is no report, a packet but the last is padded,
    /// or the lengths do not add up.
    pub fn new(datagram: &'a [u8]) -> Result<Self, CompoundError> {
        match datagram.get(1).copied() {
            Some(kind::SENDER_REPORT | kind::RECEIVER_REPORT) => Self::reduced_size(datagram),
            Some(other) if datagram.len() >= HEADER_LEN => Err(CompoundError::First(other)),
            Some(_) | None => Err(CompoundError::Truncated { at: 0 }),
        }
    }

    /// Checks a datagram that may lack the leading report, where that was agreed ([RFC 5506 §3.4.2]).
    ///
    /// [RFC 5506 §3.4.2]: https://www.rfc-editor.org/rfc/rfc5506#section-3.4.2
    ///
    /// # Errors
    ///
    /// As [`Compound::new`], but for [`CompoundError::First`].
    pub fn reduced_size(datagram: &'a [u8]) -> Result<Self, CompoundError> {
        let mut at = 0;
        loop {
            let rest = datagram.get(at..).unwrap_or_default();
            let Some(&[flags, _, words @ ..]) = rest.first_chunk::<HEADER_LEN>() else {
                return Err(CompoundError::Truncated { at });
            };
            if flags >> 6 != 2 {
                return Err(CompoundError::Version { version: flags >> 6, at });
            }
            let len = HEADER_LEN + 4 * usize::from(u16::from_be_bytes(words));
            if len > rest.len() {
                return Err(CompoundError::Length { at, len, available: rest.len() });
            }
            if flags & PADDING != 0 {
                let count = usize::from(rest.last().copied().unwrap_or_default());
                if len != rest.len() || count == 0 || count > len - HEADER_LEN {
                    return Err(CompoundError::Padding { at });
                }
            }
            at += len;
            if at == datagram.len() {
                return Ok(Self { bytes: datagram });
            }
        }
    }

    /// The packets in it, in order.
    #[must_use]
    pub fn packets(&self) -> Packets<'a> {
        Packets { rest: self.bytes }
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// SR: what a sender sent, and what it received.
    SenderReport(SenderReport<'a>),
    /// RR: what a receiver received.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES: names of sources.
    SourceDescription(SourceDescription<'a>),
    /// BYE: sources that leave.
    Bye(Bye<'a>),
    /// APP: what an application defined for itself.
    App(App<'a>),
    /// RTPFB or PSFB: what was lost, what is wanted.
    Feedback(Feedback<'a>),
    /// XR: reports beyond SR and RR.
    ExtendedReport(ExtendedReport<'a>),
    /// Another type, or a body too short for its type; to be ignored.
    Unknown(Unknown<'a>),
}

/// A packet that is not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unknown<'a> {
    /// 192 to 223.
    pub packet_type: u8,
    /// The five bits that count things in most packets.
    pub count: u8,
    /// What follows the header, without padding.
    pub body: &'a [u8],
}

/// Iterates over the packets of a [`Compound`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let [flags, packet_type, words @ ..] = *self.rest.first_chunk::<HEADER_LEN>()?;
        let len = HEADER_LEN + 4 * usize::from(u16::from_be_bytes(words));
        let (packet, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        let padding = if flags & PADDING == 0 { 0 } else { wire::u8(packet, packet.len() - 1) };
        let body = wire::slice(packet, HEADER_LEN..packet.len().saturating_sub(usize::from(padding)));
        Some(read(packet_type, flags & 31, body))
    }
}

fn read(packet_type: u8, count: u8, body: &[u8]) -> Packet<'_> {
    let packet = match packet_type {
        kind::SENDER_REPORT => SenderReport::read(count, body).map(Packet::SenderReport),
        kind::RECEIVER_REPORT => ReceiverReport::read(count, body).map(Packet::ReceiverReport),
        kind::SOURCE_DESCRIPTION => Some(Packet::SourceDescription(SourceDescription::read(count, body))),
        kind::BYE => Bye::read(count, body).map(Packet::Bye),
        kind::APP => App::read(count, body).map(Packet::App),
        kind::TRANSPORT_FEEDBACK => {
            Feedback::read(FeedbackKind::Transport(count), body).map(Packet::Feedback)
        }
        kind::PAYLOAD_FEEDBACK => Feedback::read(FeedbackKind::Payload(count), body).map(Packet::Feedback),
        kind::EXTENDED_REPORT => ExtendedReport::read(body).map(Packet::ExtendedReport),
        _ => None,
    };
    packet.unwrap_or(Packet::Unknown(Unknown { packet_type, count, body }))
}

/// Writes a compound packet into a buffer of the caller's, without allocating.
///
/// A compound starts with a sender or receiver report and names the sender's CNAME ([RFC 3550 §6.1]); what is
/// written is the caller's choice. A packet that does not fit leaves those before it as they were.
///
/// [RFC 3550 §6.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.1
#[derive(Debug)]
pub struct CompoundBuilder<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> CompoundBuilder<'b> {
    /// An empty compound at the front of `buffer`.
    #[must_use]
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Adds an SR, and an RR for each 31 blocks beyond the first 31.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`].
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<&mut Self, BuildError> {
        let (first, rest) = blocks.split_at(blocks.len().min(MAX_COUNT));
        let len = 4 + SenderInfo::LEN + first.len() * ReportBlock::LEN;
        self.append(kind::SENDER_REPORT, first.len(), len, |to| {
            to.put(&ssrc.to_be_bytes());
            info.write(to);
            first.iter().for_each(|block| block.write(to));
        })?;
        if rest.is_empty() { Ok(self) } else { self.receiver_report(ssrc, rest) }
    }

    /// Adds an RR, and another one for each 31 blocks beyond the first 31.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`].
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<&mut Self, BuildError> {
        let mut blocks = blocks;
        loop {
            let (first, rest) = blocks.split_at(blocks.len().min(MAX_COUNT));
            self.append(kind::RECEIVER_REPORT, first.len(), 4 + first.len() * ReportBlock::LEN, |to| {
                to.put(&ssrc.to_be_bytes());
                first.iter().for_each(|block| block.write(to));
            })?;
            if rest.is_empty() {
                return Ok(self);
            }
            blocks = rest;
        }
    }

    /// Adds an SDES packet with a chunk for each source.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`]; [`BuildError::TooMany`] for more than 31 chunks or 255 octets of text.
    pub fn source_description(&mut self, chunks: &[(u32, &[SdesItem<'_>])]) -> Result<&mut Self, BuildError> {
        let mut len = 0;
        for (_, items) in chunks {
            len += sdes::chunk_len(items)?;
        }
        self.append(kind::SOURCE_DESCRIPTION, chunks.len(), len, |to| {
            chunks.iter().for_each(|(ssrc, items)| sdes::write_chunk(to, *ssrc, items));
        })
    }

    /// Adds a BYE for these sources; an empty `reason` is left out.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`]; [`BuildError::TooMany`] for more than 31 sources or 255 octets of reason.
    pub fn bye(&mut self, ssrcs: &[u32], reason: &[u8]) -> Result<&mut Self, BuildError> {
        let len = bye::body_len(ssrcs, reason)?;
        self.append(kind::BYE, ssrcs.len(), len, |to| bye::write(to, ssrcs, reason))
    }

    /// Adds an APP packet; its data must be whole 32-bit words.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`]; [`BuildError::TooMany`] for a subtype above 31; [`BuildError::Unaligned`].
    pub fn app(&mut self, app: &App<'_>) -> Result<&mut Self, BuildError> {
        if !app.data.len().is_multiple_of(4) {
            return Err(BuildError::Unaligned(app.data.len()));
        }
        self.append(kind::APP, usize::from(app.subtype), 8 + app.data.len(), |to| app.write(to))
    }

    /// Adds a feedback packet; its control information must be whole 32-bit words.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`]; [`BuildError::TooMany`] for a format above 31; [`BuildError::Unaligned`].
    pub fn feedback(&mut self, feedback: &Feedback<'_>) -> Result<&mut Self, BuildError> {
        if !feedback.fci.len().is_multiple_of(4) {
            return Err(BuildError::Unaligned(feedback.fci.len()));
        }
        let (packet_type, format) = match feedback.kind {
            FeedbackKind::Transport(format) => (kind::TRANSPORT_FEEDBACK, format),
            FeedbackKind::Payload(format) => (kind::PAYLOAD_FEEDBACK, format),
        };
        self.append(packet_type, usize::from(format), 8 + feedback.fci.len(), |to| feedback.write(to))
    }

    /// Adds an XR packet with a block of VoIP metrics for each source.
    ///
    /// # Errors
    ///
    /// [`BuildError::BufferTooSmall`].
    pub fn extended_report(&mut self, ssrc: u32, metrics: &[VoipMetrics]) -> Result<&mut Self, BuildError> {
        self.append(kind::EXTENDED_REPORT, 0, 4 + metrics.len() * VoipMetrics::LEN, |to| {
            to.put(&ssrc.to_be_bytes());
            metrics.iter().for_each(|metrics| metrics.write(to));
        })
    }

    /// How long the compound is.
    #[must_use]
    pub fn finish(self) -> usize {
        self.len
    }

    fn append(
        &mut self,
        packet_type: u8,
        count: usize,
        body_len: usize,
        write: impl FnOnce(&mut Cursor<'_>),
    ) -> Result<&mut Self, BuildError> {
        let too_many = |what, count, limit| BuildError::TooMany { what, count, limit };
        let flags = u8::try_from(count).ok().filter(|count| usize::from(*count) <= MAX_COUNT);
        let flags = flags.ok_or(too_many("entries of an RTCP packet", count, MAX_COUNT))?;
        let words = u16::try_from(body_len / 4);
        let words = words.map_err(|_| too_many("words of an RTCP packet", body_len / 4, 0xFFFF))?;
        let needed = self.len + HEADER_LEN + body_len;
        let available = self.buffer.len();
        let place = self.buffer.get_mut(self.len..needed);
        let mut to = Cursor::new(place.ok_or(BuildError::BufferTooSmall { needed, available })?);
        let [w0, w1] = words.to_be_bytes();
        to.put(&[0x80 | flags, packet_type, w0, w1]);
        write(&mut to);
        self.len = needed;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut CompoundBuilder<'_>)) -> Vec<u8> {
        let mut buffer = vec![0xEE; 4_096];
        let mut builder = CompoundBuilder::new(&mut buffer);
        write(&mut builder);
        let len = builder.finish();
        buffer.truncate(len);
        buffer
    }

    fn report_and_bye() -> Vec<u8> {
        written(|builder| {
            builder.receiver_report(7, &[]).unwrap().bye(&[7], b"").unwrap();
        })
    }

    // rfc: 3550 §A.2 — the first packet is SR or RR
    // rfc: 5506 §3.4.2 — reduced-size RTCP may lack it
    #[test]
    fn a_compound_starts_with_a_report_unless_it_is_of_reduced_size() {
        let bye = written(|builder| {
            builder.bye(&[7], b"").unwrap();
        });
        assert_eq!(Compound::new(&bye).unwrap_err(), CompoundError::First(203));
        assert_eq!(Compound::reduced_size(&bye).unwrap().packets().count(), 1);
        assert_eq!(Compound::new(&report_and_bye()).unwrap().packets().count(), 2);
    }

    // rfc: 3550 §A.2 — every version is 2
    #[test]
    fn every_packet_has_version_2() {
        for at in [0, 8] {
            let mut bytes = report_and_bye();
            bytes[at] = 0x41;
            assert_eq!(Compound::new(&bytes).unwrap_err(), CompoundError::Version { version: 1, at });
        }
    }

    // rfc: 3550 §A.2 — the lengths add up to that of the datagram
    #[test]
    fn lengths_have_to_add_up() {
        let bytes = report_and_bye();
        for cut in 0..bytes.len() {
            let result = Compound::new(&bytes[..cut]);
            assert_eq!(result.is_ok(), cut == 8, "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Compound::new(&longer).unwrap_err(), CompoundError::Truncated { at: 16 });
    }

    // rfc: 3550 §6.4.1 — padding is in the last packet only
    #[test]
    fn only_the_last_packet_may_be_padded() {
        let mut bytes = report_and_bye();
        bytes[0] |= PADDING;
        assert_eq!(Compound::new(&bytes).unwrap_err(), CompoundError::Padding { at: 0 });
        let mut bytes = report_and_bye();
        bytes[8] |= PADDING;
        bytes[11] += 1;
        bytes.extend([0, 0, 0, 4]);
        let Some(Packet::Bye(bye)) = Compound::new(&bytes).unwrap().packets().nth(1) else {
            panic!("no BYE")
        };
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [7]);
        for bad in [0, 9] {
            *bytes.last_mut().unwrap() = bad;
            assert_eq!(Compound::new(&bytes).unwrap_err(), CompoundError::Padding { at: 8 });
        }
    }

    // rfc: 3550 §6.1 — what is not understood is ignored
    #[test]
    fn unknown_types_and_short_bodies_are_handed_out_as_unknown() {
        let bytes = [0x80, 201, 0, 1, 0, 0, 0, 1, 0x80, 222, 0, 0, 0x81, 200, 0, 1, 0, 0, 0, 1];
        let packets: Vec<Packet> = Compound::new(&bytes).unwrap().packets().collect();
        assert!(matches!(packets[1], Packet::Unknown(Unknown { packet_type: 222, count: 0, body: [] })));
        assert!(matches!(packets[2], Packet::Unknown(Unknown { packet_type: 200, count: 1, .. })));
    }

    // rfc: 3550 §6.4 — more than 31 blocks go into further RRs
    #[test]
    fn blocks_beyond_31_go_into_further_receiver_reports() {
        let blocks: Vec<ReportBlock> =
            (0..70).map(|ssrc| ReportBlock { ssrc, ..ReportBlock::default() }).collect();
        let bytes = written(|builder| {
            builder.sender_report(7, &SenderInfo::default(), &blocks).unwrap();
        });
        let read: Vec<Vec<u32>> = Compound::new(&bytes)
            .unwrap()
            .packets()
            .filter_map(|packet| {
                if let Packet::SenderReport(report) = packet {
                    return Some(report.blocks().map(|block| block.ssrc).collect());
                }
                let Packet::ReceiverReport(report) = packet else { return None };
                Some(report.blocks().map(|block| block.ssrc).collect())
            })
            .collect();
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), [31, 31, 8]);
        assert_eq!(read.concat(), (0..70).collect::<Vec<u32>>());
    }

    #[test]
    fn what_does_not_fit_leaves_the_rest_as_it_was() {
        let mut buffer = [0; 12];
        let mut builder = CompoundBuilder::new(&mut buffer);
        builder.receiver_report(7, &[]).unwrap();
        let error = builder.bye(&[7], b"").unwrap_err();
        assert_eq!(error, BuildError::BufferTooSmall { needed: 16, available: 12 });
        assert_eq!(builder.finish(), 8);
        assert!(Compound::new(&buffer[..8]).is_ok());
    }

    #[test]
    fn what_no_field_can_hold_is_refused() {
        let mut buffer = [0; 4_096];
        let mut builder = CompoundBuilder::new(&mut buffer);
        assert!(matches!(builder.bye(&[0; 32], b""), Err(BuildError::TooMany { count: 32, limit: 31, .. })));
        assert!(matches!(builder.bye(&[0], &[b'x'; 256]), Err(BuildError::TooMany { count: 256, .. })));
        let long = [SdesItem::cname(&[b'x'; 256])];
        assert!(matches!(builder.source_description(&[(1, &long)]), Err(BuildError::TooMany { .. })));
        let app = App { subtype: 32, ssrc: 0, name: *b"name", data: &[] };
        assert!(matches!(builder.app(&app), Err(BuildError::TooMany { count: 32, .. })));
        let app = App { subtype: 0, data: &[1], ..app };
        assert_eq!(builder.app(&app).unwrap_err(), BuildError::Unaligned(1));
        assert_eq!(builder.finish(), 0);
    }
}
