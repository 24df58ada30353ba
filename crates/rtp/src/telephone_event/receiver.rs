//! Turns event packets back into key presses, each once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Report, TelephoneEvent};
use crate::time::{ClockRate, RtpTime};

/// Silence after which an event counts as ended although no end came: five packets at the 50 ms that
/// RFC 4733 §2.5.1.2 recommends.
const SILENCE: Duration = Duration::from_millis(250);
/// Past events and segments whose stragglers are still recognised.
const HISTORY: usize = 16;
/// Reports read out of one packet (RFC 4733 §2.5.1.5); real senders put one.
const REPORTS_PER_PACKET: usize = 8;
/// Segments of one event that may be lost as a whole and still be counted.
const LOST_SEGMENTS: u32 = 4;

/// What happened to a key, as far as the packets tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A key went down.
    Started {
        /// Which key.
        event: TelephoneEvent,
        /// When, in the stream's clock.
        timestamp: RtpTime,
        /// Power level in dBm0 without the sign.
        volume: u8,
    },
    /// It went up, or nothing more was heard of it.
    Ended {
        /// Which key.
        event: TelephoneEvent,
        /// When it started.
        timestamp: RtpTime,
        /// How long it was down, as far as was reported.
        duration: Duration,
        /// Whether the sender said so; otherwise all final packets were lost.
        confirmed: bool,
    },
}

/// Gives each event exactly once, whatever was lost, doubled or reordered on the way, as long as one of its
/// packets arrives.
///
/// Events are told apart by their timestamps, not by markers or end bits, either of which may be lost
/// ([RFC 4733 §2.5.2.2]).
///
/// [RFC 4733 §2.5.2.2]: https://www.rfc-editor.org/rfc/rfc4733#section-2.5.2.2
#[derive(Clone, Debug)]
pub struct Receiver {
    clock_rate: ClockRate,
    current: Option<Current>,
    /// Timestamps of ended events and segments, the latest last.
    past: VecDeque<(RtpTime, u8)>,
    notices: VecDeque<Notice>,
    ignored: u64,
}

/// An event under way.
#[derive(Clone, Copy, Debug)]
struct Current {
    event: TelephoneEvent,
    start: RtpTime,
    segment_start: RtpTime,
    /// The longest duration reported for this segment, in ticks.
    duration: u16,
    last_report: Instant,
}

impl Receiver {
    /// A receiver that has heard nothing, for a stream with this clock.
    #[must_use]
    pub fn new(clock_rate: ClockRate) -> Self {
        Self {
            clock_rate,
            current: None,
            past: VecDeque::with_capacity(HISTORY + 1),
            notices: VecDeque::with_capacity(2 * REPORTS_PER_PACKET + 2),
            ignored: 0,
        }
    }

    /// Takes in the payload of a packet with the event payload type; then ask [`Receiver::poll`].
    ///
    /// The M bit is of no use here: the packet that carries it may be the one that was lost.
    pub fn handle_packet(&mut self, now: Instant, timestamp: RtpTime, payload: &[u8]) {
        self.handle_timeout(now);
        let mut start = timestamp;
        for report in Report::read(payload).take(REPORTS_PER_PACKET) {
            self.handle_report(now, start, report);
            start = start.plus(u32::from(report.duration)); // packed events are contiguous, §2.5.2.4
        }
    }

    /// Ends an event of which nothing was heard for 250 ms.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.end(false);
        }
    }

    /// When to call [`Receiver::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.current.map(|current| current.last_report + SILENCE)
    }

    /// The next thing that happened.
    pub fn poll(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Notices that wait.
    pub(crate) fn pending(&self) -> usize {
        self.notices.len()
    }

    /// Drops the notices that wait.
    pub(crate) fn discard(&mut self) {
        self.notices.clear();
    }

    /// Forgets everything, as when the sender changed its SSRC and with it the clock.
    pub fn reset(&mut self) {
        self.end(false);
        self.past.clear();
    }

    /// Reports that were dropped: unknown events, and zero durations.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn handle_report(&mut self, now: Instant, timestamp: RtpTime, report: Report) {
        let event = match TelephoneEvent::new(report.code) {
            // Zero means "forever" and none of these events is a state, RFC 4733 §2.3.5.
            Some(event) if report.duration > 0 => event,
            _ => {
                self.ignored += 1;
                return;
            }
        };
        if self.past.contains(&(timestamp, report.code)) {
            return;
        }
        match &mut self.current {
            Some(current) if current.event == event && current.segment_start == timestamp => {
                current.duration = current.duration.max(report.duration);
                current.last_report = now;
            }
            Some(current) if current.event == event && continues(current.segment_start, timestamp) => {
                let ended = current.segment_start;
                current.segment_start = timestamp;
                current.duration = report.duration;
                current.last_report = now;
                self.remember(ended, event);
            }
            // A whole event that was overtaken by a later one: it is over, whatever it says of itself.
            Some(current) if current.start.is_after(timestamp) => {
                self.announce(event, timestamp, report.volume);
                self.conclude(event, timestamp, self.clock_rate.duration(report.duration.into()), report.end);
                self.remember(timestamp, event);
                return;
            }
            Some(_) | None => {
                self.end(false);
                self.announce(event, timestamp, report.volume);
                self.current = Some(Current {
                    event,
                    start: timestamp,
                    segment_start: timestamp,
                    duration: report.duration,
                    last_report: now,
                });
            }
        }
        if report.end {
            self.end(true);
        }
    }

    /// Ends the current event, if there is one.
    fn end(&mut self, confirmed: bool) {
        let Some(current) = self.current.take() else { return };
        let segments = u64::from(current.segment_start.0.wrapping_sub(current.start.0));
        let duration = self.clock_rate.duration(segments + u64::from(current.duration));
        self.conclude(current.event, current.start, duration, confirmed);
        self.remember(current.segment_start, current.event);
    }

    fn announce(&mut self, event: TelephoneEvent, timestamp: RtpTime, volume: u8) {
        self.notices.push_back(Notice::Started { event, timestamp, volume });
    }

    fn conclude(&mut self, event: TelephoneEvent, timestamp: RtpTime, duration: Duration, confirmed: bool) {
        self.notices.push_back(Notice::Ended { event, timestamp, duration, confirmed });
    }

    fn remember(&mut self, timestamp: RtpTime, event: TelephoneEvent) {
        self.past.push_back((timestamp, event.code()));
        if self.past.len() > HISTORY {
            self.past.pop_front();
        }
    }
}

/// Whether a segment that starts at `timestamp` continues an event whose last known segment started at
/// `segment_start`: full segments lie between them and no gap ([RFC 4733 §2.5.2.3]).
///
/// [RFC 4733 §2.5.2.3]: https://www.rfc-editor.org/rfc/rfc4733#section-2.5.2.3
fn continues(segment_start: RtpTime, timestamp: RtpTime) -> bool {
    let distance = timestamp.0.wrapping_sub(segment_start.0);
    distance > 0 && distance.is_multiple_of(0xFFFF) && distance / 0xFFFF <= LOST_SEGMENTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephone_event::{Sender, SenderConfig};
    use proptest::prelude::*;

    fn event(key: char) -> TelephoneEvent {
        TelephoneEvent::from_char(key).unwrap()
    }

    fn report(key: char, duration: u16, end: bool) -> [u8; 4] {
        Report { code: event(key).code(), end, volume: 10, duration }.to_bytes()
    }

    /// The digits started, and the durations in ms and confirmations of those that ended.
    fn drain(receiver: &mut Receiver) -> (String, Vec<(char, u128, bool)>) {
        let (mut started, mut ended) = (String::new(), Vec::new());
        while let Some(notice) = receiver.poll() {
            match notice {
                Notice::Started { event, .. } => started.push(event.to_char()),
                Notice::Ended { event, duration, confirmed, .. } => {
                    ended.push((event.to_char(), duration.as_millis(), confirmed));
                }
            }
        }
        (started, ended)
    }

    fn receiver() -> (Receiver, Instant) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
        let now = Instant::now();
        (Receiver::new(ClockRate::HZ_8000), now)
    }

    // rfc: 4733 §2.5.2.2 — reports of one timestamp are one event
    #[test]
    fn repeated_final_packets_are_one_event() {
        let (mut receiver, now) = receiver();
        for (duration, end) in [(160, false), (320, false), (800, true), (800, true), (800, true)] {
            receiver.handle_packet(now, RtpTime(1_000), &report('7', duration, end));
        }
        assert_eq!(drain(&mut receiver), ("7".into(), vec![('7', 100, true)]));
        assert_eq!(receiver.poll_timeout(), None);
    }

    // rfc: 4733 §2.5.2.2 — an event whose start was lost is still an event
    #[test]
    fn a_final_packet_alone_is_a_whole_event() {
        let (mut receiver, now) = receiver();
        receiver.handle_packet(now, RtpTime(1_000), &report('#', 800, true));
        assert_eq!(drain(&mut receiver), ("#".into(), vec![('#', 100, true)]));
    }

    // rfc: 4733 §2.5.2.2 — an event whose end was lost ends with the next one, or after a while
    #[test]
    fn a_lost_end_is_replaced_by_the_next_event_or_by_silence() {
        let (mut receiver, now) = receiver();
        receiver.handle_packet(now, RtpTime(1_000), &report('1', 320, false));
        receiver.handle_packet(now, RtpTime(3_000), &report('1', 160, false));
        assert_eq!(drain(&mut receiver), ("11".into(), vec![('1', 40, false)]));
        let due = receiver.poll_timeout().unwrap();
        receiver.handle_timeout(due - Duration::from_millis(1));
        assert_eq!(receiver.poll(), None);
        receiver.handle_timeout(due);
        assert_eq!(drain(&mut receiver).1, [('1', 20, false)]);
        receiver.handle_packet(due, RtpTime(3_000), &report('1', 800, true));
        assert_eq!(drain(&mut receiver), (String::new(), vec![]));
    }

    #[test]
    fn an_event_that_was_overtaken_is_neither_lost_nor_doubled() {
        let (mut receiver, now) = receiver();
        receiver.handle_packet(now, RtpTime(5_000), &report('2', 160, false));
        receiver.handle_packet(now, RtpTime(1_000), &report('1', 800, true));
        receiver.handle_packet(now, RtpTime(1_000), &report('1', 640, false));
        receiver.handle_packet(now, RtpTime(5_000), &report('2', 800, true));
        assert_eq!(drain(&mut receiver), ("21".into(), vec![('1', 100, true), ('2', 100, true)]));
    }

    // rfc: 4733 §2.3.5 — a zero duration is ignored, and so are events that we do not know
    #[test]
    fn zero_durations_and_unknown_events_are_counted_and_dropped() {
        let (mut receiver, now) = receiver();
        receiver.handle_packet(now, RtpTime(0), &report('1', 0, false));
        receiver.handle_packet(now, RtpTime(0), &[17, 0, 0, 160]);
        receiver.handle_packet(now, RtpTime(0), &[1, 2, 3]);
        assert_eq!((receiver.poll(), receiver.ignored()), (None, 2));
    }

    // rfc: 4733 §2.5.2.4 — several events in one packet follow each other
    #[test]
    fn packed_events_follow_each_other() {
        let (mut receiver, now) = receiver();
        let packed = [report('1', 400, true), report('2', 400, true)].concat();
        receiver.handle_packet(now, RtpTime(0), &packed);
        receiver.handle_packet(now, RtpTime(0), &packed);
        assert_eq!(drain(&mut receiver), ("12".into(), vec![('1', 50, true), ('2', 50, true)]));
    }

    // rfc: 4733 §2.5.2.3 — segments without a gap are one long event
    #[test]
    fn a_long_event_is_put_together_again() {
        let (mut receiver, now) = receiver();
        let mut sender = Sender::new(SenderConfig::default());
        sender.press(event('9'), Duration::from_secs(20)).unwrap();
        let mut stamp = RtpTime(0);
        while sender.is_busy() {
            if let Some(packet) = sender.poll(stamp) {
                receiver.handle_packet(now, packet.timestamp, &packet.report.to_bytes());
            }
            stamp = stamp.plus(160);
        }
        assert_eq!(drain(&mut receiver), ("9".into(), vec![('9', 20_000, true)]));
    }

    proptest! {
        // rfc: 4733 §2.6.1 — digits survive lost packets: each exactly once while one of its packets arrives
        #[test]
        fn every_digit_of_which_a_packet_arrives_is_reported_exactly_once(
            keys in proptest::collection::vec(0_u8..=16, 1..12),
            loss in proptest::collection::vec(0_u8..100, 200),
            percent in 0_u8..60,
            hz in prop_oneof![Just(8_000_u32), Just(16_000), Just(48_000)],
            start in any::<u32>(),
        ) {
            let clock_rate = ClockRate::new(hz).unwrap();
            let (_, mut now) = receiver();
            let mut receiver = Receiver::new(clock_rate);
            let mut sender = Sender::new(SenderConfig::default().clock_rate(clock_rate));
            for code in &keys {
                sender.press(TelephoneEvent::new(*code).unwrap(), Duration::from_millis(80)).unwrap();
            }
            let (mut stamp, mut expected) = (RtpTime(start), Vec::new());
            let mut fate = loss.iter().cycle();
            while sender.is_busy() {
                if let Some(packet) = sender.poll(stamp)
                    && *fate.next().unwrap() >= percent
                {
                    let heard = (packet.timestamp, packet.report.code);
                    if expected.last() != Some(&heard) {
                        expected.push(heard);
                    }
                    receiver.handle_packet(now, packet.timestamp, &packet.report.to_bytes());
                }
                now += Duration::from_millis(20);
                stamp = stamp.after(Duration::from_millis(20), clock_rate);
                receiver.handle_timeout(now);
            }
            receiver.handle_timeout(now + Duration::from_secs(1));
            let (mut started, mut ended) = (Vec::new(), Vec::new());
            while let Some(notice) = receiver.poll() {
                match notice {
                    Notice::Started { event, timestamp, .. } => started.push((timestamp, event.code())),
                    Notice::Ended { event, timestamp, .. } => ended.push((timestamp, event.code())),
                }
            }
            prop_assert_eq!(&started, &expected);
            prop_assert_eq!(&ended, &expected);
        }
    }
}
