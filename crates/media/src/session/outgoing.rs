//! The stream we send: frames and digits → RTP packets.

use std::time::{Duration, Instant};

use rtp::telephone_event::{EventPacket, Report, SenderConfig, TelephoneEvent};
use rtp::{ClockRate, PacketBuilder, RtpTime, telephone_event};

use crate::agreement::PayloadTypes;
use crate::codec::Codec;
use crate::random::Random;
use crate::session::DigitsError;
use crate::{Agreement, CodecId, FRAME_DURATION, Frame};

/// Ticks of the RTP clock in a frame.
const FRAME_TICKS: u32 = 160;
/// The most frames a packet carries: 60 ms.
const MOST_FRAMES: u32 = 3;
/// Room for the RTP header without CSRCs and extension.
const HEADER: usize = 12;

/// Our RTP stream; it keeps its SSRC for the whole call, through hold and resume.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) ssrc: u32,
    sequence_number: u16,
    /// The timestamp of the next frame. It goes with real time, whether or not anything is sent.
    timestamp: RtpTime,
    /// The next audio packet is the first after a silence: it carries the marker.
    resumes: bool,
    /// The moment of the frame before `timestamp`.
    last_tick: Instant,
    digits: telephone_event::Sender,
    digits_sent: bool,
    codec: Option<(CodecId, Box<dyn Codec>)>,
    payload_type: u8,
    frames_per_packet: u32,
    payload: Vec<u8>,
    payload_start: RtpTime,
    payload_frames: u32,
    pub(super) packets: u64,
    pub(super) octets: u64,
}

impl Outgoing {
    /// A stream that starts at random numbers ([RFC 3550 §5.1]).
    ///
    /// [RFC 3550 §5.1]: https://www.rfc-editor.org/rfc/rfc3550#section-5.1
    pub(super) fn new(now: Instant, random: &mut Random) -> Self {
        let [first, second, ..] = random.u32().to_be_bytes();
        // The upper half is left out, so that the first wrap, which SRTP receivers must guess, comes after ten
        // minutes and not within the first packets (RFC 3711 §3.3.1).
        let sequence_number = u16::from_be_bytes([first, second]) & 0x7fff;
        Self {
            ssrc: random.u32(),
            sequence_number,
            timestamp: RtpTime(random.u32()),
            resumes: true,
            last_tick: now,
            digits: telephone_event::Sender::new(SenderConfig::default()),
            digits_sent: true,
            codec: None,
            payload_type: 0,
            frames_per_packet: 1,
            payload: Vec::new(),
            payload_start: RtpTime(0),
            payload_frames: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// The timestamp that belongs to a moment, for sender reports.
    pub(super) fn timestamp_at(&self, now: Instant) -> RtpTime {
        let since = now.saturating_duration_since(self.last_tick);
        self.timestamp.minus(FRAME_TICKS).after(since, ClockRate::HZ_8000)
    }

    /// Moves on to the turn at `now`, before which `skipped` were given up.
    pub(super) fn catch_up(&mut self, now: Instant, skipped: u32) {
        self.last_tick = now;
        if skipped > 0 {
            self.skip(skipped);
        }
    }

    /// The clock runs again after a standstill, which counts in the timestamp.
    pub(super) fn resume(&mut self, now: Instant) {
        let stood = now.saturating_duration_since(self.last_tick).as_millis() / FRAME_DURATION.as_millis();
        self.skip(u32::try_from(stood).unwrap_or(u32::MAX).saturating_sub(1));
        self.last_tick = now;
    }

    /// Takes codec and packet time; a packet that was begun is given up.
    pub(super) fn configure(&mut self, agreement: &Agreement) {
        let codec = agreement.codecs.first();
        if codec.map(|codec| codec.id) != self.codec.as_ref().map(|(id, _)| *id) {
            self.codec = codec.map(|codec| (codec.id, codec.id.make()));
            self.break_off();
        }
        self.payload_type = codec.map_or(0, |codec| codec.payload_types.send);
        if agreement.telephone_event.is_none() {
            // Digits that wait can no longer be sent.
            self.digits = telephone_event::Sender::new(SenderConfig::default());
        }
        let frames = agreement.ptime.as_millis() / FRAME_DURATION.as_millis();
        self.frames_per_packet = u32::try_from(frames).unwrap_or(1).clamp(1, MOST_FRAMES);
    }

    pub(super) fn send_digits(&mut self, digits: &str, duration: Duration) -> Result<(), DigitsError> {
        let mut events = Vec::new();
        for digit in digits.chars().filter(|digit| !digit.is_whitespace()) {
            events.push(TelephoneEvent::from_char(digit).ok_or(DigitsError::NoSuchDigit(digit))?);
        }
        for event in events {
            self.digits.press(event, duration).map_err(|_| DigitsError::TooMany)?;
            self.digits_sent = false;
        }
        Ok(())
    }

    /// Whether a digit or the pause after one stands in the place of audio.
    pub(super) fn sends_digits(&self) -> bool {
        self.digits.is_busy()
    }

    /// Tells once that all digits that were asked for have been sent.
    pub(super) fn digits_done(&mut self) -> bool {
        let done = !self.digits_sent && !self.digits.is_busy();
        self.digits_sent |= done;
        done
    }

    /// Lets time pass without sending.
    pub(super) fn skip(&mut self, frames: u32) {
        self.timestamp = self.timestamp.plus(frames.wrapping_mul(FRAME_TICKS));
        self.break_off();
    }

    /// The packet that digits put in the place of this frame, if they do.
    pub(super) fn digit_packet(&mut self, payload_types: PayloadTypes, buffer: &mut Vec<u8>) -> bool {
        let event = self.digits.poll(self.timestamp);
        self.skip(1);
        let Some(EventPacket { timestamp, marker, report, .. }) = event else { return false };
        let payload: [u8; Report::LEN] = report.to_bytes();
        self.write(payload_types.send, timestamp, marker, &payload, buffer)
    }

    /// Encodes a frame; true when `buffer` now holds a packet.
    pub(super) fn audio_packet(&mut self, frame: &Frame, buffer: &mut Vec<u8>) -> bool {
        let Some((_, codec)) = &mut self.codec else {
            self.skip(1);
            return false;
        };
        if self.payload_frames == 0 {
            self.payload_start = self.timestamp;
        }
        codec.encode(frame, &mut self.payload);
        self.payload_frames += 1;
        self.timestamp = self.timestamp.plus(FRAME_TICKS);
        if self.payload_frames < self.frames_per_packet {
            return false;
        }
        let payload = std::mem::take(&mut self.payload);
        let marker = std::mem::take(&mut self.resumes);
        let written = self.write(self.payload_type, self.payload_start, marker, &payload, buffer);
        self.payload = payload;
        self.payload.clear();
        self.payload_frames = 0;
        written
    }

    /// Forgets a packet that was begun; the next one starts after a silence.
    fn break_off(&mut self) {
        self.payload.clear();
        self.payload_frames = 0;
        self.resumes = true;
    }

    fn write(
        &mut self,
        payload_type: u8,
        timestamp: RtpTime,
        marker: bool,
        payload: &[u8],
        buffer: &mut Vec<u8>,
    ) -> bool {
        buffer.resize(HEADER + payload.len(), 0);
        let packet = PacketBuilder::new(payload_type, self.sequence_number, timestamp, self.ssrc);
        if packet.marker(marker).payload(payload).write(buffer).is_err() {
            return false;
        }
        self.sequence_number = self.sequence_number.wrapping_add(1);
        self.packets += 1;
        self.octets += payload.len() as u64;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::Packet;
    use testkit::Clock;

    const SILENCE: Frame = [0; 160];

    fn outgoing(ptime: Duration) -> Outgoing {
        let mut outgoing = Outgoing::new(Clock::new().now(), &mut Random::new([5; 32]));
        let remote = "192.0.2.1:4000".parse().unwrap();
        outgoing.configure(&Agreement::new(remote, CodecId::Pcma).ptime(ptime).telephone_event(101));
        outgoing
    }

    /// The next packet: payload type, marker, sequence number, timestamp, octets of payload.
    fn next(outgoing: &mut Outgoing) -> Option<(u8, bool, u16, RtpTime, usize)> {
        let mut buffer = Vec::new();
        let ready = if outgoing.sends_digits() {
            outgoing.digit_packet(101.into(), &mut buffer)
        } else {
            outgoing.audio_packet(&SILENCE, &mut buffer)
        };
        let packet = Packet::new(buffer.as_slice()).ok().filter(|_| ready)?;
        assert_eq!(packet.ssrc(), outgoing.ssrc);
        let payload = packet.payload().len();
        Some((packet.payload_type(), packet.marker(), packet.sequence_number(), packet.timestamp(), payload))
    }

    // rfc: 3550 §5.1 — SSRC, sequence number and timestamp start at random values
    #[test]
    fn streams_start_at_different_random_numbers() {
        let now = Clock::new().now();
        let start = |seed| {
            let outgoing = Outgoing::new(now, &mut Random::new([seed; 32]));
            (outgoing.ssrc, outgoing.sequence_number, outgoing.timestamp)
        };
        assert_eq!(start(1), start(1));
        let (one, other) = (start(1), start(2));
        assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2);
        assert!((0..50).all(|seed| start(seed).1 < 0x8000), "SRTP receivers must not meet an early wrap");
    }

    // rfc: 3551 §4.1 — the marker is on the first packet after a silence, and the timestamp counts through it
    #[test]
    fn the_marker_shows_where_audio_begins_again() {
        let mut outgoing = outgoing(FRAME_DURATION);
        let (_, marker, number, timestamp, octets) = next(&mut outgoing).unwrap();
        assert!(marker);
        assert_eq!(octets, 160);
        let second = next(&mut outgoing).unwrap();
        assert_eq!(second, (8, false, number.wrapping_add(1), timestamp.plus(160), 160));
        outgoing.skip(10);
        let third = next(&mut outgoing).unwrap();
        assert_eq!(third, (8, true, number.wrapping_add(2), timestamp.plus(12 * 160), 160));
    }

    #[test]
    fn longer_packets_carry_the_timestamp_of_their_first_frame() {
        let mut outgoing = outgoing(Duration::from_millis(60));
        assert_eq!((next(&mut outgoing), next(&mut outgoing)), (None, None));
        let (.., number, timestamp, octets) = next(&mut outgoing).unwrap();
        assert_eq!(octets, 480);
        assert_eq!((next(&mut outgoing), next(&mut outgoing)), (None, None));
        assert_eq!(next(&mut outgoing), Some((8, false, number.wrapping_add(1), timestamp.plus(480), 480)));
    }

    // rfc: 4733 §2.5.1 — a digit has one timestamp, takes the place of audio and the sequence numbers go on
    #[test]
    fn a_digit_takes_the_place_of_audio() {
        let mut outgoing = outgoing(FRAME_DURATION);
        let (.., number, timestamp, _) = next(&mut outgoing).unwrap();
        outgoing.send_digits("1", Duration::from_millis(40)).unwrap();
        assert!(!outgoing.digits_done());
        let mut events = Vec::new();
        while outgoing.sends_digits() {
            events.extend(next(&mut outgoing));
        }
        assert!(outgoing.digits_done() && !outgoing.digits_done());
        assert_eq!(events.len(), 4, "40 ms are two packets, the last of them three times");
        for (step, event) in (1..).zip(&events) {
            assert_eq!(*event, (101, step == 1, number.wrapping_add(step), timestamp.plus(160), 4));
        }
        assert!(next(&mut outgoing).unwrap().1, "audio begins again");
    }

    #[test]
    fn an_unknown_digit_sends_none_of_them() {
        let mut outgoing = outgoing(FRAME_DURATION);
        let error = outgoing.send_digits("12x", Duration::from_millis(40));
        assert_eq!(error, Err(DigitsError::NoSuchDigit('x')));
        assert!(!outgoing.sends_digits());
    }
}
