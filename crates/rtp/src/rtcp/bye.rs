//! Goodbyes ([RFC 3550 §6.6]).
//!
//! [RFC 3550 §6.6]: https://www.rfc-editor.org/rfc/rfc3550#section-6.6

use crate::error::BuildError;
use crate::wire::{self, Cursor};

/// BYE: sources that leave.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    ssrcs: &'a [u8],
    /// Why, if it is said: UTF-8 by the RFC.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Option<Self> {
        let (ssrcs, rest) = body.split_at_checked(4 * usize::from(count))?;
        let reason = rest.split_first().and_then(|(len, text)| text.get(..usize::from(*len)));
        Some(Self { ssrcs, reason })
    }

    /// Who leaves: 0 to 31 sources.
    pub fn ssrcs(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.ssrcs.chunks_exact(4).map(|ssrc| wire::u32(ssrc, 0))
    }
}

pub(super) fn body_len(ssrcs: &[u32], reason: &[u8]) -> Result<usize, BuildError> {
    if reason.len() > 255 {
        return Err(BuildError::TooMany { what: "octets of a reason", count: reason.len(), limit: 255 });
    }
    let reason = if reason.is_empty() { 0 } else { (1 + reason.len()).next_multiple_of(4) };
    Ok(4 * ssrcs.len() + reason)
}

pub(super) fn write(to: &mut Cursor<'_>, ssrcs: &[u32], reason: &[u8]) {
    for ssrc in ssrcs {
        to.put(&ssrc.to_be_bytes());
    }
    if !reason.is_empty() {
        to.put(&[u8::try_from(reason.len()).unwrap_or(u8::MAX)]); // checked in `body_len`
        to.put(reason);
        to.zeros((1 + reason.len()).next_multiple_of(4) - 1 - reason.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3550 §6.6 — the reason is padded with null octets to 32 bits
    #[test]
    fn reasons_of_every_length_are_read_as_written() {
        for len in 0..=9 {
            let reason = vec![b'r'; len];
            let mut body = vec![0xEE; 64];
            let mut to = Cursor::new(&mut body);
            write(&mut to, &[3, 4], &reason);
            let end = to.position();
            assert_eq!(end, body_len(&[3, 4], &reason).unwrap());
            let bye = Bye::read(2, &body[..end]).unwrap();
            assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [3, 4]);
            assert_eq!(bye.reason, (len > 0).then_some(&reason[..]));
        }
    }

    #[test]
    fn a_reason_beyond_the_end_is_none() {
        assert_eq!(Bye::read(0, &[9, b'a', 0, 0]).unwrap().reason, None);
        assert!(Bye::read(1, &[0, 0, 0]).is_none());
    }
}
