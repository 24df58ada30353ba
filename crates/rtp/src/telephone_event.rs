//! DTMF digits and hook flash as named events ([RFC 4733 §2]): the payload, a sender and a receiver.
//!
//! Neither reads a clock: the sender is asked for a packet once for each packet interval, with the timestamp
//! of the audio it replaces; the receiver is given what arrives.
//!
//! [RFC 4733 §2]: https://www.rfc-editor.org/rfc/rfc4733#section-2

mod receiver;
mod sender;

pub use receiver::{Notice, Receiver};
pub use sender::{EventPacket, QueueFull, Sender, SenderConfig};

/// A telephony event: 0 to 9, `*`, `#`, A to D, and hook flash ([RFC 4733 §3.2]).
///
/// [RFC 4733 §3.2]: https://www.rfc-editor.org/rfc/rfc4733#section-3.2
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TelephoneEvent(u8);

impl TelephoneEvent {
    /// Hook flash, event 16.
    pub const FLASH: Self = Self(16);

    /// The event with this code; `None` above 16.
    #[must_use]
    pub const fn new(code: u8) -> Option<Self> {
        if code <= 16 { Some(Self(code)) } else { None }
    }

    /// The event of a key: `0`–`9`, `*`, `#`, `A`–`D` in either case, and `!` for hook flash.
    #[must_use]
    pub const fn from_char(key: char) -> Option<Self> {
        match key {
            '0'..='9' => Some(Self(key as u8 - b'0')),
            '*' => Some(Self(10)),
            '#' => Some(Self(11)),
            'A'..='D' => Some(Self(key as u8 - b'A' + 12)),
            'a'..='d' => Some(Self(key as u8 - b'a' + 12)),
            '!' => Some(Self::FLASH),
            _ => None,
        }
    }

    /// The key of this event, as [`TelephoneEvent::from_char`] takes it.
    #[must_use]
    pub const fn to_char(self) -> char {
        match self.0 {
            0..=9 => (b'0' + self.0) as char,
            10 => '*',
            11 => '#',
            12..=15 => (b'A' + self.0 - 12) as char,
            _ => '!',
        }
    }

    /// The code on the wire, 0 to 16.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

/// One report of an event: the four octets of the payload ([RFC 4733 §2.3]).
///
/// [RFC 4733 §2.3]: https://www.rfc-editor.org/rfc/rfc4733#section-2.3
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Report {
    /// Which event, 0 to 255.
    pub code: u8,
    /// The event is over.
    pub end: bool,
    /// Power level in dBm0 without the sign, 0 to 63: larger is quieter.
    pub volume: u8,
    /// How long it has lasted since the packet's timestamp, in clock ticks.
    pub duration: u16,
}

impl Report {
    /// Octets of a report.
    pub const LEN: usize = 4;

    /// Reads the reports in a payload; a remainder of fewer than four octets is ignored.
    pub fn read(payload: &[u8]) -> impl Iterator<Item = Self> {
        payload.as_chunks::<{ Self::LEN }>().0.iter().map(|&[code, flags, d0, d1]| Self {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The octets of this report, the reserved bit zero.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | self.volume.min(63), d0, d1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 4733 §3.2 — DTMF digits are events 0 to 15, flash is 16
    #[test]
    fn every_key_has_one_event() {
        for (code, key) in "0123456789*#ABCD!".chars().enumerate() {
            let event = TelephoneEvent::from_char(key).unwrap();
            assert_eq!((usize::from(event.code()), event.to_char()), (code, key));
            assert_eq!(TelephoneEvent::new(event.code()), Some(event));
        }
        assert_eq!(TelephoneEvent::from_char('d'), TelephoneEvent::new(15));
        assert_eq!((TelephoneEvent::from_char('x'), TelephoneEvent::new(17)), (None, None));
    }

    // rfc: 4733 §2.3.3 — the reserved bit is sent as zero and ignored
    #[test]
    fn reports_read_what_they_write() {
        let report = Report { code: 11, end: true, volume: 10, duration: 1_600 };
        assert_eq!(report.to_bytes(), [11, 0x8A, 6, 0x40]);
        assert!(Report::read(&[11, 0xCA, 6, 0x40, 1, 2]).eq([report]));
        assert_eq!(Report::read(&[1, 2, 3]).count(), 0);
    }
}
