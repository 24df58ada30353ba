//! Turns key presses into event packets.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Report, TelephoneEvent};
use crate::time::{ClockRate, RtpTime};

/// A segment may last this many ticks; what is longer is split ([RFC 4733 §2.5.1.3]).
///
/// [RFC 4733 §2.5.1.3]: https://www.rfc-editor.org/rfc/rfc4733#section-2.5.1.3
const SEGMENT_TICKS: u32 = 0xFFFF;
/// How often the final packet of an event or segment is sent ([RFC 4733 §2.5.1.4]).
///
/// [RFC 4733 §2.5.1.4]: https://www.rfc-editor.org/rfc/rfc4733#section-2.5.1.4
const FINAL_PACKETS: u8 = 3;

/// How a [`Sender`] plays keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SenderConfig {
    /// The clock of the audio stream, whose timestamps the events share; 8,000 Hz.
    pub clock_rate: ClockRate,
    /// Between two packets of an event; 20 ms.
    pub interval: Duration,
    /// Silence after an event before the next one starts; 60 ms.
    pub pause: Duration,
    /// Power level in dBm0 without the sign, 0 to 63; 10.
    pub volume: u8,
    /// Events that may wait; 64.
    pub queue_limit: usize,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            clock_rate: ClockRate::HZ_8000,
            interval: Duration::from_millis(20),
            pause: Duration::from_millis(60),
            volume: 10,
            queue_limit: 64,
        }
    }
}

impl SenderConfig {
    /// Sets the clock of the stream.
    #[must_use]
    pub fn clock_rate(mut self, clock_rate: ClockRate) -> Self {
        self.clock_rate = clock_rate;
        self
    }

    /// Sets the time between two packets.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the silence after each event.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Sets the power level, in dBm0 without the sign.
    #[must_use]
    pub fn volume(mut self, volume: u8) -> Self {
        self.volume = volume.min(63);
        self
    }

    /// Sets how many events may wait.
    #[must_use]
    pub fn queue_limit(mut self, queue_limit: usize) -> Self {
        self.queue_limit = queue_limit;
        self
    }
}

/// The queue of events is full; nothing was added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {limit} events would wait to be sent")]
pub struct QueueFull {
    /// How many may wait.
    pub limit: usize,
}

/// A packet to send now, with the sequence number that comes next in the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventPacket {
    /// The start of the event or segment, the same in all its packets.
    pub timestamp: RtpTime,
    /// Set in the first packet of an event.
    pub marker: bool,
    /// What it reports; its octets are the payload.
    pub report: Report,
}

/// Sends events one after the other, in packets that replace the audio while it is [busy](Sender::is_busy).
///
/// Ask [`Sender::poll`] once for each packet interval:
///
/// ```
/// use rtp::telephone_event::{Sender, SenderConfig, TelephoneEvent};
/// use std::time::Duration;
///
/// let mut sender = Sender::new(SenderConfig::default());
/// let five = TelephoneEvent::from_char('5').expect("a key");
/// sender.press(five, Duration::from_millis(60))?;
/// let mut now = rtp::RtpTime(0);
/// let mut durations = Vec::new();
/// while sender.is_busy() {
///     if let Some(packet) = sender.poll(now) {
///         durations.push(packet.report.duration);
///     }
///     now = now.plus(160);
/// }
/// assert_eq!(durations, [160, 320, 480, 480, 480]);
/// # Ok::<(), rtp::telephone_event::QueueFull>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sender {
    config: SenderConfig,
    interval: u32,
    queue: VecDeque<(TelephoneEvent, Option<u64>)>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Sending(Playing),
    /// The final packet of a segment or of the event, to be sent this many times more.
    Repeating {
        packet: EventPacket,
        left: u8,
        then: After,
    },
    Pausing {
        until: RtpTime,
    },
}

#[derive(Clone, Copy, Debug)]
enum After {
    NextSegment(Playing),
    Pause,
}

/// An event under way.
#[derive(Clone, Copy, Debug)]
struct Playing {
    event: TelephoneEvent,
    segment_start: RtpTime,
    /// Ticks from the start of this segment to the end of the event; `None` until the key is released.
    total: Option<u64>,
    first: bool,
}

impl Sender {
    /// An idle sender.
    #[must_use]
    pub fn new(config: SenderConfig) -> Self {
        let interval = config.clock_rate.ticks(config.interval).clamp(1, u64::from(SEGMENT_TICKS));
        let interval = u32::try_from(interval).unwrap_or(SEGMENT_TICKS);
        Self { config, interval, queue: VecDeque::new(), state: State::Idle }
    }

    /// Queues `event`, to last for `duration` (at least one packet interval).
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when as many wait as [`SenderConfig::queue_limit`] allows.
    pub fn press(&mut self, event: TelephoneEvent, duration: Duration) -> Result<(), QueueFull> {
        let ticks = self.config.clock_rate.ticks(duration).max(u64::from(self.interval));
        self.enqueue(event, Some(ticks))
    }

    /// Queues `event`, to last until [`Sender::release`].
    ///
    /// # Errors
    ///
    /// As [`Sender::press`].
    pub fn hold(&mut self, event: TelephoneEvent) -> Result<(), QueueFull> {
        self.enqueue(event, None)
    }

    fn enqueue(&mut self, event: TelephoneEvent, ticks: Option<u64>) -> Result<(), QueueFull> {
        if self.queue.len() >= self.config.queue_limit {
            return Err(QueueFull { limit: self.config.queue_limit });
        }
        self.queue.push_back((event, ticks));
        Ok(())
    }

    /// Ends the event that is held, with the next packet; one that still waits will last one interval.
    pub fn release(&mut self) {
        match &mut self.state {
            State::Sending(playing) | State::Repeating { then: After::NextSegment(playing), .. }
                if playing.total.is_none() =>
            {
                playing.total = Some(0);
            }
            State::Idle | State::Sending(_) | State::Repeating { .. } | State::Pausing { .. } => {
                if let Some(waiting) = self.queue.iter_mut().find(|(_, ticks)| ticks.is_none()) {
                    waiting.1 = Some(u64::from(self.interval));
                }
            }
        }
    }

    /// Forgets the events that wait; the one under way ends as it should.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// Whether an event is under way or waits: no audio is to be sent where [`Sender::poll`] gives a packet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle) || !self.queue.is_empty()
    }

    /// The packet to send in place of the audio that would carry the timestamp `now`; `None` when there is no
    /// event, or in the pause between two.
    pub fn poll(&mut self, now: RtpTime) -> Option<EventPacket> {
        if let State::Pausing { until } = self.state
            && !until.is_after(now)
        {
            self.state = State::Idle;
        }
        if matches!(self.state, State::Idle) {
            let (event, total) = self.queue.pop_front()?;
            self.state = State::Sending(Playing { event, segment_start: now, total, first: true });
        }
        match self.state {
            State::Idle | State::Pausing { .. } => None,
            State::Sending(playing) => Some(self.update(now, playing)),
            State::Repeating { packet, left, then } => {
                self.state = match (left.saturating_sub(1), then) {
                    (0, After::NextSegment(next)) => State::Sending(next),
                    (0, After::Pause) => self.pause_after(packet),
                    (left, then) => State::Repeating { packet, left, then },
                };
                Some(packet)
            }
        }
    }

    fn update(&mut self, now: RtpTime, playing: Playing) -> EventPacket {
        // A caller that skipped packets, or whose clock stepped, gets a duration that stays in range.
        let since = u32::try_from(now.ticks_since(playing.segment_start)).unwrap_or_default();
        let elapsed = u64::from(since) + u64::from(self.interval);
        let duration = match playing.total {
            // Released just now: it lasted until here.
            Some(0) => elapsed.min(u64::from(since).max(1)),
            Some(total) => elapsed.min(total),
            None => elapsed,
        };
        let ends = playing.total.is_some_and(|total| duration >= total);
        let packet = |duration: u64, end| EventPacket {
            timestamp: playing.segment_start,
            marker: playing.first,
            report: Report {
                code: playing.event.code(),
                end,
                volume: self.volume_of(playing.event),
                duration: u16::try_from(duration).unwrap_or(u16::MAX),
            },
        };
        let repeated = |packet: EventPacket| EventPacket { marker: false, ..packet };
        if duration > u64::from(SEGMENT_TICKS) {
            let packet = packet(u64::from(SEGMENT_TICKS), false);
            let next = Playing {
                segment_start: playing.segment_start.plus(SEGMENT_TICKS),
                total: playing.total.map(|total| total.saturating_sub(u64::from(SEGMENT_TICKS))),
                first: false,
                ..playing
            };
            let then = After::NextSegment(next);
            self.state = State::Repeating { packet: repeated(packet), left: FINAL_PACKETS - 1, then };
            return packet;
        }
        let packet = packet(duration, ends);
        self.state = if ends {
            State::Repeating { packet: repeated(packet), left: FINAL_PACKETS - 1, then: After::Pause }
        } else {
            State::Sending(Playing { first: false, ..playing })
        };
        packet
    }

    fn pause_after(&self, last: EventPacket) -> State {
        let end = last.timestamp.plus(u32::from(last.report.duration));
        State::Pausing { until: end.after(self.config.pause, self.config.clock_rate) }
    }

    /// Volume is defined for DTMF only and zero elsewhere, RFC 4733 §2.3.4.
    fn volume_of(&self, event: TelephoneEvent) -> u8 {
        if event == TelephoneEvent::FLASH { 0 } else { self.config.volume.min(63) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn five() -> TelephoneEvent {
        TelephoneEvent::from_char('5').unwrap()
    }

    /// All packets until the sender is idle, asked every 20 ms from timestamp `start` on.
    fn packets(sender: &mut Sender, start: RtpTime) -> Vec<EventPacket> {
        let mut now = start;
        let mut packets = Vec::new();
        for _ in 0..100_000 {
            if !sender.is_busy() {
                return packets;
            }
            packets.extend(sender.poll(now));
            now = now.plus(160);
        }
        panic!("the sender never became idle");
    }

    #[test]
    fn an_event_that_a_hold_interrupts_ends_at_its_length() {
        let mut sender = Sender::new(SenderConfig::default());
        sender.press(five(), Duration::from_millis(100)).unwrap();
        let mut durations = Vec::new();
        for now in [0, 160, 28_800_000, 28_800_160, 28_800_320] {
            let report = sender.poll(RtpTime(now)).unwrap().report;
            durations.push((report.duration, report.end));
        }
        assert_eq!(durations, [(160, false), (320, false), (800, true), (800, true), (800, true)]);
        assert_eq!(sender.poll(RtpTime(28_800_480)), None);
        assert!(!sender.is_busy());
    }

    // rfc: 4733 §2.5.1.2 — one timestamp for each event, growing duration, marker on the first packet only
    // rfc: 4733 §2.5.1.4 — the final packet is sent three times, with the same duration and the end bit
    #[test]
    fn a_digit_has_one_timestamp_a_growing_duration_and_three_final_packets() {
        let mut sender = Sender::new(SenderConfig::default());
        sender.press(five(), Duration::from_millis(100)).unwrap();
        let packets = packets(&mut sender, RtpTime(u32::MAX - 100));
        assert!(packets.iter().all(|packet| packet.timestamp == RtpTime(u32::MAX - 100)));
        let durations: Vec<u16> = packets.iter().map(|packet| packet.report.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        let markers: Vec<bool> = packets.iter().map(|packet| packet.marker).collect();
        assert_eq!(markers, [true, false, false, false, false, false, false]);
        let ends: Vec<bool> = packets.iter().map(|packet| packet.report.end).collect();
        assert_eq!(ends, [false, false, false, false, true, true, true]);
        assert!(packets.iter().all(|packet| packet.report.volume == 10 && packet.report.code == 5));
    }

    #[test]
    fn the_same_digit_twice_is_two_events_with_a_pause_between_them() {
        let mut sender = Sender::new(SenderConfig::default());
        sender.press(five(), Duration::from_millis(40)).unwrap();
        sender.press(five(), Duration::from_millis(40)).unwrap();
        let packets = packets(&mut sender, RtpTime(0));
        let starts: Vec<u32> = packets.iter().filter(|p| p.marker).map(|p| p.timestamp.0).collect();
        assert_eq!(starts, [0, 320 + 480]);
        assert_eq!(packets.len(), 8);
    }

    #[test]
    fn a_duration_that_is_no_multiple_of_the_interval_ends_exactly() {
        let mut sender = Sender::new(SenderConfig::default());
        sender.press(five(), Duration::from_millis(50)).unwrap();
        let durations: Vec<u16> =
            packets(&mut sender, RtpTime(0)).iter().map(|packet| packet.report.duration).collect();
        assert_eq!(durations, [160, 320, 400, 400, 400]);
    }

    // rfc: 4733 §2.5.1.3 — long events are split at 0xFFFF, without end bit and without a new marker
    #[test]
    fn a_long_event_is_split_into_segments() {
        let mut sender = Sender::new(SenderConfig::default());
        sender.press(five(), Duration::from_secs(20)).unwrap();
        let packets = packets(&mut sender, RtpTime(1));
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 1);
        let mut starts: Vec<u32> = packets.iter().map(|packet| packet.timestamp.0).collect();
        starts.dedup();
        assert_eq!(starts, [1, 0x1_0000, 0x1_FFFF]);
        for start in [1, 0x1_0000] {
            let full = packets.iter().filter(|p| p.timestamp.0 == start && p.report.duration == 0xFFFF);
            assert_eq!(full.clone().count(), 3);
            assert!(full.clone().all(|packet| !packet.report.end));
        }
        let last = packets.last().unwrap();
        assert_eq!(u32::from(last.report.duration) + 2 * 0xFFFF, 20 * 8_000);
        assert_eq!(packets.iter().filter(|packet| packet.report.end).count(), 3);
    }

    // rfc: 4733 §2.5.1.2 — durations only grow, also when the caller's clock stands still
    #[test]
    fn a_held_key_ends_when_it_is_released_and_its_duration_never_shrinks() {
        let mut sender = Sender::new(SenderConfig::default());
        sender.hold(five()).unwrap();
        let mut seen = Vec::new();
        for packet in 0..5_u32 {
            seen.push(sender.poll(RtpTime(160 * packet)).unwrap().report);
        }
        assert!(seen.iter().all(|report| !report.end));
        sender.release();
        for packet in 5..8_u32 {
            seen.push(sender.poll(RtpTime(160 * packet)).unwrap().report);
        }
        assert!(seen.windows(2).all(|pair| pair[0].duration <= pair[1].duration));
        assert_eq!(
            seen.iter().filter(|report| report.end).map(|report| report.duration).collect::<Vec<_>>(),
            [800, 800, 800]
        );
    }

    #[test]
    fn the_clock_of_the_stream_is_the_clock_of_the_events() {
        let mut sender = Sender::new(SenderConfig::default().clock_rate(ClockRate::HZ_48000));
        sender.press(five(), Duration::from_millis(40)).unwrap();
        assert_eq!(sender.poll(RtpTime(0)).unwrap().report.duration, 960);
        assert_eq!(sender.poll(RtpTime(960)).unwrap().report.duration, 1_920);
    }

    #[test]
    fn a_full_queue_is_an_error() {
        let mut sender = Sender::new(SenderConfig::default().queue_limit(1));
        sender.press(TelephoneEvent::FLASH, Duration::ZERO).unwrap();
        assert_eq!(sender.press(five(), Duration::ZERO), Err(QueueFull { limit: 1 }));
        assert_eq!(sender.poll(RtpTime(0)).unwrap().report.volume, 0);
        sender.clear();
    }
}
