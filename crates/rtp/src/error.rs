//! Why a packet was refused, or could not be written.

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Fewer octets than the header, its CSRC list or its extension announce.
    #[error("RTP packet of {len} octets, but its header needs {needed}")]
    Truncated {
        /// Octets that came.
        len: usize,
        /// Octets that the header needs.
        needed: usize,
    },
    /// The version field is not 2.
    #[error("RTP version {0}, expected 2")]
    Version(u8),
    /// The second octet is that of an RTCP packet, 192 to 223: payload types 64 to 95 are left free for these
    /// (RFC 5761 §4).
    #[error("packet type {0} belongs to RTCP")]
    Rtcp(u8),
    /// The padding count is zero or exceeds what follows the header.
    #[error("padding of {count} octets where {available} follow the header")]
    Padding {
        /// What the last octet says.
        count: u8,
        /// Octets after the header.
        available: usize,
    },
}

/// Why an RTP or RTCP packet could not be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The caller's buffer is too small.
    #[error("packet needs {needed} octets, the buffer holds {available}")]
    BufferTooSmall {
        /// Octets to write.
        needed: usize,
        /// Octets in the buffer.
        available: usize,
    },
    /// A payload type above 127, or one that RFC 5761 §4 leaves to RTCP (64 to 95).
    #[error("payload type {0} cannot be sent")]
    PayloadType(u8),
    /// More entries than the field that counts them can say.
    #[error("{what}: {count} given, at most {limit} fit")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many were given.
        count: usize,
        /// How many fit.
        limit: usize,
    },
    /// A header extension whose length is no multiple of four octets.
    #[error("header extension of {0} octets is not a whole number of 32-bit words")]
    Unaligned(usize),
    /// An extension identifier outside 1 to 255 (RFC 8285 §4.1.2).
    #[error("header extension identifier {0} is reserved")]
    ExtensionId(u8),
}
