//! What can go wrong, one enum for each operation.

/// Why a master key was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The octets do not fit the profile.
    #[error("key and salt need {expected} octets, not {actual}")]
    Length {
        /// Key and salt of the profile, in octets.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// A master key identifier is 1 to 128 octets long.
    #[error("a master key identifier has 1 to 128 octets, not {0}")]
    MkiLength(usize),
    /// The key was made for another profile.
    #[error("the key was made for another profile")]
    Profile,
    /// A replay window below 64 packets is not allowed.
    #[error("the replay window needs 64 packets at least, not {0}")]
    Window(usize),
}

/// Why a packet was not protected. The packet is as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// It is no RTP, or no RTCP, packet of version 2.
    #[error("not an RTP or RTCP packet")]
    Malformed,
    /// It would not fit a datagram.
    #[error("longer than a datagram")]
    TooLong,
    /// This sequence number was protected before, or is too old to know; twice would reveal both packets.
    #[error("the packet index was used before")]
    IndexReused,
    /// The key has protected as many packets as it may: agree on a new one.
    #[error("the master key has reached the end of its lifetime")]
    KeyExpired,
    /// The context knows as many SSRCs as it may.
    #[error("too many synchronization sources")]
    TooManyStreams,
}

/// Why a received packet was refused. The packet is as it was, and the context too.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnprotectError {
    /// It is too short, or not of version 2.
    #[error("not an SRTP or SRTCP packet")]
    Malformed,
    /// The tag does not belong to the packet: altered, forged or protected with another key.
    #[error("the authentication tag is wrong")]
    Forged,
    /// It came before, or is too old to know.
    #[error("replayed, or older than the replay window")]
    Replayed,
    /// It carries another master key identifier than the key's.
    #[error("unknown master key identifier")]
    UnknownMki,
    /// The key has taken as many packets as it may: agree on a new one.
    #[error("the master key has reached the end of its lifetime")]
    KeyExpired,
    /// The context knows as many SSRCs as it may.
    #[error("too many synchronization sources")]
    TooManyStreams,
}
