//! `a=sendrecv`, `a=sendonly`, `a=recvonly`, `a=inactive` ([RFC 8866 §6.7]).
//!
//! [RFC 8866 §6.7]: https://www.rfc-editor.org/rfc/rfc8866#section-6.7

use std::fmt;

/// Which way media flows, seen from the side that writes it ([RFC 8866 §6.7]); `SendRecv` when nothing is said.
///
/// [RFC 8866 §6.7]: https://www.rfc-editor.org/rfc/rfc8866#section-6.7
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// We send, the other side listens: also how a call is put on hold.
    SendOnly,
    /// We listen.
    RecvOnly,
    /// Neither way; RTCP still flows.
    Inactive,
}

impl Direction {
    /// The direction in which this side sends and receives as told.
    #[must_use]
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// True when the side that says so sends media.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True when the side that says so receives media.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction with this attribute name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|d| d.as_str() == name)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3264 §6.1 — sendonly is answered recvonly, recvonly sendonly, inactive inactive
    #[test]
    fn what_one_side_sends_the_other_receives() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(Direction::RecvOnly.reversed(), Direction::SendOnly);
        assert_eq!(Direction::SendRecv.reversed(), Direction::SendRecv);
        assert_eq!(Direction::Inactive.reversed(), Direction::Inactive);
    }

    #[test]
    fn both_sides_must_allow_a_direction() {
        assert_eq!(Direction::SendOnly.and(Direction::RecvOnly), Direction::Inactive);
        assert_eq!(Direction::SendRecv.and(Direction::RecvOnly), Direction::RecvOnly);
    }
}
