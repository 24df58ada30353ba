//! The sources heard in a session, and the addresses they come from ([RFC 3550 §8.2]).
//!
//! [RFC 3550 §8.2]: https://www.rfc-editor.org/rfc/rfc3550#section-8.2

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::rtcp::ReportBlock;
use crate::source::Source;
use crate::time::ClockRate;

/// A source of which no RTP came for this long may be replaced: by another SSRC, or from another address.
pub(super) const SILENCE: Duration = Duration::from_millis(500);
/// Addresses that send under our own SSRC, as far as they are remembered.
const MAX_CONFLICTS: usize = 8;
/// How long such an address is remembered after its last packet: ten report intervals.
const CONFLICT_MEMORY: Duration = Duration::from_secs(50);
/// Report blocks in one compound.
const MAX_BLOCKS: usize = 31;

/// A source and where it sends from.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) source: Source,
    /// The session said that it is there.
    pub(super) announced: bool,
    rtp_from: Option<SocketAddr>,
    rtcp_from: Option<SocketAddr>,
    /// Packets counted at the last report, to report on those only who sent since.
    received_before: u64,
}

impl Entry {
    pub(super) fn is_valid(&self) -> bool {
        self.source.is_valid()
    }
}

/// Whether a packet may be looked at.
#[derive(Debug)]
pub(super) enum Admission<'a> {
    Known(&'a mut Entry),
    /// The table is full, or two sources collide.
    Refused,
}

#[derive(Debug)]
pub(super) struct Table {
    clock_rate: ClockRate,
    limit: usize,
    entries: Vec<Entry>,
    conflicts: Vec<(SocketAddr, Instant)>,
    /// Where the next report begins, when not all sources fit into one.
    turn: usize,
}

impl Table {
    pub(super) fn new(clock_rate: ClockRate, limit: usize) -> Self {
        Self {
            clock_rate,
            limit: limit.clamp(1, 1_024),
            entries: Vec::with_capacity(4),
            conflicts: Vec::new(),
            turn: 0,
        }
    }

    pub(super) fn get(&self, ssrc: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.source.ssrc() == ssrc)
    }

    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.source.ssrc() == ssrc)
    }

    /// Looks up the source of an RTP packet. Of two that use one SSRC the established one is kept; another
    /// address takes over once that is silent, since phones do move.
    pub(super) fn admit_rtp(&mut self, now: Instant, ssrc: u32, from: SocketAddr) -> Admission<'_> {
        let Some(entry) = self.find_or_add(now, ssrc) else { return Admission::Refused };
        let active = |at: Instant| now.saturating_duration_since(at) <= SILENCE;
        match entry.rtp_from {
            Some(known) if known != from && entry.source.last_packet().is_some_and(active) => {
                Admission::Refused
            }
            _ => {
                entry.rtp_from = Some(from);
                Admission::Known(entry)
            }
        }
    }

    /// Looks up the source of an RTCP packet, which has to come from the host of its RTP, or from where its RTCP
    /// came before.
    pub(super) fn admit_rtcp(&mut self, now: Instant, ssrc: u32, from: SocketAddr) -> Admission<'_> {
        let Some(entry) = self.find_or_add(now, ssrc) else { return Admission::Refused };
        if entry.rtp_from.or(entry.rtcp_from).is_some_and(|known| known.ip() != from.ip()) {
            return Admission::Refused;
        }
        entry.rtcp_from = Some(from);
        entry.source.touch(now);
        Admission::Known(entry)
    }

    fn find_or_add(&mut self, now: Instant, ssrc: u32) -> Option<&mut Entry> {
        let found = self.entries.iter().position(|entry| entry.source.ssrc() == ssrc);
        if found.is_none() {
            if self.entries.len() >= self.limit && !self.evict() {
                return None;
            }
            let source = Source::new(now, ssrc, self.clock_rate);
            let entry =
                Entry { source, announced: false, rtp_from: None, rtcp_from: None, received_before: 0 };
            self.entries.push(entry);
        }
        let index = found.unwrap_or(self.entries.len() - 1);
        self.entries.get_mut(index)
    }

    /// Makes room by dropping the source that has not proved itself for longest.
    fn evict(&mut self) -> bool {
        let unproved = self.entries.iter().enumerate().filter(|(_, entry)| !entry.source.is_valid());
        match unproved.min_by_key(|(_, entry)| entry.source.last_heard()) {
            Some((index, _)) => {
                self.entries.swap_remove(index);
                true
            }
            None => false,
        }
    }

    /// Whether a goodbye of this source is its own: it came from the host of its RTP, or else of its RTCP.
    pub(super) fn is_from(&self, ssrc: u32, from: SocketAddr) -> bool {
        let known = self.get(ssrc).and_then(|entry| entry.rtp_from.or(entry.rtcp_from));
        known.is_some_and(|known| known.ip() == from.ip())
    }

    /// Forgets a source.
    pub(super) fn remove(&mut self, ssrc: u32) {
        self.entries.retain(|entry| entry.source.ssrc() != ssrc);
    }

    /// The sources that were silent for `timeout`.
    pub(super) fn expired(&self, now: Instant, timeout: Duration) -> Vec<u32> {
        let silent = |entry: &&Entry| now.saturating_duration_since(entry.source.last_heard()) >= timeout;
        self.entries.iter().filter(silent).map(|entry| entry.source.ssrc()).collect()
    }

    /// Members and, among them, those who sent within `recent`.
    pub(super) fn count(&self, now: Instant, recent: Duration) -> (usize, usize) {
        let is_member = |entry: &&Entry| entry.source.is_valid() || entry.rtcp_from.is_some();
        let sends = |entry: &&Entry| {
            let last = entry.source.last_packet().filter(|_| entry.source.is_valid());
            last.is_some_and(|at| now.saturating_duration_since(at) <= recent)
        };
        let members = self.entries.iter().filter(is_member);
        (members.clone().count(), members.filter(sends).count())
    }

    /// Reports on those who sent since the last report; at most 31, in turns.
    pub(super) fn report_blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let count = self.entries.len().max(1);
        let start = self.turn % count;
        let mut blocks = Vec::new();
        self.turn = 0;
        for offset in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut((start + offset) % count) else { break };
            let received = entry.source.statistics().received;
            if received == entry.received_before {
                continue;
            }
            if blocks.len() == MAX_BLOCKS {
                self.turn = start + offset;
                break;
            }
            entry.received_before = received;
            blocks.push(entry.source.report_block(now));
        }
        blocks
    }

    /// Remembers that `from` sends under our SSRC; whether that was known.
    pub(super) fn note_conflict(&mut self, now: Instant, from: SocketAddr) -> bool {
        self.conflicts.retain(|(_, last)| now.saturating_duration_since(*last) < CONFLICT_MEMORY);
        if let Some(known) = self.conflicts.iter_mut().find(|(address, _)| *address == from) {
            known.1 = now;
            return true;
        }
        if self.conflicts.len() == MAX_CONFLICTS {
            return true; // that many at once are an attack: ignore it rather than change SSRC for each packet
        }
        self.conflicts.push((from, now));
        false
    }
}
