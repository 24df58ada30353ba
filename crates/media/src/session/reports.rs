//! RTCP: what we report of the peer's stream, and what the peer reports of ours.

use std::time::{Duration, Instant};

use rtp::NtpTime;
use rtp::rtcp::{Compound, CompoundBuilder, Packet, ReportBlock, SdesItem, SenderInfo};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::Statistics;
use crate::random::Random;

/// Between two reports, on average; and between two [`Event::Statistics`](super::Event::Statistics).
const INTERVAL: Duration = Duration::from_secs(5);
/// e − 3/2, by which a randomized interval is divided ([RFC 3550 §6.3.1]).
///
/// [RFC 3550 §6.3.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.1
const COMPENSATION: f64 = 1.218_28;
/// Room for a report with one block, a name and a goodbye.
const REPORT_ROOM: usize = 256;
/// Octets of a CNAME: 96 random bits in hexadecimal ([RFC 7022 §4.2]).
///
/// [RFC 7022 §4.2]: https://www.rfc-editor.org/rfc/rfc7022#section-4.2
const CNAME: usize = 24;

/// When to report, and what the peer's reports said.
#[derive(Debug)]
pub(super) struct Reports {
    start: Instant,
    wall_clock: NtpTime,
    random: Random,
    cname: [u8; CNAME],
    next_report: Option<Instant>,
    next_statistics: Option<Instant>,
    packets_reported: u64,
    round_trip: Option<Duration>,
    peer_loss: Option<f32>,
}

impl Reports {
    pub(super) fn new(now: Instant, wall_clock: Option<NtpTime>, random: &mut Random) -> Self {
        let mut random = Random::new(random.seed());
        let mut cname = [0; CNAME];
        for octet in &mut cname {
            let digit = random.below(16);
            *octet = char::from_digit(digit, 16).map_or(b'0', |digit| digit as u8);
        }
        Self {
            start: now,
            wall_clock: wall_clock.unwrap_or_default(),
            random,
            cname,
            next_report: None,
            next_statistics: None,
            packets_reported: 0,
            round_trip: None,
            peer_loss: None,
        }
    }

    /// Begins to report, the first time after half an interval.
    pub(super) fn start(&mut self, now: Instant) {
        if self.next_report.is_none() {
            self.next_report = Some(now + self.interval() / 2);
            self.next_statistics = Some(now + INTERVAL);
        }
    }

    pub(super) fn stop(&mut self) {
        self.next_report = None;
        self.next_statistics = None;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.next_report, self.next_statistics].into_iter().flatten().min()
    }

    /// Whether a report is due; then the next one is scheduled.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next_report.is_some_and(|at| at <= now);
        if due {
            self.next_report = Some(now + self.interval());
        }
        due
    }

    /// Whether the application is to be told the numbers.
    pub(super) fn is_statistics_due(&mut self, now: Instant) -> bool {
        let due = self.next_statistics.filter(|at| *at <= now);
        if due.is_some() {
            self.next_statistics = Some(now + INTERVAL);
        }
        due.is_some()
    }

    /// Writes a sender report when we sent since the last one, else a receiver report, and our name.
    pub(super) fn write(
        &mut self,
        now: Instant,
        outgoing: &Outgoing,
        incoming: &mut Incoming,
        goodbye: bool,
        buffer: &mut Vec<u8>,
    ) {
        let info = SenderInfo {
            ntp: self.ntp(now),
            rtp: outgoing.timestamp_at(now),
            packet_count: wrapped(outgoing.packets),
            octet_count: wrapped(outgoing.octets),
        };
        let sent = outgoing.packets != self.packets_reported;
        self.packets_reported = outgoing.packets;
        let block = incoming.report_block(now);
        buffer.resize(REPORT_ROOM, 0);
        let length = self.compound(outgoing.ssrc, sent.then_some(info), block.as_slice(), goodbye, buffer);
        buffer.truncate(length);
    }

    fn compound(
        &self,
        ssrc: u32,
        info: Option<SenderInfo>,
        blocks: &[ReportBlock],
        goodbye: bool,
        buffer: &mut [u8],
    ) -> usize {
        let mut builder = CompoundBuilder::new(buffer);
        let report = match info {
            Some(info) => builder.sender_report(ssrc, &info, blocks),
            None => builder.receiver_report(ssrc, blocks),
        };
        let named =
            report.and_then(|builder| builder.source_description(&[(ssrc, &[SdesItem::cname(&self.cname)])]));
        let written = match named {
            Ok(builder) if goodbye => builder.bye(&[ssrc], b""),
            result => result,
        };
        if written.is_err() { 0 } else { builder.finish() }
    }

    /// Takes in what the peer reports.
    pub(super) fn take(&mut self, now: Instant, compound: &Compound<'_>, ssrc: u32, incoming: &mut Incoming) {
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport(report) => {
                    incoming.take_sender_report(now, report.ssrc, report.info);
                    report.blocks().for_each(|block| self.take_block(now, ssrc, &block));
                }
                Packet::ReceiverReport(report) => {
                    report.blocks().for_each(|block| self.take_block(now, ssrc, &block));
                }
                Packet::SourceDescription(_) | Packet::Bye(_) | Packet::App(_) | Packet::Unknown(_) | _ => {}
            }
        }
    }

    pub(super) fn count(&self, statistics: &mut Statistics) {
        statistics.round_trip = self.round_trip;
        statistics.peer_loss = self.peer_loss;
    }

    fn take_block(&mut self, now: Instant, ssrc: u32, block: &ReportBlock) {
        if block.ssrc == ssrc {
            self.peer_loss = Some(f32::from(block.fraction_lost) / 256.0);
            self.round_trip = block.round_trip(self.ntp(now)).or(self.round_trip);
        }
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        self.wall_clock.plus(now.saturating_duration_since(self.start))
    }

    /// Half to one and a half of the interval, so that reports of many sessions do not fall together
    /// ([RFC 3550 §6.3.1]).
    ///
    /// [RFC 3550 §6.3.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.3.1
    fn interval(&mut self) -> Duration {
        let share = 0.5 + f64::from(self.random.below(1_000)) / 1_000.0;
        INTERVAL.mul_f64(share / COMPENSATION)
    }
}

/// The low 32 bits, which is how RTCP counts.
fn wrapped(count: u64) -> u32 {
    u32::try_from(count & u64::from(u32::MAX)).unwrap_or_default()
}
