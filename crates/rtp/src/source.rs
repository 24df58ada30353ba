//! What we know of one source that we receive: whether it is real, what it lost, how it jitters
//! ([RFC 3550 §A.1], [RFC 3550 §A.3], [RFC 3550 §A.8]).
//!
//! [RFC 3550 §A.1]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.1
//! [RFC 3550 §A.3]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.3
//! [RFC 3550 §A.8]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.8

use std::time::{Duration, Instant};

use crate::rtcp::{ReportBlock, SenderInfo};
use crate::time::{ClockRate, RtpTime, short_ntp};

/// Packets in sequence that make a source valid.
const MIN_SEQUENTIAL: u8 = 2;
/// A gap this long, in packets, is a restart: a minute at 50 packets/s.
const MAX_DROPOUT: u16 = 3_000;
/// A packet this far behind is a restart: 2 s at 50 packets/s.
const MAX_MISORDER: u16 = 100;
/// Longest gap between two packets that counts as jitter, in seconds of either clock: beyond it the stream paused.
const LONGEST_SPACING_SECONDS: f64 = 3_600.0;

/// What a packet tells of its source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The source is not valid yet; the packet may be kept until it is.
    Probation,
    /// The packet belongs to the stream.
    Valid,
    /// The stream started anew, or was away for long: statistics began again with this packet, and what waits of
    /// the old one is worthless.
    Restarted,
    /// The sequence number makes no sense here; drop the packet.
    Implausible,
}

/// One synchronization source, as received.
#[derive(Clone, Debug)]
pub struct Source {
    ssrc: u32,
    clock_rate: ClockRate,
    /// Packets in sequence that are still to come before the source is valid.
    probation: u8,
    max_seq: u16,
    /// Wraps of the sequence number, times 65,536.
    cycles: u32,
    base_seq: u32,
    /// What has to follow an implausible number to make it a restart.
    bad_seq: Option<u16>,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    last_packet: Option<(Instant, RtpTime)>,
    jitter: f64,
    max_jitter: f64,
    sender_report: Option<(Instant, SenderInfo)>,
    last_heard: Instant,
}

/// How a source has been received so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SourceStatistics {
    /// Packets received, late ones and duplicates included.
    pub received: u64,
    /// Packets that should have come, from the first to the highest number.
    pub expected: u64,
    /// Expected less received; negative when there were duplicates.
    pub lost: i64,
    /// Mean deviation of the packet spacing, now.
    pub jitter: Duration,
    /// The greatest it ever was.
    pub max_jitter: Duration,
    /// Highest sequence number, with the wraps in the upper half.
    pub highest_sequence_number: u32,
}

impl Source {
    /// A source of which nothing was received.
    #[must_use]
    pub fn new(now: Instant, ssrc: u32, clock_rate: ClockRate) -> Self {
        Self {
            ssrc,
            clock_rate,
            probation: MIN_SEQUENTIAL,
            max_seq: 0,
            cycles: 0,
            base_seq: 0,
            bad_seq: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            last_packet: None,
            jitter: 0.0,
            max_jitter: 0.0,
            sender_report: None,
            last_heard: now,
        }
    }

    /// Takes in the header of a packet that arrived at `now`.
    ///
    /// The two packets of the probation count as received, so a stream that loses none reports none.
    pub fn handle_packet(&mut self, now: Instant, sequence_number: u16, timestamp: RtpTime) -> Verdict {
        self.last_heard = now;
        let verdict = self.update_sequence(sequence_number);
        match verdict {
            Verdict::Valid | Verdict::Probation => self.update_jitter(now, timestamp),
            Verdict::Restarted => {
                self.jitter = 0.0;
                self.last_packet = Some((now, timestamp));
            }
            Verdict::Implausible => {}
        }
        verdict
    }

    fn update_sequence(&mut self, number: u16) -> Verdict {
        if self.probation > 0 {
            let first = self.last_packet.is_none();
            if !first && number == self.max_seq.wrapping_add(1) {
                self.probation -= 1;
            } else {
                self.probation = MIN_SEQUENTIAL - 1;
                self.last_packet = None;
            }
            self.max_seq = number;
            if self.probation > 0 {
                return Verdict::Probation;
            }
            self.start_at(number.wrapping_sub(u16::from(MIN_SEQUENTIAL - 1)), number);
            self.received = u64::from(MIN_SEQUENTIAL);
            return Verdict::Valid;
        }
        let ahead = number.wrapping_sub(self.max_seq);
        if ahead < MAX_DROPOUT {
            if number < self.max_seq {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.max_seq = number;
        } else if ahead <= 0_u16.wrapping_sub(MAX_MISORDER) {
            if self.bad_seq == Some(number) {
                self.start_at(number, number);
                self.received = 1;
                return Verdict::Restarted;
            }
            self.bad_seq = Some(number.wrapping_add(1));
            return Verdict::Implausible;
        }
        self.received += 1;
        Verdict::Valid
    }

    fn start_at(&mut self, base: u16, max: u16) {
        // A base before the wrap counts from the cycle before: start one cycle up then.
        self.cycles = if base > max { 1 << 16 } else { 0 };
        self.base_seq = u32::from(base);
        self.max_seq = max;
        self.bad_seq = None;
        self.expected_prior = 0;
        self.received_prior = 0;
    }

    fn update_jitter(&mut self, now: Instant, timestamp: RtpTime) {
        if let Some((before, stamp)) = self.last_packet.replace((now, timestamp)) {
            let hz = f64::from(self.clock_rate.hz());
            let arrived = now.saturating_duration_since(before).as_secs_f64() * hz;
            let sent = f64::from(timestamp.ticks_since(stamp));
            if arrived.max(sent.abs()) < LONGEST_SPACING_SECONDS * hz {
                self.jitter += ((arrived - sent).abs() - self.jitter) / 16.0;
                self.max_jitter = self.max_jitter.max(self.jitter);
            }
        }
    }

    /// Takes in a sender report of this source.
    pub fn handle_sender_report(&mut self, now: Instant, info: SenderInfo) {
        self.last_heard = now;
        self.sender_report = Some((now, info));
    }

    /// Takes in any other sign of life.
    pub fn touch(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Its identifier.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Whether enough packets came in sequence.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.probation == 0
    }

    /// When anything of it came last.
    #[must_use]
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// When an RTP packet of it came last.
    #[must_use]
    pub fn last_packet(&self) -> Option<Instant> {
        self.last_packet.map(|(at, _)| at)
    }

    /// Its last sender report, and when that came.
    #[must_use]
    pub fn sender_report(&self) -> Option<(Instant, SenderInfo)> {
        self.sender_report
    }

    fn highest_sequence_number(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.max_seq))
    }

    fn expected(&self) -> u64 {
        if !self.is_valid() {
            return 0;
        }
        u64::from(self.highest_sequence_number().wrapping_sub(self.base_seq)) + 1
    }

    /// How it has been received so far.
    #[must_use]
    pub fn statistics(&self) -> SourceStatistics {
        let seconds = |ticks: f64| Duration::from_secs_f64(ticks / f64::from(self.clock_rate.hz()));
        SourceStatistics {
            received: self.received,
            expected: self.expected(),
            lost: self.expected().cast_signed() - self.received.cast_signed(),
            jitter: seconds(self.jitter),
            max_jitter: seconds(self.max_jitter),
            highest_sequence_number: self.highest_sequence_number(),
        }
    }

    /// The block to report on this source at `now`; the loss fraction counts from one call to the next.
    pub fn report_block(&mut self, now: Instant) -> ReportBlock {
        let expected = self.expected();
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = self.received.saturating_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (lost_interval << 8).checked_div(expected_interval).unwrap_or_default();
        let lost = self.statistics().lost.clamp(-0x80_0000, 0x7F_FFFF);
        let (last_sr, delay) = match self.sender_report {
            Some((at, info)) => (info.ntp.middle(), short_ntp(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: i32::try_from(lost).unwrap_or_default(),
            highest_sequence_number: self.highest_sequence_number(),
            jitter: whole(self.jitter),
            last_sr,
            delay_since_last_sr: delay,
        }
    }
}

/// The integer part, as the RFC takes it.
fn whole(ticks: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and what is cut off is the fraction")]
    let whole = ticks as u32;
    whole
}
