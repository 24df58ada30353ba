//! Sequence numbers: 16 bits on the wire, compared around the wrap, extended to 64 bits inside.

/// How far `to` lies ahead of `from`, by the shorter way around the wrap; negative when it lies behind.
///
/// ```
/// assert_eq!(rtp::seq::distance(65_535, 1), 2);
/// assert_eq!(rtp::seq::distance(1, 65_535), -2);
/// ```
#[inline]
#[must_use]
pub const fn distance(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from).cast_signed()
}

/// Whether `candidate` comes after `reference` by less than half the number space.
#[inline]
#[must_use]
pub const fn is_newer(candidate: u16, reference: u16) -> bool {
    distance(reference, candidate) > 0
}

/// Gives each 16-bit number the 64-bit one that lies closest to the highest seen so far.
///
/// The low 16 bits of the result are the number itself; the rest counts the wraps, starting at one, so that a
/// packet from before the first one still has a number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extender {
    highest: Option<u64>,
}

impl Extender {
    /// An extender that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The extended number of `sequence_number`, which counts as seen from now on.
    pub fn extend(&mut self, sequence_number: u16) -> u64 {
        let extended = self.peek(sequence_number);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// The extended number of `sequence_number`, without remembering it.
    #[must_use]
    pub fn peek(&self, sequence_number: u16) -> u64 {
        let Some(highest) = self.highest else { return (1 << 16) | u64::from(sequence_number) };
        let [.., high, low] = highest.to_be_bytes();
        let ahead = distance(u16::from_be_bytes([high, low]), sequence_number);
        highest.saturating_add_signed(i64::from(ahead))
    }

    /// The highest extended number seen.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_takes_the_shorter_way_around() {
        assert_eq!(distance(0, 0), 0);
        assert_eq!(distance(65_535, 0), 1);
        assert_eq!(distance(0, 65_535), -1);
        assert_eq!(distance(0, 32_767), 32_767);
        assert_eq!(distance(0, 32_768), -32_768);
        assert!(is_newer(0, 65_535) && !is_newer(65_535, 0) && !is_newer(7, 7));
    }

    #[test]
    fn wraps_are_counted_once_and_stragglers_fall_before_them() {
        let mut extender = Extender::new();
        assert_eq!(extender.extend(65_534), 0x1_FFFE);
        assert_eq!(extender.extend(1), 0x2_0001);
        assert_eq!(extender.extend(65_535), 0x1_FFFF);
        assert_eq!(extender.highest(), Some(0x2_0001));
        assert_eq!(extender.extend(2), 0x2_0002);
    }

    #[test]
    fn what_came_before_the_first_packet_still_has_a_number() {
        let mut extender = Extender::new();
        extender.extend(0);
        assert_eq!(extender.extend(65_535), 0xFFFF);
    }
}
