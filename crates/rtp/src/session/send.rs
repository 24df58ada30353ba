//! The stream that we send: its numbers and its counts.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use super::Outgoing;
use crate::error::BuildError;
use crate::packet::PacketBuilder;
use crate::rtcp::SenderInfo;
use crate::telephone_event::EventPacket;
use crate::time::{ClockRate, NtpTime, RtpTime};

/// What the next packet will bear, and what went out before it.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    clock_rate: ClockRate,
    ssrc: u32,
    sequence_number: u16,
    timestamp: RtpTime,
    paused: bool,
    /// When the packet with which timestamp was sent.
    last: Option<(Instant, RtpTime)>,
    /// Since the start, under whatever SSRC.
    sent: u64,
    sent_octets: u64,
    /// Since this SSRC was taken.
    packet_count: u32,
    octet_count: u32,
    /// Packets sent since the last report, and between that and the one before.
    since_report: u32,
    before_report: u32,
}

impl Stream {
    pub(super) fn new(random: &mut ChaCha8Rng, clock_rate: ClockRate) -> Self {
        let mut stream = Self {
            clock_rate,
            ssrc: 0,
            sequence_number: 0,
            timestamp: RtpTime(0),
            paused: false,
            last: None,
            sent: 0,
            sent_octets: 0,
            packet_count: 0,
            octet_count: 0,
            since_report: 0,
            before_report: 0,
        };
        let ssrc = random.next_u32();
        stream.start_over(random, ssrc);
        stream
    }

    /// Goes on under another SSRC, with fresh numbers and counts.
    pub(super) fn start_over(&mut self, random: &mut ChaCha8Rng, ssrc: u32) {
        self.ssrc = ssrc;
        let [a, b, ..] = random.next_u32().to_be_bytes();
        self.sequence_number = u16::from_be_bytes([a, b]);
        self.timestamp = RtpTime(random.next_u32());
        self.last = None;
        self.packet_count = 0;
        self.octet_count = 0;
        self.since_report = 0;
        self.before_report = 0;
    }

    pub(super) fn write(
        &mut self,
        now: Instant,
        outgoing: &Outgoing<'_>,
        buffer: &mut [u8],
    ) -> Result<usize, BuildError> {
        let len = PacketBuilder::new(outgoing.payload_type, self.sequence_number, self.timestamp, self.ssrc)
            .marker(outgoing.marker || self.paused)
            .payload(outgoing.payload)
            .write(buffer)?;
        self.paused = false;
        self.count(now, outgoing.payload.len(), outgoing.ticks);
        Ok(len)
    }

    pub(super) fn write_event(
        &mut self,
        now: Instant,
        payload_type: u8,
        packet: &EventPacket,
        ticks: u32,
        buffer: &mut [u8],
    ) -> Result<usize, BuildError> {
        let payload = packet.report.to_bytes();
        let len = PacketBuilder::new(payload_type, self.sequence_number, packet.timestamp, self.ssrc)
            .marker(packet.marker)
            .payload(&payload)
            .write(buffer)?;
        self.count(now, payload.len(), ticks);
        Ok(len)
    }

    fn count(&mut self, now: Instant, octets: usize, ticks: u32) {
        self.last = Some((now, self.timestamp));
        self.sequence_number = self.sequence_number.wrapping_add(1);
        self.timestamp = self.timestamp.plus(ticks);
        self.sent += 1;
        self.sent_octets += octets as u64;
        self.packet_count = self.packet_count.wrapping_add(1);
        self.octet_count = self.octet_count.wrapping_add(u32::try_from(octets).unwrap_or(u32::MAX));
        self.since_report = self.since_report.saturating_add(1);
    }

    pub(super) fn pause(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.plus(ticks);
        self.paused = true;
    }

    pub(super) fn reported(&mut self) {
        self.before_report = std::mem::take(&mut self.since_report);
    }

    /// What decides between SR and RR (RFC 3550 §6.4).
    pub(super) fn sent_since_report_before_last(&self) -> bool {
        self.since_report > 0 || self.before_report > 0
    }

    /// What a sender report says at `now`: the media clock read off the last packet.
    pub(super) fn info(&self, now: Instant, ntp: NtpTime) -> SenderInfo {
        let rtp = self.last.map_or(self.timestamp, |(at, timestamp)| {
            timestamp.after(now.saturating_duration_since(at), self.clock_rate)
        });
        SenderInfo { ntp, rtp, packet_count: self.packet_count, octet_count: self.octet_count }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn timestamp(&self) -> RtpTime {
        self.timestamp
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn sent_octets(&self) -> u64 {
        self.sent_octets
    }
}
