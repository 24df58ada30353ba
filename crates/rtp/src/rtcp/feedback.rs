//! Feedback: lost packets, and pictures to be sent anew ([RFC 4585 §6], [RFC 5104 §4.3.1]).
//!
//! [RFC 4585 §6]: https://www.rfc-editor.org/rfc/rfc4585#section-6
//! [RFC 5104 §4.3.1]: https://www.rfc-editor.org/rfc/rfc5104#section-4.3.1

use crate::error::BuildError;
use crate::wire::{self, Cursor};

/// RTPFB or PSFB: feedback on one source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Feedback<'a> {
    /// What kind of feedback.
    pub kind: FeedbackKind,
    /// Who says it.
    pub sender_ssrc: u32,
    /// Of whom; zero where the entries name the sources.
    pub media_ssrc: u32,
    /// Feedback control information: whole 32-bit words.
    pub fci: &'a [u8],
}

/// A packet type and a format ([RFC 4585 §6.1]).
///
/// [RFC 4585 §6.1]: https://www.rfc-editor.org/rfc/rfc4585#section-6.1
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FeedbackKind {
    /// Of the transport layer (RTPFB), with its format, 0 to 31.
    Transport(u8),
    /// Of the payload (PSFB), with its format, 0 to 31.
    Payload(u8),
}

impl FeedbackKind {
    /// Generic NACK: packets that were lost.
    pub const NACK: Self = Self::Transport(1);
    /// Picture loss indication.
    pub const PICTURE_LOSS: Self = Self::Payload(1);
    /// Full intra request.
    pub const FULL_INTRA: Self = Self::Payload(4);
}

impl<'a> Feedback<'a> {
    pub(super) fn read(kind: FeedbackKind, body: &'a [u8]) -> Option<Self> {
        let (head, fci) = body.split_at_checked(8)?;
        Some(Self { kind, sender_ssrc: wire::u32(head, 0), media_ssrc: wire::u32(head, 4), fci })
    }

    /// The sequence numbers that a [`FeedbackKind::NACK`] names as lost; none for other kinds.
    pub fn lost(&self) -> impl Iterator<Item = u16> + use<'a> {
        let entries = if self.kind == FeedbackKind::NACK { self.fci } else { &[] };
        entries.as_chunks::<4>().0.iter().flat_map(|entry| {
            let (first, mask) = (wire::u16(entry, 0), wire::u16(entry, 2));
            let following =
                (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
            std::iter::once(first).chain(following)
        })
    }

    /// The sources that a [`FeedbackKind::FULL_INTRA`] asks, each with the number of the request; none for other kinds.
    pub fn intra_requests(&self) -> impl Iterator<Item = (u32, u8)> + use<'a> {
        let entries = if self.kind == FeedbackKind::FULL_INTRA { self.fci } else { &[] };
        entries.as_chunks::<8>().0.iter().map(|entry| (wire::u32(entry, 0), wire::u8(entry, 4)))
    }

    pub(super) fn write(&self, to: &mut Cursor<'_>) {
        to.put(&self.sender_ssrc.to_be_bytes());
        to.put(&self.media_ssrc.to_be_bytes());
        to.put(self.fci);
    }
}

/// Writes the control information of a NACK for `lost` sequence numbers, which come in rising order, and says how
/// long it is.
///
/// # Errors
///
/// [`BuildError::BufferTooSmall`].
pub fn write_nack(lost: &[u16], buffer: &mut [u8]) -> Result<usize, BuildError> {
    let available = buffer.len();
    let (mut entries, mut rest) = (0, lost);
    let mut to = Cursor::new(buffer);
    while let Some((first, behind)) = rest.split_first() {
        let fits = |number: &&u16| (1..=16).contains(&number.wrapping_sub(*first));
        let following = behind.iter().take_while(fits);
        let mask =
            following.clone().fold(0_u16, |mask, number| mask | 1 << (number.wrapping_sub(*first) - 1));
        rest = behind.get(following.count()..).unwrap_or_default();
        to.put(&first.to_be_bytes());
        to.put(&mask.to_be_bytes());
        entries += 1;
    }
    let needed = 4 * entries;
    if needed > available { Err(BuildError::BufferTooSmall { needed, available }) } else { Ok(needed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, CompoundBuilder, Packet};

    fn nack(fci: &[u8]) -> Feedback<'_> {
        Feedback { kind: FeedbackKind::NACK, sender_ssrc: 1, media_ssrc: 2, fci }
    }

    // rfc: 4585 §6.2.1 — bit i of the mask names packet PID + i
    #[test]
    fn a_nack_names_a_packet_and_sixteen_after_it() {
        assert_eq!(nack(&[0xFF, 0xFF, 0x80, 0x01]).lost().collect::<Vec<_>>(), [0xFFFF, 0, 15]);
        assert_eq!(Feedback { kind: FeedbackKind::PICTURE_LOSS, ..nack(&[0; 4]) }.lost().count(), 0);
    }

    #[test]
    fn lost_numbers_are_read_as_written_in_as_few_entries_as_need_be() {
        let lost = [65_530, 65_531, 10, 11, 27, 28, 500];
        let mut buffer = [0; 64];
        let len = write_nack(&lost, &mut buffer).unwrap();
        assert_eq!(len, 16);
        assert_eq!(nack(&buffer[..len]).lost().collect::<Vec<_>>(), lost);
        assert_eq!(
            write_nack(&lost, &mut buffer[..12]),
            Err(BuildError::BufferTooSmall { needed: 16, available: 12 })
        );
    }

    // rfc: 5104 §4.3.1.1 — an FIR entry is an SSRC and a number
    // rfc: 4585 §6.3.1 — a PLI has no control information
    #[test]
    fn feedback_goes_through_a_compound() {
        let fir = [0, 0, 0, 9, 7, 0, 0, 0];
        let fir = Feedback { kind: FeedbackKind::FULL_INTRA, media_ssrc: 0, ..nack(&fir) };
        let pli = Feedback { kind: FeedbackKind::PICTURE_LOSS, ..nack(&[]) };
        let mut buffer = [0; 64];
        let mut builder = CompoundBuilder::new(&mut buffer);
        builder.receiver_report(1, &[]).unwrap().feedback(&fir).unwrap().feedback(&pli).unwrap();
        assert!(builder.feedback(&nack(&[1])).is_err());
        let len = builder.finish();
        let mut packets = Compound::new(&buffer[..len]).unwrap().packets().skip(1);
        let Some(Packet::Feedback(read)) = packets.next() else { panic!("no FIR") };
        assert_eq!((read, read.intra_requests().collect::<Vec<_>>()), (fir, vec![(9, 7)]));
        let Some(Packet::Feedback(read)) = packets.next() else { panic!("no PLI") };
        assert_eq!(read, pli);
    }
}
