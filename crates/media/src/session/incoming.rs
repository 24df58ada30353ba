//! The stream we receive: RTP packets → frames and digits.

use std::time::{Duration, Instant};

use rtp::jitter_buffer::{Arrived, Insert, JitterBuffer, JitterConfig, Pop};
use rtp::rtcp::{ReportBlock, SenderInfo};
use rtp::source::{Source, SourceStatistics, Verdict};
use rtp::telephone_event::{Notice, Receiver};
use rtp::{ClockRate, Packet, seq};

use crate::agreement::PayloadTypes;
use crate::codec::Codec;
use crate::concealment::Concealment;
use crate::{Agreement, CodecId, FRAME_SAMPLES, Frame, Statistics};

/// Packets that may wait in the jitter buffer.
const SLOTS: usize = 32;
/// The longest payload: G.711 for as long as [`LONGEST_RECEIVED`](crate::plan::LONGEST_RECEIVED).
const LONGEST_PAYLOAD: usize = 640;
/// Decoders that are kept, those of an agreement before included.
const MOST_DECODERS: usize = 8;
/// The most samples that are concealed or silenced at a time: 120 ms.
const LONGEST_GAP: u32 = 960;

/// The peer's stream.
#[derive(Debug)]
pub(super) struct Incoming {
    codecs: Vec<Decoder>,
    event: Option<PayloadTypes>,
    stream: Option<Source>,
    received: u64,
    /// Lost by streams that are no more.
    lost_before: u64,
    /// Another SSRC that sent a packet, and the sequence number that would confirm it.
    candidate: Option<(u32, u16)>,
    jitter: JitterBuffer,
    digits: Receiver,
    concealment: Concealment,
    /// Decoded and not yet played.
    samples: Vec<i16>,
    concealed: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// It belongs to the stream; it waits to be played, where it is to be.
    Played,
    /// It belongs to no stream that is believed yet.
    Stray,
    /// It is longer than we said we take.
    TooLong,
}

#[derive(Debug)]
struct Decoder {
    id: CodecId,
    payload_type: u8,
    codec: Box<dyn Codec>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            codecs: Vec::new(),
            event: None,
            stream: None,
            received: 0,
            lost_before: 0,
            candidate: None,
            jitter: JitterBuffer::new(JitterConfig::default().capacity(SLOTS, LONGEST_PAYLOAD)),
            digits: Receiver::new(ClockRate::HZ_8000),
            concealment: Concealment::default(),
            samples: Vec::new(),
            concealed: 0,
        }
    }

    /// Takes the codecs we said we would understand; one that stays keeps its state, and one that goes is understood
    /// for as long as its number is free, since its packets may still be under way ([RFC 3264 §8.3.2]).
    ///
    /// [RFC 3264 §8.3.2]: https://www.rfc-editor.org/rfc/rfc3264#section-8.3.2
    pub(super) fn configure(&mut self, agreement: &Agreement) {
        let mut old = std::mem::take(&mut self.codecs);
        for agreed in &agreement.codecs {
            let known = old.iter().position(|decoder| decoder.id == agreed.id);
            let codec = known.map_or_else(|| agreed.id.make(), |index| old.swap_remove(index).codec);
            self.codecs.push(Decoder { id: agreed.id, payload_type: agreed.payload_types.receive, codec });
        }
        self.event = agreement.telephone_event;
        old.retain(|decoder| !self.understands(decoder.payload_type));
        self.codecs.append(&mut old);
        self.codecs.truncate(MOST_DECODERS);
    }

    /// Forgets what waits to be played: nothing is to be heard now.
    pub(super) fn pause(&mut self) {
        self.jitter.reset();
        self.samples.clear();
        self.concealment.reset();
    }

    /// Whether a packet's payload type is one we agreed to.
    pub(super) fn knows<T: AsRef<[u8]>>(&self, packet: &Packet<T>) -> bool {
        self.understands(packet.payload_type())
    }

    /// Takes in a packet of the peer's.
    pub(super) fn take<T: AsRef<[u8]>>(&mut self, now: Instant, packet: &Packet<T>, receives: bool) -> Taken {
        if !self.follow(now, packet) {
            return Taken::Stray;
        }
        self.received += 1;
        if !receives {
            return Taken::Played;
        }
        let (sequence_number, timestamp) = (packet.sequence_number(), packet.timestamp());
        let payload_type = packet.payload_type();
        if self.is_event(payload_type) {
            self.digits.handle_packet(now, timestamp, packet.payload());
            self.jitter.insert_placeholder(sequence_number, timestamp);
            return Taken::Played;
        }
        let (marker, payload) = (packet.marker(), packet.payload());
        let arrived = Arrived { sequence_number, timestamp, payload_type, marker, payload };
        match self.jitter.insert(now, arrived) {
            Insert::Queued | Insert::Late | Insert::Duplicate => Taken::Played,
            Insert::TooLong => Taken::TooLong,
        }
    }

    /// Writes the next 20 ms of what the peer says.
    pub(super) fn play_out(&mut self, now: Instant, frame: &mut Frame) {
        while self.samples.len() < FRAME_SAMPLES {
            let start = self.samples.len();
            let (ticks, lost) = match self.jitter.pop(now) {
                Pop::Frame(frame) => {
                    let decoder =
                        self.codecs.iter_mut().find(|decoder| decoder.payload_type == frame.payload_type);
                    if let Some(decoder) = decoder {
                        decoder.codec.decode(frame.payload, &mut self.samples);
                    }
                    self.concealment.good(self.samples.get_mut(start..).unwrap_or_default());
                    continue;
                }
                Pop::Lost { ticks } | Pop::Stretch { ticks } => (ticks, true),
                Pop::Silence { ticks } => (ticks, false),
            };
            self.samples.resize(start + ticks.min(LONGEST_GAP) as usize, 0);
            let gap = self.samples.get_mut(start..).unwrap_or_default();
            if lost {
                self.concealed += 1;
                self.concealment.conceal(gap);
            } else {
                self.concealment.good(gap);
            }
        }
        for (to, from) in frame.iter_mut().zip(self.samples.drain(..FRAME_SAMPLES)) {
            *to = from;
        }
    }

    /// The next key that was pressed and released.
    pub(super) fn poll_digit(&mut self, now: Instant) -> Option<(char, Duration)> {
        self.digits.handle_timeout(now);
        loop {
            if let Notice::Ended { event, duration, .. } = self.digits.poll()? {
                return Some((event.to_char(), duration));
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.digits.poll_timeout()
    }

    pub(super) fn count(&self, statistics: &mut Statistics) {
        let stream = self.stream.as_ref().map(Source::statistics).unwrap_or_default();
        statistics.packets_received = self.received;
        statistics.lost = self.lost_before + lost(&stream);
        statistics.jitter = stream.jitter;
        statistics.late = self.jitter.statistics().late;
        statistics.concealed = self.concealed;
    }

    /// What to report of the peer's stream, if there is one.
    pub(super) fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        self.stream.as_mut().filter(|source| source.is_valid()).map(|source| source.report_block(now))
    }

    pub(super) fn take_sender_report(&mut self, now: Instant, ssrc: u32, info: SenderInfo) {
        if let Some(source) = self.stream.as_mut().filter(|source| source.ssrc() == ssrc) {
            source.handle_sender_report(now, info);
        }
    }

    fn understands(&self, payload_type: u8) -> bool {
        self.is_event(payload_type) || self.codecs.iter().any(|decoder| decoder.payload_type == payload_type)
    }

    fn is_event(&self, payload_type: u8) -> bool {
        self.event.is_some_and(|event| event.receive == payload_type)
    }

    /// Whether a packet belongs to the stream we listen to. The first one does; another SSRC takes over with its second
    /// packet in order when nothing of the old one lies between them: a stray cannot throw away what waits to be played,
    /// and of two streams at a time the first is heard instead of neither.
    fn follow<T: AsRef<[u8]>>(&mut self, now: Instant, packet: &Packet<T>) -> bool {
        let (ssrc, sequence_number) = (packet.ssrc(), packet.sequence_number());
        if self.stream.as_ref().is_some_and(|source| source.ssrc() != ssrc) {
            let confirmed = self.candidate.is_some_and(|(candidate, expected)| {
                candidate == ssrc && (0..3).contains(&seq::distance(expected, sequence_number))
            });
            if !confirmed {
                self.candidate = Some((ssrc, sequence_number.wrapping_add(1)));
                return false;
            }
            self.leave();
            self.digits.reset();
            self.stream = None;
        }
        self.candidate = None;
        let source = self.stream.get_or_insert_with(|| Source::new(now, ssrc, ClockRate::HZ_8000));
        let before = source.statistics();
        match source.handle_packet(now, sequence_number, packet.timestamp()) {
            Verdict::Probation | Verdict::Valid => true,
            Verdict::Restarted => {
                self.lost_before += lost(&before);
                self.jitter.reset();
                true
            }
            Verdict::Implausible => false,
        }
    }

    /// Gives up the stream so far.
    fn leave(&mut self) {
        let statistics = self.stream.as_ref().map(Source::statistics).unwrap_or_default();
        self.lost_before += lost(&statistics);
        self.jitter.reset();
    }
}

fn lost(statistics: &SourceStatistics) -> u64 {
    u64::try_from(statistics.lost).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::{PacketBuilder, RtpTime};
    use testkit::Clock;

    struct Ear {
        clock: Clock,
        incoming: Incoming,
    }

    impl Ear {
        fn new() -> Self {
            let mut incoming = Incoming::new();
            incoming.configure(&Agreement::new("192.0.2.1:4000".parse().unwrap(), CodecId::Pcmu));
            Self { clock: Clock::new(), incoming }
        }

        fn take(&mut self, ssrc: u32, sequence_number: u16, octets: usize) -> Taken {
            let mut bytes = vec![0; 12 + octets];
            let timestamp = RtpTime(u32::from(sequence_number) * 160);
            let payload = vec![0x90; octets];
            PacketBuilder::new(0, sequence_number, timestamp, ssrc)
                .payload(&payload)
                .write(&mut bytes)
                .unwrap();
            let packet = Packet::new(bytes.as_slice()).unwrap();
            assert!(self.incoming.knows(&packet));
            self.incoming.take(self.clock.now(), &packet, true)
        }

        /// Whether the next frame is loud.
        fn hears(&mut self) -> bool {
            let mut frame = [0; FRAME_SAMPLES];
            self.incoming.play_out(self.clock.now(), &mut frame);
            self.clock.advance(Duration::from_millis(20));
            frame.iter().all(|sample| sample.abs() > 1_000)
        }
    }

    // rfc: 3550 §8.2 — another SSRC is another source; one stray packet of it changes nothing
    #[test]
    fn a_stray_ssrc_changes_nothing_and_two_packets_in_order_take_over() {
        let mut ear = Ear::new();
        for number in 0..20 {
            assert_eq!(ear.take(1, number, 160), Taken::Played);
            assert_eq!(ear.take(2, 5_000 + 7 * number, 160), Taken::Stray);
            let heard = ear.hears();
            assert!(heard || number < 4, "frame {number}");
        }
        assert_eq!(ear.take(3, 900, 160), Taken::Stray);
        assert_eq!(ear.take(3, 901, 160), Taken::Played);
        assert_eq!(ear.take(1, 20, 160), Taken::Stray);
    }

    #[test]
    fn of_two_streams_at_a_time_the_first_is_heard() {
        let mut ear = Ear::new();
        for number in 0..20 {
            assert_eq!(ear.take(1, number, 160), Taken::Played);
            assert_eq!(ear.take(2, 5_000 + number, 160), Taken::Stray);
            let heard = ear.hears();
            assert!(heard || number < 4, "frame {number}");
        }
    }

    #[test]
    fn a_packet_longer_than_we_said_is_not_kept() {
        let mut ear = Ear::new();
        assert_eq!(ear.take(1, 1, 640), Taken::Played);
        assert_eq!(ear.take(1, 2, 641), Taken::TooLong);
    }

    #[test]
    fn an_empty_packet_plays_and_does_not_hang() {
        let mut ear = Ear::new();
        for number in 0..10 {
            ear.take(1, number, 0);
            assert!(!ear.hears());
        }
    }

    // rfc: 3264 §8.3.2 — packets of the codec before may still be under way
    #[test]
    fn the_codec_before_is_still_understood() {
        let mut ear = Ear::new();
        ear.incoming.configure(&Agreement::new("192.0.2.1:4000".parse().unwrap(), CodecId::Pcma));
        assert_eq!(ear.take(1, 1, 160), Taken::Played);
    }
}
