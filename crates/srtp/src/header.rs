//! The few header fields that protection depends on.
//!
//! The packet views of `rtp` are no help here: they check the padding, which is encrypted.

/// Splits off the last `length` octets.
pub(crate) fn split_end(octets: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    octets.split_at_checked(octets.len().checked_sub(length)?)
}

fn be32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// An RTP header ([RFC 3550 §5.1](https://www.rfc-editor.org/rfc/rfc3550#section-5.1)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RtpHeader {
    /// Octets up to the payload: fixed fields, contributing sources and header extension.
    pub(crate) len: usize,
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
}

impl RtpHeader {
    /// Reads the header; `None` unless the packet is of version 2 and holds all of it.
    pub(crate) fn new(packet: &[u8]) -> Option<Self> {
        let [first, _, high, low, ..] = *packet else { return None };
        let mut len = 12 + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let extension = be32(packet, len)? & 0xffff;
            len += 4 + 4 * usize::try_from(extension).ok()?;
        }
        let header = Self { len, sequence: u16::from_be_bytes([high, low]), ssrc: be32(packet, 8)? };
        (first >> 6 == 2 && len <= packet.len()).then_some(header)
    }
}

/// How many octets of an RTCP packet stay in the clear.
pub(crate) const RTCP_HEADER_LEN: usize = 8;

/// The sender's SSRC of an RTCP packet; `None` unless it is of version 2 and has one.
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    be32(packet, 4).filter(|_| packet.first().is_some_and(|first| first >> 6 == 2))
}

/// The E flag and the index at the end of an SRTCP packet.
pub(crate) fn rtcp_index(word: &[u8]) -> Option<(bool, u32)> {
    be32(word, 0).map(|word| (word >> 31 == 1, word & 0x7fff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::vectors::hex;

    #[test]
    fn contributing_sources_and_the_extension_belong_to_the_header() {
        let plain = hex("8000 1234 00000000 cafebabe aa");
        assert_eq!(RtpHeader::new(&plain), Some(RtpHeader { len: 12, sequence: 0x1234, ssrc: 0xcafe_babe }));
        let full = hex("9100 1234 00000000 cafebabe 00000001 bede 0002 00000000 00000000 aa");
        assert_eq!(RtpHeader::new(&full).map(|header| header.len), Some(28));
    }

    #[test]
    fn truncated_headers_and_other_versions_are_refused() {
        let full = hex("9100 1234 00000000 cafebabe 00000001 bede 0002 00000000 00000000");
        assert!((0..full.len()).all(|length| RtpHeader::new(&full[..length]).is_none()));
        assert!(RtpHeader::new(&full).is_some());
        assert_eq!(RtpHeader::new(&hex("4000 1234 00000000 cafebabe aa")), None);
        assert_eq!(rtcp_ssrc(&hex("80c90001cafeba")), None);
        assert_eq!(rtcp_ssrc(&hex("80c90001cafebabe")), Some(0xcafe_babe));
    }
}
