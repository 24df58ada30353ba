//! Redundant audio data: several payloads in one, older ones first ([RFC 2198 §3]).
//!
//! [RFC 2198 §3]: https://www.rfc-editor.org/rfc/rfc2198#section-3

use crate::error::BuildError;
use crate::time::RtpTime;
use crate::wire::Cursor;

/// What the 14 bits of an offset can say, in clock ticks.
const MAX_OFFSET: u32 = 0x3FFF;
/// What the 10 bits of a length can say, in octets.
const MAX_LEN: usize = 0x3FF;
/// Blocks in one packet; real senders put two or three.
const MAX_BLOCKS: usize = 8;
const FOLLOWS: u8 = 0x80;

/// One payload among several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block<'a> {
    /// What it is; never that of the redundant payload itself.
    pub payload_type: u8,
    /// When it was sampled.
    pub timestamp: RtpTime,
    /// Its octets.
    pub payload: &'a [u8],
}

/// Why a payload is no redundant audio data.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedundancyError {
    /// It ends within the headers or a block.
    #[error("redundant payload ends before its blocks do")]
    Truncated,
    /// It has more than eight blocks.
    #[error("redundant payload of more than 8 blocks")]
    TooMany,
}

/// The blocks of a payload, all lengths of which have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    timestamp: RtpTime,
    headers: &'a [u8],
    data: &'a [u8],
}

impl<'a> Blocks<'a> {
    /// Checks the payload of a packet stamped `timestamp`.
    ///
    /// # Errors
    ///
    /// [`RedundancyError`] when it ends too early or has too many blocks.
    pub fn new(timestamp: RtpTime, payload: &'a [u8]) -> Result<Self, RedundancyError> {
        let (mut at, mut needed) = (0, 0);
        for _ in 0..MAX_BLOCKS {
            match payload.get(at..) {
                Some([head, ..]) if head & FOLLOWS == 0 => {
                    let (headers, data) =
                        payload.split_at_checked(at + 1).ok_or(RedundancyError::Truncated)?;
                    if data.len() < needed {
                        return Err(RedundancyError::Truncated);
                    }
                    return Ok(Self { timestamp, headers, data });
                }
                Some(&[_, _, high, low, ..]) => {
                    needed += usize::from(u16::from_be_bytes([high & 3, low]));
                    at += 4;
                }
                _ => return Err(RedundancyError::Truncated),
            }
        }
        Err(RedundancyError::TooMany)
    }

    /// The blocks, the oldest first and the primary one last.
    pub fn iter(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let Self { timestamp, mut headers, mut data } = *self;
        std::iter::from_fn(move || match headers {
            &[head, a, b, c, ref rest @ ..] if head & FOLLOWS != 0 => {
                let word = u32::from_be_bytes([0, a, b, c]);
                let len = usize::from(u16::from_be_bytes([b & 3, c]));
                let (payload, behind) = data.split_at_checked(len)?;
                (headers, data) = (rest, behind);
                let timestamp = timestamp.minus(word >> 10);
                Some(Block { payload_type: head & !FOLLOWS, timestamp, payload })
            }
            &[payload_type, ..] => {
                headers = &[];
                Some(Block { payload_type, timestamp, payload: std::mem::take(&mut data) })
            }
            [] => None,
        })
    }
}

/// Writes `older` blocks and the `primary` one, whose timestamp the packet bears, and says how long that is.
///
/// # Errors
///
/// [`BuildError::TooMany`] for more than 8 blocks, one of more than 1,023 octets, or one more than 16,383 ticks older
/// than the primary (or younger); [`BuildError::PayloadType`]; [`BuildError::BufferTooSmall`].
pub fn write(older: &[Block<'_>], primary: &Block<'_>, buffer: &mut [u8]) -> Result<usize, BuildError> {
    let too_many = |what, count, limit| Err(BuildError::TooMany { what, count, limit });
    if older.len() >= MAX_BLOCKS {
        return too_many("redundant blocks", older.len() + 1, MAX_BLOCKS);
    }
    let mut needed = 4 * older.len() + 1 + primary.payload.len();
    for block in older {
        let offset = primary.timestamp.0.wrapping_sub(block.timestamp.0);
        if offset > MAX_OFFSET {
            let count = usize::try_from(offset).unwrap_or(usize::MAX);
            return too_many("ticks of age of a redundant block", count, MAX_OFFSET as usize);
        }
        if block.payload.len() > MAX_LEN {
            return too_many("octets of a redundant block", block.payload.len(), MAX_LEN);
        }
        needed += block.payload.len();
    }
    let all = || older.iter().chain([primary]);
    if let Some(block) = all().find(|block| block.payload_type > 127) {
        return Err(BuildError::PayloadType(block.payload_type));
    }
    let available = buffer.len();
    if needed > available {
        return Err(BuildError::BufferTooSmall { needed, available });
    }
    let mut to = Cursor::new(buffer);
    for block in older {
        let offset = primary.timestamp.0.wrapping_sub(block.timestamp.0);
        let len = u32::try_from(block.payload.len()).unwrap_or_default(); // checked: at most 1,023
        let [_, a, b, c] = ((offset << 10) | len).to_be_bytes();
        to.put(&[FOLLOWS | block.payload_type, a, b, c]);
    }
    to.put(&[primary.payload_type]);
    all().for_each(|block| to.put(block.payload));
    Ok(to.position())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // rfc: 2198 §3 — a block header is F, type, 14 bits of offset, 10 bits of length; the last has only the type
    #[test]
    fn the_headers_are_laid_out_as_drawn() {
        let older = [Block { payload_type: 5, timestamp: RtpTime(840), payload: b"old" }];
        let primary = Block { payload_type: 0, timestamp: RtpTime(1_000), payload: b"new" };
        let mut buffer = [0; 32];
        let len = write(&older, &primary, &mut buffer).unwrap();
        assert_eq!(buffer[..len], [0x85, 0x02, 0x80, 0x03, 0x00, b'o', b'l', b'd', b'n', b'e', b'w']);
    }

    #[test]
    fn a_payload_that_ends_too_early_is_refused() {
        let whole = [0x85, 0x02, 0x80, 0x03, 0x00, b'o', b'l', b'd', b'n'];
        for cut in 0..8 {
            let result = Blocks::new(RtpTime(0), &whole[..cut]);
            assert_eq!(result.unwrap_err(), RedundancyError::Truncated, "cut at {cut}");
        }
        assert_eq!(Blocks::new(RtpTime(0), &whole).unwrap().iter().count(), 2);
        assert_eq!(Blocks::new(RtpTime(0), &[0x80; 100]).unwrap_err(), RedundancyError::TooMany);
    }

    #[test]
    fn what_no_field_can_hold_is_refused() {
        let block = |timestamp, payload| Block { payload_type: 0, timestamp: RtpTime(timestamp), payload };
        let primary = block(20_000, b"");
        let mut buffer = [0; 2_048];
        assert!(write(&[block(20_000 - 0x4000, b"")], &primary, &mut buffer).is_err());
        assert!(write(&[block(20_001, b"")], &primary, &mut buffer).is_err());
        assert!(write(&[block(20_000, &[0; 1_024])], &primary, &mut buffer).is_err());
        assert!(write(&[primary; 8], &primary, &mut buffer).is_err());
        let too_small = BuildError::BufferTooSmall { needed: 5, available: 4 };
        assert_eq!(write(&[primary], &primary, &mut buffer[..4]), Err(too_small));
    }

    proptest! {
        // rfc: 2198 §3 — blocks are read as written
        #[test]
        fn blocks_are_read_as_written(
            stamp: u32,
            older in proptest::collection::vec((0_u8..128, 0_u32..=0x3FFF, proptest::collection::vec(any::<u8>(), 0..50)), 0..7),
            payload in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let primary = Block { payload_type: 96, timestamp: RtpTime(stamp), payload: &payload };
            let older: Vec<Block> = older
                .iter()
                .map(|(payload_type, age, payload)| Block {
                    payload_type: *payload_type,
                    timestamp: RtpTime(stamp).minus(*age),
                    payload,
                })
                .collect();
            let mut buffer = [0; 1_000];
            let len = write(&older, &primary, &mut buffer).unwrap();
            let blocks: Vec<Block> = Blocks::new(RtpTime(stamp), &buffer[..len]).unwrap().iter().collect();
            prop_assert_eq!(blocks.split_last(), Some((&primary, &older[..])));
        }
    }
}
