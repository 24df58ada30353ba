//! Takes packets in as they come, gives them out in order and in time.

mod config;
mod delay;

use std::time::{Duration, Instant};

use crate::seq::Extender;
use crate::time::RtpTime;
pub use config::JitterConfig;
use delay::{Arrival, DelayEstimator, Limits};

/// After this many pops in a row without a packet the buffer fills anew before it plays on.
const DRY_POPS: u32 = 10;
/// A delay two frames above the target for this many frames in a row is cut by one packet.
const PATIENCE: u32 = 25;
/// A delay more than this many frames above the target is cut five times as soon.
const MUCH_FRAMES: i64 = 4;
/// No duration of a configuration counts for more.
const LONGEST: Duration = Duration::from_secs(60);

/// A packet for the buffer.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Of the packet.
    pub sequence_number: u16,
    /// Of the packet.
    pub timestamp: RtpTime,
    /// Of the packet.
    pub payload_type: u8,
    /// Of the packet.
    pub marker: bool,
    /// Copied into the buffer.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Insert {
    /// It waits for its turn.
    Queued,
    /// Its turn had passed.
    Late,
    /// It is here already, or was.
    Duplicate,
    /// Its payload is longer than [`JitterConfig::max_payload`].
    TooLong,
}

/// What to play next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pop<'a> {
    /// This.
    Frame(Frame<'a>),
    /// Something in place of a packet that is lost or late, this many ticks of it.
    Lost {
        /// Length of the gap.
        ticks: u32,
    },
    /// Nothing is missing, but the delay has to grow: stretch what was played last by this many ticks.
    Stretch {
        /// How much to add.
        ticks: u32,
    },
    /// The sender is silent, or the buffer fills: comfort noise, this many ticks of it.
    Silence {
        /// Length of the silence.
        ticks: u32,
    },
}

/// A packet whose turn has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// Of the packet.
    pub sequence_number: u16,
    /// Of the packet.
    pub timestamp: RtpTime,
    /// Of the packet.
    pub payload_type: u8,
    /// Of the packet.
    pub marker: bool,
    /// Of the packet; decode it before the next call.
    pub payload: &'a [u8],
}

/// What a buffer did so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct JitterStatistics {
    /// Packets put in, whatever became of them.
    pub inserted: u64,
    /// Packets played.
    pub played: u64,
    /// Packets that were not there when it was their turn.
    pub lost: u64,
    /// Those of them that came afterwards.
    pub late: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets left out to shorten the delay, or for want of room.
    pub skipped: u64,
    /// Times that the delay was stretched.
    pub stretched: u64,
    /// Payloads too long to be kept.
    pub too_long: u64,
    /// The delay aimed at, above the fastest packet's.
    pub target_delay: Duration,
    /// Packets that wait.
    pub queued: usize,
}

/// Reorders packets and decides when each is played, with a delay that follows the jitter of the network.
///
/// [`insert`](JitterBuffer::insert) each packet; [`pop`](JitterBuffer::pop) whenever the player needs more,
/// until it has enough for 20 ms. Neither allocates. Memory is bounded by the slots, delay by
/// [`JitterConfig::max_delay`].
///
/// The delay grows at once when packets come late, and shrinks by one packet in half a second while it is
/// longer than the last 256 packets ask for; pauses of the sender are used first. A sender whose clock runs
/// at another speed is followed in the same way.
///
/// ```
/// use rtp::jitter_buffer::{Arrived, JitterBuffer, JitterConfig, Pop};
/// use std::time::{Duration, Instant};
///
/// let mut buffer = JitterBuffer::new(JitterConfig::default());
/// let start = Instant::now();
/// for (sequence_number, at) in [(8, 0), (7, 1), (9, 20)] {
///     let timestamp = rtp::RtpTime(u32::from(sequence_number) * 160);
///     let packet = Arrived { sequence_number, timestamp, payload_type: 0, marker: false, payload: &[0xFF; 160] };
///     buffer.insert(start + Duration::from_millis(at), packet);
/// }
/// assert!(matches!(buffer.pop(start + Duration::from_millis(10)), Pop::Silence { .. }));
/// let Pop::Frame(frame) = buffer.pop(start + Duration::from_millis(30)) else { panic!("it is due") };
/// assert_eq!(frame.sequence_number, 7);
/// ```
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    slots: Vec<Slot>,
    payloads: Vec<u8>,
    delay: DelayEstimator,
    extender: Extender,
    /// The media time whose turn it is; `None` while the buffer fills.
    position: Option<i64>,
    /// The number whose turn it is; `None` before the first.
    next: Option<u64>,
    /// What came in before `next`: bit n is the packet n + 1 before it.
    history: u64,
    /// The highest number put in.
    newest: Option<u64>,
    queued: usize,
    /// Pops since the last packet.
    dry: u32,
    /// The last packet bore no audio, so silence after it is no loss.
    quiet: bool,
    /// How long a packet lasts, in ticks, as the stream shows.
    packet_ticks: i64,
    /// Number and media time of the packet that came last, to learn `packet_ticks` from.
    previous: Option<(u64, i64)>,
    /// For how long the delay was too long, in frames.
    excess: u32,
    statistics: JitterStatistics,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Extended sequence number; 0 marks an empty slot, as numbering starts above 32,767.
    number: u64,
    position: i64,
    timestamp: RtpTime,
    kind: Kind,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Audio {
        payload_type: u8,
        marker: bool,
    },
    /// Takes its turn without a sound.
    Placeholder,
}

impl Slot {
    const EMPTY: Self =
        Self { number: 0, position: 0, timestamp: RtpTime(0), kind: Kind::Placeholder, len: 0 };
}

impl JitterBuffer {
    /// An empty buffer; all memory it will ever use is allocated here.
    #[must_use]
    pub fn new(config: JitterConfig) -> Self {
        let slots = config.slots.clamp(2, 4_096);
        let config = JitterConfig { slots, ..config };
        let ticks = |duration: Duration| signed(config.clock_rate.ticks(duration.min(LONGEST)));
        let frame = ticks(config.frame).max(1);
        let most = ticks(config.max_delay).max(frame);
        let least = ticks(config.min_delay).clamp(0, most);
        let initial = ticks(config.initial_delay).clamp(least, most);
        Self {
            config,
            slots: vec![Slot::EMPTY; slots],
            payloads: vec![0; slots.saturating_mul(config.max_payload)],
            delay: DelayEstimator::new(config.clock_rate, Limits { least, initial, most, margin: frame }),
            extender: Extender::new(),
            position: None,
            next: None,
            history: 0,
            newest: None,
            queued: 0,
            dry: 0,
            quiet: false,
            packet_ticks: frame,
            previous: None,
            excess: 0,
            statistics: JitterStatistics::default(),
        }
    }

    /// Takes in a packet.
    pub fn insert(&mut self, now: Instant, packet: Arrived<'_>) -> Insert {
        self.statistics.inserted += 1;
        if packet.payload.len() > self.config.max_payload {
            self.statistics.too_long += 1;
            return Insert::TooLong;
        }
        let position = match self.delay.observe(now, packet.timestamp) {
            Arrival::At(position) => position,
            Arrival::Stray => {
                self.statistics.late += 1;
                return Insert::Late;
            }
            Arrival::Jumped(position) => {
                self.statistics.skipped += self.queued as u64;
                self.clear();
                position
            }
        };
        let kind = Kind::Audio { payload_type: packet.payload_type, marker: packet.marker };
        self.place(packet.sequence_number, position, packet.timestamp, kind, packet.payload)
    }

    /// Notes a packet that bears no audio, such as a digit, so that it does not count as lost.
    ///
    /// Its arrival says nothing about the network's delay: a digit's packets all bear the time of its start.
    pub fn insert_placeholder(&mut self, sequence_number: u16, timestamp: RtpTime) -> Insert {
        self.statistics.inserted += 1;
        let position = self.delay.position(timestamp);
        self.place(sequence_number, position, timestamp, Kind::Placeholder, &[])
    }

    /// Gives out what is to be played next; call it when the player runs out, not earlier.
    pub fn pop(&mut self, now: Instant) -> Pop<'_> {
        match self.decide(now) {
            Turn::Play(slot) => {
                let from = self.index(slot.number) * self.config.max_payload;
                let (payload_type, marker) = match slot.kind {
                    Kind::Audio { payload_type, marker } => (payload_type, marker),
                    Kind::Placeholder => (0, false),
                };
                Pop::Frame(Frame {
                    sequence_number: low(slot.number),
                    timestamp: slot.timestamp,
                    payload_type,
                    marker,
                    payload: self.payloads.get(from..from + slot.len).unwrap_or_default(),
                })
            }
            Turn::Lost(ticks) => Pop::Lost { ticks: unsigned(ticks) },
            Turn::Stretch(ticks) => Pop::Stretch { ticks: unsigned(ticks) },
            Turn::Silence(ticks) => Pop::Silence { ticks: unsigned(ticks) },
        }
    }

    /// Forgets all packets and what was learnt of the network, as when another source takes over; the
    /// statistics stay.
    pub fn reset(&mut self) {
        self.clear();
        self.delay.reset();
    }

    /// What happened so far.
    #[must_use]
    pub fn statistics(&self) -> JitterStatistics {
        let target = u64::try_from(self.delay.target()).unwrap_or_default();
        JitterStatistics {
            target_delay: self.config.clock_rate.duration(target),
            queued: self.queued,
            ..self.statistics
        }
    }

    fn clear(&mut self) {
        self.slots.fill(Slot::EMPTY);
        self.extender = Extender::new();
        self.position = None;
        self.next = None;
        self.history = 0;
        self.newest = None;
        self.queued = 0;
        self.dry = 0;
        self.previous = None;
        self.excess = 0;
    }

    fn place(
        &mut self,
        number: u16,
        position: i64,
        timestamp: RtpTime,
        kind: Kind,
        payload: &[u8],
    ) -> Insert {
        let mut number = self.extender.extend(number);
        match self.make_room(number) {
            Room::Free => {}
            Room::TooOld => {
                self.statistics.late += 1;
                return Insert::Late;
            }
            Room::Leap => {
                // What waits belongs to a stream that is no more.
                self.statistics.skipped += self.queued as u64;
                self.clear();
                number = self.extender.extend(low(number));
            }
        }
        if let Some(behind @ 1..) = self.next.and_then(|next| next.checked_sub(number)) {
            return self.count_straggler(behind);
        }
        let index = self.index(number);
        let max_payload = self.config.max_payload;
        let room = self.payloads.get_mut(index * max_payload..(index + 1) * max_payload);
        let (Some(slot), Some(room)) = (self.slots.get_mut(index), room) else { return Insert::TooLong };
        if slot.number == number {
            self.statistics.duplicates += 1;
            return Insert::Duplicate;
        }
        if let Some(room) = room.get_mut(..payload.len()) {
            room.copy_from_slice(payload);
        }
        *slot = Slot { number, position, timestamp, kind, len: payload.len() };
        self.queued += 1;
        self.newest = self.newest.max(Some(number));
        self.learn_packet_length(number, position, kind);
        Insert::Queued
    }

    /// A packet `behind` the one whose turn it is: late, or a duplicate of one that was played.
    fn count_straggler(&mut self, behind: u64) -> Insert {
        let bit =
            u32::try_from(behind - 1).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or_default();
        if self.history & bit != 0 {
            self.statistics.duplicates += 1;
            return Insert::Duplicate;
        }
        self.history |= bit;
        self.statistics.late += 1;
        self.delay.was_late();
        Insert::Late
    }

    /// Drops the oldest packets if `number` needs their room.
    fn make_room(&mut self, number: u64) -> Room {
        let slots = self.slots.len() as u64;
        let Some(newest) = self.newest.max(self.next.map(|next| next - 1)) else { return Room::Free };
        if newest.abs_diff(number) >= 4 * slots {
            return Room::Leap;
        }
        if number + slots <= newest {
            return Room::TooOld;
        }
        let keep_from = (number + 1).saturating_sub(slots);
        let mut skipped = 0;
        if number > newest && self.queued > 0 {
            for slot in self.slots.iter_mut().filter(|slot| slot.number != 0 && slot.number < keep_from) {
                *slot = Slot::EMPTY;
                skipped += 1;
            }
            self.queued -= skipped;
            self.statistics.skipped += skipped as u64;
        }
        if let Some(next) = self.next
            && next < keep_from
        {
            self.statistics.lost += (keep_from - next).saturating_sub(skipped as u64);
            self.history = 0;
            self.next = Some(keep_from);
        }
        Room::Free
    }

    fn learn_packet_length(&mut self, number: u64, position: i64, kind: Kind) {
        if self.is_quiet(kind) {
            self.previous = None;
            return;
        }
        let longest = signed(self.config.clock_rate.ticks(Duration::from_millis(120)));
        if let Some((previous, at)) = self.previous
            && number == previous + 1
            && (1..=longest).contains(&(position - at))
        {
            self.packet_ticks = position - at;
        }
        self.previous = Some((number, position));
    }

    /// Whether nothing need follow a packet at once.
    fn is_quiet(&self, kind: Kind) -> bool {
        match kind {
            Kind::Audio { payload_type, .. } => Some(payload_type) == self.config.comfort_noise,
            Kind::Placeholder => true,
        }
    }

    fn decide(&mut self, now: Instant) -> Turn {
        let due = self.delay.due(now);
        let position = self.position.or_else(|| {
            loop {
                let first = self.lowest_from(self.next.unwrap_or_default())?;
                match first.kind {
                    Kind::Placeholder => self.take(first.number),
                    Kind::Audio { .. } => return (first.position <= due).then_some(first.position),
                }
            }
        });
        let Some(position) = position else { return Turn::Silence(self.packet_ticks) };
        let turn = self.advance(position, due);
        if self.dry >= DRY_POPS && self.queued == 0 {
            self.position = None;
        }
        turn
    }

    /// Decides what is played at `position` while the clock says `due`, and moves on.
    fn advance(&mut self, mut position: i64, due: i64) -> Turn {
        let step = self.packet_ticks;
        loop {
            let behind = due.saturating_sub(position);
            let next = self.next.unwrap_or_default();
            let (turn, then) = match self.lowest_from(next) {
                None => self.run_dry(position, behind),
                Some(slot) => {
                    let complete = slot.number == next || self.next.is_none();
                    let gap = slot.position - position;
                    match slot.kind {
                        Kind::Placeholder if complete || gap < step => {
                            self.take(slot.number);
                            self.quiet = true;
                            continue;
                        }
                        Kind::Audio { .. } if complete && gap >= step && slot.position > due => {
                            // The sender paused. What we are behind is made up for here, where nobody hears it.
                            let from = position + behind.max(0);
                            let ticks = step.min(slot.position - from);
                            (Turn::Silence(ticks), from + ticks)
                        }
                        Kind::Audio { .. } if complete || gap < step => {
                            if due.saturating_sub(slot.position) <= -step {
                                self.statistics.stretched += 1;
                                (Turn::Stretch(step), position)
                            } else {
                                self.take(slot.number);
                                self.quiet = self.is_quiet(slot.kind);
                                position = slot.position + step;
                                if self.shortens(due.saturating_sub(slot.position)) {
                                    self.statistics.skipped += 1;
                                    continue;
                                }
                                self.statistics.played += 1;
                                (Turn::Play(slot), position)
                            }
                        }
                        // The packet whose turn it is is missing, but may still come in time.
                        Kind::Audio { .. } | Kind::Placeholder if behind < 0 => {
                            self.statistics.stretched += 1;
                            (Turn::Stretch(step), position)
                        }
                        Kind::Audio { .. } | Kind::Placeholder => {
                            self.pass_over(1);
                            (Turn::Lost(step), position + step)
                        }
                    }
                }
            };
            self.position = Some(then);
            return turn;
        }
    }

    /// Nothing waits: the next packet may be late, lost, or not sent at all.
    fn run_dry(&mut self, position: i64, behind: i64) -> (Turn, i64) {
        let step = self.packet_ticks;
        self.dry += 1;
        if self.quiet || self.dry > DRY_POPS / 2 {
            (Turn::Silence(step), position + step)
        } else if behind < 0 {
            self.statistics.stretched += 1;
            (Turn::Stretch(step), position)
        } else {
            (Turn::Lost(step), position + step)
        }
    }

    /// Whether a packet whose turn came `behind` ticks ago is left out, as the delay is longer than need be.
    fn shortens(&mut self, behind: i64) -> bool {
        if self.queued == 0 {
            return false;
        }
        let most = signed(self.config.clock_rate.ticks(self.config.max_delay.min(LONGEST)));
        if behind + self.delay.target() > most + self.packet_ticks {
            return true;
        }
        if behind < 2 * self.packet_ticks {
            self.excess = 0;
            return false;
        }
        self.excess += if behind > MUCH_FRAMES * self.packet_ticks { 5 } else { 1 };
        if self.excess < PATIENCE {
            return false;
        }
        self.excess = 0;
        true
    }

    /// Takes `number` out; its payload stays readable until the next packet comes in.
    fn take(&mut self, number: u64) {
        if let Some(next) = self.next {
            self.pass_over(number.saturating_sub(next));
        }
        self.history = (self.history << 1) | 1;
        self.next = Some(number + 1);
        self.dry = 0;
        self.queued = self.queued.saturating_sub(1);
        let index = self.index(number);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.number = 0;
        }
    }

    /// Gives up on the next `missing` packets.
    fn pass_over(&mut self, missing: u64) {
        self.statistics.lost += missing;
        let shift = u32::try_from(missing).unwrap_or(u32::MAX);
        self.history = self.history.checked_shl(shift).unwrap_or_default();
        self.next = self.next.map(|next| next + missing);
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number % self.slots.len() as u64).unwrap_or_default()
    }

    /// The packet with the lowest number from `from` on.
    fn lowest_from(&self, from: u64) -> Option<Slot> {
        if self.queued == 0 {
            return None;
        }
        match self.slots.get(self.index(from)) {
            Some(slot) if slot.number == from && from != 0 => Some(*slot),
            _ => self.slots.iter().filter(|slot| slot.number != 0).min_by_key(|slot| slot.number).copied(),
        }
    }
}

/// Whether there is a slot for a packet.
#[derive(Clone, Copy, Debug)]
enum Room {
    Free,
    /// It lies further back than there are slots.
    TooOld,
    /// It lies so far off that the stream must have started anew.
    Leap,
}

/// What [`JitterBuffer::decide`] came to.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Play(Slot),
    Lost(i64),
    Stretch(i64),
    Silence(i64),
}

fn signed(ticks: u64) -> i64 {
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

fn unsigned(ticks: i64) -> u32 {
    u32::try_from(ticks.max(1)).unwrap_or(u32::MAX)
}

/// The sequence number of an extended one.
fn low(number: u64) -> u16 {
    let [.., a, b] = number.to_be_bytes();
    u16::from_be_bytes([a, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer, and a listener who plays 20 ms at a time.
    struct Line {
        buffer: JitterBuffer,
        start: Instant,
        /// What was played: `5` a packet, `L` lost, `S` stretched, `.` silence.
        heard: String,
        owed: i64,
    }

    impl Line {
        fn new(config: JitterConfig) -> Self {
            #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
            let start = Instant::now();
            Self { buffer: JitterBuffer::new(config), start, heard: String::new(), owed: 0 }
        }

        fn insert(&mut self, at_ms: u64, sequence_number: u16, stamp_ms: u32, payload_type: u8) -> Insert {
            let timestamp = RtpTime(0xFFFF_FF00).plus(stamp_ms * 8);
            let packet =
                Arrived { sequence_number, timestamp, payload_type, marker: false, payload: &[7; 160] };
            self.buffer.insert(self.start + Duration::from_millis(at_ms), packet)
        }

        /// Plays 20 ms at `at_ms`; each packet lasts `packet_ticks`.
        fn play(&mut self, at_ms: u64, packet_ticks: u32) {
            self.owed += 160;
            while self.owed > 0 {
                let (sound, ticks) = match self.buffer.pop(self.start + Duration::from_millis(at_ms)) {
                    Pop::Frame(frame) => {
                        (char::from_digit(u32::from(frame.sequence_number % 10), 10), packet_ticks)
                    }
                    Pop::Lost { ticks } => (Some('L'), ticks),
                    Pop::Stretch { ticks } => (Some('S'), ticks),
                    Pop::Silence { ticks } => (Some('.'), ticks),
                };
                self.heard.extend(sound);
                self.owed -= i64::from(ticks);
            }
        }
    }

    #[test]
    fn packets_of_other_lengths_are_played_without_gaps() {
        for packet_ms in [10, 30, 60] {
            let mut line = Line::new(JitterConfig::default());
            for ms in 0..1_200_u32 {
                if ms % packet_ms == 0 {
                    line.insert(ms.into(), u16::try_from(ms / packet_ms).unwrap(), ms, 0);
                }
                if ms % 20 == 5 {
                    line.play(ms.into(), packet_ms * 8);
                }
            }
            let heard = line.heard.trim_start_matches('.');
            let expected: String = "0123456789".chars().cycle().take(heard.len()).collect();
            assert_eq!(heard, expected, "packets of {packet_ms} ms");
            assert!(heard.len() >= 1_000 / packet_ms as usize);
        }
    }

    #[test]
    fn late_and_doubled_packets_are_told_apart() {
        let mut line = Line::new(JitterConfig::default());
        for number in [0, 1, 2, 4, 5, 6] {
            assert_eq!(
                line.insert(u64::from(number) * 20, number, u32::from(number) * 20, 0),
                Insert::Queued
            );
            line.play(u64::from(number) * 20 + 5, 160);
        }
        line.play(145, 160);
        assert_eq!(line.insert(150, 6, 120, 0), Insert::Duplicate);
        line.play(165, 160);
        assert_eq!(line.insert(170, 3, 60, 0), Insert::Late);
        assert_eq!(line.insert(171, 3, 60, 0), Insert::Duplicate);
        assert_eq!(line.insert(172, 2, 40, 0), Insert::Duplicate);
        let statistics = line.buffer.statistics();
        assert_eq!((statistics.lost, statistics.late, statistics.duplicates), (1, 1, 3), "{}", line.heard);
    }

    #[test]
    fn pauses_of_the_sender_are_silence_and_lost_packets_are_not() {
        let mut line = Line::new(JitterConfig::default());
        // Speech, comfort noise, nothing for 300 ms, comfort noise, speech from 500 ms on with a packet missing.
        let sent = [(0, 0), (20, 0), (40, 13), (340, 13), (500, 0), (520, 0), (560, 0), (580, 0)];
        let numbers = [0, 1, 2, 3, 4, 5, 7, 8];
        for ms in 0..700_u64 {
            if let Some(index) = sent.iter().position(|(at, _)| *at == ms) {
                let (at, payload_type) = sent[index];
                line.insert(at, numbers[index], u32::try_from(at).unwrap(), payload_type);
            }
            if ms % 20 == 5 {
                line.play(ms, 160);
            }
        }
        let spoken = line.heard.trim_matches('.');
        assert_eq!(spoken.split_once('2').unwrap().0, "01");
        let after = spoken.split_once('3').unwrap().1.replace('S', ""); // it may wait for the missing one
        assert_eq!(after.trim_start_matches('.').trim_end_matches('L'), "45L78", "{spoken}");
        let between = spoken.split_once('2').unwrap().1.split_once('3').unwrap().0;
        assert!(between.len() >= 12 && between.chars().all(|sound| sound == '.'), "{spoken}");
    }

    #[test]
    fn a_stream_may_begin_with_packets_that_bear_no_audio() {
        for stamp in [0, 0x4000_0000, 0xC000_0000] {
            let mut buffer = JitterBuffer::new(JitterConfig::default());
            let line = Line::new(JitterConfig::default());
            let (mut played, silence) = (0, [0xFF; 160]);
            for number in 0..20_u16 {
                let now = line.start + Duration::from_millis(20) * u32::from(number);
                let timestamp = RtpTime(stamp).plus(160 * u32::from(number));
                if number < 7 {
                    buffer.insert_placeholder(number, RtpTime(stamp));
                } else {
                    let sequence_number = number;
                    let packet = Arrived {
                        sequence_number,
                        timestamp,
                        payload_type: 0,
                        marker: false,
                        payload: &silence,
                    };
                    assert_eq!(buffer.insert(now, packet), Insert::Queued);
                }
                if let Pop::Frame(frame) = buffer.pop(now) {
                    assert_eq!(frame.sequence_number, 7 + played);
                    played += 1;
                }
            }
            assert!(played >= 10, "timestamps from {stamp:#x}: {played} played");
            assert_eq!(buffer.statistics().lost, 0);
        }
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut line = Line::new(JitterConfig::default().capacity(8, 160));
        for number in 0..20 {
            assert_eq!(line.insert(0, number, u32::from(number) * 20, 0), Insert::Queued);
        }
        assert_eq!(line.buffer.statistics().queued, 8);
        assert_eq!(line.insert(1, 5, 100, 0), Insert::Late);
        line.play(500, 160);
        assert!("23456789".contains(line.heard.as_str()), "{}", line.heard);
        let now = line.start;
        let long = Arrived {
            sequence_number: 21,
            timestamp: RtpTime(0),
            payload_type: 0,
            marker: false,
            payload: &[0; 161],
        };
        assert_eq!(line.buffer.insert(now, long), Insert::TooLong);
    }

    #[test]
    fn a_leap_of_the_numbers_starts_anew() {
        let mut line = Line::new(JitterConfig::default());
        for number in 0..10_u16 {
            line.insert(u64::from(number) * 20, number, u32::from(number) * 20, 0);
            line.play(u64::from(number) * 20 + 5, 160);
        }
        for number in 10..30_u16 {
            line.insert(u64::from(number) * 20, number + 30_000, u32::from(number) * 20, 0);
            line.play(u64::from(number) * 20 + 5, 160);
        }
        assert_eq!(line.heard, "..01234567..012345678901234567");
        assert_eq!(line.buffer.statistics().lost, 0);
    }
}
