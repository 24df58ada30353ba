//! RTP packets: a checked view over received octets, and a builder that writes into the caller's buffer.

use crate::error::{BuildError, PacketError};
use crate::extension::{Element, ElementWriter, Extension};
use crate::time::RtpTime;
use crate::wire::{self, Cursor};

/// Octets of the header that every packet has.
pub const FIXED_HEADER_LEN: usize = 12;

/// Where things lie in the fixed header ([RFC 3550 §5.1]).
///
/// [RFC 3550 §5.1]: https://www.rfc-editor.org/rfc/rfc3550#section-5.1
mod field {
    use crate::wire::Field;

    /// V, P, X and CC.
    pub(super) const FLAGS: usize = 0;
    /// M and PT.
    pub(super) const MARKER_AND_TYPE: usize = 1;
    pub(super) const SEQUENCE_NUMBER: Field = 2..4;
    pub(super) const TIMESTAMP: Field = 4..8;
    pub(super) const SSRC: Field = 8..12;
}

const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const MARKER: u8 = 0x80;

/// A received RTP packet, every length of which has been checked.
///
/// ```
/// let octets = [0x80, 0x80, 0, 7, 0, 0, 0, 160, 0, 0, 0, 1, 0xFF, 0xFE];
/// let packet = rtp::Packet::new(&octets[..])?;
/// assert!(packet.marker());
/// assert_eq!((packet.payload_type(), packet.sequence_number(), packet.ssrc()), (0, 7, 1));
/// assert_eq!(packet.payload(), [0xFF, 0xFE]);
/// # Ok::<(), rtp::PacketError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
    header_len: usize,
    payload_len: usize,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks that `buffer` holds a whole RTP packet ([RFC 3550 App. A.1]).
    ///
    /// [RFC 3550 App. A.1]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.1
    ///
    /// # Errors
    ///
    /// [`PacketError`] when the version is not 2, when the packet type is one of RTCP's (RFC 5761 §4), or when header, CSRC list,
    /// extension or padding do not fit into the buffer.
    #[inline]
    pub fn new(buffer: T) -> Result<Self, PacketError> {
        let bytes = buffer.as_ref();
        let len = bytes.len();
        let Some(&[flags, kind, ..]) = bytes.first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(PacketError::Truncated { len, needed: FIXED_HEADER_LEN });
        };
        if flags >> 6 != 2 {
            return Err(PacketError::Version(flags >> 6));
        }
        if is_rtcp_type(kind) {
            return Err(PacketError::Rtcp(kind));
        }
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(flags & 15);
        if flags & EXTENSION != 0 {
            let words = bytes.get(header_len + 2..header_len + 4);
            let words = words.ok_or(PacketError::Truncated { len, needed: header_len + 4 })?;
            header_len += 4 + 4 * usize::from(wire::u16(words, 0));
        }
        let available = len.checked_sub(header_len);
        let available = available.ok_or(PacketError::Truncated { len, needed: header_len })?;
        let mut payload_len = available;
        if flags & PADDING != 0 {
            let count = bytes.last().copied().unwrap_or_default();
            payload_len = match available.checked_sub(usize::from(count)) {
                Some(rest) if count > 0 => rest,
                _ => return Err(PacketError::Padding { count, available }),
            };
        }
        Ok(Self { buffer, header_len, payload_len })
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.buffer.as_ref()
    }

    #[inline]
    fn flags(&self) -> u8 {
        wire::u8(self.bytes(), field::FLAGS)
    }

    /// The M bit: for audio, the first packet after a silence ([RFC 3551 §4.1]).
    ///
    /// [RFC 3551 §4.1]: https://www.rfc-editor.org/rfc/rfc3551#section-4.1
    #[inline]
    #[must_use]
    pub fn marker(&self) -> bool {
        wire::u8(self.bytes(), field::MARKER_AND_TYPE) & MARKER != 0
    }

    /// What the payload is, 0 to 127; see [`payload`](crate::payload) for the numbers with a fixed meaning.
    #[inline]
    #[must_use]
    pub fn payload_type(&self) -> u8 {
        wire::u8(self.bytes(), field::MARKER_AND_TYPE) & !MARKER
    }

    /// Grows by one with each packet and wraps at 65,536; see [`seq`](crate::seq).
    #[inline]
    #[must_use]
    pub fn sequence_number(&self) -> u16 {
        wire::u16(self.bytes(), field::SEQUENCE_NUMBER.start)
    }

    /// The sampling instant of the first octet of the payload.
    #[inline]
    #[must_use]
    pub fn timestamp(&self) -> RtpTime {
        RtpTime(wire::u32(self.bytes(), field::TIMESTAMP.start))
    }

    /// The synchronization source: who sent this.
    #[inline]
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        wire::u32(self.bytes(), field::SSRC.start)
    }

    /// The contributing sources, which a mixer lists: 0 to 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = u32> {
        let list = FIXED_HEADER_LEN..FIXED_HEADER_LEN + 4 * usize::from(self.flags() & 15);
        wire::slice(self.bytes(), list).chunks_exact(4).map(|csrc| wire::u32(csrc, 0))
    }

    /// The header extension, if there is one.
    #[must_use]
    pub fn extension(&self) -> Option<Extension<'_>> {
        if self.flags() & EXTENSION == 0 {
            return None;
        }
        let at = FIXED_HEADER_LEN + 4 * usize::from(self.flags() & 15);
        Some(Extension {
            profile: wire::u16(self.bytes(), at),
            data: wire::slice(self.bytes(), at + 4..self.header_len),
        })
    }

    /// Octets before the payload: fixed header, CSRC list and extension.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// The payload, without padding.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        wire::slice(self.bytes(), self.header_len..self.header_len + self.payload_len)
    }

    /// Octets of padding after the payload, the count itself included.
    #[must_use]
    pub fn padding_len(&self) -> usize {
        self.bytes().len().saturating_sub(self.header_len + self.payload_len)
    }

    /// The whole packet as it came.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes()
    }

    /// Gives the buffer back.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.buffer
    }
}

/// Whether the second octet of a datagram says RTCP rather than RTP, when both share a port ([RFC 5761 §4]): packet types 192 to 223.
///
/// [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4
#[inline]
#[must_use]
pub const fn is_rtcp_type(second_octet: u8) -> bool {
    matches!(second_octet, 192..=223)
}

/// Whether a datagram that arrived on a port for both is RTCP ([RFC 5761 §4]); what is too short to tell is not.
///
/// [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [0x80..=0xBF, kind, ..] if is_rtcp_type(*kind))
}

/// Writes one RTP packet into a buffer of the caller's, without allocating.
///
/// ```
/// use rtp::{PacketBuilder, RtpTime};
///
/// let mut buffer = [0; 172];
/// let len = PacketBuilder::new(0, 7, RtpTime(160), 1).marker(true).payload(&[0xFF; 160]).write(&mut buffer)?;
/// assert_eq!(len, 172);
/// # Ok::<(), rtp::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PacketBuilder<'a> {
    payload_type: u8,
    sequence_number: u16,
    timestamp: RtpTime,
    ssrc: u32,
    marker: bool,
    csrcs: &'a [u32],
    extension: ExtensionSource<'a>,
    payload: &'a [u8],
    padding: u8,
}

#[derive(Clone, Copy, Debug)]
enum ExtensionSource<'a> {
    None,
    Raw(Extension<'a>),
    Elements(&'a [Element<'a>]),
}

impl<'a> PacketBuilder<'a> {
    /// A packet with an empty payload.
    #[inline]
    #[must_use]
    pub fn new(payload_type: u8, sequence_number: u16, timestamp: RtpTime, ssrc: u32) -> Self {
        Self {
            payload_type,
            sequence_number,
            timestamp,
            ssrc,
            marker: false,
            csrcs: &[],
            extension: ExtensionSource::None,
            payload: &[],
            padding: 0,
        }
    }

    /// Sets the M bit.
    #[must_use]
    pub fn marker(mut self, marker: bool) -> Self {
        self.marker = marker;
        self
    }

    /// Names the contributing sources; at most 15 fit.
    #[must_use]
    pub fn csrcs(mut self, csrcs: &'a [u32]) -> Self {
        self.csrcs = csrcs;
        self
    }

    /// Adds a header extension of any form; its data must be whole 32-bit words.
    #[must_use]
    pub fn extension(mut self, extension: Extension<'a>) -> Self {
        self.extension = ExtensionSource::Raw(extension);
        self
    }

    /// Adds a header extension with these elements: in the one-byte form where they all fit it, else in the
    /// two-byte form (RFC 8285 §4.1.2). No elements, no extension.
    #[must_use]
    pub fn elements(mut self, elements: &'a [Element<'a>]) -> Self {
        self.extension =
            if elements.is_empty() { ExtensionSource::None } else { ExtensionSource::Elements(elements) };
        self
    }

    /// Sets the payload.
    #[must_use]
    pub fn payload(mut self, payload: &'a [u8]) -> Self {
        self.payload = payload;
        self
    }

    /// Adds `octets` of padding, the count itself included; zero adds none.
    #[must_use]
    pub fn padding(mut self, octets: u8) -> Self {
        self.padding = octets;
        self
    }

    /// Writes the packet to the front of `buffer` and says how long it is.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the buffer is too small or a field cannot hold what was asked for; nothing is written then.
    #[inline]
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let header = self.check()?;
        let needed = header.len + self.payload.len() + usize::from(self.padding);
        let available = buffer.len();
        if needed > available {
            return Err(BuildError::BufferTooSmall { needed, available });
        }
        let mut to = Cursor::new(buffer);
        self.put_header(&header, &mut to);
        to.put(self.payload);
        if let Some(zeros) = self.padding.checked_sub(1) {
            to.zeros(usize::from(zeros));
            to.put(&[self.padding]);
        }
        Ok(to.position())
    }

    /// Writes the header only and says how long it is, so that an encoder can write the payload behind it in
    /// place; padding, if set, is then the caller's to write.
    ///
    /// # Errors
    ///
    /// As [`PacketBuilder::write`].
    pub fn write_header(&self, buffer: &mut [u8]) -> Result<usize, BuildError> {
        let header = self.check()?;
        let available = buffer.len();
        if header.len > available {
            return Err(BuildError::BufferTooSmall { needed: header.len, available });
        }
        let mut to = Cursor::new(buffer);
        self.put_header(&header, &mut to);
        Ok(to.position())
    }

    #[inline]
    fn check(&self) -> Result<Header<'a>, BuildError> {
        if self.payload_type > 127 || is_rtcp_type(self.payload_type | MARKER) {
            return Err(BuildError::PayloadType(self.payload_type));
        }
        if self.csrcs.len() > 15 {
            return Err(BuildError::TooMany { what: "CSRCs", count: self.csrcs.len(), limit: 15 });
        }
        let (extension, data_len) = match self.extension {
            ExtensionSource::None => (HeaderExtension::None, 0),
            ExtensionSource::Raw(Extension { data, .. }) if data.len() % 4 != 0 => {
                return Err(BuildError::Unaligned(data.len()));
            }
            ExtensionSource::Raw(extension) => (HeaderExtension::Raw(extension), extension.data.len()),
            ExtensionSource::Elements(elements) => {
                let writer = ElementWriter::new(elements)?;
                (HeaderExtension::Elements(writer), writer.padded_len())
            }
        };
        let words = u16::try_from(data_len / 4).map_err(|_| BuildError::TooMany {
            what: "header extension words",
            count: data_len / 4,
            limit: usize::from(u16::MAX),
        })?;
        let extension_len = if matches!(extension, HeaderExtension::None) { 0 } else { 4 + data_len };
        Ok(Header { extension, words, len: FIXED_HEADER_LEN + 4 * self.csrcs.len() + extension_len })
    }

    #[inline]
    fn put_header(&self, header: &Header<'_>, to: &mut Cursor<'_>) {
        let csrc_count = u8::try_from(self.csrcs.len()).unwrap_or(15); // checked: at most 15
        let padding = if self.padding > 0 { PADDING } else { 0 };
        let extension = if matches!(header.extension, HeaderExtension::None) { 0 } else { EXTENSION };
        let marker = if self.marker { MARKER } else { 0 };
        let [s0, s1] = self.sequence_number.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let flags = 0x80 | padding | extension | csrc_count;
        to.put(&[flags, marker | self.payload_type, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]);
        for csrc in self.csrcs {
            to.put(&csrc.to_be_bytes());
        }
        match &header.extension {
            HeaderExtension::None => {}
            HeaderExtension::Raw(extension) => {
                to.put(&extension.profile.to_be_bytes());
                to.put(&header.words.to_be_bytes());
                to.put(extension.data);
            }
            HeaderExtension::Elements(writer) => {
                to.put(&writer.profile().to_be_bytes());
                to.put(&header.words.to_be_bytes());
                writer.write(to);
            }
        }
    }
}

/// What `check` found out about the header to write.
#[derive(Debug)]
struct Header<'a> {
    extension: HeaderExtension<'a>,
    words: u16,
    len: usize,
}

#[derive(Debug)]
enum HeaderExtension<'a> {
    None,
    Raw(Extension<'a>),
    Elements(ElementWriter<'a>),
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xAB, 0xCD];

    fn with(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut packet = PLAIN.to_vec();
        for (at, value) in changes {
            packet[*at] = *value;
        }
        packet
    }

    // rfc: 3550 §A.1 — version must be 2
    #[test]
    fn another_version_is_refused() {
        for flags in [0x00, 0x40, 0xC0] {
            assert_eq!(Packet::new(with(&[(0, flags)])).unwrap_err(), PacketError::Version(flags >> 6));
        }
    }

    // rfc: 3550 §A.1 — the payload type is not that of SR or RR
    // rfc: 5761 §4 — packet types 192 to 223 are RTCP
    #[test]
    fn rtcp_is_not_rtp() {
        for kind in [192, 200, 201, 206, 223] {
            assert_eq!(Packet::new(with(&[(1, kind)])).unwrap_err(), PacketError::Rtcp(kind));
        }
        assert!(Packet::new(with(&[(1, 191)])).is_ok() && Packet::new(with(&[(1, 224)])).is_ok());
        assert!(is_rtcp(&[0x80, 200]) && !is_rtcp(&[0x80, 0]) && !is_rtcp(&[0x00, 200]) && !is_rtcp(&[0x80]));
    }

    // rfc: 3550 §A.1 — the padding count fits behind the header
    #[test]
    fn padding_must_fit_and_not_be_zero() {
        let error = |count| Packet::new(with(&[(0, 0xA0), (13, count)])).unwrap_err();
        assert_eq!(error(0), PacketError::Padding { count: 0, available: 2 });
        assert_eq!(error(3), PacketError::Padding { count: 3, available: 2 });
        let packet = Packet::new(with(&[(0, 0xA0), (13, 1)])).unwrap();
        assert_eq!((packet.payload(), packet.padding_len()), (&[0xAB][..], 1));
        let packet = Packet::new(with(&[(0, 0xA0), (13, 2)])).unwrap();
        assert_eq!((packet.payload(), packet.padding_len()), (&[][..], 2));
    }

    // rfc: 3550 §A.1 — the length is consistent with CC and extension
    #[test]
    fn every_cut_of_a_full_header_is_refused() {
        let mut packet = vec![0; 64];
        let elements = [Element { id: 1, data: &[7] }];
        let builder = PacketBuilder::new(96, 1, RtpTime(2), 3).csrcs(&[4, 5]).elements(&elements);
        let len = builder.write(&mut packet).unwrap();
        assert_eq!(len, 12 + 8 + 4 + 4);
        for cut in 0..len {
            assert!(
                matches!(Packet::new(&packet[..cut]), Err(PacketError::Truncated { .. })),
                "cut at {cut}"
            );
        }
        let packet = Packet::new(&packet[..len]).unwrap();
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [4, 5]);
        assert_eq!(packet.extension().unwrap().elements().next(), Some(elements[0]));
        assert_eq!((packet.header_len(), packet.payload().len()), (len, 0));
    }

    #[test]
    fn what_no_field_can_hold_is_refused_and_nothing_is_written() {
        let mut buffer = [0xEE; 64];
        let new = |payload_type| PacketBuilder::new(payload_type, 0, RtpTime(0), 0);
        assert_eq!(new(128).write(&mut buffer), Err(BuildError::PayloadType(128)));
        assert_eq!(new(72).write(&mut buffer), Err(BuildError::PayloadType(72)));
        assert!(matches!(new(0).csrcs(&[0; 16]).write(&mut buffer), Err(BuildError::TooMany { .. })));
        let odd = Extension { profile: 1, data: &[1, 2, 3] };
        assert_eq!(new(0).extension(odd).write(&mut buffer), Err(BuildError::Unaligned(3)));
        let zero = [Element { id: 0, data: &[] }];
        assert_eq!(new(0).elements(&zero).write(&mut buffer), Err(BuildError::ExtensionId(0)));
        let too_small = BuildError::BufferTooSmall { needed: 65, available: 64 };
        assert_eq!(new(0).payload(&[0; 53]).write(&mut buffer), Err(too_small));
        assert_eq!(buffer, [0xEE; 64]);
    }
}
