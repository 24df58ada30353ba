//! The packet index: sequence number and rollover counter ([RFC 3711 §3.3.1]).
//!
//! [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1

/// Indices have 48 bits.
const LIMIT: u64 = 1 << 48;

/// The index of a packet, given the highest one so far (or the rollover counter to begin with).
///
/// Of the three rollover counters around the current one it takes that which puts the packet closest. Before the
/// first rollover there is no earlier one: a far-off number is then taken as ahead. `None` past 2^48.
pub(crate) fn estimate(highest: Option<u64>, initial_rollover: u32, sequence: u16) -> Option<u64> {
    let sequence = u64::from(sequence);
    let Some(highest) = highest else { return Some(u64::from(initial_rollover) << 16 | sequence) };
    let (rollover, last) = (highest >> 16, highest & 0xffff);
    let guess = if sequence + 0x8000 < last {
        rollover + 1
    } else if last + 0x8000 < sequence {
        rollover.saturating_sub(1)
    } else {
        rollover
    };
    Some(guess << 16 | sequence).filter(|index| *index < LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3711 §3.3.1 — the index closest to the highest one is taken
    #[test]
    fn late_packets_across_the_wrap_get_the_rollover_counter_before() {
        let estimate = |highest, sequence| estimate(Some(highest), 0, sequence).unwrap();
        assert_eq!(estimate(0xfffe, 0xffff), 0xffff);
        assert_eq!(estimate(0xffff, 0), 0x1_0000);
        assert_eq!(estimate(0x1_0003, 0xfffe), 0xfffe);
        assert_eq!(estimate(0x5_8001, 0), 0x6_0000);
        assert_eq!(estimate(0x5_8000, 0), 0x5_0000);
        assert_eq!(estimate(0x5_7fff, 0xffff), 0x5_ffff);
        assert_eq!(estimate(0x5_7ffe, 0xffff), 0x4_ffff);
    }

    #[test]
    fn the_first_packet_uses_the_counter_to_begin_with_and_nothing_lies_before_zero() {
        assert_eq!(estimate(None, 7, 0x1234), Some(0x7_1234));
        assert_eq!(estimate(Some(5), 0, 0xfff0), Some(0xfff0));
    }

    // rfc: 3711 §9.2 — an index is never used twice: the space ends at 2^48
    #[test]
    fn there_is_no_index_after_the_last() {
        assert_eq!(estimate(Some(LIMIT - 1), 0, 0), None);
        assert_eq!(estimate(Some(LIMIT - 2), 0, 0xffff), Some(LIMIT - 1));
    }
}
