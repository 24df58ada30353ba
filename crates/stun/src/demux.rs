//! Telling apart what shares one port ([RFC 7983 §7], [RFC 5761 §4]).
//!
//! [RFC 7983 §7]: https://www.rfc-editor.org/rfc/rfc7983#section-7
//! [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4

/// What a datagram is, by its first octets.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// STUN, first octet 0 to 3.
    Stun,
    /// ZRTP, first octet 16 to 19.
    Zrtp,
    /// DTLS, first octet 20 to 63.
    Dtls,
    /// A TURN channel, first octet 64 to 79.
    TurnChannel,
    /// RTP or SRTP: first octet 128 to 191, and no packet type of RTCP.
    Rtp,
    /// RTCP or SRTCP: first octet 128 to 191, second octet 192 to 223, which are payload types 64 to 95.
    Rtcp,
    /// None of these, to be dropped.
    Unknown,
}

/// Looks at the first two octets of a datagram.
#[must_use]
#[inline]
pub fn classify(datagram: &[u8]) -> Kind {
    match *datagram {
        [0..=3, ..] => Kind::Stun,
        [16..=19, ..] => Kind::Zrtp,
        [20..=63, ..] => Kind::Dtls,
        [64..=79, ..] => Kind::TurnChannel,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 7983 §7 — the ranges of the first octet
    #[test]
    fn every_first_octet_has_its_kind() {
        let expected = |first: u8| match first {
            0..=3 => Kind::Stun,
            4..=15 | 80..=127 | 192..=255 => Kind::Unknown,
            16..=19 => Kind::Zrtp,
            20..=63 => Kind::Dtls,
            64..=79 => Kind::TurnChannel,
            128..=191 => Kind::Rtp,
        };
        for first in 0..=255 {
            assert_eq!(classify(&[first, 0]), expected(first), "{first}");
        }
        assert_eq!(classify(&[]), Kind::Unknown);
        assert_eq!(classify(&[0x80]), Kind::Unknown);
    }

    // rfc: 5761 §4 — payload types 64 to 95 are RTCP
    #[test]
    fn rtcp_is_told_from_rtp_by_its_packet_type() {
        for second in 0..=255_u8 {
            let rtcp = (64..=95).contains(&(second & 0x7f)) && second >= 128;
            assert_eq!(classify(&[0x80, second]) == Kind::Rtcp, rtcp, "{second}");
        }
    }
}
